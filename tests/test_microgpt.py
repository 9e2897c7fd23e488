"""examples/microgpt.py: the scalar transformer learns the same on every engine."""

from __future__ import annotations

import importlib.util
import math
import string
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import pyautograd
from pyautograd import reference, scalar

FILE = Path(__file__).resolve().parent.parent / "examples" / "microgpt.py"
SIZES = {"n_embd": 4, "n_head": 2, "block_size": 6}
DOCUMENTS = ("ada", "eve", "bob", "noah", "una", "lena", "ivy", "otto", "emma")  # two lengths, each more than twice

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the examples are not beside the tests")
needs_compile = pytest.mark.skipif(not hasattr(pyautograd, "compile"), reason="without programs")


@pytest.fixture(scope="module")
def microgpt() -> ModuleType:
    spec = importlib.util.spec_from_file_location("microgpt", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def train(microgpt, engine, names, **sizes):
    """The loss of each step, and the weights at the end; the lr falls as in the example."""
    model, optimizer, step = microgpt.build(engine, **(sizes or SIZES))
    losses = []
    for k, name in enumerate(names):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - k / len(names))
        losses.append(step(microgpt.tokens(name)))
    return losses, [weight.data for weight in model.parameters()]


def test_reference_and_scalar_learn_the_same(microgpt):
    expected, weights = train(microgpt, "reference", DOCUMENTS[:4])
    losses, got = train(microgpt, "scalar", DOCUMENTS[:4])
    assert losses == pytest.approx(expected, rel=0, abs=1e-9)
    assert got == pytest.approx(weights, rel=0, abs=1e-9)
    assert len(set(expected)) == 4


@needs_compile
def test_compiled_learns_the_same(microgpt):
    expected, weights = train(microgpt, "scalar", DOCUMENTS)
    losses, got = train(microgpt, "compiled", DOCUMENTS)
    assert losses == pytest.approx(expected, rel=0, abs=1e-9)
    assert got == pytest.approx(weights, rel=0, abs=1e-9)


@needs_compile
def test_a_transformer_of_two_layers_compiles_to_the_same_numbers(microgpt):
    names = ("ada", "eve", "bob", "una")
    sizes = {"n_embd": 4, "n_head": 1, "n_layer": 2, "block_size": 4}
    expected, weights = train(microgpt, "scalar", names, **sizes)
    losses, got = train(microgpt, "compiled", names, **sizes)
    assert losses == pytest.approx(expected, rel=0, abs=1e-9)
    assert got == pytest.approx(weights, rel=0, abs=1e-9)


def test_one_hot_rows_are_tokens(microgpt):
    by_index, by_row = (microgpt.make(scalar.Value, **SIZES) for _ in range(2))
    document = microgpt.tokens("noah")
    losses = [by_index.loss(document), by_row.loss(np.eye(27)[document])]
    for loss in losses:
        loss.backward()
    assert losses[0].data == losses[1].data
    assert [w.grad for w in by_index.parameters()] == [w.grad for w in by_row.parameters()]


def test_gradients_agree_with_differences(microgpt):
    model = microgpt.make(reference.Value, n_embd=4, n_head=2, block_size=4)
    document = microgpt.tokens("abc")
    model.loss(document).backward()
    for weight in model.parameters()[:: len(model.parameters()) // 7]:
        h, at, slope = 1e-5, weight.data, weight.grad
        weight.data = at + h
        above = model.loss(document).data
        weight.data = at - h
        below = model.loss(document).data
        weight.data = at
        assert slope == pytest.approx((above - below) / (2 * h), rel=1e-4, abs=1e-8)


def test_a_place_does_not_see_what_follows(microgpt):
    model = microgpt.make(scalar.Value, **SIZES)
    first, second = microgpt.tokens("abc"), microgpt.tokens("abz")
    seen = [], []
    for logits, document in zip(seen, (first, second)):
        cache = model.cache()
        for place, token in enumerate(document[:-1]):
            logits.append([logit.data for logit in model.logits(token, place, cache)])
    assert seen[0][:3] == seen[1][:3]
    assert seen[0][3] != seen[1][3]


def test_the_example_has_its_parameters_names_and_samples(microgpt):
    model = microgpt.make(scalar.Value)
    assert len(model.parameters()) == 4192
    names = microgpt.NAMES.split()
    assert len(names) == len(set(names)) and set("".join(names)) <= set(string.ascii_lowercase)
    assert {len(name) for name in names} == set(range(3, 10))  # a program a length: at most 8 without a warning
    with pyautograd.no_grad():
        assert all(len(model.sample()) <= model.block_size for _ in range(3))


class Plain:
    """The class that such a script brings along."""

    def __init__(self, data, children=(), local_grads=()):
        self.data, self.grad, self._children, self._local_grads = data, 0.0, children, local_grads

    def backward(self):
        order, seen = [], set()

        def visit(value):
            if value not in seen:
                seen.add(value)
                for child in value._children:
                    visit(child)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            for child, local_grad in zip(value._children, value._local_grads):
                child.grad += local_grad * value.grad


def train_script(make):
    """A bigram model trained with an engine of which only the constructor and `backward` are used: losses, weights."""
    add = lambda a, b: make(a.data + b.data, (a, b), (1, 1))
    mul = lambda a, b: make(a.data * b.data, (a, b), (b.data, a.data))
    power = lambda a, p: make(a.data**p, (a,), (p * a.data ** (p - 1),))
    exp = lambda a: make(math.exp(a.data), (a,), (math.exp(a.data),))
    log = lambda a: make(math.log(a.data), (a,), (1 / a.data,))
    rows = [[make(math.sin(3 * i + 7 * j)) for j in range(5)] for i in range(5)]
    losses = []
    for step in range(12):
        total = make(0.0)
        for i, j in ((0, 1), (1, 2), (2, 0), (3, 4), (4, step % 5)):
            exps = [exp(weight) for weight in rows[i]]
            summed = exps[0]
            for each in exps[1:]:
                summed = add(summed, each)
            total = add(total, mul(log(mul(exps[j], power(summed, -1))), make(-0.2)))
        total.backward()
        for weight in (weight for row in rows for weight in row):
            weight.data -= 0.5 * weight.grad
            weight.grad = 0
        losses.append(total.data)
    return losses, [weight.data for row in rows for weight in row]


@pytest.mark.parametrize("engine", [scalar, reference], ids=["scalar", "reference"])
def test_a_script_of_local_gradients_learns_as_with_its_own_class(engine):
    expected, got = train_script(Plain), train_script(engine.Value)
    assert got[0] == pytest.approx(expected[0], rel=1e-12)
    assert got[1] == pytest.approx(expected[1], rel=1e-10)
    assert expected[0][-1] < 0.7 * expected[0][0]
