"""Samplers: the order in which a DataLoader reads."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

from pyautograd.utils.data._random import permutation


class Sampler:
    """Base class: a subclass defines `__iter__`, over indices, and `__len__`."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class SequentialSampler(Sampler):
    """0, 1, 2, …"""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A new random order each time; `generator` as for DataLoader."""

    def __init__(self, data_source: Sized, generator: Any = None) -> None:
        self.data_source = data_source
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        return iter(permutation(len(self.data_source), self.generator).tolist())

    def __len__(self) -> int:
        return len(self.data_source)
