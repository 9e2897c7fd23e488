"""What a step raises is shown with the caller's lines and the step's own, not with those of the machinery between."""

import signal
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threads import interrupt_while_in_use
from trainings import training_step

import pyautograd as pa
from pyautograd import nn, optim

X, Y = np.linspace(-1, 1, 60).reshape(20, 3), np.arange(20) % 2


def a_step() -> Any:
    model = nn.Linear(3, 2)
    return pa.compile(training_step(model, optim.SGD(model.parameters(), lr=0.1)))


def frames_of(error: BaseException) -> list[str]:
    """The functions that a traceback shows, below the test's own."""
    assert "During handling" not in "".join(traceback.format_exception(error))
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)][1:]


def no_loss(x: pa.Tensor, y: pa.Tensor) -> None:
    nn.functional.linear(x, pa.ones(1, 3))


def no_epoch(epoch: int, losses: Any) -> None:
    raise KeyError("epoch")


@pytest.mark.parametrize(
    ("call", "frames"),
    [
        (lambda step: step.run(X, Y + 1, batch_size=8), ["<lambda>", "run", "step", "train", "cross_entropy"]),
        (lambda step: step.run(X, X[:, :1], batch_size=8), ["<lambda>", "run", "step", "train", "check_shapes"]),
        (lambda step: pa.compile(no_loss).run(X, Y, batch_size=8), ["<lambda>", "run", "_loss_of"]),
        (lambda step: step.run(X, Y), ["<lambda>", "run", "__init__"]),
        (lambda step: step.run(X, Y, batch_size=8, callback=no_epoch), ["<lambda>", "run", "no_epoch"]),
        (lambda step: step(X, Y), ["<lambda>", "__call__", "step", "train", "forward"]),
    ],
    ids=["a class that is not there", "targets of another shape", "no loss", "no batch size", "a callback", "a call"],
)  # fmt: skip
def test_a_traceback_has_the_callers_and_the_steps_lines(call: Callable[[Any], Any], frames: list[str]) -> None:
    with pytest.raises((TypeError, ValueError, IndexError, KeyError)) as caught:
        call(a_step())
    assert frames_of(caught.value) == frames


def test_what_a_trace_error_came_from_is_shown_as_short() -> None:
    @pa.compile
    def step(x: pa.Tensor) -> Any:
        return x.astype(float)  # type: ignore[attr-defined]

    with pytest.raises(pa.TraceError) as caught:
        step(X)
    cause = caught.value.__cause__
    assert cause is not None
    assert "_called" not in [frame.f_code.co_name for frame, _ in traceback.walk_tb(cause.__traceback__)]


def test_an_interrupt_of_a_run_is_shown_at_the_run() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    model = nn.Linear(3, 2)
    step = pa.compile(training_step(model, optim.SGD(model.parameters(), lr=0.1)))
    step.run(X, Y, batch_size=8)
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            thread = interrupt_while_in_use(model.weight)
            step.run(X, Y, batch_size=8, epochs=10**9)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert frames_of(caught.value) == ["run"]
