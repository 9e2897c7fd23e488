"""Compiled steps are never silently wrong: each computes what the plain function does, or says why it cannot."""

import copy
import gc
import inspect
import itertools
import queue
import random
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pyautograd
from pyautograd import CompiledStep, Tensor, TraceError, Value, nn, optim, scalar
from pyautograd.nn import functional as F
from pyautograd.optim.lr_scheduler import StepLR

scale = 2.0  # a global that steps read
counter = 0
kept: list[Any] = []


@pytest.fixture(autouse=True)
def _globals() -> Iterator[None]:
    global scale, counter
    yield
    scale, counter = 2.0, 0
    kept.clear()


class Training:
    """A model, its optimiser and a step over them; the step as it is, or compiled."""

    def __init__(
        self,
        make_model: Callable[[], nn.Module] = lambda: nn.MLP(3, [5, 2]),
        make_optimizer: Callable[..., optim.Optimizer] = lambda params: optim.Adam(params, lr=0.05),
        compiled: bool = True,
    ) -> None:
        pyautograd.manual_seed(3)
        self.model = model = make_model()
        self.optimizer = optimizer = make_optimizer(model.parameters())

        def step(x: Tensor, y: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        self.step: Any = pyautograd.compile(step) if compiled else step

    def numbers(self) -> list[Any]:
        return [tensor.tolist() for tensor in self.model.state_dict().values()]

    def gradients(self) -> list[Any]:
        return [None if p.grad is None else p.grad.tolist() for p in self.model.parameters()]


def batches(n: int, rows: int = 8) -> list[tuple[Tensor, Tensor]]:
    generator = np.random.default_rng(1)
    return [
        (
            pyautograd.tensor(generator.normal(size=(rows, 3)).astype(np.float32)),
            pyautograd.tensor(generator.integers(0, 2, rows)),
        )
        for _ in range(n)
    ]


def close(a: Any, b: Any) -> bool:
    return all((x is None and y is None) or np.allclose(x, y, rtol=1e-5, atol=1e-6) for x, y in zip(a, b, strict=True))


def check_same(
    change: Callable[[Training, int], Any] = lambda training, i: None, steps: int = 10, **options: Any
) -> Training:
    """The compiled training computes what the plain one does, `change` being done to both before each step."""
    plain, compiled = Training(compiled=False, **options), Training(**options)
    pyautograd.manual_seed(7)
    expected = []
    for i, (x, y) in enumerate(batches(steps)):
        change(plain, i)
        expected.append((plain.step(x, y).item(), plain.numbers(), plain.gradients()))
    pyautograd.manual_seed(7)
    for i, (x, y) in enumerate(batches(steps)):
        change(compiled, i)
        loss = compiled.step(x, y)
        assert close([loss.item()], [expected[i][0]]), f"the loss of step {i}"
        assert close(compiled.numbers(), expected[i][1]), f"the model after step {i}"
        assert close(compiled.gradients(), expected[i][2]), f"the gradients after step {i}"
    return compiled


def programs(training: Any) -> int:
    return len(training.step.programs)


def refused(step: Callable[..., Any], *args: Any, match: str | None = None, calls: int = 2) -> str:
    """The text of the TraceError that one of the first calls raises."""
    with pytest.raises(TraceError, match=match) as caught:
        for _ in range(calls):
            step(*args)
    assert not pyautograd._core.is_recording()
    return str(caught.value)


# ---- what needs a number in Python ----


def _if(x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


def _while(x: Tensor) -> Tensor:
    while x.norm() > 1:
        x = x / 2
    return x


@pytest.mark.parametrize(
    "function",
    [
        _if,
        _while,
        lambda x: x * x.sum().item(),
        lambda x: x * float(x.sum()),
        lambda x: x * int(x.sum()),
        lambda x: x.tolist(),
        lambda x: x * pyautograd.tensor(np.mean(x.detach().numpy())),
        lambda x: np.asarray(x.detach()),
        lambda x: repr(x),
        lambda x: f"{x.sum():.3f}",
        lambda x: max(x[0], x[1]),
        lambda x: x.data.sum().item(),
        lambda x: x[0] in [1.0, 2.0],
        lambda x: [0.0, 1.0][int(x[0] > 0)],
    ],
)
def test_what_needs_an_actual_number_is_refused(function: Callable[[Tensor], Any]) -> None:
    refused(pyautograd.compile(function), pyautograd.tensor([1.0, 2.0]))


@pytest.mark.parametrize(
    "function",
    [
        lambda v: v if v.data > 0 else -v,
        lambda v: v * float(v.data),
        lambda v: str(v),
        lambda v: v + int(v.data),
        lambda v: f"{v.grad:.2f}",
    ],
)
def test_what_needs_the_number_of_a_value_is_refused(function: Callable[[Value], Any]) -> None:
    refused(pyautograd.compile(function), Value(2.0))


def test_a_float_argument_is_no_number_either() -> None:
    refused(pyautograd.compile(lambda x, lr: x if lr > 0 else -x), pyautograd.ones(2), 0.1)


def test_the_refusal_says_what_to_write_instead() -> None:
    text = refused(pyautograd.compile(_if), pyautograd.ones(2))
    assert "where" in text
    assert issubclass(TraceError, RuntimeError)


def test_a_refusal_that_the_step_catches_stands() -> None:
    def step(x: Tensor) -> Tensor:
        try:
            factor = float(x.sum())
        except RuntimeError:
            factor = 0.0
        return x * factor

    refused(pyautograd.compile(step), pyautograd.ones(1), match="caught")


def test_a_backward_written_in_python_is_refused() -> None:
    w = Value(2.0)

    def step(v: Value) -> Value:
        out = v * w

        def backward() -> None:
            w.grad += 1.0

        out._backward = backward
        out.backward()
        return out

    refused(pyautograd.compile(step), Value(1.0), match="_backward")


def test_after_a_refusal_the_plain_function_still_runs() -> None:
    refused(pyautograd.compile(_if), pyautograd.ones(2))
    assert _if(-pyautograd.ones(2)).tolist() == [1.0, 1.0]


# ---- the model changes ----


def test_steps_compiled_and_plain_are_the_same() -> None:
    training = check_same()
    assert programs(training) == 1


def _replace(training: Training, i: int) -> None:
    if i == 5:
        layer = training.model.layers[0]  # type: ignore[operator]
        layer.weight = nn.Parameter(layer.weight.detach() * 0.5)


def test_a_replaced_parameter() -> None:
    check_same(_replace)


def _renew_data(training: Training, i: int) -> None:
    if i in (4, 6):
        weight = training.model.layers[0].weight  # type: ignore[operator]
        weight.data = weight.data * 0.5


def test_a_parameter_with_new_data() -> None:
    check_same(_renew_data)


def _write(training: Training, i: int) -> None:
    with pyautograd.no_grad():
        training.model.layers[0].weight.mul_(0.9)  # type: ignore[operator]


def test_parameters_written_between_the_steps() -> None:
    assert programs(check_same(_write)) == 1


def test_a_model_converted_to_float64() -> None:
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


def test_inference_of_a_converted_model() -> None:
    model = nn.MLP(3, [4, 2])
    predict = pyautograd.compile(lambda x: model(x))
    x = pyautograd.randn(5, 3)
    for dtype in (pyautograd.float32, pyautograd.float64, pyautograd.float32):
        model.to(dtype)
        for _ in range(4):
            found = predict(x.to(dtype))
            assert found.dtype is dtype
            assert close([found.tolist()], [model(x.to(dtype)).tolist()])


def _freeze(training: Training, i: int) -> None:
    training.model.layers[0].weight.requires_grad_(i // 3 % 2 == 0)  # type: ignore[operator]


def test_a_parameter_frozen_and_thawed() -> None:
    check_same(_freeze, steps=14)


def _clear_gradients(training: Training, i: int) -> None:
    if i == 6:
        training.model.zero_grad()


def test_gradients_cleared_between_the_steps() -> None:
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


def test_a_layer_added() -> None:
    check_same(_layer_added, make_model=lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))


def _layer_replaced(training: Training, i: int) -> None:
    if i == 5:
        training.model[1] = nn.Tanh()  # type: ignore[index]


def test_a_layer_replaced() -> None:
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


def test_running_statistics() -> None:
    check_same(make_model=lambda: nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)))


def test_a_user_module_with_numbers_of_its_own() -> None:
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


def test_hidden_state_of_a_module_that_the_step_changes_is_refused() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x * self.calls

    model = Counting()
    refused(pyautograd.compile(lambda x: model(x)), pyautograd.ones(2), match=r"model\.calls")


# ---- the optimiser changes ----


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


def test_a_schedule_between_the_steps() -> None:
    schedules: dict[int, StepLR] = {}

    def change(training: Training, i: int) -> None:
        if i == 0:
            schedules[id(training)] = StepLR(training.optimizer, 1, gamma=0.5)
        else:
            schedules[id(training)].step()

    assert programs(check_same(change)) == 1
    schedules.clear()


def test_a_schedule_inside_the_step_is_refused() -> None:
    training = Training(compiled=False)
    schedule = StepLR(training.optimizer, 1)
    training.step(*batches(1)[0])

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss: Tensor = training.step(x, y)
        schedule.step()
        return loss

    refused(pyautograd.compile(step), *batches(1)[0], match=r"StepLR\.step\(\)")


def test_options_that_the_step_changes_itself_are_refused() -> None:
    training = Training(compiled=False)

    def step(x: Tensor, y: Tensor) -> Tensor:
        training.optimizer.param_groups[0]["lr"] *= 0.5
        loss: Tensor = training.step(x, y)
        return loss

    refused(pyautograd.compile(step), *batches(1)[0], match="'lr'")


def test_an_lr_that_is_a_tensor() -> None:
    def change(training: Training, i: int) -> None:
        training.optimizer.param_groups[0]["lr"].fill_(0.1 / (i + 1))

    make = lambda params: optim.SGD(params, lr=pyautograd.tensor(0.1))  # type: ignore[arg-type]
    assert programs(check_same(change, make_optimizer=make)) == 1


def _momentum(training: Training, i: int) -> None:
    training.optimizer.param_groups[0]["momentum"] = 0.0 if i < 4 else 0.9


def test_options_that_ask_for_other_state() -> None:
    check_same(_momentum, steps=12, make_optimizer=lambda params: optim.SGD(params, lr=0.1))


def _read_state(training: Training, i: int) -> None:
    for state in training.optimizer.state.values():
        assert state["step"].item() == i


def test_the_state_read_between_the_steps() -> None:
    assert programs(check_same(_read_state)) == 1


def _edit_state(training: Training, i: int) -> None:
    if i == 5:
        for state in training.optimizer.state.values():
            state["exp_avg"].zero_()
    if i == 7:
        training.optimizer.state.clear()


def test_the_state_edited_between_the_steps() -> None:
    check_same(_edit_state)


def _reload(training: Training, i: int) -> None:
    if i == 5:
        training.optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))
        training.model.load_state_dict(copy.deepcopy(training.model.state_dict()))


def test_state_dicts_loaded_between_the_steps() -> None:
    check_same(_reload)


def test_state_dicts_after_compiled_steps() -> None:
    plain, compiled = Training(compiled=False), Training()
    for x, y in batches(6):
        plain.step(x, y), compiled.step(x, y)
    state, other = plain.optimizer.state_dict()["state"], compiled.optimizer.state_dict()["state"]
    assert state.keys() == other.keys()
    for index, kept_of in state.items():
        for name, tensor in kept_of.items():
            assert close([other[index][name].tolist()], [tensor.tolist()]), name


def test_a_group_added_between_the_steps() -> None:
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


def test_an_optimizer_replaced() -> None:
    training = Training(compiled=False)
    optimizer = optim.SGD(training.model.parameters(), lr=0.0)

    @pyautograd.compile
    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(training.model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    (x, y) = batches(1)[0]
    first = [step(x, y).item() for _ in range(4)]
    assert len(set(first)) == 1
    optimizer = optim.SGD(training.model.parameters(), lr=0.5)
    then = [step(x, y).item() for _ in range(4)]
    assert then == sorted(then, reverse=True) and len(set(then)) == 4


def test_an_optimizer_written_in_python() -> None:
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


def test_two_steps_share_a_model_and_its_optimizer() -> None:
    def make(compiled: bool) -> tuple[Any, Any, nn.Module]:
        pyautograd.manual_seed(0)
        model = nn.MLP(3, [4, 2])
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        def first(x: Tensor, y: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        def second(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        wrap = pyautograd.compile if compiled else (lambda f: f)
        return wrap(first), wrap(second), model

    plain, compiled = make(False), make(True)
    for x, y in batches(8):
        for each in (plain, compiled):
            each[0](x, y)
            each[1](x)
    assert close([p.tolist() for p in compiled[2].parameters()], [p.tolist() for p in plain[2].parameters()])


def test_compiled_and_plain_steps_alternate() -> None:
    plain, mixed = Training(compiled=False), Training()
    for i, (x, y) in enumerate(batches(14)):
        expected = plain.step(x, y)
        found = mixed.step(x, y) if i % 3 else mixed.step.__wrapped__(x, y)
        assert close([found.item()], [expected.item()])
    assert close(mixed.numbers(), plain.numbers())


# ---- numbers that the function reads ----


def test_a_closure_number_changes() -> None:
    factor = 2.0
    step = pyautograd.compile(lambda x: x * factor)
    x = pyautograd.ones(2)
    assert [step(x).tolist()[0] for _ in range(4)] == [2.0] * 4
    factor = 3.0
    assert [step(x).tolist()[0] for _ in range(4)] == [3.0] * 4
    factor = 2.0
    assert step(x).tolist() == [2.0, 2.0]
    assert len(step.programs) == 2


def test_a_closure_number_changes_between_the_first_two_calls() -> None:
    factor = 2.0
    step = pyautograd.compile(lambda x: x * factor)
    x = pyautograd.ones(2)
    step(x)
    factor = 3.0
    assert [step(x).tolist()[0] for _ in range(4)] == [3.0] * 4


def test_a_global_changes_also_in_a_function_that_is_called() -> None:
    global scale
    x = pyautograd.ones(2)
    for step in (pyautograd.compile(_scaled), pyautograd.compile(lambda x: _scaled(x))):
        scale = 2.0
        assert [step(x).tolist()[0] for _ in range(3)] == [2.0] * 3
        scale = 5.0
        assert [step(x).tolist()[0] for _ in range(3)] == [5.0] * 3


def _scaled(x: Tensor) -> Tensor:
    return x * scale


def test_negative_zero_is_another_number() -> None:
    factor = 0.0
    step = pyautograd.compile(lambda x: x / factor)
    x = pyautograd.ones(1)
    assert [step(x).item() for _ in range(3)] == [float("inf")] * 3
    factor = -0.0
    assert step(x).item() == -float("inf")


def test_contents_of_containers_change() -> None:
    numbers, options, table = [1.0, 2.0], {"a": 1.0, "b": {"c": 2.0}}, np.ones((2, 2), np.float32)
    step = pyautograd.compile(lambda x: x * numbers[1] * options["b"]["c"] + table[0, 1].item())  # type: ignore[index]
    x = pyautograd.ones(1)

    def value() -> float:
        return numbers[1] * options["b"]["c"] + float(table[0, 1])  # type: ignore[index,no-any-return]

    assert [step(x).item() for _ in range(3)] == [value()] * 3
    numbers[1] = 3.0
    assert step(x).item() == value()
    options["b"]["c"] = 5.0  # type: ignore[index]
    assert step(x).item() == value()
    table[0, 1] = 7.0
    assert [step(x).item() for _ in range(3)] == [value()] * 3


def test_attributes_change() -> None:
    class Config:
        shared = 2.0

        def __init__(self) -> None:
            self.factor = 1.0
            self.history: list[float] = []

        def apply(self, x: Tensor) -> Tensor:
            return x * self.factor * self.shared

    config = Config()
    step = pyautograd.compile(lambda x: config.apply(x))
    x = pyautograd.ones(1)
    assert [step(x).item() for _ in range(3)] == [2.0] * 3
    config.history.append(1.0)
    assert step(x).item() == 2.0
    assert len(step.programs) == 1
    config.factor = 3.0
    assert [step(x).item() for _ in range(3)] == [6.0] * 3
    Config.shared = 1.0
    assert [step(x).item() for _ in range(3)] == [3.0] * 3
    config.shared = 4.0
    assert [step(x).item() for _ in range(3)] == [12.0] * 3


def test_slots_change() -> None:
    class Config:
        __slots__ = ("factor",)

    config = Config()
    config.factor = 2.0
    step = pyautograd.compile(lambda x: x * config.factor)
    x = pyautograd.ones(1)
    assert [step(x).item() for _ in range(3)] == [2.0] * 3
    config.factor = 3.0
    assert [step(x).item() for _ in range(3)] == [3.0] * 3


def test_numbers_put_on_tensors_change() -> None:
    w: Any = pyautograd.ones(1, requires_grad=True)
    w.factor = 2.0
    step = pyautograd.compile(lambda x: x * w * w.factor)
    x = pyautograd.ones(1)
    assert [step(x).item() for _ in range(3)] == [2.0] * 3
    w.factor = 3.0
    assert [step(x).item() for _ in range(3)] == [3.0] * 3


def test_a_global_hides_a_builtin() -> None:
    step = pyautograd.compile(lambda x: sum([x, x]))
    x = pyautograd.ones(1)
    try:
        assert [step(x).item() for _ in range(3)] == [2.0] * 3
        globals()["sum"] = lambda numbers: numbers[0]
        assert [step(x).item() for _ in range(3)] == [1.0] * 3
    finally:
        del globals()["sum"]
    assert step(x).item() == 2.0


def test_a_function_is_replaced() -> None:
    activation = pyautograd.tanh
    step = pyautograd.compile(lambda x: activation(x))
    x = pyautograd.ones(1)
    expected = [f(x).item() for f in (pyautograd.tanh, pyautograd.exp)]
    assert [step(x).item() for _ in range(3)] == pytest.approx([expected[0]] * 3)
    activation = pyautograd.exp
    assert [step(x).item() for _ in range(3)] == pytest.approx([expected[1]] * 3)


def test_a_tensor_in_the_closure_is_bound_by_reference() -> None:
    offset = pyautograd.zeros(1)
    step = pyautograd.compile(lambda x: x + offset)
    x = pyautograd.ones(1)
    for i in range(5):
        offset.fill_(i)
        assert step(x).item() == 1 + i
    offset = pyautograd.full((1,), 10.0)
    assert [step(x).item() for _ in range(3)] == [11.0] * 3


def test_numbers_of_a_scalar_model_replaced() -> None:
    model = scalar.MLP(2, [3, 1])
    step = pyautograd.compile(lambda: model([1.0, -2.0]))
    for _ in range(3):
        assert step().data == model([1.0, -2.0]).data
    model.layers[0].neurons[1].w[0] = Value(5.0)
    assert step().data == model([1.0, -2.0]).data
    model.layers[0].neurons[1].nonlin = False
    assert step().data == model([1.0, -2.0]).data
    model.layers[0].neurons[0].w[0].data = 0.25
    for _ in range(3):
        assert step().data == model([1.0, -2.0]).data


@pytest.mark.parametrize(
    "kind", ["global", "nonlocal", "list", "deque", "dict", "attribute", "new attribute", "setattr"]
)
def test_a_count_kept_by_the_step_is_refused(kind: str) -> None:
    count, members, table, recent = 0, [0], {"n": 0}, deque([1, 2, 3], maxlen=3)

    class Holder:
        n = 0

    holder = Holder()

    def step(x: Tensor) -> Tensor:
        global counter
        nonlocal count
        if kind == "global":
            counter += 1
        elif kind == "nonlocal":
            count += 1
        elif kind == "list":
            members.append(1)
        elif kind == "deque":
            recent.append(recent[-1] + 1)
        elif kind == "dict":
            table["n"] += 1
        elif kind == "attribute":
            holder.n += 1
        elif kind == "new attribute":
            holder.m = [x.shape]  # type: ignore[attr-defined]
        else:
            setattr(holder, "k" + "", [x.shape])
        return x * 2

    names = {"global": "counter", "nonlocal": "count", "list": "members", "deque": "recent", "dict": r"table\['n'\]"}
    refused(pyautograd.compile(step), pyautograd.ones(2), match=f"changes {names.get(kind, 'holder')}")


def test_a_first_call_may_set_things_up() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mask: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            if self.mask is None:
                self.mask = pyautograd.tril(pyautograd.ones(x.shape[-1], x.shape[-1]))
            return x @ self.mask

    model = Masked()
    step = pyautograd.compile(lambda x: model(x))
    x = pyautograd.randn(2, 3)
    for _ in range(5):
        assert step(x).tolist() == model(x).tolist()
    assert len(step.programs) == 1


def test_models_and_optimizers_as_arguments() -> None:
    @pyautograd.compile
    def step(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    plain, other, third = Training(compiled=False), Training(compiled=False), Training(compiled=False)
    third.model.layers[0].weight.data *= 2.0  # type: ignore[operator]
    for i, (x, y) in enumerate(batches(12)):
        for training in (plain, other):
            training.optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
            training.model.train(i % 2 == 0)
        expected = plain.step(x, y).item()
        assert step(other.model, other.optimizer, x, y).item() == pytest.approx(expected, rel=1e-5)
        step(third.model, third.optimizer, x, y)
    assert close(other.numbers(), plain.numbers())
    assert len(step.programs) == 3


def test_too_much_to_watch_is_refused() -> None:
    table = list(range(20_000))
    refused(pyautograd.compile(lambda x: x * table[3]), pyautograd.ones(1), match="table.*argument")


def test_a_large_array_in_the_closure_warns() -> None:
    table = np.ones(1_000_000, np.float32)
    step = pyautograd.compile(lambda x: x * table[3].item())
    with pytest.warns(UserWarning, match="table.*argument"):
        step(pyautograd.ones(1))


def test_an_iterator_in_the_closure_is_refused() -> None:
    factors = iter([1.0, 2.0, 3.0])
    refused(pyautograd.compile(lambda x: x * next(factors)), pyautograd.ones(1), match="factors")
    numbers = itertools.count()
    refused(pyautograd.compile(lambda x: x * next(numbers)), pyautograd.ones(1), match="numbers")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: random.random(),
        lambda: random.choice([1.0, 1.0]),
        lambda: float(np.random.rand() < 2),
        lambda: float(np.random.normal()),
    ],
)
def test_random_numbers_of_python_and_numpy_are_refused(draw: Callable[[], float]) -> None:
    refused(pyautograd.compile(lambda x: x * draw()), pyautograd.ones(1), match="draw")


def test_random_numbers_of_a_generator_are_refused() -> None:
    generator = np.random.default_rng(0)
    refused(pyautograd.compile(lambda x: x * float(generator.integers(1, 3))), pyautograd.ones(1), match="draw")


def test_two_calls_that_do_different_things_are_refused() -> None:
    call = itertools.count().__next__
    step = pyautograd.compile(lambda x: x * call())
    assert "did not do the same" in refused(step, pyautograd.ones(1))


def test_tensors_kept_by_the_step_are_refused() -> None:
    class Box:
        def put(self, tensor: Tensor) -> None:
            kept[0].append(tensor)

    kept.append([])
    box = Box()
    step = pyautograd.compile(lambda x: (box.put(x * 2), x * 3)[1])
    refused(step, pyautograd.ones(1))
    kept.clear()


def test_a_result_put_into_a_queue_is_refused() -> None:
    waiting: queue.Queue[Tensor] = queue.Queue()

    def step(x: Tensor) -> Tensor:
        y = x * 2
        waiting.put(y)
        return y

    refused(pyautograd.compile(step), pyautograd.ones(1), match=r"mul.*return it instead")


def test_a_result_kept_by_the_step_is_refused() -> None:
    class Sly:
        def __setattr__(self, name: str, value: Any) -> None:
            kept_elsewhere.append(value)

    kept_elsewhere: list[Any] = []
    sly = Sly()

    def step(x: Tensor) -> Tensor:
        y = x * 2
        sly.anything = y
        return y

    refused(pyautograd.compile(step), pyautograd.ones(1))


# ---- the signature ----


def test_shapes_dtypes_and_constants_are_the_signature() -> None:
    step = pyautograd.compile(lambda x, n=1, mode="a": x * n if mode == "a" else x + n)
    arguments: list[tuple[Any, ...]] = [
        (pyautograd.ones(2),),
        (pyautograd.ones(3),),
        (pyautograd.ones(3, 1),),
        (pyautograd.ones(2, dtype=pyautograd.float64),),
        (pyautograd.ones(2), 3),
        (pyautograd.ones(2), True),
        (pyautograd.ones(2), 3, "b"),
        (pyautograd.ones(4, 2).T,),
    ]
    for _ in range(4):
        for args in arguments:
            found, expected = step(*args), step.__wrapped__(*args)
            assert found.tolist() == expected.tolist() and found.dtype is expected.dtype
    assert len(step.programs) == len(arguments)


def test_floats_may_change() -> None:
    step = pyautograd.compile(lambda x, lr: (x * lr).sum())
    for lr in (0.1, 0.2, np.float32(0.5), 2.0, np.float64(0.25)):
        assert step(pyautograd.ones(2), lr).item() == pytest.approx(2 * float(lr))
    assert len(step.programs) == 1
    assert [step(pyautograd.ones(2), 3).item() for _ in range(3)] == [6.0] * 3
    assert len(step.programs) == 2


def test_nested_arguments_and_keywords() -> None:
    def function(batch: dict[str, Any], *, weights: list[float], scale: float = 1.0, mask: Any = None) -> Any:
        total = sum(w * x.sum() for w, x in zip(weights, batch["xs"], strict=True))
        return {"total": total * scale, "n": len(weights), "pair": (total, batch["y"] * 2), "none": mask}

    step = pyautograd.compile(function)
    for i in range(5):
        batch = {"xs": [pyautograd.full((2,), float(i)), pyautograd.ones(3)], "y": pyautograd.ones(1)}
        found = step(batch, weights=[2.0, 0.5], scale=float(i + 1), mask=None)
        total = 2.0 * 2 * i + 1.5
        assert found["total"].item() == pytest.approx(total * (i + 1))
        assert found["n"] == 2 and found["none"] is None
        assert [each.item() for each in found["pair"]] == pytest.approx([total, 2.0])
    assert len(step.programs) == 1


def test_arrays_as_arguments() -> None:
    def function(X: Any, y: Any) -> Any:
        weights = [0.5, -1.0]
        return sum((w * a for w, a in zip(weights, X[0], strict=True)), 0.0) + y[1]

    step = pyautograd.compile(function)
    for i in range(5):
        X, y = np.array([[1.0 + i, 2.0], [3.0, 4.0]]), np.array([i, 10 * i])
        assert step(X, y) == pytest.approx(function(X, y))
    assert len(step.programs) == 1


def test_values_as_arguments() -> None:
    def function(x: list[Any], y: float) -> Any:
        return (x[0] * 2 + x[1]) * y

    step = pyautograd.compile(function)
    for i in range(5):
        found = step([Value(1.0 + i), 3.0], float(i))
        assert isinstance(found, Value)
        assert found.data == (2 * (1.0 + i) + 3.0) * i


def test_the_same_tensor_twice() -> None:
    step = pyautograd.compile(lambda x, y: (x * 2 + y).sum())
    x, y = pyautograd.ones(2), pyautograd.zeros(2)
    refused(step, x, x, match="same tensor")
    for _ in range(4):
        assert step(x, y).item() == 4.0
    for _ in range(4):
        assert step(x, x).item() == 6.0


def test_many_ints_warn_once_and_name_the_argument() -> None:
    step = pyautograd.compile(lambda x, n: x * n)
    with pytest.warns(UserWarning, match="argument 'n', an int.*make it a float") as caught:
        for n in range(20):
            step(pyautograd.ones(1), n)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_many_shapes_warn_and_name_the_argument() -> None:
    step = pyautograd.compile(lambda x: x.sum())
    with pytest.warns(UserWarning, match="argument 'x', whose shape"):
        for n in range(1, 12):
            step(pyautograd.ones(n))


def test_a_global_that_always_changes_warns() -> None:
    global scale
    step = pyautograd.compile(lambda x: x * scale)
    with pytest.warns(UserWarning, match="scale has changed"):
        for n in range(20):
            scale = float(n)
            assert step(pyautograd.ones(1)).item() == n


def test_few_programs_do_not_warn() -> None:
    step = pyautograd.compile(lambda x, n: x * n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(8):
            for _ in range(3):
                step(pyautograd.ones(1), n)
    assert len(step.programs) == 8


# ---- results ----


def test_results_kept_stay_what_they_were() -> None:
    step = pyautograd.compile(lambda x: (x * 2, x.sum()))
    results = [step(pyautograd.full((3,), float(i))) for i in range(8)]
    assert [doubled.tolist() for doubled, _ in results] == [[2.0 * i] * 3 for i in range(8)]
    assert [total.item() for _, total in results] == [3.0 * i for i in range(8)]
    with pyautograd.no_grad():
        results[-1][0].zero_()
    assert step(pyautograd.ones(3))[0].tolist() == [2.0] * 3


def test_results_have_no_history_and_no_part_in_the_model() -> None:
    model = nn.Linear(2, 2)
    step = pyautograd.compile(lambda x: (model(x), model.weight, x))
    x = pyautograd.ones(1, 2)
    for _ in range(4):
        out, weight, same = step(x)
        assert not out.requires_grad and not weight.requires_grad
        with pyautograd.no_grad():
            before = model.weight.tolist()
            weight.zero_()
            same.zero_()
        assert model.weight.tolist() == before
        assert x.tolist() == [[1.0, 1.0]]


def test_results_of_every_form() -> None:
    class Pair(tuple):
        pass

    for function, expected in [
        (lambda x: None, None),
        (lambda x: 3, 3),
        (lambda x: (x.sum(), "words", 2.5), (2.0, "words", 2.5)),
        (lambda x: [x.sum()], [2.0]),
        (lambda x: {"a": (x.sum(), None)}, {"a": (2.0, None)}),
        (lambda x: (), ()),
        (lambda x: (x.sum(),), (2.0,)),
    ]:
        step = pyautograd.compile(function)
        for _ in range(4):
            found = step(pyautograd.ones(2))
            assert _plain(found) == expected


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return type(value)(_plain(each) for each in value) if isinstance(value, (list, tuple)) else value


def test_a_constant_result_that_differs_is_refused() -> None:
    call = itertools.count().__next__
    refused(pyautograd.compile(lambda x: (x, call())), pyautograd.ones(1), match="returned different")


def test_numbers_come_back_as_floats() -> None:
    step = pyautograd.compile(lambda v, x: (v.data * 2, x * 3, v))
    for i in range(4):
        doubled, tripled, value = step(Value(float(i)), float(i))
        assert type(doubled) is float and type(tripled) is float and type(value) is Value
        assert (doubled, tripled, value.data) == (2.0 * i, 3.0 * i, i)


# ---- modes ----


def test_inside_no_grad_and_detach() -> None:
    pyautograd.manual_seed(0)
    model = nn.Linear(2, 2)

    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        model.zero_grad()
        with pyautograd.no_grad():
            target = model(x) + 1
        y = model(x)
        loss = ((y - target) ** 2).mean() + (y.detach() * y).sum()
        loss.backward()
        return loss, target

    step = pyautograd.compile(function)
    x = pyautograd.randn(3, 2)
    for _ in range(4):
        expected = [each.tolist() for each in function(x)], model.weight.grad.tolist()  # type: ignore[union-attr]
        found = [each.tolist() for each in step(x)], model.weight.grad.tolist()  # type: ignore[union-attr]
        assert close(found[0], expected[0]) and close([found[1]], [expected[1]])


def test_inference_under_no_grad() -> None:
    model = nn.MLP(3, [8, 2], dropout=0.5).eval()
    predict = pyautograd.compile(model)
    with pyautograd.no_grad():
        for x, _ in batches(5):
            assert close([predict(x).tolist()], [model(x).tolist()])
    assert len(predict.programs) == 1


def test_grad_mode_is_part_of_the_signature() -> None:
    w = pyautograd.ones(1, requires_grad=True)
    step = pyautograd.compile(lambda x: x * float((x * w).requires_grad))
    for _ in range(3):
        assert step(pyautograd.ones(1)).item() == 1.0
        with pyautograd.no_grad():
            assert step(pyautograd.ones(1)).item() == 0.0


def test_the_default_dtype_changes() -> None:
    step = pyautograd.compile(lambda n: pyautograd.ones(2) * n)
    try:
        for dtype in (pyautograd.float32, pyautograd.float64):
            pyautograd.set_default_dtype(dtype)
            for _ in range(3):
                assert step(2.0).dtype is dtype
    finally:
        pyautograd.set_default_dtype(pyautograd.float32)


def test_detect_anomaly_runs_the_function_itself() -> None:
    w = pyautograd.zeros(1, requires_grad=True)

    @pyautograd.compile
    def step(x: Tensor) -> Tensor:
        w.grad = None
        loss = (w * x).sqrt().sum()
        loss.backward()
        return loss

    for _ in range(3):
        step(pyautograd.ones(1))
    with pyautograd.autograd.detect_anomaly(), pytest.raises(FloatingPointError, match="sqrt"):
        step(pyautograd.ones(1))
    step(pyautograd.ones(1))


class Cube(pyautograd.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x * x * upstream


def test_an_op_written_in_python_computes_the_same_or_is_refused() -> None:
    w = pyautograd.tensor([1.0, 2.0], requires_grad=True)

    def function(x: Tensor) -> Tensor:
        w.grad = None
        loss = Cube.apply(w * x).sum()
        loss.backward()
        return loss

    step = pyautograd.compile(function)
    x = pyautograd.tensor([2.0, 3.0])
    try:
        for _ in range(4):
            assert step(x).item() == function(x).item()
            expected = w.grad.tolist()  # type: ignore[union-attr]
            step(x)
            assert w.grad.tolist() == expected  # type: ignore[union-attr]
    except TraceError as error:
        assert "Cube" in str(error) or "Function" in str(error) or "custom" in str(error)


# ---- errors ----


def test_an_exception_of_the_function_passes_through() -> None:
    training = Training()
    good, bad = batches(1)[0], (pyautograd.ones(2, 7), pyautograd.tensor([0, 1]))
    before = training.numbers()
    for _ in range(3):
        with pytest.raises(ValueError, match=r"linear|shape|7"):
            training.step(*bad)
    assert training.numbers() == before
    plain = Training(compiled=False)
    for _ in range(4):
        with pytest.raises(ValueError):
            training.step(*bad)
        assert close([training.step(*good).item()], [plain.step(*good).item()])


def test_an_exception_in_the_middle_leaves_nothing_recording() -> None:
    fail = True

    def function(x: Tensor) -> Tensor:
        y = x * 2
        if fail:
            raise KeyError("mine")
        return y

    step = pyautograd.compile(function)
    with pytest.raises(KeyError, match="mine"):
        step(pyautograd.ones(1))
    assert not pyautograd._core.is_recording()
    fail = False
    assert [step(pyautograd.ones(1)).item() for _ in range(4)] == [2.0] * 4


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="compile: a function"):
        pyautograd.compile(3)  # type: ignore[call-overload]


def test_an_unknown_pass() -> None:
    step = pyautograd.compile(lambda x: x * 2, passes={"no such pass": False})
    step(pyautograd.ones(1))
    with pytest.raises(ValueError, match=r"no such pass.*fuse"):
        step(pyautograd.ones(1))


def test_passes_left_out() -> None:
    for name in ("constants", "common", "dead", "fuse", "plan", "reroll", "group"):

        @pyautograd.compile(passes={name: False})
        def step(x: Tensor) -> Tensor:
            return F.relu(x * 2 + 1).sum() + F.relu(x * 2 + 1).mean()

        x = pyautograd.randn(7)
        assert close([step(x).item() for _ in range(4)], [step.__wrapped__(x).item()] * 4)


# ---- what a compiled step is ----


def test_it_is_named_and_documented_as_the_function_is() -> None:
    @pyautograd.compile
    def step(x: Tensor, *, n: int = 1) -> Tensor:
        """Words."""
        return x * n

    assert isinstance(step, CompiledStep)
    assert (step.__name__, step.__doc__) == ("step", "Words.")
    assert list(inspect.signature(step).parameters) == ["x", "n"]
    assert "compiled step: 0 programs" in repr(step)
    for _ in range(3):
        step(pyautograd.ones(2, 3))
    assert all(word in repr(step) for word in ("1 program", "float32 (2, 3)", "arena", "flops"))
    assert step.programs[0].describe()["flops"] >= 0
    assert "n: 1" not in repr(step)
    step.clear()
    assert step.programs == []
    assert step(pyautograd.ones(2)).tolist() == [1.0, 1.0]


def test_drawing_the_instructions() -> None:
    step = pyautograd.compile(lambda x: (x * 2).sum())
    with pytest.raises(RuntimeError, match="no program"):
        step.draw()
    for _ in range(2):
        step(pyautograd.ones(3))
    assert "->" in step.draw().source or len(step.programs[0].describe()["instructions"]) < 2


def test_a_compiled_step_inside_another() -> None:
    inner = pyautograd.compile(lambda x: x * 2)
    outer = pyautograd.compile(lambda x: inner(x) + 1)
    trainer = Trainer(3.0)
    trainer_step = pyautograd.compile(lambda x: trainer.step(inner(x)))
    x = pyautograd.ones(1)
    for _ in range(4):
        assert inner(x).item() == 2.0
        assert outer(x).item() == 3.0
        assert trainer_step(x).item() == 2.0 * trainer.factor
    trainer.factor = 7.0
    assert trainer_step(x).item() == 14.0
    assert len(inner.programs) == len(outer.programs) == 1


class Trainer:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    @pyautograd.compile
    def step(self, x: Tensor) -> Tensor:
        """A method."""
        return x * self.factor


def test_methods() -> None:
    a, b = Trainer(2.0), Trainer(3.0)
    x = pyautograd.ones(1)
    for _ in range(4):
        assert (a.step(x).item(), b.step(x).item()) == (2.0, 3.0)
    assert len(a.step.programs) == len(b.step.programs) == 1
    assert Trainer.step.programs == []
    a.factor = 5.0
    assert a.step(x).item() == 5.0
    step = Trainer(6.0).step
    gc.collect()
    assert [step(x).item() for _ in range(3)] == [6.0] * 3
    gone = weakref.ref(b)
    del b
    gc.collect()
    assert gone() is None


def test_programs_do_not_keep_the_step_alive() -> None:
    def make() -> weakref.ref[nn.Module]:
        model = nn.Linear(2, 2)
        step = pyautograd.compile(lambda x: model(x))
        for _ in range(3):
            step(pyautograd.ones(1, 2))
        return weakref.ref(model)

    gone = make()
    gc.collect()
    assert gone() is None


def test_one_step_in_several_threads() -> None:
    factor = pyautograd.tensor([3.0])
    step = pyautograd.compile(lambda x: (x * factor).sum())
    wrong: list[Any] = []

    def work(number: float) -> None:
        x = pyautograd.full((5,), number)
        for _ in range(300):
            found = step(x).item()
            if found != 15.0 * number:
                wrong.append((number, found))

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(step.programs) == 1


def test_micrograds_own_loop() -> None:
    def make(compiled: bool) -> tuple[Any, scalar.MLP]:
        random.seed(5)
        model = scalar.MLP(2, [4, 1])

        def step(X: Any, y: Any, lr: float) -> Any:
            scores = [model([Value(a) for a in row]) for row in X]
            losses = [(1 + -yi * score).relu() for yi, score in zip(y, scores, strict=True)]
            loss = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in model.parameters())
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= lr * p.grad
            accuracy = [(yi > 0) == (score.data > 0) for yi, score in zip(y, scores, strict=True)]
            return loss, sum(accuracy) / len(accuracy)

        return (pyautograd.compile(step) if compiled else step), model

    plain, model = make(False)
    compiled, other = make(True)
    generator = np.random.default_rng(0)
    for i in range(8):
        X, y = generator.normal(size=(6, 2)), generator.choice([-1, 1], 6)
        lr = 1.0 - 0.1 * i
        expected, found = plain(X, y, lr), compiled(X, y, lr)
        assert found[0].data == pytest.approx(expected[0].data, rel=1e-12)
        assert found[1] == pytest.approx(expected[1])
    assert [p.data for p in other.parameters()] == pytest.approx([p.data for p in model.parameters()], rel=1e-12)
    assert len(compiled.programs) == 1


def test_options_count_after_the_groups_were_replaced() -> None:
    """load_state_dict gives the optimiser other groups; a changed lr of theirs is noticed."""

    def weights(compiled: bool) -> Any:
        w = nn.Parameter(pyautograd.tensor([1.0, 2.0]))
        optimizer = optim.Adam([w], lr=0.05)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = ((w * x - 1) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        called: Any = pyautograd.compile(step) if compiled else step
        for k in range(4):
            called(pyautograd.tensor(0.5 * k))
        optimizer.load_state_dict(optimizer.state_dict())
        called(pyautograd.tensor(0.5))
        optimizer.param_groups[0]["lr"] = 1.0
        for _ in range(3):
            called(pyautograd.tensor(0.5))
        return w.tolist()

    assert weights(True) == weights(False)


def test_tensors_as_positions() -> None:
    w = nn.Parameter(pyautograd.arange(12.0).reshape(3, 4))

    def step(rows: Any, columns: Any) -> Any:
        return w[rows, columns].sum() + (w[rows] * 2).sum() + w.T[columns, 1].sum() + w[:, columns[:1]].sum()

    compiled = pyautograd.compile(step)
    for shift in range(4):
        rows = pyautograd.tensor([0, 1, -1 - shift % 3, 2])
        columns = pyautograd.tensor([3, -4, 0, shift])
        assert compiled(rows, columns).item() == step(rows, columns).item()
    for bad in ([0, 3], [0, -4]):
        with pytest.raises(IndexError, match="out of range"):
            compiled(pyautograd.tensor([*bad, 0, 0]), columns)


def test_seeding_inside_a_step_is_refused() -> None:
    def step(x: Any) -> Any:
        pyautograd.manual_seed(0)
        return x + 1

    refused(pyautograd.compile(step), pyautograd.ones(2), match="seed")


def test_attributes_of_tensors_that_lead_back_to_the_tensor_are_read() -> None:
    x: Any = pyautograd.ones(3)
    x.twin, x.factor = pyautograd.ones(3), 2.0
    x.twin.twin = x

    @pyautograd.compile
    def step(y: Tensor) -> Tensor:
        return (x.twin.twin * y * x.factor).sum()

    assert [step(pyautograd.ones(3)).item() for _ in range(3)] == [6.0] * 3
    x.factor = 3.0
    assert step(pyautograd.ones(3)).item() == 9.0
