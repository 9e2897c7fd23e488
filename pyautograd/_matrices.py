"""Functions of matrices that PyTorch has besides `linalg`, by their older names."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyautograd import _arguments, linalg
from pyautograd._arguments import named
from pyautograd._core import Tensor
from pyautograd._creation import eye
from pyautograd._decompositions import QRResult, matrices
from pyautograd._shape import expand

__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "inverse", "logdet", "pinverse", "qr", "svd", "triangular_solve",
]  # fmt: skip


class OldSVD(NamedTuple):
    """What `svd` gives."""

    U: Tensor
    S: Tensor
    V: Tensor


class Solution(NamedTuple):
    """What `triangular_solve` gives."""

    solution: Tensor
    cloned_coefficient: Tensor


def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices. **Raises** as `linalg.inv`, which it is.

    >>> import pyautograd
    >>> pyautograd.inverse(pyautograd.tensor([[2.0]]))
    tensor([[0.5000]])
    """
    return linalg.inv(input)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudoinverse of matrices, singular values below rcond times the largest being 0. **Raises** as
    `linalg.pinv`.

    >>> import pyautograd
    >>> pyautograd.pinverse(pyautograd.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    return linalg.pinv(input, rtol=rcond)


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant of square matrices: nan where that is negative, -inf where it is 0. **Raises**
    as `linalg.slogdet`.

    >>> import pyautograd
    >>> pyautograd.logdet(pyautograd.eye(3))
    tensor(0.)
    """
    sign, logarithm = linalg.slogdet(input)
    return logarithm + sign.log()


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The Cholesky factor of symmetric positive definite matrices. **Raises** as `linalg.cholesky`, which it is.

    >>> import pyautograd
    >>> pyautograd.cholesky(pyautograd.tensor([[4.0]]))
    tensor([[2.]])
    """
    return linalg.cholesky(input, upper=upper)


@named
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """The X of A X = input, given the Cholesky factor L of A, or with `upper` its transpose. **Raises** as
    `linalg.solve`.

    >>> import pyautograd
    >>> pyautograd.cholesky_solve(pyautograd.tensor([[4.0]]), pyautograd.tensor([[2.0]]))
    tensor([[1.]])
    """
    factor = matrices("cholesky_solve", L, square=True, argument="L")
    lower = factor.mT if _arguments.flag("cholesky_solve", "upper", upper) else factor
    half = linalg.solve_triangular(lower, input, upper=False)
    return linalg.solve_triangular(lower.mT, half, upper=True)


@named
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, given its Cholesky factor, or with `upper` the transpose of that. **Raises** as `linalg.solve`.

    >>> import pyautograd
    >>> pyautograd.cholesky_inverse(pyautograd.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    factor = matrices("cholesky_inverse", input, square=True, argument="input")
    return cholesky_solve(expand(eye(factor.shape[-1], dtype=factor.dtype), factor.shape), factor, upper)


@named
def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """The X of A X = input of a triangular A, with a copy of A. **Raises** as `linalg.solve_triangular`.

    >>> import pyautograd
    >>> pyautograd.triangular_solve(pyautograd.tensor([[4.0]]), pyautograd.tensor([[2.0]])).solution
    tensor([[2.]])
    """
    A = matrices("triangular_solve", A, square=True)
    flipped = _arguments.flag("triangular_solve", "transpose", transpose)
    given, is_upper = (A.mT, not upper) if flipped else (A, upper)
    found = linalg.solve_triangular(given, input, upper=is_upper, unitriangular=unitriangular)
    return Solution(found, A.clone())


def qr(input: Tensor, some: bool = True) -> QRResult:
    """input = Q R, the smaller or with some=False the complete matrices. **Raises** as `linalg.qr`.

    >>> import pyautograd
    >>> pyautograd.qr(pyautograd.ones(3, 2)).Q.shape
    (3, 2)
    """
    return linalg.qr(input, "reduced" if _arguments.flag("qr", "some", some) else "complete")


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> OldSVD:
    """input = U diag(S) V^T, the smaller or with some=False the complete matrices; V where `linalg.svd`, whose errors
    it **raises**, gives its transpose. Without compute_uv U and V are zeros.

    >>> import pyautograd
    >>> pyautograd.svd(pyautograd.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.])
    """
    found = linalg.svd(input, not _arguments.flag("svd", "some", some))
    if compute_uv:
        return OldSVD(found.U, found.S, found.Vh.mT)
    n, m = input.shape[-2:]
    return OldSVD(found.U.new_zeros(*input.shape[:-2], n, n), found.S, found.U.new_zeros(*input.shape[:-2], m, m))
