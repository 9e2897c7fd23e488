/* Values: elementwise ops on 0-d float64 nodes, micrograd's kind, each a single small node and no dispatch.

   Their forward and gradients are the same rows of ops.def as the tensors', expanded over libm. A graph that is made of
   Values alone is "pure" and is differentiated in one walk along the birth list, without any memory. */
#ifndef PA_SCALAR_H
#define PA_SCALAR_H

#include "kernels/ops.h"

/* Are all operands Values (or numbers beside at least one Value), and the op elementwise? */
bool pa_value_can_apply(const pa_call *call);
pa_status pa_value_apply(const pa_call *call, pa_node **out);

/* The two common cases: both operands are Values; one operand and up to two parameters. */
pa_status pa_value_binary(pa_op op, pa_node *a, pa_node *b, pa_node **out);
pa_status pa_value_unary(pa_op op, pa_node *a, double p, double q, pa_node **out);

/* One neuron: b + w[0] x[0] + … + w[n-1] x[n-1], then ReLU where nonlinear: the numbers, and the gradients in the order
   in which they are added, are those of micrograd's node-by-node neuron. It is one node of op `neuron` until somebody
   looks at it; the numbers that w, x and b had are kept with it for that. */
pa_status pa_value_neuron(int n, pa_node *const *w, pa_node *const *x, pa_node *b, bool nonlinear, pa_node **out);

/* Opens a neuron into the nodes that micrograd builds, in place: `node` becomes its last sum or its ReLU, and the
   others are born right before it, with the gradients that they would have. Nothing for any other node. */
pa_status pa_value_open_neuron(pa_node *node);

/* d out / d operand i, as numbers, for a Value of Values; NAN where there is no formula. */
void pa_value_local_gradients(const pa_node *node, double *gradients);

/* Adds the node's contribution to the gradients of its operands: micrograd's node._backward(). Only a backward written
   in Python can fail. */
pa_status pa_value_backward_step(pa_node *node);

/* Sweeps a pure graph back from `root`, whose gradient becomes 1; inner gradients start fresh, leaves accumulate. */
pa_status pa_value_backward(pa_node *root);

#endif
