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


def with_arguments(function, arguments):
    return lambda x: function(x, *arguments)


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
    loose, atol = OTHERWISE.get(name, (1e-8 if name == "celu" else 0.0, 0.0))
    finite = np.isfinite(EDGES) if name == "softsign" else slice(None)
    compared(
        *(with_arguments(getattr(module, name), arguments) for module in (F, TF)),
        [np.array(EDGES, dtype)],
        max(rtol, loose),
        max(atol, 1e-40),
        finite,
    )


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


COMPOSED_OF_ONE = [
    ("frac", ()), ("deg2rad", ()), ("rad2deg", ()), ("sinc", ()), ("nan_to_num", ()), ("nan_to_num", (1, 2, 3)),
    ("positive", ()), ("clamp_min", (0.25,)), ("clamp_max", (0.25,)), ("float_power", (3,)), ("absolute", ()),
    ("arcsin", ()), ("arctanh", ()), ("rsub", (2,)),
]  # fmt: skip
COMPOSED_OF_TWO = ["fmin", "fmax", "subtract", "multiply", "true_divide", "rsub", "float_power", "arctan2"]
YES_OR_NO = ["isposinf", "isneginf", "isreal", "signbit", "logical_not"]


@pytest.mark.parametrize(("dtype", "rtol"), TOLERANCES)
@pytest.mark.parametrize(("name", "arguments"), COMPOSED_OF_ONE)
def test_composed_functions_of_one_operand_are_pytorchs(name, arguments, dtype, rtol) -> None:
    ours, theirs = (lambda x, f=f: f(x, *arguments) for f in (getattr(pa, name), getattr(torch, name)))
    compared(ours, theirs, [np.array(EDGES, dtype)], rtol, 1e-7 if name == "sinc" else 1e-30)


@pytest.mark.parametrize(("dtype", "rtol"), TOLERANCES)
@pytest.mark.parametrize("name", COMPOSED_OF_TWO)
def test_composed_functions_of_two_operands_are_pytorchs(name, dtype, rtol) -> None:
    edges = np.array(EDGES, dtype)
    arrays = [np.repeat(edges, len(edges)), np.tile(edges, len(edges))]
    compared(getattr(pa, name), getattr(torch, name), arrays, rtol, 1e-30)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.7, 1.0])
def test_interpolation_and_fused_sums_are_pytorchs(weight) -> None:
    rng = np.random.default_rng(3)
    a, b, c = rng.normal(size=(3, 4, 5))
    compared(lambda a, b: pa.lerp(a, b, weight), lambda a, b: torch.lerp(a, b, weight), [a, b], 1e-12, 0.0)
    compared(pa.lerp, torch.lerp, [a, b, c], 1e-12, 1e-15)
    for name in ("addcmul", "addcdiv"):
        ours, theirs = (lambda *x, f=getattr(module, name): f(*x, value=weight) for module in (pa, torch))  # noqa: B008
        compared(ours, theirs, [a, b, c], 1e-12, 1e-15)
    compared(pa.logaddexp2, torch.logaddexp2, [a, b], 1e-12, 1e-15)
    compared(pa.ldexp, torch.ldexp, [a, np.round(b)], 1e-12, 1e-15)
    p = 1 / (1 + np.exp(-a))
    compared(pa.logit, torch.logit, [p], 1e-12, 1e-15)
    compared(lambda x: pa.logit(x, 0.2), lambda x: torch.logit(x, 0.2), [p], 1e-12, 1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_questions_have_pytorchs_answers(dtype) -> None:
    x = np.array(EDGES).astype(dtype) if np.dtype(dtype).kind == "f" else np.array([3, -3, 0]).astype(dtype)
    for name in YES_OR_NO:
        assert getattr(pa, name)(pa.tensor(x)).tolist() == getattr(torch, name)(torch.tensor(x)).tolist(), name
    for name in ("logical_xor", "heaviside"):
        args = (x, x[::-1].copy())
        ours, theirs = getattr(pa, name)(*map(pa.tensor, args)), getattr(torch, name)(*map(torch.tensor, args))
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert pa.equal(pa.tensor(x), pa.tensor(x)) == torch.equal(torch.tensor(x), torch.tensor(x))
    assert not pa.equal(pa.tensor(x), pa.tensor(x[:1]))


def test_least_common_multiples_are_pytorchs() -> None:
    a, b = [4, -6, 0, 7, 0], [6, 4, 0, 0, 3]
    assert pa.lcm(pa.tensor(a), pa.tensor(b)).tolist() == torch.lcm(torch.tensor(a), torch.tensor(b)).tolist()


@pytest.mark.parametrize("shape", [(4,), (6, 4), (2, 4, 3)], ids=str)
def test_activations_without_a_row_are_pytorchs(shape) -> None:
    x = np.random.default_rng(5).normal(size=shape) * 4
    for name, arguments in (
        ("relu6", ()),
        ("threshold", (0.5, 20.0)),
        ("rrelu", ()),
        ("softmin", (-1,)),
        ("glu", (0,)),
    ):
        compared(*(with_arguments(getattr(module, name), arguments) for module in (F, TF)), [x], 1e-12, 1e-15)
    for weight in (np.array([0.25]), np.array([0.25, 0.5, 0.75, -1.0])[: shape[1] if len(shape) > 1 else 1]):
        compared(F.prelu, TF.prelu, [x, weight], 1e-12, 1e-15)


def test_draws_of_activations_have_pytorchs_distribution() -> None:
    pa.manual_seed(1)
    x = -pa.ones(20_000)
    slopes = -F.rrelu(x, 0.1, 0.3, training=True)
    assert slopes.min().item() >= 0.1 and slopes.max().item() < 0.3 and abs(slopes.mean().item() - 0.2) < 0.002
    logits = pa.tensor([0.0, math.log(2.0), math.log(5.0)]).expand(20_000, 3)
    hard = F.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(hard.mean(0).numpy(), [1 / 8, 2 / 8, 5 / 8], atol=0.02)
    soft = F.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(soft.sum(1).numpy(), 1, rtol=1e-5)
    dropped = F.alpha_dropout(pa.randn(50_000), 0.3, training=True)
    assert abs(dropped.mean().item()) < 0.02 and abs(dropped.std().item() - 1) < 0.02


@pytest.mark.parametrize("name", ["entr", "ndtr", "expit", "gammaln"])
def test_special_functions_are_pytorchs(name) -> None:
    usual = np.array([0.1, 0.3, 0.5, 0.75, 1.25, 2.0, 3.0, 6.7, 20.0])
    compared(getattr(pa.special, name), getattr(torch.special, name), [usual], 1e-12, 1e-15)


def test_special_functions_of_more_operands_are_pytorchs() -> None:
    a, b = np.repeat([0.0, 2.0, -0.5], 4), np.tile([-1.0, 0.0, 0.5, 3.0], 3)
    compared(pa.special.xlog1py, torch.special.xlog1py, [a, b], 1e-12, 1e-15, at=a != 0)
    large = np.array([2.0, 3.5, 10.0])
    compared(lambda x: pa.special.multigammaln(x, 3), lambda x: torch.special.multigammaln(x, 3), [large], 1e-12, 0.0)


@pytest.mark.parametrize("decimals", [-2, -1, 0, 1, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numbers_are_rounded_to_decimals_as_pytorchs(decimals, dtype) -> None:
    x = np.append(np.random.default_rng(0).normal(size=50) * 30, [0.5, 1.5, 2.5, -0.25, 15.0, 250.0]).astype(dtype)
    compared(lambda x: pa.round(x, decimals=decimals), lambda x: torch.round(x, decimals=decimals), [x], 0.0, 0.0)
