"""A physics-informed step: the residual of Burgers' equation, with second derivatives in the inputs, and Adam.

    taskset -c 0 python benchmarks/physics.py [points …]

2-20-20-20-20-1, tanh, float32: microseconds of CPU time a step, the best of five rounds, each engine in turn. PyTorch
and JAX take part where they are installed; each has one thread.
"""

from __future__ import annotations

import importlib.util
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

WIDTHS = (2, 20, 20, 20, 20, 1)
VISCOSITY = 0.01 / math.pi
STEPS, ROUNDS = 50, 5

Run = Callable[[], object]  # STEPS steps


def step_of(engine: Any, model: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    """The step, written alike for PyTorch and for this package."""

    def step(x: Any, t: Any) -> Any:
        x, t = x.detach().requires_grad_(), t.detach().requires_grad_()
        optimizer.zero_grad()
        u = model(engine.cat([x, t], 1))
        u_x, u_t = engine.autograd.grad(u.sum(), (x, t), create_graph=True)
        (u_xx,) = engine.autograd.grad(u_x.sum(), x, create_graph=True)
        residual = u_t + u * u_x - VISCOSITY * u_xx
        loss = (residual * residual).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def eager(engine: Any, points: int) -> tuple[Callable[[Any, Any], Any], Any, Any]:
    layers: list[Any] = []
    for inputs, outputs in pairwise(WIDTHS):
        layers += [engine.nn.Linear(inputs, outputs), engine.nn.Tanh()]
    model = engine.nn.Sequential(*layers[:-1])
    step = step_of(engine, model, engine.optim.Adam(model.parameters(), lr=1e-3))
    return step, engine.rand(points, 1) * 2 - 1, engine.rand(points, 1)


def ours(points: int) -> Iterator[tuple[str, Run]]:
    import pyautograd as pa

    step, x, t = eager(pa, points)
    yield "eager", lambda: [step(x, t) for _ in range(STEPS)]
    called = pa.compile(eager(pa, points)[0])
    yield "compiled", lambda: [called(x, t) for _ in range(STEPS)]
    run = pa.compile(eager(pa, points)[0])
    yield "run", lambda: run.run(x, t, batch_size=points, epochs=STEPS, shuffle=False)


def torch(points: int) -> Iterator[tuple[str, Run]]:
    import torch

    torch.set_num_threads(1)
    step, x, t = eager(torch, points)
    yield "PyTorch, eager", lambda: [step(x, t) for _ in range(STEPS)]


def jax(points: int) -> Iterator[tuple[str, Run]]:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax
    import jax.numpy as jnp

    keys = jax.random.split(jax.random.PRNGKey(0), len(WIDTHS) + 1)
    each = jax.tree_util.tree_map
    shapes = list(pairwise(WIDTHS))
    net = [(jax.random.normal(key, s) / math.sqrt(s[0]), jnp.zeros(s[1])) for key, s in zip(keys, shapes, strict=False)]
    x, t = jax.random.uniform(keys[-1], (points,)) * 2 - 1, jax.random.uniform(keys[-2], (points,))

    def u(net: Any, x: Any, t: Any) -> Any:
        h = jnp.stack([x, t])
        for i, (w, b) in enumerate(net):
            h = h @ w + b if i == len(net) - 1 else jnp.tanh(h @ w + b)
        return h[0]

    def residual(net: Any, x: Any, t: Any) -> Any:
        u_x = jax.grad(u, 1)
        return jax.grad(u, 2)(net, x, t) + u(net, x, t) * u_x(net, x, t) - VISCOSITY * jax.grad(u_x, 1)(net, x, t)

    def loss(net: Any) -> Any:
        return jnp.mean(jax.vmap(residual, (None, 0, 0))(net, x, t) ** 2)

    def step(state: Any, _: Any) -> Any:
        net, m, v, n = state
        value, g = jax.value_and_grad(loss)(net)
        m, v = each(lambda a, b: 0.9 * a + 0.1 * b, m, g), each(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        root = jnp.sqrt(1 - 0.999**n)
        net = each(lambda p, a, b: p - 1e-3 * (a / (1 - 0.9**n)) / (jnp.sqrt(b) / root + 1e-8), net, m, v)
        return (net, m, v, n + 1), value

    zeros = each(jnp.zeros_like, net)
    scan = jax.jit(lambda state: jax.lax.scan(step, state, None, length=STEPS))
    yield "JAX, scan", lambda: jax.block_until_ready(scan((net, zeros, zeros, jnp.float32(1))))


def main(points: int) -> None:
    engines = [ours, *(each for each in (torch, jax) if importlib.util.find_spec(each.__name__))]
    runs = dict(run for engine in engines for run in engine(points))
    best = dict.fromkeys(runs, math.inf)
    for each in runs.values():
        each()
    for _ in range(ROUNDS):
        for name, each in runs.items():
            begun = time.process_time()
            each()
            best[name] = min(best[name], (time.process_time() - begun) / STEPS * 1e6)
    print(f"{points} points:", ", ".join(f"{name} {micros:,.0f} us" for name, micros in best.items()))


if __name__ == "__main__":
    for argument in sys.argv[1:] or ["100", "1000"]:
        main(int(argument))
