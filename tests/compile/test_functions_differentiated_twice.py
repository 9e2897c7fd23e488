"""Gradients of autograd.Functions and of what LAPACK computes are differentiated in steps too, to any order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, func, linalg
from pyautograd.autograd import Function, grad, once_differentiable

F64 = pa.float64


class Powers(Function):
    """Saves an argument and an output, and has two outputs, one of them not differentiated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Any:
        y = x.exp() * factor
        ctx.save_for_backward(x, y)
        ctx.factor = factor
        return y, x > 0

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, unused: Any) -> Any:
        _, y = ctx.saved_tensors
        return upstream * y, None


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return w * x * x * x

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        x, w = ctx.saved_tensors
        return 3 * w * x * x * upstream, x * x * x * upstream


def same_in_a_step(f: Callable[..., Any], arguments: Callable[[int], tuple[Any, ...]]) -> None:
    """Inner sums are made in Python, those around them in the step: they may differ in the last bits."""
    step = pa.compile(f)
    for i in range(5):
        found, wanted = step(*arguments(i)), f(*arguments(i))
        for a, b in zip(found, wanted):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-9)
    assert len(step.programs) == 1


def test_functions_have_derivatives_of_any_order_in_a_step():
    w = pa.tensor([0.5, 1.0, 2.0], dtype=F64, requires_grad=True)

    def step(x: Tensor, factor: float) -> tuple[Tensor, ...]:
        x = x.detach().requires_grad_()
        grown, positive = Powers.apply(x, factor)
        y = (Cube.apply(x.sin(), w) * grown * positive).sum()
        (first,) = grad(y, x, create_graph=True)
        (second,) = grad((first**2).sum(), x, create_graph=True)
        third, by_w = grad((second**2).sum(), (x, w), create_graph=True)
        w.grad = None
        (third * by_w).sum().backward()
        return first, second, third, by_w, w.grad.clone()

    same_in_a_step(step, lambda i: (pa.tensor([-0.3, 0.1 * i, 0.7], dtype=F64), 1.0 + i))


def test_a_history_goes_on_outside_the_step():
    w = pa.tensor([0.5, 1.0], dtype=F64, requires_grad=True)

    def slope(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return grad(Cube.apply(x, w).sum(), x, create_graph=True)[0]

    step = pa.compile(slope)
    for i in range(5):
        x = pa.tensor([1.0, 2.0 + i], dtype=F64)
        first, second = step(x), step(2 * x)
        w.grad = None
        (first.sum() + second.sum()).backward()
        np.testing.assert_allclose(w.grad.numpy(), 15 * (x**2).numpy())


@pytest.mark.parametrize(
    "f",
    [
        lambda A: linalg.inv(A).sin().sum(),
        lambda A: linalg.solve(A, A.sin() + 1).sin().sum(),
        lambda A: linalg.det(A).exp(),
        lambda A: linalg.slogdet(A)[1] ** 3,
        lambda A: linalg.cholesky(A @ A.T + 1).sin().sum(),
        lambda A: (linalg.eigh(A @ A.T)[1] ** 3).sum() * linalg.eigh(A @ A.T)[0].prod(),
        lambda A: (linalg.svd(A)[0] ** 3).sum() + linalg.svd(A)[1].prod(),
        lambda A: (linalg.qr(A)[0] ** 3).sum() + (linalg.qr(A)[1] ** 2).sum(),
        lambda A: linalg.matrix_exp(A).sin().sum(),
        lambda A: linalg.pinv(A).sin().sum(),
    ],
)
def test_what_lapack_computes_has_hessians_and_tangents_in_a_step(f: Callable[[Tensor], Tensor]):
    def step(A: Tensor) -> tuple[Tensor, ...]:
        leaf = A.detach().requires_grad_()
        (first,) = grad(f(leaf), leaf, create_graph=True)
        (second,) = grad(first.sin().sum(), leaf)
        return first, second, func.hessian(f)(A), func.jvp(f, (A,), (A.cos(),))[1]

    base = pa.tensor([[1.5, 0.2, -0.1], [0.3, 2.5, 0.2], [0.1, -0.4, 0.8]], dtype=F64)
    same_in_a_step(step, lambda i: (base + 0.05 * i,))


def test_a_backward_that_is_to_be_differentiated_once_says_so_in_a_step():
    class Square(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, upstream: Tensor) -> Tensor:
            return 2 * ctx.saved_tensors[0] * upstream

    def step(x: Tensor) -> Tensor:
        (first,) = grad(Square.apply(x).sum(), x, create_graph=True)
        return grad((first * first).sum(), x)[0]

    x = pa.ones(3, requires_grad=True)
    for f in (step, pa.compile(step)):
        with pytest.raises(RuntimeError, match="once_differentiable"):
            f(x)
