"""Updates are those of the formulas, in groups, in place, for tensors and for Values."""

import copy
from typing import Any

import numpy as np
import pytest
from failing_allocations import failures

import pyautograd as pa
from pyautograd import nn, optim

from .formulas import CASES, GRADS, IDS, run


@pytest.mark.parametrize(("kind", "by_hand", "options"), CASES, ids=IDS)
def test_an_update_is_that_of_its_formula(kind, by_hand, options) -> None:
    start = [1.0, -2.0, 3.0]
    double = nn.Parameter(pa.tensor(start, dtype=pa.float64))
    single = nn.Parameter(pa.tensor(start))
    run(kind([single, double], lr=0.1, **options), [single, double], GRADS)
    expected = by_hand(np.array(start), np.array(GRADS), lr=0.1, **options)
    assert double.tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    assert single.tolist() == pytest.approx(expected.tolist(), rel=1e-5)


@pytest.mark.parametrize(("kind", "by_hand", "options"), CASES, ids=IDS)
def test_values_are_updated_by_the_same_formulas(kind, by_hand, options) -> None:
    values = [pa.Value(x) for x in (1.0, -2.0, 3.0)]
    optimizer = kind(values, lr=0.1, **options)
    for grad in GRADS:
        optimizer.zero_grad()
        sum((v * g for v, g in zip(values, grad)), pa.Value(0.0)).backward()
        optimizer.step()
    expected = by_hand(np.array([1.0, -2.0, 3.0]), np.array(GRADS), lr=0.1, **options)
    assert [v.data for v in values] == pytest.approx(expected.tolist(), rel=1e-12)
    twin = kind([pa.Value(v.data) for v in values], lr=0.1)
    twin.load_state_dict(optimizer.state_dict())


def test_parameters_without_a_gradient_stay_and_begin_with_their_first() -> None:
    p, q = (nn.Parameter(pa.ones(1, dtype=pa.float64)) for _ in range(2))
    optimizer = optim.Adam([p, q], lr=0.1)
    p.grad = pa.ones(1, dtype=pa.float64)
    optimizer.step()
    assert q.item() == 1.0
    q.grad = pa.ones(1, dtype=pa.float64)
    optimizer.step()
    assert q.item() == pytest.approx(0.9)
    assert [optimizer.state[x]["step"].item() for x in (p, q)] == [2, 1]


def test_zero_grad_removes_gradients_or_zeroes_them_in_place() -> None:
    p = nn.Parameter(pa.ones(2))
    for optimizer in (optim.SGD([p], lr=0.1), optim.Optimizer([p], {})):
        p.grad = pa.ones(2)
        grad = p.grad
        optimizer.zero_grad(set_to_none=False)
        assert p.grad.tolist() == [0.0, 0.0]
        assert grad.tolist() == [0.0, 0.0]
        optimizer.zero_grad()
        assert p.grad is None


def test_groups_have_options_of_their_own() -> None:
    p, q, r = (nn.Parameter(pa.ones(1)) for _ in range(3))
    optimizer = optim.SGD([{"params": [p]}, {"params": q, "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": [r], "weight_decay": 1.0})
    for x in (p, q, r):
        x.grad = pa.ones(1)
    optimizer.step()
    assert [x.item() for x in (p, q, r)] == [0.75, 0.5, 0.5]
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert [x.item() for x in (p, q, r)] == [0.75, 0.0, 0.125]
    assert [group["params"] for group in optimizer.state_dict()["param_groups"]] == [[0], [1], [2]]


def test_a_group_may_be_added_and_changed_between_steps() -> None:
    p, q, r = (nn.Parameter(pa.ones(1, dtype=pa.float64)) for _ in range(3))
    for x in (p, q, r):
        x.grad = pa.ones(1, dtype=pa.float64)
    optimizer = optim.Adam([p], lr=0.1)
    optimizer.step()
    optimizer.add_param_group({"params": [q]})
    optimizer.step()
    optimizer.param_groups[0]["params"].append(r)
    optimizer.step()
    assert [optimizer.state[x]["step"].item() for x in (p, q, r)] == [3, 2, 1]
    assert [x.item() for x in (p, q, r)] == pytest.approx([0.7, 0.8, 0.9])
    optimizer.param_groups[0]["params"] = [r]
    optimizer.step()
    assert [x.item() for x in (p, q, r)] == pytest.approx([0.7, 0.7, 0.8])


def test_momentum_may_begin_later() -> None:
    p = nn.Parameter(pa.zeros(1))
    optimizer = optim.SGD([p], lr=1.0, dampening=0.5)
    p.grad = pa.ones(1)
    optimizer.step()
    optimizer.param_groups[0]["momentum"] = 0.5
    optimizer.step()
    assert p.item() == -2.0


def test_amsgrad_may_begin_later() -> None:
    p = nn.Parameter(pa.ones(1))
    optimizer = optim.Adam([p], lr=0.1)
    p.grad = pa.ones(1)
    optimizer.step()
    optimizer.param_groups[0]["amsgrad"] = True
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 2
    assert "max_exp_avg_sq" in optimizer.state[p]


def test_a_changing_lr_costs_no_memory() -> None:
    p = nn.Parameter(pa.ones(3))
    optimizer = optim.Adam([p])
    p.grad = pa.ones(3)
    sizes = set()
    for i in range(10):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        optimizer.step()
        if i > 0:
            sizes.add((len(optimizer._plans[0].keep), pa.memory_stats().nodes))
    assert len(sizes) == 1


def test_lr_may_be_a_tensor() -> None:
    p = nn.Parameter(pa.zeros(1))
    lr = pa.tensor(1.0)
    optimizer = optim.SGD([p], lr=lr)
    p.grad = pa.ones(1)
    optimizer.step()
    lr.fill_(2.0)
    optimizer.step()
    assert p.item() == -3.0


def test_a_step_calls_its_closure_with_gradients_and_returns_its_loss() -> None:
    p = nn.Parameter(pa.ones(1))
    optimizer = optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pa.no_grad():
        assert optimizer.step(closure).item() == 1.0
    assert p.item() == 0.5


def test_named_parameters_are_kept_with_their_names() -> None:
    layer = nn.Linear(1, 1)
    optimizer = optim.SGD(layer.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"][0] is layer.weight
    with pytest.raises(ValueError, match="names"):
        optimizer.add_param_group({"params": [nn.Parameter(pa.ones(1))]})
    with pytest.raises(ValueError, match="names"):
        optim.SGD([("a", layer.weight), layer.bias])


def test_an_update_is_not_recorded_and_keeps_the_parameter() -> None:
    layer = nn.Linear(2, 1)
    weight = layer.weight
    view = weight.detach().numpy()
    optimizer = optim.AdamW(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(pa.ones(4, 2)).sum().backward()
        optimizer.step()
    assert layer.weight is weight
    assert weight.is_leaf
    assert weight.detach().numpy().tolist() == view.tolist()


def test_an_update_before_backward_is_noticed() -> None:
    w = nn.Parameter(pa.ones(2))
    w.grad = pa.ones(2)
    loss = (w * w).sum()
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"in place|modified"):
        loss.backward()


def test_a_step_that_runs_out_of_memory_changes_nothing() -> None:
    model = nn.MLP(2, [3, 1])
    twin = copy.deepcopy(model)
    x = pa.ones(4, 2)
    optimizers = [optim.Adam(m.parameters(), lr=0.1, amsgrad=True) for m in (model, twin)]
    for m in (model, twin):
        m(x).sum().backward()
    before = [p.tolist() for p in model.parameters()]
    refused = 0
    for _ in failures():
        try:
            optimizers[0].step()
        except MemoryError:
            refused += 1
            assert [p.tolist() for p in model.parameters()] == before
    assert refused > 3
    optimizers[1].step()
    for optimizer in optimizers:
        optimizer.step()
    assert [p.tolist() for p in model.parameters()] == [p.tolist() for p in twin.parameters()]


@pytest.mark.parametrize("kind", [pa.optim.SGD, pa.optim.AdamW, pa.optim.RMSprop, pa.optim.Adagrad])
def test_a_parameter_may_be_a_strided_view_of_what_is_updated(kind: Any) -> None:
    start = np.random.default_rng(0).normal(size=(30, 4, 20))
    of_both = []
    base = pa.tensor(start)
    for p in (pa.nn.Parameter(base.transpose(0, 2)[1:, ::2]), pa.nn.Parameter(pa.tensor(start.T[1:, ::2].copy()))):
        optimizer = kind([p], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (p**3).sum().backward()
            optimizer.step()
        of_both.append(p.tolist())
    assert of_both[0] == of_both[1] == base.numpy().T[1:, ::2].tolist()
    assert (base.numpy()[:, 1::2] == start[:, 1::2]).all()


def test_a_compiled_step_refuses_to_update_a_strided_view() -> None:
    p = pa.nn.Parameter(pa.ones(3, 2).T)
    (p * p).sum().backward()
    optimizer = pa.optim.SGD([p], lr=0.1)
    with pytest.raises(pa.TraceError, match="not contiguous"):
        pa.compile(lambda: optimizer.step())()


def test_parameters_and_options_that_make_no_sense_are_refused() -> None:
    p = nn.Parameter(pa.ones(2))
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD([], lr=0.1)
    with pytest.raises(ValueError, match="non-leaf"):
        optim.SGD([p * 2], lr=0.1)
    with pytest.raises(ValueError, match="more than once"):
        optim.SGD([p, p], lr=0.1)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)
    with pytest.raises(TypeError, match="iterable"):
        optim.SGD(p, lr=0.1)
    with pytest.raises(TypeError, match="set"):
        optim.SGD([{"params": {p}}], lr=0.1)
    with pytest.raises(TypeError, match="float"):
        optim.SGD([1.0], lr=0.1)
    for kind in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop):
        with pytest.raises(ValueError, match="Invalid learning rate: -1"):
            kind([p], lr=-1)
        with pytest.raises(ValueError, match="weight_decay"):
            kind([p], weight_decay=-1)
        with pytest.raises(NotImplementedError, match="differentiable"):
            kind([p], differentiable=True)
    with pytest.raises(ValueError, match="Nesterov"):
        optim.SGD([p], lr=0.1, nesterov=True)
    with pytest.raises(ValueError, match=r"beta parameter at index 1: 1\.0"):
        optim.Adam([p], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="epsilon"):
        optim.Adam([p], eps=-1)
    with pytest.raises(ValueError, match="alpha"):
        optim.RMSprop([p], alpha=-1)


def test_repr_lists_the_groups_and_their_options() -> None:
    assert repr(optim.SGD([nn.Parameter(pa.ones(1))], lr=0.1)).startswith("SGD (\nParameter Group 0\n    dampening: 0")


def test_an_optimizer_may_be_written_in_python() -> None:
    class SignDescent(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            with pa.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        self.state[p]["count"] = self.state[p].get("count", 0) + 1
                        p.sub_(p.grad.sign(), alpha=group["lr"])

    p = nn.Parameter(pa.tensor([1.0, -1.0]))
    optimizer = SignDescent([p], lr=0.5)
    (p * p).sum().backward()
    optimizer.step()
    assert p.tolist() == [0.5, -0.5]
    assert optimizer.state_dict()["state"] == {0: {"count": 1}}


@pytest.mark.parametrize("kind", [pa.optim.Adam, pa.optim.Adagrad, pa.optim.LBFGS])
def test_a_model_in_the_place_of_its_parameters_is_told(kind: Any) -> None:
    model = pa.nn.Sequential(pa.nn.Linear(2, 3))
    for params in (model, model[0], [model[0]], [{"params": model}]):
        with pytest.raises(TypeError, match=rf"{kind.__name__}: params has a \w+; give its \.parameters\(\)"):
            kind(params)
