"""Inverses, determinants and decompositions of matrices as ops: NumPy's LAPACK computes them, and their gradients are
formulas out of differentiable ops, so that there are gradients of gradients. In a compiled step each is a host call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pyautograd import _arguments
from pyautograd import _shape as S
from pyautograd._array_like import as_tensor
from pyautograd._core import Tensor
from pyautograd._elementwise import where
from pyautograd._grad_mode import is_grad_enabled
from pyautograd._rearrange import diag_embed
from pyautograd.autograd import Function


class LinAlgError(RuntimeError):
    """What a matrix does not allow: the inverse of a singular one, the Cholesky factor of one that is not positive.

    >>> import pyautograd
    >>> pyautograd.linalg.inv(pyautograd.zeros(2, 2))
    Traceback (most recent call last):
    pyautograd.linalg.LinAlgError: inv: Singular matrix
    """

    __module__ = "pyautograd.linalg"


class SLogDetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Tensor
    logabsdet: Tensor


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Tensor
    R: Tensor


class LstSqResult(NamedTuple):
    """What `lstsq` gives."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def matrices(name: str, given: Any, square: bool = False, argument: str = "A") -> Tensor:
    """Matrices of floats; TypeError or ValueError for what are none."""
    tensor = _arguments.tensor(name, argument, given)
    if tensor.ndim < 2:
        raise ValueError(f"{name}: {argument} of shape {tensor.shape} is no matrix")
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"{name}: takes float32 or float64, not {tensor.dtype.name} (of shape {tensor.shape})")
    if square and tensor.shape[-1] != tensor.shape[-2]:
        raise ValueError(f"{name}: {argument} of shape {tensor.shape} is not square")
    return tensor


def _lapack(name: str, function: Callable[..., Any], *tensors: Tensor, **options: Any) -> Any:
    """A function of NumPy's over tensors: a tensor, or a tuple of them."""
    try:
        found = function(*(np.asarray(each) for each in tensors), **options)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{name}: {error}") from None
    dtype = tensors[0].dtype.numpy
    if isinstance(found, tuple):
        return tuple([as_tensor(np.asarray(each, dtype, order="C")) for each in found])
    return as_tensor(np.asarray(found, dtype, order="C"))


def _current(function: Callable[..., Any], saved: Any, *inputs: Tensor) -> Any:
    """A result as backward needs it: as it was saved, or with a history where gradients of gradients are asked for."""
    return function(*inputs) if is_grad_enabled() and any(each.requires_grad for each in inputs) else saved


class Inv(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        inverse: Tensor = _lapack("inv", np.linalg.inv, A)
        ctx.save_for_backward(A, inverse)
        return inverse

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        (upstream,) = given
        A, saved = ctx.saved_tensors
        inverse = _current(Inv.apply, saved, A).mT
        return -(inverse @ upstream @ inverse)


class Solve(Function):
    """A X = B for matrices of the same batch."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, B: Tensor) -> Tensor:
        solution: Tensor = _lapack("solve", np.linalg.solve, A, B)
        ctx.save_for_backward(A, B, solution)
        return solution

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        (upstream,) = given
        A, B, saved = ctx.saved_tensors
        solution = _current(Solve.apply, saved, A, B)
        to_b = Solve.apply(A.mT, upstream)
        return -(to_b @ solution.mT), to_b


class Pinv(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, atol: float, rtol: float) -> Tensor:
        def inverse(array: Any) -> Any:
            left, sizes, right = np.linalg.svd(array, full_matrices=False)
            least = np.maximum(atol, rtol * sizes.max(-1, keepdims=True, initial=0))
            kept = sizes > least
            factors = np.where(kept, 1 / np.where(kept, sizes, 1), 0)
            return np.swapaxes(right, -1, -2) @ (factors[..., None] * np.swapaxes(left, -1, -2))

        found: Tensor = _lapack("pinv", inverse, A)
        ctx.save_for_backward(A, found)
        ctx.tolerances = atol, rtol
        return found

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        (upstream,) = given
        A, saved = ctx.saved_tensors
        X = _current(lambda a: Pinv.apply(a, *ctx.tolerances), saved, A)
        G = upstream.mT
        outside = G @ X @ X.mT - A @ (X @ (G @ X @ X.mT))
        inside = X.mT @ X @ G
        return outside + inside - (inside @ X) @ A - X.mT @ upstream @ X.mT, None, None


def _cofactors(A: Tensor) -> Any:
    """The derivatives of determinants, of singular matrices too."""

    def formula(array: Any) -> Any:
        left, sizes, right = np.linalg.svd(array)
        n = sizes.shape[-1]
        others = np.where(np.eye(n, dtype=bool), 1, sizes[..., None, :]).prod(-1)
        sign = np.linalg.det(left) * np.linalg.det(right)
        return sign[..., None, None] * ((left * others[..., None, :]) @ right)

    return _lapack("det", formula, A)


class Det(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        ctx.save_for_backward(A)
        return _lapack("det", np.linalg.det, A)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        (upstream,) = given
        (A,) = ctx.saved_tensors
        cofactors = _current(lambda a: Inv.apply(a).mT * _spread(Det.apply(a)), None, A)
        return _spread(upstream) * (_cofactors(A) if cofactors is None else cofactors)


def _spread(numbers: Tensor) -> Tensor:
    """A number for each matrix, to multiply it with."""
    return numbers[..., None, None]


class SLogDet(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(A)
        return _lapack("slogdet", lambda array: tuple(np.linalg.slogdet(array)), A)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        upstream = given[1]
        return _spread(upstream) * Inv.apply(ctx.saved_tensors[0]).mT


class Cholesky(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        factor: Tensor = _lapack("cholesky", np.linalg.cholesky, A)
        ctx.save_for_backward(A, factor)
        return factor

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        (upstream,) = given
        A, saved = ctx.saved_tensors
        factor = _current(Cholesky.apply, saved, A)
        lower = S.tril(factor.mT @ upstream)
        inner = (lower + S.tril(lower, -1).mT) * 0.5
        inverse = Inv.apply(factor)
        return inverse.mT @ inner @ inverse


def _gaps(numbers: Tensor) -> Tensor:
    """1 / (x_j - x_i) at i, j, and 0 where they are equal, as on the diagonal: what depends on directions that equal
    numbers leave open has no derivative, and for all else the term is 0."""
    gaps = numbers[..., None, :] - numbers[..., None]
    return where(gaps == 0, 0.0, 1 / where(gaps == 0, 1.0, gaps))


class Eigh(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, UPLO: Any) -> tuple[Tensor, Tensor]:
        values, vectors = _lapack("eigh", lambda array: tuple(np.linalg.eigh(array, UPLO)), A)
        ctx.save_for_backward(A, values, vectors)
        ctx.triangle = UPLO
        return values, vectors

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        to_values, to_vectors = given
        A, *saved = ctx.saved_tensors
        values, vectors = _current(lambda a: Eigh.apply(a, ctx.triangle), saved, A)
        inner = diag_embed(to_values) + (vectors.mT @ to_vectors) * _gaps(values)
        return vectors @ inner @ vectors.mT, None


class SVD(Function):
    """With `full` all of U and Vh; what they have beyond the smaller ones is arbitrary, and has no gradient."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
        found = _lapack("svd", lambda array: tuple(np.linalg.svd(array, full_matrices=full)), A)
        ctx.save_for_backward(A, *found)
        ctx.full = full
        return found  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        A, *saved = ctx.saved_tensors
        left, sizes, right = _current(lambda a: SVD.apply(a, ctx.full), saved, A)
        to_left, to_sizes, to_right = given
        k = sizes.shape[-1]
        if ctx.full:
            left, right, to_left, to_right = left[..., :k], right[..., :k, :], to_left[..., :k], to_right[..., :k, :]
        gaps = _gaps(sizes * sizes)
        turned_left, turned_right = left.mT @ to_left, right @ to_right.mT
        inner = diag_embed(to_sizes) + (turned_left - turned_left.mT) * gaps * sizes[..., None, :]
        inner = inner + sizes[..., None] * ((turned_right - turned_right.mT) * gaps)
        found: Tensor = left @ inner @ right
        rows, columns = A.shape[-2:]
        if rows > columns:
            outside = to_left / sizes[..., None, :]
            found = found + (outside - left @ (left.mT @ outside)) @ right
        elif columns > rows:
            outside = to_right / sizes[..., None]
            found = found + left @ (outside - (outside @ right.mT) @ right)
        return found, None


class QR(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, mode: Any) -> tuple[Tensor, Tensor]:
        found = _lapack("qr", lambda array: tuple(np.linalg.qr(array, mode=mode)), A)
        ctx.save_for_backward(A, *found)
        return found  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        to_q, to_r = given
        A, *saved = ctx.saved_tensors
        Q, R = _current(lambda a: QR.apply(a, "reduced"), saved, A)
        inner = R @ to_r.mT - to_q.mT @ Q
        symmetric = S.tril(inner) + S.tril(inner, -1).mT
        return Solve.apply(R, (to_q + Q @ symmetric).mT).mT, None
