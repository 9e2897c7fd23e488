/* Forward mode: tangents of inputs pushed along the graph to outputs, as nodes.

   An elementwise row's gradient formula with the tangent in the place of G is its tangent rule, and products are linear
   in each operand. Every other row is linear in its upstream gradient u, so that its vector-Jacobian product J'u,
   differentiated in u along the tangent t, is J t, whatever u is. All nodes are made through pa_apply. */
#ifndef PA_FORWARD_H
#define PA_FORWARD_H

#include "tape.h"

typedef struct pa_forward_options {
    int n_inputs, n_outputs;
    pa_node *const *inputs, *const *tangents; /* each tangent in the shape of its input */
    pa_node *const *outputs;
    bool create_graph; /* what is found has a history of its own */
} pa_forward_options;

/* The tangent of each output, held; NULL where none reaches it. */
pa_status pa_forward(const pa_forward_options *options, pa_node **found);

#endif
