"""Values, gradients, second derivatives and tangents of every public function are PyTorch's: a sample of sweep.py."""

import warnings

import numpy as np
import pytest

pytest.importorskip("torch")

from sweep import NAMES, Sweep

SWEEP = Sweep(full=False)


def test_most_of_the_package_is_compared() -> None:
    assert len(NAMES) > 800


@pytest.mark.parametrize("name", NAMES)
def test_a_function_is_pytorchs(name: str) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = SWEEP.of(name)
    assert not found, "\n".join(found)
