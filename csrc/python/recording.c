/* Recording, and the type Recording: what a step did.

       with recorded():  record_input(handle, is_traced) …  the step runs  …  record_stop(outputs) ─▶ Recording */
#include "recording.h"

#include "handle.h"
#include "host.h"
#include "parts.h"

#include "../logs.h"
#include "../program/live.h"

static PyTypeObject *recording_type;

bool pa_is_recording_object(PyObject *object) { return Py_TYPE(object) == recording_type; }

/* Host calls may lead back to the step. */
static int recording_traverse(PyObject *self, visitproc visit, void *arg) {
    const pa_log *log = ((pa_recording_object *)self)->log;
    Py_VISIT(Py_TYPE(self));
    for (size_t i = 0; log != NULL && i < log->n_entries; i++) Py_VISIT((PyObject *)log->entries[i].host);
    return 0;
}

static int recording_clear(PyObject *self) {
    const pa_log *log = ((pa_recording_object *)self)->log;
    for (size_t i = 0; log != NULL && i < log->n_entries; i++) {
        PyObject *host = log->entries[i].host;
        log->entries[i].host = NULL;
        Py_XDECREF(host);
    }
    return 0;
}

static void recording_dealloc(PyObject *self) {
    pa_recording_object *r = (pa_recording_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    for (int i = 0; i < r->n_outputs; i++) pa_node_release(r->outputs[i]);
    pa_mem_free_array(r->outputs, (size_t)r->n_outputs + 1, sizeof *r->outputs);
    pa_log_free(r->log);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *recording_difference(PyObject *self, PyObject *other) {
    if (!pa_is_recording_object(other)) return PyErr_Format(PyExc_TypeError, "difference: a Recording is wanted");
    const pa_recording_object *a = (pa_recording_object *)self, *b = (pa_recording_object *)other;
    char text[1024];
    if (pa_log_difference(a->log, b->log, text, sizeof text)) return PyUnicode_FromString(text);
    bool same = a->n_outputs == b->n_outputs;
    for (int i = 0; same && i < a->n_outputs; i++)
        same = pa_log_find(a->log, a->outputs[i]) == pa_log_find(b->log, b->outputs[i]);
    if (!same) return PyUnicode_FromString("the results returned were others");
    Py_RETURN_NONE;
}

static PyObject *recording_same_gradients(PyObject *self, PyObject *other) {
    if (!pa_is_recording_object(other)) return PyErr_Format(PyExc_TypeError, "same_gradients: a Recording is wanted");
    return PyBool_FromLong(
        pa_log_same_gradients(((pa_recording_object *)self)->log, ((pa_recording_object *)other)->log));
}

static PyObject *recording_leak(PyObject *self, PyObject *known) {
    Py_ssize_t n = PyTuple_Check(known) ? PyTuple_Size(known) : -1;
    if (n < 0) return PyErr_Format(PyExc_TypeError, "leak: a tuple of tensors is wanted");
    pa_node **nodes = pa_mem_alloc_array((size_t)n + 1, sizeof *nodes);
    if (nodes == NULL) return pa_raise(PA_MEMORY);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *each = PyTuple_GetItem(known, i);
        nodes[i] = pa_is_handle(each) ? pa_handle_node(each) : NULL;
    }
    char text[1024];
    bool leaks = pa_log_leak(((pa_recording_object *)self)->log, (int)n, nodes, text, sizeof text);
    pa_mem_free_array(nodes, (size_t)n + 1, sizeof *nodes);
    return leaks ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
}

static PyObject *recording_is_place(PyObject *self, PyObject *handle) {
    const pa_log *log = ((pa_recording_object *)self)->log;
    return PyBool_FromLong(pa_is_handle(handle) && pa_log_is_place(log, pa_handle_node(handle)));
}

/* The captured variable of a handle's node, or NULL. */
static pa_variable *captured_of(PyObject *self, PyObject *handle) {
    pa_log *log = ((pa_recording_object *)self)->log;
    int32_t variable = pa_is_handle(handle) ? pa_log_find(log, pa_handle_node(handle)) : -1;
    return variable < 0 || log->variables[variable].kind != PA_VARIABLE_CAPTURED ? NULL : &log->variables[variable];
}

static PyObject *recording_set_place(PyObject *self, PyObject *arguments) {
    PyObject *handle;
    int place, next = -1;
    if (!PyArg_ParseTuple(arguments, "Oi|i:set_place", &handle, &place, &next)) return NULL;
    pa_variable *v = captured_of(self, handle);
    if (v == NULL) Py_RETURN_FALSE;
    v->place = place;
    v->next = next;
    Py_RETURN_TRUE;
}

/* Which inputs are numbers that Python has seen. */
static PyObject *recording_seen(PyObject *self, void *Py_UNUSED(closure)) {
    const pa_log *log = ((pa_recording_object *)self)->log;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < log->n_inputs; i++) {
        if (!log->variables[log->inputs[i]].seen) continue;
        PyObject *index = PyLong_FromSize_t(i);
        if (index == NULL || PyList_Append(list, index) < 0) Py_CLEAR(list);
        Py_XDECREF(index);
    }
    return list;
}

static PyObject *recording_live(PyObject *self, PyObject *Py_UNUSED(unused)) {
    const pa_recording_object *r = (pa_recording_object *)self;
    size_t n = (size_t)r->n_outputs;
    bool *live = pa_mem_alloc_array(n + 1, sizeof *live);
    if (live == NULL) return pa_raise(PA_MEMORY);
    pa_status status = pa_log_find_live(r->log, r->n_outputs, r->outputs, live);
    PyObject *found = status == PA_OK ? PyTuple_New((Py_ssize_t)n) : pa_raise(status);
    for (size_t i = 0; i < n && found != NULL; i++) pa_tuple_put(&found, (Py_ssize_t)i, PyBool_FromLong(live[i]));
    pa_mem_free_array(live, n + 1, sizeof *live);
    return found;
}

static PyObject *recording_updates(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromLongLong(((pa_recording_object *)self)->log->updates);
}

static Py_ssize_t recording_length(PyObject *self) { return (Py_ssize_t)((pa_recording_object *)self)->log->n_entries; }

static PyMethodDef recording_methods[] = {
    PA_METHOD("difference", recording_difference, METH_O, "($self, other, /)", "Where two recordings differ, or None."),
    PA_METHOD("same_gradients", recording_same_gradients, METH_O, "($self, other, /)",
              "Had the same leaves a gradient when the steps began?"),
    PA_METHOD(
        "set_place", recording_set_place, METH_VARARGS, "($self, handle, place, next=-1, /)",
        "By which place the step knows a captured tensor, and which output stands there afterwards; False where it "
        "is none."),
    PA_METHOD("leak", recording_leak, METH_O, "($self, known, /)",
              "A tensor of the step, other than those known, that something outside still holds, or None."),
    PA_METHOD("is_place", recording_is_place, METH_O, "($self, handle, /)",
              "Is it an argument or a captured tensor itself, the gradient of one, or a view?"),
    PA_METHOD("live", recording_live, METH_NOARGS, "($self, /)",
              "Of each output: has it a history that a backward outside can go through?"),
    {NULL, NULL, 0, NULL},
};

static PyObject *recording_hosts(PyObject *self, void *Py_UNUSED(closure)) {
    const pa_log *log = ((pa_recording_object *)self)->log;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < log->n_entries; i++)
        if (log->entries[i].host != NULL && PyList_Append(list, log->entries[i].host) < 0) Py_CLEAR(list);
    return list;
}

static PyGetSetDef recording_attributes[] = {
    {"updates", recording_updates, NULL, "Optimiser updates in it.", NULL},
    {"hosts", recording_hosts, NULL, "What its host calls call.", NULL},
    {"seen", recording_seen, NULL, "The inputs that are numbers and that Python was given.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot recording_slots[] = {
    {Py_tp_dealloc, recording_dealloc},
    {Py_tp_traverse, recording_traverse},
    {Py_tp_clear, recording_clear},
    {Py_tp_methods, recording_methods},
    {Py_tp_getset, recording_attributes},
    {Py_sq_length, recording_length},
    {Py_tp_doc, "What a step did; its length is the number of entries."},
    {0, NULL},
};

static PyType_Spec recording_spec = {
    .name = "pyautograd._core.Recording",
    .basicsize = sizeof(pa_recording_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_GC,
    .slots = recording_slots,
};

/* ---- recording ---- */

static PyObject *record_input(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *handle;
    int is_traced;
    if (!PyArg_ParseTuple(arguments, "Op:record_input", &handle, &is_traced)) return NULL;
    if (!pa_is_handle(handle)) return PyErr_Format(PyExc_TypeError, "record_input: a Tensor or a Value is wanted");
    pa_node *node = pa_handle_node(handle);
    if (is_traced) node->flags |= PA_TRACED_SCALAR;
    return pa_none_or_raise(pa_record_input(node));
}

static PyObject *record_number(PyObject *Py_UNUSED(module), PyObject *object) {
    double number = PyFloat_AsDouble(object);
    if (number == -1.0 && PyErr_Occurred()) return NULL;
    pa_node *node = NULL;
    pa_status status = pa_node_new(PA_FLOAT64, 0, NULL, &node);
    if (status != PA_OK) return pa_raise(status);
    node->flags |= PA_TRACED_SCALAR | PA_WEAK_SCALAR;
    node->value = number;
    status = pa_record_input(node);
    if (status == PA_OK) return pa_wrap(node);
    pa_node_release(node);
    return pa_raise(status);
}

static PyObject *record_beside(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *other, *sizes;
    if (!PyArg_ParseTuple(arguments, "OO:record_beside", &other, &sizes)) return NULL;
    if (!pa_is_recording_object(other)) return PyErr_Format(PyExc_TypeError, "record_beside: a Recording is wanted");
    if (pa_recording() == NULL) return PyErr_Format(PyExc_RuntimeError, "record_beside: nothing is being recorded");
    pa_recording()->beside = ((pa_recording_object *)other)->log;
    pa_recording()->sizes = sizes;
    Py_RETURN_NONE;
}

static PyObject *record_watch(PyObject *Py_UNUSED(module), PyObject *watcher) {
    pa_log *log = pa_recording();
    if (log == NULL) return PyErr_Format(PyExc_RuntimeError, "record_watch: nothing is being recorded");
    log->watcher = watcher;
    Py_RETURN_NONE;
}

static PyObject *record_stop(PyObject *Py_UNUSED(module), PyObject *outputs) {
    pa_log *log = pa_recording();
    if (log == NULL) return PyErr_Format(PyExc_RuntimeError, "record_stop: nothing is being recorded");
    log->beside = NULL;
    if (!PyTuple_Check(outputs)) return PyErr_Format(PyExc_TypeError, "record_stop: a tuple of tensors is wanted");
    if (log->status != PA_OK) {
        pa_status status = log->status;
        pa_record_end(log);
        pa_log_free(log);
        if (status == PA_TRACE)
            status =
                pa_fail(PA_TRACE,
                        "compile: the step asked for a number that a program does not have, and caught the TraceError "
                        "that told it so; leave that part out, or leave this step uncompiled");
        return pa_raise(status);
    }
    Py_ssize_t n = PyTuple_Size(outputs);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *output = PyTuple_GetItem(outputs, i);
        pa_status status = pa_is_handle(output) ? pa_record_mention(pa_handle_node(output)) : PA_OK;
        if (status != PA_OK) return pa_raise(status);
    }
    pa_status memory = pa_record_hooks_left(log);
    if (memory == PA_OK) memory = pa_log_check_constants(log);
    if (memory == PA_OK) memory = pa_log_check_shared(log);
    if (memory != PA_OK) return pa_raise(memory);
    pa_node **held = pa_mem_alloc_array((size_t)n + 1, sizeof *held);
    pa_recording_object *made = held == NULL ? NULL : PyObject_GC_New(pa_recording_object, recording_type);
    if (made == NULL) {
        pa_mem_free_array(held, (size_t)n + 1, sizeof *held);
        return held == NULL ? pa_raise(PA_MEMORY) : NULL;
    }
    pa_record_end(log);
    *made = (pa_recording_object){.ob_base = made->ob_base, .log = log, .outputs = held};
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *output = PyTuple_GetItem(outputs, i);
        if (!pa_is_handle(output)) {
            PyErr_SetString(PyExc_TypeError, "record_stop: an output is neither a Tensor nor a Value");
            Py_DECREF(made);
            return NULL;
        }
        held[made->n_outputs++] = pa_node_retain(pa_handle_node(output));
    }
    PyObject_GC_Track((PyObject *)made);
    return (PyObject *)made;
}

static PyObject *record_hand_out(PyObject *Py_UNUSED(module), PyObject *outputs) {
    if (!PyTuple_Check(outputs)) return PyErr_Format(PyExc_TypeError, "record_hand_out: a tuple of tensors is wanted");
    for (Py_ssize_t i = 0; i < PyTuple_Size(outputs); i++) {
        PyObject *output = PyTuple_GetItem(outputs, i);
        pa_node *node = pa_is_handle(output) ? pa_handle_node(output) : NULL;
        if (node == NULL) continue;
        unsigned stands_for_numbers = pa_is_traced_number(node) ? 0 : PA_TRACED_SCALAR;
        node->flags &= (uint16_t)~(PA_BORN_RECORDING | stands_for_numbers);
    }
    Py_RETURN_NONE;
}

static PyObject *is_traced_scalar(PyObject *Py_UNUSED(module), PyObject *object) {
    return PyBool_FromLong(pa_is_handle(object) && pa_is_traced_number(pa_handle_node(object)));
}

static PyObject *is_recording(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
    return PyBool_FromLong(pa_recording() != NULL);
}

static PyMethodDef functions[] = {
    PA_METHOD("record_input", record_input, METH_VARARGS, "(handle, is_traced, /)",
              "Declare the next input of the step; is_traced: its numbers stand for Python's."),
    PA_METHOD("record_number", record_number, METH_O, "(number, /)", "A traced scalar, the next input."),
    PA_METHOD("record_beside", record_beside, METH_VARARGS, "(recording, sizes, /)",
              "This recording is one of the same with another number of rows; sizes(base, slope) makes the sizes that "
              "differ."),
    PA_METHOD("record_watch", record_watch, METH_O, "(watcher, /)",
              "Have a function called, which is not held, with each entry of the log that may fail at a replay."),
    PA_METHOD("record_stop", record_stop, METH_O, "(outputs, /)", "The Recording of the step."),
    PA_METHOD("record_hand_out", record_hand_out, METH_O, "(outputs, /)",
              "The outputs of a step are the world's: another recording finds them there."),
    PA_METHOD("is_traced_scalar", is_traced_scalar, METH_O, "(object, /)",
              "Does it stand for a Python float while a step is recorded?"),
    PA_METHOD("is_recording", is_recording, METH_NOARGS, "()", "Is this thread recording?"),
    {NULL, NULL, 0, NULL},
};

int pa_recording_ready(PyObject *module) {
    if (pa_module_add_type(module, &recording_spec, NULL, &recording_type) < 0) return -1;
    return PyModule_AddFunctions(module, functions);
}
