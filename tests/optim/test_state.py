"""An optimiser's state has PyTorch's names, may be edited, copied and loaded, and is refused where it does not fit."""

import copy
import pickle

import pytest

import pyautograd as pa
from pyautograd import nn, optim

from .formulas import CASES, GRADS, IDS, run


def test_the_state_has_pytorchs_names() -> None:
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


def stepped(kind, **options):
    """An optimiser of one parameter after a step, and the parameter."""
    p = nn.Parameter(pa.ones(3))
    optimizer = kind([p], **options)
    p.grad = pa.ones(3)
    optimizer.step()
    return optimizer, p


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


def test_a_state_dict_that_does_not_fit_changes_nothing() -> None:
    (first, p), q = stepped(optim.Adam), nn.Parameter(pa.ones(2))
    with pytest.raises(ValueError, match="size of optimizer's group"):
        optim.Adam([p, q]).load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match="number of parameter groups"):
        optim.Adam([{"params": [p]}, {"params": [q]}]).load_state_dict(first.state_dict())
    other = optim.Adam([q], lr=0.7)
    with pytest.raises(ValueError, match=r"exp_avg of shape \(3,\) for a parameter of shape \(2,\)"):
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
    first, p = stepped(optim.SGD, lr=0.1, momentum=0.9)
    second = optim.SGD([p], lr=0.1, momentum=0.9)
    second.load_state_dict(first.state_dict())
    second.step()
    assert first.state[p]["momentum_buffer"].tolist() == [1.0, 1.0, 1.0]


def test_a_state_that_does_not_fit_its_parameter_is_refused() -> None:
    optimizer, p = stepped(optim.SGD, lr=0.1, momentum=0.9)
    before = p.tolist()
    optimizer.state[p]["momentum_buffer"] = pa.ones(2)
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        optimizer.step()
    optimizer.state[p]["momentum_buffer"] = pa.ones(3, dtype=pa.float64)
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        optimizer.step()
    assert p.tolist() == before


def test_a_model_and_optimizer_copied_together_stay_together() -> None:
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
