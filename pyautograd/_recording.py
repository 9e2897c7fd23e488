"""One recorded call of a step: what it did, returned, read and put, and whether a second call did the same."""

from __future__ import annotations

import gc
import sys
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pyautograd import _core, _updates
from pyautograd._batch import rows_of
from pyautograd._core import Node, TraceError, is_traced_scalar
from pyautograd._guards import StepGuards
from pyautograd._puts import Outputs, Put, Sights
from pyautograd._rows import Bounds
from pyautograd._signature import NUMBER, Call
from pyautograd._structure import Constant, all_held, outline, rebuild
from pyautograd._tensor import Tensor
from pyautograd._value import Value


class Recorded(NamedTuple):
    """What is known of one recorded call."""

    log: _core.Recording
    results: Any  # their structure
    given: tuple[int, ...]  # the outputs that are the leaves of the results
    puts: list[Put]
    passing: list[Put]  # what it has put into places and then replaced
    updates: list[_updates.Update]
    guards: StepGuards
    numbers: frozenset[str]  # the places into which it has put a number
    seen: dict[int, float]  # float arguments whose number Python was given, by their slot
    obstacle: str | None  # what keeps a program from being made
    signature: tuple[Any, ...]
    bounds: Bounds | None  # of one made beside another with another number of rows
    in_vain: str | None  # the optimiser that had nothing to apply, and the parameters that none applies

    def stands_for(self, other: Any) -> bool:
        """Whether what is known of the number of rows says that a call as another recording's, or program's, does the
        same."""
        rows = rows_of(other.signature, self.signature)
        return other.signature == self.signature or (
            rows is not None and self.bounds is not None and rows[0] in self.bounds
        )

    def difference(self, other: Recorded) -> str | None:
        """What two calls with the same signature did differently, as the end of a sentence about them."""
        if (self.results, self.given) != (other.results, other.given):
            return f"returned different things: {outline(self.results)} and {outline(other.results)}"
        if self.puts != other.puts:
            mine, theirs = ({put.place: outline(put.structure) for put in each} for each in (self.puts, other.puts))
            places = [place for place in mine | theirs if mine.get(place) != theirs.get(place)]
            return f"put different things into {', '.join(places) or 'places'}"
        found = self.log.difference(other.log)
        return None if found is None else f"did not do the same: {found}"

    def is_for(self, call: Call) -> bool:
        """Has a call the numbers that this one has seen?"""
        return all(Constant(call.leaves[slot]) == Constant(number) for slot, number in self.seen.items())


def run_eagerly(function: Callable[..., Any], call: Call) -> Any:
    """What a function returns for the arguments of a program."""
    with call.with_tensors() as (args, kwargs):
        return function(*args, **kwargs)


def record(
    function: Callable[..., Any], call: Call, guards: StepGuards, beside: Recorded | None = None
) -> tuple[Any, Recorded, str | None]:
    """The result of a call, what was recorded, and what a program could not repeat."""
    outputs, bounds = Outputs(), None
    puts: list[Put] = []
    gradients = _updates.Gradients(*guards.changeable)
    with _core.recorded():
        try:
            updates = _updates.start(gradients)
            with call.stand_ins(_inputs(call)) as (args, kwargs), guards.stand_ins():
                if beside is not None and (rows := rows_of(beside.signature, call.signature)) is not None:
                    bounds = Bounds(rows[1])
                    sizes = bounds.make
                    _core.record_beside(beside.log, sizes)
                call.begin()
                sights = Sights()

                def watch(entry: int, sights: Any = sights) -> None:
                    so_far = Outputs()
                    sights.note(entry, _stored(guards, call, so_far)[0], so_far)

                _core.record_watch(watch)
                try:
                    returned = _called(function, args, kwargs, call)
                    results, given = outputs.take(returned, guards.held() | call.held())
                finally:  # also where the step raises: what it has stored stays
                    puts, problem = _stored(guards, call, outputs)
                    puts = sights.dated(puts, outputs)
            in_vain = gradients.in_vain()
            passing = sights.passing(puts, outputs)
            log = _core.record_stop(tuple(outputs.leaves))
        except BaseException:
            with _core.paused():
                _store_numbers(outputs, puts, guards, call)
            _core.record_hand_out(tuple(outputs.leaves))
            raise
        finally:
            _updates.stop()
    del args, kwargs, returned, gradients  # so that what the step alone should hold dies before leaks are looked for
    problem = problem or _leak(log, outputs, puts)
    _core.record_hand_out(tuple(outputs.leaves))
    obstacle = guards.set_places(log, puts)
    result = rebuild(results, iter(_settle(log, outputs, given, puts, guards, call)))
    for held in all_held(results):
        held.value = None  # the caller's, until a program gives it again
    problem = problem or _handed_on(log, call) or _read_too_soon(log, puts, guards, call)
    seen, kinds = {}, {row.slot: row.kind for row in call.rows}
    for slot in log.seen:
        if kinds.get(slot) != NUMBER:
            name = call.leaf_names[slot] if slot < len(call.leaves) else "a number that it keeps"
            problem = problem or f"the step decides on {name}: a program has no numbers to decide on; use where()"
        else:
            seen[slot] = call.leaves[slot]
    numbers = frozenset(
        put.place for put in puts if put.is_leaf and put.guard >= 0 and is_traced_scalar(outputs.leaves[put.results[0]])
    )
    return (
        result,
        Recorded(
            log,
            results,
            given,
            puts,
            passing,
            updates,
            guards,
            numbers,
            seen,
            obstacle,
            call.signature,
            bounds,
            in_vain and _in_vain(guards, *in_vain),
        ),
        problem,
    )


def _in_vain(guards: StepGuards, optimizer: Any, leaves: list[Any]) -> str:
    names = [guards.name_of(leaf) for leaf in leaves]
    kind, some = type(optimizer).__name__, ", ".join(names[:2]) + ", ..." * (len(names) > 2)
    return (
        f"{kind}.step() has no gradient to apply, and backward() fills those of {some}, which no optimizer of the step "
        f"has: run the cell again that makes the optimizer, {kind}(model.parameters()), of the model as it is now"
    )


_OF_ARRAYS = {  # what ndarrays have and Tensors have not, and what to write
    "astype": "x.to(dtype)", "copy": "x.clone()", "fill": "x.fill_(number)", "nbytes": "x.numel() * x.element_size()",
}  # fmt: skip


def _called(function: Callable[..., Any], args: Any, kwargs: Any, call: Call) -> Any:
    """What the function returns; TraceError where it uses an array as the ndarray that it was before the call."""
    try:
        return function(*args, **kwargs)
    except AttributeError as error:
        name = str(error.name)
        if is_traced_scalar(error.obj) and hasattr(float, name):
            raise TraceError(
                f".{name} of a number that a program has as a tensor: of a float argument write float(x).{name}, which "
                "makes a program for each, or do it outside of the step"
            ) from error
        if not call.arrays or not isinstance(error.obj, Tensor) or not hasattr(np.ndarray, name):
            raise
        raise TraceError(
            f".{name} of an ndarray that a compiled step is given: it arrives as a Tensor, which has no {name}; write "
            f"{_OF_ARRAYS.get(name, 'what Tensors have')}, or do it before the call"
        ) from error
    except TypeError as error:
        if not _is_of_numpy(error, bool(call.arrays)):
            raise
        raise TraceError(
            "a function of NumPy on what a compiled step is given, or has computed: an ndarray arrives as a Tensor, "
            "and numbers are known to the program alone; write the function of this package, such as "
            "pyautograd.sin(x) for np.sin(x), or do it outside of the step"
        ) from error


def _is_of_numpy(error: TypeError, has_arrays: bool) -> bool:
    """Was it raised by a function of NumPy that was given a Tensor?"""
    frame = error.__traceback__
    while has_arrays and frame is not None:
        if str(frame.tb_frame.f_globals.get("__name__")).partition(".")[0] == "numpy":
            return True
        frame = frame.tb_next
    return "__array_ufunc__" in str(error)


def _inputs(call: Call) -> list[Any]:
    """What stands for each leaf in a recorded call: tensors declared as inputs, floats as traced scalars."""
    taken = []
    arrays = call.arrays
    for slot, leaf in enumerate(call.leaves):
        if isinstance(leaf, Node):
            _core.record_input(leaf, slot in arrays)
            taken.append(leaf)
        else:
            taken.append(_core.record_number(leaf))
    return taken


def _settle(
    log: _core.Recording, outputs: Outputs, given: tuple[int, ...], puts: list[Put], guards: StepGuards, call: Call
) -> list[Any]:
    """What the caller gets of the outputs; numbers that were put become Python's."""
    numbers = _store_numbers(outputs, puts, guards, call)
    live = log.live()
    stays = {i for put in puts for i in put.results}
    found = {
        i: numbers[i] if i in stays or not isinstance(numbers[i], Node) or log.is_place(numbers[i])
        else _as_given(numbers[i], live[i])
        for i in set(given)
    }  # fmt: skip
    return [found[i] for i in given]


def _stored(guards: StepGuards, call: Call, outputs: Outputs) -> tuple[list[Put], str | None]:
    """What the step has stored so far, and what it has changed as no program would, or None."""
    puts, problem = guards.changed(outputs)
    more, other_problem = call.changed(outputs)
    return puts + more, problem or other_problem


def _store_numbers(outputs: Outputs, puts: list[Put], guards: StepGuards, call: Call) -> list[Any]:
    """The outputs with Python's numbers in the places of what stood for them, which are put into the world as well."""
    numbers = [leaf.item() if is_traced_scalar(leaf) else leaf for leaf in outputs.leaves]
    for put in puts:
        if any(numbers[i] is not outputs.leaves[i] for i in put.results):
            put.settle(numbers, guards.rows, call.containers)
    for container in guards.refused:
        is_numbered = isinstance(container, (list, deque))
        pairs = enumerate(container) if is_numbered else container.items() if isinstance(container, dict) else ()
        for key, member in list(pairs):
            if is_traced_scalar(member):
                container[key] = member.item()
    return numbers


def _handed_on(log: _core.Recording, call: Call) -> str | None:
    """A list or dict of the caller's that a host call would be given again where the caller gives another."""
    held = {id(container) for container in call.containers}
    for host in log.hosts if held else ():
        for constant in host.constants():
            if id(constant) in held:
                return (
                    f"{host.__name__} is given a {type(constant).__name__} that is an argument of the step, and "
                    "another one at the next call: give it what it wants of that"
                )
    return None


def _read_too_soon(log: _core.Recording, puts: list[Put], guards: StepGuards, call: Call) -> str | None:
    """What Python may look for in a host call where a program puts it only at the end of the step."""
    places = {id(held): put.place for put in puts for held in put.held(guards.rows, call.containers)}
    for host in log.hosts if places else ():
        for function in host.functions:
            for found in StepGuards(function).found() & places.keys():
                return (
                    f"{host.__name__} reads {places[found]}, which the step changes too, and in a program only at its "
                    f"end: give it what it wants as an argument, or leave {places[found]} to it"
                )
    return None


def _leak(log: _core.Recording, outputs: Outputs, puts: list[Put]) -> str | None:
    """What the step has put where a program would not: a tensor held by something else than the known places."""
    places = Counter(i for put in puts for i in put.results)

    def find() -> str | None:
        in_a_list = _references([object()])[0]
        counts = _references(outputs.leaves)
        known = [leaf for i, leaf in enumerate(outputs.leaves) if counts[i] <= in_a_list + places[i]]
        return log.leak(tuple(known))

    if find() is None:
        return None
    gc.collect()  # a helper that calls itself, as micrograd's build_topo does, holds what it saw in a cycle
    leak = find()
    return leak and f"{leak} is kept outside the step, where a program would not put it; return it instead"


def _references(objects: list[Any]) -> list[int]:
    return [sys.getrefcount(objects[i]) for i in range(len(objects))]


def _as_given(output: Any, is_live: bool) -> Any:
    """A result of the eager step as a program gives it: without the history that a backward has freed."""
    if is_live or output.is_leaf:
        return output
    given: Any = Value(output.data) if isinstance(output, Value) else output.detach()
    if output.grad is not None:
        given.grad = output.grad
    return given
