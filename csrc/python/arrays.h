/* Tensors over NumPy's arrays and other memory. */
#ifndef PA_ARRAYS_H
#define PA_ARRAYS_H

#include "handle.h"

/* A new tensor over the array's memory. 1; 0 where Python has to look at the array; -1 with an exception set. */
int pa_array_as_node(PyObject *object, pa_node **out);

#endif
