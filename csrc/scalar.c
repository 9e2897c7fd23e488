/* Ops on Values over libm, a neuron as one node, and the backward walk over a graph of Values. */
#include "scalar.h"

#include <math.h>
#include <string.h>

#include "kernels/prefix_double.h"
#include "record.h"

/* C's pow, which is Python's, so that the bits are micrograd's: x * x is another number than pow(x, 2) now and then. */
#undef POWER
#define POWER(x, p) pow(x, p)

/* ---- forward: every elementwise row as a function of numbers ---- */

typedef double scalar_fn(double A, double B, double C, double P, double Q);

#define SCALAR(name, expression)                                                                                       \
    static double scalar_##name(double A, double B, double C, double P, double Q) {                                    \
        (void)A, (void)B, (void)C, (void)P, (void)Q;                                                                   \
        return expression;                                                                                             \
    }
#define UNARY(name, symbol, words, python, params, effects, forward, ...) SCALAR(name, forward)
#define BINARY UNARY
#define TERNARY_BOOL UNARY
#include "ops.def"

static scalar_fn *const scalar_forward[PA_OP_COUNT] = {
#define UNARY(name, ...) [PA_OP_##name] = scalar_##name,
#define BINARY UNARY
#define TERNARY_BOOL UNARY
#include "ops.def"
};

/* ---- building ---- */

/* A node of one or two Values at the head of the birth list, over references that it takes over; `pure` is PA_PURE or
   0. Every field is written, and written once. */
static inline __attribute__((always_inline)) pa_node *value_node(pa_op op, double value, pa_node *a, pa_node *b,
                                                                 unsigned pure) {
    pa_node *node = pa_mem_alloc(sizeof *node);
    if (node == NULL) return NULL;
    node->refs = 1;
    node->op = (uint8_t)op;
    node->dtype = PA_FLOAT64;
    node->ndim = 0;
    node->programs = 0;
    node->flags = (uint16_t)(PA_IS_VALUE | PA_REQUIRES_GRAD | PA_LISTED | pure | pa_birth_flags());
    node->n_parents = b == NULL ? 1 : 2;
    node->mark = 0;
    node->value = value;
    node->grad = 0;
    node->parent[0] = a;
    node->parent[1] = b;
    node->older = pa_graph.newest;
    node->newer = NULL;
    node->array = NULL;
    node->handle = NULL;
    if (pa_graph.newest != NULL) pa_graph.newest->newer = node;
    pa_graph.newest = node;
    pa_graph.live_nodes++;
    return node;
}

/* A Value of Values that are anchored, one or both: pa_node_link knows how they are held. */
static pa_status anchored_node(pa_op op, double value, int n, pa_node *const *parents, pa_node **out) {
    pa_node *node = NULL;
    PA_TRY(pa_value_new(value, &node));
    for (int i = 0; i < n; i++) node->flags &= (uint16_t)(parents[i]->flags | ~PA_PURE);
    pa_status status = pa_node_link(node, op, n, parents);
    if (status == PA_OK)
        *out = node;
    else
        pa_node_release(node);
    return status;
}

pa_status pa_value_binary(pa_op op, pa_node *a, pa_node *b, pa_node **out) {
    double value;
    switch (op) { /* the commonest need no call through a pointer */
    case PA_OP_add: value = a->value + b->value; break;
    case PA_OP_mul: value = a->value * b->value; break;
    case PA_OP_sub: value = a->value - b->value; break;
    default: value = scalar_forward[op](a->value, b->value, 0, 0, 0);
    }
    pa_node *in[2] = {a, b};
    if (!pa_grad_enabled()) {
        PA_TRY(pa_value_new(value, out)); /* without history */
    } else if ((a->flags | b->flags) & PA_ANCHORED) {
        PA_TRY(anchored_node(op, value, 2, in, out));
    } else {
        *out = value_node(op, value, a, b, a->flags & b->flags & PA_PURE);
        if (*out == NULL) return PA_MEMORY;
        a->refs++;
        b->refs++;
    }
    if (pa_recording() != NULL) {
        pa_record_op(&(pa_call){.op = op, .n = 2, .in = in}, *out);
    }
    return PA_OK;
}

static pa_status value_unary(pa_op op, pa_node *a, double p, double q, pa_node **out) {
    double value = scalar_forward[op](a->value, 0, 0, p, q);
    if (!pa_grad_enabled()) return pa_value_new(value, out); /* without history */
    pa_node *node = NULL;
    if (a->flags & PA_ANCHORED) {
        PA_TRY(anchored_node(op, value, 1, &a, &node));
    } else {
        node = value_node(op, value, a, NULL, a->flags & PA_PURE);
        if (node == NULL) return PA_MEMORY;
        a->refs++;
    }
    node->param = p;
    if (pa_op_table[op].params > 1) {
        if (pa_node_need_array(node) != PA_OK) {
            pa_node_release(node);
            return PA_MEMORY;
        }
        node->array->params[1] = q;
    }
    *out = node;
    return PA_OK;
}

pa_status pa_value_unary(pa_op op, pa_node *a, double p, double q, pa_node **out) {
    PA_TRY(value_unary(op, a, p, q, out));
    if (pa_recording() != NULL) {
        double params[2] = {p, q};
        pa_record_op(&(pa_call){.op = op, .n = 1, .in = &a, .n_params = pa_op_table[op].params, .params = params},
                     *out);
    }
    return PA_OK;
}

/* ---- neurons ---- */

/* Kept behind the operands w[n], x[n], b of a neuron: the numbers that they had, in the same order. */
static inline double *neuron_numbers(const pa_node *node) { return (double *)(node->neuron + node->n_parents); }

static inline double relu(double number) { return scalar_forward[PA_OP_relu](number, 0, 0, 0, 0); }

/* A recorded neuron is logged node by node, which gives the program what micrograd computes; one of Values that are
   anchored is built so, as each of its nodes has an object. */
static pa_status neuron_by_nodes(int n, pa_node *const *w, pa_node *const *x, pa_node *b, bool nonlinear,
                                 pa_node **out) {
    pa_node *act = pa_node_retain(b), *product = NULL, *next = NULL;
    pa_status status = PA_OK;
    for (int i = 0; i < n && status == PA_OK; i++) {
        status = pa_value_binary(PA_OP_mul, w[i], x[i], &product);
        if (status != PA_OK) break;
        status = pa_value_binary(PA_OP_add, act, product, &next);
        pa_node_release(product);
        if (status != PA_OK) break;
        pa_node_release(act);
        act = next;
    }
    if (status == PA_OK && nonlinear) {
        status = pa_value_unary(PA_OP_relu, act, 0, 0, out);
    } else if (status == PA_OK) {
        *out = act;
        return PA_OK;
    }
    pa_node_release(act);
    return status;
}

static bool is_any_anchored(int n, pa_node *const *nodes) {
    unsigned flags = 0;
    for (int i = 0; i < n; i++) flags |= nodes[i]->flags;
    return (flags & PA_ANCHORED) != 0;
}

static void free_operands(int n, pa_node **operands) {
    for (int i = 0; i < 2 * n + 1; i++) pa_node_release(operands[i]);
    pa_mem_free(operands, pa_neuron_bytes(n));
}

pa_status pa_value_neuron(int n, pa_node *const *w, pa_node *const *x, pa_node *b, bool nonlinear, pa_node **out) {
    if (pa_recording() != NULL) return neuron_by_nodes(n, w, x, b, nonlinear, out);
    PA_FAIL_IF(n > UINT16_MAX / 2 - 1, PA_VALUE, "neuron: %d inputs are more than the %d it takes", n,
               UINT16_MAX / 2 - 1);
    double act = b->value;
    if (!pa_grad_enabled()) {
        for (int i = 0; i < n; i++) act += w[i]->value * x[i]->value;
        return pa_value_new(nonlinear ? relu(act) : act, out);
    }
    if (n == 0) { /* nothing to sum: the bias itself, or its ReLU */
        if (nonlinear) return pa_value_unary(PA_OP_relu, b, 0, 0, out);
        *out = pa_node_retain(b);
        return PA_OK;
    }
    pa_node **operands = pa_mem_alloc(pa_neuron_bytes(n));
    if (operands == NULL) return PA_MEMORY;
    double *numbers = (double *)(operands + 2 * n + 1);
    unsigned pure = b->flags;
    numbers[2 * n] = act;
    for (int i = 0; i < n; i++) {
        double wi = w[i]->value, xi = x[i]->value;
        act += wi * xi;
        operands[i] = w[i];
        operands[n + i] = x[i];
        numbers[i] = wi;
        numbers[n + i] = xi;
        pure &= w[i]->flags & x[i]->flags;
        w[i]->refs++;
        x[i]->refs++;
    }
    operands[2 * n] = pa_node_retain(b);
    if (pa_graph.has_anchored && is_any_anchored(2 * n + 1, operands)) {
        /* Objects are made, at which Python may run: the operands are held meanwhile. */
        pa_status status = neuron_by_nodes(n, operands, operands + n, operands[2 * n], nonlinear, out);
        free_operands(n, operands);
        return status;
    }
    pa_node *node = value_node(PA_OP_neuron, nonlinear ? relu(act) : act, NULL, NULL, pure & PA_PURE);
    if (node == NULL) {
        free_operands(n, operands);
        return PA_MEMORY;
    }
    node->neuron = operands;
    node->n_parents = (uint16_t)(2 * n + 1);
    if (nonlinear) node->flags |= PA_NONLINEAR;
    *out = node;
    return PA_OK;
}

/* The gradient of a neuron's sum. */
static inline double neuron_gradient(const pa_node *node) {
    return node->flags & PA_NONLINEAR && node->value <= 0 ? 0.0 : node->grad;
}

pa_status pa_value_open_neuron(pa_node *node) {
    if (node->op != PA_OP_neuron) return PA_OK;
    PA_FAIL_IF(node->flags & PA_BUSY, PA_RUNTIME,
               "neuron: its inner nodes cannot be looked at while a backward runs through it");
    int n = pa_neuron_inputs(node);
    bool nonlinear = (node->flags & PA_NONLINEAR) != 0;
    size_t room = 2 * (size_t)n;
    pa_node **inner = pa_mem_alloc_array(room, sizeof *inner);
    if (inner == NULL) return PA_MEMORY;

    pa_node **operands = node->neuron, *act = operands[2 * n];
    const double *numbers = neuron_numbers(node);
    double gradient = neuron_gradient(node), total = numbers[2 * n];
    size_t made = 0;
    for (int i = 0; i < n; i++) { /* each takes over the references that the neuron has */
        pa_node *w = operands[i], *x = operands[n + i];
        unsigned pure = w->flags & x->flags & PA_PURE;
        pa_node *product = value_node(PA_OP_mul, numbers[i] * numbers[n + i], w, x, pure);
        if (product == NULL) goto failed;
        inner[made++] = product;
        if (i == n - 1 && !nonlinear) break; /* the last sum is the node itself */
        total += product->value;
        pa_node *sum = value_node(PA_OP_add, total, act, product, pure & act->flags);
        if (sum == NULL) goto failed;
        inner[made++] = act = sum;
    }
    for (size_t i = 0; i < made; i++) {
        inner[i]->grad = gradient;
        pa_node_make_older_than(inner[i], node);
    }
    node->op = nonlinear ? PA_OP_relu : PA_OP_add;
    node->n_parents = nonlinear ? 1 : 2;
    node->parent[0] = act;
    node->parent[1] = nonlinear ? NULL : inner[made - 1];
    pa_mem_free(operands, pa_neuron_bytes(n));
    pa_mem_free_array(inner, room, sizeof *inner);
    return PA_OK;
failed:
    while (made > 0) { /* their references are still the neuron's */
        pa_node *undone = inner[--made];
        pa_graph.newest = undone->older;
        if (undone->older != NULL) undone->older->newer = NULL;
        pa_mem_free(undone, sizeof *undone);
        pa_graph.live_nodes--;
    }
    pa_mem_free_array(inner, room, sizeof *inner);
    return PA_MEMORY;
}

bool pa_value_can_apply(const pa_call *call) {
    if (scalar_forward[call->op] == NULL || call->n != pa_op_table[call->op].operands ||
        call->n_params != pa_op_table[call->op].params)
        return false;
    unsigned any = 0;
    for (int i = 0; i < call->n; i++) {
        unsigned flags = call->in[i]->flags;
        if (call->in[i]->ndim != 0 || !(flags & (PA_IS_VALUE | PA_WEAK_SCALAR | PA_TRACED_SCALAR))) return false;
        any |= flags;
    }
    return (any & PA_IS_VALUE) != 0;
}

/* A weak scalar among Values becomes a Value of its own, as in micrograd. */
static pa_status as_value(pa_node *node, pa_node **out) {
    if (node->flags & PA_IS_VALUE) {
        *out = pa_node_retain(node);
        return PA_OK;
    }
    return pa_record_value_of(node, out);
}

static pa_status apply_by_array(const pa_call *call, pa_node **in, pa_node **out) {
    double number[PA_MAX_OPERANDS] = {0};
    for (int i = 0; i < call->n; i++) number[i] = in[i]->value;
    double p = call->n_params > 0 ? call->params[0] : 0, q = call->n_params > 1 ? call->params[1] : 0;
    double value = scalar_forward[call->op](number[0], number[1], number[2], p, q);
    if (!pa_grad_enabled()) return pa_value_new(value, out); /* without history */
    /* With parameters beside two operands, or with three operands, the node needs an array. */
    pa_node *node;
    PA_TRY(pa_value_new(value, &node));
    node->flags &= (uint16_t)~PA_PURE;
    pa_status status = pa_node_need_array(node);
    if (status == PA_OK) {
        node->array->params[0] = p;
        node->array->params[1] = q;
        node->array->ints[0] = PA_FLOAT64;
        status = pa_node_link(node, call->op, call->n, in);
    }
    if (status != PA_OK) {
        pa_node_release(node);
        return status;
    }
    unsigned pure = PA_PURE;
    for (int i = 0; i < call->n; i++) pure &= in[i]->flags;
    if (call->n <= 2) node->flags |= (uint16_t)pure;
    *out = node;
    return PA_OK;
}

static pa_status apply_general(const pa_call *call, pa_node **in, pa_node **out) {
    PA_TRY(apply_by_array(call, in, out));
    if (pa_recording() != NULL) {
        pa_call recorded = *call;
        recorded.in = in;
        pa_record_op(&recorded, *out);
    }
    return PA_OK;
}

pa_status pa_value_apply(const pa_call *call, pa_node **out) {
    pa_node *in[PA_MAX_OPERANDS] = {NULL};
    pa_status status = PA_OK;
    for (int i = 0; i < call->n && status == PA_OK; i++) status = as_value(call->in[i], &in[i]);
    if (status == PA_OK) {
        if (call->n == 1)
            status = pa_value_unary(call->op, in[0], call->n_params > 0 ? call->params[0] : 0,
                                    call->n_params > 1 ? call->params[1] : 0, out);
        else if (call->n == 2 && call->n_params == 0)
            status = pa_value_binary(call->op, in[0], in[1], out);
        else
            status = apply_general(call, in, out);
    }
    for (int i = 0; i < call->n; i++)
        if (in[i] != NULL) pa_node_release(in[i]);
    return status;
}

/* ---- differentiating ---- */

/* What the node sends to its operands given the upstream gradient G: one switch over the rows. */
static inline void gradients_of(const pa_node *node, double G, double *to) {
    double ga = 0, gb = 0, gc = 0;
    const pa_node *const *own = (const pa_node *const *)(node->n_parents > 2 ? node->array->parents : node->parent);
    const double A = own[0]->value, B = node->n_parents > 1 ? own[1]->value : 0;
    const double C = node->n_parents > 2 ? own[2]->value : 0, OUT = node->value;
    const double P = node->array != NULL ? node->array->params[0] : node->param;
    const double Q = node->array != NULL ? node->array->params[1] : 0;
    (void)C, (void)Q;
    switch (node->op) {
#define UNARY(name, symbol, words, python, params, effects, forward, a)                                                \
    case PA_OP_##name: ga = a; break;
#define BINARY(name, symbol, words, python, params, effects, forward, a, b)                                            \
    case PA_OP_##name: ga = a, gb = b; break;
#define TERNARY_BOOL(name, symbol, words, python, params, effects, forward, a, b, c)                                   \
    case PA_OP_##name: ga = a, gb = b, gc = c; break;
#include "ops.def"
    }
    to[0] = ga;
    to[1] = gb;
    to[2] = gc;
}

void pa_value_local_gradients(const pa_node *node, double *gradients) {
    if (node->op == PA_OP_local_grads) {
        memcpy(gradients, pa_node_local_grads(node), node->n_parents * sizeof *gradients);
        return;
    }
    bool formula = scalar_forward[node->op] != NULL && node->flags & PA_IS_VALUE && node->n_parents > 0;
    for (int i = 0; i < node->n_parents; i++) formula = formula && pa_node_parent(node, i)->flags & PA_IS_VALUE;
    if (formula) {
        double to[PA_MAX_OPERANDS];
        gradients_of(node, 1.0, to);
        memcpy(gradients, to, node->n_parents * sizeof *to);
        return;
    }
    for (int i = 0; i < node->n_parents; i++) gradients[i] = NAN;
}

pa_status pa_value_backward_step(pa_node *node) {
    if (node->op == PA_OP_custom) return pa_hook.custom_backward(node);
    if (node->op == PA_OP_neuron) {
        double gradient = neuron_gradient(node);
        int n = pa_neuron_inputs(node);
        node->neuron[2 * n]->grad += gradient;
        for (int i = n - 1; i >= 0; i--) {
            pa_node *w = node->neuron[i], *x = node->neuron[n + i];
            double to_w = gradient * x->value, to_x = gradient * w->value;
            w->grad += to_w;
            x->grad += to_x;
        }
        return PA_OK;
    }
    if (node->op == PA_OP_local_grads) {
        const double *local = pa_node_local_grads(node);
        for (int i = 0; i < node->n_parents; i++) pa_node_parent(node, i)->grad += local[i] * node->grad;
        return PA_OK;
    }
    if (scalar_forward[node->op] == NULL) return PA_OK;
    double to[PA_MAX_OPERANDS];
    gradients_of(node, node->grad, to);
    for (int i = 0; i < node->n_parents; i++) {
        pa_node *parent = pa_node_parent(node, i);
        if (parent->flags & PA_IS_VALUE) parent->grad += to[i];
    }
    return PA_OK;
}

/* A first contribution to an inner node replaces what an earlier pass left; leaves accumulate over passes. Returns how
   many nodes wait for their turn because of it. */
static inline int contribute(pa_node *parent, double gradient, uint32_t epoch) {
    if (parent->mark == epoch) {
        parent->grad += gradient;
        return 0;
    }
    parent->mark = epoch;
    if (!(parent->flags & PA_LISTED)) {
        parent->grad += gradient;
        return 0;
    }
    parent->grad = gradient;
    return 1;
}

/* What the parents of an op that was written in Python get from its local gradients: nothing where it has none. */
static __attribute__((noinline)) int64_t contribute_to_all(const pa_node *node, const double *local, uint32_t epoch) {
    pa_node *const *parents = pa_node_parents(node);
    int64_t waiting = 0;
    for (int i = 0; i < node->n_parents; i++)
        waiting += contribute(parents[i], local != NULL ? local[i] * node->grad : 0, epoch);
    return waiting;
}

pa_status pa_value_backward(pa_node *root) {
    uint32_t epoch = pa_graph_next_epoch();
    root->mark = epoch;
    root->grad = 1.0;
    int64_t waiting = root->flags & PA_LISTED ? 1 : 0;
    for (pa_node *node = root; waiting > 0; node = node->older) {
        PA_FAIL_IF(node == NULL, PA_RUNTIME,
                   "backward: another one went through this graph while a _backward written in Python was running");
        if (node->mark != epoch) continue;
        waiting--;
        pa_node *a = node->parent[0], *b = node->parent[1];
        double g = node->grad;
        switch (node->op) {
        case PA_OP_add:
            waiting += contribute(a, g, epoch);
            waiting += contribute(b, g, epoch);
            break;
        case PA_OP_mul: {
            double to_a = g * b->value, to_b = g * a->value;
            waiting += contribute(a, to_a, epoch);
            waiting += contribute(b, to_b, epoch);
            break;
        }
        case PA_OP_neuron: {
            double gradient = neuron_gradient(node);
            int n = pa_neuron_inputs(node);
            waiting += contribute(node->neuron[2 * n], gradient, epoch);
            for (int i = n - 1; i >= 0; i--) {
                pa_node *w = node->neuron[i], *x = node->neuron[n + i];
                double to_w = gradient * x->value, to_x = gradient * w->value;
                waiting += contribute(w, to_w, epoch);
                waiting += contribute(x, to_x, epoch);
            }
            break;
        }
        case PA_OP_local_grads: waiting += contribute_to_all(node, pa_node_local_grads(node), epoch); break;
        case PA_OP_custom: /* its _backward was written in Python after it had been used */
            waiting += contribute_to_all(node, NULL, epoch);
            PA_TRY(pa_hook.custom_backward(node));
            break;
        default: {
            double to[PA_MAX_OPERANDS];
            gradients_of(node, g, to);
            waiting += contribute(a, to[0], epoch);
            if (node->n_parents > 1) waiting += contribute(b, to[1], epoch);
        }
        }
    }
    return PA_OK;
}
