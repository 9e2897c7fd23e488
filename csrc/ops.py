"""Writes what Python has of the op table: `python csrc/ops.py`, which `make ops` runs after an edit of ops.def.

The rows of ops.def are calls whose arguments are names, texts and formulas in prefix form, so that Python's own parser
reads them. From each row come the function of Tensors, the methods of Tensor and Value, the activation in nn.functional
and nn, with their docstrings and examples, and the rule that `trace` shows. What is written is checked in, to be read;
tests/test_generated.py finds it fresh.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
import re
import statistics
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = {
    "UNARY": "name symbol words python parameters effects forward a",
    "BINARY": "name symbol words python parameters effects forward a b",
    "TERNARY": "name symbol words python parameters effects forward a b c",
    "COMPARE": "name symbol words effects forward",
    "LOGIC1": "name symbol words effects forward",
    "LOGIC2": "name symbol words effects forward",
    "TENSOR": "name symbol words rule operands effects shape forward backward graph scratch",
}
HEADER = '"""{}\n\nWritten by `make ops` from csrc/ops.def: edit the table, not this file.\n"""\n'
NEWLINE = "\n"


# The table


@dataclass(frozen=True)
class Row:
    """One row of ops.def, as far as Python is concerned."""

    kind: str  # a key of COLUMNS
    lowest: str  # "", "INT" or "BOOL": the lowest dtype that the op computes in
    name: str
    words: str
    python: str  # FUNCTION and so on
    module: str  # the class in nn; "" for none
    parameters: tuple[str, ...]  # "negative_slope=0.01"
    may_fail: bool
    forward: ast.expr
    gradients: tuple[ast.expr, ...]
    rule: str  # of a TENSOR row

    @property
    def has_function(self) -> bool:
        return self.kind == "COMPARE" or self.is_logic or self.python.startswith(("FUNCTION", "ACTIVATION"))

    @property
    def is_logic(self) -> bool:
        return self.kind in ("LOGIC1", "LOGIC2")

    @property
    def has_value_method(self) -> bool:
        return self.python not in ("", "BY_HAND")

    @property
    def is_inplace(self) -> bool:
        return self.python == "ACTIVATION_INPLACE"

    @property
    def is_binary(self) -> bool:
        return self.kind in ("BINARY", "COMPARE", "LOGIC2")

    @property
    def parameter_names(self) -> list[str]:
        return [parameter.partition("=")[0] for parameter in self.parameters]

    @property
    def typed_parameters(self) -> list[str]:
        """negative_slope: float = 0.01"""
        return [parameter.replace("=", ": float = ") for parameter in self.parameters]

    @property
    def formula(self) -> str:
        """The words, with the parameters' names for p and q."""
        names = dict(zip("pq", self.parameter_names))
        return re.sub(r"\b[pq]\b", lambda found: names.get(found[0], found[0]), self.words)


def read_table(text: str) -> list[Row]:
    """The rows of ops.def in order."""
    text = re.sub(r"/\*.*?\*/|^#.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [_row(statement.value) for statement in ast.parse(text).body if isinstance(statement, ast.Expr)]


def _row(call: ast.expr) -> Row:
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    kind, _, lowest = call.func.id.partition("_")
    column = dict(zip(COLUMNS[kind].split(), call.args, strict=True))
    python = column.get("python")
    parameters = column.get("parameters")
    return Row(
        kind,
        lowest,
        ast.unparse(column["name"]),
        ast.literal_eval(column["words"]),
        "" if python is None else ast.unparse(python).partition("(")[0],
        ast.unparse(python.args[0]) if isinstance(python, ast.Call) else "",
        tuple(ast.literal_eval(each) for each in parameters.args) if isinstance(parameters, ast.Call) else (),
        "MAY_FAIL" in ast.unparse(column["effects"]),
        column["forward"],
        tuple(column[operand] for operand in "abc" if operand in column),
        ast.literal_eval(column["rule"]) if "rule" in column else "",
    )


# A formula as a number, for the examples

MEANING: dict[str, Any] = {
    "ZERO": 0.0, "ONE": 1.0, "TWO": 2.0, "HALF": 0.5, "NUMBER": float,
    "ADD": operator.add, "SUB": operator.sub, "MUL": operator.mul, "DIV": operator.truediv, "NEG": operator.neg,
    "EQ": operator.eq, "NE": operator.ne, "LT": operator.lt, "LE": operator.le, "GT": operator.gt, "GE": operator.ge,
    "SELECT": lambda condition, x, y: x if condition else y, "MAX": max, "MIN": min,
    "ABS": abs, "SIGN": lambda x: (x > 0) - (x < 0), "FLOOR": math.floor, "CEIL": math.ceil, "ROUND": round,
    "SQRT": math.sqrt, "EXP": math.exp, "EXPM1": math.expm1, "LOG": math.log, "LOG1P": math.log1p,
    "SIN": math.sin, "COS": math.cos, "TANH": math.tanh, "ERF": math.erf,
    "SIGMOID": lambda x: 1 / (1 + math.exp(-x)),
    "SOFTPLUS_TAIL": lambda x: math.log1p(math.exp(-abs(x))),
    "TRUNC": math.trunc, "EXP2": math.exp2, "LOG2": math.log2, "LOG10": math.log10, "TAN": math.tan,
    "ASIN": math.asin, "ACOS": math.acos, "ATAN": math.atan, "ATAN2": math.atan2, "SINH": math.sinh, "COSH": math.cosh,
    "ASINH": math.asinh, "ACOSH": math.acosh, "ATANH": math.atanh, "HYPOT": math.hypot, "ERFC": math.erfc,
    "COPYSIGN": math.copysign, "FLOOR_DIVIDE": operator.floordiv, "FMOD": math.fmod,
    "REMAINDER": lambda x, y: x - y * math.floor(x / y),
    "ERFINV": lambda x: statistics.NormalDist().inv_cdf((x + 1) / 2) / math.sqrt(2), "LGAMMA": math.lgamma,
    "DIGAMMA": lambda x: (math.lgamma(x + 1e-5) - math.lgamma(x - 1e-5)) / 2e-5,
    "BITAND": operator.and_, "BITOR": operator.or_, "BITXOR": operator.xor, "BITNOT": operator.invert,
    "SHIFT_LEFT": operator.lshift, "SHIFT_RIGHT": operator.rshift, "GCD": math.gcd,
    "AND": lambda x, y: x and y, "SOFTPLUS": lambda x: math.log1p(math.exp(x)),
    "GELU_INNER": lambda x: 0.7978845608028654 * (x + 0.044715 * x * x * x),
}  # fmt: skip


def evaluate(formula: ast.expr, operands: dict[str, float]) -> float:
    """The number that a formula is for the numbers A, B, P and Q."""
    return eval(ast.unparse(formula), MEANING | operands)


def shown(numbers: list[float], as_ints: bool) -> str:
    """What `repr` makes of a tensor of these numbers."""
    if as_ints or all(isinstance(number, bool) for number in numbers):
        texts = [str(number) for number in numbers]
    elif all(number == int(number) for number in numbers):
        texts = [f"{number:.0f}." for number in numbers]
    else:
        texts = [f"{number:.4f}" for number in numbers]
    width = max(map(len, texts))
    return f"tensor([{', '.join(text.rjust(width) for text in texts)}])"


def results(row: Row) -> tuple[list[list[float]], list[float]]:
    """The first three numbers for each operand on which the op is defined, and what the row makes of them."""
    if row.is_logic:
        whole: list[list[float]] = [[6, 5, -3], [3, 1, 2]][: 1 + row.is_binary]
        return whole, [evaluate(row.forward, dict(zip("AB", numbers))) for numbers in zip(*whole)]
    parameters = [float(parameter.partition("=")[2]) for parameter in row.parameters]
    firsts = [[-1.5, 0.5, 3.0], [0.5, 1.0, 3.0], [0.25, 0.5, 0.75], [1.0, 1.5, 3.0]]
    seconds = [[2.0, 0.5 if row.kind == "COMPARE" else 0.25, -1.0], [2.0, 0.25, 1.0]]
    for second, first in itertools.product(seconds, firsts):
        operands = [first, second] if row.is_binary else [first]
        try:
            found = [
                evaluate(row.forward, dict(zip("AB", numbers)) | dict(zip("PQ", parameters)))
                for numbers in zip(*operands)
            ]
        except ValueError:
            continue
        if not any(0 < abs(number) < 1e-3 for number in found):  # four digits show the others
            return operands, found
    raise ValueError(f"{row.name}: not defined on any of the examples")


def example(row: Row, call: str) -> str:
    """A call of the function on three numbers and what it returns; `call` has `{}` for the operands."""
    operands, found = results(row)
    given = ", ".join(f"pa.tensor({numbers})" for numbers in operands)
    return f">>> import pyautograd as pa\n>>> {call.format(given)}\n{shown(found, row.is_logic)}"


def example_of_value(row: Row) -> str:
    """The method of a Value called on the second number, where every op has a digit to show."""
    (first, *others), found = results(row)
    given = ", ".join(str(numbers[1]) for numbers in others)
    call = f"Value({first[1]}).{row.name}({given})"
    return f">>> from pyautograd.scalar import Value\n>>> f\"{{{call}:.4f}}\"\n'{found[1]:.4f}'"


# A formula as the rule that `trace` shows

NAMES = {"ZERO": "0", "ONE": "1", "TWO": "2", "HALF": "0.5", "OUT": "y", "GRAD_NONE": "nothing"}
COMPARISONS = {"EQ": "=", "NE": "!=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}
SUM, PRODUCT, POWER, ATOM = 1, 2, 3, 4  # how tightly a text binds


def rule(formula: ast.expr) -> str:
    """A formula in infix form: `g (1 - y^2)`."""
    return infix(formula)[0]


def infix(formula: ast.expr) -> tuple[str, int]:
    """The text, and how tightly it binds."""
    if not isinstance(formula, ast.Call):
        name = ast.unparse(formula)
        return NAMES.get(name, name.lower()), ATOM
    op, args = ast.unparse(formula.func), formula.args
    if op == "IN_WORDS":
        return ast.literal_eval(args[0]), SUM
    if op == "NUMBER":
        return f"{ast.literal_eval(args[0]):.4g}", ATOM
    if op == "SELECT":
        return _select(*args), SUM
    if op in COMPARISONS:
        return f"{rule(args[0])} {COMPARISONS[op]} {rule(args[1])}", SUM
    if op == "AND":
        return f"{rule(args[0])} and {rule(args[1])}", SUM
    if op == "ADD":
        return _sum(rule(args[0]), args[1]), SUM
    if op == "SUB":
        return f"{rule(args[0])} - {within(args[1], PRODUCT)}", SUM
    if op == "MUL":
        return _product(formula)
    if op == "DIV":
        return f"{within(args[0], PRODUCT)} / {within(args[1], POWER)}", PRODUCT
    if op == "NEG":
        return f"-{within(args[0], PRODUCT)}", PRODUCT
    if op in ("POW", "POWER"):
        return f"{within(args[0], ATOM)}^{within(args[1], ATOM)}", POWER
    if op == "EXP":
        return f"e^{within(args[0], ATOM)}", POWER
    if op == "ABS":
        return f"|{rule(args[0])}|", ATOM
    if op == "LOG1P":
        return f"ln({_sum('1', args[0])})", ATOM
    return f"{'ln' if op == 'LOG' else op.lower()}({', '.join(map(rule, args))})", ATOM


def within(formula: ast.expr, tightness: int) -> str:
    """The text of a part, in parentheses where it binds less tightly than it must."""
    text, own = infix(formula)
    return text if own >= tightness else f"({text})"


def _sum(text: str, added: ast.expr) -> str:
    if isinstance(added, ast.Call) and ast.unparse(added.func) == "NEG":
        return f"{text} - {within(added.args[0], PRODUCT)}"
    return f"{text} + {within(added, PRODUCT)}"


def _select(condition: ast.expr, then: ast.expr, otherwise: ast.expr) -> str:
    if rule(then) == "0":
        return f"{rule(otherwise)} unless {rule(condition)}"
    return f"{rule(then)} where {rule(condition)}, else {rule(otherwise)}"


def _product(formula: ast.expr) -> tuple[str, int]:
    """Numbers first, what stands twice side by side squared."""
    texts = [within(factor, POWER) for factor in _factors(formula)]
    texts.sort(key=lambda text: not text[0].isdigit())
    squared: list[str] = []
    for text in texts:
        if squared and squared[-1] == text:
            squared[-1] = f"{text}^2"
        else:
            squared.append(text)
    return " ".join(squared), PRODUCT if len(squared) > 1 else POWER


def _factors(formula: ast.expr) -> Iterator[ast.expr]:
    if isinstance(formula, ast.Call) and ast.unparse(formula.func) == "MUL":
        for part in formula.args:
            yield from _factors(part)
    else:
        yield formula


# What is written

DTYPES = {
    "": "integers and bools become the default float",
    "INT": "integers stay what they are, bool raises TypeError",
    "BOOL": "integers and bools stay what they are",
}
IN_PLACE = "With `inplace` the result overwrites the input, as `add_` does."


def contract(row: Row) -> str:
    """Shapes, dtypes and errors of a function."""
    if row.is_logic:
        given = (
            "`input`, a, and `other`, b: Tensors of shapes that broadcast" if row.is_binary else "`input`, a: a Tensor"
        )
        kinds, others = ("integers", "bools and floats") if row.lowest else ("integers and bools", "floats")
        return (
            f"**Arguments:** {given}; {kinds}. **Returns** a Tensor of the {'broadcast' if row.is_binary else 'same'} "
            "shape, of the promoted dtype; results that do not fit into it wrap around. **Raises** TypeError for "
            f"{others}."
        )
    if not row.is_binary:
        return (
            "**Arguments:** `input`, a: a Tensor of any shape, or a number. **Returns** a Tensor of its shape; "
            f"{DTYPES[row.lowest]}. **Raises** TypeError for what is neither."
        )
    dtype = "bool" if row.kind == "COMPARE" else f"the promoted dtype; {DTYPES[row.lowest]}"
    return (
        "**Arguments:** `input`, a, and `other`, b: Tensors whose shapes broadcast, or numbers. **Returns** a Tensor "
        f"of the broadcast shape, {dtype}. **Raises** ValueError for shapes that do not broadcast, TypeError for what "
        f"is neither{', RuntimeError where integers are divided by zero' if row.may_fail else ''}."
    )


def docstring(indent: int, *paragraphs: str) -> str:
    """Paragraphs filled to the line, examples as they are."""
    filled = [
        each if each.startswith(">>>") else textwrap.fill(each, 120 - indent, break_on_hyphens=False)
        for each in (f'"""{paragraphs[0]}', *paragraphs[1:])
    ]
    text = "\n\n".join(filled) + ("\n" if len(paragraphs) > 1 else "")
    return textwrap.indent(f'{text}"""', " " * indent)


def listed(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def function(row: Row) -> str:
    typed, operands = ("input: Any, other: Any", "input, other") if row.is_binary else ("input: Tensor", "input")
    return f"""
def {row.name}({listed(typed, *row.typed_parameters)}) -> Tensor:
{docstring(4, f"Elementwise {row.formula}.", contract(row), example(row, f"pa.{row.name}({{}})"))}
    return apply({listed(f"_ops.{row.name}", operands, *row.parameter_names)})
"""


def rules(row: Row) -> str:
    """What a row sends back to its operands a; b; c."""
    return row.rule or "; ".join(map(rule, row.gradients))


def value_method(row: Row) -> str:
    typed, operand = ("other: Any", "other") if row.is_binary else ("", "")
    errors = ["**Raises** TypeError for what is no Value and no number."] if operand or row.parameters else []
    backward = [f"Sends back {text}, of its result y with the gradient g."] if (text := rules(row)) else []
    return f"""    def {row.name}({listed("self", typed, *row.typed_parameters)}) -> Value:
{docstring(8, f"{row.formula}.", *backward, *errors, example_of_value(row))}
        return apply_value({listed(f"_ops.{row.name}", "self", operand, *row.parameter_names)})
"""


def functional(row: Row) -> str:
    """The entry in nn.functional of an activation with `inplace`."""
    shown = example(row, f"pa.nn.functional.{row.name}({{}})")
    return f"""
def {row.name}({listed("input: Tensor", *row.typed_parameters, "inplace: bool = False")}) -> Tensor:
{docstring(4, f"Elementwise {row.formula}. {IN_PLACE}", contract(row), shown)}
    if inplace:
        return overwritten({listed("input", f'"{row.name}_"', row.name, *row.parameter_names)})
    return apply({listed(f"_ops.{row.name}", "input", *row.parameter_names)})
"""


def constructor(row: Row) -> str:
    """A module's constructor and what its repr shows, which modules of the same parameters share."""
    names = [*row.parameter_names, *(["inplace"] if row.is_inplace else [])]
    typed = [*row.typed_parameters, *(["inplace: bool = False"] if row.is_inplace else [])]
    assigned = "".join(f"        self.{name} = {name}\n" for name in names)
    return f"""    @named
    def __init__({listed("self", *typed)}) -> None:
        super().__init__()
{assigned}
    def extra_repr(self) -> str:
        return {representation(row)}
"""


def module(row: Row, base: str) -> str:
    """A module; one with a base has its constructor from there."""
    words = f"Elementwise {row.formula}." + (f" {IN_PLACE}" if row.is_inplace else "")
    own = [f"self.{name}" for name in row.parameter_names]
    has_options = row.parameters or row.is_inplace
    written = (
        f"""        if self.inplace:
            return F.{row.name}({listed("input", *own, "inplace=True")})
"""
        if row.is_inplace
        else ""
    )
    return f"""
class {row.module}({base or "Module"}):
{docstring(4, words, contract(row), example(row, f"pa.nn.{row.module}()({{}})"))}

{constructor(row) + NEWLINE if has_options and not base else ""}    def forward(self, input: Tensor) -> Tensor:
{written}        return apply({listed(f"_ops.{row.name}", "input", *own)})
"""


def representation(row: Row) -> str:
    """The expression for a module's parameters: those of the row, and `inplace` where it is set."""
    named = ", ".join(f"{name}={{self.{name}}}" for name in row.parameter_names)
    if not row.is_inplace:
        return f'f"{named}"'
    return (
        f'f"{named}" + (", inplace=True" if self.inplace else "")'
        if named
        else '"inplace=True" if self.inplace else ""'
    )


def _order(name: str) -> tuple[bool, list[str | int]]:
    """As ruff sorts names: those in capitals first, and numbers within them by their size."""
    return not name.isupper(), [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def exported(names: list[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in sorted(names, key=_order))
    if len(listed) < 106:
        return f"__all__ = [{listed}]\n"
    lines = textwrap.indent(textwrap.fill(f"{listed},", 112), "    ")
    return f"__all__ = [\n{lines}\n]  # fmt: skip\n"


def functions_file(rows: list[Row]) -> str:
    functions = [row for row in rows if row.has_function]
    shown = {row.name: text for row in rows if (text := rules(row))}
    return f"""{HEADER.format("Elementwise ops as functions and methods, and the rules that `trace` shows.")}
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd import _ops
from pyautograd._core import Node, Tensor, Value, apply

{exported([row.name for row in functions])}
{NEWLINE.join(map(function, functions))}

class TensorMethods(Node):
    \"""The functions as methods of Tensor.\"""

    __slots__ = ()

{"".join(f"    {row.name} = {row.name}{NEWLINE}" for row in functions)}

apply_value: Callable[..., Value] = apply  # type: ignore[assignment]  # what it makes of Values and numbers


class ValueMethods(Node):
    \"""The ops as methods of Value.\"""

    __slots__ = ()

{NEWLINE.join(value_method(row) for row in rows if row.has_value_method)}

# What ops send back to their operands a; b; c, given the gradient g of their result y.
RULES = {{
{"".join(f'    "{name}": "{text}",{NEWLINE}' for name, text in shown.items())}}}
"""


def functional_file(rows: list[Row]) -> str:
    activations = [row for row in rows if row.module]
    shared = sorted(row.name for row in activations if not row.is_inplace)
    return f"""{HEADER.format("Activations as functions, as `torch.nn.functional` has them.")}
from __future__ import annotations

from pyautograd import _ops
from pyautograd._core import Tensor, apply
from pyautograd._generated import {", ".join(shared)}
from pyautograd._in_place import overwritten

{exported([row.name for row in activations])}
{NEWLINE.join(functional(row) for row in activations if row.is_inplace)}"""


def modules_file(rows: list[Row]) -> str:
    activations = [row for row in rows if row.module]
    alike: dict[str, list[Row]] = {}
    for row in activations:
        if row.parameters or row.is_inplace:
            alike.setdefault(constructor(row), []).append(row)
    shared = {text: f"_{members[0].module}Options" for text, members in alike.items() if len(members) > 1}
    bases = [f"\nclass {name}(Module):\n{text}" for text, name in shared.items()]
    made = [module(row, shared.get(constructor(row), "")) for row in activations]
    return f"""{HEADER.format("Activations as modules; each is one op of the table.")}
from __future__ import annotations

from pyautograd import _ops
from pyautograd._arguments import named
from pyautograd._core import Tensor, apply
from pyautograd.nn import _generated_functional as F
from pyautograd.nn._module import Module

{exported([row.module for row in activations])}
{NEWLINE.join(bases + made)}"""


def generate(table: str) -> dict[str, str]:
    """What is written for a table: the text of each file by its path in the package."""
    rows = read_table(table)
    return {
        "_generated.py": functions_file(rows),
        "nn/_generated_functional.py": functional_file(rows),
        "nn/_generated_modules.py": modules_file(rows),
    }


if __name__ == "__main__":
    root = Path(__file__).parent.parent
    for path, text in generate((root / "csrc/ops.def").read_text()).items():
        (root / "pyautograd" / path).write_text(text)
        print(f"pyautograd/{path}", file=sys.stderr)
