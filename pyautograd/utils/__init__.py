"""Helpers outside the engine; `pyautograd.utils.data` feeds training loops."""

from pyautograd.utils import data

__all__ = ["data"]
