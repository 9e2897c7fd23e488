"""Values in graphs of Tensors keep their numbers and gradients, and each kind what is its own."""

import gc

import numpy as np
import pytest
from functions import function

import pyautograd as pa
from pyautograd.scalar import Neuron, Value, trace


def test_gradients_that_are_handed_out_leave_values_as_they_are():
    v, x = Value(2.0), pa.ones(2, requires_grad=True)
    inner = v * 3.0
    v.grad, inner.grad = 5.0, 7.0
    (gradient,) = pa.autograd.grad((x * inner).sum(), x)
    assert gradient.tolist() == [6, 6]
    assert (v.grad, inner.grad) == (5, 7)


def test_a_backward_that_raises_leaves_values_as_they_are():
    def fail(ctx, g):
        raise ZeroDivisionError

    v = Value(2.0)
    inner = v * 3.0
    v.grad, inner.grad = 5.0, 7.0
    x = function(lambda ctx, x: x * 1, fail, pa.ones(2, requires_grad=True))
    with pytest.raises(ZeroDivisionError):
        (x * inner).sum().backward()
    assert (v.grad, inner.grad) == (5, 7)


def test_functions_of_tensors_take_values_too():
    v, x = Value(2.0), pa.ones(2)
    assert pa.clamp(v, max=1.5).data == 1.5
    assert pa.clamp(v, pa.tensor([1.0, 3.0])).tolist() == [2, 3]
    assert pa.masked_fill(x, pa.tensor([True, False]), v).tolist() == [2, 1]
    assert pa.add(v, 1, alpha=0.5).data == 2.5
    assert pa.add(x, v, alpha=2).tolist() == [5, 5] and pa.sub(x, v, alpha=0.5).tolist() == [0, 0]


@pytest.mark.parametrize(
    "lose", [lambda v: pa.tensor(v), lambda v: pa.tensor([v, 1.0]), lambda v: pa.tensor([[v * 2]])]
)
def test_a_tensor_of_the_numbers_of_values_warns_of_the_lost_history(lose):
    with pytest.warns(UserWarning, match="has no history"):
        assert not lose(Value(2.0)).requires_grad
    with pa.no_grad():
        lose(Value(2.0))


def test_what_looks_like_a_view_of_a_value_follows_neither_side():
    v = Value(1.0)
    copy = v.detach()
    stacked = pa.stack([v, v])
    v.data = 5
    assert copy.item() == 1 and stacked.tolist() == [1, 1]
    assert (v * pa.ones(1)).tolist() == [5] and pa.stack([v]).tolist() == [5]
    copy.fill_(7)
    assert v.data == 5 and (v * pa.ones(1)).tolist() == [5]


def test_slots_of_a_subclass_start_empty():
    class Slotted(Value):
        __slots__ = ("extra",)

    values = [Slotted(i) for i in range(10)]
    assert not any(hasattr(value, "extra") for value in values)
    values[3].extra = "here"
    assert values[3].extra == "here"


def test_a_backward_step_is_a_values():
    x = pa.ones(2, requires_grad=True)
    y = x * 2
    y.sum().backward()
    with pytest.raises(TypeError, match=r"tensor \(of shape \(2,\)\) has no step"):
        y._backward()
    with pytest.raises(TypeError, match=r"autograd\.Function"):
        y._backward = lambda: None


def test_tensors_have_no_local_gradient_as_a_number():
    x = pa.tensor(3.0, dtype=pa.float64, requires_grad=True)
    assert np.isnan((x * x)._local_gradients()).all()
    a = Value(3.0)
    assert (a * a)._local_gradients() == (3, 3)


def test_a_neuron_is_not_opened_by_a_backward_that_runs_through_it():
    neuron = Neuron(2)
    out = neuron([Value(1.0), Value(2.0)])
    tripled = Value(out.data * 3, (out,), "triple")

    def backward():
        assert out._op

    tripled._backward = backward
    loss = (tripled * pa.ones(2)).sum()
    with pytest.raises(RuntimeError, match="neuron: its inner nodes"):
        loss.backward()
    assert out._prev and trace(out)
    tripled._backward = lambda: None  # which lets go of the closure


def test_collected_handles_are_used_again_safely():
    for _ in range(3):
        for _ in range(300):
            out = Value(1.0)
            out._backward = lambda out=out: out
            out.label = "cycle"
        del out
        gc.collect()
        assert [v.data for v in [Value(i) for i in range(300)]] == list(range(300))
