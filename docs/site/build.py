"""Builds the site into build/site: pages, pictures made by the course's own code, and the API from docstrings.

The pages are copied into build/site-source as they lie in the repository, so that a link that works there works here; a
link to a file that is no page leads to the repository. Whatever Sphinx warns about, a link to nowhere among it, is an
error.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
from sphinx.cmd.build import main as sphinx

from pyautograd._explain import explain

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
    "pyautograd.optim.swa_utils": "averages of weights",
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
# What the package itself exports takes a page a family, by the files that define it.
FAMILIES = {
    "Tensor": "_tensor",
    "Compiled steps": "_compile _host",
    "Creation": "_creation _array_like _interop _serialization",
    "Element by element": "_generated _elementwise _maths",
    "Sums, order, statistics": "_reduce _order _statistics",
    "Shapes, indices, joins": "_shape _joins _rearrange _indexing _scatter",
    "Products and matrices": "_products _einsum _matrices linalg _distance",
    "Random numbers": "_random _generator",
    "Dtypes": "_dtype _promotion",
}
OTHERS = "Everything else"
CONTENTS = {
    "To begin": ["Overview <../README>", "The course <course/index>"],
    "Coming from": [
        "micrograd <micrograd>",
        "PyTorch <pytorch>",
        "PyTorch's names <pytorch-names>",
        "scikit-learn <sklearn>",
    ],
    "How to": [
        "Tables <sklearn>",
        "Training <training>",
        "Compiled steps <programs>",
        "Deployment <deployment>",
        "Sweeps and clusters <clusters>",
        "Ops of your own <course/14-own-op>",
        "Derivatives <derivatives>",
        "Other libraries <interop>",
    ],
    "To look up": [
        "reference/index",
        "Performance <benchmarks>",
        "reliability",
        "architecture",
    ],
    "The project": ["../CHANGELOG", "../CONTRIBUTING", "../SECURITY"],
}
# The page that begins everything; the picture that README.md and the start page show, as it moves.
START = "docs/index.html"
FORWARD = f'<!doctype html><meta http-equiv="refresh" content="0; url={START}"><a href="{START}">pyautograd</a>'
FORMULA = "q = x*w + b; out = tanh(q)"


def main() -> int:
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE / "docs", ignore=shutil.ignore_patterns("site"))
    for page in ROOT.glob("*.md"):
        shutil.copy(page, SOURCE)
    failed = sum(map(run, sorted((SOURCE / "docs" / "course").glob("[0-9]*.md"))))
    if failed:
        return failed
    explain(FORMULA, {"x": 2.0, "w": -3.0, "b": 7.0}).save(SOURCE / "docs" / "images" / "backprop.html", title=FORMULA)
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
        (SITE / "index.html").write_text(FORWARD, encoding="utf-8")
        for page in SOURCE.rglob("*.html"):  # moving pictures, which pages embed
            target = SITE / page.relative_to(SOURCE)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(page, target)
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
    """A page a module, and for the package itself a page a family, each of which begins with a table of what it has."""
    folder.mkdir()
    written: dict[int, str] = {}
    index = ["# Reference", "", "Every public name, from its docstring.", "", "| module | |", "|---|---|"]
    for name, words in MODULES.items():
        module = importlib.import_module(name)
        things = {each: getattr(module, each) for each in sorted(module.__all__)}
        things = {each: thing for each, thing in things.items() if callable(thing)}
        index.append(f"| [{name}]({name}.md) | {words} |")
        if name != "pyautograd":
            (folder / f"{name}.md").write_text(reference(name, words, things, written), encoding="utf-8")
            continue
        parts = {part: {k: v for k, v in things.items() if family(v) == part} for part in [*FAMILIES, OTHERS]}
        lines = [f"# {name}", "", words.capitalize() + ".", "", "| | |", "|---|---|"]
        for part, members in parts.items():
            stem = f"{name}-{part.split()[0].strip(',').lower()}"
            (folder / f"{stem}.md").write_text(reference(name, part, members, written, part), encoding="utf-8")
            lines.append(
                f"| [{part}]({stem}.md) | {' '.join(linked(*member, written) for member in members.items())} |"
            )
        (folder / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")
        add_contents(folder / f"{name}.md", [f"{name}-{part.split()[0].strip(',').lower()}" for part in parts])
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")
    add_contents(folder / "index.md", list(MODULES))


def family(thing: object) -> str:
    """What of the package a name belongs to, by the file that defines it."""
    file = str(getattr(thing, "__module__", "")).rpartition(".")[2]
    return next((part for part, files in FAMILIES.items() if file in files.split()), OTHERS)


def linked(name: str, thing: object, written: dict[int, str]) -> str:
    return f"{{py:obj}}`{name} <{written[id(thing)]}>`"


def reference(module: str, words: str, things: dict[str, object], written: dict[int, str], title: str = "") -> str:
    """A page of classes and functions: a table of them, and then what each says of itself."""
    broken = module.replace(".", ".\u200b")  # a line may end after a dot
    lines = [f"# {title or broken}", "", f"{words[0].upper()}{words[1:]}." if not title else f"Of `{module}`.", ""]
    lines += ["| | |", "|---|---|"]
    for each, thing in things.items():
        written.setdefault(id(thing), f"{module}.{each}")
        first = re.split(r"\n\n|(?<! al)\.\s|\s\*\*", inspect.getdoc(thing) or "")[0].replace("\n", " ").rstrip(".")
        first = re.sub(
            r"`[^`]*`|[*_|<\\[]", lambda m: m[0].replace("|", r"\|") if m[0][0] == "`" else "\\" + m[0], first
        )
        lines.append(f"| {linked(each, thing, written)} | {first} |")
    lines += ["", "```{eval-rst}", f".. module:: {module}", *["   :no-index:"] * bool(title), ""]
    for each, thing in things.items():
        lines.append(f".. auto{'class' if isinstance(thing, type) else 'function'}:: {module}.{each}")
        lines += ["   :members:"] * isinstance(thing, type)
        lines += ["   :no-index:"] * (written[id(thing)] != f"{module}.{each}")
        lines.append("")
    return "\n".join([*lines, "```", ""])


if __name__ == "__main__":
    sys.exit(main())
