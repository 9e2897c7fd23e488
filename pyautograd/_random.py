"""Random tensors. One generator serves the whole package; the same seed gives the same bits on every machine."""

from __future__ import annotations

from typing import Any

from pyautograd import _core, _dims
from pyautograd._c import check, ffi, lib, node_pointer
from pyautograd._creation import _cpu, _finish, _wanted
from pyautograd._dtype import int64
from pyautograd._tensor import Tensor

__all__ = [
    "get_rng_state", "manual_seed", "normal", "rand", "rand_like", "randint", "randn", "randn_like", "randperm",
    "set_rng_state",
]  # fmt: skip


def manual_seed(seed: int) -> None:
    """Start the generator of every random tensor, initialisation, dropout and shuffle anew.

    >>> import pyautograd
    >>> pyautograd.manual_seed(0)
    >>> a = pyautograd.rand(3)
    >>> pyautograd.manual_seed(0)
    >>> bool((a == pyautograd.rand(3)).all())
    True
    """
    check(lib.pa_random_refuse())
    lib.pa_random_seed(seed & 0xFFFFFFFFFFFFFFFF)


def get_rng_state() -> tuple[int, int]:
    """Where the generator stands."""
    pair = ffi.new("uint64_t[2]")
    lib.pa_random_state_get(pair, pair + 1)
    return pair[0], pair[1]


def set_rng_state(state: tuple[int, int]) -> None:
    """Put the generator back to where it stood."""
    check(lib.pa_random_refuse())
    lib.pa_random_state_set(*state)


def _filled(fill: Any, dtype: Any, shape: tuple[int, ...], *bounds: Any) -> Tensor:
    made: Any = _core.empty(dtype.code, shape)
    check(fill(node_pointer(made), *bounds))
    return made  # type: ignore[no-any-return]


def rand(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform draws from [0, 1).

    >>> import pyautograd
    >>> pyautograd.rand(2, 3).shape
    (2, 3)
    """
    _cpu(device)
    return _finish(_filled(lib.pa_fill_uniform, _wanted(dtype), _dims.sizes(size), 0.0, 1.0), requires_grad)


def randn(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Draws from the normal distribution with mean 0 and standard deviation 1."""
    _cpu(device)
    return _finish(_filled(lib.pa_fill_normal, _wanted(dtype), _dims.sizes(size), 0.0, 1.0), requires_grad)


def normal(mean: float, std: float, size: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Draws from the normal distribution with this mean and standard deviation."""
    return _finish(_filled(lib.pa_fill_normal, _wanted(dtype), _dims.sizes((size,)), mean, std), requires_grad)


def randint(low: int, high: Any = None, size: Any = None, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Integers from [low, high), or from [0, low) as `randint(high, size)`. **Raises** ValueError for an empty range.

    >>> import pyautograd
    >>> pyautograd.randint(0, 10, (4,)).shape
    (4,)
    """
    _cpu(device)
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise ValueError(f"randint: no integers from {low} to {high}")
    made = _filled(lib.pa_fill_integers, int64, _dims.sizes((size,)), low, high)
    return made if dtype is None else made.to(dtype)


def randperm(n: int, *, device: Any = None) -> Tensor:
    """The integers from 0 to n - 1 in random order."""
    _cpu(device)
    return _filled(lib.pa_fill_permutation, int64, (n,))


def rand_like(input: Tensor) -> Tensor:
    """Uniform draws from [0, 1) in the shape and dtype of a tensor."""
    return rand(input.shape, dtype=input.dtype)


def randn_like(input: Tensor) -> Tensor:
    """Normal draws in the shape and dtype of a tensor."""
    return randn(input.shape, dtype=input.dtype)
