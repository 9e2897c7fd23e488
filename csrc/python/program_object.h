/* The objects of the type Program: what they have, and their calls and runs (program_call.c). */
#ifndef PA_PROGRAM_OBJECT_H
#define PA_PROGRAM_OBJECT_H

#include "arguments.h"

#include "../program/program.h"

enum { PA_PUT_INTO_GUARDED = -1, PA_PUT_APPEND = -2 };

/* Where a result goes besides, or instead of, to the caller: into the place of a guard, or into an argument. */
typedef struct pa_put {
    int32_t result;
    int32_t container; /* of the arguments; or one of these */
    Py_ssize_t guard, member;
    int32_t since; /* it is there when the step comes to this entry of its log, and to those behind it */
    PyObject *key; /* held: where in the container, None to append; of PA_PUT_APPEND the list */
} pa_put;

typedef struct pa_program_object {
    PyObject_HEAD
    pa_program *program;
    pa_arguments arguments;
    PyObject *guards;          /* or NULL */
    PyObject **plans;          /* of each update, the Python object to which its addresses belong; or NULL */
    Py_ssize_t *number_places; /* guard, member, guard …: where the last inputs stand, which are numbers */
    int32_t n_number_places;
    Py_ssize_t *shared; /* an input, the guard in whose place the same tensor stands, an input … */
    int32_t n_shared;   /* of both */
    Py_ssize_t *given;  /* the results that the caller gets, in order */
    int32_t n_given;
    pa_put *puts;
    size_t puts_room;
    int32_t n_puts;
    bool puts_by_python, fails_in_python;
    PyObject *known; /* of each container among the arguments, which one the guards are about it is, or None; or NULL */
    /* Where puts are Python's to make: all results of the last step of a run, and the entry at which a step has failed
       with those results that it had made; or NULL */
    PyObject *left, *failed;
    bool retired;
    uint32_t calling; /* pa_process while a call is under way: guards, and the making of results, may run Python */
    pa_node **results, **failed_results; /* of the call under way, and of a step of a run that has failed */
    PyObject **made;                     /* the objects of results */
    int64_t steps_done;
} pa_program_object;

/* Is a call or a run under way, which refuses another? */
bool pa_program_object_is_calling(const pa_program_object *p);
PyObject *pa_program_object_refuse(void);

/* The methods `call` and `run`. */
PyObject *pa_program_object_call(PyObject *self, PyObject *const *arguments, Py_ssize_t n);
PyObject *pa_program_object_run(PyObject *self, PyObject *arguments);

/* What keeps `run` from making the program's steps in C, or NULL. */
const char *pa_program_object_obstacle(const pa_program_object *p);

#endif
