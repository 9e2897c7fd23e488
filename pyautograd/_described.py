"""Objects as text: their class and the arguments that they were made with, as far as these are no defaults."""

from __future__ import annotations

import inspect
from typing import Any

MOST_MEMBERS = 8


def described(thing: Any, **more: Any) -> str:
    """`Class(argument=value, …)`: the arguments that its attributes have kept, and further values."""
    shown: list[str] = []
    for name, parameter in inspect.signature(type(thing)).parameters.items():
        kept = next((vars(thing)[each] for each in (name, f"_{name}") if each in vars(thing)), parameter.default)
        if short(kept) != short(parameter.default):
            shown.append(f"{name}={short(kept)}" if shown or parameter.default is not parameter.empty else short(kept))
    shown += [f"{name}={short(value)}" for name, value in more.items()]
    return f"{type(thing).__name__}({', '.join(shown)})"


def short(value: Any) -> str:
    """A value within the text of another, on one line: floats in six digits, no more than a few members."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if inspect.isroutine(value):
        return str(value.__name__)
    kind: Any = type(value)
    if kind.__repr__ is object.__repr__:
        return str(kind.__name__)
    if kind is list and len(value) <= MOST_MEMBERS:
        return f"[{', '.join(map(short, value))}]"
    is_long = isinstance(value, (list, tuple, dict, set)) and len(value) > MOST_MEMBERS
    if not is_long and "\n" not in (text := repr(value)):
        return text
    return str(kind.__name__) + (f" of {len(value)}" if hasattr(value, "__len__") else "")
