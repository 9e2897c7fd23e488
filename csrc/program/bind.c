/* A program fitted to a call, bound to it, and its work handed on. */
#include "bind.h"

#include <string.h>

#include "../kernels/ops.h"
#include "../kernels/optim.h"
#include "batch.h"
#include "instruction.h"

/* ---- optimisers ---- */

static double *block_of(const pa_update_plan *plan, int s) {
    const char *begin = NULL;
    for (int k = 0; k < plan->n; k++) {
        const pa_node *state = plan->state[3 * k + s];
        if (!(plan->params[k]->flags & PA_IS_VALUE) || state == NULL || !pa_same_layout(plan->params[k], state))
            return NULL;
        if (k == 0) begin = pa_node_data(state);
        if (pa_node_data(state) != begin + (size_t)k * sizeof(double)) return NULL;
    }
    return (double *)(uintptr_t)begin;
}

/* Whoever has an optimiser may have put anything into its state. */
static bool states_fit(const pa_update_plan *plan) {
    for (int k = 0; k < 3 * plan->n; k++)
        if (plan->state[k] != NULL && !pa_same_layout(plan->params[k / 3], plan->state[k])) return false;
    return true;
}

/* The same, where it held once: of a tensor that is written in place its dtype alone can be another. */
static bool still_fits(const pa_update_plan *plan) {
    if (plan->hyper == NULL || !plan->fits) return false;
    for (int s = 0; s < 3; s++)
        for (int k = 0; plan->block[s] == NULL && k < plan->n; k++) {
            const pa_node *state = plan->state[3 * k + s];
            if (state != NULL && state->dtype != plan->params[k]->dtype) return false;
        }
    return true;
}

void pa_update_plan_bound(pa_update_plan *plan) {
    plan->fits = states_fit(plan);
    for (int s = 0; s < 3; s++) plan->block[s] = block_of(plan, s);
}

/* ---- does it fit? ---- */

static bool input_fits(const pa_input *input, const pa_node *node) {
    if (node == NULL) return input->is_number;
    if (input->is_number || node->dtype != input->dtype || node->ndim != input->ndim ||
        input->is_value != ((node->flags & PA_IS_VALUE) != 0) || input->requires_grad != pa_node_requires_grad(node) ||
        (input->meets_hooks && pa_node_is_hooked(node)))
        return false;
    for (int i = 0; i < input->ndim; i++) {
        if (node->array->shape[i] != input->shape[i] && !(i == 0 && input->is_batch)) return false;
        if (node->array->strides[i] != input->strides[i] && node->array->shape[i] > 1) return false;
    }
    return true;
}

static bool has_gradient(const pa_node *node) { return node->array != NULL && node->array->grad != NULL; }

/* The tensor whose data, or gradient, a buffer of this call is; NULL where it is one that the call makes. */
static pa_node *tensor_of(const pa_program *p, pa_node *const *in, int32_t buffer) {
    for (int32_t i = 0; i < p->n_inputs; i++)
        if (p->inputs[i].buffer == buffer) return in[i];
    for (int32_t i = 0; i < p->n_captured; i++) {
        const pa_captured *c = &p->captured[i];
        if (c->buffer == buffer) return pa_captured_node(c, in);
        if (c->entry == buffer && has_gradient(pa_captured_node(c, in))) return pa_captured_node(c, in)->array->grad;
    }
    return NULL;
}

/* Has a write in place, with a history, given the object in a place another node? */
static bool has_moved_on(const pa_captured *c) {
    return c->is_placed && !(c->node->flags & PA_IS_VALUE) &&
           (c->node->handle == NULL || c->node->flags & PA_DICT_ONLY);
}

static bool captured_fits(const pa_program *p, const pa_captured *c, pa_node *const *in) {
    const pa_node *node = pa_captured_node(c, in);
    if (has_moved_on(c)) return false;
    if (c->requires_grad != pa_node_requires_grad(node)) return false;
    /* Its dtype may have changed; its shape cannot. */
    if (c->buffer >= 0 && p->buffers[c->buffer].bytes != pa_node_bytes(node)) return false;
    if (c->swept && !pa_node_is_leaf(node)) return false;
    if (c->meets_hooks && pa_node_is_hooked(node) != c->is_hooked) return false;
    if (c->entry_matters && c->entry_present != has_gradient(node)) return false;
    return c->entry_is < 0 || node->array->grad == tensor_of(p, in, c->entry_is);
}

/* Is an argument a captured tensor that changes as well? The program would change one of the two. */
static bool is_captured_too(const pa_program *p, const pa_node *node) {
    if (node == NULL || node->programs == 0) return false; /* no program holds it */
    for (int32_t i = 0; i < p->n_captured; i++) {
        const pa_captured *c = &p->captured[i];
        bool changes = c->written || c->requires_grad || c->entry >= 0 || c->gradient != PA_GRADIENT_AS_FOUND;
        if (c->node == node && c->input < 0 && changes) return true;
    }
    return false;
}

/* Does an argument lie in memory that the step writes by another name? The program has read it before, or after. */
static bool overlaps(const pa_program *p, const pa_captured *c, pa_node *const *in) {
    const pa_storage *storage = c->written ? pa_node_storage(pa_captured_node(c, in)) : NULL;
    for (int32_t i = 0; storage != NULL && i < p->n_inputs; i++)
        if (in[i] != NULL && c->input != i && pa_node_storage(in[i]) == storage) return true;
    for (int32_t k = 0; storage != NULL && c->input >= 0 && k < p->n_captured; k++)
        if (p->captured[k].input < 0 && pa_node_storage(p->captured[k].node) == storage) return true;
    return false;
}

bool pa_program_takes(pa_program *p, int n, pa_node *const *in) {
    if (n != p->n_inputs) return false;
    int64_t rows = -1;
    for (int i = 0; i < n; i++) {
        if (!input_fits(&p->inputs[i], in[i])) return false;
        if (!p->inputs[i].is_batch) continue;
        int64_t own = in[i]->array->shape[0];
        if (rows >= 0 && own != rows) return false;
        rows = own;
    }
    return pa_batch_set_rows(p, rows) == PA_OK;
}

bool pa_program_is_bound(const pa_program *p, pa_node *const *in) {
    if (p->kernels != pa_k) return false;
    for (int32_t i = 0; i < p->n_updates; i++)
        if (!still_fits(&p->updates[i])) return false;
    for (int32_t i = 0; i < p->n_bound; i++)
        if (!captured_fits(p, &p->captured[i], in) || overlaps(p, &p->captured[i], in)) return false;
    for (int32_t i = 0; i < p->n_inputs; i++)
        if (is_captured_too(p, in[i])) return false;
    return true;
}

bool pa_program_exchange(pa_program *p, int32_t captured, pa_node *node) {
    pa_captured *c = &p->captured[captured];
    pa_node *before = c->node;
    if (before == node) return true;
    if (before == NULL || c->is_hooked || !pa_same_layout(before, node) ||
        c->requires_grad != pa_node_requires_grad(node) || (before->flags & PA_IS_VALUE) != (node->flags & PA_IS_VALUE))
        return false;
    c->node = pa_node_program_retain(node);
    pa_node_program_release(before);
    return true;
}

/* ---- bound, and handed on ---- */

/* Can the gradient that is there be written over, because nobody else looks at it, in a host call either? */
static bool may_reuse(const pa_program *p, const pa_captured *c, const pa_node *grad) {
    return !p->checks_gradients && p->n_hosts == 0 && !c->is_assigned && grad != NULL && c->entry < 0 &&
           grad->refs == 1 && grad->handle == NULL && pa_node_storage(grad) != NULL &&
           pa_node_storage(grad)->refs == 1 && pa_node_is_contiguous(grad);
}

static pa_status check_free(const pa_node *node, bool written) {
    const pa_storage *storage = pa_node_storage(node);
    if (storage == NULL) return PA_OK;
    PA_FAIL_IF(storage->writer || (written && storage->readers > 0), PA_RUNTIME,
               "compile: another thread is using a tensor of shape %s that this step %s", pa_node_shape_text(node),
               written ? "writes" : "reads");
    return PA_OK;
}

static pa_status bind_gradient(pa_program *p, pa_captured *c, pa_node *node) {
    if (node->flags & PA_IS_VALUE) {
        if (c->entry >= 0) pa_program_rebind(p, c->entry, (char *)&node->grad);
        if (c->gradient >= 0 && c->gradient != c->entry) pa_program_rebind(p, c->gradient, (char *)&node->grad);
        return PA_OK;
    }
    if (c->entry >= 0) {
        pa_node *grad = node->array->grad;
        PA_FAIL_IF(!pa_node_is_contiguous(grad) || grad->dtype != node->dtype, PA_RUNTIME,
                   "compile: the gradient of a tensor of shape %s is not contiguous", pa_node_shape_text(node));
        PA_TRY(pa_node_need_storage(grad));
        PA_TRY(check_free(grad, true));
        pa_program_rebind(p, c->entry, pa_node_data(grad));
    }
    if (c->gradient < 0 || c->gradient == c->entry || c->shares_gradient) return PA_OK;
    PA_TRY(pa_node_need_array(node));
    if (may_reuse(p, c, node->array->grad)) {
        pa_program_rebind(p, c->gradient, pa_node_data(node->array->grad));
        return PA_OK;
    }
    PA_TRY(pa_node_new_like(node, &c->fresh));
    PA_TRY(pa_node_need_storage(c->fresh));
    pa_program_rebind(p, c->gradient, pa_node_data(c->fresh));
    return PA_OK;
}

/* The same, or the gradient that a leaf has in the end; NULL where it is inside the step. */
static pa_node *final_tensor(const pa_program *p, pa_node *const *in, int32_t buffer) {
    pa_node *found = tensor_of(p, in, buffer);
    for (int32_t k = 0; k < p->n_bound && found == NULL; k++) {
        const pa_captured *owner = &p->captured[k];
        if (owner->gradient != buffer || owner->shares_gradient) continue;
        found = owner->fresh != NULL ? owner->fresh : pa_captured_node(owner, in)->array->grad;
    }
    return found;
}

/* A tensor, or another over its memory. */
static pa_status share(pa_node *tensor, bool memory_alone, pa_node **out) {
    if (memory_alone)
        return pa_node_view(tensor, (pa_dtype)tensor->dtype, tensor->ndim, pa_node_shape(tensor),
                            pa_node_strides(tensor), 0, out);
    *out = pa_node_retain(tensor);
    return PA_OK;
}

/* Gradients that are arguments, captured tensors, or gradients of others. */
static pa_status share_gradients(pa_program *p, pa_node *const *in) {
    for (int32_t i = 0; i < p->n_bound; i++) {
        pa_captured *c = &p->captured[i];
        if (!c->shares_gradient) continue;
        PA_TRY(pa_node_need_array(pa_captured_node(c, in)));
        PA_TRY(share(final_tensor(p, in, c->gradient), c->shares_memory, &c->fresh));
    }
    return PA_OK;
}

static pa_status check_memory(const pa_program *p, int argument, pa_node *const *in) {
    const pa_storage *storage = pa_node_storage(in[argument]);
    bool shared = storage != NULL && storage->refs > 1; /* most have memory of their own */
    for (int32_t i = 0; shared && i < p->n_bound; i++)
        PA_FAIL_IF(p->captured[i].written && p->captured[i].input != argument &&
                       pa_node_storage(pa_captured_node(&p->captured[i], in)) == storage,
                   PA_RUNTIME,
                   "compile: argument %d of shape %s shares memory with a tensor that the step writes; give a clone()",
                   argument, pa_node_shape_text(in[argument]));
    return PA_OK;
}

pa_status pa_program_bind(pa_program *p, int n, pa_node *const *in, const double *numbers) {
    p->in = in;
    for (int i = 0; i < n; i++) {
        pa_input *input = &p->inputs[i];
        if (in[i] == NULL) input->number = numbers[i];
        if (input->buffer >= 0)
            pa_program_rebind(p, input->buffer, in[i] == NULL ? (char *)&input->number : pa_node_data(in[i]));
    }
    for (int32_t i = p->n_bound; i < p->n_captured; i++)
        PA_FAIL_IF(p->captured[i].node->flags & PA_BUSY, PA_RUNTIME,
                   "compile: another thread is using a Value of this step");
    for (int32_t i = 0; i < p->n_bound; i++) {
        pa_captured *c = &p->captured[i];
        pa_node *node = pa_captured_node(c, in);
        PA_TRY(check_free(node, c->written));
        bool may_move = c->written && !(node->flags & PA_IS_VALUE); /* a view made meanwhile would move a number away */
        if (may_move) PA_TRY(pa_node_need_storage(node));
        if (c->buffer >= 0) pa_program_rebind(p, c->buffer, pa_node_data(node));
        if (p->sets_gradients || c->entry >= 0) PA_TRY(bind_gradient(p, c, node));
    }
    for (int k = 0; k < n; k++)
        if (in[k] != NULL) PA_TRY(check_memory(p, k, in));
    return p->shares_gradients ? share_gradients(p, in) : PA_OK;
}

void pa_program_commit(pa_program *p, pa_node *const *in) {
    for (int32_t i = 0; i < p->n_bound; i++) {
        pa_captured *c = &p->captured[i];
        pa_node *node = pa_captured_node(c, in);
        pa_storage *storage = pa_node_storage(node);
        if (c->written && storage != NULL) storage->version++;
        node->flags ^= (uint16_t)(c->requires_grad != c->leaves_requires_grad ? PA_REQUIRES_GRAD : 0);
        if (node->flags & PA_IS_VALUE || node->array == NULL) continue;
        pa_node *old = node->array->grad;
        if (c->fresh != NULL) {
            node->array->grad = c->fresh;
            c->fresh = NULL;
            if (old != NULL) pa_node_release(old);
        } else if (c->gradient == PA_GRADIENT_CLEARED && old != NULL) {
            node->array->grad = NULL;
            pa_node_release(old);
        } else if ((c->gradient >= 0 || c->entry >= 0) && old != NULL && pa_node_storage(old) != NULL) {
            pa_node_storage(old)->version++;
        }
    }
}

void pa_program_abandon(pa_program *p) {
    for (int32_t i = 0; i < p->n_bound; i++) {
        if (p->captured[i].fresh == NULL) continue;
        pa_node_release(p->captured[i].fresh);
        p->captured[i].fresh = NULL;
    }
}

/* The gradient that a leaf has where the step has failed, held; NULL: none. */
static pa_status gradient_then(const pa_program *p, pa_node *const *in, const pa_node *like, const int32_t *leaf,
                               pa_node **out) {
    int32_t buffer = leaf[PA_LEAF_GRADIENT];
    if (buffer < 0) return PA_OK;
    pa_node *shared = final_tensor(p, in, buffer);
    if (shared != NULL) return share(shared, leaf[PA_LEAF_SHARES_MEMORY] != 0, out);
    PA_TRY(pa_node_new_like(like, out)); /* one that the rest of the step would have replaced */
    pa_status status = pa_node_need_storage(*out);
    if (status == PA_OK)
        memcpy(pa_node_data(*out), pa_buffer_at(p, buffer), pa_node_bytes(*out));
    else
        pa_node_release(*out);
    return status;
}

static pa_status stop_at(pa_program *p, pa_node *const *in, const pa_instruction *failed, pa_node **gradients) {
    const int32_t *leaves = p->pool + failed->leaves;
    bool is_host = pa_instruction_is_host(p, failed); /* what it was shown is as it has left it */
    for (int k = 0; k < failed->n_leaves; k++) {
        const int32_t *leaf = leaves + k * PA_LEAF_FIELDS;
        const pa_captured *c = &p->captured[leaf[PA_LEAF_CAPTURED]];
        const pa_node *node = pa_captured_node(c, in);
        if ((is_host && c->shown) || node->flags & PA_IS_VALUE || leaf[PA_LEAF_GRADIENT] == PA_GRADIENT_AS_FOUND)
            continue;
        PA_TRY(gradient_then(p, in, node, leaf, &gradients[k]));
    }
    for (int k = 0; k < failed->n_leaves; k++) {
        const int32_t *leaf = leaves + k * PA_LEAF_FIELDS;
        const pa_captured *c = &p->captured[leaf[PA_LEAF_CAPTURED]];
        pa_node *node = pa_captured_node(c, in), *before = gradients[k];
        int32_t buffer = leaf[PA_LEAF_GRADIENT];
        if (is_host && c->shown) continue;
        node->flags &= (uint16_t)~PA_REQUIRES_GRAD;
        node->flags |= (uint16_t)(leaf[PA_LEAF_REQUIRES_GRAD] ? PA_REQUIRES_GRAD : 0);
        if (buffer == PA_GRADIENT_AS_FOUND) continue;
        if (node->flags & PA_IS_VALUE) {
            node->grad = buffer < 0 ? 0 : *(const double *)(const void *)pa_buffer_at(p, buffer);
        } else if (node->array != NULL) {
            gradients[k] = node->array->grad;
            node->array->grad = before;
        }
    }
    return PA_OK;
}

typedef struct sought {
    int32_t buffer;
    bool is_written;
} sought;

static void seek_write(void *context, int32_t buffer, bool writes) {
    sought *s = context;
    s->is_written = s->is_written || (writes && buffer == s->buffer);
}

/* Has the step written into the buffer before it has failed? */
static bool was_written(const pa_program *p, int32_t buffer) {
    sought s = {buffer, false};
    for (const pa_instruction *i = p->code; i < p->failed && !s.is_written; i++)
        pa_instruction_visit(p, i, seek_write, &s);
    return s.is_written || pa_instruction_is_host(p, p->failed);
}

pa_status pa_program_stop(pa_program *p, pa_node *const *in) {
    for (int32_t i = 0; i < p->n_bound; i++) {
        const pa_captured *c = &p->captured[i];
        pa_storage *storage = pa_node_storage(pa_captured_node(c, in));
        if (c->written && storage != NULL && was_written(p, c->buffer)) storage->version++;
    }
    int n = p->failed->n_leaves;
    if (n == 0) return PA_OK;
    pa_node **gradients = pa_mem_alloc_array((size_t)n, sizeof *gradients);
    if (gradients == NULL) return PA_MEMORY;
    memset(gradients, 0, (size_t)n * sizeof *gradients);
    pa_status status = stop_at(p, in, p->failed, gradients);
    for (int k = 0; k < n; k++)
        if (gradients[k] != NULL) pa_node_release(gradients[k]);
    pa_mem_free_array(gradients, (size_t)n, sizeof *gradients);
    return status;
}

static pa_status hold_tensor(pa_hold *hold, pa_node *node, bool written) {
    PA_TRY(check_free(node, written));
    return pa_hold_add(hold, node, written ? PA_HOLD_WRITE : PA_HOLD_READ);
}

pa_status pa_program_hold(const pa_program *p, int n, pa_node *const *in, pa_hold *hold) {
    for (int i = 0; i < n; i++)
        if (in[i] != NULL && !(in[i]->flags & PA_IS_VALUE)) PA_TRY(hold_tensor(hold, in[i], false));
    for (int32_t i = 0; i < p->n_captured; i++) {
        const pa_captured *c = &p->captured[i];
        pa_node *node = pa_captured_node(c, in);
        if (node->flags & PA_IS_VALUE) {
            PA_TRY(pa_hold_add(hold, node, PA_HOLD_NODE));
            continue;
        }
        PA_TRY(hold_tensor(hold, node, c->written));
        bool uses_gradient = c->gradient >= 0 || c->entry >= 0;
        if (uses_gradient && node->array->grad != NULL) PA_TRY(hold_tensor(hold, node->array->grad, true));
    }
    for (int32_t i = 0; i < p->n_updates; i++) {
        const pa_update_plan *plan = &p->updates[i];
        for (int k = 0; k < 3 * plan->n; k++)
            if (plan->state[k] != NULL) PA_TRY(hold_tensor(hold, plan->state[k], true));
    }
    return PA_OK;
}

static pa_status new_result_gradient(pa_program *p, const pa_result *r, pa_node *result) {
    if (r->is_value) {
        pa_program_rebind(p, r->gradient, (char *)&result->grad);
        return PA_OK;
    }
    PA_TRY(pa_node_need_array(result));
    PA_TRY(pa_node_new_like(result, &result->array->grad));
    PA_TRY(pa_node_need_storage(result->array->grad));
    pa_program_rebind(p, r->gradient, pa_node_data(result->array->grad));
    return PA_OK;
}

static pa_status new_view(const pa_program *p, pa_node *const *in, const pa_result *r, pa_node **out) {
    const pa_node *like = p->nodes[r->node];
    pa_node *base = final_tensor(p, in, r->buffer);
    return pa_node_view(base, like->dtype, like->ndim, pa_node_shape(like), pa_node_strides(like),
                        p->offset_of[r->node], out);
}

/* The first of several in one memory brings it, the others find it there. */
static pa_status new_in_memory(pa_program *p, int32_t i, pa_node **results) {
    const pa_result *r = &p->results[i];
    const pa_node *like = p->nodes[r->node];
    const pa_buffer *buffer = &p->buffers[r->buffer];
    pa_storage *memory = r->memory == i ? NULL : pa_node_storage(results[r->memory]);
    if (memory == NULL) PA_TRY(pa_storage_new(buffer->bytes, &memory));
    pa_status status = pa_node_over(like->dtype, like->ndim, pa_node_shape(like), pa_node_strides(like), memory,
                                    (char *)memory->data + p->offset_of[r->node], &results[i]);
    if (r->memory == i && status == PA_OK && buffer->kind == PA_BUFFER_RESULT)
        pa_program_rebind(p, r->buffer, memory->data);
    if (r->memory == i) pa_storage_release(memory);
    return status;
}

pa_status pa_program_new_results(pa_program *p, pa_node *const *in, pa_node **results) {
    for (int32_t i = 0; in != NULL && i < p->n_inputs; i++)
        if (p->inputs[i].result >= 0) results[p->inputs[i].result] = pa_node_retain(in[i]);
    for (int32_t i = 0; in != NULL && i < p->n_captured; i++)
        if (p->captured[i].result >= 0 && p->captured[i].input < 0)
            results[p->captured[i].result] = pa_node_retain(p->captured[i].node);
    for (int32_t i = 0; i < p->n_results; i++) {
        const pa_result *r = &p->results[i];
        const pa_node *like = p->nodes[r->node];
        if (results[i] == NULL && in != NULL && r->is_gradient)
            results[i] = pa_node_retain(final_tensor(p, in, r->buffer));
        if (results[i] != NULL) continue;
        if (r->is_view && in != NULL) {
            PA_TRY(new_view(p, in, r, &results[i]));
            continue;
        }
        bool shares = r->memory >= 0 && in != NULL;
        if (shares)
            PA_TRY(new_in_memory(p, i, results));
        else if (r->is_value)
            PA_TRY(pa_value_new(0, &results[i]));
        else
            PA_TRY(pa_node_new_like(like, &results[i]));
        if (!r->copied && !shares) pa_program_rebind(p, r->buffer, pa_node_data(results[i]));
        if (r->requires_grad) results[i]->flags |= PA_REQUIRES_GRAD;
        if (r->gradient >= 0) PA_TRY(new_result_gradient(p, r, results[i]));
    }
    return PA_OK;
}

/* Of one memory it is the first that has it filled. */
static void copy_memory(const pa_program *p, int32_t i, pa_node *result) {
    const pa_buffer *buffer = &p->buffers[p->results[i].buffer];
    if (p->results[i].memory == i && buffer->kind != PA_BUFFER_RESULT)
        memcpy(pa_node_storage(result)->data, buffer->at, buffer->bytes);
}

void pa_program_copy_results(const pa_program *p, bool is_run, pa_node *const *results) {
    for (int32_t i = 0; i < p->n_results; i++) {
        const pa_result *r = &p->results[i];
        bool is_wanted = is_run ? r->is_put : !r->is_place && !r->is_view;
        if (is_wanted && r->memory >= 0 && !is_run)
            copy_memory(p, i, results[i]);
        else if (is_wanted && r->copied)
            pa_node_gather(p->nodes[r->node], p->nodes[r->node]->dtype, pa_node_data(results[i]));
    }
}
