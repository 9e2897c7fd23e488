"""Elementwise maths in float32: within 2 ulp of the truth, right at the edges, the same bits on every instruction set.

The truth is NumPy's float64, whose error is a thousandth of a float32 ulp or less.
"""

import hashlib
import math
import operator
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from layouts import ISAS, using

import pyautograd as pa
from pyautograd.nn import functional as F

BOUND = 2.0  # ulp

Array = npt.NDArray[Any]


def sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


NUMPYS = [
    "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sqrt", "exp2", "log2", "log10", "sinh", "cosh", "reciprocal",
    "arcsin", "arccos", "arctan", "arctanh",
]  # fmt: skip
FUNCTIONS: dict[str, tuple[Callable[[pa.Tensor], pa.Tensor], Callable[[Array], Array]]] = {
    **{name: (getattr(pa, name), getattr(np, name)) for name in NUMPYS},
    "sigmoid": (pa.sigmoid, sigmoid),
    "erf": (pa.erf, np.vectorize(math.erf, otypes=[np.float64])),
    "softplus": (lambda t: F.softplus(t, threshold=1e30), softplus),
    "rsqrt": (lambda t: t**-0.5, lambda x: 1 / np.sqrt(x)),
    "cube": (lambda t: t**3, lambda x: x * x * x),
    "power": (lambda t: t**2.5, lambda x: x**2.5),
    "erfinv": (pa.erfinv, lambda x: pa.erfinv(pa.tensor(x)).numpy()),
    "erfc": (pa.erfc, np.vectorize(math.erfc, otypes=[np.float64])),
}
EXACT = {"floor": np.floor, "ceil": np.ceil, "round": np.rint, "abs": np.abs, "neg": np.negative}
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 88.72283, 88.72284, -87.33655, -103.97207, -103.97209, -150.0]
EDGES += [1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 1.6e6, 8388607.5, 16777216.0]
EDGES += [math.inf, -math.inf, math.nan]


def samples() -> Array:
    """Bit patterns all over float32, the numbers that networks see, and the edges."""
    patterns = np.arange(0, 2**32, 65_521, dtype=np.uint64).astype(np.uint32).view(np.float32)
    generator = np.random.default_rng(0)
    usual = [generator.normal(0, scale, 20_000) for scale in (1e-3, 0.5, 1, 5, 30)]
    return np.concatenate([patterns, *(x.astype(np.float32) for x in usual), np.array(EDGES, np.float32)])


def ulps(got: Array, want: Array) -> Array:
    """Distance in units of the last place that float32 has at `want`; infinite where kind or sign are wrong."""
    distance = np.full(want.shape, np.inf)
    largest = float(np.finfo(np.float32).max)
    _, exponent = np.frexp(np.where(np.isfinite(want), want, 1))
    unit = np.ldexp(1.0, np.maximum(exponent - 24, -149))
    finite = np.isfinite(got) & np.isfinite(want)
    distance[finite] = np.abs(got[finite].astype(np.float64) - want[finite]) / unit[finite]
    distance[np.isnan(got) & np.isnan(want)] = 0
    infinite = np.isinf(got) & (np.sign(got) == np.sign(want))
    overflow = np.maximum(0, (largest - np.abs(want)) / 2.0**104)
    distance[infinite] = overflow[infinite]
    distance[(got == 0) & (want == 0) & (np.signbit(got) != np.signbit(want))] = np.inf
    return distance


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_within_2_ulp_of_the_truth(name: str, isa: str) -> None:
    ours, truth = FUNCTIONS[name]
    x = samples()
    with np.errstate(all="ignore"):
        want = truth(x.astype(np.float64))
    got = ours(pa.tensor(x)).numpy()
    assert got.dtype == np.float32
    distance = ulps(got, want)
    worst = int(distance.argmax())
    assert distance[worst] <= BOUND, f"{name}({x[worst]!r}) is {got[worst]!r}, truth {want[worst]!r}"


@pytest.mark.parametrize("name", ["atan2", "hypot", "fmod"])
def test_a_function_of_two_numbers_is_within_1_ulp_of_the_truth(name: str, isa: str) -> None:
    truth = {"atan2": np.arctan2, "hypot": np.hypot, "fmod": np.fmod}[name]
    edges = np.array(EDGES, np.float32)
    numbers = samples()
    x = np.concatenate([np.repeat(edges, len(edges)), numbers])
    y = np.concatenate([np.tile(edges, len(edges)), np.roll(numbers, 12_345)])
    with np.errstate(all="ignore"):
        want = truth(x.astype(np.float64), y.astype(np.float64))
    got = getattr(pa, name)(pa.tensor(x), pa.tensor(y)).numpy()
    worst = int(ulps(got, want).argmax())
    assert ulps(got, want)[worst] <= 1, f"{name}({x[worst]!r}, {y[worst]!r}) is {got[worst]!r}, truth {want[worst]!r}"


@pytest.mark.parametrize("name", EXACT)
def test_rounding_sign_and_size_are_exact(name: str, isa: str) -> None:
    ours, truth = getattr(pa, name), EXACT[name]
    x = samples()
    with np.errstate(invalid="ignore"):  # NumPy warns of signalling NaNs
        want = truth(x)
    got = ours(pa.tensor(x)).numpy()
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


def test_pow_is_within_1_ulp_of_the_truth(isa: str) -> None:
    generator = np.random.default_rng(1)
    a = np.exp(generator.uniform(-20, 20, 100_000)).astype(np.float32)
    b = (generator.uniform(-88, 88, 100_000) / np.maximum(np.abs(np.log(a)), 1)).astype(np.float32)
    whole = generator.random(100_000) < 0.3
    b[whole] = np.rint(b[whole])
    a[whole & (generator.random(100_000) < 0.5)] *= -1
    with np.errstate(all="ignore"):
        want = a.astype(np.float64) ** b.astype(np.float64)
    assert ulps((pa.tensor(a) ** pa.tensor(b)).numpy(), want).max() <= 1


def test_pow_is_within_1_ulp_at_the_edges(isa: str) -> None:
    edges = [0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 1.5, -1.5, 1e38, -1e38, 1e-45, 2**24 - 1, -(2**24 - 1), 2**24 + 2]
    x = np.array([*edges, math.inf, -math.inf, math.nan], np.float32)
    a, b = (side.ravel() for side in np.meshgrid(x, x))
    with np.errstate(all="ignore"):
        want = a.astype(np.float64) ** b.astype(np.float64)
    assert ulps((pa.tensor(a) ** pa.tensor(b)).numpy(), want).max() <= 1


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_near_multiples_of_half_pi_and_huge_ones_are_within_2_ulp(name: str, isa: str) -> None:
    ours, truth = FUNCTIONS[name]
    multiples = (np.arange(1, 20_001) * (math.pi / 2)).astype(np.float32)
    huge = np.exp(np.linspace(10, 88, 5_000)).astype(np.float32)
    x = np.concatenate([multiples, -multiples, huge, -huge])
    assert ulps(ours(pa.tensor(x)).numpy(), truth(x.astype(np.float64))).max() <= BOUND


def test_value_of_an_element_does_not_depend_on_its_place(isa: str) -> None:
    """Whole groups, remainders and blocks with huge angles run through different loops."""
    x = np.random.default_rng(2).normal(0, 3, 4_000).astype(np.float32)
    for ours, _ in FUNCTIONS.values():
        whole = ours(pa.tensor(x)).numpy()
        for n in (1, 2, 15, 16, 17, 31, 100, 1_023, 1_025):
            np.testing.assert_array_equal(ours(pa.tensor(x[:n])).numpy(), whole[:n])
        with_huge = ours(pa.tensor(np.concatenate([x, np.array([1e30], np.float32)]))).numpy()
        np.testing.assert_array_equal(with_huge[:-1], whole)


def test_activations_stay_sane_far_out(isa: str) -> None:
    x = np.array([-math.inf, -1e4, -200, -100, -88, 88, 100, 200, 1e4, math.inf], np.float32)
    saturating = [F.relu, F.elu, F.leaky_relu, F.softplus, F.logsigmoid, pa.sigmoid, pa.tanh]
    vanishing = [F.silu, F.gelu, lambda t: F.gelu(t, approximate="tanh")]  # NaN at an infinity, as PyTorch's
    for functions, inputs in ((saturating, x), (vanishing, x[1:-1])):
        for function in functions:
            t = pa.tensor(inputs, requires_grad=True)
            out = function(t)
            out.sum().backward()
            assert t.grad is not None
            assert not np.isnan(out.detach().numpy()).any()
            assert np.isfinite(t.grad.numpy()).all()


def test_nan_passes_through(isa: str) -> None:
    nan = pa.tensor(np.full(20, math.nan, np.float32))
    one = pa.ones(20)
    functions: list[Callable[[pa.Tensor], pa.Tensor]] = [ours for ours, _ in FUNCTIONS.values()]
    for function in (F.relu, F.elu, F.gelu, F.silu, F.leaky_relu, *functions):
        assert np.isnan(function(nan).numpy()).all()
    for function in (pa.maximum, pa.minimum):
        assert np.isnan(function(nan, one).numpy()).all()
        assert np.isnan(function(one, nan).numpy()).all()
    np.testing.assert_array_equal(pa.sign(nan).numpy(), 0)  # as PyTorch's


def test_integers_wrap_around(isa: str) -> None:
    ends = np.array([np.iinfo(np.int64).max, np.iinfo(np.int64).min, -1, 0, 1] * 7)
    other = np.roll(ends, 2)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal((pa.tensor(ends) + pa.tensor(other)).numpy(), ends + other)
        np.testing.assert_array_equal((pa.tensor(ends) - pa.tensor(other)).numpy(), ends - other)
        np.testing.assert_array_equal((pa.tensor(ends) * pa.tensor(other)).numpy(), ends * other)
        np.testing.assert_array_equal((-pa.tensor(ends)).numpy(), -ends)
        np.testing.assert_array_equal(pa.abs(pa.tensor(ends)).numpy(), np.abs(ends))


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.float32, np.float64])
def test_comparisons_are_numpys_also_of_nans(dtype: Any, isa: str) -> None:
    generator = np.random.default_rng(3)
    a, b = generator.integers(-2, 3, (2, 1_000)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        a[::7] = math.nan
    s, t = pa.tensor(a), pa.tensor(b)
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        np.testing.assert_array_equal(compare(s, t).numpy(), compare(a, b))


def every_op() -> Iterator[tuple[str, Array]]:
    """Values and gradients of the elementwise ops, over data that reaches their edges."""
    generator = np.random.default_rng(4)
    unary: dict[str, Callable[[pa.Tensor], pa.Tensor]] = {}
    unary.update({name: ours for name, (ours, _) in FUNCTIONS.items()} | {name: getattr(pa, name) for name in EXACT})
    unary.update(relu=F.relu, elu=F.elu, leaky_relu=F.leaky_relu, silu=F.silu, gelu=F.gelu, log_sigmoid=F.logsigmoid)
    unary.update(gelu_tanh=lambda t: F.gelu(t, approximate="tanh"), clamp=lambda t: t.clamp(-1, 1), square=pa.square)
    unary.update(sign=pa.sign)
    binary: dict[str, Callable[[pa.Tensor, pa.Tensor], pa.Tensor]] = {
        "add": pa.add, "sub": pa.sub, "mul": pa.mul, "div": pa.div, "pow": pa.pow, "maximum": pa.maximum,
        "minimum": pa.minimum, "where": lambda s, t: pa.where(s > 0, s, t),
    }  # fmt: skip
    for dtype in (np.float32, np.float64):
        usual = generator.normal(0, 4, (2, 3_001)).astype(dtype)
        edges = np.array(EDGES, dtype)
        a = np.concatenate([usual[0], np.repeat(edges, edges.size)])
        b = np.concatenate([usual[1], np.tile(edges, edges.size)])
        for name, function in unary.items():
            yield from outcome(name, function, a)
        for name, function in binary.items():
            yield from outcome(name, function, a, b)


def outcome(name: str, function: Callable[..., pa.Tensor], *arrays: Array) -> Iterator[tuple[str, Array]]:
    operands = [pa.tensor(array, requires_grad=True) for array in arrays]
    out = function(*operands)
    upstream = np.linspace(0.5, 2, out.numel()).astype(arrays[0].dtype)
    out.backward(pa.tensor(upstream))
    results = [out.detach(), *(operand.grad for operand in operands)]
    for i, result in enumerate(results):
        assert result is not None
        values = result.numpy().copy()
        values[np.isnan(values)] = math.nan  # sign and payload of a NaN are the processor's choice
        yield f"{name} {values.dtype} {i}", values


def test_same_bits_on_every_instruction_set() -> None:
    def hashes(isa: str) -> list[str]:
        with using(isa):
            return [f"{what} {hashlib.sha256(values.tobytes()).hexdigest()}" for what, values in every_op()]

    baseline, *others = (hashes(isa) for isa in ISAS)
    assert len(baseline) > 100
    for isa, other in zip(ISAS[1:], others, strict=True):
        differ = [line for line, theirs in zip(baseline, other, strict=True) if line != theirs]
        assert not differ, f"{isa} differs from baseline in {differ}"


def started_with(isa: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that is to use an instruction set and prints the one that it uses."""
    code, environment = "import pyautograd; print(pyautograd.isa())", {**os.environ, "PYAUTOGRAD_ISA": isa}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("isa", ISAS)
def test_the_environment_names_the_instruction_set(isa: str) -> None:
    assert started_with(isa).stdout == f"{isa}\n"


def test_an_unknown_instruction_set_is_refused() -> None:
    run = started_with("mmx")
    assert run.returncode != 0
    assert "ValueError: instruction set mmx: known are baseline, avx2, avx512" in run.stderr


def test_the_gradient_of_elu_is_1_at_nan_as_pytorch_has_it() -> None:
    x = pa.tensor([math.nan, 1.0, -1.0], requires_grad=True)
    F.elu(x).sum().backward()
    assert x.grad.tolist() == pytest.approx([1.0, 1.0, math.exp(-1)])
