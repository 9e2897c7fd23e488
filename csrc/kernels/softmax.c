/* Softmax, log_softmax and logsumexp along any axis, and the cross-entropy of logits with classes.

   The kernels take rows of contiguous elements. Where the axis is not the last of a contiguous array, lines along it
   are copied into a group of rows first and back afterwards:

       (outer, axis, inner)   line (o, i) starts at o's and i's offset, with the stride of the axis
       rows of the group      [line 0][line 1] … up to GROUP elements together, or one line

   Cross-entropy keeps the probabilities in array->saved: its gradient is they minus the target. */
#include <math.h>

#include "kernels.h"
#include "ops.h"
#include "walk.h"

enum { GROUP = 4096 };

pa_status pa_softmax_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0];
    PA_TRY(pa_check_float(call));
    PA_TRY(pa_check_axis(call, &spec->ints[0]));
    spec->dtype = a->dtype;
    spec->ndim = a->ndim;
    if (a->ndim > 0) memcpy(spec->shape, pa_node_shape(a), (size_t)a->ndim * sizeof *spec->shape);
    return PA_OK;
}

pa_status pa_logsumexp_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0];
    PA_TRY(pa_check_float(call));
    PA_TRY(pa_check_axis(call, &spec->ints[0]));
    bool keepdim = call->n_ints > 1 && call->ints[1] != 0;
    spec->dtype = a->dtype;
    spec->ints[1] = keepdim;
    for (int axis = 0; axis < a->ndim; axis++) {
        bool reduced = axis == spec->ints[0];
        if (!reduced || keepdim) spec->shape[spec->ndim++] = reduced ? 1 : pa_node_shape(a)[axis];
    }
    return PA_OK;
}

/* ---- lines along the axis ---- */

typedef struct lines {
    int64_t count, n;  /* lines, and elements of each */
    pa_axes starts;    /* of the lines: stride[0] over the operand, stride[1] over a contiguous array of its shape */
    int64_t stride[2]; /* along a line */
    bool rows;         /* the lines follow one another in memory: no copies needed */
    int64_t group;     /* lines of a group */
} lines;

static void find_lines(lines *l, const pa_node *a, int64_t axis) {
    const int64_t *shape = pa_node_shape(a), *strides = pa_node_strides(a);
    int64_t place[PA_MAX_NDIM];
    pa_row_major(a->ndim, shape, place);
    l->n = a->ndim > 0 ? shape[axis] : 1;
    l->stride[0] = a->ndim > 0 ? strides[axis] : 1;
    l->stride[1] = a->ndim > 0 ? place[axis] : 1;
    l->starts.n = 0;
    l->count = 1;
    for (int i = 0; i < a->ndim; i++) {
        if (i == axis) continue;
        pa_axes_add(&l->starts, shape[i], strides[i], place[i]);
        l->count *= shape[i];
    }
    l->rows = l->stride[1] == 1 && pa_node_is_contiguous(a);
    l->group = l->n < GROUP ? GROUP / (l->n > 0 ? l->n : 1) : 1;
    if (l->group > l->count) l->group = l->count;
}

static size_t group_bytes(const lines *l, pa_dtype dtype) { return (size_t)(l->group * l->n) * pa_dtype_size(dtype); }

/* Copies `count` lines from `walk` on between an array (0 the operand's layout, 1 the contiguous one) and rows. */
static void copy_lines(const lines *l, pa_walk *walk, int which, char *array, char *rows, bool to_rows, int64_t count,
                       size_t size) {
    for (int64_t i = 0; i < count; i++, rows += l->n * (int64_t)size) {
        char *line = array + walk->at[which] * (int64_t)size;
        if (to_rows)
            pa_copy_line(rows, 1, line, l->stride[which], l->n, size);
        else
            pa_copy_line(line, l->stride[which], rows, 1, l->n, size);
        pa_walk_next(walk, &l->starts, l->starts.n);
    }
}

/* dx (+)= rows, over `count` lines. */
static void put_lines(const lines *l, pa_walk *walk, pa_dtype dtype, void *dx, const void *rows, int64_t count,
                      bool accumulate) {
    int64_t step = l->stride[1], row = 0;
    for (int64_t i = 0; i < count; i++, row += l->n) {
        int64_t at = walk->at[1];
        if (dtype == PA_FLOAT32) {
            float *to = (float *)dx + at;
            const float *from = (const float *)rows + row;
            for (int64_t j = 0; j < l->n; j++) to[j * step] = accumulate ? to[j * step] + from[j] : from[j];
        } else {
            double *to = (double *)dx + at;
            const double *from = (const double *)rows + row;
            for (int64_t j = 0; j < l->n; j++) to[j * step] = accumulate ? to[j * step] + from[j] : from[j];
        }
        pa_walk_next(walk, &l->starts, l->starts.n);
    }
}

typedef void row_kernel(void *y, const void *x, int64_t rows, int64_t n);
typedef void row_gradient_kernel(void *dx, const void *y, const void *g, int64_t rows, int64_t n, bool accumulate);

static pa_status forward(pa_node *node, char *scratch, row_kernel *kernel, bool reduces) {
    const pa_node *a = pa_node_parent(node, 0);
    lines l;
    find_lines(&l, a, node->array->ints[0]);
    char *x = pa_node_data(a), *y = pa_node_data(node);
    if (l.rows) {
        kernel(y, x, l.count, l.n);
        return PA_OK;
    }
    size_t size = pa_dtype_size(a->dtype);
    pa_walk from = {{0}, {0}}, to = {{0}, {0}};
    for (int64_t done = 0; done < l.count; done += l.group) {
        int64_t count = l.count - done < l.group ? l.count - done : l.group;
        copy_lines(&l, &from, 0, x, scratch, true, count, size);
        kernel(reduces ? y + done * (int64_t)size : scratch, scratch, count, l.n);
        if (!reduces) copy_lines(&l, &to, 1, y, scratch, false, count, size);
    }
    return PA_OK;
}

pa_status pa_softmax_forward(pa_node *node, void *scratch) {
    return forward(node, scratch, pa_k->softmax[node->dtype == PA_FLOAT64], false);
}

pa_status pa_log_softmax_forward(pa_node *node, void *scratch) {
    return forward(node, scratch, pa_k->log_softmax[node->dtype == PA_FLOAT64], false);
}

pa_status pa_logsumexp_forward(pa_node *node, void *scratch) {
    return forward(node, scratch, pa_k->logsumexp[node->dtype == PA_FLOAT64], true);
}

/* Three groups of the backward: the result, its gradient, and the operand's. Rows need none. */
size_t pa_softmax_scratch(const pa_node *node) {
    const pa_node *a = pa_node_parent(node, 0);
    lines l;
    find_lines(&l, a, node->array->ints[0]);
    return l.rows ? 0 : 3 * group_bytes(&l, a->dtype);
}

/* One group: e^(a - out). */
size_t pa_logsumexp_scratch(const pa_node *node) {
    const pa_node *a = pa_node_parent(node, 0);
    lines l;
    find_lines(&l, a, node->array->ints[0]);
    return group_bytes(&l, a->dtype);
}

static pa_status backward(pa_node *node, char *scratch, row_gradient_kernel *kernel) {
    const pa_node *a = pa_node_parent(node, 0);
    bool accumulate;
    char *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL) return PA_OK;
    lines l;
    find_lines(&l, a, node->array->ints[0]);
    char *y = pa_node_data(node), *g = (char *)(uintptr_t)pa_gradient(node);
    if (l.stride[1] == 1) {
        kernel(dx, y, g, l.count, l.n, accumulate);
        return PA_OK;
    }
    size_t size = pa_dtype_size(a->dtype), bytes = group_bytes(&l, a->dtype);
    pa_walk from_y = {{0}, {0}}, from_g = {{0}, {0}}, to = {{0}, {0}};
    for (int64_t done = 0; done < l.count; done += l.group) {
        int64_t count = l.count - done < l.group ? l.count - done : l.group;
        copy_lines(&l, &from_y, 1, y, scratch, true, count, size);
        copy_lines(&l, &from_g, 1, g, scratch + bytes, true, count, size);
        kernel(scratch + 2 * bytes, scratch, scratch + bytes, count, l.n, false);
        put_lines(&l, &to, a->dtype, dx, scratch + 2 * bytes, count, accumulate);
    }
    return PA_OK;
}

pa_status pa_softmax_backward(pa_node *node, void *scratch) {
    return backward(node, scratch, pa_k->softmax_gradient[node->dtype == PA_FLOAT64]);
}

pa_status pa_log_softmax_backward(pa_node *node, void *scratch) {
    return backward(node, scratch, pa_k->log_softmax_gradient[node->dtype == PA_FLOAT64]);
}

/* rows[r][j] = (rows[r][j] - y[r]) before exp, or rows[r][j] * g[r] after. */
static void shift_rows(pa_dtype dtype, void *rows, const void *y, int64_t first, int64_t count, int64_t n,
                       bool multiply) {
    for (int64_t r = 0; r < count; r++) {
        if (dtype == PA_FLOAT32) {
            float *row = (float *)rows + r * n, by = ((const float *)y)[first + r];
            for (int64_t j = 0; j < n; j++) row[j] = multiply ? row[j] * by : row[j] - by;
        } else {
            double *row = (double *)rows + r * n, by = ((const double *)y)[first + r];
            for (int64_t j = 0; j < n; j++) row[j] = multiply ? row[j] * by : row[j] - by;
        }
    }
}

/* da = g e^(a - out) */
pa_status pa_logsumexp_backward(pa_node *node, void *scratch) {
    const pa_node *a = pa_node_parent(node, 0);
    bool accumulate;
    void *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL) return PA_OK;
    lines l;
    find_lines(&l, a, node->array->ints[0]);
    size_t size = pa_dtype_size(a->dtype);
    pa_walk from = {{0}, {0}}, to = {{0}, {0}};
    const void *in[5] = {scratch, NULL, NULL, NULL, NULL};
    for (int64_t done = 0; done < l.count; done += l.group) {
        int64_t count = l.count - done < l.group ? l.count - done : l.group;
        copy_lines(&l, &from, 0, pa_node_data(a), scratch, true, count, size);
        shift_rows(a->dtype, scratch, pa_node_data(node), done, count, l.n, false);
        pa_k->forward[PA_OP_exp][a->dtype](scratch, in, NULL, count * l.n);
        shift_rows(a->dtype, scratch, pa_gradient(node), done, count, l.n, true);
        put_lines(&l, &to, a->dtype, dx, scratch, count, accumulate);
    }
    return PA_OK;
}

/* ---- cross-entropy ---- */

/* Logits of (N, C) with classes of (N,), or of (C,) with one class. */
pa_status pa_cross_entropy_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0], *b = call->in[1];
    PA_TRY(pa_check_float(call));
    PA_FAIL_IF(b->dtype != PA_INT64, PA_TYPE,
               "cross_entropy: the target holds classes of dtype int64, not %s (of shape %s)", pa_dtype_name(b->dtype),
               pa_node_shape_text(b));
    bool fits =
        (a->ndim == 2 && b->ndim == 1 && pa_node_shape(a)[0] == pa_node_shape(b)[0]) || (a->ndim == 1 && b->ndim == 0);
    PA_FAIL_IF(!fits, PA_VALUE,
               "cross_entropy: logits of shape %s and a target of shape %s do not fit: want (N, classes) and (N,), or "
               "(classes,) and ()",
               pa_node_shape_text(a), pa_node_shape_text(b));
    double smoothing = call->n_params > 0 ? call->params[0] : 0;
    PA_FAIL_IF(!(smoothing >= 0 && smoothing <= 1), PA_VALUE,
               "cross_entropy: label_smoothing is %g, not between 0 and 1", smoothing);
    spec->dtype = a->dtype;
    spec->ndim = 0;
    spec->ints[0] = call->n_ints > 0 ? call->ints[0] : -100;
    spec->params[0] = smoothing;
    return PA_OK;
}

typedef struct classes {
    const int64_t *target;
    int64_t stride, rows, n, ignored;
} classes;

static classes classes_of(const pa_node *node) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1);
    return (classes){
        .target = (const int64_t *)(const void *)pa_node_data(b),
        .stride = b->ndim > 0 ? pa_node_strides(b)[0] : 0,
        .rows = b->ndim > 0 ? pa_node_shape(b)[0] : 1,
        .n = pa_node_shape(a)[a->ndim - 1],
        .ignored = node->array->ints[0],
    };
}

static int64_t kept_rows(const classes *c) {
    int64_t kept = 0;
    for (int64_t r = 0; r < c->rows; r++) kept += c->target[r * c->stride] != c->ignored;
    return kept;
}

static pa_status check_classes(const classes *c) {
    for (int64_t r = 0; r < c->rows; r++) {
        int64_t t = c->target[r * c->stride];
        PA_FAIL_IF(t != c->ignored && (t < 0 || t >= c->n), PA_INDEX,
                   "cross_entropy: target %lld at position %lld is out of range for %lld classes", (long long)t,
                   (long long)r, (long long)c->n);
    }
    return PA_OK;
}

/* The loss of one row, from its logits x and probabilities p. The largest probability is 1 / sum e^(x - max), which
   gives ln sum e^x back without a second exp and without underflow where p itself underflows. */
#define ROW_LOSS(T, dtype, log)                                                                                        \
    static double row_loss_##dtype(const T *x, const T *p, int64_t target, int64_t n, double smoothing) {              \
        int64_t top = 0;                                                                                               \
        for (int64_t j = 1; j < n; j++) top = x[j] > x[top] ? j : top;                                                 \
        double norm = (double)x[top] - (double)log(p[top]);                                                            \
        double loss = norm - (double)x[target];                                                                        \
        if (smoothing == 0) return loss;                                                                               \
        double others = 0;                                                                                             \
        for (int64_t j = 0; j < n; j++) others += norm - (double)x[j];                                                 \
        return (1 - smoothing) * loss + smoothing / (double)n * others;                                                \
    }

ROW_LOSS(float, f32, logf)
ROW_LOSS(double, f64, log)

/* The sum of the losses of the rows that are not ignored, and how many they are. Without smoothing a row's loss is -ln
   p of its class, unless that has underflowed: the logarithms of BLOCK rows are taken together. */
#define ROWS_LOSS(T, dtype, f, tiny)                                                                                   \
    static double rows_loss_##dtype(const T *x, const T *p, const classes *c, double smoothing, int64_t *kept) {       \
        enum { BLOCK = 128 };                                                                                          \
        T picked[BLOCK], logs[BLOCK];                                                                                  \
        const void *in[5] = {picked};                                                                                  \
        double total = 0;                                                                                              \
        int64_t n = 0;                                                                                                 \
        for (int64_t r = 0; r < c->rows; r++, x += c->n, p += c->n) {                                                  \
            int64_t t = c->target[r * c->stride];                                                                      \
            if (t == c->ignored) continue;                                                                             \
            ++*kept;                                                                                                   \
            if (smoothing == 0 && p[t] > (T)(tiny)) {                                                                  \
                picked[n++] = p[t];                                                                                    \
            } else {                                                                                                   \
                total += row_loss_##dtype(x, p, t, c->n, smoothing);                                                   \
            }                                                                                                          \
            if (n < BLOCK) continue;                                                                                   \
            pa_k->forward[PA_OP_log][f](logs, in, NULL, n);                                                            \
            total -= pa_k->sum[f == PA_FLOAT64](logs, n);                                                              \
            n = 0;                                                                                                     \
        }                                                                                                              \
        pa_k->forward[PA_OP_log][f](logs, in, NULL, n);                                                                \
        return total - pa_k->sum[f == PA_FLOAT64](logs, n);                                                            \
    }

ROWS_LOSS(float, f32, PA_FLOAT32, 1e-30)
ROWS_LOSS(double, f64, PA_FLOAT64, 1e-290)

/* A copy of logits that are not contiguous. */
size_t pa_cross_entropy_scratch(const pa_node *node) {
    const pa_node *a = pa_node_parent(node, 0);
    return pa_node_is_contiguous(a) ? 0 : pa_node_bytes(a);
}

pa_status pa_cross_entropy_forward(pa_node *node, void *scratch) {
    const pa_node *a = pa_node_parent(node, 0);
    pa_array *array = node->array;
    classes c = classes_of(node);
    PA_TRY(check_classes(&c));
    int f = a->dtype == PA_FLOAT64;
    PA_TRY(pa_node_save(node, pa_node_bytes(a)));
    const void *x = pa_node_data(a), *p = array->saved->data;
    if (!pa_node_is_contiguous(a)) {
        pa_node_gather(a, a->dtype, scratch);
        x = scratch;
    }
    pa_k->softmax[f](array->saved->data, x, c.rows, c.n);
    int64_t kept = 0;
    double smoothing = array->params[0];
    double total = f ? rows_loss_f64(x, p, &c, smoothing, &kept) : rows_loss_f32(x, p, &c, smoothing, &kept);
    double loss = total / (double)kept;
    if (f)
        *(double *)(void *)pa_node_data(node) = loss;
    else
        *(float *)(void *)pa_node_data(node) = (float)loss;
    return PA_OK;
}

/* da = g / kept (p - (1 - smoothing) [class] - smoothing / n), 0 in ignored rows */
#define ROW_GRADIENT(T, dtype)                                                                                         \
    static void rows_gradient_##dtype(T *restrict dx, const T *restrict p, const classes *c, int64_t kept, T scale,    \
                                      double smoothing, bool accumulate) {                                             \
        const T hit = scale * (T)(1 - smoothing), every = scale * (T)(smoothing / (double)c->n);                       \
        const bool flat = kept == c->rows;                                                                             \
        const int64_t lines = flat ? 1 : c->rows, length = flat ? c->rows * c->n : c->n;                               \
        for (int64_t r = 0; r < lines; r++) {                                                                          \
            T *to = dx + r * length;                                                                                   \
            const T *from = p + r * length;                                                                            \
            const bool none = !flat && c->target[r * c->stride] == c->ignored;                                         \
            if (none)                                                                                                  \
                for (int64_t j = 0; !accumulate && j < length; j++) to[j] = 0;                                         \
            else if (accumulate)                                                                                       \
                for (int64_t j = 0; j < length; j++) to[j] += scale * from[j] - every;                                 \
            else                                                                                                       \
                for (int64_t j = 0; j < length; j++) to[j] = scale * from[j] - every;                                  \
        }                                                                                                              \
        for (int64_t r = 0; r < c->rows; r++) {                                                                        \
            int64_t t = c->target[r * c->stride];                                                                      \
            if (t != c->ignored) dx[r * c->n + t] -= hit;                                                              \
        }                                                                                                              \
    }

ROW_GRADIENT(float, f32)
ROW_GRADIENT(double, f64)

pa_status pa_cross_entropy_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    bool accumulate;
    void *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL) return PA_OK;
    classes c = classes_of(node);
    PA_TRY(check_classes(&c)); /* an array over their memory may have been written to since */
    int64_t kept = kept_rows(&c);
    double smoothing = node->array->params[0];
    const void *p = node->array->saved->data, *g = pa_gradient(node);
    if (node->dtype == PA_FLOAT32)
        rows_gradient_f32(dx, p, &c, kept, (float)(*(const float *)g / (double)kept), smoothing, accumulate);
    else
        rows_gradient_f64(dx, p, &c, kept, *(const double *)g / (double)kept, smoothing, accumulate);
    return PA_OK;
}
