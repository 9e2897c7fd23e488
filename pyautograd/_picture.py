"""The graph behind a Value or a Tensor as a picture: SVG, and a page in which the chain rule runs back step by step.

Nothing has to be installed: `_layout` says where the boxes stand, the page is one file with a small script in it, and
what the script adds up is what the tape sends back. A graph of more boxes than can be looked at has each neuron drawn
as one box.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from pyautograd._layout import characters, layered

__all__ = ["MOST_BOXES", "Box", "page", "svg"]

MOST_BOXES = 300
CHARACTER, LINE, PAD = 7.3, 16, 9  # pixels: of 12 px monospace, and around it
GAP, COLUMN = 18, 90  # pixels: between two boxes of a layer, between two layers

# Colours that can be read on white and on black: a picture alone does not know what it lies on. In a notebook a style
# holds for the whole page, so it names what it is for.
STYLE = """<style>
.tape text { font: 12px ui-monospace, monospace; fill: #2b2b2b } .tape .name { font-weight: 600 }
.tape .sent { font-size: 11px; fill: #b4530f; text-anchor: middle }
.tape rect { fill: #f4f2ee; stroke: #8a8a8a } .tape .leaf rect { fill: #e3ebf3 }
.tape path + rect { stroke: none }
.tape path { fill: none; stroke: #8a8a8a; marker-end: url(#to) }
.tape marker path { fill: #8a8a8a; stroke: none; marker: none }
</style>"""
MARKERS = (
    '<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z"/></marker><marker id="from" viewBox="0 0 8 8" refX="0" refY="4" markerWidth="5" '
    'markerHeight="5" orient="auto"><path d="M8 0 0 4 8 8z"/></marker></defs>'
)


class Box(NamedTuple):
    """A box: its lines of text, each with the class that styles it, and what it reads, all of it boxes before it."""

    lines: list[tuple[str, str]]
    inputs: tuple[int, ...]
    sends: tuple[str, ...] = ()  # along each edge back to an input, in one line or two


def svg(boxes: Sequence[Box], style: str = STYLE, down: bool = False) -> str:
    """The boxes as SVG, from left to right or from above `down`, with an edge for each input."""
    widths = [max(characters(line) for line, _ in box.lines) * CHARACTER + 2 * PAD for box in boxes]
    heights = [len(box.lines) * LINE + PAD for box in boxes]
    deep, wide = (heights, widths) if down else (widths, heights)  # along the layers, and across them
    places = layered([box.inputs for box in boxes], wide, GAP)
    layers = [0.0] * (max(places.layer, default=0) + 1)
    for at, depth in zip(places.layer, deep, strict=True):
        layers[at] = max(layers[at], depth)
    gaps = [COLUMN / 2 if down else COLUMN] * len(layers)  # before each layer: wide enough for what its boxes send
    for at, box in zip(places.layer, boxes, strict=True):
        said = max((characters(line) for words in box.sends for line in words.split("\n")), default=0)
        gaps[at] = max(gaps[at], said * CHARACTER + 16)
    starts = [PAD + sum(layers[:at]) + sum(gaps[1 : at + 1]) for at in range(len(layers))]
    size = starts[-1] + layers[-1] + PAD
    breadth = max((c + w / 2 for c, w in zip(places.across, wide, strict=True)), default=0.0) + 2 * PAD
    width, height = (breadth, size) if down else (size, breadth)

    edges, drawn = [], []
    for i, box in enumerate(boxes):
        start, across = starts[places.layer[i]], places.across[i] + PAD
        x, y = (across - widths[i] / 2, start) if down else (start, across - heights[i] / 2)
        drawn.append(
            f'<g class="box{"" if box.inputs else " leaf"}" id="b{i}"><rect x="{x:.0f}" y="{y:.1f}" '
            f'width="{widths[i]:.0f}" height="{heights[i]}" rx="6"/>'
            + "".join(
                f'<text class="{kind}" x="{x + PAD:.0f}" y="{y + PAD / 2 + LINE * (k + 0.72):.1f}" '
                f'xml:space="preserve">{escape(line)}</text>'
                for k, (line, kind) in enumerate(box.lines)
            )
            + "</g>"
        )
        # Edges arrive side by side, in the order in which they come from above: two from one box are two.
        order = sorted(range(len(box.inputs)), key=lambda k: (places.across[box.inputs[k]], k))
        step = min(14.0, wide[i] / (len(order) + 1))
        for rank, k in enumerate(order):
            source = box.inputs[k]
            shift = (rank - (len(order) - 1) / 2) * step
            twice = box.inputs.count(source) > 1
            at = places.layer[source]
            points = [(starts[at] + deep[source], places.across[source] + PAD + (shift if twice else 0))]
            for bend in places.bends.get((source, i), ()):
                at += 1
                points += [(starts[at], bend + PAD + shift), (starts[at] + layers[at], bend + PAD + shift)]
            points.append((start - 1, across + shift))
            middle = (points[-2][0] + start) / 2, (points[-2][1] + points[-1][1]) / 2
            x, y = reversed(middle) if down else middle
            first, _, second = escape(box.sends[k] if box.sends else "").partition("\n")
            # On the outer side of two edges side by side, around a level one, in place of a steep one's middle.
            level = abs(points[-2][1] - points[-1][1]) < LINE / 2
            if twice:
                y, drop = y + (14 if shift > 0 else -20 if second else -6), 14
            else:
                y, drop = (y - 6, 20) if level else (y - 4 if second else y + 4, 15)
            room = characters(first) * CHARACTER
            paper = f'<rect x="{x - room / 2:.0f}" y="{y - 11:.1f}" width="{room:.0f}" height="15" rx="4"/>'
            edges.append(
                f'<g id="e{i}_{k}"><path d="{_curve(points, down)}"/>{paper if style and first else ""}'
                f'<text class="sent" x="{x:.0f}" y="{y:.1f}">{first}'
                + (f'<tspan x="{x:.0f}" dy="{drop}">{second}</tspan>' if second else "")
                + "</text></g>"
            )
    return (
        f'<svg class="tape" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" style="height:auto;max-width:max(100%,{0.75 * width:.0f}px)" '
        f'role="img" aria-label="a graph of {len(boxes)} boxes">'
        + style
        + MARKERS
        + "".join(edges)
        + "".join(drawn)
        + "</svg>"
    )


def _curve(points: Sequence[tuple[float, float]], down: bool) -> str:
    """A path through points (along, across the layers) that leaves and reaches each of them along; between two of one
    place across, a line."""

    def at(along: float, across: float) -> str:
        return f"{across:.1f} {along:.0f}" if down else f"{along:.0f} {across:.1f}"

    path = f"M{at(*points[0])}"
    for (a0, c0), (a1, c1) in pairwise(points):
        half = (a0 + a1) / 2
        path += f"L{at(a1, c1)}" if c0 == c1 else f"C{at(half, c0)} {at(half, c1)} {at(a1, c1)}"
    return path


def still(rows: Any, summary: Any) -> str:
    """A trace's rows as SVG, with what each sends back along its edges. ValueError for more boxes than can be looked
    at."""
    if len(rows) > MOST_BOXES:
        raise ValueError(
            f"trace: {len(rows)} boxes are too many for a picture, the most is {MOST_BOXES}: "
            "trace the loss of one example, or a smaller net"
        )
    return svg(_boxes(rows, summary, lambda local, gradient, product: f"← {product:.4g}"))


def _product(local: float, gradient: float, product: float) -> str:
    return f"{local:.4g} × {gradient:.4g}\n= {product:.4g}"


def _boxes(rows: Any, summary: Any, says: Callable[[float, float, float], str]) -> list[Box]:
    """A box for each row; `says` makes words of a local derivative, the gradient and their product. What a closure
    sends is not known."""
    boxes = []
    for row in rows:
        lines = [(row.name, "name")] + ([(row.expression, "expression")] if row.inputs or row.notes else [])
        lines += [(f"value {summary(row.value)}".ljust(16), "value"), (f"grad  {summary(row.gradient)}", "grad")]
        lines += [(note, "note") for note in row.notes]
        pairs = () if rows._hidden(row) else zip(row.local_gradients, row.contributions, strict=True)
        boxes.append(Box(lines, row.inputs, tuple(says(local, row.gradient, product) for local, product in pairs)))
    return boxes


def page(rows: Any, table: str, title: str, summary: Any) -> str:
    """The page of a trace's rows, `table` being the same as HTML and `summary` what makes a text of a value. Of more
    boxes than can be looked at, the table alone."""
    text = Path(__file__).with_name("data").joinpath("picture.html").read_text(encoding="utf-8")
    if len(rows) > MOST_BOXES:
        return Template(text[: text.index("<script>")] + "</html>\n").substitute(
            title=escape(title),
            summary=f"The graph has {len(rows)} nodes and is too large to be drawn: the most is {MOST_BOXES}.",
            svg="",
            table=table,
        )
    data = [
        {
            "name": row.name,
            "expr": row.expression,
            "value": summary(row.value),
            "numbers": isinstance(row.value, (int, float)),
            "grad": row.gradient if isinstance(row.gradient, (int, float)) else summary(row.gradient),
            "in": row.inputs,
            "local": row.local_gradients,
            "own": rows._hidden(row),
            "held": rows._held.get(row.number, 0) if rows._of_values else 0,
            "rule": row.rule,
        }
        for row in rows
    ]
    return Template(text).substitute(
        title=escape(title),
        summary=f"{len(rows)} rows; with scripts the chain rule runs back through them step by step.",
        svg=svg(_boxes(rows, summary, _product), style=""),
        table=table,
        rows=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    )
