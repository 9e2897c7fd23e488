"""Whatever the package documents, compiled with a free batch axis: with any number of rows what the plain call gives,
or a TraceError. The calls are those of test_every_op.py, with as many rows as are wanted in the place of two."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, TraceError, nn
from pyautograd._structure import flatten, rebuild

from . import test_every_op as every

ROWS = [4, 6, 5, 1, 9, 2, 0, 12]
# What gives a number of rows away, takes a part of them, makes rows that are not alike, or has its weight in two rows
REFUSED = {
    *(f"{prefix}.{name}" for prefix in ("pa", "Tensor") for name in ("chunk", "tril", "triu", "unbind")),
    *(f"Tensor.{name}" for name in ("__iter__", "tolist", "numel", "nelement", "nbytes", "shape", "size")),
    *(f"init.{name}_" for name in ("eye", "kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform")),
    *(f"{prefix}.{name}" for prefix in ("pa", "Tensor") for name in (
        "scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill", "index_put",
        "index_reduce", "masked_scatter", "put", "take", "take_along_dim",
    )),
    *(f"{prefix}.{name}" for prefix in ("pa", "linalg", "Tensor") for name in (
        "qr", "svd", "svdvals", "cond", "lstsq", "matrix_rank", "pinv", "pinverse",
    )),
    "F.embedding",
    "pa.kron", "Tensor.kron", "pa.diagflat", "Tensor.diagflat", "pa.numel",
    "F.glu", "nn.GLU", "F.pdist", "pa.pdist", "pa.corrcoef", "Tensor.corrcoef", "pa.cumprod", "Tensor.cumprod",
    "pa.logcumsumexp", "Tensor.logcumsumexp", "utils.pad_sequence",
}  # fmt: skip
REFUSED |= {f"{name}_" for name in REFUSED} | {"Tensor.fill_diagonal_"}
FAILURES = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)


def with_rows(leaf: Tensor, rows: int, tracked: bool) -> Tensor:
    """An argument of two rows with more or less of them, a little different; others as they are."""
    if leaf.ndim == 0 or leaf.shape[0] != 2:
        return leaf.detach().clone()
    numbers = np.tile(leaf.detach().numpy(), (rows, *[1] * (leaf.ndim - 1)))[:rows]
    if not leaf.is_floating_point():
        return pa.tensor(numbers)
    factors = 1 - 0.03 * np.arange(rows).reshape(rows, *[1] * (leaf.ndim - 1))
    return pa.tensor((numbers * factors).astype(numbers.dtype), requires_grad=tracked)


class World:
    """A call as a step, followed by a backward where its results have a history."""

    def __init__(self, call: every.Call, tracked: bool) -> None:
        pa.manual_seed(1)
        function, self.leaves, self.tracked = call.make(), list[Tensor](), tracked
        kwargs = {key: pa.Generator() if key == "generator" else value for key, value in call.kwargs.items()}
        structure = flatten((call.args, kwargs), self.leaves, Tensor)

        def step(*leaves: Tensor) -> Any:
            args, kwargs = rebuild(structure, iter([x * 1 if x.is_floating_point() else x.clone() for x in leaves]))
            result = function(*args, **kwargs)
            outputs: list[Tensor] = []
            flatten(result, outputs, Tensor)
            losses = [(each * each).sum() for each in outputs if each.requires_grad]
            if losses:
                sum(losses).backward()
            return result

        self.step: Any = step

    def run(self, rows: int) -> Any:
        """What the step gives and leaves, or the type of what it raises."""
        pa.manual_seed(rows)
        leaves = [with_rows(leaf, rows, self.tracked) for leaf in self.leaves]
        try:
            return every.plain((self.step(*leaves), [leaf.grad for leaf in leaves], pa.rand(1)))
        except FAILURES as error:
            return type(error)


def check(name: str, make: Callable[[], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for tracked in (True, False):
        call = every.Call(make, args, kwargs)
        plain, compiled = World(call, tracked), World(call, tracked)
        compiled.step = step = pa.compile(compiled.step, dynamic_batch=True)
        for rows in ROWS:
            wanted, found = plain.run(rows), compiled.run(rows)
            if found is TraceError or (found is RuntimeError and wanted is not found):
                assert name in REFUSED
                break
            every.check_equal(found, wanted, 1e-4)
        assert len(step.programs) <= 1


@pytest.mark.parametrize("name", sorted(every.FUNCTIONS.keys() - every.OUTSIDE - every.REFUSED.keys()))
def test_a_function_of_any_number_of_rows(name: str) -> None:
    for args, kwargs in every.ways(name):
        check(name, lambda: every.FUNCTIONS[name], args, kwargs)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", sorted(every.MODULES.keys() - every.OUTSIDE))
def test_a_module_of_any_number_of_rows(name: str, training: bool) -> None:
    given = every.called_with(name)

    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module:
        module: nn.Module = copy.deepcopy(every.MODULES[name](*args, **kwargs))
        return module.train(training)

    for args, kwargs in every.modules(name):
        try:
            make(args, kwargs)
        except (TypeError, ValueError):
            continue
        check(name, functools.partial(make, args, kwargs), given, {})
