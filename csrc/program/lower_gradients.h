/* What lowering a step over tensors (lower_tensors.c) and lowering what it does with gradients (lower_gradients.c) have
   of each other. */
#ifndef PA_PROGRAM_LOWER_GRADIENTS_H
#define PA_PROGRAM_LOWER_GRADIENTS_H

#include "lower.h"

static inline pa_instruction pa_lower_instruction(pa_instruction_kind kind) {
    return (pa_instruction){.kind = (uint8_t)kind, .node = -1, .source = -1, .gradient = -1, .targets = -1};
}

static inline pa_status pa_lower_emit(pa_lowering *l, pa_instruction_kind kind, int32_t node, int32_t source,
                                      int32_t gradient) {
    pa_instruction i = pa_lower_instruction(kind);
    i.node = node;
    i.source = source;
    i.gradient = gradient;
    return pa_program_emit(l->p, &i);
}

static inline bool pa_lower_is_value(const pa_lowering *l, int32_t variable) {
    return (l->log->variables[variable].node->flags & PA_IS_VALUE) != 0;
}

/* Does anybody look at a variable's gradient? */
static inline bool pa_lower_wants_gradient(const pa_lowering *l, int32_t variable) {
    return l->p->checks_gradients || l->variables[variable].gradient_is_read || pa_lower_outlives(l, variable);
}

/* ---- lower_tensors.c ---- */

/* The node of a variable that is an argument, captured or a constant. */
pa_status pa_lower_need_node(pa_lowering *l, int32_t variable);

/* A fresh node for a result, with memory of its own. */
pa_status pa_lower_result_node(pa_lowering *l, int32_t variable);

/* ---- lower_gradients.c ---- */

/* Says what has been made of leaves so far, which stands where the instruction fails. */
pa_status pa_lower_list_leaves(pa_lowering *l, pa_instruction *i);

/* A variable's memory, that of an argument or a captured tensor, is written. */
pa_status pa_lower_mark_written(pa_lowering *l, int32_t variable);

/* Lists each operand's gradient, or -1, and behind them their nodes. */
pa_status pa_lower_list_gradients(pa_lowering *l, const pa_entry *entry, int32_t *targets);

pa_status pa_lower_gradient_entry(pa_lowering *l, const pa_entry *entry);

/* What each leaf's gradient is in the end. */
pa_status pa_lower_settle_gradients(pa_lowering *l);

/* The gradient that a leaf, or a tensor with retain_grad(), has that the step made and hands out. */
pa_status pa_lower_result_gradient(pa_lowering *l, int32_t variable, pa_result *r);

#endif
