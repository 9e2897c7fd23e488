"""Distances and similarities of vectors, as functions and as modules."""

from __future__ import annotations

import numpy as np

from pyautograd import _arguments, _ops
from pyautograd._arguments import named
from pyautograd._core import apply
from pyautograd._reduce import norm
from pyautograd._tensor import Tensor
from pyautograd.nn._module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


@named
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """The vectors along an axis divided by their p-norms, or by `eps` where those are less; in the input's shape.

    **Raises** TypeError for integers, IndexError for an axis that is not there.

    >>> import pyautograd as pa
    >>> pa.nn.functional.normalize(pa.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return apply(_ops.div, input, norm(input, p, dim, True).clamp(min=eps))


@named
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between two vectors along an axis, of shapes that broadcast; norms are at least `eps`.

    **Raises** TypeError for integers, ValueError where they do not broadcast, IndexError for an axis that is not there.

    >>> import pyautograd as pa
    >>> pa.nn.functional.cosine_similarity(pa.tensor([1.0, 0.0]), pa.tensor([1.0, 1.0]), dim=0)
    tensor(0.7071)
    """
    shape = apply(_ops.add, x1, x2).shape
    product = apply(_ops.mul, *(normalize(each.expand(shape), 2, dim, eps) for each in (x1, x2)))
    return product.sum(_arguments.integer("cosine_similarity", "dim", dim))


@named
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm along the last axis of x1 - x2 + `eps`, of shapes that broadcast.

    **Raises** TypeError for integers, ValueError where they do not broadcast.

    >>> import pyautograd as pa
    >>> pa.nn.functional.pairwise_distance(pa.zeros(1, 2), pa.tensor([[3.0, 4.0]]))
    tensor([5.0000])
    """
    return norm(x1 - x2 + eps, _arguments.number("pairwise_distance", "p", p), -1, keepdim)


@named
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of every two rows of (n, m), of the first and the second first: n (n - 1) / 2.

    **Raises** ValueError for what is no matrix, TypeError for integers.

    >>> import pyautograd as pa
    >>> pa.nn.functional.pdist(pa.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    if input.ndim != 2:
        raise ValueError(f"pdist: a tensor of shape {input.shape} is no matrix")
    one, other = np.triu_indices(input.shape[0], 1)
    return norm(input[one] - input[other], _arguments.number("pdist", "p", p), -1)


class CosineSimilarity(Module):
    """`functional.cosine_similarity` of two tensors along an axis; **raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.CosineSimilarity(dim=0)(pa.ones(2), pa.ones(2))
    tensor(1.0000)
    """

    @named
    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """`functional.pairwise_distance` of two tensors; **raises**, when called, as that.

    >>> import pyautograd as pa
    >>> pa.nn.PairwiseDistance()(pa.zeros(1, 2), pa.tensor([[3.0, 4.0]]))
    tensor([5.0000])
    """

    @named
    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
