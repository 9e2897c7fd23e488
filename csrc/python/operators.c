/* The operators of handles, as slots of the handle type: arithmetic on Values in the fewest steps, everything else
   through pa_apply; comparison, truth and conversion to Python numbers.

       a * b ── slot_multiply ── arithmetic ─┬─ two Values ──▶ pa_value_binary        one node, one handle
                                             └─ binary ─┬─ a Value and a number ──▶ the same
                                                        └─ binary_general ──▶ pa_apply */
#include "in_place.h"

#include <stdio.h>

#include "convert.h"
#include "hooks.h"
#include "types.h"

#include "../apply.h"
#include "../record.h"
#include "../scalar.h"

/* The Value that an operand of a Value is, as a new reference; NULL where it is none, without an exception. */
static pa_node *operand_as_value(PyObject *object) {
    double number;
    if (PyFloat_Check(object)) {
        number = PyFloat_AsDouble(object);
    } else if (PyLong_Check(object)) {
        number = PyLong_AsDouble(object);
        if (number == -1.0 && PyErr_Occurred()) {
            PyErr_Clear(); /* too large for a float: the general path words it */
            return NULL;
        }
    } else if (pa_is_handle(object)) {
        pa_node *node = pa_handle_node(object);
        return node->flags & PA_IS_VALUE ? pa_node_retain(node) : NULL;
    } else {
        PyObject *python = pa_number_of_numpy(object);
        pa_node *value = python == NULL ? NULL : operand_as_value(python);
        Py_XDECREF(python);
        return value;
    }
    pa_node *node;
    return pa_value_new(number, &node) == PA_OK ? node : NULL;
}

static PyObject *binary_general(pa_op op, PyObject *left, PyObject *right) {
    pa_node *in[2] = {NULL, NULL}, *out = NULL;
    int found = pa_as_node(left, &in[0]);
    if (found == 1) found = pa_as_node(right, &in[1]);
    PyObject *result = NULL;
    if (found == 1) {
        pa_status status = pa_apply_binary(op, in[0], in[1], &out);
        result = pa_wrap_or_raise(status, &out);
    } else if (found == 0) {
        result = Py_NewRef(Py_NotImplemented);
    }
    if (in[0] != NULL) pa_node_release(in[0]);
    if (in[1] != NULL) pa_node_release(in[1]);
    return result;
}

/* An operator with a Value on at least one side: numbers on the other become Values of their own. */
static PyObject *binary(pa_op op, PyObject *left, PyObject *right) {
    if (pa_is_value(left) || pa_is_value(right)) {
        pa_node *a = operand_as_value(left), *b = a == NULL ? NULL : operand_as_value(right), *out = NULL;
        if (b != NULL) {
            pa_status status = pa_value_binary(op, a, b, &out);
            pa_node_release(a);
            pa_node_release(b);
            return pa_wrap_or_raise(status, &out);
        }
        if (a != NULL) pa_node_release(a);
    }
    return binary_general(op, left, right);
}

/* An operator that Values do not have. */
static PyObject *binary_of_tensors(pa_op op, PyObject *left, PyObject *right) {
    if (pa_is_value(left) || pa_is_value(right)) return Py_NewRef(Py_NotImplemented);
    return binary_general(op, left, right);
}

/* The shortest way, for two Values. */
static inline PyObject *arithmetic(pa_op op, PyObject *left, PyObject *right) {
    if (Py_TYPE(left) != pa_py.value_type || Py_TYPE(right) != pa_py.value_type) return binary(op, left, right);
    pa_node *out = NULL;
    return pa_wrap_or_raise(pa_value_binary(op, pa_handle_node(left), pa_handle_node(right), &out), &out);
}

static PyObject *unary(pa_op op, PyObject *operand) {
    pa_node *out = NULL;
    return pa_wrap_or_raise(pa_apply_unary(op, pa_handle_node(operand), &out), &out);
}

static PyObject *slot_add(PyObject *l, PyObject *r) { return arithmetic(PA_OP_add, l, r); }
static PyObject *slot_subtract(PyObject *l, PyObject *r) { return arithmetic(PA_OP_sub, l, r); }
static PyObject *slot_multiply(PyObject *l, PyObject *r) { return arithmetic(PA_OP_mul, l, r); }
static PyObject *slot_divide(PyObject *l, PyObject *r) { return arithmetic(PA_OP_div, l, r); }
static PyObject *slot_matmul(PyObject *l, PyObject *r) { return binary_of_tensors(PA_OP_matmul, l, r); }
static PyObject *slot_and(PyObject *l, PyObject *r) { return binary_of_tensors(PA_OP_bitwise_and, l, r); }
static PyObject *slot_or(PyObject *l, PyObject *r) { return binary_of_tensors(PA_OP_bitwise_or, l, r); }
static PyObject *slot_xor(PyObject *l, PyObject *r) { return binary_of_tensors(PA_OP_bitwise_xor, l, r); }
static PyObject *slot_left_shift(PyObject *l, PyObject *r) { return binary_of_tensors(PA_OP_bitwise_left_shift, l, r); }
static PyObject *slot_right_shift(PyObject *l, PyObject *r) {
    return binary_of_tensors(PA_OP_bitwise_right_shift, l, r);
}
static PyObject *slot_negative(PyObject *a) { return unary(PA_OP_neg, a); }
static PyObject *slot_absolute(PyObject *a) { return unary(PA_OP_abs, a); }
static PyObject *slot_invert(PyObject *a) { return unary(PA_OP_bitwise_not, a); }
static PyObject *slot_positive(PyObject *a) { return Py_NewRef(a); }

/* a ** b: a number as the exponent is a parameter of the op, anything else an operand, and so is the integer
   exponent of integers, which a parameter would round. */
static PyObject *slot_power(PyObject *left, PyObject *right, PyObject *modulus) {
    if (modulus != Py_None) return Py_NewRef(Py_NotImplemented);
    if (!pa_is_handle(left) || pa_is_handle(right)) return binary(PA_OP_pow, left, right);
    pa_node *exponent = NULL, *out = NULL;
    pa_node *of_value = pa_is_value(left) ? operand_as_value(right) : NULL;
    if (of_value != NULL) {
        pa_status status = pa_value_unary(PA_OP_power, pa_handle_node(left), of_value->value, 0, &out);
        pa_node_release(of_value);
        return pa_wrap_or_raise(status, &out);
    }
    int found = pa_as_node(right, &exponent);
    if (found < 0) return NULL;
    if (found == 0) return Py_NewRef(Py_NotImplemented);
    pa_node *a = pa_handle_node(left); /* reading the exponent may have run Python, and given the handle another node */
    /* An array, or a number that the step being recorded does not know yet */
    if (!(exponent->flags & PA_WEAK_SCALAR) || exponent->flags & PA_TRACED_SCALAR) {
        pa_node_release(exponent);
        return binary_general(PA_OP_pow, left, right);
    }
    double p = pa_node_number(exponent);
    pa_dtype dtype = exponent->dtype;
    pa_node_release(exponent);
    if (pa_dtype_category(a->dtype) == 1 && dtype == PA_INT64 && p == 2) return unary(PA_OP_square, left);
    if (!pa_dtype_is_float(a->dtype) && !pa_dtype_is_float(dtype)) return binary_general(PA_OP_pow, left, right);
    pa_call call = {.op = PA_OP_power, .n = 1, .in = &a, .n_params = 1, .params = &p};
    return pa_wrap_or_raise(pa_apply(&call, &out), &out);
}

static PyObject *slot_iadd(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_add, l, r); }
static PyObject *slot_isubtract(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_sub, l, r); }
static PyObject *slot_imultiply(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_mul, l, r); }
static PyObject *slot_idivide(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_div, l, r); }
static PyObject *slot_ipower(PyObject *l, PyObject *r, PyObject *modulus) {
    return modulus == Py_None ? pa_in_place(PA_OP_pow, l, r) : Py_NewRef(Py_NotImplemented);
}
static PyObject *slot_iand(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_bitwise_and, l, r); }
static PyObject *slot_ior(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_bitwise_or, l, r); }
static PyObject *slot_ixor(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_bitwise_xor, l, r); }
static PyObject *slot_ileft_shift(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_bitwise_left_shift, l, r); }
static PyObject *slot_iright_shift(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_bitwise_right_shift, l, r); }

/* Values are equal by identity. Neither a Value nor a number has an answer to <, where the other side is a Value. */
static PyObject *compare_value(PyObject *right, int how) {
    bool has_no_answer = pa_is_value(right) || PyFloat_Check(right) || PyLong_Check(right);
    if (how == Py_EQ || how == Py_NE || !has_no_answer) return Py_NewRef(Py_NotImplemented);
    PyErr_SetString(PyExc_TypeError, "Values have no order: compare their .data, or write x.maximum(y) for the larger, "
                                     "x.clamp(min, max) for bounds");
    return NULL;
}

/* Tensors compare element by element. */
static PyObject *slot_compare(PyObject *left, PyObject *right, int how) {
    static const pa_op ops[] = {[Py_LT] = PA_OP_lt, [Py_LE] = PA_OP_le, [Py_EQ] = PA_OP_eq,
                                [Py_NE] = PA_OP_ne, [Py_GT] = PA_OP_gt, [Py_GE] = PA_OP_ge};
    if (pa_is_value(left)) return compare_value(right, how);
    if (right == Py_None && (how == Py_EQ || how == Py_NE)) return PyBool_FromLong(how == Py_NE);
    return binary_general(ops[how], left, right);
}

static Py_hash_t slot_hash(PyObject *self) {
    if (!pa_is_traced_scalar(self)) return (Py_hash_t)((uintptr_t)self >> 4);
    pa_status status =
        pa_record_refuse_read(pa_handle_node(self), "hash"); /* a float is found in a dict by its number */
    if (status != PA_OK) return pa_zero_or_raise(status);
    PyObject *number = pa_node_element(pa_handle_node(self));
    Py_hash_t hash = number == NULL ? -1 : PyObject_Hash(number);
    Py_XDECREF(number);
    return hash;
}

static int slot_bool(PyObject *self) {
    const pa_node *node = pa_handle_node(self);
    if (node->flags & PA_IS_VALUE) return 1; /* an object like any other, as in micrograd */
    if (pa_node_numel(node) != 1) {
        pa_raise(pa_fail(PA_VALUE, "bool: the truth of a tensor of shape %s is ambiguous; use .any() or .all()",
                         pa_node_shape_text(node)));
        return -1;
    }
    pa_status status = pa_record_refuse_read(node, "bool");
    if (status == PA_OK) return pa_node_number(node) != 0;
    pa_raise(status);
    return -1;
}

/* math.exp(v) and array[i] = v ask for a number, which has no history: said where a gradient is lost by that. */
static int warn_of_lost_history(PyObject *self, const char *what) {
    const pa_node *node = pa_handle_node(self);
    if (!pa_node_requires_grad(node) || !pa_grad_enabled()) return 0;
    bool value = node->flags & PA_IS_VALUE;
    char text[320];
    snprintf(text, sizeof text,
             "%s: a %s that a gradient flows to was converted to a number, which has no history; write %s where the "
             "number is wanted, and x.exp() instead of math.exp(x) and its like",
             what, value ? "Value" : "Tensor", value ? "x.data" : "x.item()");
    return pa_warn(text);
}

static PyObject *as_number(PyObject *self, const char *what, unaryfunc convert) {
    if (!pa_record_hides(pa_handle_node(self)) && warn_of_lost_history(self, what) < 0) return NULL;
    PyObject *element = pa_only_element(self, what), *number = NULL;
    if (element != NULL) number = convert(element);
    Py_XDECREF(element);
    return number;
}

static PyObject *slot_float(PyObject *self) { return as_number(self, "float", PyNumber_Float); }
static PyObject *slot_int(PyObject *self) { return as_number(self, "int", PyNumber_Long); }

static PyObject *slot_index(PyObject *self) {
    if (pa_dtype_is_float(pa_handle_node(self)->dtype))
        return PyErr_Format(PyExc_TypeError,
                            pa_is_value(self) ? "index: a Value is no index and repeats no sequence; write int(x.data)"
                                              : "index: only an integer tensor with one element is an index");
    return slot_int(self);
}

static bool is_tensor(PyObject *object) {
    return pa_is_handle(object) && !pa_is_value(object) && !pa_is_traced_scalar(object);
}

static PyObject *plain_number(PyObject *object) {
    return pa_is_traced_scalar(object) ? pa_only_element(object, "// or %") : Py_NewRef(object);
}

/* Values have none of these; neither has a traced scalar alone, whose number Python has to see. */
static PyObject *tensor_binary(pa_op op, PyObject *left, PyObject *right) {
    if (is_tensor(left) || is_tensor(right)) return binary_general(op, left, right);
    if (!pa_is_traced_scalar(left) && !pa_is_traced_scalar(right)) return Py_NewRef(Py_NotImplemented);
    PyObject *a = plain_number(left), *b = a == NULL ? NULL : plain_number(right), *out = NULL;
    if (b != NULL) out = op == PA_OP_remainder ? PyNumber_Remainder(a, b) : PyNumber_FloorDivide(a, b);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return out;
}

static PyObject *slot_floor_divide(PyObject *l, PyObject *r) { return tensor_binary(PA_OP_floor_divide, l, r); }
static PyObject *slot_remainder(PyObject *l, PyObject *r) { return tensor_binary(PA_OP_remainder, l, r); }
static PyObject *slot_ifloor_divide(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_floor_divide, l, r); }
static PyObject *slot_iremainder(PyObject *l, PyObject *r) { return pa_in_place(PA_OP_remainder, l, r); }

static PyObject *slot_divmod(PyObject *left, PyObject *right) {
    PyObject *quotient = slot_floor_divide(left, right);
    if (quotient == NULL || quotient == Py_NotImplemented) return quotient;
    PyObject *rest = slot_remainder(left, right), *both = rest == NULL ? NULL : PyTuple_Pack(2, quotient, rest);
    Py_DECREF(quotient);
    Py_XDECREF(rest);
    return both;
}

const PyType_Slot pa_operator_slots[] = {
    {Py_tp_richcompare, slot_compare},
    {Py_tp_hash, slot_hash},
    {Py_nb_add, slot_add},
    {Py_nb_subtract, slot_subtract},
    {Py_nb_multiply, slot_multiply},
    {Py_nb_true_divide, slot_divide},
    {Py_nb_floor_divide, slot_floor_divide},
    {Py_nb_remainder, slot_remainder},
    {Py_nb_divmod, slot_divmod},
    {Py_nb_power, slot_power},
    {Py_nb_matrix_multiply, slot_matmul},
    {Py_nb_lshift, slot_left_shift},
    {Py_nb_rshift, slot_right_shift},
    {Py_nb_and, slot_and},
    {Py_nb_or, slot_or},
    {Py_nb_xor, slot_xor},
    {Py_nb_negative, slot_negative},
    {Py_nb_positive, slot_positive},
    {Py_nb_absolute, slot_absolute},
    {Py_nb_invert, slot_invert},
    {Py_nb_bool, slot_bool},
    {Py_nb_float, slot_float},
    {Py_nb_int, slot_int},
    {Py_nb_index, slot_index},
    {Py_nb_inplace_add, slot_iadd},
    {Py_nb_inplace_subtract, slot_isubtract},
    {Py_nb_inplace_multiply, slot_imultiply},
    {Py_nb_inplace_true_divide, slot_idivide},
    {Py_nb_inplace_floor_divide, slot_ifloor_divide},
    {Py_nb_inplace_remainder, slot_iremainder},
    {Py_nb_inplace_power, slot_ipower},
    {Py_nb_inplace_lshift, slot_ileft_shift},
    {Py_nb_inplace_rshift, slot_iright_shift},
    {Py_nb_inplace_and, slot_iand},
    {Py_nb_inplace_or, slot_ior},
    {Py_nb_inplace_xor, slot_ixor},
    {0, NULL},
};
