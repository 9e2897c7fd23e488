"""`autograd.gradcheck` finds a wrong derivative and says where; right ones pass."""

import numpy as np
import pytest
from functions import function

import pyautograd as pa
from pyautograd.autograd import GradcheckError, gradcheck


def wrong_in_one_element(x):
    """The identity, whose backward is wrong for the element (1, 0)."""

    def backward(ctx, upstream):
        factor = pa.ones(*upstream.shape, dtype=upstream.dtype)
        factor[1, 0] = 1.5
        return factor * upstream

    return function(lambda ctx, x: x * 1, backward, x)


def leaf(*shape):
    data = np.random.default_rng(0).normal(size=shape)
    return pa.tensor(data, dtype=pa.float64, requires_grad=True)


def test_right_gradients_pass_for_several_inputs_and_outputs():
    a, b = leaf(2, 3), leaf(3, 2)
    assert gradcheck(lambda a, b, k: (a @ b, (a * k).sum(), a > 0), (a, b, 2.5))
    assert gradcheck(pa.exp, leaf()) and gradcheck(pa.exp, leaf(0, 2))


def test_a_report_names_input_output_element_and_both_numbers():
    with pytest.raises(GradcheckError) as raised:
        gradcheck(lambda a, x: (a * 2, wrong_in_one_element(x)), (leaf(2), leaf(2, 2)))
    text = str(raised.value)
    assert "output 1 of shape (2, 2) in input 1 of shape (2, 2)" in text
    assert "at element (1, 0) of the output and (1, 0) of the input" in text
    assert "derivative is 1 and the analytical one 1.5 (1 of 16 disagree)" in text


def test_without_exception_it_returns_false():
    assert gradcheck(wrong_in_one_element, leaf(2, 2), raise_exception=False) is False


def test_an_input_that_the_output_ignores_has_derivative_zero():
    with pytest.raises(GradcheckError, match="input 1"):
        gradcheck(lambda a, b: a * b.detach(), (leaf(2), leaf(2)))


def test_inputs_are_left_as_they_were_even_where_the_function_raises():
    x = leaf(3)
    before, calls = x.tolist(), []

    def fails_at_the_third_call(x):
        calls.append(1)
        if len(calls) == 3:
            raise ZeroDivisionError
        return x * 2

    with pytest.raises(ZeroDivisionError):
        gradcheck(fails_at_the_third_call, x)
    assert x.tolist() == before and x.grad is None


def test_a_backward_that_gives_other_numbers_each_time_is_found():
    calls = []

    def backward(ctx, upstream):
        calls.append(1)
        return upstream * (1 + 1e-7 * len(calls))

    def noisy(x):
        return function(lambda ctx, x: x * 1, backward, x)

    with pytest.raises(GradcheckError, match="other numbers each time"):
        gradcheck(noisy, leaf(2))
    assert gradcheck(noisy, leaf(2), nondet_tol=1e-3)


def test_what_cannot_be_checked_is_said():
    with pytest.raises(ValueError, match="none of the inputs requires grad"):
        gradcheck(pa.exp, pa.ones(2))
    with pytest.raises(TypeError, match=r"no Values.*requires_grad=True"):
        gradcheck(lambda a: a * a, (pa.Value(2.0),))
    with pytest.raises(ValueError, match="share memory"):
        gradcheck(pa.exp, leaf(1).expand(3))
    with pytest.warns(UserWarning, match="is float32"):
        gradcheck(lambda x: x * 2, pa.ones(2, requires_grad=True), eps=1e-2)
    with pytest.raises(NotImplementedError, match="check_batched_grad"):
        gradcheck(pa.exp, leaf(2), check_batched_grad=True)
