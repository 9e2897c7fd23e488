"""RMSprop."""

from __future__ import annotations

from typing import Any

from pyautograd._arguments import named
from pyautograd.optim._optimizer import FusedOptimizer, Params

__all__ = ["RMSprop"]


class RMSprop(FusedOptimizer):
    """RMSprop (Hinton, Coursera lecture 6e; centered: Graves 2013), as in PyTorch.

    With g = grad + weight_decay p, v = alpha v + (1 - alpha) g^2, less the square of g's own running mean where
    `centered`: p -= lr g / (sqrt(v) + eps), or with momentum p -= lr b for b = momentum b + g / (sqrt(v) + eps).

    **Raises** ValueError for a negative option, NotImplementedError for `differentiable`.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.RMSprop([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.0
    """

    _kind = 2
    _non_negative = ("momentum", "alpha")

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        self._begin(locals())

    def _write_hyper(self, hyper: Any, group: dict[str, Any]) -> None:
        hyper.lr = float(group["lr"])
        hyper.momentum = float(group["momentum"])
        hyper.beta1 = float(group["alpha"])
        hyper.eps = float(group["eps"])
        hyper.weight_decay = float(group["weight_decay"])
        hyper.centered = bool(group["centered"])
        hyper.maximize = bool(group["maximize"])

    def _state_names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return (
            "square_avg",
            "momentum_buffer" if group["momentum"] > 0 else None,
            "grad_avg" if group["centered"] else None,
        )
