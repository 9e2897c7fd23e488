"""Tensors joined along an axis, and taken apart along one into views; each that takes one tensor is also a method."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, SupportsIndex

from pyautograd import _arguments, _core, _dims, _ops
from pyautograd._arguments import named
from pyautograd._core import Tensor, apply
from pyautograd._shape import atleast_1d, atleast_2d, atleast_3d, sliced, unsqueeze

__all__ = [
    "cat", "chunk", "column_stack", "concat", "concatenate", "dsplit", "dstack", "hsplit", "hstack", "row_stack",
    "split", "split_with_sizes", "stack", "tensor_split", "unbind", "vsplit", "vstack",
]  # fmt: skip

_MOST_PIECES = 100_000  # more of them would be empty, and there is not the time to make any number


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


concat = cat


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


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors one below the other, vectors as rows. **Raises** as `cat`.

    >>> import pyautograd
    >>> pyautograd.vstack([pyautograd.zeros(2), pyautograd.ones(2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    return cat([atleast_2d(each) for each in several("vstack", tensors)], 0)


row_stack = vstack


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side, along the second axis, or vectors along their only one. **Raises** as `cat`.

    >>> import pyautograd
    >>> pyautograd.hstack([pyautograd.zeros(2, 1), pyautograd.ones(2, 2)])
    tensor([[0., 1., 1.],
            [0., 1., 1.]])
    """
    given = [atleast_1d(each) for each in several("hstack", tensors)]
    return cat(given, min(1, given[0].ndim - 1))


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors behind one another, along the third axis. **Raises** as `cat`.

    >>> import pyautograd
    >>> pyautograd.dstack([pyautograd.zeros(2, 3), pyautograd.ones(2, 3)]).shape
    (2, 3, 2)
    """
    return cat([atleast_3d(each) for each in several("dstack", tensors)], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side, vectors as columns. **Raises** as `cat`.

    >>> import pyautograd
    >>> pyautograd.column_stack([pyautograd.zeros(2), pyautograd.ones(2)])
    tensor([[0., 1.],
            [0., 1.]])
    """
    given = [atleast_1d(each) for each in several("column_stack", tensors)]
    return hstack([unsqueeze(each, 1) if each.ndim == 1 else each for each in given])


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
