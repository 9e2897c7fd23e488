"""Values given with their local gradients, in a compiled step: the numbers and the gradients are the plain call's."""

import random
from collections.abc import Callable
from typing import Any

import pytest

import pyautograd as pa
from pyautograd import Value

CALLS = 5


def square(a: Value) -> Value:
    return Value(a.data * a.data, (a,), (2 * a.data,))


def product(a: Value, b: Value) -> Value:
    return Value(a.data * b.data, (a, b), (b.data, a.data), "*")


def total(*values: Value) -> Value:
    return Value(sum(v.data for v in values), values, [1.0 + 0.5 * i for i in range(len(values))])


def rounded(a: Value) -> Value:
    """Straight through: another number than the gradient is of."""
    return Value(0.25, [a], [1.0])


def of_one(a: Value, b: Value) -> Value:
    return square(a) * b


def of_two(a: Value, b: Value) -> Value:
    return product(a + b, a * 3)


def of_many(a: Value, b: Value) -> Value:
    return total(a, b, a * b, a, product(a, a))


def of_a_constant(a: Value, b: Value) -> Value:
    return rounded(a * b) * b


def chained(a: Value, b: Value) -> Value:
    x = a
    for _ in range(3):
        x = product(square(x).tanh(), b) + x
    return x


def without_history(a: Value, b: Value) -> Value:
    with pa.no_grad():
        fixed = product(a, b)
    return fixed * a


def twice(a: Value, b: Value) -> Value:
    y = product(a, b)
    return total(y, y * y, y)


LOSSES = [of_one, of_two, of_many, of_a_constant, chained, without_history, twice]


class World:
    def __init__(self, loss_of: Callable[[Value, Value], Value], beside: bool) -> None:
        self.w = Value(0.5)
        self.loss_of, self.beside = loss_of, beside

    def step(self, x: float) -> Any:
        self.w.grad = 0.0
        v = Value(x)
        loss = self.loss_of(self.w, v + 1) + self.loss_of(v, self.w)
        loss.backward()
        self.w.data -= 0.01 * self.w.grad
        if self.beside:  # a draw is none of straight-line code, so that this is a step over tensors
            return loss.data, v.grad, pa.rand(1)
        return loss.data, v.grad


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside tensors"])
@pytest.mark.parametrize("loss_of", LOSSES, ids=lambda function: function.__name__)
def test_a_step_computes_what_the_plain_call_computes(loss_of: Callable[[Value, Value], Value], beside: bool) -> None:
    random.seed(0)
    plain, compiled = World(loss_of, beside), World(loss_of, beside)
    step = pa.compile(compiled.step)
    for _ in range(CALLS):
        x = random.uniform(-2, 2)
        assert step(x)[:2] == plain.step(x)[:2]
        assert (compiled.w.data, compiled.w.grad) == (plain.w.data, plain.w.grad)
    assert len(step.programs) == 1
    assert step.programs[0].describe()["kind"] == ("tensors" if beside else "values")


def test_a_step_of_one_values_backward_is_the_plain_calls() -> None:
    def plain(x: float) -> Any:
        v, w = Value(x), Value(2.0)
        y = product(v, w)
        y.grad = 3.0
        y._backward()
        return v.grad, w.grad

    step = pa.compile(plain)
    for k in range(CALLS):
        assert step(k + 0.5) == plain(k + 0.5)


def test_what_is_no_number_is_refused_in_a_step_too() -> None:
    step = pa.compile(lambda x: Value(x, (Value(x),), (Value(x),)))
    with pytest.raises(TypeError, match="local gradient 0"):
        step(1.0)
