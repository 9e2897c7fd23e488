"""Modules of windows over images and sequences: convolutions, pooling, Unfold and Fold."""

from __future__ import annotations

import math
from typing import Any

from pyautograd._arguments import named
from pyautograd._creation import empty
from pyautograd._tensor import Parameter, Tensor
from pyautograd.nn import functional as F
from pyautograd.nn import init
from pyautograd.nn._module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AvgPool1d", "AvgPool2d",
    "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "Fold", "MaxPool1d", "MaxPool2d", "Unfold",
]  # fmt: skip


_MODES = ("zeros", "reflect", "replicate", "circular")


def _each(given: Any, axes: int) -> Any:
    if isinstance(given, str):
        return given
    return tuple(given) if isinstance(given, tuple | list) else (given,) * axes


class _Convolution(Module):
    """What the convolutions share: weights for each window, and a bias."""

    _function: str  # its name in nn.functional
    _axes: int
    transposed = False
    weight: Parameter
    bias: Parameter | None
    padding_mode: str

    def _build(self, given: dict[str, Any]) -> None:
        """With the arguments of the constructor."""
        super().__init__()
        name, axes = type(self).__name__, self._axes
        ins, outs, groups, mode = (given[each] for each in ("in_channels", "out_channels", "groups", "padding_mode"))
        if mode not in (("zeros",) if self.transposed else _MODES):
            raise ValueError(f"{name}: padding_mode={mode!r}")
        if groups < 1 or ins % groups or outs % groups or min(ins, outs) < 0:
            raise ValueError(f"{name}: {ins} and {outs} channels are not {groups} groups of one size")
        self.in_channels, self.out_channels, self.groups, self.padding_mode = ins, outs, groups, mode
        self.kernel_size, self.stride = _each(given["kernel_size"], axes), _each(given["stride"], axes)
        self.padding, self.dilation = _each(given["padding"], axes), _each(given["dilation"], axes)
        self.output_padding = _each(given.get("output_padding", 0), axes)
        options = {"device": given["device"], "dtype": given["dtype"]}
        channels = (ins, outs) if self.transposed else (outs, ins)
        self.weight = Parameter(empty(channels[0], channels[1] // groups, *self.kernel_size, **options))
        self.register_parameter("bias", Parameter(empty(outs, **options)) if given["bias"] else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight, then bias, anew: uniform in \u00b11 / sqrt(size of a window, of all channels of a group).

        >>> import pyautograd as pa
        >>> layer = pa.nn.Conv2d(1, 2, 2)
        >>> layer.reset_parameters()
        >>> bool((layer.weight.abs() <= 0.5).all())
        True
        """
        size = math.prod(self.weight.shape[1:])
        bound = 1 / math.sqrt(size) if size else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input with the padding of `padding_mode`, and what is left to pad with zeros."""
        if self.padding_mode == "zeros" or self.padding == "valid":
            return input, self.padding
        around: list[int] = []  # of the last axis first
        for i in reversed(range(self._axes)):
            both = self.dilation[i] * (self.kernel_size[i] - 1) if self.padding == "same" else 2 * self.padding[i]
            around += [both // 2, both - both // 2]
        return F.pad(input, tuple(around), self.padding_mode), 0

    def _extra(self, input: Tensor, output_size: Any) -> Any:
        """The output padding with which the output has that size."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self._axes if len(output_size) == input.ndim else 0 :]
        options = self.stride, self.padding, self.dilation, self.kernel_size, input.shape[-self._axes :], wanted
        extra = tuple(
            to - (place - 1) * stride + 2 * pad - step * (size - 1) - 1
            for stride, pad, step, size, place, to in zip(*options)
        )
        if len(wanted) != self._axes or not all(
            0 <= more < stride for more, stride in zip(extra, self.stride, strict=True)
        ):
            raise ValueError(f"{type(self).__name__}: no output of size {wanted} for an input of shape {input.shape}")
        return extra

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        usual = {"padding": (0,) * self._axes, "dilation": (1,) * self._axes, "output_padding": (0,) * self._axes}
        for name, value in (usual | {"groups": 1}).items():
            if (own := getattr(self, name)) != value:
                text += f", {name}={own}"
        text += ", bias=False" * (self.bias is None)
        return text + f", padding_mode={self.padding_mode}" * (self.padding_mode != "zeros")


class _Conv(_Convolution):
    @named
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self._build(locals())

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self._padded(input)
        function = getattr(F, self._function)
        result: Tensor = function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return result


class _ConvTranspose(_Convolution):
    transposed = True

    @named
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self._build(locals())

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        options = self.stride, self.padding, self._extra(input, output_size), self.groups, self.dilation
        result: Tensor = getattr(F, self._function)(input, self.weight, self.bias, *options)
        return result


class Conv1d(_Conv):
    """Sums over windows of sequences times weights, as `nn.functional.conv1d`: (N, in_channels, L) to (N, out_channels,
    ...).

    `weight` has shape (out_channels, in_channels / groups, width), `bias` (out_channels,). **Raises** ValueError for
    channels that are not `groups` groups of one size, and for a `padding_mode` that PyTorch has not; when called, as
    `nn.functional.conv1d`.

    >>> import pyautograd as pa
    >>> pa.nn.Conv1d(3, 4, 3)(pa.zeros(2, 3, 8)).shape
    (2, 4, 6)
    """

    _function, _axes = "conv1d", 1


class ConvTranspose1d(_ConvTranspose):
    """The gradient of a convolution of sequences in its input, as `nn.functional.conv_transpose1d`: (N, in_channels, L)
    to (N, out_channels, ...).

    `weight` has shape (in_channels, out_channels / groups, width), `bias` (out_channels,). **Raises** ValueError for
    channels that are not `groups` groups of one size, and for a `padding_mode` that PyTorch has not; when called, as
    `nn.functional.conv_transpose1d`.

    >>> import pyautograd as pa
    >>> pa.nn.ConvTranspose1d(3, 4, 3)(pa.zeros(2, 3, 8)).shape
    (2, 4, 10)
    """

    _function, _axes = "conv_transpose1d", 1


class Conv2d(_Conv):
    """Sums over windows of images times weights, as `nn.functional.conv2d`: (N, in_channels, H, W) to (N, out_channels,
    ...).

    `weight` has shape (out_channels, in_channels / groups, height, width), `bias` (out_channels,). **Raises**
    ValueError for channels that are not `groups` groups of one size, and for a `padding_mode` that
    PyTorch has not; when called, as `nn.functional.conv2d`.

    >>> import pyautograd as pa
    >>> pa.nn.Conv2d(3, 4, 3, padding=1)(pa.zeros(2, 3, 8, 8)).shape
    (2, 4, 8, 8)
    """

    _function, _axes = "conv2d", 2


class ConvTranspose2d(_ConvTranspose):
    """The gradient of a convolution of images in its input, as `nn.functional.conv_transpose2d`: (N, in_channels, H, W)
    to (N, out_channels, ...).

    `weight` has shape (in_channels, out_channels / groups, height, width), `bias` (out_channels,). **Raises**
    ValueError for channels that are not `groups` groups of one size, and for a `padding_mode` that
    PyTorch has not; when called, as `nn.functional.conv_transpose2d`.

    >>> import pyautograd as pa
    >>> pa.nn.ConvTranspose2d(3, 4, 2, stride=2)(pa.zeros(2, 3, 4, 4)).shape
    (2, 4, 8, 8)
    """

    _function, _axes = "conv_transpose2d", 2


class _Windows(Module):
    """A function of windows, with the options that it was made with as attributes."""

    _function: str  # its name in nn.functional
    kernel_size: Any
    _options: tuple[str, ...]
    _shown: tuple[str, ...] = ("kernel_size", "stride", "padding")

    def _keep(self, given: dict[str, Any]) -> None:
        super().__init__()
        for name in self._options:
            setattr(self, name, given[name])
        if given.get("stride", ...) is None:
            self.stride = self.kernel_size

    def forward(self, input: Tensor) -> Tensor:
        function = getattr(F, self._function)
        result: Tensor = function(input, **{name: getattr(self, name) for name in self._options})
        return result

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


class _MaxPool(_Windows):
    _options = ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode")
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    @named
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self._keep(locals())


class _AdaptiveAvgPool(_Windows):
    _options = _shown = ("output_size",)

    @named
    def __init__(self, output_size: Any) -> None:
        self._keep(locals())


class _AdaptiveMaxPool(_Windows):
    _options = _shown = ("output_size",)

    @named
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        if return_indices:
            raise NotImplementedError(f"{type(self).__name__}: return_indices; write unfold(...).max(dim)")
        self._keep(locals())


class MaxPool1d(_MaxPool):
    """The largest element of each window of a sequence, as `nn.functional.max_pool1d`: (N, C, L) to (N, C, ...).
    **Raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.MaxPool1d(2)(pa.zeros(2, 3, 8)).shape
    (2, 3, 4)
    """

    _function = "max_pool1d"


class AvgPool1d(_Windows):
    """The mean of each window of a sequence, as `nn.functional.avg_pool1d`: (N, C, L) to (N, C, ...). **Raises**, when
    called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.AvgPool1d(2)(pa.zeros(2, 3, 8)).shape
    (2, 3, 4)
    """

    _function = "avg_pool1d"
    _options = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

    @named
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._keep(locals())


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The mean of each of `output_size` windows that make up a sequence, as `nn.functional.adaptive_avg_pool1d`: (N, C,
    L) to (N, C, *output_size). **Raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.AdaptiveAvgPool1d(1)(pa.zeros(2, 3, 8)).shape
    (2, 3, 1)
    """

    _function = "adaptive_avg_pool1d"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest element of each of `output_size` windows that make up a sequence, as
    `nn.functional.adaptive_max_pool1d`: (N, C, L) to (N, C, *output_size). **Raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.AdaptiveMaxPool1d(1)(pa.zeros(2, 3, 8)).shape
    (2, 3, 1)
    """

    _function = "adaptive_max_pool1d"


class MaxPool2d(_MaxPool):
    """The largest element of each window of an image, as `nn.functional.max_pool2d`: (N, C, H, W) to (N, C, ...).
    **Raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.MaxPool2d(2)(pa.zeros(2, 3, 8, 8)).shape
    (2, 3, 4, 4)
    """

    _function = "max_pool2d"


class AvgPool2d(_Windows):
    """The mean of each window of an image, as `nn.functional.avg_pool2d`: (N, C, H, W) to (N, C, ...). **Raises**, when
    called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.AvgPool2d(2)(pa.zeros(2, 3, 8, 8)).shape
    (2, 3, 4, 4)
    """

    _function = "avg_pool2d"
    _options = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")

    @named
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self._keep(locals())


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The mean of each of `output_size` windows that make up an image, as `nn.functional.adaptive_avg_pool2d`: (N, C,
    H, W) to (N, C, *output_size). **Raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.AdaptiveAvgPool2d(1)(pa.zeros(2, 3, 8, 8)).shape
    (2, 3, 1, 1)
    """

    _function = "adaptive_avg_pool2d"


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest element of each of `output_size` windows that make up an image, as
    `nn.functional.adaptive_max_pool2d`: (N, C, H, W) to (N, C, *output_size). **Raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.AdaptiveMaxPool2d(1)(pa.zeros(2, 3, 8, 8)).shape
    (2, 3, 1, 1)
    """

    _function = "adaptive_max_pool2d"


class Unfold(_Windows):
    """Windows of images as columns, as `nn.functional.unfold`: (N, C, H, W) to (N, C times the size of a window, number
    of windows). **Raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.Unfold(2)(pa.zeros(1, 3, 4, 4)).shape
    (1, 12, 9)
    """

    _function = "unfold"
    _options = _shown = ("kernel_size", "dilation", "padding", "stride")

    @named
    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        self._keep(locals())


class Fold(_Windows):
    """Images out of windows as columns, which add up where they overlap, as `nn.functional.fold`: (N, C times the size
    of a window, number of windows) to (N, C, *output_size). **Raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.Fold(4, 2)(pa.zeros(1, 12, 9)).shape
    (1, 3, 4, 4)
    """

    _function = "fold"
    _options = _shown = ("output_size", "kernel_size", "dilation", "padding", "stride")

    @named
    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        self._keep(locals())
