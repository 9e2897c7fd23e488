"""The base of learning-rate schedules."""

from __future__ import annotations

import warnings
from typing import Any

from pyautograd._arguments import named, number
from pyautograd._c import refuse_in_step
from pyautograd._described import described
from pyautograd._tensor import Tensor
from pyautograd.optim._optimizer import Optimizer

__all__ = ["LRScheduler"]

BETWEEN = "call it between steps, e.g. in the callback of run()"


def lr_of(group: dict[str, Any]) -> float:
    """The number; an lr may be a tensor."""
    lr = group["lr"]
    return lr.item() if isinstance(lr, Tensor) else lr


def set_lr(group: dict[str, Any], lr: float) -> None:
    """Sets the lr of a group; a tensor is filled."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr


class LRScheduler:
    """Base class of schedules: a subclass defines `get_lr`, from `last_epoch` and the groups' current lr.

    An lr that is a tensor is written to, so that a compiled step of any optimiser follows the schedule. `last_epoch` is
    the epoch to resume after; -1 starts anew and remembers each group's lr as its `initial_lr`.
    **Raises** TypeError for what is no Optimizer, KeyError for resuming one that has no `initial_lr`.

    >>> import pyautograd as pa
    >>> class Inverse(pa.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / (1 + self.last_epoch) for lr in self.base_lrs]
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = Inverse(optimizer)
    >>> optimizer.step()
    >>> schedule.step()
    >>> optimizer.param_groups[0]["lr"]
    0.5
    """

    @named
    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        fresh = [group for group in optimizer.param_groups if "initial_lr" not in group]
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", lr_of(group))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming an optimizer: load the "
                    "optimizer's state dict before"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        except BaseException:
            for group in fresh:
                del group["initial_lr"]
            raise
        finally:
            self._is_initial = False

    def get_lr(self) -> list[float]:
        """The lr of each group at `last_epoch`; a subclass defines it, and `step` calls it.

        >>> import pyautograd as pa
        >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
        >>> pa.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch).get_lr()
        [1.0]
        """
        raise NotImplementedError(f"{type(self).__name__} has no get_lr")

    def get_last_lr(self) -> list[float]:
        """The lr of each group that the last step set.

        >>> import pyautograd as pa
        >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
        >>> pa.optim.lr_scheduler.StepLR(optimizer, step_size=2).get_last_lr()
        [1.0]
        """
        return list(self._last_lr)

    def step(self) -> None:
        """Moves on by one epoch (or whatever the caller counts); call it after the optimiser's step.

        **Raises** TraceError in a compiled step, ValueError where the optimiser got further groups.

        >>> import pyautograd as pa
        >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
        >>> schedule = pa.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> optimizer.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
        """
        refuse_in_step(f"{type(self).__name__}.step(), whose numbers are Python's,", BETWEEN)
        if self._step_count == 1 and not self.optimizer._has_stepped:
            warnings.warn(
                "lr_scheduler.step() before optimizer.step(): the first value of the schedule is skipped",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        try:
            self._set(self.last_epoch + 1)
        except BaseException:
            self._step_count -= 1
            raise

    def _set(self, epoch: int) -> None:
        """Moves to an epoch and sets the lr that it has; where that fails, all is as it was."""
        before, self.last_epoch = self.last_epoch, epoch
        groups = self.optimizer.param_groups
        try:
            rates = [number(type(self).__name__, "an lr", each) for each in self.get_lr()]
            if len(rates) != len(groups):
                raise ValueError(
                    f"{type(self).__name__}: a rate for each of {len(rates)} parameter groups, and the optimizer has "
                    f"{len(groups)}; make the schedule after the last add_param_group"
                )
        except BaseException:
            self.last_epoch = before
            raise
        for group, lr in zip(groups, rates, strict=True):
            set_lr(group, lr)
        self._last_lr = self._current()

    def _begin(self) -> None:
        """Epoch 0 anew, from the initial lr: what a sequence of schedules does when this one's turn comes."""
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            set_lr(group, lr)
        self._is_initial = True
        try:
            self._set(0)
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """All that the schedule knows but the optimiser.

        >>> import pyautograd as pa
        >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
        >>> pa.optim.lr_scheduler.StepLR(optimizer, step_size=2).state_dict()["last_epoch"]
        0
        """
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    @named
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave. **Raises** TypeError for what is no dict.

        >>> import pyautograd as pa
        >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
        >>> schedule = pa.optim.lr_scheduler.StepLR(optimizer, step_size=2)
        >>> schedule.load_state_dict({"last_epoch": 7})
        >>> schedule.last_epoch
        7
        """
        vars(self).update(state_dict)

    def __repr__(self) -> str:
        lrs = self._current()
        return described(self, lr=lrs[0] if len(lrs) == 1 else lrs)

    def _current(self) -> list[float]:
        return [lr_of(group) for group in self.optimizer.param_groups]

    def _times(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._current()]
