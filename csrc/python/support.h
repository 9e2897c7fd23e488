/* What every file of this folder uses: Python.h with the stable ABI, the exceptions that statuses become, the
   objects that the Python side has registered, and how types and functions get into the module. */
#ifndef PA_SUPPORT_H
#define PA_SUPPORT_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000 /* CPython 3.11: the first stable ABI with buffers */
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../status.h"

/* The types of nodes, made at import, and what `register` (module.c) is given by the Python side. */
typedef struct pa_python {
    PyTypeObject *node_type, *value_type, *tensor_type, *parameter_type;
    PyTypeObject *numpy_integer, *numpy_floating; /* NumPy's scalars */
    PyTypeObject *numpy_array;
    PyObject *as_tensor;
    PyObject *coerce;         /* object -> Node, number or NotImplemented: NumPy arrays and scalars */
    PyObject *dtypes;         /* tuple of dtype objects, by pa_dtype */
    PyObject *package_folder; /* "…/pyautograd/": frames of code from there are not the user's */
    PyObject *resolve_blas;   /* callable that finds NumPy's BLAS */
} pa_python;

PA_INTERNAL extern pa_python pa_py;

/* Sets the exception that a status stands for; returns NULL. */
PyObject *pa_raise(pa_status status);

/* The same where the status may be PA_OK, which gives None, or 0 instead of -1. */
static inline PyObject *pa_none_or_raise(pa_status status) {
    return status == PA_OK ? Py_NewRef(Py_None) : pa_raise(status);
}
static inline int pa_zero_or_raise(pa_status status) {
    if (status == PA_OK) return 0;
    pa_raise(status);
    return -1;
}

/* Sets a TypeError such as "grad: a Tensor or None is wanted, not <class 'int'>"; returns NULL. */
PyObject *pa_refuse_type(PyObject *object, const char *what, const char *wanted);

/* Puts an item, whose reference it takes over, into a new tuple; drops the tuple where there is no item. */
static inline void pa_tuple_put(PyObject **tuple, Py_ssize_t i, PyObject *item) {
    if (*tuple == NULL)
        Py_XDECREF(item);
    else if (item == NULL || PyTuple_SetItem(*tuple, i, item) < 0)
        Py_CLEAR(*tuple);
}

/* As PyArg_ParseTuple, of what somebody has given for a tuple; false with an exception set. */
bool pa_read_row(PyObject *row, const char *format, ...);

/* A row of a method table. Python shows the signature in help() and inspect.signature(). */
#define PA_METHOD(name, function, flags, signature, words)                                                             \
    {name, (PyCFunction)(void (*)(void))function, flags, name signature "\n--\n\n" words}

/* Makes the type, on a base if one is given, unless it is there already, and adds it to the module; -1 with an
   exception set. */
int pa_module_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base, PyTypeObject **type);

#endif
