"""What code mentions by name: globals, attributes and modules that it reads, as its bytecode tells.

A name that the code computes is no constant of it: `getattr` and its like are answered by guarding all of an object
(_guards.py), but a global or a module by a computed name cannot be guarded, nor what a computed string would do.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_IMPORTS = frozenset({"__import__", "import_module"})
_BY_STRING = frozenset({"globals", "eval", "exec", *_IMPORTS})
_SHOWN = frozenset({"__str__", "__repr__", "__format__"})  # methods that text is made with
_BETWEEN = frozenset({"PUSH_NULL", "PRECALL", "CALL", "CACHE", "LOAD_ATTR", "LOAD_METHOD", "NOP"})


class Reads(NamedTuple):
    """The names that a code object, and those defined in it, mention."""

    globals: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    stored: frozenset[str] = frozenset()  # attributes that it assigns
    imports: frozenset[str] = frozenset()  # modules, with a dot in front for each level up
    computed: tuple[str, ...] = ()  # names that it computes: what it does, and where

    @staticmethod
    def union(several: Iterable[Reads]) -> Reads:
        kinds = dict(zip(Reads._fields, zip(*several)))
        computed = tuple(place for places in kinds.pop("computed") for place in places)
        return Reads(**{kind: frozenset[str]().union(*names) for kind, names in kinds.items()}, computed=computed)


@functools.lru_cache(maxsize=256)
def reads(code: types.CodeType) -> Reads:
    """The names that a code object mentions."""
    found: dict[str, set[str]] = {"globals": set(), "attributes": set(), "stored": set(), "imports": set()}
    computed = []
    inside = [reads(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    instructions = list(dis.get_instructions(code))
    if any(isinstance(constant, str) and "%" in constant for constant in code.co_consts):
        found["attributes"] |= _SHOWN
    for i, instruction in enumerate(instructions):
        name, operation = instruction.argval, instruction.opname
        if operation.startswith(("FORMAT_", "CONVERT_")) or name in ("str", "repr", "format", "print"):
            found["attributes"] |= _SHOWN
        elif operation == "MATCH_CLASS":  # reads the attributes that a pattern or the class names
            found["attributes"].add("__dict__")
        if not isinstance(name, str):
            continue
        if operation.endswith("_GLOBAL") or operation == "LOAD_NAME":
            found["globals"].add(name)
        elif operation.endswith(("_ATTR", "_METHOD")) or operation == "IMPORT_FROM":
            found["attributes"].add(name)
            if name == "modules" and instructions[i - 1].argval == "sys":
                computed.append(f"sys.modules is read {_place(code, instruction)}")
            if operation.startswith(("STORE", "DELETE")):
                found["stored"].add(name)
        elif operation == "IMPORT_NAME":
            found["imports"].add("." * instructions[i - 2].argval + name)
        if name in (_BY_STRING if operation in ("LOAD_GLOBAL", "LOAD_NAME") else _IMPORTS):
            given = _constant_after(instructions[i + 1 :])
            if given is None:
                computed.append(f"{name}() is given a string that is computed {_place(code, instruction)}")
            elif name == "globals":
                found["globals"].add(given)
            elif name in ("eval", "exec"):
                inside.append(reads(compile(given, code.co_filename, name)))
            else:
                found["imports"].add(given)
    here = Reads(**{kind: frozenset(names) for kind, names in found.items()}, computed=tuple(computed))
    return Reads.union([here, *inside])


def _place(code: types.CodeType, instruction: dis.Instruction) -> str:
    line = instruction.positions.lineno if instruction.positions else None
    return f"({code.co_filename}:{line})"


def _constant_after(instructions: Sequence[dis.Instruction]) -> str | None:
    """The string that is loaded next, if that is what comes next."""
    following = next((each for each in instructions if each.opname not in _BETWEEN), None)
    if following is None or following.opname != "LOAD_CONST" or not isinstance(following.argval, str):
        return None
    return following.argval
