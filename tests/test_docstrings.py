"""What `help()` shows of every public callable: what it computes, what it raises, and an example that the tests run."""

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_doctests import MODULES, OPTIONS

PUBLIC_MODULES = [
    "pyautograd", "pyautograd.nn", "pyautograd.nn.functional", "pyautograd.nn.init", "pyautograd.nn.utils",
    "pyautograd.linalg", "pyautograd.special", "pyautograd.func", "pyautograd.autograd.functional",
    "pyautograd.optim", "pyautograd.optim.lr_scheduler", "pyautograd.optim.swa_utils", "pyautograd.autograd",
    "pyautograd.scalar",
    "pyautograd.utils.data", "pyautograd.datasets", "pyautograd.plot", "pyautograd.callbacks",
    *({"pyautograd.sklearn"} & set(MODULES)),
]  # fmt: skip
MADE_IN_C = (type(len), type(list.append))


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, from where they are defined."""
    for base in cls.__mro__:
        if base.__module__.startswith("pyautograd"):
            for name, member in vars(base).items():
                if not name.startswith("_"):
                    yield name, getattr(member, "__func__", member)


def public() -> dict[str, Any]:
    """Every public function, class, method and property; what has several names by the first of them."""
    found: dict[int, tuple[str, Any]] = {}
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing):
                found.setdefault(id(thing), (f"{module_name}.{name}", thing))
            if isinstance(thing, type):
                for member_name, member in members(thing):
                    if callable(member) or isinstance(member, property):
                        found.setdefault(id(member), (f"{module_name}.{name}.{member_name}", member))
    return dict(found.values())


PUBLIC = public()
CALLABLE = {name: thing for name, thing in PUBLIC.items() if not isinstance(thing, property)}
IN_C = {name: thing for name, thing in CALLABLE.items() if isinstance(thing, MADE_IN_C)}


def arguments(thing: Any) -> list[str]:
    """The names of what a call may be given."""
    try:
        return [name for name in inspect.signature(thing).parameters if name not in ("self", "cls")]
    except ValueError:  # made in C
        return []


def test_all_is_found() -> None:
    assert {"pyautograd.Tensor.backward", "pyautograd.nn.functional.linear", "pyautograd.plot.graph"} <= PUBLIC.keys()
    assert len(CALLABLE) > 400


@pytest.mark.parametrize("name", PUBLIC)
def test_it_has_a_docstring(name: str) -> None:
    assert inspect.getdoc(PUBLIC[name])


@pytest.mark.parametrize("name", CALLABLE)
def test_it_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(CALLABLE[name]) or "")


@pytest.mark.parametrize("name", [name for name, thing in CALLABLE.items() if arguments(thing)])
def test_what_takes_arguments_says_what_it_raises(name: str) -> None:
    assert re.search(r"\braises?\b", inspect.getdoc(CALLABLE[name]) or "", re.IGNORECASE)


@pytest.mark.parametrize("name", [name for name in CALLABLE if name.startswith("pyautograd.nn.functional.")])
def test_functions_of_tensors_say_their_shapes(name: str) -> None:
    assert re.search(r"shape|those of|`functional|\([\w.]+, ?[\w.]*\)", inspect.getdoc(CALLABLE[name]) or "")


def test_every_example_is_run() -> None:
    finder = doctest.DocTestFinder()
    run = {test.docstring for module in MODULES for test in finder.find(importlib.import_module(module))}
    documented = {name: thing.__doc__ for name, thing in CALLABLE.items() if thing.__doc__ and name not in IN_C}
    assert [name for name, text in documented.items() if text not in run] == []


@pytest.mark.parametrize("name", IN_C)
def test_examples_of_what_is_made_in_c(name: str) -> None:
    example = doctest.DocTestParser().get_doctest(IN_C[name].__doc__, {}, name, None, 0)
    with np.printoptions(legacy=False):
        assert doctest.DocTestRunner(optionflags=OPTIONS).run(example).failed == 0
