/* Differentiating: backward and grad, the ops that are written in Python, and the tape for drawings and tables. */
#include "parts.h"

#include <string.h>

#include "convert.h"
#include "host.h"

#include "../apply.h"
#include "../backward.h"
#include "../forward.h"
#include "../record.h"
#include "../scalar.h"

static PyObject *attach(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 4, 4, "attach")) return NULL;
    pa_node *node = pa_read_handle(arguments[0], "attach"), *parents[PA_MAX_FUNCTION_INPUTS];
    if (node == NULL) return NULL;
    if (!PyTuple_Check(arguments[1])) return PyErr_Format(PyExc_TypeError, "attach: a tuple of inputs is wanted");
    Py_ssize_t count = PyTuple_Size(arguments[1]);
    if (count > PA_MAX_FUNCTION_INPUTS)
        return PyErr_Format(PyExc_ValueError, "autograd.Function: %zd tensors are more than the %d it takes", count,
                            PA_MAX_FUNCTION_INPUTS);
    for (Py_ssize_t i = 0; i < count; i++)
        if ((parents[i] = pa_read_handle(PyTuple_GetItem(arguments[1], i), "attach")) == NULL) return NULL;
    /* A node that others hold may have children already, and must not become younger than they are. */
    if (node->flags & PA_LISTED || node->n_parents > 0 || node->refs - node->programs > 1 ||
        !pa_dtype_is_float(node->dtype))
        return PyErr_Format(PyExc_TypeError, "autograd.Function: forward must return a new floating point tensor");
    if (pa_handle_keep(arguments[0], "_backward_function", arguments[2]) < 0 ||
        pa_handle_keep(arguments[0], "_custom_op", arguments[3]) < 0)
        return NULL;
    pa_status status = pa_apply_custom(node, (int)count, parents);
    if (status == PA_OK && pa_recording() != NULL) pa_record_custom(Py_NewRef(arguments[2]), (int)count, parents, node);
    return pa_none_or_raise(status);
}

static PyObject *hook(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 2, 2, "hook")) return NULL;
    pa_node *node = pa_read_handle(arguments[0], "hook");
    if (node == NULL) return NULL;
    if (node->flags & PA_IS_VALUE) return PyErr_Format(PyExc_TypeError, "hook: a Value has no hooks");
    const pa_log *log = pa_recording();
    int32_t variable = pa_record_mention(node) == PA_OK && log != NULL ? pa_log_find(log, node) : -1;
    if (variable >= 0 && log->variables[variable].kind <= PA_VARIABLE_CAPTURED)
        return pa_none_or_raise(pa_record_refuse("register_hook on a tensor that was there before the step",
                                                 "register it once, before the first call, or on a result, as x * 1"));
    if (pa_handle_keep(arguments[0], "_backward_hooks", arguments[1]) < 0) return NULL;
    node->flags |= PA_HOOKED;
    Py_RETURN_NONE;
}

static PyObject *backward(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 4, 4, "backward")) return NULL;
    int retain = PyObject_IsTrue(arguments[2]), create = PyObject_IsTrue(arguments[3]);
    pa_node *root = retain < 0 || create < 0 ? NULL : pa_read_handle(arguments[0], "backward"), *gradient = NULL;
    if (root == NULL) return NULL;
    if (arguments[1] != Py_None && (gradient = pa_read_handle(arguments[1], "backward: gradient")) == NULL) return NULL;
    pa_backward_options options = {.gradient = gradient,
                                   .retain_graph = retain,
                                   .create_graph = create,
                                   .detect_anomaly = pa_graph.detects_anomaly};
    return pa_none_or_raise(pa_backward(root, &options));
}

/* The nodes of a tuple of handles, held: hooks may give a handle another. False with an exception set. */
static bool read_handles(PyObject *tuple, const char *what, pa_node ***out, Py_ssize_t *n) {
    *out = NULL;
    if (!PyTuple_Check(tuple)) return PyErr_Format(PyExc_TypeError, "%s: a tuple is wanted", what) != NULL;
    *n = PyTuple_Size(tuple);
    *out = pa_mem_alloc_array((size_t)*n + 1, sizeof **out);
    if (*out == NULL) return pa_raise(PA_MEMORY) != NULL;
    memset(*out, 0, (size_t)*n * sizeof **out);
    for (Py_ssize_t i = 0; i < *n; i++) {
        pa_node *node = pa_read_handle(PyTuple_GetItem(tuple, i), what);
        if (node == NULL) return false;
        (*out)[i] = pa_node_retain(node);
    }
    return true;
}

static void release_handles(pa_node **nodes, Py_ssize_t n) {
    for (Py_ssize_t i = 0; nodes != NULL && i < n; i++)
        if (nodes[i] != NULL) pa_node_release(nodes[i]);
    pa_mem_free_array(nodes, (size_t)n + 1, sizeof *nodes);
}

/* What was found, taken over, as a tuple of handles and None. */
static PyObject *wrap_found(pa_node **found, Py_ssize_t n) {
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; i < n; i++)
        pa_tuple_put(&tuple, i, found[i] == NULL ? Py_NewRef(Py_None) : pa_wrap(found[i]));
    return tuple;
}

static PyObject *grad(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 6, 6, "grad")) return NULL;
    int retain = PyObject_IsTrue(arguments[3]), create = PyObject_IsTrue(arguments[4]);
    int needs_all = PyObject_IsTrue(arguments[5]);
    pa_node *root = retain < 0 || create < 0 || needs_all < 0 ? NULL : pa_read_handle(arguments[0], "grad"),
            *gradient = NULL;
    if (root == NULL) return NULL;
    if (arguments[2] != Py_None && (gradient = pa_read_handle(arguments[2], "grad: grad_outputs")) == NULL) return NULL;
    pa_node **inputs = NULL, **results = NULL;
    Py_ssize_t count = 0;
    PyObject *tuple = NULL;
    bool taken = read_handles(arguments[1], "grad", &inputs, &count);
    size_t room = (size_t)count + 1;
    if (taken && (results = pa_mem_alloc_array(room, sizeof *results)) == NULL) taken = pa_raise(PA_MEMORY) != NULL;
    if (taken) {
        pa_backward_options options = {.gradient = gradient,
                                       .retain_graph = retain,
                                       .create_graph = create,
                                       .n_inputs = (int)count,
                                       .inputs = inputs,
                                       .results = results,
                                       .needs_all = needs_all,
                                       .detect_anomaly = pa_graph.detects_anomaly};
        pa_status status = pa_backward(root, &options);
        tuple = status == PA_OK ? wrap_found(results, count) : pa_raise(status);
    }
    pa_mem_free_array(results, room, sizeof *results);
    release_handles(inputs, count);
    return tuple;
}

static PyObject *forward(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 4, 4, "forward")) return NULL;
    pa_node **lists[3] = {NULL}, **found = NULL;
    Py_ssize_t counts[3] = {0};
    PyObject *tuple = NULL;
    int create = PyObject_IsTrue(arguments[3]);
    bool taken = create >= 0;
    for (int i = 0; i < 3 && taken; i++) taken = read_handles(arguments[i], "forward", &lists[i], &counts[i]);
    if (taken && counts[1] != counts[2]) {
        PyErr_SetString(PyExc_ValueError, "forward: a tangent for each input is wanted");
        taken = false;
    }
    size_t room = (size_t)counts[0] + 1;
    if (taken && (found = pa_mem_alloc_array(room, sizeof *found)) == NULL) taken = pa_raise(PA_MEMORY) != NULL;
    if (taken) {
        pa_forward_options options = {.n_inputs = (int)counts[1],
                                      .n_outputs = (int)counts[0],
                                      .inputs = lists[1],
                                      .tangents = lists[2],
                                      .outputs = lists[0],
                                      .create_graph = create};
        pa_status status = pa_forward(&options, found);
        tuple = status == PA_OK ? wrap_found(found, counts[0]) : pa_raise(status);
    }
    pa_mem_free_array(found, room, sizeof *found);
    for (int i = 0; i < 3; i++) release_handles(lists[i], counts[i]);
    return tuple;
}

/* Does a gradient of the root reach a leaf that is none of these? */
static PyObject *reaches_beyond(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 2, 2, "reaches_beyond")) return NULL;
    pa_node *root = pa_read_handle(arguments[0], "reaches_beyond");
    if (root == NULL) return NULL;
    if (!PyTuple_Check(arguments[1])) return PyErr_Format(PyExc_TypeError, "reaches_beyond: a tuple is wanted");
    pa_tape listed;
    pa_status status = pa_tape_list(root, false, &listed);
    if (status != PA_OK) return pa_raise(status);
    bool beyond = false;
    for (size_t i = 0; i < listed.n_leaves && !beyond; i++) {
        beyond = pa_node_requires_grad(listed.leaves[i]);
        for (Py_ssize_t k = 0; k < PyTuple_Size(arguments[1]) && beyond; k++) {
            PyObject *known = PyTuple_GetItem(arguments[1], k);
            beyond = !pa_is_handle(known) || pa_handle_node(known) != listed.leaves[i];
        }
    }
    pa_tape_free(&listed);
    return PyBool_FromLong(beyond);
}

static PyObject *tape(PyObject *Py_UNUSED(module), PyObject *object) {
    pa_node *root = pa_read_handle(object, "tape");
    if (root == NULL) return NULL;
    pa_tape listed;
    pa_status status = pa_tape_list_opened(root, true, false, &listed);
    if (status != PA_OK) return pa_raise(status);
    size_t total = listed.n_leaves + listed.n_nodes;
    PyObject *list = PyList_New((Py_ssize_t)total);
    for (size_t i = 0; list != NULL && i < total; i++) {
        pa_node *node = i < listed.n_leaves ? listed.leaves[listed.n_leaves - 1 - i] : listed.nodes[total - 1 - i];
        PyObject *handle = pa_wrap(pa_node_retain(node));
        if (handle == NULL || PyList_SetItem(list, (Py_ssize_t)i, handle) < 0) Py_CLEAR(list);
    }
    pa_tape_free(&listed);
    return list;
}

static PyMethodDef functions[] = {
    PA_METHOD("attach", attach, METH_FASTCALL, "(output, inputs, backward, name, /)",
              "Make a new tensor the result of an op whose backward is in Python."),
    PA_METHOD("backward", backward, METH_FASTCALL, "(root, gradient, retain_graph, create_graph, /)",
              "Add the gradients of the root to the leaves' .grad; gradient is the root's own, None for 1."),
    PA_METHOD("hook", hook, METH_FASTCALL, "(tensor, hooks, /)",
              "Have an object called with the gradient of a tensor, and with the tensor once its .grad has it."),
    PA_METHOD("grad", grad, METH_FASTCALL, "(root, inputs, gradient, retain_graph, create_graph, needs_all, /)",
              "A tuple of the inputs' gradients, None where the root does not depend on one."),
    PA_METHOD("forward", forward, METH_FASTCALL, "(outputs, inputs, tangents, create_graph, /)",
              "A tuple of the outputs' tangents, None where none reaches one."),
    PA_METHOD("reaches_beyond", reaches_beyond, METH_FASTCALL, "(root, leaves, /)",
              "Does a gradient of the root reach another leaf than these?"),
    PA_METHOD("tape", tape, METH_O, "(root, /)",
              "Every node that reaches the root: leaves first, then results in the order of their birth."),
    {NULL, NULL, 0, NULL},
};

int pa_gradients_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
