"""Losses as functions: a prediction and a target of one shape, and `reduction` "mean", "sum" or "none".

Shapes that differ raise ValueError, also where they would broadcast, such as (N, 1) against (N,): that mistake trains
a different model. Part of `nn.functional`.
"""

from __future__ import annotations

import math
import operator

from pyautograd import _arguments, _ops
from pyautograd._arguments import named
from pyautograd._core import apply
from pyautograd._creation import arange, zeros_like
from pyautograd._dtype import int64, uint8
from pyautograd._elementwise import where
from pyautograd._tensor import Tensor

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "hinge_loss", "huber_loss", "kl_div",
    "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss",
]  # fmt: skip


def check_int64(name: str, argument: str, given: Tensor) -> None:
    if not isinstance(given, Tensor):
        raise _arguments.wrong(name, argument, "a Tensor", given)
    if given.dtype is not int64:
        raise TypeError(f"{name}: {argument} must be int64, not {given.dtype.name}")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return apply(_ops.mean, loss)
    if reduction == "sum":
        return apply(_ops.sum, loss)
    if reduction == "none":
        return loss
    raise ValueError(f'{reduction!r} is not a valid value for reduction: "mean", "sum" or "none"')


def check_shapes(name: str, input: Tensor, target: Tensor) -> None:
    try:
        if input.shape == target.shape:
            return
        shapes = tuple(input.shape), tuple(target.shape)
    except AttributeError:
        raise TypeError(
            f"{name}: input and target must be tensors, not {type(input).__name__} and {type(target).__name__}"
        ) from None
    are_classes = name == "cross_entropy" and len(shapes[1]) == len(shapes[0]) - 1
    raise ValueError(
        f"{name}: input has shape {shapes[0]} and target {shapes[1]}; they must be the same, and are not broadcast"
        + "; targets that are classes are int64: target.long()" * are_classes
    )


def mse_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    *,
    size_average: bool | None = None,
    reduce: bool | None = None,
) -> Tensor:
    """Mean of (input - target)^2.

    **Arguments:** `input`, `target`: of one shape; `reduction`: "mean", "sum" or "none", for which `size_average` and
    `reduce` are PyTorch's old words, here as in every loss. **Returns** a 0-d tensor, with "none" one of the input's
    shape. **Raises** ValueError for shapes that differ or another reduction, TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.nn.functional.mse_loss(pa.tensor([1.0, 2.0]), pa.tensor([0.0, 4.0])).item()
    2.5
    """
    check_shapes("mse_loss", input, target)
    if size_average is not None or reduce is not None:
        reduction = _arguments.reduction_of(size_average, reduce, reduction)
    return reduced(apply(_ops.squared_error, input, target), reduction)


@named
def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Mean of |input - target|; arguments, result and what it **raises** are those of `mse_loss`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.l1_loss(pa.tensor([1.0, 2.0]), pa.tensor([0.0, 4.0]), reduction="none").tolist()
    [1.0, 2.0]
    """
    check_shapes("l1_loss", input, target)
    return reduced((input - target).abs(), reduction)


@named
def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Mean of d^2 / 2 where |d| < delta, else delta (|d| - delta / 2), for d = input - target (Huber 1964).

    Arguments and result are those of `mse_loss`. **Raises** as it does, and ValueError unless delta > 0.

    >>> import pyautograd as pa
    >>> pa.nn.functional.huber_loss(pa.tensor([0.5, 3.0]), pa.zeros(2), reduction="none").tolist()
    [0.125, 2.5]
    """
    check_shapes("huber_loss", input, target)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive, not {delta}")
    return reduced(apply(_ops.huber, input, target, float(delta)), reduction)


@named
def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """`huber_loss` with delta = beta, divided by beta; `l1_loss` where beta is 0 (Girshick 2015).

    Arguments and result are those of `mse_loss`. **Raises** as it does, and ValueError for a negative beta.

    >>> import pyautograd as pa
    >>> pa.nn.functional.smooth_l1_loss(pa.tensor([1.0, 3.0]), pa.zeros(2), reduction="none", beta=2.0).tolist()
    [0.25, 2.0]
    """
    check_shapes("smooth_l1_loss", input, target)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return reduced((input - target).abs(), reduction)
    loss = reduced(apply(_ops.huber, input, target, float(beta)), reduction)
    return loss if beta == 1 else loss / beta


@named
def hinge_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Mean of max(0, margin - target input), targets -1 or 1: the support vector machine's loss.

    Arguments, result and what it **raises** are those of `mse_loss`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.hinge_loss(pa.tensor([2.0, 0.5]), pa.tensor([1.0, -1.0])).item()
    0.75
    """
    check_shapes("hinge_loss", input, target)
    return reduced(apply(_ops.hinge, input, target, float(margin)), reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
    *,
    size_average: bool | None = None,
    reduce: bool | None = None,
) -> Tensor:
    """Mean of -(t ln s + (1 - t) ln(1 - s)) for s = sigmoid(input), in the form that does not overflow.

    **Arguments:** `input`, `target`: logits and targets in [0, 1], of one shape; `weight` multiplies each element's
    loss, `pos_weight` the part of the positive class, both of a shape that broadcasts. Result and what it **raises**
    are those of `mse_loss`, and ValueError for weights that do not broadcast.

    >>> import pyautograd as pa
    >>> loss = pa.nn.functional.binary_cross_entropy_with_logits(pa.tensor([0.0, 1000.0]), pa.tensor([1.0, 1.0]))
    >>> round(loss.item(), 4)
    0.3466
    """
    check_shapes("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        loss = apply(_ops.bce_with_logits, input, target)
    else:
        # (1 - t) x + (1 + (w - 1) t) ln(1 + e^-x)
        loss = (1 - target) * input - ((pos_weight - 1) * target + 1) * apply(_ops.log_sigmoid, input)
    if weight is not None:
        loss = loss * weight
    if size_average is not None or reduce is not None:
        reduction = _arguments.reduction_of(size_average, reduce, reduction)
    return reduced(loss, reduction)


@named
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Mean of -(t ln x + (1 - t) ln(1 - x)), the logarithms held at -100; x are probabilities.

    Give logits to `binary_cross_entropy_with_logits`: it is exact where a sigmoid rounds to 0 or 1.

    **Arguments:** `input`, `target`: in [0, 1], of one shape; `weight` multiplies each element's loss and broadcasts.
    Result and what it **raises** are those of `mse_loss`, and ValueError for an element outside of [0, 1].

    >>> import pyautograd as pa
    >>> pa.nn.functional.binary_cross_entropy(pa.tensor([1.0, 0.0]), pa.tensor([1.0, 1.0])).item()
    50.0
    """
    check_shapes("binary_cross_entropy", input, target)
    _arguments.within("binary_cross_entropy: input", input, 1)
    _arguments.within("binary_cross_entropy: target", target, 1)
    loss = apply(_ops.bce, input, target)
    if weight is not None:
        loss = loss * weight
    return reduced(loss, reduction)


@named
def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence target (ln target - input), input being log-probabilities.

    **Arguments:** `input`, `target`: of one shape; `log_target`: whether the target is in logarithms too; `reduction`:
    "batchmean" divides the sum by the first axis, which is the divergence's definition, "mean" by all elements. Result
    and what it **raises** are those of `mse_loss`.

    >>> import pyautograd as pa
    >>> loss = pa.nn.functional.kl_div(pa.tensor([[0.5, 0.5]]).log(), pa.tensor([[1.0, 0.0]]), reduction="batchmean")
    >>> round(loss.item(), 4)
    0.6931
    """
    check_shapes("kl_div", input, target)
    if log_target:
        loss = apply(_ops.exp, target) * (target - input)
    else:
        safe = where(target == 0, 1.0, target)
        loss = target * apply(_ops.log, safe) - target * input
    if reduction == "batchmean":
        return apply(_ops.div, loss.sum(), input.shape[0]) if input.ndim else loss
    return reduced(loss, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean of -ln softmax(input)[target].

    **Arguments:** `input`: logits, (N, C), (C,) or (N, C, ...); `target`: classes, int64 or uint8 of shape (N,), () or
    (N, ...), those equal to `ignore_index` left out, or probabilities of the input's shape; `weight`: (C,), a factor a
    class, the mean is then a weighted one. **Returns** a 0-d tensor, with "none" one loss a target. **Raises**
    ValueError for shapes that do not fit or a `label_smoothing` outside of [0, 1], IndexError for a class out of range,
    TypeError for a target of another dtype.

    >>> import pyautograd as pa
    >>> round(pa.nn.functional.cross_entropy(pa.zeros(2, 4), pa.tensor([0, 3])).item(), 4)
    1.3863
    """
    try:
        if target.dtype is int64 and weight is None and reduction == "mean" and input.ndim == 2:
            return apply(_ops.cross_entropy, input, target, (ignore_index,), (label_smoothing,))
    except AttributeError:
        pass  # an argument is no tensor
    input = _arguments.tensor("cross_entropy", "input", input)
    target = _arguments.tensor("cross_entropy", "target", target)
    if not 0.0 <= _arguments.number("cross_entropy", "label_smoothing", label_smoothing) <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing must be between 0 and 1, not {label_smoothing}")
    if target.dtype is uint8:
        return cross_entropy(input, target.to(int64), weight, ignore_index, reduction, label_smoothing)
    if target.dtype is not int64:
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    rows, classes, shape = _rows_and_classes("cross_entropy", input, target)
    logs = rows.log_softmax(-1)
    loss = _nll("cross_entropy", logs, classes, weight, ignore_index)
    norm = _class_norm(logs, classes, weight, ignore_index)
    if label_smoothing:
        spread = -(logs if weight is None else logs * weight).sum(-1)
        spread = where(classes == ignore_index, 0.0, spread)
        loss = loss * (1 - label_smoothing) + spread * (label_smoothing / logs.shape[-1])
    return _reduce_classes(loss, norm, reduction, shape)


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    if not target.is_floating_point():
        raise TypeError(f"cross_entropy: target must be int64 classes or floating probabilities, not {target.dtype}")
    check_shapes("cross_entropy", input, target)
    axis = 0 if input.ndim == 1 else 1
    n_classes = input.shape[axis]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / n_classes
    logs = input.log_softmax(axis)
    if weight is not None:
        _check_weight("cross_entropy", weight, n_classes)
        logs = logs * weight.reshape([n_classes if i == axis else 1 for i in range(input.ndim)])
    loss = -(logs * target).sum(axis)
    if reduction == "mean":
        return apply(_ops.div, loss.sum(), input.numel() // n_classes) if n_classes else loss.mean()
    return reduced(loss, reduction)


@named
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Mean of -input[target]: `cross_entropy` of log-probabilities.

    Shapes, result and what it **raises** are those of `cross_entropy`; targets are classes alone, int64 or uint8.

    >>> import pyautograd as pa
    >>> pa.nn.functional.nll_loss(pa.tensor([[-1.0, -2.0], [-3.0, -4.0]]), pa.tensor([0, 1])).item()
    2.5
    """
    if isinstance(target, Tensor) and target.dtype is uint8:
        target = target.to(int64)
    check_int64("nll_loss", "target", target)
    ignore_index = operator.index(ignore_index)  # not every object that is an index compares with a Tensor
    rows, classes, shape = _rows_and_classes("nll_loss", input, target)
    loss = _nll("nll_loss", rows, classes, weight, ignore_index)
    return _reduce_classes(loss, _class_norm(rows, classes, weight, ignore_index), reduction, shape)


def _rows_and_classes(name: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Scores as (rows, C), classes as (rows,), and the shape of an unreduced loss."""
    shape = tuple(target.shape)
    given = tuple(input.shape)
    if not given:
        raise ValueError(f"{name}: input has no axis of classes; its shape is ()")
    expected = () if len(given) == 1 else given[:1] + given[2:]
    if shape != expected:
        raise ValueError(
            f"{name}: input has shape {given} and target {shape}; classes for such an input have shape {expected}"
        )
    if len(given) == 1:
        return input.unsqueeze(0), target.reshape(1), shape
    if len(given) > 2:
        order = [0, *range(2, len(given)), 1]
        return input.permute(*order).reshape(math.prod(expected), given[1]), target.reshape(math.prod(expected)), shape
    return input, target, shape


def _check_weight(name: str, weight: Tensor, n_classes: int) -> None:
    weight = _arguments.tensor(name, "weight", weight)
    if tuple(weight.shape) != (n_classes,):
        raise ValueError(
            f"{name}: weight has shape {tuple(weight.shape)}; it needs one number for each class: ({n_classes},)"
        )


def _safe_classes(classes: Tensor, ignore_index: int) -> Tensor:
    """Classes with 0 in the place of ignored ones, which may lie outside."""
    return where(classes == ignore_index, zeros_like(classes), classes)


def _nll(name: str, logs: Tensor, classes: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
    """The loss of each row, 0 where it is ignored."""
    n_classes = logs.shape[-1]
    _arguments.within(name, classes, n_classes, ignore_index)
    picked = _safe_classes(classes, ignore_index)
    loss = -apply(_ops.index, logs, arange(logs.shape[0]) * n_classes + picked, (2,))
    if weight is not None:
        _check_weight(name, weight, n_classes)
        loss = loss * apply(_ops.index, weight, picked, (1,))
    return where(classes == ignore_index, 0.0, loss)


def _class_norm(logs: Tensor, classes: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
    """What the sum is divided by for a mean: how many rows are not ignored, or the sum of their weights."""
    kept = (classes != ignore_index).to(logs.dtype)
    if weight is not None:
        kept = kept * apply(_ops.index, weight, _safe_classes(classes, ignore_index), (1,))
    return apply(_ops.sum, kept)


def _reduce_classes(loss: Tensor, norm: Tensor, reduction: str, shape: tuple[int, ...]) -> Tensor:
    if reduction == "mean":
        return apply(_ops.div, loss.sum(), norm)
    return reduced(loss.reshape(shape) if reduction == "none" else loss, reduction)
