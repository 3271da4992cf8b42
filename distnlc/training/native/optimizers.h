/* The step of the optimizers that have a state; plain gradient descent is part of backward.h. */

/* The step of one layer by its gradient, which is overwritten: `count` parameters from `at` on; see optimizers.py. A
   rate of 0 freezes them, also where the gradient is not finite. */
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
    for (int64_t l = 0; l < net->depth; at += layer_size(net->layers + l++))
        move(net, run, at, layer_size(net->layers + l), run->rates[l]);
}
