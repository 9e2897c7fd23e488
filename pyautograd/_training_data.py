"""What `run` trains on, as tensors whose rows a step takes: arrays, data frames, and what a DataLoader loads.

x, y      tensors, arrays, frames and series of pandas or polars
loader    the tensors of its dataset, and with them how it makes batches
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyautograd import _grad_mode
from pyautograd._array_like import as_tensor
from pyautograd._core import Node
from pyautograd._dtype import float32, float64
from pyautograd._frames import numbers_of, numbers_of_frame
from pyautograd._generator import Generator
from pyautograd._tensor import Tensor

if TYPE_CHECKING:
    from pyautograd.utils.data import DataLoader

Array = np.ndarray[Any, Any]

IN_A_LOOP = "; run gives a step rows of the data and nothing else, so call this one in a loop"


def rows_of(data: Any, name: str, who: str = "run") -> Tensor:
    """Data with rows as a tensor without a history, over their memory where that can be; TypeError, which says in which
    column, for what is no number. `who` asks for them."""
    rows: Tensor | Array
    if isinstance(data, Tensor):
        rows = data
    elif hasattr(data, "__array__") and not isinstance(data, Node):
        rows = numbers_of_frame(data, name, who) if hasattr(data, "columns") else numbers_of(data, name, who)
    else:
        hint = IN_A_LOOP if who == "run" else ""
        raise TypeError(f"{who}: {name} is a {type(data).__name__}, no Tensor, ndarray or data frame{hint}")
    if rows.ndim == 0:
        raise ValueError(f"{who}: {name} is 0-d and has no rows")
    if isinstance(rows, np.ndarray):
        return as_tensor(np.ascontiguousarray(rows))
    with _grad_mode.no_grad():
        return rows.detach().contiguous()


def as_floats(data: Sequence[Tensor], is_array: Sequence[bool], error: BaseException) -> tuple[Tensor, ...] | None:
    """What a step gets in the place of data that it refuses by a TypeError which names their dtype: float32 for arrays
    of float64, as NumPy's are by default, and floats for tables of integers. None where there is no such array."""
    if not isinstance(error, TypeError):
        return None
    refused = [
        was_array and each.dtype.name in str(error) and (each.dtype is float64 or _is_table_of_integers(each))
        for each, was_array in zip(data, is_array)
    ]
    floats = [each.to(float32 if each.dtype is float64 else float64) if r else each for each, r in zip(data, refused)]
    return tuple(floats) if any(refused) else None


def _is_table_of_integers(rows: Tensor) -> bool:
    """A column of them alone may be classes."""
    return rows.ndim > 1 and not rows.dtype.is_floating_point


def is_loader(data: tuple[Any, ...]) -> bool:
    """Whether they are one DataLoader; who has none has not imported it."""
    loaders = sys.modules.get("pyautograd.utils.data._loader")
    return loaders is not None and len(data) == 1 and isinstance(data[0], loaders.DataLoader)


def of_loader(loader: DataLoader, options: dict[str, Any]) -> tuple[tuple[Any, ...], int, bool, bool, Any]:
    """The data of a loader, and its batch_size, shuffle, drop_last and generator, which `options` must not say as well;
    TypeError for a loader that makes its batches in another way than `run`."""
    for name, value in options.items():
        if value is not None:
            raise TypeError(f"run: {name} is said by the DataLoader; change it there")
    for name in ("sampler", "batch_sampler", "collate_fn"):
        if getattr(loader, name) is not None:
            raise TypeError(f"run: the DataLoader has a {name} of its own, which run does not call{IN_A_LOOP}")
    if loader.batch_size is None:
        raise TypeError("run: the DataLoader has no batch_size; give it one")
    generator = loader.generator
    if generator is not None and not isinstance(generator, Generator):
        write = "pyautograd.Generator().manual_seed(seed)"
        raise TypeError(f"run: the DataLoader shuffles by a generator of NumPy's; make it with generator={write}")
    return _loaded(loader.dataset), loader.batch_size, loader.shuffle, loader.drop_last, generator


def _loaded(dataset: Any) -> tuple[Any, ...]:
    from pyautograd.utils.data import default_collate
    from pyautograd.utils.data._loader import tensors_of

    tensors, rows = tensors_of(dataset)
    if tensors:
        return tensors if rows is None else tuple(tensor[rows] for tensor in tensors)
    if isinstance(dataset, Tensor | np.ndarray):
        return (dataset,)
    if not isinstance(dataset, list | tuple):
        kind = type(dataset).__name__
        raise TypeError(f"run: the DataLoader reads a {kind} item by item; make it a TensorDataset, or loop over it")
    batch = default_collate(dataset)
    return tuple(batch) if isinstance(batch, list | tuple) else (batch,)
