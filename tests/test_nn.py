"""Modules: what they hold, how they are walked, saved, copied and called."""

import copy
import math
import pickle

import numpy as np
import pytest
from gradcheck import check_gradients

import pyautograd as pa
from pyautograd import nn
from pyautograd.nn import functional as F


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(pa.ones(1))
        self.fc1 = nn.Linear(2, 3)
        self.register_buffer("mean", pa.zeros(2))
        self.fc2 = nn.Linear(3, 1, bias=False)
        self.offset = nn.Parameter(pa.zeros(1))

    def forward(self, x):
        return self.fc2(self.fc1(x - self.mean).relu()) * self.scale + self.offset


def names(pairs):
    return [name for name, _ in pairs]


# ---- what a module holds ----


def test_own_parameters_come_before_those_of_submodules() -> None:
    assert names(Net().named_parameters()) == ["scale", "offset", "fc1.weight", "fc1.bias", "fc2.weight"]


def test_walks() -> None:
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


def test_registering() -> None:
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


def test_requires_grad_and_zero_grad() -> None:
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


# ---- state dicts ----


def test_state_dict_shares_memory_and_has_no_gradient() -> None:
    net = Net()
    state = net.state_dict()
    assert list(state) == ["scale", "offset", "mean", "fc1.weight", "fc1.bias", "fc2.weight"]
    assert not any(tensor.requires_grad for tensor in state.values())
    with pa.no_grad():
        net.scale.fill_(5.0)
    assert state["scale"].item() == 5.0
    assert net.state_dict(keep_vars=True)["scale"] is net.scale


def test_load_state_dict() -> None:
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


# ---- copies ----


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


# ---- layers ----


def test_linear_starts_uniform_within_one_over_root_of_inputs() -> None:
    layer = nn.Linear(100, 200)
    bound = 1 / math.sqrt(100)
    for values in (layer.weight.detach().numpy(), layer.bias.detach().numpy()):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.9 * bound
    assert abs(layer.weight.mean().item()) < 0.05 * bound
    assert tuple(layer.weight.shape) == (200, 100)


def test_linear_edges() -> None:
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


def test_dropout() -> None:
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


def test_flatten() -> None:
    assert tuple(nn.Flatten()(pa.zeros(2, 3, 4)).shape) == (2, 12)
    assert tuple(nn.Flatten(0)(pa.zeros(2, 3)).shape) == (6,)


# ---- containers ----


def test_sequential() -> None:
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


def test_sequential_from_a_dict_and_with_a_module_twice() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential({"a": layer, "relu": nn.ReLU(), "b": layer})
    x = pa.ones(1, 2)
    assert model.a is layer
    assert model(x).tolist() == layer(layer(x).relu()).tolist()
    assert len(list(model.parameters())) == 2


def test_module_list_and_dict() -> None:
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


# ---- MLP ----


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


def test_mlp_options() -> None:
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


# ---- initialisation ----


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
def test_init_deviations(fill, deviation, bound) -> None:
    w = pa.empty(300, 200)
    fill(w)
    values = w.numpy()
    assert abs(values.mean()) < deviation * 0.02
    assert values.std() == pytest.approx(deviation, rel=0.02)
    if bound is not None:
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        assert np.abs(values).max() > bound * 0.99


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (4, 2, 3)])
def test_init_orthogonal(shape) -> None:
    w = nn.init.orthogonal_(pa.empty(*shape, dtype=pa.float64), gain=2.0).numpy().reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert np.allclose(small, 4 * np.eye(len(small)))


def test_init_refuses() -> None:
    with pytest.raises(ValueError, match="fewer than 2"):
        nn.init.xavier_uniform_(pa.empty(3))
    with pytest.raises(ValueError, match="Mode"):
        nn.init.kaiming_uniform_(pa.empty(3, 3), mode="fan")
    with pytest.raises(ValueError, match="nonlinearity"):
        nn.init.calculate_gain("step")
    assert nn.init.calculate_gain("tanh") == 5 / 3


# ---- utils ----


def test_clip_grad_norm() -> None:
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


def test_clip_grad_value() -> None:
    w = pa.tensor([1.0, -5.0], requires_grad=True)
    (w * w).sum().backward()
    nn.utils.clip_grad_value_([w, pa.ones(1)], 3.0)
    assert w.grad.tolist() == [2.0, -3.0]


def test_parameters_to_vector_and_back() -> None:
    net = Net()
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert tuple(vector.shape) == (14,)
    nn.utils.vector_to_parameters(vector.detach() * 2, net.parameters())
    assert net.scale.item() == 2.0
    assert net.fc1.weight.requires_grad
    with pytest.raises(ValueError, match="14 elements"):
        nn.utils.vector_to_parameters(pa.ones(13), net.parameters())


# ---- normalisation and embedding ----


def test_layer_norm() -> None:
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


def test_batch_norm() -> None:
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


def test_embedding() -> None:
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
