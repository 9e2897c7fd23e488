"""A Value of either engine shows, takes and differentiates what micrograd's does."""

from __future__ import annotations

import re

import numpy as np
import pytest
from micrograd_demo import readme

import pyautograd
from pyautograd import scalar
from pyautograd.scalar import Value, draw_dot


def test_a_value_shows_its_numbers(engine):
    assert repr(engine.Value(2)) == "Value(data=2.0, grad=0.0)"
    assert repr(engine.Value(-0.25, label="b")) == "Value(data=-0.25, grad=0.0)"


class Labels:
    """A truth value that raises, as NumPy's arrays have."""

    def __bool__(self):
        raise ValueError("ambiguous")


def test_labels_are_kept_as_they_are(engine):
    label = Labels()
    assert engine.Value(1.0, label=label).label is label
    assert engine.Value(1.0, label=None).label == ""


@pytest.mark.parametrize("number", [2, 2.0, True, np.float32(2), np.int64(2), np.array(2.0)])
def test_numbers_of_every_kind_are_operands(engine, number):
    a = engine.Value(3.0)
    for result in (a + number, a - number, a * number, a / number, a**number):
        assert isinstance(result, engine.Value)
    for result, expected in (
        (number + a, float(number) + 3),
        (number - a, float(number) - 3),
        (number * a, float(number) * 3),
        (number / a, float(number) / 3),
        (number**a, float(number) ** 3),
    ):
        assert isinstance(result, engine.Value)
        assert result.data == expected


def test_what_is_no_number_is_refused(engine):
    with pytest.raises(TypeError):
        engine.Value(1.0) + "x"
    with pytest.raises(TypeError):
        engine.Value(1.0) * None
    with pytest.raises(TypeError):
        engine.Value([1.0])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda v: scalar.Value("3"), "Value: data: a number is wanted, not <class 'str'>"),
        (lambda v: scalar.Value(None), "Value: data: a number is wanted"),
        (lambda v: setattr(v, "data", [1.0]), "data: a number is wanted, not <class 'list'>"),
        (lambda v: setattr(v, "grad", 1j), "grad: a number is wanted, not <class 'complex'>"),
        (lambda v: scalar.Value(1.0, (v,), ("1",)), "Value: local gradient: a number is wanted, not <class 'str'>"),
        (lambda v: scalar.Value(1.0, v), "children are a tuple of Values, not a Value"),
        (lambda v: scalar.Value(1.0, None, "op"), "children are a tuple of Values, not None"),
        (lambda v: v.__init__(2.0, (v,), "op"), "child 0 is the Value itself"),
    ],
)
def test_a_wrong_kind_of_argument_is_named(make, says):
    v = scalar.Value(2.0)
    with pytest.raises(TypeError, match=re.escape(says)):
        make(v)
    assert (v.data, v.grad, v._prev) == (2.0, 0.0, set())


def test_equality_and_hash_are_identity(engine):
    a, b = engine.Value(1.0), engine.Value(1.0)
    assert a == a
    assert a != b
    assert len({a, b}) == 2


def test_the_graph_can_be_looked_at(engine):
    a, b = engine.Value(2.0, label="a"), engine.Value(3.0)
    c = a * b
    assert c._prev == {a, b}
    assert next(n for n in c._prev if n.label == "a") is a
    assert c._op == "*"
    assert c._inputs == (a, b)
    assert (a * a)._inputs == (a, a)
    assert (a * a)._prev == {a}
    assert a._prev == set()
    assert a._op == ""
    assert a.label == "a"
    assert b.label == ""


def test_ops_are_named_as_micrograd_names_them(engine):
    a, b = engine.Value(2.0), engine.Value(3.0)
    results = [a + b, a - b, a * b, a / b, -a, a**2, a**0.5, a**-1, a.relu(), a.tanh(), a.exp()]
    assert [r._op for r in results] == ["+", "-", "*", "/", "neg", "**2", "**0.5", "**-1", "ReLU", "tanh", "exp"]


def test_the_example_of_micrograds_readme_has_its_numbers(engine):
    a, b, g = readme(engine)
    assert g.data == pytest.approx(24.70408163265306, rel=1e-14)
    assert a.grad == pytest.approx(138.83381924198252, rel=1e-14)
    assert b.grad == pytest.approx(645.5772594752186, rel=1e-14)


def test_a_second_pass_starts_inner_gradients_anew_and_leaves_add_up(engine):
    a = engine.Value(3.0)
    b = a * 2
    c = b * b
    c.backward()
    assert (a.grad, b.grad, c.grad) == (24.0, 12.0, 1.0)
    c.backward()
    assert (a.grad, b.grad, c.grad) == (48.0, 12.0, 1.0)


def test_two_losses_over_one_graph_add_up_in_the_leaves(engine):
    a = engine.Value(3.0)
    b = a * 2
    (b * 5).backward()
    (b + 1).backward()
    assert (a.grad, b.grad) == (12.0, 1.0)


def test_a_leaf_is_its_own_derivative(engine):
    a = engine.Value(3.0)
    a.backward()
    assert a.grad == 1.0


def test_gradients_and_numbers_can_be_set(engine):
    a = engine.Value(3.0)
    (a * a).backward()
    a.data -= 0.5 * a.grad
    a.grad = 0
    assert (a.data, a.grad) == (0.0, 0.0)


def test_ties_share_the_gradient_and_corners_have_pytorchs(engine):
    V = engine.Value

    def gradients(f, *numbers):
        values = [V(x) for x in numbers]
        f(*values).backward()
        return [v.grad for v in values]

    assert gradients(lambda a: a.relu(), 0.0) == [0.0]
    assert gradients(lambda a: abs(a), 0.0) == [0.0]
    assert gradients(lambda a, b: a.maximum(b), 2.0, 2.0) == [0.5, 0.5]
    assert gradients(lambda a, b: a.minimum(b), 2.0, 2.0) == [0.5, 0.5]
    assert gradients(lambda a: a.clamp(-1, 1), 1.0) == [1.0]
    assert gradients(lambda a: a.clamp(max=1), 3.0) == [0.0]
    assert gradients(lambda a: a**0, 0.0) == [0.0]
    assert gradients(lambda a, b: a**b, 0.0, 2.0) == [0.0, 0.0]


def test_values_take_ops_of_three_operands_and_of_two_with_a_parameter() -> None:
    a, b, c = Value(1.0), Value(-2.0), Value(5.0)
    out = pyautograd.where(a, b, c)
    assert isinstance(out, Value)
    out.backward()
    assert (out.data, b.grad, c.grad) == (-2.0, 1.0, 0.0)
    assert {*out._prev} == {a, b, c}
    with pyautograd.no_grad():
        assert not pyautograd.where(a, b, c)._prev
    loss = pyautograd.nn.functional.huber_loss(b, c, delta=2.0)
    loss.backward()
    assert loss.item() == 2.0 * (7.0 - 1.0) and (b.grad, c.grad) == (-1.0, 2.0)


def test_rounding_says_of_what() -> None:
    with pytest.raises(TypeError, match=r"x.round\(\) for a Value, round\(x.data, 2\)"):
        round(Value(2.5), 1)
    with pytest.raises(TypeError, match="draw_dot: root must be"):
        draw_dot(3)
