"""Pictures of what was measured, logarithmic on both axes: a step against the size of the net, every engine a line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peers import ours, tables, theirs
from pyautograd.bench import _report

STYLES = {
    ours.RUN: ("#d1702f", "-", 2.4),
    ours.CALL: ("#d1702f", "--", 1.6),
    ours.EAGER: ("#d1702f", ":", 1.6),
    theirs.SCAN: ("#33658a", "-", 1.8),
    theirs.JIT: ("#33658a", "--", 1.4),
    theirs.TORCH: ("#8a5a9e", "-", 1.8),
    theirs.TORCH_COMPILE: ("#8a5a9e", "--", 1.4),
    theirs.NUMPY: ("#4f8f5b", "-", 1.4),
    theirs.SKLEARN: ("#b8964a", "-", 1.4),
}


def draw(run: Mapping[str, Any], path: Path) -> None:
    """Seconds a step, and times ours, against the number of parameters; whiskers are quartiles."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    from pyautograd.plot import GREY, INK

    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    cases = tables.nets_of(run)
    base = next((own for own in (ours.RUN, ours.EAGER) if all(own in case["ratios"] for _, case in cases)), ours.EAGER)
    for engine, (colour, line, width) in STYLES.items():
        name = tables.OURS_IN_WORDS.get(engine, tables.NAMES[engine]).replace("`", "")
        style = {
            "color": colour,
            "linestyle": line,
            "linewidth": width,
            "marker": "o",
            "markersize": 3.5,
            "label": name,
        }
        for ax, values in (
            (left, [(c["facts"]["parameters"], c["timings"].get(engine)) for _, c in cases]),
            (right, [(c["facts"]["parameters"], c["ratios"][base].get(engine)) for _, c in cases]),
        ):
            points = [(x, t["median"], t["median"] - t["low"], t["high"] - t["median"]) for x, t in values if t]
            if points:
                x, y, below, above = zip(*points, strict=True)
                ax.errorbar(x, y, yerr=(below, above), elinewidth=0.8, **style)
    right.axhline(1.0, color=STYLES[base][0], linewidth=2.0)
    left.set_title("a training step", loc="left", fontsize=10, color=INK)
    right.set_title(f"times {tables.OURS_IN_WORDS[base].replace('`', '')}", loc="left", fontsize=10, color=INK)
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("parameters of the net", fontsize=9)
        ax.grid(True, which="major", linewidth=0.4, color="#dddddd")
        ax.tick_params(labelsize=8)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    left.yaxis.set_major_formatter(FuncFormatter(_seconds))
    right.yaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}×"))
    left.legend(frameon=False, fontsize=7.5)
    about = run["machine"]
    figure.suptitle(f"{about['processor']}, {about['cores']}; Adam, float32", fontsize=8, color=GREY)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _seconds(value: float, _: int) -> str:
    number, unit = _report.seconds_text(value).replace("us", "µs").split()
    return f"{float(number.replace(',', '')):g} {unit}"
