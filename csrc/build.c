/* Ops applied by a builder: numbers, elementwise formulas, and shapes. */
#include "build.h"

#include <string.h>

#include "apply.h"
#include "record.h"

void pa_builder_clear(pa_builder *b) {
    while (b->n > 0) pa_node_release(b->made[--b->n]);
}

void pa_builder_free(pa_builder *b) {
    pa_builder_clear(b);
    pa_mem_free(b->made, b->capacity * sizeof *b->made);
}

pa_node *pa_builder_take(pa_builder *b, pa_status status, pa_node *node) {
    if (status == PA_OK) {
        status = pa_mem_reserve(&b->made, &b->capacity, b->n + 1, sizeof *b->made);
        if (status != PA_OK) pa_node_release(node);
    }
    if (b->status == PA_OK) b->status = status;
    return status == PA_OK ? b->made[b->n++] = node : NULL;
}

/* ---- numbers ---- */

bool pa_is_number(const pa_node *node) {
    return node->ndim == 0 && node->flags & PA_WEAK_SCALAR && !(node->flags & PA_TRACED_SCALAR) &&
           pa_node_is_leaf(node);
}

static pa_node *number_of(pa_builder *b, pa_dtype dtype, double number, int64_t whole) {
    pa_node *node = NULL;
    if (b->status != PA_OK) return NULL;
    pa_status status = pa_node_new(dtype, 0, NULL, &node);
    node = pa_builder_take(b, status, node);
    if (node == NULL) return NULL;
    node->flags |= PA_WEAK_SCALAR;
    if (dtype == PA_INT64)
        node->value_i64 = whole;
    else
        node->value = number;
    return node;
}

pa_node *pa_build_number(pa_builder *b, double number) { return number_of(b, PA_FLOAT64, number, 0); }
pa_node *pa_build_int(pa_builder *b, int64_t number) { return number_of(b, PA_INT64, 0, number); }

/* A call over numbers alone, which no step takes part in. Weak scalars would be computed with in the default dtype. */
static pa_status apply_to_numbers(const pa_call *call, pa_node **out) {
    bool enabled = pa_grad_enable(false);
    pa_log *log = pa_record_suspend();
    for (int i = 0; i < call->n; i++) call->in[i]->flags &= (uint16_t)~PA_WEAK_SCALAR;
    pa_status status = pa_apply(call, out);
    for (int i = 0; i < call->n; i++) call->in[i]->flags |= PA_WEAK_SCALAR;
    pa_record_resume(log);
    pa_grad_enable(enabled);
    if (status == PA_OK) (*out)->flags |= (uint16_t)(PA_WEAK_SCALAR | pa_birth_flags());
    return status;
}

/* ---- calls ---- */

/* A comparison of Values, or a choice by one: a number, and while a step is recorded a Value of 1 or 0, which stays
   right when the numbers change. */
static pa_node *compare_values(pa_builder *b, const pa_call *call) {
    pa_node *x = call->in[0], *y = call->in[1], *out = NULL;
    if (pa_recording() == NULL) {
        pa_status status = pa_apply(call, &out);
        out = pa_builder_take(b, status, out);
        return out == NULL ? NULL : pa_build_int(b, pa_node_number(out) != 0);
    }
    bool swapped = call->op == PA_OP_lt || call->op == PA_OP_ge,
         inverted = swapped ? call->op == PA_OP_ge : call->op == PA_OP_le;
    if (call->op == PA_OP_bitwise_and) return pa_build(b, PA_OP_mul, x, y, NULL);
    pa_node *sign = pa_build(b, PA_OP_sign, pa_build(b, PA_OP_sub, swapped ? y : x, swapped ? x : y, NULL), NULL, NULL);
    if (call->op == PA_OP_ne || call->op == PA_OP_eq)
        out = pa_build(b, PA_OP_abs, sign, NULL, NULL);
    else
        out = pa_build(b, PA_OP_maximum, sign, pa_build_number(b, 0), NULL);
    inverted = inverted || call->op == PA_OP_eq;
    return inverted ? pa_build(b, PA_OP_sub, pa_build_number(b, 1), out, NULL) : out;
}

static bool is_among_values(const pa_call *call) {
    bool any = false;
    for (int i = 0; i < call->n; i++) {
        if (!(call->in[i]->flags & PA_IS_VALUE) && !pa_is_number(call->in[i])) return false;
        any = any || call->in[i]->flags & PA_IS_VALUE;
    }
    return any;
}

pa_node *pa_build_call(pa_builder *b, const pa_call *call) {
    if (b->status != PA_OK) return NULL;
    int family = pa_op_table[call->op].family;
    if ((family == PA_COMPARISON || family == PA_LOGIC) && is_among_values(call)) return compare_values(b, call);
    bool numbers = pa_op_table[call->op].family != PA_WHOLE;
    for (int i = 0; i < call->n; i++) numbers = numbers && pa_is_number(call->in[i]);
    pa_node *out = NULL;
    pa_status status = numbers ? apply_to_numbers(call, &out) : pa_apply(call, &out);
    return pa_builder_take(b, status, out);
}

pa_node *pa_build(pa_builder *b, pa_op op, pa_node *x, pa_node *y, pa_node *z) {
    pa_node *in[3] = {x, y, z};
    return pa_build_call(b, &(pa_call){.op = op, .n = z != NULL ? 3 : y != NULL ? 2 : 1, .in = in});
}

pa_node *pa_build_ints(pa_builder *b, pa_op op, pa_node *x, int n_ints, const int64_t *ints) {
    return pa_build_call(b, &(pa_call){.op = op, .n = 1, .in = &x, .n_ints = n_ints, .ints = ints});
}

pa_node *pa_build_param(pa_builder *b, pa_op op, pa_node *x, double param) {
    return pa_build_call(b, &(pa_call){.op = op, .n = 1, .in = &x, .n_params = 1, .params = &param});
}

pa_node *pa_build_select(pa_builder *b, pa_node *c, pa_node *y, pa_node *z) {
    if (b->status != PA_OK) return NULL;
    if (pa_is_number(c)) return pa_node_number(c) != 0 ? y : z;
    return pa_build(b, PA_OP_where, c, y, z);
}

pa_node *pa_build_value(pa_builder *b, double number) {
    pa_node *node = NULL;
    if (b->status != PA_OK) return NULL;
    pa_status status = pa_value_new(number, &node);
    return pa_builder_take(b, status, node);
}

/* ---- shapes ---- */

pa_node *pa_build_cast(pa_builder *b, pa_node *x, pa_dtype dtype) {
    int64_t to = dtype;
    return pa_build_ints(b, PA_OP_cast, x, 1, &to);
}

pa_node *pa_build_copy(pa_builder *b, pa_node *x) {
    return b->status == PA_OK ? pa_build_cast(b, x, (pa_dtype)x->dtype) : NULL;
}

pa_node *pa_build_detached(pa_builder *b, pa_node *x) {
    pa_node *out = NULL;
    if (b->status != PA_OK || !pa_node_requires_grad(x)) return x;
    pa_status status = pa_detach(x, &out);
    return pa_builder_take(b, status, out);
}

static pa_node *view(pa_builder *b, pa_node *x, enum pa_view_kind kind, int n, const int64_t *arguments) {
    int64_t ints[1 + 3 * PA_MAX_NDIM] = {kind};
    if (b->status != PA_OK) return NULL;
    if (n > 0) memcpy(ints + 1, arguments, (size_t)n * sizeof *ints);
    return pa_build_ints(b, PA_OP_view, x, n + 1, ints);
}

static bool has_shape(const pa_node *x, int ndim, const int64_t *shape) {
    return x->ndim == ndim && (ndim == 0 || memcmp(pa_node_shape(x), shape, (size_t)ndim * sizeof *shape) == 0);
}

pa_node *pa_build_reshape(pa_builder *b, pa_node *x, int ndim, const int64_t *shape) {
    int64_t strides[PA_MAX_NDIM];
    if (b->status != PA_OK || has_shape(x, ndim, shape)) return x;
    if (!pa_can_view(x, ndim, shape, strides)) x = pa_build_copy(b, x);
    return view(b, x, PA_VIEW_RESHAPE, ndim, shape);
}

pa_node *pa_build_permute(pa_builder *b, pa_node *x, const int64_t *axes) {
    return b->status == PA_OK ? view(b, x, PA_VIEW_PERMUTE, x->ndim, axes) : NULL;
}

pa_node *pa_build_transpose(pa_builder *b, pa_node *x) {
    int64_t axes[PA_MAX_NDIM];
    if (b->status != PA_OK) return NULL;
    for (int i = 0; i < x->ndim; i++) axes[i] = i < x->ndim - 2 ? i : 2 * x->ndim - 3 - i;
    return pa_build_permute(b, x, axes);
}

pa_node *pa_build_slice(pa_builder *b, pa_node *x, int axis, int64_t start, int64_t step, int64_t length) {
    int64_t triples[3 * PA_MAX_NDIM];
    if (b->status != PA_OK) return NULL;
    for (int i = 0; i < x->ndim; i++) {
        triples[3 * i] = i == axis ? start : 0;
        triples[3 * i + 1] = i == axis ? step : 1;
        triples[3 * i + 2] = i == axis ? length : pa_node_shape(x)[i];
    }
    return view(b, x, PA_VIEW_SLICE, 3 * x->ndim, triples);
}

pa_node *pa_build_expand(pa_builder *b, pa_node *x, int ndim, const int64_t *shape) {
    if (b->status != PA_OK || has_shape(x, ndim, shape)) return x;
    return view(b, x, PA_VIEW_EXPAND, ndim, shape);
}

pa_node *pa_build_place(pa_builder *b, pa_node *x, const pa_node *like, const int64_t *ints) {
    int64_t places[1 + 2 * PA_MAX_NDIM] = {ints[PA_VIEW_OFFSET]};
    if (b->status != PA_OK) return NULL;
    for (int i = 0; i < like->ndim; i++) {
        places[1 + 2 * i] = pa_node_shape(like)[i];
        places[2 + 2 * i] = ints[i];
    }
    if (!pa_node_is_contiguous(x)) x = pa_build_copy(b, x);
    return view(b, x, PA_VIEW_PLACE, 1 + 2 * like->ndim, places);
}

pa_node *pa_build_sum(pa_builder *b, pa_node *x, int64_t axes, bool keepdim) {
    int64_t ints[2] = {axes, keepdim};
    return pa_build_ints(b, PA_OP_sum, x, 2, ints);
}

pa_node *pa_build_fit(pa_builder *b, pa_node *x, const pa_node *like) {
    if (b->status != PA_OK || x == NULL) return NULL;
    if (like->flags & PA_IS_VALUE && x->flags & PA_IS_VALUE) return x;
    if (like->flags & PA_IS_VALUE && pa_is_number(x)) return pa_build_value(b, pa_node_number(x));
    const int64_t *shape = pa_node_shape(like);
    int lead = x->ndim - like->ndim;
    int64_t axes = 0;
    for (int i = 0; i < x->ndim; i++)
        if (i < lead || (lead >= 0 && shape[i - lead] == 1 && pa_node_shape(x)[i] != 1)) axes |= (int64_t)1 << i;
    if (axes != 0) x = pa_build_reshape(b, pa_build_sum(b, x, axes, false), like->ndim, shape);
    if (b->status != PA_OK) return NULL;
    if (x->dtype != like->dtype || pa_is_number(x)) x = pa_build_cast(b, x, (pa_dtype)like->dtype);
    return pa_build_expand(b, x, like->ndim, shape);
}
