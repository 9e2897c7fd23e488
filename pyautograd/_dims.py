"""Axes and shapes as callers give them (`dim`, `axis`, negative, tuples) to what the core takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

from pyautograd import _arguments

Dims: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | None


def ndim(op: str, input: Any, argument: str = "input") -> int:
    """How many axes a tensor has; TypeError naming op and argument for what is no tensor."""
    try:
        return input.ndim  # type: ignore[no-any-return]
    except AttributeError:
        raise _arguments.wrong(op, argument, "a Tensor", input) from None


def one(op: str, dim: SupportsIndex, axes: int, argument: str = "dim") -> int:
    """A single axis of so many, counted from 0; IndexError naming op and range where there is no such axis."""
    index = dim if type(dim) is int else _arguments.integer(op, argument, dim)
    room = axes or 1
    if not -room <= index < room:
        raise IndexError(f"{op}: axis {index} of a tensor with {axes} axes (it takes {-room} to {room - 1})")
    return index + room if index < 0 else index


def axis(op: str, input: Any, dim: Any, argument: str = "dim", more: int = 0) -> int:
    """A single axis of a tensor, or of one with so many more axes, counted from 0."""
    try:
        axes = input.ndim + more
    except AttributeError:
        raise _arguments.wrong(op, "input", "a Tensor", input) from None
    if type(dim) is int and 0 <= dim < axes:
        return dim
    return one(op, dim, axes, argument)


def alias(op: str, dim: Dims, axis: Dims) -> Any:
    """`dim`, or NumPy's name for it; TypeError when both are given."""
    if axis is None:
        return dim
    if dim is not None:
        raise TypeError(f"{op}: dim and axis are the same thing; give one of them")
    return axis


def distinct(op: str, dims: Any, axes: int, argument: str = "dim") -> list[int]:
    """One axis or several, counted from 0; ValueError when one is named twice."""
    given = tuple(dims) if isinstance(dims, tuple | list) else (dims,)
    found = [one(op, each, axes, argument) for each in given]
    if len(set(found)) != len(found):
        raise ValueError(f"{op}: an axis is named twice in {argument} {given}")
    return found


def mask(op: str, input: Any, dim: Any) -> int:
    """A bit for each axis of a tensor that is reduced: all for None and for (); ValueError when one is named twice."""
    try:
        axes: int = input.ndim
    except AttributeError:
        raise _arguments.wrong(op, "input", "a Tensor", input) from None
    if type(dim) is int and 0 <= dim < axes:
        return 1 << dim
    dims = dim if isinstance(dim, tuple | list) else () if dim is None else (dim,)
    if not dims:
        return (1 << axes) - 1
    bits = sum(1 << each for each in distinct(op, dims, axes))
    return bits if axes else 0


def sizes(op: str, args: tuple[Any, ...], argument: str = "shape") -> tuple[int, ...]:
    """A shape given as one sequence or as several ints."""
    if len(args) == 1 and isinstance(args[0], tuple | list):
        args = tuple(args[0])
    for size in args:
        if type(size) is not int:
            return tuple(_arguments.integer(op, argument, size) for size in args)
    return args
