"""Products along an axis of length 1, which C makes as dot products and scaled vectors, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import pyautograd as pa

LENGTHS = [1, 2, 7, 16, 33, 1000, 4099]


@pytest.mark.parametrize("dtype", [pa.float32, pa.float64], ids=str)
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("shapes", ["n,n", "1n,n1", "n1,1n", "3n,n", "n,n3", "n1,11", "11,1n"])
def test_a_product_along_an_axis_of_one_is_numpys(shapes: str, n: int, dtype: pa.dtype) -> None:
    n = min(n, 100) if shapes == "n1,1n" else n
    generator = np.random.default_rng(n)
    numbers = [generator.standard_normal([n if s == "n" else int(s) for s in shape]) for shape in shapes.split(",")]
    a, b = (pa.tensor(each, dtype=dtype, requires_grad=True) for each in numbers)
    x, y = (each.detach().double().numpy() for each in (a, b))
    product = a @ b
    g = generator.standard_normal(product.shape)
    product.backward(pa.tensor(g, dtype=dtype))
    g = np.asarray(pa.tensor(g, dtype=dtype).double().numpy())
    wanted_a = g * y if x.ndim == y.ndim == 1 else np.outer(g, y) if y.ndim == 1 else y @ g if x.ndim == 1 else g @ y.T
    wanted_b = (
        g * x if x.ndim == y.ndim == 1 else x.T @ g if y.ndim == 1 else np.outer(x, g) if x.ndim == 1 else x.T @ g
    )
    close = {"rtol": 1e-12, "atol": 1e-11} if dtype is pa.float64 else {"rtol": 2e-5, "atol": 2e-4}
    np.testing.assert_allclose(product.detach().numpy(), x @ y, **close)
    np.testing.assert_allclose(a.grad.numpy(), wanted_a, **close)
    np.testing.assert_allclose(b.grad.numpy(), wanted_b, **close)
