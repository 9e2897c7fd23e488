/* The attributes and methods that Tensor and Value have from C: data and grad, what a node is, the graph around it.
   What Python adds stands in pyautograd/_value.py and _tensor.py. */
#include "types.h"

#include <math.h>
#include <string.h>

#include "convert.h"
#include "in_place.h"

#include "../apply.h"
#include "../logs.h"
#include "../scalar.h"

/* While a step is recorded a Value's data and grad are traced scalars: numbers that only the program will know. */
static PyObject *traced_scalar(pa_node *value, bool gradient) {
    pa_node *number = NULL;
    return pa_wrap_or_raise(pa_record_number_of(value, gradient, &number), &number);
}

/* Sets a Value's data or grad, and records it. Reading the number may run Python, and give the handle another node. */
static int set_number(PyObject *self, PyObject *object, pa_entry_kind kind) {
    double number = 0;
    pa_node *operands[2] = {NULL};
    pa_status status = PA_OK;
    bool is_grad = kind == PA_ENTRY_SET_GRAD;
    if (pa_recording() == NULL) {
        if (pa_read_number(object, is_grad ? "grad" : "data", &number) < 0) return -1;
    } else {
        int found = pa_as_node(object, &operands[1]);
        if (found == 0) pa_refuse_type(object, "data", "a number");
        if (found <= 0) return -1;
        operands[0] = pa_handle_node(self);
        if (operands[1]->ndim != 0)
            status =
                pa_fail(PA_TYPE, "data: a number is wanted, not a tensor of shape %s", pa_node_shape_text(operands[1]));
        else
            pa_record_entry(kind, 2, operands, NULL); /* before: of a constant its number until then takes part */
        number = pa_node_number(operands[1]);
        pa_node_release(operands[1]);
    }
    pa_node *node = pa_handle_node(self);
    if (status == PA_OK) *(is_grad ? &node->grad : &node->value) = number;
    return pa_zero_or_raise(status);
}

/* What isinstance asks for besides the type: a traced number is an instance of the Python number that it stands for. */
static PyObject *get_class(PyObject *self, void *Py_UNUSED(closure)) {
    const pa_node *node = pa_handle_node(self);
    PyTypeObject *type = Py_TYPE(self);
    if (pa_recording() != NULL && pa_is_traced_number(node))
        type = node->dtype == PA_BOOL ? &PyBool_Type : pa_dtype_is_float(node->dtype) ? &PyFloat_Type : &PyLong_Type;
    return Py_NewRef((PyObject *)type);
}

/* As any object's. */
static int set_class(PyObject *self, PyObject *value, void *Py_UNUSED(closure)) {
    PyObject *names = PyObject_GetAttrString((PyObject *)&PyBaseObject_Type, "__dict__"), *done = NULL;
    PyObject *name = PyUnicode_FromString("__class__");
    PyObject *own = names == NULL || name == NULL ? NULL : PyObject_GetItem(names, name);
    if (own != NULL && value == NULL)
        PyErr_SetString(PyExc_TypeError, "can't delete __class__ attribute");
    else if (own != NULL)
        done = PyObject_CallMethod(own, "__set__", "OO", self, value);
    Py_XDECREF(names);
    Py_XDECREF(name);
    Py_XDECREF(own);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *get_data(PyObject *self, void *Py_UNUSED(closure)) {
    pa_node *node = pa_handle_node(self), *detached = NULL;
    if (node->flags & PA_IS_VALUE) {
        if (pa_recording() != NULL) return traced_scalar(node, false);
        return PyFloat_FromDouble(node->value);
    }
    return pa_wrap_or_raise(pa_detach(node, &detached), &detached);
}

/* A program has its tensors where they are: it copies, where nobody else can see that. */
static pa_status record_shared(pa_node *node, pa_node *source) {
    PA_TRY(pa_record_share(node, source));
    pa_recording()->shares = true;
    pa_status status = pa_copy_into(node, source, "data");
    pa_recording()->shares = false;
    return status;
}

/* A leaf looks at the source's memory, and what looked at its own keeps the numbers of before. */
static pa_status take_data(pa_node *node, pa_node *source) {
    bool is_own = node == source || (node->dtype == source->dtype && pa_node_storage(node) != NULL &&
                                     pa_node_data(node) == pa_node_data(source) &&
                                     (node->ndim == 0 || memcmp(pa_node_strides(node), pa_node_strides(source),
                                                                (size_t)node->ndim * sizeof(int64_t)) == 0));
    if (is_own) return PA_OK; /* x.data += y */
    if (pa_recording() != NULL && pa_is_shared(node))
        return pa_record_refuse("data", "others look at the memory that it had; write x.data.copy_(…)");
    if (source->flags & PA_WEAK_SCALAR) return pa_copy_into(node, source, "data");
    if (node->dtype != source->dtype) return pa_change_dtype(node, source, "data");
    bool shares = pa_node_is_leaf(node) && !(source->flags & PA_IS_VALUE);
    if (pa_recording() != NULL && shares && pa_node_is_contiguous(source)) return record_shared(node, source);
    if (pa_recording() != NULL || !shares) return pa_copy_into(node, source, "data");
    PA_TRY(pa_node_begin_write(node, "data"));
    if (pa_node_is_contiguous(source)) return pa_node_share(node, source);
    pa_node *whole = NULL; /* updates want parameters in one piece */
    PA_TRY(pa_node_new(node->dtype, node->ndim, pa_node_shape(node), &whole));
    pa_status status = pa_copy_into(whole, source, "data");
    if (status == PA_OK) status = pa_node_share(node, whole);
    pa_node_release(whole);
    return status;
}

static int set_data(PyObject *self, PyObject *value, void *Py_UNUSED(closure)) {
    pa_node *node = pa_handle_node(self), *source = NULL;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "data cannot be deleted");
        return -1;
    }
    if (node->flags & PA_IS_VALUE) return set_number(self, value, PA_ENTRY_SET_VALUE);
    int found = pa_as_node(value, &source);
    if (found == 0) pa_refuse_type(value, "data", "a tensor");
    if (found <= 0) return -1;
    node = pa_handle_node(self); /* reading the value may have run Python, and given the handle another node */
    bool enabled = pa_grad_enable(false);
    pa_status status = pa_same_shape(node, source)
                           ? take_data(node, source)
                           : pa_fail(PA_VALUE, "data: a tensor of shape %s cannot take the place of one of shape %s",
                                     pa_node_shape_text(source), pa_node_shape_text(node));
    pa_grad_enable(enabled);
    pa_node_release(source);
    return pa_zero_or_raise(status);
}

static PyObject *get_grad(PyObject *self, void *Py_UNUSED(closure)) {
    pa_node *node = pa_handle_node(self);
    if (node->flags & PA_IS_VALUE) {
        if (pa_recording() != NULL) return traced_scalar(node, true);
        return PyFloat_FromDouble(node->grad);
    }
    if (node->array == NULL || node->array->grad == NULL) {
        if (pa_recording() != NULL) pa_record_entry(PA_ENTRY_GRAD_OF, 1, &node, NULL);
        return Py_NewRef(Py_None);
    }
    pa_node *grad = node->array->grad;
    if (pa_recording() != NULL) {
        /* One that others hold may be read elsewhere in the step, as a tensor of its own. */
        bool is_shared = !(grad->flags & PA_BORN_RECORDING) && grad->refs - grad->programs > 1;
        if (is_shared && pa_zero_or_raise(pa_record_mention(grad)) < 0) return NULL;
        pa_record_entry(PA_ENTRY_GRAD_OF, 1, &node, grad);
    }
    return pa_wrap(pa_node_retain(grad));
}

static int set_tensor_grad(pa_node *node, PyObject *value) {
    pa_node *fresh = NULL, *old = NULL;
    if (pa_zero_or_raise(pa_record_mention(node)) < 0) return -1; /* with the gradient that it has before */
    if (value != NULL && value != Py_None) {
        if (!pa_is_handle(value) || pa_is_value(value)) {
            pa_refuse_type(value, "grad", "a Tensor or None");
            return -1;
        }
        fresh = pa_handle_node(value);
        pa_status status = fresh == node ? pa_fail(PA_RUNTIME, "grad: a tensor of shape %s cannot be its own gradient",
                                                   pa_node_shape_text(node))
                                         : PA_OK;
        if (status == PA_OK && (!pa_same_shape(fresh, node) || fresh->dtype != node->dtype))
            status =
                pa_fail(PA_VALUE, "grad: a tensor of shape %s, %s for one of shape %s, %s", pa_node_shape_text(fresh),
                        pa_dtype_name(fresh->dtype), pa_node_shape_text(node), pa_dtype_name(node->dtype));
        if (status == PA_OK) status = pa_node_need_array(node);
        if (status == PA_OK && !pa_node_is_contiguous(fresh)) {
            int64_t dtype = node->dtype;
            pa_call call = {.op = PA_OP_cast, .n = 1, .in = &fresh, .n_ints = 1, .ints = &dtype};
            status = pa_apply(&call, &fresh);
        } else if (status == PA_OK) {
            pa_node_retain(fresh);
        }
        if (status == PA_OK && (status = pa_node_need_storage(fresh)) != PA_OK) /* backward counts its writes there */
            pa_node_release(fresh);
        if (pa_zero_or_raise(status) < 0) return -1;
    }
    if (node->array != NULL) {
        old = node->array->grad;
        node->array->grad = fresh;
    }
    if (pa_recording() != NULL) {
        pa_node *operands[2] = {node, fresh};
        pa_record_entry(PA_ENTRY_SET_GRAD, fresh == NULL ? 1 : 2, operands, NULL);
    }
    if (old != NULL) pa_node_release(old);
    return 0;
}

static int set_grad(PyObject *self, PyObject *value, void *Py_UNUSED(closure)) {
    pa_node *node = pa_handle_node(self);
    if (!(node->flags & PA_IS_VALUE)) return set_tensor_grad(node, value);
    if (value != NULL && value != Py_None) return set_number(self, value, PA_ENTRY_SET_GRAD);
    if (pa_recording() != NULL) pa_record_entry(PA_ENTRY_SET_GRAD, 1, &node, NULL);
    node->grad = 0;
    return 0;
}

static PyObject *get_requires_grad(PyObject *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(pa_node_requires_grad(pa_handle_node(self)));
}

static int set_requires_grad(PyObject *self, PyObject *value, void *Py_UNUSED(closure)) {
    pa_node *node = pa_handle_node(self);
    if (value == NULL || !PyBool_Check(value)) {
        if (value == NULL)
            PyErr_SetString(PyExc_AttributeError, "requires_grad cannot be deleted");
        else
            pa_refuse_type(value, "requires_grad", "True or False");
        return -1;
    }
    int wanted = value == Py_True;
    pa_status status = PA_OK;
    if (wanted && !pa_dtype_is_float(node->dtype))
        status = pa_fail(PA_RUNTIME, "requires_grad: only floating point tensors have gradients, not %s of shape %s",
                         pa_dtype_name(node->dtype), pa_node_shape_text(node));
    else if (!wanted && node->flags & (PA_LISTED | PA_FREED))
        status = pa_fail(PA_RUNTIME, "requires_grad: the result of %s of shape %s is no leaf; use detach()",
                         pa_op_table[node->op].name, pa_node_shape_text(node));
    if (status == PA_OK && node->flags & PA_IS_VALUE && wanted != (int)pa_node_requires_grad(node))
        status = pa_record_refuse("setting requires_grad of a Value", "compute it under no_grad()");
    if (pa_zero_or_raise(status) < 0) return -1;
    if (pa_recording() != NULL && !(node->flags & PA_IS_VALUE) && !pa_record_is_fresh(node)) {
        int64_t flag = wanted;
        pa_record_attributes(PA_ENTRY_REQUIRES_GRAD, 1, &node, NULL, 1, &flag, 0, NULL);
    }
    node->flags = (uint16_t)(wanted ? node->flags | PA_REQUIRES_GRAD : node->flags & ~PA_REQUIRES_GRAD);
    return 0;
}

static PyObject *int_tuple(int n, const int64_t *numbers) {
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple != NULL && i < n; i++) pa_tuple_put(&tuple, i, PyLong_FromLongLong(numbers[i]));
    return tuple;
}

/* While a step is recorded beside another, sizes that follow from the number of rows know how. */
static PyObject *traced_shape(const pa_node *node) {
    PyObject *tuple = PyTuple_New(node->ndim);
    for (int i = 0; tuple != NULL && i < node->ndim; i++) {
        pa_affine f;
        PyObject *size = pa_record_axis(node, i, &f)
                             ? PyObject_CallFunction(pa_recording()->sizes, "LL", (long long)f.base, (long long)f.slope)
                             : PyLong_FromLongLong(node->array->shape[i]);
        pa_tuple_put(&tuple, i, size);
    }
    return tuple;
}

static PyObject *get_shape(PyObject *self, void *Py_UNUSED(closure)) {
    const pa_node *node = pa_handle_node(self);
    bool is_traced = pa_recording() != NULL && pa_recording()->beside != NULL;
    return is_traced ? traced_shape(node) : int_tuple(node->ndim, pa_node_shape(node));
}

static PyObject *get_strides(PyObject *self, void *Py_UNUSED(closure)) {
    return int_tuple(pa_handle_node(self)->ndim, pa_node_strides(pa_handle_node(self)));
}

static PyObject *get_ndim(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromLong(pa_handle_node(self)->ndim);
}

static PyObject *get_dtype(PyObject *self, void *Py_UNUSED(closure)) {
    if (pa_handle_node(self)->flags & PA_IS_VALUE)
        return PyErr_Format(PyExc_AttributeError, "dtype: a Value is a number, without a dtype");
    PyObject *dtype = PyTuple_GetItem(pa_py.dtypes, pa_handle_node(self)->dtype);
    return dtype == NULL ? NULL : Py_NewRef(dtype);
}

static PyObject *get_is_leaf(PyObject *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(!(pa_handle_node(self)->flags & (PA_LISTED | PA_FREED)));
}

static PyObject *get_flag(PyObject *self, void *flag) {
    return PyBool_FromLong((pa_handle_node(self)->flags & (uintptr_t)flag) != 0);
}

static PyObject *get_version(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromUnsignedLong(pa_node_version(pa_handle_node(self)));
}

static PyObject *get_address(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromVoidPtr(pa_handle_node(self));
}

static PyObject *get_data_pointer(PyObject *self, void *Py_UNUSED(closure)) {
    pa_node *node = pa_handle_node(self);
    pa_status status = pa_record_refuse_read(node, "numpy");
    if (status == PA_OK) status = pa_node_need_storage(node); /* a view cannot share a number that stands in its node */
    node->flags |= PA_IS_VIEW;
    if (status == PA_OK) pa_node_storage(node)->exports++; /* for good: who has the address is not known */
    return status == PA_OK ? PyLong_FromVoidPtr(pa_node_data(node)) : pa_raise(status);
}

/* The node, a neuron opened, so that Python sees micrograd's elementary nodes; NULL with an exception set. */
static pa_node *open_node(PyObject *self) {
    pa_status status = pa_value_open_neuron(pa_handle_node(self));
    if (status == PA_OK) return pa_handle_node(self);
    pa_raise(status);
    return NULL;
}

static PyObject *get_inputs(PyObject *self, void *Py_UNUSED(closure)) {
    const pa_node *node = open_node(self);
    if (node == NULL) return NULL;
    PyObject *tuple = PyTuple_New(node->n_parents);
    for (int i = 0; tuple != NULL && i < node->n_parents; i++)
        pa_tuple_put(&tuple, i, pa_wrap(pa_node_retain(pa_node_parent(node, i))));
    return tuple;
}

/* Two recorded calls go through a set in the same order, which that of a set of objects is not. */
static PyObject *ordered_set(PyObject *inputs) {
    PyObject *module = PyImport_ImportModule("pyautograd._value"), *set = NULL;
    if (module != NULL) set = PyObject_CallMethod(module, "_Operands", "(O)", inputs);
    Py_XDECREF(module);
    return set;
}

static PyObject *get_prev(PyObject *self, void *closure) {
    PyObject *inputs = get_inputs(self, closure), *set = NULL;
    if (inputs != NULL) set = pa_recording() != NULL ? ordered_set(inputs) : PySet_New(inputs);
    Py_XDECREF(inputs);
    return set;
}

/* micrograd's `_op`: the symbol, with the exponent behind a power's. */
static PyObject *get_op(PyObject *self, void *Py_UNUSED(closure)) {
    const pa_node *node = open_node(self);
    if (node == NULL) return NULL;
    PyObject *dict = pa_node_dict(node);
    PyObject *custom = dict == NULL ? NULL : PyDict_GetItemString(dict, "_custom_op");
    if (custom != NULL) return Py_NewRef(custom);
    if (node->op == PA_OP_power) {
        double p = pa_node_params(node)[0];
        PyObject *number = p == floor(p) && fabs(p) < 1e15 ? PyLong_FromDouble(p) : PyFloat_FromDouble(p);
        PyObject *text = number == NULL ? NULL : PyUnicode_FromFormat("**%R", number);
        Py_XDECREF(number);
        return text;
    }
    return PyUnicode_FromString(pa_op_table[node->op].symbol);
}

static PyObject *get_op_name(PyObject *self, void *Py_UNUSED(closure)) {
    const pa_node *node = open_node(self);
    return node == NULL ? NULL : PyUnicode_FromString(pa_op_table[node->op].name);
}

/* node._backward(): one step of the chain rule; assigned, it replaces the op's own (micrograd's way to write an op). */
static PyObject *get_backward_step(PyObject *self, void *Py_UNUSED(closure)) {
    PyObject *dict = pa_node_dict(pa_handle_node(self));
    PyObject *own = dict == NULL ? NULL : PyDict_GetItemString(dict, "_backward_function");
    return own != NULL ? Py_NewRef(own) : PyObject_GetAttrString(self, "_backward_step");
}

static int set_backward_step(PyObject *self, PyObject *function, void *Py_UNUSED(closure)) {
    pa_node *node = open_node(self);
    if (node == NULL) return -1;
    if (!(node->flags & PA_IS_VALUE)) {
        PyErr_SetString(PyExc_TypeError, "_backward: a Tensor's op is written as an autograd.Function");
        return -1;
    }
    if (function == NULL || !PyCallable_Check(function)) {
        if (function == NULL)
            PyErr_SetString(PyExc_AttributeError, "_backward cannot be deleted");
        else
            pa_refuse_type(function, "_backward", "a callable");
        return -1;
    }
    pa_status status = pa_record_refuse("assigning _backward, an op written in Python,",
                                        "give its local gradients, Value(data, children, local_grads)");
    if (pa_zero_or_raise(status) < 0) return -1;
    if (pa_handle_keep(self, "_backward_function", function) < 0) return -1;
    pa_handle_anchor(self);
    if (node->flags & PA_LISTED) {
        PyObject *symbol = node->op == PA_OP_custom ? NULL : get_op(self, NULL);
        bool is_kept = symbol == NULL || pa_handle_keep(self, "_custom_op", symbol) == 0;
        Py_XDECREF(symbol);
        if (!is_kept || PyErr_Occurred()) return -1;
        node->op = PA_OP_custom;
        node->flags &= (uint16_t)~PA_PURE;
    }
    return 0;
}

static PyObject *get_dict(PyObject *self, void *closure) {
    PyObject *dict = PyObject_GenericGetDict(self, closure);
    pa_handle_track(self);
    return dict;
}

static int set_dict(PyObject *self, PyObject *dict, void *closure) {
    int status = PyObject_GenericSetDict(self, dict, closure);
    pa_handle_track(self);
    return status;
}

static PyObject *method_item(PyObject *self, PyObject *Py_UNUSED(unused)) { return pa_item(self); }

static PyObject *method_detach(PyObject *self, PyObject *Py_UNUSED(unused)) {
    pa_node *node = pa_handle_node(self), *detached = NULL;
    return pa_wrap_or_raise(pa_detach(node, &detached), &detached);
}

static PyObject *method_retain_grad(PyObject *self, PyObject *Py_UNUSED(unused)) {
    pa_node *node = pa_handle_node(self);
    if (!pa_node_requires_grad(node))
        return pa_raise(pa_fail(PA_RUNTIME, "retain_grad: this tensor of shape %s does not require grad",
                                pa_node_shape_text(node)));
    if (!(node->flags & (PA_LISTED | PA_FREED))) Py_RETURN_NONE; /* a leaf's is kept anyway */
    node->flags |= PA_RETAINS_GRAD;
    if (pa_recording() != NULL && !(node->flags & PA_IS_VALUE)) pa_record_entry(PA_ENTRY_RETAIN_GRAD, 1, &node, NULL);
    Py_RETURN_NONE;
}

static PyObject *method_backward_step(PyObject *self, PyObject *Py_UNUSED(unused)) {
    pa_node *node = open_node(self);
    if (node == NULL) return NULL;
    if (!(node->flags & PA_IS_VALUE))
        return pa_raise(pa_fail(PA_TYPE, "_backward: a tensor (of shape %s) has no step of its own as Values have",
                                pa_node_shape_text(node)));
    pa_status status = pa_value_backward_step(node);
    if (status == PA_OK && pa_recording() != NULL && node->flags & PA_LISTED)
        pa_record_entry(PA_ENTRY_LOCAL_BACKWARD, 1, &node, NULL);
    return pa_none_or_raise(status);
}

static PyObject *method_local_gradients(PyObject *self, PyObject *Py_UNUSED(unused)) {
    const pa_node *node = open_node(self);
    if (node == NULL) return NULL;
    double *gradients = pa_mem_alloc_array((size_t)node->n_parents + 1, sizeof *gradients);
    if (gradients == NULL) return pa_raise(PA_MEMORY);
    pa_value_local_gradients(node, gradients);
    PyObject *tuple = PyTuple_New(node->n_parents);
    for (int i = 0; tuple != NULL && i < node->n_parents; i++)
        pa_tuple_put(&tuple, i, PyFloat_FromDouble(gradients[i]));
    pa_mem_free_array(gradients, (size_t)node->n_parents + 1, sizeof *gradients);
    return tuple;
}

PyMethodDef pa_handle_methods[] = {
    PA_METHOD("item", method_item, METH_NOARGS, "($self, /)",
              "The only element, as a Python number. **Raises** ValueError where there are none or several.\n\n"
              ">>> import pyautograd\n"
              ">>> pyautograd.tensor([2.5]).item()\n"
              "2.5\n"),
    PA_METHOD("detach", method_detach, METH_NOARGS, "($self, /)",
              "The same data without history; shares memory.\n\n"
              ">>> import pyautograd\n"
              ">>> x = pyautograd.ones(2, requires_grad=True)\n"
              ">>> (x * 2).detach().requires_grad\n"
              "False\n"),
    PA_METHOD("retain_grad", method_retain_grad, METH_NOARGS, "($self, /)",
              "Keep .grad though this is no leaf. **Raises** RuntimeError where no gradient flows.\n\n"
              ">>> import pyautograd\n"
              ">>> y = pyautograd.ones(2, requires_grad=True) * 2\n"
              ">>> y.retain_grad()\n"
              ">>> y.sum().backward()\n"
              ">>> y.grad\n"
              "tensor([1., 1.])\n"),
    PA_METHOD("_backward_step", method_backward_step, METH_NOARGS, "($self, /)",
              "Add this node's contribution to its inputs' gradients."),
    PA_METHOD("_local_gradients", method_local_gradients, METH_NOARGS, "($self, /)",
              "d out / d input for each input of a scalar node."),
    {NULL, NULL, 0, NULL},
};

PyGetSetDef pa_handle_attributes[] = {
    {"__class__", get_class, set_class, "Its type.", NULL},
    {"data", get_data, set_data, "A Value's number; a Tensor without history over the same memory.", NULL},
    {"grad", get_grad, set_grad, "The accumulated gradient.", NULL},
    {"requires_grad", get_requires_grad, set_requires_grad, "Does a gradient flow to it?", NULL},
    {"shape", get_shape, NULL, "Sizes of the axes, as a tuple.", NULL},
    {"_strides", get_strides, NULL, "Strides of the axes, in elements.", NULL},
    {"ndim", get_ndim, NULL, "Number of axes.", NULL},
    {"dtype", get_dtype, NULL, "The element type.", NULL},
    {"is_leaf", get_is_leaf, NULL, "Made by the user, not by an op.", NULL},
    {"retains_grad", get_flag, NULL, "Was retain_grad() called?", (void *)PA_RETAINS_GRAD},
    {"_is_view", get_flag, NULL, "Does it share its memory?", (void *)PA_IS_VIEW},
    {"_version", get_version, NULL, "Writes in place to its memory so far.", NULL},
    {"_address", get_address, NULL, "The node, as a number.", NULL},
    {"_data_pointer", get_data_pointer, NULL, "The first element's address.", NULL},
    {"_inputs", get_inputs, NULL, "The operands, in order.", NULL},
    {"_prev", get_prev, NULL, "The operands, as a set.", NULL},
    {"_op", get_op, NULL, "The op's symbol; '' for a leaf.", NULL},
    {"_op_name", get_op_name, NULL, "The op's name in the table.", NULL},
    {"_backward", get_backward_step, set_backward_step, "One step of the chain rule, from this node to its inputs.",
     NULL},
    {"__dict__", get_dict, set_dict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
