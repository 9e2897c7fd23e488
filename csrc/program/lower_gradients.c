/* Lowering of what a step over tensors does with gradients: sweeps, and what becomes of each leaf's gradient. */
#include "lower_gradients.h"

#include <string.h>

#include "instruction.h"

/* ---- leaves ---- */

pa_status pa_lower_new_gradient(pa_lowering *l, const pa_node *like, int32_t *out) {
    return pa_program_new_buffer(l->p, PA_BUFFER_ARENA, pa_node_bytes(like), out);
}

static pa_status set_gradient(pa_lowering *l, int32_t variable, int32_t gradient) {
    int32_t captured;
    if (pa_lower_outlives(l, variable)) PA_TRY(pa_lower_captured(l, variable, &captured));
    l->variables[variable].gradient = gradient;
    l->variables[variable].gradient_is_alias = l->variables[variable].gradient_is_assigned = false;
    return PA_OK;
}

/* The buffer of a leaf's gradient at this point of the step; -1 where it has none. A Value always has one. */
static pa_status current_gradient(pa_lowering *l, int32_t variable, int32_t *out) {
    const pa_node *node = l->log->variables[variable].node;
    int32_t *gradient = &l->variables[variable].gradient, captured;
    if (*gradient == PA_GRADIENT_AS_FOUND && !pa_lower_outlives(l, variable)) *gradient = PA_GRADIENT_CLEARED;
    if (*gradient == PA_GRADIENT_AS_FOUND) {
        PA_TRY(pa_lower_captured(l, variable, &captured));
        bool present = l->log->variables[variable].grad != NULL || pa_lower_is_value(l, variable);
        l->p->captured[captured].entry_matters = !pa_lower_is_value(l, variable);
        l->p->captured[captured].entry_present = present;
        if (present) PA_TRY(pa_lower_entry_gradient(l, variable, gradient));
    } else if (*gradient == PA_GRADIENT_CLEARED && pa_lower_is_value(l, variable)) {
        PA_TRY(pa_lower_new_gradient(l, node, gradient));
        PA_TRY(pa_lower_emit(l, PA_DO_ZERO, -1, -1, *gradient));
    }
    *out = *gradient < 0 ? -1 : *gradient;
    return PA_OK;
}

/* What a sweep found is added to the gradient that a leaf has, or becomes it. */
static pa_status accumulate(pa_lowering *l, int32_t variable, int32_t found) {
    int32_t before = -1;
    if (l->variables[variable].gradient != PA_GRADIENT_CLEARED || pa_lower_is_value(l, variable))
        PA_TRY(current_gradient(l, variable, &before)); /* a Value's that is 0 is added to: it makes +0 of -0 */
    if (before < 0) return set_gradient(l, variable, found);
    pa_instruction i = pa_lower_instruction(PA_DO_ADD);
    i.node = l->variables[variable].at;
    i.gradient = before;
    i.n = 1;
    PA_TRY(pa_program_new_targets(l->p, 1, &i.targets));
    l->p->pool[i.targets] = found;
    return pa_program_emit(l->p, &i);
}

pa_status pa_lower_list_leaves(pa_lowering *l, pa_instruction *i) {
    i->entry = l->entry;
    for (int32_t v = 0; v < (int32_t)l->log->n_variables; v++) {
        const pa_lowered *leaf = &l->variables[v];
        bool as_found = leaf->gradient == PA_GRADIENT_AS_FOUND;
        if (leaf->captured < 0 || (as_found && leaf->requires_grad == l->log->variables[v].requires_grad)) continue;
        int32_t at;
        PA_TRY(pa_program_new_targets(l->p, PA_LEAF_FIELDS, &at));
        if (i->n_leaves++ == 0) i->leaves = at;
        l->p->pool[at + PA_LEAF_CAPTURED] = leaf->captured;
        l->p->pool[at + PA_LEAF_GRADIENT] = leaf->gradient;
        l->p->pool[at + PA_LEAF_SHARES_MEMORY] = leaf->gradient_is_alias;
        l->p->pool[at + PA_LEAF_REQUIRES_GRAD] = leaf->requires_grad;
    }
    return PA_OK;
}

/* The node says where its op was applied as that of the recorded step does. */
static void copy_place(pa_node *node, const pa_node *recorded) {
    if (node->array->code != NULL || recorded->array == NULL || recorded->array->code == NULL) return;
    node->array->code = pa_hook.retain_object(recorded->array->code);
    node->array->line = recorded->array->line;
}

static pa_status check_gradients(pa_lowering *l, int32_t at, const pa_node *recorded, const int32_t *gradients) {
    pa_node *node = l->p->nodes[at];
    copy_place(node, recorded);
    for (int k = 0; k < node->n_parents; k++) {
        pa_instruction i = pa_lower_instruction(PA_DO_CHECK);
        i.node = at;
        i.operand = (uint8_t)k;
        i.gradient = gradients[pa_node_parent(node, k)->mark];
        if (i.gradient < 0) continue;
        PA_TRY(pa_lower_list_leaves(l, &i));
        PA_TRY(pa_program_emit(l->p, &i));
    }
    return PA_OK;
}

static bool has_gradient_formula(const pa_node *node, int operand) {
    return pa_op_table[node->op].family == PA_WHOLE ||
           pa_k->gradient[node->op][operand][node->dtype == PA_FLOAT64] != NULL;
}

/* What Python did for a variable in the sweep that ends with `sweep`, or NULL. */
static const pa_entry *in_python(const pa_log *log, const pa_entry *sweep, pa_entry_kind kind, int32_t variable) {
    for (size_t i = (size_t)(sweep - log->entries); i-- > 0;) {
        const pa_entry *e = &log->entries[i];
        if (e->kind != PA_ENTRY_HOST_GRADIENT && e->kind != PA_ENTRY_HOOK) return NULL;
        if (e->kind == kind && log->operands[e->operands] == variable) return e;
    }
    return NULL;
}

/* Hooks take the gradient that has come to a node, and what they make of it goes on. */
static pa_status lower_hooks(pa_lowering *l, const pa_entry *hooks, bool is_callers, int32_t *gradients) {
    pa_program *p = l->p;
    int32_t at = l->variables[l->log->operands[hooks->operands]].at, *gradient = &gradients[at], nodes[2];
    if (at < 0 || *gradient < 0) return PA_OK;
    PA_TRY(pa_program_new_node(p, p->nodes[at], true, *gradient, 0, &nodes[0]));
    PA_TRY(pa_lower_new_gradient(l, p->nodes[at], gradient));
    PA_TRY(pa_program_new_node(p, p->nodes[at], true, *gradient, 0, &nodes[1]));
    pa_instruction i = pa_lower_instruction(PA_DO_HOST);
    i.n = 1;
    PA_TRY(pa_program_keep_host(p, hooks->host, &i.source));
    p->hosts[i.source].n_results = 1;
    p->hosts[i.source].is_hook = true;
    if (!is_callers) PA_TRY(pa_lower_list_leaves(l, &i));
    PA_TRY(pa_program_new_targets(p, 2, &i.targets));
    memcpy(p->pool + i.targets, nodes, sizeof nodes);
    return pa_program_emit(p, &i);
}

/* Those of leaves come last, in the order in which they ran. */
static pa_status lower_hooks_of_leaves(pa_lowering *l, const pa_entry *sweep, int32_t *gradients) {
    const pa_entry *e = sweep;
    while (e > l->log->entries && (e[-1].kind == PA_ENTRY_HOST_GRADIENT || e[-1].kind == PA_ENTRY_HOOK)) e--;
    for (; e < sweep; e++) {
        int32_t variable = e->kind == PA_ENTRY_HOOK ? l->log->operands[e->operands] : -1;
        if (variable >= 0 && l->variables[variable].made_by < 0) PA_TRY(lower_hooks(l, e, false, gradients));
    }
    return PA_OK;
}

/* One node's part of the sweep: `gradients` holds each node's buffer, -1 where nothing has arrived. Of a custom op
   `entry` is its entry, whose backward gives gradients of the operands that are `given`, or NULL: of all. */
static pa_status lower_backward_of(pa_lowering *l, int32_t at, const pa_entry *entry, const int64_t *given,
                                   int32_t *gradients) {
    pa_program *p = l->p;
    const pa_node *node = p->nodes[at];
    bool is_host = node->op == PA_OP_custom, any = is_host;
    pa_instruction i = pa_lower_instruction(PA_DO_BACKWARD);
    i.node = at;
    i.gradient = gradients[at];
    i.n = node->n_parents;
    PA_TRY(pa_program_new_targets(p, is_host ? 2 * i.n : i.n, &i.targets));
    if (is_host) PA_TRY(pa_program_keep_host(p, entry->host, &i.source));
    if (given != NULL) PA_TRY(pa_lower_list_leaves(l, &i)); /* else it is the caller's, and finds them as they are */
    for (int k = 0; is_host && k < i.n; k++) p->pool[i.targets + i.n + k] = given == NULL || given[k] != 0;
    for (int k = 0; k < i.n; k++) {
        const pa_node *parent = pa_node_parent(node, k);
        int32_t target = -1;
        bool again = false; /* an operand that stands twice has its target already */
        for (int earlier = 0; earlier < k; earlier++)
            again = again || (pa_node_parent(node, earlier) == parent && (given == NULL || given[earlier] != 0));
        bool wanted = pa_node_requires_grad(parent) && (given == NULL || given[k] != 0);
        if (wanted && !again && has_gradient_formula(node, k)) {
            int32_t *buffer = &gradients[parent->mark];
            bool accumulates = *buffer >= 0;
            if (!accumulates) PA_TRY(pa_lower_new_gradient(l, parent, buffer));
            target = accumulates ? *buffer | PA_TARGET_ACCUMULATES : *buffer;
            any = true;
        }
        p->pool[i.targets + k] = target;
    }
    return any ? pa_program_emit(p, &i) : PA_OK;
}

/* In front stands how many there are: a sweep with hooks makes further nodes. */
int32_t *pa_lower_new_gradients(const pa_lowering *l) {
    int32_t n = l->p->n_nodes, *gradients = pa_mem_alloc_array((size_t)n + 1, sizeof *gradients);
    if (gradients == NULL) return NULL;
    for (int32_t i = 1; i <= n; i++) gradients[i] = -1;
    gradients[0] = n;
    return gradients + 1;
}

void pa_lower_free_gradients(int32_t *gradients) {
    if (gradients != NULL) pa_mem_free_array(gradients - 1, (size_t)gradients[-1] + 1, sizeof *gradients);
}

/* The backwards of the nodes between local gradients and their result: sums from the last on, products in order. */
static pa_status sweep_hidden(pa_lowering *l, const pa_entry *entry, int32_t *gradients) {
    int n = entry->n / 2, first = l->variables[entry->out].hidden;
    for (int k = 2 * n - 3; k >= n; k--)
        if (gradients[first + k] >= 0) PA_TRY(lower_backward_of(l, first + k, entry, NULL, gradients));
    for (int k = 0; k < n && n > 1; k++)
        if (gradients[first + k] >= 0) PA_TRY(lower_backward_of(l, first + k, entry, NULL, gradients));
    return PA_OK;
}

pa_status pa_lower_sweep_back(pa_lowering *l, const pa_entry *from, bool checks, int32_t *gradients) {
    for (size_t i = (size_t)(from - l->log->entries); i-- > 0;) {
        const pa_entry *e = &l->log->entries[i];
        if (!e->tracked) continue;
        int32_t at = l->variables[e->out].at;
        if (gradients[at] < 0 || !pa_node_requires_grad(l->p->nodes[at])) continue;
        bool is_recorded = from < l->log->entries + l->log->n_entries; /* then what was given is known */
        const pa_entry *hooks = in_python(l->log, from, PA_ENTRY_HOOK, e->out);
        if (hooks != NULL) PA_TRY(lower_hooks(l, hooks, !is_recorded, gradients));
        const pa_entry *ran = e->op == PA_OP_custom ? in_python(l->log, from, PA_ENTRY_HOST_GRADIENT, e->out) : NULL;
        const int64_t *given = ran == NULL ? NULL : l->log->ints + ran->ints;
        if (e->op == PA_OP_custom && given == NULL && is_recorded) continue;
        PA_TRY(lower_backward_of(l, at, e, given, gradients));
        if (e->op == PA_OP_local_grads) PA_TRY(sweep_hidden(l, e, gradients));
        if (checks) PA_TRY(check_gradients(l, at, l->log->variables[e->out].node, gradients));
    }
    return PA_OK;
}

static pa_status lower_sweep(pa_lowering *l, const pa_entry *entry, int32_t *gradients) {
    const int32_t *in = l->log->operands + entry->operands;
    int32_t root = l->variables[in[0]].at, seed;
    PA_TRY(pa_lower_new_gradient(l, l->p->nodes[root], &seed));
    gradients[root] = seed;
    PA_TRY(pa_lower_emit(l, PA_DO_SEED, root, entry->n == 2 ? l->variables[in[1]].at : -1, seed));
    PA_TRY(pa_lower_sweep_back(l, entry, entry->n_ints > 0, gradients));
    return lower_hooks_of_leaves(l, entry, gradients);
}

/* What a sweep leaves in the gradients that somebody looks at. Leaves add it to what they have; a Value that is the
   root, or no leaf, begins anew in each sweep. */
static pa_status settle_sweep(pa_lowering *l, int32_t root, const int32_t *gradients) {
    for (int32_t v = 0; v < (int32_t)l->log->n_variables; v++) {
        const pa_lowered *each = &l->variables[v];
        if (each->at < 0 || gradients[each->at] < 0 || !pa_lower_wants_gradient(l, v)) continue;
        bool is_leaf = each->made_by < 0;
        PA_TRY(pa_lower_sweep_end(l, v));
        if (pa_lower_is_value(l, v) && (v == root || !is_leaf))
            PA_TRY(set_gradient(l, v, gradients[each->at]));
        else if (pa_lower_is_value(l, v) || (is_leaf ? each->requires_grad : each->retains_grad))
            PA_TRY(accumulate(l, v, gradients[each->at]));
    }
    return PA_OK;
}

static pa_status lower_backward(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    for (int k = 0; k < entry->n; k++) PA_TRY(pa_lower_need_node(l, in[k]));
    if (!pa_node_requires_grad(l->p->nodes[l->variables[in[0]].at])) return PA_OK; /* nothing that anybody looks at */
    int32_t *gradients = pa_lower_new_gradients(l);
    if (gradients == NULL) return PA_MEMORY;
    pa_status status = lower_sweep(l, entry, gradients);
    if (status == PA_OK && entry->kind == PA_ENTRY_BACKWARD) status = settle_sweep(l, in[0], gradients);
    for (size_t v = 0; v < l->log->n_variables && entry->kind == PA_ENTRY_GRAD; v++)
        l->variables[v].found = l->variables[v].at < 0 ? -1 : gradients[l->variables[v].at];
    pa_lower_free_gradients(gradients);
    return status;
}

/* One op's backward, from and to the gradients that its Values have. */
static pa_status lower_local_backward(pa_lowering *l, const pa_entry *entry) {
    int32_t variable = l->log->operands[entry->operands];
    const pa_entry *op;
    PA_TRY(pa_lower_maker(l, variable, &op));
    PA_FAIL_IF(op->op == PA_OP_local_grads, PA_UNSUPPORTED,
               "compile: _backward() of a Value given with its local gradients, among tensors; call backward()");
    int32_t *gradients = pa_lower_new_gradients(l);
    if (gradients == NULL) return PA_MEMORY;
    pa_status status = current_gradient(l, variable, &gradients[l->variables[variable].at]);
    for (int k = 0; k < op->n && status == PA_OK; k++) {
        int32_t operand = l->log->operands[op->operands + k];
        status = current_gradient(l, operand, &gradients[l->variables[operand].at]);
    }
    if (status == PA_OK) status = lower_backward_of(l, l->variables[variable].at, op, NULL, gradients);
    pa_lower_free_gradients(gradients);
    return status;
}

/* ---- entries ---- */

static pa_status lower_grad_of(pa_lowering *l, const pa_entry *entry) {
    int32_t in = l->log->operands[entry->operands], buffer;
    PA_TRY(pa_lower_need_node(l, in));
    if (entry->out < 0) return pa_lower_no_gradient(l, in);
    PA_TRY(current_gradient(l, in, &buffer));
    PA_FAIL_IF(buffer < 0, PA_UNSUPPORTED, "compile: the gradient of a tensor of shape %s that is no leaf of the step",
               pa_node_shape_text(l->log->variables[in].node));
    const pa_node *like = l->log->variables[entry->out].node;
    if (!pa_lower_is_value(l, in)) {
        if (pa_lower_outlives(l, entry->out)) PA_TRY(pa_lower_need_node(l, entry->out));
        int32_t known = l->variables[entry->out].at;
        if (known >= 0 && buffer == l->p->buffer_of[known]) return PA_OK; /* asked for before */
        if (known >= 0) { /* it is another tensor of the step, and has to be that again */
            PA_FAIL_IF(l->variables[in].captured < 0, PA_UNSUPPORTED,
                       "compile: a gradient of shape %s that is another tensor of the step", pa_node_shape_text(like));
            l->p->captured[l->variables[in].captured].entry_is = l->p->buffer_of[known];
            return PA_OK;
        }
        return pa_program_new_node(l->p, like, true, buffer, 0, &l->variables[entry->out].at);
    }
    /* A number is what it was when it was read. */
    int32_t now;
    PA_TRY(pa_program_new_node(l->p, like, true, buffer, 0, &now));
    PA_TRY(pa_lower_result_node(l, entry->out));
    return pa_lower_emit(l, PA_DO_COPY, l->variables[entry->out].at, now, -1);
}

/* Of what autograd.grad found. */
static pa_status lower_grad_found(pa_lowering *l, const pa_entry *entry) {
    int32_t asked = l->log->operands[entry->operands], found = l->variables[asked].found;
    PA_TRY(pa_lower_meet_hooks(l, asked));
    if (entry->out < 0 || l->variables[entry->out].at >= 0) return PA_OK; /* none, or handed out before */
    return pa_program_new_node(l->p, l->log->variables[entry->out].node, true, found, 0, &l->variables[entry->out].at);
}

static pa_status lower_requires_grad(pa_lowering *l, const pa_entry *entry) {
    int32_t variable = l->log->operands[entry->operands], captured;
    PA_TRY(pa_lower_need_node(l, variable));
    l->variables[variable].requires_grad = l->log->ints[entry->ints] != 0;
    if (!pa_lower_outlives(l, variable)) return PA_OK;
    PA_TRY(pa_lower_captured(l, variable, &captured));
    l->p->captured[captured].leaves_requires_grad = l->variables[variable].requires_grad;
    return PA_OK;
}

pa_status pa_lower_mark_written(pa_lowering *l, int32_t variable) {
    int32_t base = l->variables[variable].base, captured;
    if (!pa_lower_outlives(l, base)) return PA_OK;
    PA_TRY(pa_lower_captured(l, base, &captured));
    l->p->captured[captured].written = true;
    return PA_OK;
}

/* The number is copied. */
static pa_status lower_set_number(pa_lowering *l, int32_t variable, int32_t source) {
    int32_t buffer, node;
    const pa_node *like = l->p->nodes[l->variables[variable].at];
    PA_TRY(pa_lower_new_gradient(l, like, &buffer));
    PA_TRY(pa_program_new_node(l->p, like, true, buffer, 0, &node));
    PA_TRY(set_gradient(l, variable, buffer));
    return pa_lower_emit(l, PA_DO_WRITE, node, source, -1);
}

/* From here on the tensor and the gradient are one. */
static pa_status lower_set_grad(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    PA_TRY(pa_lower_need_node(l, in[0]));
    if (entry->n == 1) return set_gradient(l, in[0], PA_GRADIENT_CLEARED);
    PA_TRY(pa_lower_need_node(l, in[1]));
    int32_t at = l->variables[in[1]].at, buffer = l->p->buffer_of[at];
    if (pa_lower_is_value(l, in[0])) return lower_set_number(l, in[0], at);
    PA_FAIL_IF(l->p->offset_of[at] != 0 || l->p->buffers[buffer].bytes != pa_node_bytes(l->p->nodes[at]),
               PA_UNSUPPORTED, "compile: a part of a tensor as .grad of one of shape %s; give it a clone()",
               pa_node_shape_text(l->log->variables[in[0]].node));
    PA_TRY(pa_lower_mark_written(l, in[1])); /* a backward adds to it */
    PA_TRY(set_gradient(l, in[0], buffer));
    l->variables[in[0]].gradient_is_assigned = true;
    l->variables[in[0]].gradient_is_alias = l->variables[in[1]].base != in[1];
    return PA_OK;
}

static pa_status lower_zero_grad(pa_lowering *l, const pa_entry *entry) {
    bool to_none = l->log->ints[entry->ints] != 0;
    for (int i = 0; i < entry->n; i++) {
        int32_t variable = l->log->operands[entry->operands + i], buffer;
        PA_TRY(pa_lower_need_node(l, variable));
        if (to_none || pa_lower_is_value(l, variable)) {
            PA_TRY(set_gradient(l, variable, PA_GRADIENT_CLEARED));
        } else {
            PA_TRY(current_gradient(l, variable, &buffer));
            if (buffer >= 0) PA_TRY(pa_lower_emit(l, PA_DO_ZERO, -1, -1, buffer));
        }
    }
    return PA_OK;
}

pa_status pa_lower_list_gradients(pa_lowering *l, const pa_entry *entry, int32_t *targets) {
    const int32_t *in = l->log->operands + entry->operands;
    PA_TRY(pa_program_new_targets(l->p, 2 * entry->n, targets));
    for (int i = 0; i < entry->n; i++) PA_TRY(pa_lower_need_node(l, in[i]));
    for (int i = 0; i < entry->n; i++) {
        int32_t gradient;
        PA_TRY(current_gradient(l, in[i], &gradient));
        l->p->pool[*targets + i] = gradient;
        l->p->pool[*targets + entry->n + i] = l->variables[in[i]].at;
    }
    return PA_OK;
}

static pa_status lower_clip(pa_lowering *l, const pa_entry *entry) {
    pa_instruction i = pa_lower_instruction(PA_DO_CLIP);
    PA_TRY(pa_lower_list_gradients(l, entry, &i.targets));
    i.n = entry->n;
    memcpy(i.params, entry->params, sizeof i.params);
    i.operand = l->log->ints[entry->ints] != 0;
    if (i.operand) PA_TRY(pa_lower_list_leaves(l, &i));
    if (entry->out >= 0) {
        PA_TRY(pa_lower_result_node(l, entry->out));
        i.node = l->variables[entry->out].at;
    }
    return pa_program_emit(l->p, &i);
}

pa_status pa_lower_gradient_entry(pa_lowering *l, const pa_entry *entry) {
    switch ((pa_entry_kind)entry->kind) {
    case PA_ENTRY_GRAD_OF: return lower_grad_of(l, entry);
    case PA_ENTRY_SET_GRAD: return lower_set_grad(l, entry);
    case PA_ENTRY_GRAD:
    case PA_ENTRY_BACKWARD: return lower_backward(l, entry);
    case PA_ENTRY_LOCAL_BACKWARD: return lower_local_backward(l, entry);
    case PA_ENTRY_GRAD_FOUND: return lower_grad_found(l, entry);
    case PA_ENTRY_REQUIRES_GRAD: return lower_requires_grad(l, entry);
    case PA_ENTRY_RETAIN_GRAD: l->variables[l->log->operands[entry->operands]].retains_grad = true; return PA_OK;
    case PA_ENTRY_ZERO_GRAD: return lower_zero_grad(l, entry);
    case PA_ENTRY_CLIP: return lower_clip(l, entry);
    default: return pa_fail(PA_UNSUPPORTED, "compile: an entry of kind %d", entry->kind);
    }
}

/* ---- in the end ---- */

pa_status pa_lower_settle_gradients(pa_lowering *l) {
    pa_program *p = l->p;
    for (int32_t v = 0; v < (int32_t)l->log->n_variables; v++) {
        int32_t gradient = l->variables[v].gradient;
        if (gradient == PA_GRADIENT_AS_FOUND || !pa_lower_outlives(l, v)) continue;
        p->sets_gradients = true;
        if (gradient == PA_GRADIENT_CLEARED && pa_lower_is_value(l, v)) PA_TRY(current_gradient(l, v, &gradient));
        pa_captured *c = &p->captured[l->variables[v].captured];
        c->gradient = gradient;
        if (gradient < 0 || gradient == c->entry) continue;
        c->shares_gradient = p->buffers[gradient].kind != PA_BUFFER_ARENA;
        c->shares_memory = l->variables[v].gradient_is_alias;
        c->is_assigned = l->variables[v].gradient_is_assigned;
        p->shares_gradients = p->shares_gradients || c->shares_gradient;
        if (!c->shares_gradient) p->buffers[gradient].kind = PA_BUFFER_GRADIENT;
    }
    return PA_OK;
}

pa_status pa_lower_result_gradient(pa_lowering *l, int32_t variable, pa_result *r) {
    const pa_lowered *made = &l->variables[variable];
    if (pa_lower_outlives(l, variable)) return PA_OK;
    r->requires_grad = made->made_by < 0 && made->requires_grad;
    if (made->gradient < 0) return PA_OK;
    int32_t buffer = made->gradient, from, to;
    if (l->p->buffers[buffer].kind != PA_BUFFER_ARENA) { /* somebody else has it too */
        const pa_node *like = l->p->nodes[made->at];
        PA_TRY(pa_program_new_node(l->p, like, true, buffer, 0, &from));
        PA_TRY(pa_lower_new_gradient(l, like, &buffer));
        PA_TRY(pa_program_new_node(l->p, like, true, buffer, 0, &to));
        PA_TRY(pa_lower_emit(l, PA_DO_COPY, to, from, -1));
    }
    l->p->buffers[buffer].kind = PA_BUFFER_RESULT;
    r->gradient = buffer;
    return PA_OK;
}
