"""An ndarray that a compiled step is given arrives as a Tensor: `compile(f)(a)` is `f(as_tensor(a))`. What it would do
as an ndarray is refused, with what to write; among Values its elements are numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Value

from .training import plainly, refused

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "mean": lambda a: a.mean(),
    "with a number": lambda a: a * 2 + 1,
    "an element": lambda a: a[0, 1],
    "an element with a number": lambda a: a[0, 1] * 2.5 - 1,
    "an element with a tensor": lambda a: a[0, 1] * pa.ones(2),
    "an element with another": lambda a: a[0, 1] / a[1, 0],
    "elements summed": lambda a: sum(a[0]),
    "a row": lambda a: a[0],
    "as an array": lambda a: a.detach(),
    "rows": lambda a: [row * 2 for row in a],
    "item": lambda a: (a[0, 1].item(), a.sum().item()),
    "std": lambda a: a.std(),
    "a function of an element": lambda a: pa.where(a > 0, a[0, 0], 0.5),
    "in a new tensor": lambda a: pa.tensor([a[0, 0], a[1, 1]]),
    "stored": lambda a: {"first": [a[0, 0]]},
}
DTYPES = [np.float64, np.float32, np.int64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_array_is_the_tensor_over_it(name: str, dtype: Any) -> None:
    if dtype is np.int64 and name in ("mean", "std"):
        return
    compiled = pa.compile(FUNCTIONS[name])
    for i in range(1, 5):
        a = np.array([[1, -2, 3], [4, 5, -6]], dtype) * dtype(i)
        assert plainly(compiled(a)) == plainly(FUNCTIONS[name](pa.as_tensor(a)))
    assert len(compiled.programs) == 1


def test_an_array_without_axes_is_a_tensor_too() -> None:
    compiled = pa.compile(lambda a: a * 2)
    for i in range(4):
        assert plainly(compiled(np.array(float(i)))) == plainly(pa.as_tensor(np.array(float(i))) * 2)
    assert len(compiled.programs) == 1


def test_among_values_an_element_is_a_number() -> None:
    w = Value(0.5)

    def step(a: Any, t: Any) -> Value:
        total = Value(0.0)
        for x, y in zip(a, t):
            total = total + (w * x - 2 * y) ** 2
        return total

    compiled = pa.compile(step)
    for i in range(4):
        a, t = np.array([1.0, 2.0]) + i, np.array([1, -1])
        found = compiled(a, t)
        assert isinstance(found, Value)
        assert found.data == step(a, t).data


@pytest.mark.parametrize(
    ("function", "advice"),
    [
        (lambda a: a.astype(np.float32), r"x\.to\(dtype\)"),
        (lambda a: a.copy(), r"x\.clone\(\)"),
        (lambda a: a.byteswap(), "arrives as a Tensor"),
        (lambda a: np.sin(a), r"pyautograd\.sin"),
        (lambda a: np.maximum(a, 0.5), "arrives as a Tensor"),
        (lambda a: np.mean(a), "arrives as a Tensor"),
        (lambda a: np.asarray(a) * 2, "numpy.*outside"),
        (lambda a: np.dot(a, a), r"np\.dot of.*outside"),
        (lambda a: np.linalg.norm(a), r"np\.linalg\.norm of.*outside"),
    ],
)
def test_what_it_would_do_as_an_ndarray_is_refused(function: Callable[[Any], Any], advice: str) -> None:
    refused(pa.compile(function), np.ones(3), match=advice)


def test_an_error_of_the_step_itself_is_not_hidden() -> None:
    def step(a: Any, other: Any) -> Any:
        return a * other.nothing

    with pytest.raises(AttributeError, match="nothing"):
        pa.compile(step)(np.ones(3), "text")


def test_a_step_inside_a_step_has_its_arrays_as_tensors() -> None:
    table = np.array([1.0, 2.0])
    inner = pa.compile(lambda x, a: x * a.mean().reshape(1))
    outer = pa.compile(lambda x: inner(x, table) + 1)
    assert [outer(pa.ones(1, dtype=pa.float64)).tolist() for _ in range(4)] == [[2.5]] * 4
