"""The command line: `python benchmarks/peers [--quick] [--threads 2] [--only nets/moons,training] [--publish]`.

Every case is measured by a process of its own, started with so many threads a library and pinned to as many cores;
this process hands out the cases, gathers what they found in one JSON file, and draws tables and plots from it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers import memory, moons, nets, products, publish, replay, rounds, tables, training, transformer
from pyautograd.bench import _engines, _measure, _report

Measure = Callable[[Any, rounds.Progress], rounds.Case]

CASES: dict[str, Measure] = {
    **{f"nets/{name}": (lambda o, p, name=name: nets.measure(name, o, p)) for name in nets.NETS},
    "training": training.measure,
    "moons": moons.measure,
    "transformer": transformer.measure,
    "replay": replay.measure,
    "memory/mnist": lambda o, p: memory.measure("mnist", o, p),
    "memory/large": lambda o, p: memory.measure("large", o, p),
    "products/mnist": lambda o, p: products.measure("mnist", o, p),
    "products/large": lambda o, p: products.measure("large", o, p),
}
SEVERAL_THREADS = [name for name in CASES if name.startswith("nets/")]
WORKER = "PYAUTOGRAD_PEERS_WORKER"


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/peers", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter repetitions, no large net: under two minutes"
    )
    parser.add_argument("--threads", type=int, default=1, help="and as many cores; with more than one the nets alone")
    parser.add_argument("--only", metavar="A,B", help=f"only these cases: {', '.join(CASES)}, or what they begin with")
    parser.add_argument("--peers", metavar="A,B", help="only these peers, or none; all that are installed by default")
    parser.add_argument("--core", type=int, help="the first core to use; the last that there is by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the numbers go; those of other cases stay")
    parser.add_argument("--publish", action="store_true", help="fill README.md and docs/ from the JSON file")
    parser.add_argument("--render", action="store_true", help="measure nothing: print, or publish, what the file has")
    options = parser.parse_args(argv)
    options.cases = list(CASES) if options.threads == 1 else SEVERAL_THREADS
    if options.quick and not options.only:
        options.cases = [name for name in options.cases if not name.endswith("/large")]
    if options.only:
        wanted = options.only.split(",")
        for word in wanted:
            if not any(name == word or name.startswith(word + "/") for name in CASES):
                parser.error(f"no case is called {word!r}; there are {', '.join(CASES)}")
        options.cases = [n for n in options.cases if any(n == word or n.startswith(word + "/") for word in wanted)]
    if options.render and not options.json:
        parser.error("--render needs --json FILE")
    installed = _engines.installed_peers()
    chosen = installed if options.peers is None else options.peers.split(",")
    options.peers = {name: version for name, version in installed.items() if name in chosen}
    options.effort = rounds.QUICK if options.quick else rounds.Effort()
    return options


def main(argv: list[str] | None = None) -> int:
    """Measures, prints, and with `--publish` writes; the exit status is 1 if engines disagreed."""
    argv = sys.argv[1:] if argv is None else argv
    options = parse(argv)
    if WORKER in os.environ:
        return work(options, Path(os.environ[WORKER]))
    found: dict[str, Any] = {"runs": {}}
    if options.json and options.json.exists():
        found = json.loads(options.json.read_text(encoding="utf-8"))
    status = 0
    if not options.render:
        status = run_all(options, argv, found)
    if options.publish:
        for path in publish.publish(found):
            print(f"wrote {path}")
    elif options.render:
        print(tables.everything(found))
    return status


def run_all(options: argparse.Namespace, argv: list[str], found: dict[str, Any]) -> int:
    """A process a case; fills `found` and the file."""
    started, status = time.perf_counter(), 0
    results = found["runs"].setdefault(str(options.threads), {"cases": {}})
    results["effort"] = "quick" if options.quick else "full"
    for name in options.cases:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "case.json")
            environment = {**os.environ, **_measure.ONE_THREAD, WORKER: str(file)}
            for variable in _measure.ONE_THREAD:
                environment[variable] = str(options.threads)
            program = [sys.executable, str(Path(__file__).parent), *argv, "--only", name]
            code = subprocess.run(program, env=environment, check=False).returncode
            if code or not file.exists():
                print(f"{name}: nothing came of it (exit status {code})", file=sys.stderr)
                status = 1
                continue
            got = json.loads(file.read_text(encoding="utf-8"))
        results["machine"] = got["machine"]
        results["cases"][name] = got["case"]
        print(tables.plain(got["case"]), flush=True)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(f"{time.perf_counter() - started:.0f} s in all")
    return status


def work(options: argparse.Namespace, file: Path) -> int:
    """In the process that measures: pins it, measures its one case, leaves the result in a file."""
    pinning = pin(options.threads, options.core)
    import pyautograd

    pyautograd.set_num_threads(options.threads)
    (name,) = options.cases
    started = time.perf_counter()
    try:
        case = CASES[name](options, _progress(name))
    except rounds.Disagreement as error:
        print(f"{name}: nothing was timed, the engines disagree: {error}", file=sys.stderr)
        return 1
    finally:
        _progress(name)("")
    machine = _report.machine(pinning, options.peers)
    machine["cores"] = f"{pinning}; {options.threads} thread{'s' * (options.threads > 1)}"
    case.facts["took"] = time.perf_counter() - started
    file.write_text(json.dumps({"machine": machine, "case": case.as_dict()}), encoding="utf-8")
    return 0


def pin(cores: int, first: int | None) -> str:
    """Binds the process to so many cores, the last ones unless told, where the system allows; says what was done."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned (this system cannot)"
    have = sorted(os.sched_getaffinity(0))
    wanted = [core for core in have if first is None or core >= first]
    chosen = wanted[-cores:] if first is None else wanted[:cores]
    os.sched_setaffinity(0, chosen)
    return f"pinned to core{'s' * (len(chosen) > 1)} {', '.join(map(str, chosen))}"


def _progress(case: str) -> rounds.Progress:
    def show(what: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{f'{case}: {what}' if what else ''}")
            sys.stderr.flush()

    return show
