"""Losses and functions have PyTorch's values and gradients with every option."""

import itertools

import numpy as np
import pytest

import pyautograd as pa
import pyautograd.nn.functional as F

torch = pytest.importorskip("torch")
TF = torch.nn.functional

rng = np.random.default_rng(0)


def both(function, theirs, arrays, **options):
    """Runs a function on both sides, differentiates what it gives by a fixed upstream gradient, and compares all."""
    ours_in = [pa.tensor(a) for a in arrays]
    theirs_in = [torch.tensor(a) for a in arrays]
    for o, t in zip(ours_in, theirs_in):
        if t.dtype.is_floating_point:
            o.requires_grad_()
            t.requires_grad_()
    ours_options = {k: pa.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    theirs_options = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    ours_out, theirs_out = function(*ours_in, **ours_options), theirs(*theirs_in, **theirs_options)
    assert tuple(ours_out.shape) == tuple(theirs_out.shape)
    tolerance = {"rtol": 1e-10, "atol": 1e-12} if arrays[0].dtype == np.float64 else {"rtol": 2e-5, "atol": 5e-6}
    compare = lambda a, b: np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), **tolerance)
    compare(ours_out, theirs_out)
    upstream = rng.normal(size=tuple(theirs_out.shape)).astype(arrays[0].dtype)
    ours_out.backward(pa.tensor(upstream))
    theirs_out.backward(torch.tensor(upstream))
    for o, t in zip(ours_in, theirs_in):
        assert (o.grad is None) == (t.grad is None)
        if t.grad is not None:
            compare(o.grad, t.grad)


SHAPES = [(), (1,), (5,), (3, 4), (2, 3, 4), (7, 130)]
REDUCTIONS = ["mean", "sum", "none"]
DTYPES = [np.float32, np.float64]


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")  # PyTorch's, on kl_div
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_elementwise_losses_have_pytorchs_values_and_gradients(shape, reduction, dtype) -> None:
    x, y = (rng.normal(size=shape).astype(dtype) * 2 for _ in range(2))
    p = 1 / (1 + np.exp(-y)).astype(dtype)
    q = 1 / (1 + np.exp(-x)).astype(dtype)
    x, y, p, q = map(np.asarray, (x, y, p, q))
    both(F.mse_loss, TF.mse_loss, [x, y], reduction=reduction)
    both(F.l1_loss, TF.l1_loss, [x, y], reduction=reduction)
    both(F.huber_loss, TF.huber_loss, [x, y], reduction=reduction, delta=0.7)
    both(F.smooth_l1_loss, TF.smooth_l1_loss, [x, y], reduction=reduction, beta=0.7)
    both(F.smooth_l1_loss, TF.smooth_l1_loss, [x, y], reduction=reduction, beta=0.0)
    bce = (F.binary_cross_entropy_with_logits, TF.binary_cross_entropy_with_logits)
    both(*bce, [x, p], reduction=reduction)
    both(*bce, [x, p], reduction=reduction, weight=np.asarray(p * 3), pos_weight=np.full(shape[-1:], 2.5, dtype))
    both(F.binary_cross_entropy, TF.binary_cross_entropy, [q, p], reduction=reduction)
    both(F.binary_cross_entropy, TF.binary_cross_entropy, [q, p], reduction=reduction, weight=np.asarray(p * 3))
    both(F.kl_div, TF.kl_div, [x, p], reduction=reduction)
    both(F.kl_div, TF.kl_div, [x, y], reduction=reduction, log_target=True)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("shape", [(0,), (0, 3)], ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_losses_of_nothing_are_pytorchs(shape, reduction) -> None:
    x = np.zeros(shape)
    both(F.mse_loss, TF.mse_loss, [x, x], reduction=reduction)
    both(F.binary_cross_entropy, TF.binary_cross_entropy, [x, x], reduction=reduction)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4,), (6, 4), (2, 4, 3), (2, 4, 3, 2)], ids=str)
def test_cross_entropy_has_pytorchs_values_and_gradients(shape, reduction, dtype) -> None:
    logits = (rng.normal(size=shape) * 3).astype(dtype)
    classes = np.asarray(rng.integers(0, 4, size=() if len(shape) == 1 else shape[:1] + shape[2:]))
    soft = np.exp(rng.normal(size=shape)).astype(dtype)
    soft /= soft.sum(0 if len(shape) == 1 else 1, keepdims=True)
    weight = np.array([0.5, 1.0, 2.0, 0.1], dtype)
    logs = np.log(soft)
    for smoothing, w in itertools.product((0.0, 0.2, 1.0), (None, weight)):
        options = {"reduction": reduction, "label_smoothing": smoothing, "weight": w}
        both(F.cross_entropy, TF.cross_entropy, [logits, classes], **options)
        both(F.cross_entropy, TF.cross_entropy, [logits, soft], **options)
        if reduction != "mean" or (classes != 1).any():
            both(F.cross_entropy, TF.cross_entropy, [logits, classes], ignore_index=1, **options)
    for w in (None, weight):
        both(F.nll_loss, TF.nll_loss, [logs, classes], reduction=reduction, weight=w)
        if classes.ndim and (classes != 1).any():
            both(F.nll_loss, TF.nll_loss, [logs, classes], reduction=reduction, weight=w, ignore_index=1)


def test_cross_entropy_of_large_logits_is_pytorchs() -> None:
    logits = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, 1e4]], np.float32)
    both(F.cross_entropy, TF.cross_entropy, [logits, np.array([1, 2])])
    both(F.cross_entropy, TF.cross_entropy, [logits, np.array([1, 2])], reduction="none")


ACTIVATIONS = [
    (F.relu, TF.relu, {}),
    (F.leaky_relu, TF.leaky_relu, {"negative_slope": 0.2}),
    (F.elu, TF.elu, {"alpha": 1.5}),
    (F.gelu, TF.gelu, {}),
    (F.gelu, TF.gelu, {"approximate": "tanh"}),
    (F.silu, TF.silu, {}),
    (F.sigmoid, torch.sigmoid, {}),
    (F.logsigmoid, TF.logsigmoid, {}),
    (F.tanh, torch.tanh, {}),
    (F.softplus, TF.softplus, {}),
    (F.softplus, TF.softplus, {"beta": 2.0, "threshold": 1.0}),
    (F.softmax, TF.softmax, {"dim": 0}),
    (F.softmax, TF.softmax, {"dim": -1}),
    (F.log_softmax, TF.log_softmax, {"dim": 0}),
    (F.log_softmax, TF.log_softmax, {"dim": -1}),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (40, 33)], ids=str)
def test_activations_have_pytorchs_values_and_gradients(shape, dtype) -> None:
    x = (rng.normal(size=shape) * 4).astype(dtype)
    x.flat[0] = 0.0
    for ours, theirs, options in ACTIVATIONS:
        both(ours, theirs, [x], **options)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3), (0, 3)], ids=str)
def test_linear_has_pytorchs_values_and_gradients(shape) -> None:
    x, w, b = rng.normal(size=shape), rng.normal(size=(2, 3)), rng.normal(size=2)
    both(F.linear, TF.linear, [x, w, b])
    both(F.linear, TF.linear, [x, w])


def test_one_hot_is_pytorchs() -> None:
    classes = rng.integers(0, 5, size=(3, 4))
    assert F.one_hot(pa.tensor(classes)).tolist() == TF.one_hot(torch.tensor(classes)).tolist()
    assert F.one_hot(pa.tensor(classes), 7).tolist() == TF.one_hot(torch.tensor(classes), 7).tolist()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
def test_losses_of_margins_have_pytorchs_values_and_gradients(reduction, dtype) -> None:
    def check(name, arrays, targets=(), *options):
        def called(lib, module):
            return lambda *x, **more: getattr(module, name)(*x, *map(lib.tensor, targets), **more)

        for each in options or ({},):
            both(called(pa, F), called(torch, TF), arrays, reduction=reduction, **each)

    x, y, z = (rng.normal(size=(6, 5)).astype(dtype) for _ in range(3))
    signs = np.where(y > 0, 1, -1).astype(dtype)
    counts = rng.poisson(2.0, (6, 5)).astype(dtype)
    classes = rng.integers(0, 5, 6)
    lists = np.array(
        [[0, 3, -1, 2, 1], [-1, 0, 0, 0, 0], [4, 3, 2, 1, 0], [2, 2, -1, -1, -1], [1] * 5, [0, 1, 4, -1, 2]]
    )
    weight = np.array([0.5, 1.0, 2.0, 0.0, 3.0], dtype)
    check("soft_margin_loss", [x], [signs])
    check("hinge_embedding_loss", [x], [signs], {}, {"margin": 0.3})
    check("margin_ranking_loss", [x, y], [signs], {}, {"margin": 0.3})
    check("cosine_embedding_loss", [x, y], [signs[:, 0]], {}, {"margin": 0.3})
    check("cosine_embedding_loss", [x[0], y[0]], [signs[0, 0]])
    check("poisson_nll_loss", [x], [counts], {}, {"full": True})
    check("poisson_nll_loss", [abs(x)], [counts], {"log_input": False, "eps": 1e-3})
    check("gaussian_nll_loss", [x, y, abs(z)], [], {}, {"full": True, "eps": 0.5})
    check("gaussian_nll_loss", [x, y, abs(z[:, :1])])
    check("gaussian_nll_loss", [x, y, abs(z[:, 0])])
    check("gaussian_nll_loss", [x, y], [], {"var": 0.7})
    check("triplet_margin_loss", [x, y, z], [], {}, {"margin": 3.0, "p": 1.0}, {"swap": True, "eps": 1e-3})
    check("triplet_margin_with_distance_loss", [x, y, z], [], {}, {"margin": 3.0, "swap": True})
    check("multi_margin_loss", [x], [classes], {}, {"p": 2, "margin": 0.3}, {"weight": weight})
    check("multi_margin_loss", [x[0]], [classes[0]])
    check("multilabel_margin_loss", [x], [lists])
    check("multilabel_margin_loss", [x[0]], [lists[0]])
    check("multilabel_soft_margin_loss", [x], [(signs + 1) / 2], {}, {"weight": weight})


@pytest.mark.parametrize("name", """relu leaky_relu elu silu celu selu hardtanh hardswish hardsigmoid mish relu6 rrelu
    threshold""".split())  # fmt: skip  # noqa: SIM905
def test_an_activation_in_place_overwrites_its_input_as_in_pytorch(name) -> None:
    numbers, args = np.linspace(-3, 3, 12), (0.3, 0.6) if name == "threshold" else ()
    found = []
    for lib, module in ((pa, F), (torch, TF)):
        activation = getattr(module, name)
        leaf = lib.tensor(numbers.copy(), requires_grad=True)
        result = leaf * 2
        assert activation(result, *args, inplace=True) is result
        (result * result).sum().backward()
        data = lib.tensor(numbers.copy())
        activation(data[2:], *args, inplace=True)
        with pytest.raises(RuntimeError):
            activation(leaf, *args, inplace=True)
        found.append((result.detach().numpy(), leaf.grad.numpy(), data.numpy()))
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=2e-7 if name == "hardsigmoid" else 1e-12)


@pytest.mark.parametrize("shape", [(4, 6), (2, 6, 5), (3, 6, 2, 2)], ids=str)
def test_norms_of_groups_and_of_roots_are_pytorchs(shape) -> None:
    x, weight, bias = rng.normal(size=shape), rng.normal(size=6), rng.normal(size=6)
    both(lambda x: F.group_norm(x, 3), lambda x: TF.group_norm(x, 3), [x])
    both(
        lambda x, w, b: F.group_norm(x, 2, w, b, 1e-3),
        lambda x, w, b: TF.group_norm(x, 2, w, b, 1e-3),
        [x, weight, bias],
    )
    last = rng.normal(size=shape[-1:])
    both(lambda x, w: F.rms_norm(x, shape[-1:], w), lambda x, w: TF.rms_norm(x, shape[-1:], w), [x, last])
    both(lambda x: F.rms_norm(x, shape[1:], eps=1e-3), lambda x: TF.rms_norm(x, shape[1:], eps=1e-3), [x])
