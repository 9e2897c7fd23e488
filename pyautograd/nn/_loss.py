"""Losses as modules; formulas, shapes and errors stand at the functions of the same name in nn.functional."""

from __future__ import annotations

from collections.abc import Callable

from pyautograd._arguments import named
from pyautograd._tensor import Tensor
from pyautograd.nn import functional as F
from pyautograd.nn._module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss", "HingeEmbeddingLoss",
    "HingeLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss", "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss",
    "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]  # fmt: skip


class _Loss(Module):
    @named
    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none") and not (reduction == "batchmean" and isinstance(self, KLDivLoss)):
            raise ValueError(f'{reduction!r} is not a valid value for reduction: "mean", "sum" or "none"')
        self.reduction = reduction


class MSELoss(_Loss):
    """`functional.mse_loss`: two tensors of one shape to their mean squared error.

    **Raises** ValueError for a reduction that is none of "mean", "sum" and "none"; when called, as the function.

    >>> import pyautograd as pa
    >>> pa.nn.MSELoss()(pa.tensor([1.0, 2.0]), pa.tensor([0.0, 4.0])).item()
    2.5
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """`functional.l1_loss`: two tensors of one shape to their mean absolute error; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.L1Loss()(pa.tensor([1.0, 2.0]), pa.tensor([0.0, 4.0])).item()
    1.5
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, self.reduction)


class SmoothL1Loss(_Loss):
    """`functional.smooth_l1_loss`: quadratic within `beta` of the target, linear beyond; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.SmoothL1Loss()(pa.tensor([0.5, 2.0]), pa.zeros(2)).item()
    0.8125
    """

    @named
    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(_Loss):
    """`functional.huber_loss`: quadratic within `delta` of the target, linear beyond; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.HuberLoss(delta=2.0)(pa.tensor([1.0, 4.0]), pa.zeros(2)).item()
    3.25
    """

    @named
    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)


class HingeLoss(_Loss):
    """`functional.hinge_loss`: scores against targets -1 or 1, of one shape; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.HingeLoss()(pa.tensor([2.0, 0.5]), pa.tensor([1.0, -1.0])).item()
    0.75
    """

    @named
    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_loss(input, target, self.margin, self.reduction)


class KLDivLoss(_Loss):
    """`functional.kl_div`: log-probabilities against probabilities, of one shape; "batchmean" is a reduction too.

    **Raises** as MSELoss.

    >>> import pyautograd as pa
    >>> loss = pa.nn.KLDivLoss(reduction="batchmean")
    >>> loss(pa.tensor([[0.5, 0.5]]).log(), pa.tensor([[0.5, 0.5]])).item()
    0.0
    """

    @named
    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, self.reduction, self.log_target)


class _WeightedLoss(_Loss):
    weight: Tensor | None

    @named
    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """`functional.cross_entropy`: logits (N, C) against int64 classes (N,), or probabilities (N, C).

    `weight`, of shape (C,), is a buffer. **Raises** as MSELoss.

    >>> import pyautograd as pa
    >>> round(pa.nn.CrossEntropyLoss()(pa.zeros(2, 4), pa.tensor([0, 3])).item(), 4)
    1.3863
    """

    @named
    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class NLLLoss(_WeightedLoss):
    """`functional.nll_loss`: log-probabilities (N, C) against int64 classes (N,); **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.NLLLoss()(pa.tensor([[-1.0, -2.0]]), pa.tensor([1])).item()
    2.0
    """

    @named
    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class BCELoss(_WeightedLoss):
    """`functional.binary_cross_entropy`: probabilities against targets in [0, 1], of one shape; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> round(pa.nn.BCELoss()(pa.tensor([0.5]), pa.tensor([1.0])).item(), 4)
    0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """`functional.binary_cross_entropy_with_logits`: logits against targets in [0, 1], of one shape.

    `weight` and `pos_weight` are buffers. **Raises** as MSELoss.

    >>> import pyautograd as pa
    >>> round(pa.nn.BCEWithLogitsLoss()(pa.tensor([0.0]), pa.tensor([1.0])).item(), 4)
    0.6931
    """

    pos_weight: Tensor | None

    @named
    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class SoftMarginLoss(_Loss):
    """`functional.soft_margin_loss`: scores against targets -1 or 1, of one shape; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.SoftMarginLoss()(pa.tensor([0.0]), pa.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """`functional.hinge_embedding_loss`: distances against targets -1 or 1, of one shape; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.HingeEmbeddingLoss()(pa.tensor([2.0, 0.5]), pa.tensor([1.0, -1.0]))
    tensor(1.2500)
    """

    @named
    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """`functional.margin_ranking_loss`: two scores, and 1 or -1 for the larger, of one shape; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.MarginRankingLoss()(pa.tensor([2.0]), pa.tensor([0.5]), pa.tensor([-1.0]))
    tensor(1.5000)
    """

    @named
    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """`functional.cosine_embedding_loss`: two (N, D) and targets -1 or 1, (N,); **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.CosineEmbeddingLoss()(pa.tensor([[1.0, 0.0]]), pa.tensor([[0.0, 1.0]]), pa.tensor([1.0]))
    tensor(1.)
    """

    @named
    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class PoissonNLLLoss(_Loss):
    """`functional.poisson_nll_loss`: logarithms of means against counts, of one shape; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.PoissonNLLLoss()(pa.tensor([0.0]), pa.tensor([1.0]))
    tensor(1.)
    """

    @named
    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """`functional.gaussian_nll_loss`: means, targets and variances; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.GaussianNLLLoss()(pa.tensor([1.0]), pa.tensor([2.0]), pa.tensor([1.0]))
    tensor(0.5000)
    """

    @named
    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """`functional.triplet_margin_loss`: an anchor, one like it and one unlike it, (N, D); **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.TripletMarginLoss(margin=5.0)(pa.zeros(1, 2), pa.tensor([[0.0, 1.0]]), pa.tensor([[3.0, 4.0]]))
    tensor(1.0000)
    """

    @named
    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        options = self.margin, self.p, self.eps, self.swap
        return F.triplet_margin_loss(anchor, positive, negative, *options, reduction=self.reduction)


class TripletMarginWithDistanceLoss(_Loss):
    """`functional.triplet_margin_with_distance_loss`: as TripletMarginLoss, by any distance; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> loss = pa.nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: (x - y).abs().sum(-1))
    >>> loss(pa.zeros(1, 2), pa.tensor([[0.0, 1.0]]), pa.tensor([[0.5, 0.0]]))
    tensor(1.5000)
    """

    @named
    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.distance_function, self.margin, self.swap = distance_function, margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip


class MultiLabelMarginLoss(_Loss):
    """`functional.multilabel_margin_loss`: scores (N, C) against classes, padded with -1; **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.MultiLabelMarginLoss()(pa.tensor([[0.1, 0.2, 0.4, 0.8]]), pa.tensor([[3, 0, -1, 1]]))
    tensor(0.8500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """`functional.multi_margin_loss`: scores (N, C) against int64 classes (N,); **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.MultiMarginLoss()(pa.tensor([[0.5, 1.0]]), pa.tensor([0]))
    tensor(0.7500)
    """

    @named
    def __init__(self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """`functional.multilabel_soft_margin_loss`: logits against targets in [0, 1], both (N, C); **raises** as MSELoss.

    >>> import pyautograd as pa
    >>> pa.nn.MultiLabelSoftMarginLoss()(pa.tensor([[0.0, 2.0]]), pa.tensor([[1.0, 1.0]]))
    tensor(0.4100)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)
