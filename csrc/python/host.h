/* How a program calls Python: the hooks for hooks.c, and what they need of its neighbours. */
#ifndef PA_HOST_H
#define PA_HOST_H

#include "support.h"

#include "../record.h"

bool pa_hook_same_host(void *a, void *b);
pa_status pa_hook_call_host(void *program, void *host, bool keeps_history, int n, pa_node *const *in, int n_out,
                            pa_node *const *out);
pa_status pa_hook_call_host_backward(void *program, void *host, pa_node *node, const int32_t *wanted, bool *given);

/* hooks.c: the backward of an autograd.Function, called with the upstream gradient and, unless it is NULL, a context;
   given: of which operands it returned a gradient. */
pa_status pa_run_function_backward(pa_node *node, PyObject *function, PyObject *context, bool *given);

/* hooks.c: tells the log, when the step has ended, of the hooks that tensors which it made still have. */
pa_status pa_record_hooks_left(pa_log *log);

/* program_type.c: fails where what the step reads is no longer what it was when the call began. */
pa_status pa_program_object_check(void *program);

#endif
