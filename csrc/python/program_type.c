/* The type Program: a recording compiled.

       Program(recording, disabled) ─▶ Program: call(args), run(data, …), describe() */
#include "parts.h"

#include <string.h>

#include "arrays.h"
#include "convert.h"
#include "guards.h"
#include "host.h"
#include "recording.h"

#include "../hold.h"
#include "../program/batch.h"
#include "../program/bind.h"
#include "../program/compile.h"
#include "../program/instruction.h"
#include "../program/replay.h"

typedef struct program {
    PyObject_HEAD
    pa_program *program;
    PyObject *kinds;        /* of the arguments, a tuple, as set_argument_kinds says; or NULL */
    PyObject *guards;       /* or NULL */
    PyObject **plans;       /* of each update, the Python object to which its addresses belong; or NULL */
    pa_node **in;           /* of the call under way, held */
    bool arrays_as_tensors; /* in the call under way, Python has made tensors of the ndarrays */
    bool retired;
    uint32_t calling; /* pa_process while a call is under way: guards, and the making of results, may run Python */
    double *numbers;
    pa_node **results;
    int64_t steps_done;
} program;

static PyTypeObject *program_type;

/* Else calls whose backward is still to come need them too. */
static bool owns_hosts(const program *p) { return p->program != NULL && p->program->refs == 1; }

static int program_clear(PyObject *self) {
    program *p = (program *)self;
    Py_CLEAR(p->kinds);
    Py_CLEAR(p->guards);
    for (int32_t k = 0; p->plans != NULL && k < p->program->n_updates; k++) {
        p->program->updates[k].hyper = NULL;
        Py_CLEAR(p->plans[k]);
    }
    for (int32_t k = 0; owns_hosts(p) && k < p->program->n_hosts; k++) {
        PyObject *function = p->program->hosts[k].function;
        p->program->hosts[k].function = NULL;
        p->retired = true;
        Py_XDECREF(function);
    }
    return 0;
}

static int program_traverse(PyObject *self, visitproc visit, void *arg) {
    const program *p = (program *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(p->kinds);
    Py_VISIT(p->guards);
    for (int32_t k = 0; p->plans != NULL && k < p->program->n_updates; k++) Py_VISIT(p->plans[k]);
    for (int32_t k = 0; owns_hosts(p) && k < p->program->n_hosts; k++)
        Py_VISIT((PyObject *)p->program->hosts[k].function);
    return 0;
}

static void program_dealloc(PyObject *self) {
    program *p = (program *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    program_clear(self);
    if (p->program != NULL) {
        size_t n = (size_t)p->program->n_inputs + 1;
        pa_mem_free_array(p->plans, (size_t)p->program->n_updates + 1, sizeof *p->plans);
        pa_mem_free_array(p->in, n, sizeof *p->in);
        pa_mem_free_array(p->numbers, n, sizeof *p->numbers);
        pa_mem_free_array(p->results, (size_t)p->program->n_results + 1, sizeof *p->results);
    }
    pa_program_free(p->program);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* The passes that are left when those named are switched off; -1 with an exception set. */
static long passes_without(PyObject *disabled) {
    unsigned passes = PA_ALL_PASSES;
    for (Py_ssize_t i = 0; i < PyTuple_Size(disabled); i++) {
        const char *name = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(disabled, i), NULL);
        if (name == NULL) return -1;
        int pass = 0;
        while (pass < PA_PASS_COUNT && strcmp(name, pa_pass_names[pass]) != 0) pass++;
        if (pass == PA_PASS_COUNT) {
            char names[256] = "";
            for (int k = 0; k < PA_PASS_COUNT; k++) {
                strncat(names, k == 0 ? "" : ", ", sizeof names - strlen(names) - 1);
                strncat(names, pa_pass_names[k], sizeof names - strlen(names) - 1);
            }
            PyErr_Format(PyExc_ValueError, "compile: there is no pass '%s'; there are %s", name, names);
            return -1;
        }
        passes &= ~(1u << pass);
    }
    return (long)passes;
}

static PyObject *program_new(PyTypeObject *type, PyObject *arguments, PyObject *Py_UNUSED(keywords)) {
    PyObject *of, *disabled, *other = Py_None;
    if (!PyArg_ParseTuple(arguments, "OO!|O:Program", &of, &PyTuple_Type, &disabled, &other)) return NULL;
    if (!pa_is_recording_object(of) || !(other == Py_None || pa_is_recording_object(other)))
        return PyErr_Format(PyExc_TypeError, "Program: a Recording is wanted");
    long passes = passes_without(disabled);
    if (passes < 0) return NULL;
    const pa_recording_object *r = (pa_recording_object *)of;
    program *self = PyObject_GC_New(program, type);
    if (self == NULL) return NULL;
    *self = (program){.ob_base = self->ob_base};
    const pa_log *log = other == Py_None ? NULL : ((pa_recording_object *)other)->log;
    pa_status status = pa_program_new(r->log, log, r->n_outputs, r->outputs, (unsigned)passes, &self->program);
    if (status == PA_OK) {
        self->program->owner = self;
        size_t n = (size_t)self->program->n_inputs + 1;
        size_t updates = (size_t)self->program->n_updates + 1;
        self->plans = pa_mem_alloc_array(updates, sizeof *self->plans);
        if (self->plans != NULL) memset(self->plans, 0, updates * sizeof *self->plans);
        self->in = pa_mem_alloc_array(n, sizeof *self->in);
        self->numbers = pa_mem_alloc_array(n, sizeof *self->numbers);
        self->results = pa_mem_alloc_array((size_t)self->program->n_results + 1, sizeof *self->results);
        if (self->plans == NULL || self->in == NULL || self->numbers == NULL || self->results == NULL)
            status = PA_MEMORY;
    }
    PyObject_GC_Track((PyObject *)self);
    if (status == PA_OK) return (PyObject *)self;
    Py_DECREF(self);
    return pa_raise(status);
}

static PyObject *program_set_argument_kinds(PyObject *self, PyObject *kinds) {
    if (!PyTuple_Check(kinds)) return PyErr_Format(PyExc_TypeError, "set_argument_kinds: a tuple is wanted");
    Py_ssize_t inputs = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(kinds); i++) {
        PyObject *each = PyTuple_GetItem(kinds, i);
        inputs += each == Py_None || each == (PyObject *)&PyFloat_Type || each == (PyObject *)&PyMemoryView_Type;
    }
    program *p = (program *)self;
    if (inputs != p->program->n_inputs)
        return PyErr_Format(PyExc_ValueError, "set_argument_kinds: %zd inputs, and the program has %d", inputs,
                            p->program->n_inputs);
    Py_XDECREF(p->kinds);
    p->kinds = Py_NewRef(kinds);
    Py_RETURN_NONE;
}

static PyObject *program_set_guards(PyObject *self, PyObject *guards) {
    program *p = (program *)self;
    if (guards != Py_None && !pa_is_guards(guards))
        return PyErr_Format(PyExc_TypeError, "set_guards: Guards or None are wanted");
    Py_XDECREF(p->guards);
    p->guards = guards == Py_None ? NULL : Py_NewRef(guards);
    Py_RETURN_NONE;
}

static bool is_calling(const program *p) { return p->calling == pa_process; }

static PyObject *refuse_second_call(void) {
    return pa_raise(
        pa_fail(PA_RUNTIME, "compile: this step is running already, in another thread; compile one for each thread"));
}

static PyObject *program_set_rows(PyObject *self, PyObject *arguments) {
    program *p = (program *)self;
    Py_ssize_t least, greatest;
    if (!PyArg_ParseTuple(arguments, "nn:set_rows", &least, &greatest)) return NULL;
    if (p->program->batch == NULL) return PyErr_Format(PyExc_RuntimeError, "set_rows: no axis is free");
    p->program->batch->least = least;
    p->program->batch->greatest = greatest;
    Py_RETURN_NONE;
}

static PyObject *program_retire(PyObject *self, PyObject *Py_UNUSED(unused)) {
    ((program *)self)->retired = true;
    Py_RETURN_NONE;
}

static PyObject *program_set_update(PyObject *self, PyObject *arguments) {
    program *p = (program *)self;
    int k;
    PyObject *owner, *before;
    Py_ssize_t params, state, steps, hyper;
    if (!PyArg_ParseTuple(arguments, "iOnnnn:set_update", &k, &owner, &params, &state, &steps, &hyper)) return NULL;
    if (is_calling(p)) return refuse_second_call();
    if (k < 0 || k >= p->program->n_updates)
        return PyErr_Format(PyExc_IndexError, "set_update: update %d of %d", k, p->program->n_updates);
    pa_update_plan *plan = &p->program->updates[k];
    plan->params = (pa_node **)params;
    plan->state = (pa_node **)state;
    plan->steps = (int64_t *)steps;
    plan->hyper = (const pa_hyper *)hyper;
    pa_update_plan_bound(plan);
    before = p->plans[k];
    p->plans[k] = Py_NewRef(owner);
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

/* The same, or an equal number or text of the same type. 1, 0, or -1 with an exception set. */
static int same_constant(PyObject *wanted, PyObject *given) {
    if (wanted == given) return 1;
    if (Py_TYPE(wanted) != Py_TYPE(given)) return 0;
    bool comparable = PyLong_Check(wanted) || PyFloat_Check(wanted) || PyUnicode_Check(wanted) ||
                      PyBytes_Check(wanted) || PyTuple_Check(wanted) || PyComplex_Check(wanted);
    return comparable ? PyObject_RichCompareBool(wanted, given, Py_EQ) : 0;
}

/* Reads the arguments into p->in, which were NULL and are held from now on, and p->numbers. 1 where they are of the
   kinds that the program wants, 0 where not, -1 with an exception set. */
static int read_arguments(program *p, PyObject *arguments) {
    Py_ssize_t n = PyTuple_Size(arguments);
    if (p->kinds == NULL || n != PyTuple_Size(p->kinds)) return 0;
    int next = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *wanted = PyTuple_GetItem(p->kinds, i), *given = PyTuple_GetItem(arguments, i);
        if (wanted == Py_None) {
            if (!pa_is_handle(given)) return 0;
            p->in[next++] = pa_node_retain(pa_handle_node(given));
        } else if (wanted == (PyObject *)&PyMemoryView_Type) {
            int found = 1;
            if (p->arrays_as_tensors && pa_is_handle(given))
                p->in[next] = pa_node_retain(pa_handle_node(given));
            else
                found = pa_array_as_node(given, &p->in[next]);
            if (found <= 0) return found;
            next++;
        } else if (wanted == (PyObject *)&PyFloat_Type) {
            if (!PyFloat_CheckExact(given)) return 0;
            p->numbers[next++] = PyFloat_AsDouble(given);
        } else {
            int same = same_constant(wanted, given);
            if (same <= 0) return same;
        }
    }
    return 1;
}

/* A result as Python gets it; takes over the node. */
static PyObject *wrap_result(const pa_result *result, pa_node *node) {
    if (!result->is_number) return pa_wrap(node);
    PyObject *number = pa_node_element(node);
    pa_node_release(node);
    return number;
}

static PyObject *wrap_results(program *p) {
    int n = p->program->n_results;
    if (n == 0) Py_RETURN_NONE;
    if (n == 1) return wrap_result(&p->program->results[0], p->results[0]);
    pa_node *nodes[16], **all = n <= 16 ? nodes : pa_mem_alloc_array((size_t)n, sizeof *all);
    if (all == NULL) {
        for (int i = 0; i < n; i++) pa_node_release(p->results[i]);
        return pa_raise(PA_MEMORY);
    }
    memcpy(all, p->results, (size_t)n * sizeof *all); /* making objects may run Python, and so this program again */
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; i < n; i++) pa_tuple_put(&tuple, i, wrap_result(&p->program->results[i], all[i]));
    if (all != nodes) pa_mem_free_array(all, (size_t)n, sizeof *all);
    return tuple;
}

/* Do the guards hold, and is the program bound to what is still so? 1, 0, or -1 with an exception set. */
static int is_as_it_was(program *p) {
    if (p->guards != NULL) {
        PyObject *guards = Py_NewRef(p->guards); /* looking may run Python, and that set others */
        int broken = pa_guards_check(guards);
        Py_DECREF(guards);
        if (broken == -2) return -1;
        if (broken >= 0) return 0;
    }
    return !p->retired && pa_program_is_bound(p->program, p->in);
}

pa_status pa_program_object_check(void *object) {
    program *p = object;
    int broken = p->guards == NULL ? -1 : pa_guards_check(p->guards);
    if (broken == -2) return PA_PYTHON;
    if (broken < 0 && !p->retired) return PA_OK;
    return pa_fail(PA_RUNTIME, "compile: a host call changed what the step reads; change it outside the step");
}

/* NotImplemented for other arguments; Ellipsis where a guard does not hold, or what it is bound to has changed. */
static PyObject *call_with(program *p, PyObject *arguments) {
    int found = read_arguments(p, arguments);
    if (found < 0) return NULL;
    if (found == 0 || !pa_program_takes(p->program, p->program->n_inputs, p->in)) return Py_NewRef(Py_NotImplemented);
    int fits = is_as_it_was(p);
    if (fits < 0) return NULL;
    if (fits == 0) return Py_NewRef(Py_Ellipsis);
    pa_status status = pa_program_call(p->program, p->program->n_inputs, p->in, p->numbers, p->results);
    return status == PA_OK ? wrap_results(p) : pa_raise(status);
}

static void begin_call(program *p) {
    p->calling = pa_process;
    memset(p->in, 0, ((size_t)p->program->n_inputs + 1) * sizeof *p->in);
}

static void end_call(program *p) {
    for (int i = 0; i < p->program->n_inputs; i++)
        if (p->in[i] != NULL) pa_node_release(p->in[i]);
    p->calling = 0;
}

static PyObject *call(program *p, PyObject *arguments, bool as_tensors) {
    if (!PyTuple_Check(arguments)) return PyErr_Format(PyExc_TypeError, "call: a tuple is wanted");
    if (pa_recording() != NULL) return Py_NewRef(Py_NotImplemented);
    if (is_calling(p)) return refuse_second_call();
    begin_call(p);
    p->arrays_as_tensors = as_tensors;
    PyObject *result = call_with(p, arguments);
    end_call(p);
    return result;
}

static PyObject *program_call(PyObject *self, PyObject *arguments) { return call((program *)self, arguments, false); }
static PyObject *program_call_leaves(PyObject *self, PyObject *arguments) {
    return call((program *)self, arguments, true);
}

/* NULL with an exception set. */
static double *losses_data(PyObject *object, Py_ssize_t least) {
    const pa_node *node = pa_is_handle(object) ? pa_handle_node(object) : NULL;
    if (node != NULL && node->dtype == PA_FLOAT64 && pa_node_numel(node) >= least && pa_node_is_contiguous(node))
        return (double *)(void *)pa_node_data(node);
    PyErr_Format(PyExc_TypeError, "run: a tensor of float64 for %zd losses is wanted", least);
    return NULL;
}

/* The steps made; NotImplemented where the program does not fit. */
static PyObject *run_with(program *p, PyObject *data, pa_epochs *epochs, Py_ssize_t first, Py_ssize_t count,
                          double *losses) {
    for (int i = 0; i < epochs->n; i++) {
        PyObject *each = PyTuple_GetItem(data, i);
        if (!pa_is_handle(each) || pa_handle_node(each)->ndim == 0)
            return PyErr_Format(PyExc_TypeError, "run: tensors of one row a sample are wanted");
        p->in[i] = pa_node_retain(pa_handle_node(each));
    }
    bool may_run = pa_program_run_obstacle(p->program) == NULL && pa_batch_set_rows(p->program, epochs->batch) == PA_OK;
    int fits = may_run ? is_as_it_was(p) : 0;
    if (fits < 0) return NULL;
    if (fits == 0) return Py_NewRef(Py_NotImplemented);
    pa_status status = pa_program_run(p->program, epochs, first, count, losses, p->results, &p->steps_done);
    for (int32_t i = 0; p->steps_done > 0 && i < p->program->n_results; i++) pa_node_release(p->results[i]);
    return status == PA_OK ? PyLong_FromLongLong(p->steps_done) : pa_raise(status);
}

static PyObject *program_run(PyObject *self, PyObject *arguments) {
    program *p = (program *)self;
    PyObject *data, *order, *losses;
    Py_ssize_t batch, steps, shuffle, first, count;
    if (!PyArg_ParseTuple(arguments, "O!nnOnnnO:run", &PyTuple_Type, &data, &batch, &steps, &order, &shuffle, &first,
                          &count, &losses))
        return NULL;
    if (is_calling(p)) return refuse_second_call();
    p->steps_done = 0;
    if (PyTuple_Size(data) != p->program->n_inputs)
        return PyErr_Format(PyExc_ValueError, "run: %zd arrays for a step of %d arguments", PyTuple_Size(data),
                            p->program->n_inputs);
    double *to = losses_data(losses, count);
    if (to == NULL) return NULL;
    if (order != Py_None && !pa_is_handle(order)) return PyErr_Format(PyExc_TypeError, "run: an order is a Tensor");
    begin_call(p);
    pa_epochs epochs = {.n = p->program->n_inputs,
                        .data = p->in,
                        .batch = batch,
                        .steps = steps,
                        .order = order == Py_None ? NULL : pa_handle_node(order),
                        .shuffle = (pa_random_state *)shuffle};
    PyObject *result = run_with(p, data, &epochs, first, count, to);
    end_call(p);
    return result;
}

static int set_item(PyObject *dict, const char *name, PyObject *value) {
    int status = value == NULL ? -1 : PyDict_SetItemString(dict, name, value);
    Py_XDECREF(value);
    return status;
}

/* Drops the list where there is no memory. */
static void append_text(PyObject **list, const char *text) {
    PyObject *words = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    if (words == NULL || PyList_Append(*list, words) < 0) Py_CLEAR(*list);
    Py_XDECREF(words);
}

static PyObject *instruction_texts(const pa_program *p) {
    PyObject *list = PyList_New(0);
    char text[512];
    for (int32_t i = 0; list != NULL && i < p->n_code; i++) {
        pa_instruction_text(p, &p->code[i], text, sizeof text);
        append_text(&list, text);
    }
    return list;
}

/* What each kind of instruction of straight-line code does, a line each. */
static PyObject *straightline_texts(const pa_program *p) {
    PyObject *list = PyList_New(0);
    char text[8192];
    for (size_t i = 0; list != NULL && pa_values_dump(p->values, i, text, sizeof text) != NULL; i++)
        for (char *line = strtok(text, "\n"); list != NULL && line != NULL; line = strtok(NULL, "\n"))
            append_text(&list, line);
    return list;
}

/* How `run` makes its steps. */
static PyObject *run_text(const pa_program *p) {
    const char *obstacle = pa_program_run_obstacle(p);
    return obstacle == NULL ? PyUnicode_FromString("in C") : PyUnicode_FromFormat("call by call: %s", obstacle);
}

static PyObject *describe_values(const pa_program *p) {
    PyObject *dict = PyDict_New();
    if (dict == NULL) return NULL;
    pa_straightline_stats s = pa_values_statistics(p->values);
    if (set_item(dict, "kind", PyUnicode_FromString("values")) < 0 ||
        set_item(dict, "ops", PyLong_FromLongLong(s.given)) < 0 ||
        set_item(dict, "ops_left", PyLong_FromLongLong(s.left)) < 0 ||
        set_item(dict, "instructions", straightline_texts(p)) < 0 ||
        set_item(dict, "fused", PyLong_FromLongLong(s.packs)) < 0 ||
        set_item(dict, "chains", PyLong_FromLongLong(s.reductions)) < 0 ||
        set_item(dict, "products", PyLong_FromLongLong(s.products)) < 0 ||
        set_item(dict, "scalars", PyLong_FromLongLong(s.scalars)) < 0 ||
        set_item(dict, "arena_bytes", PyLong_FromLongLong(s.bytes + (int64_t)p->arena_bytes)) < 0 ||
        set_item(dict, "tensor_bytes", PyLong_FromLongLong(8 * s.given)) < 0 ||
        set_item(dict, "flops", PyFloat_FromDouble((double)s.left)) < 0 || set_item(dict, "run", run_text(p)) < 0)
        Py_CLEAR(dict);
    return dict;
}

static void add_edge(void *list, int32_t from, int32_t to) {
    PyObject *pair = from == to || PyErr_Occurred() ? NULL : Py_BuildValue("(ii)", (int)from, (int)to);
    if (pair != NULL) PyList_Append(list, pair);
    Py_XDECREF(pair);
}

/* Pairs of instructions of which the second reads what the first has written. */
static PyObject *edges(const pa_program *p) {
    PyObject *list = PyList_New(0);
    if (list == NULL) return NULL;
    pa_status status = pa_program_edges(p, add_edge, list);
    if (status == PA_OK && !PyErr_Occurred()) return list;
    Py_DECREF(list);
    return status == PA_OK ? NULL : pa_raise(status);
}

static PyObject *program_describe(PyObject *self, PyObject *Py_UNUSED(unused)) {
    const pa_program *p = ((program *)self)->program;
    if (p->values != NULL) return describe_values(p);
    PyObject *dict = PyDict_New();
    if (dict == NULL) return NULL;
    if (set_item(dict, "kind", PyUnicode_FromString("tensors")) < 0 ||
        set_item(dict, "ops", PyLong_FromLong(p->n_recorded)) < 0 ||
        set_item(dict, "instructions", instruction_texts(p)) < 0 || set_item(dict, "edges", edges(p)) < 0 ||
        set_item(dict, "fused", PyLong_FromLong(p->n_fusions)) < 0 ||
        set_item(dict, "arena_bytes", PyLong_FromSize_t(p->arena_bytes)) < 0 ||
        set_item(dict, "scratch_bytes", PyLong_FromSize_t(p->scratch_bytes + pa_program_saved_bytes(p))) < 0 ||
        set_item(dict, "tensor_bytes", PyLong_FromSize_t(p->tensor_bytes)) < 0 ||
        set_item(dict, "flops", PyFloat_FromDouble(p->flops)) < 0 || set_item(dict, "run", run_text(p)) < 0)
        Py_CLEAR(dict);
    return dict;
}

static PyObject *program_steps_done(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromLongLong(((program *)self)->steps_done);
}

static PyMethodDef program_methods[] = {
    PA_METHOD(
        "set_argument_kinds", program_set_argument_kinds, METH_O, "($self, kinds, /)",
        "What each argument must be: None a tensor, float a number, memoryview an ndarray, else that very thing."),
    PA_METHOD("set_guards", program_set_guards, METH_O, "($self, guards, /)",
              "What must hold at each call; None for nothing."),
    PA_METHOD("set_update", program_set_update, METH_VARARGS, "($self, k, owner, params, state, steps, hyper, /)",
              "Bind update k to the addresses of an optimiser's arrays, which the owner has."),
    PA_METHOD("set_rows", program_set_rows, METH_VARARGS, "($self, least, greatest, /)",
              "How many rows a program with a free batch axis is for."),
    PA_METHOD("retire", program_retire, METH_NOARGS, "($self, /)",
              "It is bound to what is no longer so, and fits no further call."),
    PA_METHOD("call", program_call, METH_O, "($self, arguments, /)",
              "The results; NotImplemented for other arguments, Ellipsis where something else has changed."),
    PA_METHOD("call_leaves", program_call_leaves, METH_O, "($self, arguments, /)",
              "The same, with tensors in the places of ndarrays."),
    PA_METHOD(
        "run", program_run, METH_VARARGS, "($self, data, batch, steps, order, shuffle, first, count, losses, /)",
        "Steps over rows of the data, so many an epoch, whose losses it notes: the number of steps made. The order "
        "is drawn anew where an epoch begins, from the stream at the address `shuffle`, if that is not 0."),
    PA_METHOD("describe", program_describe, METH_NOARGS, "($self, /)", "What it consists of, as a dict."),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef program_attributes[] = {
    {"steps_done", program_steps_done, NULL, "Steps that the last run made.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot program_slots[] = {
    {Py_tp_new, program_new},
    {Py_tp_dealloc, program_dealloc},
    {Py_tp_traverse, program_traverse},
    {Py_tp_clear, program_clear},
    {Py_tp_methods, program_methods},
    {Py_tp_getset, program_attributes},
    {Py_tp_doc,
     "Program(recording, disabled, other=None, /)\n--\n\nA recording compiled, without the passes that are disabled; "
     "for any number of rows, where `other` recorded the same with another."},
    {0, NULL},
};

static PyType_Spec program_spec = {
    .name = "pyautograd._core.Program",
    .basicsize = sizeof(program),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = program_slots,
};

int pa_program_ready(PyObject *module) { return pa_module_add_type(module, &program_spec, NULL, &program_type); }
