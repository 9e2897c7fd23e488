/* Drives the lowering of a log and the passes over what comes out of it: of a step over Values where it is one, that is
   where every op is arithmetic on Values, numbers and small tensors, else of a step over tensors. */
#include "compile.h"

#include "live.h"
#include "lower.h"
#include "passes.h"

/* ---- is it a step over Values? ---- */

enum { MOST_NUMBERS = 1 << 24 };

/* Straight-line code computes in double. What the eager engine computes in int64 would lose digits there, narrower
   integers wrap around, and bool + bool is not their sum; a comparison of int64 with a number below 2^53 rounds to the
   same answer. */
static bool is_exact_in_double(const pa_entry *e, const pa_log *log) {
    bool integers = false, narrow = false, small = false;
    for (int k = 0; k < e->n; k++) {
        const pa_node *operand = log->variables[log->operands[e->operands + k]].node;
        if (pa_dtype_is_float(operand->dtype)) return true;
        bool is_int64 = operand->dtype == PA_INT64;
        small = small || (is_int64 && operand->flags & PA_WEAK_SCALAR && operand->value_i64 < (int64_t)1 << 53 &&
                          operand->value_i64 > -((int64_t)1 << 53));
        integers = integers || is_int64;
        narrow = narrow || pa_dtype_is_narrow(operand->dtype);
    }
    if (narrow) return false;
    uint8_t family = pa_op_table[e->op].family;
    return (family == PA_COMPARISON && small) || (!integers && family != PA_ELEMENTWISE);
}

static bool is_plain(const pa_entry *e, const pa_log *log) {
    const pa_node *out = log->variables[e->out].node;
    switch (e->op) {
    case PA_OP_sum: return is_exact_in_double(e, log);
    case PA_OP_mean:
    case PA_OP_view:
    case PA_OP_local_grads:
    case PA_OP_cat: return true;
    case PA_OP_cast:
        return pa_dtype_is_float(out->dtype) || out->dtype == log->variables[log->operands[e->operands]].node->dtype;
    default: break;
    }
    uint8_t family = pa_op_table[e->op].family;
    if (family == PA_LOGIC) return out->dtype == PA_BOOL;
    return (family == PA_ELEMENTWISE || family == PA_COMPARISON) && is_exact_in_double(e, log);
}

/* float32 has no place in straight-line code. What is only handed out, such as an accuracy, may be float32: computed in
   float64 and rounded once; it must not come back into float64, be compared, or carry a gradient. */
static bool is_single(const pa_log *log, int32_t variable) {
    return log->variables[variable].node->dtype == PA_FLOAT32;
}

static bool singles_stay_apart(const pa_log *log) {
    for (size_t i = 0; i < log->n_variables; i++)
        if (is_single(log, (int32_t)i) &&
            (log->variables[i].kind != PA_VARIABLE_RESULT || log->variables[i].requires_grad))
            return false;
    for (size_t i = 0; i < log->n_entries; i++) {
        const pa_entry *e = &log->entries[i];
        bool single = e->out >= 0 && is_single(log, e->out);
        for (int k = 0; k < e->n; k++)
            if (is_single(log, log->operands[e->operands + k]) && (!single || e->kind != PA_ENTRY_OP)) return false;
        if (single && (e->kind != PA_ENTRY_OP || e->tracked)) return false;
    }
    return true;
}

static bool are_values(const pa_entry *e, const pa_log *log, bool captured) {
    for (int k = 0; k < e->n; k++) {
        const pa_variable *v = &log->variables[log->operands[e->operands + k]];
        if (!(v->node->flags & PA_IS_VALUE) || (captured && v->kind != PA_VARIABLE_CAPTURED)) return false;
    }
    return true;
}

static bool entry_is_over_values(const pa_entry *e, const pa_log *log) {
    switch ((pa_entry_kind)e->kind) {
    case PA_ENTRY_OP: return is_plain(e, log);
    case PA_ENTRY_WRITE:
    case PA_ENTRY_HOST:
    case PA_ENTRY_HOOK:
    case PA_ENTRY_CLIP:
    case PA_ENTRY_FILL:
    case PA_ENTRY_GRAD:
    case PA_ENTRY_REQUIRES_GRAD:
    case PA_ENTRY_RETAIN_GRAD: return false;
    case PA_ENTRY_BACKWARD: return e->n == 1 && e->n_ints == 0;
    case PA_ENTRY_UPDATE: return are_values(e, log, true);
    case PA_ENTRY_ZERO_GRAD: return are_values(e, log, false);
    default: return true;
    }
}

static bool is_over_values(const pa_log *log) {
    if (!singles_stay_apart(log)) return false;
    bool any = false;
    double total = 0;
    for (size_t i = 0; i < log->n_variables; i++) {
        const pa_variable *v = &log->variables[i];
        bool is_value = (v->node->flags & PA_IS_VALUE) != 0;
        any = any || is_value;
        if (v->requires_grad && v->kind != PA_VARIABLE_RESULT && !is_value) return false;
        total += (double)pa_node_numel(v->node);
    }
    if (!any || total > MOST_NUMBERS) return false;
    for (size_t i = 0; i < log->n_entries; i++)
        if (!entry_is_over_values(&log->entries[i], log)) return false;
    return true;
}

/* ---- compiling ---- */

/* Straight-line code makes each result by itself. */
static bool share_memory(int n, pa_node *const *outputs) {
    for (int i = 0; i < n; i++) {
        const pa_storage *storage = pa_node_storage(outputs[i]);
        for (int k = 0; k < i && storage != NULL; k++)
            if (pa_node_storage(outputs[k]) == storage) return true;
    }
    return false;
}

/* It gives a history to Values, by a sweep for each; else, the step is taken op by op. */
static pa_status has_histories_of_values(const pa_log *log, int n, pa_node *const *outputs, bool *fits) {
    enum { MOST_SWEEPS = 64 };
    bool *live = pa_mem_alloc_array((size_t)n + 1, sizeof *live);
    if (live == NULL) return PA_MEMORY;
    pa_status status = pa_log_find_live(log, n, outputs, live);
    int sweeps = 0;
    *fits = true;
    for (int i = 0; i < n && status == PA_OK; i++) {
        sweeps += live[i];
        *fits = *fits && (!live[i] || outputs[i]->flags & PA_IS_VALUE) && sweeps <= MOST_SWEEPS;
    }
    pa_mem_free_array(live, (size_t)n + 1, sizeof *live);
    return status;
}

static bool is_fixed(const pa_captured *c) {
    return c->input < 0 && c->next < 0 && (c->node->flags & PA_IS_VALUE) != 0;
}

/* Two captured tensors have changed places. */
static void exchange_leaves(pa_program *p, int32_t a, int32_t b) {
    for (const pa_instruction *i = p->code; i < p->code + p->n_code; i++) {
        for (int k = 0; k < i->n_leaves; k++) {
            int32_t *captured = &p->pool[i->leaves + k * PA_LEAF_FIELDS + PA_LEAF_CAPTURED];
            *captured = *captured == a ? b : *captured == b ? a : *captured;
        }
    }
}

/* The numbers of captured Values stand still: binds them for good, and puts these behind the other captured ones. */
static void bind_values(pa_program *p) {
    p->n_bound = 0;
    for (int32_t i = 0; i < p->n_captured; i++) {
        pa_captured c = p->captured[i];
        if (is_fixed(&c)) {
            if (c.buffer >= 0) pa_program_place(p, c.buffer, (char *)&c.node->value);
            if (c.entry >= 0) pa_program_place(p, c.entry, (char *)&c.node->grad);
            if (c.gradient >= 0) pa_program_place(p, c.gradient, (char *)&c.node->grad);
        } else {
            if (i != p->n_bound) exchange_leaves(p, i, p->n_bound);
            p->captured[i] = p->captured[p->n_bound];
            p->captured[p->n_bound++] = c;
        }
    }
}

/* Where the batch axis is free, a step over Values is one over small tensors. */
static pa_status compile(pa_program *p, const pa_log *log, const pa_log *other, int n_outputs,
                         pa_node *const *outputs) {
    bool fits = false;
    PA_TRY(has_histories_of_values(log, n_outputs, outputs, &fits));
    bool over_values = is_over_values(log) && fits && other == NULL && !share_memory(n_outputs, outputs);
    PA_TRY(over_values ? pa_lower_values(p, log, n_outputs, outputs)
                       : pa_lower_tensors(p, log, other, n_outputs, outputs));
    bind_values(p);
    if (over_values) {
        PA_TRY(pa_pass_values(p));
        return pa_pass_history(p);
    }
    if (p->passes & PA_PASS_CONSTANTS) PA_TRY(pa_pass_constants(p));
    if (p->passes & PA_PASS_COMMON) PA_TRY(pa_pass_common(p));
    if (p->passes & PA_PASS_DEAD) PA_TRY(pa_pass_dead(p));
    if (p->passes & PA_PASS_FUSE) PA_TRY(pa_pass_fuse(p));
    PA_TRY(pa_pass_plan(p));
    return pa_pass_history(p);
}

double pa_program_flops(const pa_program *p) {
    double total = 0;
    for (int32_t i = 0; i < p->n_code; i++) {
        const pa_instruction *each = &p->code[i];
        if (each->node < 0 || each->kind == PA_DO_UPDATE) continue;
        const pa_node *node = p->nodes[each->node];
        bool product = pa_is_product(node);
        double work = product ? pa_product_cost(node) : (double)pa_node_numel(node);
        int times = 1;
        if (each->kind == PA_DO_BACKWARD && product) {
            times = 0;
            for (int k = 0; k < 2; k++) times += p->pool[each->targets + k] >= 0;
        }
        total += work * times;
    }
    return total;
}

pa_status pa_program_new(const pa_log *log, const pa_log *other, int n_outputs, pa_node *const *outputs,
                         unsigned passes, pa_program **out) {
    pa_program *p = pa_mem_alloc(sizeof *p);
    if (p == NULL) return PA_MEMORY;
    *p = (pa_program){.refs = 1, .passes = passes, .kernels = pa_k};
    for (size_t i = 0; i < log->n_entries; i++) p->n_recorded += log->entries[i].kind == PA_ENTRY_OP;
    pa_status status = compile(p, log, other, n_outputs, outputs);
    if (status == PA_OK) status = pa_program_list_nodes(p);
    if (status != PA_OK) {
        pa_program_free(p);
        return status;
    }
    p->flops = pa_program_flops(p);
    pa_mem_trim(); /* what the eager steps and the passes used, and the program does not */
    *out = p;
    return PA_OK;
}
