"""What a compiled step returns is differentiated as often as the plain function's result: outside, to any order."""

import contextlib
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from failing_allocations import alive, assert_alive, failures

import pyautograd as pa
from pyautograd import func, nn
from pyautograd.autograd import Function, grad

F64 = pa.float64


def several(x: pa.Tensor, k: float) -> tuple[pa.Tensor, ...]:
    """Results that share their way back, draw a mask, look at views and keep what their forward saved."""
    h = nn.functional.dropout(x, 0.4) * k
    h = h.clone()
    h[0] = x[1].sin()
    loss = nn.functional.cross_entropy(h, pa.tensor([0, 2, 1]))
    return loss, (h.amax(1) ** 3).sum(), h.var() + (h[:, 1:] * h[:, :-1]).softmax(1).pow(2).sum()


def derivatives(f: Callable[..., Any], k: float) -> list[np.ndarray[Any, Any]]:
    pa.manual_seed(3)
    x = pa.linspace(-1, 1, 12, dtype=F64).reshape(3, 4).requires_grad_()
    a, b, c = f(x, k)
    found = [a * b + c]
    for _ in range(3):
        (g,) = grad((found[-1] ** 2).sum(), x, create_graph=True)
        found.append(g)
    return [each.detach().numpy() for each in found]


def test_derivatives_of_any_order_are_those_of_the_plain_function():
    step = pa.compile(several)
    for k in (1.0, 2.0, 0.5, 3.0):
        for plain, compiled in zip(derivatives(several, k), derivatives(step, k)):
            np.testing.assert_allclose(compiled, plain, rtol=1e-10, atol=1e-12)
    assert len(step.programs) == 1


def test_hessians_and_tangents_go_through_a_program():
    def f(x: pa.Tensor) -> pa.Tensor:
        return (x.sin() * (x**2).mean() + x.exp()).sum()

    step = pa.compile(f)
    x = pa.linspace(-1, 1, 4, dtype=F64)
    for _ in range(4):
        np.testing.assert_allclose(func.hessian(step)(x).numpy(), func.hessian(f)(x).numpy(), rtol=1e-12, atol=1e-13)
        for a, b in zip(func.jvp(step, (x,), (x,)), func.jvp(f, (x,), (x,))):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    assert step.programs


def test_a_gradient_penalty_through_a_compiled_model_reaches_its_parameters():
    pa.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 1)).double()

    def penalty(critic: Callable[[pa.Tensor], pa.Tensor], rows: int) -> list[Any]:
        x = pa.linspace(-1, 1, 3 * rows, dtype=F64).reshape(rows, 3).requires_grad_()
        model.zero_grad()
        (slope,) = grad(critic(x).sum(), x, create_graph=True)
        ((slope.norm(dim=1) - 1) ** 2).mean().backward()
        return [None if p.grad is None else p.grad.numpy().copy() for p in model.parameters()]

    compiled = pa.compile(model)
    for rows in (5, 5, 9, 9, 5, 7):
        for a, b in zip(penalty(compiled, rows), penalty(model, rows)):
            assert (a is None) == (b is None)
            if b is not None:
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def test_a_call_whose_gradient_was_a_graph_is_swept_like_any_other():
    step = pa.compile(lambda x: (x.exp() * x, x.sin()))
    x = pa.tensor([0.5, 1.5], dtype=F64, requires_grad=True)
    for _ in range(3):
        first, second = step(x)
        (slope,) = grad(first.sum(), x, create_graph=True)
        slope.sum().backward(retain_graph=True)
        np.testing.assert_allclose(x.grad.numpy(), (x.exp() * (x + 2)).detach().numpy())
        x.grad = None
        (first.sum() + second.sum()).backward()
        np.testing.assert_allclose(x.grad.numpy(), (x.exp() * (x + 1) + x.cos()).detach().numpy())
        x.grad = None
        with pytest.raises(RuntimeError, match="freed"):
            first.sum().backward()


def test_what_the_step_read_and_was_written_to_since_is_found():
    step = pa.compile(lambda x, w: (x * x * w).sum())
    x, w = pa.ones(3, requires_grad=True), pa.ones(3)
    for _ in range(3):
        y = step(x, w)
        w += 1
        with pytest.raises(RuntimeError, match="modified in place since"):
            grad(y, x, create_graph=True)


def test_a_step_with_a_function_of_python_says_where_to_take_its_second_derivative():
    class Square(Function):
        @staticmethod
        def forward(ctx: Any, x: pa.Tensor) -> pa.Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: pa.Tensor) -> pa.Tensor:
            (x,) = ctx.saved_tensors
            return 2 * g * x

    step = pa.compile(lambda x: Square.apply(x).sum())
    x = pa.ones(2, requires_grad=True)
    for _ in range(2):
        step(x)
    assert step.programs
    with pytest.raises(NotImplementedError, match="inside the step"):
        grad(step(x), x, create_graph=True)
    assert grad(step(x), x)[0].tolist() == [2, 2]


def test_nothing_is_lost_where_memory_runs_out_on_the_way():
    step = pa.compile(several)
    x = pa.linspace(-1, 1, 12, dtype=F64).reshape(3, 4).requires_grad_()

    def run() -> list[float]:
        a, b, c = step(x, 1.0)
        (g,) = grad(a * b + c, x, create_graph=True)
        return g.sum().tolist()

    for _ in range(3):
        run()
    gc.collect()
    before = alive()
    for number in failures():
        with contextlib.suppress(MemoryError):
            run()
        assert_alive(before, number)
    run()
