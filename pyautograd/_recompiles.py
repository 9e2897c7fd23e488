"""Why a step is recorded anew: counted, with one warning when it does not end; and one when it trains nothing."""

from __future__ import annotations

import inspect
import warnings
from collections import Counter
from typing import Any

from pyautograd._signature import Call, TensorSpec
from pyautograd._structure import Constant

MANY = 8  # signatures, or changes of one thing, before the warning
MAX_COUNTED = 64  # signatures, for a step that never repeats one


class Recompiles:
    """The signatures that a step has had, and what was no longer as it was when it was recorded anew."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._signatures: dict[Any, set[Any]] = {}  # by the structure of the arguments
        self._changes: Counter[str] = Counter()
        self._warned = False
        self._was_in_vain = False

    def count_signature(self, call: Call, seen: set[str]) -> None:
        """Warns when there are many signatures; `seen`: the float arguments that joined it, by their name."""
        if self._warned or len(self._signatures) > MAX_COUNTED:
            return
        numbers = {name: Constant(leaf) for name, leaf in zip(call.leaf_names, call.leaves) if name in seen}
        signature = tuple([numbers.get(name, spec) for name, spec in zip(call.names, call.signature)])
        known = self._signatures.setdefault(call.kind, set())
        if len(known) < MAX_COUNTED:
            known.add(signature)
        if len(self._signatures) > MANY:
            self._warn(
                f"{len(self._signatures)} kinds of arguments: nested lists, tuples and dicts are part of the signature "
                "with their lengths and keys; pass tensors or arrays of few shapes instead"
            )
        if len(known) <= MANY:
            return
        counts = [len({each[i] for each in known}) for i in range(len(signature))]
        most = max(range(len(counts)), key=counts.__getitem__)
        others = [name for i, name in enumerate(call.names) if counts[i] > 1 and i != most]
        also = f" (and in {', '.join(map(repr, others))})" if others else ""
        name, advice = call.names[most], _advice(signature[most])
        self._warn(f"{len(known)} signatures that differ in argument {name!r}{also}, {advice}")

    def count_change(self, place: str) -> None:
        """Warns when something that the step reads keeps changing."""
        if self._warned:
            return
        self._changes[place] += 1
        if self._changes[place] > MANY:
            self._warn(
                f"{place} has changed {self._changes[place]} times; a number or tensor that changes is an argument of "
                "the step; after a change of something else, such as a model, compile the step anew: run its cell again"
            )

    def tell_in_vain(self, words: str | None) -> None:
        """Warns of a recorded step whose optimiser had nothing to apply, where the one before it had."""
        if words is not None and not self._was_in_vain:
            _warn(f"compile: {self._name}: {words}")
        self._was_in_vain = words is not None

    def _warn(self, words: str) -> None:
        """The warning, once."""
        self._warned = True
        _warn(f"compile: {self._name} is recorded anew and again, and runs eagerly meanwhile: {words}")


def _warn(message: str) -> None:
    """A warning at the line outside the package that called the step."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("pyautograd._"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)


def _advice(spec: Any) -> str:
    """What to do about an argument that is another at each call."""
    if isinstance(spec, TensorSpec):
        if spec.shape:
            where = f"whose shape is part of the signature (now {spec.shape})"
            return f"{where}: pad it to few shapes, or compile with dynamic_batch=True where it is the first axis"
        return f"which is part of the signature ({spec})"
    value = spec.value
    if isinstance(value, (bool, str)) or value is None:
        return f"a {type(value).__name__}, which is part of the signature (now {value!r})"
    if isinstance(value, float):
        return f"a float on which the step decides (now {value}), and which is part of the signature"
    if isinstance(value, int):
        return f"an int, which is part of the signature (now {value}): make it a float or a tensor"
    return f"a {type(value).__name__}, which is part of the signature by identity: pass the same object, or tensors"
