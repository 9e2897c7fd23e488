/* What types.c puts together to the types Node, Value and Tensor: attributes, operators, buffers. */
#ifndef PA_TYPES_H
#define PA_TYPES_H

#include "support.h"

/* attributes.c */
extern PyMethodDef pa_handle_methods[];
extern PyGetSetDef pa_handle_attributes[];

/* operators.c; ended by {0, NULL} */
extern const PyType_Slot pa_operator_slots[];

/* buffer.c */
int pa_buffer_get(PyObject *self, Py_buffer *view, int flags);
void pa_buffer_release(PyObject *owner, Py_buffer *view);

#endif
