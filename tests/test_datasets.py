"""The data sets are the same for the same seed, and equal scikit-learn's where it is installed."""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np
import pytest

from pyautograd import datasets


def test_digits_are_the_uci_set() -> None:
    X, y = datasets.load_digits()
    assert X.shape == (1797, 64) and X.dtype == np.float32 and X.flags.c_contiguous
    assert y.shape == (1797,) and y.dtype == np.int64
    assert X.min() == 0 and X.max() == 1
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    pixels = (X * 16).astype(np.uint8)
    assert pixels.sum() == 561718
    assert hashlib.sha256(pixels.tobytes()).hexdigest().startswith(DIGITS_SHA256)


DIGITS_SHA256 = "8f26b2bd9d135c25"


def test_digits_equal_scikit_learns() -> None:
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    X, y = datasets.load_digits()
    np.testing.assert_array_equal(X * 16, theirs.data)
    np.testing.assert_array_equal(y, theirs.target)


def test_digits_file_is_small() -> None:
    assert len(resources.files("pyautograd").joinpath("data/digits.npz").read_bytes()) < 60_000


@pytest.mark.parametrize("make", ["make_moons", "make_circles"])
@pytest.mark.parametrize("n_samples", [1, 2, 7, 100])
@pytest.mark.parametrize("options", [{}, {"noise": 0.1}, {"noise": 0.3, "shuffle": False}])
def test_drawn_sets_equal_scikit_learns(make: str, n_samples: int, options: dict[str, float]) -> None:
    theirs = getattr(pytest.importorskip("sklearn.datasets"), make)
    X, y = getattr(datasets, make)(n_samples, random_state=1337, **options)
    X_theirs, y_theirs = theirs(n_samples, random_state=1337, **options)
    np.testing.assert_array_equal(X, X_theirs)
    np.testing.assert_array_equal(y, y_theirs)


def test_moons_draw_from_the_global_state_as_in_micrograds_demo() -> None:
    np.random.seed(1337)
    X, y = datasets.make_moons(n_samples=100, noise=0.1)
    np.testing.assert_allclose(X[0], MOONS_FIRST_POINT, rtol=1e-13)
    assert y[:10].tolist() == MOONS_FIRST_LABELS
    again, _ = datasets.make_moons(n_samples=100, noise=0.1, random_state=np.random.RandomState(1337))
    np.testing.assert_array_equal(X, again)


MOONS_FIRST_POINT = (1.1221146075409685, 0.08147717341718697)
MOONS_FIRST_LABELS = [0, 0, 1, 0, 1, 1, 1, 1, 1, 0]


def test_spirals_share_out_the_samples() -> None:
    X, y = datasets.make_spirals(10, n_classes=3, shuffle=False)
    assert X.shape == (10, 2) and y.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert np.linalg.norm(X, axis=1).max() == pytest.approx(1)


def test_split_is_a_partition_and_the_same_each_time() -> None:
    train, test = datasets.train_test_split(1797, 0.2, seed=0)
    assert sorted([*train, *test]) == list(range(1797))
    np.testing.assert_array_equal(test, datasets.train_test_split(1797, 0.2, seed=0)[1])
    assert not np.array_equal(test, datasets.train_test_split(1797, 0.2, seed=1)[1])
    assert len(datasets.train_test_split(5, 0.0)[1]) == 0
    assert len(datasets.train_test_split(5, 1.0)[0]) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: datasets.make_moons(-1), "make_moons: n_samples is -1"),
        (lambda: datasets.make_circles(10, factor=1.5), "factor is 1.5"),
        (lambda: datasets.make_spirals(10, n_classes=0), "n_classes is 0"),
        (lambda: datasets.train_test_split(10, 1.5), "test_fraction is 1.5"),
    ],
)
def test_bad_arguments_are_named(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()  # type: ignore[operator]


def test_no_samples_give_empty_arrays() -> None:
    X, y = datasets.make_moons(0, noise=0.1)
    assert X.shape == (0, 2) and y.shape == (0,)
