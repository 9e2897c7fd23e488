"""Elementwise functions of PyTorch that need no row of the op table: a few lines over those that have one, and aliases.

Each is a method of Tensor too. Gradients, dtypes and broadcasting are those of the functions they are made of.
"""

from __future__ import annotations

import math
from typing import Any

from pyautograd import _ops
from pyautograd._arguments import floats, named
from pyautograd._core import Tensor, apply
from pyautograd._elementwise import *
from pyautograd._generated import *
from pyautograd._promotion import finfo

__all__ = [
    "absolute", "addcdiv", "addcmul", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "clamp_max", "clamp_min", "deg2rad", "divide", "equal", "fix", "float_power", "fmax", "fmin", "frac", "greater",
    "greater_equal", "heaviside", "isneginf", "isposinf", "isreal", "lcm", "ldexp", "lerp", "less", "less_equal",
    "logaddexp2", "logical_xor", "logit", "multiply", "nan_to_num", "negative", "not_equal", "positive", "rad2deg",
    "round", "rsub", "sgn", "signbit", "sinc", "subtract", "true_divide",
]  # fmt: skip

absolute, negative, sgn, fix = abs, neg, sign, trunc
multiply, subtract, divide, true_divide = mul, sub, div, div
arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne


@named
def positive(input: Tensor) -> Tensor:
    """The input itself. **Raises** TypeError for bools and for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.positive(pyautograd.tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """
    if input.dtype.code == 0:
        raise TypeError(f"positive: takes no bool, shape {input.shape}")
    return input


@named
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Elementwise the nearest integer, ties to even, or the nearest number with so many `decimals`.

    **Returns** a Tensor of the input's shape and dtype. Its gradient is 0. **Raises** TypeError for bools, for decimals
    of integers and for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.round(pyautograd.tensor([0.5, 1.5, -2.25]))
    tensor([ 0.,  2., -2.])
    >>> pyautograd.round(pyautograd.tensor([0.126, 34.5]), decimals=2)
    tensor([ 0.1300, 34.5000])
    """
    if not decimals:
        return apply(_ops.round, input)
    factor = 10.0 ** (decimals if decimals > 0 else -decimals)
    x = floats("round", input)
    if decimals > 0:
        return apply(_ops.round, x * factor) / factor
    return apply(_ops.round, x / factor) * factor


def rsub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Elementwise other - alpha input. **Raises** as `sub`.

    >>> import pyautograd
    >>> pyautograd.rsub(pyautograd.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    return sub(other, input, alpha=alpha)


@named
def frac(input: Tensor) -> Tensor:
    """Elementwise a - trunc(a), of the input's shape. **Raises** TypeError for what is no Tensor of floats.

    >>> import pyautograd
    >>> pyautograd.frac(pyautograd.tensor([1.5, -2.25]))
    tensor([ 0.5000, -0.2500])
    """
    return input - trunc(floats("frac", input))


@named
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Elementwise a + weight (b - a): `input`, a, at weight 0, and `end`, b, at 1.

    **Arguments:** Tensors of floats whose shapes broadcast; `weight`: a Tensor or a number. **Returns** a Tensor of the
    broadcast shape. **Raises** TypeError for integers, ValueError for shapes that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.lerp(pyautograd.tensor([1.0, 2.0]), pyautograd.tensor([3.0, 6.0]), 0.5)
    tensor([2., 4.])
    """
    way = floats("lerp", end, "end") - floats("lerp", input, "input")
    if isinstance(weight, Tensor):  # from the nearer end, so that both are exact
        is_near = lt(abs(weight), 0.5)
        return where(is_near, input, end) + where(is_near, weight, weight - 1) * way
    return input + weight * way if -0.5 < weight < 0.5 else end - way * (1 - weight)  # type: ignore[no-any-return]


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Tensor:
    """Elementwise input + value tensor1 tensor2.

    **Arguments:** Tensors whose shapes broadcast; `value`: a number. **Returns** a Tensor of the broadcast shape and
    the promoted dtype. **Raises** as `add`.

    >>> import pyautograd
    >>> one = pyautograd.ones(2)
    >>> pyautograd.addcmul(one, one * 2, one * 3, value=0.5)
    tensor([4., 4.])
    """
    return add(input, mul(tensor1, tensor2), alpha=value)


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Tensor:
    """Elementwise input + value tensor1 / tensor2.

    **Arguments:** Tensors whose shapes broadcast, not two of integers; `value`: a number. **Returns** a Tensor of the
    broadcast shape and the promoted dtype. **Raises** TypeError for a quotient of integers, and as `add`.

    >>> import pyautograd
    >>> one = pyautograd.ones(2)
    >>> pyautograd.addcdiv(one, one * 3, one * 2)
    tensor([2.5000, 2.5000])
    """
    if not any(isinstance(each, Tensor) and each.dtype.is_floating_point for each in (tensor1, tensor2)):
        raise TypeError("addcdiv: a quotient of integers; convert one of them with .to()")
    return add(input, div(tensor1, tensor2), alpha=value)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Elementwise max(a, min). **Raises** as `clamp`.

    >>> import pyautograd
    >>> pyautograd.clamp_min(pyautograd.tensor([-2.0, 0.5]), 0)
    tensor([0.0000, 0.5000])
    """
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Elementwise min(a, max). **Raises** as `clamp`.

    >>> import pyautograd
    >>> pyautograd.clamp_max(pyautograd.tensor([-2.0, 0.5]), 0)
    tensor([-2.,  0.])
    """
    return clamp(input, max=max)


def fmax(input: Any, other: Any) -> Tensor:
    """Elementwise max(a, b), of a number and NaN the number; the gradient of ties is a's.

    **Returns** a Tensor of the broadcast shape and the promoted dtype. **Raises** ValueError for shapes that do not
    broadcast, TypeError for what is no Tensor and no number.

    >>> import pyautograd
    >>> pyautograd.fmax(pyautograd.tensor([1.0, float("nan")]), pyautograd.tensor([2.0, 3.0]))
    tensor([2., 3.])
    """
    return where(logical_or(ge(input, other), isnan(other)), input, other)


def fmin(input: Any, other: Any) -> Tensor:
    """Elementwise min(a, b), of a number and NaN the number; the gradient of ties is a's. **Raises** as `fmax`.

    >>> import pyautograd
    >>> pyautograd.fmin(pyautograd.tensor([1.0, float("nan")]), pyautograd.tensor([2.0, 3.0]))
    tensor([1., 3.])
    """
    return where(logical_or(le(input, other), isnan(other)), input, other)


@named
def nan_to_num(input: Tensor, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    """NaN, inf and -inf replaced by numbers; without these by 0 and the largest and smallest of the dtype.

    **Returns** a Tensor of the input's shape and dtype. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.nan_to_num(pyautograd.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
    tensor([1., 0., 9.])
    """
    if not input.dtype.is_floating_point:
        return input
    limits = finfo(input.dtype)
    result = masked_fill(input, isnan(input), 0.0 if nan is None else nan)
    result = masked_fill(result, isposinf(input), limits.max if posinf is None else posinf)
    return masked_fill(result, isneginf(input), limits.min if neginf is None else neginf)


def logaddexp2(input: Any, other: Any) -> Tensor:
    """Elementwise log2(2^a + 2^b). **Raises** as `logaddexp`; shapes broadcast.

    >>> import pyautograd
    >>> pyautograd.logaddexp2(pyautograd.tensor([1.0]), pyautograd.tensor([1.0]))
    tensor([2.])
    """
    ln2 = math.log(2)
    return logaddexp(input * ln2, other * ln2) / ln2


def logical_xor(input: Any, other: Any) -> Tensor:
    """Elementwise: is one of them nonzero, and the other zero? Bool, of the broadcast shape.

    **Raises** ValueError for shapes that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.logical_xor(pyautograd.tensor([0, 1]), pyautograd.tensor([2, 2])).tolist()
    [True, False]
    """
    return apply(_ops.bitwise_xor, ne(input, 0), ne(other, 0))


@named
def isposinf(input: Tensor) -> Tensor:
    """Elementwise: is it inf? Bool, of the input's shape. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.isposinf(pyautograd.tensor([0.0, float("inf")])).tolist()
    [False, True]
    """
    return eq(input, math.inf) if input.dtype.is_floating_point else ne(input, input)


@named
def isneginf(input: Tensor) -> Tensor:
    """Elementwise: is it -inf? Bool, of the input's shape. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.isneginf(pyautograd.tensor([0.0, float("-inf")])).tolist()
    [False, True]
    """
    return eq(input, -math.inf) if input.dtype.is_floating_point else ne(input, input)


@named
def isreal(input: Tensor) -> Tensor:
    """True for every element: there are no complex ones. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.isreal(pyautograd.tensor([1.0])).tolist()
    [True]
    """
    return logical_or(eq(input, input), ne(input, input))


@named
def signbit(input: Tensor) -> Tensor:
    """Elementwise: is it negative, or -0? Bool, of the input's shape. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.signbit(pyautograd.tensor([1.0, -0.0])).tolist()
    [False, True]
    """
    return lt(copysign(1.0, input) if input.dtype.is_floating_point else input, 0)


def float_power(input: Any, exponent: Any) -> Tensor:
    """Elementwise power in float64, whatever the operands are; either may be a number.

    **Raises** ValueError for shapes that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.float_power(pyautograd.tensor([1, 2, 3]), -1).dtype
    pyautograd.float64
    """
    base, power = (each.double() if isinstance(each, Tensor) else each for each in (input, exponent))
    return base**power


def deg2rad(input: Any) -> Tensor:
    """Elementwise pi a / 180, of the input's shape; integers become the default float. **Raises** as `mul`.

    >>> import pyautograd
    >>> pyautograd.deg2rad(pyautograd.tensor([180.0]))
    tensor([3.1416])
    """
    return mul(input, math.pi / 180)


def rad2deg(input: Any) -> Tensor:
    """Elementwise 180 a / pi, of the input's shape; integers become the default float. **Raises** as `mul`.

    >>> import pyautograd
    >>> pyautograd.rad2deg(pyautograd.tensor([0.5]))
    tensor([28.6479])
    """
    return mul(input, 180 / math.pi)


def sinc(input: Any) -> Tensor:
    """Elementwise sin(pi a) / (pi a), and 1 at 0. **Returns** a Tensor of the input's shape; integers become the
    default float. **Raises** TypeError for what is no Tensor and no number.

    >>> import pyautograd
    >>> pyautograd.sinc(pyautograd.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    angle = mul(input, math.pi)
    is_near = lt(abs(angle), 0.01)  # to 0, where the quotient's derivatives are 0/0 and its series' are not
    near, far = where(is_near, angle, 0.0) ** 2, where(is_near, 1.0, angle)
    return where(is_near, 1 - near / 6 * (1 - near / 20 * (1 - near / 42)), sin(far) / far)


@named
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Elementwise ln(a / (1 - a)), of a kept between eps and 1 - eps if that is given.

    **Returns** a Tensor of the input's shape; integers become the default float. **Raises** TypeError for what is no
    Tensor, ValueError for an eps that is not in [0, 0.5].

    >>> import pyautograd
    >>> pyautograd.logit(pyautograd.tensor([0.25, 0.5]))
    tensor([-1.0986,  0.0000])
    """
    if eps is not None:
        if not 0 <= eps <= 0.5:
            raise ValueError(f"logit: eps must be between 0 and 0.5, not {eps}")
        input = clamp(input, eps, 1 - eps)
    return log(input) - log1p(mul(input, -1.0))


@named
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """Elementwise 0 where a < 0, 1 where a > 0, and `values` where a is 0.

    **Arguments:** Tensors of one dtype whose shapes broadcast. **Returns** a Tensor of the broadcast shape. **Raises**
    TypeError for two dtypes, ValueError for shapes that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.heaviside(pyautograd.tensor([-1.5, 0.0, 2.0]), pyautograd.tensor([0.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    if input.dtype is not values.dtype:
        raise TypeError(f"heaviside: input is {input.dtype.name} and values {values.dtype.name}; convert one of them")
    return where(eq(input, 0), values, gt(input, 0).to(input.dtype))


def lcm(input: Any, other: Any) -> Tensor:
    """Elementwise the least common multiple, 0 where one of them is 0; shapes broadcast.

    **Raises** TypeError for what are no integers.

    >>> import pyautograd
    >>> pyautograd.lcm(pyautograd.tensor([4, -6]), pyautograd.tensor([6, 4]))
    tensor([12, 12])
    """
    divisor = gcd(input, other)
    return abs(floor_divide(input, maximum(divisor, eq(divisor, 0))) * other)


def ldexp(input: Any, other: Any) -> Tensor:
    """Elementwise a 2^b; shapes broadcast, integers become the default float. **Raises** as `mul`.

    >>> import pyautograd
    >>> pyautograd.ldexp(pyautograd.tensor([1.5]), pyautograd.tensor([3]))
    tensor([12.])
    """
    return mul(input, exp2(other))


@named
def equal(input: Tensor, other: Tensor) -> bool:
    """Are the shapes the same, and all elements equal? **Raises** TypeError for what is no Tensor.

    >>> import pyautograd
    >>> pyautograd.equal(pyautograd.tensor([1.0, 2.0]), pyautograd.tensor([1.0, 2.0]))
    True
    """
    if input.shape != other.shape:
        return False
    found: bool = apply(_ops.eq, apply(_ops.sum, ne(input, other)), 0).item()
    return found
