/* The arguments of a call, compared with what a program was compiled for, and taken apart on the way.

   What is expected are rows in the order in which nested containers are met, of step(x, [y, 0.5], scale=2):

       tuple 2 │ tensor slot 0 │ list 2 │ tensor slot 1 │ number slot 2 │ dict ("scale",) │ constant 2

   Tensors and numbers go into the slots of the program's inputs. Two rows with one slot must be given the same tensor;
   a list or dict that may be written to is kept, numbered, until the call ends. */
#include "arguments.h"

#include <string.h>

#include "arrays.h"
#include "convert.h"
#include "guards.h"

typedef enum argument_kind {
    ARGUMENT_TENSOR,   /* any; `what` alone where that tensor is also known to the step by another way */
    ARGUMENT_ARRAY,    /* an ndarray, which becomes a tensor over its memory */
    ARGUMENT_NUMBER,   /* any float, or `what` alone */
    ARGUMENT_CONSTANT, /* `what`, or what equals it */
    ARGUMENT_TUPLE,    /* what: its type, of n members */
    ARGUMENT_LIST,     /* likewise */
    ARGUMENT_DICT,     /* what: its type and its keys, in their order */
    ARGUMENT_OBJECT,   /* what: its type and the names of its attributes */
    ARGUMENT_SAME,     /* the container that was met as number `slot` */
    ARGUMENT_KINDS
} argument_kind;

enum { WHATEVER = -1 }; /* the length of a list that the step only appends to */

struct pa_argument {
    argument_kind kind;
    int32_t slot; /* of a leaf, in the inputs; of a container, its number, or -1 where nothing can be written to it */
    Py_ssize_t n;
    PyObject *what, *keys; /* held, or NULL */
};

/* ---- what is expected ---- */

static int set_row(pa_arguments *self, pa_argument *row, PyObject *from) {
    int kind;
    PyObject *what;
    if (!pa_read_row(from, "inOi", &kind, &row->n, &what, &row->slot)) return -1;
    if (kind < 0 || kind >= ARGUMENT_KINDS) {
        PyErr_Format(PyExc_ValueError, "set_arguments: no kind %d", kind);
        return -1;
    }
    row->kind = kind;
    bool keyed = kind == ARGUMENT_DICT || kind == ARGUMENT_OBJECT;
    PyObject *keys = NULL;
    if (keyed && !pa_read_row(what, "OO!", &what, &PyTuple_Type, &keys)) return -1;
    row->what = Py_NewRef(what);
    row->keys = Py_XNewRef(keys);
    bool is_input = kind <= ARGUMENT_NUMBER, is_known = is_input || kind == ARGUMENT_SAME;
    int32_t most = is_input ? self->n_inputs : self->n_containers;
    if ((is_known && (row->slot < 0 || row->slot >= most)) || (keyed && PyTuple_Size(keys) != row->n)) {
        PyErr_Format(PyExc_ValueError, "set_arguments: a row of kind %d, %zd members, slot %d of %d", kind, row->n,
                     (int)row->slot, (int)most);
        return -1;
    }
    if (!is_known && row->slot >= self->n_containers) self->n_containers = row->slot + 1;
    return 0;
}

int pa_arguments_set(pa_arguments *self, PyObject *rows, int32_t n_inputs) {
    Py_ssize_t n = PyTuple_Size(rows);
    if (n < 0) return -1;
    self->n_inputs = n_inputs;
    self->rows = pa_mem_alloc_array((size_t)n + 1, sizeof *self->rows);
    if (self->rows == NULL) {
        pa_raise(PA_MEMORY);
        return -1;
    }
    memset(self->rows, 0, ((size_t)n + 1) * sizeof *self->rows);
    self->n_rows = n;
    for (Py_ssize_t i = 0; i < n; i++)
        if (set_row(self, &self->rows[i], PyTuple_GetItem(rows, i)) < 0) return -1;
    size_t inputs = (size_t)self->n_inputs + 1, containers = (size_t)self->n_containers + 1;
    self->in = pa_mem_alloc_array(inputs, sizeof *self->in);
    self->numbers = pa_mem_alloc_array(inputs, sizeof *self->numbers);
    self->containers = pa_mem_alloc_array(containers, sizeof *self->containers);
    if (self->in == NULL || self->numbers == NULL || self->containers == NULL ||
        pa_table_new(&self->met, containers) != PA_OK) {
        pa_raise(PA_MEMORY);
        return -1;
    }
    memset(self->in, 0, inputs * sizeof *self->in);
    memset(self->containers, 0, containers * sizeof *self->containers);
    return 0;
}

int pa_arguments_traverse(const pa_arguments *self, visitproc visit, void *arg) {
    for (Py_ssize_t i = 0; i < self->n_rows; i++) {
        Py_VISIT(self->rows[i].what);
        Py_VISIT(self->rows[i].keys);
    }
    return 0;
}

/* The rows stay: without what they expect, they fit nothing. */
void pa_arguments_clear(pa_arguments *self) {
    for (Py_ssize_t i = 0; i < self->n_rows; i++) {
        Py_CLEAR(self->rows[i].what);
        Py_CLEAR(self->rows[i].keys);
    }
}

void pa_arguments_free(pa_arguments *self) {
    pa_arguments_clear(self);
    pa_mem_free_array(self->rows, (size_t)self->n_rows + 1, sizeof *self->rows);
    pa_mem_free_array(self->in, (size_t)self->n_inputs + 1, sizeof *self->in);
    pa_mem_free_array(self->numbers, (size_t)self->n_inputs + 1, sizeof *self->numbers);
    pa_mem_free_array(self->containers, (size_t)self->n_containers + 1, sizeof *self->containers);
    pa_table_free(&self->met);
}

/* ---- leaves ---- */

/* Takes over the reference on the node. */
static int take_node(pa_arguments *self, const pa_argument *row, pa_node *node) {
    pa_node **slot = &self->in[row->slot];
    if (*slot == NULL) {
        *slot = node;
        return 1;
    }
    int same = *slot == node;
    pa_node_release(node);
    return same;
}

static int take_array(pa_arguments *self, const pa_argument *row, PyObject *given) {
    pa_node *node = NULL;
    int found = pa_array_as_node(given, &node);
    if (found == 0 && PyObject_TypeCheck(given, pa_py.numpy_array)) { /* of a dtype or layout that is copied */
        PyObject *made = PyObject_CallFunctionObjArgs(pa_py.as_tensor, given, NULL);
        if (made == NULL) return -1;
        node = pa_node_retain(pa_handle_node(made));
        Py_DECREF(made);
        found = 1;
    }
    return found == 1 ? take_node(self, row, node) : found;
}

static int take_number(pa_arguments *self, const pa_argument *row, PyObject *given) {
    PyObject *number = PyFloat_CheckExact(given) ? Py_NewRef(given) : pa_number_of_numpy(given);
    if (number == NULL) return PyErr_Occurred() ? -1 : 0;
    int is_float = PyFloat_CheckExact(number) && (row->what == Py_None || pa_same_constant(row->what, number));
    if (is_float) self->numbers[row->slot] = PyFloat_AsDouble(number);
    Py_DECREF(number);
    return is_float;
}

static int take_constant(const pa_argument *row, PyObject *given) {
    if (pa_same_constant(row->what, given)) return 1;
    PyObject *number = pa_number_of_numpy(given);
    if (number == NULL) return PyErr_Occurred() ? -1 : 0;
    int same = pa_same_constant(row->what, number);
    Py_DECREF(number);
    return same;
}

/* ---- containers ---- */

static int take(pa_arguments *self, const pa_argument **at, PyObject *given);

/* The same, of something that nobody else may hold while it is looked at; takes over the reference. */
static int take_member(pa_arguments *self, const pa_argument **at, PyObject *member) {
    if (member == NULL) return PyErr_Occurred() ? -1 : 0;
    int found = take(self, at, member);
    Py_DECREF(member);
    return found;
}

static int take_sequence(pa_arguments *self, const pa_argument *row, const pa_argument **at, PyObject *given) {
    bool is_list = row->kind == ARGUMENT_LIST;
    int found = 1;
    for (Py_ssize_t i = 0; found == 1 && i < row->n; i++) {
        Py_ssize_t n = is_list ? PyList_Size(given) : PyTuple_Size(given); /* what is looked at may run Python */
        if (n != row->n) return 0;
        found = take_member(self, at, Py_NewRef(is_list ? PyList_GetItem(given, i) : PyTuple_GetItem(given, i)));
    }
    return found;
}

/* Are the keys the same, and in the same order? A subclass such as OrderedDict may have an order of its own. */
static int same_keys(const pa_argument *row, PyObject *given) {
    if (PyDict_Size(given) != row->n) return 0;
    if (!PyDict_CheckExact(given)) {
        PyObject *keys = PySequence_Tuple(given);
        int same = keys == NULL ? -1 : PyObject_RichCompareBool(keys, row->keys, Py_EQ);
        Py_XDECREF(keys);
        return same;
    }
    Py_ssize_t position = 0;
    PyObject *key;
    for (Py_ssize_t i = 0; PyDict_Next(given, &position, &key, NULL); i++) {
        PyObject *wanted = i < row->n ? PyTuple_GetItem(row->keys, i) : NULL;
        if (key == wanted) continue;
        if (wanted == NULL) return 0;
        Py_INCREF(key); /* comparing may run Python */
        int same = PyObject_RichCompareBool(key, wanted, Py_EQ);
        Py_DECREF(key);
        if (same <= 0) return same;
    }
    return 1;
}

static int take_dict(pa_arguments *self, const pa_argument *row, const pa_argument **at, PyObject *given) {
    int found = same_keys(row, given);
    for (Py_ssize_t i = 0; found == 1 && i < row->n; i++)
        found = take_member(self, at, Py_XNewRef(PyDict_GetItemWithError(given, PyTuple_GetItem(row->keys, i))));
    return found;
}

static int take_object(pa_arguments *self, const pa_argument *row, const pa_argument **at, PyObject *given) {
    int found = 1;
    for (Py_ssize_t i = 0; found == 1 && i < row->n; i++) {
        PyObject *member = PyObject_GetAttr(given, PyTuple_GetItem(row->keys, i));
        if (member == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
        found = take_member(self, at, member);
    }
    return found;
}

/* Keeps a container that may be written to; false where it stands elsewhere too, which is another program. */
static bool keep_container(pa_arguments *self, int32_t slot, PyObject *given) {
    int32_t *entry = pa_table_first(&self->met, pa_hash_mix(0, (uintptr_t)given));
    while (*entry >= 0 && self->containers[*entry] != given) entry = pa_table_next(&self->met, entry);
    if (*entry >= 0) return false;
    *entry = slot;
    self->containers[slot] = Py_NewRef(given);
    return true;
}

static int take_container(pa_arguments *self, const pa_argument *row, const pa_argument **at, PyObject *given) {
    if ((PyObject *)Py_TYPE(given) != row->what) return 0;
    if (row->slot >= 0 && !keep_container(self, row->slot, given)) return 0;
    switch (row->kind) {
    case ARGUMENT_DICT: return take_dict(self, row, at, given);
    case ARGUMENT_OBJECT: return take_object(self, row, at, given);
    default: break;
    }
    if (row->n == WHATEVER) return 1;
    Py_ssize_t n = row->kind == ARGUMENT_LIST ? PyList_Size(given) : PyTuple_Size(given);
    return n == row->n ? take_sequence(self, row, at, given) : 0;
}

static int take(pa_arguments *self, const pa_argument **at, PyObject *given) {
    const pa_argument *row = *at;
    if (row == self->rows + self->n_rows) return 0;
    ++*at;
    switch (row->kind) {
    case ARGUMENT_TENSOR:
        if (!pa_is_handle(given) || (row->what != Py_None && row->what != given)) return 0;
        return take_node(self, row, pa_node_retain(pa_handle_node(given)));
    case ARGUMENT_ARRAY: return take_array(self, row, given);
    case ARGUMENT_NUMBER: return take_number(self, row, given);
    case ARGUMENT_CONSTANT: return take_constant(row, given);
    case ARGUMENT_SAME: return self->containers[row->slot] == given;
    default: return take_container(self, row, at, given);
    }
}

/* ---- a call ---- */

/* Are the tensors of all slots different ones? Nothing else is in the program for two that are the same. */
static bool all_differ(const pa_arguments *self) {
    uint32_t walk = pa_graph_next_epoch();
    for (int32_t i = 0; i < self->n_inputs; i++) {
        pa_node *node = self->in[i];
        if (node == NULL) continue;
        if (node->mark == walk) return false;
        node->mark = walk;
    }
    return true;
}

int pa_arguments_take(pa_arguments *self, PyObject *positional, PyObject *named) {
    const pa_argument *at = self->rows;
    if (self->n_containers > 0) pa_table_clear(&self->met, (size_t)self->n_containers);
    int found = take(self, &at, positional);
    if (found == 1) {
        Py_ssize_t n = named == NULL ? 0 : PyDict_Size(named);
        if (n == 0 && at->n == 0) return all_differ(self);
        found = n == at->n ? take(self, &at, named) : 0;
    }
    return found == 1 ? all_differ(self) : found;
}

void pa_arguments_release(pa_arguments *self) {
    for (int32_t i = 0; i < self->n_inputs; i++)
        if (self->in[i] != NULL) {
            pa_node_release(self->in[i]);
            self->in[i] = NULL;
        }
    for (int32_t i = 0; i < self->n_containers; i++) Py_CLEAR(self->containers[i]);
}
