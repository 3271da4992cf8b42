/* Passes between the matrix products of layer_gradients.py, over some rows of a signal or gradient (rows, width) while
 * they are in the cache. Each row is a datapoint; sums over datapoints go on from one call to the next.
 *
 * layer_passes.py has the same in torch.
 */
#include "../../training/native/exponential.h"

enum { IDENTITY, RELU, TANH, SELU };
static const double SELU_RIGHT = 1.0507, SELU_LEFT = 1.75814;

/* What a skip connection brings is added to the signal; sums of squares: before, of what is brought, after. */
void add_carried(int64_t rows, int64_t width, double *signal, const double *carried, double *squares)
{
    double before = 0, brought = 0, after = 0;
#pragma omp simd reduction(+ : before, brought, after)
    for (int64_t i = 0; i < rows * width; i++) {
        double sum = signal[i] + carried[i];
        before += signal[i] * signal[i];
        brought += carried[i] * carried[i];
        after += sum * sum;
        signal[i] = sum;
    }
    squares[0] += before;
    squares[1] += brought;
    squares[2] += after;
}

double square_sum(int64_t count, const double *values)
{
    double found = 0;
#pragma omp simd reduction(+ : found)
    for (int64_t i = 0; i < count; i++)
        found += values[i] * values[i];
    return found;
}

/* Sums of each neuron's values less its shift, and of their squares: sums (2, width). */
void neuron_sums(int64_t rows, int64_t width, const double *signal, const double *shift, double *sums)
{
    double *squares = sums + width;
    for (int64_t row = 0; row < rows; row++) {
        const double *s = signal + row * width;
#pragma omp simd
        for (int64_t j = 0; j < width; j++) {
            double value = s[j] - shift[j];
            sums[j] += value;
            squares[j] += value * value;
        }
    }
}

/* Each neuron less its mean, times the inverse of its deviation. */
void normalize_neurons(int64_t rows, int64_t width, double *signal, const double *means, const double *inverse)
{
    for (int64_t row = 0; row < rows; row++) {
        double *s = signal + row * width;
#pragma omp simd
        for (int64_t j = 0; j < width; j++)
            s[j] = (s[j] - means[j]) * inverse[j];
    }
}

/* Each datapoint by its own mean, if centred, and quadratic mean, whose inverse is kept: 0 for one without spread. */
void normalize_points(int64_t rows, int64_t width, int centred, double *signal, double *inverse)
{
    for (int64_t row = 0; row < rows; row++) {
        double *s = signal + row * width, mean = 0, square = 0;
        if (centred) {
#pragma omp simd reduction(+ : mean)
            for (int64_t j = 0; j < width; j++)
                mean += s[j];
            mean /= width;
        }
#pragma omp simd reduction(+ : square)
        for (int64_t j = 0; j < width; j++) {
            s[j] -= mean;
            square += s[j] * s[j];
        }
        inverse[row] = square > 0 ? 1 / sqrt(square / width) : square == 0 ? 0 : NAN;
#pragma omp simd
        for (int64_t j = 0; j < width; j++)
            s[j] *= inverse[row];
    }
}

INLINE double value_of(int kind, double s)
{
    if (kind == TANH)
        return copysign(tanh_of_positive(fabs(s)), s);
    if (kind == SELU) {
        double left = SELU_LEFT * expm1_bounded(at_least(at_most(s, 0), -50));
        return s > 0 ? SELU_RIGHT * s : left;
    }
    return kind == RELU && s < 0 ? 0 : s;
}

INLINE double slope_of(int kind, double s)
{
    if (kind == TANH) {
        double t = tanh_of_positive(fabs(s));
        return 1 - t * t;
    }
    if (kind == SELU) {
        double left = SELU_LEFT * exp_bounded(at_least(at_most(s, 0), -50));
        return s > 0 ? SELU_RIGHT : left;
    }
    return kind == RELU && !(s > 0) ? 0 : 1;
}

INLINE double activate_as(int kind, int64_t rows, int64_t width, const double *signal, double *values, double *sums)
{
    double found = 0, *squares = sums + width, *positive = squares + width;
    for (int64_t row = 0; row < rows; row++) {
        const double *s = signal + row * width;
        double *v = values + row * width;
#pragma omp simd reduction(+ : found)
        for (int64_t j = 0; j < width; j++) {
            double value = value_of(kind, s[j]);
            sums[j] += s[j];
            squares[j] += s[j] * s[j];
            positive[j] += s[j] > 0 ? 1 : 0;
            found += value * value;
            v[j] = value;
        }
    }
    return found;
}

/* The activation function's values, the sum of their squares, and each neuron's sums of what enters it: sums (3, width),
 * the signal, its squares, how many are positive. */
double activate(int64_t rows, int64_t width, int kind, const double *signal, double *values, double *sums)
{
    switch (kind) {
    case RELU: return activate_as(RELU, rows, width, signal, values, sums);
    case TANH: return activate_as(TANH, rows, width, signal, values, sums);
    default: return activate_as(SELU, rows, width, signal, values, sums);
    }
}

INLINE void through_as(int kind, int64_t count, const double *signal, double *gradient, double *squares)
{
    double before = 0, after = 0;
#pragma omp simd reduction(+ : before, after)
    for (int64_t i = 0; i < count; i++) {
        double g = gradient[i], through = g * slope_of(kind, signal[i]);
        before += g * g;
        after += through * through;
        gradient[i] = through;
    }
    squares[0] += before;
    squares[1] += after;
}

/* The gradient at the activation's value becomes that at what enters it; sums of squares: before, after. */
void through_activation(int64_t rows, int64_t width, int kind, const double *signal, double *gradient, double *squares)
{
    switch (kind) {
    case RELU: through_as(RELU, rows * width, signal, gradient, squares); break;
    case TANH: through_as(TANH, rows * width, signal, gradient, squares); break;
    default: through_as(SELU, rows * width, signal, gradient, squares);
    }
}

/* Sums of each neuron's gradient, and of its product with the normalized signal: sums (2, width). */
void gradient_sums(int64_t rows, int64_t width, const double *signal, const double *gradient, double *sums)
{
    double *along = sums + width;
    for (int64_t row = 0; row < rows; row++) {
        const double *s = signal + row * width, *g = gradient + row * width;
#pragma omp simd
        for (int64_t j = 0; j < width; j++) {
            sums[j] += g[j];
            along[j] += g[j] * s[j];
        }
    }
}

/* The gradient at the normalized neurons becomes that at what was normalized; the sum of its squares. The means are those
 * of gradient_sums. */
double through_neurons(int64_t rows, int64_t width, const double *signal, double *gradient, const double *means,
                       const double *inverse)
{
    const double *along = means + width;
    double found = 0;
    for (int64_t row = 0; row < rows; row++) {
        const double *s = signal + row * width;
        double *g = gradient + row * width;
#pragma omp simd reduction(+ : found)
        for (int64_t j = 0; j < width; j++) {
            double through = inverse[j] * (g[j] - means[j] - s[j] * along[j]);
            found += through * through;
            g[j] = through;
        }
    }
    return found;
}

/* The same where each datapoint was normalized. */
double through_points(int64_t rows, int64_t width, int centred, const double *signal, double *gradient,
                      const double *inverse)
{
    double found = 0;
    for (int64_t row = 0; row < rows; row++) {
        const double *s = signal + row * width;
        double *g = gradient + row * width, mean = 0, along = 0, by = inverse[row];
#pragma omp simd reduction(+ : mean, along)
        for (int64_t j = 0; j < width; j++) {
            mean += g[j];
            along += g[j] * s[j];
        }
        mean = centred ? mean / width : 0;
        along /= width;
#pragma omp simd reduction(+ : found)
        for (int64_t j = 0; j < width; j++) {
            double through = by * (g[j] - mean - s[j] * along);
            found += through * through;
            g[j] = through;
        }
    }
    return found;
}
