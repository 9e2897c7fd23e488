"""Hooks of modules: functions that a call of a module runs before and after its `forward`, and its backward.

While no module has hooks, a call does no more than to look at `in_use`. The hooks stand in an attribute that is
replaced where one is added or removed, so that compiled steps notice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pyautograd._grad_mode import is_grad_enabled
from pyautograd._hooks import RemovableHandle, StepHook
from pyautograd._joins import cat
from pyautograd._tensor import Tensor

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

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(module, grad_output)` is called when a backward has the gradients of the outputs, a tuple.

        It may return others, which the module's backward then begins with. **Returns** a handle with `remove()`.
        **Raises** TypeError for what is no function; a backward RuntimeError where it returns another number of
        gradients.

        >>> import pyautograd as pa
        >>> layer = pa.nn.Tanh()
        >>> handle = layer.register_full_backward_pre_hook(lambda module, grad_output: (2 * grad_output[0],))
        >>> x = pa.zeros(2, requires_grad=True)
        >>> layer(x).sum().backward()
        >>> x.grad
        tensor([2., 2.])
        """
        return self._add_hook("full backward pre", hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(module, grad_input, grad_output)` is called when a backward has been through the module.

        Both are tuples, with None for arguments and outputs that are no tensors with a gradient; zeros where a tensor
        was not used. It may return another `grad_input`, which goes on from there. Arguments given by name take no
        part. **Returns** a handle with `remove()`. **Raises** TypeError for what is no function; a backward
        RuntimeError where it returns another number of gradients.

        >>> import pyautograd as pa
        >>> layer = pa.nn.Linear(2, 3)
        >>> def look(module, grad_input, grad_output):
        ...     print(grad_input[0].shape, grad_output[0].shape)
        >>> handle = layer.register_full_backward_hook(look)
        >>> layer(pa.ones(4, 2, requires_grad=True)).sum().backward()
        (4, 2) (4, 3)
        """
        return self._add_hook("full backward", hook, prepend)


def call(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a module that has hooks."""
    hooks = module._hooks
    for hook in hooks:
        if hook.kind == "forward pre":
            args, kwargs = _before(module, hook, args, kwargs)
    way_back = _WayBack(module) if is_grad_enabled() and any("backward" in hook.kind for hook in hooks) else None
    if way_back is not None:
        args = way_back.enter(args)
    output = module.forward(*args, **kwargs)
    for hook in hooks:
        if hook.kind == "forward":
            given = (args, kwargs, output) if hook.with_kwargs else (args, output)
            returned = hook.function(module, *given)
            output = output if returned is None else returned
    return output if way_back is None else way_back.leave(output)


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


class _WayBack:
    """What backward hooks of a module see of one call: the gradients at its inputs and at its outputs."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.hooks = [hook for hook in module._hooks if "backward" in hook.kind]
        self._hooks = [hook for hook in self.hooks if hook.kind == "full backward"]
        self._pre_hooks = [hook for hook in self.hooks if hook.kind == "full backward pre"]
        self._grad_output: tuple[Any, ...] = ()
        self._n_inputs_without_gradient: int | None = None

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self._hooks:
            return args
        gated = _gate(args, self._at_inputs)
        if gated is args:
            self._n_inputs_without_gradient = len(args)
        return gated

    def leave(self, output: Any) -> Any:
        if isinstance(output, tuple):
            return _gate(output, self._at_outputs)
        return _gate((output,), self._at_outputs)[0]

    def _at_outputs(self, grad_output: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self._pre_hooks:
            grad_output = self._taken(hook, grad_output, hook.function(self.module, grad_output))
        self._grad_output = grad_output
        if self._n_inputs_without_gradient is not None:
            self._at_inputs((None,) * self._n_inputs_without_gradient)
        return grad_output

    def _at_inputs(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self._hooks:
            grad_input = self._taken(hook, grad_input, hook.function(self.module, grad_input, self._grad_output))
        return grad_input

    def _taken(self, hook: Hook, gradients: tuple[Any, ...], returned: Any) -> tuple[Any, ...]:
        if returned is None:
            return gradients
        taken = returned if isinstance(returned, tuple) else (returned,)
        if len(taken) != len(gradients):
            raise RuntimeError(
                f"{type(self.module).__name__}: a {hook.kind} hook returned {len(taken)} gradients for {len(gradients)}"
            )
        return taken


class _Gate(StepHook):
    """The hook of the node that the gradients of several tensors go through; `look` may change them there."""

    def __init__(self, look: Any, n: int, at: list[int], tensors: list[Tensor]) -> None:
        self._look, self._n, self._at = look, n, at
        self._shapes = [each.shape for each in tensors]
        self._sizes = [each.numel() for each in tensors]

    def join(self, tensors: list[Tensor]) -> Tensor:
        """One tensor, which is another than those."""
        alone = len(tensors) == 1
        return tensors[0].expand_as(tensors[0]) if alone else cat([each.reshape(-1) for each in tensors])

    def apart(self, whole: Tensor) -> list[Tensor]:
        """The tensors again, none of them `whole` itself."""
        if len(self._at) == 1:
            return [whole.expand_as(whole)]
        return [part.reshape(shape) for part, shape in zip(whole.split(self._sizes), self._shapes)]

    def __call__(self, gradient: Tensor) -> Tensor:
        given: list[Any] = [None] * self._n
        for i, part in zip(self._at, self.apart(gradient)):
            given[i] = part
        taken = self._look(tuple(given))
        return self.join([taken[i] for i in self._at])

    @property
    def functions(self) -> tuple[Any, ...]:
        return tuple([hook.function for hook in self._look.__self__.hooks])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Gate) or self._look.__func__ is not other._look.__func__:
            return False
        alone = len(self._at) == 1
        mine, theirs = self._look.__self__, other._look.__self__
        return (
            mine.module is theirs.module
            and [hook.kind for hook in mine.hooks] == [hook.kind for hook in theirs.hooks]
            and (self._n, self._at) == (other._n, other._at)
            and (alone or self._shapes == other._shapes)
        )

    __hash__ = None  # type: ignore[assignment]


def _gate(values: tuple[Any, ...], look: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> tuple[Any, ...]:
    """The values, with one node that the gradients of all of their tensors go through."""
    at = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
    if not at:
        return values
    tensors = [values[i] for i in at]
    gate = _Gate(look, len(values), at, tensors)
    joined = gate.join(tensors)
    joined.register_hook(gate)
    passed = list(values)
    for i, part, tensor in zip(at, gate.apart(joined), tensors):
        passed[i] = part.to(tensor.dtype)
    return tuple(passed)
