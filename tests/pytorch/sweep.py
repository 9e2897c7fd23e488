"""python tests/pytorch/sweep.py: every public function that PyTorch has too, beside PyTorch's.

What there is to call, and with what, is found as tests/compile/test_every_op.py finds it: each function, each method,
each option. A call is repeated with other arguments of its kind: of every dtype, as transposed, stepped and expanded
views, 0-d, empty and broadcast, with the numbers at which derivatives are conventions. Compared are the value and its
dtype, the gradients of a weighted sum of it (vjp), the gradients of a weighted sum of these (vjp of vjp), and the
derivative along tangents (jvp). OTHERWISE states what differs, and why.

abs Tensor.amax   those functions alone, with or without the prefix
--full            all arguments, not a sample of them
"""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import math
import random
import re
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from compile.test_every_op import FUNCTIONS, ways

import pyautograd as pa
from pyautograd._structure import Constant, Inner, flatten, rebuild

MODULES = {
    "pa": (pa, torch), "F": (pa.nn.functional, torch.nn.functional), "linalg": (pa.linalg, torch.linalg),
    "Tensor": (pa.Tensor, torch.Tensor), "special": (pa.special, torch.special),
}  # fmt: skip
TOLERANCES = {"value": 1e-12, "vjp": 1e-10, "vjp of vjp": 1e-8, "jvp": 1e-10}
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AttributeError, AssertionError)
SAMPLE = 6  # variants of a call that are tried where not all are

# What is random, makes or asks about objects, or has another meaning by design
LEFT_OUT = r"""rand randn randint randperm rand_like randn_like randint_like normal empty empty_like new_empty bernoulli
    multinomial dropout alpha_dropout feature_alpha_dropout rrelu rrelu_ gumbel_softmax poisson seed initial_seed
    manual_seed get_rng_state compile load save cuda get_num_threads data_ptr as_strided normal_ uniform_
    bernoulli_ exponential_ random_ log_normal_ cauchy_ geometric_ __repr__ register_hook
    register_post_accumulate_grad_hook grad_fn device stride""".split()  # noqa: SIM905

# Functions, what is compared, how it differs and of which call, and why: three regular expressions and a reason
OTHERWISE: list[tuple[str, str, str, str]] = [
    (".*", "value", "must be the same, and are not broadcast", "losses of two shapes are most often a mistake"),
    (".*", "value", "is a float, and the operands are not", "PyTorch would cut off what follows the point"),
    (".*", ".*", "LinAlgError", "what LAPACK refuses is raised, not filled with inf and nan"),
    (".*", "value", r"axis \d of a tensor with \d axes", "PyTorch does not look at the axis of an empty tensor"),
    (".*", "jvp|vjp.*", "^no nan.*edges", "PyTorch's formulas have 0/0, 0 inf or inf - inf where these have a limit"),
    (".*", "jvp|vjp.*", r"^nan.*(edges|shape \()", "the value is nan, and so are its derivatives"),
    (".*(norm|normalize|dist|cosine_similarity)", "vjp.*", "^no nan", "a root has the derivatives 0 at 0"),
    (r"F\.(log_)?softm(ax|in)", "value", "not int64", "a softmax of integers"),
    (r"F\.(relu6|hardtanh)_?", "value", "float32.*int", "as all activations they take integers as floats"),
    (r"F\.hardsigmoid", "jvp|vjp.*", "", "PyTorch's 1/6 is a constant in float32"),
    (r".*((di|l|poly)gamma_?|psi|gammaln)", "jvp|vjp.*", "", "PyTorch's trigamma has 9 digits, and is finite at 0"),
    (".*polygamma_?", "value", "^no nan", "at infinity it has a limit"),
    (r".*logical_\w+_", "jvp|vjp.*", "", "PyTorch keeps the tangent of what was overwritten"),
    (".*cholesky_(inverse|solve)", "jvp|vjp.*", "", "PyTorch's derivatives read the triangle that its values do not"),
    (".*(kthvalue|median|mode)", "value", "is not .* at", "which of several equal elements is named is not defined"),
    (r".*\.(to|type|int|long|byte|as_tensor)", "value", "edges", "C leaves open what integer inf and nan are"),
    (r"F\.(huber|smooth_l1)_loss", "vjp of vjp", "edges", "of a difference that is nan"),
    (".*softplus", "vjp of vjp", "", "at the threshold: the derivative of the side that is taken there"),
    (".*prelu", "jvp|vjp of vjp", "edges", "at 0: the derivatives of the side that is taken there"),
    (".*div(ide)?_?|.*true_divide_?", "vjp.*", "^nan.*rounding_mode", "the quotient that is rounded has 0/0"),
    (".*(clamp|clip).*", "jvp|vjp.*", "edges", "PyTorch sends the gradient of a nan to the bound"),
    (".*logit_?", "jvp|vjp.*", "^no nan|edges", "the derivative of the logarithm is 1/a, also where a < 0"),
    (".*(trapez.*|trapz|(std|var)_mean)", "value", "^no nan", "PyTorch subtracts infinities"),
    (r"pa\.cdist", "value", "^nan", "nan is larger than all numbers, as in max"),
    (".*(searchsorted|bucketize)", "value", "edges", "the sequence is not sorted"),
    (".*(det|qr|cholesky.*|eigh?|cond|svdvals|triangular_solve|matrix_power)", ".*", "edges", "of singular matrices"),
    (r".*pow(_|__)?", "jvp|vjp.*", "edges", "a^0.5 is a power, at -0 and -inf too, where PyTorch takes the root"),
    (".*cross_entropy", "jvp|vjp of vjp", "^nan", "the mean of no rows is nan, and so are its derivatives"),
    (r"F\.cross_entropy", "value", r"shape \((2, )?0,", "probabilities of no classes sum up to 0"),
    (r"F\.binary_cross_entropy_with_logits", "value", "^no nan", "at infinity it has a limit"),
    (r"F\.batch_norm", "value", "running_(mean|var) must", "statistics of other channels than there are"),
    (r"F\.cosine_embedding_loss", "jvp|vjp.*", "edges", "PyTorch's 1e-12 is a constant in float32"),
    (".*logit_?", "vjp of vjp", "drawn|shape", "beyond 1, where it is nan"),
    (".*unique", "value", "edges", "PyTorch sorts rows with nan in another order"),
    (".*(qr|cond)", ".*", "expanded", "of singular matrices"),
    (".*(square_?|tensordot)", "value", "takes no bool|of dtype bool", "a bool is no number"),
    (r"linalg\.tensor(inv|solve)", "value", "no square matrix", "a vector is none"),
    (r"F\.(hinge_embedding|margin_ranking)_loss", "value", "int", "of integers it is a float, and uint8 does not wrap"),
    (r"F\.multi_margin_loss", "value", "^nan", "what is nan is no loss of 0"),
    (r"special\.entr", "jvp|vjp.*", "edges", "of a ln a the slope at 0 is 0/0 or infinite, and below 0 it is nan"),
    (r"special\.xlog1py", "jvp|vjp.*", "edges", "of 0 times infinity, where the value is 0"),
    (".*logcumsumexp", "jvp", "edges", "PyTorch's forward mode has 0 for what is -inf"),
    (".*binary_cross_entropy", "vjp.*", "edges", "PyTorch's bound of a (1 - a) is 1e-12 in float32"),
    (r".*\.cholesky", "value", r"shape \((2, )?0,", "which is no square matrix"),
    (r"F\.linear", "value", "weight of shape", "a weight is a matrix"),
    (r"linalg\.cond", "value", "IndexError|not square", "a matrix without columns has no largest singular value"),
    (".*scatter_reduce_?", "jvp", "shape|edges", "PyTorch's forward mode has no products with 0"),
    (".*(scatter|index_copy|put)_?", "jvp", "", "which of several elements sent to one place counts is open"),
    (r"F\..*pool[12]d", "value", "it takes|int or two|of one size|shape|int64|does not fit", "of images of floats"),
    (r"F\.(group|instance)_norm", "value", "^no nan.*edges", "infinite weights multiply what has been normalised"),
    (r"F\.scaled_dot_product_attention", "value", "do not broadcast", "a mask of other places"),
    (r"F\.scaled_dot_product_attention", "value", "^no nan.*edges", "who may look nowhere sees 0, whatever is there"),
    (r"F\..*max_pool[12]d", "jvp|vjp.*", "edges", "which of several that are nan gets the gradient is not defined"),
    (r"pa\.full", "value", "int.* is not int64", "the result has the dtype of the tensor that fills it"),
]  # fmt: skip


class Variant(NamedTuple):
    """Arguments of a call: what they are, how they lie in memory, and what is compared."""

    name: str
    arrays: list[np.ndarray]
    layout: str
    kinds: tuple[str, ...]


ALL = tuple(TOLERANCES)
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 20.0, -20.0, math.inf, -math.inf, math.nan]
SHAPES = [(), (1,), (0,), (5,), (0, 3), (3, 1, 2), (2, 0, 2), (4, 4)]
PAIRS = [
    ((2, 1), (1, 3)),
    ((3,), (2, 3)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((0, 3), (3,)),
    ((2, 1, 3), (4, 1)),
    ((1,), (0,)),
]


def variants(leaves: list[np.ndarray], rng: np.random.Generator) -> Iterator[Variant]:
    floats = [i for i, a in enumerate(leaves) if a.dtype.kind == "f"]

    def other(make: Callable[..., np.ndarray], *more: Any) -> list[np.ndarray]:
        return [make(a, *more) if i in floats else a for i, a in enumerate(leaves)]

    def drawn(like: np.ndarray, shapes: Iterator[tuple[int, ...]]) -> np.ndarray:
        low, high = (float(like.min()), float(like.max())) if like.size else (0.1, 0.9)
        return rng.uniform(low - 0.05 * (low < 0), high + (0.2 if low == high else 0.0), next(shapes))

    yield Variant("as it is", other(lambda a: a.astype(np.float64)), "contiguous", ALL)
    for layout in ("contiguous", "transposed", "stepped", "expanded"):
        yield Variant("drawn", other(lambda a: a * (1 + 0.1 * rng.uniform(size=a.shape))), layout, ALL)
    yield Variant("float32", other(lambda a: a.astype(np.float32)), "contiguous", ("value",))
    whole = other(lambda a: np.round(3 * a))
    for dtype in ("int64", "int32", "uint8", "bool"):
        yield Variant(
            dtype, [a.astype(dtype) if i in floats else a for i, a in enumerate(whole)], "stepped", ("value",)
        )
    if not floats:
        return
    for shape in SHAPES:
        yield Variant(f"shape {shape}", other(drawn, itertools.repeat(shape)), "transposed", ALL)
    if len(floats) > 1:
        for pair in PAIRS:
            yield Variant(f"shapes {pair}", other(drawn, itertools.cycle(pair)), "contiguous", ALL)
    for k in range(4):
        few = EDGES if k > 1 else [0.0, 0.0, 1.0, -1.0]  # zeros and ties are many
        yield Variant(f"edges {k}", other(lambda a, few: rng.choice(few, a.shape), few), "contiguous", ALL)
    if len(floats) == len(leaves) <= 2:
        grid = np.meshgrid(*[np.array(EDGES)] * len(floats), indexing="ij")
        yield Variant("all edges", [each.ravel() for each in grid], "contiguous", ALL)


def views(m: Any, base: Any, layout: str, shape: tuple[int, ...]) -> Any:
    if layout == "transposed":
        return base.permute(tuple(range(len(shape)))[::-1])
    if layout == "stepped" and shape:
        return base[tuple(slice(None, None, 2) for _ in shape)]
    return base.expand(shape) if layout == "expanded" and shape else base


def bases(array: np.ndarray, layout: str) -> np.ndarray:
    """What a view of that layout shows the array of, or, expanded, its first row again and again."""
    if layout == "transposed":
        return np.ascontiguousarray(array.T)
    if layout == "stepped" and array.ndim:
        base = np.full([2 * size for size in array.shape], 7).astype(array.dtype)
        base[tuple(slice(None, None, 2) for _ in array.shape)] = array
        return base
    return array[:1] if layout == "expanded" and array.ndim and len(array) else array


def tensors_in(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [each for member in value for each in tensors_in(member)]
    return [value] if isinstance(value, pa.Tensor | torch.Tensor) else []


def plain(value: Any) -> Any:
    """What an answer is besides its tensors."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, bool | int | float | str | None):
        return repr(value)
    return "tensor" if isinstance(value, pa.Tensor | torch.Tensor) else ""


class Side:
    """A call in one of the two libraries."""

    def __init__(self, m: Any, function: Callable[..., Any], structure: Any, variant: Variant, writes: bool) -> None:
        self.m = m
        arrays = [bases(a, variant.layout) for a in variant.arrays]
        self.leaves = [m.tensor(a.copy()) for a in arrays]
        self.floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]

        def call(leaves: list[Any]) -> Any:
            seen = [views(m, x, variant.layout, a.shape) for x, a in zip(leaves, variant.arrays, strict=True)]
            args, kwargs = rebuild(structure, iter([x.clone() if writes else x for x in seen]))
            return function(*args, **kwargs)

        self.call = call

    def results(self) -> tuple[Any, list[Any]]:
        for i in self.floats:
            self.leaves[i].requires_grad_()
        result = self.call(self.leaves)
        return plain(result), tensors_in(result)

    def weighted(self, tensors: list[Any]) -> Any:
        rng = np.random.default_rng(5)
        weights = [rng.uniform(0.5, 1.5, tuple(x.shape)) for x in tensors]
        parts = [(x * self.m.tensor(w)).sum() for x, w in zip(tensors, weights, strict=True) if x.requires_grad]
        return sum(parts) if parts else None

    def gradients(self, outs: list[Any]) -> list[Any]:
        """Of each float argument; zeros where it has none."""
        of = [self.leaves[i] for i in self.floats]
        total = self.weighted(outs)
        if total is None:
            return [self.m.zeros_like(x) for x in of]
        found = self.m.autograd.grad(total, of, create_graph=True, allow_unused=True)
        return [self.m.zeros_like(x) if g is None else g for g, x in zip(found, of, strict=True)]

    def tangents(self) -> tuple[Any, ...]:
        rng = np.random.default_rng(9)
        return tuple(self.m.tensor(rng.uniform(0.5, 1.5, tuple(self.leaves[i].shape))) for i in self.floats)

    def along_backwards(self, outs: list[Any]) -> list[Any]:
        """The same from the gradients, which are linear in what is sent back."""
        of = [self.leaves[i] for i in self.floats]
        found = []
        for out in outs:
            if out.is_floating_point():
                upstream = self.m.zeros_like(out).requires_grad_()
                back: tuple[Any, ...] = ()
                if out.requires_grad:
                    back = self.m.autograd.grad(out, of, upstream, create_graph=True, allow_unused=True)
                total = sum((g * t).sum() for g, t in zip(back, self.tangents()) if g is not None)
                if getattr(total, "requires_grad", False):
                    upstream = self.m.autograd.grad(total, upstream, materialize_grads=True)[0]
                found.append(upstream)
        return found

    def along(self) -> list[Any]:
        """The derivatives of the float results along tangents."""
        primals = tuple(self.leaves[i].detach() for i in self.floats)

        def function(*floats: Any) -> Any:
            leaves = list(self.leaves)
            for i, x in zip(self.floats, floats, strict=True):
                leaves[i] = x
            return tuple(x for x in tensors_in(self.call(leaves)) if x.is_floating_point())

        return list(self.m.func.jvp(function, primals, self.tangents())[1])


def dtype_of(x: Any) -> str:
    return str(x.dtype).rpartition(".")[2]


def values(x: Any) -> np.ndarray:
    array = x.detach().numpy() if isinstance(x, pa.Tensor) else x.detach().numpy(force=True)
    return array.astype(np.float64)


def differs(ours: list[Any], theirs: list[Any], tolerance: float) -> str | None:
    """How tensors differ, if they do."""
    if len(ours) != len(theirs):
        return f"{len(ours)} tensors are not {len(theirs)}"
    for a, b in zip(ours, theirs, strict=True):
        if tuple(a.shape) != tuple(b.shape) or dtype_of(a) != dtype_of(b):
            return f"{dtype_of(a)}{tuple(a.shape)} is not {dtype_of(b)}{tuple(b.shape)}"
        x, y = (values(each) for each in (a, b))
        near = max(tolerance, 2e-6) if dtype_of(a) == "float32" else tolerance
        if not np.allclose(x, y, rtol=near, atol=near, equal_nan=True):
            at = np.flatnonzero(~np.isclose(x, y, rtol=near, atol=near, equal_nan=True))
            x, y = x.ravel()[at], y.ravel()[at]
            whose = "no nan, " if np.isnan(y).all() else "nan, " if np.isnan(x).all() else ""
            return f"{whose}{x[:6].tolist()} is not {y[:6].tolist()} at {at[:6].tolist()}"
    return None


class Sweep:
    """Differences found, and how many cases there were of each kind."""

    def __init__(self, full: bool) -> None:
        self.full = full
        self.counts: collections.Counter[str] = collections.Counter()

    def of(self, name: str) -> list[str]:
        """What differs of a function."""
        found = []
        for number, (args, kwargs) in enumerate(ways(name)):
            leaves: list[Any] = []
            structure = flatten((args, kwargs), leaves, pa.Tensor)
            rng = np.random.default_rng(zlib.crc32(f"{name} {number}".encode()))
            made = list(variants([x.detach().numpy() for x in leaves], rng))
            if not self.full:
                made = made[:1] + random.Random(f"{name} {number}").sample(made[1:], min(SAMPLE, len(made) - 1))
            if not leaves:
                made = made[:1]
            for variant in made:
                shown = f"{args} {kwargs} {variant.name}, {variant.layout}".replace("\n", " ")
                if self.full:
                    shown += f" {[a.tolist() for a in variant.arrays if a.size < 10]}"
                for kind, text in self.compared(name, structure, variant):
                    if not excused(name, kind, f"{text}; {shown}"):
                        found.append(f"{name}, {kind}: {text}\n        {shown}")
        return found

    def compared(self, name: str, structure: Any, variant: Variant) -> Iterator[tuple[str, str]]:
        short, ours, theirs = name.partition(".")[2], FUNCTIONS[name], function_of(name)
        writes = short.endswith("_") or short in ("__setitem__", "requires_grad")
        side = Side(pa, ours, structure, variant, writes)
        other = Side(torch, theirs, structure_of(structure), variant, writes)
        try:
            wanted, outs = other.results()
        except REFUSALS:
            return
        try:
            found, mine = side.results()
        except NotImplementedError:  # said by name, and listed in docs/pytorch.md
            return
        except REFUSALS as error:
            yield "value", f"raises {error!r}, and PyTorch does not"
            return
        self.counts["value"] += 1
        text = differs(mine, outs, TOLERANCES["value"])
        if text or found != wanted:
            yield "value", text or f"{found} is not {wanted}"
            return
        if "vjp" not in variant.kinds or not any(x.requires_grad for x in outs):
            return
        yield from self.derivatives(side, other, mine, outs)

    def derivatives(self, side: Side, other: Side, mine: list[Any], outs: list[Any]) -> Iterator[tuple[str, str]]:
        found, wanted = mine, outs
        for kind in ("jvp", "vjp", "vjp of vjp"):
            try:
                wanted = other.along() if kind == "jvp" else other.gradients(outs if kind == "vjp" else wanted)
            except REFUSALS:
                return
            try:
                found = side.along() if kind == "jvp" else side.gradients(mine if kind == "vjp" else found)
            except REFUSALS as error:
                yield kind, f"raises {error!r}, and PyTorch does not"
                return
            self.counts[kind] += 1
            text = differs(found, wanted, TOLERANCES[kind])
            if text and kind == "jvp":  # PyTorch's two modes have conventions of their own
                with contextlib.suppress(*REFUSALS):
                    text = differs(found, other.along_backwards(outs), TOLERANCES[kind]) and text
            if text:
                yield kind, text


def excused(name: str, kind: str, text: str) -> bool:
    return any(
        re.fullmatch(names, name) and re.fullmatch(kinds, kind) and re.search(how, text)
        for names, kinds, how, _ in OTHERWISE
    )


def structure_of(structure: Any) -> Any:
    """A structure with PyTorch's dtypes in it."""
    if isinstance(structure, Inner):
        return structure._replace(members=tuple(map(structure_of, structure.members)))
    if isinstance(structure, Constant) and isinstance(structure.value, pa.dtype):
        return Constant(getattr(torch, structure.value.name))
    return structure


def function_of(name: str) -> Any:
    """PyTorch's function of a name; None where there is none."""
    prefix, _, short = name.partition(".")
    if prefix not in MODULES or not hasattr(MODULES[prefix][1], short):
        return None
    if short in (*LEFT_OUT, *pa.compat.__all__) or short.startswith("set_"):
        return None
    if prefix == "Tensor":
        return FUNCTIONS[name]  # of whatever tensor it is given
    found, ours = getattr(MODULES[prefix][1], short), FUNCTIONS[name]
    return functools.partial(found, **ours.keywords) if isinstance(ours, functools.partial) else found


NAMES = sorted(name for name in FUNCTIONS if function_of(name) is not None)


def main() -> int:
    wanted = [each for each in sys.argv[1:] if not each.startswith("--")]
    sweep = Sweep("--full" in sys.argv)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    found = 0
    for name in NAMES:
        if not wanted or {name, name.partition(".")[2]} & set(wanted):
            for each in sweep.of(name):
                found += 1
                print(each, flush=True)
    print(", ".join(f"{kind}: {n}" for kind, n in sweep.counts.items()), f"cases of {len(NAMES)} functions")
    return found > 0


if __name__ == "__main__":
    raise SystemExit(main())
