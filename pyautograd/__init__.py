"""pyautograd: an autograd core in C for training small and medium nets on a CPU.

Three ways in: `pyautograd.scalar` has micrograd's names, this module PyTorch's; `pyautograd.reference` is the pure-Python engine.

>>> from pyautograd import Value, Tensor, MLP
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from pyautograd import _dtype
from pyautograd._c import check as _check, ffi as _ffi, lib as _lib
from pyautograd._version import __version__

_check(_lib.pa_isa_use(os.environ.get("PYAUTOGRAD_ISA", "").encode()))

from pyautograd import autograd  # noqa: E402
from pyautograd._blas import get_num_threads, set_num_threads  # noqa: E402
from pyautograd._creation import *  # noqa: E402, F403
from pyautograd._dtype import dtype, float32, float64, get_default_dtype, int64, set_default_dtype  # noqa: E402
from pyautograd._elementwise import *  # noqa: E402, F403
from pyautograd._generator import Generator  # noqa: E402
from pyautograd._grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled  # noqa: E402
from pyautograd._memory import empty_cache, memory_stats  # noqa: E402
from pyautograd._random import *  # noqa: E402, F403
from pyautograd._reduce import *  # noqa: E402, F403
from pyautograd._shape import *  # noqa: E402, F403
from pyautograd._tensor import Tensor  # noqa: E402
from pyautograd._value import Value  # noqa: E402

bool = bool_ = _dtype.bool_
float = _dtype.float32
double = _dtype.float64
long = _dtype.int64


class cuda:
    """So that scripts which ask run: there is no GPU here."""

    @staticmethod
    def is_available() -> Any:
        """False."""
        return False


def is_tensor(obj: object) -> Any:
    """Is it a Tensor?"""
    return isinstance(obj, Tensor)


def device(name: str = "cpu") -> str:
    """ "cpu"; **raises** RuntimeError for any other device."""
    from pyautograd._creation import _cpu

    _cpu(name)
    return "cpu"


def isa() -> str:
    """The instruction set whose kernels run: "baseline", "avx2" or "avx512" (PYAUTOGRAD_ISA chooses)."""
    return _ffi.string(_lib.pa_isa_name()).decode()  # type: ignore[no-any-return]


if TYPE_CHECKING:
    from pyautograd import nn, optim, utils
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
