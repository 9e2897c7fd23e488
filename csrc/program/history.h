/* A program as one op of its caller's graph: forward, saved tensors, backward.

       arguments and captured tensors ◀──parents── program ◀──parent── program_result, one for each result of the part
                                                      │ saved
                                                      └▶ pa_pending ──▶ pa_program, its arena in this call, versions

   The program's instructions are the forward up to the split, and behind it the backward: the sweep from the gradients
   of the results to those of the operands. A call runs the forward; what the backward reads of it stays in the arena,
   which belongs to the call until its part of the graph is gone. Meanwhile other calls have arenas of their own, so a
   step may be called many times before one backward(), and a backward with retain_graph=True may come again.

   Results that share nothing but arguments and captured tensors are parts, each with a node and a backward of its own:
   what a backward frees is what the plain call's frees.

   A Value that a step over Values gives is a node of op local_grads over the Values that it depends on, other results
   among them: the step computes its local gradients with it, and nothing is kept.

   A result to which no gradient comes is as if it were not there: instructions that only it would reach do not run,
   and operands that only it would reach get no gradient. */
#ifndef PA_PROGRAM_HISTORY_H
#define PA_PROGRAM_HISTORY_H

#include "program.h"

/* Marks the program as running; fails where it is running already, in another thread. A sweep asks without the GIL. */
pa_status pa_program_occupy(pa_program *p);
static inline void pa_program_vacate(pa_program *p) { __atomic_store_n(&p->busy, 0, __ATOMIC_RELEASE); }

/* Makes sure that the program has an arena which no earlier call still needs. */
pa_status pa_history_begin(pa_program *p);

/* Gives the results of the call under way their history, before it runs; when it has run, notes how things stand. */
pa_status pa_history_attach(pa_program *p, pa_node *const *in, pa_node *const *results);
void pa_history_settle(const pa_program *p, pa_node *const *results);

/* Where each result's gradient stands among those of all, and what the backward wants as scratch; again where shapes
   have changed. */
void pa_history_place(pa_program *p);

/* While it is lowered: room for what it will know of each part. */
pa_status pa_history_new_parts(pa_program *p, int32_t n);

void pa_history_free(pa_program *p);

#endif
