/* A walk over the tape with a node for each gradient, made by the ops of derivatives.h. */
#include "gradient_graph.h"

#include <string.h>

#include "derivatives.h"
#include "hold.h"
#include "kernels/kernels.h"
#include "record.h"
#include "table.h"

typedef struct graph_walk {
    pa_tape tape;
    const pa_backward_options *options;
    pa_table places;     /* of the tape's nodes, by their addresses */
    pa_node **gradients; /* of each leaf, then of each node; NULL where none has come */
    bool *wanted;        /* likewise: does it lead to what a gradient is asked for? */
    pa_builder builder;
    pa_hold hold;
} graph_walk;

/* Where a node stands, or the free entry for it. */
static int32_t *place_of(const graph_walk *w, const pa_node *node) {
    int32_t *entry = pa_table_first(&w->places, pa_hash_mix(0, (uintptr_t)node));
    while (*entry >= 0 && pa_tape_node(&w->tape, (size_t)*entry) != node) entry = pa_table_next(&w->places, entry);
    return entry;
}

static bool is_asked_for(const graph_walk *w, const pa_node *node) {
    const pa_backward_options *o = w->options;
    for (int i = 0; i < o->n_inputs; i++)
        if (o->inputs[i] == node) return true;
    return o->n_inputs == 0 && (!(node->flags & PA_LISTED) || node->flags & PA_RETAINS_GRAD);
}

static pa_status begin_walk(graph_walk *w) {
    size_t n = pa_tape_count(&w->tape);
    PA_TRY(pa_table_new(&w->places, n));
    w->gradients = pa_mem_alloc_array(n, sizeof(pa_node *));
    w->wanted = pa_mem_alloc_array(n, sizeof *w->wanted);
    if (w->gradients != NULL) memset(w->gradients, 0, n * sizeof(pa_node *));
    if (w->gradients == NULL || w->wanted == NULL) return PA_MEMORY;
    for (size_t i = 0; i < n; i++) {
        if (pa_node_is_hooked(pa_tape_node(&w->tape, i)))
            PA_TRY(pa_record_refuse("a backward with create_graph=True through a tensor that has hooks",
                                    "write what they do to its gradient as an autograd.Function"));
        *place_of(w, pa_tape_node(&w->tape, i)) = (int32_t)i;
        PA_TRY(pa_hold_add(&w->hold, pa_tape_node(&w->tape, i), PA_HOLD_NODE | PA_HOLD_READ));
        w->wanted[i] = is_asked_for(w, pa_tape_node(&w->tape, i));
    }
    for (size_t i = n; i-- > w->tape.n_leaves;) { /* a node's parents are behind it */
        const pa_node *node = pa_tape_node(&w->tape, i);
        for (int k = 0; k < node->n_parents && !w->wanted[i]; k++) {
            int32_t place = *place_of(w, pa_node_parent(node, k));
            w->wanted[i] = place >= 0 && w->wanted[place];
        }
    }
    return PA_OK;
}

static pa_status seed_walk(graph_walk *w, pa_node *root) {
    pa_builder *b = &w->builder;
    pa_node *seed = (pa_node *)(uintptr_t)w->options->gradient, *one = NULL;
    if (root->flags & PA_IS_VALUE) {
        seed = seed == NULL ? pa_build_value(b, 1.0) : seed;
    } else if (seed == NULL) {
        double number = 1.0;
        pa_status status = pa_node_new_like(root, &one);
        seed = pa_builder_take(b, status, one);
        if (seed != NULL) pa_k->convert[PA_FLOAT64][root->dtype](pa_node_data(seed), &number, 0, 1);
    } else {
        seed = pa_build_fit(b, seed, root);
    }
    if (seed != NULL) w->gradients[*place_of(w, root)] = pa_node_retain(seed);
    return b->status;
}

/* A gradient that arrives at a node. */
static pa_status arrive(graph_walk *w, int32_t place, pa_node *gradient) {
    pa_builder *b = &w->builder;
    pa_node *before = w->gradients[place];
    if (before != NULL && gradient != NULL) gradient = pa_build(b, PA_OP_add, before, gradient, NULL);
    PA_TRY(b->status);
    if (gradient == NULL) return PA_OK;
    w->gradients[place] = pa_node_retain(gradient);
    if (before != NULL) pa_node_release(before);
    return PA_OK;
}

/* Where a gradient arrives that is none, or infinite. */
static pa_status check_arrived(graph_walk *w, const pa_node *node, int operand, pa_node *gradient) {
    pa_node *flat = pa_node_is_contiguous(gradient) ? gradient : pa_build_copy(&w->builder, gradient);
    return flat == NULL ? w->builder.status : pa_check_finite(node, operand, pa_node_data(flat));
}

static pa_status walk_node(graph_walk *w, pa_node *node, pa_node *upstream) {
    pa_node *given[PA_MAX_FUNCTION_INPUTS] = {NULL};
    bool is_custom = node->op == PA_OP_custom && !(node->flags & PA_IS_VALUE);
    if (is_custom) {
        PA_TRY(pa_hook.custom_gradients(node, upstream, given));
        for (int i = 0; i < node->n_parents; i++)
            if (given[i] != NULL) pa_builder_take(&w->builder, PA_OK, given[i]);
    }
    for (int i = 0; i < node->n_parents; i++) {
        pa_node *parent = pa_node_parent(node, i);
        int32_t place = *place_of(w, parent);
        if (place < 0 || !w->wanted[place] || !pa_node_requires_grad(parent)) continue;
        pa_node *gradient =
            is_custom ? pa_build_fit(&w->builder, given[i], parent) : pa_graph_gradient(&w->builder, node, i, upstream);
        PA_TRY(arrive(w, place, gradient));
        if (w->options->detect_anomaly && w->gradients[place] != NULL)
            PA_TRY(check_arrived(w, node, i, w->gradients[place]));
    }
    pa_builder_clear(&w->builder);
    return PA_OK;
}

/* Leaves come last: their hooks see the gradient before it is added to the one that was there. */
static pa_status walk_nodes(graph_walk *w) {
    size_t n = pa_tape_count(&w->tape), leaves = w->tape.n_leaves;
    for (size_t i = 0; i < n; i++) {
        size_t place = (leaves + i) % n;
        pa_node *node = pa_tape_node(&w->tape, place);
        if (w->gradients[place] == NULL || !w->wanted[place]) continue;
        if (i % PA_POLL_NODES == PA_POLL_NODES - 1 && pa_hook.interrupted()) return PA_PYTHON;
        if (pa_node_is_hooked(node)) PA_TRY(pa_hook.hooked_gradient(node, false, &w->gradients[place]));
        if (place >= leaves) PA_TRY(walk_node(w, node, w->gradients[place]));
    }
    return PA_OK;
}

/* What a node's .grad becomes: a tensor of its own, added to the one that it has. */
static pa_status own_gradient(graph_walk *w, size_t i) {
    pa_builder *b = &w->builder;
    pa_node *node = pa_tape_node(&w->tape, i), *fresh = w->gradients[i];
    PA_TRY(pa_node_need_array(node));
    pa_node *before = node->array->grad;
    if (pa_recording() != NULL) pa_record_entry(PA_ENTRY_GRAD_OF, 1, &node, before);
    if (before != NULL)
        fresh = pa_build(b, PA_OP_add, before, fresh, NULL);
    else if (fresh->refs > 1 || !pa_node_is_contiguous(fresh) || fresh->flags & PA_IS_VIEW)
        fresh = pa_build_copy(b, fresh);
    PA_TRY(b->status);
    PA_TRY(pa_node_need_storage(fresh)); /* where a backward counts its writes */
    if (fresh == w->gradients[i]) return PA_OK;
    pa_node_release(w->gradients[i]);
    w->gradients[i] = pa_node_retain(fresh);
    return PA_OK;
}

static pa_status commit_walk(graph_walk *w) {
    size_t n = pa_tape_count(&w->tape);
    for (size_t i = 0; i < n; i++) {
        const pa_node *node = pa_tape_node(&w->tape, i);
        PA_FAIL_IF(is_asked_for(w, node) && node->flags & PA_IS_VALUE, PA_UNSUPPORTED,
                   "backward: create_graph=True of a tensor that depends on Values; take the gradient of a Value, with "
                   "scalar.grad");
        if (w->gradients[i] != NULL && is_asked_for(w, node)) PA_TRY(own_gradient(w, i));
    }
    for (size_t i = 0; i < n; i++) {
        pa_node *node = pa_tape_node(&w->tape, i);
        if (w->gradients[i] == NULL || !is_asked_for(w, node)) continue;
        pa_node *before = node->array->grad, *pair[2] = {node, w->gradients[i]};
        node->array->grad = pa_node_retain(w->gradients[i]);
        if (before != NULL) pa_node_release(before);
        if (pa_recording() != NULL) pa_record_entry(PA_ENTRY_SET_GRAD, 2, pair, NULL);
    }
    for (size_t i = 0; i < w->tape.n_leaves; i++)
        if (w->gradients[i] != NULL && pa_node_is_hooked(w->tape.leaves[i]))
            PA_TRY(pa_hook.hooked_gradient(w->tape.leaves[i], true, NULL));
    return PA_OK;
}

static void end_walk(graph_walk *w) {
    size_t n = pa_tape_count(&w->tape);
    pa_hold_end(&w->hold);
    for (size_t i = 0; w->gradients != NULL && i < n; i++)
        if (w->gradients[i] != NULL) pa_node_release(w->gradients[i]);
    pa_builder_free(&w->builder);
    pa_mem_free_array(w->gradients, n, sizeof(pa_node *));
    pa_mem_free_array(w->wanted, n, sizeof *w->wanted);
    pa_table_free(&w->places);
}

static pa_status run_walk(graph_walk *w, pa_node *root) {
    PA_TRY(pa_tape_check(&w->tape));
    PA_TRY(begin_walk(w));
    pa_hold_begin(&w->hold);
    PA_TRY(seed_walk(w, root));
    PA_TRY(walk_nodes(w));
    pa_hold_end(&w->hold);
    if (w->options->n_inputs == 0) return commit_walk(w);
    for (int k = 0; k < w->options->n_inputs; k++) {
        int32_t place = *place_of(w, w->options->inputs[k]);
        pa_node *found = place < 0 ? NULL : w->gradients[place];
        w->options->results[k] = found == NULL ? NULL : pa_node_retain(found);
    }
    return PA_OK;
}

pa_status pa_gradient_graph(pa_node *root, const pa_backward_options *options) {
    PA_TRY(pa_recording() != NULL && options->detect_anomaly
               ? pa_record_refuse("backward: create_graph=True under detect_anomaly", "look for anomalies eagerly")
               : PA_OK);
    graph_walk w;
    memset(&w, 0, sizeof w);
    w.options = options;
    PA_TRY(pa_tape_list_opened(root, false, true, &w.tape));
    pa_node_retain(root);
    bool enabled = pa_grad_enable(true);
    pa_status status = run_walk(&w, root);
    pa_grad_enable(enabled);
    end_walk(&w);
    if (status == PA_OK && pa_lets_go(options, root)) pa_tape_free_graph(&w.tape, options);
    pa_hold_free(&w.hold);
    pa_tape_free(&w.tape);
    pa_node_release(root);
    return status;
}
