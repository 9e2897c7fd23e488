"""Ops of one's own run their `_backward`, as in micrograd, or use their local gradients, as in microgpt."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pyautograd
from pyautograd import scalar
from pyautograd.scalar import Value


def sine(engine, x):
    out = engine.Value(math.sin(x.data), (x,), "sine")

    def backward():
        x.grad += math.cos(x.data) * out.grad

    out._backward = backward
    return out


def test_an_op_of_ones_own_runs_its_backward(engine):
    x = engine.Value(0.5)
    y = sine(engine, x * 2) * 3
    y.backward()
    assert x.grad == pytest.approx(6 * math.cos(1.0))
    inner = next(n for n in y._prev if n._op == "sine")
    assert inner._op_name == "custom"
    assert inner.grad == 3.0


def test_an_op_of_ones_own_may_have_three_operands(engine):
    values = [engine.Value(x) for x in (1.0, 2.0, 3.0)]
    out = engine.Value(sum(v.data for v in values), values, "sum")

    def backward():
        for v in values:
            v.grad += out.grad

    out._backward = backward
    (out * 2).backward()
    assert out._prev == set(values)
    assert [v.grad for v in values] == [2.0, 2.0, 2.0]


def test_the_sweep_can_be_done_by_hand(engine):
    a, b = engine.Value(2.0), engine.Value(3.0)
    c = a * b
    c.grad = 10.0
    c._backward()
    assert (a.grad, b.grad) == (30.0, 20.0)
    a._backward()
    assert a.grad == 30.0


def test_a_backward_assigned_after_others_were_built_on_it_is_called() -> None:
    a = Value(3.0)
    inner = a * 2.0
    out = inner + 1.0
    called = []

    def backward() -> None:
        called.append(inner.grad)
        a.grad += 10.0 * inner.grad

    inner._backward = backward
    out.backward()
    assert called == [1.0] and a.grad == 10.0
    inner._backward = lambda: None


def test_an_op_may_be_given_with_its_local_gradients(engine):
    a, b = engine.Value(2.0), engine.Value(3.0)
    c = engine.Value(a.data * b.data, (a, b), (b.data, a.data))
    d = engine.Value(math.log(c.data), [c], [1 / c.data])
    (d * 6).backward()
    assert (a.grad, b.grad, c.grad) == pytest.approx((3.0, 2.0, 1.0))
    assert c._children == (a, b) and c._local_grads == (3.0, 2.0)
    assert c._prev == {a, b} and c._op_name == "local_grads"
    assert (a._children, a._local_grads) == ((), ())
    assert (a * b)._local_grads == (3.0, 2.0)


@pytest.mark.parametrize(
    "given",
    [
        lambda V, a: V(6.0, (a, a, a), (1, 2.0, np.float64(3))),
        lambda V, a: V(6.0, _children=[a, a, a], _local_grads=[1, 2, 3]),
        lambda V, a: V(6.0, children=(a, a, a), local_grads=(1, 2, 3), op="sum"),
        lambda V, a: V(6.0, (a, a, a), "sum", local_grads=(1, 2, 3)),
    ],
)
def test_local_gradients_are_given_by_place_or_by_name(engine, given):
    a = engine.Value(1.0)
    out = given(engine.Value, a)
    for passes in (1, 2):
        out.backward()
        assert a.grad == 6.0 * passes
    out._backward()
    assert a.grad == 18.0
    assert out._op in ("sum", "custom")


def test_a_backward_of_ones_own_replaces_local_gradients(engine):
    a = engine.Value(1.0)
    out = engine.Value(6.0, (a, a, a), (1, 2, 3))

    def backward():
        a.grad += 100

    out._backward = backward
    out.backward()
    assert a.grad == 100.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda a: (1.0, (a,), 3.0), TypeError, "third argument is the name of an op .* or its local gradients"),
        (lambda a: (1.0, (a,), {1.0}), TypeError, "third argument"),
        (lambda a: (1.0, (a,), (1.0, 2.0)), ValueError, "2 local gradients for 1 children"),
        (lambda a: (1.0, (a,), ()), ValueError, "0 local gradients for 1 children"),
        (lambda a: (1.0, (), (1.0,)), ValueError, "1 local gradients for 0 children"),
        (lambda a: (1.0, {a}, (1.0,)), TypeError, "their order matters"),
        (lambda a: (1.0, (a,), (a,)), TypeError, "local gradient 0 is a Value, not a number; write its .data"),
        (lambda a: (1.0, (a,), ("x",)), TypeError, "number"),
        (lambda a: (1.0, (2.0,), (1.0,)), TypeError, "child 0 is not a Value"),
    ],
)
def test_what_are_no_local_gradients_is_refused(engine, arguments, error, message):
    a = engine.Value(1.0)
    with pytest.raises(error, match=message):
        engine.Value(*arguments(a))


def test_history_is_not_kept_for_ops_of_ones_own_under_no_grad():
    a = scalar.Value(1.0)
    with pyautograd.no_grad():
        out = scalar.Value(2.0, (a,), (2.0,))
    assert out._children == () and out.is_leaf


def test_local_gradients_flow_among_tensors():
    a = scalar.Value(2.0)
    out = scalar.Value(8.0, (a,), (12.0,))
    (out * pyautograd.ones(3)).sum().backward()
    assert a.grad == 36.0
