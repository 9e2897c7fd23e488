/* A Python callable called in the middle of a program. */
#ifndef PA_PROGRAM_HOST_H
#define PA_PROGRAM_HOST_H

#include "program.h"

/* PA_DO_HOST. Called with the caller's floating-point mode in force. */
pa_status pa_host_call(pa_program *p, const pa_instruction *instruction);

/* PA_DO_BACKWARD of a node of op custom, whose gradient buffers are set. */
pa_status pa_host_backward(pa_program *p, const pa_instruction *instruction);

#endif
