"""Gradients with a history of their own are those of the sweep, and their gradients those of central differences."""

import gc
from collections.abc import Callable
from typing import Any

import elementwise
import numpy as np
import pytest

import pyautograd as pa
from pyautograd import _ops, func
from pyautograd.autograd import grad

F = pa.nn.functional

Call = Callable[..., pa.Tensor]

# Functions of the rows on whole tensors, with the shapes of their operands
WHOLE: dict[str, list[tuple[Call, tuple[tuple[int, ...], ...]]]] = {
    "matmul": [
        (pa.matmul, ((2, 3), (3, 4))), (pa.matmul, ((3,), (3,))), (pa.matmul, ((3,), (3, 2))),
        (pa.matmul, ((2, 3), (3,))), (pa.matmul, ((2, 2, 3), (3, 2))), (pa.matmul, ((3, 2), (2, 1, 2, 3))),
        (pa.matmul, ((3,), (2, 3, 2))), (pa.matmul, ((2, 2, 3), (3,))), (pa.matmul, ((0, 3), (3, 2))),
        (pa.matmul, ((2, 0), (0, 3))), (pa.matmul, ((0,), (0,))),
    ],
    "linear": [
        (F.linear, ((2, 3), (4, 3), (4,))), (F.linear, ((2, 2, 3), (4, 3))), (F.linear, ((3,), (2, 3), (2,))),
        (F.linear, ((0, 3), (2, 3), (2,))), (F.linear, ((2, 5, 0), (3, 0), (3,))), (F.linear, ((2, 5, 3), (0, 3))),
        (F.linear, ((0,), (2, 0))),
    ],
    "sum": [
        (lambda a: a.sum(1), ((2, 3),)), (lambda a: a.sum(), ((),)), (lambda a: a.sum((0, 2), True), ((2, 3, 2),)),
    ],
    "mean": [(lambda a: a.mean(0), ((2, 3),)), (lambda a: a.mean(), ((3,),)), (lambda a: a.mean(-1, True), ((2, 3),))],
    "prod": [
        (lambda a: a.prod(), ((5,),)), (lambda a: a.prod(0), ((3, 2),)), (lambda a: a.prod(1, True), ((2, 4),)),
        (lambda a: (a * pa.tensor([1.0, 0.0, 1.0, 2.0])).prod(), ((4,),)),
        (lambda a: a.prod(), ((),)), (lambda a: a.prod(), ((0,),)),
    ],
    "max": [(lambda a: a.amax(1), ((2, 3),)), (lambda a: pa.cat([a, a]).amax(), ((3,),))],
    "min": [(lambda a: a.amin(0, True), ((2, 3),)), (lambda a: a.min(), ((),))],
    "var": [(lambda a: a.var(), ((4,),)), (lambda a: a.var(1, correction=0, keepdim=True), ((2, 3),))],
    "std": [(lambda a: a.std(), ((4,),)), (lambda a: a.std(0, correction=0), ((3, 2),))],
    "norm": [(lambda a: a.norm(), ((4,),)), (lambda a: a.norm(dim=1), ((2, 3),))],
    "cumsum": [(lambda a: a.cumsum(1), ((2, 3),))],
    "softmax": [
        (lambda a: a.softmax(0), ((2, 3),)), (lambda a: a.softmax(-1), ((2, 3),)), (lambda a: a.softmax(0), ((3,),)),
        (lambda a: a.softmax(0), ((),)),
    ],
    "log_softmax": [(lambda a: a.log_softmax(1), ((2, 3),)), (lambda a: a.log_softmax(0), ((3,),))],
    "logsumexp": [
        (lambda a: a.logsumexp(0), ((2, 3),)), (lambda a: a.logsumexp(1, True), ((2, 3),)),
        (lambda a: a.logsumexp(1), ((3, 3),)), (lambda a: a.logsumexp(0), ((),)),
    ],
    "cross_entropy": [
        (lambda a: F.cross_entropy(a, pa.tensor([1, 0])), ((2, 3),)),
        (lambda a: F.cross_entropy(a, pa.tensor([1, -100, 2]), label_smoothing=0.2), ((3, 3),)),
        (lambda a: F.cross_entropy(a, pa.tensor(1)), ((3,),)),
    ],
    "view": [
        (lambda a: a.reshape(3, 2), ((2, 3),)), (lambda a: a.T.reshape(6), ((2, 3),)),
        (lambda a: a.permute(2, 0, 1), ((2, 3, 2),)), (lambda a: a.expand(2, 3), ((3,),)),
        (lambda a: a[1:, ::2], ((3, 4),)), (lambda a: a[1], ((3, 4),)), (lambda a: a[:, 1, None], ((2, 3),)),
        (lambda a: a[0:0], ((3,),)), (lambda a: a.T[1:].T[0], ((2, 3),)),
        (lambda a: a.diagonal(1), ((3, 3),)), (lambda a: a.unfold(1, 2, 1), ((2, 4),)),
    ],
    "unview": [(lambda a: _first_gradient(lambda x: (x[1:] ** 2).sum(), a), ((3,),))],
    "cast": [(lambda a: a.to(pa.float32).to(pa.float64) * a, ((3,),))],
    "cat": [(lambda a, b: pa.cat([a, b], 1), ((2, 1), (2, 2))), (lambda a, b: pa.stack([a, b]), ((2,), (2,)))],
    "index": [
        (lambda a: a[pa.tensor([0, 2, 2])], ((3, 2),)), (lambda a: F.embedding(pa.tensor([[1, 0]]), a), ((2, 2),)),
    ],
    "index_add": [(lambda a: _first_gradient(lambda x: (x[pa.tensor([0, 2, 0])] ** 2).sum(), a), ((3,),))],
    "put": [(lambda a, b: _put(a, b), ((2, 3), (2,)))],
    "written": [(lambda a, b: _overwritten(a, b), ((2, 3), (2,))), (lambda a, b: _overwritten(a.T, b), ((2, 2), (2,)))],
}  # fmt: skip


def _first_gradient(f: Call, a: pa.Tensor) -> pa.Tensor:
    """A gradient as a function: it leads through the ops that only gradients are made of."""
    (found,) = grad(f(a), a, create_graph=True)
    return found


def _put(a: pa.Tensor, b: pa.Tensor) -> pa.Tensor:
    return pa._core.apply(_ops.table["put"].number, a, pa.tensor([4, 1]), b)


def _overwritten(a: pa.Tensor, b: pa.Tensor) -> pa.Tensor:
    a = a * a
    column = a[:, 1]
    column.mul_(b)
    a[0, 0] = b[1]
    return a * column.sum()


CASES: list[tuple[str, Call, tuple[np.ndarray, ...]]] = []
for _name, _row in elementwise.ROWS.items():
    for _shapes in ((((2, 3),) * 3), ((2, 1), (1, 3), (3,)), ((), (), ()), ((0, 2), (2,), ())):
        _operands = elementwise.draw(_name, *_shapes[: _row.operands])
        if _name == "where":
            CASES.append((_name, lambda a, b, c: pa.where(a > 0.2, b, c) * b, tuple(_operands)))
        else:
            CASES.append((_name, lambda *operands, name=_name: elementwise.call(name, *operands), tuple(_operands)))
for _name, _calls in WHOLE.items():
    for _call, _shapes in _calls:
        _rng = np.random.default_rng([len(_name), len(_shapes), 3])
        CASES.append((_name, _call, tuple(_rng.uniform(0.3, 2.0, shape) for shape in _shapes)))


def leaves(arrays: tuple[np.ndarray, ...]) -> list[pa.Tensor]:
    return [pa.tensor(a, dtype=pa.float64, requires_grad=True) for a in arrays]


def gradients(call: Call, operands: list[pa.Tensor], create_graph: bool) -> list[pa.Tensor]:
    """Of a loss whose upstream gradients are all different."""
    out = call(*operands)
    weights = pa.tensor(np.linspace(0.5, 1.5, out.numel()).reshape(out.shape), dtype=out.dtype)
    found = grad((out * weights).sum(), operands, create_graph=create_graph, allow_unused=True, retain_graph=True)
    return [pa.zeros_like(x) if each is None else each for x, each in zip(operands, found, strict=True)]


@pytest.mark.parametrize("name, call, arrays", CASES, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(CASES)])
def test_gradients_with_history_are_those_of_the_sweep(name: str, call: Call, arrays: tuple[np.ndarray, ...]) -> None:
    operands = leaves(arrays)
    for swept, built in zip(gradients(call, operands, False), gradients(call, operands, True), strict=True):
        assert swept.shape == built.shape and swept.dtype == built.dtype
        np.testing.assert_allclose(built.detach().numpy(), swept.numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", WHOLE)
def test_float32_gradients_are_near_those_in_float64(name: str) -> None:
    for _, call, arrays in (case for case in CASES if case[0] == name):
        small = [pa.tensor(a, dtype=pa.float32, requires_grad=True) for a in arrays]
        large = leaves(tuple(x.detach().double().numpy() for x in small))
        for a, b in zip(gradients(call, small, False), gradients(call, large, False), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=1e-5)


def directional(call: Call, operands: list[pa.Tensor], create_graph: bool) -> tuple[pa.Tensor, list[pa.Tensor]]:
    """A sum of all gradients, weighted, and its own gradients."""
    found = gradients(call, operands, True)
    terms = [(g * pa.tensor(np.cos(np.arange(g.numel())).reshape(g.shape))).sum() for g in found]
    total = sum(terms[1:], terms[0])
    if not total.requires_grad:
        return total, [pa.zeros_like(x) for x in operands]
    second = grad(total, operands, create_graph=create_graph, allow_unused=True)
    return total, [pa.zeros_like(x) if each is None else each for x, each in zip(operands, second, strict=True)]


@pytest.mark.parametrize("name, call, arrays", CASES, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(CASES)])
def test_forward_mode_gives_what_reverse_mode_does_and_so_do_its_gradients(
    name: str, call: Call, arrays: tuple[np.ndarray, ...]
) -> None:
    tangents = tuple(pa.tensor(np.cos(np.arange(a.size)).reshape(a.shape)) for a in arrays)

    def along(*operands: pa.Tensor) -> pa.Tensor:
        out, product = func.jvp(call, operands, tangents)
        assert product.shape == out.shape and product.dtype == out.dtype
        weights = pa.tensor(np.linspace(0.5, 1.5, out.numel()).reshape(out.shape), dtype=out.dtype)
        return (product * weights).sum()

    total, second = directional(call, leaves(arrays), False)
    alone = along(*[pa.tensor(a) for a in arrays])
    assert not alone.requires_grad and alone.item() == pytest.approx(total.item(), rel=1e-6, abs=1e-10)
    found = func.grad(along, tuple(range(len(arrays))))(*[pa.tensor(a) for a in arrays])
    for forward, reverse in zip(found, second, strict=True):
        np.testing.assert_allclose(forward.numpy(), reverse.numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name, call, arrays", CASES, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(CASES)])
def test_second_derivatives_are_central_differences_of_the_first(
    name: str, call: Call, arrays: tuple[np.ndarray, ...]
) -> None:
    if name == "cast":
        return  # differences see the steps of float32
    _, second = directional(call, leaves(arrays), False)
    for k, of_operand in enumerate(second):
        for at in np.ndindex(arrays[k].shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [a.copy() for a in arrays]
                moved[k][at] += step
                ends.append(float(directional(call, leaves(tuple(moved)), False)[0].item()))
            assert of_operand[at].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=2e-5, abs=2e-6)


def test_every_row_that_a_gradient_flows_through_is_tried() -> None:
    made_elsewhere = {"neuron", "custom", "local_grads", "program", "program_result", "dropout_mask"}
    without = {"argmax", "argmin", "argsort", "argcummax", "searchsorted", "linear_index", "check"}
    whole = {row.name for row in _ops.table.values() if row.family == "whole"}
    assert whole - made_elsewhere - without <= WHOLE.keys()


@pytest.mark.parametrize(
    "f, third", [(pa.exp, np.exp), (pa.sin, lambda x: -np.cos(x)), (lambda x: x**4, lambda x: 24 * x)]
)
def test_third_derivatives(f: Call, third: Callable[[Any], Any]) -> None:
    x = pa.tensor([0.3, 1.2], dtype=pa.float64, requires_grad=True)
    y = f(x)
    for _ in range(3):
        (y,) = grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(y.detach().numpy(), third(x.detach().numpy()), rtol=1e-13)


def test_backward_leaves_gradients_with_a_history() -> None:
    x = pa.tensor([1.0, 2.0], requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    assert first is not None and first.requires_grad
    (first * first).sum().backward(create_graph=True)  # 9 x^4: 36 x^3
    assert x.grad is not None and x.grad.tolist() == [3 + 36.0, 12 + 288.0]
    x.grad = None


def test_leaves_get_tensors_of_their_own() -> None:
    a, b = pa.ones(2, requires_grad=True), pa.ones(2, requires_grad=True)
    (a + b).sum().backward(create_graph=True)
    assert a.grad is not None and b.grad is not None
    with pa.no_grad():
        a.grad.mul_(2)
    assert a.grad.tolist() == [2.0, 2.0] and b.grad.tolist() == [1.0, 1.0]


def test_an_upstream_gradient_with_a_history_is_differentiated_too() -> None:
    x, v = pa.tensor([2.0], requires_grad=True), pa.tensor([3.0], requires_grad=True)
    (g,) = grad(x * x, x, grad_outputs=v, create_graph=True)
    assert grad(g, v)[0].tolist() == [4.0]


def test_functions_in_python_are_differentiated_through_their_backward() -> None:
    class Exp(pa.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: pa.Tensor) -> pa.Tensor:
            result = x.exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx: Any, upstream: pa.Tensor) -> pa.Tensor:
            return upstream * ctx.saved_tensors[0]

    x = pa.tensor([0.5], dtype=pa.float64, requires_grad=True)
    y = Exp.apply(x)
    for _ in range(3):
        (y,) = grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(np.exp(0.5))


def test_a_backward_may_refuse_to_be_differentiated() -> None:
    class Cube(pa.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: pa.Tensor) -> pa.Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @pa.autograd.once_differentiable
        def backward(ctx: Any, upstream: pa.Tensor) -> pa.Tensor:
            return 3 * ctx.saved_tensors[0] ** 2 * upstream

    x = pa.tensor([2.0], requires_grad=True)
    (slope,) = grad(Cube.apply(x), x, create_graph=True)
    assert slope.tolist() == [12.0] == grad(Cube.apply(x), x)[0].tolist()
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.backward()


def test_dropout_and_hooks_are_part_of_the_graph() -> None:
    x = pa.ones(50, requires_grad=True)
    y = F.dropout(x * x, 0.5)
    (first,) = grad((y * y).sum(), x, create_graph=True)  # m^2 x^4
    (second,) = grad(first.sum(), x)
    np.testing.assert_allclose(second.numpy(), 12 * y.detach().numpy() ** 2)
    z = x * 1
    z.register_hook(lambda g: g * x)
    (first,) = grad(z.sum(), x, create_graph=True)
    assert grad(first.sum(), x)[0].tolist() == [1.0] * 50


@pytest.mark.parametrize("call", [lambda a: a.std(), lambda a: a.norm(), lambda a: a.norm(dim=1).sum()])
def test_roots_at_0_have_derivatives_0(call: Call) -> None:
    x = pa.zeros(2, 3, requires_grad=True)
    (first,) = grad(call(x), x, create_graph=True)
    assert first.tolist() == [[0.0] * 3] * 2
    assert not grad(first.sum(), x)[0].isnan().any().item()


def test_the_gradient_of_an_extremum_that_is_nan_is_nan() -> None:
    x = pa.tensor([[1.0, float("nan")], [2.0, 3.0]], requires_grad=True)
    for create_graph in (False, True):
        (first,) = grad(x.amax(1).sum(), x, create_graph=create_graph)
        assert first.isnan().tolist() == [[True, True], [False, False]] and first[1].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("call", [pa.elu, pa.selu, pa.celu])
def test_second_derivatives_are_0_where_the_branch_not_taken_overflows(call: Call) -> None:
    x = pa.tensor([0.0, 1.0, 800.0], dtype=pa.float64, requires_grad=True)
    (first,) = grad(call(x).sum(), x, create_graph=True)
    assert grad(first.sum(), x)[0].tolist() == [0.0, 0.0, 0.0]


def test_derivatives_of_sinc_at_and_around_0_are_those_of_its_series() -> None:
    x = pa.tensor([0.0, 1e-5, 0.00318, 0.00319, 0.1], dtype=pa.float64, requires_grad=True)
    y = pa.sinc(x)
    np.testing.assert_allclose(y.detach().numpy(), np.sinc(x.detach().numpy()), rtol=1e-15)
    z = np.pi * x.detach().numpy()
    first, second = (grad(y.sum(), x, create_graph=True)[0] for _ in range(2))
    np.testing.assert_allclose(first.detach().numpy(), np.pi * (-z / 3 + z**3 / 30 - z**5 / 840), rtol=1e-6)
    series = np.pi**2 * (-1 / 3 + z**2 / 10 - z**4 / 168)
    np.testing.assert_allclose(grad(second.sum(), x)[0].numpy(), series, rtol=1e-6)


def test_a_bound_takes_the_gradient_where_it_is_passed_and_not_where_it_is_met() -> None:
    def gradients_of(x: Any, low: Any) -> list[Any]:
        return [each.tolist() for each in grad(pa.clamp(x, low, low + 1).sum(), (x, low))]

    x, low = pa.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True), pa.full((4,), 2.0, requires_grad=True)
    assert gradients_of(x, low) == [[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]]
    assert pa.clamp(pa.tensor([1.0, float("nan")]), pa.tensor([float("nan"), 0.0])).isnan().all().item()


@pytest.mark.parametrize("name", elementwise.ROWS)
def test_special_values_are_those_of_the_sweep(name: str) -> None:
    special = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e300, 1e-300, 25.0])
    grid = np.meshgrid(*[special] * elementwise.ROWS[name].operands, indexing="ij")
    operands = leaves(tuple(grid))
    if name == "where":
        return
    out = elementwise.call(name, *operands)
    with np.errstate(all="ignore"):
        swept, built = (
            grad(out, operands, pa.ones_like(out), create_graph=create, retain_graph=True, allow_unused=True)
            for create in (False, True)
        )
        for a, b in zip(swept, built, strict=True):
            if a is not None and b is not None:
                np.testing.assert_allclose(b.detach().numpy(), a.numpy(), rtol=1e-13)


def test_a_graph_that_fails_leaves_gradients_as_they_were() -> None:
    x = pa.tensor([1.0, 2.0], requires_grad=True)
    x.grad = pa.tensor([5.0, 5.0])
    y = (x * x).sum()
    with pytest.raises(RuntimeError, match="shape"):
        (x * x).backward(create_graph=True)
    y.backward()
    assert x.grad.tolist() == [7.0, 9.0]
    with pytest.raises(RuntimeError, match="was freed"):
        y.backward(create_graph=True)
    assert x.grad.tolist() == [7.0, 9.0]


def test_unused_inputs() -> None:
    x, z = pa.ones(2, requires_grad=True), pa.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        grad(x.sum(), (x, z), create_graph=True)
    assert grad(x.sum(), (x, z), create_graph=True, allow_unused=True)[1] is None
    zeros = grad(x.sum(), (x, z), materialize_grads=True)[1]
    assert zeros is not None and zeros.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="allow_unused=False"):
        grad(x.sum(), (x, z), allow_unused=False, materialize_grads=True)
    with pytest.raises(NotImplementedError, match="is_grads_batched"):
        grad(x.sum(), x, is_grads_batched=True)


def test_a_function_may_ask_for_none_instead_of_zeros() -> None:
    given = []

    class Parts(pa.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, *upstream):
            given.append([each is None for each in upstream])
            return sum(each * factor for each, factor in zip(upstream, (2, 3)) if each is not None)

    x = pa.ones(2, requires_grad=True)
    Parts.apply(x)[1].sum().backward()
    assert given == [[True, False]]
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_function_may_say_which_outputs_have_no_gradient() -> None:
    class Parts(pa.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            whole = x.floor()
            ctx.mark_non_differentiable(whole)
            return x * 2, whole

        @staticmethod
        def backward(ctx, upstream, none):
            return upstream * 2 + none

    def step(x: pa.Tensor) -> pa.Tensor:
        y, whole = Parts.apply(x)
        assert y.requires_grad and not whole.requires_grad
        (y * whole).sum().backward()
        return y.detach()

    x = pa.tensor([1.5, 2.5], requires_grad=True)
    for f in (step, pa.compile(step)):
        for _ in range(4):
            x.grad = None
            assert f(x).tolist() == [3.0, 5.0] and x.grad.tolist() == [2.0, 4.0]


def test_a_function_may_write_into_an_argument_and_return_it() -> None:
    class ExpOfHalf(pa.autograd.Function):
        @staticmethod
        def forward(ctx, x, returns):
            x.mul_(0.5).exp_()
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x if returns else x * 1

        @staticmethod
        def backward(ctx, upstream):
            (y,) = ctx.saved_tensors
            return upstream * y / 2, None

    a = pa.tensor([0.0, 2.0], dtype=pa.float64, requires_grad=True)
    alive = pa.memory_stats().nodes
    x = a * 2
    square, part = x.square(), x[:1]
    assert ExpOfHalf.apply(part, True) is part
    (gradient,) = pa.autograd.grad(x.sum(), a, create_graph=True)
    assert x.tolist() == [1, 4] and gradient.tolist() == [1, 2]
    assert pa.autograd.grad(gradient.sum(), a)[0].tolist() == [1, 0]
    with pytest.raises(RuntimeError, match="modified in place"):
        square.sum().backward()
    with pytest.raises(RuntimeError, match="marked as dirty"):
        ExpOfHalf.apply(a * 2, False)
    with pytest.raises(RuntimeError, match="requires grad"):
        ExpOfHalf.apply(a, True)
    b = pa.zeros(2)
    assert ExpOfHalf.apply(b, True) is b and b.tolist() == [1, 1] and not b.requires_grad
    with pytest.raises(pa.TraceError, match="ExpOfHalf"):
        pa.compile(lambda x: ExpOfHalf.apply(x * 2, True))(a)
    del x, square, part, gradient, b
    gc.collect()
    assert pa.memory_stats().nodes == alive


def test_what_no_grad_computes_is_constant_in_both_modes() -> None:
    def f(x: pa.Tensor) -> pa.Tensor:
        with pa.no_grad():
            factor = x * 2
        return x * factor

    x = pa.tensor([3.0])
    assert pa.func.jacfwd(f)(x).tolist() == pa.func.jacrev(f)(x).tolist() == [[6.0]]


def test_grad_lets_go_of_what_leads_to_its_inputs_and_of_no_more() -> None:
    x = pa.tensor([1.0, 0.5], requires_grad=True)
    h = (x * x).exp()
    (g,) = grad((h * h).sum(), h)
    h.backward(g)
    assert x.grad.tolist() == grad(((x * x).exp() ** 2).sum(), x)[0].tolist()
    h = (x * x).exp()
    grad((h * h).sum(), x)
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        h.sum().backward()


def test_a_backward_may_end_in_some_tensors_alone() -> None:
    def step(x: pa.Tensor, y: pa.Tensor) -> tuple[pa.Tensor, ...]:
        x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
        z = x * 2
        loss = (z * y).sum()
        loss.backward(retain_graph=True, inputs=[x])
        loss.backward(retain_graph=True, inputs=x)
        pa.autograd.backward([loss, z], [None, pa.ones(2)], inputs=[z], retain_graph=True)
        assert y.grad is None
        return x.grad, z.grad

    for f in (step, pa.compile(step)):
        for k in range(4):
            by_x, by_z = f(pa.tensor([1.0, 2.0]), pa.tensor([3.0, 4.0 + k]))
            assert by_x.tolist() == [12, 16 + 4 * k]
            assert by_z.tolist() == [4, 5 + k]
    x = pa.ones(2, requires_grad=True)
    (x**3).sum().backward(create_graph=True, inputs=[x])
    assert grad(x.grad.sum(), x)[0].tolist() == [6, 6]
    with pytest.raises(RuntimeError, match="inputs is empty"):
        x.sum().backward(inputs=[])
    with pytest.raises(RuntimeError, match="does not require grad"):
        x.sum().backward(inputs=[pa.ones(2)])


def test_a_graph_goes_once_its_gradients_are_there() -> None:
    x, y = pa.ones(2, requires_grad=True), pa.ones(2, requires_grad=True)
    for options in ({}, {"create_graph": True, "retain_graph": False}, {"materialize_grads": True}):
        z = (x * x).sum()
        grad(z, x, **options)
        with pytest.raises(RuntimeError, match="freed"):
            z.backward()
    z = (x * x).sum()
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        grad(z, [x, y])
    z.backward()
    assert x.grad.tolist() == [2, 2]


def test_what_has_no_gradient_to_give_is_refused() -> None:
    x = pa.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="no inputs"):
        grad(x.sum(), ())
    with pytest.raises(RuntimeError, match=r"outputs\[1\] .* does not require grad"):
        grad([x.sum(), pa.ones(())], x)
    for argnums, message in (((), "empty"), ((0, -2), "twice")):
        with pytest.raises(ValueError, match=message):
            pa.func.grad(lambda x, y: (x * y).sum(), argnums=argnums)(x, x)


def test_steps_that_make_graphs_of_gradients_leave_nothing_behind() -> None:
    model = pa.nn.Sequential(pa.nn.Linear(3, 4), pa.nn.Tanh(), pa.nn.Linear(4, 1))
    for critic in (model, pa.compile(model)):

        def step(critic: Any = critic) -> None:
            x = pa.randn(5, 3).requires_grad_()
            (slope,) = grad(critic(x).sum(), x, create_graph=True)
            model.zero_grad()
            (slope**2).sum().backward()

        for _ in range(4):
            step()
        gc.collect()
        before = pa.memory_stats()
        for _ in range(20):
            step()
        after = pa.memory_stats()
        assert (after.nodes, after.storages, after.live_bytes) == (before.nodes, before.storages, before.live_bytes)


def test_a_graph_of_gradients_may_be_as_deep_as_memory_allows() -> None:
    x = pa.tensor([0.5], dtype=pa.float64, requires_grad=True)
    y = x
    for _ in range(30_000):
        y = y.sin()
    (first,) = grad(y.sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x)
    assert second.item() < 0 < first.item()


def test_a_gradient_that_is_set_keeps_its_history() -> None:
    x = pa.tensor([1.0, 2.0], requires_grad=True)
    (slope,) = grad((x**3).sum(), x, create_graph=True)
    x.grad = slope
    assert x.grad is slope
    assert grad(x.grad.sum(), x)[0].tolist() == [6, 12]
    x.grad = None
    x.grad = (x * pa.ones(2, 2)).T[:, 0]
    assert x.grad.requires_grad
    x.grad = None
