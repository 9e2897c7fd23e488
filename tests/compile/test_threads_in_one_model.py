"""Threads that share a model get what some order of their calls gives, or an error that names the other thread."""

import copy
import types
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
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


def test_a_class_that_another_thread_unpickles_has_not_been_changed_by_the_step() -> None:
    class Scaled(nn.Module):
        scale = np.full(3, 2.0, dtype=np.float32)
        table: ClassVar = {"by": [0.5]}

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)

        @property
        def half(self) -> float:
            return self.table["by"][0]

        @staticmethod
        def doubled(x: Any) -> Any:
            return x * 2.0

        def forward(self, x: Any) -> Any:
            return self.doubled(self.linear(x)) * pa.tensor(self.scale) * self.half

    def again(member: Any) -> Any:
        """As cloudpickle makes a member of a class that it sends by value: an equal one."""
        if isinstance(member, types.FunctionType):
            return types.FunctionType(member.__code__, member.__globals__, member.__name__, None, member.__closure__)
        if isinstance(member, staticmethod):
            return staticmethod(again(member.__func__))
        return property(again(member.fget)) if isinstance(member, property) else copy.deepcopy(member)

    def unpickle() -> None:
        for name in ("scale", "table", "half", "doubled", "forward"):
            setattr(Scaled, name, again(vars(Scaled)[name]))

    model = Scaled()

    @pa.compile
    def step(x: Any) -> Any:
        loss = model(x).square().mean()
        pa.host_call(unpickle)
        return loss

    x = pa.ones(2, 4)
    assert len({step(x).item() for _ in range(4)}) == 1

    def replace() -> None:
        Scaled.scale = Scaled.scale + 1.0

    @pa.compile
    def changing(x: Any) -> Any:
        pa.host_call(replace)
        return model(x).mean()

    changing(x)
    with pytest.raises(pa.TraceError, match=r"changes model\.scale itself"):
        changing(x)
