"""Shapes, dtypes and constants among the arguments choose the program; the numbers in tensors may change."""

import warnings
from typing import Any

import numpy as np
import pytest
from trainings import train

import pyautograd
from pyautograd import Value

from .training import Training, batches, close


def test_shapes_dtypes_and_constants_are_the_signature() -> None:
    step = pyautograd.compile(lambda x, n=1, mode="a": x * n if mode == "a" else x + n)
    arguments: list[tuple[Any, ...]] = [
        (pyautograd.ones(2),),
        (pyautograd.ones(3),),
        (pyautograd.ones(3, 1),),
        (pyautograd.ones(2, dtype=pyautograd.float64),),
        (pyautograd.ones(2), 3),
        (pyautograd.ones(2), True),
        (pyautograd.ones(2), 3, "b"),
        (pyautograd.ones(4, 2).T,),
    ]
    for _ in range(4):
        for args in arguments:
            found, expected = step(*args), step.__wrapped__(*args)
            assert found.tolist() == expected.tolist() and found.dtype is expected.dtype
    assert len(step.programs) == len(arguments)


def test_another_float_needs_no_new_program() -> None:
    step = pyautograd.compile(lambda x, lr: (x * lr).sum())
    for lr in (0.1, 0.2, np.float32(0.5), 2.0, np.float64(0.25)):
        assert step(pyautograd.ones(2), lr).item() == pytest.approx(2 * float(lr))
    assert len(step.programs) == 1
    assert [step(pyautograd.ones(2), 3).item() for _ in range(3)] == [6.0] * 3
    assert len(step.programs) == 2


def test_arguments_may_be_nested_and_named() -> None:
    def function(batch: dict[str, Any], *, weights: list[float], scale: float = 1.0, mask: Any = None) -> Any:
        total = sum(w * x.sum() for w, x in zip(weights, batch["xs"], strict=True))
        return {"total": total * scale, "n": len(weights), "pair": (total, batch["y"] * 2), "none": mask}

    step = pyautograd.compile(function)
    for i in range(5):
        batch = {"xs": [pyautograd.full((2,), float(i)), pyautograd.ones(3)], "y": pyautograd.ones(1)}
        found = step(batch, weights=[2.0, 0.5], scale=float(i + 1), mask=None)
        total = 2.0 * 2 * i + 1.5
        assert found["total"].item() == pytest.approx(total * (i + 1))
        assert found["n"] == 2 and found["none"] is None
        assert [each.item() for each in found["pair"]] == pytest.approx([total, 2.0])
    assert len(step.programs) == 1


def test_arrays_may_be_arguments() -> None:
    def function(X: Any, y: Any) -> Any:
        weights = [0.5, -1.0]
        return sum((w * a for w, a in zip(weights, X[0], strict=True)), 0.0) + y[1]

    step = pyautograd.compile(function)
    for i in range(5):
        X, y = np.array([[1.0 + i, 2.0], [3.0, 4.0]]), np.array([i, 10 * i])
        assert step(X, y) == pytest.approx(function(X, y))
    assert len(step.programs) == 1


def test_values_may_be_arguments() -> None:
    def function(x: list[Any], y: float) -> Any:
        return (x[0] * 2 + x[1]) * y

    step = pyautograd.compile(function)
    for i in range(5):
        found = step([Value(1.0 + i), 3.0], float(i))
        assert isinstance(found, Value)
        assert found.data == (2 * (1.0 + i) + 3.0) * i


def test_each_model_and_optimizer_given_as_an_argument_is_trained() -> None:
    step = pyautograd.compile(train)

    plain, other, third = Training(compiled=False), Training(compiled=False), Training(compiled=False)
    third.model.layers[0].weight.data *= 2.0  # type: ignore[operator]
    for i, (x, y) in enumerate(batches(12)):
        for training in (plain, other):
            training.optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
            training.model.train(i % 2 == 0)
        expected = plain.step(x, y).item()
        assert step(other.model, other.optimizer, x, y).item() == pytest.approx(expected, rel=1e-5)
        step(third.model, third.optimizer, x, y)
    assert close(other.numbers(), plain.numbers())
    assert len(step.programs) == 3


def test_the_same_tensor_twice_is_another_program() -> None:
    step = pyautograd.compile(lambda x, y: (x * 2 + y).sum())
    x, y = pyautograd.ones(2), pyautograd.zeros(2)
    for _ in range(4):
        assert step(x, x).item() == 6.0
    for _ in range(4):
        assert step(x, y).item() == 4.0
    assert len(step.programs) == 2


def test_many_ints_warn_once_and_name_the_argument() -> None:
    step = pyautograd.compile(lambda x, n: x * n)
    with pytest.warns(UserWarning, match="argument 'n', an int.*make it a float") as caught:
        for n in range(20):
            step(pyautograd.ones(1), n)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_many_shapes_warn_and_name_the_argument() -> None:
    step = pyautograd.compile(lambda x: x.sum())
    with pytest.warns(UserWarning, match="argument 'x', whose shape"):
        for n in range(1, 12):
            step(pyautograd.ones(n))


def test_few_programs_do_not_warn() -> None:
    step = pyautograd.compile(lambda x, n: x * n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(8):
            for _ in range(3):
                step(pyautograd.ones(1), n)
    assert len(step.programs) == 8
