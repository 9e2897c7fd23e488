/* The gradients of every row as graphs: elementwise rows by their formulas, TENSOR rows by a function each. */
#include "derivatives.h"

#include <math.h>
#include <string.h>

#include "kernels/reduce.h"

static pa_node *with_number(pa_builder *b, pa_op op, pa_node *x, pa_node *p) {
    return b->status == PA_OK ? pa_build_param(b, op, x, pa_node_number(p)) : NULL;
}

#include "prefix_graph.h"

/* ---- elementwise rows ---- */

/* An operand as the op has computed with it: in the dtype of the result. */
static pa_node *operand_of(pa_builder *b, pa_node *node, int i) {
    if (i >= node->n_parents) return NULL;
    pa_node *operand = pa_node_parent(node, i);
    bool same = operand->dtype == node->dtype || pa_is_number(operand) || node->op == PA_OP_where;
    return same ? operand : pa_build_cast(b, operand, (pa_dtype)node->dtype);
}

static pa_node *elementwise_graph(pa_builder *b, pa_node *node, int operand, pa_node *G) {
    const pa_op_info *info = &pa_op_table[node->op];
    pa_node *A = operand_of(b, node, 0), *B = operand_of(b, node, 1), *OUT = node;
    pa_node *P = info->params > 0 ? NUMBER(pa_node_params(node)[0]) : NULL;
    pa_node *Q = info->params > 1 ? NUMBER(pa_node_params(node)[1]) : NULL;
    if (b->status != PA_OK) return NULL;
    (void)B, (void)Q;
    switch (PA_MAX_OPERANDS * node->op + operand) {
#define GRADIENT(name, i, formula)                                                                                     \
    case PA_MAX_OPERANDS *PA_OP_##name + (i): return formula;
#define UNARY(name, symbol, words, python, params, effects, forward, a) GRADIENT(name, 0, a)
#define BINARY(name, symbol, words, python, params, effects, forward, a, b_)                                           \
    GRADIENT(name, 0, a)                                                                                               \
    GRADIENT(name, 1, b_)
#define TERNARY_BOOL(name, symbol, words, python, params, effects, forward, a, b_, c)                                  \
    GRADIENT(name, 0, a)                                                                                               \
    GRADIENT(name, 1, b_)                                                                                              \
    GRADIENT(name, 2, c)
#include "ops.def"
#undef GRADIENT
    default: return NULL;
    }
}

pa_node *pa_graph_gradient(pa_builder *b, pa_node *node, int i, pa_node *g) {
    static pa_graph_fn *const graphs[PA_OP_COUNT] = {
#define UNARY(name, ...) [PA_OP_##name] = elementwise_graph,
#define BINARY UNARY
#define TERNARY_BOOL UNARY
#define TENSOR(name, symbol, words, rule, operands, effects, shape, forward, backward, graph, scratch)                 \
    [PA_OP_##name] = graph,
#include "ops.def"
    };
    if (b->status != PA_OK || graphs[node->op] == NULL) return NULL;
    return pa_build_fit(b, graphs[node->op](b, node, i, g), pa_node_parent(node, i));
}

pa_node *pa_graph_tangent(pa_builder *b, pa_node *node, int i, pa_node *t) {
    if (t->dtype != node->dtype) t = pa_build_cast(b, t, (pa_dtype)node->dtype);
    return b->status == PA_OK ? elementwise_graph(b, node, i, t) : NULL;
}

pa_node *pa_no_graph(pa_builder *PA_UNUSED(b), pa_node *PA_UNUSED(node), int PA_UNUSED(i), pa_node *PA_UNUSED(g)) {
    return NULL;
}

pa_node *pa_refused_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *PA_UNUSED(g)) {
    b->status = pa_fail(PA_UNSUPPORTED, "create_graph: the backward of %s (%s) of shape %s has no gradient of its own",
                        pa_op_table[node->op].name, pa_op_table[node->op].words, pa_node_shape_text(node));
    return NULL;
}

/* ---- products ---- */

static pa_node *matmul(pa_builder *b, pa_node *x, pa_node *y) { return BUILD_2(matmul, x, y); }

/* With an axis of size 1 at a place. */
static pa_node *unsqueeze(pa_builder *b, pa_node *x, int axis) {
    int64_t shape[PA_MAX_NDIM];
    if (b->status != PA_OK) return NULL;
    for (int i = 0; i <= x->ndim && i < PA_MAX_NDIM; i++)
        shape[i] = i == axis ? 1 : pa_node_shape(x)[i < axis ? i : i - 1];
    return pa_build_reshape(b, x, x->ndim + 1, shape);
}

/* Vectors are a row on the left and a column on the right. */
pa_node *pa_matmul_graph(pa_builder *b, pa_node *node, int i, pa_node *g) {
    pa_node *x = pa_node_parent(node, 0), *y = pa_node_parent(node, 1);
    bool row = x->ndim == 1, column = y->ndim == 1;
    if (row && column) return MUL(g, i == 0 ? y : x);
    if (row) g = unsqueeze(b, g, g->ndim - 1);
    if (column) g = unsqueeze(b, g, g->ndim);
    pa_node *operand = i == 0 ? x : y;
    pa_node *matrix_x = row ? unsqueeze(b, x, 0) : x, *matrix_y = column ? unsqueeze(b, y, 1) : y;
    pa_node *to =
        i == 0 ? matmul(b, g, pa_build_transpose(b, matrix_y)) : matmul(b, pa_build_transpose(b, matrix_x), g);
    to = pa_build_fit(b, to, i == 0 ? matrix_x : matrix_y);
    return pa_build_reshape(b, to, operand->ndim, pa_node_shape(operand));
}

/* As one matrix, whose columns are the last axis. */
static pa_node *rows_of(pa_builder *b, pa_node *x) {
    if (b->status != PA_OK || x->ndim == 2) return x;
    int64_t shape[2] = {1, pa_node_shape(x)[x->ndim - 1]};
    for (int i = 0; i < x->ndim - 1; i++) shape[0] *= pa_node_shape(x)[i];
    return pa_build_reshape(b, x, 2, shape);
}

pa_node *pa_linear_graph(pa_builder *b, pa_node *node, int i, pa_node *g) {
    if (i == 0) return matmul(b, g, pa_node_parent(node, 1));
    if (i == 2) return g;
    return matmul(b, pa_build_transpose(b, rows_of(b, g)), rows_of(b, pa_node_parent(node, 0)));
}

/* ---- reductions ---- */

/* What is in the shape of a reduction, in that of its operand with 1 for the reduced axes. */
static pa_node *kept(pa_builder *b, const pa_node *node, pa_node *x) {
    const pa_node *a = pa_node_parent(node, 0);
    int64_t shape[PA_MAX_NDIM];
    for (int i = 0; i < a->ndim; i++) shape[i] = node->array->ints[0] >> i & 1 ? 1 : pa_node_shape(a)[i];
    return pa_build_reshape(b, x, a->ndim, shape);
}

pa_node *pa_sum_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) { return kept(b, node, g); }

pa_node *pa_mean_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    return kept(b, node, DIV(g, pa_build_int(b, pa_reduce_count(node))));
}

/* a - mean(a), 2 or 1 times over the degrees of freedom, times g. */
static pa_node *deviation_graph(pa_builder *b, pa_node *node, double factor, pa_node *g) {
    pa_node *a = pa_node_parent(node, 0);
    double freedom = pa_reduce_freedom((double)pa_reduce_count(node), node->array->params[0]);
    int64_t ints[2] = {node->array->ints[0], true};
    pa_node *mean = pa_build_ints(b, PA_OP_mean, a, 2, ints);
    return MUL(kept(b, node, MUL(g, NUMBER(factor / freedom))), SUB(a, mean));
}

/* g over a root, and 0 where that is 0. */
static pa_node *over_root(pa_builder *b, pa_node *root, pa_node *g) {
    pa_node *none = EQ(root, ZERO);
    return SELECT(none, ZERO, DIV(g, SELECT(none, ONE, root)));
}

pa_node *pa_var_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    return deviation_graph(b, node, 2, g);
}

pa_node *pa_std_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    return deviation_graph(b, node, 1, over_root(b, node, g));
}

pa_node *pa_norm_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    return MUL(kept(b, node, over_root(b, node, g)), pa_node_parent(node, 0));
}

/* Ties share the gradient; where nothing equals the result, which is NaN then, 0 / 0 is the gradient. */
pa_node *pa_extremum_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    pa_node *hit = EQ(pa_node_parent(node, 0), kept(b, node, node));
    pa_node *one = pa_build_cast(b, hit, (pa_dtype)node->dtype);
    pa_node *ties = pa_build_sum(b, one, node->array->ints[0], true);
    return SELECT(hit, DIV(kept(b, node, g), ties), DIV(one, ties));
}

static pa_node *cat_columns(pa_builder *b, pa_node *x, pa_node *y, pa_node *z) {
    pa_node *in[3] = {x, y, z};
    int64_t axis = 1;
    return pa_build_call(b, &(pa_call){.op = PA_OP_cat, .n = z == NULL ? 2 : 3, .in = in, .n_ints = 1, .ints = &axis});
}

/* For each column of x the product of g and all other columns, without dividing: that of half as many columns, which
   are the products of pairs, times the other one of the pair. */
static pa_node *product_of_others(pa_builder *b, pa_node *x, pa_node *g) {
    if (b->status != PA_OK) return NULL;
    int64_t n = pa_node_shape(x)[1], half = n / 2;
    if (n == 1) return g;
    pa_node *left = pa_build_slice(b, x, 1, 0, 1, half), *right = pa_build_slice(b, x, 1, half, 1, half);
    pa_node *last = n % 2 == 0 ? NULL : pa_build_slice(b, x, 1, n - 1, 1, 1), *pairs = MUL(left, right);
    pa_node *to = product_of_others(b, last == NULL ? pairs : cat_columns(b, pairs, last, NULL), g);
    pa_node *to_pairs = last == NULL ? to : pa_build_slice(b, to, 1, 0, 1, half);
    pa_node *to_last = last == NULL ? NULL : pa_build_slice(b, to, 1, half, 1, 1);
    return cat_columns(b, MUL(to_pairs, right), MUL(to_pairs, left), to_last);
}

pa_node *pa_prod_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    pa_node *a = pa_node_parent(node, 0);
    if (pa_node_numel(a) == 0) return ZERO;
    int64_t axes[PA_MAX_NDIM], back[PA_MAX_NDIM], shape[PA_MAX_NDIM], columns[2] = {1, pa_reduce_count(node)};
    int n = 0;
    for (int reduced = 0; reduced < 2; reduced++)
        for (int i = 0; i < a->ndim; i++)
            if ((node->array->ints[0] >> i & 1) == reduced) axes[n++] = i;
    for (int i = 0; i < n; i++) {
        shape[i] = pa_node_shape(a)[axes[i]];
        back[axes[i]] = i;
    }
    columns[0] = pa_node_numel(a) / columns[1];
    int64_t column[2] = {columns[0], 1};
    pa_node *x = pa_build_reshape(b, pa_build_permute(b, a, axes), 2, columns);
    pa_node *to = product_of_others(b, x, pa_build_reshape(b, g, 2, column));
    return pa_build_permute(b, pa_build_reshape(b, to, n, shape), back);
}

/* ---- order ---- */

/* The same the other way round. */
pa_node *pa_cumsum_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    int64_t ints[2] = {node->array->ints[0], node->array->ints[1] == 0};
    return pa_build_ints(b, PA_OP_cumsum, g, 2, ints);
}

/* ---- softmax and cross-entropy ---- */

static pa_node *sum_along(pa_builder *b, pa_node *x, int64_t axis) {
    return b->status != PA_OK || x->ndim == 0 ? x : pa_build_sum(b, x, (int64_t)1 << axis, true);
}

pa_node *pa_softmax_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    return MUL(node, SUB(g, sum_along(b, MUL(g, node), node->array->ints[0])));
}

pa_node *pa_log_softmax_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    return SUB(g, MUL(EXP(node), sum_along(b, g, node->array->ints[0])));
}

pa_node *pa_logsumexp_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    pa_node *a = pa_node_parent(node, 0), *out = node;
    if (out->ndim < a->ndim) {
        g = unsqueeze(b, g, (int)node->array->ints[0]);
        out = unsqueeze(b, out, (int)node->array->ints[0]);
    }
    return MUL(g, EXP(SUB(a, out)));
}

/* 0, 1, … along one axis. */
static pa_node *counting(pa_builder *b, int64_t n) {
    pa_node *node = NULL;
    if (b->status != PA_OK) return NULL;
    pa_status status = pa_node_new(PA_INT64, 1, &n, &node);
    node = pa_builder_take(b, status, node);
    for (int64_t i = 0; node != NULL && i < n; i++) ((int64_t *)(void *)pa_node_data(node))[i] = i;
    return node;
}

/* softmax(a) as the forward has saved it, for a may have been written to since. The log of a step knows a alone. */
static pa_node *saved_softmax(pa_builder *b, pa_node *node, pa_node *a, int64_t axis) {
    pa_node *p = NULL;
    if (b->status == PA_OK && pa_recording() != NULL && pa_node_version(a) != node->array->versions[0])
        b->status = pa_fail(PA_RUNTIME,
                            "backward: cross_entropy needs its operand 0 of shape %s as it was, but it was "
                            "modified in place since",
                            pa_node_shape_text(a));
    if (b->status != PA_OK || pa_recording() != NULL) return pa_build_ints(b, PA_OP_softmax, a, 1, &axis);
    pa_status status = pa_node_new_like(a, &p);
    if (pa_builder_take(b, status, p) == NULL) return NULL;
    memcpy(pa_node_data(p), node->array->saved->data, pa_node_bytes(p));
    p->array->ints[0] = axis;
    if (!pa_grad_enabled() || !pa_node_requires_grad(a)) return p;
    b->status = pa_node_link(p, PA_OP_softmax, 1, &a);
    p->flags |= PA_REQUIRES_GRAD;
    return p;
}

pa_node *pa_cross_entropy_graph(pa_builder *b, pa_node *node, int i, pa_node *g) {
    if (i > 0) return NULL;
    pa_node *a = pa_node_parent(node, 0), *classes = pa_node_parent(node, 1);
    pa_dtype dtype = (pa_dtype)a->dtype;
    double smoothing = node->array->params[0];
    int64_t axis = a->ndim - 1, n = pa_node_shape(a)[axis];
    classes = unsqueeze(b, classes, classes->ndim);
    pa_node *kept = NE(classes, pa_build_int(b, node->array->ints[0]));
    pa_node *rows = pa_build_sum(b, pa_build_cast(b, kept, dtype), ((int64_t)1 << a->ndim) - 1, false);
    pa_node *target = MUL(pa_build_cast(b, EQ(classes, counting(b, n)), dtype), NUMBER(1 - smoothing));
    if (smoothing > 0) target = ADD(target, NUMBER(smoothing / (double)n));
    pa_node *p = saved_softmax(b, node, a, axis);
    return SELECT(kept, MUL(DIV(g, rows), SUB(p, target)), ZERO);
}

/* ---- shape and place ---- */

/* g added up where a view looks, and 0 elsewhere. */
static pa_node *place(pa_builder *b, pa_node *node, pa_node *g) {
    int64_t ints[1 + PA_MAX_NDIM] = {node->array->ints[PA_VIEW_OFFSET]};
    memcpy(ints + 1, node->array->ints, (size_t)node->ndim * sizeof *ints);
    pa_node *in[2] = {g, pa_build_detached(b, pa_node_parent(node, 0))};
    return pa_build_call(b, &(pa_call){.op = PA_OP_unview, .n = 2, .in = in, .n_ints = 1 + node->ndim, .ints = ints});
}

pa_node *pa_view_graph(pa_builder *b, pa_node *node, int PA_UNUSED(i), pa_node *g) {
    const pa_node *a = pa_node_parent(node, 0);
    const int64_t *ints = node->array->ints;
    int64_t back[PA_MAX_NDIM];
    switch ((enum pa_view_kind)ints[PA_VIEW_KIND]) {
    case PA_VIEW_RESHAPE: return pa_build_reshape(b, g, a->ndim, pa_node_shape(a));
    case PA_VIEW_EXPAND: return g;
    case PA_VIEW_PERMUTE:
        for (int axis = 0; axis < a->ndim; axis++) back[ints[PA_VIEW_AXES] >> 4 * axis & 15] = axis;
        return pa_build_permute(b, g, back);
    default: return place(b, node, g);
    }
}

pa_node *pa_unview_graph(pa_builder *b, pa_node *node, int i, pa_node *g) {
    return i == 0 ? pa_build_place(b, g, pa_node_parent(node, 0), node->array->ints) : NULL;
}

pa_node *pa_written_graph(pa_builder *b, pa_node *node, int i, pa_node *g) {
    const pa_node *source = pa_node_parent(node, 1);
    pa_node *there = pa_build_place(b, g, source, node->array->ints);
    if (i == 1) return there;
    int64_t ints[1 + PA_MAX_NDIM] = {node->array->ints[PA_VIEW_OFFSET]};
    memcpy(ints + 1, node->array->ints, (size_t)source->ndim * sizeof *ints);
    pa_node *in[2] = {there, pa_node_parent(node, 0)};
    return SUB(g, pa_build_call(
                      b, &(pa_call){.op = PA_OP_unview, .n = 2, .in = in, .n_ints = 1 + source->ndim, .ints = ints}));
}

pa_node *pa_cast_graph(pa_builder *PA_UNUSED(b), pa_node *PA_UNUSED(node), int PA_UNUSED(i), pa_node *g) { return g; }

pa_node *pa_cat_graph(pa_builder *b, pa_node *node, int i, pa_node *g) {
    int axis = (int)node->array->ints[0];
    int64_t start = 0;
    for (int k = 0; k <= i; k++) {
        const pa_node *each = pa_node_parent(node, k);
        int64_t length = each->ndim == node->ndim ? pa_node_shape(each)[axis] : 0;
        if (k == i) return length == 0 ? ZERO : pa_build_slice(b, g, axis, start, 1, length);
        start += length;
    }
    return NULL;
}

static pa_node *index_of(pa_builder *b, pa_node *a, pa_node *positions, int64_t k) {
    pa_node *in[2] = {a, positions};
    return pa_build_call(b, &(pa_call){.op = PA_OP_index, .n = 2, .in = in, .n_ints = 1, .ints = &k});
}

pa_node *pa_index_graph(pa_builder *b, pa_node *node, int i, pa_node *g) {
    if (i > 0) return NULL;
    pa_node *in[3] = {pa_build_fit(b, ZERO, pa_node_parent(node, 0)), pa_node_parent(node, 1), g};
    pa_call call = {.op = PA_OP_index_add, .n = 3, .in = in, .n_ints = 1, .ints = node->array->ints};
    return pa_build_call(b, &call);
}

pa_node *pa_index_add_graph(pa_builder *b, pa_node *node, int i, pa_node *g) {
    if (node->array->ints[1] != PA_COMBINE_ADD) return pa_refused_graph(b, node, i, g);
    if (i == 2) return index_of(b, g, pa_node_parent(node, 1), node->array->ints[0]);
    return i == 0 ? g : NULL;
}

pa_node *pa_put_graph(pa_builder *b, pa_node *node, int i, pa_node *g) {
    pa_node *positions = pa_node_parent(node, 1);
    int64_t numel = pa_node_numel(node);
    if (i == 2) return index_of(b, pa_build_reshape(b, g, 1, &numel), positions, 1);
    pa_node *in[3] = {g, positions, pa_build_fit(b, ZERO, pa_node_parent(node, 2))};
    return i == 0 ? pa_build_call(b, &(pa_call){.op = PA_OP_put, .n = 3, .in = in}) : NULL;
}
