"""Samplers: the order in which a DataLoader reads."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import chain, islice
from typing import Any

import numpy as np

from pyautograd._arguments import named
from pyautograd._described import described
from pyautograd.utils.data._random import integers, permutation, seeded

__all__ = ["RandomSampler", "Sampler", "SequentialSampler"]


class Sampler:
    """Base class: a subclass defines `__iter__`, over indices, and `__len__`. **Raises** NotImplementedError where it
    does not.

    >>> class Evens(Sampler):
    ...     def __iter__(self):
    ...         return iter(range(0, 6, 2))
    >>> list(Evens())
    [0, 2, 4]
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")

    def __repr__(self) -> str:
        return described(self)


class SequentialSampler(Sampler):
    """0, 1, 2, … as many as the data source has items. **Raises** TypeError, when read, for one without a length.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    @named
    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A new random order each time; with `replacement`, draws of which each may be any index.

    It gives `num_samples` indices, as many as there are unless another number is asked for; `generator` is as for
    DataLoader. **Raises** TypeError for a `replacement` that is no bool, ValueError for a `num_samples` that is no
    positive int.

    >>> len(list(RandomSampler(range(3), num_samples=7)))
    7
    """

    @named
    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement is a bool, not {replacement!r}")
        is_count = isinstance(num_samples, (int, np.integer)) and not isinstance(num_samples, bool) and num_samples > 0
        if num_samples is not None and not is_count:
            raise ValueError(f"RandomSampler: num_samples is a positive int, not {num_samples!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """How many indices it gives."""
        return len(self.data_source) if self._num_samples is None else int(self._num_samples)

    def __iter__(self) -> Iterator[int]:
        n, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            return iter(integers(n, wanted, self.generator).tolist())
        generator = seeded(self.generator)
        orders = (permutation(n, generator).tolist() for _ in range(-(-wanted // n) if n else 0))
        return islice(chain.from_iterable(orders), wanted)

    def __len__(self) -> int:
        return self.num_samples
