"""The engine in pure Python: what `pyautograd.scalar` does in C, written to be read, with the standard library only.

A `Value` is a number that remembers how it was computed. `backward()` walks that memory from the result back to the
inputs and leaves in every `grad` how much the result would change per unit of change there. That is all there is to it:

1. `_Node`: the graph and the walk back over it.
2. The ops. Each is two functions, one under the other: how the number is computed, and its local derivative times the
   gradient that arrives from above (the vector-Jacobian product, `vjp`), added to the gradients of the operands.
3. `Value`: the names that users write for the ops.
4. `Neuron`, `Layer`, `MLP`: a net made of nothing but Values.

The API is micrograd's (https://github.com/karpathy/micrograd, by Andrej Karpathy) with more ops, no recursion, no
closures and no reference cycles. Numbers, gradients and their order of summation are those of the C engine, bit for
bit: tests take this file as the oracle and benchmarks as the baseline.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from operator import attrgetter
from typing import Any, Union, cast

__all__ = ["MLP", "Layer", "Module", "Neuron", "Value"]


def __dir__() -> list[str]:
    return __all__


Number = Any  # what float() takes: int, float, bool, a NumPy scalar
Operand = Union["Value", Number]
Vjp = Callable[["Value"], None]

_births = count()
_by_birth = attrgetter("_birth")


class _Node:
    """A number, its gradient, and up to two operands from which an op made it.

    `_vjp` is the op's derivative and None for a leaf; `_extra` is what else the op must know, the exponent of `a ** 2`
    say. `_birth` counts up: operands exist before the result, so *descending order of birth is a topological order*,
    and no other sort is needed.
    """

    __slots__ = ("__dict__", "__weakref__", "_a", "_b", "_birth", "_extra", "_vjp", "data", "grad")
    __array_priority__ = 1000  # `ndarray * Value` asks Value, not NumPy

    data: float
    grad: float
    _a: Any  # a Value or None
    _b: Any
    _vjp: Any  # a Vjp or None
    _birth: int
    _extra: Any

    def __init__(self, data: Number, *op: Any, **keywords: Any) -> None:
        self.data = _number(data)
        self.grad = 0.0
        self._a = self._b = None
        self._vjp = None
        self._birth = next(_births)
        if op or keywords:
            self._write(*op, **keywords)

    def _write(
        self,
        _children: Any = None,
        _op: Any = None,
        label: Any = None,
        *,
        children: Any = (),
        op: str | None = None,
        local_grads: Any = None,
        _local_grads: Any = None,
    ) -> None:
        """Makes it the result of an op that the user writes, and gives it its label."""
        if _children is None:
            _children = children
        if _op is None:
            _op = op
        if local_grads is None:
            local_grads = _local_grads
        if isinstance(_op, (list, tuple)) and local_grads is None:
            _op, local_grads = None, _op
        if not (_op is None or isinstance(_op, str)):
            raise TypeError(
                "Value: the third argument is the name of an op (a str) or its local gradients (a list or tuple of "
                f"numbers), not {type(_op)}"
            )
        if local_grads is not None:
            local_grads = _local_gradients_of(_children, local_grads)
        if _op:
            self._extra = _op
        if inputs := tuple(_children):
            for i, child in enumerate(inputs):
                if not isinstance(child, Value):
                    raise TypeError(f"Value: child {i} is not a Value")
            self._vjp = _written_vjp if local_grads is None else _local_grads_vjp
            self._extra = _Written(inputs, _op or "custom", local_grads=local_grads)
        if not (label is None or (isinstance(label, str) and label == "")):
            self.label = label

    def backward(self) -> None:
        """Sets `grad` of everything that this Value was computed from to d self / d it.

        Leaves (inputs, weights) add to what they have, so that gradients of several losses sum; all others start anew.
        The graph stays as it is.

        >>> a, b = Value(2), Value(-3)
        >>> (a * b + a).backward()
        >>> a.grad, b.grad
        (-2.0, 2.0)
        """
        computed = []
        seen: set[_Node | None] = {None, self}
        waiting: list[_Node] = [self]
        while waiting:
            node = waiting.pop()
            vjp = node._vjp
            if vjp is None:
                continue
            node.grad = 0.0
            computed.append(node)
            a, b = node._a, node._b
            if a not in seen:
                seen.add(a)
                waiting.append(a)
            if b not in seen:
                seen.add(b)
                waiting.append(b)
            if a is None:  # written by the user
                fresh = set(node._extra.children) - seen
                seen |= fresh
                waiting += fresh

        computed.sort(key=_by_birth, reverse=True)
        self.grad = 1.0
        for node in computed:
            node._vjp(node)

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad})"

    def __round__(self, ndigits: int | None = None) -> Any:
        raise TypeError(
            "round: Python's numbers are rounded by it; write x.round() for a Value, round(x.data, 2) for its number"
        )

    @property
    def _inputs(self) -> tuple[Value, ...]:
        """The operands in order; `a * a` has `a` twice."""
        if self._vjp is not None and self._a is None:
            return cast("tuple[Value, ...]", self._extra.children)
        return tuple(operand for operand in (self._a, self._b) if operand is not None)

    @property
    def _children(self) -> tuple[Value, ...]:
        """The operands in order, as microgpt names them."""
        return self._inputs

    @property
    def _local_grads(self) -> tuple[float, ...]:
        """d self / d child, one for each of `_children`, as microgpt names them."""
        return self._local_gradients()

    @property
    def _prev(self) -> set[Value]:
        """The operands as micrograd keeps them."""
        return set(self._inputs)

    @property
    def is_leaf(self) -> bool:
        """Made by the user, not by an op."""
        return self._vjp is None

    @property
    def _op_name(self) -> str:
        """The op's name in the op table: `mul`. `leaf` for what no op made."""
        return "leaf" if self._vjp is None else _NAMES[self._vjp][0]

    @property
    def _op(self) -> str:
        """The op as drawings show it: `*`. Empty for a leaf."""
        if self._vjp is None:
            return getattr(self, "_extra", "")
        if self._a is None:
            return cast(str, self._extra.op)
        if self._vjp is _power_vjp:
            p = self._extra
            return f"**{int(p) if p.is_integer() and abs(p) < 1e15 else p}"
        return _NAMES[self._vjp][1]

    @property
    def _backward(self) -> Callable[[], None]:
        """A function that adds to the gradients of the operands. Assign one to write an op of your own:

        >>> def cube(x):
        ...     out = Value(x.data**3, (x,), "cube")
        ...     def backward():
        ...         x.grad += 3 * x.data**2 * out.grad
        ...     out._backward = backward
        ...     return out
        >>> x = Value(2)
        >>> cube(x).backward()
        >>> x.grad
        12.0
        """
        return _nothing if self._vjp is None else partial(self._vjp, self)

    @_backward.setter
    def _backward(self, backward: Callable[[], None]) -> None:
        self._extra = _Written(self._inputs, self._op, backward)
        self._a = self._b = None
        self._vjp = _written_vjp

    def _local_gradients(self) -> tuple[float, ...]:
        """d self / d operand, one for each of `_inputs`; nan where a `_backward` of the user's own hides them."""
        if self._vjp is _local_grads_vjp:
            return cast("tuple[float, ...]", self._extra.local_grads)
        if self._vjp is None or self._vjp is _written_vjp:
            return (math.nan,) * len(self._inputs)
        twins = [Value(operand.data) for operand in self._inputs]  # apart, even where the operands are one Value
        twin = _node(self.data, twins[0], twins[-1] if len(twins) == 2 else None, self._vjp)
        twin._extra = getattr(self, "_extra", None)
        twin.grad = 1.0
        self._vjp(twin)
        return tuple(operand.grad for operand in twins)

    def _tape(self) -> list[Value]:
        """Everything that reaches this Value, itself included, operands before results."""
        reached = {self}
        waiting: list[_Node] = [self]
        while waiting:
            fresh = set(waiting.pop()._inputs) - reached
            reached |= fresh
            waiting += fresh
        return cast("list[Value]", sorted(reached, key=_by_birth))


def _number(given: Number) -> float:
    if isinstance(given, (str, bytes)):  # which float() would parse
        raise TypeError(f"Value: a number is needed, not {type(given).__name__}")
    return float(given)


def _node(data: float, a: Value, b: Value | None, vjp: Vjp) -> Value:
    """The result of an op. What `Value(…)` does, without what only users need."""
    out: Value = _new(Value)
    out.data = data
    out.grad = 0.0
    out._a = a
    out._b = b
    out._vjp = vjp
    out._birth = next(_births)
    return out


_new = object.__new__
_NAMES: dict[Vjp, tuple[str, str]] = {}


def _derivative(name: str, symbol: str = "") -> Callable[[Vjp], Vjp]:
    """Names the op whose derivative follows, and the symbol that drawings show."""

    def register(vjp: Vjp) -> Vjp:
        _NAMES[vjp] = (name, symbol or name)
        return vjp

    return register


# Ops that users write themselves: `Value(data, children, name)` and its `_backward`, or
# `Value(data, children, local_grads)`.


class _Written:
    __slots__ = ("backward", "children", "local_grads", "op")

    def __init__(
        self,
        children: tuple[Value, ...],
        op: str,
        backward: Callable[[], None] | None = None,
        local_grads: tuple[float, ...] | None = None,
    ) -> None:
        self.children = children
        self.op = op
        self.backward = backward or _nothing
        self.local_grads = local_grads


def _local_gradients_of(children: Any, local_grads: Any) -> tuple[float, ...]:
    """d result / d child for each of the children, as numbers."""
    if not isinstance(local_grads, (list, tuple)):
        raise TypeError(f"Value: local_grads is a list or tuple of numbers, not {type(local_grads)}")
    if not isinstance(children, (list, tuple)):
        raise TypeError("Value: children that have local gradients are a list or tuple: their order matters")
    if len(local_grads) != len(children):
        raise ValueError(f"Value: {len(local_grads)} local gradients for {len(children)} children")
    for i, local in enumerate(local_grads):
        if isinstance(local, Value):
            raise TypeError(f"Value: local gradient {i} is a {type(local).__name__}, not a number; write its .data")
    return tuple(map(_number, local_grads))


def _nothing() -> None:
    pass


@_derivative("custom")
def _written_vjp(out: Value) -> None:
    out._extra.backward()


@_derivative("local_grads", "custom")
def _local_grads_vjp(out: Value) -> None:
    g = out.grad
    for child, local in zip(out._extra.children, out._extra.local_grads, strict=True):
        child.grad += local * g


# Arithmetic


def _add(a: Value, b: Operand) -> Value:
    if not isinstance(b, Value):
        b = Value(b)
    return _node(a.data + b.data, a, b, _add_vjp)


@_derivative("add", "+")
def _add_vjp(out: Value) -> None:
    g = out.grad
    out._a.grad += g
    out._b.grad += g


def _sub(a: Value, b: Operand) -> Value:
    if not isinstance(b, Value):
        b = Value(b)
    return _node(a.data - b.data, a, b, _sub_vjp)


@_derivative("sub", "-")
def _sub_vjp(out: Value) -> None:
    g = out.grad
    out._a.grad += g
    out._b.grad -= g


def _mul(a: Value, b: Operand) -> Value:
    if not isinstance(b, Value):
        b = Value(b)
    return _node(a.data * b.data, a, b, _mul_vjp)


@_derivative("mul", "*")
def _mul_vjp(out: Value) -> None:
    a, b, g = out._a, out._b, out.grad
    a.grad += g * b.data
    b.grad += g * a.data


def _div(a: Value, b: Operand) -> Value:
    if not isinstance(b, Value):
        b = Value(b)
    return _node(_divide(a.data, b.data), a, b, _div_vjp)


@_derivative("div", "/")
def _div_vjp(out: Value) -> None:
    a, b, g = out._a, out._b, out.grad
    a.grad += _divide(g, b.data)
    b.grad -= _divide(g * out.data, b.data)


def _power(a: Value, exponent: Operand) -> Value:
    """`a ** 2`, where the exponent is a number; `a ** b` between Values is `_pow`."""
    if isinstance(exponent, Value):
        return _pow(a, exponent)
    p = _number(exponent)
    out = _node(_pow_of(a.data, p), a, None, _power_vjp)
    out._extra = p
    return out


@_derivative("power", "**")
def _power_vjp(out: Value) -> None:
    a, p = out._a, out._extra
    if p != 0.0:
        a.grad += out.grad * (p * _pow_of(a.data, p - 1.0))


def _pow(a: Value, b: Value) -> Value:
    return _node(_pow_of(a.data, b.data), a, b, _pow_vjp)


@_derivative("pow", "**")
def _pow_vjp(out: Value) -> None:
    a, b, g = out._a, out._b, out.grad
    if b.data != 0.0:
        a.grad += g * (b.data * _pow_of(a.data, b.data - 1.0))
    if not (a.data == 0.0 and b.data >= 0.0):
        b.grad += g * (out.data * _ln(a.data))


def _maximum(a: Value, b: Operand) -> Value:
    """The larger of the two; they share the gradient where they are equal."""
    if not isinstance(b, Value):
        b = Value(b)
    return _node(_larger(a.data, b.data), a, b, _maximum_vjp)


@_derivative("maximum")
def _maximum_vjp(out: Value) -> None:
    a, b, g = out._a, out._b, out.grad
    if a.data == b.data:
        a.grad += 0.5 * g
        b.grad += 0.5 * g
        return
    if not a.data < b.data:
        a.grad += g
    if not b.data < a.data:
        b.grad += g


def _minimum(a: Value, b: Operand) -> Value:
    """The smaller of the two; they share the gradient where they are equal."""
    if not isinstance(b, Value):
        b = Value(b)
    return _node(_smaller(a.data, b.data), a, b, _minimum_vjp)


@_derivative("minimum")
def _minimum_vjp(out: Value) -> None:
    a, b, g = out._a, out._b, out.grad
    if a.data == b.data:
        a.grad += 0.5 * g
        b.grad += 0.5 * g
        return
    if not a.data > b.data:
        a.grad += g
    if not b.data > a.data:
        b.grad += g


def _clamp(a: Value, min: Number = -math.inf, max: Number = math.inf) -> Value:
    """`a` kept between `min` and `max`; at the bounds themselves the gradient passes."""
    low, high = float(min), float(max)
    out = _node(_smaller(_larger(a.data, low), high), a, None, _clamp_vjp)
    out._extra = low, high
    return out


@_derivative("clamp")
def _clamp_vjp(out: Value) -> None:
    low, high = out._extra
    if low <= out._a.data <= high:
        out._a.grad += out.grad


def _neg(a: Value) -> Value:
    return _node(-a.data, a, None, _neg_vjp)


@_derivative("neg")
def _neg_vjp(out: Value) -> None:
    out._a.grad -= out.grad


def _abs(a: Value) -> Value:
    return _node(abs(a.data), a, None, _abs_vjp)


@_derivative("abs")
def _abs_vjp(out: Value) -> None:
    out._a.grad += out.grad * _sign_of(out._a.data)


def _sign(a: Value) -> Value:
    return _node(_sign_of(a.data), a, None, _sign_vjp)


@_derivative("sign")
def _sign_vjp(out: Value) -> None:
    pass


def _square(a: Value) -> Value:
    return _node(a.data * a.data, a, None, _square_vjp)


@_derivative("square")
def _square_vjp(out: Value) -> None:
    out._a.grad += out.grad * (2.0 * out._a.data)


def _reciprocal(a: Value) -> Value:
    return _node(_divide(1.0, a.data), a, None, _reciprocal_vjp)


@_derivative("reciprocal")
def _reciprocal_vjp(out: Value) -> None:
    out._a.grad -= out.grad * (out.data * out.data)


def _sqrt(a: Value) -> Value:
    return _node(_root(a.data), a, None, _sqrt_vjp)


@_derivative("sqrt")
def _sqrt_vjp(out: Value) -> None:
    out._a.grad += _divide(out.grad, 2.0 * out.data)


def _floor(a: Value) -> Value:
    return _node(_whole(math.floor, a.data), a, None, _floor_vjp)


@_derivative("floor")
def _floor_vjp(out: Value) -> None:
    pass


def _ceil(a: Value) -> Value:
    return _node(_whole(math.ceil, a.data), a, None, _ceil_vjp)


@_derivative("ceil")
def _ceil_vjp(out: Value) -> None:
    pass


def _round(a: Value) -> Value:
    """The nearest whole number; of two the even one."""
    return _node(_whole(round, a.data), a, None, _round_vjp)


@_derivative("round")
def _round_vjp(out: Value) -> None:
    pass


# Exponentials and trigonometry


def _exp(a: Value) -> Value:
    return _node(_e_to(a.data), a, None, _exp_vjp)


@_derivative("exp")
def _exp_vjp(out: Value) -> None:
    out._a.grad += out.grad * out.data


def _expm1(a: Value) -> Value:
    return _node(_e_to_minus_1(a.data), a, None, _expm1_vjp)


@_derivative("expm1")
def _expm1_vjp(out: Value) -> None:
    out._a.grad += out.grad * (out.data + 1.0)


def _log(a: Value) -> Value:
    return _node(_ln(a.data), a, None, _log_vjp)


@_derivative("log")
def _log_vjp(out: Value) -> None:
    out._a.grad += _divide(out.grad, out._a.data)


def _log1p(a: Value) -> Value:
    return _node(_ln_1_plus(a.data), a, None, _log1p_vjp)


@_derivative("log1p")
def _log1p_vjp(out: Value) -> None:
    out._a.grad += _divide(out.grad, 1.0 + out._a.data)


def _sin(a: Value) -> Value:
    return _node(_sine(a.data), a, None, _sin_vjp)


@_derivative("sin")
def _sin_vjp(out: Value) -> None:
    out._a.grad += out.grad * _cosine(out._a.data)


def _cos(a: Value) -> Value:
    return _node(_cosine(a.data), a, None, _cos_vjp)


@_derivative("cos")
def _cos_vjp(out: Value) -> None:
    out._a.grad -= out.grad * _sine(out._a.data)


def _erf(a: Value) -> Value:
    return _node(math.erf(a.data), a, None, _erf_vjp)


@_derivative("erf")
def _erf_vjp(out: Value) -> None:
    x = out._a.data
    out._a.grad += out.grad * (1.1283791670955126 * math.exp(-(x * x)))  # 2 / sqrt(pi)


# Activations


def _relu(a: Value) -> Value:
    return _node(0.0 if a.data < 0.0 else a.data, a, None, _relu_vjp)


@_derivative("relu", "ReLU")
def _relu_vjp(out: Value) -> None:
    if not out.data <= 0.0:
        out._a.grad += out.grad


def _leaky_relu(a: Value, negative_slope: Number = 0.01) -> Value:
    slope = float(negative_slope)
    out = _node(a.data if a.data > 0.0 else slope * a.data, a, None, _leaky_relu_vjp)
    out._extra = slope
    return out


@_derivative("leaky_relu")
def _leaky_relu_vjp(out: Value) -> None:
    out._a.grad += out.grad if out._a.data > 0.0 else out._extra * out.grad


def _elu(a: Value, alpha: Number = 1.0) -> Value:
    alpha = float(alpha)
    out = _node(a.data if a.data > 0.0 else alpha * _e_to_minus_1(a.data), a, None, _elu_vjp)
    out._extra = alpha
    return out


@_derivative("elu")
def _elu_vjp(out: Value) -> None:
    out._a.grad += out.grad * (out._extra * _e_to(out._a.data)) if out._a.data <= 0.0 else out.grad


def _sigmoid(a: Value) -> Value:
    return _node(_logistic(a.data), a, None, _sigmoid_vjp)


@_derivative("sigmoid")
def _sigmoid_vjp(out: Value) -> None:
    out._a.grad += out.grad * (out.data * (1.0 - out.data))


def _log_sigmoid(a: Value) -> Value:
    return _node(_smaller(a.data, 0.0) - math.log1p(math.exp(-abs(a.data))), a, None, _log_sigmoid_vjp)


@_derivative("log_sigmoid")
def _log_sigmoid_vjp(out: Value) -> None:
    out._a.grad += out.grad * _logistic(-out._a.data)


def _tanh(a: Value) -> Value:
    return _node(math.tanh(a.data), a, None, _tanh_vjp)


@_derivative("tanh")
def _tanh_vjp(out: Value) -> None:
    out._a.grad += out.grad * (1.0 - out.data * out.data)


def _silu(a: Value) -> Value:
    return _node(a.data * _logistic(a.data), a, None, _silu_vjp)


@_derivative("silu")
def _silu_vjp(out: Value) -> None:
    x = out._a.data
    s = _logistic(x)
    out._a.grad += out.grad * (s * (1.0 + x * (1.0 - s)))


def _softplus(a: Value, beta: Number = 1.0, threshold: Number = 20.0) -> Value:
    """A smooth relu, ln(1 + e^(beta a)) / beta; `a` itself where beta a is above the threshold."""
    beta, threshold = float(beta), float(threshold)
    z = beta * a.data
    y = a.data if z > threshold else _divide(_larger(z, 0.0) + math.log1p(math.exp(-abs(z))), beta)
    out = _node(y, a, None, _softplus_vjp)
    out._extra = beta, threshold
    return out


@_derivative("softplus")
def _softplus_vjp(out: Value) -> None:
    beta, threshold = out._extra
    z = beta * out._a.data
    out._a.grad += out.grad if z > threshold else out.grad * _logistic(z)


def _gelu(a: Value, approximate: str = "none") -> Value:
    """`a` times the normal distribution's cumulative probability up to `a` (https://arxiv.org/abs/1606.08415)."""
    if approximate == "tanh":
        return _gelu_tanh(a)
    x = a.data
    return _node(0.5 * x * (1.0 + math.erf(x * 0.7071067811865476)), a, None, _gelu_vjp)  # 1 / sqrt(2)


@_derivative("gelu")
def _gelu_vjp(out: Value) -> None:
    x = out._a.data
    cumulative = 0.5 * (1.0 + math.erf(x * 0.7071067811865476))
    out._a.grad += out.grad * (cumulative + x * 0.3989422804014327 * math.exp(-(0.5 * (x * x))))  # 1 / sqrt(2 pi)


def _gelu_tanh(a: Value) -> Value:
    """The gelu through a tanh, as GPT-2 has it."""
    x = a.data
    return _node(0.5 * x * (1.0 + math.tanh(_gelu_inner(x))), a, None, _gelu_tanh_vjp)


@_derivative("gelu_tanh")
def _gelu_tanh_vjp(out: Value) -> None:
    x = out._a.data
    t = math.tanh(_gelu_inner(x))
    slope = 0.7978845608028654 * (1.0 + 0.134145 * (x * x))  # of the inner function; 0.134145 = 3 * 0.044715
    out._a.grad += out.grad * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)


def _gelu_inner(x: float) -> float:
    return 0.7978845608028654 * (x + 0.044715 * (x * x * x))  # sqrt(2 / pi)


# Ops that need no more than two formulas: how the number is computed from the operands, and what each operand gets of
# the gradient g. The result is y; further numbers are the op's parameters.


def _of_one(name: str, value: Callable[..., float], to_a: Callable[..., float], **parameters: float) -> Any:
    @_derivative(name)
    def vjp(out: Value) -> None:
        out._a.grad += to_a(out.grad, out._a.data, out.data, *out._extra)

    def op(a: Value, *given: Number, **named: Number) -> Value:
        extra = tuple(map(float, (parameters | dict(zip(parameters, given)) | named).values()))
        out = _node(value(a.data, *extra), a, None, vjp)
        out._extra = extra
        return out

    return op


def _of_two(
    name: str, value: Callable[..., float], to_a: Callable[..., float], to_b: Callable[..., float], symbol: str = ""
) -> Any:
    @_derivative(name, symbol)
    def vjp(out: Value) -> None:
        a, b, g, y = out._a, out._b, out.grad, out.data
        x, z = a.data, b.data
        a.grad += to_a(g, x, z, y)
        b.grad += to_b(g, x, z, y)

    def op(a: Value, other: Operand) -> Value:
        b = other if isinstance(other, Value) else Value(other)
        return _node(value(a.data, b.data), a, b, vjp)

    return op


_trunc = _of_one("trunc", lambda a: _whole(math.trunc, a), lambda g, a, y: 0.0)
_exp2 = _of_one("exp2", lambda a: _or_inf(math.exp2, a), lambda g, a, y: g * (y * 0.6931471805599453))
_log2 = _of_one(
    "log2", lambda a: math.log2(a) if a > 0.0 else _ln(a), lambda g, a, y: _divide(g, a * 0.6931471805599453)
)
_log10 = _of_one(
    "log10", lambda a: math.log10(a) if a > 0.0 else _ln(a), lambda g, a, y: _divide(g, a * 2.302585092994046)
)
_tan = _of_one("tan", lambda a: _or_nan(math.tan, a), lambda g, a, y: g * (1.0 + y * y))
_asin = _of_one("asin", lambda a: _or_nan(math.asin, a), lambda g, a, y: _divide(g, _root(1.0 - a * a)))
_acos = _of_one("acos", lambda a: _or_nan(math.acos, a), lambda g, a, y: -_divide(g, _root(1.0 - a * a)))
_atan = _of_one("atan", math.atan, lambda g, a, y: g / (1.0 + a * a))
_atan2 = _of_two(
    "atan2",
    math.atan2,
    lambda g, a, b, y: _divide(g * b, a * a + b * b) if a * a + b * b else 0.0,
    lambda g, a, b, y: -_divide(g * a, a * a + b * b) if a * a + b * b else 0.0,
)
_sinh = _of_one("sinh", lambda a: _or_inf(math.sinh, a), lambda g, a, y: g * _or_inf(math.cosh, a))
_cosh = _of_one("cosh", lambda a: _or_inf(math.cosh, a), lambda g, a, y: g * _or_inf(math.sinh, a))
_asinh = _of_one("asinh", math.asinh, lambda g, a, y: g / _root(1.0 + a * a))
_acosh = _of_one("acosh", lambda a: _or_nan(math.acosh, a), lambda g, a, y: _divide(g, _root(a * a - 1.0)))
_atanh = _of_one(
    "atanh",
    lambda a: math.copysign(math.inf, a) if abs(a) == 1.0 else _or_nan(math.atanh, a),
    lambda g, a, y: _divide(g, 1.0 - a * a),
)
_hypot = _of_two("hypot", math.hypot, lambda g, a, b, y: g * _divide(a, y), lambda g, a, b, y: g * _divide(b, y))
_logaddexp = _of_two(
    "logaddexp",
    lambda a, b: a + 0.6931471805599453 if a == b else _larger(a, b) + math.log1p(math.exp(-abs(a - b))),
    lambda g, a, b, y: g * _logistic(a - b),
    lambda g, a, b, y: g * _logistic(b - a),
)
_erfc = _of_one("erfc", math.erfc, lambda g, a, y: -(g * (1.1283791670955126 * math.exp(-(a * a)))))  # 2 / sqrt(pi)
_xlogy = _of_two(
    "xlogy",
    lambda a, b: 0.0 if a == 0.0 and b == b else a * _ln(b),
    lambda g, a, b, y: 0.0 if a == 0.0 and b <= 0.0 else g * _ln(b),
    lambda g, a, b, y: _divide(g * a, b),
)
_copysign = _of_two(
    "copysign", math.copysign, lambda g, a, b, y: g * (_sign_of(a) * _sign_of(y)), lambda g, a, b, y: 0.0
)
_floor_divide = _of_two(
    "floor_divide", lambda a, b: _floored(a, b), lambda g, a, b, y: 0.0, lambda g, a, b, y: 0.0, "//"
)
_remainder = _of_two(
    "remainder", lambda a, b: _rest(a, b), lambda g, a, b, y: g, lambda g, a, b, y: -(g * _floored(a, b)), "%"
)
_fmod = _of_two(
    "fmod",
    lambda a, b: _or_nan(math.fmod, a, b),
    lambda g, a, b, y: g,
    lambda g, a, b, y: -(g * _whole(math.trunc, _divide(a, b))),
)


def _floored(a: float, b: float) -> float:
    """The whole quotient, towards -inf."""
    if b == 0.0:
        return _divide(a, b)
    rest = _or_nan(math.fmod, a, b)
    quotient = (a - rest) / b - float(rest != 0.0 and (rest < 0.0) != (b < 0.0))
    return math.copysign(0.0, a / b) if quotient == 0.0 else _whole(round, quotient)


def _rest(a: float, b: float) -> float:
    """What a whole quotient leaves, with the sign of the divisor."""
    rest = _or_nan(math.fmod, a, b)
    return rest + b if rest != 0.0 and (rest < 0.0) != (b < 0.0) else rest


def _inverse_erf(x: float) -> float:
    """Giles' approximation (2010), and steps of Halley's method."""
    a = abs(x)
    if not a < 1.0:
        return math.copysign(math.inf, x) if a == 1.0 else math.nan
    w = -math.log((1.0 - a) * (1.0 + a))
    is_tail = w >= 5.0
    if not is_tail:
        w -= 2.5
        p = [2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503]
        p += [-0.00417768164, 0.246640727, 1.50140941]
    else:
        w = math.sqrt(w) - 3.0
        p = [-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613]
        p += [0.00943887047, 1.00167406, 2.83297682]
    y = _polynomial(p, w) * a
    for _ in range(5 if is_tail else 2):
        error = math.erf(y) - a if a < 0.5 else (1.0 - a) - math.erfc(y)
        step = error / (1.1283791670955126 * math.exp(-(y * y)))  # 2 / sqrt(pi)
        y -= step / (1.0 + y * step)
    return math.copysign(y, x)


_erfinv = _of_one("erfinv", _inverse_erf, lambda g, a, y: g * (0.886226925452758 * _e_to(y * y)))  # sqrt(pi) / 2


def _digamma_of(x: float) -> float:
    """Up to 10 by its recurrence, from there by its asymptotic series; left of 0 by reflection."""
    if x == 0.0:
        return math.copysign(math.inf, -x)
    result = 0.0
    if x < 0.0:
        whole = _whole(round, x)
        if x == whole:
            return math.nan
        result = -(3.141592653589793 / math.tan(3.141592653589793 * (x - whole)))
        x = 1.0 - x
    while x < 10.0:
        result -= 1.0 / x
        x += 1.0
    z = _divide(1.0, x * x)
    return result + (_ln(x) - _divide(0.5, x) - z * _polynomial(_DIGAMMA, z))


_DIGAMMA = [
    8.33333333333333333333e-2,
    -2.10927960927960927961e-2,
    7.57575757575757575758e-3,
    -4.16666666666666666667e-3,
]
_DIGAMMA += [3.96825396825396825397e-3, -8.33333333333333333333e-3, 8.33333333333333333333e-2]


def _zeta(s: float, x: float) -> float:
    """The sum of (x + k)^-s over k >= 0, for x > 0: by its terms up to 10, from there by Euler and Maclaurin."""
    sum = 0.0
    while x < 10.0:
        sum += _pow_of(x, -s)
        x += 1.0
    power, factor = _pow_of(x, -s), s
    sum += _pow_of(x, 1.0 - s) / (s - 1.0) + 0.5 * power
    for k, coefficient in enumerate(_BERNOULLI):
        power /= x
        sum += coefficient * factor * power
        factor *= (s + (2 * k + 1)) * (s + (2 * k + 2))
        power /= x
    return sum


_BERNOULLI = [8.333333333333333e-2, -1.388888888888889e-3, 3.306878306878307e-5, -8.267195767195767e-7]  # B(2k) / (2k)!
_BERNOULLI += [2.08767569878681e-8, -5.284190138687493e-10, 1.338253653068468e-11, -3.389680296322583e-13]
_BERNOULLI += [8.586062056277845e-15, -2.174868698558062e-16]


def _polygamma_of(x: float, n: float) -> float:
    """(-1)^(n+1) n! zeta(n + 1, x), n a whole number."""
    if n == 0.0:
        return _digamma_of(x)
    s, sign, whole = n + 1.0, 1.0 if math.fmod(n, 2.0) == 1.0 else -1.0, _whole(math.floor, x)
    if x <= 0.0 and x == whole:
        return sign * math.inf
    factorial = math.prod(map(float, range(2, min(int(n), 171) + 1)))
    if x > 0.0:
        return sign * (factorial * _zeta(s, x))
    left = _zeta(s, whole + 1.0 - x) - _zeta(s, 1.0 - x)
    return sign * (factorial * (_zeta(s, x - whole) + sign * left))


_lgamma = _of_one(
    "lgamma", lambda a: _or_nan(math.lgamma, a) if a > 0.0 or a % 1.0 else math.inf, lambda g, a, y: g * _digamma_of(a)
)
_digamma = _of_one("digamma", _digamma_of, lambda g, a, y: g * _polygamma_of(a, 1.0))
_polygamma = _of_one("polygamma", _polygamma_of, lambda g, a, y, n: g * _polygamma_of(a, n + 1.0), n=0.0)

_hardtanh = _of_one(
    "hardtanh",
    lambda a, low, high: _smaller(_larger(a, low), high),
    lambda g, a, y, low, high: 0.0 if a <= low or a >= high else g,
    min_val=-1.0,
    max_val=1.0,
)
_hardsigmoid = _of_one(
    "hardsigmoid",
    lambda a: _smaller(_larger(a + 3.0, 0.0), 6.0) / 6.0,
    lambda g, a, y: g / 6.0 if abs(a) < 3.0 else 0.0,
)
_hardswish = _of_one(
    "hardswish",
    lambda a: a * _smaller(_larger(a + 3.0, 0.0), 6.0) / 6.0,
    lambda g, a, y: g * (a / 3.0 + 0.5) if abs(a) < 3.0 else 0.0 if a < 0.0 else g,
)
_hardshrink = _of_one(
    "hardshrink",
    lambda a, p: 0.0 if abs(a) <= p else a,
    lambda g, a, y, p: 0.0 if abs(a) <= p else g,
    lambd=0.5,
)
_softshrink = _of_one(
    "softshrink",
    lambda a, p: 0.0 if abs(a) <= p else a - _sign_of(a) * p,
    lambda g, a, y, p: 0.0 if abs(a) <= p else g,
    lambd=0.5,
)
_tanhshrink = _of_one("tanhshrink", lambda a: a - math.tanh(a), lambda g, a, y: g * (math.tanh(a) * math.tanh(a)))
_softsign = _of_one("softsign", lambda a: a / (1.0 + abs(a)), lambda g, a, y: g / ((1.0 + abs(a)) * (1.0 + abs(a))))
_selu = _of_one(
    "selu",
    lambda a: 1.0507009873554805 * a if a > 0.0 else 1.7580993408473766 * _e_to_minus_1(a),
    lambda g, a, y: g * (1.7580993408473766 * _e_to(a)) if a <= 0.0 else g * 1.0507009873554805,
)
_celu = _of_one(
    "celu",
    lambda a, p: a if a > 0.0 else p * _e_to_minus_1(_divide(a, p)),
    lambda g, a, y, p: g * _e_to(_divide(a, p)) if a <= 0.0 else g,
    alpha=1.0,
)


def _mish_slope(g: float, a: float, y: float) -> float:
    t = math.tanh(_softplus_of(a))
    return g * (t + a * _logistic(a) * (1.0 - t * t))


_mish = _of_one("mish", lambda a: a * math.tanh(_softplus_of(a)), _mish_slope)


# Losses: a the prediction, b the target


def _squared_error(a: Value, b: Operand) -> Value:
    if not isinstance(b, Value):
        b = Value(b)
    difference = a.data - b.data
    return _node(difference * difference, a, b, _squared_error_vjp)


@_derivative("squared_error")
def _squared_error_vjp(out: Value) -> None:
    a, b, g = out._a, out._b, out.grad
    a.grad += g * (2.0 * (a.data - b.data))
    b.grad += g * (2.0 * (b.data - a.data))


def _bce_with_logits(a: Value, b: Operand) -> Value:
    """-b ln s - (1 - b) ln(1 - s) for s = sigmoid(a), in the form that does not overflow."""
    if not isinstance(b, Value):
        b = Value(b)
    x = a.data
    linear = x * (1.0 - b.data) if x > 0.0 else -(x * b.data)
    return _node(linear + math.log1p(math.exp(-abs(x))), a, b, _bce_with_logits_vjp)


@_derivative("bce_with_logits")
def _bce_with_logits_vjp(out: Value) -> None:
    a, b, g = out._a, out._b, out.grad
    a.grad += g * (_logistic(a.data) - b.data)
    b.grad -= g * a.data


def _bce(a: Value, b: Operand) -> Value:
    """-b ln a - (1 - b) ln(1 - a), a being a probability; logarithms stop at -100."""
    if not isinstance(b, Value):
        b = Value(b)
    log_a, log_not_a = _larger(_ln(a.data), -100.0), _larger(_ln_1_plus(-a.data), -100.0)
    return _node(-(b.data * log_a + (1.0 - b.data) * log_not_a), a, b, _bce_vjp)


@_derivative("bce")
def _bce_vjp(out: Value) -> None:
    a, b, g = out._a, out._b, out.grad
    x = a.data
    a.grad += g * (x - b.data) / _larger((1.0 - x) * x, 1e-12)
    b.grad += g * (_larger(_ln_1_plus(-x), -100.0) - _larger(_ln(x), -100.0))


# Arithmetic as C and IEEE 754 have it, where Python raises: 1 / 0 is inf, ln(-1) is nan.


def _divide(a: float, b: float) -> float:
    try:
        return a / b
    except ZeroDivisionError:
        if a == 0.0 or a != a:
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)


def _pow_of(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except (OverflowError, ValueError):
        if a < 0.0 and b % 1.0 != 0.0:
            return math.nan
        odd = abs(math.fmod(b, 2.0)) == 1.0
        return math.copysign(math.inf, a) if odd else math.inf


def _e_to(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _e_to_minus_1(x: float) -> float:
    try:
        return math.expm1(x)
    except OverflowError:
        return math.inf


def _ln(x: float) -> float:
    return math.log(x) if x > 0.0 else -math.inf if x == 0.0 else math.nan


def _ln_1_plus(x: float) -> float:
    return math.log1p(x) if x > -1.0 else -math.inf if x == -1.0 else math.nan


def _root(x: float) -> float:
    return math.sqrt(x) if x >= 0.0 else math.nan


def _sine(x: float) -> float:
    return math.sin(x) if math.isfinite(x) else math.nan


def _cosine(x: float) -> float:
    return math.cos(x) if math.isfinite(x) else math.nan


def _or_nan(function: Callable[..., float], *operands: float) -> float:
    try:
        return function(*operands)
    except ValueError:
        return math.nan


def _or_inf(function: Callable[[float], float], x: float) -> float:
    """For functions that grow without bound, to the left with the sign of an odd function."""
    try:
        return function(x)
    except OverflowError:
        return -math.inf if function is math.sinh and x < 0.0 else math.inf


def _polynomial(coefficients: Sequence[float], x: float) -> float:
    y = 0.0
    for coefficient in coefficients:
        y = coefficient + y * x
    return y


def _softplus_of(x: float) -> float:
    return _larger(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _logistic(x: float) -> float:
    e = math.exp(-abs(x))  # never overflows
    return (e if x < 0.0 else 1.0) / (1.0 + e)


def _whole(rounding: Callable[[float], int], x: float) -> float:
    return math.copysign(rounding(x), x) if math.isfinite(x) else x


def _sign_of(x: float) -> float:
    return float((x > 0.0) - (x < 0.0))


def _larger(a: float, b: float) -> float:
    return b if a < b or b != b else a  # nan wins


def _smaller(a: float, b: float) -> float:
    return b if a > b or b != b else a


class Value(_Node):
    """A number that remembers how it was computed.

    `data` is the number and `grad`, after a `backward()`, the derivative by it, both floats; `label` is a name for
    drawings. Operators take Values and plain numbers. `Value(data, _children=(), _op='', label='')` makes a node of an
    op of your own: see `_backward`; so does `Value(data, children, local_grads)`, with d result / d child for each
    child. Equality and hash are identity.

    >>> x, w, b = Value(2.0, label="x"), Value(-3.0, label="w"), Value(6.5, label="b")
    >>> y = (x * w + b).tanh()
    >>> y.backward()
    >>> y, round(w.grad, 4)
    (Value(data=0.46211715726000974, grad=1.0), 1.5729)
    """

    __slots__ = ()
    label = ""

    def __init_subclass__(cls, **keywords: Any) -> None:
        if redefined := {"data", "grad", "_backward"} & vars(cls).keys():
            raise TypeError(
                f"{cls.__name__}: {', '.join(sorted(redefined))} of a Value cannot be redefined by a subclass"
            )
        super().__init_subclass__(**keywords)

    __add__ = add = _add
    __sub__ = sub = _sub
    __mul__ = mul = _mul
    __truediv__ = div = _div
    __pow__ = pow = _power
    __neg__ = neg = _neg
    __abs__ = abs = _abs

    def __float__(self) -> float:
        _warn_of_lost_history("float")
        return self.data

    def __int__(self) -> int:
        _warn_of_lost_history("int")
        return int(self.data)

    def __pos__(self) -> Value:
        return self

    def __lt__(self, other: Any) -> Any:
        if not isinstance(other, (Value, float, int)):
            return NotImplemented
        raise TypeError(
            "Values have no order: compare their .data, or write x.maximum(y) for the larger, x.clamp(min, max) for "
            "bounds"
        )

    __le__ = __gt__ = __ge__ = __lt__

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def item(self) -> float:
        """The number."""
        return self.data

    def detach(self) -> Value:
        """The same number without history."""
        return Value(self.data)

    def __reduce__(self) -> Any:
        if self._vjp is not None:
            raise TypeError("a Value that is the result of an op has a history and is not copied; take its .data")
        state: Any = self.__getstate__()
        attributes, slots = state
        kept = {name: value for name, value in slots.items() if name not in _OF_THE_GRAPH}
        return _rebuild, (type(self), self.data, self.grad), (attributes, kept)

    def __radd__(self, other: Number) -> Value:
        return _add(Value(other), self)

    def __rsub__(self, other: Number) -> Value:
        return _sub(Value(other), self)

    def __rmul__(self, other: Number) -> Value:
        return _mul(Value(other), self)

    def __rtruediv__(self, other: Number) -> Value:
        return _div(Value(other), self)

    def __rpow__(self, other: Number) -> Value:
        return _pow(Value(other), self)

    maximum, minimum, clamp = _maximum, _minimum, _clamp
    sign, square, reciprocal, sqrt = _sign, _square, _reciprocal, _sqrt
    floor, ceil, round = _floor, _ceil, _round
    exp, expm1, log, log1p = _exp, _expm1, _log, _log1p
    sin, cos, erf = _sin, _cos, _erf
    relu, leaky_relu, elu = _relu, _leaky_relu, _elu
    sigmoid, log_sigmoid, tanh = _sigmoid, _log_sigmoid, _tanh
    silu, softplus, gelu, gelu_tanh = _silu, _softplus, _gelu, _gelu_tanh
    trunc, exp2, log2, log10, erfc = _trunc, _exp2, _log2, _log10, _erfc
    tan, asin, acos, atan, atan2, hypot, logaddexp = _tan, _asin, _acos, _atan, _atan2, _hypot, _logaddexp
    xlogy, copysign, floor_divide, remainder, fmod = _xlogy, _copysign, _floor_divide, _remainder, _fmod
    erfinv, lgamma, digamma, polygamma = _erfinv, _lgamma, _digamma, _polygamma
    sinh, cosh, asinh, acosh, atanh = _sinh, _cosh, _asinh, _acosh, _atanh
    arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
    arcsinh, arccosh, arctanh = asinh, acosh, atanh
    hardtanh, hardsigmoid, hardswish, hardshrink = _hardtanh, _hardsigmoid, _hardswish, _hardshrink
    softshrink, tanhshrink, softsign, selu, celu, mish = _softshrink, _tanhshrink, _softsign, _selu, _celu, _mish
    squared_error, bce, bce_with_logits = _squared_error, _bce, _bce_with_logits


_OF_THE_GRAPH = {"_a", "_b", "_birth", "_vjp", "data", "grad"}


def _rebuild(cls: type[Value], data: float, grad: float) -> Value:
    """What copy and pickle call; they add the attributes."""
    value = _new(cls)
    Value.__init__(value, data)
    value.grad = grad
    return value


def _warn_of_lost_history(what: str) -> None:
    """`math.exp(v)` and `array[i] = v` ask for a number: said where a gradient is lost by that."""
    warnings.warn(
        f"{what}: a Value that a gradient flows to was converted to a number, which has no history; write x.data where "
        "the number is wanted, and x.exp() instead of math.exp(x) and its like",
        UserWarning,
        stacklevel=3,
    )


class Module:
    """What has parameters: a neuron, a layer, a net."""

    def zero_grad(self) -> None:
        """Sets the gradient of every parameter to 0, as each training step must: leaves add up."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def parameters(self) -> list[Value]:
        """Every Value that training changes."""
        return []


class Neuron(Module):
    """w · x + b of `nin` inputs, through a relu if `nonlin`. Weights start uniform in [-1, 1), drawn from `random`; the
    bias starts at 0.
    """

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Operand]) -> Value:
        if len(x) != len(self.w):
            raise ValueError(f"neuron: {len(x)} inputs for {len(self.w)} weights")
        act = self.b
        for wi, xi in zip(self.w, x, strict=True):
            act = act + wi * xi
        return act.relu() if self.nonlin else act

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons over the same `nin` inputs."""

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x: Sequence[Operand]) -> Any:
        """A list of one Value a neuron; the Value itself if there is one neuron."""
        x = [xi if isinstance(xi, Value) else Value(xi) for xi in x]
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        parameters: list[Value] = []
        for neuron in self.neurons:
            parameters += neuron.parameters()
        return parameters

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers of `nouts` neurons one after the other, over `nin` inputs; all but the last with a relu.

    >>> random.seed(1337)
    >>> model = MLP(2, [16, 16, 1])
    >>> len(model.parameters()), model([1.0, -2.0])
    (337, Value(data=-1.3324313779586294, grad=0.0))
    """

    def __init__(self, nin: int, nouts: Sequence[int]) -> None:
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=i != last) for i in range(len(nouts))]

    def __call__(self, x: Any) -> Any:
        """One Value for each neuron of the last layer: a list of them, or the Value itself if it has one."""
        for layer in self.layers:
            x = layer([x] if isinstance(x, Value) else x)
        return x

    def parameters(self) -> list[Value]:
        parameters: list[Value] = []
        for layer in self.layers:
            parameters += layer.parameters()
        return parameters

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
