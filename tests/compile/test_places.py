"""What a step stores into places of the world is there after each call, and is what the next call finds."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import pyautograd as pa
from pyautograd import Tensor, nn
from pyautograd.nn import functional as F
from pyautograd.scalar import Value

from .training import alike, over, plainly, refused, same


@over(lambda: SimpleNamespace(h=pa.zeros(3)))
def attribute(world: Any, x: Tensor) -> Tensor:
    world.h = pa.tanh(world.h * 0.5 + x)
    return world.h.sum()


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


@over(lambda: {"h": pa.zeros(3), "n": pa.zeros(1)})
def dict_entry(world: Any, x: Tensor) -> Tensor:
    world["h"] = world["h"] + x
    world["n"] = world["n"] + 1
    return world["h"] * world["n"]


@over(lambda: [pa.zeros(3), pa.ones(3)])
def list_slot(world: Any, x: Tensor) -> Tensor:
    world[0], world[1] = world[1], world[0] + x
    return world[0] * 2


@over(lambda: SimpleNamespace(state=(pa.zeros(3), pa.ones(3))))
def pair(world: Any, x: Tensor) -> Tensor:
    h, c = world.state
    c = c * 0.5 + x
    world.state = (pa.tanh(c) + h, c)
    return world.state[0].sum()


@over(lambda: SimpleNamespace(hidden=[pa.zeros(3), pa.zeros(3)]))
def new_list_each_time(world: Any, x: Tensor) -> Tensor:
    world.hidden = [h * 0.5 + x for h in world.hidden]
    return world.hidden[0] + world.hidden[1]


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


@over(lambda: SimpleNamespace(h=pa.zeros(3)))
def returned_and_kept(world: Any, x: Tensor) -> Any:
    world.h = world.h + x
    return world.h, world.h


@over(lambda: SimpleNamespace(h=pa.zeros(3), previous=pa.zeros(3)))
def previous(world: Any, x: Tensor) -> Tensor:
    world.previous = world.h
    world.h = world.h * 0.5 + x
    return (world.h - world.previous).sum()


@over(lambda: SimpleNamespace(h=pa.zeros(3), total=pa.zeros(3)))
def in_place_and_rebound(world: Any, x: Tensor) -> Tensor:
    world.total += x
    world.h = world.h * 0.5 + world.total
    world.h.mul_(0.5)
    return world.h.sum()


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


@over(lambda: SimpleNamespace(average=0.0, last=None))
def number(world: Any, x: Tensor) -> Tensor:
    world.average = 0.9 * world.average + 0.1 * x.sum().item()
    world.last = x.max().item()
    return x * world.average


@over(lambda: {"h": Value(0.0), "w": Value(0.5)})
def values(world: Any, x: Tensor) -> Any:
    h = world["h"]
    for each in (1.0, 2.0):
        h = (h * world["w"] + each).tanh()
    world["h"] = Value(h.data)
    world["w"].grad = 0.0
    h.backward()
    world["w"].data -= 0.1 * world["w"].grad
    return h.data


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


def test_a_step_that_stores_something_else_each_time_is_refused() -> None:
    world = SimpleNamespace(h=pa.zeros(2), count=0)

    def step(x: Tensor) -> Tensor:
        world.h = world.h + x
        world.count += 1
        return x

    refused(pa.compile(step), pa.ones(2), match=r"changes world\.count")


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
    @over(lambda: SimpleNamespace(losses=[]))
    def make(world: Any, x: Tensor) -> Tensor:
        losses = [x.mean().item(), x.sum().item()]
        world.losses.append(losses[0])
        return x * losses[1]

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
    @over(lambda: [0.0, 1.0, 0.5])
    def make(world: Any, x: Tensor) -> Tensor:
        for i in range(2):
            world[i] = 0.9 * world[i] + x.sum().item()
        return x * world[2]

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


@pytest.mark.parametrize(
    "first", [None, pa.ones(1), 1.0, (pa.ones(1),)], ids=["None", "another shape", "a float", "a tuple"]
)
def test_a_place_that_held_something_else_is_found_so_by_another_program(first: Any) -> None:
    @over(lambda: SimpleNamespace(h=first))
    def make(world: Any, x: Tensor) -> Tensor:
        if isinstance(world.h, Tensor) and len(world.h) == 3:
            world.h = world.h * 0.5 + x
        else:
            world.h = x * 2.0
        return world.h.sum()

    def reset(world: Any, k: int) -> None:
        if k in (2, 5):
            world.h = first

    same(make, lambda k: (pa.full((3,), 1.0 + k),), reset, programs=2)


@pytest.mark.parametrize("writes_first", [False, True])
def test_what_a_step_has_stored_before_it_raises_for_its_data_stays(writes_first: bool) -> None:
    def act(wrap: Any) -> Any:
        world = SimpleNamespace(h=pa.zeros(3), log=[], n=0.0, after=pa.zeros(3))

        @wrap
        def step(x: Tensor, label: Tensor) -> Tensor:
            world.h = world.h * 0.5 + x
            world.log.append(world.h.sum().item())
            world.n = 0.5 * world.n + x.sum().item()
            loss = F.cross_entropy(world.h.reshape(1, 3), label)
            if writes_first:
                world.after.add_(1.0)
            world.after = world.after + loss
            return loss

        trail = []
        for k in range(12):
            label = pa.tensor([7 if k in (4, 5, 8) else k % 3])
            try:
                trail.append((plainly(step(pa.full((3,), 1.0 + k), label)), plainly(world)))
            except IndexError as error:
                trail.append((str(error), plainly(world)))
        if wrap is pa.compile:
            assert len(step.programs) == 1
        return trail

    alike(act)


def test_one_tensor_may_be_stored_in_two_places_that_held_two() -> None:
    @over(lambda: SimpleNamespace(h=pa.zeros(3), seen={"h": pa.zeros(3)}, sum=pa.zeros(3)))
    def make(world: Any, x: Tensor) -> Tensor:
        world.h = world.seen["h"] = world.h * 0.5 + x
        world.sum = world.sum + world.h
        return world.sum * 1.0

    def write(world: Any, k: int) -> None:
        if k == 5:
            world.seen["h"].mul_(2.0)

    same(make, between=write)


def test_what_a_step_has_stored_before_an_anomaly_stays() -> None:
    def act(wrap: Any) -> Any:
        world = SimpleNamespace(h=pa.zeros(3), w=pa.ones(3, requires_grad=True))

        @wrap
        def step(x: Tensor) -> Tensor:
            world.w.grad = None
            world.h = world.h * 0.5 + x
            loss = (world.h * world.w).sqrt().sum()
            loss.backward()
            return loss.detach()

        trail = []
        for k in range(9):
            with pa.autograd.detect_anomaly():
                try:
                    trail.append((plainly(step(pa.full((3,), -90.0 if k in (4, 5) else 1.0 + k))), plainly(world)))
                except FloatingPointError as error:
                    trail.append((str(error).partition(":")[0], plainly(world)))
                    world.h = pa.ones(3)
        return trail

    alike(act)
