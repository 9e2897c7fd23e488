"""Reductions and softmax, each also a method of Tensor. `axis` and `keepdims` are NumPy's names for `dim` and
`keepdim`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, SupportsIndex, overload

import numpy as np

from pyautograd import _arguments, _dims, _ops
from pyautograd._arguments import named
from pyautograd._core import Node, Tensor, apply, reshape
from pyautograd._dims import Dims
from pyautograd._dtype import as_dtype, get_default_dtype, uint8
from pyautograd._indexing import picked
from pyautograd._install import late

__all__ = [
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "cdist", "count_nonzero", "dist", "log_softmax",
    "logsumexp", "max", "mean", "min", "nanmean", "nansum", "norm", "prod", "softmax", "std", "std_mean", "sum", "var",
    "var_mean",
]  # fmt: skip


class ValuesAndIndices(NamedTuple):
    """What choosing along one axis gives: the elements, and where they stand."""

    values: Tensor
    indices: Tensor


class MinAndMax(NamedTuple):
    """What `aminmax` gives."""

    min: Tensor
    max: Tensor


def _keep(name: str, keepdim: bool) -> bool:
    return keepdim if keepdim is False or keepdim is True else _arguments.flag(name, "keepdim", keepdim)


def _reduced(
    op: int, name: str, input: Tensor, dim: Dims, keepdim: bool, axis: Dims, keepdims: bool, *floats: float
) -> Tensor:
    mask = _dims.mask(name, input, dim if axis is None else _dims.alias(name, dim, axis))
    keep = keepdims or keepdim
    return apply(op, input, (mask, keep if keep is False or keep is True else _keep(name, keep)), floats)


def sum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """Sum over the axes `dim` (all by default); integers and bools sum to int64, which wraps around. With `dtype` the
    elements are converted first, and so is the result.

    **Raises** IndexError for an axis that is not there, ValueError for one named twice.

    >>> import pyautograd
    >>> x = pyautograd.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x.sum(), x.sum(dim=0), x.sum(axis=1, keepdims=True).shape
    (tensor(10.), tensor([4., 6.]), (2, 1))
    """
    if dim is None and axis is None and dtype is None and not (keepdim or keepdims):
        return apply(_ops.sum, input)
    if dtype is not None:
        input = _arguments.tensor("sum", "input", input).to(dtype)
    result = _reduced(_ops.sum, "sum", input, dim, keepdim, axis, keepdims)
    return result if dtype is None else result.to(dtype)


def mean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """Mean over the axes `dim` (all by default). **Raises** as `sum`, and TypeError for integers without a `dtype`.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(dim=1)
    tensor([1.5000, 3.5000])
    """
    if dim is None and axis is None and dtype is None and not (keepdim or keepdims):
        return apply(_ops.mean, input)
    if dtype is not None:
        input = _arguments.tensor("mean", "input", input).to(dtype)
    return _reduced(_ops.mean, "mean", input, dim, keepdim, axis, keepdims)


def prod(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """Product over the axes `dim` (all by default); integers and bools multiply to int64. **Raises** as `sum`.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 2.0], [3.0, 4.0]]).prod(dim=1)
    tensor([ 2., 12.])
    """
    if dtype is not None:
        input = _arguments.tensor("prod", "input", input).to(dtype)
    result = _reduced(_ops.prod, "prod", input, dim, keepdim, axis, keepdims)
    return result if dtype is None else result.to(dtype)


def amax(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None, keepdims: bool = False
) -> Tensor:
    """Largest over the axes `dim`; elements that tie share the gradient evenly. **Raises** as `sum`, and ValueError
    where there is no element.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 5.0], [7.0, 3.0]]).amax(dim=(0, 1))
    tensor(7.)
    """
    return _reduced(_ops.max, "amax", input, dim, keepdim, axis, keepdims)


def amin(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None, keepdims: bool = False
) -> Tensor:
    """Smallest over the axes `dim`; elements that tie share the gradient evenly. **Raises** as `sum`, and ValueError
    where there is no element.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 5.0], [7.0, 3.0]]).amin(dim=0)
    tensor([1., 3.])
    """
    return _reduced(_ops.min, "amin", input, dim, keepdim, axis, keepdims)


def _correction(name: str, dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Any, float]:
    """dim and correction, out of `var(unbiased)`, `var(dim, unbiased)` or `var(dim, correction=)`."""
    if isinstance(dim, bool):
        if unbiased is not None:
            raise TypeError(f"{name}: dim must be an int, not bool")
        dim, unbiased = None, dim
    if unbiased is None:
        return dim, 1 if correction is None else _arguments.number(name, "correction", correction)
    if correction is not None:
        raise TypeError(f"{name}: unbiased and correction say the same thing; give one of them")
    return dim, 1 if _arguments.flag(name, "unbiased", unbiased) else 0


def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """Sum of (a - mean)^2 over the axes `dim`, divided by their number of elements less `correction`, by default 1.

    `unbiased`, by its place after `dim` or alone, is PyTorch's older name: False is a correction of 0. **Raises** as
    `sum`, and TypeError for integers or where both names are given.

    >>> import pyautograd
    >>> x = pyautograd.tensor([[1.0, 3.0], [5.0, 9.0]])
    >>> x.var(1), x.var(1, False), x.var(False)
    (tensor([2., 8.]), tensor([1., 4.]), tensor(8.7500))
    """
    if unbiased is not None or correction is not None or type(dim) is bool:
        dim, correction = _correction("var", dim, unbiased, correction)
    less = 1 if correction is None else correction
    return _reduced(_ops.var, "var", input, dim, keepdim, axis, keepdims, less)


def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The square root of `var`, whose arguments it takes; its gradient is 0 where it is 0. **Raises** as `var`.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, 2.0, 3.0]).std()
    tensor(1.)
    """
    if unbiased is not None or correction is not None or type(dim) is bool:
        dim, correction = _correction("std", dim, unbiased, correction)
    return _reduced(_ops.std, "std", input, dim, keepdim, axis, keepdims, 1 if correction is None else correction)


def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]:
    """`std` and `mean`, whose arguments they take. **Raises** as `var`.

    >>> import pyautograd
    >>> pyautograd.std_mean(pyautograd.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    deviation = std(input, dim, unbiased, keepdim, correction=correction, axis=axis, keepdims=keepdims)
    return deviation, mean(input, None if type(dim) is bool else dim, keepdim, axis=axis, keepdims=keepdims)


def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]:
    """`var` and `mean`, whose arguments they take. **Raises** as `var`.

    >>> import pyautograd
    >>> pyautograd.var_mean(pyautograd.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    variance = var(input, dim, unbiased, keepdim, correction=correction, axis=axis, keepdims=keepdims)
    return variance, mean(input, None if type(dim) is bool else dim, keepdim, axis=axis, keepdims=keepdims)


@named
def norm(
    input: Tensor, p: float | str | None = "fro", dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """The p-norm of the elements over the axes `dim`: the largest size for inf, the smallest for -inf, how many are not
    0 for 0, and (sum |a|^p)^(1/p) for others, of which "fro" is 2; "nuc" is the sum of the singular values of a matrix
    in two axes. The gradient at the zero vector is 0. With `dtype` the elements are converted first.

    **Raises** as `sum`, TypeError for integers, ValueError for inf and -inf of no elements and for other texts.

    >>> import pyautograd
    >>> x = pyautograd.tensor([3.0, 4.0])
    >>> x.norm(), x.norm(1), x.norm(float("inf"))
    (tensor(5.), tensor(7.), tensor(4.))
    """
    if dtype is not None:
        if input.dtype.is_floating_point and as_dtype(dtype).code < input.dtype.code:
            raise TypeError(f"norm: dtype {as_dtype(dtype).name} is narrower than the input's {input.dtype.name}")
        input = input.to(dtype)
    _arguments.floats("norm", input)
    if p is None or p in (2, "fro"):
        return _reduced(_ops.norm, "norm", input, dim, keepdim, None, False)
    if p == "nuc":
        return late("linalg").matrix_norm(  # type: ignore[no-any-return]
            input, "nuc", (-2, -1) if dim is None and input.ndim == 2 else dim, keepdim
        )
    if isinstance(p, str):
        raise ValueError(f'norm: p is a number or "fro", not {p!r}')
    if p == 0:
        return _reduced(_ops.sum, "norm", apply(_ops.ne, input, 0).to(input.dtype), dim, keepdim, None, False)
    sizes = apply(_ops.abs, input)
    if p == 1:
        return _reduced(_ops.sum, "norm", sizes, dim, keepdim, None, False)
    if p in (math.inf, -math.inf):
        return _reduced(_ops.max if p == math.inf else _ops.min, "norm", sizes, dim, keepdim, None, False)
    powers = _away_from_zero(sizes, p) if 0 < p < 2 else sizes**p
    return _away_from_zero(_reduced(_ops.sum, "norm", powers, dim, keepdim, None, False), 1 / p)


def _away_from_zero(input: Tensor, exponent: float) -> Tensor:
    """A power whose gradient is 0 at 0, and not infinite."""
    if exponent < 0:
        return input**exponent
    zero = apply(_ops.eq, input, 0)
    return apply(_ops.where, zero, 0.0, apply(_ops.where, zero, 1.0, input) ** exponent)


@named
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of all elements of input - other, which broadcast. **Raises** as `norm`.

    >>> import pyautograd
    >>> pyautograd.tensor([3.0, 4.0]).dist(pyautograd.zeros(2))
    tensor(5.)
    """
    return norm(apply(_ops.sub, input, other), _arguments.number("dist", "p", p))


@named
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """The p-norms of the differences of every row of x1 (..., n, m) and every row of x2 (..., k, m): (..., n, k).

    They are taken from the differences, whatever `compute_mode` says. **Raises** ValueError for other shapes, TypeError
    for integers.

    >>> import pyautograd
    >>> pyautograd.cdist(pyautograd.zeros(1, 2), pyautograd.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ValueError(f"cdist: shapes {x1.shape} and {x2.shape}; they have rows of one length")
    for each in (x1, x2):
        _arguments.floats("cdist", each)
    rows, others = (reshape(x1, (*x1.shape[:-1], 1, x1.shape[-1])), reshape(x2, (*x2.shape[:-2], 1, *x2.shape[-2:])))
    return norm(apply(_ops.sub, rows, others), _arguments.number("cdist", "p", p), -1)


def _without_nans(name: str, input: Tensor) -> Tensor:
    input = _arguments.tensor(name, "input", input)
    return apply(_ops.where, apply(_ops.ne, input, input), 0, input) if input.dtype.is_floating_point else input


@named
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The `sum` of the elements that are numbers; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, float("nan"), 2.0]).nansum()
    tensor(3.)
    """
    return sum(_without_nans("nansum", input), dim, _keep("nansum", keepdim), dtype=dtype)


@named
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The `mean` of the elements that are numbers, NaN where there are none; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, float("nan"), 2.0]).nanmean()
    tensor(1.5000)
    """
    numbers, keepdim = _without_nans("nanmean", input), _keep("nanmean", keepdim)
    for each in (numbers.dtype, numbers.dtype if dtype is None else as_dtype(dtype)):
        if not each.is_floating_point:
            raise TypeError(f"nanmean: takes float32 or float64, not {each.name} (of shape {input.shape})")
    counts = sum(apply(_ops.eq, input, input), dim, keepdim)
    return apply(_ops.div, sum(numbers, dim, keepdim, dtype=dtype), counts)


@named
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not zero over the axes `dim` (int64); NaN is not. **Raises** as `sum`.

    >>> import pyautograd
    >>> pyautograd.tensor([[0.0, 2.0], [1.0, 3.0]]).count_nonzero(dim=0)
    tensor([1, 2])
    """
    return sum(apply(_ops.ne, input, 0), dim)


@named
def aminmax(input: Tensor, *, dim: SupportsIndex | None = None, keepdim: bool = False) -> MinAndMax:
    """`amin` and `amax` along an axis, or of the whole tensor; **raises** as these.

    >>> import pyautograd
    >>> pyautograd.tensor([2.0, 1.0, 3.0]).aminmax()
    MinAndMax(min=tensor(1.), max=tensor(3.))
    """
    at = None if dim is None else _dims.axis("aminmax", input, dim)
    return MinAndMax(amin(input, at, keepdim), amax(input, at, keepdim))


@named
def argmax(input: Tensor, dim: SupportsIndex | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first largest element along `dim`, or of the flattened tensor. **Raises** as `amax`.

    >>> import pyautograd
    >>> x = pyautograd.tensor([[1.0, 5.0], [7.0, 3.0]])
    >>> x.argmax(), x.argmax(dim=1)
    (tensor(2), tensor([1, 0]))
    """
    number = -1 if dim is None else _dims.axis("argmax", input, dim)
    return apply(_ops.argmax, input, (number, _keep("argmax", keepdim)))


@named
def argmin(input: Tensor, dim: SupportsIndex | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first smallest element along `dim`, or of the flattened tensor. **Raises** as `amin`.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 5.0], [7.0, 3.0]]).argmin(dim=0)
    tensor([0, 1])
    """
    number = -1 if dim is None else _dims.axis("argmin", input, dim)
    return apply(_ops.argmin, input, (number, _keep("argmin", keepdim)))


def at_positions(input: Tensor, at: int, positions: Tensor, keepdim: bool) -> ValuesAndIndices:
    """The elements at positions that have size 1 along the axis, with the axis or without."""
    values = picked(input, at, positions)
    if not keepdim and input.ndim:
        shape = input.shape[:at] + input.shape[at + 1 :]
        values, positions = reshape(values, shape), reshape(positions, shape)
    return ValuesAndIndices(values, positions)


def _extremum(input: Tensor, dim: Any, keepdim: bool, largest: bool) -> Any:
    name = "max" if largest else "min"
    if dim is None:
        return _reduced(_ops.max if largest else _ops.min, name, input, None, keepdim, None, False)
    if isinstance(dim, Node | np.ndarray):
        return apply(_ops.maximum if largest else _ops.minimum, input, dim)
    axis, keepdim = _dims.axis(name, input, dim), _keep(name, keepdim)
    indices = apply(_ops.argmax if largest else _ops.argmin, input, (axis, True))
    return at_positions(input, axis, indices, keepdim) if input.ndim else ValuesAndIndices(input, indices)


@overload
def max(input: Tensor) -> Tensor: ...
@overload
def max(input: Tensor, dim: Tensor) -> Tensor: ...
@overload
def max(input: Tensor, dim: int, keepdim: bool = False) -> ValuesAndIndices: ...
@named
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; along an axis the values and the indices (the gradient goes to these); of two tensors,
    elementwise.

    **Raises** as `amax`, and ValueError for two tensors that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 5.0], [7.0, 3.0]]).max(dim=1).values
    tensor([5., 7.])
    """
    return _extremum(input, dim, keepdim, True)


@overload
def min(input: Tensor) -> Tensor: ...
@overload
def min(input: Tensor, dim: Tensor) -> Tensor: ...
@overload
def min(input: Tensor, dim: int, keepdim: bool = False) -> ValuesAndIndices: ...
@named
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; along an axis the values and the indices (the gradient goes to these); of two tensors,
    elementwise.

    **Raises** as `amin`, and ValueError for two tensors that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 5.0], [7.0, 3.0]]).min(dim=1).indices
    tensor([0, 1])
    """
    return _extremum(input, dim, keepdim, False)


@named
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Is some element nonzero, over the axes `dim`? With no axes, `dim=()`, each element is asked. **Raises** as `sum`.

    >>> import pyautograd
    >>> pyautograd.tensor([[0, 1], [0, 0]]).any(dim=1)
    tensor([ True, False])
    """
    if isinstance(dim, tuple | list) and not dim:
        return _truth(input, apply(_ops.ne, input, 0))
    count = _reduced(_ops.sum, "any", apply(_ops.ne, input, 0), dim, keepdim, None, False)
    return _truth(input, apply(_ops.gt, count, 0))


@named
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Is every element nonzero, over the axes `dim`? With no axes, `dim=()`, each element is asked. **Raises** as
    `sum`.

    >>> import pyautograd
    >>> pyautograd.tensor([[0, 1], [1, 1]]).all(dim=1)
    tensor([False,  True])
    """
    if isinstance(dim, tuple | list) and not dim:
        return _truth(input, apply(_ops.ne, input, 0))
    count = _reduced(_ops.sum, "all", apply(_ops.eq, input, 0), dim, keepdim, None, False)
    return _truth(input, apply(_ops.eq, count, 0))


def _truth(input: Tensor, found: Tensor) -> Tensor:
    """Bools, of uint8 as 0 and 1 in uint8, which masks once were."""
    return found.to(uint8) if isinstance(input, Tensor) and input.dtype is uint8 else found


@named
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """ln sum e^a over the axes `dim`, without overflow; integers become the default float. **Raises** as `sum`.

    >>> import pyautograd
    >>> pyautograd.tensor([1000.0, -1000.0]).logsumexp(dim=0)
    tensor(1000.)
    """
    if isinstance(input, Node) and not input.dtype.is_floating_point:
        input = input.to(get_default_dtype())
    keepdim = _keep("logsumexp", keepdim)
    if not isinstance(dim, tuple | list):
        return apply(_ops.logsumexp, input, (_dims.axis("logsumexp", input, dim), keepdim))
    reduced = _dims.distinct("logsumexp", dim, _dims.ndim("logsumexp", input)) or range(input.ndim)
    kept = [axis for axis in range(input.ndim) if axis not in reduced]
    if input.ndim:
        input = input.permute(*kept, *reduced)
    shape = input.shape[: len(kept)]
    result = apply(_ops.logsumexp, reshape(input, (*shape, math.prod(input.shape[len(kept) :]))), (len(kept), False))
    for axis in sorted(reduced) if keepdim and input.ndim else ():
        result = result.unsqueeze(axis)
    return result


@named
def softmax(input: Tensor, dim: SupportsIndex = -1, dtype: Any = None) -> Tensor:
    """e^a / sum e^a along an axis; in `dtype` if one is given.

    **Raises** IndexError for an axis that is not there, TypeError for integers without a `dtype`.

    >>> import pyautograd
    >>> pyautograd.tensor([0.0, 0.0]).softmax(dim=0)
    tensor([0.5000, 0.5000])
    """
    if dtype is not None:
        input = _arguments.tensor("softmax", "input", input).to(dtype)
    return apply(_ops.softmax, input, (_dims.axis("softmax", input, dim),))


@named
def log_softmax(input: Tensor, dim: SupportsIndex = -1, dtype: Any = None) -> Tensor:
    """a - ln sum e^a along an axis; in `dtype` if one is given. **Raises** as `softmax`.

    >>> import pyautograd
    >>> pyautograd.tensor([1000.0, 0.0]).log_softmax(dim=0)
    tensor([    0., -1000.])
    """
    if dtype is not None:
        input = _arguments.tensor("log_softmax", "input", input).to(dtype)
    return apply(_ops.log_softmax, input, (_dims.axis("log_softmax", input, dim),))
