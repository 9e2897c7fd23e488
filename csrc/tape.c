/* Listing what reaches a root, checking it before a backward, and letting go of it afterwards. */
#include "tape.h"

#include <string.h>

#include "scalar.h"

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

pa_status pa_tape_list_opened(pa_node *root, bool every_leaf, bool programs, pa_tape *tape) {
    PA_TRY(pa_tape_list(root, every_leaf, tape));
    bool opened = false;
    pa_status status = PA_OK;
    for (size_t i = tape->n_nodes; i-- > 0 && status == PA_OK;) { /* a program that goes is behind its last result */
        pa_node *node = tape->nodes[i];
        bool is_result = node->op == PA_OP_program_result && programs;
        opened = opened || node->op == PA_OP_neuron || is_result;
        status = is_result ? pa_node_composite(pa_node_parent(node, 0))->write_out(node) : pa_value_open_neuron(node);
    }
    if (status == PA_OK && !opened) return PA_OK;
    pa_tape_free(tape);
    return status == PA_OK ? pa_tape_list(root, every_leaf, tape) : status;
}

pa_status pa_check_freed(const pa_node *node) {
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
        if (!pa_backward_reads(node, i) || node->array == NULL || parent->flags & PA_IS_VALUE) continue;
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
        PA_TRY(pa_check_freed(tape->leaves[i]));
        PA_FAIL_IF(tape->leaves[i]->flags & PA_BUSY, PA_RUNTIME,
                   "backward: another thread is running backward through the same model (a leaf of shape %s)",
                   pa_node_shape_text(tape->leaves[i]));
    }
    return PA_OK;
}

/* Is it, with the marks of this epoch, on a way from the root to an input? */
static bool leads_to_marked(const pa_node *node, uint32_t epoch) {
    for (int i = 0; i < node->n_parents; i++)
        if (pa_node_parent(node, i)->mark == epoch) return true;
    return false;
}

void pa_tape_free_graph(pa_tape *tape, const pa_backward_options *options) {
    uint32_t epoch = pa_graph_next_epoch();
    for (int k = 0; k < options->n_inputs; k++) options->inputs[k]->mark = epoch;
    for (size_t i = tape->n_nodes; i-- > 0 && options->n_inputs > 0;)
        if (leads_to_marked(tape->nodes[i], epoch)) tape->nodes[i]->mark = epoch;
    for (size_t i = 0; i < tape->n_nodes; i++) pa_node_retain(tape->nodes[i]);
    for (size_t i = 0; i < tape->n_nodes; i++) {
        pa_node *node = tape->nodes[i];
        bool was_used = options->n_inputs == 0 || leads_to_marked(node, epoch);
        if (was_used && !(node->flags & PA_IS_VALUE)) {
            pa_node_unlink(node);
            node->flags |= PA_FREED;
        }
        pa_node_release(node);
    }
}
