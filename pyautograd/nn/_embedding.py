"""Embedding: a table of vectors, looked up by integers."""

from __future__ import annotations

from typing import Any

from pyautograd._arguments import named
from pyautograd._creation import empty
from pyautograd._grad_mode import no_grad
from pyautograd._tensor import Parameter, Tensor
from pyautograd.nn import functional as F
from pyautograd.nn import init
from pyautograd.nn._module import Module

__all__ = ["Embedding"]


class Embedding(Module):
    """Row `i` of `weight`, of shape (num_embeddings, embedding_dim), for each int64 i: (...) to (..., embedding_dim).

    Rows start normal; the row `padding_idx`, if there is one, starts as zeros and gets no gradient. **Raises**
    ValueError for a `padding_idx` that is no row; when called, IndexError for a position out of range, TypeError for
    other dtypes.

    >>> import pyautograd as pa
    >>> tuple(pa.nn.Embedding(10, 4)(pa.tensor([[1, 2, 3]])).shape)
    (1, 3, 4)
    """

    @named
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(f"Embedding: padding_idx {padding_idx} is not one of {num_embeddings} rows")
            padding_idx %= num_embeddings
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the rows anew.

        >>> import pyautograd as pa
        >>> table = pa.nn.Embedding(3, 2, padding_idx=0)
        >>> table.reset_parameters()
        >>> table.weight[0].tolist()
        [0.0, 0.0]
        """
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
