"""`run` carries gradients from step to step: what a step adds to, reads or zeroes is what a loop of plain steps has."""

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd
from pyautograd import Tensor, Value, nn, optim
from pyautograd.nn import functional as F

Model = tuple[nn.Module, optim.Optimizer]


def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    return loss


def adds_up(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    loss = loss_of(model, x, y)
    optimizer.step()
    return loss


def none_at_the_end(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    loss = adds_up(model, optimizer, x, y)
    optimizer.zero_grad()
    return loss


def zero_at_the_end(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    loss = adds_up(model, optimizer, x, y)
    optimizer.zero_grad(set_to_none=False)
    return loss


def zeroed_where_there_is_one(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    for p in model.parameters():
        if p.grad is not None:
            p.grad.zero_()
    return adds_up(model, optimizer, x, y)


def decays(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    loss = adds_up(model, optimizer, x, y)
    for p in model.parameters():
        p.grad.mul_(0.5)
    return loss


def moves_on(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    """The gradient of the last step is used, and another tensor takes its place."""
    before = [p.grad.clone() if p.grad is not None else 0.0 for p in model.parameters()]
    optimizer.zero_grad()
    loss = loss_of(model, x, y)
    for p, g in zip(model.parameters(), before, strict=True):
        p.grad = p.grad + 0.9 * g
    optimizer.step()
    return loss


STEPS = [adds_up, none_at_the_end, zero_at_the_end, zeroed_where_there_is_one, decays, moves_on]


class World:
    def __init__(self, step: Callable[..., Tensor], compiled: bool) -> None:
        pyautograd.manual_seed(3)
        self.model = nn.MLP(4, [8, 3])
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.01, momentum=0.5)
        model, optimizer = self.model, self.optimizer
        self.step: Any = lambda x, y: step(model, optimizer, x, y)
        if compiled:
            self.step = pyautograd.compile(self.step)

    def loop(self, x: Tensor, y: Tensor, batch_size: int, epochs: int) -> list[float]:
        starts = [*range(0, len(x), batch_size)] * epochs
        return [self.step(x[i : i + batch_size], y[i : i + batch_size]).item() for i in starts]

    def check_same(self, other: "World") -> None:
        for p, q in zip(self.model.parameters(), other.model.parameters(), strict=True):
            np.testing.assert_allclose(p.tolist(), q.tolist(), rtol=1e-4, atol=1e-6)
            assert (p.grad is None) == (q.grad is None)
            if p.grad is not None:
                np.testing.assert_allclose(p.grad.tolist(), q.grad.tolist(), rtol=1e-4, atol=1e-6)


def data(n: int = 64) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n, 4)).astype(np.float32)
    return pyautograd.tensor(x), pyautograd.tensor(generator.integers(0, 3, n))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("n", [64, 61])
def test_gradients_are_what_a_loop_leaves(step: Callable[..., Tensor], n: int) -> None:
    x, y = data(n)
    plain, compiled = World(step, False), World(step, True)
    for epochs in (3, 1, 2):
        expected = plain.loop(x, y, 8, epochs)
        losses = compiled.step.run(x, y, batch_size=8, epochs=epochs, shuffle=False)
        np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-6)
        compiled.check_same(plain)


@pytest.mark.parametrize("step", STEPS)
def test_steps_with_gradients_of_their_own_run_in_c(step: Callable[..., Tensor]) -> None:
    compiled = World(step, True)
    compiled.step.run(*data(), batch_size=8, epochs=5, shuffle=False)
    program = compiled.step.programs[0]
    assert program.describe()["run"] == "in C"
    assert program.steps_done > 30


@pytest.mark.parametrize("step", STEPS)
def test_callbacks_find_and_change_the_gradients(step: Callable[..., Tensor]) -> None:
    x, y = data()
    plain, compiled = World(step, False), World(step, True)
    seen: list[Any] = []

    def look(world: World) -> Any:
        found = [None if p.grad is None else p.grad.tolist() for p in world.model.parameters()]
        if len(seen) % 2:
            world.optimizer.zero_grad()
        return found

    expected = []
    for _ in range(6):
        plain.loop(x, y, 8, 1)
        expected.append(look(plain))
        seen.append(None)
    seen.clear()
    compiled.step.run(x, y, batch_size=8, epochs=6, shuffle=False, callback=lambda *_: seen.append(look(compiled)))
    for found, wanted in zip(seen, expected, strict=True):
        for a, b in zip(found, wanted, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    compiled.check_same(plain)


def test_the_gradient_tensor_that_was_there_is_added_to_or_left_alone_as_in_a_loop() -> None:
    x, y = data()
    for step in (adds_up, moves_on):
        kept = []
        for world in (World(step, False), World(step, True)):
            for _ in range(4):
                world.step(x[:8], y[:8])
            before = [p.grad for p in world.model.parameters()]
            if hasattr(world.step, "run"):
                world.step.run(x, y, batch_size=8, epochs=2, shuffle=False)
            else:
                world.loop(x, y, 8, 2)
            assert all(
                (p.grad is g) == (step is adds_up) for p, g in zip(world.model.parameters(), before, strict=True)
            )
            kept.append([g.tolist() for g in before])
        for a, b in zip(*kept, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_values_add_up_too() -> None:
    def build(compiled: bool) -> tuple[Any, Value]:
        w = Value(0.5)

        def step(x: Tensor) -> Tensor:
            loss = sum((w * v - 1) ** 2 for v in x)
            loss.backward()
            w.data -= 0.001 * w.grad
            return loss

        return (pyautograd.compile(step) if compiled else step), w

    x = np.linspace(-1, 1, 24)
    plain, w = build(False)
    expected = [plain(x[i : i + 3]).data for _ in range(4) for i in range(0, 24, 3)]
    compiled, v = build(True)
    np.testing.assert_allclose(compiled.run(x, batch_size=3, epochs=4, shuffle=False), expected, rtol=1e-12)
    assert v.data == pytest.approx(w.data, rel=1e-12) and v.grad == pytest.approx(w.grad, rel=1e-12)
    assert compiled.programs[0].steps_done > 20


@pytest.mark.parametrize("step", [adds_up, moves_on])
def test_an_interrupt_leaves_the_gradients_of_whole_steps(step: Callable[..., Tensor]) -> None:
    """A timer's signal, so that it comes while the steps run in C."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        compiled = World(step, True)
        x, y = data()
        compiled.step.run(x, y, batch_size=8, epochs=2, shuffle=False)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            compiled.step.run(x, y, batch_size=8, epochs=10**9, shuffle=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    plain = World(step, False)
    plain.model.load_state_dict(compiled.model.state_dict())
    plain.optimizer.load_state_dict(compiled.optimizer.state_dict())
    for p, q in zip(plain.model.parameters(), compiled.model.parameters(), strict=True):
        p.grad = q.grad.clone()
    expected = plain.loop(x, y, 8, 1)
    np.testing.assert_allclose(compiled.step.run(x, y, batch_size=8, shuffle=False), expected, rtol=1e-3, atol=1e-5)
    compiled.check_same(plain)
