/* How the engine reaches Python, and where in the user's code that happens. */
#ifndef PA_HOOKS_H
#define PA_HOOKS_H

#include "support.h"

/* A UserWarning at the user's line; -1 where warnings are errors. */
int pa_warn(const char *message);

#endif
