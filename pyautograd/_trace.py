"""The tape behind a Value or a Tensor as a table to read: what was computed from what, and how the chain rule ran back.

`backward()` goes through this table from the last row to the first. In each row it multiplies the gradient that has
arrived (d root / d this) with the local derivatives (d this / d input) and adds the products to the inputs' gradients.
"""

from __future__ import annotations

import math
import operator
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, overload

from pyautograd import _core, _ops
from pyautograd._arguments import wrong
from pyautograd._generated import RULES

__all__ = ["Row", "Trace", "trace"]

FREED = "backward() has freed this history:", "write l.backward(retain_graph=True)", "or trace before backward()"
SHOWN = 100  # rows that print; the others are there to iterate over
MOST_LINES = 3000  # rows of a page's table: more than are drawn


class Row(NamedTuple):
    """One row of the tape.

    For a Value, `value` and `gradient` are floats, and `local_gradients` has d value / d input for each of the inputs
    (nan where an op of the user's own does not tell). For a Tensor they are its data and its `.grad` (None where it has
    none), and `local_gradients` is empty.
    """

    number: int  # counts from 0; inputs stand before what is made of them
    name: str  # the label, or `%number`
    op: str  # the symbol; "" for a leaf
    op_name: str  # in the op table
    inputs: tuple[int, ...]  # the rows that the op read, in order
    input_names: tuple[str, ...]
    value: Any
    gradient: Any
    local_gradients: tuple[float, ...]
    formula: str  # of the op, in words; a, b, c are the inputs
    rule: str  # what it sends back to a; b; c, g being its own gradient
    node: Any

    @property
    def expression(self) -> str:
        """How the row was computed: `x * w`, `tanh(n)`. Empty for a leaf."""
        if not self.op:
            return ""
        if not self.inputs:
            return f"{self.op}({'freed' if is_freed(self.node) else ''})"
        if len(self.inputs) == 2 and not self.op[0].isalpha():
            return f"{self.input_names[0]} {self.op} {self.input_names[1]}"
        if len(self.inputs) == 1 and self.op.startswith("**") and len(self.op) > 2:
            return f"{self.input_names[0]}{self.op}"
        names = self.input_names if len(self.inputs) <= 6 else (*self.input_names[:4], "…", self.input_names[-1])
        return f"{self.op}({', '.join(names)})"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a picture says of the row beside its numbers."""
        return FREED if is_freed(self.node) else ()

    @property
    def contributions(self) -> tuple[float, ...]:
        """What the row adds to the gradient of each input: local derivative times gradient. Empty for Tensors."""
        return tuple(local * self.gradient + 0.0 for local in self.local_gradients)  # + 0.0: no -0


class Trace(Sequence[Row]):
    """The rows of a tape, in order of computation. Prints as a table, in a notebook as HTML."""

    def __init__(self, rows: Sequence[Row], whole: Sequence[Row] = ()) -> None:
        self.rows = tuple(rows)
        self._whole = tuple(whole) or self.rows  # of which these are a part, or the neurons

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Trace: ...
    def __getitem__(self, index: int | slice) -> Row | Trace:
        return Trace(self.rows[index], self._whole) if isinstance(index, slice) else self.rows[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __str__(self) -> str:
        head, lines = self._table()
        widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
        ruled = [head, ["-" * width for width in widths], *lines]
        return "\n".join([*("  ".join(map(str.ljust, line, widths)).rstrip() for line in ruled), *self._notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """In a notebook: the moving picture, where there are not too many rows, else the table."""
        from html import escape

        from pyautograd._picture import MOST_BOXES

        try:
            shown = self._boxes()
        except ValueError:
            return self._html(SHOWN)
        if len(shown) > MOST_BOXES:
            return self._html(SHOWN)
        page = escape(shown._page("backpropagation"))
        return f'<iframe srcdoc="{page}" style="width:100%;height:640px;border:0" title="backpropagation"></iframe>'

    def save(self, path: str | os.PathLike[str], title: str = "backpropagation") -> str:
        """Writes the tape as a picture. A path that ends in `.svg` gets a still, with what is sent back on each edge;
        `.html` a page, one file without any network, that steps forward and back with keys and a slider and shows
        along each edge the local derivative times the upstream gradient.

        A graph of over 300 nodes is drawn with a box a neuron; where that leaves over 300 boxes, the page says so above
        the table. **Returns** the path. **Raises** ValueError for another ending, and for a still of so many; the file
        stays as it was.

        >>> import os, tempfile
        >>> from pyautograd.scalar import Value
        >>> path = trace(Value(2.0, label="a") * 3.0).save(os.path.join(tempfile.mkdtemp(), "backprop.html"))
        >>> os.path.basename(path)
        'backprop.html'
        """
        from pyautograd._picture import still

        name = os.fsdecode(path)
        if not name.lower().endswith((".svg", ".html", ".htm")):
            raise ValueError(
                f"trace: {name!r} ends neither in .html, for a page that moves, nor in .svg, for a still; these are "
                "what save writes"
            )
        shown = self._boxes()
        text = still(shown, _summary) if name.lower().endswith(".svg") else shown._page(title)
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        return name

    def _boxes(self) -> Trace:
        """The rows, or, where they are too many for a picture, the neurons if these are not."""
        from pyautograd._neurons import neurons
        from pyautograd._picture import MOST_BOXES

        if [row.number for row in self] != list(range(len(self) or 1)):
            raise ValueError("trace: a picture is of a whole tape, and this is a part: save the tape that it is from")
        if len(self) <= MOST_BOXES or not self._of_values:
            return self
        shown = Trace(neurons(self.rows), self.rows)
        return shown if len(shown) <= MOST_BOXES else self

    def _page(self, title: str) -> str:
        from pyautograd._picture import page

        return page(self, self._html(MOST_LINES), title, _summary)

    def _html(self, most: int) -> str:
        from html import escape

        head, lines = self._table(most)
        rows = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
        html, number = f"<tr>{rows[0]}</tr>", ""
        for line in lines:
            number = line[0] or number
            html += f'<tr data-row="{number}">' + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>"
        return f"<table>{html}</table>" + "".join(f"<p>{escape(note)}</p>" for note in self._notes())

    def _notes(self) -> list[str]:
        """What the table does not show of how it came about, a sentence a line."""
        freed = [row.name for row in self.rows if is_freed(row.node)]
        notes = [f"{', '.join(freed)}: {' '.join(FREED)}"] if freed else []
        if not self._of_values:
            return notes
        for row, number in list(self._changed.values())[:1]:
            sources = " or ".join(dict.fromkeys(row.input_names))
            told = f"{row.expression} is {number:.4g}, and {row.name} {row.value:.4g}"
            others = f"; {len(self._changed) - 1} more rows are so" if len(self._changed) > 1 else ""
            notes.append(f"{sources} was changed since the pass: {told}{others}")
        held = Trace(self._whole)._held
        more = [row for row in self._whole if row.number in held and not row.inputs]
        named = [row.name for row in more if getattr(row.node, "label", "")] or [row.name for row in more]
        if named:
            grads = ", ".join(f"{name}.grad" for name in named[:4]) + (", …" if len(named) > 4 else "")
            notes.append(f"{grads} hold{'s' * (len(named) == 1)} more than this pass sent back")
        return notes

    @cached_property
    def _changed(self) -> dict[int, tuple[Row, float]]:
        """By node, the rows that are not what their op makes of their inputs as they are, with what it makes."""
        values = {row.number: row.value for row in self._whole}
        found = {}
        for row in self._whole:
            if row.inputs and all(i in values for i in row.inputs) and isinstance(row.value, (int, float)):
                number = _again(row, [values[i] for i in row.inputs])
                if math.isfinite(number) and not math.isclose(number, row.value, rel_tol=1e-9, abs_tol=1e-12):
                    found[id(row.node)] = row, number
        return found

    def _hidden(self, row: Row) -> str:
        """Why it is not known what a row has sent back but by what it has made of its inputs' gradients; else ""."""
        if row.op_name == "custom":
            return "its own closure has made"
        changed = bool(self._changed) if row.op == "neuron" else id(row.node) in self._changed
        return "a number was changed since; the pass had made" if changed else ""

    @cached_property
    def _held(self) -> dict[int, float]:
        """By row, what a gradient had before the pass, or has from what is no part of the tape. One that is 0 was
        zeroed since."""
        sums: dict[int, float] = {row.number: 0.0 for row in self.rows}
        sizes = dict(sums)
        for row in self.rows:
            for i, sent in zip(row.inputs, row.contributions, strict=True):
                sums[i] = sums.get(i, 0.0) + (math.nan if self._hidden(row) else sent)
                sizes[i] = sizes.get(i, 0.0) + abs(sent)
        return {
            row.number: row.gradient - sums[row.number]
            for row in self.rows[:-1]
            if row.gradient and abs(row.gradient - sums[row.number]) > 1e-9 * (abs(row.gradient) + sizes[row.number])
        }

    @property
    def _of_values(self) -> bool:
        return all(isinstance(row.value, (int, float)) for row in self.rows)

    def _table(self, most: int = SHOWN) -> tuple[list[str], list[list[str]]]:
        """Column names, and a line for each input of each row, of which the first carries what the row itself says."""
        of_values = self._of_values
        head = ["#", "name", "computed as", "value", "gradient g"]
        head += ["local derivative", "sends back"] if of_values else ["formula", "sends back to a; b; c"]
        lines: list[list[str]] = []
        left_out = len(self.rows) - most
        shown = self.rows if left_out <= 0 else self.rows[: most // 2] + self.rows[-(most // 2) :]
        for position, row in enumerate(shown):
            if left_out > 0 and position == most // 2:
                lines.append(["…", f"{left_out} more", *[""] * (len(head) - 2)])
            start = [str(row.number), row.name, row.expression, _summary(row.value), _summary(row.gradient)]
            for back in _sent_back(row, self._hidden(row)) if of_values else [[row.formula, row.rule]]:
                lines.append([*start, *back])
                start = [""] * len(start)
        return head, lines


def _again(row: Row, inputs: Sequence[float]) -> float:
    """What the op makes of numbers; nan where Python has no function for it."""
    name = {"div": "truediv"}.get(row.op_name, row.op_name)
    try:
        if name == "power":
            return float(inputs[0] ** float(row.op.removeprefix("**")))
        if name == "relu":
            return max(*inputs, 0.0)
        module = operator if name in ("add", "sub", "mul", "truediv", "pow", "neg", "abs") else math
        return float(getattr(module, name)(*inputs)) if name != "remainder" else math.nan  # IEEE's there
    except (AttributeError, TypeError, ValueError, ArithmeticError):
        return math.nan


def _sent_back(row: Row, hidden: str) -> list[list[str]]:
    """The chain rule of a row, an input a line. What a closure sends is known by what it has made of the input's
    gradient alone."""
    if not row.inputs:
        return [["", ""]]
    if hidden and row.op != "neuron":
        pairs = zip(row.input_names, row.node._inputs, strict=True)
        words = "its own" if row.op_name == "custom" else "changed since"
        return [[words, f"{name} has {_summary(source.grad)}"] for name, source in pairs]
    return [
        [f"d {row.name}/d {name} = {local:.4g}", f"{local:.4g} g = {sent:.4g} to {name}"]
        for name, local, sent in zip(row.input_names, row.local_gradients, row.contributions, strict=True)
    ]


def _summary(value: Any) -> str:
    """A number, or a Tensor's dtype, shape, and what its elements are like."""
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return f"{value:.4g}"
    text = f"{value.dtype.name} {value.shape}"
    array = value.detach().numpy()
    if array.size == 0:
        return text
    if array.size == 1:
        return f"{text} {array.item():.4g}"
    return f"{text} {array.min():.3g} … {array.max():.3g}"


def is_freed(node: Any) -> bool:
    """Whether a Tensor is the result of an op whose operands backward() has let go; a Value keeps them."""
    return not isinstance(node.data, (int, float)) and bool(node._op) and not node._inputs


def tape(root: Any, function: str = "trace") -> list[Any]:
    """All that reaches `root`: first the leaves in the order of their use, then results in that of making."""
    if not (isinstance(root, _core.Node) or hasattr(root, "_tape")):
        raise wrong(function, "root", "a Value or a Tensor", root)
    computed = [node for node in (_core.tape(root) if isinstance(root, _core.Node) else root._tape()) if node._inputs]
    made = set(map(id, computed))
    leaves = {id(leaf): leaf for node in computed for leaf in node._inputs if id(leaf) not in made}
    return [*leaves.values(), *computed] or [root]


def _names(nodes: Sequence[Any]) -> list[str]:
    """The label of each node, with its row where others have the same. Without a label a constant is called what it
    is, so that a formula reads as it was written, and what was computed by its row."""
    labels = [str(getattr(node, "label", "") or "") for node in nodes]
    count = Counter(labels)
    return [
        label if count[label] == 1 and label else (not label and _constant(node)) or f"{label}%{i}"
        for i, (label, node) in enumerate(zip(labels, nodes, strict=True))
    ]


def _constant(node: Any) -> str:
    """The text of a number that a few digits give in full, as those have that are written down and not learned. A step
    that is being compiled is asked for no numbers."""
    if node._op or node._inputs or _core.is_recording():
        return ""
    if isinstance(node.data, (int, float)):
        text = f"{node.data:g}"
        return text if float(text) == node.data else ""
    if node.shape or node.requires_grad or not (node.is_leaf and isinstance(number := node.item(), (int, float))):
        return ""
    text = f"{number:g}"
    return text if node.numpy().dtype.type(float(text)) == number else ""


def trace(root: Any) -> Trace:
    """The tape behind `root`, a Value or a Tensor, as a table. After a `backward()` it shows the gradients too.

    A Tensor's `backward()` frees the graph, and with it what there is to see, unless told `retain_graph=True`: the
    table says so. Inner gradients are there for tensors with `retain_grad()`. **Raises** TypeError for what is no Value
    and no Tensor.

    >>> from pyautograd.scalar import Value
    >>> x, w = Value(2.0, label="x"), Value(-3.0, label="w")
    >>> y = (x * w + 5.0).tanh()
    >>> y.backward()
    >>> print(trace(y))
    #  name  computed as  value    gradient g  local derivative  sends back
    -  ----  -----------  -------  ----------  ----------------  -------------------
    0  x                  2        -1.26
    1  w                  -3       0.8399
    2  5                  5        0.42
    3  %3    x * w        -6       0.42        d %3/d x = -3     -3 g = -1.26 to x
                                               d %3/d w = 2      2 g = 0.8399 to w
    4  %4    %3 + 5       -1       0.42        d %4/d %3 = 1     1 g = 0.42 to %3
                                               d %4/d 5 = 1      1 g = 0.42 to 5
    5  %5    tanh(%4)     -0.7616  1           d %5/d %4 = 0.42  0.42 g = 0.42 to %4
    """
    nodes = tape(root)
    index = {id(node): i for i, node in enumerate(nodes)}
    names = _names(nodes)
    rows = []
    for i, node in enumerate(nodes):
        inputs = tuple(index[id(operand)] for operand in node._inputs)
        rows.append(
            Row(
                number=i,
                name=names[i],
                op=node._op,
                op_name=node._op_name,
                inputs=inputs,
                input_names=tuple(names[j] for j in inputs),
                value=node.data,
                gradient=node.grad,
                local_gradients=node._local_gradients() if isinstance(node.data, (int, float)) else (),
                formula=_ops.info(node._op_name).words if inputs else "",
                rule=RULES.get(node._op_name, "") if inputs else "",
                node=node,
            )
        )
    return Trace(rows)
