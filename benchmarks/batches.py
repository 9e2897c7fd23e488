"""What batches of many sizes cost: 1 to 199 rows at random through a training step and a prediction.

    python benchmarks/batches.py [seconds a case]

Eager, compiled for each size, and compiled with a free batch axis: microseconds a call, from the first call on.
"""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import pyautograd as pa
from pyautograd import Tensor, nn, optim
from pyautograd.nn import functional as F

WAYS: dict[str, Callable[[Any], Any]] = {
    "eager": lambda step: step,
    "compiled": pa.compile,
    "dynamic_batch": lambda step: pa.compile(step, dynamic_batch=True),
}


def training() -> Callable[..., Any]:
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def prediction() -> Callable[..., Any]:
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))

    def step(x: Tensor, y: Tensor) -> Tensor:
        with pa.no_grad():
            return F.softmax(model(x), dim=1)

    return step


def microseconds(step: Callable[..., Any], seconds: float) -> tuple[float, int]:
    """A call's time, and how many there were."""
    rng, total, calls = random.Random(0), 0.0, 0
    data = {rows: (pa.randn(rows, 8), pa.randint(0, 4, (rows,))) for rows in range(1, 200)}
    while total < seconds:
        x, y = data[rng.randint(1, 199)]
        begun = time.perf_counter()
        step(x, y)
        total += time.perf_counter() - begun
        calls += 1
    return total / calls * 1e6, calls


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    warnings.simplefilter("ignore")
    for make in (training, prediction):
        for name, compiled in WAYS.items():
            pa.manual_seed(0)
            step = compiled(make())
            took, calls = microseconds(step, seconds)
            programs = len(getattr(step, "programs", []))
            print(f"{make.__name__:<12}{name:<15}{took:8.1f} us a call, {calls} calls, {programs} programs")


if __name__ == "__main__":
    main()
