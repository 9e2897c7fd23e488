"""Methods of Tensor that lead out to Python and NumPy, and into another dtype."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from pyautograd import _arguments, _core, _ops
from pyautograd._array_like import tensor
from pyautograd._c import lib, node_pointer
from pyautograd._core import Tensor, apply
from pyautograd._creation import empty, full, ones, zeros
from pyautograd._device import check_device
from pyautograd._dtype import TENSOR_TYPES, as_dtype, bool_, float32, float64, int32, int64, uint8
from pyautograd._printing import check_read

_MAX_DEFERRED = 4096  # elements of a tensor that tolist() makes deferred numbers of


class ConversionMethods:
    """Copies and conversions."""

    def numpy(self: Any) -> np.ndarray[Any, Any]:
        """An ndarray over the same memory. **Raises** RuntimeError for a tensor that requires grad: `detach()` first.

        >>> import pyautograd
        >>> t = pyautograd.zeros(2)
        >>> t.numpy()[0] = 3
        >>> t
        tensor([3., 0.])
        """
        return np.asarray(self)

    def tolist(self: Any) -> Any:
        """Nested lists of Python numbers; a number for a 0-d tensor.

        >>> import pyautograd
        >>> pyautograd.arange(4).reshape(2, 2).tolist()
        [[0, 1], [2, 3]]
        """
        if not _core.is_recording() or not lib.pa_step_hides(node_pointer(self)):
            return np.asarray(self.detach()).tolist()
        if self.numel() > _MAX_DEFERRED:
            check_read(self, "tolist")
        return [row.tolist() for row in self] if self.ndim else self.item()

    def clone(self: Any) -> Tensor:
        """A contiguous copy, through which gradients flow.

        >>> import pyautograd
        >>> x = pyautograd.zeros(2)
        >>> y = x.clone()
        >>> y[0] = 1
        >>> x
        tensor([0., 0.])
        """
        return apply(_ops.cast, self, (self.dtype.code,))

    def contiguous(self: Any, memory_format: Any = None) -> Tensor:
        """The tensor itself if it is contiguous, else a contiguous copy. **Raises** NotImplementedError for channels
        last.

        >>> import pyautograd
        >>> pyautograd.ones(2, 3).T.contiguous().is_contiguous()
        True
        """
        if "channels_last" in str(memory_format):
            raise NotImplementedError(f"contiguous: tensors are row-major, not {memory_format}; use permute")
        return self if self.is_contiguous() else self.clone()

    def to(
        self: Any,
        *args: Any,
        dtype: Any = None,
        device: Any = None,
        non_blocking: bool = False,
        copy: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        """In another dtype, or in a tensor's; the tensor itself where it has it, unless `copy`. `non_blocking`, which
        may follow by position, and `memory_format` change nothing.

        **Raises** TypeError for a dtype that tensors do not have, RuntimeError for another device than "cpu".

        >>> import pyautograd
        >>> pyautograd.tensor([1, 2]).to(pyautograd.float64)
        tensor([1., 2.], dtype=float64)
        """
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, str) and arg.split(":")[0] in ("cpu", "cuda", "mps", "xpu"):
                device = arg
            elif not isinstance(arg, bool):
                dtype = arg
        check_device(device)
        wanted = self.dtype if dtype is None else as_dtype(dtype)
        if wanted is self.dtype and not copy:
            return self
        return apply(_ops.cast, self, (wanted.code,))

    def type(self: Any, dtype: Any = None) -> Any:
        """In another dtype, which a tensor type such as `LongTensor` or its name may stand for; without, the name of
        that of the tensor. **Raises** as `to`.

        >>> import pyautograd
        >>> pyautograd.tensor([1.5, 2.5]).type(pyautograd.int64)
        tensor([1, 2])
        >>> pyautograd.ones(2).type()
        'torch.FloatTensor'
        """
        if dtype is None:
            return TENSOR_TYPES[self.dtype]
        return self.to(dtype)

    def cuda(self: Any, *args: Any, **keywords: Any) -> Tensor:
        """**Raises** RuntimeError: there is no GPU here. Scripts that ask `cuda.is_available()` first run.

        >>> import pyautograd
        >>> pyautograd.ones(2).cuda()
        Traceback (most recent call last):
        RuntimeError: device: tensors live on the cpu; there is no 'cuda' here
        """
        check_device("cuda")
        return self

    def type_as(self: Any, other: Tensor) -> Tensor:
        """In the dtype of another tensor. **Raises** TypeError for what is no Tensor.

        >>> import pyautograd
        >>> pyautograd.tensor([1, 2]).type_as(pyautograd.ones(1))
        tensor([1., 2.])
        """
        return self.to(_arguments.tensor("type_as", "other", other).dtype)

    def float(self: Any) -> Tensor:
        """As float32.

        >>> import pyautograd
        >>> pyautograd.tensor([1, 2]).float()
        tensor([1., 2.])
        """
        return self.to(float32)

    def double(self: Any) -> Tensor:
        """As float64.

        >>> import pyautograd
        >>> pyautograd.tensor([1.0]).double()
        tensor([1.], dtype=float64)
        """
        return self.to(float64)

    def long(self: Any) -> Tensor:
        """As int64; fractions are cut off.

        >>> import pyautograd
        >>> pyautograd.tensor([1.9, -1.9]).long()
        tensor([ 1, -1])
        """
        return self.to(int64)

    def int(self: Any) -> Tensor:
        """As int32; fractions are cut off, and larger integers keep their low 32 bits.

        >>> import pyautograd
        >>> pyautograd.tensor([1.9, -1.9]).int()
        tensor([ 1, -1], dtype=int32)
        """
        return self.to(int32)

    def byte(self: Any) -> Tensor:
        """As uint8; fractions are cut off, and larger integers keep their low 8 bits.

        >>> import pyautograd
        >>> pyautograd.tensor([1.9, 257.0, -1.0]).byte()
        tensor([  1,   1, 255], dtype=uint8)
        """
        return self.to(uint8)

    def bool(self: Any) -> Tensor:
        """As bool: is it nonzero?

        >>> import pyautograd
        >>> pyautograd.tensor([0.0, 0.5]).bool()
        tensor([False,  True])
        """
        return self.to(bool_)

    def cpu(self: Any) -> Tensor:
        """The tensor itself.

        >>> import pyautograd
        >>> x = pyautograd.ones(2)
        >>> x.cpu() is x
        True
        """
        return self

    def new_tensor(self: Any, data: Any, *, dtype: Any = None, requires_grad: builtins.bool = False) -> Tensor:
        """A tensor of data in this one's dtype, unless another is given. **Raises** as `tensor`.

        >>> import pyautograd
        >>> pyautograd.ones(1).new_tensor([1, 2])
        tensor([1., 2.])
        """
        return tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_zeros(self: Any, *size: Any, dtype: Any = None, requires_grad: builtins.bool = False) -> Tensor:
        """Zeros of a shape in this one's dtype, unless another is given. **Raises** as `zeros`.

        >>> import pyautograd
        >>> pyautograd.arange(3).new_zeros(2)
        tensor([0, 0])
        """
        return zeros(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_ones(self: Any, *size: Any, dtype: Any = None, requires_grad: builtins.bool = False) -> Tensor:
        """Ones of a shape in this one's dtype, unless another is given. **Raises** as `ones`.

        >>> import pyautograd
        >>> pyautograd.arange(3).new_ones(2)
        tensor([1, 1])
        """
        return ones(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_full(
        self: Any, size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: builtins.bool = False
    ) -> Tensor:
        """A tensor of a shape, every element `fill_value`, in this one's dtype, unless another is given. **Raises** as
        `full`.

        >>> import pyautograd
        >>> pyautograd.arange(3).new_full((2,), 7)
        tensor([7, 7])
        """
        return full(size, fill_value, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_empty(self: Any, *size: Any, dtype: Any = None, requires_grad: builtins.bool = False) -> Tensor:
        """A tensor of a shape in this one's dtype, unless another is given, whatever its memory holds. **Raises** as
        `empty`.

        >>> import pyautograd
        >>> pyautograd.arange(3).new_empty(2).shape
        (2,)
        """
        return empty(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)
