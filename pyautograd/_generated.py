"""Elementwise ops as functions and methods, and the rules that `trace` shows.

Written by `make ops` from csrc/ops.def: edit the table, not this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd import _ops
from pyautograd._core import Node, Tensor, Value, apply

__all__ = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_left_shift",
    "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "celu", "copysign", "cos", "cosh",
    "digamma", "elu", "eq", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "floor", "floor_divide", "fmod", "gcd",
    "ge", "gt", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hypot", "le", "leaky_relu", "lgamma", "log",
    "log1p", "log2", "log10", "log_sigmoid", "logaddexp", "lt", "maximum", "minimum", "mish", "mul", "ne", "neg",
    "reciprocal", "relu", "remainder", "selu", "sigmoid", "sign", "silu", "sin", "sinh", "softplus", "softshrink",
    "softsign", "sqrt", "square", "tan", "tanh", "tanhshrink", "trunc", "xlogy",
]  # fmt: skip


def mul(input: Any, other: Any) -> Tensor:
    """Elementwise a b.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers and bools stay what they are. **Raises** ValueError for shapes that do
    not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.mul(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([-3.0000,  0.1250, -3.0000])
    """
    return apply(_ops.mul, input, other)


def maximum(input: Any, other: Any) -> Tensor:
    """Elementwise max(a, b).

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers and bools stay what they are. **Raises** ValueError for shapes that do
    not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.maximum(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([2.0000, 0.5000, 3.0000])
    """
    return apply(_ops.maximum, input, other)


def minimum(input: Any, other: Any) -> Tensor:
    """Elementwise min(a, b).

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers and bools stay what they are. **Raises** ValueError for shapes that do
    not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.minimum(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([-1.5000,  0.2500, -1.0000])
    """
    return apply(_ops.minimum, input, other)


def neg(input: Tensor) -> Tensor:
    """Elementwise -a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay what
    they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.neg(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([ 1.5000, -0.5000, -3.0000])
    """
    return apply(_ops.neg, input)


def abs(input: Tensor) -> Tensor:
    """Elementwise |a|.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay what
    they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.abs(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([1.5000, 0.5000, 3.0000])
    """
    return apply(_ops.abs, input)


def sign(input: Tensor) -> Tensor:
    """Elementwise sign a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    stay what they are. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.sign(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.,  1.,  1.])
    """
    return apply(_ops.sign, input)


def square(input: Tensor) -> Tensor:
    """Elementwise a^2.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay what
    they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.square(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([2.2500, 0.2500, 9.0000])
    """
    return apply(_ops.square, input)


def reciprocal(input: Tensor) -> Tensor:
    """Elementwise 1 / a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.reciprocal(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.6667,  2.0000,  0.3333])
    """
    return apply(_ops.reciprocal, input)


def sqrt(input: Tensor) -> Tensor:
    """Elementwise sqrt a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.sqrt(pa.tensor([0.5, 1.0, 3.0]))
    tensor([0.7071, 1.0000, 1.7321])
    """
    return apply(_ops.sqrt, input)


def floor(input: Tensor) -> Tensor:
    """Elementwise the largest integer <= a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay what
    they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.floor(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-2.,  0.,  3.])
    """
    return apply(_ops.floor, input)


def ceil(input: Tensor) -> Tensor:
    """Elementwise the smallest integer >= a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay what
    they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.ceil(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.,  1.,  3.])
    """
    return apply(_ops.ceil, input)


def exp(input: Tensor) -> Tensor:
    """Elementwise e^a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.exp(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([ 0.2231,  1.6487, 20.0855])
    """
    return apply(_ops.exp, input)


def expm1(input: Tensor) -> Tensor:
    """Elementwise e^a - 1.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.expm1(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.7769,  0.6487, 19.0855])
    """
    return apply(_ops.expm1, input)


def log(input: Tensor) -> Tensor:
    """Elementwise ln a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.log(pa.tensor([0.5, 1.0, 3.0]))
    tensor([-0.6931,  0.0000,  1.0986])
    """
    return apply(_ops.log, input)


def log1p(input: Tensor) -> Tensor:
    """Elementwise ln(1 + a).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.log1p(pa.tensor([0.5, 1.0, 3.0]))
    tensor([0.4055, 0.6931, 1.3863])
    """
    return apply(_ops.log1p, input)


def sin(input: Tensor) -> Tensor:
    """Elementwise sin a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.sin(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.9975,  0.4794,  0.1411])
    """
    return apply(_ops.sin, input)


def cos(input: Tensor) -> Tensor:
    """Elementwise cos a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.cos(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([ 0.0707,  0.8776, -0.9900])
    """
    return apply(_ops.cos, input)


def erf(input: Tensor) -> Tensor:
    """Elementwise 2/sqrt(pi) int_0^a e^(-t^2) dt.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.erf(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.9661,  0.5205,  1.0000])
    """
    return apply(_ops.erf, input)


def relu(input: Tensor) -> Tensor:
    """Elementwise max(a, 0).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay what
    they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.relu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.0000, 0.5000, 3.0000])
    """
    return apply(_ops.relu, input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Elementwise a if a > 0 else negative_slope a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.leaky_relu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.0150,  0.5000,  3.0000])
    """
    return apply(_ops.leaky_relu, input, negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Elementwise a if a > 0 else alpha (e^a - 1).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.elu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.7769,  0.5000,  3.0000])
    """
    return apply(_ops.elu, input, alpha)


def sigmoid(input: Tensor) -> Tensor:
    """Elementwise 1 / (1 + e^-a).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.sigmoid(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.1824, 0.6225, 0.9526])
    """
    return apply(_ops.sigmoid, input)


def log_sigmoid(input: Tensor) -> Tensor:
    """Elementwise ln sigmoid a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.log_sigmoid(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.7014, -0.4741, -0.0486])
    """
    return apply(_ops.log_sigmoid, input)


def tanh(input: Tensor) -> Tensor:
    """Elementwise tanh a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.tanh(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.9051,  0.4621,  0.9951])
    """
    return apply(_ops.tanh, input)


def silu(input: Tensor) -> Tensor:
    """Elementwise a sigmoid a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.silu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.2736,  0.3112,  2.8577])
    """
    return apply(_ops.silu, input)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Elementwise ln(1 + e^(beta a)) / beta, a itself where beta a > threshold.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.softplus(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.2014, 0.9741, 3.0486])
    """
    return apply(_ops.softplus, input, beta, threshold)


def trunc(input: Tensor) -> Tensor:
    """Elementwise a without its fraction.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay what
    they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.trunc(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.,  0.,  3.])
    """
    return apply(_ops.trunc, input)


def exp2(input: Tensor) -> Tensor:
    """Elementwise 2^a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.exp2(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.3536, 1.4142, 8.0000])
    """
    return apply(_ops.exp2, input)


def log2(input: Tensor) -> Tensor:
    """Elementwise log2 a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.log2(pa.tensor([0.5, 1.0, 3.0]))
    tensor([-1.0000,  0.0000,  1.5850])
    """
    return apply(_ops.log2, input)


def log10(input: Tensor) -> Tensor:
    """Elementwise log10 a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.log10(pa.tensor([0.5, 1.0, 3.0]))
    tensor([-0.3010,  0.0000,  0.4771])
    """
    return apply(_ops.log10, input)


def tan(input: Tensor) -> Tensor:
    """Elementwise tan a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.tan(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-14.1014,   0.5463,  -0.1425])
    """
    return apply(_ops.tan, input)


def asin(input: Tensor) -> Tensor:
    """Elementwise arc sine a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.asin(pa.tensor([0.25, 0.5, 0.75]))
    tensor([0.2527, 0.5236, 0.8481])
    """
    return apply(_ops.asin, input)


def acos(input: Tensor) -> Tensor:
    """Elementwise arc cosine a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.acos(pa.tensor([0.25, 0.5, 0.75]))
    tensor([1.3181, 1.0472, 0.7227])
    """
    return apply(_ops.acos, input)


def atan(input: Tensor) -> Tensor:
    """Elementwise arc tangent a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.atan(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.9828,  0.4636,  1.2490])
    """
    return apply(_ops.atan, input)


def atan2(input: Any, other: Any) -> Tensor:
    """Elementwise the angle of the point (b, a).

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers and bools become the default float. **Raises** ValueError for shapes
    that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.atan2(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([-0.6435,  1.1071,  1.8925])
    """
    return apply(_ops.atan2, input, other)


def sinh(input: Tensor) -> Tensor:
    """Elementwise sinh a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.sinh(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-2.1293,  0.5211, 10.0179])
    """
    return apply(_ops.sinh, input)


def cosh(input: Tensor) -> Tensor:
    """Elementwise cosh a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.cosh(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([ 2.3524,  1.1276, 10.0677])
    """
    return apply(_ops.cosh, input)


def asinh(input: Tensor) -> Tensor:
    """Elementwise inverse of sinh.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.asinh(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.1948,  0.4812,  1.8184])
    """
    return apply(_ops.asinh, input)


def acosh(input: Tensor) -> Tensor:
    """Elementwise inverse of cosh.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.acosh(pa.tensor([1.0, 1.5, 3.0]))
    tensor([0.0000, 0.9624, 1.7627])
    """
    return apply(_ops.acosh, input)


def atanh(input: Tensor) -> Tensor:
    """Elementwise inverse of tanh.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.atanh(pa.tensor([0.25, 0.5, 0.75]))
    tensor([0.2554, 0.5493, 0.9730])
    """
    return apply(_ops.atanh, input)


def hypot(input: Any, other: Any) -> Tensor:
    """Elementwise sqrt(a^2 + b^2).

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers and bools become the default float. **Raises** ValueError for shapes
    that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.hypot(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([2.5000, 0.5590, 3.1623])
    """
    return apply(_ops.hypot, input, other)


def logaddexp(input: Any, other: Any) -> Tensor:
    """Elementwise ln(e^a + e^b).

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers and bools become the default float. **Raises** ValueError for shapes
    that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.logaddexp(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([2.0298, 1.0759, 3.0181])
    """
    return apply(_ops.logaddexp, input, other)


def erfc(input: Tensor) -> Tensor:
    """Elementwise 1 - erf a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.erfc(pa.tensor([0.25, 0.5, 0.75]))
    tensor([0.7237, 0.4795, 0.2888])
    """
    return apply(_ops.erfc, input)


def xlogy(input: Any, other: Any) -> Tensor:
    """Elementwise a ln b, 0 where a = 0.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers and bools become the default float. **Raises** ValueError for shapes
    that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.xlogy(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, 1.0]))
    tensor([-1.0397, -0.6931,  0.0000])
    """
    return apply(_ops.xlogy, input, other)


def copysign(input: Any, other: Any) -> Tensor:
    """Elementwise |a| with the sign of b.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers and bools become the default float. **Raises** ValueError for shapes
    that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.copysign(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([ 1.5000,  0.5000, -3.0000])
    """
    return apply(_ops.copysign, input, other)


def erfinv(input: Tensor) -> Tensor:
    """Elementwise inverse of erf.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.erfinv(pa.tensor([0.25, 0.5, 0.75]))
    tensor([0.2253, 0.4769, 0.8134])
    """
    return apply(_ops.erfinv, input)


def lgamma(input: Tensor) -> Tensor:
    """Elementwise ln |Gamma(a)|.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.lgamma(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.8600, 0.5724, 0.6931])
    """
    return apply(_ops.lgamma, input)


def digamma(input: Tensor) -> Tensor:
    """Elementwise derivative of ln Gamma(a).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.digamma(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([ 0.7032, -1.9635,  0.9228])
    """
    return apply(_ops.digamma, input)


def floor_divide(input: Any, other: Any) -> Tensor:
    """Elementwise floor(a / b).

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers stay what they are, bool raises TypeError. **Raises** ValueError for
    shapes that do not broadcast, TypeError for what is neither, RuntimeError where integers are divided by zero.

    >>> import pyautograd as pa
    >>> pa.floor_divide(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([-1.,  2., -3.])
    """
    return apply(_ops.floor_divide, input, other)


def remainder(input: Any, other: Any) -> Tensor:
    """Elementwise a - b floor(a / b).

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers stay what they are, bool raises TypeError. **Raises** ValueError for
    shapes that do not broadcast, TypeError for what is neither, RuntimeError where integers are divided by zero.

    >>> import pyautograd as pa
    >>> pa.remainder(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([0.5000, 0.0000, 0.0000])
    """
    return apply(_ops.remainder, input, other)


def fmod(input: Any, other: Any) -> Tensor:
    """Elementwise a - b trunc(a / b).

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, the promoted dtype; integers stay what they are, bool raises TypeError. **Raises** ValueError for
    shapes that do not broadcast, TypeError for what is neither, RuntimeError where integers are divided by zero.

    >>> import pyautograd as pa
    >>> pa.fmod(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.25, -1.0]))
    tensor([-1.5000,  0.0000,  0.0000])
    """
    return apply(_ops.fmod, input, other)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Elementwise min(max(a, min_val), max_val).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.hardtanh(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    return apply(_ops.hardtanh, input, min_val, max_val)


def hardsigmoid(input: Tensor) -> Tensor:
    """Elementwise min(max(a + 3, 0), 6) / 6.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.hardsigmoid(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.2500, 0.5833, 1.0000])
    """
    return apply(_ops.hardsigmoid, input)


def hardswish(input: Tensor) -> Tensor:
    """Elementwise a min(max(a + 3, 0), 6) / 6.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.hardswish(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.3750,  0.2917,  3.0000])
    """
    return apply(_ops.hardswish, input)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Elementwise a if |a| > lambd else 0.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.hardshrink(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.5000,  0.0000,  3.0000])
    """
    return apply(_ops.hardshrink, input, lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Elementwise a moved towards 0 by lambd, and 0 where |a| <= lambd.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.softshrink(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.0000,  0.0000,  2.5000])
    """
    return apply(_ops.softshrink, input, lambd)


def tanhshrink(input: Tensor) -> Tensor:
    """Elementwise a - tanh a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.tanhshrink(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.5949,  0.0379,  2.0049])
    """
    return apply(_ops.tanhshrink, input)


def softsign(input: Tensor) -> Tensor:
    """Elementwise a / (1 + |a|).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.softsign(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.6000,  0.3333,  0.7500])
    """
    return apply(_ops.softsign, input)


def selu(input: Tensor) -> Tensor:
    """Elementwise 1.0507 a if a > 0 else 1.7581 (e^a - 1).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.selu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.3658,  0.5254,  3.1521])
    """
    return apply(_ops.selu, input)


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Elementwise a if a > 0 else alpha (e^(a/alpha) - 1).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.celu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.7769,  0.5000,  3.0000])
    """
    return apply(_ops.celu, input, alpha)


def mish(input: Tensor) -> Tensor:
    """Elementwise a tanh(ln(1 + e^a)).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.mish(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.2981,  0.3752,  2.9865])
    """
    return apply(_ops.mish, input)


def eq(input: Any, other: Any) -> Tensor:
    """Elementwise a == b.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, bool. **Raises** ValueError for shapes that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.eq(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.5, -1.0]))
    tensor([False,  True, False])
    """
    return apply(_ops.eq, input, other)


def ne(input: Any, other: Any) -> Tensor:
    """Elementwise a != b.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, bool. **Raises** ValueError for shapes that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.ne(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.5, -1.0]))
    tensor([ True, False,  True])
    """
    return apply(_ops.ne, input, other)


def lt(input: Any, other: Any) -> Tensor:
    """Elementwise a < b.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, bool. **Raises** ValueError for shapes that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.lt(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.5, -1.0]))
    tensor([ True, False, False])
    """
    return apply(_ops.lt, input, other)


def le(input: Any, other: Any) -> Tensor:
    """Elementwise a <= b.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, bool. **Raises** ValueError for shapes that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.le(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.5, -1.0]))
    tensor([ True,  True, False])
    """
    return apply(_ops.le, input, other)


def gt(input: Any, other: Any) -> Tensor:
    """Elementwise a > b.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, bool. **Raises** ValueError for shapes that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.gt(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.5, -1.0]))
    tensor([False, False,  True])
    """
    return apply(_ops.gt, input, other)


def ge(input: Any, other: Any) -> Tensor:
    """Elementwise a >= b.

    **Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor of the
    broadcast shape, bool. **Raises** ValueError for shapes that do not broadcast, TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.ge(pa.tensor([-1.5, 0.5, 3.0]), pa.tensor([2.0, 0.5, -1.0]))
    tensor([False,  True,  True])
    """
    return apply(_ops.ge, input, other)


def bitwise_and(input: Any, other: Any) -> Tensor:
    """Elementwise a and b, bit by bit.

    **Arguments:** `input`, a, and `other`, b: Tensors of shapes that broadcast; integers and bools. **Returns** a
    Tensor of the broadcast shape, of the promoted dtype; results that do not fit into it wrap around. **Raises**
    TypeError for floats.

    >>> import pyautograd as pa
    >>> pa.bitwise_and(pa.tensor([6, 5, -3]), pa.tensor([3, 1, 2]))
    tensor([2, 1, 0])
    """
    return apply(_ops.bitwise_and, input, other)


def bitwise_or(input: Any, other: Any) -> Tensor:
    """Elementwise a or b, bit by bit.

    **Arguments:** `input`, a, and `other`, b: Tensors of shapes that broadcast; integers and bools. **Returns** a
    Tensor of the broadcast shape, of the promoted dtype; results that do not fit into it wrap around. **Raises**
    TypeError for floats.

    >>> import pyautograd as pa
    >>> pa.bitwise_or(pa.tensor([6, 5, -3]), pa.tensor([3, 1, 2]))
    tensor([ 7,  5, -1])
    """
    return apply(_ops.bitwise_or, input, other)


def bitwise_xor(input: Any, other: Any) -> Tensor:
    """Elementwise a xor b, bit by bit.

    **Arguments:** `input`, a, and `other`, b: Tensors of shapes that broadcast; integers and bools. **Returns** a
    Tensor of the broadcast shape, of the promoted dtype; results that do not fit into it wrap around. **Raises**
    TypeError for floats.

    >>> import pyautograd as pa
    >>> pa.bitwise_xor(pa.tensor([6, 5, -3]), pa.tensor([3, 1, 2]))
    tensor([ 5,  4, -1])
    """
    return apply(_ops.bitwise_xor, input, other)


def bitwise_not(input: Tensor) -> Tensor:
    """Elementwise not a, bit by bit.

    **Arguments:** `input`, a: a Tensor; integers and bools. **Returns** a Tensor of the same shape, of the promoted
    dtype; results that do not fit into it wrap around. **Raises** TypeError for floats.

    >>> import pyautograd as pa
    >>> pa.bitwise_not(pa.tensor([6, 5, -3]))
    tensor([-7, -6,  2])
    """
    return apply(_ops.bitwise_not, input)


def bitwise_left_shift(input: Any, other: Any) -> Tensor:
    """Elementwise a 2^b.

    **Arguments:** `input`, a, and `other`, b: Tensors of shapes that broadcast; integers. **Returns** a Tensor of the
    broadcast shape, of the promoted dtype; results that do not fit into it wrap around. **Raises** TypeError for bools
    and floats.

    >>> import pyautograd as pa
    >>> pa.bitwise_left_shift(pa.tensor([6, 5, -3]), pa.tensor([3, 1, 2]))
    tensor([ 48,  10, -12])
    """
    return apply(_ops.bitwise_left_shift, input, other)


def bitwise_right_shift(input: Any, other: Any) -> Tensor:
    """Elementwise the largest integer <= a / 2^b.

    **Arguments:** `input`, a, and `other`, b: Tensors of shapes that broadcast; integers. **Returns** a Tensor of the
    broadcast shape, of the promoted dtype; results that do not fit into it wrap around. **Raises** TypeError for bools
    and floats.

    >>> import pyautograd as pa
    >>> pa.bitwise_right_shift(pa.tensor([6, 5, -3]), pa.tensor([3, 1, 2]))
    tensor([ 0,  2, -1])
    """
    return apply(_ops.bitwise_right_shift, input, other)


def gcd(input: Any, other: Any) -> Tensor:
    """Elementwise the greatest common divisor of a and b.

    **Arguments:** `input`, a, and `other`, b: Tensors of shapes that broadcast; integers. **Returns** a Tensor of the
    broadcast shape, of the promoted dtype; results that do not fit into it wrap around. **Raises** TypeError for bools
    and floats.

    >>> import pyautograd as pa
    >>> pa.gcd(pa.tensor([6, 5, -3]), pa.tensor([3, 1, 2]))
    tensor([3, 1, 1])
    """
    return apply(_ops.gcd, input, other)


class TensorMethods(Node):
    """The functions as methods of Tensor."""

    __slots__ = ()

    mul = mul
    maximum = maximum
    minimum = minimum
    neg = neg
    abs = abs
    sign = sign
    square = square
    reciprocal = reciprocal
    sqrt = sqrt
    floor = floor
    ceil = ceil
    exp = exp
    expm1 = expm1
    log = log
    log1p = log1p
    sin = sin
    cos = cos
    erf = erf
    relu = relu
    leaky_relu = leaky_relu
    elu = elu
    sigmoid = sigmoid
    log_sigmoid = log_sigmoid
    tanh = tanh
    silu = silu
    softplus = softplus
    trunc = trunc
    exp2 = exp2
    log2 = log2
    log10 = log10
    tan = tan
    asin = asin
    acos = acos
    atan = atan
    atan2 = atan2
    sinh = sinh
    cosh = cosh
    asinh = asinh
    acosh = acosh
    atanh = atanh
    hypot = hypot
    logaddexp = logaddexp
    erfc = erfc
    xlogy = xlogy
    copysign = copysign
    erfinv = erfinv
    lgamma = lgamma
    digamma = digamma
    floor_divide = floor_divide
    remainder = remainder
    fmod = fmod
    hardtanh = hardtanh
    hardsigmoid = hardsigmoid
    hardswish = hardswish
    hardshrink = hardshrink
    softshrink = softshrink
    tanhshrink = tanhshrink
    softsign = softsign
    selu = selu
    celu = celu
    mish = mish
    eq = eq
    ne = ne
    lt = lt
    le = le
    gt = gt
    ge = ge
    bitwise_and = bitwise_and
    bitwise_or = bitwise_or
    bitwise_xor = bitwise_xor
    bitwise_not = bitwise_not
    bitwise_left_shift = bitwise_left_shift
    bitwise_right_shift = bitwise_right_shift
    gcd = gcd


apply_value: Callable[..., Value] = apply  # type: ignore[assignment]  # what it makes of Values and numbers


class ValueMethods(Node):
    """The ops as methods of Value."""

    __slots__ = ()

    def add(self, other: Any) -> Value:
        """a + b.

        Sends back g; g, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).add(0.25):.4f}"
        '0.7500'
        """
        return apply_value(_ops.add, self, other)

    def sub(self, other: Any) -> Value:
        """a - b.

        Sends back g; -g, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).sub(0.25):.4f}"
        '0.2500'
        """
        return apply_value(_ops.sub, self, other)

    def mul(self, other: Any) -> Value:
        """a b.

        Sends back g b; g a, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).mul(0.25):.4f}"
        '0.1250'
        """
        return apply_value(_ops.mul, self, other)

    def div(self, other: Any) -> Value:
        """a / b.

        Sends back g / b; -g y / b, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).div(0.25):.4f}"
        '2.0000'
        """
        return apply_value(_ops.div, self, other)

    def maximum(self, other: Any) -> Value:
        """max(a, b).

        Sends back g where a is larger, g/2 where equal; g where b is larger, g/2 where equal, of its result y with the
        gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).maximum(0.25):.4f}"
        '0.5000'
        """
        return apply_value(_ops.maximum, self, other)

    def minimum(self, other: Any) -> Value:
        """min(a, b).

        Sends back g where a is smaller, g/2 where equal; g where b is smaller, g/2 where equal, of its result y with
        the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).minimum(0.25):.4f}"
        '0.2500'
        """
        return apply_value(_ops.minimum, self, other)

    def neg(self) -> Value:
        """-a.

        Sends back -g, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).neg():.4f}"
        '-0.5000'
        """
        return apply_value(_ops.neg, self)

    def abs(self) -> Value:
        """|a|.

        Sends back g sign(a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).abs():.4f}"
        '0.5000'
        """
        return apply_value(_ops.abs, self)

    def sign(self) -> Value:
        """sign a.

        Sends back 0, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).sign():.4f}"
        '1.0000'
        """
        return apply_value(_ops.sign, self)

    def square(self) -> Value:
        """a^2.

        Sends back 2 g a, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).square():.4f}"
        '0.2500'
        """
        return apply_value(_ops.square, self)

    def reciprocal(self) -> Value:
        """1 / a.

        Sends back -g y^2, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).reciprocal():.4f}"
        '2.0000'
        """
        return apply_value(_ops.reciprocal, self)

    def sqrt(self) -> Value:
        """sqrt a.

        Sends back g / (2 y), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(1.0).sqrt():.4f}"
        '1.0000'
        """
        return apply_value(_ops.sqrt, self)

    def floor(self) -> Value:
        """the largest integer <= a.

        Sends back 0, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).floor():.4f}"
        '0.0000'
        """
        return apply_value(_ops.floor, self)

    def ceil(self) -> Value:
        """the smallest integer >= a.

        Sends back 0, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).ceil():.4f}"
        '1.0000'
        """
        return apply_value(_ops.ceil, self)

    def round(self) -> Value:
        """the nearest integer, ties to even.

        Sends back 0, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).round():.4f}"
        '0.0000'
        """
        return apply_value(_ops.round, self)

    def exp(self) -> Value:
        """e^a.

        Sends back g y, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).exp():.4f}"
        '1.6487'
        """
        return apply_value(_ops.exp, self)

    def expm1(self) -> Value:
        """e^a - 1.

        Sends back g (y + 1), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).expm1():.4f}"
        '0.6487'
        """
        return apply_value(_ops.expm1, self)

    def log(self) -> Value:
        """ln a.

        Sends back g / a, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(1.0).log():.4f}"
        '0.0000'
        """
        return apply_value(_ops.log, self)

    def log1p(self) -> Value:
        """ln(1 + a).

        Sends back g / (1 + a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(1.0).log1p():.4f}"
        '0.6931'
        """
        return apply_value(_ops.log1p, self)

    def sin(self) -> Value:
        """sin a.

        Sends back g cos(a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).sin():.4f}"
        '0.4794'
        """
        return apply_value(_ops.sin, self)

    def cos(self) -> Value:
        """cos a.

        Sends back -g sin(a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).cos():.4f}"
        '0.8776'
        """
        return apply_value(_ops.cos, self)

    def erf(self) -> Value:
        """2/sqrt(pi) int_0^a e^(-t^2) dt.

        Sends back 2/sqrt(pi) g e^(-a^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).erf():.4f}"
        '0.5205'
        """
        return apply_value(_ops.erf, self)

    def relu(self) -> Value:
        """max(a, 0).

        Sends back g unless y <= 0, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).relu():.4f}"
        '0.5000'
        """
        return apply_value(_ops.relu, self)

    def leaky_relu(self, negative_slope: float = 0.01) -> Value:
        """a if a > 0 else negative_slope a.

        Sends back g where a > 0, else p g, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).leaky_relu():.4f}"
        '0.5000'
        """
        return apply_value(_ops.leaky_relu, self, negative_slope)

    def elu(self, alpha: float = 1.0) -> Value:
        """a if a > 0 else alpha (e^a - 1).

        Sends back g p e^a where a <= 0, else g, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).elu():.4f}"
        '0.5000'
        """
        return apply_value(_ops.elu, self, alpha)

    def sigmoid(self) -> Value:
        """1 / (1 + e^-a).

        Sends back g y (1 - y), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).sigmoid():.4f}"
        '0.6225'
        """
        return apply_value(_ops.sigmoid, self)

    def log_sigmoid(self) -> Value:
        """ln sigmoid a.

        Sends back g sigmoid(-a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).log_sigmoid():.4f}"
        '-0.4741'
        """
        return apply_value(_ops.log_sigmoid, self)

    def tanh(self) -> Value:
        """tanh a.

        Sends back g (1 - y^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).tanh():.4f}"
        '0.4621'
        """
        return apply_value(_ops.tanh, self)

    def silu(self) -> Value:
        """a sigmoid a.

        Sends back g sigmoid(a) (1 + a (1 - sigmoid(a))), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).silu():.4f}"
        '0.3112'
        """
        return apply_value(_ops.silu, self)

    def softplus(self, beta: float = 1.0, threshold: float = 20.0) -> Value:
        """ln(1 + e^(beta a)) / beta, a itself where beta a > threshold.

        Sends back g where p a > q, else g sigmoid(p a), of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).softplus():.4f}"
        '0.9741'
        """
        return apply_value(_ops.softplus, self, beta, threshold)

    def gelu_tanh(self) -> Value:
        """a/2 (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))).

        Sends back g times the derivative of the tanh formula, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).gelu_tanh():.4f}"
        '0.3457'
        """
        return apply_value(_ops.gelu_tanh, self)

    def squared_error(self, other: Any) -> Value:
        """(a - b)^2.

        Sends back 2 g (a - b); 2 g (b - a), of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).squared_error(0.25):.4f}"
        '0.0625'
        """
        return apply_value(_ops.squared_error, self, other)

    def bce_with_logits(self, other: Any) -> Value:
        """a (1 - b) if a > 0 else -a b, + ln(1 + e^-|a|).

        Sends back g (sigmoid(a) - b); -g a, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).bce_with_logits(0.25):.4f}"
        '0.8491'
        """
        return apply_value(_ops.bce_with_logits, self, other)

    def bce(self, other: Any) -> Value:
        """-(b ln a + (1 - b) ln(1 - a)), the logarithms at least -100.

        Sends back g (a - b) / max((1 - a) a, 1e-12); g (max(ln(1 - a), -100) - max(ln(a), -100)), of its result y with
        the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).bce(0.25):.4f}"
        '0.6931'
        """
        return apply_value(_ops.bce, self, other)

    def trunc(self) -> Value:
        """a without its fraction.

        Sends back 0, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).trunc():.4f}"
        '0.0000'
        """
        return apply_value(_ops.trunc, self)

    def exp2(self) -> Value:
        """2^a.

        Sends back 0.6931 g y, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).exp2():.4f}"
        '1.4142'
        """
        return apply_value(_ops.exp2, self)

    def log2(self) -> Value:
        """log2 a.

        Sends back g / (0.6931 a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(1.0).log2():.4f}"
        '0.0000'
        """
        return apply_value(_ops.log2, self)

    def log10(self) -> Value:
        """log10 a.

        Sends back g / (2.303 a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(1.0).log10():.4f}"
        '0.0000'
        """
        return apply_value(_ops.log10, self)

    def tan(self) -> Value:
        """tan a.

        Sends back g (1 + y^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).tan():.4f}"
        '0.5463'
        """
        return apply_value(_ops.tan, self)

    def asin(self) -> Value:
        """arc sine a.

        Sends back g / sqrt(1 - a^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).asin():.4f}"
        '0.5236'
        """
        return apply_value(_ops.asin, self)

    def acos(self) -> Value:
        """arc cosine a.

        Sends back -g / sqrt(1 - a^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).acos():.4f}"
        '1.0472'
        """
        return apply_value(_ops.acos, self)

    def atan(self) -> Value:
        """arc tangent a.

        Sends back g / (1 + a^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).atan():.4f}"
        '0.4636'
        """
        return apply_value(_ops.atan, self)

    def atan2(self, other: Any) -> Value:
        """the angle of the point (b, a).

        Sends back g b / (a^2 + b^2) unless a^2 + b^2 = 0; -g a / (a^2 + b^2) unless a^2 + b^2 = 0, of its result y with
        the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).atan2(0.25):.4f}"
        '1.1071'
        """
        return apply_value(_ops.atan2, self, other)

    def sinh(self) -> Value:
        """sinh a.

        Sends back g cosh(a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).sinh():.4f}"
        '0.5211'
        """
        return apply_value(_ops.sinh, self)

    def cosh(self) -> Value:
        """cosh a.

        Sends back g sinh(a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).cosh():.4f}"
        '1.1276'
        """
        return apply_value(_ops.cosh, self)

    def asinh(self) -> Value:
        """inverse of sinh.

        Sends back g / sqrt(1 + a^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).asinh():.4f}"
        '0.4812'
        """
        return apply_value(_ops.asinh, self)

    def acosh(self) -> Value:
        """inverse of cosh.

        Sends back g / sqrt(a^2 - 1), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(1.5).acosh():.4f}"
        '0.9624'
        """
        return apply_value(_ops.acosh, self)

    def atanh(self) -> Value:
        """inverse of tanh.

        Sends back g / (1 - a^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).atanh():.4f}"
        '0.5493'
        """
        return apply_value(_ops.atanh, self)

    def hypot(self, other: Any) -> Value:
        """sqrt(a^2 + b^2).

        Sends back g (a / y); g (b / y), of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).hypot(0.25):.4f}"
        '0.5590'
        """
        return apply_value(_ops.hypot, self, other)

    def logaddexp(self, other: Any) -> Value:
        """ln(e^a + e^b).

        Sends back g sigmoid(a - b); g sigmoid(b - a), of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).logaddexp(0.25):.4f}"
        '1.0759'
        """
        return apply_value(_ops.logaddexp, self, other)

    def erfc(self) -> Value:
        """1 - erf a.

        Sends back -2/sqrt(pi) g e^(-a^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).erfc():.4f}"
        '0.4795'
        """
        return apply_value(_ops.erfc, self)

    def xlogy(self, other: Any) -> Value:
        """a ln b, 0 where a = 0.

        Sends back g ln(b) unless a = 0 and b <= 0; g a / b, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).xlogy(0.25):.4f}"
        '-0.6931'
        """
        return apply_value(_ops.xlogy, self, other)

    def copysign(self, other: Any) -> Value:
        """|a| with the sign of b.

        Sends back g sign(a) sign(y); 0, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).copysign(0.25):.4f}"
        '0.5000'
        """
        return apply_value(_ops.copysign, self, other)

    def erfinv(self) -> Value:
        """inverse of erf.

        Sends back sqrt(pi)/2 g e^(y^2), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).erfinv():.4f}"
        '0.4769'
        """
        return apply_value(_ops.erfinv, self)

    def lgamma(self) -> Value:
        """ln |Gamma(a)|.

        Sends back g digamma(a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).lgamma():.4f}"
        '0.5724'
        """
        return apply_value(_ops.lgamma, self)

    def digamma(self) -> Value:
        """derivative of ln Gamma(a).

        Sends back g polygamma(1, a), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).digamma():.4f}"
        '-1.9635'
        """
        return apply_value(_ops.digamma, self)

    def floor_divide(self, other: Any) -> Value:
        """floor(a / b).

        Sends back 0; 0, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).floor_divide(0.25):.4f}"
        '2.0000'
        """
        return apply_value(_ops.floor_divide, self, other)

    def remainder(self, other: Any) -> Value:
        """a - b floor(a / b).

        Sends back g; -g floor(a / b), of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).remainder(0.25):.4f}"
        '0.0000'
        """
        return apply_value(_ops.remainder, self, other)

    def fmod(self, other: Any) -> Value:
        """a - b trunc(a / b).

        Sends back g; -g trunc(a / b), of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).fmod(0.25):.4f}"
        '0.0000'
        """
        return apply_value(_ops.fmod, self, other)

    def hardtanh(self, min_val: float = -1.0, max_val: float = 1.0) -> Value:
        """min(max(a, min_val), max_val).

        Sends back g unless a >= q unless a <= p, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).hardtanh():.4f}"
        '0.5000'
        """
        return apply_value(_ops.hardtanh, self, min_val, max_val)

    def hardsigmoid(self) -> Value:
        """min(max(a + 3, 0), 6) / 6.

        Sends back g / 6 where |a| < 3, else 0, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).hardsigmoid():.4f}"
        '0.5833'
        """
        return apply_value(_ops.hardsigmoid, self)

    def hardswish(self) -> Value:
        """a min(max(a + 3, 0), 6) / 6.

        Sends back g (a / 3 + 0.5) where |a| < 3, else g unless a < 0, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).hardswish():.4f}"
        '0.2917'
        """
        return apply_value(_ops.hardswish, self)

    def hardshrink(self, lambd: float = 0.5) -> Value:
        """a if |a| > lambd else 0.

        Sends back g unless |a| <= p, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).hardshrink():.4f}"
        '0.0000'
        """
        return apply_value(_ops.hardshrink, self, lambd)

    def softshrink(self, lambd: float = 0.5) -> Value:
        """a moved towards 0 by lambd, and 0 where |a| <= lambd.

        Sends back g unless |a| <= p, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).softshrink():.4f}"
        '0.0000'
        """
        return apply_value(_ops.softshrink, self, lambd)

    def tanhshrink(self) -> Value:
        """a - tanh a.

        Sends back g tanh(a)^2, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).tanhshrink():.4f}"
        '0.0379'
        """
        return apply_value(_ops.tanhshrink, self)

    def softsign(self) -> Value:
        """a / (1 + |a|).

        Sends back g / (1 + |a|)^2, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).softsign():.4f}"
        '0.3333'
        """
        return apply_value(_ops.softsign, self)

    def selu(self) -> Value:
        """1.0507 a if a > 0 else 1.7581 (e^a - 1).

        Sends back 1.758 g e^a where a <= 0, else 1.051 g, of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).selu():.4f}"
        '0.5254'
        """
        return apply_value(_ops.selu, self)

    def celu(self, alpha: float = 1.0) -> Value:
        """a if a > 0 else alpha (e^(a/alpha) - 1).

        Sends back g e^(a / p) where a <= 0, else g, of its result y with the gradient g.

        **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).celu():.4f}"
        '0.5000'
        """
        return apply_value(_ops.celu, self, alpha)

    def mish(self) -> Value:
        """a tanh(ln(1 + e^a)).

        Sends back g (tanh(softplus(a)) + a sigmoid(a) (1 - tanh(softplus(a))^2)), of its result y with the gradient g.

        >>> from pyautograd.scalar import Value
        >>> f"{Value(0.5).mish():.4f}"
        '0.3752'
        """
        return apply_value(_ops.mish, self)


# What ops send back to their operands a; b; c, given the gradient g of their result y.
RULES = {
    "add": "g; g",
    "sub": "g; -g",
    "mul": "g b; g a",
    "div": "g / b; -g y / b",
    "pow": "g b a^(b - 1) unless b = 0; g y ln(a) unless a = 0 and b >= 0",
    "maximum": "g where a is larger, g/2 where equal; g where b is larger, g/2 where equal",
    "minimum": "g where a is smaller, g/2 where equal; g where b is smaller, g/2 where equal",
    "neg": "-g",
    "abs": "g sign(a)",
    "sign": "0",
    "square": "2 g a",
    "power": "g p a^(p - 1) unless p = 0",
    "reciprocal": "-g y^2",
    "sqrt": "g / (2 y)",
    "floor": "0",
    "ceil": "0",
    "round": "0",
    "clamp": "g where a >= p and a <= q, else 0",
    "exp": "g y",
    "expm1": "g (y + 1)",
    "log": "g / a",
    "log1p": "g / (1 + a)",
    "sin": "g cos(a)",
    "cos": "-g sin(a)",
    "erf": "2/sqrt(pi) g e^(-a^2)",
    "relu": "g unless y <= 0",
    "leaky_relu": "g where a > 0, else p g",
    "elu": "g p e^a where a <= 0, else g",
    "sigmoid": "g y (1 - y)",
    "log_sigmoid": "g sigmoid(-a)",
    "tanh": "g (1 - y^2)",
    "silu": "g sigmoid(a) (1 + a (1 - sigmoid(a)))",
    "softplus": "g where p a > q, else g sigmoid(p a)",
    "gelu": "g (Phi(a) + a phi(a))",
    "gelu_tanh": "g times the derivative of the tanh formula",
    "squared_error": "2 g (a - b); 2 g (b - a)",
    "huber": "g p sign(a - b) where |a - b| >= p, else g (a - b); g p sign(b - a) where |a - b| >= p, else g (b - a)",
    "hinge": "-g b where p - a b > 0, else 0; -g a where p - a b > 0, else 0",
    "bce_with_logits": "g (sigmoid(a) - b); -g a",
    "bce": "g (a - b) / max((1 - a) a, 1e-12); g (max(ln(1 - a), -100) - max(ln(a), -100))",
    "trunc": "0",
    "exp2": "0.6931 g y",
    "log2": "g / (0.6931 a)",
    "log10": "g / (2.303 a)",
    "tan": "g (1 + y^2)",
    "asin": "g / sqrt(1 - a^2)",
    "acos": "-g / sqrt(1 - a^2)",
    "atan": "g / (1 + a^2)",
    "atan2": "g b / (a^2 + b^2) unless a^2 + b^2 = 0; -g a / (a^2 + b^2) unless a^2 + b^2 = 0",
    "sinh": "g cosh(a)",
    "cosh": "g sinh(a)",
    "asinh": "g / sqrt(1 + a^2)",
    "acosh": "g / sqrt(a^2 - 1)",
    "atanh": "g / (1 - a^2)",
    "hypot": "g (a / y); g (b / y)",
    "logaddexp": "g sigmoid(a - b); g sigmoid(b - a)",
    "erfc": "-2/sqrt(pi) g e^(-a^2)",
    "xlogy": "g ln(b) unless a = 0 and b <= 0; g a / b",
    "copysign": "g sign(a) sign(y); 0",
    "erfinv": "sqrt(pi)/2 g e^(y^2)",
    "lgamma": "g digamma(a)",
    "digamma": "g polygamma(1, a)",
    "polygamma": "g polygamma(p + 1, a)",
    "floor_divide": "0; 0",
    "remainder": "g; -g floor(a / b)",
    "fmod": "g; -g trunc(a / b)",
    "hardtanh": "g unless a >= q unless a <= p",
    "hardsigmoid": "g / 6 where |a| < 3, else 0",
    "hardswish": "g (a / 3 + 0.5) where |a| < 3, else g unless a < 0",
    "hardshrink": "g unless |a| <= p",
    "softshrink": "g unless |a| <= p",
    "tanhshrink": "g tanh(a)^2",
    "softsign": "g / (1 + |a|)^2",
    "selu": "1.758 g e^a where a <= 0, else 1.051 g",
    "celu": "g e^(a / p) where a <= 0, else g",
    "mish": "g (tanh(softplus(a)) + a sigmoid(a) (1 - tanh(softplus(a))^2))",
    "where": "nothing; g where a; g where not a",
    "matmul": "g b^T; a^T g",
    "linear": "g b; g^T a; the sum of g over the rows",
    "sum": "g, spread over the axes",
    "mean": "g / n, spread over the axes",
    "prod": "g y / a, spread over the axes",
    "max": "g where a is the largest, shared by ties",
    "min": "g where a is the smallest, shared by ties",
    "var": "2 g (a - mean) / (n - p)",
    "std": "g (a - mean) / (std (n - p)), 0 where std = 0",
    "norm": "g a / norm, 0 where norm = 0",
    "cumsum": "the sum of g from each place on",
    "softmax": "y (g - sum g y)",
    "log_softmax": "g - softmax(a) sum g",
    "logsumexp": "g softmax(a)",
    "cross_entropy": "g (softmax(a) - onehot(b)) / N",
    "view": "g in the shape of a, added at the place seen",
    "unview": "g at the places",
    "cast": "g in the dtype of a",
    "written": "g, 0 at the place; g at the place",
    "cat": "the part of g at the operand's place",
    "index": "g added to the rows taken",
    "put": "g, 0 at the positions; none; g at the positions",
    "index_add": "g; none; the rows of g at the positions",
    "custom": "what its backward returns",
    "local_grads": "g times the local gradient given for the operand",
    "program": "what the step's backward finds",
    "program_result": "g",
}
