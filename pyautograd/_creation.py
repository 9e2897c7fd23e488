"""Functions that make tensors of a given shape, and ranges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd import _arguments, _core, _dims
from pyautograd._arguments import named
from pyautograd._array_like import *  # pickles find them here
from pyautograd._array_like import leaf
from pyautograd._core import Tensor
from pyautograd._device import check_device
from pyautograd._dtype import as_dtype, bool_, get_default_dtype, int64
from pyautograd._dtype import dtype as Dtype
from pyautograd._rows import plain

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "logspace", "ones", "ones_like",
    "tril_indices", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip


def chosen(dtype: Any, default: Dtype | None = None) -> Dtype:
    """The dtype that was asked for; where none was, the default given, or else the default float."""
    return (default or get_default_dtype()) if dtype is None else as_dtype(dtype)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of a shape, whatever its memory holds.

    Sizes are ints or one tuple of them; the dtype is the default float unless given. **Raises** ValueError for a
    negative size or more than 8 axes, TypeError for a dtype that tensors do not have, RuntimeError for another device
    than "cpu", and where integers would require grad.

    >>> import pyautograd
    >>> pyautograd.empty(2, 3).shape
    (2, 3)
    """
    check_device(device)
    return leaf(_core.empty(chosen(dtype).code, _dims.sizes("empty", size, "size")), requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of a shape, every element `fill_value`; by default of the dtype that the value has. **Raises** as
    `empty`.

    >>> import pyautograd
    >>> pyautograd.full((2,), 7)
    tensor([7, 7])
    """
    check_device(device)
    made = _core.empty(chosen(dtype, _dtype_of_number(fill_value)).code, _dims.sizes("full", (size,), "size"))
    _core.copy_into(made, fill_value, "full")
    return leaf(made, requires_grad)


def _dtype_of_number(number: Any) -> Dtype | None:
    """bool and int64 for bools and ints, of NumPy and in tensors too; None for floats: they have the default float."""
    if isinstance(number, bool | np.bool_):
        return bool_
    if isinstance(number, int | np.integer):
        return int64
    return number.dtype if isinstance(number, Tensor) and not number.dtype.is_floating_point else None


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros. **Raises** as `empty`.

    >>> import pyautograd
    >>> pyautograd.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return full(_dims.sizes("zeros", size, "size"), 0, dtype=chosen(dtype), device=device, requires_grad=requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones. **Raises** as `empty`.

    >>> import pyautograd
    >>> pyautograd.ones(3, dtype=pyautograd.int64)
    tensor([1, 1, 1])
    """
    return full(_dims.sizes("ones", size, "size"), 1, dtype=chosen(dtype), device=device, requires_grad=requires_grad)


@named
def empty_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the same shape and dtype, whatever its memory holds. **Raises** as `empty`, and TypeError for what is
    no Tensor.

    >>> import pyautograd
    >>> pyautograd.empty_like(pyautograd.ones(2, 3)).shape
    (2, 3)
    """
    return empty(input.shape, dtype=chosen(dtype, input.dtype), requires_grad=requires_grad)


@named
def zeros_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the same shape and dtype. **Raises** as `empty_like`.

    >>> import pyautograd
    >>> pyautograd.zeros_like(pyautograd.tensor([1, 2]))
    tensor([0, 0])
    """
    return zeros(input.shape, dtype=chosen(dtype, input.dtype), requires_grad=requires_grad)


@named
def ones_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the same shape and dtype. **Raises** as `empty_like`.

    >>> import pyautograd
    >>> pyautograd.ones_like(pyautograd.tensor([2.5]))
    tensor([1.])
    """
    return ones(input.shape, dtype=chosen(dtype, input.dtype), requires_grad=requires_grad)


@named
def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the same shape and dtype, every element `fill_value`. **Raises** as `empty_like`.

    >>> import pyautograd
    >>> pyautograd.full_like(pyautograd.zeros(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    return full(input.shape, fill_value, dtype=chosen(dtype, input.dtype), requires_grad=requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` to `end`, which is not included, `step` apart; int64 if all three are ints.

    With an integer `dtype` the three are cut to ints first. **Raises** ValueError for a step of 0, one that leads away
    from `end`, and for what is not finite; else as `empty`.

    >>> import pyautograd
    >>> pyautograd.arange(2, 8, 2)
    tensor([2, 4, 6])
    """
    if end is None:
        start, end = 0, start
    if type(step) is int and step == 1:
        start, end = plain(start), plain(end)
    given = {"start": start, "end": end, "step": step}
    whole = all(hasattr(type(each), "__index__") and not isinstance(each, _core.Node) for each in given.values())
    wanted = chosen(dtype, int64 if whole else get_default_dtype())
    if wanted is bool_:
        raise TypeError("arange: a range of bools is not possible")
    first, last, by = (int(each) if whole else _arguments.number("arange", name, each) for name, each in given.items())
    if not (math.isfinite(first) and math.isfinite(last) and math.isfinite(by)):
        raise ValueError(f"arange: from {first} to {last} by {by} is no range")
    if not wanted.is_floating_point:
        first, last, by = int(first), int(last), int(by)
    if by == 0 or (last - first) / by < 0:
        raise ValueError(f"arange: no way from {first} to {last} by steps of {by}")
    return tensor(np.arange(first, last, by), dtype=wanted, device=device, requires_grad=requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, shape (steps,). **Raises** ValueError for a negative number
    of steps, TypeError for one that is no int.

    >>> import pyautograd
    >>> pyautograd.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    count = _arguments.integer("linspace", "steps", steps)
    if count < 0:
        raise ValueError(f"linspace: {count} steps")
    first, last = _arguments.number("linspace", "start", start), _arguments.number("linspace", "end", end)
    numbers = np.linspace(first, last, count)
    return tensor(numbers, dtype=chosen(dtype), device=device, requires_grad=requires_grad)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` powers of `base`, shape (steps,): their exponents go from `start` to `end`, both included. **Raises** as
    `linspace`.

    >>> import pyautograd
    >>> pyautograd.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    count = _arguments.integer("logspace", "steps", steps)
    if count < 0:
        raise ValueError(f"logspace: {count} steps")
    first, last = _arguments.number("logspace", "start", start), _arguments.number("logspace", "end", end)
    with np.errstate(all="ignore"):
        numbers = np.logspace(first, last, count, base=_arguments.number("logspace", "base", base))
    return tensor(numbers, dtype=chosen(dtype), device=device, requires_grad=requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The (n, m) matrix with ones on its diagonal; m is n unless given. **Raises** as `empty`.

    >>> import pyautograd
    >>> pyautograd.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    rows = _arguments.integer("eye", "n", n)
    columns = rows if m is None else _arguments.integer("eye", "m", m)
    if min(rows, columns) < 0:
        raise ValueError(f"eye: shape {(rows, columns)} is not possible")
    return tensor(np.eye(rows, columns), dtype=chosen(dtype), device=device, requires_grad=requires_grad)


def _triangle(op: str, indices: Any, row: Any, col: Any, offset: Any, dtype: Any, device: Any) -> Tensor:
    rows, columns, diagonal = (
        _arguments.integer(op, name, each) for name, each in (("row", row), ("col", col), ("offset", offset))
    )
    if min(rows, columns) < 0:
        raise ValueError(f"{op}: shape {(rows, columns)} is not possible")
    return tensor(np.array(indices(rows, diagonal, columns)), dtype=chosen(dtype, int64), device=device)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The rows and the columns, shape (2, n) and int64 unless given, of the elements on and below a diagonal of a (row,
    col) matrix, row by row. **Raises** ValueError for a negative size, TypeError for what is no int.

    >>> import pyautograd
    >>> pyautograd.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle("tril_indices", np.tril_indices, row, col, offset, dtype, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """As `tril_indices`, of the elements on and above a diagonal. **Raises** as `tril_indices`.

    >>> import pyautograd
    >>> pyautograd.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle("triu_indices", np.triu_indices, row, col, offset, dtype, device)
