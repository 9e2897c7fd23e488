"""Elements that an index sends somewhere arrive there, and their gradients come back; what does not fit is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradcheck import check_gradients

import pyautograd as pa
from pyautograd import Tensor

ROWS = pa.tensor([[0, 2, 0, 1], [1, 1, 2, 1], [0, 1, 2, 2]])
COLUMNS = pa.tensor([[0, 2], [1, 3], [3, 2]])
ONCE = pa.tensor([[0, 2, 1, 2], [1, 1, 2, 1]])
TWICE, BACK = pa.tensor([0, 2, 0]), pa.tensor([-1, 0, 5])
MASK = pa.tensor([[True, False, True, False], [False] * 4, [True] * 4])
X, Y, V = (np.random.default_rng(3).normal(size=shape) for shape in ((3, 4), (3, 4), (3,)))
ZEROS = np.array([[0.0, 1, 2, 0], [1, 0, 3, 1], [2, 2, 2, 2]])

DIFFERENTIABLE: dict[str, tuple[Callable[..., Tensor], tuple[Any, ...]]] = {
    "scatter": (lambda x, y: x.scatter(1, COLUMNS, y), (X, Y)),
    "scatter of fewer rows": (lambda x, y: x.scatter(0, ONCE, y), (X, Y)),
    "scatter of a number": (lambda x, y: x.scatter(1, COLUMNS, 2.0) * y, (X, Y)),
    "scatter_add": (lambda x, y: x.scatter_add(0, ROWS, y), (X, Y)),
    **{
        f"scatter_reduce {how}, {own}": (
            lambda x, y, how=how, own=own: x.scatter_reduce(0, ROWS, y, how, include_self=own),
            (X, Y),
        )
        for how in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    },
    "scatter_reduce prod of zeros": (lambda x, y: x.scatter_reduce(0, ROWS, y, "prod"), (ZEROS + 1, ZEROS)),
    "index_add": (lambda x, y: x.index_add(1, TWICE, y[:, :3], alpha=2), (X, Y)),
    "index_copy": (lambda x, y: x.index_copy(1, pa.tensor([1, 3]), y[:, :2]), (X, Y)),
    "index_fill": (lambda x, v: x.index_fill(0, TWICE, v[0]), (X, V)),
    "index_put": (lambda x, v: x.index_put((TWICE, pa.tensor([1, 3, 0])), v), (X, V)),
    "index_put added": (lambda x, v: x.index_put((TWICE, pa.tensor([1, 3, 1])), v, accumulate=True), (X, V)),
    "index_put of a mask": (lambda x, v: x.index_put((MASK,), v[0]), (X, V)),
    "index_reduce": (lambda x, y: x.index_reduce(1, TWICE, y[:, :3], "amax"), (X, Y)),
    "put": (lambda x, v: x.put(BACK, v), (X, V)),
    "put added": (lambda x, v: x.put(BACK, v, accumulate=True), (X, V)),
    "take": (lambda x: x.take(BACK), (X,)),
    "take_along_dim": (lambda x: x.take_along_dim(COLUMNS[:1], 1), (X,)),
    "masked_scatter": (lambda x, y: x.masked_scatter(MASK, y), (X, Y)),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_come_back_from_where_elements_were_sent(name: str) -> None:
    function, arrays = DIFFERENTIABLE[name]
    check_gradients(function, *arrays)


def test_what_is_overwritten_has_the_gradient_0_and_what_is_written_may_have_none() -> None:
    x, positions = pa.ones(3, requires_grad=True), pa.tensor([2, 0])
    for name in ("put", "index_add"):
        for source in (pa.ones(2), pa.ones(2, requires_grad=True)):
            x.grad = None
            given = (0, positions, source) if name == "index_add" else (positions, source)
            (getattr(x, name)(*given) * pa.tensor([5.0, 6.0, 7.0])).sum().backward()
            assert x.grad.tolist() == ([5, 6, 7] if name == "index_add" else [0, 6, 0])
            assert not source.requires_grad or source.grad.tolist() == [7, 5]
    one = pa.ones(1, requires_grad=True)
    one.put(pa.tensor([], dtype=pa.int64), pa.ones(0)).sum().backward()
    assert one.grad.tolist() == [1]


def test_the_last_of_several_elements_stays() -> None:
    assert pa.zeros(3).scatter(0, pa.tensor([1, 1]), pa.tensor([4.0, 5.0])).tolist() == [0, 5, 0]


def test_ties_share_a_gradient() -> None:
    x = pa.tensor([2.0, 2.0, 1.0], requires_grad=True)
    pa.zeros(1).scatter_reduce(0, pa.tensor([0, 0, 0]), x, "amax").sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.5, 0.5, 0]


def test_a_product_of_two_zeros_has_second_derivatives() -> None:
    zeros = pa.tensor([0.0, 0.0, 5.0], requires_grad=True)
    product = pa.tensor([2.0, 3.0]).scatter_reduce(0, pa.tensor([0, 0, 1]), zeros, "prod")
    (first,) = pa.autograd.grad(product.sum(), zeros, create_graph=True)
    assert first.tolist() == [0.0, 0.0, 3.0]
    assert pa.autograd.grad(first[0], zeros)[0].tolist() == [0.0, 2.0, 0.0]


def test_a_product_has_the_same_numbers_where_it_has_a_gradient() -> None:
    x, at, y = pa.tensor([2.0, 3.0]), pa.tensor([0, 1, 1]), pa.tensor([-float("inf"), 4.0, 5.0])
    assert x.scatter_reduce(0, at, y, "prod").tolist() == [-float("inf"), 60.0]
    tracked = x.requires_grad_().scatter_reduce(0, at, y, "prod")
    assert tracked.isinf().tolist() == [True, False] and tracked[1].item() == pytest.approx(60.0)


@pytest.mark.parametrize("dtype", [pa.uint8, pa.int32, pa.int64])
def test_integers_wrap_around(dtype: Any) -> None:
    most = np.iinfo(dtype.numpy).max
    x = pa.full((2,), int(most), dtype=dtype).index_add(0, pa.tensor([0], dtype=pa.int32), pa.ones(1, dtype=dtype))
    assert x.dtype is dtype and x.tolist() == [np.iinfo(dtype.numpy).min, most]


def test_means_of_integers_are_rounded_down() -> None:
    at, x = pa.tensor([0, 0, 1]), pa.tensor([1, 2, -3])
    assert pa.zeros(2, dtype=pa.int64).scatter_reduce(0, at, x, "mean").tolist() == [1, -2]


X32, INDEX = pa.zeros(2, 3), pa.tensor([[0]])


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (IndexError, lambda: X32.scatter(1, pa.tensor([[3]]), 1.0)),
        (IndexError, lambda: X32.take(pa.tensor([6]))),
        (IndexError, lambda: X32.index_add(0, INDEX, X32)),
        (IndexError, lambda: X32.scatter_add(2, INDEX, X32)),
        (ValueError, lambda: X32.scatter(1, pa.tensor([0]), 1.0)),
        (ValueError, lambda: X32.scatter_add(1, pa.tensor([[0], [0]]), pa.zeros(1, 3))),
        (ValueError, lambda: X32.scatter_reduce(1, INDEX, X32, "median")),
        (ValueError, lambda: X32.index_copy(1, pa.tensor([0]), X32)),
        (IndexError, lambda: X32.masked_scatter(X32 == 0, pa.zeros(5))),
        (ValueError, lambda: X32.put(pa.tensor([0, 1]), pa.zeros(1))),
        (TypeError, lambda: X32.scatter_add(1, INDEX, X32.double())),
        (TypeError, lambda: X32.scatter(1, INDEX.float(), X32)),
        (TypeError, lambda: X32.masked_scatter(X32, X32)),
        (TypeError, lambda: X32.index_put(pa.tensor([0]), pa.tensor(1.0))),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(error: type[Exception], call: Callable[[], Tensor]) -> None:
    with pytest.raises(error, match=r"^(scatter|take|index|masked|put)"):
        call()
