/* Gradients as graphs: what a backward sends to an operand, as nodes that are differentiable again.

   An elementwise row's gradient is its own formula in ops.def, expanded over nodes (prefix_graph.h). A TENSOR row names
   a function of its own here, a few lines over the builder, made of ops of the table: the table is closed under
   differentiation. All nodes are made through pa_apply, so that a step's log and a program's passes see ordinary ops.
   */
#ifndef PA_DERIVATIVES_H
#define PA_DERIVATIVES_H

#include "build.h"

/* What `node` sends to its operand i, given its upstream gradient g, of the operand's shape and dtype; NULL where that
   has no gradient, or where the builder has failed. */
pa_node *pa_graph_gradient(pa_builder *b, pa_node *node, int i, pa_node *g);

/* What a tangent of operand i adds to that of an elementwise node, in a shape that broadcasts to the node's. */
pa_node *pa_graph_tangent(pa_builder *b, pa_node *node, int i, pa_node *t);

/* A gradient of one row; broadcast shapes and other dtypes are made to fit afterwards. */
typedef pa_node *pa_graph_fn(pa_builder *b, pa_node *node, int i, pa_node *g);

pa_graph_fn pa_no_graph;      /* of a row that nothing is sent through */
pa_graph_fn pa_refused_graph; /* of one whose backward is no formula */
pa_graph_fn pa_matmul_graph, pa_linear_graph;
pa_graph_fn pa_sum_graph, pa_mean_graph, pa_prod_graph, pa_extremum_graph, pa_var_graph, pa_std_graph, pa_norm_graph;
pa_graph_fn pa_cumsum_graph;
pa_graph_fn pa_softmax_graph, pa_log_softmax_graph, pa_logsumexp_graph, pa_cross_entropy_graph;
pa_graph_fn pa_view_graph, pa_unview_graph, pa_written_graph, pa_cast_graph, pa_cat_graph;
pa_graph_fn pa_index_graph, pa_index_add_graph, pa_put_graph;

#endif
