/* Tensors as buffers. */
#ifndef PA_BUFFER_H
#define PA_BUFFER_H

#include "support.h"

/* For the slots of Tensor. */
int pa_buffer_get(PyObject *self, Py_buffer *view, int flags);
void pa_buffer_release(PyObject *owner, Py_buffer *view);

#endif
