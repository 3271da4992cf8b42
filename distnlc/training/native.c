/* One run's training epoch and its count of errors on one CPU thread; called from native_program.py.

   The function is that of networks/mlp.py, the arithmetic that of training/layered_population.py: matrix products by BLAS,
   and between them one pass over the rows of a layer for bias, skip connection, normalization and activation, while
   they are in the cache. Runs go one after the other, so that a run's weights and signals stay in the cache for the
   epoch. Matrices are row-major with datapoints as columns; REAL is double or float, set by the compiler's -D. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline)) /* or loops around it are not vectorized */

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

/* ---- memory: where things lie in the workspace ---- */

typedef struct {
    REAL *signal, *value, *slope; /* (depth, widest, stride) each */
    REAL *inverse_std;            /* (depth, widest or stride) */
    REAL *carried;                /* (widest, stride): the signal that a skip connection holds, where it is not kept */
    REAL *delta;                  /* (span + 1, at least 3, widest, stride), in turn */
    REAL *delta_projected;        /* (widest, stride) */
    REAL *mean, *along;           /* (stride): statistics of each datapoint */
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
    return take(&b->along, base, used, net->stride);
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

static int64_t size(const Layer *layer) { return layer->d_out * layer->d_in + layer->biases; }

static int64_t parameters(const Network *net) {
    int64_t count = 0;
    for (int64_t l = 0; l < net->depth; l++) count += size(net->layers + l);
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

/* ---- activation functions ---- */

/* exp(x) = power * (1 + p) for |x| <= 709: x = k ln 2 + r, p the Taylor series of exp(r) - 1, and power = 2^k by the
   exponent's bits. Without branches, so that compilers vectorize loops around it; not a number stays so. */
INLINE double exp_parts(double x, double *power) {
    const double round_off = 6755399441055744.0; /* 1.5 * 2^52: the sum's low bits are the nearest integer */
    double shifted = x * 1.4426950408889634074 + round_off, k = shifted - round_off;
    double r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10; /* ln 2 in two parts */
    double p = 1 / 6227020800.0;
    p = p * r + 1 / 479001600.0;
    p = p * r + 1 / 39916800.0;
    p = p * r + 1 / 3628800.0;
    p = p * r + 1 / 362880.0;
    p = p * r + 1 / 40320.0;
    p = p * r + 1 / 5040.0;
    p = p * r + 1 / 720.0;
    p = p * r + 1 / 120.0;
    p = p * r + 1 / 24.0;
    p = p * r + 1 / 6.0;
    p = p * r + 0.5;
    int64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int64_t)((uint64_t)(bits + 1023) << 52);
    memcpy(power, &bits, sizeof bits);
    return p * r * r + r;
}

INLINE double exp_bounded(double x) {
    double power, p = exp_parts(x, &power);
    return power * p + power;
}

INLINE double expm1_bounded(double x) {
    double power, p = exp_parts(x, &power);
    return power * p + (power - 1);
}

INLINE double at_most(double x, double bound) { return x > bound ? bound : x; } /* nan stays nan */
INLINE double at_least(double x, double bound) { return x < bound ? bound : x; }

INLINE double tanh_of_positive(double x) {
    double e = expm1_bounded(2 * at_most(x, 20));
    return e / (e + 2);
}

/* tau(u), and its slope; `kind` is a constant where this is called, so that only one case is left in the loop */
INLINE double tau(int kind, double u, const Network *net, double *slope) {
    double size = fabs(u), t;
    switch (kind) {
    case RELU:
        *slope = u > 0 ? 1 : 0;
        return u < 0 ? 0 : u;
    case SELU:
        t = net->selu_left * expm1_bounded(at_least(at_most(u, 0), -50));
        *slope = u > 0 ? net->selu_right : t + net->selu_left;
        return u > 0 ? net->selu_right * u : t;
    case TANH:
        t = copysign(tanh_of_positive(size), u);
        *slope = 1 - t * t;
        return t;
    case EVEN_TANH:
        t = tanh_of_positive(size);
        *slope = u == 0 ? 0 : copysign(1 - t * t, u);
        return t;
    case SIGMOID: /* of -|u|, whose tail is small and exact, and mirrored */
        t = size > 708 ? 0 : 1 / (exp_bounded(at_most(size, 708)) + 1);
        *slope = t * (1 - t);
        return u > 0 ? 1 - t : t;
    case GAUSSIAN:
        t = size > 37.6 ? 0 : 0.56418958354775628695 * exp_bounded(at_least(-u * u / 2, -708)); /* 1 / sqrt(pi) */
        *slope = -u * t;
        return t;
    case SQUARE:
        *slope = 2 * u;
        return u * u;
    case RELU6:
        *slope = u > 0 && u < 6 ? 1 : 0;
        return at_most(at_least(u, 0), 6);
    case HARDTANH:
        *slope = u > -1 && u < 1 ? 1 : 0;
        return at_most(at_least(u, -1), 1);
    case HARDSIGMOID:
        *slope = u > -0.5 && u < 0.5 ? 1 : 0;
        return at_most(at_least(u, -0.5), 0.5) + 0.5;
    default: /* ODD_SQUARE */
        *slope = 2 * size;
        return u * size;
    }
}

INLINE void activate_as(int kind, const Network *net, const Layer *layer, const REAL *signal, REAL *value, REAL *slope) {
    int64_t batch = net->batch;
    double dilation = layer->dilation, shift = layer->shift, scale = layer->scale, offset = layer->offset;
    double slope_scale = scale * dilation, derivative;
    if (slope) {
#pragma omp simd private(derivative)
        for (int64_t i = 0; i < batch; i++) {
            value[i] = scale * tau(kind, dilation * signal[i] + shift, net, &derivative) + offset;
            slope[i] = slope_scale * derivative;
        }
    } else {
#pragma omp simd private(derivative)
        for (int64_t i = 0; i < batch; i++)
            value[i] = scale * tau(kind, dilation * signal[i] + shift, net, &derivative) + offset;
    }
}

/* one neuron's values (batch), and with `slope` the derivatives; the identity leaves the signal for its value */
void activate(const Network *net, const Layer *layer, const REAL *signal, REAL *value, REAL *slope) {
    switch (layer->activation) {
    case IDENTITY: break;
    case RELU: activate_as(RELU, net, layer, signal, value, slope); break;
    case SELU: activate_as(SELU, net, layer, signal, value, slope); break;
    case TANH: activate_as(TANH, net, layer, signal, value, slope); break;
    case SIGMOID: activate_as(SIGMOID, net, layer, signal, value, slope); break;
    case EVEN_TANH: activate_as(EVEN_TANH, net, layer, signal, value, slope); break;
    case GAUSSIAN: activate_as(GAUSSIAN, net, layer, signal, value, slope); break;
    case SQUARE: activate_as(SQUARE, net, layer, signal, value, slope); break;
    case RELU6: activate_as(RELU6, net, layer, signal, value, slope); break;
    case HARDTANH: activate_as(HARDTANH, net, layer, signal, value, slope); break;
    case HARDSIGMOID: activate_as(HARDSIGMOID, net, layer, signal, value, slope); break;
    default: activate_as(ODD_SQUARE, net, layer, signal, value, slope);
    }
}

/* ---- forward ---- */

/* one neuron's signal to mean 0 and variance 1 over the batch; gives 1 / standard deviation */
static REAL normalize_row(const Network *net, REAL *signal) {
    int64_t batch = net->batch;
    double mean = 0, square = 0;
#pragma omp simd reduction(+ : mean)
    for (int64_t i = 0; i < batch; i++) mean += signal[i];
    mean /= batch;
#pragma omp simd reduction(+ : square)
    for (int64_t i = 0; i < batch; i++) {
        signal[i] -= mean;
        square += signal[i] * signal[i];
    }
    double inverse_std = 1 / sqrt(square / batch + net->epsilon);
#pragma omp simd
    for (int64_t i = 0; i < batch; i++) signal[i] *= inverse_std;
    return inverse_std;
}

/* every datapoint's signal (a column) to mean 0, but for length norm, and quadratic mean 1 over the layer */
static void normalize_columns(const Network *net, const Layer *layer, const Buffers *b, REAL *signal,
                              REAL *inverse_std) {
    int64_t batch = net->batch, width = layer->d_out, stride = net->stride;
    memset(b->mean, 0, batch * sizeof(REAL));
    memset(inverse_std, 0, batch * sizeof(REAL));
    if (layer->normalization == LAYER_NORM) {
        for (int64_t j = 0; j < width; j++)
            for (int64_t i = 0; i < batch; i++) b->mean[i] += signal[j * stride + i];
        for (int64_t i = 0; i < batch; i++) b->mean[i] /= width;
    }
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < batch; i++) {
            REAL centered = signal[j * stride + i] - b->mean[i];
            signal[j * stride + i] = centered;
            inverse_std[i] += centered * centered;
        }
    for (int64_t i = 0; i < batch; i++) inverse_std[i] = 1 / sqrt(inverse_std[i] / width + net->epsilon);
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < batch; i++) signal[j * stride + i] *= inverse_std[i];
}

/* one neuron's signal after the product: its bias, and what a skip connection brings; `keep` gets a copy */
static void add_bias_and_carried(const Network *net, REAL *signal, REAL bias, const REAL *carried, double strength,
                                 REAL *keep) {
    int64_t batch = net->batch;
    if (carried) {
        for (int64_t i = 0; i < batch; i++) signal[i] = signal[i] + bias + strength * carried[i];
    } else if (bias != 0) {
        for (int64_t i = 0; i < batch; i++) signal[i] += bias;
    }
    if (keep) memcpy(keep, signal, batch * sizeof(REAL));
}

/* One minibatch, to `outputs_of`. `training` keeps every layer's signals, values and slopes; without it a few places are
   used in turn, enough for the longest skip connection. */
static void forward(const Network *net, const Buffers *b, const Run *run, const REAL *inputs, int64_t input_stride,
                    int training) {
    int64_t stride = net->stride, matrix = net->widest * stride, statistic = larger(net->widest, stride);
    const REAL *row = run->row, *below = inputs, *carried = NULL;
    int64_t below_stride = input_stride;
    for (int64_t l = 0; l < net->depth; l++) {
        const Layer *layer = net->layers + l;
        int64_t place = training ? l : l % (net->span + 2), d_out = layer->d_out, d_in = layer->d_in;
        int columnwise = layer->normalization == LAYER_NORM || layer->normalization == LENGTH_NORM;
        REAL *signal = b->signal + place * matrix, *inverse_std = b->inverse_std + place * statistic;
        REAL *value = layer->activation == IDENTITY ? signal : b->value + place * matrix;
        REAL *slope = training ? b->slope + place * matrix : NULL;
        const REAL *bias = layer->biases ? row + d_out * d_in : NULL;
        const REAL *arriving = layer->ends && layer->matrix < 0 ? carried : NULL;
        REAL *keep = layer->begins == FROM_LINEAR && layer->normalization ? b->carried : NULL;
        net->gemm(ROW_MAJOR, PLAIN, PLAIN, d_out, net->batch, d_in, 1, row, d_in, below, below_stride, 0, signal,
                  stride);
        if (layer->ends && layer->matrix >= 0)
            net->gemm(ROW_MAJOR, PLAIN, PLAIN, d_out, net->batch, layer->columns, layer->strength,
                      run->buffers + layer->matrix, layer->columns, carried, stride, 1, signal, stride);
        for (int64_t j = 0; j < d_out; j++) {
            int64_t at = j * stride;
            add_bias_and_carried(net, signal + at, bias ? bias[j] : 0, arriving ? arriving + at : NULL,
                                 layer->strength, keep ? keep + at : NULL);
            if (layer->normalization == BATCH_NORM) inverse_std[j] = normalize_row(net, signal + at);
            if (!columnwise) activate(net, layer, signal + at, value + at, slope ? slope + at : NULL);
        }
        if (columnwise) {
            normalize_columns(net, layer, b, signal, inverse_std);
            for (int64_t j = 0; j < d_out; j++)
                activate(net, layer, signal + j * stride, value + j * stride, slope ? slope + j * stride : NULL);
        }
        if (layer->begins) carried = keep ? keep : signal;
        row += size(layer);
        below = value, below_stride = stride;
    }
}

/* ---- loss ---- */

/* The softmax of outputs / loss_scale into p (d_out, stride), and the sum of its losses' parts that need no p. */
static double softmax(const Network *net, const Buffers *b, const Run *run, const int64_t *labels, REAL *p) {
    int64_t batch = net->batch, stride = net->stride, classes = net->layers[net->depth - 1].d_out;
    const REAL *outputs = outputs_of(net, b, 1);
    REAL *highest = b->mean, *total = b->along;
    double loss_sum = 0;
    for (int64_t i = 0; i < batch; i++) highest[i] = -INFINITY, total[i] = 0;
    for (int64_t c = 0; c < classes; c++)
        for (int64_t i = 0; i < batch; i++) {
            REAL z = outputs[c * stride + i] / run->loss_scale;
            p[c * stride + i] = z;
            highest[i] = highest[i] > z ? highest[i] : z;
        }
    for (int64_t i = 0; i < batch; i++) loss_sum += highest[i] - p[labels[i] * stride + i];
    for (int64_t c = 0; c < classes; c++)
#pragma omp simd
        for (int64_t i = 0; i < batch; i++) {
            double below = p[c * stride + i] - highest[i];
            REAL e = exp_bounded(at_least(below, -708)); /* below is at most 0 */
            p[c * stride + i] = e;
            total[i] += e;
        }
    for (int64_t i = 0; i < batch; i++) loss_sum += log(total[i]);
    return loss_sum;
}

/* The minibatch's mean loss; its derivative by the outputs goes to `delta_of_outputs`. */
static double loss_and_delta(const Network *net, const Buffers *b, const Run *run, const int64_t *labels) {
    REAL *delta = delta_of_outputs(net, b);
    int64_t batch = net->batch, stride = net->stride, classes = net->layers[net->depth - 1].d_out;
    double loss_sum = softmax(net, b, run, labels, delta), each = batch * run->loss_scale;
    const REAL *total = b->along;
    REAL *along = b->mean;
    if (net->loss == CROSS_ENTROPY) {
        for (int64_t c = 0; c < classes; c++)
            for (int64_t i = 0; i < batch; i++)
                delta[c * stride + i] = (delta[c * stride + i] / total[i] - (labels[i] == c)) / each;
        return loss_sum / batch;
    }
    loss_sum = 0;
    memset(along, 0, batch * sizeof(REAL));
    for (int64_t c = 0; c < classes; c++)
        for (int64_t i = 0; i < batch; i++) {
            REAL p = delta[c * stride + i] / total[i], wrong = p - (labels[i] == c);
            loss_sum += wrong * wrong;
            along[i] += 2 * wrong * p;
            delta[c * stride + i] = p;
        }
    for (int64_t c = 0; c < classes; c++)
        for (int64_t i = 0; i < batch; i++) {
            REAL p = delta[c * stride + i];
            delta[c * stride + i] = (2 * (p - (labels[i] == c)) - along[i]) * p / each;
        }
    return loss_sum / batch;
}

/* ---- backward ---- */

/* In place, one neuron: the derivative by the normalized signal n becomes that by the signal before. */
static void normalize_row_backward(const Network *net, REAL *delta, const REAL *n, REAL inverse_std) {
    int64_t batch = net->batch;
    double mean = 0, along = 0;
#pragma omp simd reduction(+ : mean, along)
    for (int64_t i = 0; i < batch; i++) {
        mean += delta[i];
        along += delta[i] * n[i];
    }
    mean /= batch, along /= batch;
#pragma omp simd
    for (int64_t i = 0; i < batch; i++) delta[i] = (delta[i] - mean - n[i] * along) * inverse_std;
}

/* The same for layer and length norm, every datapoint. */
static void normalize_columns_backward(const Network *net, const Layer *layer, const Buffers *b, REAL *delta,
                                       const REAL *n, const REAL *inverse_std) {
    int64_t batch = net->batch, width = layer->d_out, stride = net->stride;
    REAL centers = layer->normalization == LAYER_NORM;
    memset(b->mean, 0, batch * sizeof(REAL));
    memset(b->along, 0, batch * sizeof(REAL));
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < batch; i++) {
            b->mean[i] += delta[j * stride + i];
            b->along[i] += delta[j * stride + i] * n[j * stride + i];
        }
    for (int64_t i = 0; i < batch; i++) b->mean[i] = centers * b->mean[i] / width, b->along[i] /= width;
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < batch; i++)
            delta[j * stride + i] =
                (delta[j * stride + i] - b->mean[i] - n[j * stride + i] * b->along[i]) * inverse_std[i];
}

/* Through the activation function, whose slope is NULL for the identity; `carried` joins after it. */
static void multiply_and_add(const Network *net, REAL *delta, const REAL *slope, const REAL *carried, double strength) {
    if (slope && carried) {
        for (int64_t i = 0; i < net->batch; i++) delta[i] = delta[i] * slope[i] + strength * carried[i];
    } else if (slope) {
        for (int64_t i = 0; i < net->batch; i++) delta[i] *= slope[i];
    } else if (carried) {
        for (int64_t i = 0; i < net->batch; i++) delta[i] += strength * carried[i];
    }
}

static double sum_and_add(const Network *net, REAL *delta, const REAL *carried, double strength) {
    double sum = 0;
    if (carried) {
#pragma omp simd
        for (int64_t i = 0; i < net->batch; i++) delta[i] += strength * carried[i];
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < net->batch; i++) sum += delta[i];
    return sum;
}

/* One layer's derivative by its values becomes, in place, that by its linear operation's outputs; `biases`, where given,
   become keep * biases + factor * their gradient. */
static void layer_backward(const Network *net, const Buffers *b, int64_t l, REAL *delta, const REAL *carried,
                           double strength, REAL *biases, double factor, double keep) {
    int64_t stride = net->stride, matrix = net->widest * stride, statistic = larger(net->widest, stride);
    const Layer *layer = net->layers + l;
    const REAL *signal = b->signal + l * matrix, *inverse_std = b->inverse_std + l * statistic;
    const REAL *slope = layer->activation == IDENTITY ? NULL : b->slope + l * matrix;
    const REAL *early = layer->begins == FROM_NORMALIZATION ? carried : NULL;
    const REAL *late = layer->begins == FROM_LINEAR ? carried : NULL;
    int columnwise = layer->normalization == LAYER_NORM || layer->normalization == LENGTH_NORM;
    if (columnwise) {
        for (int64_t j = 0; j < layer->d_out; j++) {
            int64_t at = j * stride;
            multiply_and_add(net, delta + at, slope ? slope + at : NULL, early ? early + at : NULL, strength);
        }
        normalize_columns_backward(net, layer, b, delta, signal, inverse_std);
    }
    for (int64_t j = 0; j < layer->d_out; j++) {
        int64_t at = j * stride;
        if (!columnwise)
            multiply_and_add(net, delta + at, slope ? slope + at : NULL, early ? early + at : NULL, strength);
        if (layer->normalization == BATCH_NORM) normalize_row_backward(net, delta + at, signal + at, inverse_std[j]);
        if (!late && !biases) continue;
        double sum = sum_and_add(net, delta + at, late ? late + at : NULL, strength);
        if (biases) biases[j] = (keep == 0 ? 0 : keep * biases[j]) + factor * sum;
    }
}

enum { NOTHING, GRADIENT, STEP }; /* what `backward` does besides the deltas */

/* From the delta of the outputs down. STEP moves the parameters by plain gradient descent within the weight-gradient
   product, so that no gradient is ever stored; a layer of rate 0 is left, and so is whatever lies below the lowest that
   moves. GRADIENT writes run->gradients. In the end b->delta holds the derivative by the first layer's signal. */
static void backward(const Network *net, const Buffers *b, const Run *run, const REAL *inputs, int64_t input_stride,
                     int what) {
    int64_t stride = net->stride, matrix = net->widest * stride, start = parameters(net), lowest = 0;
    const REAL *carried = NULL;
    double strength = 0;
    REAL *target = what == GRADIENT ? run->gradients : run->row;
    while (what == STEP && lowest < net->depth - 1 && run->rates[lowest] == 0) lowest++;
    for (int64_t l = net->depth - 1; l >= lowest; l--) {
        const Layer *layer = net->layers + l;
        int64_t d_out = layer->d_out, d_in = layer->d_in;
        int moves = what == GRADIENT || (what == STEP && run->rates[l] != 0);
        double factor = what == STEP ? -run->rates[l] : 1;
        double keep = what == STEP ? 1 - run->rates[l] * net->weight_decay : 0;
        REAL *delta = b->delta + l % deltas(net) * matrix;
        REAL *delta_below = b->delta + (l + deltas(net) - 1) % deltas(net) * matrix;
        start -= size(layer);
        layer_backward(net, b, l, delta, carried, strength, moves && layer->biases ? target + start + d_out * d_in : NULL,
                       factor, keep);
        if (layer->ends) {
            carried = delta, strength = layer->strength;
            if (layer->matrix >= 0) {
                net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, layer->columns, net->batch, d_out, 1, run->buffers + layer->matrix,
                          layer->columns, delta, stride, 0, b->delta_projected, stride);
                carried = b->delta_projected;
            }
        }
        if (l > lowest)
            net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, d_in, net->batch, d_out, 1, run->row + start, d_in, delta, stride, 0,
                      delta_below, stride);
        if (!moves) continue;
        const REAL *below = inputs;
        if (l) below = (net->layers[l - 1].activation == IDENTITY ? b->signal : b->value) + (l - 1) * matrix;
        net->gemm(ROW_MAJOR, PLAIN, TRANSPOSED, d_out, d_in, net->batch, factor, delta, stride, below,
                  l ? stride : input_stride, keep, target + start, d_in);
    }
}

/* ---- optimizers ---- */

/* The step of one layer by its gradient, which is overwritten: `count` parameters from `at` on; see optimizers.py. A rate
   of 0 freezes them, also where the gradient is not finite. */
static void move(const Network *net, Run *run, int64_t at, int64_t count, double rate) {
    REAL *row = run->row + at, *gradients = run->gradients + at;
    REAL *first = run->first ? run->first + at : NULL, *second = run->second ? run->second + at : NULL;
    double weight_decay = net->weight_decay, momentum = net->momentum;
    double beta1 = net->beta1, beta2 = net->beta2, epsilon = net->adam_epsilon;
    double rms_decay = net->rms_decay, rms_epsilon = net->rms_epsilon;
    double first_size = 1 - pow(beta1, run->steps), second_size = 1 - pow(beta2, run->steps);
    double tf1_size = sqrt(second_size) / first_size;
    if (weight_decay != 0) {
#pragma omp simd
        for (int64_t i = 0; i < count; i++) gradients[i] += weight_decay * row[i];
    }
    switch (net->optimizer) {
    case MOMENTUM:
#pragma omp simd
        for (int64_t i = 0; i < count; i++) {
            first[i] = momentum * first[i] + gradients[i];
            row[i] = rate == 0 ? row[i] : row[i] - rate * first[i];
        }
        break;
    case RMSPROP_TF1:
#pragma omp simd
        for (int64_t i = 0; i < count; i++) {
            double gradient = gradients[i], square = rms_decay * second[i] + (1 - rms_decay) * gradient * gradient;
            second[i] = square;
            row[i] = rate == 0 ? row[i] : row[i] - rate * gradient / sqrt(square + rms_epsilon);
        }
        break;
    default: /* ADAM, ADAM_TF1 */
#pragma omp simd
        for (int64_t i = 0; i < count; i++) {
            double gradient = gradients[i];
            double mean = first[i] + (1 - beta1) * (gradient - first[i]);
            double square = beta2 * second[i] + (1 - beta2) * gradient * gradient;
            first[i] = mean;
            second[i] = square;
            double step = net->optimizer == ADAM ? rate * (mean / first_size) / (sqrt(square / second_size) + epsilon)
                                                 : rate * (tf1_size * mean) / (sqrt(square) + epsilon);
            row[i] = rate == 0 ? row[i] : row[i] - step;
        }
    }
}

static void optimize(const Network *net, Run *run) {
    int64_t at = 0;
    run->steps += 1;
    for (int64_t l = 0; l < net->depth; at += size(net->layers + l++))
        move(net, run, at, size(net->layers + l), run->rates[l]);
}

/* ---- what Python calls ---- */

/* One update per minibatch of inputs (d_in, points), labels (points), in place in the run. The mean of the minibatches'
   losses. */
double train(const Network *net, Run *run, const REAL *inputs, const int64_t *labels, int64_t points) {
    Buffers b;
    double loss_sum = 0;
    lay_out(net, &b);
    for (int64_t first = 0; first < points; first += net->batch) {
        forward(net, &b, run, inputs + first, points, 1);
        loss_sum += loss_and_delta(net, &b, run, labels + first);
        backward(net, &b, run, inputs + first, points, net->optimizer == SGD ? STEP : GRADIENT);
        if (net->optimizer != SGD) optimize(net, run);
    }
    return loss_sum / (points / net->batch);
}

/* The loss of one minibatch (d_in, batch), and its gradient in run->gradients. */
double gradient(const Network *net, const Run *run, const REAL *inputs, const int64_t *labels) {
    Buffers b;
    lay_out(net, &b);
    forward(net, &b, run, inputs, net->batch, 1);
    double loss = loss_and_delta(net, &b, run, labels);
    backward(net, &b, run, inputs, net->batch, GRADIENT);
    return loss;
}

/* Wrong answers over whole minibatches, or -1 - wrong answers if an output was not finite. */
int64_t count_errors(const Network *net, const Run *run, const REAL *inputs, const int64_t *labels, int64_t points) {
    Buffers b;
    int64_t wrong = 0, classes = net->layers[net->depth - 1].d_out;
    int finite = 1;
    lay_out(net, &b);
    const REAL *outputs = outputs_of(net, &b, 0);
    for (int64_t first = 0; first < points; first += net->batch) {
        forward(net, &b, run, inputs + first, points, 0);
        for (int64_t i = 0; i < net->batch; i++) {
            int64_t answer = 0;
            for (int64_t c = 0; c < classes; c++) {
                REAL output = outputs[c * net->stride + i];
                finite &= isfinite(output) != 0;
                if (output > outputs[answer * net->stride + i]) answer = c;
            }
            wrong += answer != labels[first + i];
        }
    }
    return finite ? wrong : -1 - wrong;
}

/* Whole minibatches (d_in, points): their outputs (d_out, points). With `keep`, `pull_back` may follow, any number of
   times, for the last one. */
void propagate(const Network *net, const Run *run, const REAL *inputs, REAL *outputs, int64_t points, int64_t keep) {
    Buffers b;
    lay_out(net, &b);
    const REAL *found = outputs_of(net, &b, keep != 0);
    for (int64_t first = 0; first < points; first += net->batch) {
        forward(net, &b, run, inputs + first, points, keep != 0);
        for (int64_t c = 0; c < net->layers[net->depth - 1].d_out; c++)
            memcpy(outputs + c * points + first, found + c * net->stride, net->batch * sizeof(REAL));
    }
}

/* `vectors` (d_out, batch) at the outputs of the minibatch that was kept, times its Jacobian: (d_in, batch). */
void pull_back(const Network *net, const Run *run, const REAL *vectors, REAL *pulled) {
    Buffers b;
    const Layer *first = net->layers;
    lay_out(net, &b);
    REAL *delta = delta_of_outputs(net, &b);
    for (int64_t c = 0; c < net->layers[net->depth - 1].d_out; c++)
        memcpy(delta + c * net->stride, vectors + c * net->batch, net->batch * sizeof(REAL));
    backward(net, &b, run, NULL, 0, NOTHING);
    net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, first->d_in, net->batch, first->d_out, 1, run->row, first->d_in, b.delta,
              net->stride, 0, pulled, net->batch);
}
