/* The step of the optimizers that have a state; plain gradient descent, and momentum's velocity, are part of
   backward.h. */

static REAL root(REAL value) { return sizeof(REAL) == sizeof(float) ? sqrtf(value) : sqrt(value); }

/* The step of one layer by its gradient, which is overwritten, or by its velocity: `count` parameters from `at` on; see
   optimizers.py. A rate of 0 freezes them, also where the gradient is not finite. All arithmetic is REAL's, since
   conversions and roots of doubles would take several times as long as those of floats. */
static void move(const Network *net, Run *run, int64_t at, int64_t count, REAL rate) {
    REAL *row = run->row + at, *gradients = run->gradients + at;
    REAL *first = run->first ? run->first + at : NULL, *second = run->second ? run->second + at : NULL;
    REAL weight_decay = net->weight_decay, epsilon = net->adam_epsilon, rms_epsilon = net->rms_epsilon;
    REAL beta2 = net->beta2, new1 = 1 - net->beta1, new2 = 1 - net->beta2;
    REAL rms_decay = net->rms_decay, rms_new = 1 - net->rms_decay;
    double first_size = 1 - pow(net->beta1, run->steps), second_size = 1 - pow(net->beta2, run->steps);
    REAL first_part = first_size, second_part = second_size, tf1_size = sqrt(second_size) / first_size;
    if (weight_decay != 0) {
        REAL *moving = net->optimizer == MOMENTUM ? first : gradients;
#pragma omp simd
        for (int64_t i = 0; i < count; i++) moving[i] += weight_decay * row[i];
    }
    switch (net->optimizer) {
    case MOMENTUM:
        if (rate == 0) break;
#pragma omp simd
        for (int64_t i = 0; i < count; i++) row[i] -= rate * first[i];
        break;
    case RMSPROP_TF1:
#pragma omp simd
        for (int64_t i = 0; i < count; i++) {
            REAL gradient = gradients[i], square = rms_decay * second[i] + rms_new * gradient * gradient;
            second[i] = square;
            row[i] = rate == 0 ? row[i] : row[i] - rate * gradient / root(square + rms_epsilon);
        }
        break;
    default: /* ADAM, ADAM_TF1 */
#pragma omp simd
        for (int64_t i = 0; i < count; i++) {
            REAL gradient = gradients[i];
            REAL mean = first[i] + new1 * (gradient - first[i]);
            REAL square = beta2 * second[i] + new2 * gradient * gradient;
            first[i] = mean;
            second[i] = square;
            REAL step = net->optimizer == ADAM ? rate * (mean / first_part) / (root(square / second_part) + epsilon)
                                               : rate * (tf1_size * mean) / (root(square) + epsilon);
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
