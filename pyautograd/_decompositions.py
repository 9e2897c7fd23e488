"""Inverses, determinants and decompositions of matrices as ops: NumPy's LAPACK computes them, and their gradients are
formulas out of differentiable ops, so that there are gradients of gradients. In a compiled step each is a host call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pyautograd import _arguments
from pyautograd import _joins as J
from pyautograd._array_like import as_tensor
from pyautograd._core import Tensor
from pyautograd._creation import eye
from pyautograd._dtype import bool_
from pyautograd._elementwise import where
from pyautograd._grad_mode import is_grad_enabled
from pyautograd._rearrange import diag_embed, tril
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


def matrices(name: str, given: Any, square: bool = False, argument: str = "A", integers: bool = False) -> Tensor:
    """Matrices of floats, or of integers too; TypeError or ValueError for what are none."""
    tensor = _arguments.tensor(name, argument, given)
    if tensor.ndim < 2:
        raise ValueError(f"{name}: {argument} of shape {tensor.shape} is no matrix")
    if not integers or tensor.dtype is bool_:
        _arguments.floats(name, tensor)
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


def _keep(ctx: Any, A: Tensor, found: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Several outputs of one op, kept for `_kept`."""
    ctx.save_for_backward(A)
    ctx.set_materialize_grads(False)  # each output has a backward of its own
    ctx.found = [each.clone() for each in found]
    return found


def _kept(ctx: Any, again: Callable[[Tensor], tuple[Tensor, ...]]) -> Any:
    """The outputs as backward needs them: as they were, or with a history where gradients of gradients are asked
    for."""
    (A,) = ctx.saved_tensors
    return again(A) if is_grad_enabled() and A.requires_grad else ctx.found


class Inv(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        inverse: Tensor = _lapack("inv", np.linalg.inv, A)
        ctx.save_for_backward(inverse)
        return inverse

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        (upstream,) = given
        (inverse,) = ctx.saved_tensors
        return -(inverse.mT @ upstream @ inverse.mT)


class Solve(Function):
    """A X = B for matrices of the same batch."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, B: Tensor) -> Tensor:
        solution: Tensor = _lapack("solve", np.linalg.solve, A, B)
        ctx.save_for_backward(A, solution)
        return solution

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        (upstream,) = given
        A, solution = ctx.saved_tensors
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
        return found

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        (upstream,) = given
        A, X = ctx.saved_tensors
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
        determinant: Tensor = _lapack("det", np.linalg.det, A)
        ctx.save_for_backward(A, determinant)
        return determinant

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        (upstream,) = given
        A, determinant = ctx.saved_tensors
        has_history = is_grad_enabled() and A.requires_grad
        return _spread(upstream) * (Inv.apply(A).mT * _spread(determinant) if has_history else _cofactors(A))


def _spread(numbers: Tensor) -> Tensor:
    """A number for each matrix, to multiply it with."""
    return numbers[..., None, None]


class SLogDet(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(A)
        ctx.set_materialize_grads(False)
        return _lapack("slogdet", lambda array: tuple(np.linalg.slogdet(array)), A)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        upstream = given[1]  # the sign has no gradient
        return None if upstream is None else _spread(upstream) * Inv.apply(ctx.saved_tensors[0]).mT


class Cholesky(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        factor: Tensor = _lapack("cholesky", np.linalg.cholesky, A)
        ctx.save_for_backward(factor)
        return factor

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        (upstream,) = given
        (factor,) = ctx.saved_tensors
        lower = tril(factor.mT @ upstream)
        inner = (lower + tril(lower, -1).mT) * 0.5
        inverse = Inv.apply(factor)
        return inverse.mT @ inner @ inverse


def _gaps(numbers: Tensor) -> Tensor:
    """1 / (x_j - x_i) at i, j, and 0 on the diagonal. Where two are equal, what depends on their directions has no
    derivative."""
    gaps = numbers[..., None, :] - numbers[..., None]
    distances: Tensor = where(eye(numbers.shape[-1], dtype=bool_), float("inf"), gaps)
    return 1 / distances


def _turned(x: Tensor) -> Any:
    return x - x.mT


class Eigh(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, UPLO: Any) -> tuple[Tensor, ...]:
        ctx.triangle = UPLO
        return _keep(ctx, A, _lapack("eigh", lambda array: tuple(np.linalg.eigh(array, UPLO)), A))

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        to_values, to_vectors = given
        values, vectors = _kept(ctx, lambda A: Eigh.apply(A, ctx.triangle))
        inner = diag_embed(to_values) if to_vectors is None else _turned(vectors.mT @ to_vectors) * _gaps(values) * 0.5
        return vectors @ inner @ vectors.mT, None


class SVD(Function):
    """With `full` all of U and Vh; what they have beyond the smaller ones is arbitrary, and has no gradient."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, full: bool) -> tuple[Tensor, ...]:
        ctx.full = full
        return _keep(ctx, A, _lapack("svd", lambda array: tuple(np.linalg.svd(array, full_matrices=full)), A))

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        left, sizes, right = _kept(ctx, lambda A: SVD.apply(A, ctx.full))
        to_left, to_sizes, to_right = given
        k = sizes.shape[-1]
        if ctx.full:
            left, right = left[..., :k], right[..., :k, :]
            to_left = None if to_left is None else to_left[..., :k]
            to_right = None if to_right is None else to_right[..., :k, :]
        if to_sizes is not None:
            return left @ diag_embed(to_sizes) @ right, None
        gaps, rows, columns = _gaps(sizes * sizes), left.shape[-2], right.shape[-1]
        if to_left is not None:
            found = left @ (_turned(left.mT @ to_left) * gaps * sizes[..., None, :]) @ right
            if rows > columns:
                outside = to_left / sizes[..., None, :]
                found = found + (outside - left @ (left.mT @ outside)) @ right
        else:
            found = left @ (sizes[..., None] * (_turned(right @ to_right.mT) * gaps)) @ right
            if columns > rows:
                outside = to_right / sizes[..., None]
                found = found + left @ (outside - (outside @ right.mT) @ right)
        return found, None


class QR(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, mode: Any) -> tuple[Tensor, ...]:
        return _keep(ctx, A, _lapack("qr", lambda array: tuple(np.linalg.qr(array, mode=mode)), A))

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        to_q, to_r = given
        Q, R = _kept(ctx, lambda A: QR.apply(A, "reduced"))
        inner = -(to_q.mT @ Q) if to_r is None else R @ to_r.mT
        symmetric = Q @ (tril(inner) + tril(inner, -1).mT)
        return Solve.apply(R, (symmetric if to_q is None else to_q + symmetric).mT).mT, None


def _exponential(array: Any) -> Any:
    """The Taylor series of matrices that are halved until it converges in 18 terms, squared as often."""
    size = np.abs(array).sum(-2).max(initial=0)
    halvings = max(0, int(np.ceil(np.log2(size / 0.5)))) if 0.5 < size < np.inf else 0
    scaled = array / 2.0**halvings
    identity = found = np.eye(array.shape[-1], dtype=array.dtype)
    for term in range(18, 0, -1):
        found = identity + scaled @ found / term
    for _ in range(halvings):
        found = found @ found
    return found


class MatrixExp(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        ctx.save_for_backward(A)
        return _lapack("matrix_exp", _exponential, A)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        (upstream,), (A,) = given, ctx.saved_tensors
        n = A.shape[-1]  # the derivative stands beside the exponentials of a triangle of blocks
        rows = J.cat([A.mT, upstream], -1), J.cat([upstream * 0, A.mT], -1)
        return MatrixExp.apply(J.cat(rows, -2))[..., :n, n:]
