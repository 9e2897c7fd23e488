"""What a recorded step has put into places of the world: tensors and numbers that a program puts there again.

    self.h = h                        into the place of a guard
    state["h"] = h, batch.loss = l    into an argument
    history.append(loss.item())       behind a list

All that comes out of a step, what it returns and what it puts, are its outputs: each tensor once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pyautograd._core import Node
from pyautograd._structure import LEAF, Constant, attributes, flatten, get_member, rebuild, set_member
from pyautograd._tensor import Tensor

INTO_GUARDED, APPEND = -1, -2  # as in program_type.c
LATE = 2**31 - 1  # no entry of a log: at the end


class Outputs:
    """The tensors, Values and numbers that come out of a step, each once."""

    def __init__(self) -> None:
        self.leaves: list[Any] = []
        self._numbers: dict[int, int] = {}

    def take(self, value: Any, held: Mapping[int, Constant] | None = None) -> tuple[Any, tuple[int, ...]]:
        """The structure of something that comes out, and which outputs are its leaves."""
        found: list[Any] = []
        structure = flatten(value, found, Node, held)
        return structure, self.add(found)

    def add(self, leaves: Iterable[Any]) -> tuple[int, ...]:
        """Which outputs they are from now on."""
        found = list(leaves)
        for leaf in found:
            if id(leaf) not in self._numbers:
                self._numbers[id(leaf)] = len(self.leaves)
                self.leaves.append(leaf)
        return tuple([self._numbers[id(leaf)] for leaf in found])


@dataclass(frozen=True)
class Put:
    """One thing that a step puts into the world."""

    place: str
    structure: Any
    results: tuple[int, ...]  # the outputs that are its leaves
    container: int = INTO_GUARDED  # of the arguments, by its number
    key: Any = None  # where in that container; None to append
    guard: int = field(default=-1, compare=False)
    member: int = -1  # of the sequence that the guard is about
    list: Any = field(default=None, compare=False)  # that it is appended to
    position: int = field(default=-1, compare=False)  # of what was appended, in the recorded call
    since: int = field(default=LATE, compare=False)  # it is there when the step comes to this entry of the log,
    until: int = field(default=LATE, compare=False)  # and to those up to this one

    @property
    def is_leaf(self) -> bool:
        return self.structure is LEAF

    def row(self) -> tuple[int, int, int, Any, int, int]:
        """What the compiled module's Program is told of it."""
        return (
            self.results[0],
            self.guard,
            self.member,
            self.key if self.list is None else self.list,
            self.container,
            self.since,
        )

    def held(self, guards: Any, containers: list[Any]) -> list[Any]:
        """What now stands in its place, or the container that has grown."""
        if self.container == APPEND:
            return [self.list]
        if self.container == INTO_GUARDED:
            value = guards.value(self.guard)
            return [value if self.member < 0 else value[self.member]]
        container = containers[self.container]
        if self.key is None:
            return [container]
        return [container, get_member(container, self.key)]

    def identity(self, outputs: Outputs) -> tuple[Any, ...]:
        """What tells it from another put: where it goes, and the very tensors that it puts there."""
        where = self.place, self.container, self.guard, self.member, self.position, self.structure
        return *where, *[id(outputs.leaves[i]) for i in self.results]

    def settle(self, outputs: list[Any], guards: Any, containers: list[Any]) -> None:
        """Puts it there once more, after a recorded call: numbers in the place of what stood for them."""
        if self.position < 0:
            self.do(outputs, guards, containers)
        else:
            appended = containers[self.container] if self.list is None else self.list
            appended[self.position] = rebuild(self.structure, iter([outputs[i] for i in self.results]))

    def do(self, outputs: list[Any], guards: Any, containers: list[Any]) -> None:
        """Puts what is made of the outputs into its place."""
        value = rebuild(self.structure, iter([outputs[i] for i in self.results]))
        if self.container == INTO_GUARDED:
            guards.put(self.guard, self.member, value)
        elif self.container == APPEND:
            self.list.append(value)
        elif self.key is None:
            containers[self.container].append(value)
        else:
            set_member(containers[self.container], self.key, value)


class Sights:
    """What the step has stored by each entry of its log that may fail at a replay."""

    def __init__(self) -> None:
        self._at: list[tuple[int, dict[tuple[Any, ...], tuple[Put, Outputs]]]] = []

    def note(self, entry: int, puts: list[Put], outputs: Outputs) -> None:
        """What stands in places when the step has come to an entry."""
        self._at.append((entry, {put.identity(outputs): (put, outputs) for put in puts}))

    def dated(self, puts: list[Put], outputs: Outputs) -> list[Put]:
        """The puts with the first entry at which each was there."""
        found = []
        for put in puts:
            mine, since = put.identity(outputs), LATE
            for entry, seen in reversed(self._at):
                if mine not in seen:
                    break
                since = entry
            found.append(replace(put, since=since))
        return found

    def passing(self, puts: list[Put], outputs: Outputs) -> list[Put]:
        """Those that were in places and are no longer: outputs too, for a program that fails meanwhile."""
        last = {put.identity(outputs) for put in puts}
        found: dict[tuple[Any, ...], Put] = {}
        for entry, seen in self._at:
            for mine, (put, then) in seen.items():
                if mine in found:
                    found[mine] = replace(found[mine], until=entry)
                elif mine not in last:
                    results = outputs.add([then.leaves[i] for i in put.results])
                    found[mine] = replace(put, results=results, since=entry, until=entry)
        self._at.clear()
        return list(found.values())


def snapshot(container: Any) -> Any:
    """A copy of what a container holds, to compare it with afterwards."""
    return container.copy() if isinstance(container, (list, dict)) else attributes(container)


def changes(container: Any, before: Any) -> tuple[list[tuple[Any, Any]], bool]:
    """The keys under which a container holds something else than before, and what; and whether things are gone.

    The key of what was appended to a list is None.
    """
    if isinstance(container, list):
        changed: list[tuple[Any, Any]] = [
            (i, new) for i, new in enumerate(container[: len(before)]) if new is not before[i]
        ]
        return changed + [(None, value) for value in container[len(before) :]], len(container) < len(before)
    held = container if isinstance(container, dict) else attributes(container)
    changed = [(key, value) for key, value in held.items() if key not in before or value is not before[key]]
    return changed, any(key not in held for key in before)


def is_alike(old: Node, new: Node) -> bool:
    """May a tensor stand in the place of another as far as a program is concerned?"""
    if isinstance(old, Tensor) and isinstance(new, Tensor):
        layout = old.dtype, old.shape, old.stride(), old.requires_grad
        return layout == (new.dtype, new.shape, new.stride(), new.requires_grad)
    return not isinstance(old, Tensor) and not isinstance(new, Tensor) and old.requires_grad == new.requires_grad
