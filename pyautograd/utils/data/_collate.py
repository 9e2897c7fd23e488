"""From a list of samples to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyautograd._array_like import tensor
from pyautograd._dtype import float64
from pyautograd._joins import stack
from pyautograd._tensor import Tensor

__all__ = ["default_collate"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples to a batch, as in PyTorch: tensors and arrays are stacked, numbers become a tensor, tuples and dicts are
    taken apart and their fields collated, text stays a list.

    **Raises** ValueError for an empty batch and samples of different lengths or shapes, KeyError for different keys,
    TypeError for other objects.

    >>> import pyautograd as pa
    >>> [field.tolist() for field in default_collate([(1, 0.5), (2, 0.25)])]
    [[1, 2], [0.5, 0.25]]
    """
    if not batch:
        raise ValueError("default_collate: the batch is empty")
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch))
    if isinstance(first, (np.ndarray, np.generic)):
        return tensor(np.stack([np.asarray(sample) for sample in batch]))
    if isinstance(first, float):
        return tensor(batch, dtype=float64)
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise ValueError("default_collate: each sample of a batch should have as many fields as the others")
        fields = [default_collate(field) for field in zip(*batch, strict=True)]
        if isinstance(first, tuple) and hasattr(first, "_fields"):
            return type(first)(*fields)
        return fields
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first).__name__}"
    )


def convert(sample: Any) -> Any:
    """A sample as it is where there are no batches: arrays become tensors."""
    if isinstance(sample, np.ndarray):
        return tensor(sample)
    if isinstance(sample, Mapping):
        return {key: convert(value) for key, value in sample.items()}
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*map(convert, sample))
    if isinstance(sample, (list, tuple)):
        return [convert(value) for value in sample]
    return sample
