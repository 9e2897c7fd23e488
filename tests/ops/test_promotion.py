"""Every row of the op table gives the dtype that its operands promote to: tensors, 0-d tensors and Python numbers."""

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import _ops
from pyautograd._core import apply

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]
CATEGORY = {"bool": 0, "uint8": 1, "int32": 1, "int64": 1, "float32": 2, "float64": 2, "number": 2}
NUMBERS = {"bool": True, "int64": 3, "float32": 1.5}
OPERANDS = [*itertools.product(DTYPES, ("dims", "0-d")), *((dtype, "number") for dtype in NUMBERS)]
# The rows by what they do to integers and bools; all others compute them in the default float.
KEEPS_BOOLS = {"add", "mul", "maximum", "minimum", "sign", "where"}
KEEPS_INTEGERS = {
    "sub", "neg", "abs", "square", "pow", "floor", "ceil", "round", "trunc", "relu", "floor_divide", "remainder",
    "fmod", "bitwise_left_shift", "bitwise_right_shift", "gcd",
}  # fmt: skip
Operand = tuple[str, str]


def promoted(*operands: Operand) -> str:
    """PyTorch's rule: the highest category of all operands, in the widest dtype that the operands with axes have in it;
    if none of them is of that category, 0-d tensors decide; then numbers, whose floats are float32."""
    category = max(CATEGORY[dtype] for dtype, _ in operands)
    for kind in ("dims", "0-d", "number"):
        found = [dtype for dtype, its in operands if its == kind and CATEGORY[dtype] == category]
        if found:
            return max(found, key=DTYPES.index)
    raise AssertionError


def made(operand: Operand) -> Any:
    dtype, kind = operand
    number = NUMBERS.get(dtype, 2.5)
    if kind == "number":
        return number
    return pa.tensor([number] * 3 if kind == "dims" else number, dtype=getattr(pa, dtype))


def expected(name: str, *operands: Operand) -> str | None:
    """The dtype of a row's result; None where it is refused."""
    dtype = promoted(*operands)
    if name == "sub" and any(each == "bool" for each, _ in operands):
        return None
    family = _ops.table[name].family
    if family == "logic":
        return None if CATEGORY[dtype] == 2 or (dtype == "bool" and name in KEEPS_INTEGERS) else dtype
    if family == "comparison":
        return "bool"
    if name in KEEPS_INTEGERS:
        return None if dtype == "bool" else dtype
    return dtype if CATEGORY[dtype] == 2 or name in KEEPS_BOOLS else "float32"


ROWS = [row for row in _ops.table.values() if row.family in ("elementwise", "comparison", "logic")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_op_promotes(row: _ops.OpInfo) -> None:
    parameters = [1.0] * row.parameters
    condition = [pa.tensor([True, False, True])] if row.name == "where" else []
    for operands in itertools.product(OPERANDS, repeat=row.operands - len(condition)):
        wanted = expected(row.name, *operands)
        tensors = [*condition, *map(made, operands)]
        if wanted is None:
            with pytest.raises(TypeError, match=rf"{row.name}: takes .*bool"):
                apply(row.number, *tensors, *parameters)
        else:
            assert apply(row.number, *tensors, *parameters).dtype.name == wanted, (row.name, operands)


def test_numbers_are_of_the_default_float() -> None:
    pa.set_default_dtype(pa.float64)
    try:
        assert (pa.tensor([1]) * 0.5).dtype is pa.float64
        assert (pa.tensor([True]) / 2).dtype is pa.float64
        assert (pa.ones(1, dtype=pa.float32) * 0.5).dtype is pa.float32
    finally:
        pa.set_default_dtype(pa.float32)


@pytest.mark.parametrize("function", [pa.cat, pa.stack], ids=["cat", "stack"])
@pytest.mark.parametrize("dtypes", list(itertools.product(DTYPES, repeat=3)), ids="-".join)
def test_joined_tensors_promote(function: Callable[..., pa.Tensor], dtypes: tuple[str, ...]) -> None:
    tensors = [made((dtype, "dims")) for dtype in dtypes]
    result = function(tensors)
    assert result.dtype.name == promoted(*((dtype, "dims") for dtype in dtypes))
    assert result.flatten().tolist() == [number for each in tensors for number in each.tolist()]


def test_gradients_flow_through_joins_of_dtypes() -> None:
    a = pa.tensor([[1.0], [2.0]], requires_grad=True)
    b = pa.tensor([[3.0, 4.0], [5.0, 6.0]], dtype=pa.float64, requires_grad=True)
    joined = pa.cat([a.T.T, pa.ones(2, 1, dtype=pa.int64), b.T.T, a], dim=1)
    joined.backward(pa.arange(10, dtype=pa.float64).reshape(2, 5))
    assert a.grad.dtype is pa.float32 and a.grad.tolist() == [[4.0], [14.0]]
    assert b.grad.dtype is pa.float64 and b.grad.tolist() == [[2.0, 3.0], [7.0, 8.0]]


IN_PLACE = {
    "add": operator.iadd, "sub": operator.isub, "mul": operator.imul, "div": operator.itruediv, "pow": operator.ipow,
    "bitwise_and": operator.iand, "bitwise_or": operator.ior, "bitwise_xor": operator.ixor,
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_tensor_changes_in_place_where_the_result_is_of_its_category(name: str) -> None:
    for dtype, operand in itertools.product(DTYPES, OPERANDS):
        target = made((dtype, "dims"))
        before, alias = target.tolist(), target
        result = expected(name, (dtype, "dims"), operand)
        if result is None or CATEGORY[result] > CATEGORY[dtype]:
            with pytest.raises(TypeError, match=name):
                IN_PLACE[name](target, made(operand))
            assert alias.tolist() == before
        else:
            assert IN_PLACE[name](target, made(operand)) is alias
            assert alias.dtype.name == dtype


def test_bools_are_masks() -> None:
    a, b = pa.tensor([True, True, False, False]), pa.tensor([True, False, True, False])
    x = pa.tensor([1.0, 2.0, 3.0, 4.0])
    assert x[a * b].tolist() == [1.0]
    assert x[a + b].tolist() == [1.0, 2.0, 3.0]
    assert x[pa.maximum(a, b)].tolist() == [1.0, 2.0, 3.0]
    assert x[pa.minimum(a, b)].tolist() == [1.0]
    assert x[pa.where(a, b, ~b)].tolist() == [1.0, 4.0]
    assert x[a.masked_fill(b, False)].tolist() == [2.0]
    assert x[pa.sign(b)].tolist() == [1.0, 3.0]
    assert (~pa.ones(2, 2, dtype=pa.bool).tril()).tolist() == [[False, True], [False, False]]
    assert pa.ones(2, 2)[pa.ones(2, 2, dtype=pa.bool).triu(1)].tolist() == [1.0]
    assert pa.outer(a, b).dtype is pa.bool
    assert pa.stack([a, b]).dtype is pa.bool


def test_what_bools_do_not_have_says_what_to_write() -> None:
    a = pa.tensor([True, False])
    with pytest.raises(TypeError, match=r"sub: takes no bool, shape \(2,\); write a \^ b for masks"):
        a - a
    with pytest.raises(TypeError, match=r"neg: takes no bool, shape \(2,\); write ~a"):
        -a
    with pytest.raises(TypeError, match=r"relu: takes no bool, shape \(2,\); convert it with \.to\(\)"):
        a.relu()


@pytest.mark.parametrize("dtype", DTYPES)
def test_masked_fill_keeps_the_dtype(dtype: str) -> None:
    for value in (True, 2, 2.5, pa.tensor(2.5), pa.tensor(2.5, dtype=pa.float64)):
        filled = made((dtype, "dims")).masked_fill(pa.tensor([True, False, True]), value)
        converted = (bool, int, float)[CATEGORY[dtype]](value)
        assert filled.dtype.name == dtype
        assert filled.tolist() == [converted, made((dtype, "0-d")).item(), converted]
    with pytest.raises(ValueError, match=r"masked_fill: value of shape \(1,\)"):
        made((dtype, "dims")).masked_fill(pa.tensor([True, False, True]), pa.ones(1))


def test_integers_clamped_between_floats_become_floats() -> None:
    k = pa.tensor([3, -2])
    assert k.clamp(0.5, 2.5).tolist() == [2.5, 0.5]
    assert k.clamp(0, 2).dtype is pa.int64
    assert k.clamp(0, 2.5).dtype is k.clamp(max=2.5).dtype is pa.float32
    with pytest.raises(
        TypeError, match="clamp_: a result of dtype float32 does not fit in place into a tensor of dtype int64"
    ):
        k.clamp_(0.5, 2.5)
    assert k.tolist() == [3, -2]


@pytest.mark.parametrize("dtype", [None, *DTYPES])
@pytest.mark.parametrize("own", DTYPES)
def test_sums_and_products_are_of_the_dtype_asked_for(own: str, dtype: str | None) -> None:
    x = pa.tensor([0.5, 2.0, 0.0]).to(getattr(pa, own))
    for name, reduce in (("sum", sum), ("prod", np.prod)):
        wanted = dtype or ("int64" if CATEGORY[own] < 2 else own)
        numbers = x.to(getattr(pa, wanted)).tolist() if dtype else x.tolist()
        result = getattr(x, name)(dtype=dtype and getattr(pa, dtype))
        assert result.dtype.name == wanted
        assert result.item() == {"bool": bool}.get(wanted, float)(reduce(numbers))


def test_what_is_filled_has_the_dtype_of_its_number() -> None:
    numbers = [(True, "bool"), (3, "int64"), (1.5, "float32"), (np.True_, "bool"), (np.int64(3), "int64")]
    tensors = [(pa.tensor(3), "int64"), (pa.tensor(3, dtype=pa.float64), "float32")]
    for number, dtype in [*numbers, (np.float64(1), "float32"), *tensors]:
        assert pa.full((2,), number).dtype.name == dtype
    assert pa.arange(np.int64(3)).dtype is pa.int64
