"""Dtypes against PyTorch: every op over all dtypes as tensors with axes, 0-d tensors and Python numbers gives the same
dtype and values, and what PyTorch refuses is refused, unless it is listed as a function that takes more here."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the variance of one element

NUMBERS = {
    "bool": [True, False, True], "uint8": [200, 3, 255], "int32": [-2147483647, 5, 40000], "int64": [3, -2, 0],
    "float32": [1.5, -0.5, 2.0], "float64": [0.25, -3.0, 1.0],
}  # fmt: skip
DTYPES = list(NUMBERS)
REFUSALS = (TypeError, ValueError, RuntimeError, IndexError, OverflowError)

# An operand: a tensor with one axis, with two, without any, or a Python number
OPERANDS = [
    *((dtype, shape) for dtype in DTYPES for shape in ("dims", "more dims", "0-d")),
    *((dtype, "number") for dtype in ("bool", "int64", "float64")),
]


def operand(library: Any, dtype: str, shape: str, turn: int = 0) -> Any:
    numbers = NUMBERS[dtype][turn:] + NUMBERS[dtype][:turn]
    if shape == "number":
        return numbers[0]
    data = {"dims": numbers, "more dims": [numbers, numbers[::-1]], "0-d": numbers[0]}[shape]
    return library.tensor(data, dtype=getattr(library, dtype))


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result, or None where the call is refused."""
    try:
        return function(*arguments)
    except REFUSALS:
        return None


def assert_same(ours: Any, theirs: Any, where: str) -> None:
    assert ours is not None, f"{where}: refused, PyTorch gives {theirs}"
    if not isinstance(theirs, torch.Tensor):
        assert type(ours) is type(theirs) and ours == theirs, where
        return
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1], where
    assert tuple(ours.shape) == tuple(theirs.shape), where
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-6, atol=1e-7, err_msg=where)


def in_place(symbol: str) -> Callable[[Any, Any, Any], Any]:
    def function(t: Any, a: Any, b: Any) -> Any:
        if isinstance(a, bool | int | float):
            raise TypeError("numbers are not changed in place")
        names = {"a": a.clone(), "b": b}
        before = names["a"]
        exec(f"a {symbol} b", names)
        assert names["a"] is before
        return before

    return function


BINARY: dict[str, Callable[[Any, Any, Any], Any]] = {
    "+": lambda t, a, b: a + b,
    "-": lambda t, a, b: a - b,
    "*": lambda t, a, b: a * b,
    "/": lambda t, a, b: a / b,
    "**": lambda t, a, b: a**b,
    "==": lambda t, a, b: a == b,
    "!=": lambda t, a, b: a != b,
    "<": lambda t, a, b: a < b,
    "<=": lambda t, a, b: a <= b,
    ">": lambda t, a, b: a > b,
    ">=": lambda t, a, b: a >= b,
    "&": lambda t, a, b: a & b,
    "|": lambda t, a, b: a | b,
    "^": lambda t, a, b: a ^ b,
    "<<": lambda t, a, b: a << b,
    ">>": lambda t, a, b: a >> b,
    "maximum": lambda t, a, b: t.maximum(a, b),
    "minimum": lambda t, a, b: t.minimum(a, b),
    "where": lambda t, a, b: t.where(t.tensor([True, False, True]), a, b),
    "masked_fill": lambda t, a, b: t.masked_fill(a, t.tensor([True, False, True]), b),
    "clamp": lambda t, a, b: t.clamp(a, min=b),
    "clamp between": lambda t, a, b: t.clamp(a, b, b),
    "clamp below": lambda t, a, b: a.clamp(max=b),
    "cat": lambda t, a, b: t.cat([a, b]),
    "stack": lambda t, a, b: t.stack([a, b]),
    "cat with nothing": lambda t, a, b: t.cat([a, b[:0]]),
    "outer": lambda t, a, b: t.outer(a, b),
    "matmul": lambda t, a, b: a @ b,
    "linear": lambda t, a, b: t.nn.functional.linear(a, b.reshape(-1, 3)),
    "copy_": lambda t, a, b: a.clone().copy_(b),
    "fill_": lambda t, a, b: a.clone().fill_(b),
    "logical_and": lambda t, a, b: t.logical_and(a, b),
    "logical_or": lambda t, a, b: t.logical_or(a, b),
    "add alpha": lambda t, a, b: t.add(a, b, alpha=0.5),
    "mse_loss": lambda t, a, b: t.nn.functional.mse_loss(a, b.expand(a.shape), reduction="none"),
    **{symbol: in_place(symbol) for symbol in ("+=", "-=", "*=", "/=", "**=", "&=", "|=", "^=", "<<=", ">>=")},
}
TAKES_NUMBERS = {"maximum", "minimum", "logical_and", "logical_or"}  # PyTorch's take tensors alone
BOTH_ARE_TENSORS = {"cat", "stack", "cat with nothing", "outer", "linear", "mse_loss", "copy_"}
FIRST_IS_TENSOR = {"masked_fill", "clamp", "clamp between", "clamp below", "fill_", "add alpha"}

UNARY: dict[str, Callable[[Any, Any], Any]] = {
    "neg": lambda t, a: -a,
    "abs": lambda t, a: abs(a),
    "invert": lambda t, a: ~a,
    "float": lambda t, a: a.float(),
    "long": lambda t, a: a.long(),
    "int": lambda t, a: a.int(),
    "byte": lambda t, a: a.byte(),
    "bool": lambda t, a: a.bool(),
    "item": lambda t, a: a.reshape(-1)[0].item(),
    "tril": lambda t, a: t.tril(a),
    "triu": lambda t, a: t.triu(a),
    "repeat": lambda t, a: a.repeat(2, 2),
    "sum of dtype": lambda t, a: [a.sum(dtype=getattr(t, dtype)) for dtype in DTYPES],
    "prod of dtype": lambda t, a: [a.prod(dtype=getattr(t, dtype)) for dtype in DTYPES],
    "mean of dtype": lambda t, a: [a.mean(dtype=getattr(t, dtype)) for dtype in ("float32", "float64")],
    "mean as int": lambda t, a: a.mean(dtype=t.int64),
    "to": lambda t, a: [a.to(getattr(t, dtype)) for dtype in DTYPES],
    "zeros_like": lambda t, a: [t.zeros_like(a), t.ones_like(a)],
    "full of": lambda t, a: t.full((2,), a.reshape(-1)[0].item()),
    "max along": lambda t, a: list(a.max(0)),
    "min along": lambda t, a: list(a.min(0)),
    "clip_": lambda t, a: [a.clone().clamp_(0, 1)],
    "clip_ by floats": lambda t, a: [a.clone().clamp_(0.5, 1.0)],
    "dropout": lambda t, a: t.nn.functional.dropout(a, 0.5),
    "one_hot": lambda t, a: t.nn.functional.one_hot(abs(a)),
    "layer_norm": lambda t, a: t.nn.functional.layer_norm(a, (3,)),
    "softmax": lambda t, a: t.softmax(a, 0),
    "log_softmax": lambda t, a: t.log_softmax(a, 0),
    "logsumexp": lambda t, a: t.logsumexp(a, 0),
    **{
        name: lambda t, a, name=name: getattr(t, name)(a)  # type: ignore[misc]
        for name in (
            "sign", "square", "sqrt", "rsqrt", "reciprocal", "floor", "ceil", "round", "exp", "expm1", "log", "log1p",
            "sin", "cos", "erf", "relu", "sigmoid", "tanh", "isnan", "isinf", "isfinite", "logical_not", "sum", "prod",
            "mean", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all", "var", "std", "norm",
        )
    },
    **{
        name: lambda t, a, name=name: getattr(t.nn.functional, name)(a)  # type: ignore[misc]
        for name in ("leaky_relu", "elu", "gelu", "silu", "softplus")
    },
}  # fmt: skip

# Refused by PyTorch for integers or for bools, while the result here is what the words say
TAKES_INTEGERS = {"leaky_relu", "elu", "gelu", "silu", "softplus", "mse_loss"}
TAKES_BOOLS = {"argmax", "argmin", "clamp", "clamp between", "clamp below", *TAKES_INTEGERS}
# Refused here, with a hint: PyTorch's bool ** True is bool, and its square of bools int64
REFUSES_BOOLS = {"**", "**=", "square"}


def is_for_tensors(name: str, left: tuple[str, str], right: tuple[str, str]) -> bool:
    first, second = left[1] == "number", right[1] == "number"
    if name in BOTH_ARE_TENSORS:
        return first or second
    return first and (second or name in FIRST_IS_TENSOR) and name != "where"


@pytest.mark.parametrize("name", BINARY)
def test_two_operands_give_pytorchs_dtype_shape_and_numbers(name: str) -> None:
    for left, right in itertools.product(OPERANDS, OPERANDS):
        if is_for_tensors(name, left, right):
            continue
        where, has_number = f"{name} of {left} and {right}", "number" in (left[1], right[1])
        a, b = operand(pa, *left), operand(pa, *right, 1)
        theirs = outcome(BINARY[name], torch, operand(torch, *left), operand(torch, *right, 1))
        ours = outcome(BINARY[name], pa, a, b)
        bools = left[0] == right[0] == "bool"
        taken = TAKES_BOOLS if bools else TAKES_INTEGERS
        if theirs is None and (name in taken or (has_number and name in TAKES_NUMBERS)):
            continue
        if theirs is None and name == "masked_fill" and left[0] == "uint8" and right[1] == "0-d":
            continue  # a 0-d tensor of -0.5: the number of a tensor is converted, whatever it is
        if bools and name in REFUSES_BOOLS:
            assert ours is None, where
        elif theirs is None:
            assert ours is None, f"{where}: gives {ours}, PyTorch refuses"
            for each, made in ((a, left), (b, right)):
                assert made[1] == "number" or each.tolist() == operand(torch, *made, int(each is b)).tolist()
        else:
            assert_same(ours, theirs, where)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_operand_gives_pytorchs_dtype_shape_and_numbers(name: str, dtype: str) -> None:
    for shape in ("dims", "more dims", "0-d"):
        where = f"{name} of {dtype}, {shape}"
        theirs = outcome(UNARY[name], torch, operand(torch, dtype, shape))
        ours = outcome(UNARY[name], pa, operand(pa, dtype, shape))
        if theirs is None:
            taken = TAKES_BOOLS if dtype == "bool" else TAKES_INTEGERS
            assert ours is None or name in taken, f"{where}: gives {ours}, PyTorch refuses"
        elif dtype == "bool" and name in REFUSES_BOOLS:
            assert ours is None, where
        elif isinstance(theirs, list):
            assert ours is not None, where
            for mine, wanted in zip(ours, theirs, strict=True):
                assert_same(mine, wanted, where)
        elif name != "dropout":
            assert_same(ours, theirs, where)


EDGES = sorted(
    {s * (2**k + d) for s in (1, -1) for k in (24, 31, 53) for d in (-1, 0, 1)} | {2**63 - 1, -(2**63), 0, 1, -1, 3}
)
WITH_EDGES = [
    "+",
    "-",
    "*",
    "/",
    "**",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "maximum",
    "minimum",
    "clamp",
    "clamp between",
]


def edges(library: Any, dtype: str) -> Any:
    return library.tensor(EDGES).to(getattr(library, dtype))


@pytest.mark.parametrize("name", WITH_EDGES)
def test_integers_at_the_ends_of_floats_are_computed_as_pytorch_does(name: str) -> None:
    """Beside integers, and beside floats, which they become: the same numbers on both sides."""
    function, column = BINARY[name], (-1, 1)
    for dtype in ("int64", "float32", "float64"):
        for reverse in (False, True):
            ours, theirs = (
                [edges(t, "int64").reshape(column), edges(t, dtype)][:: -1 if reverse else 1] for t in (pa, torch)
            )
            with np.errstate(all="ignore"):
                assert_same(function(pa, *ours), function(torch, *theirs), f"{name} of int64 and {dtype}")
    for number in (2.0**24 + 1, 2.0**53, -0.5, 1e19, float("inf"), *EDGES):
        if name == "**" and (number < 0 or float(np.float32(number)) != number):
            continue  # refused of ints; of floats an exponent is one of float32 here
        if name in TAKES_NUMBERS:
            break
        ours, theirs = (function(t, edges(t, "int64"), number) for t in (pa, torch))
        assert_same(ours, theirs, f"{name} of int64 and {number}")


@pytest.mark.parametrize("left", OPERANDS, ids=str)
def test_the_dtype_of_a_result_is_known_beforehand_as_in_pytorch(left: tuple[str, str]) -> None:
    for right in OPERANDS:
        ours = pa.result_type(operand(pa, *left), operand(pa, *right))
        theirs = torch.result_type(operand(torch, *left), operand(torch, *right))
        assert ours.name == str(theirs).split(".")[-1], f"{left} and {right}"
        if (left[1], right[1]) != ("number", "number"):
            assert (operand(pa, *left) * operand(pa, *right)).dtype is ours or ours is pa.bool


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dtype_is_what_pytorchs_is(dtype: str) -> None:
    ours, theirs = getattr(pa, dtype), getattr(torch, dtype)
    for name in ("itemsize", "is_floating_point", "is_complex", "is_signed"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for other in DTYPES:
        wanted = str(torch.promote_types(theirs, getattr(torch, other))).split(".")[-1]
        assert pa.promote_types(ours, getattr(pa, other)).name == wanted
        assert pa.can_cast(ours, getattr(pa, other)) == torch.can_cast(theirs, getattr(torch, other))
    x, y = pa.ones(2, 3, dtype=ours), torch.ones(2, 3, dtype=theirs)
    for name in ("element_size", "is_floating_point", "is_signed", "is_complex", "type"):
        assert getattr(x, name)() == getattr(y, name)(), name
    assert (x.nbytes, x.itemsize) == (y.nbytes, y.itemsize)
    for info in ("finfo", "iinfo"):
        mine, known = outcome(getattr(pa, info), ours), outcome(getattr(torch, info), theirs)
        if info == "finfo":  # PyTorch's writes integers as rounded floats
            assert repr(mine) == repr(known)
        for name in ("bits", "max", "min", "eps", "tiny", "smallest_normal", "resolution", "dtype"):
            assert getattr(mine, name, None) == getattr(known, name, None), (info, name)


POSITIONS: dict[str, Callable[[Any, Any], Any]] = {
    "index": lambda t, i: t.arange(12.0).reshape(3, 4)[i],
    "index of columns": lambda t, i: t.arange(12.0).reshape(3, 4)[:, i],
    "index of both": lambda t, i: t.arange(12.0).reshape(3, 4)[i, i],
    "gather": lambda t, i: t.arange(12.0).gather(0, i),
    "index_select": lambda t, i: t.arange(12.0).index_select(0, i),
    "one_hot": lambda t, i: t.nn.functional.one_hot(i),
    "embedding": lambda t, i: t.nn.functional.embedding(i, t.arange(12.0).reshape(3, 4)),
    "cross_entropy": lambda t, i: t.nn.functional.cross_entropy(t.arange(12.0).reshape(3, 4) / 12, i),
    "cross_entropy summed": lambda t, i: t.nn.functional.cross_entropy(t.eye(3), i, reduction="sum"),
    "nll_loss": lambda t, i: t.nn.functional.nll_loss(t.arange(12.0).reshape(3, 4), i),
    "a list's item": lambda t, i: [10, 20, 30][i[0]],
}


@pytest.mark.parametrize("name", POSITIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_positions_and_classes_have_the_dtypes_that_pytorchs_have(name: str, dtype: str) -> None:
    theirs = outcome(POSITIONS[name], torch, torch.tensor([2, 0, 1]).to(getattr(torch, dtype)))
    ours = outcome(POSITIONS[name], pa, pa.tensor([2, 0, 1]).to(getattr(pa, dtype)))
    if theirs is None:
        assert ours is None
    else:
        assert_same(ours, theirs, name)


WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "a number": lambda t, x: x.__setitem__(0, 7),
    "a number that fits no byte": lambda t, x: x.__setitem__(0, 300),
    "a number that fits no int32": lambda t, x: x.fill_(2**31),
    "fill_": lambda t, x: x.fill_(-1),
    "fill_ with a float": lambda t, x: x.fill_(254.5),
    "a tensor of floats": lambda t, x: x.copy_(t.tensor([1.9, 2.1, 77.5])),
    "a tensor of large ints": lambda t, x: x.copy_(t.tensor([2**31, 2**32 + 5, -1])),
    "values at positions": lambda t, x: x.__setitem__(t.tensor([2, 0]), x[:2] * 9),
    "values at int32 positions": lambda t, x: x.__setitem__(t.tensor([2, 0], dtype=t.int32), x[:2] * 9),
    "values where a uint8 mask is": lambda t, x: x.__setitem__(t.tensor([1, 0, 1], dtype=t.uint8), 6),
    "add_ of int32": lambda t, x: x.add_(t.tensor([300, -1, 2**31 - 1], dtype=t.int32)),
    "mul_ of int64": lambda t, x: x.mul_(t.tensor([2**40 + 3, -7, 11])),
    "add_ of floats": lambda t, x: x.add_(1.5),
    "sub_": lambda t, x: x.sub_(200),
    "zero_": lambda t, x: x.zero_(),
    "clamp_": lambda t, x: x.clamp_(1, 100),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_what_is_written_is_converted_as_in_pytorch(name: str, dtype: str) -> None:
    ours, theirs = (t.tensor([1, 2, 3], dtype=getattr(t, dtype)) for t in (pa, torch))
    mine, wanted = outcome(lambda: [WRITES[name](pa, ours)]), outcome(lambda: [WRITES[name](torch, theirs)])
    if name == "a number that fits no byte" and dtype == "uint8":
        assert mine is None  # by NumPy's rules
    assert (mine is None) == (wanted is None)
    assert_same(ours, theirs, name)


CREATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "tensor": lambda t, d: t.tensor([[1, 2], [3, 4]], dtype=d),
    "tensor of floats": lambda t, d: t.tensor([1.9, 200.5], dtype=d),
    "tensor of what does not fit": lambda t, d: t.tensor([300, 2**31], dtype=d),
    "tensor of -1": lambda t, d: t.tensor(-1, dtype=d),
    "zeros": lambda t, d: t.zeros(2, 3, dtype=d),
    "ones": lambda t, d: t.ones(3, dtype=d),
    "full": lambda t, d: t.full((2,), 200, dtype=d),
    "full of what does not fit": lambda t, d: t.full((2,), 2**31, dtype=d),
    "arange": lambda t, d: t.arange(250, 260, dtype=d),
    "linspace": lambda t, d: t.linspace(0, 10, 4, dtype=d),
    "eye": lambda t, d: t.eye(2, 3, dtype=d),
    "zeros_like": lambda t, d: t.zeros_like(t.ones(2), dtype=d),
    "full_like": lambda t, d: t.full_like(t.ones(2, dtype=d), 7),
    "new_tensor": lambda t, d: t.ones(2, dtype=d).new_tensor([1, 2]),
    "new_zeros": lambda t, d: t.ones(2, dtype=d).new_zeros(3),
    "randint": lambda t, d: t.randint(7, 8, (3,), dtype=d),
    "randint of what does not fit": lambda t, d: t.randint(0, 2**33, (3,), dtype=d),
    "randperm": lambda t, d: t.randperm(1, dtype=d),
    "as_tensor": lambda t, d: t.as_tensor([1, 2], dtype=d),
    "as_tensor of an array": lambda t, d: t.as_tensor(np.array([1, 2], str(d).split(".")[-1])),
    "from_numpy": lambda t, d: t.from_numpy(np.array([1, 2], str(d).split(".")[-1])),
}


@pytest.mark.parametrize("name", CREATIONS)
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_what_is_made_with_a_dtype_is_pytorchs(name: str, dtype: str) -> None:
    theirs = outcome(CREATIONS[name], torch, getattr(torch, dtype))
    ours = outcome(CREATIONS[name], pa, getattr(pa, dtype))
    if theirs is None:
        assert ours is None
    else:
        assert_same(ours, theirs, name)


OF_INTEGERS: dict[str, Callable[[Any, Any], Any]] = {
    **{
        name: lambda t, a, name=name: getattr(t, name)(a)  # type: ignore[misc]
        for name in (
            "msort", "unique", "unique_consecutive", "nonzero", "argwhere", "diff", "diag", "trunc", "count_nonzero",
            "aminmax", "nansum", "median", "mode", "std_mean", "quantile", "tan", "log2", "erfc", "bitwise_not",
        )
    },
    **{
        name: lambda t, a, name=name: getattr(t, name)(a, 0)  # type: ignore[misc]
        for name in ("cumsum", "cumprod", "cummax", "cummin", "sort", "softmax", "roll", "unbind")
    },
    **{
        name: lambda t, a, name=name: getattr(t, name)(a, t.flip(a, (0,)))  # type: ignore[misc]
        for name in (
            "isin", "inner", "outer", "kron", "dot", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift",
            "bitwise_right_shift", "atan2", "isclose",
        )
    },
    "cumsum in its dtype": lambda t, a: t.cumsum(a, 0, dtype=a.dtype),
    "argsort": lambda t, a: t.argsort(a, stable=True),
    "topk": lambda t, a: t.topk(a, 2),
    "kthvalue": lambda t, a: t.kthvalue(a, 2),
    "counts": lambda t, a: t.unique(a, return_inverse=True, return_counts=True),
    "masked_select": lambda t, a: t.masked_select(a, a > 5),
    "searchsorted": lambda t, a: t.searchsorted(t.msort(a), a),
    "bucketize": lambda t, a: t.bucketize(a, t.msort(a)),
    "repeat_interleave": lambda t, a: t.repeat_interleave(a, 2),
    "addmm": lambda t, a: t.addmm(a.reshape(1, -1), a[:1].reshape(1, 1), a.reshape(1, -1)),
    "einsum": lambda t, a: t.einsum("i,j->ij", a, a),
    "tensordot": lambda t, a: t.tensordot(a, a, 1),
    "cross": lambda t, a: t.cross(a[:3], a[1:4], dim=0),
    "pad": lambda t, a: t.nn.functional.pad(a, (1, 2), value=7),
    "unfold": lambda t, a: a.unfold(0, 2, 1),
    "block_diag": lambda t, a: t.block_diag(a, a),
    "vstack": lambda t, a: t.vstack([a, a.float()]),
    "scatter": lambda t, a: a.scatter(0, t.tensor([1, 0]).int(), a[:2]),
    "scatter a number": lambda t, a: a.scatter(0, t.tensor([1, 0]), 7),
    "scatter_add": lambda t, a: a.scatter_add(0, t.tensor([1, 1, 1]), a[:3]),
    "scatter_reduce": lambda t, a: [
        a.scatter_reduce(0, t.tensor([1, 1, 0]), a[:3], how) for how in ("sum", "prod", "amax", "amin", "mean")
    ],
    "index_add": lambda t, a: a.index_add(0, t.tensor([0, 0]).int(), a[:2], alpha=3),
    "index_copy": lambda t, a: a.index_copy(0, t.tensor([0, 2]), a[:2]),
    "index_fill": lambda t, a: a.index_fill(0, t.tensor([0, 2]), 7),
    "index_fill with what does not fit": lambda t, a: a.index_fill(0, t.tensor([0, 2]), 2**40),
    "index_put": lambda t, a: a.index_put((t.tensor([0, 0]),), a[:2], accumulate=True),
    "take_along_dim": lambda t, a: t.take_along_dim(a, t.tensor([0, 2]), 0),
    "masked_scatter": lambda t, a: a.masked_scatter(a > 5, a),
}  # fmt: skip


def members(result: Any) -> list[Any]:
    return [each for member in result for each in members(member)] if isinstance(result, tuple | list) else [result]


@pytest.mark.parametrize("name", OF_INTEGERS)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_functions_of_integers_give_pytorchs(name: str, dtype: str) -> None:
    numbers = {"uint8": [200, 3, 255, 7], "int32": [-2147483647, 5, 40000, -3], "int64": [2**40, -5, 3, 7]}[dtype]
    ours = outcome(OF_INTEGERS[name], pa, pa.tensor(numbers, dtype=getattr(pa, dtype)))
    theirs = outcome(OF_INTEGERS[name], torch, torch.tensor(numbers, dtype=getattr(torch, dtype)))
    if theirs is None:
        assert ours is None
    else:
        for mine, wanted in zip(members(ours), members(theirs), strict=True):
            assert_same(mine, wanted, name)
