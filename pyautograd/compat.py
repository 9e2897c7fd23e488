"""Names of PyTorch that say nothing about a computation, but that scripts stop without.

There is one device here and one kind of tensor, so these answer, or do nothing and say so, or raise. A script that says
`torch` throughout, or whose own packages do, runs as it is after two lines:

    from pyautograd import compat
    compat.register("torch")

That is never done by an import, since other packages look for torch among the modules that are loaded.

>>> import pyautograd as pa
>>> device = pa.device("cuda" if pa.cuda.is_available() else "cpu")
>>> pa.FloatTensor([1, 2]).to(device)
tensor([1., 2.])
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from pyautograd import _dtype, _generator, _paths
from pyautograd._device import check_device, device
from pyautograd._tensor import Tensor, sized
from pyautograd._version import __version__

__all__ = [
    "BoolTensor", "ByteTensor", "DoubleTensor", "FloatTensor", "IntTensor", "LongTensor", "Size", "Variable",
    "accelerator", "amp", "are_deterministic_algorithms_enabled", "autocast", "backends", "cuda",
    "get_default_device", "get_float32_matmul_precision", "get_num_interop_threads", "jit", "mps", "random",
    "register", "set_default_device", "set_default_tensor_type", "set_float32_matmul_precision",
    "set_num_interop_threads", "typename", "use_deterministic_algorithms", "version",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


def register(name: str = "torch") -> None:
    """Let imports of `name` and of its submodules find this package, in this process.

    What is missing here raises ModuleNotFoundError there. **Raises** RuntimeError where another package of that name is
    already imported.

    >>> import pyautograd
    >>> pyautograd.compat.register("a_name_for_it")
    >>> from a_name_for_it.nn.modules.loss import MSELoss
    >>> MSELoss is pyautograd.nn.MSELoss
    True
    """
    _paths.register(name)


class _Namespace(SimpleNamespace):
    """What is a module in PyTorch. Switches can be set, and change nothing."""

    __path__ = ()  # so that imports below it are looked for
    __spec__ = None


# ---- tensors and sizes ----


class _TensorType(type):
    """Of a class whose instances are the tensors of one dtype."""

    dtype: _dtype.dtype

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        check_device(device)
        return sized(cls.__name__, args, cls.dtype)


def _tensor_type(name: str, dtype: _dtype.dtype, written: str) -> _TensorType:
    doc = f"""A {dtype.name} tensor: `{name}(2, 3)` has that shape, its numbers not set, `{name}([1, 0])` these numbers.

    **Raises** TypeError for anything else.

    >>> import pyautograd as pa
    >>> pa.{name}([1, 0])
    {written}
    >>> pa.{name}(2, 3).shape, isinstance(pa.{name}(2), pa.{name})
    ((2, 3), True)
    """
    return _TensorType(name, (), {"__module__": __name__, "__doc__": doc, "dtype": dtype})


FloatTensor = _tensor_type("FloatTensor", _dtype.float32, "tensor([1., 0.])")
DoubleTensor = _tensor_type("DoubleTensor", _dtype.float64, "tensor([1., 0.], dtype=float64)")
LongTensor = _tensor_type("LongTensor", _dtype.int64, "tensor([1, 0])")
IntTensor = _tensor_type("IntTensor", _dtype.int32, "tensor([1, 0], dtype=int32)")
ByteTensor = _tensor_type("ByteTensor", _dtype.uint8, "tensor([1, 0], dtype=uint8)")
BoolTensor = _tensor_type("BoolTensor", _dtype.bool_, "tensor([ True, False])")


class _SizeType(type):
    """Shapes here are tuples, and these are what a script asks for."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, tuple)


class Size(tuple[int, ...], metaclass=_SizeType):
    """A shape that knows its number of elements. `tensor.shape` is a tuple, and counts as a Size.

    **Raises** TypeError as `tuple` does.

    >>> import pyautograd as pa
    >>> pa.Size((2, 3)).numel(), isinstance(pa.ones(2).shape, pa.Size)
    (6, True)
    """

    def numel(self) -> int:
        """The number of elements.

        >>> import pyautograd as pa
        >>> pa.Size((2, 3)).numel()
        6
        """
        return math.prod(self)


def Variable(data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:
    """A tensor over the same memory, as PyTorch's before its version 0.4: `data` itself has long been one.

    **Raises** TypeError for what is no Tensor, RuntimeError for `requires_grad` of integers.

    >>> import pyautograd as pa
    >>> pa.autograd.Variable(pa.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """
    if not isinstance(data, Tensor):
        raise TypeError(f"Variable: data must be a Tensor, not {type(data).__name__}")
    if data.requires_grad and not data.is_leaf and not volatile:
        return data
    return data.detach().requires_grad_((requires_grad or data.requires_grad) and not volatile)


def set_default_tensor_type(kind: Any) -> None:
    """`set_default_dtype` by the name of a tensor type. **Raises** TypeError for one that is not of floats.

    >>> import pyautograd as pa
    >>> pa.set_default_tensor_type(pa.FloatTensor)
    """
    _dtype.set_default_dtype(kind)


def typename(obj: Any) -> str:
    """The name of a tensor's type, or of another object's class; it **raises** nothing.

    >>> import pyautograd as pa
    >>> pa.typename(pa.ones(2)), pa.typename(1)
    ('torch.FloatTensor', 'int')
    """
    if isinstance(obj, Tensor):
        return str(obj.type())
    kind = type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


# ---- devices ----


def _no(*_: Any, **__: Any) -> bool:
    return False


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _zero(*_: Any, **__: Any) -> int:
    return 0


def _refuses(path: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{path}: there is no GPU here, and cuda.is_available() is False")

    return refuse


def get_default_device() -> device:
    """The CPU.

    >>> import pyautograd as pa
    >>> pa.get_default_device()
    device(type='cpu')
    """
    return device("cpu")


def set_default_device(device: Any) -> None:
    """Nothing, for "cpu" or None. **Raises** RuntimeError for another device.

    >>> import pyautograd as pa
    >>> pa.set_default_device("cpu")
    """
    check_device(device)


# ---- mixed precision and scripting ----


class autocast(contextlib.ContextDecorator):
    """Nothing where `enabled=False`, and for "cuda", of which there is none, as in PyTorch with a warning.

    **Raises** NotImplementedError for mixed precision on the CPU: there are no types of 16 bits.

    >>> import pyautograd as pa
    >>> with pa.autocast("cuda", enabled=False):
    ...     y = pa.ones(2) * 2
    """

    def __init__(self, device_type: str = "cuda", dtype: Any = None, enabled: bool = True, **_: Any) -> None:
        if not enabled:
            return
        if device_type != "cuda":
            raise NotImplementedError(f"autocast: {device_type} computes in float32 and float64; pass enabled=False")
        warnings.warn("autocast: there is no GPU here; it does nothing", stacklevel=2)

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *_: Any) -> None:
        pass


class _GradScaler:
    """Scales by 1: gradients of float32 need no scaling."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def scale(self, outputs: Any) -> Any:
        return outputs

    def step(self, optimizer: Any, *args: Any, **keywords: Any) -> Any:
        return optimizer.step(*args, **keywords)

    unscale_ = update = load_state_dict = _nothing
    is_enabled = _no

    def get_scale(self) -> float:
        return 1.0

    def state_dict(self) -> dict[str, Any]:
        return {}


def _script(obj: Any = None, *_: Any, **__: Any) -> Any:
    warnings.warn("jit: it is returned as it is; pyautograd.compile is what makes a step fast", stacklevel=2)
    return obj


def _itself(obj: Any = None, *_: Any, **__: Any) -> Any:
    return obj


# ---- reproducible numbers ----


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing: every op gives the same bits each time. **Raises** TypeError if `mode` is not a bool.

    >>> import pyautograd as pa
    >>> pa.use_deterministic_algorithms(True)
    """
    if not isinstance(mode, bool):
        raise TypeError(f"use_deterministic_algorithms: mode must be a bool, not {type(mode).__name__}")


def are_deterministic_algorithms_enabled() -> bool:
    """True.

    >>> import pyautograd as pa
    >>> pa.are_deterministic_algorithms_enabled()
    True
    """
    return True


def get_float32_matmul_precision() -> str:
    """ "highest": products of float32 are computed in float32.

    >>> import pyautograd as pa
    >>> pa.get_float32_matmul_precision()
    'highest'
    """
    return "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """Nothing: "high" and "medium" allow less, and get it. **Raises** ValueError for another word.

    >>> import pyautograd as pa
    >>> pa.set_float32_matmul_precision("high")
    """
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f'set_float32_matmul_precision: "highest", "high" or "medium", not {precision!r}')


def get_num_interop_threads() -> int:
    """1: ops run one after the other.

    >>> import pyautograd as pa
    >>> pa.get_num_interop_threads()
    1
    """
    return 1


def set_num_interop_threads(threads: int) -> None:
    """Nothing. **Raises** ValueError for less than one thread.

    >>> import pyautograd as pa
    >>> pa.set_num_interop_threads(4)
    """
    if threads < 1:
        raise ValueError(f"set_num_interop_threads: at least 1 thread, not {threads}")


@contextlib.contextmanager
def _fork_rng(devices: Any = None, enabled: bool = True, **_: Any) -> Iterator[None]:
    """Draws inside leave the stream outside as it was."""
    state = _generator.get_rng_state()
    try:
        yield
    finally:
        if enabled:
            _generator.set_rng_state(state)


# ---- what are modules in PyTorch ----

random = _Namespace(
    default_generator=_generator.default_generator,
    fork_rng=_fork_rng,
    get_rng_state=_generator.get_rng_state,
    initial_seed=_generator.initial_seed,
    manual_seed=_generator.manual_seed,
    seed=_generator.seed,
    set_rng_state=_generator.set_rng_state,
)
amp = _Namespace(GradScaler=_GradScaler, autocast=autocast)
cuda = _Namespace(
    Event=_refuses("cuda.Event"),
    amp=amp,
    current_device=_refuses("cuda.current_device"),
    device=_refuses("cuda.device"),
    device_count=_zero,
    empty_cache=_nothing,
    get_device_name=_refuses("cuda.get_device_name"),
    get_device_properties=_refuses("cuda.get_device_properties"),
    get_rng_state=_refuses("cuda.get_rng_state"),
    initial_seed=_refuses("cuda.initial_seed"),
    is_available=_no,
    is_bf16_supported=_no,
    is_initialized=_no,
    manual_seed=_nothing,
    manual_seed_all=_nothing,
    max_memory_allocated=_zero,
    memory_allocated=_zero,
    reset_peak_memory_stats=_nothing,
    seed_all=_nothing,
    set_device=_refuses("cuda.set_device"),
    synchronize=_refuses("cuda.synchronize"),
)
mps = _Namespace(device_count=_zero, empty_cache=_nothing, is_available=_no, manual_seed=_nothing)
accelerator = _Namespace(current_accelerator=_nothing, device_count=_zero, is_available=_no)
backends = _Namespace(
    cuda=_Namespace(is_built=_no, matmul=_Namespace(allow_tf32=False)),
    cudnn=_Namespace(
        allow_tf32=False, benchmark=False, deterministic=True, enabled=False, is_available=_no, version=_nothing
    ),
    mkl=_Namespace(is_available=_no),
    mps=_Namespace(is_available=_no, is_built=_no),
    openmp=_Namespace(is_available=_no),
)
jit = _Namespace(
    export=_itself, ignore=_itself, is_scripting=_no, is_tracing=_no, script=_script, trace=_script, unused=_itself
)
version = _Namespace(__version__=__version__, cuda=None, hip=None)
