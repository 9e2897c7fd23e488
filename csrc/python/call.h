/* Ops called by their numbers. */
#ifndef PA_CALL_H
#define PA_CALL_H

#include "support.h"

/* Adds `apply`, `in_place` and `reshape` to the module; -1 with an exception set. */
int pa_call_ready(PyObject *module);

#endif
