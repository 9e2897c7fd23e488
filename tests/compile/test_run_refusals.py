"""What `run` cannot do it says before it has changed anything: the model, the optimiser, gradients, random streams."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd
from pyautograd import Generator, Tensor, TraceError, Value, nn, optim, scalar
from pyautograd.nn import functional as F


class World:
    def __init__(self, ending: Callable[..., Any] = lambda loss, x: loss, make: Any = optim.Adam) -> None:
        pyautograd.manual_seed(3)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
        self.optimizer = make(self.model.parameters(), lr=0.1)
        model, optimizer = self.model, self.optimizer

        @pyautograd.compile
        def step(x: Tensor, y: Tensor) -> Any:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return ending(loss, x)

        self.step: Any = step

    def state(self) -> Any:
        tensors = [(t.tolist(), None if t.grad is None else t.grad.tolist()) for t in self.model.state_dict().values()]
        grads = [None if p.grad is None else p.grad.tolist() for p in self.model.parameters()]
        kept = [{k: v.tolist() for k, v in each.items()} for each in self.optimizer.state.values()]
        return tensors, grads, kept, pyautograd.get_rng_state()


def data(n: int = 40) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n, 4)).astype(np.float32)
    return pyautograd.tensor(x), pyautograd.tensor(generator.integers(0, 3, n))


def check_unchanged(world: World, error: Any, words: str, *arguments: Any, **options: Any) -> None:
    before = world.state()
    with pytest.raises(error, match=words):
        world.step.run(*arguments, **{"batch_size": 10, **options})
    assert world.state() == before


@pytest.mark.parametrize(
    "ending", [lambda loss, x: None, lambda loss, x: x, lambda loss, x: "loss", lambda loss, x: (), lambda loss, x: {}]
)
@pytest.mark.parametrize("trained", [False, True])
def test_a_step_that_gives_no_loss(ending: Callable[..., Any], trained: bool) -> None:
    world = World(ending)
    x, y = data()
    if trained:
        for _ in range(4):
            world.step(x[:10], y[:10])
    check_unchanged(world, TypeError, "run: the first result", x, y)
    check_unchanged(world, TypeError, "run: the first result", x, y, seed=4)


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("make", [optim.Adam, optim.SGD, lambda p, lr: optim.SGD(p, lr, momentum=0.9)])
def test_data_that_the_step_does_not_take(trained: bool, make: Any) -> None:
    world = World(make=make)
    x, y = data()
    if trained:
        world.step.run(x, y, batch_size=10)
        for p in world.model.parameters():
            p.grad = pyautograd.ones(*p.shape)
    for wrong in (x[:, :3], pyautograd.cat([x, x], 1), x.reshape(40, 2, 2)):
        check_unchanged(world, (RuntimeError, ValueError), ".", wrong, y)
    if not trained:  # a program checks classes where a step comes to them
        check_unchanged(world, IndexError, "class", x, y + 7)
    check_unchanged(world, (RuntimeError, TypeError, ValueError), ".", x, y.float())
    assert world.step.run(x, y, batch_size=10).shape == (4,)


def test_the_generator_goes_back_too() -> None:
    world, g = World(lambda loss, x: None), Generator().manual_seed(3)
    check_unchanged(world, TypeError, "first result", *data(), generator=g)
    assert g.get_state() == (3, 0)


def test_arguments_that_are_no_rows() -> None:
    world = World()
    x, y = data()
    for arguments, error, words in [
        ((), TypeError, "no data"),
        ((x,), TypeError, "step: missing a required argument: 'y'.*in a loop"),
        ((x, y, 0.1), TypeError, "step: too many.*in a loop"),
        ((x, 0.5), TypeError, "y is a float.*in a loop"),
        ((x, Value(0.5)), TypeError, "y is a Value.*in a loop"),
        ((x, [1, 2]), TypeError, "y is a list.*in a loop"),
        ((x, {"y": y}), TypeError, "y is a dict.*in a loop"),
        ((x, None), TypeError, "y is a NoneType.*in a loop"),
        ((x, pyautograd.tensor(1.0)), ValueError, "y is 0-d"),
        ((x, y[:20]), ValueError, r"different numbers of rows: \[40, 20\]"),
        ((x[:0], y[:0]), ValueError, "no batch to run: 0 rows, batch_size 10"),
    ]:
        check_unchanged(world, error, words, *arguments)


def test_each_argument_is_named_as_the_step_names_it() -> None:
    class Owner:
        @pyautograd.compile
        def step(self, first: Tensor, *others: Any) -> Tensor:
            return first.sum()

    owner, (x, _) = Owner(), data()
    with pytest.raises(TypeError, match=r"others\[1\] is a float"):
        owner.step.run(x, x, 0.5, batch_size=10)
    with pytest.raises(TypeError, match="first is a str"):
        owner.step.run("words", batch_size=10)
    assert owner.step.run(x, x, x, batch_size=10).shape == (4,)


def test_options_that_make_no_training() -> None:
    world = World()
    x, y = data()
    for options, error, words in [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": -1}, ValueError, "batch_size"),
        ({"batch_size": 2.5}, ValueError, "batch_size"),
        ({"batch_size": True}, ValueError, "batch_size"),
        ({"batch_size": 41, "drop_last": True}, ValueError, "no batch"),
        ({"epochs": -1}, ValueError, "epochs"),
        ({"epochs": 1.5}, ValueError, "epochs"),
        ({"seed": "one"}, TypeError, "run: seed"),
        ({"seed": 1.5}, TypeError, "run: seed"),
        ({"seed": True}, TypeError, "run: seed"),
        ({"seed": 1 << 64}, ValueError, "run: seed"),
        ({"seed": "one", "shuffle": False}, TypeError, "run: seed"),
        ({"generator": 3}, TypeError, "generator"),
        ({"generator": Generator(), "seed": 3}, TypeError, "seed and generator"),
        ({"callback": 3}, TypeError, "callback"),
    ]:
        check_unchanged(world, error, words, x, y, **options)
    assert world.step.run(x, y, batch_size=10, epochs=0).shape == (0,)
    assert world.step.run(x, y, batch_size=50).shape == (1,)


def test_a_step_that_cannot_be_recorded() -> None:
    world = World(lambda loss, x: x if loss > 0 else loss)
    check_unchanged(world, TraceError, "bool", *data())


def test_values_and_their_optimisers() -> None:
    model = scalar.MLP(2, [4, 1])
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    @pyautograd.compile
    def step(rows: Any) -> None:
        loss = sum((model(list(row)) ** 2 for row in rows), Value(0.0))
        loss.backward()
        optimizer.step()

    before = [(p.data, p.grad) for p in model.parameters()]
    with pytest.raises(TypeError, match="first result"):
        step.run(np.ones((8, 2)), batch_size=2)
    assert [(p.data, p.grad) for p in model.parameters()] == before
    assert not optimizer.state


def test_a_run_inside_of_a_step() -> None:
    inner = World()
    x, y = data()

    @pyautograd.compile
    def outer(x: Tensor) -> Tensor:
        inner.step.run(x, y, batch_size=10)
        return x.sum()

    with pytest.raises(TraceError, match="a training of its own within a step"):
        outer(x)


@pytest.mark.parametrize("cast", [lambda loss: loss.long(), lambda loss: loss > 0, lambda loss: loss.double()])
def test_a_loss_of_any_dtype_is_a_number(cast: Callable[..., Any]) -> None:
    x, _ = data()
    plain = pyautograd.compile(lambda x: cast(x.sum()))
    losses = plain.run(x, batch_size=10, epochs=3, shuffle=False)
    assert losses.dtype == np.float64
    assert losses.tolist() == [float(cast(x[i : i + 10].sum()).item()) for i in range(0, 40, 10)] * 3
