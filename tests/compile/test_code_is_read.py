"""The code of a step is guarded as what it reads is: a changed function, class or import is followed at once."""

from __future__ import annotations

import collections
import copy
import dataclasses
import enum
import functools
import operator
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import pyautograd
from pyautograd import Tensor, nn
from pyautograd._guards import StepGuards

from .training import refused

factor = 2.0  # a global that steps read


@pytest.fixture(autouse=True)
def _globals() -> Iterator[None]:
    before = dict(globals())
    yield
    for name in [name for name in globals() if name not in before]:
        del globals()[name]
    globals().update(before)


def follows(function: Callable[[Tensor], Tensor], change: Callable[[], Any]) -> None:
    """The compiled function gives what the plain one gives, before and after a change that makes a difference."""
    step = pyautograd.compile(function)
    x = pyautograd.tensor([1.0, -2.0])
    before = function(x).tolist()
    assert [step(x).tolist() for _ in range(4)] == [before] * 4
    assert len(step.programs) == 1
    change()
    after = function(x).tolist()
    assert before != after
    assert [step(x).tolist() for _ in range(4)] == [after] * 4
    assert len(step.programs) == 2


def doubled(x: Tensor) -> Tensor:
    return x * 2


def tripled(x: Tensor) -> Tensor:
    return x * 3


def scaled(x: Tensor, by: Any = 2.0, *, plus: Any = 1.0) -> Tensor:
    return x * by + plus


# ---- functions ----


def fresh(function: Any) -> Any:
    """A copy of a function that a test may change."""
    found = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    found.__kwdefaults__ = copy.copy(function.__kwdefaults__)
    return found


def test_replaced_code_of_a_function_that_is_called_is_followed() -> None:
    helper = fresh(doubled)
    follows(lambda x: helper(x), lambda: setattr(helper, "__code__", tripled.__code__))


def test_replaced_code_of_the_step_itself_is_followed() -> None:
    helper = fresh(doubled)
    follows(helper, lambda: setattr(helper, "__code__", tripled.__code__))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: setattr(f, "__defaults__", (5.0,)),
        lambda f: setattr(f, "__kwdefaults__", {"plus": 7.0}),
        lambda f: operator.setitem(f.__kwdefaults__, "plus", 7.0),
    ],
)
def test_changed_defaults_are_followed(change: Callable[[Any], Any]) -> None:
    helper = fresh(scaled)
    follows(lambda x: helper(x), lambda: change(helper))


def test_a_changed_mutable_default_is_followed() -> None:
    table = [2.0]

    def helper(x: Tensor, table: list[float] = table) -> Tensor:
        return x * table[0]

    follows(lambda x: helper(x), lambda: operator.setitem(table, 0, 3.0))


def test_attributes_of_functions_are_followed() -> None:
    helper = fresh(doubled)
    helper.by = 2.0
    follows(lambda x: x * helper.by, lambda: setattr(helper, "by", 3.0))
    follows(lambda x: x * (4.0 if hasattr(helper, "n") else 5.0), lambda: setattr(helper, "n", 0))


def test_attributes_of_the_step_itself_are_followed() -> None:
    @pyautograd.compile
    def step(x: Tensor) -> Tensor:
        return x * step.by  # type: ignore[attr-defined,no-any-return]

    step.by = 2.0  # type: ignore[attr-defined]
    x = pyautograd.ones(1)
    assert [step(x).item() for _ in range(4)] == [2.0] * 4
    step.by = 3.0  # type: ignore[attr-defined]
    assert [step(x).item() for _ in range(4)] == [3.0] * 4


def test_an_object_of_another_class_has_the_step_of_that_class() -> None:
    class First:
        by = 2.0

        @pyautograd.compile
        def step(self, x: Tensor) -> Tensor:
            return x * self.by

    class Second(First):
        by = 3.0

    owner, x = First(), pyautograd.ones(1)
    assert [owner.step(x).item() for _ in range(4)] == [2.0] * 4
    owner.__class__ = Second
    assert [owner.step(x).item() for _ in range(4)] == [3.0] * 4


class Applied:
    """An object that is called."""

    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, x: Tensor) -> Tensor:
        return x * self.by


def test_functions_in_wrappers_and_containers_are_reached() -> None:
    def wrapped(make: Callable[[Any], Any]) -> None:
        helper = fresh(scaled)
        outer = make(helper)
        follows(lambda x: outer(x), lambda: setattr(helper, "__defaults__", (5.0,)))

    wrapped(lambda f: functools.partial(f, plus=2.0))
    wrapped(lambda f: staticmethod(f))
    wrapped(lambda f: functools.lru_cache(f).__wrapped__)
    wrapped(lambda f: functools.wraps(f)(lambda x: f(x)))
    wrapped(lambda f: functools.singledispatch(f))
    wrapped(lambda f: types.MethodType(lambda self, x: self(x), f))
    wrapped(lambda f: {"a": [lambda x: f(x)]}["a"][0])
    wrapped(lambda f: type("Box", (), {"go": staticmethod(f)})().go)
    wrapped(lambda f: type("Box", (), {"go": classmethod(lambda cls, x: f(x))})().go)
    wrapped(lambda f: type("Box", (), {"__call__": lambda self, x: f(x)})())


def test_what_wrappers_hold_is_followed() -> None:
    partial = functools.partial(scaled, plus=2.0)
    follows(lambda x: partial(x), lambda: operator.setitem(partial.keywords, "plus", 3.0))
    applied = Applied(2.0)
    follows(lambda x: applied(x), lambda: setattr(applied, "by", 3.0))
    table = {"f": [lambda x: x * 2]}
    follows(lambda x: table["f"][0](x), lambda: operator.setitem(table["f"], 0, lambda x: x * 3))


def test_a_dispatch_that_is_registered_later_is_followed() -> None:
    @functools.singledispatch
    def helper(x: Any) -> Any:
        return x * 2

    follows(lambda x: helper(x), lambda: helper.register(Tensor, tripled))


# ---- classes ----


class Base:
    by = 2.0

    def go(self, x: Tensor) -> Tensor:
        return x * self.by

    def other(self, x: Tensor) -> Tensor:
        return x + 7.0


def classes() -> Any:
    """An object of a class with two bases."""
    base = type("First", (Base,), dict(vars(Base)))
    return type("Third", (type("Second", (base,), {}),), {})()


@pytest.mark.parametrize(
    "change",
    [
        lambda o: setattr(type(o).__mro__[2], "go", Base.other),
        lambda o: setattr(type(o).__mro__[1], "go", Base.other),
        lambda o: setattr(type(o), "go", Base.other),
        lambda o: setattr(o, "go", lambda x: x * 9),
        lambda o: setattr(type(o).__mro__[2], "by", 3.0),
        lambda o: setattr(type(o), "by", 3.0),
        lambda o: setattr(o, "by", 3.0),
        lambda o: setattr(type(o), "__getattribute__", lambda self, name: lambda x: x * 9),
        lambda o: setattr(type(o), "__bases__", (type("Other", (Base,), {"by": 3.0}),)),
        lambda o: setattr(o, "__class__", type("Other", (Base,), {"by": 3.0})),
    ],
)
def test_whatever_changes_how_a_method_is_found_is_followed(change: Callable[[Any], Any]) -> None:
    owner = classes()
    follows(lambda x: owner.go(x), lambda: change(owner))


def test_methods_of_models_are_followed() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2

    net = Net()
    follows(lambda x: net(x), lambda: setattr(Net, "forward", lambda self, x: x * 3))
    follows(lambda x: net(x), lambda: setattr(net, "forward", lambda x: x * 4))
    follows(lambda x: nn.Sequential(nn.Tanh())(x) if net else x, lambda: setattr(Net, "__bool__", lambda self: False))


class Net(nn.Module):
    """A model that reads a number and a layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.by = 2.0
        self.layer = nn.LeakyReLU(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.by  # type: ignore[no-any-return]


def test_what_is_written_to_the_attributes_of_a_model_is_followed() -> None:
    net: Any = Net()
    held = net.__dict__
    follows(lambda x: net(x), lambda: operator.setitem(held, "by", 3.0))
    follows(lambda x: net(x), lambda: operator.setitem(vars(net.layer), "negative_slope", 0.25))
    net = Net()
    follows(lambda x: net(x), lambda: net.__dict__.update(by=4.0))
    follows(lambda x: net(x), lambda: setattr(net, "__dict__", {**vars(net), "by": 5.0}))
    net.by = 6.0
    follows(lambda x: net(x), lambda: operator.setitem(net.__dict__, "by", 7.0))
    assert [net._held is each for each in (vars(net), net.__dict__)] == [True, True]


def test_an_object_with_another_dict_is_followed() -> None:
    config = Config()
    follows(lambda x: x * config.by, lambda: setattr(config, "__dict__", {"by": 3.0}))


def test_a_layer_of_the_library_with_another_forward_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Sequential(nn.Tanh())
    follows(lambda x: net(x), lambda: monkeypatch.setattr(nn.Tanh, "forward", lambda self, x: x * 3))


def test_a_function_of_the_library_that_was_replaced_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    follows(lambda x: pyautograd.tanh(x), lambda: monkeypatch.setattr(pyautograd, "tanh", tripled))


def test_a_replaced_builtin_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    follows(lambda x: x * divmod(7, 3)[0], lambda: monkeypatch.setattr(builtins, "divmod", lambda a, b: (a, b)))


def test_properties_and_descriptors_are_followed() -> None:
    class Scaled:
        def __init__(self, by: float) -> None:
            self.scale = by

        def __get__(self, owner: Any, cls: Any) -> float:
            return self.scale

    class Box:
        hidden = 2.0
        described = Scaled(2.0)

        @property
        def by(self) -> float:
            return self.hidden

        @functools.cached_property
        def cached(self) -> float:
            return self.hidden

    box = Box()
    follows(lambda x: x * box.by, lambda: setattr(Box, "hidden", 3.0))
    follows(lambda x: x * box.by, lambda: setattr(Box, "by", property(lambda self: 4.0)))
    follows(lambda x: x * box.described, lambda: setattr(vars(Box)["described"], "scale", 3.0))
    assert box.cached
    follows(lambda x: x * box.cached, lambda: setattr(box, "cached", 8.0))


def test_attributes_that_are_looked_up_by_hand_are_followed() -> None:
    class Box:
        def __init__(self) -> None:
            self.table = {"by": 2.0}

        def __getattr__(self, name: str) -> float:
            return self.table[name]

    box = Box()
    follows(lambda x: x * box.by, lambda: operator.setitem(box.table, "by", 3.0))
    follows(lambda x: x * box.by, lambda: setattr(box, "by", 4.0))
    meta = type("Meta", (type,), {"by": 2.0})
    cls = meta("Made", (), {})
    follows(lambda x: x * cls.by, lambda: setattr(meta, "by", 3.0))  # type: ignore[attr-defined]


def test_a_counter_of_a_class_is_followed() -> None:
    class Counted:
        count = 1

    follows(lambda x: x * Counted.count, lambda: setattr(Counted, "count", 2))


def test_attributes_of_a_tensor_s_own_class_are_followed() -> None:
    class Scaled(Tensor):
        by = 2.0

        def go(self, x: Tensor) -> Tensor:
            return x * self.by

    w = Scaled([1.0])
    follows(lambda x: w.go(x), lambda: setattr(Scaled, "by", 3.0))
    v: Any = pyautograd.ones(1)
    follows(lambda x: x * getattr(v, "by", 1.0), lambda: setattr(v, "by", 3.0))


# ---- containers ----


class Pair(NamedTuple):
    first: float
    table: list[float]

    def go(self, x: Tensor) -> Tensor:
        return x * self.table[0] * factor


class Mode(enum.Enum):
    ONE = 1
    TWO = 2

    def go(self, x: Tensor) -> Tensor:
        return x * self.value * factor


class Named(dict[str, float]):
    by = 2.0

    def go(self, x: Tensor) -> Tensor:
        return x * self["a"] * self.by


@dataclasses.dataclass
class Config:
    by: float = 2.0
    unread: float = 1.0


@dataclasses.dataclass
class Slotted:
    __slots__ = ("by",)
    by: float


def test_the_order_of_dicts_is_followed() -> None:
    for table in ({"a": 2.0, "b": 3.0}, collections.OrderedDict(a=2.0, b=3.0), collections.Counter(a=2, b=3)):

        def step(x: Tensor, table: Any = table) -> Tensor:
            for value in table.values():
                x = x * value + 1
            return x

        follows(step, lambda table=table: operator.setitem(table, "a", table.pop("a")))  # type: ignore[misc]
    ordered = collections.OrderedDict(a=2.0, b=3.0)
    follows(lambda x: functools.reduce(lambda y, v: y * v + 1, ordered.values(), x), lambda: ordered.move_to_end("a"))


def test_contents_of_the_library_s_containers_are_followed() -> None:
    one, two = collections.UserDict(a=2.0), collections.UserList([2.0])
    follows(lambda x: x * one["a"], lambda: operator.setitem(one, "a", 3.0))
    follows(lambda x: x * two[0], lambda: operator.setitem(two, 0, 3.0))
    table = {"a": 2.0}
    chain, proxy = collections.ChainMap({}, table), types.MappingProxyType(table)
    follows(lambda x: x * chain["a"], lambda: operator.setitem(table, "a", 3.0))
    follows(lambda x: x * chain["a"], lambda: operator.setitem(chain, "a", 4.0))
    follows(lambda x: x * proxy["a"], lambda: operator.setitem(table, "a", 5.0))
    space = types.SimpleNamespace(by=2.0)
    follows(lambda x: x * space.by, lambda: setattr(space, "by", 3.0))
    members = {1, 2}
    follows(lambda x: x * len(members), lambda: members.add(3))
    recent = collections.deque([2.0], maxlen=1)
    follows(lambda x: x * recent[0], lambda: recent.append(3.0))
    default = collections.defaultdict(lambda: 1.0, a=2.0)
    follows(lambda x: x * default["a"], lambda: operator.setitem(default, "a", 3.0))


def test_containers_and_members_with_methods_of_their_own_are_followed() -> None:
    global factor
    named, pair, config, slotted = Named(a=2.0), Pair(1.0, [2.0]), Config(), Slotted(2.0)
    follows(lambda x: named.go(x), lambda: operator.setitem(named, "a", 3.0))
    follows(lambda x: named.go(x), lambda: setattr(named, "by", 3.0))
    follows(lambda x: pair.go(x), lambda: operator.setitem(pair.table, 0, 3.0))
    follows(lambda x: pair.go(x), lambda: globals().update(factor=3.0))
    follows(lambda x: Mode.TWO.go(x), lambda: globals().update(factor=4.0))
    mode = Mode.TWO
    follows(lambda x: mode.go(x), lambda: globals().update(factor=5.0))
    follows(lambda x: x * config.by, lambda: setattr(config, "by", 3.0))
    follows(lambda x: x * slotted.by, lambda: setattr(slotted, "by", 3.0))


# ---- names that are computed ----


def test_what_reads_an_object_as_a_whole_is_followed() -> None:
    config = Config()
    follows(lambda x: x * dataclasses.asdict(config)["by"], lambda: setattr(config, "by", 3.0))
    follows(lambda x: x * dataclasses.replace(config, unread=2.0).by, lambda: setattr(config, "by", 4.0))
    follows(lambda x: x * copy.copy(config).by, lambda: setattr(config, "by", 5.0))
    follows(
        lambda x: x * sum(getattr(config, field.name) for field in dataclasses.fields(config)),
        lambda: setattr(config, "by", 6.0),
    )
    follows(lambda x: x * vars(config)["by"], lambda: setattr(config, "by", 7.0))
    follows(lambda x: x * config.__dict__["by"], lambda: setattr(config, "by", 8.0))
    follows(lambda x: x * operator.attrgetter("by")(config), lambda: setattr(config, "by", 9.0))
    get, item = operator.attrgetter("by"), operator.itemgetter("a")
    table = {"a": 2.0}
    follows(lambda x: x * get(config), lambda: setattr(config, "by", 10.0))
    follows(lambda x: x * item(table), lambda: operator.setitem(table, "a", 11.0))
    name = "by"
    follows(lambda x: x * getattr(config, name), lambda: setattr(config, "by", 12.0))
    follows(lambda x: x * getattr(config, "later", 1.0), lambda: setattr(config, "later", 3.0))
    follows(lambda x: x * (2.0 if hasattr(config, "even_later") else 1.0), lambda: setattr(config, "even_later", 3.0))


def test_globals_and_expressions_by_a_constant_name_are_followed() -> None:
    follows(lambda x: x * globals()["factor"], lambda: globals().update(factor=3.0))
    follows(lambda x: x * globals().get("extra", 1.0), lambda: globals().update(extra=3.0))
    follows(lambda x: x * eval("factor + 1"), lambda: globals().update(factor=4.0))


def test_globals_and_expressions_by_a_computed_name_are_refused() -> None:
    name = "factor"
    x = pyautograd.ones(1)
    for step in (
        lambda x: x * globals()[name],
        lambda x: x * globals()["".join(name)],
        lambda x: x * globals()["fac" + name[3:]],
        lambda x: x * eval(name),
        lambda x: x * eval("".join(name)),
        lambda x: x * eval("1 + " + name),
        lambda x: x * __import__("".join(["ma", "th"])).pi,
        lambda x: x * len(globals()),
    ):
        assert "test_code_is_read.py:" in refused(pyautograd.compile(step), x, match="computed.*write the name")


@pytest.fixture
def helpers() -> Iterator[Any]:
    module: Any = types.ModuleType("some_helpers")
    module.by = 2.0
    module.go = fresh(doubled)
    sys.modules["some_helpers"] = module
    yield module
    del sys.modules["some_helpers"]


def test_imports_inside_the_step_are_followed(helpers: Any) -> None:
    def whole(x: Tensor) -> Tensor:
        import some_helpers  # type: ignore[import-not-found]

        return x * some_helpers.by  # type: ignore[no-any-return]

    def part(x: Tensor) -> Tensor:
        from some_helpers import by, go

        return go(x) * by  # type: ignore[no-any-return]

    def computed(x: Tensor) -> Tensor:
        return x * __import__("some_helpers").by  # type: ignore[no-any-return]

    follows(whole, lambda: setattr(helpers, "by", 3.0))
    follows(part, lambda: setattr(helpers, "by", 4.0))
    follows(part, lambda: setattr(helpers, "go", tripled))
    follows(computed, lambda: setattr(helpers, "by", 5.0))
    other: Any = types.ModuleType("some_helpers")
    other.by = 6.0
    follows(whole, lambda: operator.setitem(sys.modules, "some_helpers", other))


def test_attributes_of_modules_are_followed(helpers: Any) -> None:
    name = "by"
    follows(lambda x: x * helpers.by, lambda: setattr(helpers, "by", 3.0))
    follows(lambda x: x * getattr(helpers, name), lambda: setattr(helpers, "by", 4.0))
    helpers.__getattr__ = lambda name: helpers.by
    follows(lambda x: x * helpers.missing, lambda: setattr(helpers, "by", 5.0))
    follows(lambda x: x * helpers.missing, lambda: setattr(helpers, "missing", 6.0))


def test_a_plain_assert_in_a_step_is_no_obstacle() -> None:
    @pyautograd.compile
    def step(x: Tensor) -> Tensor:
        assert x.shape == (1,)
        return x * 2

    assert [step(pyautograd.ones(1)).item() for _ in range(4)] == [2.0] * 4


def test_methods_that_users_give_to_tensor_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "scaled_by_k", lambda self: self * 2.0, raising=False)
    step = pyautograd.compile(lambda x: x.scaled_by_k())
    x = pyautograd.ones(1)
    assert [step(x).item() for _ in range(4)] == [2.0] * 4
    monkeypatch.setattr(Tensor, "scaled_by_k", lambda self: self * 3.0)
    assert [step(x).item() for _ in range(4)] == [3.0] * 4


def test_names_that_our_packages_lack_are_not_looked_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    step = pyautograd.compile(lambda x: nn.functional.relu(x).half_of_it().sum())
    monkeypatch.setattr(Tensor, "half_of_it", lambda self: self / 2, raising=False)
    step(pyautograd.ones(3))
    places = StepGuards(step.__wrapped__)._places
    assert "nn.functional.relu" in places
    assert not [place for place in places if place.startswith("nn") and place.endswith(("half_of_it", "sum"))]


def test_what_a_package_of_ours_imports_when_it_is_used_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(pyautograd), "bilinear", raising=False)  # of `nn.functional`, by __getattr__
    weight = pyautograd.ones(1, 2, 2)
    follows(
        lambda x: pyautograd.bilinear(x, x, weight),
        lambda: monkeypatch.setattr(pyautograd, "bilinear", lambda a, b, w: a * b, raising=False),
    )
