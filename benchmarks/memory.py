"""Memory over long runs: 100,000 training steps leave the process as large as it was, a million nodes are freed.

    python benchmarks/memory.py [--steps 100000] [--nodes 1000000]

Every third step builds a graph that is never differentiated. The exit status is 1 if resident memory grew by more than
a megabyte between a tenth of the way and the end, or if nodes are left over.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.bench import _cases, _report
from pyautograd.nn import functional as F
from pyautograd.scalar import Value


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def train(steps: int) -> bool:
    """Trains the moons net for so many steps; was memory flat?"""
    (x, y), *_ = _cases.moons_problem().batches
    X, Y = pa.tensor(x), pa.tensor(y)
    model = nn.MLP(2, [16, 16, 1])
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    gc.collect()
    nodes = pa.memory_stats().nodes
    print(f"{steps:,} steps of 2-16-16-1, batch 100, Adam; every third graph is never differentiated")
    early = 0
    start = time.perf_counter()
    for step in range(1, steps + 1):
        loss = F.binary_cross_entropy_with_logits(model(X), Y)
        if step % 3:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if step % (steps // 10) == 0:
            early = early or resident()
            print(f"  step {step:>9,}: {resident() / 1e6:8.2f} MB resident, loss {loss.item():.6f}")
    each = (time.perf_counter() - start) / steps
    growth = resident() - early
    optimizer.zero_grad()
    del loss, optimizer
    gc.collect()
    left = pa.memory_stats().nodes - nodes
    print(f"  {each * 1e6:.1f} us a step; grew by {growth / 1e3:.0f} kB; {left} nodes more than at the start")
    return growth < 1_000_000 and left <= 0


def chain(nodes: int) -> bool:
    """Builds, differentiates and frees a chain of so many operations; is nothing left?"""
    gc.collect()
    before = pa.memory_stats().nodes
    print(f"a chain of {nodes:,} Values, on the default stack")
    start = time.perf_counter()
    x = Value(1.0)
    d = x
    for _ in range(nodes // 2):
        d = d * 0.999999 + 1e-6
    built = time.perf_counter()
    d.backward()
    swept = time.perf_counter()
    held = pa.memory_stats().live_bytes
    gradient = x.grad
    del d, x
    freed = time.perf_counter()
    left = pa.memory_stats().nodes - before
    times = f"built in {built - start:.3f} s, swept in {swept - built:.3f} s, freed in {freed - swept:.3f} s"
    print(f"  {times}; {held / 1e6:.0f} MB; gradient {gradient:.6f}; {left} nodes left")
    return left == 0 and abs(gradient - 0.999999 ** (nodes // 2)) < 1e-9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    options = parser.parse_args()
    print(_report.command())
    flat, freed = train(options.steps), chain(options.nodes)
    return 0 if flat and freed else 1


if __name__ == "__main__":
    sys.exit(main())
