"""What users may rely on where memory, history and Python meet: views that stay valid, gradients that are never
silently lost, and misuse that raises."""

import gc

import numpy as np
import pytest

import pyautograd as pa
from pyautograd.scalar import Neuron, Value, trace


def function(forward, backward, *arguments):
    """The result of an autograd.Function made of two lambdas."""
    made = type("Made", (pa.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})
    return made.apply(*arguments)


def double(x):
    return function(lambda ctx, x: x * 2, lambda ctx, g: g * 2, x)


# ---- tensors in place ----


def test_losses_add_up_in_a_tensor_made_from_data():
    w = pa.tensor(2.0, requires_grad=True)
    total = pa.tensor(0.0)
    for i in range(3):
        total += w * i
    total.backward()
    assert w.grad.item() == 3


def test_a_tensor_takes_part_in_place_again_when_no_array_looks_at_it_any_more():
    w = pa.ones(3, requires_grad=True)
    x = pa.zeros(3)
    x[0] = 1
    array = x.numpy()
    with pytest.raises(RuntimeError, match=r"add: a tensor of shape \(3,\) that shares memory"):
        x += w
    del array
    x += w
    assert x.tolist() == [2, 1, 1]


def test_an_array_stays_valid_when_its_tensor_moves_on_or_dies():
    x = pa.zeros(3)
    array = x.numpy()
    x.data = pa.ones(3, dtype=pa.float64)
    del x
    gc.collect()
    pa.ones(3), pa.ones(3)
    assert array.tolist() == [0, 0, 0]


def test_a_function_keeps_its_backward_when_its_result_changes_in_place():
    x = pa.tensor([2.0], requires_grad=True)
    y = double(x)
    y += x
    y.sum().backward()
    assert x.grad.tolist() == [3]


def test_retain_grad_holds_for_the_tensor_also_after_a_write_in_place():
    x = pa.tensor([2.0], requires_grad=True)
    y = x * 3
    y.retain_grad()
    y *= x
    (y * 2).sum().backward()
    assert y.grad.tolist() == [2]


def test_a_result_changed_after_backward_may_need_it_raises():
    x = pa.tensor([0.5], requires_grad=True)
    y = x.sigmoid()
    with pa.no_grad():
        y += 1
    with pytest.raises(RuntimeError, match="sigmoid needs its result"):
        y.sum().backward()
    assert x.grad is None


def test_numbers_in_place_do_not_become_bools():
    x = pa.tensor([True, False])
    with pytest.raises(TypeError, match="int64 does not fit in place into a tensor of dtype bool"):
        x += 1
    assert x.tolist() == [True, False]


@pytest.mark.parametrize("write", ["copy_", "fill_"])
def test_what_requires_grad_is_not_written_into_a_tensor_unnoticed(write):
    x, w = pa.zeros(3), pa.tensor(2.0, requires_grad=True)
    with pytest.raises(RuntimeError, match=rf"{write}: a source of shape \(\) that requires grad"):
        getattr(x, write)(w)
    assert x.tolist() == [0, 0, 0]
    with pa.no_grad():
        getattr(x, write)(w)
    assert x.tolist() == [2, 2, 2]


@pytest.mark.parametrize("key", [(None, slice(None), slice(3, None)), slice(2, None)], ids=str)
def test_a_part_without_elements_may_be_written_to(key):
    x = pa.ones(2, 3)
    x[key] += 0.25
    x[key] = 7
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_tensor_without_elements_is_contiguous_and_takes_every_shape():
    empty = pa.ones(1, 4)[:-1, ::2]
    assert empty.shape == (0, 2) and empty.is_contiguous()
    assert empty.view(0).shape == (0,) and empty.view(4, 0).shape == (4, 0)


def test_memory_that_overlaps_by_way_of_an_array_is_copied_as_it_was():
    for size in (8, 5000):
        x = pa.arange(float(size))
        again = pa.from_numpy(x.numpy())
        x[1:].copy_(again[:-1])
        assert x.tolist() == [0, *range(size - 1)]
    square = pa.arange(9.0).reshape(3, 3)
    transposed = pa.from_numpy(square.numpy()).T
    square.copy_(transposed)
    assert square.tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


@pytest.mark.parametrize(
    "function", [lambda x, at: x[at].sum(), pa.nn.functional.cross_entropy], ids=["rows", "classes"]
)
def test_positions_overwritten_through_an_array_raise_in_backward(function):
    x, at = pa.zeros(3, 3, requires_grad=True), pa.tensor([0, 1, 2])
    array = at.numpy()
    for outside in (3, -1, 10**12):
        array[:] = [0, 1, 2]
        loss = function(x, at)
        array[1] = outside
        with pytest.raises(IndexError, match="out of range"):
            loss.backward()
        assert x.grad is None


# ---- .data and .grad ----


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


# ---- autograd.Function ----


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


# ---- Values ----


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


# ---- indexing ----


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)], ids=str)
@pytest.mark.parametrize("key", [True, False, (None, True), (..., True)], ids=str)
def test_a_truth_value_as_an_index_makes_an_axis(shape, key):
    array = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    x = pa.tensor(array, requires_grad=True)
    assert x[key].detach().numpy().tolist() == array[key].tolist()
    assert x[key].shape == array[key].shape
    x[key].sum().backward()
    assert x.grad.sum().item() == array[key].size


def test_no_grad_decorates_with_and_without_parentheses():
    @pa.no_grad
    def bare(x):
        return x * 2

    @pa.no_grad()
    def called(x):
        return x * 2

    x = pa.ones(2, requires_grad=True)
    assert not bare(x).requires_grad and not called(x).requires_grad and (x * 2).requires_grad


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "var", "std", "amax", "amin", "any", "all", "argmax", "argmin",
                                  "logsumexp", "norm"])  # fmt: skip
def test_reductions_take_numpys_names(name):
    x = pa.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
    reduce = getattr(x, name)
    assert (reduce(axis=1) == reduce(dim=1)).all()
    assert reduce(axis=0, keepdims=True).shape == (1, 3)
    with pytest.raises(TypeError, match="same thing"):
        reduce(dim=1, axis=1)


def test_shapes_and_softmax_take_numpys_names():
    x = pa.tensor([[1.0, -2.0], [0.5, 4.0]])
    assert (x.softmax(axis=0) == x.softmax(dim=0)).all() and (x.log_softmax(axis=0) == x.log_softmax(0)).all()
    assert pa.cat([x, x], axis=1).shape == (2, 4) and pa.stack([x, x], axis=2).shape == (2, 2, 2)
    assert x.unsqueeze(axis=1).squeeze(axis=1).shape == (2, 2)
    assert x.max(axis=1).indices.tolist() == [0, 1] and x.min(axis=0, keepdims=True).values.tolist() == [[0.5, -2.0]]
