"""The peers in their best forms: JAX's scan, PyTorch's quickest Adam, torch.compile, NumPy without denormals.

The engines that `python -m pyautograd bench` has are taken from there; what is here is about threads, about larger
nets, and about forms that take a while to build.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import threadpoolctl

from pyautograd.bench import _engines
from pyautograd.bench._engines import BETA1, BETA2, EPS, Problem
from pyautograd.bench._measure import now

SCAN, JIT, TORCH, TORCH_COMPILE, NUMPY, SKLEARN = "jax scan", "jax jit", "torch", "torch.compile", "numpy", "sklearn"


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Numbers too small to be normal are zeros meanwhile, where PyTorch is there to tell the processor so."""
    if importlib.util.find_spec("torch") is None:
        yield
        return
    torch: Any = importlib.import_module("torch")
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class Numpy(_engines.NumpyTrainer):
    """By hand, all parameters in one vector; denormals, which cost a processor 100 cycles each, are flushed.

    Where there are several threads to use, its products use one if that is faster.
    """

    def __init__(self, problem: Problem, threads: int = 1) -> None:
        super().__init__(problem)
        self.controller, self.threads = threadpoolctl.ThreadpoolController(), threads
        if threads > 1:
            self.threads = min((1, threads), key=self._seconds_of)
            self.said = f"{self.threads} thread{'s' * (self.threads > 1)}"

    def _seconds_of(self, threads: int) -> float:
        self.threads = threads
        return _quick_look(self.run)

    def run(self, steps: int) -> dict[str, float]:
        with self.controller.limit(limits=self.threads, user_api="blas"), flushed_denormals():
            return super().run(steps)


class Torch(_engines.TorchTrainer):
    """Eager, with the Adam that is the fastest of fused, foreach and plain on this net, and on one thread if that is
    faster than several."""

    def __init__(self, problem: Problem, threads: int) -> None:
        self.threads = threads
        super().__init__(problem)
        self.said = "Adam({})".format(", ".join(f"{k}={v}" for k, v in self.form.items()))
        if threads > 1:
            self.threads = min((1, threads), key=self._seconds_on)
            self.said += f", {self.threads} thread{'s' * (self.threads > 1)}"

    def _seconds_on(self, threads: int) -> float:
        self.threads = threads
        return _quick_look(self.run)

    def _seconds_of(self, form: Mapping[str, bool]) -> float:
        self.form = form
        return _quick_look(self.run)

    def run(self, steps: int) -> dict[str, float]:
        self.library.set_num_threads(self.threads)
        with flushed_denormals():
            return super().run(steps)


def _quick_look(run: Callable[[int], dict[str, float]]) -> float:
    """About how many seconds a step takes: the best of five short repetitions."""
    run(1)
    steps = min(max(int(0.03 / run(1)["step"]), 1), 20)
    return min(run(steps)["step"] / steps for _ in range(5))


class TorchCompile(Torch):
    """Forward and backward through torch.compile, the update by the fused Adam. Building it takes half a minute."""

    FORMS = ({"fused": True},)

    def __init__(self, problem: Problem, threads: int) -> None:
        super().__init__(problem, threads)
        model, loss = self.model, self.loss
        self.compiled: Callable[..., Any] = self.library.compile(lambda x, y: loss(model(x), y))

    def forward(self, batch: Any) -> Any:
        return getattr(self, "compiled", lambda x, y: self.loss(self.model(x), y))(*batch)


class JaxScan(_engines.JaxTrainer):
    """Loss, gradients and Adam of a whole stretch of steps under one `jax.jit`, the state donated.

    The batches lie stacked in the order they come in; where there is but one, the scan closes over it. Tried before
    anything is timed, the fastest stays: parameters as a tree of arrays or raveled into one vector, and the loop rolled
    or unrolled four times.
    """

    FORMS = tuple({"flat": flat, "unroll": unroll} for unroll in (1, 4) for flat in (False, True))

    def __init__(self, problem: Problem, length: int, quick: bool = False) -> None:
        super().__init__(problem)
        count = len(self.batches)
        self.length = max(length // count, 1) * count
        picked = [self.batches[k % count] for k in range(self.length if count > 1 else 1)]
        self.stack = tuple(self.jnp.stack(arrays) for arrays in zip(*picked, strict=True))
        # Where a step is long, neither unrolling pays nor copying all parameters into one vector.
        forms = self.FORMS[:1] if self.length < 10 else self.FORMS[:2] if quick or self.length < 100 else self.FORMS
        built = [self._build(**form) for form in forms]
        self.made, self.scan = min(built, key=self._seconds_of)
        form = forms[built.index((self.made, self.scan))]
        self.said = f"scan of {self.length} steps, {'flat' if form['flat'] else 'tree'}, unroll={form['unroll']}"

    def _build(self, flat: bool, unroll: int) -> tuple[Any, Any]:
        """A function that makes the state to start from, and the jitted scan."""
        jax, jnp = self.jax, self.jnp
        ravel: Any = importlib.import_module("jax.flatten_util").ravel_pytree
        _, unravel = ravel(self.start()[0])
        lr = self.problem.lr

        def start() -> Any:
            layers, m, v, count = self.start()
            return (ravel(layers)[0], ravel(m)[0], ravel(v)[0], count) if flat else (layers, m, v, count)

        def step(state: Any, x: Any, y: Any) -> Any:
            params, m, v, count = state
            loss, grads = jax.value_and_grad(lambda p: self.loss_of(unravel(p) if flat else p, x, y))(params)
            count = count + 1
            m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
            v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, grads)
            scale, root = lr / (1 - BETA1**count), jnp.sqrt(1 - BETA2**count)
            params = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) / root + EPS), params, m, v)
            return (params, m, v, count), loss

        if len(self.batches) == 1:

            def scanned(state: Any, stack: Any) -> Any:
                x, y = (array[0] for array in stack)
                return jax.lax.scan(lambda s, _: step(s, x, y), state, None, length=self.length, unroll=unroll)
        else:

            def scanned(state: Any, stack: Any) -> Any:
                return jax.lax.scan(lambda s, batch: step(s, *batch), state, stack, unroll=unroll)

        return start, jax.jit(scanned, donate_argnums=0)

    def _seconds_of(self, built: tuple[Any, Any]) -> float:
        self.made, self.scan = built
        self.run(self.length)
        return min(self.run(self.length)["step"] for _ in range(3))

    def losses(self, steps: int) -> list[float]:
        numbers: list[float] = []
        state = self.made()
        while len(numbers) < steps:
            state, losses = self.scan(state, self.stack)
            numbers += losses.tolist()
        return numbers[:steps]

    def run(self, steps: int) -> dict[str, float]:
        calls = max(round(steps / self.length), 1)
        state = self.jax.block_until_ready(self.made())
        start = now()
        for _ in range(calls):
            state, losses = self.scan(state, self.stack)
        self.jax.block_until_ready((state, losses))
        return {"step": (now() - start) / (calls * self.length) * steps}


def engines(problem: Problem, peers: dict[str, str], threads: int, scan: int, quick: bool) -> dict[str, Any]:
    """Those of the peers that are installed and train the problem."""
    makers: dict[str, tuple[str, Callable[[], Any]]] = {
        SCAN: ("jax", lambda: JaxScan(problem, scan, quick)),
        JIT: ("jax", lambda: _engines.JaxTrainer(problem)),
        TORCH: ("torch", lambda: Torch(problem, threads)),
        NUMPY: ("numpy", lambda: Numpy(problem, threads)),
        SKLEARN: ("sklearn", lambda: _engines.SklearnTrainer(problem)),
    }
    return {name: make() for name, (package, make) in makers.items() if package in peers}
