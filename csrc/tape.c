/* The steps of a backward: list, reserve, sweep, commit; and a backward whose gradients are a graph. */
#include "tape.h"

#include <math.h>
#include <string.h>

#include "apply.h"
#include "derivatives.h"
#include "hold.h"
#include "kernels/kernels.h"
#include "kernels/stream.h"
#include "record.h"
#include "scalar.h"
#include "table.h"

/* ---- list ---- */

static pa_status push(pa_node ***list, size_t *n, size_t *capacity, pa_node *node) {
    PA_TRY(pa_mem_reserve(list, capacity, *n + 1, sizeof **list));
    (*list)[(*n)++] = node;
    return PA_OK;
}

void pa_tape_free(pa_tape *tape) {
    pa_mem_free(tape->nodes, tape->nodes_capacity * sizeof(pa_node *));
    pa_mem_free(tape->leaves, tape->leaves_capacity * sizeof(pa_node *));
    memset(tape, 0, sizeof *tape);
}

static pa_status list_marked(pa_node *root, bool every_leaf, pa_tape *tape) {
    uint32_t epoch = pa_graph_next_epoch();
    size_t waiting = 1;
    root->mark = epoch;
    if (!(root->flags & PA_LISTED)) return push(&tape->leaves, &tape->n_leaves, &tape->leaves_capacity, root);
    for (pa_node *node = root; waiting > 0; node = node->older) {
        if (node->mark != epoch) continue;
        waiting--;
        PA_TRY(push(&tape->nodes, &tape->n_nodes, &tape->nodes_capacity, node));
        for (int i = 0; i < node->n_parents; i++) {
            pa_node *parent = pa_node_parent(node, i);
            if (parent->mark == epoch || !(every_leaf || pa_node_requires_grad(parent))) continue;
            parent->mark = epoch;
            if (parent->flags & PA_LISTED)
                waiting++;
            else
                PA_TRY(push(&tape->leaves, &tape->n_leaves, &tape->leaves_capacity, parent));
        }
    }
    return PA_OK;
}

pa_status pa_tape_list(pa_node *root, bool every_leaf, pa_tape *tape) {
    memset(tape, 0, sizeof *tape);
    pa_status status = list_marked(root, every_leaf, tape);
    if (status != PA_OK) pa_tape_free(tape);
    return status;
}

static pa_status check_freed(const pa_node *node) {
    PA_FAIL_IF(node->flags & PA_FREED, PA_RUNTIME,
               "backward: the graph behind this tensor of shape %s was freed by an earlier backward(); "
               "call that one with retain_graph=True",
               pa_node_shape_text(node));
    return PA_OK;
}

/* Has anything that this node's backward reads been written in place since? */
static pa_status check_versions(const pa_node *node) {
    if (node->op == PA_OP_program) return pa_node_composite(node)->check(node);
    unsigned reads = pa_op_table[node->op].effects;
    for (int i = 0; i < node->n_parents && i < PA_MAX_OPERANDS; i++) {
        const pa_node *parent = pa_node_parent(node, i);
        if (!(reads & (READS_A << i)) || node->array == NULL || parent->flags & PA_IS_VALUE) continue;
        PA_FAIL_IF(pa_node_version(parent) != node->array->versions[i], PA_RUNTIME,
                   "backward: %s needs its operand %d of shape %s as it was, but it was modified in place since",
                   pa_op_table[node->op].name, i, pa_node_shape_text(parent));
    }
    PA_FAIL_IF(reads & READS_OUT && pa_node_version(node) != 0 && !(node->flags & PA_IS_VALUE), PA_RUNTIME,
               "backward: %s needs its result of shape %s as it was, but it was modified in place since",
               pa_op_table[node->op].name, pa_node_shape_text(node));
    return PA_OK;
}

pa_status pa_tape_check(const pa_tape *tape) {
    for (size_t i = 0; i < tape->n_nodes; i++) {
        PA_FAIL_IF(tape->nodes[i]->flags & PA_BUSY, PA_RUNTIME,
                   "backward: another one, in another thread or around this one, is running through this graph");
        PA_TRY(check_versions(tape->nodes[i]));
    }
    for (size_t i = 0; i < tape->n_leaves; i++) {
        PA_TRY(check_freed(tape->leaves[i]));
        PA_FAIL_IF(tape->leaves[i]->flags & PA_BUSY, PA_RUNTIME,
                   "backward: another thread is running backward through the same model (a leaf of shape %s)",
                   pa_node_shape_text(tape->leaves[i]));
    }
    return PA_OK;
}

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

/* Node i of a sweep: its leaves come first, then its inner nodes. */
static pa_node *node_at(const sweep *s, size_t i) {
    return i < s->tape.n_leaves ? s->tape.leaves[i] : s->tape.nodes[i - s->tape.n_leaves];
}

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
    if (node->op == PA_OP_custom) s->runs_python = true;
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
        pa_node *node = node_at(s, i);
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
    if (s->hooked) {
        PA_TRY(pa_record_refuse("a backward through a tensor that has hooks",
                                "write what they do to its gradient behind backward(), or as an autograd.Function"));
        s->runs_python = true;
    }
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
    for (size_t i = 0; i < s->tape.n_leaves + s->tape.n_nodes; i++)
        PA_TRY(pa_hold_add(&s->hold, node_at(s, i), PA_HOLD_NODE | PA_HOLD_READ));
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
    for (size_t i = 0; i < s->tape.n_leaves + s->tape.n_nodes; i++)
        if (s->grad_nodes[i] != NULL && node_at(s, i)->flags & PA_GRAD_FILLED) adopt(node_at(s, i), &s->grad_nodes[i]);
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
        for (size_t i = 0; i < s->tape.n_leaves + s->tape.n_nodes; i++) {
            pa_node *node = node_at(s, i);
            if (node != options->inputs[k] || s->grad_nodes[i] == NULL || !(node->flags & PA_GRAD_FILLED)) continue;
            options->results[k] = pa_node_retain(s->grad_nodes[i]);
        }
    }
}

/* A sweep that failed, or whose gradients are handed out, leaves no trace in Values. */
static void restore_values(const sweep *s) {
    for (size_t i = 0; i < s->tape.n_leaves + s->tape.n_nodes; i++)
        if (node_at(s, i)->flags & PA_IS_VALUE) node_at(s, i)->grad = s->value_grads[i];
}

static void clean_up(sweep *s) {
    size_t n = s->tape.n_leaves + s->tape.n_nodes;
    for (size_t i = 0; s->reserved && i < n; i++)
        if (!(node_at(s, i)->flags & PA_IS_VALUE)) node_at(s, i)->grad_data = NULL;
    if (s->grad_nodes != NULL) {
        for (size_t i = 0; i < n; i++)
            if (s->grad_nodes[i] != NULL) pa_node_release(s->grad_nodes[i]);
        pa_mem_free_array(s->grad_nodes, n + 1, sizeof *s->grad_nodes);
    }
    if (s->value_grads != NULL) pa_mem_free_array(s->value_grads, n + 1, sizeof *s->value_grads);
    for (size_t i = 0; i < s->n_buffers; i++) pa_storage_release(s->buffers[i]);
    pa_mem_free(s->buffers, s->buffers_capacity * sizeof *s->buffers);
    pa_mem_free(s->idle, s->idle_capacity * sizeof *s->idle);
    pa_mem_free(s->scratch, s->scratch_bytes);
}

static void free_graph(pa_tape *tape) {
    for (size_t i = 0; i < tape->n_nodes; i++) pa_node_retain(tape->nodes[i]);
    for (size_t i = 0; i < tape->n_nodes; i++) {
        pa_node *node = tape->nodes[i];
        if (!(node->flags & PA_IS_VALUE)) {
            pa_node_unlink(node);
            node->flags |= PA_FREED;
        }
        pa_node_release(node);
    }
}

static pa_status check_root(pa_node *root, const pa_backward_options *options) {
    PA_TRY(check_freed(root));
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

/* ---- gradients as a graph ---- */

typedef struct graph_walk {
    pa_tape tape;
    const pa_backward_options *options;
    pa_table places;     /* of the tape's nodes, by their addresses */
    pa_node **gradients; /* of each leaf, then of each node; NULL where none has come */
    bool *wanted;        /* likewise: does it lead to what a gradient is asked for? */
    pa_builder builder;
    pa_hold hold;
} graph_walk;

static size_t count_of(const graph_walk *w) { return w->tape.n_leaves + w->tape.n_nodes; }

static pa_node *walked(const graph_walk *w, size_t i) {
    return i < w->tape.n_leaves ? w->tape.leaves[i] : w->tape.nodes[i - w->tape.n_leaves];
}

/* Where a node stands, or the free entry for it. */
static int32_t *place_of(const graph_walk *w, const pa_node *node) {
    int32_t *entry = pa_table_first(&w->places, pa_hash_mix(0, (uintptr_t)node));
    while (*entry >= 0 && walked(w, (size_t)*entry) != node) entry = pa_table_next(&w->places, entry);
    return entry;
}

static bool is_asked_for(const graph_walk *w, const pa_node *node) {
    const pa_backward_options *o = w->options;
    for (int i = 0; i < o->n_inputs; i++)
        if (o->inputs[i] == node) return true;
    return o->n_inputs == 0 && (!(node->flags & PA_LISTED) || node->flags & PA_RETAINS_GRAD);
}

static pa_status begin_walk(graph_walk *w) {
    size_t n = count_of(w);
    PA_TRY(pa_table_new(&w->places, n));
    w->gradients = pa_mem_alloc_array(n, sizeof(pa_node *));
    w->wanted = pa_mem_alloc_array(n, sizeof *w->wanted);
    if (w->gradients != NULL) memset(w->gradients, 0, n * sizeof(pa_node *));
    if (w->gradients == NULL || w->wanted == NULL) return PA_MEMORY;
    for (size_t i = 0; i < n; i++) {
        if (pa_node_is_hooked(walked(w, i)))
            PA_TRY(pa_record_refuse("a backward through a tensor that has hooks",
                                    "write what they do to its gradient behind backward()"));
        *place_of(w, walked(w, i)) = (int32_t)i;
        PA_TRY(pa_hold_add(&w->hold, walked(w, i), PA_HOLD_NODE | PA_HOLD_READ));
        w->wanted[i] = is_asked_for(w, walked(w, i));
    }
    for (size_t i = n; i-- > w->tape.n_leaves;) { /* a node's parents are behind it */
        const pa_node *node = walked(w, i);
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
    size_t n = count_of(w), leaves = w->tape.n_leaves;
    for (size_t i = 0; i < n; i++) {
        size_t place = (leaves + i) % n;
        pa_node *node = walked(w, place);
        if (w->gradients[place] == NULL || !w->wanted[place]) continue;
        if (pa_node_is_hooked(node)) PA_TRY(pa_hook.hooked_gradient(node, false, &w->gradients[place]));
        if (place >= leaves) PA_TRY(walk_node(w, node, w->gradients[place]));
    }
    return PA_OK;
}

/* What a node's .grad becomes: a tensor of its own, added to the one that it has. */
static pa_status own_gradient(graph_walk *w, size_t i) {
    pa_builder *b = &w->builder;
    pa_node *node = walked(w, i), *fresh = w->gradients[i];
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
    size_t n = count_of(w);
    for (size_t i = 0; i < n; i++) {
        const pa_node *node = walked(w, i);
        PA_FAIL_IF(is_asked_for(w, node) && node->flags & PA_IS_VALUE, PA_UNSUPPORTED,
                   "backward: create_graph=True of a tensor that depends on Values; take the gradient of a Value, with "
                   "scalar.grad");
        if (w->gradients[i] != NULL && is_asked_for(w, node)) PA_TRY(own_gradient(w, i));
    }
    for (size_t i = 0; i < n; i++) {
        pa_node *node = walked(w, i);
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
    size_t n = count_of(w);
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

/* Neurons are gone through node by node. */
static pa_status list_opened(pa_node *root, pa_tape *tape) {
    PA_TRY(pa_tape_list(root, false, tape));
    bool opened = false;
    pa_status status = PA_OK;
    for (size_t i = 0; i < tape->n_nodes && status == PA_OK; i++) {
        opened = opened || tape->nodes[i]->op == PA_OP_neuron;
        status = pa_value_open_neuron(tape->nodes[i]);
    }
    if (status == PA_OK && !opened) return PA_OK;
    pa_tape_free(tape);
    return status == PA_OK ? pa_tape_list(root, false, tape) : status;
}

static pa_status differentiate_to_graph(pa_node *root, const pa_backward_options *options) {
    PA_TRY(check_root(root, options));
    PA_TRY(pa_recording() != NULL && options->detect_anomaly
               ? pa_record_refuse("backward: create_graph=True under detect_anomaly", "look for anomalies eagerly")
               : PA_OK);
    graph_walk w;
    memset(&w, 0, sizeof w);
    w.options = options;
    PA_TRY(list_opened(root, &w.tape));
    pa_node_retain(root);
    bool enabled = pa_grad_enable(true);
    pa_status status = run_walk(&w, root);
    pa_grad_enable(enabled);
    end_walk(&w);
    if (status == PA_OK && !options->retain_graph && !(root->flags & PA_IS_VALUE)) free_graph(&w.tape);
    pa_hold_free(&w.hold);
    pa_tape_free(&w.tape);
    pa_node_release(root);
    return status;
}

static pa_status differentiate(pa_node *root, const pa_backward_options *options) {
    PA_TRY(check_root(root, options));
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
    if (status == PA_OK && !options->retain_graph && !(root->flags & PA_IS_VALUE)) free_graph(&s.tape);
    if (status == PA_OK && options->n_inputs == 0) status = tell_accumulated(&s);
    pa_hold_free(&s.hold);
    pa_tape_free(&s.tape);
    pa_node_release(root);
    return status;
}

pa_status pa_backward(pa_node *root, const pa_backward_options *options) {
    PA_TRY(pa_record_mention(root)); /* with the gradient that it has before */
    for (int i = 0; i < options->n_inputs; i++) PA_TRY(pa_record_mention((pa_node *)(uintptr_t)options->inputs[i]));
    if (options->create_graph) return differentiate_to_graph(root, options); /* whose ops are in the log */
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
