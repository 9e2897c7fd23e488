"""`run` carries what a step puts into places: each step finds what the one before it has put, as does the caller."""

import dataclasses
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from trainings import training_step

import pyautograd as pa
from pyautograd import Tensor, nn, optim

from .training import over, plainly

Made = tuple[Callable[..., Any], Any]


@over(lambda: SimpleNamespace(h=pa.zeros(3)))
def attribute(world: Any, x: Tensor) -> Tensor:
    world.h = pa.tanh(world.h * 0.5 + x.mean(0))
    return world.h.sum()


@over(lambda: {"h": pa.zeros(3), "n": pa.zeros(1), "seen": pa.zeros(2, 3)})
def entries(world: Any, x: Tensor) -> Tensor:
    world["h"] = world["h"] + x.sum(0)
    world["n"] = world["n"] + 1
    world["seen"] = x * 2
    return (world["h"] * world["n"]).sum()


@over(lambda: [pa.zeros(3), pa.ones(3)])
def swapped(world: Any, x: Tensor) -> Tensor:
    world[0], world[1] = world[1], world[0] * 0.9 + x.mean(0)
    return (world[0] * 2 - world[1]).sum()


@over(lambda: SimpleNamespace(a=pa.zeros(3), b=pa.zeros(3), c=pa.ones(3)))
def shifted(world: Any, x: Tensor) -> Tensor:
    world.c, world.b, world.a = world.b, world.a, x.mean(0) + world.c
    return (world.a + 2 * world.b + 3 * world.c).sum()


@over(lambda: SimpleNamespace(state=(pa.zeros(3), pa.ones(3))))
def pair(world: Any, x: Tensor) -> Tensor:
    h, c = world.state
    c = c * 0.5 + x.mean(0)
    world.state = (pa.tanh(c) + h * 0.1, c)
    return world.state[0].sum()


@over(lambda: SimpleNamespace(hidden=[pa.zeros(3), pa.ones(3)], deep={"a": (pa.zeros(3), {"b": pa.ones(3)})}))
def containers_anew(world: Any, x: Tensor) -> Tensor:
    world.hidden = [world.hidden[1] * 0.5, world.hidden[0] + x.mean(0)]
    p, q = world.deep["a"]
    world.deep["a"] = (q["b"] * 0.9, {"b": p + x.mean(0)})
    return world.hidden[0].sum() + world.deep["a"][0].sum()


@over(lambda: SimpleNamespace(state=((pa.zeros(3), pa.ones(3)), pa.zeros(3))))
def nested_tuples(world: Any, x: Tensor) -> Tensor:
    (a, b), c = world.state
    world.state = ((b * 0.5, c + 1), a + x.mean(0))
    return world.state[1].sum()


@over(lambda: SimpleNamespace(h=pa.zeros(3), g=pa.ones(3)))
def in_place_and_rebound(world: Any, x: Tensor) -> Tensor:
    world.g.mul_(0.5).add_(x.mean(0))
    world.h.add_(1)
    world.h = world.h * world.g
    return world.h.sum()


def running_statistics() -> Made:
    pa.manual_seed(2)
    world = SimpleNamespace(mean=pa.zeros(4), var=pa.ones(4), w=pa.randn(3, 4).requires_grad_(), b=pa.zeros(4))
    world.b.requires_grad_()
    optimizer = optim.SGD([world.w, world.b], lr=0.1, momentum=0.5)

    def step(x: Tensor) -> Tensor:
        y = x @ world.w
        mean, var = y.mean(0), ((y - y.mean(0)) ** 2).mean(0)
        with pa.no_grad():
            world.mean = 0.9 * world.mean + 0.1 * mean
            world.var = 0.9 * world.var + 0.1 * var
        loss = (((y - mean) / pa.sqrt(var + 1e-5) + world.b - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, world


def target_network() -> Made:
    pa.manual_seed(2)
    world = SimpleNamespace(w=pa.randn(3, 1).requires_grad_(), target=pa.zeros(3, 1))

    def step(x: Tensor) -> Tensor:
        loss = ((x @ world.w - x @ world.target - 1) ** 2).mean()
        world.w.grad = None
        loss.backward()
        with pa.no_grad():
            world.w -= 0.1 * world.w.grad
            world.target = 0.9 * world.target + 0.1 * world.w
        return loss

    return step, world


@over(lambda: SimpleNamespace(w=pa.ones(3).requires_grad_()))
def leaf_anew(world: Any, x: Tensor) -> Tensor:
    """The parameter itself is another tensor after each step."""
    loss = ((x * world.w).sum(1) - 1).pow(2).mean()
    loss.backward()
    world.w = (world.w - 0.05 * world.w.grad).detach().requires_grad_()
    return loss


def recurrent_cell() -> Made:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pa.manual_seed(1)
            self.inner, self.outer = nn.Linear(3, 5), nn.Linear(5, 5)
            self.h = pa.zeros(1, 5)

        def forward(self, x: Tensor) -> Tensor:
            h = pa.tanh(self.inner(x) + self.outer(self.h))
            self.h = h.mean(0, keepdim=True).detach()
            return h

    cell = Cell()
    optimizer = optim.Adam(cell.parameters(), lr=0.05)
    return training_step(cell, optimizer, lambda h: ((h - 0.5) ** 2).mean()), cell


def a_dataclass() -> Made:
    @dataclasses.dataclass
    class State:
        h: Tensor
        n: int = 0

    state = State(pa.zeros(3))
    world = SimpleNamespace(inner=vars(state))

    def step(x: Tensor) -> Tensor:
        state.h = state.h * 0.5 + x.sum(0)
        return state.h.sum()

    return step, world


@over(lambda: SimpleNamespace(total=0.0, last=0.0))
def float_total(world: Any, x: Tensor) -> Tensor:
    loss = (x**2).mean()
    world.last = loss.item()
    world.total = 0.9 * world.total + loss.item()
    return loss


@over(lambda: SimpleNamespace(losses=[], sums=[]))
def appended_numbers(world: Any, x: Tensor) -> Tensor:
    loss = (x**2).mean()
    world.losses.append(loss.item())
    world.sums.append(x.sum().item())
    world.losses.append(2 * loss.item())
    return loss


@over(lambda: SimpleNamespace(means=[], mean=pa.zeros(3)))
def appended_tensors(world: Any, x: Tensor) -> Tensor:
    world.mean = world.mean * 0.5 + x.mean(0)
    world.means.append(world.mean)
    return x.sum()


@over(lambda: SimpleNamespace(pairs=[]))
def appended_pairs(world: Any, x: Tensor) -> Tensor:
    world.pairs.append((x.sum().item(), x[0] * 2))
    return x.sum()


WORLDS = [
    containers_anew, nested_tuples,
    attribute, entries, swapped, shifted, pair, in_place_and_rebound, running_statistics, target_network, leaf_anew,
    recurrent_cell, a_dataclass, float_total, appended_numbers, appended_tensors, appended_pairs,
]  # fmt: skip
IN_C = [attribute, entries, swapped, shifted, in_place_and_rebound, running_statistics, target_network, recurrent_cell,
        a_dataclass, pair, float_total, appended_numbers, appended_tensors]  # fmt: skip


def rows(n: int = 24) -> Tensor:
    return pa.tensor(np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32))


def loop(step: Callable[..., Any], x: Tensor, epochs: int, batch: int = 2) -> list[float]:
    return [step(x[i : i + batch]).item() for _ in range(epochs) for i in range(0, len(x), batch)]


def check(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key, each in wanted.items():
            check(found[key], each)
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            check(a, b)
    elif isinstance(wanted, float) and not isinstance(wanted, bool):
        assert type(found) is float and found == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    else:
        assert found == wanted


@pytest.mark.parametrize("make", WORLDS)
@pytest.mark.parametrize("n", [24, 23])
def test_a_run_leaves_the_world_that_a_loop_leaves(make: Callable[[], Made], n: int) -> None:
    x = rows(n)
    (plain, before), (function, world) = make(), make()
    step = pa.compile(function)
    for epochs in (2, 1, 3):
        expected = loop(plain, x, epochs)
        losses = step.run(x, batch_size=2, epochs=epochs, shuffle=False)
        np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-5)
        check(plainly(world), plainly(before))


@pytest.mark.parametrize("make", IN_C)
def test_state_is_carried_in_c(make: Callable[[], Made]) -> None:
    function, _ = make()
    step = pa.compile(function)
    step.run(rows(), batch_size=2, epochs=4, shuffle=False)
    assert step.programs[0].describe()["run"] == "in C"
    assert step.programs[0].steps_done > 40


@pytest.mark.parametrize("make", WORLDS)
def test_callbacks_find_the_world_of_the_moment(make: Callable[[], Made]) -> None:
    x = rows()
    (plain, before), (function, world) = make(), make()
    expected, seen = [], []
    for _ in range(4):
        loop(plain, x, 1)
        expected.append(plainly(before))
    pa.compile(function).run(x, batch_size=2, epochs=4, shuffle=False, callback=lambda *_: seen.append(plainly(world)))
    for found, wanted in zip(seen, expected, strict=True):
        check(found, wanted)


@pytest.mark.parametrize("make", [attribute, swapped, pair])
def test_a_callback_may_reset_the_state(make: Callable[[], Made]) -> None:
    x = rows()

    def reset(world: Any) -> None:
        _, new = make()
        if isinstance(world, list):
            world[:] = new
        else:
            vars(world).update(vars(new))

    (plain, before), (function, world) = make(), make()
    expected = []
    for _ in range(4):
        expected += loop(plain, x, 1)
        reset(before)
    losses = pa.compile(function).run(x, batch_size=2, epochs=4, shuffle=False, callback=lambda *_: reset(world))
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-5)
    check(plainly(world), plainly(before))


def test_the_tensors_that_were_in_the_places_are_left_alone() -> None:
    function, world = attribute()
    step = pa.compile(function)
    step.run(rows(), batch_size=2, epochs=2, shuffle=False)
    kept, numbers = world.h, world.h.tolist()
    step.run(rows(), batch_size=2, epochs=2, shuffle=False)
    assert kept.tolist() == numbers and world.h is not kept


def failing() -> Made:
    world = SimpleNamespace(h=pa.zeros(3), seen=pa.zeros(2, 3))
    table = pa.arange(9.0).reshape(3, 3)

    def step(x: Tensor, at: Tensor) -> Tensor:
        row = table[at].sum(0)
        world.seen = x * 2
        world.h = world.h * 0.5 + row + x.sum(0)
        return world.h.sum()

    return step, world


def test_a_step_that_fails_leaves_what_the_last_whole_one_has_put() -> None:
    x = rows(60)
    at = pa.zeros(60).long()
    at[41] = 7
    (plain, before), (function, world) = failing(), failing()
    step = pa.compile(function)
    with pytest.raises(IndexError):
        for i in range(0, 60, 2):
            plain(x[i : i + 2], at[i : i + 2])
    with pytest.raises(IndexError):
        step.run(x, at, batch_size=2, shuffle=False)
    assert step.programs[0].steps_done > 10
    check(plainly(world), plainly(before))


@pytest.mark.parametrize("make", [attribute, swapped, recurrent_cell])
def test_an_interrupt_leaves_the_state_of_whole_steps(make: Callable[[], Made]) -> None:
    x = rows()
    function, world = make()
    step = pa.compile(function)
    step.run(x, batch_size=2, epochs=2, shuffle=False)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            step.run(x, batch_size=2, epochs=10**9, shuffle=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    plain, other = make()
    if isinstance(world, nn.Module):
        return  # its optimiser's state is not at hand
    if isinstance(world, list):
        other[:] = world
    else:
        vars(other).update(vars(world))
    expected = loop(plain, x, 1)
    np.testing.assert_allclose(step.run(x, batch_size=2, shuffle=False), expected, rtol=1e-4, atol=1e-5)
    check(plainly(world), plainly(other))
