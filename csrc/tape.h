/* The tape: the nodes that reach a root in topological order, and the leaves among them.

   It is listed by a walk back along the birth list, which marks parents. What a backward does with it stands in
   backward.h and gradient_graph.h, what forward mode does in forward.h. */
#ifndef PA_TAPE_H
#define PA_TAPE_H

#include "kernels/ops.h"

/* Nodes in topological order, root first, without the leaves; and the leaves that were met. */
typedef struct pa_tape {
    pa_node **nodes;
    size_t n_nodes, nodes_capacity;
    pa_node **leaves;
    size_t n_leaves, leaves_capacity;
} pa_tape;

/* Lists what reaches `root` and needs a gradient; with every_leaf, leaves that need none too (to draw and to trace). */
pa_status pa_tape_list(pa_node *root, bool every_leaf, pa_tape *tape);
/* The same with each neuron, and each program if that is asked for, written out as the nodes that it stands for. */
pa_status pa_tape_list_opened(pa_node *root, bool every_leaf, bool programs, pa_tape *tape);
void pa_tape_free(pa_tape *tape);

/* Node i of all: the leaves come first. */
static inline size_t pa_tape_count(const pa_tape *tape) { return tape->n_leaves + tape->n_nodes; }
static inline pa_node *pa_tape_node(const pa_tape *tape, size_t i) {
    return i < tape->n_leaves ? tape->leaves[i] : tape->nodes[i - tape->n_leaves];
}

enum { PA_POLL_NODES = 4096 }; /* a walk that makes nodes asks after so many whether there was a signal */

/* Fails where the graph was freed, is in use elsewhere, or what a backward reads was modified in place since. */
pa_status pa_tape_check(const pa_tape *tape);
pa_status pa_check_freed(const pa_node *node);

typedef struct pa_backward_options {
    const pa_node *gradient; /* upstream gradient of the root, or NULL for 1 */
    bool retain_graph;       /* a Value's graph is kept whatever this says */
    bool create_graph;       /* gradients are nodes with a history of their own */
    int n_inputs;            /* > 0: autograd.grad. Gradients of these alone are made, into `results` (NULL where */
    pa_node *const *inputs;  /* the root does not depend on them), and no leaf changes */
    pa_node **results;
    bool needs_all;      /* then the graph is kept where an input gets none */
    bool detect_anomaly; /* fail where a backward makes a NaN or an infinity */
} pa_backward_options;

/* Does a backward that has ended let go of the graph behind the root? */
static inline bool pa_lets_go(const pa_backward_options *o, const pa_node *root) {
    bool found = true;
    for (int k = 0; o->needs_all && k < o->n_inputs; k++) found = found && o->results[k] != NULL;
    return found && !o->retain_graph && !(root->flags & PA_IS_VALUE);
}

/* Tensors let go of their parents, as without retain_graph, those alone that lead to the inputs if there are any;
   Values keep theirs. */
void pa_tape_free_graph(pa_tape *tape, const pa_backward_options *options);

#endif
