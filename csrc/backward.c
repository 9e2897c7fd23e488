/* The sweep: reserve, sweep, commit. */
#include "backward.h"

#include <string.h>

#include "apply.h"
#include "gradient_graph.h"
#include "hold.h"
#include "kernels/kernels.h"
#include "kernels/stream.h"
#include "record.h"
#include "scalar.h"

/* ---- reserve ---- */

/* A sweep under way. Gradient buffers are storages: a leaf's becomes its .grad without a copy. */
typedef struct sweep {
    pa_tape tape;
    const pa_backward_options *options;
    pa_storage **buffers; /* every storage reserved, to be released at the end */
    size_t n_buffers, buffers_capacity;
    pa_storage **idle; /* those of nodes that have been swept, for others to use */
    size_t n_idle, idle_capacity;
    double *value_grads;  /* of each leaf, then of each node, that is a Value: its gradient before the sweep */
    bool reserved;        /* nodes' grad_data is this sweep's, no other's */
    pa_node **grad_nodes; /* of each leaf, then of each node: what becomes its .grad, or NULL */
    void *scratch;
    size_t scratch_bytes;
    double cost;
    bool runs_python; /* an op written in Python, or a hook, is among the nodes */
    bool hooked;      /* a hook is */
    pa_hold hold;
} sweep;

static pa_status reserve_buffer(sweep *s, size_t bytes, pa_storage **out) {
    PA_TRY(pa_mem_reserve(&s->buffers, &s->buffers_capacity, s->n_buffers + 1, sizeof *s->buffers));
    PA_TRY(pa_storage_new(bytes, out));
    s->buffers[s->n_buffers++] = *out;
    return PA_OK;
}

/* A buffer that a node is done with once it has been swept, of at least the size and at most twice; else a new one. */
static pa_status reserve_inner(sweep *s, size_t bytes, pa_storage **out) {
    size_t best = s->n_idle;
    for (size_t i = 0; i < s->n_idle; i++) {
        size_t size = s->idle[i]->bytes;
        if (size >= bytes && size <= 2 * bytes && (best == s->n_idle || size < s->idle[best]->bytes)) best = i;
    }
    if (best == s->n_idle) return reserve_buffer(s, bytes, out);
    *out = s->idle[best];
    s->idle[best] = s->idle[--s->n_idle];
    return PA_OK;
}

/* Is the gradient of this inner node wanted after the sweep? */
static bool is_kept(const sweep *s, const pa_node *node) {
    if (s->options->n_inputs == 0) return (node->flags & PA_RETAINS_GRAD) != 0;
    for (int i = 0; i < s->options->n_inputs; i++)
        if (s->options->inputs[i] == node) return true;
    return false;
}

static pa_status reserve_for_node(sweep *s, pa_node *node) {
    size_t scratch = pa_node_scratch(node);
    if (scratch > s->scratch_bytes) s->scratch_bytes = scratch;
    s->cost += pa_node_cost(node);
    if (node->op == PA_OP_custom || (node->op == PA_OP_program && pa_node_composite(node)->runs_python))
        s->runs_python = true;
    s->hooked |= pa_node_is_hooked(node);
    for (int i = 0; i < node->n_parents; i++) {
        pa_node *parent = pa_node_parent(node, i);
        if (!(parent->flags & PA_LISTED) || !pa_node_requires_grad(parent) || parent->flags & PA_IS_VALUE ||
            parent->grad_data != NULL)
            continue;
        pa_storage *buffer = NULL;
        PA_TRY(is_kept(s, parent) ? reserve_buffer(s, pa_node_bytes(parent), &buffer)
                                  : reserve_inner(s, pa_node_bytes(parent), &buffer));
        parent->grad_data = buffer->data;
    }
    if (!(node->flags & PA_IS_VALUE) && !is_kept(s, node)) {
        PA_TRY(pa_mem_reserve(&s->idle, &s->idle_capacity, s->n_idle + 1, sizeof *s->idle));
        s->idle[s->n_idle++] = pa_storage_of(node->grad_data);
    }
    return PA_OK;
}

static pa_status new_grad_node(const pa_node *like, pa_storage *storage, pa_node **out) {
    int64_t strides[PA_MAX_NDIM];
    pa_row_major(like->ndim, pa_node_shape(like), strides);
    return pa_node_over(like->dtype, like->ndim, pa_node_shape(like), strides, storage, storage->data, out);
}

static pa_status reserve_leaf(sweep *s, size_t i) {
    pa_node *leaf = s->tape.leaves[i];
    if (leaf->flags & PA_IS_VALUE) {
        leaf->flags |= PA_GRAD_FILLED; /* Values accumulate */
        return PA_OK;
    }
    PA_TRY(pa_node_need_array(leaf));
    s->hooked |= pa_node_is_hooked(leaf);
    pa_storage *buffer = NULL;
    PA_TRY(reserve_buffer(s, pa_node_bytes(leaf), &buffer));
    leaf->grad_data = buffer->data;
    return new_grad_node(leaf, buffer, &s->grad_nodes[i]);
}

static pa_status reserve(sweep *s, pa_node *root) {
    size_t leaves = s->tape.n_leaves, kept = leaves + s->tape.n_nodes;
    s->value_grads = pa_mem_alloc_array(kept + 1, sizeof *s->value_grads);
    if (s->value_grads == NULL) return PA_MEMORY;
    s->grad_nodes = pa_mem_alloc_array(kept + 1, sizeof *s->grad_nodes);
    if (s->grad_nodes == NULL) return PA_MEMORY;
    memset(s->grad_nodes, 0, (kept + 1) * sizeof *s->grad_nodes);
    s->reserved = true;
    for (size_t i = 0; i < kept; i++) {
        pa_node *node = pa_tape_node(&s->tape, i);
        node->flags &= (uint16_t)~PA_GRAD_FILLED;
        if (node->flags & PA_IS_VALUE)
            s->value_grads[i] = node->grad;
        else
            node->grad_data = NULL;
    }
    for (size_t i = 0; i < leaves; i++) PA_TRY(reserve_leaf(s, i));
    if (!(root->flags & PA_IS_VALUE) && root->flags & PA_LISTED) {
        pa_storage *buffer = NULL;
        PA_TRY(reserve_buffer(s, pa_node_bytes(root), &buffer));
        root->grad_data = buffer->data;
    }
    for (size_t i = 0; i < s->tape.n_nodes; i++) {
        pa_node *node = s->tape.nodes[i];
        PA_TRY(reserve_for_node(s, node));
        if (node->flags & PA_IS_VALUE || !is_kept(s, node)) continue;
        PA_TRY(pa_node_need_array(node));
        PA_TRY(new_grad_node(node, pa_storage_of(node->grad_data), &s->grad_nodes[leaves + i]));
    }
    s->runs_python |= s->hooked;
    if (s->scratch_bytes > 0) {
        s->scratch = pa_mem_alloc(s->scratch_bytes);
        if (s->scratch == NULL) return PA_MEMORY;
    }
    return PA_OK;
}

/* ---- sweep ---- */

static void seed(pa_node *root, const pa_node *gradient) {
    root->flags |= PA_GRAD_FILLED;
    if (root->flags & PA_IS_VALUE) {
        root->grad = gradient == NULL ? 1.0 : pa_node_number(gradient);
        return;
    }
    if (gradient != NULL) {
        pa_node_gather(gradient, root->dtype, root->grad_data);
        return;
    }
    double one = 1.0;
    pa_k->convert[PA_FLOAT64][root->dtype](root->grad_data, &one, 0, 1);
}

static pa_status check_anomaly(const pa_node *node) {
    for (int i = 0; i < node->n_parents; i++) {
        const pa_node *parent = pa_node_parent(node, i);
        if (!pa_node_requires_grad(parent) || !(parent->flags & PA_GRAD_FILLED)) continue;
        PA_TRY(pa_check_finite(node, i, parent->flags & PA_IS_VALUE ? (const void *)&parent->grad : parent->grad_data));
    }
    return PA_OK;
}

/* requires_grad_(False) may have been called on a leaf after it was used. */
static bool is_wanted(const pa_node *node) {
    for (int i = 0; i < node->n_parents; i++)
        if (pa_node_requires_grad(pa_node_parent(node, i))) return true;
    return false;
}

/* Python runs in the caller's floating-point mode, and may leave another one behind. */
static pa_status run_hooks(pa_node *node, pa_fpmode *mode) {
    pa_fpmode_flush(mode, false);
    pa_status status = pa_hook.hooked_gradient(node, false, NULL);
    *mode = pa_fpmode_open();
    return status;
}

/* Hooks of leaves see the gradient that this sweep has made, before it is added to the one that was there. */
static pa_status run_hooks_of_leaves(sweep *s, pa_fpmode *mode) {
    for (size_t i = 0; i < s->tape.n_leaves; i++) {
        pa_node *leaf = s->tape.leaves[i];
        bool wanted = s->options->n_inputs == 0 || is_kept(s, leaf);
        if (pa_node_is_hooked(leaf) && wanted && leaf->flags & PA_GRAD_FILLED) PA_TRY(run_hooks(leaf, mode));
    }
    return PA_OK;
}

static pa_status run_nodes(sweep *s, bool released, pa_fpmode *mode) {
    double polled = released ? pa_now_ms() : 0;
    for (size_t i = 0; i < s->tape.n_nodes; i++) {
        pa_node *node = s->tape.nodes[i];
        if (!(node->flags & PA_GRAD_FILLED)) continue; /* no gradient came */
        if (s->hooked && pa_node_is_hooked(node)) PA_TRY(run_hooks(node, mode));
        if (!is_wanted(node)) continue; /* none goes further */
        pa_fpmode_flush(mode, pa_backward_flushes(node));
        if (node->flags & PA_IS_VALUE && node->op != PA_OP_program_result) {
            for (int j = 0; j < node->n_parents; j++) {
                pa_node *parent = pa_node_parent(node, j);
                if (!(parent->flags & PA_IS_VALUE)) continue;
                if (!(parent->flags & PA_GRAD_FILLED)) parent->grad = 0;
                parent->flags |= PA_GRAD_FILLED;
            }
            PA_TRY(pa_value_backward_step(node));
        } else {
            PA_TRY(pa_op_function[node->op].backward(node, s->scratch));
        }
        if (node->op == PA_OP_custom) *mode = pa_fpmode_open();
        if (s->options->detect_anomaly) PA_TRY(check_anomaly(node));
        if (released && pa_now_ms() - polled > PA_POLL_MS) {
            pa_fpmode_flush(mode, false);
            if (pa_hook.interrupted()) return PA_PYTHON;
            *mode = pa_fpmode_open();
            polled = pa_now_ms();
        }
    }
    return s->hooked ? run_hooks_of_leaves(s, mode) : PA_OK;
}

static pa_status run(sweep *s, bool released) {
    pa_fpmode mode = pa_fpmode_open();
    pa_status status = run_nodes(s, released, &mode);
    pa_fpmode_flush(&mode, false);
    return status;
}

/* A sweep during which other threads, or Python that it runs itself, may touch the graph. A long one goes without the
   GIL. */
static pa_status run_guarded(sweep *s) {
    for (size_t i = 0; i < pa_tape_count(&s->tape); i++)
        PA_TRY(pa_hold_add(&s->hold, pa_tape_node(&s->tape, i), PA_HOLD_NODE | PA_HOLD_READ));
    bool release = s->cost >= PA_LONG_WORK;
    pa_hold_begin(&s->hold);
    void *token = release ? pa_hook.leave_python() : NULL;
    pa_status status = run(s, release);
    if (release) pa_hook.enter_python(token);
    pa_hold_end(&s->hold);
    return status;
}

/* ---- commit ---- */

/* The fresh gradient becomes the node's, or is added to the one it has. */
static void adopt(pa_node *node, pa_node **fresh) {
    pa_node *grad = node->array->grad;
    if (grad == NULL) {
        node->array->grad = *fresh;
        *fresh = NULL;
        return;
    }
    pa_stream to;
    pa_stream_open_node(&to, grad, grad);
    pa_fpmode mode = pa_fpmode_open();
    pa_fpmode_flush(&mode, pa_backward_flushes(node));
    pa_stream_add(&to, (pa_dtype)(*fresh)->dtype, pa_node_data(*fresh), pa_node_numel(grad));
    pa_fpmode_flush(&mode, false);
    if (pa_node_storage(grad) != NULL) pa_node_end_write(grad);
}

static void commit(sweep *s) {
    for (size_t i = 0; i < pa_tape_count(&s->tape); i++)
        if (s->grad_nodes[i] != NULL && pa_tape_node(&s->tape, i)->flags & PA_GRAD_FILLED)
            adopt(pa_tape_node(&s->tape, i), &s->grad_nodes[i]);
}

/* Hooks that wait for a leaf's .grad. The graph may be gone; the sweep still holds its nodes. */
static pa_status tell_accumulated(const sweep *s) {
    for (size_t i = 0; s->hooked && i < s->tape.n_leaves; i++) {
        pa_node *leaf = s->tape.leaves[i];
        if (pa_node_is_hooked(leaf) && leaf->flags & PA_GRAD_FILLED) PA_TRY(pa_hook.hooked_gradient(leaf, true, NULL));
    }
    return PA_OK;
}

static void hand_out(sweep *s) {
    const pa_backward_options *options = s->options;
    for (int k = 0; k < options->n_inputs; k++) {
        options->results[k] = NULL;
        for (size_t i = 0; i < pa_tape_count(&s->tape); i++) {
            pa_node *node = pa_tape_node(&s->tape, i);
            if (node != options->inputs[k] || s->grad_nodes[i] == NULL || !(node->flags & PA_GRAD_FILLED)) continue;
            options->results[k] = pa_node_retain(s->grad_nodes[i]);
        }
    }
}

/* A sweep that failed, or whose gradients are handed out, leaves no trace in Values. */
static void restore_values(const sweep *s) {
    for (size_t i = 0; i < pa_tape_count(&s->tape); i++)
        if (pa_tape_node(&s->tape, i)->flags & PA_IS_VALUE) pa_tape_node(&s->tape, i)->grad = s->value_grads[i];
}

static void clean_up(sweep *s) {
    size_t n = pa_tape_count(&s->tape);
    for (size_t i = 0; s->reserved && i < n; i++)
        if (!(pa_tape_node(&s->tape, i)->flags & PA_IS_VALUE)) pa_tape_node(&s->tape, i)->grad_data = NULL;
    if (s->grad_nodes != NULL) {
        for (size_t i = 0; i < n; i++)
            if (s->grad_nodes[i] != NULL) pa_node_release(s->grad_nodes[i]);
        pa_mem_free_array(s->grad_nodes, n + 1, sizeof *s->grad_nodes);
    }
    pa_mem_free_array(s->value_grads, n + 1, sizeof *s->value_grads);
    for (size_t i = 0; i < s->n_buffers; i++) pa_storage_release(s->buffers[i]);
    pa_mem_free(s->buffers, s->buffers_capacity * sizeof *s->buffers);
    pa_mem_free(s->idle, s->idle_capacity * sizeof *s->idle);
    pa_mem_free(s->scratch, s->scratch_bytes);
}

/* ---- one backward ---- */

static pa_status check_root(pa_node *root, const pa_backward_options *options) {
    PA_TRY(pa_check_freed(root));
    PA_FAIL_IF(!pa_node_requires_grad(root), PA_RUNTIME,
               "backward: this tensor of shape %s does not require grad and has no history", pa_node_shape_text(root));
    PA_FAIL_IF(
        options->gradient == NULL && pa_node_numel(root) != 1, PA_RUNTIME,
        "backward: a tensor of shape %s is no scalar; pass gradient= of that shape, or reduce it with sum() or mean()",
        pa_node_shape_text(root));
    PA_FAIL_IF(options->gradient != NULL && !pa_same_shape(options->gradient, root), PA_VALUE,
               "backward: gradient of shape %s for a tensor of shape %s", pa_node_shape_text(options->gradient),
               pa_node_shape_text(root));
    return PA_OK;
}

static pa_status differentiate(pa_node *root, const pa_backward_options *options) {
    if (root->flags & PA_PURE && options->n_inputs == 0 && options->gradient == NULL && !options->detect_anomaly)
        return pa_value_backward(root);
    sweep s;
    memset(&s, 0, sizeof s);
    s.options = options;
    PA_TRY(pa_tape_list(root, false, &s.tape));
    pa_node_retain(root);
    pa_status status = pa_tape_check(&s.tape);
    if (status == PA_OK) {
        status = reserve(&s, root);
        if (status == PA_OK) {
            seed(root, options->gradient);
            status = s.runs_python || s.cost >= PA_LONG_WORK ? run_guarded(&s) : run(&s, false);
            if (status != PA_OK || options->n_inputs > 0) restore_values(&s);
        }
        if (status == PA_OK) {
            if (options->n_inputs > 0)
                hand_out(&s);
            else
                commit(&s);
        }
    }
    clean_up(&s);
    if (status == PA_OK && pa_lets_go(options, root)) pa_tape_free_graph(&s.tape, options);
    if (status == PA_OK && options->n_inputs == 0) status = tell_accumulated(&s);
    pa_hold_free(&s.hold);
    pa_tape_free(&s.tape);
    pa_node_release(root);
    return status;
}

pa_status pa_backward(pa_node *root, const pa_backward_options *options) {
    PA_TRY(pa_record_mention(root)); /* with the gradient that it has before */
    for (int i = 0; i < options->n_inputs; i++) PA_TRY(pa_record_mention((pa_node *)(uintptr_t)options->inputs[i]));
    PA_TRY(check_root(root, options));
    if (options->n_inputs == 0) PA_TRY(pa_record_check_shared_gradients());
    if (options->create_graph) return pa_gradient_graph(root, options); /* whose ops are in the log */
    PA_TRY(differentiate(root, options));
    if (pa_recording() == NULL) return PA_OK;
    pa_node *in[2] = {root, (pa_node *)(uintptr_t)options->gradient};
    pa_entry_kind kind = options->n_inputs > 0 ? PA_ENTRY_GRAD : PA_ENTRY_BACKWARD;
    int64_t detects = 1;
    pa_record_attributes(kind, options->gradient != NULL ? 2 : 1, in, NULL, options->detect_anomaly, &detects, 0, NULL);
    for (int i = 0; i < options->n_inputs; i++) {
        in[0] = (pa_node *)(uintptr_t)options->inputs[i];
        pa_record_entry(PA_ENTRY_GRAD_FOUND, 1, in, options->results[i]);
    }
    return PA_OK;
}
