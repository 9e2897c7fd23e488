"""Gradients against central differences in float64: what the tests of many ops share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import pyautograd as pa


def leaf(array: Any, requires_grad: bool = True) -> pa.Tensor:
    """A float64 leaf with a copy of an array."""
    return pa.tensor(np.asarray(array), dtype=pa.float64, requires_grad=requires_grad)


def central_differences(function: Callable[..., float], *arrays: np.ndarray, step: float = 1e-6) -> list[np.ndarray]:
    """d function(*arrays) / d array, element by element, for each of the arrays."""
    gradients = []
    for i, array in enumerate(arrays):
        gradient = np.zeros(array.shape)
        for at in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[i][at] += sign * step
                ends.append(function(*moved))
            gradient[at] = (ends[0] - ends[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def check_gradients(function: Callable[..., pa.Tensor], *arrays: Any, tolerance: float = 1e-6) -> None:
    """Assert that backward() through function gives the gradients that central differences give.

    Once, and then twice more from one graph in which the leaves are shared; for leaves that function is given as they
    are, and for leaves that it is given transposed.
    """
    arrays = tuple(np.asarray(array, dtype=np.float64) for array in arrays)
    upstream = np.random.default_rng(0).normal(size=function(*map(leaf, arrays)).shape)

    def total(*moved: np.ndarray) -> float:
        with pa.no_grad():
            return float(np.sum(function(*(leaf(a, False) for a in moved)).numpy() * upstream))

    expected = central_differences(total, *arrays)
    for transposed in (False, True):
        leaves = [leaf(array.T if transposed else array) for array in arrays]
        for passes in (1, 3):
            seen = [each.T if transposed else each for each in leaves]
            result = function(*seen) if passes == 1 else function(*seen) + function(*seen)
            result.backward(pa.tensor(upstream))
            for each, gradient in zip(leaves, expected, strict=True):
                assert each.grad is not None, "no gradient"
                assert each.grad.shape == each.shape
                wanted = passes * (gradient.T if transposed else gradient)
                np.testing.assert_allclose(each.grad.numpy(), wanted, rtol=tolerance, atol=passes * tolerance)
