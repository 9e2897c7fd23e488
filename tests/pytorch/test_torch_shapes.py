"""Views, rearrangements and joins are PyTorch's: values, gradients, strides of views, and what is refused."""

import numpy as np
import pytest
from beside import compare, torch

import pyautograd as pa

rng = np.random.default_rng(0)
SCALAR, VECTOR, MATRIX, CUBE = np.asarray(0.5), rng.normal(size=5), rng.normal(size=(4, 6)), rng.normal(size=(4, 6, 2))
EMPTY, INTEGERS, BOOLS = np.zeros((0, 3)), np.arange(12).reshape(4, 3), np.arange(6).reshape(2, 3) % 2 == 0
EACH = [SCALAR, VECTOR, MATRIX, CUBE, EMPTY, INTEGERS, BOOLS]
F = lambda m: pa.nn.functional if m is pa else torch.nn.functional

# Of one tensor: each is called with every one of EACH
OF_ONE = {
    "flip": [lambda m, x: m.flip(x, (0,)), lambda m, x: x.flip(0, 1), lambda m, x: x.flip((-1,)),
             lambda m, x: x.flip(0, 0),
             lambda m, x: m.flip(x, dims=(0, -1)), lambda m, x: m.flip(x, ())],
    "fliplr": [lambda m, x: m.fliplr(x), lambda m, x: x.fliplr()],
    "flipud": [lambda m, x: m.flipud(x), lambda m, x: x.flipud()],
    "roll": [lambda m, x: m.roll(x, 1), lambda m, x: x.roll(-7, 0), lambda m, x: m.roll(x, (1, 2), (0, 1)),
             lambda m, x: m.roll(x, shifts=(1, 1), dims=(0, 0)), lambda m, x: x.roll((1, 2), 0),
             lambda m, x: x.roll((1, 2))],
    "rot90": [lambda m, x, k=k: m.rot90(x, k, (0, 1)) for k in (-1, 0, 1, 2, 3, 6)] + [lambda m, x: x.rot90(1, (1, -1)),
              lambda m, x: m.rot90(x), lambda m, x: x.rot90(1, (0, 0)), lambda m, x: x.rot90(1, (0,))],
    "tile": [lambda m, x: m.tile(x, (2,)), lambda m, x: x.tile(2, 1, 3), lambda m, x: x.tile((0, 2)),
             lambda m, x: x.tile(())],
    "repeat": [lambda m, x: x.repeat(2, 1, 3), lambda m, x: x.repeat(2)],
    "repeat_interleave": [lambda m, x: m.repeat_interleave(x, 2), lambda m, x: x.repeat_interleave(3, 0),
                          lambda m, x: x.repeat_interleave(3, dim=-1), lambda m, x: x.repeat_interleave(0, 0),
                          lambda m, x: x.repeat_interleave(m.tensor([2]), 0), lambda m, x: x.repeat_interleave(-1),
                          lambda m, x: x.repeat_interleave(m.tensor([1, 2, 0, 3]), 0, output_size=6),
                          lambda m, x: x.repeat_interleave(m.tensor([1, 2, 0, 3, 1]))],
    "narrow": [lambda m, x: m.narrow(x, 0, 1, 2), lambda m, x: x.narrow(-1, -2, 1), lambda m, x: x.narrow(0, 0, 0),
               lambda m, x: x.narrow(0, 3, 9), lambda m, x: x.narrow(0, 9, 0), lambda m, x: x.narrow(0, m.tensor(1), 1),
               lambda m, x: m.narrow(x, dim=0, start=1, length=1)],
    "select": [lambda m, x: m.select(x, 0, 1), lambda m, x: x.select(-1, -1), lambda m, x: x.select(0, 7)],
    "diagonal": [lambda m, x: m.diagonal(x), lambda m, x: x.diagonal(1), lambda m, x: x.diagonal(-2, -1, 0),
                 lambda m, x: m.diagonal(x, offset=1, dim1=1, dim2=2), lambda m, x: x.diagonal(9),
                 lambda m, x: x.diagonal(-9), lambda m, x: x.diagonal(0, 0, 0), lambda m, x: x.diagonal(0, -1, -2)],
    "diag": [lambda m, x: m.diag(x), lambda m, x: x.diag(1), lambda m, x: x.diag(-2)],
    "diagflat": [lambda m, x: m.diagflat(x), lambda m, x: x.diagflat(1), lambda m, x: m.diagflat(x, offset=-2)],
    "diag_embed": [lambda m, x: m.diag_embed(x), lambda m, x: x.diag_embed(1), lambda m, x: x.diag_embed(-1, 0, -1),
                   lambda m, x: m.diag_embed(x, offset=1, dim1=0, dim2=1), lambda m, x: x.diag_embed(0, 1, 0),
                   lambda m, x: x.diag_embed(0, 0, 0)],
    "unfold": [lambda m, x: x.unfold(0, 2, 1), lambda m, x: x.unfold(-1, 2, 2), lambda m, x: x.unfold(0, 4, 3),
               lambda m, x: x.unfold(0, 0, 1), lambda m, x: x.unfold(0, 1, 1), lambda m, x: x.unfold(0, 2, 0),
               lambda m, x: x.unfold(dimension=0, size=2, step=1)],
    "unflatten": [lambda m, x: m.unflatten(x, 0, (2, 2)), lambda m, x: x.unflatten(0, (-1, 2)),
                  lambda m, x: x.unflatten(-1, (3, -1)), lambda m, x: x.unflatten(0, (3, 3)),
                  lambda m, x: x.unflatten(0, (1, -1, 1))],
    "moveaxis": [lambda m, x: m.moveaxis(x, 0, -1), lambda m, x: x.moveaxis((0, 1), (1, 0)),
                 lambda m, x: x.movedim((0, 2), (2, 1))],
    "swapdims": [lambda m, x: m.swapdims(x, 0, 1), lambda m, x: x.swapdims(dim0=0, dim1=-1),
                 lambda m, x: x.swapaxes(0, -1)],
    "T": [lambda m, x: x.T if x.ndim == 2 else x.mT, lambda m, x: x.mT, lambda m, x: x.H, lambda m, x: m.adjoint(x),
          lambda m, x: x.adjoint(), lambda m, x: x.mH],
    "split": [lambda m, x: m.split(x, 2), lambda m, x: x.split([1, 3]), lambda m, x: x.split([2, 4], dim=-1),
              lambda m, x: m.split_with_sizes(x, [1, 3]), lambda m, x: x.split_with_sizes([1, 3], -1),
              lambda m, x: x.split(-1)],
    "tensor_split": [lambda m, x: m.tensor_split(x, 3), lambda m, x: x.tensor_split((1, 3)),
                     lambda m, x: x.tensor_split((3, 1, -1)),
                     lambda m, x: x.tensor_split(4, dim=-1), lambda m, x: x.tensor_split(m.tensor([1, 2])),
                     lambda m, x: x.tensor_split(0),
                     lambda m, x: x.tensor_split(m.tensor(2)), lambda m, x: x.tensor_split((9, 2))],
    "hsplit": [lambda m, x: m.hsplit(x, 2), lambda m, x: x.hsplit((1, 2)), lambda m, x: x.hsplit(5)],
    "vsplit": [lambda m, x: m.vsplit(x, 2), lambda m, x: x.vsplit((1, 2)), lambda m, x: x.vsplit(5)],
    "dsplit": [lambda m, x: m.dsplit(x, 2), lambda m, x: x.dsplit((1,)), lambda m, x: x.dsplit(5)],
    "unbind": [lambda m, x: m.unbind(x), lambda m, x: x.unbind(-1)],
    "chunk": [lambda m, x: m.chunk(x, 3), lambda m, x: x.chunk(2, -1)],
    "squeeze": [lambda m, x: x[:1].squeeze((0, 1)), lambda m, x: x.unsqueeze(-1).squeeze(-1)],
    "ravel": [lambda m, x: m.ravel(x), lambda m, x: x.ravel(), lambda m, x: m.numel(x), lambda m, x: x.ndimension()],
    "expand": [lambda m, x: x.expand(2, *(-1 for _ in range(x.ndim))), lambda m, x: x.unsqueeze(0).expand(3, *x.shape)],
    "reshape_as": [lambda m, x: x.reshape_as(x.ravel()), lambda m, x: x.reshape_as(m.zeros(7))],
    "atleast": [lambda m, x: m.atleast_1d(x), lambda m, x: m.atleast_2d(x), lambda m, x: m.atleast_3d(x),
                lambda m, x: m.atleast_2d(x, x), lambda m, x: m.atleast_3d([x, x])],
    "tril": [lambda m, x: x.tril(1), lambda m, x: m.triu(x, -1)],
    "keywords": [lambda m, x: m.permute(x, dims=(1, 0)), lambda m, x: m.reshape(x, shape=(-1,)),
                 lambda m, x: x.expand(size=(2, *x.shape)), lambda m, x: x.repeat(repeats=(2, 1, 1)),
                 lambda m, x: m.broadcast_to(x, size=(2, *x.shape)), lambda m, x: m.tile(x, dims=(2,))],
    "combinations": [lambda m, x: m.combinations(x), lambda m, x: m.combinations(x, r=3),
                     lambda m, x: m.combinations(x, 2, True),
                     lambda m, x: m.combinations(x, 0), lambda m, x: m.combinations(x, 7)],
    "contiguous": [lambda m, x: x.mT.contiguous()],
    "pad": [lambda m, x, p=p: F(m).pad(x, p)
            for p in ((1, 2), (0, 0), (-1, 2, 3, -2), (1, 0, 0, 2, 1, 1), (-9, 0), (1,))]
    + [lambda m, x: F(m).pad(x, (1, 1), value=2.5), lambda m, x: F(m).pad(x, [2, 0], "constant", 1)],
}  # fmt: skip

OF_SEVERAL = [
    (lambda m, x, y: m.vstack((x, y)), [VECTOR, VECTOR]), (lambda m, x, y: m.vstack([x, y]), [MATRIX, MATRIX[:1]]),
    (lambda m, x, y: m.row_stack((x, y)), [VECTOR, VECTOR]), (lambda m, x, y: m.hstack((x, y)), [VECTOR, VECTOR[:2]]),
    (lambda m, x, y: m.hstack((x, y)), [MATRIX, MATRIX[:, :2]]), (lambda m, x, y: m.hstack((x, y)), [SCALAR, SCALAR]),
    (lambda m, x, y: m.dstack((x, y)), [VECTOR, VECTOR]), (lambda m, x, y: m.dstack((x, y)), [MATRIX, MATRIX]),
    (lambda m, x, y: m.column_stack((x, y)), [VECTOR, VECTOR]),
    (lambda m, x, y: m.column_stack((x, y)), [MATRIX, MATRIX[:, 0]]),
    (lambda m, x, y: m.column_stack((x, y)), [SCALAR, SCALAR]), (lambda m, x, y: m.vstack((x, y)), [VECTOR, MATRIX]),
    (lambda m, x, y: m.concatenate((x, y), axis=1), [MATRIX, MATRIX]),
    (lambda m, x, y: m.concatenate((x, y), dim=0), [MATRIX, MATRIX]),
    (lambda m, x, y: m.concat((x, y), -1), [MATRIX, MATRIX]), (lambda m, x, y: m.block_diag(x, y), [MATRIX, VECTOR]),
    (lambda m, x, y: m.block_diag(x, y), [SCALAR, EMPTY]), (lambda m, x, y: m.block_diag(x, y), [INTEGERS, MATRIX]),
    (lambda m, x, y: m.block_diag(x, y), [CUBE, MATRIX]), (lambda m: m.block_diag(), []),
    (lambda m, x, y: m.meshgrid(x, y, indexing="ij"), [VECTOR, VECTOR[:2]]),
    (lambda m, x, y: m.meshgrid([x, y], indexing="xy"), [VECTOR, VECTOR[:2]]),
    (lambda m, x, y, z: m.meshgrid(x, y, z, indexing="xy"), [VECTOR, VECTOR[:2], SCALAR]),
    (lambda m, x: m.meshgrid(x, indexing="xy"), [VECTOR]), (lambda m, x: m.meshgrid(x, indexing="ij"), [MATRIX]),
    (lambda m, x, y: m.meshgrid(x, y, indexing="ij"), [VECTOR, INTEGERS[0]]),
    (lambda m, x, y: m.meshgrid(x, y, indexing="yx"), [VECTOR, VECTOR]),
    (lambda m, x, y: m.cartesian_prod(x, y), [VECTOR, VECTOR[:2]]), (lambda m, x: m.cartesian_prod(x), [VECTOR]),
    (lambda m, x, y: m.cartesian_prod(x, y), [VECTOR, MATRIX]),
    (lambda m, x, y: m.broadcast_tensors(x, y), [MATRIX, MATRIX[:1]]),
    (lambda m, x, y: m.broadcast_tensors(x, y), [SCALAR, CUBE]),
    (lambda m, x, y: m.broadcast_tensors(x, y), [MATRIX, VECTOR]),
    (lambda m: tuple(m.broadcast_shapes((2, 1), (3,), 1)), []),
    (lambda m: tuple(m.broadcast_shapes((0,), (1,))), []), (lambda m: m.broadcast_shapes((2,), (3,)), []),
    (lambda m, x: m.repeat_interleave(x), [np.array([1, 0, 2])]),
]  # fmt: skip

IMAGES = rng.normal(size=(2, 3, 5, 6))
WINDOWS = [
    {"kernel_size": 2}, {"kernel_size": (2, 3), "padding": 1}, {"kernel_size": 3, "stride": 2}, {"kernel_size": 9},
    {"kernel_size": 2, "dilation": 2, "stride": (1, 2), "padding": (0, 1)}, {"kernel_size": (1, 2, 3)},
]  # fmt: skip
PADDED = [(2, 5), (3, 2, 5), (2, 3, 4, 5), (2, 3, 4, 3, 4)]
WIDTHS = [(1, 2), (2, 0), (1, 1, 2, 1), (-1, 2), (0, 0), (-2, -1, 1, 1), (1, 2, 1, 0, 2, 1), (9, 0)]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", OF_ONE)
def test_a_function_of_one_tensor_is_pytorchs(name) -> None:
    for expression in OF_ONE[name]:
        for array in EACH:
            compare(expression, [array])


@pytest.mark.parametrize("i", range(len(OF_SEVERAL)))
def test_a_function_of_several_tensors_is_pytorchs(i) -> None:
    compare(*OF_SEVERAL[i])


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_with_what_is_there_is_pytorchs(mode) -> None:
    for shape in PADDED:
        for widths in WIDTHS:
            compare(lambda m, x, widths=widths: F(m).pad(x, widths, mode), [rng.normal(size=shape)])


@pytest.mark.parametrize("options", WINDOWS, ids=str)
def test_windows_of_images_and_their_sums_are_pytorchs(options) -> None:
    compare(lambda m, x: F(m).unfold(x, **options), [IMAGES])
    compare(lambda m, x: F(m).unfold(x, **options), [IMAGES[0]])
    compare(lambda m, x: F(m).fold(F(m).unfold(x, **options), (5, 6), **options), [IMAGES])
    compare(lambda m, x: F(m).fold(x, (5, 6), **options), [IMAGES])


VIEWS = [
    lambda x: x.narrow(1, 1, 3), lambda x: x.select(1, 2), lambda x: x.diagonal(), lambda x: x.diagonal(1, 1, 2),
    lambda x: x.unfold(1, 2, 2), lambda x: x.unflatten(1, (2, 3)), lambda x: x.movedim(0, 2), lambda x: x.mT,
    lambda x: x.swapdims(0, 1), lambda x: x.tensor_split(2, 1)[1], lambda x: x.split([2, 4], 1)[1],
    lambda x: x.unbind(2)[1],
    lambda x: x.mT.unfold(2, 2, 2).diagonal(0, 1, 3),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(VIEWS)))
def test_what_is_a_view_of_pytorchs_is_one_with_its_strides(i) -> None:
    ours, theirs = pa.tensor(CUBE), torch.tensor(CUBE)
    a, b = VIEWS[i](ours), VIEWS[i](theirs)
    assert a.stride() == b.stride()
    a += 1
    b += 1
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
