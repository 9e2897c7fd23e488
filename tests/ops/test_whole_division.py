"""`//`, `%`, `fmod` and shifts: Python's numbers, and refused where a divisor is zero or a dtype has none of them."""

import operator

import numpy as np
import pytest

import pyautograd as pa

NUMBERS = [7, -7, 5, -5, 1, -1, 2**62, -(2**62), 3]
PAIRS = [(a, b) for a in NUMBERS for b in NUMBERS]


@pytest.mark.parametrize("operation", [operator.floordiv, operator.mod, divmod])
def test_integers_are_divided_as_pythons(operation) -> None:
    a, b = (pa.tensor(side) for side in zip(*PAIRS, strict=True))
    results = operation(a, b)
    expected = [operation(*pair) for pair in PAIRS]
    if operation is divmod:
        assert list(zip(*(each.tolist() for each in results), strict=True)) == expected
    else:
        assert results.tolist() == expected


def test_a_number_may_stand_on_either_side() -> None:
    a = pa.tensor([5, -7])
    assert (a // 2).tolist() == [2, -4] and (7 // a).tolist() == [1, -1]
    assert (a % 3).tolist() == [2, 2] and (7 % a).tolist() == [2, 0]
    assert (a << 2).tolist() == [20, -28] and (2 << a.abs()).tolist() == [64, 256]
    assert (a >> 1).tolist() == [2, -4]
    assert (pa.tensor([5.5, -7.5]) // 2).tolist() == [2.0, -4.0]
    assert (pa.tensor([5.5, -7.5]) % 2).tolist() == [1.5, 0.5]


def test_in_place_forms_keep_the_tensor() -> None:
    a = pa.tensor([17, -17])
    b = a
    a //= 2
    a %= 5
    a <<= 3
    a >>= 1
    assert a is b and a.tolist() == [12, 4]


@pytest.mark.parametrize("dtype", [pa.uint8, pa.int32, pa.int64])
@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_an_integer_is_not_divided_by_zero(name, dtype) -> None:
    a, b = pa.tensor([1, 2], dtype=dtype), pa.tensor([1, 0], dtype=dtype)
    with pytest.raises(RuntimeError, match=rf"{name}: integers of shape \(2,\) are divided by zero"):
        getattr(pa, name)(a, b)
    with pytest.raises(RuntimeError, match="divided by zero"):
        getattr(pa, name)(a, 0)
    assert getattr(pa, name)(a[:0], 0).shape == (0,)


def test_a_step_divides_no_integer_by_zero_either() -> None:
    step = pa.compile(lambda a, b: (a // b).sum())
    a = pa.tensor([4, 9])
    for i in range(3):
        assert step(a, a - i).item() == (a // (a - i)).sum().item()
    with pytest.raises(RuntimeError, match="divided by zero"):
        step(a, pa.tensor([1, 0]))


def test_the_smallest_integer_by_minus_1_wraps_around() -> None:
    smallest = pa.tensor([np.iinfo(np.int64).min])
    assert (smallest // -1).tolist() == smallest.tolist()
    assert (smallest % -1).tolist() == [0]


def test_floats_have_infinities_and_nans() -> None:
    x = pa.tensor([1.0, -1.0, 0.0])
    assert (x // 0).tolist()[:2] == [float("inf"), float("-inf")]
    assert np.isnan((x % 0).numpy()).all()


def test_what_has_no_whole_quotient_or_shift_is_refused() -> None:
    t = pa.tensor([True, False])
    for name in ("floor_divide", "remainder", "fmod", "bitwise_left_shift", "gcd"):
        with pytest.raises(TypeError, match=f"{name}: takes no bool"):
            getattr(pa, name)(t, t)
    with pytest.raises(TypeError, match="bitwise_left_shift: takes"):
        pa.ones(2) << 1
    with pytest.raises(ValueError, match="rounding_mode"):
        pa.div(pa.ones(2), 2, rounding_mode="up")
    with pytest.raises(ValueError, match="polygamma: n must not be negative"):
        pa.polygamma(-1, pa.ones(2))
