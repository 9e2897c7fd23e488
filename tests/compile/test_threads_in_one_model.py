"""Threads that share a model get what some order of their calls gives, or an error that names the other thread."""

from collections.abc import Callable
from typing import Any

import pytest
from threads import in_threads

import pyautograd as pa
from pyautograd import nn, optim

CALLS = 60


class Counter:
    """A model in which each step adds one to every weight, and finds how many steps there were before it."""

    def __init__(self, size: int) -> None:
        self.parameters = [nn.Parameter(pa.zeros(size)), nn.Parameter(pa.zeros(3))]
        self.optimizer = optim.SGD(self.parameters, lr=1.0)

    def step(self, x: pa.Tensor) -> Any:
        self.optimizer.zero_grad()
        before = [p.detach() + 0.0 for p in self.parameters]
        loss = -sum((p * x).sum() for p in self.parameters)
        loss.backward()
        self.optimizer.step()
        return before[0].min(), before[0].max(), before[1].max()


def by_calls(step: Callable[..., Any]) -> Callable[[], list[Any]]:
    def work() -> list[Any]:
        found: list[Any] = []
        for _ in range(CALLS):
            try:
                found.append([each.item() for each in step(pa.ones(1))])
            except RuntimeError as error:
                found.append(error)
        return found

    return work


SIZES = pytest.mark.parametrize("size", [8, 200_000], ids=["small", "large enough to release the GIL"])
STEPS = pytest.mark.parametrize("steps", ["one step", "a step each"])


def compiled(model: Counter, steps: str) -> list[Callable[..., Any]]:
    return [pa.compile(model.step)] * 3 if steps == "one step" else [pa.compile(model.step) for _ in range(3)]


@SIZES
@STEPS
def test_calls_of_programs_are_whole_and_in_some_order(size: int, steps: str) -> None:
    model = Counter(size)
    made: list[Any] = compiled(model, steps)
    before = 0
    while not all(step.programs for step in made):
        for step in made:
            step(pa.ones(1))
            before += 1
    results = [each for found in in_threads(*map(by_calls, made)) for each in found]
    for each in results:
        assert not isinstance(each, Exception) or "another thread" in str(each)
    seen = sorted(each for each in results if not isinstance(each, Exception))
    done = before + len(seen)
    assert seen == [[float(n)] * 3 for n in range(before, done)]
    assert all(set(p.tolist()) == {done} for p in model.parameters)
    assert [each.item() for each in made[0](pa.ones(1))] == [done] * 3


@SIZES
@STEPS
def test_first_calls_go_op_by_op_as_pythons_and_tear_no_weights(size: int, steps: str) -> None:
    model = Counter(size)
    made = compiled(model, steps)
    for found in in_threads(*map(by_calls, made)):
        for each in found:
            assert not isinstance(each, Exception) or "thread" in str(each) or "modified in place" in str(each)
    stands = [set(p.tolist()) for p in model.parameters]
    assert all(len(numbers) == 1 for numbers in stands)
    for step in made:
        step(pa.ones(1))
    assert [set(p.tolist()) for p in model.parameters] == [{number + 3 for number in numbers} for numbers in stands]
