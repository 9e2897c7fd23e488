"""Every op of the table in a compiled step: the same bits as eager, forward and backward, on every instruction set,
with all passes and with each of them switched off; and random programs."""

import functools
from collections.abc import Callable

import numpy as np
import pytest
from elementwise import ROWS, call, draw
from hypothesis import given, settings
from hypothesis import strategies as st

import pyautograd as pa
from pyautograd import _ops
from pyautograd._core import apply
from pyautograd.nn import functional as F

PASSES = ["constants", "common", "dead", "fuse", "plan"]


def put_rows(a: pa.Tensor, b: pa.Tensor) -> pa.Tensor:
    changed = pa.zeros_like(a)
    changed[pa.tensor([2, 0])] = b.detach()
    return changed * a


def placed(a: pa.Tensor, b: pa.Tensor) -> pa.Tensor:
    """a at the places of b[1:, ::2]."""
    return apply(_ops.table["unview"].number, a, b, (5, 5, 2))


# Each: the op's name, a function of float tensors, their shapes.
WHOLE: dict[str, tuple[Callable[..., pa.Tensor], list[tuple[int, ...]]]] = {
    "matmul": (lambda a, b: a @ b, [(5, 7), (7, 3)]),
    "linear": (F.linear, [(6, 5), (4, 5), (4,)]),
    "sum": (lambda a: a.sum(1), [(4, 5)]),
    "mean": (lambda a: a.mean(0, keepdim=True), [(4, 5)]),
    "prod": (lambda a: a.prod(1), [(3, 4)]),
    "max": (lambda a: a.amax(1), [(4, 5)]),
    "min": (lambda a: a.amin(0), [(4, 5)]),
    "var": (lambda a: a.var(1), [(4, 5)]),
    "std": (lambda a: a.std(1), [(4, 5)]),
    "norm": (lambda a: a.norm(dim=1), [(4, 5)]),
    "argmax": (lambda a: a.argmax(1), [(4, 5)]),
    "argmin": (lambda a: a.argmin(), [(4, 5)]),
    "cumsum": (lambda a: a.cumsum(0), [(4, 5)]),
    "argsort": (lambda a: a.sort(1).values, [(4, 5)]),
    "argcummax": (lambda a: a.cummax(1).values, [(4, 5)]),
    "searchsorted": (lambda a: pa.searchsorted(a, a), [(4, 5)]),
    "linear_index": (lambda a: a.topk(2, 0, largest=False).values, [(4, 5)]),
    "softmax": (lambda a: a.softmax(0), [(4, 5)]),
    "log_softmax": (lambda a: a.log_softmax(1), [(4, 5)]),
    "logsumexp": (lambda a: a.logsumexp(1), [(4, 5)]),
    "cross_entropy": (lambda a: F.cross_entropy(a, pa.tensor([0, 2, 1]), label_smoothing=0.1), [(3, 4)]),
    "view": (lambda a: a.T[1:, ::2].unsqueeze(0).expand(2, -1, -1).reshape(-1), [(4, 5)]),
    "unview": (placed, [(2, 3), (3, 5)]),
    "cast": (lambda a: a.T.clone() + a.double().T.float(), [(4, 5)]),
    "cat": (lambda a, b: pa.cat([a, b, a], 1), [(3, 2), (3, 4)]),
    "index": (lambda a: a[pa.tensor([2, 0, 2])], [(3, 4)]),
    "put": (lambda a, b: put_rows(a, b), [(4, 3), (2, 3)]),
    "written": (lambda a, b: overwritten_rows(a, b), [(4, 3), (2, 3)]),
    "index_add": (lambda a, b: a.index_add(0, pa.tensor([2, 0, 2]), b.T), [(4, 3), (3, 3)]),
    "check": (lambda a: F.binary_cross_entropy(a.sigmoid(), (a > 0).float()), [(3, 4)]),
    "dropout_mask": (lambda a: F.dropout(a, 0.4), [(6, 7)]),
    "eq": (lambda a, b: (a == b).float() * a, [(3, 4), (3, 4)]),
    "ne": (lambda a, b: (a != b).float() * a, [(3, 4), (4,)]),
    "lt": (lambda a, b: pa.where(a < b, a, b), [(3, 4), (4,)]),
    "le": (lambda a, b: pa.where(a <= b, a, b), [(3, 4), (4,)]),
    "gt": (lambda a, b: pa.where(a > b, a, b), [(3, 4), (4,)]),
    "ge": (lambda a, b: pa.where(a >= b, a, b), [(3, 4), (4,)]),
    "where": (lambda a, b: pa.where(a > 0, a, b), [(3, 4), (3, 4)]),
    "bitwise_and": (lambda a, b: pa.where((a > 0) & (b > 0), a, b), [(3, 4), (3, 4)]),
    "bitwise_or": (lambda a, b: pa.where((a > 0) | (b > 0), a, b), [(3, 4), (3, 4)]),
    "bitwise_xor": (lambda a, b: pa.where((a > 0) ^ (b > 0), a, b), [(3, 4), (3, 4)]),
    "bitwise_left_shift": (lambda a, b: a * (a.long() << b.int()), [(3, 4), (4,)]),
    "bitwise_right_shift": (lambda a, b: a * ((100 * a).int() >> b.byte()), [(3, 4), (4,)]),
    "gcd": (lambda a, b: a * pa.gcd((9 * a).int(), (6 * b).int()), [(3, 4), (4,)]),
    "bitwise_not": (lambda a: pa.where(~(a > 0), a, 2 * a), [(3, 4)]),
}
ELEMENTWISE = [name for name in ROWS if name != "where"]


def overwritten_rows(a: pa.Tensor, b: pa.Tensor) -> pa.Tensor:
    a = a * 1
    part = a[1:3]
    part.mul_(b)
    a[3] = b[0]
    return part.sum(0) * a


def test_every_op_of_the_table_is_compiled_here() -> None:
    names = {row.name for row in _ops.table.values()}
    assert names - {"leaf", "neuron", "custom", "local_grads", "program", "program_result"} == {*WHOLE, *ELEMENTWISE}


Losses = Callable[..., tuple[pa.Tensor, ...]]


def squared(function: Callable[..., pa.Tensor], *operands: pa.Tensor) -> tuple[pa.Tensor, ...]:
    """What is differentiated, then what the step returns."""
    result = function(*operands)
    loss = (result.to(operands[0].dtype) * result.to(operands[0].dtype)).sum()
    return loss, loss, result


def needed_by_the_backward_alone(function: Callable[..., pa.Tensor], *operands: pa.Tensor) -> tuple[pa.Tensor, ...]:
    useful = (operands[0] * operands[0]).sum()
    return useful + function(*operands).to(useful.dtype).sum(), useful


def twice(function: Callable[..., pa.Tensor], *operands: pa.Tensor) -> tuple[pa.Tensor, ...]:
    first, second, untracked = (function(*each) for each in (operands, operands, [x.detach() for x in operands]))
    again = function(*[x.detach() for x in operands])
    loss = (first + 2 * second.to(operands[0].dtype)).to(operands[0].dtype).sum()
    return loss + (untracked * again).to(operands[0].dtype).sum(), untracked


def agree(
    function: Callable[..., pa.Tensor],
    arrays: list[np.ndarray],
    passes: dict[str, bool] | None = None,
    losses: Losses = squared,
) -> None:
    """The loss, the result and every gradient of four calls, compiled and not, to the last bit."""
    leaves = [[pa.nn.Parameter(pa.tensor(a)) for a in arrays] for _ in range(2)]

    def step(own: list[pa.nn.Parameter], scale: pa.Tensor) -> tuple[pa.Tensor, ...]:
        for leaf in own:
            leaf.grad = None
        loss, *results = losses(function, *[leaf * scale for leaf in own])
        if loss.requires_grad:
            loss.backward()
        with pa.no_grad():
            for leaf in own:
                if leaf.grad is not None:
                    leaf -= 1e-3 * leaf.grad
        return tuple(results)

    compiled = pa.compile(functools.partial(step, leaves[1]), passes=passes)
    for i in range(4):
        scale = pa.tensor(1 + 0.01 * i, dtype=leaves[0][0].dtype)
        pa.manual_seed(i)
        wanted = step(leaves[0], scale)
        pa.manual_seed(i)
        got = compiled(scale)
        assert len(compiled.programs) == (i >= 1)
        for a, b in zip([*wanted, *leaves[0]], [*got, *leaves[1]], strict=True):
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
            assert (a.grad is None) == (b.grad is None) or not isinstance(b, pa.nn.Parameter)
            if isinstance(b, pa.nn.Parameter) and b.grad is not None:
                np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


def op_of(name: str, dtype: str = "float32") -> tuple[Callable[..., pa.Tensor], list[np.ndarray]]:
    """An op of the table, whatever its family, and operands for it."""
    if name in WHOLE:
        rng = np.random.default_rng(len(name))
        return WHOLE[name][0], [rng.normal(size=shape).astype(dtype) for shape in WHOLE[name][1]]
    shapes = [(3, 4)] if ROWS[name].operands == 1 else [(3, 4), (4,)]
    return functools.partial(call, name), [a.astype(dtype) for a in draw(name, *shapes)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*WHOLE, *ELEMENTWISE])
def test_an_op_has_the_eager_bits(name: str, dtype: str, isa: str) -> None:
    agree(*op_of(name, dtype))


@pytest.mark.parametrize("losses", [needed_by_the_backward_alone, twice])
@pytest.mark.parametrize("name", [*WHOLE, *ELEMENTWISE])
def test_a_backward_finds_what_its_forward_left(name: str, losses: Losses) -> None:
    function, arrays = op_of(name)
    for off in ((), *((each,) for each in PASSES), PASSES):
        agree(function, arrays, dict.fromkeys(off, False), losses)


@pytest.mark.parametrize("off", PASSES)
@pytest.mark.parametrize("name", ["linear", "cross_entropy", "view", "cat", "dropout_mask", "var", "where"])
def test_an_op_has_the_eager_bits_without_one_of_the_passes(name: str, off: str) -> None:
    agree(*op_of(name), {off: False})


def test_a_linear_layer_has_the_eager_bits_without_any_pass() -> None:
    agree(*op_of("linear"), dict.fromkeys(PASSES, False))


def test_tensors_as_positions_are_read_and_checked_by_every_call() -> None:
    w = pa.nn.Parameter(pa.arange(12.0).reshape(3, 4))

    def step(rows: pa.Tensor, columns: pa.Tensor) -> pa.Tensor:
        return w[rows, columns].sum() + (w[rows] * 2).sum() + w.T[columns, 1].sum() + w[:, columns[:1]].sum()

    compiled = pa.compile(step)
    for shift in range(4):
        rows = pa.tensor([0, 1, -1 - shift % 3, 2])
        columns = pa.tensor([3, -4, 0, shift])
        assert compiled(rows, columns).item() == step(rows, columns).item()
    for bad in ([0, 3], [0, -4]):
        with pytest.raises(IndexError, match="out of range"):
            compiled(pa.tensor([*bad, 0, 0]), columns)


UNARY = [
    pa.tanh,
    pa.sigmoid,
    pa.relu,
    pa.exp,
    pa.abs,
    lambda x: x * x,
    lambda x: x - 0.5,
    lambda x: 2 / (1 + x * x),
    pa.sin,
]
BINARY = [lambda x, y: x + y, lambda x, y: x * y, lambda x, y: x - y, pa.maximum, lambda x, y: x / (1 + y * y)]
SHAPED = [
    lambda x: x.sum(0, keepdim=True), lambda x: x.mean(1, keepdim=True), lambda x: x.amax(1, keepdim=True),
    lambda x: x.softmax(1), lambda x: x.T.T, lambda x: x.detach() * 0.5, lambda x: x.flatten().reshape(x.shape),
    lambda x: x[:, ::1].clone(),
]  # fmt: skip


def run_program(instructions: list[tuple[int, int, int]], own: list[pa.Tensor], x: pa.Tensor) -> pa.Tensor:
    values = [*own, x]
    for kind, which, where in instructions:
        a, b = values[where % len(values)], values[(where // 7) % len(values)]
        if kind == 0:
            values.append(UNARY[which % len(UNARY)](a).clamp(-10, 10))
        elif kind == 1:
            values.append(BINARY[which % len(BINARY)](a, b).clamp(-10, 10))
        elif kind == 2:
            values.append(SHAPED[which % len(SHAPED)](a))
        else:
            values.append((a.expand(4, 3) @ b.expand(4, 3).T @ own[0]).clamp(-10, 10))
    return sum((value.mean() for value in values[-3:]), start=values[-1].sum())


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 500)), min_size=1, max_size=25),
    st.integers(0, 99),
)
def test_random_programs_have_the_eager_bits(instructions: list[tuple[int, int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = [rng.normal(size=(4, 3)), rng.normal(size=(1, 3)), rng.normal(size=(4, 1))]
    nets = [[pa.nn.Parameter(pa.tensor(a, dtype=pa.float32)) for a in start] for _ in range(2)]
    optimizers = [pa.optim.Adam(net, lr=1e-2) for net in nets]

    def step(net: list[pa.nn.Parameter], optimizer: pa.optim.Adam, x: pa.Tensor) -> pa.Tensor:
        optimizer.zero_grad()
        loss = run_program(instructions, net, x)
        if loss.requires_grad:
            loss.backward()
            optimizer.step()
        return loss

    compiled = pa.compile(functools.partial(step, nets[1], optimizers[1]))
    for _ in range(4):
        x = pa.tensor(rng.normal(size=(4, 3)), dtype=pa.float32)
        np.testing.assert_array_equal(step(nets[0], optimizers[0], x).item(), compiled(x).item())
        for a, b in zip(*nets, strict=True):
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    assert len(compiled.programs) == 1
