"""Views, most also methods of Tensor. They share memory, and gradients flow back through them."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex

from pyautograd import _arguments, _core, _dims, _ops
from pyautograd._arguments import named
from pyautograd._core import Tensor, apply
from pyautograd._dtype import dtype as Dtype

__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors", "broadcast_to",
    "diagonal", "expand", "expand_as", "flatten", "moveaxis", "movedim", "narrow", "numel", "permute", "ravel",
    "reshape", "select", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unflatten", "unsqueeze", "view",
    "view_as",
]  # fmt: skip

RESHAPE, PERMUTE, EXPAND, SLICE, DIAGONAL, UNFOLD = range(6)  # as in pa_view_kind (csrc/kernels/ops.h)


def reshape(input: Tensor, shape: Any, *more: Any) -> Tensor:
    """The same elements in another shape, one size may be -1; a view where strides allow it, else of a copy.

    **Raises** ValueError naming both shapes when the elements do not fit.

    >>> import pyautograd
    >>> pyautograd.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return _core.reshape(input, shape, *more)


def view(input: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, but never a copy. **Raises** as it does, ValueError where strides do not allow a view, and
    NotImplementedError for a dtype: its bytes are not seen as another's; `to` converts.

    >>> import pyautograd
    >>> x = pyautograd.zeros(2, 2)
    >>> x.view(4)[3] = 1
    >>> x
    tensor([[0., 0.],
            [0., 1.]])
    """
    if shape and isinstance(shape[0], Dtype):
        raise NotImplementedError(f"view: bytes are not seen as {shape[0].name}; to({shape[0].name}) converts them")
    return apply(_ops.view, input, (RESHAPE, *_dims.sizes("view", shape)))


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """A view in the shape of another tensor. **Raises** as `view`.

    >>> import pyautograd
    >>> pyautograd.arange(6).view_as(pyautograd.zeros(2, 3)).shape
    (2, 3)
    """
    return view(input, _arguments.tensor("view_as", "other", other).shape)


def permute(input: Tensor, dims: Any, *more: Any) -> Tensor:
    """The axes in another order; a view. **Raises** ValueError for what is no order of all axes, IndexError for one
    that is not there.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3, 4).permute(2, 0, 1).shape
    (4, 2, 3)
    """
    axes = _dims.ndim("permute", input)
    order = [_dims.one("permute", dim, axes) for dim in _dims.sizes("permute", (dims, *more), "dims")]
    return apply(_ops.view, input, (PERMUTE, *order))


def transpose(input: Tensor, dim0: SupportsIndex, dim1: SupportsIndex) -> Tensor:
    """Two axes swapped; a view. **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3, 4).transpose(0, -1).shape
    (4, 3, 2)
    """
    axes = _dims.ndim("transpose", input)
    order = list(range(axes))
    a, b = _dims.one("transpose", dim0, axes, "dim0"), _dims.one("transpose", dim1, axes, "dim1")
    if axes:
        order[a], order[b] = b, a
    return apply(_ops.view, input, (PERMUTE, *order))


swapdims = transpose


def swapaxes(input: Tensor, axis0: SupportsIndex, axis1: SupportsIndex) -> Tensor:
    """The same as `transpose`, by NumPy's name; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3).swapaxes(0, 1).shape
    (3, 2)
    """
    return transpose(input, axis0, axis1)


def adjoint(input: Tensor) -> Tensor:
    """Matrices (..., n, m) transposed, a 0-d tensor as it is; a view. **Raises** ValueError for a vector.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3, 4).adjoint().shape
    (2, 4, 3)
    """
    if _dims.ndim("adjoint", input) == 1:
        raise ValueError(f"adjoint: a tensor of shape {input.shape} is no matrix")
    return transpose(input, -2, -1) if input.ndim else input


def t(input: Tensor) -> Tensor:
    """A matrix transposed, as a view; a vector or a 0-d tensor as it is. **Raises** ValueError for more than two axes.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3).t().shape
    (3, 2)
    """
    axes = _dims.ndim("t", input)
    if axes > 2:
        raise ValueError(f"t: a tensor of shape {input.shape} has more than 2 axes; use transpose or permute")
    return apply(_ops.view, input, (PERMUTE, *reversed(range(axes))))


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """One axis moved to another place, or several to as many places; the others keep their order. A view.

    **Raises** IndexError for an axis that is not there, ValueError for one named twice or another number of places,
    TypeError for an int and a tuple.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3, 4).movedim((0, 1), (-1, 0)).shape
    (3, 4, 2)
    """
    axes = _dims.ndim("movedim", input)
    if isinstance(source, tuple | list) != isinstance(destination, tuple | list):
        raise TypeError(f"movedim: source {source} and destination {destination} must both be ints or both tuples")
    taken, places = (
        _dims.distinct("movedim", source, axes, "source"),
        _dims.distinct("movedim", destination, axes, "destination"),
    )
    if len(taken) != len(places):
        raise ValueError(f"movedim: {len(taken)} axes {source} to {len(places)} places {destination}")
    order = [axis for axis in range(axes) if axis not in taken]
    for place, axis in sorted(zip(places, taken, strict=True)):
        order.insert(place, axis)
    return apply(_ops.view, input, (PERMUTE, *order[:axes]))


moveaxis = movedim


@named
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the axes of size 1, or without those of `dim` that are of size 1; `dim=()` names none. A view.

    **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> x = pyautograd.ones(1, 3, 1)
    >>> x.squeeze().shape, x.squeeze(0).shape
    ((3,), (3, 1))
    """
    if dim is None:
        shape = tuple(size for size in input.shape if size != 1)
    else:
        mask = 0 if isinstance(dim, tuple | list) and not dim else _dims.mask("squeeze", input, dim)
        shape = tuple(size for axis, size in enumerate(input.shape) if size != 1 or not mask >> axis & 1)
    return _core.reshape(input, shape)


@named
def unsqueeze(input: Tensor, dim: SupportsIndex) -> Tensor:
    """With a new axis of size 1 at `dim`; a view. **Raises** IndexError for a place that is not there.

    >>> import pyautograd
    >>> pyautograd.ones(3).unsqueeze(-1).shape
    (3, 1)
    """
    at = _dims.axis("unsqueeze", input, dim, more=1)
    return _core.reshape(input, (*input.shape[:at], 1, *input.shape[at:]))


def flatten(input: Tensor, start_dim: SupportsIndex = 0, end_dim: SupportsIndex = -1) -> Tensor:
    """The axes from start_dim to end_dim, both included, as one.

    **Raises** IndexError for an axis that is not there, ValueError where start_dim lies behind end_dim.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3, 4).flatten(1).shape
    (2, 12)
    """
    axes = _dims.ndim("flatten", input)
    first, last = _dims.one("flatten", start_dim, axes, "start_dim"), _dims.one("flatten", end_dim, axes, "end_dim")
    if first > last:
        raise ValueError(f"flatten: start_dim {first} lies behind end_dim {last} of shape {input.shape}")
    shape = input.shape
    middle = math.prod(shape[first : last + 1])
    return _core.reshape(input, (*shape[:first], middle, *shape[last + 1 :]))


@named
def unflatten(input: Tensor, dim: SupportsIndex, sizes: Any) -> Tensor:
    """An axis as several, of sizes of which one may be -1; a view. **Raises** IndexError for an axis that is not there,
    ValueError for sizes that do not fit.

    >>> import pyautograd
    >>> pyautograd.ones(2, 12).unflatten(1, (3, -1)).shape
    (2, 3, 4)
    """
    at = _dims.axis("unflatten", input, dim)
    parts = list(_dims.sizes("unflatten", (sizes,), "sizes"))
    whole = input.shape[at]
    if parts.count(-1) == 1:
        rest = -math.prod(parts)
        parts[parts.index(-1)] = whole // rest if rest else 0
    if not parts or min(parts) < 0 or math.prod(parts) != whole:
        raise ValueError(f"unflatten: sizes {sizes} for an axis of size {whole} of shape {input.shape}")
    return _core.reshape(input, (*input.shape[:at], *parts, *input.shape[at + 1 :]))


def numel(input: Tensor) -> int:
    """Number of elements. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.numel(pyautograd.ones(2, 3))
    6
    """
    return math.prod(_arguments.tensor("numel", "input", input).shape)


def ravel(input: Tensor) -> Tensor:
    """All elements along one axis. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3).ravel().shape
    (6,)
    """
    return _core.reshape(input, (math.prod(_arguments.tensor("ravel", "input", input).shape),))


def expand(input: Tensor, size: Any, *more: Any) -> Tensor:
    """Axes of size 1 (and new ones in front) seen as larger, without a copy; -1 keeps a size.

    **Raises** ValueError where the sizes do not fit.

    >>> import pyautograd
    >>> pyautograd.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    return apply(_ops.view, input, (EXPAND, *_dims.sizes("expand", (size, *more), "size")))


broadcast_to = expand


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of another tensor. **Raises** as `expand`.

    >>> import pyautograd
    >>> pyautograd.ones(3).expand_as(pyautograd.zeros(2, 3)).shape
    (2, 3)
    """
    return expand(input, _arguments.tensor("expand_as", "other", other).shape)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that tensors of these shapes broadcast to; an int is a shape of one axis.

    **Raises** ValueError where they do not broadcast.

    >>> import pyautograd
    >>> pyautograd.broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    each = [_dims.sizes("broadcast_shapes", (shape,), "shapes") for shape in shapes]
    axes = max(map(len, each), default=0)
    result = [1] * axes
    for shape in each:
        for axis, size in enumerate(shape, axes - len(shape)):
            if size != 1 and result[axis] != 1 and size != result[axis]:
                raise ValueError(f"broadcast_shapes: {', '.join(map(str, each))} do not broadcast: axis {axis - axes}")
            result[axis] = size if size != 1 else result[axis]
    if min(result, default=0) < 0:
        raise ValueError(f"broadcast_shapes: a negative size in {', '.join(map(str, each))}")
    return tuple(result)


def listed(name: str, tensors: tuple[Any, ...]) -> list[Tensor]:
    """Tensors that were given one by one, or as one sequence."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    return [_arguments.tensor(name, f"tensors[{i}]", each) for i, each in enumerate(given)]


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Tensors expanded to the shape that they broadcast to; views. **Raises** ValueError where they do not.

    >>> import pyautograd
    >>> a, b = pyautograd.broadcast_tensors(pyautograd.ones(2, 1), pyautograd.zeros(3))
    >>> a.shape, b.shape
    ((2, 3), (2, 3))
    """
    given = listed("broadcast_tensors", tensors)
    shape = broadcast_shapes(*(each.shape for each in given))
    return tuple([expand(each, shape) for each in given])


def _at_least(name: str, tensors: tuple[Any, ...], grown: Any) -> Any:
    """`grown` applied to one tensor, or to each of several."""
    given = listed(name, tensors)
    several = len(tensors) != 1 or isinstance(tensors[0], tuple | list)
    return tuple([grown(each) for each in given]) if several else grown(given[0])


def atleast_1d(*tensors: Any) -> Any:
    """A 0-d tensor with an axis, others as they are; of several tensors a tuple. **Raises** TypeError for what is no
    Tensor.

    >>> import pyautograd
    >>> pyautograd.atleast_1d(pyautograd.tensor(1.0)).shape
    (1,)
    """
    return _at_least("atleast_1d", tensors, lambda x: x if x.ndim else _core.reshape(x, (1,)))


def atleast_2d(*tensors: Any) -> Any:
    """A 0-d tensor as (1, 1), a 1-D one as a row (1, n), others as they are; of several tensors a tuple. **Raises**
    TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.atleast_2d(pyautograd.ones(3)).shape
    (1, 3)
    """
    return _at_least("atleast_2d", tensors, lambda x: x if x.ndim >= 2 else _core.reshape(x, (1, math.prod(x.shape))))


def atleast_3d(*tensors: Any) -> Any:
    """A 0-d tensor as (1, 1, 1), a 1-D one as (1, n, 1), a 2-D one as (n, m, 1), others as they are; of several tensors
    a tuple. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.atleast_3d(pyautograd.ones(3)).shape
    (1, 3, 1)
    """
    return _at_least("atleast_3d", tensors, lambda x: x if x.ndim >= 3 else unsqueeze(atleast_2d(x), -1))


def sliced(input: Tensor, at: int, start: int, step: int, length: int) -> Tensor:
    """A view of so many elements along an axis, a step, which may be negative, from one another."""
    triples: list[int] = []
    for axis, size in enumerate(input.shape):
        triples += (start, step, length) if axis == at else (0, 1, size)
    return apply(_ops.view, input, (SLICE, *triples))


@named
def narrow(input: Tensor, dim: SupportsIndex, start: Any, length: SupportsIndex) -> Tensor:
    """A view of so many elements along an axis, from `start` on, which may count from the end.

    **Raises** IndexError for an axis or a start that is not there, ValueError for a length that does not fit.

    >>> import pyautograd
    >>> pyautograd.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    at = _dims.axis("narrow", input, dim)
    if not input.ndim:
        raise ValueError("narrow: a 0-d tensor has no axis to narrow")
    start, length = _arguments.integer("narrow", "start", start), _arguments.integer("narrow", "length", length)
    size = input.shape[at]
    if not -size <= start <= size:
        raise IndexError(f"narrow: start {start} of an axis of size {size}")
    start = start + size if start < 0 else start
    if length < 0 or start + length > size:
        raise ValueError(f"narrow: {length} elements from {start} on of an axis of size {size}")
    return sliced(input, at, start, 1, length)


@named
def select(input: Tensor, dim: SupportsIndex, index: SupportsIndex) -> Tensor:
    """A view of the slice at a position along an axis, without that axis. **Raises** IndexError for an axis or a
    position that is not there.

    >>> import pyautograd
    >>> pyautograd.tensor([[1, 2], [3, 4]]).select(1, 0)
    tensor([1, 3])
    """
    at = _dims.axis("select", input, dim)
    if not input.ndim:
        raise IndexError("select: a 0-d tensor has no axis to select from")
    position, size = _arguments.integer("select", "index", index), input.shape[at]
    if not -size <= position < size:
        raise IndexError(f"select: index {position} of an axis of size {size}")
    return sliced(input, at, position + size if position < 0 else position, 1, -1)


@named
def diagonal(input: Tensor, offset: SupportsIndex = 0, dim1: SupportsIndex = 0, dim2: SupportsIndex = 1) -> Tensor:
    """The diagonal of the axes dim1 and dim2 as the last axis, `offset` columns right of the main one; a view.

    **Raises** IndexError for an axis that is not there, ValueError for one named twice.

    >>> import pyautograd
    >>> pyautograd.arange(9).reshape(3, 3).diagonal(1)
    tensor([1, 5])
    """
    axes = _dims.ndim("diagonal", input)
    one, two = _dims.one("diagonal", dim1, axes, "dim1"), _dims.one("diagonal", dim2, axes, "dim2")
    if one == two:
        raise ValueError(f"diagonal: axes {dim1} and {dim2} are the same axis of shape {input.shape}")
    return apply(_ops.view, input, (DIAGONAL, _arguments.integer("diagonal", "offset", offset), one, two))


@named
def unfold(input: Tensor, dimension: SupportsIndex, size: SupportsIndex, step: SupportsIndex) -> Tensor:
    """Windows of so many elements along an axis, each a step from the last, as a new last axis; a view.

    **Raises** IndexError for an axis that is not there, ValueError for a window larger than the axis, or a step below
    1.

    >>> import pyautograd
    >>> pyautograd.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    at = _dims.axis("unfold", input, dimension, more=not input.ndim)
    size, step = _arguments.integer("unfold", "size", size), _arguments.integer("unfold", "step", step)
    if not input.ndim:
        return unfold(_core.reshape(input, (1,)), 0, size, step)[0]
    return apply(_ops.view, input, (UNFOLD, at, size, step))
