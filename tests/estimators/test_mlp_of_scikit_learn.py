"""scikit-learn's own tests of its perceptrons hold for ours: all but those that read what is private to it."""

import sys
from collections.abc import Iterator

import pytest
import sklearn.neural_network as theirs

import pyautograd.sklearn as ours

READ_PRIVATE_ATTRIBUTES = {
    "test_gradient",  # _loss_grad_lbfgs
    "test_learning_rate_warmstart",  # _optimizer.learning_rate
    "test_adaptive_learning_rate",
}
CLASSES = ("MLPClassifier", "MLPRegressor")
MODULE = "sklearn.neural_network.tests.test_mlp"


def _ours_tested() -> Iterator[tuple[str, object]]:
    """The tests, imported anew with our classes in the place of theirs."""
    kept = {name: getattr(theirs, name) for name in CLASSES}
    imported = sys.modules.pop(MODULE, None)
    try:
        for name in CLASSES:
            setattr(theirs, name, getattr(ours, name))
        tests = vars(pytest.importorskip(MODULE))
    finally:
        for name, theirs_of_it in kept.items():
            setattr(theirs, name, theirs_of_it)
        sys.modules.pop(MODULE, None)
        if imported is not None:
            sys.modules[MODULE] = imported
    for name, test in tests.items():
        if name.startswith("test_") and name not in READ_PRIVATE_ATTRIBUTES:
            yield name, test


globals().update(_ours_tested())
pytestmark = pytest.mark.filterwarnings("default")  # theirs ignore or expect warnings one by one


@pytest.fixture
def global_random_seed() -> int:
    return 42
