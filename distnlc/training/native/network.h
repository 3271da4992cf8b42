/* What Python tells (native_form.py): a network layer by layer, a run's numbers; and where signals lie in memory. */

#include "exponential.h"

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 }; /* CBLAS's numbers */
/* the numbers of native_form.py */
enum { IDENTITY, RELU, SELU, TANH, SIGMOID, EVEN_TANH, GAUSSIAN, SQUARE, ODD_SQUARE, RELU6, HARDTANH, HARDSIGMOID };
enum { NO_NORM, BATCH_NORM, LAYER_NORM, LENGTH_NORM };
enum { NO_SKIP, FROM_LINEAR, FROM_NORMALIZATION };
enum { CROSS_ENTROPY, SQUARED_ERROR };
enum { SGD, MOMENTUM, ADAM, ADAM_TF1, RMSPROP_TF1 };

typedef void gemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k, REAL alpha, const REAL *a,
                           int lda, const REAL *b, int ldb, REAL beta, REAL *c, int ldc);

typedef struct { /* one linear operation and what follows it; mirrored by native_form.Layer */
    int64_t d_in, d_out;
    int64_t biases; /* d_out of them, or 0 */
    int64_t normalization, activation;
    int64_t begins; /* after which operation a skip connection begins here */
    int64_t ends;   /* whether one ends here */
    int64_t matrix, columns; /* where its fixed matrix (d_out, columns) lies in the buffers; -1: it is the identity */
    double strength; /* of the one that ends here */
    double dilation, shift, scale, offset; /* value = scale * tau(dilation * s + shift) + offset */
} Layer;

typedef struct { /* what all runs share; mirrored by native_form.Network */
    int64_t depth, widest, batch;
    int64_t stride; /* elements from one row of a signal to the next */
    int64_t span;   /* layers that the longest skip connection leads on */
    int64_t loss, optimizer;
    double momentum, weight_decay, beta1, beta2, adam_epsilon, rms_decay, rms_epsilon;
    double selu_right, selu_left, epsilon;
    const Layer *layers;
    gemm_function *gemm;
    REAL *workspace;
} Network;

typedef struct { /* one run; mirrored by native_form.Run */
    REAL *row;           /* its parameters: the weight matrix, then the biases of each layer */
    const REAL *buffers; /* its fixed matrices */
    const double *rates; /* of each layer */
    REAL *first, *second, *gradients; /* the optimizer's averages and its scratch; NULL where it has none */
    double loss_scale, steps;
} Run;

typedef struct {
    REAL *signal, *value, *slope; /* (depth, widest, stride) each */
    REAL *inverse_std;            /* (depth, widest or stride) */
    REAL *carried;                /* (widest, stride): the signal that a skip connection holds, where it is not kept */
    REAL *delta;                  /* (span + 1, at least 3, widest, stride), in turn */
    REAL *delta_projected;        /* (widest, stride) */
    REAL *mean, *along;           /* (stride): statistics of each datapoint */
    REAL *inputs;                 /* (batch, d_in): the minibatch that is trained on */
    int64_t *labels;              /* (batch) */
} Buffers;

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* how many deltas there are, so that one which a skip connection carries is not overwritten before it arrives */
static int64_t deltas(const Network *net) { return larger(3, net->span + 1); }

static int64_t take(REAL **place, REAL *base, int64_t used, int64_t count) {
    *place = base + used;
    return used + (count + 7) / 8 * 8;
}

static int64_t lay_out(const Network *net, Buffers *b) {
    int64_t matrix = net->widest * net->stride, used = 0;
    REAL *base = net->workspace;
    used = take(&b->signal, base, used, net->depth * matrix);
    used = take(&b->value, base, used, net->depth * matrix);
    used = take(&b->slope, base, used, net->depth * matrix);
    used = take(&b->inverse_std, base, used, net->depth * larger(net->widest, net->stride));
    used = take(&b->carried, base, used, matrix);
    used = take(&b->delta, base, used, deltas(net) * matrix);
    used = take(&b->delta_projected, base, used, matrix);
    used = take(&b->mean, base, used, net->stride);
    used = take(&b->along, base, used, net->stride);
    used = take(&b->inputs, base, used, net->batch * net->layers[0].d_in);
    REAL *labels;
    used = take(&labels, base, used, net->batch * sizeof(int64_t) / sizeof(REAL));
    b->labels = (int64_t *)labels;
    return used;
}

/* elements of REAL that the workspace must have; -1 for a network that this program does not know */
int64_t workspace_size(const Network *net) {
    Buffers b;
    for (int64_t l = 0; l < net->depth; l++) {
        const Layer *layer = net->layers + l;
        if (layer->activation < IDENTITY || layer->activation > HARDSIGMOID || layer->normalization < NO_NORM ||
            layer->normalization > LENGTH_NORM || layer->begins < NO_SKIP || layer->begins > FROM_NORMALIZATION)
            return -1;
    }
    return lay_out(net, &b);
}

static int64_t layer_size(const Layer *layer) { return layer->d_out * layer->d_in + layer->biases; }

static int64_t parameters(const Network *net) {
    int64_t count = 0;
    for (int64_t l = 0; l < net->depth; l++) count += layer_size(net->layers + l);
    return count;
}

/* the derivative by the outputs (d_out, stride), from which the backward pass begins */
static REAL *delta_of_outputs(const Network *net, const Buffers *b) {
    return b->delta + (net->depth - 1) % deltas(net) * net->widest * net->stride;
}

/* the outputs (d_out, stride) of the last forward pass */
static REAL *outputs_of(const Network *net, const Buffers *b, int training) {
    int64_t last = net->depth - 1, place = training ? last : last % (net->span + 2);
    return (net->layers[last].activation == IDENTITY ? b->signal : b->value) + place * net->widest * net->stride;
}
