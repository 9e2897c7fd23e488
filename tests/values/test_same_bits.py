"""`scalar` and `reference` compute the same bits as each other, and micrograd's numbers."""

from __future__ import annotations

import math
import random
import struct

import pytest
from micrograd_demo import PUBLISHED, train

from pyautograd import _ops, reference, scalar


def bits(x: float) -> bytes:
    return b"nan" if math.isnan(x) else struct.pack("d", x)


NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-9, 30.0, -40.0, 1e3, -1e3, 1e300, math.inf, -math.inf, math.nan]
ROWS = [row for row in _ops.table.values() if row.family == "elementwise" and row.parameters == 0]
UNARY = [row.name for row in ROWS if row.operands == 1 and row.name != "lgamma"]  # Python's own is not libm's
BINARY = [row.name for row in ROWS if row.operands == 2]
WITH_NUMBERS = {
    "power 2": lambda a: a**2,
    "power 3": lambda a: a**3,
    "power 0": lambda a: a**0,
    "power -1": lambda a: a**-1,
    "power 0.5": lambda a: a**0.5,
    "power -2.5": lambda a: a**-2.5,
    "leaky_relu": lambda a: a.leaky_relu(0.3),
    "elu": lambda a: a.elu(0.7),
    "softplus": lambda a: a.softplus(2.0, 10.0),
    "clamp": lambda a: a.clamp(-1.0, 2.0),
    "clamp below": lambda a: a.clamp(min=0.0),
}


def value_and_gradients(engine, f, numbers):
    operands = [engine.Value(x) for x in numbers]
    out = f(*operands)
    out.backward()
    local_gradients = [g + 0.0 for g in out._local_gradients()]  # no -0.0
    return [bits(x) for x in (out.data, *(v.grad for v in operands), *local_gradients)]


@pytest.mark.parametrize("name", UNARY)
def test_ops_of_one_operand_are_the_same_bits(name):
    def f(a):
        return getattr(a, name)()

    for x in NUMBERS:
        assert value_and_gradients(scalar, f, [x]) == value_and_gradients(reference, f, [x]), x


@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_ops_with_parameters_are_the_same_bits(name):
    for x in NUMBERS:
        f = WITH_NUMBERS[name]
        assert value_and_gradients(scalar, f, [x]) == value_and_gradients(reference, f, [x]), x


@pytest.mark.parametrize("name", BINARY)
def test_ops_of_two_operands_are_the_same_bits(name):
    def f(a, b):
        return getattr(a, name)(b)

    for x in NUMBERS:
        for y in NUMBERS:
            assert value_and_gradients(scalar, f, [x, y]) == value_and_gradients(reference, f, [x, y]), (x, y)


def random_program(engine, seed):
    """A graph with much sharing, from the ops that keep numbers tame: all of its nodes, differentiated twice."""
    draw = random.Random(seed)
    nodes = [engine.Value(draw.uniform(-2, 2)) for _ in range(5)]
    for _ in range(60):
        a, b = draw.choice(nodes), draw.choice(nodes[-8:])
        kind = draw.randrange(8)
        if kind == 0:
            node = a + b
        elif kind == 1:
            node = (a * b).tanh()
        elif kind == 2:
            node = a - b * 0.5
        elif kind == 3:
            node = a / (b * b + 1.5)
        elif kind == 4:
            node = a.maximum(b)
        elif kind == 5:
            node = (a.exp() + 1).log()
        elif kind == 6:
            node = a.sigmoid() ** draw.choice([2, 0.5, 3])
        else:
            node = (1 - a).relu() + b.sin()
        nodes.append(node)
    total = sum(nodes)
    total.backward()
    (total * 0.5).backward()
    return nodes


@pytest.mark.parametrize("seed", range(20))
def test_whole_graphs_are_the_same_bits(seed):
    ours, oracle = random_program(scalar, seed), random_program(reference, seed)
    for a, b in zip(ours, oracle, strict=True):
        assert (bits(a.data), bits(a.grad), a._op) == (bits(b.data), bits(b.grad), b._op)


def test_nets_are_the_same_bits():
    histories, models = zip(*(train(engine, 4) for engine in (scalar, reference)), strict=True)
    assert histories[0] == histories[1]
    ours, oracle = (m.parameters() for m in models)
    assert [bits(p.data) for p in ours] == [bits(p.data) for p in oracle]
    assert [bits(p.grad) for p in ours] == [bits(p.grad) for p in oracle]


def test_the_demo_gives_the_published_losses_in_the_same_bits_each_time():
    history, _ = train(scalar, 100)
    assert history[0][0] == PUBLISHED[0]
    for step, loss in PUBLISHED.items():
        assert history[step][0] == pytest.approx(loss, abs=5e-11)
    assert history[99][1] == 1.0
    assert train(scalar, 100)[0] == history


def test_a_net_of_micrograd_has_the_same_loss_and_gradients():
    micrograd_nn = pytest.importorskip("micrograd.nn")
    random.seed(7)
    theirs = micrograd_nn.MLP(3, [4, 4, 1])
    random.seed(7)
    ours = scalar.MLP(3, [4, 4, 1])
    x = [0.5, -1.0, 2.0]
    a, b = (theirs(x) - 1) ** 2, (ours(x) - 1) ** 2
    a.backward()
    b.backward()
    assert b.data == a.data
    assert [p.grad for p in ours.parameters()] == pytest.approx([p.grad for p in theirs.parameters()], rel=1e-13)
