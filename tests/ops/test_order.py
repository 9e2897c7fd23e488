"""Sorting, running reductions and searching: NumPy's order and numbers over axes, layouts and dtypes; gradients."""

import itertools
from typing import Any

import numpy as np
import pytest
from gradcheck import check_gradients
from layouts import layouts

import pyautograd as pa

DTYPES = ["float32", "float64", "int64", "bool"]
SHAPES = [(), (1,), (7,), (0,), (3, 0), (3, 4), (2, 3, 4), (3, 70), (300, 2), (3000,)]
rng = np.random.default_rng(0)


def cases(dtype: str) -> Any:
    for shape in SHAPES:
        for _, x, a in layouts(shape, dtype):
            for axis in range(len(shape)) or [0]:
                yield x, np.atleast_1d(a), axis


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_sorted_is_stable_along_any_axis_of_any_layout(dtype: str) -> None:
    for x, a, axis in cases(dtype):
        order = np.argsort(a, axis, kind="stable")
        values, indices = x.sort(axis)
        assert values.shape == indices.shape == x.shape and values.dtype is x.dtype
        assert (indices.numpy() == order.reshape(x.shape)).all()
        assert (values.detach().numpy() == np.sort(a, axis).reshape(x.shape)).all()
        backwards = np.flip(a.shape[axis] - 1 - np.argsort(np.flip(a, axis), axis, kind="stable"), axis)
        assert (x.argsort(axis, descending=True).numpy() == backwards.reshape(x.shape)).all()
        for k in {0, a.shape[axis] // 60, a.shape[axis] // 2, a.shape[axis]} if x.ndim else {1}:
            largest, smallest = x.topk(k, axis), x.topk(k, axis, largest=False)
            assert (largest.indices.numpy() == np.take(backwards, range(k), axis).reshape(largest.indices.shape)).all()
            assert (smallest.indices.numpy() == np.take(order, range(k), axis).reshape(smallest.indices.shape)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_running_sums_and_products_are_numpys(dtype: str) -> None:
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-11}
    for x, a, axis in cases(dtype):
        for ours, theirs in ((x.cumsum, np.cumsum), (x.cumprod, np.cumprod)):
            wide = a.astype(np.float64) if dtype == "float32" else a
            wanted = theirs(wide, axis).reshape(x.shape)
            found = ours(axis)
            assert found.dtype is (x.dtype if x.dtype.is_floating_point else pa.int64)
            np.testing.assert_allclose(found.detach().numpy(), wanted, **tolerance)
        assert (x.cummax(axis).values.detach().numpy() == np.maximum.accumulate(a, axis).reshape(x.shape)).all()
        assert (x.cummin(axis).values.detach().numpy() == np.minimum.accumulate(a, axis).reshape(x.shape)).all()


def test_float32_sums_are_made_in_double() -> None:
    x = pa.tensor([1e8, 1.0, -1e8, 1.0])
    assert x.cumsum(0)[2:].tolist() == [1.0, 2.0]


def test_nan_is_larger_than_all_and_zeros_are_equal() -> None:
    inf, nan = float("inf"), float("nan")
    x = pa.tensor([nan, 0.0, -inf, -0.0, inf, nan, -1.0])
    assert x.argsort().tolist() == [2, 6, 1, 3, 4, 0, 5]
    assert x.argsort(descending=True).tolist() == [0, 5, 4, 1, 3, 6, 2]
    assert x.topk(1).indices.item() == 0 and x.kthvalue(1).indices.item() == 2
    assert pa.tensor([1.0, nan, 2.0]).cummax(0).indices.tolist() == [0, 1, 1]
    assert pa.tensor([1.0, nan, 2.0]).cummin(0).indices.tolist() == [0, 1, 1]
    assert pa.tensor([1.0, 1.0, 0.5]).cummax(0).indices.tolist() == [0, 1, 1]
    assert pa.searchsorted(pa.tensor([-0.0, 1.0, nan]), pa.tensor([0.0, 2.0, nan])).tolist() == [0, 2, 2]


def test_large_and_small_integers_are_in_order() -> None:
    a = rng.integers(-(2**63), 2**63 - 1, 500)
    assert (pa.tensor(a).msort().numpy() == np.sort(a)).all()
    assert (pa.tensor(a % 300).argsort().numpy() == np.argsort(a % 300, kind="stable")).all()


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_gradients_go_to_the_elements_chosen_and_through_running_sums(dim: int) -> None:
    a = rng.standard_normal((3, 4, 2))
    zeros = a.copy()
    zeros[1, 2] = zeros[2, :, 1] = 0
    for function in (
        lambda x: x.sort(dim).values, lambda x: x.topk(2, dim).values, lambda x: x.kthvalue(2, dim).values,
        lambda x: x.cumsum(dim), lambda x: x.cummax(dim).values, lambda x: x.diff(dim=dim),
        lambda x: pa.trapezoid(x, dim=dim),
    ):  # fmt: skip
        check_gradients(function, a)
    check_gradients(lambda x: x.cumprod(dim), zeros)


@pytest.mark.parametrize("right", [False, True])
def test_places_among_sorted_numbers_are_numpys(right: bool) -> None:
    side = "right" if right else "left"
    for n, m in itertools.product([0, 1, 5, 600], [0, 1, 700]):
        a, v = np.sort(rng.integers(0, 9, n) / 4), rng.integers(-1, 10, (m, 2)) / 4
        wanted = np.searchsorted(a, v, side)  # type: ignore[call-overload]
        assert (pa.searchsorted(pa.tensor(a), pa.tensor(v), right=right).numpy() == wanted).all()
        assert (pa.bucketize(pa.tensor(v), pa.tensor(a), right=right).numpy() == wanted).all()
    rows, numbers = np.sort(rng.standard_normal((4, 9))), rng.standard_normal((4, 3))
    wanted = np.stack([np.searchsorted(row, each, side) for row, each in zip(rows, numbers)])  # type: ignore[call-overload]
    found = pa.searchsorted(pa.tensor(rows.T.copy()).T, pa.tensor(numbers), right=right)
    assert (found.numpy() == wanted).all()
    assert pa.searchsorted(pa.tensor([1, 3]), 2).item() == pa.searchsorted(pa.tensor([1, 3]), 1.5).item() == 1


def test_what_is_out_of_range_says_so() -> None:
    x = pa.zeros(2, 3)
    for match, error, call in (
        (r"topk: k 4 of 3 elements along axis 1 of shape \(2, 3\)", ValueError, lambda: x.topk(4)),
        ("kthvalue: k 0 of 3", ValueError, lambda: x.kthvalue(0)),
        ("sort: axis 2", IndexError, lambda: x.sort(2)),
        ("cumsum: axis -3", IndexError, lambda: x.cumsum(-3)),
        ("diff: n 1 of shape", ValueError, lambda: pa.tensor(1.0).diff()),
        (r"bucketize: boundaries of shape \(2, 3\)", ValueError, lambda: pa.bucketize(x, x)),
        ("searchsorted: numbers of shape", ValueError, lambda: pa.searchsorted(x, pa.zeros(3))),
        ("searchsorted: side 'up'", ValueError, lambda: pa.searchsorted(x[0], x, side="up")),
        ("masked_select: the mask must be bool", TypeError, lambda: x.masked_select(x)),
    ):
        with pytest.raises(error, match=match):
            call()


def test_areas_under_bytes_do_not_wrap_around() -> None:
    y = pa.tensor([200, 3, 255, 7], dtype=pa.uint8)
    assert pa.trapezoid(y).item() == 361.5
    assert pa.trapezoid(y, y.flip(0)).item() == (203 * 248 - 258 * 252 + 262 * 197) / 2
