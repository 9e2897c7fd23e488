"""Order and running reductions along an axis, and choice by what the numbers are; each also a method of Tensor.

All that sorts is stable, and NaN is larger than every number. Results whose shape depends on the numbers (`nonzero`,
`unique`) are made by NumPy, and refused in a compiled step.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np

from pyautograd import _arguments, _dims, _ops
from pyautograd._arguments import named
from pyautograd._array_like import as_tensor, from_numpy
from pyautograd._c import refuse_in_step
from pyautograd._core import Tensor, apply, reshape
from pyautograd._dtype import bool_, get_default_dtype, int32, int64, uint8
from pyautograd._generated import logaddexp
from pyautograd._indexing import picked
from pyautograd._joins import cat
from pyautograd._reduce import ValuesAndIndices, at_positions
from pyautograd._rows import whole
from pyautograd._shape import broadcast_to, sliced

__all__ = [
    "argsort", "argwhere", "bucketize", "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "diff",
    "isin", "kthvalue", "logcumsumexp", "masked_select", "msort", "nonzero", "searchsorted", "sort", "topk",
    "trapezoid", "trapz", "unique", "unique_consecutive",
]  # fmt: skip


def along(input: Tensor, at: int, start: int | None, stop: int | None) -> Tensor:
    """The slice of an axis, whose bounds may count from the end and lie within it."""
    size = input.shape[at]
    first, last = start or 0, size if stop is None else stop
    first, last = first + size if first < 0 else first, last + size if last < 0 else last
    return sliced(input, at, first, 1, max(last - first, 0))


def ordered(
    name: str, input: Tensor, dim: Any, descending: bool = False, k: int | None = None, flag: str = "descending"
) -> tuple[int, Tensor]:
    """The axis as an int, and the positions that sort along it, or the first k of them."""
    at = _dims.axis(name, input, dim)
    return at, apply(_ops.argsort, input, (at, _arguments.flag(name, flag, descending), -1 if k is None else k))


# ---- order ----


@named
def argsort(input: Tensor, dim: SupportsIndex = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The positions (int64) that sort the elements along an axis; equal ones stay as they stand, `stable` or not.

    **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([3.0, 1.0, 2.0]).argsort()
    tensor([1, 2, 0])
    """
    return ordered("argsort", input, dim, descending)[1]


@named
def sort(input: Tensor, dim: SupportsIndex = -1, descending: bool = False, stable: bool = False) -> ValuesAndIndices:
    """The elements sorted along an axis, and where they stood; equal ones stay as they stand, `stable` or not.

    **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> values, indices = pyautograd.tensor([3.0, 1.0, 2.0]).sort(descending=True)
    >>> values, indices
    (tensor([3., 2., 1.]), tensor([0, 2, 1]))
    """
    at, order = ordered("sort", input, dim, descending)
    return ValuesAndIndices(picked(input, at, order), order)


@named
def msort(input: Tensor) -> Tensor:
    """The elements sorted along the first axis. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.tensor([3.0, 1.0, 2.0]).msort()
    tensor([1., 2., 3.])
    """
    return sort(input, 0).values


def _size(input: Tensor, at: int) -> int:
    return input.shape[at] if input.ndim else 1


@named
def topk(
    input: Tensor, k: SupportsIndex, dim: SupportsIndex = -1, largest: bool = True, sorted: bool = True
) -> ValuesAndIndices:
    """The k largest elements along an axis, or the smallest, and where they stand; in order, `sorted` or not.

    **Raises** ValueError for fewer than 0 or more than there are, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, 4.0, 2.0, 3.0]).topk(2).values
    tensor([4., 3.])
    """
    at, k = _dims.axis("topk", input, dim), _arguments.integer("topk", "k", k)
    if not 0 <= k <= _size(input, at):
        raise ValueError(f"topk: k {k} of {_size(input, at)} elements along axis {at} of shape {input.shape}")
    order = ordered("topk", input, at, largest, k, "largest")[1]
    return ValuesAndIndices(picked(input, at, order), order)


@named
def kthvalue(input: Tensor, k: SupportsIndex, dim: SupportsIndex = -1, keepdim: bool = False) -> ValuesAndIndices:
    """The k-th smallest element along an axis, counted from 1, and where it stands.

    **Raises** ValueError where there is none, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([3.0, 1.0, 2.0]).kthvalue(2).values
    tensor(2.)
    """
    at, k = _dims.axis("kthvalue", input, dim), _arguments.integer("kthvalue", "k", k)
    if not 1 <= k <= _size(input, at):
        raise ValueError(f"kthvalue: k {k} of {_size(input, at)} elements along axis {at} of shape {input.shape}")
    order = ordered("kthvalue", input, at, False, k)[1]
    last = along(order, at, k - 1, k) if input.ndim else order
    return at_positions(input, at, last, _arguments.flag("kthvalue", "keepdim", keepdim))


# ---- running reductions ----


@named
def cumsum(input: Tensor, dim: SupportsIndex, *, dtype: Any = None) -> Tensor:
    """The sum of the elements up to each along an axis; integers and bools sum to int64, which wraps around. With
    `dtype` the elements are converted first.

    **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, 2.0, 3.0]).cumsum(0)
    tensor([1., 3., 6.])
    """
    if dtype is not None:
        input = _arguments.tensor("cumsum", "input", input).to(dtype)
    result = apply(_ops.cumsum, input, (_dims.axis("cumsum", input, dim), False))
    return result if dtype is None else result.to(dtype)


def _doubled(name: str, input: Tensor, at: int, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """A running reduction by an associative function, in log n steps: after each, an element holds twice as many."""
    step, size = 1, whole(_size(input, at), name)
    if size < 2:
        return input.clone()
    while step < size:
        later = combine(along(input, at, None, size - step), along(input, at, step, None))
        input = cat([along(input, at, None, step), later], at)
        step *= 2
    return input


@named
def cumprod(input: Tensor, dim: SupportsIndex, *, dtype: Any = None) -> Tensor:
    """The product of the elements up to each along an axis; integers and bools multiply to int64, which wraps around.
    With `dtype` the elements are converted first.

    **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, 2.0, 3.0]).cumprod(0)
    tensor([1., 2., 6.])
    """
    at = _dims.axis("cumprod", input, dim)
    if dtype is not None:
        input = input.to(dtype)
    elif not input.dtype.is_floating_point:
        input = input.long()
    return _doubled("cumprod", input, at, operator.mul)


@named
def logcumsumexp(input: Tensor, dim: SupportsIndex) -> Tensor:
    """ln of the sum of e^a over the elements up to each along an axis, without overflow; integers become the default
    float.

    **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.zeros(3).logcumsumexp(0)
    tensor([0.0000, 0.6931, 1.0986])
    """
    at = _dims.axis("logcumsumexp", input, dim)
    floats = input if input.dtype.is_floating_point else input.to(get_default_dtype())
    return _doubled("logcumsumexp", floats, at, logaddexp)


def _running(name: str, input: Tensor, dim: Any, smallest: bool) -> ValuesAndIndices:
    at = _dims.axis(name, input, dim)
    positions = apply(_ops.argcummax, input, (at, smallest))
    return ValuesAndIndices(picked(input, at, positions), positions)


@named
def cummax(input: Tensor, dim: SupportsIndex) -> ValuesAndIndices:
    """The largest of the elements up to each along an axis, and where the last of these stands; a NaN is the largest.

    **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, 3.0, 2.0]).cummax(0).values
    tensor([1., 3., 3.])
    """
    return _running("cummax", input, dim, False)


@named
def cummin(input: Tensor, dim: SupportsIndex) -> ValuesAndIndices:
    """The smallest of the elements up to each along an axis, and where the last of these stands; a NaN is the smallest.

    **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([2.0, 3.0, 1.0]).cummin(0).indices
    tensor([0, 0, 2])
    """
    return _running("cummin", input, dim, True)


# ---- differences ----


@named
def diff(
    input: Tensor, n: int = 1, dim: SupportsIndex = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Each element less the one before it along an axis, n times; of bools whether they differ. `prepend` and `append`
    are joined to the ends first.

    **Raises** ValueError for a 0-d tensor and a negative n, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([1, 4, 9]).diff()
    tensor([3, 5])
    """
    at, n = _dims.axis("diff", input, dim), _arguments.integer("diff", "n", n)
    if not input.ndim or n < 0:
        raise ValueError(f"diff: n {n} of shape {input.shape}; it takes at least one axis, and n from 0 on")
    joined = [each for each in (prepend, input, append) if each is not None]
    result = input if len(joined) == 1 else cat(joined, at)
    minus = operator.xor if result.dtype is bool_ else operator.sub
    for _ in range(min(n, result.shape[at])):
        result = minus(along(result, at, 1, None), along(result, at, None, -1))
    return result


def _unwrapping(input: Tensor) -> Tensor:
    """In a dtype in which the sum of two elements fits."""
    return input.to(int64) if input.dtype in (uint8, int32) else input


def _strips(name: str, y: Tensor, x: Tensor | None, dx: Any, dim: Any) -> tuple[int, Tensor]:
    """The axis, and the areas between neighbours along it."""
    at = _dims.axis(name, y, dim)
    if not y.ndim:
        raise ValueError(f"{name}: a 0-d tensor has no neighbours")
    if y.dtype is bool_:
        raise TypeError(f"{name}: takes numbers, not bool (of shape {y.shape})")
    y = _unwrapping(y)
    both = along(y, at, 1, None) + along(y, at, None, -1)
    if x is None:
        return at, both * ((1.0 if dx is None else dx) / 2)
    if dx is not None:
        raise TypeError(f"{name}: x and dx say the same thing; give one of them")
    x = _unwrapping(_arguments.tensor(name, "x", x))
    if x.ndim == 1:
        x = reshape(x, (-1,) + (1,) * (y.ndim - 1 - at))
    return at, both * diff(x, dim=at - y.ndim) / 2.0


@named
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: SupportsIndex = -1) -> Tensor:
    """The integral along an axis by the trapezoidal rule: over points `x`, or points with the distance `dx`, 1 if not
    given.

    **Raises** ValueError for a 0-d tensor and shapes that do not fit, TypeError where both are given, and for bools.

    >>> import pyautograd
    >>> pyautograd.trapezoid(pyautograd.tensor([0.0, 1.0, 4.0]), pyautograd.tensor([0.0, 1.0, 3.0]))
    tensor(5.5000)
    """
    at, strips = _strips("trapezoid", y, x, dx, dim)
    return strips.sum(at)


@named
def trapz(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: SupportsIndex = -1) -> Tensor:
    """The same as `trapezoid`; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.trapz(pyautograd.ones(3), dx=0.5)
    tensor(1.)
    """
    return trapezoid(y, x, dx=dx, dim=dim)


@named
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: SupportsIndex = -1) -> Tensor:
    """The integral up to each point but the first by the trapezoidal rule. **Raises** as `trapezoid`.

    >>> import pyautograd
    >>> pyautograd.cumulative_trapezoid(pyautograd.ones(3))
    tensor([1., 2.])
    """
    at, strips = _strips("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(strips, at)


# ---- places among sorted numbers ----


def _searched(name: str, sequence: Any, values: Any, right: bool, out_int32: bool) -> Tensor:
    values = values if isinstance(values, Tensor) else as_tensor(values)
    found = apply(_ops.searchsorted, sequence, values, (_arguments.flag(name, "right", right),))
    return found.to(int32) if _arguments.flag(name, "out_int32", out_int32) else found


@named
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """How many elements of the sorted last axis are less than each of `input` (int64, or int32), which may be a number;
    with `right=True` or `side="right"`, no larger. `sorter` is the order that sorts a sequence that is not.

    The sequence has one axis, or all but the last are as those of `input`. **Raises** ValueError for other shapes and
    another side.

    >>> import pyautograd
    >>> pyautograd.searchsorted(pyautograd.tensor([1.0, 3.0, 5.0]), pyautograd.tensor([3.0, 6.0]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ValueError(f"searchsorted: side {side!r} with right={right}; it is 'left' or 'right'")
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape:
            raise ValueError(f"searchsorted: a sorter of shape {sorter.shape} for shape {sorted_sequence.shape}")
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    return _searched("searchsorted", sorted_sequence, input, right or side == "right", out_int32)


@named
def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The bucket (int64, or int32) that each element falls into: bucket i ends with boundaries[i], which belongs to it,
    or with `right=True` to the next.

    **Raises** ValueError for boundaries that have not one axis.

    >>> import pyautograd
    >>> pyautograd.bucketize(pyautograd.tensor([0.5, 1.0, 2.5]), pyautograd.tensor([1.0, 2.0]))
    tensor([0, 0, 2])
    """
    if _dims.ndim("bucketize", boundaries, "boundaries") != 1:
        raise ValueError(f"bucketize: boundaries of shape {boundaries.shape}; they have one axis")
    return _searched("bucketize", boundaries, input, right, out_int32)


@named
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Is each element among the test elements? With `invert`, is it not? Either may be a number.

    **Raises** TypeError where neither is a Tensor, and for bools.

    >>> import pyautograd
    >>> pyautograd.isin(pyautograd.tensor([1, 2, 3]), pyautograd.tensor([1, 3]))
    tensor([ True, False,  True])
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise _arguments.wrong("isin", "elements", "a Tensor", elements)
    elements, tests = (each if isinstance(each, Tensor) else as_tensor(each) for each in (elements, test_elements))
    if bool_ in (elements.dtype, tests.dtype):
        raise TypeError(f"isin: takes numbers, not {elements.dtype.name} among {tests.dtype.name}")
    tests = reshape(tests, (-1,))
    if tests.shape[0] == 0:
        found = apply(_ops.lt, elements, elements)  # of nothing
    else:
        known = msort(tests)
        places = apply(_ops.searchsorted, known, elements, (False,)).clamp(max=tests.shape[0] - 1)
        found = apply(_ops.eq, known[places], elements)
    return ~found if _arguments.flag("isin", "invert", invert) else found


# ---- results whose shape depends on the numbers ----


def _of_numbers(name: str, instead: str) -> None:
    refuse_in_step(f"{name}, whose result has a shape that depends on the numbers,", instead)


_WITH_MASKS = "write where(mask, x, other), or a sum with weights"


@named
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where the elements that are not zero stand: (n, axes), or with `as_tuple` a tensor for each axis; int64.

    **Raises** TraceError in a compiled step, whose shapes do not depend on numbers: there use masks.

    >>> import pyautograd
    >>> pyautograd.tensor([[0, 1], [1, 0]]).nonzero()
    tensor([[0, 1],
            [1, 0]])
    """
    _of_numbers("nonzero", _WITH_MASKS)
    array = np.asarray(_arguments.tensor("nonzero", "input", input).detach())
    if as_tuple:
        return tuple(map(from_numpy, np.nonzero(np.atleast_1d(array))))
    return from_numpy(np.argwhere(array))


@named
def argwhere(input: Tensor) -> Tensor:
    """The same as `nonzero`, by NumPy's name; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.tensor([0, 2, 3]).argwhere().shape
    (2, 1)
    """
    _of_numbers("argwhere", _WITH_MASKS)
    found: Tensor = nonzero(input)
    return found


@named
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, along one axis; both broadcast, and the gradient goes to these elements.

    **Raises** TypeError for a mask that is not bool, ValueError where shapes do not broadcast, TraceError in a compiled
    step.

    >>> import pyautograd
    >>> x = pyautograd.tensor([1.0, -2.0, 3.0])
    >>> x.masked_select(x > 0)
    tensor([1., 3.])
    """
    _of_numbers("masked_select", _WITH_MASKS)
    if mask.dtype is not bool_:
        raise TypeError(f"masked_select: the mask must be bool, not {mask.dtype.name}")
    shape = apply(_ops.where, mask, input, input).shape
    chosen: Tensor = broadcast_to(input, shape)[broadcast_to(mask, shape)]
    return chosen


_Found = Tensor | tuple[Tensor, ...]


def _slices(name: str, input: Tensor, dim: Any) -> tuple[int | None, np.ndarray[Any, Any]]:
    """The axis of slices that are compared, None for elements, and the numbers."""
    _of_numbers(name, _WITH_MASKS)
    at = None if dim is None else _dims.axis(name, input, dim)
    array = np.asarray(_arguments.tensor(name, "input", input).detach())
    if at is not None and not array.ndim:
        raise IndexError(f"{name}: a 0-d tensor has no axis to take apart")
    if at is not None and not array.size and array.shape[at]:
        raise ValueError(f"{name}: the slices along axis {at} of shape {array.shape} are empty")
    return at, array


@named
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: SupportsIndex | None = None,
) -> _Found:
    """The distinct elements in order, `sorted` or not, or the distinct slices along an axis; if asked, where each
    element is among them (`return_inverse`), and how often each is there.

    **Raises** IndexError for an axis that is not there, TraceError in a compiled step.

    >>> import pyautograd
    >>> pyautograd.tensor([3, 1, 3]).unique(return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    at, array = _slices("unique", input, dim)
    found, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, axis=at, equal_nan=False)
    inverse = inverse.reshape(array.shape if at is None else (-1,))
    return _chosen(found, inverse, counts, return_inverse, return_counts)


def _chosen(found: Any, inverse: Any, counts: Any, return_inverse: bool, return_counts: bool) -> _Found:
    results = (found, *((inverse,) if return_inverse else ()), *((counts,) if return_counts else ()))
    tensors = tuple(from_numpy(np.ascontiguousarray(each).reshape(each.shape)) for each in results)
    return tensors if len(tensors) > 1 else tensors[0]


@named
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: SupportsIndex | None = None
) -> _Found:
    """The elements, or slices along an axis, without those that equal the one before. **Raises** as `unique`.

    >>> import pyautograd
    >>> pyautograd.tensor([1, 1, 2, 1]).unique_consecutive()
    tensor([1, 2, 1])
    """
    at, array = _slices("unique_consecutive", input, dim)
    rows = array.reshape(-1) if at is None else np.moveaxis(array, at, 0)
    differs = (rows[1:] != rows[:-1]).any(tuple(range(1, rows.ndim)))
    first = np.concatenate([[True], differs])[: len(rows)]
    found = rows[first] if at is None else np.moveaxis(rows[first], 0, at)
    counts = np.diff(np.append(np.flatnonzero(first), len(rows)))
    inverse = (np.cumsum(first) - 1).reshape(array.shape if at is None else (-1,))
    return _chosen(found, inverse, counts, return_inverse, return_counts)
