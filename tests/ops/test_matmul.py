"""Products are NumPy's on every instruction set, and have the gradients of formulas and of central differences."""

import itertools
import warnings

import numpy as np
import pytest
from gradcheck import check_gradients

import pyautograd as pa
from pyautograd._c import lib
from pyautograd.nn import functional as F

SHAPES = [
    ((3,), (3,)),
    ((4,), (4, 5)),
    ((5, 4), (4,)),
    ((5, 4), (4, 3)),
    ((1, 1), (1, 1)),
    ((2, 5, 4), (4, 3)),
    ((5, 4), (2, 4, 3)),
    ((2, 5, 4), (2, 4, 3)),
    ((2, 1, 5, 4), (3, 4, 3)),
    ((1, 3, 2, 4), (5, 1, 4, 2)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 4, 3)),
    ((2, 2, 1, 4), (2, 1, 4, 1)),
    ((0, 4), (4, 3)),
    ((5, 0), (0, 3)),
    ((5, 4), (4, 0)),
    ((0,), (0,)),
    ((0, 5, 4), (4, 3)),
    ((0, 5, 4), (1, 4, 3)),
    ((3, 0, 4), (1, 4, 3)),
    ((2, 5, 0), (0,)),
]

LINEAR_SHAPES = [
    ((4,), 3),
    ((5, 4), 3),
    ((5, 4), 1),
    ((2, 3, 4), 5),
    ((2, 1, 3, 4), 2),
    ((0, 4), 3),
    ((2, 0, 4), 3),
    ((5, 0), 3),
    ((5, 4), 0),
]


def make(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(dtype)


def close(tensor, expected, k=1):
    got = tensor.numpy()
    assert got.shape == expected.shape
    single = got.dtype == np.float32
    np.testing.assert_allclose(
        got, expected, rtol=1e-5 if single else 1e-12, atol=(2e-6 if single else 1e-13) * (k + 1)
    )


@pytest.mark.parametrize(("a", "b"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_product_is_numpys(a, b, dtype):
    x, y = make(a, dtype), make(b, dtype, 1)
    out = pa.tensor(x) @ pa.tensor(y)
    assert out.dtype == pa.tensor(x).dtype
    close(out, np.matmul(x, y), a[-1])


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_gradients_of_a_product_are_central_differences(a, b):
    check_gradients(lambda x, y: x @ y, make(a), make(b, seed=1))


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_a_product_of_integers_is_exact(a, b):
    x, y = (np.random.default_rng(i).integers(-9, 9, shape) for i, shape in enumerate((a, b)))
    out = pa.tensor(x) @ pa.tensor(y)
    assert out.dtype == pa.int64
    assert out.tolist() == np.matmul(x, y).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operands_of_every_layout_and_size_give_numpys_product(isa, dtype):
    """Sizes around the borders of tiles and blocks; operands with either axis contiguous, or neither."""
    sizes = [1, 2, 3, 4, 5, 8, 11, 13, 16, 17, 31, 33, 64, 67]
    generator = np.random.default_rng(3)
    cases = [tuple(generator.choice(sizes, 3)) for _ in range(150)]
    cases += [(1, 100, 300), (2, 40, 700), (100, 1, 300), (300, 3, 600), (7, 530, 270), (30, 300, 530)]
    for m, n, k in cases:
        a, b = make((m, k), dtype, m), make((k, n), dtype, n)
        expected = np.matmul(a.astype(np.float64), b.astype(np.float64))
        wide_a, wide_b = np.zeros((2 * m, 3 * k), dtype), np.zeros((2 * k, 3 * n), dtype)
        wide_a[::2, ::3], wide_b[::2, ::3] = a, b
        lefts = [pa.tensor(a), pa.tensor(a.T.copy()).T, pa.tensor(wide_a)[::2, ::3]]
        rights = [pa.tensor(b), pa.tensor(b.T.copy()).T, pa.tensor(wide_b)[::2, ::3]]
        for left, right in itertools.product(lefts, rights):
            close(left @ right, expected, k)


def test_transposed_operands_are_not_copied():
    """A product of a view takes as many blocks of memory as one of a contiguous tensor."""

    def allocations(x, y):
        lib.pa_memory_fail_after(1000)
        x @ y
        used = 1000 - lib.pa_memory_fail_left()
        lib.pa_memory_fail_after(-1)
        return used

    a = pa.randn(64, 200)
    assert allocations(a.T, a) == allocations(a.T.clone(), a) > 0
    assert allocations(a[:, ::2], a.T[::2]) == allocations(a.T.clone(), a)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_larger_products_are_their_formulas(isa, dtype):
    for m, n, k in [(100, 16, 2), (100, 1, 16), (32, 64, 128), (50, 46, 10), (3, 300, 40), (200, 2, 33)]:
        arrays = [make((m, k), dtype), make((k, n), dtype, 1), make((m, n), dtype, 2)]
        x, y, g = (pa.tensor(array, requires_grad=True) for array in arrays)
        for times in (1, 2):  # the second time gradients are added
            (x @ y).backward(g.detach())
            close(x.grad, times * (arrays[2] @ arrays[1].T), 2 * n)
            close(y.grad, times * (arrays[0].T @ arrays[2]), 2 * m)


def test_gradients_flow_through_views_of_operands():
    a, b = make((3, 4)), make((5, 4), seed=1)
    check_gradients(lambda x, y: x @ y.T, a, b)
    check_gradients(lambda x, y: x.T @ y.T, make((4, 3)), b)
    check_gradients(lambda x, y: x[:, ::2] @ y[:2], a, make((3, 6)))
    check_gradients(lambda x, y: x.expand(5, 4) @ y, make((1, 4)), make((4, 2)))
    check_gradients(lambda x, y: x.permute(1, 0, 2) @ y, make((2, 3, 4)), make((4, 2)))
    check_gradients(lambda x, y: x.expand(2, 3, 4) @ y.expand(2, 4, 3), make((3, 4)), make((4, 3)))


def test_a_product_with_itself_has_both_gradients():
    check_gradients(lambda x: x @ x, make((4, 4)))
    check_gradients(lambda x: x @ x, make((5,)))
    check_gradients(lambda x: x.T @ x, make((3, 2)))
    check_gradients(lambda x: x @ x, make((2, 3, 3)))


def test_only_the_gradients_that_are_wanted_are_made():
    x, y = pa.randn(3, 4), pa.randn(4, 2, requires_grad=True)
    (x @ y).sum().backward()
    assert x.grad is None
    close(y.grad, np.repeat(x.numpy().sum(0)[:, None], 2, axis=1), 3)
    assert not (x @ x.T).requires_grad


def test_lanes_beyond_the_operands_do_not_leak(isa):
    """A NaN or infinity spoils its row or column of the result and nothing else."""
    for m, n, k in [(1, 17, 5), (5, 3, 9), (13, 33, 17), (20, 2, 20), (3, 1, 3)]:
        a, b = make((m, k), np.float32), make((k, n), np.float32, 1)
        a[m - 1, 0] = np.nan
        b[0, n - 1] = np.inf
        for right in (pa.tensor(b), pa.tensor(b.T.copy()).T):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                expected = a.astype(np.float64) @ b.astype(np.float64)
            out = (pa.tensor(a) @ right).numpy()
            assert (np.isnan(out) == np.isnan(expected)).all()
            assert (np.isinf(out) == np.isinf(expected)).all()


def test_a_product_has_the_same_bits_every_time(isa):
    for m, n, k in [(100, 16, 16), (3, 200, 65), (257, 300, 300), (128, 500, 900)]:
        a, b = pa.tensor(make((m, k), np.float32)), pa.tensor(make((n, k), np.float32))
        first = (a @ b.T).numpy().tobytes()
        assert all((a.clone() @ b.clone().T).numpy().tobytes() == first for _ in range(3))


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ((3, 4), (5, 6), r"matmul: shapes \(3, 4\) and \(5, 6\) do not fit: 4 columns meet 5 rows"),
        ((3,), (4,), r"matmul: shapes \(3,\) and \(4,\)"),
        ((2, 3, 4), (3, 4, 5), r"matmul: shapes \(2, 3, 4\) and \(3, 4, 5\) do not fit: batches of 2 and 3"),
        ((), (3,), r"matmul: shapes \(\) and \(3,\): both operands need at least one dimension"),
        ((3,), (), r"matmul: shapes \(3,\) and \(\): both operands need at least one dimension"),
    ],
)
def test_shapes_that_do_not_fit_are_named(a, b, words):
    with pytest.raises(ValueError, match=words):
        pa.ones(a) @ pa.ones(b)


def test_dtypes_that_do_not_fit_are_named():
    with pytest.raises(TypeError, match="matmul: operands of dtypes float32 and float64"):
        pa.ones(2, 2) @ pa.ones(2, 2, dtype=pa.float64)
    with pytest.raises(TypeError, match="matmul: operands of dtypes int64 and float32"):
        pa.ones(2, 2, dtype=pa.int64) @ pa.ones(2, 2)
    with pytest.raises(TypeError, match="matmul: operands of dtype bool"):
        pa.ones(2, 2, dtype=pa.bool) @ pa.ones(2, 2, dtype=pa.bool)


@pytest.mark.parametrize(("shape", "n"), LINEAR_SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_linear_is_the_product_with_the_transposed_weight_plus_the_bias(shape, n, dtype):
    x, w, b = make(shape, dtype), make((n, shape[-1]), dtype, 1), make((n,), dtype, 2)
    close(F.linear(pa.tensor(x), pa.tensor(w)), np.matmul(x, w.T), shape[-1])
    close(F.linear(pa.tensor(x), pa.tensor(w), pa.tensor(b)), np.matmul(x, w.T) + b, shape[-1])


@pytest.mark.parametrize(("shape", "n"), LINEAR_SHAPES)
def test_gradients_of_linear_are_central_differences(shape, n):
    x, w, b = make(shape), make((n, shape[-1]), seed=1), make((n,), seed=2)
    check_gradients(F.linear, x, w)
    check_gradients(F.linear, x, w, b)


def test_gradients_of_linear_flow_through_views():
    x, w, b = make((3, 2, 4)), make((4, 5), seed=1), make((2, 5), seed=2)
    check_gradients(lambda x, w, b: F.linear(x.permute(1, 0, 2), w.T, b.T[:, 1]), x, w, b)


def test_gradients_of_larger_linear_layers_are_their_formulas(isa):
    for m, n, k in [(100, 16, 2), (100, 16, 16), (100, 1, 16), (32, 10, 64), (1, 64, 128), (600, 40, 3)]:
        arrays = [make(shape, np.float32, i) for i, shape in enumerate([(m, k), (n, k), (n,), (m, n)])]
        x, w, b, g = (pa.tensor(array, requires_grad=True) for array in arrays)
        for times in (1, 2):
            F.linear(x, w, b).backward(g.detach())
            close(x.grad, times * (arrays[3] @ arrays[1]), 2 * n)
            close(w.grad, times * (arrays[3].T @ arrays[0]), 2 * m)
            close(b.grad, times * arrays[3].sum(0), 2 * m)


def test_bias_gradient_of_many_rows_is_accurate():
    g = make((50_000, 3), np.float32) + 1
    b = pa.zeros(3, requires_grad=True)
    F.linear(pa.zeros(50_000, 2), pa.zeros(3, 2), b).backward(pa.tensor(g))
    np.testing.assert_allclose(b.grad.numpy(), g.astype(np.float64).sum(0), rtol=2e-6)


@pytest.mark.parametrize(
    ("x", "w", "b", "words"),
    [
        ((3, 4), (5, 6), None, r"linear: input of shape \(3, 4\) and weight of shape \(5, 6\) do not fit: 4 .* 6"),
        ((3, 4), (4,), None, r"linear: weight of shape \(4,\); it must be \(out_features, in_features\)"),
        ((), (5, 6), None, r"linear: input of shape \(\); it must be \(…, 6\)"),
        ((3, 4), (5, 4), (4,), r"linear: bias of shape \(4,\); it must be \(5,\)"),
        ((3, 4), (5, 4), (1, 5), r"linear: bias of shape \(1, 5\); it must be \(5,\)"),
    ],
)
def test_shapes_that_do_not_fit_linear_are_named(x, w, b, words):
    with pytest.raises(ValueError, match=words):
        F.linear(pa.ones(x), pa.ones(w), None if b is None else pa.ones(b))


def test_dtypes_that_do_not_fit_linear_are_named():
    with pytest.raises(TypeError, match="linear: operands of dtypes float32 and float64"):
        F.linear(pa.ones(2, 2), pa.ones(2, 2), pa.ones(2, dtype=pa.float64))


@pytest.mark.parametrize("tracked", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("shapes", [((3, 4), (0, 4, 5)), ((0, 2, 3, 4), (2, 4, 5)), ((1, 3, 4), (0, 4, 5))])
def test_nothing_reaches_what_is_multiplied_by_an_empty_batch(shapes, tracked):
    a, b = (pa.ones(shape, requires_grad=each) for shape, each in zip(shapes, tracked))
    for _ in range(2):
        (a @ b).sum().backward()
        for each in (a, b):
            if each.requires_grad:
                assert each.grad.tolist() == pa.zeros_like(each).tolist()
    (sum(each.sum() for each in (a, b)) + (a @ b).sum()).backward()
    for each in (a, b):
        if each.requires_grad:
            assert each.grad.tolist() == pa.ones_like(each).tolist()
