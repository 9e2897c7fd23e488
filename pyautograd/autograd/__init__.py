"""Differentiation beyond `Tensor.backward()`: `grad`, `backward`, `Function`, and the modes that govern history.

The names and meanings are those of `torch.autograd`.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyautograd import _arguments, _core
from pyautograd._absent import missing
from pyautograd._core import Node, is_traced_scalar
from pyautograd._creation import as_tensor, zeros, zeros_like
from pyautograd._grad_mode import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from pyautograd._host import Template, check_arguments, copied, operands_of
from pyautograd._tensor import Tensor

if TYPE_CHECKING:
    from pyautograd.autograd import forward_ad, functional
    from pyautograd.autograd._gradcheck import GradcheckError, gradcheck, gradgradcheck
    from pyautograd.autograd._once import once_differentiable
    from pyautograd.autograd._twice import Ran
    from pyautograd.compat import Variable

__all__ = [
    "Function", "GradcheckError", "Variable", "backward", "detect_anomaly", "enable_grad", "forward_ad", "functional",
    "grad", "gradcheck", "gradgradcheck", "inference_mode", "is_grad_enabled", "no_grad", "once_differentiable",
    "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip

_LAZY = {
    "GradcheckError": "autograd._gradcheck", "Variable": "compat", "gradcheck": "autograd._gradcheck",
    "gradgradcheck": "autograd._gradcheck", "once_differentiable": "autograd._once",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """What is rarely used is imported when it is."""
    if name in ("forward_ad", "functional"):
        return importlib.import_module(f"pyautograd.autograd.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(f"pyautograd.{_LAZY[name]}"), name)
    raise missing(__name__, name)


def __dir__() -> list[str]:
    return __all__


@enable_grad()
def _one_root(op: str, outputs: Any, upstream: Any) -> tuple[Tensor, Tensor | None]:
    """Several outputs with their upstream gradients as one scalar root: the sum of their products."""
    if isinstance(outputs, Node):
        if isinstance(upstream, list | tuple):
            (upstream,) = upstream
        return outputs, upstream  # type: ignore[return-value]
    outputs = [_arguments.tensor(op, f"outputs[{i}]", each) for i, each in enumerate(outputs)]
    given = [None] * len(outputs) if upstream is None else list(upstream)
    if len(given) != len(outputs):
        raise ValueError(f"{op}: {len(given)} gradients for {len(outputs)} outputs")
    if len(outputs) == 1:
        return outputs[0], given[0]
    terms = []
    for i, (output, gradient) in enumerate(zip(outputs, given, strict=True)):
        if not output.requires_grad:
            raise RuntimeError(f"{op}: outputs[{i}] of shape {output.shape} does not require grad and has no history")
        if gradient is None and output.numel() != 1:
            raise RuntimeError(f"{op}: an output of shape {output.shape} is no scalar and has no upstream gradient")
        terms.append(output.sum() if gradient is None else (output * gradient).sum())
    root = terms[0]
    for term in terms[1:]:
        root = root + term
    return root, None


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of outputs with respect to inputs (leaves or results), returned and not accumulated.

    **Arguments:** `grad_outputs`: upstream gradients, of the outputs' shapes; 1 for outputs of one element.
    `create_graph`: the gradients get a history of their own, so that they can be differentiated again, to any order.
    `materialize_grads`: zeros, not None, for an input that the outputs do not depend on. **Returns** a tuple with a
    tensor for each input. **Raises** RuntimeError for an input that does not require grad, or that the outputs do not
    depend on (with `allow_unused=True` its gradient is None), ValueError for `materialize_grads` with
    `allow_unused=False` and for `only_inputs=False`, NotImplementedError for `is_grads_batched`.

    >>> import pyautograd
    >>> x = pyautograd.tensor([1.0, 2.0], requires_grad=True)
    >>> (first,) = pyautograd.autograd.grad((x ** 3).sum(), x, create_graph=True)
    >>> first.detach()
    tensor([ 3., 12.])
    >>> pyautograd.autograd.grad(first.sum(), x)
    (tensor([ 6., 12.]),)
    """
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is not taken; backward() accumulates the gradients of all leaves")
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched is vmap, which is not there; call grad for each row")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True gives zeros for unused inputs, which allow_unused=False refuses")
    wanted = (inputs,) if isinstance(inputs, Node) else tuple(inputs)
    if not wanted:
        raise RuntimeError("grad: there are no inputs")
    for i, each in enumerate(wanted):
        if not isinstance(each, Tensor):
            raise TypeError(f"grad: input {i} is a {type(each).__name__}, not a Tensor")
        if not each.requires_grad:
            raise RuntimeError(f"grad: input {i} of shape {each.shape} does not require grad")
    root, gradient = _one_root("grad", outputs, grad_outputs)
    if not isinstance(root, Tensor):
        raise TypeError(f"grad: outputs are Tensors, not {type(root).__name__}; a Value has .backward()")
    if gradient is not None and not isinstance(gradient, Tensor):
        gradient = as_tensor(gradient, dtype=root.dtype)
    retain_graph = create_graph if retain_graph is None else retain_graph
    # A call that raises for an unused input leaves the graph as it was.
    needs_all = not allow_unused and not materialize_grads
    found = _core.grad(root, wanted, gradient, bool(retain_graph), bool(create_graph), needs_all)
    unused = [i for i, each in enumerate(found) if each is None]
    if unused and materialize_grads:
        return tuple(zeros_like(x) if each is None else each for x, each in zip(wanted, found, strict=True))
    if unused and not allow_unused:
        raise RuntimeError(
            f"grad: the outputs do not depend on input {unused[0]} of shape {wanted[unused[0]].shape}; "
            "pass allow_unused=True to get None for it"
        )
    return found


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Accumulate the gradients of the sum of several tensors on the leaves, as `Tensor.backward` does for one.

    **Arguments:** `grad_tensors`: upstream gradients, of the tensors' shapes; 1 for tensors of one element. `inputs`:
    the only tensors that get a gradient. **Raises** as `Tensor.backward`, and ValueError for more or fewer gradients
    than tensors.

    >>> import pyautograd
    >>> x = pyautograd.tensor([1.0, 2.0], requires_grad=True)
    >>> pyautograd.autograd.backward([x.sum(), (x * x).sum()])
    >>> x.grad
    tensor([3., 5.])
    """
    root, gradient = _one_root("backward", tensors, grad_variables if grad_tensors is None else grad_tensors)
    root.backward(gradient, retain_graph, create_graph, inputs)


class _Context:
    """What `forward` leaves for `backward`."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: list[tuple[Tensor | None, int]] = []
        self._saved_outputs: dict[int, int] = {}  # which of the saved tensors are outputs, and which
        self._outputs: list[tuple[tuple[int, ...], Any]] = []  # shapes and dtypes
        self._materializes = True
        self._constant: set[int] = set()  # ids of outputs, then their numbers
        self._dirty: tuple[Tensor, ...] = ()
        self._overwritten: dict[int, Tensor] = {}  # by the number of the output that an argument has become
        self._output: tuple[int, Tensor] | None = None  # while a backward with history runs: whose it is

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `backward`; a later write in place to one of them is noticed there."""
        self._saved = [(tensor, 0 if tensor is None else tensor._version) for tensor in tensors]

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Outputs that no gradient goes through; those of integers and bools have none anyway."""
        self._constant = {id(output) for output in outputs}

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Arguments that `forward` writes into and returns: they become its outputs."""
        self._dirty = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros, or None, for the outputs that no gradient reaches."""
        self._materializes = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors kept. **Raises** RuntimeError when one was modified in place since, and under `create_graph`
        NotImplementedError for another output than the one that the gradient comes from."""
        for i, (tensor, version) in enumerate(self._saved):
            if tensor is not None and tensor._version != version:
                raise RuntimeError(
                    f"backward: saved tensor {i} of shape {tensor.shape} was modified in place since it was saved"
                )
        saved = [tensor for tensor, _ in self._saved]
        if self._output is not None:
            own, output = self._output
            for i, which in self._saved_outputs.items():
                if which != own:
                    raise NotImplementedError(
                        f"backward: create_graph=True with output {which} saved for the backward of output {own}; "
                        "save inputs, and compute it from them"
                    )
                saved[i] = output
        return tuple(saved)

    def _forget_history(self, outputs: list[Tensor]) -> None:
        """Saved outputs would keep themselves alive; what they share memory with does not."""
        own = {id(arg): outputs[i] for i, arg in self._overwritten.items()}
        self._saved = [
            (own[id(tensor)], own[id(tensor)]._version) if id(tensor) in own else (tensor, version)
            for tensor, version in self._saved
        ]
        kept = {id(output): i for i, output in enumerate(outputs)}
        self._saved_outputs = {i: kept[id(tensor)] for i, (tensor, _) in enumerate(self._saved) if id(tensor) in kept}
        self._saved = [
            (tensor.detach() if tensor is not None and id(tensor) in kept else tensor, version)
            for tensor, version in self._saved
        ]


class Function:
    """An op written in Python: subclass it with static methods `forward(ctx, *args)` and `backward(ctx, *upstream)`.

    `forward` computes with tensors, without history, and returns a new tensor or a tuple of them. `backward` gets the
    upstream gradient of each output and returns a gradient, or None, for each argument of `forward`: a vector-Jacobian
    product. **Raises** NotImplementedError where one is missing, TypeError where `forward` returns something else,
    RuntimeError where `backward` returns another number of gradients.

    >>> import pyautograd
    >>> class Cube(pyautograd.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, upstream):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x * x * upstream
    >>> x = pyautograd.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    @staticmethod
    def forward(ctx: _Context, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs, a tensor or a tuple of them. **Raises** NotImplementedError: a subclass defines it.

        >>> import pyautograd
        >>> class Double(pyautograd.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return 2 * x
        >>> Double.apply(pyautograd.tensor([1.0, 2.0]))
        tensor([2., 4.])
        """
        raise NotImplementedError("autograd.Function: forward is missing")

    @staticmethod
    def backward(ctx: _Context, *upstream: Tensor) -> Any:
        """Compute the gradients of the arguments of `forward`, one each, or None. **Raises** NotImplementedError: a
        subclass defines it.

        >>> import pyautograd
        >>> class StraightThrough(pyautograd.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x.round()
        ...     @staticmethod
        ...     def backward(ctx, upstream):
        ...         return upstream
        >>> x = pyautograd.tensor(1.4, requires_grad=True)
        >>> StraightThrough.apply(x).backward()
        >>> x.grad
        tensor(1.)
        """
        raise NotImplementedError("autograd.Function: backward is missing")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` and record the op; returns what it returned. In a compiled step that is done at each
        replay, and so is `backward`.

        **Raises** TypeError where `forward` returns no Tensor; in a compiled step also RuntimeError where shapes and
        dtypes are others than when the step was recorded, and TraceError for a `forward` that writes into an argument.

        >>> import pyautograd
        >>> class Double(pyautograd.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return 2 * x
        ...     @staticmethod
        ...     def backward(ctx, upstream):
        ...         return 2 * upstream
        >>> x = pyautograd.tensor(1.0, requires_grad=True)
        >>> Double.apply(x).backward()
        >>> x.grad
        tensor(2.)
        """
        applied = _Applied(cls, args, kwargs)
        outputs = _recorded(applied, args, kwargs) if _core.is_recording() else applied.forward(args, kwargs)
        inputs = [i for i, arg in enumerate(args) if isinstance(arg, Node) and arg.requires_grad]
        if is_grad_enabled() and inputs:
            for i, output in enumerate(outputs):
                if output.dtype.is_floating_point and i not in applied.context._constant:
                    run = _Backward(applied, len(args), inputs, i)
                    _core.attach(output, tuple(args[j] for j in inputs), run, cls.__name__)
        while applied.context._overwritten:  # which would keep the op itself alive
            i, arg = applied.context._overwritten.popitem()
            outputs[i] = _core.assign(arg, outputs[i], cls.__name__, False)
        return tuple(outputs) if applied.is_tuple else outputs[0]


class _Applied:
    """A Function applied to arguments: one call of `forward`, and in a compiled step one at each replay."""

    def __init__(self, function: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.needs_input_grad = tuple([isinstance(arg, Node) and arg.requires_grad for arg in args])
        self.is_tuple = False
        self.context: _Context
        self.is_kept = False  # in a step: what the last call was given and has made, where that is differentiated twice
        self.last: tuple[Sequence[Any], list[Tensor]]

    @property
    def __name__(self) -> str:
        return self.function.__name__

    def forward(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Tensor]:
        """The outputs, as tensors without history; what is to be kept for `backward` is in the context."""
        self.context = ctx = _Context(self.needs_input_grad)
        with no_grad():
            result = self.function.forward(ctx, *args, **kwargs)
        self.is_tuple = isinstance(result, tuple)
        outputs = list(result) if self.is_tuple else [result]
        ctx._constant = {i for i, output in enumerate(outputs) if id(output) in ctx._constant}
        for i, output in enumerate(outputs):
            if not isinstance(output, Tensor):
                raise TypeError(f"{self.__name__}: forward returned a {type(output).__name__}, not a Tensor")
            if any(output is arg for arg in args):
                outputs[i] = output.detach().clone()
                if any(output is arg for arg in ctx._dirty):
                    ctx._overwritten[i] = output
            elif output.requires_grad:  # it has a history of its own, which is not this op's
                outputs[i] = output.detach()
        if len(ctx._overwritten) < len(ctx._dirty):
            raise RuntimeError(f"{self.__name__}: forward does not return what it has marked as dirty")
        ctx._dirty = ()
        ctx._forget_history(outputs)
        ctx._outputs = [(output.shape, output.dtype) for output in outputs]
        return outputs


class _HostForward:
    """The forward of a Function as a host call."""

    def __init__(self, applied: _Applied, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._applied = applied
        self._names = tuple(kwargs)
        check_arguments(applied.__name__, (*args, *kwargs.values()), _core.TraceError)
        self._template = Template((*args, *kwargs.values()), keeps_grad=True)

    @property
    def __name__(self) -> str:
        return self._applied.__name__

    @property
    def functions(self) -> tuple[Any, ...]:
        return (self._applied.function.forward,)

    def constants(self) -> list[Any]:
        return self._template.constants()

    @property
    def context(self) -> _Context:
        """What the last call has left for the backward."""
        return self._applied.context

    def __call__(self, *operands: Any) -> tuple[Tensor, ...]:
        given = self._template.fill(iter(operands))
        n = len(given) - len(self._names)
        outputs = self._applied.forward(given[:n], dict(zip(self._names, given[n:], strict=True)))
        if self._applied.is_kept:
            self._applied.last = given, outputs
        return tuple(outputs)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _HostForward)
            and self._applied.function is other._applied.function
            and self._names == other._names
            and self._template == other._template
        )

    __hash__ = None  # type: ignore[assignment]


def _recorded(applied: _Applied, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """The outputs, as results of a host call."""
    call = _HostForward(applied, args, kwargs)
    operands = operands_of((*args, *kwargs.values()))
    returned = _core.unrecorded(_forward_of_aliases, applied, args, kwargs)
    return list(_core.record_host(call, operands, tuple(returned)))


def _forward_of_aliases(applied: _Applied, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """The forward over tensors that are not the step's, so that what the context keeps is not the step's either."""
    with no_grad():
        given = [_alias(arg) for arg in (*args, *kwargs.values())]
    before = [arg._version for arg in given if isinstance(arg, Tensor)]
    outputs = applied.forward(given[: len(args)], dict(zip(kwargs, given[len(args) :], strict=True)))
    applied.last = given, outputs
    if [arg._version for arg in given if isinstance(arg, Tensor)] != before:
        raise _core.TraceError(
            f"{applied.__name__}: forward writes into an argument, of which a program has a copy; return a new tensor"
        )
    return outputs


def _alias(arg: Any) -> Any:
    if not isinstance(arg, Tensor) or is_traced_scalar(arg):
        return copied(arg)
    return arg.detach().requires_grad_(arg.requires_grad)


class _Backward:
    """One output's share of a Function's backward: the others' upstream gradients are zero or None, and shares add
    up."""

    def __init__(self, applied: _Applied, n: int, inputs: list[int], which: int) -> None:
        self._applied, self._n, self._inputs, self._which = applied, n, inputs, which

    @property
    def __name__(self) -> str:
        return self._applied.__name__

    @property
    def functions(self) -> tuple[Any, ...]:
        return (self._applied.function.backward,)

    def constants(self) -> list[Any]:
        return []

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Backward)
            and self._applied.function is other._applied.function
            and (self._n, self._inputs, self._which) == (other._n, other._inputs, other._which)
        )

    __hash__ = None  # type: ignore[assignment]

    def __call__(
        self, upstream: Tensor, context: _Context | None = None, output: Tensor | None = None
    ) -> tuple[Any, ...]:
        """With history where the output is given, of which this is the share."""
        ctx = context or self._applied.context
        ctx._output = output if output is None else (self._which, output)
        all_upstream: list[Any] = [
            upstream if i == self._which else zeros(shape, dtype=dtype) if ctx._materializes else None
            for i, (shape, dtype) in enumerate(ctx._outputs)
        ]
        try:
            with set_grad_enabled(output is not None):
                returned = self._applied.function.backward(ctx, *all_upstream)
        finally:
            ctx._output = None
        gradients = returned if isinstance(returned, tuple) else (returned,)
        if len(gradients) != self._n:
            raise RuntimeError(f"{self.__name__}: backward returned {len(gradients)} gradients for {self._n} arguments")
        return tuple(gradients[i] for i in self._inputs)

    @property
    def which(self) -> int:
        """Of which output this is the share."""
        return self._which

    def ran(self) -> Ran:
        """What the last call in a step has made, with the history that this op gives it."""
        self._applied.is_kept = True
        of_call = copy.copy(self._applied)  # whose context stays
        given, outputs = of_call.last
        leaves = tuple([given[i] for i in self._inputs])
        made = [output.detach() for output in outputs]
        for i, each in enumerate(made):
            if each.dtype.is_floating_point:
                _core.attach(each, leaves, _Backward(of_call, self._n, self._inputs, i), self.__name__)
        return importlib.import_module("pyautograd.autograd._twice").Ran(leaves, tuple(made))  # type: ignore[no-any-return]

    def in_step(self, upstream: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
        """What this sends to each input, as a result of the step."""
        found: tuple[Tensor | None, ...]
        found = importlib.import_module("pyautograd.autograd._twice").in_step(self, upstream, inputs)
        return found
