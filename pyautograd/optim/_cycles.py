"""Schedules that go up and down, some of them with the momentum in the other direction."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Sequence
from typing import Any

from pyautograd import _arguments
from pyautograd._arguments import named
from pyautograd.optim._optimizer import Optimizer
from pyautograd.optim._schedule import LRScheduler, set_lr

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingWarmRestarts(LRScheduler):
    """From the initial lr to `eta_min` along half a cosine, again and again (Loshchilov and Hutter 2017): the first
    time in `T_0` epochs, each further time in `T_mult` times as many. `step(epoch)` takes fractions of epochs.

    **Raises** as LRScheduler, and ValueError for a `T_0` or `T_mult` that is no positive int and for a negative epoch.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> lrs = schedule.get_last_lr()
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> [round(lr, 4) for lr in lrs]
    [1.0, 0.5, 1.0, 0.5]
    """

    @named
    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        for name, given in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(given, int) or given < 1:
                raise ValueError(f"CosineAnnealingWarmRestarts: {name} must be a positive int, not {given}")
        self.T_0 = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self._part = 0.0  # of an epoch, beyond last_epoch
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        if epoch is not None:
            if epoch < 0:
                raise ValueError(f"CosineAnnealingWarmRestarts: epoch must not be negative, not {epoch}")
            self.last_epoch = math.floor(epoch) - 1
            self._part = epoch - math.floor(epoch)
        super().step()

    def get_lr(self) -> list[float]:
        at, period = self.last_epoch + self._part, self.T_0
        if self.T_mult == 1:
            at %= period
        while at >= period:
            at, period = at - period, period * self.T_mult
        height = 1 + math.cos(math.pi * at / period)
        return [self.eta_min + (lr - self.eta_min) * height / 2 for lr in self.base_lrs]


def for_each_group(name: str, optimizer: Optimizer, given: Any) -> list[float]:
    n = len(optimizer.param_groups)
    numbers = given if isinstance(given, (list, tuple)) else [given] * n
    if len(numbers) != n:
        raise ValueError(f"{name}: {len(numbers)} numbers for {n} parameter groups")
    return [_arguments.number("lr_scheduler", name, each) for each in numbers]


class _WithMomentum(LRScheduler):
    """A schedule that moves momentum too, or the first of the betas, if `cycle_momentum`."""

    def _begin_momentum(self, optimizer: Optimizer, cycle_momentum: bool, base: Any, top: Any, fresh: bool) -> None:
        self.cycle_momentum = cycle_momentum
        if not cycle_momentum:
            return
        self.use_beta1 = "betas" in optimizer.defaults
        if not self.use_beta1 and "momentum" not in optimizer.defaults:
            raise ValueError(f"{type(self).__name__}: the optimizer has no momentum; give cycle_momentum=False")
        self.base_momentums = for_each_group("base_momentum", optimizer, base)
        self.max_momentums = for_each_group("max_momentum", optimizer, top)
        if fresh:
            for group, low, high in zip(optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True):
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_WithMomentum):
    """From `base_lr` to `max_lr` in `step_size_up` steps, and down in `step_size_down` (Smith 2017), again and again.

    `mode`: "triangular", "triangular2" with half the height in each further cycle, "exp_range" with the height times
    `gamma` in each step; or `scale_fn`, a factor for the height, of the cycle's number or, with `scale_mode`
    "iterations", the step's. Momentum goes from `max_momentum` to `base_momentum` and back. **Raises** as LRScheduler,
    and ValueError for another mode, and for an optimiser without momentum unless `cycle_momentum` is False.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0, momentum=0.9)
    >>> schedule = CyclicLR(optimizer, base_lr=0.0, max_lr=1.0, step_size_up=2)
    >>> lrs = schedule.get_last_lr()
    >>> for step in range(4):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> lrs
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    @named
    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f'CyclicLR: mode must be "triangular", "triangular2" or "exp_range", not {mode!r}')
        low = for_each_group("base_lr", optimizer, base_lr)
        self.max_lrs = for_each_group("max_lr", optimizer, max_lr)
        self.total_size = float(step_size_up + (step_size_up if step_size_down is None else step_size_down))
        self.step_ratio = step_size_up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self.scale_fn = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self._begin_momentum(optimizer, cycle_momentum, base_momentum, max_momentum, last_epoch == -1)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, low, strict=True):
                set_lr(group, lr)
        self._lows = low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = low

    def _scale(self, cycle: int) -> float:
        at = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self.scale_fn is not None:
            return self.scale_fn(at)
        return self.gamma**at if self.mode == "exp_range" else 1 / 2.0 ** (at - 1) if self.mode != "triangular" else 1.0

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        at = 1.0 + self.last_epoch / self.total_size - cycle
        height = at / self.step_ratio if at <= self.step_ratio else (at - 1) / (self.step_ratio - 1)
        scale = self._scale(cycle)
        if self.cycle_momentum:
            groups = self.optimizer.param_groups
            for group, low, high in zip(groups, self.base_momentums, self.max_momentums, strict=True):
                self._set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self._lows, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        if isinstance(self.scale_fn, types.FunctionType):
            del state["scale_fn"]  # functions cannot be saved
        return state


class OneCycleLR(_WithMomentum):
    """One cycle over the whole training (Smith and Topin 2019): from max_lr / div_factor up to `max_lr` in the first
    `pct_start` of the steps, then down to the initial lr / final_div_factor.

    Steps are `total_steps`, or `epochs` times `steps_per_epoch`. `anneal_strategy`: "cos" or "linear"; `three_phase`
    comes down to the initial lr as fast as it went up. Momentum goes from `max_momentum` to `base_momentum` and back.
    **Raises** as LRScheduler, ValueError without a number of steps, for a step beyond them and for an optimiser without
    momentum unless `cycle_momentum` is False.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.Adam([pa.nn.Parameter(pa.ones(1))])
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.6, anneal_strategy="linear")
    >>> lrs = schedule.get_last_lr()
    >>> for step in range(4):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> [round(lr, 2) for lr in lrs]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """

    @named
    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps <= 0:
            raise ValueError(f"OneCycleLR: the number of steps must be positive, not {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be between 0 and 1, not {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'OneCycleLR: anneal_strategy must be "cos" or "linear", not {anneal_strategy!r}')
        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        up = ("initial_lr", "max_lr", "max_momentum", "base_momentum")
        down = ("max_lr", "min_lr", "base_momentum", "max_momentum")
        first, last = pct_start * total_steps - 1, total_steps - 1
        self._phases: list[tuple[float, tuple[str, str, str, str]]] = [(first, up), (last, down)]
        if three_phase:
            back = ("max_lr", "initial_lr", "base_momentum", "max_momentum")
            end = ("initial_lr", "min_lr", "max_momentum", "max_momentum")
            self._phases = [(first, up), (2 * first, back), (last, end)]
        tops = for_each_group("max_lr", optimizer, max_lr)
        self._begin_momentum(optimizer, cycle_momentum, base_momentum, max_momentum, last_epoch == -1)
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, tops, strict=True):
                group["initial_lr"], group["max_lr"] = top / div_factor, top
                group["min_lr"] = group["initial_lr"] / final_div_factor
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[float]:
        at = self.last_epoch
        if at > self.total_steps:
            raise ValueError(f"OneCycleLR: step {at} of {self.total_steps}")
        begin, (end, names) = 0.0, self._phases[0]
        for following in self._phases[1:]:
            if at <= end:
                break
            begin, (end, names) = end, following
        part = (at - begin) / (end - begin)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                self._set_momentum(group, self._between(group[names[2]], group[names[3]], part))
        return [self._between(group[names[0]], group[names[1]], part) for group in groups]
