"""Views, contractions and decompositions are NumPy's, and have first and second derivatives."""

from collections.abc import Callable

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, linalg
from pyautograd.nn import functional as F

rng = np.random.default_rng(3)
CUBE, SQUARE, TALL = rng.normal(size=(4, 3, 5)), rng.normal(size=(3, 3)) + 2 * np.eye(3), rng.normal(size=(4, 3))

VIEWS: list[tuple[Callable[[Tensor], Tensor], Callable[[np.ndarray], np.ndarray]]] = [  # type: ignore[type-arg]
    (lambda x: x.diagonal(1, 0, 2), lambda a: np.diagonal(a, 1, 0, 2)),
    (lambda x: x.mT.diagonal(-2, 1, 0), lambda a: np.diagonal(a.swapaxes(1, 2), -2, 1, 0)),
    (lambda x: x.unfold(2, 3, 2), lambda a: np.lib.stride_tricks.sliding_window_view(a, 3, 2)[:, :, ::2]),
    (lambda x: x.unfold(0, 4, 1), lambda a: np.lib.stride_tricks.sliding_window_view(a, 4, 0)),
    (lambda x: x.flip(0, 2), lambda a: np.flip(a, (0, 2))),
    (lambda x: x.roll((1, -2), (0, 2)), lambda a: np.roll(a, (1, -2), (0, 2))),
    (lambda x: x.rot90(3, (0, 2)), lambda a: np.rot90(a, 3, (0, 2))),
    (lambda x: F.pad(x, (1, 2, 0, 1), "replicate"), lambda a: np.pad(a, ((0, 0), (0, 1), (1, 2)), "edge")),
]


@pytest.mark.parametrize("i", range(len(VIEWS)))
def test_a_rearrangement_is_numpys_and_has_derivatives(i: int) -> None:
    ours, theirs = VIEWS[i]
    x = pa.tensor(CUBE, requires_grad=True)
    np.testing.assert_array_equal(ours(x).detach().numpy(), theirs(CUBE))
    weights = pa.tensor(rng.normal(size=ours(x).shape))
    (g,) = pa.autograd.grad((ours(x) ** 3 * weights).sum(), x, create_graph=True)
    counted = np.zeros_like(CUBE)
    np.add.at(counted.reshape(-1), theirs(np.arange(CUBE.size).reshape(CUBE.shape)), weights.numpy())
    np.testing.assert_allclose(g.detach().numpy(), 3 * CUBE**2 * counted, rtol=1e-12)
    g.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 6 * CUBE * counted, rtol=1e-12)


@pytest.mark.parametrize(
    "view", [lambda x: x.unfold(0, 3, 1), lambda x: x.expand(2, 5), lambda x: x.unfold(0, 3, 2).mT]
)
def test_memory_that_overlaps_is_not_written(view: Callable[[Tensor], Tensor]) -> None:
    x = pa.arange(5.0)
    with pytest.raises(RuntimeError, match="share memory; clone"):
        view(x).add_(1)
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    x.unfold(0, 2, 3).add_(1)  # windows that are apart
    assert x.tolist() == [1.0, 2.0, 2.0, 4.0, 5.0]


@pytest.mark.parametrize(
    "equation, operands",
    [("ij,jk->ki", (TALL, SQUARE)), ("iji->j", (rng.normal(size=(2, 3, 2)),)),
     ("...ij,kj->k...", (CUBE, TALL @ np.ones((3, 5))))],
)  # fmt: skip
def test_einsum_is_numpys(equation: str, operands: tuple[np.ndarray, ...]) -> None:  # type: ignore[type-arg]
    found = pa.einsum(equation, *map(pa.tensor, operands))
    np.testing.assert_allclose(found.numpy(), np.einsum(equation, *operands), rtol=1e-12)


def positive(x: Tensor) -> Tensor:
    return x @ x.mT + pa.eye(x.shape[0], dtype=x.dtype)


def symmetric(x: Tensor) -> Tensor:
    return x + x.mT


DECOMPOSED: dict[str, tuple[Callable[[Tensor], Tensor], np.ndarray]] = {  # type: ignore[type-arg]
    "inv": (linalg.inv, SQUARE), "solve": (lambda x: linalg.solve(x, x.mT * x), SQUARE), "det": (linalg.det, SQUARE),
    "slogdet": (lambda x: linalg.slogdet(x).logabsdet, SQUARE), "pinv": (linalg.pinv, TALL),
    "cholesky": (lambda x: linalg.cholesky(positive(x)), SQUARE), "svdvals": (linalg.svdvals, TALL),
    "svd": (lambda x: linalg.svd(x, False).U ** 2, TALL), "eigvalsh": (lambda x: linalg.eigvalsh(symmetric(x)), SQUARE),
    "eigh": (lambda x: linalg.eigh(symmetric(x)).eigenvectors ** 2, SQUARE), "qr": (lambda x: linalg.qr(x).R, TALL),
    "matrix_exp": (linalg.matrix_exp, SQUARE),
}  # fmt: skip


@pytest.mark.parametrize("name", DECOMPOSED)
def test_a_decomposition_has_first_and_second_derivatives(name: str) -> None:
    function, array = DECOMPOSED[name]
    x = pa.tensor(array, requires_grad=True)
    assert pa.autograd.gradcheck(function, (x,))
    weights = pa.tensor(rng.normal(size=function(x).shape))

    def gradient(x: Tensor) -> Tensor:
        (found,) = pa.autograd.grad((function(x) * weights).sum(), x, create_graph=True)
        assert found is not None
        return found

    assert pa.autograd.gradcheck(gradient, (x,))


def test_vectors_of_equal_eigenvalues_have_no_gradient() -> None:
    x = pa.eye(3, requires_grad=True)
    linalg.eigvalsh(x).exp().sum().backward()
    assert x.grad is not None and bool(x.grad.isfinite().all())
    x.grad = None
    (linalg.eigh(x).eigenvectors ** 3).sum().backward()
    assert x.grad is not None and bool(x.grad.isnan().all())


@pytest.mark.parametrize("function", [linalg.inv, linalg.cholesky, lambda x: linalg.solve(x, x)])
def test_what_a_matrix_does_not_allow_is_an_error_of_its_own_kind(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(linalg.LinAlgError, match=r"ingular|positive"):
        function(pa.zeros(2, 2))


def test_powers_of_whole_numbers_are_whole() -> None:
    fibonacci = pa.linalg.matrix_power(pa.tensor([[1, 1], [1, 0]]), 60)
    assert fibonacci.dtype is pa.int64 and fibonacci[0, 1].item() == 1548008755920
    with pytest.raises(TypeError, match="not int64"):
        pa.linalg.matrix_power(pa.tensor([[1, 1], [1, 0]]), -1)
