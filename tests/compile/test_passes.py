"""The passes leave out, merge, fuse and place instructions, and change no number."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd._c import lib
from pyautograd.nn import functional as F
from pyautograd.scalar import MLP, Value

from .training import Training, batches, close


def described(function: Callable[..., Any], *args: Any, **passes: bool) -> dict[str, Any]:
    """What the program of a function consists of; the program's results are checked against the function's."""
    step = pa.compile(function, passes=passes)
    for _ in range(3):
        got = step(*args)
        np.testing.assert_array_equal(got.numpy(), function(*args).detach().numpy())
    return step.programs[0].describe()


def names(description: dict[str, Any]) -> list[str]:
    return [text.split()[0] for text in description["instructions"]]


def test_what_nobody_reads_is_left_out() -> None:
    def step(x: pa.Tensor) -> pa.Tensor:
        x.exp()
        return x + 1

    assert names(described(step, pa.ones(3))) == ["add"]
    assert "exp" in names(described(step, pa.ones(3), dead=False))


def test_what_depends_on_constants_alone_is_computed_once() -> None:
    def step(x: pa.Tensor) -> pa.Tensor:
        return x * (pa.tensor([1.0, 2.0, 3.0]).exp() + 1).sqrt()

    assert names(described(step, pa.ones(3))) == ["mul"]
    assert names(described(step, pa.ones(3), constants=False)).count("exp") == 1


def test_equal_ops_are_computed_once() -> None:
    def step(x: pa.Tensor) -> pa.Tensor:
        return x.tanh() * 2 + x.tanh() * x.tanh()

    assert " ".join(described(step, pa.ones(3))["instructions"]).count("tanh") == 1
    assert " ".join(described(step, pa.ones(3), common=False)["instructions"]).count("tanh") == 3


def test_an_op_is_not_common_across_a_write() -> None:
    w = pa.ones(3)

    def step(x: pa.Tensor) -> pa.Tensor:
        before = w * x
        w.add_(1)
        return before + w * x

    compiled = pa.compile(step)
    for i in range(4):
        np.testing.assert_array_equal(compiled(pa.ones(3)).numpy(), np.full(3, 2 * i + 3))


def test_long_elementwise_chains_run_block_by_block() -> None:
    x = pa.linspace(0, 1, 5000)

    def step(x: pa.Tensor) -> pa.Tensor:
        return (x.tanh() * x + x).exp()

    fused, plain = described(step, x), described(step, x, fuse=False)
    assert fused["fused"] == 1 and fused["instructions"] == ["chain of tanh mul add exp"]
    assert plain["fused"] == 0 and len(plain["instructions"]) == 4
    assert fused["arena_bytes"] < 4 * 5000 * 3


def test_gradients_are_made_only_where_they_are_needed() -> None:
    frozen, trained = pa.ones(4, 3), pa.ones(4, 3, requires_grad=True)

    def step(x: pa.Tensor) -> pa.Tensor:
        loss = ((x @ frozen.T) * (x @ trained.T)).sum()
        loss.backward()
        trained.grad = None
        return loss

    found = described(step, pa.ones(2, 3))
    assert "d matmul" not in " ".join(found["instructions"])  # nobody reads the gradient: all of the sweep is dead


@pytest.mark.parametrize("rows", [1, 7, 200, 600])
@pytest.mark.parametrize(
    ("width", "outputs"), [(16, 1), (100, 1), (37, 2), (100, 3), (127, 4), (130, 4), (300, 2), (9, 3)]
)
def test_layers_with_few_outputs_behind_relu_have_the_plain_bits(isa: str, width: int, outputs: int, rows: int) -> None:
    """One kernel makes their gradients, and on the way that of the bias below."""
    pa.manual_seed(0)
    model = pa.nn.Sequential(pa.nn.Linear(5, width), pa.nn.ReLU(), pa.nn.Linear(width, outputs))
    x, y = pa.randn(rows, 5), pa.randn(rows, outputs)

    def gradients(x: pa.Tensor, y: pa.Tensor) -> pa.Tensor:
        ((model(x) - y) ** 2).mean().backward()
        return pa.cat([parameter.grad.flatten() for parameter in model.parameters()])

    model.zero_grad()
    found, step = [], pa.compile(gradients)
    for function in (gradients, step, step, step):  # each adds to the gradients of the one before it
        model.zero_grad()
        found.append([function(x, y).tolist(), function(x, y).tolist()])
    assert found[1:] == found[:1] * 3


def test_buffers_share_memory() -> None:
    w = pa.ones(256, 256)

    def step(x: pa.Tensor) -> pa.Tensor:
        for _ in range(8):
            x = (x @ w).tanh()
        return x.sum()

    x = pa.ones(256, 256) * 1e-3
    planned, unplanned = described(step, x), described(step, x, plan=False)
    assert unplanned["arena_bytes"] >= 15 * 4 * 256 * 256
    assert planned["tensor_bytes"] == unplanned["tensor_bytes"]
    assert planned["arena_bytes"] - (unplanned["arena_bytes"] - unplanned["tensor_bytes"]) <= 2 * 4 * 256 * 256


def allocations(function: Callable[[], Any]) -> int:
    """How many blocks of memory a call asks for."""
    lib.pa_memory_fail_after(1 << 20)
    function()
    left = lib.pa_memory_fail_left()
    lib.pa_memory_fail_after(-1)
    return (1 << 20) - int(left)


def test_a_replay_allocates_nothing_but_its_results() -> None:
    training = Training()
    x, y = batches(1)[0]
    shrink = pa.compile(lambda: [p.data.mul_(0.5) for p in training.model.parameters()] and None)
    for _ in range(3):
        training.step(x, y)
        shrink()
    assert allocations(shrink) == 0
    assert allocations(lambda: training.step(x, y)) == 1  # the node of a loss
    run = functools.partial(training.step.run, x, y, batch_size=2)
    run()
    assert allocations(run) == allocations(functools.partial(run, epochs=10))


def test_reductions_are_recognised_and_equal_ops_are_packed() -> None:
    model = MLP(3, [8, 1])
    rows = np.random.default_rng(0).normal(size=(20, 3))

    def step(rows: Any) -> Any:
        scores = [model(list(map(Value, row))) for row in rows]
        loss = sum((s - 1) ** 2 for s in scores)
        for p in model.parameters():
            p.grad = 0.0
        loss.backward()
        return loss

    steps = {off: pa.compile(step, passes={off: False} if off else None) for off in ("", "reroll", "group")}
    for _ in range(3):
        losses = {off: each(rows).data for off, each in steps.items()}
        assert losses["reroll"] == pytest.approx(losses[""], rel=1e-12) == losses["group"]
    found = {off: each.programs[0].describe() for off, each in steps.items()}
    assert found[""]["chains"] > 0 and found["reroll"]["chains"] == 0
    assert found["group"]["scalars"] > found[""]["scalars"]


def test_a_step_without_one_of_the_passes_computes_the_same() -> None:
    for name in ("constants", "common", "dead", "fuse", "plan", "reroll", "group"):

        @pa.compile(passes={name: False})
        def step(x: pa.Tensor) -> pa.Tensor:
            return F.relu(x * 2 + 1).sum() + F.relu(x * 2 + 1).mean()

        x = pa.randn(7)
        assert close([step(x).item() for _ in range(4)], [step.__wrapped__(x).item()] * 4)


def test_an_unknown_pass_is_named() -> None:
    @pa.compile(passes={"fusion": False})
    def step(x: pa.Tensor) -> pa.Tensor:
        return x + 1

    step(pa.ones(2))
    with pytest.raises(ValueError, match=r"no pass 'fusion'; there are constants, common, dead, fuse, plan"):
        step(pa.ones(2))
