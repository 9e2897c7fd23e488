"""Where the boxes of a graph stand: in layers, operands before what is made of them, with few crossings.

Sugiyama's method (K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding of hierarchical system structures,
1981). A layer is the longest way to the last result; an edge over several layers bends at a place of its own in each of
those between; each layer is sorted by the mean place of its neighbours, and then stands as near to them as the gaps
permit. Nothing is random: the same graph always looks the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Layout", "characters", "layered"]

SWEEPS = 8  # over all layers, there and back by turns: crossings hardly fall after


class Layout(NamedTuple):
    """Places in a plane whose origin is a corner: `along` the layers, `across` them."""

    layer: list[int]  # of each box; the leaves farthest from the result are in layer 0
    across: list[float]  # the middle of each box
    bends: dict[tuple[int, int], list[float]]  # (source, target) → across, in each layer between the two


def layered(inputs: Sequence[Sequence[int]], widths: Sequence[float], gap: float) -> Layout:
    """Places boxes, of which `inputs` tells what each reads, all earlier than itself; `widths` are theirs across the
    layers, `gap` is the least room between two.

    >>> layered([[], [], [0, 1]], [1.0, 1.0, 1.0], 0.5)
    Layout(layer=[0, 0, 1], across=[0.5, 2.0, 1.25], bends={})
    """
    height = [0] * len(inputs)
    for box in reversed(range(len(inputs))):
        for source in inputs[box]:
            height[source] = max(height[source], height[box] + 1)
    top = max(height, default=0)
    layer = [top - h for h in height]

    size = list(widths)
    before: list[list[int]] = [[] for _ in inputs]
    after: list[list[int]] = [[] for _ in inputs]
    layers: list[list[int]] = [[] for _ in range(top + 1)]
    for box, at in enumerate(layer):
        layers[at].append(box)
    bends: dict[tuple[int, int], list[int]] = {}
    for box, sources in enumerate(inputs):
        for source in dict.fromkeys(sources):
            way = [source]
            for between in range(layer[source] + 1, layer[box]):
                way.append(len(size))
                layers[between].append(len(size))
                size.append(0.0)
                before.append([])
                after.append([])
            bends[source, box] = way[1:]
            for tail, head in zip(way, [*way[1:], box], strict=True):
                after[tail].append(head)
                before[head].append(tail)

    across = [0.0] * len(size)
    for boxes in layers:
        _spread(boxes, across, size, gap, [float(i) for i in range(len(boxes))])
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        for boxes in layers if forward else reversed(layers):
            aims = [_mean([across[n] for n in neighbours[box]], across[box]) for box in boxes]
            order = sorted(range(len(boxes)), key=aims.__getitem__)
            boxes[:] = [boxes[i] for i in order]
            _spread(boxes, across, size, gap, [aims[i] for i in order])
    least = min((across[box] - size[box] / 2 for box in range(len(size))), default=0.0)
    across = [place - least for place in across]
    return Layout(layer, across[: len(layer)], {edge: [across[i] for i in way] for edge, way in bends.items() if way})


def characters(text: str) -> int:
    """How wide a text is, in characters of a typewriter: those of East Asia take two, accents none.

    >>> characters("w1"), characters("重み")
    (2, 4)
    """
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)


def _mean(places: list[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _spread(boxes: list[int], across: list[float], size: list[float], gap: float, aims: list[float]) -> None:
    """Puts a layer's boxes, in order, as near to their aims as their sizes permit, by least squares: less the room that
    the boxes before it take, each aim may only grow, so neighbours that contradict each other share their mean (pool
    adjacent violators)."""
    room = 0.0
    rooms: list[float] = []
    blocks: list[list[float]] = []  # [sum, count]
    for box, aim in zip(boxes, aims, strict=True):
        room += size[box] / 2
        rooms.append(room)
        blocks.append([aim - room, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
        room += size[box] / 2 + gap
    places = [total / count for total, count in blocks for _ in range(int(count))]
    for box, place, taken in zip(boxes, places, rooms, strict=True):
        across[box] = place + taken
