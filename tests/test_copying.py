"""copy, deepcopy and pickle keep what was set on leaves: attributes, slots, classes."""

from __future__ import annotations

import copy
import importlib
import pickle

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn, reference, scalar
from pyautograd.nn import functional

WAYS = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda v: pickle.loads(pickle.dumps(v))}


class Named:
    """Made with a unit, which a class keeps in a slot or in its dict."""

    __slots__ = ()

    def __init__(self, data, unit, **keywords):
        super().__init__(data, **keywords)
        self.unit = unit


class NamedValue(Named, scalar.Value):
    __slots__ = ("unit",)


class NamedReference(Named, reference.Value):
    __slots__ = ("unit",)


class NamedTensor(Named, pa.Tensor):
    __slots__ = ("unit",)


class NamedParameter(Named, nn.Parameter):
    pass


class Counted(scalar.Value):
    """With a state of its own."""

    copies = 0

    def __getstate__(self):
        return {"copies": self.copies}

    def __setstate__(self, state):
        self.copies = state["copies"] + 1


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.mark.parametrize("engine", ["scalar", "reference"])
def test_a_value_keeps_its_attributes(way, engine):
    v = importlib.import_module(f"pyautograd.{engine}").Value(2.0, label="w")
    v.grad, v.note = 0.5, ["kept"]
    copied = way(v)
    assert (type(copied), copied.data, copied.grad, copied.label) == (type(v), 2.0, 0.5, "w")
    assert copied.note == ["kept"] and copied is not v
    assert (copied.note is v.note) == (way is copy.copy)
    (copied * copied).backward()
    assert (copied.grad, v.grad) == (4.5, 0.5)


@pytest.mark.parametrize("cls", [NamedValue, NamedReference])
def test_a_value_keeps_its_class_and_slots(way, cls):
    v = cls(2.0, "m")
    v.note = "kept"
    copied = way(v)
    assert (type(copied), copied.data, copied.unit, copied.note) == (cls, 2.0, "m", "kept")
    (copied * 3).backward()
    assert (copied.grad, v.grad) == (3.0, 0.0)


def test_a_state_of_ones_own_is_respected(way):
    assert way(way(Counted(1.0))).copies == 2


@pytest.mark.parametrize("engine", ["scalar", "reference"])
def test_results_are_not_copied(way, engine):
    V = importlib.import_module(f"pyautograd.{engine}").Value
    with pytest.raises(TypeError, match=r"has a history and is not copied; take its \.data"):
        way(V(1.0) * 2)


def test_attributes_that_lead_back_are_copied_once():
    a, b = scalar.Value(1.0), scalar.Value(2.0)
    a.other, b.other = b, a
    copied = copy.deepcopy(a)
    assert copied.other.other is copied and copied.other is not b
    del a.other, copied.other


TENSORS = {
    "Tensor": lambda: pa.tensor([1.0, 2.0], requires_grad=True),
    "integers": lambda: pa.arange(3),
    "bytes": lambda: pa.arange(3).byte(),
    "0-d": lambda: pa.tensor(1.5, dtype=pa.float64),
    "Parameter": lambda: nn.Parameter(pa.ones(2)),
    "subclass": lambda: NamedTensor([1.0, 2.0], "m", requires_grad=True),
    "Parameter's subclass": lambda: NamedParameter(pa.ones(2), "m"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_a_tensor_keeps_its_attributes_and_class(way, kind):
    t = TENSORS[kind]()
    t.note = ["kept"]
    copied = way(t)
    assert type(copied) is type(t) and copied is not t
    assert (copied.tolist(), copied.dtype, copied.requires_grad) == (t.tolist(), t.dtype, t.requires_grad)
    assert copied.note == ["kept"] and getattr(copied, "unit", None) == getattr(t, "unit", None)
    with pa.no_grad():
        copied.fill_(7)
    assert (t.detach().numpy() == 7).all() == (way is copy.copy)  # which shares the memory, as in PyTorch
    if t.requires_grad:
        copied.sum().backward()
        assert copied.grad is not None and t.grad is None


def test_modules_keep_what_was_set_on_their_parameters():
    model = nn.Linear(2, 1)
    model.weight.decay = 0.1
    model.tied = model.weight
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert copied.weight.decay == 0.1 and copied.tied is copied.weight
        assert np.array_equal(copied.weight.detach().numpy(), model.weight.detach().numpy())


class Thrice(pa.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 3

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 3


@pytest.mark.parametrize("way", ["copy", "pickle"])
def test_the_result_of_a_function_is_copied_as_a_leaf_without_the_function(way):
    x = pa.ones(2, requires_grad=True)
    result = type("Local", (Thrice,), {}).apply(x)  # a class that pickle does not find
    result.note = "kept"
    copied = WAYS[way](result)
    assert copied.is_leaf and copied.note == "kept" and copied.__dict__ == {"note": "kept"}
    copied.sum().backward()
    result.sum().backward()
    assert copied.grad.tolist() == [1, 1] and x.grad.tolist() == [3, 3]


@pytest.mark.parametrize("way", WAYS)
def test_a_value_made_without_history_is_copied_without_its_backward(way):
    x = scalar.Value(2.0)
    with pa.no_grad():
        out = scalar.Value(6.0, (x,), "tripled")
    out._backward = lambda: None  # pickle does not find it
    out.label = "kept"
    copied = WAYS[way](out)
    assert (copied.data, copied.label, copied._op) == (6.0, "kept", "tripled")
    assert copied._backward is not out._backward


@pytest.mark.parametrize(
    ("saved", "found"),
    [
        (b"cpyautograd._elementwise\nrelu\n.", pa.relu),
        (b"cpyautograd._elementwise\nadd\n.", pa.add),
        (b"cpyautograd._creation\nas_tensor\n.", pa.as_tensor),
        (b"cpyautograd.nn._activation\nReLU\n.", nn.ReLU),
        (b"cpyautograd.nn.functional\nlogsigmoid\n.", functional.logsigmoid),
    ],
)
def test_a_pickle_finds_a_function_or_class_in_the_module_of_its_family(saved, found):
    assert pickle.loads(saved) is found


@pytest.mark.parametrize("method", ["relu", "softplus", "mul", "backward"])
def test_a_method_pickles_and_names_itself_as_one_of_its_type(method):
    function = getattr(pa.Value, method)
    assert pickle.loads(pickle.dumps(function)) is function
    if method != "backward":
        with pytest.raises(TypeError, match=rf"^Value\.{method}\(\) takes"):
            function(pa.Value(1.0), 1, 2, 3, 4)


def test_a_function_has_the_name_by_which_it_is_exported():
    for name in functional.__all__:
        assert getattr(functional, name).__name__ == name
