"""Helpers outside the engine; `pyautograd.utils.data` feeds training loops."""

from pyautograd.utils import data, hooks

__all__ = ["data", "hooks"]


def __dir__() -> list[str]:
    return __all__
