"""Integers are exact, at the ends of float32, int32, float64 and int64 too, in eager ops and in programs."""

import bisect
import functools
import itertools
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


Function = Callable[..., Any]
ONE: dict[str, tuple[Function, Function]] = {
    "neg": (lambda a: -a, lambda a: -a),
    "abs": (abs, abs),
    "sign": (lambda a: a.sign(), lambda a: (a > 0) - (a < 0)),
    "square": (lambda a: a**2, lambda a: a**2),
    "floor": (lambda a: a.floor(), lambda a: a),
    "ceil": (lambda a: a.ceil(), lambda a: a),
    "round": (lambda a: a.round(), lambda a: a),
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
OF_FLOATS = {
    "mean", "var", "std", "norm", "softmax", "log_softmax", "logsumexp", "cross_entropy", "dropout", "neuron",
    "local_grads", "custom", "leaf", "program", "program_result",
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
