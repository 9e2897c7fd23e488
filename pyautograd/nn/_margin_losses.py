"""Losses of margins, ranks and distributions as functions, with PyTorch's formulas. Part of `nn.functional`."""

from __future__ import annotations

import math
from collections.abc import Callable

from pyautograd import _arguments, _ops
from pyautograd._arguments import named
from pyautograd._core import apply
from pyautograd._creation import arange
from pyautograd._elementwise import where
from pyautograd._indexing import gather
from pyautograd._order import cumprod
from pyautograd._tensor import Tensor
from pyautograd.nn._distance import pairwise_distance
from pyautograd.nn._functional_losses import check_int64, check_shapes, reduced

__all__ = [
    "cosine_embedding_loss", "gaussian_nll_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "poisson_nll_loss", "soft_margin_loss",
    "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


@named
def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Mean of ln(1 + e^(-target input)), targets -1 or 1.

    Arguments, result and what it **raises** are those of `mse_loss`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.soft_margin_loss(pa.tensor([0.0]), pa.tensor([1.0]))
    tensor(0.6931)
    """
    check_shapes("soft_margin_loss", input, target)
    return reduced(-apply(_ops.log_sigmoid, -(-input * target)), reduction)


@named
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Mean of the input where the target is 1, and of max(0, margin - input) where it is -1.

    Arguments, result and what it **raises** are those of `mse_loss`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.hinge_embedding_loss(pa.tensor([2.0, 0.5]), pa.tensor([1.0, -1.0]), reduction="none")
    tensor([2.0000, 0.5000])
    """
    check_shapes("hinge_embedding_loss", input, target)
    return reduced(where(target != 1, (margin - input).clamp(min=0), 0.0) + where(target != -1, input, 0.0), reduction)


@named
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Mean of max(0, margin - target (input1 - input2)): 1 wants the first input larger, -1 the second.

    Arguments, result and what it **raises** are those of `mse_loss`, for three tensors of one shape.

    >>> import pyautograd as pa
    >>> pa.nn.functional.margin_ranking_loss(pa.tensor([2.0]), pa.tensor([0.5]), pa.tensor([-1.0]))
    tensor(1.5000)
    """
    check_shapes("margin_ranking_loss", input1, input2)
    check_shapes("margin_ranking_loss", input1, target)
    return reduced((margin - target * (input1 - input2)).clamp(min=0), reduction)


@named
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Mean of 1 - cos(input1, input2) where the target is 1, and of max(0, cos - margin) where it is -1.

    **Arguments:** `input1`, `input2`: (N, D) or (D,); `target`: (N,) or (). Result and what it **raises** are those of
    `mse_loss`.

    >>> import pyautograd as pa
    >>> a, b = pa.tensor([1.0, 0.0]), pa.tensor([0.0, 1.0])
    >>> pa.nn.functional.cosine_embedding_loss(a, b, pa.tensor(1.0))
    tensor(1.)
    """
    check_shapes("cosine_embedding_loss", input1, input2)
    if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
        raise ValueError(f"cosine_embedding_loss: inputs of shape {input1.shape} and a target of shape {target.shape}")
    squares = [(each * each).sum(-1) + 1e-12 for each in (input1, input2)]
    cosine = (input1 * input2).sum(-1) / (squares[0] * squares[1]).sqrt()
    apart = where(target == -1, (cosine - margin).clamp(min=0), 0.0)
    return reduced(where(target == 1, 1 - cosine, apart), reduction)


@named
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """Mean of e^input - target input, the negative log-likelihood of counts under a Poisson distribution whose mean's
    logarithm is the input; without `log_input`, of input - target ln(input + eps).

    `full` adds Stirling's approximation of ln target! where the target is above 1. Arguments, result and what it
    **raises** are those of `mse_loss`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.poisson_nll_loss(pa.tensor([0.0, 1.0]), pa.tensor([1.0, 2.0]), reduction="none")
    tensor([1.0000, 0.7183])
    """
    check_shapes("poisson_nll_loss", input, target)
    loss: Tensor = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        large = where(target > 1, target, 1.0)
        loss = loss + where(target > 1, large * large.log() - large + 0.5 * (2 * math.pi * large).log(), 0.0)
    return reduced(loss, reduction)


@named
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Mean of (ln var + (input - target)^2 / var) / 2, var being at least `eps`: the negative log-likelihood of a
    normal distribution with mean `input` and variance `var`. `full` adds ln(2 pi) / 2.

    **Arguments:** `input`, `target`: of one shape; `var`: a number, or of that shape, or without its last axis, or with
    size 1 there. Result and what it **raises** are those of `mse_loss`, and ValueError for a negative variance.

    >>> import pyautograd as pa
    >>> pa.nn.functional.gaussian_nll_loss(pa.tensor([1.0, 3.0]), pa.tensor([1.0, 1.0]), pa.tensor([1.0, 2.0]))
    tensor(0.6733)
    """
    check_shapes("gaussian_nll_loss", input, target)
    spread: Tensor = var if isinstance(var, Tensor) else input.detach() * 0 + var
    if spread.shape != input.shape:
        if spread.shape == input.shape[:-1]:
            spread = spread.unsqueeze(-1)
        elif spread.shape[:-1] != input.shape[:-1] or spread.shape[-1:] != (1,):
            raise ValueError(f"gaussian_nll_loss: var of shape {spread.shape} for an input of shape {input.shape}")
    _arguments.within("gaussian_nll_loss: var", where(spread < 0, spread, 0.0).detach(), 2**62)
    spread = spread + (spread.clamp(min=eps) - spread).detach()
    loss = 0.5 * (spread.log() + (input - target).square() / spread)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


@named
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Mean of max(0, margin + d(anchor, positive) - d(anchor, negative)), d being `pairwise_distance`.

    With `swap`, the negative's distance from the positive counts where it is smaller. **Arguments:** three tensors (N,
    D) or (D,). Result and what it **raises** are those of `mse_loss`.

    >>> import pyautograd as pa
    >>> a, p, n = pa.tensor([0.0, 0.0]), pa.tensor([0.0, 1.0]), pa.tensor([3.0, 4.0])
    >>> pa.nn.functional.triplet_margin_loss(a, p, n, margin=5.0)
    tensor(1.0000)
    """
    for each in (positive, negative):
        check_shapes("triplet_margin_loss", anchor, each)
    return _triplet(anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap, reduction)


@named
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with any distance of two tensors, `pairwise_distance` unless given.

    Arguments, result and what it **raises** are those of `triplet_margin_loss`.

    >>> import pyautograd as pa
    >>> a, p, n = pa.tensor([0.0]), pa.tensor([1.0]), pa.tensor([0.5])
    >>> distance = lambda x, y: (x - y).abs()
    >>> pa.nn.functional.triplet_margin_with_distance_loss(a, p, n, distance_function=distance)
    tensor(1.5000)
    """
    for each in (positive, negative):
        check_shapes("triplet_margin_with_distance_loss", anchor, each)
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)


def _triplet(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = apply(_ops.minimum, far, distance(positive, negative))
    return reduced((margin + near - far).clamp(min=0), reduction)


@named
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean of sum_i max(0, margin - input_y + input_i)^p / C over the classes i other than the target y.

    **Arguments:** `input`: scores (N, C) or (C,); `target`: classes, int64, (N,) or (); `weight`: (C,), a factor for
    each class y. Result and what it **raises** are those of `mse_loss`, IndexError for a class out of range.

    >>> import pyautograd as pa
    >>> pa.nn.functional.multi_margin_loss(pa.tensor([[0.5, 1.0]]), pa.tensor([0]))
    tensor(0.7500)
    """
    check_int64("multi_margin_loss", "target", target)
    if input.ndim not in (1, 2) or target.shape != input.shape[:-1]:
        raise ValueError(f"multi_margin_loss: input of shape {input.shape} and target of shape {target.shape}")
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, not {p}")
    at = target.unsqueeze(-1)
    cost = (margin - gather(input, -1, at) + input).clamp(min=0)
    cost = cost if p == 1 else cost * cost
    if weight is not None:
        cost = cost * apply(_ops.index, weight, at, (1,))
    return reduced(where(at == arange(input.shape[-1]), 0.0, cost).mean(-1), reduction)


@named
def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Mean of sum_ij max(0, 1 - input_j + input_i) / C over the classes j of a row's target and i outside of it.

    **Arguments:** `input`: scores (N, C) or (C,); `target`: int64 of that shape, classes up to the first -1.
    Result and what it **raises** are those of `mse_loss`, IndexError for a class out of range.

    >>> import pyautograd as pa
    >>> scores = pa.tensor([[0.1, 0.2, 0.4, 0.8]])
    >>> pa.nn.functional.multilabel_margin_loss(scores, pa.tensor([[3, 0, -1, 1]]))
    tensor(0.8500)
    """
    check_int64("multilabel_margin_loss", "target", target)
    check_shapes("multilabel_margin_loss", input, target)
    if input.ndim not in (1, 2):
        raise ValueError(f"multilabel_margin_loss: scores of shape {input.shape}; they are (N, C) or (C,)")
    _arguments.within("multilabel_margin_loss", target, input.shape[-1], low=-1)
    counts = cumprod((target >= 0).long(), -1).bool()
    classes = where(counts, target, 0)
    counts = counts.unsqueeze(-1)
    inside = ((classes.unsqueeze(-1) == arange(input.shape[-1])) & counts).any(-2)
    cost = (1 - gather(input, -1, classes).unsqueeze(-1) + input.unsqueeze(-2)).clamp(min=0)
    return reduced(where(counts & ~inside.unsqueeze(-2), cost, 0.0).sum((-2, -1)) / input.shape[-1], reduction)


@named
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Mean of -(t ln s + (1 - t) ln(1 - s)) over the classes, the last axis, and over the rows, for s = sigmoid(input).

    **Arguments:** `input`, `target`: of one shape (..., C); `weight`: a factor for each class, or any shape that
    broadcasts. Result, without the last axis, and what it **raises** are those of `mse_loss`.

    >>> import pyautograd as pa
    >>> pa.nn.functional.multilabel_soft_margin_loss(pa.tensor([[0.0, 2.0]]), pa.tensor([[1.0, 1.0]]))
    tensor(0.4100)
    """
    check_shapes("multilabel_soft_margin_loss", input, target)
    loss = -(target * apply(_ops.log_sigmoid, input) + (1 - target) * apply(_ops.log_sigmoid, -input))
    return reduced((loss if weight is None else loss * weight).mean(-1), reduction)
