/* How the engine reaches Python: the hooks that graph.h declares, the search for NumPy's BLAS, and forks. */
#include "hooks.h"

#include <stdio.h>
#include <string.h>

#include "convert.h"
#include "host.h"
#include "parts.h"

#include "../hold.h"
#include "../kernels/blas.h"
#include "../kernels/ops.h"
#include "../record.h"

/* ---- the user's code ---- */

/* Is this code the user's, and not this package's own? The last code that was is remembered. */
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

static int raise_again(void *error) {
    PyErr_SetObject((PyObject *)Py_TYPE((PyObject *)error), error);
    Py_DECREF((PyObject *)error);
    return -1;
}

/* A log that memory ran out for says so when it ends. What else is raised, an interrupt above all, is raised again once
   the op is done in whose course it came. */
static void defer_error(void) {
    if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
        pa_recording()->status = PA_MEMORY;
        return;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (error != NULL && Py_AddPendingCall(raise_again, error) != 0) {
        PyErr_Restore(type, error, traceback);
        PyErr_WriteUnraisable(NULL);
        return;
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
}

static void hook_come_to(void *watcher, size_t entry) {
    PyObject *index = PyLong_FromSize_t(entry);
    PyObject *done = index == NULL ? NULL : PyObject_CallFunctionObjArgs(watcher, index, NULL);
    if (done == NULL) defer_error();
    Py_XDECREF(index);
    Py_XDECREF(done);
}

static void hook_describe_code(void *code, char *text, size_t size) {
    PyGILState_STATE state = PyGILState_Ensure(); /* a sweep may go without */
    PyObject *name = PyObject_GetAttrString(code, "co_filename");
    const char *file = name == NULL ? NULL : PyUnicode_AsUTF8AndSize(name, NULL);
    snprintf(text, size, "%s", file == NULL ? "" : file);
    Py_XDECREF(name);
    PyErr_Clear();
    PyGILState_Release(state);
}

/* ---- backwards that are written in Python ---- */

/* What an autograd.Function returns is a gradient or None for each operand. */
static pa_status check_returned(const pa_node *node, PyObject *returned) {
    PA_FAIL_IF(!PyTuple_Check(returned) || PyTuple_Size(returned) != node->n_parents, PA_VALUE,
               "backward: an autograd.Function returned something else than %d gradients", node->n_parents);
    return PA_OK;
}

/* What was returned for operand i, held, in the operand's shape if PA_OK; NULL where that is None. */
static pa_status given_gradient(const pa_node *node, int i, PyObject *returned, pa_node **out) {
    if (returned == Py_None) return PA_OK;
    int found = pa_as_node(returned, out);
    if (found < 0) return PA_PYTHON;
    PA_FAIL_IF(found == 0, PA_TYPE, "backward: gradient %d of an autograd.Function is no tensor", i);
    PA_FAIL_IF(!pa_same_shape(*out, pa_node_parent(node, i)), PA_VALUE,
               "backward: gradient %d of an autograd.Function has shape %s, its input %s", i, pa_node_shape_text(*out),
               pa_node_shape_text(pa_node_parent(node, i)));
    return PA_OK;
}

/* Adds what was returned for operand i to that operand's gradient. */
static pa_status take_gradient(pa_node *node, int i, PyObject *returned) {
    pa_node *parent = pa_node_parent(node, i), *gradient = NULL;
    if (!pa_node_requires_grad(parent)) return PA_OK;
    pa_status status = given_gradient(node, i, returned, &gradient);
    if (gradient == NULL) return status;
    size_t bytes = pa_node_bytes(parent);
    void *converted = status == PA_OK ? pa_mem_alloc(bytes) : NULL;
    if (status == PA_OK && converted == NULL) status = PA_MEMORY;
    if (status == PA_OK) {
        bool accumulate = false;
        void *target = pa_gradient_target(node, i, &accumulate);
        pa_node_gather(gradient, parent->dtype, converted);
        pa_add_or_copy(parent->dtype, target, parent->dtype, converted, pa_node_numel(parent), accumulate);
    }
    pa_mem_free(converted, bytes);
    pa_node_release(gradient);
    return status;
}

pa_status pa_run_function_backward(pa_node *node, PyObject *function, PyObject *context, bool *given) {
    pa_node *gradient = NULL;
    PA_TRY(pa_node_new_like(node, &gradient));
    memcpy(pa_node_data(gradient), pa_gradient(node), pa_node_bytes(node));
    PyObject *upstream = pa_wrap(gradient);
    PyObject *returned = upstream == NULL ? NULL : PyObject_CallFunctionObjArgs(function, upstream, context, NULL);
    Py_XDECREF(upstream);
    if (returned == NULL) return PA_PYTHON;
    pa_status status = check_returned(node, returned);
    for (int i = 0; status == PA_OK && i < node->n_parents; i++) {
        given[i] = PyTuple_GetItem(returned, i) != Py_None;
        status = take_gradient(node, i, PyTuple_GetItem(returned, i));
    }
    Py_DECREF(returned);
    return status;
}

/* With its result for a third argument, the backward computes with history. While a step is recorded, which does not
   know what the backward computes with, it is a host call that has a backward of its own. */
static PyObject *call_with_history(pa_node *node, PyObject *function, PyObject *upstream) {
    if (pa_recording() == NULL) {
        PyObject *result = pa_wrap(pa_node_retain(node));
        PyObject *returned =
            result == NULL ? NULL : PyObject_CallFunctionObjArgs(function, upstream, Py_None, result, NULL);
        Py_XDECREF(result);
        return returned;
    }
    PyObject *inputs = PyTuple_New(node->n_parents);
    for (int i = 0; i < node->n_parents; i++)
        pa_tuple_put(&inputs, i, inputs == NULL ? NULL : pa_wrap(pa_node_retain(pa_node_parent(node, i))));
    PyObject *returned = inputs == NULL ? NULL : PyObject_CallMethod(function, "in_step", "OO", upstream, inputs);
    Py_XDECREF(inputs);
    return returned;
}

static pa_status run_with_history(pa_node *node, PyObject *function, pa_node *upstream, pa_node **gradients) {
    PyObject *given = pa_wrap(pa_node_retain(upstream));
    PyObject *returned = given == NULL ? NULL : call_with_history(node, function, given);
    Py_XDECREF(given);
    if (returned == NULL) return PA_PYTHON;
    pa_status status = check_returned(node, returned);
    for (int i = 0; status == PA_OK && i < node->n_parents; i++)
        status = given_gradient(node, i, PyTuple_GetItem(returned, i), &gradients[i]);
    for (int i = 0; status != PA_OK && i < node->n_parents; i++) {
        if (gradients[i] != NULL) pa_node_release(gradients[i]);
        gradients[i] = NULL;
    }
    Py_DECREF(returned);
    return status;
}

static pa_status hook_custom_gradients(pa_node *node, pa_node *upstream, pa_node **gradients) {
    PyObject *dict = pa_node_dict(node);
    PyObject *function = dict == NULL ? NULL : PyDict_GetItemString(dict, "_backward_function");
    if (function == NULL) return PA_OK;
    Py_INCREF(function);
    pa_status status = run_with_history(node, function, upstream, gradients);
    Py_DECREF(function);
    return status;
}

/* What it does is no part of a step that is being recorded, but that it was done, and what for. */
static pa_status run_unrecorded(pa_node *node, PyObject *function) {
    bool given[PA_MAX_FUNCTION_INPUTS];
    int64_t ints[PA_MAX_FUNCTION_INPUTS];
    pa_log *log = pa_record_suspend();
    pa_status status = pa_run_function_backward(node, function, NULL, given);
    pa_record_resume(log);
    for (int i = 0; i < node->n_parents && status == PA_OK; i++) ints[i] = given[i];
    if (log != NULL && status == PA_OK)
        pa_record_attributes(PA_ENTRY_HOST_GRADIENT, 1, &node, NULL, node->n_parents, ints, 0, NULL);
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
            status = run_unrecorded(node, function);
        }
        Py_DECREF(function);
    }
    PyGILState_Release(state);
    return status;
}

/* ---- hooks of tensors ---- */

/* Puts what hooks have returned for a tensor's gradient in its place. */
static pa_status replace_gradient(pa_node *node, PyObject *returned, pa_node **held) {
    if (returned == Py_None) return PA_OK;
    pa_node *gradient = NULL;
    int found = pa_as_node(returned, &gradient);
    if (found < 0) return PA_PYTHON;
    if (found == 0) return pa_fail(PA_TYPE, "backward: a hook returned no tensor");
    pa_status status = PA_OK;
    if (pa_same_shape(gradient, node) && held != NULL) {
        pa_node *before = *held;
        *held = gradient;
        gradient = before;
    } else if (pa_same_shape(gradient, node)) {
        pa_node_gather(gradient, node->dtype, node->grad_data);
    } else {
        status = pa_fail(PA_VALUE, "backward: a hook returned a gradient of shape %s for a tensor of shape %s",
                         pa_node_shape_text(gradient), pa_node_shape_text(node));
    }
    pa_node_release(gradient);
    return status;
}

/* The hooks stand in an object that is called with what they are to look at. */
static pa_status call_hooks(pa_node *node, PyObject *hooks, bool accumulated, pa_node **gradient) {
    pa_node *given = gradient != NULL ? *gradient : node;
    if (accumulated || gradient != NULL) {
        pa_node_retain(given);
    } else {
        PA_TRY(pa_node_new_like(node, &given));
        memcpy(pa_node_data(given), node->grad_data, pa_node_bytes(node));
    }
    PyObject *handle = pa_wrap(given);
    bool enabled = pa_grad_enable(gradient != NULL);
    PyObject *returned =
        handle == NULL ? NULL : PyObject_CallFunctionObjArgs(hooks, handle, accumulated ? Py_True : Py_False, NULL);
    pa_grad_enable(enabled);
    Py_XDECREF(handle);
    pa_status status = returned == NULL ? PA_PYTHON : replace_gradient(node, returned, gradient);
    Py_XDECREF(returned);
    return status;
}

/* Tells the log of the hooks that a node has, as a host call. */
static pa_status record_hooks(pa_log *log, pa_node *node, PyObject *hooks) {
    int32_t variable = pa_log_find(log, node);
    uint8_t kind = variable >= 0                     ? log->variables[variable].kind
                   : node->flags & PA_BORN_RECORDING ? PA_VARIABLE_CONSTANT
                                                     : PA_VARIABLE_CAPTURED;
    if (kind == PA_VARIABLE_INPUT)
        return pa_record_refuse("a backward through an argument that has hooks",
                                "register them on what the step computes of it, as x * 1");
    PyObject *host = PyObject_CallMethod(hooks, "in_step", "O", kind == PA_VARIABLE_CAPTURED ? Py_True : Py_False);
    if (host == NULL) return PA_PYTHON;
    if (host == Py_None)
        Py_DECREF(host);
    else
        pa_record_hook(host, node);
    return PA_OK;
}

static PyObject *hooks_of(pa_node *node) {
    PyObject *dict = pa_node_dict(node);
    return dict == NULL ? NULL : PyDict_GetItemString(dict, "_backward_hooks");
}

pa_status pa_record_hooks_left(pa_log *log) {
    for (size_t i = 0; i < log->n_variables; i++) {
        pa_node *node = log->variables[i].node;
        bool is_own = log->variables[i].kind > PA_VARIABLE_CAPTURED && pa_node_is_hooked(node);
        PyObject *hooks = is_own && !(node->flags & PA_FREED) ? hooks_of(node) : NULL;
        if (hooks != NULL) PA_TRY(record_hooks(log, node, hooks));
    }
    return PA_OK;
}

/* What hooks do is no part of a step that is being recorded; under create_graph no step is. */
static pa_status hook_hooked_gradient(pa_node *node, bool accumulated, pa_node **gradient) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *hooks = hooks_of(node);
    pa_log *log = pa_recording();
    pa_status status = PA_OK;
    if (hooks != NULL) {
        Py_INCREF(hooks);
        if (log != NULL && !accumulated) status = record_hooks(log, node, hooks);
        pa_record_suspend();
        if (status == PA_OK) status = call_hooks(node, hooks, accumulated, gradient);
        pa_record_resume(log);
        Py_DECREF(hooks);
    }
    PyGILState_Release(state);
    return status;
}

/* ---- the interpreter ---- */

static void *hook_retain_object(void *object) { return Py_NewRef((PyObject *)object); }
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

static void resolve_blas(void) {
    if (pa_py.resolve_blas == NULL) return;
    PyObject *returned = PyObject_CallFunctionObjArgs(pa_py.resolve_blas, NULL);
    if (returned == NULL) PyErr_WriteUnraisable(pa_py.resolve_blas);
    Py_XDECREF(returned);
}

static PyObject *after_fork(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
    pa_hold_after_fork();
    pa_blas_after_fork();
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    PA_METHOD("after_fork", after_fork, METH_NOARGS, "()",
              "In the child of a fork: end what the threads that are no more had under way."),
    {NULL, NULL, 0, NULL},
};

int pa_hooks_ready(PyObject *module) {
    pa_hook = (pa_hooks){.retain_object = hook_retain_object,
                         .release_object = hook_release_object,
                         .hold_node = hook_hold_node,
                         .leave_python = hook_leave_python,
                         .enter_python = hook_enter_python,
                         .interrupted = hook_interrupted,
                         .custom_backward = hook_custom_backward,
                         .hooked_gradient = hook_hooked_gradient,
                         .custom_gradients = hook_custom_gradients,
                         .same_host = pa_hook_same_host,
                         .call_host = pa_hook_call_host,
                         .call_host_backward = pa_hook_call_host_backward,
                         .come_to = hook_come_to,
                         .where = hook_where,
                         .describe_code = hook_describe_code};
    pa_blas_set_resolver(resolve_blas);
    return PyModule_AddFunctions(module, functions);
}
