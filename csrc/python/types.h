/* The types Node, Value and Tensor. */
#ifndef PA_TYPES_H
#define PA_TYPES_H

#include "support.h"

/* Makes them and adds them to the module; -1 with an exception set. */
int pa_types_ready(PyObject *module);

#endif
