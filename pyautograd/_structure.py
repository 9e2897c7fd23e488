"""Nested lists, tuples and dicts taken apart into leaves and a structure, and put together again.

    {"loss": a, "parts": [b, None]}
        leaves      a, b
        structure   (dict, (("loss", LEAF), ("parts", (list, (LEAF, (Constant, Constant(None)))))))

Structures are hashable and compare equal where they hold the same constants in the same containers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from pyautograd._dtype import dtype

BY_VALUE = (int, str, bool, bytes, complex, type(None), dtype)  # compared as values; other objects by identity
LEAF = None  # the structure of what is not a container


class Constant:
    """Something that is part of a structure, equal to what is the same object or the same number."""

    __slots__ = ("key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key: tuple[Any, ...]
        if isinstance(value, float):
            self.key = (float, struct.pack("d", value))
        elif type(value) in BY_VALUE:
            self.key = (type(value), value)
        else:
            self.key = ("object", id(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return f"{self.value!r}" if self.key[0] != "object" else f"<{type(self.value).__name__}>"


def flatten(value: Any, leaves: list[Any], leaf_type: type = object) -> Any:
    """Appends the leaves, objects of a type, to a list; returns the structure, with all else in it as constants.

    None and the class float are never leaves: they have a meaning of their own among the argument kinds of a program.
    """
    kind = type(value)
    if kind is list or kind is tuple or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return kind, tuple([flatten(item, leaves, leaf_type) for item in value])
    if kind is dict:
        return dict, tuple([(key, flatten(item, leaves, leaf_type)) for key, item in value.items()])
    if value is None or value is float or not isinstance(value, leaf_type):
        return Constant, Constant(value)
    leaves.append(value)
    return LEAF


def rebuild(structure: Any, leaves: Iterator[Any]) -> Any:
    """The containers of a structure around the next leaves."""
    if structure is LEAF:
        return next(leaves)
    kind, members = structure
    if kind is Constant:
        return members.value
    if kind is dict:
        return {key: rebuild(member, leaves) for key, member in members}
    items = [rebuild(member, leaves) for member in members]
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


def leaf_names(structure: Any, name: str) -> list[str]:
    """How to reach each leaf of what has a name: x, y[0], options['scale']."""
    if structure is LEAF:
        return [name]
    kind, members = structure
    if kind is Constant:
        return []
    pairs = members if kind is dict else enumerate(members)
    return [leaf for key, member in pairs for leaf in leaf_names(member, f"{name}[{key!r}]")]


def outline(structure: Any) -> str:
    """A structure in words."""
    if structure is LEAF:
        return "a tensor"
    kind, members = structure
    if kind is Constant:
        return str(members)
    parts = [f"{name!r}: {outline(each)}" for name, each in members] if kind is dict else map(outline, members)
    return f"{kind.__name__}({', '.join(parts)})"
