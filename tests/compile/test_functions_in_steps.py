"""An autograd.Function in a compiled step gives the results and the gradients that it gives in the plain call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trainings import training_step

import pyautograd as pa
from pyautograd import Tensor, Value, nn, optim
from pyautograd.autograd import Function

from .training import alike, refused

CALLS = 5
calls: list[Any] = []  # what the Functions below were asked


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        calls.append(("forward", ctx.needs_input_grad))
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        calls.append(("backward", upstream.tolist()))
        return 3 * x * x * upstream


class Affine(Function):
    """Two outputs, tensors, floats, an int and an option; no gradient of some."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, factor: float, axis: int, *, shift: float = 0.0) -> Any:
        out = w * x * factor + shift
        ctx.save_for_backward(x, w, out)
        ctx.factor = factor
        calls.append((repr(factor), axis, repr(shift), ctx.needs_input_grad))
        return out, out.sum(axis)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        x, w, out = ctx.saved_tensors
        calls.append([each.tolist() for each in (*upstream, out)])
        first, second = upstream
        total = first + second.reshape(1, -1)
        return total * w * ctx.factor, (total * x * ctx.factor).sum(0), None, None


class Solve(Function):
    """Through LAPACK."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        x = pa.tensor(np.linalg.solve(a.detach().numpy(), b.detach().numpy()))
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        a, x = ctx.saved_tensors
        of_b = pa.tensor(np.linalg.solve(a.detach().numpy().T, upstream.numpy()))
        return -of_b.outer(x.detach()), of_b


class World:
    def __init__(self) -> None:
        pa.manual_seed(1)
        self.w = pa.randn(3, requires_grad=True)
        self.v = pa.randn(3, 3, requires_grad=True)
        self.optimizer = optim.SGD([self.w, self.v], lr=0.01, momentum=0.9)

    def state(self) -> Any:
        return [(p.tolist(), None if p.grad is None else p.grad.tolist()) for p in (self.w, self.v)]


def cubes(world: World, x: Tensor, k: float) -> Tensor:
    return Cube.apply(x @ world.v * world.w).sum() * k


def of_a_leaf_twice(world: World, x: Tensor, k: float) -> Tensor:
    return (Cube.apply(world.w) * Cube.apply(world.w)).sum() * k + x.sum()


def two_outputs(world: World, x: Tensor, k: float) -> Tensor:
    out, total = Affine.apply(x @ world.v, world.w, k, 0, shift=k + 1)
    return (out * out).mean() + (total * k).sum()


def one_of_two_outputs(world: World, x: Tensor, k: float) -> Tensor:
    return Affine.apply(x @ world.v, world.w, 2.0, 0)[1].sum() * k


def solved(world: World, x: Tensor, k: float) -> Tensor:
    return (Solve.apply(world.v + 3 * pa.eye(3), world.w * k) * x).sum()


def chained(world: World, x: Tensor, k: float) -> Tensor:
    return Cube.apply(Cube.apply(world.w * x).relu()).sum() * k


def without_history(world: World, x: Tensor, k: float) -> Tensor:
    with pa.no_grad():
        fixed = Cube.apply(world.w)
    return (fixed * world.w * Cube.apply(x)).sum() * k


def step_of(world: World, loss_of: Callable[..., Tensor]) -> Callable[[Tensor, float], Tensor]:
    def step(x: Tensor, k: float) -> Tensor:
        world.optimizer.zero_grad()
        loss = loss_of(world, x, k)
        loss.backward()
        world.optimizer.step()
        return loss

    return step


@pytest.mark.parametrize(
    "loss_of",
    [cubes, of_a_leaf_twice, two_outputs, one_of_two_outputs, solved, chained, without_history],
    ids=lambda function: function.__name__,
)
def test_results_gradients_and_what_it_is_asked_are_the_plain_calls(loss_of: Callable[..., Tensor]) -> None:
    plain, compiled = World(), World()
    a, b = step_of(plain, loss_of), pa.compile(step_of(compiled, loss_of))
    for k in range(CALLS):
        x = pa.tensor(np.random.default_rng(k).normal(size=(4, 3)).astype(np.float32))
        calls.clear()
        expected = a(x, 0.1 * k + 0.3).tolist()
        asked = list(calls)
        calls.clear()
        assert b(x, 0.1 * k + 0.3).tolist() == expected
        assert calls == asked
        np.testing.assert_equal(compiled.state(), plain.state())
    assert len(b.programs) == 1


def test_a_graph_that_is_kept_is_swept_twice() -> None:
    w = pa.tensor([1.0, 2.0], requires_grad=True)

    def plain(x: Tensor) -> Tensor:
        w.grad = None
        loss = Cube.apply(w * x).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        return w.grad * 1  # type: ignore[operator]

    step = pa.compile(plain)
    for k in range(CALLS):
        assert step(pa.ones(2) * k).tolist() == plain(pa.ones(2) * k).tolist()


def test_the_same_tensor_twice_and_gradients_that_are_none() -> None:
    class Second(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            ctx.save_for_backward(a)
            return a + b * 2

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> Any:
            return None, upstream * 2

    w, v = pa.ones(2, requires_grad=True), pa.ones(2, requires_grad=True)

    def plain(x: Tensor) -> Tensor:
        w.grad = v.grad = None
        (Second.apply(w, w) * x + Second.apply(v, x)).sum().backward()
        return w.grad * 1  # type: ignore[operator]

    step = pa.compile(plain)
    for k in range(CALLS):
        assert step(pa.ones(2) * k).tolist() == plain(pa.ones(2) * k).tolist()
        assert v.grad is None


def test_values_are_operands_too() -> None:
    class Product(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, v: Value) -> Tensor:
            assert isinstance(v, Value)
            ctx.save_for_backward(x)
            ctx.v = v.data
            return x * v.data

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> Any:
            (x,) = ctx.saved_tensors
            return upstream * ctx.v, (upstream * x).sum()

    w, v = pa.tensor([1.0, 2.0], requires_grad=True), Value(0.5)

    def plain(x: Tensor) -> Any:
        w.grad, v.grad = None, 0.0
        loss = Product.apply(w * x, v * v).sum()
        loss.backward()
        return loss, w.grad * 1, v.grad  # type: ignore[operator]

    def facts(result: Any) -> Any:
        return [each.tolist() if isinstance(each, Tensor) else each for each in result]

    step = pa.compile(plain)
    for k in range(CALLS):
        assert facts(step(pa.ones(2) * k)) == facts(plain(pa.ones(2) * k))


def test_a_model_of_functions_trains_in_run() -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return Cube.apply(self.linear(x))

    def trained(wrap: Any) -> Any:
        pa.manual_seed(2)
        model = Layer()
        step = training_step(model, optim.SGD(model.parameters(), lr=0.01), lambda y: (y**2).mean())
        rows = pa.tensor(np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32))
        if wrap is pa.compile:
            return pa.compile(step).run(rows, batch_size=4, epochs=3, shuffle=False).tolist()
        return [step(rows[i : i + 4]).item() for _ in range(3) for i in (0, 4)]

    alike(trained)


def test_an_exception_in_backward_leaves_what_the_plain_call_leaves() -> None:
    class Checked(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> Tensor:
            if upstream.sum().item() > 5:
                raise ArithmeticError("too much")
            return upstream

    def step_with(world: World) -> Callable[[Tensor], None]:
        def step(x: Tensor) -> None:
            world.optimizer.zero_grad()
            world.v.sum().backward()
            (Checked.apply(world.w) * x).sum().backward()
            world.optimizer.step()

        return step

    plain, compiled = World(), World()
    a, b = step_with(plain), pa.compile(step_with(compiled))
    for k in (1, 1, 1, 9, 1):
        for step in (a, b):
            if k == 9:
                with pytest.raises(ArithmeticError):
                    step(pa.ones(3) * k)
            else:
                step(pa.ones(3) * k)
        assert compiled.state() == plain.state()


def test_what_changes_from_call_to_call_is_refused_by_name() -> None:
    count = 0

    class Changing(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            nonlocal count
            count += 1
            return x * 1 if count != 3 else x.reshape(-1, 1) * 1

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> Any:
            return upstream if count != 4 else None

    w = pa.ones(2, requires_grad=True)

    @pa.compile
    def step() -> None:
        w.grad = None
        Changing.apply(w).sum().backward()

    step()
    step()
    with pytest.raises(RuntimeError, match=r"Changing: result 0 .* \(2, 1\)"):
        step()
    with pytest.raises(RuntimeError, match="Changing: gradient 0 is None"):
        step()
    step()


def test_the_batch_axis_may_be_free() -> None:
    plain, compiled = World(), World()
    a, b = step_of(plain, two_outputs), pa.compile(step_of(compiled, two_outputs), dynamic_batch=True)
    for rows in (4, 4, 6, 6, 5, 3, 7):
        x = pa.tensor(np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32))
        assert b(x, 0.5).tolist() == a(x, 0.5).tolist()
        np.testing.assert_equal(compiled.state(), plain.state())
    assert len(b.programs) == 1


def test_a_forward_that_writes_into_its_argument_is_refused() -> None:
    class InPlace(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.mul_(2)

    refused(pa.compile(lambda x: InPlace.apply(x * 1)), pa.ones(2), match="InPlace")


def test_tensors_in_containers_are_refused() -> None:
    class Stack(Function):
        @staticmethod
        def forward(ctx: Any, parts: list[Tensor]) -> Tensor:
            return pa.stack(parts)

    assert Stack.apply([pa.ones(1)]).shape == (1, 1)
    refused(pa.compile(lambda x: Stack.apply([x])), pa.ones(1), match="argument")


def test_a_compiled_model_of_functions_is_an_op_of_its_callers_graph() -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x: Tensor, k: float) -> Any:
            return Affine.apply(self.linear(x), self.linear.bias, k, 0)

    def trained(wrap: Any) -> Any:
        pa.manual_seed(2)
        model = Layer()
        forward = wrap(model)
        seen = []
        for n in range(CALLS):
            x = pa.tensor(np.random.default_rng(n).normal(size=(4, 3)).astype(np.float32))
            first, second = forward(x, 0.5 + n), forward(x * 2, 1.5)  # two calls whose backwards are still to come
            ((first[0] ** 2).mean() + second[1].sum()).backward()
            seen.append([p.grad.tolist() for p in model.parameters()])  # type: ignore[union-attr]
            model.zero_grad()
        return seen

    alike(trained)
