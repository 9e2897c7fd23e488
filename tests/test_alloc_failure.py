"""Every allocation of an eager training step fails in turn: MemoryError, no leak, graph and model unchanged."""

import gc
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pyautograd
from pyautograd import nn, optim, scalar
from pyautograd._c import lib

MOST = 2000  # allocations that no step here comes near


def alive() -> tuple[int, ...]:
    """What the core holds."""
    stats = pyautograd.memory_stats()
    return stats.nodes, stats.storages, stats.live_bytes


def assert_alive(expected: tuple[int, ...], number: int) -> None:
    """Nothing is left behind by the run in which allocation `number` failed."""
    if alive() != expected:
        gc.collect()
    assert alive() == expected, number


def failures() -> Iterator[int]:
    """0, 1, 2 …: each time the allocation of that number fails, until none of that number is reached."""
    try:
        for number in range(MOST):
            lib.pa_memory_fail_after(number)
            yield number
            reached = lib.pa_memory_fail_left() < 0
            lib.pa_memory_fail_after(-1)
            if not reached:
                return
        pytest.fail(f"more than {MOST} allocations")
    finally:
        lib.pa_memory_fail_after(-1)


def numbers(model: nn.Module) -> list[Any]:
    """Copies of every parameter and gradient."""
    found: list[Any] = []
    for parameter in model.parameters():
        found.append(parameter.detach().numpy().copy())
        found.append(None if parameter.grad is None else parameter.grad.numpy().copy())
    return found


def assert_same(before: list[Any], after: list[Any]) -> None:
    assert len(before) == len(after)
    for a, b in zip(before, after):
        np.testing.assert_array_equal(a, b)


OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: optim.Adam(parameters, lr=0.1),
    "rmsprop": lambda parameters: optim.RMSprop(parameters, lr=0.1, centered=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step(name: str) -> None:
    x = pyautograd.tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))
    y = pyautograd.tensor([0, 1, 1, 0])

    def run(number: int) -> bool:
        """Two steps, in the first of which allocation `number` fails and is asked for again; was it reached?"""
        pyautograd.manual_seed(1)
        model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
        optimizer = OPTIMIZERS[name](model.parameters())
        nn.functional.cross_entropy(model(x), y).backward()  # so that there are gradients to be kept
        kept: dict[str, Any] = {}

        def forward() -> None:
            kept["loss"] = nn.functional.cross_entropy(model(x), y)

        def backward() -> None:
            kept["loss"].backward()

        left = number
        reached = False
        for phase in (forward, backward, optimizer.step, optimizer.zero_grad, forward, backward, optimizer.step):
            before = numbers(model)
            lib.pa_memory_fail_after(left)
            try:
                phase()
            except MemoryError:
                assert lib.pa_memory_fail_left() < 0
                reached = True
            left = lib.pa_memory_fail_left()
            lib.pa_memory_fail_after(-1)
            assert reached == (left < 0), f"{phase.__name__} went on without its allocation"
            if reached and number != MOST:
                number = MOST
                assert_same(before, numbers(model))
                phase()
        if expected:
            assert_same(expected, numbers(model))
        else:
            expected.extend(numbers(model))
        return reached

    expected: list[Any] = []
    run(MOST)
    gc.collect()
    start = alive()
    for number in range(MOST):
        reached = run(number)
        assert_alive(start, number)
        if not reached:
            break
    assert number >= 10


def test_a_step_over_values() -> None:
    def run() -> float:
        model = scalar.MLP(2, [3, 1])
        scores = [model([0.5, -1.0]), model([1.0, 2.0])]
        loss = sum(((1 - score).relu() for score in scores), scalar.Value(0.0)).tanh()
        loss.backward()
        for parameter in model.parameters():
            parameter.data -= 0.1 * parameter.grad
        return float(loss.data)

    def seeded() -> float:
        random.seed(3)
        return run()

    expected = seeded()
    gc.collect()
    start = alive()
    tried = 0
    for number in failures():
        tried = number
        try:
            assert seeded() == expected  # an op may find another way; the numbers are the same
        except MemoryError as error:
            assert "injected" in str(error)
        assert_alive(start, number)
    assert tried >= 20


MAKERS: dict[str, Callable[[], object]] = {
    "tensor": lambda: pyautograd.tensor([[1.0, 2.0], [3.0, 4.0]]),
    "zeros": lambda: pyautograd.zeros(3, 4),
    "randn": lambda: pyautograd.randn(5),
    "arange": lambda: pyautograd.arange(5),
    "index": lambda: pyautograd.ones(4, 3)[[0, 2]],
    "mask": lambda: pyautograd.ones(4, 3)[pyautograd.ones(4, 3) > 0],
    "cat": lambda: pyautograd.cat([pyautograd.ones(2), pyautograd.zeros(3)]),
    "transposed product": lambda: pyautograd.ones(3, 4) @ pyautograd.ones(5, 4).T,
    "reshape": lambda: pyautograd.ones(3, 4).T.reshape(2, 6),
    "variance": lambda: pyautograd.randn(4, 5).var(0),
    "softmax": lambda: pyautograd.randn(4, 5).softmax(1),
    "where": lambda: pyautograd.where(pyautograd.ones(3) > 0, 1.0, 2.0),
    "grad": lambda: pyautograd.autograd.grad((w := pyautograd.ones(3, requires_grad=True)).square().sum(), [w]),
    "in place": lambda: pyautograd.zeros(3).add_(pyautograd.ones(3)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_makes_tensors(name: str) -> None:
    MAKERS[name]()
    gc.collect()
    start = alive()
    for number in failures():
        try:
            MAKERS[name]()
        except MemoryError:
            pass
        else:
            assert lib.pa_memory_fail_left() >= 0, f"allocation {number} failed unnoticed"
        assert_alive(start, number)
