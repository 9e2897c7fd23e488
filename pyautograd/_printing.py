"""Tensors as text, as PyTorch prints them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd import _core
from pyautograd._c import check, lib, node_pointer, refuse_in_step
from pyautograd._core import Tensor, is_traced_scalar
from pyautograd._dtype import bool_, float32, int64


def check_read(tensor: Tensor, what: str) -> None:
    """TraceError where a recorded step does not know the numbers that are asked for."""
    if _core.is_recording():
        check(lib.pa_step_check_read(node_pointer(tensor), what.encode()))


def _refuse_text(number: Tensor) -> None:
    """A float argument, whose number Python may have, is likely to be printed, which a program would not do again."""
    if is_traced_scalar(number):
        refuse_in_step("the text of a float", "print or format it outside, or in a function given to host_call")


def _elements(array: np.ndarray[Any, Any]) -> str:
    """The elements in brackets: whole floats as `2.`, others with four digits."""
    options: dict[str, Any] = {"separator": ", ", "prefix": "tensor("}
    if array.dtype.kind == "f":
        finite = array[np.isfinite(array)]
        if bool((finite != np.trunc(finite)).any()):
            options |= {"precision": 4, "floatmode": "fixed"}
        elif np.abs(finite).max(initial=0) < 1e7:
            width = max((len(_whole(x)) for x in array.flat), default=0)
            options["formatter"] = {"float_kind": lambda x: _whole(x).rjust(width)}
    return np.array2string(array, threshold=1000, **options)


def _whole(x: float) -> str:
    return f"{x:.0f}." if math.isfinite(x) else str(x)


def text_of(tensor: Tensor) -> str:
    """What `repr` gives. TraceError where a recorded step does not know the numbers."""
    check_read(tensor, "repr")
    _refuse_text(tensor)
    parts = [_elements(np.asarray(tensor.detach()))]
    if tensor.dtype not in (float32, int64, bool_):
        parts.append(f"dtype={tensor.dtype.name}")
    if tensor.is_leaf:
        if tensor.requires_grad:
            parts.append("requires_grad=True")
    else:
        parts.append(f"grad_fn={tensor.grad_fn}")
    return f"tensor({', '.join(parts)})"


def formatted(tensor: Tensor, spec: str) -> str:
    """What `format` gives: the number of a tensor with one element, the text of another."""
    if not spec or tensor.numel() != 1:
        return format(repr(tensor), spec)
    check_read(tensor, "format")
    _refuse_text(tensor)
    return format(tensor.item(), spec)
