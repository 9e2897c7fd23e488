"""What the public modules give to those who look into them: their own names, and nothing that they only use."""

import importlib.util
import pkgutil
import types
from typing import Any

import pytest

import pyautograd

MODULES = ["pyautograd"] + [
    found.name
    for found in pkgutil.walk_packages(pyautograd.__path__, "pyautograd.")
    if not any(part.startswith("_") for part in found.name.split("."))
    and (found.name != "pyautograd.sklearn" or importlib.util.find_spec("sklearn"))
]


def home_of(exported: Any) -> str:
    """The module that defines an object; for a number or the like, that of its type."""
    if isinstance(exported, types.ModuleType):
        return exported.__name__
    return str(getattr(exported, "__module__", None) or type(exported).__module__)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_shows_the_names_in_its_all_and_no_others(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    assert dir(module) == sorted(module.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_exports_is_defined_in_the_package(name: str) -> None:
    module = importlib.import_module(name)
    for exported in set(module.__all__) - {"__version__", "e", "inf", "nan", "newaxis", "pi"}:
        assert home_of(getattr(module, exported)).split(".")[0] in ("pyautograd", "_core"), exported


@pytest.mark.parametrize("name", MODULES)
def test_a_function_or_class_without_an_underscore_is_exported_where_it_is_defined(name: str) -> None:
    module = importlib.import_module(name)
    defined = {
        each
        for each, found in vars(module).items()
        if isinstance(found, type | types.FunctionType) and found.__module__ == name and not each.startswith("_")
    }
    assert defined <= set(module.__all__)
