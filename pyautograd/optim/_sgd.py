"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from pyautograd._arguments import named
from pyautograd.optim._optimizer import FusedOptimizer, Params

__all__ = ["SGD"]


class SGD(FusedOptimizer):
    """Stochastic gradient descent, as in PyTorch.

    With g = grad + weight_decay p: p -= lr g, or with momentum p -= lr b for b = momentum b + (1 - dampening) g, which
    starts as g. `nesterov` goes along g + momentum b instead, `maximize` goes uphill.

    **Raises** ValueError for a negative option, and for `nesterov` without momentum or with dampening,
    NotImplementedError for `differentiable`.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5]
    """

    _kind = 0
    _counts_steps = False
    _non_negative = ("momentum",)

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        self._begin(locals())

    def _write_hyper(self, hyper: Any, group: dict[str, Any]) -> None:
        hyper.lr = float(group["lr"])
        hyper.momentum = float(group["momentum"])
        hyper.dampening = float(group["dampening"])
        hyper.weight_decay = float(group["weight_decay"])
        hyper.nesterov = bool(group["nesterov"])
        hyper.maximize = bool(group["maximize"])

    def _state_names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return ("momentum_buffer" if group["momentum"] != 0 else None, None, None)
