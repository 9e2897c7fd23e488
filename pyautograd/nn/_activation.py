"""Activations as modules that are not a row of the op table as it stands; the others are in _generated_modules.py."""

from __future__ import annotations

from pyautograd import _ops
from pyautograd._arguments import named
from pyautograd._core import apply
from pyautograd._tensor import Tensor
from pyautograd.nn import functional as F
from pyautograd.nn._generated_modules import *  # pickles find them here
from pyautograd.nn._module import Module

__all__ = ["GELU", "LogSigmoid", "LogSoftmax", "Softmax", "Softplus"]


class GELU(Module):
    """a Phi(a), Phi the normal distribution function; `approximate="tanh"` for its approximation by tanh.

    A Tensor of any shape to one of its shape. **Raises** ValueError for another `approximate`, when it is called.

    >>> import pyautograd as pa
    >>> pa.nn.GELU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.1002,  0.3457,  2.9960])
    """

    @named
    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class LogSigmoid(Module):
    """ln sigmoid(a), exact where the sigmoid underflows.

    A Tensor of any shape to one of its shape. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.nn.LogSigmoid()(pa.tensor([-200.0, 0.0]))
    tensor([-200.0000,   -0.6931])
    """

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.log_sigmoid, input)


class Softplus(Module):
    """ln(1 + e^(beta a)) / beta, and a itself where beta a > threshold.

    A Tensor of any shape to one of its shape. **Raises** TypeError for what is no Tensor, or no number.

    >>> import pyautograd as pa
    >>> pa.nn.Softplus()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.2014, 0.9741, 3.0486])
    """

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
    """e^a / sum e^a along `dim`.

    A Tensor of any shape to one of its shape. **Raises** IndexError for an axis that it has not.

    >>> import pyautograd as pa
    >>> pa.nn.Softmax(dim=1)(pa.zeros(1, 4)).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    @named
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """a - ln sum e^a along `dim`.

    A Tensor of any shape to one of its shape. **Raises** IndexError for an axis that it has not.

    >>> import pyautograd as pa
    >>> pa.nn.LogSoftmax(dim=0)(pa.zeros(2))
    tensor([-0.6931, -0.6931])
    """

    @named
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
