"""Losses have the values of their formulas, the gradients of those, and refuse what does not fit."""

import math

import numpy as np
import pytest
from gradcheck import check_gradients

import pyautograd as pa
from pyautograd.nn import functional as F


def close(a, b):
    assert np.allclose(np.asarray(a.tolist()), b, rtol=1e-6, atol=1e-7)


X = [-1.5, 0.25, 2.0]
T = [0.0, 0.5, 1.0]
D = np.subtract(X, T)
HUBER = np.where(np.abs(D) < 0.5, D**2 / 2, 0.5 * (np.abs(D) - 0.25))
S = 1 / (1 + np.exp(-np.asarray(X)))

ELEMENTWISE = {
    "mse_loss": (lambda x, t, **k: F.mse_loss(x, t, **k), D**2),
    "l1_loss": (lambda x, t, **k: F.l1_loss(x, t, **k), np.abs(D)),
    "huber_loss": (lambda x, t, **k: F.huber_loss(x, t, delta=0.5, **k), HUBER),
    "smooth_l1_loss": (lambda x, t, **k: F.smooth_l1_loss(x, t, beta=0.5, **k), HUBER / 0.5),
    "smooth_l1_loss, beta 0": (lambda x, t, **k: F.smooth_l1_loss(x, t, beta=0, **k), np.abs(D)),
    "hinge_loss": (lambda x, t, **k: F.hinge_loss(x, t, 1.5, **k), np.maximum(0, 1.5 - np.multiply(X, T))),
    "binary_cross_entropy_with_logits": (
        lambda x, t, **k: F.binary_cross_entropy_with_logits(x, t, **k),
        -(T * np.log(S) + np.subtract(1, T) * np.log(1 - S)),
    ),
    "binary_cross_entropy_with_logits, weighted": (
        lambda x, t, **k: F.binary_cross_entropy_with_logits(
            x, t, weight=pa.tensor([1.0, 2.0, 3.0]), pos_weight=pa.tensor([4.0]), **k
        ),
        -(4 * np.asarray(T) * np.log(S) + np.subtract(1, T) * np.log(1 - S)) * [1, 2, 3],
    ),
    "binary_cross_entropy": (
        lambda x, t, **k: F.binary_cross_entropy(x.sigmoid(), t, **k),
        -(T * np.log(S) + np.subtract(1, T) * np.log(1 - S)),
    ),
    "kl_div": (
        lambda x, t, **k: F.kl_div(x, t, **k),
        [0.0, 0.5 * (math.log(0.5) - 0.25), 0 - 2.0],
    ),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_elementwise_loss_is_its_formula_summed_averaged_or_neither(name) -> None:
    loss, expected = ELEMENTWISE[name]
    x, t = pa.tensor(X), pa.tensor(T)
    close(loss(x, t, reduction="none"), expected)
    close(loss(x, t, reduction="sum"), np.sum(expected))
    close(loss(x, t), np.mean(expected))
    with pytest.raises(ValueError, match="reduction"):
        loss(x, t, reduction="average")


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if "weighted" not in name])
def test_shapes_that_would_broadcast_raise_and_name_the_loss(name) -> None:
    loss, _ = ELEMENTWISE[name]
    with pytest.raises(ValueError) as caught:
        loss(pa.ones(3, 1), pa.ones(3))
    message = str(caught.value)
    assert message.startswith(name.split(",")[0])
    assert "(3, 1)" in message
    assert "(3,)" in message


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_losses_have_their_gradients(name) -> None:
    loss, _ = ELEMENTWISE[name]
    t = pa.tensor([0.1, 0.5, 0.8], dtype=pa.float64)
    check_gradients(lambda x: loss(x, t), [-1.3, 0.27, 1.9])


def test_losses_refuse_what_is_not_a_tensor() -> None:
    with pytest.raises(TypeError, match=r"mse_loss.*float"):
        F.mse_loss(pa.ones(3), 0.0)


def test_options_beyond_their_range_are_refused() -> None:
    x = pa.ones(3)
    with pytest.raises(ValueError, match="delta"):
        F.huber_loss(x, x, delta=0)
    with pytest.raises(ValueError, match="beta"):
        F.smooth_l1_loss(x, x, beta=-1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        F.binary_cross_entropy(x * 2, x)
    with pytest.raises(ValueError, match="approximate"):
        F.gelu(x, "fast")
    with pytest.raises(ValueError, match="probability"):
        F.dropout(x, -0.1)


def test_binary_cross_entropy_is_clamped_at_its_ends() -> None:
    x = pa.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    t = pa.tensor([1.0, 0.0, 0.0, 1.0])
    loss = F.binary_cross_entropy(x, t, reduction="none")
    assert loss.tolist() == [100.0, 100.0, 0.0, 0.0]
    loss.sum().backward()
    close(x.grad, [-1e12, 1e12, 0.0, 0.0])


def test_bce_with_logits_does_not_overflow() -> None:
    x = pa.tensor([1000.0, -1000.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, pa.tensor([0.0, 1.0]), reduction="sum")
    assert loss.item() == 2000.0
    loss.backward()
    assert x.grad.tolist() == [1.0, -1.0]


def test_kl_div_averages_over_the_batch_and_takes_log_targets() -> None:
    p = np.array([[0.2, 0.8], [0.5, 0.5]])
    q = np.array([[0.4, 0.6], [0.1, 0.9]])
    expected = (p * np.log(p / q)).sum() / 2
    x, t = pa.tensor(np.log(q)), pa.tensor(p)
    close(F.kl_div(x, t, reduction="batchmean"), expected)
    close(F.kl_div(x, t.log(), reduction="batchmean", log_target=True), expected)


LOGITS = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0], [2.0, 2.0, -1.0], [-1.0, 0.0, 1.0]])
CLASSES = [2, 1, 0, 1]
LOGS = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))
ROWS = -LOGS[range(4), CLASSES]
WEIGHT = np.array([0.5, 2.0, 1.0])


def by_hand(weight=None, ignore=None, smoothing=0.0, reduction="mean"):
    """Cross-entropy row by row, as PyTorch's documentation states it."""
    weight = np.ones(3) if weight is None else weight
    kept = np.array([c != ignore for c in CLASSES])
    rows = ROWS * weight[CLASSES]
    spread = -(LOGS * weight).sum(1) / 3
    loss = np.where(kept, (1 - smoothing) * rows + smoothing * spread, 0.0)
    return {"none": loss, "sum": loss.sum(), "mean": loss.sum() / (weight[CLASSES] * kept).sum()}[reduction]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("ignore", [None, 1])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_cross_entropy_is_its_formula_for_every_combination_of_options(weight, ignore, smoothing, reduction) -> None:
    loss = F.cross_entropy(
        pa.tensor(LOGITS),
        pa.tensor(CLASSES),
        weight=None if weight is None else pa.tensor(weight),
        ignore_index=-100 if ignore is None else ignore,
        label_smoothing=smoothing,
        reduction=reduction,
    )
    close(loss, by_hand(weight, ignore, smoothing, reduction))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_cross_entropy_with_probabilities_agrees_with_classes(weight, smoothing, reduction) -> None:
    options = {"weight": None if weight is None else pa.tensor(weight), "label_smoothing": smoothing}
    onehot = F.one_hot(pa.tensor(CLASSES), 3).double()
    loss = F.cross_entropy(pa.tensor(LOGITS), onehot, reduction=reduction, **options)
    expected = (
        by_hand(weight, None, smoothing, "sum") / 4
        if reduction == "mean"
        else by_hand(weight, None, smoothing, reduction)
    )
    close(loss, expected)


def test_cross_entropy_takes_more_axes_and_no_batch() -> None:
    images = pa.tensor(LOGITS.reshape(2, 2, 3).transpose(0, 2, 1).copy())
    close(F.cross_entropy(images, pa.tensor(CLASSES).reshape(2, 2)), ROWS.mean())
    close(F.cross_entropy(images, pa.tensor(CLASSES).reshape(2, 2), reduction="none"), ROWS.reshape(2, 2))
    close(F.cross_entropy(pa.tensor(LOGITS[0]), pa.tensor(2)), ROWS[0])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_gradient_of_cross_entropy_is_softmax_less_one_hot(reduction) -> None:
    x = pa.tensor(LOGITS, requires_grad=True)
    F.cross_entropy(x, pa.tensor(CLASSES), reduction=reduction).backward()
    expected = np.exp(LOGS) - np.eye(3)[CLASSES]
    close(x.grad, expected / 4 if reduction == "mean" else expected)


def test_nll_loss_is_cross_entropy_of_log_probabilities() -> None:
    x, classes = pa.tensor(LOGS), pa.tensor(CLASSES)
    close(F.nll_loss(x, classes), ROWS.mean())
    close(F.nll_loss(x, classes, reduction="none"), ROWS)
    close(F.nll_loss(x, classes, weight=pa.tensor(WEIGHT), ignore_index=1), by_hand(WEIGHT, 1))


def test_classes_that_do_not_fit_raise() -> None:
    x = pa.tensor(LOGITS)
    for loss in (F.cross_entropy, F.nll_loss):
        name = loss.__name__
        for reduction in ("mean", "sum"):
            with pytest.raises((IndexError, ValueError), match="3"):
                loss(x, pa.tensor([0, 1, 2, 3]), reduction=reduction)
            with pytest.raises((IndexError, ValueError), match="-1"):
                loss(x, pa.tensor([0, 1, 2, -1]), reduction=reduction)
            with pytest.raises(ValueError, match=name):
                loss(x, pa.tensor([0, 1]), reduction=reduction)
            with pytest.raises(ValueError, match=name):
                loss(x, pa.tensor([[0, 1, 2, 2]]), reduction=reduction)
        with pytest.raises(ValueError, match="weight"):
            loss(x, pa.tensor(CLASSES), weight=pa.ones(4))
    with pytest.raises(TypeError, match="int64"):
        F.nll_loss(x, pa.ones(4))
    with pytest.raises(ValueError, match="cross_entropy"):
        F.cross_entropy(x, pa.ones(4, dtype=pa.float64))
    with pytest.raises(ValueError, match="label_smoothing"):
        F.cross_entropy(x, pa.tensor(CLASSES), label_smoothing=2.0)


def test_all_classes_ignored_is_nan_as_in_pytorch() -> None:
    x, classes = pa.tensor(LOGITS), pa.tensor([1, 1, 1, 1])
    assert math.isnan(F.cross_entropy(x, classes, ignore_index=1).item())
    assert math.isnan(F.nll_loss(x, classes, ignore_index=1).item())
    assert F.cross_entropy(x, classes, ignore_index=1, reduction="sum").item() == 0.0


def test_one_hot_has_a_one_at_each_class() -> None:
    assert F.one_hot(pa.tensor([[1], [0]]), 2).tolist() == [[[0, 1]], [[1, 0]]]
    assert tuple(F.one_hot(pa.tensor([2])).shape) == (1, 3)
    with pytest.raises(IndexError, match="class 3"):
        F.one_hot(pa.tensor([3]), 3)
    with pytest.raises(TypeError, match="int64"):
        F.one_hot(pa.tensor([1.0]))


def test_the_modules_of_losses_compute_what_the_functions_do() -> None:
    nn = pa.nn
    x, t = pa.tensor(X), pa.tensor(T)
    for module, function in (
        (nn.MSELoss("sum"), lambda: F.mse_loss(x, t, "sum")),
        (nn.L1Loss(), lambda: F.l1_loss(x, t)),
        (nn.HuberLoss(delta=0.5), lambda: F.huber_loss(x, t, delta=0.5)),
        (nn.SmoothL1Loss(beta=0.5), lambda: F.smooth_l1_loss(x, t, beta=0.5)),
        (nn.HingeLoss(2.0), lambda: F.hinge_loss(x, t, 2.0)),
        (nn.KLDivLoss("batchmean"), lambda: F.kl_div(x, t, "batchmean")),
        (
            nn.BCEWithLogitsLoss(pos_weight=pa.tensor([2.0])),
            lambda: F.binary_cross_entropy_with_logits(x, t, pos_weight=pa.tensor([2.0])),
        ),
    ):
        assert module(x, t).tolist() == function().tolist()
    assert nn.BCELoss()(t, t).item() == F.binary_cross_entropy(t, t).item()
    logits, classes = pa.tensor(LOGITS), pa.tensor(CLASSES)
    weight = pa.tensor(WEIGHT)
    assert nn.CrossEntropyLoss(weight, label_smoothing=0.1)(logits, classes).item() == (
        F.cross_entropy(logits, classes, weight, label_smoothing=0.1).item()
    )
    assert nn.NLLLoss(ignore_index=1)(logits, classes).item() == F.nll_loss(logits, classes, ignore_index=1).item()
    assert list(nn.CrossEntropyLoss(weight).state_dict()) == ["weight"]
    with pytest.raises(ValueError, match="reduction"):
        nn.MSELoss("average")


def test_classes_that_are_floats_are_told_what_they_should_be() -> None:
    with pytest.raises(ValueError, match=r"targets that are classes are int64: target\.long\(\)"):
        F.cross_entropy(pa.zeros(4, 3), pa.zeros(4))
