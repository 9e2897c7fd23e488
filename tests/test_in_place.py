"""A write in place is part of the graph, is refused, or is found by backward; views and arrays stay valid."""

import gc

import pytest
from functions import double

import pyautograd as pa


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
