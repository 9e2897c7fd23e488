"""`.item()` of what a step computes is a deferred number: the step may compute with it, and gives it back as the Python
number that the plain step gives; deciding on it, and formatting it, is refused."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, Value
from pyautograd.nn import functional as F

from .training import plainly, refused


def numbers(i: int) -> Tensor:
    return pa.tensor(np.random.default_rng(i).normal(size=(2, 3)).astype(np.float32))


def of_a_view(x: Tensor) -> Any:
    seen = x[1:, :1]
    return seen.item(), x.T[0, 1].item()


def before_a_write(x: Tensor) -> Any:
    made = x.clone()
    before = made[0, 0].item()
    made[0, 0] = 7.0
    return before, made[0, 0].item()


def as_an_average(x: Tensor) -> Any:
    total = 0.0
    for row in x:
        total += row.sum().item()
    return total / len(x)


def counted(x: Tensor) -> Any:
    hits = 0
    for row in x:
        hits += (row[0] > 0).item()
    both = (x[0, 0] > 0).item() + (x[1, 1] > 0).item()
    return hits, hits / 2, both, -(x[0, 0] > 0).item(), (x[0, 0] > 0).item() - 1


def in_new_tensors(x: Tensor) -> Any:
    low, high = x.amin().item(), x.argmax().item()
    return (pa.tensor([low, 1.0, high]), pa.tensor(high), pa.tensor([[low], [low]], dtype=pa.float64),
            pa.full((2,), low), pa.full((2,), high), x.new_tensor([low]), pa.zeros(2).fill_(low), pa.tensor(x),
            pa.tensor([x[0, 0], x[1, 1]]))  # fmt: skip


STEPS: dict[str, Callable[[Tensor], Any]] = {
    "float32": lambda x: x.sum().item(),
    "float64": lambda x: x.double().sum().item(),
    "int": lambda x: x.argmax().item(),
    "bool": lambda x: (x.sum() > 0).item(),
    "of a view": of_a_view,
    "before a write": before_a_write,
    "with floats": lambda x: (x.sum().item() * 2 + 1, 1 / (2 + x.argmax().item()), x.argmax().item() ** 2),
    "with tensors": lambda x: (x * x.sum().item(), x.argmax() + x.argmax().item(), x + x.argmax().item() / 3),
    "with itself": lambda x: x.argmax().item() / 7 - x.sum().item() * x.amax().item(),
    "compared": lambda x: (x.sum().item() > 0.5, x.argmax().item() == 2),
    "signs": lambda x: (~x.argmax().item(), (x.argmax().item() + 1) ** -1, pa.as_tensor(x.sum().item())),
    "its type": lambda x: (
        isinstance(x.sum().item(), float),
        isinstance(x.argmax().item(), int | bool),
        isinstance(x, float),
        isinstance((x[0, 0] > 0).item(), bool),
        isinstance(x.argmax().item(), float),
    ),
    "an average": as_an_average,
    "counted": counted,
    "nested": lambda x: {"loss": [x.sum().item()], "parts": (x[0].tolist(), x.tolist(), x[0, 0].tolist())},
    "in new tensors": in_new_tensors,
    "allclose": lambda x: (pa.allclose(x, x + 1e-9), x.allclose(x + 1)),
    "as an option": lambda x: F.mse_loss(x, pa.zeros_like(x)) * x.abs().amax().item(),
    "as alpha": lambda x: x.clone().add_(x, alpha=x.sum().item()),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_deferred_number_comes_out_as_that_of_the_plain_step(name: str) -> None:
    compiled = pa.compile(STEPS[name])
    for i in range(5):
        assert plainly(compiled(numbers(i))) == plainly(STEPS[name](numbers(i)))
    assert len(compiled.programs) == 1


@pytest.mark.filterwarnings("ignore:float. a Value")
def test_the_number_of_a_value_may_be_computed_with() -> None:
    def step(v: Value, lr: float) -> Any:
        loss = v * v * 0.5
        scale = loss.item() * lr
        return loss * scale, loss.item(), pa.tensor([loss, 1.0])

    compiled = pa.compile(step)
    for i in range(4):
        found, wanted = compiled(Value(1.0 + i), 0.1 * i), step(Value(1.0 + i), 0.1 * i)
        assert (found[0].data, found[1], found[2].tolist()) == (wanted[0].data, wanted[1], wanted[2].tolist())


@pytest.mark.parametrize(
    ("decide", "advice"),
    [
        (lambda number: 1 if number > 0 else 2, r"bool.*where"),
        (lambda number: number and 1, r"bool.*where"),
        (lambda number: max(number, 0.0), r"bool.*where"),
        (lambda number: sorted([number, 0.5, number * 2]), r"bool.*where"),
        (lambda number: float(number), r"float.*\.item\(\)"),
        (lambda number: int(number), r"int.*\.item\(\)"),
        (lambda number: math.exp(number), r"float.*pyautograd\.exp"),
        (lambda number: math.isnan(number), r"float.*"),
        (lambda number: round(number, 3), r"round.*outside"),
        (lambda number: f"{number:.3f}", r"format.*outside"),
        (lambda number: f"{number}", r"repr.*outside"),
        (lambda number: str(number), r"repr.*outside"),
        (lambda number: f"{number:5}", r"format.*outside"),
        (lambda number: np.float32(number), r"(float|numpy).*"),
        (lambda number: np.sqrt(number), r"pyautograd\.sqrt"),
        (lambda number: np.mean([number, 1.0]), r"(float|numpy).*"),
        (lambda number: number.numpy(), r"numpy.*outside"),
        (lambda number: pa.arange(number), r"float.*"),
    ],
)
def test_deciding_on_a_deferred_number_and_formatting_it_are_refused(decide: Any, advice: str) -> None:
    for of in (lambda x: x.sum().item(), lambda x: x.sum()):
        refused(pa.compile(lambda x, of=of: decide(of(x))), numbers(0), match=advice)


@pytest.mark.parametrize(
    "divide",
    [lambda n: n // 2, lambda n: 7 // n, lambda n: n % 2, lambda n: divmod(n, 2)],
)
def test_whole_division_of_a_deferred_number_is_refused(divide: Any) -> None:
    refused(pa.compile(lambda x: divide(x.argmax().item())), numbers(0), match=r"// or %.*floor")


@pytest.mark.parametrize(
    "decide",
    [
        lambda x: [0, 1, 2][x.argmax().item()],
        lambda x: range(x.argmax().item()),
        lambda x: min(x[0].tolist()),
        lambda x: sorted(x[0].tolist()),
        lambda x: {True: 1}[x.tolist()[0][0] > 0],
        lambda x: pa.zeros(100, 100).add_(x.sum()).tolist(),
        lambda x: x.repeat(x.argmax().item() + 1, 1),
    ],
)
def test_a_deferred_number_that_python_must_have_is_refused(decide: Callable[[Tensor], Any]) -> None:
    refused(pa.compile(decide), numbers(0))


def test_a_number_that_the_step_knows_is_an_ordinary_one() -> None:
    def step(x: Tensor) -> Any:
        known = pa.tensor([3, 1, 2])
        return x * known, [0.5, 1.5, 2.5][known[1].item()], sorted(known.tolist())

    compiled = pa.compile(step)
    assert [compiled(pa.ones(3))[1:] for _ in range(4)] == [(1.5, [1, 2, 3])] * 4
