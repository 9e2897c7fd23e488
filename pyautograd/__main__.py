"""The command line: `python -m pyautograd demo`, `explain`, `bench` and `info`; `pyautograd` does the same."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path

import numpy

import pyautograd
from pyautograd._arguments import did_you_mean
from pyautograd._blas import blas_path

USAGE = """\
usage: pyautograd COMMAND [options]

  demo     train on the moons and on handwritten digits, and draw what came of it
  explain  show the chain rule run back through a formula: pyautograd explain "(a*b + c).tanh()" a=2 b=-3 c=10
  bench    measure the engine against pure Python, and against its peers where they are installed
  info     version, instruction set, BLAS, threads

  --version, -V  the version alone
  --help, -h     this text; pyautograd COMMAND --help tells a command's options and their defaults"""


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns its exit status; 2 if there is no such command."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if arguments and arguments[0] in ("-V", "--version"):
        print(f"pyautograd {pyautograd.__version__}")
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        known = [*COMMANDS, "--version", "--help"]
        unknown = f"no command is called {arguments[0]!r}{did_you_mean(arguments[0], known)}\n\n" if arguments else ""
        print(f"{unknown}{USAGE}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def demo(argv: list[str]) -> int:
    from pyautograd import demo

    return demo.main(argv)


def explain(argv: list[str]) -> int:
    from pyautograd import _explain

    return _explain.main(argv)


def bench(argv: list[str]) -> int:
    from pyautograd import bench

    return bench.main(argv)


def info(argv: list[str]) -> int:
    lines = {
        "pyautograd": f"{pyautograd.__version__} in {Path(pyautograd.__file__).parent}",
        "kernels": pyautograd.isa(),
        "BLAS": blas_path() or "none: our own kernels",
        "threads": pyautograd.get_num_threads(),
        "numpy": numpy.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}",
    }
    for name, text in lines.items():
        print(f"{name:<12}{text}")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {"demo": demo, "explain": explain, "bench": bench, "info": info}

if __name__ == "__main__":
    sys.exit(main())
