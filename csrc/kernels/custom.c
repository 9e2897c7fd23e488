/* Ops written in Python: autograd.Function, and Values with a _backward of their own. Their forward has run before the
   node is made, so the node is built around its result; the backward reaches Python through a hook. */
#include "ops.h"

pa_status pa_custom_shape(const pa_call *call, pa_spec *PA_UNUSED(spec)) {
    return pa_fail(PA_UNSUPPORTED, "%s: a node of this op is made around its result", pa_op_table[call->op].name);
}

pa_status pa_custom_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    return pa_fail(PA_UNSUPPORTED, "%s: its forward is in Python", pa_op_table[node->op].name);
}

pa_status pa_custom_backward(pa_node *node, void *PA_UNUSED(scratch)) { return pa_hook.custom_backward(node); }
