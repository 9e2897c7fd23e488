"""Which updates optimisers make while this thread records a step, and whether they had gradients for them.

A program keeps its optimisers' updates as "update k"; here Python learns whose each of them is.

    noted: thread ──▶ [(optimiser, index of the group, its plan), …] in the order they were made, and the gradients
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import get_ident
from typing import Any, NamedTuple

from pyautograd import _core
from pyautograd._core import is_recording, paused


class Update(NamedTuple):
    """One call of an optimiser's kernel."""

    optimizer: Any
    group: int
    plan: Any


class Gradients:
    """Which leaves have got a gradient since a step began."""

    def __init__(self, leaves: list[Any], optimizers: list[Any]) -> None:
        params = [p for optimizer in optimizers for p in _params_of(optimizer)]
        self._owned = {id(p) for p in params}
        self._before = {id(leaf): (leaf, leaf.grad, _version(leaf)) for leaf in filter(_may_get, (*leaves, *params))}
        self._stepped: dict[int, tuple[Any, bool]] = {}

    def _has_got(self, leaf: Any) -> bool:
        _, grad, version = self._before.get(id(leaf), (leaf, None, -1))
        return leaf.grad is not None and (leaf.grad is not grad or _version(leaf) != version)

    def note_step(self, optimizer: Any) -> None:
        """Notes whether there is anything to apply, before the gradients may be cleared."""
        with paused():
            params = [*filter(_may_get, _params_of(optimizer))]
            has_any = not params or any(map(self._has_got, params))
            self._stepped[id(optimizer)] = optimizer, has_any or self._stepped.get(id(optimizer), (None, False))[1]

    def in_vain(self) -> tuple[Any, list[Any]] | None:
        """An optimiser that stepped though none of its parameters got a gradient in this step, with the leaves of no
        optimiser that did get one: as where a model is made anew, and its optimiser is not."""
        for optimizer, has_any in self._stepped.values():
            if not has_any and not any(map(self._has_got, filter(_may_get, _params_of(optimizer)))):
                owned = self._owned | set(map(id, _params_of(optimizer)))
                lost = [leaf for key, (leaf, _, _) in self._before.items() if key not in owned and self._has_got(leaf)]
                return (optimizer, lost) if lost else None
        return None


def _params_of(optimizer: Any) -> list[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _may_get(leaf: Any) -> bool:
    return isinstance(leaf, _core.Tensor) and leaf.is_leaf and leaf.requires_grad


def _version(leaf: Any) -> int:
    return -1 if leaf.grad is None else leaf.grad._version


noted: dict[int, tuple[list[Update], Gradients]] = {}  # empty while nobody records: all that an eager step asks


def start(gradients: Gradients) -> list[Update]:
    """Begins to note this thread's updates, in the list that is returned."""
    updates: list[Update] = []
    noted[get_ident()] = updates, gradients
    return updates


def stop() -> None:
    """Ends what `start` began, if it did."""
    noted.pop(get_ident(), None)


def note(optimizer: Any, plans: Sequence[Any] = ()) -> None:
    """Notes that all groups of an optimiser are being updated, in order, by their plans where it has such."""
    found = noted.get(get_ident())
    if found is not None and not is_recording():  # an interrupt kept `stop` from being called
        stop()
    elif found is not None:
        updates, gradients = found
        gradients.note_step(optimizer)
        updates += [Update(optimizer, index, plan) for index, plan in enumerate(plans)]
