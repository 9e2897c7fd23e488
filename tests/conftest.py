"""What every test gets: fixed seeds, default print options, the same examples of hypothesis, the check that no node is
left behind."""

import gc
import random
from collections.abc import Iterator
from types import ModuleType

import hypothesis
import numpy as np
import pytest
from layouts import ISAS, using

import pyautograd
from pyautograd import reference, scalar

# The same examples everywhere, however slow the machine.
hypothesis.settings.register_profile(
    "any machine", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_report_header() -> str:
    return f"pyautograd {pyautograd.__version__} from {pyautograd.__file__}"


@pytest.fixture(autouse=True)
def _seeds_and_print_options() -> None:
    random.seed(0)
    np.random.seed(0)
    pyautograd.manual_seed(0)
    pyautograd.set_printoptions(profile="default")


@pytest.fixture(params=[scalar, reference], ids=["scalar", "reference"])
def engine(request: pytest.FixtureRequest) -> ModuleType:
    """Runs a test once with the Values of C and once with those of pure Python."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs a test once on every instruction set of this machine."""
    with using(request.param):
        yield request.param


@pytest.fixture(autouse=True, scope="module")
def _no_node_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    gc.collect()
    nodes = pyautograd.memory_stats().nodes
    failed = request.session.testsfailed
    yield
    gc.collect()
    if request.session.testsfailed == failed:  # a traceback keeps its tensors
        assert pyautograd.memory_stats().nodes <= nodes
