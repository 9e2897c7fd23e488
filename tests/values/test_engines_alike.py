"""`reference` has the names and the behaviour of `scalar`."""

from __future__ import annotations

import inspect
import math
import operator
from fractions import Fraction

import numpy as np
import pytest

from pyautograd import reference, scalar

# What C's Value has of the Tensor that shares its graph, and what is private to either
OF_TENSORS = {"dtype", "ndim", "requires_grad", "retain_grad", "retains_grad", "shape"}
OPERATORS_OF_TENSORS = {
    *(
        f"__{side}{name}__"
        for side in ("", "r")
        for name in ("and", "or", "xor", "matmul", "floordiv", "mod", "divmod", "lshift", "rshift")
    ),
    *(f"__i{name}__" for name in ("and", "or", "xor", "pow", "floordiv", "mod", "lshift", "rshift")),
    *("__invert__", "__index__", "__bool__", "__iadd__", "__isub__", "__imul__", "__itruediv__"),
}
# What a class statement leaves, of CPython 3.13 too, and a note of copyreg's
OF_CLASSES = {
    "__annotations__", "__slots__", "__weakref__", "__firstlineno__", "__static_attributes__", "__slotnames__",
}  # fmt: skip
SHARED_PRIVATE = {
    "_backward", "_children", "_inputs", "_local_gradients", "_local_grads", "_op", "_op_name", "_prev",
}  # fmt: skip


def public(cls):
    names = {name for name in dir(cls) if not name.startswith("_") or name.endswith("__") or name in SHARED_PRIVATE}
    return names - OF_CLASSES


def test_values_have_the_same_names():
    names = public(reference.Value)
    assert names == public(scalar.Value) - OF_TENSORS - OPERATORS_OF_TENSORS
    assert names >= SHARED_PRIVATE


@pytest.mark.parametrize("name", ["Module", "Neuron", "Layer", "MLP"])
def test_nets_have_the_same_names_and_arguments(name):
    ours, theirs = getattr(scalar, name), getattr(reference, name)
    for each in vars(theirs):
        if callable(getattr(theirs, each)) and each != "__class__":
            expected = list(inspect.signature(getattr(theirs, each)).parameters)
            assert list(inspect.signature(getattr(ours, each)).parameters) == expected, each


NUMBERS = {
    "int": 2, "float": -1.5, "bool": True, "large": 10**30, "Fraction": Fraction(1, 2), "float32": np.float32(0.5),
    "float64": np.float64(2.5), "int64": np.int64(3), "bool_": np.bool_(True), "0-d": np.array(2.0),
}  # fmt: skip
ODD = {"str": "x", "None": None, "list": [1.0], "bytes": b"1", "complex": 1j, "object": object()}
BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
UNSUPPORTED = [operator.matmul, operator.mod, operator.floordiv, operator.and_, operator.or_, operator.xor]

ATTRIBUTES = {
    "data": lambda v: v.data,
    "grad": lambda v: v.grad,
    "label": lambda v: v.label,
    "item": lambda v: v.item(),
    "detach": lambda v: v.detach().item(),
    "is_leaf": lambda v: v.is_leaf,
    "inputs": lambda v: [each.data for each in v._inputs],
    "children": lambda v: [each.data for each in v._children],
    "local_grads": lambda v: list(v._local_grads),
    "prev": lambda v: sorted(each.data for each in v._prev),
    "op": lambda v: v._op,
    "op_name": lambda v: v._op_name,
    "repr": repr,
    "str": str,
    "format": lambda v: f"{v:.2f}|{v:>10.1e}|{v}",
    "bad format": lambda v: f"{v:zz}",
    "bool": bool,
    "positive": lambda v: (+v) is v,
    "negative": lambda v: (-v).data,
    "abs": lambda v: abs(v).data,
    "hash": lambda v: hash(v) == hash(v),
    "equality": lambda v: (v == v, v != v, v == 2.0, v in [v]),
    "new attribute": lambda v: (setattr(v, "note", 3), v.note, vars(v)["note"]),
    "missing attribute": lambda v: v.missing,
    "len": len,
    "iter": iter,
    "index": lambda v: [1, 2, 3][v],
    "subscript": lambda v: v[0],
    "call": lambda v: v(),
    "round": round,
    "set data": lambda v: (setattr(v, "data", 2.5), v.data),
    "set grad": lambda v: (setattr(v, "grad", 2.5), v.grad),
    "delete op": lambda v: delattr(v, "_op"),
    "sum": lambda v: sum([v, v, v]).data,
    "in place": lambda v: (operator.iadd(v, 1) is v, operator.imul(v, 2.0).data),
    "pow with modulus": lambda v: pow(v, 2, 3),
    "divmod": lambda v: divmod(v, 2),
}
VALUES = {
    "leaf": lambda V: V(0.75),
    "labelled": lambda V: V(-2, label="w"),
    "integer": lambda V: V(3),
    "sum": lambda V: V(1.0) + V(2.0),
    "power": lambda V: V(2.0) ** 3,
    "tanh": lambda V: (V(0.5) * 2).tanh(),
    "same twice": lambda V: (lambda a: a * a)(V(3.0)),
    "written": lambda V: V(1.0, (V(2.0), V(3.0)), "mine"),
    "written without a name": lambda V: V(1.0, (V(2.0),)),
    "given": lambda V: V(1.0, (V(2.0), V(3.0)), (0.5, 0.25)),
    "named leaf": lambda V: V(1.0, (), "mine"),
    "infinite": lambda V: V(math.inf) * 1.0,
}


def outcome(function, *arguments):
    """What a call gives, as something that can be compared: numbers by their bits; or the kind of its exception."""
    try:
        result = function(*arguments)
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        return type(error)
    if isinstance(result, (scalar.Value, reference.Value)):
        result = ("Value", result.data, result._op)
    return repr(result).replace("pyautograd.", "")


def alike(expression):
    return outcome(expression, scalar.Value), outcome(expression, reference.Value)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_what_a_value_shows_and_does(attribute, value):
    ours, theirs = alike(lambda V: ATTRIBUTES[attribute](VALUES[value](V)))
    assert ours == theirs


@pytest.mark.parametrize("number", [*NUMBERS, *ODD])
@pytest.mark.parametrize("function", [*BINARY, *COMPARISONS, *UNSUPPORTED], ids=lambda f: f.__name__)
def test_operators_answer_alike_with_anything_on_either_side(function, number):
    other = {**NUMBERS, **ODD}[number]
    for expression in (lambda V: function(V(2.5), other), lambda V: function(other, V(2.5))):
        ours, theirs = alike(expression)
        assert ours == theirs


@pytest.mark.parametrize(
    "arguments", [(), (1.0, (), "", "", 1), ("1",), (b"1",), (None,), ([1.0],), (1j,), (object(),)]
)
def test_constructors_refuse_the_same(arguments):
    assert alike(lambda V: V(*arguments)) == (TypeError, TypeError)


@pytest.mark.parametrize("keyword", ["child", "ops", "local_grad", "requires_grad"])
def test_unknown_keywords_are_refused(keyword):
    assert alike(lambda V: V(1.0, **{keyword: ()})) == (TypeError, TypeError)
