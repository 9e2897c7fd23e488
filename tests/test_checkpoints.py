"""A training that resumes from a checkpoint has the bits of one that never stopped, whatever it is made of."""

import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from compile.training import numbers_of
from resumed import EPOCHS, Make, World

import pyautograd
from pyautograd import Tensor, optim
from pyautograd.callbacks import (
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    Validation,
)
from pyautograd.nn import functional as F
from pyautograd.optim import lr_scheduler
from pyautograd.utils.data import DataLoader, TensorDataset


class KilledError(Exception):
    pass


class KilledAt(Callback):
    """Ends a training in the midst of an epoch, or after it."""

    def __init__(self, epoch: int, batch: int | None = None) -> None:
        self.epoch, self.batch, self.begun = epoch, batch, 0

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        if (self.begun, batch) == (self.epoch, self.batch):
            raise KilledError

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.begun = epoch + 1
        if epoch == self.epoch:
            raise KilledError


def check_that_it_resumes(
    tmp_path: Path, epoch: int = 4, batch: int | None = None, run: Any = None, **options: Any
) -> None:
    """A training is ended, and goes on in a world made anew; it ends in the state of another that was never ended."""
    run = run or {"seed": 5}
    whole = World(tmp_path / "whole.npz", **options)
    expected = whole.run(**_options(run))
    state = whole.state()
    killed = World(tmp_path / "killed.npz", **options)
    with pytest.raises(KilledError):
        killed.run(EPOCHS, KilledAt(epoch, batch), **_options(run))
    pyautograd.manual_seed(99)
    resumed = World(tmp_path / "killed.npz", **options)
    pyautograd.rand(3)
    losses = resumed.run(**_options(run))
    np.testing.assert_array_equal(losses, expected)
    assert resumed.state() == state


def _options(run: dict[str, Any]) -> dict[str, Any]:
    return {name: each() if callable(each) else each for name, each in run.items()}


# ---- of what a training is made ----


OPTIMIZERS = [name for name in optim.__all__ if name[0].isupper() and name != "Optimizer"]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{}, {"momentum": 0.9, "nesterov": True}, {"lr": pyautograd.tensor(0.1)}],
    "Adam": [{}, {"amsgrad": True}],
    "RMSprop": [{}, {"momentum": 0.9, "centered": True}],
}


@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name in OPTIMIZERS for options in OPTIONS.get(name, [{}])]
)
def test_every_optimizer_resumes(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    def train_in_a_callback(world: World) -> list[Any]:  # since no compiled step has a closure
        def closure() -> Tensor:
            world.optimizer.zero_grad()
            loss = F.cross_entropy(world.model(world.x), world.y)
            loss.backward()
            return loss

        if name != "LBFGS":
            return []
        world.step = pyautograd.compile(lambda x, y: F.cross_entropy(world.model(x), y))
        return [lambda epoch, losses: bool(world.optimizer.step(closure) is None)]

    def make(params: Any) -> optim.Optimizer:
        copied = {key: each.clone() if isinstance(each, Tensor) else each for key, each in options.items()}
        return getattr(optim, name)(params, **({"lr": 0.01} | copied))

    check_that_it_resumes(tmp_path, make_optimizer=make, more=train_in_a_callback)


SCHEDULES: dict[str, Make] = {
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 3), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, total_iters=5),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 6),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.1, step_size_up=3, mode="triangular2"),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=6),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 5, 20], 0.5),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.9),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, epochs=EPOCHS, steps_per_epoch=6),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 6, 2.0),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=0.1),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.5, total_iters=3), lr_scheduler.StepLR(o, 2)], [3]
    ),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2),
}


def test_the_schedules_are_all_that_there_are() -> None:
    assert SCHEDULES.keys() == set(lr_scheduler.__all__) - {"LRScheduler"}


@pytest.mark.parametrize("interval", ["epoch", "step"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_resumes(name: str, interval: str, tmp_path: Path) -> None:
    def scheduled(world: World) -> list[Any]:
        schedule = SCHEDULES[name](world.optimizer)
        return [schedule if interval == "epoch" else LearningRateScheduler(schedule, interval="step")]

    def make(params: Any) -> optim.Optimizer:
        return optim.NAdam(params, 0.01) if name == "StepLR" else optim.SGD(params, 0.1, momentum=0.9)

    check_that_it_resumes(tmp_path, make_optimizer=make, more=scheduled)


@pytest.mark.parametrize("batch", [None, 0, 1, 3, 5])
@pytest.mark.parametrize("dynamic_batch", [False, True])
def test_it_resumes_wherever_in_an_epoch_it_was_killed(batch: int | None, dynamic_batch: bool, tmp_path: Path) -> None:
    check_that_it_resumes(tmp_path, 5, batch, dynamic_batch=dynamic_batch)


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"seed": 1, "shuffle": False},
        {"seed": 2, "drop_last": True},
        {"generator": lambda: pyautograd.Generator().manual_seed(8)},
        {"seed": 3, "batch_size": 90},
        {"seed": 3, "batch_size": 64},
    ],
)
@pytest.mark.parametrize("every", [1, 3])
def test_it_resumes_in_whichever_order_the_rows_come(run: dict[str, Any], every: int, tmp_path: Path) -> None:
    check_that_it_resumes(tmp_path, run=run, every_n_epochs=every)


def test_it_resumes_though_killed_again_and_again(tmp_path: Path) -> None:
    whole = World(tmp_path / "whole.npz", every_n_epochs=1)
    expected = whole.run(seed=5)
    state = whole.state()
    for epoch in range(1, EPOCHS):
        killed = World(tmp_path / "killed.npz", every_n_epochs=1)
        with pytest.raises(KilledError):
            killed.run(EPOCHS, KilledAt(epoch, 2), seed=5)
    resumed = World(tmp_path / "killed.npz", every_n_epochs=1)
    np.testing.assert_array_equal(resumed.run(seed=5), expected)
    assert resumed.state() == state


def test_early_stopping_and_validation_resume(tmp_path: Path) -> None:
    def more(world: World) -> list[Any]:
        validation = Validation(world.model, world.x, world.y, loss="cross_entropy", metrics="accuracy")
        world.stopping = EarlyStopping(patience=4, min_delta=0.005, restore_best_weights=world.model)
        return [validation, world.stopping, CSVLogger(world.checkpoint.path + ".csv")]

    options: dict[str, Any] = {"make_optimizer": lambda params: optim.Adam(params, lr=0.1), "more": more}
    whole = World(tmp_path / "whole.npz", **options)
    expected = whole.run(60, seed=5)
    epochs = len(expected) // 6
    assert 8 < epochs < 60
    killed = World(tmp_path / "killed.npz", **options)
    with pytest.raises(KilledError):
        killed.run(60, KilledAt(epochs - 4), seed=5)
    for is_told in (nullcontext(), pytest.warns(UserWarning, match="nothing is run: .* a callback stopped it")):
        resumed = World(tmp_path / "killed.npz", **options)
        with is_told:
            np.testing.assert_array_equal(resumed.run(60, seed=5), expected)
        assert numbers_of(resumed.model) == numbers_of(whole.model)
        assert resumed.history.to_dict() == whole.history.to_dict()
        assert resumed.stopping.best_epoch == whole.stopping.best_epoch
        assert (tmp_path / "killed.npz.csv").read_bytes() == (tmp_path / "whole.npz.csv").read_bytes()


def test_more_epochs_go_on_where_a_finished_training_ended(tmp_path: Path) -> None:
    whole, part = World(tmp_path / "whole.npz"), World(tmp_path / "part.npz")
    expected = whole.run(9, seed=5)
    part.run(5, seed=5)
    more = World(tmp_path / "part.npz")
    np.testing.assert_array_equal(more.run(9, seed=5), expected)
    assert more.state() == whole.state()
    again = World(tmp_path / "part.npz")
    with pytest.warns(UserWarning, match=r"nothing is run: .*part.npz' has 9 epochs of 3"):
        assert len(again.run(3, seed=5)) == 54
    assert again.state() == whole.state()


def test_a_step_that_has_programs_goes_on_with_them(tmp_path: Path) -> None:
    whole, parts = World(tmp_path / "whole.npz"), World(tmp_path / "parts.npz")
    expected = whole.run(seed=5)
    parts.run(4, seed=5)
    for epochs in (4, EPOCHS):
        parts.step(parts.x[:16], parts.y[:16])  # which the file undoes
        found = parts.run(epochs, seed=5)
    np.testing.assert_array_equal(found, expected)
    assert parts.state() == whole.state()


def test_a_training_on_a_loader_resumes(tmp_path: Path) -> None:
    def trained(path: Path, epochs: int) -> tuple[Any, Any]:
        world = World(path)
        generator = pyautograd.Generator().manual_seed(4)
        loader = DataLoader(TensorDataset(world.x, world.y), batch_size=16, shuffle=True, generator=generator)
        return world.step.run(loader, epochs=epochs, callback=world.callbacks).tolist(), world.state()

    expected = trained(tmp_path / "whole.npz", 6)
    trained(tmp_path / "part.npz", 2)
    assert trained(tmp_path / "part.npz", 6) == expected


def test_without_resume_a_training_begins_anew(tmp_path: Path) -> None:
    first, second = (World(tmp_path / "training.npz", resume=False) for _ in range(2))
    np.testing.assert_array_equal(first.run(seed=5), second.run(seed=5))


# ---- of the file ----


def test_the_file_is_a_dict_of_state_dicts(tmp_path: Path) -> None:
    world = World(tmp_path / "new" / "training.npz")
    world.run(3, seed=5)
    found = pyautograd.load(tmp_path / "new" / "training.npz")
    assert list(found) == ["model", "optimizer", "training"]
    assert {name: each.tolist() for name, each in found["model"].items()} == {
        name: each.tolist() for name, each in world.model.state_dict().items()
    }
    assert found["training"]["epoch"] == 3


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    class Score(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            logs["score"] = [1, 3, 2, 3, 2.5][epoch]

    world = World(tmp_path / "best.npz", every_n_epochs=1, monitor="score", mode="max", resume=False)
    world.run(5, Score(), seed=5)
    found = pyautograd.load(tmp_path / "best.npz")
    assert found["training"]["epoch"] == 2
    short = World(tmp_path / "two.npz")
    short.run(2, seed=5)
    assert numbers_of(short.model) == [each.tolist() for each in found["model"].values()]


@pytest.mark.parametrize("every", [1, 3, 10])
def test_every_so_many_epochs_and_after_the_last(every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(pyautograd.callbacks, "save", lambda state, path: saved.append(state["training"]["epoch"]))
    World(tmp_path / "training.npz", every_n_epochs=every).run(7)
    assert saved == [epoch for epoch in range(1, 8) if epoch % every == 0 or epoch == 7]
    saved.clear()
    World(tmp_path / "training.npz", every_n_epochs=every).run(7, lambda epoch, losses: epoch == 1)
    assert saved[-1] == 2


def test_generators_and_tensors_are_saved_too(tmp_path: Path) -> None:
    def trained(path: Path, epochs: int) -> Any:
        generator = pyautograd.Generator().manual_seed(1)
        w, mean = pyautograd.zeros(2), pyautograd.zeros(2)

        @pyautograd.compile
        def step(x: Tensor) -> Tensor:
            mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
            w.add_(pyautograd.rand(2, generator=generator) - mean)
            return w.sum()

        checkpoint = Checkpoint(path, w=w, mean=mean, generator=generator, resume=True)
        losses = step.run(pyautograd.eye(2).repeat(8, 1), batch_size=3, epochs=epochs, seed=0, callback=checkpoint)
        return losses.tolist(), w.tolist(), mean.tolist(), generator.get_state()

    expected = trained(tmp_path / "whole.npz", 6)
    trained(tmp_path / "part.npz", 4)
    assert trained(tmp_path / "part.npz", 6) == expected


def test_a_tensor_that_an_epoch_changes_is_saved_or_refused(tmp_path: Path) -> None:
    world, weights = SimpleNamespace(mean=pyautograd.zeros(2), count=pyautograd.zeros(1)), pyautograd.ones(2)

    @pyautograd.compile
    def replaces(x: Tensor) -> Tensor:
        world.mean = 0.9 * world.mean + 0.1 * x.mean(0)
        return (world.mean * weights).sum()

    @pyautograd.compile
    def writes(x: Tensor) -> Tensor:
        world.count += 1
        return (x * weights).sum() * world.count

    for step, name in ((replaces, "mean"), (writes, "count")):
        for objects in ({"weights": weights}, {name: getattr(world, name)}):
            checkpoint = Checkpoint(tmp_path / "training.npz", every_n_epochs=2, **objects)
            if objects.keys() == {"count"}:
                step.run(pyautograd.ones(8, 2), batch_size=2, epochs=3, callback=checkpoint)
                continue
            with pytest.raises(ValueError, match="changes a tensor of shape"):
                step.run(pyautograd.ones(8, 2), batch_size=2, epochs=3, callback=checkpoint)


def test_an_object_of_ones_own_is_saved_by_its_state_dict(tmp_path: Path) -> None:
    class Mean:
        def __init__(self) -> None:
            self.mean = pyautograd.zeros(2)

        def state_dict(self) -> dict[str, Any]:
            return {"mean": self.mean}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.mean = state["mean"]

    def trained(path: Path, epochs: int) -> Any:
        own = Mean()

        @pyautograd.compile
        def step(x: Tensor) -> Tensor:
            own.mean = 0.9 * own.mean + pyautograd.rand(2) * x.mean(0)
            return own.mean.sum()

        checkpoint = Checkpoint(path, own=own, resume=True)
        losses = step.run(pyautograd.eye(2).repeat(8, 1), batch_size=3, epochs=epochs, seed=0, callback=checkpoint)
        return losses.tolist(), own.mean.tolist()

    expected = trained(tmp_path / "whole.npz", 6)
    trained(tmp_path / "part.npz", 4)
    assert trained(tmp_path / "part.npz", 6) == expected


def wrong(tmp_path: Path, change: str) -> None:
    """Refusals, by what is wrong."""
    path = tmp_path / "training.npz"
    World(path).run(2, seed=5)
    world = World(path, resume=change != "buffer")
    if change == "object":
        Checkpoint(path, model=3)
    elif change == "nothing":
        Checkpoint(path)
    elif change == "placeholder":
        Checkpoint("training-{epoch:03d}.npz", model=world.model)
    elif change == "never":
        Checkpoint(path, model=world.model, every_n_epochs=0)
    elif change == "optimizer":
        world.callbacks[0] = Checkpoint(path, model=world.model)
    elif change == "composed optimizer":
        world = World(path, lambda params: optim.Adagrad(params))
        world.callbacks[0] = Checkpoint(path, model=world.model)
    elif change == "buffer":
        world.model[1].register_buffer("running_mean", pyautograd.zeros(8), persistent=False)
    elif change == "parameter":
        world.callbacks[0] = Checkpoint(path, model=world.model[0], optimizer=world.optimizer)
    elif change == "names":
        world.callbacks[0] = Checkpoint(path, net=world.model, optimizer=world.optimizer, resume=True)
    elif change == "callbacks":
        world.callbacks.append(EarlyStopping("loss"))
    elif change == "file":
        path.write_bytes(path.read_bytes()[:-100])
    elif change == "weights":
        pyautograd.save(world.model.state_dict(), path)
    world.run(3, batch_size=20 if change == "steps" else 16, seed=None if change == "seed" else 5)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ("object", TypeError, "model is a int, which has no state_dict"),
        ("nothing", TypeError, "name what the step changes"),
        (
            "placeholder",
            ValueError,
            "Checkpoint: epoch in path: it keeps one file; for many, callback=lambda epoch, losses",
        ),
        ("never", ValueError, "every_n_epochs is 1 or more"),
        ("optimizer", ValueError, "an optimizer, Adam, that is not among what is saved"),
        ("composed optimizer", ValueError, "changes a tensor .* name it, or its optimizer"),
        ("buffer", ValueError, r"changes a tensor of shape \(8,\)"),
        ("parameter", ValueError, "Adam updates a parameter that is not among what is saved: name its module"),
        ("names", ValueError, "training.npz' has model, optimizer, not net, optimizer; nothing has been changed"),
        (
            "callbacks",
            ValueError,
            "callbacks: History, Checkpoint in the file, EarlyStopping, History, Checkpoint here",
        ),
        ("steps", ValueError, "batch_size: 16 in the file, 20 here"),
        ("seed", ValueError, "seed: 5 in the file, None here"),
        ("file", ValueError, "cannot be read"),
        (
            "weights",
            ValueError,
            "training.npz' holds no training to resume; take its weights by module.load_state_dict",
        ),
    ],
)
def test_what_is_wrong_is_refused(change: str, kind: type[Exception], words: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=words):
        wrong(tmp_path, change)


def scheduled(make: Make) -> Make:
    return lambda world: [make(world.optimizer)]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"make_optimizer": lambda params: optim.AdamW(params, 0.02)}, "optimizer: Adam in the file, AdamW here"),
        ({"make_optimizer": lambda params: optim.Adam(params, 0.01)}, "; optimizer.lr: 0.02 in the file, 0.01"),
        ({"more": scheduled(lambda o: lr_scheduler.ExponentialLR(o, 0.9))}, "StepLR, .* in the file, ExponentialLR, "),
        ({"more": scheduled(lambda o: lr_scheduler.StepLR(o, 3))}, "StepLR.step_size: 2 in the file, 3 here"),
        ({"more": lambda world: []}, "callbacks: StepLR, History, Checkpoint in the file, History, Checkpoint here"),
        ({"monitor": "loss"}, "callbacks.Checkpoint.monitor: None in the file, loss here"),
        ({"run": {"seed": 7}}, "training: seed: 5 in the file, 7 here; nothing has been changed"),
        ({"run": {"shuffle": False}}, "shuffle: True in the file, False here"),
        ({"run": {"drop_last": True}}, "drop_last: False in the file, True here"),
        ({"run": {"seed": None, "generator": pyautograd.Generator()}}, "generator: False in the file, True here"),
        ({"run": {"seed": 7, "shuffle": False}}, "shuffle: True in the file, False here; seed: 5 in the file, 7 here"),
    ],
)
def test_a_training_that_is_made_of_something_else_is_refused(made: dict[str, Any], words: str, tmp_path: Path) -> None:
    options = {"more": scheduled(lambda o: lr_scheduler.StepLR(o, 2))}
    World(tmp_path / "training.npz", **options).run(2, seed=5)
    run = {"seed": 5} | made.pop("run", {})
    world = World(tmp_path / "training.npz", **(options | made))
    before = world.state()
    with pytest.raises(ValueError, match=words):
        world.run(**run)
    assert world.state() == before


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name not in ("LambdaLR", "MultiplicativeLR")])
def test_the_options_of_every_schedule_are_compared(name: str, tmp_path: Path) -> None:
    changed: dict[str, Make] = {
        "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.ConstantLR(o, 0.5, 3), lr_scheduler.ExponentialLR(o, 0.8)]
        ),
        "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5),
        "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 6, 0.01),
        "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2),
        "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.2, step_size_up=3, mode="triangular2"),
        "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.8),
        "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=7),
        "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 6, 20], 0.5),
        "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.2, epochs=EPOCHS, steps_per_epoch=6),
        "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 6, 1.0),
        "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=1, threshold=0.1),
        "SequentialLR": lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o, 0.5, total_iters=3), lr_scheduler.StepLR(o, 2)], [4]
        ),
        "StepLR": lambda o: lr_scheduler.StepLR(o, 3),
    }
    options: dict[str, Any] = {"make_optimizer": lambda params: optim.SGD(params, 0.1, momentum=0.9)}
    World(tmp_path / "training.npz", more=scheduled(SCHEDULES[name]), **options).run(1, seed=5)
    with pytest.raises(ValueError, match=f"is of another training: callbacks.{name}[.]"):
        World(tmp_path / "training.npz", more=scheduled(changed[name]), **options).run(seed=5)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (["model", "4.bias"], r"cannot be resumed: size mismatch for 4.bias: .*\(8,\), .*; nothing has been changed"),
        (["optimizer", "state", 5, "exp_avg"], "exp_avg of shape"),
        (["training", "callbacks"], "cannot be resumed"),
        (["training", "streams"], "cannot be resumed"),
    ],
)
def test_a_refused_file_changes_nothing(place: list[Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "training.npz"
    World(path).run(2, seed=5)
    held = content = pyautograd.load(path)
    for key in place[:-1]:
        held = held[key]
    held[place[-1]] = pyautograd.zeros(8)
    pyautograd.save(content, path)
    world = World(path)
    before, weights = world.state(), numbers_of(world.model)
    with pytest.raises(ValueError, match=words):
        world.run(seed=5)
    assert (world.state(), numbers_of(world.model)) == (before, weights)


def test_more_patience_goes_on_with_a_training_that_had_stopped(tmp_path: Path) -> None:
    def trained(path: Path, patience: int) -> tuple[list[float], Any]:
        stopping = EarlyStopping("loss", patience, min_delta=0.2)
        world = World(path, more=lambda world: [stopping])
        return world.run(40, seed=5).tolist(), world.state()

    expected = trained(tmp_path / "whole.npz", 9)
    assert len(trained(tmp_path / "part.npz", 2)[0]) < len(expected[0]) < 40 * 6
    assert trained(tmp_path / "part.npz", 9) == expected


def test_a_log_goes_on_with_its_columns(tmp_path: Path) -> None:
    def trained(epochs: int, *more: Any) -> list[str]:
        world = World(tmp_path / "training.npz", every_n_epochs=1)
        world.run(epochs, CSVLogger(log), *more, seed=5)
        return log.read_text().splitlines()

    log = tmp_path / "new" / "log.csv"
    begun = trained(2)
    assert begun[0] == "epoch,loss"
    log.write_text("\n".join([*begun, "2,0.5"]))  # of an epoch that was lost, whose line was not finished
    lines = trained(4, lambda epoch, losses: None)
    assert lines[:3] == begun
    assert [line.partition(",")[0] for line in lines] == ["epoch", "0", "1", "2", "3"]
    log.unlink()
    assert trained(5)[0] == "epoch,loss"
    assert [line.partition(",")[0] for line in trained(6)] == ["epoch", "4", "5"]
    for wrong in ("hello\n", "epoch,loss\n0,1\n2,1\n", "epoch,loss\n0,1\n1\n", "", "epoch,loss\nx,1\n"):
        log.write_text(wrong)
        with pytest.raises(ValueError, match=r"log.csv' is no log of the epochs before 6: move it away; nothing has"):
            trained(7)
        assert log.read_text() == wrong


# ---- killed processes ----

SCRIPT = """
import os, sys
from pathlib import Path
from resumed import World
world = World(Path(sys.argv[1]), every_n_epochs=1)
losses = world.run(40, lambda epoch, losses: os.write(1, b"."), seed=5)
os.write(1, repr((losses.tolist(), world.state())).encode())
"""


def processed(path: Path, kill_after: int | None = None) -> bytes:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(path)], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    with process.stdout as out:
        if kill_after is not None:
            assert out.read(kill_after) == b"." * kill_after
            process.kill()
        told = out.read()
    assert process.wait() == (0 if kill_after is None else -signal.SIGKILL)
    return told.lstrip(b".")


def test_a_process_that_is_killed_resumes_with_the_same_bits(tmp_path: Path) -> None:
    processed(tmp_path / "killed.npz", kill_after=7)
    assert [each.name for each in tmp_path.iterdir()] == ["killed.npz"]
    resumed = processed(tmp_path / "killed.npz")
    assert resumed == processed(tmp_path / "whole.npz")


def test_a_write_that_is_cut_off_leaves_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "training.npz", every_n_epochs=1)
    world.run(2, seed=5)
    before = (tmp_path / "training.npz").read_bytes()

    def fail(*args: Any, **options: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        World(tmp_path / "training.npz", every_n_epochs=1).run(4, seed=5)
    assert (tmp_path / "training.npz").read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["training.npz"]
