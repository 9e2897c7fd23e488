"""What a step has stored before an op of it fails stands, as after the plain call; nothing of what comes after."""

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

import pyautograd as pa
from pyautograd import Tensor, nn
from pyautograd.nn import functional as F

World = SimpleNamespace
Step = Callable[[World, Tensor, Tensor], Tensor]
BAD = 9  # no class


def world() -> World:
    pa.manual_seed(0)
    return World(model=nn.Linear(3, 3), h=pa.zeros(3), before=pa.zeros(3), after=pa.zeros(3), pair=(pa.zeros(3),),
                 deep={"a": [pa.zeros(3)]}, total=0.0, log=[], texts=[])  # fmt: skip


def numbers(w: World) -> list[Any]:
    """All that the world holds, and the gradient that goes through what has a history."""
    w.model.zero_grad()
    if w.before.requires_grad:
        w.before.square().sum().backward()
        w.before = w.before.detach()
    return plain([w.model.weight.grad, w.h, w.before, w.after, w.pair, w.deep, w.total, w.log, w.texts])


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return [round(each, 4) for each in value.flatten().tolist()] if isinstance(value, Tensor) else value


def state(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.h = (w.h * 0.5 + x.mean(0)).tanh()
    w.before, before = w.h + 1, w.before
    loss = F.cross_entropy(x, y)
    w.after = w.h * 2 + before
    return loss


def twice(w: World, x: Tensor, y: Tensor) -> Tensor:
    h = x.sum(0) + w.h
    w.h = h
    w.log.append(h)
    loss = F.cross_entropy(x, y)
    w.after = h
    w.log.append(loss.item())
    return loss


def number(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.total += x.sum().item()
    w.log.append(x.mean().item())
    loss = F.cross_entropy(x, y)
    w.log.append(loss.item())
    return loss


def shared(w: World, x: Tensor, y: Tensor) -> Tensor:
    h = x * 2
    w.h, w.before = h[0], h[1]
    loss = F.cross_entropy(x, y)
    w.after = h[0]
    return loss


def history(w: World, x: Tensor, y: Tensor) -> Tensor:
    h = w.model(x)
    w.before = h.tanh().sum(0)
    loss = F.cross_entropy(h.detach(), y)
    return loss + h.sum().detach()


def containers(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.pair = (x.mean(0) + w.pair[0],)
    w.deep = {"a": [x[0] * 2]}
    loss = F.cross_entropy(x, y)
    w.deep = {"a": [x[1] * 2]}
    return loss


def constants(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.texts.append("begun")
    w.log.append([x[0] * 2, "row"])
    w.h = x.mean(0)
    loss = F.cross_entropy(x, y)
    w.texts.append("done")
    return loss


def two_checks(w: World, x: Tensor, y: Tensor) -> Tensor:
    w.h = x.mean(0)
    first = F.cross_entropy(x, y.clamp(max=2))
    w.before = w.h * 2
    w.log.append(first.detach())
    loss = F.cross_entropy(x, y) + first
    w.after = w.h * 3
    return loss


def replaced(w: World, x: Tensor, y: Tensor) -> Tensor:
    before, w.h = w.h, x.mean(0)
    w.log.append(x[0] + w.h)
    first = F.cross_entropy(x, y.clamp(max=2))
    w.before = w.h * 2
    loss = F.cross_entropy(x, y) + first
    w.h = before + 0.5 * w.h
    w.before = before
    return loss


STEPS = [replaced, state, twice, number, shared, history, containers, constants, two_checks]


def compiled(function: Step, w: World) -> Any:
    return pa.compile(lambda x, y: function(w, x, y))


@pytest.mark.parametrize("function", STEPS, ids=lambda function: function.__name__)
def test_what_was_stored_before_stands(function: Step) -> None:
    plain_world, world_of_step = world(), world()
    step = compiled(function, world_of_step)
    for i in range(10):
        x, y = pa.arange(6.0).view(2, 3).sin() * (i + 1), pa.tensor([i % 3, BAD if i in (4, 5, 7) else 1])
        for call in (lambda x, y: function(plain_world, x, y), step):
            if BAD in y.tolist():
                with pytest.raises(IndexError, match="target 9"):
                    call(x, y)
            else:
                call(x, y)
        assert numbers(world_of_step) == numbers(plain_world), f"call {i}"
    assert step.programs


@pytest.mark.parametrize("bad", [13, 6, 5])
@pytest.mark.parametrize("function", STEPS, ids=lambda function: function.__name__)
def test_what_a_step_of_run_had_stored_stands(function: Step, bad: int) -> None:
    x, y = pa.arange(48.0).view(16, 3).sin(), pa.tensor([0, 1] * 8)
    y[bad] = BAD
    loop, run = world(), world()
    with pytest.raises(IndexError, match="target 9"):
        for start in range(0, 16, 2):
            function(loop, x[start : start + 2], y[start : start + 2])
    with pytest.raises(IndexError, match="target 9"):
        compiled(function, run).run(x, y, batch_size=2, shuffle=False)
    assert numbers(run) == numbers(loop)


def test_what_is_stored_in_an_argument_stands() -> None:
    def function(x: Tensor, y: Tensor, batch: dict[str, Any], log: list[Any]) -> Tensor:
        batch["h"] = x * 2
        log.append([x[0] * 3])
        loss = F.cross_entropy(x, y)
        batch["loss"] = loss
        return loss

    step = pa.compile(function)
    found: list[list[Any]] = [[], []]
    for each, call in zip(found, (function, step)):
        for i in range(6):
            batch: dict[str, Any] = {"h": pa.zeros(2, 3), "loss": pa.zeros(())}
            log: list[Any] = []
            with suppress(IndexError):
                call(pa.ones(2, 3) * i, pa.tensor([0, BAD if i in (3, 4) else 1]), batch, log)
            each.append(plain([batch, log]))
    assert found[0] == found[1]
