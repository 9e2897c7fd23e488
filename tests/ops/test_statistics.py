"""Medians, quantiles, modes, norms, distances and counts: NumPy's numbers, gradients, draws in their proportions."""

import math
from typing import Any

import numpy as np
import pytest
from gradcheck import check_gradients
from layouts import layouts

import pyautograd as pa
from pyautograd.nn import functional as F

rng = np.random.default_rng(0)
nan, inf = math.nan, math.inf


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_medians_and_quantiles_are_numpys(dtype: str) -> None:
    for shape in [(1,), (7,), (3, 4), (2, 3, 4)]:
        for _, x, a in layouts(shape, dtype):
            for axis in range(len(shape)):
                lower = np.quantile(a, 0.5, axis=axis, method="lower")
                assert (x.median(axis).values.detach().numpy() == lower).all()
                if dtype != "int64":
                    for q in (0.0, 0.3, 1.0):
                        wanted = np.quantile(a.astype(np.float64), q, axis=axis)
                        np.testing.assert_allclose(x.quantile(q, axis).detach().numpy(), wanted, rtol=1e-5, atol=1e-6)
            assert x.median().item() == np.quantile(a, 0.5, method="lower")


def test_a_nan_is_the_median_unless_it_is_left_out() -> None:
    x = pa.tensor([[nan, 2.0, 1.0, 5.0], [nan, nan, nan, nan]], dtype=pa.float64)
    assert x.median(1).indices.tolist() == [0, 0] and math.isnan(x.median().item())
    assert x.nanmedian(1).values[0].item() == x.nanmedian().item() == 2.0
    assert math.isnan(pa.zeros(0).median().item()) and math.isnan(pa.zeros(2, 0).nanmedian().item())
    assert x.nanquantile(1.0, 1)[0].item() == 5.0 and math.isnan(x.quantile(0.5, 1)[0].item())
    assert x.nansum(1).tolist() == [8.0, 0.0] and x.nanmean(1)[0].item() == 8 / 3 and x.count_nonzero().item() == 8


def test_gradients_of_statistics_are_central_differences() -> None:
    a = rng.standard_normal((3, 5))
    for function in (
        lambda x: x.median(1).values, lambda x: x.median(), lambda x: x.quantile(0.3, 0), lambda x: x.mode(1).values,
        lambda x: x.cov(), lambda x: x.corrcoef(), lambda x: x.norm(3, 1), lambda x: x.norm(0.5, 0),
        lambda x: pa.cdist(x, x[:2] * 0.5), lambda x: F.pdist(x, 1.5), lambda x: F.cosine_similarity(x, x[:1] + 1),
        lambda x: F.normalize(x, 1.0), lambda x: F.pairwise_distance(x, x[:1] * 2), lambda x: x.nanmean(0),
        lambda x: pa.stack([*x.aminmax(dim=1), *pa.std_mean(x, 1)]),
    ):  # fmt: skip
        check_gradients(function, a)
    check_gradients(lambda x, q: x.quantile(q, 1), a, np.array([0.3, 0.8]))


@pytest.mark.parametrize("size", [1.0, 1e-37, 6e37])  # one over the last is denormal
def test_the_gradient_of_a_norm_is_added_to_what_is_there(size: float) -> None:
    x = pa.tensor([[3 * size, 0], [0, 4 * size]], requires_grad=True)
    x.sum().backward()
    x.norm().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[1.6, 1], [1, 1.8]], rtol=1e-6)


def test_the_gradient_of_a_norm_at_zero_is_zero() -> None:
    for p in (0.5, 1, 1.5, 2, 3, inf):
        x = pa.zeros(2, 3, requires_grad=True)
        x.norm(p, dim=1).sum().backward()
        assert x.grad is not None and (x.grad == 0).all()


def test_the_most_frequent_is_the_smallest_of_several_at_its_last_place() -> None:
    x = pa.tensor([[3, 1, 3, 1, 2], [2, 2, 2, 0, 0]])
    assert [each.tolist() for each in x.mode()] == [[1, 2], [3, 2]]
    assert x.mode(0, True).values.tolist() == [[2, 1, 2, 0, 0]]


def test_counts_are_numpys() -> None:
    a = rng.standard_normal(500)
    for dtype in (np.float32, np.float64):
        for low, high in ((-1.0, 1.5), (0, 0)):
            between = (low, high) if high else (a.astype(dtype).min(), a.astype(dtype).max())
            wanted = np.histogram(a.astype(dtype), 7, between)[0]
            assert (pa.tensor(a.astype(dtype)).histc(7, low, high).numpy() == wanted).all()
    assert pa.tensor([0, 3, 3]).bincount(minlength=2).tolist() == [1, 0, 0, 2]
    assert pa.tensor([0, 1, 1]).bincount(pa.tensor([0.5, 1.0, 2.0])).tolist() == [0.5, 3.0]


@pytest.mark.parametrize("replacement", [True, False])
def test_positions_are_drawn_in_proportion(replacement: bool) -> None:
    weights = pa.tensor([[0.0, 1.0, 2.0, 0.0, 5.0], [4.0, 0.0, 0.0, 4.0, 0.0]])
    drawn = pa.stack([weights.multinomial(2, replacement, generator=pa.Generator().manual_seed(i)) for i in range(500)])
    first = np.stack([np.bincount(drawn[:, row, 0].numpy(), minlength=5) for row in (0, 1)]) / 500
    np.testing.assert_allclose(first, [[0, 1 / 8, 2 / 8, 0, 5 / 8], [0.5, 0, 0, 0.5, 0]], atol=0.07)
    assert drawn.shape == (500, 2, 2) and drawn.dtype is pa.int64
    twice = (drawn[..., 0] == drawn[..., 1]).any().item()
    assert twice == replacement


def test_draws_are_those_of_the_seed_in_programs_too() -> None:
    def step(p: pa.Tensor) -> Any:
        return p.multinomial(2), p.multinomial(3, True), p.bernoulli(), pa.bernoulli(p, 0.5)

    compiled, p = pa.compile(step), pa.tensor([[0.2, 0.5, 0.3], [0.9, 0.0, 0.1]])
    for i in range(4):
        pa.manual_seed(i)
        wanted = [each.tolist() for each in step(p)]
        pa.manual_seed(i)
        assert [each.tolist() for each in compiled(p)] == wanted
    assert len(compiled.programs) == 1


@pytest.mark.parametrize("rows", [[[0.0, 0.0], [1.0, 1.0]], [[-1.0, 2.0], [1.0, 1.0]], [[inf, 1.0], [nan, 1.0]]])
def test_what_is_no_distribution_is_refused_in_programs_too(rows: list[list[float]]) -> None:
    p, good = pa.tensor(rows), pa.ones(2, 2)
    draw, quantile, bernoulli = (
        pa.compile(each) for each in (lambda p: p.multinomial(1), lambda p: good.quantile(p[0]), pa.Tensor.bernoulli)
    )
    for _ in range(3):
        draw(good)
        with pytest.raises(ValueError, match="multinomial: the probabilities of a row are finite from 0 on"):
            draw(p)
    for step, name in ((quantile, "quantile: all elements of q"), (bernoulli, "bernoulli: all elements of prob")):
        step(good)
        step(good)
        if not ((p[0] >= 0) & (p[0] <= 1)).all():
            with pytest.raises(ValueError, match=name):
                step(p)


def test_what_is_empty_or_unknown_says_so() -> None:
    x = pa.ones(2, 3)
    for match, error, call in (
        (r"median: no elements .* axis 0 of shape \(0,\)", ValueError, lambda: pa.zeros(0).median(0)),
        (r"mode: no elements", ValueError, lambda: pa.zeros(2, 0).mode()),
        ("quantile: interpolation 'cubic'", ValueError, lambda: x.quantile(0.5, interpolation="cubic")),
        ("quantile: q is float64", TypeError, lambda: x.quantile(pa.tensor(0.5).double())),
        ("multinomial: 4 samples of 3", ValueError, lambda: x.multinomial(4)),
        ("multinomial: takes float32 or float64, not int64", TypeError, lambda: x.long().multinomial(1)),
        ("histc: 0 bins", ValueError, lambda: x.histc(0)),
        ("bincount: takes ints from 0 on", ValueError, lambda: pa.tensor([-1]).bincount()),
        ("cdist: shapes", ValueError, lambda: pa.cdist(x, x.T)),
        ("cov: weights of shape", ValueError, lambda: x.cov(fweights=pa.ones(2))),
    ):
        with pytest.raises(error, match=match):
            call()
