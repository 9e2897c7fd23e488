"""What a model is made of: its layers with the shapes that they give, their parameters and what they compute."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pyautograd import _core
from pyautograd._array_like import as_tensor
from pyautograd._c import refuse_in_step
from pyautograd._creation import zeros
from pyautograd._dtype import get_default_dtype
from pyautograd._generator import get_rng_state, set_rng_state
from pyautograd._grad_mode import enable_grad
from pyautograd._structure import flatten
from pyautograd._tensor import Tensor
from pyautograd.nn._compiled import CompiledModule
from pyautograd.nn._module import Module

__all__ = ["summary"]


class Layer(NamedTuple):
    """A module: its dotted name and its class, the shape of its first output (None where it was not called), the
    parameters that are its own and not those of modules inside, how many of them are trained, and its flops."""

    name: str
    kind: str
    shape: tuple[int, ...] | None
    parameters: int
    trainable: int
    flops: int


class Summary:
    """What `summary` returns: `layers`, and the sums `parameters`, `trainable` and `flops`; prints as a table.

    >>> import pyautograd as pa
    >>> pa.summary(pa.nn.MLP(2, [3, 1]), (1, 2)).parameters
    13
    """

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers
        self.parameters = sum(layer.parameters for layer in layers)
        self.trainable = sum(layer.trainable for layer in layers)
        self.flops = sum(layer.flops for layer in layers)

    def _lines(self) -> Iterator[tuple[str, ...]]:
        yield "layer", "output", "parameters", "flops"
        for name, kind, shape, parameters, _, flops in self.layers:
            depth, last = (name.count(".") + 1, name.rpartition(".")[2]) if name else (0, "")
            label = f"{'  ' * depth}{last}{': ' if last else ''}{kind}"
            output = str(shape) if shape is not None else "not called" if parameters else ""
            yield label, output, f"{parameters:,}", f"{flops:,}"
        yield "in all", f"{self.trainable:,} trained", f"{self.parameters:,}", f"{self.flops:,}"

    def __repr__(self) -> str:
        lines = list(self._lines())
        widths = [max(map(len, column)) for column in zip(*lines)]
        lines.insert(1, tuple("-" * width for width in widths))
        lines.insert(-1, lines[1])
        return "\n".join(
            f"{label:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}  {flops:>{widths[3]}}"
            for label, shape, count, flops in lines
        )


def summary(model: Module, *inputs: Any) -> Summary:
    """The layers of a model, with the shapes, parameters and flops of one call of it.

    **Arguments:** `inputs`: what it is called with: tensors, or arrays, data frames and shapes, axis of the batch
    included, whose floats become those of its parameters. It is a copy that is called, in evaluation mode, so that the
    model and random streams stay as they are. **Returns** a `Summary`. Parameters stand with the module that has them,
    and flops, two for each multiplication of a product of matrices, with the one that computes it: columns add up. What
    has no history has no flops. **Raises** TypeError for what is no Module, and what the call raises.

    >>> import pyautograd as pa
    >>> pa.summary(pa.nn.Sequential(pa.nn.Linear(64, 128), pa.nn.ReLU(), pa.nn.Linear(128, 10)), (32, 64))
    layer        output         parameters    flops
    -----------  -------------  ----------  -------
    Sequential   (32, 10)                0        0
      0: Linear  (32, 128)           8,320  524,288
      1: ReLU    (32, 128)               0        0
      2: Linear  (32, 10)            1,290   81,920
    -----------  -------------  ----------  -------
    in all       9,610 trained       9,610  606,208
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: a Module is wanted, not a {type(model).__name__}")
    if not inputs:
        raise TypeError("summary: with what is the model called? A shape will do: summary(model, (32, 3))")
    refuse_in_step("summary", "call it outside")
    copied = _shallow(model, {}).eval()
    seen = _Seen(copied)
    before = get_rng_state()
    try:
        with enable_grad():
            copied(*(_input(each, copied) for each in inputs))
    finally:
        set_rng_state(before)
    return Summary(list(seen.layers()))


def _shallow(model: Module, made: dict[Module, Module]) -> Module:
    """The modules once more, on the same parameters and with buffers of their own. None is compiled: its calls would
    be one op."""
    if isinstance(model, CompiledModule):
        model = model._module
    if model not in made:
        copied = made[model] = copy.copy(model)
        for name, child in model._modules.items():
            setattr(copied, name, _shallow(child, made))
        for name, buffer in model._buffers.items():
            setattr(copied, name, None if buffer is None else buffer.clone())
    return made[model]


def _input(given: Any, model: Module) -> Tensor:
    dtypes = (parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
    dtype = next(dtypes, get_default_dtype())
    if isinstance(given, (tuple, list)) and all(isinstance(size, (int, np.integer)) for size in given):
        given = zeros(given, dtype=dtype)
    tensor = as_tensor(given).detach()
    if tensor.is_floating_point() and not isinstance(given, Tensor):
        tensor = tensor.to(dtype)
    # With a history, without which no op would be seen of layers that are not trained
    return tensor.requires_grad_(True) * 1 if tensor.is_floating_point() else tensor


class _Seen:
    """What hooks see of one call."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.shapes: dict[Module, tuple[int, ...]] = {}
        self.flops: dict[Module, int] = {}
        self._running: list[Module] = [model]
        self._nodes: dict[int, Any] = {}
        for module in model.modules():
            module.register_forward_pre_hook(self._begin)
            module.register_forward_hook(self._end)

    def _begin(self, module: Module, args: Any) -> None:
        self._count(args)
        self._running.append(module)

    def _end(self, module: Module, args: Any, output: Any) -> None:
        tensors = self._count(output)
        self.shapes[module] = tuple(tensors[0].shape) if tensors else ()
        self._running.pop()

    def _count(self, value: Any) -> list[Tensor]:
        """Adds what has been computed since the last count to the module that runs; the tensors of a value."""
        leaves: list[Any] = []
        flatten(value, leaves, Tensor)
        running = self._running[-1]
        for leaf in leaves:
            for node in _core.tape(leaf):
                if id(node) not in self._nodes:
                    self._nodes[id(node)] = node
                    self.flops[running] = self.flops.get(running, 0) + _flops(node)
        return leaves

    def layers(self) -> Iterator[Layer]:
        counted: set[Any] = set()
        for name, module in self.model.named_modules():
            own = {id(p): p for p in module.parameters(recurse=False) if id(p) not in counted}
            counted |= own.keys()
            trained = sum(p.numel() for p in own.values() if p.requires_grad)
            sizes = sum(p.numel() for p in own.values()), trained
            yield Layer(name, type(module).__name__, self.shapes.get(module), *sizes, self.flops.get(module, 0))


def _flops(node: Any) -> int:
    if node._op_name not in ("matmul", "linear"):
        return 0
    return 2 * int(node.numel()) * int(node._inputs[0].shape[-1])
