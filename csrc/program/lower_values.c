/* Lowering of a step over Values (lower_scalars.h): every number becomes a virtual register of straight-line code,
   small tensors among them element by element, and the backward is written out as further ops. What is left of the
   graph is arithmetic, which the code turns into vector loops. */
#include "lower_scalars.h"

#include <string.h>

#include "history.h"
#include "live.h"

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

static const pa_node *node_of(const pa_scalars *l, int32_t variable) { return l->log->variables[variable].node; }

/* The scalar of element i of a variable. */
static inline int32_t element(const pa_scalars *l, int32_t variable, int64_t i) {
    return l->elements[l->variables[variable].at + i];
}

/* Another scalar for the same register, with a gradient of its own. */
static pa_status duplicate(pa_scalars *l, int32_t scalar, bool flows, int32_t *out) {
    pa_register reg;
    PA_TRY(pa_scalar_register(l, scalar, &reg));
    return pa_scalar_new(l, reg, -1, flows, out);
}

static pa_status lower_elementwise(pa_scalars *l, const pa_entry *e, const int32_t *in) {
    const pa_node *result = node_of(l, e->out);
    bool is_root =
        e->op == PA_OP_power && e->params[0] == 0.5 && !(result->flags & PA_IS_VALUE); /* as kernels have it */
    pa_op op = is_root ? PA_OP_sqrt : (pa_op)e->op;
    broadcast walks[PA_MAX_OPERANDS];
    for (int k = 0; k < e->n; k++) broadcast_begin(&walks[k], node_of(l, in[k]), result);
    int32_t *out = NULL;
    PA_TRY(pa_scalars_new_elements(l, e->out, &out));
    for (int64_t i = 0; i < pa_node_numel(result); i++) {
        int32_t operands[PA_MAX_OPERANDS];
        bool flows = false;
        for (int k = 0; k < e->n; k++) {
            operands[k] = element(l, in[k], walks[k].position);
            flows = flows || l->all[operands[k]].flows;
            broadcast_next(&walks[k], result);
        }
        flows = (flows && e->tracked) || l->variables[e->out].gradient_is_read;
        PA_TRY(pa_scalar_apply(l, op, operands, e->n, e->params, flows, &out[i]));
    }
    return PA_OK;
}

/* Which element of the result an element of the operand is summed into: as if the result were broadcast against the
   operand. */
static void reduction_begin(broadcast *b, const pa_node *operand, unsigned axes) {
    memset(b, 0, sizeof *b);
    int64_t stride = 1;
    for (int axis = operand->ndim - 1; axis >= 0; axis--) {
        if (axes & (1u << axis)) continue;
        b->strides[axis] = stride;
        stride *= operand->array->shape[axis];
    }
}

static pa_status lower_sum(pa_scalars *l, const pa_entry *e, const int32_t *in) {
    const pa_node *operand = node_of(l, in[0]), *result = node_of(l, e->out);
    int64_t n = pa_node_numel(result), terms = pa_node_numel(operand);
    int32_t *out = NULL;
    PA_TRY(pa_scalars_new_elements(l, e->out, &out));
    for (int64_t i = 0; i < n; i++) PA_TRY(pa_scalar_constant(l, 0, &out[i]));
    broadcast walk;
    reduction_begin(&walk, operand, (unsigned)result->array->ints[0]);
    for (int64_t i = 0; i < terms; i++) {
        int32_t *total = &out[walk.position], pair[2] = {*total, element(l, in[0], i)};
        bool flows = e->tracked && (l->all[pair[0]].flows || l->all[pair[1]].flows);
        PA_TRY(pa_scalar_apply(l, PA_OP_add, pair, 2, NULL, flows, total));
        broadcast_next(&walk, operand);
    }
    for (int64_t i = 0; i < n && e->op == PA_OP_mean; i++) {
        int32_t pair[2] = {out[i], -1};
        PA_TRY(pa_scalar_constant(l, (double)(terms / n), &pair[1]));
        PA_TRY(pa_scalar_apply(l, PA_OP_div, pair, 2, NULL, l->all[pair[0]].flows, &out[i]));
    }
    return PA_OK;
}

static pa_status lower_view(pa_scalars *l, const pa_entry *e, const int32_t *in) {
    const pa_node *view = node_of(l, e->out);
    /* Strides, and behind them the offset, in the operand's logical order */
    const int64_t *attributes = view->array->ints;
    int32_t *out = NULL;
    PA_TRY(pa_scalars_new_elements(l, e->out, &out));
    for (int64_t i = 0; i < pa_node_numel(view); i++) {
        int64_t rest = i, at = attributes[PA_MAX_NDIM];
        for (int axis = view->ndim - 1; axis >= 0; axis--) {
            at += rest % view->array->shape[axis] * attributes[axis];
            rest /= view->array->shape[axis];
        }
        out[i] = element(l, in[0], at);
    }
    return PA_OK;
}

static pa_status lower_cat(pa_scalars *l, const pa_entry *e, const int32_t *in) {
    const pa_node *result = node_of(l, e->out);
    int axis = (int)result->array->ints[0];
    int32_t *out = NULL;
    PA_TRY(pa_scalars_new_elements(l, e->out, &out));
    int64_t inner = 1, outer = 1, total = result->array->shape[axis], done = 0;
    for (int i = 0; i < axis; i++) outer *= result->array->shape[i];
    for (int i = axis + 1; i < result->ndim; i++) inner *= result->array->shape[i];
    for (int k = 0; k < e->n; k++) {
        int64_t own = node_of(l, in[k])->array->shape[axis];
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0; i < own * inner; i++)
                out[(o * total + done) * inner + i] = element(l, in[k], o * own * inner + i);
        done += own;
    }
    return PA_OK;
}

/* The same numbers; as new scalars where no gradient flows back. */
static pa_status lower_alias(pa_scalars *l, int32_t variable, int32_t in, bool detached) {
    if (!detached) {
        l->variables[variable].at = l->variables[in].at;
        return PA_OK;
    }
    int32_t *out = NULL, first = l->variables[in].at;
    PA_TRY(pa_scalars_new_elements(l, variable, &out));
    for (int64_t i = 0; i < pa_node_numel(node_of(l, in)); i++)
        PA_TRY(duplicate(l, l->elements[first + i], l->variables[variable].gradient_is_read, &out[i]));
    return PA_OK;
}

/* A number that is known; from here on gradients flow through it. */
static pa_status lower_local_grads(pa_scalars *l, const pa_entry *e, const int32_t *in) {
    PA_TRY(pa_scalars_need(l, e->out));
    int32_t number = element(l, e->out, 0), *out = NULL;
    bool flows = false;
    for (int k = 0; k < e->n / 2; k++) flows = flows || l->all[element(l, in[k], 0)].flows;
    PA_TRY(pa_scalars_new_elements(l, e->out, &out));
    return duplicate(l, number, flows, out);
}

static pa_status lower_op(pa_scalars *l, const pa_entry *e) {
    const int32_t *in = l->log->operands + e->operands;
    for (int k = 0; k < e->n; k++) PA_TRY(pa_scalars_need(l, in[k]));
    switch (e->op) {
    case PA_OP_sum:
    case PA_OP_mean: return lower_sum(l, e, in);
    case PA_OP_view: return lower_view(l, e, in);
    case PA_OP_cat: return lower_cat(l, e, in);
    case PA_OP_cast: return lower_alias(l, e->out, in[0], !e->tracked);
    case PA_OP_local_grads: return lower_local_grads(l, e, in);
    default: return lower_elementwise(l, e, in);
    }
}

/* ---- gradients ---- */

static inline int32_t *gradient_at(pa_scalars *l, int32_t scalar) { return &l->gradient[l->all[scalar].identity]; }

static pa_status contribute(pa_scalars *l, int32_t to, int32_t contribution) {
    int32_t *gradient = gradient_at(l, to);
    if (*gradient < 0) {
        *gradient = contribution;
        return PA_OK;
    }
    int32_t pair[2] = {*gradient, contribution};
    return pa_scalar_apply(l, PA_OP_add, pair, 2, NULL, false, gradient);
}

static pa_status gradient_of(pa_scalars *l, const pa_entry *e, int operand, const int32_t *operands, int32_t out,
                             int32_t upstream) {
    unsigned reads = pa_op_table[e->op].effects;
    pa_register in[5] = {-1, -1, -1, -1, -1}, reg;
    for (int k = 0; k < e->n; k++)
        if (reads & (READS_A << k)) PA_TRY(pa_scalar_register(l, operands[k], &in[k]));
    if (reads & READS_OUT) PA_TRY(pa_scalar_register(l, out, &in[3]));
    PA_TRY(pa_scalar_register(l, upstream, &in[4]));
    PA_TRY(pa_straightline_gradient(pa_scalars_segment(l)->code, (pa_op)e->op, operand, in, e->params, &reg));
    int32_t scalar;
    PA_TRY(pa_scalar_new(l, reg, -1, false, &scalar));
    return contribute(l, operands[operand], scalar);
}

static pa_status backward_elementwise(pa_scalars *l, const pa_entry *e, const int32_t *in) {
    const pa_node *result = node_of(l, e->out);
    broadcast walks[PA_MAX_OPERANDS];
    for (int k = 0; k < e->n; k++) broadcast_begin(&walks[k], node_of(l, in[k]), result);
    for (int64_t i = 0; i < pa_node_numel(result); i++) {
        int32_t operands[PA_MAX_OPERANDS], out = element(l, e->out, i);
        int32_t upstream = *gradient_at(l, out);
        for (int k = 0; k < e->n; k++) {
            operands[k] = element(l, in[k], walks[k].position);
            broadcast_next(&walks[k], result);
        }
        for (int k = 0; k < e->n && upstream >= 0; k++)
            if (l->all[operands[k]].flows && pa_k->gradient[e->op][k][1] != NULL)
                PA_TRY(gradient_of(l, e, k, operands, out, upstream));
    }
    return PA_OK;
}

/* What the step has given as d out / d operand, behind the operands, times the gradient. */
static pa_status backward_local_grads(pa_scalars *l, const pa_entry *e, const int32_t *in) {
    int32_t upstream = *gradient_at(l, element(l, e->out, 0)), sent;
    for (int k = 0; k < e->n / 2 && upstream >= 0; k++) {
        int32_t to = element(l, in[k], 0), pair[2] = {element(l, in[e->n / 2 + k], 0), upstream};
        if (!l->all[to].flows) continue;
        PA_TRY(pa_scalar_apply(l, PA_OP_mul, pair, 2, NULL, false, &sent));
        PA_TRY(contribute(l, to, sent));
    }
    return PA_OK;
}

static pa_status backward_sum(pa_scalars *l, const pa_entry *e, const int32_t *in) {
    const pa_node *operand = node_of(l, in[0]), *result = node_of(l, e->out);
    int64_t n = pa_node_numel(result), terms = pa_node_numel(operand);
    broadcast walk;
    for (int64_t i = 0; i < n && e->op == PA_OP_mean; i++) {
        int32_t *upstream = gradient_at(l, element(l, e->out, i)), pair[2] = {*upstream, -1};
        if (*upstream < 0) continue;
        PA_TRY(pa_scalar_constant(l, (double)(terms / n), &pair[1]));
        PA_TRY(pa_scalar_apply(l, PA_OP_div, pair, 2, NULL, false, upstream));
    }
    reduction_begin(&walk, operand, (unsigned)result->array->ints[0]);
    for (int64_t i = 0; i < terms; i++) {
        int32_t term = element(l, in[0], i);
        int32_t upstream = *gradient_at(l, element(l, e->out, walk.position));
        if (upstream >= 0 && l->all[term].flows) PA_TRY(contribute(l, term, upstream));
        broadcast_next(&walk, operand);
    }
    return PA_OK;
}

/* An op's backward, from its result's gradient to those of its operands. */
static pa_status backward_op(pa_scalars *l, const pa_entry *e) {
    const int32_t *in = l->log->operands + e->operands;
    switch (e->op) {
    case PA_OP_sum:
    case PA_OP_mean: return backward_sum(l, e, in);
    case PA_OP_view:
    case PA_OP_cat:
    case PA_OP_cast: return PA_OK; /* of the same scalars */
    case PA_OP_local_grads: return backward_local_grads(l, e, in);
    default: return backward_elementwise(l, e, in);
    }
}

static bool wants_gradient(const pa_scalars *l, int32_t variable) {
    const pa_lowered *lowered = &l->variables[variable];
    return node_of(l, variable)->flags & PA_IS_VALUE && lowered->at >= 0 &&
           (lowered->gradient_is_read || pa_lower_outlives(&l->lowering, variable));
}

/* The scalar of a Value's gradient at this point of the step. */
static pa_status current_gradient(pa_scalars *l, int32_t variable, int32_t *out) {
    int32_t *gradient = &l->variables[variable].gradient, buffer;
    bool is_made_here = l->log->variables[variable].kind > PA_VARIABLE_CAPTURED;
    if (*gradient == PA_GRADIENT_CLEARED || (*gradient == PA_GRADIENT_AS_FOUND && is_made_here)) {
        PA_TRY(pa_scalar_constant(l, 0, gradient));
    } else if (*gradient == PA_GRADIENT_AS_FOUND) {
        PA_TRY(pa_lower_entry_gradient(&l->lowering, variable, &buffer));
        PA_TRY(pa_scalar_load(l, buffer, PA_FLOAT64, 0, false, gradient));
    }
    *out = *gradient;
    return PA_OK;
}

/* Leaves add to what they have; the root, and what is no leaf, begins anew in each sweep. */
static bool accumulates(const pa_scalars *l, int32_t variable, int32_t root) {
    return variable != root && l->variables[variable].made_by < 0;
}

/* Does a sweep begin at the gradient that is there, as the plain call does? What the step has found is only looked at
   where something comes to it. */
static bool begins_at_own(const pa_scalars *l, int32_t variable, int32_t root) {
    bool is_found = l->variables[variable].gradient == PA_GRADIENT_AS_FOUND &&
                    l->log->variables[variable].kind <= PA_VARIABLE_CAPTURED;
    return !is_found && wants_gradient(l, variable) && accumulates(l, variable, root);
}

static pa_status sweep(pa_scalars *l, const pa_entry *entry) {
    const pa_log *log = l->log;
    int32_t root = log->operands[entry->operands], one;
    PA_TRY(pa_scalars_need(l, root));
    PA_TRY(pa_scalar_constant(l, 1, &one));
    for (size_t i = 0; i < l->n; i++) l->gradient[i] = -1;
    for (int32_t v = 0; v < (int32_t)log->n_variables; v++)
        if (begins_at_own(l, v, root)) PA_TRY(current_gradient(l, v, gradient_at(l, element(l, v, 0))));
    *gradient_at(l, element(l, root, 0)) = one;
    for (size_t i = (size_t)(entry - log->entries); i-- > 0;)
        if (log->entries[i].tracked) PA_TRY(backward_op(l, &log->entries[i]));
    for (int32_t v = 0; v < (int32_t)log->n_variables; v++) {
        if (!wants_gradient(l, v)) continue;
        int32_t pair[2] = {-1, *gradient_at(l, element(l, v, 0))}, *gradient = &l->variables[v].gradient;
        if (pair[1] < 0 || pair[1] == *gradient) continue; /* nothing has come */
        PA_TRY(pa_lower_sweep_end(&l->lowering, v));
        if (*gradient == PA_GRADIENT_AS_FOUND && accumulates(l, v, root)) {
            PA_TRY(current_gradient(l, v, &pair[0]));
            PA_TRY(pa_scalar_apply(l, PA_OP_add, pair, 2, NULL, false, gradient));
        } else {
            *gradient = pair[1];
        }
    }
    return PA_OK;
}

/* One op's backward, from and to the gradients that its Values have. */
static pa_status local_backward(pa_scalars *l, const pa_entry *entry) {
    int32_t variable = l->log->operands[entry->operands];
    const pa_entry *op;
    PA_TRY(pa_lower_maker(&l->lowering, variable, &op));
    const int32_t *in = l->log->operands + op->operands;
    PA_TRY(current_gradient(l, variable, gradient_at(l, element(l, variable, 0))));
    int n = op->op == PA_OP_local_grads ? op->n / 2 : op->n;
    for (int k = 0; k < n; k++) PA_TRY(current_gradient(l, in[k], gradient_at(l, element(l, in[k], 0))));
    PA_TRY(backward_op(l, op));
    for (int k = 0; k < n; k++) l->variables[in[k]].gradient = *gradient_at(l, element(l, in[k], 0));
    return PA_OK;
}

static pa_status lower_backward(pa_scalars *l, const pa_entry *entry) {
    size_t room = l->n + 8; /* a root that takes no part, the one, the gradients that there are */
    l->gradient = pa_mem_alloc_array(room, sizeof *l->gradient);
    if (l->gradient == NULL) return PA_MEMORY;
    pa_status status = (entry->kind == PA_ENTRY_BACKWARD ? sweep : local_backward)(l, entry);
    pa_mem_free_array(l->gradient, room, sizeof *l->gradient);
    l->gradient = NULL;
    return status;
}

/* ---- entries ---- */

/* From here on a variable is a new scalar; identity -1: its own. */
static pa_status rebind(pa_scalars *l, int32_t variable, pa_register reg, int32_t identity, bool flows) {
    int32_t *out = NULL;
    PA_TRY(pa_scalars_new_elements(l, variable, &out));
    return pa_scalar_new(l, reg, identity, flows, out);
}

static pa_status lower_update(pa_scalars *l, const pa_entry *e) {
    pa_program *p = l->p;
    const int32_t *in = l->log->operands + e->operands;
    pa_values_update *u = NULL;
    PA_TRY(pa_values_new_update(l->values, pa_lower_update(&l->lowering, e), e->n, &u));
    pa_straightline *before = pa_scalars_segment(l)->code;
    for (int k = 0; k < e->n; k++) {
        int32_t gradient, captured;
        PA_TRY(pa_scalars_need(l, in[k]));
        PA_TRY(pa_lower_captured(&l->lowering, in[k], &captured));
        PA_TRY(current_gradient(l, in[k], &gradient));
        PA_TRY(pa_scalar_register(l, element(l, in[k], 0), &u->param_registers[k]));
        PA_TRY(pa_scalar_register(l, gradient, &u->gradient_registers[k]));
        PA_TRY(pa_straightline_keep(before, u->param_registers[k]));
        PA_TRY(pa_straightline_keep(before, u->gradient_registers[k]));
        p->captured[captured].written = true;
        u->buffers[k] = p->captured[captured].buffer;
    }
    PA_TRY(pa_values_new_segment(l->values));
    pa_values_segment *after = pa_scalars_segment(l);
    PA_TRY(pa_mem_reserve(&after->crossings, &after->crossings_capacity, (size_t)e->n, sizeof *after->crossings));
    for (int k = 0; k < e->n; k++) {
        pa_register reg;
        PA_TRY(pa_straightline_leaf(after->code, &reg));
        after->crossings[after->n_crossings++] = (pa_values_crossing){-1, -1, reg, &u->block[k], NULL};
        PA_TRY(rebind(l, in[k], reg, l->all[element(l, in[k], 0)].identity, true));
        l->variables[in[k]].written = false; /* the update writes it itself */
    }
    return PA_OK;
}

static pa_status lower_set_value(pa_scalars *l, const int32_t *in) {
    pa_register reg;
    PA_TRY(pa_scalars_need(l, in[0]));
    PA_TRY(pa_scalars_need(l, in[1]));
    const pa_scalar *old = &l->all[element(l, in[0], 0)];
    int32_t identity = old->identity;
    bool flows = old->flows;
    PA_TRY(pa_scalar_register(l, element(l, in[1], 0), &reg));
    PA_TRY(rebind(l, in[0], reg, identity, flows));
    l->variables[in[0]].written = true;
    return PA_OK;
}

static pa_status lower_grad_of(pa_scalars *l, const pa_entry *e, int32_t in) {
    int32_t gradient;
    pa_register reg;
    PA_TRY(pa_scalars_need(l, in));
    if (e->out < 0) return pa_lower_no_gradient(&l->lowering, in);
    PA_TRY(current_gradient(l, in, &gradient));
    PA_TRY(pa_scalar_register(l, gradient, &reg));
    return rebind(l, e->out, reg, -1, false);
}

static pa_status lower_entry(pa_scalars *l, const pa_entry *e) {
    const int32_t *in = l->log->operands + e->operands;
    switch ((pa_entry_kind)e->kind) {
    case PA_ENTRY_OP: return lower_op(l, e);
    case PA_ENTRY_ALIAS:
    case PA_ENTRY_NUMBER_OF:
    case PA_ENTRY_VALUE_OF: PA_TRY(pa_scalars_need(l, in[0])); return lower_alias(l, e->out, in[0], true);
    case PA_ENTRY_GRAD_OF: return lower_grad_of(l, e, in[0]);
    case PA_ENTRY_SET_VALUE: return lower_set_value(l, in);
    case PA_ENTRY_SET_GRAD:
        for (int k = 0; k < e->n; k++) PA_TRY(pa_scalars_need(l, in[k]));
        l->variables[in[0]].gradient = e->n == 1 ? PA_GRADIENT_CLEARED : element(l, in[1], 0);
        return PA_OK;
    case PA_ENTRY_ZERO_GRAD:
        for (int k = 0; k < e->n; k++) {
            PA_TRY(pa_scalars_need(l, in[k]));
            l->variables[in[k]].gradient = PA_GRADIENT_CLEARED;
        }
        return PA_OK;
    case PA_ENTRY_BACKWARD:
    case PA_ENTRY_LOCAL_BACKWARD: return lower_backward(l, e);
    case PA_ENTRY_UPDATE: return lower_update(l, e);
    default: return pa_fail(PA_UNSUPPORTED, "compile: an entry of kind %d in a step over Values", e->kind);
    }
}

/* ---- the ends ---- */

/* The number that the step has set, and the gradient that it leaves. */
static pa_status store_leaf(pa_scalars *l, int32_t variable) {
    pa_program *p = l->p;
    const pa_lowered *lowered = &l->variables[variable];
    int32_t captured, gradient, buffer;
    if (lowered->written) {
        PA_TRY(pa_lower_captured(&l->lowering, variable, &captured));
        if (p->captured[captured].buffer < 0) { /* an argument */
            PA_TRY(pa_program_new_buffer(p, PA_BUFFER_CAPTURED, sizeof(double), &buffer));
            p->captured[captured].buffer = buffer;
        }
        p->captured[captured].written = true;
        PA_TRY(pa_scalar_store(l, element(l, variable, 0), p->captured[captured].buffer, PA_FLOAT64, 0));
    }
    if (lowered->gradient == PA_GRADIENT_AS_FOUND) return PA_OK;
    PA_TRY(current_gradient(l, variable, &gradient));
    PA_TRY(pa_lower_captured(&l->lowering, variable, &captured));
    PA_TRY(pa_program_new_buffer(p, PA_BUFFER_GRADIENT, sizeof(double), &buffer));
    p->captured[captured].gradient = buffer;
    p->sets_gradients = true;
    return pa_scalar_store(l, gradient, buffer, PA_FLOAT64, 0);
}

static pa_status store_leaves(pa_scalars *l) {
    for (int32_t i = 0; i < (int32_t)l->log->n_variables; i++) {
        const pa_variable *v = &l->log->variables[i];
        if (v->node->flags & PA_IS_VALUE && v->kind <= PA_VARIABLE_CAPTURED && l->variables[i].at >= 0)
            PA_TRY(store_leaf(l, i));
    }
    return PA_OK;
}

static pa_status store_results(pa_scalars *l, int n, pa_node *const *outputs) {
    pa_program *p = l->p;
    for (int i = 0; i < n; i++) {
        const pa_node *like = outputs[i];
        pa_result *r = &p->results[i];
        int32_t variable;
        PA_TRY(pa_lower_result(&l->lowering, i, like, &variable));
        PA_TRY(pa_scalars_need(l, variable));
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_ARENA, pa_node_bytes(like), &r->buffer));
        PA_TRY(pa_program_new_node(p, like, true, r->buffer, 0, &r->node));
        r->copied = true;
        for (int64_t k = 0; k < pa_node_numel(like); k++)
            PA_TRY(pa_scalar_store(l, element(l, variable, k), r->buffer, like->dtype,
                                   k * (int64_t)pa_dtype_size(like->dtype)));
        if (pa_lower_outlives(&l->lowering, variable) || l->variables[variable].gradient < 0) continue;
        PA_TRY(pa_program_new_buffer(p, PA_BUFFER_RESULT, sizeof(double), &r->gradient));
        PA_TRY(pa_scalar_store(l, l->variables[variable].gradient, r->gradient, PA_FLOAT64, 0));
    }
    return PA_OK;
}

/* ---- results with a history ---- */

/* What a history ends at: what is not made here, and other results. */
static bool is_operand(const pa_scalars *l, int32_t variable, int32_t root) {
    bool is_result = l->variables[variable].result >= 0 && variable != root;
    return is_result || (wants_gradient(l, variable) && pa_lower_outlives(&l->lowering, variable));
}

/* The gradients that come from a Value to its operands. */
static pa_status sweep_history(pa_scalars *l, int32_t root) {
    int32_t one;
    PA_TRY(pa_scalar_constant(l, 1, &one));
    for (size_t i = 0; i < l->n; i++) l->gradient[i] = -1;
    *gradient_at(l, element(l, root, 0)) = one;
    for (size_t i = l->log->n_entries; i-- > 0;) {
        const pa_entry *e = &l->log->entries[i];
        if (e->tracked && !is_operand(l, e->out, root)) PA_TRY(backward_op(l, e));
    }
    return PA_OK;
}

static pa_status store_jacobian(pa_scalars *l, pa_part *part, int32_t root) {
    pa_program *p = l->p;
    int32_t n = 0;
    PA_TRY(sweep_history(l, root));
    for (int32_t v = 0; v < (int32_t)l->log->n_variables; v++)
        n += is_operand(l, v, root) && *gradient_at(l, element(l, v, 0)) >= 0;
    PA_TRY(pa_program_new_targets(p, n, &part->captured));
    PA_TRY(pa_program_new_buffer(p, PA_BUFFER_ARENA, (size_t)n * sizeof(double) + 1, &part->jacobian));
    for (int32_t v = 0; v < (int32_t)l->log->n_variables; v++) {
        int32_t found = is_operand(l, v, root) ? *gradient_at(l, element(l, v, 0)) : -1;
        int32_t captured = -1 - l->variables[v].result;
        if (found < 0) continue;
        if (l->variables[v].result < 0) {
            PA_TRY(pa_lower_captured(&l->lowering, v, &captured));
            p->captured[captured].handed = captured;
        }
        p->pool[part->captured + part->n_operands] = captured;
        PA_TRY(pa_scalar_store(l, found, part->jacobian, PA_FLOAT64, part->n_operands++ * (int64_t)sizeof(double)));
    }
    return PA_OK;
}

/* A Value is one op over those that it depends on: the step computes its local gradients with it. */
static pa_status store_history(pa_scalars *l, int32_t parts, const bool *live) {
    if (parts == 0) return PA_OK;
    PA_TRY(pa_history_new_parts(l->p, parts));
    parts = 0;
    for (int32_t v = 0; v < (int32_t)l->log->n_variables; v++) {
        int32_t result = l->variables[v].result;
        if (result < 0 || !live[result]) continue;
        size_t room = l->n + 8;
        l->gradient = pa_mem_alloc_array(room, sizeof *l->gradient);
        if (l->gradient == NULL) return PA_MEMORY;
        l->p->results[result].part = parts;
        pa_status status = store_jacobian(l, &l->p->history.parts[parts++], v);
        pa_mem_free_array(l->gradient, room, sizeof *l->gradient);
        l->gradient = NULL;
        PA_TRY(status);
    }
    return PA_OK;
}

static pa_status lower_history(pa_scalars *l, int n, pa_node *const *outputs) {
    bool *live = pa_mem_alloc_array((size_t)n + 1, sizeof *live);
    if (live == NULL) return PA_MEMORY;
    pa_status status = pa_log_find_live(l->log, n, outputs, live);
    int32_t parts = 0;
    for (int32_t i = 0; i < n && status == PA_OK; i++) {
        int32_t v = pa_log_find(l->log, outputs[i]);
        live[i] = live[i] && !l->p->results[i].is_place;
        bool is_leaf = l->variables[v].made_by < 0 && l->log->variables[v].kind > PA_VARIABLE_CAPTURED &&
                       outputs[i]->flags & PA_IS_VALUE && pa_node_requires_grad(outputs[i]);
        if (live[i] || is_leaf) l->variables[v].result = i;
        parts += live[i];
    }
    if (status == PA_OK) status = store_history(l, parts, live);
    pa_mem_free_array(live, (size_t)n + 1, sizeof *live);
    return status;
}

static pa_status lower(pa_scalars *l, int n_outputs, pa_node *const *outputs) {
    l->variables = l->lowering.variables;
    PA_TRY(pa_values_new(&l->p->values));
    l->values = l->p->values;
    PA_TRY(pa_values_new_segment(l->values));
    for (size_t i = 0; i < l->log->n_entries; i++) PA_TRY(lower_entry(l, &l->log->entries[i]));
    PA_TRY(store_leaves(l));
    PA_TRY(store_results(l, n_outputs, outputs));
    return lower_history(l, n_outputs, outputs);
}

pa_status pa_lower_values(pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs) {
    pa_scalars l = {.p = p, .log = log};
    pa_status status = pa_lowering_begin(&l.lowering, p, log, n_outputs, outputs);
    if (status == PA_OK) status = lower(&l, n_outputs, outputs);
    pa_lowering_end(&l.lowering);
    pa_mem_free(l.elements, l.elements_capacity * sizeof *l.elements);
    pa_mem_free(l.all, l.capacity * sizeof *l.all);
    return status;
}
