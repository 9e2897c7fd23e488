/* The types Node, Value and Tensor: how their objects are made, and the slots, which handles (their life), attributes,
   operators and buffers have.

   `__new__` makes an object over a fresh node, a Value being nan and a Tensor empty; `__init__` fills it. A Value that
   is given children is the result of an op written in Python: of `local_grads` where it is given local gradients, else
   of `custom`, whose `_backward` is assigned later.

   Value and Tensor are types of their own, not Python subclasses of Node: one that is made by a class statement
   costs 50 ns more at the death of each object. Python adds their methods (pyautograd/_install.py). */
#include "types.h"

#include <math.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "convert.h"
#include "parts.h"

#include "../apply.h"
#include "../record.h"

/* ---- Value(…) ---- */

/* What a Value was made with; NULL where nothing was given. */
typedef struct value_arguments {
    PyObject *data, *children, *op, *local_grads, *label;
} value_arguments;

static int no_two(const char *name, PyObject *first, PyObject *second) {
    if (first == NULL || second == NULL) return 0;
    PyErr_Format(PyExc_TypeError, "Value: %s and _%s are the same argument", name, name);
    return -1;
}

/* micrograd's Value(data, _children=(), _op='', label=''), and microgpt's Value(data, children=(), local_grads=()):
   the third argument is an op's name or local gradients. */
static int read_arguments(PyObject *arguments, PyObject *keywords, value_arguments *out) {
    static char *names[] = {"data", "_children", "_op", "label", "children", "op", "_local_grads", "local_grads", NULL};
    PyObject *children = NULL, *third = NULL, *op = NULL, *local_grads = NULL;
    memset(out, 0, sizeof *out);
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|OOO$OOOO:Value", names, &out->data, &out->children, &third,
                                     &out->label, &children, &op, &out->local_grads, &local_grads))
        return -1;
    if (no_two("children", out->children, children) < 0 || no_two("local_grads", out->local_grads, local_grads) < 0 ||
        no_two("op", third, op) < 0)
        return -1;
    if (children != NULL) out->children = children;
    if (local_grads != NULL) out->local_grads = local_grads;
    out->op = op != NULL ? op : third;
    bool listed = out->op != NULL && (PyTuple_Check(out->op) || PyList_Check(out->op));
    if (listed && out->local_grads == NULL) {
        out->local_grads = out->op;
        out->op = NULL;
    }
    if (out->op == Py_None) out->op = NULL;
    if (out->op != NULL && !PyUnicode_Check(out->op)) {
        PyErr_Format(PyExc_TypeError,
                     "Value: the third argument is the name of an op (a str) or its local gradients (a list or tuple "
                     "of numbers), not %R",
                     (PyObject *)Py_TYPE(out->op));
        return -1;
    }
    if (out->local_grads == NULL || PyTuple_Check(out->local_grads) || PyList_Check(out->local_grads)) return 0;
    PyErr_Format(PyExc_TypeError, "Value: local_grads is a list or tuple of numbers, not %R",
                 (PyObject *)Py_TYPE(out->local_grads));
    return -1;
}

/* A local gradient as a number and, while a step is recorded, as a node, held. */
static pa_status read_local_grad(PyObject *item, Py_ssize_t i, double *number, pa_node **node) {
    bool is_traced = pa_recording() != NULL && pa_is_traced_scalar(item);
    if (pa_is_handle(item) && !is_traced)
        return pa_fail(PA_TYPE, "Value: local gradient %zd is a %s, not a number; write its .data", i,
                       pa_is_value(item) ? "Value" : "Tensor");
    if (is_traced) {
        *node = pa_node_retain(pa_handle_node(item));
        *number = pa_node_number(*node);
        return PA_OK;
    }
    if (pa_read_number(item, "Value: local gradient", number) < 0) return PA_PYTHON;
    if (pa_recording() == NULL) return PA_OK;
    PA_TRY(pa_node_new(PA_FLOAT64, 0, NULL, node));
    (*node)->flags |= PA_WEAK_SCALAR;
    (*node)->value = *number;
    return PA_OK;
}

static pa_status read_local_grads(PyObject *object, Py_ssize_t n, double *numbers, pa_node **nodes) {
    PyObject *tuple = PySequence_Tuple(object);
    if (tuple == NULL) return PA_PYTHON;
    Py_ssize_t given = PyTuple_Size(tuple);
    pa_status status = given == n ? PA_OK : pa_fail(PA_VALUE, "Value: %zd local gradients for %zd children", given, n);
    for (Py_ssize_t i = 0; status == PA_OK && i < n; i++)
        status = read_local_grad(PyTuple_GetItem(tuple, i), i, &numbers[i], &nodes[i]);
    Py_DECREF(tuple);
    return status;
}

/* A Value that has children already must not become younger than they are. */
static pa_status check_unused(const pa_node *node) {
    PA_FAIL_IF(node->refs - node->programs > 1 || node->flags & (PA_LISTED | PA_ANCHORED), PA_RUNTIME,
               "Value: __init__ of a Value that is in use");
    return PA_OK;
}

static pa_status give_children(pa_node *node, int n, pa_node *const *parents) {
    PA_TRY(pa_record_refuse("a Value with children and a _backward of its own",
                            "give its local gradients, Value(data, children, local_grads), or build it out of ops"));
    return pa_apply_custom(node, n, parents);
}

static pa_status give_local_grads(pa_node *node, int n, pa_node *const *parents, const double *numbers) {
    PA_TRY(pa_apply_local_grads(node, n, parents, numbers));
    if (pa_recording() != NULL) pa_record_local_grads(n, parents, node);
    return PA_OK;
}

/* Makes a fresh Value the result of an op, written in Python, on its children. */
static pa_status adopt(const pa_handle *handle, PyObject *children, PyObject *local_grads) {
    if (local_grads != NULL && !PyTuple_Check(children) && !PyList_Check(children))
        return pa_fail(PA_TYPE, "Value: children that have local gradients are a list or tuple: their order matters");
    if (pa_is_value(children) || children == Py_None)
        return pa_fail(PA_TYPE, "Value: children are a tuple of Values, not %s",
                       children == Py_None ? "None" : "a Value");
    PyObject *tuple = PySequence_Tuple(children);
    if (tuple == NULL) return PA_PYTHON;
    Py_ssize_t n = PyTuple_Size(tuple);
    size_t bytes = ((size_t)n + 1) * (2 * sizeof(pa_node *) + sizeof(double));
    pa_node **parents = pa_mem_alloc(bytes);
    if (parents == NULL) {
        Py_DECREF(tuple);
        return PA_MEMORY;
    }
    memset(parents, 0, bytes);
    pa_node **nodes = parents + n; /* of the local gradients, behind the parents; and their numbers behind these */
    double *numbers = (double *)(void *)(nodes + n + 2);
    pa_status status = PA_OK;
    for (Py_ssize_t i = 0; status == PA_OK && i < n; i++) {
        PyObject *child = PyTuple_GetItem(tuple, i);
        const char *what = !pa_is_value(child)                     ? "not a Value"
                           : pa_handle_node(child) == handle->node ? "the Value itself"
                                                                   : NULL;
        if (what != NULL)
            status = pa_fail(PA_TYPE, "Value: child %zd is %s", i, what);
        else
            parents[i] = pa_node_retain(pa_handle_node(child));
    }
    if (status == PA_OK && local_grads != NULL) status = read_local_grads(local_grads, n, numbers, nodes);
    pa_node *node = handle->node; /* reading the arguments may have run Python */
    if (status == PA_OK) status = check_unused(node);
    if (status == PA_OK && n > 0 && pa_grad_enabled())
        status = local_grads == NULL ? give_children(node, (int)n, parents)
                                     : give_local_grads(node, (int)n, parents, numbers);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (parents[i] != NULL) pa_node_release(parents[i]);
        if (nodes[i] != NULL) pa_node_release(nodes[i]);
    }
    pa_mem_free(parents, bytes);
    Py_DECREF(tuple);
    return status;
}

/* The Value's number; a number that the step being recorded does not know yet makes another node, which takes the
   handle. */
static pa_status fill(pa_handle *handle, PyObject *data) {
    pa_node *node = handle->node;
    if (pa_recording() != NULL) {
        PA_TRY(check_unused(node));
        if (pa_is_traced_scalar(data)) {
            PA_TRY(pa_record_value_of(pa_handle_node(data), &handle->node));
            node->handle = NULL;
            handle->node->handle = handle;
            pa_node_release(node);
            return PA_OK;
        }
    }
    PA_FAIL_IF(node->flags & PA_LISTED, PA_RUNTIME, "Value: __init__ of the result of %s", pa_op_table[node->op].name);
    double number = 0;
    if (pa_read_number(data, "Value: data", &number) < 0) return PA_PYTHON;
    handle->node->value = number; /* reading it may have run Python, and given the handle another node */
    handle->node->grad = 0;
    return PA_OK;
}

static bool is_given(PyObject *text) {
    return text != NULL && text != Py_None && !(PyUnicode_Check(text) && PyUnicode_GetLength(text) == 0);
}

static int value_init(PyObject *self, PyObject *arguments, PyObject *keywords) {
    pa_handle *handle = (pa_handle *)self;
    pa_status status;
    if (keywords == NULL && PyTuple_Size(arguments) == 1) {
        status = fill(handle, PyTuple_GetItem(arguments, 0));
    } else {
        value_arguments given;
        if (read_arguments(arguments, keywords, &given) < 0) return -1;
        if (given.children == NULL && given.local_grads != NULL && PySequence_Size(given.local_grads) > 0)
            status = pa_fail(PA_VALUE, "Value: %zd local gradients for 0 children", PySequence_Size(given.local_grads));
        else
            status = given.children == NULL ? PA_OK : check_unused(handle->node);
        if (status == PA_OK) status = fill(handle, given.data);
        if (status == PA_OK && given.children != NULL) status = adopt(handle, given.children, given.local_grads);
        if (status == PA_OK && is_given(given.op) && pa_handle_keep(self, "_custom_op", given.op) < 0)
            status = PA_PYTHON;
        if (status == PA_OK && is_given(given.label) && PyObject_SetAttrString(self, "label", given.label) < 0)
            status = PA_PYTHON;
    }
    if (status == PA_OK && Py_TYPE(self) != pa_py.value_type)
        pa_handle_anchor(self); /* its class and slots are to be kept */
    return pa_zero_or_raise(status);
}

static PyObject *value_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords)) {
    pa_node *node = NULL;
    pa_status status = pa_value_new(NAN, &node);
    return status == PA_OK ? pa_handle_new(node, type) : pa_raise(status);
}

/* ---- the types ---- */

static PyObject *node_new(PyTypeObject *Py_UNUSED(type), PyObject *Py_UNUSED(arguments),
                          PyObject *Py_UNUSED(keywords)) {
    return PyErr_Format(PyExc_TypeError, "Node: the base of Tensor and Value; make one of these");
}

/* An empty Tensor, which __init__ fills. */
static PyObject *tensor_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords)) {
    pa_node *node = NULL;
    int64_t shape[1] = {0};
    pa_status status = pa_node_new(PA_FLOAT32, 1, shape, &node);
    return status == PA_OK ? pa_handle_new(node, type) : pa_raise(status);
}

static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(pa_handle, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(pa_handle, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static const PyType_Slot node_slots[] = {
    {Py_tp_new, node_new},
    {Py_tp_dealloc, pa_handle_dealloc},
    {Py_tp_traverse, pa_handle_traverse},
    {Py_tp_clear, pa_handle_clear},
    {Py_tp_setattro, pa_handle_setattro},
    {Py_tp_methods, pa_handle_methods},
    {Py_tp_getset, pa_handle_attributes},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Slot value_slots[] = {
    {Py_tp_new, value_new},
    {Py_tp_init, value_init},
    {Py_tp_dealloc, pa_handle_dealloc},
    {Py_tp_traverse, pa_handle_traverse},
    {Py_tp_clear, pa_handle_clear},
    {0, NULL},
};

static PyType_Slot tensor_slots[] = {
    {Py_tp_new, tensor_new},
    {Py_tp_dealloc, pa_handle_dealloc},
    {Py_tp_traverse, pa_handle_traverse},
    {Py_tp_clear, pa_handle_clear},
    {Py_bf_getbuffer, pa_buffer_get},
    {Py_bf_releasebuffer, pa_buffer_release},
    {0, NULL},
};

/* Adds a type of handles to the module: Node, which has no base, or one on Node. */
static int add_type(PyObject *module, const char *name, PyTypeObject *base, PyType_Slot *slots, PyTypeObject **type) {
    PyType_Spec spec = {.name = name,
                        .basicsize = sizeof(pa_handle),
                        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                        .slots = slots};
    return pa_module_add_type(module, &spec, base, type);
}

int pa_types_ready(PyObject *module) {
    PyType_Slot slots[64]; /* Node's own, the operators' and the end */
    size_t n = 0;
    for (const PyType_Slot *slot = node_slots; slot->slot != 0; slot++) slots[n++] = *slot;
    for (const PyType_Slot *slot = pa_operator_slots; slot->slot != 0; slot++) slots[n++] = *slot;
    slots[n] = (PyType_Slot){0, NULL};
    if (add_type(module, "pyautograd._core.Node", NULL, slots, &pa_py.node_type) < 0 ||
        add_type(module, "pyautograd.Value", pa_py.node_type, value_slots, &pa_py.value_type) < 0 ||
        add_type(module, "pyautograd.Tensor", pa_py.node_type, tensor_slots, &pa_py.tensor_type) < 0)
        return -1;
    return 0;
}
