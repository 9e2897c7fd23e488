"""What a module's tensors are exchanged by, as a whole or not at all: state dicts loaded, and conversions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pyautograd._array_like import tensor as _tensor
from pyautograd._grad_mode import no_grad
from pyautograd._tensor import Parameter, Tensor


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` did not find a partner for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        return f"IncompatibleKeys{tuple(self)}" if any(self) else "<All keys matched successfully>"


def load(module: Any, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """`Module.load_state_dict`: all is checked before anything is copied."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict).__name__}.")
    own = dict(module._named_state(""))
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    ready: dict[str, Tensor] = {}
    problems = []
    if strict and unexpected:
        problems.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}.")
    if strict and missing:
        problems.append(f"Missing key(s) in state_dict: {_quoted(missing)}.")
    for name, tensor in own.items():
        if name not in state_dict:
            continue
        given = state_dict[name]
        if not hasattr(given, "shape"):
            problems.append(f"{name} must be a tensor or an array, not {type(given).__name__}.")
        elif tuple(given.shape) != tuple(tensor.shape):
            problems.append(
                f"size mismatch for {name}: the checkpoint has shape {tuple(given.shape)}, "
                f"the model {tuple(tensor.shape)}."
            )
        else:
            try:
                ready[name] = _in_place_of(tensor, given) if assign else _as_tensor(given)
            except (TypeError, ValueError) as error:
                problems.append(f"{name} cannot be a tensor of the model: {error}.")
    if problems:
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(problems))
    with no_grad():
        for name, tensor in ready.items():
            if assign:
                place, _, attribute = name.rpartition(".")
                setattr(module.get_submodule(place), attribute, tensor)
            else:
                own[name].copy_(tensor)
    return IncompatibleKeys(missing, unexpected)


def convert(module: Any, convert: Callable[[Tensor], Tensor]) -> None:
    """Converts parameters with their gradients, and buffers; where one cannot be, all stay as they were."""
    changed: list[tuple[Parameter, Tensor, Tensor | None]] = []
    with no_grad():
        try:
            for parameter in module.parameters():
                data, grad = parameter.data, parameter.grad
                converted = convert(data)
                if converted.dtype is not data.dtype:
                    changed.append((parameter, data, grad))
                    parameter.grad = None
                    parameter.data = converted
                    parameter.grad = None if grad is None else convert(grad)
        except BaseException:
            # One of them is still part of a graph: all stay as they were.
            for parameter, data, grad in changed:
                parameter.grad = None
                if parameter.dtype is not data.dtype:
                    parameter.data = data
                parameter.grad = grad
            raise
        done: dict[int, Tensor] = {}
        for each in module.modules():
            for name, buffer in each._buffers.items():
                if buffer is not None:
                    setattr(each, name, done.setdefault(id(buffer), convert(buffer)))


def _as_tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else _tensor(value)


def _in_place_of(own: Tensor, given: Any) -> Tensor:
    tensor = _as_tensor(given)
    if isinstance(own, Parameter) and not isinstance(tensor, Parameter):
        return Parameter(tensor, requires_grad=own.requires_grad)
    return tensor


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
