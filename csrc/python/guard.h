/* One guard: something that a recorded step read, and what it expects to be there. */
#ifndef PA_GUARD_H
#define PA_GUARD_H

#include "handle.h"

typedef enum guard_kind {
    GUARD_REFERENTS,
    GUARD_OBJECT,
    GUARD_ITEM,
    GUARD_LENGTH,
    GUARD_MEMBERS,
    GUARD_NEURON,
    GUARD_ATTRIBUTE,
    GUARD_MEMORY,
    GUARD_MODES
} guard_kind;

/* The elements of an ndarray, where they were when the guard was made: the array is held and does not move. */
typedef struct guarded_memory {
    const char *address;
    Py_ssize_t itemsize;
    int ndim;
    size_t bytes; /* of the copy */
    char *copy;   /* the elements in row-major order */
    Py_ssize_t shape[PA_MAX_NDIM], strides[PA_MAX_NDIM];
} guarded_memory;

typedef struct guard {
    guard_kind kind;
    Py_ssize_t index;      /* in the order they were added */
    PyObject *owner, *key; /* held */
    PyObject *expected;    /* held; NULL for nothing there */
    PyObject **members;    /* held, each of them */
    Py_ssize_t n;          /* of members; a length; the modes */
    traverseproc traverse; /* of the owner, where referents are compared */
    guarded_memory *memory;
    uint8_t accepts; /* guard_accepts */
} guard;

/* What may be there besides what is expected. */
typedef enum guard_accepts { ACCEPTS_NOTHING_ELSE, ACCEPTS_NUMBERS, ACCEPTS_ALL } guard_accepts;

/* 1, 0, or -1 with an exception set. */
int pa_guard_holds(const guard *g);

/* Takes what the owner has now; 0, or -1 with an exception set, the guard then expecting nothing. */
int pa_guard_snapshot(guard *g);
void pa_guard_forget(guard *g);

/* What is there, or what is expected to be, as a new reference; NotImplemented for nothing, NULL with an exception
   set. Of a sequence, a list of its members. */
PyObject *pa_guard_value(const guard *g, bool expected);

/* Puts a value there, of a sequence as a member; -1 with an exception set. */
int pa_guard_store(guard *g, Py_ssize_t member, PyObject *value);

/* May what is put be expected from then on? Not by a step that was recorded where None, or another shape, was found. */
bool pa_guard_may_follow(PyObject *before, PyObject *value);

#endif
