/* Between Python objects and nodes, numbers, ints and dtypes. */
#ifndef PA_CONVERT_H
#define PA_CONVERT_H

#include "handle.h"

/* A new reference on the node that an operand stands for: a handle's, or a fresh constant's. 1; 0 where it is no
   operand; -1 with an exception set. */
int pa_as_node(PyObject *object, pa_node **out);

/* After PyFloat_AsDouble has failed: names `what` in the TypeError of an object that is no number. Returns -1. */
int pa_refuse_number(PyObject *object, const char *what);

/* What Python converts to a float. -1 with an exception set: a TypeError that says `what` where it is no number. */
static inline int pa_read_number(PyObject *object, const char *what, double *out) {
    double number = PyFloat_AsDouble(object);
    if (number == -1.0 && PyErr_Occurred()) return pa_refuse_number(object, what);
    *out = number;
    return 0;
}

/* NumPy's scalars as Python numbers, which costs less than asking `coerce`; a new reference, or NULL for anything
   else. */
PyObject *pa_number_of_numpy(PyObject *object);

/* An operand of an op, whose name the TypeError has; 0, or -1 with an exception set. */
int pa_read_operand(PyObject *object, pa_op op, int place, pa_node **out);

/* The node of a Tensor or Value, borrowed; NULL with an exception set. */
pa_node *pa_read_handle(PyObject *object, const char *what);

/* A tuple of ints; their number, or -1 with an exception set. */
int pa_read_ints(PyObject *tuple, int64_t *out, int capacity, const char *what);

/* A shape as one sequence or as several ints, by which the TypeError calls the argument; the number of axes, or -1 with
   an exception set. */
int pa_read_sizes(PyObject *const *arguments, Py_ssize_t n, int64_t *out, const char *what, const char *argument);

/* A dtype by its number; -1 with an exception set. */
int pa_read_dtype(PyObject *object);

/* Sets the TypeError of a wrong number of arguments; returns false. */
bool pa_refuse_count(Py_ssize_t n, Py_ssize_t least, Py_ssize_t most, const char *what);

/* Is the number of arguments right? false with an exception set. */
static inline bool pa_has_arguments(Py_ssize_t n, Py_ssize_t least, Py_ssize_t most, const char *what) {
    return (n >= least && n <= most) || pa_refuse_count(n, least, most, what);
}

/* The number of a node with one element, in its dtype's type: bool, int or float. */
PyObject *pa_node_element(const pa_node *node);

/* The same for a handle, refused where it has more elements than one or a recorded step does not know them; `what` asks
   for it. */
PyObject *pa_only_element(PyObject *self, const char *what);

/* The same for `item`, which gives a deferred number where a recorded step does not know it. */
PyObject *pa_item(PyObject *self);

#endif
