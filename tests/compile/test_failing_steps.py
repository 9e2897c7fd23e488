"""A compiled step that fails on its way raises what the plain call raises, and leaves what that leaves: what came
before stands, what comes after has not been."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, Value, nn
from pyautograd.autograd import detect_anomaly, grad
from pyautograd.nn import functional as F


class World:
    """A model, an embedding, their optimiser, a total and a Value."""

    def __init__(self) -> None:
        pa.manual_seed(0)
        self.model, self.table = nn.Linear(3, 4), nn.Embedding(5, 3)
        self.parameters = [*self.model.parameters(), *self.table.parameters()]
        self.optimizer = pa.optim.Adam(self.parameters, lr=0.1)
        self.total = pa.zeros(1)
        self.value = Value(1.0)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.model(x), y)

    def numbers(self) -> list[Any]:
        tensors = [*self.parameters, self.total]
        gradients = [None if each.grad is None else each.grad.tolist() for each in tensors]
        flags = [each.requires_grad for each in tensors]
        return [*(t.tolist() for t in tensors), *gradients, *flags, self.value.data, self.value.grad, pa.rand(1).item()]


Step = Callable[[World, Tensor, Tensor], Tensor]


def training(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.optimizer.zero_grad()
    loss = w.loss(x, y)
    loss.backward()
    w.optimizer.step()
    return loss


def set_to_zero(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.optimizer.zero_grad(set_to_none=False)
    loss = w.loss(x, y)
    loss.backward()
    return loss


def after_an_update(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.optimizer.zero_grad()
    w.model(x).square().sum().backward()
    w.optimizer.step()
    w.model.bias.grad = None
    return training(w, x, y)


def after_a_backward(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.model(x).square().sum().backward()
    w.model.bias.grad = w.model.bias.grad * 2  # type: ignore[operator, assignment]
    loss = w.loss(x, y)
    w.optimizer.zero_grad()
    loss.backward()
    return loss


def after_draws_and_writes(w: World, x: Tensor, y: Tensor) -> Tensor:
    h = F.dropout(w.model(x), 0.5)
    w.total.add_(h.sum().detach())
    loss = F.cross_entropy(h, y)
    w.total.add_(F.dropout(h, 0.5).sum().detach())
    return loss


def after_an_update_by_hand(w: World, x: Tensor, y: Tensor) -> Tensor:
    for p in w.parameters:
        p.grad = None
    (w.model(x).sum() + w.table(pa.tensor([1, 2])).sum()).backward()
    with pa.no_grad():
        for p in w.parameters:
            p -= 0.1 * p.grad
    return w.loss(x, y)


def looking_up(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.optimizer.zero_grad()
    w.total.add_(1.0)
    loss = (w.model(w.table(y + 1)) ** 2).mean()
    loss.backward()
    w.optimizer.step()
    return loss


def gathering(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.optimizer.zero_grad()
    loss = -w.model(x).log_softmax(1).gather(1, y.reshape(-1, 1)).mean()
    loss.backward()
    return loss


def handed_on(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.optimizer.zero_grad()
    w.model(x).sum().backward()
    w.total.requires_grad_()
    w.total.grad, w.model.bias.grad = w.model.bias.grad.sum().reshape(1), None  # type: ignore[union-attr]
    loss = w.loss(x, y)
    w.total.requires_grad_(False)
    loss.backward()
    return loss


def beside_values(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.value.grad = 0.0
    (w.value * w.value * 2).backward()
    w.value.data = w.value.data * 0.9
    w.value.grad = 0.5
    loss = F.cross_entropy(w.model(x) * w.value, y)
    w.value.data, w.value.grad = 0.0, 0.0
    loss.backward()
    return loss


def assigned_after_the_check(w: World, x: Tensor, y: Tensor) -> Tensor:
    made = w.model.weight.detach() * x.sum()
    loss = w.loss(x, y)
    w.model.weight.grad = made
    return loss


def assigned_before_the_check(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.model.weight.grad = w.model.weight.data
    w.model.bias.grad = w.model(x).sum(0).detach()
    loss = w.loss(x, y)
    w.optimizer.zero_grad()
    return loss


STEPS = [
    assigned_after_the_check, assigned_before_the_check,
    training, set_to_zero, after_an_update, after_a_backward, after_draws_and_writes, after_an_update_by_hand,
    looking_up, gathering, handed_on, beside_values,
]  # fmt: skip


def course(function: Step, compiled: bool) -> list[tuple[Any, list[Any]]]:
    """The loss or the exception, and all numbers, after each of several calls of which two fail."""
    w = World()

    def step(x: Tensor, y: Tensor) -> Tensor:
        return function(w, x, y)

    called: Any = pa.compile(step) if compiled else step
    found: list[tuple[Any, list[Any]]] = []
    for i in range(8):
        x = pa.tensor(np.linspace(-1, 0.5 * i, 6, dtype=np.float32).reshape(2, 3))
        held = w.model.weight.grad if i == 6 else None  # a gradient that somebody holds is not written over
        try:
            result: Any = called(x, pa.tensor([i % 3, 9 if i in (3, 6) else 2])).item()
        except IndexError as error:
            result = str(error)
        found.append((result, [*w.numbers(), 0.0 if held is None else held.tolist()]))
    return found


def same(a: Any, b: Any) -> bool:
    return a == b if a is None or isinstance(a, str) else bool(np.allclose(a, b, rtol=1e-5, atol=1e-6))


@pytest.mark.parametrize("function", STEPS, ids=lambda function: function.__name__)
def test_what_came_before_a_failed_check_stands(function: Step) -> None:
    wanted, found = course(function, False), course(function, True)
    assert [i for i, (result, _) in enumerate(wanted) if isinstance(result, str)] == [3, 6]
    for i, (a, b) in enumerate(zip(wanted, found, strict=True)):
        assert same(a[0], b[0]), f"call {i}: {a[0]} and {b[0]}"
        assert all(same(x, y) for x, y in zip(a[1], b[1], strict=True)), f"call {i}"


def clipping(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.optimizer.zero_grad()
    (w.model(x) * y.reshape(2, 1).float().exp()).sum().backward()
    norm = nn.utils.clip_grad_norm_(w.parameters, 0.5, error_if_nonfinite=True)
    w.optimizer.step()
    return norm


def test_a_norm_that_is_not_finite_stops_the_step_where_it_is_asked_for() -> None:
    plain, replayed = World(), World()
    compiled = pa.compile(lambda x, y: clipping(replayed, x, y))
    for i in range(6):
        x, y = pa.ones(2, 3) * i, pa.tensor([1, 100 if i in (3, 5) else 2])
        norms = []
        for call in (lambda x, y: clipping(plain, x, y), compiled):
            try:
                norms.append(call(x, y).item())
            except RuntimeError as error:
                norms.append(str(error))
        assert isinstance(norms[0], str) == (i in (3, 5)) and same(*norms)
        assert all(map(same, plain.numbers()[:-1], replayed.numbers()[:-1]))


def test_run_stops_at_a_failed_check_as_a_loop_does() -> None:
    x = pa.tensor(np.linspace(-1, 1, 36, dtype=np.float32).reshape(12, 3))
    y = pa.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 9, 1, 2])
    loop, run = World(), World()
    for i in range(0, 9, 3):
        training(loop, x[i : i + 3], y[i : i + 3])
    with pytest.raises(IndexError, match="9"):
        training(loop, x[9:], y[9:])
    with pytest.raises(IndexError, match="9"):
        pa.compile(lambda x, y: training(run, x, y)).run(x, y, batch_size=3, shuffle=False)
    assert all(same(a, b) for a, b in zip(loop.numbers()[:-1], run.numbers()[:-1], strict=True))


class Rooted:
    """A parameter and a Value of whose roots the derivative may be infinite."""

    def __init__(self) -> None:
        self.w = pa.tensor([1.0, 0.5], requires_grad=True)
        self.v = Value(0.5)

    def numbers(self) -> list[Any]:
        return [None if self.w.grad is None else self.w.grad.tolist(), self.v.data, self.v.grad]


def of_a_sweep(r: Rooted, x: Tensor) -> Any:
    loss = (r.w * x).sqrt().sum()
    (r.w * 2).sum().backward()
    with detect_anomaly():
        loss.backward()
    return loss


def of_gradients_asked_for(r: Rooted, x: Tensor) -> Any:
    loss = (r.w * x).sqrt().sum()
    r.w.grad = None
    with detect_anomaly():
        (found,) = grad(loss, r.w)
    return found.sum()  # type: ignore[union-attr]


def of_what_nobody_reads(r: Rooted, x: Tensor) -> Any:
    loss = (x.clone().requires_grad_() * 2).sqrt().sum()
    with detect_anomaly():
        loss.backward()
    return loss


def of_values(r: Rooted, x: Tensor) -> Any:
    r.v.grad = 0.25
    loss = (r.v * x[0]).sqrt()
    with detect_anomaly():
        loss.backward()
    return loss


@pytest.mark.parametrize(
    "function", [of_a_sweep, of_gradients_asked_for, of_what_nobody_reads, of_values], ids=lambda each: each.__name__
)
def test_anomalies_are_looked_for_where_the_step_says_so(function: Callable[[Rooted, Tensor], Any]) -> None:
    plain, replayed = Rooted(), Rooted()
    compiled = pa.compile(lambda x: function(replayed, x))
    for i in range(6):
        x = pa.tensor([0.0 if i in (3, 5) else 1.0 + i, 2.0])
        results = []
        for call in (lambda x: function(plain, x), compiled):
            try:
                results.append(call(x).item())
            except FloatingPointError as error:
                results.append(str(error))
        assert isinstance(results[0], str) == (i in (3, 5)) and same(*results)
        assert all(same(a, b) for a, b in zip(plain.numbers(), replayed.numbers(), strict=True))
    assert len(compiled.programs) == 1


def test_values_alone_are_looked_at_too() -> None:
    plain, replayed = Value(0.5), Value(0.5)

    def function(v: Value, x: Value) -> Value:
        loss = (v * x).log() * v
        with detect_anomaly():
            loss.backward()
        return loss

    compiled = pa.compile(lambda x: function(replayed, x))
    for i in range(4):
        function(plain, Value(1.0 + i))
        compiled(Value(1.0 + i))
    for call in (lambda x: function(plain, x), compiled):
        with pytest.raises(FloatingPointError, match="mul"):
            call(Value(0.0))
    assert plain.grad == replayed.grad


def test_around_a_compiled_step_anomalies_are_looked_for_and_arrays_arrive_as_tensors() -> None:
    w = pa.tensor([1.0, 0.5], requires_grad=True)

    @pa.compile
    def step(x: Tensor) -> Tensor:
        w.grad = None
        x = x.clone()
        loss = (w * x).sqrt().sum()
        loss.backward()
        return loss

    with detect_anomaly():
        for i in range(4):
            step(np.array([1.0 + i, 2.0], np.float32))
        with pytest.raises(FloatingPointError, match="sqrt"):
            step(np.array([0.0, 2.0], np.float32))
    assert w.grad is None
    step(np.array([0.0, 2.0], np.float32))


def test_what_was_to_be_written_after_the_failure_is_as_it_was():
    """And so a backward that needs it runs."""
    total, weight = pa.zeros(3), pa.ones(3, requires_grad=True)

    @pa.compile
    def add(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(x, y)
        total.add_(loss)
        return loss

    x, y = pa.ones(2, 3), pa.tensor([0, 1])
    for _ in range(3):
        add(x, y)
    squares = (weight * total).sum()
    with pytest.raises(IndexError):
        add(x, pa.tensor([0, 7]))
    squares.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == total.tolist()
    squares = (weight * total).sum()
    add(x, y)
    with pytest.raises(RuntimeError, match="modified in place"):
        squares.backward()
