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
