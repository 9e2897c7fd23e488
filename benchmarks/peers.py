"""Eager training steps of nets of several sizes beside PyTorch, JAX, NumPy by hand and scikit-learn, where installed.

    python benchmarks/peers.py [--only digits,mnist] [--seconds 5]

All engines start from the same weights, see the same batches and are checked to give the same losses before anything is
timed. JAX takes part twice: a jitted step called from Python, and (`JAX scan`) a loop of 20 steps inside one call.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from pyautograd.bench import _cases, _engines, _measure, _report

SHAPES = {
    "moons": ((2, 16, 16, 1), 100),
    "digits": ((64, 128, 64, 10), 32),
    "tabular": ((10, 46, 46, 10), 128),
    "mnist": ((784, 512, 256, 10), 128),
}


class JaxScan(_engines.JaxTrainer):
    """Twenty steps in one call: what JAX does when Python is kept out."""

    LENGTH = 20

    def __init__(self, problem: _engines.Problem) -> None:
        super().__init__(problem)
        jax, jnp = self.jax, self.jnp
        count = max(self.LENGTH // len(self.batches), 1) * len(self.batches)
        picked = [self.batches[k % len(self.batches)] for k in range(min(count, self.LENGTH))]
        self.stack = tuple(jnp.stack(arrays) for arrays in zip(*picked, strict=True))
        self.scan = jax.jit(
            lambda state, data: jax.lax.scan(lambda s, b: self.raw_step(s, *b), state, data), donate_argnums=0
        )

    def losses(self, steps: int) -> list[float]:
        return [float(loss) for loss in self.scan(self.start(), self.stack)[1][:steps]]

    def run(self, steps: int) -> dict[str, float]:
        calls = max(steps // self.LENGTH, 1)
        state = self.jax.block_until_ready(self.start())
        start = _measure.now()
        for _ in range(calls):
            state, losses = self.scan(state, self.stack)
        self.jax.block_until_ready((state, losses))
        return {"step": (_measure.now() - start) / (calls * self.LENGTH) * steps}


def problem(name: str) -> _engines.Problem:
    """The real data where it ships, random numbers of the same shape elsewhere."""
    if name == "moons":
        return _cases.moons_problem()
    if name == "digits":
        return _cases.digits_problem()
    sizes, batch = SHAPES[name]
    random = np.random.RandomState(0)
    batches = [
        (random.rand(batch, sizes[0]).astype(np.float32), random.randint(0, sizes[-1], batch).astype(np.int64))
        for _ in range(20)
    ]
    return _engines.Problem(sizes, batches, lr=1e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(SHAPES), help="names of nets, separated by commas")
    parser.add_argument("--seconds", type=float, default=5.0, help="a net and engine")
    options = parser.parse_args()
    pinning = _measure.on_one_core()
    peers = _engines.installed_peers()
    print(_report.heading(_report.machine(pinning, peers)))
    _report.NAMES["jax-scan"] = "JAX scan"
    for name in options.only.split(","):
        sizes, batch = SHAPES[name]
        task = problem(name)
        trainers: dict[str, Any] = _engines.tensor_trainers(task, peers, values=False)
        if "jax" in peers:
            trainers["jax-scan"] = JaxScan(task)
        title = f"{name}: {'-'.join(map(str, sizes))}, batch {batch}, Adam"
        result = _cases.Result(name, title, "", ("forward", "backward", "update", "step"))
        _cases.measure(result, trainers, 5, 5e-4, _measure.Effort(seconds=options.seconds), lambda who: None)
        print(f"\n{_report.table(result)}", flush=True)


if __name__ == "__main__":
    main()
