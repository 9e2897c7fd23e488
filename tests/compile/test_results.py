"""Results are the caller's: they keep their numbers, their form and their types, and share no memory."""

import contextlib
import dataclasses
import gc
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import pyautograd
from pyautograd import Tensor, Value, nn

from .training import refused


def test_results_kept_stay_what_they_were() -> None:
    step = pyautograd.compile(lambda x: (x * 2, x.sum()))
    results = [step(pyautograd.full((3,), float(i))) for i in range(8)]
    assert [doubled.tolist() for doubled, _ in results] == [[2.0 * i] * 3 for i in range(8)]
    assert [total.item() for _, total in results] == [3.0 * i for i in range(8)]
    with pyautograd.no_grad():
        results[-1][0].zero_()
    assert step(pyautograd.ones(3))[0].tolist() == [2.0] * 3


def test_results_are_fresh_but_for_what_stands_in_a_place() -> None:
    model = nn.Linear(2, 2)
    step = pyautograd.compile(lambda x: (model(x), model.weight, x))
    outs = []
    for k in range(5):
        x = pyautograd.full((1, 2), float(k))
        out, weight, same = step(x)
        assert weight is model.weight and same is x
        outs.append(out)
    assert [each.tolist() for each in outs] == [model(pyautograd.full((1, 2), float(k))).tolist() for k in range(5)]


def test_results_come_back_in_the_form_that_the_function_gives_them() -> None:
    class Pair(tuple):
        pass

    for function, expected in [
        (lambda x: None, None),
        (lambda x: 3, 3),
        (lambda x: (x.sum(), "words", 2.5), (2.0, "words", 2.5)),
        (lambda x: [x.sum()], [2.0]),
        (lambda x: {"a": (x.sum(), None)}, {"a": (2.0, None)}),
        (lambda x: (), ()),
        (lambda x: (x.sum(),), (2.0,)),
    ]:
        step = pyautograd.compile(function)
        for _ in range(4):
            found = step(pyautograd.ones(2))
            assert _plain(found) == expected


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return type(value)(_plain(each) for each in value) if isinstance(value, (list, tuple)) else value


def test_numbers_come_back_as_floats() -> None:
    step = pyautograd.compile(lambda v, x: (v.data * 2, x * 3, v))
    for i in range(4):
        doubled, tripled, value = step(Value(float(i)), float(i))
        assert type(doubled) is float and type(tripled) is float and type(value) is Value
        assert (doubled, tripled, value.data) == (2.0 * i, 3.0 * i, i)


class Pair(NamedTuple):
    loss: Any
    name: str = "pair"

    def double(self) -> Any:
        return self.loss * 2


@dataclasses.dataclass
class Output:
    loss: Any
    parts: list[Any]
    made: int = dataclasses.field(default=0, init=False)

    def __post_init__(self) -> None:
        self.made += 1
        self.extra = "of its own"


@dataclasses.dataclass(frozen=True)
class Frozen:
    loss: Any
    again: Any = dataclasses.field(init=False, default=None)


@dataclasses.dataclass(slots=True)
class Slotted:
    loss: Any
    other: Any = None


class Rows(list[Any]):
    def total(self) -> Any:
        return sum(self)


class Triple(tuple[Any, ...]):
    pass


class Named(OrderedDict[str, Any]):
    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key.upper(), value)


class Counted(dict[str, Any]):
    def __init__(self) -> None:
        super().__init__()
        self.count = 3


@dataclasses.dataclass
class Mapped(dict[str, Any]):
    loss: Any = None


class Slots(list[Any]):
    __slots__ = ("more",)


@dataclasses.dataclass
class NoLossError(Exception):
    loss: Any


def frozen(x: Tensor) -> Frozen:
    made = Frozen(x.sum())
    object.__setattr__(made, "again", x * 2)
    return made


def turned(x: Tensor) -> OrderedDict[str, Any]:
    made = OrderedDict(a=x.sum(), b=x * 2, c=1)
    made.move_to_end("a")
    return made


def filled(x: Tensor) -> Any:
    made = Rows()
    made += [x.sum(), x * 3]
    return made


RESULTS: list[Callable[[Tensor], Any]] = [
    lambda x: Pair(x.sum()),
    lambda x: Output(x.sum(), [x * 2, (x + 1, "words")]),
    frozen,
    lambda x: Slotted(x.sum(), {"deep": Slotted(x * 2)}),
    turned,
    lambda x: Named(a=x.sum(), b=(x, 3)),
    filled,
    lambda x: Triple((x.sum(), None)),
    lambda x: defaultdict(list, a=[x.sum()]),
    lambda x: defaultdict(lambda: 7, a=x.sum()),
    lambda x: deque([x.sum(), x * 2, x + 1], maxlen=2),
    lambda x: types.SimpleNamespace(loss=x.sum(), deep=types.SimpleNamespace(out=(x, [x * 2]))),
    lambda x: (x.sum(), {1, 2}, frozenset({"a"})),
    lambda x: {Pair(1): {"a": [Pair(x * 2)]}, "b": ()},
    lambda x: [],
    lambda x: {},
]


def form(value: Any) -> Any:
    """A result with numbers in the place of tensors, and the types of its containers."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return type(value), [(key, form(each)) for key, each in value.items()], getattr(value, "default_factory", None)
    if isinstance(value, (list, tuple, deque)):
        return type(value), [form(each) for each in value], getattr(value, "maxlen", None)
    if dataclasses.is_dataclass(value) or isinstance(value, types.SimpleNamespace):
        names = getattr(value, "__dict__", None) or type(value).__slots__
        return type(value), [(name, form(getattr(value, name))) for name in names]
    return type(value), value


@pytest.mark.parametrize("function", RESULTS)
@pytest.mark.parametrize("anomaly", [False, True])
def test_containers_of_every_kind_come_back_as_they_were(function: Callable[[Tensor], Any], anomaly: bool) -> None:
    step = pyautograd.compile(function)
    for i in range(5):
        x = pyautograd.full((2,), float(i))
        with pyautograd.autograd.detect_anomaly() if anomaly else contextlib.nullcontext():
            found, expected = step(x), function(x)
        if isinstance(found, defaultdict):
            assert found["new"] == expected["new"]
            expected.default_factory = found.default_factory
        assert form(found) == form(expected)
        assert found is not step(x) or found == ()


def test_a_container_of_a_result_is_the_callers_own() -> None:
    step = pyautograd.compile(lambda x: {"a": [x.sum()], "b": {1, 2}})
    for i in range(6):
        found = step(pyautograd.full((2,), float(i)))
        assert found["a"][0].item() == 2 * i and len(found["a"]) == 1 and found["b"] == {1, 2}
        found["a"].append(3)
        found["b"].add(3)
        found["c"] = 4


def test_what_cannot_be_made_again_is_refused_by_name() -> None:
    def counted(x: Tensor) -> Any:
        made = Counted()
        made["loss"] = x.sum()
        return made

    for function, name in [
        (counted, "Counted"),
        (lambda x: Mapped(x.sum()), "Mapped"),
        (lambda x: Slots([x.sum()]), "Slots"),
        (lambda x: [NoLossError(x.sum())], "NoLossError"),
    ]:
        refused(pyautograd.compile(function), pyautograd.ones(2), match=f"a {name} is returned")
    refused(pyautograd.compile(lambda v: {v * 2}), Value(1.0), match="a set of tensors or Values is returned")


def test_containers_that_differ_from_call_to_call_are_told() -> None:
    lengths = iter(range(1, 9))
    step = pyautograd.compile(lambda x: deque([x], maxlen=next(lengths)))
    refused(step, pyautograd.ones(2))


def test_a_model_that_is_a_dataclass_stays_itself() -> None:
    @dataclasses.dataclass(eq=False)
    class Model(nn.Module):
        width: int

        def __post_init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(self.width, 1)

    model = Model(2)
    step = pyautograd.compile(lambda x: (model.layer(x).sum(), model))
    for _ in range(4):
        assert step(pyautograd.ones(1, 2))[1] is model


def test_run_takes_the_first_field_of_a_dataclass_as_the_loss() -> None:
    Out = dataclasses.make_dataclass("Out", ["loss", "rest"])
    step = pyautograd.compile(lambda x: Out(x.sum(), x))
    losses = step.run(pyautograd.ones(6, 2), batch_size=2, epochs=2)
    assert losses.tolist() == [4.0] * 6


class Box:
    def __init__(self) -> None:
        self.kept: Any = [pyautograd.zeros(2)]


def test_a_container_of_the_callers_is_returned_itself() -> None:
    box, table = Box(), {"h": pyautograd.zeros(2)}

    @pyautograd.compile
    def step(x: Tensor, batch: dict[str, Any]) -> Any:
        batch["out"] = x * 2
        table["h"] = x * 1.0
        return batch, box.kept, {"table": table}, x.sum()

    for k in range(6):
        if k == 4:
            box.kept = [pyautograd.ones(2)]
        batch: dict[str, Any] = {}
        mine, kept, outer, total = step(pyautograd.ones(2) * k, batch)
        assert mine is batch
        assert kept is box.kept
        assert outer["table"] is table
        assert (batch["out"].tolist(), table["h"].tolist(), total.item()) == ([2.0 * k] * 2, [float(k)] * 2, 2.0 * k)
    assert len(step.programs) == 1


@pytest.mark.parametrize("kept", [
    Output(pyautograd.ones(2), []), Pair(pyautograd.ones(2), "b"), (pyautograd.ones(2), [1.5]), {1, 2},
    types.SimpleNamespace(a=pyautograd.ones(2)), deque([pyautograd.ones(2)]), Rows([pyautograd.ones(2)]),
    Frozen(pyautograd.ones(2)),
], ids=lambda kept: type(kept).__name__)  # fmt: skip
def test_a_container_of_any_type_in_a_place_is_returned_itself(kept: Any) -> None:
    box = Box()
    box.kept = kept
    step = pyautograd.compile(lambda x: (box.kept, [box.kept], x * 2))
    for k in range(4):
        alone, (inside,), doubled = step(pyautograd.ones(2) * k)
        assert alone is kept and inside is kept
        assert doubled.tolist() == [2.0 * k] * 2


def test_an_object_that_is_an_argument_is_returned_itself() -> None:
    step = pyautograd.compile(lambda x, options: [options, x * options.k])
    options = types.SimpleNamespace(k=2.0)
    for _ in range(4):
        assert step(pyautograd.ones(2), options)[0] is options


def test_a_method_of_a_dataclass_returns_its_own_object_and_does_not_keep_it() -> None:
    @dataclasses.dataclass
    class Trainer:
        w: Tensor

        @pyautograd.compile
        def step(self, x: Tensor) -> Any:
            return self, self.w * x

    trainer = Trainer(pyautograd.ones(2))
    assert all(trainer.step(pyautograd.ones(2))[0] is trainer for _ in range(4))
    watched = weakref.ref(trainer)
    del trainer
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize(
    "make", [lambda y: [y], lambda y: {"a": y}, lambda y: (y, 1), lambda y: Output(y, [y]), lambda y: deque([y])]
)
def test_a_container_that_a_result_holds_twice_comes_back_as_one(make: Callable[[Tensor], Any]) -> None:
    def twice(x: Tensor) -> Any:
        made = make(x * 2)
        return {"first": made, "inside": [[made], x, made]}

    step = pyautograd.compile(twice)
    results = [step(pyautograd.ones(2) * k) for k in range(4)]
    for k, each in enumerate(results):
        (inner,), x, last = each["inside"]
        assert each["first"] is inner is last
        assert x.tolist() == [k] * 2
    assert len({id(each["first"]) for each in results}) == 4


def test_a_container_that_holds_itself_is_refused() -> None:
    box = Box()

    def returned(x: Tensor) -> Any:
        made: list[Any] = [x * 2]
        made.append({"it": made})
        return made

    def stored(x: Tensor) -> None:
        made = Output(x * 2, [])
        made.parts.append(made)
        box.kept = made

    for function, kind in ((returned, "list"), (stored, "Output")):
        step = pyautograd.compile(function)
        refused(step, pyautograd.ones(2), match=f"a {kind} that holds itself comes out of the step; return what it")
