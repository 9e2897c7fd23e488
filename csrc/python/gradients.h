/* Differentiating. */
#ifndef PA_GRADIENTS_H
#define PA_GRADIENTS_H

#include "support.h"

/* Adds `backward`, `grad`, `attach` and `tape` to the module; -1 with an exception set. */
int pa_gradients_ready(PyObject *module);

#endif
