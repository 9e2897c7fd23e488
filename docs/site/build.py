"""Builds the site into build/site: pages, pictures made by the course's own code, and the API from docstrings.

The pages are copied into build/site-source as they lie in the repository, so that a link that works there works here; a
link to a file that is no page leads to the repository. Whatever Sphinx warns about, a link to nowhere among it, is an
error.
"""

from __future__ import annotations

import doctest
import importlib
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from sphinx.cmd.build import main as sphinx

ROOT = Path(__file__).resolve().parents[2]
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
MODULES = {
    "pyautograd": "tensors, and functions of them",
    "pyautograd.nn": "modules: layers, losses, activations",
    "pyautograd.nn.functional": "the same as functions",
    "pyautograd.nn.init": "initial weights",
    "pyautograd.nn.utils": "of gradients and parameters as a whole",
    "pyautograd.optim": "optimisers",
    "pyautograd.optim.lr_scheduler": "learning-rate schedules",
    "pyautograd.autograd": "gradients, hooks, operations of one's own",
    "pyautograd.autograd.functional": "derivatives by the names of `torch.autograd.functional`",
    "pyautograd.func": "derivatives of functions, of any order, in both modes",
    "pyautograd.callbacks": "what `run` calls after an epoch",
    "pyautograd.linalg": "linear algebra",
    "pyautograd.special": "special functions",
    "pyautograd.utils.data": "datasets and loaders",
    "pyautograd.datasets": "data to try things on",
    "pyautograd.sklearn": "scikit-learn's estimators",
    "pyautograd.scalar": "Values: micrograd's API",
    "pyautograd.plot": "pictures of training",
    "pyautograd.compat": "names of PyTorch that say nothing about a computation",
    "pyautograd.bench": "the benchmarks",
}
CONTENTS = {
    "To begin": ["../README", "course/index"],
    "Coming from": ["micrograd", "pytorch", "pytorch-names", "sklearn"],
    "How to": ["training", "programs", "derivatives", "clusters", "interop"],
    "To look up": ["reference/index", "benchmarks", "reliability", "architecture"],
    "The project": ["../CHANGELOG", "../CONTRIBUTING", "../SECURITY"],
}


def main() -> int:
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE / "docs", ignore=shutil.ignore_patterns("site"))
    for page in ROOT.glob("*.md"):
        shutil.copy(page, SOURCE)
    failed = sum(map(run, sorted((SOURCE / "docs" / "course").glob("[0-9]*.md"))))
    if failed:
        return failed
    write_reference(SOURCE / "docs" / "reference")
    chapters = sorted(page.stem for page in (SOURCE / "docs" / "course").glob("[0-9]*.md"))
    add_contents(SOURCE / "docs" / "course" / "index.md", chapters)
    for caption, pages in CONTENTS.items():
        add_contents(SOURCE / "docs" / "index.md", pages, caption)
    shutil.rmtree(SITE, ignore_errors=True)
    status = sphinx(
        ["-W", "--keep-going", "-q", "-b", "html", "-c", str(Path(__file__).parent), str(SOURCE), str(SITE)]
    )
    if status == 0:
        for page in (SOURCE / "docs" / "course").glob("*.html"):  # moving pictures, which pages embed
            shutil.copy(page, SITE / "docs" / "course")
    return status


def run(page: Path) -> int:
    """Runs a page where it lies, and so makes its pictures; returns how many of its examples failed."""
    os.chdir(page.parent)
    with np.printoptions(legacy=False):
        failed, _ = doctest.testfile(
            str(page), False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, encoding="utf-8"
        )
    return failed


def add_contents(page: Path, pages: list[str], caption: str = "") -> None:
    """Adds a list of pages to one, for the bar at the side."""
    with page.open("a", encoding="utf-8") as file:
        file.write(
            "\n".join(
                ["", "```{toctree}", ":hidden:", f":caption: {caption}" if caption else "", "", *pages, "```", ""]
            )
        )


def write_reference(folder: Path) -> None:
    """A page a module, which lists what is public of it."""
    folder.mkdir()
    seen = set()
    index = ["# Reference", "", "Every public name, from its docstring.", "", "| module | |", "|---|---|"]
    for name, words in MODULES.items():
        module = importlib.import_module(name)
        lines = [f"# {name}", "", words[0].upper() + words[1:] + ".", "", "```{eval-rst}", f".. module:: {name}", ""]
        for each in sorted(module.__all__):
            thing = getattr(module, each)
            if not callable(thing):
                continue
            lines.append(f".. auto{'class' if isinstance(thing, type) else 'function'}:: {name}.{each}")
            if isinstance(thing, type):
                lines.append("   :members:")
            if id(thing) in seen:
                lines.append("   :no-index:")
            lines.append("")
            seen.add(id(thing))
        (folder / f"{name}.md").write_text("\n".join([*lines, "```", ""]), encoding="utf-8")
        index.append(f"| [{name}]({name}.md) | {words} |")
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")
    add_contents(folder / "index.md", list(MODULES))


if __name__ == "__main__":
    sys.exit(main())
