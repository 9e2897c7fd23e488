"""`compile`: a training step recorded once and replayed in C.

    step(x, y) ── last program fits? ──▶ replay
                      │ no
                      ├─ another program of this step fits ──▶ replay
                      └─ none: run the function, recorded ──┬─ first time of its kind: keep the recording
                                                            └─ second: the same log? ──▶ a new program, else TraceError

A program fits a call with its signature (_signature.py) while its guards hold: what the function reads besides its
arguments is as it was (_guards.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Never, TypedDict, TypeVar, Unpack, overload

import numpy as np

from pyautograd import _core
from pyautograd._arguments import did_you_mean, named
from pyautograd._batch import may_free, without_rows
from pyautograd._core import TraceError, is_recording
from pyautograd._draw import draw_program
from pyautograd._generator import Generator
from pyautograd._guards import StepGuards
from pyautograd._program import Program
from pyautograd._recompiles import Recompiles
from pyautograd._recording import Recorded, record, run_eagerly
from pyautograd._run import Run
from pyautograd._signature import Call, take_apart
from pyautograd._step import Step
from pyautograd._tracebacks import shorten
from pyautograd.nn._compiled import compile_module
from pyautograd.nn._module import Module

if TYPE_CHECKING:
    from pyautograd._callbacks import Callback

__all__ = ["CompiledStep", "compile"]

M = TypeVar("M", bound=Module)
R = TypeVar("R")

MAX_PROGRAMS = 64  # of one step; the one that was not used for longest goes
MAX_ALIKE = 4  # with the same signature and guards: only what they are bound to differs
MAX_RECORDED = 8  # recordings of one signature that wait for a call that does the same


def _never(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A program that fits no call."""
    return NotImplemented


class CompiledStep(Step, Generic[R]):
    """What `compile` returns: called as the function is, it replays a program where one fits.

    `programs` lists them, `run` trains on whole arrays, `draw` pictures the instructions, `clear` forgets them.
    **Raises** TypeError for what is no function; when called, what the function raises, and TraceError where it cannot
    be recorded.

    >>> import pyautograd as pa
    >>> square = pa.compile(lambda x: x * x)
    >>> [square(pa.tensor([3.0])).item() for _ in range(3)], len(square.programs)
    ([9.0, 9.0, 9.0], 1)
    """

    def __init__(
        self,
        function: Callable[..., Any],
        passes: dict[str, bool] | None = None,
        owner: Any = None,
        dynamic_batch: bool = False,
    ) -> None:
        super().__init__(function, owner)
        self._fast: Callable[[tuple[Any, ...], dict[str, Any]], Any] = _never
        self._passes = dict(passes or {})
        self._dynamic_batch = dynamic_batch
        self._turn = _core.turn()
        self.clear()
        self._internals = frozenset({*vars(self), "_internals"})  # which no function reads

    def _options(self) -> dict[str, Any]:
        return {"passes": self._passes, "dynamic_batch": self._dynamic_batch}

    def clear(self) -> None:
        """Forgets all programs and recordings.

        >>> import pyautograd as pa
        >>> square = pa.compile(lambda x: x * x)
        >>> for _ in range(3):
        ...     y = square(pa.tensor([3.0]))
        >>> square.clear()
        >>> square.programs
        []
        """
        self._fast = _never
        self._programs: tuple[Program, ...] = ()
        self._recorded: dict[Any, list[Recorded]] = {}
        self._recompiles = Recompiles(self._name)
        self._begun: set[Any] = set()
        self._appended: frozenset[str] = frozenset()  # names of lists that the function only appends to
        self._number_places: set[str] = set()  # into which it has put results
        self._walked: StepGuards | None = None  # by the last walk, until a program takes them

    @property
    def programs(self) -> list[Program]:
        """The programs compiled so far, one a signature, the one used last in front."""
        return list(self._programs)

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        found: R = self._fast(args, kwargs)
        if found is not NotImplemented and found is not ...:
            return found
        try:
            result: R = self._call(args, kwargs)[0]
        except BaseException as error:
            shorten(error)
            raise
        return result

    def __repr__(self) -> str:
        lines = [f"compiled {self._name}: {len(self._programs)} program{'s' * (len(self._programs) != 1)}"]
        return "\n".join([*lines, *(repr(program) for program in self._programs)])

    def _call(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], others_follow: bool = False
    ) -> tuple[Any, Program | None]:
        """The result, and the program that gave it if it was one. `others_follow`: the next call has other rows."""
        if is_recording():  # part of another step
            with Call(args, kwargs).with_tensors() as (args, kwargs):
                return self._function(*args, **kwargs), None
        found, program = self._replay(args, kwargs)
        if program is not None:
            return found, program
        with self._turn as is_first:
            if is_first:
                found, program = self._replay(args, kwargs)  # another thread may have compiled it meanwhile
                return (self._record(args, kwargs, others_follow), None) if program is None else (found, program)
        return run_eagerly(self._function, Call(args, kwargs)), None  # while another thread records the step

    def _replay(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Program | None]:
        """What the first program that fits the call gives, and that program; None where there is none."""
        for program in self._programs:
            found = program.call(args, kwargs)
            if found is NotImplemented:
                continue
            if found is ... and program.refresh() == (None, True):
                found = program.call(args, kwargs)
            if found is not ... and found is not NotImplemented:
                self._use(program)
                return found, program
            if program.is_dead:
                self._drop([program])
        return NotImplemented, None

    def _drop(self, gone: list[Program]) -> None:
        """Forgets some programs."""
        self._fast = _never
        self._programs = tuple(each for each in self._programs if not any(each is other for other in gone))

    def _use(self, program: Program) -> None:
        """Puts a program in front."""
        if self._programs[:1] != (program,):
            self._programs = (program, *[each for each in self._programs if each is not program])[:MAX_PROGRAMS]
        self._fast = program._program.call if program.is_quick else _never

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any], others_follow: bool) -> Any:
        """The result of a recorded call, which makes a program where one before has done the same."""
        is_method = self._owner() is not None
        call = take_apart(self.__wrapped__, args, kwargs, is_method, self._appended)
        guards = self._guards(call.objects)
        guards.begin()
        if guards.appended != self._appended:
            self._appended = guards.appended
            call = take_apart(self.__wrapped__, args, kwargs, is_method, self._appended)
        signature = without_rows(call.signature) if self._dynamic_batch else call.signature
        key = call.kind, signature, guards.given_too(call)
        earlier = self._recorded.setdefault(key, [])
        while len(self._recorded) > MAX_PROGRAMS:
            del self._recorded[next(iter(self._recorded))]
        valid = [each for each in reversed(earlier) if each.is_for(call) and each.guards.broken() is None]
        alike = self._alike(valid, call.signature)
        if others_follow and self._dynamic_batch and any(each.signature == call.signature for each in alike):
            return run_eagerly(self._function, call)  # a program for these rows alone would be dropped by the next call
        if not alike:
            if (place := self._what_changed(key, earlier)) is not None:
                self._recompiles.count_change(place)
            seen = {call.leaf_names[slot] for each in earlier for slot in each.seen}
            seen.update(*[program.seen for program in self._programs if program.key == key])
            self._recompiles.count_signature(call, seen)
        result, recorded, problem = record(self._function, call, guards, alike[0] if alike else None)
        self._recompiles.tell_in_vain(recorded.in_vain)
        if problem is not None:
            if key not in self._begun:  # the first call may set things up that later ones only read
                self._begun = {key, *list(self._begun)[:MAX_PROGRAMS]}
                return result
            raise TraceError(f"{self._name}: {problem}")
        if not recorded.numbers <= self._number_places:  # in the next recording they are inputs
            self._number_places |= recorded.numbers
            self._walked = None
            return result
        alike = [each for each in alike if recorded.stands_for(each)]
        differences = [each.difference(recorded) for each in alike]
        if None in differences:
            self._compile(key, call, recorded, alike[differences.index(None)])
            return result
        for each, difference in zip(alike, differences):
            if each.log.same_gradients(recorded.log):  # else it may have had to do something else
                earlier.remove(each)
                with_what = "the same signature" if each.signature == recorded.signature else "other numbers of rows"
                raise TraceError(f"{self._name}: two calls with {with_what} {difference}")
        earlier.append(recorded)
        del earlier[:-MAX_RECORDED]
        return result

    def _guards(self, objects: Sequence[tuple[Any, str]] = ()) -> StepGuards:
        """Guards over what the function reads, `objects` among its arguments too: the last walk's while all of it is as
        it was then."""
        if objects:
            return StepGuards(self.__wrapped__, self._owner(), objects, self._number_places)
        found = self._walked
        if found is None or found.rows.check() >= 0:
            found = self._walked = StepGuards(self.__wrapped__, self._owner(), (), self._number_places)
        return found

    def _alike(self, recorded: list[Recorded], signature: tuple[Any, ...]) -> list[Recorded]:
        """The recordings that a call of a signature should repeat, those with another number of rows first."""
        others = [each for each in recorded if may_free(each.signature, signature)]
        return others + [each for each in recorded if each.signature == signature]

    def _what_changed(self, key: Any, earlier: list[Recorded]) -> str | None:
        """What is no longer as it was at an earlier call with the same signature."""
        place = earlier[-1].guards.broken() if earlier else None
        for program in self._programs:
            if place is None and program.key == key:
                place = program.refresh()[0]
        return place

    def _compile(self, key: Any, call: Call, recorded: Recorded, before: Recorded) -> None:
        """A program of what was recorded twice: for any number of rows where that was another one. Few are kept that
        differ only in the tensors that they are bound to.
        """
        earlier = self._recorded[key]
        earlier.remove(before)
        disabled = tuple(name for name, wanted in self._passes.items() if not wanted)
        other = before if before.signature != recorded.signature else None
        if recorded.obstacle is not None:
            raise TraceError(f"{self._name}: {recorded.obstacle}")
        self._walked = None
        try:
            program = Program(self._name, key, call, recorded, disabled, other)
        except NotImplementedError as error:
            raise TraceError(f"{self._name}: {error}") from None
        alike = [
            each
            for each in self._programs
            if each.key == key and each.seen == program.seen and each.refresh()[0] is None
        ]
        if other is not None:
            self._drop([each for each in alike if not each.has_free_rows and recorded.stands_for(each)])
            earlier[:] = [each for each in earlier if not recorded.stands_for(each)]
        elif self._dynamic_batch:  # until another number of rows comes
            earlier.append(recorded)
        self._drop([each for each in alike if each.signature == program.signature][MAX_ALIKE - 1 :])
        self._use(program)

    def run(
        self,
        *data: Any,
        batch_size: int | None = None,
        epochs: int = 1,
        shuffle: bool | None = None,
        seed: int | None = None,
        drop_last: bool = False,
        progress: bool = False,
        callback: Any = None,
        validation: Callback | None = None,
        generator: Generator | None = None,
        **unknown: Never,
    ) -> np.ndarray[Any, Any]:
        """Calls the step on batches of the data, epoch after epoch; from the third batch on an epoch is one call of C.

        **Arguments:** `data`: tensors, arrays, data frames or series with as many rows as each other, one for each
        argument of the step; float64 arrays become float32 where the step refuses float64. Or a DataLoader, which then
        says batch size, order and generator. `batch_size`: rows a step; the last batch of an epoch may be smaller, and
        is left out with `drop_last`. `shuffle`: rows in a new random order each epoch, unless False. It is drawn where
        the epoch begins: from the `generator` if there is one, else from the stream that the step draws from. That is
        the thread's, or with a `seed` one of the run's own, which leaves the thread's as it was and to the callback.
        `progress`: a bar, by tqdm, with the loss and what is logged. `callback(epoch, losses)` after each epoch, with
        the losses of its steps: a function, which asks to stop by returning True or raising StopIteration, a schedule,
        one of `pyautograd.callbacks`, or a list of these. `validation`: a `callbacks.Validation`. **Returns** the loss
        of every step, the step's first result, as a float64 array of shape (steps,). **Raises** ValueError for data of
        different lengths, TypeError for a step that returns no loss, for data that are no numbers, for both a `seed`
        and a `generator`, and for a DataLoader whose batches are others than `run`'s, KeyboardInterrupt on Ctrl-C,
        between two steps.

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
        for name in unknown:
            raise TypeError(f"run: no argument {name!r}{did_you_mean(name, CompiledStep.run.__kwdefaults__ or ())}")
        try:
            training = Run(self, data, batch_size, shuffle, seed, generator, drop_last)
            return training.train(epochs, progress, callback, validation)
        except BaseException as error:
            shorten(error)
            raise

    @named
    def draw(self, program: Program | None = None, format: str = "svg", rankdir: str = "TB") -> Any:
        """Draws the instructions of a program, of the one used last unless another is given.

        **Returns** a `graphviz.Digraph`, or a `DotText` where that package is not installed, as `draw_dot` does.
        **Raises** RuntimeError where nothing has been compiled yet.

        >>> import pyautograd as pa
        >>> square = pa.compile(lambda x: x * x)
        >>> for _ in range(3):
        ...     y = square(pa.tensor([3.0]))
        >>> "digraph" in square.draw().source
        True
        """
        if program is None:
            if not self._programs:
                raise RuntimeError(f"draw: {self._name} has no program yet; it has one after two calls")
            program = self._programs[0]
        return draw_program(program.describe(), self._name, format, rankdir)


class PlainStep(CompiledStep[R]):
    """A step that is called as it stands, with what a program would be given."""

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], *_: Any) -> tuple[Any, Program | None]:
        return run_eagerly(self._function, Call(args, kwargs)), None


class _Options(TypedDict, total=False):
    passes: dict[str, bool] | None
    dynamic_batch: bool
    fullgraph: bool
    dynamic: bool | None
    backend: Any
    mode: str | None
    options: Any
    disable: bool


@overload
def compile(fn: M, **options: Unpack[_Options]) -> M: ...  # type: ignore[overload-overlap]
@overload
def compile(fn: Callable[..., R], **options: Unpack[_Options]) -> CompiledStep[R]: ...
@overload
def compile(fn: None = None, **options: Unpack[_Options]) -> Callable[[Callable[..., R]], CompiledStep[R]]: ...
def compile(
    fn: Callable[..., Any] | None = None,
    *,
    passes: dict[str, bool] | None = None,
    dynamic_batch: bool = False,
    fullgraph: bool = True,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: Any = None,
    disable: bool = False,
) -> Any:
    """A step (forward, backward, update) recorded as it runs and from the third call on replayed in C.

    **Arguments:** `fn`: a function of tensors, Values, arrays, floats and anything else; or a module; as a decorator
    also `@compile(passes=...)`. `passes`: passes of the compiler to leave out, such as `{"fuse": False}`.
    `dynamic_batch`: the first axes of arguments are a batch, and once two numbers of rows have been recorded one
    program serves any. `disable`: run the function line by line at each call, in `run` too, as a debugger wants it. Of
    PyTorch's other arguments none changes anything: a step is always one graph. **Returns** a `CompiledStep`, called as
    the function is, or for a module the same module with calls that are compiled. A call is one op of its caller's
    graph: gradients go through it, and results have a history where the function's own would have one that is still
    there.

    A program serves the calls with the same shapes, dtypes, ints, bools and strings; floats may change. Tensors that
    the function reads otherwise are used as they are at each call; numbers that it reads otherwise are guarded, and a
    change of them records anew. A call **raises** TraceError for what a recording cannot hold, and says where: a branch
    on a number computed in the step, printing, a counter in Python.

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
        return functools.partial(compile, passes=passes, dynamic_batch=dynamic_batch, disable=disable)
    if disable:
        return fn if isinstance(fn, Module) else PlainStep(fn)
    if isinstance(fn, Module):
        return compile_module(fn, {"passes": passes, "dynamic_batch": dynamic_batch}, CompiledStep)
    return CompiledStep(fn, passes, dynamic_batch=dynamic_batch)
