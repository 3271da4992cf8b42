/* Batch norm, ReLU, rescaling and moments of signal and noise, each over rows (points, features) while they are in the
 * cache; called from propagation.py and signal_moments.py, which have the same in torch.
 *
 * Sums over points are double and go feature by feature, in the order of points, COLUMNS features side by side: so that
 * they are the same whatever the number of threads. REAL is double or float, set by the compiler's -D.
 */
#include <math.h>
#include <stdint.h>

enum { COLUMNS = 64 };

static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* means of so many columns, and of the columns' squared differences from them */
static void mean_and_variance(const REAL *x, int64_t points, int64_t stride, int64_t columns, double *mean, double *variance)
{
    for (int64_t c = 0; c < columns; c++)
        mean[c] = variance[c] = 0;
    for (int64_t p = 0; p < points; p++)
        for (int64_t c = 0; c < columns; c++)
            mean[c] += x[p * stride + c];
    for (int64_t c = 0; c < columns; c++)
        mean[c] /= points;
    for (int64_t p = 0; p < points; p++)
        for (int64_t c = 0; c < columns; c++) {
            double centred = x[p * stride + c] - mean[c];
            variance[c] += centred * centred;
        }
    for (int64_t c = 0; c < columns; c++)
        variance[c] /= points;
}

/* Batch norm in place: the signal is centred and divided, the noise divided alone. variances: (features,), those that
 * are divided by, epsilon left out. */
void normalize(REAL *restrict signal, REAL *restrict noise, int64_t points, int64_t features, double epsilon,
               REAL *restrict variances)
{
    for (int64_t first = 0; first < features; first += COLUMNS) {
        int64_t columns = smaller(COLUMNS, features - first);
        double mean[COLUMNS], variance[COLUMNS];
        REAL shift[COLUMNS], scale[COLUMNS];
        mean_and_variance(signal + first, points, features, columns, mean, variance);
        for (int64_t c = 0; c < columns; c++) {
            variances[first + c] = (REAL)variance[c];
            shift[c] = (REAL)mean[c];
            scale[c] = (REAL)(1 / sqrt(variance[c] + epsilon));
        }
        for (int64_t p = 0; p < points; p++) {
            REAL *x = signal + p * features + first, *dx = noise + p * features + first;
            for (int64_t c = 0; c < columns; c++) {
                x[c] = (x[c] - shift[c]) * scale[c];
                dx[c] *= scale[c];
            }
        }
    }
}

/* ReLU in place: the noise passes where the signal is positive. What is not a number stays one. */
void rectify(REAL *restrict signal, REAL *restrict noise, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        noise[i] = signal[i] <= 0 ? 0 : noise[i];
        signal[i] = signal[i] <= 0 ? 0 : signal[i];
    }
}

/* Divides by the root mean square, in place; the logarithm of the mean square. */
void rescale(REAL *x, int64_t count, double *log_square)
{
    double sums[COLUMNS] = {0}, sum = 0;
    for (int64_t first = 0; first < count; first += COLUMNS)
        for (int64_t i = 0; i < smaller(COLUMNS, count - first); i++)
            sums[i] += (double)x[first + i] * x[first + i];
    for (int i = 0; i < COLUMNS; i++)
        sum += sums[i];
    REAL scale = (REAL)(1 / sqrt(sum / count));
    for (int64_t i = 0; i < count; i++)
        x[i] *= scale;
    *log_square = log(sum / count);
}

/* The seven numbers of signal_moments.Moments, in its order. */
void moments(const REAL *signal, const REAL *noise, int64_t points, int64_t features, double *out)
{
    for (int i = 0; i < 7; i++)
        out[i] = 0;
    for (int64_t first = 0; first < features; first += COLUMNS) {
        int64_t columns = smaller(COLUMNS, features - first);
        double mean[COLUMNS] = {0}, positive[COLUMNS] = {0}, second[COLUMNS] = {0}, fourth[COLUMNS] = {0};
        double of_noise[COLUMNS] = {0};
        for (int64_t p = 0; p < points; p++) {
            const REAL *x = signal + p * features + first, *dx = noise + p * features + first;
            for (int64_t c = 0; c < columns; c++) {
                mean[c] += x[c];
                positive[c] += x[c] > 0 ? x[c] : 0;
                of_noise[c] += (double)dx[c] * dx[c];
            }
        }
        for (int64_t c = 0; c < columns; c++)
            mean[c] /= points;
        for (int64_t p = 0; p < points; p++)
            for (int64_t c = 0; c < columns; c++) {
                double centred = signal[p * features + first + c] - mean[c], square = centred * centred;
                second[c] += square;
                fourth[c] += square * square;
            }
        for (int64_t c = 0; c < columns; c++) {
            double above = positive[c] / points, below = above - mean[c];
            out[0] += second[c] / points + mean[c] * mean[c];
            out[1] += second[c] / points;
            out[2] += fourth[c] / points;
            out[3] += above + below;
            out[4] += above * below;
            out[5] += of_noise[c] / points;
            out[6] += of_noise[c] / second[c];
        }
    }
    for (int i = 0; i < 7; i++)
        out[i] /= features;
}
