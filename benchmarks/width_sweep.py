"""How a training step grows with the width of the net: 10-w-w-10, batch 128, Adam, w from 32 to 256.

    python benchmarks/width_sweep.py [--plot sweep.png] [--threads 1]

Wall-clock and CPU time of a step, which must be the same on one thread: no idle waiting, no helpers. Beside PyTorch
where it is installed. A step that takes over 1.35 times what its neighbours' times suggest is marked as a cliff.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import pyautograd
from pyautograd.bench import _engines, _measure, _report

WIDTHS = (32, 40, 46, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)
ROUNDS = 15


def problem(width: int) -> _engines.Problem:
    random = np.random.RandomState(0)
    batches = [
        (random.rand(128, 10).astype(np.float32), random.randint(0, 10, 128).astype(np.int64)) for _ in range(20)
    ]
    return _engines.Problem((10, width, width, 10), batches, lr=1e-3)


def measure(trainer: Any, steps: int) -> tuple[float, float]:
    """Wall-clock and CPU seconds of a step."""
    cpu, wall = time.process_time(), time.perf_counter()
    trainer.run(steps)
    return (time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    pinning = _measure.on_one_core() if options.threads == 1 else "not pinned"
    pyautograd.set_num_threads(options.threads)
    peers = {name: version for name, version in _engines.installed_peers().items() if name == "torch"}
    print(_report.heading(_report.machine(pinning, peers)))
    samples: dict[int, dict[str, list[tuple[float, float]]]] = {}
    trainers = {width: _engines.tensor_trainers(problem(width), peers, values=False) for width in WIDTHS}
    for k in range(ROUNDS + 1):
        for width, engines in trainers.items():
            for name, trainer in engines.items():
                sample = measure(trainer, 60)
                if k:
                    samples.setdefault(width, {}).setdefault(name, []).append(sample)
    walls = {w: statistics.median(wall for wall, _ in engines[_engines.OURS]) for w, engines in samples.items()}
    print(f"\n{'w':>5}{'wall':>12}{'CPU':>12}{'CPU/wall':>10}{'PyTorch':>12}{'ratio':>8}")
    for k, width in enumerate(WIDTHS):
        wall, cpu = (statistics.median(column) for column in zip(*samples[width][_engines.OURS], strict=True))
        line = f"{width:>5}{_report.seconds_text(wall):>12}{_report.seconds_text(cpu):>12}{cpu / wall:>10.2f}"
        if "torch" in peers:
            torch = statistics.median(wall for wall, _ in samples[width]["torch"])
            line += f"{_report.seconds_text(torch):>12}{_report.ratio_text(torch / wall):>8}"
        if 0 < k < len(WIDTHS) - 1:
            expected = np.interp(width, *zip(*((w, walls[w]) for w in (WIDTHS[k - 1], WIDTHS[k + 1])), strict=True))
            line += "   a cliff" if wall > 1.35 * expected else ""
        print(line)
    if options.plot:
        draw(samples, options.plot)


def draw(samples: dict[int, dict[str, list[tuple[float, float]]]], path: Path) -> None:
    from pyautograd import plot

    figure, ax = plot.new_figure()
    for name in samples[WIDTHS[0]]:
        times = [statistics.median(wall for wall, _ in samples[w][name]) * 1e6 for w in WIDTHS]
        ax.plot(WIDTHS, times, marker="o", markersize=3, label=_report.NAMES[name])
    ax.set_xlabel("w")
    ax.set_ylabel("us a step")
    ax.set_title("10-w-w-10, batch 128, Adam", loc="left", fontsize=11)
    ax.legend(frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
