"""What Python has of the op table is what `make ops` writes for it, and one more row is all that one more op takes."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import pytest

import pyautograd
from pyautograd._generated import RULES

PACKAGE = Path(pyautograd.__file__).parent
TABLE = PACKAGE.parent / "csrc" / "ops.def"
MORE = """
UNARY(squash, "squash", "a / (1 + |a|)", ACTIVATION(Squash), PARAMS(), READS_A, DIV(A, ADD(ONE, ABS(A))),
      DIV(G, MUL(ADD(ONE, ABS(A)), ADD(ONE, ABS(A)))))
UNARY(cutoff, "cutoff", "a if |a| > p else 0", ACTIVATION_INPLACE(Cutoff), PARAMS("lambd=0.5"), READS_A,
      SELECT(GT(ABS(A), P), A, ZERO), SELECT(GT(ABS(A), P), G, ZERO))
"""

pytestmark = pytest.mark.skipif(not TABLE.is_file(), reason="the op table is not beside the package")


def generate(table: str) -> dict[str, str]:
    return runpy.run_path(str(TABLE.with_name("ops.py")))["generate"](table)


def body(text: str, name: str) -> ast.AST:
    return next(node for node in ast.parse(text).body if getattr(node, "name", "") == name)


def test_the_generated_files_are_fresh() -> None:
    for path, text in generate(TABLE.read_text()).items():
        assert (PACKAGE / path).read_text() == text, f"run `make ops`: {path} is not what the table says"


def test_a_row_becomes_function_methods_activation_module_and_rule() -> None:
    files = generate(TABLE.read_text() + MORE)
    core, functional, modules = files.values()
    assert '"squash"' in core.partition("]")[0]
    function = body(core, "squash")
    assert ast.unparse(function.args) == "input: Tensor"
    assert ast.get_docstring(function).splitlines()[0] == "Elementwise a / (1 + |a|)."
    assert ">>> pa.squash(pa.tensor([-1.5, 0.5, 3.0]))\ntensor([-0.6000,  0.3333,  0.7500])" in ast.get_docstring(
        function
    )
    assert "squash = squash" in ast.unparse(body(core, "TensorMethods"))
    assert "return apply_value(_ops.squash, self)" in ast.unparse(body(core, "ValueMethods"))
    assert '"squash": "g / (1 + |a|)^2",' in core
    assert '"squash"' in functional
    assert body(modules, "Squash")


def test_parameters_stand_in_every_signature() -> None:
    core, functional, modules = generate(TABLE.read_text() + MORE).values()
    assert ast.unparse(body(core, "cutoff").args) == "input: Tensor, lambd: float=0.5"
    assert "Elementwise a if |a| > lambd else 0." in ast.get_docstring(body(core, "cutoff"))
    assert "def cutoff(self, lambd: float=0.5)" in ast.unparse(body(core, "ValueMethods"))
    assert ast.unparse(body(functional, "cutoff").args) == "input: Tensor, lambd: float=0.5, inplace: bool=False"
    assert "def __init__(self, lambd: float=0.5, inplace: bool=False)" in ast.unparse(body(modules, "Cutoff"))
    assert "apply(_ops.cutoff, input, self.lambd)" in ast.unparse(body(modules, "Cutoff"))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("mul", "g b; g a"),
        ("div", "g / b; -g y / b"),
        ("tanh", "g (1 - y^2)"),
        ("relu", "g unless y <= 0"),
        ("log1p", "g / (1 + a)"),
        ("softplus", "g where p a > q, else g sigmoid(p a)"),
        ("pow", "g b a^(b - 1) unless b = 0; g y ln(a) unless a = 0 and b >= 0"),
        ("gelu", "g (Phi(a) + a phi(a))"),
        ("matmul", "g b^T; a^T g"),
    ],
)
def test_rules_are_the_gradient_formulas(name: str, rule: str) -> None:
    assert RULES[name] == rule
