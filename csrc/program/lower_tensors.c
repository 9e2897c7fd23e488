/* Lowering of a step over tensors: private nodes and buffers for everything that takes part, an instruction for
   everything that happened; for each backward() the sweep that the tape would make, the same nodes in the same order
   (lower_gradients.c). */
#include "lower_gradients.h"

#include <string.h>

#include "batch.h"
#include "instruction.h"

static pa_status set_parents(pa_lowering *l, int32_t at, pa_op op, int n, const int32_t *variables) {
    pa_node *node = l->p->nodes[at];
    pa_node **to = node->parent;
    if (n > 2) {
        to = pa_mem_alloc(pa_parents_bytes(n));
        if (to == NULL) return PA_MEMORY;
        node->array->parents = to;
    }
    for (int i = 0; i < n; i++) to[i] = pa_node_retain(l->p->nodes[l->variables[variables[i]].at]);
    node->n_parents = (uint16_t)n;
    node->op = (uint8_t)op;
    return PA_OK;
}

/* The parents of a 0-d node, through which a gradient flows if it does so through one of them. */
static void give_parents(pa_node *node, pa_op op, pa_node *a, pa_node *b) {
    node->parent[0] = pa_node_retain(a);
    node->parent[1] = pa_node_retain(b);
    node->n_parents = 2;
    node->op = (uint8_t)op;
    node->array->ints[0] = PA_FLOAT64;
    if (pa_node_requires_grad(a) || pa_node_requires_grad(b)) node->flags |= PA_REQUIRES_GRAD;
}

/* ---- leaves ---- */

/* Gradients are computed for a leaf that requires one at any point of the step. */
static void flag_leaf(pa_lowering *l, int32_t variable) {
    const pa_lowered *leaf = &l->variables[variable];
    if (leaf->made_by < 0 && leaf->ever_requires_grad && pa_lower_wants_gradient(l, variable))
        l->p->nodes[leaf->at]->flags |= PA_REQUIRES_GRAD;
}

static pa_status constant_node(pa_lowering *l, int32_t variable) {
    pa_program *p = l->p;
    pa_node *numbers = l->log->variables[variable].constant;
    int32_t buffer, constant, *at = &l->variables[variable].at;
    PA_TRY(pa_program_new_buffer(p, PA_BUFFER_CONSTANT, pa_node_bytes(numbers), &buffer));
    PA_TRY(pa_program_keep_constant(p, numbers));
    p->buffers[buffer].at = pa_node_data(numbers);
    PA_TRY(pa_program_new_node(p, numbers, true, buffer, 0, &constant));
    *at = constant;
    if (!l->variables[variable].written) return PA_OK;
    /* The step writes over it: each step begins with a copy of its own. */
    PA_TRY(pa_program_new_buffer(p, PA_BUFFER_ARENA, pa_node_bytes(numbers), &buffer));
    PA_TRY(pa_program_new_node(p, numbers, true, buffer, 0, at));
    return pa_lower_emit(l, PA_DO_COPY, *at, constant, -1);
}

pa_status pa_lower_need_node(pa_lowering *l, int32_t variable) {
    int32_t buffer, *at = &l->variables[variable].at;
    if (*at >= 0) return PA_OK;
    const pa_variable *v = &l->log->variables[variable];
    if (v->kind == PA_VARIABLE_CONSTANT) {
        PA_TRY(constant_node(l, variable));
    } else {
        PA_TRY(pa_lower_leaf(l, variable, &buffer));
        PA_TRY(pa_program_new_node(l->p, v->node, false, buffer, 0, at));
    }
    flag_leaf(l, variable);
    return PA_OK;
}

pa_status pa_lower_result_node(pa_lowering *l, int32_t variable) {
    const pa_node *like = l->log->variables[variable].node;
    int32_t buffer;
    PA_TRY(pa_program_new_buffer(l->p, PA_BUFFER_ARENA, pa_node_bytes(like), &buffer));
    return pa_program_new_node(l->p, like, true, buffer, 0, &l->variables[variable].at);
}

/* ---- entries ---- */

static bool shares_memory(const pa_node *out, const pa_node *base) {
    return pa_node_storage(out) != NULL && pa_node_storage(out) == pa_node_storage(base);
}

/* A node over another's memory. */
static pa_status lower_view(pa_lowering *l, int32_t out, int32_t in) {
    const pa_node *view = l->log->variables[out].node, *base = l->log->variables[in].node;
    if (!shares_memory(view, base)) {
        PA_TRY(pa_lower_result_node(l, out));
        return pa_lower_emit(l, PA_DO_COPY, l->variables[out].at, l->variables[in].at, -1);
    }
    int32_t of = l->variables[in].at;
    int64_t offset = l->p->offset_of[of] + (view->array->data - base->array->data);
    return pa_program_new_node(l->p, view, false, l->p->buffer_of[of], offset, &l->variables[out].at);
}

/* A node of which only the backward is wanted: nothing makes its numbers. */
static pa_status hidden_node(pa_lowering *l, pa_op op, int32_t a, int32_t b, int32_t *out) {
    pa_program *p = l->p;
    int32_t buffer;
    PA_TRY(pa_program_new_buffer(p, PA_BUFFER_ARENA, sizeof(double), &buffer));
    PA_TRY(pa_program_new_node(p, p->nodes[a], true, buffer, 0, out));
    give_parents(p->nodes[*out], op, p->nodes[a], p->nodes[b]);
    return PA_OK;
}

/* A Value with its local gradients sends what a sum of products with them would: out = a da + b db + … but for its
   number, which is given. Products and partial sums are nodes of which only the backward is wanted. */
static pa_status lower_local_grads(pa_lowering *l, const pa_entry *entry) {
    pa_program *p = l->p;
    const int32_t *in = l->log->operands + entry->operands;
    int n = entry->n / 2;
    PA_TRY(pa_lower_need_node(l, entry->out));
    pa_lowered *out = &l->variables[entry->out];
    int32_t total = l->variables[in[0]].at, next = l->variables[in[n]].at;
    out->hidden = p->n_nodes;
    for (int k = 0; k < n && n > 1; k++)
        PA_TRY(hidden_node(l, PA_OP_mul, l->variables[in[k]].at, l->variables[in[n + k]].at, &next));
    for (int k = 1; k < n; k++) {
        total = k == 1 ? out->hidden : total;
        next = out->hidden + k;
        if (k < n - 1) PA_TRY(hidden_node(l, PA_OP_add, total, next, &total));
    }
    give_parents(p->nodes[out->at], n == 1 ? PA_OP_mul : PA_OP_add, p->nodes[total], p->nodes[next]);
    return PA_OK;
}

static pa_status lower_op(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    for (int i = 0; i < entry->n; i++) PA_TRY(pa_lower_need_node(l, in[i]));
    if (entry->op == PA_OP_local_grads) return lower_local_grads(l, entry);
    bool is_made =
        pa_op_is_view((pa_op)entry->op) || entry->op == PA_OP_custom; /* a custom op's by its forward, a host call */
    if (pa_op_is_view((pa_op)entry->op))
        PA_TRY(lower_view(l, entry->out, in[0]));
    else if (!is_made)
        PA_TRY(pa_lower_result_node(l, entry->out));
    int32_t at = l->variables[entry->out].at;
    pa_node *node = l->p->nodes[at];
    if (l->log->variables[entry->out].node->flags & PA_IS_VALUE) {
        node->array->ints[0] = PA_FLOAT64;
        for (int i = 0; i < entry->n_params; i++) node->array->params[i] = entry->params[i];
    }
    PA_TRY(set_parents(l, at, (pa_op)entry->op, entry->n, in));
    /* The backward of a custom op does what it does, wherever its gradients go. */
    bool flows = entry->tracked && (l->variables[entry->out].gradient_is_read || entry->op == PA_OP_custom);
    for (int i = 0; i < entry->n && entry->tracked; i++)
        flows = flows || pa_node_requires_grad(pa_node_parent(node, i));
    if (flows) node->flags |= PA_REQUIRES_GRAD;
    if (is_made) return PA_OK;
    pa_instruction i = pa_lower_instruction(PA_DO_FORWARD);
    i.node = at;
    if (pa_op_table[entry->op].effects & MAY_FAIL) PA_TRY(pa_lower_list_leaves(l, &i));
    return pa_program_emit(l->p, &i);
}

static pa_status lower_host(pa_lowering *l, const pa_entry *entry) {
    const pa_log *log = l->log;
    pa_program *p = l->p;
    pa_instruction i = pa_lower_instruction(PA_DO_HOST);
    i.n = entry->n;
    for (int k = 0; k < i.n; k++) PA_TRY(pa_lower_need_node(l, log->operands[entry->operands + k]));
    int32_t n_results = 0;
    for (const pa_entry *e = entry + 1; e < log->entries + log->n_entries && e->kind == PA_ENTRY_HOST_RESULT; e++) {
        PA_TRY(pa_lower_result_node(l, e->out));
        n_results++;
    }
    PA_TRY(pa_program_keep_host(p, entry->host, &i.source));
    p->hosts[i.source].n_results = n_results;
    p->hosts[i.source].keeps_history = log->ints[entry->ints] != 0;
    PA_TRY(pa_lower_list_leaves(l, &i));
    PA_TRY(pa_program_new_targets(p, i.n + n_results, &i.targets));
    int32_t *nodes = p->pool + i.targets;
    for (int k = 0; k < i.n; k++) nodes[k] = l->variables[log->operands[entry->operands + k]].at;
    for (int k = 0; k < n_results; k++) nodes[i.n + k] = l->variables[entry[1 + k].out].at;
    return pa_program_emit(p, &i);
}

static pa_status lower_update(pa_lowering *l, const pa_entry *entry) {
    pa_program *p = l->p;
    pa_instruction i = pa_lower_instruction(PA_DO_UPDATE);
    PA_TRY(pa_lower_list_gradients(l, entry, &i.targets));
    i.n = entry->n;
    i.source = pa_lower_update(l, entry);
    for (int k = 0; k < entry->n; k++) {
        int32_t variable = l->log->operands[entry->operands + k];
        PA_FAIL_IF(l->log->variables[variable].kind != PA_VARIABLE_CAPTURED, PA_UNSUPPORTED,
                   "compile: an optimiser's parameter of shape %s that the step makes itself, or gets as an argument",
                   pa_node_shape_text(l->log->variables[variable].node));
        if (p->pool[i.targets + k] >= 0) PA_TRY(pa_lower_mark_written(l, variable));
    }
    return pa_program_emit(p, &i);
}

/* What an entry writes: a result of its own, or else its first operand. */
static pa_status lower_target(pa_lowering *l, const pa_entry *entry, int32_t *variable) {
    *variable = entry->out >= 0 ? entry->out : l->log->operands[entry->operands];
    if (entry->out >= 0) return pa_lower_result_node(l, *variable);
    PA_TRY(pa_lower_need_node(l, *variable));
    return pa_lower_mark_written(l, *variable);
}

static pa_status lower_write(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    int32_t variable;
    for (int k = 0; k < entry->n; k++) PA_TRY(pa_lower_need_node(l, in[k]));
    PA_TRY(lower_target(l, entry, &variable));
    return pa_lower_emit(l, PA_DO_WRITE, l->variables[variable].at, l->variables[in[entry->n - 1]].at, -1);
}

static pa_status lower_fill(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    const int64_t *ints = l->log->ints + entry->ints;
    int32_t variable;
    PA_TRY(lower_target(l, entry, &variable));
    pa_instruction i = pa_lower_instruction(PA_DO_FILL);
    i.node = l->variables[variable].at;
    i.operand = (uint8_t)ints[0];
    if (ints[1]) {
        PA_TRY(pa_lower_need_node(l, in[entry->n - 1]));
        PA_TRY(pa_lower_mark_written(l, in[entry->n - 1]));
        i.source = l->variables[in[entry->n - 1]].at;
    }
    if (i.operand == PA_FILL_INTEGERS)
        memcpy(i.whole, ints + 2, sizeof i.whole);
    else
        memcpy(i.params, entry->params, sizeof i.params);
    return pa_program_emit(l->p, &i);
}

static pa_status lower_entry(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    switch ((pa_entry_kind)entry->kind) {
    case PA_ENTRY_OP: return lower_op(l, entry);
    case PA_ENTRY_ALIAS:
        PA_TRY(pa_lower_need_node(l, in[0]));
        return l->variables[entry->out].at >= 0 ? PA_OK : lower_view(l, entry->out, in[0]);
    case PA_ENTRY_NUMBER_OF:
    case PA_ENTRY_VALUE_OF:
    case PA_ENTRY_WRITE:
    case PA_ENTRY_SET_VALUE: return lower_write(l, entry);
    case PA_ENTRY_UPDATE: return lower_update(l, entry);
    case PA_ENTRY_FILL: return lower_fill(l, entry);
    case PA_ENTRY_HOST: return lower_host(l, entry);
    case PA_ENTRY_HOST_RESULT:
    case PA_ENTRY_HOST_GRADIENT:
    case PA_ENTRY_HOOK: return PA_OK; /* of the call, and of the sweep, beside which they stand */
    default: return pa_lower_gradient_entry(l, entry);
    }
}

/* ---- before and after ---- */

/* Which memory is written, and whether anomalies are looked for. */
static void find_writes(pa_lowering *l) {
    const pa_log *log = l->log;
    for (const pa_entry *e = log->entries; e < log->entries + log->n_entries; e++) {
        const int32_t *in = log->operands + e->operands;
        bool sweeps = e->kind == PA_ENTRY_BACKWARD || e->kind == PA_ENTRY_GRAD;
        if (sweeps && e->n_ints > 0) l->p->checks_gradients = true;
        bool views = e->kind == PA_ENTRY_ALIAS || (e->kind == PA_ENTRY_OP && pa_op_is_view((pa_op)e->op));
        if (views && shares_memory(log->variables[e->out].node, log->variables[in[0]].node))
            l->variables[e->out].base = l->variables[in[0]].base;
        if (e->out < 0 && (e->kind == PA_ENTRY_WRITE || e->kind == PA_ENTRY_SET_VALUE || e->kind == PA_ENTRY_FILL))
            l->variables[in[0]].written = l->variables[l->variables[in[0]].base].written = true;
        if (e->kind == PA_ENTRY_FILL && log->ints[e->ints + 1]) l->variables[in[e->n - 1]].written = true;
        if (e->kind == PA_ENTRY_SET_GRAD && e->n == 2) l->variables[l->variables[in[1]].base].written = true;
    }
}

/* A place, or memory of one: a fresh one only where the plain call makes it. */
static bool is_of_place(const pa_buffer *b) {
    return b->kind == PA_BUFFER_INPUT || b->kind == PA_BUFFER_CAPTURED || b->kind == PA_BUFFER_GRADIENT ||
           b->kind == PA_BUFFER_ENTRY_GRADIENT;
}

static bool is_own(const pa_result *r) { return !r->is_number && !r->is_value && !r->is_place && !r->is_view; }

/* Results that share memory in the plain call do so in a program: they look at one buffer now, before any pass. One
   that is not contiguous looks at its own in the same way. */
static void find_shared_memory(pa_program *p) {
    for (int32_t i = 0; i < p->n_results; i++) {
        pa_result *r = &p->results[i];
        if (!is_own(r)) continue;
        if (!pa_node_is_contiguous(p->nodes[r->node])) r->memory = i;
        for (int32_t k = 0; k < i; k++) {
            if (p->results[k].buffer != r->buffer || !is_own(&p->results[k])) continue;
            r->memory = p->results[k].memory = k;
            break;
        }
    }
}

static pa_status lower_results(pa_lowering *l, int n, pa_node *const *outputs) {
    pa_program *p = l->p;
    for (int i = 0; i < n; i++) {
        int32_t variable;
        PA_TRY(pa_lower_result(l, i, outputs[i], &variable));
        PA_TRY(pa_lower_need_node(l, variable));
        pa_result *r = &p->results[i];
        r->node = l->variables[variable].at;
        r->buffer = p->buffer_of[r->node];
        const pa_node *node = p->nodes[r->node];
        pa_buffer *b = &p->buffers[r->buffer];
        r->copied = r->is_number || r->is_value || b->kind != PA_BUFFER_ARENA || p->offset_of[r->node] != 0 ||
                    !pa_node_is_contiguous(node) || pa_node_bytes(node) != b->bytes;
        if (!r->copied) b->kind = PA_BUFFER_RESULT;
        bool is_whole = l->variables[variable].base == variable && p->offset_of[r->node] == 0;
        r->is_gradient = is_whole && (b->kind == PA_BUFFER_GRADIENT || b->kind == PA_BUFFER_ENTRY_GRADIENT) &&
                         !r->is_value && !r->is_number;
        r->is_place = r->is_place || r->is_gradient;
        r->is_view = is_own(r) && is_of_place(b);
        PA_TRY(pa_lower_result_gradient(l, variable, r));
    }
    find_shared_memory(p);
    return PA_OK;
}

static pa_status lower(pa_lowering *l, int n_outputs, pa_node *const *outputs) {
    find_writes(l);
    for (const pa_entry *e = l->log->entries; e < l->log->entries + l->log->n_entries; e++) {
        l->entry = (int32_t)(e - l->log->entries);
        PA_TRY(lower_entry(l, e));
        if (e->out >= 0) flag_leaf(l, e->out);
    }
    PA_TRY(pa_lower_settle_gradients(l));
    PA_TRY(lower_results(l, n_outputs, outputs));
    return pa_lower_history(l, n_outputs, outputs);
}

pa_status pa_lower_tensors(pa_program *p, const pa_log *log, const pa_log *other, int n_outputs,
                           pa_node *const *outputs) {
    pa_lowering l;
    pa_status status = pa_lowering_begin(&l, p, log, n_outputs, outputs);
    if (status == PA_OK) status = lower(&l, n_outputs, outputs);
    if (status == PA_OK && other != NULL) status = pa_batch_learn(&l, other);
    pa_lowering_end(&l);
    return status;
}
