"""Pictures show what they are given, refuse what cannot be drawn, and say so where matplotlib is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn, plot, reference, scalar

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def no_window():
    matplotlib.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_a_figure_of_several_axes_is_in_one_style() -> None:
    _, axes = plot.new_figure(rows=2, columns=3)
    assert axes.shape == (2, 3)
    assert all(not ax.spines["top"].get_visible() for ax in axes.flat)
    assert [line.get_color() for line in axes[1, 2].plot([[1.0, 2.0], [2.0, 1.0]])] == list(plot.COLOURS[:2])


def test_loss_curve_draws_a_line_an_entry_and_a_legend() -> None:
    ax = plot.loss_curve({"a": [3.0, 2.0, 1.0], "b": [2.0, 1.0, 0.5]}, title="losses")
    assert [len(line.get_xdata()) for line in ax.lines] == [3, 3]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert ax.get_title(loc="left") == "losses"


def test_loss_curve_smooths_and_draws_into_a_given_axes() -> None:
    _, ax = plot.new_figure()
    assert plot.loss_curve(np.ones(100), ax=ax, smooth=10, log=True) is ax
    assert [len(line.get_xdata()) for line in ax.lines] == [100, 91]
    assert ax.get_yscale() == "log"


X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
Y = np.array([-1, -1, 1, 1])


@pytest.mark.parametrize(
    "model",
    [
        lambda points: points[:, 1] - 0.5,
        lambda points: np.stack([0.5 - points[:, 1], points[:, 1] - 0.5], axis=1),
        scalar.MLP(2, [3, 1]),
        scalar.MLP(2, [3, 2]),
        reference.MLP(2, [3, 1]),
        nn.MLP(2, [3, 1]),
        nn.MLP(2, [3, 2]),
    ],
    ids=["function", "scores", "scalar", "scalar scores", "reference", "module", "module scores"],
)
def test_a_decision_boundary_is_drawn_of_every_kind_of_model(model: object) -> None:
    ax = plot.decision_boundary(model, X, Y, resolution=5)  # type: ignore[arg-type]
    assert sum(len(c.get_offsets()) for c in ax.collections if hasattr(c, "get_sizes") and len(c.get_sizes())) == 4


def test_decision_boundary_agrees_with_the_model() -> None:
    points = np.array([[0.3, -0.2], [1.5, 0.1]])
    model = nn.MLP(2, [4, 3])
    scores = plot._scores(model, points)
    np.testing.assert_allclose(scores, model(pa.tensor(points, dtype=pa.float32)).detach().numpy())
    values = scalar.MLP(2, [4, 1])
    np.testing.assert_allclose(plot._scores(values, points), [[values(p).data] for p in points.tolist()])


def test_weight_templates_tile_the_rows() -> None:
    layer = nn.Linear(64, 5)
    canvas = plot.weight_templates(layer.weight, (8, 8), columns=3).images[0].get_array()
    assert canvas.shape == (17, 26)
    np.testing.assert_allclose(canvas[9:17, 0:8], layer.weight.detach().numpy()[3].reshape(8, 8))


def test_weight_templates_draw_the_strongest_first() -> None:
    weight = np.array([[1.0] * 4, [3.0] * 4, [-2.0] * 4])
    ax = plot.weight_templates(weight, (2, 2), columns=2, strongest=2, colour_bar=True)
    canvas = ax.images[0].get_array()
    assert (canvas[0, 0], canvas[0, 3]) == (3.0, -2.0)
    assert len(ax.figure.axes) == 2


def test_a_boundary_has_its_margins_and_a_legend() -> None:
    ax = plot.decision_boundary(lambda points: 4 * points[:, 1] - 2, X, Y, resolution=9)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["score 0", "score ±1", "-1", "1"]
    assert len(ax.collections) == 1 + 2 + 2  # the shade, boundary and both margins, two classes
    assert plot.decision_boundary(lambda points: points[:, 1], X, Y, legend=False).get_legend() is None


def test_a_curve_below_zero_is_in_the_picture() -> None:
    assert plot.loss_curve([-3.0, -5.0]).get_ylim()[0] < -5.0
    assert plot.loss_curve([3.0, 5.0]).get_ylim()[0] == 0.0


def test_a_boundary_asks_a_module_as_in_eval_and_leaves_it_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 1))
    model[2].eval()
    plot.decision_boundary(model, [[0.0, 0.0], [1.0, 1.0]], [0, 1], resolution=5)
    assert [module.training for module in model.modules()] == [True, True, True, False, True]
    assert model[1].num_batches_tracked.item() == 0


def test_points_have_the_colour_of_the_region_of_their_class() -> None:
    ax = plot.decision_boundary(lambda x: np.tile(x[:, :1], 3), [[0.0, 0.0], [1.0, 1.0]], [0, 2], resolution=5)
    regions, _, second = ax.collections
    assert np.allclose(second.get_facecolor()[0][:3], regions.get_facecolor()[2][:3])


def test_descent_leaves_out_where_the_loss_is_no_number() -> None:
    ax = plot.descent(lambda a, b: a.log() + b, [[1.0, 1.0], [-2.0, 1.0]])
    assert np.isfinite(ax.collections[0].levels).all()


def test_gradient_flow_shows_gradients_that_exploded() -> None:
    model = nn.MLP(2, [3, 1])
    model(pa.randn(4, 2)).sum().backward()
    model.layers[0].weight.grad = pa.full((3, 2), float("nan"))
    ax = plot.gradient_flow(model)
    assert ax.texts[0].get_text() == " nan"
    assert np.isfinite(ax.get_xlim()).all()


def test_confusion_matrix_counts() -> None:
    ax = plot.confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2])
    assert sorted(text.get_text() for text in ax.texts) == ["1", "1", "1", "1"]


def ticks(ax: object) -> list[str]:
    return [text.get_text() for text in ax.get_xticklabels()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("truth", "predicted", "names"),
    [
        (["stay", "go"], ["stay", "stay"], ["go", "stay"]),
        (np.array(["stay", "go"], dtype=object), ["stay", "stay"], ["go", "stay"]),
        ([1, 7, 1000], [1, 7, 7], ["1", "7", "1000"]),
        ([1.0, 0.0], pa.tensor([1, 1]), ["0", "1"]),
        ([True, False], [True, True], ["False", "True"]),
    ],
)
def test_confusion_matrix_names_the_classes_that_occur(truth: object, predicted: object, names: list[str]) -> None:
    ax = plot.confusion_matrix(truth, predicted)  # type: ignore[arg-type]
    assert ticks(ax) == names
    assert ax.images[0].get_array().shape == (len(names), len(names))


def test_confusion_matrix_takes_the_order_of_its_labels() -> None:
    ax = plot.confusion_matrix(["low", "high"], ["low", "low"], labels=["low", "mid", "high"])
    assert ticks(ax) == ["low", "mid", "high"]
    assert {text.get_position() for text in ax.texts} == {(0, 0), (0, 2)}


def test_confusion_matrix_of_many_classes_is_shades_alone() -> None:
    ax = plot.confusion_matrix(range(100), range(100))
    assert not ax.texts
    assert len(ticks(ax)) == 25


@pytest.mark.parametrize("engine", [scalar, reference], ids=["scalar", "reference"])
def test_graph_shows_every_node_its_label_and_its_op(engine: object) -> None:
    Value = engine.Value  # type: ignore[attr-defined]
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    out = (a * b + a).tanh()
    out.backward()
    ax = plot.graph(out)
    words = [text.get_text() for text in ax.texts]
    assert {"a", "b", "*", "+", "tanh"} <= set(words)
    assert sum(word.startswith("data") for word in words) == 5
    assert "data -3\ngrad 0.002682" in words


def test_graph_puts_operands_left_of_results() -> None:
    a = reference.Value(1.0, label="a")
    b = a * a
    ax = plot.graph(b + a)
    left = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert left["a"] < left["*"] < left["+"]


def test_graph_has_an_edge_for_each_use() -> None:
    q = scalar.Value(3.0, label="q")
    ways = [tuple(line.get_ydata()) for line in plot.graph(q * q).lines]
    assert len(ways) == len(set(ways)) == 2


def test_the_oval_of_an_operation_with_a_long_name_lies_between_the_boxes() -> None:
    ax = plot.graph(scalar.Value(2.0).sigmoid())
    oval = next(patch for patch in ax.patches if isinstance(patch, matplotlib.patches.Ellipse))
    boxes = sorted(patch.get_bbox().x0 for patch in ax.patches if patch is not oval)
    assert boxes[0] + 2 * 0.92 < oval.center[0] - oval.width / 2 < oval.center[0] + oval.width / 2 < boxes[1]


def test_graph_of_a_tensor_shows_shapes() -> None:
    x = pa.ones(2, 3, requires_grad=True)
    words = [text.get_text() for text in plot.graph((x * 2).sum()).texts]
    assert any("(2, 3)" in word for word in words)


def test_an_activation_is_drawn_with_its_derivative() -> None:
    ax = plot.activation("relu", pa.tanh, span=(-1.0, 1.0))
    relu, slope, _, dashed = (np.asarray(line.get_ydata()) for line in ax.lines)
    np.testing.assert_allclose(relu, np.maximum(np.linspace(-1, 1, 401), 0), atol=1e-6)
    assert set(np.unique(slope)) == {0.0, 1.0}
    np.testing.assert_allclose(dashed, 1 - np.tanh(np.linspace(-1, 1, 401)) ** 2, atol=1e-6)


def test_descent_draws_each_path_over_the_loss() -> None:
    path = np.array([[1.0, 1.0], [0.5, 0.8], [np.nan, np.inf]])
    ax = plot.descent(lambda a, b: a**2 + 3 * b**2, {"here": path, "there": path[:2]})
    assert [len(line.get_xdata()) for line in ax.lines] == [3, 2]
    assert plot.descent(lambda a, b: a * b, path[:2], span=(-1, 1, -2, 2)).get_ylim() == (-2, 2)


def test_gradient_flow_counts_units_that_get_none() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    with pa.no_grad():
        model[0].bias.copy_(pa.tensor([-100.0, 0.0, 0.0, -100.0]))
    model(pa.rand(8, 2)).sum().backward()
    words = [text.get_text() for text in plot.gradient_flow(model).texts]
    dead = int((model[0].weight.grad == 0).all(dim=1).sum())
    assert dead >= 2
    assert words[0].endswith(f"{dead} of 4 units get none")
    assert "units" not in words[1]


class Estimator:
    """With scikit-learn's methods, of points whose second number says the class."""

    def __init__(self, classes: list[str]) -> None:
        self.classes_ = np.array(classes)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[(X[:, 1] > 0.5).astype(int)]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.stack([1 - X[:, 1], X[:, 1]], axis=1).clip(0, 1)


@pytest.mark.parametrize("classes", [["no", "yes"], ["no", "yes", "zero"]])
def test_a_decision_boundary_of_an_estimator_has_its_classes(classes: list[str]) -> None:
    ax = plot.decision_boundary(Estimator(classes), X, np.array(["no", "no", "yes", "yes"]), resolution=9)
    assert [text.get_text() for text in ax.get_legend().get_texts()][-2:] == ["no", "yes"]
    assert np.allclose(ax.collections[-1].get_facecolor()[0][:3], matplotlib.colors.to_rgb(plot.COLOURS[1]))


def test_a_boundary_of_unlike_scales_fills_its_axes() -> None:
    assert plot.decision_boundary(lambda p: p[:, 0], X, Y, resolution=5).get_aspect() == 1.0
    assert plot.decision_boundary(lambda p: p[:, 0], X * [1, 1000], Y, resolution=5).get_aspect() == "auto"


def fails(*_: object) -> None:
    raise ArithmeticError


@pytest.mark.parametrize(
    "call",
    [
        lambda ax: plot.loss_curve({"a": [1.0], "b": ["x"]}, ax=ax),
        lambda ax: plot.decision_boundary(fails, X, Y, ax=ax),
        lambda ax: plot.decision_boundary(3, X, Y, ax=ax),  # type: ignore[arg-type]
        lambda ax: plot.decision_boundary(lambda p: np.array(["a"] * len(p)), X, Y, ax=ax),
        lambda ax: plot.weight_templates([["x"] * 4], (2, 2), ax=ax),
        lambda ax: plot.confusion_matrix([0.5], [0.2], ax=ax),
        lambda ax: plot.confusion_matrix([0, 1], [0, None], ax=ax),  # type: ignore[list-item]
        lambda ax: plot.confusion_matrix([0, 1], ["0", "1"], ax=ax),
        lambda ax: plot.activation("relu", fails, ax=ax),  # type: ignore[arg-type]
        lambda ax: plot.descent(fails, [[0.0, 1.0]], ax=ax),  # type: ignore[arg-type]
        lambda ax: plot.gradient_flow(nn.Linear(1, 1), ax=ax),
        lambda ax: plot.graph(3, ax=ax),
    ],
)
def test_nothing_is_drawn_where_an_argument_is_bad(call: Callable[[object], object]) -> None:
    import matplotlib.pyplot as plt

    _, given = plot.new_figure()
    before = len(given.get_children())
    for ax in (None, given):
        with pytest.raises((TypeError, ValueError, ArithmeticError)):
            call(ax)
    assert not plt.get_fignums()
    assert len(given.get_children()) == before


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plot.decision_boundary(len, np.ones((3, 3)), [0, 1, 1]), r"X has shape \(3, 3\)"),
        (lambda: plot.decision_boundary(len, np.ones((3, 2)), [0, 1]), "3 points and 2 labels"),
        (lambda: plot.descent(lambda a, b: a + b, [[float("nan"), 1.0]]), "no path has a finite point"),
        (lambda: plot.weight_templates(np.ones((2, 5)), (2, 2)), r"weight has shape \(2, 5\)"),
        (lambda: plot.weight_templates(np.ones((0, 4)), (2, 2)), "no row is left to draw of 0"),
        (lambda: plot.weight_templates(np.ones((3, 4)), (2, 2), strongest=0), "of 3, with strongest=0"),
        (lambda: plot.confusion_matrix([0, 1], [0]), "2 labels and 1 predictions"),
        (lambda: plot.confusion_matrix([], []), "there are no classes"),
        (lambda: plot.confusion_matrix(["a", "b"], ["a", "a"], labels=["a"]), "'b' occurs, and is not among labels"),
        (lambda: plot.decision_boundary(len, [[0.0, np.nan]], [0]), "NaN or infinity"),
        (lambda: plot.decision_boundary(lambda p: p[:3, 0], X, Y), r"scores of shape \(3,\) for 10000 points"),
        (lambda: plot.activation("tahn"), "nn.functional has no 'tahn' .did you mean 'tanh'"),
        (lambda: plot.descent(lambda a, b: a + b, [1.0, 2.0]), r"has shape \(2,\), but must be \(steps, 2\)"),
        (lambda: plot.gradient_flow(nn.Linear(2, 2)), r"call backward\(\) first"),
        (lambda: plot.graph(sum([reference.Value(1.0) for _ in range(150)])), "too many to draw"),
    ],
)
def test_bad_input_is_named(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()  # type: ignore[operator]


def test_a_net_of_values_has_no_units_whose_gradients_flow() -> None:
    with pytest.raises(TypeError, match=r"model must be an nn\.Module"):
        plot.gradient_flow(scalar.MLP(2, [3, 1]))


def test_without_matplotlib_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "pyautograd-core\[plot\]"'):
        plot.loss_curve([1.0])
