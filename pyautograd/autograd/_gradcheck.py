"""Derivatives compared with central differences: `gradcheck` and `gradgradcheck`.

A Jacobian is taken of each output in each input, a column for each element of the output, so that a report can name the
elements whose derivative is wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pyautograd import _core
from pyautograd._arguments import tensor
from pyautograd._dtype import float64
from pyautograd._random import randn
from pyautograd._tensor import Tensor
from pyautograd._value import Value
from pyautograd.autograd import grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Jacobian = np.ndarray[Any, Any]  # rows are an input's elements, columns an output's


class GradcheckError(RuntimeError):
    """What `gradcheck` raises where a derivative is not what central differences say.

    >>> import pyautograd
    >>> issubclass(pyautograd.autograd.GradcheckError, RuntimeError)
    True
    """


def _tuple(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def _outputs(func: Callable[..., Any], inputs: Sequence[Any]) -> list[Tensor]:
    return [each for each in _tuple(func(*inputs)) if isinstance(each, Tensor) and each.dtype.is_floating_point]


def _numbers(x: Tensor) -> np.ndarray[Any, Any]:
    return np.array(np.asarray(x.detach()), dtype=np.float64).ravel()


def _checked(name: str, inputs: Any) -> tuple[tuple[Any, ...], list[int]]:
    """The inputs, and which of them are differentiated in."""
    given = _tuple(inputs)
    if any(isinstance(each, Value) for each in given):
        write = "pyautograd.tensor(2.0, dtype=pyautograd.float64, requires_grad=True)"
        raise TypeError(f"{name}: it takes tensors, no Values; the same function is checked at {write}")
    wanted = [i for i, each in enumerate(given) if isinstance(each, Tensor) and each.requires_grad]
    if not wanted:
        raise ValueError(f"{name}: none of the inputs requires grad")
    for i in wanted:
        if given[i].dtype is not float64:
            warnings.warn(
                f"{name}: input {i} of shape {given[i].shape} is {given[i].dtype.name}, in which differences are too "
                "coarse for the default tolerances; give it as float64",
                stacklevel=3,
            )
        if any(step == 0 and size > 1 for step, size in zip(given[i].stride(), given[i].shape, strict=True)):
            raise ValueError(f"{name}: input {i} of shape {given[i].shape} has elements that share memory: clone() it")
    return given, wanted


def _numerical(func: Callable[..., Any], inputs: Sequence[Any], which: int, eps: float) -> list[Jacobian]:
    """Of each output in one input, by central differences: its elements are moved where they stand."""
    array = np.asarray(inputs[which].detach())
    rows = []
    for at in np.ndindex(array.shape):
        held, ends = array[at].copy(), []
        try:
            for step in (eps, -eps):
                array[at] = held + step
                ends.append([_numbers(output) for output in _outputs(func, inputs)])
        finally:
            array[at] = held
        rows.append([(above - below) / (2 * eps) for above, below in zip(*ends, strict=True)])
    return [np.array(of_output) for of_output in zip(*rows, strict=True)]


def _analytical(output: Tensor, inputs: list[Tensor]) -> list[Jacobian]:
    """Of one output in each input, by a backward for each of its elements."""
    found = [np.zeros((each.numel(), output.numel())) for each in inputs]
    for column in range(output.numel()) if output.requires_grad else ():
        upstream = np.zeros(output.numel())
        upstream[column] = 1
        seed = Tensor(upstream.reshape(output.shape), dtype=output.dtype)
        for jacobian, gradient in zip(found, grad(output, inputs, seed, True, allow_unused=True), strict=True):
            if gradient is not None:
                jacobian[:, column] = _numbers(gradient)
    return found


def _along(outputs: list[Tensor], inputs: list[Tensor]) -> list[list[Jacobian]]:
    """Of each output in each input, by a forward for each element of the input."""
    found = [[np.zeros((x.numel(), y.numel())) for x in inputs] for y in outputs]
    for k, x in enumerate(inputs):
        for row in range(x.numel()):
            tangent = np.zeros(x.numel())
            tangent[row] = 1
            seed = Tensor(tangent.reshape(x.shape), dtype=x.dtype)
            for j, pushed in enumerate(_core.forward(tuple(outputs), (x,), (seed,), False)):
                if pushed is not None:
                    found[j][k][row] = _numbers(pushed)
    return found


def _named(x: Tensor, flat: int) -> str:
    return str(tuple(int(i) for i in np.unravel_index(flat, x.shape)))


def _faults(
    func: Callable[..., Any], inputs: tuple[Any, ...], wanted: list[int], eps: float, atol: float, rtol: float,
    nondet_tol: float, forward: bool,
) -> Iterator[str]:  # fmt: skip
    """In words, what does not agree."""
    outputs, leaves = _outputs(func, inputs), [inputs[i] for i in wanted]
    found, again = (
        _along(outputs, leaves) if forward else [_analytical(output, leaves) for output in outputs] for _ in range(2)
    )
    for place, i in enumerate(wanted):
        numerical = _numerical(func, inputs, i, eps) or [np.zeros((0, output.numel())) for output in outputs]
        for j, output in enumerate(outputs):
            jacobian, expected = found[j][place], numerical[j]
            wrong = ~(np.abs(jacobian - expected) <= atol + rtol * np.abs(expected))
            wrong &= ~(np.isnan(jacobian) & np.isnan(expected))
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                yield (
                    f"output {j} of shape {output.shape} in input {i} of shape {inputs[i].shape}: at element "
                    f"{_named(output, column)} of the output and {_named(inputs[i], row)} of the input the numerical "
                    f"derivative is {expected[row, column]:.9g} and the analytical one {jacobian[row, column]:.9g} "
                    f"({wrong.sum()} of {wrong.size} disagree)"
                )
            if (np.abs(jacobian - again[j][place]) > nondet_tol).any():
                yield (
                    f"output {j} in input {i}: the backward gives other numbers each time; where it may, pass "
                    "nondet_tol"
                )


def _refuse(name: str, options: dict[str, bool]) -> None:
    for option, given in options.items():
        if given:
            raise NotImplementedError(f"{name}: {option}=True needs vmap, which is not there; leave it out")


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Is the gradient of `func(*inputs)` what central differences of width `eps` say, for an op of one's own?

    **Arguments:** `func`: takes the inputs, returns a tensor or a tuple of them. `inputs`: a tensor or a tuple of
    arguments; those tensors that require grad are differentiated in, and should be float64. Derivatives agree within
    `atol + rtol * |numerical|`; a second backward within `nondet_tol` of the first. `check_backward_ad`,
    `check_forward_ad`: which mode is looked at. `fast_mode`, `masked`,
    `check_undefined_grad` and `check_grad_dtypes` are taken and make no difference. **Returns** True; False where it
    does not agree and `raise_exception` is off. **Raises** GradcheckError naming input, output, element and both
    numbers; ValueError where no input requires grad, or one has elements that share memory; NotImplementedError for
    what needs vmap.

    >>> import pyautograd as pa
    >>> class Cube(pa.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, upstream):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x ** 2 * upstream
    >>> x = pa.tensor([1.0, 2.0], dtype=pa.float64, requires_grad=True)
    >>> pa.autograd.gradcheck(pa.sin, x)
    True
    >>> pa.autograd.gradcheck(Cube.apply, x)
    Traceback (most recent call last):
    ...
    pyautograd.autograd._gradcheck.GradcheckError: gradcheck: output 0 of shape (2,) in input 0 of shape (2,): at
    element (0,) of the output and (0,) of the input the numerical derivative is 3 and the analytical one 2
    (2 of 4 disagree)
    """
    batched = {"check_batched_grad": check_batched_grad, "check_batched_forward_grad": check_batched_forward_grad}
    _refuse("gradcheck", batched)
    given, wanted = _checked("gradcheck", inputs)
    modes = [mode for mode, wants in ((False, check_backward_ad), (True, check_forward_ad)) if wants]
    faults = (fault for mode in modes for fault in _faults(func, given, wanted, eps, atol, rtol, nondet_tol, mode))
    fault = next(faults, None)
    if fault is not None and raise_exception:
        raise GradcheckError(f"gradcheck: {fault}")
    return fault is None


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Are second derivatives right: `gradcheck` of the gradients of `func(*inputs)`, in inputs and upstream gradients?

    **Arguments:** as of `gradcheck`; `grad_outputs`: upstream gradients of the outputs' shapes, drawn from a normal
    distribution where none are given. **Returns** and **raises** as `gradcheck`.

    >>> import pyautograd as pa
    >>> x = pa.tensor([0.5, 2.0], dtype=pa.float64, requires_grad=True)
    >>> pa.autograd.gradgradcheck(pa.tanh, x)
    True
    """
    _refuse("gradgradcheck", {"check_batched_grad": check_batched_grad})
    given, wanted = _checked("gradgradcheck", inputs)
    if grad_outputs is None:
        upstream = [randn(each.shape, dtype=each.dtype, requires_grad=True) for each in _outputs(func, given)]
    else:
        vectors = [tensor("gradgradcheck", f"grad_outputs[{i}]", each) for i, each in enumerate(_tuple(grad_outputs))]
        upstream = [each.detach().requires_grad_() for each in vectors]

    def gradients(*moved: Any) -> tuple[Any, ...]:
        outputs = _outputs(func, moved[: len(given)])
        pairs = [pair for pair in zip(outputs, moved[len(given) :], strict=True) if pair[0].requires_grad]
        outputs, vectors = map(list, zip(*pairs, strict=True))
        return grad(outputs, [moved[i] for i in wanted], vectors, create_graph=True, materialize_grads=True)

    return gradcheck(
        gradients, (*given, *upstream), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_backward_ad=check_rev_over_rev, check_forward_ad=check_fwd_over_rev,
    )  # fmt: skip
