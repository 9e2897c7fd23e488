"""`compile`: a training step recorded once and replayed in C.

    step(x, y) ── last program fits? ──▶ replay
                      │ no
                      ├─ another program of this step fits ──▶ replay
                      └─ none: run the function, recorded ──┬─ first time of its kind: keep the recording
                                                            └─ second: the same log? ──▶ a new program, else TraceError

A signature is the structure of the arguments, the kind, dtype and shape of the tensors among them, and everything else
as it is. A program also has guards (_guards.py): what the function reads besides its arguments.
"""

from __future__ import annotations

import functools
import inspect
import struct
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from pyautograd import _core, _grad_mode, _recording
from pyautograd._arguments import named
from pyautograd._array_like import as_tensor
from pyautograd._c import ffi
from pyautograd._core import Node, TraceError, is_number, is_recording
from pyautograd._dtype import dtype
from pyautograd._generator import Generator
from pyautograd._tensor import Tensor
from pyautograd._value import Value

if TYPE_CHECKING:
    from pyautograd._guards import Watch

__all__ = ["CompiledStep", "Program", "TraceError", "compile"]

MAX_PROGRAMS = 64  # of one step; the one that was not used for longest goes
MAX_ALIKE = 4  # with the same signature and guards: only what they are bound to differs
MANY = 8  # programs that differ in one argument before a warning

_LEAF = None  # the structure of what is not a container
_BY_VALUE = (int, str, bool, bytes, complex, type(None), dtype)


# ---- arguments ----


def _flatten(value: Any, leaves: list[Any]) -> Any:
    """Appends the leaves of nested lists, tuples and dicts; returns their structure."""
    kind = type(value)
    if kind is list or kind is tuple or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return kind, tuple([_flatten(item, leaves) for item in value])
    if kind is dict:
        return dict, tuple([(key, _flatten(item, leaves)) for key, item in value.items()])
    if value is None or value is float:  # which stand for something else in a program's template
        return _Constant, _Constant(value)
    leaves.append(value)
    return _LEAF


def _rebuild(structure: Any, leaves: Iterator[Any]) -> Any:
    """The containers of a structure around the next leaves."""
    if structure is _LEAF:
        return next(leaves)
    kind, members = structure
    if kind is _Constant:
        return members.value
    if kind is dict:
        return {key: _rebuild(member, leaves) for key, member in members}
    items = [_rebuild(member, leaves) for member in members]
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


class _Constant:
    """Something that is neither a tensor nor a container, equal to what is the same object or the same number."""

    __slots__ = ("key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key: tuple[Any, ...]
        if isinstance(value, float):
            self.key = (float, struct.pack("d", value))
        elif type(value) in _BY_VALUE:
            self.key = (type(value), value)
        else:
            self.key = ("object", id(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Constant) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return f"{self.value!r}" if self.key[0] != "object" else f"<{type(self.value).__name__}>"


class _Described(NamedTuple):
    """What a signature says of a tensor."""

    kind: str
    dtype: str
    shape: tuple[int, ...]
    contiguous: bool
    requires_grad: bool

    def __str__(self) -> str:
        if self.kind == "Value":
            return "Value"
        notes = ["not contiguous"] * (not self.contiguous) + ["requires grad"] * self.requires_grad
        return f"{self.kind} {self.dtype} {self.shape}" + (f" ({', '.join(notes)})" if notes else "")


def _describe(leaf: Any, is_array: bool) -> Any:
    if isinstance(leaf, Tensor):
        kind = "ndarray" if is_array else "Tensor"
        return _Described(kind, leaf.dtype.name, leaf.shape, leaf.is_contiguous(), leaf.requires_grad)
    if isinstance(leaf, Node):
        return _Described("Value", "float64", (), True, leaf.requires_grad)
    return float if type(leaf) is float else _Constant(leaf)


class _Call(NamedTuple):
    """The arguments of one call, taken apart."""

    structure: Any  # of (args, kwargs)
    arrays: frozenset[int]  # the leaves that were ndarrays
    leaves: tuple[Any, ...]

    @property
    def kind(self) -> Any:
        return self.structure, self.arrays

    def signature(self) -> tuple[Any, ...]:
        return tuple([_describe(leaf, i in self.arrays) for i, leaf in enumerate(self.leaves)])

    def template(self) -> tuple[Any, ...]:
        """What a program compares its arguments with."""
        return tuple([memoryview if i in self.arrays else None if isinstance(leaf, Node)
                      else float if type(leaf) is float else leaf for i, leaf in enumerate(self.leaves)])  # fmt: skip

    def objects(self, names: list[str]) -> list[tuple[Any, str]]:
        """What is neither tensor nor number and may change inside, such as models, with its name."""
        return [
            (leaf, name)
            for leaf, name in zip(self.leaves, names)
            if not isinstance(leaf, Node) and not isinstance(leaf, (float, *_BY_VALUE))
        ]

    @property
    def is_flat(self) -> bool:
        (_, positional), (_, named) = self.structure
        return not named and all(member is _LEAF for member in positional)


def _take_apart(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
    leaves: list[Any] = []
    named = {name: kwargs[name] for name in sorted(kwargs)}
    structure = _flatten(args, leaves), _flatten(named, leaves)
    arrays = []
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fiub":
            leaves[i] = as_tensor(leaf)
            arrays.append(i)
        elif isinstance(leaf, np.generic):
            leaves[i] = leaf.item()
    return _Call(structure, frozenset(arrays), tuple(leaves))


# ---- results ----


def _take_results(value: Any, outputs: list[Any]) -> Any:
    """Appends the tensors of a result; returns its structure, with everything else in it as constants."""
    kind = type(value)
    if isinstance(value, Node):
        outputs.append(value)
        return _LEAF
    if kind is list or kind is tuple or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return kind, tuple([_take_results(item, outputs) for item in value])
    if kind is dict:
        return dict, tuple([(key, _take_results(item, outputs)) for key, item in value.items()])
    return _Constant, _Constant(value)


def _hand_out(output: Any) -> Any:
    """A result of the eager step as a program gives it: without history, and the caller's own."""
    if is_number(output):
        return output.item()
    if isinstance(output, Value):
        return Value(output.data)
    with _grad_mode.no_grad():
        return output.detach().clone()


def _is_direct(structure: Any) -> bool:
    """Does a program's own result need no rebuilding: one tensor, or a plain tuple of several?"""
    if structure is _LEAF:
        return True
    kind, members = structure
    return kind is tuple and len(members) > 1 and all(member is _LEAF for member in members)


# ---- programs ----


class _Recorded:
    """One recorded call: its log, what it returned, and what it read."""

    def __init__(self, log: Any, results: Any, updates: list[_recording.Update], watch: Watch) -> None:
        self.log = log
        self.results = results
        self.updates = updates
        self.watch = watch


class Program:
    """A step compiled for one signature. `describe()` is a dict of what it consists of; the repr shows it."""

    def __init__(
        self, name: str, call: _Call, recorded: _Recorded, names: list[str], disabled: tuple[str, ...]
    ) -> None:
        self.name = name
        self.kind = call.kind
        self.signature = call.signature()
        self._names = names
        self._results = recorded.results
        self._updates = recorded.updates
        self._watch = recorded.watch
        self._states = [update.plan.names for update in recorded.updates]
        self._groups = [len(update.optimizer.param_groups) for update in recorded.updates]
        self._waiting = [list(update.plan.waiting) for update in recorded.updates]
        self.is_dead = False  # bound to what is no longer so
        self._program = _core.Program(recorded.log, disabled)
        if recorded.log.updates != len(recorded.updates):
            raise TraceError(f"{name}: an optimiser was stepped by something else than its step()")
        self._program.set_template(call.template())
        for k, update in enumerate(self._updates):
            self._set_update(k, update.plan)
        self._watch.arm()
        self._program.set_guards(self._watch.guards)
        self.is_direct = _is_direct(self._results)
        self.is_quick = call.is_flat and self.is_direct and not self._watch.has_tensor_options

    def _set_update(self, k: int, plan: Any) -> None:
        addresses = (int(ffi.cast("intptr_t", each)) for each in (plan.params, plan.state, plan.steps, plan.hyper))
        self._program.set_update(k, plan, *addresses)

    def refresh(self) -> tuple[str | None, bool]:
        """Brings updates up to date with optimisers. What keeps it from running, and whether it did anything."""
        broken, refreshed = self._watch.refresh()
        dead = self._refresh_updates() if refreshed else None
        if dead is not None:
            self.is_dead = True
            self._program.retire()
        return dead or broken, refreshed

    def _refresh_updates(self) -> str | None:
        """Points the updates at the optimisers' plans; what keeps that from being possible."""
        for k, update in enumerate(self._updates):
            plans = update.optimizer._plans
            name = type(update.optimizer).__name__
            if plans is None or len(plans) != self._groups[k]:
                return f"the groups of {name}"
            plan = plans[update.group]
            if plan.listed is not update.plan.listed or plan.n != update.plan.n:
                return f"the parameters of {name}"
            if plan.names != self._states[k] or plan.waiting != self._waiting[k]:
                return f"the state of {name}"
            if plan is not update.plan:
                try:
                    self._set_update(k, plan)
                except RuntimeError:  # another thread runs it, and ends with what it has
                    return f"the state of {name}"
                self._updates[k] = update._replace(plan=plan)
        return None

    def call(self, leaves: tuple[Any, ...]) -> Any:
        """The results; NotImplemented for other arguments, Ellipsis where something else has changed."""
        if self._watch.has_tensor_options:
            self._watch.prepare()
        found = self._program.call_leaves(leaves)
        if found is NotImplemented or found is ... or self.is_direct:
            return found
        outputs = iter(found) if isinstance(found, tuple) else iter((found,))
        return _rebuild(self._results, outputs)

    def run(self, *arguments: Any) -> Any:
        """The steps made, or NotImplemented."""
        if self._watch.has_tensor_options:
            self._watch.prepare()
        return self._program.run(*arguments)

    @property
    def steps_done(self) -> int:
        """How many steps the last `run` made, also where it was interrupted."""
        return int(self._program.steps_done)

    def describe(self) -> dict[str, Any]:
        """What it consists of: "kind", "ops", "instructions", "fused", "flops", "arena_bytes" (as planned),
        "tensor_bytes" (without reuse), "scratch_bytes" (of products, and what ops keep for their backward).
        """
        return dict(self._program.describe())

    def __repr__(self) -> str:
        found = self.describe()
        arguments = ", ".join(f"{name}: {_word(each)}" for name, each in zip(self._names, self.signature))
        lines = [f"program {self.name}({arguments})"]
        rows = {
            "kind": found.get("kind"),
            "ops": found.get("ops"),
            "instructions": len(found["instructions"]),
            "fused groups": found.get("fused"),
            "arena": f"{found.get('arena_bytes', 0):,} bytes; all tensors: {found.get('tensor_bytes', 0):,} bytes",
            "flops a step": f"{found.get('flops', 0):,.0f}",
        }
        lines += [f"  {name:<13} {value}" for name, value in rows.items() if value is not None]
        return "\n".join(lines)


def _word(described: Any) -> str:
    return "float" if described is float else str(described)


# ---- the compiled step ----


def _never(arguments: tuple[Any, ...]) -> Any:
    return NotImplemented


class _WeakMethod:
    """A bound method that does not keep its object alive."""

    def __init__(self, function: Callable[..., Any], owner: Any) -> None:
        self.function = function
        self.owner = weakref.ref(owner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.owner(), *args, **kwargs)


class BoundStep:
    """A compiled method of one object, which it keeps alive as a bound method does: the object's own `CompiledStep`."""

    def __init__(self, step: CompiledStep, owner: Any) -> None:
        self._step = step
        self.__self__ = owner
        self.__wrapped__ = step.__wrapped__
        self.__doc__ = step.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._step(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def __repr__(self) -> str:
        return repr(self._step)


class CompiledStep:
    """What `compile` returns: called as the function is, it replays a program where one fits.

    `programs` lists them, `run` trains on whole arrays, `draw` pictures the instructions, `clear` forgets them.
    """

    __wrapped__: Callable[..., Any]

    def __init__(self, function: Callable[..., Any], passes: dict[str, bool] | None = None, owner: Any = None) -> None:
        if not callable(function):
            raise TypeError(f"compile: a function is wanted, not {type(function).__name__}")
        self._fast: Callable[[tuple[Any, ...]], Any] = _never
        self._function = function if owner is None else _WeakMethod(function, owner)
        self._plain = function
        self._passes = dict(passes or {})
        self._name = getattr(function, "__name__", type(function).__name__)
        self._bound: dict[int, tuple[Any, CompiledStep]] = {}
        self._turn = _core.turn()
        functools.update_wrapper(self, function, updated=())
        self.clear()

    def clear(self) -> None:
        """Forgets all programs and recordings."""
        self._fast = _never
        self._programs: tuple[Program, ...] = ()
        self._recorded: dict[Any, list[_Recorded]] = {}
        self._signatures: dict[Any, set[Any]] = {}
        self._changes: Counter[str] = Counter()
        self._begun: set[Any] = set()
        self._warned = False

    @property
    def programs(self) -> list[Program]:
        """The programs compiled so far, one a signature, the one used last in front."""
        return list(self._programs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            found = self._fast(args)
            if found is not NotImplemented and found is not ...:
                return found
        return self._call(args, kwargs)[0]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: each object has programs of its own."""
        if instance is None:
            return self
        found = self._bound.get(id(instance))
        if found is not None and found[0]() is instance:
            return BoundStep(found[1], instance)
        key = id(instance)

        def forget(_: Any) -> None:
            self._bound.pop(key, None)

        try:
            reference: Any = weakref.ref(instance, forget)
        except TypeError:
            raise TypeError(
                f"compile: {type(instance).__name__}.{self._name}: objects of classes with __slots__ need "
                "'__weakref__' among them to have compiled methods"
            ) from None
        step = CompiledStep(self._plain, self._passes, owner=instance)
        self._bound[key] = reference, step
        return BoundStep(step, instance)

    def __repr__(self) -> str:
        lines = [f"compiled {self._name}: {len(self._programs)} program{'s' * (len(self._programs) != 1)}"]
        return "\n".join([*lines, *(repr(program) for program in self._programs)])

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledStep:
        return self  # as functions are

    # ---- calling ----

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Program | None]:
        """The result, and the program that gave it if it was one."""
        if is_recording():  # part of another step
            return self._function(*args, **kwargs), None
        if _core.is_anomaly_enabled():
            return self._eager(args, kwargs), None
        call = _take_apart(args, kwargs)
        found, program = self._replay(call)
        if program is not None:
            return found, program
        with self._turn as is_first:
            if is_first:
                found, program = self._replay(call)  # it may have been compiled just now
                return (self._record(call), None) if program is None else (found, program)
        return self._eager(args, kwargs), None  # another thread records it

    def _eager(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        outputs: list[Any] = []
        structure = _take_results(self._function(*args, **kwargs), outputs)
        return _rebuild(structure, iter([_hand_out(output) for output in outputs]))

    def _replay(self, call: _Call) -> tuple[Any, Program | None]:
        kind = call.kind
        for program in self._programs:
            if program.kind != kind:
                continue
            found = program.call(call.leaves)
            if found is NotImplemented:
                continue
            if found is ... and program.refresh() == (None, True):
                found = program.call(call.leaves)
            if found is not ...:
                self._use(program)
                return found, program
            if program.is_dead:
                self._drop([program])
        return NotImplemented, None

    def _drop(self, gone: list[Program]) -> None:
        self._fast = _never
        self._programs = tuple(each for each in self._programs if not any(each is other for other in gone))

    def _use(self, program: Program) -> None:
        """Puts a program in front."""
        if self._programs[:1] != (program,):
            self._programs = (program, *[each for each in self._programs if each is not program])[:MAX_PROGRAMS]
        self._fast = program._program.call if program.is_quick else _never

    # ---- recording ----

    def _record(self, call: _Call) -> Any:
        from pyautograd._guards import Watch

        key = call.kind, call.signature()
        earlier = self._recorded.setdefault(key, [])
        while len(self._recorded) > MAX_PROGRAMS:
            del self._recorded[next(iter(self._recorded))]
        names = self._leaf_names(call)
        before = self._find(earlier)
        if before is None:
            self._count_change(key, earlier)
            self._count_variants(call, key, names)
        watch = Watch(self._plain, self._owner(), call.objects(names))
        result, recorded, problem = self._run_recorded(call, watch)
        if problem is not None:
            if key not in self._begun:  # a first call may set things up
                self._begun = {key, *list(self._begun)[:MAX_PROGRAMS]}
                return result
            raise TraceError(f"{self._name}: {problem}")
        if before is None:
            earlier.append(recorded)
            del earlier[:-MANY]
            return result
        earlier.remove(before)
        if before.results != recorded.results:
            raise TraceError(f"{self._name}: two calls with the same signature returned different things: "
                             f"{_outline(before.results)} and {_outline(recorded.results)}")  # fmt: skip
        difference = before.log.difference(recorded.log)
        if difference is not None:
            raise TraceError(f"{self._name}: two calls with the same signature did not do the same: {difference}")
        disabled = tuple(name for name, wanted in self._passes.items() if not wanted)
        try:
            program = Program(self._name, call, recorded, names, disabled)
        except NotImplementedError as error:
            raise TraceError(f"{self._name}: {error}") from None
        self._forget_alike(program)
        self._programs = (program, *self._programs)
        self._use(program)
        return result

    @staticmethod
    def _find(earlier: list[_Recorded]) -> _Recorded | None:
        """The recording made where everything was as it is now."""
        return next((recorded for recorded in reversed(earlier) if recorded.watch.broken() is None), None)

    def _run_recorded(self, call: _Call, watch: Watch) -> tuple[Any, _Recorded, str | None]:
        """The result, what was recorded, and what a program could not repeat."""
        outputs: list[Any] = []
        with _core.recorded():
            try:
                updates = _recording.start()
                args, kwargs = self._stand_ins(call)
                structure = _take_results(self._function(*args, **kwargs), outputs)
                log = _core.record_stop(tuple(outputs))
            finally:
                _recording.stop()
        args = kwargs = None  # type: ignore[assignment]
        result = _rebuild(structure, iter([_hand_out(output) for output in outputs]))
        outputs.clear()
        problem = watch.changed()
        if problem is None and (leak := log.leak()) is not None:
            problem = f"{leak} is kept outside the step, where a program would not put it; return it instead"
        return result, _Recorded(log, structure, updates, watch), problem

    @staticmethod
    def _stand_ins(call: _Call) -> tuple[Any, Any]:
        """The arguments for a recorded call: tensors declared as inputs, floats as traced numbers."""
        taken = []
        for i, leaf in enumerate(call.leaves):
            if isinstance(leaf, Node):
                _core.record_input(leaf, i in call.arrays)
                taken.append(leaf)
            else:
                taken.append(_core.record_number(leaf) if type(leaf) is float else leaf)
        leaves = iter(taken)
        positional, named = call.structure
        return _rebuild(positional, leaves), _rebuild(named, leaves)

    def _owner(self) -> Any:
        return self._function.owner() if isinstance(self._function, _WeakMethod) else None

    def _forget_alike(self, program: Program) -> None:
        """Of programs that differ from a new one only in the tensors they are bound to, few are kept."""
        alike = [
            each
            for each in self._programs
            if each.kind == program.kind and each.signature == program.signature and each.refresh()[0] is None
        ]
        self._drop(alike[MAX_ALIKE - 1 :])

    # ---- warnings ----

    def _leaf_names(self, call: _Call) -> list[str]:
        """A name for each leaf: x, y[0], options['scale']."""
        (_, positional), (_, named) = call.structure
        names: list[str] = []
        for name, structure in [*zip(self._parameter_names(len(positional)), positional), *named]:
            names += _leaf_names(structure, name)
        return names

    def _parameter_names(self, n: int) -> list[str]:
        try:
            parameters = list(inspect.signature(self._plain).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        if self._owner() is not None:
            del parameters[:1]
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = [each.name for each in parameters if each.kind in positional][:n]
        rest = next((each.name for each in parameters if each.kind is each.VAR_POSITIONAL), "argument")
        return names + [f"{rest}[{i}]" for i in range(n - len(names))]

    def _count_variants(self, call: _Call, key: tuple[Any, Any], names: list[str]) -> None:
        """Warns once when there are many signatures that differ in one argument."""
        kind, signature = key
        if self._warned or len(self._signatures) > MAX_PROGRAMS:
            return
        known = self._signatures.setdefault(kind, set())
        if len(known) < MAX_PROGRAMS:
            known.add(signature)
        if len(self._signatures) > MANY:
            self._warn(
                f"{len(self._signatures)} kinds of arguments: nested lists, tuples and dicts are part of the signature "
                "with their lengths and keys; pass tensors or arrays of few shapes instead"
            )
        if len(known) <= MANY:
            return
        for i, name in enumerate(names):
            others = {each[i] for each in known if each[:i] == signature[:i] and each[i + 1 :] == signature[i + 1 :]}
            if len(others) > MANY:
                self._warn(f"{len(others)} signatures that differ in argument {name!r}, {_advice(signature[i])}")
                return

    def _count_change(self, key: tuple[Any, Any], earlier: list[_Recorded]) -> None:
        """Warns once when something that the function reads keeps changing."""
        place = earlier[-1].watch.broken() if earlier else None
        for program in self._programs:
            if place is None and (program.kind, program.signature) == key:
                place = program.refresh()[0]
        if place is None or self._warned:
            return
        self._changes[place] += 1
        if self._changes[place] > MANY:
            self._warn(f"{place} has changed {self._changes[place]} times; pass it as an argument, a float or a tensor")

    def _warn(self, words: str) -> None:
        self._warned = True
        message = f"compile: {self._name} is recorded anew and again, and runs eagerly meanwhile: {words}"
        level = 2
        frame = inspect.currentframe()
        while frame is not None and frame.f_globals.get("__name__") == __name__:
            frame, level = frame.f_back, level + 1
        warnings.warn(message, UserWarning, stacklevel=level - 1)

    # ---- whole trainings ----

    def run(
        self,
        *data: Any,
        batch_size: int,
        epochs: int = 1,
        shuffle: bool = True,
        seed: int | None = None,
        drop_last: bool = False,
        progress: bool = False,
        callback: Callable[[int, np.ndarray[Any, Any]], Any] | None = None,
        generator: Generator | None = None,
    ) -> np.ndarray[Any, Any]:
        """Calls the step on batches of the data, epoch after epoch; from the third batch on an epoch is one call of C.

        **Arguments:** `data`: tensors or arrays with the same number of rows, one for each argument of the step.
        `batch_size`: rows a step; the last batch of an epoch may be smaller, and is left out with `drop_last`.
        `shuffle`: rows in a new random order each epoch, drawn from the `generator` if there is one, else from a stream
        of its own that starts from the `seed`, or from a number that the thread's stream gives. `progress`: a bar, by
        tqdm. `callback(epoch, losses)` after each epoch, with the losses of its steps: for validation, schedules and
        early stopping, which it asks for by returning True or raising StopIteration. **Returns** the loss of every
        step, the step's first result, as a float64 array of shape (steps,). **Raises** ValueError for data of different
        lengths, TypeError for a step that returns no loss and for both a `seed` and a `generator`, KeyboardInterrupt on
        Ctrl-C, between two steps.

        >>> import pyautograd as pa
        >>> model = pa.nn.Linear(1, 1)
        >>> optimizer = pa.optim.SGD(model.parameters(), lr=0.1)
        >>> @pa.compile
        ... def step(x, y):
        ...     optimizer.zero_grad()
        ...     loss = ((model(x) - y) ** 2).mean()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> x = pa.linspace(-1, 1, 64).reshape(64, 1)
        >>> losses = step.run(x, 3 * x + 1, batch_size=16, epochs=50, seed=0)
        >>> losses.shape, bool(losses[-1] < 1e-3)
        ((200,), True)
        """
        from pyautograd._run import Run

        return Run(self, data, batch_size, shuffle, seed, generator, drop_last).train(epochs, progress, callback)

    @named
    def draw(self, program: Program | None = None, format: str = "svg", rankdir: str = "TB") -> Any:
        """Draws the instructions of a program, of the one used last unless another is given.

        Returns a `graphviz.Digraph`, or a `DotText` where that package is not installed, as `draw_dot` does. **Raises**
        RuntimeError where nothing has been compiled yet.
        """
        if program is None:
            if not self._programs:
                raise RuntimeError(f"draw: {self._name} has no program yet; it has one after two calls")
            program = self._programs[0]
        try:
            from graphviz import Digraph
        except ImportError:
            from pyautograd._draw import DotText

            dot: Any = DotText(rankdir)
        else:
            dot = Digraph(name=self._name, format=format, graph_attr={"rankdir": rankdir})
        _fill(dot, program)
        return dot


def _outline(structure: Any) -> str:
    """A result's structure in words."""
    if structure is _LEAF:
        return "a tensor"
    kind, members = structure
    if kind is _Constant:
        return str(members)
    parts = [f"{name!r}: {_outline(each)}" for name, each in members] if kind is dict else map(_outline, members)
    return f"{kind.__name__}({', '.join(parts)})"


def _leaf_names(structure: Any, name: str) -> list[str]:
    if structure is _LEAF:
        return [name]
    kind, members = structure
    if kind is _Constant:
        return []
    pairs = members if kind is dict else enumerate(members)
    return [leaf for key, member in pairs for leaf in _leaf_names(member, f"{name}[{key!r}]")]


def _advice(described: Any) -> str:
    if isinstance(described, _Described):
        if described.shape:
            return f"whose shape is part of the signature (now {described.shape}): pad it to few shapes"
        return f"which is part of the signature ({described})"
    value = described.value
    if isinstance(value, (bool, str)) or value is None:
        return f"a {type(value).__name__}, which is part of the signature (now {value!r})"
    if isinstance(value, int):
        return f"an int, which is part of the signature (now {value}): make it a float or a tensor"
    return f"a {type(value).__name__}, which is part of the signature by identity: pass the same object, or tensors"


def _fill(dot: Any, program: Program) -> None:
    """One box an instruction; an arrow where one reads what another has written, or, in scalar code, to the next."""
    found = program.describe()
    texts = found["instructions"]
    for index, text in enumerate(texts):
        dot.node(name=f"i{index}", label=text.strip().replace('"', "'"), shape="box")
    for before, after in sorted(set(found.get("edges", pairwise(range(len(texts)))))):
        dot.edge(f"i{before}", f"i{after}")


@overload
def compile(fn: Callable[..., Any], *, passes: dict[str, bool] | None = None) -> CompiledStep: ...
@overload
def compile(
    fn: None = None, *, passes: dict[str, bool] | None = None
) -> Callable[[Callable[..., Any]], CompiledStep]: ...
def compile(fn: Callable[..., Any] | None = None, *, passes: dict[str, bool] | None = None) -> Any:
    """A step (forward, backward, update) recorded as it runs and from the third call on replayed in C.

    **Arguments:** `fn`: a function of tensors, Values, arrays, floats and anything else; a model, for inference under
    `no_grad`; as a decorator also `@compile(passes=...)`. `passes`: passes of the compiler to leave out, such as
    `{"fuse": False}`. **Returns** a `CompiledStep`, called as the function is. Its results have no history.

    A program serves the calls with the same shapes, dtypes, ints, bools and strings; floats may change. Tensors that
    the function reads otherwise are used as they are at each call; numbers that it reads otherwise are watched, and a
    change of them records anew. What a recording cannot hold raises `TraceError`, which says where: a branch on a
    number computed in the step, `.item()`, printing, a counter in Python.

    >>> import pyautograd as pa
    >>> w = pa.tensor([1.0, 2.0], requires_grad=True)
    >>> @pa.compile
    ... def step(x, lr):
    ...     w.grad = None
    ...     loss = ((w * x) ** 2).sum()
    ...     loss.backward()
    ...     w.data -= lr * w.grad
    ...     return loss
    >>> x = pa.ones(2)
    >>> [round(step(x, 0.25).item(), 4) for _ in range(4)]
    [5.0, 1.25, 0.3125, 0.0781]
    """
    if fn is None:
        return functools.partial(compile, passes=passes)
    return CompiledStep(fn, passes)
