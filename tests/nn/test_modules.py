"""A module holds, lists, registers, calls and copies what is assigned to it."""

import copy
import pickle

import pytest

import pyautograd as pa
from pyautograd import nn

from .nets import Net, names


def test_own_parameters_come_before_those_of_submodules() -> None:
    assert names(Net().named_parameters()) == ["scale", "offset", "fc1.weight", "fc1.bias", "fc2.weight"]


def test_a_module_lists_its_children_modules_buffers_and_parameters() -> None:
    net = Net()
    assert names(net.named_children()) == ["fc1", "fc2"]
    assert list(net.children()) == [net.fc1, net.fc2]
    assert names(net.named_modules()) == ["", "fc1", "fc2"]
    assert names(net.named_buffers()) == ["mean"]
    assert len(list(net.parameters())) == 5
    assert len(list(net.parameters(recurse=False))) == 2
    assert names(net.named_parameters(prefix="net"))[0] == "net.scale"
    assert net.get_submodule("fc1") is net.fc1
    assert net.get_parameter("fc1.weight") is net.fc1.weight
    with pytest.raises(AttributeError, match="no submodule 'fc9'"):
        net.get_submodule("fc9")


def test_shared_parameters_and_modules_are_yielded_once() -> None:
    net = Net()
    net.again = net.fc1
    net.alias = net.scale
    assert len(list(net.parameters())) == 5
    assert names(net.named_modules()) == ["", "fc1", "fc2"]
    assert "again.weight" in net.state_dict()
    assert len(list(net.named_parameters(remove_duplicate=False))) == 8


@pytest.mark.parametrize(
    ("kind", "assign"),
    [
        ("parameter", lambda module: setattr(module, "a", nn.Parameter(pa.ones(2)))),
        ("module", lambda module: setattr(module, "a", nn.Linear(2, 2))),
        ("buffer", lambda module: module.register_buffer("a", pa.ones(2))),
    ],
)
def test_what_a_module_holds_is_assigned_after_its_init(kind, assign) -> None:
    class Bare(nn.Module):
        def __init__(self):
            self.plain = 3
            assign(self)

    with pytest.raises(AttributeError, match=rf"cannot assign {kind} 'a' before Module.__init__\(\) of Bare"):
        Bare()


def test_assigning_what_does_not_fit_raises() -> None:
    net = Net()
    with pytest.raises(TypeError, match=r"Net.scale is a Parameter.*not Tensor.*\.data"):
        net.scale = pa.ones(1)
    with pytest.raises(TypeError, match="fc1 is a Module"):
        net.fc1 = 3
    with pytest.raises(TypeError, match="mean is a buffer"):
        net.mean = 1.0
    net.mean = pa.ones(2)
    net.scale = nn.Parameter(pa.ones(1) * 2)
    net.offset = None
    net.fc1 = nn.Linear(2, 3)
    assert len(list(net.parameters())) == 4


def test_what_is_registered_is_listed_and_saved_until_it_is_deleted() -> None:
    net = Net()
    net.register_parameter("extra", None)
    assert "extra" not in net.state_dict()
    net.extra = nn.Parameter(pa.ones(1))
    assert "extra" in net.state_dict()
    net.register_buffer("temporary", pa.ones(1), persistent=False)
    assert "temporary" not in net.state_dict()
    assert names(net.named_buffers()) == ["mean", "temporary"]
    net.add_module("fc3", nn.Linear(1, 1))
    assert names(net.named_children()) == ["fc1", "fc2", "fc3"]
    del net.temporary
    assert names(net.named_buffers()) == ["mean"]
    for wrong in ("a.b", "", "forward"):
        with pytest.raises(KeyError):
            net.register_parameter(wrong, None)
    with pytest.raises(TypeError):
        net.register_buffer("number", 3.0)
    with pytest.raises(TypeError):
        net.add_module("fc4", 3)


def test_apply_reaches_submodules_first() -> None:
    net = Net()
    order = []
    assert net.apply(order.append) is net
    assert order == [net.fc1, net.fc2, net]


def test_train_and_eval_reach_all() -> None:
    net = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    with pytest.raises(ValueError, match="boolean"):
        net.train(1)


def test_a_module_clears_and_switches_off_the_gradients_of_all_its_parameters() -> None:
    net = Net()
    net(pa.ones(4, 2)).sum().backward()
    assert net.fc1.weight.grad is not None
    net.zero_grad(set_to_none=False)
    assert net.fc1.weight.grad.abs().sum().item() == 0
    net.zero_grad()
    assert net.fc1.weight.grad is None
    net.requires_grad_(False)
    assert not net(pa.ones(4, 2)).requires_grad


def test_repr_is_pytorchs() -> None:
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Dropout(0.1)))) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Dropout(p=0.1, inplace=False)\n"
        "  )\n"
        ")"
    )
    folded = nn.ModuleList([nn.Tanh(), nn.Tanh(), nn.ReLU()])
    assert repr(folded) == "ModuleList(\n  (0-1): 2 x Tanh()\n  (2): ReLU()\n)"
    assert repr(folded.load_state_dict({})) == "<All keys matched successfully>"


def test_call_passes_all_arguments_on() -> None:
    class Echo(nn.Module):
        def forward(self, *args, **kwargs):
            return args, kwargs

    echo = Echo()
    assert echo() == ((), {})
    assert echo(1) == ((1,), {})
    assert echo(1, 2, input=3) == ((1, 2), {"input": 3})
    assert echo(input=1) == ((), {"input": 1})


def test_forward_may_be_replaced_on_instance_and_class(monkeypatch) -> None:
    model = nn.Sequential(nn.Identity())
    model[0].forward = lambda x: x + 1
    assert model(1) == 2
    monkeypatch.setattr(nn.Sequential, "forward", lambda self, x: x * 10)
    assert model(1) == 10


def test_an_overridden_call_is_respected_by_containers() -> None:
    class Loud(nn.Linear):
        def __call__(self, x):
            return super().__call__(x) * 0

    model = nn.Sequential(Loud(2, 2))
    assert model(pa.ones(1, 2)).tolist() == [[0.0, 0.0]]
    mlp = nn.MLP(2, [2, 1])
    mlp.layers[1] = Loud(2, 1)
    assert mlp(pa.ones(1, 2)).tolist() == [[0.0]]


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match='Module has no "forward"'):
        nn.Module()(1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_stand_alone(copied) -> None:
    net = Net().eval()
    net.alias = net.scale
    twin = copied(net)
    x = pa.ones(3, 2)
    assert twin(x).tolist() == net(x).tolist()
    assert twin.training is False
    assert twin.alias is twin.scale
    assert isinstance(twin.fc1.weight, nn.Parameter)
    assert names(twin.named_buffers()) == ["mean"]
    with pa.no_grad():
        twin.scale.fill_(7.0)
    assert net.scale.item() == 1.0
