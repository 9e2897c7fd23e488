"""Small data sets to learn on: two that are drawn and one that ships with the package.

The drawn ones follow scikit-learn draw by draw, so that a seed gives the same points here as there.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["load_digits", "make_circles", "make_moons", "make_spirals", "train_test_split"]


def __dir__() -> list[str]:
    return __all__


def load_digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The 1,797 handwritten digits of the UCI optical-recognition set, as scikit-learn's `load_digits` has them.

    **Returns** `X`, float32 of shape (1797, 64): rows of 8x8 pixels between 0 (paper) and 1 (ink); and `y`, int64 of
    shape (1797,): the digit 0 to 9.

    The data: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
    1998, https://doi.org/10.24432/C50P49, under the licence CC BY 4.0. Its test part, unchanged but for its packing.

    >>> X, y = load_digits()
    >>> X.shape, y.shape, float(X.max())
    ((1797, 64), (1797,), 1.0)
    """
    with resources.files("pyautograd").joinpath("data/digits.npz").open("rb") as file, np.load(file) as arrays:
        pixels, labels = arrays["pixels"], arrays["labels"]
    return pixels.reshape(-1, 64).astype(np.float32) / np.float32(16), labels.astype(np.int64)


def make_moons(
    n_samples: int = 100,
    *,
    shuffle: bool = True,
    noise: float | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two interleaving half circles; scikit-learn's `make_moons`, the same numbers for the same seed.

    `noise` is the standard deviation of what is added to the points. `random_state` is a seed, a `RandomState`, or None
    for NumPy's global one (`np.random.seed`). Returns `X`, float64 of shape (n_samples, 2), and `y`, int64 of shape
    (n_samples,): 0 for the outer moon, 1 for the inner one. Raises ValueError if `n_samples` is negative.

    >>> X, y = make_moons(100, noise=0.1, random_state=1337)
    >>> X.shape, y.sum()
    ((100, 2), np.int64(50))
    """
    n_outer, n_inner = _halves(n_samples, "make_moons")
    outer = np.linspace(0, np.pi, n_outer)
    inner = np.linspace(0, np.pi, n_inner)
    X = np.vstack([np.append(np.cos(outer), 1 - np.cos(inner)), np.append(np.sin(outer), 1 - np.sin(inner) - 0.5)]).T
    return _finish(X, (n_outer, n_inner), shuffle, noise, random_state)


def make_circles(
    n_samples: int = 100,
    *,
    shuffle: bool = True,
    noise: float | None = None,
    random_state: int | np.random.RandomState | None = None,
    factor: float = 0.8,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A circle in a circle; scikit-learn's `make_circles`, the same numbers for the same seed.

    `factor` is the radius of the inner circle, the outer one's being 1; the other arguments and the result are those of
    `make_moons`, 0 for the outer circle. Raises ValueError unless 0 <= factor < 1.

    >>> X, y = make_circles(6, shuffle=False, factor=0.5)
    >>> X.round(2)[:3].tolist()
    [[1.0, 0.0], [-0.5, 0.87], [-0.5, -0.87]]
    """
    if not 0 <= factor < 1:
        raise ValueError(f"make_circles: factor is {factor}, but must be at least 0 and below 1")
    n_outer, n_inner = _halves(n_samples, "make_circles")
    outer = np.linspace(0, 2 * np.pi, n_outer, endpoint=False)
    inner = np.linspace(0, 2 * np.pi, n_inner, endpoint=False)
    X = np.vstack(
        [np.append(np.cos(outer), np.cos(inner) * factor), np.append(np.sin(outer), np.sin(inner) * factor)]
    ).T
    return _finish(X, (n_outer, n_inner), shuffle, noise, random_state)


def make_spirals(
    n_samples: int = 100,
    *,
    n_classes: int = 2,
    turns: float = 1.0,
    shuffle: bool = True,
    noise: float | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Arms of a spiral around the origin, one a class: a harder relative of the moons.

    Each arm makes `turns` turns while its radius grows from 0 to 1. The other arguments and the result are those of
    `make_moons`, `y` counting the classes from 0. Raises ValueError if `n_classes` is below 1.

    >>> X, y = make_spirals(90, n_classes=3, noise=0.02, random_state=0)
    >>> np.bincount(y).tolist()
    [30, 30, 30]
    """
    if n_classes < 1:
        raise ValueError(f"make_spirals: n_classes is {n_classes}, but must be at least 1")
    _halves(n_samples, "make_spirals")
    counts = tuple(n_samples // n_classes + (k < n_samples % n_classes) for k in range(n_classes))
    arms = []
    for k, count in enumerate(counts):
        radius = np.linspace(0, 1, count)
        angle = 2 * np.pi * (turns * radius + k / n_classes)
        arms.append(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    return _finish(np.concatenate(arms), counts, shuffle, noise, random_state)


def train_test_split(n: int, test_fraction: float = 0.2, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Splits the indices 0 … n-1 at random into two int64 arrays: what to train on and what to test on.

    The same `n`, `test_fraction` and `seed` give the same split on every machine (NumPy's frozen `RandomState`). The
    test part has `round(n * test_fraction)` indices. Raises ValueError unless 0 <= test_fraction <= 1.

    >>> train, test = train_test_split(1797, 0.2, seed=0)
    >>> len(train), len(test), len(set(train) & set(test))
    (1438, 359, 0)
    """
    if not 0 <= test_fraction <= 1:
        raise ValueError(f"train_test_split: test_fraction is {test_fraction}, but must be between 0 and 1")
    order = np.random.RandomState(seed).permutation(n).astype(np.int64)
    n_test = round(n * test_fraction)
    return order[n_test:], order[:n_test]


def _halves(n_samples: int, who: str) -> tuple[int, int]:
    if n_samples < 0:
        raise ValueError(f"{who}: n_samples is {n_samples}, but must not be negative")
    return n_samples // 2, n_samples - n_samples // 2


def _finish(
    X: NDArray[np.float64],
    counts: tuple[int, ...],
    shuffle: bool,
    noise: float | None,
    random_state: int | np.random.RandomState | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Labels, shuffles and disturbs the points; the order of the draws is scikit-learn's."""
    generator: Any
    if random_state is None:
        generator = np.random  # its functions draw from the global RandomState
    elif isinstance(random_state, np.random.RandomState):
        generator = random_state
    else:
        generator = np.random.RandomState(random_state)
    y = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    if shuffle:
        order = np.arange(len(X))
        generator.shuffle(order)
        X, y = X[order], y[order]
    if noise is not None:
        X = X + generator.normal(scale=noise, size=X.shape)
    return np.ascontiguousarray(X), y
