"""`pyautograd.scalar` and `pyautograd.reference` behave as micrograd does, and as each other bit for bit."""

from __future__ import annotations

import importlib
import math
import random
import re
import struct

import numpy as np
import pytest
from micrograd_demo import PUBLISHED, train

import pyautograd
from pyautograd import _ops, reference, scalar


@pytest.fixture(params=["scalar", "reference"])
def engine(request):
    return importlib.import_module(f"pyautograd.{request.param}")


def bits(x: float) -> bytes:
    return b"nan" if math.isnan(x) else struct.pack("d", x)


# ---- what a Value is


def test_a_value_shows_its_numbers(engine):
    assert repr(engine.Value(2)) == "Value(data=2.0, grad=0.0)"
    assert repr(engine.Value(-0.25, label="b")) == "Value(data=-0.25, grad=0.0)"


@pytest.mark.parametrize("number", [2, 2.0, True, np.float32(2), np.int64(2), np.array(2.0)])
def test_numbers_of_every_kind_are_operands(engine, number):
    a = engine.Value(3.0)
    for result in (a + number, a - number, a * number, a / number, a**number):
        assert isinstance(result, engine.Value)
    for result, expected in (
        (number + a, float(number) + 3),
        (number - a, float(number) - 3),
        (number * a, float(number) * 3),
        (number / a, float(number) / 3),
        (number**a, float(number) ** 3),
    ):
        assert isinstance(result, engine.Value)
        assert result.data == expected


def test_what_is_no_number_is_refused(engine):
    with pytest.raises(TypeError):
        engine.Value(1.0) + "x"
    with pytest.raises(TypeError):
        engine.Value(1.0) * None
    with pytest.raises(TypeError):
        engine.Value([1.0])


def test_equality_and_hash_are_identity(engine):
    a, b = engine.Value(1.0), engine.Value(1.0)
    assert a == a
    assert a != b
    assert len({a, b}) == 2


def test_the_graph_can_be_looked_at(engine):
    a, b = engine.Value(2.0, label="a"), engine.Value(3.0)
    c = a * b
    assert c._prev == {a, b}
    assert next(n for n in c._prev if n.label == "a") is a
    assert c._op == "*"
    assert c._inputs == (a, b)
    assert (a * a)._inputs == (a, a)
    assert (a * a)._prev == {a}
    assert a._prev == set()
    assert a._op == ""
    assert a.label == "a"
    assert b.label == ""


def test_ops_are_named_as_micrograd_names_them(engine):
    a, b = engine.Value(2.0), engine.Value(3.0)
    results = [a + b, a - b, a * b, a / b, -a, a**2, a**0.5, a**-1, a.relu(), a.tanh(), a.exp()]
    assert [r._op for r in results] == ["+", "-", "*", "/", "neg", "**2", "**0.5", "**-1", "ReLU", "tanh", "exp"]


# ---- backward


def test_the_example_of_the_lecture(engine):
    a, b = engine.Value(-4.0), engine.Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert g.data == pytest.approx(24.70408163265306, rel=1e-14)
    assert a.grad == pytest.approx(138.83381924198252, rel=1e-14)
    assert b.grad == pytest.approx(645.5772594752186, rel=1e-14)


def test_a_second_pass_starts_inner_gradients_anew_and_leaves_add_up(engine):
    a = engine.Value(3.0)
    b = a * 2
    c = b * b
    c.backward()
    assert (a.grad, b.grad, c.grad) == (24.0, 12.0, 1.0)
    c.backward()
    assert (a.grad, b.grad, c.grad) == (48.0, 12.0, 1.0)


def test_two_losses_over_one_graph_add_up_in_the_leaves(engine):
    a = engine.Value(3.0)
    b = a * 2
    (b * 5).backward()
    (b + 1).backward()
    assert (a.grad, b.grad) == (12.0, 1.0)


def test_a_leaf_is_its_own_derivative(engine):
    a = engine.Value(3.0)
    a.backward()
    assert a.grad == 1.0


def test_gradients_and_numbers_can_be_set(engine):
    a = engine.Value(3.0)
    (a * a).backward()
    a.data -= 0.5 * a.grad
    a.grad = 0
    assert (a.data, a.grad) == (0.0, 0.0)


def test_ties_and_corners(engine):
    V = engine.Value

    def gradients(f, *numbers):
        values = [V(x) for x in numbers]
        f(*values).backward()
        return [v.grad for v in values]

    assert gradients(lambda a: a.relu(), 0.0) == [0.0]
    assert gradients(lambda a: abs(a), 0.0) == [0.0]
    assert gradients(lambda a, b: a.maximum(b), 2.0, 2.0) == [0.5, 0.5]
    assert gradients(lambda a, b: a.minimum(b), 2.0, 2.0) == [0.5, 0.5]
    assert gradients(lambda a: a.clamp(-1, 1), 1.0) == [1.0]
    assert gradients(lambda a: a.clamp(max=1), 3.0) == [0.0]
    assert gradients(lambda a: a**0, 0.0) == [0.0]
    assert gradients(lambda a, b: a**b, 0.0, 2.0) == [0.0, 0.0]


# ---- ops of one's own, as in micrograd


def sine(engine, x):
    out = engine.Value(math.sin(x.data), (x,), "sine")

    def backward():
        x.grad += math.cos(x.data) * out.grad

    out._backward = backward
    return out


def test_an_op_of_ones_own(engine):
    x = engine.Value(0.5)
    y = sine(engine, x * 2) * 3
    y.backward()
    assert x.grad == pytest.approx(6 * math.cos(1.0))
    inner = next(n for n in y._prev if n._op == "sine")
    assert inner._op_name == "custom"
    assert inner.grad == 3.0


def test_an_op_of_ones_own_with_three_operands(engine):
    values = [engine.Value(x) for x in (1.0, 2.0, 3.0)]
    out = engine.Value(sum(v.data for v in values), values, "sum")

    def backward():
        for v in values:
            v.grad += out.grad

    out._backward = backward
    (out * 2).backward()
    assert out._prev == set(values)
    assert [v.grad for v in values] == [2.0, 2.0, 2.0]


def test_the_sweep_can_be_done_by_hand(engine):
    a, b = engine.Value(2.0), engine.Value(3.0)
    c = a * b
    c.grad = 10.0
    c._backward()
    assert (a.grad, b.grad) == (30.0, 20.0)
    a._backward()
    assert a.grad == 30.0


# ---- nets


def test_nets_show_themselves_as_micrograds(engine):
    random.seed(0)
    model = engine.MLP(2, [2, 1])
    assert repr(model) == "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]"
    assert len(model.parameters()) == 9
    assert isinstance(model, engine.Module)


def test_nets_draw_their_weights_as_micrograds(engine):
    random.seed(1337)
    expected = [random.uniform(-1, 1) for _ in range(6)]
    random.seed(1337)
    model = engine.MLP(2, [2, 1])
    assert [w.data for layer in model.layers for n in layer.neurons for w in n.w] == expected
    assert all(n.b.data == 0 for layer in model.layers for n in layer.neurons)


def test_a_neuron_is_the_nodes_micrograd_builds(engine):
    neuron = engine.Neuron(2)
    x = [engine.Value(1.0), engine.Value(-2.0)]
    out = neuron(x)
    (last_sum,) = out._inputs
    assert (out._op, last_sum._op) == ("ReLU", "+")
    first_sum, product = last_sum._inputs
    assert product._inputs == (neuron.w[1], x[1])
    assert first_sum._inputs[0] is neuron.b
    assert first_sum._inputs[1]._inputs == (neuron.w[0], x[0])


def test_a_layer_of_one_neuron_gives_a_value_and_others_a_list(engine):
    assert isinstance(engine.Layer(2, 1)([1.0, 2.0]), engine.Value)
    assert len(engine.Layer(2, 3)([1.0, 2.0])) == 3
    assert isinstance(engine.MLP(2, [1, 1])([1.0, 2.0]), engine.Value)


def test_inputs_are_lists_tuples_or_arrays_of_numbers(engine):
    random.seed(1)
    model = engine.MLP(2, [3, 1])
    expected = model([engine.Value(0.5), engine.Value(2)]).data
    for x in ([0.5, 2], (0.5, 2), np.array([0.5, 2.0]), [np.float32(0.5), 2], [engine.Value(0.5), 2]):
        assert model(x).data == expected


def test_inputs_that_are_no_numbers_are_refused(engine):
    model = engine.MLP(2, [3, 1])
    for x in ("ab", ["a", "b"], [None, 1.0], 3):
        with pytest.raises(TypeError):
            model(x)


def test_a_net_of_values_takes_a_batch_as_tensors():
    model = scalar.MLP(2, [3, 1])
    first, second = [0.1, -0.2, 0.3], [1.0, 2.0, -3.0]
    out = model([pyautograd.tensor(first), pyautograd.tensor(second)])
    assert out.tolist() == pytest.approx([model(x).data for x in zip(first, second, strict=True)], rel=1e-5)
    out.sum().backward()
    summed = [p.grad for p in model.parameters()]
    model.zero_grad()
    sum(model(x) for x in zip(first, second, strict=True)).backward()
    assert summed == pytest.approx([p.grad for p in model.parameters()], rel=1e-5)


def test_a_net_of_the_wrong_width_says_so(engine):
    with pytest.raises(ValueError, match="3 inputs for 2 weights"):
        engine.MLP(2, [3, 1])([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="1 inputs for 2 weights"):
        engine.Neuron(2)([1.0])


def test_a_neuron_of_ones_own_is_respected(engine):
    class Doubled(engine.Neuron):
        def __call__(self, x):
            return super().__call__(x) * 2

    class Plain(engine.Neuron):
        pass

    layer = engine.Layer(2, 3)
    x = [1.0, 2.0]
    before = [v.data for v in layer(x)]
    twin = Doubled(2)
    twin.w, twin.b = layer.neurons[1].w, layer.neurons[1].b
    plain = Plain(2)
    plain.w, plain.b = layer.neurons[2].w, layer.neurons[2].b
    layer.neurons[1:] = [twin, plain]
    assert [v.data for v in layer(x)] == [before[0], 2 * before[1], before[2]]


def test_changed_weights_are_read_at_each_call(engine):
    neuron = engine.Neuron(1, nonlin=False)
    neuron.w = [engine.Value(2.0)]
    neuron.b.data = 1.0
    assert neuron([3.0]).data == 7.0
    neuron.nonlin = True
    neuron.b = engine.Value(-10.0)
    assert neuron([3.0]).data == 0.0


def test_zero_grad_clears_all_parameters(engine):
    model = engine.MLP(2, [3, 1])
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert not any(p.grad for p in model.parameters())


# ---- the two engines are one


NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-9, 30.0, -40.0, 1e3, -1e3, 1e300, math.inf, -math.inf, math.nan]
ROWS = [row for row in _ops.table.values() if row.family == "elementwise" and row.parameters == 0]
UNARY = [row.name for row in ROWS if row.operands == 1]
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


def test_micrograd_agrees():
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


def test_nets_are_pickled_and_copied():
    import copy
    import pickle

    model = scalar.MLP(2, [3, 1])
    model.layers[0].neurons[0].note = "kept"
    for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert [p.data for p in copied.parameters()] == [p.data for p in model.parameters()]
        assert copied([1.0, 2.0]).data == model([1.0, 2.0]).data
        assert copied.layers[0].neurons[0].note == "kept"
        assert copied.parameters()[0] is not model.parameters()[0]


def test_a_neuron_keeps_the_numbers_it_was_built_with():
    """Looked at after its weights have changed, a graph still shows what was computed, and the pass's gradients."""
    model = scalar.MLP(2, [2, 1])
    out = model([1.5, -0.5])
    out.backward()
    products = {id(n): n.data for n in _walk(out)}
    again = scalar.MLP(2, [2, 1])
    for mine, theirs in zip(again.parameters(), model.parameters(), strict=True):
        mine.data = theirs.data
    late = again([1.5, -0.5])
    late.backward()
    for p in again.parameters():
        p.data += 1.0
    assert len(products) == len(list(_walk(late)))
    inner = lambda root: sorted((n.data, n.grad, n._op) for n in _walk(root) if n._op)
    assert inner(late) == inner(out)


def _walk(root):
    seen, pending = {}, [root]
    while pending:
        node = pending.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            pending.extend(node._prev)
    return list(seen.values())


# ---- ops given with their local gradients, as in microgpt


def test_an_op_given_with_its_local_gradients(engine):
    a, b = engine.Value(2.0), engine.Value(3.0)
    c = engine.Value(a.data * b.data, (a, b), (b.data, a.data))
    d = engine.Value(math.log(c.data), [c], [1 / c.data])
    (d * 6).backward()
    assert (a.grad, b.grad, c.grad) == pytest.approx((3.0, 2.0, 1.0))
    assert c._children == (a, b) and c._local_grads == (3.0, 2.0)
    assert c._prev == {a, b} and c._op_name == "local_grads"
    assert (a._children, a._local_grads) == ((), ())
    assert (a * b)._local_grads == (3.0, 2.0)


@pytest.mark.parametrize(
    "given",
    [
        lambda V, a: V(6.0, (a, a, a), (1, 2.0, np.float64(3))),
        lambda V, a: V(6.0, _children=[a, a, a], _local_grads=[1, 2, 3]),
        lambda V, a: V(6.0, children=(a, a, a), local_grads=(1, 2, 3), op="sum"),
        lambda V, a: V(6.0, (a, a, a), "sum", local_grads=(1, 2, 3)),
    ],
)
def test_local_gradients_are_given_by_place_or_by_name(engine, given):
    a = engine.Value(1.0)
    out = given(engine.Value, a)
    for passes in (1, 2):
        out.backward()
        assert a.grad == 6.0 * passes
    out._backward()
    assert a.grad == 18.0
    assert out._op in ("sum", "custom")


def test_a_backward_of_ones_own_replaces_local_gradients(engine):
    a = engine.Value(1.0)
    out = engine.Value(6.0, (a, a, a), (1, 2, 3))

    def backward():
        a.grad += 100

    out._backward = backward
    out.backward()
    assert a.grad == 100.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda a: (1.0, (a,), 3.0), TypeError, "third argument is the name of an op .* or its local gradients"),
        (lambda a: (1.0, (a,), {1.0}), TypeError, "third argument"),
        (lambda a: (1.0, (a,), (1.0, 2.0)), ValueError, "2 local gradients for 1 children"),
        (lambda a: (1.0, (a,), ()), ValueError, "0 local gradients for 1 children"),
        (lambda a: (1.0, (), (1.0,)), ValueError, "1 local gradients for 0 children"),
        (lambda a: (1.0, {a}, (1.0,)), TypeError, "their order matters"),
        (lambda a: (1.0, (a,), (a,)), TypeError, "local gradient 0 is a Value, not a number; write its .data"),
        (lambda a: (1.0, (a,), ("x",)), TypeError, "number"),
        (lambda a: (1.0, (2.0,), (1.0,)), TypeError, "child 0 is not a Value"),
    ],
)
def test_what_are_no_local_gradients_is_refused(engine, arguments, error, message):
    a = engine.Value(1.0)
    with pytest.raises(error, match=message):
        engine.Value(*arguments(a))


def test_history_is_not_kept_for_ops_of_ones_own_under_no_grad():
    a = scalar.Value(1.0)
    with pyautograd.no_grad():
        out = scalar.Value(2.0, (a,), (2.0,))
    assert out._children == () and out.is_leaf


def test_local_gradients_flow_among_tensors():
    a = scalar.Value(2.0)
    out = scalar.Value(8.0, (a,), (12.0,))
    (out * pyautograd.ones(3)).sum().backward()
    assert a.grad == 36.0


class Labels:
    """A truth value that raises, as NumPy's arrays have."""

    def __bool__(self):
        raise ValueError("ambiguous")


def test_labels_are_kept_as_they_are(engine):
    label = Labels()
    assert engine.Value(1.0, label=label).label is label
    assert engine.Value(1.0, label=None).label == ""


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda v: scalar.Value("3"), "Value: data: a number is wanted, not <class 'str'>"),
        (lambda v: scalar.Value(None), "Value: data: a number is wanted"),
        (lambda v: setattr(v, "data", [1.0]), "data: a number is wanted, not <class 'list'>"),
        (lambda v: setattr(v, "grad", 1j), "grad: a number is wanted, not <class 'complex'>"),
        (lambda v: scalar.Value(1.0, (v,), ("1",)), "Value: local gradient: a number is wanted, not <class 'str'>"),
        (lambda v: scalar.Value(1.0, v), "children are a tuple of Values, not a Value"),
        (lambda v: scalar.Value(1.0, None, "op"), "children are a tuple of Values, not None"),
        (lambda v: v.__init__(2.0, (v,), "op"), "child 0 is the Value itself"),
    ],
)
def test_a_wrong_kind_of_argument_is_named(make, says):
    v = scalar.Value(2.0)
    with pytest.raises(TypeError, match=re.escape(says)):
        make(v)
    assert (v.data, v.grad, v._prev) == (2.0, 0.0, set())
