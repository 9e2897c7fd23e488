"""Helpers outside the engine; `pyautograd.utils.data` feeds training loops."""

from pyautograd.utils import data

__all__ = ["data"]


def __dir__() -> list[str]:
    return __all__
