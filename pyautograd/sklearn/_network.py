"""Modules for estimators: made of layer sizes or of a module of the user's own, with what goes from their outputs to
predictions."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pyautograd import nn
from pyautograd._array_like import as_tensor
from pyautograd._grad_mode import no_grad
from pyautograd._tensor import Tensor
from pyautograd.nn import functional as F
from pyautograd.nn._mlp import _ACTIVATIONS

ACTIVATIONS: dict[str, type[nn.Module]] = {"logistic": nn.Sigmoid, **_ACTIVATIONS}
NORMS: dict[str, Callable[..., nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}

# From raw outputs to predictions, by scikit-learn's names of output activations.
LINKS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda output: output,
    "exp": lambda output: output.exp(),
    "logistic": lambda output: output.sigmoid(),
    "softmax": lambda output: F.softmax(output, dim=1),
}


class _Function(nn.Module):
    """An activation that is a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input)


def activation_module(activation: Any) -> nn.Module:
    if isinstance(activation, str):
        return ACTIVATIONS[activation]()
    if isinstance(activation, type):
        return activation()  # type: ignore[no-any-return]
    return copy.deepcopy(activation) if isinstance(activation, nn.Module) else _Function(activation)


def of_sizes(
    sizes: Sequence[int], activations: Sequence[Any], norm: str | None, dropout: float, random: Any, dtype: Any
) -> nn.Module:
    """Linear layers, behind each but the last a norm, an activation and dropout; weights as Glorot's, drawn from
    `random` in scikit-learn's order."""
    parts: list[nn.Module] = []
    behind = [*activations, None]
    for (fan_in, fan_out), activation, drawn_for in zip(
        pairwise(sizes), behind, [*activations, *activations[-1:], None]
    ):
        layer = nn.Linear(fan_in, fan_out, dtype=dtype)
        bound = np.sqrt((2.0 if isinstance(drawn_for, str) and drawn_for == "logistic" else 6.0) / (fan_in + fan_out))
        weight, bias = random.uniform(-bound, bound, (fan_in, fan_out)), random.uniform(-bound, bound, fan_out)
        put_weights([layer], [weight], [bias])
        parts.append(layer)
        if activation is not None:
            parts += [] if norm is None else [NORMS[norm](fan_out, dtype=dtype)]
            parts.append(activation_module(activation).to(dtype))
            parts += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*parts)


def of_module(module: Any, n_features: int, n_outputs: int, dtype: Any) -> nn.Module:
    """A copy of a user's module, or what a factory makes for that many features and outputs."""
    if isinstance(module, nn.Module):
        return copy.deepcopy(module).to(dtype)
    try:
        inspect.signature(module).bind(n_features, n_outputs)
    except ValueError:  # of C's own, which has no signature
        pass
    except TypeError:
        write = "lambda features, outputs: ..."
        raise TypeError(f"module: a factory is given the numbers of features and outputs: module={write}") from None
    made = module(n_features, n_outputs)
    if not isinstance(made, nn.Module):
        raise TypeError(f"module: the factory returned a {type(made).__name__}, not a pyautograd.nn.Module")
    return made.to(dtype)


def outputs_of(module: nn.Module, n_features: int, dtype: Any) -> int:
    """How many outputs a row has."""
    module.eval()
    with no_grad():
        return int(rows_of(module(as_tensor(np.zeros((2, n_features), dtype)))).shape[1])


def rows_of(output: Tensor) -> Tensor:
    """Outputs as (n, k)."""
    if output.ndim == 1:
        return output.unsqueeze(1)
    if output.ndim != 2:
        raise ValueError(f"module: its output has the shape {tuple(output.shape)}; (n, outputs) is wanted")
    return output


def linear_layers(module: nn.Module) -> Iterator[nn.Linear]:
    return (part for part in module.modules() if isinstance(part, nn.Linear))


def put_weights(layers: Sequence[nn.Linear], coefs: Sequence[Any], intercepts: Sequence[Any]) -> None:
    """Sets weights and biases to scikit-learn's `coefs_` and `intercepts_`."""
    if not len(layers) == len(coefs) == len(intercepts):
        raise ValueError(f"coefs_: {len(layers)} layers, {len(coefs)} coefs_ and {len(intercepts)} intercepts_")
    with no_grad():
        for layer, coef, intercept in zip(layers, coefs, intercepts):
            for name, parameter, given in (("coefs_", layer.weight, coef), ("intercepts_", layer.bias, intercept)):
                array = np.asarray(given).T
                if parameter is None or array.shape != tuple(parameter.shape):
                    wanted = None if parameter is None else tuple(parameter.shape)[::-1]
                    raise ValueError(f"{name}: an array of shape {array.T.shape} for one of shape {wanted}")
                parameter.copy_(as_tensor(np.ascontiguousarray(array, dtype=parameter.dtype.name)))
