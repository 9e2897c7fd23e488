"""What an argument must be, in one place: a tensor, an int, a number. TypeErrors name the function and the argument."""

from __future__ import annotations

import builtins
import collections.abc
import functools
import inspect
import operator
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pyautograd import _ops
from pyautograd._array_like import as_tensor
from pyautograd._core import Tensor, apply

F = TypeVar("F", bound=Callable[..., Any])


def wrong(function: str, argument: str, wanted: str, given: object) -> TypeError:
    """The TypeError for an argument of the wrong kind."""
    return TypeError(f"{function}: {argument} must be {wanted}, not {type(given).__name__}")


def did_you_mean(name: str, known: collections.abc.Iterable[str]) -> str:
    """Words on the name that is nearest to one that nobody knows, if one is near."""
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def tensor(function: str, argument: str, given: Any) -> Tensor:
    """A tensor as it is, an ndarray as a tensor over it; TypeError for anything else."""
    if isinstance(given, Tensor):
        return given
    if isinstance(given, np.ndarray):
        return as_tensor(given)
    raise wrong(function, argument, "a Tensor", given)


def floats(function: str, given: Tensor, argument: str = "") -> Tensor:
    """A tensor of floats as it is; TypeError for one of integers or bools."""
    if given.dtype.is_floating_point:
        return given
    what = f"{argument} must be" if argument else "takes"
    raise TypeError(f"{function}: {what} float32 or float64, not {given.dtype.name} (of shape {given.shape})")


def integer(function: str, argument: str, given: Any) -> int:
    """An int, also NumPy's or a tensor's; a bool is none."""
    if type(given) is int:
        return given
    if not isinstance(given, bool | np.bool_):
        try:
            return operator.index(given)
        except TypeError:
            pass
    raise wrong(function, argument, "an int", given)


def number(function: str, argument: str, given: Any) -> float:
    """A float, from whatever Python takes for one, but no text."""
    if type(given) is float:
        return given
    try:
        if not isinstance(given, str | bytes | bytearray):
            return float(given)
    except TypeError:
        pass
    raise wrong(function, argument, "a number", given)


def flag(function: str, argument: str, given: Any) -> bool:
    """A bool, also NumPy's; an int is none, which would hide that an axis was given in its place."""
    if isinstance(given, bool | np.bool_):
        return bool(given)
    raise wrong(function, argument, "a bool", given)


def probability(function: str, given: float) -> None:
    """ValueError for a number outside of [0, 1]."""
    try:
        inside = 0.0 <= given <= 1.0
    except TypeError:
        raise wrong(function, "p", "a number", given) from None
    if not inside:
        raise ValueError(f"{function}: probability has to be between 0 and 1, but got {given}")


# As in pa_check (csrc/kernels/ops.h)
_CHECKED = (
    "cross_entropy", "nll_loss", "one_hot", "gather", "index_select", "index", "binary_cross_entropy: input",
    "binary_cross_entropy: target", "quantile: q", "bernoulli: probabilities", "multinomial",
    "gaussian_nll_loss: var", "normal: std", "multilabel_margin_loss",
)  # fmt: skip
_NOTHING_IGNORED = -(2**63)


def within(what: str, data: Tensor, end: int, ignored: int | None = None, low: int = 0) -> None:
    """IndexError unless int64 elements are in [low, end) or `ignored`; ValueError unless floats are in [low, end].

    The check is an op: a compiled step makes it again at each call.
    """
    apply(_ops.check, data, (_CHECKED.index(what), low, end, _NOTHING_IGNORED if ignored is None else ignored))


def named(function: F) -> F:
    """Let a function take NumPy's `axis` and `keepdims` for its `dim` and `keepdim`, and say which argument was wrong.

    An AttributeError or a TypeError out of the function is looked into: where an argument is not what the annotations
    say, it is a TypeError that names function and argument. As long as nothing is raised, nothing is looked at.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **keywords: Any) -> Any:
        if keywords:
            _rename(function, keywords)
        try:
            return function(*args, **keywords)
        except (AttributeError, TypeError) as error:
            raise blamed(function, args, keywords, error) from None

    return wrapped  # type: ignore[return-value]


def _rename(function: Any, keywords: dict[str, Any]) -> None:
    """NumPy's names for axes become PyTorch's, and its old words for the reduction of a loss today's; TypeError when an
    axis has both names."""
    for given, name in (("axis", "dim"), ("keepdims", "keepdim")):
        if given in keywords:
            if name in keywords:
                raise TypeError(f"{function.__name__}: {name} and {given} are the same thing; give one of them")
            keywords[name] = keywords.pop(given)
    if "reduction" in function.__annotations__ and ("size_average" in keywords or "reduce" in keywords):
        old = keywords.pop("size_average", None), keywords.pop("reduce", None)
        keywords["reduction"] = reduction_of(*old, keywords.get("reduction", "mean"))


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """What PyTorch's old arguments of losses say in today's word."""
    if size_average is None and reduce is None:
        return reduction
    return "none" if reduce is not None and not reduce else "mean" if size_average is not False else "sum"


def blamed(function: Any, args: tuple[Any, ...], keywords: dict[str, Any], error: Exception) -> Exception:
    """The TypeError for the first argument that is not what its annotation says; the error itself if there is none."""
    name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
    if (name.startswith("_") and function.__name__ == "__init__") or name == "forward":
        # of a base that several public classes share, or of a layer that is called
        name = type(args[0]).__name__
    own = type(args[0]).__name__ if args and function.__name__ == "__init__" else name
    if str(error).startswith((f"{name}: ", f"{own}: ")):
        return error
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **keywords).arguments
    except TypeError as unbound:
        return TypeError(f"{name}: {unbound}")
    for argument, hint in _hints(function).items():
        if argument in given:
            variadic = signature.parameters[argument].kind is inspect.Parameter.VAR_POSITIONAL
            values: Any = given[argument] if variadic else (given[argument],)
            for value in values:
                if not fits(value, hint):
                    return wrong(name, argument, _words(hint), value)
    return error


def _hints(function: Any) -> dict[str, Any]:
    """The annotations as types; those that only a type checker knows are left out."""
    names = vars(typing) | vars(collections.abc) | vars(builtins) | function.__globals__
    found = {}
    for argument, text in function.__annotations__.items():
        try:
            found[argument] = eval(text, names) if isinstance(text, str) else text
        except (NameError, TypeError, AttributeError):
            continue
    return found


def fits(value: Any, hint: Any) -> bool:
    """Is a value what an annotation says? Where that cannot be told: yes."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if origin is tuple:
        return isinstance(value, tuple)
    if origin is not None and isinstance(origin, type):
        if not isinstance(value, origin):
            return False
        listed = isinstance(value, list | tuple) and len(inner) == 1
        items: Any = value if listed else ()
        return all(fits(item, inner[0]) for item in items)
    if hint is None or hint is type(None):
        return value is None
    if hint is float:
        return hasattr(type(value), "__float__")
    if hint in (int, typing.SupportsIndex):
        return hasattr(type(value), "__index__")
    if hint in (Any, bool):
        return True  # whatever has a truth value is a bool
    return isinstance(value, hint) if isinstance(hint, type) else True


def _words(hint: Any) -> str:
    """An annotation as a message has it."""
    plain: dict[Any, str] = {
        int: "an int",
        typing.SupportsIndex: "an int",
        float: "a number",
        str: "a str",
        type(None): "None",
    }
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(each) for each in inner))
    if hint in plain:
        return plain[hint]
    if origin is not None and isinstance(origin, type):
        of = (
            f" of {inner[0].__name__}s"
            if len(inner) == 1 and isinstance(inner[0], type) and inner[0] is not Any
            else ""
        )
        return (
            "callable"
            if origin.__name__ == "Callable"
            else f"a{'n' * (origin.__name__[0] in 'AEIO')} {origin.__name__}{of}"
        )
    kind = str(getattr(hint, "__name__", hint))
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
