"""Functions that make tensors: from data, filled, ranges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd import _arguments, _core, _dims
from pyautograd._arguments import named
from pyautograd._array_like import as_array, typed_array
from pyautograd._dtype import BY_NUMPY, DTYPES, as_dtype, bool_, from_numpy_dtype, get_default_dtype, int64
from pyautograd._dtype import dtype as Dtype
from pyautograd._tensor import Tensor

__all__ = [
    "arange", "as_tensor", "empty", "empty_like", "eye", "from_numpy", "full", "full_like", "linspace", "ones",
    "ones_like",
    "tensor", "zeros", "zeros_like",
]  # fmt: skip


def _cpu(device: Any) -> None:
    if device is not None and str(device).split(":")[0] != "cpu":
        raise RuntimeError(f"device: tensors live on the cpu; there is no {device!r} here")


def _finish(made: Any, requires_grad: bool) -> Tensor:
    if requires_grad:
        made.requires_grad = True
    return made  # type: ignore[no-any-return]


def _wanted(dtype: Any, default: Dtype | None = None) -> Dtype:
    return (default or get_default_dtype()) if dtype is None else as_dtype(dtype)


def _find_fields() -> bool:
    """Tells C how arrays look; False where they look otherwise than it knows, and Python does its work."""
    sample = np.zeros((4, 6))[::2, ::3]
    found = sample.__array_interface__
    dtypes = tuple(each.numpy for each in DTYPES)
    return _core.arrays(sample, found["data"][0], sample.shape, sample.strides, dtypes)


_find_fields()


def _over(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor over an array's memory, which it keeps alive."""
    strides = tuple(stride // array.itemsize for stride in array.strides)
    code = from_numpy_dtype(array.dtype).code
    return _core.borrow(array, array.__array_interface__["data"][0], code, array.shape, strides)


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of the data.

    **Arguments:** `data`: a number, nested lists of numbers, a tensor, or an array of at most 8 axes: an ndarray, a
    buffer, what has `__array__` or `__dlpack__`. `dtype`: by default the default float for Python floats, int64 for
    ints, bool for bools, and the own dtype of what has one (small integers become int64, float16 float32); of a
    list the highest that occurs. `requires_grad`: whether gradients flow to it. **Raises** ValueError for ragged
    lists, tensors of several elements in a list and numbers that do not fit, TypeError for what is no number.

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
    _cpu(device)
    array, natural = as_array(data, None if dtype is None else as_dtype(dtype))
    made: Any = _core.empty(natural.code, array.shape)
    if array.size:
        np.copyto(made.numpy(), array, casting="unsafe")
    return _finish(made, requires_grad)


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
        return made  # type: ignore[no-any-return]
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: an ndarray is wanted, not {type(array).__name__}")
    if array.dtype not in BY_NUMPY:
        raise TypeError(
            f"from_numpy: memory of {array.dtype} cannot be shared; tensors are float32, float64, int64, bool"
        )
    if not array.flags.aligned or any(stride % array.itemsize for stride in array.strides):
        raise ValueError("from_numpy: a misaligned array cannot be shared; copy it first")
    if not array.flags.writeable:
        raise ValueError("from_numpy: a read-only array cannot be shared; use tensor(), which copies")
    return _over(array)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The data as a tensor, without a copy where that can be: a tensor itself, or over the memory of an array, a buffer
    or what else has a dtype. Takes and raises what `tensor` does."""
    _cpu(device)
    if dtype is None and (made := _core.array_over(data)) is not NotImplemented:
        return made  # type: ignore[no-any-return]
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    array = typed_array(data)
    if array is not None and (dtype is None or BY_NUMPY.get(array.dtype) is as_dtype(dtype)):
        try:
            return from_numpy(array)
        except (TypeError, ValueError):
            pass
    return tensor(data if array is None else array, dtype=dtype)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of a shape, whatever its memory holds.

    >>> import pyautograd
    >>> pyautograd.empty(2, 3).shape
    (2, 3)
    """
    _cpu(device)
    return _finish(_core.empty(_wanted(dtype).code, _dims.sizes("empty", size, "size")), requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of a shape, every element `fill_value`; by default of the dtype that the value has.

    >>> import pyautograd
    >>> pyautograd.full((2,), 7)
    tensor([7, 7])
    """
    _cpu(device)
    made: Any = _core.empty(_wanted(dtype, _dtype_of_number(fill_value)).code, _dims.sizes("full", (size,), "size"))
    _core.copy_into(made, fill_value, "full")
    return _finish(made, requires_grad)


def _dtype_of_number(number: Any) -> Dtype | None:
    """bool and int64 for bools and ints, of NumPy and in tensors too; None for floats: they have the default float."""
    if isinstance(number, bool | np.bool_):
        return bool_
    if isinstance(number, int | np.integer):
        return int64
    return number.dtype if isinstance(number, Tensor) and not number.dtype.is_floating_point else None


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros.

    >>> import pyautograd
    >>> pyautograd.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return full(_dims.sizes("zeros", size, "size"), 0, dtype=_wanted(dtype), device=device, requires_grad=requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones.

    >>> import pyautograd
    >>> pyautograd.ones(3, dtype=pyautograd.int64)
    tensor([1, 1, 1])
    """
    return full(_dims.sizes("ones", size, "size"), 1, dtype=_wanted(dtype), device=device, requires_grad=requires_grad)


@named
def empty_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the same shape and dtype, whatever its memory holds."""
    return empty(input.shape, dtype=_wanted(dtype, input.dtype), requires_grad=requires_grad)


@named
def zeros_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the same shape and dtype."""
    return zeros(input.shape, dtype=_wanted(dtype, input.dtype), requires_grad=requires_grad)


@named
def ones_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the same shape and dtype."""
    return ones(input.shape, dtype=_wanted(dtype, input.dtype), requires_grad=requires_grad)


@named
def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the same shape and dtype, every element `fill_value`."""
    return full(input.shape, fill_value, dtype=_wanted(dtype, input.dtype), requires_grad=requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` to `end`, which is not included, `step` apart; int64 if all three are ints.

    With an integer `dtype` the three are cut to ints first. **Raises** ValueError for a step of 0, one that leads away
    from `end`, and for what is not finite.

    >>> import pyautograd
    >>> pyautograd.arange(2, 8, 2)
    tensor([2, 4, 6])
    """
    if end is None:
        start, end = 0, start
    given = {"start": start, "end": end, "step": step}
    whole = all(hasattr(type(each), "__index__") and not isinstance(each, _core.Node) for each in given.values())
    wanted = _wanted(dtype, int64 if whole else get_default_dtype())
    if wanted is bool_:
        raise TypeError("arange: a range of bools is not possible")
    first, last, by = (int(each) if whole else _arguments.number("arange", name, each) for name, each in given.items())
    if not (math.isfinite(first) and math.isfinite(last) and math.isfinite(by)):
        raise ValueError(f"arange: from {first} to {last} by {by} is no range")
    if wanted is int64:
        first, last, by = int(first), int(last), int(by)
    if by == 0 or (last - first) / by < 0:
        raise ValueError(f"arange: no way from {first} to {last} by steps of {by}")
    return tensor(np.arange(first, last, by), dtype=wanted, device=device, requires_grad=requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included.

    >>> import pyautograd
    >>> pyautograd.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    count = _arguments.integer("linspace", "steps", steps)
    if count < 0:
        raise ValueError(f"linspace: {count} steps")
    first, last = _arguments.number("linspace", "start", start), _arguments.number("linspace", "end", end)
    numbers = np.linspace(first, last, count)
    return tensor(numbers, dtype=_wanted(dtype), device=device, requires_grad=requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The (n, m) matrix with ones on its diagonal.

    >>> import pyautograd
    >>> pyautograd.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    rows = _arguments.integer("eye", "n", n)
    columns = rows if m is None else _arguments.integer("eye", "m", m)
    if min(rows, columns) < 0:
        raise ValueError(f"eye: shape {(rows, columns)} is not possible")
    return tensor(np.eye(rows, columns), dtype=_wanted(dtype), device=device, requires_grad=requires_grad)
