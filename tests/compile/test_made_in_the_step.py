"""Tensors that a step makes itself out of numbers, and writes to: each call makes them anew, as the plain step does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, TraceError


def full(x: Tensor) -> Tensor:
    return pa.full((2, 3), x.sum()) + pa.full_like(x, 2.0)[:1]


def filled(x: Tensor) -> Tensor:
    return pa.zeros(3).fill_(x.sum()).add_(1)


def copied(x: Tensor) -> Tensor:
    return pa.empty(2, 3).copy_(x)


def copied_twice(x: Tensor) -> Tensor:
    made = pa.empty(3).copy_(x)
    made.copy_(made * x)
    return made


def through_data(x: Tensor) -> Tensor:
    made = pa.empty(3)
    made.data.copy_(x)
    return made


def through_a_view(x: Tensor) -> Tensor:
    made = pa.ones(4, 3)
    made.T[:, 1].copy_(x)
    return made


def element_by_element(x: Tensor) -> Tensor:
    made = pa.zeros(3)
    for i in range(3):
        made[i] = x[i] * i
    return made


def beside_what_it_was(x: Tensor) -> Tensor:
    made = pa.arange(3.0)
    before = made + x
    made[0] = x[0]
    return before + made


def counted(x: Tensor) -> Tensor:
    made = pa.zeros(3)
    for i in range(3):
        made += i
    return made + x


def read_where_it_is_constant(x: Tensor) -> Tensor:
    made = pa.tensor([1.0, 2.0, 3.0])
    y = x * made
    return y * made[1].item() + sum(made.detach().tolist())


STEPS = [full, filled, copied, copied_twice, through_data, through_a_view, element_by_element, beside_what_it_was,
         counted, read_where_it_is_constant]  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_what_a_step_makes_and_writes_is_that_of_the_plain_step(step: Callable[[Tensor], Tensor]) -> None:
    compiled = pa.compile(step)
    for i in range(5):
        x = pa.tensor([1.0 + i, -2.0, 0.5 * i])
        assert compiled(x).tolist() == step(x).tolist()
    assert len(compiled.programs) == 1


KEYS: list[Any] = [
    0, -1, slice(1, 3), (slice(None), 1), (..., 2), (1, slice(0, 2)), [0, 2], np.array([2, 2, 0]), ([0, 1], [2, 0]),
    (slice(None), [1, 0]), (1, [0, 2]), (None, 1), np.array([True, False, True, False]),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_an_assignment_to_a_part_is_that_of_the_plain_step(key: Any) -> None:
    def step(x: Tensor) -> Tensor:
        made = x * 2
        made[key] = x[0, 0]
        made[key] = made[key] + x[key]
        return made

    compiled = pa.compile(step)
    for i in range(4):
        x = pa.arange(12.0).reshape(4, 3) + i
        assert compiled(x).tolist() == step(x).tolist()
    assert len(compiled.programs) == 1


def test_positions_that_are_tensors_are_read_at_each_call() -> None:
    def step(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        made = pa.zeros(4, 3)
        made[rows] = 1.0
        made[rows, columns] = x
        made[:, columns[:1]] = 7
        return made

    compiled = pa.compile(step)
    for i in range(4):
        arguments = pa.tensor([1.0 + i, 2.0]), pa.tensor([i % 4, -1]), pa.tensor([0, i % 3])
        assert compiled(*arguments).tolist() == step(*arguments).tolist()
    with pytest.raises(IndexError, match="position 4 is out of range at an axis of size 4"):
        compiled(pa.ones(2), pa.tensor([0, 4]), pa.tensor([0, 0]))


def test_a_mask_decides_at_each_call_where_a_number_is_written() -> None:
    def step(x: Tensor) -> Tensor:
        made = x.clone()
        made[x > 1] = 0.0
        made[x[:, 0] > 0] = x.sum(0)
        made[x == 0] = x[0, 1]
        return made

    compiled = pa.compile(step)
    for i in range(4):
        x = pa.tensor(np.random.default_rng(i).integers(-1, 3, (4, 3)).astype(np.float32))
        assert compiled(x).tolist() == step(x).tolist()


def test_a_value_for_each_element_that_a_mask_picks_is_refused() -> None:
    def step(x: Tensor) -> Tensor:
        made = x.clone()
        made[x > 1] = pa.tensor([1.0, 2.0])
        return made

    with pytest.raises(TraceError, match=r"setitem.*where\("):
        pa.compile(step)(pa.arange(4.0))


def test_a_write_through_an_array_over_what_the_step_made_is_refused() -> None:
    def step(x: Tensor) -> Tensor:
        made = pa.zeros(3)
        array = made.numpy()
        y = x + made
        array[0] = 5.0
        return y + made

    with pytest.raises(TraceError, match="array over its memory"):
        pa.compile(step)(pa.ones(3))


def test_an_array_may_be_filled_before_the_step_uses_it() -> None:
    def step(x: Tensor) -> Tensor:
        made = pa.zeros(3)
        made.numpy()[0] = 5.0
        return x + made

    compiled = pa.compile(step)
    assert [compiled(pa.ones(3)).tolist() for _ in range(4)] == [[6.0, 1.0, 1.0]] * 4
