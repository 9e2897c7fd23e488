"""The elementwise rows of the op table, with parameters and operands to try each of them on."""

import numpy as np

import pyautograd as pa
from pyautograd import _ops
from pyautograd._core import apply

ROWS = {row.name: row for row in _ops.table.values() if row.family == "elementwise"}

# Other numbers than the defaults, or for rows that have none
PARAMETERS = {
    "power": (3.0,), "leaky_relu": (0.1,), "elu": (1.5,), "softplus": (1.2, 20.0), "clamp": (-0.7, 0.9),
    "huber": (0.8,), "hinge": (1.0,), "polygamma": (2.0,),
}  # fmt: skip

# Where a row is defined and smooth, if that is not everywhere
DOMAINS = {
    "log": (0.1, 3.0), "log1p": (-0.8, 3.0), "sqrt": (0.1, 3.0), "reciprocal": (0.3, 3.0), "div": (0.3, 3.0),
    "pow": (0.3, 3.0), "bce": (0.1, 0.9), "log2": (0.1, 3.0), "log10": (0.1, 3.0), "tan": (-1.2, 1.2),
    "asin": (-0.9, 0.9), "acos": (-0.9, 0.9), "acosh": (1.2, 3.0), "atanh": (-0.9, 0.9), "atan2": (0.3, 3.0),
    "hypot": (0.3, 3.0), "remainder": (0.3, 3.0), "fmod": (0.3, 3.0), "floor_divide": (0.3, 3.0), "erfinv": (-0.9, 0.9),
    "lgamma": (0.3, 3.0), "digamma": (0.3, 3.0), "polygamma": (0.3, 3.0), "xlogy": (0.3, 3.0), "copysign": (0.3, 3.0),
}  # fmt: skip


def draw(name: str, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Inputs for a row: in its domain, away from kinks and ties."""
    low, high = DOMAINS.get(name, (-2.0, 2.0))
    rng = np.random.default_rng([len(name), *(size for shape in shapes for size in shape)])
    arrays = [rng.uniform(low, high, shape) for shape in shapes]
    return [np.where(np.abs(a * 10 % 1) < 0.05, a + 0.013, a) for a in arrays]


def parameters(name: str) -> tuple[float, ...]:
    """The parameters that a row is tried with: those above, else the defaults of its function."""
    if name in PARAMETERS or not ROWS[name].parameters:
        return PARAMETERS.get(name, ())
    return getattr(pa, name).__defaults__


def call(name: str, *operands: object) -> pa.Tensor:
    return apply(ROWS[name].number, *operands, *parameters(name))
