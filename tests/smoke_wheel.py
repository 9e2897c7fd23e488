"""Run by an interpreter that has the wheel installed, from a folder that is not the source tree.

    python smoke_wheel.py

Prints what it did and exits with 0 when the installed package is whole and works.
"""

import importlib.metadata
import sys
from pathlib import Path

from micrograd_demo import readme


def check_contents() -> None:
    """The package comes from site-packages, with all that belongs to it and nothing else."""
    import pyautograd

    package = Path(pyautograd.__file__).resolve().parent
    assert package.parent.name in ("site-packages", "dist-packages"), package
    for name in ("py.typed", "_core.pyi", "_core.abi3.so", "data"):
        assert (package / name).exists(), name

    distribution = importlib.metadata.distribution("pyautograd-core")
    files = [str(path) for path in distribution.files or []]
    assert any(path.endswith("licenses/LICENSE") for path in files), files
    assert not any(path.endswith((".c", ".h", ".def", ".inc", ".o")) for path in files), files
    assert not any(path.startswith(("tests", "csrc", "benchmarks")) for path in files), files
    assert distribution.version == pyautograd.__version__
    assert {"numpy", "cffi", "threadpoolctl"} == {
        line.split(";")[0].strip().split(">")[0] for line in distribution.requires or [] if "extra" not in line
    }
    if sys.platform == "linux":
        wheel = distribution.read_text("WHEEL") or ""
        assert "cp311-abi3-manylinux" in wheel, wheel


def check_micrograd() -> None:
    """The example in micrograd's README."""
    import pyautograd

    a, b, g = readme(pyautograd)
    assert f"{g.data:.4f}" == "24.7041", g
    assert f"{a.grad:.4f}" == "138.8338", a
    assert f"{b.grad:.4f}" == "645.5773", b


def check_training() -> None:
    """A small net learns exclusive or."""
    import pyautograd
    from pyautograd import MLP, Tensor, nn, optim

    pyautograd.manual_seed(0)
    x = pyautograd.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = pyautograd.tensor([[0.0], [1.0], [1.0], [0.0]])
    model = MLP(2, [16, 16, 1], activation="tanh")
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    loss_function = nn.MSELoss()
    for _ in range(300):
        loss = loss_function(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert isinstance(loss, Tensor)
    assert loss.item() < 0.01, loss.item()


def main() -> None:
    for check in (check_contents, check_micrograd, check_training):
        check()
        print(f"ok: {check.__name__}")


if __name__ == "__main__":
    main()
