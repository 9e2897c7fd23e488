"""Activations as functions, as `torch.nn.functional` has them.

Written by `make ops` from csrc/ops.def: edit the table, not this file.
"""

from __future__ import annotations

from pyautograd import _ops
from pyautograd._core import Tensor, apply
from pyautograd._generated import sigmoid, tanh

__all__ = ["elu", "leaky_relu", "relu", "sigmoid", "silu", "tanh"]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Elementwise max(a, 0). `inplace` changes nothing: the result is always a new tensor.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay
    what they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.relu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.0000, 0.5000, 3.0000])
    """
    return apply(_ops.relu, input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Elementwise a if a > 0 else negative_slope a. `inplace` changes nothing: the result is always a new tensor.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and
    bools become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.leaky_relu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.0150,  0.5000,  3.0000])
    """
    return apply(_ops.leaky_relu, input, negative_slope)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Elementwise a if a > 0 else alpha (e^a - 1). `inplace` changes nothing: the result is always a new tensor.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and
    bools become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.elu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.7769,  0.5000,  3.0000])
    """
    return apply(_ops.elu, input, alpha)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Elementwise a sigmoid a. `inplace` changes nothing: the result is always a new tensor.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and
    bools become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.silu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.2736,  0.3112,  2.8577])
    """
    return apply(_ops.silu, input)
