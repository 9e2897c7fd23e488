"""A state dict is taken whole or not at all, and a module is converted in place."""

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn

from .nets import Net


def test_state_dict_shares_memory_and_has_no_gradient() -> None:
    net = Net()
    state = net.state_dict()
    assert list(state) == ["scale", "offset", "mean", "fc1.weight", "fc1.bias", "fc2.weight"]
    assert not any(tensor.requires_grad for tensor in state.values())
    with pa.no_grad():
        net.scale.fill_(5.0)
    assert state["scale"].item() == 5.0
    assert net.state_dict(keep_vars=True)["scale"] is net.scale


def test_a_loaded_state_dict_fills_the_parameters_in_place() -> None:
    one, other = Net(), Net()
    weight = other.fc1.weight
    result = other.load_state_dict(one.state_dict())
    assert result == ([], [])
    assert other.fc1.weight is weight
    x = pa.ones(3, 2)
    assert one(x).tolist() == other(x).tolist()
    other.load_state_dict({name: tensor.numpy() for name, tensor in one.state_dict().items()})


def test_load_state_dict_with_assign_takes_the_tensors() -> None:
    one, other = Net(), Net()
    state = {name: tensor.double() for name, tensor in one.state_dict().items()}
    other.load_state_dict(state, assign=True)
    assert other.fc1.weight.dtype is pa.float64
    assert isinstance(other.fc1.weight, nn.Parameter)
    assert other.mean.dtype is pa.float64


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("wrong", [np.array([object()]), np.array(["a"]), np.array([1j]), [1.0], 1.0], ids=repr)
def test_a_state_dict_with_something_that_makes_no_tensor_changes_nothing(wrong, assign) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {name: tensor.tolist() for name, tensor in model.state_dict().items()}
    state = {name: tensor + 1 for name, tensor in model.state_dict().items()} | {"1.bias": wrong}
    with pytest.raises(RuntimeError, match=r"1\.bias"):
        model.load_state_dict(state, assign=assign)
    assert {name: tensor.tolist() for name, tensor in model.state_dict().items()} == before


def test_a_state_dict_that_does_not_fit_changes_nothing() -> None:
    net = Net()
    before = {name: tensor.tolist() for name, tensor in net.state_dict().items()}
    state = {name: tensor + 1 for name, tensor in net.state_dict().items()}
    del state["scale"]
    state["other"] = pa.ones(1)
    state["fc2.weight"] = pa.ones(2, 2)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    message = str(caught.value)
    assert "Error(s) in loading state_dict for Net" in message
    assert 'Missing key(s) in state_dict: "scale".' in message
    assert 'Unexpected key(s) in state_dict: "other".' in message
    assert "size mismatch for fc2.weight: the checkpoint has shape (2, 2), the model (1, 3)." in message
    with pytest.raises(RuntimeError, match="size mismatch"):
        net.load_state_dict(state, strict=False)
    assert {name: tensor.tolist() for name, tensor in net.state_dict().items()} == before
    del state["fc2.weight"]
    assert net.load_state_dict(state, strict=False) == (["scale", "fc2.weight"], ["other"])
    assert net.fc1.bias.tolist() == pytest.approx([b + 1 for b in before["fc1.bias"]])
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict([1])


def test_to_casts_floating_parameters_buffers_and_gradients() -> None:
    net = Net()
    net.register_buffer("count", pa.zeros(1, dtype=pa.int64))
    net(pa.ones(1, 2)).sum().backward()
    weight = net.fc1.weight
    assert net.to(pa.float64) is net
    assert net.fc1.weight is weight
    assert weight.dtype is pa.float64
    assert weight.grad.dtype is pa.float64
    assert net.mean.dtype is pa.float64
    assert net.count.dtype is pa.int64
    assert net(pa.ones(1, 2, dtype=pa.float64)).dtype is pa.float64
    assert net.float().fc1.weight.dtype is pa.float32
    assert net.double().to("cpu").cpu().fc1.weight.dtype is pa.float64


def test_to_and_back_keeps_the_numbers_and_the_arrays_that_look_at_them() -> None:
    layer = nn.Linear(3, 2).requires_grad_(False)
    before = layer.weight.tolist()
    array = layer.weight.numpy()
    layer.double()
    wide = layer.weight.numpy()
    assert array.tolist() == layer.weight.tolist() == wide.tolist() == before
    layer.float()
    assert layer.weight.tolist() == array.tolist() == wide.tolist() == before
    assert layer.weight.dtype is pa.float32
    scalar = nn.Module()
    scalar.w = nn.Parameter(pa.tensor(2.5))
    assert scalar.double().w.item() == 2.5
    assert scalar.w.dtype is pa.float64


def test_a_parameter_in_a_living_graph_keeps_its_dtype() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    model(pa.ones(1, 3)).sum().backward()
    before = [(p.dtype, p.tolist(), p.grad.tolist()) for p in model.parameters()]
    loss = model[1](pa.ones(1, 3)).sum()
    with pytest.raises(RuntimeError, match="part of a graph"):
        model.double()
    assert [(p.dtype, p.tolist(), p.grad.tolist()) for p in model.parameters()] == before
    loss.backward()
    assert model.double()[0].weight.grad.dtype is pa.float64
