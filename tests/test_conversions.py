"""A Value or Tensor where a number is wanted gives it, with a warning where a gradient is lost by it."""

from __future__ import annotations

import importlib
import math
import operator
import warnings

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import scalar

LOSING = {
    "float": float,
    "int": int,
    "math.exp": lambda v: math.exp(v),
    "math.floor": math.floor,
    "complex": complex,
    "into an array": lambda v: operator.setitem(np.zeros(2), 0, v),
    "an array of floats": lambda v: np.array([v, v], dtype=float),
    "a new Value": lambda v: scalar.Value(v),
    "a parameter of an op": lambda v: scalar.Value(1.0).clamp(max=v),
}
KEEPING = {
    "item": lambda v: v.item(),
    "data": lambda v: v.data,
    "format": lambda v: f"{v:.2f} {v}",
    "repr": repr,
    "truth": bool,
    "an array of objects": lambda v: np.array([v, v], dtype=object),
    "an op": lambda v: (2 * v + 1).exp() ** 2,
    "NumPy's number on the left": lambda v: np.float64(2) * v + np.int64(1),
}
TENSORS = {
    "Tensor": lambda: pa.tensor(2.0, requires_grad=True),
    "result of Tensors": lambda: pa.tensor(1.0, requires_grad=True) * 2,
    "Parameter": lambda: pa.nn.Parameter(pa.tensor(2.0)),
}


def kinds(engine):
    V = engine.Value
    values = {"Value": lambda: V(2.0), "result of Values": lambda: V(1.0) * 2}
    return {**values, **TENSORS} if engine is scalar else values


@pytest.mark.parametrize("name", LOSING)
def test_a_number_taken_from_a_graph_is_said(engine, name):
    for kind, make in kinds(engine).items():
        if name == "an array of floats" and kind in TENSORS:
            continue  # which raises: NumPy takes Tensors as arrays
        with pytest.warns(UserWarning, match=r"converted to a number, which has no history; write x\.(data|item)"):
            LOSING[name](make())


@pytest.mark.parametrize("name", KEEPING)
def test_nothing_is_said_where_nothing_is_lost(engine, name):
    for kind, make in kinds(engine).items():
        if name == "an array of objects" and kind in TENSORS:
            continue  # which raises: NumPy takes Tensors as arrays
        KEEPING[name](make())


def test_the_number_is_right(engine):
    with pytest.warns(UserWarning):
        assert math.exp(engine.Value(1.0) * 2) == math.exp(2.0)
    with pytest.warns(UserWarning):
        assert int(engine.Value(2.5)) == 2


def test_the_warning_names_the_users_line(engine):
    with pytest.warns(UserWarning) as caught:
        float(engine.Value(1.0))
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning) as caught:
        scalar.Value(1.0).clamp(max=scalar.Value(2.0))  # through a method written in Python
    assert caught[0].filename == __file__


def test_nothing_is_said_without_gradients():
    with pa.no_grad():
        assert math.exp(scalar.Value(0.0)) == 1.0
        assert float(pa.tensor(2.0, requires_grad=True)) == 2.0
    assert float(pa.tensor(2.0)) == 2.0
    assert int(pa.tensor(2)) == 2
    assert float(pa.tensor(2.0, requires_grad=True).detach()) == 2.0


def test_a_warning_that_is_an_error_changes_nothing():
    v, array = scalar.Value(2.0), np.zeros(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((UserWarning, TypeError, ValueError)):
            array[0] = v
    assert array.tolist() == [0, 0]


def test_arrays_times_values_keep_the_history():
    v = scalar.Value(3.0)
    out = np.array([1.0, 2.0]) * v
    out.sum().backward()
    assert isinstance(out, pa.Tensor) and v.grad == 3.0


@pytest.mark.parametrize("module", ["scalar", "reference"])
def test_numpy_goes_over_arrays_of_values_element_by_element(module):
    Value = importlib.import_module(f"pyautograd.{module}").Value
    a, b = Value(1.0), Value(3.0)
    for mean in (np.mean([a, b]), np.array([a, b]).mean(), np.sum([a, b]) / 2, np.dot([a, b], [0.5, 0.5])):
        assert isinstance(mean, Value) and mean.data == 2.0
        a.grad = b.grad = 0.0
        mean.backward()
        assert (a.grad, b.grad) == (0.5, 0.5)


@pytest.mark.parametrize("operand", [scalar.Value(2.0), pa.ones(2)], ids=["Value", "Tensor"])
def test_an_array_of_objects_is_no_operand(operand):
    values = np.array([scalar.Value(1.0), scalar.Value(3.0)])
    for either in (lambda: values * operand, lambda: operand * values):
        with pytest.raises(TypeError, match=r"array of objects.*for x in"):
            either()


@pytest.mark.parametrize("use", [lambda v: "a" * v, lambda v: [1, 2][v], lambda v: [0.0] * v, range])
def test_a_value_is_no_index(use):
    with pytest.raises(TypeError, match=r"a Value is no index.*int\(x\.data\)"):
        use(scalar.Value(1.0))
