"""Ops written as closures, which are cycles, are freed: the collector sees all of them, and none too early."""

from __future__ import annotations

import gc
import weakref

import pytest

import pyautograd as pa
from pyautograd.scalar import Layer, Value


@pytest.fixture(autouse=True)
def by_hand():
    """Collections only where a test asks for one; what other tests have left is gone before."""
    before = None
    while before != (before := nodes()):
        gc.collect()
    gc.disable()
    yield
    gc.enable()


def scaled(x, factor=2.0, watch=None):
    out = Value(x.data * factor, (x,), "scaled")

    def backward():
        x.grad += factor * out.grad

    out._backward = backward
    if watch is not None:
        watch.append(weakref.ref(backward))
    return out


def nodes():
    return pa.memory_stats().nodes


def collected(build):
    """Are all nodes that were built freed by one collection?"""
    before = nodes()
    build()
    gc.collect()
    return nodes() == before


@pytest.mark.parametrize("length", [100, 100_000])
def test_a_chain_is_freed_in_one_collection_and_without_recursion(length):
    def build():
        x = out = Value(1.0)
        for _ in range(length):
            out = scaled(out, 1.0)
        out.backward()
        assert x.grad == 1.0

    assert collected(build)


def test_a_chain_among_ordinary_ops_is_freed_in_one_collection():
    def build():
        x = out = Value(1.0)
        for i in range(50):
            out = (scaled(out) * 0.5 + i).tanh() + x
            out = out.clamp(-1, 1).maximum(x)
        out.backward()

    assert collected(build)


def test_a_graph_with_shared_nodes_is_freed_in_one_collection():
    def build():
        layer = [Value(float(i)) for i in range(4)]
        for _ in range(6):
            sums = [sum(layer) * (0.1 * i) for i in range(4)]
            layer = [scaled(a) * b + a for a, b in zip(sums, reversed(layer))]
        sum(layer).backward()

    assert collected(build)


def test_a_layer_over_closures_is_freed_in_one_collection():
    layer = Layer(3, 4)

    def build():
        x = Value(0.5)
        outputs = layer([scaled(x), x * 2, scaled(x, 3.0)])
        sum(layer([scaled(out) for out in outputs[:3]])).backward()
        assert x.grad != 0
        assert outputs[0]._prev

    assert collected(build)


def test_results_of_subclasses_are_freed_at_once_and_need_no_stack():
    class Named(Value):
        def __init__(self, data, name):
            super().__init__(data)
            self.name = name

    before = nodes()
    out = Named(1.0, "x")
    for _ in range(100_000):
        out = out + 1
    out.backward()
    del out
    assert nodes() == before


def test_a_child_keeps_what_its_backward_needs():
    watch = []
    x = Value(1.0)
    out = scaled(scaled(scaled(x, watch=watch) * 2, watch=watch) + 1, watch=watch)
    gc.collect()
    assert all(ref() is not None for ref in watch)
    out.backward()
    assert x.grad == 16.0
    del out
    gc.collect()
    assert all(ref() is None for ref in watch)


@pytest.mark.parametrize(
    "keep",
    [
        lambda y: y + 1,
        lambda y: scaled(y),
        lambda y: [y * 2, scaled(y)],
        lambda y: {"note": y}["note"] * y,
        lambda y: pa.stack([y, y * 2]).sum(),
        lambda y: Value(y.data, (y, y, y), (1.0, 1.0, 1.0)),
    ],
)
def test_what_is_reachable_from_a_result_alone_is_not_cleared(keep):
    x = Value(3.0)
    shared = scaled(x)
    y = scaled(shared) * scaled(shared)
    kept = keep(y)
    del y, shared
    for _ in range(3):
        gc.collect()
    total = sum(kept) if isinstance(kept, list) else kept
    total.backward()
    assert x.grad not in (0.0, 1.0)
    again = Value(3.0)
    shared = scaled(again)
    kept = keep(scaled(shared) * scaled(shared))
    (sum(kept) if isinstance(kept, list) else kept).backward()
    assert x.grad == again.grad


def test_a_backward_assigned_after_its_value_was_used_is_kept():
    def late(middle):
        def backward():
            x.grad += 10 * middle.grad

        middle._backward = backward

    x = Value(1.0)
    middle = x * 2
    out = middle + 1
    late(middle)
    del middle
    gc.collect()
    out.backward()
    assert x.grad == 10.0


def test_a_value_keeps_its_class_and_slots_as_long_as_its_results_live():
    class Named(Value):
        __slots__ = ("name",)

        def __init__(self, data, name):
            super().__init__(data)
            self.name = name

    out = Named(2.0, "a") * 3 + Named(1.0, "b")
    gc.collect()
    product, b = out._inputs
    a, _ = product._inputs
    assert (type(a), a.name, type(b), b.name) == (Named, "a", Named, "b")
    out.backward()
    assert (a.grad, b.grad) == (3.0, 1.0)


def test_closures_that_die_while_others_die_are_freed():
    class Loud:
        def __del__(self):
            made.append(scaled(scaled(Value(1.0))).data)

    made = []

    def build():
        out = scaled(Value(1.0))
        out.loud = Loud()
        for _ in range(5):
            out = scaled(out)
            out.loud = Loud()

    before = nodes()
    build()
    gc.collect()
    gc.collect()
    assert made == [4.0] * 6
    assert nodes() == before


def test_steps_of_values_of_ones_own_class_compile():
    class Weight(Value):
        pass

    w = Weight(1.0)

    @pa.compile
    def step(x):
        w.grad = 0.0
        loss = (w * x - 3.0) ** 2
        loss.backward()
        w.data -= 0.1 * w.grad
        return loss

    losses = [step(2.0).data for _ in range(5)]
    assert len(step.programs) == 1 and losses[-1] < losses[0] and type(w) is Weight


def test_what_a_refused_step_left_behind_is_freed_with_its_closures():
    class Weight(Value):
        pass

    w, left = Weight(2.0), []

    @pa.compile
    def step(x):
        left.append(w * x)
        return left[-1]

    with pytest.raises(pa.TraceError):
        step(3.0)
        step(3.0)
    before = nodes()
    for out in left:
        out._backward = lambda: None
    out = None
    left.clear()
    gc.collect()
    assert nodes() < before
    assert (w * 2)._inputs[0] is w
