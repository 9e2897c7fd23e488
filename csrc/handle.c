/* The handle type: a Python object that owns one node. Its operators stand in operators.c.

   A node has at most one live handle, and points back at it, so that `a is b` and id() tell whether two expressions are the
   same node. A handle that dies leaves its __dict__ to its node if anything else still holds the node.

   Handles are garbage-collected objects that are not tracked until they have a __dict__: without one they cannot be part of a
   cycle. A handle whose node others hold does not show its __dict__ to the collector: what it keeps may still be needed
   by a backward (a closure, say), however unreachable it looks from Python. */
#include "handle.h"

#include <math.h>
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

static void track_if_needed(PyObject *self) {
    if (((pa_handle *)self)->dict != NULL && !PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
}

static int handle_setattro(PyObject *self, PyObject *name, PyObject *value) {
    int status = PyObject_GenericSetAttr(self, name, value);
    track_if_needed(self);
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

/* ---- attributes ---- */

/* While a step is recorded a Value's data and grad are numbers that only the program will know. */
static PyObject *traced_number(pa_node *value, bool gradient) {
    pa_node *number = NULL;
    pa_status status = pa_record_number_of(value, gradient, &number);
    return status == PA_OK ? pa_wrap(number) : pa_raise(status);
}

/* Reads what a Value's data or grad is to become; records it. -1 with an exception set. */
static int read_number(pa_node *value, PyObject *object, pa_entry_kind kind, double *out) {
    pa_node *operands[2] = {value, NULL};
    if (pa_recording() == NULL) {
        double number = PyFloat_AsDouble(object);
        if (number == -1.0 && PyErr_Occurred()) return -1;
        *out = number;
        return 0;
    }
    int found = pa_as_node(object, &operands[1]);
    if (found == 0) PyErr_Format(PyExc_TypeError, "data: a number is wanted, not %R", (PyObject *)Py_TYPE(object));
    if (found <= 0) return -1;
    if (operands[1]->ndim != 0) {
        pa_raise(pa_fail(PA_TYPE, "data: a number is wanted, not a tensor of shape %s", pa_node_shape_text(operands[1])));
        pa_node_release(operands[1]);
        return -1;
    }
    *out = pa_node_number(operands[1]);
    pa_record_entry(kind, 2, operands, NULL);
    pa_node_release(operands[1]);
    return 0;
}

static PyObject *get_data(PyObject *self, void *closure) {
    (void)closure;
    pa_node *node = pa_handle_node(self), *detached = NULL;
    if (node->flags & PA_IS_VALUE) {
        if (pa_recording() != NULL) return traced_number(node, false);
        return PyFloat_FromDouble(node->value);
    }
    pa_status status = pa_detach(node, &detached);
    return status == PA_OK ? pa_wrap(detached) : pa_raise(status);
}

static int set_data(PyObject *self, PyObject *value, void *closure) {
    (void)closure;
    pa_node *node = pa_handle_node(self), *source = NULL;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "data cannot be deleted");
        return -1;
    }
    if (node->flags & PA_IS_VALUE) return read_number(node, value, PA_ENTRY_SET_VALUE, &node->value);
    int found = pa_as_node(value, &source);
    if (found == 0) PyErr_Format(PyExc_TypeError, "data: a tensor is wanted, not %R", (PyObject *)Py_TYPE(value));
    if (found <= 0) return -1;
    bool keeps_dtype = node->dtype == source->dtype || source->flags & PA_WEAK;
    bool enabled = pa_grad_enable(false);
    pa_status status = pa_same_shape(node, source)
                           ? (keeps_dtype ? pa_copy_into : pa_change_dtype)(node, source, "data")
                           : pa_fail(PA_VALUE, "data: a tensor of shape %s cannot take the place of one of shape %s",
                                     pa_node_shape_text(source), pa_node_shape_text(node));
    pa_grad_enable(enabled);
    pa_node_release(source);
    if (status == PA_OK) return 0;
    pa_raise(status);
    return -1;
}

static PyObject *get_grad(PyObject *self, void *closure) {
    (void)closure;
    pa_node *node = pa_handle_node(self);
    if (node->flags & PA_IS_VALUE) {
        if (pa_recording() != NULL) return traced_number(node, true);
        return PyFloat_FromDouble(node->grad);
    }
    if (node->array == NULL || node->array->grad == NULL) {
        if (pa_recording() != NULL) pa_record_entry(PA_ENTRY_GRAD_OF, 1, &node, NULL);
        return Py_NewRef(Py_None);
    }
    if (pa_recording() != NULL) pa_record_entry(PA_ENTRY_GRAD_OF, 1, &node, node->array->grad);
    return pa_wrap(pa_node_retain(node->array->grad));
}

static int set_tensor_grad(pa_node *node, PyObject *value) {
    pa_node *fresh = NULL;
    if (value != NULL && value != Py_None) {
        if (!pa_is_handle(value) || pa_is_value(value)) {
            PyErr_Format(PyExc_TypeError, "grad: a Tensor or None is wanted, not %R", (PyObject *)Py_TYPE(value));
            return -1;
        }
        fresh = pa_handle_node(value);
        pa_status status = fresh == node ? pa_fail(PA_RUNTIME, "grad: a tensor of shape %s cannot be its own gradient",
                                                   pa_node_shape_text(node))
                                         : PA_OK;
        if (status == PA_OK && (!pa_same_shape(fresh, node) || fresh->dtype != node->dtype))
            status = pa_fail(PA_VALUE, "grad: a tensor of shape %s, %s for one of shape %s, %s", pa_node_shape_text(fresh),
                             pa_dtype_name(fresh->dtype), pa_node_shape_text(node), pa_dtype_name(node->dtype));
        if (status == PA_OK) status = pa_node_need_array(node);
        if (status == PA_OK && (!pa_node_is_contiguous(fresh) || pa_node_requires_grad(fresh))) {
            int64_t dtype = node->dtype;
            pa_call call = {.op = PA_OP_cast, .n = 1, .in = &fresh, .n_ints = 1, .ints = &dtype};
            bool enabled = pa_grad_enable(false);
            status = pa_apply(&call, &fresh);
            pa_grad_enable(enabled);
        } else if (status == PA_OK) {
            pa_node_retain(fresh);
        }
        if (status == PA_OK && (status = pa_node_need_storage(fresh)) != PA_OK) /* backward counts its writes there */
            pa_node_release(fresh);
        if (status != PA_OK) {
            pa_raise(status);
            return -1;
        }
    }
    if (node->array != NULL) {
        pa_node *old = node->array->grad;
        node->array->grad = fresh;
        if (old != NULL) pa_node_release(old);
    }
    if (pa_recording() != NULL) {
        pa_node *operands[2] = {node, fresh};
        pa_record_entry(PA_ENTRY_SET_GRAD, fresh == NULL ? 1 : 2, operands, NULL);
    }
    return 0;
}

static int set_grad(PyObject *self, PyObject *value, void *closure) {
    (void)closure;
    pa_node *node = pa_handle_node(self);
    if (!(node->flags & PA_IS_VALUE)) return set_tensor_grad(node, value);
    if (value != NULL && value != Py_None) return read_number(node, value, PA_ENTRY_SET_GRAD, &node->grad);
    if (pa_recording() != NULL) pa_record_entry(PA_ENTRY_SET_GRAD, 1, &node, NULL);
    node->grad = 0;
    return 0;
}

static PyObject *get_requires_grad(PyObject *self, void *closure) {
    (void)closure;
    return PyBool_FromLong(pa_node_requires_grad(pa_handle_node(self)));
}

static int set_requires_grad(PyObject *self, PyObject *value, void *closure) {
    (void)closure;
    pa_node *node = pa_handle_node(self);
    int wanted = value == NULL ? -1 : PyObject_IsTrue(value);
    pa_status status = PA_OK;
    if (wanted < 0) return -1;
    if (wanted && !pa_dtype_is_float(node->dtype))
        status = pa_fail(PA_RUNTIME, "requires_grad: only floating point tensors have gradients, not %s of shape %s",
                         pa_dtype_name(node->dtype), pa_node_shape_text(node));
    else if (!wanted && node->flags & PA_LISTED)
        status = pa_fail(PA_RUNTIME, "requires_grad: the result of %s of shape %s is no leaf; use detach()",
                         pa_op_table[node->op].name, pa_node_shape_text(node));
    if (status == PA_OK && wanted != (int)pa_node_requires_grad(node) && pa_record_refuse_read(node, "requires_grad") != PA_OK)
        status = pa_record_refuse("setting requires_grad", "set it before the first step");
    if (status != PA_OK) {
        pa_raise(status);
        return -1;
    }
    node->flags = (uint16_t)(wanted ? node->flags | PA_REQUIRES_GRAD : node->flags & ~PA_REQUIRES_GRAD);
    return 0;
}

static PyObject *int_tuple(int n, const int64_t *numbers) {
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple != NULL && i < n; i++) {
        PyObject *number = PyLong_FromLongLong(numbers[i]);
        if (number == NULL || PyTuple_SetItem(tuple, i, number) < 0) Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *get_shape(PyObject *self, void *closure) {
    (void)closure;
    return int_tuple(pa_handle_node(self)->ndim, pa_node_shape(pa_handle_node(self)));
}

static PyObject *get_strides(PyObject *self, void *closure) {
    (void)closure;
    return int_tuple(pa_handle_node(self)->ndim, pa_node_strides(pa_handle_node(self)));
}

static PyObject *get_ndim(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromLong(pa_handle_node(self)->ndim);
}

static PyObject *get_dtype(PyObject *self, void *closure) {
    (void)closure;
    PyObject *dtype = PyTuple_GetItem(pa_py.dtypes, pa_handle_node(self)->dtype);
    return dtype == NULL ? NULL : Py_NewRef(dtype);
}

static PyObject *get_is_leaf(PyObject *self, void *closure) {
    (void)closure;
    return PyBool_FromLong(!(pa_handle_node(self)->flags & (PA_LISTED | PA_FREED)));
}

static PyObject *get_flag(PyObject *self, void *flag) {
    return PyBool_FromLong((pa_handle_node(self)->flags & (uintptr_t)flag) != 0);
}

static PyObject *get_version(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLong(pa_node_version(pa_handle_node(self)));
}

static PyObject *get_address(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromVoidPtr(pa_handle_node(self));
}

static PyObject *get_data_pointer(PyObject *self, void *closure) {
    (void)closure;
    pa_node *node = pa_handle_node(self);
    pa_status status = pa_record_refuse_read(node, "numpy");
    if (status == PA_OK) status = pa_node_need_storage(node); /* an inline number would be left behind by a view */
    node->flags |= PA_IS_VIEW;
    return status == PA_OK ? PyLong_FromVoidPtr(pa_node_data(node)) : pa_raise(status);
}

/* Who looks at a node finds micrograd's elementary nodes. */
static pa_node *open_node(PyObject *self) {
    pa_status status = pa_value_open_neuron(pa_handle_node(self));
    if (status == PA_OK) return pa_handle_node(self);
    pa_raise(status);
    return NULL;
}

static PyObject *get_inputs(PyObject *self, void *closure) {
    (void)closure;
    const pa_node *node = open_node(self);
    if (node == NULL) return NULL;
    PyObject *tuple = PyTuple_New(node->n_parents);
    for (int i = 0; tuple != NULL && i < node->n_parents; i++) {
        PyObject *parent = pa_wrap(pa_node_retain(pa_node_parent(node, i)));
        if (parent == NULL || PyTuple_SetItem(tuple, i, parent) < 0) Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *get_prev(PyObject *self, void *closure) {
    PyObject *inputs = get_inputs(self, closure), *set = NULL;
    if (inputs != NULL) set = PySet_New(inputs);
    Py_XDECREF(inputs);
    return set;
}

/* micrograd's `_op`: the symbol, with the exponent behind a power's. */
static PyObject *get_op(PyObject *self, void *closure) {
    (void)closure;
    const pa_node *node = open_node(self);
    if (node == NULL) return NULL;
    PyObject *dict = pa_node_dict(node);
    PyObject *custom = dict == NULL ? NULL : PyDict_GetItemString(dict, "_custom_op");
    if (custom != NULL) return Py_NewRef(custom);
    if (node->op == PA_OP_power) {
        double p = pa_node_params(node)[0];
        PyObject *number = p == floor(p) && fabs(p) < 1e15 ? PyLong_FromDouble(p) : PyFloat_FromDouble(p);
        PyObject *text = number == NULL ? NULL : PyUnicode_FromFormat("**%R", number);
        Py_XDECREF(number);
        return text;
    }
    return PyUnicode_FromString(pa_op_table[node->op].symbol);
}

static PyObject *get_op_name(PyObject *self, void *closure) {
    (void)closure;
    const pa_node *node = open_node(self);
    return node == NULL ? NULL : PyUnicode_FromString(pa_op_table[node->op].name);
}

/* node._backward(): one step of the chain rule; assigned, it replaces the op's own (micrograd's way to write an op). */
static PyObject *get_backward_step(PyObject *self, void *closure) {
    (void)closure;
    PyObject *dict = pa_node_dict(pa_handle_node(self));
    PyObject *own = dict == NULL ? NULL : PyDict_GetItemString(dict, "_backward_function");
    return own != NULL ? Py_NewRef(own) : PyObject_GetAttrString(self, "_backward_step");
}

static int set_backward_step(PyObject *self, PyObject *function, void *closure) {
    (void)closure;
    pa_node *node = open_node(self);
    if (node == NULL) return -1;
    if (!(node->flags & PA_IS_VALUE)) {
        PyErr_SetString(PyExc_TypeError, "_backward: a Tensor's op is written as an autograd.Function");
        return -1;
    }
    if (function == NULL || !PyCallable_Check(function)) {
        PyErr_SetString(PyExc_TypeError, "_backward: a callable is wanted");
        return -1;
    }
    pa_status status = pa_record_refuse("assigning _backward, an op written in Python,", "build the op out of others");
    if (status != PA_OK) {
        pa_raise(status);
        return -1;
    }
    if (PyObject_SetAttrString(self, "_backward_function", function) < 0) return -1;
    if (node->flags & PA_LISTED) {
        PyObject *symbol = node->op == PA_OP_custom ? NULL : get_op(self, NULL);
        int status = symbol == NULL ? 0 : PyObject_SetAttrString(self, "_custom_op", symbol);
        Py_XDECREF(symbol);
        if (status < 0 || PyErr_Occurred()) return -1;
        node->op = PA_OP_custom;
        node->flags &= (uint16_t)~PA_PURE;
    }
    return 0;
}

static PyObject *get_dict(PyObject *self, void *closure) {
    PyObject *dict = PyObject_GenericGetDict(self, closure);
    track_if_needed(self);
    return dict;
}

static PyObject *method_item(PyObject *self, PyObject *unused) {
    (void)unused;
    return pa_only_element(self, "item");
}

static PyObject *method_detach(PyObject *self, PyObject *unused) {
    (void)unused;
    pa_node *node = pa_handle_node(self), *detached = NULL;
    pa_status status = pa_detach(node, &detached);
    return status == PA_OK ? pa_wrap(detached) : pa_raise(status);
}

static PyObject *method_retain_grad(PyObject *self, PyObject *unused) {
    (void)unused;
    pa_node *node = pa_handle_node(self);
    if (!pa_node_requires_grad(node))
        return pa_raise(pa_fail(PA_RUNTIME, "retain_grad: this tensor of shape %s does not require grad",
                                pa_node_shape_text(node)));
    node->flags |= PA_RETAINS_GRAD;
    Py_RETURN_NONE;
}

static PyObject *method_backward_step(PyObject *self, PyObject *unused) {
    (void)unused;
    pa_node *node = open_node(self);
    if (node == NULL) return NULL;
    pa_status status = node->flags & PA_IS_VALUE
                           ? pa_value_backward_step(node)
                           : pa_fail(PA_TYPE, "_backward: a tensor (of shape %s) has no step of its own as Values have",
                                     pa_node_shape_text(node));
    if (status != PA_OK) return pa_raise(status);
    Py_RETURN_NONE;
}

static PyObject *method_local_gradients(PyObject *self, PyObject *unused) {
    (void)unused;
    const pa_node *node = open_node(self);
    if (node == NULL) return NULL;
    double *gradients = pa_mem_alloc_array((size_t)node->n_parents + 1, sizeof *gradients);
    if (gradients == NULL) return pa_raise(PA_MEMORY);
    pa_value_local_gradients(node, gradients);
    PyObject *tuple = PyTuple_New(node->n_parents);
    for (int i = 0; tuple != NULL && i < node->n_parents; i++) {
        PyObject *number = PyFloat_FromDouble(gradients[i]);
        if (number == NULL || PyTuple_SetItem(tuple, i, number) < 0) Py_CLEAR(tuple);
    }
    pa_mem_free_array(gradients, (size_t)node->n_parents + 1, sizeof *gradients);
    return tuple;
}

static PyMethodDef methods[] = {
    {"item", method_item, METH_NOARGS, "The only element, as a Python number."},
    {"detach", method_detach, METH_NOARGS, "The same data without history; shares memory."},
    {"retain_grad", method_retain_grad, METH_NOARGS, "Keep .grad though this is no leaf."},
    {"_backward_step", method_backward_step, METH_NOARGS, "Add this node's contribution to its inputs' gradients."},
    {"_local_gradients", method_local_gradients, METH_NOARGS, "d out / d input for each input of a scalar node."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"data", get_data, set_data, "A Value's number; a Tensor without history over the same memory.", NULL},
    {"grad", get_grad, set_grad, "The accumulated gradient.", NULL},
    {"requires_grad", get_requires_grad, set_requires_grad, "Does a gradient flow to it?", NULL},
    {"shape", get_shape, NULL, "Sizes of the axes, as a tuple.", NULL},
    {"_strides", get_strides, NULL, "Strides of the axes, in elements.", NULL},
    {"ndim", get_ndim, NULL, "Number of axes.", NULL},
    {"dtype", get_dtype, NULL, "The element type.", NULL},
    {"is_leaf", get_is_leaf, NULL, "Made by the user, not by an op.", NULL},
    {"retains_grad", get_flag, NULL, "Was retain_grad() called?", (void *)PA_RETAINS_GRAD},
    {"_is_view", get_flag, NULL, "Does it share its memory?", (void *)PA_IS_VIEW},
    {"_version", get_version, NULL, "Writes in place to its memory so far.", NULL},
    {"_address", get_address, NULL, "The node, as a number.", NULL},
    {"_data_pointer", get_data_pointer, NULL, "The first element's address.", NULL},
    {"_inputs", get_inputs, NULL, "The operands, in order.", NULL},
    {"_prev", get_prev, NULL, "The operands, as a set.", NULL},
    {"_op", get_op, NULL, "The op's symbol; '' for a leaf.", NULL},
    {"_op_name", get_op_name, NULL, "The op's name in the table.", NULL},
    {"_backward", get_backward_step, set_backward_step, "One step of the chain rule, from this node to its inputs.", NULL},
    {"__dict__", get_dict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

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
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
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

static PyType_Spec tensor_type = {
    .name = "pyautograd.Tensor",
    .basicsize = sizeof(pa_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = class_slots,
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
