"""Random numbers of a compiled step: those of the plain step from the same seed, in its order, in each thread its own,
from the thread's stream or from a Generator."""

from collections.abc import Callable
from typing import Any

import pytest
from threads import in_threads

import pyautograd as pa
from pyautograd import Generator, Tensor, TraceError, nn
from pyautograd.nn import functional as F

DRAWS: dict[str, Callable[[Generator | None], Any]] = {
    "rand": lambda g: pa.rand(2, 3, generator=g),
    "randn": lambda g: pa.randn(5, generator=g, dtype=pa.float64),
    "normal": lambda g: pa.normal(2.0, 0.5, (3,), generator=g),
    "randint": lambda g: pa.randint(-3, 9, (4,), generator=g),
    "randint beyond 2**53": lambda g: pa.randint(2**60, 2**60 + 5, (4,), generator=g),
    "randint as floats": lambda g: pa.randint(0, 9, (4,), generator=g, dtype=pa.float32),
    "randperm": lambda g: pa.randperm(7, generator=g),
    "rand_like": lambda g: pa.rand_like(pa.ones(3), generator=g),
    "randn_like": lambda g: pa.randn_like(pa.ones(3), generator=g),
    "uniform_": lambda g: pa.zeros(3).uniform_(-1, 1, generator=g),
    "normal_ of new memory": lambda g: pa.empty(3).normal_(generator=g),
    "normal_ of a view": lambda g: pa.empty(4, 3).T.normal_(generator=g),
    "uniform_ of a column": lambda g: with_a_column(pa.zeros(3, 2), g),
    "uniform_ of data": lambda g: with_data(pa.empty(3), g),
    "init": lambda g: nn.init.xavier_uniform_(pa.empty(3, 2), generator=g),
    "kaiming": lambda g: nn.init.kaiming_normal_(pa.empty(3, 2), generator=g),
}


def with_a_column(made: Tensor, generator: Generator | None) -> Tensor:
    made[:, 1].uniform_(generator=generator)
    return made


def with_data(made: Tensor, generator: Generator | None) -> Tensor:
    made.data.uniform_(generator=generator)
    return made


def calls(step: Callable[..., Any], *arguments: Any, n: int = 5) -> list[Any]:
    return [step(*arguments).tolist() for _ in range(n)]


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_those_of_the_plain_step(name: str) -> None:
    def step(x: Tensor) -> Tensor:
        return x + DRAWS[name](None) + F.dropout(pa.ones(1), 0.5)

    compiled = pa.compile(step)
    pa.manual_seed(5)
    plain, after = calls(step, pa.ones(1)), pa.get_rng_state()
    pa.manual_seed(5)
    assert calls(compiled, pa.ones(1)) == plain
    assert pa.get_rng_state() == after
    assert len(compiled.programs) == 1


@pytest.mark.parametrize("name", DRAWS)
def test_a_generator_draws_what_it_draws_in_the_plain_step(name: str) -> None:
    generators = [Generator().manual_seed(3), Generator().manual_seed(3)]

    def step(which: int, x: Tensor) -> Tensor:
        return x + DRAWS[name](generators[which])

    compiled = pa.compile(step)
    pa.manual_seed(0)
    before = pa.get_rng_state()
    assert calls(lambda x: compiled(1, x), pa.ones(1)) == calls(lambda x: step(0, x), pa.ones(1))
    assert generators[0].get_state() == generators[1].get_state()
    assert pa.get_rng_state() == before


def test_a_generator_may_be_an_argument_and_each_has_a_program() -> None:
    step = pa.compile(lambda x, generator: x + pa.rand(2, generator=generator))
    for seed in (1, 2):
        own, same = Generator().manual_seed(seed), Generator().manual_seed(seed)
        assert [step(pa.ones(1), own).tolist() for _ in range(4)] == [
            (pa.ones(1) + pa.rand(2, generator=same)).tolist() for _ in range(4)
        ]
    assert len(step.programs) == 2


def test_a_seeded_generator_goes_on_from_its_seed_in_a_program() -> None:
    generator = Generator().manual_seed(1)
    step = pa.compile(lambda x: x + pa.rand(2, generator=generator))
    first = calls(step, pa.ones(1))
    generator.manual_seed(1)
    assert calls(step, pa.ones(1)) == first
    generator.set_state((1, 0))
    assert calls(step, pa.ones(1)) == first


def test_another_generator_in_its_place_is_drawn_from() -> None:
    held = {"generator": Generator().manual_seed(1)}

    def step(x: Tensor) -> Tensor:
        return x + pa.rand(2, generator=held["generator"])

    compiled = pa.compile(step)
    calls(compiled, pa.ones(1))
    held["generator"] = Generator().manual_seed(7)
    drawn = calls(compiled, pa.ones(1))
    held["generator"] = Generator().manual_seed(7)
    assert calls(step, pa.ones(1)) == drawn


def test_run_draws_from_a_generator_what_the_plain_loop_draws() -> None:
    rows = pa.arange(12.0).reshape(12, 1)

    def training() -> Any:
        w, generator = nn.Parameter(pa.zeros(1)), Generator().manual_seed(5)

        def step(x: Tensor) -> Tensor:
            w.grad = None
            loss = ((w - x) ** 2 * pa.rand(1, generator=generator)).sum()
            loss.backward()
            with pa.no_grad():
                w.sub_(w.grad, alpha=0.01)
            return loss

        return step, generator

    (step, generator), (plain, other) = training(), training()
    losses = pa.compile(step).run(rows, batch_size=3, epochs=3, shuffle=False).tolist()
    assert losses == pytest.approx([plain(rows[3 * i : 3 * i + 3]).item() for _ in range(3) for i in range(4)])
    assert generator.get_state() == other.get_state()


def test_a_generator_lives_as_long_as_its_program() -> None:
    def make() -> Any:
        generator = Generator().manual_seed(1)
        return pa.compile(lambda x: x + pa.rand(2, generator=generator))

    step = make()
    assert calls(step, pa.ones(1)) == calls(make(), pa.ones(1))


def test_a_draw_that_fails_leaves_nothing() -> None:
    generator = Generator().manual_seed(1)

    def step(x: Tensor) -> Tensor:
        try:
            pa.normal(0.0, -1.0, (3,), generator=generator)
        except ValueError:
            x = x * 2
        return x + pa.rand(2, generator=generator)

    compiled = pa.compile(step)
    drawn = calls(compiled, pa.ones(1))
    generator.manual_seed(1)
    assert calls(step, pa.ones(1)) == drawn


def test_two_threads_have_the_numbers_that_each_has_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    steps = [pa.compile(lambda x: model(x) + pa.rand(1)) for _ in range(2)]

    def work(i: int) -> Any:
        pa.manual_seed(i)
        return calls(steps[i], pa.ones(4, 3), n=20)

    results = in_threads(lambda: work(0), lambda: work(1))
    for i in range(2):
        pa.manual_seed(i)
        assert calls(lambda x: model(x) + pa.rand(1), pa.ones(4, 3), n=20) == results[i]


def test_a_program_draws_from_the_stream_of_the_thread_that_calls_it() -> None:
    step = pa.compile(lambda x: F.dropout(x, 0.5) + pa.rand(8))
    calls(step, pa.ones(8))

    def work(i: int) -> Any:
        pa.manual_seed(i)
        return calls(step, pa.ones(8))

    for i in range(3):
        assert in_threads(lambda i=i: work(i)) == [work(i)]


@pytest.mark.parametrize(
    "function",
    [
        lambda g: g.manual_seed(1),
        lambda g: g.get_state(),
        lambda g: g.initial_seed(),
        lambda g: pa.manual_seed(1),
        lambda g: pa.get_rng_state(),
        lambda g: pa.initial_seed(),
    ],
)
def test_seeding_a_stream_and_reading_where_it_stands_are_refused(function: Callable[[Generator], Any]) -> None:
    generator = Generator()
    step = pa.compile(lambda x: (function(generator), x)[1])
    with pytest.raises(TraceError, match="random stream"):
        step(pa.ones(1))
