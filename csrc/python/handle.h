/* Handles: the Python objects that own nodes, and their life.

       Value, Tensor (types.c, methods from Python) ── subclass ──▶ Node
       Parameter (a Python class) ── subclass ──▶ Tensor              │ node ──▶ pa_node
                                                                      └ dict: label, … ; left to the node
                                                                        when the handle dies */
#ifndef PA_HANDLE_H
#define PA_HANDLE_H

#include "support.h"

#include "../graph.h"

typedef struct pa_handle {
    PyObject_HEAD
    pa_node *node;
    PyObject *dict;
    PyObject *weak_references;
} pa_handle;

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

/* Does it stand for a Python float while a step is recorded? */
static inline bool pa_is_traced_scalar(PyObject *object) {
    return pa_is_handle(object) && pa_handle_node(object)->flags & PA_TRACED_SCALAR &&
           pa_handle_node(object)->ndim == 0;
}

/* A handle of the given type for a node that has none. Takes over the caller's reference on the node, also when it
   fails. */
PyObject *pa_handle_new(pa_node *node, PyTypeObject *type);

/* The handle of a node, the live one or a new one; takes over the reference likewise. */
PyObject *pa_wrap(pa_node *node);

/* For the end of a function that has made *node, or failed. */
static inline PyObject *pa_wrap_or_raise(pa_status status, pa_node **node) {
    return status == PA_OK ? pa_wrap(*node) : pa_raise(status);
}

/* The node's handle, borrowed, unless it has none or that is dying: members of a subclass die first, and Python may see
   that. */
PyObject *pa_live_handle(const pa_node *node);

/* Where a node's Python attributes are, borrowed; NULL when it has none. */
PyObject *pa_node_dict(const pa_node *node);

/* Shows the handle to the collector once it has a __dict__ or is anchored. */
void pa_handle_track(PyObject *self);

/* Sets an attribute that is the engine's own, past a __setattr__ of a subclass; -1 with an exception set. */
int pa_handle_keep(PyObject *self, const char *name, PyObject *object);

/* From now on children of this Value hold it by its handle; no change where others hold its node already. */
void pa_handle_anchor(PyObject *self);

/* For the slots of the types. */
void pa_handle_dealloc(PyObject *self);
int pa_handle_traverse(PyObject *self, visitproc visit, void *arg);
int pa_handle_clear(PyObject *self);
int pa_handle_setattro(PyObject *self, PyObject *name, PyObject *value);

#endif
