/* The type Program: a recording compiled.

       Program(recording, disabled) ─▶ Program: call(args, kwargs), run(data, …), describe() */
#include "parts.h"

#include <string.h>

#include "guards.h"
#include "program_object.h"
#include "recording.h"

#include "../program/batch.h"
#include "../program/bind.h"
#include "../program/compile.h"
#include "../program/instruction.h"

static PyTypeObject *program_type;

/* Else calls whose backward is still to come need them too. */
static bool owns_hosts(const pa_program_object *p) { return p->program != NULL && p->program->refs == 1; }

static int program_clear(PyObject *self) {
    pa_program_object *p = (pa_program_object *)self;
    p->retired = true;
    pa_arguments_clear(&p->arguments);
    Py_CLEAR(p->guards);
    Py_CLEAR(p->known);
    Py_CLEAR(p->left);
    Py_CLEAR(p->failed);
    for (int32_t i = 0; i < p->n_puts; i++) Py_CLEAR(p->puts[i].key);
    for (int32_t k = 0; p->plans != NULL && k < p->program->n_updates; k++) {
        p->program->updates[k].hyper = NULL;
        Py_CLEAR(p->plans[k]);
    }
    for (int32_t k = 0; owns_hosts(p) && k < p->program->n_hosts; k++) {
        PyObject *function = p->program->hosts[k].function;
        p->program->hosts[k].function = NULL;
        Py_XDECREF(function);
    }
    return 0;
}

static int program_traverse(PyObject *self, visitproc visit, void *arg) {
    const pa_program_object *p = (pa_program_object *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(p->guards);
    Py_VISIT(p->known);
    Py_VISIT(p->left);
    Py_VISIT(p->failed);
    for (int32_t i = 0; i < p->n_puts; i++) Py_VISIT(p->puts[i].key);
    for (int32_t k = 0; p->plans != NULL && k < p->program->n_updates; k++) Py_VISIT(p->plans[k]);
    for (int32_t k = 0; owns_hosts(p) && k < p->program->n_hosts; k++)
        Py_VISIT((PyObject *)p->program->hosts[k].function);
    return pa_arguments_traverse(&p->arguments, visit, arg);
}

static void program_dealloc(PyObject *self) {
    pa_program_object *p = (pa_program_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    program_clear(self);
    if (p->program != NULL) {
        size_t results = (size_t)p->program->n_results + 1;
        pa_mem_free_array(p->plans, (size_t)p->program->n_updates + 1, sizeof *p->plans);
        pa_mem_free_array(p->results, results, sizeof *p->results);
        pa_mem_free_array(p->failed_results, results, sizeof *p->failed_results);
        pa_mem_free_array(p->made, results, sizeof *p->made);
        pa_mem_free_array(p->given, (size_t)p->n_given + 1, sizeof *p->given);
        pa_mem_free_array(p->puts, p->puts_room, sizeof *p->puts);
        pa_mem_free_array(p->shared, (size_t)p->n_shared + 1, sizeof *p->shared);
        pa_mem_free_array(p->number_places, 2 * (size_t)p->n_number_places + 1, sizeof *p->number_places);
    }
    pa_arguments_free(&p->arguments);
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
    pa_program_object *self = PyObject_GC_New(pa_program_object, type);
    if (self == NULL) return NULL;
    *self = (pa_program_object){.ob_base = self->ob_base};
    const pa_log *log = other == Py_None ? NULL : ((pa_recording_object *)other)->log;
    pa_status status = pa_program_new(r->log, log, r->n_outputs, r->outputs, (unsigned)passes, &self->program);
    if (status == PA_OK) {
        self->program->owner = self;
        size_t updates = (size_t)self->program->n_updates + 1, results = (size_t)self->program->n_results + 1;
        self->plans = pa_mem_alloc_array(updates, sizeof *self->plans);
        if (self->plans != NULL) memset(self->plans, 0, updates * sizeof *self->plans);
        self->results = pa_mem_alloc_array(results, sizeof *self->results);
        self->failed_results = pa_mem_alloc_array(results, sizeof *self->failed_results);
        self->made = pa_mem_alloc_array(results, sizeof *self->made);
        bool is_made = self->results != NULL && self->failed_results != NULL && self->made != NULL;
        if (self->plans == NULL || !is_made) status = PA_MEMORY;
    }
    PyObject_GC_Track((PyObject *)self);
    if (status == PA_OK) return (PyObject *)self;
    Py_DECREF(self);
    return pa_raise(status);
}

static PyObject *program_set_arguments(PyObject *self, PyObject *rows) {
    pa_program_object *p = (pa_program_object *)self;
    if (!PyTuple_Check(rows) || p->arguments.rows != NULL)
        return PyErr_Format(PyExc_TypeError, "set_arguments: a tuple is wanted, once");
    return pa_arguments_set(&p->arguments, rows, p->program->n_inputs) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Room for a list that is set once, all of it 0; NULL with an exception set. */
static void *room_for(PyObject *list, const void *before, size_t size) {
    if (!PyTuple_Check(list) || before != NULL)
        return PyErr_Format(PyExc_TypeError, "Program: a tuple is wanted, once");
    size_t n = (size_t)PyTuple_Size(list) + 1;
    void *room = pa_mem_alloc_array(n, size);
    return room == NULL ? pa_raise(PA_MEMORY) : memset(room, 0, n * size);
}

/* Reads a list of indices that is set once: every `step`-th of them, from the first on, is one below `most`. */
static PyObject *read_list(PyObject *list, Py_ssize_t **to, int32_t *n, int step, int32_t most) {
    Py_ssize_t *room = room_for(list, *to, sizeof **to), count = room == NULL ? 0 : PyTuple_Size(list), i = 0;
    for (; i < count; i++) {
        room[i] = PyLong_AsSsize_t(PyTuple_GetItem(list, i));
        bool is_index = i % step == 0;
        if ((is_index && (room[i] < 0 || room[i] >= most)) || (room[i] == -1 && PyErr_Occurred())) break;
    }
    if (room != NULL && i == count && count % step == 0) {
        *to = room;
        *n = (int32_t)count;
        Py_RETURN_NONE;
    }
    pa_mem_free_array(room, (size_t)count + 1, sizeof *room);
    return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_IndexError, "Program: index %zd of a list", i);
}

static PyObject *refuse_without_guards(void) {
    return PyErr_Format(PyExc_TypeError, "Program: there are no guards of which this could say something");
}

static PyObject *program_set_number_places(PyObject *self, PyObject *guards) {
    pa_program_object *p = (pa_program_object *)self;
    if (!PyTuple_Check(guards) || PyTuple_Size(guards) > 2 * (Py_ssize_t)p->program->n_inputs)
        return PyErr_Format(PyExc_TypeError, "set_number_places: at most %d guards are wanted", p->program->n_inputs);
    if (p->guards == NULL && PyTuple_Size(guards) > 0) return refuse_without_guards();
    int32_t n;
    PyObject *done = read_list(guards, &p->number_places, &n, 2, INT32_MAX);
    if (done != NULL) p->n_number_places = n / 2;
    return done;
}

static PyObject *program_set_shared(PyObject *self, PyObject *pairs) {
    pa_program_object *p = (pa_program_object *)self;
    if (p->guards == NULL && PyTuple_Check(pairs) && PyTuple_Size(pairs) > 0) return refuse_without_guards();
    return read_list(pairs, &p->shared, &p->n_shared, 2, p->program->n_inputs);
}

static PyObject *program_set_known(PyObject *self, PyObject *containers) {
    pa_program_object *p = (pa_program_object *)self;
    if (!PyTuple_Check(containers) || p->known != NULL || PyTuple_Size(containers) < p->arguments.n_containers)
        return PyErr_Format(PyExc_TypeError, "set_known: a tuple for all containers is wanted, once");
    p->known = Py_NewRef(containers);
    Py_RETURN_NONE;
}

static PyObject *program_set_given(PyObject *self, PyObject *results) {
    pa_program_object *p = (pa_program_object *)self;
    return read_list(results, &p->given, &p->n_given, 1, p->program->n_results);
}

static PyObject *program_set_puts(PyObject *self, PyObject *puts) {
    pa_program_object *p = (pa_program_object *)self;
    pa_put *room = room_for(puts, p->puts, sizeof *p->puts);
    if (room == NULL) return NULL;
    p->puts = room;
    p->puts_room = (size_t)PyTuple_Size(puts) + 1;
    for (Py_ssize_t i = 0; i < PyTuple_Size(puts); i++) {
        pa_put *to = &p->puts[i];
        if (!pa_read_row(PyTuple_GetItem(puts, i), "innOii", &to->result, &to->guard, &to->member, &to->key,
                         &to->container, &to->since))
            return NULL;
        if (to->result < 0 || to->result >= p->program->n_results || to->container >= p->arguments.n_containers)
            return PyErr_Format(PyExc_IndexError, "set_puts: result %d of %d", to->result, p->program->n_results);
        if (to->container == PA_PUT_INTO_GUARDED && p->guards == NULL) return refuse_without_guards();
        if (to->container == PA_PUT_APPEND && !PyList_Check(to->key))
            return PyErr_Format(PyExc_TypeError, "set_puts: only lists can be appended to");
        Py_INCREF(to->key);
        p->n_puts++;
        pa_result *result = &p->program->results[to->result];
        result->is_noted = result->is_noted || to->container == PA_PUT_APPEND;
        for (int32_t k = 0; k < p->n_number_places && to->container == PA_PUT_INTO_GUARDED; k++)
            if (p->number_places[2 * k] == to->guard && p->number_places[2 * k + 1] == to->member)
                result->number = p->program->n_inputs - p->n_number_places + k;
    }
    Py_RETURN_NONE;
}

static PyObject *program_set_state(PyObject *self, PyObject *arguments) {
    pa_program_object *p = (pa_program_object *)self;
    PyObject *results;
    int by_python, fails_in_python;
    if (!PyArg_ParseTuple(arguments, "O!pp:set_state", &PyTuple_Type, &results, &by_python, &fails_in_python))
        return NULL;
    p->puts_by_python = by_python;
    p->fails_in_python = fails_in_python;
    for (Py_ssize_t i = 0; i < PyTuple_Size(results); i++) {
        Py_ssize_t result = PyLong_AsSsize_t(PyTuple_GetItem(results, i));
        if (result < 0 || result >= p->program->n_results)
            return PyErr_Format(PyExc_IndexError, "set_state: result %zd of %d", result, p->program->n_results);
        const pa_node *before = NULL;
        for (int32_t k = 0; k < p->program->n_captured; k++)
            if (p->program->captured[k].next == result) before = p->program->captured[k].node;
        pa_program_set_put(p->program, (int32_t)result, before);
    }
    Py_RETURN_NONE;
}

/* What it holds there, or None. */
static PyObject *take(PyObject **held) {
    PyObject *taken = *held == NULL ? Py_NewRef(Py_None) : *held;
    *held = NULL;
    return taken;
}

static PyObject *program_take_left(PyObject *self, PyObject *Py_UNUSED(unused)) {
    return take(&((pa_program_object *)self)->left);
}

static PyObject *program_take_failed(PyObject *self, PyObject *Py_UNUSED(unused)) {
    return take(&((pa_program_object *)self)->failed);
}

static PyObject *program_set_guards(PyObject *self, PyObject *guards) {
    pa_program_object *p = (pa_program_object *)self;
    if (!pa_is_guards(guards) || p->guards != NULL)
        return PyErr_Format(PyExc_TypeError, "set_guards: Guards are wanted, once");
    p->guards = Py_NewRef(guards);
    Py_RETURN_NONE;
}

static PyObject *program_set_rows(PyObject *self, PyObject *arguments) {
    pa_program_object *p = (pa_program_object *)self;
    Py_ssize_t least, greatest;
    if (!PyArg_ParseTuple(arguments, "nn:set_rows", &least, &greatest)) return NULL;
    if (p->program->batch == NULL) return PyErr_Format(PyExc_RuntimeError, "set_rows: no axis is free");
    p->program->batch->least = least;
    p->program->batch->greatest = greatest;
    Py_RETURN_NONE;
}

/* The captured tensor that a handle's node is, or -1. */
static int32_t captured_index(const pa_program *p, PyObject *handle) {
    int32_t i = 0;
    while (i < p->n_captured && p->captured[i].node != pa_handle_node(handle)) i++;
    return i < p->n_captured ? i : -1;
}

/* All at once: one of them may take the place of another. */
static PyObject *program_exchange(PyObject *self, PyObject *pairs) {
    pa_program_object *p = (pa_program_object *)self;
    if (!PyTuple_Check(pairs)) return PyErr_Format(PyExc_TypeError, "exchange: a tuple is wanted");
    if (pa_program_object_is_calling(p)) return pa_program_object_refuse();
    size_t n = (size_t)PyTuple_Size(pairs);
    int32_t *which = pa_mem_alloc_array(n + 1, sizeof *which);
    if (which == NULL) return pa_raise(PA_MEMORY);
    bool fits = true;
    for (size_t i = 0; i < 2 * n && fits; i++) { /* found at first, and then exchanged */
        PyObject *before, *after;
        fits = pa_read_row(PyTuple_GetItem(pairs, (Py_ssize_t)(i % n)), "OO", &before, &after) &&
               pa_is_handle(before) && pa_is_handle(after);
        if (fits && i < n) which[i] = captured_index(p->program, before);
        if (!fits || which[i % n] < 0) continue; /* the step does not compute with it */
        fits = i < n ? which[i] < p->program->n_bound
                     : pa_program_exchange(p->program, which[i - n], pa_handle_node(after));
    }
    pa_mem_free_array(which, n + 1, sizeof *which);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(fits);
}

static PyObject *program_retire(PyObject *self, PyObject *Py_UNUSED(unused)) {
    ((pa_program_object *)self)->retired = true;
    Py_RETURN_NONE;
}

static PyObject *program_set_update(PyObject *self, PyObject *arguments) {
    pa_program_object *p = (pa_program_object *)self;
    int k;
    PyObject *owner, *before;
    Py_ssize_t params, state, steps, hyper;
    if (!PyArg_ParseTuple(arguments, "iOnnnn:set_update", &k, &owner, &params, &state, &steps, &hyper)) return NULL;
    if (pa_program_object_is_calling(p)) return pa_program_object_refuse();
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
static PyObject *run_text(const pa_program_object *p) {
    const char *obstacle = pa_program_object_obstacle(p);
    return obstacle == NULL ? PyUnicode_FromString("in C") : PyUnicode_FromFormat("call by call: %s", obstacle);
}

static PyObject *describe_values(const pa_program_object *self) {
    const pa_program *p = self->program;
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
        set_item(dict, "flops", PyFloat_FromDouble((double)s.left)) < 0 || set_item(dict, "run", run_text(self)) < 0)
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
    const pa_program *p = ((pa_program_object *)self)->program;
    if (p->values != NULL) return describe_values((pa_program_object *)self);
    PyObject *dict = PyDict_New();
    if (dict == NULL) return NULL;
    if (set_item(dict, "kind", PyUnicode_FromString("tensors")) < 0 ||
        set_item(dict, "ops", PyLong_FromLong(p->n_recorded)) < 0 ||
        set_item(dict, "instructions", instruction_texts(p)) < 0 || set_item(dict, "edges", edges(p)) < 0 ||
        set_item(dict, "fused", PyLong_FromLong(p->n_fusions)) < 0 ||
        set_item(dict, "arena_bytes", PyLong_FromSize_t(p->arena_bytes)) < 0 ||
        set_item(dict, "scratch_bytes", PyLong_FromSize_t(p->scratch_bytes + pa_program_saved_bytes(p))) < 0 ||
        set_item(dict, "tensor_bytes", PyLong_FromSize_t(p->tensor_bytes)) < 0 ||
        set_item(dict, "flops", PyFloat_FromDouble(p->flops)) < 0 ||
        set_item(dict, "run", run_text((pa_program_object *)self)) < 0)
        Py_CLEAR(dict);
    return dict;
}

static PyObject *program_steps_done(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromLongLong(((pa_program_object *)self)->steps_done);
}

static PyMethodDef program_methods[] = {
    PA_METHOD("set_arguments", program_set_arguments, METH_O, "($self, rows, /)",
              "What the arguments must be: rows (kind, count, what, slot), as _signature.py makes them."),
    PA_METHOD("set_number_places", program_set_number_places, METH_O, "($self, guards, /)",
              "Where the inputs behind the arguments stand: guard, member, guard …"),
    PA_METHOD("set_shared", program_set_shared, METH_O, "($self, pairs, /)",
              "The inputs that stand in the places of guards too: input, guard, input …"),
    PA_METHOD("set_known", program_set_known, METH_O, "($self, containers, /)",
              "Which guarded container each one among the arguments is; None for none."),
    PA_METHOD("set_given", program_set_given, METH_O, "($self, results, /)",
              "Which results the caller gets, in order."),
    PA_METHOD("set_state", program_set_state, METH_VARARGS, "($self, results, by_python, fails_in_python, /)",
              "Results that are put into places; by_python: by whoever takes what is left of a run; fails_in_python: "
              "by whoever takes what a step has made that has failed."),
    PA_METHOD("take_left", program_take_left, METH_NOARGS, "($self, /)",
              "All results of the last step of a run whose puts are Python's to make, once; or None."),
    PA_METHOD("take_failed", program_take_failed, METH_NOARGS, "($self, /)",
              "Where a step has failed whose puts are Python's to make: its entry and its results, once; or None."),
    PA_METHOD("set_puts", program_set_puts, METH_O, "($self, puts, /)",
              "Where results go: rows (result, guard, member, key, container)."),
    PA_METHOD("set_guards", program_set_guards, METH_O, "($self, guards, /)", "What must hold at each call."),
    PA_METHOD("set_update", program_set_update, METH_VARARGS, "($self, k, owner, params, state, steps, hyper, /)",
              "Bind update k to the addresses of an optimiser's arrays, which the owner has."),
    PA_METHOD("set_rows", program_set_rows, METH_VARARGS, "($self, least, greatest, /)",
              "How many rows a program with a free batch axis is for."),
    PA_METHOD("retire", program_retire, METH_NOARGS, "($self, /)",
              "It is bound to what is no longer so, and fits no further call."),
    PA_METHOD("call", pa_program_object_call, METH_FASTCALL, "($self, args, kwargs=None, /)",
              "The results; NotImplemented for other arguments, Ellipsis where something else has changed."),
    PA_METHOD(
        "exchange", program_exchange, METH_O, "($self, pairs, /)",
        "Reads other tensors in the places of captured ones, pairs (before, after); False where one does not fit."),
    PA_METHOD(
        "run", pa_program_object_run, METH_VARARGS,
        "($self, data, batch, last, steps, order, shuffle, first, count, losses, /)",
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
    .basicsize = sizeof(pa_program_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = program_slots,
};

int pa_program_ready(PyObject *module) { return pa_module_add_type(module, &program_spec, NULL, &program_type); }
