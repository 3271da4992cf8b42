/* Exponentials without branches, so that compilers vectorize loops around them; metrics/native/layer_gradients.c has them
   from here, too. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline)) /* or loops around it are not vectorized */

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
