"""`requires_grad`, `retain_grad` and `autograd.grad` inside a compiled step do what they do in the plain one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor
from pyautograd.autograd import grad
from pyautograd.nn import functional as F

from .training import numbers


class World:
    """Two parameters, a tensor that is none, and a loss over them."""

    def __init__(self) -> None:
        self.a = pa.tensor([[0.5, -0.3, 0.2], [0.1, 0.7, -1.0]], requires_grad=True)
        self.b = pa.tensor([0.3, -0.2], requires_grad=True)
        self.c = pa.tensor([1.0, 2.0])
        self.optimizer = pa.optim.SGD([self.a, self.b], lr=0.1, momentum=0.5)

    def hidden(self, x: Tensor) -> Tensor:
        return F.linear(x, self.a, self.b)

    def loss(self, x: Tensor) -> Tensor:
        return (self.hidden(x).tanh() * self.c).square().mean()

    def numbers(self, x: Tensor) -> list[Any]:
        tensors = [self.a, self.b, self.c, x]
        gradients = [None if each.grad is None else each.grad.tolist() for each in tensors]
        return [*(each.tolist() for each in tensors), *gradients, *(each.requires_grad for each in tensors)]


Step = Callable[[World, Tensor], Any]


def retained(w: World, x: Tensor) -> Any:
    h = w.hidden(x)
    early = h.square().sum()
    early.backward(retain_graph=True)
    h.retain_grad()
    early.retain_grad()
    early.backward(retain_graph=True)
    first = h.grad * 1  # type: ignore[operator]
    early.backward()
    return first, h.grad * 1, early.grad * 1  # type: ignore[operator]


def not_retained(w: World, x: Tensor) -> Any:
    h = w.hidden(x)
    h.sum().backward()
    return h.grad is None


def a_leaf_made_in_the_step(w: World, x: Tensor) -> Any:
    made = pa.zeros(2, requires_grad=True)
    (w.hidden(x) * made).sum().backward()
    pa.nn.utils.clip_grad_norm_([made], 0.1)
    return made.grad * 1  # type: ignore[operator]


def perturbed_along_its_gradient(w: World, x: Tensor) -> Any:
    noise = (x * 0).requires_grad_()
    for _ in range(3):
        w.loss(x + noise).backward()
        with pa.no_grad():
            noise += 0.1 * noise.grad.sign()  # type: ignore[union-attr]
        noise.grad = None
    w.optimizer.zero_grad()
    w.loss(x + noise.detach()).backward()
    w.optimizer.step()
    return noise.detach()


def an_argument(w: World, x: Tensor) -> Any:
    x.requires_grad_()
    w.loss(x).backward()


def an_argument_for_a_while(w: World, x: Tensor) -> Any:
    x.requires_grad = True
    w.loss(x).backward()
    gradient, x.grad, x.requires_grad = x.grad, None, False
    return gradient


def a_parameter_frozen_for_a_while(w: World, x: Tensor) -> Any:
    w.optimizer.zero_grad()
    w.loss(x).backward()
    w.a.requires_grad_(False)
    w.loss(x * 2).backward()
    w.a.requires_grad_(True)
    w.optimizer.step()


def frozen_before_backward(w: World, x: Tensor) -> Any:
    loss = w.loss(x)
    w.a.requires_grad_(False)
    loss.backward()
    w.a.requires_grad_(True)


def asked_for_before_backward(w: World, x: Tensor) -> Any:
    loss = w.loss(x)
    w.c.requires_grad_()
    loss.backward()
    w.c.requires_grad_(False)


def asked_for_a_while(w: World, x: Tensor) -> Any:
    w.c.requires_grad_()
    w.loss(x).backward()
    gradient = w.c.grad
    w.c.grad = None
    w.c.requires_grad_(False)
    return gradient


def gradients_of_parameters(w: World, x: Tensor) -> Any:
    to_a, to_b = grad(w.loss(x), [w.a, w.b])
    with pa.no_grad():
        w.a -= 0.1 * to_a  # type: ignore[operator]
        w.b.sub_(to_b, alpha=0.1)
    return to_a


def gradients_of_results(w: World, x: Tensor) -> Any:
    h = w.hidden(x)
    loss = h.square().sum()
    found = grad(loss, (h, w.a, loss), retain_graph=True)
    loss.backward()
    return found


def gradients_with_upstream(w: World, x: Tensor) -> Any:
    several = grad([w.loss(x), w.a.sum(), w.b], [w.a, w.b], grad_outputs=[None, None, w.c])
    return (*several, *grad(w.hidden(x), w.a, grad_outputs=x[:, :2]))


def gradients_that_are_not_there(w: World, x: Tensor) -> Any:
    found = grad(w.loss(x), [w.a, pa.zeros(2, requires_grad=True)], allow_unused=True)
    return found[0], found[1] is None


def gradients_of_an_input(w: World, x: Tensor) -> Any:
    x = x.clone()
    for _ in range(2):
        x.requires_grad_()
        (found,) = grad(w.loss(x), x)
        x = (x + 0.1 * found.sign()).detach()  # type: ignore[union-attr]
    return x


STEPS = [
    retained, not_retained, a_leaf_made_in_the_step, perturbed_along_its_gradient, an_argument,
    an_argument_for_a_while, a_parameter_frozen_for_a_while, frozen_before_backward, asked_for_before_backward,
    asked_for_a_while, gradients_of_parameters, gradients_of_results, gradients_with_upstream,
    gradients_that_are_not_there, gradients_of_an_input,
]  # fmt: skip


def course(function: Step, compiled: bool) -> list[list[Any]]:
    """All numbers after each of several calls."""
    w = World()

    def step(x: Tensor) -> Any:
        return function(w, x)

    called: Any = pa.compile(step) if compiled else step
    found = []
    for i in range(6):
        x = pa.tensor(np.linspace(-1, 0.5 * i, 6, dtype=np.float32).reshape(2, 3))
        if i == 4:
            w.a.grad, w.b.grad = pa.ones(2, 3), None
        found.append([*numbers(called(x)), *w.numbers(x)])
    return found


@pytest.mark.parametrize("function", STEPS, ids=lambda function: function.__name__)
def test_a_compiled_step_is_the_plain_one(function: Step) -> None:
    for i, (wanted, found) in enumerate(zip(course(function, False), course(function, True), strict=True)):
        assert len(wanted) == len(found)
        for a, b in zip(wanted, found, strict=True):
            same = a == b if a is None or isinstance(a, bool) else np.allclose(a, b, rtol=1e-5, atol=1e-6)
            assert same, f"call {i}: {a} and {b}"


def test_results_have_the_gradients_that_the_step_gave_them() -> None:
    def step(w: World, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        leaf = (x * 2).requires_grad_()
        hidden = w.hidden(leaf)
        hidden.retain_grad()
        hidden.square().sum().backward()
        return leaf, hidden, pa.ones(2, requires_grad=True)

    plain, replayed = World(), World()
    compiled = pa.compile(lambda x: step(replayed, x))
    for i in range(5):
        x = pa.tensor(np.linspace(-1, 0.5 * i, 6, dtype=np.float32).reshape(2, 3))
        for wanted, found in zip(step(plain, x), compiled(x), strict=True):
            assert np.allclose(wanted.tolist(), found.tolist())
            assert (wanted.grad is None) == (found.grad is None)
            assert wanted.grad is None or np.allclose(wanted.grad.tolist(), found.grad.tolist(), rtol=1e-5)  # type: ignore[union-attr]
            assert not wanted.is_leaf or (found.is_leaf and found.requires_grad)


def test_a_parameter_may_be_frozen_for_good_by_the_first_call() -> None:
    w, plain = World(), World()

    def step(w: World, x: Tensor) -> Tensor:
        w.a.requires_grad_(False)
        loss = w.loss(x)
        loss.backward()
        return loss

    compiled = pa.compile(lambda x: step(w, x))
    for i in range(5):
        x = pa.ones(2, 3) * i
        assert np.isclose(compiled(x).item(), step(plain, x).item())
        assert w.numbers(x)[:1] + w.numbers(x)[5:] == plain.numbers(x)[:1] + plain.numbers(x)[5:]
