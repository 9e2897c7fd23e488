"""The table, the JSON and the plot of what was measured."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyautograd
from pyautograd._blas import blas_path
from pyautograd.bench._cases import Result
from pyautograd.bench._engines import OURS, OURS_SCALAR, REFERENCE
from pyautograd.bench._measure import Timing, processor
from pyautograd.plot import COLOURS, GREY, INK, _require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {
    OURS: "pyautograd",
    OURS_SCALAR: "pyautograd, Values",
    REFERENCE: "pure-Python reference",
    "micrograd": "micrograd",
    "numpy": "NumPy by hand",
    "torch": "PyTorch eager",
    "jax": "JAX jit",
    "sklearn": "scikit-learn",
}


def machine(pinning: str, peers: dict[str, str]) -> dict[str, Any]:
    """What the numbers depend on: processor, system, versions, and what was done about cores and threads."""
    return {
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "pyautograd": pyautograd.__version__,
        "kernels": pyautograd.isa(),
        "blas": Path(blas_path() or "our own").name,
        "numpy": metadata.version("numpy"),
        "cores": f"{pinning}; one thread",
        "peers": peers,
    }


def seconds_text(seconds: float) -> str:
    """A duration in the unit that suits it.

    >>> [seconds_text(s) for s in (5.24e-8, 1.5e-5, 0.0123, 3.2)]
    ['52.4 ns', '15.0 us', '12.3 ms', '3.20 s']
    """
    for scale, unit in ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s")):
        number = seconds / scale
        if number < 1000 or unit == "s":
            digits = 2 if number < 10 else 1 if number < 100 else 0
            return f"{number:,.{digits}f} {unit}"
    raise AssertionError


def ratio_text(ratio: float | None) -> str:
    """A ratio with as many digits as it deserves.

    >>> [ratio_text(r) for r in (None, 0.52, 12.34, 1234.5)]
    ['', '0.52x', '12.3x', '1,234x']
    """
    if ratio is None:
        return ""
    return f"{ratio:,.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}x"


def command() -> str:
    """The command line that this process answers."""
    name, *arguments = sys.argv
    program = "python -m pyautograd" if Path(name).name in ("__main__.py", "pyautograd") else f"python {name}"
    return " ".join([f"$ {program}", *arguments])


def heading(about: dict[str, Any]) -> str:
    """A few lines on the command, the machine and the way of measuring."""
    peers = ", ".join(f"{name} {version}" for name, version in about["peers"].items()) or "no peers"
    return "\n".join(
        [
            command(),
            f"pyautograd {about['pyautograd']}: {about['kernels']} kernels, BLAS {about['blas']}",
            f"{about['python']}, NumPy {about['numpy']}; {peers}",
            f"{about['processor']}, {about['system']}; {about['cores']}",
            "medians of interleaved repetitions, ± half the interquartile range",
        ]
    )


def table(result: Result) -> str:
    """One case as aligned text, the engines in rows, the last column how many times our time each takes."""
    phases = result.phases
    last = "bytes a node" if result.unit == "bytes" else phases[-1] if len(phases) > 1 else "time"
    header = ["", *phases[:-1], last, "", "times ours"]
    rows = []
    for engine, timings in result.timings.items():
        cells = [_cell(timings.get(phase), result.unit) for phase in phases]
        total = timings[phases[-1]]
        spread = f"± {total.spread * 100:.0f}%" if total.repetitions > 1 else ""
        ratio = "" if engine == OURS else ratio_text(result.ratio(engine, phases[-1]))
        rows.append([NAMES.get(engine, engine), *cells, spread, ratio])
    notes = " · ".join(result.notes)
    return "\n".join([result.title, *_align([header, *rows]), f"  ({notes})"])


def headline(results: Iterable[Result]) -> str:
    """The ratios to the pure-Python reference, and micrograd's beside them."""
    rows = [["times faster than", "the reference", "micrograd"]]
    for result in results:
        name = "memory, times smaller" if result.unit == "bytes" else result.name
        rows.append([name, ratio_text(result.ratio(REFERENCE)), ratio_text(result.ratio("micrograd"))])
    return "\n".join(_align(rows))


def as_json(results: Iterable[Result], about: dict[str, Any]) -> str:
    """Everything as JSON; times in seconds a step, memory in bytes a node."""
    cases = []
    for result in results:
        engines = {
            engine: {
                phase: {"median": t.median, "low": t.low, "high": t.high, "repetitions": t.repetitions}
                for phase, t in timings.items()
            }
            for engine, timings in result.timings.items()
        }
        ratios = {engine: result.ratio(engine) for engine in result.timings}
        unit = result.unit or "seconds"
        case = {"name": result.name, "title": result.title, "unit": unit, "engines": engines, "ratios": ratios}
        cases.append({**case, "notes": result.notes})
    return json.dumps({"machine": about, "cases": cases}, indent=2)


def plot(results: list[Result], about: dict[str, Any]) -> Figure:
    """Bars on a logarithmic axis, one panel a case, quartiles as whiskers, times and ratios written beside them."""
    _require_matplotlib()
    from matplotlib.figure import Figure

    counts = [len(result.timings) for result in results]
    figure = Figure(figsize=(8.0, 0.27 * sum(counts) + 0.5 * len(results) + 0.5), layout="constrained")
    panels = figure.subplots(len(results), 1, squeeze=False, gridspec_kw={"height_ratios": [c + 0.8 for c in counts]})
    for ax, result in zip(panels[:, 0], results, strict=True):
        totals = {engine: timings[result.phases[-1]] for engine, timings in result.timings.items()}
        smallest, largest = (pick(t.median for t in totals.values()) for pick in (min, max))
        for k, (engine, t) in enumerate(totals.items()):
            colour = COLOURS[1] if engine == OURS else COLOURS[0] if engine == REFERENCE else "#b9c4cf"
            error = [[t.median - t.low], [t.high - t.median]]
            ax.barh(-k, t.median, height=0.66, color=colour, xerr=error, ecolor=GREY)
            ratio = "" if engine == OURS else f"   {ratio_text(result.ratio(engine, result.phases[-1]))}"
            ax.text(t.high * 1.12, -k, f"{_cell(t, result.unit)}{ratio}", va="center", fontsize=8, color=INK)
        ax.set_xscale("log")
        ax.set_xlim(smallest / 2.5, largest * 8)
        ax.set_yticks([-k for k in range(len(totals))], [NAMES.get(engine, engine) for engine in totals], fontsize=8)
        ax.set_title(result.title, loc="left", fontsize=9, color=INK)
        ax.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
        ax.tick_params(axis="y", length=0, colors=INK)
        for side in ax.spines.values():
            side.set_visible(False)
    figure.suptitle(f"{about['processor']}, {about['cores']}; logarithmic axes", fontsize=8, color=GREY)
    return figure


def _cell(timing: Timing | None, unit: str) -> str:
    if timing is None:
        return ""
    return f"{timing.median:.0f}" if unit == "bytes" else seconds_text(timing.median)


def _align(rows: list[list[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines
