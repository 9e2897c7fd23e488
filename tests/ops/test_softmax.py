"""Softmax, log_softmax, logsumexp and cross-entropy have the values and gradients of their formulas."""

import itertools
import math

import numpy as np
import pytest
from gradcheck import check_gradients
from layouts import ISAS, layouts, using

import pyautograd as pa
from pyautograd.nn import functional as F

SHAPES = [
    (1,),
    (7,),
    (0,),
    (3, 4),
    (4, 0),
    (0, 4),
    (2, 3, 4),
    (33, 10),
    (100, 2),
    (37, 15),
    (5, 16),
    (3, 1100),
    (1100, 3),
]


def np_logsumexp(a, axis, keepdims):
    shift = a.max(axis=axis, keepdims=True) if a.shape[axis] else np.zeros_like(a.sum(axis=axis, keepdims=True))
    shift = np.where(np.isinf(shift), 0, shift)
    with np.errstate(divide="ignore"):
        result = np.log(np.exp(a - shift).sum(axis=axis, keepdims=True)) + shift
    return result if keepdims else result.squeeze(axis)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_log_softmax_and_logsumexp_are_their_formulas(dtype, isa):
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-13}
    for shape in SHAPES:
        for _, x, a in layouts(shape, dtype):
            for axis in range(len(shape)):
                normaliser = np_logsumexp(a.astype(np.float64), axis, True)
                np.testing.assert_allclose(x.softmax(axis).detach().numpy(), np.exp(a - normaliser), **tolerance)
                np.testing.assert_allclose(x.log_softmax(axis).detach().numpy(), a - normaliser, **tolerance)
                for keepdim in (False, True):
                    ours = x.logsumexp(axis, keepdim)
                    theirs = np_logsumexp(a.astype(np.float64), axis, keepdim)
                    assert ours.shape == theirs.shape
                    np.testing.assert_allclose(ours.detach().numpy(), theirs, **tolerance)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_gradients_of_softmax_and_its_kin_are_central_differences(name, axis):
    a = np.random.default_rng(1).standard_normal((3, 4, 2))
    check_gradients(lambda x: getattr(x, name)(axis), a)


GRADIENTS = {
    "softmax": lambda p, g, axis: p * (g - (p * g).sum(axis, keepdims=True)),
    "log_softmax": lambda p, g, axis: g - p * g.sum(axis, keepdims=True),
    "logsumexp": lambda p, g, axis: p * g,
}


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("shape", [(5, 1), (3, 1023), (2, 1025), (2, 2500), (7, 900), (900, 7), (1500, 5)])
def test_gradients_of_long_and_of_many_lines_are_their_formulas(name, shape):
    rng = np.random.default_rng(1)
    for axis, dtype, is_added in itertools.product((0, 1), ("float64", "float32"), (False, True)):
        a = rng.standard_normal(shape).astype(dtype)
        x = pa.tensor(a, requires_grad=True)
        y = getattr(x, name)(axis)
        g = rng.standard_normal(y.shape).astype(dtype)
        ((y * pa.tensor(g)).sum() + (x.sum() * 2 if is_added else 0)).backward()
        p = np.exp(a.astype(np.float64) - np_logsumexp(a.astype(np.float64), axis, True))
        wide = np.expand_dims(g, axis) if name == "logsumexp" else g
        wanted = GRADIENTS[name](p, wide, axis) + 2 * is_added
        tolerance = 2e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=tolerance, atol=tolerance * 4)


def test_a_number_is_a_line_of_one():
    assert pa.tensor(3.0).softmax(0).item() == 1
    assert pa.tensor(3.0).log_softmax(0).item() == 0
    assert pa.tensor(3.0).logsumexp(0).item() == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.parametrize("width", [3, 30])
def test_infinities_and_nans_give_the_limit_or_nan(rows, width, dtype):
    inf, nan = math.inf, math.nan
    cases = [([-inf] * 3, nan, -inf), ([inf, 1, 2], nan, inf), ([nan, 1, 2], nan, nan), ([-inf, 1, -inf], None, None)]
    for row, everywhere, normaliser in cases:
        x = pa.tensor(np.tile(np.array(row, dtype), (rows, width // 3)))
        if normaliser is None:
            np.testing.assert_allclose(x.softmax(1).numpy()[0, :3], [0, 3 / width, 0], rtol=1e-6)
            assert x.log_softmax(1).numpy()[0, 0] == -inf
            continue
        assert np.isnan(x.softmax(1).numpy()).any() == np.isnan(everywhere)
        np.testing.assert_array_equal(x.logsumexp(1).numpy(), np.full(rows, normaliser))


def test_bits_are_equal_on_every_instruction_set():
    for rows, n in ((1, 3), (5, 10), (7, 10), (40, 10), (3, 100), (2, 3000)):
        a = np.random.default_rng(0).standard_normal((rows, n)).astype(np.float32)
        results = []
        for isa in ISAS:
            with using(isa):
                x = pa.tensor(a)
                results.append(
                    b"".join(
                        y.numpy().tobytes() for y in (x.softmax(1), x.log_softmax(1), x.logsumexp(1), x.softmax(0))
                    )
                )
        assert len(set(results)) == 1


def test_a_row_does_not_depend_on_its_place():
    a = np.random.default_rng(0).standard_normal((37, 10)).astype(np.float32)
    together = pa.tensor(a).softmax(1).numpy()
    for row in range(37):
        np.testing.assert_array_equal(together[row], pa.tensor(a[row : row + 1]).softmax(1).numpy()[0])


def np_cross_entropy(a, target, ignored=-100, smoothing=0.0):
    logs = a - np_logsumexp(a, 1, True)
    kept = target != ignored
    picked = logs[np.arange(len(target)), np.where(kept, target, 0)]
    losses = -(1 - smoothing) * picked - smoothing * logs.mean(1)
    return losses[kept].sum() / kept.sum()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (32, 10), (5, 100), (100, 2)])
@pytest.mark.parametrize(("ignored", "smoothing"), list(itertools.product((-100, 0), (0.0, 0.1, 1.0))))
def test_cross_entropy_is_its_formula(shape, dtype, ignored, smoothing, isa):
    rng = np.random.default_rng(3)
    target = rng.integers(0, shape[1], shape[0])
    target[0] = shape[1] - 1
    for _, x, a in layouts(shape, dtype):
        if (target == ignored).all():
            continue
        ours = F.cross_entropy(x, pa.tensor(target), ignore_index=ignored, label_smoothing=smoothing)
        wanted = np_cross_entropy(a.astype(np.float64), target, ignored, smoothing)
        np.testing.assert_allclose(ours.item(), wanted, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6)


@pytest.mark.parametrize(("ignored", "smoothing"), list(itertools.product((-100, 2), (0.0, 0.3))))
def test_the_gradient_of_cross_entropy_is_the_central_difference(ignored, smoothing):
    target = pa.tensor([0, 2, 1, 2])
    a = np.random.default_rng(4).standard_normal((4, 3))
    check_gradients(lambda x: F.cross_entropy(x, target, ignore_index=ignored, label_smoothing=smoothing), a)


def test_cross_entropy_of_far_logits_is_exact():
    x = pa.tensor([[0.0, -200.0], [300.0, 0.0]])
    assert F.cross_entropy(x, pa.tensor([1, 1])).item() == 250


def test_cross_entropy_takes_one_row_and_is_nan_of_none():
    a = np.random.default_rng(5).standard_normal(3)
    np.testing.assert_allclose(
        F.cross_entropy(pa.tensor(a), pa.tensor(1)).item(), np_cross_entropy(a[None], np.array([1]))
    )
    assert np.isnan(F.cross_entropy(pa.zeros(0, 3), pa.zeros(0, dtype=pa.int64)).item())
    x = pa.zeros(2, 3, requires_grad=True)
    loss = F.cross_entropy(x, pa.tensor([-100, -100]))
    assert np.isnan(loss.item())
    loss.backward()
    assert not x.grad.numpy().any()


def test_targets_dtypes_and_axes_that_do_not_fit_are_named():
    x = pa.zeros(4, 10)
    with pytest.raises(IndexError, match="cross_entropy: target 12 at position 3 is out of range for 10 classes"):
        F.cross_entropy(x, pa.tensor([1, 2, 3, 12]))
    with pytest.raises(IndexError, match="target -1 at position 0"):
        F.cross_entropy(x, pa.tensor([-1, 2, 3, 4]))
    with pytest.raises(ValueError, match=r"shape \(4, 10\) and a target of shape \(3,\)"):
        F.cross_entropy(x, pa.tensor([1, 2, 3]))
    with pytest.raises(TypeError, match="softmax: takes float32 or float64, not int64"):
        pa.tensor([1, 2]).softmax(0)
    with pytest.raises(IndexError, match="softmax"):
        x.softmax(2)
