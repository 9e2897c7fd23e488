"""Callbacks for `run`: validation, early stopping, checkpoints that resume, schedules, history and logs."""

from __future__ import annotations

import copy
import os
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from pyautograd._arguments import did_you_mean
from pyautograd._callbacks import Callback, LearningRateScheduler, differences, made_of, monitored
from pyautograd._compile import compile
from pyautograd._core import TraceError
from pyautograd._dtype import float32, float64
from pyautograd._epoch_logs import CSVLogger, History
from pyautograd._generator import Generator
from pyautograd._grad_mode import no_grad
from pyautograd._joins import cat
from pyautograd._serialization import load, save
from pyautograd._tensor import Tensor
from pyautograd._training_data import as_floats, of_loader, rows_of
from pyautograd.nn import Module, functional
from pyautograd.optim import Optimizer
from pyautograd.optim.lr_scheduler import LRScheduler
from pyautograd.utils.data import DataLoader

__all__ = [
    "CSVLogger", "Callback", "Checkpoint", "EarlyStopping", "History", "LearningRateScheduler", "Validation",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


def _accuracy(output: Tensor, target: Tensor) -> Any:
    if output.ndim != 2 or output.shape[1] < 2 or target.ndim != 1:
        raise ValueError(
            f"Validation: accuracy is of scores (rows, classes) and classes (rows,), not of {tuple(output.shape)} and "
            f'{tuple(target.shape)}; give a function: metrics={{"accuracy": lambda output, target: ...}}'
        )
    return (output.argmax(1) == target).double().mean()


def _r2(output: Tensor, target: Tensor) -> Tensor:
    return 1 - functional.mse_loss(output, target) / functional.mse_loss(target.mean(0).expand_as(target), target)


_LARGER_IS_BETTER: dict[str, Callable[[Any, Any], Any]] = {"accuracy": _accuracy, "r2": _r2}
_METRICS = {**_LARGER_IS_BETTER, "mse": functional.mse_loss, "mae": functional.l1_loss}


def _named_metrics(metrics: Any) -> dict[str, Callable[[Any, Any], Any]]:
    """Metrics by their name, given as a name, a function, several of these or a dict."""
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, Mapping):
        metrics = {
            each if isinstance(each, str) else getattr(each, "__name__", type(each).__name__): each for each in metrics
        }
    return {name: _metric(each) for name, each in metrics.items()}


def _metric(metric: Any) -> Callable[[Any, Any], Any]:
    found = _METRICS.get(metric) or getattr(functional, metric, None) if isinstance(metric, str) else metric
    if not callable(found):
        near = did_you_mean(metric, {*_METRICS, *functional.__all__}) if isinstance(metric, str) else ""
        raise ValueError(f"Validation: no metric {metric!r}{near}; there are {', '.join(_METRICS)}, and functions")
    return found


class Validation(Callback):
    """Computes metrics of rows that are not trained on, after each epoch: the logs have them as "val_" and their name.

    **Arguments:** `module`, put into eval mode meanwhile; `data`: its inputs and, last, the target, or a DataLoader, as
    `run` takes them. `loss` is what "val_loss" is, `metrics` are one or more besides, or a dict by name: functions of
    output and target, or names: "accuracy", "r2", "mse", "mae", or that of a loss of `nn.functional`. The forward is
    compiled, and sees `batch_size` rows at once, None for all; metrics see the outputs of all rows.
    **Raises** ValueError without a metric, for an unknown one and for data of different lengths.

    >>> import pyautograd as pa
    >>> x, y = pa.eye(3), pa.arange(3)
    >>> pa.callbacks.Validation(pa.nn.Identity(), x, y, loss="cross_entropy", metrics="accuracy")
    Validation(Identity())
    """

    _rank = 0

    def __init__(
        self, module: Module, *data: Any, loss: Any = None, metrics: Any = (), batch_size: int | None = 4096
    ) -> None:
        self._by_name = ({} if loss is None else {"loss": _metric(loss)}) | _named_metrics(metrics)
        if len(data) == 1 and isinstance(data[0], DataLoader):
            data, batch_size, *_ = of_loader(data[0], {})
        if not self._by_name or len(data) < 2:
            raise ValueError("Validation: takes a module, its inputs, a target, and a loss or metrics")
        self.module = module
        self._is_array = [not isinstance(each, Tensor) for each in data]
        names = [*(f"input {i}" for i in range(len(data) - 1)), "target"]
        *self._inputs, self._target = map(self._rows, data, names)
        lengths = [len(each) for each in (*self._inputs, self._target)]
        if len(set(lengths)) != 1:
            raise ValueError(f"Validation: the data have different numbers of rows: {lengths}")
        self._batch_size = lengths[0] if batch_size is None else batch_size
        if min(lengths[0], self._batch_size) < 1:
            raise ValueError(f"Validation: {lengths[0]} rows in batches of {self._batch_size}")
        self._is_compiled = True

    def _rows(self, data: Any, name: str) -> Tensor:
        """As `run` takes them: of arrays that are float64, float32 for a module of float32."""
        rows = rows_of(data, name, "Validation")
        is_narrow = any(each.dtype is float32 for each in self.module.parameters())
        return rows.to(float32) if is_narrow and rows.dtype is float64 and not isinstance(data, Tensor) else rows

    def compute(self) -> dict[str, float]:
        """The metrics of the module as it is. **Raises** what the module and the metrics raise.

        >>> import pyautograd as pa
        >>> pa.callbacks.Validation(pa.nn.Identity(), pa.ones(3), pa.zeros(3), metrics=["mse", "mae"]).compute()
        {'val_mse': 1.0, 'val_mae': 1.0}
        """
        modes = [(each, each.training) for each in self.module.modules()]
        self.module.eval()
        try:
            with no_grad():
                output = self._output()
                return {f"val_{name}": float(metric(output, self._target)) for name, metric in self._by_name.items()}
        finally:
            for each, mode in modes:
                each.training = mode

    @compile(dynamic_batch=True)
    def _forward(self, *inputs: Tensor) -> Any:
        return self.module(*inputs)

    def _output(self) -> Any:
        starts = range(0, len(self._target), self._batch_size)
        parts: list[Any] = []
        while not parts:
            try:
                forward = self._forward if self._is_compiled else self.module
                parts = [forward(*(each[i : i + self._batch_size] for each in self._inputs)) for i in starts]
            except TraceError:
                if not self._is_compiled:
                    raise
                self._is_compiled = False  # nothing frees its batch axis
            except TypeError as error:
                taken = as_floats(self._inputs, self._is_array, error)
                if taken is None:
                    raise
                self._inputs = [*taken]
        if len(parts) == 1:
            return parts[0]
        return cat(parts) if isinstance(parts[0], Tensor) else tuple(map(cat, zip(*parts)))

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs.update(self.compute())


class _Best:
    """The best number seen of one of the logs."""

    def __init__(self, who: str, monitor: str, mode: str | None, min_delta: float = 0.0) -> None:
        if mode not in (None, "auto", "min", "max"):
            raise ValueError(f'{who}: mode is "min" or "max", not {mode!r}')
        if mode in (None, "auto"):
            name = monitor.removeprefix("val_")
            is_known = name == "loss" or name in _METRICS or name in functional.__all__
            if not is_known:
                raise ValueError(f'{who}: is {monitor} best where it is least, mode="min", or greatest, mode="max"?')
            mode = "max" if name in _LARGER_IS_BETTER else "min"
        self.who, self.monitor, self.sign, self.min_delta = who, monitor, 1.0 if mode == "min" else -1.0, min_delta
        self.value: float | None = None

    def made_of(self) -> dict[str, str]:
        return {"monitor": self.monitor, "mode": "min" if self.sign > 0 else "max"}

    def is_beaten(self, logs: dict[str, float]) -> bool:
        """Is the number of this epoch the best, by min_delta at least? NaN never is."""
        found = monitored(self.who, self.monitor, logs)
        if self.value is None:
            is_better = found == found
        else:
            is_better = self.sign * found < self.sign * self.value - self.min_delta
        if is_better:
            self.value = found
        return is_better


class EarlyStopping(Callback):
    """Stops the training when `monitor` has not become better by more than `min_delta` for `patience` epochs.

    **Arguments:** `mode`: "min" or "max", None or "auto" where the name says which is better, as of losses and the
    metrics that `Validation` knows by name. `restore_best_weights`: a module that gets the weights of its best epoch
    back when the training ends, however it ends. Each `run` begins to count anew. **Attributes:** `best`, `best_epoch`,
    `wait`, the epochs since then. **Raises** ValueError for a monitor that is not among the logs, or a mode that is not
    known; it **warns** of one that is NaN.

    >>> import pyautograd as pa
    >>> step = pa.compile(lambda x: x.mean())
    >>> stopping = pa.callbacks.EarlyStopping("loss", patience=3)
    >>> step.run(pa.ones(8), batch_size=8, epochs=100, callback=stopping).shape, stopping.best_epoch
    ((4,), 0)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best_weights: Module | None = None,
    ) -> None:
        if restore_best_weights is not None and not isinstance(restore_best_weights, Module):
            raise TypeError("EarlyStopping: restore_best_weights is the module that gets them back")
        if patience < 0 or not min_delta >= 0:
            raise ValueError("EarlyStopping: patience and min_delta are 0 or more")
        self.monitor, self.patience, self.min_delta, self.mode = monitor, patience, min_delta, mode
        self.restore_best_weights = restore_best_weights
        self.on_train_begin()

    def on_train_begin(self, training: Any = None) -> None:
        self._best = _Best("EarlyStopping", self.monitor, self.mode, self.min_delta)
        self.best_epoch, self.wait = -1, 0
        self._had_stopped = False  # the training that resumes
        self._weights: dict[str, Tensor] | None = None

    @property
    def best(self) -> float | None:
        """The monitor's best number; None before the first."""
        return self._best.value

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        if not self._best.is_beaten(logs):
            self.wait += 1
            return self.wait >= self.patience
        self.best_epoch, self.wait = epoch, 0
        if self.restore_best_weights is not None:
            self._weights = {name: tensor.clone() for name, tensor in self.restore_best_weights.state_dict().items()}
        return False

    def on_train_end(self) -> None:
        if self.restore_best_weights is not None and self._weights is not None:
            self.restore_best_weights.load_state_dict(self._weights)

    def epochs_ahead(self) -> int:
        return 1 if self.restore_best_weights is not None else self.patience - self.wait

    def _made_of(self) -> dict[str, Any]:
        gives_back = self.restore_best_weights is not None
        return super()._made_of() | self._best.made_of() | {"restore_best_weights": str(gives_back)}

    def _stays_stopped(self) -> bool:
        return not self._had_stopped or self.wait >= self.patience

    def state_dict(self) -> dict[str, Any]:
        numbers = {"best": self.best, "best_epoch": self.best_epoch, "wait": self.wait}
        return numbers | {"weights": self._weights, "stopped": self.wait >= self.patience}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._best.value, self.best_epoch = state["best"], state["best_epoch"]
        self.wait, self._weights, self._had_stopped = state["wait"], state["weights"], state["stopped"]


class Checkpoint(Callback):
    """Saves a training to a file after its epochs, and goes on from there as if it had never stopped.

    **Arguments:** `path`: of the file, which `load` reads; a new one takes the place of the old one whole and at once,
    though the process be killed meanwhile. `objects`, by name: the modules, optimisers, Generators and tensors that the
    step changes, and whatever else has a `state_dict` and a `load_state_dict`. With them go the other callbacks that
    have a state, schedules among them, losses and random streams. `every_n_epochs`: how often, and after the last one;
    `monitor`: only where that of the logs is the best so far, `mode` as of `EarlyStopping`. `resume`: begin where the
    file ends, if there is one: `epochs` counts those before, and what `run` returns has their losses. A training that a
    callback has stopped stays so, with a warning, unless its `EarlyStopping` has more patience. **Raises** TypeError
    for an object without state, ValueError where the step has an optimiser, or changes a tensor, that is not saved, and
    for a file of another training, which says what differs and changes nothing; OSError where it cannot be written.

    >>> import os, tempfile
    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.zeros(2))
    >>> optimizer = pa.optim.Adam([w], lr=0.1)
    >>> @pa.compile
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     loss = ((x - w) ** 2).mean()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "training.npz")
    ...     for epochs in (3, 8):
    ...         checkpoint = pa.callbacks.Checkpoint(path, w=w, optimizer=optimizer, resume=True)
    ...         losses = step.run(pa.ones(8, 2), batch_size=4, epochs=epochs, callback=checkpoint)
    ...     losses.shape, pa.load(path)["optimizer"]["state"][0]["step"]
    ((16,), tensor(16.))
    """

    _rank = 3

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every_n_epochs: int = 1,
        monitor: str | None = None,
        mode: str | None = None,
        resume: bool = False,
        **objects: Any,
    ) -> None:
        for name, each in objects.items():
            if isinstance(each, type) or not (isinstance(each, Tensor | Generator) or hasattr(each, "load_state_dict")):
                raise TypeError(f"Checkpoint: {name} is a {type(each).__name__}, which has no state_dict to load")
        if not objects or "training" in objects:
            raise TypeError(
                "Checkpoint: name what the step changes: Checkpoint(path, model=model, optimizer=optimizer)"
            )
        if placeholder := re.search(r"\{(epoch|loss|lr|val_\w+)[:}]", os.fspath(path)):
            write = 'lambda epoch, losses: pa.save(model.state_dict(), f"model-{epoch}.npz")'
            raise ValueError(f"Checkpoint: {placeholder[1]} in path: it keeps one file; for many, callback={write}")
        if every_n_epochs < 1:
            raise ValueError(f"Checkpoint: every_n_epochs is 1 or more, not {every_n_epochs}")
        self.path, self.every_n_epochs, self.resume = os.fspath(path), every_n_epochs, resume
        self._best = None if monitor is None else _Best("Checkpoint", monitor, mode)
        self._objects = objects

    def on_train_begin(self, training: Any) -> None:
        self._training = training
        if self._best is not None:
            self._best.value = None
        self._before: dict[int, tuple[Any, int]] | None = self._not_saved(training)
        has_options = {name: each for name, each in self._objects.items() if isinstance(each, Optimizer | LRScheduler)}
        self._own = training.made_of() | {name: made_of(each) for name, each in has_options.items()}
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        if self.resume and os.path.exists(self.path):
            self._go_on(load(self.path))
            done, wanted = training.epoch, training.epochs
            if training.stopped or done > wanted:
                why = "and a callback stopped it; more patience goes on" if training.stopped else f"of {wanted}"
                warnings.warn(f"Checkpoint: nothing is run: {self.path!r} has {done} epochs {why}", stacklevel=2)

    def _go_on(self, state: Any) -> None:
        """Takes over what was saved; ValueError where that is of another training, and then nothing is changed."""
        found = state["training"] if isinstance(state, dict) and "training" in state else {}
        advice = "; nothing has been changed. Make the training as it was, or give another path to begin anew"
        if not isinstance(found, dict) or "made_of" not in found:
            advice = "; take its weights by module.load_state_dict, and give another path"
            raise ValueError(f"Checkpoint: {self.path!r} holds no training to resume{advice}")
        names = [name for name in state if name != "training"]
        if {*names} != {*self._objects}:
            raise ValueError(
                f"Checkpoint: {self.path!r} has {', '.join(names)}, not {', '.join(self._objects)}{advice}"
            )
        if found_differences := "; ".join(differences(found["made_of"], self._own)):
            raise ValueError(f"Checkpoint: {self.path!r} is of another training: {found_differences}{advice}")
        own_state = copy.deepcopy(self._state())
        try:
            self._load(state)
        except BaseException as error:
            self._load(own_state)
            if not isinstance(error, Exception):
                raise
            first = str(error).splitlines()[:2][-1].strip(" \t.") if str(error) else type(error).__name__
            raise ValueError(f"Checkpoint: {self.path!r} cannot be resumed: {first}{advice}") from error

    def _state(self) -> dict[str, Any]:
        training = self._training.state_dict() | {"made_of": self._own}
        return {name: _state_of(each) for name, each in self._objects.items()} | {"training": training}

    def _load(self, state: dict[str, Any]) -> None:
        for name, each in self._objects.items():
            _load_into(each, state[name])
        self._training.load_state_dict(state["training"])

    def _not_saved(self, training: Any) -> dict[int, tuple[Any, int]]:
        """The tensors that the step reaches and that would not be saved, with their versions; ValueError where one is
        of an optimiser. An object of the user's own may hold any."""
        saved = [*self._objects.values()]
        modules = [each for each in saved if isinstance(each, Module)]
        is_open = any(not isinstance(each, Module | Optimizer | LRScheduler | Generator | Tensor) for each in saved)
        held = {id(each) for each in saved}
        held |= {id(each) for module in modules for each in module.state_dict(keep_vars=True).values()}
        for each in saved:
            if isinstance(each, Optimizer):
                held |= {id(kept) for part in (*each.state.values(), *each.param_groups) for kept in part.values()}
        nodes, optimizers = training.changeable()
        for each in optimizers:
            name = type(each).__name__
            if id(each) not in held:
                raise ValueError(f"Checkpoint: the step has an optimizer, {name}, that is not among what is saved")
            if not is_open and any(id(param) not in held for group in each.param_groups for param in group["params"]):
                raise ValueError(
                    f"Checkpoint: {name} updates a parameter that is not among what is saved: name its module"
                )
        return {} if is_open else {id(each): (each, each._version) for each in nodes if id(each) not in held}

    def _check_not_saved(self) -> None:
        """ValueError where an epoch has changed a tensor that would not be saved."""
        before, self._before = self._before, None
        now = {} if before is None else self._not_saved(self._training)
        for key, (node, version) in now.items():
            if before is not None and before.get(key, (node, -1))[1] != version:
                raise ValueError(
                    f"Checkpoint: the step changes a tensor of shape {tuple(node.shape)} that is not among what is "
                    "saved; name it, or its optimizer, and have the step write into it; or make it a buffer of a module"
                )

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        is_last = self._training.stopped or epoch + 1 == self._training.epochs
        if not is_last and (epoch + 1) % self.every_n_epochs != 0:
            return
        self._check_not_saved()
        if self._best is None or self._best.is_beaten(logs):
            save(self._state(), self.path)

    def _made_of(self) -> dict[str, Any]:
        return super()._made_of() | ({} if self._best is None else self._best.made_of())

    def epochs_ahead(self) -> int:
        return self.every_n_epochs - int(self._training.epoch) % self.every_n_epochs

    def state_dict(self) -> dict[str, Any]:
        return {"best": None if self._best is None else self._best.value}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._best is not None:
            self._best.value = state["best"]


def _state_of(thing: Any) -> Any:
    if isinstance(thing, Tensor):
        return thing.detach()
    return thing.get_state() if isinstance(thing, Generator) else thing.state_dict()


def _load_into(thing: Any, state: Any) -> None:
    if isinstance(thing, Tensor):
        with no_grad():
            thing.copy_(state)
    elif isinstance(thing, Generator):
        thing.set_state(state)
    else:
        thing.load_state_dict(state)
