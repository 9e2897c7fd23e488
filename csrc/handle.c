/* The handle type: a Python object that owns one node. Its operators stand in operators.c, its attributes in
   attributes.c.

   A node has at most one live handle, and points back at it, so that `a is b` and id() tell whether two expressions are the
   same node. A handle that dies leaves its __dict__ to its node if anything else still holds the node.

   Handles are garbage-collected objects that are not tracked until they have a __dict__: without one they cannot be part of a
   cycle. A handle whose node others hold does not show its __dict__ to the collector: what it keeps may still be needed
   by a backward (a closure, say), however unreachable it looks from Python. */
#include "handle.h"

#include <structmember.h>

#include "program/record.h"
#include "scalar.h"

pa_python pa_py;

/* ---- between C and Python ---- */

PyObject *pa_raise(pa_status status) {
    PyObject *exception = PyExc_RuntimeError;
    switch (status) {
    case PA_PYTHON: return NULL;
    case PA_TRACE: exception = pa_py.trace_error; break;
    case PA_MEMORY: exception = PyExc_MemoryError; break;
    case PA_VALUE: exception = PyExc_ValueError; break;
    case PA_TYPE: exception = PyExc_TypeError; break;
    case PA_INDEX: exception = PyExc_IndexError; break;
    case PA_FLOATING_POINT: exception = PyExc_FloatingPointError; break;
    case PA_UNSUPPORTED: exception = PyExc_NotImplementedError; break;
    default: break;
    }
    PyErr_SetString(exception, pa_status_message());
    return NULL;
}

PyObject *pa_node_dict(const pa_node *node) {
    if (node->flags & PA_DICT_ONLY) return node->handle;
    return node->handle != NULL ? ((pa_handle *)node->handle)->dict : NULL;
}

/* Memory of handles that died, for new ones of the exact classes: it saves the collector's and the allocator's part. */
enum { IDLE_HANDLES = 256 };
static struct {
    pa_handle *handle[IDLE_HANDLES];
    int n;
} idle;

static inline bool is_exact(const PyTypeObject *type) { return type == pa_py.value_type || type == pa_py.tensor_type; }

/* A handle of the given class; takes over the reference on the node, also when it fails. */
static PyObject *new_handle(pa_node *node, PyTypeObject *type) {
    pa_handle *handle;
    if (idle.n > 0 && is_exact(type)) {
        handle = idle.handle[--idle.n];
        PyObject_Init((PyObject *)handle, type);
    } else {
        /* a subclass may have slots of its own behind the handle, which must be cleared */
        handle = is_exact(type) ? PyObject_GC_New(pa_handle, type) : (pa_handle *)PyType_GenericAlloc(type, 0);
        if (handle == NULL) {
            pa_node_release(node);
            return NULL;
        }
    }
    handle->node = node;
    handle->dict = NULL;
    handle->weak_references = NULL;
    if (node->flags & PA_DICT_ONLY) {
        handle->dict = node->handle;
        node->flags &= (uint16_t)~PA_DICT_ONLY;
        if (!PyObject_GC_IsTracked((PyObject *)handle)) PyObject_GC_Track((PyObject *)handle);
    }
    node->handle = handle;
    return (PyObject *)handle;
}

PyObject *pa_wrap(pa_node *node) {
    if (node->handle != NULL && !(node->flags & PA_DICT_ONLY)) {
        PyObject *live = node->handle;
        pa_node_release(node); /* the handle has a reference of its own */
        return Py_NewRef(live);
    }
    return new_handle(node, node->flags & PA_IS_VALUE       ? pa_py.value_type
                            : node->flags & PA_IS_PARAMETER ? pa_py.parameter_type
                                                            : pa_py.tensor_type);
}

static pa_status constant(pa_dtype dtype, pa_node **out) {
    PA_TRY(pa_node_new(dtype, 0, NULL, out));
    (*out)->flags |= PA_WEAK;
    return PA_OK;
}

/* A Python number as a 0-d constant. */
static int number_as_node(PyObject *number, pa_node **out) {
    pa_status status;
    if (PyFloat_Check(number)) {
        status = constant(PA_FLOAT64, out);
        if (status == PA_OK) (*out)->value = PyFloat_AsDouble(number);
    } else if (PyBool_Check(number)) {
        status = constant(PA_BOOL, out);
        if (status == PA_OK) (*out)->value_bool = number == Py_True;
    } else {
        int overflow = 0;
        long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
        if (overflow) {
            double as_float = PyLong_AsDouble(number);
            if (as_float == -1.0 && PyErr_Occurred()) return -1;
            status = constant(PA_FLOAT64, out);
            if (status == PA_OK) (*out)->value = as_float;
        } else {
            status = constant(PA_INT64, out);
            if (status == PA_OK) (*out)->value_i64 = value;
        }
    }
    if (status == PA_OK) return 1;
    pa_raise(status);
    return -1;
}

/* NumPy's scalars as Python numbers, which cost less than asking `coerce`; a new reference, or NULL for anything else. */
PyObject *pa_number_of_numpy(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    if (pa_py.numpy_integer == NULL) return NULL;
    if (PyType_IsSubtype(type, pa_py.numpy_integer)) return PyNumber_Index(object);
    if (PyType_IsSubtype(type, pa_py.numpy_floating)) return PyNumber_Float(object);
    return NULL;
}

int pa_as_node(PyObject *object, pa_node **out) {
    if (pa_is_handle(object)) {
        *out = pa_node_retain(pa_handle_node(object));
        return 1;
    }
    if (PyFloat_Check(object) || PyLong_Check(object)) return number_as_node(object, out);
    PyObject *number = pa_number_of_numpy(object);
    if (number != NULL) {
        int found = number_as_node(number, out);
        Py_DECREF(number);
        return found;
    }
    if (pa_py.coerce == NULL) return 0;
    PyObject *coerced = PyObject_CallFunctionObjArgs(pa_py.coerce, object, NULL);
    if (coerced == NULL) return -1;
    int found = 0;
    if (pa_is_handle(coerced)) {
        *out = pa_node_retain(pa_handle_node(coerced));
        found = 1;
    } else if (PyFloat_Check(coerced) || PyLong_Check(coerced)) {
        found = number_as_node(coerced, out);
    }
    Py_DECREF(coerced);
    return found;
}

/* ---- life ---- */

static void handle_dealloc(PyObject *self) {
    pa_handle *handle = (pa_handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    pa_node *node = handle->node;
    if ((handle->dict != NULL || !is_exact(type)) && PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
    if (handle->weak_references != NULL) PyObject_ClearWeakRefs(self);
    if (node != NULL) {
        node->handle = NULL;
        if (handle->dict != NULL && node->refs > 1) {
            node->handle = handle->dict;
            node->flags |= PA_DICT_ONLY;
            handle->dict = NULL;
        }
        handle->node = NULL;
        pa_node_release(node);
    }
    Py_CLEAR(handle->dict);
    if (idle.n < IDLE_HANDLES && is_exact(type))
        idle.handle[idle.n++] = handle;
    else
        PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int handle_traverse(PyObject *self, visitproc visit, void *arg) {
    pa_handle *handle = (pa_handle *)self;
    Py_VISIT(Py_TYPE(self));
    if (handle->node == NULL || handle->node->refs == 1) Py_VISIT(handle->dict);
    return 0;
}

static int handle_clear(PyObject *self) {
    Py_CLEAR(((pa_handle *)self)->dict);
    if (is_exact(Py_TYPE(self)) && PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self); /* dealloc relies on it */
    return 0;
}

void pa_handle_track(PyObject *self) {
    if (((pa_handle *)self)->dict != NULL && !PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
}

static int handle_setattro(PyObject *self, PyObject *name, PyObject *value) {
    int status = PyObject_GenericSetAttr(self, name, value);
    pa_handle_track(self);
    return status;
}

/* Makes a fresh Value the result of a custom op on its children. */
static int adopt_children(pa_node *node, PyObject *children) {
    PyObject *tuple = PySequence_Tuple(children);
    if (tuple == NULL) return -1;
    Py_ssize_t n = PyTuple_Size(tuple);
    pa_node **parents = pa_mem_alloc_array((size_t)n + 1, sizeof *parents);
    pa_status status = parents == NULL ? PA_MEMORY : PA_OK;
    for (Py_ssize_t i = 0; status == PA_OK && i < n; i++) {
        PyObject *child = PyTuple_GetItem(tuple, i);
        if (pa_is_value(child))
            parents[i] = pa_handle_node(child);
        else
            status = pa_fail(PA_TYPE, "Value: child %zd is not a Value", i);
    }
    if (status == PA_OK && n > 0) status = pa_apply_custom(node, (int)n, parents);
    if (parents != NULL) pa_mem_free_array(parents, (size_t)n + 1, sizeof *parents);
    Py_DECREF(tuple);
    if (status == PA_OK) return 0;
    pa_raise(status);
    return -1;
}

/* Value(data, _children=(), _op='', label=''): micrograd's constructor. Tensors are made by functions of bind.c. */
static PyObject *handle_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"data", "_children", "_op", "label", NULL};
    PyObject *data, *children = NULL, *op = NULL, *label = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|OOO:Value", names, &data, &children, &op, &label)) return NULL;
    if (!PyType_IsSubtype(type, pa_py.value_type)) {
        PyErr_Format(PyExc_TypeError, "make a Tensor with pyautograd.tensor(data)");
        return NULL;
    }
    pa_node *node = NULL;
    pa_status status;
    if (pa_recording() != NULL && pa_is_handle(data) && pa_handle_node(data)->flags & PA_NUMBER &&
        pa_handle_node(data)->ndim == 0) {
        status = pa_record_value_of(pa_handle_node(data), &node);
    } else {
        double number = PyFloat_AsDouble(data);
        if (number == -1.0 && PyErr_Occurred()) return NULL;
        status = pa_value_new(number, &node);
    }
    if (status != PA_OK) return pa_raise(status);
    PyObject *self = new_handle(node, type);
    if (self == NULL) return NULL;
    if (children != NULL && adopt_children(node, children) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    bool named = op != NULL && PyObject_IsTrue(op) == 1, labelled = label != NULL && PyObject_IsTrue(label) == 1;
    if ((named && PyObject_SetAttrString(self, "_custom_op", op) < 0) ||
        (labelled && PyObject_SetAttrString(self, "label", label) < 0)) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}
static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(pa_handle, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(pa_handle, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static const PyType_Slot life_slots[] = {
    {Py_tp_new, handle_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_setattro, handle_setattro},
    {Py_tp_methods, pa_handle_methods},
    {Py_tp_getset, pa_handle_attributes},
    {Py_tp_members, members},
};

static PyType_Spec node_type = {
    .name = "pyautograd._core.Node",
    .basicsize = sizeof(pa_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
};

/* Value and Tensor are types of their own, not Python subclasses: one that is made by a class statement costs 50 ns more at
   the death of each object. Python adds their methods (pyautograd/_graft.py). */
static PyType_Slot class_slots[] = {
    {Py_tp_dealloc, handle_dealloc}, {Py_tp_traverse, handle_traverse}, {Py_tp_clear, handle_clear}, {0, NULL}};

static PyType_Spec value_type = {
    .name = "pyautograd.Value",
    .basicsize = sizeof(pa_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = class_slots,
};

static PyType_Slot tensor_slots[] = {
    {Py_tp_dealloc, handle_dealloc},      {Py_tp_traverse, handle_traverse},          {Py_tp_clear, handle_clear},
    {Py_bf_getbuffer, pa_buffer_get}, {Py_bf_releasebuffer, pa_buffer_release}, {0, NULL}};

static PyType_Spec tensor_type = {
    .name = "pyautograd.Tensor",
    .basicsize = sizeof(pa_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = tensor_slots,
};

static PyTypeObject *make_class(PyType_Spec *spec) {
    PyObject *bases = PyTuple_Pack(1, (PyObject *)pa_py.node_type);
    PyObject *type = bases == NULL ? NULL : PyType_FromSpecWithBases(spec, bases);
    Py_XDECREF(bases);
    return (PyTypeObject *)type;
}

int pa_handle_ready(void) {
    if (pa_py.node_type != NULL) return 0;
    PyType_Slot slots[64] = {{0, NULL}}; /* the life's, the operators', and the end */
    size_t n = 0;
    for (size_t i = 0; i < sizeof life_slots / sizeof life_slots[0]; i++) slots[n++] = life_slots[i];
    for (const PyType_Slot *slot = pa_operator_slots; slot->slot != 0; slot++) slots[n++] = *slot;
    node_type.slots = slots;
    pa_py.node_type = (PyTypeObject *)PyType_FromSpec(&node_type);
    if (pa_py.node_type == NULL) return -1;
    pa_py.value_type = make_class(&value_type);
    pa_py.tensor_type = make_class(&tensor_type);
    return pa_py.value_type == NULL || pa_py.tensor_type == NULL ? -1 : 0;
}
