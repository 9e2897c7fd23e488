"""An interrupt at any place leaves every mode as it was.

A signal is made to wait before each bytecode in turn; CPython then raises KeyboardInterrupt at the next place where it
looks for signals, as it would with a user's Ctrl-C that came there.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest
from functions import Twice
from trainings import training_step

import pyautograd as pa
from pyautograd import _core, _recording, _updates, nn, optim


@pytest.fixture(autouse=True, scope="module")
def _no_node_left_behind() -> None:
    """Not here: CPython does not free generators that were interrupted while they were traced."""


# As a trace function it makes SIGINT wait and runs no Python; what it is called with is left unread.
make_it_wait = ctypes.pythonapi["PyErr_SetInterrupt"]
make_it_wait.argtypes = [ctypes.py_object] * 3
make_it_wait.restype = None


def interrupted_at(n: int, function: Callable[[], Any]) -> bool:
    """Calls the function with a signal that waits from its n-th bytecode on; False where it has fewer.

    CPython 3.13 traces the bytecodes of a function from the second traced call on: `interrupted_at(0, function)`, which
    interrupts nothing, is the first.
    """
    count = 0
    frames: list[FrameType] = []

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            frames.append(frame)
        elif event == "return":
            frames.remove(frame)  # else it would keep its tensors
        elif event == "opcode":
            count += 1
            if count == n:  # from the next bytecode on
                for each in frames:
                    each.f_trace = make_it_wait
                return make_it_wait
        return trace

    def handle(number: int, frame: FrameType | None) -> None:
        sys.settrace(None)
        for each in frames:
            each.f_trace = None
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    # From CPython 3.12 on, bytecodes are traced only if a frame has asked for it before tracing begins.
    sys._getframe().f_trace_opcodes = True
    gc.disable()  # its callbacks, such as hypothesis has, would be interrupted too, and swallow what is raised in them
    try:
        sys.settrace(trace)
        try:
            function()
        finally:
            sys.settrace(None)
    except KeyboardInterrupt:
        return True
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            signal.signal(signal.SIGINT, before)
        gc.enable()
    return count >= n


def modes() -> tuple[Any, ...]:
    return (
        pa.is_grad_enabled(), _core.is_recording(), _core.is_anomaly_enabled(), pa.get_default_dtype(),
        pa.get_num_threads(),
    )  # fmt: skip


def make_step() -> tuple[Any, nn.Module]:
    model = nn.Linear(3, 1)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    return pa.compile(training_step(model, optimizer, lambda y: y.square().mean())), model


x = pa.ones(4, 3)
weight = pa.ones(3, requires_grad=True)


def write() -> None:
    x[1:3, 0] = 2.0


def use_modes() -> None:
    with pa.no_grad(), pa.enable_grad(), pa.inference_mode(), pa.autograd.detect_anomaly():
        (weight * 2).sum()


@pa.no_grad()
def decorated() -> None:
    (weight * 2).sum()


def differentiate() -> None:
    Twice.apply(weight).sum().backward()


def optimise() -> None:
    optimizer = optim.SGD([weight], lr=0.1, momentum=0.9)
    optimizer.step(lambda: (weight * 2).sum().backward())
    nn.utils.clip_grad_norm_([weight], 1.0)


def normalise() -> None:
    nn.BatchNorm1d(3)(x)
    nn.functional.dropout(x, 0.5)
    nn.Embedding(4, 2)(pa.tensor([1, 2]))
    nn.functional.one_hot(pa.tensor([0, 1]), 2)


def load() -> None:
    model = nn.MLP(2, [2])
    model.load_state_dict(model.state_dict())
    model.double().eval()


def compile_and_run() -> None:
    step, _ = make_step()
    step.run(pa.ones(8, 3), batch_size=4, epochs=2)


FUNCTIONS: list[Callable[[], Any]] = [
    write, use_modes, decorated, lambda: nn.Linear(2, 2), differentiate, optimise,
    normalise, load, lambda: nn.init.kaiming_uniform_(pa.empty(2, 2)),
    lambda: weight.data.copy_(pa.ones(3)), lambda: weight.sum().item(),
]  # fmt: skip


@pytest.mark.skipif(sys.gettrace() is not None, reason="something else traces")
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_an_interrupt_at_any_place_leaves_the_modes_as_they_were(function: Callable[[], Any]) -> None:
    before = modes()
    interrupted_at(0, function)
    n = 0
    while interrupted_at(n := n + 1 + n // 40, function):  # every place of what is short, and some of what is long
        assert modes() == before, n
    assert n > 5


@pytest.mark.skipif(sys.gettrace() is not None, reason="something else traces")
def test_a_write_in_place_that_happened_is_counted() -> None:
    n, interrupted, written = 0, True, []
    interrupted_at(0, write)
    while interrupted:
        t = pa.zeros(4)
        version = t._version
        interrupted = interrupted_at(n := n + 1, lambda t=t: t.__setitem__(1, 2.0))  # type: ignore[misc]
        written.append(bool(t.any()))
        assert written[-1] == (t._version != version), n
    assert not written[0] and written[-1]


@pytest.mark.skipif(sys.gettrace() is not None, reason="something else traces")
def test_a_compiled_step_that_was_interrupted_is_recorded_again() -> None:
    before = modes()
    interrupted_at(0, compile_and_run)
    n = 0
    while interrupted_at(n := 1 + int(n * 1.05), compile_and_run):
        assert modes() == before, n
    assert n > 1000
    optim.SGD([weight], lr=0.1).step()
    assert not _updates.noted
    step, _ = make_step()
    n = 0
    while not step.programs:  # however often it was interrupted, it is compiled in the end
        interrupted_at(n := n + 400, lambda: step(x))
    assert np.isfinite(step(x).item())


@pytest.mark.skipif(sys.gettrace() is not None, reason="something else traces")
def test_an_optimizer_whose_first_step_was_interrupted_makes_its_state_in_the_next() -> None:
    def first_step() -> optim.Optimizer:
        parameters = [pa.ones(3, requires_grad=True), pa.ones(2, requires_grad=True)]
        for p in parameters:
            p.grad = pa.ones_like(p)
        return optim.Adam(parameters, lr=0.1)

    interrupted_at(0, first_step().step)
    n, interrupted = 0, True
    while interrupted:
        optimizer = first_step()
        interrupted = interrupted_at(n := n + 1, optimizer.step)
        optimizer.step()
        assert all({"exp_avg", "exp_avg_sq", "step"} <= kept.keys() for kept in optimizer.state.values()), n
    assert n > 100


@pytest.mark.skipif(sys.gettrace() is not None, reason="something else traces")
def test_an_optimizer_whose_state_was_being_read_keeps_count_of_its_steps() -> None:
    parameters = [pa.ones(3, requires_grad=True), pa.ones(2, requires_grad=True)]
    optimizer = optim.Adam(parameters, lr=0.1)
    for p in parameters:
        p.grad = pa.ones_like(p)
    interrupted_at(0, lambda: optimizer.state)
    n, interrupted = 0, True
    while interrupted:
        optimizer.step()
        interrupted = interrupted_at(n := n + 1, lambda: optimizer.state)
        assert [kept["step"].item() for kept in optimizer.state.values()] == [n, n]
    assert n > 20


def test_a_coroutine_keeps_its_mode_to_itself() -> None:
    async def main() -> tuple[bool, Any]:
        task = asyncio.create_task(in_no_grad())
        await asyncio.sleep(0)
        return pa.is_grad_enabled(), await task

    @pa.no_grad()
    async def in_no_grad() -> tuple[bool, bool]:
        first = pa.is_grad_enabled()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return first, pa.is_grad_enabled()

    assert asyncio.run(main()) == (True, (False, False))


def test_a_generator_keeps_its_mode_to_itself() -> None:
    @pa.no_grad()
    def numbers() -> Any:
        got = []
        for i in range(3):
            try:
                got.append((yield i, pa.is_grad_enabled()))
            except KeyError:
                got.append(("caught", pa.is_grad_enabled()))
        return got

    generator = numbers()
    assert next(generator) == (0, False) and pa.is_grad_enabled()
    assert generator.send("a") == (1, False) and pa.is_grad_enabled()
    assert generator.throw(KeyError()) == (2, False) and pa.is_grad_enabled()
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == ["a", ("caught", False), None]
    assert pa.is_grad_enabled()


def test_a_mode_may_be_entered_within_itself() -> None:
    mode, other = pa.no_grad(), pa.enable_grad()
    with mode:
        with other, mode, other, mode:
            assert not pa.is_grad_enabled()
        assert not pa.is_grad_enabled()
    assert pa.is_grad_enabled()
    with pytest.raises(RuntimeError, match="not entered"):
        mode.__exit__(None, None, None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_mode_entered_before_a_fork_is_left_after_it() -> None:
    code = """
import os, pyautograd as pa
mode = pa.no_grad()
with mode:
    pid = os.fork()
    with mode:
        pass
    assert not pa.is_grad_enabled()
assert pa.is_grad_enabled()
if pid:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=600).returncode == 0


def test_set_grad_enabled_is_a_function_a_context_and_a_decorator() -> None:
    @pa.set_grad_enabled(False)
    def off() -> bool:
        return pa.is_grad_enabled()

    assert pa.is_grad_enabled() and not off()
    with pa.set_grad_enabled(False):
        assert not pa.is_grad_enabled()
    pa.set_grad_enabled(False)
    try:
        assert not pa.is_grad_enabled()
    finally:
        pa.set_grad_enabled(True)
    assert pa.is_grad_enabled()


def test_what_a_decorator_cannot_do_is_said() -> None:
    with pytest.raises(TypeError, match="no_grad: as a decorator it takes a function, not int"):
        pa.no_grad(3)

    async def numbers() -> Any:
        yield 1

    with pytest.raises(TypeError, match="asynchronous generator; write `with` in its body"):
        pa.enable_grad()(numbers)


def test_gradients_of_grad_are_looked_at_for_anomalies_too() -> None:
    a = pa.tensor([0.0], requires_grad=True)
    with pa.autograd.detect_anomaly(), pytest.raises(FloatingPointError, match="sqrt"):
        pa.autograd.grad(a.sqrt().sum(), a)


def test_an_interrupt_while_a_step_is_watched_is_raised_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def note(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_recording.Sights, "note", note)
    step, model = make_step()
    before = model.weight.detach().clone()
    with pytest.raises(KeyboardInterrupt):
        step(x)
    assert (model.weight == before).all()  # raised behind backward(), before the update
    monkeypatch.undo()
    assert [step(x).item() for _ in range(3)]
