"""The same arguments, right and wrong, for PyTorch's functions and ours: both answer alike, or both refuse.

Calls are made from the signatures of the functions that both libraries have. Where both answer, shape, dtype and values
are equal. What PyTorch refuses is refused here, but for what EXCEPTIONS states with its reason. What only PyTorch
answers must be a clear refusal.

`PYAUTOGRAD_CALLS=2000 pytest tests/pytorch/test_torch_arguments.py` makes that many calls of each function,
`PYAUTOGRAD_SEED` others.
"""

from __future__ import annotations

import inspect
import math
import os
import random
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")

CALLS = int(os.environ.get("PYAUTOGRAD_CALLS", "40"))
SEED = int(os.environ.get("PYAUTOGRAD_SEED", "0"))
REFUSALS = (TypeError, ValueError, IndexError, RuntimeError, NotImplementedError, OverflowError)

Maker = Callable[[Any], Any]  # from a library, its argument


def tensor(shape: tuple[int, ...], dtype: str = "float32", low: int = -2) -> Maker:
    numbers = (np.arange(math.prod(shape)) * 7 % 5 + low).reshape(shape)
    if dtype.startswith("float"):
        numbers = numbers / 2 + 0.25
    data = numbers.tolist()
    return lambda library: library.tensor(data, dtype=getattr(library, dtype)).reshape(shape)


def plain(value: Any) -> Maker:
    return lambda library: value


def plains(*values: Any) -> list[Maker]:
    return [plain(value) for value in values]


def dtypes(*names: str) -> list[Maker]:
    return [lambda library, name=name: getattr(library, name) for name in names]  # type: ignore[misc]


TENSORS = [
    tensor((2, 3)), tensor((2, 3)), tensor((3,)), tensor(()), tensor((0, 3)), tensor((1, 3)), tensor((2, 2, 3)),
    tensor((2, 3), "float64"), tensor((2, 3), "int64"), tensor((2, 3), "bool"), tensor((3, 3)),
]  # fmt: skip
DIMS = plains(0, 1, -1, 2, -3, 5, True, False, 1.0, (0,), (0, 1), (1, 0), (0, 0), (-1, 0), (), [0], [1, -1], "a", None,
              (True,), (0.0,), np.int64(1))  # fmt: skip
ONE_DIM = plains(0, 0, 1, -1, 2, -2, 5, -5, True, 1.0, (0,), None, np.int64(0))
FLAGS = plains(True, False, True, False, 1, None)
SIZES = plains((2, 3), (6,), (-1,), (3, -1), (), (0,), (2, -2), (-1, -1), 6, 2, -1, True, 2.0, (2.0, 3), (True, 6),
[3, 2],
               (1, 2, 3), (2, 3, 1), None, "a")  # fmt: skip
INDICES = [
    tensor((2,), "int64", 0), tensor((1, 3), "int64", 0), tensor((2, 3), "int64"), tensor((), "int64", 0),
    tensor((0,), "int64"), tensor((3,), "bool"), tensor((2,)), tensor((2, 3), "bool"), lambda t: t.tensor([0, 1, 0]),
    lambda t: t.tensor([[0, 1, 0], [1, 0, 1]]), lambda t: t.tensor([[0, 0, 0, 0]]), *plains(0, None, [0]),
]  # fmt: skip
NUMBERS = plains(0, 1, 2, -1, 0.5, -1.5, 1e-3, 3, None, "a", True)
OTHERS = [*TENSORS, *NUMBERS]
PROBABLE = [lambda t: t.tensor([[0.5, 0.25, 1.0], [0.0, 0.75, 0.125]]), lambda t: t.tensor([0.5, 0.25, 1.0]), *TENSORS]
CLASSES = [lambda t: t.tensor([0, 2]), lambda t: t.tensor([1, 1]), *INDICES, *PROBABLE]

POOLS: dict[str, list[Maker]] = {
    "input": TENSORS, "other": OTHERS, "mat2": TENSORS, "vec": TENSORS, "vec2": TENSORS, "tensor": TENSORS,
    "dim": DIMS, "keepdim": FLAGS, "unbiased": plains(True, False, 1), "correction": plains(0, 1, 2, 0.5, "a"),
    "dim0": ONE_DIM, "dim1": ONE_DIM, "axis0": ONE_DIM, "axis1": ONE_DIM, "start_dim": ONE_DIM, "end_dim": ONE_DIM,
    "source": ONE_DIM, "destination": ONE_DIM, "dims": plains((1, 0), (0, 1), (0, 0), (0,), (-1, 0), (True, 0), (2, 1)),
    "shape": SIZES, "size": SIZES, "sizes": SIZES, "repeats": plains((1, 2), (2, 1, 1), (0, 1), 2, (-1, 1), (1.0, 2),
    ()),
    "index": INDICES, "mask": [tensor((2, 3), "bool"), tensor((3,), "bool"), tensor((2, 3)), plain(True)],
    "condition": [tensor((2, 3), "bool"), tensor((3,), "bool"), tensor((2, 3)), tensor((2, 3), "int64"), plain(True)],
    "value": [*NUMBERS, tensor(()), tensor((2,))], "min": [*NUMBERS, tensor((3,))], "max": [*NUMBERS, tensor((3,))],
    "exponent": OTHERS, "alpha": plains(1, 2, 0.5, None, "a"), "p": plains(1, 2, math.inf, "fro", "a", None),
    "split_size_or_sections": plains(1, 2, 0, -1, 5, [1, 1], [1, 2], [-1, 3], [0, 2], [1.0, 1], (1, 1), True, 1.0,
    None),
    "chunks": plains(1, 2, 5, 0, -1, True, 1.5, None), "diagonal": plains(0, 1, -1, 5, True, 1.0, None, "a"),
    "tensors": [lambda t: [t.ones(2, 3), t.zeros(2, 3)], lambda t: (t.ones(2, 3), t.zeros(1, 3)), plain([]),
    tensor((2, 3)),
                lambda t: [t.ones(3), t.zeros(2)], lambda t: [t.ones(2), None], lambda t: [t.tensor(1.0)], plain(None),
                lambda t: [t.ones(2, 3), t.zeros(0)], lambda t: [t.ones(2), t.ones(2, dtype=t.int64)]],
    "dtype": [*dtypes("float32", "float64", "int64", "bool"), plain(None)],
    "rtol": plains(1e-5, 0.5), "atol": plains(1e-8, 1.0), "equal_nan": FLAGS, "approximate": plains("none", "tanh",
    "a", None),
    "fill_value": plains(1, 0.5, True, 2**63, -1, math.inf, None, "a"), "requires_grad": plains(True, False),
    "start": plains(0, 1, 5, 0.5, -2, 3.1, True, None, "a", math.nan), "end": plains(3, 1, 5.5, -3, 0, None, math.inf),
    "step": plains(1, 2, 0.5, -1, 0, -0.5, None), "steps": plains(3, 1, 0, -1, 2.0, True, None),
    "n": plains(2, 0, -1, 3, True, 2.0, None), "m": plains(2, 0, -1, None, 2.0),
    "target": CLASSES, "weight": [tensor((3,)), tensor((2, 3)), tensor((2,)), plain(None)],
    "bias": [plain(None), tensor((2,))],
    "reduction": plains("mean", "sum", "none", "none", "a", None), "num_classes": plains(-1, 3, 5, 1, 0, -2, 2.0, None),
    "negative_slope": NUMBERS, "beta": NUMBERS, "delta": NUMBERS, "threshold": NUMBERS, "margin": NUMBERS,
    "label_smoothing": plains(0.0, 0.1, 1.5, -1.0, "a"), "ignore_index": plains(-100, 0, 1), "log_target": FLAGS,
    "pos_weight": [plain(None), tensor((3,))], "training": plains(False), "inplace": plains(False),
    "normalized_shape": plains((3,), (2, 3), (2,), (), 3, [3]), "eps": plains(1e-5, 0.1, 1.0),
    "padding_idx": plains(None, 0, 7), "momentum": plains(0.1),
    "k": plains(1, 2, 0, -1, 5, True, 1.0), "q": plains(0.5, 0, 1, 0.3, 1.5, -0.1, "a"), "descending": FLAGS,
    "largest": FLAGS, "right": FLAGS, "side": plains("left", "right", "a", None), "bins": plains(3, 1, 0, -1, 2.0),
    "minlength": plains(0, 9, -1), "dx": plains(0.5, 2, "a"), "invert": FLAGS,
    "boundaries": [lambda t: t.tensor([-0.5, 0.25, 0.5]), lambda t: t.tensor([0, 1]), tensor((2, 3))],
    "sorted_sequence": [lambda t: t.tensor([-0.5, 0.25, 0.5]), lambda t: t.tensor([0, 1]), tensor((2, 3))],
    "y": TENSORS, "x1": TENSORS, "x2": TENSORS, "elements": TENSORS, "test_elements": TENSORS,
    "running_mean": [plain(None), tensor((3,))], "running_var": [plain(None), lambda t: t.ones(3)],
}  # fmt: skip
BY_FUNCTION: dict[tuple[str, str], list[Maker]] = {
    ("binary_cross_entropy", "input"): PROBABLE, ("binary_cross_entropy", "weight"): [plain(None), tensor((3,))],
    ("mse_loss", "target"): TENSORS, ("l1_loss", "target"): TENSORS, ("one_hot", "input"): INDICES,
    ("embedding", "input"): INDICES, ("embedding", "weight"): [tensor((4, 2)), tensor((4, 3), "float64"), tensor((3,))],
    ("linspace", "end"): plains(3, 1, 5.5, -3, 0, None), ("argmax", "dim"): ONE_DIM, ("argmin", "dim"): ONE_DIM,
    ("linear", "weight"): [tensor((2, 3)), tensor((4, 3))],
}  # fmt: skip

# Not made from signatures: what is random, what has another meaning by design, and what is not a computation.
LEFT_OUT = {
    "compile", "load", "save", "rand", "randn", "randint", "randperm", "rand_like", "randint_like", "randn_like",
    "normal", "empty", "new_empty",
    "empty_like", "dropout", "from_numpy", "device", "dtype", "manual_seed", "seed", "initial_seed", "get_rng_state",
    "set_rng_state", "set_num_threads", "get_num_threads", "set_default_dtype", "no_grad", "enable_grad",
    "inference_mode", "data_ptr", "numpy", "int", "type", "set_grad_enabled", "tensor", "as_tensor", "is_tensor",
    "Generator", "set_flush_denormal", "broadcast_tensors",
    "multinomial", "bernoulli", "svd",  # which is unique but for signs
    *pa.compat.__all__,
}  # fmt: skip

# Functions, what PyTorch says (or "differs"), and why it is answered here nevertheless.
EXCEPTIONS: list[tuple[str, str, str]] = [
    (r".*", r"must be Tensor, not (int|float|bool)", "a number is an operand wherever a tensor is one"),
    (r".*", r"unexpected keyword argument", "methods of Tensor call some parameters by other names"),
    (r"\.?(log_)?softmax", r"missing 1 required positional", "the last axis is the default"),
    (r"\.?(sum|mean|prod)", r"missing 1 required positional", "keepdim without dim keeps all axes, as in NumPy"),
    (r"\.?(nan)?median", r"missing 1 required|must be int, not NoneType", "None is the whole tensor, as in sum"),
    (r".*", r"got \(.*keepdim=bool", "keepdim without dim keeps all axes, as in NumPy"),
    (r".*(zeros|ones|broadcast_to|\.view)", r"missing 1 required positional|got \(\)", "no sizes are the shape ()"),
    (r"reshape|broadcast_to", r"must be tuple of ints|takes \d positional", "sizes may be given one by one"),
    (r"\.?(new_)?full", r"must be tuple of ints, not int", "one int is the shape of a vector"),
    (r"arange", r"got \(\w+, .*step=", "a step may be given without a start"),
    (r".*norm", r"object of type 'numpy.int64' has no len", "an axis may be NumPy's int wherever it may be an int"),
    (r"\.?sub", r"with a bool tensor is not supported", "alpha times a bool is a number"),
    (r"F\.gelu", r"takes 1 positional argument", "approximate may be given by its place"),
    (r"\.?prod", r"must be int, not (list|tuple|NoneType)|got .*(list|tuple)", "several axes or None, as in NumPy"),
    (r"F\..*", r"can't be cast to|share same datatype|Integral inputs", "dtypes promote"),
    (r".*", r"got \(.*NoneType", "None is the default, and may be given"),
    (r".*", r"not implemented for '(Bool|Long)'|Expected a floating point|does not support bool",
     "functions of floats take integers and bools, which become the default float"),
    (r".*(where|masked_fill)", r"got \(.*bool", "a bool is a mask"),
    (r".*(clamp|clip)", r"received an invalid combination", "one bound may be a number and the other a tensor"),
    (r".*permute", r"permute\(\) takes \d positional", "axes may be given one by one"),
    (r".*(isclose|allclose)", r"did not match|equal_nan' must be bool", "dtypes promote"),
    (r"F\..*", r"Found dtype|expected scalar type|same dtype|[Ee]xpected .*dtype", "dtypes promote"),
    (r".*(add|sub)", r"alpha must not be a floating point", "dtypes promote"),
    (r".*logsumexp", r"doesn't match the broadcast shape", "no axes are all axes, as in sum"),
    (r"F\.(hardtanh|relu6)", r"Bool inputs|differs", "as all activations they take integers as floats"),
    (r"F\.tanhshrink", r"with a bool tensor", "as all activations it takes bools as floats"),
    (r".*prelu", r"Type promoting not supported", "dtypes promote"),
    (r"\.?cross", r"expected scalar type", "dtypes promote"),
    (r"block_diag|cartesian_prod", r"but got (list|tuple)", "several tensors may be given as one list"),
    (r"\.?unflatten", r"must be tuple of ints, not int", "one size may be given as an int"),
    (r"\.?repeat_interleave", r"got \(.*tuple", "repeats may be a list of ints"),
    (r"F\.huber_loss", r"differs", "dtypes promote; PyTorch's result has the dtype of the input"),
]  # fmt: skip


def found_in_both() -> dict[str, tuple[Any, Any]]:
    """Name to our function and PyTorch's, methods with a dot in front."""
    pairs = {}
    for name in pa.__all__:
        ours, theirs = getattr(pa, name), getattr(torch, name, None)
        if name not in LEFT_OUT and inspect.isfunction(ours) and callable(theirs):
            pairs[name] = ours, theirs
    for name in sorted(vars(pa.Tensor)):
        ours, theirs = getattr(pa.Tensor, name), getattr(torch.Tensor, name, None)
        if (
            not name.startswith("_")
            and not name.endswith("_")
            and name not in LEFT_OUT
            and inspect.isfunction(ours)
            and callable(theirs)
        ):
            pairs["." + name] = ours, theirs
    for name in pa.nn.functional.__all__:
        theirs = getattr(torch.nn.functional, name, None)
        if theirs is not None and name not in LEFT_OUT:
            pairs["F." + name] = getattr(pa.nn.functional, name), theirs
    return {name: pair for name, pair in pairs.items() if _pools(name, pair[0]) is not None}


def _pools(name: str, function: Any) -> list[tuple[inspect.Parameter, list[Maker]]] | None:
    """What each parameter is drawn from; None where one that must be given is not known."""
    short = name.rsplit(".", 1)[-1]
    pools = []
    for i, parameter in enumerate(inspect.signature(function).parameters.values()):
        first = name.startswith(".") and i == 0
        pool = TENSORS if first else BY_FUNCTION.get((short, parameter.name), POOLS.get(parameter.name))
        if pool is not None:
            pools.append((parameter, pool))
        elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            return None
    return pools


def draw(name: str, function: Any, rng: random.Random) -> tuple[list[Maker], dict[str, Maker], bool]:
    """Arguments by place and by name; whether several sizes or axes are given one by one."""
    positional: list[Maker] = []
    keywords: dict[str, Maker] = {}
    spread = False
    for parameter, pool in _pools(name, function) or []:
        if parameter.default is not parameter.empty and rng.random() < 0.55:
            continue
        value = rng.choice(pool)
        skipped = len(positional) < list(inspect.signature(function).parameters).index(parameter.name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            spread = rng.random() < 0.3
            positional.append(value)
        elif (
            parameter.kind is parameter.KEYWORD_ONLY
            or skipped
            or (positional and rng.random() < 0.15)
            or (
                name.startswith("F.") and len(positional) > 1
            )  # PyTorch's losses have size_average and reduce in between
        ):
            keywords[parameter.name] = value
        else:
            positional.append(value)
    return positional, keywords, spread


def answer(library: Any, function: Any, positional: list[Maker], keywords: dict[str, Maker], spread: bool) -> Any:
    args = [make(library) for make in positional]
    if spread and isinstance(args[-1], tuple):
        args = [*args[:-1], *args[-1]]
    return function(*args, **{name: make(library) for name, make in keywords.items()})


def shown(value: Any) -> Any:
    """An answer as plain data: dtype, shape and numbers of tensors."""
    if isinstance(value, pa.Tensor | torch.Tensor):
        dtype = value.dtype.name if isinstance(value, pa.Tensor) else str(value.dtype).removeprefix("torch.")
        return dtype, tuple(value.shape), np.asarray(value.detach().tolist(), np.float64)
    if isinstance(value, list | tuple):
        return [shown(each) for each in value]
    if isinstance(value, pa.dtype | torch.dtype):
        return str(value).rpartition(".")[2]
    return value


def alike(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(alike(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        same = ours[:2] == theirs[:2] and np.shape(ours[2]) == np.shape(theirs[2])
        return same and bool(np.allclose(ours[2], theirs[2], 1e-5, 1e-6, equal_nan=True))
    if isinstance(ours, float) and isinstance(theirs, float):
        return bool(np.isclose(ours, theirs, 1e-5, 1e-6, equal_nan=True))
    return type(ours) is type(theirs) and bool(ours == theirs)


def excused(name: str, message: str) -> bool:
    return any(re.fullmatch(names, name) and re.search(text, message) for names, text, _ in EXCEPTIONS)


def difference(name: str, ours: Any, theirs: Any, number: int) -> str | None:
    """One call of both; how they differ, or None."""
    rng = random.Random(f"{SEED}:{name}:{number}")
    positional, keywords, spread = draw(name, ours, rng)
    texts = [_text(make) for make in positional] + [f"{key}={_text(make)}" for key, make in keywords.items()]
    shown_call = f"{name}({', '.join(texts)})"
    try:
        right, refused = shown(answer(torch, theirs, positional, keywords, spread)), None
    except Exception as error:
        right, refused = None, f"{type(error).__name__}: {error}"
    try:
        result = shown(answer(pa, ours, positional, keywords, spread))
    except REFUSALS:
        return None
    except Exception as error:
        return f"{shown_call}: {type(error).__name__}: {error}"
    if refused is not None:
        if excused(name, refused):
            return None
        return f"{shown_call}: PyTorch refuses ({refused.splitlines()[0][:150]}); we answer {str(result)[:80]}"
    if alike(result, right) or excused(name, "differs"):
        return None
    return f"{shown_call}: {str(result)[:200]} is not PyTorch's {str(right)[:200]}"


def _text(make: Maker) -> str:
    value = make(torch)
    return f"tensor{tuple(value.shape)}:{str(value.dtype)[6:]}" if isinstance(value, torch.Tensor) else repr(value)


PAIRS = found_in_both()


def test_most_functions_are_compared() -> None:
    assert len(PAIRS) > 180


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.filterwarnings("ignore")
def test_both_answer_alike_or_refuse(name: str) -> None:
    ours, theirs = PAIRS[name]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = [difference(name, ours, theirs, number) for number in range(CALLS)]
    wrong = [each for each in found if each is not None]
    assert not wrong, f"{len(wrong)} of {CALLS}:\n" + "\n".join(wrong[:12])
