/* Which product goes where, and how much scratch it may want. */
#include "blas.h"

static int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/* The most that kernels/gemm.inc packs: a panel of a small b, or of a where n is thin; a group of panels and a block of
   rows of a large product. A panel is two vectors wide, or three, and vectors are taken to be the widest. */
size_t pa_gemm_scratch(int64_t m, int64_t n, int64_t k, int float64) {
    enum { DEPTH = 512, BLOCK_ROWS = 12 * 84, ROWS = 24, VECTOR = 64, SMALL = 32768 };
    enum { THIN_COLUMNS = 4, THIN_DEPTH = 512, MARGIN = 64 /* to align the start */ };
    if (m == 0 || n == 0 || k == 0) return 0;
    int64_t size = float64 ? sizeof(double) : sizeof(float), small = 3 * VECTOR * k;
    if (n * k * size <= SMALL || (n <= THIN_COLUMNS && k <= THIN_DEPTH)) return (size_t)(small + MARGIN);
    int64_t depth = k < DEPTH ? k : DEPTH;
    int64_t bytes = 8 * VECTOR * depth + (m < BLOCK_ROWS ? round_up(m, ROWS) : BLOCK_ROWS) * depth * size;
    return (size_t)((bytes > small ? bytes : small) + MARGIN);
}

/* What our own kernels do to results before they store them, done to the results of a BLAS. */
static void finish(const pa_gemm *g, int f) {
    const pa_dtype dtype = f ? PA_FLOAT64 : PA_FLOAT32;
    const int64_t size = f ? sizeof(double) : sizeof(float);
    for (int64_t i = 0; i < g->m && (g->relu || g->mask != NULL); i++) {
        char *c = (char *)g->c + i * g->c_row * size;
        const char *mask = g->mask != NULL ? (const char *)g->mask + i * g->mask_row * size : NULL;
        const void *forward[5] = {c}, *gradient[5] = {NULL, NULL, NULL, mask, c};
        if (g->relu) pa_k->forward[PA_OP_relu][dtype](c, forward, NULL, g->n);
        if (mask != NULL) pa_k->gradient[PA_OP_relu][0][f](c, gradient, NULL, g->n);
    }
}

void pa_gemm_run(const pa_gemm *g, int float64, void *scratch) {
    if (pa_blas_gemm(g, float64))
        finish(g, float64);
    else
        pa_k->gemm[float64](g, scratch);
}
