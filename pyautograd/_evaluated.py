"""One evaluation of a function over stand-ins of its arguments, and the derivatives between its outputs and them.

    func(*args) ── evaluate ──▶ Evaluated: inputs ─ graph ─ outputs
                                    ├─ pull(vectors)    reverse mode: vectors of the outputs' shapes, back to the inputs
                                    ├─ push(tangents)   forward mode: of the inputs' shapes, on to the outputs
                                    └─ rows(), columns()     Jacobians, by one or the other

A stand-in is a leaf of its own, or, where somebody around differentiates in an argument too, a node over it. What is
found gets a history only in that case, or where the function reads something else that requires grad.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pyautograd import _core
from pyautograd._creation import eye, ones_like, zeros_like
from pyautograd._grad_mode import enable_grad, is_grad_enabled
from pyautograd._joins import stack
from pyautograd._structure import flatten, rebuild
from pyautograd._tensor import Tensor
from pyautograd.autograd import grad

ArgNums = int | tuple[int, ...]


class Evaluated(NamedTuple):
    """A function's outputs over stand-ins of arguments, and the derivatives between the two."""

    name: str
    returned: Any  # its first part, with `has_aux`
    aux: Any
    outputs: list[Tensor]  # the leaves of what it returned
    output_structure: Any
    inputs: list[Tensor]  # the stand-ins
    input_structure: Any
    is_single: bool  # it is one argument that is differentiated in
    keeps: bool  # derivatives get a history

    def shown(self, value: Any) -> Any:
        """What the caller gets of what the function returned."""
        if self.keeps:
            return value
        leaves, structure = parts(value)
        return rebuild(structure, iter([each.detach() for each in leaves]))

    def of_inputs(self, leaves: Sequence[Any]) -> Any:
        found = rebuild(self.input_structure, iter(leaves))
        return found[0] if self.is_single else found

    def of_outputs(self, leaves: Sequence[Any]) -> Any:
        return rebuild(self.output_structure, iter(leaves))

    def jacobian(self, found: list[list[Tensor]]) -> Any:
        return self.of_outputs([self.of_inputs(leaves) for leaves in found])

    def keeps_of(self, vectors: Sequence[Tensor]) -> bool:
        """Do products with these get a history?"""
        return is_grad_enabled() and (self.keeps or any(each.requires_grad for each in vectors))

    def pull(self, upstream: Sequence[Any], strict: str = "") -> list[Tensor]:
        """Vector-Jacobian products."""
        return pull(self.outputs, self.inputs, upstream, self.keeps_of(upstream), strict)

    def push(self, tangents: Sequence[Tensor], strict: str = "") -> list[Tensor]:
        """Jacobian-vector products."""
        return push(self.outputs, self.inputs, tangents, self.keeps_of(tangents), strict)

    def hessian_product(self, tangents: Sequence[Tensor], strict: str = "") -> list[Tensor]:
        """Of an output of one element: its gradient, as a graph, along the tangents."""
        gradients = pull(self.outputs, self.inputs, [ones_like(self.outputs[0])], True, strict)
        return push(gradients, self.inputs, tangents, self.keeps_of(tangents), strict)

    def rows(self, strict: str = "") -> list[list[Tensor]]:
        """The Jacobian of each output in each input, by a backward for each element of the output."""
        found = []
        for output in self.outputs:
            rows = [pull([output], self.inputs, [each], self.keeps, strict) for each in _basis(output)]
            found.append([_stacked([row[k] for row in rows], output.shape, x) for k, x in enumerate(self.inputs)])
        return found

    def columns(self) -> list[list[Tensor]]:
        """The same by a forward for each element of the input."""
        zeros, of_inputs = [zeros_like(each) for each in self.inputs], []
        for k, x in enumerate(self.inputs):
            pushed = [self.push([*zeros[:k], each, *zeros[k + 1 :]]) for each in _basis(x)]
            of_inputs.append([_columns([each[j] for each in pushed], x, y) for j, y in enumerate(self.outputs)])
        return [list(of_output) for of_output in zip(*of_inputs, strict=True)]


def parts(value: Any) -> tuple[list[Tensor], Any]:
    leaves: list[Tensor] = []
    return leaves, flatten(value, leaves, Tensor)


def _stand_in(name: str, tensor: Tensor, tracks: bool) -> Tensor:
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"{name}: a derivative in a tensor of dtype {tensor.dtype.name}, shape {tensor.shape}")
    return tensor.expand_as(tensor) if tracks and tensor.requires_grad else tensor.detach().requires_grad_()


def evaluate(
    name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: ArgNums, has_aux: bool
) -> Evaluated:
    """Calls a function with stand-ins for the arguments that are differentiated in."""
    tracks = is_grad_enabled()
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in chosen:
        if not -len(args) <= i < len(args):
            raise ValueError(f"{name}: argnums {i}, and {len(args)} positional arguments")
    if not chosen and not isinstance(argnums, int):
        raise ValueError(f"{name}: argnums is empty")
    if len({i % len(args) for i in chosen}) < len(chosen):
        raise ValueError(f"{name}: argnums {argnums} has an argument twice")
    leaves, structure = parts(tuple(args[i] for i in chosen))
    with enable_grad():
        inputs = [_stand_in(name, leaf, tracks) for leaf in leaves]
        given = list(args)
        for i, argument in zip(chosen, rebuild(structure, iter(inputs)), strict=True):
            given[i] = argument
        returned, aux = func(*given, **kwargs), None
        if has_aux:
            if not isinstance(returned, tuple) or len(returned) != 2:
                raise TypeError(f"{name}: with has_aux=True the function returns a tuple (output, aux)")
            returned, aux = returned
        outputs, output_structure = parts(returned)
    keeps = tracks and any(_core.reaches_beyond(each, tuple(inputs)) for each in outputs if each.requires_grad)
    return Evaluated(name, returned, aux, outputs, output_structure, inputs, structure, isinstance(argnums, int), keeps)


def of_all(name: str, func: Callable[..., Any], primals: Any, has_aux: bool) -> Evaluated:
    """The same for a tuple of primals, all of which are differentiated in."""
    if not isinstance(primals, tuple):
        raise TypeError(f"{name}: primals are a tuple of arguments, not {type(primals).__name__}")
    run = evaluate(name, func, primals, {}, tuple(range(len(primals))), has_aux)
    return run._replace(is_single=len(primals) == 1)


def pull(
    of: Sequence[Tensor], into: Sequence[Tensor], upstream: Sequence[Any], create_graph: bool, strict: str = ""
) -> list[Tensor]:
    """Vector-Jacobian products, zeros where nothing flows; with `strict`, in whose name that is refused."""
    pairs = [(output, each) for output, each in zip(of, upstream, strict=True) if output.requires_grad]
    found: Sequence[Tensor | None] = [None] * len(into)
    if pairs:
        outputs, given = zip(*pairs, strict=True)
        found = grad(outputs, into, given, retain_graph=True, create_graph=create_graph, allow_unused=True)
    if strict and any(each is None for each in found):
        i = [each is None for each in found].index(True)
        raise RuntimeError(f"{strict}: the outputs do not depend on input {i} of shape {into[i].shape}")
    return [zeros_like(x) if each is None else each for x, each in zip(into, found, strict=True)]


def push(
    of: Sequence[Tensor], along: Sequence[Tensor], tangents: Sequence[Tensor], create_graph: bool, strict: str = ""
) -> list[Tensor]:
    """Jacobian-vector products, zeros where nothing flows; `strict` likewise."""
    found = _core.forward(tuple(of), tuple(along), tuple(tangents), create_graph) if of else ()
    for i, each in enumerate(found):
        if strict and each is None:
            raise RuntimeError(f"{strict}: output {i} of shape {of[i].shape} does not depend on the inputs")
    return [zeros_like(y) if each is None else each for y, each in zip(of, found, strict=True)]


def _basis(tensor: Tensor) -> list[Tensor]:
    """The tensors of a shape with a 1 in one place."""
    return [row.reshape(tensor.shape) for row in eye(tensor.numel(), dtype=tensor.dtype)]


def _stacked(rows: list[Tensor], shape: tuple[int, ...], x: Tensor) -> Tensor:
    """Of an output of a shape in x: a row for each element of the output."""
    if not rows:
        return x.new_zeros((*shape, *x.shape))
    return (rows[0] if len(rows) == 1 else stack(rows)).reshape((*shape, *x.shape))


def _columns(columns: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Of y in x: a column for each element of x."""
    if not columns:
        return y.new_zeros((*y.shape, *x.shape))
    return stack(columns, -1).reshape((*y.shape, *x.shape))
