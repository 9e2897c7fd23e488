"""What training a net by its program makes the process grow by, against what the program has planned.

A net has a process of its own, so that nothing freed before is used again.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import pyautograd as pa
from peers import nets, ours, rounds
from pyautograd.bench._engines import Problem

STATUS = Path("/proc/self/statm")


def measure(name: str, options: Any, progress: rounds.Progress) -> rounds.Case:
    """The case of one net, all in bytes; empty where the system does not tell."""
    net = nets.NETS[name]
    case = rounds.Case(f"memory/{name}", f"the memory of a program of {net.title}", ())
    if not ours.compiles() or not STATUS.exists():
        return case
    small = nets.NETS["moons"]
    ours.Call(small.problem(small)).run(4)  # whatever is loaded at the first compilation
    whole = net.problem(net)
    problem = Problem(whole.sizes, whole.batches[:1], whole.lr)
    weights = sum(array.nbytes for layer in problem.weights for array in layer)
    batch = [pa.tensor(array) for array in problem.batches[0]]
    pa.tensor(problem.batches[0][0]) @ pa.zeros(net.sizes[0], net.sizes[1])  # the library's own buffers for products
    before = resident()
    trainer = ours.Call(problem)
    for _ in range(ours.RECORDED + 2):
        trainer.step(*batch)
    about = trainer.step.programs[0].describe()
    case.facts = {
        "resident": resident() - before,
        "arena": about["arena_bytes"],
        "scratch": about["scratch_bytes"],
        "tensors": about["tensor_bytes"],
        "parameters": weights,
        "gradients": weights,
        "state": 2 * weights,
    }
    return case


def resident() -> int:
    """Bytes of this process in memory, once what can be given back has been."""
    gc.collect()
    pa.empty_cache()
    return int(STATUS.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
