"""What the core has alive, and how to give memory back."""

from __future__ import annotations

from typing import NamedTuple

from pyautograd._c import lib

__all__ = ["empty_cache", "memory_stats"]


class MemoryStats(NamedTuple):
    """Counters of the core."""

    nodes: int
    storages: int
    live_bytes: int
    cached_bytes: int


def memory_stats() -> MemoryStats:
    """Nodes and storages alive, the bytes that everything alive takes, and the bytes of freed blocks kept for reuse.

    >>> import pyautograd
    >>> before = pyautograd.memory_stats().nodes
    >>> t = pyautograd.zeros(3)
    >>> pyautograd.memory_stats().nodes - before
    1
    """
    return MemoryStats(
        lib.pa_memory_live_nodes(),
        lib.pa_memory_live_storages(),
        lib.pa_memory_live_bytes(),
        lib.pa_memory_cached_bytes(),
    )


def empty_cache() -> None:
    """Give the freed blocks that are kept for reuse back to the system.

    >>> import pyautograd
    >>> pyautograd.empty_cache()
    >>> pyautograd.memory_stats().cached_bytes < 1 << 20
    True
    """
    lib.pa_memory_trim()
