"""Which updates optimisers make while this thread records a step.

A program keeps its optimisers' updates as "update k"; here Python learns whose each of them is.

    updates: thread ──▶ [(optimiser, index of the group, its plan), …] in the order they were made
"""

from __future__ import annotations

from threading import get_ident
from typing import Any, NamedTuple

from pyautograd._core import is_recording


class Update(NamedTuple):
    """One call of an optimiser's kernel."""

    optimizer: Any
    group: int
    plan: Any


updates: dict[int, list[Update]] = {}  # empty while nobody records: all that an eager step asks


def start() -> list[Update]:
    """Begins to note this thread's updates, in the list that is returned."""
    noted: list[Update] = []
    updates[get_ident()] = noted
    return noted


def stop() -> None:
    """Ends what `start` began, if it did."""
    updates.pop(get_ident(), None)


def note(optimizer: Any, plans: list[Any]) -> None:
    """Notes that all groups of an optimiser are being updated, in order."""
    noted = updates.get(get_ident())
    if noted is not None and not is_recording():  # an interrupt kept `stop` from being called
        stop()
    elif noted is not None:
        noted += [Update(optimizer, index, plan) for index, plan in enumerate(plans)]
