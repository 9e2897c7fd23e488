"""Products of vectors and matrices, made of `matmul`; those of one tensor with others are methods too."""

from __future__ import annotations

from typing import Any, SupportsIndex

from pyautograd import _arguments, _dims, _ops
from pyautograd._arguments import named
from pyautograd._core import Tensor, apply, reshape
from pyautograd._einsum import einsum
from pyautograd._elementwise import is_number, scaled
from pyautograd._install import late
from pyautograd._joins import stack, unbind
from pyautograd._shape import broadcast_tensors, diagonal, expand, listed

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "chain_matmul", "cross", "dot", "ger", "kron", "matmul", "mm",
    "mv", "outer", "trace", "vdot",
]  # fmt: skip


def _axes(name: str, *wanted: tuple[str, Any, int]) -> None:
    for argument, given, axes in wanted:
        if _dims.ndim(name, given, argument) != axes:
            raise ValueError(f"{name}: {argument} has shape {given.shape}; it takes {axes} axes")


def _batches(name: str, **batches: Tensor) -> None:
    _axes(name, *((argument, given, 3) for argument, given in batches.items()))
    shapes = [given.shape for given in batches.values()]
    if shapes[0][0] != shapes[1][0]:
        raise ValueError(f"{name}: shapes {shapes[0]} and {shapes[1]} have different batches")


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product over the last two axes, the others broadcast; vectors as in NumPy.

    (..., n, k) and (..., k, m) to (..., n, m), in a dtype that both have. **Raises** ValueError naming both shapes,
    TypeError for dtypes that differ.

    >>> import pyautograd
    >>> a = pyautograd.ones(2, 3)
    >>> (a @ a.T).tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """
    return apply(_ops.matmul, input, other)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """(n, k) times (k, m) to (n, m). **Raises** as `matmul`, and ValueError for other numbers of axes.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3).mm(pyautograd.ones(3, 4)).shape
    (2, 4)
    """
    _axes("mm", ("input", input, 2), ("mat2", mat2, 2))
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """(n, k) times (k,) to (n,). **Raises** as `matmul`, and ValueError for other numbers of axes.

    >>> import pyautograd
    >>> pyautograd.ones(2, 3).mv(pyautograd.ones(3))
    tensor([3., 3.])
    """
    _axes("mv", ("input", input, 2), ("vec", vec, 1))
    return matmul(input, vec)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """(batch, n, k) times (batch, k, m) to (batch, n, m). **Raises** as `matmul`, and ValueError for other numbers of
    axes.

    >>> import pyautograd
    >>> pyautograd.ones(5, 2, 3).bmm(pyautograd.ones(5, 3, 4)).shape
    (5, 2, 4)
    """
    _batches("bmm", input=input, mat2=mat2)
    return matmul(input, mat2)


def dot(input: Tensor, other: Tensor) -> Tensor:
    """(n,) times (n,), to a 0-d tensor. **Raises** as `matmul`, and ValueError for other numbers of axes.

    >>> import pyautograd
    >>> pyautograd.tensor([1.0, 2.0]).dot(pyautograd.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _axes("dot", ("input", input, 1), ("other", other, 1))
    return matmul(input, other)


vdot = dot


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """(n,) and (m,) to (n, m), each product of two elements. **Raises** ValueError for other numbers of axes.

    >>> import pyautograd
    >>> pyautograd.tensor([1, 2]).outer(pyautograd.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    _axes("outer", ("input", input, 1), ("vec2", vec2, 1))
    return apply(_ops.mul, reshape(input, (-1, 1)), vec2)


ger = outer


# ---- beta input + alpha product ----


def _blended(name: str, input: Any, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    input = _arguments.tensor(name, "input", input)
    if input.dtype is not product.dtype:
        raise TypeError(f"{name}: input is {input.dtype.name}, and the product {product.dtype.name}")
    added = expand(input, product.shape) if input.shape != product.shape else input
    if not is_number(alpha, 1):
        product = scaled(name, input, product, alpha)
    if is_number(beta, 0):  # and what is not a number in the input is not asked for
        return product
    return apply(_ops.add, added if is_number(beta, 1) else scaled(name, product, added, beta), product)


@named
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta input + alpha mat1 @ mat2, of matrices (n, k) and (k, m); the input expands to (n, m), and with beta 0 takes
    no part.

    **Raises** as `matmul`, ValueError for other numbers of axes, TypeError for dtypes that differ.

    >>> import pyautograd
    >>> pyautograd.addmm(pyautograd.ones(2), pyautograd.ones(2, 3), pyautograd.ones(3, 2), beta=2)
    tensor([[5., 5.],
            [5., 5.]])
    """
    _axes("addmm", ("mat1", mat1, 2), ("mat2", mat2, 2))
    return _blended("addmm", input, matmul(mat1, mat2), beta, alpha)


@named
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta input + alpha mat @ vec, of (n, k) and (k,); the input expands to (n,). **Raises** as `addmm`.

    >>> import pyautograd
    >>> pyautograd.addmv(pyautograd.ones(2), pyautograd.ones(2, 3), pyautograd.ones(3))
    tensor([4., 4.])
    """
    _axes("addmv", ("mat", mat, 2), ("vec", vec, 1))
    return _blended("addmv", input, matmul(mat, vec), beta, alpha)


@named
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta input + alpha outer(vec1, vec2), of (n,) and (m,); the input expands to (n, m). **Raises** as `addmm`.

    >>> import pyautograd
    >>> pyautograd.addr(pyautograd.ones(1), pyautograd.tensor([1.0, 2.0]), pyautograd.tensor([3.0, 4.0]))
    tensor([[4., 5.],
            [7., 9.]])
    """
    _axes("addr", ("vec1", vec1, 1), ("vec2", vec2, 1))
    return _blended("addr", input, outer(vec1, vec2), beta, alpha)


@named
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta input + alpha batch1 @ batch2, of (b, n, k) and (b, k, m); the input expands to (b, n, m). **Raises** as
    `addmm`.

    >>> import pyautograd
    >>> x = pyautograd.ones(5, 2, 3)
    >>> pyautograd.baddbmm(pyautograd.zeros(2), x, x.mT, alpha=0.5).shape
    (5, 2, 2)
    """
    _batches("baddbmm", batch1=batch1, batch2=batch2)
    return _blended("baddbmm", input, matmul(batch1, batch2), beta, alpha)


@named
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta input + alpha times the sum of the products of (b, n, k) and (b, k, m); the input expands to (n, m).
    **Raises** as `addmm`.

    >>> import pyautograd
    >>> x = pyautograd.ones(5, 2, 3)
    >>> pyautograd.addbmm(pyautograd.zeros(2), x, x.mT)
    tensor([[15., 15.],
            [15., 15.]])
    """
    _batches("addbmm", batch1=batch1, batch2=batch2)
    return _blended("addbmm", input, einsum("bnk,bkm->nm", batch1, batch2), beta, alpha)


# ---- others ----


@named
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix; integers add up to int64. **Raises** ValueError for other numbers of axes.

    >>> import pyautograd
    >>> pyautograd.tensor([[1.0, 2.0], [3.0, 4.0]]).trace()
    tensor(5.)
    """
    _axes("trace", ("input", input, 2))
    return apply(_ops.sum, diagonal(input))


@named
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: each element of the input times the whole other, in its place.

    **Raises** ValueError for more than four axes.

    >>> import pyautograd
    >>> pyautograd.kron(pyautograd.tensor([[1, 2]]), pyautograd.tensor([[1], [1]])).tolist()
    [[1, 2], [1, 2]]
    """
    axes = max(input.ndim, _dims.ndim("kron", other, "other"))
    a, b = (1,) * (axes - input.ndim) + input.shape, (1,) * (axes - other.ndim) + other.shape
    spread = reshape(input, tuple([size for each in a for size in (each, 1)]))
    product = apply(_ops.mul, spread, reshape(other, tuple([size for each in b for size in (1, each)])))
    return reshape(product, tuple([x * y for x, y in zip(a, b, strict=True)]))


@named
def cross(input: Tensor, other: Tensor, dim: SupportsIndex | None = None) -> Tensor:
    """The cross product of vectors of three elements along an axis, by default the first that is of size 3; the others
    broadcast.

    **Raises** ValueError for an axis of another size, IndexError for one that is not there.

    >>> import pyautograd
    >>> pyautograd.cross(pyautograd.tensor([1.0, 0.0, 0.0]), pyautograd.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if input.ndim != other.ndim:
        raise ValueError(f"cross: shapes {input.shape} and {other.shape} have different numbers of axes")
    if dim is None:
        if 3 not in input.shape:
            raise ValueError(f"cross: a tensor of shape {input.shape} has no axis of size 3")
        dim = input.shape.index(3)
    at = _dims.axis("cross", input, dim)
    if not input.ndim or input.shape[at] != 3 or other.shape[at] != 3:
        raise ValueError(f"cross: axis {dim} of shapes {input.shape} and {other.shape} must be of size 3")
    a, b = (unbind(each, at) for each in broadcast_tensors(input, other))
    turn = ((1, 2), (2, 0), (0, 1))
    return stack([a[i] * b[j] - a[j] * b[i] for i, j in turn], at)


def chain_matmul(*matrices: Any) -> Tensor:
    """The product of matrices, in the order that takes the fewest multiplications. **Raises** as `mm`, and ValueError
    for none.

    >>> import pyautograd
    >>> pyautograd.chain_matmul(pyautograd.ones(2, 9), pyautograd.ones(9, 3), pyautograd.ones(3, 1))
    tensor([[27.],
            [27.]])
    """
    given = listed("chain_matmul", matrices)
    _axes("chain_matmul", *((f"matrix {i}", each, 2) for i, each in enumerate(given)))
    return multiplied("chain_matmul", given)


def multiplied(name: str, matrices: list[Tensor]) -> Tensor:
    """Matrices multiplied in the order of least cost, which dynamic programming finds."""
    if not matrices:
        raise ValueError(f"{name}: no matrices")
    sizes = [matrices[0].shape[0], *(each.shape[1] for each in matrices)]
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(len(matrices))}
    for length in range(1, len(matrices)):
        for i in range(len(matrices) - length):
            j = i + length
            best[i, j] = min(
                (best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )

    def product(i: int, j: int) -> Tensor:
        k = best[i, j][1]
        return matrices[i] if i == j else matmul(product(i, k), product(k + 1, j))

    return product(0, len(matrices) - 1)


# ---- methods of Tensor that are imported when they are used ----


class MatrixMethods:
    """Functions of matrices as methods."""

    def det(self: Any) -> Tensor:
        """The determinant of square matrices. **Raises** as `linalg.det`.

        >>> import pyautograd
        >>> pyautograd.tensor([[2.0, 1.0], [0.0, 4.0]]).det()
        tensor(8.)
        """
        return late("linalg").det(self)

    def slogdet(self: Any) -> Any:
        """The sign of the determinant of square matrices and the logarithm of its size. **Raises** as `linalg.slogdet`.

        >>> import pyautograd
        >>> pyautograd.eye(2).slogdet().sign
        tensor(1.)
        """
        return late("linalg").slogdet(self)

    def logdet(self: Any) -> Tensor:
        """The logarithm of the determinant of square matrices. **Raises** as `pyautograd.logdet`.

        >>> import pyautograd
        >>> pyautograd.eye(2).logdet()
        tensor(0.)
        """
        return late("_matrices").logdet(self)

    def inverse(self: Any) -> Tensor:
        """The inverse of square matrices. **Raises** as `pyautograd.inverse`.

        >>> import pyautograd
        >>> pyautograd.tensor([[2.0]]).inverse()
        tensor([[0.5000]])
        """
        return late("_matrices").inverse(self)

    def pinverse(self: Any, rcond: float = 1e-15) -> Tensor:
        """The pseudoinverse of matrices. **Raises** as `pyautograd.pinverse`.

        >>> import pyautograd
        >>> pyautograd.tensor([[2.0]]).pinverse()
        tensor([[0.5000]])
        """
        return late("_matrices").pinverse(self, rcond)

    def matrix_power(self: Any, n: int) -> Tensor:
        """Square matrices multiplied n times with themselves. **Raises** as `linalg.matrix_power`.

        >>> import pyautograd
        >>> pyautograd.tensor([[2.0]]).matrix_power(3)
        tensor([[8.]])
        """
        return late("linalg").matrix_power(self, n)

    def cholesky(self: Any, upper: bool = False) -> Tensor:
        """The Cholesky factor of symmetric positive definite matrices. **Raises** as `pyautograd.cholesky`.

        >>> import pyautograd
        >>> pyautograd.tensor([[4.0]]).cholesky()
        tensor([[2.]])
        """
        return late("_matrices").cholesky(self, upper)

    def cholesky_inverse(self: Any, upper: bool = False) -> Tensor:
        """The inverse of a matrix of which this is the Cholesky factor. **Raises** as `pyautograd.cholesky_inverse`.

        >>> import pyautograd
        >>> pyautograd.tensor([[2.0]]).cholesky_inverse()
        tensor([[0.2500]])
        """
        return late("_matrices").cholesky_inverse(self, upper)

    def cholesky_solve(self: Any, L: Tensor, upper: bool = False) -> Tensor:
        """The X of A X = self, given the Cholesky factor L of A. **Raises** as `pyautograd.cholesky_solve`.

        >>> import pyautograd
        >>> pyautograd.tensor([[4.0]]).cholesky_solve(pyautograd.tensor([[2.0]]))
        tensor([[1.]])
        """
        return late("_matrices").cholesky_solve(self, L, upper)

    def qr(self: Any, some: bool = True) -> Any:
        """The matrices Q and R whose product it is. **Raises** as `pyautograd.qr`.

        >>> import pyautograd
        >>> pyautograd.ones(3, 2).qr().Q.shape
        (3, 2)
        """
        return late("_matrices").qr(self, some)

    def svd(self: Any, some: bool = True, compute_uv: bool = True) -> Any:
        """U, S and V with U diag(S) V^T = self. **Raises** as `pyautograd.svd`.

        >>> import pyautograd
        >>> pyautograd.eye(2).svd().S
        tensor([1., 1.])
        """
        return late("_matrices").svd(self, some, compute_uv)

    def matrix_exp(self: Any) -> Tensor:
        """The exponential of square matrices. **Raises** as `linalg.matrix_exp`.

        >>> import pyautograd
        >>> pyautograd.zeros(1, 1).matrix_exp()
        tensor([[1.]])
        """
        return late("linalg").matrix_exp(self)
