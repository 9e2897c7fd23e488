"""Large products by the BLAS that NumPy has loaded.

Small and middling products run in our own kernels (`csrc/kernels/gemm.inc`), on one thread. At the first product that
is large enough to be worth a second thread, the core calls `resolve`, which looks with threadpoolctl for the BLAS that
NumPy works with and hands its `cblas_sgemm` and `cblas_dgemm` to the core: there is no second BLAS and no second pool
of threads, and `threadpoolctl.threadpool_limits` governs our products as it governs NumPy's.

A worker takes one core: in a process that `multiprocessing` has started, as those of joblib and Dask are, products have
one thread, unless `set_num_threads` or the environment said otherwise.

`PYAUTOGRAD_BLAS` decides otherwise: `builtin` for our own kernels alone, or the path of a shared library that has
`cblas_sgemm` (MKL, BLIS, OpenBLAS, …), which then takes all large products. A library that cannot be loaded or has no
`cblas_sgemm` is an ImportError.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, NamedTuple

from pyautograd._c import ffi, lib

__all__ = ["get_num_threads", "set_num_threads"]

# What the names of a library's functions begin and end with, and whether its integers then have 64 bits.
DECORATIONS = [("scipy_", "64_", True), ("", "64_", True), ("", "_64", True), ("scipy_", "", False), ("", "", False)]
THREAD_FUNCTIONS = [
    ("openblas_set_num_threads", "openblas_get_num_threads"),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
    ("bli_thread_set_num_threads", "bli_thread_get_num_threads"),
]
THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"]


class Blas(NamedTuple):
    """The functions of a BLAS, as addresses; 0 where it lacks one."""

    path: str
    sgemm: int
    dgemm: int
    set_threads: int
    get_threads: int
    ilp64: bool


def _address(library: ctypes.CDLL, name: str) -> int:
    function = getattr(library, name, None)
    return ctypes.cast(function, ctypes.c_void_p).value or 0 if function is not None else 0


def _has_64_bit_integers(library: ctypes.CDLL) -> bool:
    """Whether a library whose names do not say so was built, or is set, to take 64-bit integers."""
    config = getattr(library, "openblas_get_config", None)
    if config is not None:
        config.restype = ctypes.c_char_p
        return b"USE64BITINT" in (config() or b"")
    return hasattr(library, "MKL_Get_Max_Threads") and os.environ.get("MKL_INTERFACE_LAYER", "").startswith("ILP64")


def load(path: str) -> Blas:
    """Opens a shared library (a second time is free) and finds its products. Raises OSError or AttributeError."""
    library = ctypes.CDLL(path)
    for decoration in DECORATIONS:
        before, after, ilp64 = decoration
        sgemm, dgemm = (_address(library, f"{before}cblas_{letter}gemm{after}") for letter in "sd")
        if sgemm and dgemm:
            break
    else:
        raise AttributeError(f"{path} has no cblas_sgemm and cblas_dgemm")
    if not before and not after:
        ilp64 = _has_64_bit_integers(library)
    for names in THREAD_FUNCTIONS:
        for first, last in ((before, after), ("", "")):
            set_threads, get_threads = (_address(library, f"{first}{name}{last}") for name in names)
            if set_threads and get_threads:
                return Blas(path, sgemm, dgemm, set_threads, get_threads, ilp64)
    return Blas(path, sgemm, dgemm, 0, 0, ilp64)


def find() -> Blas | None:
    """The BLAS that NumPy has loaded, or None."""
    from threadpoolctl import ThreadpoolController

    paths = [info["filepath"] for info in ThreadpoolController().info() if info["user_api"] == "blas"]
    for path in sorted(paths, key=lambda path: "numpy" not in os.path.basename(os.path.dirname(path))):
        try:
            return load(path)
        except (OSError, AttributeError):
            continue
    return None


_used: Blas | None = None
_looked = False  # for NumPy's


def _adopt(blas: Blas, always: bool) -> None:
    global _used
    _used = blas
    pointers = (ffi.cast("void *", address) for address in blas[1:5])
    lib.pa_blas_set(*pointers, blas.ilp64, always)


def resolve() -> None:
    """Looks for NumPy's BLAS and hands it to the core; the core calls this once, at the first large product."""
    global _looked
    if _looked or os.environ.get("PYAUTOGRAD_BLAS"):
        return
    _looked = True
    blas = find()
    if blas is not None:
        _adopt(blas, always=False)


def _adopt_choice() -> None:
    """Loads the library that `PYAUTOGRAD_BLAS` names, when the package is imported: a wrong name is told at once."""
    choice = os.environ.get("PYAUTOGRAD_BLAS", "")
    if choice in ("", "builtin"):
        return
    try:
        _adopt(load(choice), always=True)
    except (OSError, AttributeError) as error:
        raise ImportError(
            f"PYAUTOGRAD_BLAS={choice}: {error}. It must be `builtin` or the path of a library with cblas_sgemm"
        ) from error


_adopt_choice()


_is_told = any(map(os.environ.get, THREAD_VARIABLES))  # how many threads to take
_watches = False  # for processes that begin


def _take_one_core(_: Any = None) -> None:
    if not _is_told:
        lib.pa_blas_set_threads(1)


def _watch_forks() -> None:
    """Before a fork: lets `multiprocessing`, if anybody has imported it, tell the child that it is a worker."""
    global _watches
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not _watches:
        _watches = True
        util.register_after_fork(_take_one_core, _take_one_core)


def _is_worker() -> bool:
    """Whether `multiprocessing` has started this process, or is about to, while a spawned one imports what it runs."""
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    return process.parent_process() is not None or hasattr(process.current_process(), "_inheriting")


if _is_worker():
    _take_one_core()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_watch_forks)


def blas_path() -> str | None:
    """The file of the BLAS that takes the large products, or None where our own kernels do."""
    resolve()
    return _used.path if _used is not None else None


def set_num_threads(n: int) -> None:
    """Sets how many threads a large product may take; small ones always take one.

    Without it, the setting of NumPy's BLAS is followed (`OPENBLAS_NUM_THREADS`, `threadpoolctl`), and processes that
    `multiprocessing` has started take one. The number is put into force around each product only: NumPy's own setting
    stays as it is.

    Raises TypeError if `n` is not an integer and ValueError if it is less than 1.

    >>> import pyautograd
    >>> before = pyautograd.get_num_threads()
    >>> pyautograd.set_num_threads(1)
    >>> pyautograd.get_num_threads()
    1
    >>> pyautograd.set_num_threads(before)
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"set_num_threads: the number of threads must be an int, not {type(n).__name__}")
    if not 1 <= n <= 1 << 16:
        raise ValueError(f"set_num_threads: the number of threads must be 1 or more, not {n}")
    global _is_told
    _is_told = True
    lib.pa_blas_set_threads(n)


def get_num_threads() -> int:
    """How many threads a large product may take.

    >>> import pyautograd
    >>> pyautograd.get_num_threads() >= 1
    True
    """
    resolve()
    return int(lib.pa_blas_get_threads())
