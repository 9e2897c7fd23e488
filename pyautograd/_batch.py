"""The free batch axis of a step: which of its calls differ in the number of rows alone."""

from __future__ import annotations

from typing import Any

from pyautograd._signature import TensorSpec

LEAST = 2  # rows of what is recorded: an axis of length 1 is also one that broadcasts


def _is_batch(spec: Any) -> bool:
    """Can it be an argument whose first axis is the batch?"""
    return isinstance(spec, TensorSpec) and bool(spec.shape) and spec.contiguous


def without_rows(signature: tuple[Any, ...]) -> tuple[Any, ...]:
    """A signature that says nothing of the first axes."""
    return tuple([each._replace(shape=("n", *each.shape[1:])) if _is_batch(each) else each for each in signature])


def rows_of(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[int, int] | None:
    """The rows of two signatures that are alike without them; None unless axes that differ are all of one length."""
    pairs = {(a.shape[0], b.shape[0]) for a, b in zip(first, second) if _is_batch(a) and a.shape[0] != b.shape[0]}
    return next(iter(pairs)) if len(pairs) == 1 else None


def may_free(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Can recordings of two signatures make one program?"""
    rows = rows_of(first, second)
    return rows is not None and min(rows) >= LEAST


def with_free_rows(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    """The signature of both: n where they differ."""
    return tuple([b if a == b else n for a, b, n in zip(first, second, without_rows(second))])
