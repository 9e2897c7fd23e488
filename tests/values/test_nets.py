"""Neurons, layers and nets of Values are built, called, changed and copied as micrograd's."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import pytest

import pyautograd
from pyautograd import scalar
from pyautograd.scalar import Neuron, Value


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


def test_nets_are_pickled_and_copied():
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


@pytest.mark.parametrize("nonlin", [True, False])
def test_a_neuron_in_a_graph_of_tensors_is_its_sum(nonlin: bool) -> None:
    neuron = Neuron(2, nonlin)
    neuron.w[0].data, neuron.w[1].data, neuron.b.data = 2.0, -1.0, 0.5
    x = [Value(1.5), Value(0.5)]
    t = pyautograd.tensor([1.0, 3.0], dtype=pyautograd.float64, requires_grad=True)
    (t * neuron(x)).sum().backward()
    assert [w.grad for w in neuron.w] == [6.0, 2.0] and neuron.b.grad == 4.0
    assert [v.grad for v in x] == [8.0, -4.0] and t.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("nonlin", [True, False])
def test_a_neuron_without_history_or_inputs_is_a_number(nonlin: bool) -> None:
    neuron = Neuron(2, nonlin)
    neuron.w[0].data, neuron.w[1].data, neuron.b.data = 2.0, -1.0, -4.5
    with pyautograd.no_grad():
        out = neuron([1.5, 0.5])
    assert out.data == (0.0 if nonlin else -2.0) and not out._prev
    empty = Neuron(0, nonlin)
    empty.b.data = -0.5
    out = empty([])
    out.backward()
    assert out.data == (0.0 if nonlin else -0.5) and empty.b.grad == (0.0 if nonlin else 1.0)


def test_sizes_that_are_no_list_are_refused_with_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"MLP: nouts must be a list of layer sizes, such as \[16, 16, 1\], not int"):
        scalar.MLP(2, 3)  # type: ignore[arg-type]


def test_help_tells_the_formula_and_the_derivative() -> None:
    assert scalar.Value.tanh.__doc__.split("\n")[2].strip().startswith("Sends back g (1 - y^2)")
    assert "Sends back g where a is larger" in scalar.Value.maximum.__doc__


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((3, 2)), r"\[model\(row\) for row in X\]"),
        ([[1.0, 2.0], [3.0, 4.0]], r"\[model\(row\) for row in X\]"),
        (1.0, r"x is a float; give a list .* \[1.0\]"),
    ],
)
def test_what_is_no_list_of_inputs_is_told_how_to_be_one(x: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        scalar.MLP(2, [2, 1])(x)
