/* Subnormal numbers count as 0 while a run trains: with gradients that vanish over many layers, most of what is passed
   back is smaller than the smallest normal number, and Intel's processors then take about thirty times as long for a
   product. What is lost lies below 1e-307 (1e-37 in single precision) and moves no weight. */

#if defined(__SSE2__)
#include <immintrin.h>
enum { FLUSHED = 0x8040 }; /* the bits of MXCSR that make small results 0, and read small operands as 0 */
static unsigned flush_subnormals(void) {
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | FLUSHED);
    return before;
}
static void keep_subnormals(unsigned before) { _mm_setcsr(before); }
#else /* other processors are left as they are */
static unsigned flush_subnormals(void) { return 0; }
static void keep_subnormals(unsigned before) { (void)before; }
#endif
