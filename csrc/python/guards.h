/* Guards as programs see them: what a recorded step read from Python, and whether it is still so. */
#ifndef PA_GUARDS_H
#define PA_GUARDS_H

#include "support.h"

/* -1 where all of them hold, else the index of the first that does not; -2 with an exception set. */
int pa_guards_check(PyObject *guards);

bool pa_is_guards(PyObject *object);

#endif
