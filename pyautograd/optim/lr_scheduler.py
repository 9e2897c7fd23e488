"""Learning-rate schedules, as `torch.optim.lr_scheduler`: each call of `step()` sets the lr of the optimiser's groups.

Schedules change the current lr where they can, so several may act on one optimiser.
"""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from pyautograd._arguments import named
from pyautograd._core import TraceError, is_recording
from pyautograd.optim._optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "StepLR"]


def __dir__() -> list[str]:
    return __all__


class LRScheduler:
    """Base class of schedules: a subclass defines `get_lr`, from `last_epoch` and the groups' current lr.

    `last_epoch` is the epoch to resume after; -1 starts anew and remembers each group's lr as its `initial_lr`.
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
                group.setdefault("initial_lr", group["lr"])
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
        if is_recording():
            raise TraceError(
                f"{type(self).__name__}.step() inside a compiled step: its numbers are Python's, so call it between "
                "steps, e.g. in the callback of run()"
            )
        if self._step_count == 1 and not self.optimizer._has_stepped:
            warnings.warn(
                "lr_scheduler.step() before optimizer.step(): the first value of the schedule is skipped",
                UserWarning,
                stacklevel=2,
            )
        groups = self.optimizer.param_groups
        self._step_count += 1
        self.last_epoch += 1
        try:
            rates = self.get_lr()
            if len(rates) != len(groups):
                raise ValueError(
                    f"{type(self).__name__}: a rate for each of {len(rates)} parameter groups, and the optimizer has "
                    f"{len(groups)}; make the schedule after the last add_param_group"
                )
        except BaseException:
            self._step_count -= 1
            self.last_epoch -= 1
            raise
        for group, lr in zip(groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._current()

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

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


class StepLR(LRScheduler):
    """Multiplies the lr by `gamma` every `step_size` epochs. **Raises** as LRScheduler.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> lrs = []
    >>> for epoch in range(5):
    ...     lrs += schedule.get_last_lr()
    ...     optimizer.step()
    ...     schedule.step()
    >>> lrs
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    @named
    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self._current()
        return [lr * self.gamma for lr in self._current()]


class ExponentialLR(LRScheduler):
    """Multiplies the lr by `gamma` every epoch. **Raises** as LRScheduler.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = ExponentialLR(optimizer, gamma=0.5)
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    >>> optimizer.param_groups[0]["lr"]
    0.125
    """

    @named
    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._current()
        return [lr * self.gamma for lr in self._current()]


class LambdaLR(LRScheduler):
    """The initial lr times `lr_lambda(epoch)`; a list gives each group a function of its own.

    Functions are not part of the state dict; callable objects are, by their attributes. **Raises** as LRScheduler, and
    ValueError for more or fewer functions than groups.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = LambdaLR(optimizer, lambda epoch: min(1.0, (epoch + 1) / 4))
    >>> lrs = schedule.get_last_lr()
    >>> for epoch in range(4):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> lrs
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    @named
    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        n = len(optimizer.param_groups)
        self.lr_lambdas: list[Any] = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * n
        if len(self.lr_lambdas) != n:
            raise ValueError(f"Expected {n} lr_lambdas, but got {len(self.lr_lambdas)}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        state["lr_lambdas"] = [None if isinstance(f, types.FunctionType) else dict(vars(f)) for f in self.lr_lambdas]
        return state

    @named
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "lr_lambdas"})
        for f, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                vars(f).update(attributes)


class CosineAnnealingLR(LRScheduler):
    """From the initial lr to `eta_min` in `T_max` epochs along half a cosine (Loshchilov and Hutter 2017), and back.

    In PyTorch's recursive form, so that the numbers are its numbers to the last digit. **Raises** as LRScheduler.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=4)
    >>> lrs = schedule.get_last_lr()
    >>> for epoch in range(4):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> [round(lr, 3) for lr in lrs]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    @named
    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        epoch, period, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._current()
        if (epoch - 1 - period) % (2 * period) == 0:
            rise = (1 - math.cos(math.pi / period)) / 2
            return [lr + (base - low) * rise for lr, base in zip(self._current(), self.base_lrs, strict=True)]
        ratio = (1 + math.cos(math.pi * epoch / period)) / (1 + math.cos(math.pi * (epoch - 1) / period))
        return [ratio * (lr - low) + low for lr in self._current()]
