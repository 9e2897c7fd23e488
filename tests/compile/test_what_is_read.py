"""What a step reads besides its arguments is guarded: a change is seen by the next call."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pyautograd
from pyautograd import Tensor, Value, nn, scalar

scale = 2.0  # a global that steps read


@pytest.fixture(autouse=True)
def _scale() -> Iterator[None]:
    global scale
    yield
    scale = 2.0


def test_a_changed_number_of_the_closure_is_seen_by_the_next_call() -> None:
    factor = 2.0
    step = pyautograd.compile(lambda x: x * factor)
    x = pyautograd.ones(2)
    assert [step(x).tolist()[0] for _ in range(4)] == [2.0] * 4
    factor = 3.0
    assert [step(x).tolist()[0] for _ in range(4)] == [3.0] * 4
    factor = 2.0
    assert step(x).tolist() == [2.0, 2.0]
    assert len(step.programs) == 2


def test_a_number_that_changes_between_the_first_two_calls_is_seen() -> None:
    factor = 2.0
    step = pyautograd.compile(lambda x: x * factor)
    x = pyautograd.ones(2)
    step(x)
    factor = 3.0
    assert [step(x).tolist()[0] for _ in range(4)] == [3.0] * 4


def test_a_step_reads_what_was_put_on_it_and_nothing_that_it_keeps_itself() -> None:
    @pyautograd.compile
    def step(x: Tensor) -> Any:
        return x * getattr(step, "scale")  # noqa: B009

    step.scale = 2.0  # type: ignore[attr-defined]
    assert [step(pyautograd.ones(1)).item() for _ in range(4)] == [2.0] * 4
    assert len(step.programs) == 1
    step.scale = 3.0  # type: ignore[attr-defined]
    assert [step(pyautograd.ones(1)).item() for _ in range(4)] == [3.0] * 4
    assert len(step.programs) == 2


def test_what_no_guard_compares_may_change_between_the_first_two_calls() -> None:
    seen: list[Any] = []
    weight = nn.Parameter(pyautograd.ones(2))
    lr = pyautograd.tensor(0.5)
    optimizer = pyautograd.optim.SGD([weight], lr=lr)

    @pyautograd.compile
    def step(x: Tensor) -> Tensor:
        np.random.get_state
        optimizer.zero_grad()
        loss = (weight * x).sum()
        seen.append(loss)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(4):
        step(pyautograd.ones(2))
        seen.append("mine")
        np.random.rand()
        lr.mul_(0.5)
    assert seen[1::2] == ["mine"] * 4
    assert [each.item() for each in seen[::2]] == [2.0, 1.0, 0.5, 0.25]
    assert len(step.programs) == 1


def test_a_changed_global_is_seen_also_in_a_function_that_is_called() -> None:
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


def test_changed_members_of_lists_dicts_and_arrays_are_seen_by_the_next_call() -> None:
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


def test_changed_attributes_of_objects_and_classes_are_seen_and_unread_ones_ignored() -> None:
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


def test_a_changed_slot_is_seen_by_the_next_call() -> None:
    class Config:
        __slots__ = ("factor",)

    config = Config()
    config.factor = 2.0
    step = pyautograd.compile(lambda x: x * config.factor)
    x = pyautograd.ones(1)
    assert [step(x).item() for _ in range(3)] == [2.0] * 3
    config.factor = 3.0
    assert [step(x).item() for _ in range(3)] == [3.0] * 3


def test_a_changed_attribute_of_a_tensor_is_seen_by_the_next_call() -> None:
    w: Any = pyautograd.ones(1, requires_grad=True)
    w.factor = 2.0
    step = pyautograd.compile(lambda x: x * w * w.factor)
    x = pyautograd.ones(1)
    assert [step(x).item() for _ in range(3)] == [2.0] * 3
    w.factor = 3.0
    assert [step(x).item() for _ in range(3)] == [3.0] * 3


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


def test_a_global_that_comes_to_hide_a_builtin_is_seen() -> None:
    step = pyautograd.compile(lambda x: sum([x, x]))
    x = pyautograd.ones(1)
    try:
        assert [step(x).item() for _ in range(3)] == [2.0] * 3
        globals()["sum"] = lambda numbers: numbers[0]
        assert [step(x).item() for _ in range(3)] == [1.0] * 3
    finally:
        del globals()["sum"]
    assert step(x).item() == 2.0


def test_a_replaced_function_is_called() -> None:
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


def test_replaced_weights_of_a_scalar_model_are_seen_by_the_next_call() -> None:
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


def test_a_large_array_in_the_closure_warns() -> None:
    table = np.ones(1_000_000, np.float32)
    step = pyautograd.compile(lambda x: x * table[3].item())
    with pytest.warns(UserWarning, match="table.*argument"):
        step(pyautograd.ones(1))


def test_a_global_that_always_changes_warns() -> None:
    global scale
    step = pyautograd.compile(lambda x: x * scale)
    with pytest.warns(UserWarning, match="scale has changed"):
        for n in range(20):
            scale = float(n)
            assert step(pyautograd.ones(1)).item() == n
