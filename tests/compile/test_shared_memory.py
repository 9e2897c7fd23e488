"""Results of one call, and what it stores, share memory with one another and with places where the plain call's do."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, nn
from pyautograd.scalar import Value

World = SimpleNamespace
Step = Callable[[World, Tensor], tuple[Tensor, ...]]


def detached(w: World, x: Tensor) -> tuple[Tensor, ...]:
    loss = (x * w.weight).sum()
    w.log.append(loss.detach())
    return loss, loss.detach(), loss.view(1)


def views(w: World, x: Tensor) -> tuple[Tensor, ...]:
    h = (x * w.weight).tanh()
    return h, h.view(-1), h[1], h.T, x + 1


def parts(w: World, x: Tensor) -> tuple[Tensor, ...]:
    h = x * 2
    return h[:1], h[0:2], h[:, 1], h.sum()


def constants(w: World, x: Tensor) -> tuple[Tensor, ...]:
    ones = pa.ones(2, 2)
    return ones[0], ones.T, pa.ones(2, 2), x.sum()


def equal_parts_of_others(w: World, x: Tensor) -> tuple[Tensor, ...]:
    return (x * 2)[0], (x * 2)[0], (x * 2).T


def places(w: World, x: Tensor) -> tuple[Tensor, ...]:
    return w.weight.detach(), w.h.view(-1), x[1:], w.weight.T.detach()


def gradients(w: World, x: Tensor) -> tuple[Tensor, ...]:
    w.weight.grad = None
    (x * w.weight).square().sum().backward()
    g = w.weight.grad
    return g.view(-1), g, g[0], g.T


def stored(w: World, x: Tensor) -> tuple[Tensor, ...]:
    h = (x + w.h).tanh().detach()
    w.h, w.row = h, h[0]
    return h.T, h.sum()


def leaves(w: World, x: Tensor) -> tuple[Tensor, ...]:
    h = x * 2
    leaf = h.detach().requires_grad_()
    leaf.sum().backward()
    return h, leaf, h[0]


def beside_values(w: World, x: Tensor) -> tuple[Tensor, ...]:
    total = w.value * x[0]
    return total, total.view(-1), (w.value * 2.0).detach()


def course(function: Step, dtype: pa.dtype, is_compiled: bool, dynamic_batch: bool) -> list[Any]:
    """Of some calls, after each of which one of the results is written into: all results, the state, a gradient."""
    weight = pa.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=dtype, requires_grad=True)
    w = World(weight=weight, h=pa.zeros(2, 2, dtype=dtype), row=pa.zeros(2, dtype=dtype), log=[], value=Value(0.5))
    step: Any = lambda x: function(w, x)
    if is_compiled:
        step = pa.compile(step, dynamic_batch=dynamic_batch)
    found = []
    for k in range(8):
        results = step(pa.tensor([[0.1 * k, 1.0], [0.3, -0.7]], dtype=dtype))
        tensors = [each for each in results if isinstance(each, Tensor)]
        if tensors[0].requires_grad and k % 2:
            tensors[0].sum().backward()
        with pa.no_grad():
            tensors[k % len(tensors)].mul_(-1.0)
        everything = [*tensors, weight, w.h, w.row, *w.log]
        found.append([each.detach().numpy().copy() for each in everything])
        found.append([each.is_contiguous() for each in tensors])
        weight.grad = None
    return found


STEPS = [detached, views, parts, constants, equal_parts_of_others, places, gradients, stored, leaves, beside_values]


@pytest.mark.parametrize("dynamic_batch", [False, True])
@pytest.mark.parametrize("function", STEPS)
def test_a_write_into_one_shows_where_it_does_in_the_plain_call(function: Step, dynamic_batch: bool) -> None:
    dtype = pa.float64 if function is beside_values else pa.float32
    plain = course(function, dtype, False, dynamic_batch)
    compiled = course(function, dtype, True, dynamic_batch)
    for ours, theirs in zip(compiled, plain, strict=True):
        np.testing.assert_equal(ours, theirs)


def test_an_argument_that_stood_in_a_place_is_stored_again() -> None:
    first, second, places = pa.ones(2), pa.zeros(2), [pa.ones(2) * 9]

    @pa.compile
    def step(h: Tensor, lr: float) -> None:
        places[0] = h

    for h in (first, first, first):
        step(h, 0.5)
    step(second, lr=0.5)
    for h in (first, second, second, first, first, second):
        step(h, 0.5)
        assert places[0] is h


def test_free_rows_share_memory_too() -> None:
    step = pa.compile(lambda x: (h := x * 2, h[1:], h.T), dynamic_batch=True)
    for rows in (2, 5, 3, 9, 4):
        whole, rest, turned = step(pa.ones(rows, 2))
        whole.zero_()
        assert rest.shape == (rows - 1, 2) and turned.shape == (2, rows)
        assert rest.sum().item() == turned.sum().item() == 0.0
    assert len(step.programs) == 1


def test_backward_reads_what_it_needs_whatever_becomes_of_shared_results() -> None:
    weight = pa.ones(2, requires_grad=True)
    step = pa.compile(lambda x: (h := (x * weight).exp(), h.view(1, 2)))
    for _ in range(4):
        weight.grad = None
        whole, view = step(pa.zeros(2))
        assert whole.requires_grad and view.requires_grad
        (whole.sum() + 2 * view.sum()).backward()
        assert weight.grad is not None and weight.grad.tolist() == [0.0, 0.0]


def test_rows_that_run_stores_are_the_data() -> None:
    w, rows = World(row=pa.zeros(2)), pa.arange(12.0).view(6, 2)

    @pa.compile
    def step(x: Tensor) -> Tensor:
        w.row = x[0]
        return x.sum()

    step.run(rows, batch_size=2, epochs=2, shuffle=False)
    w.row.zero_()
    assert rows[4].tolist() == [0.0, 0.0]


def test_what_run_stores_shares_memory() -> None:
    def trained(is_compiled: bool) -> list[Any]:
        w = World(a=pa.zeros(2, 2), b=pa.zeros(2), log=[])

        def step(x: Tensor) -> Tensor:
            h = (x + w.a) * 0.5
            w.a, w.b = h, h[0]
            w.log.append(h.T)
            return h.sum()

        rows = pa.arange(12.0).view(6, 2)
        if is_compiled:
            pa.compile(step).run(rows, batch_size=2, epochs=2, shuffle=False)
        else:
            for start in (0, 2, 4) * 2:
                step(rows[start : start + 2])
        w.a.zero_()
        return [each.tolist() for each in (w.a, w.b, *w.log)]

    assert trained(True) == trained(False)


# Each has p, q and w, parameters; what is assigned is made in the step, and then one of those that share is written.
SHARED_DATA: dict[str, Callable[[Any], Any]] = {
    "add_": lambda s: (new := s.p.detach() * 2, setattr(s.p, "data", new), new.add_(1), s.p.sum())[-1],
    "setitem": lambda s: (new := s.p.detach() * 2, setattr(s.p, "data", new), new.__setitem__(0, 3), s.p.sum())[-1],
    "imul": lambda s: (new := s.p.detach() * 2, setattr(s.p, "data", new), new.__imul__(2), s.p.sum())[-1],
    "a view": lambda s: (new := s.p.detach() * 2, setattr(s.p, "data", new), new[1:].zero_(), s.p.sum())[-1],
    "a view from before": lambda s: (
        new := s.p.detach() * 2, view := new[:2], setattr(s.p, "data", new), view.fill_(5), s.p.sum())[-1],
    "only a view is left": lambda s: (
        view := (new := [s.p.detach() * 2])[0][:2], setattr(s.p, "data", new.pop()), view.fill_(5),
        s.p.sum())[-1],
    "random numbers": lambda s: (
        new := s.p.detach() * 2, setattr(s.p, "data", new), new.uniform_(0, 1), s.p.sum())[-1],
    "another assignment": lambda s: (
        new := s.p.detach() * 2, setattr(s.p, "data", new), setattr(s.q, "data", new), s.q.data.add_(1),
        s.p.sum() + new.sum())[-1],
    "two parameters, and nothing else": lambda s: (
        new := [s.p.detach() * 2], setattr(s.p, "data", new[0]), setattr(s.q, "data", new.pop()), s.q.data.add_(1),
        s.p.sum())[-1],
    "a chain, of which the middle moved on": lambda s: (
        new := s.p.detach() * 2, setattr(s.p, "data", new), setattr(s.q, "data", s.p.data),
        setattr(s.p, "data", s.w.detach() * 1), new.add_(1), s.q.sum())[-1],
    "into the parameter": lambda s: (
        new := s.p.detach() * 2, setattr(s.p, "data", new), s.p.data.add_(1), new.sum())[-1],
    "an optimiser": lambda s: (
        new := s.p.detach() * 2, setattr(s.p, "data", new), (s.p * s.p).sum().backward(), s.opt.step(), new.sum())[-1],
    "with a history": lambda s: (new := s.p.detach() * 2, setattr(s.p, "data", new), new.mul_(s.q), s.p.sum())[-1],
    "a fresh leaf": lambda s: (
        x := pa.zeros(3), new := s.p.detach() * 2, setattr(x, "data", new), new.add_(1), x.sum())[-1],
    "a gradient, added to": lambda s: (
        (s.p * s.q).sum().backward(), setattr(s.p, "data", s.p.grad), (s.w * s.p).sum().backward(), s.p.sum())[-1],
    "a gradient, set to zero": lambda s: (
        (s.p * s.q).sum().backward(), setattr(s.p, "data", s.p.grad), s.opt.zero_grad(set_to_none=False),
        s.p.sum())[-1],
    "a gradient that is kept": lambda s: (
        s.opt.zero_grad(), (s.p * s.q).sum().backward(), setattr(s.p, "data", s.p.grad), s.p.sum())[-1],
    "from outside": lambda s: (s.kept.add_(1), setattr(s.p, "data", s.kept), s.p.sum())[-1],
    "an alias from outside": lambda s: (setattr(s.p, "data", s.kept.detach()), s.p.sum())[-1],
    "another parameter": lambda s: (setattr(s.p, "data", s.q), s.p.sum())[-1],
    "kept in a place": lambda s: (
        s.kept.add_(1), total := s.p.sum(), new := s.p.detach() * 2, setattr(s.p, "data", new),
        setattr(s, "kept", new), total)[-1],
    "returned": lambda s: (new := s.p.detach() * 2, setattr(s.p, "data", new), new)[-1],
}  # fmt: skip


def shared_world() -> Any:
    p, q, w = (nn.Parameter(pa.tensor([1.0, 2.0, 3.0]) * k) for k in (1, 2, 3))
    return SimpleNamespace(p=p, q=q, w=w, kept=pa.ones(3), opt=pa.optim.SGD([p, q, w], lr=0.5))


@pytest.mark.parametrize("how", SHARED_DATA)
def test_a_write_that_assigned_data_would_show_elsewhere_is_refused(how: str) -> None:
    world = shared_world()
    with pytest.raises(pa.TraceError, match=r"clone\(\)"):
        pa.compile(lambda: SHARED_DATA[how](world))()


def test_assigned_data_that_nobody_else_sees_is_written_as_in_eager_code() -> None:
    def step(world: Any) -> Tensor:
        world.opt.zero_grad()
        with pa.no_grad():
            for p in (world.p, world.q, world.w):
                p.data = p * 0.9
        (world.p * world.q * world.w).sum().backward()
        world.opt.step()
        new = world.p.detach() * 2
        world.p.data = new.clone()
        new += 1
        world.q.data = new
        world.q.data = new * 2  # it looks elsewhere from now on
        new -= 3
        world.w.data.copy_(world.kept)
        world.kept += 1
        return new.sum() + world.p.sum() + world.q.sum() + world.w.sum()

    eager, compiled = shared_world(), shared_world()
    run = pa.compile(lambda: step(compiled))
    for _ in range(4):
        assert run().item() == step(eager).item()
        assert [t.tolist() for t in (compiled.p, compiled.q, compiled.w, compiled.kept)] == [
            t.tolist() for t in (eager.p, eager.q, eager.w, eager.kept)
        ]
