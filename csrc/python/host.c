/* Host calls: Python called from a program, and told to the log of a step that is being recorded.

       unrecorded(function, *args)                      what it does is no part of the step
       record_host(function, operands, results)         a call with its results, which become tensors of the step
       replay: function(*operands) ─▶ results           the operands are fresh tensors of Python's own */
#include "host.h"

#include <stdio.h>

#include "convert.h"
#include "parts.h"

#include "../apply.h"
#include "../kernels/ops.h"
#include "../record.h"

/* ---- while a step is recorded ---- */

static PyObject *unrecorded(PyObject *Py_UNUSED(module), PyObject *arguments) {
    if (PyTuple_Size(arguments) < 1) return PyErr_Format(PyExc_TypeError, "unrecorded: a function is wanted");
    PyObject *rest = PyTuple_GetSlice(arguments, 1, PyTuple_Size(arguments));
    if (rest == NULL) return NULL;
    pa_log *log = pa_record_suspend();
    PyObject *returned = PyObject_CallObject(PyTuple_GetItem(arguments, 0), rest);
    pa_record_resume(log);
    Py_DECREF(rest);
    return returned;
}

/* The nodes of a tuple of handles, borrowed; NULL with an exception set. */
static pa_node **read_nodes(PyObject *tuple) {
    size_t n = (size_t)PyTuple_Size(tuple);
    pa_node **nodes = pa_mem_alloc_array(n + 1, sizeof *nodes);
    if (nodes == NULL) pa_raise(PA_MEMORY);
    for (size_t i = 0; nodes != NULL && i < n; i++)
        if ((nodes[i] = pa_read_handle(PyTuple_GetItem(tuple, (Py_ssize_t)i), "record_host")) == NULL) {
            pa_mem_free_array(nodes, n + 1, sizeof *nodes);
            nodes = NULL;
        }
    return nodes;
}

static PyObject *copy_out(const pa_node *node) {
    pa_node *copy = NULL;
    pa_status status = pa_node_new_like(node, &copy);
    if (status != PA_OK) return pa_raise(status);
    pa_node_gather(node, node->dtype, pa_node_data(copy));
    return pa_wrap(copy);
}

/* Tensors with the same numbers, of the step or of Python's, as a tuple. */
static PyObject *copy_all_out(int n, pa_node *const *nodes) {
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; i < n; i++) pa_tuple_put(&tuple, i, tuple == NULL ? NULL : copy_out(nodes[i]));
    return tuple;
}

static PyObject *record_host(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *function, *operands, *results;
    if (!PyArg_ParseTuple(arguments, "OO!O!:record_host", &function, &PyTuple_Type, &operands, &PyTuple_Type, &results))
        return NULL;
    Py_ssize_t n = PyTuple_Size(operands), n_results = PyTuple_Size(results);
    pa_node **in = read_nodes(operands), **from = in == NULL ? NULL : read_nodes(results), **out = NULL;
    PyObject *made = from == NULL ? NULL : copy_all_out((int)n_results, from);
    if (made != NULL && (out = read_nodes(made)) != NULL)
        pa_record_host(Py_NewRef(function), (int)n, in, (int)n_results, out);
    if (out == NULL) Py_CLEAR(made);
    pa_mem_free_array(in, (size_t)n + 1, sizeof *in);
    pa_mem_free_array(from, (size_t)n_results + 1, sizeof *from);
    pa_mem_free_array(out, (size_t)n_results + 1, sizeof *out);
    return made;
}

/* ---- at replay ---- */

/* What those who wrote it call the function. */
static void name_of(PyObject *function, char *text, size_t size) {
    PyObject *name = PyObject_GetAttrString(function, "__name__");
    const char *words = name == NULL ? NULL : PyUnicode_AsUTF8AndSize(name, NULL);
    PyErr_Clear();
    snprintf(text, size, "%s", words == NULL ? "a host call" : words);
    Py_XDECREF(name);
}

static pa_status take_result(PyObject *function, int i, PyObject *returned, pa_node *to) {
    const pa_node *from = pa_is_handle(returned) ? pa_handle_node(returned) : NULL;
    if (from != NULL && from->dtype == to->dtype && pa_same_shape(from, to)) {
        pa_node_gather(from, to->dtype, pa_node_data(to));
        return PA_OK;
    }
    char name[128];
    name_of(function, name, sizeof name);
    return pa_fail(
        PA_RUNTIME,
        "%s: result %d is %s of shape %s, but was %s of shape %s when the step was recorded; in a compiled step "
        "results have the same shapes and dtypes at each call",
        name, i, from == NULL ? "no tensor" : pa_dtype_name(from->dtype),
        from == NULL ? "()" : pa_node_shape_text(from), pa_dtype_name(to->dtype), pa_node_shape_text(to));
}

/* What the forward of an autograd.Function has left for its backward goes with the result, as what other ops save. */
static pa_status keep_context(PyObject *function, pa_node *result) {
    PyObject *context = PyObject_GetAttrString(function, "context");
    if (context == NULL) return PA_PYTHON;
    pa_storage *saved = NULL;
    pa_status status = pa_storage_borrow(context, 0, context, pa_hook.release_object, &saved);
    if (status != PA_OK) {
        Py_DECREF(context);
        return status;
    }
    pa_storage_release(result->array->saved);
    result->array->saved = saved;
    return PA_OK;
}

/* Takes what the function has returned, a tuple of tensors. */
static pa_status take_results(PyObject *function, PyObject *returned, int n, pa_node *const *to) {
    Py_ssize_t given = PyTuple_Check(returned) ? PyTuple_Size(returned) : -1;
    if (given != n) {
        char name[128];
        name_of(function, name, sizeof name);
        return pa_fail(PA_RUNTIME, "%s: it returned %zd tensors, but %d when the step was recorded", name, given, n);
    }
    for (int i = 0; i < n; i++) {
        PA_TRY(take_result(function, i, PyTuple_GetItem(returned, i), to[i]));
        if (to[i]->op == PA_OP_custom) PA_TRY(keep_context(function, to[i]));
    }
    return PA_OK;
}

static PyObject *call_in_mode(PyObject *function, PyObject *operands, bool keeps_history) {
    bool before = pa_grad_enable(keeps_history);
    PyObject *returned = PyObject_CallObject(function, operands);
    bool after = pa_grad_enable(before);
    if (returned == NULL || after == keeps_history) return returned;
    Py_DECREF(returned);
    return PyErr_Format(PyExc_RuntimeError, "compile: a host call switched the grad mode of the step around it");
}

pa_status pa_hook_call_host(void *program, void *host, bool keeps_history, int n, pa_node *const *in, int n_out,
                            pa_node *const *out) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *function = Py_NewRef((PyObject *)host), *operands = copy_all_out(n, in);
    PyObject *returned = operands == NULL ? NULL : call_in_mode(function, operands, keeps_history);
    pa_status status = returned == NULL ? PA_PYTHON : take_results(function, returned, n_out, out);
    if (status == PA_OK && program != NULL) status = pa_program_object_check(program);
    Py_XDECREF(returned);
    Py_XDECREF(operands);
    Py_DECREF(function);
    PyGILState_Release(state);
    return status;
}

static pa_status refuse_gradient(PyObject *function, int i, bool given) {
    char name[128];
    name_of(function, name, sizeof name);
    return pa_fail(PA_RUNTIME,
                   "%s: gradient %d is %s, and was %s when the step was recorded; return zeros instead of None", name,
                   i, given ? "a tensor" : "None", given ? "None" : "a tensor");
}

pa_status pa_hook_call_host_backward(void *program, void *host, pa_node *node, const int32_t *wanted, bool *given) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *function = Py_NewRef((PyObject *)host), *context = Py_NewRef((PyObject *)node->array->saved->owner);
    pa_status status = pa_run_function_backward(node, function, context, given);
    for (int i = 0; i < node->n_parents && wanted != NULL && status == PA_OK; i++)
        if (given[i] != (wanted[i] != 0)) status = refuse_gradient(function, i, given[i]);
    if (status == PA_OK && program != NULL) status = pa_program_object_check(program);
    Py_DECREF(context);
    Py_DECREF(function);
    PyGILState_Release(state);
    return status;
}

bool pa_hook_same_host(void *a, void *b) {
    PyGILState_STATE state = PyGILState_Ensure();
    int same = PyObject_RichCompareBool((PyObject *)a, (PyObject *)b, Py_EQ);
    if (same < 0) PyErr_Clear();
    PyGILState_Release(state);
    return same == 1;
}

static PyObject *is_of_step(PyObject *Py_UNUSED(module), PyObject *object) {
    const pa_log *log = pa_recording();
    if (log == NULL || !pa_is_handle(object)) Py_RETURN_FALSE;
    const pa_node *node = pa_handle_node(object);
    int32_t variable = pa_log_find(log, node);
    return PyBool_FromLong(node->flags & PA_BORN_RECORDING ||
                           (variable >= 0 && log->variables[variable].kind != PA_VARIABLE_CAPTURED));
}

static PyMethodDef functions[] = {
    PA_METHOD("unrecorded", unrecorded, METH_VARARGS, "(function, /, *args)",
              "Calls a function, and what it does is no part of the step that is being recorded."),
    PA_METHOD("record_host", record_host, METH_VARARGS, "(function, operands, results, /)",
              "Tells the log of a host call, and returns its results as tensors of the step."),
    PA_METHOD("is_of_step", is_of_step, METH_O, "(object, /)",
              "Is it a tensor of this call of the step that is being recorded, and not of the world around it?"),
    {NULL, NULL, 0, NULL},
};

int pa_host_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
