/* The BLAS that was adopted: calls for either width of its integers, and its number of threads. */
#include "blas.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "fpmode.h"

/* cblas_?gemm with 32-bit and with 64-bit integers; its enums are ints in both. */
#define GEMM_TYPE(name, integer, real)                                                                                 \
    typedef void name(int order, int trans_a, int trans_b, integer m, integer n, integer k, real alpha, const real *a, \
                      integer lda, const real *b, integer ldb, real beta, real *c, integer ldc)
GEMM_TYPE(sgemm_lp64, int32_t, float);
GEMM_TYPE(dgemm_lp64, int32_t, double);
GEMM_TYPE(sgemm_ilp64, int64_t, float);
GEMM_TYPE(dgemm_ilp64, int64_t, double);
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

static struct {
    void *gemm[2];
    void (*set_threads)(int);
    int (*get_threads)(void);
    bool ilp64, always;
    void (*resolver)(void);
    int threads;
    atomic_flag lock; /* of the two below */
    int changes;      /* products under way that have put another number of threads into force */
    int own;          /* the number that was in force before them */
} blas = {.lock = ATOMIC_FLAG_INIT};

/* A pointer to a function out of a pointer to void, in a way that C allows. */
static void to_function(void *function, void *pointer) { memcpy(function, &pointer, sizeof pointer); }

void pa_blas_set(void *sgemm, void *dgemm, void *set_threads, void *get_threads, bool ilp64, bool always) {
    blas.gemm[0] = sgemm;
    blas.gemm[1] = dgemm;
    to_function(&blas.set_threads, set_threads);
    to_function(&blas.get_threads, get_threads);
    blas.ilp64 = ilp64;
    blas.always = always;
    blas.resolver = NULL;
}

void pa_blas_set_resolver(void (*resolver)(void)) { blas.resolver = resolver; }

void pa_blas_ensure(double work) {
    if (work < PA_BLAS_WORK || blas.resolver == NULL) return;
    void (*resolver)(void) = blas.resolver;
    blas.resolver = NULL;
    resolver();
}

void pa_blas_set_threads(int n) { blas.threads = n; }

static _Thread_local bool stays_out;

bool pa_blas_stay_out(bool out) {
    bool before = stays_out;
    stays_out = out;
    return before;
}

static void lock(void) {
    while (atomic_flag_test_and_set_explicit(&blas.lock, memory_order_acquire)) continue;
}
static void unlock(void) { atomic_flag_clear_explicit(&blas.lock, memory_order_release); }

/* Threads that the BLAS is set to by others than us; 1 where it does not say. */
static int own_setting(void) {
    if (blas.gemm[0] == NULL || blas.get_threads == NULL) return 1;
    lock();
    int threads = blas.changes > 0 ? blas.own : blas.get_threads();
    unlock();
    return threads > 1 ? threads : 1;
}

/* The setting is the process's: the first product that changes it notes what it was, the last one puts that back. */
static void begin_change(int threads) {
    lock();
    if (blas.changes++ == 0) blas.own = blas.get_threads();
    blas.set_threads(threads);
    unlock();
}

static void end_change(void) {
    lock();
    if (--blas.changes == 0) blas.set_threads(blas.own);
    unlock();
}

void pa_blas_after_fork(void) {
    if (blas.changes > 0) blas.set_threads(blas.own);
    blas.changes = 0;
    unlock();
}

int pa_blas_get_threads(void) { return blas.threads > 0 ? blas.threads : own_setting(); }

/* The leading dimension and transposition of a (rows, columns) matrix; false where neither axis is contiguous. */
static bool as_blas_matrix(int64_t rows, int64_t columns, int64_t row, int64_t column, int *trans, int64_t *leading) {
    int64_t limit = blas.ilp64 ? INT64_MAX : INT32_MAX;
    if (column == 1 && row >= columns) {
        *trans = NO_TRANS;
        *leading = row;
    } else if (row == 1 && column >= rows) {
        *trans = TRANS;
        *leading = column;
    } else {
        return false;
    }
    return *leading <= limit && rows <= limit && columns <= limit;
}

/* Is there nothing in it but numbers whose products with weights would be denormal? Mostly the first line tells. */
static bool is_tiny(const float *x, int64_t rows, int64_t columns, int trans, int64_t leading) {
    int64_t lines = trans == TRANS ? columns : rows, length = trans == TRANS ? rows : columns;
    for (int64_t i = 0; i < lines; i++, x += leading)
        if (!(pa_k->largest[0](x, length) < 0x1p-110 && pa_k->smallest[0](x, length) > -0x1p-110)) return false;
    return true;
}

bool pa_blas_gemm(const pa_gemm *g, int float64) {
    void *pointer = blas.gemm[float64];
    if (pointer == NULL || (stays_out && !blas.always) || (double)g->m * (double)g->n * (double)g->k < PA_BLAS_WORK)
        return false;
    if (g->m == 1 || g->n == 1) return false; /* as fast as memory is, on one thread */
    int trans_a, trans_b, trans_c;
    int64_t lda, ldb, ldc;
    if (!as_blas_matrix(g->m, g->k, g->a_row, g->a_col, &trans_a, &lda) ||
        !as_blas_matrix(g->k, g->n, g->b_row, g->b_col, &trans_b, &ldb) ||
        !as_blas_matrix(g->m, g->n, g->c_row, 1, &trans_c, &ldc))
        return false;

    bool settable = blas.set_threads != NULL && blas.get_threads != NULL;
    int before = own_setting(), threads = blas.threads > 0 && settable ? blas.threads : before;
    if (threads == 1 && !blas.always) return false;
    if (!float64 && pa_fpmode_bits != 0 &&
        (is_tiny(g->a, g->m, g->k, trans_a, lda) || is_tiny(g->b, g->k, g->n, trans_b, ldb)))
        return false;
    uint64_t mode = pa_fpmode_read(); /* the ordinary one, which its own threads have */
    pa_fpmode_write(mode & ~PA_FPMODE_FLUSH);
    if (threads != before) begin_change(threads);

    bool add = g->accumulate;
    if (g->bias != NULL) { /* beta = 1 over rows that hold the bias already */
        size_t bytes = (size_t)g->n * (float64 ? sizeof(double) : sizeof(float));
        size_t row_bytes = (size_t)g->c_row * (float64 ? sizeof(double) : sizeof(float));
        for (int64_t i = 0; i < g->m; i++) memcpy((char *)g->c + (size_t)i * row_bytes, g->bias, bytes);
        add = true;
    }
#define CALL(type, integer, real)                                                                                      \
    do {                                                                                                               \
        type *gemm;                                                                                                    \
        to_function(&gemm, pointer);                                                                                   \
        gemm(ROW_MAJOR, trans_a, trans_b, (integer)g->m, (integer)g->n, (integer)g->k, 1, g->a, (integer)lda, g->b,    \
             (integer)ldb, add, g->c, (integer)ldc);                                                                   \
    } while (0)
    if (blas.ilp64 && float64)
        CALL(dgemm_ilp64, int64_t, double);
    else if (blas.ilp64)
        CALL(sgemm_ilp64, int64_t, float);
    else if (float64)
        CALL(dgemm_lp64, int32_t, double);
    else
        CALL(sgemm_lp64, int32_t, float);
#undef CALL
    if (threads != before) end_change();
    pa_fpmode_write(mode);
    return true;
}
