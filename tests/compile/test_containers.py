"""Containers of every kind as arguments: one program for all of the same form, and what is stored in them is there."""

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import pyautograd
from pyautograd import Tensor


class Pair(NamedTuple):
    x: Tensor
    scale: float


@dataclasses.dataclass
class Batch:
    x: Tensor
    scale: float = 2.0
    rows: int = 3
    out: Any = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: Tensor
    scale: float = 2.0


@dataclasses.dataclass(slots=True)
class Slotted:
    x: Tensor
    scale: float = 2.0
    out: Any = None


def x(k: int) -> Tensor:
    return pyautograd.full((2,), 1.0 + k)


def by_name(batch: Any) -> Tensor:
    return (batch.x * batch.scale).sum()


def by_key(batch: Any) -> Tensor:
    return (batch["x"] * batch["scale"]).sum()


@pytest.mark.parametrize(
    ("function", "make"),
    [
        (by_name, lambda k: Pair(x(k), 1.0 + k)),
        (by_name, lambda k: Batch(x(k), 1.0 + k)),
        (by_name, lambda k: Frozen(x(k), 1.0 + k)),
        (by_name, lambda k: Slotted(x(k), 1.0 + k)),
        (by_key, lambda k: OrderedDict(x=x(k), scale=1.0 + k)),
        (by_key, lambda k: defaultdict(list, x=x(k), scale=1.0 + k)),
        (lambda all: by_name(all[0]) + by_key(all[1][0]), lambda k: (Batch(x(k)), [{"x": x(k), "scale": 2.0 * k}])),
    ],
)
def test_one_program_serves_all_of_one_form(function: Callable[..., Any], make: Callable[[int], Any]) -> None:
    step = pyautograd.compile(function)
    assert [step(make(k)).item() for k in range(6)] == [function(make(k)).item() for k in range(6)]
    assert len(step.programs) == 1


@pytest.mark.parametrize("make", [Batch, Slotted])
def test_what_is_stored_in_a_dataclass_is_there(make: Callable[..., Any]) -> None:
    def step(batch: Any) -> Tensor:
        batch.out = batch.x * batch.scale
        batch.x = batch.x + 1
        return batch.out.sum()

    compiled = pyautograd.compile(step)
    for k in range(6):
        plain, given = make(x(k), 1.0 + k), make(x(k), 1.0 + k)
        assert step(plain).item() == compiled(given).item()
        assert (plain.x.tolist(), plain.out.tolist()) == (given.x.tolist(), given.out.tolist())
        assert given.scale == 1.0 + k
    assert len(compiled.programs) == 1


def test_what_a_step_stores_in_a_frozen_dataclass_is_there() -> None:
    def step(batch: Frozen) -> Tensor:
        object.__setattr__(batch, "x", batch.x * batch.scale)
        return batch.x.sum()

    compiled = pyautograd.compile(step)
    for k in range(6):
        plain, given = Frozen(x(k), 1.0 + k), Frozen(x(k), 1.0 + k)
        assert step(plain).item() == compiled(given).item()
        assert plain.x.tolist() == given.x.tolist()
    assert len(compiled.programs) == 1


def test_constants_in_a_dataclass_are_the_signature() -> None:
    step = pyautograd.compile(lambda batch: batch.x.sum() * batch.rows)
    for _ in range(3):
        for rows in (1, 2):
            assert step(Batch(x(1), rows=rows)).item() == 4.0 * rows
    assert len(step.programs) == 2
