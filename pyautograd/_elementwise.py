"""Elementwise functions that are composed of the table's, or take more than its rows; each also a method of Tensor.

Operands broadcast as in NumPy; dtypes promote as in PyTorch; gradients are those the table states. Functions of
floats take integers too, which become the default float; functions of numbers keep integers exact, and wrap around.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from pyautograd import _arguments, _core, _ops
from pyautograd._arguments import named
from pyautograd._core import Node, Tensor, apply
from pyautograd._dtype import dtype as Dtype
from pyautograd._generated import *  # pickles find them here
from pyautograd._grad_mode import no_grad
from pyautograd._install import late

__all__ = [
    "add", "allclose", "clamp", "clip", "div", "gelu", "isclose", "isfinite", "isinf", "isnan", "logical_and",
    "logical_not", "logical_or", "masked_fill", "polygamma", "pow", "rsqrt", "sub", "where",
]  # fmt: skip


def is_number(factor: Any, wanted: int) -> bool:
    """Is a factor known to be this number? A traced scalar is not asked."""
    return isinstance(factor, int | float) and not isinstance(factor, Node) and factor == wanted


def _is_float(given: Any) -> bool:
    return given.is_floating_point if isinstance(given, Dtype) else isinstance(given, float | Node)


def scaled(name: str, input: Any, other: Any, alpha: Any) -> Any:
    """other times alpha, for sums; alpha is a number, and no fraction among integers."""
    if isinstance(other, list | tuple | str | bytes):
        raise _arguments.wrong(name, "other", "a Tensor or a number", other)
    if not isinstance(alpha, int | float | np.number | Node):
        raise _arguments.wrong(name, "alpha", "a number", alpha)
    if isinstance(alpha, float):
        both = [each.dtype if isinstance(each, Tensor) else each for each in (input, other)]
        if not any(map(_is_float, both)):
            raise TypeError(
                f"{name}: alpha={alpha} is a float, and the operands are not; convert one of them with .to()"
            )
    if isinstance(input, Tensor) and isinstance(other, Tensor) and not other.dtype.is_floating_point:
        if input.dtype.code > other.dtype.code:
            other = other.to(input.dtype)  # alpha takes no part in the promotion
        elif other.dtype.code == 0:
            alpha = bool(alpha)
    return other * alpha


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Elementwise input + alpha other.

    **Arguments:** Tensors whose shapes broadcast, or numbers; `alpha`: a number. **Returns** a Tensor of the broadcast
    shape and the promoted dtype. **Raises** TypeError for a fractional alpha among integers, ValueError for shapes that
    do not broadcast.

    >>> import pyautograd
    >>> pyautograd.add(pyautograd.tensor([1.0, 2.0]), 1, alpha=10)
    tensor([11., 12.])
    """
    return apply(_ops.add, input, other if is_number(alpha, 1) else scaled("add", input, other, alpha))


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Elementwise input - alpha other; arguments and errors are those of `add`, and bools raise TypeError.

    >>> import pyautograd
    >>> pyautograd.sub(pyautograd.tensor([1.0, 2.0]), 1, alpha=10)
    tensor([-9., -8.])
    """
    return apply(_ops.sub, input, other if is_number(alpha, 1) else scaled("sub", input, other, alpha))


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Elementwise a / b; with rounding_mode="floor" or "trunc" a whole number, of gradient 0, which integers keep.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape and the promoted dtype; without rounding, integers and bools become the default float. **Raises**
    ValueError for shapes that do not broadcast and for another mode, TypeError for what is neither, RuntimeError where
    integers are divided by zero and rounded.

    >>> import pyautograd as pa
    >>> pa.div(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([-0.7500,  2.0000, -3.0000])
    >>> pa.div(pa.tensor([7, -7]), 2, rounding_mode="trunc")
    tensor([ 3, -3])
    """
    if rounding_mode is None:
        return apply(_ops.div, input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise ValueError(f'div: rounding_mode must be None, "trunc" or "floor", not {rounding_mode!r}')
    rest = fmod(input, other)
    if rest.dtype.is_floating_point:  # a history that gives 0, where that of the quotient gives 0 times infinity
        floor = floor_divide(input, other)
        with no_grad():
            found = trunc(apply(_ops.div, input, other))
        return where(apply(_ops.ne, floor, found), found, floor)
    return floor_divide(apply(_ops.sub, input, rest), other)


def pow(input: Any, exponent: Any) -> Tensor:
    """Elementwise power; either may be a number, and Tensors broadcast.

    **Raises** ValueError for an integer to the power of a negative one, and for shapes that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.pow(pyautograd.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    return input**exponent  # type: ignore[no-any-return]


def rsqrt(input: Tensor) -> Tensor:
    """Elementwise 1 / sqrt(a), of the input's shape; integers become the default float.

    **Raises** TypeError for what is no Tensor and no number.

    >>> import pyautograd
    >>> pyautograd.rsqrt(pyautograd.tensor([1.0, 4.0]))
    tensor([1.0000, 0.5000])
    """
    return reciprocal(sqrt(input))


_BOUND = (int, float, type(None))  # made once: a union would be made in every call


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Elementwise min(max(a, min), max); the gradient passes where a is within the bounds, these included.

    Bounds may be numbers or tensors; **raises** ValueError when neither is given.

    >>> import pyautograd
    >>> pyautograd.tensor([-2.0, 0.5, 2.0]).clamp(-1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise ValueError("clamp: min or max is wanted")
    if not isinstance(input, Node):
        input = _arguments.tensor("clamp", "input", input)
    is_float = not isinstance(input, Tensor) or input.dtype.is_floating_point  # as a Value is
    traced = isinstance(min, Node) or isinstance(max, Node)
    if is_float and not traced and isinstance(min, _BOUND) and isinstance(max, _BOUND):
        low = float("-inf") if min is None else min
        high = float("inf") if max is None else max
        return apply(_ops.clamp, input, low, high)
    result = input if min is None else _within(input, min, _ops.lt, maximum)
    return result if max is None else _within(result, max, _ops.gt, minimum)


def _within(input: Any, bound: Any, is_beyond: int, nearer: Any) -> Any:
    """A tensor with the bound where it is beyond: where they are equal, the gradient is all the tensor's."""
    if not isinstance(input, Tensor):
        return nearer(input, bound)
    beyond = apply(is_beyond, input, bound)
    if isinstance(bound, Node):
        beyond = beyond | apply(_ops.ne, bound, bound)  # nan
    return where(beyond, bound, input)


clip = clamp


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Elementwise a Phi(a), Phi being the normal distribution function; with approximate="tanh" by Hendrycks and
    Gimpel's formula (https://arxiv.org/abs/1606.08415).

    **Arguments:** `input`: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers become the
    default float. **Raises** ValueError for another `approximate`.

    >>> import pyautograd
    >>> pyautograd.gelu(pyautograd.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.1002,  0.3457,  2.9960])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu: approximate must be "none" or "tanh", not {approximate!r}')
    return apply(_ops.gelu if approximate == "none" else _ops.gelu_tanh, input)


@named
def polygamma(n: int, input: Tensor) -> Tensor:
    """Elementwise derivative n + 1 of ln Gamma(a): `digamma` for n = 0.

    **Arguments:** `n`: an int; `input`: a Tensor of any shape. **Returns** a Tensor of its shape; integers become the
    default float. **Raises** ValueError for a negative n, TypeError for what is no int and no Tensor.

    >>> import pyautograd
    >>> pyautograd.polygamma(1, pyautograd.tensor([1.0, 2.0]))
    tensor([1.6449, 0.6449])
    """
    if _arguments.integer("polygamma", "n", n) < 0:
        raise ValueError(f"polygamma: n must not be negative, and is {n}")
    return apply(_ops.polygamma, input, n)


@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...


@overload
def where(condition: Tensor, input: Any, other: Any) -> Tensor: ...


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Elementwise `input` where the bool `condition` holds, else `other`; the three broadcast. The condition alone is
    `nonzero(condition, as_tuple=True)`.

    **Raises** TypeError for a condition that is not bool and for one choice alone, ValueError for shapes that do not
    broadcast.

    >>> import pyautograd
    >>> x = pyautograd.tensor([-1.0, 2.0])
    >>> pyautograd.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    if input is None or other is None:
        if input is not other:
            raise TypeError("where: takes a condition alone, or with both input and other")
        return late("_order").nonzero(condition, as_tuple=True)
    return apply(_ops.where, condition, input, other)


@named
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the bool mask holds, else the element. The result keeps the input's dtype: an integer tensor takes
    the value without its fraction. **Raises** ValueError for a value that is no number, or does not fit.

    >>> import pyautograd
    >>> x = pyautograd.tensor([1, 2, 3])
    >>> x.masked_fill(x > 2, 0)
    tensor([1, 2, 0])
    """
    if isinstance(value, Node):
        if value.ndim:
            raise ValueError(f"masked_fill: value of shape {value.shape}; it must be a number")
        value = value.to(input.dtype) if isinstance(value, Tensor) else apply(_ops.cast, value, (input.dtype.code,))
    elif not input.dtype.is_floating_point:
        made = _core.empty(input.dtype.code, ())
        _core.copy_into(made, value, "masked_fill")
        value = made
    return where(mask, value, input)


def logical_not(input: Any) -> Tensor:
    """Elementwise: is it zero? Bool, of the input's shape.

    **Raises** TypeError for what is no Tensor and no number.

    >>> import pyautograd
    >>> pyautograd.logical_not(pyautograd.tensor([0, 2])).tolist()
    [True, False]
    """
    return eq(input, 0)


def logical_and(input: Any, other: Any) -> Tensor:
    """Elementwise: are both nonzero? Bool, of the broadcast shape.

    **Raises** ValueError for shapes that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.logical_and(pyautograd.tensor([0, 1]), pyautograd.tensor([2, 2])).tolist()
    [False, True]
    """
    return apply(_ops.bitwise_and, ne(input, 0), ne(other, 0))


def logical_or(input: Any, other: Any) -> Tensor:
    """Elementwise: is one of them nonzero? Bool, of the broadcast shape.

    **Raises** ValueError for shapes that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.logical_or(pyautograd.tensor([0, 1]), pyautograd.tensor([0, 2])).tolist()
    [False, True]
    """
    return apply(_ops.bitwise_or, ne(input, 0), ne(other, 0))


def isnan(input: Tensor) -> Tensor:
    """Elementwise: is it not a number? Bool, of the input's shape.

    **Raises** TypeError for what is no Tensor and no number.

    >>> import pyautograd
    >>> pyautograd.isnan(pyautograd.tensor([0.0, float("nan")])).tolist()
    [False, True]
    """
    return ne(input, input)


@named
def isinf(input: Tensor) -> Tensor:
    """Elementwise: is it an infinity? Bool, of the input's shape. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.isinf(pyautograd.tensor([0.0, float("inf")])).tolist()
    [False, True]
    """
    return eq(abs(input), float("inf")) if input.dtype.is_floating_point else ne(input, input)


@named
def isfinite(input: Tensor) -> Tensor:
    """Elementwise: neither an infinity nor NaN. Bool, of the input's shape. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.isfinite(pyautograd.tensor([0.0, float("inf")])).tolist()
    [True, False]
    """
    return lt(abs(input), float("inf")) if input.dtype.is_floating_point else eq(input, input)


@named
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Elementwise: |a - b| <= atol + rtol |b|; NaNs are close to one another with `equal_nan`.

    **Returns** bool, of the broadcast shape. **Raises** TypeError for what is no Tensor, ValueError for shapes that do
    not broadcast.

    >>> import pyautograd
    >>> pyautograd.isclose(pyautograd.tensor([1.0, 2.0]), pyautograd.tensor([1.0, 2.1])).tolist()
    [True, False]
    """
    a, b = [
        each.detach() if each.dtype.is_floating_point else each.double()
        for each in (_arguments.tensor("isclose", "input", input), _arguments.tensor("isclose", "other", other))
    ]
    close: Tensor = (isfinite(b) & (abs(a - b) <= abs(b) * rtol + atol)) | eq(a, b)
    return close | (isnan(a) & isnan(b)) if _arguments.flag("isclose", "equal_nan", equal_nan) else close


@named
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Are all elements close, as `isclose` has it? **Raises** what `isclose` raises.

    >>> import pyautograd
    >>> pyautograd.allclose(pyautograd.tensor([1.0, 2.0]), pyautograd.tensor([1.0, 2.0]))
    True
    """
    close = isclose(input, other, rtol, atol, equal_nan)
    found: bool = apply(_ops.eq, apply(_ops.sum, eq(close, False)), 0).item()
    return found
