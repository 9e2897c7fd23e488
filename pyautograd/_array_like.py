"""Tensors of data: `tensor`, `as_tensor`, `from_numpy`, and what data means: the array that it is, and its dtype.

What has a dtype of its own keeps it: arrays and scalars of NumPy, tensors, buffers (`array.array`, `memoryview`), and
what has `__array__` or `__dlpack__`. Python's numbers are bool, int64 and the default float. A list has the highest
dtype that occurs in it, Python's floats counting as the default float; a tensor of one element is a number there, as
in PyTorch.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd import _core, _ops
from pyautograd._core import Node, Tensor, apply, is_traced_scalar
from pyautograd._device import check_device
from pyautograd._dtype import (
    BY_NUMPY,
    DTYPES,
    as_dtype,
    bool_,
    dtype,
    from_numpy_dtype,
    get_default_dtype,
    int64,
    uint8,
)

__all__ = ["as_tensor", "from_numpy", "tensor"]

Array = np.ndarray[Any, Any]

_NUMPYS = (np.ndarray, np.generic)
_UNTYPED = (list, tuple, int, float, str, bytes, type)
_LISTS = (list, tuple)
_ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__")
_PYTHONS = {bool, int, float}
_PYTHON_NUMBERS: tuple[tuple[type, dtype | None], ...] = ((bool, bool_), (int, int64), (float, None))


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of the data.

    **Arguments:** `data`: a number, nested lists of numbers, a tensor, or an array of at most 8 axes: an ndarray, a
    buffer, what has `__array__` or `__dlpack__`. `dtype`: by default the default float for Python floats, int64 for
    ints, bool for bools, and the own dtype of what has one (int8, int16 become int64, float16 float32); of a
    list the highest that occurs. `requires_grad`: whether gradients flow to it. **Raises** ValueError for ragged
    lists, tensors of several elements in a list and numbers that do not fit, TypeError for what is no number,
    RuntimeError for another device than "cpu".

    >>> import pyautograd
    >>> pyautograd.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> pyautograd.tensor([0.5, 1.5], requires_grad=True)
    tensor([0.5000, 1.5000], requires_grad=True)
    >>> import numpy as np
    >>> pyautograd.tensor([np.float64(0.1), 1])
    tensor([0.1000, 1.0000], dtype=float64)
    """
    check_device(device)
    wanted = None if dtype is None else as_dtype(dtype)
    if _core.is_recording() and _has_nodes(data):
        return leaf(_joined(data, wanted), requires_grad)
    array, natural = as_array(data, wanted)
    made = _core.empty(natural.code, array.shape)
    if array.size:
        np.copyto(made.numpy(), array, casting="unsafe")
    return leaf(made, requires_grad)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares an array's memory: a write to one shows in the other.

    **Raises** TypeError for a dtype that tensors do not have, ValueError for a read-only or misaligned array.

    >>> import numpy as np, pyautograd
    >>> a = np.zeros(2)
    >>> t = pyautograd.from_numpy(a)
    >>> a[0] = 5
    >>> t
    tensor([5., 0.], dtype=float64)
    """
    if (made := _core.array_over(array)) is not NotImplemented:
        return made
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: an ndarray is wanted, not {type(array).__name__}")
    if array.dtype not in BY_NUMPY:
        raise TypeError(
            f"from_numpy: memory of {array.dtype} cannot be shared; tensors are float32, float64, int64, int32, uint8 "
            "or bool"
        )
    if not array.flags.aligned or any(stride % array.itemsize for stride in array.strides):
        raise ValueError("from_numpy: a misaligned array cannot be shared; copy it first")
    if not array.flags.writeable:
        raise ValueError("from_numpy: a read-only array cannot be shared; use tensor(), which copies")
    return over_memory(array)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The data as a tensor, without a copy where that can be: a tensor itself, or over the memory of an array, a buffer
    or what else has a dtype. Takes and **raises** what `tensor` does.

    >>> import numpy as np, pyautograd
    >>> a = np.zeros(2, dtype=np.float32)
    >>> pyautograd.as_tensor(a)[0] = 1.0
    >>> a.tolist()
    [1.0, 0.0]
    """
    check_device(device)
    if dtype is None and (made := _core.array_over(data)) is not NotImplemented:
        return made
    if isinstance(data, Tensor) and not is_traced_scalar(data):
        return data if dtype is None else data.to(dtype)
    array = None if isinstance(data, Tensor) else typed_array(data)
    if array is not None and (dtype is None or BY_NUMPY.get(array.dtype) is as_dtype(dtype)):
        try:
            return from_numpy(array)
        except (TypeError, ValueError):
            pass
    return tensor(data if array is None else array, dtype=dtype)


def leaf(made: Tensor, requires_grad: bool) -> Tensor:
    """A fresh tensor, that gradients flow to if that was asked for."""
    if requires_grad:
        made.requires_grad = True
    return made


def over_memory(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor over an array's memory, which it keeps alive."""
    strides = tuple(stride // array.itemsize for stride in array.strides)
    code = from_numpy_dtype(array.dtype).code
    return _core.borrow(array, array.__array_interface__["data"][0], code, array.shape, strides)


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
    if isinstance(data, Node) and not isinstance(data, Tensor):
        float(data)  # a Value, which warns of the lost history
    if array is not None:
        if array.dtype.hasobject and hasattr(data, "columns"):
            from pyautograd._frames import numbers_of_frame

            array = numbers_of_frame(data, "data", "tensor")
        return _number_array(array), wanted or from_numpy_dtype(array.dtype)
    found: set[Any] = set()
    (numbers,) = _numbers([data], found)
    natural = wanted or max(map(_as_dtype, found), key=lambda each: each.code, default=get_default_dtype())
    try:
        return np.asarray(numbers, dtype=natural.numpy), natural
    except OverflowError:
        if natural is uint8:  # -1 is 255 there, as in PyTorch
            whole = np.asarray(numbers)
            if whole.dtype.kind == "i" and abs(whole).max() <= 255:
                return whole.astype(np.uint8), natural
        raise ValueError(f"tensor: the data holds a number that does not fit into {natural.name}") from None
    except ValueError as error:
        ragged = "the nested lists are ragged: " if "sequence" in str(error) else ""
        raise ValueError(f"tensor: {ragged}{error}") from None


def _has_nodes(data: Any) -> bool:
    return any(map(_has_nodes, data)) if isinstance(data, _LISTS) else isinstance(data, Node)


def _joined(data: Any, wanted: dtype | None) -> Tensor:
    """`tensor` out of ops, of data that holds tensors whose numbers a step that is recorded does not know."""
    found: set[Any] = set()
    whole = _stacked(data, found)
    natural = wanted or max(map(_as_dtype, found), key=lambda each: each.code)
    return apply(_ops.cast, whole, (natural.code,))


def _stacked(data: Any, found: set[Any]) -> Tensor:
    if isinstance(data, _LISTS):
        members = [_stacked(item, found) for item in data]
        return apply(_ops.cat, *[_core.reshape(member, (1, *member.shape)) for member in members], (0,))
    if not isinstance(data, Node):
        numbers, natural = as_array(data, None)
        found.add(natural)
        return _core.array_over(np.asarray(numbers, natural.numpy))
    number = data if isinstance(data, Tensor) else data.data  # of a Value
    is_float = is_traced_scalar(number) and number.dtype.is_floating_point
    found.add(get_default_dtype() if is_float else number.dtype)
    return apply(_ops.cast, number.detach(), (number.dtype.code,))


def _as_dtype(found: Any) -> dtype:
    return found if isinstance(found, dtype) else from_numpy_dtype(found)


def _number_array(array: Array) -> Array:
    if array.dtype.kind not in "fiub":
        raise TypeError(f"tensor: data of dtype {array.dtype} are no numbers that a tensor can hold")
    return array


def _numbers(items: Sequence[Any], found: set[Any]) -> Sequence[Any]:
    """Nested sequences as lists of numbers and arrays; `found` gets the dtypes of these."""
    types = set(map(type, items))
    if types <= _PYTHONS:  # left to NumPy, which converts them in C
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
        return float(item)  # which warns of the lost history
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


def operand(value: Any) -> Any:
    """What an operand that is neither a node nor a number means: NumPy's scalars are numbers, its arrays tensors."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return value.item()
        if value.dtype == object:
            raise TypeError("an array of objects is no operand; go over its elements: [x * y for x in array]")
        return as_tensor(value)
    if isinstance(value, numbers.Real):  # a Fraction
        return float(value)
    return NotImplemented


def _find_fields() -> bool:
    """Tells C where ndarrays keep their fields; False where C does not find them, and Python converts them instead."""
    sample = np.zeros((4, 6))[::2, ::3]
    found = sample.__array_interface__
    dtypes = tuple(each.numpy for each in DTYPES)
    return _core.arrays(sample, found["data"][0], sample.shape, sample.strides, dtypes)


_find_fields()
