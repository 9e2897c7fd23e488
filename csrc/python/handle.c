/* The handle type: a Python object that owns one node. Its operators stand in operators.c, its attributes in
   attributes.c.

   A node has at most one live handle, and points back at it, so that `a is b` and id() tell whether two expressions are the
   same node. A handle that dies leaves its __dict__ to its node if anything else still holds the node.

   Handles are garbage-collected objects that are not tracked until they have a __dict__: without one they cannot be part of a
   cycle. A handle whose node others hold does not show its __dict__ to the collector: what it keeps may still be needed
   by a backward, however unreachable it looks from Python. Where that would keep cycles alive, in chains of Values with
   closures, the nodes are anchored (graph.h): children hold the handle, and each handle shows those that its node holds. */
#include "handle.h"

#include <math.h>
#include <string.h>
#include <structmember.h>

#include "../record.h"
#include "../scalar.h"

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

/* The __dict__ that an earlier handle of the node left, or has while it is dying. */
static void take_dict(pa_handle *handle) {
    pa_node *node = handle->node;
    if (node->flags & PA_DICT_ONLY) {
        handle->dict = node->handle;
        node->flags &= (uint16_t)~PA_DICT_ONLY;
    } else {
        pa_handle *dying = node->handle;
        handle->dict = dying->dict;
        dying->dict = NULL;
    }
    pa_handle_track((PyObject *)handle);
}

/* The node's handle, unless it has none or that is dying: members of a subclass die first, and Python may see that. */
static PyObject *live_handle(const pa_node *node) {
    if (node->flags & PA_DICT_ONLY || node->handle == NULL || Py_REFCNT((PyObject *)node->handle) == 0) return NULL;
    return node->handle;
}

/* The memory of a handle that nobody sees, and its reference on its type. */
static void give_back(PyObject *handle, PyTypeObject *type) {
    if (idle.n < IDLE_HANDLES && is_exact(type))
        idle.handle[idle.n++] = (pa_handle *)handle;
    else
        PyObject_GC_Del(handle);
    Py_DECREF(type);
}

/* Memory for a handle; NULL where there is none, and where the node has got a handle meanwhile: allocation may run the
   collector, and Python that asks for it. */
static pa_handle *allocate_handle(const pa_node *node, PyTypeObject *type) {
    /* a subclass may have slots of its own behind the handle, which must be cleared */
    PyObject *handle = is_exact(type) ? (PyObject *)PyObject_GC_New(pa_handle, type) : PyType_GenericAlloc(type, 0);
    if (handle == NULL || live_handle(node) == NULL) return (pa_handle *)handle;
    if (PyObject_GC_IsTracked(handle)) PyObject_GC_UnTrack(handle);
    give_back(handle, type);
    return NULL;
}

/* A handle of the given class; takes over the reference on the node, also when it fails. */
static inline PyObject *new_handle(pa_node *node, PyTypeObject *type) {
    pa_handle *handle;
    if (idle.n > 0 && is_exact(type)) {
        handle = idle.handle[--idle.n];
        PyObject_Init((PyObject *)handle, type);
    } else if ((handle = allocate_handle(node, type)) == NULL) {
        PyObject *live = Py_XNewRef(live_handle(node));
        pa_node_release(node);
        return live;
    }
    handle->node = node;
    handle->dict = NULL;
    handle->weak_references = NULL;
    if (node->handle != NULL) take_dict(handle);
    if (node->flags & PA_ANCHORED) pa_handle_track((PyObject *)handle);
    node->handle = handle;
    return (PyObject *)handle;
}

PyObject *pa_wrap(pa_node *node) {
    PyObject *live = live_handle(node);
    if (live != NULL) {
        pa_node_release(node); /* the handle has a reference of its own */
        return Py_NewRef(live);
    }
    return new_handle(node, node->flags & PA_IS_VALUE       ? pa_py.value_type
                            : node->flags & PA_IS_PARAMETER ? pa_py.parameter_type
                                                            : pa_py.tensor_type);
}

static pa_status constant(pa_dtype dtype, pa_node **out) {
    PA_TRY(pa_node_new(dtype, 0, NULL, out));
    (*out)->flags |= PA_WEAK_SCALAR;
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
        if (overflow) { /* a float would be another number, and the result of integers another dtype */
            PyErr_SetString(PyExc_OverflowError,
                            "an int that does not fit into int64 beside a tensor; write it as a float");
            return -1;
        }
        status = constant(PA_INT64, out);
        if (status == PA_OK) (*out)->value_i64 = value;
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

/* The handle leaves the graph before anything that may run Python: a callback that looks at the node finds no dying handle. */
static void handle_dealloc(PyObject *self) {
    pa_handle *handle = (pa_handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    pa_node *node = handle->node;
    PyObject *dict = handle->dict;
    bool tracked = dict != NULL || node->flags & PA_ANCHORED || !is_exact(type);
    if (tracked && PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
    if (node->handle == handle) { /* else another took its place while this one was dying */
        node->handle = NULL;
        if (dict != NULL && node->refs > 1) {
            node->handle = dict;
            node->flags |= PA_DICT_ONLY;
            dict = NULL;
        }
    }
    handle->dict = NULL;
    if (handle->weak_references != NULL) PyObject_ClearWeakRefs(self);
    pa_node_release(node);
    Py_XDECREF(dict);
    give_back(self, type);
}

static int handle_traverse(PyObject *self, visitproc visit, void *arg) {
    pa_handle *handle = (pa_handle *)self;
    const pa_node *node = handle->node;
    Py_VISIT(Py_TYPE(self));
    if (node->refs - node->programs > 1) return 0; /* programs and plans of optimisers need no attributes */
    Py_VISIT(handle->dict);
    if (node->flags & PA_ANCHORED && node->refs == 1)
        for (int i = 0; i < node->n_parents; i++)
            if (pa_node_parent(node, i)->flags & PA_ANCHORED) Py_VISIT((PyObject *)pa_node_parent(node, i)->handle);
    return 0;
}

static int handle_clear(PyObject *self) {
    Py_CLEAR(((pa_handle *)self)->dict);
    if (((pa_handle *)self)->dict == NULL && is_exact(Py_TYPE(self)) && PyObject_GC_IsTracked(self))
        PyObject_GC_UnTrack(self); /* dealloc relies on it */
    return 0;
}

void pa_handle_track(PyObject *self) {
    const pa_handle *handle = (pa_handle *)self;
    if ((handle->dict != NULL || handle->node->flags & PA_ANCHORED) && !PyObject_GC_IsTracked(self))
        PyObject_GC_Track(self);
}

int pa_handle_keep(PyObject *self, const char *name, PyObject *object) {
    PyObject *text = PyUnicode_InternFromString(name);
    int status = text == NULL ? -1 : PyObject_GenericSetAttr(self, text, object);
    Py_XDECREF(text);
    pa_handle_track(self);
    return status;
}

void pa_handle_anchor(PyObject *self) {
    pa_node *node = pa_handle_node(self);
    if (node->refs > 1 || !(node->flags & PA_IS_VALUE)) return;
    for (int i = 0; i < node->n_parents; i++) /* made in a recorded step, it holds anchored parents by their nodes */
        if (!(node->flags & PA_ANCHORED) && pa_node_parent(node, i)->flags & PA_ANCHORED) return;
    node->flags |= PA_ANCHORED;
    pa_graph.has_anchored = true;
    pa_handle_track(self);
}

/* After an assignment to __class__: a Value stays a Value and a Tensor a Tensor, and dealloc's rule holds of what is tracked. */
static int settle_class(PyObject *self, PyObject *name, PyTypeObject *before) {
    PyTypeObject *type = Py_TYPE(self),
                 *base = pa_handle_node(self)->flags & PA_IS_VALUE ? pa_py.value_type : pa_py.tensor_type;
    if (!PyType_IsSubtype(type, base)) {
        if (PyObject_GenericSetAttr(self, name, (PyObject *)before) == 0)
            PyErr_Format(PyExc_TypeError, "__class__: an object of %R cannot become one of %R", (PyObject *)before,
                         (PyObject *)type);
        return -1;
    }
    if (!is_exact(type))
        pa_handle_anchor(self);
    else if (((pa_handle *)self)->dict == NULL && !(pa_handle_node(self)->flags & PA_ANCHORED) &&
             PyObject_GC_IsTracked(self))
        PyObject_GC_UnTrack(self);
    return 0;
}

static int handle_setattro(PyObject *self, PyObject *name, PyObject *value) {
    PyTypeObject *before = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(self));
    int status = PyObject_GenericSetAttr(self, name, value);
    if (status == 0 && Py_TYPE(self) != before) status = settle_class(self, name, before);
    Py_DECREF(before);
    pa_handle_track(self);
    return status;
}

/* ---- Value(…) ---- */

/* What a Value was made with; NULL where nothing was given. */
typedef struct value_arguments {
    PyObject *data, *children, *op, *local_grads, *label;
} value_arguments;

static int no_two(const char *name, PyObject *first, PyObject *second) {
    if (first == NULL || second == NULL) return 0;
    PyErr_Format(PyExc_TypeError, "Value: %s and _%s are the same argument", name, name);
    return -1;
}

/* micrograd's Value(data, _children=(), _op='', label=''), and microgpt's Value(data, children=(), local_grads=()): the third
   argument is an op's name or local gradients. */
static int read_arguments(PyObject *arguments, PyObject *keywords, value_arguments *out) {
    static char *names[] = {"data", "_children", "_op", "label", "children", "op", "_local_grads", "local_grads", NULL};
    PyObject *children = NULL, *third = NULL, *op = NULL, *local_grads = NULL;
    memset(out, 0, sizeof *out);
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|OOO$OOOO:Value", names, &out->data, &out->children, &third,
                                     &out->label, &children, &op, &out->local_grads, &local_grads))
        return -1;
    if (no_two("children", out->children, children) < 0 || no_two("local_grads", out->local_grads, local_grads) < 0 ||
        no_two("op", third, op) < 0)
        return -1;
    if (children != NULL) out->children = children;
    if (local_grads != NULL) out->local_grads = local_grads;
    out->op = op != NULL ? op : third;
    bool listed = out->op != NULL && (PyTuple_Check(out->op) || PyList_Check(out->op));
    if (listed && out->local_grads == NULL) {
        out->local_grads = out->op;
        out->op = NULL;
    }
    if (out->op == Py_None) out->op = NULL;
    if (out->op != NULL && !PyUnicode_Check(out->op)) {
        PyErr_Format(
            PyExc_TypeError,
            "Value: the third argument is the name of an op (a str) or its local gradients (a list or tuple of "
            "numbers), not %R",
            (PyObject *)Py_TYPE(out->op));
        return -1;
    }
    if (out->local_grads == NULL || PyTuple_Check(out->local_grads) || PyList_Check(out->local_grads)) return 0;
    PyErr_Format(PyExc_TypeError, "Value: local_grads is a list or tuple of numbers, not %R",
                 (PyObject *)Py_TYPE(out->local_grads));
    return -1;
}

static pa_status read_local_grads(PyObject *object, Py_ssize_t n, double *out) {
    PyObject *tuple = PySequence_Tuple(object);
    if (tuple == NULL) return PA_PYTHON;
    Py_ssize_t given = PyTuple_Size(tuple);
    pa_status status = given == n ? PA_OK : pa_fail(PA_VALUE, "Value: %zd local gradients for %zd children", given, n);
    for (Py_ssize_t i = 0; status == PA_OK && i < n; i++) {
        PyObject *item = PyTuple_GetItem(tuple, i);
        if (pa_is_handle(item))
            status = pa_fail(PA_TYPE, "Value: local gradient %zd is a %s, not a number; write its .data", i,
                             pa_is_value(item) ? "Value" : "Tensor");
        else if (pa_read_number(item, "Value: local gradient", &out[i]) < 0)
            status = PA_PYTHON;
    }
    Py_DECREF(tuple);
    return status;
}

/* A Value that has children already must not become younger than they are. */
static pa_status check_unused(const pa_node *node) {
    PA_FAIL_IF(node->refs > 1 || node->flags & (PA_LISTED | PA_ANCHORED), PA_RUNTIME,
               "Value: __init__ with children of a Value that is in use");
    return PA_OK;
}

/* Makes a fresh Value the result of an op, written in Python, on its children. */
static pa_status adopt(pa_node *node, PyObject *children, PyObject *local_grads) {
    if (local_grads != NULL && !PyTuple_Check(children) && !PyList_Check(children))
        return pa_fail(PA_TYPE, "Value: children that have local gradients are a list or tuple: their order matters");
    if (pa_is_value(children) || children == Py_None)
        return pa_fail(PA_TYPE, "Value: children are a tuple of Values, not %s",
                       children == Py_None ? "None" : "a Value");
    PyObject *tuple = PySequence_Tuple(children);
    if (tuple == NULL) return PA_PYTHON;
    Py_ssize_t n = PyTuple_Size(tuple);
    size_t bytes = ((size_t)n + 1) * (sizeof(pa_node *) + sizeof(double));
    pa_node **parents = pa_mem_alloc(bytes);
    pa_status status = parents == NULL ? PA_MEMORY : PA_OK;
    for (Py_ssize_t i = 0; status == PA_OK && i < n; i++) {
        PyObject *child = PyTuple_GetItem(tuple, i);
        if (!pa_is_value(child) || pa_handle_node(child) == node)
            status =
                pa_fail(PA_TYPE, "Value: child %zd is %s", i, pa_is_value(child) ? "the Value itself" : "not a Value");
        else
            parents[i] = pa_handle_node(child);
    }
    if (status == PA_OK && local_grads != NULL) status = read_local_grads(local_grads, n, (double *)(parents + n + 1));
    if (status == PA_OK) status = check_unused(node); /* reading the arguments may have run Python */
    if (status == PA_OK && n > 0 && pa_grad_enabled())
        status = local_grads == NULL ? pa_apply_custom(node, (int)n, parents)
                                     : pa_apply_local_grads(node, (int)n, parents, (double *)(parents + n + 1));
    pa_mem_free(parents, bytes);
    Py_DECREF(tuple);
    return status;
}

/* The Value's number; a number that the step being recorded does not know yet makes another node, which takes the handle. */
static pa_status fill(pa_handle *handle, PyObject *data) {
    pa_node *node = handle->node;
    if (pa_recording() != NULL) {
        PA_FAIL_IF(node->refs - node->programs > 1 || node->flags & (PA_LISTED | PA_ANCHORED), PA_RUNTIME,
                   "Value: __init__ of a Value that is in use");
        bool traced =
            pa_is_handle(data) && pa_handle_node(data)->flags & PA_TRACED_SCALAR && pa_handle_node(data)->ndim == 0;
        if (traced) {
            PA_TRY(pa_record_value_of(pa_handle_node(data), &handle->node));
            node->handle = NULL;
            handle->node->handle = handle;
            pa_node_release(node);
            return PA_OK;
        }
    }
    PA_FAIL_IF(node->flags & PA_LISTED, PA_RUNTIME, "Value: __init__ of the result of %s", pa_op_table[node->op].name);
    if (pa_read_number(data, "Value: data", &node->value) < 0) return PA_PYTHON;
    node->grad = 0;
    return PA_OK;
}

static bool is_given(PyObject *text) {
    return text != NULL && text != Py_None && !(PyUnicode_Check(text) && PyUnicode_GetLength(text) == 0);
}

static int value_init(PyObject *self, PyObject *arguments, PyObject *keywords) {
    pa_handle *handle = (pa_handle *)self;
    pa_status status;
    if (keywords == NULL && PyTuple_Size(arguments) == 1) {
        status = fill(handle, PyTuple_GetItem(arguments, 0));
    } else {
        value_arguments given;
        if (read_arguments(arguments, keywords, &given) < 0) return -1;
        if (given.children == NULL && given.local_grads != NULL && PySequence_Size(given.local_grads) > 0)
            status = pa_fail(PA_VALUE, "Value: %zd local gradients for 0 children", PySequence_Size(given.local_grads));
        else
            status = given.children == NULL ? PA_OK : check_unused(handle->node);
        if (status == PA_OK) status = fill(handle, given.data);
        if (status == PA_OK && given.children != NULL) status = adopt(handle->node, given.children, given.local_grads);
        if (status == PA_OK && is_given(given.op) && pa_handle_keep(self, "_custom_op", given.op) < 0)
            status = PA_PYTHON;
        if (status == PA_OK && is_given(given.label) && PyObject_SetAttrString(self, "label", given.label) < 0)
            status = PA_PYTHON;
    }
    if (status == PA_OK && Py_TYPE(self) != pa_py.value_type)
        pa_handle_anchor(self); /* its class and slots are to be kept */
    if (status == PA_OK) return 0;
    pa_raise(status);
    return -1;
}

/* The object that __init__ fills: a Value is nan until then, a Tensor empty. */
static PyObject *value_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)arguments, (void)keywords;
    pa_node *node = NULL;
    pa_status status = pa_value_new(NAN, &node);
    return status == PA_OK ? new_handle(node, type) : pa_raise(status);
}

static PyObject *tensor_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)arguments, (void)keywords;
    pa_node *node = NULL;
    int64_t shape[1] = {0};
    pa_status status = pa_node_new(PA_FLOAT32, 1, shape, &node);
    return status == PA_OK ? new_handle(node, type) : pa_raise(status);
}

PyObject *pa_exchange(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    for (Py_ssize_t i = 0; i < 2; i++) {
        if (n != 2 || !pa_is_handle(arguments[i]) || pa_is_value(arguments[i])) {
            PyErr_SetString(PyExc_TypeError, "exchange: two Tensors are wanted");
            return NULL;
        }
        const pa_node *node = pa_handle_node(arguments[i]);
        if (node->refs - node->programs > 1 || node->flags & PA_LISTED)
            return pa_raise(pa_fail(PA_RUNTIME, "Tensor: __init__ of a tensor of shape %s that is in use",
                                    pa_node_shape_text(node)));
    }
    pa_handle *a = (pa_handle *)arguments[0], *b = (pa_handle *)arguments[1];
    pa_node *node = a->node;
    a->node = b->node;
    b->node = node;
    a->node->handle = a;
    b->node->handle = b;
    Py_RETURN_NONE;
}

static PyObject *node_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)type, (void)arguments, (void)keywords;
    PyErr_SetString(PyExc_TypeError, "Node: the base of Tensor and Value; make one of these");
    return NULL;
}

/* ---- the types ---- */

static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(pa_handle, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(pa_handle, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static const PyType_Slot life_slots[] = {
    {Py_tp_new, node_new},
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
static PyType_Slot value_slots[] = {
    {Py_tp_new, value_new},          {Py_tp_init, value_init},
    {Py_tp_dealloc, handle_dealloc}, {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},     {0, NULL},
};

static PyType_Spec value_type = {
    .name = "pyautograd.Value",
    .basicsize = sizeof(pa_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = value_slots,
};

static PyType_Slot tensor_slots[] = {
    {Py_tp_new, tensor_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_bf_getbuffer, pa_buffer_get},
    {Py_bf_releasebuffer, pa_buffer_release},
    {0, NULL},
};

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
