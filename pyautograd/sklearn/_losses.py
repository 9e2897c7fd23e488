"""Losses by name: what a row of outputs costs, given its target.

A loss takes the raw outputs of a module, (n, k), and targets: classes as int64 of shape (n,) where the outputs become
probabilities by a softmax, else numbers of shape (n, k). It gives one number a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd import expm1, maximum, xlogy
from pyautograd._tensor import Tensor
from pyautograd.nn import functional as F

Loss = Callable[[Tensor, Tensor], Any]  # a Tensor of one number a row


def log_loss(output: Tensor, target: Tensor) -> Any:
    if target.ndim == 1:
        return F.cross_entropy(output, target, reduction="none")
    return F.binary_cross_entropy_with_logits(output, target, reduction="none").sum(1)


def mean_log_loss(output: Tensor, target: Tensor) -> Any:
    """The mean of log_loss, by one op."""
    if target.ndim == 1:
        return F.cross_entropy(output, target)
    mean = F.binary_cross_entropy_with_logits(output, target)
    return mean if output.shape[1] == 1 else mean * output.shape[1]


def focal(gamma: float) -> Loss:
    """log_loss, of which rows that are right for sure have little: times (1 - p)^gamma (Lin et al. 2017)."""

    def loss(output: Tensor, target: Tensor) -> Any:
        if target.ndim == 1:
            each = F.cross_entropy(output, target, reduction="none")
        else:
            each = F.binary_cross_entropy_with_logits(output, target, reduction="none")
        each = (-expm1(-each)).clamp(min=1e-12) ** gamma * each
        return each if each.ndim == 1 else each.sum(1)

    return loss


def squared_error(output: Tensor, target: Tensor) -> Any:
    return 0.5 * (output - target).square().sum(1)


def absolute_error(output: Tensor, target: Tensor) -> Any:
    return (output - target).abs().sum(1)


def poisson(output: Tensor, target: Tensor) -> Any:
    """Half of the deviance; the outputs are logarithms of means."""
    return (output.exp() - target * output + xlogy(target, target) - target).sum(1)


def huber(delta: float) -> Loss:
    return lambda output, target: F.huber_loss(output, target, reduction="none", delta=delta).sum(1)


def quantile(share: float) -> Loss:
    """The pinball loss, whose minimum is that quantile of the targets."""

    def loss(output: Tensor, target: Tensor) -> Any:
        above = target - output
        return maximum(share * above, (share - 1) * above).sum(1)

    return loss


def own(function: Callable[[Tensor, Tensor], Any]) -> Loss:
    """A callable's loss, or that of a loss Module's class: one number a row, or one an element, of which a row has the
    sum."""
    function = function() if isinstance(function, type) else function

    def loss(output: Tensor, target: Tensor) -> Any:
        each = function(output, target)
        if not isinstance(each, Tensor):
            raise TypeError(f"loss: the callable returned a {type(each).__name__}, not a Tensor")
        return each if each.ndim < 2 else each.flatten(1).sum(1)

    return loss
