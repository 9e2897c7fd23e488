"""Tensors in the hands of NumPy and of other libraries: the protocols that arrays speak, without a copy.

    a + x, np.add(a, x)        an operator: the tensor's own, with its gradient
    np.sin(x), np.isnan(x)     another ufunc: computed by NumPy over the tensor's memory; a tensor, as in PyTorch
    np.mean(x), np.stack(xs)   another function: computed by NumPy over the tensor's memory; what NumPy gives
    a += x                     NumPy's, into the array

What NumPy computes has no gradient, so that it refuses a tensor that requires one and names the function to write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyautograd._array_like import as_tensor, over_memory
from pyautograd._core import Tensor, TraceError, is_grad_enabled
from pyautograd._device import check_device
from pyautograd._dtype import BY_NUMPY

__all__ = ["from_dlpack"]

_CPU = (1, 0)  # kDLCPU, the first device
_OPERATORS: dict[Any, tuple[str, str]] = {  # the tensor's on the left, and on the right
    **{
        ufunc: (f"__{name}__", f"__r{name}__")
        for ufunc, name in (
            (np.add, "add"), (np.subtract, "sub"), (np.multiply, "mul"), (np.divide, "truediv"), (np.power, "pow"),
            (np.floor_divide, "floordiv"), (np.remainder, "mod"), (np.matmul, "matmul"), (np.bitwise_and, "and"),
            (np.bitwise_or, "or"), (np.bitwise_xor, "xor"),
        )
    },
    np.less: ("__lt__", "__gt__"), np.greater: ("__gt__", "__lt__"), np.less_equal: ("__le__", "__ge__"),
    np.greater_equal: ("__ge__", "__le__"), np.equal: ("__eq__", "__eq__"), np.not_equal: ("__ne__", "__ne__"),
    np.negative: ("__neg__", ""), np.positive: ("__pos__", ""), np.absolute: ("__abs__", ""),
    np.invert: ("__invert__", ""),
}  # fmt: skip
_OF_SHAPES = (np.shape, np.ndim, np.size)  # they ask for no numbers


def from_dlpack(x: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of another library's array: what has `__dlpack__`, as tensors themselves have.

    `copy=True` gives it memory of its own. **Raises** RuntimeError for another device than "cpu", TypeError for what
    has no `__dlpack__` and for dtypes that tensors do not have, ValueError for memory that is read-only, or of a
    library that does not say (DLPack before 1.0), and for what NumPy cannot share.

    >>> import numpy as np, pyautograd
    >>> a = np.zeros(2)
    >>> t = pyautograd.from_dlpack(a)
    >>> a[0] = 1
    >>> t
    tensor([1., 0.], dtype=float64)
    >>> np.from_dlpack(t)
    array([1., 0.])
    """
    check_device(device)
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"from_dlpack: what has __dlpack__ is wanted, not {type(x).__name__}")
    try:
        array = np.from_dlpack(x)
    except BufferError as error:  # of a dtype or a device that NumPy has not
        raise ValueError(f"from_dlpack: {error}") from error
    if array.dtype not in BY_NUMPY:
        raise TypeError(f"from_dlpack: memory of {array.dtype} cannot be shared; convert it there first")
    array = array.copy() if copy else array
    if not array.flags.writeable:
        raise ValueError("from_dlpack: read-only memory cannot be shared; use tensor(), which copies")
    return over_memory(array)


class InteropMethods:
    """What NumPy, and who reads NumPy's arrays or DLPack's, asks of a tensor."""

    __array_priority__ = 1000

    @property
    def __array_interface__(self: Any) -> dict[str, Any]:
        """For those who take no buffers; NumPy asks for it where a buffer is refused, and so gets the reason."""
        with memoryview(self) as view:
            data = (self._data_pointer, False)
            return {
                "shape": view.shape,
                "typestr": self.dtype.numpy.str,
                "data": data,
                "strides": view.strides,
                "version": 3,
            }

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """For those who look for it, as pandas and scikit-learn do; NumPy takes the buffer."""
        array = np.asarray(self)
        return array if dtype is None and not copy else np.array(array, dtype=dtype, copy=copy)

    def __dlpack__(self: Any, **keywords: Any) -> Any:
        """A capsule over the tensor's memory, as NumPy makes it. **Raises** RuntimeError where grad is required."""
        return np.asarray(self).__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's device: the CPU."""
        return _CPU

    def __array_ufunc__(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        """NumPy's operators on an array and a tensor are the tensor's; its other ufuncs compute in NumPy."""
        operator = _OPERATORS.get(ufunc)
        if operator is not None and method == "__call__" and not keywords:
            if isinstance(inputs[0], Tensor):
                return getattr(inputs[0], operator[0])(*inputs[1:])
            return getattr(inputs[1], operator[1])(inputs[0])
        result = getattr(ufunc, method)(*_arrays(ufunc, inputs), **_arrays(ufunc, keywords))
        if out := keywords.get("out"):
            return out[0] if len(out) == 1 else out
        return tuple(map(_tensor_of, result)) if isinstance(result, tuple) else _tensor_of(result)

    def __array_function__(
        self, function: Callable[..., Any], types: Sequence[type], args: Any, keywords: dict[str, Any]
    ) -> Any:
        """NumPy's functions take tensors as the arrays over their memory, and give what they give for those."""
        if not all(issubclass(each, (Tensor, np.ndarray)) for each in types):
            return NotImplemented
        return function(*_arrays(function, args), **_arrays(function, keywords))


def _tensor_of(result: Any) -> Any:
    """A tensor of what NumPy computed; what tensors have no dtype for stays NumPy's."""
    return as_tensor(result) if getattr(result, "dtype", None) in BY_NUMPY else result


def _arrays(function: Any, given: Any) -> Any:
    """The arguments with arrays in the places of tensors. **Raises** RuntimeError where one requires grad, TraceError
    where a program alone has its numbers."""
    if isinstance(given, (list, tuple)) and not hasattr(given, "_fields"):
        return type(given)(_arrays(function, each) for each in given)
    if isinstance(given, dict):
        return {name: _arrays(function, each) for name, each in given.items()}
    if not isinstance(given, Tensor):
        return given
    if function in _OF_SHAPES:
        return np.broadcast_to(np.empty((), given.dtype.numpy), given.shape)
    if given.requires_grad and is_grad_enabled():
        raise RuntimeError(
            f"{_name_of(function)}: a tensor of shape {given.shape} that requires grad, of which NumPy keeps no "
            f"history; {_instead_of(function)}give it x.detach()"
        )
    try:
        return np.asarray(given)
    except TraceError:
        raise TraceError(
            f"{_name_of(function)} of what a compiled step is given, or has computed: an ndarray arrives as a "
            f"Tensor, and its numbers are known to the program alone; {_instead_of(function)}do it outside of the step"
        ) from None


def _name_of(function: Any) -> str:
    module: str = getattr(function, "__module__", None) or "numpy"
    return f"{module.replace('numpy', 'np', 1)}.{function.__name__}"


def _instead_of(function: Any) -> str:
    import pyautograd

    return f"write pyautograd.{function.__name__}, or " if hasattr(pyautograd, function.__name__) else ""
