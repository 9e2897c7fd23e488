"""`python -m pyautograd explain "(a*b + c).tanh()" a=2 b=-3 c=10`: the chain rule through a formula, step by step.

The formula is parsed and computed here, name by name and op by op; it is never run as Python code.
"""

from __future__ import annotations

import argparse
import ast
import math
import operator
import re
import unicodedata
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyautograd import _ops
from pyautograd._arguments import did_you_mean
from pyautograd._trace import Trace, trace
from pyautograd._value import Value

__all__ = ["evaluate", "main"]

BINARY: dict[type[ast.operator], Callable[[Any, Any], Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
WORDS = {"min": "minimum", "max": "maximum", "ln": "log", "sigma": "sigmoid", "\u03c3": "sigmoid"}  # of others
CONSTANTS = {"pi": math.pi, "e": math.e}
SIGNS = {"\u00d7": "*", "\u00b7": "*", "\u22c5": "*", "\u00f7": "/", "\u2212": "-", "\u2013": "-"}
FUNCTIONS = sorted(name for name, row in _ops.table.items() if row.family == "elementwise" and hasattr(Value, name))


def evaluate(formula: str, numbers: dict[str, float]) -> Value:
    """The Value of a formula of numbers, of the names given, of `+ - * / **`, and of Value's elementwise methods,
    as methods or as functions. Assignments before it, with `;` between, give parts of it a name.

    **Raises** ValueError that names what the formula may not have, or a name that has no number.

    >>> evaluate("q = a * b; tanh(q + 1)", {"a": 2.0, "b": -0.5})
    Value(data=0.0, grad=0.0)
    """
    try:
        return _evaluate(ast.parse(formula.strip()).body, numbers)
    except SyntaxError as error:
        raise ValueError(f"explain: {formula!r} is no formula: {error.msg}{_spelling(formula)}") from None
    except (RecursionError, MemoryError):
        raise ValueError("explain: the formula is nested too deeply; give parts of it names, with ; between") from None


def _spelling(formula: str) -> str:
    """How to write what Python does not read as a formula's author meant it."""
    for sign in formula:
        plain = SIGNS.get(sign) or unicodedata.normalize("NFKC", sign)
        if plain != sign:
            power = "**" * unicodedata.decomposition(sign).startswith("<super>")
            return f"; write {power}{plain} for {sign}"
    return "; a product has its sign and a function its brackets, as in 2*a*b + tanh(a)"


def _evaluate(statements: list[ast.stmt], numbers: dict[str, float]) -> Value:
    names = {name: Value(number, label=name) for name, number in numbers.items()}
    result = None
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if name in numbers:
                    raise ValueError(f"explain: {name} is assigned in the formula and given after it; leave one out")
                result = names[name] = _value(value, names)
                result.label = result.label or name
            case ast.Expr(value=value):
                result = _value(value, names)
            case _:
                raise _refused(statement)
    if result is None:
        raise ValueError("explain: the formula is empty")
    return result


def _value(node: ast.expr, names: dict[str, Value]) -> Value:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Value(number)
        case ast.Name(id=name):
            if name in names:
                return names[name]
            if name in FUNCTIONS:
                raise ValueError(f"explain: {name} is a function; write {name}(a)")
            if "\u00b7" in name:
                raise ValueError(f"explain: {name} is read as one name; write {name.replace(chr(0xB7), '*')}")
            number = CONSTANTS.get(name, 2.0)
            raise ValueError(f"explain: {name} has no number; write {name}={number} after the formula")
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() | float() as number)):
            return _value(left, names) ** number  # one node, as Python makes it
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return BINARY[type(op)](_value(left, names), _value(right, names))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return Value(-number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, names)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, names)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy" | "math" | "torch" as module), attr=name)):
            if module not in names:
                raise ValueError(f"explain: write {WORDS.get(name, name)}(a) for {module}.{name}(a)")
        case ast.BinOp(op=ast.BitXor()):
            raise ValueError("explain: ^ is no power; write ** for it")
        case ast.Attribute(attr=name) if name in FUNCTIONS:
            raise ValueError(f"explain: {name} is a function; write {ast.unparse(node)}()")
    match node:
        case ast.Call(func=ast.Attribute(value=subject, attr=name), args=arguments, keywords=[]):
            return _call(name, [subject, *arguments], names)
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]):
            return _call(name, arguments, names)
    raise _refused(node)


def _call(name: str, arguments: list[ast.expr], names: dict[str, Value]) -> Value:
    if name not in FUNCTIONS:
        near = f" (did you mean {WORDS[name]!r}?)" if name in WORDS else did_you_mean(name, FUNCTIONS)
        raise ValueError(f"explain: no function is called {name!r}{near}")
    values = [_value(each, names) for each in arguments]
    if any(isinstance(each, ast.Starred) for each in arguments):
        raise _refused(arguments[0])
    try:
        # A number is given as one, as Python code would: the bounds of a clamp are no Values.
        value: Value = getattr(values[0], name)(*(v if v._inputs or v.label else v.data for v in values[1:]))
    except TypeError as error:
        if "positional argument" in str(error):
            raise ValueError(f"explain: {name} is no function of {len(values)} numbers") from None
        raise ValueError(f"explain: {error}") from None
    return value


def _refused(node: ast.AST) -> ValueError:
    return ValueError(
        f"explain: {ast.unparse(node)!r} is no part of a formula: numbers, names, + - * / **, and functions such "
        "as tanh are"
    )


def main(argv: list[str]) -> int:
    """Prints the tape of a formula, writes its moving picture and opens it; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pyautograd explain",
        description="Differentiates a formula and shows how the chain rule runs back through it, as a table and as a "
        "page that moves step by step. With ; between, parts of it get names: 'q = a*b; (q + c).tanh()'.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("formula", help="of names, numbers, + - * / ** and functions, as in '(a*b + c).tanh()'")
    parser.add_argument("numbers", nargs="*", metavar="name=number", help="a number for each name, as in a=2 b=-3")
    parser.add_argument("--out", type=Path, default=Path("backprop.html"), metavar="FILE", help="where the page goes")
    parser.add_argument("--no-open", action="store_true", help="write the page, and open no browser")
    # A formula such as -a*b is no option; where it begins with a space argparse does not take it for one.
    if not argv:
        parser.error("no formula; write one in quotes, as in 'a*b + 1' a=2 b=-3")
    options = parser.parse_intermixed_args([re.sub(r"^-(?![-h]|$)", " -", each) for each in argv])
    try:
        pairs = [*map(_number, options.numbers)]
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name is given two numbers")
        tape = explain(options.formula, dict(pairs))
        tape.save(options.out, title=options.formula.strip())
    except (ValueError, ZeroDivisionError, OverflowError, OSError) as error:
        parser.error(str(error).removeprefix("explain: "))
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", options.formula))
    for name, _ in pairs:
        if name not in words:
            print(f"{name} is not in the formula")
    print(f"{tape}\n\nWritten to {options.out}")
    if not options.no_open:
        webbrowser.open(options.out.resolve().as_uri())
    return 0


def explain(formula: str, numbers: dict[str, float]) -> Trace:
    """The tape of a formula after its backward pass.

    >>> explain("a * b", {"a": 2.0, "b": 3.0})[0].gradient
    3.0
    """
    result = evaluate(formula, numbers)
    result.backward()
    return trace(result)


def _number(text: str) -> tuple[str, float]:
    name, equals, number = text.partition("=")
    try:
        if not (equals and name.isidentifier()):
            raise ValueError
        return unicodedata.normalize("NFKC", name), float(number)  # as the parser reads names
    except ValueError:
        raise ValueError(f"explain: {text!r} is not of the form name=number, as in a=-0.5") from None
