/* A backward whose gradients are a graph: nodes with a history, to be differentiated again.

   Nothing is reserved. Each node on the tape sends its parents nodes (derivatives.h), which are added where several
   arrive. What leads to no gradient that is asked for is left out. */
#ifndef PA_GRADIENT_GRAPH_H
#define PA_GRADIENT_GRAPH_H

#include "tape.h"

/* pa_backward with create_graph, of a root that it has checked. */
pa_status pa_gradient_graph(pa_node *root, const pa_backward_options *options);

#endif
