"""A training whose step is compiled or plain, the check that both do the same, and the check of a refusal.

What steps return, and the worlds that they leave, are compared as `numbers` or `plainly`.
"""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from trainings import training_step

import pyautograd
from pyautograd import Tensor, TraceError, Value, nn, optim


class Training:
    """A model, its optimiser and a step over them; the step as it is, or compiled."""

    def __init__(
        self,
        make_model: Callable[[], nn.Module] = lambda: nn.MLP(3, [5, 2]),
        make_optimizer: Callable[..., optim.Optimizer] = lambda params: optim.Adam(params, lr=0.05),
        compiled: bool = True,
    ) -> None:
        pyautograd.manual_seed(3)
        self.model = model = make_model()
        self.optimizer = optimizer = make_optimizer(model.parameters())
        step = training_step(model, optimizer)
        self.step: Any = pyautograd.compile(step) if compiled else step

    def numbers(self) -> list[Any]:
        return numbers_of(self.model)

    def gradients(self) -> list[Any]:
        return [None if p.grad is None else p.grad.tolist() for p in self.model.parameters()]


def numbers_of(model: nn.Module) -> list[Any]:
    return [tensor.tolist() for tensor in model.state_dict().values()]


def numbers(result: Any) -> list[Any]:
    """The numbers of what a step returned, one after the other."""
    if isinstance(result, tuple | list):
        return [each for member in result for each in numbers(member)]
    return [result.tolist() if isinstance(result, Tensor) else result]


def plainly(thing: Any) -> Any:
    """Something of the world as lists, dicts and numbers, with their types."""
    if isinstance(thing, Tensor):
        gradient = None if thing.grad is None else thing.grad.tolist()
        return "tensor", thing.dtype.name, thing.requires_grad, thing.tolist(), gradient
    if isinstance(thing, Value):
        return "Value", thing.data, thing.grad
    if isinstance(thing, list | tuple):
        return type(thing).__name__, [plainly(each) for each in thing]
    if isinstance(thing, dict):
        return {key: plainly(each) for key, each in thing.items()}
    if isinstance(thing, SimpleNamespace | nn.Module):
        return {key: plainly(each) for key, each in vars(thing).items() if key[0] != "_" and key != "training"}
    return type(thing).__name__, thing


def batches(n: int, rows: int = 8) -> list[tuple[Tensor, Tensor]]:
    generator = np.random.default_rng(1)
    return [
        (
            pyautograd.tensor(generator.normal(size=(rows, 3)).astype(np.float32)),
            pyautograd.tensor(generator.integers(0, 2, rows)),
        )
        for _ in range(n)
    ]


def close(a: Any, b: Any) -> bool:
    return all((x is None and y is None) or np.allclose(x, y, rtol=1e-5, atol=1e-6) for x, y in zip(a, b, strict=True))


def check_same(
    change: Callable[[Training, int], Any] = lambda training, i: None, steps: int = 10, **options: Any
) -> Training:
    """The compiled training computes what the plain one does, `change` being done to both before each step."""
    plain, compiled = Training(compiled=False, **options), Training(**options)
    pyautograd.manual_seed(7)
    expected = []
    for i, (x, y) in enumerate(batches(steps)):
        change(plain, i)
        expected.append((plain.step(x, y).item(), plain.numbers(), plain.gradients()))
    pyautograd.manual_seed(7)
    for i, (x, y) in enumerate(batches(steps)):
        change(compiled, i)
        loss = compiled.step(x, y)
        assert close([loss.item()], [expected[i][0]]), f"the loss of step {i}"
        assert close(compiled.numbers(), expected[i][1]), f"the model after step {i}"
        assert close(compiled.gradients(), expected[i][2]), f"the gradients after step {i}"
    return compiled


def programs(training: Any) -> int:
    return len(training.step.programs)


def refused(step: Callable[..., Any], *args: Any, match: str | None = None, calls: int = 2) -> str:
    """The text of the TraceError that one of the first calls raises."""
    with pytest.raises(TraceError, match=match) as caught:
        for _ in range(calls):
            step(*args)
    assert not pyautograd._core.is_recording()
    return str(caught.value)


def alike(act: Callable[[Any], Any]) -> None:
    """`act` gives the same, whether what it is given compiles functions or leaves them as they are."""
    plain, compiled = act(lambda step, **options: step), act(pyautograd.compile)
    assert compiled == plain


def over(make_world: Callable[[], Any]) -> Callable[[Callable[..., Any]], Callable[[], tuple[Any, Any]]]:
    """Makes of a function of a world and arguments one that gives a step, of the arguments, and its world."""

    def made_of(function: Callable[..., Any]) -> Callable[[], tuple[Any, Any]]:
        @functools.wraps(function)
        def make() -> tuple[Any, Any]:
            world = make_world()
            return lambda *args: function(world, *args), world

        return make

    return made_of


CALLS = 7  # of `same`


def same(
    make: Callable[[], tuple[Callable[..., Any], Any]],
    arguments: Callable[[int], tuple[Any, ...]] = lambda k: (pyautograd.full((3,), 1.0 + k),),
    between: Callable[[Any, int], Any] = lambda world, k: None,
    programs: int = 1,
) -> None:
    """Plain and compiled calls on equal worlds give equal results and leave equal worlds."""
    outcomes = []
    for compiled in (False, True):
        function, world = make()
        step = pyautograd.compile(function) if compiled else function
        trail = []
        for k in range(CALLS):
            between(world, k)
            args = arguments(k)
            trail.append((plainly(step(*args)), plainly(list(args)), plainly(world)))
        outcomes.append(trail)
        if compiled:
            assert len(step.programs) == programs
    for k, (plain, compiled) in enumerate(zip(*outcomes)):
        assert compiled == plain, f"call {k}"
