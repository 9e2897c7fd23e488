"""Whether ops keep history: `no_grad`, `enable_grad`, `set_grad_enabled`; and anomaly detection.

The modes are context managers in C (csrc/python/modes.c), so that an interrupt cannot leave one switched; here they
become decorators.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any

from pyautograd._core import detect_anomaly as detect_anomaly
from pyautograd._core import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from pyautograd._core import set_detect_anomaly as set_detect_anomaly

__all__ = ["enable_grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]


def decorated(enabled: bool, function: Any) -> Callable[..., Any]:
    """The function in a mode. A generator or a coroutine is in it while it runs, and its caller is not meanwhile."""
    mode = enable_grad if enabled else no_grad
    if not callable(function):
        raise TypeError(f"{mode.__name__}: as a decorator it takes a function, not {type(function).__name__}")
    if inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{mode.__name__}: {function.__name__} is an asynchronous generator; write `with` in its body instead"
        )
    wrapped: Callable[..., Any]
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return _resumed(mode, function(*args, **kwargs))

    elif inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            return await _Awaited(mode, function(*args, **kwargs))

    else:

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with mode():
                return function(*args, **kwargs)

    return wrapped


def _resumed(mode: Any, generator: Any) -> Generator[Any, Any, Any]:
    """A generator that is in the mode between a resumption and the next yield."""
    try:
        with mode():
            given = next(generator)
        while True:
            try:
                sent = yield given
            except GeneratorExit:
                with mode():
                    generator.close()
                raise
            except BaseException as error:
                with mode():
                    given = generator.throw(error)
            else:
                with mode():
                    given = generator.send(sent)
    except StopIteration as end:
        return end.value


class _Awaited:
    """A coroutine's turn at `await`, in the mode."""

    def __init__(self, mode: Any, coroutine: Any) -> None:
        self._mode, self._coroutine = mode, coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        return _resumed(self._mode, self._coroutine.__await__())
