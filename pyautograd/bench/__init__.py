"""The benchmarks that run from an installed wheel: `python -m pyautograd bench`.

    _engines.py   who takes part: pyautograd, the pure-Python reference, and what else is installed
    _cases.py     what is measured: the same program for every engine
    _measure.py   one core, interleaved repetitions, medians with their spread
    _report.py    the table, the JSON and the plot

Before anything is timed, every program of a case has to compute the same numbers; if one does not, the bench stops.
"""

from __future__ import annotations

from pyautograd.bench._cli import main

__all__ = ["main"]


def __dir__() -> list[str]:
    return __all__
