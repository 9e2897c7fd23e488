"""Elements written to places that an index names, each function also a method of Tensor: scatter and its like.

Whatever the index looks like, it becomes one row-major position for each element, and two ops do the rest: `put`
replaces the elements at positions, `index_add` combines with them.
"""

from __future__ import annotations

import builtins
import math
from typing import Any, SupportsIndex

import numpy as np

from pyautograd import _arguments, _dims, _ops
from pyautograd._arguments import named
from pyautograd._array_like import as_tensor, from_numpy
from pyautograd._core import Node, Tensor, apply, reshape
from pyautograd._creation import ones_like, zeros, zeros_like
from pyautograd._dtype import bool_, int64
from pyautograd._elementwise import is_number, masked_fill, where
from pyautograd._grad_mode import no_grad
from pyautograd._indexing import picked, positions_along, positions_of
from pyautograd._rows import plain
from pyautograd._shape import broadcast_to

__all__ = [
    "index_add", "index_copy", "index_fill", "index_put", "index_reduce", "masked_scatter", "put", "scatter",
    "scatter_add", "scatter_reduce", "take", "take_along_dim",
]  # fmt: skip

_HOW = {"sum": 0, "add": 0, "mean": 0, "prod": 1, "multiply": 1, "amax": 2, "amin": 3}


def _of_dtype(name: str, input: Tensor, source: Any, what: str = "source") -> Tensor:
    found = _arguments.tensor(name, what, source)
    if found.dtype is not input.dtype:
        raise TypeError(f"{name}: a {what} of dtype {found.dtype.name} for a tensor of dtype {input.dtype.name}")
    return found


def _number(name: str, input: Tensor, value: Any) -> Tensor:
    """A number, or a 0-d tensor, in the dtype of the input."""
    if isinstance(value, Node):
        if value.ndim:
            raise ValueError(f"{name}: value of shape {value.shape}; it must be a number")
        value = apply(_ops.cast, value, (input.dtype.code,))
    return as_tensor(value, dtype=input.dtype)


def _as_rows(input: Tensor) -> Tensor:
    rows: Tensor = input if input.ndim else reshape(input, (1,))
    return rows


def _places(name: str, input: Tensor, dim: SupportsIndex, index: Tensor) -> Tensor:
    """The row-major position in the input of each place that an index as scatter has it names."""
    at = _dims.axis(name, input, dim)
    shape = _as_rows(input).shape
    index = positions_along(name, index, shape[at])
    if index.ndim == 0:
        index = reshape(index, (1,))
    others = zip(index.shape, shape, strict=False)
    if index.numel() and (
        index.ndim != len(shape) or builtins.any(a > b for axis, (a, b) in enumerate(others) if axis != at)
    ):
        raise ValueError(f"{name}: an index of shape {index.shape} for a tensor of shape {input.shape}")
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    grid = np.ogrid[tuple(slice(plain(size)) for size in index.shape)]
    offsets: Any = 0
    for axis, places in enumerate(grid[: len(shape)]):
        if axis != at and len(grid) == len(shape):
            offsets = offsets + places * plain(strides[axis])
    along: Tensor = index * strides[at]
    return along if type(offsets) is int else along + from_numpy(np.asarray(offsets))


def _part(name: str, index: Tensor, source: Tensor) -> Tensor:
    """The source as far as the index goes."""
    source = _as_rows(source)
    if source.shape == index.shape:
        return source
    if not index.numel():
        return zeros(index.shape, dtype=source.dtype)
    if source.ndim != index.ndim or builtins.any(a > b for a, b in zip(index.shape, source.shape, strict=True)):
        raise ValueError(f"{name}: an index of shape {index.shape} for a source of shape {source.shape}")
    return source[tuple(slice(size) for size in index.shape)]


def _combined(input: Tensor, places: Tensor, values: Tensor, how: int = 0) -> Tensor:
    combined: Tensor = apply(_ops.index_add, input, places, values, (input.ndim, how))
    return combined


def _replaced(input: Tensor, places: Tensor, values: Any) -> Tensor:
    return apply(_ops.put, input, places, broadcast_to(values, places.shape))


@named
def scatter(
    input: Tensor, dim: SupportsIndex, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """A copy in which out[index[i][j][k]][j][k] = src[i][j][k] for dim = 0, and so on; `src` is a tensor or a number.

    Where an index repeats, the last element stays. `reduce` "add" or "multiply" combines with what is there.
    **Raises** IndexError for a position out of range, ValueError for shapes that do not fit, TypeError for other
    dtypes.

    >>> import pyautograd
    >>> pyautograd.zeros(2, 3).scatter(1, pyautograd.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    places = _places("scatter", input, dim, index)
    source = value if src is None else src
    if source is None:
        raise TypeError("scatter: src, a tensor or a number, is missing")
    if isinstance(source, Tensor) and src is not None and source.ndim:
        source = _part("scatter", places, _of_dtype("scatter", input, source, "src"))
    else:
        source = broadcast_to(_number("scatter", input, source), places.shape)
    if reduce is None:
        return _replaced(input, places, source)
    if reduce not in ("add", "multiply"):
        raise ValueError(f"scatter: reduce must be 'add' or 'multiply', not {reduce!r}")
    return _reduced(input, places, source, "sum" if reduce == "add" else "prod", True)


@named
def scatter_add(input: Tensor, dim: SupportsIndex, index: Tensor, src: Tensor) -> Tensor:
    """A copy in which out[index[i][j][k]][j][k] += src[i][j][k] for dim = 0, and so on.

    **Raises** as `scatter`.

    >>> import pyautograd
    >>> pyautograd.zeros(3).scatter_add(0, pyautograd.tensor([0, 2, 0]), pyautograd.ones(3))
    tensor([2., 0., 1.])
    """
    places = _places("scatter_add", input, dim, index)
    return _combined(input, places, _part("scatter_add", places, _of_dtype("scatter_add", input, src, "src")))


@named
def scatter_reduce(
    input: Tensor, dim: SupportsIndex, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy whose elements are combined with those of `src` that the index sends there.

    **Arguments:** `reduce`: "sum", "prod", "mean", "amax" or "amin"; ties share the gradient. `include_self`: whether
    the input's own elements take part where something is sent. **Raises** as `scatter`, ValueError for another
    `reduce`.

    >>> import pyautograd
    >>> x, at = pyautograd.tensor([1.0, 5.0, 2.0]), pyautograd.tensor([0, 0, 1])
    >>> pyautograd.zeros(2).scatter_reduce(0, at, x, "amax", include_self=False)
    tensor([5., 2.])
    """
    places = _places("scatter_reduce", input, dim, index)
    values = _part("scatter_reduce", places, _of_dtype("scatter_reduce", input, src, "src"))
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise ValueError(f"scatter_reduce: reduce must be 'sum', 'prod', 'mean', 'amax' or 'amin', not {reduce!r}")
    return _reduced(input, places, values, reduce, include_self)


def _reduced(input: Tensor, places: Tensor, values: Tensor, reduce: str, include_self: bool) -> Tensor:
    """`_combined`, with a gradient whichever way."""
    if not include_self:
        least, largest = _bounds(input)
        identity = {"sum": 0, "mean": 0, "prod": 1, "amax": least, "amin": largest}[reduce]
        input = _replaced(input, places, as_tensor(identity, dtype=input.dtype))
    if reduce == "sum":
        return _combined(input, places, values)
    if reduce == "mean":
        own = ones_like(input) if include_self else zeros_like(input)
        count = _combined(own, places, ones_like(values))
        total, count = _combined(input, places, values), count + (count == 0).to(count.dtype)
        mean: Tensor = total / count if input.dtype.is_floating_point else (total / count.double()).floor()
        return mean.to(input.dtype)
    with no_grad():
        result = _combined(input, places, values, _HOW[reduce])
    if not (input.requires_grad or values.requires_grad):
        return result
    tracked = _product if reduce == "prod" else _extremum
    return tracked(result, input, places, values)


def _bounds(input: Tensor) -> tuple[Any, Any]:
    if input.dtype.is_floating_point:
        return -math.inf, math.inf
    if input.dtype is bool_:
        return False, True
    return np.iinfo(input.dtype.numpy).min, np.iinfo(input.dtype.numpy).max


def _extremum(result: Tensor, input: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """The result, with the gradient of the mean of those elements that are it: their mean less that mean is 0."""
    is_own, is_sent = input == result, values == result.reshape(-1)[places]
    n = _combined(is_own.to(input.dtype), places, is_sent.to(input.dtype))
    mean = _combined(where(is_own, input, 0), places, where(is_sent, values, 0)) / n
    return where(result.isfinite(), result + (mean - mean.detach()), mean)


def _product(result: Tensor, input: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """Of the factors that are not 0 the product times exp(log - log), which is 1 and has its gradient to any order; a
    single 0 is a factor beside it, and two of them are, as (their sum squared less the sum of their squares) / 2, of
    which second derivatives are left. Products that are not finite have none."""
    own, sent = masked_fill(input, input == 0, 1), masked_fill(values, values == 0, 1)
    logs = _combined(own.abs().log(), places, sent.abs().log())
    with no_grad():
        product = _combined(own, places, sent, _HOW["prod"])
        zeros_met = _combined((input == 0).to(input.dtype), places, (values == 0).to(input.dtype))
    own_zero, sent_zero = where(input == 0, input, 0), where(values == 0, values, 0)
    zero = _combined(own_zero, places, sent_zero)
    two = (zero * zero - _combined(own_zero * own_zero, places, sent_zero * sent_zero)) / 2
    factor: Tensor = product * where(zeros_met == 0, 1, where(zeros_met == 1, zero, where(zeros_met == 2, two, 0)))
    return where(result.isfinite(), factor * (logs - logs.detach()).exp(), result)


def _rows_of(name: str, input: Tensor, dim: SupportsIndex, index: Tensor, source: Any) -> tuple[Tensor, Tensor]:
    """Positions for slices along an axis, and a source of their shape."""
    at = _dims.axis(name, input, dim)
    shape = _as_rows(input).shape
    index = positions_along(name, index, shape[at])
    if index.ndim > 1:
        raise IndexError(f"{name}: index of shape {index.shape} has more than one axis")
    wanted = (*shape[:at], index.numel(), *shape[at + 1 :])
    source = _as_rows(_of_dtype(name, input, source))
    if source.shape != wanted:
        raise ValueError(f"{name}: a source of shape {source.shape} where {wanted} is wanted")
    return _slices(name, input, at, index), source


def _slices(name: str, input: Tensor, at: int, index: Tensor) -> Tensor:
    """The positions of all elements of the slices at the places of an index."""
    shape = _as_rows(input).shape
    spread = reshape(index, (*(1,) * at, index.numel(), *(1,) * (len(shape) - at - 1)))
    return _places(name, input, at, broadcast_to(spread, (*shape[:at], index.numel(), *shape[at + 1 :])))


@named
def index_add(input: Tensor, dim: SupportsIndex, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """A copy with `alpha` times the slices of `source` added to those at the places of a 1-D index along an axis.

    **Raises** as `scatter`.

    >>> import pyautograd
    >>> pyautograd.zeros(3, 2).index_add(0, pyautograd.tensor([0, 0]), pyautograd.ones(2, 2))
    tensor([[2., 2.],
            [0., 0.],
            [0., 0.]])
    """
    places, source = _rows_of("index_add", input, dim, index, source)
    return _combined(input, places, source if is_number(alpha, 1) else (source * alpha).to(input.dtype))


@named
def index_copy(input: Tensor, dim: SupportsIndex, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the slices at the places of a 1-D index along an axis replaced by those of `source`.

    **Raises** as `scatter`.

    >>> import pyautograd
    >>> pyautograd.zeros(2, 2).index_copy(1, pyautograd.tensor([1]), pyautograd.ones(2, 1))
    tensor([[0., 1.],
            [0., 1.]])
    """
    return _replaced(input, *_rows_of("index_copy", input, dim, index, source))


@named
def index_reduce(
    input: Tensor, dim: SupportsIndex, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`scatter_reduce` of slices at the places of a 1-D index along an axis: "prod", "mean", "amax" or "amin".

    **Raises** as `scatter_reduce`.

    >>> import pyautograd
    >>> pyautograd.ones(2).index_reduce(0, pyautograd.tensor([0, 0]), pyautograd.tensor([2.0, 3.0]), "prod")
    tensor([6., 1.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise ValueError(f"index_reduce: reduce must be 'prod', 'mean', 'amax' or 'amin', not {reduce!r}")
    return _reduced(input, *_rows_of("index_reduce", input, dim, index, source), reduce, include_self)


@named
def index_fill(input: Tensor, dim: SupportsIndex, index: Tensor, value: Any) -> Tensor:
    """A copy with the slices at the places of a 1-D index along an axis filled with a number.

    **Raises** as `scatter`, ValueError for a value with axes.

    >>> import pyautograd
    >>> pyautograd.zeros(2, 2).index_fill(1, pyautograd.tensor([1]), 7)
    tensor([[0., 7.],
            [0., 7.]])
    """
    at = _dims.axis("index_fill", input, dim)
    size = _as_rows(input).shape[at]
    index = positions_along("index_fill", index, size, low=-size)
    if index.ndim > 1:
        raise IndexError(f"index_fill: index of shape {index.shape} has more than one axis")
    hit = _replaced(zeros(size, dtype=bool_), reshape(index, (-1,)), as_tensor(True))
    behind = (1,) * max(0, input.ndim - at - 1)
    return where(reshape(hit, (size, *behind) if input.ndim else ()), _number("index_fill", input, value), input)


@named
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with input[indices] replaced by `values`, or with `accumulate` added to.

    `indices` is a tuple of tensors, int64 or bool, of which None stands for a whole axis. **Raises** IndexError for a
    position out of range, ValueError for shapes that do not fit, TypeError for other dtypes.

    >>> import pyautograd
    >>> at = (pyautograd.tensor([0, 0, 2]),)
    >>> pyautograd.zeros(3).index_put(at, pyautograd.tensor(1.0), accumulate=True)
    tensor([2., 0., 1.])
    """
    if not isinstance(indices, tuple | list):
        raise TypeError(f"index_put: indices must be a tuple of Tensors, not {type(indices).__name__}")
    key = tuple(slice(None) if each is None else each for each in indices)
    places = positions_of(input, key)
    values = _of_dtype("index_put", input, values, "values")
    if not accumulate:
        return _replaced(input, places, values)
    return _combined(input, places, broadcast_to(values, places.shape))


@named
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with the elements at row-major positions replaced by those of `source`, or with `accumulate` added to.

    **Raises** IndexError for a position out of range, ValueError for a source of another number of elements, TypeError
    for other dtypes.

    >>> import pyautograd
    >>> pyautograd.zeros(2, 2).put(pyautograd.tensor([0, -1]), pyautograd.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    places = positions_along("put", index, input.numel(), low=-input.numel()).reshape(-1)
    values = _of_dtype("put", input, source).reshape(-1)
    if values.shape != places.shape:
        raise ValueError(f"put: a source of shape {source.shape} for an index of shape {index.shape}")
    return _combined(input, places, values) if accumulate else _replaced(input, places, values)


@named
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at row-major positions, in the shape of the index. **Raises** IndexError for one out of range.

    >>> import pyautograd
    >>> pyautograd.tensor([[1, 2], [3, 4]]).take(pyautograd.tensor([0, -1]))
    tensor([1, 4])
    """
    places = positions_along("take", index, input.numel(), low=-input.numel())
    return apply(_ops.index, input, places, (input.ndim,))


@named
def take_along_dim(input: Tensor, indices: Tensor, dim: SupportsIndex | None = None) -> Tensor:
    """`gather` with an index that broadcasts: what `argmax(keepdim=True)` and `argsort` give; `dim` None: of all
    elements, in a row.

    **Raises** IndexError for a position out of range, ValueError for shapes that do not broadcast.

    >>> import pyautograd
    >>> x = pyautograd.tensor([[1.0, 3.0], [4.0, 2.0]])
    >>> x.take_along_dim(x.argmax(1, keepdim=True), 1)
    tensor([[3.],
            [4.]])
    """
    if dim is None:
        return take_along_dim(input.reshape(-1), indices.reshape(-1), 0)
    at = _dims.axis("take_along_dim", input, dim)
    positions = positions_along("take_along_dim", indices, input.shape[at])
    if positions.ndim != input.ndim:
        raise ValueError(f"take_along_dim: indices of shape {indices.shape} for a tensor of shape {input.shape}")

    def shape(own: Tensor, other: Tensor) -> tuple[int, ...]:
        sizes = [max(a, b) if a and b else 0 for a, b in zip(own.shape, other.shape, strict=True)]
        return (*sizes[:at], own.shape[at], *sizes[at + 1 :])

    return picked(broadcast_to(input, shape(input, positions)), at, broadcast_to(positions, shape(positions, input)))


@named
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy with the elements where a bool mask holds replaced by those of `source`, one after the other.

    **Raises** ValueError for a mask that does not broadcast, IndexError for too few elements in the source, TypeError
    for other dtypes.

    >>> import pyautograd
    >>> x = pyautograd.zeros(4)
    >>> x.masked_scatter(pyautograd.tensor([True, False, True, False]), pyautograd.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 2., 0.])
    """
    mask = _arguments.tensor("masked_scatter", "mask", mask)
    if mask.dtype is not bool_:
        raise TypeError(f"masked_scatter: mask must be bool, not {mask.dtype.name}")
    source = _of_dtype("masked_scatter", input, source).reshape(-1)
    if not source.numel():
        _arguments.within("index", mask.to(int64), 1)
        return input.clone()
    spread = broadcast_to(mask, np.broadcast_shapes(input.shape, mask.shape))
    at: Tensor = spread.reshape(-1).cumsum(0) - 1
    taken = source[where(spread, at.reshape(spread.shape), 0)]
    return where(spread, taken, input)
