"""Shapes of more elements than an int64 counts: views that take no memory, empty tensors, steps beyond every axis."""

from collections.abc import Callable

import pytest

import pyautograd as pa
from pyautograd import Tensor

HUGE = 2**62

BEYOND: dict[str, Callable[[], Tensor]] = {
    "zeros": lambda: pa.zeros(2**32, 2**32),
    "zeros of none": lambda: pa.zeros(HUGE, 0, 4),
    "expand": lambda: pa.ones(1).expand(2**32, 2**32),
    "expand of none": lambda: pa.zeros(1, 0).expand(HUGE, HUGE, 0),
    "expand to bytes beyond int64": lambda: pa.ones(1, dtype=pa.float64).expand(2**61),
    "reshape of none": lambda: pa.zeros(0).reshape(0, HUGE, 4),
    "cat of none": lambda: pa.cat([pa.zeros(1, 0).expand(2**56, 0)] * 128),
}


@pytest.mark.parametrize("make", BEYOND.values(), ids=BEYOND.keys())
def test_a_shape_that_cannot_be_counted_is_refused(make: Callable[[], Tensor]) -> None:
    with pytest.raises(MemoryError, match="out of memory asking for"):
        make()


def test_a_gradient_that_cannot_be_had_is_refused() -> None:
    x = pa.ones(1, dtype=pa.float64, requires_grad=True)
    wide = x.expand(2**55)
    assert wide[2**54 :: 2**53].tolist() == [1.0, 1.0]
    with pytest.raises(MemoryError):
        wide[:3].sum().backward()


@pytest.mark.parametrize("step", [5, 6, HUGE, 2**63 - 1])
def test_a_step_beyond_an_axis_leaves_one_element(step: int) -> None:
    x = pa.arange(10.0, requires_grad=True)
    matrix = x.reshape(5, 2)
    assert matrix[1::step].tolist() == [[2.0, 3.0]]
    assert matrix.unfold(0, 2, step).tolist() == [[[0.0, 2.0], [1.0, 3.0]]]
    matrix[3::step, ::step].sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0] * 6 + [1.0] + [0.0] * 3


def test_an_empty_reshape_has_the_strides_of_an_empty_array() -> None:
    assert pa.zeros(0, 6).reshape(0, 2, 3).stride() == pa.zeros(0, 2, 3).stride() == (6, 3, 1)
