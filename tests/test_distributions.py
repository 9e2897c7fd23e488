"""Draws have the mean and deviation of their distribution, come from a generator, or are refused."""

import math
from typing import Any

import pytest

import pyautograd as pa

N = 40_000

DRAWS: dict[str, tuple[tuple[Any, ...], float, float]] = {  # arguments, mean, standard deviation
    "bernoulli_": ((0.3,), 0.3, math.sqrt(0.21)),
    "exponential_": ((2.0,), 0.5, 0.5),
    "geometric_": ((0.25,), 4.0, math.sqrt(12)),
    "random_": ((3, 9), 5.5, math.sqrt(35 / 12)),
    "log_normal_": ((0.0, 0.5), math.exp(0.125), math.sqrt(math.expm1(0.25)) * math.exp(0.125)),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("dtype", [pa.float32, pa.float64])
def test_draws_have_the_mean_and_the_deviation_of_their_distribution(name: str, dtype: Any) -> None:
    args, mean, deviation = DRAWS[name]
    x = pa.empty(N, dtype=dtype)
    assert getattr(x, name)(*args, generator=pa.Generator().manual_seed(1)) is x
    assert abs(x.mean().item() - mean) < 5 * deviation / math.sqrt(N)
    assert x.std().item() == pytest.approx(deviation, rel=0.05)
    again = pa.empty(N, dtype=dtype)
    getattr(again, name)(*args, generator=pa.Generator().manual_seed(1))
    assert again.equal(x)


def test_half_of_cauchys_draws_are_within_its_width() -> None:
    x = pa.empty(N).cauchy_(1.0, 2.0, generator=pa.Generator().manual_seed(1))
    assert ((x - 1).abs() < 2).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_normal_draws_of_tensors_have_each_its_mean_and_deviation() -> None:
    means, deviations = pa.tensor([[0.0], [5.0]]), pa.tensor([1.0, 2.0, 0.0])
    x = pa.normal(means.expand(2, 3).repeat(N // 10, 1, 1), deviations)
    assert x.mean(0).sub(means).abs().max().item() < 0.2
    assert x.std(0)[0].tolist() == pytest.approx([1.0, 2.0, 0.0], abs=0.1)
    assert pa.normal(2.0, deviations.double()).dtype is pa.float64
    assert not pa.normal(means.requires_grad_()).requires_grad


def test_what_cannot_be_drawn_is_refused_and_draws_nothing() -> None:
    leaf, integers = pa.ones(2, requires_grad=True), pa.zeros(3, dtype=pa.int64)
    before = pa.get_rng_state()
    for name, (args, _, _) in DRAWS.items():
        with pytest.raises(RuntimeError, match=f"{name}: .*requires grad"):
            getattr(leaf, name)(*args)
    for name in ("exponential_", "cauchy_", "log_normal_"):
        with pytest.raises(TypeError, match=f"{name}: takes float"):
            getattr(integers, name)()
    for call in (lambda: pa.empty(2).exponential_(0.0), lambda: pa.empty(2).geometric_(1.0),
                 lambda: pa.normal(pa.zeros(2), pa.tensor([1.0, -1.0])), lambda: integers.random_(3, 3)):  # fmt: skip
        with pytest.raises(ValueError, match=r"geometric_|exponential_|normal|randint"):
            call()
    with pytest.raises(TypeError, match="normal: takes numbers and a size"):
        pa.normal(0.0, 1.0)
    assert pa.get_rng_state() == before
