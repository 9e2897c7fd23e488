"""Copies in another order or another place: flips, rolls, repeats, diagonals, triangles, grids and pads; each that
takes one tensor is also a method of Tensor. They are made of views and joins, through which gradients flow back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from pyautograd import _arguments, _dims, _ops
from pyautograd._arguments import named
from pyautograd._array_like import from_numpy
from pyautograd._c import refuse_in_step
from pyautograd._core import Tensor, apply
from pyautograd._creation import full
from pyautograd._dtype import bool_
from pyautograd._joins import cat, stack
from pyautograd._rows import plain
from pyautograd._shape import (
    atleast_1d,
    atleast_2d,
    expand,
    flatten,
    listed,
    movedim,
    reshape,
    sliced,
    transpose,
    unsqueeze,
)
from pyautograd._shape import diagonal as diagonal_of

__all__ = [
    "block_diag", "cartesian_prod", "combinations", "diag", "diag_embed", "diagflat", "flip", "fliplr", "flipud",
    "meshgrid", "repeat", "repeat_interleave", "roll", "rot90", "tile", "tril", "triu",
]  # fmt: skip


def _flipped(input: Tensor, axes: Sequence[int]) -> Tensor:
    """A view that goes backwards along axes."""
    for axis in axes:
        if input.ndim and (size := input.shape[axis]):
            input = sliced(input, axis, size - 1, -1, size)
    return input


@named
def flip(input: Tensor, dims: Any, *more: Any) -> Tensor:
    """The elements in reverse order along each of the axes `dims`, copied.

    **Raises** IndexError for an axis that is not there, ValueError for one named twice.

    >>> import pyautograd
    >>> pyautograd.arange(4).reshape(2, 2).flip(0, 1)
    tensor([[3, 2],
            [1, 0]])
    """
    axes = _dims.distinct("flip", _dims.sizes("flip", (dims, *more), "dims"), _dims.ndim("flip", input), "dims")
    return _flipped(input, axes).clone()


def _flip_axis(name: str, input: Tensor, axis: int) -> Tensor:
    if _dims.ndim(name, input) <= axis:
        raise ValueError(f"{name}: a tensor of shape {input.shape} has no axis {axis}")
    return flip(input, axis)


@named
def fliplr(input: Tensor) -> Tensor:
    """The columns in reverse order, copied. **Raises** ValueError for fewer than two axes.

    >>> import pyautograd
    >>> pyautograd.arange(4).reshape(2, 2).fliplr()
    tensor([[1, 0],
            [3, 2]])
    """
    return _flip_axis("fliplr", input, 1)


@named
def flipud(input: Tensor) -> Tensor:
    """The rows in reverse order, copied. **Raises** ValueError for a 0-d tensor.

    >>> import pyautograd
    >>> pyautograd.arange(3).flipud()
    tensor([2, 1, 0])
    """
    return _flip_axis("flipud", input, 0)


@named
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """The elements moved on by `shifts` along the axes `dims`, those that fall off the end coming in at the beginning;
    along the flattened tensor where no axis is given.

    **Raises** IndexError for an axis that is not there, ValueError for another number of shifts than axes.

    >>> import pyautograd
    >>> pyautograd.arange(5).roll(2)
    tensor([3, 4, 0, 1, 2])
    """
    moves = _dims.sizes("roll", (shifts,), "shifts")
    if dims is None or (isinstance(dims, tuple | list) and not dims):
        if len(moves) != 1:
            raise ValueError(f"roll: {len(moves)} shifts {shifts} and no axes")
        return reshape(roll(flatten(input), moves, 0), input.shape)
    if not input.ndim:
        raise IndexError("roll: a 0-d tensor has no axis")
    axes = [_dims.one("roll", dim, input.ndim, "dims") for dim in _dims.sizes("roll", (dims,), "dims")]
    if len(moves) != len(axes):
        raise ValueError(f"roll: {len(moves)} shifts {shifts} for {len(axes)} axes {dims}")
    result = input
    for shift, axis in zip(moves, axes, strict=True):
        size = input.shape[axis]
        if size:
            start = -shift % plain(size) and size - shift % plain(size)
            parts = [sliced(result, axis, start, 1, size - start), sliced(result, axis, 0, 1, start)]
            result = cat(parts, axis) if start else result
    return result if result is not input else input.clone()


@named
def rot90(input: Tensor, k: SupportsIndex = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned by 90 degrees k times in the plane of two axes, from the first towards the second, copied.

    **Raises** IndexError for an axis that is not there, ValueError for other than two different axes.

    >>> import pyautograd
    >>> pyautograd.arange(4).reshape(2, 2).rot90()
    tensor([[1, 3],
            [0, 2]])
    """
    axes = _dims.distinct("rot90", _dims.sizes("rot90", (dims,), "dims"), _dims.ndim("rot90", input), "dims")
    if len(axes) != 2:
        raise ValueError(f"rot90: a plane has two axes, not {dims}")
    turns = _arguments.integer("rot90", "k", k) % 4
    flips = ((), axes[1:], axes, axes[:1])[turns]
    turned = _flipped(input, flips)
    return (transpose(turned, *axes) if turns % 2 else turned).clone()


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
        tiled = expand(reshape(input, tuple(spread)), tuple(wide))
        return reshape(tiled, tuple(n * size for n, size in zip(times, shape, strict=True)))
    result = reshape(input, shape)
    for axis, n in enumerate(times):
        result = cat([result] * n, axis)
    return result


def tile(input: Tensor, dims: Any, *more: Any) -> Tensor:
    """The tensor so many times along each axis, copied; missing numbers in front are 1. **Raises** ValueError for a
    negative one.

    >>> import pyautograd
    >>> pyautograd.tensor([1, 2]).tile(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = _dims.sizes("tile", (dims, *more), "dims")
    return repeat(input, (1,) * (_dims.ndim("tile", input) - len(times)) + times)


@named
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: SupportsIndex | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element so many times, one copy behind the other, along an axis or of the flattened tensor.

    **Arguments:** `repeats`: an int, or an int64 tensor with one for each element; without it `input` holds the repeats
    and the result the positions. `output_size`: how long the axis becomes, which is checked. **Raises** ValueError for
    other repeats, IndexError for an axis that is not there; in a compiled step TraceError for repeats that are a
    tensor, on whose numbers the shape depends.

    >>> import pyautograd
    >>> pyautograd.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        counts = _arguments.tensor("repeat_interleave", "repeats", input)
        if counts.ndim != 1:
            raise ValueError(f"repeat_interleave: repeats of shape {counts.shape}; they must have one axis")
        return from_numpy(np.repeat(np.arange(counts.shape[0]), _counts(counts)))
    if dim is None:
        input, dim = flatten(input), 0
    at = _dims.axis("repeat_interleave", input, dim)
    if not input.ndim:
        raise IndexError("repeat_interleave: a 0-d tensor has no axis")
    if isinstance(repeats, Tensor | list | tuple):
        counts = repeats if isinstance(repeats, Tensor) else from_numpy(np.asarray(repeats, np.int64))
        if counts.shape not in ((), (1,), (input.shape[at],)):
            raise ValueError(
                f"repeat_interleave: repeats of shape {counts.shape} for an axis of size {input.shape[at]}"
            )
        positions = np.repeat(np.arange(input.shape[at]), _counts(counts))
        result = input[(slice(None),) * at + (positions,)]
    else:
        n = _arguments.integer("repeat_interleave", "repeats", repeats)
        if n < 0:
            raise ValueError(f"repeat_interleave: {n} repeats")
        shape = input.shape
        spread = expand(unsqueeze(input, at + 1), (*shape[: at + 1], n, *shape[at + 1 :]))
        result = reshape(spread, (*shape[:at], shape[at] * n, *shape[at + 1 :]))
    if output_size is not None and output_size != result.shape[at]:
        raise ValueError(f"repeat_interleave: output_size {output_size}, and the axis becomes {result.shape[at]}")
    return result


def _counts(repeats: Tensor) -> Any:
    """Repeats as an array."""
    refuse_in_step("repeats that are a tensor, on whose numbers a shape depends,", "give an int, or positions to x[i]")
    counts = np.asarray(repeats.detach())
    if counts.dtype.kind not in "iu" or counts.min(initial=0) < 0:
        raise ValueError("repeat_interleave: repeats are int64 and not negative")
    return counts


# ---- joins ----


def _zeros(*shape: int) -> Tensor:
    """Zeros that take no memory, and no part in the promotion of dtypes."""
    return expand(full((), False, dtype=bool_), shape)


def block_diag(*tensors: Any) -> Tensor:
    """A matrix with matrices along its diagonal, and zeros elsewhere; vectors are rows, and dtypes promote.

    **Raises** ValueError for more than two axes.

    >>> import pyautograd
    >>> pyautograd.block_diag(pyautograd.ones(1, 2), pyautograd.tensor([[5.0]]))
    tensor([[1., 1., 0.],
            [0., 0., 5.]])
    """
    blocks = [atleast_2d(each) for each in listed("block_diag", tensors)]
    if not blocks:
        return full((1, 0), 0.0)
    for block in blocks:
        if block.ndim > 2:
            raise ValueError(f"block_diag: a block of shape {block.shape} has more than 2 axes")
    columns, done, rows = sum(block.shape[1] for block in blocks), 0, []
    for block in blocks:
        n, m = block.shape
        rows.append(cat([_zeros(n, done), block, _zeros(n, columns - done - m)], 1))
        done += m
    return cat(rows, 0)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid over vectors: the i-th result repeats the i-th vector along all axes but its own.

    `indexing="xy"` swaps the first two axes. Views. **Raises** ValueError for another `indexing` and for tensors of
    more than one axis, TypeError for dtypes that differ.

    >>> import pyautograd
    >>> x, y = pyautograd.meshgrid(pyautograd.arange(2), pyautograd.arange(3), indexing="ij")
    >>> x
    tensor([[0, 0, 0],
            [1, 1, 1]])
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f'meshgrid: indexing must be "ij" or "xy", not {indexing!r}')
    given = listed("meshgrid", tensors)
    if not given:
        raise ValueError("meshgrid: no tensors")
    for each in given:
        if each.ndim > 1:
            raise ValueError(f"meshgrid: a tensor of shape {each.shape} is no vector")
        if each.dtype is not given[0].dtype:
            raise TypeError(f"meshgrid: dtypes {given[0].dtype.name} and {each.dtype.name} differ")
    vectors = [atleast_1d(each) for each in given]
    shape = tuple([each.shape[0] for each in vectors])
    grids = [expand(reshape(each, (-1,) + (1,) * (len(vectors) - 1 - i)), shape) for i, each in enumerate(vectors)]
    return tuple([transpose(each, 0, 1) for each in grids] if indexing == "xy" and len(grids) > 1 else grids)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All ways to take an element of each vector, a row each; of one vector that itself. **Raises** ValueError for
    other than vectors, TypeError for dtypes that differ.

    >>> import pyautograd
    >>> pyautograd.cartesian_prod(pyautograd.tensor([1, 2]), pyautograd.tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    given = listed("cartesian_prod", tensors)
    for each in given:
        if each.ndim != 1:
            raise ValueError(f"cartesian_prod: a tensor of shape {each.shape} is no vector")
    if len(given) == 1:
        return given[0]
    return reshape(stack(meshgrid(*given), -1), (-1, len(given)))


@named
def combinations(input: Tensor, r: SupportsIndex = 2, with_replacement: bool = False) -> Tensor:
    """All ways to take r elements of a vector in its order, a row each. **Raises** ValueError for another number of
    axes, or a negative r.

    >>> import pyautograd
    >>> pyautograd.combinations(pyautograd.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    count = _arguments.integer("combinations", "r", r)
    if _dims.ndim("combinations", input) != 1 or count < 0:
        raise ValueError(f"combinations: {count} elements of a tensor of shape {input.shape}")
    if count == 0:
        return input[:0]
    ways = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    found = list(ways(range(input.shape[0]), count))
    return input[np.asarray(found, np.int64).reshape(len(found), count)]


# ---- diagonals ----


@named
def diag_embed(input: Tensor, offset: int = 0, dim1: SupportsIndex = -2, dim2: SupportsIndex = -1) -> Tensor:
    """Matrices with the last axis on their diagonal, `offset` columns right of the main one, and zeros elsewhere; the
    matrices' axes stand at dim1 and dim2.

    **Raises** IndexError for a place that is not there, ValueError for one named twice and for a 0-d tensor.

    >>> import pyautograd
    >>> pyautograd.tensor([1, 2]).diag_embed()
    tensor([[1, 0],
            [0, 2]])
    """
    axes = _dims.ndim("diag_embed", input) + 1
    if axes == 1:
        raise ValueError("diag_embed: a 0-d tensor has no axis to place on a diagonal")
    one, two = _dims.one("diag_embed", dim1, axes, "dim1"), _dims.one("diag_embed", dim2, axes, "dim2")
    if one == two:
        raise ValueError(f"diag_embed: {dim1} and {dim2} are the same place")
    offset = _arguments.integer("diag_embed", "offset", offset)
    size = input.shape[-1] + abs(offset)
    rows, columns = np.ogrid[: plain(size), : plain(size)]
    wide = cat([input, _zeros(*input.shape[:-1], abs(offset))], -1) if offset else input
    spread = unsqueeze(wide, -1 if offset >= 0 else -2)
    embedded = apply(_ops.where, from_numpy(columns - rows == offset), spread, False)
    return embedded if (one, two) == (axes - 2, axes - 1) else movedim(embedded, (-2, -1), (one, two))


@named
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix with a vector on its diagonal, or a copy of the diagonal of a matrix. **Raises** ValueError for other
    numbers of axes.

    >>> import pyautograd
    >>> pyautograd.tensor([[1, 2], [3, 4]]).diag()
    tensor([1, 4])
    """
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise ValueError(f"diag: a tensor of shape {input.shape} is no vector and no matrix")
    return diagonal_of(input, diagonal).clone()


@named
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements on its diagonal, `offset` columns right of the main one. **Raises** TypeError for what
    is no Tensor.

    >>> import pyautograd
    >>> pyautograd.tensor([1, 2]).diagflat(1).tolist()
    [[0, 1, 0], [0, 0, 2], [0, 0, 0]]
    """
    return diag_embed(flatten(input), offset)


# ---- pads ----


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


def _edge(mode: str, input: Tensor, axis: int, n: int, after: bool) -> Tensor:
    """What stands n elements wide before or after an axis."""
    size = input.shape[axis]
    if mode == "reflect":
        if n >= size:
            raise ValueError(f"pad: {n} elements reflected of an axis of size {size}, of which one is the edge")
        return sliced(input, axis, size - 2 if after else n, -1, n)
    if mode == "replicate":
        if size == 0:
            raise ValueError(f"pad: an axis of size 0 of shape {input.shape} has no edge to replicate")
        edge = sliced(input, axis, size - 1 if after else 0, 1, 1)
        return expand(edge, (*input.shape[:axis], n, *input.shape[axis + 1 :]))
    if n > size:
        raise ValueError(f"pad: {n} elements around an axis of size {size}")
    return sliced(input, axis, 0 if after else size - n, 1, n)


def _cut(input: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Without the elements that negative widths cut off."""
    length = input.shape[axis] + min(0, before) + min(0, after)
    if length < 0:
        raise ValueError(f"pad: widths {before} and {after} of an axis of size {input.shape[axis]}")
    return sliced(input, axis, max(0, -before), 1, length) if before < 0 or after < 0 else input


def padded(input: Tensor, widths: Sequence[int], mode: str, value: Any) -> Tensor:
    """`nn.functional.pad`: two widths, before and after, for each axis from the last one on."""
    fill = full((), value, dtype=input.dtype) if mode == "constant" else None
    for i in range(len(widths) // 2):
        axis, before, after = input.ndim - 1 - i, widths[2 * i], widths[2 * i + 1]
        source = _cut(input, axis, before, after)
        edges_of = input if mode in ("reflect", "replicate") else source
        parts = [source]
        for n, at in ((before, 0), (after, 2)):
            if n > 0 and fill is not None:
                parts.insert(at, expand(fill, (*source.shape[:axis], n, *source.shape[axis + 1 :])))
            elif n > 0:
                parts.insert(at, _edge(mode, edges_of, axis, n, at > 0))
        input = cat(parts, axis) if len(parts) > 1 else source
    return input
