"""What dtypes are, and what becomes of them where two meet: `result_type`, `promote_types`, `can_cast`, `finfo`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd._arguments import wrong
from pyautograd._core import Tensor, is_traced_scalar
from pyautograd._dtype import as_dtype, bool_, dtype, get_default_dtype, int64

__all__ = [
    "can_cast", "finfo", "iinfo", "is_complex", "is_floating_point", "is_signed", "promote_types", "result_type",
]  # fmt: skip


def _category(of: dtype) -> int:
    """bool, integers, floats."""
    return 2 if of.is_floating_point else int(of is not bool_)


def promote_types(type1: Any, type2: Any) -> dtype:
    """The dtype that elements of two dtypes are computed in: the later one of bool, uint8, int32, int64, float32,
    float64. **Raises** TypeError for what is no dtype.

    >>> import pyautograd as pa
    >>> pa.promote_types(pa.uint8, pa.int32), pa.promote_types(pa.int64, pa.float32)
    (pyautograd.int32, pyautograd.float32)
    """
    return max(as_dtype(type1), as_dtype(type2), key=lambda each: each.code)


def can_cast(from_: Any, to: Any) -> bool:
    """May a result of one dtype be written into another: is it not of a higher category, bool, integers, floats?
    **Raises** TypeError for what is no dtype.

    >>> import pyautograd as pa
    >>> pa.can_cast(pa.int64, pa.uint8), pa.can_cast(pa.float32, pa.int64)
    (True, False)
    """
    return _category(as_dtype(from_)) <= _category(as_dtype(to))


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype of the sum of two tensors or numbers. Tensors with axes decide before 0-d ones, and these before
    numbers: those that come later count only where they are of a higher category, bool, integers, floats.

    **Raises** TypeError for what is neither a Tensor nor a number.

    >>> import pyautograd as pa
    >>> a = pa.tensor([1, 2], dtype=pa.uint8)
    >>> pa.result_type(a, 300), pa.result_type(a, pa.tensor(1.5, dtype=pa.float64)), pa.result_type(a, 1.5)
    (pyautograd.uint8, pyautograd.float64, pyautograd.float32)
    """
    best: list[dtype | None] = [None, None, None]  # of tensors with axes, 0-d ones, numbers
    for name, given in (("tensor1", tensor1), ("tensor2", tensor2)):
        rank = 2
        if isinstance(given, Tensor) and not is_traced_scalar(given):
            rank, found = int(given.ndim == 0), given.dtype
        elif isinstance(given, bool | np.bool_):
            found = bool_
        elif isinstance(given, int | np.integer):
            found = int64
        elif isinstance(given, float | np.floating):
            found = get_default_dtype()
        else:
            raise wrong("result_type", name, "a Tensor or a number", given)
        known = best[rank]
        best[rank] = found if known is None else promote_types(known, found)
    ranked = [each for each in best if each is not None]
    return max(ranked, key=_category)  # the first of the highest category


def is_floating_point(input: Tensor) -> bool:
    """Does it hold floats? **Raises** TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.is_floating_point(pa.ones(2)), pa.is_floating_point(pa.arange(2))
    (True, False)
    """
    return _dtype_of("is_floating_point", input).is_floating_point


def is_signed(input: Tensor) -> bool:
    """Does it hold numbers that may be negative? **Raises** TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.is_signed(pa.arange(2)), pa.is_signed(pa.arange(2).byte())
    (True, False)
    """
    return _dtype_of("is_signed", input).is_signed


def is_complex(input: Tensor) -> bool:
    """False: there are no complex numbers here. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.is_complex(pa.ones(2))
    False
    """
    return _dtype_of("is_complex", input).is_complex


def _dtype_of(name: str, input: Any) -> dtype:
    if not isinstance(input, Tensor):
        raise wrong(name, "input", "a Tensor", input)
    return input.dtype


class finfo:
    """The range and the precision of a float dtype: `bits`, `eps`, `max`, `min`, `tiny`, `smallest_normal`,
    `resolution`, and its name as `dtype`.

    **Arguments:** `type`: a float dtype, by default the default float. **Raises** TypeError for another.

    >>> import pyautograd as pa
    >>> pa.finfo(pa.float32).eps, pa.finfo(pa.float64).max
    (1.1920928955078125e-07, 1.7976931348623157e+308)
    """

    def __init__(self, type: Any = None) -> None:
        found = get_default_dtype() if type is None else as_dtype(type)
        if not found.is_floating_point:
            raise TypeError(f"finfo: a floating point dtype is wanted, not {found.name}; iinfo is of integers")
        known = np.finfo(found.numpy)
        self.bits = known.bits
        self.resolution, self.eps, self.tiny = float(known.resolution), float(known.eps), float(known.tiny)
        self.min, self.max, self.smallest_normal = float(known.min), float(known.max), self.tiny
        self.dtype = found.name
        if found.itemsize == 4:
            self.resolution = 1e-6  # which float32 cannot hold

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash((finfo, self.dtype))


class iinfo:
    """The range of an integer dtype: `bits`, `min`, `max`, and its name as `dtype`. **Raises** TypeError for another.

    >>> import pyautograd as pa
    >>> pa.iinfo(pa.uint8).max, pa.iinfo(pa.int32)
    (255, iinfo(min=-2147483648, max=2147483647, dtype=int32))
    """

    def __init__(self, type: Any) -> None:
        found = as_dtype(type)
        if _category(found) != 1:
            raise TypeError(f"iinfo: an integer dtype is wanted, not {found.name}")
        known = np.iinfo(found.numpy)
        self.bits, self.min, self.max, self.dtype = known.bits, int(known.min), int(known.max), found.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash((iinfo, self.dtype))
