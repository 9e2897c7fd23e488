"""Averages of a model's weights, as `torch.optim.swa_utils`: equal ones (SWA) and exponential ones (EMA).

An average is updated between steps, or in a step that is compiled: it has no branch on how many there have been.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from pyautograd._arguments import named
from pyautograd._array_like import tensor
from pyautograd._elementwise import where
from pyautograd._grad_mode import no_grad
from pyautograd._tensor import Tensor
from pyautograd.nn import Module
from pyautograd.nn._norm import _BatchNorm
from pyautograd.optim._cycles import for_each_group
from pyautograd.optim._optimizer import Optimizer
from pyautograd.optim._schedule import LRScheduler, lr_of

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
    "update_bn",
]  # fmt: skip

AverageOne = Callable[[Tensor, Tensor, Tensor], Tensor]
AverageMany = Callable[[list[Tensor], list[Tensor], Tensor], None]


def __dir__() -> list[str]:
    return __all__


class AveragedModel(Module):
    """A copy of a model whose weights are averages of those that the model had when `update_parameters` was called.

    **Arguments:** `avg_fn(average, current, n)`, which gives the new average, or `multi_avg_fn`, which writes into
    lists of averages; None is the mean of all. `use_buffers`: average buffers too, which are else the model's own.
    **Attributes:** `module`, the copy; `n_averaged`, an int64 tensor. **Raises** AssertionError for both functions.

    >>> import pyautograd as pa
    >>> model = pa.nn.Linear(1, 1, bias=False)
    >>> averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.75))
    >>> for weight in (0.0, 1.0, 1.0):
    ...     _ = pa.nn.init.constant_(model.weight, weight)
    ...     averaged.update_parameters(model)
    >>> averaged(pa.ones(1, 1)).item(), averaged.n_averaged.item()
    (0.4375, 3)
    """

    n_averaged: Tensor

    @named
    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AverageOne | None = None,
        multi_avg_fn: AverageMany | None = None,
        use_buffers: bool = False,
    ) -> None:
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        super().__init__()
        self.module = deepcopy(model)
        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives. **Raises** what it raises.

        >>> import pyautograd as pa
        >>> AveragedModel(pa.nn.Identity())(pa.ones(1))
        tensor([1.])
        """
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the weights of the model into the average; the first time they are the average. **Raises** what the
        function raises that averages, and ValueError for a model of other parts.

        >>> import pyautograd as pa
        >>> averaged = AveragedModel(model := pa.nn.Linear(1, 1))
        >>> averaged.update_parameters(model)
        >>> averaged.n_averaged
        tensor(1)
        """
        pairs: list[tuple[Tensor, Tensor]] = [*zip(self.module.parameters(), model.parameters(), strict=True)]
        buffers = [*zip(self.module.buffers(), model.buffers(), strict=True)]
        if self.use_buffers:
            pairs, buffers = pairs + buffers, []
        averages, currents = ([pair[i].detach() for pair in pairs] for i in (0, 1))
        with no_grad():
            if self.multi_avg_fn is not None:
                self.multi_avg_fn(averages, currents, self.n_averaged)
            else:
                _one_by_one(self.avg_fn or get_swa_avg_fn())(averages, currents, self.n_averaged)
            for average, current in zip(averages, currents):
                average.copy_(where(self.n_averaged == 0, current, average))
            for own, buffer in buffers:
                own.copy_(buffer)
            self.n_averaged += 1


def _one_by_one(average_of: AverageOne) -> AverageMany:
    def update(averages: list[Tensor], currents: list[Tensor], n_averaged: Tensor) -> None:
        with no_grad():
            for average, current in zip(averages, currents):
                average.copy_(average_of(average, current, n_averaged))

    return update


@named
def get_ema_avg_fn(decay: float = 0.999) -> AverageOne:
    """The exponential average, `decay · average + (1 - decay) · current`, for `AveragedModel(avg_fn=)`. **Raises**
    ValueError for a decay outside of [0, 1].

    >>> import pyautograd as pa
    >>> get_ema_avg_fn(0.75)(pa.zeros(1), pa.ones(1), pa.tensor(1))
    tensor([0.2500])
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")
    return lambda average, current, n_averaged: decay * average + (1 - decay) * current


@named
def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageMany:
    """The exponential average of lists of tensors, for `AveragedModel(multi_avg_fn=)`. **Raises** as `get_ema_avg_fn`.

    >>> import pyautograd as pa
    >>> average = pa.zeros(1)
    >>> get_ema_multi_avg_fn(0.75)([average], [pa.ones(1)], pa.tensor(1))
    >>> average
    tensor([0.2500])
    """
    mixed = get_ema_avg_fn(decay)

    def average_of(average: Tensor, current: Tensor, n_averaged: Tensor) -> Tensor:
        is_float = average.dtype.is_floating_point
        return average.lerp(current, 1 - decay) if is_float else mixed(average, current, n_averaged)

    return _one_by_one(average_of)


def get_swa_avg_fn() -> AverageOne:
    """The mean of all so far, for `AveragedModel(avg_fn=)`, as which it is the default.

    >>> import pyautograd as pa
    >>> get_swa_avg_fn()(pa.zeros(1), pa.ones(1), pa.tensor(3))
    tensor([0.2500])
    """
    return lambda average, current, n_averaged: average + (current - average) / (n_averaged + 1)


def get_swa_multi_avg_fn() -> AverageMany:
    """The mean of all so far, of lists of tensors, for `AveragedModel(multi_avg_fn=)`.

    >>> import pyautograd as pa
    >>> average = pa.zeros(1)
    >>> get_swa_multi_avg_fn()([average], [pa.ones(1)], pa.tensor(3))
    >>> average
    tensor([0.2500])
    """
    return _one_by_one(get_swa_avg_fn())


@named
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running mean and variance of batch norms anew, as means over the batches of a loader: those of an
    average belong to none of the weights it averages. A batch is an input, or a list or tuple that begins with it.
    **Raises** what the model raises.

    >>> import pyautograd as pa
    >>> model = pa.nn.BatchNorm1d(1)
    >>> update_bn([pa.zeros(4, 1), pa.ones(4, 1)], model)
    >>> model.running_mean
    tensor([0.5000])
    """
    norms = [each for each in model.modules() if isinstance(each, _BatchNorm)]
    if not norms:
        return
    momenta, was_training = [each.momentum for each in norms], model.training
    model.train()
    try:
        for each in norms:
            each.reset_running_stats()
            each.momentum = None
        with no_grad():
            for batch in loader:
                model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    finally:
        for each, momentum in zip(norms, momenta):
            each.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """From the lr that there is to `swa_lr` in `anneal_epochs` epochs, along half a cosine or a line, and stays there.

    **Raises** ValueError for another `anneal_strategy` than "cos" and "linear" and for less than 0 epochs, and as
    LRScheduler.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> lrs = schedule.get_last_lr()
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    ...     lrs += schedule.get_last_lr()
    >>> lrs
    [1.0, 0.75, 0.5, 0.5]
    """

    @named
    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for group, lr in zip(optimizer.param_groups, for_each_group("swa_lr", optimizer, swa_lr), strict=True):
            group["swa_lr"] = lr
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _way(self, step: int) -> float:
        """How much of the way has been made."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self) -> list[float]:
        step = max(self._step_count - 1, int(self.anneal_epochs == 0))
        before, now = self._way(step - 1), self._way(step)
        rates = []
        for group in self.optimizer.param_groups:
            end, lr = group["swa_lr"], lr_of(group)
            first = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + first * (1 - now))
        return rates
