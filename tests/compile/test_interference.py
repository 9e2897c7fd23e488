"""What a replay uses is its own until it ends, whatever a callback, another thread or a fork does meanwhile."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn, optim


class Regression:
    """A net, its optimiser, and a step that reads both from here, so that they may be replaced."""

    def __init__(self, width: int = 16) -> None:
        pa.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 1))
        self.optimizer = optim.Adam(self.model.parameters(), lr=1e-3)

    def step(self, x: Any, y: Any) -> pa.Tensor:
        x, y = pa.as_tensor(x), pa.as_tensor(y)
        self.optimizer.zero_grad()
        loss = ((self.model(x) - y) ** 2).mean()
        loss.backward()
        self.optimizer.step()
        return loss


X = np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def take_a_parameters_state(training: Regression) -> None:
    training.optimizer.state.pop(next(training.model.parameters()), None)


def clear_inner_dicts(training: Regression) -> None:
    for kept in training.optimizer.state.values():
        kept.clear()


def replace_data_and_gradients(training: Regression) -> None:
    for p in training.model.parameters():
        p.data = pa.full_like(p, 0.1)
        p.grad = pa.ones_like(p)


def load_states(training: Regression) -> None:
    training.optimizer.load_state_dict(training.optimizer.state_dict())
    training.model.load_state_dict({name: t * 0.5 for name, t in training.model.state_dict().items()})


def change_options(training: Regression) -> None:
    for group in training.optimizer.param_groups:
        group["lr"] *= 0.5
        group["amsgrad"] = True


def freeze_a_layer(training: Regression) -> None:
    training.model[0].requires_grad_(False)


def train_by_hand(training: Regression) -> None:
    training.step(X[:32], Y[:32])


ACTIONS: dict[str, Callable[[Regression], Any]] = {
    "clear": lambda training: training.optimizer.state.clear(),
    "pop": take_a_parameters_state,
    "inner": clear_inner_dicts,
    "private": lambda training: training.optimizer._state.clear(),
    "replace": replace_data_and_gradients,
    "load": load_states,
    "options": change_options,
    "freeze": freeze_a_layer,
    "by hand": train_by_hand,
    "zero": lambda training: training.optimizer.zero_grad(set_to_none=False),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_a_callback_may_do_what_a_loop_may(action: Callable[[Regression], None]) -> None:
    plain, compiled = Regression(), Regression()
    wanted = []
    for epoch in range(8):
        wanted += [plain.step(X[i : i + 32], Y[i : i + 32]).item() for i in range(0, len(X), 32)]
        if epoch % 2 == 0:
            action(plain)

    def callback(epoch: int, losses: Any) -> None:
        if epoch % 2 == 0:
            action(compiled)

    step = pa.compile(compiled.step)
    got = step.run(X, Y, batch_size=32, epochs=8, shuffle=False, callback=callback)
    np.testing.assert_array_equal(got, wanted)
    for a, b in zip(plain.model.parameters(), compiled.model.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_a_callback_may_call_the_step_run_it_and_forget_it() -> None:
    training = Regression()
    step = pa.compile(training.step)

    def callback(epoch: int, losses: Any) -> None:
        assert np.isfinite(step(X[:32], Y[:32]).item())
        assert len(step.run(X, Y, batch_size=64)) == 4
        if epoch == 3:
            step.clear()

    assert np.isfinite(step.run(X, Y, batch_size=32, epochs=6, callback=callback)).all()


def test_a_step_that_adds_to_gradients_runs_call_by_call() -> None:
    w = nn.Parameter(pa.ones(8, 1))

    @pa.compile
    def step(x: pa.Tensor, y: pa.Tensor) -> pa.Tensor:
        loss = ((x @ w - y) ** 2).mean()
        loss.backward()
        return loss

    assert len(step.run(pa.tensor(X), pa.tensor(Y), batch_size=32, epochs=3)) == 24
    assert w.grad is not None


def test_a_state_that_moves_on_does_not_take_its_memory_along() -> None:
    training = Regression()
    training.step(X, Y)
    training.optimizer.load_state_dict(training.optimizer.state_dict())
    training.step(X, Y)
    for kept in training.optimizer._state.values():
        kept["exp_avg"] += pa.zeros_like(kept["exp_avg"]).requires_grad_()  # the name is another node's from now on
    pa.empty_cache()
    assert np.isfinite(training.step(X, Y).item())


@pytest.mark.parametrize(
    "change",
    [lambda s: s.reshape(-1)[:1].clone(), lambda s: s.double(), lambda s: s.unsqueeze(0),
     lambda s: pa.zeros(*s.shape[::-1]).T],
    ids=["smaller", "of another dtype", "of another shape", "not contiguous"],
)  # fmt: skip
def test_a_state_that_does_not_fit_its_parameter_is_refused_as_in_eager_steps(change: Any) -> None:
    training = Regression()
    step = pa.compile(training.step)
    for _ in range(3):
        step(X, Y)
    for kept in training.optimizer.state.values():
        kept["exp_avg"] = change(kept["exp_avg"])
    for attempt in (step, lambda x, y: step.run(x, y, batch_size=256), training.step):
        with pytest.raises(ValueError, match="adam: state 0 of parameter 0 has shape"):
            attempt(X, Y)


def test_a_state_whose_dtype_changes_in_place_is_refused_too() -> None:
    training = Regression()
    step = pa.compile(training.step)
    for _ in range(3):
        step(X, Y)
    kept = next(iter(training.optimizer._state.values()))["exp_avg"]  # `.state` would have all of them read anew
    kept.data = kept.double()
    with pytest.raises(ValueError, match=r"adam: state 0 of parameter 0 has shape .* float64"):
        step(X, Y)


def replace_optimizer(training: Regression) -> None:
    training.optimizer = optim.Adam(training.model.parameters(), lr=1e-3)


def write_gradients(training: Regression) -> None:
    for p in training.model.parameters():
        if p.grad is not None:
            p.grad.mul_(2)


ATTACKS = {**ACTIONS, "write gradients": write_gradients, "replace optimizer": replace_optimizer}


@pytest.mark.parametrize("action", ATTACKS.values(), ids=ATTACKS)
def test_what_another_thread_does_meanwhile_is_refused_or_harmless(action: Callable[[Regression], None]) -> None:
    """It may be told that it cannot, or that the step cannot go on; never more."""
    training = Regression(width=256)
    step = pa.compile(training.step)
    for _ in range(3):
        step(X, Y)
    done = threading.Event()

    def attack() -> None:
        try:
            for _ in range(30):
                try:
                    action(training)
                except RuntimeError as error:
                    assert "another" in str(error) or "modified in place" in str(error), error
        finally:
            done.set()

    thread = threading.Thread(target=attack)
    thread.start()
    while not done.is_set():
        try:
            step.run(X, Y, batch_size=32, epochs=20)
        except RuntimeError as error:  # TraceError is one
            assert "another" in str(error) or isinstance(error, pa.TraceError) or "does not require grad" in str(error)
    thread.join()


FORK = """
import os, threading, time
import numpy as np
import pyautograd as pa
from pyautograd import nn, optim

model = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 1))
optimizer = optim.Adam(model.parameters(), lr=1e-3)

def eager(x, y):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    return loss

step = pa.compile(eager)
x = pa.randn(4096, 8)
y = x.sum(1, keepdim=True)
over = threading.Event()
thread = threading.Thread(
    target=lambda: step.run(x, y, batch_size=64, epochs=10**6, callback=lambda epoch, losses: over.is_set())
)
thread.start()
while not step.programs:  # a write to the model while a step is recorded would end the thread
    time.sleep(0.001)
children = 0
while children < 4:
    try:  # the model is locked while the other thread runs
        with pa.no_grad():
            next(model.parameters()).add_(0)
        continue
    except RuntimeError:
        pass
    children += 1
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            assert pa.is_grad_enabled()
            for _ in range(3):
                eager(x[:64], y[:64])
                step(x[:64], y[:64])
            step.run(x, y, batch_size=64, epochs=2)
            model.double()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
over.set()
thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_while_another_thread_runs_trains_the_model() -> None:
    found = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
