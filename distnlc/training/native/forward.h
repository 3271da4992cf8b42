/* From a minibatch to the outputs: products by BLAS, and between them one pass over each neuron's signal. */

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

/* One minibatch (batch, d_in), to `outputs_of`. `training` keeps every layer's signals, values and slopes; without it a
   few places are used in turn, enough for the longest skip connection. */
static void forward(const Network *net, const Buffers *b, const Run *run, const REAL *inputs, int training) {
    int64_t stride = net->stride, matrix = net->widest * stride, statistic = larger(net->widest, stride);
    const REAL *row = run->row, *below = inputs, *carried = NULL;
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
        net->gemm(ROW_MAJOR, PLAIN, l ? PLAIN : TRANSPOSED, d_out, net->batch, d_in, 1, row, d_in, below,
                  l ? stride : d_in, 0, signal, stride);
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
        row += layer_size(layer);
        below = value;
    }
}
