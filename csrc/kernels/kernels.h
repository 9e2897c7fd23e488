/* The loops over raw memory, one table an instruction set, chosen once at import.

   Every loop is plain C11 in a body file that is compiled several times:

       elementwise.inc  reduce.inc  softmax.inc  optim.inc  gemm.inc       the bodies, for T = float and T = double
              └──────────────┴── isa_body.h ──┴──────────────┘             all of them, for one instruction set
                  isa_baseline.c   isa_avx2.c   isa_avx512.c               one table each
                                └── dispatch.c: pa_k points to one of them

   Elementwise maths and reductions give the same bits on all of them: no FMA, reductions in PA_LANES fixed lanes.
   Products may use FMA. In the tables below [F] is 0 for float32 and 1 for float64. All pointers are to contiguous
   memory. */
#ifndef PA_KERNELS_H
#define PA_KERNELS_H

#include "../ops.h"
#include "hyper.h"

enum {
    PA_LANES = 16,
    PA_BLOCK = 1024 /* elements an elementwise loop is given at the most, so that blocks stay in L1 */
};

/* out[i] = f(in[0][i], …, p), n <= PA_BLOCK or not: any n. in[] holds A, B, C; for gradients also in[3] = OUT and
   in[4] = G. Entries that the op does not read are NULL. out may be one of in[]. */
typedef void pa_map_fn(void *out, const void *const in[5], const double *params, int64_t n);

typedef enum pa_optimizer { PA_SGD, PA_ADAM, PA_RMSPROP, PA_OPTIMIZERS } pa_optimizer;

/* One parameter's update. All arrays have n elements of T. */
typedef struct pa_update {
    int64_t n;
    void *param;
    const void *grad;
    /* sgd: momentum buffer; adam: exp_avg, exp_avg_sq, [max]; rmsprop: square_avg, momentum buffer, grad_avg */
    void *state[3];
    int64_t step; /* 1 at the first update */
    pa_hyper hyper;
    /* Of Adam: 1 - beta1^step, sqrt(1 - beta2^step); pa_update_prepare fills them */
    double correction1, correction2;
    bool prepared;
} pa_update;

/* One product: c (m, n) (+)= a (m, k) b (k, n) [+ bias (n), broadcast over rows], and what is done to its results while
   they are at hand. Any strides on a and b, in elements; rows of c are contiguous. */
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
    bool relu;        /* c = max(c, 0) */
    const void *mask; /* or NULL: (m, n); where it is <= 0, c = 0: ReLU's gradient, mask being ReLU's result */
    int64_t mask_row;
} pa_gemm;

/* The backward of out (rows, n) = a wᵀ, w (n, k), through ReLU, whose result a is: da = g w where a is not <= 0, else 0,
   and dw (+)= gᵀ a. All but a is contiguous; da may be a. */
enum { PA_THIN_COLUMNS = 4, PA_THIN_WIDTH = 256 };
typedef struct pa_thin_backward {
    int64_t rows, n, k; /* n and k at most the constants above */
    const void *g, *w, *a;
    int64_t a_row;
    void *da, *dw;
    bool accumulate; /* dw */
    void *sums;      /* or NULL: (k), the sums of da's columns, as column_sums makes them of up to 512 rows */
} pa_thin_backward;

/* Straight-line code over one array of doubles, `d` (straightline/straightline.h). Operands are positions in it;
   `lists` holds lists of positions. A position with a lane stride of 0 is one number for all lanes. */
typedef struct pa_straightline_operand {
    int32_t at, row, lane; /* position of the first number, strides */
} pa_straightline_operand;

/* out[r][l] = init[r][l] + a[r][0] b[0][l] + a[r][1] b[1][l] + …, added in this order, nothing contracted. b[k][0]
   stands at lists[b + k], its lanes follow. Lanes are computed by whole vectors: rows of out have room for a multiple
   of 8, and at least 8 numbers may be read behind any operand. */
typedef struct pa_straightline_product {
    int32_t rows, lanes, terms;
    int32_t out, out_row;
    pa_straightline_operand init; /* lane: 0 or 1 */
    int32_t a, a_row, a_term;
    int32_t b;
} pa_straightline_product;

/* out[l] = init[l] + a[0][l] b[0][l] + a[1][l] b[1][l] + …, the same way; a[k][0] stands at lists[a + k]. */
typedef struct pa_straightline_sums {
    int32_t lanes, terms, out;
    int32_t init, init_lane, a, a_lane, b, b_lane; /* lanes: 0 or 1 */
} pa_straightline_sums;

/* The arithmetic that has a loop of its own: out[r][l] = f(x, y, z). */
typedef enum pa_map_kind {
    PA_MAP_ADD,
    PA_MAP_SUB,
    PA_MAP_MUL,
    PA_MAP_DIV,
    PA_MAP_NEG,
    PA_MAP_MULADD, /* x y + z */
    PA_MAP_RELU,
    PA_MAP_RELU_GRADIENT, /* y where x > 0 (or is NaN), else 0 */
    PA_MAP_MOVE,          /* x, with any strides */
    PA_MAP_KINDS
} pa_map_kind;

typedef struct pa_straightline_map {
    int32_t rows, lanes, out, out_row;
    pa_straightline_operand in[3]; /* lane: 0 or 1 */
} pa_straightline_map;

typedef struct pa_kernels {
    const char *name;
    pa_map_fn *forward[PA_OP_COUNT][PA_DTYPE_COUNT];      /* by the dtype computed in */
    pa_map_fn *gradient[PA_OP_COUNT][PA_MAX_OPERANDS][2]; /* of operand i: out = its contribution */
    /* [from][to] */
    void (*convert[PA_DTYPE_COUNT][PA_DTYPE_COUNT])(void *out, const void *in, int64_t stride, int64_t n);

    /* reduce.inc */
    void (*add[2])(void *y, const void *x, int64_t n);                      /* y += x */
    void (*add_scaled[2])(void *y, const void *x, double scale, int64_t n); /* y += scale x */
    void (*scale[2])(void *y, const void *x, double scale, int64_t n);      /* y = scale x */
    double (*sum[2])(const void *x, int64_t n);                             /* PA_LANES lanes, blocks added in double */
    double (*sum_deviation[2])(const void *x, double from, int64_t n); /* of x - from; float32 overflows to double */
    double (*sum_squared_deviation[2])(const void *x, double mean, int64_t n);
    void (*add_wide[2])(double *totals, const void *x, int64_t n); /* totals += x */
    void (*add_squared_deviation[2])(double *totals, const void *x, const double *mean, int64_t n);
    double (*product[2])(const void *x, int64_t n);
    double (*largest[2])(const void *x, int64_t n); /* NaN if there is one; n >= 1 */
    double (*smallest[2])(const void *x, int64_t n);
    void (*max_into[2])(void *y, const void *x, int64_t n); /* y = max(y, x), NaN wins */
    void (*min_into[2])(void *y, const void *x, int64_t n);

    /* softmax.inc: over `rows` rows of n contiguous elements */
    void (*softmax[2])(void *y, const void *x, int64_t rows, int64_t n);
    void (*log_softmax[2])(void *y, const void *x, int64_t rows, int64_t n);
    void (*logsumexp[2])(void *y, const void *x, int64_t rows, int64_t n); /* y (rows) */
    void (*softmax_gradient[2])(void *dx, const void *y, const void *g, int64_t rows, int64_t n, bool accumulate);
    void (*log_softmax_gradient[2])(void *dx, const void *y, const void *g, int64_t rows, int64_t n, bool accumulate);

    /* optim.inc: one parameter's update */
    void (*update[PA_OPTIMIZERS][2])(const pa_update *u);

    /* column_sums.inc: out (n) (+)= the sum of x's rows, x (rows, n) */
    void (*column_sums[2])(void *out, const void *x, int64_t rows, int64_t n, bool accumulate);
    /* gemm.inc: small and thin shapes directly, others packed by blocks into scratch */
    void (*gemm[2])(const pa_gemm *g, void *scratch);
    /* thin_backward.inc, of float32; or NULL */
    void (*thin_backward)(const pa_thin_backward *t);

    /* straightline.inc */
    void (*straightline_product)(const pa_straightline_product *p, double *d, const int32_t *lists);
    void (*straightline_sums)(const pa_straightline_sums *s, double *d, const int32_t *lists);
    void (*straightline_map[PA_MAP_KINDS])(const pa_straightline_map *m, double *d);
    void (*straightline_gather)(double *d, int32_t out, const int32_t *list, int32_t n); /* d[out + i] = d[list[i]] */
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
