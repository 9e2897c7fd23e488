/* The context managers that switch modes: no_grad, enable_grad and their like. */
#ifndef PA_MODES_H
#define PA_MODES_H

#include "support.h"

/* Adds them, and what tells the modes, to the module; -1 with an exception set. */
int pa_modes_ready(PyObject *module);

#endif
