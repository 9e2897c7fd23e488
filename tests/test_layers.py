"""The files of the package stand in layers: no file imports one that imports it, not even for annotations."""

import ast
import graphlib
from pathlib import Path

import pyautograd

PACKAGE = Path(pyautograd.__file__).parent
FILES = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}


def imports_of(path: Path) -> set[str]:
    """The files of the package that a file imports, anywhere in it."""
    named = set()
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            named |= {each.name for each in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            named |= {str(statement.module), *(f"{statement.module}.{each.name}" for each in statement.names)}
    return named & FILES.keys()


def test_no_file_imports_one_that_imports_it() -> None:
    imports = {name: imports_of(path) for name, path in FILES.items() if path.name != "__init__.py"}
    assert len(imports) > 50
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle
