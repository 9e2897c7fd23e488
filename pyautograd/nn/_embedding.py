"""Embedding: a table of vectors, looked up by integers."""

from __future__ import annotations

from typing import Any

from pyautograd import _arguments
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
    other dtypes. `max_norm`, `scale_grad_by_freq` and `sparse` raise NotImplementedError.

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
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if max_norm is not None:
            raise NotImplementedError("Embedding: max_norm is not there; renormalise the rows of .weight.data yourself")
        if scale_grad_by_freq or sparse:
            raise NotImplementedError("Embedding: gradients are dense sums; leave scale_grad_by_freq and sparse out")
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(f"Embedding: padding_idx {padding_idx} is not one of {num_embeddings} rows")
            padding_idx %= num_embeddings
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        if _weight is not None:
            if _weight.shape != (num_embeddings, embedding_dim):
                raise ValueError(f"Embedding: weights of shape {_weight.shape}, not {(num_embeddings, embedding_dim)}")
            self.weight = Parameter(_weight, requires_grad=not _freeze)
            return
        self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
        self.weight.requires_grad_(not _freeze)
        self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None, **keywords: Any
    ) -> Embedding:
        """A layer over rows that are there, of shape (num_embeddings, embedding_dim), with no gradient if `freeze`.

        **Raises** ValueError for a tensor without two axes, and as the class.

        >>> import pyautograd as pa
        >>> table = pa.nn.Embedding.from_pretrained(pa.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> table(pa.tensor([1])), table.weight.requires_grad
        (tensor([[3., 4.]]), False)
        """
        embeddings = _arguments.tensor("from_pretrained", "embeddings", embeddings)
        if embeddings.ndim != 2:
            raise ValueError(f"from_pretrained: embeddings have two axes; the shape is {embeddings.shape}")
        rows, width = embeddings.shape
        return cls(rows, width, padding_idx, _weight=embeddings, _freeze=freeze, **keywords)

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
