/* Between Python objects and what the engine works on. An operand is a handle, a Python or NumPy number, or what
   `coerce`, of the Python side, makes a node of; the other readers are for functions that only this package calls. */
#include "convert.h"

#include "../apply.h"
#include "../record.h"

/* ---- operands ---- */

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

PyObject *pa_number_of_numpy(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    if (pa_py.numpy_integer == NULL) return NULL;
    if (PyType_IsSubtype(type, pa_py.numpy_integer)) return PyNumber_Index(object);
    if (PyType_IsSubtype(type, pa_py.numpy_floating)) return PyNumber_Float(object);
    return NULL;
}

/* A handle's node or a Python number; 0 for anything else. */
static inline int plain_as_node(PyObject *object, pa_node **out) {
    if (!pa_is_handle(object)) return PyFloat_Check(object) || PyLong_Check(object) ? number_as_node(object, out) : 0;
    *out = pa_node_retain(pa_handle_node(object));
    return 1;
}

int pa_as_node(PyObject *object, pa_node **out) {
    int found = plain_as_node(object, out);
    if (found != 0) return found;
    PyObject *other = pa_number_of_numpy(object);
    if (other == NULL) {
        if (pa_py.coerce == NULL) return 0;
        other = PyObject_CallFunctionObjArgs(pa_py.coerce, object, NULL);
        if (other == NULL) return -1;
    }
    found = plain_as_node(other, out);
    Py_DECREF(other);
    return found;
}

int pa_read_operand(PyObject *object, pa_op op, int place, pa_node **out) {
    int found = pa_as_node(object, out);
    if (found == 0)
        PyErr_Format(PyExc_TypeError, "%s: operand %d must be a Tensor or a number, not %R%s", pa_op_table[op].name,
                     place + 1, (PyObject *)Py_TYPE(object),
                     PyObject_HasAttrString(object, "__len__") ? "; pyautograd.tensor(data) makes one" : "");
    return found == 1 ? 0 : -1;
}

/* ---- other arguments ---- */

int pa_refuse_number(PyObject *object, const char *what) {
    PyTypeObject *type = Py_TYPE(object);
    if (PyType_GetSlot(type, Py_nb_float) == NULL && PyType_GetSlot(type, Py_nb_index) == NULL)
        pa_refuse_type(object, what, "a number");
    return -1;
}

pa_node *pa_read_handle(PyObject *object, const char *what) {
    if (pa_is_handle(object)) return pa_handle_node(object);
    pa_refuse_type(object, what, "a Tensor");
    return NULL;
}

int pa_read_ints(PyObject *tuple, int64_t *out, int capacity, const char *what) {
    if (!PyTuple_Check(tuple)) {
        pa_refuse_type(tuple, what, "a tuple of ints");
        return -1;
    }
    Py_ssize_t n = PyTuple_Size(tuple);
    if (n > capacity) {
        PyErr_Format(PyExc_ValueError, "%s: %zd ints are more than the %d it takes (tensors have %d axes at the most)",
                     what, n, capacity, PA_MAX_NDIM);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        out[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, i));
        if (out[i] == -1 && PyErr_Occurred()) return -1;
    }
    return (int)n;
}

/* What stands for an int among sizes: NumPy's and a tensor's, and no bool. */
static int read_size(PyObject *object, int64_t *out, const char *what, const char *argument) {
    PyObject *index = PyBool_Check(object) ? NULL : PyNumber_Index(object);
    if (index == NULL) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
        PyErr_Clear();
        PyObject *name = PyType_GetName(Py_TYPE(object));
        if (name != NULL) PyErr_Format(PyExc_TypeError, "%s: %s must be an int, not %U", what, argument, name);
        Py_XDECREF(name);
        return -1;
    }
    *out = PyLong_AsLongLong(index);
    Py_DECREF(index);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

int pa_read_sizes(PyObject *const *arguments, Py_ssize_t n, int64_t *out, const char *what, const char *argument) {
    PyObject *tuple = NULL;
    if (n == 1 && PyList_Check(arguments[0]))
        tuple = PyList_AsTuple(arguments[0]);
    else if (n == 1 && PyTuple_Check(arguments[0]))
        tuple = Py_NewRef(arguments[0]);
    if (n == 1 && tuple == NULL && PyErr_Occurred()) return -1;
    Py_ssize_t count = tuple != NULL ? PyTuple_Size(tuple) : n;
    if (count > PA_MAX_NDIM)
        PyErr_Format(PyExc_ValueError, "%s: %zd ints are more than the %d axes that a tensor can have", what, count,
                     PA_MAX_NDIM);
    int status = count > PA_MAX_NDIM ? -1 : 0;
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = read_size(tuple != NULL ? PyTuple_GetItem(tuple, i) : arguments[i], &out[i], what, argument);
    Py_XDECREF(tuple);
    return status < 0 ? -1 : (int)count;
}

int pa_read_dtype(PyObject *object) {
    long dtype = PyLong_AsLong(object);
    if (dtype == -1 && PyErr_Occurred()) return -1;
    if (dtype < 0 || dtype >= PA_DTYPE_COUNT) {
        PyErr_SetString(PyExc_TypeError, "no such dtype");
        return -1;
    }
    return (int)dtype;
}

bool pa_refuse_count(Py_ssize_t n, Py_ssize_t least, Py_ssize_t most, const char *what) {
    PyErr_Format(PyExc_TypeError, "%s: %zd arguments, not %zd to %zd", what, n, least, most);
    return false;
}

/* ---- numbers for Python ---- */

PyObject *pa_node_element(const pa_node *node) {
    const char *data = pa_node_data(node);
    switch ((pa_dtype)node->dtype) {
    case PA_BOOL: return PyBool_FromLong(*(const uint8_t *)data);
    case PA_UINT8: return PyLong_FromLong(*(const uint8_t *)data);
    case PA_INT32: return PyLong_FromLong(*(const int32_t *)data);
    case PA_INT64: return PyLong_FromLongLong(*(const int64_t *)data);
    default: return PyFloat_FromDouble(pa_node_number(node));
    }
}

static int check_single(const pa_node *node, const char *what) {
    if (pa_node_numel(node) == 1) return 0;
    return pa_zero_or_raise(pa_fail(PA_VALUE, "%s: a tensor of shape %s has %lld elements, not one", what,
                                    pa_node_shape_text(node), (long long)pa_node_numel(node)));
}

PyObject *pa_only_element(PyObject *self, const char *what) {
    const pa_node *node = pa_handle_node(self);
    if (check_single(node, what) < 0) return NULL;
    pa_status status = pa_record_refuse_read(node, what);
    return status == PA_OK ? pa_node_element(node) : pa_raise(status);
}

PyObject *pa_item(PyObject *self) {
    pa_node *node = pa_handle_node(self), *number = NULL;
    if (check_single(node, "item") < 0) return NULL;
    if (!pa_record_hides(node)) return pa_node_element(node);
    return pa_is_traced_number(node) ? Py_NewRef(self) : pa_wrap_or_raise(pa_defer_item(node, &number), &number);
}
