"""Activations as modules; each is one op of the table.

Written by `make ops` from csrc/ops.def: edit the table, not this file.
"""

from __future__ import annotations

from pyautograd import _ops
from pyautograd._arguments import named
from pyautograd._core import Tensor, apply
from pyautograd.nn import _generated_functional as F
from pyautograd.nn._module import Module

__all__ = [
    "CELU", "ELU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "Mish", "ReLU",
    "SiLU", "Sigmoid", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
]  # fmt: skip


class _ReLUOptions(Module):
    @named
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class _ELUOptions(Module):
    @named
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class _HardshrinkOptions(Module):
    @named
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return f"lambd={self.lambd}"


class ReLU(_ReLUOptions):
    """Elementwise max(a, 0). With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay what
    they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.ReLU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.0000, 0.5000, 3.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.relu(input, inplace=True)
        return apply(_ops.relu, input)


class LeakyReLU(Module):
    """Elementwise a if a > 0 else negative_slope a. With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.LeakyReLU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.0150,  0.5000,  3.0000])
    """

    @named
    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.leaky_relu(input, self.negative_slope, inplace=True)
        return apply(_ops.leaky_relu, input, self.negative_slope)


class ELU(_ELUOptions):
    """Elementwise a if a > 0 else alpha (e^a - 1). With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.ELU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.7769,  0.5000,  3.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.elu(input, self.alpha, inplace=True)
        return apply(_ops.elu, input, self.alpha)


class Sigmoid(Module):
    """Elementwise 1 / (1 + e^-a).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Sigmoid()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.1824, 0.6225, 0.9526])
    """

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.sigmoid, input)


class Tanh(Module):
    """Elementwise tanh a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Tanh()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.9051,  0.4621,  0.9951])
    """

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.tanh, input)


class SiLU(_ReLUOptions):
    """Elementwise a sigmoid a. With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.SiLU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.2736,  0.3112,  2.8577])
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.silu(input, inplace=True)
        return apply(_ops.silu, input)


class Hardtanh(Module):
    """Elementwise min(max(a, min_val), max_val). With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Hardtanh()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """

    @named
    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.hardtanh(input, self.min_val, self.max_val, inplace=True)
        return apply(_ops.hardtanh, input, self.min_val, self.max_val)


class Hardsigmoid(_ReLUOptions):
    """Elementwise min(max(a + 3, 0), 6) / 6. With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Hardsigmoid()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.2500, 0.5833, 1.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.hardsigmoid(input, inplace=True)
        return apply(_ops.hardsigmoid, input)


class Hardswish(_ReLUOptions):
    """Elementwise a min(max(a + 3, 0), 6) / 6. With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Hardswish()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.3750,  0.2917,  3.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.hardswish(input, inplace=True)
        return apply(_ops.hardswish, input)


class Hardshrink(_HardshrinkOptions):
    """Elementwise a if |a| > lambd else 0.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Hardshrink()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.5000,  0.0000,  3.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.hardshrink, input, self.lambd)


class Softshrink(_HardshrinkOptions):
    """Elementwise a moved towards 0 by lambd, and 0 where |a| <= lambd.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Softshrink()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.0000,  0.0000,  2.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.softshrink, input, self.lambd)


class Tanhshrink(Module):
    """Elementwise a - tanh a.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Tanhshrink()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.5949,  0.0379,  2.0049])
    """

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.tanhshrink, input)


class Softsign(Module):
    """Elementwise a / (1 + |a|).

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Softsign()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.6000,  0.3333,  0.7500])
    """

    def forward(self, input: Tensor) -> Tensor:
        return apply(_ops.softsign, input)


class SELU(_ReLUOptions):
    """Elementwise 1.0507 a if a > 0 else 1.7581 (e^a - 1). With `inplace` the result overwrites the input, as `add_`
    does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.SELU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.3658,  0.5254,  3.1521])
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.selu(input, inplace=True)
        return apply(_ops.selu, input)


class CELU(_ELUOptions):
    """Elementwise a if a > 0 else alpha (e^(a/alpha) - 1). With `inplace` the result overwrites the input, as `add_`
    does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.CELU()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.7769,  0.5000,  3.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.celu(input, self.alpha, inplace=True)
        return apply(_ops.celu, input, self.alpha)


class Mish(_ReLUOptions):
    """Elementwise a tanh(ln(1 + e^a)). With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.Mish()(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.2981,  0.3752,  2.9865])
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.mish(input, inplace=True)
        return apply(_ops.mish, input)
