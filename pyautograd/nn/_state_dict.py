"""State dicts of modules: the tensors that a module holds by name, given out and taken over.

A dict is checked as a whole before anything is copied, so that a module whose dict is refused stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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


class Stateful:
    """The part of `Module` that has a state dict."""

    _held: dict[str, Any]
    get_submodule: Callable[[str], Any]

    @property
    def _buffer_names(self) -> dict[str, bool]:
        """The buffers' names, and whether each goes into the state dict."""
        names: dict[str, bool] = self._held.get("_buffers_persistent", {})
        return names

    def _named_state(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        """Everything that goes into the state dict, in its order, shared tensors under each of their names."""
        persistent = self._buffer_names
        items = list(self._held.items())
        for name, value in items:
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, goes_in in persistent.items():
            if goes_in and self._held[name] is not None:
                yield prefix + name, self._held[name]
        for name, value in items:
            if isinstance(value, Stateful):
                yield from value._named_state(f"{prefix}{name}.")

    def state_dict(
        self, *, destination: dict[str, Tensor] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Name to tensor of all parameters and persistent buffers, detached and sharing their memory.

        With `keep_vars` they are the module's own, not detached. It raises nothing.

        >>> import pyautograd as pa
        >>> {name: tuple(t.shape) for name, t in pa.nn.MLP(2, [3, 1]).state_dict().items()}
        {'layers.0.weight': (3, 2), 'layers.0.bias': (3,), 'layers.1.weight': (1, 3), 'layers.1.bias': (1,)}
        """
        state = {} if destination is None else destination
        for name, tensor in self._named_state(prefix):
            state[name] = tensor if keep_vars else tensor.detach()
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies a state dict's numbers into this module's parameters and buffers.

        With `assign` the given tensors take the places of the module's own. **Returns** the names of one side alone, if
        not `strict`. **Raises** RuntimeError for these if `strict`, and always for shapes and kinds that differ,
        TypeError for what is no mapping. All is checked before anything is copied.

        >>> import pyautograd as pa
        >>> a, b = pa.nn.Linear(2, 1), pa.nn.Linear(2, 1)
        >>> _ = a.load_state_dict(b.state_dict())
        >>> bool((a.weight == b.weight).all())
        True
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict).__name__}.")
        own = dict(self._named_state(""))
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
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(problems))
        with no_grad():
            for name, tensor in ready.items():
                if assign:
                    place, _, attribute = name.rpartition(".")
                    setattr(self.get_submodule(place), attribute, tensor)
                else:
                    own[name].copy_(tensor)
        return IncompatibleKeys(missing, unexpected)


def _as_tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else _tensor(value)


def _in_place_of(own: Tensor, given: Any) -> Tensor:
    tensor = _as_tensor(given)
    if isinstance(own, Parameter) and not isinstance(tensor, Parameter):
        return Parameter(tensor, requires_grad=own.requires_grad)
    return tensor


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
