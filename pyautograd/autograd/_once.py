"""A backward written in Python whose gradients are not to be differentiated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pyautograd import _core
from pyautograd._grad_mode import no_grad
from pyautograd._tensor import Tensor

__all__ = ["once_differentiable"]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """A `Function.backward` that computes without history: what differentiates its gradients raises RuntimeError.

    >>> import pyautograd
    >>> class Cube(pyautograd.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     @pyautograd.autograd.once_differentiable
    ...     def backward(ctx, upstream):
    ...         return 3 * ctx.saved_tensors[0] ** 2 * upstream
    >>> x = pyautograd.tensor(2.0, requires_grad=True)
    >>> (slope,) = pyautograd.autograd.grad(Cube.apply(x), x, create_graph=True)
    >>> slope.backward()
    Traceback (most recent call last):
    RuntimeError: backward: differentiated twice, and its Function's backward is marked with once_differentiable
    """

    @functools.wraps(backward)
    def wrapper(ctx: Any, *upstream: Any) -> Any:
        with no_grad():
            returned = backward(ctx, *upstream)
        if ctx._output is None:
            return returned
        behind = (*upstream, *(tensor for tensor in ctx.saved_tensors if tensor is not None))
        operands = tuple(each for each in behind if isinstance(each, Tensor) and each.requires_grad)
        gradients = returned if isinstance(returned, tuple) else (returned,)
        return tuple(_refusing(each, operands) for each in gradients)

    return wrapper


def _refusing(gradient: Any, operands: tuple[Tensor, ...]) -> Any:
    if not isinstance(gradient, Tensor) or not operands:
        return gradient
    fresh = gradient.detach().clone()
    _core.attach(fresh, operands, _refuse, "once_differentiable")
    return fresh


def _refuse(*unused: Any) -> Any:
    raise RuntimeError("backward: differentiated twice, and its Function's backward is marked with once_differentiable")
