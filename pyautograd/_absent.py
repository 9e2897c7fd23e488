"""PyTorch's names that are not here: asking for one raises an error that names it, says why, and what to write.

The error is an AttributeError, so that `hasattr` and `getattr` with a default find out, and a NotImplementedError. The
names are the ones that docs/pytorch-names.md lists (`make names` writes both); they are read when one is asked for.
"""

from __future__ import annotations

import functools
import importlib
import sys

from pyautograd._install import late

INSTEAD = {
    "torch.get_device_module": "cuda.is_available(), which is False", "torch.lobpcg": "linalg.eigh",
    "torch.linalg.eig": "linalg.eigh, of a symmetric matrix", "torch.linalg.eigvals": "linalg.eigvalsh",
    **dict.fromkeys(("torch.lu_solve", "torch.linalg.lu_solve", "torch.linalg.lu_factor"), "linalg.solve"),
    "torch.linalg.lu": "linalg.qr, or linalg.solve", "torch.linalg.ldl_solve": "linalg.solve",
    "torch.optim.Adafactor": "optim.AdamW", "torch.optim.Muon": "optim.AdamW or optim.SGD(momentum=)",
    "torch.utils.data.get_worker_info": "no workers: a DataLoader reads in this process",
    "torch.func.stack_module_state": "a loop over the modules", "torch.complex": "two tensors of real numbers",
}  # fmt: skip


class MissingNameError(AttributeError, NotImplementedError):
    """A name of PyTorch that this package does not have."""


def missing(module: str, name: str) -> AttributeError:
    """The error for an attribute that a module, by its name, does not have."""
    path = module.replace("pyautograd", "torch", 1)
    for why, names in late("_absent_names").ABSENT.get(path, {}).items():
        if name in names.split():
            reason = f", which leaves out {why}" if why else ""
            instead = INSTEAD.get(f"{path}.{name}")
            hint = f"; write {instead}" if instead else ""
            return MissingNameError(f"{path}.{name} of PyTorch is not in pyautograd{reason}{hint}", name=name)
    return AttributeError(f"module {module!r} has no attribute {name!r}", name=name)


def _find(module: str, name: str) -> object:
    """A module that has another path here, or is imported when it is asked for."""
    if (
        f"{module}.{name}" != "pyautograd.optim.swa_utils"
        and late("_paths").home_of(f"{module}.{name}".partition(".")[2]) is None
    ):
        raise missing(module, name)
    return importlib.import_module(f"{module}.{name}")


def say_what_is_missing(module: str) -> None:
    """Lets a module raise these errors. It is given no `__getattr__` that a type checker would see: that would take any
    name for one of the module's."""
    vars(sys.modules[module])["__getattr__"] = functools.partial(_find, module)
