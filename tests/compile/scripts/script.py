"""A script is built twice from the same seeds; its step is called plainly in the one world, compiled in the other."""

import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import pyautograd
from pyautograd import Tensor, Value, nn, optim

CALLS = 6
Script = Callable[[], tuple[Callable[..., Any], Any]]
Data = Callable[[np.random.Generator], Any]


def numbers(thing: Any, met: dict[int, Any] | None = None) -> Any:
    """All that a world holds, as nested lists: gradients, attributes and the state of optimisers too."""
    met = {} if met is None else met
    if isinstance(thing, Tensor):
        gradient = None if not thing.is_leaf or thing.grad is None else thing.grad.tolist()
        return [type(thing).__name__, thing.requires_grad and thing.is_leaf, thing.tolist(), gradient]
    if isinstance(thing, Value):
        return ["Value", thing.data, thing.grad]
    if isinstance(thing, (bool, int, float, str, bytes, type(None))):
        return thing
    if id(thing) in met:
        return "met before"
    met[id(thing)] = thing  # kept, so that no other has its id
    if isinstance(thing, dict):
        return [[str(key), numbers(value, met)] for key, value in thing.items()]
    if isinstance(thing, optim.Optimizer):
        return numbers(thing.state_dict(), met)
    if isinstance(thing, nn.Module):
        return numbers({"training": thing.training, **thing._held}, met)
    if isinstance(thing, (list, tuple)):
        return [numbers(value, met) for value in thing]
    if type(thing).__module__.startswith(("pyautograd.scalar", __package__)):
        return numbers([getattr(thing, "__dict__", {}), getattr(thing, "w", None), getattr(thing, "b", None)], met)
    return type(thing).__name__


def differences(found: Any, expected: Any, place: str = "") -> Iterable[str]:
    """The places where two worlds differ."""
    if isinstance(found, list) and isinstance(expected, list):
        if len(found) != len(expected):
            yield f"{place}: {len(found)} members, not {len(expected)}"
        for i, (a, b) in enumerate(zip(found, expected)):
            yield from differences(a, b, f"{place}[{i}]")
    elif type(found) is not type(expected) or not _equal(found, expected):
        yield f"{place}: {found!r}, not {expected!r}"


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(found, float):
        return bool(np.isclose(found, expected, rtol=1e-4, atol=1e-6, equal_nan=True))
    return bool(found == expected)


def build(script: Script) -> tuple[Callable[..., Any], Any]:
    """A world of the script's own."""
    pyautograd.manual_seed(0)
    random.seed(0)
    return script()


class Step(pyautograd.CompiledStep):
    """Counts the calls that are recorded."""

    recorded = 0

    def _record(self, *call: Any) -> Any:
        self.recorded += 1
        return super()._record(*call)


def check(script: Script, *data: Data) -> None:
    """Six calls leave the same world, compiled or not, and the last of them replay a program.

    `script` gives a step and all that it changes; each of `data` makes an argument of a call.
    """
    plain, plain_world = build(script)
    function, world = build(script)
    step = Step(function)
    for i in range(CALLS):
        results = []
        for each in (plain, step):
            pyautograd.manual_seed(i)
            generator = np.random.default_rng(i)
            results.append(_read(each(*[make(generator) for make in data])))
        problems = [*differences(results[1], results[0], "result"), *differences(numbers(world), numbers(plain_world))]
        assert not problems, f"call {i}: {problems[:5]}"
    assert len(step.programs) == 1
    assert step.recorded <= 3


def _read(result: Any) -> Any:
    """The numbers of a result; whether it has history is another test's concern."""
    if isinstance(result, (Tensor, Value)):
        return result.tolist() if isinstance(result, Tensor) else result.data
    if isinstance(result, dict):
        return {name: _read(each) for name, each in result.items()}
    return [_read(each) for each in result] if isinstance(result, (list, tuple)) else result


def normal(*shape: int) -> Data:
    return lambda generator: pyautograd.tensor(generator.normal(size=shape).astype(np.float32))


def uniform(*shape: int) -> Data:
    return lambda generator: pyautograd.tensor(generator.uniform(size=shape).astype(np.float32))


def integers(high: int, *shape: int) -> Data:
    return lambda generator: pyautograd.tensor(generator.integers(0, high, shape))


def coins(*shape: int) -> Data:
    return lambda generator: pyautograd.tensor(generator.integers(0, 2, shape).astype(np.float32))
