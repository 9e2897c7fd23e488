/* One step of a program whose buffers are bound: its instructions, or the straight-line code of a step over Values. */
#ifndef PA_PROGRAM_EXECUTE_H
#define PA_PROGRAM_EXECUTE_H

#include "../kernels/fpmode.h"
#include "program.h"

pa_status pa_program_execute(pa_program *p, pa_fpmode *mode);
void pa_values_execute(pa_program *p, pa_fpmode *mode);

#endif
