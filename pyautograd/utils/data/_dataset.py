"""Datasets: things with a length and items."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, Generic, TypeVar

from pyautograd._arguments import named
from pyautograd._described import described, short
from pyautograd._tensor import Tensor
from pyautograd.utils.data._random import permutation

__all__ = [
    "ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset", "TensorDataset",
    "random_split",
]  # fmt: skip

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Base class of datasets: a subclass defines `__getitem__` and `__len__`.

    If it defines `__getitems__` too, a DataLoader has it read a list of indices at once. **Raises** NotImplementedError
    where `__getitem__` is missing.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return index * index
    >>> len(Squares() + Squares())
    8
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """A dataset that is read from one end to the other: a subclass defines `__iter__`.

    **Raises** NotImplementedError where that is missing.

    >>> import pyautograd as pa
    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> [x.tolist() for x in pa.utils.data.DataLoader(Countdown(), batch_size=2)]
    [[3, 2], [1]]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Rows of tensors that have the same first axis; item i is the tuple of their rows i.

    **Raises** ValueError where there is no tensor or the first axes differ, TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> data = TensorDataset(pa.arange(6).reshape(3, 2), pa.tensor([0, 1, 0]))
    >>> len(data), [t.tolist() for t in data[1]]
    (3, [[2, 3], 1])
    """

    tensors: tuple[Tensor, ...]

    @named
    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset: no tensors given")
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise TypeError(
                    f"TensorDataset takes tensors, not {type(tensor).__name__}; pyautograd.tensor(array) makes one"
                )
            if tensor.ndim == 0 or tensor.shape[0] != tensors[0].shape[0]:
                raise ValueError(
                    "TensorDataset: the tensors differ in their first axis; shapes "
                    + ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
                )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def __repr__(self) -> str:
        each = ", ".join(f"{tensor.dtype.name} {tuple(tensor.shape[1:])}" for tensor in self.tensors)
        return f"{type(self).__name__}({len(self)} rows: {each})"


class Subset(Dataset[T_co]):
    """The items of a dataset at the given indices, which are not checked before they are read; **raises** what the
    dataset does.

    >>> import pyautograd as pa
    >>> part = Subset(TensorDataset(pa.arange(5)), [4, 0])
    >>> [x.item() for (x,) in part]
    [4, 0]
    """

    @named
    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        rows = [self.indices[i] for i in indices]
        fetch = getattr(self.dataset, "__getitems__", None)
        return fetch(rows) if callable(fetch) else [self.dataset[row] for row in rows]

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} of {short(self.dataset)})"


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other. **Raises** ValueError for none, IndexError for an item out of range.

    >>> import pyautograd as pa
    >>> both = ConcatDataset([TensorDataset(pa.arange(3)), TensorDataset(pa.arange(2))])
    >>> len(both), both[3][0].item()
    (5, 0)
    """

    @named
    def __init__(self, datasets: Sequence[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: datasets should not be an empty list")
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __repr__(self) -> str:
        return described(self)

    def __getitem__(self, index: int) -> T_co:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range: there are {len(self)} items")
        index %= len(self)
        for dataset, end in zip(self.datasets, self.cumulative_sizes, strict=True):
            if index < end:
                return dataset[index - end + len(dataset)]  # type: ignore[arg-type]
        raise AssertionError


class ChainDataset(IterableDataset[T_co]):
    """Iterable datasets, one after the other. **Raises** TypeError, when read, for what cannot be iterated over.

    >>> list(ChainDataset(["ab", "c"]))
    ['a', 'b', 'c']
    """

    @named
    def __init__(self, datasets: Iterable[Iterable[T_co]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[T_co]:
        return chain.from_iterable(self.datasets)

    def __repr__(self) -> str:
        return described(self)


class StackDataset(Dataset[Any]):
    """Datasets side by side: an item is the tuple, or, of those given by name, the dict of their items.

    **Raises** ValueError for none, for some by name and some not, and for others that differ in length.

    >>> StackDataset(x="ab", y=[1, 2])[1]
    {'x': 'b', 'y': 2}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.datasets: Any = args or kwargs
        lengths = {len(dataset) for dataset in (*args, *kwargs.values())}
        if len(lengths) != 1 or (args and kwargs):
            raise ValueError("StackDataset: datasets of one length are wanted, all by name or none")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple([dataset[index] for dataset in self.datasets])

    def __len__(self) -> int:
        return len(next(iter(self.datasets.values())) if isinstance(self.datasets, dict) else self.datasets[0])

    def __repr__(self) -> str:
        return described(self, datasets=self.datasets)


def random_split(dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Any = None) -> list[Subset[T_co]]:
    """Splits a dataset at random into parts of the given lengths, or fractions that sum to 1.

    What fractions leave over goes to the parts in turn, as in PyTorch. `generator` is a seed, a `pyautograd.Generator`
    or a `numpy.random.Generator`; without one the thread's stream is used. **Raises** ValueError for lengths that do
    not sum to the dataset's.

    >>> import pyautograd as pa
    >>> a, b = random_split(TensorDataset(pa.zeros(10, 2)), [0.75, 0.25], generator=0)
    >>> len(a), len(b)
    (8, 2)
    """
    n = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1):
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"random_split: fraction at index {i} is not between 0 and 1: {fraction}")
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
        for i, size in enumerate(sizes):
            if size == 0:
                warnings.warn(f"random_split: part {i} is empty", UserWarning, stacklevel=2)
    else:
        sizes = [int(length) for length in lengths if length == int(length)]
    if len(sizes) != len(lengths) or sum(sizes) != n or any(size < 0 for size in sizes):
        raise ValueError(f"random_split: the lengths {list(lengths)} do not sum to the dataset's length, {n}")
    indices = permutation(n, generator).tolist()
    ends = list(accumulate(sizes))
    return [Subset(dataset, indices[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
