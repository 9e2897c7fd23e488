"""What replaying costs beyond arithmetic: nanoseconds an operation of Values, microseconds a call, allocations.

chain      d = d*b + c, a thousand links, forward and backward: how long a 0-d operation takes when each waits for
           the one before
graph      four thousand additions, subtractions, products and relus of Values over each other, forward and backward
call       a compiled function of next to no work, called from Python
counters   nodes, storages and bytes alive before and after a thousand replays of a training step
memory     what a program of a large net makes the process grow by, against its plan
"""

from __future__ import annotations

import gc
import random
from typing import Any

import pyautograd as pa
from peers import nets, ours, rounds
from pyautograd import Value
from pyautograd.bench._measure import now

CHAIN, GRAPH, CALL, EMPTY = "chain of Values", "graph of Values", "call", "a Python function"
LINKS, OPS, REPLAYS = 1000, 4000, 1000


class Repeated:
    """A compiled function called over and over; a step is one call, or one operation where it does many."""

    def __init__(self, function: Any, arguments: tuple[Any, ...], operations: int = 1) -> None:
        self.function, self.arguments, self.operations = function, arguments, operations
        for _ in range(ours.RECORDED + 1):
            function(*arguments)

    def run(self, steps: int) -> dict[str, float]:
        function, arguments = self.function, self.arguments
        calls = range(max(steps // self.operations, 1))
        start = now()
        for _ in calls:
            function(*arguments)
        return {"step": (now() - start) * steps / (len(calls) * self.operations)}


def chain() -> Repeated:
    a, b, c = Value(1.0), Value(0.999), Value(0.01)

    @pa.compile
    def step() -> Any:
        for value in (a, b, c):
            value.grad = 0.0
        d = a
        for _ in range(LINKS):
            d = d * b + c
        d.backward()
        return d

    return Repeated(step, (), 2 * LINKS)


def graph() -> Repeated:
    """A function of four thousand lines, each an operation drawn at random over results of the sixteen lines before.

    It is written out, as a program's guards would otherwise compare the plan of operations at every call. Weights of
    0.4 and -0.5 keep the numbers small.
    """
    draw = random.Random(0)
    leaves = [Value(draw.uniform(-1, 1)) for _ in range(16)]
    weights = [Value(draw.choice([0.4, -0.5])) for _ in range(8)]
    lines = [f"v{k} = leaves[{k}]" for k in range(16)] + [f"w{k} = weights[{k}]" for k in range(8)]
    for k in range(16, 16 + OPS):
        a, b, w = k - draw.randint(1, 16), k - draw.randint(1, 16), draw.randrange(8)
        lines.append(f"v{k} = " + draw.choice([f"v{a} + v{b}", f"v{a} - v{b}", f"v{a} * w{w}", f"v{a}.relu()"]))
    total = " + ".join(f"v{k}" for k in range(OPS, OPS + 16))
    names: dict[str, Any] = {}
    exec("def forward(leaves, weights):\n    " + "\n    ".join([*lines, f"return {total}"]), names)
    forward = names["forward"]

    @pa.compile
    def step() -> Any:
        for leaf in leaves + weights:
            leaf.grad = 0.0
        d = forward(leaves, weights)
        d.backward()
        return d

    return Repeated(step, (), OPS + 15)


def call() -> Repeated:
    x = Value(1.5)
    return Repeated(pa.compile(lambda: x * 2.0), ())


def counters() -> dict[str, int]:
    """How much more is alive after a thousand replays than before."""
    trainer = ours.Call(nets.NETS["digits"].problem(nets.NETS["digits"]))
    trainer.run(4)
    x, y = trainer.batches[0]
    gc.collect()
    before = pa.memory_stats()
    for _ in range(REPLAYS):
        trainer.step(x, y)
    after = pa.memory_stats()
    return {name: getattr(after, name) - getattr(before, name) for name in before._fields}


def measure(options: Any, progress: rounds.Progress) -> rounds.Case:
    """The case; without `compile` there is nothing to measure."""
    case = rounds.Case("replay", "what a replay costs beyond its arithmetic", ())
    if not ours.compiles():
        return case
    case.facts["counters"] = counters()
    progress("building programs of Values")
    programs = {CHAIN: chain(), GRAPH: graph(), CALL: call(), EMPTY: Repeated(lambda: None, ())}
    return rounds.time(case, programs, options.effort, progress)
