/* What a program is given: the arguments of a call as it expects them. */
#ifndef PA_ARGUMENTS_H
#define PA_ARGUMENTS_H

#include "handle.h"

#include "../table.h"

typedef struct pa_argument pa_argument;

/* What arguments must be, and those of the call under way. */
typedef struct pa_arguments {
    pa_argument *rows; /* in the order in which they are met */
    Py_ssize_t n_rows;
    int32_t n_inputs, n_containers;
    pa_node **in;          /* of the call: its inputs, held; NULL where the input is a number */
    double *numbers;       /* of the call: the same for numbers */
    PyObject **containers; /* of the call: its lists, dicts and other containers that may be written to, held */
    pa_table met;          /* of the call: these, by their addresses */
} pa_arguments;

/* Reads what _signature.py says of arguments: a tuple of rows (kind, count, what, slot). Of the inputs, the last may
   come from elsewhere. -1 with an exception set. */
int pa_arguments_set(pa_arguments *self, PyObject *rows, int32_t n_inputs);

/* Takes a call's arguments apart. 1 where they are as expected, 0 where not, -1 with an exception set; `release` drops
   what was taken, whichever it is. */
int pa_arguments_take(pa_arguments *self, PyObject *positional, PyObject *named);
void pa_arguments_release(pa_arguments *self);

int pa_arguments_traverse(const pa_arguments *self, visitproc visit, void *arg);
void pa_arguments_clear(pa_arguments *self);
void pa_arguments_free(pa_arguments *self);

#endif
