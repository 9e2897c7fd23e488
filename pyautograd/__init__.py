"""pyautograd: an autograd core in C for training small and medium nets on a CPU.

Three ways in: `pyautograd.scalar` has micrograd's names, this module PyTorch's; `pyautograd.reference` is the engine in
pure Python.

>>> from pyautograd import Value, Tensor, MLP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pyautograd import _dtype, _generated, autograd
from pyautograd._array_like import *
from pyautograd._blas import get_num_threads, set_num_threads
from pyautograd._compile import CompiledStep, TraceError, compile
from pyautograd._creation import *
from pyautograd._device import cuda, device, isa
from pyautograd._dtype import dtype, float32, float64, get_default_dtype, int64, set_default_dtype, set_flush_denormal
from pyautograd._elementwise import *
from pyautograd._generated import *
from pyautograd._generator import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from pyautograd._grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from pyautograd._memory import empty_cache, memory_stats
from pyautograd._random import *
from pyautograd._reduce import *
from pyautograd._shape import *
from pyautograd._tensor import Tensor
from pyautograd._value import Value
from pyautograd._version import __version__

bool = bool_ = _dtype.bool_
float = _dtype.float32
double = _dtype.float64
long = _dtype.int64


def is_tensor(obj: object) -> Any:
    """Is it a Tensor? It raises nothing.

    >>> import pyautograd as pa
    >>> pa.is_tensor(pa.ones(2)), pa.is_tensor([1.0, 1.0])
    (True, False)
    """
    return isinstance(obj, Tensor)


__all__ = [
    "MLP",
    "CompiledStep",
    "Generator",
    "Tensor",
    "TraceError",
    "Value",
    "__version__",
    "add",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "as_tensor",
    "autograd",
    "bench",
    "bmm",
    "bool",
    "bool_",
    "broadcast_to",
    "cat",
    "chunk",
    "clamp",
    "clip",
    "compile",
    "concat",
    "cuda",
    "datasets",
    "default_generator",
    "device",
    "dot",
    "double",
    "dtype",
    "empty",
    "empty_cache",
    "empty_like",
    "enable_grad",
    "expand",
    "expand_as",
    "eye",
    "flatten",
    "float",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "gelu",
    "get_default_dtype",
    "get_num_threads",
    "get_rng_state",
    "index_select",
    "inference_mode",
    "initial_seed",
    "int64",
    "is_grad_enabled",
    "is_tensor",
    "isa",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "linspace",
    "load",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "long",
    "manual_seed",
    "masked_fill",
    "matmul",
    "max",
    "mean",
    "memory_stats",
    "min",
    "mm",
    "movedim",
    "mv",
    "nn",
    "no_grad",
    "norm",
    "normal",
    "ones",
    "ones_like",
    "optim",
    "outer",
    "permute",
    "plot",
    "pow",
    "prod",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "ravel",
    "reference",
    "repeat",
    "reshape",
    "rsqrt",
    "save",
    "scalar",
    "seed",
    "set_default_dtype",
    "set_flush_denormal",
    "set_grad_enabled",
    "set_num_threads",
    "set_rng_state",
    "softmax",
    "split",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "swapaxes",
    "t",
    "tensor",
    "transpose",
    "tril",
    "triu",
    "unbind",
    "unsqueeze",
    "utils",
    "var",
    "view",
    "view_as",
    "where",
    "zeros",
    "zeros_like",
]  # fmt: skip
__all__ += _generated.__all__

if TYPE_CHECKING:
    from pyautograd import bench, datasets, nn, optim, plot, reference, scalar, utils
    from pyautograd._serialization import load, save
    from pyautograd.nn import MLP

_LAZY = {"MLP": "pyautograd.nn", "load": "pyautograd._serialization", "save": "pyautograd._serialization"}
_MODULES = {"bench", "datasets", "nn", "optim", "plot", "reference", "scalar", "utils"}


def __getattr__(name: str) -> Any:
    """Modules and what they define are imported when first used, so that `import pyautograd` stays quick."""
    if name in _MODULES:
        return importlib.import_module(f"pyautograd.{name}")
    if name in _LAZY:
        found = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
        return found
    raise AttributeError(f"module 'pyautograd' has no attribute {name!r}")
