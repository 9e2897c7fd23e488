"""Tensors in NumPy's functions, and over DLPack: what they give, and that memory is shared."""

from __future__ import annotations

import numpy as np
import pytest

import pyautograd as pa

X = pa.tensor([0.5, 0.25, 4.0])
MASK = pa.tensor([True, False, True])
FUNCTIONS = {
    "mean": lambda x: np.mean(x), "std": lambda x: np.std(x, ddof=1), "stack": lambda x: np.stack([x, x]),
    "concatenate": lambda x: np.concatenate((x, np.ones(2))), "where": lambda x: np.where(x > 1, x, 0),
    "percentile": lambda x: np.percentile(x, 50), "linalg": lambda x: np.linalg.norm(x), "dot": lambda x: np.dot(x, x),
    "interp": lambda x: np.interp(x, [0, 1], [0, 2]), "shape": lambda x: np.shape(x), "ndim": lambda x: np.ndim(x),
    "size": lambda x: np.size(x, 0), "unique": lambda x: np.unique(x), "allclose": lambda x: np.allclose(x, x),
    "keyword": lambda x: np.clip(a=x, a_min=0, a_max=1), "histogram": lambda x: np.histogram(x)[0],
}  # fmt: skip
UFUNCS = {
    "sin": np.sin, "isnan": np.isnan, "maximum": lambda x: np.maximum(x, 1), "modf": np.modf, "reduce": np.add.reduce,
    "accumulate": np.add.accumulate, "outer": lambda x: np.multiply.outer(x, x),
    "dtype": lambda x: np.add(x, 1, dtype=np.float64), "frexp": lambda x: np.frexp(x)[1],
}  # fmt: skip
OPERATORS = {
    "add": lambda a, x: a + x, "sub": lambda a, x: a - x, "mul": lambda a, x: a * x, "truediv": lambda a, x: a / x,
    "pow": lambda a, x: a**x, "floordiv": lambda a, x: a // x, "mod": lambda a, x: a % x, "lt": lambda a, x: a < x,
    "le": lambda a, x: a <= x, "gt": lambda a, x: a > x, "ge": lambda a, x: a >= x, "eq": lambda a, x: a == x,
    "ne": lambda a, x: a != x, "matmul": lambda a, x: a @ x,
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_numpy_gives_what_it_gives_for_the_array(name):
    found, wanted = FUNCTIONS[name](X), FUNCTIONS[name](X.numpy())
    np.testing.assert_array_equal(found, wanted, strict=isinstance(wanted, np.ndarray))
    assert type(found) is type(wanted)


@pytest.mark.parametrize("name", UFUNCS)
def test_a_ufunc_gives_a_tensor_of_what_it_gives_for_the_array(name):
    found, wanted = UFUNCS[name](X), UFUNCS[name](X.numpy())
    for one, other in zip(found, wanted, strict=True) if isinstance(found, tuple) else [(found, wanted)]:
        assert isinstance(one, pa.Tensor)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("left", [np.array([1.0, 2.0, 3.0], np.float32), np.float32(2)], ids=["array", "scalar"])
def test_an_operator_on_an_array_and_a_tensor_is_the_tensors(name, left):
    if name == "matmul" and left.ndim == 0:
        pytest.skip("scalars have no product of matrices")
    x = X.detach().requires_grad_()
    found, wanted = OPERATORS[name](left, x), OPERATORS[name](pa.tensor(left), X)
    assert isinstance(found, pa.Tensor) and found.tolist() == wanted.tolist()
    assert found.requires_grad == found.dtype.is_floating_point == (name not in ("lt", "le", "gt", "ge", "eq", "ne"))


def test_operators_as_ufuncs_have_a_gradient():
    x = pa.tensor([2.0], requires_grad=True)
    for made in (np.add(x, 1), np.multiply(np.ones(1, np.float32), x), np.power(x, 2), np.negative(x), np.abs(x)):
        assert made.requires_grad


def test_an_array_takes_a_tensor_in_place():
    a = np.ones(3)
    same = a
    a += X
    a *= 2
    assert a is same and a.tolist() == [3.0, 2.5, 10.0]
    np.sqrt(np.full(3, 4, np.float32), out=(t := pa.zeros(3)))
    assert t.tolist() == [2.0, 2.0, 2.0]
    a[MASK] = 7
    assert a.tolist() == [7.0, 2.5, 7.0]


@pytest.mark.parametrize(
    ("function", "instead"),
    [(np.sin, "pyautograd.sin"), (np.mean, "pyautograd.mean"), (lambda x: np.stack([x]), "pyautograd.stack"),
     (np.frexp, r"give it x\.detach\(\)")],
    ids=["sin", "mean", "stack", "frexp"],
)  # fmt: skip
def test_what_numpy_would_compute_without_a_history_says_what_to_write(function, instead):
    x = pa.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=rf"np\.\w+: a tensor of shape \(2,\) that requires grad.*{instead}"):
        function(x)
    with pa.no_grad():
        function(x)
    assert np.shape(x) == (2,) and np.ndim(x) == 1 and np.size(x) == 2


@pytest.mark.parametrize("function", [np.sin, np.mean, lambda x: np.maximum(x, 0)])
def test_a_step_says_that_numpy_has_no_numbers_there(function):
    step = pa.compile(lambda x: function(x) + x)
    for given in (pa.ones(2), np.ones(2)):
        with pytest.raises(pa.TraceError, match=r"np\.\w+ of what a compiled step is given.*write pyautograd\.\w+"):
            step(given)


def test_a_step_may_ask_for_shapes_and_use_operators():
    step = pa.compile(lambda x, a: np.zeros(np.shape(x), np.float32) + a * x)
    for i in range(4):
        assert step(pa.full((2,), float(i)), np.full(2, 2, np.float32)).tolist() == [2.0 * i, 2.0 * i]


def test_dlpack_shares_memory_both_ways():
    for dtype in (pa.float32, pa.float64, pa.int64, pa.int32, pa.uint8, pa.bool):
        t = pa.zeros(2, 3, dtype=dtype).T
        a = np.from_dlpack(t)
        assert a.shape == (3, 2) and a.dtype == dtype.numpy and a.strides == t.numpy().strides
        t[0, 1] = 1
        assert a[0, 1] == 1
        b = np.ones((2, 2), dtype.numpy)[:, ::-1]
        u = pa.from_dlpack(b)
        b[0, 0] = 0
        assert u.dtype is dtype and u[0, 0].item() == 0 and u.sum().item() == 3
    assert X.__dlpack_device__() == (1, 0)
    assert pa.from_dlpack(pa.arange(3)).tolist() == [0, 1, 2]


def test_dlpack_refuses_what_cannot_be_shared():
    with pytest.raises(RuntimeError, match="requires grad"):
        np.from_dlpack(pa.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match="what has __dlpack__ is wanted, not list"):
        pa.from_dlpack([1.0])
    with pytest.raises(TypeError, match="memory of float16 cannot be shared"):
        pa.from_dlpack(np.ones(2, np.float16))


class ReadOnly:
    """A library whose arrays nobody may write to, or that does not say."""

    def __init__(self, array):
        self.array = array
        array.flags.writeable = False

    def __dlpack__(self, **keywords):
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return 1, 0


def test_dlpack_shares_no_memory_that_is_read_only():
    with pytest.raises(ValueError):
        pa.from_dlpack(ReadOnly(np.ones(2)))


def test_dlpack_copies_where_that_is_asked_for():
    array = np.arange(3.0)
    array.flags.writeable = False
    made = pa.from_dlpack(array, device="cpu", copy=True)
    made[0] = 5
    assert made.tolist() == [5, 1, 2] and array[0] == 0
    with pytest.raises(RuntimeError, match="cuda"):
        pa.from_dlpack(np.ones(2), device="cuda")


def test_numpy_reads_our_dtypes():
    for each in (pa.float32, pa.float64, pa.int64, pa.int32, pa.uint8, pa.bool):
        assert np.dtype(each) == np.zeros(1, each).dtype == np.zeros(1).astype(each).dtype == each.numpy


def test_arrays_are_made_with_a_dtype_and_a_copy():
    assert np.asarray(X, dtype=np.float64).dtype == np.float64
    assert X.__array__().base is not None and np.shares_memory(X.__array__(), X.numpy())
    assert not np.shares_memory(X.__array__(copy=True), X.numpy())
    assert X.__array__(np.int64).tolist() == [0, 0, 4]


def test_tables_and_metrics_take_tensors():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(pa.ones(2, 3))
    frame["t"] = pa.tensor([1, 2])
    assert frame.shape == (2, 4) and frame["t"].dtype == np.int64
    assert pandas.Series(X).dtype == np.float32
    metrics = pytest.importorskip("sklearn.metrics")
    assert metrics.accuracy_score(pa.tensor([1, 0, 1]), MASK.long()) == 1.0
