"""A program: a step compiled for one signature, its guards, and the optimisers' updates that it makes."""

from __future__ import annotations

from typing import Any

from pyautograd import _core
from pyautograd._batch import with_free_rows
from pyautograd._c import ffi
from pyautograd._core import TraceError
from pyautograd._puts import INTO_GUARDED, Put
from pyautograd._recording import Recorded
from pyautograd._signature import NUMBER, Call
from pyautograd._structure import LEAF, Constant, Inner, all_held, first_member, rebuild
from pyautograd._tensor import Tensor


class Program:
    """A step compiled for one signature. `describe()` is a dict of what it consists of; the repr shows it."""

    def __init__(
        self,
        name: str,
        key: Any,
        call: Call,
        recorded: Recorded,
        disabled: tuple[str, ...],
        other: Recorded | None = None,
    ) -> None:
        self.name = name
        self.key = key
        self.has_free_rows = other is not None  # and serves any number of them
        self.signature = call.signature if other is None else with_free_rows(other.signature, call.signature)
        self.seen = {call.leaf_names[slot]: number for slot, number in recorded.seen.items()}
        self._names = call.names
        self._appended = call.lists_appended_to
        self._results, self._given = recorded.results, recorded.given
        self._puts, self._passing = recorded.puts, recorded.passing
        self._updates = recorded.updates
        self._guards = recorded.guards
        self._states = [update.plan.names for update in recorded.updates]
        self._groups = [len(update.optimizer.param_groups) for update in recorded.updates]
        self._waiting = [list(update.plan.waiting) for update in recorded.updates]
        self.given: Any = None  # the dtypes of the data of the last training that it has made steps of
        self.is_dead = False  # its updates are bound to an optimiser's state that was replaced
        self._program = _core.Program(recorded.log, disabled, None if other is None else other.log)
        if recorded.log.updates != len(recorded.updates):
            raise TraceError(f"{name}: an optimiser was stepped by something else than its step()")
        if recorded.bounds is not None and other is not None:
            self._program.set_rows(recorded.bounds.least, recorded.bounds.greatest)
        for k, update in enumerate(self._updates):
            self._set_update(k, update.plan)
        self._guards.arm()
        self._program.set_guards(self._guards.rows)
        self._set_arguments(call, recorded.seen)
        self._set_results()

    def _set_arguments(self, call: Call, seen: dict[int, float]) -> None:
        """What a call brings: arguments, and what stands in places."""
        shared, themselves = self._guards.share(call.leaves)
        what = themselves | seen
        self._program.set_arguments(
            tuple([row._replace(what=what.get(row.slot)) if row.kind <= NUMBER else row for row in call.rows])
        )
        self._program.set_shared(shared)
        if self._puts and call.containers:
            into = {put.container for put in self._puts}  # such a one is changed in two ways at once: it never fits
            self._program.set_known(
                tuple(
                    None if self._guards.place_of(each) is None else ... if k in into else each
                    for k, each in enumerate(call.containers)
                )
            )
        self._program.set_number_places(self._guards.number_places())

    def _set_results(self) -> None:
        """What a call gives: results to the caller, puts into places; by C where they are plain tensors and numbers."""
        results, given, puts = self._results, self._given, self._puts
        self._held = all_held(results)
        self._puts_in_c = in_c = all(put.is_leaf for put in puts)
        self._is_direct = in_c and _is_direct(results)
        every = {*given, *(i for put in puts for i in put.results)}
        self._program.set_given(given if in_c else tuple(sorted(every)))
        self._program.set_puts(tuple([put.row() for put in puts]) if in_c else ())
        self._fails_in_c = in_c and not self._passing
        stored = {i for put in [*puts, *self._passing] for i in put.results}
        self._program.set_state(tuple(stored), not in_c, not self._fails_in_c)
        self._obstacle = None  # to a run
        if first_member(results) is not LEAF:
            self._obstacle = "the step's first result is not what it has computed"
        elif not in_c and any(put.container != INTO_GUARDED for put in puts):
            self._obstacle = "the step appends containers to lists, or writes into its arguments"
        elif not all(_is_tuple(put.structure) for put in puts):
            self._obstacle = "the step puts new lists or dicts into places"
        self.is_quick = self._is_direct and self._fails_in_c and not self._guards.has_tensor_options

    def _set_update(self, k: int, plan: Any) -> None:
        addresses = (int(ffi.cast("intptr_t", each)) for each in (plan.params, plan.state, plan.steps, plan.hyper))
        self._program.set_update(k, plan, *addresses)

    def refresh(self) -> tuple[str | None, bool]:
        """Brings updates up to date with optimisers. What keeps it from running, and whether it did anything."""
        broken, refreshed = self._guards.refresh(self._program.exchange)
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
                except RuntimeError:  # another thread is running it, with the plan that it has
                    return f"the state of {name}"
                self._updates[k] = update._replace(plan=plan)
        return None

    def note_data(self, given: Any) -> None:
        """It has made steps of a training on data of these dtypes, which may be others than it has them in."""
        self.given, self._dtypes = given, self._dtypes_read()

    def takes_data(self, given: Any) -> bool:
        """Would it make steps of a training on such data, as it has before?"""
        return given == self.given and self._dtypes_read() == self._dtypes and self.refresh()[0] is None

    def _dtypes_read(self) -> list[Any]:
        return [node.dtype for node in self._guards.changeable[0] if isinstance(node, Tensor)]

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The results; NotImplemented for other arguments, Ellipsis where something else has changed."""
        if self._guards.has_tensor_options:
            self._guards.prepare()
        try:
            found = self._program.call(args, kwargs)
        except BaseException:
            if not self._fails_in_c:
                self._put_before_failure(Call(args, kwargs, *self._appended).containers)
            raise
        if found is NotImplemented or found is ... or self._is_direct:
            return found
        outputs = list(found) if isinstance(found, tuple) else [found]
        if self._puts_in_c and not self._held:
            return rebuild(self._results, iter(outputs))
        containers = Call(args, kwargs, *self._appended).containers
        for put in () if self._puts_in_c else self._puts:
            self._put(put, outputs, containers)
        for held in self._held:
            where = held.key[1]
            held.value = containers[where] if isinstance(where, int) else self._guards.held_at(where)
        result = rebuild(self._results, iter(outputs if self._puts_in_c else [outputs[i] for i in self._given]))
        for held in self._held:
            held.value = None
        return result

    def _put_before_failure(self, containers: list[Any]) -> None:
        """Puts what a step had put that has failed on its way, if one has."""
        failed = self._program.take_failed()
        if failed is None:
            return
        entry, made = failed
        for put in [*self._puts, *self._passing]:
            if put.since <= entry <= put.until:
                self._put(put, list(made), containers)
        if self._passing:  # it stands on what it leaves at its end
            self.is_dead = True
            self._program.retire()

    def _put(self, put: Put, outputs: list[Any], containers: list[Any]) -> None:
        """Puts something that is more than one tensor, as C does with that: what stood there is what now does."""
        before = self._guards.rows.value(put.guard) if put.guard >= 0 else None
        put.do(outputs, self._guards.rows, containers)
        if put.guard >= 0 and not self._guards.adopt_put(put, before, self._program.exchange):
            self.is_dead = True
            self._program.retire()

    def run(self, *arguments: Any) -> Any:
        """The steps made, or NotImplemented."""
        if self._guards.has_tensor_options:
            self._guards.prepare()
        if self._obstacle is not None:
            return NotImplemented
        try:
            return self._program.run(*arguments)
        finally:
            outputs = self._program.take_left()
            if outputs is not None:
                for put in self._puts:
                    self._put(put, list(outputs), [])
            self._put_before_failure([])

    @property
    def steps_done(self) -> int:
        """How many steps the last `run` made, also where it was interrupted."""
        return int(self._program.steps_done)

    def describe(self) -> dict[str, Any]:
        """What it consists of: "kind", "ops", "instructions", "fused", "flops", "arena_bytes" (as planned),
        "tensor_bytes" (without reuse), "scratch_bytes" (of products, and what ops keep for their backward), "run"
        (whether that makes its steps in C, or why not).
        """
        found = dict(self._program.describe())
        return found if self._obstacle is None else found | {"run": f"call by call: {self._obstacle}"}

    def __repr__(self) -> str:
        found = self.describe()
        arguments = ", ".join(
            f"{name}: {'float' if each is float else each}" for name, each in zip(self._names, self.signature)
        )
        lines = [f"program {self.name}({arguments})"]
        rows = {
            "kind": found.get("kind"),
            "ops": found.get("ops"),
            "instructions": len(found["instructions"]),
            "fused groups": found.get("fused"),
            "arena": f"{found.get('arena_bytes', 0):,} bytes; all tensors: {found.get('tensor_bytes', 0):,} bytes",
            "flops a step": f"{found.get('flops', 0):,.0f}",
            "run": None if found["run"] == "in C" else found["run"],
        }
        lines += [f"  {name:<13} {value}" for name, value in rows.items() if value is not None]
        return "\n".join(lines)


def _is_tuple(structure: Any) -> bool:
    """Is it a leaf, a constant, or tuples of these, in which a tensor's place is known by where it stands in them?"""
    if not isinstance(structure, Inner):
        return True
    return issubclass(structure.kind, tuple) and all(map(_is_tuple, structure.members))


def _is_direct(structure: Any) -> bool:
    """Does a program's own result need no rebuilding: none, one tensor, or a plain tuple of several?"""
    if structure is LEAF or structure == Constant(None):
        return True
    return (
        isinstance(structure, Inner)
        and structure.kind is tuple
        and len(structure.members) > 1
        and all(member is LEAF for member in structure.members)
    )
