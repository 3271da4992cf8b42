/* Independent N(0, deviation^2) numbers of 32 bits: xoshiro128++ (Blackman and Vigna 2021), then Box and Muller.
 *
 * gaussians.py has the same in NumPy, to the bit: so no product and sum may be contracted here (-ffp-contract=off).
 * LANES generators, each with a state of its own, make two steps and a pair of numbers side by side, in one loop that the
 * compiler turns into vector instructions: from words to numbers all stays in registers.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 1024 };

static inline uint32_t rotated(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

/* the next word of one generator, whose state is these four */
static inline uint32_t step(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    uint32_t word = rotated(*a + *d, 7) + *a, shifted = *b << 9;
    *c ^= *a;
    *d ^= *b;
    *b ^= *c;
    *a ^= *d;
    *c ^= shifted;
    *d = rotated(*d, 11);
    return word;
}

/* log of x in (0, 1], as in Cephes */
static inline float logarithm(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t shifted = bits - 0x3F3504F3;           /* the fraction goes from sqrt(1/2) to sqrt(2) */
    int32_t exponent = shifted >> 23;
    int32_t fraction = (shifted & 0x007FFFFF) + 0x3F3504F3;
    float m, e = (float)exponent;
    memcpy(&m, &fraction, sizeof m);
    m = m - 1.0f;
    float z = m * m, y = 7.0376836292e-2f;
    y = y * m + -1.1514610310e-1f;
    y = y * m + 1.1676998740e-1f;
    y = y * m + -1.2420140846e-1f;
    y = y * m + 1.4249322787e-1f;
    y = y * m + -1.6668057665e-1f;
    y = y * m + 2.0000714765e-1f;
    y = y * m + -2.4999993993e-1f;
    y = y * m + 3.3333331174e-1f;
    y = y * m;
    y = y * z;
    y = y + -2.12194440e-4f * e;
    y = y - 0.5f * z;
    return (m + y) + 0.693359375f * e;
}

/* -x where the second bit of quarters is set, else x; fewer instructions than a choice between the two */
static inline float signed_by(float x, int32_t quarters)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= (uint32_t)quarters << 30 & 0x80000000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline void pair(uint32_t a, uint32_t b, float deviation, float *one, float *other)
{
    float uniform = (float)(int32_t)((a >> 8) + 1) * 0x1p-24f;
    float radius = sqrtf(-2.0f * logarithm(uniform)) * deviation;
    float turn = (float)(int32_t)(b >> 8) * 0x1p-22f; /* in quarters */
    int32_t quarter = (int32_t)(turn + 0.5f);
    float x = (turn - (float)quarter) * 1.57079637f, z = x * x;
    float s = -1.9515295891e-4f, c = 2.443315711809948e-5f;
    s = s * z + 8.3321608736e-3f;
    s = s * z + -1.6666654611e-1f;
    s = s * z;
    s = s * x + x;
    c = c * z + -1.388731625493765e-3f;
    c = c * z + 4.166664568298827e-2f;
    c = c * z;
    c = c * z;
    c = (c - 0.5f * z) + 1.0f;
    float cosine = quarter & 1 ? s : c, sine = quarter & 1 ? c : s;
    *one = radius * signed_by(cosine, quarter + 1);
    *other = radius * signed_by(sine, quarter);
}

/* out: count numbers; what is left of the last 2 LANES that are made for them is dropped. state[k] is word k of all */
void gaussians(float *restrict out, int64_t count, uint32_t (*restrict state)[LANES], float deviation)
{
    float made[2 * LANES];
    for (int64_t done = 0; done < count; done += 2 * LANES) {
        int64_t left = count - done;
        float *to = left < 2 * LANES ? made : out + done;
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++) {
            uint32_t a = state[0][lane], b = state[1][lane], c = state[2][lane], d = state[3][lane];
            uint32_t first = step(&a, &b, &c, &d), second = step(&a, &b, &c, &d);
            pair(first, second, deviation, &to[lane], &to[LANES + lane]);
            state[0][lane] = a;
            state[1][lane] = b;
            state[2][lane] = c;
            state[3][lane] = d;
        }
        if (to == made)
            memcpy(out + done, made, left * sizeof(float));
    }
}
