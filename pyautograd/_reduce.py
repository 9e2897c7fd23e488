"""Reductions, products and softmax, each also a method of Tensor. `axis` and `keepdims` are NumPy's names for `dim`
and `keepdim`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

from pyautograd import _dims, _ops
from pyautograd._core import apply, reshape
from pyautograd._dims import Dims, numpy_names

if TYPE_CHECKING:
    from pyautograd._tensor import Tensor

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "bmm", "dot", "log_softmax", "logsumexp", "matmul", "max",
    "mean", "min", "mm",
    "mv", "norm", "outer", "prod", "softmax", "std", "sum", "var",
]  # fmt: skip


class ValuesAndIndices(NamedTuple):
    """What `max` and `min` along one axis give."""

    values: Tensor
    indices: Tensor


def _reduced(
    op: int, name: str, input: Tensor, dim: Dims, keepdim: bool, axis: Dims, keepdims: bool, *floats: float
) -> Tensor:
    if dim is None and axis is None:
        mask = (1 << input.ndim) - 1
    else:
        mask = _dims.mask(name, _dims.alias(name, dim, axis), input.ndim)
    return apply(op, input, (mask, keepdim or keepdims), floats)


def sum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """Sum over the axes `dim` (all by default); integers and bools sum to int64.

    **Raises** IndexError for an axis that is not there, ValueError for one named twice.

    >>> import pyautograd
    >>> x = pyautograd.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x.sum(), x.sum(dim=0), x.sum(axis=1, keepdims=True).shape
    (tensor(10.), tensor([4., 6.]), (2, 1))
    """
    if dim is None and axis is None and dtype is None and not (keepdim or keepdims):
        return apply(_ops.sum, input)
    if dtype is not None:
        input = input.to(dtype)
    return _reduced(_ops.sum, "sum", input, dim, keepdim, axis, keepdims)


def mean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """Mean over the axes `dim` (all by default); floats only.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(dim=1)
    tensor([1.5000, 3.5000])
    """
    if dim is None and axis is None and dtype is None and not (keepdim or keepdims):
        return apply(_ops.mean, input)
    if dtype is not None:
        input = input.to(dtype)
    return _reduced(_ops.mean, "mean", input, dim, keepdim, axis, keepdims)


def prod(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None, keepdims: bool = False
) -> Tensor:
    """Product over the axes `dim` (all by default)."""
    return _reduced(_ops.prod, "prod", input, dim, keepdim, axis, keepdims)


def amax(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None, keepdims: bool = False
) -> Tensor:
    """Largest over the axes `dim`; elements that tie share the gradient evenly. **Raises** ValueError where there is
    no element."""
    return _reduced(_ops.max, "amax", input, dim, keepdim, axis, keepdims)


def amin(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None, keepdims: bool = False
) -> Tensor:
    """Smallest over the axes `dim`; elements that tie share the gradient evenly. **Raises** ValueError where there is
    no element."""
    return _reduced(_ops.min, "amin", input, dim, keepdim, axis, keepdims)


def var(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
    unbiased: bool | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """Sum of (a - mean)^2 over the axes `dim`, divided by their number of elements less `correction`."""
    if unbiased is not None:
        correction = 1 if unbiased else 0
    return _reduced(_ops.var, "var", input, dim, keepdim, axis, keepdims, correction)


def std(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
    unbiased: bool | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The square root of `var`."""
    return apply(
        _ops.sqrt, var(input, dim, keepdim, correction=correction, unbiased=unbiased, axis=axis, keepdims=keepdims)
    )


@numpy_names
def norm(input: Tensor, p: float | str = 2, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The p-norm of the elements over the axes `dim`, p 1, 2 or inf; the gradient at the zero vector is 0.

    >>> import pyautograd
    >>> pyautograd.tensor([3.0, 4.0]).norm()
    tensor(5.)
    """
    if p in (2, "fro"):
        squares = _reduced(_ops.sum, "norm", apply(_ops.square, input), dim, keepdim, None, False)
        zero = squares.detach() == 0
        inside = apply(_ops.where, zero, 1.0, squares)
        return apply(_ops.where, zero, 0.0, apply(_ops.sqrt, inside))
    sizes: Any = apply(_ops.abs, input)
    if p == 1:
        return _reduced(_ops.sum, "norm", sizes, dim, keepdim, None, False)
    if p == float("inf"):
        return _reduced(_ops.max, "norm", sizes, dim, keepdim, None, False)
    raise ValueError(f"norm: p is 1, 2 or inf, not {p!r}")


@numpy_names
def argmax(input: Tensor, dim: SupportsIndex | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first largest element along `dim`, or of the flattened tensor."""
    number = -1 if dim is None else _dims.one("argmax", dim, input.ndim)
    return apply(_ops.argmax, input, (number, keepdim))


@numpy_names
def argmin(input: Tensor, dim: SupportsIndex | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first smallest element along `dim`, or of the flattened tensor."""
    number = -1 if dim is None else _dims.one("argmin", dim, input.ndim)
    return apply(_ops.argmin, input, (number, keepdim))


def _extremum(input: Tensor, dim: Any, keepdim: bool, largest: bool) -> Any:
    name = "max" if largest else "min"
    if dim is None:
        return _reduced(_ops.max if largest else _ops.min, name, input, None, keepdim, None, False)
    if not isinstance(dim, int):
        return apply(_ops.maximum if largest else _ops.minimum, input, dim)
    from pyautograd._shape import gather

    axis = _dims.one(name, dim, input.ndim)
    indices: Any = apply(_ops.argmax if largest else _ops.argmin, input, (axis, True))
    values = gather(input, axis, indices) if input.ndim else input
    if not keepdim and input.ndim:
        shape = input.shape[:axis] + input.shape[axis + 1 :]
        values, indices = reshape(values, shape), reshape(indices, shape)
    return ValuesAndIndices(values, indices)


@numpy_names
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; along an axis the values and the indices (the gradient goes to these); of two tensors,
    elementwise.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 5.0], [7.0, 3.0]]).max(dim=1).values
    tensor([5., 7.])
    """
    return _extremum(input, dim, keepdim, True)


@numpy_names
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; along an axis the values and the indices (the gradient goes to these); of two tensors,
    elementwise."""
    return _extremum(input, dim, keepdim, False)


@numpy_names
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Is some element nonzero, over the axes `dim`?"""
    return apply(_ops.gt, _reduced(_ops.sum, "any", input != 0, dim, keepdim, None, False), 0)


@numpy_names
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Is every element nonzero, over the axes `dim`?"""
    return apply(_ops.eq, _reduced(_ops.sum, "all", input == 0, dim, keepdim, None, False), 0)


@numpy_names
def logsumexp(input: Tensor, dim: SupportsIndex, keepdim: bool = False) -> Tensor:
    """ln sum e^a along an axis, without overflow."""
    return apply(_ops.logsumexp, input, (_dims.one("logsumexp", dim, input.ndim), keepdim))


@numpy_names
def softmax(input: Tensor, dim: SupportsIndex = -1) -> Tensor:
    """e^a / sum e^a along an axis.

    >>> import pyautograd
    >>> pyautograd.tensor([0.0, 0.0]).softmax(dim=0)
    tensor([0.5000, 0.5000])
    """
    return apply(_ops.softmax, input, (_dims.one("softmax", dim, input.ndim),))


@numpy_names
def log_softmax(input: Tensor, dim: SupportsIndex = -1) -> Tensor:
    """a - ln sum e^a along an axis."""
    return apply(_ops.log_softmax, input, (_dims.one("log_softmax", dim, input.ndim),))


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product over the last two axes, the others broadcast; vectors as in NumPy. **Raises** ValueError naming
    both shapes.

    >>> import pyautograd
    >>> a = pyautograd.ones(2, 3)
    >>> (a @ a.T).tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """
    return apply(_ops.matmul, input, other)


def _of_axes(name: str, tensors: tuple[Tensor, Tensor], axes: tuple[int, int]) -> None:
    for tensor, wanted in zip(tensors, axes, strict=True):
        if tensor.ndim != wanted:
            raise ValueError(
                f"{name}: shapes {tensors[0].shape} and {tensors[1].shape}; it takes {axes[0]} and {axes[1]} axes"
            )


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """(n, k) times (k, m)."""
    _of_axes("mm", (input, mat2), (2, 2))
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """(n, k) times (k,)."""
    _of_axes("mv", (input, vec), (2, 1))
    return matmul(input, vec)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """(batch, n, k) times (batch, k, m)."""
    _of_axes("bmm", (input, mat2), (3, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ValueError(f"bmm: shapes {input.shape} and {mat2.shape} have different batches")
    return matmul(input, mat2)


def dot(input: Tensor, other: Tensor) -> Tensor:
    """(n,) times (n,)."""
    _of_axes("dot", (input, other), (1, 1))
    return matmul(input, other)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """(n,) and (m,) to (n, m)."""
    _of_axes("outer", (input, vec2), (1, 1))
    return apply(_ops.mul, reshape(input, (-1, 1)), vec2)
