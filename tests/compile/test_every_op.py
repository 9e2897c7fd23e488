"""Whatever the package documents, compiled: each public function, method, layer and loss beside its plain call, four
times with changing data, and the gradients of a backward behind it.

What there is to call is found by walking the package; arguments are made by the names of its parameters
(tests/bad_arguments.py), and each option is tried that OPTIONS has values for. CALLS has ways to call what takes
others. What is no computation of a step stands in OUTSIDE, what a program cannot hold in REFUSED; what stands nowhere
and cannot be called fails.
"""

import copy
import functools
import inspect
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from bad_arguments import OPERATORS, classes, matrix, probabilities, right

import pyautograd as pa
from pyautograd import Tensor, TraceError, Value, _ops, nn
from pyautograd._structure import flatten, rebuild
from pyautograd.nn import functional as F


def square() -> Tensor:
    return pa.tensor([[2.0, 0.5], [0.5, 1.5]])


class Call(NamedTuple):
    """One way to call something: `make` gives the function, a new one for each world."""

    make: Callable[[], Callable[..., Any]]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def positions() -> Tensor:
    return pa.tensor([[1, 0, 1], [0, 1, 0]])


# Values to try for an option, wherever it has that name; those that the plain call refuses are passed over
OPTIONS: dict[str, list[Any]] = {
    "reduction": ["sum", "none", "batchmean"], "keepdim": [True], "keepdims": [True], "dim": [0, 1, -1, (0, 1)],
    "axis": [0, (0, 1)], "dtype": [pa.float64, pa.int64], "unbiased": [False], "correction": [0], "ignore_index": [1],
    "label_smoothing": [0.1], "log_target": [True], "delta": [0.3], "beta": [0.3, 0.0], "margin": [0.5],
    "approximate": ["tanh"], "alpha": [2.0], "p": [1, 0.3, float("inf"), 1.0], "diagonal": [1], "equal_nan": [True],
    "padding_idx": [0], "training": [True], "momentum": [None, 0.3], "affine": [False], "bias": [False],
    "track_running_stats": [False], "negative_slope": [0.3], "threshold": [0.5], "elementwise_affine": [False],
    "rounding_mode": ["trunc", "floor"],
    "min": [0.3], "max": [0.4], "a": [0.5], "b": [2.0], "steps": [3], "requires_grad": [True], "std": [2.0],
    "gain": [2.0], "mode": ["fan_out"], "pos_weight": [pa.tensor([2.0, 0.5])], "weight": [pa.tensor([0.25, 0.75])],
    "eps": [0.1], "norm_type": [1.0, float("inf")], "copy": [True], "rtol": [0.5], "num_classes": [3],
    "nonlinearity": ["tanh"], "gradient": [matrix()], "inplace": [True], "generator": [pa.Generator()],
    "decimals": [1],
    "descending": [True], "largest": [False], "right": [True], "side": ["right"], "invert": [True], "dx": [0.5],
    "interpolation": ["lower", "midpoint"], "replacement": [True],
    "sorter": [pa.tensor([1, 0])],
    "include_self": [False], "reduce": ["add", "multiply"],
    "offset": [1, -1],
}  # fmt: skip


def image(axes: int) -> Tensor:
    return kernel(2, 3, *(8, 6)[2 - axes :])


def kernel(*shape: int) -> Tensor:
    return pa.linspace(-1, 1, math.prod(shape)).square().reshape(shape) - 0.3


# Arguments for what cannot be called with those that the names of its parameters stand for
CALLS: dict[str, list[tuple[Any, ...]]] = {
    "pa.arange": [(4,), (1, 9, 2), (0.5, 2.0, 0.25)],
    **{f"{prefix}.{row.name}": [(positions(), positions())[: row.operands]]
       for row in _ops.table.values() if row.family == "logic" for prefix in ("pa", "Tensor")},
    "pa.can_cast": [(pa.int64, pa.uint8)],
    "pa.promote_types": [(pa.int32, pa.uint8)],
    "pa.full": [((2, 3), pa.tensor(0.5)), ((2,), pa.tensor(3)), ((2,), 7)],
    "pa.where": [(matrix() > 0.3, matrix(), probabilities()[:, :1]), (matrix() > 0.3, matrix(), 0.5)],
    "pa.tensor": [(matrix(),), ([0.5, pa.tensor(0.25)],), ([1, 2],)],
    "pa.as_tensor": [(matrix(),), ([0.5, pa.tensor(0.25)],)],
    "pa.randint": [(5, (2, 3)), (2**60, 2**60 + 9, (4,))],
    "pa.logspace": [(0, 2, 3)], "pa.tril_indices": [(2, 3)], "pa.triu_indices": [(2, 3, 1)],
    **{f"{prefix}.randint_like": [(matrix(), 5), (matrix(), 2, 5)] for prefix in ("pa", "Tensor")},
    "Tensor.new_full": [(matrix(), (2,), 7)], "Tensor.new_zeros": [(matrix(), 2)], "Tensor.new_ones": [(matrix(), 2)],
    "special.multigammaln": [(matrix() + 1, 3)], "special.polygamma": [(2, matrix())],
    "pa.normal": [(0.5, 2.0, (2, 3)), (matrix(), 0.5), (matrix(), matrix()), (0.5, matrix())],
    "pa.from_numpy": [(np.ones(3),)], "pa.from_dlpack": [(np.ones(3),)],
    "pa.host_call": [(np.linalg.pinv, matrix()), (operator.mul, matrix(), 0.5)],
    "F.layer_norm": [(matrix(), (3,), pa.tensor([1.0, 0.5, 2.0]), pa.tensor([0.0, 1.0, 0.5]))],
    "F.rms_norm": [(matrix(), (3,), pa.tensor([1.0, 0.5, 2.0]))],
    "pa.bilinear": [(matrix(), matrix(), pa.ones(4, 3, 3), pa.ones(4))], "pa.prelu": [(matrix(), pa.tensor([0.25]))],
    "F.linear": [(matrix(), matrix()), (matrix(), matrix(), pa.tensor([0.5, 0.25]))],
    "F.embedding": [(positions(), probabilities())],
    "F.batch_norm": [(matrix(), pa.zeros(3), pa.ones(3), pa.ones(3), pa.ones(3), True),
                     (matrix(), pa.zeros(3), pa.ones(3))],
    "F.one_hot": [(positions(), 3)], "F.glu": [(matrix(), 0)], "F.softmin": [(matrix(), 0)],
    "F.prelu": [(matrix(), pa.tensor([0.25])), (matrix(), pa.tensor([0.25, 0.5, 0.75]))],
    "F.gumbel_softmax": [(matrix(),), (matrix(), 0.5, True)], "F.threshold": [(matrix(), 0.3, 0.6)],
    "F.softmax": [(matrix(), 0)], "F.log_softmax": [(matrix(), 1)],
    "F.cross_entropy": [(probabilities(), classes()), (probabilities(), probabilities()),
                        (pa.stack([matrix(), matrix()]), positions())],
    **{f"F.{name}": [(matrix(), matrix() * 0.3, target)] for name, target in {
        "margin_ranking_loss": matrix(), "cosine_embedding_loss": pa.tensor([1.0, -1.0]), "gaussian_nll_loss": matrix(),
    }.items()},
    "F.multi_margin_loss": [(probabilities(), classes()), (probabilities(), classes(), 2)],
    "F.multilabel_margin_loss": [(probabilities(), positions()[:, :2])],
    "F.nll_loss": [(probabilities(), classes()), (probabilities()[0], pa.tensor(1))],
    "utils.pad_sequence": [([matrix(), matrix()[:1]],)],
    "utils.vector_to_parameters": [(pa.arange(6.0), [matrix()])],
    "Tensor.__setitem__": [
        (matrix(), key, value)
        for key in (0, slice(1), (1, 2), classes(), positions().bool()) for value in (0.5, pa.tensor(2.0))
    ],
    "Tensor.__getitem__": [(matrix(), key) for key in (0, (..., 1), None, classes(), (classes(), classes()), [1, 0])],
    "Tensor.__deepcopy__": [(matrix(), {})],
    "Tensor.__invert__": [(matrix() > 0.3,)],
    "Tensor.__iter__": [(matrix(),)],
    "Tensor.backward": [(matrix().sum(),)],
    "Tensor.item": [(pa.tensor(0.5),), (pa.tensor([3]),), (pa.tensor(True),)],
    **{f"{prefix}.{name}": calls for name, calls in {
        "clamp": [(matrix(), 0.3, 0.6), (matrix(), matrix() * 0.5, None), (matrix(), pa.tensor(0.3))],
        "clip": [(matrix(), 0.3, 0.6)], "clamp_": [(matrix(), 0.3, 0.6)],
        "gather": [(matrix(), 0, positions()), (matrix(), 1, positions())],
        "scatter": [(matrix(), 1, positions(), matrix()), (matrix(), 0, positions(), 0.5)],
        "scatter_add": [(matrix(), 0, positions(), matrix())],
        "scatter_reduce": [
            (matrix(), 1, positions(), matrix(), how) for how in ("sum", "prod", "mean", "amax", "amin")
        ],
        "index_add": [(matrix(), 0, classes(), matrix())], "index_copy": [(matrix(), 0, classes(), matrix())],
        "index_reduce": [(matrix(), 0, classes(), matrix(), how) for how in ("prod", "mean", "amax", "amin")],
        "index_put": [(matrix(), (classes(), classes()), pa.tensor(2.0)), (matrix(), (classes(),), matrix(), True)],
        "masked_scatter": [(matrix(), positions().bool(), probabilities())],
        "put": [(matrix(), classes(), pa.ones(2)), (matrix(), classes(), pa.ones(2), True)],
        "take_along_dim": [(matrix(), positions(), 1), (matrix(), classes())],
        **{name: [(classes() + 5, classes())] for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm")},
        **{name: [(classes(), 2)]
           for name in ("bitwise_left_shift", "bitwise_right_shift", "__lshift__", "__rshift__")},
        "bitwise_not": [(classes(),)], "floor_divide": [(matrix(), 0.3), (classes(), 2), (classes(), classes() + 1)],
        "remainder": [(matrix(), 0.3), (classes(), 2)], "fmod": [(matrix(), 0.3), (classes(), 2)],
        "lcm": [(classes() + 5, classes())], "lerp": [(matrix(), matrix() * 2, 0.3), (matrix(), pa.ones(3), matrix())],
        "max": [(matrix(),), (matrix(), 1), (matrix(), 0, True), (matrix(), matrix() * 0.5)],
        "min": [(matrix(),), (matrix(), 1), (matrix(), 0, True), (matrix(), matrix() * 0.5)],
        "histc": [(matrix(), 4, 0.2, 0.9)],
        "matmul": [(matrix(), matrix().T), (matrix(), pa.ones(3))],
        "__matmul__": [(matrix(), matrix().T)], "__rmatmul__": [(matrix(), matrix().T)],
        "bmm": [(matrix().reshape(1, 2, 3), matrix().reshape(1, 3, 2))], "dot": [(pa.ones(3), pa.ones(3))],
        "narrow": [(matrix(), 1, 1, 2)], "select": [(matrix(), 1, -1)], "unflatten": [(matrix(), 1, (3, 1))],
        "unfold": [(matrix(), 1, 2, 1), (matrix(), 0, 1, 1)], "split_with_sizes": [(matrix(), [1, 2], 1)],
        "tensor_split": [(matrix(), 2, 1), (matrix(), (1,), 1)], "hsplit": [(matrix(), 3)],
        "vsplit": [(matrix(), 1)], "dsplit": [(matrix().reshape(2, 1, 3), 3)],
        "roll": [(matrix(), 1), (matrix(), 1, 1)],
        "repeat_interleave": [(matrix(), 2), (matrix(), 2, 0), (matrix(), 2, 1)],
        "rot90": [(matrix(),), (matrix(), 2)],
        "combinations": [(matrix()[0], 2)], "__and__": [(classes(), classes())],
        "__or__": [(matrix() > 0.3, matrix() > 0.5)],
        "__xor__": [(classes(), classes())],
    }.items() for prefix in ("pa", "Tensor")},
    **{f"pa.{name}": [(matrix(), matrix())]
       for name in ("broadcast_tensors", "atleast_1d", "atleast_2d", "atleast_3d", "block_diag")},
    "pa.meshgrid": [(pa.ones(2), pa.ones(3))], "pa.cartesian_prod": [(pa.ones(2), pa.ones(3))],
    **{f"{prefix}.{name}": [(square(),)] for prefix in ("pa", "linalg", "Tensor") for name in (
        "inv", "inverse", "det", "slogdet", "logdet", "cholesky", "cholesky_inverse", "eigh", "eigvalsh", "pinv",
        "pinverse", "matrix_exp", "qr", "svd", "svdvals", "cond", "matrix_rank", "matrix_norm", "norm", "diagonal",
        "vander", "trace",
    )},
    **{f"{prefix}.{name}": [(square(), square())] for prefix in ("pa", "linalg", "Tensor") for name in (
        "solve", "solve_triangular", "lstsq", "vecdot", "matmul", "cholesky_solve", "triangular_solve",
        "inner", "tensordot",
    )},
    **{f"{prefix}.matrix_power": [(square(), 3), (square(), -1)] for prefix in ("pa", "linalg", "Tensor")},
    **{f"{prefix}.cross": [(matrix(), matrix() * matrix())] for prefix in ("pa", "linalg", "Tensor")},
    **{f"{prefix}.{name}": [(pa.ones(2), *operands)] for prefix in ("pa", "Tensor") for name, operands in {
        "addmm": (matrix(), matrix().T), "addmv": (matrix(), pa.ones(3)), "addr": (pa.ones(2), pa.ones(2)),
        "addbmm": (pa.ones(4, 2, 3), pa.ones(4, 3, 2)), "baddbmm": (pa.ones(4, 2, 3), pa.ones(4, 3, 2)),
    }.items()},
    "Tensor.vdot": [(pa.ones(3), pa.ones(3))], "pa.vdot": [(pa.ones(3), pa.ones(3))],
    "pa.ger": [(pa.ones(2), pa.ones(3))], "Tensor.ger": [(pa.ones(2), pa.ones(3))],
    "pa.chain_matmul": [(matrix(), matrix().T, square())], "linalg.multi_dot": [((matrix(), matrix().T, square()),)],
    "pa.einsum": [("ij,jk->ik", matrix(), matrix().T), ("ij->j", matrix()), ("ij,ij->i", matrix(), matrix()),
                  ("ii,ij->j", square(), matrix())],
    "linalg.vector_norm": [(matrix(),), (matrix(), 1), (matrix(), 3, 1)],
    "linalg.tensorinv": [(square().reshape(2, 2, 1), 1)],
    "linalg.tensorsolve": [(square().reshape(2, 1, 2), pa.ones(2, 1))],
    "F.bilinear": [(matrix(), matrix(), pa.ones(4, 3, 3), pa.ones(4))],
    "F.unfold": [(pa.ones(2, 3, 4, 5), 2), (pa.ones(2, 3, 4, 5), (2, 3), 1, 1, 2)],
    "F.fold": [(pa.ones(2, 12, 6), (3, 4), 2)],
    **{f"F.{kind}_pool{axes}d": [(image(axes), 2), (image(axes), 3, 1, 1)]
       for kind in ("max", "avg") for axes in (1, 2)},
    **{f"F.adaptive_{kind}_pool{axes}d": [(image(axes), 1), (image(axes), 2)]
       for kind in ("max", "avg") for axes in (1, 2)},
    "F.conv1d": [(image(1), kernel(4, 3, 2), pa.rand(4)), (image(1), kernel(3, 1, 3), None, 2, 1, 1, 3)],
    "F.conv2d": [(image(2), kernel(4, 3, 2, 3), pa.rand(4)), (image(2), kernel(3, 1, 3, 3), None, 1, "same", 2, 3)],
    "F.conv_transpose1d": [(image(1), kernel(3, 4, 2), pa.rand(4)), (image(1), kernel(3, 1, 3), None, 2, 1, 1, 3)],
    "F.conv_transpose2d": [(image(2), kernel(3, 4, 2, 3), pa.rand(4)), (image(2), kernel(3, 2, 3, 3), None, 2, 1, 1)],
    "F.group_norm": [(image(1).reshape(2, 6, 3), 3, pa.rand(6), pa.rand(6))],
    "F.instance_norm": [(image(1), None, None, pa.rand(3), pa.rand(3))],
    "F.scaled_dot_product_attention": [
        (image(1), image(1), image(1)), (image(1), image(1), image(1), kernel(3, 3) > 0.1),
        (image(1), image(1), image(1), None, 0.0, True),
    ],
    "F.pad": [(matrix(), (1, 2)), (matrix(), (1, 0), "circular"), (matrix(), (1, 1), "reflect")],
    **{f"F.{name}": [(probabilities(), probabilities())]
       for name in ("binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div")},
}  # fmt: skip

CALLS |= {f"{name}_": calls for name, calls in CALLS.items() if hasattr(Tensor, f"{name[7:]}_")}
CALLS |= {
    "Tensor.addmm_": [(matrix(), pa.ones(2, 2), pa.ones(2, 3))], "Tensor.addr_": [(matrix(), pa.ones(2), pa.ones(3))],
    "Tensor.addbmm_": [(matrix(), pa.ones(1, 2, 2), pa.ones(1, 2, 3))],
    "Tensor.baddbmm_": [(pa.ones(1, 2, 3), pa.ones(1, 2, 2), pa.ones(1, 2, 3))],
}  # fmt: skip

# No computation on the tensors of a step: settings, files, what makes or asks about objects
OUTSIDE = {
    "pa.compile", "pa.summary", "pa.load", "pa.save", "pa.get_num_threads", "pa.set_num_threads", "pa.device", "pa.isa",
    "pa.set_default_dtype", "pa.get_default_dtype", "pa.set_flush_denormal", "pa.empty_cache", "pa.memory_stats",
    "pa.set_printoptions",
    "pa.is_tensor", "pa.is_grad_enabled", "pa.set_rng_state", "pa.empty", "pa.empty_like", "init.calculate_gain",
    "Tensor.new_empty",
    "Tensor.as_strided",
    "Tensor.data_ptr", "Tensor.__len__", "nn.Module", "nn.ModuleList", "nn.ModuleDict", "nn.Parameter",
    "nn.ParameterList", "nn.ParameterDict",
    "Tensor.cuda", *(f"pa.{name}" for name in pa.compat.__all__),
}  # fmt: skip

# What a program cannot hold, what the TraceError says, and the arguments
ONE = (pa.tensor(0.5),)
REFUSED: dict[str, tuple[str, tuple[Any, ...]]] = {
    **dict.fromkeys(("pa.get_rng_state", "pa.initial_seed", "pa.seed"), ("random stream.*(outside|before)", ())),
    "pa.manual_seed": ("seeding a random stream.*before the first step", (1,)),
    "init.trunc_normal_": (r"init\.trunc_normal_.*before the first step", (matrix(),)),
    "init.orthogonal_": (r"init\.orthogonal_.*before the first step", (matrix(),)),
    "F.one_hot without num_classes": ("one_hot.*give num_classes", (classes(),)),
    "Tensor.__getitem__ with a mask": (r"index that is a mask.*where\(", (matrix(), positions().bool())),
    **{f"{prefix}.{name}": (rf"{name}.*where\(", (matrix(),))
       for name in ("nonzero", "argwhere", "unique", "unique_consecutive") for prefix in ("pa", "Tensor")},
    **{f"{prefix}.bincount": (r"bincount.*one_hot\(", (classes(),)) for prefix in ("pa", "Tensor")},
    "utils.unpad_sequence": ("int: .*no numbers yet", (matrix(), pa.tensor([1, 2, 2]))),
    "pa.where without a choice": ("nonzero.*where\\(", (matrix() > 0.3,)),
    "Tensor.histc without bounds": ("histc.*give it min and max", (matrix(),)),
    **{f"{prefix}.masked_select": (r"masked_select.*where\(", (matrix(), matrix() > 0.3))
       for prefix in ("pa", "Tensor")},
    "Tensor.register_hook": ("register_hook.*before the first call", (pa.ones(2, requires_grad=True), abs)),
    "Tensor.register_post_accumulate_grad_hook": ("grad_hook.*behind backward", (pa.ones(2, requires_grad=True), abs)),
    "Tensor.numpy": ("numpy.*outside", ONE), "Tensor.__repr__": ("repr.*outside", ONE),
    "Tensor.__format__": ("format.*outside", (*ONE, ".2f")), "Tensor.__bool__": ("bool.*where", ONE),
    "Tensor.__contains__": ("bool.*where", (matrix(), 0.5)), "Tensor.__float__": (r"float.*item\(\)", ONE),
    "Tensor.__int__": (r"int.*item\(\)", ONE), "Tensor.__index__": (r"int.*item\(\)", (pa.tensor(1),)),
}  # fmt: skip


def exported(module: Any, prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in module.__all__:
        found = getattr(module, name)
        if inspect.isroutine(found):
            yield f"{prefix}.{name}", found


def methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Of Tensor, as functions of the tensor; a property is one too."""
    names = {name for name in dir(Tensor) if not name.startswith("_")} | set(OPERATORS)
    for name in sorted(name for name in names if hasattr(matrix(), name)):
        if callable(getattr(matrix(), name)):
            yield f"Tensor.{name}", functools.partial(_method, name)
        else:
            yield f"Tensor.{name}", functools.partial(_attribute, name)


def _method(name: str, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    result = getattr(x, name)(*args, **kwargs)
    if isinstance(result, Iterator):
        return list(result)
    return (result, x) if name.endswith("_") else result


def _attribute(name: str, x: Tensor) -> Any:
    return getattr(x, name)


FUNCTIONS = {
    **dict(exported(pa, "pa")), **dict(exported(F, "F")), **dict(exported(nn.init, "init")),
    **dict(exported(pa.linalg, "linalg")),
    **dict(exported(pa.special, "special")),
    "linalg.solve_triangular": functools.partial(pa.linalg.solve_triangular, upper=True),
    **dict(exported(nn.utils, "utils")), **dict(methods()),
}  # fmt: skip
MODULES = {f"nn.{name}": getattr(nn, name) for name in nn.__all__ if inspect.isclass(getattr(nn, name))}


def signature_of(name: str) -> list[inspect.Parameter]:
    function = FUNCTIONS[name]
    if isinstance(function, functools.partial):
        function = getattr(Tensor, name.partition(".")[2], None)  # type: ignore[assignment]
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def arguments_of(name: str) -> tuple[list[Any], list[inspect.Parameter]]:
    """What the required parameters are given, and the parameters that need not be."""
    args, optional = [], []
    short = name.partition(".")[2]
    found = signature_of(name)
    if name.startswith("Tensor."):
        args.append(right(short, "input"))
        found = found[1:]
    for each in found:
        if each.default is not each.empty or each.kind is each.VAR_KEYWORD:
            optional.append(each)
        elif each.kind is each.VAR_POSITIONAL:
            args.extend(right(short, each.name) if isinstance(right(short, each.name), tuple) else [])
        else:
            args.append(right(short, each.name))
    return args, optional


def ways(name: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    args, optional = arguments_of(name)
    calls = CALLS.get(name, [tuple(args)])
    yield from ((given, {}) for given in calls)
    for each in optional:
        for value in OPTIONS.get(each.name, []):
            yield calls[0], {each.name: value}


# ---- a call in two worlds ----


def vary(leaf: Tensor, i: int) -> Tensor:
    """The data of call i: other numbers in the same range."""
    with pa.no_grad():
        if leaf.dtype is pa.int64:
            return 1 - leaf if i % 2 and leaf.ndim and int(leaf.max()) == 1 else leaf.clone()
        return ~leaf if leaf.dtype is pa.bool else leaf.detach() * (1 - 0.1 * i)


class World:
    """A step around a call; its float tensors are tracked, where they may be, through parameters added to them."""

    def __init__(self, call: Call, tracked: bool) -> None:
        pa.manual_seed(1)
        self.function = call.make()
        self.leaves: list[Tensor] = []
        kwargs = {key: pa.Generator() if key == "generator" else value for key, value in call.kwargs.items()}
        structure = flatten((call.args, kwargs), self.leaves, Tensor)
        shifts = [nn.Parameter(pa.zeros(x.shape)) if tracked and x.is_floating_point() else None for x in self.leaves]
        owned = list(self.function.parameters()) if isinstance(self.function, nn.Module) else []
        self.parameters = [each for each in shifts if each is not None] + owned
        function, parameters = self.function, self.parameters

        def step(*leaves: Tensor) -> Any:
            for each in parameters:
                each.grad = None
            taken = [x.clone() if shift is None else x + shift for x, shift in zip(leaves, shifts)]
            args, kwargs = rebuild(structure, iter(taken))
            result = function(*args, **kwargs)
            outputs: list[Tensor] = []
            flatten(result, outputs, Tensor)
            losses = [(each * each).sum() for each in outputs if each.requires_grad]
            if losses:
                sum(losses).backward()
            return result, [each.grad for each in parameters]

        self.step: Any = step

    def state(self) -> Any:
        return list(self.function.state_dict().values()) if isinstance(self.function, nn.Module) else []

    def run(self, n: int = 4) -> list[Any]:
        pa.manual_seed(2)
        found = []
        for i in range(n):
            result = self.step(*[vary(leaf, i) for leaf in self.leaves])
            found.append(copy.deepcopy(plain((result, self.state()))))
        return [*found, pa.get_rng_state()]


def plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.dtype.name, value.shape, value.detach().numpy().copy()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return plain(list(value)) if isinstance(value, Iterator) else (type(value), value)


def check_equal(a: Any, b: Any, tolerance: float = 1e-6) -> None:
    if isinstance(a, np.ndarray):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            check_equal(x, y, tolerance)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        check_equal(list(a.values()), list(b.values()), tolerance)
    else:
        assert a == b or (a != a and b != b)


def check(call: Call) -> bool:
    """Compares the compiled call with the plain one; False where the plain one cannot be made."""
    for tracked in (True, False):
        try:
            wanted = World(call, tracked).run()
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            continue
        world = World(call, tracked)
        world.step = compiled = pa.compile(world.step)
        check_equal(world.run(), wanted)
        assert len(compiled.programs) == 1
        return True
    return False


@pytest.mark.filterwarnings("ignore:float. a Value")
@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - OUTSIDE - REFUSED.keys()))
def test_a_function_is_compiled_as_it_is_called(name: str) -> None:
    made = [check(Call(lambda: FUNCTIONS[name], args, kwargs)) for args, kwargs in ways(name)]
    assert made[0], f"no way to call {name}: give it one in CALLS"


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_a_program_cannot_hold_is_refused_and_named(name: str) -> None:
    message, args = REFUSED[name]
    function = FUNCTIONS[name.partition(" ")[0]]
    with pytest.raises(TraceError, match=message):
        for _ in range(2):
            pa.compile(lambda *leaves: function(*leaves))(*args)


# ---- layers, activations and losses ----

CALLED_WITH: dict[str, tuple[Any, ...]] = {
    "nn.Bilinear": (matrix(), matrix()), "nn.Embedding": (positions(),),
    "nn.MLP": (probabilities(),), "nn.CrossEntropyLoss": (probabilities(), classes()),
    "nn.NLLLoss": (probabilities(), classes()), "nn.CosineSimilarity": (matrix(), matrix() * 0.5),
    "nn.CosineEmbeddingLoss": (matrix(), matrix() * 0.3, pa.tensor([1.0, -1.0])),
    "nn.MultiMarginLoss": (probabilities(), classes()),
    "nn.MultiLabelMarginLoss": (probabilities(), positions()[:, :2]),
    **{f"nn.{name}": (matrix(), matrix() * 0.3, matrix() * 0.7)
       for name in ("GaussianNLLLoss", "MarginRankingLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss")},
    "nn.PairwiseDistance": (matrix(), matrix() * 0.5),
    **{f"nn.{kind}Pool{axes}d": (image(axes),)
       for kind in ("Max", "Avg", "AdaptiveMax", "AdaptiveAvg") for axes in (1, 2)},
    **{f"nn.{kind}{axes}d": (image(axes),) for kind in ("Conv", "ConvTranspose") for axes in (1, 2)},
    "nn.Unfold": (image(2),), "nn.Fold": (pa.ones(2, 12, 6),), "nn.BatchNorm2d": (image(2),),
    "nn.GroupNorm": (image(1).reshape(2, 6, 3),), "nn.InstanceNorm1d": (image(1),),
    **{f"nn.{kind}": (kernel(4, 2, 3),) for kind in ("RNN", "LSTM", "GRU")},
    **{f"nn.{kind}": (kernel(2, 4, 6),) * n for kind, n in (
        ("MultiheadAttention", 3), ("TransformerEncoderLayer", 1), ("TransformerDecoderLayer", 2),
        ("TransformerEncoder", 1), ("TransformerDecoder", 2), ("Transformer", 2),
    )},
}  # fmt: skip
LAYER = (6, 2, 8, 0.1)
MADE_WITH: dict[str, tuple[Any, ...]] = {
    "nn.Sequential": (nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), "nn.Softmax": (0,), "nn.LogSoftmax": (1,),
    "nn.MLP": (2, [4, 1]), "nn.Bilinear": (3, 3, 4), "nn.Unflatten": (1, (3, 1)),
    "nn.RMSNorm": (3,),
    "nn.GLU": (0,), "nn.Softmin": (0,), "nn.Threshold": (0.3, 0.6),
    **{f"nn.{kind}Pool{axes}d": (2,) for kind in ("Max", "Avg", "AdaptiveMax", "AdaptiveAvg") for axes in (1, 2)},
    **{f"nn.{kind}{axes}d": (3, 4, 2) for kind in ("Conv", "ConvTranspose") for axes in (1, 2)},
    "nn.Unfold": (2,), "nn.Fold": ((3, 4), 2), "nn.BatchNorm2d": (3,), "nn.GroupNorm": (3, 6),
    "nn.InstanceNorm1d": (3,),
    **{f"nn.{kind}{cell}": (3, 4) for kind in ("RNN", "LSTM", "GRU") for cell in ("", "Cell")},
    "nn.MultiheadAttention": (6, 2), "nn.TransformerEncoderLayer": LAYER, "nn.TransformerDecoderLayer": LAYER,
    "nn.TransformerEncoder": (nn.TransformerEncoderLayer(*LAYER), 2), "nn.Transformer": (6, 2, 1, 1, 8),
    "nn.TransformerDecoder": (nn.TransformerDecoderLayer(*LAYER), 1, nn.LayerNorm(6)),
}  # fmt: skip


def modules(name: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """What a class of modules is made with: alone, and with each option."""
    parameters = [*inspect.signature(MODULES[name]).parameters.values()]
    required = [each for each in parameters if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    args = MADE_WITH.get(name) or tuple(right(name, each.name) for each in required)
    yield args, {}
    for each in parameters[len(required) :]:
        for value in OPTIONS.get(each.name, []):
            yield args, {each.name: value}


def called_with(name: str) -> tuple[Any, ...]:
    return CALLED_WITH.get(name, (probabilities(), probabilities()) if name.endswith("Loss") else (matrix(),))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", sorted(MODULES.keys() - OUTSIDE))
def test_a_module_is_compiled_as_it_is_called(name: str, training: bool) -> None:
    given = called_with(name)

    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module:
        module: nn.Module = copy.deepcopy(MODULES[name](*args, **kwargs))
        return module.train(training)

    made = []
    for args, kwargs in modules(name):
        try:
            make(args, kwargs)
        except (TypeError, ValueError):
            continue
        made.append(check(Call(functools.partial(make, args, kwargs), given, {})))
    assert made and made[0]


# ---- Values ----

OF_VALUES = sorted(
    name
    for name in {name for name in dir(Value) if not name.startswith("_")} | set(OPERATORS)
    if callable(getattr(Value, name, None)) and name not in {"label", "retain_grad", "backward", "__call__"}
)
REFUSED_OF_VALUES = {"__float__": r"float.*item\(\)", "__int__": "int", "__repr__": "repr", "__format__": "repr"}
NOT_OF_VALUES = {
    "__invert__",
    "__bool__",
    "__deepcopy__",
    "__iter__",
    "__len__",
    "__contains__",
    "__index__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__getitem__",
}


@pytest.mark.parametrize("name", [name for name in OF_VALUES if name not in REFUSED_OF_VALUES.keys() | NOT_OF_VALUES])
def test_a_method_of_values_is_compiled_as_it_is_called(name: str) -> None:
    def step(v: Value, w: Value) -> Any:
        a, b = v + 0.0, w + 0.0
        try:
            result = getattr(a, name)()
        except TypeError:
            result = getattr(a, name)(2 if name == "polygamma" else b)
        if isinstance(result, Value) and not result.is_leaf:
            result.backward()
        number = result.data if isinstance(result, Value) else result
        return number, v.grad, w.grad

    compiled = pa.compile(step)
    for i in range(4):
        wanted, found = (each(Value(0.3 + 0.1 * i), Value(0.6 - 0.1 * i)) for each in (step, compiled))
        check_equal(plain(found), plain(wanted))


@pytest.mark.parametrize("name", sorted(REFUSED_OF_VALUES))
def test_what_asks_for_the_number_of_a_value_is_refused(name: str) -> None:
    arguments = ("",) if name == "__format__" else ()
    with pytest.raises(TraceError, match=REFUSED_OF_VALUES[name]):
        pa.compile(lambda v: (getattr(v * 2, name)(*arguments), v)[1])(Value(0.5))
