/* Tensors made and written to. */
#ifndef PA_TENSORS_H
#define PA_TENSORS_H

#include "support.h"

/* Adds `empty`, `parameter` and the others to the module; -1 with an exception set. */
int pa_tensors_ready(PyObject *module);

#endif
