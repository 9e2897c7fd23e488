/* One step of a program whose buffers are bound. */
#ifndef PA_PROGRAM_EXECUTE_H
#define PA_PROGRAM_EXECUTE_H

#include "../kernels/fpmode.h"
#include "program.h"

/* Before it and after it the floating-point mode is the caller's. */
pa_status pa_program_execute(pa_program *p, pa_fpmode *mode);

#endif
