"""What a compiled step reads from Python besides its arguments.

`Walk` goes from the function along everything that its code can reach by name, and has a row of `_core.Guards` made for
each thing that it reads:

    function ─┬─ closure cells, globals that its code names, defaults ─┬─ numbers, strings, None     compared
              ├─ functions defined in it                               ├─ lists, dicts, arrays       their contents
              └─ the functions it calls, unless a library's            ├─ modules, other objects     attributes
                                                                       └─ tensors, Values            identity

What tensors hold is bound by the program itself. Of the user's objects those attributes are guarded whose names the
code mentions; of modules and layers, all that hold parameters too. Options of optimisers are guarded apart: a changed
lr does not ask for a new program, only for the optimiser to hand it to C again.
"""

from __future__ import annotations

import argparse
import array
import collections
import enum
import functools
import gc
import importlib.util
import itertools
import operator
import random
import sys
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import numpy as np

from pyautograd._core import Guards, NeuronState, Node, TraceError
from pyautograd._dtype import dtype
from pyautograd._reads import Reads, reads
from pyautograd._step import BoundStep, Step
from pyautograd._structure import is_container
from pyautograd._tensor import Parameter, Tensor
from pyautograd._value import Value
from pyautograd.autograd import Function
from pyautograd.nn._hooks import Hook
from pyautograd.nn._module import Module
from pyautograd.optim._optimizer import FusedOptimizer, Optimizer
from pyautograd.optim.lr_scheduler import LRScheduler
from pyautograd.scalar import Module as ScalarModule

MAX_LEAVES = 10_000
LARGE_ARRAY = 1 << 20

ATOMS = frozenset({
    int, float, bool, str, bytes, complex, type(None), type(...), type(NotImplemented), range, slice, dtype,
    types.CodeType, np.dtype,
})  # fmt: skip
_LIBRARIES = frozenset(
    {"pyautograd", "numpy", "scipy", "torch", "sklearn", "matplotlib", "tqdm", "pandas", "pytest", "_pytest"}
)
_ITERATORS: tuple[type, ...] = (
    types.GeneratorType, map, zip, filter, enumerate, reversed, type(iter([])), type(iter(())), type(iter({})),
    type(iter(range(0))), itertools.count, itertools.cycle, itertools.chain, itertools.islice,
)  # fmt: skip
_SEQUENCES = (list, collections.deque, bytearray, array.array)
_NAMESPACES = (types.SimpleNamespace, argparse.Namespace)
_COLLECTIONS = frozenset({"collections", "weakref"})  # whose classes keep what they hold in attributes
_REFLECTION = frozenset({
    "getattr", "setattr", "delattr", "vars", "__dict__", "__getattribute__", "attrgetter", "methodcaller",
})  # fmt: skip
_READ_WHOLE = frozenset({"copy", "dataclasses", "inspect", "json", "pickle", "pprint"})  # whose functions do so
_LIFE = frozenset(
    {"__init__", "__new__", "__del__", "__repr__", "__str__", "__getstate__", "__setstate__", "__reduce__"}
)
_HOLDERS: tuple[type, ...] = (
    functools.partial, staticmethod, classmethod, property, types.MappingProxyType, memoryview,
    type({}.keys()), type({}.values()), type({}.items()),
)  # fmt: skip
_WRAPPERS = (functools.partialmethod, functools.singledispatchmethod, functools.cached_property)


def _is_handed_over(value: Any) -> bool:
    """Is it read by a host call alone, afresh at each replay, and so no constant of the step?"""
    return not hasattr(value, "__dict__") or isinstance(
        value, (types.FunctionType, types.MethodType, functools.partial, type, staticmethod, classmethod)
    )


class Spot(NamedTuple):
    """Where a tensor or container stands: in the place of a guard, of a sequence as a member, in tuples by a path."""

    guard: int
    member: int = -1
    path: tuple[int, ...] = ()


@functools.lru_cache(maxsize=512)
def _is_library(module: Any) -> bool:
    top = str(module).partition(".")[0]
    return top in sys.stdlib_module_names or top in _LIBRARIES


_HEAP_TYPE = 1 << 9  # of classes that are not a C library's, which nobody changes
_SLOTS: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()


def first_names(function: Any) -> Reads:
    """The names that a function mentions, and those that it calls by a name of its own: all that a walk will meet,
    unless it meets objects of the user's."""
    met: dict[types.CodeType, Reads] = {}
    home, todo = getattr(function, "__module__", None), [function]
    while todo:
        each = todo.pop()
        if isinstance(each, types.FunctionType) and each.__code__ not in met:
            module = each.__globals__.get("__name__")
            if _is_library(module) and module != home:
                continue
            found = met[each.__code__] = reads(each.__code__)
            cells = zip(each.__code__.co_freevars, each.__closure__ or ())
            todo += [_contents(cell) for name, cell in cells if name not in found.inner | found.hosts]
            todo += [each.__globals__.get(name) for name in found.globals]
    return Reads.union(met.values()) if met else Reads()


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


class Walk:
    """One walk over what can be reached; `names` are those that the last one has met."""

    def __init__(self, function: Callable[..., Any], roots: list[tuple[Any, str]], names: Reads) -> None:
        self.names = names
        self.dynamic = bool(_REFLECTION & (names.globals | names.attributes))
        self.met: list[Reads] = []
        self.rows = Guards()
        self.places: list[str] = []
        self.groups: dict[int, Any] = {}
        self.optimizers: list[Any] = []
        self.random: list[Any] = []
        self.nodes: dict[int, Node] = {}
        self.leaves = 0
        self.appended = names.appended - names.used
        of_classes = [vars(each) for each in (*Tensor.__mro__, *Value.__mro__)]
        # Lists: what an interrupt raises while Python ends a generator early is lost.
        self._of_nodes = sorted(
            [name for name in names.attributes if not [each for each in of_classes if name in each]]
        )
        self._probes_nodes = self.dynamic or "hasattr" in names.globals
        self._classes: set[tuple[type, bool]] = set()
        self.owner = roots[0][0]
        is_ours = isinstance(getattr(function, "__self__", None), Optimizer)
        self.home = None if is_ours else getattr(function, "__module__", None)
        self.values: set[int] = set()  # guards over one value
        self.of_classes: set[int] = set()  # those over a member of a class
        self.spots: dict[int, tuple[Any, list[Spot]]] = {}  # of tensors, lists and dicts, by their id
        self.containers: dict[int, tuple[Any, Spot]] = {}  # of other containers, one of them
        self.owned: dict[int, list[int]] = {}  # the guards over what a list or dict holds, likewise
        self.lists: list[tuple[list[Any], str]] = []  # that the step only appends to
        self.sequences: dict[int, Any] = {}  # what holds the members that a guard is about
        self._seen: dict[int, Any] = {}
        self._todo: list[tuple[Any, str, Spot | None]] = []

        self.rows.modes()
        self.places.append("whether gradients are kept or anomalies detected, or the default dtype")
        for value, place in roots:
            self._push(value, place)
        self._push(function, getattr(function, "__name__", "the step"))
        for cls in (Tensor, Value):
            self._methods_of_users(cls)
        while self._todo:
            self._visit(*self._todo.pop())

    def _methods_of_users(self, cls: type) -> None:
        """Those that the user's code has given to a class of ours."""
        members = vars(cls)
        for name in sorted(name for name in self.names.attributes if name in members):
            member = members[name]
            if isinstance(member, types.FunctionType) and not self._is_foreign(member.__module__):
                guard = self._item(_class_dict(cls), name, f"{cls.__name__}.{name}")
                self.values.discard(guard)  # a class's dict is not to be written to

    def found(self) -> Reads:
        """The names that the code met in this walk mentions."""
        return Reads.union(self.met) if self.met else self.names

    def _row(self, index: int, place: str) -> int:
        assert index == len(self.places)
        self.places.append(place)
        return index

    def _value(self, index: int, place: str, value: Any) -> None:
        """A guard over one value, which is walked too."""
        self.values.add(self._row(index, place))
        if type(value) not in ATOMS:
            self._push(value, place, Spot(index))

    def _item(self, owner: dict[Any, Any], key: Any, place: str, by_epoch: bool = False, is_host: bool = False) -> int:
        index, value = self.rows.item(owner, key, by_epoch), owner.get(key)
        self._value(index, place, None if is_host and _is_handed_over(value) else value)
        return index

    def _push(self, value: Any, place: str, spot: Spot | None = None) -> None:
        if type(value) in ATOMS:
            return
        if isinstance(value, Node):
            self.nodes[id(value)] = value
        if spot is not None and isinstance(value, (Node, list, dict)):
            self.spots.setdefault(id(value), (value, []))[1].append(spot)
        elif spot is not None and is_container(type(value)) and value is not self.owner:
            self.containers.setdefault(id(value), (value, spot))
        if id(value) in self._seen:
            return
        if type(value) in (Tensor, Parameter, Value) and not self._of_nodes and not self._probes_nodes:
            return
        self._seen[id(value)] = value
        if isinstance(value, Node):
            self._attributes_of_node(value, place)
        else:
            self._todo.append((value, place, spot))

    def _attributes_of_node(self, node: Node, place: str) -> None:
        """Numbers that a script has put on its tensors, such as a factor for the lr."""
        attributes = vars(node) if self._probes_nodes else {}
        for name in dict.fromkeys([*self._of_nodes, *attributes]):
            found = getattr(type(node), name, None)
            if hasattr(node, name) and (found is None or isinstance(found, types.MemberDescriptorType)):
                self._value(self.rows.attribute(node, name), f"{place}.{name}", getattr(node, name))
        if self._probes_nodes:
            self._row(self.rows.members(attributes), place)
        self._class(type(node), place, True)

    def _count(self, members: Iterator[Any], place: str) -> None:
        self.leaves += sum(1 for member in members if type(member) in ATOMS)
        if self.leaves > MAX_LEAVES:
            raise TraceError(
                f"the step reads {place}, and with it more than {MAX_LEAVES:,} numbers and strings, which would be "
                "compared at each call: pass what it needs as an argument, e.g. as an array"
            )

    def _visit(self, value: Any, place: str, spot: Spot | None) -> None:
        if isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._push(value.__self__, place.rpartition(".")[0] or place)
            self._push(value.__func__, place)
        elif isinstance(value, (types.BuiltinMethodType, types.MethodWrapperType)):
            if not isinstance(value.__self__, types.ModuleType):
                self._push(value.__self__, place)
        elif isinstance(value, (Step, BoundStep, functools._lru_cache_wrapper)):
            self._push(value.__wrapped__, place)
            self._attributes(vars(value), place, getattr(value, "_internals", frozenset()))
            if isinstance(value, BoundStep):
                self._push(value.__self__, place)
        elif isinstance(value, _HOLDERS):
            for part in [value.obj] if isinstance(value, memoryview) else gc.get_referents(value):
                self._push(part, place)
        elif isinstance(value, weakref.ref):
            self._push(value(), place)
        elif isinstance(value, _WRAPPERS):
            for part in vars(value).values():
                self._push(part, place)
        elif isinstance(value, (operator.attrgetter, operator.methodcaller)):
            names = [part for each in value.__reduce__()[1] if isinstance(each, str) for part in each.split(".")]
            self.met.append(Reads(attributes=frozenset(names)))
        elif isinstance(value, np.ndarray):
            self._array(value, place)
        elif isinstance(value, types.ModuleType):
            self._namespace(value, place)
        elif isinstance(value, type):
            self._class(value, place)
        elif isinstance(value, _ITERATORS):
            raise TraceError(
                f"the step reads {place}, an iterator ({type(value).__name__}), which gives something else each time: "
                "take the items outside and pass them as arguments"
            )
        elif isinstance(value, (random.Random, np.random.Generator, np.random.RandomState)):
            self.random.append(value)
        elif isinstance(value, FusedOptimizer):
            self._options(value, place)
        else:
            self._container(value, place, spot)
            self._object(value, place)

    def _container(self, value: Any, place: str, spot: Spot | None) -> None:
        if isinstance(value, dict):
            self._dict(value, place)
        elif type(value) is list and self._is_appended(place):
            self.lists.append((value, place))
        elif isinstance(value, Hook) and "backward" in value.kind:
            return  # which is called as a host call
        elif isinstance(value, (tuple, frozenset, set, *_SEQUENCES)):
            self._count(iter(value), place)
            guard = -1
            if not isinstance(value, (tuple, frozenset)):
                guard = self._own(value, self.rows.members(value), place)
            for index, member in enumerate(value):
                where = Spot(guard, index) if type(value) is list else None
                if isinstance(value, tuple) and spot is not None:
                    where = spot._replace(path=(*spot.path, index))
                self._push(member, f"{place}[{index}]", where)
        elif isinstance(value, enum.Enum):
            self._item(vars(value), "_value_", f"{place}.value")

    def _function(self, function: types.FunctionType) -> None:
        module = function.__globals__.get("__name__")  # what wraps another function calls itself as that does
        if self._is_foreign(module):
            for wrapped in vars(function).values():
                self._push(wrapped, function.__name__)
            if module in _READ_WHOLE:
                self._read_whole()
            return
        found = reads(function.__code__)
        self.met.append(found)
        if found.computed and "site-packages" not in function.__code__.co_filename:
            raise TraceError(f"{found.computed[0]}, which a program would not notice: write the name, or do it outside")
        self._attributes(vars(function), function.__name__)
        self._row(self.rows.referents(function), f"the function {function.__name__}()")
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            if name in found.inner:
                continue
            guard = self.rows.referents(cell)
            contents = self.rows.value(guard)
            if name == "__class__" and isinstance(contents, type):  # for super()
                self._row(guard, name)
                self._class(contents, name, True)
            else:
                is_left = contents is NotImplemented or (name in found.hosts and _is_handed_over(contents))
                self._value(guard, name, None if is_left else contents)  # not assigned yet, or read by a host call
        for name in sorted(found.globals | (found.hosts & set(function.__globals__))):
            self._item(function.__globals__, name, name, is_host=name not in found.globals)
            if name not in function.__globals__:
                self._item(cast(Any, function).__builtins__, name, name)
        for module in sorted(found.imports):
            self._import(module, function.__globals__)
        for default in (function.__defaults__, function.__kwdefaults__):
            self._push(default, f"a default of {function.__name__}()")

    def _import(self, name: str, namespace: dict[str, Any]) -> None:
        """A module that a function imports, `name` beginning with dots where that is relative."""
        package = namespace.get("__package__") or namespace.get("__name__", "").rpartition(".")[0]
        parts = importlib.util.resolve_name(name, package).split(".")
        for n in range(len(parts)):
            self._item(sys.modules, ".".join(parts[: n + 1]), name)

    def _attributes(self, attributes: dict[str, Any], place: str, without: frozenset[str] = frozenset()) -> None:
        """Those of a function, or what users have put on a step."""
        for name in sorted(attributes.keys() - without):
            if self._is_read(name):
                self._item(attributes, name, f"{place}.{name}")
        self._row(self.rows.members(attributes), f"the attributes of {place}")

    def _read_whole(self) -> None:
        """From the next walk on all attributes count, not only those that are named."""
        self.met.append(Reads(attributes=_REFLECTION))

    def _is_foreign(self, module: Any) -> bool:
        return _is_library(module) and module != self.home

    def _own(self, container: Any, index: int, place: str) -> int:
        """A guard over what a container holds."""
        self.owned.setdefault(id(container), []).append(index)
        self.sequences[index] = container
        return self._row(index, place)

    def _dict(self, value: dict[Any, Any], place: str) -> None:
        self._count(iter(value.values()), place)
        self._own(value, self.rows.members(value), place)
        for key in list(value):
            self._push(key, f"a key of {place}")
            guard = self._item(value, key, f"{place}[{key!r}]" if type(key) in ATOMS else f"a value of {place}")
            self.owned[id(value)].append(guard)

    def _array(self, array: np.ndarray[Any, Any], place: str) -> None:
        if array.dtype.hasobject:
            raise TraceError(f"the step reads {place}, an array of Python objects: pass what it needs as arguments")
        if array.nbytes > LARGE_ARRAY:
            warnings.warn(
                f"compile: the step reads {place}, an array of {array.nbytes / 1e6:.0f} MB, whose contents are "
                "compared at each call; pass it as an argument or make it a tensor",
                UserWarning,
                stacklevel=2,
            )
        address = array.__array_interface__["data"][0]
        self._row(self.rows.memory(array, address, array.itemsize, array.shape, array.strides), place)

    def _namespace(self, module: types.ModuleType, place: str) -> None:
        if module is random:
            self.random.append(random._inst)
        elif module is np.random or (module is np and "random" in self.names.attributes):
            if np.random not in self.random:
                self.random.append(np.random)
        elif module.__name__ in _READ_WHOLE:
            self._read_whole()
        elif module.__name__.partition(".")[0] == "pyautograd" or not self._is_foreign(module.__name__):
            attributes, users = vars(module), not _is_library(module.__name__)
            has = {*attributes, *attributes.get("__all__", ())} if not users else set(attributes)
            names = (self.names.attributes | self.names.hosts) & (self.names.stored | has)
            if users and "__getattr__" in attributes:  # ours gives what __all__ names, or raises
                names = self.names.attributes | {"__getattr__"}
            if self.dynamic and users:
                names |= {name for name in attributes if not _is_special(name)}
            for name in sorted(names):
                self._item(attributes, name, f"{place}.{name}", is_host=self._is_host(name))

    def _class(self, cls: type, place: str, is_instance: bool = False) -> None:
        """What may be found on a class of the user's: functions that may be called, and what objects share.

        Of an instance's class, the functions that only begin, end and show a life do not count.
        """
        if (cls, is_instance) in self._classes:
            return
        self._classes.add((cls, is_instance))
        theirs = [each for each in cls.__mro__ if not self._is_foreign(each.__module__) and each.__flags__ & _HEAP_TYPE]
        names = {
            name
            for each in theirs
            for name, member in vars(each).items()
            if self._is_read(name) or (_is_special(name) and callable(member) and not (is_instance and name in _LIFE))
        }
        if theirs:
            self._row(self.rows.referents(cls), f"the bases of {cls.__name__}")
            for name in sorted({"__name__", "__qualname__"} & self.names.attributes):
                self._row(self.rows.attribute(cls, name), f"{place}.{name}")
        for each in cls.__mro__:
            if each in theirs:
                attributes = _class_dict(each)
                for name in sorted(names):
                    guard = self._item(attributes, name, f"{place}.{name}", is_host=self._is_host(name, cls))
                    self.values.discard(guard)  # a class's dict is not to be written to
                    self.of_classes.add(guard)
                self._row(self.rows.length(attributes), f"the attributes of {each.__name__}")
            elif issubclass(each, Module) and each is not Module:
                self.of_classes.add(self._row(self.rows.item(_class_dict(each), "forward"), f"{each.__name__}.forward"))
        if type(cls) is not type:
            self._class(type(cls), f"the class of {place}", True)

    def _is_appended(self, place: str) -> bool:
        """Is `self.log`, or `metrics['log']`, only appended to, and `metrics` only read by such keys?"""
        owner, _, key = place.removesuffix("']").rpartition("['")
        if not owner:
            return place.rpartition(".")[2] in self.appended
        return f"[{key}]" in self.appended and f"{owner.rpartition('.')[2]}[…]" not in self.names.used

    def _is_read(self, name: str) -> bool:
        if name in self.names.attributes or name in self.names.hosts or name == "forward":
            return True
        return self.dynamic and not _is_special(name)

    def _is_host(self, name: str, cls: type = object) -> bool:
        """Is an attribute mentioned only to name the function of a host call, or is it one of a Function?"""
        if issubclass(cls, Function) and name in ("forward", "backward"):
            return True
        return name in self.names.hosts and name not in self.names.attributes

    def _object(self, value: Any, place: str) -> None:
        """An instance: its attributes, then its class."""
        cls = type(value)
        is_module = isinstance(value, Module)
        holds_parameters = is_module or isinstance(value, (ScalarModule, NeuronState, Optimizer, LRScheduler))
        users = not self._is_foreign(cls.__module__)
        is_collection = not _COLLECTIONS.isdisjoint([each.__module__ for each in cls.__mro__])
        if not (users or holds_parameters or is_collection or isinstance(value, _NAMESPACES)):
            return
        if isinstance(value, NeuronState):
            self._row(self.rows.neuron(value), place)
            self._push(value.w, f"{place}.w")
        try:
            attributes = value._held if is_module else object.__getattribute__(value, "__dict__")
        except AttributeError:
            attributes = None
        if is_module:
            attributes.setdefault(
                "training", value.training
            )  # so that the first train() or eval() changes an entry that has a guard
        if is_collection or (holds_parameters and not users):  # all of our own layers' are part of what they compute
            guarded = set(attributes or ())
        else:
            guarded = {
                name
                for name, held in list((attributes or {}).items())
                if self._is_read(name) or (holds_parameters and _is_structure(held))
            }
        guarded |= self.names.stored
        if is_module:
            guarded |= {"training", "_hooks"} & attributes.keys()
        if isinstance(value, Optimizer):
            guarded |= {"param_groups", "_state"}
        if attributes is not None:
            for name in sorted(guarded, key=str):
                self._item(attributes, name, f"{place}.{name}", is_module, self._is_host(name))
            self._row(self.rows.members(attributes, is_module), f"the attributes of {place}")
        held = value
        if value is self.owner:  # not to be kept alive; its step goes by its class
            held = weakref.proxy(value)
            if attributes is not None:
                self._row(self.rows.attribute(held, "_held" if is_module else "__dict__"), f"the attributes of {place}")
        elif users:
            self._row(self.rows.object(value, is_module), f"the class of {place}")
        for name in _slots(cls):
            if self._is_read(name):
                self._value(self.rows.attribute(held, name), f"{place}.{name}", getattr(value, name, None))
        self._class(cls, place, True)

    def _options(self, optimizer: Any, place: str) -> None:
        """An optimiser's groups: a changed option is handed to C by the optimiser and needs no new program."""
        self.optimizers.append(optimizer)
        # Other groups than these ask for another program, since their options have no guards.
        self._row(self.rows.item(vars(optimizer), "param_groups"), f"{place}.param_groups")
        self._row(self.rows.members(optimizer.param_groups), f"{place}.param_groups")
        rows = []
        for index, group in enumerate(optimizer.param_groups):
            where = f"{place}.param_groups[{index}]"
            rows.append(self._row(self.rows.length(group), where))
            rows.append(self._row(self.rows.length(group["params"]), f"{where}['params']"))
            rows += [self._row(self.rows.item(group, key), f"{where}[{key!r}]") for key in list(group)]
        if not {"param_groups", "defaults"} & self.names.attributes:  # else the step reads them as numbers
            self.groups |= dict.fromkeys(rows, optimizer)
        self._class(type(optimizer), place)


def _is_structure(held: Any) -> bool:
    """Is an attribute of a module part of what it computes with?"""
    return held is None or isinstance(held, (Node, Module, ScalarModule, NeuronState))


def _slots(cls: type) -> tuple[str, ...]:
    """The names in a class's __slots__, which stay what they are."""
    found = _SLOTS.get(cls)
    if found is None:
        members = [pair for each in cls.__mro__ for pair in list(vars(each).items())]
        found = _SLOTS[cls] = tuple(name for name, each in members if isinstance(each, types.MemberDescriptorType))
    return found


def _class_dict(cls: type) -> dict[str, Any]:
    """What the proxy that is a class's __dict__ stands for: only to be read."""
    found: dict[str, Any] = gc.get_referents(vars(cls))[0]
    return found


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
