"""Tensors of the same shape in several memory layouts, and the instruction sets of this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

import pyautograd as pa
from pyautograd._c import check, lib

ISAS = [isa for isa in ("baseline", "avx2", "avx512") if lib.pa_isa_available(isa.encode())]


@contextlib.contextmanager
def using(isa: str) -> Iterator[None]:
    """The kernels of an instruction set within the block, and those from before after it."""
    before = lib.pa_isa_name()
    check(lib.pa_isa_use(isa.encode()))
    try:
        yield
    finally:
        check(lib.pa_isa_use(before))


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
