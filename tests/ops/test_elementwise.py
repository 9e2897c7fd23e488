"""Every elementwise row of the op table: values and gradients against the reference engine and central differences,
over shapes that broadcast, are empty, are 0-d, are transposed. A new row is tested by existing."""

import itertools
import math

import numpy as np
import pytest
from elementwise import DOMAINS, ROWS, call, draw, parameters
from gradcheck import check_gradients, leaf
from layouts import using

import pyautograd as pa
from pyautograd import _ops, reference
from pyautograd.scalar import Value

PIECEWISE = {
    "floor",
    "ceil",
    "round",
    "sign",
    "trunc",
}  # their gradient is 0, which differences across a step would not show

UNARY_SHAPES = [(), (1,), (5,), (0,), (2, 3), (2, 0, 3), (1, 17, 2)]
BINARY_SHAPES = [
    ((), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 3), ()), ((), (2, 3)), ((2, 1), (1, 3)), ((4, 1, 3),
    (2, 1)),
    ((0, 3), (3,)), ((1,), (0,)), ((2, 3), (2, 3)),
]  # fmt: skip


ONE = [name for name, row in ROWS.items() if row.operands == 1]
TWO = [name for name, row in ROWS.items() if row.operands == 2]


def test_every_elementwise_row_is_tried_here() -> None:
    assert set(ROWS) == {*ONE, *TWO, "where"}
    assert all(row.parameters == len(parameters(name)) for name, row in ROWS.items())


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("shape", UNARY_SHAPES, ids=str)
def test_a_gradient_of_one_operand_is_the_central_difference(name: str, shape: tuple[int, ...]) -> None:
    if name not in PIECEWISE:
        check_gradients(lambda a: call(name, a), *draw(name, shape), tolerance=2e-6)


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("shapes", BINARY_SHAPES, ids=str)
def test_gradients_of_two_operands_are_central_differences(
    name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    if name not in PIECEWISE:
        check_gradients(lambda a, b: call(name, a, b), *draw(name, *shapes), tolerance=2e-6)


@pytest.mark.parametrize("name", TWO)
def test_a_tensor_that_is_both_operands_gets_both_gradients(name: str) -> None:
    if name not in (
        "maximum",
        "minimum",
        "squared_error",
        "huber",
        "floor_divide",
        "remainder",
        "fmod",
    ):  # a kink or a constant there
        check_gradients(lambda a: call(name, a, a), *draw(name, (2, 3)), tolerance=3e-6)


@pytest.mark.parametrize("name", TWO)
def test_gradients_flow_through_strided_operands(name: str) -> None:
    check_gradients(lambda a, b: call(name, a.T, b[:, ::2]), *draw(name, (3, 4), (4, 6)), tolerance=2e-6)


@pytest.mark.parametrize("name", PIECEWISE)
def test_the_gradient_of_steps_is_zero(name: str) -> None:
    x = leaf([0.3, -1.7, 2.2])
    call(name, *[x] * ROWS[name].operands).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("shapes", [((), (), ()), ((3,), (3,), (3,)), ((2, 1), (3,), ()), ((0,), (1,), ())], ids=str)
def test_the_gradients_of_where_are_central_differences(shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(5)
    mask = pa.tensor(np.arange(math.prod(shapes[0])).reshape(shapes[0]) % 2 == 0)
    operands = [rng.normal(size=s) for s in shapes[1:]]
    check_gradients(lambda a, b: pa.where(mask, a, b), *operands)
    check_gradients(lambda a, b: pa.where(~mask, a, b), *operands)


def reference_result(name: str, numbers: list[float]) -> tuple[float, list[float]]:
    """The row on Values of the pure-Python engine: its value and the gradients of its operands."""
    values = [reference.Value(number) for number in numbers]
    first, rest = values[0], [*values[1:], *parameters(name)]
    symbols = {
        "add": "__add__", "sub": "__sub__", "mul": "__mul__", "div": "__truediv__", "neg": "__neg__",
        "pow": "__pow__", "power": "__pow__",
    }  # fmt: skip
    result = getattr(first, symbols.get(name, name))(*rest)
    result.backward()
    return result.data, [value.grad for value in values]


IN_REFERENCE = [
    name
    for name in (*ONE, *TWO)
    if hasattr(reference.Value, name) or name in ("add", "sub", "mul", "div", "pow", "power")
]


def test_the_reference_engine_has_what_values_have() -> None:
    losses = {"squared_error", "huber", "hinge", "bce_with_logits", "bce"}
    assert {*ONE, *TWO} - set(IN_REFERENCE) <= losses | PIECEWISE


@pytest.mark.parametrize("name", [name for name in IN_REFERENCE if name != "lgamma"])  # Python's own is not libm's
def test_values_equal_the_reference_engine_bit_for_bit(name: str) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        low, high = DOMAINS.get(name, (-3.0, 3.0))
        numbers = [float(x) for x in rng.uniform(low, high, ROWS[name].operands)]
        expected, gradients = reference_result(name, numbers)
        values = [Value(number) for number in numbers]
        result = call(name, *values)
        assert isinstance(result, Value)
        result.backward()
        assert result.data == expected
        assert [value.grad for value in values] == gradients


@pytest.mark.parametrize("name", IN_REFERENCE)
def test_tensors_equal_the_reference_engine(name: str) -> None:
    rng = np.random.default_rng(3)
    low, high = DOMAINS.get(name, (-3.0, 3.0))
    arrays = [rng.uniform(low, high, 7) for _ in range(ROWS[name].operands)]
    leaves = [leaf(array) for array in arrays]
    result = call(name, *leaves)
    result.sum().backward()
    for i in range(7):
        expected, gradients = reference_result(name, [float(array[i]) for array in arrays])
        assert math.isclose(result[i].item(), expected, rel_tol=1e-14, abs_tol=1e-15 if name == "lgamma" else 1e-300)
        for each, gradient in zip(leaves, gradients, strict=True):
            assert math.isclose(each.grad[i].item(), gradient, rel_tol=1e-13, abs_tol=1e-15)


SPECIAL = (-3.0, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 0.9, 1.0, 2.0, 3.0, 3.02, 25.0)


@pytest.mark.parametrize("name", IN_REFERENCE)
def test_values_and_gradients_at_kinks_and_ties_equal_the_reference_engine(name: str) -> None:
    tried = 0
    for numbers in itertools.product(SPECIAL, repeat=ROWS[name].operands):
        try:
            expected, gradients = reference_result(name, list(numbers))
        except (ArithmeticError, ValueError):  # not defined there
            continue
        leaves = [leaf(number) for number in numbers]
        result = call(name, *leaves)
        result.backward()
        found = [result.item(), *(each.grad.item() for each in leaves)]
        np.testing.assert_allclose(found, [expected, *gradients], rtol=1e-13, atol=1e-15, err_msg=str(numbers))
        tried += 1
    assert tried >= 4


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, -1.0, 0.5])
def test_the_gradient_of_a_power_is_right_for_each_exponent(exponent: float) -> None:
    check_gradients(lambda a: pa.pow(a, exponent), np.random.default_rng(0).uniform(0.5, 2.0, 5))


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_float32_is_near_float64(name: str) -> None:
    arrays = draw(name, *[(40,)] * ROWS[name].operands)
    singles = [pa.tensor(a, dtype=pa.float32, requires_grad=True) for a in arrays]
    doubles = [leaf(single.detach().numpy()) for single in singles]
    small, large = call(name, *singles), call(name, *doubles)
    assert small.dtype is pa.float32
    np.testing.assert_allclose(small.detach().numpy(), large.detach().numpy(), rtol=1e-6, atol=1e-6)
    small.sum().backward()
    large.sum().backward()
    for a, b in zip(singles, doubles, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "name", [name for name, row in ROWS.items() if row.lowest < pa.float32.code and name != "where"]
)
def test_integers_stay_integers(name: str) -> None:
    operands = [pa.tensor([-3, 0, 7]), pa.tensor([2, 5, -1])][: ROWS[name].operands]
    result = call(name, *operands)
    assert result.dtype is pa.int64 and not result.requires_grad
    as_floats = call(name, *(each.double() for each in operands))
    assert result.tolist() == as_floats.long().tolist()


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.lowest == pa.float32.code])
def test_integers_become_the_default_float(name: str) -> None:
    operands = [pa.tensor([1, 2, 3])] * ROWS[name].operands
    assert call(name, *operands).dtype is pa.float32


@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum", "pow"])
def test_shapes_that_do_not_broadcast_are_named(name: str) -> None:
    a, b = pa.ones(2, 3, requires_grad=True), pa.ones(4, requires_grad=True)
    before = pa.memory_stats().nodes
    with pytest.raises(ValueError, match=rf"{name}: shapes \(2, 3\) and \(4,\) do not broadcast: 3 meets 4 at axis -1"):
        call(name, a, b)
    assert pa.memory_stats().nodes == before


@pytest.mark.parametrize("name", [name for name, row in _ops.table.items() if row.family == "comparison"])
@pytest.mark.parametrize("dtype", [pa.bool, pa.uint8, pa.int32, pa.int64, pa.float32, pa.float64], ids=str)
def test_a_comparison_is_numpys_and_gives_bools(name: str, dtype: pa.dtype) -> None:
    a = pa.tensor([[0, 1, 2], [2, 1, 0]]).to(dtype)
    b = pa.tensor([1, 1, 0]).to(dtype)
    result = getattr(a, name)(b)
    assert result.dtype is pa.bool
    compare = {
        "eq": np.equal,
        "ne": np.not_equal,
        "lt": np.less,
        "le": np.less_equal,
        "gt": np.greater,
        "ge": np.greater_equal,
    }
    assert result.tolist() == compare[name](a.numpy(), b.numpy()).tolist()


def test_logic_takes_bools_and_integers_and_names_what_it_does_not() -> None:
    t, f = pa.tensor([True, True, False]), pa.tensor([True, False, False])
    assert (t & f).tolist() == [True, False, False]
    assert (t | f).tolist() == [True, True, False]
    assert (t ^ f).tolist() == [False, True, False]
    assert (~t).tolist() == [False, False, True]
    assert (pa.tensor([6]) & 3).tolist() == [2]
    with pytest.raises(TypeError, match="bitwise_and: takes bool and integers, not float32"):
        pa.ones(2) & pa.ones(2)


def test_every_instruction_set_gives_the_same_bits(isa: str) -> None:
    def bits() -> bytes:
        found = b""
        for name in (*ONE, *TWO):
            for dtype in (pa.float32, pa.float64):
                arrays = draw(name, *[(37,)] * ROWS[name].operands)
                leaves = [pa.tensor(a, dtype=dtype, requires_grad=True) for a in arrays]
                result = call(name, *leaves)
                result.sum().backward()
                found += result.detach().numpy().tobytes() + b"".join(each.grad.numpy().tobytes() for each in leaves)
        return found

    own = bits()
    with using("baseline"):
        assert bits() == own


def test_ties_and_edges_have_pytorchs_gradients() -> None:
    x = leaf([0.0, -0.0, 0.0])
    pa.relu(x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]
    x = leaf([0.0])
    x.abs().sum().backward()
    assert x.grad.tolist() == [0.0]
    x, y = leaf([1.0]), leaf([1.0])
    pa.maximum(x, y).sum().backward()
    assert (x.grad.item(), y.grad.item()) == (0.5, 0.5)
    x = leaf([0.0, 0.0])
    x.norm().backward()
    assert x.grad.tolist() == [0.0, 0.0]
    x = leaf([0.0])
    (x**0).sum().backward()
    assert x.grad.tolist() == [0.0]


def test_a_nan_passes_through() -> None:
    nan = pa.tensor([float("nan")])
    for name in ("relu", "maximum", "minimum", "clamp", "abs"):
        operands = [nan] if ROWS[name].operands == 1 else [nan, pa.ones(1)]
        assert math.isnan(call(name, *operands).item())


@pytest.mark.parametrize("decimals", [-1, 2])
def test_integers_are_not_rounded_to_decimals(decimals: int) -> None:
    with pytest.raises(TypeError, match="round: takes float32 or float64, not int64"):
        pa.round(pa.tensor([126]), decimals=decimals)


def test_entropy_of_small_integers_does_not_wrap_around() -> None:
    found = pa.special.entr(pa.tensor([0, 1, 3], dtype=pa.uint8))
    assert found.tolist() == pytest.approx([0.0, 0.0, -3 * math.log(3)], rel=1e-6)
    assert pa.special.xlog1py(pa.zeros(3), pa.tensor([-1.0, math.inf, 2.0])).tolist() == [0.0, 0.0, 0.0]
