"""`summary` lists layers, shapes, parameters and flops, and leaves the model and the random streams as they were."""

import threading
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, nn


class Net(nn.Module):
    """Integers in, recurrences, a compiled part, tied and unused weights, a product of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(10, 4)
        self.lstm = nn.LSTM(4, 8, batch_first=True)
        self.head = nn.Linear(8, 2)
        self.mix = nn.Parameter(pa.ones(2, 2))
        self.unused = nn.Linear(3, 3)
        self.block = pa.compile(nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5)))
        self.tied = nn.Linear(8, 2)
        self.tied.weight = self.head.weight
        self.emb.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        hidden, _ = self.lstm(self.emb(x))
        last = hidden[:, -1]
        mixed: Tensor = self.block(self.head(last) @ self.mix) + self.tied(last)
        return mixed + pa.randn(1)


def rows(found: Any) -> dict[str, tuple[Any, int, int]]:
    return {layer.name: (layer.shape, layer.parameters, layer.flops) for layer in found.layers}


def test_each_layer_has_its_own_parameters_and_flops() -> None:
    found = pa.summary(Net(), np.zeros((5, 7), np.int64))
    assert rows(found) == {
        "": ((5, 2), 4, 2 * 5 * 2 * 2),
        "emb": ((5, 7, 4), 40, 0),
        "lstm": ((5, 7, 8), 448, 2 * 5 * 7 * 32 * (4 + 8)),
        "head": ((5, 2), 18, 2 * 5 * 8 * 2),
        "unused": (None, 12, 0),
        "block": ((5, 2), 0, 0),
        "block.0": ((5, 2), 4, 0),
        "block.1": ((5, 2), 0, 0),
        "tied": ((5, 2), 2, 2 * 5 * 8 * 2),
    }
    assert found.parameters == sum(p.numel() for p in Net().parameters())
    assert found.trainable == found.parameters - 40


def test_images() -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10))
    found = pa.summary(net, (4, 1, 28, 28))
    assert found.layers[1].flops == 2 * 4 * 8 * 28 * 28 * 9
    assert [layer.shape for layer in found.layers[1:]] == [
        (4, 8, 28, 28), (4, 8, 28, 28), (4, 8, 14, 14), (4, 1568), (4, 10),
    ]  # fmt: skip


@pytest.mark.parametrize("wrap", [lambda net: net, pa.compile])
def test_the_model_is_as_before(wrap: Any) -> None:
    net = wrap(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)))
    net[1].eval()
    state, modes = {k: v.tolist() for k, v in net.state_dict().items()}, [module.training for module in net.modules()]
    stream = pa.get_rng_state()
    assert pa.summary(net, (8, 3)).layers[-1].shape == (8, 4)
    assert {k: v.tolist() for k, v in net.state_dict().items()} == state
    assert [module.training for module in net.modules()] == modes
    assert pa.get_rng_state() == stream
    assert not any(module._hooks for module in net.modules())


class Remembers(nn.Module):
    """Has what cannot be copied, and keeps what it has computed."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.layer = threading.Lock(), nn.Linear(2, 2)
        self.register_buffer("calls", pa.zeros(1))
        self.seen: Any = None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen = self.layer(self.layer(x))
        return self.seen


def test_what_a_model_keeps_stays_its_own() -> None:
    net = Remembers()
    kept = net(pa.ones(1, 2))
    assert pa.summary(net, (5, 2)).flops == 2 * 2 * 5 * 2 * 2
    assert net.seen is kept and net.calls.item() == 1


def test_inputs_may_be_several_and_a_model_of_float64() -> None:
    double = nn.Linear(3, 2, dtype=pa.float64)
    assert pa.summary(double, (5, 3)).flops == pa.summary(double, np.zeros((5, 3))).flops == 2 * 5 * 3 * 2
    assert pa.summary(nn.Linear(3, 2), np.zeros((5, 3))).layers[0].shape == (5, 2)
    assert pa.summary(nn.MultiheadAttention(8, 2), *[(4, 2, 8)] * 3).layers[0].shape == (4, 2, 8)


def test_a_frozen_model_has_flops_under_no_grad_too() -> None:
    net = nn.Linear(3, 2).requires_grad_(False)
    with pa.no_grad():
        found = pa.summary(net, (5, 3))
    assert (found.trainable, found.parameters, found.flops) == (0, 8, 60)


def test_it_prints_as_a_table() -> None:
    first, rule, *_, last = repr(pa.summary(nn.MLP(2, [3, 1]), (1, 2))).split("\n")
    assert first.split() == ["layer", "output", "parameters", "flops"]
    assert set(rule) == {"-", " "}
    assert last.split() == ["in", "all", "13", "trained", "13", "18"]


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match="summary: a Module is wanted, not a function"):
        pa.summary(lambda x: x, (1, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="linear"):
        pa.summary(nn.Linear(3, 2), (5, 4))


def test_a_summary_without_an_input_says_what_to_give() -> None:
    with pytest.raises(TypeError, match=r"A shape will do: summary\(model, \(32, 3\)\)"):
        pa.summary(nn.Linear(3, 2))
