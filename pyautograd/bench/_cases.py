"""What is measured: programs that are the same for every engine, from a sum of two Values to a training step.

expression   d = a*b + c, over and over: what an operation costs to build and to drop
chain        d = d*b + c, a thousand times: build, backward and destruction apart
moons        micrograd's demo, a training step of 65,000 Values: forward, backward, update
mlp-moons    the same points as tensors: 2-16-16-1, batch 100, Adam
mlp-digits   64-128-64-10 on the handwritten digits, batch 32, Adam
memory       bytes a node of the moons graph
"""

from __future__ import annotations

import gc
import math
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyautograd import datasets
from pyautograd.bench import _engines
from pyautograd.bench._engines import Problem, ScalarEngine
from pyautograd.bench._measure import Effort, Program, Timing, interleave, now

CHAIN = 1000


@dataclass
class Result:
    """What a case measured: timings by engine and phase, or, of the memory case, bytes by engine."""

    name: str
    title: str
    unit: str
    phases: tuple[str, ...]
    timings: dict[str, dict[str, Timing]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def ratio(self, engine: str, phase: str = "step") -> float | None:
        """How many times what pyautograd takes `engine` takes."""
        ours, theirs = self.timings[_engines.OURS].get(phase), self.timings.get(engine, {}).get(phase)
        return theirs.median / ours.median if ours and theirs and ours.median else None


class DisagreementError(Exception):
    """Two engines were to compute the same numbers and did not."""


def check(programs: dict[str, Program], steps: dict[str, int] | int, tolerance: float) -> float:
    """The largest relative difference between the programs' numbers; DisagreementError if it is above `tolerance`."""
    (first, program), *others = programs.items()
    count = steps if isinstance(steps, int) else max(steps.values())
    wanted = program.losses(count)
    worst = 0.0
    for name, other in others:
        got = other.losses(count if isinstance(steps, int) else steps.get(name, count))
        for k, (a, b) in enumerate(zip(wanted, got, strict=False)):
            difference = abs(a - b) / max(abs(a), 1e-300)
            if not difference <= tolerance:
                raise DisagreementError(f"{first} and {name} differ at number {k}: {a!r} and {b!r}")
            worst = max(worst, difference)
    return worst


# ---- scalars ----


class Expression:
    """`d = a*b + c`, built and dropped: one step is two operations on three leaves."""

    def __init__(self, engine: ScalarEngine) -> None:
        self.Value = engine.Value

    def losses(self, steps: int) -> list[float]:
        a, b, c = self.Value(2.0), self.Value(-3.0), self.Value(10.0)
        d = a * b + c
        d.backward()
        return [d.data, a.grad, b.grad, c.grad]

    def run(self, steps: int) -> dict[str, float]:
        a, b, c = self.Value(2.0), self.Value(-3.0), self.Value(10.0)
        rounds = range(steps * 100)
        start = now()
        for _ in rounds:
            d = a * b + c
        del d
        return {"step": (now() - start) / 100}


class Chain:
    """`d = d*b + c` a thousand times, `backward()`, and letting go of it all; one step is one link."""

    def __init__(self, engine: ScalarEngine) -> None:
        self.engine = engine

    def losses(self, steps: int) -> list[float]:
        with _deep_recursion():
            a, b, c = (self.engine.Value(x) for x in (1.0, 0.999, 0.01))
            d = a
            for _ in range(CHAIN):
                d = d * b + c
            d.backward()
            return [d.data, a.grad, b.grad, c.grad]

    def run(self, steps: int) -> dict[str, float]:
        total = dict.fromkeys(("build", "backward", "destroy"), 0.0)
        gc.disable()
        try:
            with _deep_recursion():
                for _ in range(steps):
                    for phase, seconds in self._once().items():
                        total[phase] += seconds
        finally:
            gc.enable()
        total["step"] = sum(total.values())
        return total

    def _once(self) -> dict[str, float]:
        a, b, c = (self.engine.Value(x) for x in (1.0, 0.999, 0.01))
        links = range(CHAIN)
        start = now()
        d = a
        for _ in links:
            d = d * b + c
        built = now()
        d.backward()
        swept = now()
        del a, b, c, d
        if self.engine.cyclic:
            gc.collect()
        return {"build": built - start, "backward": swept - built, "destroy": now() - swept}


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """micrograd sorts its graph by recursion, one Python frame a node."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 4 * CHAIN))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class Moons:
    """A step of micrograd's demo.ipynb: every point through the net, the loss, `backward()`, a step of descent."""

    def __init__(self, engine: ScalarEngine) -> None:
        self.engine = engine
        self.X, self.y = moons()

    def start(self) -> Any:
        random.seed(1337)
        return self.engine.MLP(2, [16, 16, 1])

    def loss(self, model: Any) -> Any:
        """The notebook's `loss()`, line for line."""
        Value = self.engine.Value
        inputs = [list(map(Value, xrow)) for xrow in self.X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(self.y, scores, strict=True)]
        data_loss: Any = sum(losses) * (1.0 / len(losses))
        alpha = 1e-4
        reg_loss: Any = alpha * sum(p * p for p in model.parameters())
        total_loss = data_loss + reg_loss
        accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(self.y, scores, strict=True)]
        return total_loss, sum(accuracy) / len(accuracy)

    def losses(self, steps: int) -> list[float]:
        return self._train(steps)[0]

    def run(self, steps: int) -> dict[str, float]:
        return self._train(steps)[1]

    def _train(self, steps: int) -> tuple[list[float], dict[str, float]]:
        model = self.start()
        numbers = []
        forward = backward = update = drop = 0.0
        fresh_loss = total_loss = None
        for k in range(steps):
            start = now()
            fresh_loss, _ = self.loss(model)
            forwarded = now()
            total_loss = fresh_loss  # as in the notebook, the graph of the step before lives until now
            dropped = now()
            model.zero_grad()
            zeroed = now()
            total_loss.backward()
            swept = now()
            learning_rate = 1.0 - 0.9 * k / 100
            for p in model.parameters():
                p.data -= learning_rate * p.grad
            updated = now()
            numbers.append(total_loss.data)
            forward += forwarded - start
            drop += dropped - forwarded
            backward += swept - zeroed
            update += zeroed - dropped + updated - swept
        end = now()
        fresh_loss = total_loss = None
        drop += now() - end
        phases = {"forward": forward, "backward": backward, "update": update, "drop": drop}
        return numbers, {**phases, "step": forward + backward + update + drop}


def moons() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The points of micrograd's demo, with its labels -1 and 1."""
    X, y = datasets.make_moons(n_samples=100, noise=0.1, random_state=1337)
    return X, y * 2 - 1


def moons_problem() -> Problem:
    """2-16-16-1 on all 100 points of the demo."""
    X, y = datasets.make_moons(n_samples=100, noise=0.1, random_state=1337)
    return Problem((2, 16, 16, 1), [(X.astype(np.float32), y.astype(np.float32)[:, None])])


def digits_problem() -> Problem:
    """64-128-64-10 on 44 batches of 32 digits."""
    X, y = datasets.load_digits()
    train, _ = datasets.train_test_split(len(X), 0.2, seed=0)
    return Problem((64, 128, 64, 10), [(X[rows], y[rows]) for rows in train[: 44 * 32].reshape(-1, 32)], lr=1e-3)


# ---- the cases ----

Progress = Callable[[str], None]


def measure(
    result: Result,
    programs: dict[str, Program],
    steps: dict[str, int] | int,
    tolerance: float,
    effort: Effort,
    progress: Progress,
) -> Result:
    """Checks that the programs agree, times them in turn and fills in the result."""
    progress("checking that all compute the same")
    worst = check(programs, steps, tolerance)
    agreed = "to the last bit" if worst == 0 else f"within 1e{math.ceil(math.log10(worst))}"
    result.timings = interleave(programs, effort, progress)
    result.notes.append(f"same numbers {agreed}")
    for name, program in programs.items():
        if form := getattr(program, "form", None):
            result.notes.append(f"{name}: Adam({', '.join(f'{k}={v}' for k, v in form.items())})")
    return result


def expression(peers: dict[str, str], effort: Effort, progress: Progress) -> Result:
    programs: dict[str, Program] = {e.name: Expression(e) for e in _engines.scalar_engines(peers)}
    result = Result("expression", "d = a*b + c over Values, built and dropped", "", ("step",))
    return measure(result, programs, 1, 0.0, effort, progress)


def chain(peers: dict[str, str], effort: Effort, progress: Progress) -> Result:
    programs: dict[str, Program] = {e.name: Chain(e) for e in _engines.scalar_engines(peers)}
    title = f"a chain of {CHAIN:,} links d = d*b + c over Values"
    result = Result("chain", title, "", ("build", "backward", "destroy", "step"))
    return measure(result, programs, 1, 1e-12, effort, progress)


def moons_demo(peers: dict[str, str], effort: Effort, progress: Progress) -> Result:
    programs: dict[str, Program] = {e.name: Moons(e) for e in _engines.scalar_engines(peers)}
    title = "a step of micrograd's moons demo over Values: 2-16-16-1, 100 points"
    result = Result("moons", title, "", ("forward", "backward", "update", "drop", "step"))
    if effort.fewest > 1:  # so many that the collector runs as it does in the notebook: micrograd's graphs are cycles
        effort = replace(effort, fewest_steps=4)
    return measure(result, programs, 3, 1e-9, effort, progress)


def mlp_moons(peers: dict[str, str], effort: Effort, progress: Progress) -> Result:
    trainers = _engines.tensor_trainers(moons_problem(), peers)
    title = "a step of Tensors: 2-16-16-1, batch 100, Adam"
    result = Result("mlp-moons", title, "", ("forward", "backward", "update", "step"))
    return measure(result, trainers, 5, 2e-4, effort, progress)


def mlp_digits(peers: dict[str, str], effort: Effort, progress: Progress) -> Result:
    trainers = _engines.tensor_trainers(digits_problem(), peers)
    title = "a step of Tensors: 64-128-64-10, batch 32, Adam"
    result = Result("mlp-digits", title, "", ("forward", "backward", "update", "step"))
    steps = dict.fromkeys(trainers, 5) | {_engines.REFERENCE: 1 if effort.fewest == 1 else 2}
    return measure(result, trainers, steps, 2e-4, effort, progress)


def memory(peers: dict[str, str], effort: Effort, progress: Progress) -> Result:
    """Bytes that the moons graph takes, shared out over its nodes; of Python objects by tracemalloc."""
    result = Result("memory", "memory of the moons graph, bytes a node", "bytes", ("step",))
    for engine in _engines.scalar_engines(peers):
        progress(engine.name)
        size, nodes = graph_bytes(engine)
        result.timings[engine.name] = {"step": Timing(size / nodes, size / nodes, size / nodes, 1)}
        result.notes.append(f"{engine.name}: {nodes:,} nodes, {size / 1e6:.1f} MB")
    return result


def graph_bytes(engine: ScalarEngine) -> tuple[int, int]:
    """How many bytes the graph of the moons loss takes, in Python's memory and in ours, and how many nodes it has."""
    program = Moons(engine)
    model = program.start()
    program.loss(model)
    gc.collect()
    before = _engines.core_bytes()
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    loss, _ = program.loss(model)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] - start + _engines.core_bytes() - before
    tracemalloc.stop()
    nodes, waiting = {id(loss): loss}, [loss]
    while waiting:
        for parent in waiting.pop()._prev:
            if id(parent) not in nodes:
                nodes[id(parent)] = parent
                waiting.append(parent)
    return size, len(nodes)


CASES: dict[str, Callable[[dict[str, str], Effort, Progress], Result]] = {
    "expression": expression,
    "chain": chain,
    "moons": moons_demo,
    "mlp-moons": mlp_moons,
    "mlp-digits": mlp_digits,
    "memory": memory,
}
