"""Models in threads side by side do not see each other; two threads in one model are told so by an error."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threads import in_threads

import pyautograd
from pyautograd import Tensor, nn, optim
from pyautograd._c import lib


def test_a_thread_that_ends_within_no_grad_is_no_longer_counted() -> None:
    before = lib.pa_grad_disabled_count()
    counted: list[int] = []

    def enter() -> None:
        pyautograd.no_grad().__enter__()
        counted.append(lib.pa_grad_disabled_count())

    in_threads(enter)
    assert counted == [before + 1]
    while lib.pa_grad_disabled_count() != before:  # the system ends a thread a little after Python
        time.sleep(0.001)


def make_model(widths: list[int]) -> tuple[nn.Module, optim.Optimizer, Tensor, Tensor]:
    pyautograd.manual_seed(1)
    model = nn.MLP(widths[0], widths[1:])
    x = pyautograd.randn(256, widths[0])
    y = pyautograd.randint(0, widths[-1], (256,))
    return model, optim.Adam(model.parameters(), lr=1e-3), x, y


def train(setup: tuple[nn.Module, optim.Optimizer, Tensor, Tensor], steps: int) -> list[float]:
    model, optimizer, x, y = setup
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("widths", [[4, 8, 3], [300, 400, 200, 10]], ids=["small", "large enough to release the GIL"])
def test_two_models_train_side_by_side_as_alone(widths: list[int]) -> None:
    steps = 300 if widths[0] < 10 else 6
    alone = train(make_model(widths), steps)
    assert alone[-1] < alone[0]
    setups = [make_model(widths), make_model(widths)]
    together = in_threads(*[lambda setup=setup: train(setup, steps) for setup in setups])
    assert together == [alone, alone]


def test_gradients_are_switched_off_for_one_thread_only() -> None:
    inside, checked = threading.Event(), threading.Event()

    def without() -> bool:
        with pyautograd.no_grad():
            inside.set()
            checked.wait(600)
            return pyautograd.is_grad_enabled()

    def beside() -> bool:
        inside.wait(600)
        enabled = pyautograd.is_grad_enabled()
        checked.set()
        return enabled

    assert in_threads(without, beside) == [False, True]


def test_a_second_thread_in_one_model_is_told_so() -> None:
    """Whoever comes second is refused; the first goes on, and the model is whole afterwards."""
    setup = make_model([300, 400, 200, 10])
    for result in in_threads(lambda: train(setup, 10), lambda: train(setup, 10)):
        if isinstance(result, Exception):
            assert type(result) is RuntimeError
            assert "another thread" in str(result) or "modified in place" in str(result)
    model, optimizer, _, _ = setup
    assert all(np.isfinite(parameter.detach().numpy()).all() for parameter in model.parameters())
    optimizer.zero_grad()
    losses = train(setup, 3)
    assert np.isfinite(losses).all()


class Meanwhile(pyautograd.autograd.Function):
    """The identity, whose backward lets another thread do something first."""

    action: Callable[[], Any]
    outcome: Any

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (Meanwhile.outcome,) = in_threads(Meanwhile.action)
        return gradient


@pytest.mark.parametrize("size", [3, 1500], ids=["short", "long"])
@pytest.mark.parametrize("what", ["backward", "in place"])
def test_what_another_thread_does_in_the_middle_of_a_backward_is_refused(size: int, what: str) -> None:
    weight = pyautograd.ones(size, size, requires_grad=True)
    hidden = weight * 2
    loss = (Meanwhile.apply(hidden) * hidden).sum()

    def write() -> None:
        with pyautograd.no_grad():
            weight.add_(1)

    Meanwhile.action = {"backward": lambda: hidden.sum().backward(), "in place": write}[what]
    loss.backward()
    assert type(Meanwhile.outcome) is RuntimeError, Meanwhile.outcome
    assert "thread" in str(Meanwhile.outcome)
    np.testing.assert_array_equal(weight.grad.numpy(), np.full((size, size), 8.0))
    np.testing.assert_array_equal(weight.detach().numpy(), np.ones((size, size)))
    del Meanwhile.outcome, Meanwhile.action
