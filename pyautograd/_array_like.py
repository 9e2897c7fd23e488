"""What data means: the array that it is, and the dtype of a tensor of it.

What has a dtype of its own keeps it: arrays and scalars of NumPy, tensors, buffers (`array.array`, `memoryview`), and
what has `__array__` or `__dlpack__`. Python's numbers are bool, int64 and the default float. A list has the highest
dtype that occurs in it, Python's floats counting as the default float; a tensor of one element is a number there, as
in PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd._core import Node
from pyautograd._dtype import bool_, dtype, from_numpy_dtype, get_default_dtype, int64
from pyautograd._tensor import Tensor

__all__: list[str] = []

Array = np.ndarray[Any, Any]

_NUMPYS = (np.ndarray, np.generic)
_UNTYPED = (list, tuple, int, float, str, bytes, type)
_LISTS = (list, tuple)
_ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__")
_PYTHONS = {bool, int, float}
_PYTHON_NUMBERS: tuple[tuple[type, dtype | None], ...] = ((bool, bool_), (int, int64), (float, None))


def typed_array(data: Any) -> Array | None:
    """What has a dtype of its own, as an array over its memory where that can be; None for anything else."""
    if isinstance(data, _NUMPYS):
        return np.asarray(data)
    if isinstance(data, _UNTYPED):
        return None
    if isinstance(data, Node):
        return np.asarray(data.detach())
    if any(hasattr(data, name) for name in _ARRAY_PROTOCOLS) or _is_buffer(data):
        return np.asarray(data)
    return np.from_dlpack(data) if hasattr(data, "__dlpack__") else None


def _is_buffer(data: Any) -> bool:
    try:
        with memoryview(data):
            return True
    except TypeError:
        return False


def as_array(data: Any, wanted: dtype | None) -> tuple[Array, dtype]:
    """The data as an array, and the dtype of a tensor of it: the one that is wanted, or its own."""
    array = typed_array(data)
    if array is not None:
        return _number_array(array), wanted or from_numpy_dtype(array.dtype)
    found: set[Any] = set()
    (numbers,) = _numbers([data], found)
    natural = wanted or max(map(_as_dtype, found), key=lambda each: each.code, default=get_default_dtype())
    try:
        return np.asarray(numbers, dtype=natural.numpy), natural
    except OverflowError:
        raise ValueError(f"tensor: the data holds a number that does not fit into {natural.name}") from None
    except ValueError as error:
        ragged = "the nested lists are ragged: " if "sequence" in str(error) else ""
        raise ValueError(f"tensor: {ragged}{error}") from None


def _as_dtype(found: Any) -> dtype:
    return found if isinstance(found, dtype) else from_numpy_dtype(found)


def _number_array(array: Array) -> Array:
    if array.dtype.kind not in "fiub":
        raise TypeError(f"tensor: data of dtype {array.dtype} are no numbers that a tensor can hold")
    return array


def _numbers(items: Sequence[Any], found: set[Any]) -> Sequence[Any]:
    """Nested sequences as lists of numbers and arrays; `found` gets the dtypes of these."""
    types = set(map(type, items))
    if types <= _PYTHONS:  # at the speed of C
        found.update(dtype or get_default_dtype() for kind, dtype in _PYTHON_NUMBERS if kind in types)
        return items
    return [_number(item, found) for item in items]


def _number(item: Any, found: set[Any]) -> Any:
    if isinstance(item, _LISTS):
        return _numbers(item, found)
    if isinstance(item, Tensor):
        if item.numel() != 1:
            raise ValueError(
                f"tensor: a list holds a tensor of shape {item.shape}, and only those of one element are numbers; "
                "stack() and cat() join tensors"
            )
        found.add(item.dtype)
        return item.item()
    if isinstance(item, Node):  # a Value: a Python number
        found.add(get_default_dtype())
        return item.data
    array = typed_array(item)
    if array is not None:
        found.add(_number_array(array).dtype)
        return array
    for kind, natural in _PYTHON_NUMBERS:
        if isinstance(item, kind):
            found.add(natural or get_default_dtype())
            return item
    if isinstance(item, Sequence) and not isinstance(item, str | bytes):
        return _numbers(item, found)
    raise TypeError(f"tensor: the data holds a {type(item).__name__}, which is no number")
