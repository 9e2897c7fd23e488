"""Each public callable, called with wrong arguments, raises what is documented and changes nothing."""

import subprocess
import sys
from pathlib import Path

import bad_arguments
import pytest


@pytest.mark.filterwarnings("ignore")
def test_wrong_arguments_raise_what_is_documented_and_change_nothing() -> None:
    _, findings = bad_arguments.sweep(seed=0, calls=10_000, seconds=None)
    assert not findings, "\n".join(f"{name}: {wrong} (call {number})" for number, name, wrong in findings)


def test_the_sweep_reaches_every_family_of_callables() -> None:
    names = {target.name for target in bad_arguments.targets()}
    assert {
        "pyautograd.softmax", "pyautograd.Tensor.backward", "pyautograd.Tensor.requires_grad =", "pyautograd.nn.Linear",
        "pyautograd.nn.functional.cross_entropy", "pyautograd.nn.init.uniform_", "pyautograd.optim.SGD",
        "pyautograd.optim.lr_scheduler.StepLR", "pyautograd.utils.data.DataLoader", "pyautograd.autograd.grad",
        "pyautograd.Value.__add__", "pyautograd.reference.Value", "pyautograd.datasets.make_moons", "pyautograd.save",
        "pyautograd.compile",
    } <= names  # fmt: skip


def test_a_crash_and_an_undocumented_exception_are_findings() -> None:
    class Sick(bad_arguments.Target):
        pass

    def dies(value: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'shape'")

    sick = Sick("sick", lambda: dies, bad_arguments._parameters(dies, False))
    found = bad_arguments.call(sick, 0, 0)
    assert found is not None
    assert found.startswith("AttributeError")
    script = Path(bad_arguments.__file__)
    done = subprocess.run([sys.executable, script, "--calls", "3"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "3 calls of" in done.stdout
