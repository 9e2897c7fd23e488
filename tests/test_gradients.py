"""Gradients are never silently lost: `.data`, `.grad`, `requires_grad`, no_grad and autograd.Function."""

import numpy as np
import pytest
from functions import double, function

import pyautograd as pa


def test_a_leaf_that_wants_no_gradient_any_more_gets_none():
    x, w = pa.ones(2, 2, requires_grad=True), pa.ones(2, 2, requires_grad=True)
    results = [x.exp(), x.T, x[0], x.sum(0), x @ w, x.softmax(1), x * w, pa.cat([x, w]), double(x), x[[0, 0]], x.var()]
    x.requires_grad_(False)
    for result in results:
        result.sum().backward()
        assert x.grad is None
    assert w.grad.tolist() == [[4, 4], [4, 4]]


def test_a_result_stays_one_when_its_graph_was_freed():
    y = pa.ones(2, requires_grad=True) * 2
    y.sum().backward()
    assert not y.is_leaf
    with pytest.raises(RuntimeError, match="is no leaf"):
        y.requires_grad_(False)


def test_retain_grad_says_nothing_about_a_leaf():
    x = pa.ones(2, requires_grad=True)
    x.retain_grad()
    assert not x.retains_grad
    x.sum().backward()
    assert x.grad.tolist() == [1, 1]


@pytest.mark.parametrize("number", [2.0, np.float64(2), 2], ids=repr)
def test_data_takes_a_number_and_keeps_the_dtype(number):
    t = pa.tensor(1.0)
    t.data = number
    assert t.dtype == pa.float32 and t.item() == 2


def test_a_view_of_a_part_does_not_change_dtype():
    x = pa.zeros(4)
    for view in (x[2:], x[::2]):
        with pytest.raises(RuntimeError, match="stays float32"):
            view.data = pa.ones(2, dtype=pa.float64)
    assert x.tolist() == [0, 0, 0, 0]


def test_a_tensor_cannot_be_its_own_gradient():
    nodes = pa.memory_stats().nodes
    x = pa.zeros(3)
    with pytest.raises(RuntimeError, match="its own gradient"):
        x.grad = x
    del x
    assert pa.memory_stats().nodes == nodes


def test_an_upstream_gradient_serves_as_grad():
    w = pa.tensor(1.0, requires_grad=True)

    def backward(ctx, g):
        w.grad = g
        return g

    function(lambda ctx, x: x * 1, backward, pa.tensor(1.0, requires_grad=True)).backward()
    (w * 3).backward()
    assert w.grad.item() == 4


def test_a_function_may_return_its_argument():
    x = pa.tensor([1.0, 2.0], requires_grad=True)
    y = function(lambda ctx, x: x, lambda ctx, g: g * 2, x)
    y.sum().backward()
    assert x.is_leaf and x.grad.tolist() == [2, 2]


def test_a_function_may_return_a_parameter_which_stays_a_leaf():
    x, w = pa.ones(2, requires_grad=True), pa.ones(2, requires_grad=True)
    y = function(lambda ctx, x: w, lambda ctx, g: g * 2, x)
    y.sum().backward()
    assert w.is_leaf and w.grad is None and x.grad.tolist() == [2, 2]


def test_a_function_cannot_return_a_tensor_that_is_part_of_a_graph():
    constant, w = pa.ones(2), pa.ones(2, requires_grad=True)
    loss = (constant * w).sum()
    with pytest.raises(TypeError, match="must return a new"):
        function(lambda ctx, x: constant, lambda ctx, g: g, w)
    loss.backward()
    assert w.grad.tolist() == [1, 1]


def test_no_grad_decorates_with_and_without_parentheses():
    @pa.no_grad
    def bare(x):
        return x * 2

    @pa.no_grad()
    def called(x):
        return x * 2

    x = pa.ones(2, requires_grad=True)
    assert not bare(x).requires_grad and not called(x).requires_grad and (x * 2).requires_grad


def root(x):
    return x.sqrt()


def own_root(x):
    return function(lambda ctx, x: x.sqrt(), lambda ctx, g: g / pa.zeros(1), x)


@pytest.mark.parametrize("compiled", [False, True])
def test_an_anomaly_is_reported_with_the_line_that_applied_the_op(compiled):
    def step(x):
        loss = (root(x) * 3).sum()
        loss.backward()
        return loss.detach()

    x = pa.ones(2, requires_grad=True)
    step = pa.compile(step) if compiled else step
    with pa.autograd.detect_anomaly():
        for _ in range(2):
            step(x)
        with pa.no_grad():
            x.zero_()
        with pytest.raises(FloatingPointError) as raised:
            step(x)
    line = root.__code__.co_firstlineno + 1
    assert str(raised.value).endswith(f"of shape (2,); the op was applied at {__file__}, line {line}")


def test_lines_are_noted_of_functions_and_0d_tensors_too_and_not_outside():
    x = pa.tensor(0.0, requires_grad=True)
    loss = root(x)
    with pa.autograd.detect_anomaly():
        with pytest.raises(FloatingPointError, match=r"of shape \(\)$"):
            loss.backward()
        with pytest.raises(FloatingPointError, match=rf"line {root.__code__.co_firstlineno + 1}$"):
            root(x).backward()
        with pytest.raises(FloatingPointError, match=r"custom .*; the op was applied at "):
            own_root(pa.zeros(1, requires_grad=True)).backward()


def test_detect_anomaly_without_check_notes_lines_alone():
    x = pa.tensor(0.0, requires_grad=True)
    with pa.autograd.detect_anomaly(check_nan=False):
        loss = root(x)
        loss.backward(retain_graph=True)
    pa.autograd.set_detect_anomaly(True)
    try:
        with pytest.raises(FloatingPointError, match="; the op was applied at "):
            loss.backward()
    finally:
        pa.autograd.set_detect_anomaly(False)
    loss = root(x)
    with pa.autograd.set_detect_anomaly(True), pytest.raises(FloatingPointError, match=r"\(\)$"):
        loss.backward()


def test_gradients_at_infinities_and_nan_are_pytorchs() -> None:
    inf, nan = float("inf"), float("nan")
    a, b = pa.tensor([inf, nan, 1.0, -3.0], requires_grad=True), pa.tensor([0.0, 2.0, nan, inf], requires_grad=True)
    pa.div(a, b, rounding_mode="trunc").sum().backward()
    assert a.grad.tolist() == b.grad.tolist() == [0, 0, 0, 0]
    start, end = pa.tensor([inf, 1.0], requires_grad=True), pa.tensor([-inf, 3.0], requires_grad=True)
    weight = pa.tensor([0.0, inf], requires_grad=True)
    pa.lerp(start, end, weight).sum().backward()
    assert (start.grad.tolist(), end.grad.tolist(), weight.grad.tolist()) == ([1, -inf], [0, inf], [-inf, 2])
    for loss in (pa.nn.functional.huber_loss, pa.nn.functional.smooth_l1_loss):
        x = pa.tensor([nan, 5.0, 0.5], requires_grad=True)
        loss(x, pa.zeros(3), reduction="sum").backward()
        np.testing.assert_array_equal(x.grad.numpy(), np.array([nan, 1, 0.5], np.float32))
