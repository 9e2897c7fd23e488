"""DataLoader: batches of a dataset, read in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from pyautograd import _ops
from pyautograd._arguments import named
from pyautograd._array_like import tensor
from pyautograd._core import apply
from pyautograd._creation import arange
from pyautograd._described import described
from pyautograd._shape import SLICE
from pyautograd._tensor import Tensor
from pyautograd.utils.data._collate import convert, default_collate
from pyautograd.utils.data._dataset import IterableDataset, Subset, TensorDataset
from pyautograd.utils.data._random import permutation, seeded

__all__ = ["DataLoader"]


class DataLoader:
    """Batches of a dataset, in its order or shuffled anew for every pass.

    `generator` is a seed, a `pyautograd.Generator` or a `numpy.random.Generator`; without one the order comes from the
    thread's stream. The batches of a TensorDataset are taken out by one indexing a tensor and are copies of its rows.
    `batch_size=None` gives the samples as they are. `num_workers` must be 0, `pin_memory` changes nothing.

    **Raises** ValueError for a batch size that is no positive int, and for options that exclude each other.

    >>> import pyautograd as pa
    >>> data = TensorDataset(pa.arange(5))
    >>> [x.tolist() for x, in DataLoader(data, batch_size=2, drop_last=True)]
    [[0, 1], [2, 3]]
    """

    @named
    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *,
        generator: Any = None,
    ) -> None:
        if num_workers != 0:
            raise ValueError(f"DataLoader reads in this process: num_workers must be 0, not {num_workers}")
        if isinstance(dataset, IterableDataset) and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader: an IterableDataset has its own order; shuffle and samplers do not apply")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "DataLoader: batch_sampler is mutually exclusive with batch_size, shuffle, sampler and drop_last"
                )
            batch_size = None
        elif batch_size is None:
            if drop_last:
                raise ValueError("DataLoader: batch_size=None gives single samples; there is nothing to drop")
        elif isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size <= 0:
            raise ValueError(f"DataLoader: batch_size should be a positive integer value, but got {batch_size!r}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = bool(shuffle)
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = 0
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        # A seed makes one generator for all passes, so that they differ.
        self.generator = seeded(generator)

    def __len__(self) -> int:
        """How many batches a pass has."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        n = len(self.dataset if self.sampler is None else self.sampler)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __repr__(self) -> str:
        return described(self)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            return self._read_iterable(self.dataset)
        if self.batch_sampler is None and self.batch_size is None:
            return self._read_samples()
        if self.collate_fn is None:
            tensors, rows = tensors_of(self.dataset)
            if tensors:
                return self._read_tensors(tensors, rows)
        return self._read_batches()

    def _order(self) -> Iterable[Any]:
        if self.sampler is not None:
            return self.sampler
        n = len(self.dataset)
        return permutation(n, self.generator).tolist() if self.shuffle else range(n)

    def _index_batches(self) -> Iterator[list[Any]]:
        if self.batch_sampler is not None:
            yield from map(list, self.batch_sampler)
        else:
            yield from self._batched(iter(self._order()))

    def _batched(self, items: Iterator[Any]) -> Iterator[list[Any]]:
        assert self.batch_size is not None
        while batch := list(islice(items, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def _read_tensors(self, tensors: tuple[Tensor, ...], rows: Tensor | None) -> Iterator[list[Tensor]]:
        if self.batch_sampler is not None or self.sampler is not None:
            for indices in self._index_batches():
                index = tensor(np.asarray(indices, np.int64))
                if rows is not None:
                    index = rows[index]
                yield [t[index] for t in tensors]
            return
        n, size = len(self.dataset), self.batch_size or 1
        order = permutation(n, self.generator) if self.shuffle else arange(n)
        if rows is not None:
            order = rows[order]
        # The ops themselves: the checks of order[a:b] and t[index] would take longer than the copies.
        for start in range(0, n - n % size if self.drop_last else n, size):
            index = apply(_ops.view, order, (SLICE, start, 1, min(size, n - start)))
            yield [apply(_ops.index, t, index, (1,)) for t in tensors]

    def _read_batches(self) -> Iterator[Any]:
        collate = default_collate if self.collate_fn is None else self.collate_fn
        dataset = self.dataset
        fetch = getattr(dataset, "__getitems__", None) or (lambda indices: [dataset[i] for i in indices])
        for indices in self._index_batches():
            yield collate(fetch(indices))

    def _read_samples(self) -> Iterator[Any]:
        collate: Callable[[Any], Any] = convert if self.collate_fn is None else self.collate_fn
        for i in self._order():
            yield collate(self.dataset[i])

    def _read_iterable(self, dataset: IterableDataset[Any]) -> Iterator[Any]:
        if self.batch_size is None:
            yield from map(convert if self.collate_fn is None else self.collate_fn, dataset)
        else:
            collate = default_collate if self.collate_fn is None else self.collate_fn
            yield from map(collate, self._batched(iter(dataset)))


def tensors_of(dataset: Any) -> tuple[tuple[Tensor, ...], Tensor | None]:
    """The tensors under a TensorDataset, or under Subsets of one, and which of their rows it has; () for others."""
    chain = []
    while type(dataset) is Subset:
        chain.append(dataset.indices)
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset:
        return (), None
    rows = None
    for indices in reversed(chain):
        index = np.asarray(indices, np.int64).reshape(-1)
        index = np.where(index < 0, index + (len(dataset) if rows is None else len(rows)), index)
        rows = index if rows is None else rows[index]
    return dataset.tensors, None if rows is None else tensor(rows)
