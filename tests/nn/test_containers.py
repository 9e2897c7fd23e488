"""Containers and the MLP call their modules in order and are lists and dicts of them."""

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn


def test_sequential_is_a_list_of_modules_called_one_after_the_other() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(model) == 3
    assert isinstance(model[1], nn.ReLU)
    assert model[-1].out_features == 1
    assert [type(m).__name__ for m in model[:2]] == ["Linear", "ReLU"]
    assert model[:2][0] is model[0]
    model.append(nn.Sigmoid())
    model[1] = nn.Tanh()
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    del model[3]
    model.insert(0, nn.Identity())
    assert [type(m).__name__ for m in model] == ["Identity", "Linear", "Tanh", "Linear"]
    x = pa.ones(4, 2)
    by_hand = model[3](model[1](x).tanh())
    assert model(x).tolist() == by_hand.tolist()
    assert model.eval()(x).tolist() == by_hand.tolist()
    with pytest.raises(IndexError, match="holds 4 modules"):
        model[4]
    with pytest.raises(TypeError):
        nn.Sequential(3)


def test_sequential_may_be_made_of_a_dict_and_hold_a_module_twice() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential({"a": layer, "relu": nn.ReLU(), "b": layer})
    x = pa.ones(1, 2)
    assert model.a is layer
    assert model(x).tolist() == layer(layer(x).relu()).tolist()
    assert len(list(model.parameters())) == 2


def test_module_lists_and_dicts_are_lists_and_dicts_of_modules() -> None:
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers += [nn.Linear(1, 2)]
    layers.extend([nn.Linear(2, 1)])
    assert [layer.out_features for layer in layers] == [1, 2, 1]
    assert layers.pop().in_features == 2
    assert layers[0] in layers
    assert len(layers + [nn.ReLU()]) == 3
    heads = nn.ModuleDict({"x": nn.Linear(1, 1)})
    heads["y"] = nn.ReLU()
    assert list(heads) == ["x", "y"] == list(heads.keys())
    assert "x" in heads
    assert len(heads) == 2
    assert isinstance(heads.pop("y"), nn.ReLU)
    assert list(heads.state_dict()) == ["x.weight", "x.bias"]
    with pytest.raises(KeyError):
        heads["y"]
    heads.clear()
    assert len(heads) == 0


@pytest.mark.parametrize(
    "activation", ["relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus", "identity"]
)
def test_mlp_is_linear_layers_with_activations_between(activation) -> None:
    model = nn.MLP(2, [4, 3, 1], activation=activation)
    x = pa.randn(5, 2)
    y = x
    for i, layer in enumerate(model.layers):
        y = layer(y if i == 0 else model.activation(y))
    assert model(x).tolist() == y.tolist()


def test_mlp_takes_any_activation_dropout_dtype_and_integers() -> None:
    assert list(nn.MLP(2, [3], bias=False).state_dict()) == ["layers.0.weight"]
    x = pa.randn(5, 2)
    square = nn.MLP(2, [3, 1], activation=lambda x: x * x)
    assert square(x).tolist() == square.layers[1](square.layers[0](x) ** 2).tolist()
    assert isinstance(nn.MLP(2, [3, 1], activation=nn.ELU(0.5)).activation, nn.ELU)
    dropped = nn.MLP(2, [64, 1], dropout=0.5)
    assert dropped(x).tolist() != dropped(x).tolist()
    dropped.eval()
    assert dropped(x).tolist() == dropped(x).tolist()
    assert nn.MLP(2, [3, 1], dtype=pa.float64)(x.double()).dtype is pa.float64
    assert nn.MLP(np.int64(2), np.array([3, 1])).layers[1].out_features == 1


def test_mlp_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match="empty"):
        nn.MLP(2, [])
    with pytest.raises(ValueError, match="no activation 'sine'; there are relu"):
        nn.MLP(2, [1], activation="sine")
    with pytest.raises(TypeError, match="activation"):
        nn.MLP(2, [1], activation=3)
    for sizes in (3, [1.5], ["1"]):
        with pytest.raises(TypeError, match="list of layer sizes"):
            nn.MLP(2, sizes)


def test_mlp_given_values_says_which_to_take() -> None:
    model = nn.MLP(2, [3, 1])
    for given in (pa.Value(1.0), [pa.Value(1.0), pa.Value(2.0)], [1.0, pa.Value(2.0)], [1.0, 2.0]):
        with pytest.raises(TypeError, match=r"pyautograd\.scalar\.MLP"):
            model(given)
    with pytest.raises(TypeError, match=r"pyautograd\.tensor"):
        model(np.ones((3, 2)))
