"""The examples in the docstrings say the truth."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import pyautograd

LEFT_OUT = {"pyautograd.__main__", "pyautograd._build", "pyautograd._core"}
MODULES = sorted(
    {"pyautograd", *(module.name for module in pkgutil.walk_packages(pyautograd.__path__, "pyautograd."))} - LEFT_OUT
)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    pyautograd.manual_seed(0)
    with np.printoptions(legacy=False):
        failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    examples = sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name)))
    assert examples > 0
