"""Modes hold in a compiled step as they do in a plain one, and what the function raises passes through."""

import pytest

import pyautograd
from pyautograd import Tensor, nn

from .training import Training, batches, close


def test_no_grad_and_detach_inside_the_step_cut_the_gradient() -> None:
    pyautograd.manual_seed(0)
    model = nn.Linear(2, 2)

    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        model.zero_grad()
        with pyautograd.no_grad():
            target = model(x) + 1
        y = model(x)
        loss = ((y - target) ** 2).mean() + (y.detach() * y).sum()
        loss.backward()
        return loss, target

    step = pyautograd.compile(function)
    x = pyautograd.randn(3, 2)
    for _ in range(4):
        expected = [each.tolist() for each in function(x)], model.weight.grad.tolist()  # type: ignore[union-attr]
        found = [each.tolist() for each in step(x)], model.weight.grad.tolist()  # type: ignore[union-attr]
        assert close(found[0], expected[0]) and close([found[1]], [expected[1]])


def test_a_compiled_model_predicts_under_no_grad() -> None:
    model = nn.MLP(3, [8, 2], dropout=0.5).eval()
    predict = pyautograd.compile(model)
    with pyautograd.no_grad():
        for x, _ in batches(5):
            assert close([predict(x).tolist()], [model(x).tolist()])
    assert len(predict.programs) == 1


def test_grad_mode_is_part_of_the_signature() -> None:
    w = pyautograd.ones(1, requires_grad=True)
    step = pyautograd.compile(lambda x: x * float((x * w).requires_grad))
    for _ in range(3):
        assert step(pyautograd.ones(1)).item() == 1.0
        with pyautograd.no_grad():
            assert step(pyautograd.ones(1)).item() == 0.0


def test_the_default_dtype_is_part_of_the_signature() -> None:
    step = pyautograd.compile(lambda n: pyautograd.ones(2) * n)
    try:
        for dtype in (pyautograd.float32, pyautograd.float64):
            pyautograd.set_default_dtype(dtype)
            for _ in range(3):
                assert step(2.0).dtype is dtype
    finally:
        pyautograd.set_default_dtype(pyautograd.float32)


def test_detect_anomaly_around_a_compiled_step_looks_for_anomalies_in_it() -> None:
    w = pyautograd.zeros(1, requires_grad=True)

    @pyautograd.compile
    def step(x: Tensor) -> Tensor:
        w.grad = None
        loss = (w * x).sqrt().sum()
        loss.backward()
        return loss

    for _ in range(3):
        step(pyautograd.ones(1))
    with pyautograd.autograd.detect_anomaly(), pytest.raises(FloatingPointError, match="sqrt"):
        step(pyautograd.ones(1))
    step(pyautograd.ones(1))


def test_an_exception_of_the_function_passes_through() -> None:
    training = Training()
    good, bad = batches(1)[0], (pyautograd.ones(2, 7), pyautograd.tensor([0, 1]))
    before = training.numbers()
    for _ in range(3):
        with pytest.raises(ValueError, match=r"linear|shape|7"):
            training.step(*bad)
    assert training.numbers() == before
    plain = Training(compiled=False)
    for _ in range(4):
        with pytest.raises(ValueError):
            training.step(*bad)
        assert close([training.step(*good).item()], [plain.step(*good).item()])


def test_an_exception_in_the_middle_leaves_nothing_recording() -> None:
    fail = True

    def function(x: Tensor) -> Tensor:
        y = x * 2
        if fail:
            raise KeyError("mine")
        return y

    step = pyautograd.compile(function)
    with pytest.raises(KeyError, match="mine"):
        step(pyautograd.ones(1))
    assert not pyautograd._core.is_recording()
    fail = False
    assert [step(pyautograd.ones(1)).item() for _ in range(4)] == [2.0] * 4
