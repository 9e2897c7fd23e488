/* The log of a step as it is written; what of it Python may know, and which memory it shares. */
#include "record.h"

#include <stdio.h>
#include <string.h>

/* ---- the log's lists ---- */

/* The entry of a node's variable, or the free one where it belongs. */
static int32_t *find(const pa_log *log, const pa_node *node) {
    int32_t *entry = pa_table_first(&log->table, pa_hash_mix(0, (uintptr_t)node));
    while (*entry >= 0 && log->variables[*entry].node != node) entry = pa_table_next(&log->table, entry);
    return entry;
}

static pa_status make_room(pa_log *log) {
    if (2 * (log->n_variables + 1) <= log->table.room) return PA_OK;
    pa_table larger;
    PA_TRY(pa_table_new(&larger, log->table.room == 0 ? 32 : log->table.room));
    pa_table_free(&log->table);
    log->table = larger;
    for (size_t i = 0; i < log->n_variables; i++) *find(log, log->variables[i].node) = (int32_t)i;
    return PA_OK;
}

int32_t pa_log_find(const pa_log *log, const pa_node *node) { return log->n_variables == 0 ? -1 : *find(log, node); }

static pa_status new_variable(pa_log *log, pa_node *node, pa_variable_kind kind, int32_t *out) {
    PA_TRY(make_room(log));
    PA_TRY(pa_mem_reserve(&log->variables, &log->variables_capacity, log->n_variables + 1, sizeof *log->variables));
    pa_node *copy = NULL;
    if (kind == PA_VARIABLE_CONSTANT) {
        PA_TRY(pa_node_new_like(node, &copy));
        pa_node_gather(node, node->dtype, pa_node_data(copy));
    }
    *out = *find(log, node) = (int32_t)log->n_variables;
    log->variables[log->n_variables++] = (pa_variable){.node = pa_node_program_retain(node),
                                                       .constant = copy,
                                                       .kind = (uint8_t)kind,
                                                       .requires_grad = pa_node_requires_grad(node),
                                                       .grad = node->array != NULL ? node->array->grad : NULL,
                                                       .place = -1,
                                                       .next = -1};
    return PA_OK;
}

/* The variable of an operand. What is met here for the first time was there before the step, or was made in the step by
   Python from numbers. */
static pa_status operand_variable(pa_log *log, pa_node *node, int32_t *out) {
    *out = pa_log_find(log, node);
    if (*out >= 0) return PA_OK;
    return new_variable(log, node, node->flags & PA_BORN_RECORDING ? PA_VARIABLE_CONSTANT : PA_VARIABLE_CAPTURED, out);
}

/* A node of the step may stand for something else later on: a .data that is asked for twice is the same memory. */
static pa_status result_variable(pa_log *log, pa_node *node, int32_t *out) {
    *out = pa_log_find(log, node);
    return *out >= 0 ? PA_OK : new_variable(log, node, PA_VARIABLE_RESULT, out);
}

static pa_status note_place(pa_log *log, pa_entry *entry) {
    int line = 0;
    void *code = pa_hook.where(&line);
    entry->line = line;
    entry->code = -1;
    if (code == NULL) return PA_OK;
    for (size_t i = log->n_codes; i > 0 && entry->code < 0; i--)
        if (log->codes[i - 1] == code) entry->code = (int32_t)i - 1;
    pa_status status = PA_OK;
    if (entry->code < 0) {
        status = pa_mem_reserve(&log->codes, &log->codes_capacity, log->n_codes + 1, sizeof *log->codes);
        if (status == PA_OK) {
            entry->code = (int32_t)log->n_codes;
            log->codes[log->n_codes++] = code;
            return PA_OK;
        }
    }
    pa_hook.release_object(code);
    return status;
}

static pa_status add_entry(pa_log *log, pa_entry *entry, pa_node *const *in, pa_node *out, const int64_t *ints) {
    PA_TRY(note_place(log, entry));
    PA_TRY(pa_mem_reserve(&log->entries, &log->entries_capacity, log->n_entries + 1, sizeof *log->entries));
    PA_TRY(pa_mem_reserve(&log->operands, &log->operands_capacity, log->n_operands + (size_t)entry->n,
                          sizeof *log->operands));
    PA_TRY(pa_mem_reserve(&log->ints, &log->ints_capacity, log->n_ints + entry->n_ints, sizeof *log->ints));
    entry->operands = (int64_t)log->n_operands;
    entry->ints = (int64_t)log->n_ints;
    for (int i = 0; i < entry->n; i++)
        PA_TRY(operand_variable(log, in[i], &log->operands[log->n_operands + (size_t)i]));
    if (out != NULL) PA_TRY(result_variable(log, out, &entry->out));
    for (int i = 0; i < entry->n_ints; i++) log->ints[log->n_ints + (size_t)i] = ints[i];
    log->n_operands += (size_t)entry->n;
    log->n_ints += entry->n_ints;
    log->entries[log->n_entries++] = *entry;
    if (entry->kind == PA_ENTRY_UPDATE) log->updates++;
    return PA_OK;
}

static bool may_fail(const pa_entry *entry) {
    switch ((pa_entry_kind)entry->kind) {
    case PA_ENTRY_OP: return pa_op_table[entry->op].effects & MAY_FAIL;
    case PA_ENTRY_HOST:
    case PA_ENTRY_CLIP:
    case PA_ENTRY_BACKWARD:
    case PA_ENTRY_GRAD: return true;
    default: return false;
    }
}

static void add(pa_entry *entry, pa_node *const *in, pa_node *out, const int64_t *ints) {
    pa_log *log = pa_recording();
    bool takes = log != NULL && log->status == PA_OK;
    if (takes) log->status = add_entry(log, entry, in, out, ints);
    if (takes && may_fail(entry) && log->watcher != NULL) pa_hook.come_to(log->watcher, log->n_entries - 1);
    if (entry->host != NULL && (!takes || log->status != PA_OK)) pa_hook.release_object(entry->host);
}

/* ---- recording ---- */

pa_status pa_record_begin(pa_log **out) {
    PA_FAIL_IF(pa_log_here != NULL, PA_RUNTIME, "compile: this thread is recording a step already");
    pa_log *log = pa_mem_alloc(sizeof *log);
    if (log == NULL) return PA_MEMORY;
    memset(log, 0, sizeof *log);
    pa_log_here = log;
    pa_recording_threads++;
    *out = log;
    return PA_OK;
}

void pa_record_end(pa_log *log) {
    if (pa_log_here != log) return;
    pa_log_here = NULL;
    pa_recording_threads--;
}

bool pa_record_pause(bool pause) {
    static _Thread_local pa_log *paused;
    bool before = paused != NULL;
    if (pause && pa_log_here != NULL) {
        paused = pa_log_here;
        pa_log_here = NULL;
    } else if (!pause && paused != NULL) {
        pa_log_here = paused;
        paused = NULL;
    }
    return before;
}

pa_log *pa_record_suspend(void) {
    pa_log *log = pa_log_here;
    if (log != NULL) pa_record_end(log);
    return log;
}

void pa_record_resume(pa_log *log) {
    if (log == NULL) return;
    pa_log_here = log;
    pa_recording_threads++;
}

void pa_log_free(pa_log *log) {
    if (log == NULL) return;
    for (size_t i = 0; i < log->n_entries; i++)
        if (log->entries[i].host != NULL) pa_hook.release_object(log->entries[i].host);
    for (size_t i = 0; i < log->n_variables; i++) {
        pa_node_program_release(log->variables[i].node);
        if (log->variables[i].constant != NULL) pa_node_release(log->variables[i].constant);
    }
    for (size_t i = 0; i < log->n_codes; i++) pa_hook.release_object(log->codes[i]);
    pa_mem_free(log->entries, log->entries_capacity * sizeof *log->entries);
    pa_mem_free(log->variables, log->variables_capacity * sizeof *log->variables);
    pa_mem_free(log->operands, log->operands_capacity * sizeof *log->operands);
    pa_mem_free(log->ints, log->ints_capacity * sizeof *log->ints);
    pa_mem_free(log->codes, log->codes_capacity * sizeof *log->codes);
    pa_mem_free(log->inputs, log->inputs_capacity * sizeof *log->inputs);
    for (size_t i = 0; i < log->n_sharers; i++) pa_node_program_release(log->sharers[i].node);
    pa_mem_free(log->sharers, log->sharers_capacity * sizeof *log->sharers);
    pa_table_free(&log->table);
    pa_mem_free(log, sizeof *log);
}

pa_status pa_record_input(pa_node *node) {
    pa_log *log = pa_recording();
    PA_FAIL_IF(log == NULL, PA_RUNTIME, "compile: nothing is being recorded");
    int32_t variable = pa_log_find(log, node);
    PA_FAIL_IF(variable >= 0, PA_TRACE,
               "compile: the same tensor of shape %s is given as two arguments; give a clone() as one of them",
               pa_node_shape_text(node));
    PA_TRY(pa_mem_reserve(&log->inputs, &log->inputs_capacity, log->n_inputs + 1, sizeof *log->inputs));
    PA_TRY(new_variable(log, node, PA_VARIABLE_INPUT, &variable));
    log->inputs[log->n_inputs++] = variable;
    return PA_OK;
}

/* Arithmetic on numbers alone gives a number, as in Python; a sum over an array is a tensor. */
static void propagate_number(const pa_call *call, pa_node *out) {
    unsigned any = 0, all = PA_TRACED_SCALAR | PA_WEAK_SCALAR;
    for (int i = 0; i < call->n; i++) {
        unsigned flags = call->in[i]->flags & (PA_TRACED_SCALAR | PA_WEAK_SCALAR);
        bool reduced = call->in[i]->ndim > 0 && out->ndim == 0 && call->op != PA_OP_view;
        if (flags == 0 || reduced) return;
        any |= flags;
        all &= flags;
    }
    if (!(any & PA_TRACED_SCALAR)) return;
    out->flags |= (uint16_t)(PA_TRACED_SCALAR | (out->ndim == 0 ? all & PA_WEAK_SCALAR : 0));
}

void pa_record_op(const pa_call *call, pa_node *out) {
    propagate_number(call, out);
    pa_entry entry = {.kind = PA_ENTRY_OP,
                      .op = (uint8_t)call->op,
                      .n = call->n,
                      .n_ints = (uint8_t)call->n_ints,
                      .n_params = (uint8_t)call->n_params,
                      .tracked = (out->flags & PA_LISTED) != 0,
                      .out = -1};
    for (int i = 0; i < call->n_params; i++) entry.params[i] = call->params[i];
    add(&entry, call->in, out, call->ints);
}

void pa_record_entry(pa_entry_kind kind, int n, pa_node *const *in, pa_node *out) {
    pa_record_attributes(kind, n, in, out, 0, NULL, 0, NULL);
}

void pa_record_attributes(pa_entry_kind kind, int n, pa_node *const *in, pa_node *out, int n_ints, const int64_t *ints,
                          int n_params, const double *params) {
    pa_entry entry = {
        .kind = (uint8_t)kind, .n = n, .n_ints = (uint8_t)n_ints, .n_params = (uint8_t)n_params, .out = -1};
    for (int i = 0; i < n_params; i++) entry.params[i] = params[i];
    add(&entry, in, out, ints);
}

void pa_record_host(void *host, int n, pa_node *const *in, int n_out, pa_node *const *out) {
    int64_t keeps_history = pa_grad_enabled();
    pa_entry entry = {.kind = PA_ENTRY_HOST, .n = n, .n_ints = 1, .out = -1, .host = host};
    add(&entry, in, NULL, &keeps_history);
    for (int i = 0; i < n_out; i++) pa_record_entry(PA_ENTRY_HOST_RESULT, 0, NULL, out[i]);
}

void pa_record_custom(void *backward, int n, pa_node *const *in, pa_node *out) {
    pa_entry entry = {.kind = PA_ENTRY_OP, .op = PA_OP_custom, .n = n, .tracked = true, .out = -1, .host = backward};
    add(&entry, in, out, NULL);
}

void pa_record_hook(void *hooks, pa_node *node) {
    pa_entry entry = {.kind = PA_ENTRY_HOOK, .n = 1, .out = -1, .host = hooks};
    add(&entry, &node, NULL, NULL);
}

void pa_record_local_grads(int n, pa_node *const *in, pa_node *out) {
    pa_log *log = pa_recording();
    if (log->status == PA_OK) log->status = pa_record_mention(out); /* of a number that is Python's it is a constant */
    pa_entry entry = {.kind = PA_ENTRY_OP, .op = PA_OP_local_grads, .n = 2 * n, .tracked = true, .out = -1};
    add(&entry, in, out, NULL);
}

pa_status pa_record_mention(pa_node *node) {
    pa_log *log = pa_recording();
    int32_t variable;
    return log == NULL ? PA_OK : operand_variable(log, node, &variable);
}

pa_status pa_record_result(pa_node *node) {
    pa_log *log = pa_recording();
    if (log == NULL || log->n_entries == 0) return PA_OK;
    return result_variable(log, node, &log->entries[log->n_entries - 1].out);
}

pa_status pa_record_value_of(pa_node *number, pa_node **out) {
    PA_TRY(pa_value_new(pa_node_number(number), out));
    if (pa_recording() != NULL && number->flags & PA_TRACED_SCALAR)
        pa_record_entry(PA_ENTRY_VALUE_OF, 1, &number, *out);
    return PA_OK;
}

pa_status pa_record_number_of(pa_node *value, bool gradient, pa_node **out) {
    PA_TRY(pa_node_new(PA_FLOAT64, 0, NULL, out));
    (*out)->flags |= PA_WEAK_SCALAR | PA_TRACED_SCALAR;
    (*out)->value = gradient ? value->grad : value->value;
    pa_record_entry(gradient ? PA_ENTRY_GRAD_OF : PA_ENTRY_NUMBER_OF, 1, &value, *out);
    return PA_OK;
}

bool pa_record_is_fresh(const pa_node *node) {
    const pa_log *log = pa_recording();
    return log != NULL && node->flags & PA_BORN_RECORDING && pa_log_find(log, node) < 0;
}

pa_status pa_record_begin_write(pa_node *node, bool *makes) {
    const pa_storage *storage = pa_node_storage(node);
    *makes = pa_record_is_fresh(node) && (storage == NULL || (storage->refs == 1 && storage->owner == NULL));
    return *makes || pa_recording() == NULL ? PA_OK : pa_record_mention(node);
}

/* Does the log write to memory, other than that of what it makes? What becomes a gradient is added to. */
static bool is_written(const pa_log *log, const pa_node *node) {
    for (const pa_entry *e = log->entries; e < log->entries + log->n_entries; e++) {
        bool becomes_gradient = e->kind == PA_ENTRY_SET_GRAD && e->n == 2;
        bool writes =
            becomes_gradient || e->kind == PA_ENTRY_WRITE || e->kind == PA_ENTRY_FILL || e->kind == PA_ENTRY_SET_VALUE;
        int32_t end = becomes_gradient || e->kind == PA_ENTRY_FILL ? e->n : e->out < 0;
        for (int32_t i = becomes_gradient; writes && i < end; i++) {
            const pa_node *target = log->variables[log->operands[e->operands + i]].node;
            const pa_storage *storage = pa_node_storage(target);
            if (target == node || (storage != NULL && storage == pa_node_storage(node))) return true;
        }
    }
    return false;
}

/* Has it the same numbers at each call? A constant that the step does not write to, or what shares its memory. */
static bool is_constant(const pa_log *log, const pa_node *node) {
    int32_t variable = pa_log_find(log, node);
    for (size_t i = log->n_entries; i-- > 0 && variable >= 0 && log->variables[variable].kind == PA_VARIABLE_RESULT;) {
        const pa_entry *e = &log->entries[i];
        bool views = e->kind == PA_ENTRY_ALIAS || (e->kind == PA_ENTRY_OP && pa_op_is_view((pa_op)e->op));
        if (views && e->out == variable) variable = log->operands[e->operands];
    }
    if (variable < 0 || log->variables[variable].kind != PA_VARIABLE_CONSTANT || is_written(log, node)) return false;
    return log->variables[variable].node == node || !is_written(log, log->variables[variable].node);
}

pa_status pa_log_check_constants(const pa_log *log) {
    for (size_t i = 0; i < log->n_variables; i++) {
        const pa_variable *v = &log->variables[i];
        if (v->kind != PA_VARIABLE_CONSTANT || !pa_node_is_contiguous(v->node) ||
            memcmp(pa_node_data(v->node), pa_node_data(v->constant), pa_node_bytes(v->constant)) == 0)
            continue;
        PA_FAIL_IF(!is_written(log, v->node), PA_TRACE,
                   "compile: a tensor of shape %s that the step makes was written to through an array over its memory; "
                   "write into the tensor itself",
                   pa_node_shape_text(v->node));
    }
    return PA_OK;
}

bool pa_record_hides(const pa_node *node) {
    const pa_log *log = pa_recording();
    return log != NULL && !pa_record_is_fresh(node) && !is_constant(log, node);
}

/* Asks how a number was computed: a constant's always is what it is, an input's is seen from then on, and `see` goes on
   with a result's. False of what else it is. */
static bool ask(pa_log *log, int32_t variable) {
    pa_variable *v = &log->variables[variable];
    bool is_number = v->node->ndim == 0 && v->node->flags & PA_TRACED_SCALAR;
    if (is_number && v->kind == PA_VARIABLE_INPUT) return v->seen = true;
    if (is_number && v->kind == PA_VARIABLE_RESULT) return v->is_asked = true;
    return is_constant(log, v->node);
}

/* Marks the float arguments that a number was computed from; false where something else took part. What an entry reads
   was made by earlier ones. */
static bool see(pa_log *log, int32_t variable) {
    if (!ask(log, variable)) return false;
    for (size_t i = log->n_entries; i-- > 0;) {
        const pa_entry *e = &log->entries[i];
        if (e->out < 0 || !log->variables[e->out].is_asked) continue;
        log->variables[e->out].is_asked = false;
        if (e->kind != PA_ENTRY_OP && !is_constant(log, log->variables[e->out].node)) return false;
        for (int32_t k = 0; e->kind == PA_ENTRY_OP && k < e->n; k++)
            if (!ask(log, log->operands[e->operands + k])) return false;
    }
    return true;
}

/* What to write where `what` asks for a number. */
static const char *instead_of(const char *what) {
    static const char *const advice[][2] = {
        {"bool", "For an if write where(condition, a, b); for max, min and sorted over numbers maximum, amax and their "
                 "like"},
        {"float", "A number that is stored, returned or computed with is x.item(); instead of math.exp(x) write "
                  "pyautograd.exp(x), and so on"},
        {"int", "As an index take the integer tensor itself; a number that is stored or returned is x.item()"},
        {"// or %", "Write floor(x / y), and x - y * floor(x / y)"},
        {"round", "Return x.item(), and round it outside of the step"},
        {"format", "Return x.item(), and format it outside of the step"},
        {"repr", "Return it, and print it outside of the step"},
        {"numpy", "Write it with the functions of this package, or return the tensor and go to NumPy outside"},
        {"tolist", "Return the tensor, and make a list of it outside of the step"},
    };
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
        if (strcmp(what, advice[i][0]) == 0) return advice[i][1];
    return "Compute with tensors instead; return what is wanted, and read it outside";
}

/* A refusal is final even if the step catches the exception: what it did instead of reading cannot be repeated. */
pa_status pa_record_refuse_read(const pa_node *node, const char *what) {
    if (!pa_record_hides(node)) return PA_OK;
    pa_log *log = pa_recording();
    int32_t variable = pa_log_find(log, node);
    if (variable >= 0 && see(log, variable)) return PA_OK;
    log->status = PA_TRACE;
    const char *kind = node->flags & PA_TRACED_SCALAR ? "number" : node->flags & PA_IS_VALUE ? "Value" : "tensor";
    return pa_fail(PA_TRACE,
                   "%s: a step that is being compiled has no numbers yet to give to Python (a %s of shape %s was asked "
                   "for its own). %s",
                   what, kind, pa_node_shape_text(node), instead_of(what));
}

pa_status pa_record_refuse(const char *what, const char *instead) {
    pa_log *log = pa_recording();
    if (log == NULL) return PA_OK;
    log->status = PA_TRACE;
    return pa_fail(PA_TRACE, "%s cannot be part of a step that is being compiled: %s", what, instead);
}

/* ---- memory that eager code shares ---- */

static bool same_memory(const pa_node *a, const pa_node *b) {
    return a == b || (pa_node_storage(a) != NULL && pa_node_storage(a) == pa_node_storage(b));
}

static bool is_held(const pa_node *node) { return node->refs > node->programs; }
static bool has_object(const pa_node *node) { return node->handle != NULL && !(node->flags & PA_DICT_ONLY); }
static bool is_from_outside(const pa_node *node) { return is_held(node) && !(node->flags & PA_BORN_RECORDING); }

/* Does it hold of the node, or of another over its memory? */
static bool any_over(const pa_node *node, bool (*holds)(const pa_node *node)) {
    if (holds(node)) return true;
    if (pa_node_storage(node) == NULL) return false;
    for (const pa_node *m = node->array->next; m != NULL && m != node; m = m->array->next)
        if (same_memory(m, node) && holds(m)) return true;
    return false;
}

static bool is_gradient(const pa_log *log, const pa_node *node) {
    for (size_t i = 0; i < log->n_variables; i++) {
        const pa_array *array = log->variables[i].node->array;
        if (array != NULL && array->grad != NULL && same_memory(array->grad, node)) return true;
    }
    return false;
}

static pa_status add_sharer(pa_log *log, pa_node *node, size_t group) {
    PA_TRY(pa_mem_reserve(&log->sharers, &log->sharers_capacity, log->n_sharers + 1, sizeof *log->sharers));
    log->sharers[log->n_sharers++] = (pa_sharer){pa_node_program_retain(node), group};
    return PA_OK;
}

pa_status pa_record_share(pa_node *node, pa_node *source) {
    pa_log *log = pa_recording();
    const pa_storage *storage = pa_node_storage(source);
    bool is_seen = storage != NULL && (storage->owner != NULL || storage->exports > 0);
    if (is_seen || any_over(source, is_from_outside))
        return pa_record_refuse("data = a tensor from outside of the step, whose memory is then shared,",
                                "write x.data = y.clone(), or x.data.copy_(y)");
    size_t group = log->groups++, kept = 0;
    bool is_known = false;
    for (size_t i = 0; i < log->n_sharers; i++) {
        pa_sharer each = log->sharers[i];
        if (same_memory(each.node, node)) { /* it looks elsewhere from now on */
            pa_node_program_release(each.node);
            continue;
        }
        log->sharers[kept++] = each;
        if (!same_memory(each.node, source)) continue;
        is_known = true;
        group = each.group;
    }
    log->n_sharers = kept;
    if (!is_known) PA_TRY(add_sharer(log, source, group));
    return add_sharer(log, node, group);
}

/* Does anybody see the memory of the sharer through another of its group? */
static bool is_seen_elsewhere(const pa_log *log, const pa_sharer *sharer, bool (*sees)(const pa_node *node)) {
    for (size_t i = 0; i < log->n_sharers; i++) {
        const pa_sharer *other = &log->sharers[i];
        if (other->group == sharer->group && !same_memory(other->node, sharer->node) &&
            (any_over(other->node, sees) || is_gradient(log, other->node)))
            return true;
    }
    return false;
}

pa_status pa_record_check_shared(const pa_node *node, const char *what) {
    pa_log *log = pa_recording();
    for (size_t i = 0; log != NULL && i < log->n_sharers && !log->shares; i++) {
        if (!same_memory(log->sharers[i].node, node) || !is_seen_elsewhere(log, &log->sharers[i], is_held)) continue;
        log->status = PA_TRACE;
        return pa_fail(PA_TRACE,
                       "%s: this tensor of shape %s shares its memory with another since x.data = y, which a step that "
                       "is being compiled copies: the other would not see this write. Write x.data = y.clone(), or "
                       "x.data.copy_(y), where it need not, and else write to both",
                       what, pa_node_shape_text(node));
    }
    return PA_OK;
}

pa_status pa_record_check_shared_gradients(void) {
    const pa_log *log = pa_recording();
    for (size_t i = 0; log != NULL && i < log->n_sharers; i++)
        if (is_gradient(log, log->sharers[i].node)) PA_TRY(pa_record_check_shared(log->sharers[i].node, "backward"));
    return PA_OK;
}

pa_status pa_log_check_shared(pa_log *log) {
    for (size_t i = 0; i < log->n_sharers; i++) {
        const pa_sharer *each = &log->sharers[i];
        if (!any_over(each->node, has_object) || !is_seen_elsewhere(log, each, has_object)) continue;
        return pa_fail(
            PA_TRACE,
            "compile: x.data = y shares the memory of y, of shape %s, and both are kept after the step, which "
            "copies; write x.data = y.clone(), or x.data.copy_(y)",
            pa_node_shape_text(each->node));
    }
    return PA_OK;
}
