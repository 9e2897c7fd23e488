"""Initialisations, as `torch.nn.init`: each fills its tensor in place, records no gradient, and returns it.
Those that draw take a `generator`.

Sources: Glorot and Bengio 2010 (xavier), He et al. 2015 (kaiming), Saxe et al. 2014 (orthogonal).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd import _arguments
from pyautograd._absent import say_what_is_missing
from pyautograd._arguments import named
from pyautograd._array_like import tensor as _tensor
from pyautograd._c import refuse_in_step
from pyautograd._generator import Generator
from pyautograd._grad_mode import no_grad
from pyautograd._tensor import Tensor

__all__ = [
    "calculate_gain", "constant_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "orthogonal_",
    "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)


@named
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform on [a, b). **Raises** ValueError where a > b, TypeError for a tensor that is not of floats.

    >>> import pyautograd as pa
    >>> w = pa.nn.init.uniform_(pa.empty(3, 5), -1.0, 1.0)
    >>> bool((w.abs() <= 1).all())
    True
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


@named
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with the given mean and standard deviation. **Raises** ValueError for a negative deviation, TypeError for
    a tensor that is not of floats.

    >>> import pyautograd as pa
    >>> w = pa.nn.init.normal_(pa.empty(1000), mean=5.0, std=0.1)
    >>> round(w.mean().item(), 1)
    5.0
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


@named
def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number everywhere. **Raises** TypeError for what is no number.

    >>> import pyautograd as pa
    >>> pa.nn.init.constant_(pa.empty(2), 0.5).tolist()
    [0.5, 0.5]
    """
    with no_grad():
        return tensor.fill_(val)


@named
def ones_(tensor: Tensor) -> Tensor:
    """Ones. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.nn.init.ones_(pa.empty(2)).tolist()
    [1.0, 1.0]
    """
    return constant_(tensor, 1.0)


@named
def zeros_(tensor: Tensor) -> Tensor:
    """Zeros. **Raises** TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.nn.init.zeros_(pa.empty(2)).tolist()
    [0.0, 0.0]
    """
    return constant_(tensor, 0.0)


@named
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix. **Raises** ValueError unless the tensor has two axes.

    >>> import pyautograd as pa
    >>> pa.nn.init.eye_(pa.empty(2, 3)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: only tensors with 2 dimensions are supported, got shape {tuple(tensor.shape)}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


@named
def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which an activation wants its weights' deviation grown, as PyTorch's table has it.

    `param` is the slope of a leaky_relu. **Raises** ValueError for a nonlinearity that is not in the table.

    >>> calculate_gain("leaky_relu", 0.2)
    1.3867504905630728
    """
    if nonlinearity in ("linear", "identity", "sigmoid") or nonlinearity.startswith("conv"):
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, (int, float)) and not isinstance(param, bool):
            slope = param
        else:
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


@named
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in ±gain sqrt(6 / (fan_in + fan_out)), for a weight (out, in, ...) (Glorot and Bengio 2010).

    **Raises** ValueError for fewer than two axes.

    >>> import pyautograd as pa
    >>> w = pa.nn.init.xavier_uniform_(pa.empty(4, 2))
    >>> bool((w.abs() <= 1).all())
    True
    """
    fan_in, fan_out = _fans(tensor)
    bound = math.sqrt(3.0) * gain * _root_of_fan(2.0, fan_in + fan_out)
    return uniform_(tensor, -bound, bound, generator)


@named
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with deviation gain sqrt(2 / (fan_in + fan_out)), for a weight (out, in, ...) (Glorot and Bengio 2010).

    **Raises** ValueError for fewer than two axes.

    >>> import pyautograd as pa
    >>> w = pa.nn.init.xavier_normal_(pa.empty(100, 100))
    >>> round(w.std().item(), 2)
    0.1
    """
    fan_in, fan_out = _fans(tensor)
    return normal_(tensor, 0.0, gain * _root_of_fan(2.0, fan_in + fan_out), generator)


@named
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in ±gain sqrt(3 / fan), for a weight (out, in, ...) (He et al. 2015).

    `a` is the slope of the leaky_relu that follows, `mode` "fan_in" or "fan_out". **Raises** ValueError for fewer than
    two axes, another mode or an unknown nonlinearity.

    >>> import pyautograd as pa
    >>> w = pa.nn.init.kaiming_uniform_(pa.empty(2, 6), nonlinearity="relu")
    >>> bool((w.abs() <= 1).all())
    True
    """
    if tensor.numel() == 0:
        return tensor
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) * _root_of_fan(1.0, _fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


@named
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with deviation gain / sqrt(fan), for a weight (out, in, ...) (He et al. 2015).

    `a` is the slope of the leaky_relu that follows, `mode` "fan_in" or "fan_out". **Raises** as `kaiming_uniform_`.

    >>> import pyautograd as pa
    >>> w = pa.nn.init.kaiming_normal_(pa.empty(100, 200), nonlinearity="relu")
    >>> round(w.std().item(), 2)
    0.1
    """
    if tensor.numel() == 0:
        return tensor
    std = calculate_gain(nonlinearity, a) * _root_of_fan(1.0, _fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


@named
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, values outside [a, b] drawn again: the inverse distribution function of uniform numbers.

    **Raises** TypeError for a bound that is no number or a tensor that is not of floats.

    >>> import pyautograd as pa
    >>> w = pa.nn.init.trunc_normal_(pa.empty(1000), std=2.0, a=-1.0, b=1.0)
    >>> bool((w.abs() <= 1).all())
    True
    """
    from statistics import NormalDist  # 10 ms to import

    mean, std = _arguments.number("trunc_normal_", "mean", mean), _arguments.number("trunc_normal_", "std", std)
    a, b = _arguments.number("trunc_normal_", "a", a), _arguments.number("trunc_normal_", "b", b)
    refuse_in_step("init.trunc_normal_, which Python computes,", "call it before the first step")
    standard = NormalDist()
    low, high = standard.cdf((a - mean) / std), standard.cdf((b - mean) / std)
    uniform_(tensor, generator=generator)
    # float32 rounds some numbers to the ends, where the inverse is infinite.
    drawn = np.clip(low + (high - low) * tensor.detach().numpy().astype(np.float64), 1e-300, 1 - 2**-53)
    inverse = np.fromiter(map(standard.inv_cdf, drawn.ravel().tolist()), np.float64, drawn.size)
    return _fill(tensor, np.clip(mean + std * inverse.reshape(drawn.shape), a, b))


@named
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """A (semi-)orthogonal matrix times `gain`; axes after the first count as one (Saxe et al. 2014).

    **Raises** ValueError for fewer than two axes.

    >>> import pyautograd as pa
    >>> w = pa.nn.init.orthogonal_(pa.empty(3, 3, dtype=pa.float64))
    >>> bool(((w @ w.T - pa.eye(3, dtype=pa.float64)).abs() < 1e-12).all())
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: only tensors with 2 or more dimensions are supported, got {_shape(tensor)}")
    if tensor.numel() == 0:
        return tensor
    gain = _arguments.number("orthogonal_", "gain", gain)
    refuse_in_step("init.orthogonal_, which NumPy computes,", "call it before the first step")
    normal_(tensor, generator=generator)
    drawn = tensor.detach().numpy().reshape(tensor.shape[0], -1)
    tall = drawn if drawn.shape[0] >= drawn.shape[1] else drawn.T
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diagonal(r))  # makes the distribution uniform (Mezzadri 2007)
    return _fill(tensor, gain * (q if tall is drawn else q.T).reshape(tuple(tensor.shape)))


def _fill(target: Tensor, values: np.ndarray[Any, Any]) -> Tensor:
    with no_grad():
        return target.copy_(_tensor(np.asarray(values, np.float64, order="C")))


def _shape(tensor: Tensor) -> str:
    return f"shape {tuple(tensor.shape)}"


def _fans(tensor: Tensor) -> tuple[int, int]:
    """Inputs and outputs of one unit: axes after the second multiply both."""
    if tensor.ndim < 2:
        raise ValueError(
            f"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got {_shape(tensor)}"
        )
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _fans(tensor)[mode == "fan_out"]


def _root_of_fan(numerator: float, fan: int) -> float:
    return math.sqrt(numerator / fan) if fan > 0 else 0.0
