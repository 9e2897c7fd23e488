"""Hooks of tensors, and what `register_hook` and its like return."""

from __future__ import annotations

import importlib
import itertools
import weakref
from collections.abc import Callable
from typing import Any

from pyautograd import _core
from pyautograd._c import refuse_in_step
from pyautograd._core import Node, TraceError, is_recording

__all__ = ["RemovableHandle"]

_numbers = itertools.count()


class RemovableHandle:
    """Takes a hook away again by `remove()`, or at the end of a `with`.

    >>> import pyautograd as pa
    >>> layer = pa.nn.ReLU()
    >>> with layer.register_forward_pre_hook(lambda module, args: 10 * args[0]):
    ...     layer(pa.tensor([-1.0, 2.0]))
    tensor([ 0., 20.])
    >>> layer(pa.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, holder: Any) -> None:
        self.id = next(_numbers)
        self._holder = weakref.ref(holder)

    def remove(self) -> None:
        """The hook is not called any more; nothing happens where it is not there.

        >>> import pyautograd as pa
        >>> layer = pa.nn.ReLU()
        >>> handle = layer.register_forward_hook(lambda module, args, output: print(output))
        >>> y = layer(pa.tensor([-1.0, 2.0]))
        tensor([0., 2.])
        >>> handle.remove()
        >>> y = layer(pa.tensor([-1.0, 2.0]))
        """
        holder = self._holder()
        if holder is not None:
            holder._remove_hook(self.id)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class GradientHooks:
    """The hooks of a tensor, in the order of their registration; the engine calls this, without history but where
    gradients get one."""

    def __init__(self) -> None:
        self._of_gradient: dict[int, Callable[[Any], Any]] = {}
        self._of_accumulated: dict[int, Callable[[Any], Any]] = {}

    def __call__(self, given: Any, accumulated: bool) -> Any:
        """The gradient that hooks have made of the one given, None where they left it; or the tensor is shown."""
        made = None
        for hook in list((self._of_accumulated if accumulated else self._of_gradient).values()):
            returned = hook(given)
            if accumulated or returned is None:
                continue
            if not isinstance(returned, Node):
                raise TypeError(f"backward: a hook returned a {type(returned).__name__}, not a tensor")
            if returned.shape != given.shape:
                raise RuntimeError(
                    f"backward: a hook returned a gradient of shape {returned.shape} for one of {given.shape}"
                )
            made = given = returned
        return made

    def in_step(self, is_captured: bool) -> Any:
        """What stands for them in a program: those that there are now, of a tensor from outside of the step itself;
        None where there are none.

        **Raises** TraceError where they wait for a leaf's `.grad`.
        """
        self.check_in_step()
        if not (self._of_gradient or is_captured):
            return None
        hooks = self
        if not is_captured:
            hooks = GradientHooks()
            hooks._of_gradient = dict(self._of_gradient)
        return importlib.import_module("pyautograd._host").HookCall(hooks, is_captured)

    def check_in_step(self) -> None:
        """TraceError where they wait for a leaf's `.grad`."""
        if self._of_accumulated:
            what, instead = "a backward to a leaf with post-accumulate hooks", "write what they do behind backward()"
            refuse_in_step(what, instead)
            raise TraceError(f"{what} cannot be part of a compiled step: {instead}")

    def hooks(self) -> list[Any]:
        """Those that see a gradient on its way."""
        return list(self._of_gradient.values())

    def _remove_hook(self, id: int) -> None:
        self._of_gradient.pop(id, None)
        self._of_accumulated.pop(id, None)


class StepHook:
    """A hook of ours, made anew at each call of a step; equal to another's where it calls functions in the same way."""

    @property
    def functions(self) -> tuple[Any, ...]:
        return ()


def add_hook(name: str, tensor: Any, hook: Any, accumulated: bool) -> RemovableHandle:
    """Registers one on a tensor that requires grad."""
    if not callable(hook):
        raise TypeError(f"{name}: a function is wanted, not {type(hook).__name__}")
    if accumulated:
        refuse_in_step(name, "write what it does behind backward()")
    hooks = vars(tensor).get("_backward_hooks") or GradientHooks()
    _core.hook(tensor, hooks)
    if is_recording():
        importlib.import_module("pyautograd._host").check_made_here(
            name, hook, "write what it does as the backward of an autograd.Function, which saves it"
        )
    handle = RemovableHandle(hooks)
    (hooks._of_accumulated if accumulated else hooks._of_gradient)[handle.id] = hook
    return handle
