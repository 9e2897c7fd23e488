"""`model = compile(model)`: the module itself in every respect, with a call that is compiled."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from trainings import training_step

import pyautograd as pa
from pyautograd import Tensor, nn, optim
from pyautograd.nn import functional as F

from .training import numbers_of


class Net(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Linear(3, width)
        self.norm = nn.BatchNorm1d(width)
        self.last = nn.Linear(width, 2)

    def features(self, x: Tensor) -> Tensor:
        return F.dropout(self.norm(self.first(x)).relu(), 0.2, self.training)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.features(x))  # type: ignore[no-any-return]


def make() -> Net:
    pa.manual_seed(4)
    return Net()


def batch(i: int, rows: int = 6) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(i)
    x = generator.normal(size=(rows, 3)).astype(np.float32)
    return pa.tensor(x), pa.tensor(generator.integers(0, 2, rows))


def fit(model: Any, epochs: int = 4, evaluates: bool = True) -> list[Any]:
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    pa.manual_seed(9)
    seen: list[Any] = []
    for epoch in range(epochs):
        model.train()
        for i in range(4):
            x, y = batch(10 * epoch + i)
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            seen.append(loss.item())
        if not evaluates:
            continue
        model.eval()
        with pa.no_grad():
            scores = model(batch(epoch, 7)[0])
            assert not scores.requires_grad
            seen.append(scores.tolist())
    return seen


def test_a_loop_as_pytorch_s_users_write_it() -> None:
    plain, other = make(), make()
    model = pa.compile(other)
    expected, found = fit(plain), fit(model)
    for a, b in zip(expected, found):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-6)
    for a, b in zip(numbers_of(plain), numbers_of(other)):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-6)
    assert len(model.programs) == 2  # type: ignore[operator, arg-type]


def test_it_has_all_that_the_module_has() -> None:
    module = make()
    model = pa.compile(module)
    assert isinstance(model, nn.Module) and isinstance(model, Net)
    assert list(model.state_dict()) == list(module.state_dict())
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in module.named_parameters()]
    assert all(a is b for a, b in zip(model.parameters(), module.parameters()))
    assert list(model.children()) == list(module.children()) and model.first is module.first
    model.eval()
    assert not module.training and not module.norm.training
    module.train()
    assert model.training and model.norm.training
    model(batch(0)[0]).sum().backward()
    assert module.first.weight.grad is not None
    model.zero_grad()
    assert module.first.weight.grad is None
    assert model.features(batch(0)[0]).shape == (6, 8)
    other = Net()
    assert model.load_state_dict(other.state_dict()).missing_keys == []
    assert numbers_of(module) == numbers_of(other)
    model.double()
    assert module.first.weight.dtype is pa.float64
    assert repr(model).startswith("compiled Net(")
    model.extra = nn.Linear(2, 2)  # type: ignore[assignment]
    assert module.extra is model.extra
    with pytest.raises(AttributeError, match="nothing_of_it"):
        _ = model.nothing_of_it


def test_new_numbers_are_seen() -> None:
    module = nn.Linear(2, 1)
    model = pa.compile(module)
    x = pa.ones(1, 2)
    for i in range(6):
        model.load_state_dict({"weight": pa.full((1, 2), float(i)), "bias": pa.ones(1)})
        assert model(x).item() == 2.0 * i + 1
    module.weight = nn.Parameter(pa.full((1, 2), 7.0))
    for _ in range(4):
        assert model(x).item() == 15.0


def test_it_is_a_part_of_other_modules() -> None:
    part = make()
    outer = nn.Sequential(pa.compile(part), nn.ReLU(), nn.Linear(2, 2))
    assert next(iter(outer.state_dict())) == "0.first.weight" and len(list(outer.parameters())) == 8
    plain = nn.Sequential(make(), nn.ReLU(), nn.Linear(2, 2))
    plain.load_state_dict(outer.state_dict())
    twice = nn.Sequential(pa.compile(make()), nn.ReLU(), nn.Linear(2, 2))
    twice.load_state_dict(outer.state_dict())
    expected = fit(plain)
    for model in (outer, pa.compile(twice)):
        for a, b in zip(expected, fit(model)):
            assert np.allclose(a, b, rtol=1e-4, atol=1e-6)
    outer.eval()
    assert not part.training


def test_a_sequential_stays_one() -> None:
    model = pa.compile(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    assert len(model) == 2 and isinstance(model[0], nn.Linear) and [type(each) for each in model][1] is nn.ReLU
    assert model(pa.ones(1, 2)).shape == (1, 3)


def test_a_compiled_module_in_a_compiled_training_step() -> None:
    results = []
    for compiles in (False, True):
        module = make()
        model = pa.compile(module) if compiles else module
        step = training_step(model, optim.SGD(model.parameters(), lr=0.1))
        pa.manual_seed(2)
        call = pa.compile(step) if compiles else step
        results.append([call(*batch(i)).item() for i in range(6)] + numbers_of(module))
    for a, b in zip(*results):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_copies_are_compiled_modules_of_copies() -> None:
    model = pa.compile(make())
    x = batch(0)[0]
    model.eval()
    for _ in range(3):
        model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert isinstance(other, Net) and other.first is not model.first
        for _ in range(3):
            assert np.allclose(other(x).tolist(), model(x).tolist())
        with pa.no_grad():
            other.last.bias += 1
        assert np.allclose(other(x).tolist(), (model(x) + 1).tolist(), rtol=1e-5)


def test_compiling_twice_is_compiling_once() -> None:
    module = make()
    model = pa.compile(pa.compile(module))
    assert model.first is module.first and type(model).__mro__[2] is Net
