"""Python that runs inside a program does at each replay what it does in the plain call."""

import contextlib
import functools
import gc
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threads import in_threads

import pyautograd as pa
from pyautograd import Tensor, Value, nn, optim

from .training import alike, refused

CALLS = 5
count = 0  # of what a logger at module level has seen
kept: list[Any] = []


class World:
    """A net and its training, with a logger of its own."""

    def __init__(self) -> None:
        pa.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.05)
        self.seen: list[Any] = []
        self.calls = 0

    def gradients(self) -> list[Any]:
        return [None if p.grad is None else p.grad.tolist() for p in self.model.parameters()]

    def state(self) -> Any:
        return [p.tolist() for p in self.model.parameters()], self.gradients(), self.seen, self.calls

    def look(self, *given: Any) -> None:
        self.calls += 1
        self.seen.append(([each.tolist() if isinstance(each, Tensor) else each for each in given], self.gradients()))

    def step(self, x: Tensor, scale: float) -> Tensor:
        pa.host_call(self.look, "begin")
        self.optimizer.zero_grad()
        pa.host_call(self.look, "cleared", scale)
        loss = (self.model(x) ** 2).mean() * scale
        loss.backward()
        pa.host_call(self.look, loss, x, scale * 2)
        self.optimizer.step()
        pa.host_call(self.look, *self.model.parameters())
        return loss


def batches(n: int = CALLS) -> list[tuple[Tensor, float]]:
    return [(pa.tensor(np.full((2, 3), k, np.float32)), 0.5 + k) for k in range(n)]


def test_a_logger_sees_what_it_sees_in_the_plain_call() -> None:
    def act(wrap: Any) -> Any:
        world = World()
        step = wrap(world.step)
        losses = [step(*batch).tolist() for batch in batches()]
        assert wrap is not pa.compile or len(step.programs) == 1
        return losses, world.state()

    alike(act)


def log_globally(loss: Tensor) -> None:
    global count
    count += 1
    if count % 2 == 0:
        kept.append(loss)


def test_a_counter_of_a_logger_is_its_own_and_tensors_are_its_own_to_keep() -> None:
    global count
    count = 0
    kept.clear()

    @pa.compile
    def step(x: Tensor) -> Tensor:
        loss = (x * x).sum()
        pa.host_call(log_globally, loss)
        return loss

    losses = [step(pa.ones(2) * k).item() for k in range(6)]
    assert (count, [each.item() for each in kept]) == (6, losses[1::2])
    assert len(step.programs) == 1


def test_the_function_may_be_a_method_a_lambda_or_of_an_enclosing_function() -> None:
    history: list[float] = []
    n = 0

    def tick(loss: Tensor) -> None:
        nonlocal n
        n += 1

    @pa.compile
    def step(x: Tensor) -> Tensor:
        loss = (x * x).sum()
        pa.host_call(tick, loss)
        pa.host_call(history.append, loss)
        pa.host_call(lambda t: kept.append((n, t.item())), loss)
        return loss

    kept.clear()
    losses = [step(pa.ones(2) * k).item() for k in range(CALLS)]
    assert [float(each) for each in history] == losses
    assert kept == [(k + 1, loss) for k, loss in enumerate(losses)]
    assert len(step.programs) == 1


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (np.linalg.inv, pa.float32),
        (lambda a: a.numpy().T, pa.float32),
        (lambda a: (a.sum(), a.numpy().astype(np.float64)), pa.float32),
        (lambda a: float(a.sum()), pa.float32),
        (lambda a: np.argsort(a.numpy(), axis=None), pa.float64),
        (lambda a: a, pa.float32),
        (lambda a: (), pa.float32),
    ],
)
def test_results_are_what_the_function_returns(function: Callable[..., Any], dtype: Any) -> None:
    def plain(x: Tensor) -> Any:
        return pa.host_call(function, x * 2)

    def facts(result: Any) -> Any:
        if isinstance(result, tuple):
            return [facts(each) for each in result]
        return result.dtype, result.shape, result.tolist(), result.requires_grad

    step = pa.compile(plain)
    for k in range(CALLS):
        x = (pa.randn(3, 3) + 3 * pa.eye(3)).to(dtype).requires_grad_(k % 2 == 2)
        assert facts(step(x)) == facts(plain(x))


def test_results_have_no_history_and_take_part_in_what_follows() -> None:
    w = pa.tensor([1.0, 2.0], requires_grad=True)

    def plain(x: Tensor) -> tuple[Tensor, bool]:
        w.grad = None
        factor = pa.host_call(lambda t: t.numpy() + 1, w * x)
        (factor * w).sum().backward()
        return w.grad * 1, factor.requires_grad  # type: ignore[operator]

    step = pa.compile(plain)
    for k in range(CALLS):
        x = pa.tensor([k, 1.0])
        assert [each.tolist() if isinstance(each, Tensor) else each for each in step(x)] == [
            each.tolist() if isinstance(each, Tensor) else each for each in plain(x)
        ]


def test_what_it_writes_into_a_parameter_or_a_gradient_is_seen_by_what_follows() -> None:
    def act(wrap: Any) -> Any:
        world = World()

        def clip() -> None:
            for i, p in enumerate(world.model.parameters()):
                assert p.grad is not None
                if i % 2:
                    p.grad.clamp_(-0.01, 0.01)
                else:
                    p.grad = p.grad.detach() * 0.5
                p.data = p.detach() * 0.9

        @wrap
        def step(x: Tensor) -> Tensor:
            world.optimizer.zero_grad()
            loss = (world.model(x) ** 2).mean()
            loss.backward()
            before = world.model(x).sum()
            pa.host_call(clip)
            after = world.model(x).sum()
            world.optimizer.step()
            return pa.stack([loss, before, after])

        return [step(x).tolist() for x, _ in batches()], world.state()

    alike(act)


def test_two_backwards_with_a_call_between_leave_it_the_first_gradient() -> None:
    def act(wrap: Any) -> Any:
        world = World()

        def halve() -> None:
            for p in world.model.parameters():
                p.grad.mul_(0.5)  # type: ignore[union-attr]
            world.look()

        @wrap
        def step(x: Tensor) -> None:
            world.optimizer.zero_grad()
            world.model(x).sum().backward()
            pa.host_call(halve)
            world.optimizer.step()
            world.optimizer.zero_grad()
            (world.model(x) ** 2).sum().backward()
            pa.host_call(halve)

        for x, _ in batches():
            step(x)
        return world.state()

    alike(act)


def test_random_numbers_come_from_the_callers_stream_in_order() -> None:
    def plain(x: Tensor) -> Tensor:
        a = pa.rand(2)
        b = pa.host_call(lambda: pa.rand(2))
        c = pa.rand(2)
        pa.host_call(lambda t: [pa.manual_seed(int(t.item())), None][1], x.sum())
        return pa.stack([a, b, c, pa.rand(2)])

    step = pa.compile(plain)
    pa.manual_seed(1)
    expected = [plain(pa.ones(2) * k).tolist() for k in range(CALLS)]
    pa.manual_seed(1)
    assert [step(pa.ones(2) * k).tolist() for k in range(CALLS)] == expected


def test_an_exception_leaves_what_the_plain_call_leaves() -> None:
    def act(wrap: Any) -> Any:
        world = World()

        def look(loss: Tensor) -> None:
            if loss.item() > 5:
                raise ArithmeticError("too much")

        @wrap
        def step(x: Tensor) -> Tensor:
            world.optimizer.zero_grad()
            loss = world.model(x).sum() * 0 + x.sum() + sum((p * p).sum() for p in world.model.parameters()) * 1e-6
            loss.backward()
            pa.host_call(look, loss)
            world.optimizer.step()
            return loss

        trail = []
        for k in (1, 1, 1, 9, 1, 9, 2):
            with pytest.raises(ArithmeticError, match="too much") if k == 9 else contextlib.nullcontext():
                step(pa.ones(1, 3) * k * 0.5)
            trail.append(world.state())
        return trail

    alike(act)


def test_a_warning_is_one_and_may_be_an_error() -> None:
    @pa.compile
    def step(x: Tensor) -> Tensor:
        pa.host_call(lambda t: warnings.warn(f"saw {t.item()}", stacklevel=1), x.sum())
        return x * 2

    for k in range(CALLS):
        with pytest.warns(UserWarning, match=f"saw {2.0 * k}"):
            step(pa.ones(2) * k)
    with warnings.catch_warnings(), pytest.raises(UserWarning):
        warnings.simplefilter("error")
        step(pa.ones(2))


def test_what_the_step_reads_may_not_be_changed_by_the_function() -> None:
    world = World()

    def maybe(loss: Tensor) -> None:
        if loss.item() > 5:
            world.model.eval()

    @pa.compile
    def step(x: Tensor) -> Tensor:
        pa.host_call(maybe, x.sum())
        return world.model(x)

    for _ in range(3):
        step(pa.ones(1, 3))
    with pytest.raises(RuntimeError, match="host call"):
        step(pa.ones(1, 3) * 9)


@pytest.mark.parametrize("change", ["clear", "set", "double", "freeze"])
def test_a_gradient_that_comes_or_goes_is_refused(change: str) -> None:
    world, calls, left = World(), 0, None
    weight = next(world.model.parameters())

    def seen() -> Any:
        return None if weight.grad is None else weight.grad.tolist(), weight.requires_grad

    def function() -> None:
        nonlocal calls, left
        calls += 1
        if calls < 4:
            return
        if change == "clear":
            weight.grad = None
        elif change == "set":
            weight.grad = pa.ones_like(weight)
        elif change == "freeze":
            weight.requires_grad_(False)
        else:
            weight.grad = None
            world.model.double()
        left = seen()

    @pa.compile
    def step(x: Tensor) -> None:
        world.optimizer.zero_grad()
        if change == "set":
            pa.host_call(function)
        world.model(x).sum().backward()
        if change != "set":
            pa.host_call(function)
        world.optimizer.step()

    for _ in range(3):
        step(pa.ones(1, 3))
    with pytest.raises(RuntimeError, match="host call"):
        step(pa.ones(1, 3))
    assert seen() == left


def test_eager_ops_and_other_steps_inside_are_no_part_of_the_step() -> None:
    inner = pa.compile(lambda t: (t * 3).sum())

    def function(t: Tensor) -> Tensor:
        leaf = t.clone().requires_grad_()
        inner(leaf.detach())
        (leaf * leaf).sum().backward()
        assert leaf.grad is not None
        return leaf.grad + inner(t)

    @pa.compile
    def step(x: Tensor) -> Tensor:
        return pa.host_call(function, x) * 2

    for k in range(CALLS):
        x = pa.tensor([k, 2.0])
        assert step(x).tolist() == (2 * (2 * x + (3 * x).sum())).tolist()
    assert (len(step.programs), len(inner.programs)) == (1, 1)
    assert step.programs[0].describe()["ops"] == 1


def test_the_grad_mode_is_that_of_its_place() -> None:
    modes: list[bool] = []

    def plain(x: Tensor) -> None:
        pa.host_call(lambda: modes.append(pa.is_grad_enabled()))
        with pa.no_grad():
            pa.host_call(lambda: modes.append(pa.is_grad_enabled()))

    step = pa.compile(plain)
    for _ in range(CALLS):
        step(pa.ones(1))
    assert modes == [True, False] * CALLS


def test_values_arrive_as_values_and_floats_as_floats() -> None:
    def plain(v: Value, lr: float) -> Value:
        y = v * v
        y.backward()
        pa.host_call(lambda *given: kept.append([(type(g), getattr(g, "data", g)) for g in given]), y, lr, v.grad)
        v.grad = 0.0
        return y

    seen = []
    for run in (plain, pa.compile(plain)):
        kept.clear()
        for k in range(CALLS):
            run(Value(k + 0.5), 0.1 * k)
        seen.append(list(kept))
    assert seen[0] == seen[1]


def test_deferred_numbers_arrive_as_the_numbers_that_they_are() -> None:
    def plain(x: Tensor) -> None:
        numbers = (x > 1).sum().item(), x.sum().item(), (x.sum() > 2).item()
        pa.host_call(lambda *given: kept.append([repr(each) for each in given]), *numbers)

    seen = []
    for run in (plain, pa.compile(plain)):
        kept.clear()
        for k in range(CALLS):
            run(pa.ones(2) * k)
        seen.append(list(kept))
    assert seen[0] == seen[1]


class Keeper:
    """Keeps a state, and a logger that may look at it."""

    def __init__(self) -> None:
        self.h, self.n, self.history, self.calls = pa.zeros(2), 0.0, [], 0  # type: ignore[var-annotated]

    def look_at_h(self) -> None:
        kept.append(self.h.tolist())

    def look_at_n(self) -> None:
        kept.append(float(self.n))

    def look_at_history(self) -> None:
        kept.append(len(self.history))

    def count(self, h: Tensor) -> None:
        self.calls += 1
        kept.append((self.calls, h.tolist()))


def test_what_the_step_stores_is_given_to_the_function_and_not_looked_for() -> None:
    def step_of(keeper: Keeper, log: Callable[[Keeper], None]) -> Callable[[Tensor], Tensor]:
        def step(x: Tensor) -> Tensor:
            keeper.h = keeper.h * 0.5 + x
            keeper.n = keeper.n + x.sum().item()
            keeper.history.append(x.sum())
            log(keeper)
            return keeper.h.sum()

        return step

    def with_an_argument(keeper: Keeper) -> None:
        pa.host_call(keeper.count, keeper.h)

    for name in ("look_at_h", "look_at_n", "look_at_history"):

        def looking(keeper: Keeper, name: str = name) -> None:
            pa.host_call(getattr(keeper, name))

        refused(pa.compile(step_of(Keeper(), looking)), pa.ones(2), match=name, calls=3)
    plain, compiled = Keeper(), Keeper()
    a, b = step_of(plain, with_an_argument), pa.compile(step_of(compiled, with_an_argument))
    found = []
    for step, keeper in ((a, plain), (b, compiled)):
        kept.clear()
        results = [step(pa.ones(2) * k).item() for k in range(CALLS)]
        found.append((results, list(kept), keeper.h.tolist(), keeper.n, [each.item() for each in keeper.history]))
    assert found[0] == found[1]


def test_run_carries_it() -> None:
    def losses_of(world: World, compiled: bool) -> Any:
        seen: list[float] = []

        def step(x: Tensor) -> Tensor:
            world.optimizer.zero_grad()
            loss = (world.model(x) ** 2).mean()
            loss.backward()
            pa.host_call(world.look, loss)
            world.optimizer.step()
            return loss

        rows = pa.tensor(np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32))
        if compiled:
            return pa.compile(step).run(rows, batch_size=4, epochs=3, shuffle=False).tolist()
        return seen + [step(rows[i : i + 4]).item() for _ in range(3) for i in range(0, 10, 4)]

    plain, compiled = World(), World()
    np.testing.assert_allclose(losses_of(compiled, True), losses_of(plain, False), rtol=1e-6)
    assert compiled.seen == plain.seen


def test_threads_with_steps_of_their_own_call_python() -> None:
    def train(index: int) -> list[float]:
        seen: list[float] = []

        @pa.compile
        def step(x: Tensor) -> Tensor:
            y = (x * x).sum()
            pa.host_call(seen.append, y)
            return y

        for k in range(20):
            step(pa.ones(2) * (index + k))
        return [float(each) for each in seen]

    found = in_threads(*[functools.partial(train, index) for index in range(3)])
    assert found == [[2.0 * (index + k) ** 2 for k in range(20)] for index in range(3)]


def test_a_function_that_holds_the_step_is_collected_with_it() -> None:
    class Logger:
        step: Any

        def log(self, loss: Tensor) -> None:
            pass

    def made(calls: int) -> weakref.ref[Logger]:
        logger = Logger()

        @pa.compile
        def step(x: Tensor) -> Tensor:
            pa.host_call(logger.log, x)
            return x * 2

        logger.step = step
        for _ in range(calls):
            step(pa.ones(1))
        return weakref.ref(logger)

    for calls in (1, 2, 4):
        found = made(calls)
        gc.collect()
        assert found() is None
