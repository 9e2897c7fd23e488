/* Programs over Values: every number of the step becomes a slot of scalar code (straightline.h), small tensors among them element by
   element, and the backward is written out as further ops. What is left of the graph is arithmetic, which the scalar code
   turns into vector loops.

   A number has an id. Views, copies and concatenations share the ids of what they show; what is detached has new ids for the
   same slots, so that no gradient flows back; a Value that is assigned to gets a new id of the same identity.

       log slot ──first──▶ ids of its elements ──▶ { identity, segment, slot of that segment's code }

   An optimiser's update ends a segment: its parameters and gradients are put side by side, updated, and read again by the
   segment behind it. */
#include <string.h>

#include "../kernels/kernels.h"
#include "values_code.h"

enum { AS_FOUND = -2, CLEARED = -1 };

typedef struct number {
    int32_t identity;
    int32_t segment;
    pa_register slot;
    int32_t here; /* the segment that has imported it, as */
    pa_register here_slot;
    bool flows; /* a gradient that somebody wants flows through it */
} number;

typedef struct lowering {
    pa_program *p;
    const pa_log *log;
    pa_scalar_program *s;
    int32_t *first;    /* of each log slot, into ids; -1: not yet */
    int32_t *external; /* of each log slot, -1: none */
    int32_t *cell;     /* of each log slot: AS_FOUND, CLEARED or the id of its gradient */
    bool *assigned;    /* each log slot: an external Value whose number the step changed */
    bool *asked;       /* each log slot: its gradient is read in the step */
    int32_t *ids;
    size_t n_ids, ids_capacity;
    number *numbers;
    size_t n_numbers, numbers_capacity;
    int32_t *gradient; /* in a sweep: by identity */
} lowering;

/* ---- numbers ---- */

static inline values_segment *current(lowering *l) { return &l->s->segments[l->s->n_segments - 1]; }

static pa_status new_segment(lowering *l) {
    pa_scalar_program *s = l->s;
    PA_TRY(pa_mem_reserve(&s->segments, &s->segments_capacity, s->n_segments + 1, sizeof *s->segments));
    s->segments[s->n_segments] = (values_segment){0};
    PA_TRY(pa_straightline_new(&s->segments[s->n_segments].code));
    s->n_segments++;
    return PA_OK;
}

/* A new id for a slot of the segment under way; identity -1 for its own. */
static pa_status new_number(lowering *l, pa_register slot, int32_t identity, bool flows, int32_t *out) {
    PA_TRY(pa_mem_reserve(&l->numbers, &l->numbers_capacity, l->n_numbers + 1, sizeof *l->numbers));
    int32_t id = (int32_t)l->n_numbers++;
    int32_t at = (int32_t)l->s->n_segments - 1;
    l->numbers[id] = (number){identity < 0 ? id : identity, at, slot, at, slot, flows};
    *out = id;
    return PA_OK;
}

/* The slot of a number in the segment under way. */
static pa_status slot_of(lowering *l, int32_t id, pa_register *out) {
    number *n = &l->numbers[id];
    int32_t now = (int32_t)l->s->n_segments - 1;
    if (n->here != now) {
        values_segment *to = current(l);
        PA_TRY(pa_mem_reserve(&to->crossings, &to->crossings_capacity, to->n_crossings + 1, sizeof *to->crossings));
        PA_TRY(pa_straightline_leaf(to->code, &n->here_slot));
        PA_TRY(pa_straightline_keep(l->s->segments[n->segment].code, n->slot));
        to->crossings[to->n_crossings++] = (values_crossing){n->segment, n->slot, n->here_slot, NULL, NULL};
        n->here = now;
    }
    *out = n->here_slot;
    return PA_OK;
}

static pa_status new_ids(lowering *l, size_t n, int32_t *first) {
    PA_FAIL_IF(l->n_ids + n > INT32_MAX / 2, PA_UNSUPPORTED, "compile: a step of more than %d numbers", INT32_MAX / 2);
    PA_TRY(pa_mem_reserve(&l->ids, &l->ids_capacity, l->n_ids + n, sizeof *l->ids));
    *first = (int32_t)l->n_ids;
    l->n_ids += n;
    return PA_OK;
}

static pa_status apply(lowering *l, pa_op op, const int32_t *in, int n, const double *params, bool flows,
                       int32_t *out) {
    pa_register slots[PA_MAX_OPERANDS], slot;
    for (int i = 0; i < n; i++) PA_TRY(slot_of(l, in[i], &slots[i]));
    PA_TRY(pa_straightline_apply(current(l)->code, op, slots, params, &slot));
    return new_number(l, slot, -1, flows, out);
}

static pa_status constant(lowering *l, double value, int32_t *out) {
    pa_register slot;
    PA_TRY(pa_straightline_constant(current(l)->code, value, &slot));
    return new_number(l, slot, -1, false, out);
}

/* ---- leaves ---- */

static pa_status load(lowering *l, int32_t buffer, pa_dtype dtype, int64_t offset, bool flows, int32_t *out) {
    values_segment *s = current(l);
    pa_register slot;
    PA_TRY(pa_mem_reserve(&s->loads, &s->loads_capacity, s->n_loads + 1, sizeof *s->loads));
    PA_TRY(pa_straightline_leaf(s->code, &slot));
    s->loads[s->n_loads++] = (values_move){buffer, (int32_t)dtype, offset, NULL, slot};
    return new_number(l, slot, -1, flows, out);
}

static pa_status store(lowering *l, int32_t id, int32_t buffer, pa_dtype dtype, int64_t offset) {
    const number *n = &l->numbers[id];
    values_segment *s = &l->s->segments[n->segment];
    PA_TRY(pa_mem_reserve(&s->stores, &s->stores_capacity, s->n_stores + 1, sizeof *s->stores));
    PA_TRY(pa_straightline_keep(s->code, n->slot));
    s->stores[s->n_stores++] = (values_move){buffer, (int32_t)dtype, offset, NULL, n->slot};
    return PA_OK;
}

/* Where element i, in logical order, of a node stands: bytes from its data. */
static int64_t element_offset(const pa_node *node, int64_t i) {
    int64_t offset = 0;
    for (int axis = node->ndim - 1; axis >= 0; axis--) {
        offset += i % node->array->shape[axis] * node->array->strides[axis];
        i /= node->array->shape[axis];
    }
    return offset * (int64_t)pa_dtype_size((pa_dtype)node->dtype);
}

static pa_status need_external(lowering *l, int32_t slot, int32_t *out) {
    *out = l->external[slot];
    if (*out >= 0) return PA_OK;
    pa_program *p = l->p;
    const pa_variable *s = &l->log->variables[slot];
    PA_TRY(pa_mem_reserve(&p->externals, &p->externals_capacity, (size_t)p->n_externals + 1, sizeof *p->externals));
    pa_external *e = &p->externals[p->n_externals];
    *e = (pa_external){.buffer = -1, .gradient = -2, .entry = -1, .requires_grad = s->requires_grad, .input = -1};
    if (s->kind == PA_VARIABLE_INPUT) {
        for (size_t i = 0; i < l->log->n_inputs; i++)
            if (l->log->inputs[i] == slot) e->input = (int32_t)i;
    } else {
        e->node = pa_node_program_retain(s->node);
    }
    *out = l->external[slot] = p->n_externals++;
    return PA_OK;
}

static pa_status load_all(lowering *l, int32_t slot, int32_t buffer) {
    const pa_node *node = l->log->variables[slot].node;
    int64_t n = pa_node_numel(node);
    bool flows = (node->flags & PA_IS_VALUE) != 0;
    int32_t first = 0;
    PA_TRY(new_ids(l, (size_t)n, &first));
    for (int64_t i = 0; i < n; i++)
        PA_TRY(load(l, buffer, (pa_dtype)node->dtype, element_offset(node, i), flows, &l->ids[first + i]));
    l->first[slot] = first;
    return PA_OK;
}

static pa_status need(lowering *l, int32_t slot) {
    if (l->first[slot] >= 0) return PA_OK;
    pa_program *p = l->p;
    const pa_variable *s = &l->log->variables[slot];
    int32_t buffer, external;
    switch (s->kind) {
    case PA_VARIABLE_INPUT:
        for (int32_t i = 0; i < p->n_inputs; i++)
            if (l->log->inputs[i] == slot) {
                PA_TRY(pa_program_new_buffer(p, PA_BUFFER_INPUT, i, pa_node_bytes(s->node), &buffer));
                p->inputs[i].buffer = buffer;
                return load_all(l, slot, buffer);
            }
        break;
    case PA_VARIABLE_CAPTURED:
        PA_TRY(need_external(l, slot, &external));
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_EXTERNAL, external, pa_node_bytes(s->node), &buffer));
        p->externals[external].buffer = buffer;
        return load_all(l, slot, buffer);
    case PA_VARIABLE_CONSTANT: {
        int64_t n = pa_node_numel(s->constant);
        int32_t first = 0;
        PA_TRY(new_ids(l, (size_t)n, &first));
        for (int64_t i = 0; i < n; i++) {
            double value = 0;
            char *at = pa_node_data(s->constant) + element_offset(s->constant, i);
            pa_k->convert[s->constant->dtype][PA_FLOAT64](&value, at, 1, 1);
            PA_TRY(constant(l, value, &l->ids[first + i]));
            l->numbers[l->ids[first + i]].flows = l->asked[slot];
        }
        l->first[slot] = first;
        return PA_OK;
    }
    default: break;
    }
    return pa_fail(PA_UNSUPPORTED, "compile: a result of shape %s is used before it is made",
                   pa_node_shape_text(s->node));
}

/* ---- ops ---- */

/* Steps through the elements of an operand, in the result's order, as positions in the operand's own logical order. */
typedef struct broadcast {
    int64_t strides[PA_MAX_NDIM], at[PA_MAX_NDIM], position;
} broadcast;

static void broadcast_begin(broadcast *b, const pa_node *operand, const pa_node *result) {
    memset(b, 0, sizeof *b);
    int64_t stride = 1;
    for (int axis = operand->ndim - 1; axis >= 0; axis--) {
        int64_t extent = operand->array->shape[axis];
        b->strides[axis + result->ndim - operand->ndim] = extent == 1 ? 0 : stride;
        stride *= extent;
    }
}

static void broadcast_next(broadcast *b, const pa_node *result) {
    for (int axis = result->ndim - 1; axis >= 0; axis--) {
        b->position += b->strides[axis];
        if (++b->at[axis] < result->array->shape[axis]) return;
        b->position -= b->strides[axis] * result->array->shape[axis];
        b->at[axis] = 0;
    }
}

static const pa_node *node_of(const lowering *l, int32_t slot) { return l->log->variables[slot].node; }

static pa_status lower_elementwise(lowering *l, const pa_entry *e, const int32_t *in) {
    const pa_node *result = node_of(l, e->out);
    broadcast walks[PA_MAX_OPERANDS];
    for (int k = 0; k < e->n; k++) broadcast_begin(&walks[k], node_of(l, in[k]), result);
    int64_t n = pa_node_numel(result);
    int32_t first = 0;
    PA_TRY(new_ids(l, (size_t)n, &first));
    for (int64_t i = 0; i < n; i++) {
        int32_t operands[PA_MAX_OPERANDS];
        bool flows = false;
        for (int k = 0; k < e->n; k++) {
            operands[k] = l->ids[l->first[in[k]] + walks[k].position];
            flows = flows || l->numbers[operands[k]].flows;
            broadcast_next(&walks[k], result);
        }
        PA_TRY(apply(l, (pa_op)e->op, operands, e->n, e->params, flows && e->tracked, &l->ids[first + i]));
    }
    l->first[e->out] = first;
    return PA_OK;
}

/* Which element of the result an element of the operand is summed into: as if the result were broadcast against the operand. */
static void reduction_begin(broadcast *b, const pa_node *operand, unsigned axes) {
    memset(b, 0, sizeof *b);
    int64_t stride = 1;
    for (int axis = operand->ndim - 1; axis >= 0; axis--) {
        if (axes & (1u << axis)) continue;
        b->strides[axis] = stride;
        stride *= operand->array->shape[axis];
    }
}

static unsigned reduced_axes(const lowering *l, const pa_entry *e) {
    const pa_node *out = node_of(l, e->out);
    return (unsigned)out->array->ints[0];
}

static pa_status lower_sum(lowering *l, const pa_entry *e, const int32_t *in) {
    const pa_node *operand = node_of(l, in[0]), *result = node_of(l, e->out);
    int64_t n = pa_node_numel(result), terms = pa_node_numel(operand);
    int32_t first = 0;
    PA_TRY(new_ids(l, (size_t)n, &first));
    for (int64_t i = 0; i < n; i++) l->ids[first + i] = -1;
    broadcast walk;
    reduction_begin(&walk, operand, reduced_axes(l, e));
    for (int64_t i = 0; i < terms; i++) {
        int32_t term = l->ids[l->first[in[0]] + i], *total = &l->ids[first + walk.position];
        if (*total < 0) {
            pa_register slot;
            PA_TRY(slot_of(l, term, &slot));
            int32_t id;
            PA_TRY(new_number(l, slot, -1, l->numbers[term].flows && e->tracked, &id));
            l->ids[first + walk.position] = id;
        } else {
            int32_t pair[2] = {*total, term}, id;
            bool flows = e->tracked && (l->numbers[pair[0]].flows || l->numbers[term].flows);
            PA_TRY(apply(l, PA_OP_add, pair, 2, NULL, flows, &id));
            l->ids[first + walk.position] = id;
        }
        broadcast_next(&walk, operand);
    }
    for (int64_t i = 0; i < n; i++)
        if (l->ids[first + i] < 0) PA_TRY(constant(l, 0, &l->ids[first + i]));
    for (int64_t i = 0; i < n && e->op == PA_OP_mean; i++) {
        int32_t pair[2] = {l->ids[first + i], -1}, id;
        PA_TRY(constant(l, (double)(n == 0 ? 1 : terms / n), &pair[1]));
        PA_TRY(apply(l, PA_OP_div, pair, 2, NULL, l->numbers[pair[0]].flows, &id));
        l->ids[first + i] = id;
    }
    l->first[e->out] = first;
    return PA_OK;
}

static pa_status lower_view(lowering *l, const pa_entry *e, const int32_t *in) {
    const pa_node *view = node_of(l, e->out);
    int64_t n = pa_node_numel(view);
    int32_t first = 0;
    PA_TRY(new_ids(l, (size_t)n, &first));
    const int64_t *attributes =
        view->array->ints; /* strides, and behind them the offset, in the operand's logical order */
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, at = attributes[PA_MAX_NDIM];
        for (int axis = view->ndim - 1; axis >= 0; axis--) {
            at += rest % view->array->shape[axis] * attributes[axis];
            rest /= view->array->shape[axis];
        }
        l->ids[first + i] = l->ids[l->first[in[0]] + at];
    }
    l->first[e->out] = first;
    return PA_OK;
}

static pa_status lower_cat(lowering *l, const pa_entry *e, const int32_t *in) {
    const pa_node *result = node_of(l, e->out);
    int axis = (int)result->array->ints[0];
    int32_t first = 0;
    PA_TRY(new_ids(l, (size_t)pa_node_numel(result), &first));
    int64_t inner = 1, outer = 1, total = result->array->shape[axis], done = 0;
    for (int i = 0; i < axis; i++) outer *= result->array->shape[i];
    for (int i = axis + 1; i < result->ndim; i++) inner *= result->array->shape[i];
    for (int k = 0; k < e->n; k++) {
        int64_t own = node_of(l, in[k])->array->shape[axis];
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0; i < own * inner; i++)
                l->ids[first + (o * total + done) * inner + i] = l->ids[l->first[in[k]] + o * own * inner + i];
        done += own;
    }
    l->first[e->out] = first;
    return PA_OK;
}

/* The same numbers; with new ids where no gradient flows back. */
static pa_status lower_alias(lowering *l, int32_t out, int32_t in, bool detached) {
    if (!detached) {
        l->first[out] = l->first[in];
        return PA_OK;
    }
    int64_t n = pa_node_numel(node_of(l, in));
    int32_t first = 0;
    PA_TRY(new_ids(l, (size_t)n, &first));
    for (int64_t i = 0; i < n; i++) {
        pa_register slot;
        PA_TRY(slot_of(l, l->ids[l->first[in] + i], &slot));
        PA_TRY(new_number(l, slot, -1, l->asked[out], &l->ids[first + i]));
    }
    l->first[out] = first;
    return PA_OK;
}

static pa_status lower_op(lowering *l, const pa_entry *e) {
    const int32_t *in = l->log->operands + e->operands;
    for (int k = 0; k < e->n; k++) PA_TRY(need(l, in[k]));
    switch (e->op) {
    case PA_OP_sum:
    case PA_OP_mean: return lower_sum(l, e, in);
    case PA_OP_view: return lower_view(l, e, in);
    case PA_OP_cat: return lower_cat(l, e, in);
    case PA_OP_cast: return lower_alias(l, e->out, in[0], !e->tracked);
    default: return lower_elementwise(l, e, in);
    }
}

/* ---- gradients ---- */

static pa_status contribute(lowering *l, int32_t to, int32_t contribution) {
    int32_t *gradient = &l->gradient[l->numbers[to].identity];
    if (*gradient < 0) {
        *gradient = contribution;
        return PA_OK;
    }
    int32_t pair[2] = {*gradient, contribution};
    return apply(l, PA_OP_add, pair, 2, NULL, false, gradient);
}

static pa_status gradient_of(lowering *l, const pa_entry *e, int operand, const int32_t *operands, int32_t out,
                             int32_t upstream) {
    unsigned reads = pa_op_table[e->op].effects;
    pa_register in[5] = {-1, -1, -1, -1, -1}, slot;
    for (int k = 0; k < e->n; k++)
        if (reads & (READS_A << k)) PA_TRY(slot_of(l, operands[k], &in[k]));
    if (reads & READS_OUT) PA_TRY(slot_of(l, out, &in[3]));
    PA_TRY(slot_of(l, upstream, &in[4]));
    PA_TRY(pa_straightline_gradient(current(l)->code, (pa_op)e->op, operand, in, e->params, &slot));
    int32_t id;
    PA_TRY(new_number(l, slot, -1, false, &id));
    return contribute(l, operands[operand], id);
}

static pa_status backward_elementwise(lowering *l, const pa_entry *e, const int32_t *in) {
    const pa_node *result = node_of(l, e->out);
    broadcast walks[PA_MAX_OPERANDS];
    for (int k = 0; k < e->n; k++) broadcast_begin(&walks[k], node_of(l, in[k]), result);
    for (int64_t i = 0; i < pa_node_numel(result); i++) {
        int32_t operands[PA_MAX_OPERANDS], out = l->ids[l->first[e->out] + i];
        int32_t upstream = l->gradient[l->numbers[out].identity];
        for (int k = 0; k < e->n; k++) {
            operands[k] = l->ids[l->first[in[k]] + walks[k].position];
            broadcast_next(&walks[k], result);
        }
        for (int k = 0; k < e->n && upstream >= 0; k++)
            if (l->numbers[operands[k]].flows && pa_k->gradient[e->op][k][1] != NULL)
                PA_TRY(gradient_of(l, e, k, operands, out, upstream));
    }
    return PA_OK;
}

static pa_status backward_sum(lowering *l, const pa_entry *e, const int32_t *in) {
    const pa_node *operand = node_of(l, in[0]), *result = node_of(l, e->out);
    int64_t n = pa_node_numel(result), terms = pa_node_numel(operand);
    broadcast walk;
    for (int64_t i = 0; i < n && e->op == PA_OP_mean; i++) {
        int32_t *upstream = &l->gradient[l->numbers[l->ids[l->first[e->out] + i]].identity], pair[2] = {*upstream, -1};
        if (*upstream < 0) continue;
        PA_TRY(constant(l, (double)(terms / n), &pair[1]));
        int32_t share;
        PA_TRY(apply(l, PA_OP_div, pair, 2, NULL, false, &share));
        l->gradient[l->numbers[l->ids[l->first[e->out] + i]].identity] = share;
    }
    reduction_begin(&walk, operand, reduced_axes(l, e));
    for (int64_t i = 0; i < terms; i++) {
        int32_t term = l->ids[l->first[in[0]] + i];
        int32_t upstream = l->gradient[l->numbers[l->ids[l->first[e->out] + walk.position]].identity];
        if (upstream >= 0 && l->numbers[term].flows) PA_TRY(contribute(l, term, upstream));
        broadcast_next(&walk, operand);
    }
    return PA_OK;
}

static bool is_leaf_value(const lowering *l, size_t slot) {
    const pa_variable *s = &l->log->variables[slot];
    return s->node->flags & PA_IS_VALUE && l->first[slot] >= 0 && (s->kind != PA_VARIABLE_RESULT || l->asked[slot]);
}

/* The id of a Value's gradient as it is now. */
static pa_status cell_of(lowering *l, int32_t slot, int32_t *out) {
    if (l->cell[slot] == CLEARED ||
        (l->cell[slot] == AS_FOUND && l->log->variables[slot].kind > PA_VARIABLE_CAPTURED)) {
        PA_TRY(constant(l, 0, &l->cell[slot]));
    } else if (l->cell[slot] == AS_FOUND) {
        int32_t external, buffer;
        PA_TRY(need_external(l, slot, &external));
        PA_TRY(pa_program_new_buffer(l->p, PA_BUFFER_ENTRY_GRADIENT, external, sizeof(double), &buffer));
        l->p->externals[external].entry = buffer;
        PA_TRY(load(l, buffer, PA_FLOAT64, 0, false, &l->cell[slot]));
    }
    *out = l->cell[slot];
    return PA_OK;
}

static pa_status sweep(lowering *l, const pa_entry *entry) {
    const pa_log *log = l->log;
    int32_t root_slot = log->operands[entry->operands], one;
    PA_TRY(need(l, root_slot));
    int32_t root = l->ids[l->first[root_slot]];
    PA_TRY(constant(l, 1, &one));
    size_t n = l->n_numbers;
    for (size_t i = 0; i < n; i++) l->gradient[i] = -1;
    l->gradient[l->numbers[root].identity] = one;
    for (const pa_entry *e = entry; e-- > log->entries;) {
        if (e->kind != PA_ENTRY_OP || !e->tracked) continue;
        const int32_t *in = log->operands + e->operands;
        if (e->op == PA_OP_sum || e->op == PA_OP_mean)
            PA_TRY(backward_sum(l, e, in));
        else if (e->op != PA_OP_view && e->op != PA_OP_cat && e->op != PA_OP_cast)
            PA_TRY(backward_elementwise(l, e, in));
    }
    for (size_t slot = 0; slot < log->n_variables; slot++) {
        if (!is_leaf_value(l, slot)) continue;
        int32_t gradient = l->gradient[l->numbers[l->ids[l->first[slot]]].identity], before;
        if (gradient < 0) continue;
        if (l->cell[slot] != CLEARED) {
            PA_TRY(cell_of(l, (int32_t)slot, &before));
            int32_t pair[2] = {before, gradient};
            PA_TRY(apply(l, PA_OP_add, pair, 2, NULL, false, &gradient));
        }
        l->cell[slot] = gradient;
    }
    return PA_OK;
}

static pa_status lower_backward(lowering *l, const pa_entry *entry) {
    size_t room = l->n_numbers + 4; /* a root that takes no part, and the one */
    l->gradient = pa_mem_alloc_array(room, sizeof *l->gradient);
    if (l->gradient == NULL) return PA_MEMORY;
    pa_status status = sweep(l, entry);
    pa_mem_free_array(l->gradient, room, sizeof *l->gradient);
    l->gradient = NULL;
    return status;
}

/* ---- updates ---- */

static values_update *new_update(int32_t n_params) {
    size_t n = (size_t)n_params + 1;
    values_update *u = pa_mem_alloc(sizeof *u);
    if (u == NULL) return NULL;
    *u = (values_update){.n = n_params};
    u->block = pa_mem_alloc_array(5 * n, sizeof *u->block);
    u->param_slots = pa_mem_alloc_array(2 * n, sizeof *u->param_slots);
    u->params = pa_mem_alloc_array(2 * n, sizeof *u->params);
    u->buffers = pa_mem_alloc_array(n, sizeof *u->buffers);
    if (u->block == NULL || u->param_slots == NULL || u->params == NULL || u->buffers == NULL) {
        pa_values_free_update(u);
        return NULL;
    }
    u->gradient_slots = u->param_slots + n;
    u->gradients = u->params + n;
    return u;
}

static pa_status lower_update(lowering *l, const pa_entry *e) {
    pa_program *p = l->p;
    const int32_t *in = l->log->operands + e->operands;
    values_update *u = new_update(e->n);
    if (u == NULL) return PA_MEMORY;
    values_segment *before = current(l);
    before->after = u;
    u->which = p->n_updates;
    p->updates[p->n_updates++] = (pa_update_plan){.kind = (int)l->log->ints[e->ints], .n = e->n};
    for (int k = 0; k < e->n; k++) {
        int32_t gradient, external;
        PA_TRY(need(l, in[k]));
        PA_TRY(need_external(l, in[k], &external));
        PA_TRY(cell_of(l, in[k], &gradient));
        PA_TRY(slot_of(l, l->ids[l->first[in[k]]], &u->param_slots[k]));
        PA_TRY(slot_of(l, gradient, &u->gradient_slots[k]));
        PA_TRY(pa_straightline_keep(before->code, u->param_slots[k]));
        PA_TRY(pa_straightline_keep(before->code, u->gradient_slots[k]));
        p->externals[external].written = true;
        u->buffers[k] = p->externals[external].buffer;
    }
    PA_TRY(new_segment(l));
    values_segment *after = current(l);
    PA_TRY(pa_mem_reserve(&after->crossings, &after->crossings_capacity, (size_t)e->n, sizeof *after->crossings));
    for (int k = 0; k < e->n; k++) {
        pa_register slot;
        int32_t old = l->ids[l->first[in[k]]], id, first = 0;
        PA_TRY(pa_straightline_leaf(after->code, &slot));
        after->crossings[after->n_crossings++] = (values_crossing){-1, -1, slot, &u->block[k], NULL};
        PA_TRY(new_number(l, slot, l->numbers[old].identity, true, &id));
        PA_TRY(new_ids(l, 1, &first));
        l->ids[first] = id;
        l->first[in[k]] = first;
        l->assigned[in[k]] = false; /* the update writes it itself */
    }
    return PA_OK;
}

/* ---- entries ---- */

static pa_status lower_entry(lowering *l, const pa_entry *e) {
    const int32_t *in = l->log->operands + e->operands;
    int32_t first = 0, id;
    pa_register slot;
    switch ((pa_entry_kind)e->kind) {
    case PA_ENTRY_OP: return lower_op(l, e);
    case PA_ENTRY_ALIAS:
    case PA_ENTRY_NUMBER_OF:
    case PA_ENTRY_VALUE_OF: PA_TRY(need(l, in[0])); return lower_alias(l, e->out, in[0], true);
    case PA_ENTRY_GRAD_OF:
        PA_FAIL_IF(e->out < 0, PA_UNSUPPORTED, "compile: the gradient of a tensor in a step over Values");
        PA_TRY(need(l, in[0]));
        PA_TRY(cell_of(l, in[0], &id));
        PA_TRY(slot_of(l, id, &slot));
        PA_TRY(new_ids(l, 1, &first));
        PA_TRY(new_number(l, slot, -1, false, &l->ids[first]));
        l->first[e->out] = first;
        return PA_OK;
    case PA_ENTRY_SET_VALUE: {
        PA_TRY(need(l, in[0]));
        PA_TRY(need(l, in[1]));
        int32_t old = l->ids[l->first[in[0]]];
        PA_TRY(slot_of(l, l->ids[l->first[in[1]]], &slot));
        PA_TRY(new_number(l, slot, l->numbers[old].identity, l->numbers[old].flows, &id));
        PA_TRY(new_ids(l, 1, &first));
        l->ids[first] = id;
        l->first[in[0]] = first;
        l->assigned[in[0]] = true;
        return PA_OK;
    }
    case PA_ENTRY_SET_GRAD:
        PA_TRY(need(l, in[0]));
        if (e->n == 1) {
            l->cell[in[0]] = CLEARED;
            return PA_OK;
        }
        PA_TRY(need(l, in[1]));
        l->cell[in[0]] = l->ids[l->first[in[1]]];
        return PA_OK;
    case PA_ENTRY_ZERO_GRAD:
        for (int k = 0; k < e->n; k++) {
            PA_TRY(need(l, in[k]));
            l->cell[in[k]] = CLEARED;
        }
        return PA_OK;
    case PA_ENTRY_BACKWARD: return lower_backward(l, e);
    case PA_ENTRY_UPDATE: return lower_update(l, e);
    default: return pa_fail(PA_UNSUPPORTED, "compile: an entry of kind %d in a step over Values", e->kind);
    }
}

/* ---- the ends ---- */

static pa_status store_leaves(lowering *l) {
    pa_program *p = l->p;
    for (size_t slot = 0; slot < l->log->n_variables; slot++) {
        const pa_variable *s = &l->log->variables[slot];
        if (!(s->node->flags & PA_IS_VALUE) || s->kind > PA_VARIABLE_CAPTURED || l->first[slot] < 0) continue;
        int32_t external, gradient, buffer;
        if (l->assigned[slot]) {
            PA_TRY(need_external(l, (int32_t)slot, &external));
            if (p->externals[external].buffer < 0) {
                PA_TRY(pa_program_new_buffer(p, PA_BUFFER_EXTERNAL, external, sizeof(double), &buffer));
                p->externals[external].buffer = buffer;
            }
            p->externals[external].written = true;
            PA_TRY(store(l, l->ids[l->first[slot]], p->externals[external].buffer, PA_FLOAT64, 0));
        }
        if (l->cell[slot] == AS_FOUND) continue;
        PA_TRY(cell_of(l, (int32_t)slot, &gradient));
        PA_TRY(need_external(l, (int32_t)slot, &external));
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_GRADIENT, external, sizeof(double), &buffer));
        p->externals[external].gradient = buffer;
        p->sets_gradients = true;
        PA_TRY(store(l, gradient, buffer, PA_FLOAT64, 0));
    }
    return PA_OK;
}

static pa_status store_results(lowering *l, int n, pa_node *const *outputs) {
    pa_program *p = l->p;
    p->results = pa_mem_alloc_array((size_t)n + 1, sizeof *p->results);
    if (p->results == NULL) return PA_MEMORY;
    p->n_results = n;
    for (int i = 0; i < n; i++) {
        const pa_node *like = outputs[i];
        int32_t slot = pa_log_find(l->log, like), buffer, node;
        PA_FAIL_IF(slot < 0, PA_UNSUPPORTED, "compile: result %d is no part of the step", i);
        PA_TRY(need(l, slot));
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_ARENA, -1, pa_node_bytes(like), &buffer));
        PA_TRY(pa_program_node(p, like, true, buffer, 0, &node));
        p->results[i] = (pa_result){.node = node,
                                    .buffer = buffer,
                                    .copied = true,
                                    .is_number = (like->flags & PA_TRACED_SCALAR) != 0 && like->ndim == 0,
                                    .is_value = (like->flags & PA_IS_VALUE) != 0};
        for (int64_t k = 0; k < pa_node_numel(like); k++)
            PA_TRY(store(l, l->ids[l->first[slot] + k], buffer, (pa_dtype)like->dtype,
                         k * (int64_t)pa_dtype_size((pa_dtype)like->dtype)));
    }
    return PA_OK;
}

static pa_status place_results(pa_program *p) {
    size_t bytes = 0;
    for (int32_t i = 0; i < p->n_results; i++) {
        p->buffers[p->results[i].buffer].offset = bytes;
        bytes += (p->buffers[p->results[i].buffer].bytes + 63) / 64 * 64;
    }
    p->arena_bytes = bytes;
    p->arena_block = bytes + PA_MEM_SMALL_MAX + 1;
    p->arena = pa_mem_alloc(p->arena_block);
    if (p->arena == NULL) return PA_MEMORY;
    for (int32_t i = 0; i < p->n_results; i++) {
        int32_t buffer = p->results[i].buffer;
        pa_program_place(p, buffer, p->arena + p->buffers[buffer].offset);
    }
    return PA_OK;
}

static pa_status lower(lowering *l, int n_outputs, pa_node *const *outputs) {
    const pa_log *log = l->log;
    pa_program *p = l->p;
    for (size_t i = 0; i < log->n_variables; i++) {
        l->first[i] = l->external[i] = -1;
        l->cell[i] = AS_FOUND;
        l->assigned[i] = l->asked[i] = false;
    }
    for (size_t i = 0; i < log->n_entries; i++)
        if (log->entries[i].kind == PA_ENTRY_GRAD_OF) l->asked[log->operands[log->entries[i].operands]] = true;
    p->updates = pa_mem_alloc_array((size_t)log->updates + 1, sizeof *p->updates);
    if (p->updates == NULL) return PA_MEMORY;
    p->updates_capacity = (size_t)log->updates + 1;
    PA_TRY(pa_program_inputs(p, log));
    PA_TRY(new_segment(l));
    for (size_t i = 0; i < log->n_entries; i++) PA_TRY(lower_entry(l, &log->entries[i]));
    PA_TRY(store_leaves(l));
    PA_TRY(store_results(l, n_outputs, outputs));
    PA_TRY(place_results(p));
    pa_program_bind_values(p);
    return pa_values_compile(p);
}

pa_status pa_values_lower(pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs) {
    size_t n = log->n_variables + 1;
    lowering l = {.p = p, .log = log};
    PA_TRY(pa_storage_new(64, &p->memory));
    l.s = p->scalar = pa_mem_alloc(sizeof *p->scalar);
    if (l.s == NULL) return PA_MEMORY;
    memset(l.s, 0, sizeof *l.s);
    l.first = pa_mem_alloc_array(n, sizeof *l.first);
    l.external = pa_mem_alloc_array(n, sizeof *l.external);
    l.cell = pa_mem_alloc_array(n, sizeof *l.cell);
    l.assigned = pa_mem_alloc_array(n, sizeof *l.assigned);
    l.asked = pa_mem_alloc_array(n, sizeof *l.asked);
    pa_status status = PA_MEMORY;
    if (l.first != NULL && l.external != NULL && l.cell != NULL && l.assigned != NULL && l.asked != NULL)
        status = lower(&l, n_outputs, outputs);
    pa_mem_free_array(l.first, n, sizeof *l.first);
    pa_mem_free_array(l.external, n, sizeof *l.external);
    pa_mem_free_array(l.cell, n, sizeof *l.cell);
    pa_mem_free_array(l.assigned, n, sizeof *l.assigned);
    pa_mem_free_array(l.asked, n, sizeof *l.asked);
    pa_mem_free(l.ids, l.ids_capacity * sizeof *l.ids);
    pa_mem_free(l.numbers, l.numbers_capacity * sizeof *l.numbers);
    return status;
}
