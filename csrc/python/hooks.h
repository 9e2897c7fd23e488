/* How the engine reaches Python, and where in the user's code that happens. */
#ifndef PA_HOOKS_H
#define PA_HOOKS_H

#include "support.h"

/* A UserWarning at the user's line; -1 where warnings are errors. */
int pa_warn(const char *message);

/* Sets the engine's hooks and adds `after_fork` to the module; -1 with an exception set. */
int pa_hooks_ready(PyObject *module);

#endif
