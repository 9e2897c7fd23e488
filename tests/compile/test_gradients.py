"""What a step does with gradients besides `backward()` and `step()`, it does compiled as eagerly, to the bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, nn
from pyautograd.nn import functional as F
from pyautograd.scalar import Value

Step = Callable[["Setup", Tensor], Any]


class Setup:
    """A small model, its optimiser and a batch for each call."""

    def __init__(self) -> None:
        pa.manual_seed(3)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        self.parameters = list(self.model.parameters())
        self.w = self.parameters[0]
        self.optimizer = pa.optim.SGD(self.parameters, lr=0.1, momentum=0.9)
        self.total = pa.zeros(1)

    def loss(self, x: Tensor) -> Tensor:
        return self.model(x).square().mean() * 10


def clip(s: Setup, x: Tensor, bound: float = 0.5, **options: Any) -> Any:
    s.optimizer.zero_grad()
    s.loss(x).backward()
    norm = nn.utils.clip_grad_norm_(s.parameters, bound, **options)
    s.optimizer.step()
    return norm


def clip_values(s: Setup, x: Tensor) -> Any:
    s.optimizer.zero_grad()
    s.loss(x).backward()
    nn.utils.clip_grad_value_(s.parameters, 0.05)
    s.optimizer.step()


def zeroed(s: Setup, x: Tensor) -> Any:
    s.optimizer.zero_grad(set_to_none=False)
    loss = s.loss(x)
    loss.backward()
    s.optimizer.step()
    return loss


def zeroed_twice(s: Setup, x: Tensor) -> Any:
    s.optimizer.zero_grad()
    s.optimizer.zero_grad(set_to_none=False)
    s.loss(x).backward()
    s.optimizer.zero_grad(set_to_none=False)
    s.loss(x * 2).backward()


def with_upstream(s: Setup, x: Tensor) -> Any:
    s.optimizer.zero_grad()
    s.model(x).backward(x[:, :2] * 2)
    s.optimizer.step()


def assigned(s: Setup, x: Tensor) -> Any:
    s.optimizer.zero_grad()
    s.w.grad = (s.w * x.mean()).detach()
    s.loss(x).backward()
    s.optimizer.step()


def taken(s: Setup, x: Tensor) -> Any:
    s.optimizer.zero_grad()
    loss = s.loss(x)
    loss.backward()
    return loss, s.w.grad * 2  # type: ignore[operator]


def twice(s: Setup, x: Tensor) -> Any:
    s.optimizer.zero_grad()
    hidden = s.model(x)
    hidden.sum().backward(retain_graph=True)
    hidden.square().sum().backward()
    s.optimizer.step()


def by_hand(s: Setup, x: Tensor) -> Any:
    for p in s.parameters:
        p.grad = None
    s.loss(x).backward()
    with pa.no_grad():
        for p in s.parameters:
            p -= 0.1 * p.grad


def statistics(s: Setup, x: Tensor) -> Any:
    with pa.no_grad():
        s.total.mul_(0.9).add_(x.mean() * 0.1)
        s.total.clamp_(-1.0, 0.05)
    return s.total.clone()


def dropped(s: Setup, x: Tensor) -> Any:
    s.optimizer.zero_grad()
    F.dropout(s.model(x), 0.5).sum().backward()
    s.optimizer.step()


STEPS: dict[str, Step] = {
    "clipped": clip,
    "clipped, the largest": lambda s, x: clip(s, x, norm_type=float("inf")),
    "clipped, the sum": lambda s, x: clip(s, x, norm_type=1.0),
    "measured alone": lambda s, x: clip(s, x, float("inf")),
    "nothing to clip": lambda s, x: clip(s, x, 1e6),
    "clipped by value": clip_values,
    "zeroed": zeroed,
    "zeroed twice": zeroed_twice,
    "with an upstream gradient": with_upstream,
    "assigned": assigned,
    "taken": taken,
    "two backwards": twice,
    "by hand": by_hand,
    "no gradient": statistics,
    "dropped": dropped,
}


@pytest.mark.parametrize("name", STEPS)
def test_a_compiled_step_is_the_eager_one(name: str) -> None:
    function = STEPS[name]
    eager, replayed = Setup(), Setup()
    compiled = pa.compile(lambda x: function(replayed, x))
    for i in range(5):
        x = pa.tensor(np.linspace(-1, 1 + i, 12, dtype=np.float32).reshape(4, 3))
        pa.manual_seed(i)
        wanted = function(eager, x)
        pa.manual_seed(i)
        found = compiled(x)
        as_list = lambda result: list(result) if isinstance(result, tuple) else [result]
        for a, b in zip(as_list(wanted), as_list(found), strict=True):
            assert (a is None and b is None) or a.detach().tolist() == b.detach().tolist()
        for p, q in zip(eager.parameters, replayed.parameters, strict=True):
            assert p.tolist() == q.tolist()
            assert (p.grad is None) == (q.grad is None)
            assert p.grad is None or p.grad.tolist() == q.grad.tolist()
    assert len(compiled.programs) == 1


def test_the_gradient_of_a_value_made_in_a_step_over_tensors_is_read() -> None:
    parameter = pa.ones(3, requires_grad=True)

    @pa.compile
    def step(x: Tensor) -> Any:
        value = Value(2.0)
        (value * x * parameter).sum().backward()
        return value.grad

    assert [step(x) for x in pa.arange(8, dtype=pa.float32).reshape(4, 2)[:, :1].expand(4, 3)] == [0.0, 6.0, 12.0, 18.0]
    assert parameter.grad is not None and parameter.grad.tolist() == [24.0, 24.0, 24.0]
