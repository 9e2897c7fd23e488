"""What `run` calls after each epoch: the base class of callbacks, and several of them as one.

run ── losses of an epoch ──▶ CallbackList ──┬─ Validation           adds metrics to the logs
                                             ├─ the others, in order  on_epoch_end(epoch, logs), or f(epoch, losses)
                                             └─ Checkpoint            last, so that it saves what the others know
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from pyautograd._arguments import did_you_mean, number
from pyautograd._array_like import tensor
from pyautograd._described import described, short
from pyautograd._dtype import float64
from pyautograd._tensor import Tensor
from pyautograd.optim import Optimizer
from pyautograd.optim._composed import ComposedOptimizer
from pyautograd.optim._schedule import lr_of
from pyautograd.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

STEPS_A_CALL = 1 << 20  # the most that run makes in one call of C


class Callback:
    """Base class of callbacks for `run(callback=)`; a subclass defines those of these methods that it has use for. What
    they **raise**, `run` raises; another method named on_… is a TypeError.

    `logs` is a dict of the epoch's numbers: "loss", the mean over its rows; what `Validation` has computed, as
    "val_loss"; "lr" where a schedule is among the callbacks; and numbers that callbacks before this one put into it.

    >>> import pyautograd as pa
    >>> class Print(pa.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         print(epoch, logs)
    >>> step = pa.compile(lambda x: x.mean())
    >>> losses = step.run(pa.arange(8.0), batch_size=4, epochs=2, callback=Print())
    0 {'loss': 3.5}
    1 {'loss': 3.5}
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        known = [name for name in vars(Callback) if name.startswith("on_")]
        for name in vars(cls):
            if name.startswith("on_") and name not in known:
                near = did_you_mean(name, known)
                raise TypeError(f"{cls.__name__}: nobody calls {name}{near}; run calls {', '.join(known)}")

    _rank = 1  # 0 computes metrics, 2 writes down what the others have put into the logs, 3 saves their states

    def on_train_begin(self, training: Any) -> None:
        """Before the first epoch. `training` has `epoch`, how many epochs are done, `epochs`, how many are wanted, and
        `stopped`, whether a callback has asked to stop. What it **raises**, `run` raises.

        >>> import pyautograd as pa
        >>> class Begin(pa.callbacks.Callback):
        ...     def on_train_begin(self, training):
        ...         print(training.epoch, training.epochs)
        >>> losses = pa.compile(lambda x: x.mean()).run(pa.ones(8), batch_size=4, epochs=3, callback=Begin())
        0 3
        """

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> Any:
        """After each epoch, the first being 0; True asks that it be the last, once all callbacks have been told. What
        it **raises**, `run` raises; what the epochs have done stands.

        >>> import pyautograd as pa
        >>> pa.callbacks.EarlyStopping("loss", patience=1).on_epoch_end(0, {"loss": 0.5})
        False
        """

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """After each step, with its loss. Where a subclass defines it, steps are made one by one, not in one call of C.
        What it **raises**, `run` raises.

        >>> import pyautograd as pa
        >>> class Print(pa.callbacks.Callback):
        ...     def on_train_batch_end(self, batch, logs):
        ...         print(batch, logs)
        >>> losses = pa.compile(lambda x: x.mean()).run(pa.ones(8), batch_size=8, callback=Print())
        0 {'loss': 1.0}
        """

    def on_train_end(self) -> None:
        """After the last epoch, also where the training ends with an exception or Ctrl-C.

        >>> import pyautograd as pa
        >>> pa.callbacks.Callback().on_train_end()
        """

    def epochs_ahead(self) -> int:
        """How many epochs may run before the callback is told of them, one by one: more than 1, which is worth some
        microseconds an epoch, for one that neither reads nor changes the model and will not stop before.

        >>> import pyautograd as pa
        >>> pa.callbacks.EarlyStopping("loss", patience=7).epochs_ahead()
        7
        """
        return 1

    def state_dict(self) -> dict[str, Any]:
        """What a `Checkpoint` saves of it.

        >>> import pyautograd as pa
        >>> pa.callbacks.EarlyStopping("loss").state_dict()
        {'best': None, 'best_epoch': -1, 'wait': 0, 'weights': None, 'stopped': False}
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave. **Raises** KeyError for another dict.

        >>> import pyautograd as pa
        >>> stopping = pa.callbacks.EarlyStopping("loss")
        >>> stopping.load_state_dict(stopping.state_dict() | {"best": 0.5, "best_epoch": 3})
        >>> stopping.best
        0.5
        """

    def __repr__(self) -> str:
        return described(self)

    def _made_of(self) -> dict[str, Any]:
        """Its class and the options that a training which resumes must have again."""
        return {"class": type(self).__name__}

    def _resumed(self, epochs: int) -> None:
        """Told where a training has gone back to, so that it can refuse before anything is run."""

    def _stays_stopped(self) -> bool:
        """Whether a training that was stopped before it resumed is to stay so."""
        return True

    def _wants_batches(self) -> bool:
        return type(self).on_train_batch_end is not Callback.on_train_batch_end


class LearningRateScheduler(Callback):
    """Moves a schedule of `optim.lr_scheduler` on; one that is a callback itself is moved on after each epoch.

    **Arguments:** `interval`: "epoch", or "step" for after each step, which are then made one by one. `monitor`: which
    of the logs `ReduceLROnPlateau` looks at; None is "val_loss" where there is one, else "loss". The logs get "lr",
    that of the first parameters in the last step. **Raises** TypeError for what is no schedule, ValueError for another
    interval.

    >>> import pyautograd as pa
    >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(1))], lr=1.0)
    >>> schedule = pa.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> by_step = pa.callbacks.LearningRateScheduler(schedule, interval="step")
    >>> losses = pa.compile(lambda x: (x.mean(), optimizer.step())[0]).run(pa.ones(8), batch_size=4, callback=by_step)
    >>> optimizer.param_groups[0]["lr"]
    0.25
    """

    def __init__(self, schedule: LRScheduler, interval: str = "epoch", monitor: str | None = None) -> None:
        if not isinstance(schedule, LRScheduler):
            raise TypeError(f"LearningRateScheduler: a {type(schedule).__name__} is no schedule of optim.lr_scheduler")
        if interval not in ("epoch", "step"):
            raise ValueError(f'LearningRateScheduler: interval is "epoch" or "step", not {interval!r}')
        self.schedule, self.interval, self.monitor = schedule, interval, monitor

    def on_train_begin(self, training: Any) -> None:
        # A number that a composed optimizer reads is a constant of the step, which a change would have recorded anew.
        optimizer = self.schedule.optimizer
        groups = optimizer.param_groups if isinstance(optimizer, ComposedOptimizer) else []
        self._made = [i for i, group in enumerate(groups) if type(group["lr"]) is float]
        for i in self._made:
            groups[i]["lr"] = tensor(groups[i]["lr"], dtype=float64)

    def on_train_end(self) -> None:
        for i in self._made:
            group = self.schedule.optimizer.param_groups[i]
            group["lr"] = lr_of(group)

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        self._lr = lr_of(self.schedule.optimizer.param_groups[0])
        if isinstance(self.schedule, ReduceLROnPlateau):
            monitor = self.monitor or ("val_loss" if "val_loss" in logs else "loss")
            self.schedule.step(monitored("ReduceLROnPlateau", monitor, logs))
        else:
            self.schedule.step()

    def _wants_batches(self) -> bool:
        return self.interval == "step"

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        if self.interval == "epoch":
            self.on_train_batch_end(0, logs)
        logs["lr"] = self._lr

    def _made_of(self) -> dict[str, Any]:
        return made_of(self.schedule) | {"interval": self.interval, "monitor": str(self.monitor)}

    def state_dict(self) -> dict[str, Any]:
        return self.schedule.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.schedule.load_state_dict(state)


def monitored(who: str, monitor: str, logs: dict[str, float]) -> float:
    """A number of the logs, with a warning where it is NaN; ValueError where there is none of that name."""
    if monitor not in logs:
        hint = "; Validation among the callbacks computes it" * monitor.startswith("val_")
        raise ValueError(f"{who}: no {monitor} among {', '.join(logs)}{hint}")
    if logs[monitor] != logs[monitor]:
        warnings.warn(f"{who}: {monitor} is NaN, which is never better: are there NaN in the data?", stacklevel=2)
    return logs[monitor]


class CallbackList:
    """Several callbacks as one, which `run` calls after each epoch, or after as many as none of them minds."""

    def __init__(self, *callbacks: Any) -> None:
        self._all = sorted(map(_checked, _flat(callbacks)), key=lambda each: getattr(each, "_rank", 1))
        self._callbacks = [each for each in self._all if isinstance(each, Callback)]
        self._of_batches = [each for each in self._callbacks if each._wants_batches()]
        self.wants_batches = bool(self._of_batches)

    @contextmanager
    def during(self, training: Any) -> Iterator[None]:
        """The life of a training: whoever has heard of its beginning hears of its end."""
        self._training = training
        with ExitStack() as ends:
            for each in self._callbacks:
                each.on_train_begin(training)
                ends.callback(each.on_train_end)
            yield

    def __call__(self, epoch: int, losses: np.ndarray[Any, Any]) -> bool:
        rows = self._training.rows
        logs = {"loss": float((losses * rows).sum() / rows.sum())}
        for each in self._all:
            if isinstance(each, Callback):
                self._training.stopped |= asks_to_stop(each.on_epoch_end, epoch, logs)
                for name, value in logs.items():
                    if type(value) is not float:
                        logs[name] = number(type(each).__name__, f"logs[{name!r}]", value)
            else:
                self._training.stopped |= asks_to_stop(each, epoch, losses)
        self._training.show({name: logs[name] for name in logs if name != "loss"})
        return bool(self._training.stopped)

    def on_train_batch_end(self, batch: int, loss: float) -> None:
        for each in self._of_batches:
            each.on_train_batch_end(batch, {"loss": loss})

    def epochs_ahead(self) -> int:
        return 1 if self.wants_batches else min(map(epochs_ahead, self._all), default=STEPS_A_CALL)

    def state_dict(self) -> list[Any]:
        """Of each callback that has a state the name of its class and the state."""
        return [[type(each).__name__, each.state_dict()] for each in self._with_state()]

    def load_state_dict(self, states: list[Any], epochs: int) -> bool:
        """Takes over what `state_dict` gave after so many epochs; whether a training that was stopped stays so."""
        for each, (_, state) in zip(self._with_state(), states, strict=True):
            each.load_state_dict(state)
        for each in self._callbacks:
            each._resumed(epochs)
        return all(each._stays_stopped() for each in self._callbacks)

    def made_of(self) -> dict[str, Any]:
        """Of the callbacks that have a state."""
        found: dict[str, Any] = {}
        for each in self._with_state():
            told = each._made_of() if isinstance(each, Callback) else {"class": type(each).__name__}
            name = told["class"]
            found[f"{name} {len(found)}" if name in found else name] = told
        return {"class": ", ".join(each["class"] for each in found.values())} | found

    def _with_state(self) -> list[Any]:
        none = Callback.state_dict
        return [each for each in self._all if getattr(type(each), "state_dict", none) is not none]


# What of a schedule its steps change.
_MOVING = {
    "optimizer", "last_epoch", "_step_count", "_last_lr", "_is_initial", "_part", "best", "num_bad_epochs",
    "cooldown_counter",
}  # fmt: skip


def made_of(thing: Optimizer | LRScheduler) -> dict[str, Any]:
    """The class and the options that an optimiser or a schedule was made with, as text by name."""
    kind = type(thing)
    if isinstance(thing, Optimizer):
        options = thing.defaults
    elif kind.__module__.startswith("pyautograd."):
        options = {name: value for name, value in vars(thing).items() if name not in _MOVING}
    else:  # which other attributes its steps change nobody knows
        parameters = inspect.signature(kind).parameters.keys() - _MOVING
        options = {name: value for name, value in vars(thing).items() if name in parameters}
    return {"class": kind.__name__} | {name: _as_made(value) for name, value in options.items()}


def _as_made(value: Any) -> Any:
    if isinstance(value, LRScheduler):
        return made_of(value)
    if isinstance(value, list) and any(isinstance(each, LRScheduler) for each in value):
        return {str(i): made_of(each) for i, each in enumerate(value)}
    return "a tensor" if isinstance(value, Tensor) else short(value)


def differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """Where two trainings, by what they are made of, are not the same."""
    if isinstance(before, dict) and isinstance(now, dict) and before.get("class") == now.get("class"):
        for key in before | now:
            yield from differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        said = [each["class"] if isinstance(each, dict) else each for each in (before, now)]
        yield f"{name}: {said[0]} in the file, {said[1]} here"


def _flat(callbacks: Iterable[Any]) -> Iterator[Any]:
    for each in callbacks:
        if isinstance(each, list | tuple):
            yield from _flat(each)
        elif each is not None:
            yield each


def _checked(callback: Any) -> Any:
    """A callback, or what stands for a schedule."""
    if isinstance(callback, LRScheduler):
        return LearningRateScheduler(callback)
    if isinstance(callback, type):
        raise TypeError(f"run: callback is the class {callback.__name__}, no object: write {callback.__name__}(...)")
    if not (isinstance(callback, Callback) or callable(callback)):
        raise TypeError(
            f"run: callback is a {type(callback).__name__}, no Callback, no schedule and no function of an epoch and "
            "its losses"
        )
    return callback


def epochs_ahead(callback: Any) -> int:
    """How many epochs may run before a callback is to be called: one with a method `epochs_ahead` knows for how many
    it neither stops the training nor changes or reads what the step does."""
    if callback is None:
        return STEPS_A_CALL
    ahead = getattr(callback, "epochs_ahead", None)
    return 1 if ahead is None else max(1, int(ahead()))


def asks_to_stop(callback: Callable[[int, Any], Any], epoch: int, losses: Any) -> bool:
    try:
        wanted = callback(epoch, losses)
    except StopIteration:
        return True
    return isinstance(wanted, (bool, np.bool_)) and bool(wanted)
