"""Products of vectors, matrices and tensors, made of `matmul`; those of one tensor with others are methods too."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, SupportsIndex

from pyautograd import _arguments, _dims, _ops
from pyautograd._arguments import named
from pyautograd._core import Node, Tensor, apply, reshape
from pyautograd._elementwise import scaled
from pyautograd._install import late
from pyautograd._joins import stack, unbind
from pyautograd._reduce import dot, matmul, outer
from pyautograd._shape import broadcast_tensors, diagonal, expand, listed, permute

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "chain_matmul", "cross", "einsum", "ger", "inner", "kron",
    "tensordot", "trace", "vdot",
]  # fmt: skip


# ---- beta input + alpha product ----


def _axes(name: str, *wanted: tuple[str, Any, int]) -> None:
    for argument, given, axes in wanted:
        if _dims.ndim(name, given, argument) != axes:
            raise ValueError(f"{name}: {argument} has shape {given.shape}; it takes {axes} axes")


def _is(number: Any, wanted: int) -> bool:
    """Is a factor known to be this number? A traced scalar is not asked."""
    return isinstance(number, int | float) and not isinstance(number, Node) and number == wanted


def _blended(name: str, input: Any, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    input = _arguments.tensor(name, "input", input)
    if input.dtype is not product.dtype:
        raise TypeError(f"{name}: input is {input.dtype.name}, and the product {product.dtype.name}")
    added = expand(input, product.shape) if input.shape != product.shape else input
    if not _is(alpha, 1):
        product = scaled(name, input, product, alpha)
    if _is(beta, 0):  # and what is not a number in the input is not asked for
        return product
    return apply(_ops.add, added if _is(beta, 1) else scaled(name, product, added, beta), product)


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


def _batches(name: str, batch1: Tensor, batch2: Tensor) -> None:
    _axes(name, ("batch1", batch1, 3), ("batch2", batch2, 3))
    if batch1.shape[0] != batch2.shape[0]:
        raise ValueError(f"{name}: shapes {batch1.shape} and {batch2.shape} have different batches")


@named
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta input + alpha batch1 @ batch2, of (b, n, k) and (b, k, m); the input expands to (b, n, m). **Raises** as
    `addmm`.

    >>> import pyautograd
    >>> x = pyautograd.ones(5, 2, 3)
    >>> pyautograd.baddbmm(pyautograd.zeros(2), x, x.mT, alpha=0.5).shape
    (5, 2, 2)
    """
    _batches("baddbmm", batch1, batch2)
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
    _batches("addbmm", batch1, batch2)
    return _blended("addbmm", input, einsum("bnk,bkm->nm", batch1, batch2), beta, alpha)


# ---- contractions ----


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """(n,) times (n,), to a 0-d tensor, as `dot`, whose errors it **raises**.

    >>> import pyautograd
    >>> pyautograd.vdot(pyautograd.tensor([1.0, 2.0]), pyautograd.tensor([3.0, 4.0]))
    tensor(11.)
    """
    return dot(input, other)


def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """The same as `outer`; it **raises** the same.

    >>> import pyautograd
    >>> pyautograd.ger(pyautograd.tensor([1, 2]), pyautograd.tensor([3, 4])).tolist()
    [[3, 4], [6, 8]]
    """
    return outer(input, vec2)


@named
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products summed over the last axes of both, (..., k) and (..., k); of a 0-d tensor just products. **Raises**
    ValueError for last axes that differ.

    >>> import pyautograd
    >>> pyautograd.inner(pyautograd.ones(2, 3), pyautograd.ones(4, 3)).shape
    (2, 4)
    """
    if not input.ndim or not other.ndim:
        return apply(_ops.mul, input, other)
    if input.shape[-1] != other.shape[-1]:
        raise ValueError(f"inner: shapes {input.shape} and {other.shape} have last axes that differ")
    return tensordot(input, other, ([-1], [-1]))


@named
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products summed over axes of both: the last `dims` of a and the first of b, or those of two lists, pair by pair.

    **Raises** ValueError for sizes that differ, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensordot(pyautograd.ones(2, 3, 4), pyautograd.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    (2, 5)
    """
    if isinstance(dims, tuple | list):
        first, second = (_dims.sizes("tensordot", (each,), "dims") for each in dims)
    else:
        n = _arguments.integer("tensordot", "dims", dims)
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: {n} axes of shapes {a.shape} and {b.shape}")
        first, second = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    axes_a = _dims.distinct("tensordot", first, a.ndim, "dims")
    axes_b = _dims.distinct("tensordot", second, b.ndim, "dims")
    if len(axes_a) != len(axes_b):
        raise ValueError(f"tensordot: {len(axes_a)} axes of one and {len(axes_b)} of the other")
    labels_a: list[Hashable] = [("a", axis) for axis in range(a.ndim)]
    labels_b: list[Hashable] = [("b", axis) for axis in range(b.ndim)]
    for one, two in zip(axes_a, axes_b, strict=True):
        labels_b[two] = labels_a[one]
    out = [label for label in labels_a + labels_b if (label in labels_a) != (label in labels_b)]
    return _contracted("tensordot", [(a, labels_a), (b, labels_b)], out)


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


# ---- einsum ----


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Products summed over the axes whose letter the result does not have: `einsum("ij,jk->ik", a, b)` is a @ b.

    A letter names an axis, and stands for one size; twice in an operand it means a diagonal; `...` stands for axes that
    broadcast. Without `->` the result has the letters that appear once, in alphabetical order. Operands may also be
    given with lists of ints for letters: `einsum(a, [0, 1], b, [1, 2], [0, 2])`. Contractions are made from left to
    right, as products of matrices. **Raises** ValueError for what does not fit.

    >>> import pyautograd
    >>> a, b = pyautograd.ones(2, 3), pyautograd.ones(3, 4)
    >>> pyautograd.einsum("ij,jk->ik", a, b).shape
    (2, 4)
    >>> pyautograd.einsum("ii", pyautograd.ones(3, 3))
    tensor(3.)
    >>> pyautograd.einsum("...ij,...j->...i", pyautograd.ones(5, 2, 3), pyautograd.ones(3)).shape
    (5, 2)
    """
    if isinstance(equation, str):
        tensors = listed("einsum", operands)
        left, arrow, right = equation.replace(" ", "").partition("->")
        terms: list[list[Any]] = [_letters(term) for term in left.split(",")]
        out: list[Any] | None = _letters(right) if arrow else None
    else:
        given = [equation, *operands]
        out = _numbers(given.pop()) if len(given) % 2 else None
        tensors = listed("einsum", tuple(given[::2]))
        terms = [_numbers(sublist) for sublist in given[1::2]]
    if len(terms) != len(tensors) or not tensors:
        raise ValueError(f"einsum: {len(terms)} terms for {len(tensors)} operands")
    labelled = [(each, _without_ellipsis(each, term)) for each, term in zip(tensors, terms, strict=True)]
    everything = [label for _, labels in labelled for label in labels]
    spread = sorted({label for label in everything if isinstance(label, int)})
    if out is None:
        once = sorted(x for x in set(everything) if not isinstance(x, int) and everything.count(x) == 1)
        out = [*spread, *once]
    elif ... in out:
        at = out.index(...)
        out = [*out[:at], *spread, *out[at + 1 :]]
    if len(set(out)) != len(out) or not set(out) <= set(everything):
        raise ValueError(f"einsum: a letter of the result is there twice, or in no operand: {equation}")
    return _contracted("einsum", labelled, out)


def _letters(term: str) -> list[Any]:
    before, dots, after = term.partition("...")
    letters = before + after
    if letters and not (letters.isascii() and letters.isalpha()):
        raise ValueError(f"einsum: {term!r} is no list of letters")
    return [*before, *([...] if dots else []), *after]


def _numbers(sublist: Any) -> list[Any]:
    """Letters for a list of ints, of which Ellipsis may be one."""
    if not isinstance(sublist, tuple | list):
        raise _arguments.wrong("einsum", "a sublist", "a list of ints", sublist)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    found = [x if x is ... else _arguments.integer("einsum", "a sublist", x) for x in sublist]
    if any(x is not ... and not 0 <= x < len(letters) for x in found):
        raise ValueError(f"einsum: a sublist {sublist}; its numbers go from 0 to {len(letters) - 1}")
    return [x if x is ... else letters[x] for x in found]


def _without_ellipsis(tensor: Tensor, term: list[Any]) -> list[Any]:
    """A label for each axis; those of the ellipsis are numbers, -1 the last."""
    extra = tensor.ndim - (len(term) - term.count(...))
    if term.count(...) > 1 or extra < 0 or (extra and ... not in term):
        raise ValueError(f"einsum: {len(term)} letters for a tensor of shape {tensor.shape}")
    at = term.index(...) if ... in term else 0
    return [*term[:at], *range(-extra, 0), *term[at + 1 :]] if ... in term else term


def _contracted(name: str, operands: list[tuple[Tensor, list[Any]]], out: Sequence[Any]) -> Tensor:
    """The products of labelled tensors, summed over the labels that are not in `out`, from left to right."""
    sizes: dict[Any, int] = {}
    for tensor, labels in operands:
        for size, label in zip(tensor.shape, labels, strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size not in (1, known):
                raise ValueError(f"{name}: axes of sizes {known} and {size} are to be one, of shape {tensor.shape}")
    plain = [_reduced(name, *operand, sizes) for operand in operands]
    result, labels = plain[0]
    for i, (tensor, own) in enumerate(plain[1:], 1):
        kept = {*out, *(label for _, later in plain[i + 1 :] for label in later)}
        result, labels = _product(_summed(result, labels, kept | {*own}), _summed(tensor, own, kept | {*labels}), kept)
    result, labels = _summed(result, labels, {*out})
    order = [labels.index(label) for label in out]
    return permute(result, order) if order != sorted(order) else result


def _reduced(name: str, tensor: Tensor, labels: list[Any], sizes: dict[Any, int]) -> tuple[Tensor, list[Any]]:
    """Each label once, a repeated one as a diagonal, and without axes of size 1 that broadcast."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if tensor.shape[first] != tensor.shape[second]:
                raise ValueError(f"{name}: a diagonal of axes that differ, of shape {tensor.shape}")
            tensor = diagonal(tensor, 0, first, second)
            labels = [x for i, x in enumerate(labels) if i not in (first, second)] + [label]
    kept = [i for i, label in enumerate(labels) if tensor.shape[i] != 1 or sizes[label] == 1]
    if len(kept) < len(labels):
        tensor = reshape(tensor, tuple([tensor.shape[i] for i in kept]))
    return tensor, [labels[i] for i in kept]


def _summed(tensor: Tensor, labels: list[Any], kept: set[Any]) -> tuple[Tensor, list[Any]]:
    """Without the labels that nobody asks for."""
    mask = sum(1 << i for i, label in enumerate(labels) if label not in kept)
    if not mask:
        return tensor, labels
    return apply(_ops.sum, tensor, (mask, False)), [label for label in labels if label in kept]


def _product(a: tuple[Tensor, list[Any]], b: tuple[Tensor, list[Any]], kept: set[Any]) -> tuple[Tensor, list[Any]]:
    """Two tensors multiplied: labels of both that are kept are a batch, the others of both are contracted."""
    both = [label for label in a[1] if label in b[1]]
    batch, inner = [x for x in both if x in kept], [x for x in both if x not in kept]
    left, right = [x for x in a[1] if x not in both], [x for x in b[1] if x not in both]
    shape = dict(zip(a[1] + b[1], a[0].shape + b[0].shape, strict=True))

    def arranged(tensor: Tensor, labels: list[Any], *groups: list[Any]) -> Tensor:
        order = [labels.index(label) for label in (*batch, *groups[0], *groups[1])]
        moved = permute(tensor, order) if order != sorted(order) else tensor
        if len(groups[0]) == len(groups[1]) == 1:
            return moved
        flat = [math.prod(shape[label] for label in group) for group in groups]
        return reshape(moved, (*(shape[label] for label in batch), *flat))

    if inner:
        product = matmul(arranged(*a, left, inner), arranged(*b, inner, right))
    else:
        product = apply(_ops.mul, arranged(*a, left, []), arranged(*b, [], right))
    labels = [*batch, *left, *right]
    if len(left) == len(right) == 1:
        return product, labels
    return reshape(product, tuple([shape[label] for label in labels])), labels


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
