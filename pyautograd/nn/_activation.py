"""Activations as modules; each is one op of the table."""

from __future__ import annotations

from pyautograd import _ops
from pyautograd._arguments import named
from pyautograd._tensor import Tensor
from pyautograd.nn import functional as F
from pyautograd.nn._apply import apply
from pyautograd.nn._module import Module

_relu = _ops.relu
_sigmoid = _ops.sigmoid
_log_sigmoid = _ops.log_sigmoid
_tanh = _ops.tanh
_silu = _ops.silu
_leaky_relu = _ops.leaky_relu
_elu = _ops.elu
_softplus = _ops.softplus


class ReLU(Module):
    """max(x, 0). `inplace` is accepted and changes nothing: the result is always a new tensor.

    >>> import pyautograd as pa
    >>> pa.nn.ReLU()(pa.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    @named
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return apply(_relu, input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where x > 0, else `negative_slope` x."""

    @named
    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return apply(_leaky_relu, input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """x where x > 0, else `alpha` (e^x - 1)."""

    @named
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return apply(_elu, input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


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


class SiLU(Module):
    """x sigmoid(x)."""

    @named
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return apply(_silu, input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """1 / (1 + e^-x)."""

    def forward(self, input: Tensor) -> Tensor:
        return apply(_sigmoid, input)


class LogSigmoid(Module):
    """ln sigmoid(x)."""

    def forward(self, input: Tensor) -> Tensor:
        return apply(_log_sigmoid, input)


class Tanh(Module):
    """tanh(x)."""

    def forward(self, input: Tensor) -> Tensor:
        return apply(_tanh, input)


class Softplus(Module):
    """ln(1 + e^(beta x)) / beta, and x itself where beta x > threshold."""

    @named
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = float(beta)
        self.threshold = float(threshold)

    def forward(self, input: Tensor) -> Tensor:
        return apply(_softplus, input, self.beta, self.threshold)

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
