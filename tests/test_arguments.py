"""Functions take PyTorch's overloads, take no bools as axes or sizes, and name the argument that is wrong."""

import math

import numpy as np
import pytest

import pyautograd as pa
from pyautograd.nn import functional as F

X = pa.tensor([[1.0, 2.0, 4.0], [3.0, 4.0, 9.0]])
INT = pa.tensor([1, 0])


@pytest.mark.parametrize("name", ["var", "std"])
def test_a_bool_by_position_is_unbiased_as_in_pytorch(name: str) -> None:
    function, array = getattr(X, name), getattr(np, name)
    numbers = X.numpy().astype(np.float64)
    for ddof, unbiased in ((0, False), (1, True)):
        for call, axis in [
            (lambda u: function(u), None),
            (lambda u: function(0, u), 0),
            (lambda u: function((0, 1), u), None),
            (lambda u: function(1, unbiased=u), 1),
            (lambda u: function(unbiased=u), None),
            (lambda u: function(dim=1, correction=int(u)), 1),
        ]:
            np.testing.assert_allclose(call(unbiased).numpy(), array(numbers, axis=axis, ddof=ddof), rtol=1e-6)
    assert function(0, False, True).shape == (1, 3)
    assert function(0, keepdim=True).shape == (1, 3)
    assert function(axis=1, keepdims=True).shape == (2, 1)
    with pytest.raises(TypeError, match=f"{name}: unbiased and correction"):
        function(0, unbiased=True, correction=1)


BOOL_AS_AN_AXIS = {
    **{name: lambda t, name=name: getattr(t, name)(True) for name in (
        "sum", "mean", "prod", "amax", "amin", "max", "min", "any", "all", "argmax", "argmin", "softmax", "log_softmax",
        "logsumexp", "unsqueeze", "squeeze", "unbind", "size", "stride",
    )},
    "var": lambda t: t.var(True, False),
    "norm": lambda t: t.norm(2, True),
    "flatten": lambda t: t.flatten(True),
    "transpose": lambda t: t.transpose(True, False),
    "permute": lambda t: t.permute(True, False),
    "movedim": lambda t: t.movedim(True, 0),
    "cat": lambda t: pa.cat([t, t], True),
    "stack": lambda t: pa.stack([t, t], True),
    "split": lambda t: t.split(1, True),
    "chunk": lambda t: t.chunk(1, True),
    "index_select": lambda t: t.index_select(True, INT),
    "gather": lambda t: t.gather(True, pa.tensor([[0]])),
}  # fmt: skip


@pytest.mark.parametrize("name", BOOL_AS_AN_AXIS)
def test_a_bool_is_no_axis(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name}: (dim|dim0|dims|start_dim|source) must be an int, not bool"):
        BOOL_AS_AN_AXIS[name](X)


def test_keepdim_is_a_bool() -> None:
    for call in (lambda: X.sum(0, 1), lambda: X.mean(0, keepdim=0), lambda: X.max(0, 1), lambda: X.any(0, 1)):
        with pytest.raises(TypeError, match="keepdim must be a bool, not int"):
            call()


@pytest.mark.parametrize("size", [True, (2, True), 2.0, (2, "a"), [None], np.ones(2)])
def test_sizes_are_ints(size) -> None:
    for name in ("zeros", "ones", "empty", "rand", "randn"):
        with pytest.raises(TypeError, match=f"^{name}: size must be an int"):
            getattr(pa, name)(size)
    for name in ("reshape", "view", "expand", "repeat"):
        with pytest.raises(TypeError, match=rf"^{name}: \w+ must be an int"):
            getattr(X, name)(size)


def test_axes_and_sizes_may_be_integers_of_any_kind() -> None:
    for one in (1, np.int64(1), np.uint8(1), pa.tensor(1)):
        assert X.sum(one).shape == (2,)
        assert X.max(np.int32(1)).values.shape == (2,)
        assert pa.zeros(one, 3).shape == (1, 3)
        assert X.tril(one).tolist() == [[1, 2, 0], [3, 4, 9]]


# Where PyTorch refuses or defines something, it is the same here.


def test_no_axes_are_no_axes_where_pytorch_has_it_so() -> None:
    row = pa.ones(1, 3)
    assert row.squeeze(()).shape == (1, 3)
    assert row.any(()).tolist() == [[True, True, True]]
    assert row.all(()).tolist() == [[True, True, True]]
    assert row.sum(()).shape == row.mean(()).shape == row.amax(()).shape == ()


def test_split_takes_no_negative_sizes() -> None:
    with pytest.raises(ValueError, match=r"split: pieces \[-1, 3\] of an axis of size 2"):
        X.split([-1, 3])
    with pytest.raises(ValueError, match="split: pieces of size -1"):
        X.split(-1)
    with pytest.raises(TypeError, match="split: split_size_or_sections must be an int"):
        X.split(1.0)


def test_an_empty_axis_is_cut_and_a_negative_repeat_refused() -> None:
    assert [piece.shape for piece in pa.zeros(0, 3).chunk(2)] == [(0, 3), (0, 3)]
    with pytest.raises(ValueError, match=r"repeat: repeats \(-1, 1\) for a tensor of shape \(\)"):
        pa.tensor(1.0).repeat(-1, 1)


def test_gather_and_index_select_take_int64_positions_from_zero() -> None:
    for name, index in (("gather", pa.tensor([[-1, 0, 0]])), ("index_select", pa.tensor([-1]))):
        with pytest.raises(IndexError, match=f"{name}: index -1 is out of range at an axis of size 2"):
            getattr(X, name)(0, index)
        with pytest.raises(IndexError, match=f"{name}: index 2 is out of range"):
            getattr(X, name)(0, index + 3)
        with pytest.raises(TypeError, match=f"{name}: index must be int64 or int32, not bool"):
            getattr(X, name)(0, index == 0)
    assert X.index_select(0, pa.tensor(1)).tolist() == [[3, 4, 9]]
    with pytest.raises(IndexError, match="index_select: index of shape"):
        X.index_select(0, pa.tensor([[0]]))
    with pytest.raises(ValueError, match=r"gather: an index of shape \(1, 4\) for a tensor of shape \(2, 3\)"):
        X.gather(0, pa.tensor([[0, 0, 0, 0]]))
    assert X.gather(1, pa.tensor([[2]])).tolist() == [[4]]


@pytest.mark.parametrize("name", ["tril", "triu"])
@pytest.mark.parametrize("diagonal", [1.0, True, None, "a"])
def test_a_diagonal_is_an_int(name: str, diagonal) -> None:
    with pytest.raises(TypeError, match=f"^{name}: diagonal must be an int"):
        getattr(X, name)(diagonal)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, -(2**64), 1e30, math.nan, math.inf])
def test_a_number_that_int64_cannot_hold_fills_nothing(number) -> None:
    before = INT.tolist()
    for name, call in (("full", lambda: pa.full((1,), number, dtype=pa.int64)), ("fill_", lambda: INT.fill_(number))):
        with pytest.raises(ValueError, match=f"^{name}: .* does not fit into a tensor of int64"):
            call()
    assert INT.tolist() == before
    assert pa.full((2,), 2**63 - 1).tolist() == [2**63 - 1] * 2 and pa.full((1,), -(2**63)).item() == -(2**63)


def test_arange_linspace_and_eye_take_pytorchs_arguments_and_name_wrong_ones() -> None:
    assert pa.arange(3.1, dtype=pa.int64).tolist() == [0, 1, 2]
    assert pa.arange(3.1).tolist() == [0, 1, 2, 3]
    assert pa.arange(1, 4.9, 1.9, dtype=pa.int64).tolist() == [1, 2, 3]
    assert pa.arange(0).shape == pa.arange(2, 2, -1).shape == (0,)
    assert pa.arange(np.int64(3)).dtype == pa.int64
    for call in (
        lambda: pa.arange(5, 1),
        lambda: pa.arange(1, 5, -1),
        lambda: pa.arange(1, 5, 0.5, dtype=pa.int64),
        lambda: pa.arange(math.inf),
        lambda: pa.arange(0, math.nan),
        lambda: pa.linspace(0, 1, -1),
        lambda: pa.eye(-1),
    ):
        with pytest.raises(ValueError, match=r"^(arange|linspace|eye): "):
            call()
    for call in (
        lambda: pa.arange("3"),
        lambda: pa.linspace(0, 1, 2.0),
        lambda: pa.eye(True),
        lambda: pa.randperm(2.0),
    ):
        with pytest.raises(TypeError, match=r"^(arange|linspace|eye|randperm): \w+ must be "):
            call()


def test_randint_takes_its_bounds_by_position_and_by_name() -> None:
    calls = [pa.randint(5, (99,)), pa.randint(5, size=(99,)), pa.randint(high=5, size=(99,)), pa.randint(0, 5, (99,))]
    for draws in calls:
        assert draws.shape == (99,)
        assert 0 <= draws.min().item() <= draws.max().item() < 5


def test_probabilities_and_targets_are_between_0_and_1() -> None:
    good = pa.tensor([0.0, 0.5, 1.0])
    for bad in (pa.tensor([0.5, 1.5, 0.0]), pa.tensor([-0.1, 0.0, 0.0]), pa.tensor([math.nan, 0.0, 0.0])):
        with pytest.raises(ValueError, match="binary_cross_entropy: all elements of target"):
            F.binary_cross_entropy(good, bad)
        with pytest.raises(ValueError, match="binary_cross_entropy: all elements of input"):
            F.binary_cross_entropy(bad, good)


# An argument of the wrong kind


@pytest.mark.parametrize("wrong", [None, "text", object(), {}, [1.0], 1j])
def test_what_is_no_tensor_is_named(wrong) -> None:
    functions = {
        "sum": lambda t: pa.sum(t, 0), "softmax": lambda t: pa.softmax(t, 0), "exp": pa.exp, "transpose":
        lambda t: pa.transpose(t, 0, 1), "squeeze": lambda t: pa.squeeze(t, 0), "flatten": pa.flatten, "t": pa.t,
        "mm": lambda t: pa.mm(t, X), "isclose": lambda t: pa.isclose(X, t), "expand_as": lambda t: X.expand_as(t),
        "type_as": lambda t: X.type_as(t), "tril": pa.tril, "rand_like": pa.rand_like, "zeros_like": pa.zeros_like,
        "cat": lambda t: pa.cat([X, t]), "stack": lambda t: pa.stack([X, t]), "gather": lambda t: pa.gather(X, 0, t),
        "mse_loss": lambda t: F.mse_loss(t, X), "cross_entropy": lambda t: F.cross_entropy(X, t),
        "nll_loss": lambda t: F.nll_loss(X, t), "embedding": lambda t: F.embedding(t, X), "one_hot": F.one_hot,
        "layer_norm": lambda t: F.layer_norm(t, (3,)), "kaiming_uniform_": pa.nn.init.kaiming_uniform_,
        "batch_norm": lambda t: F.batch_norm(t, None, None, training=True), "add": lambda t: X.add(t),
    }  # fmt: skip
    for name, function in functions.items():
        with pytest.raises(TypeError, match=rf"^{name}: .*(must be|must be tensors).*, not "):
            function(wrong)


def test_several_axes_move_at_once() -> None:
    x = pa.arange(24).reshape(2, 3, 4)
    for source, destination in ((0, 2), ((0, 1), (-1, 0)), ([2, 0], [0, 1]), ((), ())):
        assert np.array_equal(x.movedim(source, destination).numpy(), np.moveaxis(x.numpy(), source, destination))
    with pytest.raises(ValueError, match=r"^movedim: 2 axes"):
        x.movedim((0, 1), (2,))
    with pytest.raises(TypeError, match=r"^movedim: .* both be ints or both tuples"):
        x.movedim((0,), 2)
    with pytest.raises(ValueError, match="named twice in source"):
        x.movedim((0, 0), (1, 2))


@pytest.mark.parametrize(
    ("made", "argument"),
    [("BatchNorm1d", "num_features"), ("Embedding", "num_embeddings"),
     ("Linear", "in_features"), ("Softplus", "beta"), ("CrossEntropyLoss", "weight"),
     ("BCEWithLogitsLoss", "pos_weight"),
     ("Dropout", "p")],
)  # fmt: skip
def test_a_module_names_the_wrong_argument_it_is_made_with(made: str, argument: str) -> None:
    others: dict[str, int] = {"Embedding": {"embedding_dim": 2}, "Linear": {"out_features": 2}}.get(made, {})
    with pytest.raises(TypeError, match=f"^{made}: {argument} must be "):
        getattr(pa.nn, made)(**{argument: {}}, **others)


def test_an_operand_of_another_shape_is_refused_though_it_would_broadcast() -> None:
    for weight in (pa.ones(2, 3), pa.ones(1)):
        with pytest.raises(ValueError, match=r"^layer_norm: weight has shape"):
            F.layer_norm(pa.ones(2, 3), (3,), weight)
    with pytest.raises(ValueError, match=r"^embedding: padding_idx 7 is none of 4 rows"):
        F.embedding(pa.tensor([0]), pa.ones(4, 2), padding_idx=7)


def test_a_wrong_parameter_is_named() -> None:
    for call, text in [
        (lambda: F.leaky_relu(X, "a"), "leaky_relu: parameter 1 must be a number"),
        (lambda: F.dropout(X, None), "dropout: p must be a number"),
        (lambda: X.add(X, alpha="a"), "add: alpha must be a number"),
        (lambda: pa.cat(X), "cat: tensors must be a sequence of Tensors, not Tensor"),
        (lambda: pa.nn.init.uniform_(pa.ones(2), "a"), "uniform_: a must be a number, not str"),
        (lambda: pa.nn.Module().get_submodule(3), "get_submodule: target must be a str, not int"),
        (lambda: pa.optim.SGD([{"params": {pa.nn.Parameter(X)}}], 0.1), "optimizer parameters need an order"),
        (lambda: pa.logsumexp(X), "logsumexp: missing a required argument: 'dim'"),
    ]:
        with pytest.raises(TypeError, match=f"^{text}"):
            call()


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "var", "std", "amax", "amin", "any", "all", "argmax", "argmin",
                                  "logsumexp", "norm"])  # fmt: skip
def test_reductions_take_numpys_names(name):
    x = pa.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
    reduce = getattr(x, name)
    assert (reduce(axis=1) == reduce(dim=1)).all()
    assert reduce(axis=0, keepdims=True).shape == (1, 3)
    with pytest.raises(TypeError, match="same thing"):
        reduce(dim=1, axis=1)


def test_shapes_and_softmax_take_numpys_names():
    x = pa.tensor([[1.0, -2.0], [0.5, 4.0]])
    assert (x.softmax(axis=0) == x.softmax(dim=0)).all() and (x.log_softmax(axis=0) == x.log_softmax(0)).all()
    assert pa.cat([x, x], axis=1).shape == (2, 4) and pa.stack([x, x], axis=2).shape == (2, 2, 2)
    assert x.unsqueeze(axis=1).squeeze(axis=1).shape == (2, 2)
    assert x.max(axis=1).indices.tolist() == [0, 1] and x.min(axis=0, keepdims=True).values.tolist() == [[0.5, -2.0]]


@pytest.mark.parametrize("call", [pa.nn.Linear(2, 1), lambda x: pa.matmul(x, X), lambda x: F.linear(x, X)])
def test_a_list_for_an_operand_is_named(call):
    with pytest.raises(TypeError, match=r"operand 1 must be a Tensor or a number, not <class 'list'>"):
        call([[1.0, 2.0]])
