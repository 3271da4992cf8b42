/* One run's training epoch and its count of errors on one CPU thread; called from native_program.py.

   The function is that of networks/mlp.py, the arithmetic that of training/mlp_population.py: matrix products by BLAS,
   and between them one pass over the rows of a layer for bias, skip connection, normalization and activation, while
   they are in the cache. Runs go one after the other, so that a run's weights and signals stay in the cache for the
   epoch. Matrices are row-major with datapoints as columns; REAL is double or float, set by the compiler's -D. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline)) /* or loops around it are not vectorized */

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 }; /* CBLAS's numbers */
enum { RELU, SELU, TANH, SIGMOID, EVEN_TANH, GAUSSIAN, SQUARE, ODD_SQUARE }; /* ACTIVATIONS of native_program.py */
enum { NO_NORM, BATCH_NORM, LAYER_NORM };
enum { NO_SKIPS, FROM_LINEAR, FROM_NORMALIZATION };

typedef void gemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k, REAL alpha, const REAL *a,
                           int lda, const REAL *b, int ldb, REAL beta, REAL *c, int ldc);

typedef struct { /* mirrored by native_program.Network */
    int64_t depth, width, d_in, d_out, batch;
    int64_t stride; /* elements from one row of a signal to the next */
    int64_t activation, normalization, skips;
    double dilation, shift, scale, offset; /* value = scale * tau(dilation * s + shift) + offset */
    double selu_right, selu_left;
    double skip_strength, epsilon, loss_scale;
    const REAL *projection; /* (d_out, width) */
    gemm_function *gemm;
    REAL *workspace;
} Network;

typedef struct { /* Adam's state of one run; gradients is scratch */
    REAL *first, *second, *gradients;
    double beta1, beta2, epsilon, steps;
} Adam;

/* ---- memory: where things lie in the workspace ---- */

typedef struct {
    REAL *signal, *value, *slope;   /* (layers kept, width, stride) each */
    REAL *inverse_std;              /* (layers kept, width or stride) */
    REAL *carried;                  /* (width, stride): the signal that a skip connection holds, where it is not kept */
    REAL *delta;                    /* (3, width, stride), in turn */
    REAL *delta_projected;          /* (width, stride) */
    REAL *outputs, *delta_outputs;  /* (d_out, stride) */
    REAL *mean, *along;             /* (stride): layer norm's statistics of each datapoint */
} Buffers;

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t take(REAL **place, REAL *base, int64_t used, int64_t count) {
    *place = base + used;
    return used + (count + 7) / 8 * 8;
}

static int64_t lay_out(const Network *net, Buffers *b) {
    int64_t matrix = net->width * net->stride, hidden = net->depth - 1, used = 0;
    REAL *base = net->workspace;
    used = take(&b->signal, base, used, hidden * matrix);
    used = take(&b->value, base, used, hidden * matrix);
    used = take(&b->slope, base, used, hidden * matrix);
    used = take(&b->inverse_std, base, used, hidden * larger(net->width, net->stride));
    used = take(&b->carried, base, used, matrix);
    used = take(&b->delta, base, used, 3 * matrix);
    used = take(&b->delta_projected, base, used, matrix);
    used = take(&b->outputs, base, used, net->d_out * net->stride);
    used = take(&b->delta_outputs, base, used, net->d_out * net->stride);
    used = take(&b->mean, base, used, net->stride);
    return take(&b->along, base, used, net->stride);
}

/* elements of REAL that the workspace must have; -1 for a network that this program does not know */
int64_t workspace_size(const Network *net) {
    Buffers b;
    if (net->activation < RELU || net->activation > ODD_SQUARE || net->normalization < NO_NORM ||
        net->normalization > LAYER_NORM || net->skips < NO_SKIPS || net->skips > FROM_NORMALIZATION)
        return -1;
    return lay_out(net, &b);
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
    default: /* ODD_SQUARE: workspace_size lets no other pass */
        *slope = 2 * size;
        return u * size;
    }
}

INLINE void activate_as(int kind, const Network *net, const REAL *signal, REAL *value, REAL *slope) {
    int64_t batch = net->batch;
    double dilation = net->dilation, shift = net->shift, scale = net->scale, offset = net->offset;
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

/* one neuron's values (batch), and with `slope` the derivatives */
void activate(const Network *net, const REAL *signal, REAL *value, REAL *slope) {
    switch (net->activation) {
    case RELU: activate_as(RELU, net, signal, value, slope); break;
    case SELU: activate_as(SELU, net, signal, value, slope); break;
    case TANH: activate_as(TANH, net, signal, value, slope); break;
    case SIGMOID: activate_as(SIGMOID, net, signal, value, slope); break;
    case EVEN_TANH: activate_as(EVEN_TANH, net, signal, value, slope); break;
    case GAUSSIAN: activate_as(GAUSSIAN, net, signal, value, slope); break;
    case SQUARE: activate_as(SQUARE, net, signal, value, slope); break;
    default: activate_as(ODD_SQUARE, net, signal, value, slope);
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

/* every datapoint's signal (a column) to mean 0 and variance 1 over the layer */
static void normalize_columns(const Network *net, const Buffers *b, REAL *signal, REAL *inverse_std) {
    int64_t batch = net->batch, width = net->width, stride = net->stride;
    memset(b->mean, 0, batch * sizeof(REAL));
    memset(inverse_std, 0, batch * sizeof(REAL));
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < batch; i++) b->mean[i] += signal[j * stride + i];
    for (int64_t i = 0; i < batch; i++) b->mean[i] /= width;
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
static void add_bias_and_carried(const Network *net, REAL *signal, REAL bias, const REAL *carried, REAL *keep) {
    int64_t batch = net->batch;
    double strength = net->skip_strength;
    if (carried) {
        for (int64_t i = 0; i < batch; i++) signal[i] = signal[i] + bias + strength * carried[i];
    } else {
        for (int64_t i = 0; i < batch; i++) signal[i] += bias;
    }
    if (keep) memcpy(keep, signal, batch * sizeof(REAL));
}

/* One minibatch to b->outputs. `training` keeps every layer's signals, values and slopes; without it four places are
   used in turn, enough for a skip connection over two layers. */
static void forward(const Network *net, const Buffers *b, const REAL *row, const REAL *inputs, int64_t input_stride,
                    int training) {
    int64_t depth = net->depth, width = net->width, stride = net->stride, matrix = width * stride;
    int64_t statistic = larger(width, stride);
    const REAL *below = inputs, *carried = NULL;
    int64_t below_stride = input_stride, d_in = net->d_in;
    for (int64_t l = 0; l < depth - 1; l++) {
        int64_t place = training ? l : l % 4;
        int joint = net->skips && l % 2 == 0; /* layer l + 1 of the paper is odd: skips end and begin here */
        REAL *signal = b->signal + place * matrix, *value = b->value + place * matrix;
        REAL *slope = training ? b->slope + place * matrix : NULL, *inverse_std = b->inverse_std + place * statistic;
        const REAL *bias = row + width * d_in;
        const REAL *arriving = joint ? carried : NULL;
        REAL *keep = joint && net->skips == FROM_LINEAR && net->normalization ? b->carried : NULL;
        net->gemm(ROW_MAJOR, PLAIN, PLAIN, width, net->batch, d_in, 1, row, d_in, below, below_stride, 0, signal,
                  stride);
        for (int64_t j = 0; j < width; j++) {
            int64_t at = j * stride;
            add_bias_and_carried(net, signal + at, bias[j], arriving ? arriving + at : NULL, keep ? keep + at : NULL);
            if (net->normalization == BATCH_NORM) inverse_std[j] = normalize_row(net, signal + at);
            if (net->normalization != LAYER_NORM) activate(net, signal + at, value + at, slope ? slope + at : NULL);
        }
        if (net->normalization == LAYER_NORM) {
            normalize_columns(net, b, signal, inverse_std);
            for (int64_t j = 0; j < width; j++)
                activate(net, signal + j * stride, value + j * stride, slope ? slope + j * stride : NULL);
        }
        if (joint) carried = keep ? keep : signal;
        row = bias + width;
        below = value, below_stride = stride, d_in = width;
    }
    net->gemm(ROW_MAJOR, PLAIN, PLAIN, net->d_out, net->batch, width, 1, row, width, below, stride, 0, b->outputs,
              stride);
    if (net->skips)
        net->gemm(ROW_MAJOR, PLAIN, PLAIN, net->d_out, net->batch, width, net->skip_strength, net->projection, width,
                  carried, stride, 1, b->outputs, stride);
    for (int64_t j = 0; j < net->d_out; j++)
        add_bias_and_carried(net, b->outputs + j * stride, row[net->d_out * width + j], NULL, NULL);
}

/* ---- loss ---- */

/* Softmax cross-entropy of outputs / loss_scale: the minibatch's mean loss; b->delta_outputs its derivative. */
static double loss_and_delta(const Network *net, const Buffers *b, const int64_t *labels) {
    int64_t batch = net->batch, stride = net->stride, classes = net->d_out;
    double loss_sum = 0;
    REAL *highest = b->mean, *total = b->along, *p = b->delta_outputs;
    for (int64_t i = 0; i < batch; i++) highest[i] = -INFINITY, total[i] = 0;
    for (int64_t c = 0; c < classes; c++)
        for (int64_t i = 0; i < batch; i++) {
            REAL z = b->outputs[c * stride + i] / net->loss_scale;
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
    for (int64_t c = 0; c < classes; c++)
        for (int64_t i = 0; i < batch; i++)
            p[c * stride + i] = (p[c * stride + i] / total[i] - (labels[i] == c)) / (batch * net->loss_scale);
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

/* The same for layer norm, every datapoint. */
static void normalize_columns_backward(const Network *net, const Buffers *b, REAL *delta, const REAL *n,
                                       const REAL *inverse_std) {
    int64_t batch = net->batch, width = net->width, stride = net->stride;
    memset(b->mean, 0, batch * sizeof(REAL));
    memset(b->along, 0, batch * sizeof(REAL));
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < batch; i++) {
            b->mean[i] += delta[j * stride + i];
            b->along[i] += delta[j * stride + i] * n[j * stride + i];
        }
    for (int64_t i = 0; i < batch; i++) b->mean[i] /= width, b->along[i] /= width;
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < batch; i++)
            delta[j * stride + i] =
                (delta[j * stride + i] - b->mean[i] - n[j * stride + i] * b->along[i]) * inverse_std[i];
}

static void multiply_and_add(const Network *net, REAL *delta, const REAL *slope, const REAL *carried, double strength) {
    if (carried) {
        for (int64_t i = 0; i < net->batch; i++) delta[i] = delta[i] * slope[i] + strength * carried[i];
    } else {
        for (int64_t i = 0; i < net->batch; i++) delta[i] *= slope[i];
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

/* From b->delta_outputs down: target = factor * gradient, or, with `add`, target += factor * gradient. It has the layout
   of the parameters: with target = row and factor = -rate the SGD update happens within the weight-gradient product,
   and no gradient is ever stored. Without a target, only b->delta is left: the derivative by the first layer's signal. */
static void backward(const Network *net, const Buffers *b, const REAL *row, const REAL *inputs, int64_t input_stride,
                     REAL *target, double factor, int add) {
    int64_t depth = net->depth, width = net->width, stride = net->stride, matrix = width * stride;
    int64_t statistic = larger(width, stride), first_layer = width * net->d_in + width;
    int64_t start = first_layer + (depth - 2) * (width * width + width); /* of the layer's parameters in the row */
    const REAL *carried = NULL;
    double strength = net->skip_strength;
    const REAL *below = b->value + (depth - 2) * matrix;
    REAL *delta = b->delta + (depth - 2) % 3 * matrix;
    net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, width, net->batch, net->d_out, 1, row + start, width, b->delta_outputs,
              stride, 0, delta, stride);
    if (net->skips) {
        net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, width, net->batch, net->d_out, 1, net->projection, width,
                  b->delta_outputs, stride, 0, b->delta_projected, stride);
        carried = b->delta_projected;
    }
    if (target)
        net->gemm(ROW_MAJOR, PLAIN, TRANSPOSED, net->d_out, width, net->batch, factor, b->delta_outputs, stride, below,
                  stride, add, target + start, width);
    for (int64_t j = 0; target && j < net->d_out; j++) {
        REAL *bias = target + start + net->d_out * width + j;
        *bias = (add ? *bias : 0) + factor * sum_and_add(net, b->delta_outputs + j * stride, NULL, 0);
    }
    for (int64_t l = depth - 2; l >= 0; l--) {
        int joint = net->skips && l % 2 == 0;
        const REAL *signal = b->signal + l * matrix, *slope = b->slope + l * matrix;
        const REAL *inverse_std = b->inverse_std + l * statistic;
        const REAL *early = joint && net->skips == FROM_NORMALIZATION ? carried : NULL;
        const REAL *late = joint && net->skips == FROM_LINEAR ? carried : NULL;
        int64_t d_in = l ? width : net->d_in;
        start -= l ? width * width + width : first_layer;
        REAL *bias = target ? target + start + width * d_in : NULL;
        if (net->normalization == LAYER_NORM) {
            for (int64_t j = 0; j < width; j++)
                multiply_and_add(net, delta + j * stride, slope + j * stride, early ? early + j * stride : NULL,
                                 strength);
            normalize_columns_backward(net, b, delta, signal, inverse_std);
        }
        for (int64_t j = 0; j < width; j++) {
            int64_t at = j * stride;
            if (net->normalization != LAYER_NORM)
                multiply_and_add(net, delta + at, slope + at, early ? early + at : NULL, strength);
            if (net->normalization == BATCH_NORM)
                normalize_row_backward(net, delta + at, signal + at, inverse_std[j]);
            double sum = sum_and_add(net, delta + at, late ? late + at : NULL, strength);
            if (bias) bias[j] = (add ? bias[j] : 0) + factor * sum;
        }
        if (joint) carried = delta;
        REAL *delta_below = b->delta + (l + 2) % 3 * matrix;
        if (l)
            net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, width, net->batch, width, 1, row + start, width, delta, stride, 0,
                      delta_below, stride);
        below = l ? b->value + (l - 1) * matrix : inputs;
        if (target)
            net->gemm(ROW_MAJOR, PLAIN, TRANSPOSED, width, d_in, net->batch, factor, delta, stride, below,
                      l ? stride : input_stride, add, target + start, d_in);
        delta = delta_below;
    }
}

/* ---- what Python calls ---- */

static int64_t parameters(const Network *net) {
    return net->width * net->d_in + net->width + (net->depth - 2) * (net->width * net->width + net->width) +
           net->d_out * net->width + net->d_out;
}

static void adam_update(Adam *adam, REAL *row, int64_t count, double rate) {
    adam->steps += 1;
    double first_size = 1 - pow(adam->beta1, adam->steps), second_size = 1 - pow(adam->beta2, adam->steps);
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        double gradient = adam->gradients[i];
        double first = adam->first[i] + (1 - adam->beta1) * (gradient - adam->first[i]);
        double second = adam->beta2 * adam->second[i] + (1 - adam->beta2) * gradient * gradient;
        adam->first[i] = first;
        adam->second[i] = second;
        row[i] -= rate * (first / first_size) / (sqrt(second / second_size) + adam->epsilon);
    }
}

/* One update per minibatch of inputs (d_in, points), labels (points), in place in `row` (parameters) and, where
   given, in `adam`. The mean of the minibatches' losses. */
double train_epoch(const Network *net, REAL *row, const REAL *inputs, const int64_t *labels, int64_t points,
                   double rate, Adam *adam) {
    Buffers b;
    double loss_sum = 0;
    lay_out(net, &b);
    for (int64_t first = 0; first < points; first += net->batch) {
        forward(net, &b, row, inputs + first, points, 1);
        loss_sum += loss_and_delta(net, &b, labels + first);
        if (adam) {
            backward(net, &b, row, inputs + first, points, adam->gradients, 1, 0);
            adam_update(adam, row, parameters(net), rate);
        } else {
            backward(net, &b, row, inputs + first, points, row, -rate, 1);
        }
    }
    return loss_sum / (points / net->batch);
}

/* Wrong answers over whole minibatches, or -1 - wrong answers if an output was not finite. */
int64_t count_errors(const Network *net, const REAL *row, const REAL *inputs, const int64_t *labels, int64_t points) {
    Buffers b;
    int64_t wrong = 0;
    int finite = 1;
    lay_out(net, &b);
    for (int64_t first = 0; first < points; first += net->batch) {
        forward(net, &b, row, inputs + first, points, 0);
        for (int64_t i = 0; i < net->batch; i++) {
            int64_t answer = 0;
            for (int64_t c = 0; c < net->d_out; c++) {
                REAL output = b.outputs[c * net->stride + i];
                finite &= isfinite(output) != 0;
                if (output > b.outputs[answer * net->stride + i]) answer = c;
            }
            wrong += answer != labels[first + i];
        }
    }
    return finite ? wrong : -1 - wrong;
}

/* One minibatch (d_in, batch): its outputs (d_out, batch). With `keep`, `pull_back` may follow, any number of times. */
void propagate(const Network *net, const REAL *row, const REAL *inputs, REAL *outputs, int64_t keep) {
    Buffers b;
    lay_out(net, &b);
    forward(net, &b, row, inputs, net->batch, keep != 0);
    for (int64_t c = 0; c < net->d_out; c++)
        memcpy(outputs + c * net->batch, b.outputs + c * net->stride, net->batch * sizeof(REAL));
}

/* `vectors` (d_out, batch) at the outputs of the minibatch that was kept, times its Jacobian: (d_in, batch). */
void pull_back(const Network *net, const REAL *row, const REAL *vectors, REAL *pulled) {
    Buffers b;
    lay_out(net, &b);
    for (int64_t c = 0; c < net->d_out; c++)
        memcpy(b.delta_outputs + c * net->stride, vectors + c * net->batch, net->batch * sizeof(REAL));
    backward(net, &b, row, NULL, 0, NULL, 0, 0);
    net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, net->d_in, net->batch, net->width, 1, row, net->d_in, b.delta, net->stride,
              0, pulled, net->batch);
}
