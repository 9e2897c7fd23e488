"""Tensors as buffers: what memoryview and NumPy get of them, whom it keeps alive, and when it is refused."""

import gc
import hashlib
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Tensor, Value

DTYPES = {
    "bool": "?", "uint8": "B", "int32": "i", "int64": "l" if struct.calcsize("l") == 8 else "q", "float32": "f",
    "float64": "d",
}  # fmt: skip
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda t: t,
    "transposed": lambda t: t.T,
    "every other row": lambda t: t[::2],
    "one column": lambda t: t[:, 1],
    "expanded": lambda t: t[0].expand(5, 3),
    "reversed": lambda t: pa.from_numpy(np.array(t)[::-1, ::-1]),
    "3-d": lambda t: t.reshape(2, 2, 3).permute(2, 0, 1),
    "0-d": lambda t: t[1, 1],
    "empty": lambda t: t[:0],
}


def make(dtype: str = "float32") -> Tensor:
    return pa.tensor(np.arange(12).reshape(4, 3) % 5, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_buffer_is_the_tensors_memory(layout: str, dtype: str) -> None:
    tensor = LAYOUTS[layout](make(dtype))
    size = tensor.dtype.itemsize
    view = memoryview(tensor)  # type: ignore[arg-type]
    assert (view.format, view.itemsize, view.readonly) == (DTYPES[dtype], size, False)
    assert (view.shape, view.strides) == (tensor.shape, tuple(size * stride for stride in tensor.stride()))
    assert view.nbytes == size * tensor.numel()
    assert view.tolist() == tensor.tolist()
    for array in (np.asarray(tensor), tensor.numpy(), np.asarray(view)):
        assert array.dtype is np.dtype(dtype)
        assert (array.shape, array.strides) == (view.shape, view.strides)
        assert array.size == 0 or array.__array_interface__["data"] == (tensor.data_ptr(), False)


def test_writes_show_on_both_sides() -> None:
    tensor = make()
    array = tensor.numpy()
    array[1, 1] = 7
    tensor[2, 2] = 8
    memoryview(tensor)[0, 0] = 9.0  # type: ignore[arg-type]
    assert (tensor[1, 1].item(), array[2, 2], array[0, 0]) == (7, 8, 9)


def test_who_wants_plain_bytes_gets_those_of_a_contiguous_tensor() -> None:
    tensor = make()
    assert struct.unpack_from("<3f", tensor, 4) == (1, 2, 3)  # type: ignore[arg-type]
    assert io.BytesIO(struct.pack("<2f", 5, 6)).readinto(tensor) == 8  # type: ignore[arg-type]
    assert tensor[0, :2].tolist() == [5, 6]
    assert bytes(tensor.T) == np.ascontiguousarray(tensor.numpy().T).tobytes()
    for layout in ("transposed", "every other row", "expanded", "reversed"):
        with pytest.raises(BufferError, match=r"is not C-contiguous; call \.contiguous\(\) first"):
            hashlib.sha256(LAYOUTS[layout](make()))  # type: ignore[arg-type]


def test_a_buffer_keeps_the_memory_and_not_the_graph() -> None:
    gc.collect()
    before = pa.memory_stats()
    weight = pa.ones(1000, requires_grad=True)
    with pa.no_grad():
        view = memoryview(weight)
    doubled = weight * 2
    with pa.no_grad():
        array = doubled.numpy()
    del weight, doubled
    assert pa.memory_stats().nodes == before.nodes + 2  # the leaf; the result without its history
    assert view.tolist() == [1.0] * 1000 and array.tolist() == [2.0] * 1000
    del view, array
    after = pa.memory_stats()
    assert (after.nodes, after.storages) == (before.nodes, before.storages)


READERS: dict[str, Callable[[Any], Any]] = {
    "memoryview": memoryview,
    "np.asarray": np.asarray,
    "np.array": np.array,
    "numpy": lambda tensor: tensor.numpy(),
    "in a list": lambda tensor: np.asarray([tensor]),
}


@pytest.mark.parametrize("name", READERS)
def test_a_tensor_that_requires_grad_is_refused(name: str) -> None:
    leaf, number = pa.ones(2, requires_grad=True), pa.tensor(1.0, requires_grad=True)
    for tensor in (leaf, leaf * 2, number):
        with pytest.raises(RuntimeError, match=r"numpy: a tensor of shape .* requires grad; call \.detach\(\) first"):
            READERS[name](tensor)
        READERS[name](tensor.detach())
        with pa.no_grad():
            READERS[name](tensor)


@pytest.mark.parametrize("name", READERS)
def test_a_step_that_is_recorded_has_no_numbers_to_give(name: str) -> None:
    step = pa.compile(lambda x: (READERS[name](x * 2), x)[1])
    with pytest.raises(pa.TraceError, match="numpy: a step that is being compiled has no numbers yet"):
        for _ in range(3):
            step(pa.ones(2))


def test_numpy_sees_a_result_that_is_changed_in_place() -> None:
    leaf = pa.ones(3, requires_grad=True)
    result = leaf * 2
    with pa.no_grad():
        array = result.numpy()
    result *= 2
    assert array.tolist() == result.tolist() == [4, 4, 4]
    result.sum().backward()
    assert leaf.grad.tolist() == [4, 4, 4]


def test_an_array_keeps_its_numbers_when_the_tensor_gets_another_dtype() -> None:
    weight = pa.nn.Parameter(pa.ones(3))
    first = weight.detach().numpy()
    weight.data = pa.full((3,), 2.0, dtype=pa.float64)
    second = weight.detach().numpy()
    weight.data = pa.full((3,), 3.0)
    weight.data = pa.full((3,), 4.0, dtype=pa.float64)
    assert (first.tolist(), first.dtype) == ([1, 1, 1], np.float32)
    assert (second.tolist(), second.dtype) == ([2, 2, 2], np.float64)
    assert weight.tolist() == [4, 4, 4]


def test_parameters_are_buffers_and_values_are_not() -> None:
    assert np.asarray(pa.nn.Parameter(pa.ones(2), requires_grad=False)).tolist() == [1, 1]
    with pytest.raises(TypeError, match="bytes-like"):
        memoryview(Value(1.0))  # type: ignore[arg-type]


def test_who_knows_no_buffers_is_told_where_the_memory_is() -> None:
    tensor = make().T
    told = tensor.__array_interface__
    assert (told["shape"], told["strides"], told["data"]) == ((3, 4), (4, 12), (tensor.data_ptr(), False))
    assert np.dtype(told["typestr"]) == np.float32


def test_empty_cache_gives_back_what_is_cached() -> None:
    large = pa.zeros(1000, 1000)
    del large
    kept = pa.memory_stats().cached_bytes
    pa.empty_cache()
    assert pa.memory_stats().cached_bytes <= max(0, kept - 4_000_000)  # under sanitizers nothing is cached
