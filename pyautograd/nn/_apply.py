"""The core's `apply`, as far as nn needs it: operands are Tensors, and so is the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyautograd._tensor import Tensor

__all__ = ["apply"]

if TYPE_CHECKING:

    def apply(op: int, /, *operands_and_parameters: Any) -> Tensor: ...

else:
    from pyautograd._core import apply
