"""Sizes that follow from the number of rows, and what Python makes of them.

While a step is recorded beside an earlier recording with another number of rows, the sizes that differ are `Rows`: ints
that know which function of the rows they are. What is computed with them stays such a function or is refused, and what
is decided on them bounds the rows for which the recording stands:

    x.shape[0]             n
    x.shape[0] * 8 - 1     8 n - 1
    x.shape[0] > 4         True, of a recording for more than 4 rows
    x.shape[0] // 2        TraceError
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

from pyautograd._core import TraceError

MOST = 2**62


class Bounds:
    """The rows for which what is being recorded stands, as far as Python has decided on their number."""

    def __init__(self, rows: int) -> None:
        self.rows, self.least, self.greatest = rows, 0, MOST

    def __contains__(self, rows: int) -> bool:
        return self.least <= rows <= self.greatest

    def make(self, base: int, slope: int) -> Rows:
        """The size base + slope * rows."""
        made = Rows(base + slope * self.rows)
        made.base, made.slope, made.bounds = base, slope, self
        return made

    def keep_sign(self, base: int, slope: int) -> None:
        """Leaves the rows with which base + slope * rows has the sign that it has."""
        now = base + slope * self.rows
        if now == 0:
            self.least = self.greatest = self.rows
            return
        if (slope < 0) == (now < 0):  # it goes away from 0 with more rows
            self.least = max(self.least, -base // slope + 1)
        else:
            self.greatest = min(self.greatest, -(base // slope) - 1)


class Rows(int):
    """A size that follows from the number of rows."""

    base: int
    slope: int
    bounds: Bounds

    def _refuse(self, what: str) -> NoReturn:
        raise TraceError(
            f"{what} of a number of rows: a step with dynamic_batch does the same with any number. Write .mean() for a "
            "sum divided by it, x.shape[0] for len(x), flatten(1) or -1 for a size that follows from the others"
        )

    def _made(self, base: int, slope: int) -> int:
        return base if slope == 0 else self.bounds.make(base, slope)

    def _terms(self, other: Any) -> tuple[int, int] | None:
        if isinstance(other, Rows):
            return other.base, other.slope
        return (int(other), 0) if isinstance(other, int) else None

    def __add__(self, other: Any) -> Any:
        terms = self._terms(other)
        return NotImplemented if terms is None else self._made(self.base + terms[0], self.slope + terms[1])

    def __sub__(self, other: Any) -> Any:
        terms = self._terms(other)
        return NotImplemented if terms is None else self._made(self.base - terms[0], self.slope - terms[1])

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        terms = self._terms(other)
        if terms is None:
            return NotImplemented
        if terms[1] != 0:
            self._refuse("a product")
        return self._made(self.base * terms[0], self.slope * terms[0])

    def __neg__(self) -> Any:
        return self._made(-self.base, -self.slope)

    def __floordiv__(self, other: Any) -> Any:
        terms = self._terms(other)
        if terms is None or terms[1] != 0 or terms[0] == 0 or self.base % terms[0] or self.slope % terms[0]:
            self._refuse("a fraction")
        return self._made(self.base // terms[0], self.slope // terms[0])

    def __mod__(self, other: Any) -> Any:
        return self - self // other * other

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    __radd__, __rmul__ = __add__, __mul__

    def __pos__(self) -> Any:
        return self

    __index__ = __trunc__ = __floor__ = __ceil__ = __round__ = __pos__  # type: ignore[assignment]

    def _compare(self, other: Any, compare: Callable[[int, Any], bool]) -> Any:
        terms = self._terms(other)
        if terms is None:
            return self._refuse("a comparison with a float") if isinstance(other, float) else NotImplemented
        base, slope = self.base - terms[0], self.slope - terms[1]
        if slope != 0:
            self.bounds.keep_sign(base, slope)
        return compare(base + slope * self.bounds.rows, 0)

    def __eq__(self, other: Any) -> Any:
        return self._compare(other, operator.eq)

    def __ne__(self, other: Any) -> Any:
        return self._compare(other, operator.ne)

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._compare(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, operator.ge)

    def __bool__(self) -> bool:
        return bool(self != 0)


def _refusing(what: str) -> Callable[..., NoReturn]:
    return lambda self, *others: self._refuse(what)


for _name, _what in {
    **dict.fromkeys(("__truediv__", "__rtruediv__", "__rfloordiv__", "__rmod__", "__rdivmod__"), "a fraction"),
    **dict.fromkeys(("__pow__", "__rpow__", "__lshift__", "__rshift__", "__rlshift__", "__rrshift__"), "a power"),
    **dict.fromkeys(("__and__", "__rand__", "__or__", "__ror__", "__xor__", "__rxor__", "__invert__"), "the bits"),
    **dict.fromkeys(("__int__", "__float__"), "a number made"),
    "__hash__": "a look-up",
}.items():
    setattr(Rows, _name, _refusing(_what))


def whole(size: int, what: str) -> int:
    """A size as a plain int, which nobody can follow."""
    return size._refuse(what) if isinstance(size, Rows) else size


def plain(size: Any) -> Any:
    """A size as a plain int, for what shows in the recording how it follows from the rows; other things as they are."""
    return int.__add__(size, 0) if isinstance(size, Rows) else size
