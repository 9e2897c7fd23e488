/* Lowering: from the log to a first program. What lowering tensors and lowering Values share: captured tensors,
   arguments, the state of gradients, updates, results.

   Each leaf's gradient has a state that is followed through the step:

       as found ──zero_grad──▶ cleared ──backward──▶ a fresh buffer ──backward──▶ the same, added to
                 ──.grad = t──▶ the buffer of t      ──backward──▶ the same, added to

   What it is in the end says what the leaf's .grad is after a call. */
#ifndef PA_PROGRAM_LOWER_H
#define PA_PROGRAM_LOWER_H

#include "../record.h"
#include "program.h"

/* A variable of the log on its way into the program. */
typedef struct pa_lowered {
    int32_t at;       /* its node; of Values, the first of its elements; -1: not lowered yet */
    int32_t captured; /* -1: it is no captured tensor */
    int32_t gradient; /* what holds it, a buffer or, of Values, a scalar; or its state */
    int32_t base;     /* of tensors: what it is a view of, or itself */
    int32_t found;    /* of tensors: the buffer of what the last autograd.grad found for it, or -1 */
    int32_t hidden;   /* of tensors: the first of the nodes between local gradients and their result */
    int32_t result;   /* of Values: the result with a history, or leaf, that it is; -1: none */
    int32_t made_by;  /* the entry of its op, where history was kept; -1: it is a leaf */
    bool written;     /* of tensors: something writes its memory; of Values: the step has set its number */
    bool gradient_is_read;
    bool gradient_is_assigned, gradient_is_alias; /* of tensors: it was set to another, to one over another's memory */
    bool requires_grad, ever_requires_grad;       /* at this point of the step, and at any */
    bool retains_grad;
} pa_lowered;

typedef struct pa_lowering {
    pa_program *p;
    const pa_log *log;
    pa_lowered *variables;
    int32_t entry; /* of the log, that is being lowered */
} pa_lowering;

/* Both fail with PA_UNSUPPORTED where the step does what programs cannot. `other` as in pa_program_new. */
pa_status pa_lower_tensors(pa_program *p, const pa_log *log, const pa_log *other, int n_outputs,
                           pa_node *const *outputs);
pa_status pa_lower_values(pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs);

/* Makes room for what the log says there will be, and describes the arguments. */
pa_status pa_lowering_begin(pa_lowering *l, pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs);
void pa_lowering_end(pa_lowering *l);

/* The captured tensor that a variable is, which it becomes if need be. */
pa_status pa_lower_captured(pa_lowering *l, int32_t variable, int32_t *out);

/* The buffer of an argument or a captured tensor. */
pa_status pa_lower_leaf(pa_lowering *l, int32_t variable, int32_t *buffer);

/* Is it there when the step has ended, so that anybody may look at its gradient? */
static inline bool pa_lower_outlives(const pa_lowering *l, int32_t variable) {
    return l->log->variables[variable].kind <= PA_VARIABLE_CAPTURED;
}

/* The op whose result a Value is, history being kept; PA_UNSUPPORTED where that was before the step. */
pa_status pa_lower_maker(const pa_lowering *l, int32_t variable, const pa_entry **out);

/* A sweep of the step ends at what it was given; PA_UNSUPPORTED where that has a history outside. */
pa_status pa_lower_sweep_end(pa_lowering *l, int32_t variable);

/* A sweep of the step calls the hooks that a variable has. */
pa_status pa_lower_meet_hooks(pa_lowering *l, int32_t variable);

/* The step found that a variable has no gradient. */
pa_status pa_lower_no_gradient(pa_lowering *l, int32_t variable);

/* The buffer of a gradient as the step finds it. */
pa_status pa_lower_entry_gradient(pa_lowering *l, int32_t variable, int32_t *buffer);

/* The program's update for an entry of the log. */
int32_t pa_lower_update(pa_lowering *l, const pa_entry *entry);

/* Describes result i, and finds its variable. */
pa_status pa_lower_result(pa_lowering *l, int i, const pa_node *output, int32_t *variable);

/* ---- sweeps of a step over tensors ---- */

/* A buffer for the gradient of a node; in a sweep, that of each node: -1, none yet. */
pa_status pa_lower_new_gradient(pa_lowering *l, const pa_node *like, int32_t *out);
int32_t *pa_lower_new_gradients(const pa_lowering *l);
void pa_lower_free_gradients(int32_t *gradients);

/* The backwards of what was recorded before an entry, the last first; `checks`: for NaNs and infinities. */
pa_status pa_lower_sweep_back(pa_lowering *l, const pa_entry *from, bool checks, int32_t *gradients);

/* Behind the whole step: what makes the program an op of its caller's graph (lower_history.c). */
pa_status pa_lower_history(pa_lowering *l, int n_outputs, pa_node *const *outputs);

#endif
