"""The moving picture of a tape: where its boxes stand, what a neuron folds, and what a browser shows step by step."""

from __future__ import annotations

import functools
import json
import os
import random
import re
import shutil
import subprocess
from html import unescape
from xml.etree import ElementTree

import pytest

import pyautograd as pa
from pyautograd import scalar
from pyautograd.__main__ import main
from pyautograd._explain import evaluate, explain
from pyautograd._layout import layered
from pyautograd._neurons import neurons
from pyautograd._picture import svg
from pyautograd._trace import trace

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
# What a reader who presses the right arrow until the end is shown.
READER = """<script>
const seen = []
for (let step = 0; step <= end; step++) {
  const grads = rows.map((_, j) => document.querySelector(`#b${j} .grad`).textContent.slice(6))
  seen.push({ says: says.textContent, grads,
    now: [...document.querySelectorAll("tr[aria-current]")].map(line => +line.dataset.row)[0],
    arrows: [...document.querySelectorAll("g.on.back .sent")].map(
      each => [...each.childNodes].map(line => line.textContent).join(" ")),
    table: [...document.querySelectorAll("tr[data-row]")].map(line => [...line.cells].map(
      cell => getComputedStyle(cell).visibility == "hidden" ? "" : cell.textContent)),
    cut: [...document.querySelectorAll(".pane")].some(pane => pane.scrollWidth > pane.clientWidth),
    valuetext: at.getAttribute("aria-valuetext"), over: document.documentElement.scrollWidth > innerWidth })
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }))
}
document.body.innerHTML = `<pre>${JSON.stringify(seen).replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</pre>`
</script></html>"""


def dom_of(address, width=1280):
    """The document at an address as a browser of this width has made it."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"]
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}  # no sanitizer in a browser
    command += [f"--window-size={width},800", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=env).stdout


@functools.cache
def browser_starts():
    """Not every machine that has one lets it: whether an empty page can be had."""
    try:
        return BROWSER is not None and "<html" in dom_of("about:blank")
    except (OSError, subprocess.SubprocessError):
        return False


def shown(tape, tmp_path, width=1280):
    """What the page of a tape shows at each step, in a browser of this width."""
    if not browser_starts():
        pytest.skip("there is no chromium that starts")
    path = tape.save(tmp_path / "backprop.html")
    with open(path, "r+", encoding="utf-8") as file:
        page = file.read().replace("</html>", READER)
        file.seek(0)
        file.write(page)
    dom = dom_of(f"file://{path}", width)
    found = re.search(r"<pre>(.*?)</pre>", dom, re.DOTALL)
    assert found, dom[-2000:]
    return json.loads(unescape(found.group(1)))


def neuron():
    x, w, b = (scalar.Value(number, label=name) for name, number in (("x", 2.0), ("w", -3.0), ("b", 7.0)))
    q = x * w + b
    q.label = "q"
    loss = q * q + x
    loss.label = "loss"
    loss.backward()
    return trace(loss)


@pytest.mark.parametrize("width", [500, 1600])  # headless Chromium has no windows narrower than 500 pixels
def test_a_browser_steps_through_the_tape(tmp_path, width):
    tape = neuron()
    steps = shown(tape, tmp_path, width)
    made = [row.number for row in tape if row.inputs]
    assert len(steps) == 2 * len(made) + 2
    assert [step["now"] for step in steps[1:]] == [*made, made[-1], *reversed(made)]
    assert not any(step["over"] for step in steps)
    assert all(step["says"] == step["valuetext"] for step in steps)
    assert steps[len(made)]["says"] == "forward, row 6: loss = %5 + x = 3"
    assert steps[-1]["grads"] == [f"{row.gradient:.4g}" for row in tape]
    assert steps[-1]["arrows"] == ["-3 × 2 = -6", "2 × 2 = 4"]


def test_the_table_tells_no_step_before_it_is_taken(tmp_path):
    steps = shown(neuron(), tmp_path)
    first, computed, squared, last = steps[0]["table"], steps[4]["table"], steps[7]["table"], steps[-1]["table"]
    assert [line[3] for line in first if line[0]] == ["2", "-3", "7", "", "", "", ""]
    assert not any(line[k] for line in first for k in (4, 5, 6))
    assert all(line[3] for line in computed if line[0])
    assert not any(line[k] for line in computed for k in (4, 6))
    assert [line[4] for line in squared if line[0]] == ["", "", "", "", "2", "1", "1"]
    assert [line[6] for line in squared] == [
        "",
        "",
        "",
        *[""] * 4,
        *["1 g = 1 to q"] * 2,
        "1 g = 1 to %5",
        "1 g = 1 to x",
    ]
    assert all(line[4] for line in last if line[0])
    assert all(line[6] for line in last[3:])


@pytest.mark.parametrize("width", [1280, 1600])
def test_neither_the_graph_nor_the_table_is_cut_off(tmp_path, width):
    steps = shown(explain("q = x*w + b; (q.tanh() - 0.5)**2", {"x": 2.0, "w": -3.0, "b": 7.0}), tmp_path, width)
    assert not any(step["cut"] for step in steps)


def test_a_value_that_is_used_twice_adds_up(tmp_path):
    steps = shown(neuron(), tmp_path)
    squared = next(step for step in steps if step["says"].startswith("backward, row 5"))
    assert squared["says"].split("\n")[1:] == [
        "to q: d %5 / d q × g = 1 × 1 = 1",
        "to q: d %5 / d q × g = 1 × 1 = 1, together with what was there 2",
    ]
    assert squared["arrows"] == ["1 × 1 = 1", "1 × 1 = 1"]


def test_a_picture_of_inner_nodes_begins_with_what_has_come_to_them(tmp_path):
    product = scalar.Value(2.0) * 3.0
    (product * 2.0).backward()
    steps = shown(trace(product), tmp_path)
    assert steps[2]["says"] == "backward begins at the end: to %2 has come 2"
    assert steps[-1]["grads"] == ["6", "4", "2"]


def test_what_a_closure_has_sent_is_shown_as_it_is(tmp_path):
    a = scalar.Value(2.0, label="a")
    double = scalar.Value(4.0, (a,), "double")

    def backward():
        a.grad += 2 * double.grad

    double._backward = backward
    (double * 3.0).backward()
    tape = trace(double * 3.0)
    tape.save(tmp_path / "still.svg")
    assert "nan" not in (tmp_path / "still.svg").read_text(encoding="utf-8")
    steps = shown(tape, tmp_path)
    assert steps[-1]["says"].endswith("its own closure has made the gradient of a 6")
    assert steps[-1]["grads"][0] == "6"


def test_tensors_move_too(tmp_path):
    x = pa.tensor([[1.0, 2.0]], requires_grad=True)
    loss = (x * 3.0).tanh().sum()
    loss.backward(retain_graph=True)
    steps = shown(trace(loss), tmp_path)
    assert steps[-2]["says"].startswith("backward, row 3: %3 sends back g (1 - y^2)")
    assert steps[-1]["grads"][0].startswith("float32 (1, 2)")


def test_the_page_is_whole_without_a_network_and_without_scripts(tmp_path):
    path = neuron().save(tmp_path / "page.html", title="a < b")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert path == str(tmp_path / "page.html")
    assert not re.search(r"(src|href)=|@import|url\((?!#)", page)
    assert "http://www.w3.org/2000/svg" in page
    assert page.count("http") == 1
    assert page.count('class="box') == 7
    assert "<td>d loss/d x = 1</td>" in page
    assert re.search(r">-3 × 2<tspan [^>]*>= -6</tspan>", page)
    assert "<h1>a &lt; b</h1>" in page


def test_a_still_has_what_is_sent_back_on_each_edge(tmp_path):
    drawing = ElementTree.parse(neuron().save(tmp_path / "still.svg"))
    words = [(text.text or "").strip() for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count("← 1") == 4
    assert {"q", "q * q", "value 1", "grad  2", "← -6", "← 4"} <= set(words)


def test_the_style_of_a_still_holds_for_it_alone():
    style = re.search(r"<style>(.*)</style>", svg([]), re.DOTALL).group(1)
    assert all(rule.strip().startswith(".tape ") for rule in style.split("}")[:-1])


def test_labels_cannot_break_the_page(tmp_path):
    nasty = scalar.Value(1.0, label="</script><script>alert(1)</script>")
    trace(nasty * 2.0).save(tmp_path / "page.html")
    assert "<script>alert" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_notebook_shows_the_picture_and_the_table_of_what_is_too_large():
    assert trace(scalar.Value(1.0) * 2)._repr_html_().startswith("<iframe srcdoc=")
    long = scalar.Value(1.0)
    for _ in range(400):
        long = long.tanh()
    assert trace(long)._repr_html_().startswith("<table>")


def test_a_page_of_what_is_too_large_says_so_above_the_table(tmp_path):
    v, total = scalar.Value(2.0, label="v"), scalar.Value(0.0)
    for i in range(400):
        total = total + v * i
    page = (tmp_path / trace(total).save(tmp_path / "big.html")).read_text(encoding="utf-8")
    assert "The graph has 1202 nodes and is too large to be drawn" in page
    assert page.count("<td>v * ") == 400
    assert "<svg" not in page
    assert "<script" not in page


def test_too_many_boxes_are_refused_and_the_file_stays(tmp_path):
    path = tmp_path / "still.svg"
    path.write_text("mine")
    long = scalar.Value(1.0)
    for _ in range(400):
        long = long.tanh()
    with pytest.raises(ValueError, match=r"401 boxes are too many for a picture, the most is 300"):
        trace(long).save(path)
    assert path.read_text() == "mine"


def test_a_part_of_a_tape_prints_but_is_no_picture(tmp_path):
    tape = neuron()
    for part in (tape[2:5], tape[3:], tape[::-1], tape[:0]):
        assert part._repr_html_().startswith("<table>")
        for name in ("part.html", "part.svg"):
            with pytest.raises(ValueError, match="a picture is of a whole tape"):
                part.save(tmp_path / name)
            assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["STILL.SVG", b"still.svg"])
def test_a_still_is_known_by_its_ending(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert ElementTree.parse(neuron().save(name)).getroot().tag.endswith("svg")


def test_a_label_that_no_file_can_hold_is_replaced(tmp_path):
    path = trace(scalar.Value(1.0, label="\ud800") * 2.0).save(tmp_path / "page.html")
    assert "<td>? * 2</td>" in (tmp_path / path).read_text(encoding="utf-8")


def test_a_drawing_without_boxes_is_empty():
    assert ElementTree.fromstring(svg([])).get("aria-label") == "a graph of 0 boxes"


def test_a_neuron_becomes_one_row_with_its_own_derivatives(engine):
    random.seed(3)
    net = engine.MLP(3, [4, 4, 1])
    inputs = [engine.Value(number, label=f"x{k}") for k, number in enumerate((0.5, -1.0, 2.0))]
    loss = (net(inputs) - 1.0) ** 2
    loss.backward()
    rows = neurons(trace(loss).rows)
    assert [row.op for row in rows].count("neuron") == 9
    assert len(rows) == 3 + 9 + 3  # inputs, neurons, and the loss of a target
    sums = [0.0] * len(rows)
    sums[-1] = 1.0
    for row in reversed(rows):
        assert row.gradient == pytest.approx(sums[row.number])
        for i, sent in zip(row.inputs, row.contributions, strict=True):
            sums[i] += sent


def test_a_weighted_sum_with_an_activation_or_a_bias_is_a_neuron(engine):
    def ops(root):
        return [row.op for row in neurons(trace(root).rows)]

    def values():
        return [engine.Value(float(k + 1)) for k in range(3)]

    w, x = values(), values()
    weighted = sum(p * q for p, q in zip(w, x, strict=True))
    assert ops(weighted + 1.0) == ops(weighted.tanh()) == ["", "", "", "neuron"]
    for other in (sum(p * p for p in w), sum(p * k for k, p in enumerate(w[:1] * 3)), sum(p**2 for p in w)):
        assert "neuron" not in ops(other)
    a, b = values()[:2]
    assert ops((a * b).tanh()) == ["", "", "*", "tanh"]
    assert ops((a + b).relu())[-2:] == ["+", "ReLU"]


def test_layers_stand_in_order_and_boxes_do_not_overlap():
    random.seed(0)
    inputs = [[]]
    for box in range(1, 120):
        inputs.append(random.sample(range(box), min(box, random.choice([0, 1, 2, 2, 3]))))
    heights = [random.choice([1.0, 2.0]) for _ in inputs]
    places = layered(inputs, heights, 0.5)
    assert all(places.layer[i] < places.layer[box] for box, sources in enumerate(inputs) for i in sources)
    assert min(y - h / 2 for y, h in zip(places.across, heights, strict=True)) >= -1e-9
    for box, y in enumerate(places.across):
        for other in range(box):
            if places.layer[other] == places.layer[box]:
                assert abs(y - places.across[other]) >= (heights[box] + heights[other]) / 2 + 0.5 - 1e-9
    assert layered(inputs, heights, 0.5) == places
    for (source, box), bends in places.bends.items():
        assert len(bends) == places.layer[box] - places.layer[source] - 1


def test_a_chain_stands_on_one_line():
    assert set(layered([[], [0], [1], [2]], [1.0] * 4, 0.5).across) == {0.5}


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("(a*b + c).tanh()", -0.7615941559557649),
        ("-a**2 + +b", -1.0),
        ("q = a*b; q*q + relu(q)", 42.0),
        ("maximum(a, b) / 2 - a ** b", -6.5),
        (" a * b ", 6.0),
        ("clamp(c, -2, 1)", -2.0),
    ],
)
def test_a_formula_is_computed_as_python_would(formula, value):
    assert evaluate(formula, {"a": 2.0, "b": 3.0, "c": -7.0}).data == pytest.approx(value)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("a +", "is no formula"),
        ("", "the formula is empty"),
        ("a * z", "z has no number; write z=2.0 after the formula"),
        ("a.tahn()", "no function is called 'tahn'.*did you mean"),
        ("__import__('os')", "no function is called '__import__'"),
        ("a.__class__", "is no part of a formula"),
        ("a.backward()", "no function is called 'backward'"),
        ("[a for a in range(3)]", "is no part of a formula"),
        ("import os", "is no part of a formula"),
        ("a if a else a", "is no part of a formula"),
        ("tanh(*a)", "is no part of a formula"),
        ("tanh(a, a)", "tanh is no function of 2 numbers"),
        ("np.exp(a)", r"write exp\(a\) for np.exp\(a\)"),
        ("2 * math.tanh(a)", r"write tanh\(a\) for math.tanh"),
        ("pi * a", "write pi=3.14159"),
        ("a + tanh", r"tanh is a function; write tanh\(a\)"),
        ("a.tanh", r"write a.tanh\(\)"),
        ("min(a, 2)", "did you mean 'minimum'"),
        ("ln(a)", "did you mean 'log'"),
        ("a^2", r"write \*\* for it"),
        ("2a", r"as in 2\*a\*b"),
        ("tanh a", r"as in 2\*a\*b \+ tanh\(a\)"),
        ("a\u00b2", r"write \*\*2 for \u00b2"),
        ("a \u00d7 a", r"write \* for \u00d7"),
        ("a\u2081", "write 1 for \u2081"),
        ("a\u00b7a", r"write a\*a"),
        ("a = 3; a * a", "a is assigned in the formula and given after it"),
        ("a ** 'x'", "is no part of a formula"),
        ("a % 2", "is no part of a formula"),
        ("True + a", "is no part of a formula"),
        ("+".join("a" * 5000), "nested too deeply; give parts of it names"),
    ],
)
def test_what_is_no_formula_is_refused(formula, words):
    with pytest.raises(ValueError, match=words):
        explain(formula, {"a": 2.0})


def test_another_name_for_a_value_leaves_it_its_own():
    assert [row.name for row in explain("q = a; r = q * q", {"a": 2.0})] == ["a", "r"]


def test_a_name_is_what_python_reads(tmp_path):
    micro = "\N{MICRO SIGN}"  # on keyboards; the parser makes it the letter mu
    assert main(["explain", f"{micro} * 2", f"{micro}=3", "--no-open", "--out", str(tmp_path / "page.html")]) == 0


@pytest.mark.parametrize("formula", ["-a*b", "-3*a", "-(a+b)"])
def test_a_formula_may_begin_with_a_minus(tmp_path, formula):
    path = tmp_path / "backprop.html"
    assert main(["explain", formula, "a=2", "b=-3", "--no-open", "--out", str(path)]) == 0
    assert f"<title>{formula}</title>" in path.read_text(encoding="utf-8")


def test_the_command_writes_the_page(tmp_path, capsys):
    path = tmp_path / "backprop.html"
    assert main(["explain", "(a*b + c).tanh()", "a=2", "b=-3", "c=10", "--no-open", "--out", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "tanh(%4)" in printed
    assert "not in the formula" not in printed
    assert main(["explain", "a", "a=2", "b=3", "--no-open", "--out", str(path)]) == 0
    assert "b is not in the formula" in capsys.readouterr().out
    assert main(["explain", "(a*b + c).tanh()", "a=2", "b=-3", "c=10", "--no-open", "--out", str(path)]) == 0
    capsys.readouterr()
    assert "<title>(a*b + c).tanh()</title>" in path.read_text(encoding="utf-8")
    for arguments, words in (
        (["a*b", "a"], "'a' is not of the form name=number"),
        (["z"], "z has no number"),
        (["a", "a=1", "a=2"], "a name is given two numbers"),
    ):
        with pytest.raises(SystemExit):
            main(["explain", *arguments, "--no-open", "--out", str(tmp_path / "other.html")])
        assert words in capsys.readouterr().err
        assert not (tmp_path / "other.html").exists()


def test_the_command_without_a_formula_says_so(capsys):
    with pytest.raises(SystemExit):
        main(["explain"])
    assert "no formula; write one in quotes" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["t.png", "t.pdf", "t", b"t.png"])
def test_a_file_that_would_hold_neither_a_page_nor_a_still_is_refused(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"ends neither in \.html.* nor in \.svg"):
        neuron().save(name)
    with pytest.raises(SystemExit):
        main(["explain", "a*b", "a=2", "b=3", "--no-open", "--out", os.fsdecode(name)])
    assert "ends neither in .html" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def twice(changed):
    x, w, b = (scalar.Value(n, label=label) for n, label in ((2.0, "x"), (-3.0, "w"), (6.9, "b")))
    out = (x * w + b).tanh()
    out.backward()
    if changed:
        x.data = 1.0
    else:
        out.backward()
    return trace(out)


def test_a_picture_starts_from_the_gradients_that_were_there_before(tmp_path):
    tape = twice(changed=False)
    steps = shown(tape, tmp_path)
    assert steps[0]["grads"][0] == f"{tape[0].gradient / 2:.4g}"
    assert steps[-1]["grads"] == [f"{row.gradient:.4g}" for row in tape]
    assert "together with what was there" in steps[-1]["says"]


def test_a_picture_of_changed_numbers_shows_the_gradients_that_there_are(tmp_path):
    tape = twice(changed=True)
    tape.save(tmp_path / "still.svg")
    assert (tmp_path / "still.svg").read_text(encoding="utf-8").count("←") == 3
    steps = shown(tape, tmp_path)
    assert steps[-1]["grads"] == [f"{row.gradient:.4g}" for row in tape]
    assert "a number was changed since; the pass had made the gradient of w" in steps[-1]["says"]


def test_a_net_of_neurons_tells_what_was_changed_since():
    random.seed(3)
    net = scalar.MLP(4, [16, 16, 1])
    loss = net([scalar.Value(0.5, label=f"x{k}") for k in range(4)])
    loss.backward()
    shown = trace(loss)._boxes()
    assert not shown._held
    assert "changed" not in shown._html(300)
    for p in net.parameters():
        p.data -= 0.1 * p.grad
    shown = trace(loss)._boxes()
    assert "changed since the pass" in shown._html(300)
    assert not shown._held
