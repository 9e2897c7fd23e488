"""Second derivatives of a 10-32-1 tanh net: the Hessian in its inputs, and a Hessian-vector product in its parameters.

    python benchmarks/derivatives.py [pyautograd|torch|jax]

The Hessian is of the squared output at one input, the product of the mean squared error over 64 rows. Microseconds of
CPU time a call, float32, the best of seven runs; give it one core with `taskset -c 0`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WIDTHS = ((32, 10), (32,), (1, 32), (1,))


def microseconds(call: Callable[[], Any], n: int = 100) -> float:
    def run() -> float:
        begin = time.process_time()
        for _ in range(n):
            call()
        return time.process_time() - begin

    run()
    return min(run() for _ in range(7)) / n * 1e6


def cases(
    lib: Any, make: Callable[[Any], Any], transforms: Any
) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """The functions, each with its arguments."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return make((0.3 * rng.normal(size=shape)).astype(np.float32))

    weights, vectors = (tuple(draw(*shape) for shape in WIDTHS) for _ in range(2))
    rows, targets, x = draw(64, 10), draw(64, 1), draw(10)

    def net(w: Any, x: Any) -> Any:
        return lib.tanh(x @ w[0].T + w[1]) @ w[2].T + w[3]

    def loss(w: Any) -> Any:
        return ((net(w, rows) - targets) ** 2).mean()

    def product(w: Any, v: Any) -> Any:
        return transforms.jvp(transforms.grad(loss), (w,), (v,))[1]

    return {
        "Hessian in the inputs": (transforms.hessian(lambda x: (net(weights, x) ** 2).sum()), (x,)),
        "product in the parameters": (product, (weights, vectors)),
    }


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "pyautograd"
    if name == "jax":
        import jax
        import jax.numpy as lib

        found = {f"{key}, jit": (jax.jit(f), args) for key, (f, args) in cases(lib, lib.asarray, jax).items()}
        wait = jax.block_until_ready
    else:
        lib = __import__(name)
        if name == "torch":
            lib.set_num_threads(1)
        found, wait = cases(lib, lib.tensor, lib.func), lambda result: result
        if name == "pyautograd":
            found |= {f"{key}, compiled": (lib.compile(f), args) for key, (f, args) in found.items()}
    for key, (f, args) in found.items():
        print(f"{name:<12} {key:<36} {microseconds(lambda f=f, args=args: wait(f(*args))):8.1f} us")


if __name__ == "__main__":
    main()
