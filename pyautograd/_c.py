"""The compiled core, and how its failures become exceptions."""

from __future__ import annotations

import builtins
import os
import sys
from typing import Any

if "t" in sys.abiflags:  # the free-threaded builds, e.g. 3.13t
    raise ImportError("pyautograd has not been tested on free-threaded CPython yet; use the standard build")

from pyautograd import _core
from pyautograd._core import ffi, lib

__all__ = ["check", "ffi", "lib", "node_pointer", "refuse_in_step", "text"]

os.register_at_fork(after_in_child=_core.after_fork)


def check(status: int) -> None:
    """Raise the exception that a status of the C API stands for, with its message; nothing for 0."""
    if status:
        name = text(lib.pa_status_exception(status))
        exception = getattr(_core, name, None) or getattr(builtins, name)
        raise exception(text(lib.pa_status_message()))


def refuse_in_step(what: str, instead: str) -> None:
    """TraceError where a step is being recorded: what cannot be part of it, and what to write instead."""
    check(lib.pa_step_refuse(what.encode(), instead.encode()))


def text(pointer: Any) -> str:
    """The characters behind a `const char *`."""
    return str(ffi.string(pointer).decode())


def node_pointer(node: _core.Node) -> Any:
    """The `pa_node *` of a Tensor or Value; valid while the object lives."""
    return ffi.cast("pa_node *", node._address)
