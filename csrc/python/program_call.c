/* Calls and runs of a Program: arguments taken apart, guards checked, results made and put into places. */
#include "program_object.h"

#include <string.h>

#include "convert.h"
#include "guards.h"
#include "host.h"

#include "../hold.h"
#include "../program/batch.h"
#include "../program/bind.h"
#include "../program/replay.h"
#include "../record.h"

bool pa_program_object_is_calling(const pa_program_object *p) { return p->calling == pa_process; }

PyObject *pa_program_object_refuse(void) {
    return pa_raise(
        pa_fail(PA_RUNTIME, "compile: this step is running already, in another thread; compile one for each thread"));
}

/* Reads the numbers that stand in places. 1, 0 where one is none, -1 with an exception set. */
static int read_number_places(pa_program_object *p) {
    int found = 1;
    int32_t first = p->program->n_inputs - p->n_number_places;
    for (int32_t i = 0; found == 1 && i < p->n_number_places; i++)
        found = pa_guards_read_number(p->guards, p->number_places[2 * i], p->number_places[2 * i + 1],
                                      &p->arguments.numbers[first + i]);
    return found;
}

/* Do the tensors that are arguments stand in other places too, where they did? 1, 0, -1 with an exception set. */
static int are_shared(const pa_program_object *p) {
    int found = 1;
    for (int32_t i = 0; found == 1 && i < p->n_shared; i += 2)
        found = pa_guards_holds_tensor(p->guards, p->shared[i + 1], p->arguments.in[p->shared[i]]);
    return found;
}

/* Is a container that is an argument one that the step knows by another way too, where it was, and else none of them?
   */
static bool are_known(const pa_program_object *p) {
    for (int32_t k = 0; p->known != NULL && p->guards != NULL && k < p->arguments.n_containers; k++) {
        PyObject *known = PyTuple_GetItem(p->known, k), *given = p->arguments.containers[k];
        bool is_known = given != NULL && pa_guards_about(p->guards, given) >= 0;
        for (int32_t i = 0; i < p->n_puts && given != NULL; i++)
            is_known = is_known || (p->puts[i].container == PA_PUT_APPEND && p->puts[i].key == given);
        if (is_known ? known != given : known != Py_None) return false;
    }
    return true;
}

/* A result as Python gets it; takes over the node. */
static PyObject *wrap_result(const pa_result *result, pa_node *node) {
    if (!result->is_number) return pa_wrap(node);
    PyObject *number = pa_node_element(node);
    pa_node_release(node);
    return number;
}

/* Objects of all results, in p->made; what comes out of it, NULL with an exception set, is for `drop_results`. */
static bool make_results(pa_program_object *p) {
    int n = p->program->n_results;
    memset(p->made, 0, (size_t)n * sizeof *p->made);
    bool all = true;
    for (int i = 0; i < n; i++) {
        pa_node *node = p->results[i];
        p->results[i] = NULL;
        p->made[i] = wrap_result(&p->program->results[i], node);
        all = all && p->made[i] != NULL;
    }
    return all;
}

static void drop_results(pa_program_object *p) {
    for (int i = 0; i < p->program->n_results; i++) Py_CLEAR(p->made[i]);
}

static int put_one(pa_program_object *p, const pa_put *to) {
    PyObject *value = p->made[to->result];
    if (to->container == PA_PUT_INTO_GUARDED) return pa_guards_put(p->guards, to->guard, to->member, value);
    if (to->container == PA_PUT_APPEND) return PyList_Append(to->key, value);
    PyObject *container = p->arguments.containers[to->container];
    if (to->key == Py_None) return PyList_Append(container, value);
    bool has_items = PyDict_Check(container) || PyList_Check(container);
    if (has_items) return PyObject_SetItem(container, to->key, value);
    return PyObject_GenericSetAttr(container, to->key, value); /* as object.__setattr__, also of a frozen dataclass */
}

/* Everything is put before the captured tensors that were in these places are exchanged. */
static bool put_results(pa_program_object *p) {
    for (int32_t i = 0; i < p->n_puts; i++)
        if (put_one(p, &p->puts[i]) < 0) return false;
    for (int32_t i = 0; p->n_puts > 0 && i < p->program->n_bound; i++) {
        int32_t next = p->program->captured[i].next;
        if (next >= 0 && !pa_program_exchange(p->program, i, pa_handle_node(p->made[next]))) p->retired = true;
    }
    return true;
}

/* What the caller gets of them. */
static PyObject *give_results(pa_program_object *p) {
    if (p->n_given == 0) Py_RETURN_NONE;
    if (p->n_given == 1) return Py_NewRef(p->made[p->given[0]]);
    PyObject *tuple = PyTuple_New(p->n_given);
    for (int32_t i = 0; i < p->n_given; i++) pa_tuple_put(&tuple, i, Py_NewRef(p->made[p->given[i]]));
    return tuple;
}

/* The objects of what a step had made that has failed, in p->made. */
static bool make_failed_results(pa_program_object *p, pa_node **nodes) {
    bool all = true;
    for (int32_t i = 0; i < p->program->n_results; i++) {
        pa_node *node = nodes[i];
        nodes[i] = NULL;
        p->made[i] = node == NULL ? NULL : wrap_result(&p->program->results[i], node);
        all = all && (node == NULL || p->made[i] != NULL);
    }
    return all;
}

static PyObject *tuple_of_made(const pa_program_object *p) {
    PyObject *all = PyTuple_New(p->program->n_results);
    for (int32_t i = 0; i < p->program->n_results; i++)
        pa_tuple_put(&all, i, Py_NewRef(p->made[i] == NULL ? Py_None : p->made[i]));
    return all;
}

static bool leave_to_python(PyObject **to, PyObject *left) {
    PyObject *before = *to;
    *to = left;
    Py_XDECREF(before);
    return left != NULL;
}

/* Captured tensors in whose places others have been put, in all or in those that are there at an entry of the log. */
static void exchange_put(pa_program_object *p, int32_t entry) {
    for (int32_t i = 0; i < p->program->n_bound; i++) {
        int32_t next = p->program->captured[i].next;
        for (int32_t k = 0; k < p->n_puts && next >= 0; k++) {
            if (p->puts[k].result != next || p->puts[k].since > entry) continue;
            if (!pa_program_exchange(p->program, i, pa_handle_node(p->made[next]))) p->retired = true;
            break;
        }
    }
}

static bool put_before(pa_program_object *p, int32_t entry) {
    if (p->fails_in_python) {
        PyObject *made = tuple_of_made(p);
        return leave_to_python(&p->failed, made == NULL ? NULL : Py_BuildValue("(iN)", (int)entry, made));
    }
    for (int32_t i = 0; i < p->n_puts; i++)
        if (p->puts[i].since <= entry && put_one(p, &p->puts[i]) < 0) return false;
    exchange_put(p, entry);
    return true;
}

/* A step has failed on its way: what it had put before stands. */
static void leave_failure(pa_program_object *p, pa_node **results) {
    if (!make_failed_results(p, results) || !put_before(p, p->program->failed->entry)) p->retired = true;
    drop_results(p);
}

static PyObject *fail(pa_program_object *p, pa_status status) {
    pa_raise(status);
    if (p->program->failed == NULL) return NULL;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    leave_failure(p, p->results);
    PyErr_Restore(type, value, traceback);
    return NULL;
}

static PyObject *hand_out(pa_program_object *p) {
    PyObject *result = make_results(p) && put_results(p) ? give_results(p) : NULL;
    drop_results(p);
    return result;
}

/* Do the guards hold, and is the program not retired? 1, 0, or -1 with an exception set. */
static int is_guarded(const pa_program_object *p) {
    int broken = p->guards == NULL ? -1 : pa_guards_check(p->guards);
    return broken == -2 ? -1 : broken < 0 && !p->retired;
}

/* And is it bound to what is still so? */
static int is_as_it_was(const pa_program_object *p) {
    int found = is_guarded(p);
    return found == 1 ? pa_program_is_bound(p->program, p->arguments.in) : found;
}

pa_status pa_program_object_check(void *object) {
    int found = is_guarded(object);
    if (found != 0) return found == 1 ? PA_OK : PA_PYTHON;
    return pa_fail(PA_RUNTIME, "compile: a host call changed what the step reads; change it outside the step");
}

/* NotImplemented for other arguments; Ellipsis where a guard does not hold, where what it is bound to has changed, and
   where the step has failed before it changed anything. */
static PyObject *call_with(pa_program_object *p, PyObject *positional, PyObject *named) {
    pa_arguments *a = &p->arguments;
    int found = pa_arguments_take(a, positional, named);
    if (found == 1) found = read_number_places(p);
    if (found == 1) found = are_shared(p);
    if (found == 1) found = are_known(p);
    if (found < 0) return NULL;
    if (found == 0 || !pa_program_takes(p->program, p->program->n_inputs, a->in)) return Py_NewRef(Py_NotImplemented);
    int fits = is_as_it_was(p);
    if (fits < 0) return NULL;
    if (fits == 0) return Py_NewRef(Py_Ellipsis);
    pa_status status = pa_program_call(p->program, p->program->n_inputs, a->in, a->numbers, p->results);
    return status == PA_OK ? hand_out(p) : fail(p, status);
}

static void begin_call(pa_program_object *p) { p->calling = pa_process; }

static void end_call(pa_program_object *p) {
    pa_arguments_release(&p->arguments);
    p->calling = 0;
}

PyObject *pa_program_object_call(PyObject *self, PyObject *const *arguments, Py_ssize_t n) {
    pa_program_object *p = (pa_program_object *)self;
    if (!pa_has_arguments(n, 1, 2, "call")) return NULL;
    PyObject *named = n == 2 ? arguments[1] : NULL;
    if (!PyTuple_Check(arguments[0]) || (named != NULL && !PyDict_Check(named)) || p->arguments.rows == NULL)
        return PyErr_Format(PyExc_TypeError, "call: a tuple and a dict are wanted");
    if (pa_recording() != NULL) return Py_NewRef(Py_NotImplemented);
    if (pa_program_object_is_calling(p)) return pa_program_object_refuse();
    begin_call(p);
    PyObject *result = call_with(p, arguments[0], named);
    end_call(p);
    return result;
}

/* NULL with an exception set. */
static double *losses_data(PyObject *object, Py_ssize_t least) {
    const pa_node *node = pa_is_handle(object) ? pa_handle_node(object) : NULL;
    if (node != NULL && node->dtype == PA_FLOAT64 && pa_node_numel(node) >= least && pa_node_is_contiguous(node))
        return (double *)(void *)pa_node_data(node);
    PyErr_Format(PyExc_TypeError, "run: a tensor of float64 for %zd losses is wanted", least);
    return NULL;
}

const char *pa_program_object_obstacle(const pa_program_object *p) {
    if (p->n_number_places > 0 && p->puts_by_python)
        return "the step reads a number that it has put into a place itself, besides others";
    for (int32_t i = 0; i < p->n_puts; i++)
        if (p->puts[i].container >= 0) return "the step writes into its arguments";
    return pa_program_run_obstacle(p->program);
}

/* The object of a result as a step of a run has noted it. */
static PyObject *noted_result(const pa_program_object *p, int32_t result, const char *from) {
    const pa_result *r = &p->program->results[result];
    const pa_node *like = p->program->nodes[r->node];
    pa_node *node = NULL;
    pa_status status = r->is_value ? pa_value_new(0, &node) : pa_node_new_like(like, &node);
    if (status != PA_OK) return pa_raise(status);
    memcpy(pa_node_data(node), from, pa_node_bytes(like));
    return wrap_result(r, node);
}

/* Appends what a step has noted. */
static bool append_notes(const pa_program_object *p, const char *notes) {
    for (int32_t i = 0; i < p->n_puts; i++) {
        const pa_put *to = &p->puts[i];
        if (to->container != PA_PUT_APPEND) continue;
        const char *from = notes;
        for (int32_t k = 0; k < to->result; k++)
            if (p->program->results[k].is_noted) from += pa_node_bytes(p->program->nodes[p->program->results[k].node]);
        PyObject *value = noted_result(p, to->result, from);
        int status = value == NULL ? -1 : PyList_Append(to->key, value);
        Py_XDECREF(value);
        if (status < 0) return false;
    }
    return true;
}

/* What the steps of a run leave in the world; the last one does as a call does. */
static bool leave(pa_program_object *p, const char *notes) {
    size_t bytes = pa_program_note_bytes(p->program);
    for (int64_t k = 0; bytes > 0 && k + 1 < p->steps_done; k++)
        if (!append_notes(p, notes + (size_t)k * bytes)) return false;
    if (!make_results(p)) return false;
    return p->puts_by_python ? leave_to_python(&p->left, tuple_of_made(p)) : put_results(p);
}

static PyObject *run_noted(pa_program_object *p, const pa_epochs *epochs, Py_ssize_t first, Py_ssize_t count,
                           double *losses) {
    pa_status status =
        pa_program_run(p->program, epochs, first, count, losses, p->results, p->failed_results, &p->steps_done);
    if (p->steps_done == 0 && status == PA_OK) return PyLong_FromLong(0);
    PyObject *type, *value, *traceback;
    if (status != PA_OK) pa_raise(status);
    PyErr_Fetch(&type, &value, &traceback);
    bool done = p->steps_done == 0 || leave(p, epochs->notes);
    if (p->steps_done > 0) drop_results(p);
    if (status == PA_OK) return done ? PyLong_FromLongLong(p->steps_done) : NULL;
    if (p->program->failed != NULL) leave_failure(p, p->failed_results);
    PyErr_Restore(type, value, traceback); /* which is more to the point than one of the puts */
    return NULL;
}

/* The steps made, fewer than asked for where much is noted, or where the last of an epoch is not for the program;
   NotImplemented where the program does not fit. */
static PyObject *run_with(pa_program_object *p, PyObject *data, pa_epochs *epochs, Py_ssize_t first, Py_ssize_t count,
                          double *losses) {
    enum { NOTED = 1 << 22 };
    for (int i = 0; i < epochs->n; i++) {
        PyObject *each = PyTuple_GetItem(data, i);
        if (!pa_is_handle(each) || pa_handle_node(each)->ndim == 0)
            return PyErr_Format(PyExc_TypeError, "run: tensors of one row a sample are wanted");
        p->arguments.in[i] = pa_node_retain(pa_handle_node(each));
    }
    bool may_run =
        !p->retired && pa_program_object_obstacle(p) == NULL && pa_batch_set_rows(p->program, epochs->batch) == PA_OK;
    int fits = may_run ? read_number_places(p) : 0;
    if (fits == 1) fits = is_as_it_was(p);
    if (fits < 0) return NULL;
    if (fits == 0) return Py_NewRef(Py_NotImplemented);
    if (epochs->last > 0 && !pa_program_takes_rows(p->program, epochs->last)) {
        epochs->last = 0;
        epochs->steps--;
        if (count > epochs->steps - first) count = epochs->steps - first;
    }
    size_t bytes = pa_program_note_bytes(p->program), most = bytes == 0 ? SIZE_MAX : NOTED / bytes + 1;
    if ((size_t)count > most) count = (Py_ssize_t)most;
    if (bytes > 0 && (epochs->notes = pa_mem_alloc_array((size_t)count, bytes)) == NULL) return pa_raise(PA_MEMORY);
    PyObject *result = run_noted(p, epochs, first, count, losses);
    if (bytes > 0) pa_mem_free_array(epochs->notes, (size_t)count, bytes);
    return result;
}

PyObject *pa_program_object_run(PyObject *self, PyObject *arguments) {
    pa_program_object *p = (pa_program_object *)self;
    PyObject *data, *order, *losses;
    Py_ssize_t batch, last, steps, shuffle, first, count;
    if (!PyArg_ParseTuple(arguments, "O!nnnOnnnO:run", &PyTuple_Type, &data, &batch, &last, &steps, &order, &shuffle,
                          &first, &count, &losses))
        return NULL;
    if (pa_program_object_is_calling(p)) return pa_program_object_refuse();
    if (p->arguments.rows == NULL || count < 0) return PyErr_Format(PyExc_ValueError, "run: no steps to make");
    p->steps_done = 0;
    Py_ssize_t n = p->program->n_inputs - p->n_number_places;
    if (PyTuple_Size(data) != n)
        return PyErr_Format(PyExc_ValueError, "run: %zd arrays for a step of %zd arguments", PyTuple_Size(data), n);
    double *to = losses_data(losses, count);
    if (to == NULL) return NULL;
    if (order != Py_None && !pa_is_handle(order)) return PyErr_Format(PyExc_TypeError, "run: an order is a Tensor");
    begin_call(p);
    pa_epochs epochs = {.n = (int)n,
                        .data = p->arguments.in,
                        .numbers = p->arguments.numbers,
                        .batch = batch,
                        .last = last,
                        .steps = steps,
                        .order = order == Py_None ? NULL : pa_handle_node(order),
                        .shuffle = (pa_random_state *)shuffle};
    PyObject *result = run_with(p, data, &epochs, first, count, to);
    end_call(p);
    return result;
}
