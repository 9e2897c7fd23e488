"""What pyproject.toml cannot say: the compiled module, its files compiled side by side and only where they changed."""

import functools
import hashlib
import os
import platform
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_ext import build_ext

if sys.implementation.name != "cpython" or os.name == "nt":
    raise SystemExit("pyautograd builds on CPython, on Linux and macOS, with gcc or clang")
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    raise SystemExit("pyautograd does not support free-threaded Python yet: build it with a Python that has the GIL")


def build_folder() -> str:
    """A folder for each way to build, so that a sanitized object is never linked into a wheel."""
    own = ("PYAUTOGRAD_SANITIZE", "PYAUTOGRAD_COVERAGE", "PYAUTOGRAD_WERROR")
    settings = [os.environ.get(name, "") for name in ("CC", "CFLAGS", *own)]
    return "build/core" + (f"-{hashlib.sha256(repr(settings).encode()).hexdigest()[:8]}" if any(settings) else "")


HOT = {"scalar", "graph", "apply", "memory", "table", "operators", "handle", "convert", "call"}
HOT |= {"reduce", "order", "random", "special"}
RARE = {"derivatives", "gradient_graph", "hooks", "modes", "program_type", "types"}
RARE |= {"fuse", "live", "lower", "plan", "plan_values", "simplify"}
RARE |= {f"lower_{what}" for what in ("gradients", "history", "scalars", "tensors", "values")}
VECTORS = ["-ftree-vectorize", "-fvect-cost-model=dynamic", "-funswitch-loops", "-fversion-loops-for-strides"]


class BuildExt(build_ext):
    """Compiles the files of an extension in parallel; leaves out those older than their object."""

    def optimisation(self, source: Path) -> list[str]:
        """-O3 for the loops over elements and for what every op passes through: elsewhere, and in the SSE2 loops, it
        makes code larger and no faster. What makes programs and graphs of gradients is small rather than fast: it takes
        the same time. gcc is told more, clang does so by itself: no copies of functions for their constant arguments,
        and vectors in the other kernels. Small structs are cleared by vector stores: `rep stos` takes longer than an
        eager op's loop."""
        sse2 = source.stem == "isa_baseline" and platform.machine() == "x86_64"
        hot = (source.stem.startswith("isa_") and not sse2) or source.stem in HOT
        flags = ["-O3" if hot else "-Os" if source.stem in RARE else "-O2"]
        if "clang" in self.compiler_version():
            return flags
        if hot:
            flags.append("-fno-ipa-cp-clone")
        elif source.parent.name == "kernels":
            flags += VECTORS + (["-fpeel-loops"] if sse2 else [])
        if platform.machine() == "x86_64":
            flags.append("-mmemset-strategy=vector_loop:256:noalign,libcall:-1:noalign")
        return flags

    @functools.lru_cache  # noqa: B019
    def compiler_version(self) -> str:
        return subprocess.run([*self.compiler.compiler_so, "--version"], capture_output=True, text=True).stdout

    def build_extension(self, ext: Any) -> None:
        compile_files = self.compiler.compile
        newest_header = max((Path(path).stat().st_mtime for path in ext.depends), default=0.0)

        def compile_file(source: str, **options: Any) -> list[str]:
            (target,) = self.compiler.object_filenames([source], output_dir=options["output_dir"])
            changed = max(newest_header, Path(source).stat().st_mtime)
            if not self.force and Path(target).exists() and Path(target).stat().st_mtime > changed:
                return [target]
            options["extra_postargs"] = [*self.optimisation(Path(source)), *options.get("extra_postargs", [])]
            return compile_files([source], **options)

        def compile_side_by_side(sources: list[str], **options: Any) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                compiled = pool.map(lambda source: compile_file(source, **options), sources)
                found = [path for paths in compiled for path in paths]
                # What every op passes through is linked side by side, as calls far away cost one 20 ns.
                return sorted(found, key=lambda path: Path(path).stem not in {*HOT, "elementwise"})

        self.compiler.compile = compile_side_by_side
        try:
            super().build_extension(ext)
        finally:
            self.compiler.compile = compile_files


setup(
    cffi_modules=["pyautograd/_build.py:ffibuilder"],
    cmdclass={"build_ext": BuildExt},
    options={"build": {"build_base": build_folder()}, "bdist_wheel": {"py_limited_api": "cp311"}},
)
