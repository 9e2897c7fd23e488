"""Gradients of autograd.Functions in compiled steps, where these are differentiated themselves.

The step knows the tensors that a Function was applied to, and not those that its forward has kept, so its backward is
no part of the log: it is a host call, with a backward of its own, which differentiates the one that ran at this replay.

    x ──Cube──▶ y        at each replay, in Python:   leaves ──Cube──▶ output
    x, g ──Gradients──▶ dx                            leaves, upstream ──Cube.backward──▶ outputs, with a history

That op is differentiated in the same way: to any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd import _core
from pyautograd._grad_mode import enable_grad, no_grad
from pyautograd._tensor import Tensor

__all__: list[str] = []


class Ran:
    """What ran in Python: tensors with a history over leaves of its own."""

    def __init__(self, leaves: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
        self.leaves, self.outputs = leaves, outputs

    def gradients(self, which: int, upstream: Tensor, twice: bool) -> tuple[Tensor | None, ...]:
        """Of one output in each leaf, None where it does not depend on it."""
        if not self.outputs[which].requires_grad:
            return (None,) * len(self.leaves)
        with enable_grad():
            return _core.grad(self.outputs[which], self.leaves, upstream, True, twice, False)


class Gradients:
    """A host call: the gradients of an op whose backward is written in Python, equal to the same in another log."""

    context: Ran

    def __init__(self, backward: Any, ran: Callable[[], Ran], tracked: bool) -> None:
        self._backward, self._ran, self._tracked = backward, ran, tracked
        self.found: tuple[bool, ...] | None = None  # which of the leaves got one when it was recorded

    @property
    def __name__(self) -> str:
        return f"{self._backward.__name__}.backward"

    @property
    def functions(self) -> tuple[Any, ...]:
        return self._backward.functions  # type: ignore[no-any-return]

    def constants(self) -> list[Any]:
        return []

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Gradients):
            return False
        return (self._backward, self._tracked, self.found) == (other._backward, other._tracked, other.found)

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, given: Tensor) -> tuple[Tensor, ...]:
        with no_grad():
            upstream = given.detach().requires_grad_(self._tracked)
        ran = self._ran()
        found = ran.gradients(self._backward.which, upstream, True)
        there = tuple([each is not None for each in found])
        if self.found is None:
            self.found = there
        if self.found != there:
            raise RuntimeError(
                f"{self.__name__}: other gradients are None than when the step was recorded; return zeros instead"
            )
        outputs = tuple([each for each in found if each is not None])
        self.context = Ran((upstream, *ran.leaves) if self._tracked else ran.leaves, outputs)
        return tuple([each.detach() for each in outputs])


class GradientsBackward:
    """One gradient's share of the backward of all of them."""

    def __init__(self, call: Gradients, which: int) -> None:
        self._call, self.which = call, which

    @property
    def __name__(self) -> str:
        return self._call.__name__

    @property
    def functions(self) -> tuple[Any, ...]:
        return self._call.functions

    def constants(self) -> list[Any]:
        return []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GradientsBackward) and (self._call, self.which) == (other._call, other.which)

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, upstream: Tensor, context: Ran | None = None, output: Tensor | None = None) -> tuple[Any, ...]:
        return (context or self._call.context).gradients(self.which, upstream, output is not None)

    def ran(self) -> Ran:
        """What the last call has left."""
        return self._call.context

    def in_step(self, upstream: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
        """What this sends to each input, as a result of the step."""
        return in_step(self, upstream, inputs)


def in_step(backward: Any, upstream: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
    """The gradients of an op in a step, in each of its inputs, as results of the step."""
    call = Gradients(backward, backward.ran, upstream.requires_grad)
    made = iter(_core.record_host(call, (upstream,), _core.unrecorded(call, upstream.detach())))
    found = tuple([next(made) if each else None for each in call.found or ()])
    parents = (upstream, *inputs) if upstream.requires_grad else inputs
    for i, each in enumerate(each for each in found if each is not None):
        _core.attach(each, parents, GradientsBackward(call, i), call.__name__)
    return found
