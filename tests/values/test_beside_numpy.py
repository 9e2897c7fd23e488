"""NumPy's functions, arrays and scalars beside a Value give what the Value's own methods and operators give."""

import operator

import numpy as np
import pytest

import pyautograd as pa
from pyautograd.scalar import Value

# What NumPy computes of one number, and the same by the methods of a Value
FUNCTIONS = {
    **{name: (getattr(np, name), operator.methodcaller(name)) for name in (
        "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "square", "reciprocal", "sin", "cos", "tan",
        "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arcsinh", "arctanh",
    )},
    "arccosh": (lambda v: np.arccosh(v + 1), lambda v: (v + 1).arccosh()),
    "abs": (np.abs, abs), "negative": (np.negative, operator.neg), "positive": (np.positive, operator.pos),
    "arctan2": (lambda v: np.arctan2(v, 0.5), lambda v: v.atan2(0.5)),
    "hypot": (lambda v: np.hypot(v, 2), lambda v: v.hypot(2)),
    "fmod": (lambda v: np.fmod(v, 0.4), lambda v: v.fmod(0.4)),
    "add": (lambda v: np.add(2.0, v), lambda v: 2.0 + v),
    "subtract": (lambda v: np.subtract(v, v * 2), lambda v: v - v * 2),
    "power": (lambda v: np.power(v, 3), lambda v: v**3), "divide": (lambda v: np.divide(1, v), lambda v: 1 / v),
    "sum": (lambda v: np.sum([v, v * 2]), lambda v: v + v * 2),
    "mean": (lambda v: np.mean([v, v]), lambda v: (v + v) / 2),
    "dot": (lambda v: np.dot([v, v * v], [3.0, 4.0]), lambda v: v * 3.0 + v * v * 4.0), "prod": (np.prod, lambda v: v),
    "outer": (lambda v: np.add.outer([v, v * 2], [1.0])[1, 0], lambda v: v * 2 + 1.0),
    "multiply": (lambda v: np.multiply([v, v * v], v)[1], lambda v: v * v * v),
    "matmul": (lambda v: (np.array([[v, v * v]]) @ np.array([2.0, 1.0]))[0], lambda v: v * 2.0 + v * v * 1.0),
    "norm": (lambda v: np.linalg.norm([v, v]), lambda v: (v * v + v * v).sqrt()),
}  # fmt: skip


def number_and_gradient(function, v):
    out = function(v)
    out.backward()
    return type(out), out.data, v.grad


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_numpy_is_the_op_with_its_gradient(engine, name):
    numpys, ours = FUNCTIONS[name]
    expected = number_and_gradient(ours, engine.Value(0.75))
    assert number_and_gradient(numpys, engine.Value(0.75)) == expected
    assert expected[0] is engine.Value


@pytest.mark.parametrize("name", FUNCTIONS)
def test_so_it_is_in_a_compiled_step(name):
    step = pa.compile(lambda v: number_and_gradient(FUNCTIONS[name][0], v)[1:])
    for x in (0.75, 0.25, 0.5):
        assert step(Value(x)) == number_and_gradient(FUNCTIONS[name][1], Value(x))[1:]


SCALARS = [
    np.float64(2.5),
    np.float32(2.5),
    np.float16(2.5),
    np.longdouble(2.5),
    np.int64(3),
    np.uint8(3),
    np.bool_(True),
]


@pytest.mark.parametrize("number", [*SCALARS, np.array(2.5), np.array(3)], ids=lambda x: f"{x.dtype}-{x.ndim}")
@pytest.mark.parametrize("how", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
def test_numpys_numbers_are_operands_on_either_side(engine, how, number):
    for function in (how, lambda a, b: how(b, a)):
        expected = number_and_gradient(lambda v: function(v, float(number)), engine.Value(1.5))  # noqa: B023
        assert number_and_gradient(lambda v: function(v, number), engine.Value(1.5)) == expected  # noqa: B023


def test_an_array_on_the_left_makes_a_tensor_in_place_too():
    for how, expected, gradient in (
        (operator.add, [2.5, 3.5], 2),
        (operator.iadd, [2.5, 3.5], 2),
        (operator.mul, [1.5, 3], 3),
    ):
        v, array = Value(1.5), np.array([1.0, 2.0])
        out = how(array, v)
        out.sum().backward()
        assert isinstance(out, pa.Tensor) and out.tolist() == expected and v.grad == gradient
        assert array.tolist() == [1, 2]


def test_equality_beside_numpy_is_identity(engine):
    v = engine.Value(2.0)
    for other in (np.float64(2), np.int64(2), np.array(2.0), np.array([2.0, 2.0])):
        assert (v == other, other == v, v != other, other != v) == (False, False, True, True)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda v: np.maximum(v, 0.0), r"write x\.maximum\(y\)"),
        (lambda v: np.clip(v, 0, 1), r"x\.clamp\(min, max\)"),
        (lambda v: max(v, 0), r"compare their \.data"),
        (lambda v: sorted([v, v * 2]), r"compare their \.data"),
        (lambda v: v < np.float64(1), r"compare their \.data"),
        (lambda v: np.float64(1) < v, r"compare their \.data"),
        (lambda v: np.cbrt(v), "no callable cbrt method"),
        (lambda v: np.isnan(v), "isnan"),
        (lambda v: np.exp(v, out=np.zeros(())), "float64"),
        (lambda v: np.array(2) @ v, "@"),
        (lambda v: np.float64(2) // v, "//"),
    ],
)
def test_what_a_value_has_no_method_for_is_refused(engine, call, says):
    with pytest.raises(TypeError, match=says):
        call(engine.Value(0.5))
