"""python tests/mutations.py: does a test fail for each derivative formula of the op table with one thing in it changed?

Every gradient in ops.def is changed in turn: a sign, an operand, a constant, a comparison. All these mutants are built
into one copy of the engine, which computes with the one that the environment names, and the tests that go over the
table run once for each. A mutant that no test notices is printed with its formula.

--rows tanh gelu   those rows alone
--jobs 2           so many mutants side by side
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("tests/ops/test_elementwise.py",)
ROW = re.compile(r"^(UNARY|BINARY|TERNARY)\w*\((\w+),.*?\)$\n(?=^\S|^$)", re.DOTALL | re.MULTILINE)
GRADIENTS = {"UNARY": 7, "BINARY": 7, "TERNARY": 7}  # the column where they begin

OPPOSITE = {"ADD": "SUB", "SUB": "ADD", "LT": "GE", "GE": "LT", "LE": "GT", "GT": "LE", "EQ": "NE", "NE": "EQ"}
CONSTANTS = {"ONE": "TWO", "TWO": "ONE", "HALF": "ONE", "ZERO": "ONE"}
OPERANDS = ("A", "B", "C", "OUT", "G")


class Mutant(NamedTuple):
    """One thing in one formula changed."""

    number: int
    row: str
    before: str
    after: str


def changes(node: ast.expr, operands: list[str]) -> Iterator[tuple[ast.expr, str]]:
    """The parts of a formula with what takes their place, as text."""
    if isinstance(node, ast.Name) and node.id in (*OPERANDS, "P", "Q"):
        others = [name for name in operands if name != node.id]
        yield node, others[0] if others and node.id in operands else f"NEG({node.id})"
    elif isinstance(node, ast.Name) and node.id in CONSTANTS:
        yield node, CONSTANTS[node.id]
    elif isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        name, args = node.func.id, [ast.unparse(arg) for arg in node.args]
        if name == "IN_WORDS":
            yield from changes(node.args[1], operands)
            return
        if name == "NUMBER":
            yield node, f"NUMBER({1.01 * ast.literal_eval(node.args[0])!r})"
            return
        if name in OPPOSITE:
            yield node, f"{OPPOSITE[name]}({', '.join(args)})"
        elif name == "NEG":
            yield node, args[0]
        for arg in node.args:
            yield from changes(arg, operands)


def replaced(formula: ast.expr, part: ast.expr, text: str) -> str:
    """The formula as text, with one part of it changed."""

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return ast.parse(text, mode="eval").body if node is part else super().visit(node)

    # A transformer changes what it walks, and the next change starts from the formula as it was.
    copy = ast.parse(ast.unparse(formula), mode="eval").body
    twin = dict(zip(ast.walk(formula), ast.walk(copy), strict=True))[part]
    part = twin  # type: ignore[assignment]
    return ast.unparse(Replace().visit(copy))


def mutated(table: str, rows: list[str]) -> tuple[str, list[Mutant]]:
    """The op table with a choice in each gradient, and the mutants to choose from."""
    mutants: list[Mutant] = []

    def of_row(found: re.Match[str]) -> str:
        call = ast.parse(found[0].strip(), mode="eval").body
        assert isinstance(call, ast.Call)
        if rows and found[2] not in rows:
            return found[0]
        effects = ast.unparse(call.args[5])
        readable = [name for name in OPERANDS if name == "G" or f"READS_{name}" in effects]
        args = [ast.unparse(arg).replace("'", '"') for arg in call.args]
        for i in range(7, len(args)):
            for part, text in list(changes(call.args[i], readable)):
                after = replaced(call.args[i], part, text)
                mutants.append(Mutant(len(mutants) + 1, found[2], ast.unparse(call.args[i]), after))
                args[i] = f"MUTANT({len(mutants)}, {args[i]}, {after})".replace("'", '"')
        return f"{found[0].partition('(')[0]}({', '.join(args)})\n"

    return ROW.sub(of_row, table), mutants


def build(folder: Path, rows: list[str]) -> list[Mutant]:
    """A copy of the engine with every mutant in it."""
    for name in ("csrc", "pyautograd", "tests", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        ignore = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(source, folder / name, ignore=ignore) if source.is_dir() else shutil.copy(source, folder)
    table = folder / "csrc" / "ops.def"
    text, mutants = mutated(table.read_text(encoding="utf-8"), rows)
    choice = "#undef MUTANT\n#ifdef COSTS\n#define MUTANT(n, x, y) x\n#else\n"
    choice += "#define MUTANT(n, x, y) (pa_mutant == (n) ? (y) : (x))\n#endif\n"
    table.write_text(choice + text, encoding="utf-8")
    for header, line in (("prefix_cost.h", "#define COSTS\n"), ("prefix_none.h", "#undef COSTS\n")):
        with open(folder / "csrc" / "kernels" / header, "a", encoding="utf-8") as file:
            file.write(line)  # costs are constants: nothing is chosen there
    header, source = folder / "csrc" / "ops.h", folder / "csrc" / "ops.c"
    header.write_text(header.read_text().replace("#endif\n", "PA_INTERNAL extern int pa_mutant;\n#endif\n"))
    source.write_text(
        source.read_text()
        + "#include <stdlib.h>\nint pa_mutant;\n__attribute__((constructor)) static void choose(void) {\n"
        + '    const char *text = getenv("MUTANT");\n    pa_mutant = text == NULL ? 0 : atoi(text);\n}\n'
    )
    environment = os.environ | {"CFLAGS": "-O1 -fno-tree-vectorize"}
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=folder, env=environment, check=True
    )
    return mutants


def survives(folder: Path, mutant: Mutant | None) -> bool:
    """Do the tests pass with it?"""
    environment = os.environ | {"PYAUTOGRAD_ISA": "baseline", "PYTHONPATH": str(folder)}
    environment["MUTANT"] = "0" if mutant is None else str(mutant.number)
    chosen = [] if mutant is None else ["-k", mutant.row]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS, *chosen]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False).returncode == 0


def main() -> int:
    """0 where every mutant is noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=[])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mutants = build(folder, arguments.rows)
        if not survives(folder, None):
            raise SystemExit("the tests fail without a mutant")
        with ThreadPoolExecutor(arguments.jobs) as pool:
            alive = list(pool.map(lambda mutant: survives(folder, mutant), mutants))
    left = [mutant for mutant, lives in zip(mutants, alive, strict=True) if lives]
    for mutant in left:
        print(f"{mutant.row}: {mutant.before}\n    became {mutant.after}, and no test noticed")
    print(f"{len(mutants)} mutants of {len({mutant.row for mutant in mutants})} rows, {len(left)} not noticed")
    return bool(left)


if __name__ == "__main__":
    raise SystemExit(main())
