"""Samplers: the order in which a DataLoader reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import chain, islice
from typing import Any

import numpy as np

from pyautograd._arguments import named
from pyautograd._array_like import as_tensor
from pyautograd._described import described
from pyautograd._dtype import float64
from pyautograd._random import multinomial
from pyautograd.utils.data._random import integers, permutation, seeded

__all__ = [
    "BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler", "WeightedRandomSampler",
]  # fmt: skip


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
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = None if num_samples is None else _count("RandomSampler", "num_samples", num_samples)
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """How many indices it gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            return iter(integers(n, wanted, self.generator).tolist())
        generator = seeded(self.generator)
        orders = (permutation(n, generator).tolist() for _ in range(-(-wanted // n) if n else 0))
        return islice(chain.from_iterable(orders), wanted)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices, in a new random order each time; `generator` is as for DataLoader. **Raises** TypeError, when
    read, for indices without a length.

    >>> sorted(SubsetRandomSampler([7, 3, 5]))
    [3, 5, 7]
    """

    @named
    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return iter([self.indices[i] for i in permutation(len(self.indices), self.generator).tolist()])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """`num_samples` draws of 0, 1, 2, …, with the probabilities that `weights` are proportional to; without
    `replacement` none is drawn twice. `generator` is a `pyautograd.Generator`.

    **Raises** as `multinomial`, when read; TypeError for a `replacement` that is no bool, ValueError for a
    `num_samples` that is no positive int.

    >>> list(WeightedRandomSampler([0.0, 1.0], 3))
    [1, 1, 1]
    """

    @named
    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"WeightedRandomSampler: replacement is a bool, not {replacement!r}")
        self.weights = as_tensor(weights, dtype=float64)
        self.num_samples = _count("WeightedRandomSampler", "num_samples", num_samples)
        self.replacement, self.generator = replacement, generator

    def __iter__(self) -> Iterator[int]:
        drawn: list[int] = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        ).tolist()
        return iter(drawn)

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of another sampler; with `drop_last` without one that is shorter.

    **Raises** ValueError for a `batch_size` that is no positive int.

    >>> list(BatchSampler(range(5), 2, False))
    [[0, 1], [2, 3], [4]]
    """

    @named
    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        self.sampler, self.drop_last = sampler, drop_last
        self.batch_size = _count("BatchSampler", "batch_size", batch_size)

    def __iter__(self) -> Iterator[list[Any]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def _count(name: str, argument: str, given: Any) -> int:
    if not isinstance(given, (int, np.integer)) or isinstance(given, bool) or given <= 0:
        raise ValueError(f"{name}: {argument} is a positive int, not {given!r}")
    return int(given)
