"""Module paths that PyTorch's scripts import from, such as `nn.parameter`, and the package under another name.

What is imported by such a path is the module or namespace that has the names, and no second copy of it.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from typing import Any

__all__: list[str] = []

_HOMES = {  # a path, and all below it → where its names are: a module, or `compat:` and a namespace in it
    "accelerator": "compat:accelerator",
    "amp": "compat:amp",
    "autograd.function": "autograd",
    "autograd.variable": "autograd",
    "backends": "compat:backends",
    "backends.cuda": "compat:backends.cuda",
    "backends.cudnn": "compat:backends.cudnn",
    "backends.mkl": "compat:backends.mkl",
    "backends.mps": "compat:backends.mps",
    "backends.openmp": "compat:backends.openmp",
    "cuda": "compat:cuda",
    "cuda.amp": "compat:amp",
    "jit": "compat:jit",
    "mps": "compat:mps",
    "nn.modules": "nn",
    "nn.modules.loss": "nn._loss",
    "nn.parameter": "nn",
    "nn.utils.clip_grad": "nn.utils",
    "nn.utils.rnn": "nn.utils",
    "optim.adam": "optim",
    "optim.adamw": "optim",
    "optim.optimizer": "optim",
    "optim.rmsprop": "optim",
    "optim.sgd": "optim",
    "random": "compat:random",
    "utils.data.dataloader": "utils.data",
    "utils.data.dataset": "utils.data",
    "utils.data.sampler": "utils.data",
    "version": "compat:version",
}
_roots = {"pyautograd"}


def home_of(path: str) -> str | None:
    """Where the names of a path below the package are, if that is elsewhere."""
    while path:
        if path in _HOMES:
            return _HOMES[path]
        path = path.rpartition(".")[0] if path.startswith("nn.modules.") else ""
    return None


class _Loader:
    def __init__(self, home: str) -> None:
        self._home = home

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        path, _, names = self._home.partition(":")
        found: Any = importlib.import_module(f"pyautograd.{path}")
        for name in names.split(".") if names else ():
            found = getattr(found, name)
        sys.modules[module.__name__] = found


class _Finder:
    """Of `sys.meta_path`: knows the paths of this package alone."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        root, _, below = name.partition(".")
        if root not in _roots or not below:
            return None
        home = home_of(below) or (below if root != "pyautograd" else None)
        return None if home is None else ModuleSpec(name, _Loader(home), is_package=True)  # type: ignore[arg-type]


def register(name: str) -> None:
    """Let imports of a name, and of all below it, find this package."""
    if sys.modules.get(name, sys.modules["pyautograd"]) is not sys.modules["pyautograd"]:
        raise RuntimeError(f"register: another package {name!r} is already imported")
    _roots.add(name)
    sys.modules[name] = sys.modules["pyautograd"]


def install() -> None:
    """Let imports below the package's name find what has another home. Asked before the files are: below a registered
    name these would be read a second time."""
    sys.meta_path.insert(0, _Finder)
