"""Indexing and concatenation give NumPy's values and gradients that add up where positions repeat."""

import numpy as np
import pytest
from gradcheck import check_gradients
from layouts import layouts

import pyautograd as pa

DTYPES = ["float32", "float64", "int64", "bool"]

KEYS = [
    [0, 2, 2],
    [-1, 0],
    [],
    [[0, 1], [2, 1]],
    ([0, 1, 2], [3, 0, -1]),
    ([[0], [2]], [1, 3]),
    (slice(None), [3, 0, 0]),
    ([1, 1], slice(1, 3)),
    (Ellipsis, [1, 0, 1]),
    (None, [0, 1]),
]


def arrays_of(key):
    """A key with its lists as int64 arrays; an empty list has no dtype of its own."""
    if isinstance(key, tuple):
        return tuple(arrays_of(item) for item in key)
    return np.array(key, dtype=np.int64) if isinstance(key, list) else key


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_values_are_numpys(key, dtype):
    numpy_key = arrays_of(key)
    for _, x, a in layouts((3, 4, 2), dtype):
        ours = x[numpy_key]
        assert ours.dtype == x.dtype
        np.testing.assert_array_equal(ours.detach().numpy(), a[numpy_key])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_boolean_mask_chooses_what_it_chooses_in_numpy(dtype):
    for _, x, a in layouts((3, 4), dtype):
        for mask in (np.arange(12).reshape(3, 4) % 3 == 0, np.array([True, False, True]), np.zeros((3, 4), bool)):
            np.testing.assert_array_equal(x[pa.tensor(mask)].detach().numpy(), a[mask])


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_gradients_add_up_where_positions_repeat(key):
    numpy_key = arrays_of(key)
    check_gradients(lambda x: x[numpy_key], np.random.default_rng(0).standard_normal((3, 4, 2)))


def test_positions_may_be_a_strided_tensor():
    x = pa.arange(12.0).reshape(6, 2)
    positions = pa.tensor([[0, 5], [1, 4], [2, 3]])
    np.testing.assert_array_equal(x[positions.T].numpy(), x.numpy()[positions.numpy().T])
    np.testing.assert_array_equal(x[positions[:, 1]].numpy(), x.numpy()[[5, 4, 3]])


def test_positions_out_of_range_are_refused():
    with pytest.raises(IndexError, match="3"):
        pa.zeros(3, 2)[pa.tensor([0, 3])]
    with pytest.raises(IndexError, match="-4"):
        pa.zeros(3, 2)[pa.tensor([-4])]
    with pytest.raises(IndexError):
        pa.zeros(3)[pa.tensor([0]), pa.tensor([0])]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shapes", "axis"),
    [
        ([(2, 3), (4, 3)], 0),
        ([(2, 3), (2, 1), (2, 0), (2, 5)], 1),
        ([(3,), (0,), (2,)], 0),
        ([(2, 2, 2)] * 3, 1),
        ([(2, 3)], 0),
        ([(2, 3, 4), (2, 1, 4)], -2),
    ],
)
def test_cat_is_numpys(shapes, axis, dtype):
    for layout in range(4):
        tensors, arrays = [], []
        for seed, shape in enumerate(shapes):
            options = list(layouts(shape, dtype, seed))
            _, x, a = options[layout % len(options)]
            tensors.append(x)
            arrays.append(a)
        ours = pa.cat(tensors, axis)
        np.testing.assert_array_equal(ours.detach().numpy(), np.concatenate(arrays, axis))


def test_cat_passes_over_empty_vectors_of_any_axis():
    assert pa.cat([pa.zeros(0), pa.ones(2, 3)]).shape == (2, 3)
    assert pa.cat([pa.ones(2, 3), pa.zeros(0)], dim=1).shape == (2, 3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gradients_of_cat_are_the_parts(axis):
    a = np.random.default_rng(0).standard_normal((2, 3, 2))
    other = pa.tensor(np.random.default_rng(1).standard_normal((2, 3, 2)))
    check_gradients(lambda x: pa.cat([x, other, x * 2, x], axis), a)


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_empty_takes_nothing_of_the_gradient_of_cat(axis):
    x, y = (pa.ones(2, 2, requires_grad=True) for _ in range(2))
    empty = pa.ones((0, 2) if axis == 0 else (2, 0), requires_grad=True)
    upstream = pa.arange(8.0).reshape((4, 2) if axis == 0 else (2, 4))
    (pa.cat([x, empty, y], axis) * upstream).sum().backward()
    assert pa.cat([x.grad, y.grad], axis).tolist() == upstream.tolist() and empty.grad.shape == empty.shape


def test_cat_refuses_shapes_and_axes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"cat: shapes \(2, 3\) and \(3, 3\) do not fit"):
        pa.cat([pa.zeros(2, 3), pa.zeros(3, 3)], 1)
    with pytest.raises(ValueError, match="cat"):
        pa.cat([])
    with pytest.raises(IndexError, match="cat"):
        pa.cat([pa.zeros(2)], 1)
    with pytest.raises(ValueError, match="0-d"):
        pa.cat([pa.tensor(1.0), pa.tensor(2.0)])


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_what_arrays_index_is_contiguous(key):
    indexed = pa.arange(24.0).reshape(3, 4, 2)[arrays_of(key)]
    assert indexed.is_contiguous()
    np.testing.assert_array_equal(indexed.view(indexed.numel()).numpy(), indexed.numpy().reshape(-1))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)], ids=str)
@pytest.mark.parametrize("key", [True, False, (None, True), (..., True)], ids=str)
def test_a_truth_value_as_an_index_makes_an_axis(shape, key):
    array = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    x = pa.tensor(array, requires_grad=True)
    assert x[key].detach().numpy().tolist() == array[key].tolist()
    assert x[key].shape == array[key].shape
    x[key].sum().backward()
    assert x.grad.sum().item() == array[key].size
