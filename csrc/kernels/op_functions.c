/* The op table's last expansion: which C functions stand behind each row. A row without them does not link. */
#include "ops.h"

pa_status pa_no_backward(pa_node *PA_UNUSED(node), void *PA_UNUSED(scratch)) { return PA_OK; }

const pa_op_functions pa_op_function[PA_OP_COUNT] = {
#define ELEMENTWISE(name, backward) [PA_OP_##name] = {pa_elementwise_shape, pa_elementwise_forward, backward, NULL},
#define UNARY(name, ...) ELEMENTWISE(name, pa_elementwise_backward)
#define BINARY UNARY
#define TERNARY_BOOL UNARY
#define COMPARE(name, ...) ELEMENTWISE(name, NULL)
#define LOGIC1 COMPARE
#define LOGIC2 COMPARE
#define TENSOR(name, symbol, words, rule, operands, effects, shape, forward, backward, graph, scratch)                 \
    [PA_OP_##name] = {shape, forward, backward, scratch},
#include "../ops.def"
#undef ELEMENTWISE
};
