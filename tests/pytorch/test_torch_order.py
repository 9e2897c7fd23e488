"""Reductions, order, statistics and distances are PyTorch's: values, dtypes, gradients, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
import pyautograd.nn.functional as F

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)
nan, inf = math.nan, math.inf

VECTOR = rng.standard_normal(7)
MATRIX = np.round(rng.standard_normal((4, 6)) * 2) / 2  # with ties
CUBE = rng.standard_normal((2, 3, 4))
NANS = np.array([[1.0, nan, 3.0, -2.0], [nan, nan, nan, 0.5], [2.0, 1.0, 4.0, 0.0]])
WHOLE = rng.integers(-3, 4, (3, 5))
BOOLS = WHOLE > 0
SCALAR = np.array(2.5)
ZEROS = np.zeros((2, 3))
SIGNED = np.array([[3.0, -4.0], [0.0, 0.0], [0.0, -2.0]])
DISTINCT = [VECTOR, CUBE, SCALAR, VECTOR.astype(np.float32)]
FLOATS = [VECTOR, MATRIX, CUBE, SCALAR, MATRIX.astype(np.float32)]
ANY = [*FLOATS, WHOLE, BOOLS, WHOLE.astype(np.int32), (WHOLE + 3).astype(np.uint8)]
EMPTY = np.zeros((2, 0))

# A name, a function of (torch or this package, its nn.functional, a tensor), and the tensors
CASES: dict[str, tuple[Any, list[np.ndarray]]] = {
    "sort": (lambda t, f, x: t.sort(x), ANY),
    "sort dim": (lambda t, f, x: x.sort(dim=0, descending=True, stable=True), ANY),
    "sort of nans": (lambda t, f, x: x.sort(dim=-1, stable=True).values, [NANS, -NANS]),
    "argsort": (lambda t, f, x: t.argsort(x, dim=-1, stable=True), ANY),
    "argsort descending": (lambda t, f, x: x.argsort(descending=True, stable=True), [*ANY, NANS]),
    "topk": (lambda t, f, x: t.topk(x, 2)[0], [VECTOR, MATRIX, CUBE, WHOLE, NANS]),
    "topk smallest": (lambda t, f, x: x.topk(k=2, dim=0, largest=False).values, [VECTOR, CUBE, WHOLE]),
    "topk of none": (lambda t, f, x: x.topk(0, 1), [MATRIX]),
    "kthvalue": (lambda t, f, x: t.kthvalue(x, 2), [VECTOR, CUBE]),
    "kthvalue dim": (lambda t, f, x: x.kthvalue(2, dim=-2, keepdim=True).values, [CUBE, WHOLE]),
    "msort": (lambda t, f, x: t.msort(x), ANY),
    "cumsum": (lambda t, f, x: t.cumsum(x, 0), ANY),
    "cumsum last": (lambda t, f, x: x.cumsum(dim=-1), [*ANY, EMPTY]),
    "cumsum dtype": (lambda t, f, x: x.cumsum(-1, dtype=t.float64), ANY),
    "cumprod": (lambda t, f, x: t.cumprod(x, dim=-1), [*ANY, EMPTY]),
    "cumprod of zeros": (lambda t, f, x: t.cumprod(x, dim=-1), [SIGNED, ZEROS]),
    "logcumsumexp": (lambda t, f, x: t.logcumsumexp(x, -1), [*FLOATS, np.array([-inf, -inf, 1.0, 900.0, 2.0])]),
    "where": (lambda t, f, x: t.where(x > 0), ANY),
    "cummax": (lambda t, f, x: t.cummax(x, 0), [*ANY, NANS, EMPTY]),
    "cummin": (lambda t, f, x: x.cummin(dim=-1), [*ANY, NANS]),
    "diff": (lambda t, f, x: t.diff(x), [VECTOR, MATRIX, CUBE, WHOLE, BOOLS]),
    "diff n": (lambda t, f, x: x.diff(n=2, dim=0, prepend=x, append=x), [VECTOR, MATRIX, CUBE, WHOLE]),
    "diff of too few": (lambda t, f, x: x.diff(9), [VECTOR, WHOLE]),
    "trapezoid": (lambda t, f, x: t.trapezoid(x, dx=0.5), [VECTOR, MATRIX, CUBE, WHOLE]),
    "trapezoid x": (lambda t, f, x: t.trapz(x, t.cumsum(x * x, -1), dim=-1), [VECTOR, MATRIX, CUBE]),
    "trapezoid of points": (lambda t, f, x: t.cumulative_trapezoid(x, x[:, 0], dim=0), [MATRIX]),
    "searchsorted": (lambda t, f, x: t.searchsorted(t.sort(x)[0], x), [VECTOR, MATRIX, CUBE, WHOLE]),
    "searchsorted right": (lambda t, f, x: t.searchsorted(t.sort(x)[0], x, right=True), [VECTOR, MATRIX, WHOLE]),
    "searchsorted sorter": (lambda t, f, x: t.searchsorted(x, x, sorter=x.argsort(), side="right"), [VECTOR, MATRIX]),
    "bucketize": (lambda t, f, x: t.bucketize(x, t.msort(x.reshape(-1))), [VECTOR, MATRIX, SCALAR, WHOLE]),
    "searchsorted int32": (lambda t, f, x: t.searchsorted(t.sort(x)[0], x, out_int32=True), [VECTOR, WHOLE]),
    "isin": (lambda t, f, x: t.isin(x, x[:1]), [VECTOR, MATRIX, WHOLE, NANS]),
    "isin inverted": (lambda t, f, x: t.isin(x, 1, invert=True), [WHOLE]),
    "isin nothing": (lambda t, f, x: t.isin(x, x[:0]), [WHOLE, MATRIX, NANS]),
    "nonzero": (lambda t, f, x: t.nonzero(x), [*ANY, NANS, EMPTY]),
    "nonzero tuple": (lambda t, f, x: x.nonzero(as_tuple=True), [*ANY, NANS]),
    "argwhere": (lambda t, f, x: t.argwhere(x), ANY),
    "masked_select": (lambda t, f, x: t.masked_select(x, x[..., :1] > 0.1), [VECTOR, MATRIX, CUBE, WHOLE]),
    "unique": (lambda t, f, x: t.unique(x, return_inverse=True, return_counts=True), [MATRIX, WHOLE, BOOLS, SCALAR]),
    "unique rows": (lambda t, f, x: x[[0, 1, 0]].unique(dim=0, return_counts=True), [MATRIX, WHOLE]),
    "unique alone": (lambda t, f, x: x.unique(), [MATRIX, NANS]),
    "unique_consecutive": (lambda t, f, x: t.unique_consecutive(x, True, True), [WHOLE, BOOLS, SCALAR, EMPTY]),
    "unique_consecutive rows": (lambda t, f, x: x[[0, 0, 1]].unique_consecutive(return_inverse=True, dim=0), [WHOLE]),
    "std_mean": (lambda t, f, x: t.std_mean(x), FLOATS[:3]),
    "std_mean dim": (lambda t, f, x: t.std_mean(x, dim=0, correction=0, keepdim=True), FLOATS[:3]),
    "var_mean": (lambda t, f, x: t.var_mean(x, -1, unbiased=False), FLOATS[:3]),
    "var correction": (lambda t, f, x: t.var(x, dim=-1, correction=None) + t.std(x, -1, correction=2), FLOATS[:3]),
    "median": (lambda t, f, x: t.median(x), [*FLOATS, WHOLE]),
    "median of nans": (lambda t, f, x: (x.median(1), x.nanmedian(dim=1), x.median(0).values), [NANS]),
    "median dim": (lambda t, f, x: t.median(x, 0), [VECTOR, CUBE, SCALAR]),
    "median ties": (lambda t, f, x: t.median(x, -1, keepdim=True).values, [MATRIX, WHOLE]),
    "nanmedian": (lambda t, f, x: t.nanmedian(x), [*FLOATS, NANS, WHOLE]),
    "mode": (lambda t, f, x: t.mode(x), [VECTOR, MATRIX, WHOLE, CUBE, SCALAR, BOOLS]),
    "mode dim": (lambda t, f, x: x.mode(0, keepdim=True), [MATRIX, WHOLE]),
    "quantile": (lambda t, f, x: t.quantile(x, 0.3), [*DISTINCT, NANS]),
    "quantile dim": (lambda t, f, x: t.quantile(x, 0.3, dim=0, keepdim=True), [*DISTINCT, NANS]),
    "quantile keepdim": (lambda t, f, x: x.quantile(0.5, keepdim=True), DISTINCT),
    "quantiles": (lambda t, f, x: x.quantile(t.tensor([0.1, 0.5, 1.0], dtype=x.dtype), dim=-1), [*DISTINCT, NANS]),
    "quantiles keepdim": (lambda t, f, x: x.quantile(t.tensor([0.1, 0.8], dtype=x.dtype), 1, True), [MATRIX, CUBE]),
    **{f"quantile {how}": (lambda t, f, x, how=how: x.quantile(0.37, -1, interpolation=how), [VECTOR, CUBE, NANS])
       for how in ("lower", "higher", "nearest", "midpoint")},
    "nanquantile": (lambda t, f, x: t.nanquantile(x, 0.4, dim=-1), [*DISTINCT, NANS]),
    "nanquantile all": (lambda t, f, x: x.nanquantile(t.tensor(0.4, dtype=x.dtype)), [*DISTINCT, NANS]),
    "cov": (lambda t, f, x: t.cov(x), [VECTOR, MATRIX, WHOLE]),
    "cov weights": (lambda t, f, x: t.cov(x, correction=0, fweights=t.arange(6) + 1, aweights=t.ones(6).double() / 3),
                    [MATRIX]),
    "corrcoef": (lambda t, f, x: t.corrcoef(x), [VECTOR, MATRIX]),
    "histc": (lambda t, f, x: t.histc(x, bins=5), FLOATS),
    "histc bounds": (lambda t, f, x: x.histc(4, min=-1, max=1.5), [*FLOATS, NANS]),
    "histc of one": (lambda t, f, x: x.histc(3), [ZEROS, EMPTY]),
    "bincount": (lambda t, f, x: t.bincount(x[0] + 3, minlength=4), [WHOLE]),
    "bincount weights": (lambda t, f, x: t.bincount(x[0] + 3, x[1].double()), [WHOLE]),
    "nansum": (lambda t, f, x: t.nansum(x), [*ANY, NANS]),
    "nansum dim": (lambda t, f, x: x.nansum((0,), True), [*FLOATS[:3], NANS]),
    "nanmean": (lambda t, f, x: t.nanmean(x), [*FLOATS, NANS]),
    "nanmean dim": (lambda t, f, x: x.nanmean(0, keepdim=True), [*FLOATS[:3], NANS]),
    "count_nonzero": (lambda t, f, x: t.count_nonzero(x), [*ANY, NANS]),
    "count_nonzero dim": (lambda t, f, x: x.count_nonzero(dim=(0, -1)), [MATRIX, CUBE, BOOLS]),
    "aminmax": (lambda t, f, x: t.aminmax(x), ANY),
    "aminmax dim": (lambda t, f, x: x.aminmax(dim=0, keepdim=True), ANY),
    **{f"norm {p}": (lambda t, f, x, p=p: (t.norm(x, p), x.norm(p, dim=-1), x.norm(p, 0, keepdim=True)),
                     [VECTOR, CUBE, SIGNED, ZEROS, MATRIX])
       for p in (0.5, 1, 1.5, 2, 3, inf, "fro")},
    **{f"norm {p}": (lambda t, f, x, p=p: x.detach().norm(p, dim=0), [VECTOR, CUBE, SIGNED]) for p in (0, -inf, -1.5)},
    "norm dims": (lambda t, f, x: t.norm(x, 3, dim=(0, 2), keepdim=True), [CUBE]),
    "norm dtype": (lambda t, f, x: t.norm(x, dtype=t.float64), [*FLOATS]),
    "dist": (lambda t, f, x: t.dist(x, x[:1] * 2, 3) + x.dist(x * 0), [VECTOR, CUBE]),
    "cdist": (lambda t, f, x: t.cdist(x, x[..., :2, :] + 1), [MATRIX, CUBE]),
    "cdist 1": (lambda t, f, x: t.cdist(x, x[..., 1:, :], 1) + t.cdist(x, x[..., 1:, :], inf), [CUBE]),
    "pdist": (lambda t, f, x: f.pdist(x) + f.pdist(x, 1), [CUBE[0], MATRIX[:1]]),
    "cosine_similarity": (lambda t, f, x: f.cosine_similarity(x, x[:1] + 1, dim=-1), [MATRIX, CUBE, ZEROS]),
    "pairwise_distance": (lambda t, f, x: f.pairwise_distance(x, x[:1] + 1, p=3, keepdim=True), [MATRIX, CUBE]),
    "normalize": (lambda t, f, x: f.normalize(x) + f.normalize(x, p=1.0, dim=0), [MATRIX, CUBE, ZEROS]),
    "prod dtype": (lambda t, f, x: t.prod(x, dtype=t.float64) + x.prod(0, dtype=t.float64), ANY),
    "sum dtype": (lambda t, f, x: t.sum(x, dtype=t.float64) + x.mean(0, dtype=t.float64), ANY),
    "logsumexp": (lambda t, f, x: t.logsumexp(x, (0, 2)) + x.logsumexp((-1, 0), keepdim=True).sum(), [CUBE]),
    "any": (lambda t, f, x: (x.any((0, 1)), x.all(dim=(0, -1), keepdim=True), x.any(0)), [MATRIX, CUBE, BOOLS]),
    "arg": (lambda t, f, x: (x.argmax(keepdim=True), x.argmin(0, keepdim=True), x.max(-1), x.min(0, True)),
            [*FLOATS, WHOLE]),
}  # fmt: skip


def flat(result: Any) -> list[Any]:
    return [each for part in result for each in flat(part)] if isinstance(result, tuple | list) else [result]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_values_dtypes_and_gradients_are_pytorchs(name: str) -> None:
    function, arrays = CASES[name]
    for array in arrays:
        ours, theirs = pa.tensor(array.copy()), torch.tensor(array)
        if array.dtype.kind == "f":
            ours.requires_grad_()
            theirs.requires_grad_()
        found, wanted = flat(function(pa, F, ours)), flat(function(torch, torch.nn.functional, theirs))
        assert len(found) == len(wanted)
        tolerance = {"rtol": 2e-5, "atol": 2e-6} if array.dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-12}
        losses: list[Any] = [0.0, 0.0]
        for a, b in zip(found, wanted):
            assert (a.dtype.name, tuple(a.shape)) == (str(b.dtype).removeprefix("torch."), tuple(b.shape))
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), **tolerance)
            if b.requires_grad and "unique" not in name:
                assert a.requires_grad
                weights = rng.standard_normal(tuple(b.shape)).astype(array.dtype)
                losses[0] = losses[0] + (a * pa.tensor(weights)).nansum()
                losses[1] = losses[1] + (b * torch.tensor(weights)).nansum()
        if torch.is_tensor(losses[1]) and array is not NANS:
            losses[0].backward()
            losses[1].backward()
            np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), **tolerance)


# What both refuse, each with an exception of its own
REFUSED: list[Any] = [
    lambda t, x: x.sort(2), lambda t, x: x.topk(5), lambda t, x: x.topk(-1), lambda t, x: x.kthvalue(0),
    lambda t, x: x.kthvalue(5), lambda t, x: x.cumsum(-3), lambda t, x: t.cummax(x, 2),
    lambda t, x: t.zeros(2, 0).median(1), lambda t, x: t.zeros(2, 0).mode(1), lambda t, x: (x > 0).median(),
    lambda t, x: x.quantile(1.5), lambda t, x: x.quantile(t.tensor([0.5, -0.1])), lambda t, x: t.zeros(0).quantile(0.5),
    lambda t, x: x.quantile(t.tensor(0.5).double()), lambda t, x: x.long().quantile(0.5),
    lambda t, x: x.quantile(0.5, interpolation="cubic"), lambda t, x: x.quantile(t.full((1, 1), 0.5)),
    lambda t, x: t.zeros(2, 0).norm(inf), lambda t, x: x.long().norm(), lambda t, x: x.long().nanmean(),
    lambda t, x: x.norm("x"), lambda t, x: t.std_mean(x.long()), lambda t, x: t.cdist(x, x.T[:, :1]),
    lambda t, x: t.cdist(x[0], x[0]), lambda t, x: t.bincount(x[0]), lambda t, x: t.bincount(t.tensor([-1])),
    lambda t, x: t.bincount(x.long()), lambda t, x: x.long().histc(), lambda t, x: x.histc(0),
    lambda t, x: x.histc(3, 2, 1), lambda t, x: (x / 0).histc(3), lambda t, x: t.tensor(1.0).diff(),
    lambda t, x: t.bucketize(x, x), lambda t, x: t.searchsorted(x, t.zeros(3)),
    lambda t, x: t.searchsorted(x[0], x, side="up"),
    lambda t, x: t.multinomial(x.long(), 1), lambda t, x: t.multinomial(x.abs() + 1, 0),
    lambda t, x: t.multinomial(x.abs() + 1, 5), lambda t, x: t.multinomial(x * 0, 1),
    lambda t, x: t.multinomial(x - 9, 1), lambda t, x: t.multinomial(x / 0, 1), lambda t, x: t.multinomial(x[0, 0], 1),
    lambda t, x: t.bernoulli(x.long()), lambda t, x: t.bernoulli(x + 2), lambda t, x: t.bernoulli(x, 1.5),
    lambda t, x: t.cov(t.zeros(2, 2, 2)), lambda t, x: t.mean(x.long()), lambda t, x: x.amax((0, 0)),
]  # fmt: skip


@pytest.mark.parametrize("call", REFUSED)
def test_what_pytorch_refuses_is_refused(call: Any) -> None:
    for t in (torch, pa):
        with pytest.raises((RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)):
            call(t, t.tensor([[0.5, -1.0, 2.0], [0.0, 3.0, 1.0]]))
