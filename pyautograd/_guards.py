"""The guards of a compiled step: is what it reads besides its arguments what it was when it was recorded?

    places that _walk.py has found ─┬─ compared before each call           rows of `_core.Guards`
                                    ├─ tensors that may be replaced        exchanged where they are alike
                                    ├─ what a recorded call has put there  puts
                                    └─ options of optimisers               handed to C again where they have changed

Numbers that the step itself puts into places are inputs of its programs, and not compared.
"""

from __future__ import annotations

import pickle
import random
import weakref
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pyautograd import _core
from pyautograd._core import Node
from pyautograd._puts import APPEND, Outputs, Put, is_alike
from pyautograd._signature import Call
from pyautograd._structure import Constant, Held, leaf_paths
from pyautograd._walk import ATOMS, Spot, Walk, first_names

__all__ = ["StepGuards"]

Exchange = Callable[[tuple[tuple[Node, Node], ...]], bool]  # of tensors that a program reads, old and new

_OWNER = Spot(-1)


class StepGuards:
    """Guards over all that a function reads, as it is now.

    `owner`: the object whose method it is; `arguments`: objects among its arguments, with their names; `numbers`: the
    places into which earlier calls have put a number.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        owner: Any = None,
        arguments: Sequence[tuple[Any, str]] = (),
        numbers: Collection[str] = (),
    ) -> None:
        names = first_names(function)
        while True:  # code decides by its names which methods are walked, and these mention more names
            walk = Walk(function, [(owner, "self"), *arguments], names)
            found = walk.found()
            if found == names:
                break
            names = found
        self.rows = walk.rows
        self._places = walk.places
        self._groups = walk.groups
        self._optimizers = walk.optimizers
        self.appended = walk.appended
        self._spots = walk.spots
        self._containers = walk.containers
        self._owner = weakref.ref(owner) if owner is not None else lambda: None
        self._owned = walk.owned
        self._values = walk.values
        self._of_classes = walk.of_classes
        self._appended_to = walk.lists
        self._sequences = walk.sequences
        self._numbers = [
            Spot(i) for i in walk.values if self._places[i] in numbers and type(self.rows.value(i)) is float
        ]
        for guard, held in walk.sequences.items():
            if isinstance(held, list) and any(f"{self._places[guard]}[{k}]" in numbers for k in range(len(held))):
                self._numbers += [Spot(guard, k) for k, member in enumerate(held) if type(member) is float]
        self._refreshes: dict[int, Any] = dict(walk.groups)
        self._plan_rows: dict[int, tuple[int, int]] = {}
        self.changeable = list(walk.nodes.values()), walk.optimizers
        self._random = walk.random
        self._given: set[int] = set()  # ids of tensors in places of a program for which they are arguments too
        self.begin()
        self.has_tensor_options = bool(self._tensor_options)

    def begin(self) -> None:
        """Notes what no guard compares, before a call that is recorded."""
        self.refused: list[Any] = []  # containers that the recorded step has changed as no program would
        self._lists = [(list_, place, len(list_)) for list_, place in self._appended_to]
        self._random_before = [_state_of(source) for source in self._random]
        self._tensor_options = [  # which change in place
            (value, value._version)
            for optimizer in self._optimizers
            for group in optimizer.param_groups
            for value in group.values()
            if isinstance(value, Node)
        ]

    def found(self) -> set[int]:
        """The ids of the tensors, containers and numbers that the function can reach."""
        return set(self._spots) | {id(self.rows.value(i)) for i in self._values}

    def held(self) -> dict[int, Constant]:
        """The containers in places, which a step may return: objects are compared, others may stand there too."""
        found: dict[int, Constant] = {
            key: Held(spots[0], each) for key, (each, spots) in self._spots.items() if not isinstance(each, Node)
        }
        for key, (each, spot) in self._containers.items():
            found[key] = Held(spot, each) if isinstance(each, tuple) else Constant(each)
        owner = self._owner()
        if owner is not None:
            found[id(owner)] = Held(_OWNER, owner)
        return found

    def held_at(self, spot: Spot) -> Any:
        """What stands in a place, or the object whose method the step is."""
        return self._owner() if spot is _OWNER else self._at(spot, expected=False)

    # ---- a recorded call ----

    @contextmanager
    def stand_ins(self) -> Iterator[None]:
        """Traced scalars in the places into which the step puts numbers, which are the inputs behind the arguments."""
        numbers = [(spot, self._now_at(spot)) for spot in self._numbers]
        stood_in = [(spot, number, _core.record_number(number)) for spot, number in numbers]
        try:
            for spot, _, stand_in in stood_in:
                self.rows.put(spot.guard, spot.member, stand_in)
            yield
        finally:
            for spot, number, stand_in in stood_in:
                if self._now_at(spot) is stand_in:
                    self.rows.put(spot.guard, spot.member, number)

    def _now_at(self, spot: Spot) -> Any:
        found = self.rows.value(spot.guard)
        return found[spot.member] if 0 <= spot.member < len(found) else found

    def changed(self, outputs: Outputs) -> tuple[list[Put], str | None]:
        """What the recorded step has put into places, and a sentence about what it has changed otherwise, or None."""
        puts: list[Put] = []
        problem = None
        for guard, place in enumerate(self._places if self.rows.check() >= 0 else ()):
            if not self.rows.holds(guard):
                found = self._puts_at(guard, place, outputs)
                if found is None and not self._is_unpickled(guard):
                    self.refused.append(self._sequences.get(guard))
                    problem = problem or (
                        f"the step changes {place} itself, and a program would not: do that outside, or in a "
                        "function given to host_call, or return the new value"
                    )
                puts += found or []
        for appended, place, n in self._lists:
            if len(appended) < n:
                problem = problem or f"the step removes members of {place}, and a program would not: do that outside"
            more = enumerate(appended[n:], n)
            puts += [Put(place, *outputs.take(each), APPEND, list=appended, position=i) for i, each in more]
        return puts, problem or self._other_changes()

    def _puts_at(self, guard: int, place: str, outputs: Outputs) -> list[Put] | None:
        """What the step has put there; None where it is nothing that a program has."""
        now, before = self.rows.value(guard), self.rows.value(guard, True)
        if guard in self._values:
            pairs = [(-1, place, now)]
        elif isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
            pairs = [(i, f"{place}[{i}]", new) for i, (old, new) in enumerate(zip(before, now)) if old is not new]
        else:
            return None
        puts = [Put(name, *outputs.take(value), guard=guard, member=member) for member, name, value in pairs]
        return puts if all(put.results for put in puts) else None

    def _is_unpickled(self, guard: int) -> bool:
        """Has a class got equal members, as where another thread unpickles it? The next call is recorded again."""
        return guard in self._of_classes and _is_equal(self.rows.value(guard, True), self.rows.value(guard))

    def _other_changes(self) -> str | None:
        if any(tensor._version != version for tensor, version in self._tensor_options):
            return (
                "the step writes to an option of its optimiser, which a program would not read again: do that outside"
            )
        for source, before in zip(self._random, self._random_before):
            if _state_of(source) != before:
                name = "numpy.random" if source is np.random else type(source).__module__.lstrip("_")
                return (
                    f"the step draws from {name}, which is Python's and not repeated by a program: draw outside and "
                    "pass the numbers as arguments, or use pyautograd's rand, randn or dropout"
                )
        return None

    def set_places(self, log: _core.Recording, puts: list[Put]) -> str | None:
        """Tells the log by which places the step knows captured tensors, and what it puts there.

        Returns what keeps a program from being made: of places that hold one tensor, the step exchanges only some.
        """
        put_at: dict[Spot, int] = {}
        for put in puts:
            if put.guard >= 0:
                paths = leaf_paths(put.structure)
                put_at |= {Spot(put.guard, put.member, path): result for path, result in zip(paths, put.results)}
        taken: set[int] = set()
        for node, spots in self._spots.values():
            next_ones = {put_at.get(spot, -1) for spot in spots}
            place = "|".join(f"{self._places[spot.guard]}{spot[1:]}" for spot in spots)
            next_one = next_ones.pop() if len(next_ones) == 1 else -1
            if isinstance(node, Node) and log.set_place(node, zlib.crc32(place.encode()) >> 1, next_one):
                if next_ones or next_one in taken:
                    return f"the step puts one tensor into several places, or one of several that are the same: {place}"
                taken |= {next_one} - {-1}
        return None

    def number_places(self) -> tuple[int, ...]:
        """The guards, with the member, in whose places the inputs behind the arguments stand.

        Any float may be there from now on.
        """
        for spot in self._numbers:
            self.rows.accept(spot.guard, float)
        return tuple([number for spot in self._numbers for number in (spot.guard, spot.member)])

    def given_too(self, call: Call) -> tuple[tuple[int, str], ...]:
        """Which arguments stand in places that the step knows as well, and in which."""
        found = [(slot, spot) for slot, leaf in enumerate(call.leaves) for spot in self._spots_of(leaf)]
        tensors = [(slot, f"{self._places[spot.guard]}{spot[1:]}") for slot, spot in found]
        places = enumerate(map(self.place_of, call.containers))
        return tuple(tensors + [(-1 - number, place) for number, place in places if place is not None])

    def name_of(self, node: Node) -> str:
        """The first place where the step knows a tensor."""
        return self._places[self._spots[id(node)][1][0].guard]

    def place_of(self, container: Any) -> str | None:
        """Where the step knows a container that is an argument as well; None where it does not."""
        guard = self.rows.about(container)
        lists = (place for appended, place, _ in self._lists if appended is container)
        return self._places[guard] if guard >= 0 else next(lists, None)

    def share(self, leaves: list[Any]) -> tuple[tuple[int, ...], dict[int, Any]]:
        """Pairs of an argument and the guard in whose place it has to stand too; and those that must be themselves."""
        pairs: list[int] = []
        themselves = {}
        for slot, leaf in enumerate(leaves):
            spots = self._spots_of(leaf)
            if any(spot[1:] != (-1, ()) for spot in spots):
                themselves[slot] = leaf
                self._given.add(id(leaf))
                continue
            for spot in spots:
                self.rows.accept(spot.guard, object)
                pairs += [slot, spot.guard]
        return tuple(pairs), themselves

    def _spots_of(self, leaf: Any) -> list[Spot]:
        return self._spots[id(leaf)][1] if id(leaf) in self._spots else []

    # ---- is all as it was? ----

    def broken(self) -> str | None:
        """What is no longer as it was, other than options of optimisers and tensors; None where nothing is."""
        if self.rows.check() < 0:
            return None
        moved = _Moves()
        for guard, place in enumerate(self._places):
            if guard in self._refreshes:  # which a program made of it has still to hear of
                continue
            if not self.rows.holds(guard) and not self._is_alike(guard, moved):
                return place
        return None if moved.differ() else "which places hold the same tensor"

    def arm(self) -> None:
        """Adds guards for the optimisers' plans, which the recorded steps have made."""
        for optimizer in self._optimizers:
            self._arm_plans(optimizer)

    def _arm_plans(self, optimizer: Any) -> None:
        plans = optimizer._prepare()
        rows = self._plan_rows.get(id(optimizer))
        if rows is None:
            rows = self._plan_rows[id(optimizer)] = (
                self.rows.item(vars(optimizer), "_plans"),
                self.rows.members(plans),
            )
            self._places += ["the state of an optimiser"] * 2
            self._refreshes |= dict.fromkeys(rows, optimizer)
        self.rows.rearm(rows[0])
        self.rows.rearm(rows[1], plans)

    def refresh(self, exchange: Exchange) -> tuple[str | None, bool]:
        """Hands changed options of optimisers to C, and tensors that stand in the places of others to the program.

        Returns what else is no longer as it was, and whether something was handed on.
        """
        refreshed = False
        while (guard := self.rows.check()) >= 0:
            optimizer = self._refreshes.get(guard)
            refreshed = True
            if optimizer is None:
                if not self._move(exchange):
                    return self._places[guard], refreshed
                continue
            before = optimizer._plans
            plans = optimizer._prepare()
            self.rows.rearm(guard)
            if plans is not before:
                self._arm_plans(optimizer)
        return None, refreshed

    def _move(self, exchange: Exchange) -> bool:
        """Takes tensors and containers that stand in the places of others as what they stand for, if all are alike."""
        moved, guards = _Moves(), []
        for guard in range(len(self._places)):
            if guard not in self._refreshes and not self.rows.holds(guard):
                if not self._is_alike(guard, moved):
                    return False
                guards.append(guard)
        updated = {id(p) for each in self._optimizers for group in each.param_groups for p in group["params"]}
        news = {id(new) for _, new, _ in moved.moves.values()}
        places = {id(self._at(spots[0], expected=True)): len(spots) for _, spots in self._spots.values()}
        if len(places) < len(self._spots) or not moved.differ() or news & (places.keys() - moved.moves.keys()):
            return False  # which places hold the same is no longer as it was
        if self._given & moved.moves.keys():
            return False  # the program stands on an argument's being there
        if updated & (news | moved.moves.keys()):
            return False  # of its parameters an optimiser has a list of its own
        if any(places.get(key) != n for key, (_, _, n) in moved.moves.items()) or not moved.exchange(exchange):
            return False
        self._adopt(moved)
        for guard in guards:
            self.rows.rearm(guard)
        return True

    def _is_alike(self, guard: int, moved: _Moves) -> bool:
        """Does what a guard is about differ only in its tensors, and the containers around them?"""
        before, now = self.rows.value(guard, True), self.rows.value(guard)
        if guard in self._values:
            return moved.is_alike(before, now)
        return isinstance(now, list) and len(now) == len(before) and all(map(moved.is_alike, before, now))

    def _at(self, spot: Spot, expected: bool) -> Any:
        found = self.rows.value(spot.guard, expected)
        for key in (*[spot.member] * (spot.member >= 0), *spot.path):
            found = found[key]
        return found

    def _adopt(self, moved: _Moves) -> None:
        """From now on the guards over lists and dicts are about what stands in their places."""
        owned = [(self._owned.pop(id(old), ()), new) for old, new, _ in moved.moves.values()]
        for guards, new in owned:
            if guards:
                self._owned[id(new)] = list(guards)
            for guard in guards:
                self.rows.rearm(guard, new)

    def adopt_put(self, put: Put, before: Any, exchange: Exchange) -> bool:
        """The same for what a put has left in a place; False where it is not alike."""
        now = self.rows.value(put.guard)
        if put.member >= 0:
            before, now = before[put.member], now[put.member]
        if type(before) is not type(now):
            return True  # the guard expects what was there
        moved = _Moves()
        if not moved.is_alike(before, now) or not moved.exchange(exchange):
            return False
        self._adopt(moved)
        return True

    def prepare(self) -> None:
        """Has every optimiser hand its options to C."""
        for optimizer in self._optimizers:
            optimizer._prepare()


class _Moves:
    """What stands in the places of other tensors and containers: old, new, in how many places."""

    def __init__(self) -> None:
        self.moves: dict[int, tuple[Any, Any, int]] = {}

    def is_alike(self, old: Any, new: Any) -> bool:
        """Does the new one differ from the old one only in its tensors, and in the containers around them?"""
        if old is new:
            return True
        if type(old) in ATOMS or type(old) is not type(new):
            return type(old) in ATOMS and Constant(old) == Constant(new)
        if isinstance(old, Node):
            return is_alike(old, new) and self._note(old, new)
        if isinstance(old, (list, tuple)):
            return len(old) == len(new) and self._note(old, new) and all(map(self.is_alike, old, new))
        if isinstance(old, dict):
            same_keys = list(old) == list(new)
            return same_keys and self._note(old, new) and all(self.is_alike(old[key], new[key]) for key in old)
        return False

    def differ(self) -> bool:
        """Do different ones stand in the places of different ones?"""
        return len({id(new) for _, new, _ in self.moves.values()}) == len(self.moves)

    def exchange(self, exchange: Exchange) -> bool:
        """Has a program read the new tensors; False where it cannot."""
        return exchange(tuple([(old, new) for old, new, _ in self.moves.values() if isinstance(old, Node)]))

    def _note(self, old: Any, new: Any) -> bool:
        if isinstance(old, tuple):
            return True
        _, known, n = self.moves.get(id(old), (old, new, 0))
        self.moves[id(old)] = old, new, n + 1
        return known is new


def _is_equal(before: Any, now: Any) -> bool:
    """Are two members of a class the same code, or the same constants?"""
    if before is now or type(before) is not type(now):
        return before is now
    if isinstance(now, np.ndarray):
        return (before.dtype, before.shape, before.tobytes()) == (now.dtype, now.shape, now.tobytes())
    if isinstance(now, (list, tuple)):
        return len(before) == len(now) and all(map(_is_equal, before, now))
    if isinstance(now, dict):
        return list(before) == list(now) and all(map(_is_equal, before.values(), now.values()))
    if isinstance(now, property):
        return _is_equal((before.fget, before.fset, before.fdel), (now.fget, now.fset, now.fdel))
    code = getattr(getattr(now, "__func__", now), "__code__", None)
    if code is not None:
        return bool(code == getattr(getattr(before, "__func__", before), "__code__", None))
    return Constant(before) == Constant(now)


def _state_of(source: Any) -> Any:
    if source is np.random:
        return pickle.dumps(np.random.get_state())
    if isinstance(source, random.Random):
        return source.getstate()
    if isinstance(source, np.random.Generator):
        return pickle.dumps(source.bit_generator.state)
    return pickle.dumps(source.get_state())
