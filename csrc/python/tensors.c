/* Tensors made and written to: new ones and parameters; written by copies, and by NumPy between check_write and
   bump_version. */
#include "parts.h"

#include <string.h>

#include "convert.h"

#include "../apply.h"

static PyObject *empty(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 2, 2, "empty")) return NULL;
    int64_t shape[PA_MAX_NDIM];
    int dtype = pa_read_dtype(arguments[0]), ndim = pa_read_ints(arguments[1], shape, PA_MAX_NDIM, "empty");
    if (dtype < 0 || ndim < 0) return NULL;
    for (int i = 0; i < ndim; i++)
        if (shape[i] < 0)
            return pa_raise(pa_fail(PA_VALUE, "empty: shape %s is not possible", pa_shape_text(ndim, shape)));
    pa_node *node = NULL;
    pa_status status = pa_node_new(dtype, ndim, shape, &node);
    /* What a step finds in memory that it does not write must be the same at each call. */
    if (status == PA_OK && pa_recording() != NULL) memset(pa_node_data(node), 0, pa_node_bytes(node));
    return pa_wrap_or_raise(status, &node);
}

static PyObject *parameter(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 2, 2, "Parameter")) return NULL;
    int requires_grad = PyObject_IsTrue(arguments[1]); /* may run Python, which may give the handle another node */
    pa_node *source = requires_grad < 0 ? NULL : pa_read_handle(arguments[0], "Parameter"), *node = NULL;
    if (source == NULL) return NULL;
    if (requires_grad && !pa_dtype_is_float(source->dtype))
        return pa_raise(pa_fail(PA_TYPE, "Parameter: only floating point tensors have gradients, not %s of shape %s",
                                pa_dtype_name(source->dtype), pa_node_shape_text(source)));
    pa_status status = pa_detach(source, &node);
    if (status != PA_OK) return pa_raise(status);
    node->flags |= PA_IS_PARAMETER;
    if (requires_grad) node->flags |= PA_REQUIRES_GRAD;
    return pa_wrap(node);
}

/* How __init__ gives a Tensor what a function has made. */
static PyObject *exchange(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < 2; i++) {
        if (n != 2 || !pa_is_handle(arguments[i]) || pa_is_value(arguments[i]))
            return PyErr_Format(PyExc_TypeError, "exchange: two Tensors are wanted");
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

/* An int beyond int64 is written as the float it is near, and is refused where integers are written. */
static int read_source(PyObject *object, pa_dtype target, const char *what, pa_node **out) {
    int overflow = 0;
    if (PyLong_Check(object)) PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow == 0) return pa_read_operand(object, PA_OP_cast, 0, out);
    PyObject *number = PyNumber_Float(object);
    if (number == NULL) return -1;
    int status = -1;
    if (pa_dtype_category(target) == 1)
        pa_raise(pa_fail(PA_VALUE, "%s: %.17g does not fit into a tensor of %s", what, PyFloat_AsDouble(number),
                         pa_dtype_name(target)));
    else
        status = pa_read_operand(number, PA_OP_cast, 0, out);
    Py_DECREF(number);
    return status;
}

static PyObject *copy_into(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 3, 3, "copy_into")) return NULL;
    const char *what = PyUnicode_AsUTF8AndSize(arguments[2], NULL);
    pa_node *target = what == NULL ? NULL : pa_read_handle(arguments[0], what), *source = NULL;
    if (target == NULL || read_source(arguments[1], target->dtype, what, &source) < 0) return NULL;
    target = pa_handle_node(arguments[0]); /* reading the source may have run Python */
    pa_status status = PA_OK;
    if (pa_grad_enabled() && pa_node_requires_grad(source))
        status = pa_fail(
            PA_RUNTIME,
            "%s: a source of shape %s that requires grad is written into a tensor; gradients do not flow through "
            "such writes: detach() it, or write under no_grad()",
            what, pa_node_shape_text(source));
    if (status == PA_OK) status = pa_copy_into(target, source, what);
    pa_node_release(source);
    return pa_none_or_raise(status);
}

static PyObject *check_write(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 2, 2, "check_write")) return NULL;
    const char *what = PyUnicode_AsUTF8AndSize(arguments[1], NULL);
    pa_node *node = what == NULL ? NULL : pa_read_handle(arguments[0], what);
    return node == NULL ? NULL : pa_none_or_raise(pa_node_begin_write(node, what));
}

static PyObject *bump_version(PyObject *Py_UNUSED(module), PyObject *object) {
    pa_node *node = pa_read_handle(object, "bump_version");
    if (node == NULL) return NULL;
    if (pa_node_storage(node) != NULL) pa_node_end_write(node);
    Py_RETURN_NONE;
}

static void release_held(PyObject *capsule) { pa_node_program_release(PyCapsule_GetPointer(capsule, "pa_node")); }

/* A tensor may get another node: whoever keeps the address of this one keeps its holder too. */
static PyObject *holder(PyObject *Py_UNUSED(module), PyObject *object) {
    pa_node *node = pa_read_handle(object, "holder");
    if (node == NULL) return NULL;
    PyObject *capsule = PyCapsule_New(pa_node_program_retain(node), "pa_node", release_held);
    if (capsule == NULL) pa_node_program_release(node);
    return capsule;
}

static PyMethodDef functions[] = {
    PA_METHOD("empty", empty, METH_FASTCALL, "(dtype, shape, /)", "A tensor, not filled."),
    PA_METHOD("parameter", parameter, METH_FASTCALL, "(tensor, requires_grad, /)", "A Parameter over the same memory."),
    PA_METHOD("exchange", exchange, METH_FASTCALL, "(a, b, /)", "Two new Tensors trade their contents."),
    PA_METHOD("copy_into", copy_into, METH_FASTCALL, "(target, source, what, /)", "Overwrite the target's elements."),
    PA_METHOD("check_write", check_write, METH_FASTCALL, "(tensor, what, /)",
              "Raise where a write in place would hurt."),
    PA_METHOD("bump_version", bump_version, METH_O, "(tensor, /)", "Its memory was written."),
    PA_METHOD("holder", holder, METH_O, "(tensor, /)", "An object that keeps the tensor's node, and so its address."),
    {NULL, NULL, 0, NULL},
};

int pa_tensors_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
