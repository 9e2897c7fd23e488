"""The only device, the CPU, and which of its instruction sets the kernels use."""

from __future__ import annotations

import os
from typing import Any

from pyautograd._c import check, lib, text

__all__ = ["device", "isa"]

_NAMES = ("cpu", "cuda", "hip", "ipu", "meta", "mps", "mtia", "xla", "xpu")


class device(str):
    """A device by its name, or by type and index: any can be made and compared, and only "cpu" has tensors.

    It is its name as a str too. **Raises** RuntimeError for what is no name of a device.

    >>> import pyautograd as pa
    >>> pa.device("cuda:1").type, pa.device("cuda:1").index, pa.ones(2).device == pa.device("cpu")
    ('cuda', 1, True)
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None  # type: ignore[assignment]  # hides str.index

    def __new__(cls, type: Any = "cpu", index: int | None = None) -> device:
        text = f"cuda:{type}" if isinstance(type, int) else str(type)
        name, colon, number = text.partition(":")
        if name not in _NAMES or (colon and (index is not None or not number.isdecimal())):
            raise RuntimeError(f"device: {type!r} is none; there is cpu here, and the names of others can be compared")
        index = int(number) if colon else index
        made = super().__new__(cls, name if index is None else f"{name}:{index}")
        made.type, made.index = name, index
        return made

    def __repr__(self) -> str:
        return f"device(type={self.type!r}{'' if self.index is None else f', index={self.index}'})"

    def __reduce__(self) -> Any:
        return device, (str(self),)

    def __enter__(self) -> device:
        check_device(self)
        return self

    def __exit__(self, *_: Any) -> None:
        pass


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
