"""Float32 products, backward sweeps and updates flush denormals, other work keeps them; the caller's mode stays."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from threads import interrupt_while_in_use
from trainings import training_step

import pyautograd as pa
from pyautograd import Tensor, nn, optim
from pyautograd.scalar import Value

SMALLEST = np.finfo(np.float32).tiny
SUPPORTED = pa.set_flush_denormal(True)
needs_flushing = pytest.mark.skipif(not SUPPORTED, reason="this processor does not flush denormals")


def mode_keeps_denormals() -> bool:
    """In the calling thread, as NumPy computes."""
    return bool((np.full(4, 1e-40, np.float32) * np.float32(0.5) != 0).all())


@pytest.fixture(autouse=True)
def the_callers_mode_is_left_alone() -> Iterator[None]:
    assert mode_keeps_denormals()
    yield
    assert mode_keeps_denormals()


def has_denormals(x: Any) -> bool:
    numbers = np.abs(np.asarray(x))
    return bool(((numbers > 0) & (numbers < SMALLEST)).any())


@needs_flushing
@pytest.mark.parametrize("m, k, n", [(1, 1, 1), (1, 40, 7), (5, 3, 2), (33, 65, 17), (70, 200, 130)])
def test_products_of_float32_flush_denormals(isa: str, m: int, k: int, n: int) -> None:
    small, tiny, one = (pa.full((m, k), 1e-20), pa.full((m, k), 1e-40), pa.ones(k, n))
    assert not (small @ (one * (1e-20 / k))).any(), "results are flushed"
    assert not (tiny @ (one * 1e10)).any(), "operands are zero"
    assert not nn.functional.linear(tiny, (one * 1e10).T, pa.full((n,), 1e-40)).any()
    assert (small @ (one * 1e-10)).all()


def test_other_forwards_keep_denormals(isa: str) -> None:
    x = pa.full((50,), 1e-40)
    for y in (x * 1, x + x, x.sum(), x.mean(), x.max(), x.relu(), pa.exp(pa.full((50,), -95.0)), x.to(pa.float64)):
        assert y.all()


@needs_flushing
def test_backward_sweeps_flush_denormals(isa: str) -> None:
    for op in (
        lambda x: x * 1e-20,
        lambda x: x.tanh() * 1e-20,
        lambda x: (x * 1e-20).sum(0),
        lambda x: x[:, 1:3] * 1e-20,
    ):
        x = pa.ones(40, 50, requires_grad=True)
        y = op(x)
        y.backward(pa.full(y.shape, 1e-20))
        assert not x.grad.any()
    x = pa.ones(40, requires_grad=True)
    x.grad = pa.full((40,), 1e-40)
    (x * 0).sum().backward()
    assert not x.grad.any(), "gradients that are added to are flushed as well"


def test_float64_and_values_keep_denormals(isa: str) -> None:
    x = pa.full((3, 3), 1e-160, dtype=pa.float64, requires_grad=True)
    product = x @ x
    product.backward(pa.full((3, 3), 1e-150, dtype=pa.float64))
    assert product.all() and x.grad.all()
    a, b = Value(1e-160), Value(1e-160)
    c = a * b
    c.backward()
    (c * a.grad).backward()
    assert c.data == 1e-160 * 1e-160 > 0

    def step(p: Value) -> Value:
        loss = p * 1e-160 * 1e-155
        loss.backward()
        return loss

    p, q = Value(1.0), Value(1.0)
    assert pa.compile(step)(p).data == step(q).data
    assert p.grad == q.grad == 1e-160 * 1e-155


@needs_flushing
def test_updates_flush_all_but_the_plain_one_of_float64() -> None:
    def updated(dtype: Any, **options: Any) -> Tensor:
        p = pa.full((3,), 1e-310 if dtype is pa.float64 else 1e-40, dtype=dtype, requires_grad=True)
        p.grad = pa.zeros_like(p)
        optim.SGD([p], lr=0.1, **options).step()
        return p

    assert updated(pa.float64).all()
    assert not updated(pa.float32).any()
    assert not updated(pa.float64, momentum=0.9).any()


class Net(nn.Module):
    """Maps before and after products, sums over mixed dtypes, more elements than a block has."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 50), nn.Linear(50, 3)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        h = (self.first(x * scale) * 1e-25).tanh() * 1e-10 + 1e-39
        y = self.second(h.relu() * 2) * 1e-3
        return (y.to(pa.float64) * 1e-5).sum() + (h * 1e-2 * h.detach()).mean() + (x * 1e-30).square().sum()


@pytest.mark.parametrize("passes", [{}, {"fuse": False}, {"dead": False, "common": False}])
@pytest.mark.parametrize("flush", [True, False])
def test_eager_and_compiled_have_the_same_bits(isa: str, passes: dict[str, bool], flush: bool) -> None:
    def build(compiled: bool) -> tuple[Callable[..., Tensor], nn.Module]:
        pa.manual_seed(3)
        net = Net()
        optimizer = optim.Adam(net.parameters(), lr=1e-3)

        def step(x: Tensor, scale: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = net(x, scale)
            loss.backward()
            for p in net.parameters():
                p.grad *= 1e-8
            (net.second.weight * 1e-33).sum().backward()
            after = (x * 1e-39).sum()
            optimizer.step()
            return loss + after

        return (pa.compile(step, passes=passes) if compiled else step), net

    pa.set_flush_denormal(flush)
    try:
        (eager, a), (compiled, b) = build(False), build(True)
        rng = np.random.default_rng(0)
        for scale in (1.0, 1e-10, 1e-20, 1e-30, 1e-38, 1e-41):
            x, s = pa.tensor(rng.standard_normal((100, 6)), dtype=pa.float32), pa.tensor(scale)
            assert eager(x, s).detach().numpy().tobytes() == compiled(x, s).detach().numpy().tobytes()
            for p, q in zip(a.parameters(), b.parameters(), strict=True):
                assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()
                assert p.grad.numpy().tobytes() == q.grad.numpy().tobytes()
    finally:
        pa.set_flush_denormal(True)


@needs_flushing
def test_flushing_can_be_switched_off() -> None:
    try:
        assert pa.set_flush_denormal(False) is True
        x = pa.ones(4, requires_grad=True)
        (x * 1e-40).sum().backward()
        assert (pa.full((4, 4), 1e-40) @ pa.ones(4, 4)).all() and has_denormals(x.grad)
    finally:
        assert pa.set_flush_denormal(True) is True
    assert not (pa.full((4, 4), 1e-40) @ pa.ones(4, 4)).any()
    with pytest.raises(TypeError, match="set_flush_denormal: mode must be a bool, not int"):
        pa.set_flush_denormal(1)  # type: ignore[arg-type]


@needs_flushing
def test_products_of_several_threads_agree_that_a_tiny_operand_is_zero() -> None:
    before = pa.get_num_threads()
    try:
        for threads in (1, 2):
            pa.set_num_threads(threads)
            for shape, other in (((300, 500), (500, 420)), ((420, 500), (500, 300))):
                assert not (pa.full(shape, 1e-39) @ pa.ones(other)).any()
                assert not (pa.ones(shape) @ pa.full(other, 1e-39)).any()
    finally:
        pa.set_num_threads(before)


def test_exceptions_leave_the_mode_alone() -> None:
    table, w = pa.ones(4, 4, requires_grad=True), pa.ones(4, 4)

    @pa.compile
    def step(x: Tensor, i: Tensor) -> Tensor:
        loss = ((x @ w)[i] * table).sum()
        loss.backward()
        return loss

    good, bad = pa.tensor([0, 1, 2, 3]), pa.tensor([0, 1, 2, 9])
    for _ in range(3):
        step(w, good)
    with pytest.raises(IndexError):
        step(w, bad)
    assert mode_keeps_denormals()
    with pytest.raises(IndexError):
        (w @ w)[bad]


class Watched(pa.autograd.Function):
    """y = 2 x, noting the mode in which its Python runs; a backward of 3 elements fails."""

    seen: ClassVar[list[bool]] = []

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        Watched.seen.append(mode_keeps_denormals())
        return pa.tensor(2 * x.numpy())

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        Watched.seen.append(mode_keeps_denormals())
        if g.shape == (3,):
            raise ValueError("no backward")
        return g * 2


@needs_flushing
@pytest.mark.parametrize("n", [2, 400_000])
def test_functions_run_in_the_callers_mode_and_the_sweep_goes_on_in_its_own(n: int) -> None:
    Watched.seen.clear()
    x = pa.ones(n, requires_grad=True)
    y = Watched.apply(x * 1e-20) * 1
    y.backward(pa.full((n,), 1e-20))
    assert Watched.seen == [True, True] and not x.grad.any()
    x = pa.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="no backward"):
        (Watched.apply(x) * 2).sum().backward()
    assert mode_keeps_denormals()


def test_callbacks_and_handlers_run_in_the_callers_mode() -> None:
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    step = pa.compile(training_step(net, optim.Adam(net.parameters(), lr=1e-3), nn.functional.mse_loss))
    x, y = pa.ones(1000, 3), pa.ones(1000, 1)
    seen: list[bool] = []
    step.run(x, y, batch_size=10, epochs=2, callback=lambda *_: seen.append(mode_keeps_denormals()))

    def handler(*_: Any) -> None:
        seen.append(mode_keeps_denormals())
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            thread = interrupt_while_in_use(next(net.parameters()))
            step.run(x, y, batch_size=10, epochs=10**9)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(seen) >= 3 and all(seen)
