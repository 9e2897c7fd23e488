"""Windows over images and sequences as functions: unfold and fold, convolutions, pooling. Part of `nn.functional`.

A window is a view of the padded image; a convolution is one product of all windows with the weights. Sequences are
images of one row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pyautograd import _dims
from pyautograd._arguments import named
from pyautograd._creation import arange, ones, zeros
from pyautograd._joins import stack
from pyautograd._rearrange import padded
from pyautograd._tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
    "avg_pool2d", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "max_pool1d", "max_pool2d",
    "unfold",
]  # fmt: skip


def _pair(given: Any) -> Any:
    """What is said of rows and of columns."""
    return given if isinstance(given, tuple | list) else (given, given)


def _patches(
    name: str, image: Tensor, kernel_size: Any, dilation: Any, padding: Any, stride: Any, around: float = 0
) -> Tensor:
    """Windows over the last two axes (..., rows, columns, height, width), a view of the image padded with `around`."""
    given = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    pairs = [_dims.sizes(name, (_pair(x),), key) for key, x in given.items()]
    if not all(len(pair) == 2 for pair in pairs) or min(map(min, pairs)) < 0 or 0 in pairs[0] + pairs[1] + pairs[3]:
        raise ValueError(f"{name}: windows {given}; each is an int or two")
    rows, columns = pairs[2]
    windows = padded(image, (columns, columns, rows, rows), "constant", around)
    for size, step, _, apart in zip(*pairs, strict=True):
        span = step * (size - 1) + 1
        if span > windows.shape[-2]:
            raise ValueError(f"{name}: windows {given} of images of shape {image.shape}")
        windows = windows.unfold(-2, span, apart)[..., ::step]
    return windows


@named
def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Windows of images as columns.

    **Arguments:** `input` (N, C, H, W) or (C, H, W); the others are ints, or two of them for rows and columns.
    **Returns** (N, C times the size of a window, number of windows). **Raises** ValueError for windows that do not fit.

    >>> import pyautograd
    >>> from pyautograd.nn import functional as F
    >>> F.unfold(pyautograd.ones(1, 2, 5, 5), 3).shape
    (1, 18, 9)
    """
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if input.ndim != 4:
        raise ValueError(f"unfold: input of shape {input.shape}; it takes (N, C, H, W) or (C, H, W)")
    windows = _patches("unfold", input, kernel_size, dilation, padding, stride).permute(0, 1, 4, 5, 2, 3)
    n, c, height, width, rows, columns = windows.shape
    return windows.reshape(n, c * height * width, rows * columns)


@named
def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Images out of windows as columns, which add up where they overlap.

    **Arguments:** `input` (N, C times the size of a window, number of windows), or without N; `output_size`: rows and
    columns of the images; the others as for `unfold`. **Returns** (N, C, rows, columns). **Raises** ValueError for
    shapes that do not fit.

    >>> import pyautograd
    >>> from pyautograd.nn import functional as F
    >>> F.fold(pyautograd.ones(1, 4, 2), (2, 3), 2)
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    if input.ndim == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    size = _dims.sizes("fold", (_pair(output_size),))
    places = arange(1, math.prod(size) + 1).reshape(1, 1, *size)  # 0 is the padding
    taken = unfold(places, kernel_size, dilation, padding, stride)[0]
    if input.ndim != 3 or input.shape[-1] != taken.shape[1] or input.shape[1] % taken.shape[0]:
        raise ValueError(f"fold: input of shape {input.shape}, and windows of images of {size} are {taken.shape}")
    n, c = input.shape[0], input.shape[1] // taken.shape[0]
    sums = zeros(n, c, places.numel() + 1, dtype=input.dtype)
    return sums.index_add(2, taken.reshape(-1), input.reshape(n, c, taken.numel()))[..., 1:].reshape(n, c, *size)


def _row(given: Any, other: int | None) -> tuple[Any, Any]:
    """What is said of a sequence, for an image of one row."""
    return other, given[0] if isinstance(given, tuple | list) else given


def _batch(name: str, input: Tensor, ndim: int, channels: int | None = None) -> Tensor:
    """With rows, where there is one without. ValueError for other shapes."""
    places = "C, H, W" if ndim == 4 else "C, L"
    if input.ndim not in (ndim, ndim - 1) or (channels is not None and input.shape[1 - ndim] != channels):
        of = "" if channels is None else f" with {channels} channels"
        raise ValueError(f"{name}: input of shape {input.shape}; it takes (N, {places}) or ({places}){of}")
    return input if input.ndim == ndim else input.unsqueeze(0)


@named
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The sum over windows of images times weights (a cross-correlation), plus a bias.

    **Arguments:** `input` (N, C, H, W) or (C, H, W); `weight` (O, C / groups, height, width); `bias` (O,); `stride`,
    `dilation`, `padding`: ints, or two of them for rows and columns; `padding` also "valid" (none) or "same" (an output
    of the input's size, with stride 1). **Returns** (N, O, rows, columns). **Raises** ValueError for shapes that do not
    fit.

    >>> import pyautograd as pa
    >>> pa.nn.functional.conv2d(pa.ones(1, 1, 3, 3), pa.ones(2, 1, 2, 2), pa.tensor([0.0, 1.0])).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]], [[5.0, 5.0], [5.0, 5.0]]]]
    """
    if weight.ndim != 4 or groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"conv2d: weight of shape {weight.shape} for {groups} groups")
    outputs, channels, *size = weight.shape
    share = outputs // groups
    image = _batch("conv2d", input, 4, channels * groups)
    if isinstance(padding, str):
        image, padding = _padded_as_named("conv2d", image, size, stride, dilation, padding), 0
    windows = _patches("conv2d", image, tuple(size), dilation, padding, stride)
    n, _, rows, columns, *_ = windows.shape
    taken = windows.unflatten(1, (groups, channels)).permute(1, 0, 3, 4, 2, 5, 6)
    taken = taken.reshape(groups, n * rows * columns, channels * size[0] * size[1])
    made = taken @ weight.reshape(groups, share, taken.shape[-1]).transpose(1, 2)
    result = made.reshape(groups, n, rows, columns, share).permute(1, 0, 4, 2, 3).reshape(n, outputs, rows, columns)
    if bias is not None:
        result = result + bias.reshape(-1, 1, 1)
    return result if input.ndim == 4 else result.squeeze(0)


def _padded_as_named(name: str, image: Tensor, size: list[int], stride: Any, dilation: Any, padding: str) -> Tensor:
    if padding == "valid":
        return image
    if padding != "same":
        raise ValueError(f"{name}: padding must be numbers, 'valid' or 'same', got {padding!r}")
    strides, steps = _pair(stride), _pair(dilation)
    if max(strides) > 1:
        raise ValueError(f"{name}: padding='same' is for stride 1, not {stride}")
    (rows, columns) = (step * (each - 1) for step, each in zip(steps, size, strict=True))
    return padded(image, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), "constant", 0)


@named
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The sum over windows of sequences times weights (a cross-correlation), plus a bias.

    **Arguments:** `input` (N, C, L) or (C, L); `weight` (O, C / groups, width); `bias` (O,); the others as for
    `conv2d`. **Returns** (N, O, places). **Raises** ValueError for shapes that do not fit.

    >>> import pyautograd as pa
    >>> pa.nn.functional.conv1d(pa.tensor([[1.0, 2.0, 4.0]]), pa.tensor([[[1.0, -1.0]]])).tolist()
    [[-1.0, -2.0]]
    """
    if weight.ndim != 3:
        raise ValueError(f"conv1d: weight of shape {weight.shape}; it is (O, C / groups, width)")
    _batch("conv1d", input, 3, weight.shape[1] * groups)
    rows = _row(stride, 1), padding if isinstance(padding, str) else _row(padding, 0), _row(dilation, 1)
    return conv2d(input.unsqueeze(-2), weight.unsqueeze(-2), bias, *rows, groups).squeeze(-2)


@named
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The gradient of `conv2d` in its input: windows of weights, one for each place of the input, added up.

    **Arguments:** `input` (N, C, H, W) or (C, H, W); `weight` (C, O / groups, height, width); `bias` (O,);
    `output_padding`: rows and columns more at the end; the others as for `conv2d`. **Returns** (N, O, rows, columns).
    **Raises** ValueError for shapes that do not fit.

    >>> import pyautograd as pa
    >>> pa.nn.functional.conv_transpose2d(pa.tensor([[[1.0, 2.0]]]), pa.ones(1, 1, 1, 2)).tolist()
    [[[1.0, 3.0, 2.0]]]
    """
    if weight.ndim != 4 or groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"conv_transpose2d: weight of shape {weight.shape} for {groups} groups")
    channels, _, *size = weight.shape
    image = _batch("conv_transpose2d", input, 4, channels)
    strides, pads, more, steps = map(_pair, (stride, padding, output_padding, dilation))
    if any(extra >= max(stride, step) for extra, stride, step in zip(more, strides, steps, strict=True)):
        raise ValueError(f"conv_transpose2d: output_padding {output_padding} for stride {stride}, dilation {dilation}")
    places = image.shape[2:]
    taken = image.flatten(2).unflatten(1, (groups, channels // groups))
    columns = weight.reshape(groups, channels // groups, -1).transpose(1, 2) @ taken
    target = tuple(
        (place - 1) * stride - 2 * pad + step * (each - 1) + extra + 1
        for place, stride, pad, step, each, extra in zip(places, strides, pads, steps, size, more, strict=True)
    )
    windows = columns.flatten(1, 2)
    over = tuple(
        (wanted + 2 * pad - step * (each - 1) - 1) // stride - place + 1
        for wanted, pad, step, each, stride, place in zip(target, pads, steps, size, strides, places, strict=True)
    )
    if any(over):  # windows that only the padding at the end has room for are 0
        windows = padded(windows.unflatten(-1, places), (0, over[1], 0, over[0]), "constant", 0).flatten(-2)
    result = fold(windows, target, tuple(size), tuple(steps), tuple(pads), tuple(strides))
    if bias is not None:
        result = result + bias.reshape(-1, 1, 1)
    return result if input.ndim == 4 else result.squeeze(0)


@named
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The gradient of `conv1d` in its input.

    **Arguments:** `input` (N, C, L) or (C, L); `weight` (C, O / groups, width); the others as for `conv_transpose2d`.
    **Returns** (N, O, places). **Raises** ValueError for shapes that do not fit.

    >>> import pyautograd as pa
    >>> pa.nn.functional.conv_transpose1d(pa.tensor([[1.0, 2.0]]), pa.ones(1, 1, 2)).tolist()
    [[1.0, 3.0, 2.0]]
    """
    if weight.ndim != 3:
        raise ValueError(f"conv_transpose1d: weight of shape {weight.shape}; it is (C, O / groups, width)")
    _batch("conv_transpose1d", input, 3, weight.shape[0])
    rows = _row(stride, 1), _row(padding, 0), _row(output_padding, 0), groups, _row(dilation, 1)
    return conv_transpose2d(input.unsqueeze(-2), weight.unsqueeze(-2), bias, *rows).squeeze(-2)


def _pooled(
    name: str, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, around: float
) -> Tensor:
    """The windows of a pooling, (..., rows, columns, height * width)."""
    pairs = _pair(kernel_size), _pair(padding)
    if ceil_mode:
        raise NotImplementedError(f"{name}: ceil_mode; pad the input with nn.functional.pad")
    if any(2 * pad > size for size, pad in zip(*pairs, strict=True)):
        raise ValueError(f"{name}: padding {padding} is more than half of the windows' size {kernel_size}")
    step = kernel_size if stride is None else stride
    return _patches(name, input, kernel_size, dilation, padding, step, around).flatten(-2)


@named
def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The largest element of each window of images; the gradient goes to the first of them.

    **Arguments:** `input` (N, C, H, W) or (C, H, W); `stride`: by default `kernel_size`; ints, or two of them for rows
    and columns. **Returns** (N, C, rows, columns). **Raises** ValueError for windows that do not fit,
    NotImplementedError for `ceil_mode` and `return_indices`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.max_pool2d(pa.arange(16.0).reshape(1, 4, 4), 2).tolist()
    [[[5.0, 7.0], [13.0, 15.0]]]
    """
    if return_indices:
        raise NotImplementedError("max_pool2d: return_indices; write unfold(...).max(dim)")
    _batch("max_pool2d", input, 4)
    return _pooled("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode, -math.inf).max(-1)[0]


@named
def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The largest element of each window of sequences, (N, C, L) or (C, L); arguments and what it **raises** are those
    of `max_pool2d`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.max_pool1d(pa.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[3.0, 2.0]]
    """
    _batch("max_pool1d", input, 3)
    rows = _row(kernel_size, 1), None if stride is None else _row(stride, 1), _row(padding, 0), _row(dilation, 1)
    return max_pool2d(input.unsqueeze(-2), *rows, ceil_mode, return_indices).squeeze(-2)


@named
def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of images.

    **Arguments:** as `max_pool2d`; `count_include_pad`: whether the padding counts; `divisor_override`: divides the sum
    instead of the size. **Returns** (N, C, rows, columns). **Raises** as `max_pool2d`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.avg_pool2d(pa.arange(16.0).reshape(1, 4, 4), 2).tolist()
    [[[2.5, 4.5], [10.5, 12.5]]]
    """
    _batch("avg_pool2d", input, 4)
    windows = _pooled("avg_pool2d", input, kernel_size, stride, padding, 1, ceil_mode, 0)
    if divisor_override is not None:
        return windows.sum(-1) / divisor_override
    if count_include_pad or padding == 0:
        return windows.mean(-1)
    there = ones(1, *input.shape[-2:], dtype=input.dtype)
    return windows.sum(-1) / _pooled("avg_pool2d", there, kernel_size, stride, padding, 1, ceil_mode, 0).sum(-1)


@named
def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of sequences, (N, C, L) or (C, L); arguments and what it **raises** are those of
    `avg_pool2d`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.avg_pool1d(pa.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[2.0, 1.0]]
    """
    _batch("avg_pool1d", input, 3)
    rows = _row(kernel_size, 1), None if stride is None else _row(stride, 1), _row(padding, 0)
    return avg_pool2d(input.unsqueeze(-2), *rows, ceil_mode, count_include_pad).squeeze(-2)


def _adaptive(name: str, input: Tensor, output_size: Any, of_window: Callable[[Tensor, int], Tensor]) -> Tensor:
    """One axis after the other, columns first; windows that are not of one size overlap."""
    rows, columns = _pair(output_size)
    for axis, wanted in (-1, columns), (-2, rows):
        whole = input.shape[axis]
        if wanted is None:
            continue
        if wanted < 1 or whole < 1:
            raise ValueError(f"{name}: {output_size} windows of an input of shape {input.shape}")
        if whole % wanted == 0:
            input = of_window(input.unflatten(axis, (wanted, whole // wanted)), axis)
            continue
        starts = [whole * i // wanted for i in range(wanted)]
        sizes = [-(-whole * (i + 1) // wanted) - start for i, start in enumerate(starts)]
        parts = [of_window(input.narrow(axis, *each), axis) for each in zip(starts, sizes, strict=True)]
        input = stack(parts, axis)
    return input


def _mean(windows: Tensor, axis: int) -> Tensor:
    return windows.mean(axis)


def _largest(windows: Tensor, axis: int) -> Tensor:
    return windows.max(axis)[0]


@named
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of `output_size` windows that make up an image, (N, C, H, W) or (C, H, W).

    Where these cannot be of one size they overlap. **Raises** ValueError for other shapes.

    >>> import pyautograd as pa
    >>> pa.nn.functional.adaptive_avg_pool2d(pa.arange(16.0).reshape(1, 4, 4), 1).tolist()
    [[[7.5]]]
    """
    _batch("adaptive_avg_pool2d", input, 4)
    return _adaptive("adaptive_avg_pool2d", input, output_size, _mean)


@named
def adaptive_max_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The largest element of each of `output_size` windows that make up an image, (N, C, H, W) or (C, H, W). **Raises**
    as `adaptive_avg_pool2d`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.adaptive_max_pool2d(pa.arange(16.0).reshape(1, 4, 4), (1, 2)).tolist()
    [[[13.0, 15.0]]]
    """
    _batch("adaptive_max_pool2d", input, 4)
    return _adaptive("adaptive_max_pool2d", input, output_size, _largest)


@named
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of `output_size` windows that make up a sequence, (N, C, L) or (C, L). **Raises** as
    `adaptive_avg_pool2d`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.adaptive_avg_pool1d(pa.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[2.0, 1.0]]
    """
    _batch("adaptive_avg_pool1d", input, 3)
    return _adaptive("adaptive_avg_pool1d", input.unsqueeze(-2), _row(output_size, None), _mean).squeeze(-2)


@named
def adaptive_max_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The largest element of each of `output_size` windows that make up a sequence, (N, C, L) or (C, L). **Raises** as
    `adaptive_avg_pool2d`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.adaptive_max_pool1d(pa.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[3.0, 2.0]]
    """
    _batch("adaptive_max_pool1d", input, 3)
    return _adaptive("adaptive_max_pool1d", input.unsqueeze(-2), _row(output_size, None), _largest).squeeze(-2)
