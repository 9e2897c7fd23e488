"""Random orders from whatever a user gives as a generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd._array_like import tensor
from pyautograd._generator import Generator
from pyautograd._random import randint, randperm
from pyautograd._tensor import Tensor


def permutation(n: int, generator: Any) -> Tensor:
    """0 … n-1 in a random order, int64: from the thread's stream (None), a seed, or a generator object."""
    generator = seeded(generator)
    if isinstance(generator, np.random.Generator):
        return tensor(generator.permutation(n).astype(np.int64))
    return randperm(n, generator=generator)


def integers(n: int, count: int, generator: Any) -> Tensor:
    """As many numbers from 0 … n-1, int64, each drawn anew."""
    generator = seeded(generator)
    if isinstance(generator, np.random.Generator):
        return tensor(generator.integers(0, n, count, np.int64))
    return randint(0, n, (count,), generator=generator)


def seeded(generator: Any) -> Any:
    """The generator itself, or NumPy's that starts from it where it is a seed; TypeError for anything else."""
    if generator is None or isinstance(generator, (Generator, np.random.Generator)):
        return generator
    if isinstance(generator, (int, np.integer)) and not isinstance(generator, bool):
        return np.random.default_rng(int(generator))
    raise TypeError(f"generator is a seed, a pyautograd.Generator or a numpy.random.Generator, not {generator!r}")
