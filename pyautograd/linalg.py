"""Inverses, determinants, decompositions and norms of matrices, with the names of `torch.linalg`.

Matrices (..., n, m) may stand behind any number of batch axes. NumPy's LAPACK computes; gradients are formulas out of
differentiable ops, so that there are gradients of gradients. In a compiled step a function is a host call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from pyautograd import _arguments, _dims, _ops
from pyautograd import _decompositions as D
from pyautograd import _joins as J
from pyautograd import _products as P
from pyautograd import _reduce as R
from pyautograd import _shape as S
from pyautograd._absent import say_what_is_missing
from pyautograd._arguments import named
from pyautograd._core import Tensor, apply
from pyautograd._creation import eye, full, ones
from pyautograd._decompositions import LinAlgError
from pyautograd._generated import maximum
from pyautograd._grad_mode import is_grad_enabled
from pyautograd._products import matmul
from pyautograd._rearrange import tril, triu

__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "lstsq", "matmul",
    "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve",
    "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)


# ---- systems of equations ----


@named
def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices. **Raises** LinAlgError for a singular one, ValueError for one that is not square.

    >>> import pyautograd
    >>> pyautograd.linalg.inv(pyautograd.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return D.Inv.apply(D.matrices("inv", A, square=True))  # type: ignore[no-any-return]


def _batch(A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices expanded to one batch."""
    if A.shape[:-2] == B.shape[:-2]:
        return A, B
    batch = S.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return S.expand(A, (*batch, *A.shape[-2:])), S.expand(B, (*batch, *B.shape[-2:]))


def _same_dtype(name: str, A: Tensor, B: Any) -> Tensor:
    other = _arguments.tensor(name, "B", B)
    if other.dtype is not A.dtype:
        raise TypeError(f"{name}: A is {A.dtype.name}, and B {other.dtype.name}")
    return other


@named
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X of A X = B, or with left=False of X A = B, for square matrices A; B may be matrices, or vectors for each A.

    **Raises** LinAlgError for a singular A, ValueError for shapes that do not fit.

    >>> import pyautograd
    >>> pyautograd.linalg.solve(pyautograd.tensor([[2.0, 0.0], [0.0, 4.0]]), pyautograd.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    A = D.matrices("solve", A, square=True)
    B = _same_dtype("solve", A, B)
    if B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]):
        if not left:
            raise ValueError("solve: left=False takes matrices B, not vectors")
        return S.squeeze(solve(A, S.unsqueeze(B, -1)), -1)
    if B.ndim < 2 or B.shape[-2 if left else -1] != A.shape[-1]:
        raise ValueError(f"solve: A of shape {A.shape} and B of shape {B.shape} do not fit")
    if not left:
        return solve(A.mT, B.mT).mT
    return D.Solve.apply(*_batch(A, B))  # type: ignore[no-any-return]


@named
def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """The X of A X = B, or with left=False of X A = B, of the upper or lower triangle of A, with ones on its diagonal
    where it is `unitriangular`.

    **Raises** as `solve`.

    >>> import pyautograd
    >>> A = pyautograd.tensor([[2.0, 0.0], [1.0, 1.0]])
    >>> pyautograd.linalg.solve_triangular(A, pyautograd.tensor([[2.0], [3.0]]), upper=False)
    tensor([[1.],
            [2.]])
    """
    A = D.matrices("solve_triangular", A, square=True)
    if _same_dtype("solve_triangular", A, B).ndim < 2:
        raise ValueError(f"solve_triangular: B of shape {B.shape} is no matrix")
    unit = int(_arguments.flag("solve_triangular", "unitriangular", unitriangular))
    triangle = triu(A, unit) if _arguments.flag("solve_triangular", "upper", upper) else tril(A, -unit)
    if unit:
        triangle = triangle + eye(A.shape[-1], dtype=A.dtype)
    return solve(triangle, B, left=left)


def _tolerances(A: Tensor, atol: Any, rtol: Any) -> tuple[float, float]:
    """The smallest size that counts, absolute and relative to the largest, as PyTorch has them by default."""
    most = max(A.shape[-2:]) * float(np.finfo(A.dtype.numpy).eps)
    relative = (0.0 if atol is not None and atol > 0 else most) if rtol is None else float(rtol)
    return 0.0 if atol is None else float(atol), relative


@named
def pinv(A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False) -> Tensor:
    """The pseudoinverse (Moore-Penrose) of matrices (..., n, m), as (..., m, n); singular values that are not larger
    than atol and rtol times the largest count as 0.

    **Raises** ValueError for what is no matrix. `hermitian` says that A is symmetric, and changes nothing.

    >>> import pyautograd
    >>> pyautograd.linalg.pinv(pyautograd.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    A = D.matrices("pinv", A, square=_arguments.flag("pinv", "hermitian", hermitian))
    return D.Pinv.apply(A, *_tolerances(A, atol, rtol))  # type: ignore[no-any-return]


@named
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> D.LstSqResult:
    """The X for which A X comes closest to B, of least norm where there are several.

    **Arguments:** `rcond`: singular values below it times the largest count as 0. `driver`: "gelsy", "gelsd", "gelss"
    or "gels", which decides what else is told, as in PyTorch. **Returns** a named tuple (solution, residuals, rank,
    singular_values): the residuals are sums of squares that are left over, where A has more rows than columns, empty
    with "gelsy"; the singular values are empty with "gelsy" and "gels". **Raises** ValueError for shapes that do not
    fit and another driver.

    >>> import pyautograd
    >>> A, b = pyautograd.tensor([[1.0], [1.0]]), pyautograd.tensor([[1.0], [3.0]])
    >>> pyautograd.linalg.lstsq(A, b).solution.round()
    tensor([[2.]])
    """
    A = D.matrices("lstsq", A)
    B = _same_dtype("lstsq", A, B)
    if driver not in (None, "gelsy", "gelsd", "gelss", "gels"):
        raise ValueError(f"lstsq: no driver {driver!r}")
    vectors = B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]
    if not vectors and (B.ndim < 2 or B.shape[-2] != A.shape[-2]):
        raise ValueError(f"lstsq: A of shape {A.shape} and B of shape {B.shape} do not fit")
    wanted = S.unsqueeze(B, -1) if vectors else B
    solution = pinv(A, rtol=rcond) @ wanted
    left_over = sizes = full((0,), 0.0, dtype=A.dtype)
    if A.shape[-2] > A.shape[-1] and driver not in (None, "gelsy"):
        left_over = ((A @ solution - wanted) ** 2).sum(-2)
    if driver in ("gelsd", "gelss"):
        sizes = svdvals(A.detach())
    return D.LstSqResult(S.squeeze(solution, -1) if vectors else solution, left_over, matrix_rank(A, rtol=rcond), sizes)


def _split_at(name: str, shape: tuple[int, ...], first: int) -> None:
    if not 0 < first < len(shape) or math.prod(shape[:first]) != math.prod(shape[first:]):
        raise ValueError(f"{name}: shape {shape} is no square matrix when it is split at axis {first}")


@named
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of a tensor as a linear map from its axes behind `ind` to those before. **Raises** as `inv`.

    >>> import pyautograd
    >>> pyautograd.linalg.tensorinv(pyautograd.eye(6).reshape(2, 3, 6)).shape
    (6, 2, 3)
    """
    _split_at("tensorinv", A.shape, ind)
    before, behind = A.shape[:ind], A.shape[ind:]
    return S.reshape(inv(S.reshape(A, (math.prod(before), math.prod(behind)))), (*behind, *before))


@named
def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """The X of tensordot(A, X, X.ndim) = B; the axes `dims` of A are moved to its end first. **Raises** as `solve`.

    >>> import pyautograd
    >>> pyautograd.linalg.tensorsolve(pyautograd.eye(6).reshape(2, 3, 6), pyautograd.ones(2, 3)).shape
    (6,)
    """
    if dims is not None:
        A = S.movedim(A, tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    _split_at("tensorsolve", A.shape, B.ndim)
    size = B.numel()
    return S.reshape(solve(S.reshape(A, (size, size)), S.ravel(B)), A.shape[B.ndim :])


# ---- determinants ----


@named
def det(A: Tensor) -> Tensor:
    """The determinant of square matrices (..., n, n), of shape (...). **Raises** ValueError for what is not square,
    LinAlgError for second derivatives at a singular matrix.

    >>> import pyautograd
    >>> pyautograd.linalg.det(pyautograd.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(8.)
    """
    return D.Det.apply(D.matrices("det", A, square=True))  # type: ignore[no-any-return]


@named
def slogdet(A: Tensor) -> D.SLogDetResult:
    """The sign of the determinant of square matrices and the logarithm of its size, which neither overflow nor vanish.

    **Returns** a named tuple (sign, logabsdet); of a singular matrix 0 and -inf. **Raises** ValueError for what is not
    square.

    >>> import pyautograd
    >>> pyautograd.linalg.slogdet(pyautograd.tensor([[2.0, 0.0], [0.0, -0.5]])).sign
    tensor(-1.)
    """
    sign, logarithm = D.SLogDet.apply(D.matrices("slogdet", A, square=True))
    return D.SLogDetResult(sign.detach(), logarithm)


# ---- decompositions ----


@named
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular L with L L^T = A of symmetric positive definite matrices, or with `upper` L^T.

    **Raises** LinAlgError for matrices that are not positive definite, ValueError for ones that are not square.

    >>> import pyautograd
    >>> pyautograd.linalg.cholesky(pyautograd.tensor([[4.0, 2.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    factor: Tensor = D.Cholesky.apply(D.matrices("cholesky", A, square=True))
    return factor.mT if _arguments.flag("cholesky", "upper", upper) else factor


def _triangle(name: str, UPLO: Any) -> str:
    if not isinstance(UPLO, str) or UPLO.upper() not in ("U", "L"):
        raise ValueError(f'{name}: UPLO must be "U" or "L", not {UPLO!r}')
    return UPLO.upper()


@named
def eigh(A: Tensor, UPLO: str = "L") -> D.EighResult:
    """The eigenvalues of symmetric matrices, from the smallest on, and eigenvectors in the columns.

    Only the lower triangle is read, or with UPLO="U" the upper one. **Returns** a named tuple (eigenvalues,
    eigenvectors). **Raises** ValueError for what is not square. Losses may not depend on the signs of the vectors; the
    gradient of vectors of equal eigenvalues is not a number.

    >>> import pyautograd
    >>> pyautograd.linalg.eigh(pyautograd.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues.round()
    tensor([1., 3.])
    """
    return D.EighResult(*D.Eigh.apply(D.matrices("eigh", A, square=True), _triangle("eigh", UPLO)))


@named
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, from the smallest on. **Raises** as `eigh`.

    >>> import pyautograd
    >>> pyautograd.linalg.eigvalsh(pyautograd.eye(2))
    tensor([1., 1.])
    """
    return eigh(A, UPLO).eigenvalues


@named
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> D.SVDResult:
    """The singular value decomposition A = U diag(S) Vh, S from the largest on.

    **Returns** a named tuple (U, S, Vh); with full_matrices=False U has the shape (..., n, k) and Vh (..., k, m), k
    being the smaller of n and m. **Raises** ValueError for what is no matrix, and for another driver than PyTorch's.
    Losses may not depend on the signs of the vectors; the gradient of vectors of equal singular values is not a number,
    and of what U and Vh have beyond k there is none.

    >>> import pyautograd
    >>> pyautograd.linalg.svd(pyautograd.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.])
    """
    A = D.matrices("svd", A)
    if driver not in (None, "gesvd", "gesvdj", "gesvda"):
        raise ValueError(f"svd: no driver {driver!r}")
    full = _arguments.flag("svd", "full_matrices", full_matrices) and A.shape[-1] != A.shape[-2]
    return D.SVDResult(*D.SVD.apply(A, full))


@named
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of matrices, from the largest on. **Raises** as `svd`.

    >>> import pyautograd
    >>> pyautograd.linalg.svdvals(pyautograd.tensor([[0.0, 2.0], [1.0, 0.0]]))
    tensor([2., 1.])
    """
    return svd(A, False, driver=driver).S


@named
def qr(A: Tensor, mode: str = "reduced") -> D.QRResult:
    """A = Q R with orthonormal columns in Q and an upper triangular R.

    **Returns** a named tuple (Q, R): with `mode` "reduced" of shapes (..., n, k) and (..., k, m), k being the smaller
    of n and m, with "complete" (..., n, n) and (..., n, m), with "r" an empty Q. **Raises** ValueError for another
    mode, NotImplementedError for gradients of modes "r", and "complete" of more rows than columns; LinAlgError in
    backward where the columns depend on one another.

    >>> import pyautograd
    >>> q, r = pyautograd.linalg.qr(pyautograd.tensor([[0.0, 2.0], [1.0, 0.0]]))
    >>> (q @ r).round()
    tensor([[0., 2.],
            [1., 0.]])
    """
    A = D.matrices("qr", A)
    rows, columns = A.shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f'qr: mode must be "reduced", "complete" or "r", not {mode!r}')
    tracked = A.requires_grad and is_grad_enabled()
    if tracked and (mode == "r" or (mode == "complete" and rows > columns)):
        raise NotImplementedError(f'qr: gradients of mode {mode!r} of shape {A.shape}; take "reduced"')
    if mode == "r":
        return D.QRResult(full((0,), 0.0, dtype=A.dtype), qr(A).R)
    if tracked and columns > rows:
        first = qr(A[..., :rows])
        return D.QRResult(first.Q, J.cat([first.R, first.Q.mT @ A[..., rows:]], -1))
    return D.QRResult(*D.QR.apply(A, mode))


# ---- powers, ranks and norms ----


@named
def matrix_power(A: Tensor, n: int) -> Tensor:
    """Square matrices multiplied n times with themselves; of the inverse for a negative n. **Raises** as `inv`.

    >>> import pyautograd
    >>> pyautograd.linalg.matrix_power(pyautograd.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    n = _arguments.integer("matrix_power", "n", n)
    A = D.matrices("matrix_power", A, square=True, integers=n >= 0)
    if n < 0:
        return matrix_power(inv(A), -n)
    result = None if n else S.expand(eye(A.shape[-1], dtype=A.dtype), A.shape).clone()
    while n:
        if n & 1:
            result = A if result is None else result @ A
        n >>= 1
        A = A @ A if n else A
    return result  # type: ignore[return-value]


@named
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices, I + A + A^2 / 2 + A^3 / 6 + … **Raises** ValueError for what is not square.

    >>> import pyautograd
    >>> pyautograd.linalg.matrix_exp(pyautograd.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return D.MatrixExp.apply(D.matrices("matrix_exp", A, square=True))  # type: ignore[no-any-return]


@named
def matrix_rank(
    A: Tensor,
    tol: float | None = None,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    hermitian: bool = False,
) -> Tensor:
    """How many singular values (int64) are larger than atol and rtol times the largest, or than `tol`; with `hermitian`
    those of symmetric matrices, by their eigenvalues.

    **Raises** ValueError for what is no matrix.

    >>> import pyautograd
    >>> pyautograd.linalg.matrix_rank(pyautograd.ones(3, 3))
    tensor(1)
    """
    A = D.matrices("matrix_rank", A, square=hermitian).detach()
    sizes = eigvalsh(A).abs() if _arguments.flag("matrix_rank", "hermitian", hermitian) else svdvals(A)
    if tol is not None:
        atol, rtol = tol, 0.0
    if 0 in A.shape[-2:]:
        return S.expand(full((), 0), A.shape[:-2]).clone()
    absolute, relative = _tolerances(A, atol, rtol)
    return (sizes > maximum(sizes.amax(-1, keepdim=True) * relative, absolute)).sum(-1)


@named
def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """How much matrices stretch at most, divided by how much at least: their norm times that of the inverse, as
    `matrix_norm` has it, by default the 2-norm.

    **Raises** ValueError for another norm, and as `inv` for other norms than 2 and -2.

    >>> import pyautograd
    >>> pyautograd.linalg.cond(pyautograd.tensor([[2.0, 0.0], [0.0, 0.5]]))
    tensor(4.)
    """
    A = D.matrices("cond", A, square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        sizes = svdvals(A)
        return sizes[..., -1] / sizes[..., 0] if p == -2 else sizes[..., 0] / sizes[..., -1]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


@named
def vector_norm(x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of the elements over axes, all by default: (sum |x|^ord)^(1/ord), the largest for inf, the smallest for
    -inf, how many are not 0 for 0.

    **Raises** TypeError for integers without a dtype, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.linalg.vector_norm(pyautograd.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = _arguments.tensor("vector_norm", "x", x)
    return R.norm(x, _arguments.number("vector_norm", "ord", ord), dim, keepdim, dtype)


@named
def matrix_norm(
    A: Tensor, ord: float | str = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of the matrices in two axes: "fro" the root of the sum of squares, "nuc" the sum of the singular values,
    2 and -2 the largest and smallest of these, 1 and -1 the largest and smallest sum of sizes in a column, inf and -inf
    in a row.

    **Raises** ValueError for another norm and for other than two axes.

    >>> import pyautograd
    >>> pyautograd.linalg.matrix_norm(pyautograd.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    A = D.matrices("matrix_norm", A if dtype is None else A.to(dtype))
    axes = _dims.distinct("matrix_norm", dim, A.ndim)
    if len(axes) != 2:
        raise ValueError(f"matrix_norm: a matrix has two axes, not {dim}")
    if ord == "fro":
        return R.norm(A, 2, tuple(axes), keepdim)
    moved = S.movedim(A, tuple(axes), (-2, -1))
    if ord in ("nuc", 2, -2):
        sizes = svdvals(moved)
        result = sizes.sum(-1) if ord == "nuc" else sizes.amax(-1) if ord == 2 else sizes.amin(-1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = moved.abs().sum(-2 if ord in (1, -1) else -1)
        result = sums.amax(-1) if ord in (1, math.inf) else sums.amin(-1)
    else:
        raise ValueError(f"matrix_norm: no norm {ord!r}")
    for axis in sorted(axes) if keepdim else ():
        result = S.unsqueeze(result, axis)
    return result


@named
def norm(
    A: Tensor, ord: float | str | None = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """`matrix_norm` of two axes with an `ord`, else `vector_norm`, by default the 2-norm of all elements.

    **Raises** as these, and ValueError for an `ord` without `dim` of more than two axes.

    >>> import pyautograd
    >>> pyautograd.linalg.norm(pyautograd.ones(2, 2)), pyautograd.linalg.norm(pyautograd.ones(2, 2), 1)
    (tensor(2.), tensor(2.))
    """
    A = _arguments.tensor("norm", "A", A)
    axes = None if dim is None else dim if isinstance(dim, tuple | list) else (dim,)
    if ord is None:
        return vector_norm(A, 2, axes, keepdim, dtype=dtype)
    if axes is None:
        if A.ndim not in (1, 2):
            raise ValueError(f"norm: ord={ord!r} of shape {A.shape} takes a dim, as it is no vector and no matrix")
        axes = tuple(range(A.ndim))
    if len(axes) == 2:
        return matrix_norm(A, ord, axes, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise ValueError(f"norm: {ord!r} is a norm of matrices; dim is {dim}, of shape {A.shape}")
    return vector_norm(A, ord, axes, keepdim, dtype=dtype)


# ---- products ----


@named
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices in the order that takes the fewest multiplications; the first and the last
    may be vectors.

    **Raises** ValueError for fewer than two, and as `matmul`.

    >>> import pyautograd
    >>> pyautograd.linalg.multi_dot([pyautograd.ones(2, 9), pyautograd.ones(9, 3), pyautograd.ones(3)])
    tensor([27., 27.])
    """
    given = [_arguments.tensor("multi_dot", f"tensors[{i}]", each) for i, each in enumerate(tensors)]
    if len(given) < 2:
        raise ValueError(f"multi_dot: {len(given)} matrices; it takes two or more")
    for i, each in enumerate(given):
        if each.ndim != 2 and not (each.ndim == 1 and i in (0, len(given) - 1)):
            raise ValueError(f"multi_dot: tensors[{i}] has shape {each.shape}")
    row, column = given[0].ndim == 1, given[-1].ndim == 1
    if row:
        given[0] = S.unsqueeze(given[0], 0)
    if column:
        given[-1] = S.unsqueeze(given[-1], 1)
    product = P.multiplied("multi_dot", given)
    axes = [axis for axis, gone in ((0, row), (1, column)) if gone]
    return S.squeeze(product, tuple(axes)) if axes else product


@named
def cross(input: Tensor, other: Tensor, *, dim: SupportsIndex = -1) -> Tensor:
    """The cross product of vectors of three elements along an axis. **Raises** as `pyautograd.cross`.

    >>> import pyautograd
    >>> pyautograd.linalg.cross(pyautograd.tensor([1.0, 0.0, 0.0]), pyautograd.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    return P.cross(input, other, dim)


@named
def vecdot(x: Tensor, y: Tensor, *, dim: SupportsIndex = -1) -> Tensor:
    """Products summed along an axis, the others broadcast. **Raises** ValueError for shapes that do not broadcast.

    >>> import pyautograd
    >>> pyautograd.linalg.vecdot(pyautograd.ones(2, 3), pyautograd.ones(3))
    tensor([3., 3.])
    """
    return R.sum(apply(_ops.mul, x, y), dim)


@named
def diagonal(A: Tensor, *, offset: SupportsIndex = 0, dim1: SupportsIndex = -2, dim2: SupportsIndex = -1) -> Tensor:
    """The diagonals of matrices, a view; as `pyautograd.diagonal`, whose errors it **raises**, but of the last two
    axes.

    >>> import pyautograd
    >>> pyautograd.linalg.diagonal(pyautograd.ones(5, 2, 3)).shape
    (5, 2)
    """
    return S.diagonal(A, offset, dim1, dim2)


@named
def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers x^0 to x^(N - 1) of each element along a new last axis; N is by default as long as the last axis.

    **Raises** ValueError for a 0-d tensor and for N below 2.

    >>> import pyautograd
    >>> pyautograd.linalg.vander(pyautograd.tensor([1, 2, 3])).tolist()
    [[1, 1, 1], [1, 2, 4], [1, 3, 9]]
    """
    if not x.ndim:
        raise ValueError("vander: a 0-d tensor has no axis of numbers")
    n = x.shape[-1] if N is None else _arguments.integer("vander", "N", N)
    if n <= 1:
        raise ValueError(f"vander: {n} powers; it takes two or more")
    column = S.unsqueeze(x if x.dtype.is_floating_point else x.long(), -1)
    powers = [ones(*column.shape, dtype=column.dtype), column]
    while len(powers) < n:
        powers.append(powers[-1] * column)
    return J.cat(powers, -1)
