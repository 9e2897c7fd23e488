/* Arrays out of pieces of others: concatenation along an axis, and rows picked by position.

       cat        operand i is `outer` runs of axis length * inner elements; the result interleaves all operands' runs
       index      a as (d_1 … d_k) rows of the remaining axes; result row j is row b[j]
       put        a in row-major order, element b[j] replaced by c[j]; where positions repeat, the last one stays
       index_add  a as index has it, row b[j] combined with row c[j], one after the other

   Gradients of operands are contiguous, so that backwards only add runs to runs. The operands of cat are promoted to
   one dtype. */
#include "kernels.h"
#include "ops.h"
#include "stream.h"
#include "walk.h"

/* ---- cat ---- */

/* Whether an operand is passed over whatever the others' shape, as PyTorch does with empty 1-d tensors. */
static bool is_skipped(const pa_node *a) { return a->ndim == 1 && pa_node_shape(a)[0] == 0; }

pa_status pa_cat_shape(const pa_call *call, pa_spec *spec) {
    PA_FAIL_IF(call->n == 0, PA_VALUE, "cat: no tensors");
    const pa_node *model = call->in[0]; /* the first that is not skipped */
    for (int i = call->n - 1; i >= 0; i--)
        if (!is_skipped(call->in[i])) model = call->in[i];
    int64_t axis = call->n_ints > 0 ? call->ints[0] : 0, total = 0;
    for (int i = 0; i < call->n; i++)
        PA_FAIL_IF(call->in[i]->ndim == 0, PA_VALUE, "cat: operand %d is 0-d; use stack, or reshape it to (1,)", i);
    if (axis < 0) axis += model->ndim;
    PA_FAIL_IF(axis < 0 || axis >= model->ndim, PA_INDEX, "cat: axis %lld is out of range for shape %s",
               (long long)(call->n_ints > 0 ? call->ints[0] : 0), pa_node_shape_text(model));
    bool differ = false;
    for (int i = 0; i < call->n; i++) {
        const pa_node *a = call->in[i];
        differ = differ || a->dtype != model->dtype;
        if (is_skipped(a)) continue;
        bool fits = a->ndim == model->ndim;
        for (int d = 0; fits && d < a->ndim; d++) fits = d == axis || pa_node_shape(a)[d] == pa_node_shape(model)[d];
        PA_FAIL_IF(!fits, PA_VALUE, "cat: shapes %s and %s do not fit: they may differ along axis %lld alone",
                   pa_node_shape_text(model), pa_node_shape_text(a), (long long)axis);
        PA_FAIL_IF(__builtin_add_overflow(total, pa_node_shape(a)[axis], &total), PA_MEMORY,
                   "cat: out of memory asking for %d times shape %s", call->n, pa_node_shape_text(a));
    }
    spec->dtype = differ ? pa_promote(call->n, call->in) : model->dtype;
    spec->ndim = model->ndim;
    memcpy(spec->shape, pa_node_shape(model), (size_t)model->ndim * sizeof *spec->shape);
    spec->shape[axis] = total;
    spec->ints[0] = axis;
    return PA_OK;
}

/* Elements of the axes before and after the axis of concatenation, in the result. */
static void outer_inner(const pa_node *node, int64_t *outer, int64_t *inner) {
    *outer = *inner = 1;
    for (int axis = 0; axis < node->ndim; axis++) {
        if (axis < node->array->ints[0]) *outer *= pa_node_shape(node)[axis];
        if (axis > node->array->ints[0]) *inner *= pa_node_shape(node)[axis];
    }
}

pa_status pa_cat_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    int64_t axis = node->array->ints[0], size = (int64_t)pa_dtype_size(node->dtype), outer, inner;
    outer_inner(node, &outer, &inner);
    int64_t row = pa_node_shape(node)[axis] * inner * size;
    char *out = pa_node_data(node);
    for (int i = 0; i < node->n_parents; i++) {
        const pa_node *a = pa_node_parent(node, i);
        if (pa_node_numel(a) == 0) continue;
        const char *from = pa_node_data(a);
        int64_t run = pa_node_shape(a)[axis] * inner * size;
        if (a->dtype != node->dtype) {
            pa_stream stream;
            pa_stream_open_node(&stream, a, a);
            for (int64_t o = 0; o < outer; o++) pa_stream_read(&stream, node->dtype, out + o * row, run / size);
        } else if (pa_node_is_contiguous(a)) {
            for (int64_t o = 0; o < outer; o++) memcpy(out + o * row, from + o * run, (size_t)run);
        } else {
            pa_axes axes = {.n = 0};
            for (int d = 0; d < a->ndim; d++)
                pa_axes_add(&axes, pa_node_shape(a)[d], pa_node_strides(a)[d], pa_node_strides(node)[d]);
            pa_copy_axes(out, from, &axes, (size_t)size);
        }
        out += run;
    }
    return PA_OK;
}

pa_status pa_cat_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    int64_t axis = node->array->ints[0], size = (int64_t)pa_dtype_size(node->dtype), outer, inner;
    outer_inner(node, &outer, &inner);
    int64_t row = pa_node_shape(node)[axis] * inner * size;
    const char *g = pa_gradient(node);
    for (int i = 0; i < node->n_parents; i++) {
        const pa_node *a = pa_node_parent(node, i);
        int64_t run = pa_node_numel(a) == 0 ? 0 : pa_node_shape(a)[axis] * inner;
        bool accumulate;
        char *dx = pa_gradient_target(node, i, &accumulate);
        int64_t dx_run = run * (int64_t)pa_dtype_size(a->dtype);
        for (int64_t o = 0; dx != NULL && o < outer; o++)
            pa_add_or_copy(a->dtype, dx + o * dx_run, node->dtype, g + o * row, run, accumulate);
        g += run * size;
    }
    return PA_OK;
}

/* ---- index ---- */

/* The k of index and index_add: how many leading axes positions count over. */
static pa_status check_positions_fit(const char *what, const pa_call *call, int64_t *k) {
    const pa_node *a = call->in[0], *b = call->in[1];
    *k = call->n_ints > 0 ? call->ints[0] : 1;
    PA_FAIL_IF(b->dtype != PA_INT64, PA_TYPE, "%s: positions are int64, not %s (of shape %s)", what,
               pa_dtype_name(b->dtype), pa_node_shape_text(b));
    PA_FAIL_IF(*k < 0 || *k > a->ndim, PA_INDEX, "%s: %lld indices are too many for shape %s", what, (long long)*k,
               pa_node_shape_text(a));
    return PA_OK;
}

pa_status pa_index_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0], *b = call->in[1];
    int64_t k;
    PA_TRY(check_positions_fit("index", call, &k));
    PA_FAIL_IF(b->ndim + a->ndim - k > PA_MAX_NDIM, PA_VALUE,
               "index: shape %s at positions of shape %s has over %d axes", pa_node_shape_text(a),
               pa_node_shape_text(b), PA_MAX_NDIM);
    spec->dtype = a->dtype;
    spec->ints[0] = k;
    spec->ndim = 0;
    for (int axis = 0; axis < b->ndim; axis++) spec->shape[spec->ndim++] = pa_node_shape(b)[axis];
    for (int axis = (int)k; axis < a->ndim; axis++) spec->shape[spec->ndim++] = pa_node_shape(a)[axis];
    return PA_OK;
}

typedef struct rows {
    int64_t count;     /* rows to choose from */
    pa_axes leading;   /* the k axes that positions count over */
    pa_axes rest;      /* a row: stride[0] over the operand, stride[1] contiguous */
    int64_t width;     /* elements of a row */
    pa_axes positions; /* stride[0] over b */
    int64_t n;         /* positions */
} rows;

static void find_rows(rows *r, const pa_node *node) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1);
    int k = (int)node->array->ints[0];
    int64_t place[PA_MAX_NDIM];
    r->leading.n = r->rest.n = r->positions.n = 0;
    r->count = r->width = r->n = 1;
    for (int axis = a->ndim - 1; axis >= k; axis--) {
        place[axis] = r->width;
        r->width *= pa_node_shape(a)[axis];
    }
    for (int axis = 0; axis < k; axis++) {
        pa_axes_add(&r->leading, pa_node_shape(a)[axis], pa_node_strides(a)[axis], 0);
        r->count *= pa_node_shape(a)[axis];
    }
    for (int axis = k; axis < a->ndim; axis++)
        pa_axes_add(&r->rest, pa_node_shape(a)[axis], pa_node_strides(a)[axis], place[axis]);
    for (int axis = 0; axis < b->ndim; axis++) {
        pa_axes_add(&r->positions, pa_node_shape(b)[axis], pa_node_strides(b)[axis], 0);
        r->n *= pa_node_shape(b)[axis];
    }
}

/* Where a row begins in the operand, in elements. */
static int64_t row_offset(const rows *r, int64_t position) {
    int64_t offset = 0;
    for (int axis = r->leading.n - 1; axis > 0; axis--) {
        offset += position % r->leading.shape[axis] * r->leading.stride[0][axis];
        position /= r->leading.shape[axis];
    }
    return r->leading.n > 0 ? offset + position * r->leading.stride[0][0] : 0;
}

/* Asked by the backward too: an array over the positions' memory may have been written to since. */
static pa_status check_positions(const rows *r, const pa_node *a, const int64_t *positions) {
    pa_walk walk = {{0}, {0}};
    if (r->positions.n <= 1) { /* on one line, all at once */
        int64_t stride = r->positions.n == 1 ? r->positions.stride[0][0] : 0;
        bool fits = true;
        for (int64_t i = 0; i < r->n; i++) fits &= (uint64_t)positions[i * stride] < (uint64_t)r->count;
        if (fits) return PA_OK;
    }
    for (int64_t i = 0; i < r->n; i++) {
        int64_t position = positions[walk.at[0]];
        PA_FAIL_IF(position < 0 || position >= r->count, PA_INDEX,
                   "index: position %lld is out of range for %lld rows of shape %s", (long long)position,
                   (long long)r->count, pa_node_shape_text(a));
        pa_walk_next(&walk, &r->positions, r->positions.n);
    }
    return PA_OK;
}

/* Rows of one element, `step` elements apart, at positions on one line. */
static void pick_elements(char *out, const char *from, int64_t step, const int64_t *positions, int64_t stride,
                          int64_t n, size_t size) {
    switch (size) {
    case 4:
        for (int64_t i = 0; i < n; i++) memcpy(out + 4 * i, from + 4 * step * positions[i * stride], 4);
        break;
    case 8:
        for (int64_t i = 0; i < n; i++) memcpy(out + 8 * i, from + 8 * step * positions[i * stride], 8);
        break;
    default:
        for (int64_t i = 0; i < n; i++) out[i] = from[step * positions[i * stride]];
        break;
    }
}

pa_status pa_index_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1);
    const int64_t *positions = (const int64_t *)(const void *)pa_node_data(b);
    size_t size = pa_dtype_size(a->dtype);
    rows r;
    find_rows(&r, node);
    PA_TRY(check_positions(&r, a, positions));
    pa_walk walk = {{0}, {0}};
    bool whole = r.rest.n == 0 || (r.rest.n == 1 && r.rest.stride[0][0] == 1);
    const char *from = pa_node_data(a);
    char *out = pa_node_data(node);
    int64_t bytes = r.width * (int64_t)size;
    if (r.width == 1 && r.leading.n <= 1 && r.positions.n <= 1) {
        int64_t step = r.leading.n == 1 ? r.leading.stride[0][0] : 0;
        pick_elements(out, from, step, positions, r.positions.n == 1 ? r.positions.stride[0][0] : 0, r.n, size);
        return PA_OK;
    }
    for (int64_t i = 0; i < r.n && bytes > 0; i++, out += bytes) {
        const char *row = from + row_offset(&r, positions[walk.at[0]]) * (int64_t)size;
        if (whole)
            memcpy(out, row, (size_t)bytes);
        else
            pa_copy_axes(out, row, &r.rest, size);
        pa_walk_next(&walk, &r.positions, r.positions.n);
    }
    return PA_OK;
}

pa_status pa_index_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1);
    const int64_t *positions = (const int64_t *)(const void *)pa_node_data(b);
    int64_t size = (int64_t)pa_dtype_size(a->dtype);
    rows r;
    find_rows(&r, node);
    PA_TRY(check_positions(&r, a, positions));
    bool accumulate;
    char *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL) return PA_OK;
    if (!accumulate) memset(dx, 0, (size_t)(pa_node_numel(a) * size));
    const char *g = pa_gradient(node);
    pa_walk walk = {{0}, {0}};
    for (int64_t i = 0; i < r.n; i++) {
        int64_t position = positions[walk.at[0]];
        if (r.width != 1)
            pa_k->add[a->dtype == PA_FLOAT64](dx + position * r.width * size, g + i * r.width * size, r.width);
        else if (a->dtype == PA_FLOAT32)
            ((float *)(void *)dx)[position] += ((const float *)(const void *)g)[i];
        else
            ((double *)(void *)dx)[position] += ((const double *)(const void *)g)[i];
        pa_walk_next(&walk, &r.positions, r.positions.n);
    }
    return PA_OK;
}

/* ---- put ---- */

pa_status pa_put_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0], *b = call->in[1], *c = call->in[2];
    PA_FAIL_IF(b->dtype != PA_INT64, PA_TYPE, "put: positions are int64, not %s (of shape %s)", pa_dtype_name(b->dtype),
               pa_node_shape_text(b));
    PA_FAIL_IF(!pa_same_shape(b, c) || c->dtype != a->dtype, PA_VALUE,
               "put: values of %s, shape %s, at positions of shape %s in a tensor of %s", pa_dtype_name(c->dtype),
               pa_node_shape_text(c), pa_node_shape_text(b), pa_dtype_name(a->dtype));
    spec->dtype = a->dtype;
    spec->ndim = a->ndim;
    if (a->ndim > 0) memcpy(spec->shape, pa_node_shape(a), (size_t)a->ndim * sizeof *spec->shape);
    return PA_OK;
}

pa_status pa_put_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1), *c = pa_node_parent(node, 2);
    const int64_t *positions = (const int64_t *)(const void *)pa_node_data(b);
    size_t size = pa_dtype_size(a->dtype);
    char *out = pa_node_data(node);
    const char *values = pa_node_data(c);
    pa_node_gather(a, a->dtype, out);
    pa_axes axes = {.n = 0}; /* of the positions and the values */
    for (int axis = 0; axis < b->ndim; axis++)
        pa_axes_add(&axes, pa_node_shape(b)[axis], pa_node_strides(b)[axis], pa_node_strides(c)[axis]);
    pa_walk walk = {{0}, {0}};
    int64_t numel = pa_node_numel(a);
    for (int64_t i = 0, n = pa_node_numel(b); i < n; i++) {
        int64_t position = positions[walk.at[0]];
        PA_FAIL_IF(position < 0 || position >= numel, PA_INDEX, "put: position %lld is out of range for shape %s",
                   (long long)position, pa_node_shape_text(a));
        memcpy(out + position * (int64_t)size, values + walk.at[1] * (int64_t)size, size);
        pa_walk_next(&walk, &axes, axes.n);
    }
    return PA_OK;
}

static pa_status check_places(const pa_node *node, pa_axes *axes) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1);
    const int64_t *positions = (const int64_t *)(const void *)pa_node_data(b);
    axes->n = 0;
    for (int axis = 0; axis < b->ndim; axis++) pa_axes_add(axes, pa_node_shape(b)[axis], pa_node_strides(b)[axis], 0);
    pa_walk walk = {{0}, {0}};
    for (int64_t i = 0, n = pa_node_numel(b), numel = pa_node_numel(a); i < n; i++) {
        int64_t position = positions[walk.at[0]];
        PA_FAIL_IF(position < 0 || position >= numel, PA_INDEX, "put: position %lld is out of range for shape %s",
                   (long long)position, pa_node_shape_text(a));
        pa_walk_next(&walk, axes, axes->n);
    }
    return PA_OK;
}

size_t pa_put_scratch(const pa_node *node) { return pa_node_bytes(pa_node_parent(node, 0)); }

/* The scratch is the gradient without what was replaced. */
pa_status pa_put_backward(pa_node *node, void *scratch) {
    const pa_node *b = pa_node_parent(node, 1);
    const int64_t *positions = (const int64_t *)(const void *)pa_node_data(b);
    size_t size = pa_dtype_size(node->dtype);
    const char *g = pa_gradient(node);
    char *left = scratch;
    pa_axes axes;
    PA_TRY(check_places(node, &axes));
    bool adds_a = false, adds_c = false;
    char *da = pa_gradient_target(node, 0, &adds_a), *dc = pa_gradient_target(node, 2, &adds_c);
    if (da != NULL && pa_node_numel(node) > 0) memcpy(left, g, pa_node_bytes(node));
    pa_walk walk = {{0}, {0}};
    for (int64_t i = 0, n = pa_node_numel(b); i < n; i++, pa_walk_next(&walk, &axes, axes.n)) {
        int64_t at = positions[walk.at[0]] * (int64_t)size;
        if (da != NULL) memset(left + at, 0, size);
        if (dc != NULL) pa_add_or_copy(node->dtype, dc + i * (int64_t)size, node->dtype, g + at, 1, adds_c);
    }
    if (da != NULL) pa_add_or_copy(node->dtype, da, node->dtype, left, pa_node_numel(node), adds_a);
    return PA_OK;
}

/* ---- index_add ---- */

pa_status pa_index_add_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0], *b = call->in[1], *c = call->in[2];
    int64_t k, how = call->n_ints > 1 ? call->ints[1] : PA_COMBINE_ADD;
    PA_TRY(check_positions_fit("index_add", call, &k));
    bool fits = c->dtype == a->dtype && c->ndim == b->ndim + a->ndim - k;
    for (int axis = 0; fits && axis < c->ndim; axis++)
        fits = pa_node_shape(c)[axis] ==
               (axis < b->ndim ? pa_node_shape(b)[axis] : pa_node_shape(a)[axis - b->ndim + (int)k]);
    PA_FAIL_IF(!fits, PA_VALUE, "index_add: rows of %s, shape %s, at positions of shape %s in a tensor of %s, shape %s",
               pa_dtype_name(c->dtype), pa_node_shape_text(c), pa_node_shape_text(b), pa_dtype_name(a->dtype),
               pa_node_shape_text(a));
    spec->dtype = a->dtype;
    spec->ndim = a->ndim;
    if (a->ndim > 0) memcpy(spec->shape, pa_node_shape(a), (size_t)a->ndim * sizeof *spec->shape);
    spec->ints[0] = k;
    spec->ints[1] = how;
    return PA_OK;
}

/* Integers wrap around, bools are or and and; what is no number stays, as in amax. */
#define COMBINE(T, ADDED, MULTIPLIED)                                                                                  \
    for (int64_t j = 0; j < n; j++) {                                                                                  \
        T x = ((T *)to)[j], y = ((const T *)from)[j];                                                                  \
        switch (how) {                                                                                                 \
        case PA_COMBINE_ADD: x = ADDED; break;                                                                         \
        case PA_COMBINE_MUL: x = MULTIPLIED; break;                                                                    \
        case PA_COMBINE_MAX: x = x >= y || x != x ? x : y; break;                                                      \
        default: x = x <= y || x != x ? x : y;                                                                         \
        }                                                                                                              \
        ((T *)to)[j] = x;                                                                                              \
    }                                                                                                                  \
    break

static void combine(pa_dtype dtype, int64_t how, void *to, const void *from, int64_t n) {
    switch (dtype) {
    case PA_FLOAT32: COMBINE(float, x + y, x * y);
    case PA_FLOAT64: COMBINE(double, x + y, x * y);
    case PA_INT64: COMBINE(int64_t, (int64_t)((uint64_t)x + (uint64_t)y), (int64_t)((uint64_t)x * (uint64_t)y));
    case PA_INT32: COMBINE(int32_t, (int32_t)((uint32_t)x + (uint32_t)y), (int32_t)((uint32_t)x * (uint32_t)y));
    case PA_UINT8: COMBINE(uint8_t, (uint8_t)(x + y), (uint8_t)(x * y));
    default: COMBINE(uint8_t, x | y, x & y);
    }
}
#undef COMBINE

/* For c in one piece. */
size_t pa_index_add_scratch(const pa_node *node) {
    const pa_node *c = pa_node_parent(node, 2);
    return pa_node_is_contiguous(c) ? 0 : pa_node_bytes(c);
}

pa_status pa_index_add_forward(pa_node *node, void *scratch) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1), *c = pa_node_parent(node, 2);
    const int64_t *positions = (const int64_t *)(const void *)pa_node_data(b);
    int64_t size = (int64_t)pa_dtype_size(a->dtype), how = node->array->ints[1];
    rows r;
    find_rows(&r, node);
    PA_TRY(check_positions(&r, a, positions));
    const char *from = pa_node_data(c);
    char *out = pa_node_data(node);
    if (!pa_node_is_contiguous(c)) {
        pa_node_gather(c, c->dtype, scratch);
        from = scratch;
    }
    pa_node_gather(a, a->dtype, out);
    pa_walk walk = {{0}, {0}};
    for (int64_t i = 0; i < r.n; i++, pa_walk_next(&walk, &r.positions, r.positions.n))
        combine(a->dtype, how, out + positions[walk.at[0]] * r.width * size, from + i * r.width * size, r.width);
    return PA_OK;
}

pa_status pa_index_add_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1);
    const int64_t *positions = (const int64_t *)(const void *)pa_node_data(b);
    int64_t size = (int64_t)pa_dtype_size(node->dtype);
    const char *g = pa_gradient(node);
    rows r;
    PA_FAIL_IF(node->array->ints[1] != PA_COMBINE_ADD, PA_UNSUPPORTED,
               "index_add: a gradient flows to rows that are added, and to no others");
    find_rows(&r, node);
    PA_TRY(check_positions(&r, a, positions));
    bool adds = false;
    char *da = pa_gradient_target(node, 0, &adds);
    if (da != NULL) pa_add_or_copy(node->dtype, da, node->dtype, g, pa_node_numel(node), adds);
    char *dc = pa_gradient_target(node, 2, &adds);
    pa_walk walk = {{0}, {0}};
    for (int64_t i = 0; dc != NULL && i < r.n; i++, pa_walk_next(&walk, &r.positions, r.positions.n))
        pa_add_or_copy(node->dtype, dc + i * r.width * size, node->dtype, g + positions[walk.at[0]] * r.width * size,
                       r.width, adds);
    return PA_OK;
}
