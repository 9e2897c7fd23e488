"""Averages of weights: in a compiled step, in a checkpoint, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from compile.training import numbers_of
from resumed import EPOCHS, World
from trainings import train

import pyautograd
from pyautograd import Tensor, nn, optim
from pyautograd.callbacks import Checkpoint
from pyautograd.optim.swa_utils import SWALR, AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn, update_bn

AVERAGES: list[dict[str, Any]] = [
    {},
    {"avg_fn": get_ema_avg_fn(0.9), "use_buffers": True},
    {"multi_avg_fn": get_ema_multi_avg_fn(0.9)},
]


def averaging(path: Path, options: dict[str, Any], compiled: bool = True) -> tuple[World, AveragedModel]:
    world = World(path)
    averaged = AveragedModel(world.model, **options)

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss: Tensor = train(world.model, world.optimizer, x, y)
        averaged.update_parameters(world.model)
        return loss

    world.step = pyautograd.compile(step) if compiled else step
    world.callbacks[0] = Checkpoint(
        path, model=world.model, optimizer=world.optimizer, averaged=averaged, resume=True, every_n_epochs=2
    )
    return world, averaged


@pytest.mark.parametrize("options", AVERAGES)
def test_an_average_in_a_compiled_step_has_the_bits_of_a_loop(options: dict[str, Any], tmp_path: Path) -> None:
    (loop, expected), (world, averaged) = (averaging(tmp_path / "a.npz", options, each) for each in (False, True))
    for made in (loop, world):
        pyautograd.manual_seed(0)
        for _ in range(5):
            made.step(made.x[:16], made.y[:16])
    assert len(world.step.programs) == 1
    assert numbers_of(averaged) == numbers_of(expected)
    assert averaged.n_averaged.item() == 5
    assert numbers_of(averaged) != numbers_of(world.model)


def test_an_average_resumes(tmp_path: Path) -> None:
    whole, expected = averaging(tmp_path / "whole.npz", AVERAGES[2])
    whole.run(seed=5)
    averaging(tmp_path / "part.npz", AVERAGES[2])[0].run(3, seed=5)
    resumed, averaged = averaging(tmp_path / "part.npz", AVERAGES[2])
    resumed.run(seed=5)
    assert averaged.n_averaged.item() == 6 * EPOCHS
    assert numbers_of(averaged) == numbers_of(expected)


def test_statistics_are_computed_anew_and_modes_put_back() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2, momentum=0.3), nn.Dropout(0.5)).eval()
    with pytest.raises(ValueError, match="more than 1 value"):
        update_bn([pyautograd.ones(3, 2), pyautograd.ones(1, 2)], model)
    assert (model[0].momentum, model.training, model[1].training) == (0.3, False, False)
    update_bn([], nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (
            lambda model, o: AveragedModel(model, avg_fn=get_ema_avg_fn(), multi_avg_fn=get_ema_multi_avg_fn()),
            AssertionError,
        ),
        (lambda model, o: AveragedModel(model).update_parameters(nn.Linear(1, 1, bias=False)), ValueError),
        (lambda model, o: get_ema_avg_fn(1.5), ValueError),
        (lambda model, o: SWALR(o, 0.1, anneal_strategy="steps"), ValueError),
        (lambda model, o: SWALR(o, 0.1, anneal_epochs=-1), ValueError),
        (lambda model, o: SWALR(o, [0.1, 0.2]), ValueError),
    ],
)
def test_what_cannot_be_averaged_is_refused(make: Any, kind: type[Exception]) -> None:
    model = nn.Linear(1, 1)
    with pytest.raises(kind):
        make(model, optim.SGD(model.parameters(), 0.1))


def test_the_module_is_imported_when_it_is_asked_for() -> None:
    assert pyautograd.optim.swa_utils.AveragedModel is AveragedModel
