"""Activations as functions that need no row of the op table, or draw; with `inplace` the result overwrites the input.

Part of `nn.functional`.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from pyautograd import _arguments, _dims, _ops
from pyautograd._arguments import named
from pyautograd._core import Tensor, apply
from pyautograd._creation import zeros_like
from pyautograd._elementwise import where
from pyautograd._generated import hardtanh, leaky_relu
from pyautograd._in_place import overwritten
from pyautograd._joins import chunk
from pyautograd._random import rand_like
from pyautograd._reduce import argmax, softmax
from pyautograd._scatter import scatter
from pyautograd._shape import unsqueeze

__all__ = ["alpha_dropout", "glu", "gumbel_softmax", "prelu", "relu6", "rrelu", "softmin", "threshold"]


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Elementwise min(max(a, 0), 6), of the input's shape. `inplace` overwrites the input.

    **Raises** TypeError for what is no Tensor and no number.

    >>> import pyautograd as pa
    >>> pa.nn.functional.relu6(pa.tensor([-1.5, 0.5, 9.0]))
    tensor([0.0000, 0.5000, 6.0000])
    """
    if inplace:
        return overwritten(input, "relu6_", relu6)
    return hardtanh(input, 0.0, 6.0)


@named
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Elementwise a where a > threshold, else `value`; of the input's shape. `inplace` overwrites the input.

    **Raises** TypeError for what is no Tensor or no number.

    >>> import pyautograd as pa
    >>> pa.nn.functional.threshold(pa.tensor([-1.5, 0.5, 3.0]), 1.0, 20.0)
    tensor([20., 20.,  3.])
    """
    if inplace:
        return overwritten(input, "threshold_", _threshold, threshold, value)
    return _threshold(input, threshold, value)


def _threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    return where(input <= threshold, value, input).to(input.dtype)


@named
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Elementwise a where a > 0, else weight a.

    **Arguments:** `input`: (N, C, ...) or any shape; `weight`: (C,), one number a channel, or one element. **Returns**
    the input's shape. **Raises** ValueError for another number of weights.

    >>> import pyautograd as pa
    >>> pa.nn.functional.prelu(pa.tensor([[-4.0, -4.0]]), pa.tensor([0.25, 0.5]))
    tensor([[-1., -2.]])
    """
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.ndim != 1 or weight.shape[0] != channels:
            raise ValueError(
                f"prelu: weight of shape {weight.shape} for an input of shape {input.shape}: one element, or one a "
                "channel"
            )
        weight = weight.reshape(-1, *[1] * (input.ndim - 2))
    elif weight.ndim > input.ndim:
        weight = weight.reshape(())
    return where(input > 0, input, weight * input)


@named
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b), a and b the halves of the input along `dim`: shape (..., 2 n, ...) to (..., n, ...).

    **Raises** ValueError for an odd size, IndexError for an axis that it has not.

    >>> import pyautograd as pa
    >>> pa.nn.functional.glu(pa.tensor([2.0, 0.0]))
    tensor([1.])
    """
    size = input.shape[_dims.one("glu", dim, input.ndim)]
    if size % 2:
        raise ValueError(f"glu: size {size} of axis {dim} is odd, shape {input.shape}")
    a, b = chunk(input, 2, dim)
    return apply(_ops.mul, a, apply(_ops.sigmoid, b))


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """The softmax of -input along `dim`, for any shape; in `dtype` if one is given. **Raises** as `softmax`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.softmin(pa.tensor([0.0, 1.0]), dim=0)
    tensor([0.7311, 0.2689])
    """
    return softmax(-input, implicit_dim("softmin", input) if dim is None else dim, dtype)


def implicit_dim(name: str, input: Tensor) -> int:
    """PyTorch's choice where none was made, with a warning."""
    warnings.warn(f"{name}: without dim, PyTorch's old choice of it is taken; give dim=", UserWarning, stacklevel=4)
    return 0 if _dims.ndim(name, input) in (0, 1, 3) else 1


@named
def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Elementwise a where a > 0, else s a: s is drawn for each element from [lower, upper) while training, and their
    mean otherwise. The draws come from the thread's stream. `inplace` overwrites the input.

    **Returns** the input's shape. **Raises** ValueError where lower > upper, TypeError for integers.

    >>> import pyautograd as pa
    >>> pa.nn.functional.rrelu(pa.tensor([-4.0, 2.0]), 0.2, 0.3)
    tensor([-1.,  2.])
    """
    if not lower <= upper:
        raise ValueError(f"rrelu: lower {lower} is larger than upper {upper}")
    if inplace:
        return overwritten(input, "rrelu_", rrelu, lower, upper, training)
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    return where(input > 0, input, input * (rand_like(input) * (upper - lower) + lower))


@named
def gumbel_softmax(logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A draw from the Gumbel-softmax distribution (https://arxiv.org/abs/1611.01144) along `dim`: softmax((logits
    + g) / tau); with `hard` one-hot, with the gradient of that. Draws are the thread's stream's; `eps` has no effect.

    **Returns** the shape of the logits. **Raises** IndexError for an axis that it has not, TypeError for integers.

    >>> import pyautograd as pa
    >>> pa.nn.functional.gumbel_softmax(pa.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])
    """
    uniform = rand_like(logits.detach())
    noise = -apply(_ops.log, -apply(_ops.log, uniform))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    chosen = scatter(zeros_like(soft.detach()), dim, unsqueeze(argmax(soft.detach(), dim), dim), 1.0)
    return chosen - soft.detach() + soft


@named
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """While training, sets elements to the limit of SELU with probability `p` and scales all so that mean and variance
    stay (https://arxiv.org/abs/1706.02515). `inplace` overwrites the input.

    The draws come from the thread's stream. **Returns** the input's shape. **Raises** ValueError unless 0 <= p <= 1,
    TypeError for integers.

    >>> import pyautograd as pa
    >>> pa.nn.functional.alpha_dropout(pa.ones(3))
    tensor([1., 1., 1.])
    """
    _arguments.probability("alpha_dropout", p)
    if not training or p == 0:
        return input
    if inplace:
        return overwritten(input, "alpha_dropout_", alpha_dropout, p, training)
    if p == 1:
        return apply(_ops.mul, input, 0.0)
    limit = -1.7580993408473766
    scale = 1 / math.sqrt((1 - p) * (1 + p * limit**2))
    kept = where(rand_like(input.detach()) >= p, input, limit)
    return kept * scale - scale * limit * p
