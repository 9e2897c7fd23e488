/* A program and a call: whether they fit, buffers bound to what the call brings, and what comes out handed on. */
#ifndef PA_PROGRAM_BIND_H
#define PA_PROGRAM_BIND_H

#include "../hold.h"
#include "program.h"

/* Are these the arguments that it was compiled for? Numbers are given beside nodes: a NULL node takes its number. A
   program whose batch axis is free is set to their rows. */
bool pa_program_takes(pa_program *p, int n, pa_node *const *in);

/* Is all that it is bound to as it was, and are its updates bound? */
bool pa_program_is_bound(const pa_program *p, pa_node *const *in);

/* Looks how an optimiser's states stand; to be called when the addresses have been set. */
void pa_update_plan_bound(pa_update_plan *plan);

/* Moves a buffer, where its nodes are not there already. */
static inline void pa_program_rebind(pa_program *p, int32_t buffer, char *at) {
    if (p->buffers[buffer].at != at) pa_program_place(p, buffer, at);
}

/* The tensor itself, which may be an argument of the call. */
static inline pa_node *pa_captured_node(const pa_captured *c, pa_node *const *in) {
    return c->input >= 0 ? in[c->input] : c->node;
}

/* Where others will be added to it, a gradient that is none begins as -0, with which each number adds up to itself. */
static inline void pa_no_gradient(char *at, uint8_t dtype, size_t bytes) {
    double zero = -0.0;
    pa_k->convert[PA_FLOAT64][dtype](at, &zero, 0, (int64_t)(bytes / pa_dtype_size((pa_dtype)dtype)));
}

/* Reads another tensor in the place of a captured one; false where it is not alike. */
bool pa_program_exchange(pa_program *p, int32_t captured, pa_node *node);

/* Binds arguments, captured tensors and their gradients. */
pa_status pa_program_bind(pa_program *p, int n, pa_node *const *in, const double *numbers);

/* Makes the results, and binds those that the step writes itself; copies the others when it has run. A result that is a
   place is what stands there, and results share memory, where there are arguments; in a run puts alone are copied, each
   to its own memory. */
pa_status pa_program_new_results(pa_program *p, pa_node *const *in, pa_node **results);
void pa_program_copy_results(const pa_program *p, bool is_run, pa_node *const *results);

/* The gradients that the step made become the captured tensors'; or are released, where it failed. */
void pa_program_commit(pa_program *p, pa_node *const *in);

/* The step has failed on its way: what it has made of leaves before stands, as after an eager step that raises. */
pa_status pa_program_stop(pa_program *p, pa_node *const *in);
void pa_program_abandon(pa_program *p);

/* All that a replay without the GIL is bound to is the replay's until its end, whatever others do with models and
   optimisers. */
pa_status pa_program_hold(const pa_program *p, int n, pa_node *const *in, pa_hold *hold);

#endif
