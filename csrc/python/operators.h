/* Operators in place. */
#ifndef PA_OPERATORS_H
#define PA_OPERATORS_H

#include "handle.h"

/* target op= other: in place where no gradient flows; else the handle moves on to the node of the result. */
PyObject *pa_in_place(pa_op op, PyObject *target, PyObject *other);

#endif
