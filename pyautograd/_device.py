"""The only device, the CPU, and which of its instruction sets the kernels use."""

from __future__ import annotations

import os
from typing import Any

from pyautograd._c import check, lib, text

__all__ = ["cuda", "device", "isa"]


class cuda:
    """So that scripts which ask run: there is no GPU here.

    >>> import pyautograd as pa
    >>> pa.device("cuda" if pa.cuda.is_available() else "cpu")
    'cpu'
    """

    @staticmethod
    def is_available() -> Any:
        """False.

        >>> import pyautograd as pa
        >>> pa.cuda.is_available()
        False
        """
        return False


def device(name: str = "cpu") -> str:
    """ "cpu". **Raises** RuntimeError for any other device.

    >>> import pyautograd as pa
    >>> pa.device("cpu")
    'cpu'
    """
    check_device(name)
    return "cpu"


def isa() -> str:
    """The instruction set whose kernels run: "baseline", "avx2" or "avx512" (PYAUTOGRAD_ISA chooses).

    >>> import pyautograd as pa
    >>> pa.isa() in ("baseline", "avx2", "avx512")
    True
    """
    return text(lib.pa_isa_name())


def check_device(device: Any) -> None:
    """RuntimeError for any device but the CPU; None stands for it."""
    if device is not None and str(device).split(":")[0] != "cpu":
        raise RuntimeError(f"device: tensors live on the cpu; there is no {device!r} here")


check(lib.pa_isa_use(os.environ.get("PYAUTOGRAD_ISA", "").encode()))
