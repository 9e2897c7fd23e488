"""Attributes are set and deleted without harm, also by Python that runs while an object dies."""

from __future__ import annotations

import contextlib
import gc
import sys
import weakref

import numpy as np
import pytest

import pyautograd as pa
from pyautograd.scalar import Value

KINDS = {
    "Value": lambda: Value(2.0),
    "result": lambda: Value(2.0) * Value(3.0),
    "Tensor": lambda: pa.ones(2, requires_grad=True),
    "integer Tensor": lambda: pa.arange(3),
    "Tensor result": lambda: pa.ones(2, requires_grad=True) * 2,
    "Parameter": lambda: pa.nn.Parameter(pa.ones(2)),
}


class Odd:
    """Every question about it raises."""

    def __bool__(self):
        raise ValueError("no truth")

    def __float__(self):
        raise ValueError("no number")

    def __index__(self):
        raise ValueError("no index")

    def __len__(self):
        raise ValueError("no length")

    def __eq__(self, other):
        raise ValueError("no equality")

    __hash__ = None


ODD = [None, Odd(), "x", b"x", object(), 3, 2**70, float("nan"), [], (), {}, pa.ones(3), Value(1.0), int, lambda: None]
EXPECTED = (AttributeError, TypeError, ValueError, RuntimeError, OverflowError, IndexError, UserWarning)


@pytest.mark.parametrize("kind", KINDS)
def test_every_attribute_is_read_set_and_deleted_without_a_system_error(kind):
    for name in dir(KINDS[kind]()):
        if name in ("__class__", "__doc__", "__module__"):
            continue
        for value in ODD:
            with contextlib.suppress(*EXPECTED):
                setattr(KINDS[kind](), name, value)
        with contextlib.suppress(*EXPECTED):
            delattr(KINDS[kind](), name)
        with contextlib.suppress(*EXPECTED):
            getattr(KINDS[kind](), name)


@pytest.mark.parametrize("name", ["data", "requires_grad", "_backward", "shape", "dtype", "_prev", "_op"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_node_is_cannot_be_deleted(kind, name):
    node = KINDS[kind]()
    with pytest.raises((AttributeError, TypeError)):
        delattr(node, name)


def test_a_gradient_is_deleted_as_in_pytorch():
    v, t = Value(1.0), pa.ones(2, requires_grad=True)
    (v * 2).backward()
    (t * 2).sum().backward()
    del v.grad
    del t.grad
    assert v.grad == 0.0 and t.grad is None


@pytest.mark.parametrize("wrong", [1, "no", None, pa.ones(1)], ids=repr)
def test_requires_grad_is_true_or_false(wrong):
    t = pa.ones(2)
    with pytest.raises(TypeError, match="requires_grad: True or False is wanted"):
        t.requires_grad = wrong
    assert not t.requires_grad


def test_a_dict_that_was_replaced_is_collected():
    gc.collect()
    nodes = pa.memory_stats().nodes
    v = Value(1.0)
    v.__dict__ = {"itself": v}
    assert v.itself is v
    del v
    gc.collect()
    assert pa.memory_stats().nodes == nodes


def test_a_weakref_callback_may_look_at_the_graph():
    x, seen = Value(2.0), []
    x.label = "x"
    y = x * 3
    watch = weakref.ref(x, lambda _: seen.append(y._inputs[0]))
    del x
    (again,) = y._inputs[:1]
    assert watch() is None and seen[0] is again and again.label == "x"
    del seen[:], again
    others = [Value(float(i)) for i in range(300)]
    assert len({id(v) for v in [*others, *y._inputs]}) == 302
    y.backward()
    assert y._inputs[0].grad == 3.0


def test_a_weakref_callback_may_read_a_gradient_that_dies():
    p = pa.ones(2, requires_grad=True)
    (p * 2).sum().backward()
    grad, seen = p.grad, []
    watch = weakref.ref(grad, lambda _: seen.append(p.grad))
    del grad
    assert watch() is None and seen[0] is p.grad and seen[0].tolist() == [2, 2]


def test_members_of_a_subclass_may_look_at_the_graph_while_it_dies():
    class Nosy:
        def __del__(self):
            seen.append(y._inputs[0])

    class Slotted(Value):
        __slots__ = ("nosy",)

    seen = []
    x = Slotted(2.0)
    x.nosy, x.note = Nosy(), "kept"
    y = x * 3
    del x
    gc.collect()
    y.backward()
    inner = y._inputs[0]
    assert inner.grad == 3.0 and inner.note == "kept" and all(each is inner for each in seen)


def test_a_value_that_saves_itself_from_death_lives_on():
    class Phoenix(Value):
        def __del__(self):
            saved.append(self)

    saved = []
    v = Phoenix(1.0)
    v.label = "v"
    y = v * 2
    del v
    y.backward()
    del y
    gc.collect()
    assert len(saved) == 1 and saved[0].data == 1.0 and saved[0].label == "v" and saved[0].grad == 2.0


def test_attributes_may_look_at_the_graph_while_they_die():
    class Nosy:
        def __del__(self):
            v = Value(1.0)
            v.label = "made meanwhile"
            made.append(v)
            assert y.data == 6.0

    made = []
    y = Value(2.0) * 3
    for clear in (lambda v: v.__dict__.clear(), lambda v: setattr(v, "__dict__", {}), lambda v: None):
        v = Value(1.0)
        v.nosy = Nosy()
        clear(v)
        del v
    assert len({id(v) for v in made}) == 3 and all(v.label == "made meanwhile" for v in made)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from CPython 3.12 on no allocation collects")
def test_a_collection_amid_a_reading_makes_no_second_object():
    y = Value(2.0) * Value(3.0)
    held = [Value(float(i)) for i in range(600)]  # no object is idle: the next one is allocated, which may collect
    seen, thresholds, nested = [], gc.get_threshold(), [[] for _ in range(10)]

    def look(phase, info):
        if phase == "start" and not seen:
            seen.append(y._inputs)

    gc.callbacks.append(look)
    pairs = [(i, i) for i in range(100)]
    del pairs  # their memory is the next tuple's: only the object is allocated
    gc.set_threshold(1)
    try:
        inputs = y._inputs
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(look)
    del nested
    assert len(held) == 600 and seen
    assert all(a is b and b is c for a, b, c in zip(inputs, y._inputs, seen[0]))
    y.backward()
    assert [v.grad for v in inputs] == [3.0, 2.0]


def test_arguments_that_run_python_do_not_leave_an_operand_behind():
    w = pa.ones(2, requires_grad=True)

    class Moving:
        """A number whose reading changes a tensor in place."""

        def __init__(self, x):
            self.x = x

        def __array__(self, dtype=None, copy=None):
            return np.array(self.__float__())

        def __bool__(self):
            self.x += w
            return True

        def __float__(self):
            self.x += w
            return 2.0

    for use in (
        lambda x: pa.nn.Parameter(x, Moving(x)),
        lambda x: x ** Moving(x),
        lambda x: x.copy_(Moving(x)),
        lambda x: x * Moving(x),
        lambda x: setattr(x, "data", Moving(x)),
        lambda x: x.sum().backward(retain_graph=Moving(x)),
    ):
        x = pa.zeros(2) * 1
        with contextlib.suppress(TypeError, RuntimeError, ValueError):
            use(x)
        assert set(x.tolist()) <= {0.0, 1.0, 2.0}


@pytest.mark.parametrize(
    "use",
    [
        lambda v, number: setattr(v, "data", number),
        lambda v, number: setattr(v, "grad", number),
        lambda v, number: v.__init__(number),
        lambda v, number: Value(1.0, (v,), local_grads=(number,)).backward(),
        lambda v, number: Value(1.0, (Value(2.0), v), local_grads=(1.0, number)).backward(),
    ],
)
def test_a_number_whose_reading_gives_a_value_another_node_is_taken_by_that(use):
    v = Value(1.0)

    class Moving:
        def __float__(self):
            @pa.compile
            def step(a):
                v.__init__(a)  # a traced number, of which another node is made
                return a

            with contextlib.suppress(pa.TraceError):
                step(2.0)
            return 3.0

    with contextlib.suppress(RuntimeError):  # __init__ of a Value that is in use
        use(v, Moving())
    assert {v.data, v.grad} <= {0.0, 1.0, 2.0, 3.0}


def test_a_hook_may_detach_an_input_that_the_root_does_not_reach():
    x = pa.ones(3, requires_grad=True)
    unused = pa.ones(3, requires_grad=True) * 2
    y = x * 3

    def detach(gradient):
        unused.detach_()

    y.register_hook(detach)
    none, found = pa.autograd.grad(y.sum(), [unused, x], allow_unused=True)
    assert none is None and found.tolist() == [3.0] * 3


def test_weights_that_leave_their_neuron_while_they_are_read_are_read_to_the_end():
    layer = pa.scalar.Layer(2, 1)
    neuron = layer.neurons[0]

    class Leaving:
        def __init__(self, weights):
            self.weights = weights

        def __len__(self):
            return len(self.weights)

        def __iter__(self):
            neuron.w, neuron.b = [], Value(0.0)  # nobody else holds either
            return iter(self.weights)

    neuron.b, neuron.w = Value(0.5), Leaving([Value(1.0), Value(2.0)])
    assert layer([3.0, 4.0]).data == 11.5
