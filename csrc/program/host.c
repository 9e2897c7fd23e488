/* Host calls: Python in the middle of a program.

   What Python finds then is what it would find in the plain call. Data of captured tensors are where they always are;
   gradients, which a program hands on at its end, are handed on before the call as far as they have come. What Python
   leaves is what the program goes on with: data and gradients that it wrote into, or a gradient tensor that it put in
   the place of another. What the program cannot follow, a gradient that appears or goes, raises. */
#include "host.h"

#include <string.h>

#include "bind.h"

/* The buffer is where the tensor has its gradient, or will have it. */
static bool is_its_own(const pa_captured *c, int32_t state) { return state == c->entry || state == c->gradient; }

static pa_status show_gradient(pa_program *p, pa_captured *c, pa_node *node, int32_t state) {
    if (node->flags & PA_IS_VALUE) {
        if (state == PA_GRADIENT_CLEARED) node->grad = 0;
        if (state >= 0 && !is_its_own(c, state)) node->grad = *(const double *)(const void *)pa_buffer_at(p, state);
        return PA_OK;
    }
    pa_node *shown = NULL;
    if (state == PA_GRADIENT_AS_FOUND || (state >= 0 && state == c->entry)) return PA_OK;
    if (state >= 0 && state == c->gradient) {
        if (c->fresh == NULL) return PA_OK; /* an earlier host call was shown it */
        shown = c->fresh;
        c->fresh = NULL;
    } else if (state >= 0) {
        PA_TRY(pa_node_new_like(node, &shown));
        memcpy(pa_node_data(shown), pa_buffer_at(p, state), pa_node_bytes(node));
    }
    PA_TRY(pa_node_need_array(node));
    pa_node *old = node->array->grad;
    node->array->grad = shown;
    if (old != NULL) pa_node_release(old);
    return PA_OK;
}

static pa_status refuse_change(const pa_node *node, const char *what) {
    return pa_fail(
        PA_RUNTIME,
        "compile: a host call changed %s of a tensor of shape %s, which the step goes on using: write into it "
        "in place, or do that outside the step",
        what, pa_node_shape_text(node));
}

static pa_status take_gradient(pa_program *p, const pa_captured *c, pa_node *node, int32_t state) {
    if (node->flags & PA_IS_VALUE) {
        if (state == PA_GRADIENT_CLEARED && node->grad != 0) return refuse_change(node, "the gradient");
        if (state >= 0 && !is_its_own(c, state)) *(double *)(void *)pa_buffer_at(p, state) = node->grad;
        return PA_OK;
    }
    pa_node *grad = node->array == NULL ? NULL : node->array->grad;
    if (state == PA_GRADIENT_AS_FOUND) {
        if (c->entry_matters && (grad != NULL) != c->entry_present)
            return refuse_change(node, "whether there is a gradient");
        state = c->entry;
        if (state < 0) return PA_OK;
    }
    if ((state >= 0) != (grad != NULL)) return refuse_change(node, "whether there is a gradient");
    if (state < 0) return PA_OK;
    if (grad->dtype != node->dtype || !pa_same_shape(grad, node) || !pa_node_is_contiguous(grad))
        return refuse_change(node, "the layout of the gradient");
    PA_TRY(pa_node_need_storage(grad));
    if (is_its_own(c, state))
        pa_program_rebind(p, state, pa_node_data(grad));
    else
        memcpy(pa_buffer_at(p, state), pa_node_data(grad), pa_node_bytes(grad));
    return PA_OK;
}

static pa_status before(pa_program *p, const pa_instruction *i) {
    for (int32_t k = 0; k < p->n_captured; k++) p->captured[k].shown = false;
    for (int k = 0; k < i->n_leaves; k++) {
        const int32_t *leaf = p->pool + i->leaves + k * PA_LEAF_FIELDS;
        pa_captured *c = &p->captured[leaf[PA_LEAF_CAPTURED]];
        pa_node *node = pa_captured_node(c, p->in);
        node->flags &= (uint16_t)~PA_REQUIRES_GRAD;
        node->flags |= (uint16_t)(leaf[PA_LEAF_REQUIRES_GRAD] ? PA_REQUIRES_GRAD : 0);
        PA_TRY(show_gradient(p, c, node, leaf[PA_LEAF_GRADIENT]));
        c->shown = true;
    }
    return PA_OK;
}

static pa_status take(pa_program *p, const pa_captured *c, bool requires_grad, int32_t state) {
    pa_node *node = pa_captured_node(c, p->in);
    const pa_buffer *data = c->buffer >= 0 ? &p->buffers[c->buffer] : NULL;
    if (data != NULL && (data->bytes != pa_node_bytes(node) || !pa_node_is_contiguous(node)))
        return refuse_change(node, "the dtype or the layout");
    if (data != NULL && data->at != pa_node_data(node)) pa_program_rebind(p, c->buffer, pa_node_data(node));
    if (pa_node_requires_grad(node) != requires_grad) return refuse_change(node, "requires_grad");
    return take_gradient(p, c, node, state);
}

static pa_status after(pa_program *p, const pa_instruction *i) {
    for (int k = 0; k < i->n_leaves; k++) {
        const int32_t *leaf = p->pool + i->leaves + k * PA_LEAF_FIELDS;
        PA_TRY(take(p, &p->captured[leaf[PA_LEAF_CAPTURED]], leaf[PA_LEAF_REQUIRES_GRAD] != 0, leaf[PA_LEAF_GRADIENT]));
    }
    for (const pa_captured *c = p->captured; c < p->captured + p->n_captured; c++)
        if (!c->shown) PA_TRY(take(p, c, c->requires_grad, PA_GRADIENT_AS_FOUND));
    return PA_OK;
}

/* Nobody writes what a sweep reads until its end: the leaves that it comes to. */
static pa_status hold_leaves(const pa_program *p, pa_hold *hold) {
    for (const pa_captured *c = p->captured; c < p->captured + p->n_captured; c++)
        if (c->swept || c->meets_hooks)
            PA_TRY(pa_hold_add(hold, pa_captured_node(c, p->in), PA_HOLD_NODE | PA_HOLD_READ));
    pa_hold_begin(hold);
    return PA_OK;
}

static pa_status call(pa_program *p, void *owner, const pa_instruction *i) {
    const pa_host *host = &p->hosts[i->source];
    const int32_t *at = p->pool + i->targets;
    pa_node **nodes = pa_mem_alloc_array((size_t)(i->n + host->n_results) + 1, sizeof *nodes);
    if (nodes == NULL) return PA_MEMORY;
    for (int32_t k = 0; k < i->n + host->n_results; k++) nodes[k] = p->nodes[at[k]];
    pa_status status =
        pa_hook.call_host(owner, host->function, host->keeps_history, i->n, nodes, host->n_results, nodes + i->n);
    pa_mem_free_array(nodes, (size_t)(i->n + host->n_results) + 1, sizeof *nodes);
    return status;
}

/* A sweep of the caller's graph adds to no .grad yet, and what the call read may have changed by then: nothing is shown
   to Python, or taken from it, but the gradient that has come. */
static pa_status call_callers_hooks(pa_program *p, const pa_instruction *i) {
    const int32_t *at = p->pool + i->targets;
    bool comes = p->history.present[p->buffer_of[at[0]]];
    p->history.present[p->buffer_of[at[1]]] = comes;
    return comes ? call(p, NULL, i) : PA_OK;
}

pa_status pa_host_call(pa_program *p, const pa_instruction *i) {
    if (p->history.present != NULL) return call_callers_hooks(p, i);
    PA_TRY(before(p, i));
    pa_hold hold = {0};
    pa_status status = p->hosts[i->source].is_hook ? hold_leaves(p, &hold) : PA_OK;
    if (status == PA_OK) status = call(p, p->owner, i);
    pa_hold_free(&hold);
    return status == PA_OK ? after(p, i) : status;
}

/* The same of a Function. */
static pa_status run_callers_backward(pa_program *p, const pa_instruction *i, bool *given) {
    const pa_host *host = &p->hosts[i->source];
    PA_TRY(pa_hook.call_host_backward(NULL, host->function, p->nodes[i->node], NULL, given));
    for (int k = 0; k < i->n; k++) {
        int32_t target = p->pool[i->targets + k];
        if (given[k] || target < 0 || target & PA_TARGET_ACCUMULATES) continue;
        p->history.present[target] = false;
        pa_no_gradient(pa_buffer_at(p, target), pa_node_parent(p->nodes[i->node], k)->dtype, p->buffers[target].bytes);
    }
    return PA_OK;
}

pa_status pa_host_backward(pa_program *p, const pa_instruction *i) {
    const pa_host *host = &p->hosts[i->source];
    pa_node *node = p->nodes[i->node];
    bool given[PA_MAX_FUNCTION_INPUTS];
    if (p->history.present != NULL) return run_callers_backward(p, i, given);
    PA_TRY(before(p, i));
    const int32_t *wanted = p->pool + i->targets + i->n;
    pa_hold hold = {0};
    pa_status status = hold_leaves(p, &hold);
    if (status == PA_OK) status = pa_hook.call_host_backward(p->owner, host->function, node, wanted, given);
    pa_hold_free(&hold);
    return status == PA_OK ? after(p, i) : status;
}
