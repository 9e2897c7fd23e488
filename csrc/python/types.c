/* The types Node, Value and Tensor, put together from the slots of handles (their life), attributes, operators and
   buffers.

   Value and Tensor are types of their own, not Python subclasses of Node: one that is made by a class statement
   costs 50 ns more at the death of each object. Python adds their methods (pyautograd/_install.py). */
#include "types.h"

#include <stddef.h>
#include <structmember.h>

#include "attributes.h"
#include "buffer.h"
#include "handle.h"
#include "operators.h"
#include "value_init.h"

static PyObject *node_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)type, (void)arguments, (void)keywords;
    PyErr_SetString(PyExc_TypeError, "Node: the base of Tensor and Value; make one of these");
    return NULL;
}

/* An empty Tensor, which __init__ fills. */
static PyObject *tensor_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)arguments, (void)keywords;
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
    {Py_tp_new, pa_value_type_new},       {Py_tp_init, pa_value_type_init}, {Py_tp_dealloc, pa_handle_dealloc},
    {Py_tp_traverse, pa_handle_traverse}, {Py_tp_clear, pa_handle_clear},   {0, NULL},
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
