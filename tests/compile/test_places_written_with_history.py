"""A write in place with a history gives an object in a place another node; the step then reads that one."""

from collections.abc import Callable

import pytest

import pyautograd as pa
from pyautograd import Tensor, TraceError

Write = Callable[[Tensor, Tensor], object]
WRITES: dict[str, Write] = {
    "whole": lambda memory, leaf: memory.mul_(leaf),
    "through a view": lambda memory, leaf: memory[:2].add_(leaf[:2]),
    "an element": lambda memory, leaf: memory.__setitem__(0, leaf[1]),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_place_that_was_written_to_outside_is_read_as_it_is(name: str) -> None:
    leaf, memory = pa.tensor([2.0, 3.0, 4.0], requires_grad=True), pa.ones(3)
    part = memory[:2]
    step = pa.compile(lambda x: (memory * x).sum() + part.sum())
    for k in range(3):
        step(pa.ones(3) * k)
    for _ in range(2):
        leaf.grad = None
        memory = memory.detach()
        part = memory[:2]
        WRITES[name](memory, leaf)
        for k in range(3):
            x = pa.ones(3) * k
            result = step(x)
            expected = (memory * x).sum() + part.sum()
            assert result.item() == expected.item()
            assert result.requires_grad
        result.backward()
        found, leaf.grad = leaf.grad, None
        assert found is not None


def test_a_step_that_writes_into_it_is_refused_where_it_has_a_history() -> None:
    leaf, memory = pa.tensor([2.0, 3.0], requires_grad=True), pa.ones(2)

    @pa.compile
    def double(x: Tensor) -> Tensor:
        memory.mul_(x)
        return x * 1.0

    for _ in range(3):
        double(pa.ones(2) * 2.0)
    assert memory.tolist() == [8.0, 8.0]
    memory.mul_(leaf)
    with pytest.raises(TraceError, match="kept outside the step"):
        for _ in range(3):
            double(pa.ones(2) * 2.0)
