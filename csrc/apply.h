/* How an op is applied, whichever it is: operands in, a node of the graph out.

       pa_apply(call) ─┬─ all Values, elementwise ──▶ scalar.c: a 0-d node in a few ns
                       └─ shape rule ──▶ node, linked to its parents ──▶ forward ──▶ unlinked if no gradient flows

   A call that fails leaves the graph as it was. */
#ifndef PA_APPLY_H
#define PA_APPLY_H

#include "kernels/ops.h"

pa_status pa_apply(const pa_call *call, pa_node **out);

/* The same with one or two operands and no attributes. */
pa_status pa_apply_unary(pa_op op, pa_node *a, pa_node **out);
pa_status pa_apply_binary(pa_op op, pa_node *a, pa_node *b, pa_node **out);

/* Makes `node`, a fresh leaf, the result of an op written in Python. */
pa_status pa_apply_custom(pa_node *node, int n, pa_node *const *parents);

/* The same for a Value whose local gradients, one a parent, are given. */
pa_status pa_apply_local_grads(pa_node *node, int n, pa_node *const *parents, const double *gradients);

/* A node of the same data without history; shares the storage. */
pa_status pa_detach(pa_node *node, pa_node **out);

/* A deferred number: a traced scalar that stands for the only element of a node, as it is at this point of a step. */
pa_status pa_defer_item(pa_node *node, pa_node **out);

/* Overwrites target's elements with source's, broadcast and converted. */
pa_status pa_copy_into(pa_node *target, pa_node *source, const char *what);

/* Gives a leaf that is in no graph the other float dtype, and source's elements. Its memory of before is kept for the
   arrays that may look at it, and taken again when the dtype changes back. */
pa_status pa_change_dtype(pa_node *target, pa_node *source, const char *what);

/* target = target op source, in place; `op` is elementwise and binary. */
pa_status pa_apply_in_place(pa_op op, pa_node *target, pa_node *source);

/* About how many elementary steps the node's forward takes: above PA_LONG_WORK the GIL is released around it. */
enum { PA_LONG_WORK = 1 << 20 };
double pa_node_cost(const pa_node *node);

#endif
