"""Normalisation: LayerNorm, RMSNorm, GroupNorm, InstanceNorm1d, BatchNorm1d, BatchNorm2d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyautograd._arguments import named, wrong
from pyautograd._array_like import tensor
from pyautograd._creation import ones, zeros
from pyautograd._grad_mode import no_grad
from pyautograd._tensor import Parameter, Tensor
from pyautograd.nn import functional as F
from pyautograd.nn._module import Module

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm1d", "LayerNorm", "RMSNorm"]


class _Norm(Module):
    """A normalisation with a factor and a summand for each number that shares its statistics."""

    weight: Parameter | None
    bias: Parameter | None

    def _begin(self, shape: Any, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        super().__init__()
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if weight else None
        self.bias = Parameter(zeros(shape, device=device, dtype=dtype)) if weight and bias else None


def _sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class LayerNorm(_Norm):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axes, of sizes `normalized_shape` (Ba et al. 2016).

    Takes (..., *normalized_shape) to the same; `weight` and `bias` have shape `normalized_shape`. **Raises**, when
    called, ValueError for other last axes.

    >>> import pyautograd as pa
    >>> y = pa.nn.LayerNorm(3)(pa.tensor([[1.0, 2.0, 3.0]]))
    >>> [round(v, 4) for v in y[0].tolist()]
    [-1.2247, 0.0, 1.2247]
    """

    @named
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self._begin(_sizes(normalized_shape), elementwise_affine, bias, device, dtype)
        self.normalized_shape, self.eps, self.elementwise_affine = _sizes(normalized_shape), eps, elementwise_affine

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last axes, of sizes `normalized_shape` (Zhang and Sennrich 2019).

    Takes (..., *normalized_shape) to the same; `weight` has shape `normalized_shape`; `eps` None is the distance from 1
    to the next number of the dtype. **Raises**, when called, ValueError for other last axes.

    >>> import pyautograd as pa
    >>> pa.nn.RMSNorm(4)(pa.tensor([[3.0, 4.0, 0.0, 0.0]])).detach()
    tensor([[1.2000, 1.6000, 0.0000, 0.0000]])
    """

    weight: Parameter | None

    @named
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps, self.elementwise_affine = _sizes(normalized_shape), eps, elementwise_affine
        shape = self.normalized_shape
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if elementwise_affine else None

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Norm):
    """(x - mean) / sqrt(var + eps) * weight + bias over groups of channels of each row (Wu and He 2018).

    Takes (N, num_channels, ...) to the same; `weight` and `bias` have shape (num_channels,). **Raises** ValueError
    where the groups are not of one size, and, when called, for other shapes.

    >>> import pyautograd as pa
    >>> y = pa.nn.GroupNorm(2, 4)(pa.tensor([[0.0, 2.0, 5.0, 9.0]]))
    >>> [round(v, 3) for v in y[0].tolist()]
    [-1.0, 1.0, -1.0, 1.0]
    """

    @named
    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels are not {num_groups} groups of one size")
        self._begin(num_channels, affine, bias, device, dtype)
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class _FeatureNorm(_Norm):
    """A normalisation of features, the sizes of one axis; a subclass says of which shapes."""

    _ndims: tuple[int, ...]
    _wanted: str
    _axis = 1

    def _keep(self, given: dict[str, Any]) -> None:
        """With the arguments of the constructor."""
        self._begin(*(given[name] for name in ("num_features", "affine", "bias", "device", "dtype")))
        self.num_features, self.eps, self.momentum = given["num_features"], given["eps"], given["momentum"]
        self.affine, self.track_running_stats = given["affine"], given["track_running_stats"]

    def _check(self, input: Tensor) -> None:
        if not isinstance(input, Tensor):
            raise wrong(type(self).__name__, "input", "a Tensor", input)
        if input.ndim not in self._ndims or input.shape[self._axis] != self.num_features:
            wanted = self._wanted.format(self.num_features)
            raise ValueError(f"{type(self).__name__}: expected an input of shape {wanted}, got {input.shape}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class InstanceNorm1d(_FeatureNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias over the places of each channel of each row (Ulyanov et al. 2016).

    Takes (N, num_features, L) or (num_features, L) to the same; `weight` and `bias` have shape (num_features,), with
    `affine`. **Raises** NotImplementedError for running statistics, and, when called, ValueError for other shapes.

    >>> import pyautograd as pa
    >>> y = pa.nn.InstanceNorm1d(1)(pa.tensor([[[0.0, 2.0]]]))
    >>> [round(v, 3) for v in y[0, 0].tolist()]
    [-1.0, 1.0]
    """

    _ndims, _wanted, _axis = (2, 3), "(N, {0}, L) or ({0}, L)", -2

    @named
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        if track_running_stats:
            raise NotImplementedError("InstanceNorm1d: track_running_stats; write BatchNorm1d for running statistics")
        self._keep(locals())

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        batch = input if input.ndim == 3 else input.unsqueeze(0)
        result = F.instance_norm(batch, None, None, self.weight, self.bias, eps=self.eps)
        return result if input.ndim == 3 else result.squeeze(0)


class _BatchNorm(_FeatureNorm):
    """Normalisation over the batch, with running statistics."""

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    @named
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        self._keep(locals())
        options = {"device": device, "dtype": dtype}
        self.register_buffer("running_mean", zeros(num_features, **options) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features, **options) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", tensor(0) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Sets the running statistics back to what they were when the layer was made.

        >>> import pyautograd as pa
        >>> layer = pa.nn.BatchNorm1d(2)
        >>> _ = layer(pa.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> layer.reset_running_stats()
        >>> layer.running_mean.tolist()
        [0.0, 0.0]
        """
        for buffer, value in (self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0):
            if buffer is not None:
                buffer.fill_(value)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        momentum = self.momentum
        count = self.num_batches_tracked if self.training else None
        if count is not None and momentum is None:
            momentum = 1 / (count.item() + 1)
        mean, var = self.running_mean, self.running_var
        rate = 0.0 if momentum is None else momentum
        result = F.batch_norm(input, mean, var, self.weight, self.bias, self.training or mean is None, rate, self.eps)
        if count is not None:
            with no_grad():
                count.add_(1)
        return result


class BatchNorm1d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias over the batch (Ioffe and Szegedy 2015), for (N, C) or (N, C, L).

    While training the batch's own mean and variance are used, and running ones kept with weight `momentum` for the
    newest (None: plain averages); these are used in evaluation. **Raises**, when called, ValueError for another shape
    and for a training batch of one value a channel, TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> norm = pa.nn.BatchNorm1d(2)
    >>> y = norm(pa.tensor([[1.0, 0.0], [3.0, 10.0]]))
    >>> [round(v, 3) for v in y[0].tolist()], [round(v, 3) for v in norm.running_mean.tolist()]
    ([-1.0, -1.0], [0.2, 0.5])
    """

    _ndims, _wanted = (2, 3), "(N, {0}) or (N, {0}, L)"


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for images: (N, C, H, W), statistics over rows and places. **Raises** as that.

    >>> import pyautograd as pa
    >>> pa.nn.BatchNorm2d(3)(pa.zeros(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """

    _ndims, _wanted = (4,), "(N, {0}, H, W)"
