"""After `p.grad = t` the two are one tensor in a compiled step as in the plain one, in it and after it; gradients that
are found, cleared, scaled and handed on are what the plain call makes of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, TraceError, nn
from pyautograd.nn import functional as F

from .training import numbers


class World:
    """Two parameters, two tensors of the first one's shape, an optimiser."""

    def __init__(self) -> None:
        self.a = pa.tensor([[0.5, -0.3, 0.2], [0.1, 0.7, -1.0]], requires_grad=True)
        self.b = pa.tensor([0.3, -0.2], requires_grad=True)
        self.t, self.u = pa.full((2, 3), 0.25), pa.zeros(2, 3)
        self.optimizer = pa.optim.SGD([self.a, self.b], lr=0.1, momentum=0.5)

    @property
    def parameters(self) -> list[Tensor]:
        return [self.a, self.b]

    def backward(self, x: Tensor) -> None:
        F.linear(x, self.a, self.b).tanh().square().mean().backward()

    def tensors(self, x: Tensor) -> list[Tensor | None]:
        named = [self.a, self.b, self.t, self.u, x]
        return [*named, *(each.grad for each in named)]


Step = Callable[[World, Tensor], Any]


def a_captured_tensor(w: World, x: Tensor) -> Any:
    w.a.grad = w.t
    w.t.mul_(0.5)
    w.backward(x)
    w.t.add_(1.0)
    w.a.grad.add_(0.5)
    return w.t.sum(), w.a.grad.sum()


def an_argument(w: World, x: Tensor) -> Any:
    w.a.grad = x
    w.backward(x * 2)
    return x.sum()


def a_tensor_made_in_the_step(w: World, x: Tensor) -> Any:
    made = w.t * x.sum()
    w.a.grad = made
    made.mul_(2.0)
    w.backward(x)
    return made.sum()


def a_constant(w: World, x: Tensor) -> Any:
    w.a.grad = pa.ones(2, 3)
    w.backward(x)
    return w.a.grad.sum()


def of_two_tensors(w: World, x: Tensor) -> Any:
    made = w.t * x.sum()
    w.a.grad = w.u.grad = made
    w.backward(x)
    w.u.grad.mul_(0.5)


def handed_on(w: World, x: Tensor) -> Any:
    w.backward(x)
    w.u.grad, w.a.grad = w.a.grad, None


def handed_on_as_found(w: World, x: Tensor) -> Any:
    w.u.grad, w.a.grad = w.a.grad, None
    w.backward(x)


def shared(w: World, x: Tensor) -> Any:
    w.backward(x)
    w.u.grad = w.a.grad
    w.a.grad.mul_(0.5)


def exchanged(w: World, x: Tensor) -> Any:
    w.backward(x)
    w.u.grad, w.a.grad = w.a.grad, w.u.grad


def in_place_through_the_attribute(w: World, x: Tensor) -> Any:
    w.optimizer.zero_grad()
    w.backward(x)
    for p in w.parameters:
        p.grad.add_(p.data, alpha=0.1)
        p.grad.data.clamp_(-0.1, 0.1)
        p.grad /= 2
        p.grad.mul_(3.0)
        p.grad = p.grad + 0.1 * p.detach()
    w.optimizer.step()


def zeroed_where_there_is_one(w: World, x: Tensor) -> Any:
    for p in w.parameters:
        if p.grad is not None:
            p.grad.detach_()
            p.grad.zero_()
    w.backward(x)
    w.optimizer.step()


def summed_over_calls(w: World, x: Tensor) -> Any:
    before = 0.0 if w.a.grad is None else w.a.grad.sum()
    w.backward(x)
    return before, nn.utils.clip_grad_norm_(w.parameters, 0.3) * 2


def cleared_at_the_end(w: World, x: Tensor) -> Any:
    w.backward(x)
    w.optimizer.step()
    w.optimizer.zero_grad()
    w.b.grad = pa.zeros(2)


def smoothed(w: World, x: Tensor) -> Any:
    w.optimizer.zero_grad()
    w.backward(x)
    w.u.mul_(0.9).add_(w.a.grad, alpha=0.1)
    w.a.grad.copy_(w.u)
    w.optimizer.step()
    return w.u.norm()


def a_view_of_a_tensor(w: World, x: Tensor) -> Any:
    w.a.grad = w.t.detach()
    w.backward(x)
    w.t.mul_(0.5)
    return w.a.grad.sum()


def read_as_found(w: World, x: Tensor) -> Any:
    before = [p.grad * 2 for p in w.parameters if p.grad is not None]
    w.a.grad = w.t
    w.t.add_(x)
    return before


def of_a_leaf_made_in_the_step(w: World, x: Tensor) -> Any:
    made = x.clone().requires_grad_()
    made.grad = w.t
    (made * w.a.detach()).sum().backward()


STEPS = [
    of_a_leaf_made_in_the_step,
    a_view_of_a_tensor, read_as_found, a_captured_tensor, an_argument, a_tensor_made_in_the_step, a_constant,
    of_two_tensors, handed_on, handed_on_as_found, shared, exchanged, in_place_through_the_attribute,
    zeroed_where_there_is_one, summed_over_calls, cleared_at_the_end, smoothed,
]  # fmt: skip


def who_is_who(tensors: list[Tensor | None]) -> list[tuple[int, int]]:
    return [(i, k) for i, a in enumerate(tensors) for k, b in enumerate(tensors[:i]) if a is not None and a is b]


def course(function: Step, compiled: bool) -> list[tuple[list[Any], Any]]:
    """After each of several calls: all numbers, and which places hold the same tensor."""
    w = World()

    def step(x: Tensor) -> Any:
        return function(w, x)

    called: Any = pa.compile(step) if compiled else step
    found = []
    for i in range(8):
        x = pa.tensor(np.linspace(-1, 0.5 * i, 6, dtype=np.float32).reshape(2, 3))
        if i == 4:
            w.a.grad, w.b.grad = pa.ones(2, 3), None
        if i == 6:
            w.u.grad = w.a.grad
        result = called(x)
        found.append((numbers(result) + numbers(w.tensors(x)), who_is_who(w.tensors(x))))
    return found


@pytest.mark.parametrize("function", STEPS, ids=lambda function: function.__name__)
def test_a_compiled_step_is_the_plain_one(function: Step) -> None:
    for i, (wanted, found) in enumerate(zip(course(function, False), course(function, True), strict=True)):
        assert wanted[1] == found[1], f"call {i}"
        for a, b in zip(wanted[0], found[0], strict=True):
            assert a == b or np.allclose(a, b, rtol=1e-5, atol=1e-6), f"call {i}: {a} and {b}"


@pytest.mark.parametrize("name", ["left", "found", "assigned"])
def test_a_gradient_that_is_returned_is_the_gradient_itself(name: str) -> None:
    plain, replayed = World(), World()

    def step(w: World, x: Tensor) -> Any:
        if name == "found":
            found = w.a.grad
            w.a.grad = None
            w.backward(x)
            return found, w.b.grad
        if name == "assigned":
            w.a.grad = made = w.t * x
            w.backward(x)
            return made, w.b.grad
        w.optimizer.zero_grad()
        w.backward(x)
        return w.a.grad, w.b.grad

    compiled = pa.compile(lambda x: step(replayed, x))
    kept: list[list[Any]] = [[], []]
    for i in range(6):
        x = pa.tensor(np.linspace(-1, 0.5 * i, 6, dtype=np.float32).reshape(2, 3))
        for w, call, results in ((plain, lambda x: step(plain, x), kept[0]), (replayed, compiled, kept[1])):
            before = w.a.grad
            result = call(x)
            assert result[1] is w.b.grad
            assert result[0] is (before if name == "found" else w.a.grad)
            results.append(result)
    for wanted, found in zip(numbers(kept[0]), numbers(kept[1]), strict=True):
        assert wanted is found or np.allclose(wanted, found, rtol=1e-5, atol=1e-6)


def test_a_part_of_a_tensor_as_gradient_is_refused() -> None:
    w = pa.ones(2, requires_grad=True)

    @pa.compile
    def step(x: Tensor) -> None:
        w.grad = x[1:3]
        w.sum().backward()

    with pytest.raises(TraceError, match="clone"):
        for _ in range(2):
            step(pa.ones(4))


def test_run_refuses_what_it_cannot_repeat_or_does_it_call_by_call() -> None:
    plain, compiled = World(), World()
    x = pa.tensor(np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3))

    def step(w: World, x: Tensor) -> Tensor:
        w.a.grad = w.t
        w.backward(x)
        w.optimizer.step()
        return w.t.sum()

    wanted = [step(plain, x[i : i + 2]).item() for _ in range(2) for i in range(0, 8, 2)]
    losses = pa.compile(lambda x: step(compiled, x)).run(x, batch_size=2, epochs=2, shuffle=False)
    assert np.allclose(losses, wanted, rtol=1e-5)
    assert compiled.a.grad is compiled.t and np.allclose(compiled.a.tolist(), plain.a.tolist(), rtol=1e-5)


def test_a_write_into_an_argument_is_seen_by_a_backward_outside() -> None:
    w = pa.ones(2, requires_grad=True)
    step = pa.compile(lambda x: x.mul_(2.0) * 1)
    for _ in range(4):
        x = pa.ones(2)
        loss = (w * x).sum()
        step(x)
        with pytest.raises(RuntimeError, match="modified in place"):
            loss.backward()
