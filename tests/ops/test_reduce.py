"""Reductions: values against NumPy over axes, layouts, dtypes and instruction sets; gradients; ties, NaNs, zeros."""

import itertools

import numpy as np
import pytest
from gradcheck import check_gradients
from layouts import ISAS, layouts, using

import pyautograd as pa

SHAPES = [(), (1,), (7,), (0,), (3, 4), (1, 5), (0, 3), (3, 0), (2, 3, 4), (33, 20), (70, 2, 3), (600, 3), (3, 3000)]

NUMPY = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "amax": np.max,
    "amin": np.min,
    "var": lambda a, axis, keepdims: np.var(a, axis=axis, keepdims=keepdims, ddof=1),
}


def axes_of(shape):
    ndim = len(shape)
    return [axes for count in range(1, ndim + 1) for axes in itertools.combinations(range(ndim), count)]


def close(ours, theirs, dtype):
    tolerance = {"float32": {"rtol": 3e-5, "atol": 1e-5}, "float64": {"rtol": 1e-11, "atol": 1e-12}}.get(
        dtype, {"rtol": 0}
    )
    assert ours.shape == np.shape(theirs)
    np.testing.assert_allclose(ours.detach().numpy(), theirs, **tolerance)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (name, dtype)
        for name, dtype in itertools.product(NUMPY, ["float32", "float64", "int64", "bool"])
        if name not in ("mean", "var") or dtype in ("float32", "float64")
    ],
)
def test_reductions_are_numpys(name, dtype, isa):
    for shape in SHAPES:
        for _, x, a in layouts(shape, dtype):
            if name == "prod" and a.size > 200:
                continue
            for axes, keepdim in itertools.product([None, *axes_of(shape)], (False, True)):
                reduced = range(len(shape)) if axes is None else axes
                if name in ("amax", "amin") and any(shape[axis] == 0 for axis in reduced):
                    continue
                if axes is None and keepdim:
                    continue
                ours = getattr(pa, name)(x, axes, keepdim=keepdim)
                close(ours, NUMPY[name](a, axis=axes, keepdims=keepdim), dtype)
                if name in ("sum", "prod") and dtype in ("int64", "bool"):
                    assert ours.dtype == pa.int64
                else:
                    assert ours.dtype == x.dtype


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("axes", [None, 0, 1, 2, (0, 1), (1, 2), (0, 2)])
def test_gradients_of_reductions_are_central_differences(name, axes):
    a = np.random.default_rng(1).standard_normal((3, 4, 2))
    check_gradients(lambda x: getattr(pa, name)(x, axes), a)


@pytest.mark.parametrize("name", NUMPY)
def test_gradients_reach_every_layout(name):
    for base, x, a in layouts((3, 5)):
        weights = pa.tensor(np.arange(1.0, 4.0))
        (getattr(pa, name)(x, 1) * weights).sum().backward()
        flat = pa.tensor(a, requires_grad=True)
        (getattr(pa, name)(flat, 1) * weights).sum().backward()
        if base.shape == (3, 5):
            np.testing.assert_allclose(base.grad.numpy(), flat.grad.numpy())
        elif base.shape == (5, 3):
            np.testing.assert_allclose(base.grad.numpy().T, flat.grad.numpy())
        elif base.shape == (1, 5):
            np.testing.assert_allclose(base.grad.numpy()[0], flat.grad.numpy().sum(0), atol=1e-12)
        else:
            np.testing.assert_allclose(base.grad.numpy()[::2, ::2], flat.grad.numpy())
            assert np.count_nonzero(base.grad.numpy()) <= 15


def test_ties_share_the_gradient():
    x = pa.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    x.amax(dim=1).backward(gradient=pa.tensor([1.0, 3.0]))
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 0.5, 0.5], [1, 1, 1]])


@pytest.mark.parametrize("zeros", [[], [0], [3], [1, 2]])
def test_products_of_zeros_have_the_right_gradient(zeros):
    a = np.random.default_rng(2).standard_normal((2, 4))
    a[1, zeros] = 0
    check_gradients(lambda x: x.prod(1), a)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 5, 40, 100, 3000])
def test_a_nan_is_the_largest_and_the_smallest(n, dtype, isa):
    a = np.random.default_rng(0).standard_normal((n, 2)).astype(dtype)
    a[n // 2, 0] = np.nan
    for x in (pa.tensor(a), pa.tensor(np.ascontiguousarray(a.T)).T):
        for name in ("amax", "amin"):
            ours = getattr(x, name)(dim=0).numpy()
            assert np.isnan(ours[0])
            assert not np.isnan(ours[1])
        assert x.argmax(dim=0).numpy()[0] == n // 2
        assert x.argmin(dim=0).numpy()[0] == n // 2


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_of_extrema_are_numpys(name, dtype, isa):
    for shape in SHAPES:
        for _, x, a in layouts(shape, dtype):
            if a.size == 0:
                continue
            for axis in [None, *range(len(shape))]:
                rounded = x if dtype in ("int64", "bool") else (x * 2).round()
                ours = getattr(pa, name)(rounded, axis)
                assert ours.dtype == pa.int64
                values = a if dtype in ("int64", "bool") else np.round(a * 2)
                np.testing.assert_array_equal(ours.numpy(), getattr(np, name)(values, axis=axis))


def test_bits_are_equal_on_every_instruction_set():
    rng = np.random.default_rng(0)
    for dtype, n in itertools.product(("float32", "float64"), (3, 15, 16, 17, 100, 2047, 2048, 5000, 100_003)):
        a = rng.standard_normal((2, n)).astype(dtype)
        results = []
        for isa in ISAS:
            with using(isa):
                x = pa.tensor(a)
                results.append(
                    b"".join(r.numpy().tobytes() for r in (x.sum(1), x.sum(0), x.sum(), x.var(1), x.prod(1), x.amax(1)))
                )
        assert len(set(results)) == 1


def test_long_float32_sums_are_accurate():
    a = (np.random.default_rng(0).random(1_000_000) + 1000).astype(np.float32)
    exact = a.sum(dtype=np.float64)
    assert abs(pa.tensor(a).sum().item() - exact) < 1e-6 * exact
    columns = np.ascontiguousarray(np.broadcast_to(a[:100_000, None], (100_000, 3)))
    exact = columns.sum(0, dtype=np.float64)
    np.testing.assert_allclose(pa.tensor(columns).sum(0).numpy(), exact, rtol=1e-6)


def test_reductions_of_nothing_give_the_neutral_number_or_nothing():
    empty = pa.zeros(3, 0)
    assert empty.sum().item() == 0
    assert empty.prod().item() == 1
    assert np.isnan(empty.mean().item())
    assert empty.sum(1).tolist() == [0, 0, 0]
    assert pa.zeros(0, 3).amax(1).shape == (0,)
    assert pa.zeros(0, 3).argmax(1).shape == (0,)


def test_variance_without_freedom_is_pytorchs():
    assert np.isnan(pa.tensor([1.0]).var().item())
    assert pa.tensor([1.0]).var(correction=0).item() == 0
    assert np.isnan(pa.tensor(3.0).var().item())
    assert pa.tensor([1.0, 2.0]).var(correction=3).item() == np.inf


def test_dtypes_axes_and_empty_shapes_that_do_not_fit_are_named():
    with pytest.raises(TypeError, match=r"mean: takes float32 or float64, not int64 \(of shape \(3,\)\)"):
        pa.tensor([1, 2, 3]).mean()
    with pytest.raises(TypeError, match="var: takes float32"):
        pa.tensor([True]).var()
    with pytest.raises(ValueError, match=r"max: no elements .* shape \(3, 0\)"):
        pa.zeros(3, 0).amax(dim=1)
    with pytest.raises(ValueError, match=r"argmax: no elements .* shape \(0,\)"):
        pa.zeros(0).argmax()
    with pytest.raises(IndexError, match="sum"):
        pa.zeros(3).sum(dim=1)


def test_logsumexp_over_several_axes_is_that_over_all_their_elements() -> None:
    x = pa.tensor(np.random.default_rng(0).normal(size=(2, 3, 4)), requires_grad=True)
    for dim, axes in ((0, 2), (0, 2)), ((-1, 1), (1, 2)), ((), (0, 1, 2)), ([1], (1,)):
        for keepdim in (False, True):
            result = x.logsumexp(dim, keepdim)
            wanted = np.log(np.exp(x.detach().numpy()).sum(axes, keepdims=keepdim))
            assert result.shape == wanted.shape and np.allclose(result.detach().numpy(), wanted)
    x.logsumexp((0, 2)).sum().backward()
    assert np.allclose(x.grad.numpy().sum((0, 2)), 1)
    assert pa.tensor(2.0).logsumexp((0,), True).shape == () and pa.zeros(0, 3).logsumexp((0, 1)).item() == -np.inf


def test_the_norm_of_minus_infinity_is_the_smallest_size() -> None:
    assert pa.tensor([[-3.0, 2.0], [1.0, -4.0]]).norm(float("-inf"), 1).tolist() == [2.0, 1.0]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (3, 1), (1, 3)])
def test_the_gradient_of_a_norm_of_one_element_is_its_sign(shape) -> None:
    x = pa.full(shape, -3.0, requires_grad=True)
    (x.norm() if x.numel() == 1 else x.norm(dim=shape.index(1)).sum()).backward()
    assert x.grad.tolist() == pa.full(shape, -1.0).tolist()
