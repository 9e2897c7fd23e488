"""Schedules made of schedules, and the one that looks at a metric."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from pyautograd._arguments import named
from pyautograd._c import refuse_in_step
from pyautograd._described import short
from pyautograd.optim._cycles import for_each_group
from pyautograd.optim._optimizer import Optimizer
from pyautograd.optim._schedule import BETWEEN, LRScheduler, lr_of, set_lr

__all__ = ["ChainedScheduler", "ReduceLROnPlateau", "SequentialLR"]


class _Combined(LRScheduler):
    """Schedules of one optimiser; their states are part of this one's."""

    _schedulers: list[LRScheduler]

    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        name = type(self).__name__
        if len(schedulers) < 1:
            raise ValueError(f"{name}: no schedulers")
        self.optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        for i, each in enumerate(schedulers):
            if isinstance(each, ReduceLROnPlateau):
                raise ValueError(f"{name}: schedulers[{i}] is a ReduceLROnPlateau, whose step takes a metric")
            if each.optimizer is not self.optimizer:
                raise ValueError(f"{name}: schedulers[{i}] is one of another optimizer")
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"_schedulers": [each.state_dict() for each in self._schedulers]}

    @named
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_schedulers"})
        for each, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            each.load_state_dict(state)


class SequentialLR(_Combined):
    """One schedule after the other: the next one begins, at its epoch 0, at each of the epochs `milestones`.

    **Raises** ValueError without schedules, for one of another optimiser or one that takes a metric, and unless there
    is one milestone less than schedules; TraceError in a compiled step.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> warm_up = pa.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = pa.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> lrs = schedule.get_last_lr()
    >>> for epoch in range(4):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> lrs
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    @named
    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: {len(milestones)} milestones between {len(schedulers)} schedulers")
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        self._turn()

    def _turn(self) -> None:
        current = self._schedulers[bisect_right(self._milestones, self.last_epoch)]
        current._begin()
        self._last_lr = current.get_last_lr()

    def step(self) -> None:
        refuse_in_step("SequentialLR.step(), whose numbers are Python's,", BETWEEN)
        self.last_epoch += 1
        if self.last_epoch in self._milestones:
            self._turn()
            return
        current = self._schedulers[bisect_right(self._milestones, self.last_epoch)]
        current.step()
        self._last_lr = current.get_last_lr()


class ChainedScheduler(_Combined):
    """Several schedules at once: each step is one of each of them. **Raises** ValueError as SequentialLR.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> halves = pa.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> steps = pa.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    >>> schedule = ChainedScheduler([halves, steps])
    >>> for epoch in range(2):
    ...     optimizer.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.025]
    """

    @named
    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._take(schedulers, optimizer)
        self._last_lr = self._current()

    def step(self) -> None:
        for each in self._schedulers:
            each.step()
        self._last_lr = self._current()

    def __repr__(self) -> str:
        return f"ChainedScheduler({short(self._schedulers)})"  # which say their optimizer and its lr


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the lr by `factor` where a metric, given to `step(metrics)`, is no better for `patience` epochs.

    Better, by `mode` "min" or "max", is what differs from the best by `threshold`, of it with `threshold_mode` "rel",
    or as it is with "abs". After each time it waits for `cooldown` epochs; the lr does not go below `min_lr`, and
    stays where it would change by less than `eps`. **Raises** ValueError for a factor that is not below 1 and for other
    modes, TypeError for what is no Optimizer, TraceError in a compiled step.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.5]
    """

    @named
    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not factor < 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, not {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f'ReduceLROnPlateau: mode must be "min" or "max", not {mode!r}')
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f'ReduceLROnPlateau: threshold_mode must be "rel" or "abs", not {threshold_mode!r}')
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.min_lrs = for_each_group("min_lr", optimizer, min_lr)
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = self.last_epoch = 0
        self._last_lr = self._current()

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        refuse_in_step("ReduceLROnPlateau.step(), which reads a number,", BETWEEN)
        number = float(metrics)
        self.last_epoch += 1
        if self._is_better(number):
            self.best, self.num_bad_epochs = number, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = lr_of(group)
                if lr - max(lr * self.factor, low) > self.eps:
                    set_lr(group, max(lr * self.factor, low))
        self._last_lr = self._current()

    def _is_better(self, number: float) -> bool:
        way = -1.0 if self.mode == "min" else 1.0
        limit = self.best * (1.0 + way * self.threshold)
        if self.threshold_mode == "abs":
            limit = self.best + way * self.threshold
        return number < limit if self.mode == "min" else number > limit
