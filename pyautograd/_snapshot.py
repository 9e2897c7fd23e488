"""What a step may change, as it is before the first step of a training, and put back where that step fails.

    Snapshot(nodes, optimisers) ── the step raises, or returns no loss ──▶ restore()

Only the first step of a run is put back; what a later one has done stands, as in a loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyautograd import _grad_mode
from pyautograd._c import ffi, lib
from pyautograd._generator import Generator
from pyautograd._tensor import Tensor
from pyautograd._value import Value


class Snapshot:
    """Tensors and Values with their gradients, the states of optimisers, and where random streams stand."""

    def __init__(self, nodes: Iterable[Any], optimizers: Iterable[Any], generator: Generator | None) -> None:
        self._optimizers = [_OptimizerState(optimizer) for optimizer in optimizers]
        params = (p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"])
        found = {id(node): node for node in (*nodes, *params)}
        self._values = [(node, node.data, node.grad) for node in found.values() if isinstance(node, Value)]
        self._tensors = [_TensorState(node) for node in found.values() if isinstance(node, Tensor)]
        self._generator = generator, None if generator is None else generator.get_state()
        self._stream = ffi.new("uint64_t[4]")
        lib.pa_random_stream_swap(self._stream)
        lib.pa_random_stream_swap(ffi.new("uint64_t[4]", list(self._stream)))

    def restore(self) -> None:
        with _grad_mode.no_grad():
            for tensor in self._tensors:
                tensor.restore()
        for value, data, grad in self._values:
            value.data, value.grad = data, grad
        for optimizer in self._optimizers:
            optimizer.restore()
        generator, state = self._generator
        if generator is not None and state is not None:
            generator.set_state(state)
        lib.pa_random_stream_swap(self._stream)


class _TensorState:
    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._numbers = _Numbers(tensor)
        self._grad = tensor.grad if tensor.is_leaf else None
        self._grad_numbers = None if self._grad is None else _Numbers(self._grad)

    def restore(self) -> None:
        self._numbers.restore()
        if self._tensor.is_leaf and self._tensor.grad is not self._grad:
            self._tensor.grad = self._grad
        if self._grad_numbers is not None:
            self._grad_numbers.restore()


class _Numbers:
    """The elements of a tensor; where its memory overlaps itself, nobody can have written to them."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        with _grad_mode.no_grad():
            self._copy = tensor.detach().clone()

    def restore(self) -> None:
        if 0 not in self._tensor.stride():
            self._tensor.detach().copy_(self._copy)


class _OptimizerState:
    def __init__(self, optimizer: Any) -> None:
        state = optimizer.state  # with the counts of steps that C keeps
        self._optimizer = optimizer
        self._attributes = dict(vars(optimizer))
        self._state = {param: dict(kept) for param, kept in state.items()}
        self._numbers = [
            _Numbers(held) for kept in state.values() for held in kept.values() if isinstance(held, Tensor)
        ]

    def restore(self) -> None:
        optimizer = self._optimizer
        optimizer.state.clear()
        vars(optimizer).clear()
        vars(optimizer).update(self._attributes)
        optimizer.state.update(self._state)
        for numbers in self._numbers:
            numbers.restore()
