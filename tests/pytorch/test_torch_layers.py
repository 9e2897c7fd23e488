"""Recurrent layers, attention, normalisation, convolutions and pooling beside PyTorch's, in float64.

Ours take PyTorch's state dict; values agree to 1e-12 and gradients, of inputs and parameters, to 1e-10.
"""

from __future__ import annotations

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")

X = np.random.default_rng(0).normal
CAUSAL = np.triu(np.ones((5, 5), bool), 1)
PADDING = np.array([[False] * 5, [False, False, False, True, True], [False] * 5])
STATES = [((5, 2, 3), {}), ((5, 2, 3), {"num_layers": 2, "bidirectional": True}), ((5, 3), {"num_layers": 2}),
          ((5, 2, 3), {"batch_first": True, "bias": False})]  # fmt: skip
LAYERS = [
    *((f"{kind}(3, 4)", [shape], options, {}) for kind in ("RNN", "LSTM", "GRU") for shape, options in STATES),
    ("RNN(3, 4)", [(5, 2, 3)], {"nonlinearity": "relu"}, {}),
    *((f"{kind}Cell(3, 4)", [(2, 3)], {}, {}) for kind in ("RNN", "LSTM", "GRU")),
    ("GRUCell(3, 4)", [(3,)], {"bias": False}, {}),
    ("RMSNorm(4)", [(2, 3, 4)], {}, {}), ("RMSNorm((3, 4))", [(2, 3, 4)], {"eps": 1e-3}, {}),
    ("GroupNorm(3, 6)", [(2, 6, 4)], {}, {}), ("InstanceNorm1d(3)", [(2, 3, 4)], {"affine": True}, {}),
    ("BatchNorm2d(3)", [(2, 3, 4, 5)], {}, {}),
    ("MultiheadAttention(8, 2)", [(5, 3, 8)] * 3, {}, {}),
    ("MultiheadAttention(8, 2)", [(5, 8)] * 3, {}, {}),
    ("MultiheadAttention(8, 2)", [(5, 3, 8)] * 3, {"batch_first": True, "bias": False}, {"need_weights": False}),
    ("MultiheadAttention(8, 2)", [(5, 3, 8), (7, 3, 4), (7, 3, 6)], {"kdim": 4, "vdim": 6},
     {"average_attn_weights": False}),
    ("MultiheadAttention(8, 2)", [(5, 3, 8)] * 3, {}, {"attn_mask": CAUSAL, "key_padding_mask": PADDING}),
    ("MultiheadAttention(8, 2)", [(5, 3, 8)] * 3, {}, {"attn_mask": X(size=(6, 5, 5))}),
    *((f"Transformer{kind}Layer(8, 2, 16, 0.0)", [(5, 3, 8)] * n, options, {})
      for kind, n in (("Encoder", 1), ("Decoder", 2))
      for options in ({}, {"norm_first": True, "batch_first": True}, {"activation": "gelu", "bias": False})),
    ("Transformer(8, 2, 1, 2, 16, 0.0)", [(4, 3, 8), (5, 3, 8)], {}, {"tgt_mask": CAUSAL}),
    ("Conv1d(4, 6, 3)", [(2, 4, 9)], {"padding": "same", "groups": 2}, {}),
    ("Conv2d(4, 6, (3, 2))", [(2, 4, 7, 8)], {"padding": (1, 2), "stride": (2, 1)}, {}),
    ("ConvTranspose1d(4, 3, 3)", [(2, 4, 5)], {"stride": 2, "padding": 1, "output_padding": 1}, {}),
    ("ConvTranspose2d(4, 6, 3)", [(2, 4, 3, 4)], {"stride": 2, "output_padding": 1, "groups": 2, "bias": False}, {}),
    ("ConvTranspose2d(4, 6, 3)", [(2, 4, 3, 4)], {"stride": 2}, {"output_size": (2, 6, 8, 9)}),
    *(("Conv1d(4, 6, 4)", [(4, 9)], {"padding": 2, "padding_mode": mode}, {})
      for mode in ("circular", "reflect", "replicate")),
    ("Conv2d(4, 6, (3, 2))", [(2, 4, 7, 8)], {"padding": "same", "padding_mode": "reflect", "dilation": (2, 3)}, {}),
    *((layer, [shape], {}, {}) for layer, shape in (  # of no rows
        ("LSTM(3, 4)", (5, 0, 3)), ("ConvTranspose2d(4, 6, 3)", (0, 4, 3, 4)), ("GroupNorm(3, 6)", (0, 6, 4)))),
]  # fmt: skip
SHOWN = [
    "MaxPool2d(2)", "MaxPool1d(2, stride=1)", "AvgPool2d(3, 2, 1)", "AdaptiveAvgPool2d((1, 2))", "AdaptiveMaxPool1d(1)",
    "Unfold(2)", "Fold(4, 2)", "Conv1d(4, 2, 3, padding='same', padding_mode='circular')",
    "ConvTranspose2d(2, 4, 3, 2, bias=False, groups=2)",
    "BatchNorm2d(3)", "LSTM(2, 3, 2, bidirectional=True)", "RNNCell(2, 3, nonlinearity='relu')", "ParameterDict()",
]  # fmt: skip
CONV2D = [
    {}, {"stride": 2}, {"padding": 1}, {"padding": (1, 2), "stride": (2, 1)}, {"dilation": 2}, {"padding": "same"},
    {"padding": "same", "dilation": 2}, {"padding": "valid"}, {"stride": 0}, {"padding": -1},
    {"padding": "same", "stride": 2},
]  # fmt: skip
TRANSPOSED = [
    {}, {"stride": 2, "padding": 1}, {"stride": (2, 3), "output_padding": (1, 2)}, {"dilation": 2},
    {"stride": 3, "output_padding": 2, "padding": 2, "dilation": 2}, {"stride": 2, "output_padding": 2},
]  # fmt: skip
POOLED = [{}, {"stride": 1}, {"padding": 1}, {"stride": (2, 1), "padding": (1, 0)}, {"padding": 2}]
FUNCTIONS = [
    *(("conv2d", shapes, {**options, "groups": groups}) for options in CONV2D for groups, shapes in (
        (1, [(2, 4, 7, 8), (6, 4, 3, 2), (6,)]), (2, [(4, 7, 8), (6, 2, 3, 3)]), (4, [(1, 4, 7, 8), (4, 1, 3, 3)]))),
    ("conv2d", [(0, 4, 7, 8), (6, 4, 3, 2)], {}), ("conv2d", [(2, 3, 7, 8), (6, 4, 3, 2)], {}),
    ("conv2d", [(2, 4, 2, 8), (6, 4, 3, 2)], {}), ("conv2d", [(4, 7), (6, 4, 3, 2)], {}),
    *(("conv_transpose2d", shapes, {**options, "groups": groups}) for options in TRANSPOSED for groups, shapes in (
        (1, [(2, 4, 3, 4), (4, 3, 3, 2), (3,)]), (2, [(4, 3, 4), (4, 3, 2, 3), (6,)]))),
    *((f"{kind}_pool2d", [shape, size], options) for kind in ("max", "avg") for options in POOLED
      for shape, size in (((2, 3, 7, 8), 3), ((3, 7, 8), (2, 3)))),
    *((f"{kind}_pool1d", [(2, 3, 7), 3], options) for kind in ("max", "avg") for options in POOLED[:3]),
    ("avg_pool2d", [(2, 3, 7, 8), 3], {"count_include_pad": False, "padding": 1}),
    ("avg_pool2d", [(2, 3, 7, 8), 3], {"divisor_override": 3}), ("max_pool2d", [(2, 3, 7, 8), 3], {"dilation": 2}),
    *((f"adaptive_{kind}_pool2d", [(2, 3, 6, 8), size], {})
      for kind in ("max", "avg") for size in (1, (2, 4), (None, 2), (4, 9))),
    *((f"adaptive_{kind}_pool1d", [(2, 3, 6), size], {}) for kind in ("max", "avg") for size in (1, 3, 4)),
    ("scaled_dot_product_attention", [(2, 4, 5, 3), (2, 2, 6, 3), (2, 2, 6, 7)],
     {"is_causal": True, "enable_gqa": True}),
    ("scaled_dot_product_attention", [(4, 5, 3), (4, 6, 3), (4, 6, 7)], {"scale": 0.3}),
]  # fmt: skip


def flat(result):
    return [] if result is None else [result] if hasattr(result, "shape") else [y for x in result for y in flat(x)]


def agree(ours, theirs, leaves):
    """Results of the two, and the gradients of their leaves, (ours, theirs) each."""
    ours, theirs = flat(ours), flat(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-12, atol=1e-12, strict=True)
    weights = [X(size=tuple(each.shape)) for each in theirs]
    sum((x * pa.tensor(w)).sum() for x, w in zip(ours, weights, strict=True)).backward()
    sum((x * torch.tensor(w)).sum() for x, w in zip(theirs, weights, strict=True)).backward()
    for one, other in leaves:
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=1e-10, atol=1e-10, strict=True)


def inputs(shapes):
    arrays = [X(size=shape) for shape in shapes]
    return [pa.tensor(a, requires_grad=True) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]


@pytest.mark.filterwarnings("ignore")  # PyTorch's of nested tensors
@pytest.mark.parametrize(("layer", "shapes", "options", "keywords"), LAYERS)
def test_a_layer_gives_pytorchs_numbers_and_takes_its_state(layer, shapes, options, keywords):
    text = f"{layer[:-1]}, dtype=lib.float64, **options)"
    ours, theirs = (eval(f"lib.nn.{text}", {"lib": lib, "options": options}) for lib in (pa, torch))
    for parameter in theirs.parameters():
        torch.nn.init.uniform_(parameter, -0.5, 0.5)
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    names = [name for name, _ in theirs.named_parameters()]
    assert [name for name, _ in ours.named_parameters()] == names
    one, other = inputs(shapes)
    given = {name: isinstance(value, np.ndarray) for name, value in keywords.items()}
    results = (
        module(*x, **{name: lib.tensor(value) if given[name] else value for name, value in keywords.items()})
        for module, x, lib in ((ours, one, pa), (theirs, other, torch))
    )
    agree(*results, [*zip(one, other, strict=True), *zip(ours.parameters(), theirs.parameters(), strict=True)])


@pytest.mark.filterwarnings("ignore")  # PyTorch's of copies that padding="same" makes
@pytest.mark.parametrize(("name", "given", "options"), FUNCTIONS)
def test_a_function_of_windows_is_pytorchs(name, given, options):
    shapes = [each for each in given if isinstance(each, tuple) and (name[:4] == "conv" or each is given[0])]
    shapes = given if name.startswith("scaled") else shapes
    one, other = inputs(shapes)
    rest = given[len(shapes) :]
    try:
        theirs = getattr(torch.nn.functional, name)(*other, *rest, **options)
    except (RuntimeError, ValueError):
        with pytest.raises(ValueError, match=rf"^{name[:12]}"):
            getattr(pa.nn.functional, name)(*one, *rest, **options)
        return
    agree(getattr(pa.nn.functional, name)(*one, *rest, **options), theirs, [*zip(one, other, strict=True)])


@pytest.mark.parametrize("text", SHOWN)
def test_a_layer_is_shown_as_pytorchs(text):
    assert repr(eval(f"pa.nn.{text}")) == repr(eval(f"torch.nn.{text}"))
