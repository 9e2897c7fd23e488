"""`nn.init` fills tensors by its formulas; `nn.utils` clips gradients and flattens parameters."""

import math

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn

from .nets import Net


def test_init_fills_in_place_and_returns_the_tensor() -> None:
    w = nn.Parameter(pa.empty(3, 5))
    for fill, value in ((nn.init.zeros_, 0.0), (nn.init.ones_, 1.0), (lambda t: nn.init.constant_(t, 2.5), 2.5)):
        assert fill(w) is w
        assert w.tolist() == [[value] * 5] * 3
    assert w.requires_grad
    assert w.is_leaf
    nn.init.eye_(w)
    assert w.tolist() == np.eye(3, 5).tolist()
    with pytest.raises(ValueError, match="2 dimensions"):
        nn.init.eye_(pa.empty(3))


@pytest.mark.parametrize(
    ("fill", "deviation", "bound"),
    [
        (lambda w: nn.init.uniform_(w, -2, 2), 2 / math.sqrt(3), 2),
        (lambda w: nn.init.normal_(w, 0, 0.5), 0.5, None),
        (nn.init.xavier_uniform_, math.sqrt(2 / 500), math.sqrt(6 / 500)),
        (lambda w: nn.init.xavier_normal_(w, gain=2.0), 2 * math.sqrt(2 / 500), None),
        (lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 200), math.sqrt(6 / 200)),
        (lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / 300), None),
        (lambda w: nn.init.trunc_normal_(w, std=0.5, a=-0.5, b=0.5), 0.5 * 0.53956, 0.5),
    ],
)
def test_init_draws_with_the_deviation_and_the_bound_of_its_formula(fill, deviation, bound) -> None:
    w = pa.empty(300, 200)
    fill(w)
    values = w.numpy()
    assert abs(values.mean()) < deviation * 0.02
    assert values.std() == pytest.approx(deviation, rel=0.02)
    if bound is not None:
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        assert np.abs(values).max() > bound * 0.99


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (4, 2, 3)])
def test_init_orthogonal_has_orthogonal_rows_or_columns(shape) -> None:
    w = nn.init.orthogonal_(pa.empty(*shape, dtype=pa.float64), gain=2.0).numpy().reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert np.allclose(small, 4 * np.eye(len(small)))


def test_init_refuses_shapes_modes_and_nonlinearities_that_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="fewer than 2"):
        nn.init.xavier_uniform_(pa.empty(3))
    with pytest.raises(ValueError, match="Mode"):
        nn.init.kaiming_uniform_(pa.empty(3, 3), mode="fan")
    with pytest.raises(ValueError, match="nonlinearity"):
        nn.init.calculate_gain("step")
    assert nn.init.calculate_gain("tanh") == 5 / 3


def test_clip_grad_norm_returns_the_norm_and_scales_down_what_is_larger() -> None:
    a, b = (pa.tensor(values, requires_grad=True) for values in ([3.0, 0.0], [[4.0]]))
    frozen = pa.ones(2)
    ((a * a).sum() / 2 + (b * b).sum() / 2).backward()
    assert nn.utils.clip_grad_norm_([a, b, frozen], 10.0).item() == pytest.approx(5.0)
    assert a.grad.tolist() == [3.0, 0.0]
    assert nn.utils.clip_grad_norm_(iter([a, b]), 1.0).item() == pytest.approx(5.0)
    assert a.grad.tolist() == pytest.approx([0.6, 0.0])
    assert b.grad.item() == pytest.approx(0.8)
    assert nn.utils.clip_grad_norm_([a, b], 0.4, norm_type=math.inf).item() == pytest.approx(0.8)
    assert b.grad.item() == pytest.approx(0.4, rel=1e-5)
    assert nn.utils.clip_grad_norm_([a, b], 0.35, norm_type=1).item() == pytest.approx(0.7, rel=1e-5)
    assert nn.utils.clip_grad_norm_([frozen], 1.0).item() == 0.0


def test_clip_grad_norm_refuses_what_is_not_finite_if_asked() -> None:
    w = pa.tensor([1.0, 2.0], requires_grad=True)
    (w * pa.tensor([math.nan, 1.0])).sum().backward()
    with pytest.raises(RuntimeError, match="not finite"):
        nn.utils.clip_grad_norm_([w], 0.1, error_if_nonfinite=True)
    assert w.grad[1].item() == 1.0


def test_clip_grad_value_clamps_every_gradient() -> None:
    w = pa.tensor([1.0, -5.0], requires_grad=True)
    (w * w).sum().backward()
    nn.utils.clip_grad_value_([w, pa.ones(1)], 3.0)
    assert w.grad.tolist() == [2.0, -3.0]


def test_parameters_become_a_vector_and_a_vector_parameters() -> None:
    net = Net()
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert tuple(vector.shape) == (14,)
    nn.utils.vector_to_parameters(vector.detach() * 2, net.parameters())
    assert net.scale.item() == 2.0
    assert net.fc1.weight.requires_grad
    with pytest.raises(ValueError, match="14 elements"):
        nn.utils.vector_to_parameters(pa.ones(13), net.parameters())


def test_a_number_is_drawn_from_a_truncated_normal_distribution() -> None:
    assert abs(nn.init.trunc_normal_(pa.zeros(()), std=0.1).item()) <= 2
