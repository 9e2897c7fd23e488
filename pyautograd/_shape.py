"""Views, joins and gathers, each also a method of Tensor. Views share memory, and gradients flow back through them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from pyautograd import _core, _dims, _ops
from pyautograd._core import apply
from pyautograd._dims import numpy_names

if TYPE_CHECKING:
    from pyautograd._tensor import Tensor

__all__ = [
    "broadcast_to", "cat", "chunk", "concat", "expand", "expand_as", "flatten", "gather", "index_select", "movedim",
    "permute",
    "ravel", "repeat", "reshape", "split", "squeeze", "stack", "swapaxes", "t", "transpose", "tril", "triu", "unbind",
    "unsqueeze",
    "view", "view_as",
]  # fmt: skip

_RESHAPE, _PERMUTE, _EXPAND = range(3)


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape, one size may be -1; a view where strides allow it, else of a copy.

    **Raises** ValueError naming both shapes when the elements do not fit.

    >>> import pyautograd
    >>> pyautograd.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return _core.reshape(input, _dims.sizes(shape))


def view(input: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, but never a copy: **raises** ValueError where strides do not allow a view."""
    return apply(_ops.view, input, (_RESHAPE, *_dims.sizes(shape)))


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """A view in the shape of another tensor."""
    return view(input, other.shape)


def permute(input: Tensor, *dims: Any) -> Tensor:
    """The axes in another order.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3, 4).permute(2, 0, 1).shape
    (4, 2, 3)
    """
    order = (_dims.one("permute", dim, input.ndim) for dim in _dims.sizes(dims))
    return apply(_ops.view, input, (_PERMUTE, *order))


def transpose(input: Tensor, dim0: SupportsIndex, dim1: SupportsIndex) -> Tensor:
    """Two axes swapped."""
    order = list(range(input.ndim))
    a, b = _dims.one("transpose", dim0, input.ndim), _dims.one("transpose", dim1, input.ndim)
    if input.ndim:
        order[a], order[b] = b, a
    return apply(_ops.view, input, (_PERMUTE, *order))


def swapaxes(input: Tensor, axis0: SupportsIndex, axis1: SupportsIndex) -> Tensor:
    """The same as `transpose`, by NumPy's name."""
    return transpose(input, axis0, axis1)


def t(input: Tensor) -> Tensor:
    """A matrix transposed; a vector or a 0-d tensor as it is."""
    if input.ndim > 2:
        raise ValueError(f"t: a tensor of shape {input.shape} has more than 2 axes; use transpose or permute")
    return apply(_ops.view, input, (_PERMUTE, *reversed(range(input.ndim))))


def movedim(input: Tensor, source: SupportsIndex, destination: SupportsIndex) -> Tensor:
    """One axis moved to another place."""
    order = list(range(input.ndim))
    order.insert(_dims.one("movedim", destination, input.ndim), order.pop(_dims.one("movedim", source, input.ndim)))
    return apply(_ops.view, input, (_PERMUTE, *order))


@numpy_names
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the axes of size 1, or without those of `dim` that are of size 1."""
    if dim is None:
        shape = tuple(size for size in input.shape if size != 1)
    else:
        mask = _dims.mask("squeeze", dim, input.ndim)
        shape = tuple(size for axis, size in enumerate(input.shape) if size != 1 or not mask >> axis & 1)
    return _core.reshape(input, shape)


@numpy_names
def unsqueeze(input: Tensor, dim: SupportsIndex) -> Tensor:
    """With a new axis of size 1 at `dim`."""
    at = _dims.one("unsqueeze", dim, input.ndim + 1)
    return _core.reshape(input, (*input.shape[:at], 1, *input.shape[at:]))


def flatten(input: Tensor, start_dim: SupportsIndex = 0, end_dim: SupportsIndex = -1) -> Tensor:
    """The axes from start_dim to end_dim, both included, as one.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3, 4).flatten(1).shape
    (2, 12)
    """
    first, last = _dims.one("flatten", start_dim, input.ndim), _dims.one("flatten", end_dim, input.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {first} lies behind end_dim {last} of shape {input.shape}")
    shape = input.shape
    middle = math.prod(shape[first : last + 1])
    return _core.reshape(input, (*shape[:first], middle, *shape[last + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements along one axis."""
    return _core.reshape(input, (-1,) if input.numel() else (0,))


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Axes of size 1 (and new ones in front) seen as larger, without a copy; -1 keeps a size."""
    return apply(_ops.view, input, (_EXPAND, *_dims.sizes(sizes)))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of another tensor."""
    return expand(input, other.shape)


def broadcast_to(input: Tensor, *shape: Any) -> Tensor:
    """The same as `expand`."""
    return expand(input, *shape)


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The tensor so many times along each axis, copied."""
    times = _dims.sizes(repeats)
    if len(times) < input.ndim:
        raise ValueError(f"repeat: {len(times)} repeats for a tensor of shape {input.shape}")
    shape = (1,) * (len(times) - input.ndim) + input.shape
    spread = [part for size in shape for part in (1, size)]
    wide = [part for n, size in zip(times, shape, strict=True) for part in (n, size)]
    if len(wide) <= 8:
        tiled = expand(_core.reshape(input, tuple(spread)), *wide)
        return _core.reshape(tiled, tuple(n * size for n, size in zip(times, shape, strict=True)))
    result: Any = _core.reshape(input, shape)
    for axis, n in enumerate(times):
        result = cat([result] * n, axis)
    return result  # type: ignore[no-any-return]


@numpy_names
def cat(tensors: Sequence[Tensor], dim: SupportsIndex = 0) -> Tensor:
    """Tensors one after the other along an axis; their other axes must agree.

    >>> import pyautograd
    >>> pyautograd.cat([pyautograd.zeros(1, 2), pyautograd.ones(2, 2)]).shape
    (3, 2)
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat: no tensors")
    at = _dims.one("cat", dim, tensors[0].ndim)
    return apply(_ops.cat, tensors, (at,))


def concat(tensors: Sequence[Tensor], dim: SupportsIndex = 0) -> Tensor:
    """The same as `cat`."""
    return cat(tensors, dim)


@numpy_names
def stack(tensors: Sequence[Tensor], dim: SupportsIndex = 0) -> Tensor:
    """Tensors of one shape side by side along a new axis.

    >>> import pyautograd
    >>> pyautograd.stack([pyautograd.zeros(2), pyautograd.ones(2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("stack: no tensors")
    for tensor in tensors:
        if tensor.shape != tensors[0].shape:
            raise ValueError(f"stack: shapes {tensors[0].shape} and {tensor.shape} differ")
    at = _dims.one("stack", dim, tensors[0].ndim + 1)
    return apply(_ops.cat, [unsqueeze(tensor, at) for tensor in tensors], (at,))


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """Views of the tensor cut along an axis: pieces of one size, the last may be smaller, or of the sizes given."""
    at = _dims.one("split", dim, tensor.ndim)
    size = tensor.shape[at] if tensor.ndim else 1
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step <= 0:
            raise ValueError(f"split: pieces of size {step}")
        sections = [min(step, size - start) for start in range(0, size, step)] or [0]
    else:
        sections = list(split_size_or_sections)
        if sum(sections) != size:
            raise ValueError(f"split: pieces {sections} of an axis of size {size}")
    pieces, start = [], 0
    for length in sections:
        pieces.append(tensor[(slice(None),) * at + (slice(start, start + length),)])
        start += length
    return tuple(pieces)


def chunk(input: Tensor, chunks: int, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """The tensor in so many views along an axis, the last may be smaller."""
    if chunks <= 0:
        raise ValueError(f"chunk: {chunks} chunks")
    size = input.shape[_dims.one("chunk", dim, input.ndim)]
    return split(input, max(1, -(-size // chunks)), dim)


def unbind(input: Tensor, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """Views of the slices along an axis."""
    at = _dims.one("unbind", dim, input.ndim)
    return tuple(input[(slice(None),) * at + (i,)] for i in range(input.shape[at]))


def index_select(input: Tensor, dim: SupportsIndex, index: Tensor) -> Tensor:
    """The slices at the positions of a 1-D int64 `index` along an axis."""
    at = _dims.one("index_select", dim, input.ndim)
    return input[(slice(None),) * at + (index,)]


def gather(input: Tensor, dim: SupportsIndex, index: Tensor) -> Tensor:
    """out[i][j][k] = input[index[i][j][k]][j][k] for dim = 0, and so on; index has as many axes as input."""
    at = _dims.one("gather", dim, input.ndim)
    if index.ndim != input.ndim:
        raise ValueError(f"gather: an index of shape {index.shape} for a tensor of shape {input.shape}")
    grid = np.ogrid[tuple(slice(size) for size in index.shape)] if index.ndim else ()
    key = tuple(np.asarray(index) if axis == at else np.asarray(places) for axis, places in enumerate(grid))
    return input[key]


def _triangle(input: Tensor, name: str, diagonal: int) -> Tensor:
    from pyautograd._creation import from_numpy

    if input.ndim < 2:
        raise ValueError(f"{name}: a tensor of shape {input.shape} is no matrix")
    rows, columns = np.ogrid[: input.shape[-2], : input.shape[-1]]
    keep = columns - rows <= diagonal if name == "tril" else columns - rows >= diagonal
    return apply(_ops.where, from_numpy(keep), input, 0)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, zeros above."""
    return _triangle(input, "tril", diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, zeros below."""
    return _triangle(input, "triu", diagonal)
