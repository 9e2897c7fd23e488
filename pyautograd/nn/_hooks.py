"""Hooks of modules: functions that a call of a module runs before and after its `forward`, and its backward.

While no module has hooks, a call does no more than to look at `in_use`. The hooks stand in an attribute that is
replaced where one is added or removed, so that compiled steps notice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pyautograd._hooks import RemovableHandle

in_use = False  # was a hook ever registered here?


class Hook(NamedTuple):
    """One of them; `id` is its handle's."""

    id: int
    kind: str
    function: Callable[..., Any]
    with_kwargs: bool


def mark_in_use() -> None:
    global in_use
    in_use = True


class Hooked:
    """The part of `Module` that has hooks."""

    _hooks: tuple[Hook, ...] = ()
    _calls_forward: bool

    def _add_hook(self, kind: str, hook: Any, prepend: bool, with_kwargs: bool = False) -> RemovableHandle:
        if not callable(hook):
            raise TypeError(f"a {kind} hook is a function, not {type(hook).__name__}")
        mark_in_use()
        handle = RemovableHandle(self)
        added = (Hook(handle.id, kind, hook, with_kwargs),)
        self._hooks = added + self._hooks if prepend else self._hooks + added
        self._calls_forward = False
        return handle

    def _remove_hook(self, id: int) -> None:
        left = tuple([hook for hook in self._hooks if hook.id != id])
        if left:
            self._hooks = left
        elif self._hooks:
            del self._hooks, self._calls_forward

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """`hook(module, args)` is called before `forward`, and may return other arguments: a tuple, or the only one.

        **Arguments:** `prepend`: before those that are there. `with_kwargs`: it is `hook(module, args, kwargs)`, and
        what it returns a tuple of both. **Returns** a handle with `remove()`. **Raises** TypeError for what is no
        function; a call RuntimeError where a hook `with_kwargs` returns something else.

        >>> import pyautograd as pa
        >>> layer = pa.nn.ReLU()
        >>> handle = layer.register_forward_pre_hook(lambda module, args: args[0] - 1)
        >>> layer(pa.tensor([0.5, 3.0]))
        tensor([0., 2.])
        """
        return self._add_hook("forward pre", hook, prepend, with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """`hook(module, args, output)` is called after `forward`, and may return another output.

        **Arguments:** `prepend`: before those that are there. `with_kwargs`: it is `hook(module, args, kwargs,
        output)`. **Returns** a handle with `remove()`. **Raises** TypeError for what is no function,
        NotImplementedError for `always_call`.

        >>> import pyautograd as pa
        >>> model = pa.nn.Sequential(pa.nn.Linear(2, 3), pa.nn.Tanh())
        >>> seen = []
        >>> handle = model[0].register_forward_hook(lambda module, args, output: seen.append(output.shape))
        >>> y = model(pa.zeros(5, 2))
        >>> seen
        [(5, 3)]
        """
        if always_call:
            raise NotImplementedError("register_forward_hook: always_call=True is not there; catch what forward raises")
        return self._add_hook("forward", hook, prepend, with_kwargs)


def call(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a module that has hooks."""
    hooks = module._hooks
    for hook in hooks:
        if hook.kind == "forward pre":
            args, kwargs = _before(module, hook, args, kwargs)
    output = module.forward(*args, **kwargs)
    for hook in hooks:
        if hook.kind == "forward":
            given = (args, kwargs, output) if hook.with_kwargs else (args, output)
            returned = hook.function(module, *given)
            output = output if returned is None else returned
    return output


def _before(module: Any, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not hook.with_kwargs:
        returned = hook.function(module, args)
        return args if returned is None else returned if isinstance(returned, tuple) else (returned,), kwargs
    returned = hook.function(module, args, kwargs)
    if returned is None:
        return args, kwargs
    if isinstance(returned, tuple) and len(returned) == 2:
        return returned
    raise RuntimeError(
        f"{type(module).__name__}: a forward pre hook with kwargs returns None or (args, kwargs), not "
        f"{type(returned).__name__}"
    )
