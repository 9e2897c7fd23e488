"""`Value`: a number whose operations are recorded, micrograd's; a 0-d float64 node of the same graph as tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyautograd import _core, _ops
from pyautograd._core import apply
from pyautograd._elementwise import gelu, polygamma
from pyautograd._generated import ValueMethods
from pyautograd._install import install_methods
from pyautograd._tensor import state_of

__all__ = ["Value"]


@install_methods(_core.Value)
class Value(ValueMethods):
    """A number and its gradient, with micrograd's names and meaning, and every elementwise op of the table.

    `Value(data, _children=(), _op='', label='')`, and microgpt's `Value(data, children=(), local_grads=())`, whose
    local gradients are d result / d child, a number for each child. Operators take Values and numbers of every kind.
    `data` and `grad` are floats that may be assigned; `backward()` starts inner nodes fresh and accumulates on
    the leaves; the graph is kept.

    >>> from pyautograd.scalar import Value
    >>> a, b = Value(2.0), Value(-3.0)
    >>> c = (a * b + 10).relu()
    >>> c.backward()
    >>> c, a.grad, b.grad
    (Value(data=4.0, grad=1.0), -3.0, 2.0)
    """

    __slots__ = ()
    __array_priority__ = 1000  # an ndarray on the left makes no array of objects
    label = ""
    # The names by which NumPy's functions of objects call them
    arcsin, arccos, arctan, arctan2 = ValueMethods.asin, ValueMethods.acos, ValueMethods.atan, ValueMethods.atan2
    arcsinh, arccosh, arctanh = ValueMethods.asinh, ValueMethods.acosh, ValueMethods.atanh

    if TYPE_CHECKING:

        def __init__(
            self,
            data: Any,
            _children: Any = (),
            _op: Any = "",
            label: str = "",
            *,
            children: Any = (),
            op: str = "",
            _local_grads: Any = (),
            local_grads: Any = (),
        ) -> None: ...

    def __init_subclass__(cls, **keywords: Any) -> None:
        if redefined := {"data", "grad", "_backward"} & vars(cls).keys():
            raise TypeError(
                f"{cls.__name__}: {', '.join(sorted(redefined))} of a Value cannot be redefined by a subclass"
            )
        super(Value, cls).__init_subclass__(**keywords)  # noqa: UP008 (install_methods: no class of this statement)

    @property
    def _children(self) -> tuple[Value, ...]:
        """The operands, in order, as microgpt names them."""
        return self._inputs

    @property
    def _local_grads(self) -> tuple[float, ...]:
        """d self / d child, one for each of `_children`; nan where a `_backward` of the user's own hides them."""
        return self._local_gradients()

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad})"

    def __round__(self, ndigits: int | None = None) -> Any:
        raise TypeError(
            "round: Python's numbers are rounded by it; write x.round() for a Value, round(x.data, 2) for its number"
        )

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def backward(self) -> None:
        """Set the gradient of every Value that this one depends on: d self / d value. Leaves add to what they have.

        >>> from pyautograd.scalar import Value
        >>> a = Value(3.0)
        >>> (a * a).backward()
        >>> a.grad
        6.0
        """
        _core.backward(self, None, True, False)

    def __getstate__(self) -> Any:
        """The attributes set on it, but for a `_backward`: a leaf's is never run."""
        return state_of(self, ("_backward_function",))

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise TypeError("a Value that is the result of an op has a history and is not copied; take its .data")
        return _rebuild, (type(self), self.data, self.grad), self.__getstate__()

    def pow(self, exponent: Any) -> Value:
        """a ** exponent. **Raises** TypeError for what is no Value and no number.

        >>> from pyautograd.scalar import Value
        >>> Value(3.0).pow(2).data
        9.0
        """
        return self**exponent  # type: ignore[no-any-return]

    def gelu(self, approximate: str = "none") -> Value:
        """a Phi(a), Phi being the normal distribution function; approximate="tanh" for the tanh formula.

        **Raises** ValueError for another `approximate`.

        >>> from pyautograd.scalar import Value
        >>> round(Value(0.5).gelu().data, 4)
        0.3457
        """
        return gelu(self, approximate)  # type: ignore[arg-type, return-value]

    def polygamma(self, n: int) -> Value:
        """Derivative n + 1 of ln Gamma(a). **Raises** ValueError for a negative n, TypeError for what is no int.

        >>> from pyautograd.scalar import Value
        >>> round(Value(1.0).polygamma(1).data, 4)
        1.6449
        """
        return polygamma(n, self)  # type: ignore[arg-type, return-value]

    def clamp(self, min: float = float("-inf"), max: float = float("inf")) -> Value:
        """min(max(a, min), max); the gradient passes within the bounds, these included.

        **Raises** TypeError for bounds that are no numbers.

        >>> from pyautograd.scalar import Value
        >>> Value(3.0).clamp(max=1.0).data
        1.0
        """
        return apply(_ops.clamp, self, min, max)  # type: ignore[return-value]


class _Operands(set[Value]):
    """`_prev` while a step is recorded: a set that is gone through in the operands' order."""

    def __init__(self, operands: tuple[Value, ...]) -> None:
        super().__init__(operands)
        self._order = tuple(dict.fromkeys(operands))

    def __iter__(self) -> Iterator[Value]:
        return iter(self._order)


def _rebuild(cls: type[Value], data: float, grad: float) -> Value:
    """What copy and pickle call; they add the attributes."""
    value = cls.__new__(cls)
    _core.Value.__init__(value, data)
    value.grad = grad
    return value
