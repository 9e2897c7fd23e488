"""`tensor[key]` in NumPy's and PyTorch's meaning.

A key is taken apart into ints and slices, which make a view, and integer or boolean arrays, which gather rows: the
axes that arrays index are brought to the front, their positions become one linear position, and the `index` op does
the rest. As in PyTorch, and unlike NumPy, an int beside arrays selects first and does not count among them.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any, NamedTuple, SupportsIndex

import numpy as np

from pyautograd import _arguments, _core, _dims, _ops
from pyautograd._arguments import named
from pyautograd._array_like import as_tensor, from_numpy
from pyautograd._c import refuse_in_step
from pyautograd._core import Node, Tensor, apply, is_recording, reshape
from pyautograd._creation import arange
from pyautograd._dtype import int32, int64
from pyautograd._elementwise import where
from pyautograd._grad_mode import is_grad_enabled, no_grad
from pyautograd._rows import Rows, plain
from pyautograd._shape import PERMUTE, SLICE, broadcast_to

__all__ = [
    "gather", "index_select",
]  # fmt: skip

_FULL = slice(None)


class _MaskOfAll(NamedTuple):
    """True, False or a 0-d mask: indexes an axis of size 1 that is made for it."""

    positions: np.ndarray[Any, Any]


def _of_bytes(item: Any) -> bool:
    return isinstance(item, Tensor) and item.dtype.name == "uint8"


def _check_target(key: Any) -> None:
    """IndexError for a mask of uint8, which PyTorch reads by, with a warning, and does not write by."""
    if any(map(_of_bytes, key if isinstance(key, tuple) else (key,))):
        raise IndexError("setitem: a uint8 tensor is no mask to write by; write .bool(), or .long() for positions")


def _as_index_array(item: Any) -> Any:
    """The array that an index is, or None for ints, slices and None. In a recorded step a tensor stays a tensor."""
    if isinstance(item, Tensor):
        if item.dtype.name == "int32":
            item = item.long()
        elif _of_bytes(item):
            warnings.warn(
                "index: a uint8 tensor is taken for a mask; write .bool(), or .long() for positions", stacklevel=2
            )
            item = item.bool()
        if item.dtype.name == "int64" and is_recording():
            return item
        if item.ndim == 0 and item.dtype.name == "int64":
            return None
        if item.dtype.name == "bool":
            refuse_in_step(
                "an index that is a mask, whose result has a shape that depends on its numbers,",
                "write where(mask, x, other), masked_fill(mask, value), or a sum with weights",
            )
        item = np.asarray(item.detach())
    elif isinstance(item, list | tuple | range):
        item = np.asarray(item, dtype=np.int64 if len(item) == 0 else None)
    elif isinstance(item, bool | np.bool_):
        item = np.asarray(item)
    elif not isinstance(item, np.ndarray):
        return None
    if item.dtype.kind not in "iub":
        raise IndexError(f"index: an array of {item.dtype.name} is no index; it takes integers and booleans")
    return np.asarray(item)


def _expand_key(tensor: Tensor, key: Any) -> list[Any]:
    """The key as a list with an entry for each axis (and each None): Ellipsis and missing axes filled, masks opened."""
    items = list(key) if isinstance(key, tuple) else [key]
    entries: list[Any] = []
    used = 0
    ellipsis_at = None
    for item in items:
        array = _as_index_array(item)
        if item is Ellipsis:
            if ellipsis_at is not None:
                raise IndexError("index: only one ellipsis (...) can stand in an index")
            ellipsis_at = len(entries)
            continue
        if isinstance(array, np.ndarray) and array.dtype.kind == "b":
            shape = tensor.shape[used : used + array.ndim]
            if array.shape != shape:
                raise IndexError(f"index: a mask of shape {array.shape} for axes of shape {shape} of {tensor.shape}")
            entries.extend(np.nonzero(array) if array.ndim else [])
            if array.ndim == 0:
                entries.append(_MaskOfAll(np.flatnonzero(array)))
            used += array.ndim
            continue
        if item is not None:
            used += 1
        entries.append(array if array is not None else item)
    if used > tensor.ndim:
        raise IndexError(f"index: {used} indices for a tensor of shape {tensor.shape}")
    fill = [_FULL] * (tensor.ndim - used)
    at = len(entries) if ellipsis_at is None else ellipsis_at
    return entries[:at] + fill + entries[at:]


def _slice_triple(item: Any, size: int, axis: int, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """start, step, length of a slice; length -1 for an integer."""
    if isinstance(item, slice):
        if item.step is not None and operator.index(item.step) <= 0:
            raise ValueError(f"index: a slice of step {item.step} at axis {axis}; steps are positive")
        if type(size) is int and type(item.start) is not Rows and type(item.stop) is not Rows:
            start, stop, step = item.indices(size)
            return start, step, len(range(start, stop, step))
        return _slice_of_rows(item, size)
    try:
        index = operator.index(item)
    except TypeError:
        raise TypeError(f"index: {type(item).__name__} is no index (axis {axis} of shape {shape})") from None
    if not -size <= index < size:
        raise IndexError(f"index: {index} is out of range at axis {axis} of shape {shape}")
    return index + size if index < 0 else index, 1, -1


def _slice_of_rows(item: slice, size: int) -> tuple[int, int, int]:
    """The same, in a recorded step, along an axis or between bounds that follow from the number of rows."""

    def clamp(bound: Any, default: int) -> int:
        at = default if bound is None else operator.index(bound)
        return min(max(at + size if at < 0 else at, 0), size)

    start, stop = clamp(item.start, 0), clamp(item.stop, size)
    step = 1 if item.step is None else operator.index(item.step)
    return start, step, max(0, stop - start + step - 1) // step


def _linear_positions(arrays: list[np.ndarray[Any, Any]], sizes: list[int], shape: tuple[int, ...]) -> Any:
    """One position, in row-major order over the indexed axes, for each place of the broadcast arrays."""
    try:
        arrays = list(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise IndexError(f"index: index arrays of shapes {shapes} do not broadcast") from None
    linear = np.zeros(arrays[0].shape, dtype=np.int64)
    for array, size in zip(arrays, map(plain, sizes), strict=True):
        outside = (array < -size) | (array >= size)
        if outside.any():
            raise IndexError(
                f"index: {array[outside].flat[0]} is out of range at an axis of size {size} of shape {shape}"
            )
        linear *= size
        linear += np.where(array < 0, array + size, array)
    return linear


def _recorded_positions(arrays: list[Any], sizes: list[int]) -> Any:
    """The same as ops on tensors, for a step that does not know the positions yet."""
    linear: Any = 0
    for array, size in zip(arrays, sizes, strict=True):
        at: Any = as_tensor(array)
        _arguments.within("index", at, size, low=-size)
        linear = where(at < 0, at + size, at) + linear * size
    return linear


def getitem(tensor: Tensor, key: Any) -> Tensor:
    """`tensor[key]`: a view for ints, slices, None and Ellipsis; a gathered copy with integer or boolean arrays."""
    shape = tensor.shape
    if type(key) is int and shape:  # by far the most common key
        triples = [SLICE, key if 0 <= key < shape[0] else _slice_triple(key, shape[0], 0, shape)[0], 1, -1]
        for size in shape[1:]:
            triples += (0, 1, size)
        return apply(_ops.view, tensor, tuple(triples))

    is_positions = isinstance(key, Node) and shape and key.ndim and key.dtype.name == "int64"
    if is_positions and not is_recording():
        positions = np.asarray(key)
        if positions.size and int(positions.min()) >= 0:
            return apply(_ops.index, tensor, key, (1,))

    entries = _expand_key(tensor, key)
    has_arrays = any(isinstance(entry, np.ndarray | _MaskOfAll | Node) for entry in entries)
    triples, result_shape = [], []
    arrays: list[tuple[int, Any]] = []
    axis = 0
    for entry in entries:
        if entry is None:
            result_shape.append(1)
            continue
        if isinstance(entry, _MaskOfAll):
            arrays.append((len(result_shape), entry.positions))
            result_shape.append(1)
            continue
        size = shape[axis]
        if isinstance(entry, np.ndarray | Node):
            arrays.append((len(result_shape), entry))
            triples += (0, 1, size)
            result_shape.append(size)
        else:
            start, step, length = _slice_triple(entry, size, axis, shape)
            triples += (start, step, length)
            if length >= 0:
                result_shape.append(length)
        axis += 1

    view: Tensor = tensor
    if not has_arrays or any(triples[3 * i : 3 * i + 3] != [0, 1, size] for i, size in enumerate(shape)):
        view = apply(_ops.view, tensor, (SLICE, *triples))
    if view.shape != tuple(result_shape):
        view = reshape(view, tuple(result_shape))
    return _gather(view, arrays) if has_arrays else view


def _gather(tensor: Tensor, arrays: list[tuple[int, Any]]) -> Tensor:
    """Index the axes named beside the arrays; where these are neighbours the result's axes stand in their place. The
    result is contiguous, as PyTorch's is of a contiguous tensor: `view` takes it."""
    axes = [axis for axis, _ in arrays]
    rest = [axis for axis in range(tensor.ndim) if axis not in axes]
    positions, sizes = [array for _, array in arrays], [tensor.shape[axis] for axis in axes]
    if any(isinstance(array, Node) for array in positions):
        linear = _recorded_positions(positions, sizes)
    else:
        linear = from_numpy(_linear_positions(positions, sizes, tensor.shape))
    front = tensor
    if axes != list(range(len(axes))):
        front = apply(_ops.view, tensor, (PERMUTE, *axes, *rest))
    result = apply(_ops.index, front, linear, (len(axes),))
    neighbours = axes == list(range(axes[0], axes[0] + len(axes)))
    if neighbours and axes[0] > 0:
        lead, n_index = axes[0], linear.ndim
        order = [*range(n_index, n_index + lead), *range(n_index), *range(n_index + lead, result.ndim)]
        result = apply(_ops.view, result, (PERMUTE, *order)).contiguous()
    return result


def _as_arrays(value: Any) -> Any:
    """Tensors in an index or a value as arrays, for NumPy to take."""
    if isinstance(value, Tensor):
        return np.asarray(value.detach())
    if isinstance(value, tuple):
        return tuple(_as_arrays(item) for item in value)
    return value


def setitem(tensor: Tensor, key: Any, value: Any) -> None:
    """`tensor[key] = value`: with a history where gradients flow, else by NumPy, or by ops in a recorded step."""
    if type(key) is not int:
        _check_target(key)
    if (
        is_grad_enabled()
        and tensor.dtype.is_floating_point
        and (tensor.requires_grad or (isinstance(value, Node) and value.requires_grad))
    ):
        _setitem_with_history(tensor, key, value)
        return
    _core.check_write(tensor, "setitem")
    with no_grad():
        if is_recording():
            _setitem_in_step(tensor, key, value)
            return
        array = tensor.numpy()
        try:
            array[_as_arrays(key)] = _as_arrays(value.to(tensor.dtype) if isinstance(value, Tensor) else value)
            _core.bump_version(tensor)  # at once: no signal is looked for in between
        except (ValueError, IndexError, OverflowError) as error:
            raise type(error)(f"setitem: into shape {tensor.shape}: {error}") from None


def _setitem_in_step(tensor: Tensor, key: Any, value: Any) -> None:
    """`tensor[key] = value` out of ops, for a step that is being recorded; NumPy does it otherwise."""
    value = value if isinstance(value, Node) else as_tensor(value, dtype=tensor.dtype)
    if isinstance(key, Tensor) and key.dtype.name == "bool":
        _core.copy_into(tensor, where(*_mask_and_value(tensor, key, value), tensor), "setitem")
        return
    items = key if isinstance(key, tuple) else (key,)
    if not any(isinstance(item, Tensor | np.ndarray | list) for item in items):
        seen = getitem(tensor, key)
        _core.copy_into(seen, _without_leading_axes(value, seen.ndim), "setitem")
        return
    # As in NumPy, and unlike reading, an int beside arrays is one of them
    items = tuple(np.asarray(item) if type(item) is int else item for item in items)
    positions = positions_of(tensor, items)
    values = apply(_ops.cast, _without_leading_axes(value, positions.ndim), (tensor.dtype.code,))
    changed = apply(_ops.put, tensor, positions, broadcast_to(values, positions.shape))
    _core.copy_into(tensor, changed, "setitem")


def _setitem_with_history(tensor: Tensor, key: Any, value: Any) -> None:
    """`tensor[key] = value` where a gradient flows: into a view, or where arrays pick the elements by `put`."""
    if tensor.is_leaf and tensor.requires_grad:
        _core.check_write(tensor, "setitem")
    value = value if isinstance(value, Node) else as_tensor(value, dtype=tensor.dtype)
    items = key if isinstance(key, tuple) else (key,)
    is_mask = isinstance(key, Tensor) and key.dtype.name == "bool"
    if is_mask and (is_recording() or value.ndim <= tensor.ndim - key.ndim):
        mask, value = _mask_and_value(tensor, key, value)
        changed: Tensor = where(mask, apply(_ops.cast, value, (tensor.dtype.code,)), tensor)
    elif any(isinstance(item, bool | np.bool_) or _as_index_array(item) is not None for item in items):
        positions = positions_of(tensor, key)
        values = apply(_ops.cast, _without_leading_axes(value, positions.ndim), (tensor.dtype.code,))
        changed = apply(_ops.put, tensor, positions, broadcast_to(values, positions.shape))
    else:
        seen = getitem(tensor, key)
        _core.assign(seen, _without_leading_axes(value, seen.ndim), "setitem", False)
        return
    _core.assign(tensor, changed, "setitem", True)


def positions_of(tensor: Tensor, key: Any) -> Tensor:
    """The row-major positions of the elements that a key picks."""
    return getitem(arange(tensor.numel()).reshape(tensor.shape), key)


def _without_leading_axes(value: Tensor, ndim: int) -> Tensor:
    """A value with no more axes than what it is written into, where the first ones have size 1."""
    extra = value.ndim - ndim
    return reshape(value, value.shape[extra:]) if extra > 0 and set(value.shape[:extra]) == {1} else value


def _mask_and_value(tensor: Tensor, mask: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """A mask picks rows of the axes behind its own; a value with a row for each of them is refused."""
    if mask.shape != tensor.shape[: mask.ndim]:
        raise IndexError(f"setitem: a mask of shape {mask.shape} for a tensor of shape {tensor.shape}")
    behind = tensor.ndim - mask.ndim
    value = _without_leading_axes(value, behind)
    if value.ndim > behind:
        refuse_in_step("setitem with a mask and a value for each element picked", "write where(mask, other, x)")
    return reshape(mask, (*mask.shape, *(1,) * behind)), value


def positions_along(name: str, index: Any, size: int, low: int = 0) -> Tensor:
    """A tensor of int64 or int32 as positions in [low, size), int64; those below 0 count from the end."""
    positions = _arguments.tensor(name, "index", index)
    if positions.dtype is int32:
        positions = positions.to(int64)
    if positions.dtype is not int64:
        raise TypeError(f"{name}: index must be int64 or int32, not {positions.dtype.name}")
    _arguments.within(name if name in ("gather", "index_select") else "index", positions, size, low=low)
    counted: Tensor = where(positions < 0, positions + size, positions) if low else positions
    return counted


@named
def index_select(input: Tensor, dim: SupportsIndex, index: Tensor) -> Tensor:
    """The slices at the positions of a 1-D `index`, int64 or int32, along an axis.

    **Raises** IndexError for one out of range, TypeError for a mask.

    >>> import pyautograd
    >>> pyautograd.arange(6).reshape(2, 3).index_select(1, pyautograd.tensor([2, 0]))
    tensor([[2, 0],
            [5, 3]])
    """
    at = _dims.axis("index_select", input, dim)
    positions = positions_along("index_select", index, input.shape[at] if input.ndim else 1)
    if positions.ndim > 1:
        raise IndexError(f"index_select: index of shape {positions.shape} has more than one axis")
    positions = positions.reshape(-1)
    if not input.ndim:
        return _core.reshape(input.reshape(1)[positions], ())
    return input[(slice(None),) * at + (positions,)]


@named
def gather(input: Tensor, dim: SupportsIndex, index: Tensor) -> Tensor:
    """out[i][j][k] = input[index[i][j][k]][j][k] for dim = 0, and so on.

    `index` is int64 or int32, has as many axes as the input, and no other axis that is longer. **Returns** its shape.
    **Raises** IndexError for a position out of range, ValueError for another shape, TypeError for another dtype.

    >>> import pyautograd
    >>> scores = pyautograd.tensor([[0.1, 0.9], [0.8, 0.2]])
    >>> scores.gather(1, pyautograd.tensor([[1], [0]]))
    tensor([[0.9000],
            [0.8000]])
    """
    at = _dims.axis("gather", input, dim)
    positions = positions_along("gather", index, input.shape[at] if input.ndim else 1)
    others = zip(
        positions.shape[:at] + positions.shape[at + 1 :], input.shape[:at] + input.shape[at + 1 :], strict=False
    )
    if positions.ndim != input.ndim or any(size > room for size, room in others):
        raise ValueError(f"gather: an index of shape {positions.shape} for a tensor of shape {input.shape}")
    return picked(input, at, positions)


def picked(input: Tensor, at: int, positions: Tensor) -> Tensor:
    """`gather` at positions that are known to be right."""
    if input.ndim != 1:
        positions = apply(_ops.linear_index, input, positions, (at,))
    return apply(_ops.index, input, positions, (input.ndim,))
