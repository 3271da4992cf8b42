/* Activation functions and their slopes, one neuron's minibatch at a time, in loops that compilers vectorize. */

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

INLINE void activate_as(int kind, const Network *net, const Layer *layer, const REAL *signal, REAL *value,
                        REAL *slope) {
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
