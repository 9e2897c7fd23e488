"""A write in place is part of the graph, is refused, or is found by backward; views and arrays stay valid."""

import contextlib
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from failing_allocations import MOST, alive, assert_alive, failures
from functions import double
from gradcheck import check_gradients, leaf

import pyautograd as pa
from pyautograd._c import lib


def test_losses_add_up_in_a_tensor_made_from_data():
    w = pa.tensor(2.0, requires_grad=True)
    total = pa.tensor(0.0)
    for i in range(3):
        total += w * i
    total.backward()
    assert w.grad.item() == 3


def test_an_array_sees_what_is_written_with_a_history():
    w = pa.ones(3, requires_grad=True)
    x = pa.zeros(3)
    array = x.numpy()
    x += w
    x[0] = w[0] * 5
    assert array.tolist() == x.tolist() == [5, 1, 1]
    x.sum().backward()
    assert w.grad.tolist() == [5, 1, 1]


def test_an_array_stays_valid_when_its_tensor_moves_on_or_dies():
    x = pa.zeros(3)
    array = x.numpy()
    x.data = pa.ones(3, dtype=pa.float64)
    del x
    gc.collect()
    pa.ones(3), pa.ones(3)
    assert array.tolist() == [0, 0, 0]


def test_a_function_keeps_its_backward_when_its_result_changes_in_place():
    x = pa.tensor([2.0], requires_grad=True)
    y = double(x)
    y += x
    y.sum().backward()
    assert x.grad.tolist() == [3]


def test_retain_grad_holds_for_the_tensor_also_after_a_write_in_place():
    x = pa.tensor([2.0], requires_grad=True)
    y = x * 3
    y.retain_grad()
    y *= x
    (y * 2).sum().backward()
    assert y.grad.tolist() == [2]


def test_a_result_changed_after_backward_may_need_it_raises():
    x = pa.tensor([0.5], requires_grad=True)
    y = x.sigmoid()
    with pa.no_grad():
        y += 1
    with pytest.raises(RuntimeError, match="sigmoid needs its result"):
        y.sum().backward()
    assert x.grad is None


def test_numbers_in_place_do_not_become_bools():
    x = pa.tensor([True, False])
    with pytest.raises(TypeError, match="int64 does not fit in place into a tensor of dtype bool"):
        x += 1
    assert x.tolist() == [True, False]


@pytest.mark.parametrize("write", ["copy_", "fill_"])
def test_a_gradient_flows_to_what_is_copied(write):
    x, w = pa.zeros(3), pa.tensor(2.0, requires_grad=True)
    getattr(x, write)(w)
    (x * pa.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.tolist() == [2, 2, 2] and w.grad.item() == 6
    with pa.no_grad():
        getattr(x, write)(w * 2)
    assert x.tolist() == [4, 4, 4]


@pytest.mark.parametrize("key", [(None, slice(None), slice(3, None)), slice(2, None)], ids=str)
def test_a_part_without_elements_may_be_written_to(key):
    x = pa.ones(2, 3)
    x[key] += 0.25
    x[key] = 7
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_tensor_without_elements_is_contiguous_and_takes_every_shape():
    empty = pa.ones(1, 4)[:-1, ::2]
    assert empty.shape == (0, 2) and empty.is_contiguous()
    assert empty.view(0).shape == (0,) and empty.view(4, 0).shape == (4, 0)


def test_memory_that_overlaps_by_way_of_an_array_is_copied_as_it_was():
    for size in (8, 5000):
        x = pa.arange(float(size))
        again = pa.from_numpy(x.numpy())
        x[1:].copy_(again[:-1])
        assert x.tolist() == [0, *range(size - 1)]
    square = pa.arange(9.0).reshape(3, 3)
    transposed = pa.from_numpy(square.numpy()).T
    square.copy_(transposed)
    assert square.tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


@pytest.mark.parametrize(
    "function", [lambda x, at: x[at].sum(), pa.nn.functional.cross_entropy], ids=["rows", "classes"]
)
def test_positions_overwritten_through_an_array_raise_in_backward(function):
    x, at = pa.zeros(3, 3, requires_grad=True), pa.tensor([0, 1, 2])
    array = at.numpy()
    for outside in (3, -1, 10**12):
        array[:] = [0, 1, 2]
        loss = function(x, at)
        array[1] = outside
        with pytest.raises(IndexError, match="out of range"):
            loss.backward()
        assert x.grad is None


X, ROW, COLUMN = (np.random.default_rng(5).normal(size=shape) for shape in ((3, 4), (4,), (3,)))


def into_a_buffer(row, column):
    buffer = pa.zeros(3, 4, dtype=pa.float64)
    for t in range(3):
        row = pa.tanh(row * column[t])
        buffer[t] = row
    return buffer * buffer


def through_views(x, row, column):
    x = x * 2
    x.view(-1)[3] = row[0]
    x.T[0] = column
    x[1].mul_(row)
    x[:, 2].add_(column).exp_()
    return x * x


def through_parts_of_a_buffer(row, column):
    buffer = pa.zeros(3, 4, dtype=pa.float64)
    buffer[0][1] = row[2]
    buffer[1:, 1:3] += row[:2]
    for part, each in zip(buffer.unbind(0), column, strict=True):
        part.sub_(each)
    return buffer


def into_views_that_stay(x, row, column):
    x = x * 1
    first, second = x[1], x[:, 1]
    first.copy_(row)
    second.mul_(column)
    x.neg_()
    first.add_(column[0])
    return x.sum() + first * second[0] + second.sum()


def children_of_before(x, row):
    x = x * 2
    before = x.sum(1)
    x += row
    after = x.sum(0)
    x *= row
    return x.sum() + before.sum() * after


def at_positions(x, row, column):
    x = x * 2
    x[pa.tensor([0, 2])] = row
    x[:, (0, 1)] = column[0]
    x[pa.tensor([0, 1]), pa.tensor([3, 2])] = row[:2]
    x[x > 0.5] = column[1]
    x[pa.tensor([True, False, True])] = 0.25
    return x * x


def by_methods(x, row, column):
    x = x * 1
    x.index_add_(0, pa.tensor([0, 0]), x[:2].clone()).scatter_(1, pa.tensor([[0], [1], [2]]), column.reshape(3, 1))
    x.masked_fill_(x > 1, row[1]).fill_diagonal_(4.0).clamp_(-1.0, 1.5).pow_(2)
    x[0].zero_()
    x[:, 1].fill_(2.0)
    return x * row


def numbers_in_0_d(row):
    total = pa.zeros((), dtype=pa.float64)
    total += row[0]
    again = total.reshape(1)
    again *= row[1]
    return again * total.add_(1)


WRITES = [
    (into_a_buffer, (ROW, COLUMN)), (through_views, (X, ROW, COLUMN)), (through_parts_of_a_buffer, (ROW, COLUMN)),
    (into_views_that_stay, (X, ROW, COLUMN)), (children_of_before, (X, ROW)), (at_positions, (X, ROW, COLUMN)),
    (by_methods, (X, ROW, COLUMN)), (numbers_in_0_d, (ROW,)),
]  # fmt: skip
NAMES = [function.__name__ for function, _ in WRITES]


@pytest.mark.parametrize(("function", "arrays"), WRITES, ids=NAMES)
def test_gradients_flow_through_writes(function, arrays):
    check_gradients(function, *arrays)


@pytest.mark.parametrize(("function", "arrays"), WRITES, ids=NAMES)
def test_a_compiled_step_writes_as_the_plain_call_does(function, arrays):
    def inside(*tensors):
        leaves = [each.clone().requires_grad_() for each in tensors]
        result = function(*leaves)
        (result * result).sum().backward()
        return result.detach(), [each.grad for each in leaves]

    compiled, outside = pa.compile(inside), pa.compile(function)
    for i in range(4):
        wanted, gradients = inside(*(leaf(a * (1 - 0.1 * i), False) for a in arrays))
        found, found_gradients = compiled(*(leaf(a * (1 - 0.1 * i), False) for a in arrays))
        leaves = [leaf(a * (1 - 0.1 * i)) for a in arrays]
        result = outside(*leaves)
        (result * result).sum().backward()
        for a, b, c in zip(
            [wanted, *gradients], [found, *found_gradients], [result.detach(), *(x.grad for x in leaves)], strict=True
        ):
            assert a.tolist() == b.tolist() == c.tolist()
    assert len(compiled.programs) == len(outside.programs) == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda w: w.add_(1), lambda w: w.exp_(), lambda w: w[0].add_(1), lambda w: w.view(-1)[0].zero_(),
        lambda w: w.__setitem__(0, 1.0), lambda w: w.T.__setitem__(0, w[0]), lambda w: w.copy_(w * 2),
        lambda w: w.masked_fill_(w > 0, 0.0), lambda w: w.fill_diagonal_(1.0),
        lambda w: w.index_fill_(0, pa.tensor([0]), 1),
    ],
)  # fmt: skip
def test_a_leaf_that_requires_grad_is_not_written_to(write):
    w = pa.ones(3, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"requires grad.*is changed in place"):
        write(w)
    with pa.no_grad():
        write(w)


def test_numbers_that_a_backward_needs_are_missed():
    x = pa.ones(3, requires_grad=True)
    y = x * 2
    z = y[0] * y[1]
    y[0] = 5.0
    with pytest.raises(RuntimeError, match=r"needs its operand . .*modified in place"):
        z.backward()
    y = (x * 2).exp()
    y[0] = 1.0
    with pytest.raises(RuntimeError, match="exp needs its result"):
        y.sum().backward()
    assert x.grad is None


def test_a_detached_tensor_sees_the_numbers_and_gets_no_gradient():
    x = pa.ones(3, requires_grad=True)
    y = x * 2
    detached, version = y.detach(), y._version
    y[0] = x[1] * 7
    assert detached.tolist() == [7, 2, 2] and not detached.requires_grad and y._version > version
    detached += x
    assert detached.requires_grad and y.tolist() == [8, 3, 3]
    y.sum().backward()
    assert x.grad.tolist() == [0, 9, 2]


def test_a_view_made_without_history_is_not_written_to_with_one():
    x = pa.zeros(3)
    with pa.no_grad():
        part = x[:2]
    with pytest.raises(RuntimeError, match=r"a view of shape \(2,\) that was made under no_grad"):
        part += pa.ones(2, requires_grad=True)
    assert x.tolist() == [0, 0, 0]


def test_what_is_overwritten_has_no_gradient():
    x = pa.ones(3, requires_grad=True)
    y = x * 2
    y.zero_()
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_a_write_in_place_keeps_dtype_and_shape():
    x = pa.ones(2, requires_grad=True) * 1
    x += pa.ones(2, dtype=pa.float64)
    assert x.dtype is pa.float32
    with pytest.raises(ValueError, match=r"add: a source of shape \(3, 2\) does not fit into shape \(2,\)"):
        x += pa.ones(3, 2)
    with pytest.raises(TypeError, match="clamp_: a result of dtype float32 does not fit"):
        pa.arange(3).clamp_(0.5, 1.5)


def test_a_model_trains_through_a_buffer():
    pa.manual_seed(0)
    cell = pa.nn.Linear(3, 2)
    optimizer = pa.optim.SGD(cell.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        out, h = pa.zeros(4, 2), pa.zeros(2)
        for t in range(4):
            h = pa.tanh(cell(pa.cat([x[t], h])))
            out[t] = h
        loss = (out - 0.5).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    start = [p.detach().clone() for p in cell.parameters()]
    x = pa.arange(4.0).reshape(4, 1)
    plain = [step(x).item() for _ in range(5)]
    with pa.no_grad():
        for p, value in zip(cell.parameters(), start, strict=True):
            p.copy_(value)
    compiled = pa.compile(step)
    assert [compiled(x).item() for _ in range(5)] == plain and plain[-1] < plain[0]


def test_a_view_whose_graph_was_freed_is_written_to_and_the_graph_stays_freed() -> None:
    x = pa.ones(3, requires_grad=True)
    y = (x * 2)[:]
    y.sum().backward()
    y -= x
    assert y.tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="was freed by an earlier backward"):
        y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


@pytest.mark.parametrize("draw", [
    pa.Tensor.normal_, pa.Tensor.uniform_, pa.Tensor.bernoulli_, pa.Tensor.exponential_, lambda x: x.random_(5),
])  # fmt: skip
def test_what_is_drawn_over_a_result_has_no_gradient(draw: Callable[[Any], Any]) -> None:
    x = pa.ones(2, 3, requires_grad=True)
    y = x * 3
    draw(y[0])
    y.sum().backward()
    assert x.grad.tolist() == [[0, 0, 0], [3, 3, 3]]
    before = pa.get_rng_state()
    with pytest.raises(RuntimeError, match="requires grad"):
        draw(x)
    assert pa.get_rng_state() == before


def test_a_result_is_detached_in_place_and_what_was_made_of_it_is_not() -> None:
    def step(x: Any) -> tuple[Any, ...]:
        y = x * 2
        z = y.exp()
        y.detach_()
        (z * y).sum().backward()
        return y, z.detach()

    x = pa.ones(3, requires_grad=True)
    compiled = pa.compile(step)
    for run in (step, compiled, compiled):
        x.grad = None
        y, z = run(x)
        assert y.is_leaf and not y.requires_grad and y.grad_fn is None
        np.testing.assert_array_equal(x.grad.numpy(), (z * 4).numpy())
    y = x * 2
    z = y.square()
    y.detach_().add_(1)
    with pytest.raises(RuntimeError, match="modified in place"):
        z.sum().backward()
    with pytest.raises(RuntimeError, match="a view of shape"):
        (x * 2)[0].detach_()
    with pytest.raises(pa.TraceError, match="detach"):
        pa.compile(z.detach_)()


def test_assigned_data_is_shared_and_what_saw_the_old_memory_keeps_it() -> None:
    p = pa.nn.Parameter(pa.ones(3))
    kept, average = p.data, pa.zeros(3)
    p.data = average
    average += 5
    assert (kept.tolist(), p.tolist()) == ([1, 1, 1], [5, 5, 5])
    p.data = kept  # as an average of weights is put in for a test and taken out again
    assert (p.tolist(), average.tolist()) == ([1, 1, 1], [5, 5, 5])
    pa.optim.SGD([p], lr=1.0).zero_grad()
    loss = (p * p).sum()
    p.data = pa.full((3,), 2.0)
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()
    q = pa.nn.Parameter(pa.zeros(3, 2))
    q.data = (source := pa.ones(2, 3)).T  # an update wants it in one piece
    source += 1
    assert q.is_contiguous() and q.sum() == 6
    square = pa.nn.Parameter(pa.tensor([[1.0, 2.0], [3.0, 4.0]]))
    square.data = square.data.T
    assert square.tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_a_step_uses_assigned_data_and_refuses_to_assign_what_others_would_see() -> None:
    p = pa.nn.Parameter(pa.ones(2))
    opt = pa.optim.SGD([p], lr=0.5)

    @pa.compile
    def step() -> pa.Tensor:
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        opt.step()
        return loss

    assert [step().item(), step().item()] == [2.0, 0.0]
    weights = pa.full((2,), 3.0)
    p.data = weights
    assert [step().item(), step().item(), weights.sum().item()] == [18.0, 0.0, 0.0]

    @pa.compile
    def swap() -> None:
        kept.append(p.data)
        p.data = p.data * 2

    kept: list[pa.Tensor] = []
    with pytest.raises(pa.TraceError, match="copy_"):
        swap()


def writes(w: pa.Tensor) -> list[list[float]]:
    """Into a fresh buffer, into results, through views that others hold, over what an array sees."""
    buffer = pa.zeros(2, 3)
    row, column = buffer[1], buffer[:, 0]
    buffer[0] = w * 2
    row.mul_(3).add_(w)
    column += w[0]
    y = w * 3
    kept = y[1:]
    y[0] = y[2] * 5
    kept.clamp_(max=2)
    y.masked_fill_(y > 4, 0)
    (buffer.sum() + (row * y).sum() + kept.sum()).backward()
    found = [buffer.tolist(), y.tolist(), kept.tolist(), w.grad.tolist()]
    w.grad = None
    return found


def test_a_write_that_memory_runs_out_for_is_lost_alone() -> None:
    w = pa.tensor([0.5, 1.0, 1.5], requires_grad=True)
    wanted = writes(w)
    gc.collect()
    before = alive()
    for number in failures():
        with contextlib.suppress(MemoryError):
            assert writes(w) == wanted
        w.grad = None
        assert_alive(before, number)
    assert writes(w) == wanted


def test_what_a_failed_write_found_is_as_it_was() -> None:
    w = pa.tensor([0.5, 1.0, 1.5], requires_grad=True)

    def made() -> tuple[pa.Tensor, pa.Tensor]:
        base = w * 2
        return base, base[1:]

    def seen(base: pa.Tensor, view: pa.Tensor) -> list[list[float]]:
        (base * base).sum().backward(retain_graph=True)
        view.sum().backward()
        found = [base.tolist(), view.tolist(), w.grad.tolist()]
        w.grad = None
        return found

    writes: list[Callable[[pa.Tensor, pa.Tensor], object]] = [
        lambda base, view: view.mul_(w[0]),
        lambda base, view: base.add_(w),
        lambda base, view: base.copy_(w),
        lambda base, view: base.masked_fill_(w > 1, 9.0),
    ]
    for write in writes:
        before = seen(*made())
        pair = made()
        write(*pair)
        after = seen(*pair)
        assert after != before
        for number in range(MOST):
            pair = made()
            lib.pa_memory_fail_after(number)
            try:
                write(*pair)
            except MemoryError:
                lib.pa_memory_fail_after(-1)
                assert seen(*pair) == before, number
                continue
            finally:
                lib.pa_memory_fail_after(-1)
            assert seen(*pair) == after
            break


def test_a_product_needs_of_its_operands_what_their_gradients_read() -> None:
    x = pa.ones(3, requires_grad=True)

    def recurrence(x: pa.Tensor) -> pa.Tensor:
        b = pa.zeros(4)
        b[0] = x[0]
        for i in range(1, 4):
            b[i] = b[i - 1] * 0.5 + x[i - 1]
        return b.sum()

    step = pa.compile(recurrence)
    for f in (recurrence, step, step, step):
        f(x).backward()
        assert x.grad.tolist() == [3.625, 1.5, 1]
        x.grad = None
    for product in (lambda a, w: a * w, lambda a, w: a @ w, lambda a, w: pa.nn.functional.linear(a, w)):
        a, w = x.reshape(1, 3) * 1, pa.ones(3, 3)
        y = product(a, w).sum()
        a.detach().add_(1)
        y.backward(retain_graph=True)
        assert x.grad.tolist() == [3, 3, 3]
        x.grad = None
        w.add_(1)
        with pytest.raises(RuntimeError, match="needs its operand 1"):
            y.backward()
