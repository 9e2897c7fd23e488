"""What happens to the model between two compiled steps, the next one heeds as a plain step does."""

from typing import Any

import pytest

import pyautograd
from pyautograd import Tensor, nn

from .training import Training, batches, check_same, close, programs


def test_steps_compiled_and_plain_are_the_same() -> None:
    training = check_same()
    assert programs(training) == 1


def _replace(training: Training, i: int) -> None:
    if i == 5:
        layer = training.model.layers[0]  # type: ignore[operator]
        layer.weight = nn.Parameter(layer.weight.detach() * 0.5)


def test_a_replaced_parameter_is_used_by_the_next_step() -> None:
    check_same(_replace)


def _renew_data(training: Training, i: int) -> None:
    if i in (4, 6):
        weight = training.model.layers[0].weight  # type: ignore[operator]
        weight.data = weight.data * 0.5


def test_new_data_of_a_parameter_is_used_by_the_next_step() -> None:
    check_same(_renew_data)


def _write(training: Training, i: int) -> None:
    with pyautograd.no_grad():
        training.model.layers[0].weight.mul_(0.9)  # type: ignore[operator]


def test_parameters_written_between_steps_need_no_new_program() -> None:
    assert programs(check_same(_write)) == 1


def test_a_step_of_a_model_converted_to_float64_raises_what_the_plain_step_raises() -> None:
    plain, compiled = Training(compiled=False), Training()
    for i, (x, y) in enumerate(batches(10)):
        if i == 5:
            plain.model.double()
            compiled.model.double()
            plain.optimizer = compiled.optimizer = None  # type: ignore[assignment]
        if i >= 5:
            x = x.double()
            with pytest.raises((ValueError, TypeError, RuntimeError)) as expected:
                plain.step(x, y)
            with pytest.raises(type(expected.value)):
                compiled.step(x, y)
        else:
            assert close([compiled.step(x, y).item()], [plain.step(x, y).item()])


def test_a_converted_model_predicts_in_its_new_dtype() -> None:
    model = nn.MLP(3, [4, 2])
    predict = pyautograd.compile(pyautograd.no_grad()(lambda x: model(x)))
    x = pyautograd.randn(5, 3)
    for dtype in (pyautograd.float32, pyautograd.float64, pyautograd.float32):
        model.to(dtype)
        for _ in range(4):
            found = predict(x.to(dtype))
            assert found.dtype is dtype
            assert close([found.tolist()], [model(x.to(dtype)).tolist()])


def _freeze(training: Training, i: int) -> None:
    training.model.layers[0].weight.requires_grad_(i // 3 % 2 == 0)  # type: ignore[operator]


def test_a_frozen_parameter_stays_as_it_is_until_it_is_thawed() -> None:
    check_same(_freeze, steps=14)


def _clear_gradients(training: Training, i: int) -> None:
    if i == 6:
        training.model.zero_grad()


def test_gradients_may_be_cleared_between_steps() -> None:
    check_same(_clear_gradients)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_accumulate_as_they_do_eagerly(set_to_none: bool) -> None:
    x = pyautograd.randn(6, 3)

    def make(compiled: bool) -> tuple[Any, nn.Linear]:
        pyautograd.manual_seed(0)
        model = nn.Linear(3, 2)

        def step(x: Tensor) -> Tensor:
            loss = (model(x) ** 2).mean()
            loss.backward()
            return loss

        return (pyautograd.compile(step) if compiled else step), model

    plain, model = make(False)
    compiled, other = make(True)
    for i in range(9):
        if i % 3 == 0:
            model.zero_grad(set_to_none)
            other.zero_grad(set_to_none)
        plain(x), compiled(x)
        assert close([other.weight.grad.tolist()], [model.weight.grad.tolist()])


def _layer_added(training: Training, i: int) -> None:
    if i == 5:
        training.model.append(nn.Tanh())  # type: ignore[operator]


def test_an_added_layer_takes_part_in_the_next_step() -> None:
    check_same(_layer_added, make_model=lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))


def _layer_replaced(training: Training, i: int) -> None:
    if i == 5:
        training.model[1] = nn.Tanh()  # type: ignore[index]


def test_a_replaced_layer_takes_part_in_the_next_step() -> None:
    check_same(_layer_replaced, make_model=lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))


def _modes(training: Training, i: int) -> None:
    training.model.train(i % 2 == 0)


def test_train_and_eval_alternate_and_are_two_programs() -> None:
    training = check_same(
        _modes, steps=12, make_model=lambda: nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    )
    assert programs(training) == 2


def _dropout(training: Training, i: int) -> None:
    training.model[1].p = 0.25 if i < 5 else 0.75  # type: ignore[index]


def test_dropout_draws_what_it_draws_eagerly() -> None:
    training = check_same(
        _dropout, steps=12, make_model=lambda: nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    )
    assert programs(training) == 2


def test_running_statistics_are_updated_by_every_step() -> None:
    check_same(make_model=lambda: nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)))


def test_a_number_of_a_module_is_guarded_if_its_forward_reads_it() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(3, 2)
            self.factor = 1.0
            self.unrelated = 0

        def forward(self, x: Tensor) -> Tensor:
            return self.line(x) * self.factor  # type: ignore[no-any-return]

    def change(training: Training, i: int) -> None:
        training.model.unrelated = i
        training.model.factor = 1.0 if i < 5 else 3.0

    assert programs(check_same(change, steps=12, make_model=Scaled)) == 2
