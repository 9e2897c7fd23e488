"""What code mentions by name: globals, attributes and modules that it reads, as its bytecode tells.

A name that the code computes is no constant of it: `getattr` and its like are answered by guarding all of an object
(_walk.py), but a global or a module by a computed name cannot be guarded, nor what a computed string would do.

What code mentions only to hand it to `host_call`, or as a hook of gradients, is read afresh at each replay, and no
constant of the step.
"""

from __future__ import annotations

import dis
import functools
import inspect
import types
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_IMPORTS = frozenset({"__import__", "import_module"})
_BY_STRING = frozenset({"globals", "eval", "exec", *_IMPORTS})
_SHOWN = frozenset({"__str__", "__repr__", "__format__"})  # methods that text is made with
_SUBSCRIPTS = frozenset({("BINARY_SUBSCR", ""), ("BINARY_OP", "[]")})  # the second from Python 3.14 on
_TAKES = frozenset({"CALL", "CALL_KW", "STORE_SUBSCR", "DELETE_SUBSCR"})  # the string itself, not what is made of it
_HANDED_TO = frozenset({"host_call", "register_hook", "register_full_backward_hook", "register_full_backward_pre_hook"})
_BESIDE = frozenset({"LOAD_CONST", "KW_NAMES", "PRECALL", "CACHE"})
_BETWEEN = frozenset({"PUSH_NULL", "PRECALL", "CALL", "CACHE", "LOAD_ATTR", "LOAD_METHOD", "NOP"})


class Reads(NamedTuple):
    """The names that a code object, and those defined in it, mention."""

    globals: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    stored: frozenset[str] = frozenset()  # attributes that it assigns
    hosts: frozenset[str] = frozenset()  # globals, attributes and variables that name the function of a host_call alone
    inner: frozenset[str] = frozenset()  # variables that only functions read which it makes for a host_call
    imports: frozenset[str] = frozenset()  # modules, with a dot in front for each level up
    appended: frozenset[str] = frozenset()  # names of lists that it appends to, [key] of those in dicts
    used: frozenset[str] = frozenset()  # names that it loads to do something else; name[…]: than to read one member
    computed: tuple[str, ...] = ()  # names that it computes: what it does, and where

    @staticmethod
    def union(several: Iterable[Reads]) -> Reads:
        kinds = dict(zip(Reads._fields, zip(*several)))
        computed = tuple(place for places in kinds.pop("computed") for place in places)
        return Reads(**{kind: frozenset[str]().union(*names) for kind, names in kinds.items()}, computed=computed)


@functools.lru_cache(maxsize=256)
def reads(code: types.CodeType) -> Reads:
    """The names that a code object mentions."""
    found: dict[str, set[str]] = {kind: set() for kind in Reads._fields if kind != "computed"}
    computed = []
    instructions = list(dis.get_instructions(code))
    own = _own(code)
    handed = handed_over(instructions)
    made = list(handed.values())
    inside = [reads(each) for each in code.co_consts if isinstance(each, types.CodeType) and each not in made]
    if any(isinstance(constant, str) and "%" in constant for constant in code.co_consts):
        found["attributes"] |= _SHOWN
    for i, instruction in enumerate(instructions):
        name, operation = instruction.argval, instruction.opname
        if i in handed:
            if isinstance(name, str):
                found["hosts" if handed[i] is None else "inner"].add(name)
            continue
        if operation.startswith(("FORMAT_", "CONVERT_")) or name in ("str", "repr", "format", "print"):
            found["attributes"] |= _SHOWN
        elif operation == "MATCH_CLASS":  # reads the attributes that a pattern or the class names
            found["attributes"].add("__dict__")
        if operation.startswith("LOAD_") and not (operation.startswith("LOAD_FAST") and _names(name) <= own):
            found["appended" if _is_append(instructions[i + 1 :]) else "used"] |= _names(name)
            if _is_subscript(instructions[i + 1 :]):
                found["appended" if _is_append(instructions[i + 2 :]) else "used"].add(f"[{name}]")
            if not _is_subscripted(instructions[i + 1 : i + 3]):
                found["used"] |= {f"{each}[…]" for each in _names(name)}
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
    others = {each.argval for i, each in enumerate(instructions) if i not in handed} & set(code.co_freevars)
    found["hosts"] -= others
    found["inner"] -= others
    here = Reads(**{kind: frozenset(names) for kind, names in found.items()}, computed=tuple(computed))
    return Reads.union([here, *inside])


def _own(code: types.CodeType) -> set[str]:
    """The local variables that are no arguments: names that no place has."""
    variadic = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return set(code.co_varnames[code.co_argcount + code.co_kwonlyargcount + variadic :])


def _place(code: types.CodeType, instruction: dis.Instruction) -> str:
    line = instruction.positions.lineno if instruction.positions else None
    return f"({code.co_filename}:{line})"


def _is_append(following: Sequence[dis.Instruction]) -> bool:
    return bool(following) and following[0].argval == "append" and following[0].opname.startswith("LOAD_")


def _is_subscript(following: Sequence[dis.Instruction]) -> bool:
    return bool(following) and (following[0].opname, following[0].argrepr) in _SUBSCRIPTS


def _is_subscripted(following: Sequence[dis.Instruction]) -> bool:
    """Is one member read of what is loaded, by a constant key?"""
    return bool(following) and following[0].opname == "LOAD_CONST" and _is_subscript(following[1:])


def _names(argument: object) -> set[str]:
    """The names that an instruction loads, of which some load two."""
    several = argument if isinstance(argument, tuple) else (argument,)
    return {name for name in several if isinstance(name, str)}


def _constant_after(instructions: Sequence[dis.Instruction]) -> str | None:
    """The string that is loaded next, if that is what comes next and it is given as it is."""
    rest = [each for each in instructions if each.opname not in _BETWEEN]
    if not rest or rest[0].opname != "LOAD_CONST" or not isinstance(rest[0].argval, str):
        return None
    user = next(each for each in instructions[instructions.index(rest[0]) + 1 :] if each.opname not in _BESIDE)
    is_given = user.opname in _TAKES or (user.opname, user.argrepr) in _SUBSCRIPTS
    return rest[0].argval if is_given else None


def handed_over(instructions: list[dis.Instruction]) -> dict[int, types.CodeType | None]:
    """Which instructions of some code do nothing but name the function of a host call, or make it: of which code."""
    found: dict[int, types.CodeType | None] = {}
    for index, instruction in enumerate(instructions):
        if instruction.argval in _HANDED_TO and instruction.opname.startswith("LOAD_"):
            begin = index + 1
            while instructions[begin].opname in ("PUSH_NULL", "CACHE"):
                begin += 1
            found |= _made(instructions, begin) or dict.fromkeys(_named(instructions, begin))
    return found


def _named(instructions: list[dis.Instruction], begin: int) -> range:
    """`log`, `self.log` or `tracker.history.append`."""
    if instructions[begin].opname not in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_FAST", "LOAD_FAST_BORROW"):
        return range(0)
    end = begin + 1
    while instructions[end].opname in ("LOAD_ATTR", "CACHE"):
        end += 1
    return range(begin, end)


def _made(instructions: list[dis.Instruction], begin: int) -> dict[int, types.CodeType | None]:
    """A lambda, with its defaults and what it closes over."""
    end = begin
    while instructions[end].opname.startswith(("LOAD_CONST", "LOAD_CLOSURE", "LOAD_FAST", "BUILD_TUPLE")):
        end += 1
    code = instructions[end - 1].argval
    if instructions[end].opname != "MAKE_FUNCTION" or not isinstance(code, types.CodeType):
        return {}
    return dict.fromkeys(range(begin, end), code)
