"""Scatter and its like give PyTorch's values and gradients."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")

HOW = ("sum", "mean", "prod", "amax", "amin")
CASES: dict[str, Callable[[Any, Any], Any]] = {
    "scatter": lambda t, o: o.x.scatter(0, o.rows, o.v) + t.scatter(o.x, 1, o.columns, 2.5),
    "scatter_add": lambda t, o: o.x.scatter_add(0, o.rows, o.v) + o.x.T.scatter_add(1, o.rows.T, o.v.T).T,
    **{
        f"scatter_reduce {how} {own}": lambda t, o, how=how, own=own: o.x.scatter_reduce(
            0, o.rows, o.v, how, include_self=own
        )
        for how in HOW
        for own in (True, False)
    },
    **{
        f"scatter_reduce {how} of ties": lambda t, o, how=how: o.z.scatter_reduce(0, o.rows, o.ties, how) for how in HOW
    },
    "index_add": lambda t, o: o.x.index_add(1, o.twice, o.c, alpha=2),
    "index_copy": lambda t, o: o.x.index_copy(1, o.once, o.c),
    "index_fill": lambda t, o: o.x.index_fill(0, o.twice, o.s) + t.index_fill(o.x, -1, o.once, 3.0),
    "index_put": lambda t, o: o.x.index_put((o.twice, o.once), o.s) + o.x.index_put((o.mask,), o.s),
    "index_put added": lambda t, o: o.x.index_put((o.twice, o.once), o.y[:3], accumulate=True),
    "index_reduce": lambda t, o: o.x.index_reduce(1, o.twice, o.c, "prod"),
    "take": lambda t, o: o.x.take(o.back) + t.take(o.x, o.back),
    "take_along_dim": lambda t, o: (
        t.take_along_dim(o.x, o.x.argmax(1, keepdim=True), 1).sum() + o.x.take_along_dim(o.b)
    ),
    "put": lambda t, o: t.put(o.x, o.back, o.y[:3]) + o.x.put(o.back, o.y[:3], accumulate=True),
    "masked_scatter": lambda t, o: o.x.masked_scatter(o.mask, o.many) + o.x.masked_scatter(o.mask[0], o.many),
    "0-d": lambda t, o: o.s.scatter_add(0, o.b[0, 0] * 0, o.s * 2) + o.s.index_add(0, o.b[0, 0] * 0, o.s * 2),
    "empty": lambda t, o: o.x.scatter(1, o.rows[:, :0], 2.0) + o.x.index_fill(0, o.twice[:0], 1.0),
}  # fmt: skip


def operands(library: Any) -> tuple[SimpleNamespace, list[Any]]:
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(3, 4)), "v": rng.normal(size=(3, 4)), "y": rng.normal(size=4),
              "c": rng.normal(size=(3, 3)), "s": rng.normal(size=()), "many": rng.normal(size=20),
              "z": np.array([[0.0, 1, 2, 0], [1, 0, 3, 1], [2, 2, 2, 2]]),
              "ties": np.array([[0.0, 1, 2, 0], [0, 1, 3, 1], [2, 1, 3, 2]])}  # fmt: skip
    leaves = {k: library.tensor(a.tolist(), dtype=library.float64, requires_grad=True) for k, a in arrays.items()}
    indices = {"rows": [[0, 2, 0, 1], [1, 1, 2, 1], [0, 1, 2, 2]], "columns": [[0, 2], [1, 1], [3, 3]],
               "twice": [0, 2, 0], "once": [1, 3, 0], "back": [-1, 0, 5], "b": [[3, 0], [1, 1]],
               "mask": [[True, False, True, False], [False] * 4, [True] * 4]}  # fmt: skip
    return SimpleNamespace(**leaves, **{k: library.tensor(a) for k, a in indices.items()}), list(leaves.values())


@pytest.mark.filterwarnings("ignore:index_reduce")
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_pytorch(name: str) -> None:
    found = []
    for library in (torch, pa):
        o, leaves = operands(library)
        result = CASES[name](library, o)
        weights = np.random.default_rng(1).normal(size=tuple(result.shape)).tolist()
        (result * result * library.tensor(weights, dtype=library.float64)).sum().backward()
        found.append([result.detach().numpy(), *(np.zeros(()) if x.grad is None else x.grad.numpy() for x in leaves)])
    for wanted, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-10, atol=1e-12)
