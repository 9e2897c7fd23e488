"""Steps that differentiate gradients compile: the same bits as eager, in calls, in `run`, with any number of rows."""

from collections.abc import Callable

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.autograd import grad

Step = Callable[..., pa.Tensor]


def physics() -> tuple[nn.Module, Step]:
    """The residual of Burgers' equation: second derivatives in the inputs, and then those of the loss."""
    pa.manual_seed(3)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)

    def step(x: pa.Tensor, t: pa.Tensor) -> pa.Tensor:
        x, t = x.detach().requires_grad_(), t.detach().requires_grad_()
        optimizer.zero_grad()
        u = model(pa.cat([x, t], 1))
        u_x, u_t = grad(u.sum(), (x, t), create_graph=True)
        (u_xx,) = grad(u_x.sum(), x, create_graph=True)
        loss = ((u_t + u * u_x - 0.01 * u_xx) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def penalty() -> tuple[nn.Module, Step]:
    """A gradient penalty, through dropout, a slice, softmax and an index."""
    pa.manual_seed(4)
    model = nn.Sequential(nn.Linear(2, 6), nn.SiLU(), nn.Dropout(0.3), nn.Linear(6, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: pa.Tensor, t: pa.Tensor) -> pa.Tensor:
        both = pa.cat([x, t], 1).detach().requires_grad_()
        optimizer.zero_grad()
        scores = model(both)
        critic = scores.softmax(1)[:, 1:].sum() + scores.amax(1).mean()
        (slope,) = grad(critic, both, create_graph=True)
        loss = ((slope.norm(dim=1) - 1) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def inner_loop() -> tuple[nn.Module, Step]:
    """One step of MAML: the outer gradient goes through an update made of gradients."""
    pa.manual_seed(5)
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: pa.Tensor, t: pa.Tensor) -> pa.Tensor:
        optimizer.zero_grad()
        both = pa.cat([x, t], 1)
        weight, bias = model.weight, model.bias
        for _ in range(2):
            inner = (nn.functional.linear(both, weight, bias).tanh() - t).square().mean()
            by_weight, by_bias = grad(inner, (weight, bias), create_graph=True)
            weight, bias = weight - 0.5 * by_weight, bias - 0.5 * by_bias
        loss = (nn.functional.linear(both, weight, bias).tanh() - x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def kept_gradients() -> tuple[nn.Module, Step]:
    """`.grad` with a history, left by backward(create_graph=True) and added to."""
    pa.manual_seed(6)
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: pa.Tensor, t: pa.Tensor) -> pa.Tensor:
        optimizer.zero_grad()
        model(pa.cat([x, t], 1)).tanh().square().mean().backward(create_graph=True)
        assert model.weight.grad is not None
        size = model.weight.grad.square().sum()
        size.backward(create_graph=True)
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.grad = parameter.grad.detach()
        optimizer.step()
        return size

    return model, step


STEPS = [physics, penalty, inner_loop, kept_gradients]


def data(rows: int) -> tuple[pa.Tensor, pa.Tensor]:
    rng = np.random.default_rng(rows)
    return tuple(pa.tensor(rng.uniform(-1, 1, (rows, 1)), dtype=pa.float32) for _ in range(2))  # type: ignore[return-value]


def same_parameters(a: nn.Module, b: nn.Module) -> None:
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


@pytest.mark.parametrize("make", STEPS)
def test_a_compiled_step_has_the_eager_bits(make: Callable[[], tuple[nn.Module, Step]]) -> None:
    losses = []
    models = []
    for wrap in (lambda step: step, pa.compile):
        model, step = make()
        called = wrap(step)
        losses.append([called(*data(7)).item() for _ in range(5)])
        models.append(model)
    assert losses[0] == losses[1]
    same_parameters(*models)


@pytest.mark.parametrize("make", STEPS)
def test_any_number_of_rows(make: Callable[[], tuple[nn.Module, Step]]) -> None:
    sizes = (7, 7, 5, 5, 9, 4)
    one, step = make()
    wanted = [step(*data(rows)).item() for rows in sizes]
    other, again = make()
    compiled = pa.compile(again)
    assert [compiled(*data(rows)).item() for rows in sizes] == wanted
    same_parameters(one, other)


@pytest.mark.parametrize("make", [physics, penalty, inner_loop])
def test_a_run_is_the_calls(make: Callable[[], tuple[nn.Module, Step]]) -> None:
    x, t = data(12)
    other, again = make()
    found = pa.compile(again).run(x, t, batch_size=4, epochs=2, shuffle=False)
    one, step = make()
    wanted = [step(x[i : i + 4], t[i : i + 4]).item() for _ in range(2) for i in range(0, 12, 4)]
    np.testing.assert_array_equal(np.asarray(found).ravel(), np.array(wanted, np.float32))
    same_parameters(one, other)
