"""Where products are the limit: their share of a step, and how near they are to the machine's measured peak.

The products of a step (forward, and both gradients but that of the data) are done alone, by pyautograd's `@` and by
NumPy, in turn with whole steps. The peak is that of a large float32 product through NumPy, the best of its repetitions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import pyautograd as pa
from peers import nets, ours, rounds, theirs
from pyautograd.bench._measure import now

ALONE, ALONE_NUMPY, PEAK = "products alone, pyautograd", "products alone, numpy", "a large product"
SIDE = 2048


class Alone:
    """The matrix products of a step and nothing else."""

    def __init__(self, net: nets.Net, numpy: bool) -> None:
        random = np.random.RandomState(0)
        self.numpy = numpy

        def array(*shape: int) -> Any:
            made = random.rand(*shape).astype(np.float32)
            return made if numpy else pa.tensor(made)

        self.layers = [
            (array(net.batch, n_in), array(n_in, n_out), array(net.batch, n_out))
            for n_in, n_out in zip(net.sizes, net.sizes[1:])
        ]

    def run(self, steps: int) -> dict[str, float]:
        start = now()
        with pa.no_grad():
            for _ in range(steps):
                for k, (x, w, delta) in enumerate(self.layers):
                    _ = x @ w
                    _ = x.T @ delta
                    if k:
                        _ = delta @ w.T
        return {"step": now() - start}


class Large:
    """A product of two square matrices, large enough to show what the machine can do."""

    def __init__(self) -> None:
        random = np.random.RandomState(0)
        self.a, self.b = (random.rand(SIDE, SIDE).astype(np.float32) for _ in range(2))
        self.best = float("inf")

    def run(self, steps: int) -> dict[str, float]:
        total = 0.0
        for _ in range(steps):
            start = now()
            self.a @ self.b
            took = now() - start
            self.best = min(self.best, took)
            total += took
        return {"step": total}


def measure(name: str, options: Any, progress: rounds.Progress) -> rounds.Case:
    """The case of one net."""
    net = nets.NETS[name]
    problem = net.problem(net)
    programs = ours.engines(problem)
    programs.pop(ours.CALL, None)
    bases = tuple(programs)
    if "jax" in options.peers:
        programs[theirs.SCAN] = theirs.JaxScan(problem, net.scan, quick=True)
    large = Large()
    programs |= {ALONE: Alone(net, numpy=False), ALONE_NUMPY: Alone(net, numpy=True), PEAK: large}
    case = rounds.Case(f"products/{name}", f"the matrix products of {net.title}", bases)
    rounds.time(case, programs, options.effort, progress)
    peak = 2 * SIDE**3 / large.best
    alone = min((ALONE, ALONE_NUMPY), key=lambda who: case.timings[who].median)
    share = case.ratios[bases[0]][alone]
    case.facts = {
        "flops": net.flops,
        "peak": peak,
        "share": [share.median, share.low, share.high],
        "of_peak": {who: net.flops / t.median / peak for who, t in case.timings.items() if who != PEAK},
    }
    return case
