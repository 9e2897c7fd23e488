"""Generator: a source of random numbers of its own, beside the global one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyautograd._random import get_rng_state, set_rng_state

__all__ = ["Generator"]

_FIRST_SEED = 67280421310721  # PyTorch's, for generators that nobody seeded


class Generator:
    """A stream of random numbers of its own, as `torch.Generator`: what DataLoader and random_split take.

    >>> import pyautograd as pa
    >>> data = pa.utils.data.TensorDataset(pa.arange(10))
    >>> a, b = (pa.utils.data.random_split(data, [8, 2], pa.Generator().manual_seed(42)) for _ in range(2))
    >>> a[1].indices == b[1].indices
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        if str(device) != "cpu":
            raise RuntimeError(f"Generator: there is no device {device!r} here, only cpu")
        self.manual_seed(_FIRST_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream anew from a seed; returns the generator."""
        self._seed = seed & 0xFFFFFFFFFFFFFFFF
        self._state = (self._seed, 0)
        return self

    def initial_seed(self) -> int:
        """The seed that the stream started from."""
        return self._seed

    def get_state(self) -> tuple[int, int]:
        """Where the stream stands."""
        return self._state

    def set_state(self, state: tuple[int, int]) -> Generator:
        """Puts the stream to where `get_state` said that it stood; returns the generator."""
        self._state = state
        return self

    @contextmanager
    def in_charge(self) -> Iterator[None]:
        """Inside, all random tensors come from this stream; the global one stays where it is."""
        outside = get_rng_state()
        set_rng_state(self._state)
        try:
            yield
        finally:
            self._state = get_rng_state()
            set_rng_state(outside)
