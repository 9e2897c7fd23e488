"""Allocations of the core that fail when a test says so, and what the core holds after them."""

import gc
from collections.abc import Iterator

import pytest

import pyautograd
from pyautograd._c import lib

MOST = 2000  # allocations that no step here comes near


def alive() -> tuple[int, ...]:
    """What the core holds."""
    stats = pyautograd.memory_stats()
    return stats.nodes, stats.storages, stats.live_bytes


def assert_alive(expected: tuple[int, ...], number: int) -> None:
    """Nothing is left behind by the run in which allocation `number` failed."""
    if alive() != expected:
        gc.collect()
    assert alive() == expected, number


def failures() -> Iterator[int]:
    """0, 1, 2 …: each time the allocation of that number fails, until none of that number is reached."""
    try:
        for number in range(MOST):
            lib.pa_memory_fail_after(number)
            yield number
            reached = lib.pa_memory_fail_left() < 0
            lib.pa_memory_fail_after(-1)
            if not reached:
                return
        pytest.fail(f"more than {MOST} allocations")
    finally:
        lib.pa_memory_fail_after(-1)
