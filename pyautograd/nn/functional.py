"""Layers, activations and losses as functions, as `torch.nn.functional`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import pyautograd.nn._functional_activations as _functional_activations  # so that pyright knows their names for ours
import pyautograd.nn._functional_losses as _functional_losses
import pyautograd.nn._functional_windows as _functional_windows
import pyautograd.nn._generated_functional as _generated_functional
import pyautograd.nn._margin_losses as _margin_losses
from pyautograd import _arguments, _dims, _ops
from pyautograd._absent import say_what_is_missing
from pyautograd._arguments import named
from pyautograd._c import refuse_in_step
from pyautograd._core import apply, is_recording
from pyautograd._creation import arange, ones, zeros
from pyautograd._dtype import bool_, int32, int64
from pyautograd._einsum import einsum
from pyautograd._elementwise import gelu, where
from pyautograd._generated import softplus
from pyautograd._grad_mode import no_grad
from pyautograd._in_place import overwritten
from pyautograd._promotion import finfo
from pyautograd._rearrange import padded
from pyautograd._reduce import log_softmax as _log_softmax
from pyautograd._reduce import softmax as _softmax
from pyautograd._tensor import Tensor
from pyautograd.nn._distance import cosine_similarity, normalize, pairwise_distance, pdist
from pyautograd.nn._functional_activations import *
from pyautograd.nn._functional_activations import implicit_dim
from pyautograd.nn._functional_losses import *
from pyautograd.nn._functional_losses import check_int64
from pyautograd.nn._functional_windows import *
from pyautograd.nn._generated_functional import *
from pyautograd.nn._margin_losses import *

__all__ = [
    "batch_norm", "bilinear", "celu_", "cosine_similarity", "dropout", "elu_", "embedding", "gelu", "group_norm",
    "hardtanh_", "instance_norm", "layer_norm", "leaky_relu_", "linear", "log_softmax", "logsigmoid", "normalize",
    "one_hot", "pad", "pairwise_distance", "pdist", "relu_", "rms_norm", "rrelu_", "scaled_dot_product_attention",
    "selu_", "softmax", "softplus", "threshold_",
]  # fmt: skip
__all__ += _functional_activations.__all__
__all__ += _functional_losses.__all__
__all__ += _functional_windows.__all__
__all__ += _generated_functional.__all__
__all__ += _margin_losses.__all__


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function whose result overwrites the input."""
    name = function.__name__

    @functools.wraps(function)
    def written(input: Tensor, *args: Any, **keywords: Any) -> Tensor:
        return function(input, *args, **keywords, inplace=True)

    written.__name__ = written.__qualname__ = f"{name}_"
    written.__module__ = __name__
    written.__doc__ = f"""`{name}` with `inplace=True`: overwrites the input, of any shape, and returns it.

    **Raises** as that does, and RuntimeError for a leaf that requires grad, outside `no_grad`.

    >>> import pyautograd as pa
    >>> x = pa.tensor([-1.0, 2.0])
    >>> pa.nn.functional.{name}_(x{", 0.0, 0.0" * (name == "threshold")}) is x
    True
    """
    return written


_activations: list[Callable[..., Tensor]] = [celu, elu, hardtanh, leaky_relu, relu, rrelu, selu, threshold]
celu_, elu_, hardtanh_, leaky_relu_, relu_, rrelu_, selu_, threshold_ = map(_in_place, _activations)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input weight^T + bias`.

    **Arguments:** `input`: (..., in); `weight`: (out, in); `bias`: (out,); floats. **Returns** (..., out). **Raises**
    ValueError where the shapes do not fit, TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.nn.functional.linear(pa.ones(1, 2), pa.tensor([[1.0, 2.0]]), pa.tensor([0.5])).tolist()
    [[3.5]]
    """
    return apply(_ops.linear, input, weight) if bias is None else apply(_ops.linear, input, weight, bias)


@named
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """sum_ij input1_i weight_kij input2_j + bias_k.

    **Arguments:** `input1` (..., n) and `input2` (..., m), alike but for the last axis, `weight` (out, n, m), `bias`
    (out,). **Returns** (..., out). **Raises** ValueError for shapes that do not fit.

    >>> import pyautograd
    >>> from pyautograd.nn import functional as F
    >>> F.bilinear(pyautograd.ones(5, 2), pyautograd.ones(5, 3), pyautograd.ones(4, 2, 3)).shape
    (5, 4)
    """
    fits = input1.shape[:-1] == input2.shape[:-1] and weight.shape[1:] == input1.shape[-1:] + input2.shape[-1:]
    if not fits or (bias is not None and bias.shape != weight.shape[:1]):
        raise ValueError(
            f"bilinear: inputs of shapes {input1.shape} and {input2.shape} and a weight of shape {weight.shape}"
            + ("" if bias is None else f" and a bias of shape {bias.shape}")
        )
    result = einsum("...i,kij,...j->...k", input1, weight, input2)
    return result if bias is None else result + bias


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """e^x / sum e^x along `dim`, for any shape; in `dtype` if one is given.

    **Raises** IndexError for a `dim` out of range, TypeError for one that is no int. Without `dim` it warns and takes
    PyTorch's old choice.

    >>> import pyautograd as pa
    >>> pa.nn.functional.softmax(pa.zeros(2, 4), dim=1).tolist()[0]
    [0.25, 0.25, 0.25, 0.25]
    """
    return _softmax(input, implicit_dim("softmax", input) if dim is None else dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """x - ln sum e^x along `dim`, for any shape; in `dtype` if one is given. Exact where a softmax underflows.

    **Raises** as `softmax`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.log_softmax(pa.tensor([1000.0, 0.0]), dim=0).tolist()
    [0.0, -1000.0]
    """
    return _log_softmax(input, implicit_dim("log_softmax", input) if dim is None else dim, dtype)


def logsigmoid(input: Tensor) -> Tensor:
    """Elementwise ln sigmoid(a), exact where the sigmoid underflows; `log_sigmoid` by PyTorch's name.

    **Returns** a Tensor of the input's shape. **Raises** TypeError for what is no Tensor and no number.

    >>> import pyautograd as pa
    >>> pa.nn.functional.logsigmoid(pa.tensor([-200.0, 0.0]))
    tensor([-200.0000,   -0.6931])
    """
    return apply(_ops.log_sigmoid, input)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """While training, zeroes each element with probability `p` and divides the others by 1 - p; else the input. With
    `inplace` the result overwrites it.

    The draws come from the thread's stream (`manual_seed`). **Returns** the input's shape. **Raises** ValueError unless
    0 <= p <= 1, TypeError for integers.

    >>> import pyautograd as pa
    >>> y = pa.nn.functional.dropout(pa.ones(1000), p=0.5)
    >>> sorted(set(y.tolist())), 400 < int((y > 0).sum()) < 600
    ([0.0, 2.0], True)
    """
    _arguments.probability("dropout", p)
    if not training or p == 0.0:
        return input
    if inplace:
        return overwritten(input, "dropout_", dropout, p)
    if p == 1.0:
        return apply(_ops.mul, input, 0.0)
    return apply(_ops.mul, input, apply(_ops.dropout_mask, input, (), (p,)))


@named
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at each class and 0 elsewhere, int64.

    **Arguments:** `input`: classes, int64 of shape (...); `num_classes`: -1 takes the largest class plus one.
    **Returns** (..., num_classes). **Raises** TypeError for another dtype, IndexError for a class out of range,
    ValueError for less than one class, or -1 with an empty tensor.

    >>> import pyautograd as pa
    >>> pa.nn.functional.one_hot(pa.tensor([0, 2])).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    check_int64("one_hot", "input", input)
    num_classes = _arguments.integer("one_hot", "num_classes", num_classes)
    if num_classes == -1:
        if input.numel() == 0:
            raise ValueError("one_hot: num_classes must be given for an empty tensor")
        refuse_in_step("one_hot without num_classes, whose shape depends on the classes,", "give num_classes")
        num_classes = int(input.max()) + 1
    if num_classes < 1:
        raise ValueError(f"one_hot: {num_classes} classes")
    _arguments.within("one_hot", input, num_classes)
    return apply(_ops.eq, input.unsqueeze(-1), arange(num_classes)).to(int64)


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` at the positions `input`; no gradient flows to the row `padding_idx`.

    **Arguments:** `input`: int64 or int32 of shape (...); `weight`: (rows, width). **Returns** (..., width). **Raises**
    TypeError for positions of another dtype, IndexError for one out of range, ValueError for a weight without two axes
    or a `padding_idx` that is no row.

    >>> import pyautograd as pa
    >>> pa.nn.functional.embedding(pa.tensor([1, 0]), pa.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 4.0], [1.0, 2.0]]
    """
    try:
        fits = input.dtype is int64 and weight.ndim == 2
    except AttributeError:
        fits = False
    if not fits:
        if isinstance(input, Tensor) and input.dtype is int32:
            return embedding(input.to(int64), weight, padding_idx)
        check_int64("embedding", "input", input)
        shape = _arguments.tensor("embedding", "weight", weight).shape
        raise ValueError(f"embedding: weight must have two axes; its shape is {shape}")
    rows = apply(_ops.index, weight, input, (1,))
    if padding_idx is None:
        return rows
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise ValueError(f"embedding: padding_idx {padding_idx} is none of {weight.shape[0]} rows")
    return where((input == padding_idx % weight.shape[0]).unsqueeze(-1), rows.detach(), rows)


@named
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, statistics over the last axes, of sizes `normalized_shape`.

    **Arguments:** `input`: (..., *normalized_shape); `weight`, `bias`: of shape `normalized_shape` each. The variance
    is the biased one (Ba et al. 2016). **Returns** the input's shape. **Raises** ValueError where the shapes differ.

    >>> import pyautograd as pa
    >>> pa.nn.functional.layer_norm(pa.tensor([[0.0, 2.0]]), (2,), eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    n = _last_axes("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    last = ((1 << n) - 1) << (input.ndim - n), True  # the axes as bits, and keepdim
    centred = input - apply(_ops.mean, input, last)
    normal: Tensor = centred / (apply(_ops.mean, centred.square(), last) + eps).sqrt()
    if weight is not None:
        normal = normal * weight
    return normal if bias is None else normal + bias


@named
def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight, the mean over the last axes, of sizes `normalized_shape` (Zhang and Sennrich
    2019).

    **Arguments:** `input`: (..., *normalized_shape); `weight`: of shape `normalized_shape`; `eps`: None for the
    distance from 1 to the next number of the dtype. **Returns** the input's shape. **Raises** ValueError where the
    shapes differ.

    >>> import pyautograd as pa
    >>> pa.nn.functional.rms_norm(pa.tensor([[3.0, 4.0, 0.0, 0.0]]), (4,), eps=0.0).tolist()
    [[1.2000000476837158, 1.600000023841858, 0.0, 0.0]]
    """
    n = _last_axes("rms_norm", input, normalized_shape, weight=weight)
    last = ((1 << n) - 1) << (input.ndim - n), True  # the axes as bits, and keepdim
    small = finfo(input.dtype).eps if eps is None else eps
    normal: Tensor = input / (apply(_ops.mean, input.square(), last) + small).sqrt()
    return normal if weight is None else normal * weight


@named
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, statistics over each of `num_groups` groups of channels of each row
    (Wu and He 2018).

    **Arguments:** `input`: (N, C, ...), C a multiple of `num_groups`; `weight`, `bias`: (C,). **Returns** the input's
    shape. **Raises** ValueError where the shapes do not fit.

    >>> import pyautograd as pa
    >>> pa.nn.functional.group_norm(pa.tensor([[0.0, 2.0, 5.0, 9.0]]), 2, eps=0.0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ValueError(f"group_norm: input of shape {input.shape} has no {num_groups} groups of channels of one size")
    _check_channels("group_norm", input, weight=weight, bias=bias)
    grouped = input.reshape(input.shape[0], num_groups, math.prod(input.shape[1:]) // num_groups)
    normal = layer_norm(grouped, grouped.shape[2:], eps=eps).reshape(input.shape)
    return _scaled(normal, weight, bias)


@named
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, statistics over the places of each channel of each row (Ulyanov et
    al. 2016).

    **Arguments:** `input`: (N, C, ...); `weight`, `bias`: (C,). **Returns** the input's shape. **Raises** ValueError
    where the shapes do not fit, NotImplementedError for running statistics.

    >>> import pyautograd as pa
    >>> pa.nn.functional.instance_norm(pa.tensor([[[0.0, 2.0]]]), eps=0.0).tolist()
    [[[-1.0, 1.0]]]
    """
    if running_mean is not None or running_var is not None or not use_input_stats:
        raise NotImplementedError("instance_norm: running statistics; write batch_norm for these")
    if input.ndim < 3 or math.prod(input.shape[2:]) < 2:
        raise ValueError(f"instance_norm: expected more than 1 place per channel of (N, C, ...), got {input.shape}")
    return group_norm(input, input.shape[1], weight, bias, eps)


@named
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel, axis 1 of the input (Ioffe and Szegedy 2015).

    Mean and variance are the batch's while `training`, and move the running ones, in place, by `momentum` (the variance
    without bias); else they are the running ones.

    **Arguments:** `input`: (N, C, ...); all others (C,), floats. **Returns** the input's shape. **Raises** ValueError
    where the shapes differ, for a training batch of one value a channel, and without `training` where running
    statistics lack.

    >>> import pyautograd as pa
    >>> pa.nn.functional.batch_norm(pa.tensor([[0.0], [2.0]]), None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    """
    _check_channels("batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    axes = tuple(axis for axis in range(input.ndim) if axis != 1)
    shape = [-1 if axis == 1 else 1 for axis in range(input.ndim)]
    if training:
        n = math.prod(input.shape[axis] for axis in axes)
        if n <= 1:
            raise ValueError(f"batch_norm: expected more than 1 value per channel when training, got {input.shape}")
        mean = input.mean(axes, keepdim=True)
        centred = input - mean
        var = centred.square().mean(axes, keepdim=True)
    else:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: without training, running_mean and running_var must be given")
        centred = input - running_mean.reshape(shape)
        var = running_var.reshape(shape)
    normal = _scaled(centred / (var + eps).sqrt(), weight, bias)
    if training:  # last, so that a call that fails leaves the running statistics as they are
        with no_grad():
            if running_mean is not None:
                running_mean.mul_(1 - momentum).add_(mean.reshape(-1), alpha=momentum)
            if running_var is not None and is_recording():  # n may follow from the number of rows
                running_var.mul_(1 - momentum).add_(var.reshape(-1) * n / (n - 1), alpha=momentum)
            elif running_var is not None:
                running_var.mul_(1 - momentum).add_(var.reshape(-1), alpha=momentum * n / (n - 1))
    return normal


def _last_axes(name: str, input: Tensor, sizes: Sequence[int], **operands: Tensor | None) -> int:
    """How many the last axes of these sizes are. ValueError unless input, and each operand, has them."""
    n = len(sizes)
    if n == 0 or tuple(input.shape[-n:]) != tuple(sizes):
        raise ValueError(f"{name}: the last axes of input must be {tuple(sizes)}; its shape is {tuple(input.shape)}")
    for argument, given in operands.items():
        if given is not None and given.shape != input.shape[-n:]:
            raise ValueError(f"{name}: {argument} has shape {given.shape}; it must be {tuple(sizes)}")
    return n


def _scaled(normal: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Times a weight and plus a bias for each channel, axis 1."""
    shape = [-1 if axis == 1 else 1 for axis in range(normal.ndim)]
    if weight is not None:
        normal = normal * weight.reshape(shape)
    return normal if bias is None else normal + bias.reshape(shape)


def _check_channels(name: str, input: Tensor, **operands: Tensor | None) -> None:
    """TypeError or ValueError unless each operand is None or floats, one a channel."""
    channels = input.shape[1:2]
    for argument, given in operands.items():
        if given is None:
            continue
        if not isinstance(given, Tensor):
            raise _arguments.wrong(name, argument, "a Tensor", given)
        if given.shape != channels or not given.dtype.is_floating_point:
            raise ValueError(
                f"{name}: {argument} must be floats of shape {channels} for an input of shape {input.shape}; it is "
                f"{given.dtype.name} of shape {given.shape}"
            )


@named
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query key^T * scale + mask) value (Vaswani et al. 2017).

    **Arguments:** `query` (..., L, E), `key` (..., S, E), `value` (..., S, V); `attn_mask`: (..., L, S), True where one
    may look, or floats that are added; `is_causal`: nobody looks ahead; `scale`: by default 1 / sqrt(E); `enable_gqa`:
    keys and values are repeated for the query's heads, axis -3. **Returns** (..., L, V). **Raises** ValueError for
    shapes that do not fit, and for `attn_mask` with `is_causal`.

    >>> import pyautograd as pa
    >>> x = pa.tensor([[0.0], [2.0]])
    >>> pa.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
    tensor([[0.0000],
            [1.9640]])
    """
    if is_causal:
        if attn_mask is not None:
            raise ValueError("scaled_dot_product_attention: attn_mask and is_causal; give one of them")
        attn_mask = ones(query.shape[-2], key.shape[-2], dtype=bool_).tril()
    if enable_gqa:
        heads = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(heads, -3), value.repeat_interleave(heads, -3)
    if attn_mask is not None and attn_mask.dtype is bool_:
        attn_mask = zeros(attn_mask.shape, dtype=query.dtype).masked_fill(~attn_mask, -math.inf)
    if attn_mask is None or not key.shape[-2]:
        weights = _attention_weights(query, key, attn_mask, scale)
    else:  # who may look nowhere sees 0, as in PyTorch
        nowhere = (attn_mask == -math.inf).all(-1, keepdim=True)
        weights = _attention_weights(query, key, attn_mask.masked_fill(nowhere, 0.0), scale).masked_fill(nowhere, 0.0)
    return (dropout(weights, dropout_p) if dropout_p else weights) @ value


def _attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, scale: float | None = None) -> Tensor:
    scores = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.transpose(-2, -1)
    return _softmax(scores if mask is None else scores + mask, -1)


@named
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Tensor:
    """Elements added around, two numbers for each axis from the last one on: how many before and how many after; where
    they are negative, so many are cut off.

    **Arguments:** `input`: a Tensor of any shape. `mode`: "constant", with `value` or 0; or, of the last one to three
    axes behind one or two others, "reflect" without the edge, "replicate" the edge, or "circular". **Raises**
    ValueError for other modes and for numbers that do not fit, NotImplementedError for other axes.

    >>> import pyautograd
    >>> from pyautograd.nn import functional as F
    >>> F.pad(pyautograd.tensor([[1, 2]]), (1, 0), value=7)
    tensor([[7, 1, 2]])
    >>> F.pad(pyautograd.tensor([[1, 2, 3]]), (2, 2), mode="reflect")
    tensor([[3, 2, 1, 2, 3, 2, 1]])
    """
    widths = _dims.sizes("pad", (pad,), "pad")
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise ValueError(f"pad: {len(widths)} numbers {widths} for a tensor of shape {input.shape}")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode must be constant, reflect, replicate or circular, not {mode!r}")
    if mode == "constant":
        return padded(input, widths, mode, 0 if value is None else value)
    if value is not None:
        raise ValueError(f"pad: mode {mode} takes no value")
    if len(widths) not in (2, 4, 6) or input.ndim - len(widths) // 2 not in (1, 2):
        raise NotImplementedError(f"pad: {mode} pads one to three axes behind one or two others, not {input.shape}")
    return padded(input, widths, mode, value)
