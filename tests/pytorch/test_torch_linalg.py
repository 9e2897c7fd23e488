"""Products, contractions, decompositions and norms of matrices are PyTorch's: values, gradients and what is refused."""

import numpy as np
import pytest
from beside import compare

import pyautograd as pa

rng = np.random.default_rng(0)
A, B, V, W = rng.normal(size=(4, 4)), rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3)
BATCH, TALL, WIDE = rng.normal(size=(2, 1, 3, 3)), rng.normal(size=(5, 3)), rng.normal(size=(2, 3, 5))
POSITIVE, BATCHED = A @ A.T + np.eye(4), rng.normal(size=(2, 4, 3))
SINGULAR, EMPTY, INTEGERS = np.ones((3, 3)), np.zeros((0, 0)), np.arange(9).reshape(3, 3)
SCALAR, CUBE = np.asarray(0.5), rng.normal(size=(2, 3, 4))
L = np.linalg.cholesky(POSITIVE)
SQUARE, MATRICES = [A, BATCH, EMPTY, TALL, V, INTEGERS], [A, TALL, WIDE, BATCH, V, INTEGERS]

PRODUCTS = [
    (lambda m, i, a, b: m.addmm(i, a, b), [W, A, B]), (lambda m, i, a, b: i.addmm(a, b, beta=0.5, alpha=2), [B, A, B]),
    (lambda m, i, a, b: m.addmm(i.detach(), a, b, beta=0), [np.full((4, 3), np.nan), A, B]),
    (lambda m, i, a, b: m.addmm(i, a, b), [B, B, A]), (lambda m, i, a, b: m.addmm(i, a, b), [V, A, B]),
    (lambda m, i, a, b: m.addmm(i, a, b, alpha=2), [INTEGERS] * 3), (lambda m, i, a, b: m.addmm(i, a, b), [CUBE, A, B]),
    (lambda m, i, a, b: m.addmm(i, a, b), [A.astype(np.float32), A, A]),
    (lambda m, i, a, v: m.addmv(i, a, v, beta=2, alpha=3), [V, A, V]), (lambda m, i, a, v: i.addmv(a, v),
    [SCALAR, A, V]),
    (lambda m, i, v, w: m.addr(i, v, w, alpha=2), [B, V, W]), (lambda m, i, v, w: i.detach().addr(v, w, beta=0),
    [W, V, W]),
    (lambda m, i, a, b: m.baddbmm(i, a, b, beta=2), [B, BATCHED, BATCH[:, 0]]),
    (lambda m, i, a, b: i.addbmm(a, b, alpha=0.5), [W, BATCHED, BATCH[:, 0]]),
    (lambda m, i, a, b: m.baddbmm(i, a, b), [W, BATCHED, BATCH[:1, 0]]),
    (lambda m, a, b: m.inner(a, b), [V, V]), (lambda m, a, b: a.inner(b), [B, TALL]), (lambda m, a, b: m.inner(a, b),
    [SCALAR, B]),
    (lambda m, a, b: m.inner(a, b), [B, V]), (lambda m, a, b: m.outer(a, b), [V, W]), (lambda m, a, b: a.ger(b),
    [V, W]),
    (lambda m, a, b: m.vdot(a, b), [V, V]), (lambda m, a, b: m.mv(a, b), [A, V]), (lambda m, a, b: m.bmm(a, b),
    [BATCHED, BATCH[:, 0]]),
    (lambda m, a, b: m.tensordot(a, b), [CUBE, CUBE.transpose(1, 2, 0)]), (lambda m, a, b: m.tensordot(a, b, 1),
    [A, B]),
    (lambda m, a, b: m.tensordot(a, b, dims=([1, 0], [0, 2])), [CUBE, rng.normal(size=(3, 5, 2))]),
    (lambda m, a, b: m.tensordot(a, b, 0), [V, W]), (lambda m, a, b: m.tensordot(a, b, dims=([0], [1])), [A, B]),
    (lambda m, a, b: m.tensordot(a, b, dims=([0, 1], [0])), [A, B]), (lambda m, a, b: m.tensordot(a, b, 3), [A, B]),
    (lambda m, a, b: m.tensordot(a, b, 1), [CUBE[..., :1], V[:, None]]),
    (lambda m, x: m.trace(x), [B]), (lambda m, x: x.trace(), [INTEGERS]), (lambda m, x: m.trace(x), [CUBE]),
    (lambda m, a, b: m.kron(a, b), [A, B]), (lambda m, a, b: a.kron(b), [V, B]), (lambda m, a, b: m.kron(a, b),
    [CUBE, W]),
    (lambda m, a, b: m.kron(a, b), [SCALAR, W]), (lambda m, a, b: m.kron(a, b), [INTEGERS, B]),
    (lambda m, a, b: m.cross(a, b, dim=1), [TALL, TALL[::-1].copy()]), (lambda m, a, b: a.cross(b),
    [INTEGERS, INTEGERS]),
    (lambda m, a, b: m.linalg.cross(a, b), [TALL, W[None]]), (lambda m, a, b: m.linalg.cross(a, b, dim=0),
    [TALL.T.copy(), TALL.T.copy()]),
    (lambda m, a, b: m.cross(a, b, dim=0), [TALL, TALL]), (lambda m, a, b: m.linalg.cross(a, b), [TALL, W]),
    (lambda m, a, b, c: m.chain_matmul(a, b, c), [A, B, W[:, None]]), (lambda m, a, b, c: m.linalg.multi_dot([a, b, c]),
    [V, B, W]),
    (lambda m, a, b, c: m.linalg.multi_dot((a, b, c)), [A, A, B]), (lambda m, a: m.linalg.multi_dot([a]), [A]),
    (lambda m, a, b: m.linalg.multi_dot([a, b]), [V, V]), (lambda m, a, b: m.linalg.multi_dot([a, b]), [CUBE, V]),
    (lambda m, a, b: m.linalg.vecdot(a, b), [CUBE, V]), (lambda m, a, b: m.linalg.vecdot(a, b, dim=0), [B, B]),
    (lambda m, a: m.linalg.diagonal(a), [CUBE]), (lambda m, a: m.linalg.diagonal(a, offset=1, dim1=0, dim2=1), [CUBE]),
    (lambda m, a: m.linalg.vander(a), [B]), (lambda m, a: m.linalg.vander(a, N=2), [V]),
    (lambda m, a: m.linalg.vander(a), [INTEGERS]),
    (lambda m, a: m.linalg.vander(a, N=1), [V]), (lambda m, a, b: m.linalg.matmul(a, b), [A, B]),
    (lambda m, x, y, w: bilinear(m)(x, y, w), [TALL, rng.normal(size=(5, 4)), CUBE.transpose(0, 1, 2)]),
    (lambda m, x, y, w, b: bilinear(m)(x, y, w, b),
    [CUBE[..., :3], CUBE, rng.normal(size=(6, 3, 4)), rng.normal(size=6)]),
    (lambda m, x, y, w: bilinear(m)(x, y, w), [TALL, TALL, CUBE]),
]  # fmt: skip
bilinear = lambda m: m.nn.functional.bilinear

EINSUMS = [
    ("ij,jk->ik", [A, B]), ("ij,jk", [A, B]), ("ji,jk", [A, B]), ("ii", [A]), ("ii->i", [A]), ("ij->", [B]), ("ij->ji",
    [B]),
    ("i,j->ij", [V, W]), ("i,i->i", [V, V]), ("i,i", [V, V]), ("bij,bjk->bik", [BATCHED, BATCH[:, 0]]),
    ("...ij,...jk->...ik", [BATCHED, BATCH]),
    ("...ij->...ji", [CUBE]), ("i...->...", [CUBE]), ("...,...", [A, V]), ("...i,...i->...", [A, V]),
    ("ij...,jk...->ik...", [A, B]),
    ("bij,oi,oj->bo", [CUBE, rng.normal(size=(6, 3)), rng.normal(size=(6, 4))]), (" ij , jk -> i k ", [A, B]),
    ("a,b,c->abc", [V, W, V]),
    ("iji->j", [rng.normal(size=(3, 4, 3))]), ("ii,i->i", [A, V]), ("ij,ij->", [A, A]), ("ij,kl->ijkl", [B, B]),
    (",i->i", [SCALAR, V]), (",", [SCALAR, SCALAR]),
    ("ij,jk,kl->il", [A, B, W[:, None]]),
    ("bhid,bhjd->bhij", [rng.normal(size=(2, 2, 3, 4)), rng.normal(size=(2, 2, 5, 4))]), ("Aa,aB->AB", [A, B]),
    ("Ba,aA", [A, B]), ("i,i->", [V, V[:1]]), ("ij,j->i", [A, V[:1]]), ("ij,jk->ik", [A[:, :1], B]), ("...ij->ij",
    [CUBE]), ("ij->i...", [A]),
    ("ij,jk->ik", [A, W]), ("ij->ik", [A]), ("ij->ii", [A]), ("i", [A]), ("ij,jk->ik", [A]), ("i.j", [A]), ("i1", [A]),
    ("ij", [INTEGERS]), ("ij,jk", [INTEGERS, INTEGERS]),
    ("ijk->", [np.zeros((2, 0, 3))]), ("ij,jk->ik", [np.zeros((2, 0)), np.zeros((0, 3))]), ("......i", [A]), ("ii",
    [B]),
]  # fmt: skip
SUBLISTS = [
    (lambda m, a, b: m.einsum(a, [0, 1], b, [1, 2], [0, 2]), [A, B]), (lambda m, a, b: m.einsum(a, [0, 1], b, [1, 2]),
    [A, B]),
    (lambda m, a: m.einsum(a, [..., 0, 1], [..., 1, 0]), [CUBE]), (lambda m, a: m.einsum(a, [0, 52]), [A]),
    (lambda m, a, b: m.einsum("ij,jk", [a, b]), [A, B]), (lambda m, a, b: m.einsum(a, [30, 1], b, [1, 2]), [A, B]),
]  # fmt: skip

symmetric = lambda x: x + x.mT
OF_MATRICES = {
    "inv": [(lambda m, a: m.linalg.inv(a), SQUARE), (lambda m, a: a.inverse(), [A, SINGULAR]),
        (lambda m, a: m.inverse(a), [BATCH])],
    "det": [(lambda m, a: m.linalg.det(a), SQUARE), (lambda m, a: a.det(), [A, WIDE]),
        (lambda m, a: m.det(a), [BATCH])],
    "slogdet": [(lambda m, a: m.linalg.slogdet(a), SQUARE), (lambda m, a: a.slogdet(), [A, -A[:3, :3]]),
        (lambda m, a: m.logdet(a), [POSITIVE]),
                (lambda m, a: a.logdet(), [POSITIVE, A @ A.T]), (lambda m, a: m.slogdet(a.detach()), [SINGULAR])],
    "cholesky": [(lambda m, a: m.linalg.cholesky(a),
        [POSITIVE, SQUARE[1] @ SQUARE[1].swapaxes(-1, -2) + np.eye(3), A, TALL, EMPTY, SINGULAR]),
                 (lambda m, a: m.linalg.cholesky(a, upper=True), [POSITIVE]), (lambda m, a: m.cholesky(a, upper=True),
                 [POSITIVE]),
                 (lambda m, a: m.cholesky_inverse(a.tril()), [L]), (lambda m, a: a.triu().cholesky_inverse(upper=True),
                 [L.T.copy()]), (lambda m, a: a.cholesky(), [POSITIVE])],
    "pinv": [(lambda m, a: m.linalg.pinv(a), [A, TALL, WIDE, BATCH, SINGULAR, V, INTEGERS]),
        (lambda m, a: m.linalg.pinv(a, rtol=0.3), [TALL, WIDE]),
             (lambda m, a: m.linalg.pinv(a, atol=0.5), [TALL]), (lambda m, a: a.pinverse(), [TALL]),
             (lambda m, a: m.linalg.pinv(symmetric(a), hermitian=True), [A])],
    "eigh": [(lambda m, a: m.linalg.eigvalsh(symmetric(a)), [A, BATCH, np.eye(3)]), (lambda m, a: m.linalg.eigvalsh(a),
        [TALL, V, EMPTY, INTEGERS]),
             (lambda m, a: m.linalg.eigvalsh(a, UPLO="U"), [A]), (lambda m, a: m.linalg.eigvalsh(a, "X"), [A]),
             (lambda m, a: m.linalg.eigh(symmetric(a)).eigenvectors ** 2, [A, BATCH]),
             (lambda m, a: m.linalg.eigh(symmetric(a))[0].exp(), [A]),
        (lambda m, a: m.linalg.eigh(a)[1] ** 2, [POSITIVE])],
    "svd": [(lambda m, a: m.linalg.svdvals(a), MATRICES),
        (lambda m, a: m.linalg.svd(a, full_matrices=False).U ** 2, MATRICES),
            (lambda m, a: m.linalg.svd(a, full_matrices=False).Vh ** 2, MATRICES), (lambda m, a: m.linalg.svd(a).S,
            [A, TALL]), (lambda m, a: m.svd(a).V ** 2, [A, TALL, WIDE]),
            (lambda m, a: m.linalg.svd(a).Vh[..., :2, :] ** 2, [A, TALL, WIDE]), (lambda m, a: m.linalg.svd(a).U.shape,
            [TALL]), (lambda m, a: a.detach().svd(some=False)[0] ** 2, [A, TALL]),
            (lambda m, a: (lambda u, s, vh: (u * s.unsqueeze(-2)) @ vh)(*m.linalg.svd(a, full_matrices=False)),
            [A, TALL, WIDE])],
    "qr": [(lambda m, a: m.linalg.qr(a), [A, TALL, WIDE, BATCH, V, INTEGERS]),
        (lambda m, a: m.linalg.qr(a.detach(), mode="complete"), [TALL, WIDE, A]),
           (lambda m, a: m.linalg.qr(a.detach(), "r"), [TALL]), (lambda m, a: m.qr(a), [TALL]),
           (lambda m, a: a.qr(some=True)[1], [WIDE]), (lambda m, a: m.linalg.qr(a, "x"), [A]),
           (lambda m, a: m.linalg.qr(a, mode="complete"), [WIDE, A])],
    "matrix_power": [(lambda m, a, n=n: m.linalg.matrix_power(a, n), [A, BATCH, TALL, EMPTY])
        for n in (-2, -1, 1, 2, 3, 6)] + [(lambda m, a: m.linalg.matrix_power(a.detach(), 0), [A, BATCH])]
        + [(lambda m, a: a.matrix_power(3), [A])],
    "matrix_exp": [(lambda m, a: m.linalg.matrix_exp(a), [A, 9 * A, BATCH, TALL, np.zeros((2, 2))]),
                   (lambda m, a: a.matrix_exp(), [A])],
    "rank": [(lambda m, a: m.linalg.matrix_rank(a), [A, SINGULAR, TALL, WIDE, EMPTY, V]),
        (lambda m, a: m.linalg.matrix_rank(a, rtol=0.5), [A, WIDE]),
             (lambda m, a: m.linalg.matrix_rank(a, tol=1.0), [A]),
             (lambda m, a: m.linalg.matrix_rank(symmetric(a), hermitian=True, atol=0.5), [A])],
    "cond": [(lambda m, a, p=p: m.linalg.cond(a, p), [A, BATCH, TALL, V]) for p in (None, 2, -2)]
            + [(lambda m, a, p=p: m.linalg.cond(a.detach(), p), [A, BATCH, TALL, V]) for p in
            ("fro", "nuc", 1, -1, float("inf"), -float("inf"))]
            + [(lambda m, a: m.linalg.cond(a, 3), [A])],
    "norm": [(lambda m, a: m.linalg.norm(a), [SCALAR, V, A, CUBE, INTEGERS]),
        (lambda m, a: m.linalg.norm(a, keepdim=True), [A]), (lambda m, a: m.linalg.norm(a, dim=1), [A, V]),
             (lambda m, a: m.linalg.norm(a, dim=(0, 1)), [A, CUBE]), (lambda m, a: m.linalg.norm(a, "fro"),
             [A, V, CUBE]), (lambda m, a: m.linalg.norm(a, 1), [A, V, CUBE]),
             (lambda m, a: m.linalg.norm(a, "nuc", dim=(0, 2)), [CUBE]),
             (lambda m, a: m.linalg.norm(a, 1, dim=-1, keepdim=True), [CUBE]),
             (lambda m, a: m.linalg.norm(a, dtype=m.float32), [A])],
    "matrix_norm": [(lambda m, a, p=p: m.linalg.matrix_norm(a, p), [A, TALL, CUBE, V]) for p in
        ("fro", "nuc", 2, -2, 1, -1, float("inf"), -float("inf"))]
                   + [(lambda m, a: m.linalg.matrix_norm(a, 2, (0, 2), True), [CUBE]),
                   (lambda m, a: m.linalg.matrix_norm(a, 3), [A]), (lambda m, a: m.linalg.matrix_norm(a, "x"), [A])],
    "nuc": [(lambda m, a: m.norm(a, "nuc"), [A, TALL]), (lambda m, a: m.norm(a, "nuc", dim=(0, 2), keepdim=True),
        [CUBE])],
    "vector_norm": [(lambda m, a, p=p: m.linalg.vector_norm(a, p, dim=-1), [V, A, CUBE])
        for p in (2, 1, 3, 0.5, -1.5, float("inf"), -float("inf"))]
                   + [(lambda m, a: m.linalg.vector_norm(a.detach(), 0), [A]), (lambda m, a: m.linalg.vector_norm(a),
                   [A, SCALAR, INTEGERS]), (lambda m, a: m.linalg.vector_norm(a, 3, (0, 1), True), [A]),
                   (lambda m, a: m.linalg.vector_norm(a, ord=3), [CUBE])],
    "tensorinv": [(lambda m, a: m.linalg.tensorinv(a.reshape(2, 2, 4)), [A]),
        (lambda m, a: m.linalg.tensorinv(a, ind=1), [A, CUBE]), (lambda m, a: m.linalg.tensorinv(a), [CUBE])],
}  # fmt: skip

SOLVED = [
    (lambda m, a, b: m.linalg.solve(a, b), [A, B]), (lambda m, a, b: m.linalg.solve(a, b), [A, V]),
    (lambda m, a, b: m.linalg.solve(a, b), [BATCH, W]),
    (lambda m, a, b: m.linalg.solve(a, b, left=False), [A, B.T.copy()]), (lambda m, a, b: m.linalg.solve(a, b),
    [BATCH, rng.normal(size=(4, 3, 2))]),
    (lambda m, a, b: m.linalg.solve(a, b), [BATCH[:, 0], rng.normal(size=(2, 3))]),
    (lambda m, a, b: m.linalg.solve(a, b), [SINGULAR, SINGULAR]),
    (lambda m, a, b: m.linalg.solve(a, b), [A, W]), (lambda m, a, b: m.linalg.solve(a, b), [TALL, TALL]),
    (lambda m, a, b: m.linalg.solve(a, b, left=False), [A, V]),
    (lambda m, a, b: m.linalg.solve(a, b), [A, B.astype(np.float32)]), (lambda m, a, b: m.linalg.solve(a, b),
    [EMPTY, np.zeros((0, 2))]),
    (lambda m, a, b: m.linalg.solve_triangular(a, b, upper=True), [A, B]),
    (lambda m, a, b: m.linalg.solve_triangular(a, b, upper=False), [A, B]),
    (lambda m, a, b: m.linalg.solve_triangular(a, b, upper=True, left=False), [A, B.T.copy()]),
    (lambda m, a, b: m.linalg.solve_triangular(a, b, upper=True, unitriangular=True), [A, B]),
    (lambda m, a, b: m.linalg.solve_triangular(a, b, upper=False, unitriangular=True), [BATCH, WIDE[:, None]]),
    (lambda m, a, b: m.linalg.solve_triangular(a, b, upper=True), [A, V]),
    (lambda m, b, a: m.triangular_solve(b, a).solution, [B, A]),
    (lambda m, b, a: m.triangular_solve(b, a, False, True, True).solution, [B, A]),
    (lambda m, b, a: m.cholesky_solve(b, a.tril()), [B, L]), (lambda m, b, a: b.cholesky_solve(a.triu(), upper=True),
    [B, L.T.copy()]),
    (lambda m, a, b: m.linalg.lstsq(a, b).solution, [TALL, rng.normal(size=(5, 2))]),
    (lambda m, a, b: m.linalg.lstsq(a, b)[0], [WIDE, rng.normal(size=(2, 3, 2))]),
    (lambda m, a, b: m.linalg.lstsq(a, b, driver="gelsd")[1::2], [TALL, rng.normal(size=(5, 2))]),
    (lambda m, a, b: m.linalg.lstsq(a, b).rank, [TALL, rng.normal(size=(5, 2))]),
    (lambda m, a, b: m.linalg.lstsq(a, b).solution, [A, B]), (lambda m, a, b: m.linalg.lstsq(a, b), [TALL, B]),
    (lambda m, a, b: m.linalg.tensorsolve(a.reshape(2, 2, 4), b), [A, A[:2, :2]]),
    (lambda m, a, b: m.linalg.tensorsolve(a.reshape(2, 4, 2), b, dims=(0, 2)), [A, V]),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("i", range(len(PRODUCTS)))
def test_a_product_is_pytorchs(i) -> None:
    compare(*PRODUCTS[i])


@pytest.mark.parametrize("i", range(len(EINSUMS)))
def test_einsum_is_pytorchs(i) -> None:
    equation, arrays = EINSUMS[i]
    compare(lambda m, *tensors: m.einsum(equation, *tensors), arrays)


@pytest.mark.parametrize("i", range(len(SUBLISTS)))
def test_einsum_of_lists_of_ints_is_pytorchs(i) -> None:
    compare(*SUBLISTS[i])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", OF_MATRICES)
def test_a_function_of_matrices_is_pytorchs(name) -> None:
    for expression, matrices in OF_MATRICES[name]:
        for array in matrices:
            compare(expression, [array], 1e-10)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("i", range(len(SOLVED)))
def test_a_system_of_equations_is_solved_as_pytorch_does(i) -> None:
    compare(*SOLVED[i], 1e-10)


def test_the_determinant_of_a_singular_matrix_has_its_cofactors_as_gradient() -> None:
    for matrix in (SINGULAR, np.zeros((3, 3))):
        compare(lambda m, a: m.linalg.det(a), [matrix], order=1)
    x = pa.tensor(np.diag([1.0, 2.0, 0.0]), requires_grad=True)  # of which PyTorch says 0
    pa.linalg.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.diag([0.0, 0.0, 2.0]), atol=1e-15)


def test_a_singular_matrix_raises_an_error_of_its_own_kind() -> None:
    with pytest.raises(pa.linalg.LinAlgError, match="inv: Singular matrix"):
        pa.linalg.inv(pa.tensor(SINGULAR))
