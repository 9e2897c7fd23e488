"""`Tensor`: an n-d array whose operations are recorded, with PyTorch's names and meaning."""

from __future__ import annotations

import builtins
import copy
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pyautograd import _arguments, _blas, _core, _dims, _ops, _scatter
from pyautograd import _elementwise as E
from pyautograd import _indexing as I
from pyautograd import _joins as J
from pyautograd import _maths as M
from pyautograd import _order as O
from pyautograd import _products as P
from pyautograd import _random as D
from pyautograd import _rearrange as A
from pyautograd import _reduce as R
from pyautograd import _shape as S
from pyautograd import _statistics as N
from pyautograd._array_like import as_tensor, operand, tensor
from pyautograd._conversions import ConversionMethods
from pyautograd._core import Node, is_traced_scalar
from pyautograd._creation import zeros
from pyautograd._device import device
from pyautograd._dtype import DTYPES
from pyautograd._einsum import inner
from pyautograd._generated import TensorMethods
from pyautograd._hooks import RemovableHandle, add_hook
from pyautograd._in_place import IN_PLACE, InPlaceMethods, in_place
from pyautograd._indexing import getitem, setitem
from pyautograd._install import install_methods
from pyautograd._interop import InteropMethods
from pyautograd._printing import check_read, formatted, text_of
from pyautograd._products import MatrixMethods
from pyautograd._rows import whole

__all__ = ["Tensor", "is_tensor"]


_CPU = device("cpu")


def sized(name: str, args: tuple[Any, ...], dtype: Any, **keywords: Any) -> Tensor:
    """What PyTorch's constructors of types make: of ints a tensor of that shape, of anything else one of its items."""
    if args and {type(arg) for arg in args} == {int}:
        return zeros(*args, dtype=dtype, **keywords)
    if len(args) > 1:
        raise TypeError(f"{name}: takes sizes, or one sequence of numbers, not {len(args)} arguments")
    return tensor(*args or ((),), dtype=dtype, **keywords)


def _add_gradients(
    root: Tensor, gradient: Tensor | None, retain_graph: bool, create_graph: bool, inputs: Tensor | Sequence[Tensor]
) -> None:
    """A backward that ends in some tensors alone."""
    wanted = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if not wanted:
        raise RuntimeError("backward: inputs is empty")
    for i, each in enumerate(wanted):
        if not _arguments.tensor("backward", f"inputs[{i}]", each).requires_grad:
            raise RuntimeError(f"backward: inputs[{i}] of shape {each.shape} does not require grad")
    for x, found in zip(wanted, _core.grad(root, wanted, gradient, retain_graph, create_graph, False)):
        if found is None:
            continue
        if x.grad is None:
            x.grad = found.clone() if create_graph else found
        elif create_graph or x.grad.requires_grad:
            x.grad = x.grad + found
        else:
            x.grad.add_(found)


def state_of(node: Node, left_out: tuple[str, ...]) -> Any:
    """What `__getstate__` gives: the attributes and slots set on a node, but for those of its op."""
    state = object.__getstate__(node)
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    kept = {name: value for name, value in (attributes or {}).items() if name not in left_out}
    return (kept, slots) if slots else kept or None


@install_methods(_core.Tensor)
class Tensor(TensorMethods, MatrixMethods, ConversionMethods, InPlaceMethods, InteropMethods):
    """An n-d array of float32, float64, int64, int32, uint8 or bool, and a node of the computational graph.

    Made by `tensor(data)` and its like; operators and methods build the graph; `backward()` differentiates it. Shapes
    broadcast and dtypes promote as in PyTorch, and `.grad` accumulates on the leaves. **Raises**, when made, as
    `tensor`.

    >>> import pyautograd
    >>> w = pyautograd.tensor([1.0, 2.0], requires_grad=True)
    >>> loss = ((w * 3 - 1) ** 2).sum()
    >>> loss.backward()
    >>> w.grad
    tensor([12., 30.])
    """

    __slots__ = ()

    def __init__(self, *data: Any, dtype: Any = None, **keywords: Any) -> None:
        _core.exchange(self, sized("Tensor", data, "float32" if dtype is None else dtype, **keywords))

    # Functions, reductions and views are methods too
    add, sub, div, pow, rsqrt, gelu = E.add, E.sub, E.div, E.pow, E.rsqrt, E.gelu
    clamp, clip, masked_fill = E.clamp, E.clip, E.masked_fill
    logical_and, logical_or, logical_not = E.logical_and, E.logical_or, E.logical_not
    isnan, isinf, isfinite, isclose, allclose = E.isnan, E.isinf, E.isfinite, E.isclose, E.allclose
    absolute, addcdiv, addcmul, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, clamp_max, clamp_min = (
        M.absolute, M.addcdiv, M.addcmul, M.arccos, M.arccosh, M.arcsin, M.arcsinh, M.arctan, M.arctan2, M.arctanh,
        M.clamp_max, M.clamp_min,
    )  # fmt: skip
    deg2rad, divide, equal, fix, float_power, fmax, fmin, frac, greater, greater_equal, heaviside, isneginf = (
        M.deg2rad, M.divide, M.equal, M.fix, M.float_power, M.fmax, M.fmin, M.frac, M.greater, M.greater_equal,
        M.heaviside, M.isneginf,
    )  # fmt: skip
    isposinf, isreal, lcm, ldexp, lerp, less, less_equal, logaddexp2, logical_xor, logit, multiply, nan_to_num = (
        M.isposinf, M.isreal, M.lcm, M.ldexp, M.lerp, M.less, M.less_equal, M.logaddexp2, M.logical_xor, M.logit,
        M.multiply, M.nan_to_num,
    )  # fmt: skip
    negative, not_equal, positive, rad2deg, round, rsub, sgn, signbit, sinc, subtract, true_divide = (
        M.negative, M.not_equal, M.positive, M.rad2deg, M.round, M.rsub, M.sgn, M.signbit, M.sinc, M.subtract,
        M.true_divide,
    )  # fmt: skip
    sum, mean, prod, var, std, norm = R.sum, R.mean, R.prod, R.var, R.std, R.norm
    max, min, amax, amin, argmax, argmin, any, all = R.max, R.min, R.amax, R.amin, R.argmax, R.argmin, R.any, R.all
    softmax, log_softmax, logsumexp = R.softmax, R.log_softmax, R.logsumexp
    nansum, nanmean, count_nonzero, aminmax, dist = R.nansum, R.nanmean, R.count_nonzero, R.aminmax, R.dist
    median, nanmedian, mode, quantile, nanquantile = N.median, N.nanmedian, N.mode, N.quantile, N.nanquantile
    bernoulli, multinomial = D.bernoulli, D.multinomial
    cov, corrcoef, histc, bincount = N.cov, N.corrcoef, N.histc, N.bincount
    sort, argsort, topk, kthvalue, msort, cumsum, cumprod, cummax, cummin, diff = (
        O.sort, O.argsort, O.topk, O.kthvalue, O.msort, O.cumsum, O.cumprod, O.cummax, O.cummin, O.diff,
    )  # fmt: skip
    logcumsumexp = O.logcumsumexp
    nonzero, argwhere, masked_select, unique, unique_consecutive = (
        O.nonzero, O.argwhere, O.masked_select, O.unique, O.unique_consecutive,
    )  # fmt: skip
    matmul, mm, mv, bmm, dot, outer = P.matmul, P.mm, P.mv, P.bmm, P.dot, P.outer
    addmm, addmv, addr, baddbmm, addbmm = P.addmm, P.addmv, P.addr, P.baddbmm, P.addbmm
    inner, vdot, ger, kron, cross, trace = inner, P.vdot, P.ger, P.kron, P.cross, P.trace
    reshape, view, view_as, permute, transpose, swapaxes, swapdims, t, adjoint = (
        S.reshape, S.view, S.view_as, S.permute, S.transpose, S.swapaxes, S.swapdims, S.t, S.adjoint,
    )  # fmt: skip
    squeeze, unsqueeze, flatten, unflatten, ravel, movedim, moveaxis = (
        S.squeeze, S.unsqueeze, S.flatten, S.unflatten, S.ravel, S.movedim, S.moveaxis,
    )  # fmt: skip
    narrow, select, diagonal, unfold, split_with_sizes, tensor_split, hsplit, vsplit, dsplit = (
        S.narrow, S.select, S.diagonal, S.unfold, J.split_with_sizes, J.tensor_split, J.hsplit, J.vsplit, J.dsplit,
    )  # fmt: skip
    flip, fliplr, flipud, roll, rot90, tile, repeat_interleave, diag, diag_embed, diagflat = (
        A.flip, A.fliplr, A.flipud, A.roll, A.rot90, A.tile, A.repeat_interleave, A.diag, A.diag_embed, A.diagflat,
    )  # fmt: skip
    expand, expand_as, repeat, broadcast_to = S.expand, S.expand_as, A.repeat, S.broadcast_to
    split, chunk, unbind, index_select, gather, tril, triu = (
        J.split, J.chunk, J.unbind, I.index_select, I.gather, A.tril, A.triu,
    )  # fmt: skip

    scatter, scatter_add, scatter_reduce = _scatter.scatter, _scatter.scatter_add, _scatter.scatter_reduce
    index_add, index_copy, index_fill = _scatter.index_add, _scatter.index_copy, _scatter.index_fill
    index_put, index_reduce, masked_scatter = _scatter.index_put, _scatter.index_reduce, _scatter.masked_scatter
    put, take, take_along_dim = _scatter.put, _scatter.take, _scatter.take_along_dim

    def polygamma(self, n: int) -> Tensor:
        """`polygamma(n, self)`. **Raises** as that.

        >>> import pyautograd
        >>> pyautograd.tensor([1.0, 2.0]).polygamma(1)
        tensor([1.6449, 0.6449])
        """
        return E.polygamma(n, self)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """The element where the condition holds, else `other`; all three broadcast.

        **Raises** ValueError where they do not, TypeError for a condition that is not bool.

        >>> import pyautograd
        >>> x = pyautograd.tensor([-1.0, 2.0])
        >>> x.where(x > 0, 0.0)
        tensor([0., 2.])
        """
        return E.where(condition, self, other)

    # What it is

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return _core.apply(_ops.view, self, (S.PERMUTE, *range(self.ndim - 1, -1, -1)))

    @property
    def mT(self) -> Tensor:
        """The last two axes swapped."""
        return S.adjoint(self)

    mH = mT  # noqa: N815

    @property
    def H(self) -> Tensor:
        """A matrix transposed, as `T`; a 0-d tensor as it is. **Raises** ValueError for other numbers of axes."""
        if self.ndim not in (0, 2):
            raise ValueError(f"H: a tensor of shape {self.shape} is no matrix; use mT or adjoint()")
        return self.T

    @property
    def device(self) -> device:
        """Always "cpu"."""
        return _CPU

    @property
    def grad_fn(self) -> str | None:
        """The name of the op that made it; None for a leaf."""
        return None if self.is_leaf else f"<{self._op_name}>"

    def numel(self) -> int:
        """Number of elements.

        >>> import pyautograd
        >>> pyautograd.ones(2, 3).numel()
        6
        """
        return math.prod(self.shape)

    nelement = numel

    def reshape_as(self, other: Tensor) -> Tensor:
        """The same elements in the shape of another tensor. **Raises** as `reshape`.

        >>> import pyautograd
        >>> pyautograd.arange(6).reshape_as(pyautograd.zeros(2, 3)).shape
        (2, 3)
        """
        return S.reshape(self, _arguments.tensor("reshape_as", "other", other).shape)

    def as_strided(self, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
        """Memory seen through any strides is what a Tensor does not show. **Raises** NotImplementedError.

        >>> import pyautograd
        >>> pyautograd.arange(4).as_strided((2,), (1,))
        Traceback (most recent call last):
        NotImplementedError: as_strided: write slices, permute, expand, diagonal or unfold
        """
        raise NotImplementedError("as_strided: write slices, permute, expand, diagonal or unfold")

    @property
    def size(self) -> Any:
        """`t.size()` is the shape, `t.size(dim)` one of its sizes."""
        return lambda dim=None: self.shape if dim is None else self.shape[_dims.axis("size", self, dim)]

    def dim(self) -> int:
        """Number of axes.

        >>> import pyautograd
        >>> pyautograd.ones(2, 3).dim()
        2
        """
        return self.ndim

    ndimension = dim

    def element_size(self) -> int:
        """Bytes of an element.

        >>> import pyautograd
        >>> pyautograd.ones(2).element_size()
        4
        """
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.numel() * self.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps in memory between neighbours along each axis, in elements, or along one axis.

        **Raises** IndexError for an axis that is not there.

        >>> import pyautograd
        >>> pyautograd.ones(2, 3).stride(), pyautograd.ones(2, 3).stride(0)
        ((3, 1), 3)
        """
        return self._strides if dim is None else self._strides[_dims.axis("stride", self, dim)]

    def data_ptr(self) -> int:
        """The address of the first element.

        >>> import pyautograd
        >>> x = pyautograd.arange(3)
        >>> x[1:].data_ptr() - x.data_ptr()
        8
        """
        return self._data_pointer

    def is_contiguous(self) -> bool:
        """Do the elements stand in memory in row-major order without gaps?

        >>> import pyautograd
        >>> x = pyautograd.ones(2, 3)
        >>> x.is_contiguous(), x.T.is_contiguous()
        (True, False)
        """
        if self.numel() == 0:
            return True
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self._strides), strict=True):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True

    def is_floating_point(self) -> bool:
        """float32 or float64?

        >>> import pyautograd
        >>> pyautograd.ones(2).is_floating_point(), pyautograd.arange(2).is_floating_point()
        (True, False)
        """
        return self.dtype.is_floating_point

    def is_signed(self) -> bool:
        """Of a dtype that has negative numbers?

        >>> import pyautograd
        >>> pyautograd.arange(2).is_signed(), pyautograd.arange(2).byte().is_signed()
        (True, False)
        """
        return self.dtype.is_signed

    def is_complex(self) -> bool:
        """False: there are no complex numbers here.

        >>> import pyautograd
        >>> pyautograd.ones(2).is_complex()
        False
        """
        return self.dtype.is_complex

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return whole(self.shape[0], "len()")

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __contains__(self, item: Any) -> bool:
        return bool(self.eq(item).any())

    def __round__(self, ndigits: int | None = None) -> Any:
        check_read(self, "round")
        if is_traced_scalar(self):  # of which Python may have the number
            return round(float(self), ndigits)
        raise TypeError("round: Python's numbers are rounded by it, of a Tensor x.round() and x.item() are")

    def __repr__(self) -> str:
        return text_of(self)

    def __format__(self, spec: str) -> str:
        return formatted(self, spec)

    __getitem__, __setitem__ = getitem, setitem

    # Gradients

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: builtins.bool | None = None,
        create_graph: builtins.bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Differentiate: every leaf that this tensor depends on gets (or adds to) its `.grad`.

        **Arguments:** `gradient`: the upstream gradient, of this tensor's shape; 1 for a tensor of one element.
        `retain_graph`: keep the graph, so that it can be differentiated again. `create_graph`: gradients get a history
        of their own, and so can be differentiated; the leaves then hold one another through their `.grad`, until that
        is set to None. `inputs`: the only tensors whose `.grad` gets anything, leaves or not. **Raises** RuntimeError
        for no inputs, or one that does not require grad, a tensor that is no scalar when no gradient is given, without
        history, whose graph was freed, or where something saved was modified in place. When it raises, no `.grad` has
        changed.

        >>> import pyautograd
        >>> x = pyautograd.tensor(3.0, requires_grad=True)
        >>> (x * x).backward()
        >>> x.grad
        tensor(6.)
        """
        if gradient is not None and not isinstance(gradient, Tensor):
            gradient = tensor(gradient, dtype=self.dtype)
        retain_graph = bool(create_graph if retain_graph is None else retain_graph)
        if inputs is None:
            _core.backward(self, gradient, retain_graph, bool(create_graph))
        else:
            _add_gradients(self, gradient, retain_graph, bool(create_graph), inputs)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Each backward calls `hook(gradient)` when this tensor's gradient is there, before it goes further.

        It may return another gradient of that shape, which takes its place; of a leaf, before it is added to `.grad`.
        Hooks run in the order of their registration, those of leaves when the rest of the sweep is done. **Returns** a
        handle with `remove()`. **Raises** RuntimeError for a tensor that does not require grad, TypeError for what is
        no function; a backward what a hook raises, and RuntimeError or TypeError for what it returns; in a compiled
        step TraceError for a tensor that was there before the step.

        >>> import pyautograd
        >>> x = pyautograd.tensor([1.0, -5.0], requires_grad=True)
        >>> handle = x.register_hook(lambda gradient: gradient.clamp(-1, 1))
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([ 1., -1.])
        """
        if not self.requires_grad:
            raise RuntimeError(f"register_hook: this tensor of shape {self.shape} does not require grad")
        return add_hook("register_hook", self, hook, False)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Each backward calls `hook(tensor)` when it has added to this leaf's `.grad`; `autograd.grad` does not.

        **Returns** a handle with `remove()`. **Raises** RuntimeError for a tensor that does not require grad, or is no
        leaf, TypeError for what is no function; a backward what the hook raises, `.grad` being there; TraceError in
        a compiled step, as a backward of the step does to a leaf that has such hooks.

        >>> import pyautograd
        >>> w = pyautograd.tensor([1.0, 2.0], requires_grad=True)
        >>> def update(w):
        ...     w -= 0.5 * w.grad
        ...     w.grad = None
        >>> handle = w.register_post_accumulate_grad_hook(update)
        >>> (w * w).sum().backward()
        >>> w
        tensor([0., 0.], requires_grad=True)
        """
        if not self.requires_grad or not self.is_leaf:
            raise RuntimeError(
                f"register_post_accumulate_grad_hook: this tensor of shape {self.shape} is no leaf that requires grad"
            )
        return add_hook("register_post_accumulate_grad_hook", self, hook, True)

    def requires_grad_(self, requires_grad: builtins.bool = True) -> Tensor:
        """Say whether gradients flow to this leaf; returns the tensor. **Raises** RuntimeError for integers, and for a
        result.

        >>> import pyautograd
        >>> pyautograd.ones(2).requires_grad_()
        tensor([1., 1.], requires_grad=True)
        """
        self.requires_grad = requires_grad
        return self

    def detach_(self) -> Tensor:
        """Cut the tensor from gradients: it is a leaf that requires none, over the same memory. Returns it.

        **Raises** RuntimeError for a result that is a view; take `detach()`.

        >>> import pyautograd
        >>> (pyautograd.ones(2, requires_grad=True) * 2).detach_()
        tensor([2., 2.])
        """
        if self.is_leaf:
            self.requires_grad = False
        else:
            _core.detach_in_place(self)
        return self

    for _name in IN_PLACE:
        _function = locals().get(_name) or getattr(TensorMethods, _name, None)
        if _function is not None:
            locals()[f"{_name}_"] = in_place(_name, _function)
    del _name, _function

    # Pickling and copying

    def __getstate__(self) -> Any:
        """The attributes set on it, but for its hooks and what makes it the result of an autograd.Function: a copy is a
        leaf."""
        return state_of(self, ("_backward_function", "_custom_op", "_backward_hooks"))

    def __reduce__(self) -> Any:
        array = np.asarray(self.detach()).copy()
        return _rebuild, (type(self), array, self.requires_grad), self.__getstate__()

    def __copy__(self) -> Tensor:
        copied = _made_of(type(self), self.detach(), self.requires_grad)
        _take_state(copied, self.__getstate__())
        return copied

    def __deepcopy__(self, memo: dict[Any, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                f"deepcopy: a result of {self._op_name} of shape {self.shape} has a history; detach() it first"
            )
        copied = _made_of(type(self), self.detach().clone(), self.requires_grad)
        memo[id(self)] = copied
        if self.grad is not None:
            copied.grad = copy.deepcopy(self.grad, memo)
        _take_state(copied, copy.deepcopy(self.__getstate__(), memo))
        return copied


def is_tensor(obj: object) -> builtins.bool:
    """Is it a Tensor? It raises nothing.

    >>> import pyautograd as pa
    >>> pa.is_tensor(pa.ones(2)), pa.is_tensor([1.0, 1.0])
    (True, False)
    """
    return isinstance(obj, Tensor)


class Parameter(Tensor):
    """A tensor that a Module counts among its parameters; requires grad unless told otherwise. Shares `data`'s memory.

    **Raises** as `tensor`, and RuntimeError for integers that would require grad.

    >>> import pyautograd
    >>> pyautograd.nn.Parameter(pyautograd.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any = (), requires_grad: bool = True) -> None:
        if not isinstance(data, Tensor):
            data = tensor(data)
        _core.exchange(self, _core.parameter(data, requires_grad))

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def _made_of(cls: type[Tensor], data: Tensor, requires_grad: bool) -> Tensor:
    """A leaf of a class over the memory of data, whose own __init__ is not called."""
    if issubclass(cls, Parameter):
        data = _core.parameter(data, requires_grad)
    else:
        data.requires_grad = requires_grad
    if type(data) is cls:
        return data
    made = cls.__new__(cls)
    _core.exchange(made, data)
    return made


def _rebuild(cls: type[Tensor], array: np.ndarray[Any, Any], requires_grad: bool) -> Tensor:
    """What pickle calls; it adds the attributes."""
    return _made_of(cls, tensor(array), requires_grad)


def _take_state(node: Any, state: Any) -> None:
    """The attributes and slots that `__getstate__` gave, as pickle hands them over."""
    if hasattr(node, "__setstate__"):
        node.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) else (state, {})
    if attributes:
        node.__dict__.update(attributes)
    for name, value in slots.items():
        setattr(node, name, value)


_core.register(
    Parameter, operand, DTYPES, _blas.resolve, np.integer, np.floating, np.ndarray, as_tensor,
    os.path.dirname(__file__) + os.sep,
)  # fmt: skip
