/* Backward: the sweep over a tape, by which gradients reach the leaves.

   A sweep that is not a pure graph of Values goes in four steps, of which only the first two can fail:

       list      the tape; check what the backward reads
       reserve   gradient buffers (planned, so that one serves many nodes), scratch, the leaves' gradient nodes
       sweep     each node's backward, upstream gradients first
       commit    leaves take or add their gradients; the graph is freed unless it is to be kept

   Until the commit nothing that the user can see has changed, so a backward written in Python may raise and a signal
   may stop a long sweep without harm. Gradients that are to be differentiated again are made by gradient_graph.h. */
#ifndef PA_BACKWARD_H
#define PA_BACKWARD_H

#include "tape.h"

pa_status pa_backward(pa_node *root, const pa_backward_options *options);

#endif
