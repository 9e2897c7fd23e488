"""Whatever way a step finds something in an object, a change of it is followed by the next call."""

from __future__ import annotations

import collections
import contextlib
import functools
import gc
import operator
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pyautograd
from pyautograd import Tensor

from .test_code_is_read import follows
from .training import refused


class Config:
    def __init__(self, by: float = 2.0) -> None:
        self.by = by
        self.unread = 1.0

    def __str__(self) -> str:
        return f"by {self.by}"


def test_what_patterns_read_is_followed() -> None:
    def by_name(x: Tensor) -> Tensor:
        match config:
            case Config(by=by):
                return x * by
        return x

    config = Config()
    follows(by_name, lambda: setattr(config, "by", 3.0))


def test_what_formatting_reads_is_followed() -> None:
    config = Config()
    table = {"by 2.0": 2.0, "by 3.0": 3.0, "by 4.0": 4.0, "by 5.0": 5.0}
    follows(lambda x: x * table[str(config)], lambda: setattr(config, "by", 3.0))
    follows(lambda x: x * table[f"{config}"], lambda: setattr(config, "by", 4.0))
    follows(lambda x: x * table["%s" % config], lambda: setattr(config, "by", 5.0))  # noqa: UP031
    follows(lambda x: x * table["{}".format(config)], lambda: setattr(config, "by", 2.0))  # noqa: UP032


def test_keys_of_dicts_and_members_of_sets_are_read() -> None:
    key = Config()
    table, members = {key: 1.0}, frozenset({key})
    follows(lambda x: x * sum(each.by for each in table), lambda: setattr(key, "by", 3.0))
    follows(lambda x: x * sum(each.by for each in members), lambda: setattr(key, "by", 4.0))


def test_names_of_classes_and_functions_are_read() -> None:
    class Box:
        pass

    def helper() -> None: ...

    follows(lambda x: x * len(Box.__name__), lambda: setattr(Box, "__name__", "Larger"))
    follows(lambda x: x * len(helper.__name__), lambda: setattr(helper, "__name__", "longer_name"))


def test_the_attributes_of_a_compiled_method_s_object_are_read() -> None:
    class Owner:
        def __init__(self) -> None:
            self.by = 2.0

        @pyautograd.compile
        def step(self, x: Tensor) -> Tensor:
            return x * self.by

    class Slotted:
        __slots__ = ("__weakref__", "by")

        @pyautograd.compile
        def step(self, x: Tensor) -> Tensor:
            return x * self.by  # type: ignore[no-any-return]

    def replace(owner: Any) -> None:
        owner.__dict__ = {"by": 3.0}

    def write(owner: Any) -> None:
        owner.by = 3.0

    for kind, change in ((Owner, replace), (Owner, write), (Slotted, write)):
        owner: Any = kind()
        owner.by = 2.0
        assert [owner.step(pyautograd.ones(1)).item() for _ in range(4)] == [2.0] * 4
        change(owner)
        assert [owner.step(pyautograd.ones(1)).item() for _ in range(4)] == [3.0] * 4
        gone = weakref.ref(owner)
        del owner
        gc.collect()
        assert gone() is None  # its step does not keep it alive


def test_views_of_containers_are_read() -> None:
    table, data = {"a": 2.0}, bytearray(b"\x02")
    items, values, view = table.items(), table.values(), memoryview(data)
    get = table.__getitem__
    follows(lambda x: x * sum(value for _, value in items), lambda: operator.setitem(table, "a", 3.0))
    follows(lambda x: x * sum(values), lambda: operator.setitem(table, "a", 4.0))
    follows(lambda x: x * get("a"), lambda: operator.setitem(table, "a", 5.0))
    follows(lambda x: x * view[0], lambda: operator.setitem(data, 0, 3))


def test_tables_by_weak_reference_are_read() -> None:
    owner, config = Config(), Config()
    table = weakref.WeakKeyDictionary({owner: 2.0})
    reference = weakref.ref(config)
    follows(lambda x: x * table[owner], lambda: operator.setitem(table, owner, 3.0))
    follows(lambda x: x * reference().by, lambda: setattr(config, "by", 3.0))  # type: ignore[union-attr]


def test_values_of_enums_are_read() -> None:
    import enum

    class Mode(enum.Enum):
        ONE = 1.0
        TWO = (2.0, 3.0)

    follows(lambda x: x * Mode.ONE.value, lambda: setattr(Mode.ONE, "_value_", 4.0))
    mode = Mode.TWO
    follows(lambda x: x * mode.value[0], lambda: setattr(mode, "_value_", (5.0, 3.0)))


def test_functions_in_decorators_of_the_library_are_read() -> None:
    factors = [2.0]

    @contextlib.contextmanager
    def scaling() -> Iterator[float]:
        yield factors[0]

    def step(x: Tensor) -> Tensor:
        with scaling() as by:
            return x * by

    follows(step, lambda: operator.setitem(factors, 0, 3.0))


def test_methods_found_by_super_and_metaclasses_are_read() -> None:
    class Meta(type):
        by = 2.0

        def __call__(cls, *args: Any) -> Any:
            made = super().__call__(*args)
            made.by = cls.by
            return made

    class Base(metaclass=Meta):
        factor = 2.0

        def go(self, x: Tensor) -> Tensor:
            return x * self.factor

    class Child(Base):
        def __init__(self) -> None:
            self.log: list[float] = []

        def go(self, x: Tensor) -> Tensor:
            return super().go(x) + 1

    child = Child()
    follows(lambda x: child.go(x), lambda: setattr(Base, "factor", 3.0))
    follows(lambda x: x * Child().by, lambda: setattr(Meta, "by", 3.0))  # type: ignore[attr-defined]
    step = pyautograd.compile(lambda x: child.go(x))
    for _ in range(5):
        step(pyautograd.ones(1))
        child.log.append(1.0)  # which go() does not read
    assert len(step.programs) == 1


def test_functions_as_defaults_partial_methods_and_generators_are_read() -> None:
    factors = {"by": 2.0}

    def helper(x: Tensor, f: Any = lambda x: x * factors["by"]) -> Tensor:
        return f(x)  # type: ignore[no-any-return]

    class Box:
        def scaled(self, x: Tensor, by: float) -> Tensor:
            return x * by * factors["by"]

        doubled = functools.partialmethod(scaled, by=2.0)

        @functools.singledispatchmethod
        def dispatched(self, x: Any) -> Any:
            return x * factors["by"]

        def __iter__(self) -> Iterator[float]:
            yield from factors.values()

    box = Box()
    follows(lambda x: helper(x), lambda: operator.setitem(factors, "by", 3.0))
    follows(lambda x: box.doubled(x), lambda: operator.setitem(factors, "by", 4.0))
    follows(lambda x: box.dispatched(x), lambda: operator.setitem(factors, "by", 5.0))
    follows(lambda x: sum((x * by for by in box), x), lambda: operator.setitem(factors, "by", 6.0))


def test_numbers_and_strings_with_attributes_are_read() -> None:
    class Rate(float):
        by = 2.0

    rate = Rate(1.0)
    follows(lambda x: x * rate * rate.by, lambda: setattr(rate, "by", 3.0))


def test_containers_in_containers_in_objects_are_read() -> None:
    class Tree:
        def __init__(self) -> None:
            self.children: list[Any] = [{"leaf": (collections.deque([2.0]), Config())}]

    tree = Tree()
    follows(lambda x: x * tree.children[0]["leaf"][0][0], lambda: tree.children[0]["leaf"][0].appendleft(3.0))
    follows(lambda x: x * tree.children[0]["leaf"][1].by, lambda: setattr(tree.children[0]["leaf"][1], "by", 3.0))


def test_an_attribute_that_appears_is_followed() -> None:
    class Box:
        pass

    box = Box()

    def step(x: Tensor) -> Tensor:
        try:
            return x * box.by  # type: ignore[attr-defined,no-any-return]
        except AttributeError:
            return x

    follows(step, lambda: setattr(box, "by", 3.0))
    follows(step, lambda: delattr(box, "by"))
    follows(step, lambda: setattr(Box, "by", 4.0))


def test_modules_found_in_the_table_of_modules_are_refused() -> None:
    step = pyautograd.compile(lambda x: x * len(sys.modules[__name__].__name__))
    refused(step, pyautograd.ones(1), match=r"sys\.modules")


def test_lists_in_a_dict_that_are_only_appended_to_may_grow() -> None:
    def script() -> Any:
        metrics: dict[str, list[float]] = {"loss": [], "size": []}

        def step(x: Tensor) -> Tensor:
            metrics["loss"].append(x.sum().item())
            metrics["size"].append(x.abs().sum().item())
            return x * 2

        return step, metrics

    (plain, expected), (function, metrics) = script(), script()
    step = pyautograd.compile(function)
    for n in range(6):
        x = pyautograd.full((2,), n - 3.0)
        assert step(x).tolist() == plain(x).tolist()
        assert metrics == expected
    assert len(step.programs) == 1


def test_lists_in_a_dict_that_is_read_as_a_whole_are_guarded() -> None:
    metrics: dict[str, list[float]] = {"loss": []}

    def step(x: Tensor) -> Tensor:
        if len(x) > 5:
            metrics["loss"].append(0.0)
        return x * sum(len(values) for values in metrics.values())

    follows(step, lambda: metrics["loss"].append(1.0))
