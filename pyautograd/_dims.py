"""Axes as callers give them (`dim`, `axis`, negative, tuples) to what the core takes; the one place for the aliases."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, TypeAlias, TypeVar

Dims: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | None
F = TypeVar("F", bound=Callable[..., Any])


def one(op: str, dim: SupportsIndex, ndim: int) -> int:
    """A single axis, counted from 0; IndexError naming op and range where there is no such axis."""
    index = operator.index(dim)
    room = ndim or 1
    if not -room <= index < room:
        raise IndexError(f"{op}: axis {index} of a tensor with {ndim} axes (it takes {-room} to {room - 1})")
    return index + room if index < 0 else index


def alias(op: str, dim: Dims, axis: Dims) -> Any:
    """`dim`, or NumPy's name for it; TypeError when both are given."""
    if axis is None:
        return dim
    if dim is not None:
        raise TypeError(f"{op}: dim and axis are the same thing; give one of them")
    return axis


def numpy_names(function: F) -> F:
    """Let a function of `dim` and `keepdim` take NumPy's `axis` and `keepdims` too; TypeError when both are given."""

    @functools.wraps(function)
    def renamed(*args: Any, **keywords: Any) -> Any:
        for given, name in (("axis", "dim"), ("keepdims", "keepdim")) if keywords else ():
            if given in keywords:
                if name in keywords:
                    raise TypeError(f"{function.__name__}: {name} and {given} are the same thing; give one of them")
                keywords[name] = keywords.pop(given)
        return function(*args, **keywords)

    return renamed  # type: ignore[return-value]


def mask(op: str, dim: Any, ndim: int) -> int:
    """A bit for each axis that is reduced: all for None; ValueError when one is named twice."""
    if dim is None:
        return (1 << ndim) - 1
    if not isinstance(dim, tuple | list):
        return 1 << one(op, dim, ndim) if ndim else one(op, dim, 0)
    if not dim:
        return (1 << ndim) - 1
    bits = 0
    for each in dim:
        bit = 1 << one(op, each, ndim)
        if bits & bit:
            raise ValueError(f"{op}: axis {each} is named twice in {tuple(dim)}")
        bits |= bit
    return bits if ndim else 0


def sizes(args: tuple[object, ...]) -> tuple[int, ...]:
    """A shape given as one sequence or as several ints."""
    if len(args) == 1 and isinstance(args[0], tuple | list):
        args = tuple(args[0])
    return tuple(operator.index(size) for size in args)  # type: ignore[arg-type]
