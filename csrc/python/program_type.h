/* Programs as Python sees them: recording, and the types Recording and Program. */
#ifndef PA_PROGRAM_TYPE_H
#define PA_PROGRAM_TYPE_H

#include "handle.h"

/* Adds them to the module; -1 with an exception set. */
int pa_program_ready(PyObject *module);

#endif
