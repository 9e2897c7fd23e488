"""What `import pyautograd` costs beyond `import numpy`, and whether it starts a thread.

    python benchmarks/import_time.py [--rounds 15]

Fresh interpreters in turn, one import each, the time taken inside; medians and quartiles in milliseconds. Files are in
the system's cache after the first round, which is not counted.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

from pyautograd.bench import _measure, _report

PROGRAM = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start, end=" ")
try:
    print(open("/proc/self/status").read().split("Threads:")[1].split()[0])
except OSError:
    print(0)
"""


def measure(module: str) -> tuple[float, int]:
    """Seconds to import the module in a new interpreter, and the threads that run afterwards."""
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    seconds, threads = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), int(threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(_report.command())
    wanted = ["numpy", "pyautograd", "sklearn.neural_network", "jax", "torch"]
    modules = [name for name in wanted if importlib.util.find_spec(name.partition(".")[0])]
    samples: dict[str, list[float]] = {name: [] for name in modules}
    threads: dict[str, int] = {}
    for k in range(options.rounds + 1):
        for name in modules:
            if k > 3 and name not in ("numpy", "pyautograd"):
                continue
            seconds, threads[name] = measure(name)
            if k:
                samples[name].append(seconds)
    timings = {name: _measure.summarise(values) for name, values in samples.items()}
    for name, t in timings.items():
        quartiles = f"{t.low * 1e3:.0f} to {t.high * 1e3:.0f}"
        print(f"import {name:<24}{t.median * 1e3:8.1f} ms   ({quartiles}; threads afterwards: {threads[name]})")
    more = (timings["pyautograd"].median - timings["numpy"].median) * 1e3
    print(
        f"pyautograd costs {more:.1f} ms more than numpy and starts {threads['pyautograd'] - threads['numpy']} threads"
    )


if __name__ == "__main__":
    main()
