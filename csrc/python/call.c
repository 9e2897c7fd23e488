/* Ops called by their numbers: `apply(op, *operands, …)` is Python's way to every op.

   Behind the operands stand the floats of an elementwise op's parameters, or, for an op on whole tensors, a tuple of
   ints and a tuple of floats. */
#include "parts.h"

#include "convert.h"
#include "in_place.h"

#include "../apply.h"

enum { MAX_INTS = 1 + 3 * PA_MAX_NDIM, MAX_ARGUMENTS = 16 };

static void release_all(pa_node **nodes, int n) {
    for (int i = 0; i < n; i++) pa_node_release(nodes[i]);
}

/* A parameter of an op, such as the slope of leaky_relu. */
static int read_parameter(PyObject *object, pa_op op, pa_call *call, double *params) {
    if (call->n_params == PA_MAX_PARAMS) {
        PyErr_Format(PyExc_TypeError, "%s: too many parameters", pa_op_table[op].name);
        return -1;
    }
    double value = PyFloat_AsDouble(object);
    if (value == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "%s: parameter %d must be a number, not %R", pa_op_table[op].name,
                         call->n_params + 1, (PyObject *)Py_TYPE(object));
        }
        return -1;
    }
    params[call->n_params++] = value;
    return 0;
}

/* A function gives a tensor where it is given numbers, as it does of Python's: traced scalars are none to it. */
static pa_status apply_to_numbers(const pa_call *call, pa_node **out) {
    bool traced[MAX_ARGUMENTS] = {false};
    for (int i = 0; i < call->n; i++) {
        uint16_t *flags = &call->in[i]->flags;
        traced[i] = *flags & PA_WEAK_SCALAR && *flags & PA_TRACED_SCALAR;
        if (traced[i]) *flags &= (uint16_t)~PA_TRACED_SCALAR;
    }
    pa_status status = pa_apply(call, out);
    for (int i = 0; i < call->n; i++)
        if (traced[i]) call->in[i]->flags |= PA_TRACED_SCALAR;
    return status;
}

/* Ops of any number of operands take them as a list. */
static PyObject *apply_list(pa_op op, PyObject *list, pa_call *call) {
    Py_ssize_t n = PyList_Size(list);
    int taken = 0;
    pa_node *out = NULL;
    PyObject *result = NULL;
    pa_node **in = pa_mem_alloc_array((size_t)n + 1, sizeof *in);
    if (in == NULL) return pa_raise(PA_MEMORY);
    for (Py_ssize_t i = 0; i < n; i++, taken++) {
        PyObject *item = PyList_GetItem(list, i); /* reading one may run Python, which may change the list */
        int found = item == NULL ? -1 : pa_read_operand(Py_NewRef(item), op, (int)i, &in[i]);
        Py_XDECREF(item);
        if (found < 0) goto done;
    }
    call->n = taken;
    call->in = in;
    result = pa_wrap_or_raise(pa_apply(call, &out), &out);
done:
    release_all(in, taken);
    pa_mem_free_array(in, (size_t)n + 1, sizeof *in);
    return result;
}

static PyObject *apply(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 2, MAX_ARGUMENTS, "apply")) return NULL;
    long op = PyLong_AsLong(arguments[0]);
    if (op == -1 && PyErr_Occurred()) return NULL;
    if (op <= PA_OP_leaf || op >= PA_OP_COUNT) return PyErr_Format(PyExc_ValueError, "apply: no op %ld", op);
    const pa_op_info *info = &pa_op_table[op];

    int64_t ints[MAX_INTS];
    double params[PA_MAX_PARAMS];
    pa_node *in[MAX_ARGUMENTS], *out = NULL;
    pa_call call = {.op = (pa_op)op, .in = in, .ints = ints, .params = params};
    PyObject *result = NULL;
    bool elementwise = info->family != PA_WHOLE;
    bool listed = !elementwise && PyList_Check(arguments[1]) && (n == 2 || PyTuple_Check(arguments[2]));
    Py_ssize_t next = listed ? 2 : 1;
    while (!listed && next < n && (elementwise ? call.n < info->operands : !PyTuple_Check(arguments[next]))) {
        if (pa_read_operand(arguments[next++], (pa_op)op, call.n, &in[call.n]) < 0) goto done;
        call.n++;
    }
    for (; elementwise && next < n; next++)
        if (read_parameter(arguments[next], (pa_op)op, &call, params) < 0) goto done;
    if (next < n && (call.n_ints = pa_read_ints(arguments[next++], ints, MAX_INTS, info->name)) < 0) goto done;
    if (next < n) {
        PyObject *floats = arguments[next];
        Py_ssize_t count = PyTuple_Check(floats) ? PyTuple_Size(floats) : -1;
        if (count < 0 || count > PA_MAX_PARAMS) {
            PyErr_Format(PyExc_TypeError, "%s: a tuple of up to %d floats is wanted", info->name, PA_MAX_PARAMS);
            goto done;
        }
        for (Py_ssize_t i = 0; i < count; i++)
            if (read_parameter(PyTuple_GetItem(floats, i), (pa_op)op, &call, params) < 0) goto done;
    }
    if (listed) return apply_list((pa_op)op, arguments[1], &call);
    pa_status status = pa_recording() == NULL ? pa_apply(&call, &out) : apply_to_numbers(&call, &out);
    result = pa_wrap_or_raise(status, &out);
done:
    release_all(in, call.n);
    return result;
}

static PyObject *in_place(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 3, 3, "in_place")) return NULL;
    long op = PyLong_AsLong(arguments[0]);
    if (op == -1 && PyErr_Occurred()) return NULL;
    if (op <= PA_OP_leaf || op >= PA_OP_COUNT || pa_op_table[op].operands != 2)
        return PyErr_Format(PyExc_ValueError, "in_place: no binary op %ld", op);
    PyObject *result = pa_in_place((pa_op)op, arguments[1], arguments[2]);
    if (result != Py_NotImplemented) return result;
    Py_DECREF(result);
    return PyErr_Format(PyExc_TypeError, "%s: operands %R and %R", pa_op_table[op].name,
                        (PyObject *)Py_TYPE(arguments[1]), (PyObject *)Py_TYPE(arguments[2]));
}

static PyObject *assign(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 4, 4, "assign")) return NULL;
    const char *what = PyUnicode_AsUTF8AndSize(arguments[2], NULL);
    if (what == NULL || pa_read_handle(arguments[0], what) == NULL) return NULL;
    pa_node *source = pa_read_handle(arguments[1], what);
    if (source == NULL) return NULL;
    pa_node_retain(source);
    pa_status status = pa_assign(arguments[0], source, what, arguments[3] == Py_True);
    pa_node_release(source);
    return status == PA_OK ? Py_NewRef(arguments[0]) : pa_raise(status);
}

static PyObject *detach_in_place(PyObject *Py_UNUSED(module), PyObject *object) {
    if (pa_read_handle(object, "detach_") == NULL) return NULL;
    return pa_none_or_raise(pa_detach_in_place(object));
}

static PyObject *is_shared(PyObject *Py_UNUSED(module), PyObject *object) {
    const pa_node *node = pa_read_handle(object, "is_shared");
    return node == NULL ? NULL : PyBool_FromLong(pa_is_shared(node));
}

/* A reshape that copies only where strides cannot say it. */
static PyObject *reshape(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 2, MAX_ARGUMENTS, "reshape")) return NULL;
    pa_node *node = pa_read_handle(arguments[0], "reshape"), *source = NULL, *out = NULL;
    if (node == NULL) return NULL;
    int64_t ints[MAX_INTS] = {PA_VIEW_RESHAPE}, strides[PA_MAX_NDIM], shape[PA_MAX_NDIM], known = 1;
    int ndim = pa_read_sizes(arguments + 1, n - 1, ints + 1, "reshape", "shape");
    if (ndim < 0) return NULL;
    for (int i = 0; i < ndim; i++)
        if (ints[1 + i] > 0 && __builtin_mul_overflow(known, ints[1 + i], &known)) known = INT64_MAX;
    for (int i = 0; i < ndim; i++) shape[i] = ints[1 + i] == -1 ? pa_node_numel(node) / known : ints[1 + i];
    int64_t product = 1;
    for (int i = 0; i < ndim; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(product, shape[i], &product)) product = -1; /* the view op says so */
    pa_status status = PA_OK;
    if (product == pa_node_numel(node) && !pa_node_is_contiguous(node) && !pa_can_view(node, ndim, shape, strides)) {
        int64_t dtype = node->dtype;
        pa_call copy = {.op = PA_OP_cast, .n = 1, .in = &node, .n_ints = 1, .ints = &dtype};
        status = pa_apply(&copy, &source);
    } else {
        source = pa_node_retain(node);
    }
    if (status != PA_OK) return pa_raise(status);
    pa_call call = {.op = PA_OP_view, .n = 1, .in = &source, .n_ints = 1 + ndim, .ints = ints};
    status = pa_apply(&call, &out);
    pa_node_release(source);
    return pa_wrap_or_raise(status, &out);
}

static PyMethodDef functions[] = {
    PA_METHOD("apply", apply, METH_FASTCALL, "(op, /, *operands_and_parameters)", "The op's result."),
    PA_METHOD("in_place", in_place, METH_FASTCALL, "(op, target, other, /)", "target op= other."),
    PA_METHOD("detach_in_place", detach_in_place, METH_O, "(tensor, /)", "detach_ of a result"),
    PA_METHOD("assign", assign, METH_FASTCALL, "(target, source, what, fresh, /)",
              "target := source, with its history."),
    PA_METHOD("is_shared", is_shared, METH_O, "(tensor, /)", "Do others see its memory?"),
    PA_METHOD("reshape", reshape, METH_FASTCALL, "(tensor, shape, /, *more)", "A view where possible, else of a copy."),
    {NULL, NULL, 0, NULL},
};

int pa_call_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
