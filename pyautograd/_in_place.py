"""Methods that write their result into the tensor: `x.exp_()` is `x.exp()`, written over x.

Each is made from the function of its name. Where a gradient flows the write is part of the graph
(csrc/python/in_place.c).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pyautograd import _core
from pyautograd._core import Node, Tensor
from pyautograd._grad_mode import is_grad_enabled

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
        """atan2 arctan2 copysign divide eq float_power floor_divide fmod ge gt heaviside hypot le logical_and
        logical_or logical_xor lt multiply ne pow remainder subtract true_divide xlogy""".split(),  # noqa: SIM905
        "pyautograd.tensor([1.0, 2.0])",
    ),
    **dict.fromkeys(("addcdiv", "addcmul"), "pyautograd.ones(2), pyautograd.ones(2)"),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), "pyautograd.tensor([True, False])"),
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
}  # fmt: skip


def overwritten(target: Tensor, name: str, function: Callable[..., Any], *args: Any, **keywords: Any) -> Tensor:
    """The target, overwritten with what a function gives for it.

    Where others see its memory and a gradient flows, the function is given a copy: its backward may need the numbers.
    """
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
