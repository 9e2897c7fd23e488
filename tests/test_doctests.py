"""The examples in the docstrings, in README.md and in docs/ say the truth."""

import doctest
import gc
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyautograd
from pyautograd import _paths

LEFT_OUT = {"pyautograd.__main__", "pyautograd._build", "pyautograd._core"}
if importlib.util.find_spec("sklearn") is None:
    LEFT_OUT.add("pyautograd.sklearn")
PAGE_NEEDS = {"clusters.md": ("sklearn", "distributed", "optuna", "mpi4py"), "sklearn.md": ("sklearn", "pandas")}
MODULES = sorted(
    {"pyautograd", *(module.name for module in pkgutil.walk_packages(pyautograd.__path__, "pyautograd."))} - LEFT_OUT
)
ROOT = Path(__file__).resolve().parent.parent
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.is_file()]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@contextmanager
def without_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For the page that registers this package as torch: PyTorch is as if nobody had imported it."""

    def take() -> dict[str, Any]:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "torch"}

    theirs = take()
    monkeypatch.setattr(_paths, "_roots", {*_paths._roots})
    yield
    take()
    sys.modules.update(theirs)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_hold(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "pyautograd.plot":
        pytest.importorskip("matplotlib")
    if name == "pyautograd._memory":
        gc.collect()  # so that it is not done between two lines of an example
    module = importlib.import_module(name)
    pyautograd.manual_seed(0)
    with np.printoptions(legacy=False):
        failed, _ = doctest.testmod(module, optionflags=OPTIONS)
    assert failed == 0


@pytest.mark.skipif(not PAGES, reason="the pages are not beside the tests")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_pages_hold(page: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for needed in PAGE_NEEDS.get(page.name, ("matplotlib",) if page.parent.name == "course" else ()):
        pytest.importorskip(needed)
    with np.printoptions(legacy=False), without_torch(monkeypatch) if page.name == "pytorch.md" else nullcontext():
        failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS, encoding="utf-8")
    assert failed == 0


def test_docstrings_have_examples() -> None:
    finder = doctest.DocTestFinder()
    examples = sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name)))
    assert examples > 0
