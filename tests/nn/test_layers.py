"""Layers compute their formulas, begin with the numbers that PyTorch's begin with, and refuse what does not fit."""

import math

import numpy as np
import pytest
from gradcheck import check_gradients

import pyautograd as pa
from pyautograd import nn
from pyautograd.nn import functional as F

from .nets import names


def test_linear_starts_uniform_within_one_over_root_of_inputs() -> None:
    layer = nn.Linear(100, 200)
    bound = 1 / math.sqrt(100)
    for values in (layer.weight.detach().numpy(), layer.bias.detach().numpy()):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.9 * bound
    assert abs(layer.weight.mean().item()) < 0.05 * bound
    assert tuple(layer.weight.shape) == (200, 100)


def test_linear_takes_any_leading_axes_and_no_features_at_all() -> None:
    assert nn.Linear(0, 3)(pa.ones(2, 0)).tolist() == [[0.0] * 3] * 2
    assert tuple(nn.Linear(3, 2)(pa.ones(3)).shape) == (2,)
    assert tuple(nn.Linear(3, 2)(pa.ones(0, 3)).shape) == (0, 2)
    assert tuple(nn.Linear(3, 2)(pa.ones(4, 5, 3)).shape) == (4, 5, 2)
    assert nn.Linear(3, 2, bias=False).bias is None
    assert nn.Linear(3, 2, dtype=pa.float64).weight.dtype is pa.float64
    with pytest.raises(ValueError, match="negative"):
        nn.Linear(-1, 2)
    with pytest.raises((ValueError, RuntimeError), match="linear"):
        nn.Linear(3, 2)(pa.ones(4, 5))


def test_the_same_seed_gives_the_same_model() -> None:
    models = []
    for _ in range(2):
        pa.manual_seed(3)
        models.append(nn.MLP(2, [8, 1]))
    assert all(a.tolist() == b.tolist() for a, b in zip(models[0].parameters(), models[1].parameters()))


def test_dropout_zeroes_and_scales_in_training_and_is_the_identity_elsewhere() -> None:
    x = pa.ones(10000, requires_grad=True)
    y = nn.Dropout(0.25)(x)
    kept = np.asarray(y.tolist())
    assert set(np.round(kept, 5)) == {0.0, np.float64(round(np.float32(1 / 0.75).item(), 5))}
    assert abs((kept == 0).mean() - 0.25) < 0.03
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    assert nn.Dropout(1.0)(pa.ones(3)).tolist() == [0.0] * 3
    assert nn.Dropout(0.0)(x) is x
    assert nn.Dropout(0.5).eval()(x) is x
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.Dropout(1.5)


@pytest.mark.parametrize(
    "module",
    [nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.5), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Sigmoid(), nn.LogSigmoid()]
    + [nn.Tanh(), nn.Softplus(2.0, 3.0), nn.Softmax(-1), nn.LogSoftmax(-1), nn.Identity()],
    ids=repr,
)
def test_activations_have_their_gradients(module) -> None:
    check_gradients(module, [[-2.0, -0.3, 0.4, 1.7]])


def test_softmax_without_dim_warns() -> None:
    with pytest.warns(UserWarning, match="dim"):
        assert nn.Softmax()(pa.zeros(1, 2)).tolist() == [[0.5, 0.5]]


def test_flatten_keeps_the_axes_before_its_first() -> None:
    assert tuple(nn.Flatten()(pa.zeros(2, 3, 4)).shape) == (2, 12)
    assert tuple(nn.Flatten(0)(pa.zeros(2, 3)).shape) == (6,)


def test_layer_norm_has_mean_0_and_deviation_1_over_its_last_axes() -> None:
    x = pa.randn(4, 2, 3).double()
    layer = nn.LayerNorm((2, 3), dtype=pa.float64)
    y = layer(x).detach().numpy()
    assert np.allclose(y.mean((1, 2)), 0)
    assert np.allclose(y.std((1, 2)), 1, atol=1e-2)
    assert names(layer.named_parameters()) == ["weight", "bias"]
    assert list(nn.LayerNorm(3, bias=False).state_dict()) == ["weight"]
    assert not list(nn.LayerNorm(3, elementwise_affine=False).parameters())
    with pytest.raises(ValueError, match=r"last axes of input must be \(2, 3\)"):
        layer(pa.ones(4, 3, 2))


def test_batch_norm_normalises_by_the_batch_in_training_and_by_running_statistics_elsewhere() -> None:
    x = pa.tensor(np.random.default_rng(0).normal(3.0, 2.0, size=(50, 3)), dtype=pa.float64)
    layer = nn.BatchNorm1d(3, momentum=1.0, dtype=pa.float64)
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    y = layer(x).detach().numpy()
    assert np.allclose(y.mean(0), 0)
    assert np.allclose(y.std(0), 1, atol=1e-4)
    assert layer.running_mean.tolist() == pytest.approx(x.numpy().mean(0).tolist())
    assert layer.running_var.tolist() == pytest.approx(x.numpy().var(0, ddof=1).tolist())
    assert layer.num_batches_tracked.item() == 1
    before = layer.running_mean.tolist()
    layer.eval()(x + 1)
    assert layer.running_mean.tolist() == before
    layer.train()
    with pytest.raises(ValueError, match="more than 1 value"):
        layer(x[:1])
    with pytest.raises(ValueError, match=r"\(N, 3\)"):
        layer(pa.ones(4, 2))


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [("weight", "a"), ("weight", pa.ones(2)), ("bias", [1.0]), ("bias", pa.ones(2)), ("eps", "a"), ("momentum", None),
     ("running_mean", pa.zeros(2)), ("running_var", pa.zeros(1)), ("running_var", pa.zeros(3, dtype=pa.int64)),
     ("running_var", "a")],
)  # fmt: skip
def test_a_batch_norm_that_fails_moves_no_running_statistics(argument: str, wrong: object) -> None:
    mean, var = pa.zeros(3), pa.ones(3)
    arguments = {"running_mean": mean, "running_var": var, argument: wrong}
    with pytest.raises((TypeError, ValueError), match=f"^batch_norm: {argument} must be"):
        F.batch_norm(pa.randn(4, 3), **arguments, training=True)
    assert mean.tolist() == [0.0] * 3 and var.tolist() == [1.0] * 3


def test_embedding_looks_rows_up_and_leaves_the_padding_row_without_gradient() -> None:
    layer = nn.Embedding(5, 2, padding_idx=-1)
    assert layer.weight[4].tolist() == [0.0, 0.0]
    x = pa.tensor([[0, 4], [0, 1]])
    y = layer(x)
    assert tuple(y.shape) == (2, 2, 2)
    assert y[1, 1].tolist() == layer.weight[1].tolist()
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[2.0, 2.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    for wrong in (5, -1):
        with pytest.raises(IndexError, match=str(wrong)):
            layer(pa.tensor([wrong]))
    with pytest.raises(TypeError, match="int64"):
        layer(pa.ones(2))
    with pytest.raises(ValueError, match="padding_idx"):
        nn.Embedding(5, 2, padding_idx=5)


def test_an_embedding_over_given_rows_and_what_it_does_not_do() -> None:
    rows = pa.tensor([[1.0, 2.0], [3.0, 4.0]])
    table = nn.Embedding.from_pretrained(rows, freeze=False, sparse=False)
    table(pa.tensor([1, 1])).sum().backward()
    assert table.weight.grad is not None and table.weight.grad.tolist() == [[0.0, 0.0], [2.0, 2.0]]
    assert not nn.Embedding.from_pretrained(rows).weight.requires_grad
    for unknown in ({"max_norm": 1.0}, {"sparse": True}, {"scale_grad_by_freq": True}):
        with pytest.raises(NotImplementedError, match="Embedding"):
            nn.Embedding(3, 2, **unknown)
    with pytest.raises(ValueError, match="shape"):
        nn.Embedding(3, 2, _weight=rows)
