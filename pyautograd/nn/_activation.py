"""Activations as modules that are not a row of the op table as it stands; the others are in _generated_modules.py."""

from __future__ import annotations

from pyautograd import _ops
from pyautograd._arguments import named
from pyautograd._tensor import Tensor
from pyautograd.nn import functional as F
from pyautograd.nn._apply import apply
from pyautograd.nn._module import Module


class GELU(Module):
    """x Phi(x), Phi the normal distribution function; `approximate="tanh"` for its approximation by tanh."""

    @named
    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class LogSigmoid(Module):
    """ln sigmoid(x)."""

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.log_sigmoid, input)


class Softplus(Module):
    """ln(1 + e^(beta x)) / beta, and x itself where beta x > threshold."""

    @named
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = float(beta)
        self.threshold = float(threshold)

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.softplus, input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(Module):
    """e^x / sum e^x along `dim`."""

    @named
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """x - ln sum e^x along `dim`."""

    @named
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
