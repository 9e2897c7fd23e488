/* Views (reshape, permute, expand, slice, diagonal, unfold, place), their adjoint, what is written over, and casts.

   A view is kept twice: by the strides it has in the operand's memory, for its data, and by the strides it would have
   were the operand contiguous, for the gradient, which always is. With those, one backward serves every kind of view:

       gradient of operand [offset + sum i_k stride_k]  +=  gradient of view [i_1 … i_n]

   As an op that is unview, whose own gradient is a view again: by these strides, of an operand that is contiguous. */
#include <string.h>

#include "ops.h"
#include "stream.h"

/* Strides under which `shape` reads the node's memory in the same order; false where only a copy can. Walks both shapes
   from the back, a run of axes that are contiguous with one another at a time. */
bool pa_can_view(const pa_node *node, int ndim, const int64_t *shape, int64_t *strides) {
    if (pa_node_is_contiguous(node)) {
        pa_row_major(ndim, shape, strides);
        return true;
    }
    const int64_t *old_shape = node->array->shape, *old_strides = node->array->strides;
    int axis = ndim - 1;
    int64_t run_numel = 1, view_numel = 1, run_stride = old_strides[node->ndim - 1];
    for (int old = node->ndim - 1; old >= 0; old--) {
        run_numel *= old_shape[old];
        bool run_ends = old == 0 || (old_shape[old - 1] != 1 && old_strides[old - 1] != run_numel * run_stride);
        if (!run_ends) continue;
        while (axis >= 0 && (view_numel < run_numel || shape[axis] == 1)) {
            strides[axis] = view_numel * run_stride;
            view_numel *= shape[axis];
            axis--;
        }
        if (view_numel != run_numel) return false;
        if (old > 0) {
            run_stride = old_strides[old - 1];
            run_numel = view_numel = 1;
        }
    }
    return axis < 0;
}

static pa_status reshape(const pa_call *call, pa_spec *spec, const int64_t *wanted, int ndim) {
    const pa_node *a = call->in[0];
    int64_t numel = pa_node_numel(a), known = 1;
    int free_axis = -1;
    PA_FAIL_IF(ndim > PA_MAX_NDIM, PA_VALUE, "reshape: %d axes are more than the %d that a tensor can have", ndim,
               PA_MAX_NDIM);
    spec->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        spec->shape[i] = wanted[i];
        if (wanted[i] == -1 && free_axis < 0)
            free_axis = i;
        else if (wanted[i] < 0 || __builtin_mul_overflow(known, wanted[i], &known))
            return pa_fail(PA_VALUE, "reshape: shape %s of a tensor of shape %s is not possible",
                           pa_shape_text(ndim, wanted), pa_node_shape_text(a));
    }
    if (free_axis >= 0 && known > 0) {
        spec->shape[free_axis] = numel / known;
        known *= numel / known;
    }
    PA_FAIL_IF(known != numel || (free_axis >= 0 && spec->shape[free_axis] < 0), PA_VALUE,
               "reshape: %lld elements of shape %s do not fit shape %s", (long long)numel, pa_node_shape_text(a),
               pa_shape_text(ndim, wanted));
    PA_TRY(pa_count_elements(spec->dtype, ndim, spec->shape, &numel));
    PA_FAIL_IF(!pa_can_view(a, ndim, spec->shape, spec->strides), PA_VALUE,
               "view: shape %s does not fit the strides of a tensor of shape %s; use reshape(), which copies",
               pa_shape_text(ndim, spec->shape), pa_node_shape_text(a));
    pa_row_major(ndim, spec->shape, spec->ints);
    return PA_OK;
}

static pa_status permute(const pa_call *call, pa_spec *spec, const int64_t *axes, int ndim) {
    const pa_node *a = call->in[0];
    int64_t logical[PA_MAX_NDIM];
    unsigned seen = 0;
    PA_FAIL_IF(ndim != a->ndim, PA_VALUE, "permute: %d axes for a tensor of shape %s", ndim, pa_node_shape_text(a));
    pa_row_major(ndim, pa_node_shape(a), logical);
    spec->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        PA_FAIL_IF(axes[i] < 0 || axes[i] >= ndim || (seen >> axes[i] & 1), PA_VALUE,
                   "permute: axes %s are no permutation of the axes of shape %s", pa_shape_text(ndim, axes),
                   pa_node_shape_text(a));
        seen |= 1u << axes[i];
        spec->ints[PA_VIEW_AXES] |= axes[i] << 4 * i;
        spec->shape[i] = a->array->shape[axes[i]];
        spec->strides[i] = a->array->strides[axes[i]];
        spec->ints[i] = logical[axes[i]];
    }
    return PA_OK;
}

static pa_status expand(const pa_call *call, pa_spec *spec, const int64_t *wanted, int ndim) {
    const pa_node *a = call->in[0];
    int64_t logical[PA_MAX_NDIM];
    PA_FAIL_IF(ndim < a->ndim || ndim > PA_MAX_NDIM, PA_VALUE, "expand: shape %s has no place for a tensor of shape %s",
               pa_shape_text(ndim, wanted), pa_node_shape_text(a));
    pa_row_major(a->ndim, pa_node_shape(a), logical);
    spec->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        int own = i - (ndim - a->ndim);
        int64_t size = own < 0 ? 1 : a->array->shape[own], target = wanted[i] == -1 && own >= 0 ? size : wanted[i];
        PA_FAIL_IF(target < 0 || (size != 1 && target != size), PA_VALUE,
                   "expand: a tensor of shape %s does not expand to %s: %lld meets %lld at axis %d",
                   pa_node_shape_text(a), pa_shape_text(ndim, wanted), (long long)size, (long long)target, i - ndim);
        spec->shape[i] = target;
        spec->strides[i] = size == 1 && target != 1 ? 0 : own < 0 ? 0 : a->array->strides[own];
        spec->ints[i] = size == 1 && target != 1 ? 0 : own < 0 ? 0 : logical[own];
    }
    return PA_OK;
}

/* An axis more, of so many elements that are a step of each kind apart. */
static void append(pa_spec *spec, int64_t size, int64_t stride, int64_t logical) {
    spec->shape[spec->ndim] = size;
    spec->strides[spec->ndim] = stride;
    spec->ints[spec->ndim] = logical;
    spec->ndim++;
}

static pa_status slice(const pa_call *call, pa_spec *spec, const int64_t *triples, int n_triples) {
    const pa_node *a = call->in[0];
    int64_t logical[PA_MAX_NDIM];
    PA_FAIL_IF(n_triples != a->ndim, PA_INDEX, "index: %d indices for a tensor of shape %s", n_triples,
               pa_node_shape_text(a));
    pa_row_major(a->ndim, pa_node_shape(a), logical);
    for (int axis = 0; axis < a->ndim; axis++) {
        int64_t start = triples[3 * axis], step = triples[3 * axis + 1], length = triples[3 * axis + 2];
        int64_t size = a->array->shape[axis], count = length < 0 ? 1 : length;
        PA_FAIL_IF(count > 0 && (start < 0 || start >= size || start + (count - 1) * step < 0 ||
                                 start + (count - 1) * step >= size),
                   PA_INDEX, "index: %lld is out of range at axis %d of shape %s", (long long)start, axis,
                   pa_node_shape_text(a));
        if (count > 0) {
            spec->offset += start * a->array->strides[axis];
            spec->ints[PA_VIEW_OFFSET] += start * logical[axis];
        }
        if (length < 0) continue;
        step = step > size ? size : step < -size ? -size : step; /* beyond the axis it leads nowhere */
        append(spec, length, step * a->array->strides[axis], step * logical[axis]);
    }
    return PA_OK;
}

static pa_status diagonal(const pa_call *call, pa_spec *spec, const int64_t *arguments, int n) {
    const pa_node *a = call->in[0];
    int64_t logical[PA_MAX_NDIM];
    PA_FAIL_IF(n != 3 || arguments[1] == arguments[2], PA_VALUE, "diagonal: two axes of a tensor of shape %s",
               pa_node_shape_text(a));
    for (int i = 1; i < 3; i++)
        PA_FAIL_IF(arguments[i] < 0 || arguments[i] >= a->ndim, PA_INDEX, "diagonal: axis %lld of shape %s",
                   (long long)arguments[i], pa_node_shape_text(a));
    const int64_t *shape = a->array->shape, *strides = a->array->strides;
    int one = (int)arguments[1], two = (int)arguments[2];
    pa_row_major(a->ndim, shape, logical);
    for (int i = 0; i < a->ndim; i++)
        if (i != one && i != two) append(spec, shape[i], strides[i], logical[i]);
    int64_t offset = arguments[0] < -shape[one] ? -shape[one] : arguments[0] > shape[two] ? shape[two] : arguments[0];
    int64_t down = offset < 0 ? -offset : 0, right = offset < 0 ? 0 : offset;
    int64_t rows = shape[one] - down, columns = shape[two] - right, length = rows < columns ? rows : columns;
    append(spec, length, strides[one] + strides[two], logical[one] + logical[two]);
    if (length == 0) return PA_OK;
    spec->offset = down * strides[one] + right * strides[two];
    spec->ints[PA_VIEW_OFFSET] = down * logical[one] + right * logical[two];
    return PA_OK;
}

static pa_status unfold(const pa_call *call, pa_spec *spec, const int64_t *arguments, int n) {
    const pa_node *a = call->in[0];
    int64_t logical[PA_MAX_NDIM];
    PA_FAIL_IF(a->ndim == PA_MAX_NDIM, PA_VALUE, "unfold: a tensor of shape %s has no room for another axis",
               pa_node_shape_text(a));
    PA_FAIL_IF(n != 3 || arguments[0] < 0 || arguments[0] >= a->ndim, PA_INDEX, "unfold: an axis of shape %s",
               pa_node_shape_text(a));
    int64_t axis = arguments[0], size = arguments[1], step = arguments[2], room = a->array->shape[axis];
    PA_FAIL_IF(size < 0 || size > room || step <= 0, PA_VALUE,
               "unfold: windows of %lld every %lld of shape %s, axis %lld", (long long)size, (long long)step,
               pa_node_shape_text(a), (long long)axis);
    pa_row_major(a->ndim, a->array->shape, logical);
    for (int i = 0; i < a->ndim; i++) {
        int64_t by = i != axis     ? 1
                     : step < room ? step
                                   : room,
                count = i == axis ? (room - size) / step + 1 : a->array->shape[i];
        append(spec, count, by * a->array->strides[i], by * logical[i]);
    }
    append(spec, size, a->array->strides[axis], logical[axis]);
    return PA_OK;
}

/* Does every place that strides and an offset reach lie within numel elements? */
static bool is_within(int64_t numel, int ndim, const int64_t *shape, const int64_t *strides, int64_t offset) {
    int64_t first = offset, last = offset;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] == 0) return true;
        *(strides[i] < 0 ? &first : &last) += (shape[i] - 1) * strides[i];
    }
    return first >= 0 && last < numel;
}

static pa_status place(const pa_call *call, pa_spec *spec, const int64_t *places, int ndim) {
    const pa_node *a = call->in[0];
    spec->ndim = ndim;
    spec->offset = spec->ints[PA_VIEW_OFFSET] = places[0];
    for (int i = 0; i < ndim && i < PA_MAX_NDIM; i++) {
        spec->shape[i] = places[1 + 2 * i];
        spec->strides[i] = spec->ints[i] = places[2 + 2 * i];
    }
    PA_FAIL_IF(ndim > PA_MAX_NDIM || !pa_node_is_contiguous(a) ||
                   !is_within(pa_node_numel(a), ndim, spec->shape, spec->strides, spec->offset),
               PA_VALUE, "view: no such places in a tensor of shape %s", pa_node_shape_text(a));
    return PA_OK;
}

pa_status pa_view_shape(const pa_call *call, pa_spec *spec) {
    const int64_t *arguments = call->ints + 1;
    int n = call->n_ints - 1;
    PA_FAIL_IF(n < 0, PA_VALUE, "view: no kind");
    spec->dtype = call->in[0]->dtype;
    spec->is_view = true;
    spec->ints[PA_VIEW_KIND] = call->ints[0];
    switch (call->ints[0]) {
    case PA_VIEW_RESHAPE: return reshape(call, spec, arguments, n);
    case PA_VIEW_PERMUTE: return permute(call, spec, arguments, n);
    case PA_VIEW_EXPAND: return expand(call, spec, arguments, n);
    case PA_VIEW_DIAGONAL: return diagonal(call, spec, arguments, n);
    case PA_VIEW_UNFOLD: return unfold(call, spec, arguments, n);
    case PA_VIEW_PLACE: return place(call, spec, arguments, (n - 1) / 2);
    default: return slice(call, spec, arguments, n / 3);
    }
}

/* It shares its operand's bytes. */
pa_status pa_view_forward(pa_node *PA_UNUSED(node), void *PA_UNUSED(scratch)) { return PA_OK; }

pa_status pa_view_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    pa_node *parent = pa_node_parent(node, 0);
    bool accumulate = false;
    char *target = pa_gradient_target(node, 0, &accumulate);
    const char *gradient = pa_gradient(node);
    pa_dtype dtype = node->dtype;
    int64_t numel = pa_node_numel(node), size = (int64_t)pa_dtype_size(dtype);
    const int64_t *ints = node->array->ints;
    if (ints[PA_VIEW_KIND] == PA_VIEW_RESHAPE) {
        pa_add_or_copy(dtype, target, dtype, gradient, numel, accumulate);
        return PA_OK;
    }
    if (!accumulate) memset(target, 0, (size_t)pa_node_numel(parent) * (size_t)size);
    if (numel == 0) return PA_OK;
    pa_stream stream;
    pa_stream_open(&stream, target + ints[PA_VIEW_OFFSET] * size, dtype, node->ndim, pa_node_shape(node), ints,
                   node->ndim, pa_node_shape(node));
    pa_stream_add(&stream, dtype, gradient, numel);
    return PA_OK;
}

pa_status pa_unview_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0], *like = call->in[1];
    PA_FAIL_IF(call->n_ints != 1 + a->ndim, PA_VALUE, "unview: %d numbers for shape %s", call->n_ints,
               pa_node_shape_text(a));
    PA_FAIL_IF(!is_within(pa_node_numel(like), a->ndim, pa_node_shape(a), call->ints + 1, call->ints[0]), PA_VALUE,
               "unview: shape %s has no such place for shape %s", pa_node_shape_text(like), pa_node_shape_text(a));
    spec->dtype = a->dtype;
    spec->ndim = like->ndim;
    for (int i = 0; i < like->ndim; i++) spec->shape[i] = pa_node_shape(like)[i];
    spec->ints[PA_VIEW_OFFSET] = call->ints[0];
    for (int i = 0; i < a->ndim; i++) spec->ints[i] = call->ints[1 + i];
    return PA_OK;
}

/* A stream over the places of an operand in contiguous memory in the shape of the result. */
static void open_places(pa_stream *stream, const pa_node *node, const pa_node *a, void *memory) {
    int64_t offset = node->array->ints[PA_VIEW_OFFSET] * (int64_t)pa_dtype_size(node->dtype);
    pa_stream_open(stream, (char *)memory + offset, node->dtype, a->ndim, pa_node_shape(a), node->array->ints, a->ndim,
                   pa_node_shape(a));
}

static void add_stream(pa_stream *from, pa_stream *to, pa_dtype dtype, int64_t numel) {
    enum { BLOCK = 256 };
    _Alignas(64) char block[BLOCK * sizeof(double)];
    for (int64_t n; numel > 0; numel -= n) {
        n = numel < BLOCK ? numel : BLOCK;
        pa_stream_read(from, dtype, block, n);
        pa_stream_add(to, dtype, block, n);
    }
}

pa_status pa_unview_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0);
    memset(pa_node_data(node), 0, pa_node_bytes(node));
    if (pa_node_numel(a) == 0) return PA_OK;
    pa_stream from, to;
    pa_stream_open_node(&from, a, a);
    open_places(&to, node, a, pa_node_data(node));
    add_stream(&from, &to, node->dtype, pa_node_numel(a));
    return PA_OK;
}

pa_status pa_unview_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0);
    bool accumulate;
    void *like = pa_gradient_target(node, 1, &accumulate);
    if (like != NULL && !accumulate) memset(like, 0, pa_node_bytes(node)); /* its numbers do not matter */
    void *target = pa_gradient_target(node, 0, &accumulate);
    if (target == NULL || pa_node_numel(a) == 0) return PA_OK;
    pa_stream from, to;
    int64_t strides[PA_MAX_NDIM];
    open_places(&from, node, a, (void *)(uintptr_t)pa_gradient(node));
    if (!accumulate) {
        pa_stream_read(&from, node->dtype, target, pa_node_numel(a));
        return PA_OK;
    }
    pa_row_major(a->ndim, pa_node_shape(a), strides);
    pa_stream_open(&to, target, node->dtype, a->ndim, pa_node_shape(a), strides, a->ndim, pa_node_shape(a));
    add_stream(&from, &to, node->dtype, pa_node_numel(a));
    return PA_OK;
}

/* ---- written: the numbers are there already, and the gradient of what they replaced is 0 ---- */

pa_status pa_written_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0], *b = call->in[1];
    PA_FAIL_IF(call->n_ints != 1 + b->ndim || b->dtype != a->dtype || !pa_node_is_contiguous(a) ||
                   !is_within(pa_node_numel(a), b->ndim, pa_node_shape(b), call->ints + 1, call->ints[0]),
               PA_VALUE, "written: shape %s has no place for shape %s", pa_node_shape_text(a), pa_node_shape_text(b));
    PA_FAIL_IF(pa_strides_overlap(b->ndim, pa_node_shape(b), call->ints + 1), PA_RUNTIME,
               "written: elements of a view of shape %s share memory; clone() it first", pa_node_shape_text(b));
    spec->dtype = a->dtype;
    spec->is_view = true;
    spec->ndim = a->ndim;
    for (int i = 0; i < a->ndim; i++) spec->shape[i] = a->array->shape[i];
    pa_row_major(a->ndim, spec->shape, spec->strides);
    for (int i = 0; i < b->ndim; i++) spec->ints[i] = call->ints[1 + i];
    spec->ints[PA_VIEW_OFFSET] = call->ints[0];
    return PA_OK;
}

size_t pa_written_scratch(const pa_node *node) { return pa_node_bytes(node); }

/* The scratch is what goes to b, and then what goes to a. */
pa_status pa_written_backward(pa_node *node, void *scratch) {
    static const double zeros[128];
    char *g = node->grad_data;
    int64_t n = pa_node_numel(pa_node_parent(node, 1)), block = (int64_t)(sizeof zeros / pa_dtype_size(node->dtype));
    const pa_node *b = pa_node_parent(node, 1);
    pa_stream place;
    bool adds = false;
    char *db = pa_gradient_target(node, 1, &adds);
    if (db != NULL) {
        open_places(&place, node, b, g);
        pa_stream_read(&place, node->dtype, scratch, n);
        pa_add_or_copy(node->dtype, db, node->dtype, scratch, n, adds);
    }
    char *da = pa_gradient_target(node, 0, &adds);
    if (da == NULL) return PA_OK;
    char *left = adds ? scratch : da;
    memcpy(left, g, pa_node_bytes(node));
    open_places(&place, node, b, left);
    for (int64_t i = 0; i < n; i += block) pa_stream_write(&place, node->dtype, zeros, n - i < block ? n - i : block);
    if (adds) pa_add_or_copy(node->dtype, da, node->dtype, left, pa_node_numel(node), true);
    return PA_OK;
}

pa_status pa_cast_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0];
    PA_FAIL_IF(call->n_ints != 1 || call->ints[0] < 0 || call->ints[0] >= PA_DTYPE_COUNT, PA_TYPE, "to: no such dtype");
    spec->dtype = (pa_dtype)call->ints[0];
    spec->ndim = a->ndim;
    for (int i = 0; i < a->ndim; i++) spec->shape[i] = a->array->shape[i];
    return PA_OK;
}

pa_status pa_cast_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    pa_node_gather(pa_node_parent(node, 0), node->dtype, pa_node_data(node));
    return PA_OK;
}

pa_status pa_cast_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    bool accumulate = false;
    char *target = pa_gradient_target(node, 0, &accumulate);
    pa_add_or_copy(pa_node_parent(node, 0)->dtype, target, node->dtype, pa_gradient(node), pa_node_numel(node),
                   accumulate);
    return PA_OK;
}
