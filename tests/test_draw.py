"""Graphs are drawn as DOT text with nothing installed, as graphviz.Digraph with it, and by code like micrograd's."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest

import pyautograd
from pyautograd._draw import DotText, draw_dot, to_dot
from pyautograd._trace import trace


@pytest.fixture
def without_graphviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)


def test_values_are_records_and_ops_nodes_of_their_own(engine):
    a = engine.Value(2.0, label="a")
    b = a * a
    b.backward()
    lines = [line.strip() for line in to_dot(b).splitlines()]
    assert lines == [
        "digraph {",
        "rankdir=LR",
        'n0 [label="{ a | data 2.0000 | grad 4.0000 }" shape=record]',
        'n1 [label="{ data 4.0000 | grad 1.0000 }" shape=record]',
        'n1_op [label="*"]',
        "n1_op -> n1",
        "n0 -> n1_op",
        "n0 -> n1_op",
        "}",
    ]


def test_a_net_is_drawn_whole(engine):
    neuron = engine.Neuron(2)
    out = neuron([engine.Value(1.0), engine.Value(-2.0)])
    text = to_dot(out)
    assert text.count("shape=record") == 10
    assert text.count('[label="*"]') == 2
    assert text.count('[label="+"]') == 2
    assert text.count('[label="ReLU"]') == 1
    assert text.count("->") == 5 + 9


def test_labels_cannot_break_the_record(engine):
    a = engine.Value(1.0, label='w{0}|<x> "q"')
    assert r"{ w\{0\}\|\<x\> \"q\" | data 1.0000 | grad 0.0000 }" in to_dot(a)


def test_without_graphviz_there_is_the_text(engine, without_graphviz, tmp_path):
    a = engine.Value(2.0)
    dot = draw_dot(a + 1, rankdir="TB")
    assert isinstance(dot, DotText)
    assert "rankdir=TB" in dot.source
    assert str(dot) == dot.source
    path = dot.save(tmp_path / "graph.dot")
    with open(path, encoding="utf-8") as file:
        assert file.read() == dot.source
    with pytest.raises(ImportError, match=r"pip install \"pyautograd-core\[draw\]\""):
        draw_dot(a, format="png").render("graph")


def test_without_graphviz_svg_is_drawn(engine, without_graphviz, tmp_path):
    a = engine.Value(2.0, label="a|<b>")
    path = draw_dot(a * a + 1).render(tmp_path / "graph")
    assert path == str(tmp_path / "graph.svg")
    drawing = ElementTree.parse(path)
    words = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text") if text.text]
    assert words.count("a|<b>") == 1
    assert {"*", "+", "data 4.0000", "grad 0.0000"} <= set(words)
    assert draw_dot(a * a)._repr_html_().startswith("<svg")
    assert "too many to draw" in draw_dot(sum([a] * 400))._repr_html_()


def test_without_graphviz_operands_lie_left_of_results_or_above(engine, without_graphviz):
    root = engine.Value(2.0, label="a") * 3.0
    for rankdir, along in (("LR", "x"), ("TB", "y")):
        drawing = ElementTree.fromstring(draw_dot(root, rankdir=rankdir).svg())
        places = {t.text: float(t.get(along)) for t in drawing.iter("{http://www.w3.org/2000/svg}text") if t.text}
        assert places["a"] < places["*"] < places["data 6.0000"]


def test_a_label_of_wide_characters_has_a_wide_box(without_graphviz):
    boxes = [
        ElementTree.fromstring(draw_dot(pyautograd.Value(1.0, label=label)).svg()).find(".//{*}g/{*}rect")
        for label in ("w" * 40, "重" * 20)
    ]
    assert boxes[0].get("width") == boxes[1].get("width")


def test_graphviz_draws_the_same_graph(engine):
    graphviz = pytest.importorskip("graphviz")
    a = engine.Value(2.0, label="a")
    dot = draw_dot(a * 3.0, format="png")
    assert isinstance(dot, graphviz.Digraph)
    assert dot.format == "png"
    assert "{ a | data 2.0000 | grad 0.0000 }" in dot.source
    assert dot.source.count("->") == 3


def test_an_unknown_direction_is_refused(engine):
    with pytest.raises(ValueError, match="rankdir is 'LR' or 'TB', not 'up'"):
        draw_dot(engine.Value(1.0), rankdir="up")


def test_code_that_walks_the_graph_by_sets_and_ids_works(engine):
    """The way micrograd's notebook does it: `_prev`, sets of nodes and edges, `id`, `_op`, `data`, `grad`."""
    random_net = engine.MLP(2, [3, 1])
    root = random_net([engine.Value(1.0), engine.Value(-1.0)]) ** 2
    root.backward()

    nodes, edges = set(), set()

    def visit(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                visit(child)

    visit(root)
    drawn = {str(id(n)): f"{{ data {n.data:.4f} | grad {n.grad:.4f} }}" for n in nodes}
    ops = {str(id(n)) + n._op: n._op for n in nodes if n._op}
    arrows = {(str(id(a)), str(id(b)) + b._op) for a, b in edges}

    assert len(drawn) == len(nodes) == len(trace(root))
    assert len(ops) == sum(1 for n in nodes if n._prev)
    assert all(a in drawn and b in ops for a, b in arrows)
    assert set(random_net.parameters()) <= nodes
    assert to_dot(root).count("->") == len(edges) + len(ops)


def test_a_long_chain_is_drawn_without_recursion(engine):
    a = b = engine.Value(1.0)
    for _ in range(5000):
        b = b + a
    assert to_dot(b).count("shape=record") == 5001


def test_tensors_show_dtype_and_shape():
    x = pyautograd.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    loss = (x * 2).sum()
    text = to_dot(loss)
    assert r"{ float32 (2, 2) }" in text
    assert "{ float32 () | data 20.0000 }" in text
    assert '[label="sum"]' in text
