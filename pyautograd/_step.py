"""What stands in a function's place once it is compiled, and what it is as a method.

Model.step   the step of the class
model.step   a BoundStep: the object, and a step of its own, which does not keep the object alive
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any


class Step:
    """Stands in the place of a function. Each object that has it as a method gets a step of its own."""

    __wrapped__: Callable[..., Any]

    def __init__(self, function: Callable[..., Any], owner: Any = None) -> None:
        if not callable(function):
            raise TypeError(f"compile: a function is wanted, not {type(function).__name__}")
        self._name = getattr(function, "__name__", type(function).__name__)
        self._function = function if owner is None else _WeakMethod(function, owner)
        self._steps: dict[tuple[int, type], tuple[weakref.ref[Any], Step]] = {}  # of objects, by their id and class
        functools.update_wrapper(self, function, updated=())

    def _for_object(self, owner: Any) -> Step:
        """A step with nothing compiled yet, for one object."""
        raise NotImplementedError

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
        step = self._for_object(instance)
        self._steps[key] = reference, step
        return BoundStep(step, instance)

    def __deepcopy__(self, memo: dict[int, Any]) -> Step:
        return self  # as functions are


class BoundStep:
    """The step of one object, which it keeps alive as a bound method does."""

    def __init__(self, step: Any, owner: Any) -> None:
        self._step = step
        self.__self__ = owner
        self.__wrapped__ = step.__wrapped__
        self.__doc__ = step.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._step(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def __repr__(self) -> str:
        return repr(self._step)


class _WeakMethod:
    """A bound method that does not keep its object alive."""

    def __init__(self, function: Callable[..., Any], owner: Any) -> None:
        self.function = function
        self.owner = weakref.ref(owner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.owner(), *args, **kwargs)
