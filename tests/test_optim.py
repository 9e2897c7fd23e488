"""Optimisers and schedules: the formulas step by step, state, groups, copies, and what they refuse."""

import copy
import math
import pickle

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.optim import lr_scheduler

GRADS = [[0.5, -1.0, 0.0], [0.25, 0.75, -2.0], [-1.5, 0.5, 1.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0]]


def by_hand_sgd(p, grads, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    buffer = None
    for grad in grads:
        g = (-grad if maximize else grad) + weight_decay * p
        if momentum:
            buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p = p - lr * g
    return p


def by_hand_adam(p, grads, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False, w=False):
    m = v = largest = np.zeros(3)
    for t, grad in enumerate(grads, 1):
        g = -grad if maximize else grad
        if w:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        largest = np.maximum(largest, v)
        root = np.sqrt((largest if amsgrad else v) / (1 - betas[1] ** t))
        p = p - lr * (m / (1 - betas[0] ** t)) / (root + eps)
    return p


def by_hand_rmsprop(p, grads, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False, maximize=False):
    v = mean = buffer = np.zeros(3)
    for grad in grads:
        g = (-grad if maximize else grad) + weight_decay * p
        v = alpha * v + (1 - alpha) * g * g
        mean = alpha * mean + (1 - alpha) * g
        size = np.sqrt(v - mean * mean if centered else v) + eps
        buffer = momentum * buffer + g / size
        p = p - lr * (buffer if momentum else g / size)
    return p


CASES = [
    (optim.SGD, by_hand_sgd, {}),
    (optim.SGD, by_hand_sgd, {"momentum": 0.9}),
    (optim.SGD, by_hand_sgd, {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (optim.SGD, by_hand_sgd, {"momentum": 0.9, "nesterov": True, "maximize": True}),
    (optim.SGD, by_hand_sgd, {"weight_decay": 0.1}),
    (optim.Adam, by_hand_adam, {}),
    (optim.Adam, by_hand_adam, {"betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    (optim.Adam, by_hand_adam, {"amsgrad": True, "maximize": True}),
    (optim.AdamW, lambda *a, **k: by_hand_adam(*a, w=True, **k), {"weight_decay": 0.3}),
    (optim.AdamW, lambda *a, **k: by_hand_adam(*a, w=True, **k), {"weight_decay": 0.3, "amsgrad": True}),
    (optim.RMSprop, by_hand_rmsprop, {}),
    (optim.RMSprop, by_hand_rmsprop, {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    (optim.RMSprop, by_hand_rmsprop, {"momentum": 0.9, "centered": True}),
    (optim.RMSprop, by_hand_rmsprop, {"centered": True}),
]
IDS = [f"{kind.__name__}({', '.join(f'{k}={v}' for k, v in options.items())})" for kind, _, options in CASES]


def run(optimizer, parameters, grads):
    for grad in grads:
        for p in parameters:
            p.grad = pa.tensor(grad, dtype=p.dtype)
        optimizer.step()


@pytest.mark.parametrize(("kind", "by_hand", "options"), CASES, ids=IDS)
def test_updates(kind, by_hand, options) -> None:
    start = [1.0, -2.0, 3.0]
    double = nn.Parameter(pa.tensor(start, dtype=pa.float64))
    single = nn.Parameter(pa.tensor(start))
    run(kind([single, double], lr=0.1, **options), [single, double], GRADS)
    expected = by_hand(np.array(start), np.array(GRADS), lr=0.1, **options)
    assert double.tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    assert single.tolist() == pytest.approx(expected.tolist(), rel=1e-5)


@pytest.mark.parametrize(("kind", "by_hand", "options"), CASES, ids=IDS)
@pytest.mark.parametrize("how", ["state_dict", "deepcopy", "pickle", "save"])
def test_a_copy_goes_on_where_the_first_stood(kind, by_hand, options, how, tmp_path) -> None:
    p = nn.Parameter(pa.tensor([1.0, -2.0, 3.0], dtype=pa.float64))
    optimizer = kind([p], lr=0.1, **options)
    run(optimizer, [p], GRADS[:3])
    if how == "deepcopy":
        q, twin = copy.deepcopy((p, optimizer))
    elif how == "pickle":
        q, twin = pickle.loads(pickle.dumps((p, optimizer)))
    else:
        q = nn.Parameter(p.detach().clone())
        twin = kind([q], lr=123.0)
        state = optimizer.state_dict()
        if how == "save":
            pa.save(state, tmp_path / "optimizer.npz")
            state = pa.load(tmp_path / "optimizer.npz")
        twin.load_state_dict(state)
    assert twin.param_groups[0]["params"][0] is q
    assert twin.param_groups[0]["lr"] == 0.1
    run(optimizer, [p], GRADS[3:])
    run(twin, [q], GRADS[3:])
    assert p is not q
    assert p.tolist() == q.tolist()


def test_state_is_pytorchs() -> None:
    p, q = nn.Parameter(pa.ones(2)), nn.Parameter(pa.ones(3))
    expected = {
        optim.SGD([p, q], lr=0.1): [],
        optim.SGD([p, q], lr=0.1, momentum=0.9): ["momentum_buffer"],
        optim.Adam([p, q], amsgrad=True): ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"],
        optim.RMSprop([p, q], momentum=0.9, centered=True): ["grad_avg", "momentum_buffer", "square_avg", "step"],
    }
    for optimizer, names in expected.items():
        p.grad, q.grad = pa.ones(2), None
        optimizer.step()
        optimizer.step()
        state = optimizer.state_dict()["state"]
        if not names:
            assert state == {}
            continue
        assert list(state) == [0]
        assert sorted(state[0]) == names
        if "step" in names:
            assert state[0]["step"].item() == 2
            assert optimizer.state[p]["step"].item() == 2
        assert all(tuple(state[0][name].shape) == (2,) for name in names if name != "step")


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


def test_zero_grad() -> None:
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


def test_state_may_be_edited_between_steps() -> None:
    p = nn.Parameter(pa.zeros(1))
    optimizer = optim.SGD([p], lr=1.0, momentum=0.5)
    p.grad = pa.ones(1)
    optimizer.step()
    optimizer.state[p]["momentum_buffer"] = pa.tensor([10.0])
    optimizer.step()
    assert p.item() == -1.0 - 6.0
    optimizer.state.clear()
    optimizer.step()
    assert p.item() == -8.0


def test_momentum_may_begin_later() -> None:
    p = nn.Parameter(pa.zeros(1))
    optimizer = optim.SGD([p], lr=1.0, dampening=0.5)
    p.grad = pa.ones(1)
    optimizer.step()
    optimizer.param_groups[0]["momentum"] = 0.5
    optimizer.step()
    assert p.item() == -2.0


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


def test_amsgrad_may_begin_later() -> None:
    p = nn.Parameter(pa.ones(1))
    optimizer = optim.Adam([p], lr=0.1)
    p.grad = pa.ones(1)
    optimizer.step()
    optimizer.param_groups[0]["amsgrad"] = True
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 2
    assert "max_exp_avg_sq" in optimizer.state[p]


def test_a_step_that_runs_out_of_memory_changes_nothing() -> None:
    from pyautograd._c import lib

    model = nn.MLP(2, [3, 1])
    twin = copy.deepcopy(model)
    x = pa.ones(4, 2)
    optimizers = [optim.Adam(m.parameters(), lr=0.1, amsgrad=True) for m in (model, twin)]
    for m in (model, twin):
        m(x).sum().backward()
    failures = 0
    while True:
        before = [p.tolist() for p in model.parameters()]
        lib.pa_memory_fail_after(failures)
        try:
            optimizers[0].step()
            break
        except MemoryError:
            failures += 1
            assert [p.tolist() for p in model.parameters()] == before
        finally:
            lib.pa_memory_fail_after(-1)
    assert failures > 3
    optimizers[1].step()
    for optimizer in optimizers:
        optimizer.step()
    assert [p.tolist() for p in model.parameters()] == [p.tolist() for p in twin.parameters()]


def test_lr_may_be_a_tensor() -> None:
    p = nn.Parameter(pa.zeros(1))
    lr = pa.tensor(1.0)
    optimizer = optim.SGD([p], lr=lr)
    p.grad = pa.ones(1)
    optimizer.step()
    lr.fill_(2.0)
    optimizer.step()
    assert p.item() == -3.0


def test_closure() -> None:
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


def test_named_parameters() -> None:
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


def test_load_state_dict_checks_first() -> None:
    p, q = nn.Parameter(pa.ones(2)), nn.Parameter(pa.ones(3))
    first = optim.Adam([p])
    p.grad = pa.ones(2)
    first.step()
    with pytest.raises(ValueError, match="size of optimizer's group"):
        optim.Adam([p, q]).load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match="number of parameter groups"):
        optim.Adam([{"params": [p]}, {"params": [q]}]).load_state_dict(first.state_dict())
    other = optim.Adam([q], lr=0.7)
    with pytest.raises(ValueError, match=r"exp_avg of shape \(2,\) for a parameter of shape \(3,\)"):
        other.load_state_dict(first.state_dict())
    assert other.param_groups[0]["lr"] == 0.7


def changed(state, **options):
    """An optimiser's state dict with other options, and its first parameter's state with `kept` in it."""
    kept = {**state["state"][0], **options.pop("kept", {})}
    return {
        "state": {0: {name: value for name, value in kept.items() if value is not ...}},
        "param_groups": [{**state["param_groups"][0], **options}],
    }


NO_STATE_OF_ADAM = {
    "None": (lambda state: None, "this NoneType"),
    "a model's": (lambda state: nn.Linear(1, 1).state_dict(), "takes what state_dict gave"),
    "without groups": (lambda state: {"state": state["state"]}, "takes what state_dict gave"),
    "without params": (lambda state: {**state, "param_groups": [{"lr": 1.0}]}, "takes what state_dict gave"),
    "a state that is a number": (lambda state: {**state, "state": {0: 3}}, "takes what state_dict gave"),
    "SGD's": (lambda state: stepped(optim.SGD, momentum=0.9)[0].state_dict(), "lacks betas, eps, which Adam needs"),
    "RMSprop's": (lambda state: stepped(optim.RMSprop)[0].state_dict(), "lacks betas"),
    "part of a state": (lambda state: changed(state, kept={"exp_avg_sq": ...}), "no exp_avg_sq"),
    "a state of None": (lambda state: changed(state, kept={"exp_avg": None}), "no exp_avg"),
    "a state of text": (lambda state: changed(state, kept={"exp_avg": "x"}), "exp_avg is a str"),
    "another shape": (lambda state: changed(state, kept={"exp_avg": pa.ones(7)}), r"exp_avg of shape \(7,\)"),
    "no step": (lambda state: changed(state, kept={"step": ...}), "step is None"),
    "half a step": (lambda state: changed(state, kept={"step": 1.5}), "step is 1.5"),
    "steps back": (lambda state: changed(state, kept={"step": pa.tensor(-3.0)}), "step is tensor"),
    "many steps": (lambda state: changed(state, kept={"step": pa.ones(3)}), "step is tensor"),
    "amsgrad without its state": (lambda state: changed(state, amsgrad=True), "no max_exp_avg_sq"),
}


def stepped(kind, **options):
    p = nn.Parameter(pa.ones(3))
    optimizer = kind([p], **options)
    p.grad = pa.ones(3)
    optimizer.step()
    return optimizer, p


@pytest.mark.parametrize("name", NO_STATE_OF_ADAM)
def test_a_state_that_updates_cannot_go_on_from_is_refused_and_changes_nothing(name: str) -> None:
    change, match = NO_STATE_OF_ADAM[name]
    (optimizer, p), (twin, q) = (stepped(optim.Adam) for _ in range(2))
    with pytest.raises(ValueError, match=match):
        optimizer.load_state_dict(change(optimizer.state_dict()))
    assert repr(optimizer.state_dict()) == repr(twin.state_dict())
    optimizer.step()
    twin.step()
    assert p.tolist() == q.tolist()


def test_switches_that_a_checkpoint_does_not_know_are_off() -> None:
    optimizer, _ = stepped(optim.Adam)
    state = optimizer.state_dict()
    del state["param_groups"][0]["maximize"]
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["maximize"] is False


def test_a_loaded_state_is_a_copy() -> None:
    p = nn.Parameter(pa.ones(2))
    first = optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = pa.ones(2)
    first.step()
    second = optim.SGD([p], lr=0.1, momentum=0.9)
    second.load_state_dict(first.state_dict())
    second.step()
    assert first.state[p]["momentum_buffer"].tolist() == [1.0, 1.0]


def test_what_is_refused() -> None:
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


def test_a_state_that_does_not_fit_its_parameter_is_refused() -> None:
    p = nn.Parameter(pa.ones(2))
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = pa.ones(2)
    optimizer.step()
    before = p.tolist()
    optimizer.state[p]["momentum_buffer"] = pa.ones(3)
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        optimizer.step()
    optimizer.state[p]["momentum_buffer"] = pa.ones(2, dtype=pa.float64)
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        optimizer.step()
    assert p.tolist() == before


def test_repr() -> None:
    assert repr(optim.SGD([nn.Parameter(pa.ones(1))], lr=0.1)).startswith("SGD (\nParameter Group 0\n    dampening: 0")


def test_an_optimizer_written_in_python() -> None:
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


@pytest.mark.parametrize(("kind", "by_hand", "options"), CASES, ids=IDS)
def test_values_are_updated_too(kind, by_hand, options) -> None:
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


# ---- schedules ----


def lrs_of(make, epochs=8, lr=1.0):
    optimizer = optim.SGD([nn.Parameter(pa.ones(1))], lr=lr)
    schedule = make(optimizer)
    lrs = []
    for _ in range(epochs):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
        assert schedule.get_last_lr() == [optimizer.param_groups[0]["lr"]]
    return lrs


def test_schedules() -> None:
    assert lrs_of(lambda o: lr_scheduler.StepLR(o, 3, 0.5)) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert lrs_of(lambda o: lr_scheduler.ExponentialLR(o, 0.5), 4) == [1, 0.5, 0.25, 0.125]
    assert lrs_of(lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)), 4) == [1, 1 / 2, 1 / 3, 1 / 4]
    cosine = lrs_of(lambda o: lr_scheduler.CosineAnnealingLR(o, 4, eta_min=0.2), 9)
    assert cosine == pytest.approx([0.2 + 0.4 * (1 + math.cos(math.pi * i / 4)) for i in range(9)])


def test_schedules_reach_the_update() -> None:
    p = nn.Parameter(pa.zeros(1))
    optimizer = optim.SGD([p], lr=1.0)
    schedule = lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(3):
        p.grad = pa.ones(1)
        optimizer.step()
        schedule.step()
    assert p.item() == -1.75


def test_a_schedule_resumes_from_its_state_dict() -> None:
    def make():
        optimizer = optim.SGD([nn.Parameter(pa.ones(1))], lr=1.0)
        return optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 10)

    (optimizer, schedule), (other_optimizer, other) = make(), make()
    for _ in range(3):
        optimizer.step()
        schedule.step()
    other_optimizer.load_state_dict(optimizer.state_dict())
    other.load_state_dict(schedule.state_dict())
    for o, s in ((optimizer, schedule), (other_optimizer, other)):
        o.step()
        s.step()
    assert schedule.get_last_lr() == other.get_last_lr()
    assert other.last_epoch == 4


def test_lambda_schedules() -> None:
    class Factor:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    params = [nn.Parameter(pa.ones(1)) for _ in range(2)]
    optimizer = optim.SGD([{"params": [p]} for p in params], lr=1.0)
    schedule = lr_scheduler.LambdaLR(optimizer, [Factor(0.5), lambda epoch: 1.0])
    assert schedule.state_dict()["lr_lambdas"] == [{"base": 0.5}, None]
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 1.0]
    with pytest.raises(ValueError, match="Expected 2 lr_lambdas, but got 1"):
        lr_scheduler.LambdaLR(optimizer, [lambda epoch: 1.0])


def test_schedule_mistakes() -> None:
    optimizer = optim.SGD([nn.Parameter(pa.ones(1))], lr=1.0)
    with pytest.warns(UserWarning, match=r"before optimizer\.step"):
        lr_scheduler.StepLR(optimizer, 1).step()
    with pytest.raises(TypeError, match="StepLR: optimizer must be an Optimizer, not int"):
        lr_scheduler.StepLR(3, 1)
    fresh = optim.SGD([nn.Parameter(pa.ones(1))], lr=1.0)
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(fresh, 1, last_epoch=3)


# ---- together ----


def test_deepcopy_of_model_and_optimizer_together_keeps_them_together() -> None:
    model = nn.MLP(2, [4, 1])
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    x, y = pa.randn(16, 2), pa.randn(16, 1)

    def train(model, optimizer):
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    train(model, optimizer)
    twin, twin_optimizer = copy.deepcopy((model, optimizer))
    assert twin_optimizer.param_groups[0]["params"][0] is twin.layers[0].weight
    assert train(model, optimizer) == train(twin, twin_optimizer)


def test_a_schedule_that_fails_stays_where_it_was() -> None:
    optimizer, failing = optim.SGD([nn.Parameter(pa.ones(1))], lr=1.0), [False]

    def factor(epoch: int) -> float:
        if failing[0]:
            raise KeyboardInterrupt
        return 0.5**epoch

    schedule = lr_scheduler.LambdaLR(optimizer, factor)
    optimizer.step()
    schedule.step()
    failing[0] = True
    before = schedule.state_dict()
    with pytest.raises(KeyboardInterrupt):
        schedule.step()
    assert schedule.state_dict() == before
    failing[0] = False
    optimizer.add_param_group({"params": [nn.Parameter(pa.ones(1))], "lr": 1.0})
    with pytest.raises(ValueError, match=r"LambdaLR: .* 1 parameter groups, and the optimizer has 2"):
        schedule.step()
    assert schedule.state_dict() == before
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 1.0]
