/* Reductions over any axes of any layout: sum, mean, product, extrema, variance, and the positions of extrema.

   The axes of the operand are sorted into those kept and those reduced, neighbours merged, and one of three ways is
   taken:

       rows       the reduced axes are one contiguous run          a kernel call for each result
       columns    the innermost kept axis is contiguous            whole rows accumulated into a strip of results
       gathered   anything else                                    the elements of a result copied into a block first

   Integers and bools are reduced in int64, which narrower ones are converted to a block at a time. */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "ops.h"
#include "reduce.h"

/* Elements of a gathered block, columns of a strip, rows added in the operand's dtype before they go to double. */
enum { BLOCK = 1024, STRIP = 512, STRIP_ROWS = 64 };

typedef enum reduction {
    SUM,
    PROD,
    MAX,
    MIN,
    MEAN,     /* as a sum of deviations from the first element: numbers far from 0 lose nothing */
    DEVIATION /* sum of squared deviations from a mean */
} reduction;

/* ---- shapes ---- */

static const char *name_of(const pa_call *call) { return pa_op_table[call->op].name; }

/* The shape of a reduction over the axes of `mask`; how many elements go into a result. */
static pa_status reduced_shape(const pa_call *call, pa_spec *spec, int64_t mask, bool keepdim, int64_t *count) {
    const pa_node *a = call->in[0];
    const int64_t *shape = pa_node_shape(a);
    PA_FAIL_IF(mask < 0 || mask >> a->ndim != 0, PA_INDEX, "%s: an axis is out of range for shape %s", name_of(call),
               pa_node_shape_text(a));
    *count = 1;
    spec->ndim = 0;
    for (int axis = 0; axis < a->ndim; axis++) {
        bool reduced = mask >> axis & 1;
        if (reduced) *count *= shape[axis];
        if (!reduced || keepdim) spec->shape[spec->ndim++] = reduced ? 1 : shape[axis];
    }
    spec->ints[0] = mask;
    spec->ints[1] = keepdim;
    return PA_OK;
}

static pa_status masked_shape(const pa_call *call, pa_spec *spec, int64_t *count) {
    int64_t mask = call->n_ints > 0 ? call->ints[0] : ((int64_t)1 << call->in[0]->ndim) - 1;
    return reduced_shape(call, spec, mask, call->n_ints > 1 && call->ints[1] != 0, count);
}

static pa_status refuse_empty(const pa_call *call, int64_t count) {
    PA_FAIL_IF(count == 0, PA_VALUE, "%s: no elements to choose from along the reduced axes of shape %s", name_of(call),
               pa_node_shape_text(call->in[0]));
    return PA_OK;
}

pa_status pa_sum_shape(const pa_call *call, pa_spec *spec) {
    int64_t count = 0;
    PA_TRY(masked_shape(call, spec, &count));
    pa_dtype dtype = call->in[0]->dtype;
    spec->dtype = pa_dtype_is_float(dtype) ? dtype : PA_INT64;
    return PA_OK;
}

pa_status pa_mean_shape(const pa_call *call, pa_spec *spec) {
    int64_t count = 0;
    PA_TRY(pa_check_float(call));
    PA_TRY(masked_shape(call, spec, &count));
    spec->dtype = call->in[0]->dtype;
    return PA_OK;
}

pa_status pa_var_shape(const pa_call *call, pa_spec *spec) {
    PA_TRY(pa_mean_shape(call, spec));
    spec->params[0] = call->n_params > 0 ? call->params[0] : 1;
    return PA_OK;
}

pa_status pa_extremum_shape(const pa_call *call, pa_spec *spec) {
    int64_t count = 0;
    PA_TRY(masked_shape(call, spec, &count));
    PA_TRY(refuse_empty(call, count));
    spec->dtype = call->in[0]->dtype;
    return PA_OK;
}

pa_status pa_arg_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0];
    int64_t axis = call->n_ints > 0 ? call->ints[0] : -1, count = 0;
    PA_FAIL_IF(axis < -1 || (axis >= a->ndim && axis > 0), PA_INDEX, "%s: axis %lld is out of range for shape %s",
               name_of(call), (long long)axis, pa_node_shape_text(a));
    int64_t all = ((int64_t)1 << a->ndim) - 1;
    int64_t mask = axis < 0 || a->ndim == 0 ? all : (int64_t)1 << axis;
    PA_TRY(reduced_shape(call, spec, mask, call->n_ints > 1 && call->ints[1] != 0, &count));
    PA_TRY(refuse_empty(call, count));
    spec->dtype = PA_INT64;
    return PA_OK;
}

/* ---- the axes of a reduction ---- */

typedef struct plan {
    pa_axes kept, reduced;  /* stride[0] over the operand; stride[1] is not used */
    int64_t outputs, count; /* results, and elements that go into each */
} plan;

/* With `any_order`, the reduced axes are sorted by stride, so that a transposed array is still one run. */
static void plan_reduction(plan *p, const pa_node *a, int64_t mask, bool any_order) {
    const int64_t *shape = pa_node_shape(a), *strides = pa_node_strides(a);
    int order[PA_MAX_NDIM], n = 0;
    p->kept.n = p->reduced.n = 0;
    p->outputs = p->count = 1;
    for (int axis = 0; axis < a->ndim; axis++) {
        if (mask >> axis & 1) {
            int at = n++;
            for (; any_order && at > 0 && strides[order[at - 1]] < strides[axis]; at--) order[at] = order[at - 1];
            order[at] = axis;
            p->count *= shape[axis];
        } else {
            pa_axes_add(&p->kept, shape[axis], strides[axis], 0);
            p->outputs *= shape[axis];
        }
    }
    for (int i = 0; i < n; i++) pa_axes_add(&p->reduced, shape[order[i]], strides[order[i]], 0);
}

/* Copies the next n elements over the reduced axes into a block; n elements, no more than are left. */
static void gather(char *block, const char *base, const pa_axes *axes, pa_walk *walk, int64_t n, size_t size) {
    int last = axes->n - 1;
    if (last < 0) {
        memcpy(block, base, size);
        return;
    }
    while (n > 0) {
        int64_t run = axes->shape[last] - walk->index[last];
        if (run > n) run = n;
        pa_copy_line(block, 1, base + walk->at[0] * (int64_t)size, axes->stride[0][last], run, size);
        block += run * (int64_t)size;
        n -= run;
        walk->at[0] += (run - 1) * axes->stride[0][last];
        walk->index[last] += run - 1;
        pa_walk_next(walk, axes, axes->n);
    }
}

/* The same of integers and bools, in int64. */
static void gather_ints(int64_t *block, pa_dtype dtype, const char *base, const pa_axes *axes, pa_walk *walk,
                        int64_t n) {
    int32_t narrow[BLOCK];
    gather(dtype == PA_INT64 ? (char *)block : (char *)narrow, base, axes, walk, n, pa_dtype_size(dtype));
    if (dtype != PA_INT64) pa_k->convert[dtype][PA_INT64](block, narrow, 1, n);
}

/* ---- floats ---- */

static double start_of(reduction what) {
    return what == PROD ? 1 : what == MAX ? -INFINITY : what == MIN ? INFINITY : 0;
}

/* A NaN in either wins. */
static double combine(reduction what, double a, double b) {
    switch (what) {
    case PROD: return a * b;
    case MAX: return b > a || b != b ? b : a;
    case MIN: return b < a || b != b ? b : a;
    default: return a + b;
    }
}

/* The kernel of a run of contiguous elements: `plain`, or `from` for what is taken from a mean. */
typedef struct run_kernel {
    double (*plain)(const void *x, int64_t n);
    double (*from)(const void *x, double mean, int64_t n);
} run_kernel;

static run_kernel run_kernel_of(reduction what, int f) {
    switch (what) {
    case PROD: return (run_kernel){.plain = pa_k->product[f]};
    case MAX: return (run_kernel){.plain = pa_k->largest[f]};
    case MIN: return (run_kernel){.plain = pa_k->smallest[f]};
    case MEAN: return (run_kernel){.from = pa_k->sum_deviation[f]};
    case DEVIATION: return (run_kernel){.from = pa_k->sum_squared_deviation[f]};
    default: return (run_kernel){.plain = pa_k->sum[f]};
    }
}

static inline double reduce_run(run_kernel kernel, const void *x, double mean, int64_t n) {
    return kernel.plain != NULL ? kernel.plain(x, n) : kernel.from(x, mean, n);
}

/* A strip of results, `width` columns: every row of the reduced axes goes into it, one after the other. */
static void reduce_strip(reduction what, pa_dtype dtype, const char *base, const pa_axes *rows, int64_t count,
                         const double *means, double *totals, int64_t width) {
    union {
        float f32[STRIP];
        double f64[STRIP];
    } strip;
    static const double zeros[STRIP];
    int f = dtype == PA_FLOAT64;
    int64_t size = (int64_t)pa_dtype_size(dtype);
    pa_walk walk = {{0}, {0}};
    for (int64_t j = 0; j < width; j++) totals[j] = start_of(what);
    for (int64_t row = 0; row < count; row++) {
        const void *x = base + walk.at[0] * size;
        switch (what) {
        case PROD:
            for (int64_t j = 0; j < width; j++) totals[j] *= pa_reduce_load(dtype, x, j);
            break;
        case MEAN: pa_k->add_wide[f](totals, x, width); break;
        case DEVIATION: pa_k->add_squared_deviation[f](totals, x, means != NULL ? means : zeros, width); break;
        default:
            if (row == 0 || (what == SUM && row % STRIP_ROWS == 0))
                memcpy(&strip, x, (size_t)(width * size));
            else if (what == SUM)
                pa_k->add[f](&strip, x, width);
            else
                (what == MAX ? pa_k->max_into : pa_k->min_into)[f](&strip, x, width);
            if (what == SUM && ((row + 1) % STRIP_ROWS == 0 || row + 1 == count))
                pa_k->add_wide[f](totals, &strip, width);
        }
        pa_walk_next(&walk, rows, rows->n);
    }
    if (what == MAX || what == MIN) pa_k->convert[dtype][PA_FLOAT64](totals, &strip, 1, width);
}

/* What is common to the results of one reduction. */
typedef struct float_reduction {
    reduction what;
    pa_dtype dtype;
    run_kernel kernel;
    const plan *plan;
    double divisor;
} float_reduction;

/* The result whose elements begin at `base`, divided; `mean` is what deviations are taken from. */
static double reduce_gathered(const float_reduction *r, const char *base, double mean) {
    union {
        float f32[BLOCK];
        double f64[BLOCK];
    } block;
    pa_walk walk = {{0}, {0}};
    double total = start_of(r->what);
    for (int64_t left = r->plan->count; left > 0; left -= BLOCK) {
        int64_t n = left < BLOCK ? left : BLOCK;
        gather((char *)&block, base, &r->plan->reduced, &walk, n, pa_dtype_size(r->dtype));
        total = combine(r->what, total, reduce_run(r->kernel, &block, mean, n));
    }
    return total / r->divisor;
}

/* A strip of results, of elements that begin `step` bytes apart: a kernel call for each of them, or gathered. */
static inline void reduce_each(const float_reduction *r, bool rows, const char *base, int64_t step, const double *means,
                               double *strip, int64_t width) {
    const int64_t count = r->plan->count;
    for (int64_t j = 0; j < width; j++, base += step) {
        double first = r->what == MEAN && count > 0 ? pa_reduce_load(r->dtype, base, 0) : 0;
        double mean = means != NULL ? means[j] : isfinite(first) ? first : 0;
        double result = rows ? reduce_run(r->kernel, base, mean, count) / r->divisor : reduce_gathered(r, base, mean);
        strip[j] = r->what == MEAN ? result + mean : result;
    }
}

/* out[i] = the reduction divided, for each result i. `means` are those that deviations are taken from; `totals`
   receives the results in double where it is not NULL, out where that is not. */
static void reduce_float(reduction what, const pa_node *a, const plan *p, const double *means, double divisor,
                         double *totals, void *out) {
    const float_reduction r = {what, a->dtype, run_kernel_of(what, a->dtype == PA_FLOAT64), p, divisor};
    const int64_t size = (int64_t)pa_dtype_size(a->dtype);
    const pa_axes *kept = &p->kept, *reduced = &p->reduced;
    const int inner = kept->n - 1;
    const int64_t length = inner >= 0 ? kept->shape[inner] : 1, stride = inner >= 0 ? kept->stride[0][inner] : 0;
    const bool rows = p->count > 0 && (reduced->n == 0 || (reduced->n == 1 && reduced->stride[0][0] == 1));
    const bool columns = p->count > 0 && !rows && stride == 1;
    pa_walk at = {{0}, {0}};
    double strip[STRIP];
    for (int64_t i = 0; i < p->outputs; pa_walk_next(&at, kept, inner)) {
        int64_t width = 0;
        for (int64_t start = 0; start < length; start += width, i += width) {
            width = length - start < STRIP ? length - start : STRIP;
            const char *base = pa_node_data(a) + (at.at[0] + start * stride) * size;
            const double *from = means != NULL ? means + i : NULL;
            if (columns) {
                reduce_strip(what, a->dtype, base, reduced, p->count, from, strip, width);
                for (int64_t j = 0; divisor != 1 && j < width; j++) strip[j] /= divisor;
            } else {
                reduce_each(&r, rows, base, stride * size, from, strip, width);
            }
            if (totals != NULL) memcpy(totals + i, strip, (size_t)width * sizeof *strip);
            if (out != NULL && width == 1)
                pa_reduce_store(a->dtype, out, i, strip[0]);
            else if (out != NULL)
                pa_k->convert[PA_FLOAT64][a->dtype]((char *)out + i * size, strip, 1, width);
        }
    }
}

/* ---- integers ---- */

static int64_t reduce_int_run(reduction what, const int64_t *x, int64_t total, int64_t n) {
    switch (what) {
    case PROD:
        for (int64_t i = 0; i < n; i++) total = (int64_t)((uint64_t)total * (uint64_t)x[i]);
        break;
    case MAX:
        for (int64_t i = 0; i < n; i++) total = x[i] > total ? x[i] : total;
        break;
    case MIN:
        for (int64_t i = 0; i < n; i++) total = x[i] < total ? x[i] : total;
        break;
    default:
        for (int64_t i = 0; i < n; i++) total = (int64_t)((uint64_t)total + (uint64_t)x[i]);
        break;
    }
    return total;
}

/* Integers and bools, wrapping around as int64 does in NumPy and PyTorch. */
static void reduce_int(reduction what, const pa_node *a, const plan *p, pa_dtype to, void *out) {
    static const int64_t starts[] = {[SUM] = 0, [PROD] = 1, [MAX] = INT64_MIN, [MIN] = INT64_MAX};
    int64_t block[BLOCK];
    int64_t size = (int64_t)pa_dtype_size(a->dtype), to_size = (int64_t)pa_dtype_size(to);
    pa_walk at = {{0}, {0}};
    for (int64_t i = 0; i < p->outputs; i++) {
        const char *base = pa_node_data(a) + at.at[0] * size;
        pa_walk walk = {{0}, {0}};
        int64_t total = starts[what];
        for (int64_t left = p->count; left > 0; left -= BLOCK) {
            int64_t n = left < BLOCK ? left : BLOCK;
            gather_ints(block, a->dtype, base, &p->reduced, &walk, n);
            total = reduce_int_run(what, block, total, n);
        }
        pa_k->convert[PA_INT64][to]((char *)out + i * to_size, &total, 1, 1);
        pa_walk_next(&at, &p->kept, p->kept.n);
    }
}

static pa_status reduce(pa_node *node, reduction what) {
    const pa_node *a = pa_node_parent(node, 0);
    plan p;
    plan_reduction(&p, a, node->array->ints[0], true);
    if (pa_dtype_is_float(a->dtype))
        reduce_float(what, a, &p, NULL, 1, NULL, pa_node_data(node));
    else
        reduce_int(what, a, &p, node->dtype, pa_node_data(node));
    return PA_OK;
}

pa_status pa_sum_forward(pa_node *node, void *PA_UNUSED(scratch)) { return reduce(node, SUM); }
pa_status pa_prod_forward(pa_node *node, void *PA_UNUSED(scratch)) { return reduce(node, PROD); }

/* array->saved gives the backward room to count ties. */
static pa_status extremum(pa_node *node, reduction what) {
    if (pa_node_requires_grad(pa_node_parent(node, 0))) PA_TRY(pa_node_save(node, pa_node_bytes(node)));
    return reduce(node, what);
}

pa_status pa_max_forward(pa_node *node, void *PA_UNUSED(scratch)) { return extremum(node, MAX); }
pa_status pa_min_forward(pa_node *node, void *PA_UNUSED(scratch)) { return extremum(node, MIN); }

pa_status pa_mean_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0);
    plan p;
    plan_reduction(&p, a, node->array->ints[0], true);
    reduce_float(MEAN, a, &p, NULL, (double)p.count, NULL, pa_node_data(node));
    return PA_OK;
}

/* The means stay in array->saved for the backward. */
static pa_status means_of(pa_node *node, const plan *p) {
    PA_TRY(pa_node_save(node, (size_t)p->outputs * sizeof(double)));
    reduce_float(MEAN, pa_node_parent(node, 0), p, NULL, (double)p->count, (double *)(void *)node->array->saved->data,
                 NULL);
    return PA_OK;
}

/* Their sums over the degrees of freedom, as they are or rounded into the result. */
static pa_status deviations_of(pa_node *node, double *exact, void *rounded) {
    plan p;
    plan_reduction(&p, pa_node_parent(node, 0), node->array->ints[0], true);
    PA_TRY(means_of(node, &p));
    reduce_float(DEVIATION, pa_node_parent(node, 0), &p, (const double *)(const void *)node->array->saved->data,
                 pa_reduce_freedom((double)p.count, node->array->params[0]), exact, rounded);
    return PA_OK;
}

pa_status pa_var_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    return deviations_of(node, NULL, pa_node_data(node));
}

/* The variances, or sums of squares, of a standard deviation, or norm, before their roots are taken and rounded. */
size_t pa_root_scratch(const pa_node *node) { return (size_t)pa_node_numel(node) * sizeof(double); }

static void store_roots(pa_node *node, const double *squares) {
    for (int64_t i = 0; i < pa_node_numel(node); i++)
        pa_reduce_store(node->dtype, pa_node_data(node), i, sqrt(squares[i]));
}

pa_status pa_std_forward(pa_node *node, void *scratch) {
    PA_TRY(deviations_of(node, scratch, NULL));
    store_roots(node, scratch);
    return PA_OK;
}

pa_status pa_norm_forward(pa_node *node, void *scratch) {
    const pa_node *a = pa_node_parent(node, 0);
    plan p;
    plan_reduction(&p, a, node->array->ints[0], true);
    reduce_float(DEVIATION, a, &p, NULL, 1, scratch, NULL);
    store_roots(node, scratch);
    return PA_OK;
}

/* ---- positions ---- */

/* NaN counts as the largest and as the smallest. */
static bool better(bool smallest, double a, double than) {
    if (than != than) return false;
    return a != a || (smallest ? a < than : a > than);
}

/* Which is the first element that is a number, or NaN as it is. */
static int64_t first_that_is(double wanted, pa_dtype dtype, const void *in) {
    int64_t i = 0;
    if (wanted != wanted)
        while (pa_reduce_load(dtype, in, i) == pa_reduce_load(dtype, in, i)) i++;
    else if (dtype == PA_FLOAT32)
        while (((const float *)in)[i] != (float)wanted) i++;
    else
        while (((const double *)in)[i] != wanted) i++;
    return i;
}

/* Each block's extremum by the kernel; its position is looked for only where it beats the blocks before. What lies in
   one line is read where it stands. */
static int64_t arg_float(bool smallest, pa_dtype dtype, const char *base, const pa_axes *axes, int64_t count) {
    double block[BLOCK];
    pa_walk walk = {{0}, {0}};
    size_t size = pa_dtype_size(dtype);
    bool is_line = axes->n == 1 && axes->stride[0][0] == 1;
    double best = 0;
    int64_t position = 0;
    for (int64_t start = 0; start < count; start += BLOCK) {
        int64_t n = count - start < BLOCK ? count - start : BLOCK;
        const void *in = is_line ? base + start * (int64_t)size : (const char *)block;
        if (!is_line) gather((char *)block, base, axes, &walk, n, size);
        double found = (smallest ? pa_k->smallest : pa_k->largest)[dtype == PA_FLOAT64](in, n);
        if (start > 0 && !better(smallest, found, best)) continue;
        best = found;
        position = start + first_that_is(found, dtype, in);
    }
    return position;
}

static int64_t arg_int(bool smallest, pa_dtype dtype, const char *base, const pa_axes *axes, int64_t count) {
    int64_t block[BLOCK], best = 0, position = 0;
    pa_walk walk = {{0}, {0}};
    for (int64_t start = 0; start < count; start += BLOCK) {
        int64_t n = count - start < BLOCK ? count - start : BLOCK;
        gather_ints(block, dtype, base, axes, &walk, n);
        for (int64_t i = 0; i < n; i++) {
            if ((start == 0 && i == 0) || (smallest ? block[i] < best : block[i] > best)) {
                best = block[i];
                position = start + i;
            }
        }
    }
    return position;
}

static pa_status arg(pa_node *node, bool smallest) {
    const pa_node *a = pa_node_parent(node, 0);
    int64_t *out = (int64_t *)(void *)pa_node_data(node);
    int64_t size = (int64_t)pa_dtype_size(a->dtype);
    plan p;
    pa_walk at = {{0}, {0}};
    plan_reduction(&p, a, node->array->ints[0], false); /* positions are in logical order */
    for (int64_t i = 0; i < p.outputs; i++) {
        const char *base = pa_node_data(a) + at.at[0] * size;
        out[i] = pa_dtype_is_float(a->dtype) ? arg_float(smallest, a->dtype, base, &p.reduced, p.count)
                                             : arg_int(smallest, a->dtype, base, &p.reduced, p.count);
        pa_walk_next(&at, &p.kept, p.kept.n);
    }
    return PA_OK;
}

pa_status pa_argmax_forward(pa_node *node, void *PA_UNUSED(scratch)) { return arg(node, false); }
pa_status pa_argmin_forward(pa_node *node, void *PA_UNUSED(scratch)) { return arg(node, true); }
