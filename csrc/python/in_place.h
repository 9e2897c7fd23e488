/* Writes in place, with a history where a gradient flows. */
#ifndef PA_IN_PLACE_H
#define PA_IN_PLACE_H

#include "handle.h"

/* target op= other. */
PyObject *pa_in_place(pa_op op, PyObject *target, PyObject *other);

/* target := source, which has its shape and dtype, and is written in full before anything is read from it. Where no
   gradient flows the numbers are all that changes. `fresh`: nobody else has the source's node, so that the handle may
   take it. */
pa_status pa_assign(PyObject *target, pa_node *source, const char *what, bool fresh);

/* The handle of a result takes a leaf over the same memory. */
pa_status pa_detach_in_place(PyObject *target);

/* Do others see the memory of a tensor? Then a result that is computed from it and assigned to it needs a copy. */
bool pa_is_shared(const pa_node *node);

#endif
