/* One run's training, its gradients, outputs and errors on one CPU thread; called from native_program.py.

   The function is that of networks/mlp.py, the arithmetic that of training/layered_population.py: matrix products by
   BLAS, and between them one pass over the rows of a layer for bias, skip connection, normalization and activation,
   while they are in the cache. Runs go one after the other, so that a run's weights and signals stay in the cache for the
   epoch. Matrices are row-major, inputs with datapoints as rows and signals with datapoints as columns; REAL is double or float, set by the compiler's -D. */

#include "network.h" /* the parts in the order in which they need one another */
#include "activations.h"
#include "forward.h"
#include "backward.h"
#include "optimizers.h"
#include "subnormals.h"

/* One update per minibatch of the datapoints (d_in) that `order` (points) names, out of inputs (.., d_in) and labels,
   in place in the run. The mean of the minibatches' losses. Each minibatch is gathered when it is its turn, and stays in
   the cache. */
double train(const Network *net, Run *run, const REAL *inputs, const int64_t *labels, const int64_t *order,
             int64_t points) {
    Buffers b;
    double loss_sum = 0;
    int64_t d_in = net->layers[0].d_in;
    int what = net->optimizer == SGD ? STEP : net->optimizer == MOMENTUM ? VELOCITY : GRADIENT;
    unsigned before = flush_subnormals();
    lay_out(net, &b);
    for (int64_t first = 0; first < points; first += net->batch) {
        for (int64_t i = 0; i < net->batch; i++) {
            memcpy(b.inputs + i * d_in, inputs + order[first + i] * d_in, d_in * sizeof(REAL));
            b.labels[i] = labels[order[first + i]];
        }
        forward(net, &b, run, b.inputs, 1);
        loss_sum += loss_and_delta(net, &b, run, b.labels);
        backward(net, &b, run, b.inputs, what);
        if (what != STEP) optimize(net, run);
    }
    keep_subnormals(before);
    return loss_sum / (points / net->batch);
}

/* The loss of one minibatch (batch, d_in), and its gradient in run->gradients. */
double gradient(const Network *net, const Run *run, const REAL *inputs, const int64_t *labels) {
    Buffers b;
    unsigned before = flush_subnormals();
    lay_out(net, &b);
    forward(net, &b, run, inputs, 1);
    double loss = loss_and_delta(net, &b, run, labels);
    backward(net, &b, run, inputs, GRADIENT);
    keep_subnormals(before);
    return loss;
}

/* Wrong answers over whole minibatches (points, d_in), or -1 - wrong answers if an output was not finite. */
int64_t count_errors(const Network *net, const Run *run, const REAL *inputs, const int64_t *labels, int64_t points) {
    Buffers b;
    int64_t wrong = 0, classes = net->layers[net->depth - 1].d_out, d_in = net->layers[0].d_in;
    int finite = 1;
    lay_out(net, &b);
    const REAL *outputs = outputs_of(net, &b, 0);
    for (int64_t first = 0; first < points; first += net->batch) {
        forward(net, &b, run, inputs + first * d_in, 0);
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

/* Whole minibatches (points, d_in): their outputs (d_out, points). With `keep`, `pull_back` may follow, any number of
   times, for the last one. */
void propagate(const Network *net, const Run *run, const REAL *inputs, REAL *outputs, int64_t points, int64_t keep) {
    Buffers b;
    lay_out(net, &b);
    const REAL *found = outputs_of(net, &b, keep != 0);
    for (int64_t first = 0; first < points; first += net->batch) {
        forward(net, &b, run, inputs + first * net->layers[0].d_in, keep != 0);
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
    backward(net, &b, run, NULL, NOTHING);
    net->gemm(ROW_MAJOR, TRANSPOSED, PLAIN, first->d_in, net->batch, first->d_out, 1, run->row, first->d_in, b.delta,
              net->stride, 0, pulled, net->batch);
}
