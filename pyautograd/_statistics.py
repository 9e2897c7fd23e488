"""What sorts or counts to describe numbers: medians, quantiles, modes, covariances and histograms; also methods."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex

import numpy as np

from pyautograd import _arguments, _dims, _ops
from pyautograd._arguments import named
from pyautograd._array_like import as_tensor, from_numpy
from pyautograd._c import refuse_in_step
from pyautograd._core import Tensor, apply, reshape
from pyautograd._creation import arange
from pyautograd._dtype import bool_, float32, get_default_dtype
from pyautograd._elementwise import isnan, where
from pyautograd._indexing import picked
from pyautograd._order import along, diff, msort, ordered
from pyautograd._reduce import ValuesAndIndices, amax, at_positions
from pyautograd._shape import movedim

__all__ = ["bincount", "corrcoef", "cov", "histc", "median", "mode", "nanmedian", "nanquantile", "quantile"]


def _filled_axis(name: str, input: Tensor, dim: Any) -> int:
    """The axis as an int; ValueError where it has no elements to choose from."""
    at = _dims.axis(name, input, dim)
    if input.ndim and input.shape[at] == 0:
        raise ValueError(f"{name}: no elements to choose from along axis {at} of shape {input.shape}")
    return at


def _median(name: str, input: Tensor, dim: Any, keepdim: bool, ignores_nan: bool) -> Any:
    if input.dtype is bool_:
        raise TypeError(f"{name}: takes numbers, not bool (of shape {input.shape})")
    flat = reshape(input, (-1,)) if dim is None else input
    if dim is None and flat.dtype.is_floating_point and not flat.numel():
        return flat.sum() + math.nan
    at, order = ordered(name, flat, _filled_axis(name, flat, 0 if dim is None else dim))
    size = flat.shape[at] if flat.ndim else 1
    if not flat.dtype.is_floating_point:
        middle = apply(_ops.mul, along(order, at, 0, 1) if flat.ndim else order, 0) + (size - 1) // 2
    else:
        nans = isnan(flat).sum(at, True)  # they stand behind the others, the first of them first
        middle = ((size - 1 - nans).clamp(min=0) * 0.5).floor().long()
        if not ignores_nan:
            middle = where(nans == 0, middle, size - nans)
    found = at_positions(flat, at, picked(order, at, middle), _arguments.flag(name, "keepdim", keepdim))
    if dim is not None:
        return found
    value = reshape(found.values, (1,) * input.ndim if keepdim else ())
    if not input.requires_grad:
        return value
    value = value.detach()
    return amax(where((input == value) | isnan(value), input, float("-inf")), None, keepdim)  # ties share the gradient


@named
def median(input: Tensor, dim: SupportsIndex | None = None, keepdim: bool = False) -> Any:
    """The middle element in order, of an even number the lower; along an axis the values and the indices. NaN where
    there is one.

    The gradient goes to the element found, of the whole tensor to all that equal it. **Raises** ValueError where there
    is no element, TypeError for bools, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> x = pyautograd.tensor([[3.0, 1.0, 2.0], [4.0, 6.0, 5.0]])
    >>> x.median(), x.median(dim=1).values
    (tensor(3.), tensor([2., 5.]))
    """
    return _median("median", input, dim, keepdim, False)


@named
def nanmedian(input: Tensor, dim: SupportsIndex | None = None, keepdim: bool = False) -> Any:
    """The `median` of the elements that are numbers; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.tensor([3.0, float("nan"), 2.0, 4.0]).nanmedian()
    tensor(3.)
    """
    return _median("nanmedian", input, dim, keepdim, True)


@named
def mode(input: Tensor, dim: SupportsIndex = -1, keepdim: bool = False) -> ValuesAndIndices:
    """The most frequent element along an axis, of several the smallest, and where it stands last.

    **Raises** ValueError where there is no element, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([3, 1, 3, 2]).mode()
    ValuesAndIndices(values=tensor(3), indices=tensor(2))
    """
    at, order = ordered("mode", input, _filled_axis("mode", input, dim))
    if not input.ndim:
        return ValuesAndIndices(input, order)
    values = movedim(picked(input.detach(), at, order), at, -1)
    first, behind = (apply(_ops.searchsorted, values, values, (right,)) for right in (False, True))
    last = behind.gather(-1, (behind - first).argmax(-1, True)) - 1
    keep = _arguments.flag("mode", "keepdim", keepdim)
    return at_positions(input, at, picked(order, at, movedim(last, -1, at)), keep)


_ROUNDED = {"lower": _ops.floor, "higher": _ops.ceil, "nearest": _ops.round}
_BETWEEN = ("linear", "midpoint")


def _quantile(
    name: str, input: Tensor, q: Any, dim: Any, keepdim: bool, interpolation: str, ignores_nan: bool
) -> Tensor:
    _arguments.floats(name, input)
    if interpolation not in _ROUNDED and interpolation not in _BETWEEN:
        raise ValueError(f"{name}: interpolation {interpolation!r}; it is one of {', '.join((*_BETWEEN, *_ROUNDED))}")
    q = _probabilities(name, input, q)
    keep, ndim = _arguments.flag(name, "keepdim", keepdim), input.ndim
    at, kept = (0, (1,) * ndim) if dim is None else (_dims.axis(name, input, dim), input.shape)
    if 0 in input.shape:
        raise ValueError(f"{name}: no elements to choose from in shape {input.shape}")
    if dim is None or not ndim:
        input = reshape(input, (-1,))
    else:
        kept = (*kept[:at], 1, *kept[at + 1 :])
    values = movedim(input, at, -1)
    values = picked(values, values.ndim - 1, ordered(name, values, -1)[1])
    last: Any = values.shape[-1] - 1
    if ignores_nan:
        ranks = reshape(q, (-1,)) * ((~isnan(values)).sum(-1, True) - 1).clamp(min=0).to(input.dtype)
    else:
        ranks = where(isnan(along(values, values.ndim - 1, -1, None)), last, reshape(q, (-1,)) * last)
    result = _interpolated(values, ranks, interpolation)
    shape = kept if keep else kept[:at] + kept[at + 1 :] if ndim and dim is not None else ()
    return reshape(movedim(result, -1, 0), (*q.shape, *shape))


def _probabilities(name: str, input: Tensor, q: Any) -> Tensor:
    """q as a tensor of no or one axis, within 0 and 1."""
    given = q if isinstance(q, Tensor) else as_tensor(_arguments.number(name, "q", q), dtype=input.dtype)
    if given.dtype is not input.dtype:
        raise TypeError(f"{name}: q is {given.dtype.name} and the input {input.dtype.name}; convert one of them")
    if given.ndim > 1:
        raise ValueError(f"{name}: q of shape {given.shape} has more than one axis")
    _arguments.within("quantile: q", given, 1)
    return given


def _interpolated(values: Tensor, ranks: Tensor, interpolation: str) -> Tensor:
    """What stands at fractional places of the sorted last axis."""
    at = values.ndim - 1
    if interpolation in _ROUNDED:
        return picked(values, at, apply(_ROUNDED[interpolation], ranks).long())
    low, high = (picked(values, at, end.long()) for end in (ranks.floor(), ranks.ceil()))
    if interpolation == "midpoint":
        return apply(_ops.add, low, 0.5 * (high - low))
    weight = ranks - ranks.detach().floor()
    return where(weight < 0.5, low + weight * (high - low), high - (high - low) * (1 - weight))


@named
def quantile(
    input: Tensor, q: Any, dim: SupportsIndex | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The element at the fraction q of the sorted axis, of the whole tensor by default; between two elements their
    "linear" interpolation, the "lower", the "higher", the "nearest" or the "midpoint". NaN where there is one.

    `q` is a number or a tensor of the input's dtype with one axis at most, which is then the first of the result.
    **Raises** ValueError for a q outside of [0, 1], no elements and another interpolation, TypeError for integers,
    IndexError for an axis that is not there.

    >>> import pyautograd
    >>> x = pyautograd.tensor([1.0, 2.0, 3.0, 4.0])
    >>> x.quantile(0.5), x.quantile(pyautograd.tensor([0.0, 0.9]), interpolation="nearest")
    (tensor(2.5000), tensor([1., 4.]))
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@named
def nanquantile(
    input: Tensor, q: Any, dim: SupportsIndex | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The `quantile` of the elements that are numbers; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, float("nan"), 3.0]).nanquantile(0.5)
    tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


@named
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances (n, n) of n variables, a row each of observations; the variance of one row as a 0-d tensor.

    `fweights` says how often each observation was made, `aweights` how much it counts; what is divided by is their
    number less `correction`. **Raises** ValueError for more than two axes and weights of another shape, TypeError for
    bools.

    >>> import pyautograd
    >>> pyautograd.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]).cov()
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    correction = _arguments.integer("cov", "correction", correction)
    if input.dtype is bool_:
        raise TypeError(f"cov: takes numbers, not bool (of shape {input.shape})")
    if input.ndim > 2:
        raise ValueError(f"cov: a tensor of shape {input.shape} has more than two axes")
    x = input if input.dtype.is_floating_point else input.to(get_default_dtype())
    x = x if input.ndim == 2 else reshape(x, (1, -1))
    weights = [each for each in (fweights, aweights) if each is not None]
    for each in weights:
        if each.shape != x.shape[1:]:
            raise ValueError(f"cov: weights of shape {each.shape} for {x.shape[1]} observations")
    if not weights:
        centred = x - x.mean(1, True)
        result = centred @ centred.T / max(x.shape[1] - correction, 0)
    else:
        weight = (weights[0] if len(weights) == 1 else weights[0] * weights[1]).to(x.dtype)
        total = weight.sum()
        centred = x - (x * weight).sum(1, True) / total
        less = 1.0 if aweights is None else (weight * aweights).sum() / total
        result = centred @ (centred * weight).T / (total - correction * less).clamp(min=0)
    return result if input.ndim == 2 and input.shape[0] != 1 else reshape(result, ())


@named
def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients (n, n) of n variables, a row each of observations. **Raises** as `cov`.

    >>> import pyautograd
    >>> pyautograd.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]).corrcoef()
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    covariances = cov(input)
    if not covariances.ndim:
        return apply(_ops.div, covariances, covariances)
    rows = np.arange(covariances.shape[0])
    deviations = covariances[rows, rows].sqrt()
    return apply(_ops.div, apply(_ops.div, covariances, reshape(deviations, (-1, 1))), deviations).clamp(-1, 1)


@named
def histc(input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
    """How many elements fall into each of so many equal bins from `min` to `max`, both included; between the extrema of
    the elements where both are 0. The result has the input's dtype.

    **Raises** TypeError for integers, ValueError for less than one bin, bounds in the wrong order or not finite,
    TraceError in a compiled step where both bounds are 0.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, 2.0, 1.0]).histc(bins=4, min=0, max=4)
    tensor([0., 2., 1., 0.])
    """
    _arguments.floats("histc", input)
    bins = _arguments.integer("histc", "bins", bins)
    low, high = _arguments.number("histc", "min", min), _arguments.number("histc", "max", max)
    flat = reshape(input.detach(), (-1,))
    if low == high:
        refuse_in_step("histc between the extrema of its numbers", "give it min and max")
        low, high = (float(flat.amin()), float(flat.amax())) if flat.shape[0] else (low, high)
        low, high = (low - 1, high + 1) if low == high else (low, high)
    if bins < 1 or not (low < high and high - low < float("inf")):
        raise ValueError(f"histc: {bins} bins from {low} to {high}")
    places = ((flat - low) * bins / (high - low)).long().clamp(max=bins - 1)
    places = msort(where((flat >= low) & (flat <= high), places, bins))
    return diff(apply(_ops.searchsorted, places, arange(bins + 1), (False,))).to(input.dtype)


@named
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each int from 0 on is among the elements of one axis, or the sum of the weights at these places; at
    least `minlength` of them.

    **Returns** int64, with weights their dtype if that is float32, else float64. **Raises** TypeError for floats and
    bools, ValueError for negative ints, other numbers of axes and weights of another shape, TraceError in a compiled
    step.

    >>> import pyautograd
    >>> pyautograd.tensor([0, 2, 2]).bincount()
    tensor([1, 0, 2])
    """
    refuse_in_step(
        "bincount, whose result has a shape that depends on the numbers,", "write F.one_hot(x, num_classes).sum(0)"
    )
    minlength = _arguments.integer("bincount", "minlength", minlength)
    if input.dtype.is_floating_point or input.dtype is bool_:
        raise TypeError(f"bincount: takes integers, not {input.dtype.name} (of shape {input.shape})")
    numbers = np.asarray(input.detach())
    if input.ndim != 1 or (numbers < 0).any() or minlength < 0:
        raise ValueError(f"bincount: takes ints from 0 on along one axis, and minlength {minlength} is not negative")
    if weights is None:
        return from_numpy(np.bincount(numbers, minlength=minlength).astype(np.int64))
    if weights.shape != input.shape:
        raise ValueError(f"bincount: weights of shape {weights.shape} for shape {input.shape}")
    sums = from_numpy(np.bincount(numbers, np.asarray(weights.detach()), minlength).astype(np.float64))
    return sums.to(float32) if weights.dtype is float32 else sums
