/* Which product goes where, and how much scratch it may want. */
#include "../blas.h"

/* The most that kernels/gemm.inc packs: a panel of a small b, or of a where n is thin; a block of a large b, in whole
   panels, and a tile of a. A panel is two vectors wide, and vectors are taken to be the widest. */
size_t pa_gemm_scratch(int64_t m, int64_t n, int64_t k, int float64) {
    enum { DEPTH = 256, COLUMNS = 512, ROWS = 16, PANEL = 2 * 64, SMALL = 32768, MARGIN = 64 /* to align the start */ };
    enum { THIN_COLUMNS = 4, THIN_DEPTH = 512 };
    if (m == 0 || n == 0 || k == 0) return 0;
    int64_t size = float64 ? sizeof(double) : sizeof(float);
    if (n <= SMALL / size / k || (n <= THIN_COLUMNS && k <= THIN_DEPTH)) return (size_t)(PANEL * k + MARGIN);
    int64_t depth = k < DEPTH ? k : DEPTH;
    int64_t row = n < COLUMNS ? (n * size + PANEL - 1) / PANEL * PANEL : COLUMNS * size;
    return (size_t)(row * depth + ROWS * DEPTH * size + MARGIN);
}

void pa_gemm_run(const pa_gemm *g, int float64, void *scratch) {
    if (!pa_blas_gemm(g, float64)) pa_k->gemm[float64](g, scratch);
}
