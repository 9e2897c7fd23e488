"""Random numbers: their distributions, their bounds, the seed, the state; dropout."""

from statistics import NormalDist

import numpy as np
import pytest

import pyautograd as pa
from pyautograd.nn import functional as F

N = 200_000


@pytest.mark.parametrize("dtype", [pa.float32, pa.float64])
def test_uniform(dtype):
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
def test_normal(dtype):
    a = pa.randn(N + 1, dtype=dtype).numpy().astype(np.float64)
    assert abs(a.mean()) < 0.01
    assert abs(a.std() - 1) < 0.01
    levels = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    np.testing.assert_allclose(np.quantile(a, levels), [NormalDist().inv_cdf(p) for p in levels], atol=0.06)
    assert abs(np.corrcoef(a[0:-1:2], a[1::2])[0, 1]) < 0.01
    b = pa.empty(N, dtype=dtype).normal_(3, 2).numpy()
    assert abs(b.mean() - 3) < 0.03
    assert abs(b.std() - 2) < 0.03


def test_integers():
    counts = np.bincount(pa.randint(-3, 4, (N,)).numpy() + 3)
    assert len(counts) == 7
    np.testing.assert_allclose(counts, N / 7, rtol=0.05)
    assert pa.randint(5, 6, (3,)).tolist() == [5, 5, 5]
    with pytest.raises(ValueError, match="randint"):
        pa.randint(3, 3, (1,))


def test_permutations():
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


def test_the_state_comes_back():
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
def test_dropout(p):
    x = pa.randn(301, 100, dtype=pa.float64, requires_grad=True)
    y = F.dropout(x.T, p)
    kept = y.detach().numpy().T != 0
    assert abs(kept.mean() - (1 - p)) < 0.01
    scale = 0 if p == 1 else 1 / (1 - p)
    np.testing.assert_allclose(y.detach().numpy().T, np.where(kept, x.detach().numpy() * scale, 0))
    (y + y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * kept * scale)


def test_bad_dropout():
    with pytest.raises(ValueError, match=r"1\.5"):
        F.dropout(pa.ones(3), 1.5)
    with pytest.raises(TypeError, match="dropout"):
        F.dropout(pa.ones(3, dtype=pa.int64), 0.5)
