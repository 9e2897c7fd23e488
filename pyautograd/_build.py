"""Builds `pyautograd._core` with cffi, in API mode, out of line, against CPython's stable ABI.

`csrc/api.h`, with `csrc/kernels/hyper.h` in front, is read as it stands twice: by cffi, for the declarations, and by
the C compiler, in the generated file.
The module that cffi makes is handed on by `csrc/python/module.c`, which completes it:

    PyInit__core (module.c) ── pa_init_cffi_module (cffi: ffi and lib) ── adds Node, apply, …

The environment decides:

- `PYAUTOGRAD_SANITIZE=address,undefined`: with these sanitizers, and without the free lists that would hide errors.
- `PYAUTOGRAD_COVERAGE=1`: every run counts the lines and branches of the C files that it takes, for gcov.
- `PYAUTOGRAD_WERROR=1`: warnings are errors.
- `CC=clang`: the compiler, as everywhere. gcc and clang are supported, MSVC is not.
"""

import os
import sysconfig
from glob import glob
from pathlib import Path

from cffi import FFI

# The first lines undo what costs cffi 40 ns a call. Functions of the graph run under the GIL, which is what keeps two
# threads out of it; long kernels release it themselves, through the hooks (hooks.c). Nothing reports through errno.
PREAMBLE = """
#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS {
#define Py_END_ALLOW_THREADS }
#undef _cffi_restore_errno
#undef _cffi_save_errno
#define _cffi_restore_errno() ((void)0)
#define _cffi_save_errno() ((void)0)

#define PyInit__core pa_init_cffi_module

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/hyper.h"

#include "api.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
"""

# setup.py chooses the optimisation level of each file. Nothing throws, so that tables for unwinding the stack, a
# twentieth of the module, serve no one but debuggers. Functions begin cache lines: a short loop that straddles two
# takes up to twice as long, and which one does so would change with every line of code before it.
FLAGS = [
    "-std=c11",
    "-g0",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-falign-functions=64",
]


def compile_options() -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Flags of the compiler, flags of the linker, and macros, as the environment wants them."""
    compile_args = list(FLAGS)
    link_args: list[str] = []
    macros: list[tuple[str, str]] = []
    if os.environ.get("PYAUTOGRAD_WERROR", "0") not in ("", "0"):
        compile_args += ["-Wall", "-Wextra", "-Werror"]
    if sanitizers := os.environ.get("PYAUTOGRAD_SANITIZE"):
        sanitize = [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
        compile_args += [*sanitize, "-O1", "-g", "-fno-omit-frame-pointer", "-fno-wrapv"]
        link_args += sanitize
        macros.append(("PA_MEM_CACHE_CAP", "0"))
    if os.environ.get("PYAUTOGRAD_COVERAGE", "0") not in ("", "0"):
        compile_args += ["--coverage", "-O1"]
        link_args.append("--coverage")
    return compile_args, link_args, macros


def core_sources() -> list[str]:
    """The C files, relative to the root of the source tree, in an order that does not depend on the machine."""
    return sorted(glob("csrc/**/*.c", recursive=True))


def core_headers() -> list[str]:
    """What the C files include; the op table and the kernel bodies among them."""
    return sorted(path for kind in ("h", "def", "inc") for path in glob(f"csrc/**/*.{kind}", recursive=True))


def make_builder() -> FFI:
    """The cffi builder that setup.py hands to setuptools."""
    compile_args, link_args, macros = compile_options()
    builder = FFI()
    for header in ("csrc/kernels/hyper.h", "csrc/api.h"):
        builder.cdef(Path(header).read_text(encoding="utf-8"))
    builder.set_source(
        "pyautograd._core",
        PREAMBLE,
        sources=core_sources(),
        depends=[*core_headers(), "pyautograd/_build.py", "setup.py"],
        include_dirs=["csrc"],
        libraries=["m", "dl"] if sysconfig.get_platform().startswith("linux") else [],
        define_macros=macros,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        py_limited_api=True,
    )
    return builder


if __name__ == "__cffi__":
    ffibuilder = make_builder()
