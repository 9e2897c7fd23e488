/* The functions behind the TENSOR rows of ops.def, and what every op's functions are given.

   An op is applied in three steps, so that a graph can be replayed by repeating the second alone:

       shape(call, spec)         checks the operands and works out dtype, shape and attributes of the result
       forward(node, scratch)    computes node's data from its parents' data and its attributes
       backward(node, scratch)   adds to the gradients of node's parents, given its own

   `scratch` is memory for the time of the call, of as many bytes as the op's scratch function says. Forward and
   backward know nothing of the GIL and allocate nothing, but for pa_node_save in the first forward of a node.

   Attributes travel in call->ints and call->params as stated beside each shape rule, and live in node->array
   afterwards. */
#ifndef PA_KERNELS_OPS_H
#define PA_KERNELS_OPS_H

#include "fpmode.h"
#include "kernels.h"
#include "../graph.h"

/* One application of an op, before its node exists. */
typedef struct pa_call {
    pa_op op;
    int n;
    pa_node *const *in;
    int n_ints;
    const int64_t *ints;
    int n_params;
    const double *params;
} pa_call;

/* What a shape rule decides. */
typedef struct pa_spec {
    pa_dtype dtype;
    int ndim;
    int64_t shape[PA_MAX_NDIM];
    double params[PA_MAX_PARAMS];  /* copied to array->params */
    int64_t ints[PA_MAX_NDIM + 4]; /* copied to array->ints */
    bool is_view;                  /* shares the storage of operand 0: */
    int64_t offset;                /* elements from its data */
    int64_t strides[PA_MAX_NDIM];  /* in elements */
} pa_spec;

typedef pa_status pa_shape_fn(const pa_call *call, pa_spec *spec);
typedef pa_status pa_forward_fn(pa_node *node, void *scratch);
typedef pa_status pa_backward_fn(pa_node *node, void *scratch);
typedef size_t pa_scratch_fn(const pa_node *node); /* for the forward and the backward, whichever wants more */

/* ---- gradients, inside backward ---- */

/* The upstream gradient of a node: contiguous, in its shape and dtype. */
static inline const void *pa_gradient(const pa_node *node) {
    return node->flags & PA_IS_VALUE ? (const void *)&node->grad : node->grad_data;
}

/* Where the gradient of parent i goes: contiguous, in the parent's shape and dtype; NULL when it wants none. Where
   *accumulate is false the contents are undefined and all of it must be written; where true, add to it. */
static inline void *pa_gradient_target(const pa_node *node, int i, bool *accumulate) {
    pa_node *parent = pa_node_parent(node, i);
    if (!pa_node_requires_grad(parent)) return NULL;
    *accumulate = (parent->flags & PA_GRAD_FILLED) != 0;
    parent->flags |= PA_GRAD_FILLED;
    return parent->flags & PA_IS_VALUE ? (void *)&parent->grad : parent->grad_data;
}

/* Fails where a number of the gradient that reaches operand i of a node is none, or infinite. */
pa_status pa_check_finite(const pa_node *node, int i, const void *gradient);

/* Fails where a Python number cannot be written as the integer that it is to be. */
pa_status pa_check_number(const pa_node *number, pa_dtype dtype, const char *what);

/* For shape rules of ops that only floats have. */
pa_status pa_check_float(const pa_call *call);

/* For those of ops along an axis, the first of their ints or else the last axis: counted from 0. A 0-d operand has one.
   */
pa_status pa_check_axis(const pa_call *call, int64_t *axis);

/* Copies the elements of a node, in logical order, to a contiguous buffer of the given dtype. */
void pa_node_gather(const pa_node *node, pa_dtype dtype, void *out);

/* out[i] (+)= in[i], over n contiguous elements of float dtypes. */
void pa_add_or_copy(pa_dtype to, void *out, pa_dtype from, const void *in, int64_t n, bool accumulate);

/* ---- elementwise.c ---- */
pa_status pa_elementwise_shape(const pa_call *call, pa_spec *spec); /* broadcasts and promotes */
pa_status pa_elementwise_forward(pa_node *node, void *scratch);
pa_status pa_elementwise_backward(pa_node *node, void *scratch);
pa_status pa_broadcast_shapes(const char *what, int n, pa_node *const *in, int *ndim, int64_t *shape);
pa_dtype pa_promote(int n, pa_node *const *in); /* PyTorch's categories: dims before 0-d, typed before weak */

/* ---- product.c: matmul (no attributes); linear: a (…, in), b (out, in), optional c (out,) ---- */
pa_shape_fn pa_matmul_shape, pa_linear_shape;
pa_forward_fn pa_product_forward;
pa_backward_fn pa_product_backward;
pa_scratch_fn pa_product_scratch;
/* Sums of the columns of a gradient that a product's backward has made on the way: the gradient of the bias of the
   layer below, if its backward is the next to run. */
typedef struct pa_passing_sums {
    const void *of; /* or NULL */
    float sums[128];
} pa_passing_sums;

/* What a program has a product do while its results are at hand. */
typedef struct pa_product_extras {
    bool relu;                /* forward: ReLU's result instead of the product's */
    bool mask;                /* backward: operand 0 is ReLU's result, and its gradient goes through ReLU */
    pa_passing_sums *passing; /* backward: found, and left; or NULL */
} pa_product_extras;
pa_status pa_product_forward_with(pa_node *node, void *scratch, const pa_product_extras *extras);
pa_status pa_product_backward_with(pa_node *node, void *scratch, const pa_product_extras *extras);
double pa_product_cost(const pa_node *node); /* floating point operations of the forward */

/* ---- reduce.c: ints = {bit mask of the reduced axes, keepdim}; var, std: params = {correction}
        argmax, argmin: ints = {axis or -1 for all, keepdim} ---- */
pa_shape_fn pa_sum_shape, pa_mean_shape, pa_extremum_shape, pa_var_shape, pa_arg_shape;
pa_forward_fn pa_sum_forward, pa_mean_forward, pa_prod_forward, pa_max_forward, pa_min_forward, pa_var_forward;
pa_forward_fn pa_std_forward, pa_norm_forward, pa_argmax_forward, pa_argmin_forward;
pa_backward_fn pa_sum_backward, pa_mean_backward, pa_prod_backward, pa_extremum_backward, pa_var_backward;
pa_backward_fn pa_std_backward, pa_norm_backward;
pa_backward_fn pa_no_backward;
pa_scratch_fn pa_prod_scratch, pa_root_scratch;

/* ---- order.c: cumsum: ints = {axis, from the back}; argsort: ints = {axis, descending, how many or -1 for all}
        argcummax: ints = {axis, smallest}; searchsorted: a sorted along its last axis, ints = {count equal ones}
        linear_index: ints = {axis}; b int64, no longer than a along the other axes ---- */
pa_shape_fn pa_cumsum_shape, pa_argsort_shape, pa_argcummax_shape, pa_searchsorted_shape, pa_linear_index_shape;
pa_forward_fn pa_cumsum_forward, pa_argsort_forward, pa_argcummax_forward, pa_searchsorted_forward;
pa_forward_fn pa_linear_index_forward;
pa_backward_fn pa_cumsum_backward;
pa_scratch_fn pa_argsort_scratch, pa_searchsorted_scratch;

/* ---- softmax.c: ints = {axis}; logsumexp: ints = {axis, keepdim}
        cross_entropy: ints = {ignored class}, params = {label smoothing}; a (N, C) float, b (N,) int64, mean over the
        classes that are not ignored ---- */
pa_shape_fn pa_softmax_shape, pa_logsumexp_shape, pa_cross_entropy_shape;
pa_forward_fn pa_softmax_forward, pa_log_softmax_forward, pa_logsumexp_forward, pa_cross_entropy_forward;
pa_backward_fn pa_softmax_backward, pa_log_softmax_backward, pa_logsumexp_backward, pa_cross_entropy_backward;
pa_scratch_fn pa_softmax_scratch, pa_logsumexp_scratch, pa_cross_entropy_scratch;

/* ---- view.c: call->ints = {kind, …}
        reshape: the new shape; permute: the old axis of each new one; expand: the new shape;
        slice: start, step, length for each axis of the operand, length -1 for an integer that drops the axis;
        diagonal: offset and two axes; unfold: axis, size and step of the windows
        place: an offset, and length and stride for each axis, in an operand that is contiguous
        node: ints[0..7] strides and ints[8] offset in the operand's logical order, which its gradient has; ints[9] kind;
        ints[10] the axes of a permutation, 4 bits each
        unview: a, b: a added up at the places of a view of b, 0 elsewhere; ints = {offset, strides…} in b's logical order
        written: a contiguous, b of its dtype; ints = {offset, strides…} of b's shape in a; the memory is a's
        cast: ints = {dtype} ---- */
enum pa_view_kind {
    PA_VIEW_RESHAPE,
    PA_VIEW_PERMUTE,
    PA_VIEW_EXPAND,
    PA_VIEW_SLICE,
    PA_VIEW_DIAGONAL,
    PA_VIEW_UNFOLD,
    PA_VIEW_PLACE
};
enum pa_view_ints { PA_VIEW_OFFSET = PA_MAX_NDIM, PA_VIEW_KIND, PA_VIEW_AXES };
pa_shape_fn pa_view_shape, pa_unview_shape, pa_written_shape, pa_cast_shape;
pa_forward_fn pa_view_forward, pa_unview_forward, pa_cast_forward;
pa_backward_fn pa_view_backward, pa_unview_backward, pa_written_backward, pa_cast_backward;
pa_scratch_fn pa_written_scratch;
bool pa_can_view(const pa_node *node, int ndim, const int64_t *shape, int64_t *strides); /* reshape without a copy? */

/* ---- index.c: cat: ints = {axis}
        index: ints = {k}; a (d_1 … d_k, rest…), b int64 of any shape: positions in row-major order over the leading k
        axes; result (b's shape…, rest…)
        put: a, b int64, c of b's shape: a contiguous copy of a with c at the positions b in row-major order
        index_add: ints = {k, how = 0}; a and b as index has them, c as its result: a contiguous copy of a, whose rows
        are combined with those of c; a gradient flows where they are added ---- */
enum pa_combine { PA_COMBINE_ADD, PA_COMBINE_MUL, PA_COMBINE_MAX, PA_COMBINE_MIN };
pa_shape_fn pa_cat_shape, pa_index_shape, pa_put_shape, pa_index_add_shape;
pa_forward_fn pa_cat_forward, pa_index_forward, pa_put_forward, pa_index_add_forward;
pa_backward_fn pa_cat_backward, pa_index_backward, pa_put_backward, pa_index_add_backward;
pa_scratch_fn pa_put_scratch, pa_index_add_scratch;

/* ---- checks.c: check: ints = {pa_check, low, end, ignored} ---- */
typedef enum pa_check {
    PA_CHECK_CROSS_ENTROPY,
    PA_CHECK_NLL_LOSS,
    PA_CHECK_ONE_HOT,
    PA_CHECK_GATHER,
    PA_CHECK_INDEX_SELECT,
    PA_CHECK_INDEX,
    PA_CHECK_BCE_INPUT,
    PA_CHECK_BCE_TARGET,
    PA_CHECK_QUANTILE,
    PA_CHECK_BERNOULLI,
    PA_CHECK_MULTINOMIAL,
    PA_CHECK_GAUSSIAN_NLL,
    PA_CHECK_NORMAL,
    PA_CHECK_MULTILABEL_MARGIN,
    PA_CHECKS
} pa_check;
pa_shape_fn pa_check_shape;
pa_forward_fn pa_check_forward;

/* ---- random.c: dropout_mask: params = {p} ---- */
pa_shape_fn pa_dropout_mask_shape;
pa_forward_fn pa_dropout_mask_forward;

/* ---- custom.c ---- */
pa_shape_fn pa_custom_shape;
pa_forward_fn pa_custom_forward;
pa_backward_fn pa_custom_backward;

/* ---- composite.c: program is a node without numbers of its own, whose gradient is those of its results one behind the
        other, and then for each 1 where one has come, else 0; program_result: ints = {where its own begins, and where
        that number stands} ---- */
pa_backward_fn pa_program_backward, pa_program_result_backward;
pa_scratch_fn pa_program_scratch;
/* What a node of op program keeps in array->saved; a layer above makes it, and has more behind it. */
typedef struct pa_composite {
    pa_status (*check)(const pa_node *node); /* is what its backward reads as it was? */
    pa_backward_fn *backward;
    pa_status (*write_out)(pa_node *result); /* makes a result of it that of the ordinary nodes which it stands for */
    size_t scratch;
    double cost;      /* as pa_node_cost counts */
    bool runs_python; /* in its backward */
} pa_composite;
static inline const pa_composite *pa_node_composite(const pa_node *node) { return node->array->saved->data; }

/* Is the result over the memory of operand 0? */
static inline bool pa_op_is_view(pa_op op) { return op == PA_OP_view || op == PA_OP_written; }

/* The functions of every op, elementwise ones included. */
typedef struct pa_op_functions {
    pa_shape_fn *shape;
    pa_forward_fn *forward;
    pa_backward_fn *backward; /* NULL: no gradient */
    pa_scratch_fn *scratch;   /* NULL: none */
} pa_op_functions;
extern const pa_op_functions pa_op_function[PA_OP_COUNT];
static inline size_t pa_node_scratch(const pa_node *node) {
    pa_scratch_fn *scratch = pa_op_function[node->op].scratch;
    return scratch != NULL ? scratch(node) : 0;
}

/* Does the backward read operand i? Of a product it is the other operand's gradient that does. */
static inline bool pa_backward_reads(const pa_node *node, int i) {
    unsigned effects = pa_op_table[node->op].effects;
    if (!(effects & (READS_A << i))) return false;
    return !(effects & READS_OTHER) || pa_node_requires_grad(pa_node_parent(node, 1 - i));
}

/* ---- which work flushes denormals: float32 products, and all of a backward sweep that is float32 ---- */
static inline bool pa_is_product(const pa_node *node) { return (pa_op_table[node->op].effects & COSTLY) != 0; }
static inline bool pa_forward_flushes(const pa_node *node) { return node->dtype == PA_FLOAT32 && pa_is_product(node); }
static inline bool pa_backward_flushes(const pa_node *node) {
    /* Python's code runs in the caller's mode, and a program chooses its own */
    return node->dtype == PA_FLOAT32 && node->op != PA_OP_custom && node->op != PA_OP_program;
}

/* The forward of a node in the mode that it asks for. */
static inline pa_status pa_node_forward(pa_node *node, void *scratch) {
    if (!pa_forward_flushes(node)) return pa_op_function[node->op].forward(node, scratch);
    pa_fpmode mode = pa_fpmode_open();
    pa_fpmode_flush(&mode, true);
    pa_status status = pa_op_function[node->op].forward(node, scratch);
    pa_fpmode_flush(&mode, false);
    return status;
}

#endif
