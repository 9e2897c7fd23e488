"""A step whose optimiser is of another model than its loss warns once; one that rightly applies nothing does not."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from trainings import train

import pyautograd as pa
from pyautograd import nn, optim

X = pa.linspace(-1, 1, 12).reshape(6, 2)
Y = pa.tensor([0, 1, 0, 1, 0, 1])


class Notebook:
    """Cells that make a model, its optimiser and a step, each run again by itself."""

    def __init__(self, kind: Any = optim.Adam) -> None:
        self.net, self.kind = nn.Linear(2, 2), kind
        self.make_optimizer()
        self.step: Any = pa.compile(self.plain)

    def make_optimizer(self) -> None:
        self.o = self.kind(self.net.parameters())

    def plain(self, x: Any, y: Any) -> Any:
        return train(self.net, self.o, x, y)


@pytest.mark.parametrize("kind", [optim.Adam, optim.SGD, optim.Adagrad])
def test_a_model_made_anew_without_its_optimizer_is_told(kind: Any) -> None:
    notebook = Notebook(kind)
    notebook.step.run(X, Y, batch_size=2, epochs=2)
    notebook.net = nn.Linear(2, 2)
    with pytest.warns(UserWarning, match=rf"{kind.__name__}.step\(\) has no gradient .*net\.(bias|weight)") as told:
        notebook.step.run(X, Y, batch_size=2, epochs=2)
        notebook.step(X, Y)
    assert len(told) == 1
    assert told[0].filename == __file__
    notebook.make_optimizer()
    before = notebook.net.weight.tolist()
    notebook.step.run(X, Y, batch_size=2, epochs=2)
    assert notebook.net.weight.tolist() != before


def test_gradients_that_nobody_clears_are_not_taken_for_new_ones() -> None:
    notebook = Notebook()
    notebook.plain(X, Y)
    notebook.net = nn.Linear(2, 2)

    @pa.compile
    def step(x: Any, y: Any) -> Any:
        loss = nn.functional.cross_entropy(notebook.net(x), y)
        loss.backward()
        notebook.o.step()
        return loss

    with pytest.warns(UserWarning, match="has no gradient to apply"):
        step(X, Y)


def accumulates() -> Any:
    net = nn.Linear(2, 2)
    optimizer = optim.SGD(net.parameters())

    @pa.compile
    def gather(x: Any, y: Any) -> Any:
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        return loss

    @pa.compile
    def apply() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return lambda: (gather(X, Y), gather(X, Y), apply())


def applies_later() -> Any:
    net, extra = nn.Linear(2, 2), pa.zeros(2, requires_grad=True)
    optimizer = optim.SGD(net.parameters())

    @pa.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.step()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x + extra), y)
        loss.backward()
        return loss

    return lambda: step(X, Y)


def clears_at_the_end() -> Any:
    net, extra = nn.Linear(2, 2), pa.zeros(2, requires_grad=True)
    optimizer = optim.SGD(net.parameters())

    @pa.compile
    def step(x: Any, y: Any) -> Any:
        loss = nn.functional.cross_entropy(net(x + extra), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return lambda: step(X, Y)


def freezes_a_part() -> Any:
    body, head = nn.Linear(2, 2), nn.Linear(2, 2)
    extra = pa.zeros(2, requires_grad=True)
    body.requires_grad_(False)
    optimizers = [optim.SGD(body.parameters()), optim.Adam(head.parameters())]

    @pa.compile
    def step(x: Any, y: Any) -> Any:
        loss = nn.functional.cross_entropy(head(body(x) + extra), y)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return lambda: step(X, Y)


def uses_one_of_two_optimizers() -> Any:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    optimizers = [optim.SGD(first.parameters()), optim.Adam(second.parameters())]

    @pa.compile
    def step(x: Any, y: Any) -> Any:
        loss = nn.functional.cross_entropy(second(x), y)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss

    return lambda: step(X, Y)


@pytest.mark.parametrize(
    "make", [accumulates, applies_later, clears_at_the_end, freezes_a_part, uses_one_of_two_optimizers]
)
def test_a_step_that_applies_its_gradients_somewhere_is_not(make: Callable[[], Any]) -> None:
    step = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            step()
