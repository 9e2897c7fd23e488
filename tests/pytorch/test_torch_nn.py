"""Modules are shown, initialised and trained as PyTorch's, and take its state dicts."""

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")


def make(lib, hidden=5):
    return lib.nn.Sequential(
        lib.nn.Linear(3, hidden),
        lib.nn.LeakyReLU(0.1),
        lib.nn.Sequential(lib.nn.Linear(hidden, hidden, bias=False), lib.nn.Tanh()),
        lib.nn.Dropout(0.5),
        lib.nn.Linear(hidden, 2),
    ).eval()


def copy_over(ours, theirs):
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})


def test_a_module_is_shown_and_walked_as_pytorchs() -> None:
    ours, theirs = make(pa), make(torch)
    assert repr(ours) == repr(theirs)
    for walk in ("named_parameters", "named_modules", "named_children"):
        assert [name for name, _ in getattr(ours, walk)()] == [name for name, _ in getattr(theirs, walk)()]
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize(
    "build",
    [
        lambda nn: nn.ReLU(),
        lambda nn: nn.ReLU(inplace=True),
        lambda nn: nn.ELU(),
        lambda nn: nn.GELU(),
        lambda nn: nn.SiLU(),
        lambda nn: nn.Sigmoid(),
        lambda nn: nn.LogSigmoid(),
        lambda nn: nn.Softplus(),
        lambda nn: nn.Softmax(dim=1),
        lambda nn: nn.LogSoftmax(dim=-1),
        lambda nn: nn.Flatten(),
        lambda nn: nn.Identity(),
        lambda nn: nn.ModuleDict({"a": nn.Linear(1, 1)}),
        lambda nn: nn.ModuleList([nn.Linear(1, 1), nn.Linear(2, 2), *[nn.Sequential(nn.Linear(1, 1)) for _ in "abc"]]),
        lambda nn: nn.MSELoss(),
        lambda nn: nn.CrossEntropyLoss(),
    ],
)
def test_a_layer_is_shown_as_pytorchs(build) -> None:
    assert repr(build(pa.nn)) == repr(build(torch.nn))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_gives_the_same_numbers(dtype) -> None:
    ours, theirs = make(pa).to(getattr(pa, dtype)), make(torch).to(getattr(torch, dtype))
    copy_over(ours, theirs)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 3)).astype(dtype), rng.integers(0, 2, size=20)
    losses = []
    for lib, model in ((pa, ours), (torch, theirs)):
        optimizer = lib.optim.AdamW(model.parameters(), lr=0.01)
        schedule = lib.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
        criterion = lib.nn.CrossEntropyLoss(label_smoothing=0.1)
        losses.append([])
        for _ in range(20):
            optimizer.zero_grad()
            loss = criterion(model(lib.tensor(x)), lib.tensor(y))
            loss.backward()
            lib.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            schedule.step()
            losses[-1].append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-10 if dtype == "float64" else 1e-4)


def test_mlp_is_pytorchs_sequential() -> None:
    ours = pa.nn.MLP(3, [5, 2], activation="gelu")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.GELU(), torch.nn.Linear(5, 2))
    state = {name.split(".", 1)[1]: torch.tensor(t.numpy()) for name, t in ours.state_dict().items()}
    theirs.load_state_dict({name.replace("1.", "2."): tensor for name, tensor in state.items()})
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(ours(pa.tensor(x)).tolist(), theirs(torch.tensor(x)).tolist(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_pytorchs(nonlinearity) -> None:
    assert pa.nn.init.calculate_gain(nonlinearity) == torch.nn.init.calculate_gain(nonlinearity)


@pytest.mark.parametrize("shape", [(300, 400), (200, 50, 20)], ids=str)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("xavier_uniform_", {"gain": 1.3}),
        ("xavier_normal_", {}),
        ("kaiming_uniform_", {"a": 0.3}),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("kaiming_normal_", {"nonlinearity": "tanh"}),
        ("trunc_normal_", {"mean": 0.5, "std": 2.0, "a": -1.0, "b": 3.0}),
        ("orthogonal_", {"gain": 0.5}),
    ],
)
def test_initialisations_have_the_same_distribution(name, options, shape) -> None:
    torch.manual_seed(0)
    ours, theirs = pa.empty(*shape), torch.empty(*shape)
    getattr(pa.nn.init, name)(ours, **options)
    getattr(torch.nn.init, name)(theirs, **options)
    quantiles = np.linspace(0.02, 0.98, 25)
    a, b = np.quantile(ours.numpy(), quantiles), np.quantile(theirs.numpy(), quantiles)
    np.testing.assert_allclose(a, b, atol=0.05 * theirs.std().item())


@pytest.mark.parametrize("norm_type", [1, 2, 3.5, float("inf")])
@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clipped_gradients_and_their_norm_are_pytorchs(norm_type, max_norm) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((3, 4), (4,), (1, 1))]
    grads = []
    for lib in (pa, torch):
        params = [lib.tensor(np.zeros_like(a), requires_grad=True) for a in arrays]
        for p, a in zip(params, arrays):
            p.grad = lib.tensor(a)
        total = lib.nn.utils.clip_grad_norm_(params, max_norm, norm_type)
        grads.append([total.item(), *(p.grad.reshape(-1).tolist() for p in params)])
    assert grads[0][0] == pytest.approx(grads[1][0], rel=1e-6)
    for ours, theirs in zip(grads[0][1:], grads[1][1:]):
        assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda lib: lib.nn.LayerNorm(4), (3, 4)),
        (lambda lib: lib.nn.LayerNorm((3, 4), eps=1e-2), (2, 3, 4)),
        (lambda lib: lib.nn.LayerNorm(4, elementwise_affine=False), (4,)),
        (lambda lib: lib.nn.BatchNorm1d(4), (6, 4)),
        (lambda lib: lib.nn.BatchNorm1d(4, momentum=None), (2, 4, 3)),
        (lambda lib: lib.nn.BatchNorm1d(4, affine=False, track_running_stats=False), (6, 4)),
    ],
)
def test_normalisation_has_pytorchs_values_gradients_and_statistics(build, shape) -> None:
    ours, theirs = build(pa).double(), build(torch).double()
    assert repr(ours) == repr(theirs)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = rng.normal(1.0, 2.0, size=shape)
        upstream = rng.normal(size=shape)
        results = []
        for lib, module in ((pa, ours), (torch, theirs)):
            given = lib.tensor(x, requires_grad=True)
            out = module(given)
            out.backward(lib.tensor(upstream))
            results.append([out, given.grad, *(p.grad for p in module.parameters()), *module.buffers()])
        for o, t in zip(*results):
            np.testing.assert_allclose(o.detach().numpy(), t.detach().numpy(), rtol=1e-9, atol=1e-10)
    x = rng.normal(size=shape)
    np.testing.assert_allclose(
        ours.eval()(pa.tensor(x)).detach().numpy(),
        theirs.eval()(torch.tensor(x)).detach().numpy(),
        rtol=1e-9,
        atol=1e-10,
    )


@pytest.mark.parametrize("padding_idx", [None, 2])
def test_an_embedding_has_pytorchs_gradients(padding_idx) -> None:
    weight = np.random.default_rng(0).normal(size=(6, 3))
    positions = np.array([[0, 2, 2], [5, 1, 0]])
    grads = []
    for lib in (pa, torch):
        w = lib.tensor(weight, requires_grad=True)
        out = lib.nn.functional.embedding(lib.tensor(positions), w, padding_idx)
        (out * out).sum().backward()
        grads.append(w.grad.numpy())
    np.testing.assert_allclose(*grads)
