"""Python methods installed on a type that is made in C.

`Value` and `Tensor` are created and destroyed millions of times a second. A class made by a class statement would add
about 50 ns to each death, so the types are C's own, and a class statement only writes down their methods.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def late(module: str) -> Any:
    """A module of the package above the caller's, imported when a method needs it."""
    return importlib.import_module(f"pyautograd.{module}")


_OF_THE_STATEMENT = {"__dict__", "__weakref__", "__slots__", "__qualname__", "__static_attributes__", "__firstlineno__"}


def install_methods(target: type[Any]) -> Callable[[type[T]], type[T]]:
    """A class decorator: puts what the class and its bases in Python define onto a type.

    The body cannot use `super()`, which would look for the class of the statement.
    """

    def install(body: type[T]) -> type[T]:
        for each in reversed([each for each in body.__mro__ if each not in target.__mro__]):
            for name, attribute in vars(each).items():
                if name in _OF_THE_STATEMENT:
                    continue
                if getattr(attribute, "__qualname__", "") == f"{each.__qualname__}.{name}":
                    attribute.__qualname__ = f"{body.__qualname__}.{name}"  # errors and pickles name the type
                    attribute.__module__ = body.__module__
                setattr(target, name, attribute)
        return target

    return install
