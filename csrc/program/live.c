/* What of a log is still there for a backward after the step. */
#include "live.h"

#include <string.h>

/* Whether this entry leaves a freed node, or one over a freed one. */
static bool is_freed(const pa_log *log, const pa_entry *e, const bool *freed) {
    const pa_node *out = log->variables[e->out].node;
    bool found = out->flags & PA_FREED && !(out->flags & PA_IS_VALUE);
    for (int i = 0; i < e->n; i++) found = found || freed[log->operands[e->operands + i]];
    return found;
}

pa_status pa_log_find_live(const pa_log *log, int n, pa_node *const *outputs, bool *live) {
    bool *freed = pa_mem_alloc_array(log->n_variables + 1, sizeof *freed), sweeps_values = false;
    if (freed == NULL) return PA_MEMORY;
    memset(freed, 0, log->n_variables * sizeof *freed);
    for (const pa_entry *e = log->entries; e < log->entries + log->n_entries; e++) {
        if (e->kind == PA_ENTRY_OP && e->tracked) freed[e->out] = is_freed(log, e, freed);
        if (e->kind == PA_ENTRY_BACKWARD && log->variables[log->operands[e->operands]].node->flags & PA_IS_VALUE)
            sweeps_values = true;
    }
    for (int i = 0; i < n; i++) {
        int32_t variable = pa_log_find(log, outputs[i]);
        bool is_value = (outputs[i]->flags & PA_IS_VALUE) != 0;
        bool is_own_leaf =
            variable >= 0 && pa_node_is_leaf(outputs[i]) && log->variables[variable].kind > PA_VARIABLE_CAPTURED;
        live[i] = variable >= 0 && !freed[variable] && !is_own_leaf && pa_node_requires_grad(outputs[i]) &&
                  !(is_value && sweeps_values);
    }
    pa_mem_free_array(freed, log->n_variables + 1, sizeof *freed);
    return PA_OK;
}
