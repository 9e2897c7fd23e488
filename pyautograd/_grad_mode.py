"""Whether ops keep history: `no_grad`, `enable_grad`, `set_grad_enabled`, and anomaly detection."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from pyautograd._core import bump_epoch, is_grad_enabled
from pyautograd._core import set_grad_enabled as _set

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["detect_anomaly", "enable_grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]


class _Mode:
    """A context manager, and a decorator, that switches history on or off."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_set(self._enabled))

    def __exit__(self, *exception: object) -> None:
        _set(self._before.pop())

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            before = _set(self._enabled)
            try:
                return function(*args, **kwargs)
            finally:
                _set(before)

        return wrapped  # type: ignore[return-value]


class no_grad(_Mode):
    """Ops inside keep no history, and leaves may be changed in place.

    >>> import pyautograd
    >>> w = pyautograd.tensor([1.0], requires_grad=True)
    >>> with pyautograd.no_grad():
    ...     (w * 2).requires_grad
    False
    """

    def __new__(cls, function: Any = None) -> Any:
        made = super().__new__(cls)
        if function is None:
            return made
        made.__init__()  # type: ignore[misc]
        return made(function)  # @no_grad without parentheses

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_Mode):
    """Ops inside keep history, also within `no_grad`."""

    def __init__(self) -> None:
        super().__init__(True)


class inference_mode(no_grad):
    """The same as `no_grad` here; the name PyTorch scripts use."""


class set_grad_enabled(_Mode):
    """Switch history on or off at once; as a context manager, until its end."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._before.append(_set(self._enabled))

    def __enter__(self) -> None:
        pass


anomaly = {"enabled": False}  # a dict, for the guards of programs to look into


class detect_anomaly:
    """While active, `backward()` raises FloatingPointError where an op makes a NaN or an infinity, naming op and
    shapes.

    >>> import pyautograd
    >>> x = pyautograd.tensor([0.0], requires_grad=True)
    >>> with pyautograd.autograd.detect_anomaly():
    ...     x.sqrt().sum().backward()
    Traceback (most recent call last):
    ...
    FloatingPointError: backward: sqrt of shape (1,) made inf in the gradient of its operand 0 of shape (1,)
    """

    def __enter__(self) -> None:
        self._before = anomaly["enabled"]
        anomaly["enabled"] = True
        bump_epoch()

    def __exit__(self, *exception: object) -> None:
        anomaly["enabled"] = self._before
        bump_epoch()


def anomaly_enabled() -> bool:
    return anomaly["enabled"]
