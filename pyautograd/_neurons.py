"""A tape with each neuron as one row, for pictures of graphs that are too large to show every product and sum.

A neuron is found by its shape, whoever wrote it: a sum of products used nowhere else, each of a weight and an input of
its own, with an activation or a bias. Its weights and its bias are the leaves that only such sums read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["neurons"]

ACTIVATIONS = frozenset(("celu", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "relu"))
ACTIVATIONS |= {"selu", "sigmoid", "silu", "softplus", "softsign", "tanh", "tanhshrink"}


def neurons(rows: Sequence[Any]) -> list[Any]:
    """The rows, numbered anew, with those of a neuron as one, whose local derivatives are those of the whole neuron."""
    readers: list[list[int]] = [[] for _ in rows]
    for row in rows:
        for i in row.inputs:
            readers[i].append(row.number)
    heads = [row for row in rows if row.inputs and not _inside(row, readers, rows)]
    inside: dict[int, list[int]] = {head.number: [] for head in heads}
    owner = {head.number: head.number for head in heads}
    for row in reversed(rows):
        if row.inputs and row.number not in owner:
            owner[row.number] = owner[readers[row.number][0]]
            inside[owner[row.number]].append(row.number)  # the last first, as the chain rule wants them
    for head, parts in inside.items():
        if parts and not _is_neuron([head, *parts], readers, rows):
            owner.update((part, part) for part in parts)
            inside[head] = []
    folded = {number for head, members in inside.items() if members for number in (head, *members)}
    weights = {
        row.number
        for row in rows
        if not row.inputs and all(r in folded and _weighs(row, rows[r], rows, readers) for r in readers[row.number])
    }
    number: dict[int, int] = {}
    made: list[Any] = []
    for row in rows:
        if row.number in weights or owner.get(row.number, row.number) != row.number:
            continue
        number[row.number] = len(made)
        if members := inside.get(row.number):
            slopes = _slopes(row, members, rows)
            sources = {i: slope for i, slope in slopes.items() if i not in weights}
            row = row._replace(
                op="neuron",
                inputs=tuple(sources),
                input_names=tuple(rows[i].name for i in sources),
                local_gradients=tuple(sources.values()),
            )
        made.append(row._replace(number=len(made), inputs=tuple(number[i] for i in row.inputs)))
    return made


def _inside(row: Any, readers: list[list[int]], rows: Sequence[Any]) -> bool:
    """Whether a row is a part of the neuron of the one row that reads it."""
    if len(readers[row.number]) != 1 or row.op_name not in ("add", "mul"):
        return False
    reader: str = rows[readers[row.number][0]].op_name
    return reader == "add" or (row.op_name == "add" and reader in ACTIVATIONS)


def _is_neuron(parts: Sequence[int], readers: list[list[int]], rows: Sequence[Any]) -> bool:
    """Whether what may be a neuron, its head first, is one and no other sum: of losses, of powers, of one value."""
    inputs: list[int] = []
    biases, own = 0, set(parts)
    for row in (rows[part] for part in parts):
        outer = [i for i in row.inputs if i not in own]
        if row.op_name == "mul":
            weights = [i for i in outer if not rows[i].inputs and _weighs(rows[i], row, rows, readers)]
            inputs += [i for i in row.inputs if i not in weights]
            if len(weights) != 1 or row.inputs[0] == row.inputs[1]:
                return False
        elif any(rows[i].inputs for i in outer):
            return False
        else:
            biases += len(outer)
    return 0 < len(inputs) == len(set(inputs)) and (biases > 0 or rows[parts[0]].op_name in ACTIVATIONS)


def _weighs(leaf: Any, reader: Any, rows: Sequence[Any], readers: list[list[int]]) -> bool:
    """Whether a leaf is a weight or a bias to a row that reads it: of two leaves of a product that which fewer rows
    read, else the first."""
    op: str = reader.op_name
    if op != "mul":
        return op == "add"
    first, second = reader.inputs
    other = second if first == leaf.number else first
    if rows[other].inputs or other == leaf.number:
        return True
    ours, theirs = len(readers[leaf.number]), len(readers[other])
    return ours < theirs or (ours == theirs and first == leaf.number)


def _slopes(head: Any, inside: Sequence[int], rows: Sequence[Any]) -> dict[int, float]:
    """d head / d each input of the neuron, by the chain rule inside of it."""
    upstream = {head.number: 1.0}
    found: dict[int, float] = {}
    members = set(inside)
    for row in [head, *(rows[i] for i in inside)]:
        for i, local in zip(row.inputs, row.local_gradients, strict=True):
            sums = upstream if i in members else found
            sums[i] = sums.get(i, 0.0) + upstream[row.number] * local
    return found
