"""What denormals cost: steps of a net whose gradients are as small as those of one that has learnt its batch by heart.

Its loss is multiplied by 1, 1e-30, 1e-33 and 1e-36, so that ever more of its gradients lie below 1.2e-38, where an
operation costs some processors a hundred cycles. Each step is timed as it is and with
`pyautograd.set_flush_denormal(False)`, eager and compiled, in turns; the ratio is that to the unscaled loss.

    python benchmarks/denormals.py [--sizes 256,512,512,100] [--batch 64] [--repeat 30]
"""

from __future__ import annotations

import argparse
import itertools
import time

import pyautograd as pa
from pyautograd import Tensor, nn, optim
from pyautograd.nn import functional as F

FACTORS = (1.0, 1e-30, 1e-33, 1e-36)


class Case:
    """A net with its step, eager or compiled, flushing or not."""

    def __init__(self, sizes: list[int], compiled: bool, flushes: bool) -> None:
        pa.manual_seed(0)
        model = nn.MLP(sizes[0], sizes[1:])
        optimizer = optim.SGD(model.parameters(), lr=1e-3)

        def step(x: Tensor, y: Tensor, factor: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y) * factor
            loss.backward()
            optimizer.step()
            return loss

        self.step = pa.compile(step) if compiled else step
        self.name = f"{'compiled' if compiled else 'eager':8}  {'flushed' if flushes else 'kept':7}"
        self.flushes = flushes
        self.best = dict.fromkeys(FACTORS, float("inf"))

    def time(self, x: Tensor, y: Tensor, factor: float) -> None:
        """Notes the least of the milliseconds that a step has taken."""
        pa.set_flush_denormal(self.flushes)
        given = pa.tensor(factor)
        self.step(x, y, given)
        start = time.perf_counter()
        self.step(x, y, given)
        self.best[factor] = min(self.best[factor], 1e3 * (time.perf_counter() - start))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="256,512,512,100")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=30)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    x, y = pa.randn(options.batch, sizes[0]), pa.randint(0, sizes[-1], (options.batch,))
    cases = [Case(sizes, compiled, flushes) for compiled, flushes in itertools.product((False, True), repeat=2)]
    for _, factor, case in itertools.product(range(options.repeat), FACTORS, cases):
        case.time(x, y, factor)
    pa.set_flush_denormal(True)
    print(f"{'-'.join(map(str, sizes))}, batch {options.batch}; a step in ms, and its ratio to the first")
    for case in cases:
        first = case.best[1.0]
        print(case.name, *(f"  {f:.0e} {ms:8.3f} ({ms / first:5.2f})" for f, ms in case.best.items()))


if __name__ == "__main__":
    main()
