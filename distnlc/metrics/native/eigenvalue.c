/* The largest eigenvalue of a symmetric positive matrix, by Lanczos steps; called from effective_rank.py, which has the
 * same in NumPy.
 *
 * A step costs a product with the matrix, and a look at the small tridiagonal matrix T tells when to stop. A look needs
 * no decomposition of T: the pivots of x I - T count the eigenvalues above x, and so an interval is narrowed down at
 * SECTIONS points side by side. REAL is double or float, set by the compiler's -D; all sums are double.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { SECTIONS = 16, STEPS_BETWEEN_LOOKS = 6 };
static const double TOLERANCE = 1e-6;  /* of the eigenvalue, by itself */
static const double ROUNDING = 1e-14;  /* of a matrix of trace 1 */
static const double NARROW = 1e-10;    /* of an interval's upper end */
static const double SMALLEST = 1e-300; /* stands in for a pivot of zero */

static double dot(const double *a, const double *b, int64_t size)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < size; i++)
        sum += a[i] * b[i];
    return sum;
}

/* out = scale matrix vector */
static void multiply(const REAL *matrix, const double *vector, double *out, int64_t size, double scale)
{
    for (int64_t row = 0; row < size; row++) {
        const REAL *of_row = matrix + row * size;
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < size; i++)
            sum += (double)of_row[i] * vector[i];
        out[row] = scale * sum;
    }
}

/* Takes from the vector what it has of the basis (count, size). Left is little or nothing where eigenvalues are alike,
 * and that is rounding: then once is not enough. */
static double orthogonalize(double *vector, const double *basis, double *parts, int64_t count, int64_t size)
{
    double before, length = sqrt(dot(vector, vector, size));
    do {
        before = length;
        for (int64_t k = 0; k < count; k++)
            parts[k] = dot(basis + k * size, vector, size);
        for (int64_t k = 0; k < count; k++)
#pragma omp simd
            for (int64_t i = 0; i < size; i++)
                vector[i] -= parts[k] * basis[k * size + i];
        length = sqrt(dot(vector, vector, size));
    } while (length < before / 2 && length > ROUNDING);
    return length;
}

/* An x just above the (skipped + 1)th largest eigenvalue of T, which lies between low and high. As many eigenvalues lie
 * above x as x I - T has negative pivots. */
static double just_above(const double *diagonal, const double *beside, int64_t size, int skipped, double low, double high)
{
    while (high - low > NARROW * high) {
        double x[SECTIONS], pivot[SECTIONS];
        int above[SECTIONS];
        for (int i = 0; i < SECTIONS; i++) {
            x[i] = low + (high - low) * (i + 1) / (SECTIONS + 1);
            pivot[i] = x[i] - diagonal[0];
            above[i] = pivot[i] < 0;
        }
        for (int64_t k = 1; k < size; k++) {
            double square = beside[k - 1] * beside[k - 1];
            for (int i = 0; i < SECTIONS; i++) {
                double last = fabs(pivot[i]) < SMALLEST ? SMALLEST : pivot[i];
                pivot[i] = x[i] - diagonal[k] - square / last;
                above[i] += pivot[i] < 0;
            }
        }
        int first = 0;
        while (first < SECTIONS && above[first] > skipped)
            first++;
        high = first < SECTIONS ? x[first] : high;
        low = first > 0 ? x[first - 1] : low;
    }
    return high;
}

/* The last component of T's first eigenvector, of length 1: the root of 1 by the last pivot's derivative at x. */
static double last_component(const double *diagonal, const double *beside, int64_t size, double x)
{
    double pivot = x - diagonal[0], derivative = 1;
    for (int64_t k = 1; k < size; k++) {
        double last = fabs(pivot) < SMALLEST ? SMALLEST : pivot, ratio = beside[k - 1] / last;
        derivative = 1 + ratio * ratio * derivative;
        pivot = x - diagonal[k] - beside[k - 1] * ratio;
    }
    return 1 / sqrt(derivative);
}

/* Whether the largest eigenvalue of T is as close to one of the matrix as TOLERANCE: its error is at most the residual's
 * length, and at most the square of that by the distance to T's next eigenvalue. */
static int close(const double *diagonal, const double *beside, int64_t size, double largest)
{
    double residual = beside[size - 1] * last_component(diagonal, beside, size, largest);
    double allowed = TOLERANCE * largest;
    if (residual <= allowed || residual * residual > allowed * largest)
        return residual <= allowed;
    double next = just_above(diagonal, beside, size, 1, 0, largest);
    return residual * residual <= allowed * (largest - next);
}

/* matrix: (size, size) of this trace; start: a vector of length 1; workspace: (size + 3) size numbers. */
double largest_eigenvalue(const REAL *matrix, int64_t size, double trace, const double *start, double *workspace)
{
    double *basis = workspace, *diagonal = basis + size * size, *beside = diagonal + size, *parts = beside + size;
    double largest = 0;
    memcpy(basis, start, size * sizeof(double));
    for (int64_t step = 0;; step++) {
        double *vector = basis + step * size, *next = step < size - 1 ? vector + size : parts;
        multiply(matrix, vector, next, size, 1 / trace); /* no overflow, whatever the scale */
        diagonal[step] = dot(vector, next, size);
        for (int64_t i = 0; i < size; i++) /* all that there is to take but for rounding */
            next[i] -= diagonal[step] * vector[i] + (step > 0 ? beside[step - 1] * vector[i - size] : 0);
        if (step == size - 1)
            return trace * just_above(diagonal, beside, size, 0, largest, 1 + NARROW);
        double length = beside[step] = orthogonalize(next, basis, parts, step + 1, size);
        if (length <= ROUNDING)
            return trace * just_above(diagonal, beside, step + 1, 0, largest, 1 + NARROW);
        if (step % STEPS_BETWEEN_LOOKS == STEPS_BETWEEN_LOOKS - 1) {
            double found = just_above(diagonal, beside, step + 1, 0, largest, 1 + NARROW);
            if (close(diagonal, beside, step + 1, found))
                return trace * found;
            largest = found * (1 - 2 * NARROW); /* it only grows */
        }
        for (int64_t i = 0; i < size; i++)
            next[i] /= length;
    }
}
