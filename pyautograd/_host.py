"""`host_call`: Python that runs inside a compiled step, in order, at each replay.

host_call(log, loss, 0.1, "train")
    template    a tensor, a float, the constant "train"
    operands    loss                     what a program hands over at each replay, as copies
    HostCall    what the log holds, and then the program: called with operands, it returns a tuple of tensors

Hooks that a backward inside a step calls are such calls too, of a tensor's gradient.
"""

from __future__ import annotations

import collections
import dis
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyautograd import _core
from pyautograd._array_like import as_tensor
from pyautograd._core import Node, TraceError, is_recording, is_traced_scalar
from pyautograd._hooks import GradientHooks, StepHook
from pyautograd._structure import Constant
from pyautograd._tensor import Tensor
from pyautograd._value import Value

__all__ = ["host_call"]

_CHANGING = (list, dict, set, bytearray, collections.deque, np.ndarray, Node)


class Template:
    """The arguments of a host call: tensors, Values and traced floats are operands, all else is what it is."""

    def __init__(self, args: tuple[Any, ...], keeps_grad: bool = False) -> None:
        self._parts = [_part(arg, keeps_grad) for arg in args]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self._parts == other._parts

    __hash__ = None  # type: ignore[assignment]

    def constants(self) -> list[Any]:
        """What is handed over as it is, the same at each call."""
        return [part.value for part in self._parts if isinstance(part, Constant)]

    def fill(self, operands: Iterator[Any]) -> list[Any]:
        """The arguments of a call, out of tensors of Python's own."""
        return [part.value if isinstance(part, Constant) else part(next(operands)) for part in self._parts]


def operands_of(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What of the arguments a program hands over."""
    return tuple([arg for arg in args if isinstance(arg, Node)])


def _part(arg: Any, keeps_grad: bool) -> Any:
    """A constant, or what makes the argument of a tensor."""
    if is_traced_scalar(arg):
        return _as_number
    if isinstance(arg, Value):
        return _as_value
    if isinstance(arg, Node):
        return _with_gradient if keeps_grad and arg.requires_grad else _as_it_is
    return Constant(arg)


def check_arguments(name: str, args: tuple[Any, ...], error: type[Exception]) -> None:
    """Tensors inside a container would be those of the recorded call for ever."""
    for arg in args:
        if _holds_tensors(arg):
            raise error(
                f"{name}: a {type(arg).__name__} with tensors in it is an argument; give each tensor as one of its own"
            )


def _holds_tensors(arg: Any) -> bool:
    if isinstance(arg, dict):
        arg = arg.values()
    elif not isinstance(arg, (list, tuple, set, frozenset)):
        return False
    return any(isinstance(each, Node) or _holds_tensors(each) for each in arg)


def _as_number(operand: Any) -> Any:
    return operand.item()


def _as_value(operand: Any) -> Value:
    return Value(operand.item())


def _as_it_is(operand: Any) -> Any:
    return operand


def _with_gradient(operand: Any) -> Any:
    return operand.requires_grad_()


class HostCall:
    """One call of a function in a step. Equal to the same call in another recording of the step."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        check_arguments(f"host_call: {self.__name__}", args, TraceError if is_recording() else TypeError)
        self.template = Template(args)
        self._closed_over = _closed_over(function)
        self._is_tuple = False

    @property
    def functions(self) -> tuple[Any, ...]:
        return (self.function,)

    def constants(self) -> list[Any]:
        return [*self.template.constants(), getattr(self.function, "__self__", None)]

    def __call__(self, *operands: Any) -> tuple[Tensor, ...]:
        return self.take(self.function(*self.template.fill(iter(operands))))

    def take(self, returned: Any) -> tuple[Tensor, ...]:
        """What the function has returned, as a tuple of tensors."""
        self._is_tuple = isinstance(returned, tuple)
        if returned is None:
            return ()
        return tuple([self._tensor(each) for each in (returned if self._is_tuple else (returned,))])

    def give(self, results: tuple[Tensor, ...]) -> Any:
        """The results in the place of what the function has returned."""
        return results if self._is_tuple else results[0] if results else None

    def _tensor(self, result: Any) -> Tensor:
        if isinstance(result, Tensor):
            return result
        if not isinstance(result, (bool, int, float, np.ndarray, np.generic)):
            raise TypeError(
                f"host_call: {self.__name__} returned a {type(result).__name__}; it may return None, a tensor, an "
                "array or a number, or a tuple of these"
            )
        return as_tensor(result)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HostCall) or self.template != other.template:
            return False
        return _is_same(self.function, other.function) or self._is_made_like(other)

    __hash__ = None  # type: ignore[assignment]

    def _is_made_like(self, other: HostCall) -> bool:
        """Are both functions made by the step, of the same code, and do they read the same from around them?"""
        a, b = self.function, other.function
        if not (isinstance(a, types.FunctionType) and isinstance(b, types.FunctionType)):
            return False
        if a.__code__ is not b.__code__ or a.__globals__ is not b.__globals__ or _defaults(a) != _defaults(b):
            return False
        assigned = _assigned(a.__code__)
        cells = zip(a.__code__.co_freevars, a.__closure__ or (), b.__closure__ or (), strict=True)
        for i, (name, x, y) in enumerate(cells):
            read = {self._closed_over[i], other._closed_over[i], Constant(_content(x)), Constant(_content(y))}
            if x is not y and (len(read) > 1 or name in assigned or isinstance(_content(y), _CHANGING)):
                return False
        return True


class HookCall:
    """The hooks of a tensor, called with its gradient; of one that was there before the step, those it has by then."""

    __name__ = "a hook"

    def __init__(self, hooks: GradientHooks, is_captured: bool) -> None:
        self._hooks = hooks
        self._registered = None if is_captured else [HostCall(function, ()) for function in self.functions]
        self._of_modules = [hook for hook in hooks.hooks() if isinstance(hook, StepHook)]

    @property
    def functions(self) -> tuple[Any, ...]:
        hooks = self._hooks.hooks()
        return tuple([f for hook in hooks for f in (hook.functions if isinstance(hook, StepHook) else (hook,))])

    def constants(self) -> list[Any]:
        return [getattr(function, "__self__", None) for function in self.functions]

    def __call__(self, gradient: Tensor) -> tuple[Tensor, ...]:
        self._hooks.check_in_step()
        made = self._hooks(gradient, False)
        return (gradient if made is None else made.detach().to(gradient.dtype),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HookCall) or self._registered != other._registered:
            return False
        is_same = self._hooks is other._hooks or self._registered is not None
        return is_same and self._of_modules == other._of_modules

    __hash__ = None  # type: ignore[assignment]


def _is_same(a: Any, b: Any) -> bool:
    if isinstance(a, types.MethodType) and isinstance(b, types.MethodType):
        return a.__self__ is b.__self__ and a.__func__ is b.__func__
    if isinstance(a, functools.partial) and isinstance(b, functools.partial):
        return _is_same(a.func, b.func) and _bound(a) == _bound(b)
    return a is b or (isinstance(a, types.BuiltinMethodType) and bool(a == b))


def _bound(partial: functools.partial[Any]) -> list[Any]:
    return [*map(Constant, partial.args), *((key, Constant(value)) for key, value in partial.keywords.items())]


def _defaults(function: types.FunctionType) -> list[Constant]:
    return [*map(Constant, (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()))]


def _closed_over(function: Any) -> list[Constant]:
    """What the variables hold now that a function reads from those around it."""
    cells = function.__closure__ or () if isinstance(function, types.FunctionType) else ()
    return [Constant(_content(cell)) for cell in cells]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return ...


def _assigned(code: types.CodeType) -> set[str]:
    """The variables of functions around it that a function assigns."""
    names = {each.argval for each in dis.get_instructions(code) if each.opname in ("STORE_DEREF", "DELETE_DEREF")}
    inner = [_assigned(each) for each in code.co_consts if isinstance(each, types.CodeType)]
    return names.union(*inner) & set(code.co_freevars)


def check_made_here(name: str, function: Any, instead: str = "") -> None:
    """What a function reads of the step around it, without being given it, would be this call's for ever."""
    if not isinstance(function, types.FunctionType):
        return
    for variable, held in zip(function.__code__.co_freevars, _closed_over(function), strict=True):
        if isinstance(held.value, Node) and _core.is_of_step(held.value):
            raise TraceError(
                f"{name} reads {variable} of the step around it, which it would have from this call for ever; "
                + (instead or f"give it as an argument: host_call({function.__name__}, {variable})")
            )


def copied(arg: Any) -> Any:
    """An argument as the function gets it: a tensor or Value of its own, without history."""
    if is_traced_scalar(arg):
        return arg.item()
    if isinstance(arg, Value):
        return Value(arg.data)
    return arg.detach().clone() if isinstance(arg, Tensor) else arg


def host_call(function: Callable[..., Any], *args: Any) -> Any:
    """Calls `function(*args)` in Python; in a compiled step at each replay too, in its place among the ops.

    For a print, a logger, a function that goes to NumPy or SciPy: what the compiler leaves alone, as
    `jax.experimental.io_callback` does.

    **Arguments:** `function`: it gets tensors and Values as copies without history, which it may keep, floats as
    floats, all else as it is; it may read and write what outlives the step: parameters, their gradients, its own
    counters. **Returns** what the function returned: None, a tensor, or a tuple of tensors; arrays and numbers become
    tensors. They have no history: for gradients write an `autograd.Function`. **Raises** TypeError for a container
    with tensors in it, and for other results; in a compiled step RuntimeError where results have another shape or
    dtype than when the step was recorded, or where the function changes what the step reads, such as a model's mode;
    TraceError for a function that reads tensors of the step without being given them.

    >>> import numpy as np, pyautograd as pa
    >>> @pa.compile
    ... def solve(a, b):
    ...     x = pa.host_call(np.linalg.solve, a, b)
    ...     return 2 * x
    >>> a = pa.tensor([[2.0, 0.0], [0.0, 4.0]])
    >>> [solve(a, pa.tensor([2.0 * k, 4.0])).tolist() for k in range(4)]
    [[0.0, 2.0], [2.0, 2.0], [4.0, 2.0], [6.0, 2.0]]
    """
    if not callable(function):
        raise TypeError(f"host_call: a function is wanted, not {type(function).__name__}")
    call = HostCall(function, args)
    if not is_recording():
        results = tuple([each.detach().clone() for each in call.take(function(*map(copied, args)))])
    else:
        check_made_here(f"host_call: {call.__name__}", function)
        returned = _core.unrecorded(lambda: call.take(function(*map(copied, args))))
        results = _core.record_host(call, operands_of(args), returned)
    return call.give(results)
