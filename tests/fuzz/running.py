"""Programs run with pyautograd and the oracle side by side, compared after every statement; the shortest that fails."""

import gc
import os
import subprocess
import sys
import tempfile

import numpy as np
import oracle
from programs import execute, namespace, prelude

import pyautograd
from pyautograd import Tensor, Value

TOLERANCE = {"float32": (1e-3, 1e-3), "float64": (1e-9, 1e-9)}


class MismatchError(AssertionError):
    """pyautograd does something else than the oracle."""


def demand(holds, text):
    if not holds:
        raise MismatchError(text)


def compare_arrays(name, ours, theirs):
    demand(ours.dtype == theirs.dtype, f"{name} is {ours.dtype}, the oracle's {theirs.dtype}")
    demand(ours.shape == theirs.shape, f"{name} has shape {ours.shape}, the oracle's {theirs.shape}")
    rtol, atol = TOLERANCE.get(ours.dtype.name, (0, 0))
    with np.errstate(all="ignore"):
        close = np.allclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True)
    demand(close, f"{name} is {ours.tolist()}, the oracle's {theirs.tolist()}")
    np.copyto(theirs, ours)  # so that roundings do not add up


def compare_tensors(name, ours, theirs):
    compare_arrays(name, np.asarray(ours.detach()), theirs.node.array)
    for attribute in ("requires_grad", "is_leaf"):
        one, other = getattr(ours, attribute), getattr(theirs, attribute)
        demand(one == other, f"{name}.{attribute} is {one}, the oracle's {other}")
    retains = theirs.node.retains_grad
    demand(ours.retains_grad == retains, f"{name}.retains_grad is {ours.retains_grad}, the oracle's {retains}")
    demand((ours.grad is None) == (theirs.grad is None), f"{name}.grad is {ours.grad}, the oracle's {theirs.grad}")
    if ours.grad is not None:
        compare_arrays(f"{name}.grad", np.asarray(ours.grad.detach()), theirs.grad.node.array)


def compare_values(name, ours, theirs):
    for attribute in ("data", "grad"):
        one, other = getattr(ours, attribute), getattr(theirs, attribute)
        demand(np.isclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True),
               f"{name}.{attribute} is {one}, the oracle's {other}")  # fmt: skip
        setattr(theirs, attribute, one)


def compare(ours, theirs, known):
    """Everything that the names of a program stand for is the same on both sides."""
    names = [name for name in theirs if name not in known]
    demand([name for name in ours if name not in known] == names, "other names are there")
    for name in names:
        one, other = ours[name], theirs[name]
        if isinstance(other, oracle.Tensor):
            demand(isinstance(one, Tensor), f"{name} is a {type(one)}")
            compare_tensors(name, one, other)
        elif isinstance(other, oracle.Value):
            demand(isinstance(one, Value), f"{name} is a {type(one)}")
            compare_values(name, one, other)
        elif isinstance(other, np.ndarray):
            compare_arrays(name, one, other)
        elif other is None or one is None:
            demand(one is other, f"{name} is {one}")
        else:
            demand((one() is None) == (other() is None), f"{name} refers to {one()}, the oracle's to {other()}")
    for name in names:
        for before in names[: names.index(name)]:
            same = theirs[name] is theirs[before]
            demand((ours[name] is ours[before]) == same, f"{name} is {before}: the oracle says {same}")


def run(lines):
    """Runs a program on both sides. **Raises** MismatchError with the number of the line after which they differ."""
    gc.collect()
    nodes = pyautograd.memory_stats().nodes
    collecting = gc.isenabled()
    gc.disable()
    ours, theirs = namespace(pyautograd), namespace(oracle.pa)
    known = set(theirs)
    try:
        for number, line in enumerate(lines):
            (one, message), (other, text) = execute(line, ours), execute(line, theirs)
            names = [None if error is None else error.__name__ for error in (one, other)]
            try:
                demand(one == other, f"raises {names[0]} ({message}), the oracle {names[1]} ({text})")
                compare(ours, theirs, known)
            except MismatchError as mismatch:
                raise MismatchError(f"line {number}: {line}\n{mismatch}") from None
    finally:
        if collecting:
            gc.enable()
    ours.clear()
    theirs.clear()
    while gc.collect():  # what a traceback holds, and then what that held
        pass
    left = pyautograd.memory_stats().nodes - nodes
    demand(left <= 0, f"{left} nodes are left")


def replay(lines):
    """Runs a program in a process of its own; what it wrote, or None where all is well."""
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as file:
        file.write("\n".join(lines))
        file.flush()
        command = [sys.executable, os.path.dirname(__file__), "--replay", file.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return None if done.returncode == 0 else done.stdout + done.stderr


def shortest(lines, fails=replay):
    """The program without the statements that its failure does not need."""
    size = len(lines) // 2
    while size > 0:
        start = 0
        while start < len(lines):
            fewer = lines[:start] + lines[start + size :]
            if fails(fewer) is not None:
                lines = fewer
            else:
                start += size
        size //= 2
    return lines


def as_script(lines):
    """A program as a file of Python that runs alone."""
    return "\n".join(["import pyautograd as pa", "from pyautograd import Value", "", prelude(), "", *lines])


def report(seed, lines):
    """What is to be known of a failing program."""
    lines = shortest(lines)
    return f"seed {seed}:\n{replay(lines)}\n{as_script(lines)}"
