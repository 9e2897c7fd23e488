"""Activations as modules; each is one op of the table.

Written by `make ops` from csrc/ops.def: edit the table, not this file.
"""

from __future__ import annotations

from pyautograd import _ops
from pyautograd._arguments import named
from pyautograd._core import Tensor, apply
from pyautograd.nn._module import Module

__all__ = ["ELU", "LeakyReLU", "ReLU", "SiLU", "Sigmoid", "Tanh"]


class ReLU(Module):
    """Elementwise max(a, 0). `inplace` changes nothing: the result is always a new tensor.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay
    what they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.ReLU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.0000, 0.5000, 3.0000])
    """

    @named
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.relu, input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """Elementwise a if a > 0 else negative_slope a. `inplace` changes nothing: the result is always a new tensor.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and
    bools become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.LeakyReLU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.0150,  0.5000,  3.0000])
    """

    @named
    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.leaky_relu, input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """Elementwise a if a > 0 else alpha (e^a - 1). `inplace` changes nothing: the result is always a new tensor.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and
    bools become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.ELU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.7769,  0.5000,  3.0000])
    """

    @named
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.elu, input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class Sigmoid(Module):
    """Elementwise 1 / (1 + e^-a).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and
    bools become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Sigmoid()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.1824, 0.6225, 0.9526])
    """

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.sigmoid, input)


class Tanh(Module):
    """Elementwise tanh a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and
    bools become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Tanh()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.9051,  0.4621,  0.9951])
    """

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.tanh, input)


class SiLU(Module):
    """Elementwise a sigmoid a. `inplace` changes nothing: the result is always a new tensor.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and
    bools become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.SiLU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.2736,  0.3112,  2.8577])
    """

    @named
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.silu, input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""
