"""python tests/pytorch/names.py: writes docs/pytorch-names.md, PyTorch's documented names and which of them are here,
and pyautograd/_absent_names.py, those that are not; with --check it says whether both are what it would write.

A name is there whole, or partly, without the parameters that are named; or it is missing. Parameters are compared by
their names, as signatures and docstrings have them; what the whole package leaves out is said once, on the page.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "pytorch-names.md"
ABSENT = ROOT / "pyautograd" / "_absent_names.py"

NAMESPACES = [
    "torch", "torch.Tensor", "torch.linalg", "torch.special", "torch.autograd", "torch.autograd.functional",
    "torch.func", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.utils",
    "torch.nn.utils.rnn", "torch.optim", "torch.optim.lr_scheduler", "torch.optim.swa_utils",
    "torch.utils.data",
]  # fmt: skip

# What the package is not about, by names in lower case
OUTSIDE = {
    "volumes, indices of pooling, and resized images": r"conv|pool|fold$|pixel_?(un)?shuffle|channel_?shuffle|upsampl"
    r"|interpolate|grid_sample|affine_grid|(batch|instance)_?norm[23]d|instance_?norm|dropout[123]d|pad[123]d"
    r"|local_?response|crossmap|softmax2d",
    "packed sequences and bags": r"pack_|packed|rnn|lstm|gru|attention|transformer|embedding_?bag|ctc_?loss",
    "complex numbers, windows and spectra": r"complex|real$|imag|conj|polar|angle|stft|_window|cfloat|cdouble|chalf",
    "sparse, quantised, named and distributed tensors, other devices and precisions": r"sparse|csr|csc|bsr|bsc|coalesce"
    r"|indices$|crow|ccol|quant|q_(per|scale|zero)|q[us]?int|int_repr|mkldnn|cuda|xpu|vulkan|ipu|xla|hpu|mtia|names?$|na"
    r"med|align_|refine_|nested|distribut|parallel|half|char|short|bfloat16|u?int(8|16|32|64)$|float16|bits|sspaddmm"
    r"|hspmm|smm$|dsmm",
    "machinery": r"storage|script|sym[_A-Zbif]|compil|dispatch|graph$|profil|overrides|functional_?i[sz]|stride"
    r"|(?<!index)_copy$|pin_mem|pinned|share_mem|resolve|set_default|is_(conj|neg|inference|set_to|leaf)|lazy|uninit|jit"
    r"|export|cond$|vitals|deterministic|autocast|thread|interop|warn|resize|unsafe|apply_|map_|stream|event|generator",
}
INDENT: dict[str, Any] = {
    "initial_indent": " " * 12, "subsequent_indent": " " * 12, "break_long_words": False, "break_on_hyphens": False,
}  # fmt: skip
NOWHERE = {"out", "layout", "pin_memory", "memory_format", "names", "device", "input", "self"}


def found(path: str) -> Any:
    """The module or class of a path; None where there is none."""
    try:
        return importlib.import_module(path)
    except ImportError:
        root, _, rest = path.partition(".")
        try:
            return functools.reduce(getattr, rest.split("."), importlib.import_module(root))
        except AttributeError:
            return None


def names(namespace: Any) -> list[str]:
    """Its documented callables."""
    listed = getattr(namespace, "__all__", None) or dir(namespace)
    return sorted({name for name in listed if name[0] != "_" and documented(getattr(namespace, name, None))})


def documented(thing: Any) -> bool:
    text, home = getattr(thing, "__doc__", None), getattr(thing, "__module__", None) or "torch"
    of_c = isinstance(thing, type) and home == "torch._C"
    return callable(thing) and isinstance(text, str) and len(text) > 40 and home.startswith("torch") and not of_c


def parameters(thing: Any) -> dict[str, bool] | None:
    """Names of what a call may be given, and whether it may be left out; None where nothing says so."""
    if isinstance(thing, type):
        thing = thing.__init__
    try:
        signature = inspect.signature(thing).parameters.values()
        if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in signature):
            return None
        taken = {each.name: each.default is not each.empty for each in signature}
    except (TypeError, ValueError):
        called = re.search(r"\w+\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*->", thing.__doc__ or "")
        if called is None:
            return None
        taken = dict.fromkeys(re.findall(r"\b([a-z]\w*)=", called[1]), True)
    return taken | dict.fromkeys(("size_average", "reduce"), True) if "reduction" in taken else taken


def lacking(ours: Any, theirs: Any) -> list[str]:
    """The parameters that theirs may be given and ours does not take."""
    taken, wanted = parameters(ours), parameters(theirs)
    if taken is None or wanted is None:
        return []
    return sorted(name for name, optional in wanted.items() if optional and name not in {*taken, *NOWHERE})


def outside(name: str) -> str | None:
    return next((what for what, pattern in OUTSIDE.items() if re.search(pattern, name.lower())), None)


def section(path: str) -> tuple[str, int, int, int]:
    """The text of a namespace, and how many names are there, partly there, missing."""
    theirs, ours = found(path), found(path.replace("torch", "pyautograd", 1))
    yes, partly, no = [], [], []
    for name in names(theirs):
        here = getattr(ours, name, None)
        if here is None:
            if outside(name) is None:
                no.append(f"`{name}`")
        elif missing := lacking(here, getattr(theirs, name)):
            partly.append(f"`{name}` (without {', '.join(f'`{each}`' for each in missing)})")
        else:
            yes.append(f"`{name}`")
    lines = [f"## {path}\n"]
    for title, listed in (("Yes", yes), ("Partly", partly), ("No", no)):
        if listed:
            lines.append(textwrap.fill(f"**{title}** ({len(listed)}): {', '.join(listed)}.", 116) + "\n")
    return "\n".join(lines), len(yes), len(partly), len(no)


def page() -> str:
    """The whole page."""
    import torch

    sections = [section(path) for path in NAMESPACES]
    rows = [
        f"| {path} | {yes} | {partly} | {no} |" for path, (_, yes, partly, no) in zip(NAMESPACES, sections, strict=True)
    ]
    kinds = "\n".join(f"- {what}" for what in OUTSIDE)
    return f"""# PyTorch's names

Written by `make names` from PyTorch {torch.__version__.partition("+")[0]} as it is installed: which of its documented
names this package has under the same path. *Partly* names the parameters that are missing. No function takes `out=`,
`layout=`, `pin_memory=` or `memory_format=`. What behaves differently stands in [Coming from PyTorch](pytorch.md).

| | yes | partly | no |
|---|---|---|---|
{chr(10).join(rows)}

Left out of the lists, where they are missing:

{kinds}

{chr(10).join(text for text, *_ in sections)}"""


def absent() -> str:
    """The names that are not here, as a module: by namespace, and by what of the package's limits says why."""
    entries: dict[str, dict[str, list[str]]] = {}
    for path in NAMESPACES:
        theirs, ours = found(path), found(path.replace("torch", "pyautograd", 1))
        home = path if isinstance(ours, type) else ours.__name__.replace("pyautograd", "torch", 1)
        by_reason = entries.setdefault(home, {})
        below = inspect.getmembers(theirs, inspect.ismodule) if path == "torch" else []
        for name in sorted({*names(theirs), *(name for name, _ in below if name[0] != "_")}):
            if not hasattr(ours, name):
                by_reason.setdefault(outside(name) or "", []).append(name)
    text = ""
    for path, by_reason in entries.items():
        listed = "".join(
            f'        "{why}": """\n{textwrap.fill(" ".join(group), 108, **INDENT)}\n        """,\n'
            for why, group in sorted(by_reason.items())
        )
        text += f'    "{path}": {{\n{listed}    }},\n' if listed else ""
    return f'''"""PyTorch's names that are not here, by namespace and by what the package leaves out.

Written by `make names` from PyTorch as it is installed.
"""

ABSENT: dict[str, dict[str, str]] = {{
{text}}}
'''


if __name__ == "__main__":
    for file, text in ((PAGE, page()), (ABSENT, absent())):
        if "--check" not in sys.argv:
            file.write_text(text, encoding="utf-8")
        elif file.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{file.name} is not what `make names` writes")
