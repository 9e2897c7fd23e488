"""Results are the caller's: they keep their numbers, their form and their types, and share no memory."""

from typing import Any

import pyautograd
from pyautograd import Tensor, Value, nn


def test_results_kept_stay_what_they_were() -> None:
    step = pyautograd.compile(lambda x: (x * 2, x.sum()))
    results = [step(pyautograd.full((3,), float(i))) for i in range(8)]
    assert [doubled.tolist() for doubled, _ in results] == [[2.0 * i] * 3 for i in range(8)]
    assert [total.item() for _, total in results] == [3.0 * i for i in range(8)]
    with pyautograd.no_grad():
        results[-1][0].zero_()
    assert step(pyautograd.ones(3))[0].tolist() == [2.0] * 3


def test_results_share_no_memory_with_the_model() -> None:
    model = nn.Linear(2, 2)
    step = pyautograd.compile(lambda x: (model(x), model.weight, x))
    x = pyautograd.ones(1, 2)
    for _ in range(4):
        out, weight, same = step(x)
        with pyautograd.no_grad():
            before = model.weight.tolist()
            out.zero_()
            weight.zero_()
            same.zero_()
        assert model.weight.tolist() == before
        assert x.tolist() == [[1.0, 1.0]]


def test_results_come_back_in_the_form_that_the_function_gives_them() -> None:
    class Pair(tuple):
        pass

    for function, expected in [
        (lambda x: None, None),
        (lambda x: 3, 3),
        (lambda x: (x.sum(), "words", 2.5), (2.0, "words", 2.5)),
        (lambda x: [x.sum()], [2.0]),
        (lambda x: {"a": (x.sum(), None)}, {"a": (2.0, None)}),
        (lambda x: (), ()),
        (lambda x: (x.sum(),), (2.0,)),
    ]:
        step = pyautograd.compile(function)
        for _ in range(4):
            found = step(pyautograd.ones(2))
            assert _plain(found) == expected


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return type(value)(_plain(each) for each in value) if isinstance(value, (list, tuple)) else value


def test_numbers_come_back_as_floats() -> None:
    step = pyautograd.compile(lambda v, x: (v.data * 2, x * 3, v))
    for i in range(4):
        doubled, tripled, value = step(Value(float(i)), float(i))
        assert type(doubled) is float and type(tripled) is float and type(value) is Value
        assert (doubled, tripled, value.data) == (2.0 * i, 3.0 * i, i)
