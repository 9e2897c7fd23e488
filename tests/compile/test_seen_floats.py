"""A float that Python has to see: a branch, a key of a dict, an option that the step reads as a number."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

import pyautograd as pa
from pyautograd import Tensor, nn

from .training import alike, refused


def test_a_float_on_which_the_step_decides_joins_the_signature() -> None:
    def step(x: Tensor, lr: float, p: float) -> Tensor:
        y = x * lr
        return nn.functional.leaky_relu(y - 1, p) if lr * 2 > 1 else y

    fast = pa.compile(step)
    x = pa.tensor([-1.0, 2.0])
    for lr in [0.25, 0.75] * 4:
        for p in (0.1, 0.2):
            assert fast(x, lr, p).tolist() == step(x, lr, p).tolist()
    assert len(fast.programs) == 3  # p is seen only where lr is large


def test_a_float_is_looked_up_and_rounded_by_its_number() -> None:
    table, known = {0.5: 2.0, 0.25: 3.0}, {0.5}

    def step(x: Tensor, lr: float) -> Tensor:
        return x * table[lr] * (2.0 if lr in known else 1.0) + round(lr, 1)

    fast = pa.compile(step)
    for lr in [0.5] * 4 + [0.25] * 4:
        assert fast(pa.ones(2), lr).tolist() == step(pa.ones(2), lr).tolist()
    assert len(fast.programs) == 2


@pytest.mark.parametrize("text", [str, repr, "{:.2f}".format, "{}".format])
def test_the_text_of_a_float_argument_is_refused(text: Callable[[float], str]) -> None:
    refused(pa.compile(lambda x, lr: (x, text(lr))[0]), pa.ones(1), 0.5, match="text of a float.*host_call")


@pytest.mark.parametrize("calls", [1, 3], ids=["recorded", "compiled"])
def test_many_numbers_that_are_seen_warn(calls: int) -> None:
    step = pa.compile(lambda x, lr: x if lr > 0.5 else -x)
    with pytest.warns(UserWarning, match="'lr', a float on which the step decides"):
        for k in range(12 * calls):
            step(pa.ones(1), 0.1 * (k // calls))


def test_options_that_the_step_reads_as_numbers_are_those_of_the_call() -> None:
    def act(wrap: Any) -> Any:
        w = pa.ones(2, requires_grad=True)
        optimizer = pa.optim.SGD([w], lr=0.1)

        @wrap
        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            (w * x).sum().backward()
            with pa.no_grad():
                for group in optimizer.param_groups:
                    for p in group["params"]:
                        p -= group["lr"] * 0.5 * p
            optimizer.step()
            return w.sum()

        trail = []
        for k in range(8):
            optimizer.param_groups[0]["lr"] = 0.1 if k < 4 else 0.05
            trail.append((step(pa.ones(2)).item(), w.tolist()))
        return trail

    alike(act)


def test_what_a_schedule_says_is_that_of_the_call() -> None:
    optimizer = pa.optim.SGD([pa.ones(2, requires_grad=True)], lr=0.1)
    schedule = pa.optim.lr_scheduler.StepLR(optimizer, 2)
    step = pa.compile(lambda x: (x * schedule.get_last_lr()[0], x * schedule.last_epoch))
    for epoch in range(6):
        rate, count = step(pa.ones(1, dtype=pa.float64))
        assert (rate.tolist(), count.tolist()) == (schedule.get_last_lr(), [epoch])
        optimizer.step()
        schedule.step()


def test_a_float_is_seen_at_the_end_of_a_long_computation() -> None:
    def step(x: float) -> float:
        for _ in range(9000):
            x = x * 1.0001
        return 1.0 if x > 3.0 else 2.0

    fast = pa.compile(step)
    seen: list[float] = []
    limit = threading.stack_size(256 * 1024)
    thread = threading.Thread(target=lambda: seen.extend(fast(x) for x in (1.0, 2.0, 1.0, 2.0)))
    try:
        thread.start()
    finally:
        threading.stack_size(limit)
    thread.join()
    assert seen == [step(1.0), step(2.0)] * 2
