"""`run` makes whole epochs in C, and does what a loop of steps does."""

import functools
import gc
import pathlib
import random
import signal
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from threads import in_threads, interrupt_while_in_use
from trainings import train

import pyautograd
from pyautograd import Tensor, Value, nn, optim, scalar
from pyautograd.utils.data import DataLoader, TensorDataset

from .training import Training, numbers_of


def make(compiled: bool = True, **options: Any) -> tuple[Any, nn.Module, optim.Optimizer]:
    training = Training(
        lambda: nn.MLP(4, [8, 3], **options), lambda params: optim.Adam(params, lr=0.02), compiled=compiled
    )
    return training.step, training.model, training.optimizer


def data(n: int = 100) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n, 4)).astype(np.float32)
    return pyautograd.tensor(x), pyautograd.tensor((x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0))


def orders(n: int, epochs: int, seed: int | None) -> list[np.ndarray[Any, Any]]:
    """The orders that run shuffles into."""
    if seed is None:
        return [np.arange(n)] * epochs
    generator = pyautograd.Generator().manual_seed(seed)
    return [pyautograd.randperm(n, generator=generator).numpy() for _ in range(epochs)]


@pytest.mark.parametrize("n", [96, 100, 7])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("seed", [None, 5])
def test_a_run_does_what_a_loop_of_steps_does(n: int, drop_last: bool, seed: int | None) -> None:
    x, y = data(n)
    batch_size, epochs = 6, 4
    step, model, _ = make(compiled=False)
    expected = []
    for order in orders(n, epochs, seed):
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            if len(rows) == batch_size or not drop_last:
                index = pyautograd.tensor(rows)
                expected.append(step(x[index], y[index]).item())
    compiled, other, _ = make()
    options: Any = {"shuffle": False} if seed is None else {"seed": seed}
    losses = compiled.run(x, y, batch_size=batch_size, epochs=epochs, drop_last=drop_last, **options)
    assert losses.dtype == np.float64
    assert losses.shape == (len(expected),)
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-6)
    for found, wanted in zip(numbers_of(other), numbers_of(model), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_the_same_seed_gives_the_same_bits() -> None:
    found = []
    for seed in (1, 1, 2):
        step, model, _ = make(dropout=0.3)
        pyautograd.manual_seed(9)
        losses = step.run(*data(), batch_size=16, epochs=5, seed=seed)
        found.append((losses.tolist(), numbers_of(model)))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_without_a_seed_the_global_stream_shuffles() -> None:
    found = []
    for seed in (1, 1, 2):
        step, _, _ = make()
        pyautograd.manual_seed(seed)
        found.append(step.run(*data(), batch_size=16, epochs=3).tolist())
    assert found[0] == found[1]
    assert found[0] != found[2]


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("dynamic_batch", [False, True])
def test_epochs_at_once_are_epochs_one_by_one(drop_last: bool, dynamic_batch: bool) -> None:
    found = []
    for callback in (None, lambda epoch, losses: None):
        for shuffle in (True, False):
            step, model, _ = make(dropout=0.3)
            step = pyautograd.compile(step.__wrapped__, dynamic_batch=dynamic_batch)
            pyautograd.manual_seed(4)
            losses = step.run(*data(), batch_size=30, epochs=9, shuffle=shuffle, drop_last=drop_last, callback=callback)
            found.append((losses.tolist(), numbers_of(model)))
    assert found[:2] == found[2:]


def test_a_second_run_goes_on() -> None:
    step, _, _ = make()
    whole = step.run(*data(), batch_size=10, epochs=6, shuffle=False)
    other, _, _ = make()
    parts = [other.run(*data(), batch_size=10, epochs=2, shuffle=False) for _ in range(3)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(other.programs) == 1


def test_calls_and_runs_may_alternate() -> None:
    x, y = data(40)
    step, model, _ = make()
    for _ in range(4):
        step.run(x, y, batch_size=10, shuffle=False)
        for start in range(0, 40, 10):
            step(x[start : start + 10], y[start : start + 10])
    plain, other, _ = make(compiled=False)
    for _ in range(8):
        for start in range(0, 40, 10):
            plain(x[start : start + 10], y[start : start + 10])
    for found, wanted in zip(numbers_of(model), numbers_of(other), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_arrays_train_as_tensors_do() -> None:
    x, y = data()
    step, _, _ = make()
    expected = step.run(x, y, batch_size=16, epochs=3, seed=0)
    other, _, _ = make()
    found = other.run(x.numpy(), y.numpy(), batch_size=16, epochs=3, seed=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_data_may_have_any_layout() -> None:
    x, y = data()
    wide = pyautograd.zeros(4, 100)
    wide.copy_(x.T)
    step, _, _ = make()
    other, _, _ = make()
    np.testing.assert_array_equal(
        step.run(wide.T, y, batch_size=16, epochs=3, seed=0), other.run(x, y, batch_size=16, epochs=3, seed=0)
    )
    readonly = x.numpy().copy()
    readonly.flags.writeable = False
    third, _, _ = make()
    assert third.run(readonly[::-1], y.numpy().astype(np.int16), batch_size=16, epochs=3).shape == (21,)


def test_images_of_bytes_are_read_where_they_stand() -> None:
    images = np.random.default_rng(0).integers(0, 256, (90, 4, 4)).astype(np.uint8)
    labels = images[:, 0, 0].astype(np.int64) % 3

    def make(compiled: bool) -> Any:
        pyautograd.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
        optimizer = optim.Adam(model.parameters(), lr=0.02)

        def step(x: Tensor, y: Tensor) -> Tensor:
            assert x.dtype is pyautograd.uint8
            return train(model, optimizer, x.float() / 255, y)

        return pyautograd.compile(step) if compiled else step

    step = make(False)
    loader = DataLoader(TensorDataset(pyautograd.from_numpy(images), pyautograd.from_numpy(labels)), batch_size=20)
    expected = [step(x, y).item() for _ in range(2) for x, y in loader]
    for data in ((images, labels), (pyautograd.from_numpy(images), labels), (images[::-1][::-1], labels)):
        losses = make(True).run(*data, batch_size=20, epochs=2, shuffle=False)
        np.testing.assert_allclose(losses, expected, rtol=1e-6)


def test_the_ragged_batch_is_a_program_of_its_own() -> None:
    step, _, _ = make()
    step.run(*data(50), batch_size=16, epochs=4)
    assert sorted(program.signature[0].shape[0] for program in step.programs) == [2, 16]


def test_the_loss_is_the_first_result() -> None:
    model = nn.Linear(4, 1)

    @pyautograd.compile
    def step(x: Tensor) -> dict[str, Any]:
        y = model(x)
        return {"loss": (y**2).mean(), "out": y}

    x, _ = data(20)
    losses = step.run(x, batch_size=5, epochs=3, shuffle=False)
    np.testing.assert_allclose(
        losses[:4], [(model(x[i : i + 5]) ** 2).mean().item() for i in range(0, 20, 5)], rtol=1e-5
    )
    np.testing.assert_array_equal(losses[:4], losses[8:])


def test_a_first_result_that_is_a_constant_is_the_loss_of_every_step() -> None:
    x, _ = data(20)
    step = pyautograd.compile(lambda x: (0.5, x.sum()))
    assert step.run(x, batch_size=5, epochs=3).tolist() == [0.5] * 12
    assert step.programs[0].describe()["run"].startswith("call by call")


def test_a_run_keeps_the_object_alive_whose_step_it_is() -> None:
    class Owner:
        def __init__(self) -> None:
            self.model = nn.Linear(4, 1)

        @pyautograd.compile
        def step(self, x: Tensor) -> Tensor:
            return self.model(x).sum()

    assert Owner().step.run(data()[0], batch_size=10, epochs=3).shape == (30,)


def test_the_callback_sees_each_epoch_and_stops_it() -> None:
    step, _, _ = make()
    seen = []

    def callback(epoch: int, losses: np.ndarray[Any, Any]) -> bool:
        seen.append((epoch, losses.shape, float(losses.mean())))
        return epoch == 3

    losses = step.run(*data(), batch_size=20, epochs=10, callback=callback)
    assert losses.shape == (20,)
    assert [epoch for epoch, _, _ in seen] == [0, 1, 2, 3]
    assert all(shape == (5,) for _, shape, _ in seen)
    np.testing.assert_allclose(losses.reshape(4, 5).mean(1), [mean for _, _, mean in seen])

    def stop(epoch: int, losses: Any) -> None:
        raise StopIteration

    assert step.run(*data(), batch_size=20, epochs=10, callback=stop).shape == (5,)


def test_a_callback_that_knows_how_many_epochs_go_by_is_called_after_them() -> None:
    class Patient:
        def __init__(self) -> None:
            self.seen: list[tuple[int, float]] = []
            self.step_counts: list[int] = []

        def epochs_ahead(self) -> int:
            return 4

        def __call__(self, epoch: int, losses: np.ndarray[Any, Any]) -> bool:
            self.seen.append((epoch, float(losses.mean())))
            self.step_counts.append(int(next(iter(optimizer.state.values()))["step"].item()))
            return epoch == 7

    step, _, optimizer = make()
    patient = Patient()
    losses = step.run(*data(), batch_size=20, epochs=100, callback=patient)
    assert [epoch for epoch, _ in patient.seen] == list(range(8))
    assert patient.step_counts == [20] * 4 + [40] * 4
    np.testing.assert_allclose(losses.reshape(8, 5).mean(1), [mean for _, mean in patient.seen])


def test_an_exception_of_the_callback_passes_through() -> None:
    step, _, _ = make()

    def fail(epoch: int, losses: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        step.run(*data(), batch_size=20, epochs=10, callback=fail)
    assert step.run(*data(), batch_size=20).shape == (5,)


def test_a_schedule_may_step_in_the_callback() -> None:
    found = []
    for compiled in (True, False):
        step, model, optimizer = make(compiled)
        schedule = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
        x, y = data(40)
        if compiled:
            step.run(x, y, batch_size=10, epochs=5, shuffle=False, callback=lambda *_: schedule.step())  # noqa: B023
            assert len(step.programs) == 1
        else:
            for _ in range(5):
                for start in range(0, 40, 10):
                    step(x[start : start + 10], y[start : start + 10])
                schedule.step()
        found.append(numbers_of(model))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_the_callback_may_validate_the_model() -> None:
    step, model, _ = make(dropout=0.2)
    x, y = data()
    predict = pyautograd.compile(lambda x: model(x).argmax(1))
    accuracies = []

    def validate(epoch: int, losses: Any) -> None:
        model.eval()
        with pyautograd.no_grad():
            accuracies.append(float((predict(x) == y).float().mean()))
        model.train()

    step.run(x, y, batch_size=10, epochs=30, seed=0, callback=validate)
    assert accuracies[-1] > max(accuracies[0], 0.8)
    assert len(step.programs) == len(predict.programs) == 1


def test_what_changes_between_epochs_is_heeded() -> None:
    step, model, _ = make()

    def freeze(epoch: int, losses: Any) -> None:
        if epoch == 2:
            for p in model.parameters():
                p.requires_grad_(False)
            next(iter(model.parameters())).requires_grad_(True)

    before = numbers_of(model)[-1]
    step.run(*data(), batch_size=20, epochs=3, callback=freeze)
    frozen = numbers_of(model)
    step.run(*data(), batch_size=20, epochs=3)
    assert frozen[-1] != before
    assert numbers_of(model)[-1] == frozen[-1]
    assert numbers_of(model)[0] != frozen[0]


class Bar:
    """Stands for tqdm's."""

    made: list["Bar"] = []  # noqa: RUF012

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.n, self.words, self.open = total, 0, "", False
        Bar.made.append(self)

    def __enter__(self) -> "Bar":
        self.open = True
        return self

    def __exit__(self, *exception: object) -> None:
        self.open = False

    def update(self, n: int) -> None:
        assert self.open
        self.n += n

    def set_postfix(self, words: dict[str, str], refresh: bool) -> None:
        self.words = str(words)


def test_progress_is_shown_by_a_bar_of_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm.auto")
    monkeypatch.setattr(tqdm, "tqdm", Bar)
    step, _, _ = make()
    losses = step.run(*data(50), batch_size=16, epochs=5, progress=True)
    bar = Bar.made.pop()
    assert (bar.total, bar.n, bar.open) == (20, 20, False)
    assert f"{losses[-1]:.4g}" in bar.words


def test_progress_shows_what_callbacks_have_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm.auto")
    monkeypatch.setattr(tqdm, "tqdm", Bar)

    class Logs(pyautograd.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
            logs["epoch"] = epoch

    step, _, _ = make()
    checked = pyautograd.callbacks.Validation(nn.Identity(), pyautograd.ones(3), pyautograd.zeros(3), metrics="mse")
    losses = step.run(*data(50), batch_size=16, epochs=3, progress=True, callback=Logs(), validation=checked)
    assert Bar.made.pop().words == str({"loss": f"{losses[-1]:.4g}", "val_mse": "1", "epoch": "2"})


def test_a_bar_of_text_stands_quietly_where_there_are_no_widgets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "tqdm").mkdir()
    (tmp_path / "tqdm" / "__init__.py").touch()
    (tmp_path / "tqdm" / "auto.py").write_text("import warnings\nwarnings.warn('IProgress not found')\ntqdm = None\n")
    loaded = [name for name in sys.modules if name.partition(".")[0] == "tqdm"]
    for name in {"tqdm", "tqdm.auto", *loaded}:
        monkeypatch.setitem(sys.modules, name, None)  # so that it is afterwards what it is here, or absent as here
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    step, _, _ = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match="NoneType"):
            step.run(*data(50), batch_size=16, progress=True)


def test_progress_without_tqdm_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    step, _, _ = make()
    with pytest.raises(ImportError, match=r"pyautograd-core\[progress\]"):
        step.run(*data(), batch_size=10, progress=True)


def test_progress_computes_the_same() -> None:
    pytest.importorskip("tqdm")
    step, _, _ = make()
    other, _, _ = make()
    np.testing.assert_array_equal(
        step.run(*data(), batch_size=16, epochs=6, seed=0, progress=True),
        other.run(*data(), batch_size=16, epochs=6, seed=0),
    )


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """Python ignores SIGINT where it was started so, as in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def steps_made(optimizer: optim.Optimizer) -> int:
    (count,) = {int(state["step"].item()) for state in optimizer.state.values()}
    return count


@pytest.mark.usefixtures("heeds_interrupts")
def test_ctrl_c_stops_between_two_steps() -> None:
    step, model, optimizer = make()
    x, y = data(1000)
    step.run(x, y, batch_size=10, epochs=1)
    with pytest.raises(KeyboardInterrupt):
        thread = interrupt_while_in_use(next(model.parameters()))
        step.run(x, y, batch_size=10, epochs=10**9)
    thread.join()
    before = steps_made(optimizer)
    assert all(np.isfinite(each).all() for each in map(np.asarray, numbers_of(model)))
    assert step.run(x, y, batch_size=10).shape == (100,)
    assert steps_made(optimizer) == before + 100


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_epoch_that_is_long_is_interrupted_too() -> None:
    """Within the epoch: on a machine to which the first is not long, the last is."""
    step, model, optimizer = make()
    step.run(*data(100), batch_size=2, epochs=1)
    for rows in (200_000, 1_000_000, 5_000_000):
        x, y = data(rows)
        before = steps_made(optimizer)
        with pytest.raises(KeyboardInterrupt):
            thread = interrupt_while_in_use(next(model.parameters()))
            while True:
                step.run(x, y, batch_size=2, epochs=1)
        thread.join()
        if (steps_made(optimizer) - before) % (rows // 2) != 0:
            break
    else:
        pytest.fail("no epoch was left before its end")
    assert np.isfinite(step(x[:2], y[:2]).item())


def test_steps_over_values_run_as_a_loop_of_them_does() -> None:
    def build(compiled: bool) -> tuple[Any, scalar.MLP]:
        random.seed(1)
        model = scalar.MLP(2, [4, 1])

        def step(X: Any, y: Any) -> Value:
            losses = [(1 + -yi * model(list(row))).relu() for row, yi in zip(X, y, strict=True)]
            loss = sum(losses) * (1.0 / len(losses))
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= 0.1 * p.grad
            return loss

        return (pyautograd.compile(step) if compiled else step), model

    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(20, 2)), generator.choice([-1.0, 1.0], 20)
    plain, model = build(False)
    expected = [plain(X[i : i + 5], y[i : i + 5]).data for _ in range(4) for i in range(0, 20, 5)]
    compiled, other = build(True)
    losses = compiled.run(X, y, batch_size=5, epochs=4, shuffle=False)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    assert [p.data for p in other.parameters()] == pytest.approx([p.data for p in model.parameters()], rel=1e-12)


def test_trainings_may_run_in_threads_side_by_side() -> None:
    trainings = [functools.partial(make()[0].run, *data(), batch_size=10, epochs=20, seed=0) for _ in range(4)]
    expected = trainings.pop()()
    for losses in in_threads(*trainings):
        np.testing.assert_array_equal(losses, expected)


def test_many_runs_leave_nothing_behind() -> None:
    step, _, _ = make()
    x, y = data()
    for _ in range(3):
        step.run(x, y, batch_size=15, epochs=2)
    gc.collect()
    before = pyautograd.memory_stats().nodes
    for _ in range(10):
        step.run(x, y, batch_size=15, epochs=2)
    gc.collect()
    assert pyautograd.memory_stats().nodes == before
