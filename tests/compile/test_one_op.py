"""A compiled call is one op of its caller's graph: gradients go through it as through the function itself."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from threads import in_threads

import pyautograd as pa
from pyautograd import Tensor, nn, optim
from pyautograd._draw import draw_dot
from pyautograd._trace import trace
from pyautograd.nn import functional as F
from pyautograd.scalar import Value


def numbers(model: nn.Module) -> list[Any]:
    return [p.tolist() for p in model.parameters()]


def gradients(model: nn.Module) -> list[Any]:
    return [None if p.grad is None else p.grad.tolist() for p in model.parameters()]


def net() -> nn.Module:
    pa.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))


def batch(i: int, rows: int = 5) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(i)
    x = generator.normal(size=(rows, 3)).astype(np.float32)
    return pa.tensor(x), pa.tensor(generator.integers(0, 4, rows))


def same(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(
        (x is None and y is None) or np.allclose(x, y, rtol=1e-5, atol=1e-7) for x, y in zip(a, b)
    )


@pytest.mark.parametrize("compiled", ["model", "criterion", "both", "part"])
def test_an_eager_loop_over_compiled_parts_trains_as_the_plain_one(compiled: str) -> None:
    plain, other = net(), net()
    loops = []
    for model, is_compiled in ((plain, False), (other, True)):
        forward: Callable[..., Any] = model
        criterion: Callable[..., Any] = F.cross_entropy
        if is_compiled and compiled in ("model", "both"):
            forward = pa.compile(lambda x, model=model: model(x))
        if is_compiled and compiled in ("criterion", "both"):
            criterion = pa.compile(lambda scores, y: F.cross_entropy(scores, y))
        if is_compiled and compiled == "part":
            first = pa.compile(lambda x, model=model: model[1](model[0](x)))
            forward = lambda x, model=model, first=first: model[4](model[3](model[2](first(x))))
        loops.append((forward, criterion, optim.Adam(model.parameters(), lr=0.05)))
    for i in range(7):
        x, y = batch(i)
        losses = []
        for forward, criterion, optimizer in loops:
            optimizer.zero_grad()
            loss = criterion(forward(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert np.allclose(losses[0], losses[1], rtol=1e-5)
        assert same(gradients(plain), gradients(other)) and same(numbers(plain), numbers(other))


def test_arguments_get_gradients() -> None:
    def function(a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        return (a.tanh() @ b).exp() * scale, a.sum() * b.mean()

    compiled = pa.compile(function)
    for i in range(5):
        results = []
        for call in (function, compiled):
            generator = np.random.default_rng(i)
            a = pa.tensor(generator.normal(size=(3, 4)), requires_grad=True)
            root = pa.tensor(generator.normal(size=(4, 2)), requires_grad=True)
            first, second = call(a, root.sigmoid(), 0.5 + i)
            (first.sum() + 3 * second).backward()
            results.append([first.tolist(), second.item(), a.grad.tolist(), root.grad.tolist()])  # type: ignore[union-attr]
        assert same(results[0], results[1])


def test_a_leaf_that_stands_in_two_places_gets_both_gradients() -> None:
    w = pa.ones(2, requires_grad=True)
    model = SimpleNamespace(first=w, second=w)
    step = pa.compile(lambda x: (model.first * x + model.second * 3).sum())
    for k in range(4):
        w.grad = None
        step(pa.ones(2) * k).backward()
        assert w.grad is not None
        assert w.grad.tolist() == [k + 3.0] * 2


def test_a_result_that_gets_no_gradient_is_as_if_it_were_not_there() -> None:
    w, v = pa.tensor([0.0, 4.0], requires_grad=True), pa.tensor([1.0, 2.0], requires_grad=True)

    def function(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = w * x
        return h.sqrt().sum(), (h * 2).sum(), (v * 3).sum()

    compiled = pa.compile(function)
    for wanted in ([0], [1], [2], [1, 2], [0, 1], [0, 1, 2], [1]):
        found = []
        for call in (function, compiled):
            w.grad = v.grad = None
            results = call(pa.tensor([1.0, 2.0]))
            sum((results[k] for k in wanted), pa.tensor(0.0)).backward()
            found.append([None if p.grad is None else p.grad.tolist() for p in (w, v)])
        assert found[0] == found[1] or (found[0] is not None and same(found[0], found[1]))


def test_a_cell_called_many_times_before_one_backward() -> None:
    pa.manual_seed(0)
    inward, across = nn.Linear(3, 6), nn.Linear(6, 6)

    def cell(x: Tensor, h: Tensor) -> Tensor:
        return (inward(x) + across(h)).tanh()

    compiled = pa.compile(cell)
    for i in range(4):
        found = []
        for call in (cell, compiled):
            inward.zero_grad(), across.zero_grad()
            h = pa.zeros(2, 6)
            for t in range(5):
                h = call(pa.tensor(np.random.default_rng(10 * i + t).normal(size=(2, 3)).astype(np.float32)), h)
            (h**2).sum().backward()
            found.append([h.tolist(), *gradients(inward), *gradients(across)])
        assert same(found[0], found[1])


def test_dropout_masks_are_each_call_s_own() -> None:
    w = pa.ones(50, requires_grad=True)
    compiled = pa.compile(lambda x: F.dropout(w * x, 0.5))
    for _ in range(5):
        w.grad = None
        a, b = compiled(pa.ones(50)), compiled(pa.ones(50))
        (a.sum() + 2 * b.sum()).backward()
        assert w.grad is not None and w.grad.tolist() == (a + 2 * b).tolist()


def test_retain_graph_and_a_second_backward() -> None:
    w = pa.tensor([2.0, 3.0], requires_grad=True)
    compiled = pa.compile(lambda x: (w * x).exp().sum())
    for i in range(5):
        w.grad = None
        x = pa.tensor([0.1 * i, 0.2])
        loss = compiled(x)
        loss.backward(retain_graph=True)
        once = w.grad.numpy().copy()  # type: ignore[union-attr]
        loss.backward()
        assert np.allclose(w.grad.numpy(), 2 * once)  # type: ignore[union-attr]
        with pytest.raises(RuntimeError, match="freed"):
            loss.backward()


def test_operands_that_have_changed_are_refused() -> None:
    w = pa.tensor([2.0, 3.0], requires_grad=True)
    compiled = pa.compile(lambda x: (w * w * x).sum())
    for _ in range(4):
        x = pa.ones(2)
        loss = compiled(x)
        x.add_(1)
        with pytest.raises(RuntimeError, match="modified in place"):
            loss.backward()
        loss = compiled(x)
        with pa.no_grad():
            w += 1
        with pytest.raises(RuntimeError, match="modified in place"):
            loss.backward()


def test_results_have_a_history_where_the_plain_call_gives_them_one() -> None:
    w = pa.ones(2, requires_grad=True)

    def function(x: Tensor) -> dict[str, Any]:
        with pa.no_grad():
            still = w * x
        freed = (w * x).sum()
        freed.backward()
        return {"still": still, "cut": (w * x).detach(), "which": (w * x).argmax(), "freed": freed, "live": w * x}

    compiled = pa.compile(function)
    for _ in range(4):
        found = compiled(pa.ones(2))
        assert [name for name, each in found.items() if each.requires_grad] == ["live"]
        w.grad = None
        found["live"].sum().backward()
        assert w.grad is not None and w.grad.tolist() == [1.0, 1.0]


def test_under_no_grad_results_have_no_history() -> None:
    w = pa.ones(2, requires_grad=True)
    compiled = pa.compile(lambda x: w * x)
    for _ in range(3):
        with pa.no_grad():
            for _ in range(3):
                assert not compiled(pa.ones(2)).requires_grad
        for _ in range(3):
            assert compiled(pa.ones(2)).requires_grad


def test_a_backward_in_the_step_that_goes_on_outside_is_refused() -> None:
    def function(h: Tensor) -> Tensor:
        loss = (h * h).sum()
        loss.backward()
        return loss

    w = pa.ones(2, requires_grad=True)
    compiled = pa.compile(function)
    with pytest.raises(pa.TraceError, match="history"):
        for _ in range(3):
            compiled(w * 2)
    for _ in range(4):
        w.grad = None
        compiled(w)
        assert w.grad is not None and w.grad.tolist() == [2.0, 2.0]
    with pytest.raises(pa.TraceError, match="history"):
        for _ in range(3):
            compiled(w * 2)


def test_what_a_step_writes_after_it_was_read_is_refused_by_the_backward() -> None:
    w = pa.tensor([2.0, 3.0], requires_grad=True)
    u = pa.ones(2)

    def late(x: Tensor) -> Tensor:
        out = (w * u).sum()
        u.add_(x)
        return out

    def early(x: Tensor) -> Tensor:
        u.add_(x)
        return (w * u).sum()

    for function, raises in ((late, True), (early, False)):
        compiled = pa.compile(function)
        for _ in range(4):
            w.grad = None
            out = compiled(pa.ones(2))
            if raises:
                with pytest.raises(RuntimeError, match="modified in place"):
                    out.backward()
            else:
                out.backward()
                assert w.grad is not None and w.grad.tolist() == u.tolist()


def test_programs_and_calls_outlive_one_another() -> None:
    w = pa.tensor([2.0, 3.0], requires_grad=True)
    compiled = pa.compile(lambda x: (w * x).exp().sum())
    losses = [compiled(pa.tensor([0.1 * i, 0.2])) for i in range(6)]
    del compiled
    for i, loss in enumerate(losses):
        w.grad = None
        loss.backward()
        x = np.array([0.1 * i, 0.2])
        assert w.grad is not None and np.allclose(w.grad.numpy(), x * np.exp([2.0, 3.0] * x))


def test_values_have_a_history() -> None:
    from pyautograd.scalar import MLP, Value

    found = []
    for compiles in (False, True):
        import random

        random.seed(0)
        model = MLP(2, [4, 1])

        def loss_of(xs: Any, target: float, model: Any = model) -> Any:
            return (model([Value(x) for x in xs]) - target) ** 2 * 0.5

        function = pa.compile(loss_of) if compiles else loss_of
        history = []
        for i in range(6):
            model.zero_grad()
            loss = function([0.1 * i, -0.3], 0.5)
            (loss * 2).backward()
            for p in model.parameters():
                p.data -= 0.1 * p.grad
            history.append([loss.data, *[p.grad for p in model.parameters()]])
        found.append(history)
    assert np.allclose(found[0], found[1], rtol=1e-12)


def test_values_as_arguments_get_gradients() -> None:
    compiled = pa.compile(lambda a, b: a * b + a.tanh())
    for i in range(5):
        a, b = Value(0.5 * i), Value(2.0)
        c = a * 3
        out = compiled(c, b)
        (out * out).backward()
        a2, b2 = Value(0.5 * i), Value(2.0)
        c2 = a2 * 3
        plain = c2 * b2 + c2.tanh()
        (plain * plain).backward()
        assert np.allclose([out.data, a.grad, b.grad, c.grad], [plain.data, a2.grad, b2.grad, c2.grad], rtol=1e-12)


def test_results_that_share_no_graph_are_freed_apart() -> None:
    for shares in (False, True):
        ws = [pa.tensor([2.0, 3.0], requires_grad=True) for _ in range(3)]

        def function(x: Tensor, ws: list[Tensor] = ws, shares: bool = shares) -> tuple[Tensor, ...]:
            h = (ws[2] * x).exp()
            return (ws[0] * x).sum() * h.mean() if shares else (ws[0] * x).sum(), (ws[1] * x).sin().sum(), h.sum()

        found = []
        for call in (function, pa.compile(function)):
            for i in range(5):
                for w in ws:
                    w.grad = None
                a, b, c = call(pa.tensor([0.1 * i, 1.0]))
                a.backward()
                with pa.no_grad():
                    ws[0] += 0.1
                b.backward()
                if shares:
                    with pytest.raises(RuntimeError, match="freed"):
                        c.backward()
                else:
                    c.backward()
                with pa.no_grad():
                    ws[0] -= 0.1
                found.append([w.grad.tolist() for w in ws])  # type: ignore[union-attr]
        assert all(np.allclose(a, b) for a, b in zip(found[:5], found[5:]))


def test_a_history_that_ends_in_the_step_is_one() -> None:
    compiled = pa.compile(lambda x: (x * x.detach().requires_grad_()).mean())
    for _ in range(4):
        out = compiled(pa.ones(3))
        assert out.requires_grad
        out.backward()


def test_a_leaf_that_the_step_makes_and_returns_is_refused() -> None:
    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        z = x.detach().requires_grad_()
        return z, (z * z).sum()

    compiled = pa.compile(function)
    with pytest.raises(pa.TraceError, match="leaf"):
        for _ in range(3):
            compiled(pa.ones(3))


def test_a_result_that_retains_its_gradient_gets_it_from_outside() -> None:
    def function(x: Tensor) -> Tensor:
        h = x * w
        h.retain_grad()
        return h

    w, compiled = pa.tensor([1.0, 2.0], requires_grad=True), pa.compile(function)
    for _ in range(4):
        h = compiled(pa.ones(2))
        h.square().sum().backward()
        assert h.grad is not None and h.grad.tolist() == [2.0, 4.0]


def test_beside_what_depends_on_it_one_that_retains_its_gradient_is_refused() -> None:
    def function(x: Tensor) -> Any:
        h = x * w
        h.retain_grad()
        return h, h.sum()

    w, compiled = pa.ones(3, requires_grad=True), pa.compile(function)
    with pytest.raises(pa.TraceError, match="retain_grad"):
        for _ in range(3):
            compiled(pa.ones(3))


@pytest.mark.parametrize("last", [False, True])
def test_values_get_gradients_from_what_depends_on_them(last: bool) -> None:
    def function(x: float) -> Any:
        made = Value(x)
        first = made * w
        second = first * first + made
        results = [second, first, made, (second * first).tanh()]
        return results if last else results[::-1]

    def course(step: Any) -> list[list[float]]:
        found = []
        for k in range(6):
            results = step(0.5 * k)
            results[k % 4].backward()
            (results[(k + 1) % 4] * 2.0).backward()
            found.append([*[each.data for each in results], *[each.grad for each in results], w.grad])
        return found

    w = Value(2.0)
    compiled = pa.compile(function)
    replayed = course(compiled)
    assert compiled.programs[0].describe()["kind"] != "tensors"
    w = Value(2.0)
    assert replayed == [pytest.approx(each) for each in course(function)]


def test_threads_with_models_of_their_own_train_as_alone() -> None:
    def work(seed: int) -> Any:
        pa.manual_seed(seed)
        model = nn.Sequential(nn.Linear(64, 96), nn.Tanh(), nn.Linear(96, 4))
        compiled, optimizer = pa.compile(model), optim.SGD(model.parameters(), lr=0.1)
        x, y = pa.randn(512, 64), pa.randint(0, 4, (512,))
        for _ in range(12):
            optimizer.zero_grad()
            F.cross_entropy(compiled(x), y).backward()
            optimizer.step()
        return numbers(model)

    alone = [work(seed) for seed in range(3)]
    assert in_threads(*[functools.partial(work, seed) for seed in range(3)]) == alone


def test_a_result_of_a_compiled_call_can_be_traced_and_drawn() -> None:
    w = pa.tensor([2.0, 3.0], requires_grad=True)
    compiled = pa.compile(lambda x: ((w * x).sum(), (w / x).sum()))
    for _ in range(3):
        a, b = compiled(pa.ones(2))
    assert "program" in str(trace(a * b)) and "program" in draw_dot(a * b).source


def test_many_values_have_histories_of_their_own() -> None:
    def function(a: Any, b: Any, k: float) -> Any:
        h = (w * a).tanh() + k
        return h, [h * b, (b + 1).relu()], b, Value(k) * 2

    compiled = pa.compile(function)
    w = Value(0.7)
    for i in range(6):
        found = []
        for call in (function, compiled):
            w.grad = 0
            a, root = Value(0.3 * i), Value(-0.5 + i)
            b = root * 2
            first, (second, third), same, made = call(a, b, 0.25 * i)
            (first * 3 + second * second + third * same + made).backward()
            found.append([first.data, second.data, third.data, made.data, a.grad, b.grad, root.grad, w.grad])
            second.backward()
            found[-1] += [a.grad, w.grad]
        assert np.allclose(found[0], found[1], rtol=1e-12)
    assert len(compiled.programs) == 1 and compiled.programs[0].describe()["kind"] == "values"
