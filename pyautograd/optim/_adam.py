"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from pyautograd._arguments import named
from pyautograd.optim._optimizer import FusedOptimizer, Params

__all__ = ["Adam", "AdamW"]


class Adam(FusedOptimizer):
    """Adam (Kingma and Ba 2015), as in PyTorch.

    With g = grad + weight_decay p and t the count of steps:

        m = beta1 m + (1 - beta1) g,    v = beta2 v + (1 - beta2) g^2
        p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    `amsgrad` takes the largest v so far, `maximize` goes uphill, `decoupled_weight_decay` makes it AdamW.

    **Raises** ValueError for a negative option or a beta outside of [0, 1), NotImplementedError for `differentiable`.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.5
    """

    _kind = 1

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        self._begin(locals())

    def _write_hyper(self, hyper: Any, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        hyper.lr = float(group["lr"])
        hyper.beta1 = float(beta1)
        hyper.beta2 = float(beta2)
        hyper.eps = float(group["eps"])
        hyper.weight_decay = float(group["weight_decay"])
        hyper.amsgrad = bool(group["amsgrad"])
        hyper.maximize = bool(group["maximize"])
        hyper.decoupled = bool(group["decoupled_weight_decay"])

    def _state_names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq" if group["amsgrad"] else None)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): p -= lr weight_decay p, then Adam's step.

    **Raises** as Adam.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.AdamW([w], lr=0.5, weight_decay=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.45
    """

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        self._begin({**locals(), "decoupled_weight_decay": True})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
