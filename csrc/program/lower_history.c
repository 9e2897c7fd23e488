/* Lowering of what makes a program an op of its caller's graph: which results have a history, which of them share
   theirs, and behind the step itself, for each such part, the sweep from its results to the arguments and captured
   tensors that it hands gradients to. */
#include "history.h"
#include "instruction.h"
#include "live.h"
#include "lower.h"

/* Does the step write over a variable's memory after an entry? */
static bool is_written_after(const pa_lowering *l, const pa_entry *entry, int32_t variable) {
    const pa_log *log = l->log;
    int32_t base = l->variables[variable].base, captured = l->variables[base].captured;
    if (!l->variables[base].written && (captured < 0 || !l->p->captured[captured].written)) return false;
    for (const pa_entry *e = entry + 1; e < log->entries + log->n_entries; e++) {
        const int32_t *in = log->operands + e->operands;
        bool first = e->kind == PA_ENTRY_WRITE || e->kind == PA_ENTRY_SET_VALUE || e->kind == PA_ENTRY_FILL;
        int n = e->kind == PA_ENTRY_UPDATE ? e->n : first && e->n > 0;
        for (int i = 0; i < n; i++)
            if (l->variables[in[i]].base == base) return true;
    }
    return false;
}

/* Does the step write over what this entry's backward reads? Then a backward raises, as the plain call's does. */
static bool becomes_stale(const pa_lowering *l, const pa_entry *e) {
    unsigned reads = pa_op_table[e->op].effects;
    const pa_node *node = l->p->nodes[l->variables[e->out].at];
    for (int i = 0; i < e->n && i < PA_MAX_OPERANDS; i++)
        if (pa_backward_reads(node, i) && is_written_after(l, e, l->log->operands[e->operands + i])) return true;
    return reads & READS_OUT && is_written_after(l, e, e->out);
}

static pa_status seed_result(pa_lowering *l, int32_t result, int32_t *gradients) {
    pa_instruction i = {.kind = PA_DO_UPSTREAM, .node = l->p->results[result].node, .source = result, .targets = -1};
    i.accumulate = gradients[i.node] >= 0;
    if (!i.accumulate) PA_TRY(pa_lower_new_gradient(l, l->p->nodes[i.node], &gradients[i.node]));
    i.gradient = gradients[i.node];
    return pa_program_emit(l->p, &i);
}

/* The backward of a part: from its results to what it hands on. */
static pa_status sweep_part(pa_lowering *l, int32_t part, int32_t *gradients) {
    pa_program *p = l->p;
    const pa_entry *end = l->log->entries + l->log->n_entries;
    for (int32_t r = 0; r < p->n_results; r++)
        if (p->results[r].part == part) PA_TRY(seed_result(l, r, gradients));
    PA_TRY(pa_lower_sweep_back(l, end, false, gradients));
    for (int32_t v = 0; v < (int32_t)l->log->n_variables; v++) {
        int32_t at = l->variables[v].at, captured;
        if (at < 0 || gradients[at] < 0 || !pa_lower_outlives(l, v) || !pa_node_requires_grad(p->nodes[at])) continue;
        PA_TRY(pa_lower_captured(l, v, &captured));
        pa_buffer *handed = &p->buffers[gradients[at]];
        handed->kind = PA_BUFFER_HANDED;
        handed->also = p->captured[captured].handed;
        p->captured[captured].handed = gradients[at];
    }
    bool *is_stale = &p->history.parts[part].is_stale;
    for (const pa_entry *e = l->log->entries; e < end && !*is_stale; e++) {
        int32_t at = e->kind == PA_ENTRY_OP && e->tracked ? l->variables[e->out].at : -1;
        *is_stale = at >= 0 && gradients[at] >= 0 && becomes_stale(l, e);
    }
    return PA_OK;
}

static int32_t part_of(const int32_t *parts, int32_t part) {
    while (parts[part] != part) part = parts[part];
    return part;
}

enum { PART_OF_NONE = -1, NO_HISTORY = -2 };

/* Results belong together whose ways back meet before a leaf. `of`: of each node, `parts`: each stands for itself or
   has joined another. */
static void join_parts(const pa_program *p, int32_t *of, int32_t *parts) {
    for (int32_t n = p->n_nodes; n-- > 0;) { /* operands stand before what is computed of them */
        const pa_node *node = p->nodes[n];
        for (int k = 0; k < node->n_parents && of[n] >= 0; k++) {
            int32_t *found = &of[pa_node_parent(node, k)->mark];
            if (*found == NO_HISTORY) continue;
            if (*found == PART_OF_NONE) *found = of[n];
            parts[part_of(parts, *found)] = part_of(parts, of[n]);
        }
    }
}

/* So do those with hooks, which one sweep calls in their order. */
static void join_hooked_parts(const pa_lowering *l, const int32_t *of, int32_t *parts) {
    const pa_log *log = l->log;
    int32_t first = PART_OF_NONE;
    for (size_t e = log->n_entries; e-- > 0 && log->entries[e].kind == PA_ENTRY_HOOK;) {
        int32_t at = l->variables[log->operands[log->entries[e].operands]].at;
        if (at < 0 || of[at] < 0) continue;
        if (first < 0) first = of[at];
        parts[part_of(parts, of[at])] = part_of(parts, first);
    }
}

/* Would a backward outside leave a gradient at a result, which is no leaf of the program? */
static bool keeps_gradient(const pa_result *r, const int32_t *of, const pa_node *output) {
    bool is_own_leaf = of[r->node] == NO_HISTORY && !r->is_place && pa_node_requires_grad(output);
    return is_own_leaf || (r->part >= 0 && (r->is_value || output->flags & PA_RETAINS_GRAD));
}

/* Such a one gets none from what else the step returns: it is no operand. */
static pa_status check_kept_gradients(const pa_program *p, const int32_t *of, int32_t n_outputs,
                                      pa_node *const *outputs) {
    for (int32_t n = 0; n < p->n_nodes; n++)
        for (int k = 0; k < p->nodes[n]->n_parents && of[n] >= 0; k++)
            for (int32_t r = 0; r < n_outputs; r++)
                PA_FAIL_IF(pa_node_parent(p->nodes[n], k) == p->nodes[p->results[r].node] &&
                               keeps_gradient(&p->results[r], of, outputs[r]),
                           PA_UNSUPPORTED,
                           "compile: a %s of shape %s that the step makes, and returns beside what depends on it; "
                           "make it outside and give it as an argument, or return it detached",
                           pa_node_is_leaf(outputs[r]) ? "leaf"
                           : p->results[r].is_value    ? "Value"
                                                       : "tensor with retain_grad()",
                           pa_node_shape_text(outputs[r]));
    return PA_OK;
}

static pa_status assign_parts(pa_lowering *l, const bool *live, int32_t n, pa_node *const *outputs, int32_t *of,
                              int32_t *parts) {
    pa_program *p = l->p;
    int32_t all = 0;
    for (int32_t k = 0; k < p->n_nodes; k++)
        of[k] = p->nodes[k]->n_parents > 0 && pa_node_requires_grad(p->nodes[k]) ? PART_OF_NONE : NO_HISTORY;
    for (const pa_entry *e = l->log->entries; e < l->log->entries + l->log->n_entries; e++)
        if (e->tracked && l->variables[e->out].at >= 0) of[l->variables[e->out].at] = PART_OF_NONE;
    for (int32_t r = 0; r < n; r++) {
        int32_t *of_result = &of[p->results[r].node];
        if (!live[r] || p->results[r].is_place) continue;
        if (*of_result < 0) {
            *of_result = parts[all] = all;
            all++;
        }
        p->results[r].part = *of_result;
        p->results[r].retains_grad = (outputs[r]->flags & PA_RETAINS_GRAD) != 0;
    }
    if (all == 0) return PA_OK;
    join_parts(p, of, parts);
    join_hooked_parts(l, of, parts);
    for (int32_t r = 0; r < n; r++)
        if (p->results[r].part >= 0) p->results[r].part = part_of(parts, p->results[r].part);
    return pa_history_new_parts(p, all);
}

/* Which results have a history, and which of them make a part. */
static pa_status find_parts(pa_lowering *l, int32_t n, pa_node *const *outputs) {
    size_t room = (size_t)n + 1;
    bool *live = pa_mem_alloc_array(room, sizeof *live);
    int32_t *of = pa_lower_new_gradients(l), *parts = pa_mem_alloc_array(room, sizeof *parts);
    pa_status status = live == NULL || of == NULL || parts == NULL ? PA_MEMORY : PA_OK;
    if (status == PA_OK) status = pa_log_find_live(l->log, n, outputs, live);
    if (status == PA_OK) status = assign_parts(l, live, n, outputs, of, parts);
    if (status == PA_OK) status = check_kept_gradients(l->p, of, n, outputs);
    pa_mem_free_array(live, room, sizeof *live);
    pa_mem_free_array(parts, room, sizeof *parts);
    pa_lower_free_gradients(of);
    return status;
}

static void keep_in_arena(void *context, int32_t buffer, bool PA_UNUSED(writes)) {
    pa_program *p = context;
    for (int32_t r = 0; r < p->n_results; r++)
        if (p->results[r].buffer == buffer && p->buffers[buffer].kind == PA_BUFFER_RESULT) {
            p->buffers[buffer].kind = PA_BUFFER_ARENA;
            p->results[r].copied = true;
        }
}

/* A result is a node of the caller's graph, and has no hooks there. */
static pa_status check_hooked_results(const pa_log *log, int n_outputs, pa_node *const *outputs) {
    for (size_t e = log->n_entries; e-- > 0 && log->entries[e].kind == PA_ENTRY_HOOK;)
        for (int i = 0; i < n_outputs; i++)
            PA_FAIL_IF(
                pa_log_find(log, outputs[i]) == log->operands[log->entries[e].operands], PA_UNSUPPORTED,
                "compile: a tensor of shape %s that the step gives hooks and returns, or stores; register them on "
                "what comes out of the step, or return x * 1",
                pa_node_shape_text(outputs[i]));
    return PA_OK;
}

pa_status pa_lower_history(pa_lowering *l, int n_outputs, pa_node *const *outputs) {
    pa_program *p = l->p;
    PA_TRY(check_hooked_results(l->log, n_outputs, outputs));
    PA_TRY(find_parts(l, n_outputs, outputs));
    int32_t split = p->n_code;
    for (int32_t part = 0; part < p->history.n_parts; part++) {
        int32_t *gradients = pa_lower_new_gradients(l);
        if (gradients == NULL) return PA_MEMORY;
        pa_status status = sweep_part(l, part, gradients);
        pa_lower_free_gradients(gradients);
        PA_TRY(status);
    }
    /* What the backward reads of the results is the program's own, whatever becomes of them. */
    for (int32_t i = split; i < p->n_code; i++) pa_instruction_visit(p, &p->code[i], keep_in_arena, p);
    return PA_OK;
}
