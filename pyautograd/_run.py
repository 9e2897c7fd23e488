"""`CompiledStep.run`: a whole training, its epochs each one call of C.

Batches of one size go through the step itself twice, recorded; then `program.run` takes all that are left, of several
epochs at once where nothing of Python's is to be done between them. The ragged last batch is a program of its own:

    order   │ rows of epoch 0 … │ rows of epoch 1 … │          a step takes the next batch_size of them
            └────── program.run(data, batch_size, order, …) ─▶ losses
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from pyautograd import _core, _grad_mode
from pyautograd._array_like import as_tensor, over_memory
from pyautograd._c import check, lib, node_pointer
from pyautograd._creation import arange
from pyautograd._generator import Generator, stream_of
from pyautograd._program import Program
from pyautograd._random import randint
from pyautograd._shape import index_select
from pyautograd._tensor import Tensor

Callback = Callable[[int, np.ndarray[Any, Any]], Any]

INSTALL = 'progress=True needs tqdm: pip install "pyautograd-core[progress]"'
SECONDS_A_CALL = 0.2  # of one call of C while a progress bar is shown
ROWS_A_CALL = 1 << 20


class Run:
    """The data of one training and where it stands."""

    def __init__(
        self,
        call: Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, Program | None]],
        data: tuple[Any, ...],
        batch_size: int,
        shuffle: bool,
        seed: int | None,
        generator: Generator | None,
        drop_last: bool,
    ) -> None:
        if not data:
            raise TypeError("run: no data; give the arrays whose rows the step takes")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"run: batch_size is a positive int, not {batch_size!r}")
        self._is_array = tuple(isinstance(each, np.ndarray) for each in data)
        self._data = tuple(_rows(each, i) for i, each in enumerate(data))
        lengths = [len(each) for each in self._data]
        if len(set(lengths)) != 1:
            raise ValueError(f"run: the data have different numbers of rows: {lengths}")
        self._call = call
        self._n = lengths[0]
        self._batch = int(batch_size)
        self._full, self._rest = divmod(self._n, self._batch)
        self._steps = self._full + (self._rest > 0 and not drop_last)
        if self._steps == 0:
            raise ValueError(
                f"run: no batch to run: {self._n} rows, batch_size {self._batch}" + ", drop_last" * bool(self._rest)
            )
        self._generator = _generator(seed, generator) if shuffle else None
        self._permutation = arange(self._n)
        self._programs: dict[int, Program] = {}  # by rows of a batch

    def train(self, epochs: int, progress: bool, callback: Callback | None) -> np.ndarray[Any, Any]:
        losses: list[np.ndarray[Any, Any]] = []
        epoch = 0
        with ExitStack() as stack:
            bar = stack.enter_context(_bar(epochs * self._steps)) if progress else None
            while epoch < epochs:
                alone = callback is not None or bar is not None
                together = 1 if alone else min(self._may_run_together(), epochs - epoch)
                losses.append(self._run_epochs(together, bar))
                epoch += together
                if callback is not None and _asks_to_stop(callback, epoch - 1, losses[-1]):
                    break
        return np.concatenate(losses) if losses else np.empty(0)

    def _may_run_together(self) -> int:
        """How many epochs one call of C may take."""
        if self._batch not in self._programs or self._steps != self._full:
            return 1
        return max(1, ROWS_A_CALL // self._n)

    def _run_epochs(self, epochs: int, bar: Any) -> np.ndarray[Any, Any]:
        order = self._order(epochs)
        full = epochs * self._full
        losses = np.empty(epochs * self._steps)
        done = self._many(order, 0, full, losses, bar)
        while done < full:
            losses[done] = self._one(order, done * self._batch, self._batch)
            _show(bar, 1, losses[done])
            done += 1
            done += self._many(order, done, full, losses, bar)
        if self._steps > self._full:
            losses[done] = self._last(order)
            _show(bar, 1, losses[done])
        return losses

    def _order(self, epochs: int) -> Tensor | None:
        """The rows of some epochs one after the other; None for one epoch in the order that they have."""
        if self._generator is None and epochs == 1:
            return None
        rows = self._n if epochs == 1 else self._full * self._batch
        order = np.empty((epochs, rows), np.int64)
        if self._generator is None:
            order[:] = np.arange(rows)
        else:
            pointer, drawn = node_pointer(self._permutation), self._permutation.numpy()[:rows]
            stream = stream_of("run", self._generator)
            for of_epoch in order:
                check(lib.pa_fill_permutation(stream, pointer))
                of_epoch[:] = drawn
        return over_memory(order.reshape(-1))

    def _one(self, order: Tensor | None, start: int, size: int) -> float:
        """One step through the compiled function, recorded or replayed."""
        with _grad_mode.no_grad():
            rows = [
                each[start : start + size] if order is None else index_select(each, 0, order[start : start + size])
                for each in self._data
            ]
        args = tuple(row.numpy() if is_array else row for row, is_array in zip(rows, self._is_array))
        result, program = self._call(args, {})
        if program is not None:
            self._programs[size] = program
        return _loss_of(result)

    def _last(self, order: Tensor | None) -> float:
        """The ragged batch of an epoch."""
        start = self._full * self._batch
        loss = np.empty(1)
        if self._try(self._rest, order, start, 1, loss) == 1:
            return float(loss[0])
        return self._one(order, start, self._rest)

    def _many(self, order: Tensor | None, done: int, full: int, losses: np.ndarray[Any, Any], bar: Any) -> int:
        """As many of the steps from `done` on as the program takes, in C."""
        first = done
        chunk = full if bar is None else 1
        while done < full:
            count = min(chunk, full - done)
            begun = time.perf_counter()
            made = self._try(self._batch, order, done * self._batch, count, losses[done : done + count])
            done += made
            if bar is not None and made:
                _show(bar, made, losses[done - 1])
                chunk = max(1, int(chunk * min(8.0, SECONDS_A_CALL / max(time.perf_counter() - begun, 1e-9))))
            if made < count:
                break
        return done - first

    def _try(self, batch: int, order: Tensor | None, start: int, count: int, losses: np.ndarray[Any, Any]) -> int:
        """The steps that the program for such batches made; 0 where there is none, or it does not fit."""
        program = self._programs.get(batch)
        if program is None or program.refresh()[0] is not None or program.is_dead:
            return 0
        made = program.run(self._data, batch, order, start, count, over_memory(losses))
        return 0 if made is NotImplemented else int(made)


def _generator(seed: int | None, generator: Generator | None) -> Generator:
    """What the orders are drawn from: a stream of its own, so that they do not depend on what the steps draw."""
    if generator is not None:
        if seed is not None:
            raise TypeError("run: seed and generator both say how to shuffle; give one of them")
        stream_of("run", generator)
        return generator
    return Generator().manual_seed(int(randint(0, 2**63 - 1, (1,)).item()) if seed is None else seed)


def _rows(data: Any, index: int) -> Tensor:
    if not isinstance(data, Tensor | np.ndarray):
        raise TypeError(f"run: data {index} is a {type(data).__name__}; a Tensor or an ndarray is wanted")
    if data.ndim == 0:
        raise ValueError(f"run: data {index} is 0-d and has no rows")
    if isinstance(data, np.ndarray):
        return as_tensor(np.ascontiguousarray(data))
    with _grad_mode.no_grad():
        return data.detach().contiguous()


def _loss_of(result: Any) -> float:
    """The first result, as a number."""
    while isinstance(result, (tuple, list, dict)) and result:
        result = next(iter(result.values())) if isinstance(result, dict) else result[0]
    if isinstance(result, _core.Node) and (not isinstance(result, Tensor) or result.numel() == 1):
        return float(result.item())
    if isinstance(result, float):
        return result
    what = f"a tensor of shape {result.shape}" if isinstance(result, Tensor) else f"{type(result).__name__}"
    raise TypeError(f"run: the first result of the step is {what}; it has to return its loss, one number")


def _asks_to_stop(callback: Callback, epoch: int, losses: np.ndarray[Any, Any]) -> bool:
    try:
        wanted = callback(epoch, losses)
    except StopIteration:
        return True
    return isinstance(wanted, (bool, np.bool_)) and bool(wanted)


def _bar(steps: int) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError(f"run: {INSTALL}", name="tqdm") from None
    return tqdm(total=steps, unit="step")


def _show(bar: Any, steps: int, loss: float) -> None:
    if bar is not None:
        bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
        bar.update(steps)
