"""Nested containers taken apart into leaves and a structure, and put together again.

    {"loss": a, "parts": [b, None]}
        leaves      a, b
        structure   Inner(dict, None, ("loss", "parts"), (LEAF, Inner(list, None, (), (LEAF, Constant(None)))))

Structures are hashable and compare equal where they hold the same constants in the same containers. What a container
is, and how one is made again, is said by a row of CONTAINERS for its type; dataclasses, namedtuples and subclasses that
add nothing of their own but methods get a row when they are met.
"""

from __future__ import annotations

import struct
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pyautograd._core import Node, TraceError
from pyautograd._dtype import dtype
from pyautograd.nn._module import Module

BY_VALUE = (int, str, bool, bytes, complex, type(None), dtype)  # compared as values; other objects by identity
LEAF = None  # the structure of what is neither a container nor a constant


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


class Held(Constant):
    """A container of the caller's that a step returns: the one in its place. `value` is set before it is given."""

    __slots__ = ()

    def __init__(self, where: Any, value: Any) -> None:
        self.value = value
        self.key = ("held", where)


class Again(Constant):
    """A container that stands in a structure already, by its number among those of the structure."""

    __slots__ = ()

    def __init__(self, number: int) -> None:
        self.value = number
        self.key = ("again", number)

    def __str__(self) -> str:
        return "the same again"


class Container(NamedTuple):
    """What is known of a type of containers."""

    keys: Callable[[Any], Iterable[Any]]
    members: Callable[[Any], Iterable[Any]]
    rebuild: Callable[[Any, Any, Any, list[Any]], Any]  # of its type, what else it holds, keys and members
    extra: Callable[[Any], Any] = lambda value: None  # what else it holds: constants


class Inner(NamedTuple):
    """The structure of a container."""

    kind: Any
    extra: Any
    keys: tuple[Any, ...]  # none where the members are numbered
    members: tuple[Any, ...]


def _no_keys(value: Any) -> tuple[Any, ...]:
    return ()


def _new_list(kind: Any, extra: Any, keys: Any, members: list[Any]) -> Any:
    made: list[Any] = list.__new__(kind)
    list.extend(made, members)
    return made


def _dict_type(kind: type) -> Any:
    """Whose methods see the entries and their order, whatever a subclass makes of them."""
    return OrderedDict if issubclass(kind, OrderedDict) else dict


def _new_dict(kind: Any, extra: Any, keys: Any, members: list[Any]) -> Any:
    base = _dict_type(kind)
    made = base.__new__(kind)
    for key, member in zip(keys, members):
        base.__setitem__(made, key, member)
    return made


def _slots(kind: type) -> list[str]:
    members = [member for base in kind.__mro__ for member in vars(base).items()]
    return [name for name, member in members if isinstance(member, types.MemberDescriptorType)]


def _attributes(value: Any) -> list[str]:
    """Those that an object has itself, in its __dict__ and in its slots."""
    return [*getattr(value, "__dict__", {}), *(name for name in _slots(type(value)) if hasattr(value, name))]


def attributes(value: Any) -> dict[str, Any]:
    """The same with what they hold."""
    return {name: object.__getattribute__(value, name) for name in _attributes(value)}


def get_member(container: Any, key: Any) -> Any:
    """What a list, dict or object holds; None where nothing is there."""
    if isinstance(container, dict):
        return container.get(key)
    if isinstance(container, list):
        return container[key] if key < len(container) else None
    return getattr(container, key, None)


def set_member(container: Any, key: Any, value: Any) -> None:
    if isinstance(container, (dict, list)):
        container[key] = value
    else:
        object.__setattr__(container, key, value)  # also of a frozen dataclass


def _new_object(kind: type, extra: Any, names: Any, members: list[Any]) -> Any:
    """An object as it was, by neither __init__ nor the __setattr__ that frozen dataclasses refuse with."""
    made: Any = object.__new__(kind)
    for name, member in zip(names, members):
        object.__setattr__(made, name, member)
    return made


def _factory(value: defaultdict[Any, Any]) -> Constant:
    """A function that each call defines anew is the same where its code is all that there is to it."""
    factory = value.default_factory
    made = Constant(factory)
    if isinstance(factory, types.FunctionType) and not (factory.__closure__ or factory.__defaults__):
        made.key = ("code", factory.__code__)
    return made


def _elements(value: Any) -> frozenset[Any]:
    if any(isinstance(each, Node) for each in value):
        raise TraceError("a set of tensors or Values is returned, which has no order; return a list")
    return frozenset(value)


_LIST = Container(_no_keys, list.__iter__, _new_list)
_TUPLE = Container(_no_keys, tuple.__iter__, lambda kind, extra, keys, members: tuple.__new__(kind, members))
_DICT = Container(
    lambda value: _dict_type(type(value)).keys(value), lambda value: _dict_type(type(value)).values(value), _new_dict
)
_SET = Container(_no_keys, _no_keys, lambda kind, extra, keys, members: kind(extra), _elements)
_OBJECT = Container(_attributes, lambda value: attributes(value).values(), _new_object)

CONTAINERS: dict[type, Container] = {
    list: _LIST._replace(rebuild=lambda kind, extra, keys, members: members),
    tuple: _TUPLE._replace(rebuild=lambda kind, extra, keys, members: tuple(members)),
    dict: _DICT._replace(rebuild=lambda kind, extra, keys, members: dict(zip(keys, members))),
    OrderedDict: _DICT,
    defaultdict: Container(
        dict.keys, dict.values, lambda kind, extra, keys, members: kind(extra.value, zip(keys, members)), _factory
    ),
    deque: Container(
        _no_keys, iter, lambda kind, extra, keys, members: kind(members, extra), lambda value: value.maxlen
    ),
    set: _SET,
    frozenset: _SET,
    types.SimpleNamespace: Container(
        vars, lambda value: vars(value).values(), lambda kind, extra, keys, members: kind(**dict(zip(keys, members)))
    ),
}


_met: weakref.WeakKeyDictionary[type, Container | None] = weakref.WeakKeyDictionary()


def container(kind: Any) -> Container | None:
    """How values of a type are taken apart and made again; None for what is no container.

    **Raises** TraceError for a type that could be made again only in part.
    """
    if kind in CONTAINERS:
        return CONTAINERS[kind]
    if kind not in _met:
        _met[kind] = _container_of(kind)
    return _met[kind]


def is_container(kind: type) -> bool:
    """Is it a type of containers, other than lists and dicts, also where it could be made again only in part?"""
    return issubclass(kind, (tuple, deque, set, frozenset, types.SimpleNamespace)) or hasattr(
        kind, "__dataclass_fields__"
    )


def _container_of(kind: Any) -> Container | None:
    bases: dict[type, Container | None] = {
        list: _LIST,
        tuple: _TUPLE,
        dict: _DICT,
        deque: None,
        set: None,
        frozenset: None,
    }
    base = next((each for each in bases if issubclass(kind, each)), None)
    is_dataclass = "__dataclass_fields__" in dir(kind) and not issubclass(kind, Module)
    if base is None and not is_dataclass:
        return None
    row = _OBJECT if base is None else bases[base]
    if row is None or (base is not None and (is_dataclass or _slots(kind) or issubclass(kind, defaultdict))):
        raise TraceError(_refusal(kind))
    try:
        row.rebuild(kind, None, (), [])
    except TypeError:  # some types in C do not let that be
        raise TraceError(_refusal(kind)) from None
    return row


def _refusal(kind: type) -> str:
    return (
        f"a {kind.__name__} is returned, which a program cannot make again: it holds more than its members; "
        "return a list, tuple, dict or dataclass"
    )


def flatten(
    value: Any,
    leaves: list[Any],
    leaf_type: type,
    held: Mapping[int, Constant] | None = None,
    met: dict[int, int] | None = None,
) -> Any:
    """Appends the leaves, objects of a type, to a list; returns the structure, with all else in it as constants.

    `held`: containers that stand for themselves, by their id; `met`: those that this is in, and what they hold.
    """
    if isinstance(value, leaf_type):
        leaves.append(value)
        return LEAF
    if held is not None and id(value) in held:
        return held[id(value)]
    met = {} if met is None else met
    if id(value) in met:
        if met[id(value)] < 0:
            raise TraceError(f"a {type(value).__name__} that holds itself comes out of the step; return what it holds")
        return Again(met[id(value)])
    kind: Any = type(value)
    row = container(kind)
    if row is None:
        return Constant(value)
    if kind not in CONTAINERS and row is not _OBJECT and getattr(value, "__dict__", None):
        raise TraceError(_refusal(kind))
    number = len(met)
    met[id(value)] = -1
    members = tuple([flatten(member, leaves, leaf_type, held, met) for member in row.members(value)])
    met[id(value)] = number
    return Inner(kind, row.extra(value), tuple(row.keys(value)), members)


def rebuild(structure: Any, leaves: Iterator[Any], made: list[Any] | None = None) -> Any:
    """The containers of a structure around the next leaves; `made`: those that are there already, by their number."""
    if structure is LEAF:
        return next(leaves)
    made = [] if made is None else made
    if isinstance(structure, Constant):
        return made[structure.value] if type(structure) is Again else structure.value
    kind, extra, keys, members = structure
    row = CONTAINERS.get(kind) or container(kind)
    assert row is not None
    number = len(made)
    made.append(None)
    made[number] = row.rebuild(kind, extra, keys, [rebuild(member, leaves, made) for member in members])
    return made[number]


def all_held(structure: Any) -> list[Held]:
    """The containers of the caller's in a structure."""
    if isinstance(structure, Inner):
        return [held for member in structure.members for held in all_held(member)]
    return [structure] if isinstance(structure, Held) else []


def first_member(structure: Any) -> Any:
    """What a structure begins with: LEAF, a constant, or a container that is empty."""
    while isinstance(structure, Inner) and structure.members:
        structure = structure.members[0]
    return structure


def leaf_paths(structure: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys that lead to each leaf."""
    if structure is LEAF:
        return [path]
    if isinstance(structure, Constant):
        return []
    pairs = zip(structure.keys, structure.members) if structure.keys else enumerate(structure.members)
    return [leaf for key, member in pairs for leaf in leaf_paths(member, (*path, key))]


def outline(structure: Any) -> str:
    """A structure in words."""
    if structure is LEAF:
        return "a tensor"
    if isinstance(structure, Constant):
        return str(structure)
    parts = list(map(outline, structure.members))
    parts = [f"{key!r}: {part}" for key, part in zip(structure.keys, parts)] if structure.keys else parts
    return f"{structure.kind.__name__}({', '.join(parts)})"
