/* A recorded step becomes a program. */
#ifndef PA_PROGRAM_COMPILE_H
#define PA_PROGRAM_COMPILE_H

#include "../record.h"
#include "program.h"

/* Fails with PA_UNSUPPORTED where the step does what programs cannot. `passes`: PA_ALL_PASSES or some of them. */
pa_status pa_program_new(const pa_log *log, int n_outputs, pa_node *const *outputs, unsigned passes, pa_program **out);

#endif
