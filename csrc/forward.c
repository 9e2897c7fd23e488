/* Tangents of the nodes between inputs and outputs, from the oldest node to the youngest. */
#include "forward.h"

#include <string.h>

#include "apply.h"
#include "backward.h"
#include "derivatives.h"
#include "table.h"

/* The nodes that were met, each with its tangent, NULL where none reaches it. */
typedef struct push {
    const pa_forward_options *options;
    pa_tape *tapes; /* of each output */
    pa_node **nodes, **tangents;
    int32_t n;
    size_t room;
    pa_table places; /* of the nodes, by their addresses */
    pa_builder builder;
} push;

/* Where a node stands, or the free entry for it. */
static int32_t *place_of(const push *p, const pa_node *node) {
    int32_t *entry = pa_table_first(&p->places, pa_hash_mix(0, (uintptr_t)node));
    while (*entry >= 0 && p->nodes[*entry] != node) entry = pa_table_next(&p->places, entry);
    return entry;
}

static pa_node *tangent_of(const push *p, const pa_node *node) {
    int32_t place = *place_of(p, node);
    return place < 0 ? NULL : p->tangents[place];
}

static void set_tangent(push *p, pa_node *node, pa_node *tangent) {
    *place_of(p, node) = p->n;
    p->nodes[p->n] = node;
    p->tangents[p->n++] = tangent == NULL ? NULL : pa_node_retain(tangent);
}

/* ---- one node ---- */

/* What a node sends back to operand i, given u. */
static pa_node *send_back(pa_builder *b, pa_node *node, int i, pa_node *u) {
    if (node->op != PA_OP_custom) return pa_graph_gradient(b, node, i, u);
    pa_node *given[PA_MAX_FUNCTION_INPUTS] = {NULL}, *wanted = NULL;
    b->status = pa_hook.custom_gradients(node, u, given);
    for (int k = 0; k < node->n_parents; k++) {
        if (given[k] == NULL) continue;
        pa_node *taken = pa_builder_take(b, PA_OK, given[k]);
        if (k == i) wanted = taken;
    }
    return wanted == NULL ? NULL : pa_build_fit(b, wanted, pa_node_parent(node, i));
}

/* J t, from J'u. */
static pa_node *through_gradient(pa_builder *b, pa_node *node, int i, pa_node *t, bool create_graph) {
    pa_node *u = NULL, *found = NULL;
    pa_status status = pa_node_new_like(node, &u);
    if (pa_builder_take(b, status, u) == NULL) return NULL;
    memset(pa_node_data(u), 0, pa_node_bytes(u));
    u->flags |= PA_REQUIRES_GRAD;
    bool enabled = pa_grad_enable(true);
    pa_node *back = send_back(b, node, i, u);
    pa_grad_enable(enabled);
    if (b->status != PA_OK || back == NULL || !pa_node_requires_grad(back)) return NULL;
    pa_backward_options options = {.gradient = t,
                                   .retain_graph = true,
                                   .create_graph = create_graph || pa_recording() != NULL,
                                   .n_inputs = 1,
                                   .inputs = &u,
                                   .results = &found};
    b->status = pa_backward(back, &options);
    u->flags &= (uint16_t)~PA_REQUIRES_GRAD; /* what has its shape from u may hold it */
    return found == NULL ? NULL : pa_builder_take(b, PA_OK, found);
}

/* The same where nobody differentiates in the operands: the walk back ends at them. */
static pa_node *through_gradient_alone(pa_builder *b, pa_node *node, int i, pa_node *t) {
    bool tracked[PA_MAX_FUNCTION_INPUTS];
    int n = node->n_parents < PA_MAX_FUNCTION_INPUTS ? node->n_parents : PA_MAX_FUNCTION_INPUTS;
    for (int k = 0; k < n; k++) tracked[k] = pa_node_requires_grad(pa_node_parent(node, k));
    for (int k = 0; k < n; k++) pa_node_parent(node, k)->flags &= (uint16_t)~PA_REQUIRES_GRAD;
    node->flags &= (uint16_t)~PA_REQUIRES_GRAD;
    pa_node *found = through_gradient(b, node, i, t, false);
    node->flags |= PA_REQUIRES_GRAD;
    for (int k = n; k-- > 0;)
        if (tracked[k]) pa_node_parent(node, k)->flags |= PA_REQUIRES_GRAD;
    return found;
}

/* Products are linear in each operand; what is added to them is passed on. */
static pa_node *through_product(pa_builder *b, pa_node *node, int i, pa_node *t) {
    if (i == 2) return t;
    pa_node *in[2] = {pa_node_parent(node, 0), pa_node_parent(node, 1)};
    in[i] = t;
    return pa_build(b, (pa_op)node->op, in[0], in[1], NULL);
}

static pa_node *contribution(push *p, pa_node *node, int i, pa_node *t) {
    pa_builder *b = &p->builder;
    if (pa_op_table[node->op].family != PA_WHOLE) return pa_graph_tangent(b, node, i, t);
    if (pa_is_product(node)) return through_product(b, node, i, t);
    if (p->options->create_graph) return through_gradient(b, node, i, t, true);
    return through_gradient_alone(b, node, i, t);
}

static pa_status push_node(push *p, pa_node *node) {
    pa_builder *b = &p->builder;
    pa_node *sum = NULL;
    if (p->n % PA_POLL_NODES == PA_POLL_NODES - 1 && pa_hook.interrupted()) return PA_PYTHON;
    PA_FAIL_IF(node->flags & PA_IS_VALUE, PA_UNSUPPORTED, "jvp: through a Value, of op %s; compute with Tensors",
               pa_op_table[node->op].name);
    for (int i = 0; i < node->n_parents && b->status == PA_OK; i++) {
        pa_node *t = tangent_of(p, pa_node_parent(node, i));
        pa_node *part = t == NULL ? NULL : contribution(p, node, i, t);
        if (part != NULL) sum = sum == NULL ? part : pa_build(b, PA_OP_add, sum, part, NULL);
    }
    if (sum != NULL) sum = pa_build_fit(b, sum, node);
    if (b->status == PA_OK) set_tangent(p, node, sum);
    pa_builder_clear(b);
    return b->status;
}

/* ---- all of them ---- */

static pa_status begin(push *p) {
    const pa_forward_options *o = p->options;
    size_t bytes = (size_t)o->n_outputs * sizeof *p->tapes;
    p->tapes = pa_mem_alloc(bytes);
    if (p->tapes == NULL) return PA_MEMORY;
    memset(p->tapes, 0, bytes);
    p->room = (size_t)o->n_inputs;
    for (int k = 0; k < o->n_outputs; k++) {
        PA_TRY(pa_tape_list_opened(o->outputs[k], false, true, &p->tapes[k]));
        PA_TRY(pa_tape_check(&p->tapes[k]));
        p->room += p->tapes[k].n_nodes;
    }
    PA_TRY(pa_table_new(&p->places, p->room));
    p->nodes = pa_mem_alloc_array(p->room, sizeof *p->nodes);
    p->tangents = pa_mem_alloc_array(p->room, sizeof *p->tangents);
    return p->nodes == NULL || p->tangents == NULL ? PA_MEMORY : PA_OK;
}

static pa_status run(push *p, pa_node **found) {
    const pa_forward_options *o = p->options;
    PA_TRY(begin(p));
    for (int k = 0; k < o->n_inputs; k++) set_tangent(p, o->inputs[k], o->tangents[k]);
    for (int k = 0; k < o->n_outputs; k++)
        for (size_t i = p->tapes[k].n_nodes; i-- > 0;)
            if (*place_of(p, p->tapes[k].nodes[i]) < 0) PA_TRY(push_node(p, p->tapes[k].nodes[i]));
    for (int k = 0; k < o->n_outputs; k++) {
        pa_node *tangent = tangent_of(p, o->outputs[k]);
        found[k] = tangent == NULL ? NULL : pa_node_retain(tangent);
    }
    return PA_OK;
}

pa_status pa_forward(const pa_forward_options *options, pa_node **found) {
    push p;
    memset(&p, 0, sizeof p);
    p.options = options;
    bool enabled = pa_grad_enable(options->create_graph);
    pa_status status = run(&p, found);
    pa_grad_enable(enabled);
    for (int32_t i = 0; i < p.n; i++)
        if (p.tangents[i] != NULL) pa_node_release(p.tangents[i]);
    pa_mem_free_array(p.nodes, p.room, sizeof *p.nodes);
    pa_mem_free_array(p.tangents, p.room, sizeof *p.tangents);
    pa_table_free(&p.places);
    for (int k = 0; k < options->n_outputs && p.tapes != NULL; k++) pa_tape_free(&p.tapes[k]);
    pa_mem_free(p.tapes, (size_t)options->n_outputs * sizeof *p.tapes);
    pa_builder_free(&p.builder);
    return status;
}
