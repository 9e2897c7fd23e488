/* The handle type: a Python object that owns one node, with the operators as number slots.

   A node has at most one live handle, and points back at it, so that `a is b` and id() tell whether two expressions are the
   same node. A handle that dies leaves its __dict__ to its node if anything else still holds the node.

   Handles are garbage-collected objects that are not tracked until they have a __dict__: without one they cannot be part of a
   cycle. A handle whose node others hold does not show its __dict__ to the collector: what it keeps may still be needed
   by a backward (a closure, say), however unreachable it looks from Python. */
#include "handle.h"

#include <math.h>
#include <structmember.h>

#include "scalar.h"

pa_python pa_py;

/* ---- between C and Python ---- */

PyObject *pa_raise(pa_status status) {
    PyObject *exception = PyExc_RuntimeError;
    switch (status) {
    case PA_PYTHON: return NULL;
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
static PyObject *number_of_numpy(PyObject *object) {
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
    PyObject *number = number_of_numpy(object);
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

/* ---- operators ---- */

/* The Value that an operand of a Value is, as a new reference; NULL where it is none, without an exception. */
static pa_node *operand_as_value(PyObject *object) {
    double number;
    if (PyFloat_Check(object)) {
        number = PyFloat_AsDouble(object);
    } else if (PyLong_Check(object)) {
        number = PyLong_AsDouble(object);
        if (number == -1.0 && PyErr_Occurred()) {
            PyErr_Clear(); /* too large for a float: the general path words it */
            return NULL;
        }
    } else if (pa_is_handle(object)) {
        pa_node *node = pa_handle_node(object);
        return node->flags & PA_IS_VALUE ? pa_node_retain(node) : NULL;
    } else {
        PyObject *python = number_of_numpy(object);
        pa_node *value = python == NULL ? NULL : operand_as_value(python);
        Py_XDECREF(python);
        return value;
    }
    pa_node *node;
    return pa_value_new(number, &node) == PA_OK ? node : NULL;
}

static inline bool is_value(PyObject *object) {
    if (Py_TYPE(object) == pa_py.value_type) return true;
    if (PyFloat_CheckExact(object) || PyLong_CheckExact(object)) return false;
    return pa_is_handle(object) && pa_handle_node(object)->flags & PA_IS_VALUE;
}

static PyObject *binary_general(pa_op op, PyObject *left, PyObject *right) {
    pa_node *in[2] = {NULL, NULL}, *out = NULL;
    int found = pa_as_node(left, &in[0]);
    if (found == 1) found = pa_as_node(right, &in[1]);
    PyObject *result = NULL;
    if (found == 1) {
        pa_status status = pa_apply_binary(op, in[0], in[1], &out);
        result = status == PA_OK ? pa_wrap(out) : pa_raise(status);
    } else if (found == 0) {
        result = Py_NewRef(Py_NotImplemented);
    }
    if (in[0] != NULL) pa_node_release(in[0]);
    if (in[1] != NULL) pa_node_release(in[1]);
    return result;
}

/* An operator with a Value on at least one side: numbers on the other become Values of their own. */
static PyObject *binary(pa_op op, PyObject *left, PyObject *right) {
    if (is_value(left) || is_value(right)) {
        pa_node *a = operand_as_value(left), *b = a == NULL ? NULL : operand_as_value(right), *out = NULL;
        if (b != NULL) {
            pa_status status = pa_value_binary(op, a, b, &out);
            pa_node_release(a);
            pa_node_release(b);
            return status == PA_OK ? pa_wrap(out) : pa_raise(status);
        }
        if (a != NULL) pa_node_release(a);
    }
    return binary_general(op, left, right);
}

/* The shortest way, for two Values. */
static inline PyObject *arithmetic(pa_op op, PyObject *left, PyObject *right) {
    if (Py_TYPE(left) != pa_py.value_type || Py_TYPE(right) != pa_py.value_type) return binary(op, left, right);
    pa_node *out = NULL;
    pa_status status = pa_value_binary(op, pa_handle_node(left), pa_handle_node(right), &out);
    return status == PA_OK ? new_handle(out, pa_py.value_type) : pa_raise(status);
}

static PyObject *unary(pa_op op, PyObject *operand) {
    pa_node *out = NULL;
    pa_status status = pa_apply_unary(op, pa_handle_node(operand), &out);
    return status == PA_OK ? pa_wrap(out) : pa_raise(status);
}

static PyObject *slot_add(PyObject *l, PyObject *r) { return arithmetic(PA_OP_add, l, r); }
static PyObject *slot_subtract(PyObject *l, PyObject *r) { return arithmetic(PA_OP_sub, l, r); }
static PyObject *slot_multiply(PyObject *l, PyObject *r) { return arithmetic(PA_OP_mul, l, r); }
static PyObject *slot_divide(PyObject *l, PyObject *r) { return arithmetic(PA_OP_div, l, r); }
static PyObject *slot_matmul(PyObject *l, PyObject *r) {
    if (is_value(l) || is_value(r)) return Py_NewRef(Py_NotImplemented);
    return binary_general(PA_OP_matmul, l, r);
}
static PyObject *slot_and(PyObject *l, PyObject *r) { return binary_general(PA_OP_bitwise_and, l, r); }
static PyObject *slot_or(PyObject *l, PyObject *r) { return binary_general(PA_OP_bitwise_or, l, r); }
static PyObject *slot_xor(PyObject *l, PyObject *r) { return binary_general(PA_OP_bitwise_xor, l, r); }
static PyObject *slot_negative(PyObject *a) { return unary(PA_OP_neg, a); }
static PyObject *slot_absolute(PyObject *a) { return unary(PA_OP_abs, a); }
static PyObject *slot_invert(PyObject *a) { return unary(PA_OP_bitwise_not, a); }
static PyObject *slot_positive(PyObject *a) { return Py_NewRef(a); }

/* a ** b: a number as the exponent is a parameter of the op, anything else an operand. */
static PyObject *slot_power(PyObject *left, PyObject *right, PyObject *modulus) {
    if (modulus != Py_None) return Py_NewRef(Py_NotImplemented);
    if (!pa_is_handle(left) || pa_is_handle(right)) return binary(PA_OP_pow, left, right);
    pa_node *a = pa_handle_node(left), *exponent = NULL, *out = NULL;
    int found = pa_as_node(right, &exponent);
    if (found < 0) return NULL;
    if (found == 0) return Py_NewRef(Py_NotImplemented);
    if (!(exponent->flags & PA_WEAK)) { /* an array */
        pa_node_release(exponent);
        return binary_general(PA_OP_pow, left, right);
    }
    double p = pa_node_number(exponent);
    pa_dtype dtype = exponent->dtype;
    pa_node_release(exponent);
    if (a->dtype == PA_INT64 && dtype == PA_INT64 && p == 2) return unary(PA_OP_square, left);
    pa_status status;
    if (a->flags & PA_IS_VALUE) {
        status = pa_value_unary(PA_OP_power, a, p, 0, &out);
    } else {
        pa_call call = {.op = PA_OP_power, .n = 1, .in = &a, .n_params = 1, .params = &p};
        status = pa_apply(&call, &out);
    }
    return status == PA_OK ? pa_wrap(out) : pa_raise(status);
}

/* A node whose handle moves on keeps the backward that was written for it in Python: it takes its own copy of the
   __dict__ that has it. -1 with an exception set. */
static int leave_backward(pa_node *node, PyObject *dict) {
    node->handle = NULL;
    if (node->op != PA_OP_custom || dict == NULL) return 0;
    PyObject *own = PyDict_Copy(dict);
    if (own == NULL) return -1;
    node->handle = own;
    node->flags |= PA_DICT_ONLY;
    static const char *const names[] = {"_backward_function", "_custom_op"};
    for (int i = 0; i < 2; i++)
        if (PyDict_GetItemString(dict, names[i]) != NULL && PyDict_DelItemString(dict, names[i]) < 0) return -1;
    return 0;
}

/* A tracked result in place: the handle moves on to the node of the result, and everyone who has the handle sees it. The
   old node keeps its number for those who read it. Views would not see the change, so there must be none. */
static PyObject *move_on(pa_op op, PyObject *target, pa_node *source) {
    pa_node *old = pa_handle_node(target), *node = NULL;
    const char *name = pa_op_table[op].name;
    const pa_storage *storage = pa_node_storage(old);
    if (pa_node_is_leaf(old) && pa_node_requires_grad(old)) return pa_raise(pa_node_begin_write(old, name));
    if (old->flags & PA_IS_VIEW || (storage != NULL && storage->refs > 1))
        return pa_raise(pa_fail(PA_RUNTIME,
                                "%s: a tensor of shape %s that shares memory with others cannot be changed in place while a "
                                "gradient flows; write x = x %s y",
                                name, pa_node_shape_text(old), pa_op_table[op].symbol));
    pa_status status = pa_apply_binary(op, old, source, &node);
    if (status != PA_OK) return pa_raise(status);
    if (!pa_same_shape(node, old) || node->dtype != old->dtype) {
        status = pa_fail(PA_VALUE, "%s: a result of shape %s, %s does not fit in place into shape %s, %s", name,
                         pa_node_shape_text(node), pa_dtype_name(node->dtype), pa_node_shape_text(old),
                         pa_dtype_name(old->dtype));
        pa_node_release(node);
        return pa_raise(status);
    }
    if (leave_backward(old, ((pa_handle *)target)->dict) < 0) {
        old->handle = target;
        pa_node_release(node);
        return NULL;
    }
    node->flags |= old->flags & PA_RETAINS_GRAD;
    node->handle = target;
    ((pa_handle *)target)->node = node;
    pa_node_release(old);
    return Py_NewRef(target);
}

PyObject *pa_in_place(pa_op op, PyObject *target, PyObject *other) {
    if (!pa_is_handle(target) || is_value(target)) return Py_NewRef(Py_NotImplemented);
    pa_node *source = NULL;
    int found = pa_as_node(other, &source);
    if (found < 0) return NULL;
    if (found == 0) return Py_NewRef(Py_NotImplemented);
    pa_node *node = pa_handle_node(target);
    PyObject *result = NULL;
    if (pa_grad_enabled() && (pa_node_requires_grad(node) || pa_node_requires_grad(source))) {
        result = move_on(op, target, source);
    } else {
        pa_status status = pa_apply_in_place(op, node, source);
        result = status == PA_OK ? Py_NewRef(target) : pa_raise(status);
    }
    pa_node_release(source);
    return result;
}

static PyObject *slot_iadd(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_add, l, r); }
static PyObject *slot_isubtract(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_sub, l, r); }
static PyObject *slot_imultiply(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_mul, l, r); }
static PyObject *slot_idivide(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_div, l, r); }

/* Tensors compare element by element, Values by identity. */
static PyObject *slot_compare(PyObject *left, PyObject *right, int how) {
    static const pa_op ops[] = {[Py_LT] = PA_OP_lt, [Py_LE] = PA_OP_le, [Py_EQ] = PA_OP_eq,
                                [Py_NE] = PA_OP_ne, [Py_GT] = PA_OP_gt, [Py_GE] = PA_OP_ge};
    if (is_value(left)) return Py_NewRef(Py_NotImplemented); /* for == and != Python falls back to identity */
    if (right == Py_None && (how == Py_EQ || how == Py_NE)) return PyBool_FromLong(how == Py_NE);
    return binary_general(ops[how], left, right);
}

static Py_hash_t slot_hash(PyObject *self) { return (Py_hash_t)((uintptr_t)self >> 4); }

static int slot_bool(PyObject *self) {
    const pa_node *node = pa_handle_node(self);
    if (node->flags & PA_IS_VALUE) return 1; /* an object like any other, as in micrograd */
    if (pa_node_numel(node) != 1) {
        pa_raise(pa_fail(PA_VALUE, "bool: the truth of a tensor of shape %s is ambiguous; use .any() or .all()",
                         pa_node_shape_text(node)));
        return -1;
    }
    return pa_node_number(node) != 0;
}

static PyObject *only_element(PyObject *self, const char *what) {
    const pa_node *node = pa_handle_node(self);
    if (pa_node_numel(node) != 1)
        return pa_raise(pa_fail(PA_VALUE, "%s: a tensor of shape %s has %lld elements, not one", what,
                                pa_node_shape_text(node), (long long)pa_node_numel(node)));
    const char *data = pa_node_data(node);
    switch ((pa_dtype)node->dtype) {
    case PA_BOOL: return PyBool_FromLong(*(const uint8_t *)data);
    case PA_INT64: return PyLong_FromLongLong(*(const int64_t *)data);
    default: return PyFloat_FromDouble(pa_node_number(node));
    }
}

static PyObject *slot_float(PyObject *self) {
    PyObject *element = only_element(self, "float"), *number = NULL;
    if (element != NULL) number = PyNumber_Float(element);
    Py_XDECREF(element);
    return number;
}

static PyObject *slot_int(PyObject *self) {
    PyObject *element = only_element(self, "int"), *number = NULL;
    if (element != NULL) number = PyNumber_Long(element);
    Py_XDECREF(element);
    return number;
}

static PyObject *slot_index(PyObject *self) {
    if (pa_dtype_is_float(pa_handle_node(self)->dtype)) {
        PyErr_SetString(PyExc_TypeError, "index: only an integer tensor with one element is an index");
        return NULL;
    }
    return slot_int(self);
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
        if (is_value(child))
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
    double number = PyFloat_AsDouble(data);
    if (number == -1.0 && PyErr_Occurred()) return NULL;
    pa_node *node = NULL;
    pa_status status = pa_value_new(number, &node);
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

static PyObject *get_data(PyObject *self, void *closure) {
    (void)closure;
    pa_node *node = pa_handle_node(self), *detached = NULL;
    if (node->flags & PA_IS_VALUE) return PyFloat_FromDouble(node->value);
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
    if (node->flags & PA_IS_VALUE) {
        double number = PyFloat_AsDouble(value);
        if (number == -1.0 && PyErr_Occurred()) return -1;
        node->value = number;
        return 0;
    }
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
    if (node->flags & PA_IS_VALUE) return PyFloat_FromDouble(node->grad);
    if (node->array == NULL || node->array->grad == NULL) return Py_NewRef(Py_None);
    return pa_wrap(pa_node_retain(node->array->grad));
}

static int set_tensor_grad(pa_node *node, PyObject *value) {
    pa_node *fresh = NULL;
    if (value != NULL && value != Py_None) {
        if (!pa_is_handle(value) || is_value(value)) {
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
    return 0;
}

static int set_grad(PyObject *self, PyObject *value, void *closure) {
    (void)closure;
    pa_node *node = pa_handle_node(self);
    if (!(node->flags & PA_IS_VALUE)) return set_tensor_grad(node, value);
    double number = value == NULL || value == Py_None ? 0.0 : PyFloat_AsDouble(value);
    if (number == -1.0 && PyErr_Occurred()) return -1;
    node->grad = number;
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
    pa_status status = pa_node_need_storage(node); /* an inline number would be left behind by a view */
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
    return only_element(self, "item");
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

static PyType_Slot slots[] = {
    {Py_tp_new, handle_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_setattro, handle_setattro},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_tp_members, members},
    {Py_tp_richcompare, slot_compare},
    {Py_tp_hash, slot_hash},
    {Py_nb_add, slot_add},
    {Py_nb_subtract, slot_subtract},
    {Py_nb_multiply, slot_multiply},
    {Py_nb_true_divide, slot_divide},
    {Py_nb_power, slot_power},
    {Py_nb_matrix_multiply, slot_matmul},
    {Py_nb_and, slot_and},
    {Py_nb_or, slot_or},
    {Py_nb_xor, slot_xor},
    {Py_nb_negative, slot_negative},
    {Py_nb_positive, slot_positive},
    {Py_nb_absolute, slot_absolute},
    {Py_nb_invert, slot_invert},
    {Py_nb_bool, slot_bool},
    {Py_nb_float, slot_float},
    {Py_nb_int, slot_int},
    {Py_nb_index, slot_index},
    {Py_nb_inplace_add, slot_iadd},
    {Py_nb_inplace_subtract, slot_isubtract},
    {Py_nb_inplace_multiply, slot_imultiply},
    {Py_nb_inplace_true_divide, slot_idivide},
    {0, NULL},
};

static PyType_Spec node_type = {
    .name = "pyautograd._core.Node",
    .basicsize = sizeof(pa_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
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
    pa_py.node_type = (PyTypeObject *)PyType_FromSpec(&node_type);
    if (pa_py.node_type == NULL) return -1;
    pa_py.value_type = make_class(&value_type);
    pa_py.tensor_type = make_class(&tensor_type);
    return pa_py.value_type == NULL || pa_py.tensor_type == NULL ? -1 : 0;
}
