"""examples/microgpt.py: the scalar transformer learns the same on every engine."""

from __future__ import annotations

import importlib.util
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
def test_two_layers_compile(microgpt):
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


def test_the_model_of_the_example(microgpt):
    model = microgpt.make(scalar.Value)
    assert len(model.parameters()) == 4192
    names = microgpt.NAMES.split()
    assert len(names) == len(set(names)) and set("".join(names)) <= set(string.ascii_lowercase)
    assert {len(name) for name in names} == set(range(3, 10))  # a program a length: at most 8 without a warning
    with pyautograd.no_grad():
        assert all(len(model.sample()) <= model.block_size for _ in range(3))
