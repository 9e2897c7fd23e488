/* The Python objects that own nodes: what handle.c, attributes.c, operators.c, layer.c, bind.c and the
   other files that include Python.h share.

       Value, Tensor (types of handle.c, methods from Python) ── subclass ──▶ Node (operators.c: its slots)
       Parameter (a Python class) ── subclass ──▶ Tensor                        │ node ──▶ pa_node
                                                                                └ dict: label, … ; left to the node
                                                                                  when the handle dies */
#ifndef PA_HANDLE_H
#define PA_HANDLE_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000 /* CPython 3.11: the first stable ABI with buffers */
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../apply.h"

typedef struct pa_handle {
    PyObject_HEAD
    pa_node *node;
    PyObject *dict;
    PyObject *weak_references;
} pa_handle;

/* The Python side's classes and callables, set once at import by bind.c's `register`. */
typedef struct pa_python {
    PyTypeObject *node_type, *value_type, *tensor_type, *parameter_type;
    PyTypeObject *numpy_integer, *numpy_floating; /* NumPy's scalars */
    PyObject *coerce;         /* object -> Node, number or NotImplemented: NumPy arrays and scalars */
    PyObject *dtypes;         /* tuple of dtype objects, by pa_dtype */
    PyObject *trace_error;    /* pyautograd.TraceError */
    PyObject *package_folder; /* "…/pyautograd/": frames of code from there are not the user's */
    PyObject *resolve_blas;   /* callable that finds NumPy's BLAS */
} pa_python;

PA_INTERNAL extern pa_python pa_py;

static inline bool pa_is_handle(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    return type == pa_py.value_type || type == pa_py.tensor_type || type == pa_py.parameter_type ||
           (pa_py.node_type != NULL && PyType_IsSubtype(type, pa_py.node_type));
}
static inline pa_node *pa_handle_node(PyObject *handle) { return ((pa_handle *)handle)->node; }

static inline bool pa_is_value(PyObject *object) {
    if (Py_TYPE(object) == pa_py.value_type) return true;
    if (PyFloat_CheckExact(object) || PyLong_CheckExact(object)) return false;
    return pa_is_handle(object) && pa_handle_node(object)->flags & PA_IS_VALUE;
}

/* A UserWarning at the user's line; -1 where warnings are errors. */
int pa_warn(const char *message);

/* Sets the exception that a status stands for; returns NULL. */
PyObject *pa_raise(pa_status status);

/* The handle of a node: the live one, or a new one. Takes over the caller's reference on the node, also when it fails. */
PyObject *pa_wrap(pa_node *node);

/* A new reference on the node that an operand stands for: a handle's, or a fresh constant's. 1; 0 where it is no operand;
   -1 with an exception set. */
int pa_as_node(PyObject *object, pa_node **out);

/* NumPy's scalars as Python numbers, which costs less than asking `coerce`; a new reference, or NULL for anything else. */
PyObject *pa_number_of_numpy(PyObject *object);

/* operators.c: the slots, ended by {0, NULL}; a tensor's only element as a Python number. */
extern const PyType_Slot pa_operator_slots[];
PyObject *pa_only_element(PyObject *self, const char *what);

/* Where a node's Python attributes are, borrowed; NULL when it has none. */
PyObject *pa_node_dict(const pa_node *node);

/* target op= other: in place where no gradient flows; else the handle moves on to the node of the result. */
PyObject *pa_in_place(pa_op op, PyObject *target, PyObject *other);

/* attributes.c: what Tensor and Value have from C, for the type. */
extern PyMethodDef pa_handle_methods[];
extern PyGetSetDef pa_handle_attributes[];

/* After PyFloat_AsDouble has failed: names `what` in the TypeError of an object that is no number. Returns -1. */
int pa_refuse_number(PyObject *object, const char *what);

/* What Python converts to a float. -1 with an exception set: a TypeError that says `what` where it is no number. */
static inline int pa_read_number(PyObject *object, const char *what, double *out) {
    double number = PyFloat_AsDouble(object);
    if (number == -1.0 && PyErr_Occurred()) return pa_refuse_number(object, what);
    *out = number;
    return 0;
}

/* Shows the handle to the collector once it has a __dict__ or is anchored. */
void pa_handle_track(PyObject *self);

/* Sets an attribute that is the engine's own, past a __setattr__ of a subclass; -1 with an exception set. */
int pa_handle_keep(PyObject *self, const char *name, PyObject *object);

/* Children of this Value will hold it by its handle; nothing where others hold its node already. */
void pa_handle_anchor(PyObject *self);

/* Two Tensors, of no graph yet, trade their nodes: how __init__ gives a Tensor what a function has made. */
PyObject *pa_exchange(PyObject *module, PyObject *const *arguments, Py_ssize_t n);

/* Makes the types Node, Value and Tensor; -1 with an exception set. */
int pa_handle_ready(void);

/* arrays.c: tensors over NumPy's arrays. As a node: 1; 0 where Python has to look at it; -1 with an exception set. */
bool pa_is_array(PyObject *object);
int pa_array_as_node(PyObject *object, pa_node **out);
PyObject *pa_array_over(PyObject *module, PyObject *object);
PyObject *pa_arrays_ready(PyObject *module, PyObject *arguments);

/* buffer.c: the slots by which tensors are buffers. */
int pa_buffer_get(PyObject *self, Py_buffer *view, int flags);
void pa_buffer_release(PyObject *owner, Py_buffer *view);

/* layer.c: adds NeuronState to the module; the function `layer`; a neuron's w, b and nonlin, borrowed, NULL where missing. */
int pa_layer_ready(PyObject *module);
PyObject *pa_layer(PyObject *module, PyObject *const *arguments, Py_ssize_t n);
bool pa_is_neuron(PyObject *object);
void pa_neuron_fields(PyObject *neuron, PyObject *fields[3]);

#endif
