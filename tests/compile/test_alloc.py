"""Every allocation of recording, compiling, replaying and running fails in turn: MemoryError, no leak, and a model that
has made the whole step or nothing of it; then the step goes on as if nothing had been."""

import gc
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from failing_allocations import MOST, alive, assert_alive
from functions import Cube
from trainings import training_step

import pyautograd as pa
from pyautograd import nn
from pyautograd._c import lib
from pyautograd.scalar import MLP, Value

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
Y = np.array([0, 1, 1, 0, 1, 0, 0, 1])


class OfModel:
    """A step that trains a model."""

    model: nn.Module

    def numbers(self) -> list[float]:
        return [number for p in self.model.parameters() for number in p.detach().numpy().ravel().tolist()]


class OfTensors(OfModel):
    """A step over Tensors."""

    rows = (8, 8, 8, 8)  # of each call
    dynamic_batch = False

    def __init__(self) -> None:
        pa.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(0.2), nn.Linear(5, 2))
        self.optimizer = pa.optim.Adam(self.model.parameters(), lr=0.1)
        step = training_step(self.model, self.optimizer)
        self.step: Callable[..., Any] = pa.compile(step, dynamic_batch=self.dynamic_batch)
        self.data = [(pa.tensor(np.tile(X, (3, 1))[:n]), pa.tensor(np.tile(Y, 3)[:n])) for n in self.rows]


class OfParts(OfModel):
    """An eager step over a compiled model, called twice, and a compiled criterion."""

    def __init__(self) -> None:
        pa.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, 2))
        self.model[1].register_full_backward_hook(lambda m, given, upstream: (given[0] * 2,))
        self.optimizer = optimizer = pa.optim.SGD(self.model.parameters(), lr=0.1)
        model, criterion = pa.compile(self.model), pa.compile(nn.CrossEntropyLoss())

        def step(x: pa.Tensor, y: pa.Tensor) -> pa.Tensor:
            optimizer.zero_grad()
            loss = criterion(model(x) + 0.5 * model(-x), y)
            loss.backward()
            optimizer.step()
            return loss

        self.step: Callable[..., Any] = step
        self.data = [(pa.tensor(X), pa.tensor(Y))] * 4


class OfPython(OfModel):
    """A step with a Function, a host call, and hooks."""

    def __init__(self) -> None:
        pa.manual_seed(1)
        self.model = pa.nn.Linear(3, 2)
        self.model.weight.register_hook(lambda g: g * 0.5)
        model = self.model
        optimizer = pa.optim.SGD(model.parameters(), lr=0.01)

        @pa.compile
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            h = model(x)
            h.register_hook(lambda g: g * 2)
            loss = (Cube.apply(h).sum(1) - pa.host_call(lambda t: t.numpy() * 2.0, y)).mean()
            loss.backward()
            pa.host_call(lambda t: None, loss)
            optimizer.step()
            return loss

        self.step: Callable[..., Any] = step
        self.data = [(pa.tensor(X), pa.tensor(Y))] * 4


class OfBatches(OfTensors):
    """The same, with another number of rows in each call."""

    rows = (5, 8, 4, 24)
    dynamic_batch = True


class OfValues:
    """A step over Values."""

    def __init__(self) -> None:
        random.seed(1)
        self.model = MLP(3, [2, 1])
        model = self.model
        optimizer = pa.optim.Adam(model.parameters(), lr=0.01)

        @pa.compile
        def step(x: Any, y: Any) -> Value:
            loss: Any = sum((model(list(map(Value, row))) - target) ** 2 for row, target in zip(x, y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        self.step: Callable[..., Any] = step
        self.data = [(X[:2].astype(np.float64), Y[:2])] * 4

    def numbers(self) -> list[float]:
        return [p.data for p in self.model.parameters()]


def trajectory(kind: type) -> list[list[float]]:
    """The model's numbers before and after each of the first steps."""
    training = kind()
    found = [training.numbers()]
    for i in range(4):
        pa.manual_seed(i)
        training.step(*training.data[i])
        found.append(training.numbers())
    return found


def with_failure(kind: type, number: int, wanted: list[list[float]]) -> tuple[bool, bool]:
    """Four steps, during which allocation `number` fails: was it reached, and did a step raise?"""
    training = kind()
    made, raised = 0, False
    lib.pa_memory_fail_after(number)
    while made < 4:
        pa.manual_seed(made)
        try:
            training.step(*training.data[made])
            made += 1
        except MemoryError:
            raised = True
            assert training.numbers() in (wanted[made], wanted[made + 1]), number
            made += training.numbers() == wanted[made + 1]
    reached = lib.pa_memory_fail_left() < 0
    lib.pa_memory_fail_after(-1)
    np.testing.assert_array_equal(training.numbers(), wanted[4])
    return reached, raised


@pytest.mark.parametrize("kind", [OfTensors, OfBatches, OfParts, OfPython, OfValues])
def test_a_step_that_runs_out_of_memory_was_made_whole_or_not_at_all(kind: type) -> None:
    wanted = trajectory(kind)
    gc.collect()
    gc.freeze()  # so that each collection looks at what the steps have made, and not at all that was imported
    before = alive()
    failed = 0
    try:
        for number in range(MOST):
            reached, raised = with_failure(kind, number, wanted)
            failed += raised
            gc.collect()
            assert_alive(before, number)
            if not reached:
                break
    finally:
        lib.pa_memory_fail_after(-1)
        gc.unfreeze()
    assert not reached
    assert failed > 50
