"""A compiled step over Values has the graph that the plain one builds: what keeps history, which gradients add up,
what `_backward()` by hand adds; as straight-line code and beside tensors alike."""

import math
from collections.abc import Callable
from typing import Any

import pytest

import pyautograd as pa
from pyautograd import TraceError, Value

Step = Callable[[list[Value], Value], Any]


def without_history(w: list[Value], v: Value) -> Any:
    with pa.no_grad():
        target = w[0] * v + w[1]
    loss = (w[0] * v - target) ** 2
    loss.backward()
    return loss


def a_leaf_made_without_history(w: list[Value], v: Value) -> Any:
    with pa.no_grad():
        t = (w[0] * v).tanh() ** 3
    (t * w[1]).backward()
    (t * w[2]).backward()
    return t.grad


def history_again_inside(w: list[Value], v: Value) -> Any:
    with pa.no_grad():
        a = w[0] * v
        with pa.enable_grad():
            b = w[1] * v * a
        c = b * a
    (b + c).backward()
    return b, c, a.grad, b.grad


def switched_by_a_call(w: list[Value], v: Value) -> Any:
    pa.set_grad_enabled(False)
    a = w[0] * v
    pa.set_grad_enabled(True)
    b = a * w[1]
    b.backward()
    return a.grad, b


def detached(w: list[Value], v: Value) -> Any:
    h = w[0] * v
    loss = h.detach() * h + h * h.data + Value(h.data) * w[1]
    loss.sum().backward()
    return loss


def inner_gradients_begin_anew(w: list[Value], v: Value) -> Any:
    h = w[0] * v
    loss = h * h + h
    loss.backward()
    loss.backward()
    return h.grad, loss.grad


def several_roots(w: list[Value], v: Value) -> Any:
    h = w[0] * v
    a, b, k = h * w[1], h.exp(), w[1] * w[2]
    a.backward()
    first = h.grad
    b.backward()
    return first, h.grad, a.grad, b.grad, k.grad


def a_root_that_is_a_leaf(w: list[Value], v: Value) -> Any:
    w[0].backward()
    v.backward()
    return w[0].grad, v.grad


def the_gradient_of_an_inner_value_set(w: list[Value], v: Value) -> Any:
    h = w[0] * v
    h.grad = 5.0
    loss = h * w[1]
    before = h.grad
    loss.backward()
    return before, h.grad


def numbers_changed_before_backward(w: list[Value], v: Value) -> Any:
    h = w[0] * v
    loss = h * w[1]
    w[1].data = 3.0
    loss.backward()
    return h.grad, w[0].grad


def order_of(root: Value) -> list[Value]:
    """micrograd's topological order."""
    seen, order = set(), []

    def build(value: Value) -> None:
        if value not in seen:
            seen.add(value)
            for child in value._prev:
                build(child)
            order.append(value)

    build(root)
    return order


def by_hand(w: list[Value], v: Value) -> Any:
    loss = ((w[0] * v + w[1]).tanh() * w[2] * v).exp()
    order = order_of(loss)
    for value in order:
        value.grad = 0
    loss.grad = 1
    for value in reversed(order):
        value._backward()
    for p in w:
        p.data -= 0.1 * p.grad
    return loss


def by_hand_over_and_over(w: list[Value], v: Value) -> Any:
    h = w[0] * v
    loss = h * w[1] * h
    h.data = 0.5
    for _ in range(2):
        loss.grad = v.data
        for value in reversed(order_of(loss)):
            value._backward()
    first = h.grad
    loss.backward()
    return first, h.grad, loss.grad


def one_node_by_hand(w: list[Value], v: Value) -> Any:
    h = w[0] * v
    h.grad = 2.0
    h._backward()
    h._backward()
    return h.grad


def leaves_made_in_the_step(w: list[Value], v: Value) -> Any:
    made = Value(2.0)
    (made * v * w[0]).backward()
    made.data -= 0.1 * made.grad
    (made * w[1]).backward()
    return made, made.grad


def through_a_tensor(w: list[Value], v: Value) -> Any:
    h = w[0] * v
    t = pa.tensor([1.0, 2.0]) * h
    t.sum().backward(retain_graph=True)
    t.sum().backward()
    return h.grad, t


def the_number_of_an_argument_set(w: list[Value], v: Value) -> Any:
    before = v.data
    v.data = w[0].data * 2
    (v * w[1]).backward()
    return before, v.grad


STEPS = [
    the_number_of_an_argument_set,
    without_history, a_leaf_made_without_history, history_again_inside, switched_by_a_call, detached,
    inner_gradients_begin_anew, several_roots, a_root_that_is_a_leaf, the_gradient_of_an_inner_value_set,
    numbers_changed_before_backward, by_hand, by_hand_over_and_over, one_node_by_hand, leaves_made_in_the_step,
    through_a_tensor,
]  # fmt: skip


def numbers(result: Any) -> list[float]:
    if isinstance(result, tuple):
        return [number for each in result for number in numbers(each)]
    if isinstance(result, pa.Tensor):
        return [float(number) for number in result.reshape(-1).tolist()]
    return [result.data if isinstance(result, Value) else result]


def course(function: Step, compiled: bool, beside_tensors: bool) -> tuple[list[list[float]], list[str]]:
    """All numbers after each of several calls, and the kinds of program that made them."""
    w = [Value(0.5), Value(-0.3), Value(1.2)]

    def step(v: Value) -> Any:
        if beside_tensors:
            pa.rand(1)
        return function(w, v)

    called: Any = pa.compile(step) if compiled else step
    found = []
    for i in range(6):
        v = Value(0.3 + 0.4 * i)
        v.grad = 0.25 * i
        if i == 4:
            w[0].grad, w[1].data = 7.0, 0.9
        result = called(v)
        found.append([*numbers(result), *(x for p in (*w, v) for x in (p.data, p.grad))])
    return found, [program.describe()["kind"] for program in called.programs] if compiled else []


@pytest.mark.parametrize("beside_tensors", [False, True])
@pytest.mark.parametrize("function", STEPS, ids=lambda function: function.__name__)
def test_a_compiled_step_over_values_is_the_plain_one(function: Step, beside_tensors: bool) -> None:
    wanted, _ = course(function, False, beside_tensors)
    found, kinds = course(function, True, beside_tensors)
    for i, (a, b) in enumerate(zip(wanted, found, strict=True)):
        assert all(math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12) for x, y in zip(a, b, strict=True)), f"call {i}"
    assert not beside_tensors or kinds == ["tensors"]


@pytest.mark.parametrize("beside_tensors", [False, True])
def test_results_have_the_gradients_that_the_step_gave_them(beside_tensors: bool) -> None:
    def step(w: Value, v: Value) -> tuple[Value, ...]:
        if beside_tensors:
            pa.rand(1)
        inner, made = w * v, Value(3.0)
        loss = inner * inner * made
        loss.backward()
        return loss, inner, made, w * 2.0

    plain, replayed = Value(0.5), Value(0.5)
    compiled = pa.compile(lambda v: step(replayed, v))
    for i in range(5):
        wanted, found = step(plain, Value(1.0 + i)), compiled(Value(1.0 + i))
        assert [(each.data, each.grad) for each in wanted] == [(each.data, each.grad) for each in found]


@pytest.mark.parametrize("beside_tensors", [False, True])
def test_a_backward_into_the_history_of_a_value_from_outside_is_refused(beside_tensors: bool) -> None:
    outside = Value(2.0) * 3.0

    @pa.compile
    def step(v: Value) -> Value:
        if beside_tensors:
            pa.rand(1)
        (outside * v).backward()
        return v

    with pytest.raises(TraceError, match="from outside"):
        for _ in range(2):
            step(Value(1.0))


def test_the_backward_of_a_value_from_before_the_step_is_refused() -> None:
    w = Value(2.0)
    outside = w * 3.0

    @pa.compile
    def step(v: Value) -> Value:
        outside.grad = v.data
        outside._backward()
        return v

    with pytest.raises(TraceError, match="before the step"):
        for _ in range(2):
            step(Value(1.0))
