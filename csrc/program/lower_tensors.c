/* Lowering of a step over tensors: private nodes and buffers for everything that takes part, an instruction for
   everything that happened, and for each backward() the sweep that the tape would make: the same nodes in the same
   order. */
#include "lower.h"

#include <string.h>

#include "batch.h"
#include "instruction.h"

static pa_instruction instruction(pa_instruction_kind kind) {
    return (pa_instruction){.kind = (uint8_t)kind, .node = -1, .source = -1, .gradient = -1, .targets = -1};
}

static pa_status emit(pa_lowering *l, pa_instruction_kind kind, int32_t node, int32_t source, int32_t gradient) {
    pa_instruction i = instruction(kind);
    i.node = node;
    i.source = source;
    i.gradient = gradient;
    return pa_program_emit(l->p, &i);
}

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

static bool wants_gradient(const pa_lowering *l, int32_t variable) {
    return l->p->checks_gradients || l->variables[variable].gradient_is_read || pa_lower_outlives(l, variable);
}

/* Gradients are computed for a leaf that requires one at any point of the step. */
static void flag_leaf(pa_lowering *l, int32_t variable) {
    const pa_lowered *leaf = &l->variables[variable];
    if (leaf->made_by < 0 && leaf->ever_requires_grad && wants_gradient(l, variable))
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
    return emit(l, PA_DO_COPY, *at, constant, -1);
}

static pa_status need_node(pa_lowering *l, int32_t variable) {
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

/* A fresh node for a result, with memory of its own. */
static pa_status result_node(pa_lowering *l, int32_t variable) {
    const pa_node *like = l->log->variables[variable].node;
    int32_t buffer;
    PA_TRY(pa_program_new_buffer(l->p, PA_BUFFER_ARENA, pa_node_bytes(like), &buffer));
    return pa_program_new_node(l->p, like, true, buffer, 0, &l->variables[variable].at);
}

/* ---- gradients ---- */

pa_status pa_lower_new_gradient(pa_lowering *l, const pa_node *like, int32_t *out) {
    return pa_program_new_buffer(l->p, PA_BUFFER_ARENA, pa_node_bytes(like), out);
}

static bool is_value(const pa_lowering *l, int32_t variable) {
    return (l->log->variables[variable].node->flags & PA_IS_VALUE) != 0;
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
        bool present = l->log->variables[variable].grad != NULL || is_value(l, variable);
        l->p->captured[captured].entry_matters = !is_value(l, variable);
        l->p->captured[captured].entry_present = present;
        if (present) PA_TRY(pa_lower_entry_gradient(l, variable, gradient));
    } else if (*gradient == PA_GRADIENT_CLEARED && is_value(l, variable)) {
        PA_TRY(pa_lower_new_gradient(l, node, gradient));
        PA_TRY(emit(l, PA_DO_ZERO, -1, -1, *gradient));
    }
    *out = *gradient < 0 ? -1 : *gradient;
    return PA_OK;
}

/* What a sweep found is added to the gradient that a leaf has, or becomes it. */
static pa_status accumulate(pa_lowering *l, int32_t variable, int32_t found) {
    int32_t before = -1;
    if (l->variables[variable].gradient != PA_GRADIENT_CLEARED) PA_TRY(current_gradient(l, variable, &before));
    if (before < 0) return set_gradient(l, variable, found);
    pa_instruction i = instruction(PA_DO_ADD);
    i.node = l->variables[variable].at;
    i.gradient = before;
    i.n = 1;
    PA_TRY(pa_program_new_targets(l->p, 1, &i.targets));
    l->p->pool[i.targets] = found;
    return pa_program_emit(l->p, &i);
}

/* Says what has been made of leaves so far, which stands where the instruction fails. */
static pa_status list_leaves(pa_lowering *l, pa_instruction *i) {
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

static pa_status check_gradients(pa_lowering *l, int32_t at, const int32_t *gradients) {
    const pa_node *node = l->p->nodes[at];
    for (int k = 0; k < node->n_parents; k++) {
        pa_instruction i = instruction(PA_DO_CHECK);
        i.node = at;
        i.operand = (uint8_t)k;
        i.gradient = gradients[pa_node_parent(node, k)->mark];
        if (i.gradient < 0) continue;
        PA_TRY(list_leaves(l, &i));
        PA_TRY(pa_program_emit(l->p, &i));
    }
    return PA_OK;
}

static bool has_gradient_formula(const pa_node *node, int operand) {
    return pa_op_table[node->op].family == PA_WHOLE ||
           pa_k->gradient[node->op][operand][node->dtype == PA_FLOAT64] != NULL;
}

/* For which operands the backward of a custom op gave a gradient in the sweep that ends with `sweep`. */
static const int64_t *given_by(const pa_log *log, const pa_entry *sweep, const pa_entry *custom) {
    for (const pa_entry *e = sweep; e-- > log->entries && e->kind == PA_ENTRY_HOST_GRADIENT;)
        if (log->operands[e->operands] == custom->out) return log->ints + e->ints;
    return NULL;
}

/* One node's part of the sweep: `gradients` holds each node's buffer, -1 where nothing has arrived. Of a custom op
   `entry` is its entry, whose backward gives gradients of the operands that are `given`, or NULL: of all. */
static pa_status lower_backward_of(pa_lowering *l, int32_t at, const pa_entry *entry, const int64_t *given,
                                   int32_t *gradients) {
    pa_program *p = l->p;
    const pa_node *node = p->nodes[at];
    bool is_host = node->op == PA_OP_custom, any = is_host;
    pa_instruction i = instruction(PA_DO_BACKWARD);
    i.node = at;
    i.gradient = gradients[at];
    i.n = node->n_parents;
    PA_TRY(pa_program_new_targets(p, is_host ? 2 * i.n : i.n, &i.targets));
    if (is_host) PA_TRY(pa_program_keep_host(p, entry->host, &i.source));
    if (given != NULL) PA_TRY(list_leaves(l, &i)); /* else it is the caller's, and finds them as they are */
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

int32_t *pa_lower_new_gradients(const pa_lowering *l) {
    int32_t *gradients = pa_mem_alloc_array((size_t)l->p->n_nodes, sizeof *gradients);
    for (int32_t i = 0; gradients != NULL && i < l->p->n_nodes; i++) gradients[i] = -1;
    return gradients;
}

void pa_lower_free_gradients(const pa_lowering *l, int32_t *gradients) {
    pa_mem_free_array(gradients, (size_t)l->p->n_nodes, sizeof *gradients);
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
    for (const pa_entry *e = from; e-- > l->log->entries;) {
        if (!e->tracked) continue;
        int32_t at = l->variables[e->out].at;
        if (gradients[at] < 0 || !pa_node_requires_grad(l->p->nodes[at])) continue;
        const int64_t *given = e->op == PA_OP_custom ? given_by(l->log, from, e) : NULL;
        bool is_recorded = from < l->log->entries + l->log->n_entries; /* then what was given is known */
        if (e->op == PA_OP_custom && given == NULL && is_recorded) continue;
        PA_TRY(lower_backward_of(l, at, e, given, gradients));
        if (e->op == PA_OP_local_grads) PA_TRY(sweep_hidden(l, e, gradients));
        if (checks) PA_TRY(check_gradients(l, at, gradients));
    }
    return PA_OK;
}

static pa_status lower_sweep(pa_lowering *l, const pa_entry *entry, int32_t *gradients) {
    const int32_t *in = l->log->operands + entry->operands;
    int32_t root = l->variables[in[0]].at, seed;
    PA_TRY(pa_lower_new_gradient(l, l->p->nodes[root], &seed));
    gradients[root] = seed;
    PA_TRY(emit(l, PA_DO_SEED, root, entry->n == 2 ? l->variables[in[1]].at : -1, seed));
    return pa_lower_sweep_back(l, entry, entry->n_ints > 0, gradients);
}

/* What a sweep leaves in the gradients that somebody looks at. Leaves add it to what they have; a Value that is the
   root, or no leaf, begins anew in each sweep. */
static pa_status settle_sweep(pa_lowering *l, int32_t root, const int32_t *gradients) {
    for (int32_t v = 0; v < (int32_t)l->log->n_variables; v++) {
        const pa_lowered *each = &l->variables[v];
        if (each->at < 0 || gradients[each->at] < 0 || !wants_gradient(l, v)) continue;
        bool is_leaf = each->made_by < 0;
        PA_TRY(pa_lower_sweep_end(l, v));
        if (is_value(l, v) && (v == root || !is_leaf))
            PA_TRY(set_gradient(l, v, gradients[each->at]));
        else if (is_value(l, v) || (is_leaf ? each->requires_grad : each->retains_grad))
            PA_TRY(accumulate(l, v, gradients[each->at]));
    }
    return PA_OK;
}

static pa_status lower_backward(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    for (int k = 0; k < entry->n; k++) PA_TRY(need_node(l, in[k]));
    if (!pa_node_requires_grad(l->p->nodes[l->variables[in[0]].at])) return PA_OK; /* nothing that anybody looks at */
    int32_t *gradients = pa_lower_new_gradients(l);
    if (gradients == NULL) return PA_MEMORY;
    pa_status status = lower_sweep(l, entry, gradients);
    if (status == PA_OK && entry->kind == PA_ENTRY_BACKWARD) status = settle_sweep(l, in[0], gradients);
    for (size_t v = 0; v < l->log->n_variables && entry->kind == PA_ENTRY_GRAD; v++)
        l->variables[v].found = l->variables[v].at < 0 ? -1 : gradients[l->variables[v].at];
    pa_lower_free_gradients(l, gradients);
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
    pa_lower_free_gradients(l, gradients);
    return status;
}

/* ---- entries ---- */

static bool shares_memory(const pa_node *out, const pa_node *base) {
    return pa_node_storage(out) != NULL && pa_node_storage(out) == pa_node_storage(base);
}

/* A node over another's memory. */
static pa_status lower_view(pa_lowering *l, int32_t out, int32_t in) {
    const pa_node *view = l->log->variables[out].node, *base = l->log->variables[in].node;
    if (!shares_memory(view, base)) {
        PA_TRY(result_node(l, out));
        return emit(l, PA_DO_COPY, l->variables[out].at, l->variables[in].at, -1);
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
    PA_TRY(need_node(l, entry->out));
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
    if (entry->op == PA_OP_local_grads) {
        for (int i = 0; i < entry->n; i++) PA_TRY(need_node(l, in[i]));
        return lower_local_grads(l, entry);
    }
    for (int i = 0; i < entry->n; i++) PA_TRY(need_node(l, in[i]));
    bool is_made = entry->op == PA_OP_view || entry->op == PA_OP_custom; /* a custom op's by its forward, a host call */
    if (entry->op == PA_OP_view)
        PA_TRY(lower_view(l, entry->out, in[0]));
    else if (!is_made)
        PA_TRY(result_node(l, entry->out));
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
    pa_instruction i = instruction(PA_DO_FORWARD);
    i.node = at;
    if (pa_op_table[entry->op].effects & MAY_FAIL) PA_TRY(list_leaves(l, &i));
    return pa_program_emit(l->p, &i);
}

static pa_status lower_host(pa_lowering *l, const pa_entry *entry) {
    const pa_log *log = l->log;
    pa_program *p = l->p;
    pa_instruction i = instruction(PA_DO_HOST);
    i.n = entry->n;
    for (int k = 0; k < i.n; k++) PA_TRY(need_node(l, log->operands[entry->operands + k]));
    int32_t n_results = 0;
    for (const pa_entry *e = entry + 1; e < log->entries + log->n_entries && e->kind == PA_ENTRY_HOST_RESULT; e++) {
        PA_TRY(result_node(l, e->out));
        n_results++;
    }
    PA_TRY(pa_program_keep_host(p, entry->host, &i.source));
    p->hosts[i.source].n_results = n_results;
    p->hosts[i.source].keeps_history = log->ints[entry->ints] != 0;
    PA_TRY(list_leaves(l, &i));
    PA_TRY(pa_program_new_targets(p, i.n + n_results, &i.targets));
    int32_t *nodes = p->pool + i.targets;
    for (int k = 0; k < i.n; k++) nodes[k] = l->variables[log->operands[entry->operands + k]].at;
    for (int k = 0; k < n_results; k++) nodes[i.n + k] = l->variables[entry[1 + k].out].at;
    return pa_program_emit(p, &i);
}

static pa_status lower_grad_of(pa_lowering *l, const pa_entry *entry) {
    int32_t in = l->log->operands[entry->operands], buffer;
    PA_TRY(need_node(l, in));
    if (entry->out < 0) return pa_lower_no_gradient(l, in);
    PA_TRY(current_gradient(l, in, &buffer));
    PA_FAIL_IF(buffer < 0, PA_UNSUPPORTED, "compile: the gradient of a tensor of shape %s that is no leaf of the step",
               pa_node_shape_text(l->log->variables[in].node));
    const pa_node *like = l->log->variables[entry->out].node;
    if (!is_value(l, in)) {
        if (pa_lower_outlives(l, entry->out)) PA_TRY(need_node(l, entry->out));
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
    PA_TRY(result_node(l, entry->out));
    return emit(l, PA_DO_COPY, l->variables[entry->out].at, now, -1);
}

/* Of what autograd.grad found. */
static pa_status lower_grad_found(pa_lowering *l, const pa_entry *entry) {
    int32_t found = l->variables[l->log->operands[entry->operands]].found;
    if (entry->out < 0 || l->variables[entry->out].at >= 0) return PA_OK; /* none, or handed out before */
    return pa_program_new_node(l->p, l->log->variables[entry->out].node, true, found, 0, &l->variables[entry->out].at);
}

static pa_status lower_requires_grad(pa_lowering *l, const pa_entry *entry) {
    int32_t variable = l->log->operands[entry->operands], captured;
    PA_TRY(need_node(l, variable));
    l->variables[variable].requires_grad = l->log->ints[entry->ints] != 0;
    if (!pa_lower_outlives(l, variable)) return PA_OK;
    PA_TRY(pa_lower_captured(l, variable, &captured));
    l->p->captured[captured].leaves_requires_grad = l->variables[variable].requires_grad;
    return PA_OK;
}

static pa_status mark_written(pa_lowering *l, int32_t variable) {
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
    return emit(l, PA_DO_WRITE, node, source, -1);
}

/* From here on the tensor and the gradient are one. */
static pa_status lower_set_grad(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    PA_TRY(need_node(l, in[0]));
    if (entry->n == 1) return set_gradient(l, in[0], PA_GRADIENT_CLEARED);
    PA_TRY(need_node(l, in[1]));
    int32_t at = l->variables[in[1]].at, buffer = l->p->buffer_of[at];
    if (is_value(l, in[0])) return lower_set_number(l, in[0], at);
    PA_FAIL_IF(l->p->offset_of[at] != 0 || l->p->buffers[buffer].bytes != pa_node_bytes(l->p->nodes[at]),
               PA_UNSUPPORTED, "compile: a part of a tensor as .grad of one of shape %s; give it a clone()",
               pa_node_shape_text(l->log->variables[in[0]].node));
    PA_TRY(mark_written(l, in[1])); /* a backward adds to it */
    PA_TRY(set_gradient(l, in[0], buffer));
    l->variables[in[0]].gradient_is_assigned = true;
    l->variables[in[0]].gradient_is_alias = l->variables[in[1]].base != in[1];
    return PA_OK;
}

static pa_status lower_zero_grad(pa_lowering *l, const pa_entry *entry) {
    bool to_none = l->log->ints[entry->ints] != 0;
    for (int i = 0; i < entry->n; i++) {
        int32_t variable = l->log->operands[entry->operands + i], buffer;
        PA_TRY(need_node(l, variable));
        if (to_none || is_value(l, variable)) {
            PA_TRY(set_gradient(l, variable, PA_GRADIENT_CLEARED));
        } else {
            PA_TRY(current_gradient(l, variable, &buffer));
            if (buffer >= 0) PA_TRY(emit(l, PA_DO_ZERO, -1, -1, buffer));
        }
    }
    return PA_OK;
}

/* Lists each operand's gradient, or -1, and behind them their nodes. */
static pa_status list_gradients(pa_lowering *l, const pa_entry *entry, int32_t *targets) {
    const int32_t *in = l->log->operands + entry->operands;
    PA_TRY(pa_program_new_targets(l->p, 2 * entry->n, targets));
    for (int i = 0; i < entry->n; i++) PA_TRY(need_node(l, in[i]));
    for (int i = 0; i < entry->n; i++) {
        int32_t gradient;
        PA_TRY(current_gradient(l, in[i], &gradient));
        l->p->pool[*targets + i] = gradient;
        l->p->pool[*targets + entry->n + i] = l->variables[in[i]].at;
    }
    return PA_OK;
}

static pa_status lower_update(pa_lowering *l, const pa_entry *entry) {
    pa_program *p = l->p;
    pa_instruction i = instruction(PA_DO_UPDATE);
    PA_TRY(list_gradients(l, entry, &i.targets));
    i.n = entry->n;
    i.source = pa_lower_update(l, entry);
    for (int k = 0; k < entry->n; k++) {
        int32_t variable = l->log->operands[entry->operands + k];
        PA_FAIL_IF(l->log->variables[variable].kind != PA_VARIABLE_CAPTURED, PA_UNSUPPORTED,
                   "compile: an optimiser's parameter of shape %s that the step makes itself, or gets as an argument",
                   pa_node_shape_text(l->log->variables[variable].node));
        if (p->pool[i.targets + k] >= 0) PA_TRY(mark_written(l, variable));
    }
    return pa_program_emit(p, &i);
}

static pa_status lower_clip(pa_lowering *l, const pa_entry *entry) {
    pa_instruction i = instruction(PA_DO_CLIP);
    PA_TRY(list_gradients(l, entry, &i.targets));
    i.n = entry->n;
    memcpy(i.params, entry->params, sizeof i.params);
    i.operand = l->log->ints[entry->ints] != 0;
    if (i.operand) PA_TRY(list_leaves(l, &i));
    if (entry->out >= 0) {
        PA_TRY(result_node(l, entry->out));
        i.node = l->variables[entry->out].at;
    }
    return pa_program_emit(l->p, &i);
}

static pa_status lower_fill(pa_lowering *l, const pa_entry *entry) {
    const int32_t *in = l->log->operands + entry->operands;
    const int64_t *ints = l->log->ints + entry->ints;
    int32_t variable = entry->out >= 0 ? entry->out : in[0];
    if (entry->out >= 0) {
        PA_TRY(result_node(l, variable));
    } else {
        PA_TRY(need_node(l, variable));
        PA_TRY(mark_written(l, variable));
    }
    pa_instruction i = instruction(PA_DO_FILL);
    i.node = l->variables[variable].at;
    i.operand = (uint8_t)ints[0];
    if (ints[1]) {
        PA_TRY(need_node(l, in[entry->n - 1]));
        PA_TRY(mark_written(l, in[entry->n - 1]));
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
        PA_TRY(need_node(l, in[0]));
        return l->variables[entry->out].at >= 0 ? PA_OK : lower_view(l, entry->out, in[0]);
    case PA_ENTRY_NUMBER_OF:
    case PA_ENTRY_VALUE_OF:
        PA_TRY(need_node(l, in[0]));
        PA_TRY(result_node(l, entry->out));
        return emit(l, PA_DO_WRITE, l->variables[entry->out].at, l->variables[in[0]].at, -1);
    case PA_ENTRY_GRAD_OF: return lower_grad_of(l, entry);
    case PA_ENTRY_WRITE:
    case PA_ENTRY_SET_VALUE:
        if (entry->out >= 0) {
            PA_TRY(need_node(l, in[0]));
            PA_TRY(result_node(l, entry->out));
            return emit(l, PA_DO_WRITE, l->variables[entry->out].at, l->variables[in[0]].at, -1);
        }
        PA_TRY(need_node(l, in[0]));
        PA_TRY(need_node(l, in[1]));
        PA_TRY(mark_written(l, in[0]));
        return emit(l, PA_DO_WRITE, l->variables[in[0]].at, l->variables[in[1]].at, -1);
    case PA_ENTRY_SET_GRAD: return lower_set_grad(l, entry);
    case PA_ENTRY_GRAD:
    case PA_ENTRY_BACKWARD: return lower_backward(l, entry);
    case PA_ENTRY_LOCAL_BACKWARD: return lower_local_backward(l, entry);
    case PA_ENTRY_GRAD_FOUND: return lower_grad_found(l, entry);
    case PA_ENTRY_REQUIRES_GRAD: return lower_requires_grad(l, entry);
    case PA_ENTRY_RETAIN_GRAD: l->variables[in[0]].retains_grad = true; return PA_OK;
    case PA_ENTRY_UPDATE: return lower_update(l, entry);
    case PA_ENTRY_ZERO_GRAD: return lower_zero_grad(l, entry);
    case PA_ENTRY_CLIP: return lower_clip(l, entry);
    case PA_ENTRY_FILL: return lower_fill(l, entry);
    case PA_ENTRY_HOST: return lower_host(l, entry);
    case PA_ENTRY_HOST_RESULT:
    case PA_ENTRY_HOST_GRADIENT: return PA_OK; /* of the call, and of the sweep, beside which they stand */
    case PA_ENTRY_KINDS: break;
    }
    return pa_fail(PA_UNSUPPORTED, "compile: an entry of kind %d", entry->kind);
}

/* ---- before and after ---- */

/* Which memory is written, and whether anomalies are looked for. */
static void find_writes(pa_lowering *l) {
    const pa_log *log = l->log;
    for (const pa_entry *e = log->entries; e < log->entries + log->n_entries; e++) {
        const int32_t *in = log->operands + e->operands;
        bool sweeps = e->kind == PA_ENTRY_BACKWARD || e->kind == PA_ENTRY_GRAD;
        if (sweeps && e->n_ints > 0) l->p->checks_gradients = true;
        bool views = e->kind == PA_ENTRY_ALIAS || (e->kind == PA_ENTRY_OP && e->op == PA_OP_view);
        if (views && shares_memory(log->variables[e->out].node, log->variables[in[0]].node))
            l->variables[e->out].base = l->variables[in[0]].base;
        if (e->out < 0 && (e->kind == PA_ENTRY_WRITE || e->kind == PA_ENTRY_SET_VALUE || e->kind == PA_ENTRY_FILL))
            l->variables[in[0]].written = l->variables[l->variables[in[0]].base].written = true;
        if (e->kind == PA_ENTRY_FILL && log->ints[e->ints + 1]) l->variables[in[e->n - 1]].written = true;
        if (e->kind == PA_ENTRY_SET_GRAD && e->n == 2) l->variables[l->variables[in[1]].base].written = true;
    }
}

/* The gradient that a leaf, or a tensor with retain_grad(), has that the step made and hands out. */
static pa_status lower_result_gradient(pa_lowering *l, int32_t variable, pa_result *r) {
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
        PA_TRY(emit(l, PA_DO_COPY, to, from, -1));
    }
    l->p->buffers[buffer].kind = PA_BUFFER_RESULT;
    r->gradient = buffer;
    return PA_OK;
}

static pa_status lower_results(pa_lowering *l, int n, pa_node *const *outputs) {
    pa_program *p = l->p;
    for (int i = 0; i < n; i++) {
        int32_t variable;
        PA_TRY(pa_lower_result(l, i, outputs[i], &variable));
        PA_TRY(need_node(l, variable));
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
        PA_TRY(lower_result_gradient(l, variable, r));
    }
    return PA_OK;
}

/* ---- in the end ---- */

/* What each leaf's gradient is in the end. */
static pa_status settle_gradients(pa_lowering *l) {
    pa_program *p = l->p;
    for (int32_t v = 0; v < (int32_t)l->log->n_variables; v++) {
        int32_t gradient = l->variables[v].gradient;
        if (gradient == PA_GRADIENT_AS_FOUND || !pa_lower_outlives(l, v)) continue;
        p->sets_gradients = true;
        if (gradient == PA_GRADIENT_CLEARED && is_value(l, v)) PA_TRY(current_gradient(l, v, &gradient));
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

static pa_status lower(pa_lowering *l, int n_outputs, pa_node *const *outputs) {
    find_writes(l);
    for (const pa_entry *e = l->log->entries; e < l->log->entries + l->log->n_entries; e++) {
        PA_TRY(lower_entry(l, e));
        if (e->out >= 0) flag_leaf(l, e->out);
    }
    PA_TRY(settle_gradients(l));
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
