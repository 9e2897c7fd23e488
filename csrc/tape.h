/* The tape: the nodes that reach a root in topological order, and the backward sweep over them.

   A sweep that is not a pure graph of Values goes in four steps, of which only the first two can fail:

       list      walk the birth list back from the root, marking parents; check what the backward reads
       reserve   gradient buffers (planned, so that one serves many nodes), scratch, the leaves' gradient nodes
       sweep     each node's backward, upstream gradients first
       commit    leaves take or add their gradients; the graph is freed unless it is to be kept

   Until the commit nothing that the user can see has changed, so a backward written in Python may raise and a signal
   may stop a long sweep without harm.

   Where the gradients are to be differentiated again, nothing is reserved: the walk goes over the same tape, with a node
   for each gradient (derivatives.h). */
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
void pa_tape_free(pa_tape *tape);

/* Fails where the graph was freed, is in use elsewhere, or what a backward reads was modified in place since. */
pa_status pa_tape_check(const pa_tape *tape);

typedef struct pa_backward_options {
    const pa_node *gradient; /* upstream gradient of the root, or NULL for 1 */
    bool retain_graph;       /* a Value's graph is kept whatever this says */
    bool create_graph;       /* gradients are nodes with a history of their own */
    int n_inputs;            /* > 0: autograd.grad. Gradients of these alone are made, into `results` (NULL where */
    pa_node *const *inputs;  /* the root does not depend on them), and no leaf changes */
    pa_node **results;
    bool detect_anomaly; /* fail where a backward makes a NaN or an infinity */
} pa_backward_options;

pa_status pa_backward(pa_node *root, const pa_backward_options *options);

#endif
