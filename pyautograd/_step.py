"""What stands in a function's place once it is compiled, and what it is as a method.

    Model.step   the step of the class
    model.step   a BoundStep: the object, and a step of its own, which does not keep the object alive

A step is copied and pickled as the function in whose place it stands: a function stays the one that it is and is found
by its name, a bound method goes with its object. Programs stay behind.
"""

from __future__ import annotations

import copy
import functools
import operator
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any


class Step:
    """Stands in the place of a function. Each object that has it as a method gets a step of its own."""

    __wrapped__: Callable[..., Any]
    __qualname__: str

    def __init__(self, function: Callable[..., Any], owner: Any = None) -> None:
        if not callable(function):
            raise TypeError(f"compile: a function is wanted, not {type(function).__name__}")
        self._name = getattr(function, "__name__", type(function).__name__)
        self._function = function if owner is None else _WeakMethod(function, owner)
        self._steps: dict[tuple[int, type], tuple[weakref.ref[Any], Step]] = {}  # of objects, by their id and class
        self._attribute = self._name
        functools.update_wrapper(self, function, updated=())

    def _options(self) -> dict[str, Any]:
        """Named arguments that make a step like this one."""
        raise NotImplementedError

    def _of(self, function: Callable[..., Any], owner: Any = None) -> Step:
        """A step like this one with nothing compiled yet, of another function or for one object."""
        return type(self)(function, owner=owner, **self._options())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _owner(self) -> Any:
        """The object whose step it is, or None."""
        return self._function.owner() if isinstance(self._function, _WeakMethod) else None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        key = id(instance), type(instance)
        found = self._steps.get(key)
        if found is not None and found[0]() is instance:
            return BoundStep(found[1], instance)

        def forget(_: Any) -> None:
            self._steps.pop(key, None)

        try:
            reference = weakref.ref(instance, forget)
        except TypeError:
            raise TypeError(
                f"compile: {type(instance).__name__}.{self._name}: objects of classes with __slots__ need "
                "'__weakref__' among them to have compiled methods"
            ) from None
        step = self._of(self.__wrapped__, instance)
        step._attribute = self._attribute
        self._steps[key] = reference, step
        return BoundStep(step, instance)

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = name

    def __copy__(self) -> Step:
        function = copy.copy(self.__wrapped__)
        return self if function == self.__wrapped__ else self._of(function)

    def __deepcopy__(self, memo: dict[int, Any]) -> Step:
        if not isinstance(memo, dict):
            raise TypeError(f"__deepcopy__: memo must be a dict, not {type(memo).__name__}")
        function = copy.deepcopy(self.__wrapped__, memo)
        if function is self.__wrapped__:
            return self
        copied: Step | None = memo.get(id(self))  # by way of its object, which has this step as an attribute
        return copied or self._of(function)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if (
            not isinstance(self.__wrapped__, types.FunctionType)
            or _global(self.__module__, self.__qualname__) is not self
        ):
            return _made, (type(self), self.__wrapped__, self._options())
        # In __main__ too, pickle finds it by its name; but cloudpickle takes functions from there with their code.
        if self.__module__ != "__main__" or int(protocol) < 4:
            return self.__qualname__
        return _found, (type(self), self._portable, self._options())

    @functools.cached_property
    def _portable(self) -> types.FunctionType:
        """The function, by the name under which it is found now that the step has its place."""
        function = self.__wrapped__
        assert isinstance(function, types.FunctionType)
        found = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        functools.update_wrapper(found, function)
        found.__kwdefaults__ = function.__kwdefaults__
        found.__qualname__ += "._portable"
        del found.__wrapped__  # type: ignore[attr-defined]
        return found


def _global(module: str, name: str) -> Any:
    """What a module has under a dotted name, or None."""
    try:
        return operator.attrgetter(name)(sys.modules[module])
    except (AttributeError, KeyError):
        return None


def _made(kind: type[Step], function: Callable[..., Any], options: dict[str, Any]) -> Step:
    return kind(function, **options)


def _found(kind: type[Step], function: Any, options: dict[str, Any]) -> Step:
    """The step whose portable function this is, or a new one where the function has come with its code."""
    name = function.__qualname__.removesuffix("._portable")
    step = _global(function.__module__, name)
    if isinstance(step, kind) and vars(step).get("_portable") is function:
        return step
    function.__qualname__ = name
    return kind(function, **options)


class BoundStep:
    """The step of one object, which it keeps alive as a bound method does."""

    def __init__(self, step: Any, owner: Any) -> None:
        self._step = step
        self.__self__ = owner
        self.__wrapped__ = step.__wrapped__
        self.__doc__ = step.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._step(*args, **kwargs)

    def run(self, *data: Any, **options: Any) -> Any:
        """As of the step; the object lives until it ends."""
        return self._step.run(*data, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundStep) and self._step is other._step

    def __hash__(self) -> int:
        return hash(self._step)

    def __copy__(self) -> BoundStep:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return getattr(copy.deepcopy(self.__self__, memo), self._step._attribute)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (self.__self__, self._step._attribute)

    def __repr__(self) -> str:
        return repr(self._step)


class _WeakMethod:
    """A bound method that does not keep its object alive."""

    def __init__(self, function: Callable[..., Any], owner: Any) -> None:
        self.function = function
        self.owner = weakref.ref(owner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.owner(), *args, **kwargs)
