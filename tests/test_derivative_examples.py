"""The examples of docs/derivatives.md learn what they are for."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="examples/ is not beside the tests")


def test_a_net_comes_nearer_to_burgers_equation() -> None:
    example = runpy.run_path(str(EXAMPLES / "burgers.py"))
    pa.manual_seed(0)
    losses = example["train"](nn.MLP(2, [12, 12, 1], activation="tanh"), steps=600, points=32)
    assert losses[-60:].mean() < 0.3 * losses[:20].mean()


def test_finite_differences_keep_the_symmetry_of_burgers_equation() -> None:
    example = runpy.run_path(str(EXAMPLES / "burgers.py"))
    x, rows = example["by_finite_differences"](n=41, steps=400)
    assert rows.shape == (5, 41) and np.allclose(rows, -rows[:, ::-1]) and np.allclose(rows[0], -np.sin(np.pi * x))


def test_what_moves_along_a_net_s_energy_keeps_it() -> None:
    example = runpy.run_path(str(EXAMPLES / "hamiltonian.py"))
    pa.manual_seed(0)
    net = nn.MLP(2, [8, 1], activation="tanh").double()
    velocity = example["along"](net)
    path = example["move"](velocity, pa.tensor([[1.0, 0.5]], dtype=pa.float64), steps=50)
    with pa.no_grad():
        numbers = net(pa.tensor(path)).numpy()
    assert np.ptp(path) > 0.1 and np.ptp(numbers) < 1e-5
