"""Reductions, normalisations and losses over the whole range of float32 and float64, against higher precision.

The expected numbers are computed in long double, or by math.fsum, from the very floats that are given. A tolerance is
in units of the dtype's eps: of the result, or, for what subtracts, of the largest number that went in. Columns are
added up one row after the other, in double: their tolerance grows with the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor
from pyautograd.nn import functional as F

DTYPES = {"float32": pa.float32, "float64": pa.float64}
pytestmark = pytest.mark.usefixtures("isa")

SCALES = {"float32": [1e-30, 1e-20, 1e-6, 1.0, 1e6, 1e17, 1e30], "float64": [1e-140, 1e-30, 1.0, 1e30, 1e140]}
SIZES = [2, 3, 15, 16, 40, 3000]

Wide = np.longdouble


def arrays(dtype: str) -> Iterator[np.ndarray]:
    """Of every scale and size: without an offset, with one a million spreads wide, and over 20 orders of magnitude."""
    rng = np.random.default_rng(0)
    for scale in SCALES[dtype]:
        for n in SIZES:
            x = rng.standard_normal(n)
            yield (x * scale).astype(dtype)
            yield ((x + 1e6) * (scale * 1e-6)).astype(dtype)
            yield (x * scale * 10.0 ** -np.linspace(0, 20, n)).astype(dtype)


def exact_mean(x: np.ndarray) -> Any:
    return x[0] + (x.astype(Wide) - x[0]).sum() / x.size


def exact_variance(x: np.ndarray, correction: float = 1) -> Any:
    d = x.astype(Wide) - exact_mean(x)
    return (d * d).sum() / (x.size - correction)


def representable(value: Any, dtype: str) -> bool:
    info = np.finfo(dtype)
    return bool(abs(value) < info.max and (value == 0 or abs(value) > info.tiny))


def off_by(found: Tensor, expected: Any, unit: Any) -> float:
    """How far a number is from the expected one, in eps of `unit`."""
    return float(abs(Wide(found.item()) - expected) / (np.finfo(str(found.numpy().dtype)).eps * abs(unit)))


STATISTICS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[np.ndarray], Any]]] = {
    "var": (lambda x: x.var(), exact_variance),
    "var, correction 0": (lambda x: x.var(correction=0), lambda x: exact_variance(x, 0)),
    "std": (lambda x: x.std(), lambda x: np.sqrt(exact_variance(x))),
    "norm": (lambda x: x.norm(), lambda x: np.sqrt((x.astype(Wide) ** 2).sum())),
    "largest norm": (lambda x: x.norm(math.inf), lambda x: np.abs(x).max()),
}


def placed(x: np.ndarray) -> Iterator[tuple[Callable[..., Tensor], Tensor]]:
    """The numbers as one run, as a column, and gathered from strides."""
    yield lambda f, t: f(t), pa.tensor(x)
    yield lambda f, t: f(t[:, :, 1]), pa.tensor(np.stack([x, x, x], 1).reshape(-1, 1, 3).copy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", STATISTICS)
def test_a_variance_deviation_or_norm_is_within_24_units(name: str, dtype: str) -> None:
    found, exact = STATISTICS[name]
    for x in arrays(dtype):
        expected = exact(x)
        if not representable(expected, dtype):
            continue
        for apply, t in placed(x):
            assert off_by(apply(found, t), expected, expected) <= 24, x


@pytest.mark.parametrize("dtype", DTYPES)
def test_statistics_over_columns_are_as_exact_as_their_length_allows(dtype: str) -> None:
    for x in arrays(dtype):
        t = pa.tensor(np.stack([x, x[::-1]], 1).copy())
        for function, exact in (
            (lambda t: t.var(0), exact_variance),
            (lambda t: t.mean(0), exact_mean),
            (lambda t: t.norm(dim=0), lambda x: np.sqrt((x.astype(Wide) ** 2).sum())),
        ):
            expected = exact(x)
            if representable(expected, dtype):
                unit = np.abs(x).max() if exact is exact_mean else expected
                assert all(off_by(each, expected, unit) <= 8 + x.size / 8 for each in function(t))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_means_are_exact_to_the_largest_number(dtype: str) -> None:
    """To the largest number that went in; a float32 sum in lanes adds up to 128 of them."""
    for x in arrays(dtype):
        size = np.abs(x.astype(Wide))
        total = Wide(math.fsum(x.astype(float)))
        if representable(size.sum(), dtype):
            assert off_by(pa.tensor(x).sum(), total, size.sum()) <= 16
        assert off_by(pa.tensor(x).mean(), exact_mean(x), size.max()) <= 8


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_std_and_norm_are_exact(dtype: str) -> None:
    for x in arrays(dtype):
        wide, mean, n = x.astype(Wide), exact_mean(x), x.size
        variance = exact_variance(x)
        for function, direction in (
            (lambda t: t.std(), (wide - mean) / (np.sqrt(variance) * (n - 1))),
            (lambda t: t.norm(), wide / np.sqrt((wide * wide).sum())),
        ):
            if not representable(variance, "float64"):
                continue
            t = pa.tensor(x, requires_grad=True)
            function(t).backward()
            error = np.abs(t.grad.numpy().astype(Wide) - direction).max()
            rounded_mean = abs(mean) / (np.sqrt(variance) * (n - 1))
            assert error <= np.finfo(dtype).eps * (16 * np.abs(direction).max() + rounded_mean)


def test_numbers_far_from_one_keep_their_deviation_and_mean() -> None:
    def std(*numbers: float) -> float:
        return pa.tensor(list(numbers)).std().item()

    assert std(1e-30, 2e-30, 3e-30) == pytest.approx(1e-30, rel=1e-6)
    assert std(1e30, 1e-30, 0.0) == pytest.approx(5.7735027e29, rel=1e-6)
    far = pa.tensor([1e8, 1e8 + 8, 1e8 + 16])
    assert F.layer_norm(far, (3,)).numpy() == pytest.approx([-1.2247449, 0, 1.2247449], rel=1e-6)
    assert pa.tensor([3e38, 3e38]).mean().item() == pytest.approx(3e38, rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e8])
@pytest.mark.parametrize("n", [3, 16, 100, 3000])
def test_normalisations_far_from_zero_are_exact(n: int, offset: float, dtype: str) -> None:
    """What a mean loses when it is rounded is the same for all: half an eps of the offset."""
    rng = np.random.default_rng(n)
    x = (rng.standard_normal((n, 5)) * max(1.0, offset * 1e-6) + offset).astype(dtype)
    expected = np.stack([(c.astype(Wide) - exact_mean(c)) / np.sqrt(exact_variance(c, 0) + Wide(1e-5)) for c in x.T], 1)
    slack = np.finfo(dtype).eps * (16 + (2 + n / 100) * offset / x.std(0).min()) * np.abs(expected).max()
    rows = F.layer_norm(pa.tensor(x.T.copy()), (n,)).numpy().T
    columns = F.batch_norm(pa.tensor(x), None, None, training=True).numpy()
    assert np.abs(rows - expected).max() <= slack
    assert np.abs(columns - expected).max() <= slack


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 30.0, 1e4, 1e30])
def test_softmax_and_its_kin_are_exact_at_every_scale(scale: float, dtype: str) -> None:
    rng = np.random.default_rng(1)
    eps = np.finfo(dtype).eps
    for n in (2, 5, 16, 100, 2000):
        x = (rng.standard_normal(n) * scale).astype(dtype)
        wide = x.astype(Wide)
        top, p = wide.max(), softmax(wide)
        total = np.log(np.exp(wide - top).sum())
        t = pa.tensor(x)
        slack = eps * (8 + np.abs(x).max())
        assert np.abs(t.softmax(0).numpy() - p).max() <= min(slack, 1) * 2
        assert off_by(t.logsumexp(0), top + total, max(abs(top + total), total, 1)) <= 4
        log_p = wide - top - total
        assert (np.abs(t.log_softmax(0).numpy() - log_p) <= 4 * eps * (1 + np.abs(log_p) + np.abs(top))).all()
        loss = F.cross_entropy(t.reshape(1, n), pa.tensor([int(n // 2)]))
        assert off_by(loss, -log_p[n // 2], 1 + abs(log_p[n // 2]) + abs(top)) <= 4


LOSSES: dict[str, tuple[Callable[..., Tensor], Callable[[Any, Any], Any]]] = {
    "mse": (F.mse_loss, lambda a, b: (a - b) ** 2),
    "l1": (F.l1_loss, lambda a, b: abs(a - b)),
    "huber": (F.huber_loss, lambda a, b: (a - b) ** 2 / 2 if abs(a - b) < 1 else abs(a - b) - Wide(0.5)),
    "bce_with_logits": (
        F.binary_cross_entropy_with_logits,
        lambda a, b: (a * (1 - b) if a > 0 else -a * b) + np.log1p(np.exp(-abs(a))),
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_within_6_units(name: str, dtype: str) -> None:
    """To the size of the prediction's share: what a - b and 1 - b lose when they are rounded."""
    found, exact = LOSSES[name]
    rng = np.random.default_rng(2)
    for scale in SCALES[dtype]:
        for target in (0.0, 0.3, 1 - 2.0**-20, 1.0):
            a = (rng.standard_normal(200) * scale).astype(dtype)
            b = np.full(200, target, dtype)
            losses = found(pa.tensor(a), pa.tensor(b), reduction="none").numpy()
            for x, y, loss in zip(a.astype(Wide), b.astype(Wide), losses.astype(Wide), strict=True):
                expected = exact(x, y)
                if representable(expected, dtype):
                    assert abs(loss - expected) <= 6 * np.finfo(dtype).eps * expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_and_nans_pass_through_reductions(dtype: str) -> None:
    inf, nan = math.inf, math.nan

    def numbers(function: Callable[[Tensor], Tensor], *x: float) -> Any:
        return function(pa.tensor(list(x), dtype=DTYPES[dtype])).tolist()

    for n in (1, 40):
        pad = [1.0] * n
        assert numbers(lambda x: x.sum(), inf, *pad) == inf == numbers(lambda x: x.mean(), *pad, inf)
        assert numbers(lambda x: x.mean(), inf, *pad) == inf == numbers(lambda x: x.norm(), *pad, -inf)
        assert numbers(lambda x: x.mean(), *pad, -inf) == -inf
        for function in (lambda x: x.var(), lambda x: x.std(), lambda x: (x - x).mean(), lambda x: x.softmax(0)[0]):
            assert math.isnan(numbers(function, *pad, inf))
        for function in (
            lambda x: x.sum(),
            lambda x: x.mean(),
            lambda x: x.var(),
            lambda x: x.std(),
            lambda x: x.norm(),
        ):
            assert math.isnan(numbers(function, *pad, nan))
            assert math.isnan(numbers(function, nan, *pad))
    logits = F.binary_cross_entropy_with_logits
    assert numbers(lambda x: logits(x, pa.full_like(x, 0.3), reduction="none"), inf, -inf) == [inf, inf]
    assert numbers(lambda x: x.logsumexp(0), -inf, -inf) == -inf


@pytest.mark.parametrize(
    "function", [lambda x: x.std(), lambda x: x.std(0).sum(), lambda x: x.std(correction=0), lambda x: x.norm()]
)
def test_roots_have_a_gradient_of_zero_at_zero(function: Callable[[Tensor], Tensor]) -> None:
    for dtype in DTYPES.values():
        x = pa.zeros(3, 4, dtype=dtype, requires_grad=True)
        function(x).backward()
        assert x.grad.tolist() == [[0.0] * 4] * 3


def test_a_dead_unit_leaves_the_weights_of_a_hand_written_batch_norm_finite() -> None:
    w = pa.zeros(5, 3, requires_grad=True)
    h = pa.ones(8, 5) @ w
    y = (h - h.mean(0)) / (h.std(0) + 1e-5)
    y.square().sum().backward()
    assert np.isfinite(w.grad.numpy()).all()
