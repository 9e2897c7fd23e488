/* One step of a program whose buffers are bound. */
#ifndef PA_PROGRAM_EXECUTE_H
#define PA_PROGRAM_EXECUTE_H

#include "../kernels/fpmode.h"
#include "program.h"

/* The step, without what follows for its caller's graph. Before it and after it the floating-point mode is the
   caller's. */
pa_status pa_program_execute(pa_program *p, pa_fpmode *mode);

/* A part of what follows: the gradients of the arguments and captured tensors from those of the results,
   p->history.present[b] telling of each buffer whether it has one. */
pa_status pa_program_execute_backward(pa_program *p, const pa_part *part);

#endif
