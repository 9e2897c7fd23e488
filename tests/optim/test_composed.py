"""Optimisers whose updates are made of ops: in compiled steps and in `run` they make the plain step's updates."""

from collections.abc import Callable
from typing import Any

import pytest
from trainings import training_step

import pyautograd as pa
from pyautograd import Tensor, nn, optim
from pyautograd.optim import _composed, lr_scheduler

NAMES = _composed.__all__
X = pa.linspace(-1, 1, 24).reshape(12, 2)
Y = X.sum(1, keepdim=True).sin()


def training(name: str, **options: Any) -> tuple[nn.Module, Any, Callable[[Tensor, Tensor], Tensor]]:
    pa.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = getattr(optim, name)(net.parameters(), **options)
    return net, optimizer, training_step(net, optimizer, lambda found, y: ((found - y) ** 2).mean())


def numbers(net: nn.Module, optimizer: Any) -> Any:
    kept = [list(state.values()) for state in optimizer.state.values()]
    return [p.tolist() for p in net.parameters()], [[each.tolist() for each in state] for state in kept]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"maximize": True}], ids=str)
def test_a_compiled_step_makes_the_same_updates_to_the_last_bit(name: str, options: dict[str, Any]) -> None:
    if name == "ASGD":
        options = options | {"t0": 4.0}  # where its average begins
    found = []
    for wrap in (pa.compile, lambda step: step):
        net, optimizer, step = training(name, **options)
        step = wrap(step)
        losses = [step(X, Y).item() for _ in range(9)]
        found.append((losses, numbers(net, optimizer)))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["RAdam", "Rprop"])
def test_run_makes_the_updates_of_its_steps(name: str) -> None:
    net, optimizer, step = training(name)
    losses = [step(X[i : i + 4], Y[i : i + 4]).item() for _ in range(3) for i in (0, 4, 8)]
    twin, other, same = training(name)
    history = pa.compile(same).run(X, Y, epochs=3, batch_size=4, shuffle=False)
    assert history.tolist() == losses
    assert numbers(twin, other) == numbers(net, optimizer)


def test_a_step_that_was_compiled_once_follows_a_schedule_of_an_lr_that_is_a_tensor() -> None:
    losses = []
    for wrap in (pa.compile, lambda step: step):
        _, optimizer, step = training("NAdam", lr=pa.tensor(0.1))
        schedule = lr_scheduler.ExponentialLR(optimizer, 0.9)
        step = wrap(step)
        losses.append([(step(X, Y).item(), schedule.step(), schedule.get_last_lr()) for _ in range(12)])
        assert len(getattr(step, "programs", [None])) == 1
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_from_its_state_dict_and_takes_no_others(name: str) -> None:
    net, optimizer, step = training(name)
    for _ in range(3):
        step(X, Y)
    twin, other, same = training(name)
    twin.load_state_dict(net.state_dict())
    other.load_state_dict(optimizer.state_dict())
    assert [step(X, Y).item() for _ in range(3)] == [same(X, Y).item() for _ in range(3)]
    assert numbers(twin, other) == numbers(net, optimizer)
    with pytest.raises(ValueError, match=r"lacks|has no"):
        other.load_state_dict(optim.SGD(twin.parameters(), lr=0.1).state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_values_are_refused_by_name(name: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"{name}: .*for Values take SGD"):
        getattr(optim, name)([pa.Value(1.0)])
