"""The same expression gives the shape, dtype, values and gradients that it gives in PyTorch."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")

X, Y, Z, V, N3, I3 = ["x", "y", "z", "v", "n3", "i3"]


def inputs(library: Any, requires_grad: bool) -> dict[str, Any]:
    """The operands that expressions use, the same numbers in both libraries."""
    rng = np.random.default_rng(7)
    arrays = {
        "x": rng.normal(size=(3, 4)),
        "y": rng.normal(size=(4,)),
        "z": rng.normal(size=(2, 1, 4)),
        "v": rng.normal(size=(3,)),
        "s": rng.normal(size=()),
        "b": rng.normal(size=(2, 3, 4)),
        "w": rng.normal(size=(4, 5)),
        "p": rng.uniform(0.5, 2, size=(3, 4)),
        "e": rng.normal(size=(0, 4)),
    }
    made = {name: library.tensor(a.tolist(), dtype=library.float64) for name, a in arrays.items()}
    made["e"] = library.zeros((0, 4), dtype=library.float64)
    if requires_grad:
        for each in made.values():
            each.requires_grad_(True)
    made["i"] = library.tensor([[0, 2], [1, 1]])
    made["m"] = library.tensor([[True, False, True, True], [False, False, True, False], [True, True, True, False]])
    made["f"] = library.tensor([1.5, -2.5, 3.5], dtype=library.float32)
    made["k"] = library.tensor([1, -2, 3])
    return made


DIFFERENTIABLE: dict[str, Callable[[Any, Any], Any]] = {
    # arithmetic with numbers on either side
    "numbers": lambda t, o: (2 - o.x) * 3 / (o.x * o.x + 1) - 1 + 2**o.x,
    "powers": lambda t, o: o.p**2 + o.p**-1.5 + o.p**0.5 + o.p**o.x,
    "broadcast": lambda t, o: o.x * o.y + o.z - o.v.reshape(3, 1) * o.s,
    "broadcast outward": lambda t, o: (o.z + o.x).sum(0) / (o.y.abs() + 1),
    "negated": lambda t, o: -o.x + abs(o.x) + (+o.x),
    # reductions
    "sum": lambda t, o: o.x.sum() * o.x.sum(0).sum() + o.x.sum(dim=1, keepdim=True).sum(),
    "sum of axes": lambda t, o: o.b.sum((0, 2)) + o.b.sum(dim=[0, -1]),
    "mean": lambda t, o: o.b.mean(1) * o.b.mean() + o.b.mean((0, 1)),
    "amax": lambda t, o: o.b.amax(1) + o.b.amax((0, 1)) + o.b.max(),
    "amin of ties": lambda t, o: t.cat([o.x, o.x]).amin(0) + t.cat([o.x, o.x]).min(),
    "max along": lambda t, o: o.x.max(dim=1).values * 2 + o.x.max(1)[0],
    "min along": lambda t, o: o.x.min(dim=0, keepdim=True).values,
    "prod": lambda t, o: o.b.prod(1) + o.b.prod() + (o.b * (o.b > 0)).prod(2)[0, 0],
    "var": lambda t, o: o.b.var() + o.b.var(1).sum() + o.b.std(dim=0).sum() + o.b.var(dim=(0, 2), correction=0).sum(),
    "norm": lambda t, o: o.x.norm() + o.x.norm(dim=1).sum() + o.x.norm(p=1),
    "logsumexp": lambda t, o: o.x.logsumexp(1) + o.x.logsumexp(0, keepdim=True).sum(),
    "softmax": lambda t, o: o.b.softmax(1) * o.b.log_softmax(-1) + t.softmax(o.b, 0),
    # products
    "matmul": lambda t, o: o.x @ o.w,
    "matmul vectors": lambda t, o: o.x @ o.y + o.v @ o.x @ o.y + o.y @ o.y,
    "matmul batched": lambda t, o: (o.b @ o.w) * (o.b.transpose(1, 2).transpose(1, 2) @ o.w),
    "matmul broadcast": lambda t, o: o.z.transpose(1, 2) @ o.x[:1] + (o.b @ o.b.transpose(-1, -2)).sum(),
    "matmul transposed": lambda t, o: o.w.T @ o.x.T + (o.x.T @ o.x).sum(),
    "mm mv dot": lambda t, o: t.mm(o.x, o.w).sum() + t.mv(o.x, o.y).sum() + t.dot(o.y, o.y) + t.outer(o.v, o.y).sum(),
    "bmm": lambda t, o: t.bmm(o.b, o.b.permute(0, 2, 1)),
    # views
    "reshape": lambda t, o: o.x.reshape(2, -1) * o.x.reshape(6, 2).T,
    "view": lambda t, o: o.x.view(4, 3) @ o.x,
    "reshape of transposed": lambda t, o: o.b.permute(2, 0, 1).reshape(8, 3) * 2,
    "squeeze": lambda t, o: o.z.squeeze() + o.z.squeeze(1) + o.z.unsqueeze(-1).squeeze(-1).squeeze(1),
    "expand": lambda t, o: o.z.expand(2, 3, -1) * o.y.expand(3, 4),
    "flatten": lambda t, o: o.b.flatten() * 2 + o.b.flatten(1).sum() + o.b.flatten(0, 1).sum(),
    "transpose": lambda t, o: o.b.transpose(0, 2) + o.b.permute(2, 1, 0) + o.x.t().sum(),
    "cat": lambda t, o: t.cat([o.x, o.x * 2, o.e], dim=0),
    "cat of axes": lambda t, o: t.cat((o.b, o.b[:, :1]), dim=1),
    "stack": lambda t, o: t.stack([o.y, o.y * 2], dim=1) + t.stack((o.y, o.y)).T,
    "split": lambda t, o: o.x.split(2, dim=1)[1] * o.x.chunk(2, 1)[0],
    "unbind": lambda t, o: o.b.unbind(1)[2] - o.b.unbind()[0].sum(),
    "repeat": lambda t, o: o.x.repeat(2, 3) + o.y.repeat(3),
    "tril": lambda t, o: o.x.tril() + o.b.triu(1).sum() + o.x.tril(-1),
    "iteration": lambda t, o: sum(row.sum() * i for i, row in enumerate(o.x)),
    # indexing
    "int": lambda t, o: o.x[1] + o.x[-1] * o.b[0, 1] + o.b[1, -1, 2],
    "slices": lambda t, o: o.b[:, 1:, ::2] * o.b[0, :2, 1::2],
    "none and ellipsis": lambda t, o: o.x[None, ..., 1] * o.b[..., 0] + o.x[:, None][:, 0].sum(),
    "integer array": lambda t, o: o.x[o.i] * o.x[[0, 2]] + o.x[:, o.i].sum(),
    "integer arrays": lambda t, o: o.b[o.i.clamp(0, 1), o.i] + o.b[:, o.i, o.i].sum(),
    "arrays apart": lambda t, o: o.b[o.i[:, 1].clamp(0, 1), :, o.i[:, 0]],
    "array and int": lambda t, o: o.b[0, :, o.i] + o.b[o.i.clamp(0, 1), 1].sum(),
    "repeated rows": lambda t, o: o.x[[0, 0, 0, 2]] ** 2,
    "mask": lambda t, o: o.x[o.m] * 2 + o.x[o.m.any(1)].sum() + o.b[:, o.m].sum(),
    "mask of rows": lambda t, o: o.x[o.v > 0] * 2,
    "index_select": lambda t, o: o.x.index_select(1, o.i[0]) + t.index_select(o.x, 1, o.i[1]),
    "gather": lambda t, o: o.x.gather(1, o.i) * 3 + o.x.gather(0, o.i).sum(),
    # choices
    "where": lambda t, o: t.where(o.m, o.x, o.y) + t.where(o.x > 0, o.x, 0.0).sum(),
    "masked_fill": lambda t, o: o.x.masked_fill(o.m, -1.0).softmax(1),
    "clamp": lambda t, o: o.x.clamp(-0.5, 0.5) + o.x.clamp(min=0) + o.x.clamp(max=0.1),
    "maximum": lambda t, o: t.maximum(o.x, o.y) * t.minimum(o.x, o.z).sum(),
    # elementwise
    "maths": lambda t,
    o: t.exp(o.x) + t.log(o.p) + o.p.sqrt() + o.x.sin() * o.x.cos() + t.erf(o.x) + o.p.rsqrt() + o.x.expm1(),
    "activations": lambda t, o: o.x.relu() + o.x.sigmoid() * o.x.tanh() + t.relu(o.x - 1),
    "float64 with float32": lambda t, o: (o.x.to(t.float32) * 2).to(t.float64) + o.f.reshape(3, 1),
    "with integers": lambda t, o: o.x * o.k.reshape(3, 1) + o.k.reshape(3, 1) + o.m,
    "empty": lambda t, o: o.e.sum() + (o.e * o.y).sum(0) + o.e.reshape(4, 0).sum(),
    "detach": lambda t, o: o.x * o.x.detach() + o.x.clone() * o.x.data,
    "chain": lambda t, o: ((o.x @ o.w).tanh() @ o.w.T - o.x).pow(2).mean(),
    "in place under the graph": lambda t, o: in_place(t, o),
}  # fmt: skip


def in_place(t: Any, o: Any) -> Any:
    h = o.x * 2
    h += o.y
    h *= 3
    total = h.sum()
    total += o.s
    return total * 2


class Operands:
    def __init__(self, made: dict[str, Any]) -> None:
        self.__dict__.update(made)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_an_expression_has_pytorchs_values_and_gradients(name: str) -> None:
    ours, theirs = inputs(pa, True), inputs(torch, True)
    a, b = DIFFERENTIABLE[name](pa, Operands(ours)), DIFFERENTIABLE[name](torch, Operands(theirs))
    assert tuple(a.shape) == tuple(b.shape)
    assert str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1]
    np.testing.assert_allclose(
        a.detach().numpy(), b.detach().numpy(), rtol=1e-6 if "float32" in name else 1e-12, atol=1e-14
    )
    upstream = np.random.default_rng(1).normal(size=tuple(a.shape))
    a.backward(pa.tensor(upstream, dtype=a.dtype))
    b.backward(torch.tensor(upstream, dtype=b.dtype))
    for key, leaf in ours.items():
        expected = theirs[key].grad
        if expected is None or not leaf.requires_grad:
            assert leaf.grad is None or not leaf.grad.numpy().any(), key
            continue
        assert leaf.grad is not None, key
        np.testing.assert_allclose(leaf.grad.numpy(), expected.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "int + float": lambda t, o: o.k + 1.5,
    "int + int": lambda t, o: o.k + 1,
    "int / int": lambda t, o: o.k / 2,
    "int ** 2": lambda t, o: o.k**2,
    "int64 + float32": lambda t, o: o.k + o.f,
    "float32 + float64 0-d": lambda t, o: o.f + o.s,
    "float64 + float32": lambda t, o: o.v + o.f,
    "float32 0-d + float64 0-d": lambda t, o: t.tensor(1.0) + o.s,
    "bool + float": lambda t, o: o.m + 0.5,
    "bool * int": lambda t, o: o.m * 3,
    "sum of bools": lambda t, o: o.m.sum(),
    "sum of ints": lambda t, o: o.k.sum() + o.k.prod(),
    "mean of floats": lambda t, o: o.f.mean(),
    "argmax": lambda t, o: o.b.argmax(),
    "argmax along": lambda t, o: o.b.argmax(1) + o.b.argmin(dim=-3, keepdim=True).sum(),
    "max of ints": lambda t, o: o.k.max() + o.i.max(0).values.sum(),
    "indices": lambda t, o: o.x.max(1).indices,
    "any": lambda t, o: o.m.any(), "all": lambda t, o: o.m.all(), "any along": lambda t, o: o.m.any(1),
    "all along": lambda t, o: o.m.all(0),
    "comparisons": lambda t, o: (o.x > o.y) & (o.x < 1) | ~(o.x == o.z[0]),
    "arange": lambda t, o: t.arange(5), "arange of floats": lambda t, o: t.arange(0, 1, 0.25),
    "arange down": lambda t, o: t.arange(5, 0, -2),
    "logspace": lambda t, o: t.logspace(-1, 2, 4, base=2), "tril_indices": lambda t, o: t.tril_indices(3, 4, -1),
    "triu_indices": lambda t, o: t.triu_indices(3, 2, 1), "new_full": lambda t, o: o.k.new_full((2,), 7),
    "new_zeros": lambda t, o: o.k.new_zeros(2, dtype=t.float64),
    "linspace": lambda t, o: t.linspace(0, 1, 5), "eye": lambda t, o: t.eye(3), "full": lambda t, o: t.full((2, 2),
    7), "full of floats": lambda t, o: t.full((2,), 0.5),
    "zeros": lambda t, o: t.zeros(2, 3), "ones": lambda t, o: t.ones((2, 3), dtype=t.int64), "zeros_like": lambda t,
    o: t.zeros_like(o.k),
    "tensor of ints": lambda t, o: t.tensor([1, 2]), "tensor of bools": lambda t, o: t.tensor([True]),
    "tensor of mixed": lambda t, o: t.tensor([1, 2.5]),
    "float64 array": lambda t, o: t.tensor(np.ones(2)), "from_numpy": lambda t, o: t.from_numpy(np.arange(3)),
    "rounding": lambda t, o: t.tensor([0.5, 1.5, 2.5, -0.5]).round(),
    "long": lambda t, o: t.tensor([1.9, -1.9]).long(), "bool": lambda t, o: t.tensor([0.0, 0.1]).bool(),
    "float": lambda t, o: o.k.float(),
    "clamp of ints": lambda t, o: o.k.clamp(-1, 2), "abs of ints": lambda t, o: o.k.abs(), "sign": lambda t,
    o: o.x.sign(),
    "where of ints": lambda t, o: t.where(o.k > 0, o.k, 0), "isnan": lambda t, o: t.isnan(o.x / o.x),
    "mean of nothing": lambda t, o: o.e.detach().mean(), "sum of nothing": lambda t, o: o.e.detach().sum(0),
    "equality with None": lambda t, o: t.tensor([o.x is None]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_an_expression_without_gradient_has_pytorchs_values_and_dtype(name: str) -> None:
    ours = PLAIN[name](pa, Operands(inputs(pa, False)))
    theirs = PLAIN[name](torch, Operands(inputs(torch, False)))
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


MISUSE: dict[str, Callable[[Any, Any], Any]] = {
    "matmul": lambda t, o: o.x @ o.x,
    "broadcast": lambda t, o: o.x + o.v,
    "reshape": lambda t, o: o.x.reshape(5, 2),
    "view of transposed": lambda t, o: o.x.T.view(12),
    "axis": lambda t, o: o.x.sum(5),
    "index": lambda t, o: o.x[7],
    "index array": lambda t, o: o.x[[0, 9]],
    "too many indices": lambda t, o: o.x[0, 0, 0],
    "cat": lambda t, o: t.cat([o.x, o.b]),
    "stack": lambda t, o: t.stack([o.x, o.y]),
    "item": lambda t, o: o.x.item(),
    "truth": lambda t, o: bool(o.x),
    "max of nothing": lambda t, o: o.e.max(),
    "mean of ints": lambda t, o: o.k.mean(),
    "expand": lambda t, o: o.x.expand(2, 4),
    "permute": lambda t, o: o.x.permute(0, 0),
    "backward of no scalar": lambda t, o: (o.x.requires_grad_(True) * 2).backward(),
    "backward twice": lambda t, o: twice(o),
    "backward of plain": lambda t, o: o.x.sum().backward(),
    "leaf in place": lambda t, o: o.x.requires_grad_(True).add_(1),
    "numpy of tracked": lambda t, o: (o.x.requires_grad_(True) * 2).numpy(),
    "integers require grad": lambda t, o: o.k.requires_grad_(True),
}  # fmt: skip


def twice(o: Any) -> None:
    loss = (o.x.requires_grad_(True) ** 2).sum()
    loss.backward()
    loss.backward()


@pytest.mark.parametrize("name", MISUSE)
def test_what_pytorch_refuses_is_refused(name: str) -> None:
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)):
        MISUSE[name](torch, Operands(inputs(torch, False)))
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)) as caught:
        MISUSE[name](pa, Operands(inputs(pa, False)))
    assert len(str(caught.value)) > 15


def test_gradients_accumulate_and_are_retained_as_in_pytorch() -> None:
    for library in (pa, torch):
        x = library.tensor([1.0, 2.0], requires_grad=True)
        h = x * 3
        h.retain_grad()
        loss = (h * h).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        assert x.grad.tolist() == [36.0, 72.0]
        assert h.grad.tolist() == [12.0, 24.0]


def test_grad_of_inner_and_unused_tensors_is_pytorchs() -> None:
    for library in (pa, torch):
        x = library.tensor([1.0, 2.0], requires_grad=True)
        y = library.tensor([3.0], requires_grad=True)
        h = x * 2
        gx, gh = library.autograd.grad((h**2).sum(), [x, h], retain_graph=True)
        assert (gx.tolist(), gh.tolist()) == ([8.0, 16.0], [4.0, 8.0])
        assert library.autograd.grad((h**2).sum(), [x, y], allow_unused=True)[1] is None
        assert x.grad is None
        with pytest.raises(RuntimeError):
            library.autograd.grad((x**2).sum(), [y])


@pytest.mark.parametrize("options", [{}, {"precision": 2, "linewidth": 50}, {"sci_mode": True}, {"profile": "short"}])
def test_the_text_of_a_tensor_is_pytorchs(options) -> None:
    rng = np.random.default_rng(0)
    drawn = [rng.normal(size=s) for s in [(), (1,), (23,), (2, 3), (2, 3, 9), (0, 3), (0,), (30, 40), (2, 7, 100)]]
    arrays = [array for d in drawn for array in (d.astype("float32"), d * 1e5, d.round(), (d * 90).astype(int), d > 0)]
    arrays += [
        np.full(5, -0.0),
        np.array([np.nan, 2, -np.inf]),
        np.array([np.inf, 0.5]),
        np.ones(3, bool),
        np.array(1e9),
    ]
    for library in (pa, torch):
        library.set_printoptions(**{"profile": "default", **options})
    try:
        for array in arrays:
            ours, theirs = (re.sub(r",\s+(?=[a-z])", ", ", repr(library.tensor(array))) for library in (pa, torch))
            assert ours == theirs.replace("torch.", "")
    finally:
        for library in (pa, torch):
            library.set_printoptions(profile="default")
