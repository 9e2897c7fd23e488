/* Guards: what a recorded step read from Python besides its arguments, and whether it is still what it was.

   A program may run in the place of a Python function only while everything that the function would read is unchanged:
   the numbers in its closure, the globals it names, the attributes of its modules. pyautograd/_walk.py finds them;
   here each is a guard, checked before every call of the program in a few nanoseconds and without running any Python of
   the user's:

       kind        owner        key     expected
       referents   a cell, a function,  what it refers to: a cell's contents; code, defaults and closure; bases
                   a class
       object      any object           its type, and which dict its attributes are in
       item        a dict       name    the value, or NULL where there is none
       length      a container          how many
       members     a container          each of its members, or its keys, in their order
       neuron      a NeuronState        its w, b and nonlin
       attribute   any object   name    the value (this one may run Python: slots and properties)
       memory      an ndarray           a copy of its bytes
       modes                            is history kept, are anomalies looked for, and the default float

   A value is as expected where it is the same object; or, for floats, ints, strings, bytes and tuples of those, where
   it is equal and of the same type (floats bit for bit, so that -0.0 is not 0.0). Where the step itself puts a number,
   any float is as expected, and anything where a tensor is an argument as well, which the program compares.

   What a program puts into such a place is from then on expected there, if it is alike: `put` changes both.

   Guards that can only break together with the epoch, a counter that Module.__setattr__ and its like bump, stand apart
   and are looked at again only when it has moved since they last held:

       guards ─┬─ every[…]     checked at each call
               └─ by_epoch[…]  checked when epoch != seen, or where one of them is exposed

   A module's attributes are exposed once its __dict__ has been read: who has it may write without bumping anything. */
#include "guards.h"

#include <string.h>

#include "guard.h"
#include "handle.h"
#include "layer.h"
#include "parts.h"

#include "../graph.h"
#include "../kernels/optim.h"

enum { EVERY, BY_EPOCH, LISTS };

typedef struct guard_list {
    guard *guards;
    size_t n, capacity;
} guard_list;

/* Where the guard with some index stands. */
typedef struct guard_place {
    int list;
    size_t at;
} guard_place;

typedef struct guards {
    PyObject_HEAD
    guard_list list[LISTS];
    guard_place *places;
    size_t places_capacity;
    uint64_t seen;
    Py_ssize_t n;
    bool checking; /* an attribute's check runs Python, which must not change the lists meanwhile */
} guards;

static PyTypeObject *guards_type;
static uint64_t epoch = 1;
static PyObject
    *exposed; /* the addresses of dicts, as a set of ints; an address that is another's by now does no harm */

bool pa_is_guards(PyObject *object) { return Py_TYPE(object) == guards_type; }

/* The index of the first guard of the list that does not hold, or -1; -2 with an exception set. */
static Py_ssize_t first_broken(const guard_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        int held = pa_guard_holds(&list->guards[i]);
        if (held < 0) return -2;
        if (held == 0) return list->guards[i].index;
    }
    return -1;
}

static bool is_exposed(const guard_list *list) {
    bool found = false;
    for (size_t i = 0; exposed != NULL && !found && i < list->n; i++) {
        PyObject *address = PyLong_FromVoidPtr(list->guards[i].owner);
        found = address == NULL || PySet_Contains(exposed, address) != 0;
        Py_XDECREF(address);
        PyErr_Clear();
    }
    return found;
}

int pa_guards_check(PyObject *object) {
    guards *self = (guards *)object;
    bool nested = self->checking;
    self->checking = true;
    uint64_t now = epoch;
    Py_ssize_t broken = first_broken(&self->list[EVERY]);
    if (broken == -1 && self->seen != now) {
        broken = first_broken(&self->list[BY_EPOCH]);
        if (broken == -1) self->seen = is_exposed(&self->list[BY_EPOCH]) ? 0 : now;
    }
    self->checking = nested;
    return (int)broken;
}

static void release(guard *g) {
    pa_guard_forget(g);
    Py_XDECREF(g->owner);
    Py_XDECREF(g->key);
}

/* Adds a guard of what the owner has now; its index as a Python int. Takes over `memory`. */
static PyObject *add(guards *self, guard_kind kind, PyObject *owner, PyObject *key, int by_epoch,
                     guarded_memory *memory) {
    guard g = {.kind = kind, .owner = Py_XNewRef(owner), .key = Py_XNewRef(key), .memory = memory};
    guard_list *list = &self->list[by_epoch ? BY_EPOCH : EVERY];
    if (self->checking) {
        PyErr_SetString(PyExc_RuntimeError, "guards: changed while they are checked");
    } else if (pa_guard_snapshot(&g) == 0) {
        pa_status status = pa_mem_reserve(&list->guards, &list->capacity, list->n + 1, sizeof g);
        if (status == PA_OK)
            status = pa_mem_reserve(&self->places, &self->places_capacity, (size_t)self->n + 1, sizeof *self->places);
        if (status == PA_OK) {
            g.index = self->n;
            self->places[self->n] = (guard_place){by_epoch ? BY_EPOCH : EVERY, list->n};
            list->guards[list->n++] = g;
            return PyLong_FromSsize_t(self->n++);
        }
        pa_raise(status);
    }
    release(&g);
    return NULL;
}

/* ---- the type ---- */

static int guards_traverse(PyObject *object, visitproc visit, void *arg) {
    guards *self = (guards *)object;
    Py_VISIT(Py_TYPE(object));
    for (int k = 0; k < LISTS; k++)
        for (size_t i = 0; i < self->list[k].n; i++) {
            guard *g = &self->list[k].guards[i];
            Py_VISIT(g->owner);
            Py_VISIT(g->key);
            Py_VISIT(g->expected);
            for (Py_ssize_t j = 0; g->members != NULL && j < g->n; j++) Py_VISIT(g->members[j]);
        }
    return 0;
}

static int guards_clear(PyObject *object) {
    guards *self = (guards *)object;
    for (int k = 0; k < LISTS; k++) {
        guard_list list = self->list[k];
        self->list[k] = (guard_list){NULL, 0, 0};
        for (size_t i = 0; i < list.n; i++) release(&list.guards[i]);
        pa_mem_free_array(list.guards, list.capacity, sizeof *list.guards);
    }
    return 0;
}

static void guards_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    guards_clear(object);
    guards *self = (guards *)object;
    pa_mem_free_array(self->places, self->places_capacity, sizeof *self->places);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyObject *guards_check(PyObject *object, PyObject *Py_UNUSED(unused)) {
    int broken = pa_guards_check(object);
    return broken == -2 ? NULL : PyLong_FromLong(broken);
}

static guard *find(guards *self, Py_ssize_t index) {
    if (index >= 0 && index < self->n) {
        guard_list *list = &self->list[self->places[index].list];
        if (self->places[index].at < list->n) return &list->guards[self->places[index].at];
    }
    PyErr_Format(PyExc_IndexError, "guards: there is no %zd among %zd", index, self->n);
    return NULL;
}

static guard *find_to_change(guards *self, PyObject *number) {
    Py_ssize_t index = PyLong_AsSsize_t(number);
    if (index == -1 && PyErr_Occurred()) return NULL;
    if (!self->checking) return find(self, index);
    PyErr_SetString(PyExc_RuntimeError, "guards: changed while they are checked");
    return NULL;
}

static PyObject *guards_rearm(PyObject *object, PyObject *arguments) {
    PyObject *number, *owner = NULL;
    if (!PyArg_ParseTuple(arguments, "O|O:rearm", &number, &owner)) return NULL;
    guard *g = find_to_change((guards *)object, number);
    if (g == NULL) return NULL;
    if (owner != NULL && (g->owner == NULL || Py_TYPE(owner) != Py_TYPE(g->owner)))
        return PyErr_Format(PyExc_TypeError, "guards: a place can be taken by what is of the same type");
    guard old = *g, fresh = *g;
    fresh.owner = Py_XNewRef(owner != NULL ? owner : g->owner);
    fresh.expected = NULL;
    fresh.members = NULL;
    guards *self = (guards *)object;
    self->checking = true; /* an attribute is read by running Python */
    int status = pa_guard_snapshot(&fresh);
    self->checking = false;
    if (status < 0) {
        Py_XDECREF(fresh.owner);
        return NULL;
    }
    *g = fresh;
    old.memory = NULL; /* the fresh one has the same block */
    pa_guard_forget(&old);
    Py_XDECREF(old.owner);
    Py_RETURN_NONE;
}

static PyObject *guards_holds(PyObject *object, PyObject *number) {
    guards *self = (guards *)object;
    Py_ssize_t index = PyLong_AsSsize_t(number);
    if (index == -1 && PyErr_Occurred()) return NULL;
    guard *g = find(self, index);
    if (g == NULL) return NULL;
    bool nested = self->checking;
    self->checking = true;
    int held = pa_guard_holds(g);
    self->checking = nested;
    return held < 0 ? NULL : PyBool_FromLong(held);
}

static PyObject *guards_value(PyObject *object, PyObject *arguments) {
    PyObject *number;
    int expected = 0;
    if (!PyArg_ParseTuple(arguments, "O|p:value", &number, &expected)) return NULL;
    guard *g = find_to_change((guards *)object, number);
    return g == NULL ? NULL : pa_guard_value(g, expected);
}

static PyObject *guards_accept(PyObject *object, PyObject *arguments) {
    PyObject *number, *type;
    if (!PyArg_ParseTuple(arguments, "OO:accept", &number, &type)) return NULL;
    guard *g = find_to_change((guards *)object, number);
    if (g == NULL) return NULL;
    g->accepts = type == (PyObject *)&PyFloat_Type ? ACCEPTS_NUMBERS : ACCEPTS_ALL;
    Py_RETURN_NONE;
}

int pa_guards_holds_tensor(PyObject *object, Py_ssize_t index, const pa_node *node) {
    guard *g = find((guards *)object, index);
    PyObject *value = g == NULL ? NULL : pa_guard_value(g, false);
    if (value == NULL) return -1;
    int same = pa_is_handle(value) && pa_handle_node(value) == node;
    Py_DECREF(value);
    return same;
}

int pa_guards_read_number(PyObject *object, Py_ssize_t index, Py_ssize_t member, double *out) {
    guard *g = find((guards *)object, index);
    if (g == NULL) return -1;
    PyObject *value = member < 0 ? pa_guard_value(g, false) : PySequence_GetItem(g->owner, member);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_IndexError)) {
        PyErr_Clear();
        return 0;
    }
    if (value == NULL) return -1;
    bool is_float = PyFloat_CheckExact(value);
    if (is_float) *out = PyFloat_AsDouble(value);
    Py_DECREF(value);
    return is_float;
}

int pa_guards_put(PyObject *object, Py_ssize_t index, Py_ssize_t member, PyObject *value) {
    guards *self = (guards *)object;
    guard *g = find(self, index);
    if (g == NULL) return -1;
    bool nested = self->checking;
    self->checking = true; /* what was there before may run Python as it goes */
    int status = pa_guard_store(g, member, value);
    self->checking = nested;
    if (status < 0) return -1;
    bool among_others = g->kind == GUARD_MEMBERS || g->kind == GUARD_REFERENTS;
    if (among_others && g->n == 0) { /* a cell that was empty */
        g->members[0] = NULL;
        g->n = 1;
    }
    PyObject **expected = among_others ? &g->members[member < 0 ? 0 : member] : &g->expected, *before = *expected;
    bool adopts = pa_guard_may_follow(before, value);
    if (adopts) *expected = Py_NewRef(value);
    if (self->places[index].list == BY_EPOCH) {
        bool current = self->seen == epoch;
        epoch++;
        if (current && adopts) self->seen = epoch;
    }
    if (adopts) Py_XDECREF(before);
    return 0;
}

Py_ssize_t pa_guards_about(PyObject *object, PyObject *owner) {
    const guards *self = (guards *)object;
    for (int l = 0; l < LISTS; l++)
        for (size_t i = 0; i < self->list[l].n; i++)
            if (self->list[l].guards[i].owner == owner) return self->list[l].guards[i].index;
    return -1;
}

static PyObject *guards_about(PyObject *object, PyObject *owner) {
    return PyLong_FromSsize_t(pa_guards_about(object, owner));
}

static PyObject *guards_put(PyObject *object, PyObject *arguments) {
    Py_ssize_t index, member;
    PyObject *value;
    if (!PyArg_ParseTuple(arguments, "nnO:put", &index, &member, &value)) return NULL;
    return pa_guards_put(object, index, member, value) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *guards_referents(PyObject *object, PyObject *owner) {
    PyTypeObject *with_flags = PyType_Check(owner) ? (PyTypeObject *)owner : Py_TYPE(owner);
    unsigned long wanted = PyType_Check(owner) ? Py_TPFLAGS_HEAPTYPE : Py_TPFLAGS_HAVE_GC;
    if (PyType_GetFlags(with_flags) & wanted) return add((guards *)object, GUARD_REFERENTS, owner, NULL, false, NULL);
    return pa_refuse_type(owner, "guards", "a cell, a function or a class");
}

static PyObject *guards_object(PyObject *object, PyObject *arguments) {
    PyObject *owner;
    int by_epoch = 0;
    if (!PyArg_ParseTuple(arguments, "O|p:object", &owner, &by_epoch)) return NULL;
    return add((guards *)object, GUARD_OBJECT, owner, (PyObject *)Py_TYPE(owner), by_epoch, NULL);
}

static PyObject *guards_item(PyObject *object, PyObject *arguments) {
    PyObject *owner, *key;
    int by_epoch = 0;
    if (!PyArg_ParseTuple(arguments, "O!O|p:item", &PyDict_Type, &owner, &key, &by_epoch)) return NULL;
    return add((guards *)object, GUARD_ITEM, owner, key, by_epoch, NULL);
}

static PyObject *guards_length(PyObject *object, PyObject *arguments) {
    PyObject *owner;
    int by_epoch = 0;
    if (!PyArg_ParseTuple(arguments, "O|p:length", &owner, &by_epoch)) return NULL;
    return add((guards *)object, GUARD_LENGTH, owner, NULL, by_epoch, NULL);
}

static PyObject *guards_members(PyObject *object, PyObject *arguments) {
    PyObject *owner;
    int by_epoch = 0;
    if (!PyArg_ParseTuple(arguments, "O|p:members", &owner, &by_epoch)) return NULL;
    return add((guards *)object, GUARD_MEMBERS, owner, NULL, by_epoch, NULL);
}

static PyObject *guards_neuron(PyObject *object, PyObject *neuron) {
    if (pa_is_neuron(neuron)) return add((guards *)object, GUARD_NEURON, neuron, NULL, false, NULL);
    return pa_refuse_type(neuron, "guards", "a neuron");
}

static PyObject *guards_attribute(PyObject *object, PyObject *arguments) {
    PyObject *owner, *key;
    if (!PyArg_ParseTuple(arguments, "OU:attribute", &owner, &key)) return NULL;
    return add((guards *)object, GUARD_ATTRIBUTE, owner, key, false, NULL);
}

/* The sizes of a tuple of ints; false with an exception set. */
static bool read_sizes(PyObject *tuple, int n, Py_ssize_t *out) {
    for (int i = 0; i < n; i++) {
        out[i] = PyLong_AsSsize_t(PyTuple_GetItem(tuple, i));
        if (out[i] == -1 && PyErr_Occurred()) return false;
    }
    return true;
}

static PyObject *guards_memory(PyObject *object, PyObject *arguments) {
    PyObject *owner, *address, *shape, *strides;
    guarded_memory read = {.copy = NULL};
    if (!PyArg_ParseTuple(arguments, "OOnO!O!:memory", &owner, &address, &read.itemsize, &PyTuple_Type, &shape,
                          &PyTuple_Type, &strides))
        return NULL;
    if (PyTuple_Size(shape) > PA_MAX_NDIM || PyTuple_Size(shape) != PyTuple_Size(strides))
        return PyErr_Format(PyExc_ValueError, "guards: an array of %zd axes; at most %d", PyTuple_Size(shape),
                            PA_MAX_NDIM);
    read.ndim = (int)PyTuple_Size(shape);
    read.address = PyLong_AsVoidPtr(address);
    if (read.address == NULL && PyErr_Occurred()) return NULL;
    if (!read_sizes(shape, read.ndim, read.shape) || !read_sizes(strides, read.ndim, read.strides)) return NULL;
    read.bytes = (size_t)read.itemsize;
    for (int i = 0; i < read.ndim; i++) read.bytes *= (size_t)read.shape[i];
    guarded_memory *memory = pa_mem_alloc(sizeof *memory);
    read.copy = memory == NULL ? NULL : pa_mem_alloc(read.bytes + 1);
    if (read.copy == NULL) {
        pa_mem_free(memory, sizeof *memory);
        return pa_raise(PA_MEMORY);
    }
    *memory = read;
    return add((guards *)object, GUARD_MEMORY, owner, NULL, false, memory);
}

static PyObject *guards_modes(PyObject *object, PyObject *Py_UNUSED(unused)) {
    return add((guards *)object, GUARD_MODES, NULL, NULL, false, NULL);
}

static Py_ssize_t guards_length_slot(PyObject *object) { return ((guards *)object)->n; }

static PyMethodDef guards_methods[] = {
    PA_METHOD("check", guards_check, METH_NOARGS, "($self, /)", "The index of the first that does not hold, or -1."),
    PA_METHOD("holds", guards_holds, METH_O, "($self, index, /)", "Does this one?"),
    PA_METHOD("rearm", guards_rearm, METH_VARARGS, "($self, index, owner=None, /)",
              "What is there is expected from here on: of another list, where one is given as the owner."),
    PA_METHOD("referents", guards_referents, METH_O, "($self, owner, /)",
              "What a cell, a function or a class refers to: contents; code, defaults and closure; bases."),
    PA_METHOD("object", guards_object, METH_VARARGS, "($self, owner, by_epoch=False, /)",
              "An object's type, and which dict its attributes are in."),
    PA_METHOD("value", guards_value, METH_VARARGS, "($self, index, expected=False, /)",
              "What is there, or what is expected; NotImplemented for nothing."),
    PA_METHOD("accept", guards_accept, METH_VARARGS, "($self, index, type, /)",
              "Any float will do there, or, for another type than float, anything."),
    PA_METHOD("about", guards_about, METH_O, "($self, owner, /)", "The index of a guard over what this holds, or -1."),
    PA_METHOD("put", guards_put, METH_VARARGS, "($self, index, member, value, /)",
              "Puts a value there, of a sequence as a member, and expects it from here on."),
    PA_METHOD("item", guards_item, METH_VARARGS, "($self, owner, key, by_epoch=False, /)",
              "What a dict has under a key, or that it has nothing."),
    PA_METHOD("length", guards_length, METH_VARARGS, "($self, owner, by_epoch=False, /)",
              "How many a container holds."),
    PA_METHOD("members", guards_members, METH_VARARGS, "($self, owner, by_epoch=False, /)",
              "Each member of a container, or its keys, in their order; quick for lists and dicts."),
    PA_METHOD("neuron", guards_neuron, METH_O, "($self, neuron, /)", "Its w, b and nonlin."),
    PA_METHOD("attribute", guards_attribute, METH_VARARGS, "($self, owner, name, /)",
              "An attribute's value, or that there is none."),
    PA_METHOD("memory", guards_memory, METH_VARARGS, "($self, owner, address, itemsize, shape, strides, /)",
              "The elements of an array, strides in bytes."),
    PA_METHOD("modes", guards_modes, METH_NOARGS, "($self, /)",
              "Whether history is kept and anomalies are looked for, and the default float."),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot guards_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, guards_dealloc},
    {Py_tp_traverse, guards_traverse},
    {Py_tp_clear, guards_clear},
    {Py_tp_methods, guards_methods},
    {Py_sq_length, guards_length_slot},
    {Py_tp_doc, "Guards()\n--\n\nWhat a recorded step read from Python, and whether it is still so."},
    {0, NULL},
};

static PyType_Spec guards_spec = {
    .name = "pyautograd._core.Guards",
    .basicsize = sizeof(guards),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = guards_slots,
};

static PyObject *bump_epoch(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
    epoch++;
    Py_RETURN_NONE;
}

static PyObject *expose(PyObject *Py_UNUSED(module), PyObject *attributes) {
    if (exposed == NULL && (exposed = PySet_New(NULL)) == NULL) return NULL;
    PyObject *address = PyLong_FromVoidPtr(attributes);
    int added = address == NULL ? -1 : PySet_Add(exposed, address);
    Py_XDECREF(address);
    if (added < 0) return NULL;
    epoch++;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    PA_METHOD("bump_epoch", bump_epoch, METH_NOARGS, "()",
              "A module has changed: guards that go by the epoch are checked again."),
    PA_METHOD("expose", expose, METH_O, "(attributes, /)",
              "A module's attributes may change without bumping the epoch: their guards are checked at each call."),
    {NULL, NULL, 0, NULL},
};

int pa_guards_ready(PyObject *module) {
    if (pa_module_add_type(module, &guards_spec, NULL, &guards_type) < 0) return -1;
    return PyModule_AddFunctions(module, functions);
}
