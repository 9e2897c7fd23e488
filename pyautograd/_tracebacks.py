"""Tracebacks of what a user's step raises, without the frames that lie between the call and the step's own lines.

cell ─ run ─ _run ─ _compile ─ _recording ─ step ─ _module ─ linear     →     cell ─ run ─ step ─ linear
"""

from __future__ import annotations

from types import TracebackType


def shorten(error: BaseException | None) -> None:
    """Takes frames of private modules out of the traceback of an exception that is raised again here, and of those that
    are shown with it; but for the last, where it was raised, unless it is an interrupt, which comes anywhere."""
    keeps_last = isinstance(error, Exception)
    if error is None or error.__traceback__ is None:
        return
    error.__traceback__.tb_next = _short(error.__traceback__.tb_next, keeps_last)
    shown = {id(error)}
    while (error := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        if id(error) in shown:
            return
        shown.add(id(error))
        error.__traceback__ = _short(error.__traceback__, keeps_last)


def _short(first: TracebackType | None, keeps_last: bool) -> TracebackType | None:
    def is_left_out(frame: TracebackType) -> bool:
        name = frame.tb_frame.f_globals.get("__name__", "")
        return name.startswith("pyautograd.") and "._" in name and not (keeps_last and frame.tb_next is None)

    while first is not None and is_left_out(first):
        first = first.tb_next
    at = first
    while at is not None:
        while at.tb_next is not None and is_left_out(at.tb_next):
            at.tb_next = at.tb_next.tb_next
        at = at.tb_next
    return first
