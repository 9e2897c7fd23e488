"""Callbacks of `run`: who is told what and when, validation, early stopping, history."""

import copy
import math
import pickle
import signal
from typing import Any

import numpy as np
import pytest
from compile.training import numbers_of
from trainings import training_step

import pyautograd
from pyautograd import Tensor, nn, optim
from pyautograd.callbacks import Callback, Checkpoint, EarlyStopping, History, LearningRateScheduler, Validation
from pyautograd.nn import functional as F
from pyautograd.utils.data import DataLoader, TensorDataset


class Case:
    """A net with dropout and batch norm, a step that trains it, and its data."""

    def __init__(self, make_optimizer: Any = lambda params: optim.Adam(params, lr=0.02), n: int = 90) -> None:
        pyautograd.manual_seed(3)
        self.model = model = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3)
        )
        self.optimizer = optimizer = make_optimizer(model.parameters())
        self.step = pyautograd.compile(training_step(model, optimizer))
        generator = np.random.default_rng(0)
        self.x = pyautograd.tensor(generator.normal(size=(n, 4)).astype(np.float32))
        self.y = pyautograd.tensor(generator.integers(0, 3, n))

    def run(self, epochs: int = 5, callback: Any = None, **options: Any) -> np.ndarray[Any, Any]:
        options = {"batch_size": 16, "seed": 0} | options
        return self.step.run(self.x, self.y, epochs=epochs, callback=callback, **options)

    def validation(self, **options: Any) -> Validation:
        return Validation(self.model, self.x, self.y, loss=F.cross_entropy, metrics="accuracy", **options)


class Told(Callback):
    """Writes down what it is told."""

    def __init__(self, name: str = "", stop_at: int = 10**9, ahead: int = 1) -> None:
        self.name, self.stop_at, self.ahead = name, stop_at, ahead
        self.told: list[Any] = []

    def on_train_begin(self, training: Any) -> None:
        self.told.append(("begin", training.epoch, training.epochs))

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
        self.told.append((epoch, dict(logs)))
        return epoch == self.stop_at

    def on_train_end(self) -> None:
        self.told.append("end")

    def epochs_ahead(self) -> int:
        return self.ahead


class EachStep(Told):
    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        self.told.append((batch, logs["loss"]))


# ---- who is told what ----


def test_a_callback_hears_of_the_beginning_of_each_epoch_and_of_the_end() -> None:
    told = Told()
    losses = Case().run(3, told).reshape(3, -1)
    assert told.told[0] == ("begin", 0, 3)
    assert told.told[-1] == "end"
    rows = np.array([16] * 5 + [10])
    assert [logs for _, logs in told.told[1:-1]] == [{"loss": pytest.approx(each @ rows / 90)} for each in losses]


@pytest.mark.parametrize("callback", [None, [], Told(), [Told(ahead=3), lambda epoch, losses: None], EachStep()])
@pytest.mark.parametrize("drop_last", [False, True])
def test_callbacks_change_no_bit_of_the_training(callback: Any, drop_last: bool) -> None:
    plain, told = Case(), Case()
    expected = plain.run(drop_last=drop_last)
    np.testing.assert_array_equal(told.run(callback=callback, drop_last=drop_last), expected)
    assert numbers_of(told.model) == numbers_of(plain.model)


def test_all_of_a_list_are_told_though_one_stops() -> None:
    first, second, epochs = Told(stop_at=1), Told(), []
    losses = Case().run(9, [first, [lambda epoch, losses: epochs.append((epoch, len(losses))), second], None])
    assert len(losses) == 12
    assert [each[0] for each in second.told] == ["begin", 0, 1, "e"]
    assert epochs == [(0, 6), (1, 6)]


def test_functions_of_a_list_stop_as_they_do_alone() -> None:
    def done(epoch: int, losses: Any) -> None:
        raise StopIteration

    assert len(Case().run(9, [done])) == 6
    assert len(Case().run(9, [lambda epoch, losses: np.bool_(epoch == 1)])) == 12


def test_steps_are_told_one_by_one_where_one_asks_for_them() -> None:
    told = EachStep()
    losses = Case().run(2, [told, Told(ahead=5)])
    epochs = [told.told[1:7], told.told[8:14]]
    assert epochs == [list(enumerate(each)) for each in losses.reshape(2, 6).tolist()]
    assert [told.told[7][0], told.told[14][0]] == [0, 1]


@pytest.mark.parametrize("ahead", [1, 4, 100])
def test_epochs_that_ran_together_are_told_one_by_one(ahead: int) -> None:
    told = Told(ahead=ahead)
    case = Case(n=96)
    losses = case.run(10, told)
    assert [logs["loss"] for _, logs in told.told[1:-1]] == losses.reshape(10, 6).mean(1).tolist()


@pytest.mark.parametrize("where", ["on_train_begin", "on_epoch_end", "on_train_batch_end", "on_train_end"])
def test_what_a_callback_raises_run_raises_and_those_that_have_begun_hear_of_the_end(where: str) -> None:
    class Fails(Callback):
        def fail(self, *args: Any) -> None:
            raise OSError("disk full")

    setattr(Fails, where, Fails.fail)
    before, after, case = Told(), Told(), Case()
    with pytest.raises(OSError, match="disk full"):
        case.run(3, [before, Fails(), after])
    assert before.told[-1] == "end"
    assert after.told[-1:] == ([] if where == "on_train_begin" else ["end"])
    assert len(case.run(1)) == 6  # and the step goes on


def test_a_callback_may_train_and_compile_others() -> None:
    other = Case()

    class Trains(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            other.run(1, History())
            assert pyautograd.compile(lambda x: x * 2)(pyautograd.ones(1)).item() == 2

    expected, case = Case().run(), Case()
    np.testing.assert_array_equal(
        case.run(callback=[Trains(), lambda *_: case.step(case.x[:3], case.y[:3])])[:6], expected[:6]
    )
    assert other.optimizer.state_dict()["state"][0]["step"].item() == 30


def test_a_callback_draws_from_the_stream_of_the_caller() -> None:
    class Draws(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
            drawn.append(pyautograd.rand(1).item())

    drawn: list[float] = []
    case = Case()
    pyautograd.manual_seed(5)
    losses = case.run(1, Draws())
    pyautograd.manual_seed(5)
    assert drawn == [pyautograd.rand(1).item() for _ in range(6)]
    np.testing.assert_array_equal(losses, Case().run(1))


def test_no_epochs_have_a_beginning_and_an_end() -> None:
    told, history, case = Told(), History(), Case()
    stopping = EarlyStopping("loss", restore_best_weights=case.model)
    assert len(case.run(0, [told, history, stopping])) == 0
    assert told.told == [("begin", 0, 0), "end"]
    assert len(history) == 0
    assert repr(history) == "epoch"


@pytest.mark.parametrize("wrong", [3, "loss", History, [History(), 3], {"loss": 1}])
def test_what_is_no_callback_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"callback is (a|the class History, no object: write History\(\.\.\.\))"):
        Case().run(1, wrong)


@pytest.mark.parametrize(
    ("name", "near"), [("on_epoch_ends", "on_epoch_end"), ("on_epoch_begin", "on_epoch_end"), ("on_x", None)]
)
def test_a_method_that_nobody_calls_is_refused(name: str, near: str | None) -> None:
    words = f"Mine: nobody calls {name}" + (rf" \(did you mean '{near}'\?\)" if near else "") + "; run calls on_train_"
    with pytest.raises(TypeError, match=words):
        type("Mine", (Callback,), {name: lambda self, *args: None})


def test_the_logs_are_numbers() -> None:
    class Logs(Callback):
        def __init__(self, value: Any) -> None:
            self.value = value

        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            logs["own"] = self.value

    for value in (2, True, np.float32(0.5), pyautograd.tensor(0.5), pyautograd.ones(1, 1)):
        history = History()
        Case().run(1, [Logs(value), history])
        assert history["own"] == [float(value)]
        assert type(history["own"][0]) is float
    for wrong in ("0.5", None, [0.5]):
        with pytest.raises(TypeError, match=r"Logs: logs\['own'\] must be a number, not "):
            Case().run(1, Logs(wrong))


def test_an_argument_that_run_does_not_have_is_named_with_the_nearest() -> None:
    case = Case()
    with pytest.raises(TypeError, match=r"run: no argument 'validation_data' \(did you mean 'validation'\?\)"):
        case.run(1, validation_data=(case.x, case.y))
    with pytest.raises(TypeError, match=r"run: no argument 'callbacks' \(did you mean 'callback'\?\)"):
        case.run(1, callbacks=[])


def test_a_last_batch_of_one_row_says_how_to_leave_it_out() -> None:
    case = Case(n=81)
    with pytest.raises(ValueError, match=r"more than 1 value .*; the last batch of 81 rows is one: drop_last=True"):
        case.run(1)
    assert len(case.run(1, drop_last=True)) == 5


def test_what_is_no_validation_is_refused() -> None:
    case = Case()
    with pytest.raises(TypeError, match="validation is a tuple; make it a Validation"):
        case.run(1, validation=(case.x, case.y))


def test_callbacks_say_what_they_are() -> None:
    model = nn.Linear(1, 1)
    schedule = optim.lr_scheduler.StepLR(optim.SGD(model.parameters(), 0.1), 2)
    assert repr(EarlyStopping("loss", patience=3)) == "EarlyStopping(monitor='loss', patience=3)"
    assert repr(LearningRateScheduler(schedule, "step")).startswith("LearningRateScheduler(StepLR(")
    assert repr(Told("a")) == "Told(name='a')"
    assert repr(Checkpoint("a.npz", model=model)).startswith("Checkpoint('a.npz'")


# ---- validation ----


def test_validation_is_what_the_model_computes_in_eval_mode() -> None:
    case = Case()
    case.model[1].eval()  # frozen, and stays so
    case.run(2)
    case.model.eval()
    output = case.model(case.x)
    expected = {
        "val_loss": pytest.approx(F.cross_entropy(output, case.y).item(), rel=1e-5),
        "val_accuracy": (output.argmax(1) == case.y).double().mean().item(),
    }
    case.model.train()
    case.model[1].eval()
    for batch_size in (4096, 40, None, 1):
        assert case.validation(batch_size=batch_size).compute() == expected
    assert [each.training for each in case.model.modules()] == [True, True, False, True, True, True]


def test_validation_changes_no_bit_of_the_training_and_makes_no_further_program() -> None:
    plain, validated = Case(), Case()
    expected = plain.run(6)
    np.testing.assert_array_equal(validated.run(6, validation=validated.validation()), expected)
    assert numbers_of(validated.model) == numbers_of(plain.model)
    assert len(validated.step.programs) == len(plain.step.programs)


def test_metrics_have_names_or_are_functions() -> None:
    output, target = pyautograd.tensor([[1.0], [2.0], [4.0]]), pyautograd.tensor([[1.0], [3.0], [3.0]])

    def largest_error(output: Tensor, target: Tensor) -> Tensor:
        return (output - target).abs().max()

    def computed(metrics: Any) -> dict[str, float]:
        return Validation(nn.Identity(), output, target, metrics=metrics).compute()

    assert computed("mse") == {"val_mse": pytest.approx(2 / 3)}
    assert computed(["mae", largest_error]) == {"val_mae": pytest.approx(2 / 3), "val_largest_error": 1.0}
    assert computed({"r2": "r2", "one": lambda output, target: 1}) == {"val_r2": pytest.approx(0.25), "val_one": 1.0}
    assert computed("huber_loss") == {"val_huber_loss": pytest.approx(1 / 3)}
    assert computed(nn.L1Loss()) == {"val_L1Loss": pytest.approx(2 / 3)}
    with pytest.raises(ValueError, match="accuracy is of scores"):
        computed("accuracy")
    with pytest.raises(ValueError, match=r"no metric 'acuracy' \(did you mean 'accuracy'\?\)"):
        computed("acuracy")
    with pytest.raises(ValueError, match="a loss or metrics"):
        computed(())


def test_a_module_of_several_inputs_and_outputs_is_validated_in_batches() -> None:
    class Two(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
            return a + b, a - b

    a = pyautograd.arange(10.0)
    metrics = {
        "sum": lambda output, target: output[0].sum(),
        "gap": lambda output, target: (output[1] - target).abs().max(),
    }
    found = Validation(Two(), a, a.numpy(), pyautograd.zeros(10), metrics=metrics, batch_size=4).compute()
    assert found == {"val_sum": 90.0, "val_gap": 0.0}


def test_a_module_whose_batch_axis_cannot_be_free_is_validated_too() -> None:
    class Halves(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * (1 / len(x))

    validation = Validation(Halves(), pyautograd.ones(10), pyautograd.zeros(10), metrics="mae", batch_size=4)
    assert [validation.compute()["val_mae"] for _ in range(3)] == [pytest.approx(0.3)] * 3


def test_validation_takes_the_data_that_run_takes() -> None:
    case = Case()
    expected = case.validation().compute()
    wide = case.x.numpy().astype(np.float64)
    loader = DataLoader(TensorDataset(case.x, case.y), batch_size=30, shuffle=True)
    for data in ((wide, case.y.numpy()), (loader,)):
        assert Validation(case.model, *data, loss="cross_entropy", metrics="accuracy").compute() == pytest.approx(
            expected
        )
    with pytest.raises(TypeError, match=r"^Validation: target is <U5, no numbers"):
        Validation(case.model, case.x, np.full(90, "Bern "), loss="cross_entropy")
    with pytest.raises(TypeError, match=r"^Validation: input 0 is a str, no Tensor, ndarray or data frame$"):
        Validation(case.model, "text", case.y, loss="cross_entropy")
    with pytest.raises(ValueError, match=r"different numbers of rows: \[90, 89\]"):
        Validation(case.model, case.x, case.y[1:], loss="cross_entropy")
    with pytest.raises(ValueError, match="0 rows in batches of 4096"):
        Validation(case.model, case.x[:0], case.y[:0], loss="cross_entropy")
    with pytest.raises(ValueError, match="90 rows in batches of 0"):
        case.validation(batch_size=0)


@pytest.mark.parametrize("dtype", [pyautograd.float32, pyautograd.float64])
def test_validation_takes_a_table_of_integers(dtype: Any) -> None:
    model, x = nn.Linear(2, 1, dtype=dtype), np.arange(12).reshape(6, 2)
    expected = Validation(model, pyautograd.tensor(x, dtype=dtype), pyautograd.ones(6, 1), metrics="mse").compute()
    assert Validation(model, x, pyautograd.ones(6, 1), metrics="mse", batch_size=4).compute() == expected
    with pytest.raises(TypeError, match="int64"):
        Validation(model, pyautograd.tensor(x), pyautograd.ones(6, 1), metrics="mse").compute()


def test_a_validation_goes_with_its_module_where_both_are_copied() -> None:
    case = Case()
    case.run(2)
    validation = case.validation()
    expected = validation.compute()
    for again in (copy.deepcopy(validation), pickle.loads(pickle.dumps(validation))):
        assert again.module is not case.model
        assert again.compute() == expected
    case.run(1)
    assert again.compute() == expected != validation.compute()


# ---- early stopping ----


class Script(Callback):
    """Puts numbers into the logs."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = numbers

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs["score"] = self.numbers[epoch]


@pytest.mark.parametrize(
    ("numbers", "options", "epochs"),
    [
        ([3, 2, 1, 1, 1, 1], {"patience": 2}, 5),
        ([3, 2, 2.5, 1, 2, 2], {"patience": 2}, 6),
        ([3, 2.9, 2.8, 2.7, 1, 1], {"patience": 3, "min_delta": 0.5}, 4),
        ([3, 2.9, 2.8, 2.4, 1, 1], {"patience": 3, "min_delta": 0.5}, 6),
        ([1, 2, 3, 2, 2, 2], {"patience": 2, "mode": "max"}, 5),
        ([1, 1, 1, 1, 1, 1], {"patience": 0}, 2),
    ],
)
def test_patience_counts_epochs_that_are_not_better(numbers: list[float], options: Any, epochs: int) -> None:
    stopping = EarlyStopping("score", **({"mode": "min"} | options))
    case = Case()
    for _ in range(2):  # each run counts anew
        assert len(case.run(6, [Script(*numbers), stopping])) == 6 * epochs


@pytest.mark.parametrize(
    ("numbers", "patience", "epochs"), [([math.nan, 2, math.nan, math.nan, 1, 1], 2, 4), ([math.nan] * 6, 3, 3)]
)
def test_nan_is_never_better_and_a_warning_says_so(numbers: list[float], patience: int, epochs: int) -> None:
    with pytest.warns(UserWarning, match="EarlyStopping: score is NaN, which is never better: are there NaN in the"):
        assert len(Case().run(6, [Script(*numbers), EarlyStopping("score", patience, mode="min")])) == 6 * epochs
    case = Case()
    plateau = optim.lr_scheduler.ReduceLROnPlateau(case.optimizer, factor=0.5, patience=1)
    with pytest.warns(UserWarning, match="ReduceLROnPlateau: score is NaN"):
        case.run(6, [Script(*numbers), LearningRateScheduler(plateau, monitor="score")])


def test_keras_word_for_a_mode_that_the_name_says() -> None:
    assert len(Case().run(2, EarlyStopping("loss", mode="auto"))) == 12


def test_the_weights_of_the_best_epoch_are_given_back() -> None:
    case, best = Case(), Case()
    best.run(3)
    stopping = EarlyStopping("score", 2, mode="max", restore_best_weights=case.model)
    assert len(case.run(9, [Script(1, 2, 3, 3, 3), stopping])) == 30
    assert (stopping.best, stopping.best_epoch, stopping.wait) == (3, 2, 2)
    assert numbers_of(case.model) == numbers_of(best.model)


def test_the_best_weights_are_given_back_after_an_interrupt_too() -> None:
    def interrupt(epoch: int, losses: Any) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    case, best = Case(), Case()
    best.run(2)
    with pytest.raises(KeyboardInterrupt):
        case.run(
            9, [Script(2, 1, 3, 3), EarlyStopping("score", mode="min", restore_best_weights=case.model), interrupt]
        )
    assert numbers_of(case.model) == numbers_of(best.model)


def test_stopping_on_the_loss_runs_epochs_together_and_stops_where_it_would() -> None:
    found = []
    for each in (EarlyStopping("loss", patience=3, min_delta=0.01), [EarlyStopping("loss", 3, 0.01), Told()]):
        case = Case(lambda params: optim.SGD(params, lr=0.1), n=96)
        found.append((case.run(500, each).tolist(), numbers_of(case.model)))
    assert found[0] == found[1]
    assert len(found[0][0]) < 500 * 6


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: EarlyStopping(mode="least"), 'mode is "min" or "max"'),
        (lambda: EarlyStopping("val_score"), "is val_score best where it is least"),
        (lambda: EarlyStopping(patience=-1), "0 or more"),
        (lambda: EarlyStopping(min_delta=math.nan), "0 or more"),
        (lambda: Case().run(1, EarlyStopping()), "no val_loss among loss; Validation"),
    ],
)
def test_what_early_stopping_cannot_do_is_refused(make: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make()


def test_the_best_weights_are_of_a_module() -> None:
    with pytest.raises(TypeError, match="is the module that gets them"):
        EarlyStopping(restore_best_weights=True)


# ---- schedules ----


def loop_of(case: Case, epochs: int, by_epoch: Any = None, by_step: Any = None) -> list[float]:
    """What `run` does, step by step."""
    pyautograd.manual_seed(0)
    losses = []
    for _ in range(epochs):
        order = pyautograd.randperm(len(case.x))
        for rows in order.split(16):
            losses.append(case.step(case.x[rows], case.y[rows]).item())
            if by_step is not None:
                by_step.step()
        if by_epoch is not None:
            by_epoch.step()
    return losses


def test_a_schedule_among_the_callbacks_moves_on_after_each_epoch() -> None:
    loop, case, history = Case(), Case(), History()
    expected = loop_of(loop, 4, by_epoch=optim.lr_scheduler.StepLR(loop.optimizer, 2))
    losses = case.run(4, [history, optim.lr_scheduler.StepLR(case.optimizer, 2)])
    assert losses.tolist() == expected
    assert numbers_of(case.model) == numbers_of(loop.model)
    assert history["lr"] == pytest.approx([0.02, 0.02, 0.002, 0.002])
    assert len(case.step.programs) == 2


def test_a_schedule_may_move_on_after_each_step() -> None:
    loop, case = Case(), Case()
    expected = loop_of(loop, 4, by_step=optim.lr_scheduler.OneCycleLR(loop.optimizer, 0.1, total_steps=24))
    schedule = optim.lr_scheduler.OneCycleLR(case.optimizer, 0.1, total_steps=24)
    losses = case.run(4, [LearningRateScheduler(schedule, interval="step")])
    assert losses.tolist() == expected
    assert numbers_of(case.model) == numbers_of(loop.model)
    assert len(case.step.programs) == 2


@pytest.mark.parametrize("interval", ["epoch", "step"])
@pytest.mark.parametrize(
    "name", [name for name in optim.__all__ if name[0].isupper() and name not in ("LBFGS", "Optimizer")]
)
def test_every_optimizer_follows_a_schedule_without_being_recorded_anew(name: str, interval: str) -> None:
    def make(params: Any) -> optim.Optimizer:
        return getattr(optim, name)(params, lr=0.01)

    def schedule(case: Case) -> optim.lr_scheduler.LRScheduler:
        return optim.lr_scheduler.ExponentialLR(case.optimizer, 0.8)

    loop, case = Case(make), Case(make)
    loop.step = loop.step.__wrapped__
    expected = loop_of(loop, 12, **{f"by_{interval}": schedule(loop)})
    losses = case.run(12, LearningRateScheduler(schedule(case), interval=interval))
    assert losses.tolist() == expected
    assert len(case.step.programs) == 2
    assert type(case.optimizer.param_groups[0]["lr"]) is float
    assert case.optimizer.param_groups[0]["lr"] == loop.optimizer.param_groups[0]["lr"]


def test_a_schedule_on_a_plateau_looks_at_the_logs() -> None:
    case, history = Case(), History()
    plateau = optim.lr_scheduler.ReduceLROnPlateau(case.optimizer, factor=0.5, patience=1)
    case.run(6, [Script(1, 2, 2, 2, 2, 2), LearningRateScheduler(plateau, monitor="score"), history])
    assert history["lr"] == [0.02, 0.02, 0.02, 0.01, 0.01, 0.005]
    case.run(1, [plateau])  # looks at the loss
    assert plateau.best < 2
    with pytest.raises(ValueError, match="no val_loss among loss"):
        case.run(1, LearningRateScheduler(plateau, monitor="val_loss"))


def test_what_is_no_schedule_is_refused() -> None:
    case = Case()
    with pytest.raises(TypeError, match="Adam is no schedule"):
        LearningRateScheduler(case.optimizer)
    with pytest.raises(ValueError, match="interval"):
        LearningRateScheduler(optim.lr_scheduler.StepLR(case.optimizer, 2), interval="batch")


# ---- history ----


def test_history_is_a_table() -> None:
    case, history = Case(), History()
    losses = case.run(4, history, validation=case.validation())
    assert history.columns == ["epoch", "loss", "val_loss", "val_accuracy"]
    assert history["epoch"] == [0, 1, 2, 3]
    assert len(history) == 4
    assert [row["loss"] for row in history] == history["loss"]
    assert history[-1] == {name: column[-1] for name, column in history.to_dict().items()}
    assert history["loss"] == pytest.approx(losses.reshape(4, 6) @ [16, 16, 16, 16, 16, 10] / 90)
    assert pickle.loads(pickle.dumps(history)).to_dict() == history.to_dict()
    case.run(2, history)
    assert history["epoch"] == [0, 1, 2, 3, 4, 5]
    assert math.isnan(history["val_loss"][5])
    with pytest.raises(
        KeyError, match=r"no column 'val_los' \(did you mean 'val_loss'\?\); there are epoch, loss, val"
    ):
        history["val_los"]
    with pytest.raises(KeyError, match="none yet"):
        History()["loss"]
    assert history._ipython_key_completions_() == history.columns
    assert history._repr_html_().startswith("<table><tr><th>epoch</th><th>loss</th>")
    assert history._repr_html_().count("<tr>") == 7


def test_history_prints_its_first_and_last_rows() -> None:
    history = History()
    for epoch in range(100):
        history.on_epoch_end(epoch, {"loss": 0.5**epoch})
    lines = repr(history).splitlines()
    assert len(lines) == 22
    assert (lines[0].split(), lines[1].split(), lines[11].split()) == (["epoch", "loss"], ["0", "1"], ["...", "..."])
    assert {len(line) for line in lines} == {len(lines[0])}


def test_history_makes_a_dataframe() -> None:
    pytest.importorskip("pandas")
    history = History()
    assert history.to_pandas().shape == (0, 0)
    Case().run(3, history)
    assert history.to_pandas().loc[2, "loss"] == history[2]["loss"]


def test_history_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    from pyautograd.plot import new_figure

    case, history = Case(), History()
    case.run(3, history, validation=case.validation())
    ax = history.plot(ax=new_figure()[1])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["loss", "val_loss"]
    assert ax.get_xlabel() == "epoch"
    assert len(history.plot("val_accuracy", ax=new_figure()[1]).get_lines()) == 1


def test_history_draws_losses_and_metrics_side_by_side() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    history = History()
    history.on_epoch_end(0, {"loss": 0.5, "lr": 0.1, "val_loss": 0.6, "val_accuracy": 0.9})
    for columns, labels in ((), ["loss", "val_accuracy"]), (("val_accuracy",), ["val_accuracy"]), (("loss",), ["loss"]):
        axes = history.plot(*columns).figure.axes
        assert [ax.get_ylabel() for ax in axes] == labels
        assert {ax.get_xlabel() for ax in axes} == {"epoch"}
    assert history.plot("loss", xlabel="pass").get_xlabel() == "pass"
    plt.close("all")
    with pytest.raises(KeyError, match="accuracy"):
        history.plot("loss", "accuracy")
    assert not plt.get_fignums()


def test_history_has_the_epochs_before_an_interrupt_though_they_ran_in_one_call() -> None:
    case, history = Case(n=96), History()
    case.run(1)
    seconds = 0.2
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        with pytest.raises(KeyboardInterrupt):
            case.run(10**9, history)
    finally:
        signal.signal(signal.SIGALRM, before)
    steps = int(case.optimizer.state_dict()["state"][0]["step"].item())
    assert len(history) == steps // 6 - 1
