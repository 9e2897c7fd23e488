"""Interleaved rounds: every engine runs once a round, so that what else the machine does falls on all of them alike.

A ratio is taken within a round, between two repetitions that are neighbours in time, and then the median of the rounds'
ratios: it wanders far less than a quotient of two medians on a machine that others use too.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pyautograd.bench._measure import Program, Timing, summarise

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, seconds of a repetition, and the seconds after which an engine sits rounds out."""

    rounds: int = 11
    slice: float = 0.12
    longest: float = 4.0
    quick: bool = False


QUICK = Effort(rounds=3, slice=0.03, longest=0.5, quick=True)


@dataclass
class Case:
    """What a case measured: seconds a step by engine, theirs over each of `ours` by engine, and facts by name."""

    name: str
    title: str
    ours: tuple[str, ...]
    timings: dict[str, Timing] = field(default_factory=dict)
    ratios: dict[str, dict[str, Timing]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Disagreement(Exception):  # noqa: N818 - named as what it is
    """Two engines were to compute the same losses and did not."""


def check(
    programs: Mapping[str, Program], steps: int, tolerance: float, slow: Mapping[str, int] | None = None
) -> float:
    """The largest difference between the losses of the first `steps` steps, relative or absolute below 1.

    `slow` has engines of which fewer steps are compared. Disagreement where one is above `tolerance`.
    """
    (first, program), *others = programs.items()
    wanted = program.losses(steps)
    worst = 0.0
    for name, other in others:
        count = (slow or {}).get(name, steps)
        got = list(other.losses(count))
        if len(got) < count:
            raise Disagreement(f"{name} gave {len(got)} losses of {count}")
        for k, (a, b) in enumerate(zip(wanted, got)):
            difference = abs(a - b) / max(abs(a), 1.0)
            if not difference <= tolerance:
                raise Disagreement(f"{first} and {name} differ at step {k}: {a!r} and {b!r}")
            worst = max(worst, difference)
    return worst


def interleave(
    programs: Mapping[str, Program], effort: Effort, progress: Progress = lambda what: None
) -> dict[str, dict[int, float]]:
    """Seconds a step by engine and round.

    An engine runs as many steps a repetition as fill `effort.slice`. One whose repetition takes so long that all rounds
    would exceed `effort.longest` seconds takes part in some of them only, spread evenly; in two at the least.
    """
    steps, turns = {}, {}
    for name, program in programs.items():
        progress(name)
        steps[name], seconds = _steps_that_fill(program, effort.slice)
        most = max(int(effort.longest / seconds), 2)
        turns[name] = set(range(effort.rounds)) if most >= effort.rounds else _spread(most, effort.rounds)
    samples: dict[str, dict[int, float]] = {name: {} for name in programs}
    names = list(programs)
    gc.collect()
    gc.freeze()
    try:
        for k in range(effort.rounds):
            for name in names[k % len(names) :] + names[: k % len(names)]:  # no engine always follows the same other
                if k in turns[name]:
                    progress(f"{name}, round {k + 1} of {effort.rounds}")
                    gc.collect()
                    samples[name][k] = programs[name].run(steps[name])["step"] / steps[name]
    finally:
        gc.unfreeze()
    return samples


def _steps_that_fill(program: Program, seconds: float) -> tuple[int, float]:
    """How many steps take so many seconds, and what they take. The first steps are slower and do not count."""
    once = program.run(1)["step"]
    if once < 1.0:
        once = program.run(1)["step"]
    steps = 1
    while once * steps < seconds / 2:
        steps = min(max(math.ceil(seconds / max(once, 1e-12) * 0.6), 2), steps * 50)
        once = program.run(steps)["step"] / steps
    steps = max(round(seconds / max(once, 1e-12)), 1)
    return steps, steps * once


def _spread(count: int, rounds: int) -> set[int]:
    return {round(k * (rounds - 1) / (count - 1)) for k in range(count)}


def ratios(samples: Mapping[str, Mapping[int, float]], ours: str) -> dict[str, Timing]:
    """Median and quartiles of theirs over ours, round by round."""
    base = samples[ours]
    paired = {name: [s / base[k] for k, s in rounds.items() if k in base] for name, rounds in samples.items()}
    return {name: summarise(values) for name, values in paired.items() if name != ours and values}


def measure(
    case: Case,
    programs: Mapping[str, Program],
    effort: Effort,
    progress: Progress,
    steps: int,
    tolerance: float,
    slow: Mapping[str, int] | None = None,
) -> Case:
    """Checks that the programs agree, times them in turn and fills in the case."""
    progress("checking that all compute the same")
    worst = check(programs, steps, tolerance, slow)
    case.notes.append(f"same losses over {steps} steps " + ("to the last bit" if worst == 0 else f"within {worst:.0e}"))
    case.notes += [f"{name}: {form}" for name, program in programs.items() if (form := getattr(program, "said", ""))]
    return time(case, programs, effort, progress)


def time(case: Case, programs: Mapping[str, Program], effort: Effort, progress: Progress) -> Case:
    """Times programs whose results were compared elsewhere."""
    samples = interleave(programs, effort, progress)
    case.timings |= {name: summarise(list(rounds.values())) for name, rounds in samples.items()}
    case.ratios |= {name: ratios(samples, name) for name in case.ours}
    return case
