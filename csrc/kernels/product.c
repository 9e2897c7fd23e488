/* Matrix products as ops: matmul, over the last two axes with the others broadcast, and linear, x wᵀ + bias.

   Both become a product: one size of matrices, strides for any layout of the operands, and the axes of the batch that
   could not be merged into rows. Transposed, sliced and broadcast operands are read where they stand.

       a (…, m, k)   b (…, k, n)  ──▶  batch[0] × batch[1] × … times  gemm (m, k) (k, n)
       a (…, m, k)   b    (k, n)  ──▶  rows of a evenly spaced:       gemm (… m, k) (k, n)
       x (…, k)      w    (n, k)  ──▶  the same with b = wᵀ

   Backward: da = g bᵀ, db = aᵀ g (for linear dw = gᵀ x), each summed over the axes along which the operand was
   broadcast; with merged rows that is one gemm. */
#include <string.h>

#include "blas.h"
#include "ops.h"

/* A product ready to run. Strides in elements. `a_step` and `b_step` lead from one matrix of the batch to the next in
   an operand, `a_grad_step` and `b_grad_step` in its gradient, which is contiguous: 0 along a broadcast axis. */
typedef struct product {
    int64_t m, n, k;
    int64_t a_row, a_col, b_row, b_col;
    int ndim; /* of the batch */
    int64_t batch[PA_MAX_NDIM];
    int64_t a_step[PA_MAX_NDIM], b_step[PA_MAX_NDIM];
    int64_t a_grad_step[PA_MAX_NDIM], b_grad_step[PA_MAX_NDIM];
    int64_t count;    /* of matrices in the batch */
    bool b_is_weight; /* (n, k), and so is its gradient */
} product;

/* ---- shapes ---- */

static pa_status check_dtypes(const pa_call *call) {
    const char *name = pa_op_table[call->op].name;
    for (int i = 0; i < call->n; i++) {
        pa_dtype dtype = call->in[i]->dtype, first = call->in[0]->dtype;
        PA_FAIL_IF(dtype != first, PA_TYPE,
                   "%s: operands of dtypes %s and %s; convert one of them with .to(), an array with .astype()", name,
                   pa_dtype_name(first), pa_dtype_name(dtype));
        PA_FAIL_IF(dtype == PA_BOOL, PA_TYPE, "%s: operands of dtype bool; convert them with .to()", name);
    }
    return PA_OK;
}

pa_status pa_matmul_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0], *b = call->in[1];
    PA_FAIL_IF(a->ndim == 0 || b->ndim == 0, PA_VALUE,
               "matmul: shapes %s and %s: both operands need at least one dimension; multiply by a number with *",
               pa_node_shape_text(a), pa_node_shape_text(b));
    PA_TRY(check_dtypes(call));
    const int64_t *a_shape = pa_node_shape(a), *b_shape = pa_node_shape(b);
    int64_t k = a_shape[a->ndim - 1], b_rows = b_shape[b->ndim == 1 ? 0 : b->ndim - 2];
    PA_FAIL_IF(k != b_rows, PA_VALUE, "matmul: shapes %s and %s do not fit: %lld columns meet %lld rows",
               pa_node_shape_text(a), pa_node_shape_text(b), (long long)k, (long long)b_rows);

    int a_batch = a->ndim > 2 ? a->ndim - 2 : 0, b_batch = b->ndim > 2 ? b->ndim - 2 : 0;
    int ndim = a_batch > b_batch ? a_batch : b_batch;
    for (int i = 0; i < ndim; i++) {
        int64_t x = i >= ndim - a_batch ? a_shape[i - (ndim - a_batch)] : 1;
        int64_t y = i >= ndim - b_batch ? b_shape[i - (ndim - b_batch)] : 1;
        PA_FAIL_IF(x != y && x != 1 && y != 1, PA_VALUE,
                   "matmul: shapes %s and %s do not fit: batches of %lld and %lld matrices do not broadcast",
                   pa_node_shape_text(a), pa_node_shape_text(b), (long long)x, (long long)y);
        spec->shape[i] = x == 1 ? y : x;
    }
    double work = (double)k;
    if (a->ndim > 1) spec->shape[ndim++] = a_shape[a->ndim - 2];
    if (b->ndim > 1) spec->shape[ndim++] = b_shape[b->ndim - 1];
    spec->ndim = ndim;
    spec->dtype = a->dtype;
    for (int i = 0; i < ndim; i++) work *= (double)spec->shape[i];
    pa_blas_ensure(work);
    return PA_OK;
}

pa_status pa_linear_shape(const pa_call *call, pa_spec *spec) {
    PA_FAIL_IF(call->n != 2 && call->n != 3, PA_TYPE, "linear: takes 2 or 3 operands, not %d", call->n);
    const pa_node *x = call->in[0], *w = call->in[1];
    PA_FAIL_IF(w->ndim != 2, PA_VALUE, "linear: weight of shape %s; it must be (out_features, in_features)",
               pa_node_shape_text(w));
    const int64_t *x_shape = pa_node_shape(x), *w_shape = pa_node_shape(w);
    PA_FAIL_IF(x->ndim == 0, PA_VALUE, "linear: input of shape (); it must be (…, %lld) for a weight of shape %s",
               (long long)w_shape[1], pa_node_shape_text(w));
    PA_FAIL_IF(x_shape[x->ndim - 1] != w_shape[1], PA_VALUE,
               "linear: input of shape %s and weight of shape %s do not fit: %lld features meet %lld",
               pa_node_shape_text(x), pa_node_shape_text(w), (long long)x_shape[x->ndim - 1], (long long)w_shape[1]);
    if (call->n == 3) {
        const pa_node *bias = call->in[2];
        PA_FAIL_IF(bias->ndim != 1 || pa_node_shape(bias)[0] != w_shape[0], PA_VALUE,
                   "linear: bias of shape %s; it must be (%lld,) for a weight of shape %s", pa_node_shape_text(bias),
                   (long long)w_shape[0], pa_node_shape_text(w));
    }
    PA_TRY(check_dtypes(call));
    spec->dtype = x->dtype;
    spec->ndim = x->ndim;
    double work = (double)w_shape[0];
    for (int i = 0; i < x->ndim; i++) {
        spec->shape[i] = x_shape[i];
        work *= (double)x_shape[i];
    }
    spec->shape[x->ndim - 1] = w_shape[0];
    pa_blas_ensure(work);
    return PA_OK;
}

double pa_product_cost(const pa_node *node) {
    const pa_node *a = pa_node_parent(node, 0);
    return 2.0 * (double)pa_node_numel(node) * (double)pa_node_shape(a)[a->ndim - 1];
}

/* ---- from a node to a product ---- */

/* The axes of a batch, of which operand `x` has the last `own`: extents go into p->batch, the steps of x and of its
   gradient into `step` and `grad_step`. */
static void read_batch(product *p, const pa_node *x, int own, int64_t *step, int64_t *grad_step) {
    const int64_t *shape = pa_node_shape(x), *strides = pa_node_strides(x);
    int64_t matrix = 1;
    for (int i = own > 0 ? own : 0; i < x->ndim; i++) matrix *= shape[i];
    for (int i = p->ndim - 1; i >= 0; i--) {
        int axis = i - (p->ndim - own);
        int64_t extent = axis >= 0 ? shape[axis] : 1;
        step[i] = extent == 1 ? 0 : strides[axis];
        grad_step[i] = extent == 1 ? 0 : matrix;
        if (axis >= 0) matrix *= extent;
        if (extent != 1) p->batch[i] = extent;
    }
}

/* Takes axes of length 1 out of the batch, and merges its last axes into rows as long as b is the same along them and
   the rows of a go on at the same distance. */
static void simplify(product *p) {
    int kept = 0;
    for (int i = 0; i < p->ndim; i++) {
        if (p->batch[i] == 1) continue;
        p->batch[kept] = p->batch[i];
        p->a_step[kept] = p->a_step[i];
        p->b_step[kept] = p->b_step[i];
        p->a_grad_step[kept] = p->a_grad_step[i];
        p->b_grad_step[kept] = p->b_grad_step[i];
        kept++;
    }
    p->ndim = kept;
    while (p->ndim > 0) {
        int last = p->ndim - 1;
        if (p->m == 1) p->a_row = p->a_step[last];
        if (p->b_grad_step[last] != 0 || p->b_step[last] != 0 || p->a_grad_step[last] != p->m * p->k ||
            p->a_step[last] != p->m * p->a_row)
            break;
        p->m *= p->batch[last];
        p->ndim--;
    }
    p->count = 1;
    for (int i = 0; i < p->ndim; i++) p->count *= p->batch[i];
}

static void read_product(const pa_node *node, product *p) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1);
    const int64_t *a_shape = pa_node_shape(a), *a_strides = pa_node_strides(a);
    const int64_t *b_shape = pa_node_shape(b), *b_strides = pa_node_strides(b);
    int a_own = a->ndim > 2 ? a->ndim - 2 : 0, b_own = b->ndim > 2 ? b->ndim - 2 : 0;
    p->b_is_weight = node->op == PA_OP_linear;
    p->k = a_shape[a->ndim - 1];
    p->a_col = a_strides[a->ndim - 1];
    p->m = a->ndim == 1 ? 1 : a_shape[a->ndim - 2];
    p->a_row = a->ndim == 1 ? p->k : a_strides[a->ndim - 2];
    if (p->b_is_weight) {
        p->n = b_shape[0];
        p->b_row = b_strides[1];
        p->b_col = b_strides[0];
    } else {
        p->n = b->ndim == 1 ? 1 : b_shape[b->ndim - 1];
        p->b_row = b_strides[b->ndim == 1 ? 0 : b->ndim - 2];
        p->b_col = b->ndim == 1 ? 1 : b_strides[b->ndim - 1];
    }
    p->ndim = a_own > b_own ? a_own : b_own;
    for (int i = 0; i < p->ndim; i++) p->batch[i] = 1;
    read_batch(p, a, a_own, p->a_step, p->a_grad_step);
    read_batch(p, b, b_own, p->b_step, p->b_grad_step);
    simplify(p);
}

/* Where the matrices of one step of the batch begin, in elements, and whether each gradient is met for the first
   time. */
typedef struct place {
    int64_t at[PA_MAX_NDIM];
    int64_t a, b, out, a_grad, b_grad;
    bool a_first, b_first;
} place;

static void place_begin(place *at) {
    memset(at, 0, sizeof *at);
    at->a_first = at->b_first = true;
}

static void place_next(place *at, const product *p) {
    at->out += p->m * p->n;
    for (int i = p->ndim - 1; i >= 0; i--) {
        at->a += p->a_step[i];
        at->b += p->b_step[i];
        at->a_grad += p->a_grad_step[i];
        at->b_grad += p->b_grad_step[i];
        if (++at->at[i] < p->batch[i]) break;
        at->a -= p->batch[i] * p->a_step[i];
        at->b -= p->batch[i] * p->b_step[i];
        at->a_grad -= p->batch[i] * p->a_grad_step[i];
        at->b_grad -= p->batch[i] * p->b_grad_step[i];
        at->at[i] = 0;
    }
    at->a_first = at->b_first = true;
    for (int i = 0; i < p->ndim; i++) {
        if (at->at[i] != 0 && p->a_grad_step[i] == 0) at->a_first = false;
        if (at->at[i] != 0 && p->b_grad_step[i] == 0) at->b_first = false;
    }
}

/* ---- forward ---- */

/* Integers wrap around, as NumPy's do. */
#define MULTIPLY_INTS(dtype, T)                                                                                        \
    static void multiply_##dtype(const product *p, const T *a, const T *b, const T *bias, int64_t bias_step, T *out) { \
        for (int64_t i = 0; i < p->m; i++) {                                                                           \
            for (int64_t j = 0; j < p->n; j++) {                                                                       \
                uint64_t sum = bias != NULL ? (uint64_t)bias[j * bias_step] : 0;                                       \
                for (int64_t q = 0; q < p->k; q++)                                                                     \
                    sum += (uint64_t)a[i * p->a_row + q * p->a_col] * (uint64_t)b[q * p->b_row + j * p->b_col];        \
                out[i * p->n + j] = (T)sum;                                                                            \
            }                                                                                                          \
        }                                                                                                              \
    }
MULTIPLY_INTS(uint8, uint8_t)
MULTIPLY_INTS(int32, int32_t)
MULTIPLY_INTS(int64, int64_t)

static void run_forward(const pa_node *node, const product *p, const void *bias, int64_t bias_step, bool relu,
                        void *scratch) {
    const char *a = pa_node_data(pa_node_parent(node, 0)), *b = pa_node_data(pa_node_parent(node, 1));
    char *out = pa_node_data(node);
    int64_t size = (int64_t)pa_dtype_size(node->dtype);
    place at;
    place_begin(&at);
    for (int64_t i = 0; i < p->count; i++, place_next(&at, p)) {
        const void *a_at = a + at.a * size, *b_at = b + at.b * size;
        void *out_at = out + at.out * size;
        if (node->dtype == PA_UINT8) {
            multiply_uint8(p, a_at, b_at, bias, bias_step, out_at);
        } else if (node->dtype == PA_INT32) {
            multiply_int32(p, a_at, b_at, bias, bias_step, out_at);
        } else if (node->dtype == PA_INT64) {
            multiply_int64(p, a_at, b_at, bias, bias_step, out_at);
        } else {
            pa_gemm g = {.m = p->m,
                         .n = p->n,
                         .k = p->k,
                         .a = a_at,
                         .a_row = p->a_row,
                         .a_col = p->a_col,
                         .b = b_at,
                         .b_row = p->b_row,
                         .b_col = p->b_col,
                         .c = out_at,
                         .c_row = p->n,
                         .bias = bias,
                         .relu = relu};
            pa_gemm_run(&g, node->dtype == PA_FLOAT64, scratch);
        }
    }
}

/* Bytes that a bias asks for: one that is not contiguous is copied to the end of the scratch. */
static size_t bias_bytes(const pa_node *node) {
    if (node->n_parents != 3 || !pa_dtype_is_float(node->dtype)) return 0;
    const pa_node *bias = pa_node_parent(node, 2);
    int64_t n = pa_node_numel(bias);
    return n > 1 && pa_node_strides(bias)[0] != 1 ? (size_t)n * pa_dtype_size(node->dtype) : 0;
}

pa_status pa_product_forward_with(pa_node *node, void *scratch, const pa_product_extras *extras) {
    product p;
    read_product(node, &p);
    if (node->n_parents != 3) {
        run_forward(node, &p, NULL, 0, extras->relu, scratch);
        return PA_OK;
    }
    const pa_node *bias = pa_node_parent(node, 2);
    const void *data = pa_node_data(bias);
    if (bias_bytes(node) > 0) {
        char *copy = (char *)scratch + pa_gemm_scratch(p.m, p.n, p.k, node->dtype == PA_FLOAT64);
        pa_node_gather(bias, node->dtype, copy);
        data = copy;
    }
    run_forward(node, &p, data, pa_node_strides(bias)[0], extras->relu, scratch);
    return PA_OK;
}

pa_status pa_product_forward(pa_node *node, void *scratch) {
    return pa_product_forward_with(node, scratch, &(pa_product_extras){0});
}

/* ---- backward ---- */

/* The gradient of a bias: the sum of the rows of g. */
static void sum_rows(int64_t rows, int64_t n, const char *g, void *out, bool accumulate, int float64) {
    if (n != 1) {
        pa_k->column_sums[float64](out, g, rows, n, accumulate);
        return;
    }
    double sum = pa_k->sum[float64](g, rows);
    if (float64)
        *(double *)out = accumulate ? *(double *)out + sum : sum;
    else
        *(float *)out = accumulate ? *(float *)out + (float)sum : (float)sum;
}

static void take_sums(const pa_passing_sums *passing, int64_t n, float *out, bool accumulate) {
    for (int64_t j = 0; j < n; j++) out[j] = accumulate ? passing->sums[j] + out[j] : passing->sums[j];
}

/* The gradient of a matrix of the batch: da = g bᵀ. */
static pa_gemm gradient_of_a(const product *p, const void *g, const void *b, void *da) {
    return (pa_gemm){.m = p->m,
                     .n = p->k,
                     .k = p->n,
                     .a = g,
                     .a_row = p->n,
                     .a_col = 1,
                     .b = b,
                     .b_row = p->b_col,
                     .b_col = p->b_row,
                     .c = da,
                     .c_row = p->k};
}

/* db = aᵀ g, or the weight's dw = gᵀ x. */
static pa_gemm gradient_of_b(const product *p, const void *g, const void *a, void *db) {
    if (p->b_is_weight)
        return (pa_gemm){.m = p->n,
                         .n = p->k,
                         .k = p->m,
                         .a = g,
                         .a_row = 1,
                         .a_col = p->n,
                         .b = a,
                         .b_row = p->a_row,
                         .b_col = p->a_col,
                         .c = db,
                         .c_row = p->k};
    return (pa_gemm){.m = p->k,
                     .n = p->n,
                     .k = p->m,
                     .a = a,
                     .a_row = p->a_col,
                     .a_col = p->a_row,
                     .b = g,
                     .b_row = p->n,
                     .b_col = 1,
                     .c = db,
                     .c_row = p->n};
}

/* Both gradients of a layer with few outputs, whose input is ReLU's result, in one walk; false where there is none. */
static bool run_thin(const pa_node *node, const product *p, char *da, char *db, bool add_b,
                     const pa_product_extras *extras) {
    enum { MOST_ROWS = 1 << 14, SUMMED_ROWS = 512 };
    bool fits = pa_k->thin_backward != NULL && node->dtype == PA_FLOAT32 && p->b_is_weight && p->count == 1 &&
                p->n >= 1 && p->n <= PA_THIN_COLUMNS && p->k >= PA_LANES && p->k <= PA_THIN_WIDTH && p->m <= MOST_ROWS;
    if (!fits || p->a_col != 1 || p->b_row != 1 || p->b_col != p->k) return false;
    pa_passing_sums *passing = extras->passing;
    bool sums = passing != NULL && p->m <= SUMMED_ROWS && p->k < (int64_t)(sizeof passing->sums / sizeof(float));
    pa_k->thin_backward(&(pa_thin_backward){.rows = p->m,
                                            .n = p->n,
                                            .k = p->k,
                                            .g = pa_gradient(node),
                                            .w = pa_node_data(pa_node_parent(node, 1)),
                                            .a = pa_node_data(pa_node_parent(node, 0)),
                                            .a_row = p->a_row,
                                            .da = da,
                                            .dw = db,
                                            .accumulate = add_b,
                                            .sums = sums ? passing->sums : NULL});
    if (sums) passing->of = da;
    return true;
}

pa_status pa_product_backward_with(pa_node *node, void *scratch, const pa_product_extras *extras) {
    product p;
    read_product(node, &p);
    int float64 = node->dtype == PA_FLOAT64;
    int64_t size = (int64_t)pa_dtype_size(node->dtype);
    bool add_a = false, add_b = false, add_bias = false;
    char *da = pa_gradient_target(node, 0, &add_a), *db = pa_gradient_target(node, 1, &add_b);
    char *dbias = node->n_parents == 3 ? pa_gradient_target(node, 2, &add_bias) : NULL;
    const char *g = pa_gradient(node);
    const char *a = pa_node_data(pa_node_parent(node, 0)), *b = pa_node_data(pa_node_parent(node, 1));

    bool has_sums = extras->passing != NULL && extras->passing->of == g;
    if (dbias != NULL && has_sums)
        take_sums(extras->passing, p.n, (float *)(void *)dbias, add_bias);
    else if (dbias != NULL)
        sum_rows(p.n == 0 ? 0 : pa_node_numel(node) / p.n, p.n, g, dbias, add_bias, float64);
    if (extras->passing != NULL) extras->passing->of = NULL;
    if (extras->mask && da != NULL && db != NULL && !add_a && run_thin(node, &p, da, db, add_b, extras)) return PA_OK;
    if (p.count == 0) { /* nothing reaches operands that were broadcast against an empty batch */
        if (da != NULL && !add_a) memset(da, 0, pa_node_bytes(pa_node_parent(node, 0)));
        if (db != NULL && !add_b) memset(db, 0, pa_node_bytes(pa_node_parent(node, 1)));
    }
    place at;
    place_begin(&at);
    for (int64_t i = 0; i < p.count; i++, place_next(&at, &p)) {
        const char *g_at = g + at.out * size, *a_at = a + at.a * size, *b_at = b + at.b * size;
        if (da != NULL) {
            pa_gemm gemm = gradient_of_a(&p, g_at, b_at, da + at.a_grad * size);
            gemm.accumulate = add_a || !at.a_first;
            gemm.mask = extras->mask ? a_at : NULL;
            gemm.mask_row = p.a_row;
            pa_gemm_run(&gemm, float64, scratch);
        }
        if (db != NULL) {
            pa_gemm gemm = gradient_of_b(&p, g_at, a_at, db + at.b_grad * size);
            gemm.accumulate = add_b || !at.b_first;
            pa_gemm_run(&gemm, float64, scratch);
        }
    }
    return PA_OK;
}

pa_status pa_product_backward(pa_node *node, void *scratch) {
    return pa_product_backward_with(node, scratch, &(pa_product_extras){0});
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

size_t pa_product_scratch(const pa_node *node) {
    if (!pa_dtype_is_float(node->dtype)) return 0;
    product p;
    read_product(node, &p);
    int float64 = node->dtype == PA_FLOAT64;
    size_t forward = pa_gemm_scratch(p.m, p.n, p.k, float64) + bias_bytes(node);
    size_t of_a = pa_gemm_scratch(p.m, p.k, p.n, float64);
    size_t of_b = p.b_is_weight ? pa_gemm_scratch(p.n, p.k, p.m, float64) : pa_gemm_scratch(p.k, p.n, p.m, float64);
    return larger(forward, larger(of_a, of_b));
}
