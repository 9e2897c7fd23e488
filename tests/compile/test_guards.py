"""Guards, the rows that programs check before each call: each kind notices its change and nothing else."""

import copy
import gc
import pickle
import weakref
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pyautograd
from pyautograd import _core, scalar
from pyautograd._c import lib
from pyautograd._core import Guards


def cell_of(value: Any) -> tuple[Any, Callable[[Any], None]]:
    """A closure's cell, and a way to fill it."""
    held = value

    def read() -> Any:
        return held

    def write(new: Any) -> None:
        nonlocal held
        held = new

    assert read.__closure__ is not None
    return read.__closure__[0], write


def new_tuple(*members: Any) -> tuple[Any, ...]:
    """Not the one that the compiler would share."""
    return members


def test_a_filled_cell_fails_until_it_is_rearmed() -> None:
    cell, write = cell_of(1)
    guards = Guards()
    assert guards.referents(cell) == 0
    assert guards.check() == -1
    write(2)
    assert guards.check() == 0
    guards.rearm(0)
    assert guards.check() == -1


def test_an_empty_cell_fails_when_it_is_filled() -> None:
    def function() -> Any:
        return later

    guards = Guards()
    guards.referents(function.__closure__[0])  # type: ignore[index]
    assert guards.check() == -1
    later = 1
    assert guards.check() == 0


@pytest.mark.parametrize(
    ("before", "equal", "other"),
    [
        (1.5, float("1.5"), 2.5),
        (0.0, float("0.0"), -0.0),
        (float("nan"), float("nan"), 1.0),
        (10**30, 10**30 + 0, 10**30 + 1),
        (1, 1, True),
        (1, 1, 1.0),
        ("word", "".join(["wo", "rd"]), "words"),
        (b"word", bytes(bytearray(b"word")), "word"),
        ((1, (2.0, "x")), new_tuple(1, new_tuple(2.0, "x")), (1, (2.0, "y"))),
        ((1, 2), new_tuple(1, 2), (1, 2, 3)),
        (None, None, False),
        (np.float64(2.0), np.float64(2.0), 2.0),
    ],
)
def test_a_constant_fails_unless_the_new_one_is_equal_in_type_and_bits(before: Any, equal: Any, other: Any) -> None:
    table = {"key": before}
    guards = Guards()
    guards.item(table, "key")
    table["key"] = equal
    assert guards.check() == -1
    table["key"] = other
    assert guards.check() == 0


def test_an_object_fails_when_an_equal_one_takes_its_place() -> None:
    table: dict[str, Any] = {"key": [1]}
    guards = Guards()
    guards.item(table, "key")
    table["key"] = [1]
    assert guards.check() == 0


def test_a_missing_item_fails_when_it_appears() -> None:
    table: dict[Any, Any] = {}
    guards = Guards()
    guards.item(table, (1, "key"))
    assert guards.check() == -1
    table[1, "key"] = None
    assert guards.check() == 0


def test_containers_fail_when_their_members_or_their_length_change() -> None:
    members, recent, table = [1, "a", (2,)], deque([1, 2]), {1: 2}
    guards = Guards()
    assert [guards.members(members), guards.members(recent), guards.length(table)] == [0, 1, 2]
    members[2] = new_tuple(2)
    assert guards.check() == -1
    members.append(3)
    assert guards.check() == 0
    del members[3]
    recent.rotate()
    assert guards.check() == 1
    recent.rotate()
    table[2] = 3
    assert guards.check() == 2


def test_rearming_with_another_list_guards_that_one() -> None:
    first, second = [1], [2, 3]
    guards = Guards()
    guards.members(first)
    guards.rearm(0, second)
    first.append(4)
    assert guards.check() == -1
    second.append(4)
    assert guards.check() == 0


def test_a_set_fails_when_its_members_change() -> None:
    members = {1, 2}
    guards = Guards()
    guards.members(members)
    members.add(3)
    assert guards.check() == 0
    members.discard(3)
    assert guards.check() == -1


def test_a_dict_fails_when_its_keys_come_in_another_order() -> None:
    table = {1: 2, "a": 3}
    guards = Guards()
    guards.members(table)
    table[1] = 5
    assert guards.check() == -1
    table[1] = table.pop(1)
    assert guards.check() == 0


def test_a_function_fails_when_its_code_its_defaults_or_its_attributes_are_others() -> None:
    def function(a: int = 1, *, b: int = 2) -> None: ...

    def other(a: int = 1, *, b: int = 2) -> None: ...

    for name in ("__code__", "__defaults__", "__kwdefaults__"):
        before = getattr(function, name)
        guards = Guards()
        guards.referents(function)
        assert guards.check() == -1
        setattr(function, name, None if name != "__code__" else other.__code__)
        assert guards.check() == 0
        setattr(function, name, before)
        assert guards.check() == -1


def test_a_class_fails_when_its_bases_are_others_and_an_object_when_its_class_is() -> None:
    class First: ...

    class Second(First): ...

    class Third(Second): ...

    owner = Third()
    guards = Guards()
    guards.referents(Third)
    guards.object(owner)
    assert guards.check() == -1
    Third.__bases__ = (First,)
    assert guards.check() == 0
    Third.__bases__ = (Second,)
    assert guards.check() == -1
    owner.__class__ = Second  # type: ignore[assignment]
    assert guards.check() == 1
    owner.__class__ = Third
    owner.__dict__ = {}
    assert guards.check() == 1


def test_an_attribute_fails_when_it_changes_and_a_slot_when_it_is_filled() -> None:
    class Slotted:
        __slots__ = ("a",)

    owner, slotted = SimpleNamespace(a=1), Slotted()
    guards = Guards()
    guards.attribute(owner, "a")
    guards.attribute(slotted, "a")
    assert guards.check() == -1
    slotted.a = 1
    assert guards.check() == 1
    owner.a = 2
    assert guards.check() == 0


def test_what_an_attribute_raises_passes_through() -> None:
    class Failing:
        fail = False

        @property
        def a(self) -> int:
            if self.fail:
                raise KeyError("mine")
            return 1

    owner = Failing()
    guards = Guards()
    guards.attribute(owner, "a")
    assert guards.check() == -1
    owner.fail = True
    with pytest.raises(KeyError, match="mine"):
        guards.check()


def test_guards_are_not_changed_by_what_a_check_runs() -> None:
    guards = Guards()

    class Changing:
        on = False

        @property
        def a(self) -> int:
            if self.on:
                guards.members([1])
            return 1

    owner = Changing()
    guards.attribute(owner, "a")
    owner.on = True
    with pytest.raises(RuntimeError, match="while they are checked"):
        guards.check()


def test_a_neuron_fails_when_its_nonlinearity_or_its_list_of_weights_changes() -> None:
    neuron = scalar.Neuron(2)
    guards = Guards()
    guards.neuron(neuron)
    neuron.w[0] = neuron.w[1]
    assert guards.check() == -1  # the list's members have a row of their own
    neuron.nonlin = False
    assert guards.check() == 0
    guards.rearm(0)
    neuron.w = list(neuron.w)
    assert guards.check() == 0


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[:, ::-1, ::2],
        lambda a: a.T,
        lambda a: a[1],
        lambda a: a[0, 0, 0:0],
        lambda a: a[:, 1, 2][..., None],
    ],
)
def test_an_array_fails_when_one_of_its_numbers_changes(view: Callable[[Any], Any]) -> None:
    base = np.arange(24.0).reshape(2, 3, 4)
    array = view(base)
    guards = Guards()
    address = array.__array_interface__["data"][0]
    guards.memory(array, address, array.itemsize, array.shape, array.strides)
    assert guards.check() == -1
    for index in np.ndindex(array.shape):
        before = array[index]
        array[index] = -1.0
        assert guards.check() == 0
        array[index] = before
    assert guards.check() == -1
    array[...] = 7.0
    if array.size:
        assert guards.check() == 0
        guards.rearm(0)
    assert guards.check() == -1


def test_modes_fail_when_they_are_switched() -> None:
    guards = Guards()
    guards.modes()
    with pyautograd.no_grad():
        assert guards.check() == 0
    assert guards.check() == -1
    pyautograd.set_default_dtype(pyautograd.float64)
    try:
        assert guards.check() == 0
    finally:
        pyautograd.set_default_dtype(pyautograd.float32)


def test_rows_by_epoch_are_checked_when_it_moves() -> None:
    table = {"key": 1}
    guards = Guards()
    guards.item(table, "key", True)
    assert guards.check() == -1
    table["key"] = 2
    assert guards.check() == -1
    _core.bump_epoch()
    assert [guards.check(), guards.check()] == [0, 0]
    table["key"] = 1
    assert guards.check() == -1


def test_modules_move_the_epoch() -> None:
    model = pyautograd.nn.Sequential(pyautograd.nn.Dropout(0.5), pyautograd.nn.Dropout(0.5))

    def change(action: Callable[[], Any], owner: Any, name: str) -> None:
        guards = Guards()
        guards.item(vars(owner), name, True)
        assert guards.check() == -1
        action()
        assert guards.check() == 0

    change(lambda: setattr(model[0], "p", 0.25), model[0], "p")
    change(lambda: model.eval(), model[1], "training")
    change(lambda: setattr(model, "extra", 1), model, "extra")
    change(lambda: delattr(model, "extra"), model, "extra")
    change(lambda: model.append(pyautograd.nn.Tanh()), model, "2")
    change(lambda: model.pop(), model, "2")


def test_a_module_whose_attributes_were_read_from_outside_is_checked_at_each_call() -> None:
    module: Any = pyautograd.nn.Dropout(0.5)
    guards = Guards()
    guards.item(module._held, "p", True)
    for way in (copy.copy, copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))):
        assert vars(way(module)) == module._held and guards.check() == -1
    module._held["p"] = 0.25
    assert guards.check() == -1
    held = vars(module)
    assert guards.check() == 0
    held["p"] = 0.5
    assert guards.check() == -1
    held["p"] = 0.25
    assert guards.check() == 0


def test_wrong_owners_are_refused_and_add_no_row() -> None:
    guards: Any = Guards()
    array = np.zeros((1,) * 9)
    for call, error in [
        (lambda: guards.referents(1), TypeError),
        (lambda: guards.item([], 1), TypeError),
        (lambda: guards.length(1), TypeError),
        (lambda: guards.members(1), TypeError),
        (lambda: guards.neuron(1), TypeError),
        (lambda: guards.referents(int), TypeError),
        (lambda: guards.attribute(1, 2), TypeError),
        (lambda: guards.memory(array, 1, 8, array.shape, array.strides), ValueError),
        (lambda: guards.rearm(0), IndexError),
        (lambda: guards.holds(5), IndexError),
    ]:
        with pytest.raises(error):
            call()
    assert len(guards) == 0 and guards.check() == -1


def test_a_cycle_through_guards_is_collected() -> None:
    class Owner:
        guards: Guards

    owner = Owner()
    owner.guards = Guards()
    owner.guards.attribute(owner, "guards")
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


def test_guards_without_memory_keep_what_they_were() -> None:
    members, neuron, array = [object() for _ in range(300)], scalar.Neuron(2), np.arange(1000.0)
    address = array.__array_interface__["data"][0]
    failures = 0
    for n in range(100):
        guards = Guards()
        lib.pa_memory_fail_after(n)
        try:
            for _ in range(20):
                guards.members(members)
                guards.neuron(neuron)
                guards.memory(array, address, 8, array.shape, array.strides)
                guards.rearm(0)
        except MemoryError:
            failures += 1
        finally:
            lib.pa_memory_fail_after(-1)
        assert guards.check() == -1
    assert failures > 50
