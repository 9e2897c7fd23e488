"""Optimisers of lesser use, with PyTorch's names, options and updates: each update is written as ops over tensors.

Counts of steps are tensors too, and what depends on them is chosen by `where`, so that a compiled step makes each
update as the plain one does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd import _updates
from pyautograd._arguments import named
from pyautograd._array_like import tensor
from pyautograd._core import paused
from pyautograd._creation import full_like, zeros_like
from pyautograd._elementwise import where
from pyautograd._generated import maximum, sign
from pyautograd._grad_mode import enable_grad, no_grad
from pyautograd._tensor import Tensor
from pyautograd.optim._optimizer import CheckedOptimizer, Params

__all__ = ["ASGD", "Adadelta", "Adagrad", "Adamax", "NAdam", "RAdam", "Rprop"]


class ComposedOptimizer(CheckedOptimizer):
    """An optimiser whose subclass writes the update of one parameter as ops: `_update`.

    `_zeros` names the states that begin as zeros; `_fresh` gives all of a parameter's before its first update, but for
    "step", which all have.
    """

    _zeros: tuple[str, ...] = ()

    @property
    def _has_stepped(self) -> bool:  # type: ignore[override]
        """By what a step writes to: an attribute would be one that a compiled step changes itself."""
        return any(kept and kept["step"]._version > 0 for kept in self._state.values())

    def _fresh(self, p: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {name: zeros_like(p).detach() for name in self._zeros}

    def _update(self, p: Tensor, g: Tensor, t: Tensor, kept: dict[str, Tensor], group: dict[str, Any]) -> None:
        """Updates a parameter, given its gradient and the number of this step, 0-d float64."""
        raise NotImplementedError

    def _state_names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return tuple(self._fresh(tensor(0.0), {**self.defaults, **group}))

    @named
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        if not all(isinstance(p, Tensor) for p in param_group["params"]):
            del self.param_groups[-1]
            raise NotImplementedError(
                f"{type(self).__name__}: updates tensors; for Values take SGD, Adam, AdamW or RMSprop"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if _updates.noted:
            _updates.note(self)
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._update_one(p, p.grad, group)
        return loss

    def _update_one(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        kept = self._state[p]
        if not kept:
            with paused():  # a step that is recorded twice finds it made the second time
                kept.update({"step": tensor(0.0), **self._fresh(p, group)})
        kept["step"] += 1
        if group["maximize"]:
            g = -g
        if group.get("weight_decay"):
            if group.get("decoupled_weight_decay"):
                p.mul_(1 - group["lr"] * group["weight_decay"])
            else:
                g = g + group["weight_decay"] * p
        self._update(p, g, kept["step"].double(), kept, group)


def _move(average: Tensor, to: Tensor, weight: float) -> Tensor:
    """A running average, moved towards the newest number."""
    return average.add_((to - average) * weight)


class Adagrad(ComposedOptimizer):
    """Adagrad (Duchi et al. 2011), as in PyTorch.

    With g = grad + weight_decay p, t the count of steps and s the sum of all g^2 so far, which begins at
    `initial_accumulator_value`: p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps).

    **Raises** ValueError for a negative option, NotImplementedError for `differentiable` and for Values.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.5
    """

    _non_negative = ("lr_decay", "initial_accumulator_value")

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        self._begin(locals())
        for group in self.param_groups:
            for p in group["params"]:
                self._state[p] = {"step": tensor(0.0), **self._fresh(p, group)}

    def _fresh(self, p: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"sum": full_like(p, group["initial_accumulator_value"]).detach()}

    def _update(self, p: Tensor, g: Tensor, t: Tensor, kept: dict[str, Tensor], group: dict[str, Any]) -> None:
        total = kept["sum"].add_(g * g)
        p.sub_(group["lr"] / (1 + (t - 1) * group["lr_decay"]) * (g / (total.sqrt() + group["eps"])))


class Adadelta(ComposedOptimizer):
    """Adadelta (Zeiler 2012), as in PyTorch.

    With g = grad + weight_decay p, v the running mean of g^2 and u that of d^2, both by `rho`:
    d = sqrt(u + eps) / sqrt(v + eps) g and p -= lr d.

    **Raises** ValueError for a negative option or a rho above 1, NotImplementedError for `differentiable` and for
    Values.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.Adadelta([w], rho=0.75, eps=1.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    -0.4142
    """

    _zeros = ("square_avg", "acc_delta")

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        self._begin(locals())

    def _update(self, p: Tensor, g: Tensor, t: Tensor, kept: dict[str, Tensor], group: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        square = kept["square_avg"].mul_(rho).add_(g * g * (1 - rho))
        delta = (kept["acc_delta"] + eps).sqrt() / (square + eps).sqrt() * g
        kept["acc_delta"].mul_(rho).add_(delta * delta * (1 - rho))
        p.sub_(group["lr"] * delta)


class Adamax(ComposedOptimizer):
    """Adamax, Adam by the infinity norm (Kingma and Ba 2015), as in PyTorch.

    With g = grad + weight_decay p, t the count of steps and m the running mean of g by beta1:
    u = max(beta2 u, |g| + eps) and p -= lr / (1 - beta1^t) m / u.

    **Raises** ValueError for a negative option or a beta outside of [0, 1), NotImplementedError for `differentiable`
    and for Values.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.Adamax([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.5
    """

    _zeros = ("exp_avg", "exp_inf")

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        self._begin(locals())

    def _update(self, p: Tensor, g: Tensor, t: Tensor, kept: dict[str, Tensor], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        mean = _move(kept["exp_avg"], g, 1 - beta1)
        largest = kept["exp_inf"].copy_(maximum(kept["exp_inf"] * beta2, g.abs() + group["eps"]))
        p.sub_(group["lr"] / (1 - beta1**t) * (mean / largest))


class NAdam(ComposedOptimizer):
    """NAdam, Adam with Nesterov's momentum (Dozat 2016), as in PyTorch.

    With g = grad + weight_decay p, t the count of steps, m and v the running means of g and g^2, and
    mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), P_t their product so far:

        p -= lr ((1 - mu_t) / (1 - P_t) g + mu_t+1 / (1 - P_t+1) m) / (sqrt(v / (1 - beta2^t)) + eps)

    `decoupled_weight_decay` is AdamW's. **Raises** ValueError for a negative option or a beta outside of [0, 1),
    NotImplementedError for `differentiable` and for Values.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.NAdam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 2)
    0.47
    """

    _non_negative = ("momentum_decay",)
    _zeros = ("exp_avg", "exp_avg_sq")

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        self._begin(locals())

    def _fresh(self, p: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"mu_product": tensor(1.0), **super()._fresh(p, group)}

    def _update(self, p: Tensor, g: Tensor, t: Tensor, kept: dict[str, Tensor], group: dict[str, Any]) -> None:
        (beta1, beta2), decay = group["betas"], group["momentum_decay"]
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (each * decay)) for each in (t, t + 1))
        product = kept["mu_product"].mul_(mu.float()).double()
        mean = _move(kept["exp_avg"], g, 1 - beta1)
        square = kept["exp_avg_sq"].mul_(beta2).add_(g * g * (1 - beta2))
        root = (square / (1 - beta2**t)).sqrt() + group["eps"]
        p.sub_(group["lr"] * (1 - mu) / (1 - product) * (g / root))
        p.sub_(group["lr"] * following / (1 - product * following) * (mean / root))


class RAdam(ComposedOptimizer):
    """RAdam, Adam with a rectified learning rate (Liu et al. 2020), as in PyTorch.

    With g, m, v and t as in Adam, r_inf = 2 / (1 - beta2) - 1 and r = r_inf - 2 t beta2^t / (1 - beta2^t), where r > 5

        p -= lr m / (1 - beta1^t) sqrt(1 - beta2^t) / (sqrt(v) + eps) c
        c^2 = (r - 4) (r - 2) r_inf / ((r_inf - 4) (r_inf - 2) r)

    and else p -= lr m / (1 - beta1^t). `decoupled_weight_decay` is AdamW's. **Raises** ValueError for a negative option
    or a beta outside of [0, 1), NotImplementedError for `differentiable` and for Values.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.RAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.5
    """

    _zeros = ("exp_avg", "exp_avg_sq")

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        self._begin(locals())

    def _update(self, p: Tensor, g: Tensor, t: Tensor, kept: dict[str, Tensor], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        mean = _move(kept["exp_avg"], g, 1 - beta1) / (1 - beta1**t)
        square = kept["exp_avg_sq"].mul_(beta2).add_(g * g * (1 - beta2))
        left = 1 - beta2**t
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * t * (1 - left) / left
        sure = length > 5
        longer = where(sure, length, 6.0)  # whose root is real
        ratio = (longer - 4) * (longer - 2) * limit / ((limit - 4) * (limit - 2) * longer)
        adapted = (left * ratio).sqrt() / (square.sqrt() + group["eps"])
        p.sub_(group["lr"] * (mean * where(sure, adapted, 1.0)))


class Rprop(ComposedOptimizer):
    """Resilient backpropagation (Riedmiller and Braun 1993), as in PyTorch: for whole batches.

    Each element has a step size, which begins as lr, grows by `etas[1]` where the gradient keeps its sign and shrinks
    by `etas[0]` where it changes it, within `step_sizes`; there the gradient counts as 0. p -= sign(grad) step size.

    **Raises** ValueError for a negative lr or etas that are not 0 < etas[0] < 1 < etas[1], NotImplementedError for
    `differentiable` and for Values.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.Rprop([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.item()
    0.5
    """

    _zeros = ("prev",)

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        self._begin(locals())

    def _fresh(self, p: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"step_size": full_like(p, group["lr"]).detach(), **super()._fresh(p, group)}

    def _update(self, p: Tensor, g: Tensor, t: Tensor, kept: dict[str, Tensor], group: dict[str, Any]) -> None:
        shrink, grow = group["etas"]
        way = g * kept["prev"]
        size = kept["step_size"]
        size.copy_(where(way > 0, size * grow, where(way < 0, size * shrink, size)).clamp(*group["step_sizes"]))
        kept["prev"].copy_(where(way < 0, 0.0, g))
        p.sub_(sign(kept["prev"]) * size)


class ASGD(ComposedOptimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky 1992), as in PyTorch.

    With g = grad + weight_decay p, t the count of steps and eta = lr / (1 + lambd lr t)^alpha, that of the step before:
    p = (1 - lambd eta) p - eta g. The state `ax` is p until step t0, and from there on the average of all p since.

    **Raises** ValueError for a negative option, NotImplementedError for `differentiable` and for Values.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> optimizer = pa.optim.ASGD([w], lr=0.25, lambd=0.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.item(), optimizer.state[w]["ax"].item()
    (0.5, 0.5)
    """

    _zeros = ("ax",)

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        self._begin(locals())

    def _fresh(self, p: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"eta": tensor(float(group["lr"])), "mu": tensor(1.0), **super()._fresh(p, group)}

    def _update(self, p: Tensor, g: Tensor, t: Tensor, kept: dict[str, Tensor], group: dict[str, Any]) -> None:
        lr, lambd = group["lr"], group["lambd"]
        eta, mu, average = kept["eta"].double(), kept["mu"].double(), kept["ax"]
        p.mul_(1 - lambd * eta).sub_(eta * g)
        average.copy_(where(mu == 1, p, average + (p - average) * mu))
        kept["eta"].copy_(lr / (1 + lambd * lr * t) ** group["alpha"])
        kept["mu"].copy_(1 / (t - group["t0"]).clamp(min=1))
