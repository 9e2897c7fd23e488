"""`trace` shows the tape: what was computed from what, and the chain rule running back."""

from __future__ import annotations

import math

import pytest

import pyautograd
from pyautograd import _ops, plot
from pyautograd._draw import to_dot
from pyautograd._generated import RULES
from pyautograd._trace import trace


def lecture_neuron(engine):
    """The neuron that the lecture differentiates by hand."""
    x1, x2 = engine.Value(2.0, label="x1"), engine.Value(0.0, label="x2")
    w1, w2 = engine.Value(-3.0, label="w1"), engine.Value(1.0, label="w2")
    b = engine.Value(6.8813735870195432, label="b")
    n = x1 * w1 + x2 * w2 + b
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    o.backward()
    return o


def test_rows_stand_in_order_of_computation(engine):
    rows = trace(lecture_neuron(engine))
    assert len(rows) == 10
    assert [row.number for row in rows] == list(range(10))
    assert all(i < row.number for row in rows for i in row.inputs)
    assert all(row.op == "" and row.inputs == () for row in rows[:5])
    assert rows[-1].name == "o"
    assert rows[-1].op_name == "tanh"
    assert rows[-1].input_names == ("n",)
    assert rows[-1].gradient == 1.0


def test_the_chain_rule_can_be_checked_row_by_row(engine):
    rows = trace(lecture_neuron(engine))
    sums = [0.0] * len(rows)
    sums[-1] = 1.0
    for row in reversed(rows):
        assert row.gradient == pytest.approx(sums[row.number])
        for i, sent in zip(row.inputs, row.contributions, strict=True):
            sums[i] += sent
    gradients = {row.name: row.gradient for row in rows}
    assert gradients["x1"] == pytest.approx(-1.5)
    assert gradients["w1"] == pytest.approx(1.0)


def test_local_derivatives_are_in_the_order_of_the_inputs(engine):
    a, b = engine.Value(2.0), engine.Value(3.0)
    assert trace(a / b)[-1].local_gradients == pytest.approx((1 / 3, -2 / 9))
    assert trace(a * a)[-1].local_gradients == (2.0, 2.0)
    assert trace(a * a)[-1].inputs == (0, 0)
    assert trace(a - b)[-1].local_gradients == (1.0, -1.0)


def test_expressions_read_as_written(engine):
    a, b = engine.Value(2.0, label="a"), engine.Value(3.0, label="b")
    results = [a * b, a - b, a**2, a**b, -a, a.tanh(), a.maximum(b)]
    assert [trace(r)[-1].expression for r in results] == [
        "a * b",
        "a - b",
        "a**2",
        "a ** b",
        "neg(a)",
        "tanh(a)",
        "maximum(a, b)",
    ]


def test_a_constant_of_a_formula_is_called_what_it_is(engine):
    q = engine.Value(3.0, label="q")
    rows = trace((q - 0.5).maximum(1.25) * -2)
    assert [row.expression for row in rows if row.op] == ["q - 0.5", "maximum(%4, 1.25)", "%5 * -2"]
    assert [row.name for row in rows] == ["q", "0.5", "1.25", "-2", "%4", "%5", "%6"]
    assert "to 0.5" in str(rows)
    learned = engine.Value(0.1234567890123)  # in a few digits it would be another number
    assert trace(q * learned)[-1].expression == "q * %1"


def test_a_tape_is_traced_inside_a_step_that_is_being_compiled():
    names = []

    @pyautograd.compile
    def step(x, scale):
        loss = (x * scale * 2).sum()
        names.extend(row.name for row in trace(loss))
        return loss

    x = pyautograd.tensor([1.0, 2.0], requires_grad=True)
    assert step(x, pyautograd.tensor(3.0)).item() == 18.0
    assert "%5" in names


def test_a_constant_of_a_tensors_formula_is_called_what_it_is():
    x = pyautograd.tensor([1.0, 2.0], requires_grad=True)
    bias = pyautograd.tensor(1.0, requires_grad=True)
    rows = trace((x * 2 + bias) * pyautograd.tensor(0.1))
    assert [row.expression for row in rows if row.op] == ["%0 * 2", "%4 + %2", "%5 * 0.1"]


def test_tracing_changes_nothing(engine):
    o = lecture_neuron(engine)
    before = [(row.value, row.gradient) for row in trace(o)]
    str(trace(o))
    assert [(row.node.data, row.node.grad) for row in trace(o)] == before


def test_the_table_prints(engine):
    text = str(trace(lecture_neuron(engine)))
    assert "computed as" in text
    assert "d o/d n = 0.5" in text
    assert "0.5 g = 0.5 to n" in text


def test_a_long_tape_prints_its_ends_and_keeps_all(engine):
    a = engine.Value(1.0)
    for _ in range(1000):
        a = a + 1.0
    rows = trace(a)
    assert len(rows) == 2001
    assert "1901 more" in str(rows)
    assert len(str(rows).splitlines()) < 200


def test_slices_are_traces(engine):
    rows = trace(lecture_neuron(engine))
    assert [row.name for row in rows[:2]] == [rows[0].name, rows[1].name]
    assert str(rows[:2]).count("\n") == 3


def test_an_op_of_ones_own_hides_its_local_derivative(engine):
    a = engine.Value(2.0)
    out = engine.Value(4.0, (a,), "double")
    row = trace(out)[-1]
    assert row.op == "double"
    assert math.isnan(row.local_gradients[0])
    a.grad = 8.0
    assert "its own" in str(trace(out))
    assert "2 has 8" in str(trace(out))


def test_two_leaves_of_one_label_are_told_apart(engine):
    x, also_x = engine.Value(2.0, label="x"), engine.Value(3.0, label="x")
    assert trace(x * also_x)[-1].expression == "x%0 * x%1"
    assert trace(x * x)[-1].expression == "x * x"


def test_a_long_expression_is_cut(engine):
    row = trace(engine.Value(1.0))[0]._replace(op="f", inputs=tuple(range(9)), input_names=tuple("abcdefghi"))
    assert row.expression == "f(a, b, c, d, …, i)"


def test_tensors_show_shapes_and_rules():
    x = pyautograd.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    w = pyautograd.tensor([[1.0], [-1.0]], requires_grad=True)
    rows = trace((x @ w).relu().sum())
    text = str(rows)
    assert "float32 (2, 2) 1 … 4" in text
    assert "g b^T; a^T g" in text
    assert [row.op_name for row in rows if row.op] == ["matmul", "relu", "sum"]
    assert rows[-1].local_gradients == ()


def test_every_op_with_a_gradient_has_a_rule():
    without = {
        "leaf", "argmax", "argmin", "argsort", "argcummax", "searchsorted", "linear_index", "neuron", "check",
        "dropout_mask",
    }  # fmt: skip
    names = {name for name, row in _ops.table.items() if row.family in ("elementwise", "whole")}
    assert names - without == set(RULES)


def freed_loss():
    t = pyautograd.tensor([[1.0, 2.0]], requires_grad=True)
    loss = (t * 2).sum()
    loss.backward()
    return loss


def test_a_freed_history_says_how_to_keep_it(tmp_path):
    loss = freed_loss()
    words = "retain_graph=True"
    rows = trace(loss)
    assert rows[0].expression == "sum(freed)"
    assert str(rows).splitlines()[-1] == (
        "%0: backward() has freed this history: write l.backward(retain_graph=True) or trace before backward()"
    )
    for name in ("t.svg", "t.html"):
        rows.save(tmp_path / name)
        assert words in (tmp_path / name).read_text(encoding="utf-8")
    assert words in rows._repr_html_()
    assert words in to_dot(loss)
    pytest.importorskip("matplotlib")
    _, ax = plot.new_figure()
    assert any(words in text.get_text() for text in plot.graph(loss, ax=ax).texts)


def test_a_tensor_that_no_op_made_is_not_freed():
    made = freed_loss().detach() * 2
    assert "freed" not in str(trace(made)) + to_dot(made)


def tanh_neuron(engine):
    x, w, b = (engine.Value(n, label=label) for n, label in ((2.0, "x"), (-3.0, "w"), (6.9, "b")))
    out = (x * w + b).tanh()
    out.backward()
    return x, w, out


def test_gradients_of_more_than_this_pass_are_told(engine):
    x, _, out = tanh_neuron(engine)
    assert "hold" not in str(trace(out))
    out.backward()
    last = "x.grad, w.grad, b.grad hold more than this pass sent back"
    assert str(trace(out)).splitlines()[-1] == last
    assert f"<p>{last}</p>" in trace(out)._html(100)
    half = x.grad / 2
    assert trace(out)._held[0] == pytest.approx(half)


def test_a_number_changed_since_the_pass_is_told(engine):
    x, w, out = tanh_neuron(engine)
    x.data = 1.0
    rows = trace(out)
    text = str(rows)
    assert text.splitlines()[-1] == "x or w was changed since the pass: x * w is -3, and %3 -6"
    assert "changed since" in text
    assert f"w has {w.grad:.4g}" in text
    assert "to w" not in text
    assert "hold" not in text


def test_what_was_zeroed_since_the_pass_is_not_held(engine):
    x, _, out = tanh_neuron(engine)
    x.grad = 0.0
    assert not trace(out)._held


def test_a_row_that_python_computes_otherwise_is_not_called_changed(engine):
    a, b = engine.Value(7.3, label="a"), engine.Value(-2.0, label="b")
    results = [a + b, a - b, a * b, a / b, a**2, a**-0.5, a.log(), a.exp(), a.tanh(), b.relu(), a.relu(), -a, b.abs(),
               a.maximum(b), (a - a).sqrt(), a.sigmoid(), a.cos(), a.pow(b)]  # fmt: skip
    for result in results:
        assert "changed" not in str(trace(result))
