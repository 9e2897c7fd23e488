"""Compiled steps over Values, with small tensors on the way, have the eager bits."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd.scalar import MLP, Value

from .training import alike

WEIGHTS = pa.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=pa.float64)


def square(v: list[Value]) -> Any:
    """The Values as a matrix."""
    return pa.stack(v).reshape(2, 2)


LOSSES: dict[str, Callable[[list[Value]], Any]] = {
    "sum": lambda v: pa.stack(v).sum(),
    "sum over rows": lambda v: (square(v).sum(0) * WEIGHTS[0]).sum(),
    "sum kept": lambda v: (square(v).sum(1, keepdim=True) * WEIGHTS).sum(),
    "mean": lambda v: (pa.stack(v) * 2).mean(),
    "mean over columns": lambda v: (square(v).mean(1) * v[0]).sum(),
    "cat": lambda v: (pa.cat([pa.stack(v[:3]), pa.stack(v[2:])]) ** 2).sum(),
    "cat along the second axis": lambda v: (pa.cat([square(v), WEIGHTS], 1) * v[1]).sum(),
    "broadcast": lambda v: (square(v) * WEIGHTS[:, :1] + WEIGHTS[0]).sum(),
    "transposed": lambda v: (square(v).T * WEIGHTS).tanh().sum(),
    "cast": lambda v: (pa.stack(v).to(pa.float64, copy=True) * v[3]).sum(),
    "chosen": lambda v: pa.where(WEIGHTS > 0, square(v), v[0]).sum(),
    "compared": lambda v: ((square(v) > 0).to(pa.float64) * square(v)).mean(),
    "detached": lambda v: (pa.stack(v).detach() * pa.stack(v)).sum(),
    "sum of nothing": lambda v: pa.stack(v)[:0].sum() + v[0],
}


@pytest.mark.parametrize("name", LOSSES)
def test_steps_through_small_tensors_have_the_eager_bits(name: str) -> None:
    loss_of = LOSSES[name]

    def run(values: list[Value], steps: int, compiled: bool) -> list[float]:
        def step() -> Any:
            for v in values:
                v.grad = 0
            loss = loss_of(values)
            loss.backward()
            for v in values:
                v.data -= 0.125 * v.grad
            return loss

        if compiled:
            step = pa.compile(step)
        return [float(step().item()) for _ in range(steps)]

    eager, replayed = ([Value(x) for x in (0.5, -1.5, 2.0, 1.25)] for _ in range(2))
    assert run(eager, 4, False) == run(replayed, 4, True)
    assert [(v.data, v.grad) for v in eager] == [(v.data, v.grad) for v in replayed]
    assert any(v.grad != 0 for v in eager)


def test_gradients_that_a_step_does_not_clear_add_up() -> None:
    v, w = Value(2.0), Value(2.0)

    @pa.compile
    def step() -> Any:
        loss = (v * v).tanh()
        loss.backward()
        return loss

    for _ in range(4):
        step()
        (w * w).tanh().backward()
        assert v.grad == w.grad


def test_columns_of_data_go_in_as_arguments() -> None:
    def act(wrap: Any) -> Any:
        random.seed(2)
        model = MLP(2, [3, 1])

        @wrap
        def step(x: Any, y: Any) -> Any:
            model.zero_grad()
            loss = sum(((model(list(map(Value, row))) - target) ** 2 for row, target in zip(x, y)), Value(0.0))
            loss.backward()
            for p in model.parameters():
                p.data -= 0.05 * p.grad
            return loss

        x, y = np.linspace(-1, 1, 8).reshape(4, 2), np.array([0.0, 1.0, 1.0, 0.0])
        return [step(x, y).data for _ in range(4)], [p.data for p in model.parameters()]

    alike(act)


def test_the_loop_of_micrograds_demo_trains_as_it_does_plainly() -> None:
    def make(compiled: bool) -> tuple[Any, MLP]:
        random.seed(5)
        model = MLP(2, [4, 1])

        def step(X: Any, y: Any, lr: float) -> Any:
            scores = [model([Value(a) for a in row]) for row in X]
            losses = [(1 + -yi * score).relu() for yi, score in zip(y, scores, strict=True)]
            loss = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in model.parameters())
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= lr * p.grad
            accuracy = [(yi > 0) == (score.data > 0) for yi, score in zip(y, scores, strict=True)]
            return loss, sum(accuracy) / len(accuracy)

        return (pa.compile(step) if compiled else step), model

    plain, model = make(False)
    compiled, other = make(True)
    generator = np.random.default_rng(0)
    for i in range(8):
        X, y = generator.normal(size=(6, 2)), generator.choice([-1, 1], 6)
        lr = 1.0 - 0.1 * i
        expected, found = plain(X, y, lr), compiled(X, y, lr)
        assert found[0].data == pytest.approx(expected[0].data, rel=1e-12)
        assert found[1] == pytest.approx(expected[1])
    assert [p.data for p in other.parameters()] == pytest.approx([p.data for p in model.parameters()], rel=1e-12)
    assert len(compiled.programs) == 1
