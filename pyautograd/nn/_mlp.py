"""MLP: a multi-layer perceptron on Tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from pyautograd._tensor import Tensor
from pyautograd._value import Value
from pyautograd.nn import _activation, _generated_modules
from pyautograd.nn._container import ModuleList
from pyautograd.nn._dropout import Dropout
from pyautograd.nn._linear import Identity, Linear
from pyautograd.nn._module import Module

__all__ = ["MLP"]

_ACTIVATIONS: dict[str, type[Module]] = {
    "relu": _generated_modules.ReLU,
    "leaky_relu": _generated_modules.LeakyReLU,
    "elu": _generated_modules.ELU,
    "gelu": _activation.GELU,
    "silu": _generated_modules.SiLU,
    "sigmoid": _generated_modules.Sigmoid,
    "tanh": _generated_modules.Tanh,
    "softplus": _activation.Softplus,
    "identity": Identity,
}


class MLP(Module):
    """Linear layers with an activation, and dropout if asked for, between them; the last one stays linear.

    Takes (..., in_features) to (..., sizes[-1]). `activation` is a name (relu, leaky_relu, elu, gelu, silu, sigmoid,
    tanh, softplus, identity), a module or a function. The layers are `mlp.layers`, a ModuleList of Linear. **Raises**
    TypeError for sizes that are no ints, ValueError for an empty list of them or an unknown activation.

    >>> import pyautograd as pa
    >>> model = pa.nn.MLP(2, [16, 16, 1])
    >>> tuple(model(pa.zeros(100, 2)).shape)
    (100, 1)
    >>> sum(p.numel() for p in model.parameters())
    337
    """

    activation: Module | Callable[[Tensor], Tensor]
    dropout: Dropout | None

    def __init__(
        self,
        in_features: int,
        sizes: Sequence[int],
        activation: str | Module | Callable[[Tensor], Tensor] = "relu",
        bias: bool = True,
        dropout: float = 0.0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        try:
            widths = [operator.index(in_features), *(operator.index(size) for size in sizes)]
        except TypeError:
            raise TypeError(
                f"MLP takes the number of inputs and a list of layer sizes, such as MLP(2, [16, 16, 1]); "
                f"got {in_features!r} and {sizes!r}"
            ) from None
        if len(widths) < 2:
            raise ValueError("MLP: the list of layer sizes is empty; its last entry is the number of outputs")
        self.layers = ModuleList(Linear(a, b, bias, device=device, dtype=dtype) for a, b in pairwise(widths))
        if isinstance(activation, str):
            if activation not in _ACTIVATIONS:
                raise ValueError(f"MLP: no activation {activation!r}; there are {', '.join(_ACTIVATIONS)}")
            self.activation = _ACTIVATIONS[activation]()
        elif callable(activation):
            self.activation = activation
        else:
            raise TypeError(f"MLP: activation must be a name, a module or a function, not {type(activation).__name__}")
        self.dropout = Dropout(dropout) if dropout else None

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(_what_to_give(input))
        activation = self.activation
        activate = activation.forward if isinstance(activation, Module) and activation._calls_forward else activation
        dropout = self.dropout
        first = True
        for layer in self.layers._held.values():
            if isinstance(layer, Module):
                if first:
                    first = False
                else:
                    input = activate(input)
                    if dropout is not None:
                        input = dropout(input)
                input = layer.forward(input) if layer._calls_forward else layer(input)
        return input


def _what_to_give(given: Any) -> str:
    numbers = given if isinstance(given, (list, tuple)) else [given]
    if any(isinstance(number, Value) for number in numbers):
        return (
            "this MLP works on Tensors, of shape (..., in_features); for Values, micrograd's MLP is "
            "pyautograd.scalar.MLP"
        )
    if isinstance(given, (list, tuple)):
        return (
            "this MLP works on Tensors, of shape (..., in_features), not on a list: give it pyautograd.tensor(list), "
            "or take pyautograd.scalar.MLP, micrograd's, which works on lists of numbers and Values"
        )
    return (
        f"this MLP works on Tensors, of shape (..., in_features), not {type(given).__name__}; "
        "pyautograd.tensor(array) makes one"
    )
