"""Random tensors. Each draws from the calling thread's stream or from a `generator`; the same seed gives the same bits
on every machine."""

from __future__ import annotations

from typing import Any

from pyautograd import _arguments, _core, _dims, _ops
from pyautograd._arguments import named
from pyautograd._array_like import leaf, tensor
from pyautograd._c import check, lib, node_pointer
from pyautograd._core import Tensor, apply
from pyautograd._creation import chosen
from pyautograd._device import check_device
from pyautograd._dtype import float64, get_default_dtype, int32, int64, uint8
from pyautograd._generator import Generator, state_of
from pyautograd._order import cumsum, topk
from pyautograd._promotion import iinfo

__all__ = [
    "bernoulli", "multinomial", "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm",
]  # fmt: skip


def _filled(
    op: str, fill: Any, dtype: Any, shape: tuple[int, ...], generator: Generator | None, *bounds: Any
) -> Tensor:
    made = _core.empty(dtype.code, shape)
    check(fill(state_of(op, generator), node_pointer(made), *bounds))
    return made


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform draws from [0, 1).

    Sizes are ints or one tuple of them; `generator` is a `Generator`, None the thread's stream. **Raises** as `empty`,
    and TypeError for an integer dtype or another generator.

    >>> import pyautograd
    >>> pyautograd.rand(2, 3).shape
    (2, 3)
    """
    check_device(device)
    made = _filled("rand", lib.pa_fill_uniform, chosen(dtype), _dims.sizes("rand", size, "size"), generator, 0.0, 1.0)
    return leaf(made, requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Draws from the normal distribution with mean 0 and standard deviation 1. **Raises** as `rand`.

    >>> import pyautograd
    >>> abs(pyautograd.randn(1000).mean().item()) < 0.2
    True
    """
    check_device(device)
    made = _filled("randn", lib.pa_fill_normal, chosen(dtype), _dims.sizes("randn", size, "size"), generator, 0.0, 1.0)
    return leaf(made, requires_grad)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draws from the normal distribution with this mean and standard deviation, in the shape `size`; or of two tensors,
    or a tensor and a number, without `size`, in the shape to which they broadcast. No gradient flows to them.

    **Raises** as `rand`, and ValueError for a negative deviation and for shapes that do not broadcast, TypeError for
    tensors of integers, and for two numbers without a size.

    >>> import pyautograd
    >>> pyautograd.normal(5.0, 0.0, (2,))
    tensor([5., 5.])
    >>> pyautograd.normal(pyautograd.tensor([1.0, 2.0]), 0.0)
    tensor([1., 2.])
    """
    check_device(device)
    if size is None:
        return _normal_of_each(mean, std, generator)
    made = _filled(
        "normal", lib.pa_fill_normal, chosen(dtype), _dims.sizes("normal", (size,), "size"), generator, mean, std
    )
    return leaf(made, requires_grad)


def _normal_of_each(mean: Any, std: Any, generator: Generator | None) -> Tensor:
    given = [each.detach() for each in (mean, std) if isinstance(each, Tensor)]
    if not given or not all(each.dtype.is_floating_point for each in given):
        raise TypeError("normal: takes numbers and a size, or tensors of floats")
    whole: Any = std if isinstance(std, Tensor) else tensor(std, dtype=given[0].dtype)
    _arguments.within("normal: std", whole.detach(), 2**62)
    shape_and_dtype = sum(given[1:], given[0])
    drawn = randn(shape_and_dtype.shape, generator=generator, dtype=shape_and_dtype.dtype)
    centre = mean.detach() if isinstance(mean, Tensor) else mean
    return drawn * whole.detach() + centre  # type: ignore[no-any-return]


def randint(
    low: Any = None,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Integers from [low, high), or from [0, high) as `randint(high, size)`.

    **Raises** as `empty`, and ValueError for an empty range, or one that does not fit into the dtype.

    >>> import pyautograd
    >>> pyautograd.randint(0, 10, (4,)).shape
    (4,)
    """
    check_device(device)
    wanted = chosen(dtype, int64)
    if size is None:
        low, high, size = 0, low, high
    elif low is None or high is None:
        low, high = 0, low if high is None else high
    low, high = _arguments.integer("randint", "low", low), _arguments.integer("randint", "high", high)
    if high <= low:
        raise ValueError(f"randint: no integers from {low} to {high}")
    if wanted in (uint8, int32) and not (iinfo(wanted).min <= low and high - 1 <= iinfo(wanted).max):
        raise ValueError(f"randint: integers from {low} to {high - 1} do not fit into {wanted.name}")
    made = _filled(
        "randint", lib.pa_fill_integers, int64, _dims.sizes("randint", (size,), "size"), generator, low, high
    )
    return made.to(wanted)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """The integers from 0 to n - 1 in random order, int64 of shape (n,). **Raises** ValueError for a negative n,
    TypeError for what is no int.

    >>> import pyautograd
    >>> sorted(pyautograd.randperm(4).tolist())
    [0, 1, 2, 3]
    """
    check_device(device)
    made = _filled("randperm", lib.pa_fill_permutation, int64, _dims.sizes("randperm", (n,), "n"), generator)
    return made if dtype is None else made.to(dtype)


@named
def rand_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform draws from [0, 1) in the shape and, unless another is given, the dtype of a tensor. **Raises** as `rand`.

    >>> import pyautograd
    >>> pyautograd.rand_like(pyautograd.zeros(2, 3)).shape
    (2, 3)
    """
    return rand(input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad)


@named
def randn_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normal draws in the shape and, unless another is given, the dtype of a tensor. **Raises** as `rand`.

    >>> import pyautograd
    >>> pyautograd.randn_like(pyautograd.zeros(2, 3)).shape
    (2, 3)
    """
    return randn(input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad)


@named
def randint_like(
    input: Tensor, low: int, high: int | None = None, *, generator: Generator | None = None, dtype: Any = None
) -> Tensor:
    """Integers from [low, high), or from [0, high) as `randint_like(input, high)`, in the shape and, unless another is
    given, the dtype of a tensor. **Raises** as `randint`.

    >>> import pyautograd
    >>> pyautograd.randint_like(pyautograd.zeros(2), 7, 8)
    tensor([7., 7.])
    """
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input.shape, generator=generator, dtype=dtype or input.dtype)


@named
def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that an element is, or with probability `p` for every one, else 0; in the input's dtype.
    No gradient flows through it.

    **Raises** ValueError for a probability outside of [0, 1], TypeError for probabilities that are no floats.

    >>> import pyautograd
    >>> pyautograd.tensor([0.0, 1.0]).bernoulli()
    tensor([0., 1.])
    """
    if p is not None:
        _arguments.probability("bernoulli", p)
    elif not input.dtype.is_floating_point:
        raise TypeError(f"bernoulli: probabilities are floats, not {input.dtype.name} (of shape {input.shape})")
    else:
        _arguments.within("bernoulli: probabilities", input, 1)
    dtype = input.dtype if input.dtype.is_floating_point else get_default_dtype()
    drawn = rand(input.shape, generator=generator, dtype=dtype)
    return apply(_ops.lt, drawn, input.detach() if p is None else p).to(input.dtype)


@named
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Positions (int64) drawn with the probabilities that a row is proportional to: (num_samples,) of one axis, (n,
    num_samples) of n rows; without `replacement` none is drawn twice.

    **Raises** ValueError for probabilities that are negative, not finite or all 0, other numbers of axes, less than one
    sample, and more than there are without replacement; TypeError for integers.

    >>> import pyautograd
    >>> pyautograd.tensor([0.0, 1.0, 0.0]).multinomial(2, replacement=True)
    tensor([1, 1])
    """
    num_samples = _arguments.integer("multinomial", "num_samples", num_samples)
    _arguments.floats("multinomial", input)
    if input.ndim not in (1, 2):
        raise ValueError(f"multinomial: probabilities of shape {input.shape}; they have one or two axes")
    size = input.shape[-1]
    if num_samples < 1 or (num_samples > size and not replacement):
        raise ValueError(f"multinomial: {num_samples} samples of {size}")
    weights = input.detach().to(float64)
    sums = cumsum(weights, -1)
    total = sums[..., size - 1 :]
    valid = (weights >= 0).all(-1, True) & (total > 0) & (total < float("inf"))
    _arguments.within("multinomial", valid.long(), 2, low=1)
    if replacement:
        shape = (*input.shape[:-1], num_samples)
        drawn = rand(shape, generator=generator, dtype=float64)
        return apply(_ops.searchsorted, sums / total, drawn, (True,))
    # The first of exponential clocks with these rates, and the next ones
    clocks = -apply(_ops.log1p, -rand(input.shape, generator=generator, dtype=float64))
    return topk(weights / clocks.clamp(min=1e-300), num_samples).indices
