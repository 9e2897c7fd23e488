/* An op applied: operands checked, node made, forward run, history settled; copies and changes in place. */
#include "apply.h"

#include <string.h>

#include "hold.h"
#include "kernels/kernels.h"
#include "kernels/stream.h"
#include "record.h"
#include "scalar.h"

double pa_node_cost(const pa_node *node) {
    enum { FLOPS_A_STEP = 50 };
    if (node->op == PA_OP_program) return pa_node_composite(node)->cost;
    if (pa_is_product(node)) return pa_product_cost(node) / FLOPS_A_STEP;
    double cost = (double)pa_node_numel(node);
    for (int i = 0; i < node->n_parents; i++) {
        double read = (double)pa_node_numel(pa_node_parent(node, i));
        if (read > cost) cost = read;
    }
    return cost;
}

static pa_status check_operands(const pa_call *call) {
    const pa_op_info *info = &pa_op_table[call->op];
    PA_FAIL_IF(info->operands >= 0 && call->n != info->operands, PA_TYPE, "%s: takes %d operands, not %d", info->name,
               info->operands, call->n);
    PA_FAIL_IF(call->n_params > PA_MAX_PARAMS, PA_TYPE, "%s: %d parameters are too many", info->name, call->n_params);
    PA_FAIL_IF(info->family != PA_WHOLE && call->n_params != info->params, PA_TYPE, "%s: takes %d parameters, not %d",
               info->name, info->params, call->n_params);
    for (int i = 0; i < call->n; i++) {
        const pa_storage *storage = pa_node_storage(call->in[i]);
        PA_FAIL_IF(storage != NULL && storage->writer, PA_RUNTIME,
                   "%s: another thread is writing the operand of shape %s", info->name,
                   pa_node_shape_text(call->in[i]));
    }
    return PA_OK;
}

static pa_status make_node(const pa_call *call, const pa_spec *spec, pa_node **out) {
    if (spec->is_view) {
        int64_t offset = spec->offset * (int64_t)pa_dtype_size(spec->dtype);
        PA_TRY(pa_node_view(call->in[0], spec->dtype, spec->ndim, spec->shape, spec->strides, offset, out));
    } else {
        PA_TRY(pa_node_new(spec->dtype, spec->ndim, spec->shape, out));
    }
    pa_node *node = *out;
    pa_status status = pa_node_need_array(node);
    if (status == PA_OK) {
        memcpy(node->array->params, spec->params, sizeof spec->params);
        memcpy(node->array->ints, spec->ints, sizeof spec->ints);
        status = pa_node_link(node, call->op, call->n, call->in);
    }
    if (status != PA_OK) {
        pa_node_release(node);
    } else if (spec->is_view) {
        node->array->is_cut = !pa_grad_enabled();
        pa_node_join(node, call->in[0], pa_grad_enabled());
    }
    return status;
}

/* Without the GIL, over operands that nobody may write meanwhile; the result is not known to anybody else yet. */
static pa_status run_long_forward(pa_node *node, void *scratch) {
    pa_hold hold = {0};
    pa_status status = PA_OK;
    for (int i = 0; i < node->n_parents && status == PA_OK; i++)
        status = pa_hold_add(&hold, pa_node_parent(node, i), PA_HOLD_READ);
    if (status == PA_OK) {
        pa_hold_begin(&hold);
        void *token = pa_hook.leave_python();
        status = pa_node_forward(node, scratch);
        pa_hook.enter_python(token);
    }
    pa_hold_free(&hold);
    return status;
}

/* Only of elementwise ops and products is the cost known, and whether the GIL is worth releasing. */
static pa_status run_forward(pa_node *node) {
    size_t bytes = pa_node_scratch(node);
    void *scratch = NULL;
    if (bytes > 0) {
        scratch = pa_mem_alloc(bytes);
        if (scratch == NULL) return PA_MEMORY;
    }
    bool is_known = pa_op_table[node->op].family != PA_WHOLE || pa_is_product(node);
    bool is_long = is_known && pa_node_cost(node) >= PA_LONG_WORK;
    pa_status status = is_long ? run_long_forward(node, scratch) : pa_node_forward(node, scratch);
    pa_mem_free(scratch, bytes);
    return status;
}

/* Decides whether a gradient flows through the node, and keeps or drops its history accordingly. */
static void settle_history(pa_node *node) {
    bool flows = false;
    if (pa_grad_enabled() && pa_dtype_is_float(node->dtype) && pa_op_function[node->op].backward != NULL)
        for (int i = 0; i < node->n_parents && !flows; i++) flows = pa_node_requires_grad(pa_node_parent(node, i));
    if (!flows) {
        pa_node_unlink(node);
        node->op = PA_OP_leaf;
        return;
    }
    node->flags |= PA_REQUIRES_GRAD;
    int read = node->n_parents < PA_MAX_OPERANDS ? node->n_parents : PA_MAX_OPERANDS;
    for (int i = 0; i < read; i++) node->array->versions[i] = pa_node_version(pa_node_parent(node, i));
    if (pa_graph.notes_places) pa_node_note_place(node);
}

pa_status pa_apply(const pa_call *call, pa_node **out) {
    if (pa_value_can_apply(call)) return pa_value_apply(call, out);
    PA_TRY(check_operands(call));
    pa_spec spec;
    memset(&spec, 0, sizeof spec);
    PA_TRY(pa_op_function[call->op].shape(call, &spec));
    pa_node *node = NULL;
    PA_TRY(make_node(call, &spec, &node));
    pa_status status = run_forward(node);
    if (status != PA_OK) {
        pa_node_release(node);
        return status;
    }
    settle_history(node);
    if (pa_recording() != NULL) pa_record_op(call, node);
    *out = node;
    return PA_OK;
}

pa_status pa_apply_unary(pa_op op, pa_node *a, pa_node **out) {
    pa_call call = {.op = op, .n = 1, .in = &a};
    return pa_apply(&call, out);
}

pa_status pa_apply_binary(pa_op op, pa_node *a, pa_node *b, pa_node **out) {
    pa_node *in[2] = {a, b};
    pa_call call = {.op = op, .n = 2, .in = in};
    return pa_apply(&call, out);
}

pa_status pa_apply_custom(pa_node *node, int n, pa_node *const *parents) {
    PA_TRY(pa_node_link(node, PA_OP_custom, n, parents));
    node->flags &= (uint16_t)~PA_PURE;
    node->flags |= PA_REQUIRES_GRAD;
    if (pa_graph.notes_places && node->array != NULL) pa_node_note_place(node);
    return PA_OK;
}

pa_status pa_apply_local_grads(pa_node *node, int n, pa_node *const *parents, const double *gradients) {
    PA_TRY(pa_node_need_array(node));
    PA_TRY(pa_node_link(node, PA_OP_local_grads, n, parents));
    memcpy(pa_node_local_grads(node), gradients, (size_t)n * sizeof *gradients);
    for (int i = 0; i < n; i++) node->flags &= (uint16_t)(parents[i]->flags | ~PA_PURE);
    return PA_OK;
}

pa_status pa_detach(pa_node *node, pa_node **out) {
    PA_TRY(pa_node_view(node, node->dtype, node->ndim, pa_node_shape(node), pa_node_strides(node), 0, out));
    pa_node_join(*out, node, false);
    if (pa_recording() == NULL) return PA_OK;
    (*out)->flags |= node->flags & (PA_TRACED_SCALAR | PA_WEAK_SCALAR);
    pa_record_entry(PA_ENTRY_ALIAS, 1, &node, *out);
    return PA_OK;
}

pa_status pa_defer_item(pa_node *node, pa_node **out) {
    if (node->flags & PA_IS_VALUE) return pa_record_number_of(node, false, out);
    pa_node *scalar = NULL;
    int64_t shape[1] = {PA_VIEW_RESHAPE};
    int64_t dtype = pa_dtype_is_float(node->dtype) ? PA_FLOAT64 : pa_dtype_computed(node->dtype);
    pa_call view = {.op = PA_OP_view, .n = 1, .in = &node, .n_ints = 1, .ints = shape};
    pa_call copy = {.op = PA_OP_cast, .n = 1, .in = &scalar, .n_ints = 1, .ints = &dtype};
    bool enabled = pa_grad_enable(false);
    pa_status status = pa_apply(&view, &scalar);
    if (status == PA_OK) status = pa_apply(&copy, out);
    pa_grad_enable(enabled);
    if (scalar != NULL) pa_node_release(scalar);
    if (status == PA_OK) (*out)->flags |= PA_WEAK_SCALAR | PA_TRACED_SCALAR;
    return status;
}

/* Asked of addresses: two arrays of NumPy's can bring the same bytes in as two storages. */
static bool may_overlap(const pa_node *a, const pa_node *b) {
    const char *a_begin, *a_end, *b_begin, *b_end;
    pa_node_extent(a, &a_begin, &a_end);
    pa_node_extent(b, &b_begin, &b_end);
    return a_begin < b_end && b_begin < a_end;
}

pa_status pa_copy_into(pa_node *target, pa_node *source, const char *what) {
    int ndim;
    int64_t shape[PA_MAX_NDIM];
    pa_node *both[2] = {target, source};
    PA_TRY(pa_broadcast_shapes(what, 2, both, &ndim, shape));
    PA_FAIL_IF(ndim != target->ndim ||
                   (ndim > 0 && memcmp(shape, target->array->shape, (size_t)ndim * sizeof *shape) != 0),
               PA_VALUE, "%s: a source of shape %s does not fit into shape %s", what, pa_node_shape_text(source),
               pa_node_shape_text(target));
    PA_TRY(pa_check_number(source, target->dtype, what));
    PA_TRY(pa_node_begin_write(target, what));
    bool makes;
    PA_TRY(pa_record_begin_write(target, &makes));

    /* Where the two share bytes the source is read out whole first. */
    int64_t numel = pa_node_numel(target), size = (int64_t)pa_dtype_size(target->dtype);
    bool shares = may_overlap(source, target), flat = pa_node_is_contiguous(target);
    char *whole = NULL;
    if (shares) {
        whole = pa_mem_alloc_array((size_t)numel, (size_t)size);
        if (whole == NULL) return PA_MEMORY;
    }
    pa_stream from, to;
    pa_stream_open_node(&from, source, target);
    pa_stream_open_node(&to, target, target);
    if (shares) {
        pa_stream_read(&from, target->dtype, whole, numel);
        pa_stream_write(&to, target->dtype, whole, numel);
        pa_mem_free_array(whole, (size_t)numel, (size_t)size);
    } else if (flat) {
        pa_stream_read(&from, target->dtype, target->array->data, numel);
    } else {
        pa_stream_copy(&from, &to, numel);
    }
    pa_node_end_write(target);
    if (pa_recording() == NULL) return PA_OK;
    if (!makes)
        pa_record_entry(PA_ENTRY_WRITE, 2, both, NULL);
    else if (!pa_record_is_fresh(source)) /* else it is a constant of the step, as the source is */
        pa_record_entry(PA_ENTRY_WRITE, 1, &source, target);
    return PA_OK;
}

pa_status pa_change_dtype(pa_node *target, pa_node *source, const char *what) {
    const char *shape = pa_node_shape_text(target), *before = pa_dtype_name(target->dtype);
    const char *after = pa_dtype_name(source->dtype);
    PA_TRY(pa_record_refuse(what, "it changes the dtype of a tensor; do that before the first step"));
    PA_FAIL_IF(!pa_dtype_is_float(target->dtype) || !pa_dtype_is_float(source->dtype), PA_TYPE,
               "%s: a tensor of dtype %s, shape %s cannot become %s in place", what, before, shape, after);
    PA_FAIL_IF(!pa_same_shape(target, source), PA_VALUE,
               "%s: a tensor of shape %s cannot take the place of one of shape %s", what, pa_node_shape_text(source),
               shape);
    PA_FAIL_IF(target->refs - target->programs > 1 || !pa_node_is_leaf(target), PA_RUNTIME,
               "%s: a tensor of shape %s is part of a graph, and stays %s until that is gone", what, shape, before);
    PA_FAIL_IF(target->array != NULL && target->array->grad != NULL, PA_RUNTIME,
               "%s: a tensor of shape %s has a gradient of dtype %s; set its grad to None before it becomes %s", what,
               shape, before, after);
    PA_TRY(pa_node_begin_write(target, what));
    pa_array *array = target->array;
    size_t bytes = (size_t)array->numel * pa_dtype_size(source->dtype);
    size_t own_bytes = (size_t)array->numel * pa_dtype_size(target->dtype);
    if (target->ndim == 0) own_bytes = sizeof target->value; /* what pa_node_need_storage makes */
    bool owns_all = array->data == array->storage->data && array->storage->bytes <= own_bytes;
    PA_FAIL_IF(!owns_all || !pa_node_is_contiguous(target), PA_RUNTIME,
               "%s: a view of shape %s into the memory of others stays %s; clone() it", what, shape, before);
    /* The memory that it had in that dtype before, unless somebody still sees that. */
    pa_storage *other = array->saved != NULL && array->saved->refs == 1 ? pa_storage_retain(array->saved) : NULL;
    if (other == NULL) PA_TRY(pa_storage_new(bytes, &other));
    pa_storage_release(array->saved);
    array->saved = array->storage;
    array->storage = other;
    array->data = other->data;
    target->dtype = source->dtype;
    pa_row_major(target->ndim, array->shape, array->strides);
    return pa_copy_into(target, source, what);
}

pa_status pa_apply_in_place(pa_op op, pa_node *target, pa_node *source) {
    const char *name = pa_op_table[op].name;
    PA_TRY(pa_node_begin_write(target, name));
    pa_node *result = NULL;
    bool enabled = pa_grad_enable(false);
    pa_status status = pa_apply_binary(op, target, source, &result);
    pa_grad_enable(enabled);
    PA_TRY(status);
    if (pa_dtype_category(result->dtype) > pa_dtype_category(target->dtype))
        status = pa_fail(PA_TYPE, "%s: a result of dtype %s does not fit in place into a tensor of dtype %s, shape %s",
                         name, pa_dtype_name(result->dtype), pa_dtype_name(target->dtype), pa_node_shape_text(target));
    else
        status = pa_copy_into(target, result, name);
    pa_node_release(result);
    return status;
}
