/* Which product goes where, and how much scratch it may want. */
#include "../blas.h"

/* The most that kernels/gemm.inc packs: all of a small b, in whole vectors; or a block of a large one, in whole pairs of
   vectors, and a tile of a; or, where n is thin, a pair of vectors of a. Vectors are taken to be the widest there are. */
size_t pa_gemm_scratch(int64_t m, int64_t n, int64_t k, int float64) {
    enum { DEPTH = 256, COLUMNS = 512, ROWS = 16, VECTOR = 64, SMALL = 32768, MARGIN = 64 /* to align the start */ };
    if (m == 0 || n == 0 || k == 0) return 0;
    enum { THIN_COLUMNS = 4, THIN_DEPTH = 512 };
    int64_t size = float64 ? sizeof(double) : sizeof(float);
    if (n <= THIN_COLUMNS && k <= THIN_DEPTH) return (size_t)(2 * VECTOR * k + MARGIN);
    if (n <= SMALL / size / k) return (size_t)((n * size + VECTOR - 1) / VECTOR * VECTOR * k + MARGIN);
    int64_t depth = k < DEPTH ? k : DEPTH;
    int64_t columns = n < COLUMNS ? (n * size + 2 * VECTOR - 1) / (2 * VECTOR) * (2 * VECTOR) : COLUMNS * size;
    return (size_t)(columns * depth + ROWS * DEPTH * size + MARGIN);
}

void pa_gemm_run(const pa_gemm *g, int float64, void *scratch) {
    if (!pa_blas_gemm(g, float64)) pa_k->gemm[float64](g, scratch);
}
