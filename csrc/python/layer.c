/* Layers of scalar neurons: what `pyautograd.scalar.Layer` calls once for all of its neurons.

   A neuron's weights, bias and kind are ordinary attributes that a script may replace or change at any time, so they
   are read anew at each call. NeuronState, the base of `scalar.Neuron`, keeps those three where C reaches them without
   a look-up:

       scalar.Neuron ── subclass ──▶ NeuronState { w: list of Values, b: Value, nonlin } */
#include "layer.h"

#include <stddef.h>
#include <structmember.h>

#include "handle.h"
#include "parts.h"

#include "../record.h"
#include "../scalar.h"

/* ---- NeuronState ---- */

typedef struct neuron_state {
    PyObject_HEAD
    PyObject *w, *b, *nonlin;
} neuron_state;

static PyTypeObject *neuron_state_type;

static int state_traverse(PyObject *self, visitproc visit, void *arg) {
    neuron_state *state = (neuron_state *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(state->w);
    Py_VISIT(state->b);
    Py_VISIT(state->nonlin);
    return 0;
}

static int state_clear(PyObject *self) {
    neuron_state *state = (neuron_state *)self;
    Py_CLEAR(state->w);
    Py_CLEAR(state->b);
    Py_CLEAR(state->nonlin);
    return 0;
}

static void state_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    state_clear(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMemberDef state_members[] = {
    {"w", T_OBJECT_EX, offsetof(neuron_state, w), 0, "The weights, a list of Values."},
    {"b", T_OBJECT_EX, offsetof(neuron_state, b), 0, "The bias, a Value."},
    {"nonlin", T_OBJECT_EX, offsetof(neuron_state, nonlin), 0, "Through a ReLU?"},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot state_slots[] = {
    {Py_tp_dealloc, state_dealloc},
    {Py_tp_traverse, state_traverse},
    {Py_tp_clear, state_clear},
    {Py_tp_members, state_members},
    {Py_tp_doc, "What a layer reads of each neuron: the base of scalar.Neuron."},
    {0, NULL},
};

static PyType_Spec state_spec = {
    .name = "pyautograd._core.NeuronState",
    .basicsize = sizeof(neuron_state),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = state_slots,
};

bool pa_is_neuron(PyObject *object) { return PyType_IsSubtype(Py_TYPE(object), neuron_state_type); }

void pa_neuron_fields(PyObject *neuron, PyObject *fields[3]) {
    const neuron_state *state = (neuron_state *)neuron;
    fields[0] = state->w;
    fields[1] = state->b;
    fields[2] = state->nonlin;
}

/* ---- operands ---- */

static inline bool is_exact_value(PyObject *object) { return Py_TYPE(object) == pa_py.value_type; }

/* A block for n nodes, of which so many are held. */
static void free_values(pa_node **nodes, Py_ssize_t held, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < held; i++) pa_node_release(nodes[i]);
    pa_mem_free_array(nodes, (size_t)n + 1, sizeof *nodes);
}

/* A new reference on the Value that an element is; a number becomes a constant. */
static pa_status read_value(PyObject *item, const char *what, Py_ssize_t i, pa_node **out) {
    if (pa_is_value(item)) {
        *out = pa_node_retain(pa_handle_node(item));
        return PA_OK;
    }
    if (pa_recording() != NULL && pa_is_traced_scalar(item)) return pa_record_value_of(pa_handle_node(item), out);
    double number = pa_is_handle(item) ? -1.0 : PyFloat_AsDouble(item);
    if (pa_is_handle(item) || (number == -1.0 && PyErr_Occurred())) {
        PyErr_Clear();
        return pa_fail(PA_TYPE, "%s: element %zd is neither a Value nor a number", what, i);
    }
    return pa_value_new(number, out);
}

/* The Values of a list, in a block of *n nodes with a reference each. */
static pa_node **read_values(PyObject *object, Py_ssize_t *n, const char *what) {
    PyObject *list = PyList_Check(object) ? Py_NewRef(object) : PySequence_List(object);
    if (list == NULL) return NULL;
    *n = PyList_Size(list);
    pa_node **nodes = pa_mem_alloc_array((size_t)*n + 1, sizeof *nodes);
    pa_status status = nodes == NULL ? PA_MEMORY : PA_OK;
    Py_ssize_t read = 0;
    for (; status == PA_OK && read < *n; read++) {
        PyObject *item = read < PyList_Size(list) ? Py_NewRef(PyList_GetItem(list, read)) : NULL;
        status = item == NULL ? pa_fail(PA_RUNTIME, "%s: the list changed while it was read", what)
                              : read_value(item, what, read, &nodes[read]);
        Py_XDECREF(item);
        if (status != PA_OK) break;
    }
    Py_DECREF(list);
    if (status == PA_OK) return nodes;
    free_values(nodes, read, *n);
    pa_raise(status);
    return NULL;
}

/* The nodes of a list of n Values, borrowed, so that no Python may run until they are used; false for anything else. */
static bool borrow_values(PyObject *list, Py_ssize_t n, pa_node **nodes) {
    if (!PyList_CheckExact(list) || PyList_Size(list) != n) return false;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyList_GetItem(list, i);
        if (!is_exact_value(item)) return false;
        nodes[i] = pa_handle_node(item);
    }
    return true;
}

/* ---- the layer ---- */

static pa_status neuron_output(const neuron_state *state, pa_node **x, Py_ssize_t n, pa_node **room, pa_node **out) {
    if (state->w == NULL || state->b == NULL || state->nonlin == NULL)
        return pa_fail(PA_TYPE, "neuron: w, b or nonlin is missing");
    int nonlinear = state->nonlin == Py_True ? 1 : state->nonlin == Py_False ? 0 : PyObject_IsTrue(state->nonlin);
    if (nonlinear < 0) return PA_PYTHON;
    if (!pa_is_value(state->b)) return pa_fail(PA_TYPE, "neuron: b is not a Value");
    pa_node *b = pa_handle_node(state->b);
    if (borrow_values(state->w, n, room)) return pa_value_neuron((int)n, room, x, b, nonlinear, out);

    pa_node_retain(b); /* reading what is no plain list of Values may run Python, which may take both from the neuron */
    PyObject *w = Py_NewRef(state->w);
    Py_ssize_t n_weights = 0;
    pa_node **weights = read_values(w, &n_weights, "neuron: w");
    Py_DECREF(w);
    pa_status status = PA_PYTHON;
    if (weights != NULL)
        status = n_weights == n ? pa_value_neuron((int)n, weights, x, b, nonlinear, out)
                                : pa_fail(PA_VALUE, "neuron: %zd inputs for %zd weights", n, n_weights);
    if (weights != NULL) free_values(weights, n_weights, n_weights);
    pa_node_release(b);
    return status;
}

static PyObject *layer(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (n != 3 || !PyList_Check(arguments[0]) || !PyType_Check(arguments[2]) ||
        !PyType_IsSubtype((PyTypeObject *)arguments[2], neuron_state_type))
        return PyErr_Format(PyExc_TypeError, "layer: a list of neurons, their inputs and their class are wanted");
    Py_ssize_t n_inputs = 0, n_neurons = PyList_Size(arguments[0]);
    for (Py_ssize_t i = 0; i < n_neurons; i++)
        if ((PyObject *)Py_TYPE(PyList_GetItem(arguments[0], i)) != arguments[2]) return Py_NewRef(Py_NotImplemented);
    PyObject *neurons = PyList_GetSlice(arguments[0], 0, n_neurons); /* whatever Python does to the list meanwhile */
    pa_node **x = neurons == NULL ? NULL : read_values(arguments[1], &n_inputs, "layer: x");
    pa_node **room = x == NULL ? NULL : pa_mem_alloc_array((size_t)n_inputs + 1, sizeof *room);
    if (x != NULL && room == NULL) pa_raise(PA_MEMORY);
    PyObject *outputs = room == NULL ? NULL : PyList_New(n_neurons);
    for (Py_ssize_t i = 0; outputs != NULL && i < n_neurons; i++) {
        pa_node *out = NULL;
        pa_status status = neuron_output((neuron_state *)PyList_GetItem(neurons, i), x, n_inputs, room, &out);
        PyObject *output = pa_wrap_or_raise(status, &out);
        if (output == NULL || PyList_SetItem(outputs, i, output) < 0) Py_CLEAR(outputs);
    }
    pa_mem_free_array(room, (size_t)n_inputs + 1, sizeof *room);
    if (x != NULL) free_values(x, n_inputs, n_inputs);
    Py_XDECREF(neurons);
    return outputs;
}

static PyMethodDef functions[] = {
    PA_METHOD(
        "layer", layer, METH_FASTCALL, "(neurons, x, neuron_class, /)",
        "What micrograd's Neuron puts out, for each of them; NotImplemented where one is of another class, which may "
        "compute something else."),
    {NULL, NULL, 0, NULL},
};

int pa_layer_ready(PyObject *module) {
    if (pa_module_add_type(module, &state_spec, NULL, &neuron_state_type) < 0) return -1;
    return PyModule_AddFunctions(module, functions);
}
