"""A compiled step, above all one over Values, has zeros of the plain call's signs, and its infinities."""

import math
import random

import pytest

import pyautograd as pa
from pyautograd import Value, _ops

NUMBERS = [0.0, -0.0, 1.0, -1.0, 2.5, -1e300, math.inf, -math.inf]
ROWS = [row for row in _ops.table.values() if row.family == "elementwise" and row.parameters == 0]
FORMULAS = {
    "x + 0": lambda x, y: 1 / (x + 0) + 1 / (0 + y),
    "x + -0": lambda x, y: (x + -0.0, -0.0 + y),
    "x - 0": lambda x, y: (x - 0, x - -0.0, 0 - y, -0.0 - y),
    "x * 1": lambda x, y: (x * 1, y * -1, y * 0, x / 1, (-x).neg()),
    "a sum": lambda x, y: (sum([x]), sum([x, y]), sum([x * y, x * 1.0]), x * y + 0),
    "a sum of a tensor": lambda x, y: ((pa.zeros(2).double() * x).sum(), (pa.zeros(2).double() * y).mean()),
    "powers": lambda x, y: [x**p for p in (0.5, -0.5, 1, 1.5, 2, 3, -1, -2, 0)],
    "a root of a tensor": lambda x, y: (pa.ones(2).double() * x) ** 0.5 * y,
    "many roots": lambda x, y: [(x * k) ** 0.5 for k in range(1, 20)],
    "many ReLUs": lambda x, y: [(x * k).relu() for k in range(20)],
    "a host call": lambda x, y: (pa.host_call(lambda: None), x + 0, sum([x, y]), -(x * y)),
}


def same_signs(a, b):
    """Numbers may differ in their last digits."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return (a == b or math.isclose(a, b, rel_tol=1e-9)) and math.copysign(1, a) == math.copysign(1, b)


def numbers_of(result):
    for each in result if isinstance(result, (list, tuple)) else [result]:
        if isinstance(each, Value):
            yield from (each.data, each.grad)
        elif each is not None:
            yield from each.reshape(-1).tolist()


def compare(f, count=2, numbers=NUMBERS):
    step = pa.compile(f)
    for _ in range(3):
        for x in numbers:
            for y in numbers if count == 2 else [0.0]:
                plain, compiled = [Value(x), Value(y)], [Value(x), Value(y)]
                expected = [*numbers_of(f(*plain[:count])), *(each.grad for each in plain)]
                found = [*numbers_of(step(*compiled[:count])), *(each.grad for each in compiled)]
                assert all(map(same_signs, found, expected)), (x, y, found, expected)
    assert len(step.programs) == 1


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_keep_the_signs_of_zeros(name):
    compare(FORMULAS[name])


@pytest.mark.parametrize("row", [row for row in ROWS if row.operands < 3], ids=lambda row: row.name)
def test_ops_keep_the_signs_of_zeros(row):
    def f(*operands):
        out = getattr(operands[0], row.name)(*operands[1:])
        out.backward()
        return out

    compare(f, row.operands)


@pytest.mark.parametrize("clear", [False, True])
def test_gradients_of_leaves_begin_at_zero(clear):
    def f(x, y):
        if clear:
            x.grad = y.grad = 0.0
        w = Value(0.0)
        h = -(x * y)
        loss = h * x - w * y
        loss.backward()
        again = -(x * y) * y
        again.backward()
        return loss, again, h, w

    compare(f, numbers=NUMBERS[:4])


@pytest.mark.parametrize("seed", range(10))
def test_ops_in_no_regular_order_keep_the_signs_of_zeros(seed):
    """Which are run by one formula."""

    def f(x, y):
        draw, nodes = random.Random(seed), [x, y]
        for _ in range(40):
            a, b = draw.choice(nodes[-6:]), draw.choice(nodes)
            ops = (a + b, a * b, a.relu(), -a, a - b, a * b + a, a + 0, a * 1)
            nodes.append(draw.choice(ops))
        nodes[-1].backward()
        return nodes

    compare(f, numbers=NUMBERS[:4])


@pytest.mark.parametrize("which", range(5))
def test_a_gradient_of_a_result_keeps_its_sign_where_others_get_none(which):
    w, x = pa.ones(3, requires_grad=True), pa.ones(3)

    def several(x):
        h = w * x
        a = h.tanh()
        return a * 2, a.exp(), h.reshape(3, 1).sum(1) * 3, h.relu() + 1, (h * x).clamp(-1, 1)

    step = pa.compile(several)
    for _ in range(3):
        w.grad = None
        step(x)[which].backward(pa.tensor([-0.0, 0.0, -0.0]))
    assert [math.copysign(1, number) for number in w.grad.tolist()] == [-1, 1, -1]
