"""Elementwise maths and activations have PyTorch's values and gradients, also at the edges of their domains."""

import math

import numpy as np
import pytest

import pyautograd as pa
import pyautograd.nn.functional as F

torch = pytest.importorskip("torch")
TF = torch.nn.functional

EDGES = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 2.0, -2.0, 0.3, -6.7, 20.0, -20.0, 100.0, -100.0, 800.0, -800.0, 1e-8,
    -1e-8, 1e15, -1e15, math.inf, -math.inf, math.nan,
]  # fmt: skip

# By name in both namespaces, with further arguments
MATHS_OF_ONE = """trunc exp2 log2 log10 tan asin acos atan sinh cosh asinh acosh atanh erfc erfinv lgamma""".split()  # noqa: SIM905
MATHS_OF_TWO = """atan2 hypot logaddexp remainder fmod xlogy""".split()  # noqa: SIM905
ACTIVATIONS = [
    ("hardtanh", ()), ("hardtanh", (-2.0, 0.3)), ("hardsigmoid", ()), ("hardswish", ()), ("hardshrink", ()),
    ("hardshrink", (0.7,)), ("softshrink", ()), ("softshrink", (0.7,)), ("tanhshrink", ()), ("softsign", ()),
    ("selu", ()), ("celu", ()), ("celu", (0.5,)), ("mish", ()),
]  # fmt: skip

# Where PyTorch's gradient is another: a constant in float32 among float64, nan at an infinity where the limit is 0
OTHERWISE = {"hardsigmoid": (1e-7, 0.0), "softsign": (1e-9, 1e-9), "tanhshrink": (1e-9, 1e-9)}


def compared(ours, theirs, arrays, rtol, atol, at=slice(None)) -> None:
    ours_in = [pa.tensor(a, requires_grad=True) for a in arrays]
    theirs_in = [torch.tensor(a, requires_grad=True) for a in arrays]
    out, expected = ours(*ours_in), theirs(*theirs_in)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=min(rtol, 1e-5), atol=1e-40)
    out.backward(pa.full_like(out, 1.5))
    expected.backward(torch.full_like(expected, 1.5))
    for o, t in zip(ours_in, theirs_in, strict=True):
        np.testing.assert_allclose(o.grad.numpy()[at], t.grad.numpy()[at], rtol=10 * rtol, atol=atol)


TOLERANCES = [(np.float64, 1e-12), (np.float32, 3e-6)]


@pytest.mark.parametrize(("dtype", "rtol"), TOLERANCES)
@pytest.mark.parametrize("name", MATHS_OF_ONE)
def test_functions_of_one_operand_are_pytorchs(name, dtype, rtol) -> None:
    compared(getattr(pa, name), getattr(torch, name), [np.array(EDGES, dtype)], rtol, 1e-40)


@pytest.mark.parametrize(("dtype", "rtol"), TOLERANCES)
@pytest.mark.parametrize("name", MATHS_OF_TWO)
def test_functions_of_two_operands_are_pytorchs(name, dtype, rtol) -> None:
    edges = np.array(EDGES, dtype)
    arrays = [np.repeat(edges, len(edges)), np.tile(edges, len(edges))]
    compared(getattr(pa, name), getattr(torch, name), arrays, rtol, 1e-40)


@pytest.mark.parametrize(("dtype", "rtol"), TOLERANCES)
@pytest.mark.parametrize(("name", "arguments"), ACTIVATIONS)
def test_activations_are_pytorchs(name, arguments, dtype, rtol) -> None:
    def call(module):
        return lambda x: getattr(module, name)(x, *arguments)

    loose, atol = OTHERWISE.get(name, (1e-8 if name == "celu" else 0.0, 0.0))
    finite = np.isfinite(EDGES) if name == "softsign" else slice(None)
    compared(call(F), call(TF), [np.array(EDGES, dtype)], max(rtol, loose), max(atol, 1e-40), finite)


WHOLE = [7, -7, 5, -5, 2**62, -(2**63), 1, -1, 0]


@pytest.mark.parametrize("mode", ["floor", "trunc"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32])
def test_rounded_quotients_are_pytorchs(mode, dtype) -> None:
    numbers = [x for x in EDGES if math.isfinite(x)] if np.dtype(dtype).kind == "f" else [x % 1000 - 500 for x in WHOLE]
    a, b = np.repeat(np.array(numbers, dtype), len(numbers)), np.tile(np.array(numbers, dtype), len(numbers))
    a, b = a[b != 0], b[b != 0]
    out = pa.div(pa.tensor(a), pa.tensor(b), rounding_mode=mode)
    expected = torch.div(torch.tensor(a), torch.tensor(b), rounding_mode=mode)
    assert str(out.dtype).split(".")[-1] == str(expected.dtype).split(".")[-1]
    np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-6 if dtype is np.float32 else 1e-12)


def test_integers_are_divided_and_shifted_as_pytorchs() -> None:
    a, b = np.repeat(WHOLE, len(WHOLE)), np.tile(WHOLE, len(WHOLE))
    for name in ("bitwise_left_shift", "bitwise_right_shift"):
        assert (
            getattr(pa, name)(pa.tensor(a), pa.tensor(b)).tolist()
            == getattr(torch, name)(torch.tensor(a), torch.tensor(b)).tolist()
        ), name
    a, b = a[(b != 0) & (b != -1)], b[(b != 0) & (b != -1)]  # the smallest number by -1 stops a processor
    a, b = a[(a > -(2**63)) & (b > -(2**63))], b[(a > -(2**63)) & (b > -(2**63))]
    for name in ("remainder", "fmod", "floor_divide", "gcd"):
        assert (
            getattr(pa, name)(pa.tensor(a), pa.tensor(b)).tolist()
            == getattr(torch, name)(torch.tensor(a), torch.tensor(b)).tolist()
        ), name


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_polygamma_is_pytorchs(n) -> None:
    x = np.array([0.1, 0.5, 1.3, 2.0, 7.7, 30.0, -0.4, -3.3])
    rtol = 1e-8 if n < 2 else 1e-12  # the trigamma function of PyTorch has no more
    compared(lambda t: pa.polygamma(n, t), lambda t: torch.polygamma(n, t), [x], rtol, 0.0)
