/* A recorded step becomes a program. */
#ifndef PA_PROGRAM_COMPILE_H
#define PA_PROGRAM_COMPILE_H

#include "../record.h"
#include "program.h"

/* Fails with PA_UNSUPPORTED where the step does what programs cannot. `other`: a log of the same with another number of
   rows, for a program whose batch axis is free; else NULL. `passes`: PA_ALL_PASSES or some of them. */
pa_status pa_program_new(const pa_log *log, const pa_log *other, int n_outputs, pa_node *const *outputs,
                         unsigned passes, pa_program **out);

/* Floating point operations of a call, as the program stands. */
double pa_program_flops(const pa_program *p);

#endif
