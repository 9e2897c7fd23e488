"""The package exports what it says, and importing it starts, loads and looks for nothing that it does not need."""

import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import pyautograd

PUBLIC_MODULES = [
    "autograd",
    "bench",
    "nn",
    "nn.functional",
    "nn.init",
    "optim",
    "reference",
    "scalar",
    "utils.data",
]

PACKAGE = Path(pyautograd.__file__).parent
NAMES = [
    "Tensor", "Value", "MLP", "tensor", "from_numpy", "zeros", "ones", "empty", "full", "arange", "linspace", "eye",
    "rand", "randn", "randint", "randperm", "zeros_like", "ones_like", "cat", "stack", "where", "maximum", "minimum",
    "clamp", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "abs", "softmax", "log_softmax", "logsumexp", "matmul",
    "mm", "bmm", "mv", "dot", "sum", "mean", "argmax", "var", "prod", "float32", "float64", "int64", "bool", "dtype",
    "no_grad", "enable_grad", "set_grad_enabled", "is_grad_enabled", "manual_seed", "set_num_threads",
    "set_flush_denormal", "get_num_threads", "memory_stats", "save", "load", "autograd", "nn", "optim", "utils",
    "scalar", "reference",
]  # fmt: skip


def run_python(code: str) -> str:
    """What a new interpreter prints that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_value_tensor_and_mlp_are_imported_from_the_package() -> None:
    from pyautograd import MLP, Tensor, Value

    assert MLP is pyautograd.nn.MLP
    assert pyautograd.scalar.Value is Value
    assert isinstance(pyautograd.tensor([1.0]), Tensor)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(pyautograd, name) is not None


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(AttributeError, match=r"pyautograd.*no_such_name"):
        pyautograd.no_such_name


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_public_modules_export_what_they_have(name: str) -> None:
    module = importlib.import_module(f"pyautograd.{name}")
    assert module.__doc__
    for member in getattr(module, "__all__", []):
        assert hasattr(module, member), member


def test_the_version_is_that_of_the_distribution() -> None:
    assert pyautograd.__version__ == importlib.metadata.version("pyautograd-core") == "0.1.0"


def test_the_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "_core.pyi").is_file()


def test_import_starts_no_thread() -> None:
    counted = run_python(
        "import os, threading, numpy\n"
        "def threads():\n"
        "    system = '/proc/self/task'\n"
        "    return threading.active_count(), len(os.listdir(system)) if os.path.isdir(system) else 0\n"
        "before = threads()\n"
        "import pyautograd\n"
        "print(threads() == before)\n"
    )
    assert counted == "True\n"


def test_import_brings_only_what_it_depends_on() -> None:
    brought = run_python(
        "import sys\n"
        "import pyautograd\n"
        "heavy = ('matplotlib', 'graphviz', 'tqdm', 'torch', 'scipy', 'threadpoolctl')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    assert brought == "[]\n"


def test_a_free_threaded_python_is_refused() -> None:
    refused = run_python(
        "import sys\nsys.abiflags += 't'\ntry:\n    import pyautograd\nexcept ImportError as error:\n    print(error)\n"
    )
    assert "free-threaded" in refused
