"""What a step stores into places of the world is there after each call, and is what the next call finds."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import pyautograd as pa
from pyautograd import Tensor, nn
from pyautograd.nn import functional as F
from pyautograd.scalar import Value

from .training import plainly, refused

CALLS = 7


def same(
    make: Callable[[], tuple[Callable[..., Any], Any]],
    arguments: Callable[[int], tuple[Any, ...]] = lambda k: (pa.full((3,), 1.0 + k),),
    between: Callable[[Any, int], Any] = lambda world, k: None,
    programs: int = 1,
) -> None:
    """Plain and compiled calls on equal worlds give equal results and leave equal worlds."""
    outcomes = []
    for compiled in (False, True):
        function, world = make()
        step = pa.compile(function) if compiled else function
        trail = []
        for k in range(CALLS):
            between(world, k)
            args = arguments(k)
            trail.append((plainly(step(*args)), plainly(list(args)), plainly(world)))
        outcomes.append(trail)
        if compiled:
            assert len(step.programs) == programs
    for k, (plain, compiled) in enumerate(zip(*outcomes)):
        assert compiled == plain, f"call {k}"


def attribute() -> Any:
    world = SimpleNamespace(h=pa.zeros(3))

    def step(x: Tensor) -> Tensor:
        world.h = pa.tanh(world.h * 0.5 + x)
        return world.h.sum()

    return step, world


def module_attribute() -> Any:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.h = pa.zeros(3)

        def forward(self, x: Tensor) -> Tensor:
            self.h = self.h * 0.5 + x
            return self.h

    cell = Cell()
    return lambda x: cell(x).sum(), cell


def dict_entry() -> Any:
    world = {"h": pa.zeros(3), "n": pa.zeros(1)}

    def step(x: Tensor) -> Tensor:
        world["h"] = world["h"] + x
        world["n"] = world["n"] + 1
        return world["h"] * world["n"]

    return step, world


def list_slot() -> Any:
    world = [pa.zeros(3), pa.ones(3)]

    def step(x: Tensor) -> Tensor:
        world[0], world[1] = world[1], world[0] + x
        return world[0] * 2

    return step, world


def pair() -> Any:
    world = SimpleNamespace(state=(pa.zeros(3), pa.ones(3)))

    def step(x: Tensor) -> Tensor:
        h, c = world.state
        c = c * 0.5 + x
        world.state = (pa.tanh(c) + h, c)
        return world.state[0].sum()

    return step, world


def new_list_each_time() -> Any:
    world = SimpleNamespace(hidden=[pa.zeros(3), pa.zeros(3)])

    def step(x: Tensor) -> Tensor:
        world.hidden = [h * 0.5 + x for h in world.hidden]
        return world.hidden[0] + world.hidden[1]

    return step, world


def closure() -> Any:
    h = pa.zeros(3)
    world = SimpleNamespace(read=None)

    def step(x: Tensor) -> Tensor:
        nonlocal h
        h = h * 0.5 + x
        return h.sum()

    def look() -> Any:
        return h

    world.read = look()
    return step, world


def returned_and_kept() -> Any:
    world = SimpleNamespace(h=pa.zeros(3))

    def step(x: Tensor) -> Any:
        world.h = world.h + x
        return world.h, world.h

    return step, world


def previous() -> Any:
    world = SimpleNamespace(h=pa.zeros(3), previous=pa.zeros(3))

    def step(x: Tensor) -> Tensor:
        world.previous = world.h
        world.h = world.h * 0.5 + x
        return (world.h - world.previous).sum()

    return step, world


def in_place_and_rebound() -> Any:
    world = SimpleNamespace(h=pa.zeros(3), total=pa.zeros(3))

    def step(x: Tensor) -> Tensor:
        world.total += x
        world.h = world.h * 0.5 + world.total
        world.h.mul_(0.5)
        return world.h.sum()

    return step, world


def parameter_and_state() -> Any:
    pa.manual_seed(0)
    model = nn.Linear(3, 3)
    world = SimpleNamespace(h=pa.zeros(1, 3), model=model, loss=None)

    def step(x: Tensor) -> Tensor:
        model.zero_grad()
        out = pa.tanh(model(x.reshape(1, 3) + world.h))
        loss = (out**2).mean()
        loss.backward()
        with pa.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad
        world.h = out.detach()
        world.loss = loss.item()
        return loss.detach()

    return step, world


def number() -> Any:
    world = SimpleNamespace(average=0.0, last=None)

    def step(x: Tensor) -> Tensor:
        world.average = 0.9 * world.average + 0.1 * x.sum().item()
        world.last = x.max().item()
        return x * world.average

    return step, world


def values() -> Any:
    world = {"h": Value(0.0), "w": Value(0.5)}

    def step(x: Tensor) -> Any:
        h = world["h"]
        for each in (1.0, 2.0):
            h = (h * world["w"] + each).tanh()
        world["h"] = Value(h.data)
        world["w"].grad = 0.0
        h.backward()
        world["w"].data -= 0.1 * world["w"].grad
        return h.data

    return step, world


@pytest.mark.parametrize(
    "make",
    [
        attribute, module_attribute, dict_entry, list_slot, pair, new_list_each_time, closure, returned_and_kept,
        previous, in_place_and_rebound, parameter_and_state, number, values,
    ],
)  # fmt: skip
def test_what_a_step_stores_is_there_and_is_read_by_the_next_call(make: Callable[[], Any]) -> None:
    same(make)


def test_a_variable_that_is_taken_away_after_each_call_is_set_by_the_next() -> None:
    if TYPE_CHECKING:
        h = pa.zeros(2)

    @pa.compile
    def step(x: Tensor) -> Tensor:
        nonlocal h
        h = x * 2.0
        return h.sum()

    for k in range(6):
        assert step(pa.full((2,), float(k))).item() == 4.0 * k
        assert h.tolist() == [2.0 * k] * 2
        if k < 4:
            del h


@pytest.mark.parametrize(
    "make", [attribute, module_attribute, dict_entry, list_slot, pair, new_list_each_time, previous]
)
def test_state_may_be_reset_between_calls(make: Callable[[], Any]) -> None:
    def reset(world: Any, k: int) -> None:
        fresh = pa.full((3,), float(k))
        if k < 4:
            return
        if isinstance(world, dict):
            world["h"] = fresh
        elif isinstance(world, list):
            world[0] = fresh
        elif hasattr(world, "state"):
            world.state = (fresh, fresh + 1)
        elif hasattr(world, "hidden"):
            world.hidden = [fresh, fresh + 1]
        else:
            world.h = fresh

    same(make, between=reset)


def test_results_are_appended_to_lists() -> None:
    def make() -> Any:
        world: dict[str, list[Any]] = {"losses": [], "outputs": [], "pairs": []}
        losses, outputs, pairs = world["losses"], world["outputs"], world["pairs"]

        def step(x: Tensor) -> Tensor:
            y = x * 2
            losses.append(y.sum().item())
            outputs.append(y)
            pairs.append((y.max().item(), "words", y))
            return y

        return step, world

    same(make)


def test_appending_to_a_list_that_the_step_reads_is_refused() -> None:
    losses: list[Any] = []

    def step(x: Tensor) -> Tensor:
        losses.append(x.sum())
        return x * len(losses)

    refused(pa.compile(step), pa.ones(2), match="losses")


def test_containers_among_the_arguments_are_the_callers_own() -> None:
    def step(state: dict[str, Any], log: list[Any], x: Tensor, lr: float) -> Tensor:
        state["h"] = state["h"] * lr + x
        state["scale"] = state["h"].sum().item()
        log.append(state["h"].mean().item())
        return state["h"] + 1

    def plain() -> Any:
        state: dict[str, Any] = {"h": pa.zeros(3), "scale": 0.0}
        log: list[Any] = []

        def call(x: Tensor, run: Callable[..., Any] = step) -> Any:
            return run(state, log, x, 0.5), state, log

        return call

    expected = plain()
    compiled = plain()
    fast = pa.compile(step)
    for k in range(CALLS):
        x = pa.full((3,), float(k))
        assert plainly(compiled(x, fast)) == plainly(expected(x)), f"call {k}"
    assert len(fast.programs) == 1


def test_a_container_that_is_new_at_each_call_gets_what_is_stored_in_it() -> None:
    def step(batch: dict[str, Any]) -> None:
        batch["y"] = batch["x"] * batch["factor"]
        batch["parts"][0] = batch["x"] + 1

    fast = pa.compile(step)
    for k in range(CALLS):
        ours: dict[str, Any] = {"x": pa.full((2,), float(k)), "factor": 0.5 * k, "parts": [pa.zeros(2), "rest"]}
        theirs = dict(ours, parts=list(ours["parts"]))
        fast(ours)
        step(theirs)
        assert plainly(ours) == plainly(theirs), f"call {k}"


def test_arguments_that_are_also_known_by_another_way_stay_so() -> None:
    def make() -> Any:
        world = SimpleNamespace(x=pa.ones(3), y=pa.zeros(3))

        def step(x: Tensor) -> Tensor:
            with pa.no_grad():
                x += 1
            return world.x * 10 + x + world.y

        return step, world

    def arguments_of(world: Any) -> Any:
        fresh = pa.full((3,), 5.0)
        return [world.x, world.x, world.x, world.x, fresh, fresh, fresh, fresh, world.x, world.y, world.y, world.y]

    outcomes = []
    for compiled in (False, True):
        function, world = make()
        step = pa.compile(function) if compiled else function
        outcomes.append([(plainly(step(x)), plainly(world)) for x in arguments_of(world)])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("pattern", ["aab", "aba", "abb", "aaa", "abc"])
def test_which_arguments_are_the_same_tensor_is_part_of_the_signature(pattern: str) -> None:
    def step(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        x += 1
        y *= 2
        return x + 10 * y + 100 * z

    fast = pa.compile(step)
    for k in range(CALLS):
        ours = {name: pa.full((2,), float(ord(name) - ord("a") + k)) for name in "abc"}
        theirs = {name: tensor.clone() for name, tensor in ours.items()}
        for order in ("abc", pattern):
            got, wanted = fast(*map(ours.__getitem__, order)), step(*map(theirs.__getitem__, order))
            assert plainly([got, ours]) == plainly([wanted, theirs])


def test_a_float_on_which_the_step_decides_joins_the_signature() -> None:
    def step(x: Tensor, lr: float, p: float) -> Tensor:
        y = x * lr
        return nn.functional.leaky_relu(y - 1, p) if lr * 2 > 1 else y

    fast = pa.compile(step)
    x = pa.tensor([-1.0, 2.0])
    for lr in [0.25, 0.75] * 4:
        for p in (0.1, 0.2):
            assert fast(x, lr, p).tolist() == step(x, lr, p).tolist()
    assert len(fast.programs) == 3  # p is seen only where lr is large


def test_a_float_is_looked_up_and_rounded_by_its_number() -> None:
    table, known = {0.5: 2.0, 0.25: 3.0}, {0.5}

    def step(x: Tensor, lr: float) -> Tensor:
        return x * table[lr] * (2.0 if lr in known else 1.0) + round(lr, 1)

    fast = pa.compile(step)
    for lr in [0.5] * 4 + [0.25] * 4:
        assert fast(pa.ones(2), lr).tolist() == step(pa.ones(2), lr).tolist()
    assert len(fast.programs) == 2


@pytest.mark.parametrize("text", [str, repr, "{:.2f}".format, "{}".format])
def test_the_text_of_a_float_argument_is_refused(text: Callable[[float], str]) -> None:
    refused(pa.compile(lambda x, lr: (x, text(lr))[0]), pa.ones(1), 0.5, match="text of a float.*host_call")


@pytest.mark.parametrize("calls", [1, 3], ids=["recorded", "compiled"])
def test_many_numbers_that_are_seen_warn(calls: int) -> None:
    step = pa.compile(lambda x, lr: x if lr > 0.5 else -x)
    with pytest.warns(UserWarning, match="'lr', a float on which the step decides"):
        for k in range(12 * calls):
            step(pa.ones(1), 0.1 * (k // calls))


def test_a_step_that_stores_something_else_each_time_is_refused() -> None:
    world = SimpleNamespace(h=pa.zeros(2), count=0)

    def step(x: Tensor) -> Tensor:
        world.h = world.h + x
        world.count += 1
        return x

    refused(pa.compile(step), pa.ones(2), match=r"changes world\.count")


def test_options_that_the_step_reads_as_numbers_are_those_of_the_call() -> None:
    outcomes = []
    for compiled in (False, True):
        w = pa.ones(2, requires_grad=True)
        optimizer = pa.optim.SGD([w], lr=0.1)

        def step(x: Tensor, w: Tensor = w, optimizer: Any = optimizer) -> Tensor:
            optimizer.zero_grad()
            (w * x).sum().backward()
            with pa.no_grad():
                for group in optimizer.param_groups:
                    for p in group["params"]:
                        p -= group["lr"] * 0.5 * p
            optimizer.step()
            return w.sum()

        run = pa.compile(step) if compiled else step
        trail = []
        for k in range(8):
            optimizer.param_groups[0]["lr"] = 0.1 if k < 4 else 0.05
            trail.append((run(pa.ones(2)).item(), w.tolist()))
        outcomes.append(trail)
    assert outcomes[0] == outcomes[1]


def test_numbers_stored_by_a_step_that_raises_are_python_s() -> None:
    world = SimpleNamespace(last=None)
    log: list[Any] = []

    def step(x: Tensor) -> None:
        world.last = x.sum().item()
        log.append(x.mean().item())
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        pa.compile(step)(pa.ones(2))
    assert (type(world.last), world.last, log) == (float, 2.0, [1.0])


def test_a_local_variable_of_a_lists_name_is_no_use_of_the_list() -> None:
    def make() -> Any:
        world = SimpleNamespace(losses=[])

        def step(x: Tensor) -> Tensor:
            losses = [x.mean().item(), x.sum().item()]
            world.losses.append(losses[0])
            return x * losses[1]

        return step, world

    same(make)


def test_lists_in_a_dict_are_appended_to() -> None:
    def make() -> Any:
        world: dict[str, list[Any]] = {"losses": [], "sums": []}

        def step(x: Tensor) -> Tensor:
            world["losses"].append(x.mean().item())
            world["sums"].append(x.sum().item())
            return x * 2

        return step, world

    same(make)


@pytest.mark.parametrize("view", [lambda x: x[0], lambda x: x.T, lambda x: x.detach(), lambda x: x.data[:, 1]])
def test_a_view_of_a_place_shows_what_is_written_to_it(view: Callable[[Tensor], Tensor]) -> None:
    w = pa.zeros(2, 3)
    step = pa.compile(lambda x: (view(x), view(w)))
    for k in range(4):
        x = pa.full((2, 3), float(k))
        of_x, of_w = step(x)
        x += 1
        w += 1
        assert of_x.tolist() == view(x).tolist() and of_w.tolist() == view(w).tolist()


def test_an_attribute_of_a_class_that_the_step_assigns_is_refused() -> None:
    class Net:
        h = pa.zeros(2)

    def step(x: Tensor) -> Tensor:
        Net.h = Net.h + x
        return x

    refused(pa.compile(step), pa.ones(2), match=r"changes Net\.h")


def test_a_list_of_floats_is_state() -> None:
    def make() -> Any:
        world = [0.0, 1.0, 0.5]

        def step(x: Tensor) -> Tensor:
            for i in range(2):
                world[i] = 0.9 * world[i] + x.sum().item()
            return x * world[2]

        return step, world

    same(make)


def test_numbers_in_what_is_refused_are_python_s() -> None:
    world: dict[str, Any] = {"log": [], "made": {}}

    def step(x: Tensor) -> int:
        world["log"].append(x.sum().item())
        world["made"]["new"] = x.mean().item()
        return sum(map(len, world.values()))

    pa.compile(step)(pa.ones(2))
    assert world == {"log": [2.0], "made": {"new": 1.0}} and type(world["log"][0]) is float
    assert type(world["made"]["new"]) is float


def test_a_value_that_is_an_argument_and_a_global_is_one() -> None:
    def make() -> Any:
        world = [Value(1.0), Value(2.0)]

        def step(v: Value) -> Value:
            z = world[1]
            loss = z * z + v
            loss.backward()
            return Value(loss.data)

        return step, world

    outcomes = []
    for compiled in (False, True):
        function, world = make()
        step = pa.compile(function) if compiled else function
        arguments = [Value(3.0), Value(4.0), Value(5.0), world[1], Value(6.0), world[1], world[1], world[1], world[0]]
        outcomes.append([(plainly(step(v)), plainly(world), plainly(v)) for v in arguments])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "first", [None, pa.ones(1), 1.0, (pa.ones(1),)], ids=["None", "another shape", "a float", "a tuple"]
)
def test_a_place_that_held_something_else_is_found_so_by_another_program(first: Any) -> None:
    def make() -> Any:
        world = SimpleNamespace(h=first)

        def step(x: Tensor) -> Tensor:
            if isinstance(world.h, Tensor) and len(world.h) == 3:
                world.h = world.h * 0.5 + x
            else:
                world.h = x * 2.0
            return world.h.sum()

        return step, world

    def reset(world: Any, k: int) -> None:
        if k in (2, 5):
            world.h = first

    same(make, lambda k: (pa.full((3,), 1.0 + k),), reset, programs=2)


@pytest.mark.parametrize("writes_first", [False, True])
def test_what_a_step_has_stored_before_it_raises_for_its_data_stays(writes_first: bool) -> None:
    def make() -> Any:
        world = SimpleNamespace(h=pa.zeros(3), log=[], n=0.0, after=pa.zeros(3))

        def step(x: Tensor, label: Tensor) -> Tensor:
            world.h = world.h * 0.5 + x
            world.log.append(world.h.sum().item())
            world.n = 0.5 * world.n + x.sum().item()
            loss = F.cross_entropy(world.h.reshape(1, 3), label)
            if writes_first:
                world.after.add_(1.0)
            world.after = world.after + loss
            return loss

        return step, world

    outcomes = []
    for compiled in (False, True):
        function, world = make()
        step = pa.compile(function) if compiled else function
        trail = []
        for k in range(12):
            label = pa.tensor([7 if k in (4, 5, 8) else k % 3])
            try:
                trail.append((plainly(step(pa.full((3,), 1.0 + k), label)), plainly(world)))
            except IndexError as error:
                trail.append((str(error), plainly(world)))
        outcomes.append(trail)
        if compiled:
            assert len(step.programs) == 1
    assert outcomes[0] == outcomes[1]


def test_arguments_may_lie_in_memory_that_the_step_writes() -> None:
    outcomes = []
    for compiled in (False, True):
        base = pa.zeros(8)

        def step(x: Tensor, w: Tensor = base[:4]) -> Tensor:
            before = x * 2.0
            w.mul_(0.5).add_(1.0)
            return before + x + w.sum()

        run = pa.compile(step) if compiled else step
        apart = pa.ones(4)
        arguments = [apart, apart, apart, base[2:6], base[4:], base[:4], base[2:6], base[2:6], apart, base[2:6]]
        outcomes.append([(plainly(run(x)), plainly(base)) for x in arguments])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("by_append", [False, True])
def test_a_list_that_is_an_argument_may_be_one_that_the_step_knows(by_append: bool) -> None:
    def make() -> Any:
        known, other = [pa.ones(3)], [pa.ones(3)]

        def put(given: list[Tensor], x: Tensor) -> Tensor:
            known[0] = known[0] + x
            given[0] = given[0] * 2.0
            return known[0] + given[0]

        def append(given: list[Tensor], x: Tensor) -> Tensor:
            given.append(x * 2.0)
            known.append(x + 1.0)
            return x.sum()

        return append if by_append else put, (known, other)

    outcomes = []
    for compiled in (False, True):
        function, (known, other) = make()
        step = pa.compile(function) if compiled else function
        trail = []
        for k, given in enumerate([known] * 4 + [other] * 4 + [known] * 3 + [other] * 3):
            trail.append((plainly(step(given, pa.full((3,), 1.0 + k))), plainly([known, other])))
        outcomes.append(trail)
        if compiled:
            assert step.programs
    assert outcomes[0] == outcomes[1]


def test_one_tensor_may_be_stored_in_two_places_that_held_two() -> None:
    def make() -> Any:
        world = SimpleNamespace(h=pa.zeros(3), seen={"h": pa.zeros(3)}, sum=pa.zeros(3))

        def step(x: Tensor) -> Tensor:
            world.h = world.seen["h"] = world.h * 0.5 + x
            world.sum = world.sum + world.h
            return world.sum * 1.0

        return step, world

    def write(world: Any, k: int) -> None:
        if k == 5:
            world.seen["h"].mul_(2.0)

    same(make, between=write)


def test_what_a_step_has_stored_before_an_anomaly_stays() -> None:
    def make() -> Any:
        world = SimpleNamespace(h=pa.zeros(3), w=pa.ones(3, requires_grad=True))

        def step(x: Tensor) -> Tensor:
            world.w.grad = None
            world.h = world.h * 0.5 + x
            loss = (world.h * world.w).sqrt().sum()
            loss.backward()
            return loss.detach()

        return step, world

    outcomes = []
    for compiled in (False, True):
        function, world = make()
        step = pa.compile(function) if compiled else function
        trail = []
        for k in range(9):
            with pa.autograd.detect_anomaly():
                try:
                    trail.append((plainly(step(pa.full((3,), -90.0 if k in (4, 5) else 1.0 + k))), plainly(world)))
                except FloatingPointError as error:
                    trail.append((str(error).partition(":")[0], plainly(world)))
                    world.h = pa.ones(3)
        outcomes.append(trail)
    assert outcomes[0] == outcomes[1]


def test_an_argument_that_is_written_may_be_one_that_the_step_reads_by_another_way() -> None:
    def make() -> Any:
        world = SimpleNamespace(x=pa.zeros(3))

        def step(x: Tensor) -> Tensor:
            before = world.x * 2.0
            x.add_(1.0)
            return before + world.x

        return step, world

    outcomes = []
    for compiled in (False, True):
        function, world = make()
        step = pa.compile(function) if compiled else function
        trail, kept = [], pa.ones(3)
        for k in range(8):
            if k in (4, 6):
                world.x = kept
            trail.append((plainly(step(kept if k > 3 else pa.full((3,), float(k)))), plainly(world)))
        outcomes.append(trail)
    assert outcomes[0] == outcomes[1]
