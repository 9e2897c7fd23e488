"""Arguments are places: containers among them are the caller's own, and a tensor may be known by another way too."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import pyautograd as pa
from pyautograd import Tensor
from pyautograd.scalar import Value

from .training import CALLS, alike, plainly


def test_containers_among_the_arguments_are_the_callers_own() -> None:
    def step(state: dict[str, Any], log: list[Any], x: Tensor, lr: float) -> Tensor:
        state["h"] = state["h"] * lr + x
        state["scale"] = state["h"].sum().item()
        log.append(state["h"].mean().item())
        return state["h"] + 1

    def plain() -> Any:
        state: dict[str, Any] = {"h": pa.zeros(3), "scale": 0.0}
        log: list[Any] = []

        def call(x: Tensor, run: Callable[..., Any] = step) -> Any:
            return run(state, log, x, 0.5), state, log

        return call

    expected = plain()
    compiled = plain()
    fast = pa.compile(step)
    for k in range(CALLS):
        x = pa.full((3,), float(k))
        assert plainly(compiled(x, fast)) == plainly(expected(x)), f"call {k}"
    assert len(fast.programs) == 1


def test_a_container_that_is_new_at_each_call_gets_what_is_stored_in_it() -> None:
    def step(batch: dict[str, Any]) -> None:
        batch["y"] = batch["x"] * batch["factor"]
        batch["parts"][0] = batch["x"] + 1

    fast = pa.compile(step)
    for k in range(CALLS):
        ours: dict[str, Any] = {"x": pa.full((2,), float(k)), "factor": 0.5 * k, "parts": [pa.zeros(2), "rest"]}
        theirs = dict(ours, parts=list(ours["parts"]))
        fast(ours)
        step(theirs)
        assert plainly(ours) == plainly(theirs), f"call {k}"


def test_arguments_that_are_also_known_by_another_way_stay_so() -> None:
    def act(wrap: Any) -> Any:
        world = SimpleNamespace(x=pa.ones(3), y=pa.zeros(3))

        @wrap
        def step(x: Tensor) -> Tensor:
            with pa.no_grad():
                x += 1
            return world.x * 10 + x + world.y

        fresh = pa.full((3,), 5.0)
        arguments = [world.x] * 4 + [fresh] * 4 + [world.x, world.y, world.y, world.y]
        return [(plainly(step(x)), plainly(world)) for x in arguments]

    alike(act)


@pytest.mark.parametrize("pattern", ["aab", "aba", "abb", "aaa", "abc"])
def test_which_arguments_are_the_same_tensor_is_part_of_the_signature(pattern: str) -> None:
    def step(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        x += 1
        y *= 2
        return x + 10 * y + 100 * z

    fast = pa.compile(step)
    for k in range(CALLS):
        ours = {name: pa.full((2,), float(ord(name) - ord("a") + k)) for name in "abc"}
        theirs = {name: tensor.clone() for name, tensor in ours.items()}
        for order in ("abc", pattern):
            got, wanted = fast(*map(ours.__getitem__, order)), step(*map(theirs.__getitem__, order))
            assert plainly([got, ours]) == plainly([wanted, theirs])


def test_a_value_that_is_an_argument_and_a_global_is_one() -> None:
    def act(wrap: Any) -> Any:
        world = [Value(1.0), Value(2.0)]

        @wrap
        def step(v: Value) -> Value:
            z = world[1]
            loss = z * z + v
            loss.backward()
            return Value(loss.data)

        arguments = [Value(3.0), Value(4.0), Value(5.0), world[1], Value(6.0), world[1], world[1], world[1], world[0]]
        return [(plainly(step(v)), plainly(world), plainly(v)) for v in arguments]

    alike(act)


def test_arguments_may_lie_in_memory_that_the_step_writes() -> None:
    def act(wrap: Any) -> Any:
        base = pa.zeros(8)

        @wrap
        def step(x: Tensor, w: Tensor = base[:4]) -> Tensor:
            before = x * 2.0
            w.mul_(0.5).add_(1.0)
            return before + x + w.sum()

        apart = pa.ones(4)
        arguments = [apart, apart, apart, base[2:6], base[4:], base[:4], base[2:6], base[2:6], apart, base[2:6]]
        return [(plainly(step(x)), plainly(base)) for x in arguments]

    alike(act)


@pytest.mark.parametrize("by_append", [False, True])
def test_a_list_that_is_an_argument_may_be_one_that_the_step_knows(by_append: bool) -> None:
    def act(wrap: Any) -> Any:
        known, other = [pa.ones(3)], [pa.ones(3)]

        def put(given: list[Tensor], x: Tensor) -> Tensor:
            known[0] = known[0] + x
            given[0] = given[0] * 2.0
            return known[0] + given[0]

        def append(given: list[Tensor], x: Tensor) -> Tensor:
            given.append(x * 2.0)
            known.append(x + 1.0)
            return x.sum()

        step = wrap(append if by_append else put)
        trail = []
        for k, given in enumerate([known] * 4 + [other] * 4 + [known] * 3 + [other] * 3):
            trail.append((plainly(step(given, pa.full((3,), 1.0 + k))), plainly([known, other])))
        assert wrap is not pa.compile or step.programs
        return trail

    alike(act)


def test_an_argument_that_is_written_may_be_one_that_the_step_reads_by_another_way() -> None:
    def act(wrap: Any) -> Any:
        world = SimpleNamespace(x=pa.zeros(3))

        @wrap
        def step(x: Tensor) -> Tensor:
            before = world.x * 2.0
            x.add_(1.0)
            return before + world.x

        trail, kept = [], pa.ones(3)
        for k in range(8):
            if k in (4, 6):
                world.x = kept
            trail.append((plainly(step(kept if k > 3 else pa.full((3,), float(k)))), plainly(world)))
        return trail

    alike(act)
