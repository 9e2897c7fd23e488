/* The loops over raw memory, one table an instruction set, chosen once at import.

   Every loop is plain C11 in a body file that is compiled several times:

       elementwise.inc  reduce.inc  softmax.inc  optim.inc  gemm.inc       the bodies, for T = float and T = double
              └──────────────┴── isa_body.h ──┴──────────────┘             all of them, for one instruction set
                  isa_baseline.c   isa_avx2.c   isa_avx512.c               one table each
                                └── dispatch.c: pa_k points to one of them

   Elementwise maths and reductions give the same bits on all of them: no FMA, reductions in PA_LANES fixed lanes. Products
   may use FMA. In the tables below [F] is 0 for float32 and 1 for float64. All pointers are to contiguous memory. */
#ifndef PA_KERNELS_H
#define PA_KERNELS_H

#include "../ops.h"

enum { PA_LANES = 16, PA_BLOCK = 1024 /* elements an elementwise loop is given at the most, so that blocks stay in L1 */ };

/* out[i] = f(in[0][i], …, p), n <= PA_BLOCK or not: any n. in[] holds A, B, C; for gradients also in[3] = OUT and
   in[4] = G. Entries that the op does not read are NULL. out may be one of in[]. */
typedef void pa_map_fn(void *out, const void *const in[5], const double *params, int64_t n);

/* One product: c (m, n) (+)= a (m, k) b (k, n) [+ bias (n), broadcast over rows]. Any strides on a and b, in elements;
   rows of c are contiguous. */
typedef struct pa_gemm {
    int64_t m, n, k;
    const void *a;
    int64_t a_row, a_col;
    const void *b;
    int64_t b_row, b_col;
    void *c;
    int64_t c_row;
    const void *bias; /* or NULL; never together with accumulate */
    bool accumulate;
} pa_gemm;

/* Hyper-parameters and arrays of one parameter's update. All arrays have n elements of T. */
typedef struct pa_update {
    int64_t n;
    void *param;
    const void *grad;
    void *state[3];    /* sgd: momentum buffer; adam: exp_avg, exp_avg_sq, [max]; rmsprop: square_avg, momentum buffer, grad_avg */
    int64_t step;      /* 1 at the first update */
    double lr, weight_decay;
    double momentum, dampening; /* sgd, rmsprop */
    double beta1, beta2, eps;   /* adam; rmsprop: beta1 is alpha */
    bool nesterov, maximize, decoupled /* AdamW */, centered, amsgrad;
} pa_update;

typedef struct pa_kernels {
    const char *name;
    pa_map_fn *forward[PA_OP_COUNT][PA_DTYPE_COUNT];                       /* by the dtype computed in */
    pa_map_fn *gradient[PA_OP_COUNT][PA_MAX_OPERANDS][2];                  /* of operand i: out = its contribution */
    void (*convert[PA_DTYPE_COUNT][PA_DTYPE_COUNT])(void *out, const void *in, int64_t stride, int64_t n); /* [from][to] */

    /* reduce.inc */
    void (*add[2])(void *y, const void *x, int64_t n);                     /* y += x */
    void (*add_scaled[2])(void *y, const void *x, double scale, int64_t n);/* y += scale x */
    void (*scale[2])(void *y, const void *x, double scale, int64_t n);     /* y = scale x */
    double (*sum[2])(const void *x, int64_t n);                            /* PA_LANES lanes, blocks added in double */
    double (*sum_squared_deviation[2])(const void *x, double mean, int64_t n);
    double (*product[2])(const void *x, int64_t n);
    double (*largest[2])(const void *x, int64_t n);                        /* NaN if there is one; n >= 1 */
    double (*smallest[2])(const void *x, int64_t n);
    void (*max_into[2])(void *y, const void *x, int64_t n);                /* y = max(y, x), NaN wins */
    void (*min_into[2])(void *y, const void *x, int64_t n);

    /* softmax.inc: over `rows` rows of n contiguous elements */
    void (*softmax[2])(void *y, const void *x, int64_t rows, int64_t n);
    void (*log_softmax[2])(void *y, const void *x, int64_t rows, int64_t n);
    void (*logsumexp[2])(void *y, const void *x, int64_t rows, int64_t n); /* y (rows) */
    void (*softmax_gradient[2])(void *dx, const void *y, const void *g, int64_t rows, int64_t n, bool accumulate);
    void (*log_softmax_gradient[2])(void *dx, const void *y, const void *g, int64_t rows, int64_t n, bool accumulate);

    /* optim.inc: one parameter's update, flushing denormals inside and restoring the caller's mode */
    void (*sgd[2])(const pa_update *u);
    void (*adam[2])(const pa_update *u);
    void (*rmsprop[2])(const pa_update *u);

    /* gemm.inc: small and thin shapes directly, others packed by blocks into scratch */
    void (*gemm[2])(const pa_gemm *g, void *scratch);
} pa_kernels;

PA_INTERNAL extern const pa_kernels *pa_k;

/* Chooses a table: "baseline", "avx2", "avx512", or NULL for the best this machine runs. */
pa_status pa_isa_select(const char *name);
bool pa_isa_available(const char *name);

/* Bytes of scratch that a gemm of these sizes wants at the most, for [F]. */
size_t pa_gemm_scratch(int64_t m, int64_t n, int64_t k, int float64);

/* A product by the better of our kernel and the BLAS (blas.h). `scratch` holds pa_gemm_scratch bytes. */
void pa_gemm_run(const pa_gemm *g, int float64, void *scratch);

#endif
