"""Dropout."""

from __future__ import annotations

from pyautograd import _arguments
from pyautograd._arguments import named
from pyautograd._tensor import Tensor
from pyautograd.nn import functional as F
from pyautograd.nn._module import Module

__all__ = ["AlphaDropout", "Dropout"]


class Dropout(Module):
    """While training, zeroes each element with probability `p` and divides the others by 1 - p; else the identity.

    Any shape to the same. **Raises** ValueError unless 0 <= p <= 1.

    >>> import pyautograd as pa
    >>> pa.nn.Dropout(0.5).eval()(pa.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    @named
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        _arguments.probability("Dropout", p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class AlphaDropout(Dropout):
    """While training, sets elements to the limit of SELU with probability `p`, so that mean and variance stay.

    Any shape to the same. **Raises** ValueError unless 0 <= p <= 1.

    >>> import pyautograd as pa
    >>> pa.nn.AlphaDropout(0.5).eval()(pa.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)
