"""pyautograd: an autograd core in C for training small and medium nets on a CPU.

Three ways in: `pyautograd.scalar` has micrograd's names, this module PyTorch's; `pyautograd.reference` is the engine in
pure Python.

>>> from pyautograd import Value, Tensor, MLP
"""

from __future__ import annotations

import importlib
from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any

from pyautograd import (
    _array_like,
    _blas,
    _creation,
    _device,
    _dtype,
    _einsum,
    _elementwise,
    _generated,
    _generator,
    _grad_mode,
    _host,
    _indexing,
    _interop,
    _joins,
    _maths,
    _memory,
    _order,
    _paths,
    _printing,
    _products,
    _promotion,
    _random,
    _rearrange,
    _reduce,
    _scatter,
    _shape,
    _statistics,
    _tensor,
    _value,
    autograd,
)
from pyautograd._absent import missing
from pyautograd._array_like import *
from pyautograd._blas import *
from pyautograd._core import TraceError
from pyautograd._creation import *
from pyautograd._device import *
from pyautograd._dtype import *
from pyautograd._einsum import *
from pyautograd._elementwise import *
from pyautograd._generated import *
from pyautograd._generator import *
from pyautograd._grad_mode import *
from pyautograd._host import *
from pyautograd._indexing import *
from pyautograd._interop import *
from pyautograd._joins import *
from pyautograd._maths import *
from pyautograd._memory import *
from pyautograd._order import *
from pyautograd._printing import *
from pyautograd._products import *
from pyautograd._promotion import *
from pyautograd._random import *
from pyautograd._rearrange import *
from pyautograd._reduce import *
from pyautograd._scatter import *
from pyautograd._shape import *
from pyautograd._statistics import *
from pyautograd._tensor import *
from pyautograd._value import *
from pyautograd._version import __version__

__all__ = [
    "MLP", "CompiledStep", "TraceError", "__version__", "autograd", "bench", "callbacks", "cholesky",
    "cholesky_inverse", "cholesky_solve", "compat", "compile", "datasets", "det", "e", "func", "inf", "inverse",
    "linalg", "load", "logdet", "matrix_exp", "matrix_power", "nan", "newaxis", "nn", "optim", "pi", "pinverse", "plot",
    "qr", "reference", "save", "scalar", "slogdet", "special", "summary", "svd",
    "triangular_solve", "utils",
]  # fmt: skip
__all__ += _array_like.__all__
__all__ += _blas.__all__
__all__ += _creation.__all__
__all__ += _device.__all__
__all__ += _dtype.__all__
__all__ += _einsum.__all__
__all__ += _elementwise.__all__
__all__ += _generated.__all__
__all__ += _generator.__all__
__all__ += _grad_mode.__all__
__all__ += _host.__all__
__all__ += _indexing.__all__
__all__ += _interop.__all__
__all__ += _joins.__all__
__all__ += _maths.__all__
__all__ += _memory.__all__
__all__ += _printing.__all__
__all__ += _products.__all__
__all__ += _order.__all__
__all__ += _promotion.__all__
__all__ += _random.__all__
__all__ += _rearrange.__all__
__all__ += _reduce.__all__
__all__ += _scatter.__all__
__all__ += _shape.__all__
__all__ += _statistics.__all__
__all__ += _tensor.__all__
__all__ += _value.__all__

if TYPE_CHECKING:
    from pyautograd import bench, callbacks, datasets, func, linalg, nn, optim, plot, reference, scalar, special, utils
    from pyautograd._compile import CompiledStep, compile
    from pyautograd._matrices import (
        cholesky,
        cholesky_inverse,
        cholesky_solve,
        inverse,
        logdet,
        pinverse,
        qr,
        svd,
        triangular_solve,
    )
    from pyautograd._serialization import load, save
    from pyautograd.linalg import det, matrix_exp, matrix_power, slogdet
    from pyautograd.nn import MLP
    from pyautograd.nn._summary import summary

newaxis = None

_LAZY = {
    "CompiledStep": "_compile", "MLP": "nn", "compile": "_compile", "load": "_serialization", "save": "_serialization",
    "summary": "nn._summary",
    **dict.fromkeys(("det", "matrix_exp", "matrix_power", "slogdet"), "linalg"),
    **dict.fromkeys(("cholesky", "cholesky_inverse", "cholesky_solve", "inverse", "logdet"), "_matrices"),
    **dict.fromkeys(("pinverse", "qr", "svd", "triangular_solve"), "_matrices"),
}  # fmt: skip
_OF_NN = ("bilinear", "cosine_similarity", "pairwise_distance", "pdist", "prelu")
__all__ += _OF_NN
_LAZY |= dict.fromkeys(_OF_NN, "nn.functional")
_COMPAT = (
    "BoolTensor", "ByteTensor", "DoubleTensor", "FloatTensor", "IntTensor", "LongTensor", "Size", "accelerator", "amp",
    "are_deterministic_algorithms_enabled", "autocast", "backends", "cuda", "get_default_device",
    "get_float32_matmul_precision", "get_num_interop_threads", "jit", "mps", "random", "set_default_device",
    "set_default_tensor_type", "set_float32_matmul_precision", "set_num_interop_threads", "typename",
    "use_deterministic_algorithms", "version",
)  # fmt: skip
__all__ += _COMPAT
_LAZY |= dict.fromkeys(_COMPAT, "compat")
_paths.install()
_MODULES = {
    "bench", "callbacks", "compat", "datasets", "func", "linalg", "nn", "optim", "plot", "reference", "scalar",
    "special", "utils",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Modules and what they define are imported when first used, so that `import pyautograd` stays quick."""
    if name in _MODULES:
        return importlib.import_module(f"pyautograd.{name}")
    if name in _LAZY:
        found = globals()[name] = getattr(importlib.import_module(f"pyautograd.{_LAZY[name]}"), name)
        return found
    raise missing(__name__, name)


def __dir__() -> list[str]:
    return __all__
