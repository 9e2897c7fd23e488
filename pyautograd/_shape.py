"""Views, joins and gathers, each also a method of Tensor. Views share memory, and gradients flow back through them."""

from __future__ import annotations

import builtins
import itertools
import math
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from pyautograd import _arguments, _core, _dims, _ops
from pyautograd._arguments import named
from pyautograd._array_like import from_numpy
from pyautograd._core import Tensor, apply
from pyautograd._dtype import dtype as Dtype
from pyautograd._dtype import int32, int64
from pyautograd._rows import plain

__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "cat",
    "chunk", "concat", "concatenate", "diagonal", "dsplit", "expand", "expand_as", "flatten", "gather", "hsplit",
    "index_select", "moveaxis", "movedim", "narrow", "numel", "permute", "ravel", "repeat", "reshape", "select",
    "split", "split_with_sizes", "squeeze", "stack", "swapaxes", "swapdims", "t", "tensor_split", "transpose", "tril",
    "triu", "unbind", "unflatten", "unsqueeze", "view", "view_as", "vsplit",
]  # fmt: skip

_MOST_PIECES = 100_000  # more of them would be empty, and there is not the time to make any number
_RESHAPE, _PERMUTE, _EXPAND, _SLICE, _DIAGONAL, _UNFOLD = range(6)  # as in pa_view_kind (csrc/kernels/ops.h)


def reshape(input: Tensor, shape: Any, *more: Any) -> Tensor:
    """The same elements in another shape, one size may be -1; a view where strides allow it, else of a copy.

    **Raises** ValueError naming both shapes when the elements do not fit.

    >>> import pyautograd
    >>> pyautograd.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return _core.reshape(input, _dims.sizes("reshape", (shape, *more), "shape"))


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
    return apply(_ops.view, input, (_RESHAPE, *_dims.sizes("view", shape)))


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
    order = (_dims.one("permute", dim, axes) for dim in _dims.sizes("permute", (dims, *more), "dims"))
    return apply(_ops.view, input, (_PERMUTE, *order))


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
    return apply(_ops.view, input, (_PERMUTE, *order))


def swapaxes(input: Tensor, axis0: SupportsIndex, axis1: SupportsIndex) -> Tensor:
    """The same as `transpose`, by NumPy's name; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3).swapaxes(0, 1).shape
    (3, 2)
    """
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: SupportsIndex, dim1: SupportsIndex) -> Tensor:
    """The same as `transpose`; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3).swapdims(0, 1).shape
    (3, 2)
    """
    return transpose(input, dim0, dim1)


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
    return apply(_ops.view, input, (_PERMUTE, *reversed(range(axes))))


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
    return apply(_ops.view, input, (_PERMUTE, *order[:axes]))


def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """The same as `movedim`; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3, 4).moveaxis(0, -1).shape
    (3, 4, 2)
    """
    return movedim(input, source, destination)


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
    return apply(_ops.view, input, (_EXPAND, *_dims.sizes("expand", (size, *more), "size")))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of another tensor. **Raises** as `expand`.

    >>> import pyautograd
    >>> pyautograd.ones(3).expand_as(pyautograd.zeros(2, 3)).shape
    (2, 3)
    """
    return expand(input, _arguments.tensor("expand_as", "other", other).shape)


def broadcast_to(input: Tensor, size: Any, *more: Any) -> Tensor:
    """The same as `expand`; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.ones(3).broadcast_to(2, 3).shape
    (2, 3)
    """
    return expand(input, size, *more)


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


def repeat(input: Tensor, repeats: Any, *more: Any) -> Tensor:
    """The tensor so many times along each axis, copied. **Raises** ValueError for fewer numbers than axes or a negative
    one.

    >>> import pyautograd
    >>> pyautograd.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = _dims.sizes("repeat", (repeats, *more), "repeats")
    if len(times) < _dims.ndim("repeat", input) or min(times, default=0) < 0:
        raise ValueError(f"repeat: repeats {times} for a tensor of shape {input.shape}")
    shape = (1,) * (len(times) - input.ndim) + input.shape
    spread = [part for size in shape for part in (1, size)]
    wide = [part for n, size in zip(times, shape, strict=True) for part in (n, size)]
    if len(wide) <= 8:
        tiled = expand(_core.reshape(input, tuple(spread)), tuple(wide))
        return _core.reshape(tiled, tuple(n * size for n, size in zip(times, shape, strict=True)))
    result = _core.reshape(input, shape)
    for axis, n in enumerate(times):
        result = cat([result] * n, axis)
    return result


def several(name: str, tensors: Sequence[Tensor]) -> list[Tensor]:
    """A list of at least one tensor; one tensor is no list of its rows."""
    if isinstance(tensors, _core.Node):
        raise _arguments.wrong(name, "tensors", "a sequence of Tensors", tensors)
    found = list(tensors)
    if not found:
        raise ValueError(f"{name}: no tensors")
    return found


@named
def cat(tensors: Sequence[Tensor], dim: SupportsIndex = 0) -> Tensor:
    """Tensors one after the other along an axis; their other axes must agree, and their dtypes promote.

    **Raises** ValueError for no tensors, 0-d ones and shapes that differ elsewhere, IndexError for an axis that is not
    there.

    >>> import pyautograd
    >>> pyautograd.cat([pyautograd.zeros(1, 2), pyautograd.ones(2, 2)]).shape
    (3, 2)
    """
    if type(tensors) is not list or not tensors:
        tensors = several("cat", tensors)
    at = _dims.axis("cat", tensors[0], dim)
    return apply(_ops.cat, tensors, (at,))


def concat(tensors: Sequence[Tensor], dim: SupportsIndex = 0) -> Tensor:
    """The same as `cat`; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.concat([pyautograd.zeros(1), pyautograd.ones(2)])
    tensor([0., 1., 1.])
    """
    return cat(tensors, dim)


def concatenate(tensors: Sequence[Tensor], dim: SupportsIndex | None = None, axis: SupportsIndex = 0) -> Tensor:
    """The same as `cat`; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.concatenate([pyautograd.zeros(1), pyautograd.ones(2)])
    tensor([0., 1., 1.])
    """
    return cat(tensors, axis if dim is None else dim)


@named
def stack(tensors: Sequence[Tensor], dim: SupportsIndex = 0) -> Tensor:
    """Tensors of one shape side by side along a new axis; their dtypes promote.

    **Raises** ValueError for no tensors and shapes that differ, IndexError for a place that is not there.

    >>> import pyautograd
    >>> pyautograd.stack([pyautograd.zeros(2), pyautograd.ones(2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    tensors = several("stack", tensors)
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, _core.Node):
            tensor = tensors[i] = _arguments.tensor("stack", f"tensors[{i}]", tensor)
        if tensor.shape != tensors[0].shape:
            raise ValueError(f"stack: shapes {tensors[0].shape} and {tensor.shape} differ")
    shape = tensors[0].shape
    at = _dims.one("stack", dim, len(shape) + 1)
    wider = (*shape[:at], 1, *shape[at:])
    return apply(_ops.cat, [_core.reshape(tensor, wider) for tensor in tensors], (at,))


def sliced(input: Tensor, at: int, start: int, step: int, length: int) -> Tensor:
    """A view of so many elements along an axis, a step, which may be negative, from one another."""
    triples: list[int] = []
    for axis, size in enumerate(input.shape):
        triples += (start, step, length) if axis == at else (0, 1, size)
    return apply(_ops.view, input, (_SLICE, *triples))


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
    return apply(_ops.view, input, (_DIAGONAL, _arguments.integer("diagonal", "offset", offset), one, two))


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
    return apply(_ops.view, input, (_UNFOLD, at, size, step))


@named
def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """Views of the tensor cut along an axis: pieces of one size, the last may be smaller, or of the sizes given.

    **Raises** ValueError for a size below 0, a size of 0 for all pieces, and for sizes that do not add up,
    IndexError for an axis that is not there.

    >>> import pyautograd
    >>> [part.tolist() for part in pyautograd.arange(5).split(2)]
    [[0, 1], [2, 3], [4]]
    """
    at = _dims.axis("split", tensor, dim)
    if not tensor.ndim:
        raise ValueError("split: a 0-d tensor has no axis to split")
    size = tensor.shape[at]
    if isinstance(split_size_or_sections, tuple | list):
        sections = list(_dims.sizes("split", (split_size_or_sections,), "split_size_or_sections"))
        if sum(sections) != size or min(sections, default=0) < 0:
            raise ValueError(f"split: pieces {sections} of an axis of size {size}")
    else:
        step = _arguments.integer("split", "split_size_or_sections", split_size_or_sections)
        if step < 0 or (step == 0 and size):
            raise ValueError(f"split: pieces of size {step}")
        sections = [min(step, size - start) for start in range(0, size, step or 1)] or [0]
    pieces, start = [], 0
    for length in sections:
        pieces.append(sliced(tensor, at, start, 1, length))
        start += length
    return tuple(pieces)


@named
def chunk(input: Tensor, chunks: int, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """The tensor in so many views along an axis, the last may be smaller. **Raises** ValueError for less than one
    chunk, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> [part.tolist() for part in pyautograd.arange(5).chunk(2)]
    [[0, 1, 2], [3, 4]]
    """
    chunks = _arguments.integer("chunk", "chunks", chunks)
    if chunks <= 0:
        raise ValueError(f"chunk: {chunks} chunks")
    size = input.shape[_dims.axis("chunk", input, dim)]
    if size == 0:
        return split(input, [0] * chunks, dim)
    return split(input, max(1, -(-size // chunks)), dim)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """Views of the tensor cut along an axis into pieces of these sizes. **Raises** as `split`.

    >>> import pyautograd
    >>> [part.tolist() for part in pyautograd.arange(5).split_with_sizes([2, 3])]
    [[0, 1], [2, 3, 4]]
    """
    return split(input, list(_dims.sizes("split_with_sizes", (split_sizes,), "split_sizes")), dim)


@named
def tensor_split(input: Tensor, indices_or_sections: Any, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """Views of the tensor cut along an axis: into so many pieces, the first of which may have an element more, or at
    the positions given, as NumPy's array_split.

    **Raises** ValueError for less than one piece and for a 0-d tensor, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> [part.tolist() for part in pyautograd.arange(5).tensor_split(2)]
    [[0, 1, 2], [3, 4]]
    >>> [part.tolist() for part in pyautograd.arange(5).tensor_split((1, 3))]
    [[0], [1, 2], [3, 4]]
    """
    at = _dims.axis("tensor_split", input, dim)
    if not input.ndim:
        raise ValueError("tensor_split: a 0-d tensor has no axis to split")
    size, given = input.shape[at], indices_or_sections
    if isinstance(given, Tensor) and given.ndim:
        given = given.tolist()
    if isinstance(given, tuple | list):
        bounds = [0, *_dims.sizes("tensor_split", (given,), "indices_or_sections"), size]
        bounds = [max(0, min(size, bound + size if bound < 0 else bound)) for bound in bounds]
    else:
        n = _arguments.integer("tensor_split", "indices_or_sections", given)
        if not 0 < n <= max(size, _MOST_PIECES):
            raise ValueError(f"tensor_split: {n} pieces of an axis of size {size}")
        bounds = [i * (size // n) + min(i, size % n) for i in range(n)] + [size]
    return tuple(
        [
            sliced(input, at, start if stop > start else 0, 1, max(0, stop - start))
            for start, stop in itertools.pairwise(bounds)
        ]
    )


def _split_along(name: str, input: Tensor, indices_or_sections: Any, dim: int, axes: int) -> tuple[Tensor, ...]:
    if _dims.ndim(name, input) < axes:
        raise ValueError(f"{name}: a tensor of shape {input.shape} has fewer than {axes} axes")
    if not isinstance(indices_or_sections, tuple | list):
        n, size = _arguments.integer(name, "indices_or_sections", indices_or_sections), input.shape[dim]
        if n <= 0 or size % n:
            raise ValueError(f"{name}: {n} equal pieces of an axis of size {size}")
    return tensor_split(input, indices_or_sections, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """The columns split, as `tensor_split` does, a vector along its only axis, into pieces of one size or at positions.

    **Raises** ValueError for a 0-d tensor, or a number of pieces that does not divide the axis.

    >>> import pyautograd
    >>> [part.tolist() for part in pyautograd.arange(4).reshape(2, 2).hsplit(2)]
    [[[0], [2]], [[1], [3]]]
    """
    return _split_along("hsplit", input, indices_or_sections, min(1, _dims.ndim("hsplit", input) - 1), 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """The rows split, as `hsplit` splits columns; of a tensor with at least two axes. **Raises** as `hsplit`.

    >>> import pyautograd
    >>> [part.tolist() for part in pyautograd.arange(4).reshape(2, 2).vsplit(2)]
    [[[0, 1]], [[2, 3]]]
    """
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """The third axis split, as `hsplit` splits columns. **Raises** as `hsplit`.

    >>> import pyautograd
    >>> [part.shape for part in pyautograd.ones(2, 1, 4).dsplit([1])]
    [(2, 1, 1), (2, 1, 3)]
    """
    return _split_along("dsplit", input, indices_or_sections, 2, 3)


@named
def unbind(input: Tensor, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """Views of the slices along an axis. **Raises** IndexError for an axis that is not there.

    >>> import pyautograd
    >>> a, b = pyautograd.tensor([[1, 2], [3, 4]]).unbind(1)
    >>> a
    tensor([1, 3])
    """
    at = _dims.axis("unbind", input, dim)
    if not input.ndim:
        raise IndexError("unbind: a 0-d tensor has no axis to take apart")
    return tuple([sliced(input, at, i, 1, -1) for i in range(input.shape[at])])


def _positions(name: str, index: Any, size: int) -> Tensor:
    """An int32 or int64 tensor of positions along an axis of a size; as in PyTorch they do not count from the end."""
    positions = _arguments.tensor(name, "index", index)
    if positions.dtype is int32:
        positions = positions.to(int64)
    if positions.dtype is not int64:
        raise TypeError(f"{name}: index must be int64 or int32, not {positions.dtype.name}")
    _arguments.within(name, positions, size)
    return positions


@named
def index_select(input: Tensor, dim: SupportsIndex, index: Tensor) -> Tensor:
    """The slices at the positions of a 1-D `index`, int64 or int32, along an axis.

    **Raises** IndexError for one out of range, TypeError for a mask.

    >>> import pyautograd
    >>> pyautograd.arange(6).reshape(2, 3).index_select(1, pyautograd.tensor([2, 0]))
    tensor([[2, 0],
            [5, 3]])
    """
    at = _dims.axis("index_select", input, dim)
    positions = _positions("index_select", index, input.shape[at] if input.ndim else 1)
    if positions.ndim > 1:
        raise IndexError(f"index_select: index of shape {positions.shape} has more than one axis")
    positions = positions.reshape(-1)
    if not input.ndim:
        return _core.reshape(input.reshape(1)[positions], ())
    return input[(slice(None),) * at + (positions,)]


@named
def gather(input: Tensor, dim: SupportsIndex, index: Tensor) -> Tensor:
    """out[i][j][k] = input[index[i][j][k]][j][k] for dim = 0, and so on.

    `index` is int64 or int32, has as many axes as the input, and no other axis that is longer. **Returns** its shape.
    **Raises** IndexError for a position out of range, ValueError for another shape, TypeError for another dtype.

    >>> import pyautograd
    >>> scores = pyautograd.tensor([[0.1, 0.9], [0.8, 0.2]])
    >>> scores.gather(1, pyautograd.tensor([[1], [0]]))
    tensor([[0.9000],
            [0.8000]])
    """
    at = _dims.axis("gather", input, dim)
    positions = _positions("gather", index, input.shape[at] if input.ndim else 1)
    others = zip(
        positions.shape[:at] + positions.shape[at + 1 :], input.shape[:at] + input.shape[at + 1 :], strict=False
    )
    if positions.ndim != input.ndim or builtins.any(size > room for size, room in others):
        raise ValueError(f"gather: an index of shape {positions.shape} for a tensor of shape {input.shape}")
    return picked(input, at, positions)


def picked(input: Tensor, at: int, positions: Tensor) -> Tensor:
    """`gather` at positions that are known to be right."""
    grid = np.ogrid[tuple(slice(plain(size)) for size in positions.shape)] if positions.ndim else ()
    return input[tuple(positions if axis == at else np.asarray(places) for axis, places in enumerate(grid))]


def _triangle(name: str, input: Tensor, diagonal: int) -> Tensor:
    diagonal = _arguments.integer(name, "diagonal", diagonal)
    if _dims.ndim(name, input) < 2:
        raise ValueError(f"{name}: a tensor of shape {input.shape} is no matrix")
    rows, columns = np.ogrid[: input.shape[-2], : input.shape[-1]]
    keep = columns - rows <= diagonal if name == "tril" else columns - rows >= diagonal
    return apply(_ops.where, from_numpy(keep), input, False)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices (..., n, m), zeros above the `diagonal`, of which 0 is the main one and 1 the next
    above.

    **Raises** ValueError for fewer than two axes.

    >>> import pyautograd
    >>> pyautograd.ones(2, 2).tril()
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _triangle("tril", input, diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices (..., n, m), zeros below the `diagonal`, of which 0 is the main one and 1 the next
    above.

    **Raises** ValueError for fewer than two axes.

    >>> import pyautograd
    >>> pyautograd.ones(2, 2).triu(1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    return _triangle("triu", input, diagonal)
