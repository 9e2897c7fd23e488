"""Helpers of the kernel tests: the same shape in several memory layouts, and gradients by central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import pyautograd as pa
from pyautograd._c import lib

ISAS = [isa for isa in ("baseline", "avx2", "avx512") if lib.pa_isa_available(isa.encode())]


def layouts(
    shape: tuple[int, ...], dtype: str = "float64", seed: int = 0
) -> Iterator[tuple[pa.Tensor, pa.Tensor, np.ndarray]]:
    """A leaf, a view of it with the shape wanted, and the view's values: contiguous, transposed, strided, expanded."""
    rng = np.random.default_rng(seed)

    def leaf(size: tuple[int, ...]) -> pa.Tensor:
        if dtype == "int64":
            return pa.tensor(rng.integers(-3, 4, size))
        if dtype == "bool":
            return pa.tensor(rng.integers(0, 2, size).astype(bool))
        return pa.tensor(rng.standard_normal(size).astype(dtype), requires_grad=True)

    def triple(base: pa.Tensor, view: pa.Tensor) -> tuple[pa.Tensor, pa.Tensor, np.ndarray]:
        return base, view, np.array(view.detach().numpy())

    base = leaf(shape)
    yield triple(base, base)
    if len(shape) > 1:
        base = leaf(shape[::-1])
        yield triple(base, base.permute(*range(len(shape))[::-1]))
        base = leaf((1, *shape[1:]))
        yield triple(base, base.expand(*shape))
    if shape:
        base = leaf(tuple(2 * size for size in shape))
        yield triple(base, base[tuple(slice(None, None, 2) for _ in shape)])


def central_difference(function: Callable[[np.ndarray], float], a: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """The gradient of a function of one array to a number."""
    gradient = np.zeros(a.shape)
    for index in np.ndindex(*a.shape):
        moved = a.copy()
        moved[index] += step
        above = function(moved)
        moved[index] -= 2 * step
        gradient[index] = (above - function(moved)) / (2 * step)
    return gradient


def check_gradient(function: Callable[[pa.Tensor], pa.Tensor], a: np.ndarray) -> None:
    """The gradient of a weighted sum of function(a) is the central difference: once, twice, shared, and transposed."""
    weights = np.cos(np.arange(function(pa.tensor(a)).numel())).reshape(function(pa.tensor(a)).shape)

    def loss(x: pa.Tensor) -> pa.Tensor:
        return (function(x) * pa.tensor(weights)).sum()

    wanted = central_difference(lambda moved: loss(pa.tensor(moved)).item(), a)
    x = pa.tensor(a, requires_grad=True)
    loss(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=1e-6, atol=1e-7)
    loss(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * wanted, rtol=1e-6, atol=1e-7)
    shared = pa.tensor(a, requires_grad=True)
    (loss(shared) + loss(shared)).backward()
    np.testing.assert_allclose(shared.grad.numpy(), 2 * wanted, rtol=1e-6, atol=1e-7)
    if a.ndim > 1:
        turned = pa.tensor(np.ascontiguousarray(a.T), requires_grad=True)
        loss(turned.permute(*range(a.ndim)[::-1])).backward()
        np.testing.assert_allclose(turned.grad.numpy().T, wanted, rtol=1e-6, atol=1e-7)
