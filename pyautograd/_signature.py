"""The arguments of a call taken apart, and their signature: structure, kinds, dtypes, shapes, all else as it is.

    step(x, [y, 0.5], scale=2)
        rows     tuple 2 │ tensor 0 │ list 2 │ tensor 1 │ number 2 │ dict ("scale",) │ constant 2     (arguments.c)
        leaves   x, y, 0.5            a float may be another at each call, and so may the numbers in tensors

One tensor in two places is one leaf, so which places hold the same is part of the signature. Containers are the
caller's own: a recorded call gets them as they are, only that stand-ins are in the places of their floats and arrays
meanwhile.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import numpy as np

from pyautograd._array_like import as_tensor
from pyautograd._core import Node
from pyautograd._puts import Outputs, Put, changes, snapshot
from pyautograd._structure import BY_VALUE, Constant, Held, get_member, set_member
from pyautograd._tensor import Tensor

TENSOR, ARRAY, NUMBER, CONSTANT, TUPLE, LIST, DICT, OBJECT, SAME = range(9)  # as in arguments.c
WHATEVER = -1  # the length of a list that the step only appends to


class TensorSpec(NamedTuple):
    """What a signature says of a tensor."""

    kind: str
    dtype: str
    shape: tuple[Any, ...]  # "n" for a free batch axis
    contiguous: bool
    requires_grad: bool

    def __str__(self) -> str:
        if self.kind == "Value":
            return "Value"
        notes = ["not contiguous"] * (not self.contiguous) + ["requires grad"] * self.requires_grad
        shape = f"({', '.join(map(str, self.shape))}{',' * (len(self.shape) == 1)})"
        return f"{self.kind} {self.dtype} {shape}" + (f" ({', '.join(notes)})" if notes else "")


class Row(NamedTuple):
    """What one argument, or one member of a container, must be."""

    kind: int
    n: int
    what: Any
    slot: int


class Call:
    """The arguments of one call, taken apart."""

    def __init__(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        names: Iterable[str] = itertools.repeat(""),
        appended: frozenset[str] = frozenset(),
    ) -> None:
        self.args, self.kwargs = args, kwargs
        self.rows: list[Row] = []
        self.leaves: list[Any] = []  # tensors and floats, by their slot
        self.leaf_names: list[str] = []
        self.names: list[str] = []  # of what is no container, and what the signature says of it
        self._specs: list[Any] = []
        self.objects: list[tuple[Any, str]] = []  # what may change inside and is neither tensor nor container
        self.containers: list[Any] = []  # that may be written to
        self.appended: list[tuple[int, str]] = []  # of them, the lists that the step only appends to, with their names
        self._appended = appended
        self._slots: dict[int, int] = {}  # of tensors, by their id
        self._numbers: dict[int, int] = {}  # of containers, likewise
        self._stood_in: list[tuple[Any, Any, Any, Any]] = []
        self.rows.append(Row(TUPLE, len(args), tuple, -1))
        for value, name in zip(args, names):
            self._take(value, name)
        self.rows.append(Row(DICT, len(kwargs), (dict, tuple(kwargs)), -1))
        for key, value in kwargs.items():
            self._take(value, key)
        self.signature = tuple(self._specs)
        self.lists_appended_to = (names, appended)  # what another call is taken apart by, beside its arguments

    @property
    def kind(self) -> tuple[Any, ...]:
        """The structure of the arguments: what the signature says nothing of."""
        containers = (TUPLE, LIST, DICT, OBJECT)
        return tuple([(row.kind, row.n, row.what if row.kind in containers else None, row.slot) for row in self.rows])

    def _take(self, value: Any, name: str) -> None:
        kind = type(value)
        if isinstance(value, Node):
            self._leaf(
                TENSOR, value, name, _spec(value, "Value" if not isinstance(value, Tensor) else "Tensor"), id(value)
            )
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            tensor = as_tensor(value)
            self._leaf(ARRAY, tensor, name, _spec(tensor, "ndarray"), None)
        elif kind is float or isinstance(value, np.floating):
            self._leaf(NUMBER, float(value), name, float, None)
        elif (members := _members(value)) is not None:
            self._container(value, members, name)
        else:
            if isinstance(value, np.integer):
                value = int(value)
            self._row(Row(CONSTANT, 0, value, -1), name, Constant(value))
            if not isinstance(value, BY_VALUE):
                self.objects.append((value, name))

    def _leaf(self, kind: int, leaf: Any, name: str, spec: Any, identity: int | None) -> None:
        slot = len(self.leaves) if identity is None else self._slots.setdefault(identity, len(self.leaves))
        if slot == len(self.leaves):
            self.leaves.append(leaf)
            self.leaf_names.append(name)
        self._row(Row(kind, 0, None, slot), name, spec)

    def _row(self, row: Row, name: str, spec: Any) -> None:
        self.rows.append(row)
        self.names.append(name)
        self._specs.append(spec)

    def _container(self, value: Any, members: list[tuple[Any, Any]], name: str) -> None:
        kind, n, number = _container_kind(value), len(members), -1
        if kind != TUPLE:
            if id(value) in self._numbers:
                self.rows.append(Row(SAME, 0, None, self._numbers[id(value)]))
                return
            number = self._numbers[id(value)] = len(self.containers)
            self.containers.append(value)
        if kind == LIST and name in self._appended:
            self.appended.append((number, name))
            n, members = WHATEVER, []
        keys = tuple(key for key, _ in members)
        self.rows.append(Row(kind, n, (type(value), keys) if kind in (DICT, OBJECT) else type(value), number))
        if kind == OBJECT:
            self.objects.append((type(value), name))
        for key, member in members:
            self._take(member, f"{name}.{key}" if kind == OBJECT else f"{name}[{key!r}]")

    @property
    def arrays(self) -> frozenset[int]:
        """The slots of leaves that were ndarrays."""
        return frozenset(row.slot for row in self.rows if row.kind == ARRAY)

    def held(self) -> dict[int, Constant]:
        """The containers among the arguments, which a step may return."""
        found = {id(value): Constant(value) for value, _ in self.objects}
        return found | {id(each): Held(number, each) for number, each in enumerate(self.containers)}

    # ---- a recorded call ----

    def begin(self) -> None:
        """Notes what the containers hold when the step begins."""
        self._before = [snapshot(container) for container in self.containers]

    def changed(self, outputs: Outputs) -> tuple[list[Put], str | None]:
        """What the step has put into its arguments, and what it has done to them that a program would not, or None."""
        puts: list[Put] = []
        problem = None
        appended = dict(self.appended)
        for number, (container, before) in enumerate(zip(self.containers, self._before)):
            found, are_gone = changes(container, before)
            if are_gone:
                problem = (
                    f"the step removes something from an argument, a {type(container).__name__}: return it instead"
                )
            for i, (key, value) in enumerate(found):
                is_behind = isinstance(container, list) and key is None
                if is_behind and number not in appended:
                    problem = "the step appends to a list that it reads as well, an argument: return a new list"
                position = len(container) - len(found) + i if is_behind else -1
                structure, results = outputs.take(value)
                puts.append(Put(f"an argument[{key!r}]", structure, results, number, key, position=position))
        return puts, problem

    @contextmanager
    def stand_ins(self, taken: list[Any]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
        """The arguments with what is given for each slot; containers are themselves again afterwards."""
        places = iter(self.rows)
        try:
            args = self._stand_in(self.args, taken, places)
            kwargs = dict(self.kwargs)
            next(places)
            for key, value in self.kwargs.items():
                kwargs[key] = self._stand_in(value, taken, places)
            yield args, kwargs
        finally:
            for container, key, before, stand_in in reversed(self._stood_in):
                if get_member(container, key) is stand_in:
                    set_member(container, key, before)
            self._stood_in.clear()

    def with_tensors(self) -> AbstractContextManager[tuple[tuple[Any, ...], dict[str, Any]]]:
        """The arguments as a compiled step has them: tensors over the arrays among them."""
        return self.stand_ins(self.leaves)

    def _stand_in(self, value: Any, taken: list[Any], rows: Iterator[Row]) -> Any:
        row = next(rows)
        if row.kind in (TENSOR, ARRAY, NUMBER):
            return taken[row.slot]
        if row.kind in (CONSTANT, SAME) or row.n == WHATEVER:
            return value
        changed = [(key, member, self._stand_in(member, taken, rows)) for key, member in _members(value) or []]
        if row.kind == TUPLE:
            items = [new for _, _, new in changed]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        for key, before, new in changed:
            if new is not before:
                set_member(value, key, new)
                self._stood_in.append((value, key, before, new))
        return value


def take_apart(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    is_method: bool,
    appended: frozenset[str],
) -> Call:
    """The arguments of a call of a function; `appended`: names of lists that it only appends to."""
    return Call(args, kwargs, _parameter_names(function, is_method, len(args)), appended)


def _spec(tensor: Any, kind: str) -> TensorSpec:
    if kind == "Value":
        return TensorSpec("Value", "float64", (), True, tensor.requires_grad)
    return TensorSpec(kind, tensor.dtype.name, tensor.shape, tensor.is_contiguous(), tensor.requires_grad)


def _container_kind(value: Any) -> int:
    if isinstance(value, tuple):
        return TUPLE
    return LIST if type(value) is list else DICT if isinstance(value, dict) else OBJECT


def _members(value: Any) -> list[tuple[Any, Any]] | None:
    """What a container holds, with its keys; None for what is no container."""
    kind = type(value)
    if kind is list or kind is tuple or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return list(enumerate(value))
    if isinstance(value, dict):
        return list(value.items())
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and not hasattr(value, "parameters"):
        return [
            (field.name, getattr(value, field.name))
            for field in dataclasses.fields(value)
            if hasattr(value, field.name)
        ]
    return None


def _parameter_names(function: Callable[..., Any], is_method: bool, n: int) -> list[str]:
    """Names for the first n positional arguments."""
    names = plain_names(function, n + is_method)
    if names is not None:
        return names[int(is_method) :]
    try:
        parameters = list(inspect.signature(function).parameters.values())[int(is_method) :]
    except (TypeError, ValueError):
        parameters = []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [each.name for each in parameters if each.kind in positional][:n]
    rest = next((each.name for each in parameters if each.kind is each.VAR_POSITIONAL), "argument")
    return names + [f"{rest}[{i}]" for i in range(n - len(names))]


def plain_names(function: Callable[..., Any], n: int) -> list[str] | None:
    """Those of a function of Python's that takes n positional arguments and says so itself; None for others, which
    `inspect` knows more slowly."""
    if type(function) is not types.FunctionType or vars(function).keys() & {"__wrapped__", "__signature__"}:
        return None
    code, given = function.__code__, len(function.__defaults__ or ())
    takes_more = bool(code.co_flags & inspect.CO_VARARGS)
    wanted = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
    is_taken = code.co_argcount - given <= n and (takes_more or n <= code.co_argcount)
    if not is_taken or not set(wanted) <= (function.__kwdefaults__ or {}).keys():
        return None
    rest = code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if takes_more else ""
    return [*code.co_varnames[: min(n, code.co_argcount)], *(f"{rest}[{i}]" for i in range(n - code.co_argcount))]
