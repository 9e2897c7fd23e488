"""Module: the base class of everything that holds parameters.

Parameters, buffers and submodules are ordinary attributes: they live in the instance's `__dict__` and are found by
looking through it in order, so reading one costs what any attribute costs. Here it is called `_held`, since programs
keep an eye on a module whose `__dict__` was read from outside. A subclass that has an `__init__` calls
`super().__init__()` first, as in PyTorch; a parameter or a module that is assigned before is an AttributeError.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pyautograd._arguments import named
from pyautograd._core import bump_epoch, expose
from pyautograd._device import check_device
from pyautograd._install import late
from pyautograd._tensor import Parameter, Tensor
from pyautograd.nn import _hooks

__all__ = ["Module"]

if TYPE_CHECKING:
    from pyautograd.nn._exchange import IncompatibleKeys

M = TypeVar("M", bound="Module")
R = TypeVar("R", covariant=True)


class _Missing:
    """What a call without an argument has in its place, as signatures show it."""

    def __repr__(self) -> str:
        return "..."


_MISSING = _Missing()


class _Forward(Protocol[R]):
    """For type checkers: a call of a module gives what its `forward` gives."""

    def forward(self, *args: Any, **kwargs: Any) -> R: ...


class _Holder:
    """Has the attributes of a module, where its `__dict__` does more than to give them."""


class Module(_Holder, _hooks.Hooked):
    """Base class of layers and models, as `torch.nn.Module`; a subclass defines `forward`, which a call runs.

    **Raises** AttributeError where a parameter or a module is assigned before `super().__init__()`, TypeError where
    something of another kind is assigned in the place of one.

    >>> import pyautograd as pa
    >>> class Line(pa.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.slope = pa.nn.Parameter(pa.tensor([2.0]))
    ...     def forward(self, x):
    ...         return self.slope * x
    >>> Line()(pa.tensor([1.0, 2.0])).tolist()
    [2.0, 4.0]
    """

    training: bool = True
    # False in a class with a __call__ of its own, and with hooks: containers call `forward` directly where they may,
    # which is quicker.
    _calls_forward: bool = True

    _held: dict[str, Any] = vars(_Holder)["__dict__"]

    def __init__(self) -> None:
        self._held["_buffers_persistent"] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in vars(cls):
            cls._calls_forward = False

    if TYPE_CHECKING:

        def __call__(self: _Forward[R], *args: Any, **kwargs: Any) -> R: ...

    else:

        def __call__(self, input: Any = _MISSING, /, *args: Any, **kwargs: Any) -> Any:
            if args or kwargs or input is _MISSING or _hooks.in_use:
                if input is not _MISSING:
                    args = (input, *args)
                if self._hooks:
                    return _hooks.call(self, args, kwargs)
                return self.forward(*args, **kwargs)
            return self.forward(input)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass defines it. **Raises** NotImplementedError where it does not.

        >>> import pyautograd as pa
        >>> pa.nn.Linear(4, 2).forward(pa.zeros(3, 4)).shape
        (3, 2)
        """
        raise NotImplementedError(f'{type(self).__name__} has no "forward"')

    # ---- what it holds ----

    @property
    def __dict__(self) -> dict[str, Any]:
        """Who has it may write to it, and `__setattr__` does not hear of that."""
        expose(self._held)
        return self._held

    @__dict__.setter
    def __dict__(self, attributes: dict[str, Any]) -> None:
        object.__setattr__(self, "_held", attributes)
        bump_epoch()

    def __getstate__(self) -> Any:
        has_slots = any("__slots__" in vars(each) for each in type(self).__mro__)
        return object.__getstate__(self) if has_slots else self._held

    def __setstate__(self, state: Any) -> None:
        attributes, slots = state if isinstance(state, tuple) else (state, {})
        self._held.update({sys.intern(name): value for name, value in (attributes or {}).items()})
        for name, value in slots.items():
            object.__setattr__(self, name, value)
        if self._hooks:
            _hooks.mark_in_use()
        bump_epoch()

    def __setattr__(self, name: str, value: Any) -> None:
        held = self._held.get(name)
        if held is not None and value is not None and type(value) is not type(held):
            kind = Parameter if isinstance(held, Parameter) else Module if isinstance(held, Module) else Tensor
            is_buffer = kind is Tensor and name in self._buffer_names
            if (kind is not Tensor or is_buffer) and not isinstance(value, kind):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a {'buffer' if is_buffer else kind.__name__} and takes a "
                    f"{kind.__name__} or None, not {type(value).__name__}"
                    + f"; to change its numbers: module.{name}.data = tensor"
                    * (kind is Parameter)
                )
        elif held is None and isinstance(value, (Parameter, Module)) and "_buffers_persistent" not in self._held:
            what = "parameter" if isinstance(value, Parameter) else "module"
            raise AttributeError(
                f"cannot assign {what} {name!r} before Module.__init__() of {type(self).__name__} is called"
            )
        object.__setattr__(self, name, value)
        bump_epoch()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        bump_epoch()
        if name in self._buffer_names:
            del self._buffer_names[name]

    @property
    def _buffer_names(self) -> dict[str, bool]:
        """The buffers' names, and whether each goes into the state dict."""
        names: dict[str, bool] = self._held.get("_buffers_persistent", {})
        return names

    @property
    def _parameters(self) -> dict[str, Parameter]:
        return {name: value for name, value in self._held.items() if isinstance(value, Parameter)}

    @property
    def _modules(self) -> dict[str, Module]:
        return {name: value for name, value in self._held.items() if isinstance(value, Module)}

    @property
    def _buffers(self) -> dict[str, Tensor | None]:
        return {name: self._held[name] for name in self._buffer_names}

    def _check_name(self, what: str, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what} name must be a str, not {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got: {name!r}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        held = self._held.get(name)
        if held is not None and not isinstance(held, (Parameter, Module)) and name not in self._buffer_names:
            raise KeyError(f"attribute {name!r} already exists")
        if held is None and name not in self._held and hasattr(self, name):
            raise KeyError(f"attribute {name!r} already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter under a name; None keeps the place free.

        **Raises** TypeError for what is no Parameter, KeyError for a name that is empty, has a dot or is an
        attribute's.

        >>> import pyautograd as pa
        >>> m = pa.nn.Module()
        >>> m.register_parameter("scale", pa.nn.Parameter(pa.ones(2)))
        >>> m.scale.tolist()
        [1.0, 1.0]
        """
        self._check_name("parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r} must be a nn.Parameter or None, not {type(param).__name__}")
        setattr(self, name, param)

    @named
    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is part of the module's state and not trained, such as a running mean.

        Only a `persistent` one goes into the state dict. **Raises** TypeError for what is no Tensor, KeyError for a
        name that is empty, has a dot or is an attribute's.

        >>> import pyautograd as pa
        >>> m = pa.nn.Module()
        >>> m.register_buffer("mean", pa.zeros(2))
        >>> list(m.state_dict())
        ['mean']
        """
        self._check_name("buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer {name!r} must be a Tensor or None, not {type(tensor).__name__}")
        if isinstance(self._held.get(name), (Parameter, Module)):
            raise KeyError(f"attribute {name!r} already exists")
        if "_buffers_persistent" not in self._held:
            raise AttributeError(
                f"cannot assign buffer {name!r} before Module.__init__() of {type(self).__name__} is called"
            )
        self._buffer_names[name] = persistent
        setattr(self, name, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a submodule under a name. **Raises** as `register_parameter`, of modules.

        >>> import pyautograd as pa
        >>> m = pa.nn.Module()
        >>> m.add_module("first", pa.nn.ReLU())
        >>> m.first
        ReLU()
        """
        self._check_name("module", name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"module {name!r} must be a Module or None, not {type(module).__name__}")
        setattr(self, name, module)

    register_module = add_module

    # ---- walking it ----

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The submodules directly inside, each once, with their names.

        >>> import pyautograd as pa
        >>> list(pa.nn.Sequential(pa.nn.ReLU(), pa.nn.Tanh()).named_children())
        [('0', ReLU()), ('1', Tanh())]
        """
        seen = set()
        for name, value in list(self._held.items()):
            if isinstance(value, Module) and value not in seen:
                seen.add(value)
                yield name, value

    def children(self) -> Iterator[Module]:
        """The submodules directly inside, each once.

        >>> import pyautograd as pa
        >>> list(pa.nn.Sequential(pa.nn.ReLU(), pa.nn.Tanh()).children())
        [ReLU(), Tanh()]
        """
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all inside, depth first, with dotted names; shared ones once. It raises nothing.

        >>> import pyautograd as pa
        >>> [name for name, _ in pa.nn.MLP(2, [3, 1]).named_modules()]
        ['', 'layers', 'layers.0', 'layers.1', 'activation']
        """
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, value in list(self._held.items()):
            if isinstance(value, Module):
                yield from value.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all inside, each once.

        >>> import pyautograd as pa
        >>> len(list(pa.nn.MLP(2, [3, 1]).modules()))
        5
        """
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names, a module's own before its submodules'; shared ones once. It raises
        nothing.

        >>> import pyautograd as pa
        >>> [name for name, _ in pa.nn.Linear(2, 3).named_parameters()]
        ['weight', 'bias']
        """
        return self._named(lambda module: module._parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimiser takes. It raises nothing.

        >>> import pyautograd as pa
        >>> [tuple(p.shape) for p in pa.nn.Linear(2, 3).parameters()]
        [(3, 2), (3,)]
        """
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names; shared ones once. It raises nothing.

        >>> import pyautograd as pa
        >>> [name for name, _ in pa.nn.BatchNorm1d(2).named_buffers()]
        ['running_mean', 'running_var', 'num_batches_tracked']
        """
        return self._named(lambda module: module._buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once. It raises nothing.

        >>> import pyautograd as pa
        >>> len(list(pa.nn.BatchNorm1d(2).buffers()))
        3
        """
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named(
        self, of: Callable[[Module], dict[str, Any]], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        for place, module in self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]:
            for name, value in of(module).items():
                if value is not None and value not in seen:
                    if remove_duplicate:
                        seen.add(value)
                    yield (f"{place}.{name}" if place else name), value

    @named
    def get_submodule(self, target: str) -> Module:
        """The submodule of a dotted name. **Raises** AttributeError where there is none.

        >>> import pyautograd as pa
        >>> pa.nn.MLP(2, [3, 1]).get_submodule("layers.1").out_features
        1
        """
        module = self
        for name in target.split(".") if target else []:
            found = module._held.get(name)
            if not isinstance(found, Module):
                raise AttributeError(f"{type(module).__name__} has no submodule {name!r} (looking for {target!r})")
            module = found
        return module

    @named
    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name. **Raises** AttributeError where there is none.

        >>> import pyautograd as pa
        >>> pa.nn.MLP(2, [3, 1]).get_parameter("layers.0.bias").shape
        (3,)
        """
        place, _, name = target.rpartition(".")
        module = self.get_submodule(place)
        found = module._held.get(name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"{type(module).__name__} has no parameter {name!r} (looking for {target!r})")
        return found

    @named
    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Calls `fn` on every submodule, then on this one; returns self. **Raises** what `fn` raises.

        >>> import pyautograd as pa
        >>> def start(module):
        ...     if isinstance(module, pa.nn.Linear):
        ...         pa.nn.init.zeros_(module.bias)
        >>> pa.nn.MLP(2, [3, 1]).apply(start).layers[1].bias.tolist()
        [0.0]
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- its state ----

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
            if isinstance(value, Module):
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
        return late("nn._exchange").load(self, state_dict, strict, assign)  # type: ignore[no-any-return]

    # ---- its modes ----

    def train(self: M, mode: bool = True) -> M:
        """Training mode (True) or evaluation mode (False), for this module and all inside; returns self.

        Dropout and BatchNorm1d heed it. **Raises** ValueError for a mode that is no bool.

        >>> import pyautograd as pa
        >>> pa.nn.Dropout(0.5).train(False).training
        False
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        bump_epoch()
        return self

    def eval(self: M) -> M:
        """Evaluation mode: `train(False)`.

        >>> import pyautograd as pa
        >>> pa.nn.Dropout(0.5).eval()(pa.ones(2)).tolist()
        [1.0, 1.0]
        """
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Sets `requires_grad` of every parameter, and returns self: False freezes them.

        **Raises** RuntimeError for a parameter of an integer dtype.

        >>> import pyautograd as pa
        >>> pa.nn.Linear(2, 1).requires_grad_(False).weight.requires_grad
        False
        """
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters: to None, or to zeros where `set_to_none` is False. It raises nothing.

        >>> import pyautograd as pa
        >>> model = pa.nn.Linear(2, 1)
        >>> model(pa.ones(1, 2)).sum().backward()
        >>> model.zero_grad()
        >>> model.weight.grad is None
        True
        """
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Casts floating-point parameters and buffers, in place: `to(dtype)`, `to("cpu")`, `to(tensor)`; returns self.

        **Raises** as `Tensor.to`, and RuntimeError for a parameter that a graph still needs; all stay as they were
        then.

        >>> import pyautograd as pa
        >>> pa.nn.Linear(2, 1).to(pa.float64).weight.dtype
        pyautograd.float64
        """

        def convert(tensor: Tensor) -> Tensor:
            # Where only a dtype or a tensor's dtype is asked for, integer tensors keep theirs.
            return tensor.to(*args, **kwargs) if tensor.is_floating_point() else tensor

        return self._convert(convert)

    def float(self: M) -> M:
        """Floating-point parameters and buffers to float32, in place; returns self.

        >>> import pyautograd as pa
        >>> pa.nn.Linear(2, 1, dtype=pa.float64).float().weight.dtype
        pyautograd.float32
        """
        return self._convert(lambda t: t.float() if t.is_floating_point() else t)

    def double(self: M) -> M:
        """Floating-point parameters and buffers to float64, in place; returns self.

        >>> import pyautograd as pa
        >>> pa.nn.Linear(2, 1).double().weight.dtype
        pyautograd.float64
        """
        return self._convert(lambda t: t.double() if t.is_floating_point() else t)

    def cpu(self: M) -> M:
        """Itself: there is no other device.

        >>> import pyautograd as pa
        >>> pa.nn.ReLU().cpu()
        ReLU()
        """
        return self

    def cuda(self: M, *args: Any, **kwargs: Any) -> M:
        """**Raises** RuntimeError: there is no GPU here.

        >>> import pyautograd as pa
        >>> pa.nn.ReLU().cuda()
        Traceback (most recent call last):
        RuntimeError: device: tensors live on the cpu; there is no 'cuda' here
        """
        check_device("cuda")
        return self

    def _convert(self: M, convert: Callable[[Tensor], Tensor]) -> M:
        late("nn._exchange").convert(self, convert)
        return self

    def share_memory(self) -> None:
        """Not there: parameters live in this process alone. **Raises** NotImplementedError.

        >>> import pyautograd as pa
        >>> pa.nn.ReLU().share_memory()
        Traceback (most recent call last):
        NotImplementedError: share_memory: parameters live in this process alone
        """
        raise NotImplementedError("share_memory: parameters live in this process alone")

    # ---- how it looks ----

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr; a subclass may define it.

        >>> import pyautograd as pa
        >>> pa.nn.Dropout(0.5).extra_repr()
        'p=0.5, inplace=False'
        """
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def _child_texts(self) -> Iterator[tuple[str, str]]:
        return ((name, repr(module)) for name, module in self._modules.items())

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [f"({name}): " + text.replace("\n", "\n  ") for name, text in self._child_texts()]
        if not child_lines and len(extra_lines) <= 1:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(extra_lines + child_lines) + "\n)"

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not name[0].isdigit())
