"""Derivatives of functions by the names of `torch.autograd.functional`; `pyautograd.func` has the same and more.

Here arguments are a tensor or a tuple of tensors, and results have no history unless `create_graph=True`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd._absent import say_what_is_missing
from pyautograd._creation import ones_like
from pyautograd._evaluated import Evaluated, evaluate
from pyautograd._grad_mode import is_grad_enabled, set_grad_enabled
from pyautograd._tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)


def _tuple(name: str, what: str, given: Any) -> tuple[Tensor, ...]:
    found = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    for i, each in enumerate(found):
        if not isinstance(each, Tensor):
            raise TypeError(f"{name}: {what} {i} is a {type(each).__name__}, not a Tensor")
    return found


def _numbers(inputs: Any) -> Any:
    """As `argnums`: a number for a tensor that stands alone."""
    return tuple(range(len(inputs))) if isinstance(inputs, (list, tuple)) else 0


def _evaluated(name: str, func: Callable[..., Any], inputs: Any) -> Evaluated:
    run = evaluate(name, func, _tuple(name, "input", inputs), {}, _numbers(inputs), False)
    _tuple(name, "output", run.returned)
    return run


def _vectors(name: str, v: Any, likes: list[Tensor]) -> list[Tensor]:
    """The vectors of a product: given, or 1 for a tensor of one element."""
    if v is None:
        if len(likes) != 1 or likes[0].numel() != 1:
            raise RuntimeError(f"{name}: v may be left out only for one tensor of one element")
        return [ones_like(likes[0])]
    found = list(_tuple(name, "v", v))
    if [each.shape for each in found] != [each.shape for each in likes]:
        raise RuntimeError(
            f"{name}: v of shapes {[each.shape for each in found]} for tensors of {[each.shape for each in likes]}"
        )
    return found


def _mode(create_graph: bool) -> Any:
    return set_grad_enabled(create_graph and is_grad_enabled())


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of `func` at the inputs.

    **Arguments:** `strategy`: "reverse-mode", a backward for each element of the output, or "forward-mode", a forward
    for each of the inputs. `vectorize` makes no difference. **Returns** a tensor of shape (output's…, input's…), in a
    tuple for several inputs, and that in a tuple for several outputs. **Raises** TypeError for what is no tensor,
    ValueError for another strategy, RuntimeError with `strict` where an output does not depend on an input.

    >>> import pyautograd as pa
    >>> from pyautograd.autograd.functional import jacobian
    >>> jacobian(lambda x: x ** 2, pa.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f"jacobian: a strategy is reverse-mode or forward-mode, not {strategy!r}")
    with _mode(create_graph):
        run = _evaluated("jacobian", func, inputs)
        found = run.rows("jacobian" if strict else "") if strategy == "reverse-mode" else run.columns()
        return run.jacobian(found)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of `func`, whose output is a tensor of one element.

    **Arguments:** as of `jacobian`. **Returns** a tensor of shape (input's…, input's…); for several inputs a tuple of
    tuples. **Raises** as `jacobian`, and RuntimeError for an output of several elements.

    >>> import pyautograd as pa
    >>> from pyautograd.autograd.functional import hessian
    >>> hessian(lambda x: (x ** 3).sum(), pa.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """

    def gradient(*inner: Tensor) -> Any:
        run = _evaluated("hessian", func, inner)
        if len(run.outputs) != 1 or run.outputs[0].numel() != 1:
            raise RuntimeError("hessian: the function returns one tensor of one element")
        found = [each.reshape(x.shape) for each, x in zip(run.rows("hessian" if strict else "")[0], inner, strict=True)]
        return tuple(found) if isinstance(inputs, (list, tuple)) else found[0]

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs of `func`, and the product of a vector with its Jacobian.

    **Arguments:** `v`: in the shapes of the outputs; left out for an output of one element. **Returns** both, the
    product in the shapes of the inputs. **Raises** as `jacobian`, and RuntimeError for `v` of other shapes.

    >>> import pyautograd as pa
    >>> from pyautograd.autograd.functional import vjp
    >>> vjp(lambda x: x ** 2, pa.tensor([1.0, 2.0]), pa.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with _mode(create_graph):
        run = _evaluated("vjp", func, inputs)
        found = run.pull(_vectors("vjp", v, run.outputs), "vjp" if strict else "")
        return run.shown(run.returned), run.of_inputs(found)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs of `func`, and the product of its Jacobian with a vector, in forward mode.

    **Arguments:** `v`: in the shapes of the inputs; left out for an input of one element. **Returns** both, the
    product in the shapes of the outputs. **Raises** as `vjp`.

    >>> import pyautograd as pa
    >>> from pyautograd.autograd.functional import jvp
    >>> jvp(lambda x: x ** 2, pa.tensor([1.0, 2.0]), pa.tensor([1.0, 0.0]))
    (tensor([1., 4.]), tensor([2., 0.]))
    """
    with _mode(create_graph):
        run = _evaluated("jvp", func, inputs)
        found = run.push(_vectors("jvp", v, run.inputs), "jvp" if strict else "")
        return run.shown(run.returned), run.of_outputs(found)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output of `func`, a tensor of one element, and its Hessian times a vector.

    **Arguments:** `v`: in the shapes of the inputs; left out for an input of one element. **Returns** both.
    **Raises** as `vjp`, and RuntimeError for an output of several elements.

    >>> import pyautograd as pa
    >>> from pyautograd.autograd.functional import hvp
    >>> hvp(lambda x: (x ** 3).sum(), pa.tensor([1.0, 2.0]), pa.tensor([1.0, 0.0]))
    (tensor(9.), tensor([6., 0.]))
    """
    with _mode(create_graph):
        run = _evaluated("hvp", func, inputs)
        if len(run.outputs) != 1 or run.outputs[0].numel() != 1:
            raise RuntimeError("hvp: the function returns one tensor of one element")
        found = run.hessian_product(_vectors("hvp", v, run.inputs), "hvp" if strict else "")
        return run.shown(run.returned), run.of_inputs(found)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output of `func`, and a vector times its Hessian: `hvp`, a Hessian being symmetric. **Raises** as `hvp`.

    >>> import pyautograd as pa
    >>> from pyautograd.autograd.functional import vhp
    >>> vhp(lambda x: x[0] * x[1], pa.tensor([1.0, 2.0]), pa.tensor([1.0, 0.0]))
    (tensor(2.), tensor([0., 1.]))
    """
    return hvp(func, inputs, v, create_graph, strict)
