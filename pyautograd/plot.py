"""Pictures of training, drawn with matplotlib, which is imported when the first one is drawn.

Every function draws into `ax`, a matplotlib Axes, or into a new figure where none is given, and returns the Axes:

    loss_curve          losses step by step
    decision_boundary   what a classifier of two features says, over the plane
    weight_templates    the rows of a layer's weight, as small images
    confusion_matrix    which class was taken for which
    graph               the graph behind a Value, node by node
    activation          activations and their derivatives
    descent             the way of two weights over their loss
    gradient_flow       how large the gradient of each layer is, and how many units get none

Without matplotlib they raise ImportError with the line that installs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyautograd._arguments import did_you_mean, wrong
from pyautograd._array_like import tensor
from pyautograd._grad_mode import no_grad
from pyautograd._layout import characters, layered
from pyautograd._trace import FREED, is_freed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from pyautograd._tensor import Tensor

__all__ = [
    "activation",
    "confusion_matrix",
    "decision_boundary",
    "descent",
    "gradient_flow",
    "graph",
    "loss_curve",
    "new_figure",
    "weight_templates",
]


def __dir__() -> list[str]:
    return __all__


INSTALL_HINT = 'pip install "pyautograd-core[plot]"'
COLOURS = ("#33658a", "#d1702f", "#4f8f5b", "#8a5a9e", "#b8964a", "#5b8f9e", "#a34a5b", "#6b6b6b", "#7a9a3a", "#b07aa1")
INK, GREY, PALE = "#2b2b2b", "#8a8a8a", "#f4f2ee"
MOST_NODES = 200
MOST_CLASSES = 30  # whose counts are written, and whose names find room


def new_figure(width: float = 5.0, height: float = 3.6, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure that belongs to no window, for files: `figure.savefig(path)`; with its Axes, or, of several rows or
    columns, an array of them as `pyplot.subplots` gives. Sizes in inches; the style is that of the other pictures here.

    **Raises** ImportError without matplotlib.

    >>> from pyautograd import plot
    >>> figure, ax = plot.new_figure(4, 3)
    >>> figure.get_size_inches().tolist()
    [4.0, 3.0]
    >>> _, (left, right) = plot.new_figure(columns=2)
    >>> _ = left.plot([1.0, 2.0]), right.plot([2.0, 1.0])
    """
    _require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns)
    for ax in np.ravel(axes):
        ax.set_prop_cycle(color=COLOURS)
        _calm(ax, "")
    return figure, axes


def loss_curve(
    losses: ArrayLike | Mapping[str, ArrayLike],
    *,
    ax: Axes | None = None,
    log: bool = False,
    smooth: int = 1,
    title: str = "",
    xlabel: str = "step",
    ylabel: str = "loss",
) -> Axes:
    """Losses, of any shape, over the steps of a training; a mapping draws one labelled curve an entry.

    `smooth` draws the running mean of so many steps, the raw curve pale behind it. `log` makes the axis logarithmic.
    Losses of epochs, such as an estimator's `loss_curve_`, have `xlabel="epoch"`.
    **Raises** ValueError for what are no numbers, ImportError without matplotlib.

    >>> from pyautograd import plot
    >>> figure, ax = plot.new_figure()
    >>> _ = plot.loss_curve({"train": [1.0, 0.5, 0.25], "test": [1.2, 0.8, 0.7]}, ax=ax)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['train', 'test']
    """
    given = losses if isinstance(losses, Mapping) else {"": losses}
    curves = {str(label): np.asarray(_to_numpy(values), dtype=float).ravel() for label, values in given.items()}
    ax = _axes(ax)
    for (label, y), colour in zip(curves.items(), _cycle(len(curves)), strict=True):
        if smooth > 1 and len(y) > smooth:
            ax.plot(y, color=colour, alpha=0.25, linewidth=0.8)
            mean = np.convolve(y, np.full(smooth, 1 / smooth), mode="valid")
            ax.plot(np.arange(len(mean)) + (smooth - 1) / 2, mean, color=colour, linewidth=1.8, label=label or None)
        else:
            ax.plot(y, color=colour, linewidth=1.6, label=label or None)
    if log:
        ax.set_yscale("log")
    elif ax.dataLim.y0 >= 0:
        ax.set_ylim(bottom=0)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    _calm(ax, title)
    ax.grid(axis="y", color="#e6e3dc", linewidth=0.8)
    if any(curves):
        ax.legend(frameon=False)
    return ax


def decision_boundary(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    ax: Axes | None = None,
    resolution: int = 100,
    legend: bool = True,
    title: str = "",
) -> Axes:
    """The regions that a classifier assigns to each class, and the points `X` (n, 2) coloured by their labels `y` (n,).

    `model` is an `nn.Module`, called once with a Tensor of all grid points; a scalar model, called point by point with
    two floats in a list; an estimator with scikit-learn's methods; or any function from an array (n, 2) to scores (n,),
    (n, 1) or (n, classes). One score a point divides the plane at 0, the shade says how far from there, dashed lines
    stand at the margins -1 and 1; of an estimator of two classes it is `decision_function`, or else the log-odds of
    `predict_proba`. Several scores divide it by the largest. Modules are asked as in `eval()`. A data frame's columns
    name the axes, whose scales agree where the data have similar ranges. `resolution` is the number of grid points a
    side; the `legend` stands below, where it covers no points. **Raises** ValueError if `X` is not (n, 2) or not
    finite, or `y` not as long, TypeError for a model without scores, ImportError without matplotlib.

    >>> from pyautograd import plot
    >>> figure, ax = plot.new_figure()
    >>> X, y = [[0.0, 0.0], [1.0, 1.0]], [0, 1]
    >>> plot.decision_boundary(lambda points: points.sum(axis=1) - 1, X, y, ax=ax, resolution=10) is ax
    True
    """
    points, labels = np.asarray(_to_numpy(X), dtype=float), _to_numpy(y).ravel()
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"decision_boundary: X has shape {points.shape}, but must be (n, 2): two columns are drawn")
    if len(labels) != len(points):
        raise ValueError(f"decision_boundary: {len(points)} points and {len(labels)} labels")
    if not np.isfinite(points).all():
        raise ValueError("decision_boundary: X has NaN or infinity, where no point can stand; leave these rows out")
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.12 * (high - low) + 1e-9
    xs, ys = (np.linspace(a, b, resolution) for a, b in zip(low - margin, high + margin, strict=True))
    grid_x, grid_y = np.meshgrid(xs, ys)
    grid = np.column_stack([grid_x.ravel(), grid_y.ravel()])
    columns = [str(name) for name in getattr(X, "columns", ())]
    if callable(model):
        scores = _scores(model, grid)
    elif hasattr(model, "predict"):
        is_named = columns and hasattr(model, "feature_names_in_")
        frame: Any = type(X)
        scores = _scores_of_estimator(model, frame(dict(zip(columns, grid.T, strict=True))) if is_named else grid)
    else:
        raise TypeError(f"decision_boundary: model is a {type(model).__name__}, no module, function or estimator")
    classes = np.unique(labels)
    names = list(getattr(model, "classes_", range(scores.shape[1])))  # of those, some may have no points
    if not set(classes) <= set(names):
        names = list(classes)
    colours = dict(zip(names, _cycle(len(names)), strict=True))
    ax = _axes(ax)
    if scores.shape[1] == 1:
        _shade(ax, grid_x, grid_y, scores.reshape(grid_x.shape), list(colours.values()))
    else:
        winner = scores.argmax(axis=1).reshape(grid_x.shape)
        levels = np.arange(scores.shape[1] + 1) - 0.5
        ax.contourf(grid_x, grid_y, winner, levels=levels, colors=_cycle(scores.shape[1]), alpha=0.18)
    for label in classes:
        x, y = points[labels == label].T
        ax.scatter(x, y, s=22, color=colours[label], edgecolors="white", linewidths=0.6, zorder=3, label=str(label))
    if legend:
        pad = 4.0 if columns else 2.2
        below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": pad}
        ax.legend(fontsize=8, ncols=5, frameon=False, handlelength=1.4, columnspacing=1.4, **below)
    ax.set_aspect("equal" if (high - low).max() <= 3 * (high - low).min() else "auto")
    if columns:
        ax.set_xlabel(columns[0])
        ax.set_ylabel(columns[1])
    _calm(ax, title)
    return ax


def _shade(ax: Axes, grid_x: Any, grid_y: Any, heights: NDArray[np.float64], colours: Sequence[str]) -> None:
    """One score over the plane: two colours, paler towards 0, the boundary, and the margins at -1 and 1."""
    from matplotlib.colors import LinearSegmentedColormap

    both = LinearSegmentedColormap.from_list("", [colours[0], "white", colours[-1]])
    ax.contourf(grid_x, grid_y, heights.clip(-3, 3), levels=np.linspace(-3, 3, 25), cmap=both, alpha=0.45, zorder=0)
    for levels, style, width, name in (([0], "-", 1.2, "score 0"), ([-1, 1], "--", 0.7, "score ±1")):
        drawn = [level for level in levels if heights.min() < level < heights.max()]
        if drawn:
            ax.contour(grid_x, grid_y, heights, levels=drawn, colors=INK, linewidths=width, linestyles=style)
            ax.plot([], [], color=INK, linewidth=width, linestyle=style, label=name)


def weight_templates(
    weight: Any,
    shape: tuple[int, int] = (8, 8),
    *,
    ax: Axes | None = None,
    columns: int | None = None,
    strongest: int | None = None,
    colour_bar: bool = False,
    title: str = "",
) -> Axes:
    """The rows of `weight` (out_features, height * width) as images: what each unit looks for.

    Blue is negative, white zero, red positive; all images share one scale, which `colour_bar` draws beside them.
    `strongest` draws so many rows of the largest norm, the strongest first. **Raises** ValueError if a row does not
    have `shape[0] * shape[1]` weights or there is none, ImportError without matplotlib.

    >>> import pyautograd as pa
    >>> figure, ax = pa.plot.new_figure()
    >>> pa.plot.weight_templates(pa.randn(10, 64), (8, 8), ax=ax) is ax
    True
    """
    rows = np.atleast_2d(_to_numpy(weight)).astype(float)
    height, width = shape
    if not len(rows) or (strongest is not None and strongest < 1):
        raise ValueError(f"weight_templates: no row is left to draw of {len(rows)}, with strongest={strongest}")
    if rows.ndim != 2 or rows.shape[1] != height * width:
        raise ValueError(f"weight_templates: weight has shape {rows.shape}, its rows do not fill images of {shape}")
    if strongest is not None:
        rows = rows[np.argsort(-np.linalg.norm(rows, axis=1), kind="stable")[:strongest]]
    count = len(rows)
    columns = columns or max(1, math.ceil(math.sqrt(count * 2)))
    lines = math.ceil(count / columns)
    canvas = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for k, row in enumerate(rows):
        top, left = (k // columns) * (height + 1), (k % columns) * (width + 1)
        canvas[top : top + height, left : left + width] = row.reshape(shape)
    ax = _axes(ax, width=0.42 * columns + 0.6, height=0.42 * lines + 0.6)
    scale = float(np.quantile(np.abs(rows), 0.995)) or 1.0
    image = ax.imshow(canvas, cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest")
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, shrink=0.8, label="weight")
    _calm(ax, title)
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set_visible(False)
    return ax


def confusion_matrix(
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    ax: Axes | None = None,
    title: str = "",
) -> Axes:
    """How often each class (row) was taken for each (column); `truth` and `predicted`, of shape (n,), name classes by
    text, ints or bools.

    Drawn are the classes that occur, in sorted order, or those of `labels`, in theirs. **Raises** ValueError without
    classes, if the two differ in length, or where a class that occurs is not among `labels`, TypeError for what names
    no classes, as fractions do, ImportError without matplotlib.

    >>> from pyautograd import plot
    >>> figure, ax = plot.new_figure()
    >>> _ = plot.confusion_matrix(["stay", "go", "stay"], ["stay", "stay", "go"], ax=ax)
    >>> [text.get_text() for text in ax.get_xticklabels()], [text.get_text() for text in ax.texts]
    (['go', 'stay'], ['1', '1', '1'])
    """
    true, guess = _classes("truth", truth), _classes("predicted", predicted)
    if true.shape != guess.shape:
        raise ValueError(f"confusion_matrix: {len(true)} labels and {len(guess)} predictions")
    if (true.dtype.kind == "U") != (guess.dtype.kind == "U"):
        held = ["text" if each.dtype.kind == "U" else "numbers" for each in (true, guess)]
        raise TypeError(f"confusion_matrix: truth holds {held[0]}, and predicted {held[1]}")
    names, places = np.unique(np.concatenate([true, guess]), return_inverse=True)
    if labels is not None:
        wanted = list(_classes("labels", labels).tolist())
        missing = [name for name in names.tolist() if name not in wanted]
        if missing:
            raise ValueError(f"confusion_matrix: {missing[0]!r} occurs, and is not among labels {wanted}")
        places = np.array([wanted.index(name) for name in names.tolist()], dtype=int)[places]
        names = np.array(wanted)
    size = len(names)
    if size == 0:
        raise ValueError("confusion_matrix: there are no classes; truth is empty")
    counts = np.zeros((size, size), dtype=int)
    np.add.at(counts, tuple(places.reshape(2, -1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax = _axes(ax, width=4.2, height=4.2)
    ax.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.15)
    for i, j in np.argwhere(counts) if size <= MOST_CLASSES else ():
        colour = "white" if shares[i, j] > 0.4 else INK
        ax.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=8, color=colour)
    ticks = range(0, size, math.ceil(size / MOST_CLASSES))
    words = [str(names[k]) for k in ticks]
    is_long = sum(map(len, words)) > 40
    ax.set_xticks(ticks, words, rotation=45 * is_long, ha="right" if is_long else "center", rotation_mode="anchor")
    ax.set_yticks(ticks, words)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    _calm(ax, title)
    ax.tick_params(length=0)
    return ax


def _classes(what: str, given: Any) -> NDArray[Any]:
    """The names of classes as an array of text or of ints."""
    found = _to_numpy(given).ravel()
    if found.dtype.kind in "OT" and len({type(each) for each in found.tolist()}) == 1:
        found = np.array(found.tolist())  # a column of text or ints of pandas
    if found.dtype.kind == "f" and (found == np.rint(found)).all():
        found = found.astype(int)  # as a network of one output is given them
    if found.dtype.kind not in "Ubiu":
        kinds = " and ".join(sorted({type(each).__name__ for each in found.tolist()}))
        raise TypeError(f"confusion_matrix: {what} holds {kinds}, but classes are text or ints")
    return found


def activation(
    *functions: Callable[[Tensor], Tensor] | str, span: tuple[float, float] = (-4.0, 4.0), ax: Axes | None = None
) -> Axes:
    """Activations as lines and their derivatives, which the engine computes, as dashed lines of the same colour.

    `functions` are elementwise functions of a Tensor or names in `nn.functional`; `span` is the range of inputs.
    **Raises** ValueError for a name that is not there, ImportError without matplotlib.

    >>> from pyautograd import plot
    >>> figure, ax = plot.new_figure()
    >>> _ = plot.activation("relu", "tanh", ax=ax)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['relu', 'tanh']
    """
    from pyautograd.nn import functional

    curves = []
    for given in functions:
        if isinstance(given, str) and not hasattr(functional, given):
            raise ValueError(f"activation: nn.functional has no {given!r}{did_you_mean(given, functional.__all__)}")
        function = getattr(functional, given) if isinstance(given, str) else given
        x = tensor(np.linspace(*span, 401), requires_grad=True)
        y = function(x)
        y.sum().backward()
        name = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
        curves.append((name, *map(_to_numpy, (x, y, x.grad))))
    ax = _axes(ax)
    widths = np.arange(len(curves))[::-1]  # where lines lie on each other, the earlier shows beside the later
    for (name, inputs, outputs, slopes), colour, wider in zip(curves, _cycle(len(curves)), widths, strict=True):
        ax.plot(inputs, outputs, color=colour, linewidth=1.6 + 0.8 * wider, label=name)
        ax.plot(inputs, slopes, color=colour, linewidth=1.2 + 0.5 * wider, linestyle=(0, (4, 2)))
    ax.set_xlabel("input; dashed: the derivative")
    _calm(ax, "")
    ax.grid(color="#e6e3dc", linewidth=0.8)
    ax.legend(frameon=False)
    return ax


def descent(
    loss: Callable[[Tensor, Tensor], Tensor],
    paths: ArrayLike | Mapping[str, ArrayLike],
    *,
    ax: Axes | None = None,
    span: tuple[float, float, float, float] | None = None,
    title: str = "",
) -> Axes:
    """Ways of gradient descent over a loss of two weights, drawn as a map with lines of equal loss.

    `loss(w1, w2)` is called once with two Tensors (n, n) of grid points and gives the loss of each; a path is an array
    (steps, 2) of weights, a mapping draws one labelled path an entry. `span` is (left, right, low, high); without it,
    what the paths need. **Raises** ValueError for paths of another shape or without a finite point, ImportError
    without matplotlib.

    >>> from pyautograd import plot
    >>> figure, ax = plot.new_figure()
    >>> _ = plot.descent(lambda a, b: a ** 2 + b ** 2, {"small": [[1.0, 1.0], [0.8, 0.8]]}, ax=ax)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['small']
    """
    given = paths if isinstance(paths, Mapping) else {"": paths}
    ways = {label: np.asarray(way, dtype=float) for label, way in given.items()}
    for label, way in ways.items():
        if way.ndim != 2 or way.shape[1] != 2:
            raise ValueError(f"descent: the path {label!r} has shape {way.shape}, but must be (steps, 2)")
    every = np.concatenate(list(ways.values()))
    every = every[np.isfinite(every).all(axis=1)]
    if not len(every):
        raise ValueError("descent: no path has a finite point")
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.15 * (high - low) + 0.1
    around = np.stack([low - margin, high + margin])
    left, right, bottom, top = span or (*around[:, 0], *around[:, 1])
    grid_x, grid_y = np.meshgrid(np.linspace(left, right, 121), np.linspace(bottom, top, 121))
    with no_grad():
        heights = np.ma.masked_invalid(_to_numpy(loss(tensor(grid_x), tensor(grid_y))))
    lowest = heights.min()
    levels = lowest + (heights.max() - lowest or 1.0) * np.linspace(0, 1, 16) ** 2
    ax = _axes(ax)
    ax.contourf(grid_x, grid_y, heights, levels=levels, cmap="Blues", alpha=0.55)
    ax.contour(grid_x, grid_y, heights, levels=levels, colors=GREY, linewidths=0.4)
    for (label, way), colour in zip(ways.items(), _cycle(len(ways) + 1)[1:], strict=True):
        ax.plot(way[:, 0], way[:, 1], "o-", color=colour, markersize=3, linewidth=1.3, label=label or None)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_xlabel("first weight")
    ax.set_ylabel("second weight")
    _calm(ax, title)
    if any(ways):
        ax.legend(frameon=False)
    return ax


def gradient_flow(model: Any, *, ax: Axes | None = None, title: str = "") -> Axes:
    """How large the gradient of each weight is after a `backward()`, as root mean squares on a logarithmic axis, with
    the number of units of the layer that got none at all: of ReLUs the dead ones.

    `model` is an `nn.Module`; drawn are its parameters of two axes and more, whose rows are units. **Raises**
    ValueError where no such parameter has a gradient, TypeError for what is no Module, ImportError without matplotlib.

    >>> import pyautograd as pa
    >>> model = pa.nn.MLP(2, [8, 1])
    >>> model(pa.randn(16, 2)).sum().backward()
    >>> figure, ax = pa.plot.new_figure()
    >>> [text.get_text() for text in pa.plot.gradient_flow(model, ax=ax).get_yticklabels()]
    ['layers.0.weight', 'layers.1.weight']
    """
    if not hasattr(model, "named_parameters"):
        raise wrong("gradient_flow", "model", "an nn.Module, whose weights are tensors with a row a unit", model)
    gradients = {name: _to_numpy(p.grad) for name, p in model.named_parameters() if p.grad is not None and p.ndim > 1}
    if not gradients:
        raise ValueError("gradient_flow: no weight has a gradient; call backward() first")
    ax = _axes(ax, height=0.45 * len(gradients) + 1.0)
    sizes = [float(np.sqrt(np.mean(np.square(g, dtype=float)))) for g in gradients.values()]
    drawn = [size for size in sizes if 0 < size < math.inf]  # of what is 0, inf or nan only the text
    least, most = min(drawn, default=1.0), max(drawn, default=1.0)
    for i, (gradient, size) in enumerate(zip(gradients.values(), sizes, strict=True)):
        dead = int((np.abs(gradient.reshape(len(gradient), -1)).max(axis=1) == 0).sum())
        ax.barh(i, size if size in drawn else 0.0, color=COLOURS[0], height=0.6)
        words = f" {size:.2g}" + (f", {dead} of {len(gradient)} units get none" if dead else "")
        ax.text(size if size in drawn else least, i, words, va="center", fontsize=8, color=INK)
    ax.set_xscale("log")
    ax.set_xlim(least / 3, most * 30)
    ax.set_yticks(range(len(gradients)), list(gradients))
    ax.invert_yaxis()
    ax.set_xlabel("root mean square of the gradient")
    _calm(ax, title)
    return ax


def graph(root: Any, *, ax: Axes | None = None, title: str = "") -> Axes:
    """The graph behind the Value `root`: a box a node with its label, number and gradient, a circle an operation.

    Operands stand left of what is made of them. It is what `draw_dot` describes, laid out without Graphviz. Boxes of
    Tensors show shapes where there are many numbers. **Raises** ValueError beyond 200 nodes: none could read it;
    TypeError for what is no Value, ImportError without matplotlib.

    >>> from pyautograd import plot
    >>> from pyautograd.scalar import Value
    >>> figure, ax = plot.new_figure()
    >>> _ = plot.graph(Value(2.0, label="a") * 3.0, ax=ax)
    >>> "*" in [text.get_text() for text in ax.texts]
    True
    """
    if not (hasattr(root, "_inputs") or hasattr(root, "_prev")):
        raise wrong("graph", "root", "a Value or a Tensor", root)
    nodes = _ordered(root)
    if len(nodes) > MOST_NODES:
        raise ValueError(f"graph: {len(nodes)} nodes are too many to draw, the most is {MOST_NODES}")
    index = {id(v): i for i, v in enumerate(nodes)}
    inputs = [[index[id(p)] for p in _parents(v)] for v in nodes]
    places = layered(inputs, [0.68] * len(nodes), 0.32)
    last, low = max(places.layer), max(places.across)
    ax = _axes(ax, width=1.9 * (last + 1) + 0.4, height=max(0.62 * (low + 0.34) + 0.5, 1.6))
    place = [(3.0 * layer, -across) for layer, across in zip(places.layer, places.across, strict=True)]
    for i, v in enumerate(nodes):
        ways = []
        for rank, source in enumerate(inputs[i]):
            shift = 0.16 * (
                inputs[i][:rank].count(source) - (inputs[i].count(source) - 1) / 2
            )  # two of `q * q` are two
            start = place[source][0], place[source][1] + shift
            bends = places.bends.get((source, i), [])
            layer = places.layer[source] + 1
            ways.append([start, *((3.0 * (layer + k), shift - y) for k, y in enumerate(bends)), (0.0, shift)])
        _draw_node(ax, v, *place[i], ways)
    freed = any(hasattr(v, "_inputs") and is_freed(v) for v in nodes)
    ax.set_xlim(-1.1, 3.0 * last + 1.1)
    ax.set_ylim(-low - (1.2 if freed else 0.65), 0.3)
    ax.axis("off")
    if freed:
        ax.text(-1.0, -low - 0.45, "\n".join(FREED), va="top", fontsize=7, color=INK)
    if title:
        ax.set_title(title, fontsize=11, color=INK, loc="left")
    return ax


def _draw_node(ax: Axes, v: Any, x: float, y: float, ways: Sequence[Sequence[tuple[float, float]]]) -> None:
    from matplotlib.patches import Ellipse, FancyBboxPatch

    half, gap = 0.92, 1.16  # of a box in width, and between two
    name = "" if not ways else str(v._op)
    oval = 0.34 if len(name) <= 2 else min(0.13 * len(name) + 0.12, gap - 0.1)
    middle = x - half - max(oval / 2 + 0.05, 0.4)
    leaf = not ways
    for way in ways:
        start, *bends, (_, shift) = way
        xs = [start[0] + half, *(x for bend, _ in bends for x in (bend - half, bend + half)), middle, x - half]
        ys = [start[1], *(y for _, bend in bends for y in (bend, bend)), y + shift, y]
        ax.plot(xs, ys, color=GREY, linewidth=1.0, zorder=1)
    ax.add_patch(
        FancyBboxPatch(
            (x - half, y - 0.34),
            2 * half,
            0.68,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor="#e9eef3" if leaf else PALE,
            edgecolor=COLOURS[0] if leaf else GREY,
            linewidth=0.9,
            zorder=2,
        )
    )
    label = str(getattr(v, "label", "") or "")
    numbers = f"data {_short(v.data)}\ngrad {_short(v.grad)}"
    if label:
        size = 10 * min(1.0, 5 / characters(label))
        ax.text(x - 0.56, y, label, ha="center", va="center", fontsize=size, color=INK, fontweight="bold", zorder=3)
    ax.text(x + (0.24 if label else 0), y, numbers, ha="center", va="center", fontsize=7.5, color=INK, zorder=3)
    if not leaf:
        size = 8 * min(1.0, 8 / max(len(name), 1))
        ax.add_patch(Ellipse((middle, y), oval, 0.34, facecolor="white", edgecolor=COLOURS[1], zorder=3))
        ax.text(middle, y, name, ha="center", va="center_baseline", fontsize=size, color=COLOURS[1], zorder=4)


def _parents(v: Any) -> list[Any]:
    """The operands, in an order that does not change from run to run; micrograd keeps them in a set, each once."""
    if hasattr(v, "_inputs"):
        return list(v._inputs)
    return sorted(v._prev, key=lambda p: (str(getattr(p, "label", "")), float(p.data)))


def _ordered(root: Any) -> list[Any]:
    """The nodes that reach the root, each after those that it reads."""
    order: list[Any] = []
    stack, seen = [(root, False)], set()
    while stack:
        v, done = stack.pop()
        if done:
            order.append(v)
        elif id(v) not in seen:
            seen.add(id(v))
            stack.append((v, True))
            stack.extend((p, False) for p in reversed(_parents(v)))
    return order


def _scores(model: Callable[[Any], Any], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the model says to points (n, 2): scores (n, classes), or (n, 1) of a classifier of two."""
    parameters = list(getattr(model, "parameters", list)())
    if parameters and isinstance(parameters[0].data, (int, float)):
        rows = [model(point) for point in points.tolist()]
        numbers = [[v.data for v in row] if isinstance(row, (list, tuple)) else [row.data] for row in rows]
        return np.asarray(numbers, dtype=float)
    if parameters:
        training = [module for module in getattr(model, "modules", list)() if module.training]
        for module in training:
            module.training = False
        try:
            with no_grad():
                scores = _to_numpy(model(tensor(points, dtype=parameters[0].dtype)))
        finally:
            for module in training:
                module.training = True
    else:
        scores = _to_numpy(model(points))
    if scores.dtype.kind not in "fiub":
        words = "text or objects, no scores; of an estimator give itself, not its predict"
        raise TypeError(f"decision_boundary: the model gives {words}")
    if len(scores.ravel()) % len(points) or not scores.size:
        raise ValueError(f"decision_boundary: the model gives scores of shape {scores.shape} for {len(points)} points")
    return scores.astype(float).reshape(len(points), -1)


def _scores_of_estimator(model: Any, points: Any) -> NDArray[np.float64]:
    """The same of what has scikit-learn's methods; of more than two classes the predicted one has 1."""
    classes = getattr(model, "classes_", None)
    if hasattr(model, "decision_function") and (classes is None or len(classes) == 2):
        scores = model.decision_function(points)
    elif hasattr(model, "predict_proba") and classes is not None and len(classes) == 2:
        share = np.clip(model.predict_proba(points)[:, 1], 1e-9, 1 - 1e-9)
        scores = np.log(share / (1 - share))
    else:
        scores = model.predict(points)
        if classes is not None:
            scores = np.eye(len(classes))[np.searchsorted(classes, scores)]
    return np.asarray(scores, dtype=float).reshape(len(points), -1)


def _to_numpy(array: Any) -> NDArray[Any]:
    if callable(getattr(array, "detach", None)):
        array = array.detach().numpy()
    return np.asarray(array)


def _short(number: Any) -> str:
    shape = tuple(getattr(number, "shape", ()))
    return str(shape) if shape else "none" if number is None else f"{float(number):.4g}"


def _cycle(count: int) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(count)]


def _axes(ax: Axes | None, width: float = 5.0, height: float = 3.6) -> Axes:
    if ax is not None:
        return ax
    _require_matplotlib()
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib: {INSTALL_HINT}") from error


def _calm(ax: Axes, title: str) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GREY)
    ax.tick_params(colors=GREY, labelsize=8)
    ax.xaxis.label.set_color(INK)
    ax.yaxis.label.set_color(INK)
    ax.set_axisbelow(True)
    if title:
        ax.set_title(title, fontsize=11, color=INK, loc="left")
