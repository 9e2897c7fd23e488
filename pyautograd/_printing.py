"""Tensors as text, as PyTorch prints them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd import _arguments, _core
from pyautograd._c import check, lib, node_pointer, refuse_in_step
from pyautograd._core import Tensor, is_traced_scalar
from pyautograd._dtype import bool_, get_default_dtype, int64

__all__ = ["set_printoptions"]


def check_read(tensor: Tensor, what: str) -> None:
    """TraceError where a recorded step does not know the numbers that are asked for."""
    if _core.is_recording():
        check(lib.pa_step_check_read(node_pointer(tensor), what.encode()))


def _refuse_text(number: Tensor) -> None:
    """A float argument, whose number Python may have, is likely to be printed, which a program would not do again."""
    if is_traced_scalar(number):
        refuse_in_step("the text of a float", "print or format it outside, or in a function given to host_call")


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are written from here on. None leaves an option as it is, and `sci_mode` to the numbers.

    **Arguments:** `precision`: digits behind the point (4). `threshold`: how many elements are written out before
    `edgeitems` (3) at each end stand for them (1000). `linewidth` (80). `profile`: "default", "short" or "full" to
    start from. `sci_mode`: whether floats have exponents. **Raises** ValueError for another profile and for
    negative numbers, TypeError for what is no number; the options then stay what they were.

    >>> import pyautograd as pa
    >>> pa.set_printoptions(precision=2)
    >>> pa.tensor([0.12345, 12.0])
    tensor([ 0.12, 12.00])
    >>> pa.set_printoptions(profile="default")
    """
    if profile not in (None, *_PROFILES):
        raise ValueError(f"set_printoptions: profile must be one of {', '.join(_PROFILES)}, not {profile!r}")
    ints = {"precision": precision, "edgeitems": edgeitems, "linewidth": linewidth}
    given: dict[str, Any] = {
        name: _arguments.integer("set_printoptions", name, value) for name, value in ints.items() if value is not None
    }
    if threshold is not None:
        given["threshold"] = _arguments.number("set_printoptions", "threshold", threshold)
    if min(given.values(), default=0) < 0:
        raise ValueError(f"set_printoptions: none of {given} is negative")
    if profile is not None:
        _options.update(_PROFILES["default"], **_PROFILES[profile])
    _options.update(given, sci_mode=sci_mode if sci_mode is None else bool(sci_mode))


_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "edgeitems": 2},
    "full": {"threshold": math.inf},
}
_options: dict[str, Any] = _PROFILES["default"] | {"sci_mode": None}


def _writer(shown: np.ndarray[Any, Any]) -> tuple[Callable[[Any], str], int]:
    """What writes one element, and the width that it pads to: all elements are written alike.

    Whole floats are `2.`, others have digits behind the point, and an exponent where their sizes differ much.
    """
    if shown.dtype.kind != "f":
        width = max((len(str(x)) for x in shown.flat), default=1)
        return lambda x: str(x).rjust(width), width
    counted = shown[np.isfinite(shown) & (shown != 0)].astype(np.float64)
    spec, mark = ".0f", "."
    if counted.size:
        least, most = float(np.abs(counted).min()), float(np.abs(counted).max())
        scientific = _options["sci_mode"]
        if scientific is None:
            scientific = most / least > 1000 or most > 1e8 or least < 1e-4
        if scientific or (counted != np.trunc(counted)).any():
            spec, mark = f".{_options['precision']}{'e' if scientific else 'f'}", ""

    def text(x: float) -> str:
        return format(x, spec) + (mark if math.isfinite(x) else "")

    width = max((len(text(x)) for x in counted), default=1)
    return lambda x: text(x).rjust(width), width


def _bracketed(
    shown: np.ndarray[Any, Any], cut: tuple[bool, ...], indent: int, write: Callable[[Any], str], width: int
) -> str:
    """The elements in brackets, with dots in the middle of axes that were cut; the innermost fill lines."""
    if not shown.ndim:
        return write(shown.item())
    innermost = shown.ndim == 1
    parts = [_bracketed(part, cut[1:], indent + 1, write, width) for part in shown]
    if cut[0]:
        parts.insert(len(parts) // 2, " ..." if innermost and parts else "...")
    per_line = max(1, (_options["linewidth"] - indent) // (width + 2)) if innermost else 1
    lines = [", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line)]
    return "[" + ("," + "\n" * max(shown.ndim - 1, 1) + " " * (indent + 1)).join(lines) + "]"


def _elements(array: np.ndarray[Any, Any], indent: int) -> str:
    if not array.size:
        return "[]"
    edge = _options["edgeitems"]
    cut = tuple(array.size > _options["threshold"] and n > 2 * edge for n in array.shape)
    for axis, n in enumerate(array.shape):
        if cut[axis]:
            array = array.take([*range(edge), *range(n - edge, n)], axis)
    return _bracketed(array, cut, indent, *_writer(array))


def text_of(tensor: Tensor) -> str:
    """What `repr` gives. TraceError where a recorded step does not know the numbers."""
    check_read(tensor, "repr")
    _refuse_text(tensor)
    empty = not tensor.numel()
    text = "tensor(" + _elements(np.asarray(tensor.detach()), len("tensor("))
    told = []
    if empty and tensor.ndim != 1:
        told.append(f"size={tensor.shape}")
    if tensor.dtype is not get_default_dtype() and (empty or tensor.dtype not in (int64, bool_)):
        told.append(f"dtype={tensor.dtype.name}")
    if not tensor.is_leaf:
        told.append(f"grad_fn={tensor.grad_fn}")
    elif tensor.requires_grad:
        told.append("requires_grad=True")
    column = len(text) - text.rfind("\n") + 1
    for part in told:
        fits = column + len(part) + 2 <= _options["linewidth"]
        text += (", " if fits else ",\n" + " " * len("tensor(")) + part
        column = len(part) + (column + 2 if fits else len("tensor("))
    return text + ")"


def formatted(tensor: Tensor, spec: str) -> str:
    """What `format` gives: the number of a tensor with one element, the text of another."""
    if not spec or tensor.numel() != 1:
        try:
            return format(repr(tensor), spec)
        except ValueError:
            raise ValueError(
                f"format: {spec!r} is of one number, and the tensor has shape {tuple(tensor.shape)}; write "
                "[f'{x:" + spec + "}' for x in tensor.flatten()], or set_printoptions(precision=)"
            ) from None
    check_read(tensor, "format")
    _refuse_text(tensor)
    return format(tensor.item(), spec)
