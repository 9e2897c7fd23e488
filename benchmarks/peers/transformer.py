"""examples/microgpt.py: a transformer of 4,192 parameters, each of them a Value; one step is one name of five letters.

The example names its engines: pure Python, pyautograd's Values, and the same under `@pyautograd.compile`.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from peers import ours, rounds
from pyautograd.bench._measure import now

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "microgpt.py"
NAMES = ("emma", "oliver", "clara", "hugo")
COMPILED, SCALAR, REFERENCE = "compiled", "scalar", "reference"


def example() -> Any:
    """The example as a module; this one is no part of the wheel."""
    spec = importlib.util.spec_from_file_location("microgpt", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["microgpt"] = module
    spec.loader.exec_module(module)
    return module


class GPT:
    """Trains on one name after the other; all are timed on names of five letters."""

    def __init__(self, module: Any, engine: str) -> None:
        self.module, self.engine = module, engine
        self.step: Any = None

    def losses(self, steps: int) -> list[float]:
        _, _, step = self.module.build(self.engine)
        return [float(step(self.module.tokens(NAMES[k % len(NAMES)]))) for k in range(steps)]

    def run(self, steps: int) -> dict[str, float]:
        name = self.module.tokens("clara")
        if self.step is None:
            _, _, self.step = self.module.build(self.engine)
            for _ in range(ours.RECORDED + 1 if self.engine == COMPILED else 0):
                self.step(name)
        start = now()
        for _ in range(steps):
            self.step(name)
        return {"step": now() - start}


def measure(options: Any, progress: rounds.Progress) -> rounds.Case:
    """The case."""
    module = example()
    engines = [*([COMPILED] if ours.compiles() else []), SCALAR, REFERENCE]
    programs = {name: GPT(module, name) for name in engines}
    case = rounds.Case("transformer", "a step of examples/microgpt.py on a name of five letters", tuple(engines[:-1]))
    effort = replace(options.effort, longest=2 * options.effort.longest)
    steps = 12 if options.effort.quick else 20
    return rounds.measure(case, programs, effort, progress, steps, 1e-9, {REFERENCE: 3})
