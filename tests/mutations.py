"""python tests/mutations.py: does a test fail for each derivative with one thing in it changed?

Every gradient formula in ops.def is changed in turn: a sign, an operand, a constant, a comparison; and so is what the C
functions of the TENSOR rows' backwards and graphs, and of forward mode, are made of. All these mutants are built into
one copy of the engine, and the tests that go over the table run for each in a process of its own, forked from one that
has collected them. A mutant that no test notices is printed; a crash and a test without end are noticed.

--rows tanh gelu   the formulas of those rows alone
--files forward.c  the functions of those files alone, or of none
--jobs 2           so many mutants side by side
"""

import argparse
import ast
import ctypes
import gc
import json
import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
OF_ROWS = ("tests/ops/test_elementwise.py", "tests/test_derivatives.py")
OF_FUNCTIONS = (
    "tests/test_gradients.py", "tests/ops/test_reduce.py", "tests/ops/test_softmax.py",
    "tests/ops/test_matmul.py", "tests/ops/test_index.py", "tests/ops/test_scatter.py", "tests/test_in_place.py",
    "tests/nn/test_losses.py", "tests/test_func.py", "tests/ops/test_order.py",
)  # fmt: skip
SECONDS = 5  # of the processor, that one test has
ROW = re.compile(r"^(UNARY|BINARY|TERNARY)\w*\((\w+),.*?\)$\n(?=^\S|^$)", re.DOTALL | re.MULTILINE)

# Files with the functions that are changed, by what their names contain, and the tests that concern them
FILES = {
    "derivatives.c": (r".", "derivatives func losses reduce softmax matmul index scatter"),
    "forward.c": (r"through|push_node|contribution", "derivatives func"),
    "kernels/reduce_backward.c": (r".", "gradients reduce losses derivatives"),
    "kernels/product.c": (r"backward|gradient|sum_rows", "gradients matmul losses derivatives"),
    "kernels/softmax.c": (r"backward|gradient|shift_rows", "gradients softmax losses derivatives"),
    "kernels/softmax.inc": (r"gradient", "gradients softmax losses derivatives"),
    "kernels/index.c": (r"backward", "gradients index scatter in_place derivatives"),
    "kernels/view.c": (r"backward", "gradients index in_place derivatives"),
    "kernels/order.c": (r"backward", "gradients order derivatives"),
}

OPPOSITE = {"ADD": "SUB", "SUB": "ADD", "LT": "GE", "GE": "LT", "LE": "GT", "GT": "LE", "EQ": "NE", "NE": "EQ"}
CONSTANTS = {"ONE": "TWO", "TWO": "ONE", "HALF": "ONE", "ZERO": "ONE"}
OPERANDS = ("A", "B", "C", "OUT", "G")


class Mutant(NamedTuple):
    """One thing in one formula or function changed."""

    number: int
    place: str  # a row, or a file
    function: str
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
                mutants.append(Mutant(len(mutants) + 1, found[2], found[2], ast.unparse(call.args[i]), after))
                args[i] = f"MUTANT({len(mutants)}, {args[i]}, {after})".replace("'", '"')
        return f"{found[0].partition('(')[0]}({', '.join(args)})\n"

    return ROW.sub(of_row, table), mutants


# What is changed in C, and left as it is: comments, texts, checks of arguments, preprocessor lines, constants
LEFT = re.compile(
    r"/\*.*?\*/|\"[^\"]*\"|PA_FAIL_IF\(.*?\);|#(?:define PUT|include|undef)\b[^\n]*|\bcase [^:]*:|\{0\}"
    r"|b->status [!=]= PA_OK|\w+\[(?:\d|1 \+ \w+)\](?= = |,|;)|\benum \{.*?\};|static const .*?;"
    r"|static [^;{}]*\) \{|^pa_[^;{}]*\) \{",
    re.DOTALL | re.MULTILINE,
)
CALL = re.compile(r"\b(ADD|SUB|MUL|DIV|EQ|NE|SELECT|EXP|matmul)\(")
TOKEN = re.compile(
    r"(?<![\w.])[012](?![\w.])|\b(?:true|false)\b|(?<= )(?:[+-]=?|\*(?= )|(?:<=?|>=?|[!=]=)(?! [012]\b))(?= )"
)
NUMBERS = {"0": "1", "1": "0", "2": "1", "true": "false", "false": "true"}


def changed_token(token: str, n: int) -> str:
    """A number or an operator that is another one for mutant n; operators by what stands behind them."""
    if token in NUMBERS:
        return f"PA_M({n}, {NUMBERS[token]}, {token})"
    behind = {"+": "-1, 1) *", "-": "-1, 1) *", "*": "2, 1) *", "<": "-1, 0) +"}.get(token[0], "1, 0) +")
    return f"{token} PA_M({n}, {behind}"


def arguments_of(text: str, start: int) -> list[str]:
    """Of a call whose first argument begins there."""
    found, depth, begin = [], 0, start
    for at in range(start, len(text)):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if depth < 0 or (depth == 0 and text[at] == ","):
            found.append(text[begin:at])
            begin = at + 1
        if depth < 0:
            return found
    raise ValueError(text[start:])


def changed_call(name: str, args: list[str]) -> str:
    if name in ("SELECT", "matmul"):
        args = [*args[:-2], args[-1], args[-2]]
    elif name == "MUL":
        return args[0]
    return f"{ {'DIV': 'MUL', 'EXP': 'NEG'}.get(name, OPPOSITE.get(name, name)) }({','.join(args)})".replace(" ", "", 1)


def mutated_function(text: str, place: str, function: str, mutants: list[Mutant]) -> str:
    """C code with a choice at each of its numbers, operators and calls of the prefix macros."""
    parts, at = [], 0

    def note(after: str) -> int:
        line = text.rfind("\n", 0, at) + 1
        before = text[line : text.find("\n", at)].strip(" \\")
        mutants.append(Mutant(len(mutants) + 1, place, function, before, after))
        return len(mutants)

    while at < len(text):
        if left := LEFT.match(text, at):
            parts.append(left[0])
        elif call := CALL.match(text, at):
            args = arguments_of(text, call.end())
            after = changed_call(call[1], args)
            n = note(after)
            inner = [mutated_function(arg, place, function, mutants) for arg in args]
            parts.append(f"PA_M({n}, {after}, {call[1]}({','.join(inner)}))")
            at = call.end() + sum(map(len, args)) + len(args)
            continue
        elif token := TOKEN.match(text, at):
            n = note(f"{token[0]} at {at - text.rfind(chr(10), 0, at)}")
            parts.append(changed_token(token[0], n))
        else:
            parts.append(text[at])
            at += 1
            continue
        at += len((left or token)[0])  # type: ignore[index]
    return "".join(parts)


def mutated_file(text: str, path: str, mutants: list[Mutant]) -> str:
    """A C file with a choice in the functions that FILES names."""
    start = text.find("/* ---- products ---- */") if path == "derivatives.c" else 0
    of_function = re.compile(
        r"^(?:    )?(?:static |pa_)[^;{}]*?\) \{(?: [^\n]*\}$|.*?^(?:    )?\})", re.DOTALL | re.MULTILINE
    )

    def change(found: re.Match[str]) -> str:
        name = re.sub(r"TFN\((\w+)\)|(\w+)##dtype", r"\1\2", found[0]).partition("(")[0].split()[-1]
        return mutated_function(found[0], path, name, mutants) if re.search(FILES[path][0], name) else found[0]

    return text[:start] + of_function.sub(change, text[start:])


def build(folder: Path, rows: list[str], files: list[str]) -> list[Mutant]:
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
    for path in files:
        file = folder / "csrc" / path
        file.write_text(mutated_file(file.read_text(encoding="utf-8"), path, mutants), encoding="utf-8")
    for header, line in (("prefix_cost.h", "#define COSTS\n"), ("prefix_none.h", "#undef COSTS\n")):
        with open(folder / "csrc" / "kernels" / header, "a", encoding="utf-8") as opened:
            opened.write(line)  # costs are constants: nothing is chosen there
    header, source = folder / "csrc" / "ops.h", folder / "csrc" / "ops.c"
    declared = "extern int pa_mutant;\n#define PA_M(n, x, y) (pa_mutant == (n) ? (x) : (y))\n#endif\n"
    header.write_text(header.read_text().replace("#endif\n", declared))
    source.write_text(source.read_text() + '__attribute__((visibility("default"))) int pa_mutant;\n')
    environment = os.environ | {"CFLAGS": "-O1 -fno-tree-vectorize -w"}
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=folder, env=environment, check=True
    )
    return mutants


class Trials:
    """The tests for each mutant, so many side by side, where pytest would run them once."""

    def __init__(self, mutants: list[Mutant], jobs: int) -> None:
        self.mutants, self.jobs = mutants, jobs
        self.left: list[Mutant] = []
        # For each mutant the number of the test that failed
        self.noticed_by = mmap.mmap(-1, 4 * (1 + max(mutant.number for mutant in mutants)))
        self.first: dict[str, list[int]] = {}  # tests that noticed others of that place, the last one first

    @pytest.hookimpl
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        from pyautograd import _core

        chosen = ctypes.c_int.in_dll(ctypes.CDLL(_core.__file__), "pa_mutant")
        running: dict[int, Mutant] = {}

        def start(mutant: Mutant) -> None:
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                chosen.value = mutant.number
                found = self.notices(mutant, session.items)
                sys.stdout.flush()
                os._exit(found)
            running[child] = mutant

        def wait() -> None:
            child, status = os.wait()
            mutant = running.pop(child)
            if status == 0:
                self.left.append(mutant)
                print(f"{mutant.place}: {mutant.before}\n    became {mutant.after}, and no test noticed", flush=True)
            elif (test := memoryview(self.noticed_by).cast("i")[mutant.number]) > 0:
                tests = self.first.setdefault(mutant.place, [])
                self.first[mutant.place] = [test, *(each for each in tests if each != test)][:40]

        gc.freeze()
        for place in {mutant.place for mutant in self.mutants}:  # without a mutant
            start(Mutant(0, place, place, "", ""))
            child, status = os.wait()
            del running[child]
            if status != 0:
                raise SystemExit(f"the tests of {place} fail without a mutant")
        for mutant in self.mutants:
            if len(running) == self.jobs:
                wait()
            start(mutant)
        while running:
            wait()
        return True

    def notices(self, mutant: Mutant, items: list[pytest.Item]) -> int:
        """1 where one of its tests fails."""
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        if mutant.number > 0:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
        of_rows = {Path(path).name for path in OF_ROWS}
        chosen = [item for item in items if item.path.name in of_rows and mutant.place in item.nodeid]
        if mutant.place in FILES:
            words = set(re.findall(r"[a-z]{3,}", f"{mutant.place} {mutant.function}")) - {
                "graph",
                "backward",
                "kernels",
            }
            names = {f"test_{each}.py" for each in FILES[mutant.place][1].split()}
            chosen = [item for item in items if item.path.name in names]
            chosen.sort(key=lambda item: -sum(word in item.nodeid for word in words))
        number = {item: i + 1 for i, item in enumerate(items)}
        first = {test: i for i, test in enumerate(self.first.get(mutant.place, []))}
        chosen.sort(key=lambda item: first.get(number[item], len(first)))
        for item, following in zip(chosen, [*chosen[1:], None]):
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if item.session.testsfailed > 0:
                memoryview(self.noticed_by).cast("i")[mutant.number] = number[item]
                return 1
        return 0


def run(folder: Path, jobs: int) -> int:
    """In the copy: every mutant's tests."""
    mutants = [Mutant(*each) for each in json.loads((folder / "mutants.json").read_text())]
    trials = Trials(mutants, jobs)
    quiet = ("-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:faulthandler", "-o", "addopts=")
    if pytest.main([*quiet, *OF_ROWS, *OF_FUNCTIONS], plugins=[trials]) != pytest.ExitCode.OK:
        return 2
    kinds = [(of_rows, [m for m in mutants if (m.place in FILES) != of_rows]) for of_rows in (True, False)]
    for of_rows, made in kinds:
        left = sum(mutant in trials.left for mutant in made)
        where = f"{len({m.place for m in made})} {'rows' if of_rows else 'files'}"
        print(f"{len(made)} mutants of {where}, {left} not noticed")
    return bool(trials.left)


def main() -> int:
    """0 where every mutant is noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=[])
    parser.add_argument("--files", nargs="*", default=list(FILES), choices=FILES)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--in-copy", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_copy:
        return run(ROOT, arguments.jobs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mutants = build(folder, arguments.rows, arguments.files)
        (folder / "mutants.json").write_text(json.dumps(mutants))
        environment = os.environ | {"PYAUTOGRAD_ISA": "baseline", "PYTHONPATH": name}
        command = [sys.executable, "tests/mutations.py", "--in-copy", "--jobs", str(arguments.jobs)]
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
