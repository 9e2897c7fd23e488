/* The passes over a lowered program, in this order. Each can run alone. */
#ifndef PA_PROGRAM_PASSES_H
#define PA_PROGRAM_PASSES_H

#include "program.h"

/* simplify.c: these leave work out */
pa_status pa_pass_constants(pa_program *p);
pa_status pa_pass_common(pa_program *p);
pa_status pa_pass_dead(pa_program *p);

pa_status pa_pass_fuse(pa_program *p);

/* Memory for every buffer inside the step; without it nothing runs. Planned anew, what was there is given back. */
pa_status pa_pass_plan(pa_program *p);
size_t pa_plan_scratch(const pa_program *p); /* that the ops want, as the program stands */

/* What the program must know to be an op of its caller's graph. */
pa_status pa_pass_history(pa_program *p);

/* In place of all but the last for a step over Values: compiles the straight-line code, and finds where each number of
   it stands. */
pa_status pa_pass_values(pa_program *p);

#endif
