"""Layers that are one op with parameters: Linear, Bilinear, Identity, Flatten, Unflatten."""

from __future__ import annotations

import math
from typing import Any

from pyautograd import _ops
from pyautograd._arguments import named
from pyautograd._core import apply
from pyautograd._creation import empty
from pyautograd._shape import flatten, unflatten
from pyautograd._tensor import Parameter, Tensor
from pyautograd.nn import init
from pyautograd.nn._module import Module

__all__ = ["Bilinear", "Flatten", "Identity", "Linear", "Unflatten"]

_linear = _ops.linear


class Linear(Module):
    """`y = x weight^T + bias`: x of shape (..., in_features) to (..., out_features).

    `weight` has shape (out_features, in_features), `bias` (out_features,); both start uniform in ±1 /
    sqrt(in_features), as in PyTorch. `dtype` is float32 unless given. **Raises** ValueError for a negative size; when
    called, for a last axis of another size.

    >>> import pyautograd as pa
    >>> tuple(pa.nn.Linear(4, 2)(pa.zeros(3, 4)).shape)
    (3, 2)
    """

    weight: Parameter
    bias: Parameter | None

    @named
    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        if in_features < 0 or out_features < 0:
            raise ValueError(f"Linear: sizes must not be negative, got {in_features} and {out_features}")
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype, device=device))
        self.bias = Parameter(empty(out_features, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight, then bias, anew.

        >>> import pyautograd as pa
        >>> layer = pa.nn.Linear(4, 2)
        >>> layer.reset_parameters()
        >>> bool((layer.weight.abs() <= 0.5).all())
        True
        """
        bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        bias = self.bias
        if bias is None:
            return apply(_linear, input, self.weight)
        return apply(_linear, input, self.weight, bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """y_k = x1^T weight_k x2 + bias_k: x1 of shape (..., in1_features) and x2 (..., in2_features) to (...,
    out_features).

    `weight` has shape (out_features, in1_features, in2_features), `bias` (out_features,); both start uniform in ±1 /
    sqrt(in1_features), as in PyTorch. `dtype` is float32 unless given. **Raises** ValueError for in1_features below 1
    and for a negative size; when called, for shapes that do not fit.

    >>> import pyautograd as pa
    >>> tuple(pa.nn.Bilinear(4, 3, 2)(pa.zeros(5, 4), pa.zeros(5, 3)).shape)
    (5, 2)
    """

    weight: Parameter
    bias: Parameter | None

    @named
    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = (out_features, in1_features, in2_features)
        if min(sizes) < 0 or in1_features == 0:
            raise ValueError(f"Bilinear: sizes {in1_features}, {in2_features} and {out_features}")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(empty(*sizes, dtype=dtype, device=device))
        self.bias = Parameter(empty(out_features, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight, then bias, anew.

        >>> import pyautograd as pa
        >>> layer = pa.nn.Bilinear(4, 3, 2)
        >>> layer.reset_parameters()
        >>> bool((layer.weight.abs() <= 0.5).all())
        True
        """
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        from pyautograd.nn.functional import bilinear

        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Identity(Module):
    """Gives back its input; takes and ignores any arguments when made, and raises nothing.

    >>> import pyautograd as pa
    >>> pa.nn.Identity()(pa.tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Flatten(Module):
    """Makes one axis of the axes from `start_dim` to `end_dim`: (N, ...) to (N, the product) by default.

    **Raises**, when called, IndexError for an axis out of range, ValueError where `start_dim` comes after `end_dim`.

    >>> import pyautograd as pa
    >>> tuple(pa.nn.Flatten()(pa.zeros(5, 8, 8)).shape)
    (5, 64)
    """

    @named
    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes several axes of one, as `unflatten`. **Raises**, when called, ValueError for sizes that do not fit.

    >>> import pyautograd as pa
    >>> tuple(pa.nn.Unflatten(1, (8, 8))(pa.zeros(5, 64)).shape)
    (5, 8, 8)
    """

    @named
    def __init__(self, dim: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
