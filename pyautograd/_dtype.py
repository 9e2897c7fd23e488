"""Element types: `pyautograd.float32`, `float64`, `int64`, `int32`, `uint8`, `bool`."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from pyautograd._c import lib

__all__ = [
    "bfloat16", "bool", "bool_", "cdouble", "cfloat", "complex64", "complex128", "double", "dtype", "float",
    "float16", "float32", "float64", "get_default_dtype", "half", "int", "int8", "int16", "int32", "int64", "long",
    "set_default_dtype", "set_flush_denormal", "short", "uint8",
]  # fmt: skip


class dtype:
    """An element type of a tensor: `float32`, `float64`, `int64`, `int32`, `uint8` or `bool`; each exists once.

    Made from a code of the core and NumPy's name for it. **Raises** TypeError for a name that NumPy does not know.

    >>> import pyautograd
    >>> pyautograd.float32
    pyautograd.float32
    >>> pyautograd.float32.itemsize, pyautograd.float32.is_floating_point
    (4, True)
    """

    __slots__ = ("code", "is_complex", "is_floating_point", "is_signed", "itemsize", "name", "numpy")

    def __init__(self, code: builtins.int, name: str) -> None:
        self.code = code
        self.name = name
        self.numpy = np.dtype(name)
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = self.numpy.kind == "f"
        self.is_signed = self.numpy.kind in "fi"
        self.is_complex = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype, which NumPy looks for here: `np.zeros(3, pyautograd.float32)`.

        >>> import numpy as np, pyautograd
        >>> np.dtype(pyautograd.float32)
        dtype('float32')
        """
        return self.numpy

    __numpy_dtype__ = dtype

    def __repr__(self) -> str:
        return f"pyautograd.{self.name}"

    def __reduce__(self) -> str:
        return {"bool": "bool_"}.get(self.name, self.name)


bool_ = dtype(0, "bool")
uint8 = dtype(1, "uint8")
int32 = dtype(2, "int32")
int64 = dtype(3, "int64")
float32 = dtype(4, "float32")
float64 = dtype(5, "float64")

DTYPES: tuple[dtype, ...] = (bool_, uint8, int32, int64, float32, float64)
_BY_NAME: dict[str, dtype] = {each.name: each for each in DTYPES} | {
    "float": float32,
    "double": float64,
    "long": int64,
    "int": int32,
}
TENSOR_TYPES: dict[dtype, str] = {
    bool_: "torch.BoolTensor",
    uint8: "torch.ByteTensor",
    int32: "torch.IntTensor",
    int64: "torch.LongTensor",
    float32: "torch.FloatTensor",
    float64: "torch.DoubleTensor",
}
_BY_NAME |= {name: each for each, name in TENSOR_TYPES.items()}
BY_NUMPY: dict[np.dtype[Any], dtype] = {each.numpy: each for each in DTYPES}  # asking a dtype for its name takes µs
bool = bool_
float = float32
double = float64
long = int64
int = int32


class absent_dtype:
    """An element type of PyTorch's that tensors do not have here; it can be named, and compared.

    **Raises** NotImplementedError where it is asked for, which says what to write.

    >>> import pyautograd
    >>> pyautograd.float16
    pyautograd.float16
    >>> pyautograd.zeros(2, dtype=pyautograd.float16)
    Traceback (most recent call last):
    NotImplementedError: dtype: there is no float16 here; write float32
    """

    __slots__ = ("instead", "name")

    def __init__(self, name: str, instead: str) -> None:
        self.name = name
        self.instead = instead

    def __repr__(self) -> str:
        return f"pyautograd.{self.name}"

    def __reduce__(self) -> str:
        return self.name


half = float16 = absent_dtype("float16", "float32")
bfloat16 = absent_dtype("bfloat16", "float32")
int8 = absent_dtype("int8", "int32")
short = int16 = absent_dtype("int16", "int32")
cfloat = complex64 = absent_dtype("complex64", "two tensors, of the real and the imaginary parts")
cdouble = complex128 = absent_dtype("complex128", "two tensors, of the real and the imaginary parts")
_ABSENT = {each.name: each for each in (float16, bfloat16, int8, int16, complex64, complex128)}
_ABSENT |= {"half": float16, "short": int16}
_BY_PYTHON_TYPE: dict[type, dtype | None] = {builtins.bool: bool_, builtins.int: int64, builtins.float: None}


def as_dtype(wanted: Any) -> dtype:
    """The dtype that a dtype, NumPy dtype, name or Python type means; TypeError for those that tensors do not have, and
    NotImplementedError for PyTorch's among them."""
    if isinstance(wanted, dtype):
        return wanted
    if isinstance(wanted, type):
        if wanted in _BY_PYTHON_TYPE:
            return _BY_PYTHON_TYPE[wanted] or get_default_dtype()
        if isinstance(of_type := getattr(wanted, "dtype", None), dtype):  # compat.FloatTensor and its like
            return of_type
    try:
        name = (
            wanted
            if isinstance(wanted, str)
            else wanted.name
            if type(wanted) is absent_dtype
            else np.dtype(wanted).name
        )
    except TypeError:
        name = ""
    if (absent := _ABSENT.get(name)) is not None:
        raise NotImplementedError(f"dtype: there is no {absent.name} here; write {absent.instead}")
    if (found := _BY_NAME.get(name)) is None:
        raise TypeError(f"dtype: tensors are float32, float64, int64, int32, uint8 or bool, not {wanted!r}")
    return found


def from_numpy_dtype(given: np.dtype[Any]) -> dtype:
    """The dtype in which an array's numbers are kept: other integers become int64, float16 float32."""
    if (known := BY_NUMPY.get(given)) is not None:
        return known
    if given.kind in "iu":
        if given.name == "uint64":
            raise TypeError("dtype: uint64 does not fit into int64; convert the array first")
        return BY_NUMPY.get(given.newbyteorder("="), int64)
    if given.name == "float16":
        return float32
    return as_dtype(given)


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats: float32 unless set otherwise.

    >>> import pyautograd
    >>> pyautograd.get_default_dtype()
    pyautograd.float32
    """
    return DTYPES[builtins.int(lib.pa_default_float_get())]


def set_default_dtype(wanted: Any) -> None:
    """Make tensors from Python floats float32 or float64. **Raises** TypeError for another dtype.

    >>> import pyautograd
    >>> pyautograd.set_default_dtype(pyautograd.float64)
    >>> pyautograd.tensor(0.5).dtype
    pyautograd.float64
    >>> pyautograd.set_default_dtype(pyautograd.float32)
    """
    found = as_dtype(wanted)
    if not found.is_floating_point:
        raise TypeError(f"set_default_dtype: float32 or float64, not {found.name}")
    lib.pa_default_float_set(found.code)


def set_flush_denormal(mode: builtins.bool) -> builtins.bool:
    """Whether float32 work flushes denormals to zero: numbers below 1.2e-38, on which some processors take 100 cycles.

    True, as at the start: products, all that a backward sweep does and optimiser updates over float32 tensors read
    denormals as zero and leave none. Other forward ops keep them, and so do float64 tensors and Values (an optimiser's
    moments aside). False: all work keeps them. It holds for this engine alone, in all threads: other code always runs
    in the mode that it has set itself. Products that NumPy's BLAS makes on several threads are made in the mode of
    these threads, which keeps them, unless one operand is below 2^-110 altogether.

    **Returns** True if the processor has such a mode, on x86-64 and aarch64; without, nothing is flushed.

    **Raises** TypeError if `mode` is not a bool.

    >>> import pyautograd as pa
    >>> tiny = pa.tensor([1e-30])
    >>> supported = pa.set_flush_denormal(False)
    >>> (tiny @ pa.tensor([1e-10])).item() > 0.0
    True
    >>> supported == pa.set_flush_denormal(True)
    True
    """
    if not isinstance(mode, builtins.bool):
        raise TypeError(f"set_flush_denormal: mode must be a bool, not {type(mode).__name__}")
    return builtins.bool(lib.pa_flush_denormal(mode))
