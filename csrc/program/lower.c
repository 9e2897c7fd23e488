/* What lowering tensors (lower_tensors.c) and lowering Values (lower_values.c) share. */
#include "lower.h"

static void describe_input(pa_input *input, const pa_node *node) {
    *input = (pa_input){.dtype = node->dtype,
                        .ndim = node->ndim,
                        .buffer = -1,
                        .result = -1,
                        .is_number = pa_is_traced_number(node),
                        .is_value = (node->flags & PA_IS_VALUE) != 0,
                        .requires_grad = pa_node_requires_grad(node)};
    for (int axis = 0; axis < node->ndim; axis++) {
        input->shape[axis] = node->array->shape[axis];
        input->strides[axis] = node->array->strides[axis];
    }
}

/* Whose gradients an entry reads, or asks for. */
static void find_readers(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    switch ((pa_entry_kind)entry->kind) {
    case PA_ENTRY_GRAD_OF:
    case PA_ENTRY_GRAD_FOUND:
    case PA_ENTRY_RETAIN_GRAD:
    case PA_ENTRY_HOOK:
    case PA_ENTRY_CLIP:
        for (int i = 0; i < entry->n; i++) l->variables[in[i]].gradient_is_read = true;
        return;
    case PA_ENTRY_LOCAL_BACKWARD: {
        l->variables[in[0]].gradient_is_read = true;
        if (l->variables[in[0]].made_by < 0) return;
        const pa_entry *op = &l->log->entries[l->variables[in[0]].made_by];
        for (int i = 0; i < op->n; i++) l->variables[l->log->operands[op->operands + i]].gradient_is_read = true;
        return;
    }
    case PA_ENTRY_SET_GRAD: l->variables[in[0]].gradient_is_read |= entry->n == 2; return; /* as the other tensor */
    case PA_ENTRY_REQUIRES_GRAD: l->variables[in[0]].ever_requires_grad = true; return;
    default: return;
    }
}

/* The caller may read the gradient of a leaf that the step has made, and of a Value. */
static void find_caller(pa_lowering *l, const pa_node *output) {
    int32_t variable = pa_log_find(l->log, output);
    if (variable < 0 || pa_lower_outlives(l, variable)) return;
    pa_lowered *made = &l->variables[variable];
    if (output->flags & PA_IS_VALUE || (made->made_by < 0 && made->ever_requires_grad)) made->gradient_is_read = true;
}

pa_status pa_lowering_begin(pa_lowering *l, pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs) {
    *l = (pa_lowering){.p = p, .log = log};
    PA_TRY(pa_storage_new(64, &p->memory));
    l->variables = pa_mem_alloc_array(log->n_variables + 1, sizeof *l->variables);
    p->inputs = pa_mem_alloc_array(log->n_inputs + 1, sizeof *p->inputs);
    p->n_inputs = (int32_t)log->n_inputs;
    p->updates = pa_mem_alloc_array((size_t)log->updates + 1, sizeof *p->updates);
    p->updates_capacity = (size_t)log->updates + 1;
    p->results = pa_mem_alloc_array((size_t)n_outputs + 1, sizeof *p->results);
    p->n_results = n_outputs;
    if (l->variables == NULL || p->inputs == NULL || p->updates == NULL || p->results == NULL) return PA_MEMORY;
    for (size_t v = 0; v < log->n_variables; v++)
        l->variables[v] = (pa_lowered){.at = -1,
                                       .captured = -1,
                                       .gradient = PA_GRADIENT_AS_FOUND,
                                       .base = (int32_t)v,
                                       .found = -1,
                                       .result = -1,
                                       .made_by = -1,
                                       .requires_grad = log->variables[v].requires_grad,
                                       .ever_requires_grad = log->variables[v].requires_grad};
    for (int32_t i = 0; i < (int32_t)log->n_entries; i++)
        if (log->entries[i].tracked) l->variables[log->entries[i].out].made_by = i;
    for (size_t i = 0; i < log->n_entries; i++) find_readers(l, &log->entries[i]);
    for (int i = 0; i < n_outputs; i++) find_caller(l, outputs[i]);
    for (int32_t i = 0; i < p->n_inputs; i++) describe_input(&p->inputs[i], log->variables[log->inputs[i]].node);
    return PA_OK;
}

void pa_lowering_end(pa_lowering *l) { pa_mem_free_array(l->variables, l->log->n_variables + 1, sizeof *l->variables); }

/* Which argument a variable is, or -1. */
static int32_t input_of(const pa_log *log, int32_t variable) {
    for (size_t i = 0; i < log->n_inputs; i++)
        if (log->inputs[i] == variable) return (int32_t)i;
    return -1;
}

pa_status pa_lower_captured(pa_lowering *l, int32_t variable, int32_t *out) {
    *out = l->variables[variable].captured;
    if (*out >= 0) return PA_OK;
    pa_program *p = l->p;
    const pa_variable *v = &l->log->variables[variable];
    PA_TRY(pa_mem_reserve(&p->captured, &p->captured_capacity, (size_t)p->n_captured + 1, sizeof *p->captured));
    *out = l->variables[variable].captured = p->n_captured++;
    p->captured[*out] = (pa_captured){.node = v->kind == PA_VARIABLE_CAPTURED ? pa_node_program_retain(v->node) : NULL,
                                      .buffer = -1,
                                      .gradient = PA_GRADIENT_AS_FOUND,
                                      .entry = -1,
                                      .entry_is = -1,
                                      .requires_grad = v->requires_grad,
                                      .leaves_requires_grad = v->requires_grad,
                                      .handed = -1,
                                      .input = input_of(l->log, variable),
                                      .result = -1,
                                      .is_placed = v->place >= 0 && v->kind == PA_VARIABLE_CAPTURED,
                                      .next = v->next};
    return PA_OK;
}

pa_status pa_lower_leaf(pa_lowering *l, int32_t variable, int32_t *buffer) {
    pa_program *p = l->p;
    const pa_variable *v = &l->log->variables[variable];
    int32_t captured;
    switch ((pa_variable_kind)v->kind) {
    case PA_VARIABLE_INPUT:
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_INPUT, pa_node_bytes(v->node), buffer));
        p->inputs[input_of(l->log, variable)].buffer = *buffer;
        return PA_OK;
    case PA_VARIABLE_CAPTURED:
        PA_TRY(pa_lower_captured(l, variable, &captured));
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_CAPTURED, pa_node_bytes(v->node), buffer));
        p->captured[captured].buffer = *buffer;
        return PA_OK;
    default:
        return pa_fail(PA_UNSUPPORTED, "compile: a result of shape %s is used before it is made",
                       pa_node_shape_text(v->node));
    }
}

pa_status pa_lower_maker(const pa_lowering *l, int32_t variable, const pa_entry **out) {
    int32_t made_by = l->variables[variable].made_by;
    PA_FAIL_IF(
        made_by < 0, PA_UNSUPPORTED,
        "compile: _backward() of a Value that was computed before the step; compute it inside, or call it outside");
    *out = &l->log->entries[made_by];
    return PA_OK;
}

pa_status pa_lower_meet_hooks(pa_lowering *l, int32_t variable) {
    int32_t captured, input = input_of(l->log, variable);
    if (!pa_lower_outlives(l, variable)) return PA_OK;
    if (input >= 0) l->p->inputs[input].meets_hooks = true;
    if (input >= 0) return PA_OK;
    PA_TRY(pa_lower_captured(l, variable, &captured));
    l->p->captured[captured].meets_hooks = true;
    l->p->captured[captured].is_hooked = pa_node_is_hooked(l->log->variables[variable].node);
    return PA_OK;
}

pa_status pa_lower_sweep_end(pa_lowering *l, int32_t variable) {
    const pa_node *node = l->log->variables[variable].node;
    int32_t captured;
    if (!pa_lower_outlives(l, variable)) return PA_OK;
    PA_FAIL_IF(!pa_node_is_leaf(node), PA_UNSUPPORTED,
               "compile: a backward() in the step goes on into the history of a tensor of shape %s from outside; "
               "give it detached, or return the loss and call backward() outside",
               pa_node_shape_text(node));
    PA_TRY(pa_lower_captured(l, variable, &captured));
    l->p->captured[captured].swept = true;
    return pa_lower_meet_hooks(l, variable);
}

pa_status pa_lower_no_gradient(pa_lowering *l, int32_t variable) {
    int32_t captured;
    if (l->variables[variable].gradient != PA_GRADIENT_AS_FOUND || !pa_lower_outlives(l, variable)) return PA_OK;
    PA_TRY(pa_lower_captured(l, variable, &captured));
    l->p->captured[captured].entry_matters = true;
    return PA_OK;
}

pa_status pa_lower_entry_gradient(pa_lowering *l, int32_t variable, int32_t *buffer) {
    int32_t captured;
    PA_TRY(pa_lower_captured(l, variable, &captured));
    size_t bytes = pa_node_bytes(l->log->variables[variable].node);
    PA_TRY(pa_program_new_buffer(l->p, PA_BUFFER_ENTRY_GRADIENT, bytes, buffer));
    l->p->captured[captured].entry = *buffer;
    return PA_OK;
}

int32_t pa_lower_update(pa_lowering *l, const pa_entry *entry) {
    pa_program *p = l->p;
    p->updates[p->n_updates] = (pa_update_plan){.kind = (int)l->log->ints[entry->ints], .n = entry->n};
    return p->n_updates++;
}

pa_status pa_lower_result(pa_lowering *l, int i, const pa_node *output, int32_t *variable) {
    *variable = pa_log_find(l->log, output);
    PA_FAIL_IF(*variable < 0, PA_UNSUPPORTED, "compile: result %d is no part of the step", i);
    const pa_variable *v = &l->log->variables[*variable];
    pa_result *r = &l->p->results[i];
    *r = (pa_result){.is_number = pa_is_traced_number(output),
                     .is_value = (output->flags & PA_IS_VALUE) != 0,
                     .memory = -1,
                     .gradient = -1,
                     .carried = -1,
                     .number = -1,
                     .part = -1};
    r->is_place = !r->is_number && v->kind <= PA_VARIABLE_CAPTURED;
    int32_t captured;
    if (r->is_place && v->kind == PA_VARIABLE_INPUT) {
        l->p->inputs[input_of(l->log, *variable)].result = i;
    } else if (r->is_place) {
        PA_TRY(pa_lower_captured(l, *variable, &captured));
        l->p->captured[captured].result = i;
    }
    return PA_OK;
}
