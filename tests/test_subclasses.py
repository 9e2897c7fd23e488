"""Classes may be derived from Value, Tensor and Parameter in every ordinary way."""

from __future__ import annotations

import dataclasses
import gc
import math
from typing import Generic, TypeVar

import pytest

import pyautograd as pa
from pyautograd import nn

T = TypeVar("T")


@pytest.fixture
def Value(engine):
    return engine.Value


class Mixin:
    def twice(self):
        return self * 2


def test_an_init_of_ones_own_calls_the_base(Value):
    class Named(Value):
        def __init__(self, data, name):
            super().__init__(data)
            self.name = name

    v = Named(2.0, "w")
    assert (v.data, v.grad, v.name, v.label, type(v)) == (2.0, 0.0, "w", "", Named)
    (v * v).backward()
    assert v.grad == 4.0


def test_an_init_of_ones_own_may_take_arguments_in_another_order_and_by_keyword_only(Value):
    class Named(Value):
        def __init__(self, name, *, data=1.0, **keywords):
            self.name = name
            super().__init__(data, **keywords)

    a = Named("a")
    b = Named("b", data=a.data * 3, children=(a,), local_grads=(3.0,), label="triple")
    b.backward()
    assert (b.data, b.label, b.name, a.grad) == (3.0, "triple", "b", 3.0)


def test_a_subclass_may_have_slots(Value):
    class Slotted(Value):
        __slots__ = ("extra",)

        def __init__(self, data, extra):
            super().__init__(data)
            self.extra = extra

    assert Slotted(1.0, "here").extra == "here"


@pytest.mark.parametrize("mixin_first", [True, False])
def test_a_value_may_have_a_plain_class_beside_it_as_base(Value, mixin_first):
    bases = (Mixin, Value) if mixin_first else (Value, Mixin)
    Mixed = type("Mixed", bases, {"__init__": lambda self, data, unit: (Value.__init__(self, data), None)[1]})
    v = Mixed(2.0, "m")
    v.twice().backward()
    assert v.grad == 2.0


def test_cooperating_inits_may_reach_the_base_twice(Value):
    class A(Value):
        def __init__(self, data):
            Value.__init__(self, data)
            self.a = data

    class B(Value):
        def __init__(self, data):
            Value.__init__(self, data)
            self.b = data

    class C(A, B):
        def __init__(self, data):
            A.__init__(self, data)
            B.__init__(self, data)

    c = C(3.0)
    assert (c.data, c.a, c.b) == (3.0, 3.0, 3.0)


def test_dataclasses_generics_and_init_subclass_work(Value):
    names = []

    class Registered(Value):
        def __init_subclass__(cls, /, name, **keywords):
            super().__init_subclass__(**keywords)
            names.append(name)

    class Child(Registered, name="child"):
        pass

    class Typed(Value, Generic[T]):
        pass

    @dataclasses.dataclass(eq=False, repr=False)
    class Point(Value):
        x: float
        name: str = "p"

        def __post_init__(self):
            super().__init__(self.x)

    assert names == ["child"] and Child(1.0).data == 1.0
    assert Typed[int](2.0).data == 2.0
    assert (Point(3.0).data, Point(3.0, name="q").name) == (3.0, "q")


def test_a_value_that_was_never_filled_is_no_number():
    class Forgetful(pa.scalar.Value):
        def __init__(self, name):
            self.name = name

    assert math.isnan(Forgetful("x").data)


def test_a_value_may_be_filled_again_but_takes_no_children_once_it_is_used():
    a, b = pa.scalar.Value(1.0), pa.scalar.Value(2.0)
    out = a * b
    a.__init__(5.0)
    assert a.data == 5.0
    with pytest.raises(RuntimeError, match="in use"):
        a.__init__(1.0, (b,))
    with pytest.raises(RuntimeError, match="in use"):
        out.__init__(1.0, (b,))
    out.backward()
    assert (a.grad, b.grad) == (2.0, 5.0)


def test_a_tensor_may_have_a_class_of_ones_own():
    class Image(pa.Tensor):
        def __init__(self, name, data, **keywords):
            super().__init__(data, **keywords)
            self.name = name

    image = Image("cat", [1, 2], requires_grad=True)
    assert (type(image), image.dtype, image.shape, image.name) == (Image, pa.float32, (2,), "cat")
    (image * 3).sum().backward()
    assert image.grad.tolist() == [3, 3]
    assert Image("dog", [1.0], dtype=pa.float64).dtype is pa.float64
    assert isinstance(pa.Tensor([1, 2]), pa.Tensor) and pa.Tensor([1, 2]).dtype is pa.float32
    assert pa.Tensor().shape == (0,)


@pytest.mark.parametrize("mixin_first", [True, False])
def test_a_tensor_may_have_a_plain_class_beside_it_as_base(mixin_first):
    bases = (Mixin, pa.Tensor) if mixin_first else (pa.Tensor, Mixin)
    assert type("Mixed", bases, {})([1.0]).twice().tolist() == [2.0]


def test_a_parameter_of_ones_own_class_is_one_of_a_module():
    class Scaled(nn.Parameter):
        __slots__ = ("scale",)

        def __init__(self, data, scale):
            super().__init__(data)
            self.scale = scale

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = Scaled(pa.ones(2), scale=3)

    net = Net()
    (w,) = net.parameters()
    assert w is net.w and type(w) is Scaled and w.scale == 3 and w.requires_grad
    source = pa.zeros(2)
    nn.Parameter(source).data.fill_(1)
    assert source.tolist() == [1, 1]


def test_a_tensor_in_use_is_not_filled_again():
    x = pa.ones(2, requires_grad=True)
    y = x * 2
    with pytest.raises(RuntimeError, match="in use"):
        x.__init__([1.0])
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_node_itself_makes_nothing():
    with pytest.raises(TypeError, match="Tensor and Value"):
        pa._core.Node()


def test_subclasses_leave_no_node_behind():
    class Named(pa.scalar.Value):
        def __init__(self, data, name):
            super().__init__(data)
            self.name = name
            self.itself = self

    gc.collect()
    nodes = pa.memory_stats().nodes
    for i in range(100):
        (Named(i, "a") * 2).backward()
    gc.collect()
    assert pa.memory_stats().nodes == nodes


def test_a_value_stays_a_value_and_a_tensor_a_tensor():
    class Weight(pa.scalar.Value):
        pass

    class Image(pa.Tensor):
        pass

    made = [pa.scalar.Value(2.0), Weight(2.0), pa.tensor([2.0]), Image([2.0]), nn.Parameter(pa.ones(1))]
    for each in made:
        is_value = isinstance(each, pa.scalar.Value)
        for cls in [pa.Tensor, nn.Parameter, Image] if is_value else [pa.scalar.Value, Weight]:
            before = type(each)
            with pytest.raises(TypeError, match="__class__"):
                each.__class__ = cls
            assert type(each) is before
        assert float((each * each).data) == each.item() ** 2


def test_an_object_that_changes_its_class_lives_and_dies_as_one_of_its_new_class():
    class Weight(pa.scalar.Value):
        pass

    class Image(pa.Tensor):
        pass

    for _ in range(100):
        for was, becomes in [(Image([1.0]), pa.Tensor), (pa.ones(1), Image), (Weight(1.0), pa.scalar.Value)]:
            was.__class__ = becomes
            assert type(was) is becomes
        del was
        value = pa.scalar.Value(1.0)
        value.__class__ = Weight
        result = value * 2
        del value
        assert [type(operand) for operand in result._inputs] == [Weight, pa.scalar.Value]
        del result
    gc.collect()


@pytest.mark.parametrize("name", ["data", "grad", "_backward"])
def test_what_the_engine_keeps_is_not_redefined(Value, name):
    for body in ({name: property(lambda self: 1.0)}, {"__slots__": (name,)}, {name: lambda self: None}):
        with pytest.raises(TypeError, match=f"Odd: {name} of a Value"):
            type("Odd", (Value,), body)


def test_a_setattr_of_ones_own_sees_no_attributes_of_the_engine():
    class Strict(pa.scalar.Value):
        def __setattr__(self, name, value):
            assert name in ("data", "grad", "_backward", "label")
            super().__setattr__(name, value)

    a = Strict(3.0, label="a")
    out = Strict(6.0, (a,), "twice")

    def backward():
        a.grad += 2 * out.grad

    out._backward = backward
    out.backward()
    assert (a.grad, out._op, a.label) == (2.0, "twice", "a")


def test_a_result_is_not_filled_again():
    a = pa.scalar.Value(2.0)
    out = a * 3
    with pytest.raises(RuntimeError, match="__init__ of the result of mul"):
        out.__init__(1.0)
    assert (out.data, out._inputs[0]) == (6.0, a)
