"""What the parameters of an estimator may be; as scikit-learn has it, they are looked at when it is fitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import InvalidParameterError

from pyautograd.nn._module import Module
from pyautograd.sklearn._network import ACTIVATIONS, NORMS

STOCHASTIC = ("sgd", "adam", "adamw")
Check = tuple[Callable[[Any], bool], str]


def _number(least: float, below: float = math.inf, kind: Any = Real, open_at: bool = False) -> Check:
    words = f"{'an int' if kind is Integral else 'a number'} {'above' if open_at else 'of at least'} {least:g}"
    return (
        lambda v: (
            isinstance(v, kind) and not isinstance(v, bool) and least <= v < below and not (open_at and v == least)
        ),
        words if below == math.inf else f"{words} and below {below:g}",
    )


def _among(names: Iterable[str], and_callables: bool = False) -> Check:
    names = tuple(names)
    return (
        lambda v: (isinstance(v, str) and v in names) or (and_callables and callable(v)),
        ", ".join(map(repr, names)) + " or a callable" * and_callables,
    )


def _or(other: Any, check: Check) -> Check:
    return lambda v: v is other or v == other if isinstance(v, type(other)) else check[0](v), f"{other!r} or {check[1]}"


_BOOL: Check = (lambda v: isinstance(v, bool) or type(v).__name__ == "bool_" or v in (0, 1), "a bool")

CHECKS: dict[str, Check] = {
    "solver": _among(("lbfgs", *STOCHASTIC), and_callables=True),
    "alpha": _number(0),
    "batch_size": _or("auto", _number(1, kind=Integral)),
    "learning_rate": _among(("constant", "invscaling", "adaptive", "cosine"), and_callables=True),
    "learning_rate_init": _number(0, open_at=True),
    "power_t": _number(0),
    "max_iter": _number(1, kind=Integral),
    "shuffle": _BOOL,
    "tol": _number(0),
    "verbose": (lambda v: isinstance(v, Integral) and int(v) >= 0, "a bool or an int of at least 0"),
    "warm_start": _BOOL,
    "momentum": (lambda v: isinstance(v, Real) and 0 <= float(v) <= 1, "a number between 0 and 1"),
    "nesterovs_momentum": _BOOL,
    "early_stopping": _BOOL,
    "validation_fraction": _number(0, 1),
    "beta_1": _number(0, 1),
    "beta_2": _number(0, 1),
    "epsilon": _number(0, open_at=True),
    "n_iter_no_change": _or(math.inf, _number(1, kind=Integral)),
    "max_fun": _number(1, kind=Integral),
    "class_weight": (
        lambda v: v is None or isinstance(v, (dict, list)) or v == "balanced",
        "None, 'balanced' or a dict",
    ),
    "dropout": _number(0, 1),
    "norm": _or(None, _among(NORMS)),
    "module": (lambda v: v is None or isinstance(v, Module) or callable(v), "a Module, or a callable that makes one"),
    "dtype": _or(None, _among(("float32", "float64"))),
    "gamma": _number(0),
    "quantile": _number(0, 1, open_at=True),
    "delta": _number(0, open_at=True),
}


def check(estimator: Any, losses: Iterable[str]) -> None:
    """Raises scikit-learn's ValueError for parameters, naming the one that cannot be fitted."""
    wanted = {**CHECKS, "loss": _among(losses, and_callables=True)}
    for name, (is_good, words) in wanted.items():
        value = vars(estimator).get(name)
        if name in vars(estimator) and not is_good(value):
            raise InvalidParameterError(f"{type(estimator).__name__}: {name} must be {words}, not {value!r}")


def hidden_sizes(given: Any) -> list[int]:
    if isinstance(given, str):
        raise ValueError(f"hidden_layer_sizes must be ints, such as (64, 32), not the text {given!r}")
    sizes = list(given) if hasattr(given, "__iter__") else [given]
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def layer_activations(given: Any, count: int) -> list[Any]:
    """The activation of each hidden layer: one for all of them, or a list."""
    each = list(given) if isinstance(given, (list, tuple)) else [given] * count
    if len(each) != count:
        raise ValueError(f"activation: {len(each)} activations for {count} hidden layers")
    for activation in each:
        if not (activation in ACTIVATIONS if isinstance(activation, str) else callable(activation)):
            names = ", ".join(map(repr, ACTIVATIONS))
            raise ValueError(
                f"activation must be {names}, a Module or a function, or a list of them, not {activation!r}"
            )
    return each
