"""Activations as functions, as `torch.nn.functional` has them.

Written by `make ops` from csrc/ops.def: edit the table, not this file.
"""

from __future__ import annotations

from pyautograd import _ops
from pyautograd._core import Tensor, apply
from pyautograd._generated import hardshrink, sigmoid, softshrink, softsign, tanh, tanhshrink
from pyautograd._in_place import overwritten

__all__ = [
    "celu", "elu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "relu", "selu",
    "sigmoid", "silu", "softshrink", "softsign", "tanh", "tanhshrink",
]  # fmt: skip


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Elementwise max(a, 0). With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers stay what
    they are, bool raises TypeError. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.relu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.0000, 0.5000, 3.0000])
    """
    if inplace:
        return overwritten(input, "relu_", relu)
    return apply(_ops.relu, input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Elementwise a if a > 0 else negative_slope a. With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.leaky_relu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.0150,  0.5000,  3.0000])
    """
    if inplace:
        return overwritten(input, "leaky_relu_", leaky_relu, negative_slope)
    return apply(_ops.leaky_relu, input, negative_slope)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Elementwise a if a > 0 else alpha (e^a - 1). With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.elu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.7769,  0.5000,  3.0000])
    """
    if inplace:
        return overwritten(input, "elu_", elu, alpha)
    return apply(_ops.elu, input, alpha)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Elementwise a sigmoid a. With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.silu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.2736,  0.3112,  2.8577])
    """
    if inplace:
        return overwritten(input, "silu_", silu)
    return apply(_ops.silu, input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Elementwise min(max(a, min_val), max_val). With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.hardtanh(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if inplace:
        return overwritten(input, "hardtanh_", hardtanh, min_val, max_val)
    return apply(_ops.hardtanh, input, min_val, max_val)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Elementwise min(max(a + 3, 0), 6) / 6. With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.hardsigmoid(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([0.2500, 0.5833, 1.0000])
    """
    if inplace:
        return overwritten(input, "hardsigmoid_", hardsigmoid)
    return apply(_ops.hardsigmoid, input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Elementwise a min(max(a + 3, 0), 6) / 6. With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.hardswish(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.3750,  0.2917,  3.0000])
    """
    if inplace:
        return overwritten(input, "hardswish_", hardswish)
    return apply(_ops.hardswish, input)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Elementwise 1.0507 a if a > 0 else 1.7581 (e^a - 1). With `inplace` the result overwrites the input, as `add_`
    does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.selu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-1.3658,  0.5254,  3.1521])
    """
    if inplace:
        return overwritten(input, "selu_", selu)
    return apply(_ops.selu, input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Elementwise a if a > 0 else alpha (e^(a/alpha) - 1). With `inplace` the result overwrites the input, as `add_`
    does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.celu(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.7769,  0.5000,  3.0000])
    """
    if inplace:
        return overwritten(input, "celu_", celu, alpha)
    return apply(_ops.celu, input, alpha)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Elementwise a tanh(ln(1 + e^a)). With `inplace` the result overwrites the input, as `add_` does.

    **Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; integers and bools
    become the default float. **Raises** TypeError for what is neither.

    >>> import pyautograd as pa
    >>> pa.nn.functional.mish(pa.tensor([-1.5, 0.5, 3.0]))
    tensor([-0.2981,  0.3752,  2.9865])
    """
    if inplace:
        return overwritten(input, "mish_", mish)
    return apply(_ops.mish, input)
