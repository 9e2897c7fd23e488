"""`_core.pyi` says what the compiled module has: the same names, and the parameters that their docstrings show."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyautograd import _core, _ops

STUB = ast.parse((Path(_ops.__file__).parent / "_core.pyi").read_text(encoding="utf-8"))


def stubbed(body: list[ast.stmt], owner: Any, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef, Any]]:
    """Name, declaration and compiled function of each function, and of each method that has a name of its own."""
    for statement in body:
        if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
            yield from stubbed(statement.body, getattr(_core, statement.name), f"{statement.name}.")
        elif isinstance(statement, ast.FunctionDef) and not (
            statement.name.startswith("__") or statement.decorator_list
        ):
            yield prefix + statement.name, statement, getattr(owner, statement.name)


def parameters(declaration: ast.FunctionDef) -> list[str]:
    """Their names, and whether they have a default."""
    arguments = declaration.args
    positional = [argument.arg for argument in arguments.posonlyargs + arguments.args]
    first = len(positional) - len(arguments.defaults)
    named = [name + "=" * (i >= first) for i, name in enumerate(positional)]
    return named + ([f"*{arguments.vararg.arg}"] if arguments.vararg else [])


FUNCTIONS = {name: (declaration, function) for name, declaration, function in stubbed(STUB.body, _core)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_parameters_that_its_stub_declares(name: str) -> None:
    declaration, function = FUNCTIONS[name]
    shown = inspect.signature(function).parameters.values()
    assert function.__doc__
    assert parameters(declaration) == [
        f"*{each.name}" if each.kind is each.VAR_POSITIONAL else each.name + "=" * (each.default is not each.empty)
        for each in shown
    ]


def test_everything_in_the_module_is_in_its_stub() -> None:
    declared = {each.asname for node in ast.walk(STUB) if isinstance(node, ast.ImportFrom) for each in node.names}
    declared |= {each.name for each in STUB.body if isinstance(each, (ast.FunctionDef, ast.ClassDef))}
    assert {name for name in vars(_core) if not name.startswith("__")} <= declared | {"ffi", "lib"}
