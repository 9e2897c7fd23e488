"""Random numbers have their distributions and bounds, and follow from seeds, states, generators and threads."""

import concurrent.futures
import copy
import os
import pickle
import subprocess
import sys
import threading
from statistics import NormalDist

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn
from pyautograd.nn import functional as F
from pyautograd.utils import data

N = 200_000


@pytest.mark.parametrize("dtype", [pa.float32, pa.float64])
def test_uniform_numbers_fill_their_range_evenly(dtype):
    a = pa.rand(N, dtype=dtype).numpy().astype(np.float64)
    assert a.min() >= 0
    assert a.max() < 1
    np.testing.assert_allclose(np.histogram(a, 20, (0, 1))[0], N / 20, rtol=0.06)
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.01
    b = pa.empty(N, dtype=dtype).uniform_(-3, 5).numpy()
    assert b.min() >= -3
    assert b.max() < 5
    assert abs(b.mean() - 1) < 0.02


def test_uniform_never_reaches_its_upper_bound():
    a = pa.empty(N, dtype=pa.float32).uniform_(1, float(np.nextafter(np.float32(1), np.float32(2)))).numpy()
    assert (a == 1).all()


@pytest.mark.parametrize("dtype", [pa.float32, pa.float64])
def test_normal_numbers_have_the_quantiles_of_the_distribution(dtype):
    a = pa.randn(N + 1, dtype=dtype).numpy().astype(np.float64)
    assert abs(a.mean()) < 0.01
    assert abs(a.std() - 1) < 0.01
    levels = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    np.testing.assert_allclose(np.quantile(a, levels), [NormalDist().inv_cdf(p) for p in levels], atol=0.06)
    assert abs(np.corrcoef(a[0:-1:2], a[1::2])[0, 1]) < 0.01
    b = pa.empty(N, dtype=dtype).normal_(3, 2).numpy()
    assert abs(b.mean() - 3) < 0.03
    assert abs(b.std() - 2) < 0.03


def test_random_integers_are_evenly_spread():
    counts = np.bincount(pa.randint(-3, 4, (N,)).numpy() + 3)
    assert len(counts) == 7
    np.testing.assert_allclose(counts, N / 7, rtol=0.05)
    assert pa.randint(5, 6, (3,)).tolist() == [5, 5, 5]
    with pytest.raises(ValueError, match="randint"):
        pa.randint(3, 3, (1,))


def test_permutations_hold_each_number_once_at_every_place_alike():
    assert sorted(pa.randperm(1000).tolist()) == list(range(1000))
    assert pa.randperm(0).shape == (0,)
    places = np.zeros((5, 5))
    for _ in range(5000):
        places[np.arange(5), pa.randperm(5).numpy()] += 1
    np.testing.assert_allclose(places, 1000, rtol=0.15)


def test_the_seed_fixes_the_bits():
    def draw():
        return [
            t.numpy().tobytes()
            for t in (pa.rand(7), pa.randn(9), pa.randint(0, 99, (5,)), pa.randperm(6), F.dropout(pa.ones(9)))
        ]

    pa.manual_seed(7)
    first = draw()
    pa.manual_seed(7)
    assert draw() == first
    pa.manual_seed(8)
    assert draw() != first


def test_a_state_that_is_set_again_gives_the_same_numbers():
    state = pa.get_rng_state()
    first = pa.rand(5).tolist()
    pa.set_rng_state(state)
    assert pa.rand(5).tolist() == first


def test_the_stream_does_not_depend_on_how_it_is_cut():
    pa.manual_seed(3)
    whole = pa.rand(10).tolist()
    pa.manual_seed(3)
    assert pa.rand(4).tolist() + pa.rand(6).tolist() == whole


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_dropout_keeps_scaled_numbers_and_their_gradients(p):
    x = pa.randn(301, 100, dtype=pa.float64, requires_grad=True)
    y = F.dropout(x.T, p)
    kept = y.detach().numpy().T != 0
    assert abs(kept.mean() - (1 - p)) < 0.01
    scale = 0 if p == 1 else 1 / (1 - p)
    np.testing.assert_allclose(y.detach().numpy().T, np.where(kept, x.detach().numpy() * scale, 0))
    (y + y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * kept * scale)


def test_dropout_refuses_probabilities_and_dtypes_that_make_no_sense():
    with pytest.raises(ValueError, match=r"1\.5"):
        F.dropout(pa.ones(3), 1.5)
    with pytest.raises(TypeError, match="dropout"):
        F.dropout(pa.ones(3, dtype=pa.int64), 0.5)


DRAWS = {
    "rand": lambda g: pa.rand(3, generator=g),
    "randn": lambda g: pa.randn(2, 2, generator=g),
    "normal": lambda g: pa.normal(1.0, 2.0, (3,), generator=g),
    "randint": lambda g: pa.randint(0, 100, (4,), generator=g),
    "randint up to": lambda g: pa.randint(100, size=(4,), generator=g),
    "randperm": lambda g: pa.randperm(9, generator=g),
    "rand_like": lambda g: pa.rand_like(pa.ones(3), generator=g),
    "randn_like": lambda g: pa.randn_like(pa.ones(3), generator=g),
    "uniform_": lambda g: pa.empty(3).uniform_(-1, 1, generator=g),
    "normal_": lambda g: pa.empty(3).normal_(generator=g),
    "a view": lambda g: pa.zeros(4, 2)[:, 0].uniform_(generator=g),
    "init.uniform_": lambda g: nn.init.uniform_(pa.empty(3), generator=g),
    "init.normal_": lambda g: nn.init.normal_(pa.empty(3), generator=g),
    "init.trunc_normal_": lambda g: nn.init.trunc_normal_(pa.empty(3), generator=g),
    "init.xavier_uniform_": lambda g: nn.init.xavier_uniform_(pa.empty(3, 2), generator=g),
    "init.xavier_normal_": lambda g: nn.init.xavier_normal_(pa.empty(3, 2), generator=g),
    "init.kaiming_uniform_": lambda g: nn.init.kaiming_uniform_(pa.empty(3, 2), generator=g),
    "init.kaiming_normal_": lambda g: nn.init.kaiming_normal_(pa.empty(3, 2), generator=g),
    "init.orthogonal_": lambda g: nn.init.orthogonal_(pa.empty(3, 3), generator=g),
    "random_split": lambda g: pa.tensor(data.random_split(range(9), [5, 4], generator=g)[0].indices),
    "RandomSampler": lambda g: pa.tensor(list(data.RandomSampler(range(9), generator=g))),
    "RandomSampler with replacement": lambda g: pa.tensor(list(data.RandomSampler(range(9), True, 12, generator=g))),
    "DataLoader": lambda g: next(iter(data.DataLoader(pa.arange(9), batch_size=9, shuffle=True, generator=g))),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_generator_draws_what_the_seeded_default_draws_and_leaves_it_alone(name) -> None:
    draw = DRAWS[name]
    pa.manual_seed(7)
    expected, state = draw(None).tolist(), pa.get_rng_state()
    assert state[1] > 0
    pa.manual_seed(7)
    before = pa.get_rng_state()
    generator = pa.Generator().manual_seed(7)
    assert draw(generator).tolist() == expected
    assert generator.get_state() == state
    assert pa.get_rng_state() == before
    assert draw(pa.default_generator).tolist() == expected
    assert pa.get_rng_state() == state
    with pytest.raises(TypeError, match="enerator"):
        draw("7")


def test_a_generator_copied_or_pickled_goes_on_by_itself() -> None:
    generator = pa.Generator().manual_seed(3)
    pa.rand(5, generator=generator)
    copies = [copy.copy(generator), copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))]
    expected = pa.rand(5, generator=generator).tolist()
    assert [pa.rand(5, generator=each).tolist() for each in copies] == [expected] * 3
    standalone = copy.copy(pa.manual_seed(5))
    expected = pa.rand(2).tolist()
    assert pa.rand(2, generator=standalone).tolist() == expected
    assert pa.Generator().get_state() == (67280421310721, 0)


def test_seeds_are_ints_of_64_bits() -> None:
    generator = pa.Generator()
    for whole, seed in [(-1, 2**64 - 1), (-(2**63), 2**63), (2**64 - 1, 2**64 - 1), (np.int32(-2), 2**64 - 2)]:
        assert pa.manual_seed(whole).initial_seed() == pa.initial_seed() == seed
        assert generator.manual_seed(whole).initial_seed() == seed
    state = generator.get_state()
    for wrong, error in [(2**64, ValueError), (-(2**63) - 1, ValueError), (1.5, TypeError), (True, TypeError)]:
        for seeds in (pa.manual_seed, generator.manual_seed):
            with pytest.raises(error, match="manual_seed"):
                seeds(wrong)
    for wrong in [None, 3, (1,), (1, 2, 3), (1, "2"), (1, 1.5)]:
        for sets in (pa.set_rng_state, generator.set_state):
            with pytest.raises(TypeError, match="set_state"):
                sets(wrong)
    assert generator.get_state() == state
    assert pa.seed() == pa.initial_seed() != pa.seed()
    assert generator.seed() == generator.initial_seed()


class Worker:
    """A thread that does what it is asked, one thing at a time, so that a test says who comes when."""

    def __enter__(self):
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        return self

    def __exit__(self, *_):
        self._pool.shutdown()

    def __call__(self, action, *arguments):
        return self._pool.submit(action, *arguments).result()


def draws() -> list[float]:
    return pa.rand(3).tolist() + F.dropout(pa.ones(20)).tolist()


def test_each_thread_draws_what_it_would_alone() -> None:
    def alone(seed):
        pa.manual_seed(seed)
        return [draws() for _ in range(4)]

    expected = [alone(0), alone(1)]
    assert expected[0] != expected[1]
    with Worker() as first, Worker() as second:
        first(pa.manual_seed, 0)
        second(pa.manual_seed, 1)
        drawn = [[], []]
        for _ in range(4):
            drawn[0].append(first(draws))
            pa.manual_seed(9)
            pa.rand(5, generator=pa.Generator())
            drawn[1].append(second(draws))
    assert drawn == expected


def test_threads_that_draw_at_once_draw_what_each_would_alone() -> None:
    def thread(seed, barrier):
        pa.manual_seed(seed)
        own, drawn = pa.Generator().manual_seed(seed), []
        for _ in range(20):
            barrier.wait()
            drawn.append((draws(), pa.rand(3, generator=own).tolist()))
        return drawn

    alone = [thread(seed, threading.Barrier(1)) for seed in range(4)]
    barrier = threading.Barrier(4)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(thread, range(4), [barrier] * 4)) == alone


def test_threads_that_were_never_seeded_draw_unlike_each_other_and_the_same_again() -> None:
    def three():
        pa.manual_seed(4)
        drawn = [draws()]
        for _ in range(2):
            with Worker() as worker:
                drawn.append(worker(draws))
        return drawn

    drawn = three()
    assert drawn == three()
    assert len({tuple(numbers) for numbers in drawn}) == 3


def test_the_seed_of_the_main_thread_is_that_of_threads_without_one() -> None:
    with Worker() as unseeded, Worker() as seeded:
        seeded(pa.manual_seed, 8)
        state = seeded(pa.get_rng_state)
        before = unseeded(draws)
        pa.manual_seed(4)
        first = unseeded(draws)
        assert first != before
        pa.manual_seed(4)
        assert unseeded(draws) == first
        seeded(pa.manual_seed, 4)
        assert unseeded(draws) != first
        seeded(pa.set_rng_state, state)
        pa.manual_seed(4)
        assert seeded(pa.get_rng_state) == state
        assert unseeded(draws) == first


def test_a_compiled_step_draws_from_the_stream_of_the_thread_that_calls_it() -> None:
    def step(x):
        return F.dropout(x) + pa.rand(8) + pa.randn(8) + pa.randint(0, 99, (8,)) + pa.randperm(8)

    compiled, x = pa.compile(step), pa.ones(8)
    pa.manual_seed(5)
    for _ in range(4):
        compiled(x)
    main = pa.get_rng_state()
    pa.manual_seed(5)
    expected = [step(x).tolist() for _ in range(3)]
    after = pa.get_rng_state()
    pa.set_rng_state(main)
    with Worker() as worker:
        worker(pa.manual_seed, 5)
        assert worker(lambda: [compiled(x).tolist() for _ in range(3)]) == expected
        assert worker(pa.get_rng_state) == after
    assert len(compiled.programs) == 1
    assert pa.get_rng_state() == main


def test_run_shuffles_by_a_generator() -> None:
    def train(**how):
        seen = []
        step = pa.compile(lambda x: x.sum())
        losses = step.run(pa.arange(12.0), batch_size=3, epochs=3, callback=lambda *_: seen.append(1), **how)
        return losses.tolist(), len(seen)

    generator = pa.Generator().manual_seed(6)
    state = pa.get_rng_state()
    assert train(generator=generator) == train(seed=6)
    assert train(generator=generator) != train(seed=6)
    assert pa.get_rng_state() == state
    for how in ({"generator": generator, "seed": 6}, {"generator": 6}):
        with pytest.raises(TypeError, match="generator"):
            train(**how)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_parent_and_child_draw_the_same() -> None:
    script = """
import os, sys, pyautograd as pa
pa.manual_seed(3); pa.rand(2)
reading, writing = os.pipe()
child = os.fork()
drawn = repr(pa.rand(4).tolist()).encode()
if child == 0:
    os.write(writing, drawn)
    os._exit(0)
os.waitpid(child, 0)
sys.exit(os.read(reading, 1000) != drawn)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
