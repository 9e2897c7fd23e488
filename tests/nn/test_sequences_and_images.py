"""Layers over sequences and images mean what their formulas say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn
from pyautograd.nn import functional as F

X = np.random.default_rng(0).normal


def tensor(*shape):
    return pa.tensor(X(size=shape))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_layer_goes_through_the_steps_of_its_cell(kind):
    layer, cell = getattr(nn, kind)(3, 4, dtype=pa.float64), getattr(nn, f"{kind}Cell")(3, 4, dtype=pa.float64)
    cell.load_state_dict({name: layer.state_dict()[f"{name}_l0"] for name in cell.state_dict()})
    x, state, outputs = tensor(5, 2, 3), None, []
    for row in x:
        state = cell(row, state)
        outputs.append(state[0] if kind == "LSTM" else state)
    found, last = layer(x)
    np.testing.assert_allclose(found.detach(), pa.stack(outputs).detach(), atol=1e-14)
    np.testing.assert_allclose((last[0] if kind == "LSTM" else last)[0].detach(), outputs[-1].detach(), atol=1e-14)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_layer_says_which_shapes_it_takes(kind):
    layer = getattr(nn, kind)(3, 4, batch_first=True)
    state = pa.zeros(1, 9, 4)
    for given in ((pa.zeros(2, 5, 2),), (pa.zeros(3),), (pa.zeros(2, 0, 3),)):
        with pytest.raises(
            ValueError, match=rf"{kind}: expected an input of shape \(L, 3\) or.*got \({given[0].shape[0]}"
        ):
            layer(*given)
    with pytest.raises(ValueError, match=rf"{kind}: \d states of shape \(1, 2, 4\) are wanted.*\(1, 9, 4\)"):
        layer(pa.zeros(2, 5, 3), (state, state) if kind == "LSTM" else state)


def windows(x, size, stride):
    rows, columns = ((x.shape[axis] - size) // stride + 1 for axis in (-2, -1))
    for i, j in itertools.product(range(rows), range(columns)):
        yield i, j, x[..., i * stride : i * stride + size, j * stride : j * stride + size]


def test_a_convolution_is_a_sum_over_each_window():
    x, weight, bias = tensor(2, 3, 6, 7), tensor(4, 3, 2, 2), tensor(4)
    found = F.conv2d(x, weight, bias, stride=2)
    for i, j, window in windows(x, 2, 2):
        wanted = np.einsum("nchw,ochw->no", window, weight) + bias.numpy()
        np.testing.assert_allclose(found[:, :, i, j], wanted, atol=1e-14)


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"padding": 1, "stride": 2}, {"dilation": 2}])
def test_a_transposed_convolution_is_the_adjoint(options):
    x, weight = tensor(2, 3, 7, 9), tensor(4, 3, 3, 3)
    y = tensor(*F.conv2d(x, weight, **options).shape)
    back = F.conv_transpose2d(y, weight, **options)
    assert back.shape == x.shape
    np.testing.assert_allclose((F.conv2d(x, weight, **options) * y).sum(), (x * back).sum(), atol=1e-12)


def test_pooling_takes_each_window():
    x = tensor(2, 3, 6, 8)
    for i, j, window in windows(x, 2, 2):
        np.testing.assert_array_equal(F.max_pool2d(x, 2)[:, :, i, j], np.max(window, (-2, -1)))
        np.testing.assert_allclose(F.avg_pool2d(x, 2)[:, :, i, j], np.mean(window, (-2, -1)), atol=1e-15)


def test_the_gradient_of_max_pooling_goes_to_the_first_largest():
    x = pa.ones(1, 2, 2, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


def test_nobody_sees_ahead_of_a_causal_mask():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, dtype=pa.float64)
    x = tensor(2, 5, 8)
    y = x.clone()
    y[:, 3:] = 7.0
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=pa.float64)
    before, after = layer(x, mask), layer(y, mask)
    np.testing.assert_array_equal(before[:, :3].detach(), after[:, :3].detach())
    assert not np.allclose(before[:, 3:].detach(), after[:, 3:].detach())


@pytest.mark.parametrize(
    ("norm", "shape", "axes"),
    [
        (nn.GroupNorm(2, 4, eps=0.0, affine=False), (3, 2, 2, 5), (2, 3)),
        (nn.InstanceNorm1d(4, eps=0.0), (3, 4, 5), (2,)),
    ],
)
def test_a_norm_leaves_mean_0_and_variance_1(norm, shape, axes):
    given = tensor(*shape)
    found = norm(given.reshape(3, 4, 5)).reshape(shape).numpy()
    np.testing.assert_allclose(found.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(found.var(axes), 1, atol=1e-12)


def test_parameters_in_lists_and_dicts_are_trained_and_saved():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.list = nn.ParameterList([pa.ones(2), pa.ones(3)])
            self.dict = nn.ParameterDict({"a": pa.ones(4)})

    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["list.0", "list.1", "dict.a"] == list(net.state_dict())
    net.list[1] = pa.zeros(3)
    net.list += [pa.zeros(1)]
    net.dict["b"] = nn.Parameter(pa.zeros(1))
    del net.dict["a"]
    assert [tuple(p.shape) for p in net.parameters()] == [(2,), (3,), (1,), (1,)]
    assert len(net.list[1:]) == 2 and net.list[-1] is list(net.list)[2] and "b" in net.dict
    with pytest.raises(IndexError, match="index 3 is out of range: ParameterList holds 3"):
        net.list[3]
    with pytest.raises(KeyError, match="'train' is an attribute"):
        net.dict["train"] = pa.zeros(1)


def test_windows_that_are_not_of_one_size_overlap() -> None:
    x = pa.tensor([[3.0, 1.0, 2.0, 4.0, 0.0]])
    assert nn.AdaptiveMaxPool1d(2)(x).tolist() == [[3, 4]]
    assert nn.AdaptiveAvgPool1d(2)(x).tolist() == [[2, 2]]
    assert nn.AdaptiveAvgPool1d(10)(x).tolist() == [[3, 3, 1, 1, 2, 2, 4, 4, 0, 0]]
    with pytest.raises(ValueError, match="adaptive_avg_pool1d"):
        nn.AdaptiveAvgPool1d(0)(x)


def test_a_transposed_convolution_is_told_the_size_of_its_output() -> None:
    layer = nn.ConvTranspose1d(1, 1, 3, stride=2, padding=1)
    assert [layer(pa.ones(1, 1, 4), [n]).shape[-1] for n in (7, 8)] == [7, 8]
    for size in ([6], [9], [7, 7, 7, 7]):
        with pytest.raises(ValueError, match="ConvTranspose1d"):
            layer(pa.ones(1, 1, 4), size)


def test_what_surrounds_an_image_may_be_the_image() -> None:
    layer = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
    layer.weight.data.fill_(1)
    assert layer(pa.tensor([[1.0, 2.0, 4.0, 8.0]])).tolist() == [[11, 7, 14, 13]]
    with pytest.raises(ValueError, match="padding_mode"):
        nn.ConvTranspose1d(1, 1, 3, padding_mode="reflect")


def test_layers_show_and_reset_what_they_hold() -> None:
    layer = nn.LSTM(3, 4, 2, bidirectional=True)
    listed = [each for part in layer.all_weights for each in part]
    assert all(each is own for each, own in zip(listed, layer.parameters(), strict=True))
    assert (nn.ConvTranspose1d(1, 1, 1).transposed, nn.Conv2d(1, 1, 1).transposed) == (True, False)
    norm = nn.BatchNorm1d(2)
    fresh = [each.tolist() for each in norm.buffers()]
    norm(pa.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert [each.tolist() for each in norm.buffers()] != fresh
    norm.reset_running_stats()
    assert [each.tolist() for each in norm.buffers()] == fresh
    for layer, state in ((nn.GRU(3, 4), (pa.ones(1, 2, 4),)), (nn.LSTM(3, 4), (pa.ones(1, 2, 4), None))):
        with pytest.raises(TypeError, match="a state must be a Tensor"):
            layer(pa.ones(5, 2, 3), state)


@pytest.mark.parametrize(
    ("name", "arguments", "wrong"),
    [
        ("MultiheadAttention", (2, 1), {"query", "key", "value"}),
        ("TransformerEncoderLayer", (2, 1, 2), {"src"}),
        ("TransformerDecoderLayer", (2, 1, 2), {"tgt", "memory"}),
        ("TransformerEncoder", (nn.TransformerEncoderLayer(2, 1, 2), 1), {"src"}),
        ("TransformerDecoder", (nn.TransformerDecoderLayer(2, 1, 2), 1), {"tgt", "memory"}),
        ("Transformer", (2, 1, 1, 1, 2), {"src", "tgt"}),
    ],
)
def test_a_layer_of_attention_names_the_argument_that_is_no_tensor(name, arguments, wrong):
    layer, right = getattr(nn, name)(*arguments), {each: pa.zeros(3, 2) for each in wrong}
    layer(**right)
    for each in wrong:
        for given in ([[1.0, 2.0]], None, 3.0):
            with pytest.raises(TypeError, match=f"^{name}: {each} must be a Tensor, not {type(given).__name__}"):
                layer(**right | {each: given})
    with pytest.raises(TypeError, match=f"^{name}: missing"):
        layer()
