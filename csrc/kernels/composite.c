/* Ops that stand for much work at once, which a layer above does: programs in the graph of their caller. */
#include <string.h>

#include "ops.h"

pa_status pa_program_backward(pa_node *node, void *scratch) { return pa_node_composite(node)->backward(node, scratch); }

size_t pa_program_scratch(const pa_node *node) { return pa_node_composite(node)->scratch; }

pa_status pa_program_result_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *program = pa_node_parent(node, 0);
    bool accumulate;
    char *to = pa_gradient_target(node, 0, &accumulate);
    if (to == NULL) return PA_OK;
    if (!accumulate) memset(to, 0, pa_node_bytes(program)); /* no other result has brought its own so far */
    int64_t size = (int64_t)pa_dtype_size(program->dtype);
    double one = 1;
    const pa_array *array = node->array;
    pa_k->convert[node->dtype][program->dtype](to + array->ints[0] * size, pa_gradient(node), 1, pa_node_numel(node));
    pa_k->convert[PA_FLOAT64][program->dtype](to + array->ints[1] * size, &one, 1, 1);
    return PA_OK;
}
