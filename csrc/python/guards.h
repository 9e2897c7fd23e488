/* Guards as programs see them: what a recorded step read from Python, and whether it is still so. */
#ifndef PA_GUARDS_H
#define PA_GUARDS_H

#include "handle.h"

/* -1 where all of them hold, else the index of the first that does not; -2 with an exception set. */
int pa_guards_check(PyObject *guards);

bool pa_is_guards(PyObject *object);

/* The index of a guard over what an object holds, or -1. */
Py_ssize_t pa_guards_about(PyObject *guards, PyObject *owner);

/* Puts a value into the place of a guard, of a sequence as a member, and expects it there from now on; -1 with an
   exception set. */
int pa_guards_put(PyObject *guards, Py_ssize_t index, Py_ssize_t member, PyObject *value);

/* The float in the place of a guard, of a sequence as a member. 1, 0 where there is none, -1 with an exception set. */
int pa_guards_read_number(PyObject *guards, Py_ssize_t index, Py_ssize_t member, double *out);

/* Does that very tensor stand in the place of a guard? 1, 0, -1 with an exception set. */
int pa_guards_holds_tensor(PyObject *guards, Py_ssize_t index, const pa_node *node);

/* The same object, or an equal number or text of the same type, floats bit for bit; also tuples of these. */
bool pa_same_constant(PyObject *wanted, PyObject *given);

#endif
