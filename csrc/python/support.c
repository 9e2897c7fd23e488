/* The exceptions that statuses become, and the objects that the Python side has registered. */
#include "support.h"

#include <stdarg.h>

#include "parts.h"

pa_python pa_py;

static PyObject *PyExc_TraceError; /* named as PA_STATUS_MAP and CPython name the others */

PyObject *pa_raise(pa_status status) {
    if (status == PA_PYTHON) return NULL;
    PyObject *const exceptions[PA_STATUS_COUNT] = {
#define X(code, exception) PyExc_##exception,
        PA_STATUS_MAP(X)
#undef X
    };
    PyErr_SetString(exceptions[status], pa_status_message());
    return NULL;
}

PyObject *pa_refuse_type(PyObject *object, const char *what, const char *wanted) {
    return PyErr_Format(PyExc_TypeError, "%s: %s is wanted, not %R", what, wanted, (PyObject *)Py_TYPE(object));
}

int pa_module_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base, PyTypeObject **type) {
    if (*type == NULL) *type = (PyTypeObject *)PyType_FromSpecWithBases(spec, (PyObject *)base);
    return *type == NULL ? -1 : PyModule_AddType(module, *type);
}

int pa_support_ready(PyObject *module) {
    PyExc_TraceError = PyErr_NewExceptionWithDoc(
        "pyautograd.TraceError",
        "A step that pyautograd.compile cannot record; the message says where and what to write instead.\n\n"
        ">>> import pyautograd as pa\n"
        ">>> relu = pa.compile(lambda x: x if x.sum() > 0 else 0 * x)\n"
        ">>> relu(pa.ones(2))\n"
        "Traceback (most recent call last):\n"
        "pyautograd.TraceError: bool: a step that is being compiled has no numbers yet to give to Python ...\n",
        PyExc_RuntimeError, NULL);
    return PyExc_TraceError == NULL ? -1 : PyModule_AddObjectRef(module, "TraceError", PyExc_TraceError);
}

bool pa_read_row(PyObject *row, const char *format, ...) {
    if (!PyTuple_Check(row)) {
        PyErr_SetString(PyExc_TypeError, "a row is a tuple");
        return false;
    }
    va_list targets;
    va_start(targets, format);
    int read = PyArg_VaParse(row, format, targets);
    va_end(targets);
    return read != 0;
}
