"""Integers are exact, at the ends of float32, int32, float64 and int64 too, in eager ops and in programs."""

import bisect
import functools
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import _ops
from pyautograd.nn import functional as F
from pyautograd.scalar import Value

INT64 = range(-(2**63), 2**63)


EDGES = [n for n in {sign * (2**k + d) for sign in (1, -1) for k in (24, 31, 53, 63) for d in (-1, 0, 1)} if n in INT64]
INTEGERS = sorted({*EDGES, *range(-3, 4)})
EXPONENTS = [-3, -2, -1, 0, 1, 2, 3, 7, 62, 63, 64, 2**24 + 1, 2**53 + 1, 2**63 - 1]


def wrapped(number: int) -> int:
    """What int64 keeps of a number."""
    return (number + 2**63) % 2**64 - 2**63


def power(a: int, n: int) -> int:
    if n < 0:
        return a ** (n % 2 or 2) if abs(a) == 1 else 0
    return pow(a, n, 2**64)


def not_zero(b: Any) -> Any:
    return b + (b == 0)


Function = Callable[..., Any]
ONE: dict[str, tuple[Function, Function]] = {
    "neg": (lambda a: -a, lambda a: -a),
    "abs": (abs, abs),
    "sign": (lambda a: a.sign(), lambda a: (a > 0) - (a < 0)),
    "square": (lambda a: a**2, lambda a: a**2),
    "floor": (lambda a: a.floor(), lambda a: a),
    "ceil": (lambda a: a.ceil(), lambda a: a),
    "round": (lambda a: a.round(), lambda a: a),
    "trunc": (lambda a: a.trunc(), lambda a: a),
    "relu": (lambda a: a.relu(), lambda a: max(a, 0)),
    "bitwise_not": (lambda a: ~a, lambda a: ~a),
}
TWO: dict[str, tuple[Function, Function]] = {
    "add": (operator.add, operator.add),
    "sub": (operator.sub, operator.sub),
    "mul": (operator.mul, operator.mul),
    "maximum": (pa.maximum, max),
    "minimum": (pa.minimum, min),
    "where": (lambda a, b: pa.where(a > b, a, b), max),
    "bitwise_and": (operator.and_, operator.and_),
    "bitwise_or": (operator.or_, operator.or_),
    "bitwise_xor": (operator.xor, operator.xor),
    "bitwise_left_shift": (operator.lshift, lambda a, n: a << n if n in range(64) else 0),
    "bitwise_right_shift": (operator.rshift, lambda a, n: a >> (n if n in range(64) else 63)),
    "floor_divide": (lambda a, b: a // not_zero(b), lambda a, b: a // not_zero(b)),
    "remainder": (lambda a, b: a % not_zero(b), lambda a, b: a % not_zero(b)),
    "fmod": (lambda a, b: pa.fmod(a, not_zero(b)), lambda a, b: abs(a) % abs(not_zero(b)) * (-1 if a < 0 else 1)),
    "gcd": (pa.gcd, math.gcd),
    **{name: (getattr(operator, name), getattr(operator, name)) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
}


def dot(a: list[int], b: list[int]) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def product(numbers: list[int]) -> int:
    return functools.reduce(operator.mul, numbers, 1)


def with_last(a: pa.Tensor, b: pa.Tensor) -> pa.Tensor:
    changed = a.clone()
    changed[pa.tensor([-1])] = b[-1:]
    return changed


SHUFFLED = list(range(5, len(INTEGERS))) + list(range(5))


def unshuffled(numbers: list[int]) -> list[int]:
    return [numbers[SHUFFLED.index(i)] for i in range(len(numbers))]


WHOLE: dict[str, tuple[Function, Function]] = {  # of all integers and the same in another order
    "matmul": (lambda a, b: a @ b, dot),
    "linear": (lambda a, b: F.linear(a, b.reshape(1, -1), a[:1]), lambda a, b: [dot(a, b) + a[0]]),
    "sum": (lambda a, b: (a * b).sum(), dot),
    "prod": (
        lambda a, b: (a + 2 * b + 1).prod(),
        lambda a, b: product([x + 2 * y + 1 for x, y in zip(a, b, strict=True)]),
    ),
    "max": (lambda a, b: pa.stack([a, b]).amax(0), lambda a, b: list(map(max, a, b))),
    "min": (lambda a, b: pa.stack([a, b]).amin(0), lambda a, b: list(map(min, a, b))),
    "argmax": (lambda a, b: b.argmax(), lambda a, b: b.index(max(b))),
    "argmin": (lambda a, b: b.argmin(), lambda a, b: b.index(min(b))),
    "cumsum": (lambda a, b: b.cumsum(0), lambda a, b: itertools.accumulate(b)),
    "argsort": (lambda a, b: b.argsort(), lambda a, b: sorted(range(len(b)), key=b.__getitem__)),
    "argcummax": (lambda a, b: b.cummax(0).values, lambda a, b: itertools.accumulate(b, max)),
    "searchsorted": (
        lambda a, b: pa.searchsorted(a.msort(), b),
        lambda a, b: [bisect.bisect_left(sorted(a), x) for x in b],
    ),
    "linear_index": (lambda a, b: b.reshape(1, -1).msort()[0], lambda a, b: b),
    "view": (lambda a, b: b.reshape(1, -1)[0, ::2], lambda a, b: b[::2]),
    "cast": (lambda a, b: b.clone(), lambda a, b: b),
    "cat": (lambda a, b: pa.cat([b, pa.tensor([True])]), lambda a, b: [*b, 1]),
    "index": (lambda a, b: a[pa.tensor(SHUFFLED)], lambda a, b: b),
    "put": (lambda a, b: with_last(a, b), lambda a, b: [*a[:-1], b[-1]]),
    "index_add": (
        lambda a, b: a.scatter_reduce(0, pa.tensor(SHUFFLED), a, "prod") + a.index_add(0, pa.tensor([0, 0]), b[:2]),
        lambda a, b: [x * y + x + (b[0] + b[1]) * (i == 0) for i, (x, y) in enumerate(zip(a, unshuffled(a)))],
    ),
    "check": (lambda a, b: (F.one_hot(a * 0 + 2, 3) * b[:1]).sum(1), lambda a, b: [b[0]] * len(a)),
    "clamp": (
        lambda a, b: a.clamp(-(2**53) - 1, 2**53 + 1),
        lambda a, b: [min(max(x, -(2**53) - 1), 2**53 + 1) for x in a],
    ),
}
OF_FLOATS = {  # or, as unview, of gradients
    "mean", "var", "std", "norm", "softmax", "log_softmax", "logsumexp", "cross_entropy", "dropout_mask", "neuron",
    "local_grads", "custom", "leaf", "program", "program_result", "unview", "written",
}  # fmt: skip


def test_every_op_that_takes_integers_is_tried_here() -> None:
    integers = {row.name for row in _ops.table.values() if row.lowest < pa.float32.code} - OF_FLOATS
    assert integers == {*ONE, *TWO, *WHOLE, "pow"} - {"clamp"}


def same_in_steps(function: Function, *operands: pa.Tensor) -> list[Any]:
    """The result as lists, the same from the function called and compiled."""
    result = function(*operands)
    step = pa.compile(function)
    for _ in range(3):
        again = step(*operands)
        assert again.dtype is result.dtype and again.tolist() == result.tolist()
    assert len(step.programs) == 1
    return result.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ONE)
def test_one_integer_is_exact(name: str, isa: str) -> None:
    ours, theirs = ONE[name]
    assert same_in_steps(ours, pa.tensor(INTEGERS)) == [wrapped(theirs(a)) for a in INTEGERS]


@pytest.mark.parametrize("name", TWO)
def test_two_integers_are_exact(name: str, isa: str) -> None:
    ours, theirs = TWO[name]
    wanted = [[wrapped(theirs(a, b)) for b in INTEGERS] for a in INTEGERS]
    rows, columns = pa.tensor(INTEGERS), pa.tensor(INTEGERS).reshape(-1, 1)
    assert same_in_steps(ours, columns, rows) == wanted
    assert (
        same_in_steps(ours, columns.expand(-1, len(INTEGERS)).clone(), rows.expand(len(INTEGERS), -1).clone()) == wanted
    )
    assert [ours(pa.tensor(a), rows).tolist() for a in INTEGERS] == wanted
    if name != "where" and name not in ("maximum", "minimum"):
        assert [ours(a, rows).tolist() for a in INTEGERS] == wanted
        assert [ours(rows, b).tolist() for b in INTEGERS] == [list(each) for each in zip(*wanted, strict=True)]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_tensors_of_integers_are_exact(name: str, isa: str) -> None:
    ours, theirs = WHOLE[name]
    shuffled = [INTEGERS[i] for i in SHUFFLED]
    wanted = theirs(INTEGERS, shuffled)
    result = same_in_steps(ours, pa.tensor(INTEGERS), pa.tensor(shuffled))
    assert result == (wrapped(wanted) if isinstance(wanted, int) else list(map(wrapped, wanted)))


def test_powers_of_integers_are_exact(isa: str) -> None:
    wanted = [[wrapped(power(a, n)) for n in EXPONENTS] for a in INTEGERS]
    bases, exponents = pa.tensor(INTEGERS), pa.tensor(EXPONENTS)
    assert same_in_steps(operator.pow, bases.reshape(-1, 1), exponents) == wanted
    assert [(a**exponents).tolist() for a in INTEGERS] == wanted
    for column, n in enumerate(EXPONENTS):
        if n >= 0:
            assert same_in_steps(lambda a, n=n: a**n, bases) == [row[column] for row in wanted]
        else:
            with pytest.raises(ValueError, match=rf"pow: int64 of shape \(\d+,\) to the power {n} is no integer"):
                bases**n
    assert (bases**2.0).dtype is (bases**-1.0).dtype is pa.float32


def test_integers_change_in_place_exactly() -> None:
    x = pa.tensor(INTEGERS)
    x += 2**53 + 1
    x *= 3
    x -= pa.tensor(INTEGERS)
    assert x.tolist() == [wrapped((n + 2**53 + 1) * 3 - n) for n in INTEGERS]


def test_integers_are_read_and_written_exactly() -> None:
    x = pa.tensor(INTEGERS)
    assert x.tolist() == [each.item() for each in x] == [int(each) for each in x] == INTEGERS
    assert all(str(n) in repr(x) for n in INTEGERS)
    for n in INTEGERS:
        assert pa.full((2,), n).tolist() == pa.zeros(2, dtype=pa.int64).fill_(n).tolist() == [n, n]
        assert x[x == n].tolist() == [n] and n in x
        y = pa.zeros(2, dtype=pa.int64)
        y[1] = n
        assert y.tolist() == [0, n]
        assert x.masked_fill(x == 0, n).sum().item() == wrapped(sum(INTEGERS) + n)
    assert pa.arange(2**53, 2**53 + 3).tolist() == [2**53, 2**53 + 1, 2**53 + 2]


def test_sums_with_alpha_stay_exact() -> None:
    x, one = pa.tensor([2**53 + 1]), pa.tensor([1])
    assert pa.add(x, one, alpha=3).tolist() == [2**53 + 4]
    assert x.clone().sub_(one, alpha=3).tolist() == [2**53 - 2]
    with pytest.raises(TypeError, match=r"add: alpha=0\.5 is a float, and the operands are not"):
        pa.add(x, one, alpha=0.5)


def test_integers_become_the_nearest_floats() -> None:
    x = pa.tensor(INTEGERS)
    assert x.double().tolist() == [float(n) for n in INTEGERS]
    assert x.float().tolist() == np.array(INTEGERS).astype(np.float32).tolist()
    exact = [float(n) for n in INTEGERS if float(n) == n and n < 2**63 - 1024]
    assert pa.tensor(exact, dtype=pa.float64).long().tolist() == [int(n) for n in exact]


def test_an_int_beyond_int64_is_refused() -> None:
    x = pa.tensor([1])
    for function in (operator.add, operator.mul, operator.eq, operator.lt, pa.maximum):
        for number in (2**63, -(2**63) - 1, 10**400):
            with pytest.raises(OverflowError, match="an int that does not fit into int64"):
                function(x, number)
    assert pa.full((1,), 2**70, dtype=pa.float64).item() == 2**70
    assert (Value(1.0) * 2**70).data == float(2**70)
    assert (Value(2.0) ** 2**63).data == float("inf")


@pytest.mark.parametrize("number", [2.0**63, -1e19, float("inf"), float("nan")], ids=str)
def test_a_number_beyond_int64_is_not_written(number: float) -> None:
    x = pa.tensor([1, 2])
    for name, write in (
        ("full", lambda: pa.full((1,), number, dtype=pa.int64)),
        ("fill_", lambda: x.fill_(number)),
        ("masked_fill", lambda: x.masked_fill(x == 1, number)),
    ):
        with pytest.raises(ValueError, match=f"{name}: .* does not fit into a tensor of int64"):
            write()
    assert x.tolist() == [1, 2]


def test_floats_written_into_integers_lose_their_fraction_the_same_way_everywhere() -> None:
    floats = pa.tensor([1.5, -1.5, float("nan"), 1e30, -float("inf")])
    wanted = [1, -1, 0, 2**63 - 1, -(2**63)]
    x, y = pa.zeros(5, dtype=pa.int64), pa.zeros(5, dtype=pa.int64)
    x[:] = floats
    assert x.tolist() == y.copy_(floats).tolist() == floats.long().tolist() == wanted
    with pytest.raises(OverflowError, match=r"setitem: into shape \(5,\)"):
        x[0] = 2**63
    assert x.tolist() == wanted


def test_steps_over_values_keep_integers_exact() -> None:
    v = Value(2.0)

    def step(k: pa.Tensor, mask: pa.Tensor) -> tuple[Any, ...]:
        v.grad = 0.0
        loss = (v * 3 - 1) ** 2
        loss.backward()
        return loss.data, k * 3 + 1, k.sum(), k == k[0], k > 2, (mask + mask).sum(), v * k[1]

    k, mask = pa.tensor([2**53 + 1, 2**53, 3]), pa.tensor([True, True, False])
    wanted = step(k, mask)
    compiled = pa.compile(step)
    for _ in range(3):
        got = compiled(k, mask)
        assert got[0] == wanted[0] and got[6].data == wanted[6].data
        assert [each.tolist() for each in got[1:6]] == [each.tolist() for each in wanted[1:6]]
    assert compiled.programs


# ---- int32 and uint8, which are computed in int64 and narrowed ----

NARROW = {
    "int32": [n for n in INTEGERS if n in range(-(2**31), 2**31)],
    "uint8": [0, 1, 2, 3, 7, 16, 100, 127, 128, 129, 200, 253, 254, 255],
}


def layouts(numbers: list[int], dtype: str) -> list[pa.Tensor]:
    """All pairs as tensors that broadcast, and over several blocks, strided and not."""
    column = pa.tensor(numbers, dtype=dtype).reshape(-1, 1)
    many, reverse = (pa.tensor(each * (3000 // len(numbers)), dtype=dtype) for each in (numbers, numbers[::-1]))
    return [column, column.T, many, reverse, pa.stack([many, many], 1)[:, 0], many[:0], many[1]]


def narrowed(result: pa.Tensor, as_int64: pa.Tensor) -> None:
    np.testing.assert_array_equal(result.numpy(), as_int64.numpy().astype(result.numpy().dtype))


def same_as_int64(function: Function, *operands: pa.Tensor) -> pa.Tensor:
    """A result, called and compiled, is that of int64 with the bits left out that do not fit."""
    wanted, result, step = function(*(each.long() for each in operands)), function(*operands), pa.compile(function)
    for found in (result, step(*operands), step(*operands)):
        assert found.dtype is result.dtype
        narrowed(found, wanted)
    return result


@pytest.mark.parametrize("name", [*ONE, "pow"])
@pytest.mark.parametrize("dtype", NARROW)
def test_one_narrow_integer_wraps_around(name: str, dtype: str, isa: str) -> None:
    function = ONE[name][0] if name in ONE else lambda a: a**3
    for x in layouts(NARROW[dtype], dtype):
        assert same_as_int64(function, x).dtype.name == dtype


@pytest.mark.parametrize("name", [*TWO, "pow"])
@pytest.mark.parametrize("dtype", NARROW)
def test_two_narrow_integers_wrap_around(name: str, dtype: str, isa: str) -> None:
    function = TWO[name][0] if name in TWO else operator.pow
    column, row, many, reverse, strided, empty, single = layouts(NARROW[dtype], dtype)
    pairs = [
        (column, row), (row, column), (many, reverse), (strided, many), (many, single), (single, strided),
        (empty, single), (single, single),
    ]  # fmt: skip
    for a, b in pairs:
        kept = same_as_int64(function, a, b).dtype
        assert kept is (pa.bool if name in ("eq", "ne", "lt", "le", "gt", "ge") else a.dtype)


WHOLE_NARROW: dict[str, Function] = {
    **{name: functions[0] for name, functions in WHOLE.items() if name != "check"},
    "sum": lambda a, b: b.sum(),  # in int64
    "sum along": lambda a, b: pa.stack([a, b], 1).sum(0),
    "prod": lambda a, b: b.prod(),
    "clamp": lambda a, b: b.clamp(3, 100),
    "all and any": lambda a, b: pa.stack([b.bool().any(), b.bool().all()]),
}


@pytest.mark.parametrize("name", WHOLE_NARROW)
@pytest.mark.parametrize("dtype", NARROW)
def test_whole_tensors_of_narrow_integers_wrap_around(name: str, dtype: str, isa: str) -> None:
    numbers = [NARROW[dtype][i % len(NARROW[dtype])] for i in range(len(INTEGERS))]
    shuffled = [numbers[i] for i in SHUFFLED]
    same_as_int64(WHOLE_NARROW[name], pa.tensor(numbers, dtype=dtype), pa.tensor(shuffled, dtype=dtype))


@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_integers_of_two_dtypes_meet_in_the_wider(dtype: str) -> None:
    bytes_ = pa.tensor(NARROW["uint8"], dtype="uint8").reshape(-1, 1)
    others = pa.tensor(NARROW[dtype], dtype=dtype)
    assert same_as_int64(lambda a, b: a * b - a, bytes_, others).dtype.name == dtype
    assert (bytes_ + others.long()).dtype is pa.int64
    assert (bytes_ * 0.5).dtype is (others / 2).dtype is pa.float32
    np.testing.assert_array_equal((bytes_ * 0.5).numpy(), bytes_.numpy() * np.float32(0.5))


def test_a_number_beside_narrow_integers_is_narrowed_first() -> None:
    x = pa.tensor([1, 44, 200], dtype=pa.uint8)
    for function in (operator.add, operator.sub, operator.mul, operator.eq, operator.lt, operator.and_):
        wanted = function(x, pa.tensor(44, dtype=pa.uint8)).tolist()
        assert function(x, 300).tolist() == function(x, pa.tensor(300)).tolist() == wanted
        assert pa.compile(lambda a, f=function: f(a, 300))(x).tolist() == wanted
    for divided in (lambda: x // 256, lambda: x % pa.tensor(512), lambda: pa.compile(lambda a: a // 256)(x)):
        with pytest.raises(RuntimeError, match="divided by zero"):
            divided()
    for refused in (lambda: x.clamp(max=300), lambda: pa.where(x > 3, x, -300), lambda: pa.maximum(x, 256)):
        with pytest.raises(ValueError, match="does not fit into a tensor of uint8"):
            refused()


def test_a_step_narrows_between_its_ops() -> None:
    def step(a: pa.Tensor, b: pa.Tensor, x: pa.Tensor) -> tuple[pa.Tensor, ...]:
        wrapped = (a * b + 100) * a - b  # each wraps around before the next sees it
        return wrapped, wrapped.abs() > 50, wrapped / 3, wrapped * x, (wrapped.sum() + 1).item(), wrapped.float().relu()

    for dtype in NARROW:
        a = pa.tensor(NARROW[dtype] * 200, dtype=dtype)
        b, x = pa.tensor(a.tolist()[::-1], dtype=dtype), pa.linspace(0.0, 1.0, a.numel())
        compiled = pa.compile(step)
        for _ in range(3):
            for found, wanted in zip(compiled(a, b, x), step(a, b, x), strict=True):
                if not isinstance(wanted, pa.Tensor):
                    assert type(found) is int and found == wanted
                    continue
                assert found.dtype is wanted.dtype
                np.testing.assert_array_equal(found.numpy(), wanted.numpy())
        assert len(compiled.programs) == 1


@pytest.mark.parametrize("dtype", NARROW)
def test_gradients_flow_past_narrow_integers(dtype: str) -> None:
    factors = pa.tensor([3, 5, 200], dtype=dtype)
    x = pa.tensor([[0.5], [2.0]], dtype=pa.float64, requires_grad=True)
    (x * factors + pa.where(factors > 4, x, factors)).sum().backward()
    assert x.grad.tolist() == [[210.0], [210.0]]


@pytest.mark.parametrize(("dtype", "low", "high"), [("int32", -(2**31), 2**31 - 1), ("uint8", 0, 255)])
def test_numbers_that_do_not_fit_are_not_written(dtype: str, low: int, high: int) -> None:
    x = pa.tensor([1, 2], dtype=dtype)
    for number in (high + 1, low - 300, 2**70, float("nan"), float(high) + 0.5, -float("inf")):
        for write in (x.fill_, lambda n: pa.full((1,), n, dtype=dtype), lambda n: x.masked_fill(x == 1, n)):
            with pytest.raises(ValueError, match=f"does not fit into a tensor of {dtype}"):
                write(number)
    assert x.tolist() == [1, 2]
    assert x.fill_(high).tolist() == [high] * 2 and x.fill_(low).tolist() == [low] * 2


def test_floats_become_narrow_integers_without_their_fraction() -> None:
    x = pa.tensor([1.9, -1.9, 255.9, 256.0, 3e9, -3e9, float("nan")], dtype=pa.float64)
    assert x.int().tolist() == x.float().int().tolist()[:4] + [2**31 - 1, -(2**31), 0]
    assert x.byte().tolist() == [1, 255, 255, 0, 3_000_000_000 % 256, -3_000_000_000 % 256, 0]
    assert pa.tensor([2**31, 2**32 + 5, -1]).int().tolist() == [-(2**31), 5, -1]
    assert pa.tensor([2**31, 2**32 + 5, -1]).byte().tolist() == [0, 5, 255]
    assert pa.tensor([0, 1, 256]).int().bool().tolist() == [False, True, True]
