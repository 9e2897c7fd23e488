"""One core, interleaved repetitions, medians with their spread."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

LIBRARIES = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")
ONE_THREAD = {**{f"{name}_NUM_THREADS": "1" for name in LIBRARIES}, "VECLIB_MAXIMUM_THREADS": "1"}

MEASURING = "PYAUTOGRAD_BENCH"  # set in the process that measures

now = time.perf_counter


class Program(Protocol):
    """What an engine does in a case. Each call starts afresh, so that all repetitions do the same work."""

    def losses(self, steps: int) -> list[float]:
        """The numbers that all engines must agree on: those of the first `steps` steps."""

    def run(self, steps: int) -> dict[str, float]:
        """Does `steps` steps and says how many seconds their phases took, and all of it: `step`."""


@dataclass(frozen=True)
class Timing:
    """Seconds a step: the median of the repetitions and their quartiles."""

    median: float
    low: float
    high: float
    repetitions: int

    @property
    def spread(self) -> float:
        """Half the interquartile range, relative to the median."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds an engine and case, the seconds of one repetition, the fewest repetitions, and the
    fewest and most steps of a repetition."""

    seconds: float = 2.5
    slice: float = 0.15
    fewest: int = 3
    fewest_steps: int = 1
    most_steps: int = 4000


QUICK = Effort(seconds=0.4, slice=0.05, fewest=1)


def summarise(seconds: Sequence[float]) -> Timing:
    """Median and quartiles of some measurements.

    >>> summarise([3.0, 1.0, 2.0])
    Timing(median=2.0, low=1.5, high=2.5, repetitions=3)
    """
    if len(seconds) == 1:
        return Timing(seconds[0], seconds[0], seconds[0], 1)
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(median, low, high, len(seconds))


def interleave(
    programs: Mapping[str, Program], effort: Effort, progress: Callable[[str], None] = lambda who: None
) -> dict[str, dict[str, Timing]]:
    """Runs the programs in turn, round after round, each until its time is used up; a Timing an engine and phase.

    What the machine does besides then falls on all of them alike. An engine runs as many steps a repetition as fill
    `effort.slice`; one whose single step takes longer is repeated `effort.fewest` times. Cyclic garbage is collected
    before a repetition, outside the clock, and what lives by then is kept out of later collections.
    """
    steps: dict[str, int] = {}
    for name, program in programs.items():
        progress(name)
        once = max(program.run(1)["step"], 1e-7)
        if once < 1.0:
            once = max(program.run(1)["step"], 1e-7)
        if once < effort.slice:  # the first steps are slower than those to come
            trial = min(max(int(effort.slice / once / 4), 1), effort.most_steps)
            once = max(program.run(trial)["step"] / trial, 1e-7)
        steps[name] = min(max(round(effort.slice / once), effort.fewest_steps), effort.most_steps)
    samples: dict[str, dict[str, list[float]]] = {name: {} for name in programs}
    used = dict.fromkeys(programs, 0.0)
    done = dict.fromkeys(programs, 0)
    gc.collect()
    gc.freeze()
    try:
        while waiting := [n for n in programs if done[n] < effort.fewest or used[n] < effort.seconds]:
            for name in waiting:
                progress(name)
                gc.collect()
                start = now()
                for phase, seconds in programs[name].run(steps[name]).items():
                    samples[name].setdefault(phase, []).append(seconds / steps[name])
                used[name] += now() - start
                done[name] += 1
    finally:
        gc.unfreeze()
    return {name: {phase: summarise(values) for phase, values in phases.items()} for name, phases in samples.items()}


def pin_to_one_core() -> str:
    """Binds the process to one of its cores where the system allows; says in words what was done."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned (this system cannot)"
    core = max(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, {core})
    except OSError as error:
        return f"not pinned ({error.strerror})"
    return f"pinned to core {core}"


def on_one_core() -> str:
    """For scripts: starts the script anew with one thread a library, then pins it; says in words what was done.

    Thread counts are read when libraries load, and NumPy has been loaded by the time this is called.
    """
    if MEASURING not in os.environ:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **ONE_THREAD, MEASURING: "1"})
    return pin_to_one_core()


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
