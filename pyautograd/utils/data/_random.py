"""Random orders from whatever a user gives as a generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd._creation import tensor
from pyautograd._generator import Generator
from pyautograd._random import randperm
from pyautograd._tensor import Tensor


def permutation(n: int, generator: Any) -> Tensor:
    """0 … n-1 in a random order, int64: from the global generator (None), a seed, or a generator object."""
    if generator is None:
        return randperm(n)
    if isinstance(generator, (int, np.integer)):
        generator = np.random.default_rng(int(generator))
    if isinstance(generator, np.random.Generator):
        return tensor(generator.permutation(n).astype(np.int64))
    if isinstance(generator, Generator):
        with generator.in_charge():
            return randperm(n)
    raise TypeError(
        f"generator must be a seed, a pyautograd.Generator or a numpy.random.Generator, not {type(generator).__name__}"
    )
