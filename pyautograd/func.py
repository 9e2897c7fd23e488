"""Derivatives of functions: what `torch.func` has, for functions of tensors and of nested containers of them.

    jacrev(grad(f))(x)      grad ── f(x'), its gradient as a graph ──▶ jacrev ── a sweep for each element

They compose with each other, to any order, and with `compile`. What they give has no history, unless somebody
differentiates in an argument, or the function reads something else that requires grad.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from pyautograd._absent import say_what_is_missing
from pyautograd._creation import ones_like
from pyautograd._evaluated import ArgNums, Evaluated, evaluate, of_all, parts, pull
from pyautograd._structure import outline
from pyautograd._tensor import Tensor
from pyautograd.nn._module import Module

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp", "linearize",
    "value_and_grad", "vjp", "vmap",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)


def _check_scalar(run: Evaluated) -> None:
    if not isinstance(run.returned, Tensor) or run.returned.numel() != 1:
        what = f"shape {run.returned.shape}" if isinstance(run.returned, Tensor) else type(run.returned).__name__
        raise ValueError(f"{run.name}: the function returns a tensor of one element, not {what}; see jacrev and vjp")


def _vectors(name: str, what: str, value: Any, structure: Any, likes: Sequence[Tensor]) -> list[Tensor]:
    """The leaves of vectors that go with tensors, in their structure and shapes."""
    leaves, own = parts(value)
    if own != structure:
        raise ValueError(f"{name}: {what} {outline(own)}, for {outline(structure)}")
    for leaf, like in zip(leaves, likes, strict=True):
        if leaf.shape != like.shape:
            raise ValueError(f"{name}: {what} of shape {leaf.shape} for a tensor of shape {like.shape}")
    return leaves


def _tangents(run: Evaluated, tangents: Any) -> list[Tensor]:
    if not isinstance(tangents, tuple):
        raise TypeError(f"{run.name}: tangents are a tuple, as primals are, not {type(tangents).__name__}")
    return _vectors(run.name, "tangents are", tangents, run.input_structure, run.inputs)


def _transformed(run: Callable[..., Any], func: Callable[..., Any], *options: Any) -> Callable[..., Any]:
    """`run(func, *options, args, kwargs)` as a function of the arguments, which compiled steps can look into."""
    if not callable(func):
        raise TypeError(f"{run.__name__[1:]}: a function is wanted, not {type(func).__name__}")
    made = functools.partial(run, func, *options)
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        if hasattr(func, name):
            setattr(made, name, getattr(func, name))
    return made


# ---- gradients ----


def _gradient(run: Evaluated) -> Any:
    _check_scalar(run)
    return run.of_inputs(run.pull([ones_like(run.returned)]))


def _run_grad(func: Any, argnums: ArgNums, has_aux: bool, /, *args: Any, **kwargs: Any) -> Any:
    run = evaluate("grad", func, args, kwargs, argnums, has_aux)
    gradient = _gradient(run)
    return (gradient, run.shown(run.aux)) if has_aux else gradient


def _run_value_and_grad(func: Any, argnums: ArgNums, has_aux: bool, /, *args: Any, **kwargs: Any) -> Any:
    run = evaluate("value_and_grad", func, args, kwargs, argnums, has_aux)
    gradient, value = _gradient(run), run.shown(run.returned)
    return ((value, run.shown(run.aux)) if has_aux else value), gradient


def _run_grad_and_value(func: Any, argnums: ArgNums, has_aux: bool, /, *args: Any, **kwargs: Any) -> Any:
    value, gradient = _run_value_and_grad(func, argnums, has_aux, *args, **kwargs)
    return gradient, value


def grad(func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that gives the gradient of `func`, whose output is a tensor of one element.

    **Arguments:** `argnums`: the positional argument that is differentiated in, tensors or nested tuples, lists and
    dicts of them, or a tuple of such numbers. `has_aux`: `func` returns `(output, aux)`, and the gradient comes with
    `aux`. **Returns** a function; its result has the structure of that argument, zeros for what `func` does not use.
    **Raises** TypeError for what is no function; when called, ValueError for an output of several elements and for
    numbers of arguments that are not there, TypeError for tensors of integers.

    >>> import pyautograd as pa
    >>> from pyautograd.func import grad
    >>> grad(pa.sin)(pa.tensor(0.0))
    tensor(1.)
    >>> grad(grad(lambda x: x ** 3))(pa.tensor(2.0))
    tensor(12.)
    """
    return _transformed(_run_grad, func, argnums, has_aux)


def value_and_grad(func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """As `grad`, of which the result is the second of a pair: the value of `func`, with `aux` if any, and the gradient.

    **Raises** as `grad`.

    >>> import pyautograd as pa
    >>> value, gradient = pa.func.value_and_grad(lambda w: (w["a"] * w["b"]).sum())(
    ...     {"a": pa.tensor([1.0, 2.0]), "b": pa.tensor(3.0)})
    >>> value, gradient["a"], gradient["b"]
    (tensor(9.), tensor([3., 3.]), tensor(3.))
    """
    return _transformed(_run_value_and_grad, func, argnums, has_aux)


def grad_and_value(func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """`value_and_grad` with the gradient first, as PyTorch has it. **Raises** as `grad`.

    >>> import pyautograd as pa
    >>> pa.func.grad_and_value(pa.exp)(pa.tensor(0.0))
    (tensor(1.), tensor(1.))
    """
    return _transformed(_run_grad_and_value, func, argnums, has_aux)


# ---- products with Jacobians ----


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The output of `func(*primals)`, and the function that takes vectors back through it: reverse mode.

    **Returns** `(output, vjp_fn)`, with `has_aux` also `aux`. `vjp_fn(cotangents)`, in the structure of the output,
    gives a tuple with the product for each primal; it can be called again. **Raises** as
    `grad`, and `vjp_fn` ValueError for vectors of another structure or shape.

    >>> import pyautograd as pa
    >>> x = pa.tensor([0.0, 1.0])
    >>> output, vjp_fn = pa.func.vjp(lambda x: x ** 2, x)
    >>> vjp_fn(pa.tensor([1.0, 10.0]))
    (tensor([ 0., 20.]),)
    """
    run = of_all("vjp", func, primals, has_aux)._replace(is_single=False)

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given = _vectors("vjp", "cotangents are", cotangents, run.output_structure, run.outputs)
        keeps = run.keeps_of(given) if create_graph is None else create_graph
        return run.of_inputs(pull(run.outputs, run.inputs, given, keeps))

    output = run.shown(run.returned)
    return (output, vjp_fn, run.shown(run.aux)) if has_aux else (output, vjp_fn)


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> tuple[Any, ...]:
    """The output of `func(*primals)`, and how it changes along the tangents: forward mode.

    **Arguments:** `primals`, `tangents`: tuples of one structure and shapes. `strict` makes no difference. **Returns**
    `(output, product)`, with `has_aux` also `aux`. **Raises** as `grad`, TypeError for what is no tuple, ValueError for
    tangents of another structure or shape.

    >>> import pyautograd as pa
    >>> pa.func.jvp(lambda x, y: x * y, (pa.tensor(2.0), pa.tensor(3.0)), (pa.tensor(1.0), pa.tensor(0.0)))
    (tensor(6.), tensor(3.))
    """
    run = of_all("jvp", func, primals, has_aux)
    product = run.of_outputs(run.push(_tangents(run, tangents)))
    output = run.shown(run.returned)
    return (output, product, run.shown(run.aux)) if has_aux else (output, product)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The output of `func(*primals)`, and the linear function that `jvp` is there, for one tangent after the other.

    **Returns** `(output, jvp_fn)`; `jvp_fn(*tangents)` takes a tangent for each primal. **Raises** as `jvp`.

    >>> import pyautograd as pa
    >>> output, jvp_fn = pa.func.linearize(pa.exp, pa.tensor([0.0, 1.0]))
    >>> [jvp_fn(pa.tensor(t)).sum().item() for t in ([1.0, 0.0], [2.0, 0.0])]
    [1.0, 2.0]
    """
    run = of_all("linearize", func, primals, False)

    def jvp_fn(*tangents: Any) -> Any:
        return run.of_outputs(run.push(_tangents(run, tangents)))

    return run.shown(run.returned), jvp_fn


def hvp(func: Callable[..., Any], primals: Any, tangents: Any, *, has_aux: bool = False) -> Any:
    """The Hessian of `func`, whose output is a tensor of one element, times a vector; no Hessian is stored.

    It is the derivative of the gradient along the tangents, forward over reverse.

    **Arguments:** as of `jvp`. **Returns** the product for each primal, or for the only one, with `has_aux` a pair of
    it and `aux`. **Raises** as `jvp`.

    >>> import pyautograd as pa
    >>> x = pa.tensor([1.0, 2.0])
    >>> pa.func.hvp(lambda x: (x ** 3).sum(), (x,), (pa.tensor([1.0, 0.0]),))
    tensor([6., 0.])
    """
    run = of_all("hvp", func, primals, has_aux)
    _check_scalar(run)
    product = run.of_inputs(run.hessian_product(_tangents(run, tangents)))
    return (product, run.shown(run.aux)) if has_aux else product


# ---- Jacobians ----


def _run_jacrev(func: Any, argnums: ArgNums, has_aux: bool, /, *args: Any, **kwargs: Any) -> Any:
    run = evaluate("jacrev", func, args, kwargs, argnums, has_aux)
    found = run.jacobian(run.rows())
    return (found, run.shown(run.aux)) if has_aux else found


def _run_jacfwd(func: Any, argnums: ArgNums, has_aux: bool, /, *args: Any, **kwargs: Any) -> Any:
    run = evaluate("jacfwd", func, args, kwargs, argnums, has_aux)
    found = run.jacobian(run.columns())
    return (found, run.shown(run.aux)) if has_aux else found


def jacrev(
    func: Callable[..., Any], argnums: ArgNums = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """The function that gives the Jacobian of `func`, row by row: a backward for each element of the output.

    Cheaper than `jacfwd` where the output has fewer elements than the arguments. **Arguments:** as of `grad`;
    `chunk_size` makes no difference. **Returns** a function; its result has the structure of the output, in it that of
    the argument, and in it tensors of shape (output's…, argument's…). **Raises** as `grad`, but for the output.

    >>> import pyautograd as pa
    >>> pa.func.jacrev(lambda x: x ** 2)(pa.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    return _transformed(_run_jacrev, func, argnums, has_aux)


jacobian = jacrev


def jacfwd(
    func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """The function that gives the Jacobian of `func`, column by column: a forward for each element of the argument.

    Cheaper than `jacrev` where the output has more elements than the arguments. `randomness` makes no difference: what
    `func` draws, it draws once. **Arguments**, results and what it **raises** as of `jacrev`.

    >>> import pyautograd as pa
    >>> pa.func.jacfwd(lambda t: pa.stack([t.cos(), t.sin()]))(pa.tensor(0.0))
    tensor([0., 1.])
    """
    return _transformed(_run_jacfwd, func, argnums, has_aux)


def hessian(func: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """The function that gives the second derivatives of `func`: `jacfwd` of `jacrev`.

    The gradient is made as a graph once, and is pushed through for each element of the argument. **Arguments:** as of
    `grad`. **Returns** a function; of one argument that is a tensor, its result has shape (output's…, argument's…,
    argument's…). **Raises** as `jacrev`.

    >>> import pyautograd as pa
    >>> pa.func.hessian(lambda x: (x ** 3).sum())(pa.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


# ---- modules ----


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """A module's output with other tensors in the places of its parameters and buffers, which it has again afterwards.

    **Arguments:** `parameter_and_buffer_dicts`: tensors by their names in the state dict, or several such dicts.
    `args`: a tuple of arguments, or the only one. `tie_weights`: what stands under several names is given by one of
    them. `strict`: every parameter and buffer is given. **Raises** RuntimeError for names that are not there, and with
    `strict` for those that are missing; ValueError for a name that is given twice, or ties given differently; TypeError
    for what is no module.

    >>> import pyautograd as pa
    >>> from pyautograd.func import functional_call, grad
    >>> layer = pa.nn.Linear(2, 1)
    >>> w = {"weight": pa.tensor([[1.0, 2.0]]), "bias": pa.tensor([3.0])}
    >>> functional_call(layer, w, pa.ones(1, 2))
    tensor([[6.]])
    >>> grad(lambda w: functional_call(layer, w, pa.ones(1, 2)).sum())(w)["weight"]
    tensor([[1., 1.]])
    """
    if not isinstance(module, Module):
        raise TypeError(f"functional_call: a module is wanted, not {type(module).__name__}")
    given = _merged(parameter_and_buffer_dicts)
    places: dict[str, tuple[Module, str, Any]] = {}
    for prefix, each in module.named_modules(remove_duplicate=False):
        for name in (*each._parameters, *each._buffers):
            places[f"{prefix}.{name}" if prefix else name] = (each, name, each._held[name])
    unknown, missing = given.keys() - places.keys(), places.keys() - given.keys()
    if unknown or (strict and missing):
        raise RuntimeError(
            f"functional_call: {type(module).__name__} has no {', '.join(sorted(unknown))}"
            if unknown
            else f"functional_call: {', '.join(sorted(missing))} of {type(module).__name__} missing"
        )
    if tie_weights:
        given = _with_ties(given, places)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    try:
        for name, tensor in given.items():
            owner, attribute, _ = places[name]
            owner._held[attribute] = tensor
        return module(*args, **(kwargs or {}))
    finally:
        for name in given:
            owner, attribute, before = places[name]
            owner._held[attribute] = before


def _merged(dicts: Any) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for each in dicts if isinstance(dicts, (list, tuple)) else (dicts,):
        if not isinstance(each, dict):
            raise TypeError(f"functional_call: dicts of tensors by their names are wanted, not {type(each).__name__}")
        twice = merged.keys() & each.keys()
        if twice:
            raise ValueError(f"functional_call: {', '.join(sorted(twice))} given twice")
        merged.update(each)
    return merged


def _with_ties(given: dict[str, Any], places: dict[str, tuple[Module, str, Any]]) -> dict[str, Any]:
    """The same with the other names of what stands under several."""
    names: dict[int, list[str]] = {}
    for name, (_, _, held) in places.items():
        if held is not None:
            names.setdefault(id(held), []).append(name)
    tied = dict(given)
    for group in names.values():
        values = [given[name] for name in group if name in given]
        if any(value is not values[0] for value in values):
            raise ValueError(f"functional_call: {', '.join(group)} are one tensor, and are given different ones")
        tied |= {name: values[0] for name in group if values}
    return tied


def vmap(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Not there: it **raises** NotImplementedError. Ops take batches along leading axes.

    >>> import pyautograd as pa
    >>> pa.func.vmap(pa.dot)
    Traceback (most recent call last):
    ...
    NotImplementedError: vmap is not there: write the function for a batch, along a leading axis, or loop over the rows
    """
    raise NotImplementedError(
        "vmap is not there: write the function for a batch, along a leading axis, or loop over the rows"
    )
