/* What a guard is about, compared with what is there: by identity, or where numbers and texts are equal; and taken
   anew. What the lists of guards are for, and how they are checked, says guards.c. */
#include "guard.h"

#include <string.h>

#include "guards.h"
#include "layer.h"

#include "../graph.h"
#include "../kernels/optim.h"

/* ---- comparing ---- */

static bool same_float(PyObject *a, PyObject *b) {
    double x = PyFloat_AsDouble(a), y = PyFloat_AsDouble(b);
    return memcmp(&x, &y, sizeof x) == 0;
}

static bool same_slow(PyObject *a, PyObject *b);

static inline bool same(PyObject *a, PyObject *b) { return a == b || (a != NULL && b != NULL && same_slow(a, b)); }

bool pa_same_constant(PyObject *wanted, PyObject *given) { return same(wanted, given); }

static inline bool is_expected(const guard *g, PyObject *value) {
    if (g->accepts == ACCEPTS_ALL) return true;
    return same(g->expected, value) || (g->accepts == ACCEPTS_NUMBERS && value != NULL && PyFloat_CheckExact(value));
}

static bool same_slow(PyObject *a, PyObject *b) {
    if (Py_TYPE(a) != Py_TYPE(b)) return false;
    if (PyFloat_Check(a)) return same_float(a, b); /* np.float64 is one */
    if (PyLong_CheckExact(a) || PyUnicode_CheckExact(a) || PyBytes_CheckExact(a) || PyComplex_CheckExact(a))
        return PyObject_RichCompareBool(a, b, Py_EQ) == 1;
    if (!PyTuple_CheckExact(a) || PyTuple_Size(a) != PyTuple_Size(b)) return false;
    for (Py_ssize_t i = 0; i < PyTuple_Size(a); i++)
        if (!same(PyTuple_GetItem(a, i), PyTuple_GetItem(b, i))) return false;
    return true;
}

/* Copies the elements into `copy` in row-major order, or with `compare` compares them; `copy` moves behind them. */
static bool walk_memory(const guarded_memory *memory, int axis, const char *address, char **copy, bool compare) {
    if (axis == memory->ndim || (axis == memory->ndim - 1 && memory->strides[axis] == memory->itemsize)) {
        size_t bytes = (size_t)(axis == memory->ndim ? 1 : memory->shape[axis]) * (size_t)memory->itemsize;
        bool equal = true;
        if (compare)
            equal = memcmp(*copy, address, bytes) == 0;
        else
            memcpy(*copy, address, bytes);
        *copy += bytes;
        return equal;
    }
    for (Py_ssize_t i = 0; i < memory->shape[axis]; i++)
        if (!walk_memory(memory, axis + 1, address + i * memory->strides[axis], copy, compare)) return false;
    return true;
}

/* The stable ABI reads no cells, and code and bases only slowly; but what the collector is shown is just that. */
typedef struct referents {
    PyObject **members; /* to be filled, or compared with n of them; NULL where they are only counted */
    Py_ssize_t n, seen;
    bool differ;
} referents;

static int take_referent(PyObject *object, void *out) {
    referents *all = out;
    if (all->members != NULL) all->members[all->seen] = object;
    all->seen++;
    return 0;
}

static int compare_referent(PyObject *object, void *out) {
    referents *all = out;
    Py_ssize_t i = all->seen++;
    if (i < all->n && (object == all->members[i] || same(all->members[i], object))) return 0;
    all->differ = true;
    return 0;
}

/* What a cell holds, borrowed; NULL where it is empty, or the owner is none. */
static PyObject *only_referent(const guard *g) {
    PyObject *found[1] = {NULL};
    referents all = {.members = NULL};
    g->traverse(g->owner, take_referent, &all);
    if (all.seen == 1) g->traverse(g->owner, take_referent, &(referents){.members = found});
    return found[0];
}

static bool referents_hold(const guard *g) {
    referents all = {.members = g->members, .n = g->n};
    g->traverse(g->owner, compare_referent, &all);
    return all.seen == g->n && !all.differ;
}

static Py_ssize_t modes(void) {
    return (pa_grad_enabled() ? 1 : 0) | (pa_graph.detects_anomaly ? 2 : 0) | (Py_ssize_t)pa_graph.default_float << 2;
}

/* The attribute as a new reference in *out, NULL where there is none; -1 with an exception set. */
static int read_attribute(const guard *g, PyObject **out) {
    *out = PyObject_GetAttr(g->owner, g->key);
    if (*out != NULL) return 0;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
    PyErr_Clear();
    return 0;
}

static bool list_holds(PyObject *list, const guard *g) {
    if (PyList_Size(list) != g->n) return false;
    for (Py_ssize_t i = 0; i < g->n; i++) {
        PyObject *member = PyList_GetItem(list, i);
        if (member == g->members[i] || same(g->members[i], member)) continue;
        bool numbers = PyFloat_CheckExact(member) && PyFloat_CheckExact(g->members[i]);
        if (g->accepts != ACCEPTS_NUMBERS || !numbers) return false;
    }
    return true;
}

static bool keys_hold(PyObject *dict, const guard *g) {
    PyObject *key;
    Py_ssize_t position = 0;
    if (PyDict_Size(dict) != g->n) return false;
    for (Py_ssize_t i = 0; i < g->n && PyDict_Next(dict, &position, &key, NULL); i++)
        if (key != g->members[i] && !same(g->members[i], key)) return false;
    return true;
}

/* 1, 0, or -1 with an exception set. */
static int members_hold(const guard *g) {
    if (PyList_Check(g->owner)) return list_holds(g->owner, g);
    if (PyDict_CheckExact(g->owner)) return keys_hold(g->owner, g);
    PyObject *list = PySequence_List(g->owner);
    if (list == NULL) return -1;
    bool held = list_holds(list, g);
    Py_DECREF(list);
    return held;
}

static bool neuron_holds(const guard *g) {
    PyObject *fields[3];
    pa_neuron_fields(g->owner, fields);
    for (int i = 0; i < 3; i++)
        if (!same(g->members[i], fields[i])) return false;
    return true;
}

/* Without looking up __dict__, which a class may define. 1, 0, or -1 with an exception set. */
static int object_holds(const guard *g) {
    if ((PyObject *)Py_TYPE(g->owner) != g->key) return 0;
    if (g->expected == NULL) return 1;
    PyObject *attributes = PyObject_GenericGetDict(g->owner, NULL);
    bool same_dict = attributes == g->expected;
    Py_XDECREF(attributes);
    return attributes == NULL ? -1 : same_dict;
}

int pa_guard_holds(const guard *g) {
    switch (g->kind) {
    case GUARD_REFERENTS: return referents_hold(g) || (g->accepts && is_expected(g, only_referent(g)));
    case GUARD_OBJECT: return object_holds(g);
    case GUARD_ITEM: {
        PyObject *value = PyDict_GetItemWithError(g->owner, g->key);
        if (value == NULL && PyErr_Occurred()) return -1;
        return is_expected(g, value);
    }
    case GUARD_LENGTH: {
        Py_ssize_t n = PyObject_Size(g->owner);
        return n < 0 ? -1 : n == g->n;
    }
    case GUARD_MEMBERS: return members_hold(g);
    case GUARD_NEURON: return neuron_holds(g);
    case GUARD_ATTRIBUTE: {
        PyObject *value;
        if (read_attribute(g, &value) < 0) return -1;
        bool equal = is_expected(g, value);
        Py_XDECREF(value);
        return equal;
    }
    case GUARD_MEMORY: {
        char *copy = g->memory->copy;
        return walk_memory(g->memory, 0, g->memory->address, &copy, true);
    }
    case GUARD_MODES: return modes() == g->n;
    }
    return 1;
}

/* ---- taking what is there as expected ---- */

void pa_guard_forget(guard *g) {
    for (Py_ssize_t i = 0; g->members != NULL && i < g->n; i++) Py_XDECREF(g->members[i]);
    pa_mem_free_array(g->members, (size_t)g->n + 1, sizeof *g->members);
    if (g->memory != NULL) {
        pa_mem_free(g->memory->copy, g->memory->bytes + 1);
        pa_mem_free(g->memory, sizeof *g->memory);
    }
    Py_XDECREF(g->expected);
    g->members = NULL;
    g->memory = NULL;
    g->expected = NULL;
}

/* The members of a list; without one, a neuron's fields or what the owner refers to. */
static int snapshot_members(guard *g, PyObject *list, Py_ssize_t n) {
    PyObject **members = pa_mem_alloc_array((size_t)n + 1, sizeof *members);
    if (members == NULL) {
        pa_raise(PA_MEMORY);
        return -1;
    }
    if (g->kind == GUARD_REFERENTS)
        g->traverse(g->owner, take_referent, &(referents){.members = members});
    else if (g->kind == GUARD_NEURON)
        pa_neuron_fields(g->owner, members);
    else
        for (Py_ssize_t i = 0; i < n; i++) members[i] = PyList_GetItem(list, i);
    for (Py_ssize_t i = 0; i < n; i++) Py_XINCREF(members[i]);
    g->members = members;
    g->n = n;
    return 0;
}

static int snapshot_referents(guard *g) {
    referents all = {.members = NULL};
    g->traverse = (traverseproc)PyType_GetSlot(Py_TYPE(g->owner), Py_tp_traverse);
    g->traverse(g->owner, take_referent, &all);
    return snapshot_members(g, NULL, all.seen);
}

static int snapshot_object(guard *g) {
    g->expected = PyObject_GenericGetDict(g->owner, NULL);
    if (g->expected != NULL) return 0;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
    PyErr_Clear();
    return 0;
}

static int snapshot_sequence(guard *g) {
    PyObject *list = PyList_Check(g->owner) ? Py_NewRef(g->owner) : PySequence_List(g->owner);
    if (list == NULL) return -1;
    int status = snapshot_members(g, list, PyList_Size(list));
    Py_DECREF(list);
    return status;
}

int pa_guard_snapshot(guard *g) {
    switch (g->kind) {
    case GUARD_REFERENTS: return snapshot_referents(g);
    case GUARD_OBJECT: return snapshot_object(g);
    case GUARD_ITEM:
        g->expected = Py_XNewRef(PyDict_GetItemWithError(g->owner, g->key));
        return g->expected == NULL && PyErr_Occurred() ? -1 : 0;
    case GUARD_LENGTH: return (g->n = PyObject_Size(g->owner)) < 0 ? -1 : 0;
    case GUARD_MEMBERS: return snapshot_sequence(g);
    case GUARD_NEURON: return snapshot_members(g, NULL, 3);
    case GUARD_ATTRIBUTE: return read_attribute(g, &g->expected);
    case GUARD_MEMORY: {
        char *copy = g->memory->copy;
        walk_memory(g->memory, 0, g->memory->address, &copy, false);
        return 0;
    }
    case GUARD_MODES: g->n = modes(); return 0;
    }
    return 0;
}

/* ---- what is there ---- */

PyObject *pa_guard_value(const guard *g, bool expected) {
    PyObject *value = NULL;
    if (g->kind == GUARD_MEMBERS) {
        if (!expected) return PySequence_List(g->owner);
        value = PyList_New(g->n);
        for (Py_ssize_t i = 0; value != NULL && i < g->n; i++) PyList_SetItem(value, i, Py_NewRef(g->members[i]));
        return value;
    }
    if (g->kind == GUARD_REFERENTS && expected) value = g->n == 1 ? g->members[0] : NULL;
    if (expected) return Py_NewRef(value != NULL ? value : g->expected != NULL ? g->expected : Py_NotImplemented);
    switch (g->kind) {
    case GUARD_REFERENTS: value = Py_XNewRef(only_referent(g)); break;
    case GUARD_ITEM: value = Py_XNewRef(PyDict_GetItemWithError(g->owner, g->key)); break;
    case GUARD_ATTRIBUTE:
        if (read_attribute(g, &value) < 0) return NULL;
        break;
    default: break;
    }
    if (value == NULL && PyErr_Occurred()) return NULL;
    return value != NULL ? value : Py_NewRef(Py_NotImplemented);
}

int pa_guard_store(guard *g, Py_ssize_t member, PyObject *value) {
    switch (g->kind) {
    case GUARD_REFERENTS: return PyObject_SetAttrString(g->owner, "cell_contents", value);
    case GUARD_ITEM: return PyDict_SetItem(g->owner, g->key, value);
    case GUARD_ATTRIBUTE: return PyObject_SetAttr(g->owner, g->key, value);
    case GUARD_MEMBERS:
        if (member >= 0 && member < g->n) return PySequence_SetItem(g->owner, member, value);
        break;
    default: break;
    }
    PyErr_Format(PyExc_RuntimeError, "guards: nothing can be put into number %zd", g->index);
    return -1;
}

bool pa_guard_may_follow(PyObject *before, PyObject *value) {
    if (before == NULL || value == NULL) return false;
    if (pa_is_traced_scalar(before) || pa_is_traced_scalar(value)) return true; /* while the step is recorded */
    if (Py_TYPE(before) != Py_TYPE(value)) return false;
    if (!pa_is_handle(before)) return true;
    const pa_node *a = pa_handle_node(before), *b = pa_handle_node(value);
    return pa_same_layout(a, b) && (a->flags & PA_IS_VALUE) == (b->flags & PA_IS_VALUE);
}
