/* The losses, and from their derivative by the outputs down to the parameters. */

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

/* One layer's derivative by its values becomes, in place, that by its linear operation's outputs; `biases`, where
   given, become keep * biases + factor * their gradient. */
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

enum { NOTHING, GRADIENT, VELOCITY, STEP }; /* what `backward` does besides the deltas */

/* From the delta of the outputs down. STEP moves the parameters by plain gradient descent within the weight-gradient
   product, so that no gradient is ever stored; a layer of rate 0 is left, and so is whatever lies below the lowest that
   moves. VELOCITY makes run->first that of momentum in the same way. GRADIENT writes run->gradients. In the end b->delta
   holds the derivative by the first layer's signal. inputs: (batch, d_in). */
static void backward(const Network *net, const Buffers *b, const Run *run, const REAL *inputs, int what) {
    int64_t stride = net->stride, matrix = net->widest * stride, start = parameters(net), lowest = 0;
    const REAL *carried = NULL;
    double strength = 0;
    REAL *target = what == GRADIENT ? run->gradients : what == VELOCITY ? run->first : run->row;
    while (what == STEP && lowest < net->depth - 1 && run->rates[lowest] == 0) lowest++;
    for (int64_t l = net->depth - 1; l >= lowest; l--) {
        const Layer *layer = net->layers + l;
        int64_t d_out = layer->d_out, d_in = layer->d_in;
        int moves = what == GRADIENT || what == VELOCITY || (what == STEP && run->rates[l] != 0);
        double factor = what == STEP ? -run->rates[l] : 1;
        double keep = what == STEP ? 1 - run->rates[l] * net->weight_decay : what == VELOCITY ? net->momentum : 0;
        REAL *delta = b->delta + l % deltas(net) * matrix;
        REAL *delta_below = b->delta + (l + deltas(net) - 1) % deltas(net) * matrix;
        start -= layer_size(layer);
        REAL *biases = moves && layer->biases ? target + start + d_out * d_in : NULL;
        layer_backward(net, b, l, delta, carried, strength, biases, factor, keep);
        if (layer->ends) {
            carried = delta, strength = layer->strength;
            if (layer->matrix >= 0) {
                net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, layer->columns, net->batch, d_out, 1,
                          run->buffers + layer->matrix, layer->columns, delta, stride, 0, b->delta_projected, stride);
                carried = b->delta_projected;
            }
        }
        if (l > lowest)
            net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, d_in, net->batch, d_out, 1, run->row + start, d_in, delta, stride,
                      0, delta_below, stride);
        if (!moves) continue;
        const REAL *below = inputs;
        if (l) below = (net->layers[l - 1].activation == IDENTITY ? b->signal : b->value) + (l - 1) * matrix;
        net->gemm(ROW_MAJOR, PLAIN, l ? TRANSPOSED : PLAIN, d_out, d_in, net->batch, factor, delta, stride, below,
                  l ? stride : d_in, keep, target + start, d_in);
    }
}
