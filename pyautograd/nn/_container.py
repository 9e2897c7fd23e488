"""Modules that hold others by position or by name: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from pyautograd._arguments import named
from pyautograd._core import bump_epoch
from pyautograd._tensor import Parameter, Tensor
from pyautograd.nn._module import Module

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Positional(Module):
    """What Sequential and ModuleList share: submodules named "0", "1", … in order."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))

    def __contains__(self, module: object) -> bool:
        return any(module is held for held in self)

    def _name_at(self, index: int) -> str:
        names = list(self._modules)
        index = operator.index(index)
        if not -len(names) <= index < len(names):
            raise IndexError(f"index {index} is out of range: {type(self).__name__} holds {len(names)} modules")
        return names[index]

    def _refill(self, modules: list[Module]) -> None:
        for name in list(self._modules):
            object.__delattr__(self, name)
        bump_epoch()
        for index, module in enumerate(modules):
            self.add_module(str(index), module)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> _Positional: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            part = type(self).__new__(type(self))
            Module.__init__(part)
            part._refill(list(self)[index])
            part.training = self.training
            return part
        return self._modules[self._name_at(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        if not isinstance(index, slice):
            self._name_at(index)
        del modules[index]
        self._refill(modules)

    def append(self, module: Module) -> Any:
        """Adds a module at the end; returns self. **Raises** TypeError for what is no Module.

        >>> import pyautograd as pa
        >>> len(pa.nn.ModuleList().append(pa.nn.ReLU()))
        1
        """
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Adds modules at the end; returns self. **Raises** TypeError for what is no Module.

        >>> import pyautograd as pa
        >>> len(pa.nn.Sequential(pa.nn.Linear(2, 2)).extend([pa.nn.ReLU(), pa.nn.Linear(2, 1)]))
        3
        """
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Adds a module before the one at `index`; returns self. **Raises** TypeError for what is no Module.

        >>> import pyautograd as pa
        >>> pa.nn.Sequential(pa.nn.Linear(2, 2)).insert(0, pa.nn.Flatten())[0]
        Flatten(start_dim=1, end_dim=-1)
        """
        modules = list(self)
        modules.insert(index, module)
        self._refill(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Takes out a module and returns it. **Raises** IndexError for a position out of range.

        >>> import pyautograd as pa
        >>> pa.nn.Sequential(pa.nn.Linear(2, 2), pa.nn.Tanh()).pop()
        Tanh()
        """
        module = self[index]
        del self[index]
        return module


class Sequential(_Positional):
    """Modules one after the other; made from modules or from a dict of them.

    Indexed by position or slice. **Raises** TypeError for what is no Module, KeyError for a name with a dot.

    >>> import pyautograd as pa
    >>> model = pa.nn.Sequential(pa.nn.Linear(2, 8), pa.nn.ReLU(), pa.nn.Linear(8, 1))
    >>> tuple(model(pa.zeros(5, 2)).shape)
    (5, 1)
    """

    @named
    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            for index, module in enumerate(modules):
                self.add_module(str(index), module)

    def forward(self, input: Tensor) -> Tensor:
        for module in self._held.values():
            if isinstance(module, Module):
                input = module.forward(input) if module._calls_forward else module(input)
        return input


class ModuleList(_Positional):
    """A list whose modules belong to the module that holds it.

    **Raises** TypeError for what is no Module, IndexError for a position out of range.

    >>> import pyautograd as pa
    >>> layers = pa.nn.ModuleList(pa.nn.Linear(4, 4) for _ in range(3))
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    @named
    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        self.extend(modules)
        return self

    def __add__(self, modules: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *modules])

    def _child_texts(self) -> Iterator[tuple[str, str]]:
        first = 0
        for text, run in itertools.groupby(map(repr, self)):
            n = len(list(run))
            yield (str(first), text) if n == 1 else (f"{first}-{first + n - 1}", f"{n} x {text}")
            first += n


class ModuleDict(Module):
    """A dict whose modules belong to the module that holds it.

    **Raises** TypeError for what is no Module, KeyError for a name that is not there, has a dot or is an attribute's.

    >>> import pyautograd as pa
    >>> heads = pa.nn.ModuleDict({"a": pa.nn.Linear(4, 1), "b": pa.nn.Linear(4, 2)})
    >>> heads["b"].out_features
    2
    """

    @named
    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Adds modules under their names, replacing those of the same name. **Raises** TypeError for what is no Module.

        >>> import pyautograd as pa
        >>> heads = pa.nn.ModuleDict()
        >>> heads.update({"a": pa.nn.Linear(4, 1)})
        >>> "a" in heads
        True
        """
        for name, module in modules.items() if isinstance(modules, Mapping) else modules:
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        self._modules[name]
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def keys(self) -> Iterable[str]:
        """The names.

        >>> import pyautograd as pa
        >>> list(pa.nn.ModuleDict({"a": pa.nn.ReLU()}).keys())
        ['a']
        """
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules.

        >>> import pyautograd as pa
        >>> list(pa.nn.ModuleDict({"a": pa.nn.ReLU()}).values())
        [ReLU()]
        """
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names with modules.

        >>> import pyautograd as pa
        >>> list(pa.nn.ModuleDict({"a": pa.nn.ReLU()}).items())
        [('a', ReLU())]
        """
        return self._modules.items()

    def pop(self, name: str) -> Module:
        """Takes out a module and returns it. **Raises** KeyError for a name that is not there.

        >>> import pyautograd as pa
        >>> pa.nn.ModuleDict({"a": pa.nn.ReLU()}).pop("a")
        ReLU()
        """
        module = self[name]
        del self[name]
        return module

    def clear(self) -> None:
        """Takes out all modules.

        >>> import pyautograd as pa
        >>> heads = pa.nn.ModuleDict({"a": pa.nn.ReLU()})
        >>> heads.clear()
        >>> len(heads)
        0
        """
        for name in list(self):
            del self[name]


def _as_parameter(given: Any) -> Any:
    """A Tensor becomes a Parameter of the one that holds it; everything else stays what it is."""
    return Parameter(given) if isinstance(given, Tensor) and not isinstance(given, Parameter) else given


def _parameter_text(given: Any) -> str:
    if not isinstance(given, Tensor):
        return f"Object of type: {type(given).__name__}"
    size = "x".join(map(str, given.shape))
    return f"Parameter containing: [{given.dtype.name} of size {size}]"


class ParameterList(Module):
    """A list whose parameters belong to the module that holds it; a Tensor that is put in becomes a Parameter.

    **Raises** IndexError for a position out of range.

    >>> import pyautograd as pa
    >>> weights = pa.nn.ParameterList([pa.zeros(2, 3), pa.zeros(3)])
    >>> len(weights), sum(p.numel() for p in weights.parameters())
    (2, 9)
    """

    @named
    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        self.extend(values or ())

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, str(i)) for i in range(self._size))

    def _name_at(self, index: int) -> str:
        index = operator.index(index)
        if not -self._size <= index < self._size:
            raise IndexError(f"index {index} is out of range: ParameterList holds {self._size} parameters")
        return str(index % self._size)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> ParameterList: ...
    def __getitem__(self, index: int | slice) -> Any:
        return ParameterList(list(self)[index]) if isinstance(index, slice) else getattr(self, self._name_at(index))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._name_at(index), _as_parameter(value))

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """Adds a parameter at the end, also what is none, as in PyTorch; returns self. **Raises** nothing.

        >>> import pyautograd as pa
        >>> len(pa.nn.ParameterList().append(pa.zeros(2)))
        1
        """
        setattr(self, str(self._size), _as_parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Adds parameters at the end; returns self. **Raises** TypeError for what cannot be gone through.

        >>> import pyautograd as pa
        >>> len(pa.nn.ParameterList().extend([pa.zeros(2), pa.zeros(3)]))
        2
        """
        for value in values:
            self.append(value)
        return self

    def _child_texts(self) -> Iterator[tuple[str, str]]:
        return ((str(i), _parameter_text(each)) for i, each in enumerate(self))


class ParameterDict(Module):
    """A dict whose parameters belong to the module that holds it; a Tensor that is put in becomes a Parameter.

    **Raises** KeyError for a name that is not there.

    >>> import pyautograd as pa
    >>> weights = pa.nn.ParameterDict({"a": pa.zeros(2, 3)})
    >>> weights["b"] = pa.zeros(3)
    >>> [name for name, _ in weights.named_parameters()]
    ['a', 'b']
    """

    @named
    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self._names: dict[str, None] = {}
        self.update(parameters or {})

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Adds parameters under their names, replacing those of the same name. **Raises** KeyError for an attribute's.

        >>> import pyautograd as pa
        >>> weights = pa.nn.ParameterDict()
        >>> weights.update({"a": pa.zeros(2)})
        >>> "a" in weights
        True
        """
        for name, value in parameters.items() if isinstance(parameters, Mapping) else parameters:
            self[name] = value

    def __getitem__(self, name: str) -> Any:
        self._names[name]
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self._names and hasattr(self, name):
            raise KeyError(f"ParameterDict: {name!r} is an attribute of it")
        setattr(self, name, _as_parameter(value))
        self._names[name] = None

    def __delitem__(self, name: str) -> None:
        del self._names[name]
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def keys(self) -> Iterable[str]:
        """The names.

        >>> import pyautograd as pa
        >>> list(pa.nn.ParameterDict({"a": pa.zeros(2)}).keys())
        ['a']
        """
        return self._names.keys()

    def values(self) -> Iterable[Any]:
        """The parameters.

        >>> import pyautograd as pa
        >>> [p.shape for p in pa.nn.ParameterDict({"a": pa.zeros(2)}).values()]
        [(2,)]
        """
        return [self[name] for name in self._names]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names with parameters.

        >>> import pyautograd as pa
        >>> [name for name, _ in pa.nn.ParameterDict({"a": pa.zeros(2)}).items()]
        ['a']
        """
        return [(name, self[name]) for name in self._names]

    def pop(self, name: str) -> Any:
        """Takes out a parameter and returns it. **Raises** KeyError for a name that is not there.

        >>> import pyautograd as pa
        >>> pa.nn.ParameterDict({"a": pa.zeros(2)}).pop("a").shape
        (2,)
        """
        value = self[name]
        del self[name]
        return value

    def _child_texts(self) -> Iterator[tuple[str, str]]:
        return ((name, _parameter_text(each)) for name, each in self.items())
