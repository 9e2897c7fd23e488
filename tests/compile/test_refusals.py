"""A step that a program could not repeat is refused, with a TraceError that says what to write instead."""

import itertools
import queue
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd
from pyautograd import Tensor, TraceError, Value, nn
from pyautograd.optim.lr_scheduler import StepLR

from .training import Training, batches, refused

counter = 0  # globals that steps change
kept: list[Any] = []


def _if(x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


def _while(x: Tensor) -> Tensor:
    while x.norm() > 1:
        x = x / 2
    return x


@pytest.mark.parametrize(
    "function",
    [
        _if,
        _while,
        lambda x: x * float(x.sum()),
        lambda x: x * int(x.sum()),
        lambda x: x * pyautograd.tensor(np.mean(x.detach().numpy())),
        lambda x: np.asarray(x.detach()),
        lambda x: repr(x),
        lambda x: f"{x.sum():.3f}",
        lambda x: max(x[0], x[1]),
        lambda x: x[0] in [1.0, 2.0],
        lambda x: [0.0, 1.0][int(x[0] > 0)],
    ],
)
def test_what_needs_an_actual_number_is_refused(function: Callable[[Tensor], Any]) -> None:
    refused(pyautograd.compile(function), pyautograd.tensor([1.0, 2.0]))


def test_methods_of_floats_name_what_gives_python_the_number() -> None:
    step = pyautograd.compile(lambda x, lr: x * lr if lr.is_integer() else x)
    with pytest.raises(TraceError, match=r"float\(x\)\.is_integer"):
        step(pyautograd.ones(1), 0.5)
    step = pyautograd.compile(lambda x, lr: x * lr if float(lr).is_integer() else x)
    assert [step(pyautograd.ones(1), lr).item() for lr in (0.5, 2.0, 3.0) * 3] == [1.0, 2.0, 3.0] * 3


def test_the_rest_of_a_float_argument_is_of_its_number() -> None:
    def split(x: Tensor, lr: float) -> Tensor:
        return x * (lr % 0.75) + 5.0 // lr + sum(divmod(lr, 0.5))

    step, x = pyautograd.compile(split), pyautograd.ones(1)
    for lr in (0.5, 2.0, 3.25) * 3:
        assert step(x, lr).item() == split(x, lr).item()


@pytest.mark.parametrize(
    "function",
    [
        lambda v: v if v.data > 0 else -v,
        lambda v: v * float(v.data),
        lambda v: str(v),
        lambda v: v + int(v.data),
        lambda v: f"{v.grad:.2f}",
    ],
)
def test_what_needs_the_number_of_a_value_is_refused(function: Callable[[Value], Any]) -> None:
    refused(pyautograd.compile(function), Value(2.0))


def test_the_refusal_says_what_to_write_instead() -> None:
    text = refused(pyautograd.compile(_if), pyautograd.ones(2))
    assert "where" in text
    assert issubclass(TraceError, RuntimeError)


def test_a_refusal_that_the_step_catches_stands() -> None:
    def step(x: Tensor) -> Tensor:
        try:
            factor = float(x.sum())
        except RuntimeError:
            factor = 0.0
        return x * factor

    refused(pyautograd.compile(step), pyautograd.ones(1), match="caught")


def test_after_a_refusal_the_plain_function_still_runs() -> None:
    refused(pyautograd.compile(_if), pyautograd.ones(2))
    assert _if(-pyautograd.ones(2)).tolist() == [1.0, 1.0]


def test_a_backward_written_in_python_is_refused() -> None:
    w = Value(2.0)

    def step(v: Value) -> Value:
        out = v * w

        def backward() -> None:
            w.grad += 1.0

        out._backward = backward
        out.backward()
        return out

    refused(pyautograd.compile(step), Value(1.0), match="_backward")


def test_hidden_state_of_a_module_that_the_step_changes_is_refused() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x * self.calls

    model = Counting()
    refused(pyautograd.compile(lambda x: model(x)), pyautograd.ones(2), match=r"model\.calls")


@pytest.mark.parametrize(
    "kind", ["global", "nonlocal", "list", "deque", "dict", "attribute", "new attribute", "setattr"]
)
def test_a_count_kept_by_the_step_is_refused(kind: str) -> None:
    count, members, table, recent = 0, [0], {"n": 0}, deque([1, 2, 3], maxlen=3)

    class Holder:
        n = 0

    holder = Holder()

    def step(x: Tensor) -> Tensor:
        global counter
        nonlocal count
        if kind == "global":
            counter += 1
        elif kind == "nonlocal":
            count += 1
        elif kind == "list":
            members.append(members[-1] + 1)
        elif kind == "deque":
            recent.append(recent[-1] + 1)
        elif kind == "dict":
            table["n"] += 1
        elif kind == "attribute":
            holder.n += 1
        elif kind == "new attribute":
            holder.m = [x.shape]  # type: ignore[attr-defined]
        else:
            setattr(holder, "k" + "", [x.shape])
        return x * 2

    names = {"global": "counter", "nonlocal": "count", "list": "members", "deque": "recent", "dict": r"table\['n'\]"}
    refused(pyautograd.compile(step), pyautograd.ones(2), match=f"changes {names.get(kind, 'holder')}")


def test_a_schedule_inside_the_step_is_refused() -> None:
    training = Training(compiled=False)
    schedule = StepLR(training.optimizer, 1)
    training.step(*batches(1)[0])

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss: Tensor = training.step(x, y)
        schedule.step()
        return loss

    refused(pyautograd.compile(step), *batches(1)[0], match=r"StepLR\.step\(\)")


def test_options_that_the_step_changes_itself_are_refused() -> None:
    training = Training(compiled=False)

    def step(x: Tensor, y: Tensor) -> Tensor:
        training.optimizer.param_groups[0]["lr"] *= 0.5
        loss: Tensor = training.step(x, y)
        return loss

    refused(pyautograd.compile(step), *batches(1)[0], match="'lr'")


def test_tensors_kept_by_the_step_are_refused() -> None:
    class Box:
        def put(self, tensor: Tensor) -> None:
            kept[0].append(tensor)

    kept.append([])
    box = Box()
    step = pyautograd.compile(lambda x: (box.put(x * 2), x * 3)[1])
    refused(step, pyautograd.ones(1))
    kept.clear()


def test_a_result_put_into_a_queue_is_refused() -> None:
    waiting: queue.Queue[Tensor] = queue.Queue()

    def step(x: Tensor) -> Tensor:
        y = x * 2
        waiting.put(y)
        return y

    refused(pyautograd.compile(step), pyautograd.ones(1), match=r"mul.*return it instead")


def test_a_result_kept_by_the_step_is_refused() -> None:
    class Sly:
        def __setattr__(self, name: str, value: Any) -> None:
            kept_elsewhere.add(value)

    kept_elsewhere: set[Any] = set()
    sly = Sly()

    def step(x: Tensor) -> Tensor:
        y = x * 2
        sly.anything = y
        return y

    refused(pyautograd.compile(step), pyautograd.ones(1))


def test_an_iterator_in_the_closure_is_refused() -> None:
    factors = iter([1.0, 2.0, 3.0])
    refused(pyautograd.compile(lambda x: x * next(factors)), pyautograd.ones(1), match="factors")
    numbers = itertools.count()
    refused(pyautograd.compile(lambda x: x * next(numbers)), pyautograd.ones(1), match="numbers")


def test_too_much_to_guard_is_refused() -> None:
    table = list(range(20_000))
    refused(pyautograd.compile(lambda x: x * table[3]), pyautograd.ones(1), match="table.*argument")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: random.random(),
        lambda: random.choice([1.0, 1.0]),
        lambda: float(np.random.rand() < 2),
        lambda: float(np.random.normal()),
    ],
)
def test_random_numbers_of_python_and_numpy_are_refused(draw: Callable[[], float]) -> None:
    refused(pyautograd.compile(lambda x: x * draw()), pyautograd.ones(1), match="draw")


def test_random_numbers_of_a_generator_are_refused() -> None:
    generator = np.random.default_rng(0)
    refused(pyautograd.compile(lambda x: x * float(generator.integers(1, 3))), pyautograd.ones(1), match="draw")


def test_seeding_inside_a_step_is_refused() -> None:
    def step(x: Any) -> Any:
        pyautograd.manual_seed(0)
        return x + 1

    refused(pyautograd.compile(step), pyautograd.ones(2), match="seed")


def test_two_calls_that_do_different_things_are_refused() -> None:
    step = pyautograd.compile(lambda x: x * time.perf_counter())
    assert "did not do the same" in refused(step, pyautograd.ones(1))


def test_a_constant_result_that_differs_is_refused() -> None:
    refused(pyautograd.compile(lambda x: (x, time.perf_counter())), pyautograd.ones(1), match="returned different")


def test_two_calls_of_different_length_are_refused() -> None:
    count = [0]

    def step(x: Tensor) -> Tensor:
        count[0] += 1
        for _ in range(count[0]):
            x = x * 2
        return x.sum()

    refused(pyautograd.compile(step), pyautograd.ones(2))
