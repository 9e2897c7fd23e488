"""A training step of five nets, from 354 parameters to 8.3 million: Adam, float32, one batch after the other.

The step is timed inside `run` and inside `jax.lax.scan`; the other engines are called once a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from peers import ours, rounds, theirs
from pyautograd.bench import _cases
from pyautograd.bench._engines import Problem


@dataclass(frozen=True)
class Net:
    """A net to train: its sizes, the rows of a batch, and how long a scan JAX is given."""

    sizes: tuple[int, ...]
    batch: int
    scan: int
    data: str
    problem: Callable[[Net], Problem]

    @property
    def title(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch}"

    @property
    def parameters(self) -> int:
        return sum(n_in * n_out + n_out for n_in, n_out in zip(self.sizes, self.sizes[1:]))

    @property
    def flops(self) -> int:
        """Of the matrix products of a step: forward, both gradients, but none with respect to the data."""
        products = [2 * self.batch * n_in * n_out for n_in, n_out in zip(self.sizes, self.sizes[1:])]
        return 3 * sum(products) - products[0]


def random_problem(batches: int) -> Callable[[Net], Problem]:
    """Uniform numbers and labels in so many batches."""

    def make(net: Net) -> Problem:
        random = np.random.RandomState(0)
        shape = (net.batch, net.sizes[0])
        pairs = [
            (random.rand(*shape).astype(np.float32), random.randint(0, net.sizes[-1], net.batch).astype(np.int64))
            for _ in range(batches)
        ]
        return Problem(net.sizes, pairs, lr=1e-3)

    return make


NETS = {
    "moons": Net((2, 16, 16, 1), 100, 1000, "micrograd's points", lambda net: _cases.moons_problem()),
    "tabular": Net((10, 46, 46, 10), 128, 400, "random numbers", random_problem(20)),
    "digits": Net((64, 128, 64, 10), 32, 440, "handwritten digits", lambda net: _cases.digits_problem()),
    "mnist": Net((784, 512, 256, 10), 128, 20, "random numbers", random_problem(20)),
    "large": Net((1024, 2048, 2048, 1000), 256, 4, "random numbers", random_problem(4)),
}
STEPS = {"moons": 50, "large": 4}  # compared before timing; of the others 10
COMPILED_BY_TORCH = ("digits", "mnist")  # building one more net takes it 15 to 40 s


def measure(name: str, options: Any, progress: rounds.Progress) -> rounds.Case:
    """The case of one net."""
    net = NETS[name]
    problem = net.problem(net)
    engines = ours.engines(problem)
    case = rounds.Case(f"nets/{name}", f"{net.title}, Adam, on {net.data}", tuple(engines))
    progress("building the peers")
    engines |= theirs.engines(problem, options.peers, options.threads, net.scan, options.effort.quick)
    if name == "large":
        engines.pop(theirs.SKLEARN, None)
    if "torch" in options.peers and name in COMPILED_BY_TORCH and not options.effort.quick and options.threads == 1:
        progress("building torch.compile")
        try:
            engines[theirs.TORCH_COMPILE] = theirs.TorchCompile(problem, options.threads)
            engines[theirs.TORCH_COMPILE].losses(2)
        except Exception as error:  # whatever a compiler that is not there makes of it
            engines.pop(theirs.TORCH_COMPILE, None)
            case.notes.append(f"torch.compile left out: {type(error).__name__}")
    case.facts = {"parameters": net.parameters, "flops": net.flops, "batch": net.batch}
    # scikit-learn scales eps otherwise, which on random labels shows after some steps
    return rounds.measure(case, engines, options.effort, progress, STEPS.get(name, 10), 1e-3, {theirs.SKLEARN: 4})
