"""Methods that write into the tensor. Where a gradient flows the write is part of the graph
(csrc/python/in_place.c).

Most are made from the function of their name: `x.exp_()` is `x.exp()`, written over x. The others stand here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from pyautograd import _core, _ops
from pyautograd._arguments import wrong
from pyautograd._array_like import as_tensor
from pyautograd._c import check, lib, node_pointer
from pyautograd._core import Node, Tensor
from pyautograd._creation import empty, empty_like
from pyautograd._dtype import bool_, float64, int64
from pyautograd._elementwise import is_number, scaled
from pyautograd._generator import Generator
from pyautograd._generator import state_of as stream_state
from pyautograd._grad_mode import is_grad_enabled
from pyautograd._promotion import iinfo
from pyautograd._random import bernoulli, normal, rand, randint
from pyautograd._rows import whole

# Functions of which there is a method that writes, and what else its example is given
IN_PLACE = {
    **dict.fromkeys(
        """abs absolute acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil cos cosh
        deg2rad digamma erf erfc erfinv exp exp2 expm1 fix floor frac lgamma log log10 log1p log2 logical_not logit
        nan_to_num neg negative rad2deg reciprocal relu round rsqrt sgn sigmoid sign sin sinc sinh sqrt square tan tanh
        trunc bitwise_not""".split(),  # noqa: SIM905
        "",
    ),
    **dict.fromkeys(
        """atan2 arctan2 copysign divide eq float_power floor_divide fmod ge greater greater_equal gt heaviside hypot le
        less less_equal not_equal logical_and
        logical_or logical_xor lt multiply ne pow remainder subtract true_divide xlogy""".split(),  # noqa: SIM905
        "pyautograd.tensor([1.0, 2.0])",
    ),
    **dict.fromkeys(("addcdiv", "addcmul"), "pyautograd.ones(2), pyautograd.ones(2)"),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), "pyautograd.tensor([True, False])"),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm"), "pyautograd.tensor([1, 2])"),
    **dict.fromkeys(("clamp", "clip"), "0.0, 1.0"), "clamp_max": "1.0", "clamp_min": "0.0",
    **dict.fromkeys(("cumsum", "cumprod"), "0"), **dict.fromkeys(("tril", "triu"), ""),
    "lerp": "pyautograd.ones(2), 0.5", "masked_fill": "pyautograd.tensor([True, False]), 0.0",
    "masked_scatter": "pyautograd.tensor([True, False]), pyautograd.ones(1)",
    **dict.fromkeys(("index_add", "index_copy"), "0, pyautograd.tensor([0]), pyautograd.ones(1)"),
    "index_fill": "0, pyautograd.tensor([0]), 2.0", "index_put": "(pyautograd.tensor([0]),), pyautograd.ones(1)",
    "index_reduce": "0, pyautograd.tensor([0]), pyautograd.ones(1), \"amax\"",
    "put": "pyautograd.tensor([0]), pyautograd.ones(1)",
    "scatter": "0, pyautograd.tensor([0]), 2.0", "scatter_add": "0, pyautograd.tensor([0]), pyautograd.ones(1)",
    "scatter_reduce": "0, pyautograd.tensor([0]), pyautograd.ones(1), \"sum\"",
    "addmm": "pyautograd.ones(2, 1), pyautograd.ones(1, 2)",
    "addmv": "pyautograd.ones(2, 1), pyautograd.ones(1)", "addr": "pyautograd.ones(2), pyautograd.ones(2)",
    "baddbmm": "pyautograd.ones(1, 2, 1), pyautograd.ones(1, 1, 2)",
    "addbmm": "pyautograd.ones(1, 2, 1), pyautograd.ones(1, 1, 2)",
}  # fmt: skip
_EXAMPLES_OF = {
    **dict.fromkeys(("addmm", "addr", "addbmm", "tril", "triu"), "ones(2, 2)"), "baddbmm": "ones(1, 2, 2)",
    **dict.fromkeys(("bitwise_not", "bitwise_and", "bitwise_or", "bitwise_xor"), "tensor([True, False])"),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm"), "tensor([4, 6])"),
}  # fmt: skip


def overwritten(target: Tensor, name: str, function: Callable[..., Any], *args: Any, **keywords: Any) -> Tensor:
    """The target, overwritten with what a function gives for it.

    Where others see its memory and a gradient flows, the function is given a copy: its backward may need the numbers.
    """
    if not isinstance(target, Tensor):
        raise wrong(name, "input", "a Tensor", target)
    given = (target, *args, *keywords.values())
    flows = is_grad_enabled() and any(isinstance(each, Node) and each.requires_grad for each in given)
    if flows and target.is_leaf and target.requires_grad:
        _core.check_write(target, name)
    source = target.clone() if flows and _core.is_shared(target) else target
    result = function(source, *args, **keywords)
    return _core.assign(target, result, name, not any(result is each for each in given))


def in_place(of: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The method that writes what a function gives."""
    name, example = f"{of}_", IN_PLACE[of]

    @functools.wraps(function)
    def method(self: Tensor, *args: Any, **keywords: Any) -> Tensor:
        return overwritten(self, name, function, *args, **keywords)

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = f"""`{of}` in place: its result overwrites the elements. Returns the tensor.

        **Raises** as `{of}`, and as `add_`.

        >>> import pyautograd
        >>> x = pyautograd.{_EXAMPLES_OF.get(of, "tensor([0.25, 0.5])")}.{name}({example})
        """
    return method


class InPlaceMethods:
    """Methods that write and are made from no function."""

    def add_(self: Any, other: Any, *, alpha: float = 1) -> Tensor:
        """self += alpha other.

        **Raises** RuntimeError for a leaf that requires grad, outside `no_grad`, ValueError for shapes that do not fit,
        TypeError for a result that does not fit into this one's dtype.

        >>> import pyautograd
        >>> pyautograd.ones(2).add_(pyautograd.ones(2), alpha=0.5)
        tensor([1.5000, 1.5000])
        """
        return _core.in_place(_ops.add, self, other if is_number(alpha, 1) else scaled("add_", self, other, alpha))

    def sub_(self: Any, other: Any, *, alpha: float = 1) -> Tensor:
        """self -= alpha other. **Raises** as `add_`.

        >>> import pyautograd
        >>> pyautograd.ones(2).sub_(0.5)
        tensor([0.5000, 0.5000])
        """
        return _core.in_place(_ops.sub, self, other if is_number(alpha, 1) else scaled("sub_", self, other, alpha))

    def mul_(self: Any, other: Any) -> Tensor:
        """self *= other. **Raises** as `add_`.

        >>> import pyautograd
        >>> pyautograd.ones(2).mul_(3)
        tensor([3., 3.])
        """
        return _core.in_place(_ops.mul, self, other)

    def div_(self: Any, other: Any) -> Tensor:
        """self /= other. **Raises** as `add_`.

        >>> import pyautograd
        >>> pyautograd.ones(2).div_(2)
        tensor([0.5000, 0.5000])
        """
        return _core.in_place(_ops.div, self, other)

    def _is_written_with_history(self: Any) -> bool:
        return self.requires_grad and not self.is_leaf and is_grad_enabled()

    def _overwrite(self: Any, source: Any, what: str) -> Tensor:
        if isinstance(source, Tensor) and is_grad_enabled() and (source.requires_grad or self.requires_grad):
            return _core.assign(self, source, what, False)
        if self._is_written_with_history():
            return _core.assign(self, as_tensor(source, dtype=self.dtype), what, False)
        _core.copy_into(self, source, what)
        return self

    def copy_(self: Any, source: Any) -> Tensor:
        """Overwrite the elements with another tensor's, broadcast and converted.

        **Raises** RuntimeError for a leaf that requires grad, outside `no_grad`, ValueError for shapes that do not fit.

        >>> import pyautograd
        >>> pyautograd.zeros(2, 2).copy_(pyautograd.tensor([1, 2]))
        tensor([[1., 2.],
                [1., 2.]])
        """
        return self._overwrite(source, "copy_")

    def fill_(self: Any, value: Any) -> Tensor:
        """Overwrite every element with a number. **Raises** as `copy_`, and ValueError for a tensor with axes, or what
        does not fit.

        >>> import pyautograd
        >>> pyautograd.zeros(2).fill_(7)
        tensor([7., 7.])
        """
        if isinstance(value, Tensor) and value.ndim:
            raise ValueError(f"fill_: a number is wanted, not a tensor of shape {value.shape}; use copy_")
        return self._overwrite(value, "fill_")

    def zero_(self: Any) -> Tensor:
        """Overwrite every element with 0.

        >>> import pyautograd
        >>> pyautograd.ones(2).zero_()
        tensor([0., 0.])
        """
        return self._overwrite(0, "zero_")

    def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Tensor:
        """Overwrite the elements whose indices are all the same with a number.

        Of a matrix with more rows than columns, `wrap` begins anew below. **Raises** as `copy_`, ValueError for fewer
        than two axes, or more of different sizes.

        >>> import pyautograd
        >>> pyautograd.zeros(2, 3).fill_diagonal_(7)
        tensor([[7., 0., 0.],
                [0., 7., 0.]])
        """
        shape = self.shape
        if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
            raise ValueError(f"fill_diagonal_: a tensor of shape {shape} has no diagonal")
        if not self.is_contiguous():
            return self._overwrite(self.clone().fill_diagonal_(fill_value, wrap), "fill_diagonal_")
        step = sum(math.prod(shape[i + 1 :]) for i in range(len(shape)))
        end = self.numel() if wrap else min(shape) * math.prod(shape[1:])
        self.view(-1)[: whole(end, "fill_diagonal_") : whole(step, "fill_diagonal_")].fill_(fill_value)
        return self

    def _fill_random(self: Any, what: str, fill: Any, generator: Generator | None, *bounds: Any) -> Tensor:
        has_history = self._is_written_with_history()
        if not has_history:
            _core.check_write(self, what)
        if self.is_contiguous() and not has_history:
            check(fill(stream_state(what, generator), node_pointer(self), *bounds))
            _core.bump_version(self)
            return self
        return self._overwrite(empty_like(self)._fill_random(what, fill, generator, *bounds), what)

    def uniform_(self: Any, a: Any = 0.0, b: Any = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Overwrite with draws from [a, b). **Raises** as `copy_`, ValueError where a > b, TypeError for integers.

        >>> import pyautograd
        >>> bool((pyautograd.empty(9).uniform_(2, 3) >= 2).all())
        True
        """
        return self._fill_random("uniform_", lib.pa_fill_uniform, generator, a, b)

    def normal_(self: Any, mean: Any = 0.0, std: Any = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Overwrite with draws from the normal distribution. **Raises** as `copy_`, ValueError for a negative
        deviation, TypeError for integers.

        >>> import pyautograd
        >>> pyautograd.empty(2).normal_(mean=5.0, std=0.0)
        tensor([5., 5.])
        """
        return self._fill_random("normal_", lib.pa_fill_normal, generator, mean, std)

    def _draw_over(self: Any, what: str, draw: Callable[[], Tensor]) -> Tensor:
        """Overwrites with draws; nothing is drawn where the tensor cannot be written to."""
        if not self._is_written_with_history():
            _core.check_write(self, what)
        return self._overwrite(draw().to(self.dtype), what)

    def bernoulli_(self: Any, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
        """Overwrite with 1 with probability `p`, a number or a tensor that broadcasts, else 0.

        **Raises** as `copy_`, ValueError for a probability outside of [0, 1].

        >>> import pyautograd
        >>> pyautograd.empty(2).bernoulli_(1.0)
        tensor([1., 1.])
        """
        if isinstance(p, Tensor):
            return self._draw_over("bernoulli_", lambda: bernoulli(p.expand(self.shape), generator=generator))
        return self._draw_over("bernoulli_", lambda: bernoulli(empty(self.shape), p, generator=generator))

    def _of_uniform(self: Any, what: str, function: Callable[[Any], Any], generator: Generator | None) -> Tensor:
        """Overwrites with a function of draws from [0, 1)."""
        dtype = self.dtype if self.dtype.is_floating_point else float64
        return self._draw_over(what, lambda: function(rand(self.shape, generator=generator, dtype=dtype)))

    def exponential_(self: Any, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Overwrite with draws from the exponential distribution with rate `lambd`.

        **Raises** as `copy_`, ValueError unless lambd > 0, TypeError for integers.

        >>> import pyautograd
        >>> bool((pyautograd.empty(9).exponential_(2.0) >= 0).all())
        True
        """
        _positive("exponential_", "lambd", lambd)
        _floats("exponential_", self)
        return self._of_uniform("exponential_", lambda u: (-u).log1p() / -lambd, generator)

    def cauchy_(self: Any, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Overwrite with draws from the Cauchy distribution.

        **Raises** as `copy_`, ValueError unless sigma > 0, TypeError for integers.

        >>> import pyautograd
        >>> pyautograd.empty(9).cauchy_().shape
        (9,)
        """
        _positive("cauchy_", "sigma", sigma)
        _floats("cauchy_", self)
        return self._of_uniform("cauchy_", lambda u: ((u - 0.5) * math.pi).tan() * sigma + median, generator)

    def geometric_(self: Any, p: float, *, generator: Generator | None = None) -> Tensor:
        """Overwrite with how many trials it takes to succeed with probability `p`: 1, 2, ….

        **Raises** as `copy_`, ValueError unless 0 < p < 1.

        >>> import pyautograd
        >>> bool((pyautograd.empty(9).geometric_(0.5) >= 1).all())
        True
        """
        if not 0 < p < 1:
            raise ValueError(f"geometric_: p must be between 0 and 1, not {p}")
        rate = math.log1p(-p)
        return self._of_uniform("geometric_", lambda u: ((-u).log1p() / rate).ceil().clamp(min=1), generator)

    def log_normal_(self: Any, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
        """Overwrite with draws whose logarithms are normal, with this mean and standard deviation.

        **Raises** as `normal_`, ValueError unless std > 0.

        >>> import pyautograd
        >>> bool((pyautograd.empty(9).log_normal_() > 0).all())
        True
        """
        _positive("log_normal_", "std", std)
        _floats("log_normal_", self)
        drawn = functools.partial(normal, mean, std, self.shape, generator=generator, dtype=self.dtype)
        return self._draw_over("log_normal_", lambda: drawn().exp())

    def random_(self: Any, *bounds: int, generator: Generator | None = None) -> Tensor:
        """Overwrite with integers: `random_(to)` from [0, to), `random_(low, to)` from [low, to), and without bounds
        from 0 to the largest that the dtype holds, or holds exactly.

        **Raises** as `copy_`, ValueError for an empty range, TypeError for more than two bounds.

        >>> import pyautograd
        >>> bool((pyautograd.empty(9).random_(3) < 3).all())
        True
        """
        if len(bounds) > 2:
            raise TypeError(f"random_: takes at most two bounds, not {len(bounds)}")
        dtype = self.dtype
        exact = {4: 2**24, 8: 2**53}[dtype.itemsize] if dtype.is_floating_point else 1
        top = exact if dtype.is_floating_point else 1 if dtype is bool_ else iinfo(dtype).max
        low, to = bounds if len(bounds) == 2 else (0, *bounds) if bounds else (0, top + (dtype is not int64))
        return self._draw_over("random_", lambda: randint(low, to, self.shape, generator=generator))


def _positive(name: str, argument: str, given: float) -> None:
    if not given > 0:
        raise ValueError(f"{name}: {argument} must be positive, not {given}")


def _floats(name: str, given: Tensor) -> None:
    if not given.dtype.is_floating_point:
        raise TypeError(f"{name}: takes float32 or float64, not {given.dtype.name}")
