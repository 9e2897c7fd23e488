"""The names of `torch.autograd.forward_ad`. Its dual tensors are not there: forward mode is `pyautograd.func.jvp`."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["dual_level", "make_dual", "unpack_dual"]


def __dir__() -> list[str]:
    return __all__


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(f"{name}: dual tensors are not there; write func.jvp(function, primals, tangents)")


def dual_level() -> Any:
    """Not there: **raises** NotImplementedError.

    >>> import pyautograd as pa
    >>> pa.autograd.forward_ad.dual_level()
    Traceback (most recent call last):
    ...
    NotImplementedError: dual_level: dual tensors are not there; write func.jvp(function, primals, tangents)
    """
    _refuse("dual_level")


def make_dual(tensor: Any, tangent: Any, *, level: Any = None) -> Any:
    """Not there: **raises** NotImplementedError.

    >>> import pyautograd as pa
    >>> pa.autograd.forward_ad.make_dual(pa.ones(2), pa.ones(2))
    Traceback (most recent call last):
    ...
    NotImplementedError: make_dual: dual tensors are not there; write func.jvp(function, primals, tangents)
    """
    _refuse("make_dual")


def unpack_dual(tensor: Any, *, level: Any = None) -> Any:
    """Not there: **raises** NotImplementedError.

    >>> import pyautograd as pa
    >>> pa.autograd.forward_ad.unpack_dual(pa.ones(2))
    Traceback (most recent call last):
    ...
    NotImplementedError: unpack_dual: dual tensors are not there; write func.jvp(function, primals, tangents)
    """
    _refuse("unpack_dual")
