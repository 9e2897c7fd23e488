"""One recorded call of a step: what it did, returned and read, and whether a second call did the same."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pyautograd import _core, _grad_mode, _updates
from pyautograd._batch import rows_of
from pyautograd._core import Node, TraceError, is_traced_scalar
from pyautograd._guards import StepGuards
from pyautograd._rows import Bounds
from pyautograd._signature import Call
from pyautograd._structure import flatten, outline, rebuild
from pyautograd._tensor import Tensor
from pyautograd._value import Value


class Recorded(NamedTuple):
    """What is known of one recorded call."""

    log: _core.Recording
    results: Any  # their structure
    updates: list[_updates.Update]
    guards: StepGuards
    signature: tuple[Any, ...]
    bounds: Bounds | None  # of one made beside another with another number of rows

    def stands_for(self, other: Any) -> bool:
        """Whether what is known of the number of rows says that a call as another recording's, or program's, does the
        same."""
        rows = rows_of(other.signature, self.signature)
        return other.signature == self.signature or (
            rows is not None and self.bounds is not None and rows[0] in self.bounds
        )

    def difference(self, other: Recorded) -> str | None:
        """What two calls with the same signature did differently, as the end of a sentence about them."""
        if self.results != other.results:
            return f"returned different things: {outline(self.results)} and {outline(other.results)}"
        found = self.log.difference(other.log)
        return None if found is None else f"did not do the same: {found}"


def run_eagerly(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function returns, as a program would give it."""
    outputs: list[Any] = []
    structure = flatten(function(*args, **kwargs), outputs, Node)
    return rebuild(structure, iter([_as_given(output, _is_live(output)) for output in outputs]))


def record(
    function: Callable[..., Any], call: Call, guards: StepGuards, beside: Recorded | None = None
) -> tuple[Any, Recorded, str | None]:
    """The result of a call, what was recorded, and what a program could not repeat."""
    bounds = None
    outputs: list[Any] = []
    with _core.recorded():
        try:
            updates = _updates.start()
            args, kwargs = _stand_ins(call)
            if beside is not None and (rows := rows_of(beside.signature, call.signature())) is not None:
                bounds = Bounds(rows[1])
                sizes = bounds.make
                _core.record_beside(beside.log, sizes)
            structure = flatten(_called(function, args, kwargs, call), outputs, Node)
            log = _core.record_stop(tuple(outputs))
        finally:
            _updates.stop()
    args = kwargs = None  # so that what the step alone should hold dies before leaks are looked for
    result = rebuild(structure, iter([_as_given(*pair) for pair in zip(outputs, log.live())]))
    outputs.clear()
    problem = guards.changed()
    if problem is None and log.leak() is not None:
        gc.collect()  # a helper that calls itself, as micrograd's build_topo does, holds what it saw in a cycle
    if problem is None and (leak := log.leak()) is not None:
        problem = f"{leak} is kept outside the step, where a program would not put it; return it instead"
    return result, Recorded(log, structure, updates, guards, call.signature(), bounds), problem


_OF_ARRAYS = {  # what ndarrays have and Tensors have not, and what to write
    "astype": "x.to(dtype)", "copy": "x.clone()", "fill": "x.fill_(number)", "nbytes": "x.numel() * x.element_size()",
}  # fmt: skip


def _called(function: Callable[..., Any], args: Any, kwargs: Any, call: Call) -> Any:
    """What the function returns; TraceError where it uses an array as the ndarray that it was before the call."""
    try:
        return function(*args, **kwargs)
    except AttributeError as error:
        name = str(error.name)
        if not call.arrays or not isinstance(error.obj, Tensor) or not hasattr(np.ndarray, name):
            raise
        raise TraceError(
            f".{name} of an ndarray that a compiled step is given: it arrives as a Tensor, which has no {name}; write "
            f"{_OF_ARRAYS.get(name, 'what Tensors have')}, or do it before the call"
        ) from error
    except TypeError as error:
        if not _is_of_numpy(error, bool(call.arrays)):
            raise
        raise TraceError(
            "a function of NumPy on what a compiled step is given, or has computed: an ndarray arrives as a Tensor, "
            "and numbers are known to the program alone; write the function of this package, such as "
            "pyautograd.sin(x) for np.sin(x), or do it outside of the step"
        ) from error


def _is_of_numpy(error: TypeError, has_arrays: bool) -> bool:
    """Was it raised by a function of NumPy that was given a Tensor?"""
    frame = error.__traceback__
    while has_arrays and frame is not None:
        if str(frame.tb_frame.f_globals.get("__name__")).partition(".")[0] == "numpy":
            return True
        frame = frame.tb_next
    return "__array_ufunc__" in str(error)


def _stand_ins(call: Call) -> tuple[Any, Any]:
    """The arguments for a recorded call: tensors declared as inputs, floats as traced scalars."""
    taken = []
    for i, leaf in enumerate(call.leaves):
        if isinstance(leaf, Node):
            _core.record_input(leaf, i in call.arrays)
            taken.append(leaf)
        else:
            taken.append(_core.record_number(leaf) if type(leaf) is float else leaf)
    leaves = iter(taken)
    positional, named = call.structure
    return rebuild(positional, leaves), rebuild(named, leaves)


def _is_live(output: Any) -> bool:
    """Has a tensor a history that a backward can go through?"""
    return bool(output.requires_grad and (output.is_leaf or output._prev))


def _as_given(output: Any, is_live: bool) -> Any:
    """A result of the eager step as a program gives it: the caller's own, with the history that it has, or none."""
    if is_traced_scalar(output):
        return output.item()
    with _grad_mode.set_grad_enabled(is_live):
        if isinstance(output, Value):
            given: Any = output * 1.0 if is_live else Value(output.data)
        else:
            given = output.clone() if is_live else output.detach().clone()
            given.requires_grad = output.requires_grad if output.is_leaf else is_live
    if output.grad is not None:
        given.grad = output.grad
    return given
