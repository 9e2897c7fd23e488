"""What `run` draws: the order of rows and all that the step draws, from one stream, as a loop of plain steps does."""

import signal
from typing import Any

import numpy as np
import pytest
from threads import in_threads

import pyautograd
from pyautograd import Generator, Tensor, nn, optim
from pyautograd.nn import functional as F


class World:
    """A step that draws in three ways."""

    def __init__(self, compiled: bool = True) -> None:
        generator = Generator().manual_seed(3)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 3))
        for p in self.model.parameters():
            p.data.copy_(pyautograd.randn(*p.shape, generator=generator) * 0.3)
        model, optimizer = self.model, optim.SGD(self.model.parameters(), lr=0.1)

        def step(x: Tensor, y: Tensor) -> Tensor:
            optimizer.zero_grad()
            noise = 0.1 * pyautograd.randn(*x.shape)
            loss = F.cross_entropy(model(x + noise), y) * (1 + pyautograd.rand(()))
            loss.backward()
            optimizer.step()
            return loss

        self.step: Any = pyautograd.compile(step) if compiled else step

    def numbers(self) -> list[Any]:
        return [p.tolist() for p in self.model.parameters()]

    def loop(
        self, x: Tensor, y: Tensor, batch_size: int, epochs: int, drop_last: bool, generator: Generator | None = None
    ) -> list[float]:
        """What run does, in plain words."""
        losses = []
        for _ in range(epochs):
            order = pyautograd.randperm(len(x), generator=generator)
            for start in range(0, len(x), batch_size):
                rows = order[start : start + batch_size]
                if len(rows) == batch_size or not drop_last:
                    losses.append(self.step(x[rows], y[rows]).item())
        return losses


def data(n: int = 50) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n, 4)).astype(np.float32)
    return pyautograd.tensor(x), pyautograd.tensor(generator.integers(0, 3, n))


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("by", ["seed", "stream", "generator"])
def test_a_run_draws_what_a_loop_draws(drop_last: bool, by: str) -> None:
    x, y = data()
    plain, compiled = World(False), World()
    options: dict[str, Any] = {"seed": 5} if by == "seed" else {}
    for kind in (plain, compiled):
        pyautograd.manual_seed(5)
        orders = Generator().manual_seed(6) if by == "generator" else None
        if kind is plain:
            expected = plain.loop(x, y, 8, 6, drop_last, orders)
        else:
            if by == "generator":
                options["generator"] = orders
            elif by == "seed":
                pyautograd.manual_seed(17)
            losses = compiled.step.run(x, y, batch_size=8, epochs=6, drop_last=drop_last, **options)
    np.testing.assert_allclose(losses, expected, rtol=1e-3, atol=1e-5)
    for found, wanted in zip(compiled.numbers(), plain.numbers(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


def test_a_seed_covers_all_that_is_drawn() -> None:
    found = []
    for stream, seed in ((1, 7), (2, 7), (1, 8)):
        world = World()
        pyautograd.manual_seed(stream)
        losses = world.step.run(*data(), batch_size=8, epochs=4, seed=seed)
        found.append((losses.tolist(), world.numbers()))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]


@pytest.mark.parametrize("shuffle", [False, True])
def test_with_a_seed_the_callers_stream_stays_where_it_was(shuffle: bool) -> None:
    world = World()
    pyautograd.manual_seed(9)
    before = pyautograd.get_rng_state()
    world.step.run(*data(), batch_size=8, epochs=4, seed=7, shuffle=shuffle)
    assert pyautograd.get_rng_state() == before


def test_a_generator_gives_orders_and_the_callers_stream_all_else() -> None:
    world, g = World(), Generator().manual_seed(4)
    pyautograd.manual_seed(9)
    world.step.run(*data(), batch_size=10, epochs=4, generator=g)
    assert g.get_state() == (4, 4 * 50)
    a, counter = pyautograd.get_rng_state()
    plain = World(False)
    pyautograd.manual_seed(9)
    plain.loop(*data(), 10, 4, False, Generator().manual_seed(4))
    assert pyautograd.get_rng_state() == (a, counter)


def test_callbacks_draw_from_the_callers_stream() -> None:
    alone = World().step.run(*data(), batch_size=8, epochs=3, seed=2)
    world, drawn = World(), []

    def draw(epoch: int, losses: Any) -> None:
        drawn.append(pyautograd.rand(1).item())

    pyautograd.manual_seed(11)
    losses = world.step.run(*data(), batch_size=8, epochs=3, seed=2, callback=draw)
    after = pyautograd.get_rng_state()
    assert losses.tolist() == alone.tolist()
    pyautograd.manual_seed(11)
    assert drawn == [pyautograd.rand(1).item() for _ in range(3)]
    assert pyautograd.get_rng_state() == after


def test_a_callback_that_seeds_seeds_the_callers_stream() -> None:
    world = World()
    losses = world.step.run(
        *data(), batch_size=8, epochs=3, seed=2, callback=lambda *_: pyautograd.manual_seed(1) and None
    )
    assert pyautograd.get_rng_state() == (1, 0)
    assert losses.tolist() == World().step.run(*data(), batch_size=8, epochs=3, seed=2).tolist()


def test_an_exception_gives_the_stream_back() -> None:
    x, y = data()
    wrong = y.clone()
    wrong[7] = 99  # no class

    def fail(*_: Any) -> None:
        raise KeyError("mine")

    for arguments, options, error in [((x, wrong), {}, IndexError), ((x, y), {"callback": fail}, KeyError)]:
        for warm in (False, True):
            world = World()
            if warm:
                world.step.run(x, y, batch_size=10, epochs=2)
            pyautograd.manual_seed(9)
            before = pyautograd.get_rng_state()
            with pytest.raises(error):
                world.step.run(*arguments, batch_size=10, epochs=3, seed=1, **options)
            assert pyautograd.get_rng_state() == before


def test_an_interrupt_gives_the_stream_back() -> None:
    """A timer's signal, so that it comes while the steps run in C."""
    world = World()
    world.step.run(*data(), batch_size=10, epochs=2)
    pyautograd.manual_seed(9)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            world.step.run(*data(), batch_size=10, epochs=10**9, seed=1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert pyautograd.get_rng_state() == (9, 0)


def test_threads_draw_what_each_draws_alone() -> None:
    def train() -> Any:
        world = World()
        first = world.step.run(*data(), batch_size=8, epochs=3, seed=3)
        pyautograd.manual_seed(21)
        second = world.step.run(*data(), batch_size=8, epochs=3)
        return first.tolist(), second.tolist(), world.numbers()

    alone = train()
    assert all(found == alone for found in in_threads(train, train, train))


def test_a_thread_without_a_stream_of_its_own_has_none_afterwards() -> None:
    world = World()

    def draws(trains: bool) -> float:
        if trains:
            world.step.run(*data(), batch_size=8, seed=3)
        return pyautograd.rand(1).item()

    found = []
    for trains in (False, True):
        pyautograd.manual_seed(1)
        found += list(in_threads(lambda trains=trains: draws(trains)))
    assert found[0] == found[1]
