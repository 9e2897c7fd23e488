"""Central differences in float64, and arrays to try ops on: what the tests of many ops share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import pyautograd as pa


def leaf(array: Any, requires_grad: bool = True) -> pa.Tensor:
    """A float64 leaf with a copy of an array."""
    return pa.tensor(np.asarray(array), dtype=pa.float64, requires_grad=requires_grad)


def numeric_gradients(
    function: Callable[..., pa.Tensor], arrays: Sequence[np.ndarray], upstream: np.ndarray, step: float = 1e-6
) -> list[np.ndarray]:
    """d sum(function(*arrays) * upstream) / d array, element by element, by central differences."""

    def total(values: Sequence[np.ndarray]) -> float:
        with pa.no_grad():
            return float(np.sum(function(*(leaf(v, False) for v in values)).numpy() * upstream))

    gradients = []
    for i, array in enumerate(arrays):
        gradient = np.zeros(array.shape)
        for at in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[i][at] += sign * step
                ends.append(total(moved))
            gradient[at] = (ends[0] - ends[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def check_gradients(
    function: Callable[..., pa.Tensor], *arrays: Any, tolerance: float = 1e-6, view: Callable[[Any], Any] | None = None
) -> None:
    """Assert that backward() through function gives the gradients that central differences give.

    `view` makes of each leaf what the function is given (a transposed view, say).
    """
    arrays = tuple(np.asarray(array, dtype=np.float64) for array in arrays)
    seen = view or (lambda tensor: tensor)
    leaves = [leaf(array) for array in arrays]
    result = function(*(seen(each) for each in leaves))
    upstream = np.random.default_rng(0).normal(size=result.shape)
    result.backward(pa.tensor(upstream, dtype=result.dtype))
    expected = numeric_gradients(lambda *values: function(*(seen(v) for v in values)), arrays, upstream)
    for each, gradient in zip(leaves, expected, strict=True):
        assert each.grad is not None, "no gradient"
        assert each.grad.shape == gradient.shape
        np.testing.assert_allclose(each.grad.numpy(), gradient, rtol=tolerance, atol=tolerance)
