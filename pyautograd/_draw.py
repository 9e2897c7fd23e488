"""Drawings of the graph behind a Value or a Tensor, for Graphviz.

As in micrograd, everything is a record with its number and its gradient, and an op a small node before what it made:

    x ──▶ (*) ──▶ y        { x | data 2.0000 | grad -3.0000 }
"""

from __future__ import annotations

import os
import re
from itertools import pairwise
from typing import Any

from pyautograd._arguments import named
from pyautograd._trace import FREED, is_freed, tape

__all__ = ["DotText", "draw_dot", "draw_program", "to_dot"]

INSTALL = 'pictures other than SVG need Graphviz and its Python package: pip install "pyautograd-core[draw]"'


class DotText:
    """A drawing as DOT text and as SVG: what `draw_dot` returns where the Python package `graphviz` is not installed.

    `source` is the text, which any Graphviz draws; notebooks show the SVG, laid out without Graphviz. The
    methods are the few of `graphviz.Digraph` that it takes to draw a graph.
    """

    def __init__(self, rankdir: str = "LR", format: str = "svg") -> None:
        self._format = format
        self._lines = [f"    rankdir={rankdir}"]
        self._down = rankdir == "TB"
        self._labels: dict[str, str] = {}
        self._tails: dict[str, list[str]] = {}

    def node(self, name: str, label: str, shape: str | None = None) -> None:
        self._lines.append(f'    {name} [label="{label}"' + (f" shape={shape}]" if shape else "]"))
        self._labels[name] = label
        self._tails.setdefault(name, [])

    def edge(self, tail: str, head: str) -> None:
        self._lines.append(f"    {tail} -> {head}")
        self._tails.setdefault(head, []).append(tail)

    @property
    def source(self) -> str:
        return "digraph {\n" + "\n".join(self._lines) + "\n}\n"

    def svg(self) -> str:
        """The drawing as SVG. **Raises** ValueError beyond 300 boxes: none could read it."""
        from graphlib import TopologicalSorter

        from pyautograd._picture import MOST_BOXES, Box, svg

        if len(self._labels) > MOST_BOXES:
            raise ValueError(f"draw_dot: {len(self._labels)} boxes are too many to draw, the most is {MOST_BOXES}")
        order = list(TopologicalSorter(self._tails).static_order())
        place = {name: i for i, name in enumerate(order)}
        boxes = []
        for name in order:
            fields = re.split(r"(?<!\\)\|", self._labels[name].removeprefix("{ ").removesuffix(" }"))
            lines = [(re.sub(r"\\(.)", r"\1", field).strip(), "field") for field in fields]
            boxes.append(Box(lines, tuple(place[tail] for tail in self._tails[name])))
        return svg(boxes, down=self._down)

    def save(self, filename: str | os.PathLike[str]) -> str:
        """Writes the DOT text into a file and returns its name."""
        with open(filename, "w", encoding="utf-8") as file:
            file.write(self.source)
        return os.fspath(filename)

    def render(self, filename: str | os.PathLike[str], *, format: str | None = None, **_: Any) -> str:
        """Writes `filename.svg` and returns its name. Other formats need `graphviz`: they raise ImportError."""
        if (format or self._format) != "svg":
            raise ImportError(f"render: {INSTALL}", name="graphviz")
        drawing = self.svg()
        path = f"{os.fspath(filename)}.svg"
        with open(path, "w", encoding="utf-8") as file:
            file.write(drawing)
        return path

    def __str__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"<DotText of {len(self._lines) - 1} lines>"

    def _repr_html_(self) -> str:
        from html import escape

        try:
            return self.svg()
        except ValueError as error:
            return f"<p>{error}</p><pre>{escape(self.source)}</pre>"


def to_dot(root: Any, rankdir: str = "LR") -> str:
    """The graph behind `root`, a Value or a Tensor, as DOT text. Needs nothing installed.

    >>> from pyautograd.scalar import Value
    >>> print(to_dot(Value(2.0, label="a") * 3.0))
    digraph {
        rankdir=LR
        n0 [label="{ a | data 2.0000 | grad 0.0000 }" shape=record]
        n1 [label="{ data 3.0000 | grad 0.0000 }" shape=record]
        n2 [label="{ data 6.0000 | grad 0.0000 }" shape=record]
        n2_op [label="*"]
        n2_op -> n2
        n0 -> n2_op
        n1 -> n2_op
    }
    <BLANKLINE>
    """
    dot = DotText(rankdir)
    _fill(dot, root)
    return dot.source


@named
def draw_dot(root: Any, format: str = "svg", rankdir: str = "LR") -> Any:
    """Draws the graph behind `root`, a Value or a Tensor: operands left of results, with `rankdir="TB"` above.

    **Returns** a `graphviz.Digraph`, which notebooks show and whose `render()` writes a file of the given format, where
    that package is installed (`pip install "pyautograd-core[draw]"`), else a `DotText`. **Raises** ValueError for
    another `rankdir`, TypeError for what is no Value or Tensor.

    >>> from pyautograd.scalar import Value, draw_dot
    >>> "data 6.0000" in draw_dot(Value(2.0, label="a") * 3.0).source
    True
    """
    if rankdir not in ("LR", "TB"):
        raise ValueError(f"draw_dot: rankdir is 'LR' or 'TB', not {rankdir!r}")
    dot = _graph(format, rankdir)
    _fill(dot, root)
    return dot


def draw_program(description: dict[str, Any], name: str, format: str, rankdir: str) -> Any:
    """Draws a program: a box an instruction, an arrow where one reads what another has written, or, in straight-line
    code, to the next. Returns what `draw_dot` does."""
    dot = _graph(format, rankdir, name)
    texts = description["instructions"]
    for index, text in enumerate(texts):
        dot.node(name=f"i{index}", label=text.strip().replace('"', "'"), shape="box")
    for before, after in sorted(set(description.get("edges", pairwise(range(len(texts)))))):
        dot.edge(f"i{before}", f"i{after}")
    return dot


def _graph(format: str, rankdir: str, name: str | None = None) -> Any:
    """An empty drawing."""
    try:
        from graphviz import Digraph
    except ImportError:
        return DotText(rankdir, format)
    return Digraph(name=name, format=format, graph_attr={"rankdir": rankdir})


def _fill(dot: Any, root: Any) -> None:
    nodes = tape(root, "draw_dot")
    names = {id(node): f"n{index}" for index, node in enumerate(nodes)}
    for node in nodes:
        name = names[id(node)]
        dot.node(name=name, label=_record(node), shape="record")
        if op := node._op:
            dot.node(name=f"{name}_op", label=_escape(op))
            dot.edge(f"{name}_op", name)
            for operand in node._inputs:
                dot.edge(names[id(operand)], f"{name}_op")


def _record(node: Any) -> str:
    """The fields of a node's box: its label if it has one, what it holds, its gradient."""
    label = getattr(node, "label", "")
    fields = [_escape(label)] if label else []
    if isinstance(node.data, (int, float)):
        fields += [f"data {node.data:.4f}", f"grad {node.grad:.4f}"]
    else:
        fields.append(f"{node.dtype.name} {node.shape}")
        if node.numel() == 1:
            fields.append(f"data {node.item():.4f}" if node.dtype.is_floating_point else f"data {node.item()}")
        if node.grad is not None:
            fields.append(f"grad {node.grad.item():.4f}" if node.numel() == 1 else "grad")
    if is_freed(node):
        fields += FREED
    return f"{{ {' | '.join(fields)} }}"


def _escape(text: str) -> str:
    """Text as a record shows it: braces, bars and angles are syntax there."""
    return "".join("\\" + character if character in '{}|<>"\\' else character for character in str(text))
