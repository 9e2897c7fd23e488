"""Learning-rate schedules, as `torch.optim.lr_scheduler`: each call of `step()` sets the lr of the optimiser's groups.

Schedules change the current lr where they can, so several may act on one optimiser.
"""

from __future__ import annotations

import math
import types
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pyautograd._absent import say_what_is_missing
from pyautograd._arguments import named
from pyautograd.optim._combined_schedules import ChainedScheduler, ReduceLROnPlateau, SequentialLR
from pyautograd.optim._cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from pyautograd.optim._optimizer import Optimizer
from pyautograd.optim._schedule import LRScheduler

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip

_LRScheduler = LRScheduler  # its older name


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)


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
        return self._times(self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1)


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
        return self._times(1 if self._is_initial else self.gamma)


class MultiStepLR(LRScheduler):
    """Multiplies the lr by `gamma` at each of the epochs `milestones`. **Raises** as LRScheduler.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> lrs = schedule.get_last_lr()
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> lrs
    [1.0, 0.5, 0.5, 0.25]
    """

    @named
    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._times(self.gamma ** self.milestones.get(self.last_epoch, 0))


class ConstantLR(LRScheduler):
    """The initial lr times `factor` until the epoch `total_iters`, from there on the initial lr.

    **Raises** as LRScheduler, and ValueError for a factor outside of [0, 1].

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> lrs = schedule.get_last_lr()
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> lrs
    [0.5, 0.5, 1.0, 1.0]
    """

    @named
    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must be between 0 and 1, not {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._times(self.factor)
        return self._times(1.0 / self.factor if self.last_epoch == self.total_iters else 1)


class LinearLR(LRScheduler):
    """The initial lr times a factor that goes from `start_factor` to `end_factor` in `total_iters` epochs: a warm-up.

    **Raises** as LRScheduler, and ValueError unless 0 < start_factor <= 1 and 0 <= end_factor <= 1.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> lrs = schedule.get_last_lr()
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> lrs
    [0.5, 0.75, 1.0, 1.0]
    """

    @named
    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: factors must be between 0 and 1, not {start_factor} and {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._times(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        way = self.end_factor - self.start_factor
        return self._times(1.0 + way / (self.total_iters * self.start_factor + (self.last_epoch - 1) * way))


class PolynomialLR(LRScheduler):
    """The initial lr times (1 - epoch / total_iters)^power, down to 0 at the epoch `total_iters`.

    **Raises** as LRScheduler.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> lrs = schedule.get_last_lr()
    >>> for epoch in range(4):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> [round(lr, 4) for lr in lrs]
    [1.0, 0.5625, 0.25, 0.0625, 0.0]
    """

    @named
    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        epoch, n = self.last_epoch, self.total_iters
        if self._is_initial or epoch > n:
            return self._current()
        return self._times(((1.0 - epoch / n) / (1.0 - (epoch - 1) / n)) ** self.power)


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


class MultiplicativeLR(LambdaLR):
    """Multiplies the lr by `lr_lambda(epoch)` every epoch; a list gives each group a function of its own.

    **Raises** as LambdaLR.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.125]
    """

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._current()
        return [lr * f(self.last_epoch) for lr, f in zip(self._current(), self.lr_lambdas, strict=True)]


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
