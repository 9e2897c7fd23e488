/* From the log to a first program: private nodes and buffers for everything that takes part, an instruction for everything
   that happened, and for each backward() the sweep that the tape would make: the same nodes in the same order.

   A leaf's gradient is a cell whose state is followed through the step:

       as found ──zero_grad──▶ cleared ──backward──▶ a fresh buffer ──backward──▶ the same, added to

   What it is in the end says what the leaf's .grad is after a call. */
#include <string.h>

#include "../apply.h"
#include "program.h"

const char *const pa_pass_names[PA_PASS_COUNT] = {
#define X(name, words) [PA_PASS_##name##_INDEX] = words,
    PA_PASS_MAP(X)
#undef X
};

enum { CELL_AS_FOUND = -2, CELL_CLEARED = -1 }; /* else a buffer */

typedef struct lowering {
    pa_program *p;
    const pa_log *log;
    int32_t *node_of;     /* of each slot; -1: not yet */
    int32_t *external_of; /* of each slot that is a leaf with a gradient cell; -1: none */
    bool *written;        /* each slot: does anything write its memory? by the slot at the base of views */
    bool *wants_gradient; /* each slot: is it a leaf whose gradient the step, or anybody afterwards, looks at? */
    int32_t *base;        /* each slot: what it is a view of, or itself */
    int32_t *cells;       /* of each external */
    size_t cells_capacity;
} lowering;

/* ---- building ---- */

pa_status pa_program_new_buffer(pa_program *p, pa_buffer_kind kind, int32_t index, size_t bytes, int32_t *out) {
    PA_TRY(pa_mem_reserve(&p->buffers, &p->buffers_capacity, (size_t)p->n_buffers + 1, sizeof *p->buffers));
    p->buffers[p->n_buffers] =
        (pa_buffer){.kind = (uint8_t)kind, .index = index, .bytes = bytes, .first = -1, .last = -1};
    *out = p->n_buffers++;
    return PA_OK;
}

pa_status pa_program_emit(pa_program *p, const pa_instruction *instruction) {
    PA_TRY(pa_mem_reserve(&p->code, &p->code_capacity, (size_t)p->n_code + 1, sizeof *p->code));
    p->code[p->n_code++] = *instruction;
    return PA_OK;
}

static pa_instruction instruction(pa_instruction_kind kind) {
    return (pa_instruction){.kind = (uint8_t)kind, .node = -1, .source = -1, .gradient = -1, .targets = -1};
}

static pa_status emit(lowering *l, pa_instruction_kind kind, int32_t node, int32_t source, int32_t gradient) {
    pa_instruction i = instruction(kind);
    i.node = node;
    i.source = source;
    i.gradient = gradient;
    return pa_program_emit(l->p, &i);
}

static pa_status add_node(pa_program *p, pa_node *node, int32_t buffer, int64_t offset, int32_t *out) {
    PA_TRY(pa_mem_reserve(&p->nodes, &p->nodes_capacity, (size_t)p->n_nodes + 1, sizeof *p->nodes));
    PA_TRY(pa_mem_reserve(&p->buffer_of, &p->buffer_of_capacity, (size_t)p->n_nodes + 1, sizeof *p->buffer_of));
    PA_TRY(pa_mem_reserve(&p->offset_of, &p->offset_of_capacity, (size_t)p->n_nodes + 1, sizeof *p->offset_of));
    node->mark = (uint32_t)p->n_nodes;
    p->nodes[p->n_nodes] = node;
    p->buffer_of[p->n_nodes] = buffer;
    p->offset_of[p->n_nodes] = offset;
    *out = p->n_nodes++;
    return PA_OK;
}

pa_status pa_program_node(pa_program *p, const pa_node *like, bool contiguous, int32_t buffer, int64_t offset,
                          int32_t *out) {
    int64_t strides[PA_MAX_NDIM], stride = 1;
    for (int i = like->ndim - 1; i >= 0; i--) {
        strides[i] = contiguous ? stride : like->array->strides[i];
        stride *= like->array->shape[i];
    }
    pa_node *node = NULL;
    PA_TRY(pa_node_over((pa_dtype)like->dtype, like->ndim, pa_node_shape(like), strides, p->memory, p->memory->data,
                        &node));
    node->flags = 0;
    if (like->array != NULL) {
        memcpy(node->array->params, like->array->params, sizeof like->array->params);
        memcpy(node->array->ints, like->array->ints, sizeof like->array->ints);
    }
    pa_status status = add_node(p, node, buffer, offset, out);
    if (status != PA_OK) pa_node_release(node);
    return status;
}

static pa_status set_parents(lowering *l, int32_t at, pa_op op, int n, const int32_t *slots) {
    pa_node *node = l->p->nodes[at];
    pa_node **to = node->parent;
    if (n > 2) {
        to = pa_mem_alloc(pa_parents_bytes(n));
        if (to == NULL) return PA_MEMORY;
        node->array->parents = to;
    }
    for (int i = 0; i < n; i++) to[i] = pa_node_retain(l->p->nodes[l->node_of[slots[i]]]);
    node->n_parents = (uint16_t)n;
    node->op = (uint8_t)op;
    return PA_OK;
}

/* ---- leaves ---- */

static pa_status need_external(lowering *l, int32_t slot, int32_t *out) {
    *out = l->external_of[slot];
    if (*out >= 0) return PA_OK;
    pa_program *p = l->p;
    const pa_variable *s = &l->log->variables[slot];
    PA_TRY(pa_mem_reserve(&p->externals, &p->externals_capacity, (size_t)p->n_externals + 1, sizeof *p->externals));
    PA_TRY(pa_mem_reserve(&l->cells, &l->cells_capacity, (size_t)p->n_externals + 1, sizeof *l->cells));
    *out = p->n_externals++;
    p->externals[*out] = (pa_external){.node = s->kind == PA_VARIABLE_CAPTURED ? pa_node_program_retain(s->node) : NULL,
                                       .buffer = -1,
                                       .gradient = CELL_AS_FOUND,
                                       .entry = -1,
                                       .requires_grad = s->requires_grad,
                                       .input = -1};
    l->cells[*out] = CELL_AS_FOUND;
    if (s->kind == PA_VARIABLE_INPUT)
        for (size_t i = 0; i < l->log->n_inputs; i++)
            if (l->log->inputs[i] == slot) p->externals[*out].input = (int32_t)i;
    l->external_of[slot] = *out;
    return PA_OK;
}

static pa_status leaf_node(lowering *l, int32_t slot) {
    pa_program *p = l->p;
    const pa_variable *s = &l->log->variables[slot];
    int32_t buffer, external;
    switch (s->kind) {
    case PA_VARIABLE_INPUT:
        for (int32_t i = 0; i < p->n_inputs; i++) {
            if (l->log->inputs[i] != slot) continue;
            PA_TRY(pa_program_new_buffer(p, PA_BUFFER_INPUT, i, pa_node_bytes(s->node), &buffer));
            p->inputs[i].buffer = buffer;
            PA_TRY(pa_program_node(l->p, s->node, false, buffer, 0, &l->node_of[slot]));
        }
        break;
    case PA_VARIABLE_CAPTURED:
        PA_TRY(need_external(l, slot, &external));
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_EXTERNAL, external, pa_node_bytes(s->node), &buffer));
        p->externals[external].buffer = buffer;
        PA_TRY(pa_program_node(l->p, s->node, false, buffer, 0, &l->node_of[slot]));
        break;
    case PA_VARIABLE_CONSTANT: {
        int32_t constant;
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_CONSTANT, p->n_constants, pa_node_bytes(s->constant), &buffer));
        PA_TRY(pa_mem_reserve(&p->constants, &p->constants_capacity, (size_t)p->n_constants + 1, sizeof *p->constants));
        p->constants[p->n_constants++] = pa_node_retain(s->constant);
        p->buffers[buffer].at = pa_node_data(s->constant);
        PA_TRY(pa_program_node(l->p, s->constant, true, buffer, 0, &constant));
        l->node_of[slot] = constant;
        if (!l->written[slot]) break;
        /* The step writes over it: each step begins with a copy of its own. */
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_ARENA, -1, pa_node_bytes(s->constant), &buffer));
        PA_TRY(pa_program_node(l->p, s->constant, true, buffer, 0, &l->node_of[slot]));
        PA_TRY(emit(l, PA_DO_COPY, l->node_of[slot], constant, -1));
        break;
    }
    default:
        return pa_fail(PA_UNSUPPORTED, "compile: a result of shape %s is used before it is made",
                       pa_node_shape_text(s->node));
    }
    pa_node *node = p->nodes[l->node_of[slot]];
    if (s->requires_grad && l->wants_gradient[slot]) node->flags |= PA_REQUIRES_GRAD;
    return PA_OK;
}

static pa_status need_node(lowering *l, int32_t slot) { return l->node_of[slot] >= 0 ? PA_OK : leaf_node(l, slot); }

/* A fresh node for a result, with memory of its own. */
static pa_status result_node(lowering *l, int32_t slot) {
    const pa_node *like = l->log->variables[slot].node;
    int32_t buffer;
    PA_TRY(pa_program_new_buffer(l->p, PA_BUFFER_ARENA, -1, pa_node_bytes(like), &buffer));
    return pa_program_node(l->p, like, true, buffer, 0, &l->node_of[slot]);
}

/* ---- gradients ---- */

static pa_status new_gradient(lowering *l, const pa_node *like, int32_t *out) {
    return pa_program_new_buffer(l->p, PA_BUFFER_ARENA, -1, pa_node_bytes(like), out);
}

static bool has_cell_number(const lowering *l, int32_t slot) {
    return (l->log->variables[slot].node->flags & PA_IS_VALUE) != 0;
}

/* The buffer of a leaf's gradient as it is now; -1 where it has none. A Value's is a number and always there. */
static pa_status current_gradient(lowering *l, int32_t slot, int32_t *out) {
    int32_t external;
    PA_TRY(need_external(l, slot, &external));
    pa_external *e = &l->p->externals[external];
    const pa_variable *s = &l->log->variables[slot];
    if (l->cells[external] == CELL_AS_FOUND) {
        bool present = s->has_grad || has_cell_number(l, slot);
        e->entry_matters = !has_cell_number(l, slot);
        e->entry_present = present;
        if (!present) {
            *out = -1;
            return PA_OK;
        }
        PA_TRY(pa_program_new_buffer(l->p, PA_BUFFER_ENTRY_GRADIENT, external, pa_node_bytes(s->node), out));
        l->p->externals[external].entry = *out;
        l->cells[external] = *out;
    } else if (l->cells[external] == CELL_CLEARED && has_cell_number(l, slot)) {
        PA_TRY(new_gradient(l, s->node, out));
        PA_TRY(emit(l, PA_DO_ZERO, -1, -1, *out));
        l->cells[external] = *out;
    } else {
        *out = l->cells[external];
    }
    return PA_OK;
}

/* A sweep's gradient joins the leaf's. */
static pa_status join_gradient(lowering *l, int32_t slot, int32_t fresh) {
    int32_t external, before;
    PA_TRY(need_external(l, slot, &external));
    if (l->cells[external] != CELL_CLEARED) {
        PA_TRY(current_gradient(l, slot, &before));
        if (before >= 0) {
            pa_instruction i = instruction(PA_DO_ADD);
            i.node = l->node_of[slot];
            i.gradient = before;
            i.n = 1;
            i.targets = l->p->n_pool;
            PA_TRY(pa_mem_reserve(&l->p->pool, &l->p->pool_capacity, (size_t)l->p->n_pool + 1, sizeof *l->p->pool));
            l->p->pool[l->p->n_pool++] = fresh;
            return pa_program_emit(l->p, &i);
        }
    }
    l->cells[external] = fresh;
    return PA_OK;
}

static bool has_gradient_formula(const pa_node *node, int operand) {
    return pa_op_table[node->op].family == PA_WHOLE ||
           pa_k->gradient[node->op][operand][node->dtype == PA_FLOAT64] != NULL;
}

/* One node's part of the sweep: `gradients` holds each node's buffer, -1 where nothing has arrived. */
static pa_status lower_backward_of(lowering *l, int32_t at, int32_t *gradients) {
    pa_program *p = l->p;
    const pa_node *node = p->nodes[at];
    pa_instruction i = instruction(PA_DO_BACKWARD);
    i.node = at;
    i.gradient = gradients[at];
    i.n = node->n_parents;
    i.targets = p->n_pool;
    PA_TRY(pa_mem_reserve(&p->pool, &p->pool_capacity, (size_t)(p->n_pool + i.n), sizeof *p->pool));
    bool any = false;
    for (int k = 0; k < i.n; k++) {
        const pa_node *parent = pa_node_parent(node, k);
        int32_t target = -1;
        bool again = false; /* an operand that stands twice has its target already */
        for (int earlier = 0; earlier < k; earlier++) again = again || pa_node_parent(node, earlier) == parent;
        if (pa_node_requires_grad(parent) && !again && has_gradient_formula(node, k)) {
            int32_t *buffer = &gradients[parent->mark];
            bool accumulates = *buffer >= 0;
            if (!accumulates) PA_TRY(new_gradient(l, parent, buffer));
            target = accumulates ? *buffer | PA_TARGET_ACCUMULATES : *buffer;
            any = true;
        }
        p->pool[p->n_pool + k] = target;
    }
    p->n_pool += i.n;
    return any ? pa_program_emit(p, &i) : PA_OK;
}

static pa_status lower_sweep(lowering *l, const pa_entry *entry, int32_t *gradients) {
    const pa_log *log = l->log;
    int32_t root_slot = log->operands[entry->operands];
    PA_TRY(need_node(l, root_slot));
    int32_t root = l->node_of[root_slot], seed;
    if (!pa_node_requires_grad(l->p->nodes[root])) return PA_OK; /* nothing that anybody looks at */
    for (int32_t i = 0; i < l->p->n_nodes; i++) gradients[i] = -1;
    PA_TRY(new_gradient(l, l->p->nodes[root], &seed));
    gradients[root] = seed;
    int32_t upstream = -1;
    if (entry->n == 2) {
        PA_TRY(need_node(l, log->operands[entry->operands + 1]));
        upstream = l->node_of[log->operands[entry->operands + 1]];
    }
    PA_TRY(emit(l, PA_DO_SEED, root, upstream, seed));
    for (const pa_entry *e = entry; e-- > log->entries;) {
        if (e->kind != PA_ENTRY_OP || !e->tracked || e->out < 0) continue;
        int32_t at = l->node_of[e->out];
        const pa_node *recorded = log->variables[e->out].node;
        if (at < 0 || gradients[at] < 0 || !pa_node_requires_grad(l->p->nodes[at])) continue;
        PA_FAIL_IF(recorded->flags & PA_RETAINS_GRAD && !(recorded->flags & PA_IS_VALUE), PA_UNSUPPORTED,
                   "compile: retain_grad() on the result of %s of shape %s; return what is wanted of it instead",
                   pa_op_table[e->op].name, pa_node_shape_text(recorded));
        PA_TRY(lower_backward_of(l, at, gradients));
    }
    for (size_t slot = 0; slot < log->n_variables; slot++) {
        int32_t at = l->node_of[slot];
        if (at < 0 || l->p->nodes[at]->n_parents > 0 || gradients[at] < 0 || !l->wants_gradient[slot]) continue;
        if (log->variables[slot].kind == PA_VARIABLE_RESULT && !pa_node_requires_grad(l->p->nodes[at])) continue;
        PA_TRY(join_gradient(l, (int32_t)slot, gradients[at]));
    }
    return PA_OK;
}

static pa_status lower_backward(lowering *l, const pa_entry *entry) {
    int32_t room = l->p->n_nodes + 4;
    int32_t *gradients = pa_mem_alloc_array((size_t)room, sizeof *gradients);
    if (gradients == NULL) return PA_MEMORY;
    pa_status status = lower_sweep(l, entry, gradients);
    pa_mem_free_array(gradients, (size_t)room, sizeof *gradients);
    return status;
}

/* ---- entries ---- */

static bool shares_memory(const pa_node *out, const pa_node *base) {
    return pa_node_storage(out) != NULL && pa_node_storage(out) == pa_node_storage(base);
}

/* A node over another's memory. */
static pa_status lower_view(lowering *l, int32_t out, int32_t in) {
    const pa_node *view = l->log->variables[out].node, *base = l->log->variables[in].node;
    if (!shares_memory(view, base)) {
        PA_TRY(result_node(l, out));
        return emit(l, PA_DO_COPY, l->node_of[out], l->node_of[in], -1);
    }
    int32_t of = l->node_of[in];
    int64_t offset = l->p->offset_of[of] + (view->array->data - base->array->data);
    return pa_program_node(l->p, view, false, l->p->buffer_of[of], offset, &l->node_of[out]);
}

static pa_status lower_op(lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    PA_FAIL_IF(entry->op == PA_OP_custom, PA_UNSUPPORTED, "compile: an op written in Python");
    for (int i = 0; i < entry->n; i++) PA_TRY(need_node(l, in[i]));
    if (entry->op == PA_OP_view) {
        PA_TRY(lower_view(l, entry->out, in[0]));
    } else {
        PA_TRY(result_node(l, entry->out));
    }
    int32_t at = l->node_of[entry->out];
    pa_node *node = l->p->nodes[at];
    if (l->log->variables[entry->out].node->flags & PA_IS_VALUE) {
        node->array->ints[0] = PA_FLOAT64;
        for (int i = 0; i < entry->n_params; i++) node->array->params[i] = entry->params[i];
    }
    PA_TRY(set_parents(l, at, (pa_op)entry->op, entry->n, in));
    bool flows = false;
    for (int i = 0; i < entry->n; i++) flows = flows || pa_node_requires_grad(pa_node_parent(node, i));
    if (entry->tracked && flows) node->flags |= PA_REQUIRES_GRAD;
    return entry->op == PA_OP_view ? PA_OK : emit(l, PA_DO_FORWARD, at, -1, -1);
}

static pa_status lower_grad_of(lowering *l, const pa_entry *entry) {
    int32_t in = l->log->operands[entry->operands], buffer;
    PA_TRY(need_node(l, in));
    if (entry->out < 0) { /* it was None */
        int32_t external;
        PA_TRY(need_external(l, in, &external));
        if (l->cells[external] == CELL_AS_FOUND) l->p->externals[external].entry_matters = true;
        return PA_OK;
    }
    PA_TRY(current_gradient(l, in, &buffer));
    PA_FAIL_IF(buffer < 0, PA_UNSUPPORTED, "compile: the gradient of a tensor of shape %s that is no leaf of the step",
               pa_node_shape_text(l->log->variables[in].node));
    const pa_node *like = l->log->variables[entry->out].node;
    if (!(l->log->variables[in].node->flags & PA_IS_VALUE)) {
        if (l->node_of[entry->out] >= 0) return PA_OK; /* asked for before */
        return pa_program_node(l->p, like, true, buffer, 0, &l->node_of[entry->out]);
    }
    /* A number is what it was when it was read. */
    int32_t now;
    PA_TRY(pa_program_node(l->p, like, true, buffer, 0, &now));
    PA_TRY(result_node(l, entry->out));
    return emit(l, PA_DO_COPY, l->node_of[entry->out], now, -1);
}

static pa_status lower_set_grad(lowering *l, const pa_entry *entry) {
    int32_t leaf = l->log->operands[entry->operands], external;
    PA_TRY(need_node(l, leaf));
    PA_TRY(need_external(l, leaf, &external));
    if (entry->n == 1) {
        l->cells[external] = CELL_CLEARED;
        return PA_OK;
    }
    int32_t source = l->log->operands[entry->operands + 1], buffer, node;
    PA_TRY(need_node(l, source));
    const pa_node *like = l->p->nodes[l->node_of[leaf]];
    PA_TRY(new_gradient(l, like, &buffer));
    PA_TRY(pa_program_node(l->p, like, true, buffer, 0, &node));
    l->cells[external] = buffer;
    return emit(l, PA_DO_WRITE, node, l->node_of[source], -1);
}

static pa_status lower_zero_grad(lowering *l, const pa_entry *entry) {
    bool to_none = l->log->ints[entry->ints] != 0;
    for (int i = 0; i < entry->n; i++) {
        int32_t slot = l->log->operands[entry->operands + i], external, buffer;
        PA_TRY(need_node(l, slot));
        PA_TRY(need_external(l, slot, &external));
        if (to_none || has_cell_number(l, slot)) {
            l->cells[external] = CELL_CLEARED;
            continue;
        }
        if (l->cells[external] == CELL_CLEARED) continue;
        PA_TRY(current_gradient(l, slot, &buffer));
        if (buffer >= 0) PA_TRY(emit(l, PA_DO_ZERO, -1, -1, buffer));
    }
    return PA_OK;
}

/* Writes the current gradient of each operand, or -1, into the pool. */
static pa_status pool_gradients(lowering *l, const pa_entry *entry, int32_t *targets) {
    for (int i = 0; i < entry->n; i++) PA_TRY(need_node(l, l->log->operands[entry->operands + i]));
    int32_t *buffers = pa_mem_alloc_array((size_t)entry->n + 1, sizeof *buffers);
    if (buffers == NULL) return PA_MEMORY;
    pa_status status = PA_OK;
    for (int i = 0; i < entry->n && status == PA_OK; i++)
        status = current_gradient(l, l->log->operands[entry->operands + i], &buffers[i]);
    if (status == PA_OK)
        status = pa_mem_reserve(&l->p->pool, &l->p->pool_capacity, (size_t)(l->p->n_pool + 2 * entry->n),
                                sizeof *l->p->pool);
    if (status == PA_OK) {
        *targets = l->p->n_pool;
        for (int i = 0; i < entry->n; i++) l->p->pool[l->p->n_pool++] = buffers[i];
        for (int i = 0; i < entry->n; i++)
            l->p->pool[l->p->n_pool++] = l->node_of[l->log->operands[entry->operands + i]];
    }
    pa_mem_free_array(buffers, (size_t)entry->n + 1, sizeof *buffers);
    return status;
}

static void mark_written(lowering *l, int32_t slot) {
    int32_t external = l->external_of[l->base[slot]];
    if (external >= 0) l->p->externals[external].written = true;
}

static pa_status lower_update(lowering *l, const pa_entry *entry) {
    pa_program *p = l->p;
    pa_instruction i = instruction(PA_DO_UPDATE);
    PA_TRY(pool_gradients(l, entry, &i.targets));
    i.n = entry->n;
    i.source = p->n_updates; /* which */
    p->updates[p->n_updates++] = (pa_update_plan){.kind = (int)l->log->ints[entry->ints], .n = entry->n};
    for (int k = 0; k < entry->n; k++) {
        int32_t slot = l->log->operands[entry->operands + k];
        PA_FAIL_IF(l->log->variables[slot].kind != PA_VARIABLE_CAPTURED, PA_UNSUPPORTED,
                   "compile: an optimiser's parameter of shape %s that the step makes itself, or gets as an argument",
                   pa_node_shape_text(l->log->variables[slot].node));
        if (p->pool[i.targets + k] >= 0) mark_written(l, slot);
    }
    return pa_program_emit(p, &i);
}

static pa_status lower_clip(lowering *l, const pa_entry *entry) {
    pa_instruction i = instruction(PA_DO_CLIP);
    PA_TRY(pool_gradients(l, entry, &i.targets));
    i.n = entry->n;
    i.params[0] = entry->params[0];
    i.params[1] = entry->params[1];
    if (entry->out >= 0) {
        PA_TRY(result_node(l, entry->out));
        i.node = l->node_of[entry->out];
    }
    return pa_program_emit(l->p, &i);
}

static pa_status lower_fill(lowering *l, const pa_entry *entry) {
    int32_t slot = entry->out >= 0 ? entry->out : l->log->operands[entry->operands];
    if (entry->out >= 0) {
        PA_TRY(result_node(l, slot));
    } else {
        PA_TRY(need_node(l, slot));
        mark_written(l, slot);
    }
    pa_instruction i = instruction(PA_DO_FILL);
    i.node = l->node_of[slot];
    i.operand = (uint8_t)l->log->ints[entry->ints];
    i.params[0] = entry->params[0];
    i.params[1] = entry->params[1];
    return pa_program_emit(l->p, &i);
}

static pa_status lower_entry(lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    switch ((pa_entry_kind)entry->kind) {
    case PA_ENTRY_OP: return lower_op(l, entry);
    case PA_ENTRY_ALIAS:
        PA_TRY(need_node(l, in[0]));
        return l->node_of[entry->out] >= 0 ? PA_OK : lower_view(l, entry->out, in[0]);
    case PA_ENTRY_NUMBER_OF:
    case PA_ENTRY_VALUE_OF:
        PA_TRY(need_node(l, in[0]));
        PA_TRY(result_node(l, entry->out));
        if (l->wants_gradient[entry->out]) l->p->nodes[l->node_of[entry->out]]->flags |= PA_REQUIRES_GRAD;
        return emit(l, PA_DO_WRITE, l->node_of[entry->out], l->node_of[in[0]], -1);
    case PA_ENTRY_GRAD_OF: return lower_grad_of(l, entry);
    case PA_ENTRY_WRITE:
    case PA_ENTRY_SET_VALUE:
        PA_TRY(need_node(l, in[0]));
        PA_TRY(need_node(l, in[1]));
        mark_written(l, in[0]);
        return emit(l, PA_DO_WRITE, l->node_of[in[0]], l->node_of[in[1]], -1);
    case PA_ENTRY_SET_GRAD: return lower_set_grad(l, entry);
    case PA_ENTRY_BACKWARD: return lower_backward(l, entry);
    case PA_ENTRY_UPDATE: return lower_update(l, entry);
    case PA_ENTRY_ZERO_GRAD: return lower_zero_grad(l, entry);
    case PA_ENTRY_CLIP: return lower_clip(l, entry);
    case PA_ENTRY_FILL: return lower_fill(l, entry);
    case PA_ENTRY_KINDS: break;
    }
    return pa_fail(PA_UNSUPPORTED, "compile: an entry of kind %d", entry->kind);
}

/* ---- before and after ---- */

/* Which memory is written, which gradients are looked at. */
static void survey(lowering *l) {
    const pa_log *log = l->log;
    for (size_t i = 0; i < log->n_variables; i++) {
        l->node_of[i] = l->external_of[i] = -1;
        l->base[i] = (int32_t)i;
        l->written[i] = false;
        /* Afterwards anybody may look at the gradients of what was there before. */
        l->wants_gradient[i] = log->variables[i].kind <= PA_VARIABLE_CAPTURED && log->variables[i].requires_grad;
    }
    for (const pa_entry *e = log->entries; e < log->entries + log->n_entries; e++) {
        const int32_t *in = log->operands + e->operands;
        bool views = e->kind == PA_ENTRY_ALIAS || (e->kind == PA_ENTRY_OP && e->op == PA_OP_view);
        if (views && shares_memory(log->variables[e->out].node, log->variables[in[0]].node))
            l->base[e->out] = l->base[in[0]];
        if (e->kind == PA_ENTRY_WRITE || e->kind == PA_ENTRY_SET_VALUE || (e->kind == PA_ENTRY_FILL && e->n > 0))
            l->written[in[0]] = l->written[l->base[in[0]]] = true;
        if (e->kind == PA_ENTRY_GRAD_OF) l->wants_gradient[in[0]] = true;
    }
}

pa_status pa_program_inputs(pa_program *p, const pa_log *log) {
    p->inputs = pa_mem_alloc_array(log->n_inputs + 1, sizeof *p->inputs);
    if (p->inputs == NULL) return PA_MEMORY;
    p->n_inputs = (int32_t)log->n_inputs;
    for (int32_t i = 0; i < p->n_inputs; i++) {
        const pa_node *node = log->variables[log->inputs[i]].node;
        pa_input *input = &p->inputs[i];
        *input = (pa_input){.dtype = node->dtype,
                            .ndim = node->ndim,
                            .buffer = -1,
                            .is_number = node->flags & PA_TRACED_SCALAR && node->ndim == 0,
                            .is_value = (node->flags & PA_IS_VALUE) != 0,
                            .requires_grad = pa_node_requires_grad(node)};
        for (int axis = 0; axis < node->ndim; axis++) {
            input->shape[axis] = node->array->shape[axis];
            input->strides[axis] = node->array->strides[axis];
        }
    }
    return PA_OK;
}

static pa_status lower_results(lowering *l, int n, pa_node *const *outputs) {
    pa_program *p = l->p;
    p->results = pa_mem_alloc_array((size_t)n + 1, sizeof *p->results);
    if (p->results == NULL) return PA_MEMORY;
    p->n_results = n;
    for (int i = 0; i < n; i++) {
        int32_t slot = pa_log_find(l->log, outputs[i]);
        PA_FAIL_IF(slot < 0, PA_UNSUPPORTED, "compile: result %d is no part of the step", i);
        PA_TRY(need_node(l, slot));
        int32_t node = l->node_of[slot], buffer = p->buffer_of[node];
        pa_buffer *b = &p->buffers[buffer];
        pa_result *r = &p->results[i];
        *r = (pa_result){.node = node,
                         .buffer = buffer,
                         .is_number = (outputs[i]->flags & PA_TRACED_SCALAR) != 0 && outputs[i]->ndim == 0,
                         .is_value = (outputs[i]->flags & PA_IS_VALUE) != 0};
        r->copied = r->is_number || r->is_value || b->kind != PA_BUFFER_ARENA || p->offset_of[node] != 0 ||
                    !pa_node_is_contiguous(p->nodes[node]) || pa_node_bytes(p->nodes[node]) != b->bytes;
        if (!r->copied) {
            b->kind = PA_BUFFER_RESULT;
            b->index = i;
        }
    }
    return PA_OK;
}

/* What each leaf's gradient is in the end. */
static pa_status settle_gradients(lowering *l) {
    pa_program *p = l->p;
    for (size_t slot = 0; slot < l->log->n_variables; slot++) {
        int32_t external = l->external_of[slot];
        if (external < 0 || l->cells[external] == CELL_AS_FOUND) continue;
        int32_t buffer = l->cells[external];
        if (l->log->variables[slot].kind > PA_VARIABLE_CAPTURED)
            continue; /* a leaf that the step made, and nobody has */
        p->sets_gradients = true;
        if (buffer == CELL_CLEARED && has_cell_number(l, (int32_t)slot)) {
            PA_TRY(new_gradient(l, l->log->variables[slot].node, &buffer));
            PA_TRY(emit(l, PA_DO_ZERO, -1, -1, buffer));
        }
        if (buffer == CELL_CLEARED) {
            p->externals[external].clears = true;
            p->externals[external].gradient = -1;
        } else {
            if (p->buffers[buffer].kind == PA_BUFFER_ARENA) {
                p->buffers[buffer].kind = PA_BUFFER_GRADIENT;
                p->buffers[buffer].index = external;
            }
            p->externals[external].gradient = buffer;
        }
    }
    return PA_OK;
}

static pa_status lower(lowering *l, int n_outputs, pa_node *const *outputs) {
    const pa_log *log = l->log;
    survey(l);
    PA_TRY(pa_program_inputs(l->p, log));
    l->p->updates = pa_mem_alloc_array((size_t)log->updates + 1, sizeof *l->p->updates);
    if (l->p->updates == NULL) return PA_MEMORY;
    l->p->updates_capacity = (size_t)log->updates + 1;
    for (size_t i = 0; i < log->n_entries; i++) PA_TRY(lower_entry(l, &log->entries[i]));
    PA_TRY(settle_gradients(l));
    return lower_results(l, n_outputs, outputs);
}

pa_status pa_program_lower(pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs) {
    PA_TRY(pa_storage_new(64, &p->memory));
    size_t n = log->n_variables + 1;
    lowering l = {.p = p, .log = log};
    l.node_of = pa_mem_alloc_array(n, sizeof *l.node_of);
    l.external_of = pa_mem_alloc_array(n, sizeof *l.external_of);
    l.base = pa_mem_alloc_array(n, sizeof *l.base);
    l.written = pa_mem_alloc_array(n, sizeof *l.written);
    l.wants_gradient = pa_mem_alloc_array(n, sizeof *l.wants_gradient);
    pa_status status = PA_MEMORY;
    if (l.node_of != NULL && l.external_of != NULL && l.base != NULL && l.written != NULL && l.wants_gradient != NULL)
        status = lower(&l, n_outputs, outputs);
    pa_mem_free_array(l.node_of, n, sizeof *l.node_of);
    pa_mem_free_array(l.external_of, n, sizeof *l.external_of);
    pa_mem_free_array(l.base, n, sizeof *l.base);
    pa_mem_free_array(l.written, n, sizeof *l.written);
    pa_mem_free_array(l.wants_gradient, n, sizeof *l.wants_gradient);
    pa_mem_free(l.cells, l.cells_capacity * sizeof *l.cells);
    return status;
}
