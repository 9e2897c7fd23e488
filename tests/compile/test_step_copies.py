"""Steps copy as functions do: with their owner where they are its methods, by name in a module, programs aside."""

from __future__ import annotations

import copy
import functools
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trainings import train

import pyautograd
from pyautograd import Tensor, nn, optim

from .training import batches, close


@pyautograd.compile
def module_level(x: Tensor) -> Tensor:
    return x * 2


def plain(x: Tensor) -> Tensor:
    return x * 3


under_another_name = pyautograd.compile(plain, passes={"fuse": False})


class Owner:
    """A model, its optimiser and a step, in one object."""

    def __init__(self) -> None:
        pyautograd.manual_seed(3)
        self.model = nn.MLP(3, [5, 2])
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.05)

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        return train(self.model, self.optimizer, x, y)

    def numbers(self) -> list[Any]:
        return [tensor.tolist() for tensor in self.model.state_dict().values()]


class Plain(Owner):
    step: Any = Owner._step


class Method(Owner):
    @pyautograd.compile
    def step(self, x: Tensor, y: Tensor) -> Tensor:
        return self._step(x, y)


class Renamed(Owner):
    step = pyautograd.compile(Owner._step)


class Attribute(Owner):
    def __init__(self) -> None:
        super().__init__()
        self.step = pyautograd.compile(self._step)


class Partial(Owner):
    def __init__(self) -> None:
        super().__init__()
        self.step = pyautograd.compile(functools.partial(train, self.model, self.optimizer))


class Model(nn.Module):
    """A model that has its step."""

    def __init__(self) -> None:
        super().__init__()
        pyautograd.manual_seed(3)
        self.model = nn.MLP(3, [5, 2])
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.05)
        self.step = pyautograd.compile(self._step)

    _step, numbers = Owner._step, Owner.numbers


WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda owner: pickle.loads(pickle.dumps(owner)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [Method, Renamed, Attribute, Partial, Model])
def test_the_step_of_a_copied_owner_trains_the_copy(kind: Callable[[], Any], way: str) -> None:
    owner, expected = kind(), Plain()
    data = batches(8)
    for x, y in data[:4]:
        assert close([owner.step(x, y).item()], [expected.step(x, y).item()])
    copied = WAYS[way](owner)
    assert owner.step.programs and not copied.step.programs
    before = owner.numbers()
    for x, y in data[4:]:
        assert close([copied.step(x, y).item()], [expected.step(x, y).item()])
        assert close(copied.numbers(), expected.numbers())
    assert owner.numbers() == before and copied.step.programs


def test_a_bound_step_that_the_owner_keeps_goes_with_it() -> None:
    class Keeping:
        def __init__(self) -> None:
            self.by = 2.0
            self.kept = self.step

        @pyautograd.compile
        def step(self, x: Tensor) -> Tensor:
            return x * self.by

    owner = Keeping()
    copied = copy.deepcopy(owner)
    copied.by = 3.0
    assert copied.kept == copied.step != owner.step == owner.kept
    for _ in range(4):
        assert [each.kept(pyautograd.ones(1)).item() for each in (owner, copied)] == [2.0, 3.0]


def test_a_shallow_copy_s_method_trains_what_both_have() -> None:
    owner = Method()
    copied, (data,) = copy.copy(owner), batches(1)
    for _ in range(4):
        copied.step(*data)
    assert copied.model is owner.model
    assert copy.copy(owner.step) == owner.step != copied.step


def test_functions_stay_what_they_are_whatever_they_close_over() -> None:
    model = nn.Linear(2, 1)
    step = pyautograd.compile(lambda x: model(x))
    copied_model, copied = copy.deepcopy([model, step])
    assert copied is step is copy.copy(step) and copied_model is not model
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(step)


def test_a_step_that_is_a_callable_object_goes_with_it() -> None:
    model = nn.Linear(2, 1)
    with pyautograd.no_grad():
        predict = pyautograd.compile(model)
        for way in WAYS.values():
            copied = way(predict)
            nn.init.zeros_(copied.__wrapped__.weight)
            nn.init.zeros_(copied.__wrapped__.bias)
            for _ in range(4):
                assert copied(pyautograd.ones(1, 2)).item() == 0.0
                assert predict(pyautograd.ones(1, 2)).item() == model(pyautograd.ones(1, 2)).item() != 0.0


def test_a_step_of_a_module_is_pickled_by_its_name() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(module_level, protocol)) is module_level
        assert pickle.loads(pickle.dumps(Method.step, protocol)) is Method.step
    copied = pickle.loads(pickle.dumps(under_another_name))
    assert copied is not under_another_name and copied.__wrapped__ is plain
    assert copied._passes == {"fuse": False}


SCRIPT = """
import multiprocessing, pickle, sys
import pyautograd as pa

offset = pa.ones(1)

@pa.compile
def step(x):
    return x * 2 + offset

class Trainer:
    def __init__(self, by):
        self.by = by
    @pa.compile
    def step(self, x):
        return x * self.by

def numbers(step):
    return [step(pa.full((1,), float(n))).item() for n in range(4)]

def calls(step):
    return numbers(step), step is globals()["step"]

if __name__ == "__main__":
    offset = pa.zeros(1)
    numbers(step)
    assert all(pickle.loads(pickle.dumps(step, p)) is step for p in range(6))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(step, [pa.ones(1)])[0].item() == 3.0  # by its name, in a module of the process's own
        assert pool.apply(calls, (step,)) == ([1.0, 3.0, 5.0, 7.0], True)
        assert pool.apply(numbers, (Trainer(3.0).step,)) == [0.0, 3.0, 6.0, 9.0]
    try:
        import cloudpickle
    except ImportError:
        sys.exit()
    offset = pa.full((1,), 5.0)
    copied = pickle.loads(cloudpickle.dumps(step))
    offset = pa.zeros(1)
    assert copied is not step and numbers(copied) == [5.0, 7.0, 9.0, 11.0] and numbers(step) == [0.0, 2.0, 4.0, 6.0]
    trainer = pickle.loads(cloudpickle.dumps(Trainer(3.0)))
    assert numbers(trainer.step) == numbers(pickle.loads(cloudpickle.dumps(Trainer(3.0).step))) == [0.0, 3.0, 6.0, 9.0]
    by = 4.0
    assert numbers(pickle.loads(cloudpickle.dumps(pa.compile(lambda x: x * by)))) == [0.0, 4.0, 8.0, 12.0]
    import joblib
    assert joblib.Parallel(2)(joblib.delayed(step)(pa.ones(1)) for _ in range(2))[1].item() == 2.0
"""


def test_a_step_of_a_script_goes_to_other_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
