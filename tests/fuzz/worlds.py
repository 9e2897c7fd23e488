"""Cases of `steps.py` run on equal worlds, plainly and compiled, compared after every line of their scripts.

Case: world, step, script ──▶ Side(plain)    ──┐ after each line: exception, results, everything that the names
                          └─▶ Side(compiled) ──┘ of the world reach, the random stream
"""

import collections
import copy
import dataclasses
import functools
import linecache
import math
import os
import pickle
import random
import re
import sys
import threading
import types
import warnings

import numpy as np
from programs import namespace
from running import MismatchError, shortest

import pyautograd as pa
from pyautograd import Tensor, TraceError, Value, nn, optim
from pyautograd.nn import functional as F

FILE = "<case>"
ENTRIES = ("step", "forward", "peek")  # the functions that are compiled
TOLERANCE = {"float32": 2e-4, "float64": 1e-9}  # sums are taken in another order, and some steps go on from them


class RefusedError(Exception):
    """A TraceError, by its kind."""


def data(seed, *shape):
    """Numbers that look random, of the default dtype."""
    numbers = np.sin(np.arange(1.0, 1.0 + math.prod(shape)) * 12.9898 + seed * 78.233) * 43.7
    return pa.tensor((numbers - np.floor(numbers) - 0.5) * 2.5).to(pa.get_default_dtype()).reshape(shape)


def classes(seed, n, count):
    return pa.tensor([(seed * 7 + i * i) % count for i in range(n)])


def rows(seed, *shape):
    return data(seed, *shape).double().numpy()


def cell(function, name):
    """The closure cell of a name, which a script may set."""
    return function.__closure__[function.__code__.co_freevars.index(name)]


def tensors_in(value):
    if isinstance(value, (Tensor, Value)):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from tensors_in(each)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif dataclasses.is_dataclass(value):
        yield from tensors_in(list(vars(value).values()))


def as_arguments(value):
    """What a compiled step makes of its arguments: tensors of arrays."""
    if isinstance(value, np.ndarray):
        return pa.as_tensor(value)
    if type(value) in (list, tuple) and any(as_arguments(each) is not each for each in value):
        return type(value)(as_arguments(each) for each in value)
    return value


class Side:
    """A case's module, and what its script may call."""

    def __init__(self, is_compiled):
        self.is_compiled = is_compiled
        self.results, self.replays, self.stream, self.seen_by_callbacks, self.seen = [], 0, (7, 0), [], []
        self.module = types.ModuleType("case")
        self.names = vars(self.module)
        self.names.update(namespace(pa))
        self.names.update(
            nn=nn, optim=optim, F=F, np=np, math=math, copy=copy, pickle=pickle,
            collections=collections, SimpleNamespace=types.SimpleNamespace, dataclasses=dataclasses,
            MLP=pa.scalar.MLP, data=data, classes=classes, rows=rows, cell=cell,
            compiled=pa.compile if is_compiled else lambda function: function,
            free_rows=functools.partial(pa.compile, dynamic_batch=True) if is_compiled else lambda function: function,
            call=self.call, run=self.run, pull=self.pull, scribble=self.scribble, hook=None,
            __warningregistry__={},
        )  # fmt: skip
        self.known = set(self.names)

    def execute(self, line):
        """Runs a line; the exception that it raised, and its text. **Raises** RefusedError for a TraceError."""
        sys.modules["case"] = self.module  # where pickle and copy look for its classes
        pa.set_rng_state(self.stream)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(line, FILE, "exec"), self.names)
        except TraceError as error:
            raise RefusedError(kind_of(error)) from None
        except Exception as error:
            return type(error), str(error)
        finally:
            self.stream = pa.get_rng_state()
        return None, ""

    def call(self, step, *args, **kwargs):
        """A call of the step, whose result is kept."""
        if not self.is_compiled:
            args, kwargs = as_arguments(args), {key: as_arguments(each) for key, each in kwargs.items()}
        self.results[1:] = self.results[:1]
        self.results[:1] = [self._counted(1, lambda: step(*args, **kwargs))]

    def run(self, step, *columns, batch_size, epochs=1, after="", **options):
        """`step.run`, or a loop that does what it does."""

        def callback(epoch, losses):
            self.seen_by_callbacks += self.world()
            exec(compile(after or "pass", FILE, "exec"), self.names)

        calls = epochs * -(-len(columns[0]) // batch_size)
        if self.is_compiled:
            found = self._counted(
                calls, lambda: step.run(*columns, batch_size=batch_size, epochs=epochs, callback=callback, **options)
            )
            self.results[:] = [found]
            return
        losses = []
        generator = pa.Generator().manual_seed(options["seed"]) if "seed" in options else None
        for epoch in range(epochs):
            order = None if generator is None else pa.randperm(len(columns[0]), generator=generator)
            for start in range(0, len(columns[0]), batch_size):
                part = slice(start, start + batch_size)
                result = step(*[as_arguments(each)[part if order is None else order[part]] for each in columns])
                losses.append(float(next(tensors_in(result), None)))  # TypeError where it returned none
            callback(epoch, losses)
        self.results[:] = [np.array(losses)]

    def _counted(self, calls, action):
        """What an action does; the calls in which the function of the step did not run are replays."""
        ran = 0

        def profile(frame, event, _):
            nonlocal ran
            ran += event == "call" and frame.f_code.co_filename == FILE and frame.f_code.co_name in ENTRIES

        sys.setprofile(profile if self.is_compiled else None)
        try:
            result = action()
        finally:
            sys.setprofile(None)
        self.replays += max(0, calls - ran)
        return result

    def pull(self):
        """Gradients through the last result."""
        total = 0.0
        for each in tensors_in(self.results[:1]):
            if each.requires_grad:
                total = (each * each).sum() + total if isinstance(each, Tensor) else each * each + total
        if not isinstance(total, float):
            total.backward()

    def scribble(self):
        """Writes into the last result: what of the world is it?"""
        with pa.no_grad():
            for each in tensors_in(self.results[:1]):
                if isinstance(each, Value):
                    each.data *= 0.5
                elif each.dtype.is_floating_point:
                    each.mul_(0.5)

    def follow(self, case, start=None):
        """Runs a script alone, noting what is to be compared after each line, until a TraceError."""
        if start is not None:
            start.wait()
        try:
            for line in case.script:
                error = self.execute(line)
                if error[0] is not None and line.startswith("run("):
                    break  # a run has changed nothing then, on purpose
                self.seen.append((error, self.seen_by_callbacks + self.world()))
        except RefusedError:
            pass

    def world(self):
        """Everything that can be reached: pairs of where and what."""
        found = [("the random stream", self.stream), ("gradients are on", pa.is_grad_enabled())]
        seen = {}
        for name, value in self.names.items():
            if name not in self.known:
                describe(name, value, seen, found)
        describe("results", self.results, seen, found)
        return found


def describe(place, value, seen, found):
    """Appends what a place holds: numbers, structure, and which earlier place holds the same object."""
    if isinstance(value, (type(None), int, str, float, np.generic, np.ndarray, pa.dtype, type)):
        if isinstance(value, type) and value.__module__ == "case":
            attributes(place, {k: v for k, v in vars(value).items() if not k.startswith("__")}, seen, found)
        found.append((place, value.__name__ if isinstance(value, type) else value))
        return
    if id(value) in seen:
        found.append((place, f"is {seen[id(value)][0]}"))
        return
    if callable(getattr(value, "__wrapped__", None)):
        describe(place, value.__wrapped__, seen, found)
        return
    seen[id(value)] = place, value  # which is kept alive, so that no other gets its id
    found.append((place, type(value).__name__))
    if isinstance(value, Tensor):
        found.append((f"{place}.requires_grad", value.requires_grad))
        found.append((place, value.detach().numpy().copy()))
        describe(f"{place}.grad", value.grad if value.is_leaf or value.retains_grad else None, seen, found)
    elif isinstance(value, Value):
        found += [(f"{place}.data", value.data), (f"{place}.grad", value.grad)]
    elif isinstance(value, (list, tuple, collections.deque)):
        found.append((f"len({place})", len(value)))
        for index, each in enumerate(value):
            describe(f"{place}[{index}]", each, seen, found)
    elif isinstance(value, dict):
        for key, each in value.items():
            describe(f"{place}[{key!r}]" if isinstance(key, str) else f"{place}[…]", each, seen, found)
    elif isinstance(value, pa.Generator):
        found.append((place, value.get_state()))
    elif isinstance(value, optim.Optimizer):
        describe(f"{place}.param_groups", value.param_groups, seen, found)
        describe(f"{place}.state", value.state, seen, found)
    elif isinstance(value, nn.Module):
        found.append((f"{place}.training", value.training))
    elif isinstance(value, types.FunctionType):
        for name, each in zip(value.__code__.co_freevars, value.__closure__ or ()):
            describe(f"{place}:{name}", each.cell_contents, seen, found)
    if not isinstance(value, optim.Optimizer):
        attributes(place, getattr(value, "__dict__", {}), seen, found)


def attributes(place, members, seen, found):
    for name, each in members.items():
        if name != "training" and (not name.startswith("_") or name in ("_parameters", "_buffers", "_modules")):
            describe(f"{place}.{name}", each, seen, found)


def compare(ours, theirs, went_backward):
    """**Raises** MismatchError for the first place that is not the same."""
    for (place, one), (where, other) in zip(ours, theirs):
        if place != where:
            raise MismatchError(f"{place} is there, {where} in the plain world")
        is_bare = went_backward and place.endswith("requires_grad") and not one  # a graph that is freed is no history
        if not equal(one, other) and not is_bare:
            raise MismatchError(f"{place} is {one!r}, {other!r} in the plain world")
    if len(ours) != len(theirs):
        raise MismatchError(f"{len(ours)} places are there, {len(theirs)} in the plain world")


def equal(one, other):
    if isinstance(one, (np.ndarray, float)):
        a, b = np.asarray(one), np.asarray(other)
        if type(one) is not type(other) or a.dtype != b.dtype or a.shape != b.shape:
            return False
        tolerance = TOLERANCE.get(str(np.dtype(pa.get_default_dtype().name) if a.dtype.kind == "f" else a.dtype), 0)
        return np.array_equal(a, b) or np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
    return type(one) is type(other) and one == other


def kind_of(error):
    """A TraceError's reason without the names and numbers of the case."""
    text = re.sub(r"^\w+: ", "", str(error).splitlines()[0])
    text = re.sub(r"'[^']*'|\[[^\]]*\]|\([^)]*\)|\d+|line \d+", "…", text)
    return " ".join(text.split()[:9])


def run_case(case):
    """How many calls were replayed. **Raises** MismatchError where the sides differ, RefusedError for a TraceError."""
    before = pa.get_default_dtype(), pa.get_rng_state()
    linecache.cache[FILE] = (0, None, [], FILE)
    plain, compiled = Side(False), Side(True)
    try:
        pa.set_default_dtype(getattr(pa, case.dtype))
        for side in (plain, compiled):
            random.seed(case.seed)
            for line in case.setup():
                side.execute(line)
        for number, line in enumerate(["pass", *case.script]):
            seen = [(side.execute(line), side.seen_by_callbacks + side.world()) for side in (plain, compiled)]
            is_put_back = line.startswith("run(") and seen[0][0][0] is not None  # a run that fails changes nothing
            worlds = [(error, [] if is_put_back else world) for error, world in seen]
            demand_same(f"line {number} of the script: {line}", case, worlds[1], worlds[0])
            if is_put_back:
                break
    finally:
        pa.set_default_dtype(before[0])
        pa.set_rng_state(before[1])
        sys.modules.pop("case", None)
    return compiled.replays


def together(cases):
    """Cases that are run alone plainly, and compiled in threads at the same time, each in a world of its own.

    What stands in the process is of one: they have one dtype, and none pickles. **Raises** MismatchError.
    """
    before = pa.get_default_dtype(), sys.getswitchinterval()
    pa.set_default_dtype(getattr(pa, cases[0].dtype))
    sides = [(Side(False), Side(True)) for _ in cases]
    try:
        for case, pair in zip(cases, sides):
            for side in pair:
                random.seed(case.seed)
                for line in case.setup():
                    side.execute(line)
        sys.setswitchinterval(1e-5)
        start = threading.Barrier(len(cases))
        threads = [threading.Thread(target=pair[1].follow, args=(case, start)) for case, pair in zip(cases, sides)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for case, (plain, compiled) in zip(cases, sides):
            plain.follow(case)
            for number, (line, ours, theirs) in enumerate(zip(case.script, compiled.seen, plain.seen)):
                demand_same(f"line {number} of the script, beside other threads: {line}", case, ours, theirs)
    finally:
        pa.set_default_dtype(before[0])
        sys.setswitchinterval(before[1])
        sys.modules.pop("case", None)


def demand_same(where, case, ours, theirs):
    try:
        if ours[0][0] != theirs[0][0]:
            raise MismatchError(f"raises {ours[0]}, in the plain world {theirs[0]}")
        compare(ours[1], theirs[1], case.goes_backward())
    except MismatchError as mismatch:
        raise MismatchError(f"{where}\n{mismatch}") from None


def outcome(case):
    """What comes of a case in a process of its own, which may crash: a kind, and its text or number."""
    here, there = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other threads are not asked for anything
        child = os.fork()
    if child == 0:
        try:
            with os.fdopen(there, "wb") as file:
                pickle.dump(outcome_here(case), file)
        finally:
            os._exit(0)
    os.close(there)
    with os.fdopen(here, "rb") as file:
        written = file.read()
    status = os.waitpid(child, 0)[1]
    return pickle.loads(written) if written else ("difference", f"the process ends with status {status}")


def outcome_here(case):
    try:
        return "replays", run_case(case)
    except RefusedError as refused:
        return "refused", str(refused)
    except MismatchError as mismatch:
        return "difference", str(mismatch)


def report_case(case):
    """What is to be known of a case that differs: the parts of it that the difference needs."""
    where = lambda text: re.split(r"[^a-z]", str(text).splitlines()[-1])[0]
    first = where(outcome(case)[1])

    def fails(parts):
        """The same kind of difference."""
        kind, text = outcome(case.of(parts))
        return text if kind == "difference" and where(text) == first else None

    short = case.of(shortest(case.parts(), fails))
    return f"{short.text()}\n# {outcome(short)[1]}\n"
