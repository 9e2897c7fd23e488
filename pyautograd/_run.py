"""`CompiledStep.run`: a whole training, its epochs each one call of C.

Batches of one size go through the step itself twice, recorded; then `program.run` takes all that are left, of several
epochs at once where nothing of Python's is to be done between them. The ragged last batch is among them where the
program's rows are free; else it is a program of its own:

    an order of the rows drawn │ a step takes the next batch_size │ … │ another order │ …
                               └──────────── program.run(data, batch_size, order, …) ─▶ losses

An epoch draws its order where it begins, before its first step: so the numbers drawn are those of a loop of steps.
"""

from __future__ import annotations

import inspect
import time
import warnings
from contextlib import ExitStack
from typing import Any

import numpy as np

from pyautograd import _core, _grad_mode
from pyautograd._array_like import over_memory
from pyautograd._c import check, ffi, lib, node_pointer
from pyautograd._callbacks import STEPS_A_CALL, Callback, CallbackList, asks_to_stop, epochs_ahead
from pyautograd._core import TraceError, is_recording
from pyautograd._creation import arange
from pyautograd._generator import Generator, get_rng_state, set_rng_state, state_of, stream_of, word
from pyautograd._program import Program
from pyautograd._signature import TensorSpec, plain_names
from pyautograd._snapshot import Snapshot
from pyautograd._structure import LEAF, Constant, first_member, flatten
from pyautograd._tensor import Tensor
from pyautograd._training_data import IN_A_LOOP, as_floats, is_loader, of_loader, rows_of

INSTALL = 'progress=True needs tqdm: pip install "pyautograd-core[progress]"'
SECONDS_A_CALL = 0.2  # of one call of C while a progress bar is shown


class Run:
    """The data of one training and where it stands."""

    def __init__(
        self,
        step: Any,
        data: tuple[Any, ...],
        batch_size: int | None,
        shuffle: bool | None,
        seed: int | None,
        generator: Generator | None,
        drop_last: bool,
    ) -> None:
        if is_recording():
            raise TraceError("run: a training of its own within a step that is being compiled; call the step itself")
        if is_loader(data):
            said = {
                "batch_size": batch_size,
                "shuffle": shuffle,
                "drop_last": drop_last or None,
                "generator": generator,
            }
            data, batch_size, shuffle, drop_last, generator = of_loader(data[0], said)
        if batch_size is None:
            raise TypeError("run: batch_size is missing: how many rows a step takes")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"run: batch_size is a positive int, not {batch_size!r}")
        if not data:
            raise TypeError("run: no data; give the arrays whose rows the step takes")
        names = _names(step, data)
        self._is_array = tuple(not isinstance(each, Tensor) for each in data)
        self._data = tuple(rows_of(each, name) for each, name in zip(data, names))
        self._given = tuple(each.dtype.name for each in self._data), self._is_array
        lengths = [len(each) for each in self._data]
        if len(set(lengths)) != 1:
            raise ValueError(f"run: the data have different numbers of rows: {lengths}")
        self._step = step
        self._n = lengths[0]
        self._batch = int(batch_size) if drop_last else max(1, min(int(batch_size), self._n))
        self._full, self._rest = divmod(self._n, self._batch)
        self._steps = self._full + (self._rest > 0 and not drop_last)
        if self._steps == 0:
            raise ValueError(
                f"run: no batch to run: {self._n} rows, batch_size {batch_size}" + ", drop_last" * bool(self._rest)
            )
        stream_of("run", generator)
        self._seed = seed
        self._own = _own_stream(seed, generator)
        self._generator = generator
        self._order = arange(self._n) if shuffle is None or shuffle else None
        self._programs: dict[int, Program] = {}  # by rows of a batch
        self._has_begun = False
        self.epoch, self.epochs, self.stopped = 0, 0, False
        self._losses: list[np.ndarray[Any, Any]] = []
        self._told: Any = None  # the callbacks, where they are more than a function
        self._bar: Any = None
        self._shown: dict[str, Any] = {}  # beside the bar

    @property
    def rows(self) -> np.ndarray[Any, Any]:
        """Of each step of an epoch."""
        rows = np.full(self._steps, float(self._batch))
        if self._steps > self._full:
            rows[-1] = self._rest
        return rows

    def changeable(self) -> tuple[list[Any], list[Any]]:
        """The tensors and the optimisers that the step reaches."""
        try:
            return self._step._guards().changeable  # type: ignore[no-any-return]
        except TraceError:  # which the step raises itself
            return [], []

    def made_of(self) -> dict[str, Any]:
        """What says which training this is, as text by name: all that has a part in its bits and is no state."""
        return {
            "data": ", ".join(str(tuple(each.shape)) for each in self._data),
            "batch_size": str(self._batch),
            "drop_last": str(self._steps == self._full),
            "shuffle": str(self._order is not None),
            "seed": str(self._seed),
            "generator": str(self._generator is not None),
            "callbacks": self._told.made_of(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Where the training stands after an epoch, but for what the step changes itself."""
        generator = None if self._generator is None else self._generator.get_state()
        return {
            "epoch": self.epoch,
            "stopped": self.stopped,
            "losses": np.concatenate([np.empty(0), *self._losses])[: self.epoch * self._steps],
            "streams": [get_rng_state(), generator, None if self._own == ffi.NULL else list(self._own)],
            "callbacks": self._told.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where another training that is made of the same stood."""
        self.epoch, self._losses = state["epoch"], [np.asarray(state["losses"])]
        self.stopped = self._told.load_state_dict(state["callbacks"], self.epoch) and state["stopped"]
        of_thread, of_generator, own = state["streams"]
        set_rng_state(of_thread)
        if self._generator is not None:
            self._generator.set_state(of_generator)
        if own is not None:
            self._own[0:4] = own

    def train(self, epochs: int, progress: bool, callback: Any, validation: Any = None) -> np.ndarray[Any, Any]:
        if isinstance(epochs, bool) or not isinstance(epochs, int | np.integer) or epochs < 0:
            raise ValueError(f"run: epochs is an int of 0 or more, not {epochs!r}")
        self.epochs = int(epochs)
        with ExitStack() as stack:
            is_function = callback is None or (callable(callback) and not isinstance(callback, type))
            if validation is not None and not isinstance(validation, Callback):
                write = "Validation(module, x, y, loss=...), of pyautograd.callbacks"
                raise TypeError(f"run: validation is a {type(validation).__name__}; make it a {write}")
            if validation is not None or not is_function:
                callback = self._told = CallbackList(validation, callback)
                stack.enter_context(self._told.during(self))
            if progress:
                self._bar = stack.enter_context(_bar(max(0, epochs - self.epoch) * self._steps))
            while self.epoch < epochs and not self.stopped:
                self._run_and_tell(min(self._may_run_together(), epochs - self.epoch, epochs_ahead(callback)), callback)
        return np.concatenate([np.empty(0), *self._losses])

    def _run_and_tell(self, epochs: int, callback: Any) -> None:
        """Runs so many epochs, then calls back for each; of those that an exception leaves behind for each that is
        whole."""
        losses = np.full(epochs * self._steps, np.nan)
        self._losses.append(losses)
        try:
            try:  # each swap is one call, between whose halves no interrupt comes
                lib.pa_random_stream_swap(self._own)
                self._run_epochs(losses)
            finally:
                lib.pa_random_stream_swap(self._own)
        except BaseException:
            losses = losses[: np.isnan(losses).argmax()]
            raise
        finally:
            for each in losses[: len(losses) // self._steps * self._steps].reshape(-1, self._steps):
                self.epoch += 1
                if callback is not None and asks_to_stop(callback, self.epoch - 1, each):
                    self.stopped = True

    def _may_run_together(self) -> int:
        """How many epochs are run at once at most."""
        return max(1, STEPS_A_CALL // self._steps)

    def _run_epochs(self, losses: np.ndarray[Any, Any]) -> None:
        done = self._many(0, losses)
        while done < len(losses):
            at = done % self._steps
            size = self._batch if at < self._full else self._rest
            try:
                losses[done] = self._one(at * self._batch, size)
            except ValueError as error:
                if size == 1 and at == self._full and self._batch > 1:
                    raise ValueError(f"{error}; the last batch of {self._n} rows is one: drop_last=True") from error
                raise
            self._has_made(1, losses[done], at)
            done += 1
            done += self._many(done, losses)

    def _has_made(self, steps: int, loss: float, last: int) -> None:
        """After each call of C, and after each step that is made by itself."""
        if self._bar is not None:
            self.show({"loss": loss})
            self._bar.update(steps)
        if self._told is not None and self._told.wants_batches:
            lib.pa_random_stream_swap(self._own)
            try:
                self._told.on_train_batch_end(last, float(loss))
            finally:
                lib.pa_random_stream_swap(self._own)

    def show(self, numbers: dict[str, float]) -> None:
        """Puts numbers beside the bar, where there is one, in the place of those of the same name."""
        if self._bar is not None:
            self._shown |= {name: f"{x:.4g}" for name, x in numbers.items()}
            self._bar.set_postfix(self._shown, refresh=False)

    def _one(self, start: int, size: int) -> float:
        """One step through the compiled function, recorded or replayed; the first one with floats in the place of data
        that it refuses as they are."""
        if self._has_begun:
            return self._step_on(start, size)
        given = self._data
        self._data = self._as_taken_before()
        before = self._snapshot(size)
        try:
            loss = self._step_on(start, size)
        except BaseException as error:
            refusal, taken = error, None
            if before is not None:
                before.restore()
                taken = as_floats(self._data, self._is_array, error)
            if taken is None:
                raise
        else:
            self._has_begun = True
            return loss
        self._data = taken
        try:
            return self._one(start, size)
        except TypeError as error:
            self._data = given
            if any(each.dtype.name in str(error) for each in taken if each.dtype.is_floating_point):
                raise refusal from None
            raise

    def _as_taken_before(self) -> tuple[Tensor, ...]:
        """The data in the dtypes in which a program that fits has taken such data, which the step had refused."""
        for program in self._step.programs:
            if program.takes_data(self._given):
                specs = [each for each in program.signature if isinstance(each, TensorSpec)]
                return tuple(each.to(spec.dtype) for each, spec in zip(self._data, specs))
        return self._data

    def _snapshot(self, size: int) -> Snapshot | None:
        """What to put back where the first step of the training fails; not where a program has made such steps."""
        wanted = [(each.dtype.name, (size, *each.shape[1:])) for each in self._data]
        for program in self._step.programs:
            takes = [(each.dtype, each.shape) for each in program.signature if isinstance(each, TensorSpec)]
            if program.given is not None and takes == wanted:
                return None
        try:
            nodes, optimizers = self._step._guards().changeable
        except TraceError:  # which the step raises itself
            return None
        return Snapshot(nodes, optimizers, self._generator)

    def _step_on(self, start: int, size: int) -> float:
        if start == 0 and self._order is not None:
            check(lib.pa_fill_permutation(state_of("run", self._generator), node_pointer(self._order)))
        rows = [self._batch_of(each, start, size) for each in self._data]
        args = tuple(row.numpy() if is_array else row for row, is_array in zip(rows, self._is_array))
        ragged_follows = self._steps > self._full and start + size == self._full * self._batch
        result, program = self._step._call(args, {}, ragged_follows)
        loss = _loss_of(result)
        if program is not None:
            sizes = (self._batch, self._rest) if program.has_free_rows else (size,)
            self._programs.update(dict.fromkeys(sizes, program))
            program.note_data(self._given)
        return loss

    def _batch_of(self, data: Tensor, start: int, size: int) -> Tensor:
        with _grad_mode.no_grad():
            if self._order is None:
                return data[start : start + size]
            return data[self._order[start : start + size]]

    def _many(self, done: int, losses: np.ndarray[Any, Any]) -> int:
        """As many of the steps from `done` on as the programs take, in C."""
        first, full = done, len(losses)
        one_by_one = self._told is not None and self._told.wants_batches
        chunk = full if self._bar is None and not one_by_one else 1
        while done < full:
            begun = time.perf_counter()
            made = self._try(done % self._steps, losses[done : done + chunk])
            if made == 0:
                break
            done += made
            self._has_made(made, losses[done - 1], (done - 1) % self._steps)
            if self._bar is not None and not one_by_one:
                chunk = max(1, int(chunk * min(8.0, SECONDS_A_CALL / max(time.perf_counter() - begun, 1e-9))))
        return done - first

    def _try(self, first: int, losses: np.ndarray[Any, Any]) -> int:
        """The steps that the program for such batches has made, where the epoch has `first` behind it; 0 where there is
        none, or it does not fit. One whose rows are free makes the ragged steps between the others too."""
        is_ragged = first == self._full
        program = self._programs.get(self._rest if is_ragged else self._batch)
        if program is None or program.refresh()[0] is not None or program.is_dead:
            return 0
        data, order, to = self._data, self._order, over_memory(losses)
        if is_ragged:
            start = first * self._batch
            data, order = (data, order[start:]) if order is not None else (tuple(each[start:] for each in data), None)
            made = program.run(data, self._rest, 0, 1, order, 0, 0, 1, to)
        else:
            together = program.has_free_rows or self._steps == self._full
            steps, count = (
                (self._steps, len(losses)) if together else (self._full, min(len(losses), self._full - first))
            )
            last = self._rest if steps > self._full else 0
            stream = 0 if order is None else int(ffi.cast("intptr_t", stream_of("run", self._generator)))
            made = program.run(data, self._batch, last, steps, order, stream, first, count, to)
        return 0 if made is NotImplemented else int(made)


def _own_stream(seed: int | None, generator: Generator | None) -> Any:
    """The stream of a training, which takes the place of the thread's while it goes on; NULL without a seed."""
    if seed is None:
        return ffi.NULL
    if generator is not None:
        raise TypeError("run: seed and generator both say how to shuffle; give one of them")
    return ffi.new("uint64_t[4]", (word("run: seed", seed), 0, 0, 1))


def _names(step: Any, data: tuple[Any, ...]) -> list[str]:
    """The parameters of a step that take the data; TypeError where these are not what it takes."""
    name, function = step._name, step.__wrapped__
    is_method = step._owner() is not None
    plain = plain_names(function, is_method + len(data))
    if plain is not None:
        return plain[is_method:]
    try:
        parameters = inspect.signature(function)
    except (TypeError, ValueError):
        return [f"data {i}" for i in range(len(data))]
    before = (None,) * is_method
    try:
        bound = parameters.bind(*before, *data)
    except TypeError as error:
        raise TypeError(f"run: {name}: {error}{IN_A_LOOP}") from None
    names = []
    for parameter, value in bound.arguments.items():
        many = parameters.parameters[parameter].kind is inspect.Parameter.VAR_POSITIONAL
        names += [f"{parameter}[{i}]" for i in range(len(value))] if many else [parameter]
    return names[len(before) :]


def _loss_of(result: Any) -> float:
    """The first result, as a number."""
    leaves: list[Any] = []
    first = first_member(flatten(result, leaves, _core.Node))
    if first is LEAF:
        result = leaves[0]
    elif isinstance(first, Constant):
        result = first.value
    if isinstance(result, _core.Node) and (not isinstance(result, Tensor) or result.numel() == 1):
        return float(result.item())
    if isinstance(result, float):
        return result
    what = f"a tensor of shape {result.shape}" if isinstance(result, Tensor) else f"{type(result).__name__}"
    raise TypeError(f"run: the first result of the step is {what}; it has to return its loss, one number")


def _bar(steps: int) -> Any:
    try:
        with warnings.catch_warnings():  # that there are no widgets, where its bar of text is as good
            warnings.filterwarnings("ignore", "IProgress")
            from tqdm.auto import tqdm
    except ImportError:
        raise ImportError(f"run: {INSTALL}", name="tqdm") from None
    return tqdm(total=steps, unit="step")
