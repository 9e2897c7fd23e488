"""What happens to the optimiser between two compiled steps, the next one heeds as a plain step does."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
from trainings import train, training_step

import pyautograd
from pyautograd import Tensor, nn, optim
from pyautograd.nn import functional as F
from pyautograd.optim.lr_scheduler import StepLR

from .training import Training, alike, batches, check_same, close, programs


def _lr(training: Training, i: int) -> None:
    training.optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda params: optim.SGD(params, lr=0.1),
        lambda params: optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda params: optim.Adam(params),
        lambda params: optim.AdamW(params),
        lambda params: optim.RMSprop(params, momentum=0.5, centered=True),
    ],
)
def test_a_changing_lr_needs_no_new_program(make: Callable[..., optim.Optimizer]) -> None:
    assert programs(check_same(_lr, make_optimizer=make)) == 1


def test_a_schedule_between_steps_needs_no_new_program() -> None:
    schedules: dict[int, StepLR] = {}

    def change(training: Training, i: int) -> None:
        if i == 0:
            schedules[id(training)] = StepLR(training.optimizer, 1, gamma=0.5)
        else:
            schedules[id(training)].step()

    assert programs(check_same(change)) == 1
    schedules.clear()


def test_an_lr_that_is_a_tensor_is_read_by_every_step() -> None:
    def change(training: Training, i: int) -> None:
        training.optimizer.param_groups[0]["lr"].fill_(0.1 / (i + 1))

    make = lambda params: optim.SGD(params, lr=pyautograd.tensor(0.1))  # type: ignore[arg-type]
    assert programs(check_same(change, make_optimizer=make)) == 1


def test_a_changed_lr_of_loaded_groups_is_seen_by_the_next_step() -> None:
    """load_state_dict gives the optimiser other groups; a changed lr of theirs is noticed."""

    def weights(wrap: Any) -> Any:
        w = nn.Parameter(pyautograd.tensor([1.0, 2.0]))
        optimizer = optim.Adam([w], lr=0.05)

        @wrap
        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = ((w * x - 1) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        for k in range(4):
            step(pyautograd.tensor(0.5 * k))
        optimizer.load_state_dict(optimizer.state_dict())
        step(pyautograd.tensor(0.5))
        optimizer.param_groups[0]["lr"] = 1.0
        for _ in range(3):
            step(pyautograd.tensor(0.5))
        return w.tolist()

    alike(weights)


def _momentum(training: Training, i: int) -> None:
    training.optimizer.param_groups[0]["momentum"] = 0.0 if i < 4 else 0.9


def test_momentum_switched_on_between_steps_gets_its_state() -> None:
    check_same(_momentum, steps=12, make_optimizer=lambda params: optim.SGD(params, lr=0.1))


def _read_state(training: Training, i: int) -> None:
    for state in training.optimizer.state.values():
        assert state["step"].item() == i


def test_the_state_is_up_to_date_between_steps() -> None:
    assert programs(check_same(_read_state)) == 1


def _edit_state(training: Training, i: int) -> None:
    if i == 5:
        for state in training.optimizer.state.values():
            state["exp_avg"].zero_()
    if i == 7:
        training.optimizer.state.clear()


def test_state_edited_between_steps_is_used_by_the_next() -> None:
    check_same(_edit_state)


def _reload(training: Training, i: int) -> None:
    if i == 5:
        training.optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))
        training.model.load_state_dict(copy.deepcopy(training.model.state_dict()))


def test_state_dicts_loaded_between_steps_are_used_by_the_next() -> None:
    check_same(_reload)


def test_the_state_dict_after_compiled_steps_is_that_of_plain_steps() -> None:
    plain, compiled = Training(compiled=False), Training()
    for x, y in batches(6):
        plain.step(x, y), compiled.step(x, y)
    state, other = plain.optimizer.state_dict()["state"], compiled.optimizer.state_dict()["state"]
    assert state.keys() == other.keys()
    for index, kept_of in state.items():
        for name, tensor in kept_of.items():
            assert close([other[index][name].tolist()], [tensor.tolist()]), name


def test_a_group_added_between_steps_is_trained() -> None:
    def change(training: Training, i: int) -> None:
        if i == 0:
            training.optimizer = optim.SGD(training.model.layers[0].parameters(), lr=0.1)  # type: ignore[operator]
        if i == 5:
            group = {"params": list(training.model.layers[1].parameters()), "lr": 0.01}  # type: ignore[operator]
            training.optimizer.add_param_group(group)

    def make(compiled: bool) -> Training:
        training = Training(compiled=False)

        def step(x: Tensor, y: Tensor) -> Tensor:
            training.model.zero_grad()
            loss = F.cross_entropy(training.model(x), y)
            loss.backward()
            training.optimizer.step()
            return loss

        training.step = pyautograd.compile(step) if compiled else step
        return training

    plain, compiled = make(False), make(True)
    for i, (x, y) in enumerate(batches(10)):
        change(plain, i)
        change(compiled, i)
        assert close([compiled.step(x, y).item()], [plain.step(x, y).item()])
        assert close(compiled.numbers(), plain.numbers())


def test_a_replaced_optimizer_makes_the_next_update() -> None:
    training = Training(compiled=False)
    optimizer = optim.SGD(training.model.parameters(), lr=0.0)

    @pyautograd.compile
    def step(x: Tensor, y: Tensor) -> Tensor:
        return train(training.model, optimizer, x, y)

    (x, y) = batches(1)[0]
    first = [step(x, y).item() for _ in range(4)]
    assert len(set(first)) == 1
    optimizer = optim.SGD(training.model.parameters(), lr=0.5)
    then = [step(x, y).item() for _ in range(4)]
    assert then == sorted(then, reverse=True) and len(set(then)) == 4


def test_an_optimizer_written_in_python_is_compiled_and_its_options_are_guarded() -> None:
    class Plain(optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure: Any = None) -> None:
            with pyautograd.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p -= group["lr"] * p.grad

    def change(training: Training, i: int) -> None:
        training.optimizer.param_groups[0]["lr"] = 0.1 if i < 5 else 0.01

    assert programs(check_same(change, steps=12, make_optimizer=lambda params: Plain(params, 0.1))) == 2


def test_two_steps_may_share_a_model_and_its_optimizer() -> None:
    def make(compiled: bool) -> tuple[Any, Any, nn.Module]:
        pyautograd.manual_seed(0)
        model = nn.MLP(3, [4, 2])
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        first, second = training_step(model, optimizer), training_step(model, optimizer, lambda y: (y**2).mean())
        wrap = pyautograd.compile if compiled else (lambda f: f)
        return wrap(first), wrap(second), model

    plain, compiled = make(False), make(True)
    for x, y in batches(8):
        for each in (plain, compiled):
            each[0](x, y)
            each[1](x)
    assert close([p.tolist() for p in compiled[2].parameters()], [p.tolist() for p in plain[2].parameters()])


def test_compiled_and_plain_steps_may_alternate() -> None:
    plain, mixed = Training(compiled=False), Training()
    for i, (x, y) in enumerate(batches(14)):
        expected = plain.step(x, y)
        found = mixed.step(x, y) if i % 3 else mixed.step.__wrapped__(x, y)
        assert close([found.item()], [expected.item()])
    assert close(mixed.numbers(), plain.numbers())


@pytest.mark.parametrize("make", [optim.Adam, functools.partial(optim.SGD, momentum=0.9), optim.Adagrad])
def test_methods_of_an_optimiser_may_be_compiled_themselves(make: Callable[..., Any]) -> None:
    def act(wrap: Any) -> Any:
        w = nn.Parameter(pyautograd.ones(2))
        optimizer = make([w], lr=0.1)
        step, zero_grad = wrap(optimizer.step), wrap(optimizer.zero_grad)
        seen = []
        for k in range(6):
            if k == 4:
                optimizer.param_groups[0]["lr"] = 0.5
            zero_grad()
            seen.append(w.grad)
            w.grad = pyautograd.ones(2) * k
            step()
            seen.append(w.tolist())
        return seen

    alike(act)
