"""`python -m pyautograd bench`: reads the arguments, pins the process, runs the cases, prints what they gave."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import pyautograd
from pyautograd._arguments import did_you_mean
from pyautograd.bench import _cases, _engines, _measure, _report


def main(argv: list[str] | None = None) -> int:
    """Runs the bench with the given arguments; returns the exit status, 1 if engines disagree."""
    argv = sys.argv[1:] if argv is None else argv
    options = parse(argv)
    if _measure.MEASURING in os.environ:
        return measure(options)
    # Thread counts are read when libraries load and NumPy has been loaded by now, so a new process measures.
    environment = {**os.environ, **_measure.ONE_THREAD, _measure.MEASURING: "1"}
    return subprocess.run([sys.executable, "-m", "pyautograd", "bench", *argv], env=environment, check=False).returncode


def parse(argv: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="pyautograd bench",
        description="Measures pyautograd against its pure-Python reference, and against those of "
        f"{', '.join(_engines.PEERS)} that are installed. About two minutes.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: half a minute, rougher numbers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers and the machine as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them (.png, .svg; needs the [plot] extra)")
    parser.add_argument("--peers", metavar="A,B", help="only these peers, or none; all that are installed by default")
    parser.add_argument("--only", metavar="A,B", help=f"only these cases, and not all: {', '.join(_cases.CASES)}")
    options = parser.parse_args(argv)
    for path in (options.json, options.plot):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            parser.error(f"{path} is no place for a file")
    options.cases = _chosen(parser, "case", options.only, list(_cases.CASES))
    options.peers = [] if options.peers == "none" else _chosen(parser, "peer", options.peers, list(_engines.PEERS))
    return options


def measure(options: argparse.Namespace) -> int:
    """Runs the chosen cases in this process."""
    pinning = _measure.pin_to_one_core()
    pyautograd.set_num_threads(1)
    peers = {name: version for name, version in _engines.installed_peers().items() if name in options.peers}
    about = _report.machine(pinning, peers)
    print(_report.heading(about), flush=True)
    effort = _measure.QUICK if options.quick else _measure.Effort()
    started, results = time.perf_counter(), []
    for name in options.cases:
        try:
            result = _cases.CASES[name](peers, effort, _progress(name))
        except _cases.DisagreementError as error:
            _progress(name)("")
            print(f"\n{name}: nothing was timed, the engines disagree: {error}", file=sys.stderr)
            return 1
        _progress(name)("")
        print(f"\n{_report.table(result)}", flush=True)
        results.append(result)
    print(f"\n{_report.headline(results)}\n\n{time.perf_counter() - started:.0f} s in all")
    if options.json:
        options.json.write_text(_report.as_json(results, about), encoding="utf-8")
        print(f"numbers: {options.json}")
    if options.plot:
        _report.plot(results, about).savefig(options.plot, dpi=150)
        print(f"plot: {options.plot}")
    return 0


def _progress(case: str) -> _cases.Progress:
    """Says on a terminal what is being measured, on one line that goes away; nothing elsewhere."""

    def show(what: str) -> None:
        if sys.stderr.isatty():
            text = f"{case}: {what}" if what else ""
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    return show


def _chosen(parser: argparse.ArgumentParser, kind: str, text: str | None, known: list[str]) -> list[str]:
    if text is None:
        return known
    chosen = [word for word in text.split(",") if word]
    for word in chosen:
        if word not in known:
            parser.error(f"no {kind} is called {word!r}{did_you_mean(word, known)}; there are {', '.join(known)}")
    return [name for name in known if name in chosen]
