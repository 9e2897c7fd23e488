"""What a host call may not return, be given or look for is refused by name."""

from collections.abc import Callable
from typing import Any

import pytest

import pyautograd as pa
from pyautograd import Tensor, TraceError, Value

from .training import refused

kept: list[Any] = []  # by functions of host calls


@pytest.mark.parametrize("later", [lambda x: x.numpy()[:1], lambda x: x.double(), lambda x: (x, x), lambda x: None])
def test_results_of_another_shape_or_dtype_are_refused_by_name(later: Callable[[Tensor], Any]) -> None:
    calls = 0

    def changing(x: Tensor) -> Any:
        nonlocal calls
        calls += 1
        return x if calls < 3 else later(x)

    @pa.compile
    def step(x: Tensor) -> Tensor:
        return pa.host_call(changing, x) * 2

    step(pa.ones(2))
    step(pa.ones(2))
    with pytest.raises(RuntimeError, match="changing"):
        step(pa.ones(2))


def test_a_shape_that_differs_while_recording_is_refused() -> None:
    @pa.compile
    def step(x: Tensor) -> Tensor:
        return pa.host_call(lambda t: t.numpy()[t.numpy() > 0], x).sum()

    step(pa.tensor([1.0, -1.0]))
    with pytest.raises(TraceError, match="shapes"):
        step(pa.tensor([1.0, 1.0]))


@pytest.mark.parametrize("returned", ["text", [1.0], Value(1.0), {"a": 1.0}])
def test_other_results_are_refused(returned: Any) -> None:
    def plain() -> Any:
        return pa.host_call(lambda: returned)

    for step in (plain, pa.compile(plain)):
        with pytest.raises(TypeError, match="host_call"):
            step()


@pytest.mark.parametrize("container", [lambda x: [x], lambda x: {"a": (x,)}])
def test_containers_of_tensors_are_refused(container: Callable[[Tensor], Any]) -> None:
    def plain(x: Tensor) -> Any:
        return pa.host_call(print, container(x))

    with pytest.raises(TypeError, match="argument"):
        plain(pa.ones(1))
    refused(pa.compile(plain), pa.ones(1), match="argument")


def test_a_function_that_reads_the_step_around_it_is_refused() -> None:
    def of_a_result(x: Tensor) -> None:
        y = x * 2
        pa.host_call(lambda: kept.append(y))

    def of_an_argument(x: Tensor) -> None:
        pa.host_call(lambda: kept.append(x))

    def of_a_loop(x: Tensor) -> None:
        for i in range(3):
            pa.host_call(lambda: kept.append(i))  # noqa: B023

    def of_a_list(x: Tensor) -> None:
        made = [1]
        pa.host_call(lambda: made.append(2))

    for function in (of_a_result, of_an_argument, of_a_loop, of_a_list):
        refused(pa.compile(function), pa.ones(1))


def test_containers_that_are_arguments_of_the_step_are_refused() -> None:
    def step(x: Tensor, items: list[int]) -> None:
        pa.host_call(lambda given: kept.append(len(given)), items)

    def method(x: Tensor, items: list[int]) -> None:
        pa.host_call(items.count, 1)

    for function in (step, method):
        refused(pa.compile(function), pa.ones(1), [1], match="argument of the step")
    kept.clear()


def test_a_function_made_in_the_step_may_read_its_numbers() -> None:
    def plain(x: Tensor, name: str) -> None:
        for i in range(2):
            pa.host_call(lambda t, i=i: kept.append((name, i, t.item())), x.sum())

    step = pa.compile(plain)
    for run in (plain, step):
        kept.clear()
        for k in range(8):
            run(pa.ones(2) * k, "ab"[k % 2])
        assert kept == [("ab"[k % 2], i, 2.0 * k) for k in range(8) for i in range(2)]


def test_a_step_that_calls_itself_is_refused() -> None:
    depth = 0

    def function(t: Tensor) -> None:
        nonlocal depth
        depth += 1
        if depth > 2:
            step(t)

    @pa.compile
    def step(x: Tensor) -> Tensor:
        pa.host_call(function, x)
        return x * 2

    step(pa.ones(1))
    step(pa.ones(1))
    with pytest.raises(RuntimeError, match="running already"):
        step(pa.ones(1))
