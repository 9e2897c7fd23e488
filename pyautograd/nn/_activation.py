"""Activations as modules that are not a row of the op table as it stands; the others are in _generated_modules.py."""

from __future__ import annotations

from typing import Any

from pyautograd import _ops
from pyautograd._arguments import named
from pyautograd._core import apply
from pyautograd._creation import full
from pyautograd._tensor import Parameter, Tensor
from pyautograd.nn import functional as F
from pyautograd.nn._generated_modules import *  # pickles find them here
from pyautograd.nn._generated_modules import _ReLUOptions
from pyautograd.nn._module import Module

__all__ = [
    "GELU", "GLU", "LogSigmoid", "LogSoftmax", "PReLU", "RReLU", "ReLU6", "Softmax", "Softmin", "Softplus", "Threshold",
]  # fmt: skip


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


class _Along(Module):
    @named
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_Along):
    """e^a / sum e^a along `dim`.

    A Tensor of any shape to one of its shape. **Raises** IndexError for an axis that it has not.

    >>> import pyautograd as pa
    >>> pa.nn.Softmax(dim=1)(pa.zeros(1, 4)).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class LogSoftmax(_Along):
    """a - ln sum e^a along `dim`.

    A Tensor of any shape to one of its shape. **Raises** IndexError for an axis that it has not.

    >>> import pyautograd as pa
    >>> pa.nn.LogSoftmax(dim=0)(pa.zeros(2))
    tensor([-0.6931, -0.6931])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class Softmin(Softmax):
    """The softmax of -a along `dim`.

    A Tensor of any shape to one of its shape. **Raises** IndexError for an axis that it has not.

    >>> import pyautograd as pa
    >>> pa.nn.Softmin(dim=0)(pa.tensor([0.0, 1.0]))
    tensor([0.7311, 0.2689])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)


class ReLU6(_ReLUOptions):
    """min(max(a, 0), 6); `inplace` overwrites the input.

    A Tensor of any shape to one of its shape. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.nn.ReLU6()(pa.tensor([-1.5, 0.5, 9.0]))
    tensor([0.0000, 0.5000, 6.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu6(input, self.inplace)


class Threshold(Module):
    """a where a > threshold, else `value`; `inplace` overwrites the input.

    A Tensor of any shape to one of its shape. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.nn.Threshold(1.0, 20.0)(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([20., 20.,  3.])
    """

    @named
    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


class PReLU(Module):
    """a where a > 0, else weight a, the weight being a parameter: one number, or one a channel.

    (N, C, ...), or any shape for one number, to the same. **Raises** ValueError for another number of channels.

    >>> import pyautograd as pa
    >>> pa.nn.PReLU()(pa.tensor([-4.0, 2.0]))
    tensor([-1.,  2.], grad_fn=<where>)
    """

    @named
    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(full((num_parameters,), float(init), dtype=dtype, device=device))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """a where a > 0, else a times a number drawn from [lower, upper) while training, and by their mean otherwise.

    A Tensor of any shape to one of its shape. **Raises** ValueError where lower > upper, when it is called.

    >>> import pyautograd as pa
    >>> pa.nn.RReLU(0.2, 0.3).eval()(pa.tensor([-4.0, 2.0]))
    tensor([-1.,  2.])
    """

    @named
    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class GLU(Module):
    """a sigmoid(b), a and b the halves of the input along `dim`: (..., 2 n, ...) to (..., n, ...).

    **Raises** ValueError for an odd size, IndexError for an axis that the input has not.

    >>> import pyautograd as pa
    >>> pa.nn.GLU()(pa.tensor([2.0, 0.0]))
    tensor([1.])
    """

    @named
    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
