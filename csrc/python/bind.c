/* The functions that Python calls on handles, added to the compiled module; and the hooks by which the core reaches Python.

   `apply(op, *operands, …)` is the way to every op. Behind the operands stand the floats of an elementwise op's parameters,
   or, for an op on whole tensors, a tuple of ints and a tuple of floats. */
#include "handle.h"

#include <stdio.h>
#include <string.h>

#include "../kernels/blas.h"
#include "guards.h"
#include "../hold.h"
#include "../kernels/kernels.h"
#include "modes.h"
#include "program_type.h"
#include "../scalar.h"
#include "../tape.h"

enum { MAX_INTS = 1 + 3 * PA_MAX_NDIM, MAX_INLINE_OPERANDS = 16 };

/* ---- hooks ---- */

static void hook_release_object(void *object) { Py_DECREF((PyObject *)object); }
static pa_status hook_hold_node(pa_node *node) { return pa_wrap(pa_node_retain(node)) == NULL ? PA_PYTHON : PA_OK; }
static void *hook_leave_python(void) { return PyEval_SaveThread(); }
static void hook_enter_python(void *token) { PyEval_RestoreThread(token); }

static bool hook_interrupted(void) {
    PyGILState_STATE state = PyGILState_Ensure();
    bool interrupted = PyErr_CheckSignals() != 0;
    PyGILState_Release(state);
    return interrupted;
}

/* Is this code the user's, and not this package's own? Asked of the frames from the newest on; remembers the last answer. */
static bool is_users_code(PyObject *code) {
    static PyObject *last; /* held, so that no other code takes its address */
    if (code == last) return true;
    PyObject *name = PyObject_GetAttrString(code, "co_filename");
    PyObject *prefix = pa_py.package_folder;
    bool users = name != NULL && (prefix == NULL || PyUnicode_Tailmatch(name, prefix, 0, PY_SSIZE_T_MAX, -1) == 0);
    Py_XDECREF(name);
    PyErr_Clear();
    if (users) {
        Py_XDECREF(last);
        last = Py_NewRef(code);
    }
    return users;
}

/* The user's code that runs, held, its line, and how many frames from the newest it is, counted from 1. */
static PyObject *users_place(int *line, int *level) {
    PyFrameObject *frame = PyEval_GetFrame();
    PyObject *code = NULL;
    *level = 0;
    Py_XINCREF((PyObject *)frame);
    while (frame != NULL && code == NULL) {
        PyObject *of_frame = (PyObject *)PyFrame_GetCode(frame);
        ++*level;
        if (is_users_code(of_frame)) {
            code = of_frame;
            *line = PyFrame_GetLineNumber(frame);
        } else {
            Py_DECREF(of_frame);
            PyObject *back = PyObject_GetAttrString((PyObject *)frame, "f_back");
            Py_DECREF((PyObject *)frame);
            frame = back == NULL || back == Py_None ? NULL : (PyFrameObject *)back;
            if (back == Py_None) Py_DECREF(back);
        }
    }
    Py_XDECREF((PyObject *)frame);
    return code;
}

static void *hook_where(int *line) {
    int level;
    *line = 0;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *code = users_place(line, &level);
    PyErr_Restore(type, value, traceback);
    return code;
}

int pa_warn(const char *message) {
    int line, level;
    PyObject *code = users_place(&line, &level);
    int status = PyErr_WarnEx(PyExc_UserWarning, message, code == NULL ? 1 : level);
    Py_XDECREF(code);
    return status;
}

static void hook_describe_code(void *code, char *text, size_t size) {
    PyObject *name = PyObject_GetAttrString(code, "co_filename");
    const char *file = name == NULL ? NULL : PyUnicode_AsUTF8AndSize(name, NULL);
    snprintf(text, size, "%s", file == NULL ? "" : file);
    Py_XDECREF(name);
    PyErr_Clear();
}

static void resolve_blas(void) {
    if (pa_py.resolve_blas == NULL) return;
    PyObject *returned = PyObject_CallFunctionObjArgs(pa_py.resolve_blas, NULL);
    if (returned == NULL) PyErr_WriteUnraisable(pa_py.resolve_blas);
    Py_XDECREF(returned);
}

/* Adds what an autograd.Function returned for operand i to that operand's gradient. */
static pa_status take_gradient(pa_node *node, int i, PyObject *returned) {
    pa_node *parent = pa_node_parent(node, i), *gradient = NULL;
    if (returned == Py_None || !pa_node_requires_grad(parent)) return PA_OK;
    int found = pa_as_node(returned, &gradient);
    if (found < 0) return PA_PYTHON;
    if (found == 0) return pa_fail(PA_TYPE, "backward: gradient %d of an autograd.Function is no tensor", i);
    pa_status status = PA_OK;
    size_t bytes = (size_t)pa_node_numel(parent) * pa_dtype_size((pa_dtype)parent->dtype);
    void *converted = NULL;
    if (!pa_same_shape(gradient, parent))
        status = pa_fail(PA_VALUE, "backward: gradient %d of an autograd.Function has shape %s, its input %s", i,
                         pa_node_shape_text(gradient), pa_node_shape_text(parent));
    else if ((converted = pa_mem_alloc(bytes)) == NULL)
        status = PA_MEMORY;
    if (status == PA_OK) {
        bool accumulate = false;
        void *target = pa_gradient_target(node, i, &accumulate);
        pa_node_gather(gradient, (pa_dtype)parent->dtype, converted);
        pa_add_or_copy((pa_dtype)parent->dtype, target, (pa_dtype)parent->dtype, converted, pa_node_numel(parent),
                       accumulate);
    }
    pa_mem_free(converted, bytes);
    pa_node_release(gradient);
    return status;
}

/* The backward of an autograd.Function: function(upstream gradient) -> a tuple with a gradient or None for each operand. */
static pa_status run_function_backward(pa_node *node, PyObject *function) {
    pa_node *gradient = NULL;
    PA_TRY(pa_node_new((pa_dtype)node->dtype, node->ndim, pa_node_shape(node), &gradient));
    memcpy(pa_node_data(gradient), pa_gradient(node),
           (size_t)pa_node_numel(node) * pa_dtype_size((pa_dtype)node->dtype));
    PyObject *upstream = pa_wrap(gradient);
    PyObject *returned = upstream == NULL ? NULL : PyObject_CallFunctionObjArgs(function, upstream, NULL);
    Py_XDECREF(upstream);
    if (returned == NULL) return PA_PYTHON;
    pa_status status = PA_OK;
    if (!PyTuple_Check(returned) || PyTuple_Size(returned) != node->n_parents)
        status = pa_fail(PA_VALUE, "backward: an autograd.Function returned something else than %d gradients",
                         node->n_parents);
    for (int i = 0; status == PA_OK && i < node->n_parents; i++)
        status = take_gradient(node, i, PyTuple_GetItem(returned, i));
    Py_DECREF(returned);
    return status;
}

static pa_status hook_custom_backward(pa_node *node) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *dict = pa_node_dict(node);
    PyObject *function = dict == NULL ? NULL : PyDict_GetItemString(dict, "_backward_function");
    pa_status status = PA_OK;
    if (function != NULL) {
        Py_INCREF(function);
        if (node->flags & PA_IS_VALUE) {
            PyObject *returned = PyObject_CallFunctionObjArgs(function, NULL);
            status = returned == NULL ? PA_PYTHON : PA_OK;
            Py_XDECREF(returned);
        } else {
            status = run_function_backward(node, function);
        }
        Py_DECREF(function);
    }
    PyGILState_Release(state);
    return status;
}

/* ---- reading arguments ---- */

static int read_int(PyObject *object, int64_t *out) {
    long long value = PyLong_AsLongLong(object);
    if (value == -1 && PyErr_Occurred()) return -1;
    *out = value;
    return 0;
}

/* A tuple of ints; their number, or -1. */
static int read_ints(PyObject *tuple, int64_t *out, int capacity, const char *what) {
    if (!PyTuple_Check(tuple)) {
        PyErr_Format(PyExc_TypeError, "%s: a tuple of ints is wanted, not %R", what, (PyObject *)Py_TYPE(tuple));
        return -1;
    }
    Py_ssize_t n = PyTuple_Size(tuple);
    if (n > capacity) {
        PyErr_Format(PyExc_ValueError, "%s: %zd ints are more than the %d it takes (tensors have %d axes at the most)",
                     what, n, capacity, PA_MAX_NDIM);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        if (read_int(PyTuple_GetItem(tuple, i), &out[i]) < 0) return -1;
    return (int)n;
}

static int read_dtype(PyObject *object) {
    long dtype = PyLong_AsLong(object);
    if (dtype == -1 && PyErr_Occurred()) return -1;
    if (dtype < 0 || dtype >= PA_DTYPE_COUNT) {
        PyErr_SetString(PyExc_TypeError, "no such dtype");
        return -1;
    }
    return (int)dtype;
}

static pa_node *read_handle(PyObject *object, const char *what) {
    if (pa_is_handle(object)) return pa_handle_node(object);
    PyErr_Format(PyExc_TypeError, "%s: a Tensor is wanted, not %R", what, (PyObject *)Py_TYPE(object));
    return NULL;
}

static bool has_arguments(Py_ssize_t n, Py_ssize_t least, Py_ssize_t most, const char *what) {
    if (n >= least && n <= most) return true;
    PyErr_Format(PyExc_TypeError, "%s: %zd arguments, not %zd to %zd", what, n, least, most);
    return false;
}

/* What a call that made *node, or failed, gives back to Python. */
static PyObject *finish(pa_status status, pa_node **node) {
    return status == PA_OK ? pa_wrap(*node) : pa_raise(status);
}

static PyObject *none_or_raise(pa_status status) {
    if (status != PA_OK) return pa_raise(status);
    Py_RETURN_NONE;
}

/* ---- apply ---- */

static void release_all(pa_node **nodes, int n) {
    for (int i = 0; i < n; i++) pa_node_release(nodes[i]);
}

static int read_operand(PyObject *object, pa_op op, int place, pa_node **out) {
    int found = pa_as_node(object, out);
    if (found == 0)
        PyErr_Format(PyExc_TypeError, "%s: operand %d must be a Tensor or a number, not %R", pa_op_table[op].name,
                     place + 1, (PyObject *)Py_TYPE(object));
    return found == 1 ? 0 : -1;
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
        int found = item == NULL ? -1 : read_operand(Py_NewRef(item), op, (int)i, &in[i]);
        Py_XDECREF(item);
        if (found < 0) goto done;
    }
    call->n = taken;
    call->in = in;
    result = finish(pa_apply(call, &out), &out);
done:
    release_all(in, taken);
    pa_mem_free_array(in, (size_t)n + 1, sizeof *in);
    return result;
}

static PyObject *bind_apply(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 2, MAX_INLINE_OPERANDS, "apply")) return NULL;
    long op = PyLong_AsLong(arguments[0]);
    if (op == -1 && PyErr_Occurred()) return NULL;
    if (op <= PA_OP_leaf || op >= PA_OP_COUNT) return PyErr_Format(PyExc_ValueError, "apply: no op %ld", op);
    const pa_op_info *info = &pa_op_table[op];

    int64_t ints[MAX_INTS];
    double params[PA_MAX_PARAMS];
    pa_node *in[MAX_INLINE_OPERANDS], *out = NULL;
    pa_call call = {.op = (pa_op)op, .in = in, .ints = ints, .params = params};
    PyObject *result = NULL;
    bool elementwise = info->family != PA_WHOLE, listed = !elementwise && PyList_Check(arguments[1]);
    Py_ssize_t next = listed ? 2 : 1;
    while (!listed && next < n && (elementwise ? call.n < info->operands : !PyTuple_Check(arguments[next]))) {
        if (read_operand(arguments[next++], (pa_op)op, call.n, &in[call.n]) < 0) goto done;
        call.n++;
    }
    for (; elementwise && next < n; next++)
        if (read_parameter(arguments[next], (pa_op)op, &call, params) < 0) goto done;
    if (next < n && (call.n_ints = read_ints(arguments[next++], ints, MAX_INTS, info->name)) < 0) goto done;
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
    result = finish(pa_apply(&call, &out), &out);
done:
    release_all(in, call.n);
    return result;
}

static PyObject *bind_in_place(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 3, 3, "in_place")) return NULL;
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

/* A reshape that copies only where strides cannot say it. */
static PyObject *bind_reshape(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 2, 2, "reshape")) return NULL;
    pa_node *node = read_handle(arguments[0], "reshape"), *source = NULL, *out = NULL;
    if (node == NULL) return NULL;
    int64_t ints[MAX_INTS] = {PA_VIEW_RESHAPE}, strides[PA_MAX_NDIM], shape[PA_MAX_NDIM], known = 1;
    int ndim = read_ints(arguments[1], ints + 1, PA_MAX_NDIM, "reshape");
    if (ndim < 0) return NULL;
    for (int i = 0; i < ndim; i++)
        if (ints[1 + i] > 0 && __builtin_mul_overflow(known, ints[1 + i], &known)) known = INT64_MAX;
    for (int i = 0; i < ndim; i++) shape[i] = ints[1 + i] == -1 ? pa_node_numel(node) / known : ints[1 + i];
    int64_t product = 1;
    for (int i = 0; i < ndim; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(product, shape[i], &product)) product = -1; /* the view op says so */
    pa_status status = PA_OK;
    if (product == pa_node_numel(node) && !pa_can_view(node, ndim, shape, strides)) {
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
    return finish(status, &out);
}

/* ---- making tensors ---- */

static PyObject *bind_empty(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 2, 2, "empty")) return NULL;
    int64_t shape[PA_MAX_NDIM];
    int dtype = read_dtype(arguments[0]), ndim = read_ints(arguments[1], shape, PA_MAX_NDIM, "empty");
    if (dtype < 0 || ndim < 0) return NULL;
    for (int i = 0; i < ndim; i++)
        if (shape[i] < 0)
            return pa_raise(pa_fail(PA_VALUE, "empty: shape %s is not possible", pa_shape_text(ndim, shape)));
    pa_node *node = NULL;
    return finish(pa_node_new((pa_dtype)dtype, ndim, shape, &node), &node);
}

/* borrow(owner, address, dtype, shape, strides): a tensor over somebody's memory, strides in elements. */
static PyObject *bind_borrow(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 5, 5, "borrow")) return NULL;
    int64_t shape[PA_MAX_NDIM], strides[PA_MAX_NDIM], numel = 1;
    char *address = PyLong_AsVoidPtr(arguments[1]);
    if (address == NULL && PyErr_Occurred()) return NULL;
    int dtype = read_dtype(arguments[2]);
    int ndim = dtype < 0 ? -1 : read_ints(arguments[3], shape, PA_MAX_NDIM, "borrow");
    if (ndim < 0 || read_ints(arguments[4], strides, PA_MAX_NDIM, "borrow") != ndim) return NULL;
    for (int i = 0; i < ndim; i++) numel *= shape[i];
    pa_storage *storage = NULL;
    size_t bytes = (size_t)numel * pa_dtype_size((pa_dtype)dtype);
    pa_status status = pa_storage_borrow(address, bytes, Py_NewRef(arguments[0]), &storage);
    if (status != PA_OK) {
        Py_DECREF(arguments[0]);
        return pa_raise(status);
    }
    pa_node *node = NULL;
    status = pa_node_over((pa_dtype)dtype, ndim, shape, strides, storage, address, &node);
    pa_storage_release(storage);
    if (status == PA_OK) node->flags |= PA_IS_VIEW;
    return finish(status, &node);
}

/* parameter(tensor, requires_grad): an nn.Parameter over the same memory. */
static PyObject *bind_parameter(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 2, 2, "Parameter")) return NULL;
    int requires_grad = PyObject_IsTrue(arguments[1]); /* first: it may run Python, which may move the handle on */
    pa_node *source = requires_grad < 0 ? NULL : read_handle(arguments[0], "Parameter"), *node = NULL;
    if (source == NULL) return NULL;
    if (requires_grad && !pa_dtype_is_float((pa_dtype)source->dtype))
        return pa_raise(pa_fail(PA_TYPE, "Parameter: only floating point tensors have gradients, not %s of shape %s",
                                pa_dtype_name((pa_dtype)source->dtype), pa_node_shape_text(source)));
    pa_status status = pa_detach(source, &node);
    if (status != PA_OK) return pa_raise(status);
    node->flags |= PA_IS_PARAMETER;
    if (requires_grad) node->flags |= PA_REQUIRES_GRAD;
    return pa_wrap(node);
}

/* An int beyond int64 is written as the float it is near, and is refused where int64 is written. */
static int read_source(PyObject *object, pa_dtype target, const char *what, pa_node **out) {
    int overflow = 0;
    if (PyLong_Check(object)) PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow == 0) return read_operand(object, PA_OP_cast, 0, out);
    PyObject *number = PyNumber_Float(object);
    if (number == NULL) return -1;
    int status = -1;
    if (target == PA_INT64)
        pa_raise(pa_fail(PA_VALUE, "%s: %.17g does not fit into a tensor of int64", what, PyFloat_AsDouble(number)));
    else
        status = read_operand(number, PA_OP_cast, 0, out);
    Py_DECREF(number);
    return status;
}

static PyObject *bind_copy_into(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 3, 3, "copy_into")) return NULL;
    const char *what = PyUnicode_AsUTF8AndSize(arguments[2], NULL);
    pa_node *target = what == NULL ? NULL : read_handle(arguments[0], what), *source = NULL;
    if (target == NULL || read_source(arguments[1], (pa_dtype)target->dtype, what, &source) < 0) return NULL;
    target = pa_handle_node(arguments[0]); /* reading the source may have run Python, and moved the handle on */
    pa_status status = PA_OK;
    if (pa_grad_enabled() && pa_node_requires_grad(source))
        status = pa_fail(
            PA_RUNTIME,
            "%s: a source of shape %s that requires grad is written into a tensor; gradients do not flow through "
            "such writes: detach() it, or write under no_grad()",
            what, pa_node_shape_text(source));
    if (status == PA_OK) status = pa_copy_into(target, source, what);
    pa_node_release(source);
    return none_or_raise(status);
}

/* check_write(tensor, what) before, bump_version(tensor) after a write through NumPy. */
static PyObject *bind_check_write(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 2, 2, "check_write")) return NULL;
    const char *what = PyUnicode_AsUTF8AndSize(arguments[1], NULL);
    pa_node *node = what == NULL ? NULL : read_handle(arguments[0], what);
    return node == NULL ? NULL : none_or_raise(pa_node_begin_write(node, what));
}

static PyObject *bind_bump_version(PyObject *module, PyObject *object) {
    (void)module;
    pa_node *node = read_handle(object, "bump_version");
    if (node == NULL) return NULL;
    if (pa_node_storage(node) != NULL) pa_node_end_write(node);
    Py_RETURN_NONE;
}

/* attach(output, inputs, backward, name): makes a fresh tensor the result of an op written in Python. */
static PyObject *bind_attach(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 4, 4, "attach")) return NULL;
    pa_node *node = read_handle(arguments[0], "attach"), *parents[MAX_INLINE_OPERANDS];
    if (node == NULL) return NULL;
    if (!PyTuple_Check(arguments[1])) return PyErr_Format(PyExc_TypeError, "attach: a tuple of inputs is wanted");
    Py_ssize_t count = PyTuple_Size(arguments[1]);
    if (count > MAX_INLINE_OPERANDS)
        return PyErr_Format(PyExc_ValueError, "autograd.Function: %zd tensors are more than the %d it takes", count,
                            MAX_INLINE_OPERANDS);
    for (Py_ssize_t i = 0; i < count; i++)
        if ((parents[i] = read_handle(PyTuple_GetItem(arguments[1], i), "attach")) == NULL) return NULL;
    /* A node that others hold may have children already, and must not become younger than they are. */
    if (node->flags & PA_LISTED || node->n_parents > 0 || node->refs > 1 || !pa_dtype_is_float((pa_dtype)node->dtype))
        return PyErr_Format(PyExc_TypeError, "autograd.Function: forward must return a new floating point tensor");
    if (pa_handle_keep(arguments[0], "_backward_function", arguments[2]) < 0 ||
        pa_handle_keep(arguments[0], "_custom_op", arguments[3]) < 0)
        return NULL;
    return none_or_raise(pa_apply_custom(node, (int)count, parents));
}

/* ---- differentiating ---- */

/* backward(root, gradient or None, retain_graph) */
static PyObject *bind_backward(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 3, 3, "backward")) return NULL;
    int retain = PyObject_IsTrue(arguments[2]);
    pa_node *root = retain < 0 ? NULL : read_handle(arguments[0], "backward"), *gradient = NULL;
    if (root == NULL) return NULL;
    if (arguments[1] != Py_None && (gradient = read_handle(arguments[1], "backward: gradient")) == NULL) return NULL;
    pa_backward_options options = {
        .gradient = gradient, .retain_graph = retain, .detect_anomaly = pa_graph.detects_anomaly};
    return none_or_raise(pa_backward(root, &options));
}

/* grad(root, inputs, gradient or None, retain_graph): a tuple of gradients, None where the root does not depend. */
static PyObject *bind_grad(PyObject *module, PyObject *const *arguments, Py_ssize_t n) {
    (void)module;
    if (!has_arguments(n, 4, 4, "grad")) return NULL;
    int retain = PyObject_IsTrue(arguments[3]);
    pa_node *root = retain < 0 ? NULL : read_handle(arguments[0], "grad"), *gradient = NULL;
    if (root == NULL) return NULL;
    if (arguments[2] != Py_None && (gradient = read_handle(arguments[2], "grad: grad_outputs")) == NULL) return NULL;
    if (!PyTuple_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "grad: a tuple of inputs is wanted");
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(arguments[1]);
    size_t room = (size_t)count + 1;
    pa_node **inputs = pa_mem_alloc_array(2 * room, sizeof *inputs);
    if (inputs == NULL) return pa_raise(PA_MEMORY);
    pa_node **results = inputs + room;
    PyObject *tuple = NULL;
    for (Py_ssize_t i = 0; i < count; i++)
        if ((inputs[i] = read_handle(PyTuple_GetItem(arguments[1], i), "grad")) == NULL) goto done;
    pa_backward_options options = {.gradient = gradient,
                                   .retain_graph = retain,
                                   .n_inputs = (int)count,
                                   .inputs = inputs,
                                   .results = results,
                                   .detect_anomaly = pa_graph.detects_anomaly};
    pa_status status = pa_backward(root, &options);
    if (status != PA_OK) {
        pa_raise(status);
        goto done;
    }
    tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *result = results[i] == NULL ? Py_NewRef(Py_None) : pa_wrap(results[i]);
        if (tuple == NULL || result == NULL || PyTuple_SetItem(tuple, i, result) < 0) Py_CLEAR(tuple);
    }
done:
    pa_mem_free_array(inputs, 2 * room, sizeof *inputs);
    return tuple;
}

/* Lists everything that reaches the root, its neurons opened. */
static pa_status list_opened(pa_node *root, pa_tape *tape) {
    PA_TRY(pa_tape_list(root, true, tape));
    bool opened = false;
    pa_status status = PA_OK;
    for (size_t i = 0; i < tape->n_nodes && status == PA_OK; i++) {
        opened = opened || tape->nodes[i]->op == PA_OP_neuron;
        status = pa_value_open_neuron(tape->nodes[i]);
    }
    if (status == PA_OK && !opened) return PA_OK;
    pa_tape_free(tape);
    return status == PA_OK ? pa_tape_list(root, true, tape) : status;
}

/* tape(root): every node that reaches the root, leaves first, then inner nodes in the order of their birth. */
static PyObject *bind_tape(PyObject *module, PyObject *object) {
    (void)module;
    pa_node *root = read_handle(object, "tape");
    if (root == NULL) return NULL;
    pa_tape tape;
    pa_status status = list_opened(root, &tape);
    if (status != PA_OK) return pa_raise(status);
    size_t total = tape.n_leaves + tape.n_nodes;
    PyObject *list = PyList_New((Py_ssize_t)total);
    for (size_t i = 0; list != NULL && i < total; i++) {
        pa_node *node = i < tape.n_leaves ? tape.leaves[tape.n_leaves - 1 - i] : tape.nodes[total - 1 - i];
        PyObject *handle = pa_wrap(pa_node_retain(node));
        if (handle == NULL || PyList_SetItem(list, (Py_ssize_t)i, handle) < 0) Py_CLEAR(list);
    }
    pa_tape_free(&tape);
    return list;
}

static void let_go(PyObject *holder) { pa_node_program_release(PyCapsule_GetPointer(holder, "pa_node")); }

/* A tensor may move on to another node; who keeps a node's address keeps its holder. */
static PyObject *bind_holder(PyObject *module, PyObject *object) {
    (void)module;
    pa_node *node = read_handle(object, "holder");
    if (node == NULL) return NULL;
    PyObject *holder = PyCapsule_New(pa_node_program_retain(node), "pa_node", let_go);
    if (holder == NULL) pa_node_program_release(node);
    return holder;
}

static PyObject *bind_is_grad_enabled(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyBool_FromLong(pa_grad_enabled());
}

static PyObject *bind_is_anomaly_enabled(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyBool_FromLong(pa_graph.detects_anomaly);
}

/* register(Parameter, coerce, dtypes, resolve_blas, np.integer, np.floating, folder): what the core needs of the Python side. */
static PyObject *bind_register(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *parameter, *coerce, *dtypes, *resolve, *integer, *floating, *folder;
    if (!PyArg_ParseTuple(arguments, "OOOOOOU:register", &parameter, &coerce, &dtypes, &resolve, &integer, &floating,
                          &folder))
        return NULL;
    pa_py.package_folder = Py_NewRef(folder);
    pa_py.numpy_integer = (PyTypeObject *)Py_NewRef(integer);
    pa_py.numpy_floating = (PyTypeObject *)Py_NewRef(floating);
    pa_py.parameter_type = (PyTypeObject *)Py_NewRef(parameter);
    pa_py.coerce = Py_NewRef(coerce);
    pa_py.dtypes = Py_NewRef(dtypes);
    pa_py.resolve_blas = Py_NewRef(resolve);
    Py_RETURN_NONE;
}

static PyObject *after_fork(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    pa_hold_after_fork();
    pa_blas_after_fork();
    Py_RETURN_NONE;
}

/* Has after_fork run in the children of forks; -1 with an exception set. */
static int watch_forks(void) {
    static PyMethodDef method = {"after_fork", after_fork, METH_NOARGS, "What other threads had marked is free."};
    PyObject *os = PyImport_ImportModule("os"), *function = PyCFunction_NewEx(&method, NULL, NULL);
    PyObject *watch = os == NULL ? NULL : PyObject_GetAttrString(os, "register_at_fork");
    PyObject *nothing = PyTuple_New(0), *keywords = Py_BuildValue("{s:O}", "after_in_child", function);
    PyObject *done =
        watch != NULL && nothing != NULL && keywords != NULL ? PyObject_Call(watch, nothing, keywords) : NULL;
    Py_XDECREF(os);
    Py_XDECREF(function);
    Py_XDECREF(watch);
    Py_XDECREF(nothing);
    Py_XDECREF(keywords);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

#define FAST_AT(name, function, words) {#name, (PyCFunction)(void (*)(void))function, METH_FASTCALL, words}
#define FAST(name, words) FAST_AT(name, bind_##name, words)
static PyMethodDef functions[] = {
    FAST(apply, "apply(op, *operands, ...): the op's result."),
    FAST(in_place, "in_place(op, target, other): target op= other."),
    FAST(reshape, "reshape(tensor, shape): a view where possible, else of a copy."),
    FAST_AT(layer, pa_layer, "layer(neurons, x, Neuron): the outputs of a layer."),
    FAST(empty, "empty(dtype, shape): a tensor, not filled."),
    FAST(borrow, "borrow(owner, address, dtype, shape, strides): a tensor over somebody's memory."),
    FAST(parameter, "parameter(tensor, requires_grad): a Parameter over the same memory."),
    FAST(copy_into, "copy_into(target, source, what): overwrite target's elements."),
    FAST(check_write, "check_write(tensor, what): raise where a write in place would hurt."),
    FAST(attach, "attach(output, inputs, backward, name): make output the result of a Python op."),
    FAST(backward, "backward(root, gradient, retain_graph)."),
    FAST(grad, "grad(root, inputs, gradient, retain_graph): gradients of the inputs."),
    {"array_over", pa_array_over, METH_O, "array_over(array): a tensor over its memory, or NotImplemented."},
    {"arrays", pa_arrays_ready, METH_VARARGS,
     "arrays(sample, address, shape, strides, dtypes): may array_over be used?"},
    FAST_AT(exchange, pa_exchange, "exchange(a, b): two new Tensors trade their contents."),
    {"bump_version", bind_bump_version, METH_O, "bump_version(tensor): its memory was written."},
    {"tape", bind_tape, METH_O, "tape(root): every node that reaches it, inputs before results."},
    {"holder", bind_holder, METH_O, "holder(tensor): keeps its node, and so the node's address, alive."},
    {"is_anomaly_enabled", bind_is_anomaly_enabled, METH_NOARGS, "Are anomalies looked for?"},
    {"is_grad_enabled", bind_is_grad_enabled, METH_NOARGS, "Is history kept?"},
    {"register", bind_register, METH_VARARGS,
     "register(Parameter, coerce, dtypes, resolve_blas, np.integer, np.floating, folder)."},
    {NULL, NULL, 0, NULL},
};

static int complete(PyObject *module) {
    if (pa_handle_ready() < 0) return -1;
    pa_hook = (pa_hooks){hook_release_object, hook_hold_node,       hook_leave_python, hook_enter_python,
                         hook_interrupted,    hook_custom_backward, hook_where,        hook_describe_code};
    pa_py.trace_error = PyErr_NewExceptionWithDoc(
        "pyautograd.TraceError",
        "A step that pyautograd.compile cannot record; the message says where and what to write instead.",
        PyExc_RuntimeError, NULL);
    if (watch_forks() < 0) return -1;
    if (pa_py.trace_error == NULL || PyModule_AddObjectRef(module, "TraceError", pa_py.trace_error) < 0) return -1;
    pa_blas_set_resolver(resolve_blas);
    if (PyModule_AddObjectRef(module, "Node", (PyObject *)pa_py.node_type) < 0 ||
        PyModule_AddObjectRef(module, "Value", (PyObject *)pa_py.value_type) < 0 ||
        PyModule_AddObjectRef(module, "Tensor", (PyObject *)pa_py.tensor_type) < 0 || pa_layer_ready(module) < 0 ||
        pa_modes_ready(module) < 0 || pa_program_ready(module) < 0 || pa_guards_ready(module) < 0)
        return -1;
    PyObject *name = PyUnicode_FromString("pyautograd._core");
    if (name == NULL) return -1;
    int status = 0;
    for (PyMethodDef *function = functions; status == 0 && function->ml_name != NULL; function++) {
        PyObject *callable = PyCFunction_NewEx(function, NULL, name);
        status = callable == NULL ? -1 : PyModule_AddObjectRef(module, function->ml_name, callable);
        Py_XDECREF(callable);
    }
    Py_DECREF(name);
    return status;
}

/* cffi's own initialiser, under another name (_build.py): makes the module with `ffi` and `lib`. */
PyMODINIT_FUNC pa_init_cffi_module(void);

PyMODINIT_FUNC PyInit__core(void) {
    PyObject *module = pa_init_cffi_module();
    if (module != NULL && complete(module) < 0) Py_CLEAR(module);
    return module;
}
