/* Value(…): how a Value is made and filled. */
#ifndef PA_VALUE_INIT_H
#define PA_VALUE_INIT_H

#include "support.h"

/* For the slots of the type. */
PyObject *pa_value_type_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords);
int pa_value_type_init(PyObject *self, PyObject *arguments, PyObject *keywords);

#endif
