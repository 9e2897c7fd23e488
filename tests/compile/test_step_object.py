"""A compiled step looks like its function, may be a method or called by another step, and frees what nobody holds."""

import functools
import gc
import inspect
import weakref
from typing import Any

import numpy as np
import pytest
from threads import in_threads

import pyautograd
from pyautograd import CompiledStep, Tensor, nn, optim


def test_a_disabled_step_runs_line_by_line_and_trains_as_the_program_does() -> None:
    def training(**options: Any) -> Any:
        w, lines = nn.Parameter(pyautograd.ones(2)), []
        optimizer = optim.Adam([w], lr=0.1)

        @pyautograd.compile(**options)
        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = ((w - x) ** 2).mean()
            loss.backward()
            optimizer.step()
            if options:
                lines.append(float(loss.detach()))
            return loss

        x = np.arange(20.0, dtype=np.float32).reshape(10, 2)
        losses = step.run(x, batch_size=4, epochs=3, seed=0)
        return losses.tolist(), w.tolist(), step(x).item(), lines, step.programs

    plain, compiled = training(disable=True), training()
    assert plain[:3] == compiled[:3]
    assert plain[3] == [*plain[0], plain[2]]
    assert plain[4] == []

    class Model:
        @pyautograd.compile(disable=True)
        def double(self, x: Any) -> Any:
            assert isinstance(x, Tensor)
            return x * 2

    assert [Model().double(np.ones(1)).item() for _ in range(4)] == [2.0] * 4


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="compile: a function"):
        pyautograd.compile(3)  # type: ignore[call-overload]


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


def test_draw_shows_the_instructions_of_a_program() -> None:
    step = pyautograd.compile(lambda x: (x * 2).sum())
    with pytest.raises(RuntimeError, match="no program"):
        step.draw()
    for _ in range(2):
        step(pyautograd.ones(3))
    assert "->" in step.draw().source or len(step.programs[0].describe()["instructions"]) < 2


class Trainer:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    @pyautograd.compile
    def step(self, x: Tensor) -> Tensor:
        """A method."""
        return x * self.factor


def test_a_compiled_method_has_programs_of_its_own_for_each_object() -> None:
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


def test_a_compiled_step_may_call_another() -> None:
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


def test_threads_may_call_one_step() -> None:
    factor = pyautograd.tensor([3.0])
    step = pyautograd.compile(lambda x: (x * factor).sum())

    def work(number: float) -> set[float]:
        x = pyautograd.full((5,), number)
        return {step(x).item() for _ in range(300)}

    found = in_threads(*(functools.partial(work, number) for number in (1.0, 2.0, 3.0, 4.0)))
    assert found == [{15.0}, {30.0}, {45.0}, {60.0}]
    assert len(step.programs) == 1
