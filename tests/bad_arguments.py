"""Every public callable with arguments of the wrong kind: documented exceptions come back, and nothing has changed.

The callables are found by walking the package. Each call takes right arguments, made by the names of the parameters,
and puts wrong ones in the place of one or more. It runs in a subprocess, so that a crash or a hang is a finding like
any other. A call is determined by the seed and its number.

    python tests/bad_arguments.py --calls 20000            twenty thousand calls
    python tests/bad_arguments.py --seconds 3600           for an hour
    python tests/bad_arguments.py --seed 7 --only 1234     one call, with its traceback
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import faulthandler
import functools
import inspect
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import pyautograd as pa
from pyautograd import autograd, datasets, func, linalg, nn, optim, reference, scalar
from pyautograd.nn import functional, init
from pyautograd.optim import lr_scheduler
from pyautograd.utils import data

BATCH = 2000  # calls of one subprocess
PATIENCE = 20  # seconds that one call may take
MEMORY = 6 << 30  # bytes of address space: what is larger is a MemoryError and not a machine that swaps

ALLOWED = (TypeError, ValueError, IndexError, KeyError, RuntimeError, NotImplementedError, OverflowError, MemoryError,
           StopIteration, OSError, ZeroDivisionError, FloatingPointError)  # fmt: skip

UNBOUNDED = ("scalar.", "reference.", "datasets.")  # make as many objects of Python as they are asked to
MISSING_NAMES = {"get_submodule", "get_parameter"}  # a name that is not there is an AttributeError, as in PyTorch

MODULES = [
    pa, nn, functional, linalg, init, nn.utils, optim, lr_scheduler, data, autograd, autograd.functional, func, scalar,
    reference, datasets,
]  # fmt: skip
LEFT_OUT = {
    "bench", "demo", "plot",  # programs
    "MLP.fit",  # trains
    "set_num_threads",  # takes any positive number
    "Value.__init_subclass__", "Value.__subclasshook__",
}  # fmt: skip
OPERATORS = """__abs__ __add__ __and__ __bool__ __call__ __contains__ __deepcopy__ __divmod__
__eq__ __float__ __floordiv__ __format__ __ge__ __getitem__ __gt__ __iadd__ __imul__ __index__
__int__ __invert__ __isub__ __iter__ __itruediv__ __le__ __len__ __lshift__ __lt__ __matmul__
__mod__ __mul__ __ne__ __neg__ __or__ __pow__ __radd__ __repr__ __rmatmul__ __rmul__ __rpow__
__rshift__ __rsub__ __rtruediv__ __setitem__ __sub__ __truediv__ __xor__""".split()  # noqa: SIM905


class Evil:
    """Whatever is asked of it raises."""

    def _raise(self, *_: Any) -> Any:
        raise ValueError("asked")

    __index__ = __float__ = __len__ = __iter__ = __array__ = __bool__ = _raise


def matrix() -> Any:
    return pa.tensor([[0.5, 0.25, 0.75], [0.125, 0.5, 1.0]])


def probabilities() -> Any:
    return pa.tensor([[0.5, 0.25], [0.75, 0.125]])


def classes() -> Any:
    return pa.tensor([1, 0])


def parameter() -> Any:
    made = nn.Parameter(matrix())
    made.grad = pa.ones(2, 3)
    return made


RIGHT: dict[str, Callable[[], Any]] = {
    "dim": lambda: 0, "axis": lambda: None, "dim0": lambda: 0, "dim1": lambda: 1, "axis0": lambda: 0,
    "axis1": lambda: 1,
    "source": lambda: 0, "destination": lambda: 1, "start_dim": lambda: 0, "end_dim": lambda: 1, "dims": lambda: (1, 0),
    "size": lambda: (2, 3), "sizes": lambda: (2, 3), "shape": lambda: (2, 3), "repeats": lambda: (1, 2),
    "index": classes, "indices": lambda: [0, 1], "mask": lambda: matrix() > 0.4, "condition": lambda: matrix() > 0.4,
    "tensors": lambda: [matrix(), matrix()], "target": probabilities, "weight": probabilities, "bias": lambda: None,
    "vec": lambda: pa.ones(3), "vec2": lambda: pa.ones(3), "mat2": lambda: pa.ones(3, 2), "exponent": lambda: 2,
    "split_size_or_sections": lambda: 1, "chunks": lambda: 2, "n": lambda: 3, "steps": lambda: 4, "seed": lambda: 1,
    "low": lambda: 0, "high": lambda: 5, "start": lambda: 0, "end": lambda: 4, "fill_value": lambda: 1.5,
    "p": lambda: 0.5,
    "value": lambda: 0.5, "val": lambda: 0.5, "mean": lambda: 0.0, "std": lambda: 1.0, "data": lambda: [1.0, 2.0],
    "array": lambda: np.ones((2, 3), np.float32), "params": lambda: [parameter()], "parameters": lambda: [parameter()],
    "optimizer": lambda: optim.SGD([parameter()], lr=0.1), "lr_lambda": lambda: lambda epoch: 1.0,
    "gamma": lambda: 0.5, "step_size": lambda: 2, "T_max": lambda: 5, "max_norm": lambda: 1.0,
    "clip_value": lambda: 1.0,
    "normalized_shape": lambda: (3,), "in_features": lambda: 3, "out_features": lambda: 2, "num_features": lambda: 3,
    "num_embeddings": lambda: 4, "embedding_dim": lambda: 2, "num_classes": lambda: 4, "nin": lambda: 2,
    "nouts": lambda: [3, 1], "nout": lambda: 2, "module": lambda: nn.Linear(3, 2), "modules": lambda: [nn.ReLU()],
    "name": lambda: "name", "fn": lambda: lambda x: x, "function": lambda: lambda x: x, "dataset": lambda: [1, 2, 3],
    "datasets": lambda: [[1, 2], [3]], "lengths": lambda: [2, 1], "data_source": lambda: [1, 2, 3],
    "batch": lambda: [matrix(), matrix()], "outputs": lambda: parameter().sum(), "inputs": parameter,
    "state_dict": dict, "param_group": lambda: {"params": [parameter()]}, "nonlinearity": lambda: "relu",
    "state": lambda: (1, 0), "f": lambda: "file", "obj": matrix, "generator": pa.Generator, "mode": lambda: True,
    "requires_grad": lambda: True, "running_mean": lambda: pa.zeros(3), "running_var": lambda: pa.ones(3),
    "key": lambda: 0, "wanted": lambda: pa.float32, "root": lambda: (scalar.Value(1.0) * 2), "x": lambda: [1.0, 2.0],
    "tensor": matrix, "vector": lambda: pa.ones(6), "closure": lambda: None, "args": lambda: matrix(),
    "device": lambda: "cpu", "dtype": lambda: pa.float32, "k": lambda: 2, "q": lambda: 0.4,
    "num_samples": lambda: 2, "boundaries": lambda: pa.tensor([0.3, 0.6]),
    "sorted_sequence": lambda: pa.tensor([0.3, 0.6]),
}  # fmt: skip
FIRST_OF = {"mm": (2, 3), "mv": (2, 3), "dot": (3,), "outer": (3,), "bmm": (1, 2, 3)}


def right(function: str, name: str) -> Any:
    if function in ("cross_entropy", "nll_loss") and name == "target":
        return classes()
    if name in ("input", "other"):
        if function in FIRST_OF and name == "input":
            return pa.ones(*FIRST_OF[function])
        return (
            classes() if function in ("one_hot", "embedding") else probabilities() if "loss" in function else matrix()
        )
    return RIGHT.get(name, matrix)()


INSTANCES: dict[str, Callable[[], Any]] = {
    "Tensor": matrix, "Parameter": parameter, "Value": lambda: scalar.Value(2.0), "Generator": pa.Generator,
    "Module": lambda: nn.Sequential(nn.Linear(3, 2)), "Linear": lambda: nn.Linear(3, 2), "MLP": lambda: nn.MLP(3, [2]),
    "Sequential": lambda: nn.Sequential(nn.Linear(3, 2), nn.ReLU()), "ModuleList": lambda: nn.ModuleList([nn.ReLU()]),
    "ModuleDict": lambda: nn.ModuleDict({"a": nn.ReLU()}), "Embedding": lambda: nn.Embedding(4, 2),
    "LayerNorm": lambda: nn.LayerNorm(3), "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "SGD": lambda: optim.SGD([parameter()], lr=0.1), "Adam": lambda: optim.Adam([parameter()]),
    "AdamW": lambda: optim.AdamW([parameter()]), "RMSprop": lambda: optim.RMSprop([parameter()]),
    "StepLR": lambda: lr_scheduler.StepLR(optim.SGD([parameter()], lr=0.1), 2),
    "LambdaLR": lambda: lr_scheduler.LambdaLR(optim.SGD([parameter()], lr=0.1), lambda epoch: 1.0),
    "TensorDataset": lambda: data.TensorDataset(matrix(), classes()), "Subset": lambda: data.Subset([1, 2], [0]),
    "ConcatDataset": lambda: data.ConcatDataset([[1, 2], [3]]), "DataLoader": lambda: data.DataLoader([1, 2, 3]),
    "RandomSampler": lambda: data.RandomSampler([1, 2]), "SequentialSampler": lambda: data.SequentialSampler([1, 2]),
    "Neuron": lambda: scalar.Neuron(2), "Layer": lambda: scalar.Layer(2, 2), "CompiledStep": lambda: pa.compile(len),
    **{name: getattr(nn, name) for name in ("ReLU", "ELU", "GELU", "LeakyReLU", "Sigmoid", "SiLU", "Tanh", "Softplus",
       "LogSigmoid", "Identity", "Flatten", "Dropout", "MSELoss", "L1Loss", "BCELoss", "BCEWithLogitsLoss",
       "CrossEntropyLoss", "NLLLoss", "HuberLoss", "SmoothL1Loss", "HingeLoss", "KLDivLoss")},
    "Softmax": lambda: nn.Softmax(0), "LogSoftmax": lambda: nn.LogSoftmax(0),
}  # fmt: skip
OF_REFERENCE: dict[str, Callable[[], Any]] = {
    "Value": lambda: reference.Value(2.0), "Neuron": lambda: reference.Neuron(2),
    "Layer": lambda: reference.Layer(2, 2),
    "MLP": lambda: reference.MLP(2, [2, 1]),
}  # fmt: skip

WRONG: list[Callable[[], Any]] = [
    lambda: None, lambda: "abc", lambda: "", lambda: b"ab", lambda: 1.5, lambda: -1, lambda: 0, lambda: 7,
    lambda: 2**31,
    lambda: 2**63, lambda: -(2**63) - 1, lambda: 10**400, lambda: float("nan"), lambda: float("inf"), lambda: True,
    lambda: False, lambda: 1j, list, tuple, dict, set, lambda: [1, "a"], lambda: [None], lambda: [[1.0], [2.0, 3.0]],
    lambda: (0, 0), lambda: (5,), lambda: (-3, 1), lambda: [0.5], lambda: (True, 0), object, lambda: object,
    lambda: (lambda: None), lambda: len, lambda: np.ones((2, 3)), lambda: np.array([None, 1]), lambda: np.array("a"),
    lambda: np.float64(0.5), lambda: np.int64(1), lambda: np.bool_(True), lambda: np.zeros((0, 3)),
    lambda: np.array(["2020"], "datetime64[D]"), lambda: np.ones(3, np.complex64), lambda: np.zeros(2, "i4,f4"),
    matrix, classes, lambda: matrix() > 0.4, lambda: pa.zeros(0), lambda: pa.tensor(1.5), lambda: pa.tensor(1),
    lambda: pa.zeros(2, 2, 2), parameter, lambda: parameter() * 2, lambda: [matrix()], lambda: [matrix(), None],
    lambda: scalar.Value(1.5), lambda: reference.Value(1.5), lambda: [scalar.Value(1.0), 2], lambda: nn.Linear(3, 2),
    lambda: pa.float64, lambda: "float32", lambda: float, lambda: pa.Generator(), lambda: slice(0, 1), lambda: Ellipsis,
    lambda: slice(None, None, -1), lambda: slice("a", 1.5), lambda: iter([1, 2]), lambda: (x for x in "ab"),
    lambda: range(3), lambda: {"params": 3}, lambda: {"a": None}, lambda: bytearray(4), lambda: memoryview(b"1234"),
    lambda: Evil(), lambda: [Evil()], lambda: types.SimpleNamespace(shape=(2,), ndim=1, dtype="x"), lambda: np.float32,
    lambda: "cuda", lambda: "mean", lambda: (1, 2, 3, 4, 5, 6, 7, 8, 9), lambda: -2, lambda: [2, 1],
    lambda: Exception(),
]  # fmt: skip


class Target:
    """One callable: its name, the parameters that it has, and how a right object for it is made."""

    def __init__(self, name: str, find: Callable[[], Any], parameters: list[inspect.Parameter]) -> None:
        self.name, self.find, self.parameters = name, find, parameters

    @property
    def short(self) -> str:
        return self.name.rsplit(".", 1)[-1]


def _parameters(function: Any, bound: bool) -> list[inspect.Parameter]:
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        anything = inspect.Parameter("other", inspect.Parameter.POSITIONAL_ONLY)
        return [anything]
    return found[1:] if bound and found and found[0].name in ("self", "input", "tensor") else found


SEEN: set[tuple[int, bool]] = set()  # methods that several classes inherit are called on one of them


def _of_class(name: str, cls: type, make: Callable[[], Any] | None) -> Iterator[Target]:
    if not issubclass(cls, (BaseException, pa.no_grad)):
        yield Target(name, lambda: cls, _parameters(cls, False))
    if make is None:
        return
    instance = make()
    for attribute in sorted({each for each in dir(cls) if not each.startswith("_")} | set(OPERATORS)):
        method = inspect.getattr_static(cls, attribute, None)
        key = id(method), issubclass(cls, scalar.Value)
        if method is None or key in SEEN or f"{cls.__name__}.{attribute}" in LEFT_OUT:
            continue
        SEEN.add(key)
        if callable(method) or isinstance(method, (staticmethod, classmethod)):
            bound = getattr(instance, attribute, None)
            if callable(bound):
                found = _parameters(bound, False)
                yield Target(f"{name}.{attribute}", lambda a=attribute: getattr(make(), a), found)  # type: ignore[misc]
        elif hasattr(type(method), "__set__"):
            value = inspect.Parameter("value", inspect.Parameter.POSITIONAL_ONLY)
            yield Target(f"{name}.{attribute} =", functools.partial(_setter, make, attribute), [value])


def _setter(make: Callable[[], Any], attribute: str) -> Callable[[Any], None]:
    owner = make()

    def assign(value: Any) -> None:
        try:
            setattr(owner, attribute, value)
        except AttributeError as error:  # what can only be read says so with an AttributeError
            if not any(words in str(error) for words in ("not writable", "no setter")):
                raise

    return assign


def targets() -> list[Target]:
    """Every public function, class, method and settable attribute of the package."""
    SEEN.clear()
    found: set[int] = set()
    made: list[Target] = []
    for module in MODULES:
        names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        for name in sorted(names):
            item = getattr(module, name)
            where = f"{module.__name__}.{name}"
            if isinstance(item, types.ModuleType) or name in LEFT_OUT or id(item) in found or not callable(item):
                continue
            if isinstance(item, type):
                make = OF_REFERENCE.get(name) if module is reference else INSTANCES.get(name)
                made += _of_class(where, item, make)
                found.add(id(item))
            else:
                made.append(Target(where, lambda i=item: i, _parameters(item, False)))  # type: ignore[misc]
                found.add(id(item))
    return made


def _is_huge(kind: Callable[[], Any]) -> bool:
    return isinstance(made := kind(), int) and made > 2**30


def draw(target: Target, rng: random.Random) -> tuple[list[Any], dict[str, Any]]:
    """Arguments of which at least one is wrong."""
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    usable = [p for p in target.parameters if p.kind is not p.VAR_KEYWORD]
    bounded = any(part in target.name for part in UNBOUNDED)
    kinds = [kind for kind in WRONG if not (bounded and _is_huge(kind))]
    wrong = set(rng.sample(range(len(usable)), min(len(usable), rng.choice((1, 1, 1, 2, 9))))) if usable else set()
    by_name = False
    for i, parameter in enumerate(usable):
        optional = parameter.default is not parameter.empty
        if i not in wrong and optional:
            by_name = True  # what follows it is given by its name
            continue
        value = rng.choice(kinds)() if i in wrong else right(target.short, parameter.name)
        if parameter.kind is parameter.KEYWORD_ONLY or (by_name and parameter.kind is not parameter.VAR_POSITIONAL):
            keywords[parameter.name] = value
        elif parameter.kind is parameter.VAR_POSITIONAL:
            if not by_name:
                positional += [value] if i in wrong or not isinstance(value, tuple) else value
        else:
            positional.append(value)
    if rng.random() < 0.03:
        positional.append(rng.choice(kinds)())
    if rng.random() < 0.03:
        keywords[rng.choice(("dim", "axis", "out", "keepdim", "dtype", "nonsense"))] = rng.choice(WRONG)()
    return positional, keywords


def state_of(value: Any) -> Any:
    """What a failing call must leave as it was."""
    if isinstance(value, pa.Tensor):
        grad = value.grad if value.is_leaf else None
        kept = value.detach().numpy().tobytes(), value.shape, value.dtype.name, value.requires_grad
        return (*kept, None if grad is None else grad.numpy().tobytes())
    if isinstance(value, np.ndarray):
        return value.shape, None if value.dtype.hasobject else value.tobytes()
    if isinstance(value, nn.Module):
        return [state_of(each) for each in value.state_dict().values()], value.training
    if isinstance(value, optim.Optimizer):
        return [[(k, v if k != "params" else len(v)) for k, v in group.items()] for group in value.param_groups]
    if isinstance(value, scalar.Value | reference.Value):
        return value.data, value.grad
    if isinstance(value, list | tuple):
        return [state_of(each) for each in value]
    return None


def modes() -> tuple[Any, ...]:
    return pa.is_grad_enabled(), pa.get_default_dtype().name, autograd.detect_anomaly.__name__, pa.get_num_threads()


def call(target: Target, seed: int, number: int) -> str | None:
    """Makes one call; what is wrong with how it went, or None."""
    rng = random.Random(f"{seed}:{number}")
    positional, keywords = draw(target, rng)
    function = target.find()
    owner = getattr(function, "__self__", None)
    given = [owner, *positional, *keywords.values()]
    before, modes_before = state_of(given), modes()
    try:
        result = function(*positional, **keywords)
        if isinstance(result, pa.Tensor | scalar.Value):
            repr(result)
        return None
    except ALLOWED as error:
        if repr(state_of(given)) != repr(before):
            return f"an argument was changed by a call that failed: {type(error).__name__}: {error}"
    except BaseException as error:
        if isinstance(error, AttributeError) and target.short in MISSING_NAMES and isinstance(positional[0], str):
            return None
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} [{os.path.basename(where.filename)}:{where.lineno}]"
    finally:
        changed = modes() != modes_before
        pa.set_grad_enabled(True)
        pa.set_default_dtype(pa.float32)
    return "a mode was changed" if changed and target.short not in ("set_default_dtype", "set_grad_enabled") else None


def chosen(everything: list[Target], seed: int, number: int) -> Target:
    """Each callable in turn, in an order that the seed shuffles."""
    order = random.Random(f"{seed}:{number // len(everything)}").sample(range(len(everything)), len(everything))
    return everything[order[number % len(everything)]]


def work(seed: int, first: int, count: int, progress: str) -> None:
    """Runs in a subprocess: the calls one after the other, each noted before it is made; findings as lines of JSON."""
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):  # AddressSanitizer maps terabytes, and has a limit of its own
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    faulthandler.enable()
    warnings.simplefilter("ignore")
    everything = targets()
    out = os.fdopen(os.dup(1), "w")
    with open(progress, "w") as note, tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for number in range(first, first + count):
            target = chosen(everything, seed, number)
            note.seek(0)
            note.write(f"{number:<20}")
            note.flush()
            signal.alarm(PATIENCE)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                wrong = call(target, seed, number)
            signal.alarm(0)
            if wrong is not None:
                print(json.dumps([number, target.name, wrong]), file=out, flush=True)
    os.chdir("/")


def batch(seed: int, first: int, count: int) -> Iterator[tuple[int, str, str]]:
    """The findings of so many calls; after a crash it goes on behind the call that crashed."""
    everything = targets()
    with tempfile.TemporaryDirectory() as folder:
        progress = os.path.join(folder, "number")
        while count > 0:
            command = [sys.executable, __file__, "--work", str(seed), str(first), str(count), progress]
            done = subprocess.run(command, capture_output=True, text=True)
            for line in done.stdout.splitlines():
                yield tuple(json.loads(line))
            if done.returncode == 0:
                return
            try:
                with open(progress) as note:
                    number = int(note.read())
            except (OSError, ValueError):
                raise RuntimeError(f"the subprocess did not start:\n{done.stderr}") from None
            how = "no end" if done.returncode == -signal.SIGALRM else f"a crash (exit {done.returncode})"
            yield number, chosen(everything, seed, number).name, f"{how}: {done.stderr[-300:]}"
            count -= number + 1 - first
            first = number + 1


def sweep(seed: int, calls: int | None, seconds: float | None) -> tuple[int, list[tuple[int, str, str]]]:
    """How many calls were made, and what was found."""
    findings: list[tuple[int, str, str]] = []
    made, end = 0, None if seconds is None else time.monotonic() + seconds
    while (calls is None or made < calls) and (end is None or time.monotonic() < end):
        count = BATCH if calls is None else min(BATCH, calls - made)
        findings += batch(seed, made, count)
        made += count
    return made, findings


def main() -> int:
    if sys.argv[1:2] == ["--work"]:
        seed, first, count = map(int, sys.argv[2:5])
        work(seed, first, count, sys.argv[5])
        return 0
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    if options.only is not None:
        target = chosen(targets(), options.seed, options.only)
        positional, keywords = draw(target, random.Random(f"{options.seed}:{options.only}"))
        print(target.name, positional, keywords)
        print(target.find()(*positional, **keywords))
        return 0
    calls = 20000 if options.calls is None and options.seconds is None else options.calls
    made, findings = sweep(options.seed, calls, options.seconds)
    kinds = collections.Counter((name, wrong) for _, name, wrong in findings)
    first = {(name, wrong): number for number, name, wrong in reversed(findings)}
    for (name, wrong), times in kinds.most_common():
        print(f"{times:5} {name}: {wrong} (--only {first[name, wrong]})")
    print(f"{made} calls of {len(targets())} callables, seed {options.seed}: {len(findings)} findings")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
