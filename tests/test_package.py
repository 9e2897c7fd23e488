"""The package as such: what it exports, what importing it does, what it says of itself."""

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


def run_python(code: str) -> str:
    """What a new interpreter prints that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_three_ways_in() -> None:
    from pyautograd import MLP, Tensor, Value

    assert MLP is pyautograd.nn.MLP
    assert pyautograd.scalar.Value is Value
    assert isinstance(pyautograd.tensor([1.0]), Tensor)


def test_exported_members_are_public_and_exist() -> None:
    assert len(pyautograd.__all__) == len(set(pyautograd.__all__))
    for name in pyautograd.__all__:
        assert not name.startswith("_") or name == "__version__"
        assert hasattr(pyautograd, name), name


def test_every_public_name_is_exported() -> None:
    modules = {name.split(".")[0] for name in PUBLIC_MODULES}
    public = {
        name
        for name, value in vars(pyautograd).items()
        if not name.startswith("_") and type(value).__name__ != "module" and name not in modules
    }
    assert public <= set(pyautograd.__all__), public - set(pyautograd.__all__)


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_public_modules_export_what_they_have(name: str) -> None:
    module = importlib.import_module(f"pyautograd.{name}")
    assert module.__doc__
    for member in getattr(module, "__all__", []):
        assert hasattr(module, member), member


def test_version() -> None:
    assert pyautograd.__version__ == importlib.metadata.version("pyautograd-core") == "0.1.0"


def test_is_typed() -> None:
    package = Path(pyautograd.__file__).parent
    assert (package / "py.typed").is_file()
    assert (package / "_core.pyi").is_file()


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
        "import sysconfig\n"
        "original = sysconfig.get_config_var\n"
        "sysconfig.get_config_var = lambda name: 1 if name == 'Py_GIL_DISABLED' else original(name)\n"
        "import sys\n"
        "sys._is_gil_enabled = lambda: False\n"
        "try:\n"
        "    import pyautograd\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    assert "free-threaded" in refused
