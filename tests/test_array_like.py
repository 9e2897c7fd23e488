"""What becomes a tensor keeps its dtype and its numbers: arrays of every kind, buffers, numbers and nested lists."""

import array
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import Value

OWN = 0.1  # no float32 number: it shows whether float64 was kept


def known_by(*names: str) -> Any:
    """An object over [0.1, 0.2] in float64 that has these attributes of an array and no others."""
    owner = np.array([OWN, 2 * OWN])

    def method(name: str) -> Any:
        return lambda self, *args, **keywords: getattr(owner, name)(*args, **keywords)

    members: dict[str, Any] = {name: method(name) for name in names if callable(getattr(owner, name))}
    members |= {name: getattr(owner, name) for name in names if name not in members}
    return type("Foreign", (), members)()


KEPT: dict[str, tuple[Callable[[], Any], str]] = {
    "float64 array": (lambda: np.array([OWN]), "float64"),
    "float32 array": (lambda: np.array([OWN], np.float32), "float32"),
    "float16 array": (lambda: np.array([0.5], np.float16), "float32"),
    "int64 array": (lambda: np.array([2**62 + 1]), "int64"),
    "int32 array": (lambda: np.array([-3], np.int32), "int32"),
    "uint8 array": (lambda: np.array([255], np.uint8), "uint8"),
    "uint16 array": (lambda: np.array([65535], np.uint16), "int64"),
    "bool array": (lambda: np.array([True, False]), "bool"),
    "big-endian float64 array": (lambda: np.array([OWN], ">f8"), "float64"),
    "big-endian int32 array": (lambda: np.array([258], ">i4"), "int32"),
    "read-only array": (lambda: np.broadcast_to(np.float64(OWN), (2, 3)), "float64"),
    "array of negative strides": (lambda: np.arange(6.0)[::-2], "float64"),
    "misaligned array": (lambda: np.frombuffer(bytearray(17), np.uint8)[1:].view(np.float64), "float64"),
    "0-d array": (lambda: np.array(OWN), "float64"),
    "empty array": (lambda: np.empty((0, 3)), "float64"),
    "NumPy float64": (lambda: np.float64(OWN), "float64"),
    "NumPy float32": (lambda: np.float32(OWN), "float32"),
    "NumPy int8": (lambda: np.int8(-1), "int64"),
    "NumPy bool": (lambda: np.bool_(True), "bool"),
    "__array__": (lambda: known_by("__array__"), "float64"),
    "__array_interface__": (lambda: known_by("__array_interface__"), "float64"),
    "DLPack": (lambda: known_by("__dlpack__", "__dlpack_device__"), "float64"),
    "array.array of double": (lambda: array.array("d", [OWN]), "float64"),
    "array.array of float": (lambda: array.array("f", [OWN]), "float32"),
    "array.array of int": (lambda: array.array("i", [-5]), "int32"),
    "memoryview": (lambda: memoryview(np.array([[OWN, 1.0]])), "float64"),
    "memoryview of bytes": (lambda: memoryview(b"\x01\xff"), "uint8"),
    "bytearray": (lambda: bytearray(b"\x01\xff"), "uint8"),
    "tensor": (lambda: pa.tensor([OWN], dtype=pa.float64), "float64"),
    "list of NumPy float64": (lambda: [np.float64(OWN)], "float64"),
    "list of NumPy float32": (lambda: [np.float32(OWN), 1, True], "float32"),
    "list of NumPy float64 and float32": (lambda: [np.float32(OWN), np.float64(OWN)], "float64"),
    "nested list of NumPy float64": (lambda: [[OWN, 1], (np.float64(OWN), 2)], "float64"),
    "list of 0-d arrays": (lambda: [np.array(OWN), np.array(1)], "float64"),
    "list of arrays": (lambda: [np.array([OWN, 1]), [1.0, OWN]], "float64"),
    "list of float32 arrays": (lambda: [np.array([OWN], np.float32)], "float32"),
    "list of 0-d tensors": (lambda: [pa.tensor(OWN, dtype=pa.float64), 1.0], "float64"),
}


def as_numpy(data: Any) -> Any:
    if isinstance(data, pa.Tensor):
        return data.numpy()
    if isinstance(data, list):
        return np.asarray([as_numpy(each) for each in data])
    return (
        np.from_dlpack(data) if type(data).__name__ == "Foreign" and hasattr(data, "__dlpack__") else np.asarray(data)
    )


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("make", [pa.tensor, pa.as_tensor])
def test_what_has_a_dtype_keeps_it(make: Any, name: str) -> None:
    build, dtype = KEPT[name]
    data = build()
    made = make(data)
    expected = as_numpy(data)
    assert (made.dtype.name, made.shape) == (dtype, expected.shape)
    np.testing.assert_array_equal(made.numpy(), expected)
    for wanted in ("float64", "float32", "int64", "bool"):
        made = make(data, dtype=wanted)
        assert (made.dtype.name, made.shape) == (wanted, expected.shape)
        np.testing.assert_array_equal(made.numpy(), expected.astype(wanted))


PYTHONS: dict[str, tuple[Any, str, Any]] = {
    "float": (OWN, "float32", OWN),
    "int": (2**53 + 1, "int64", 2**53 + 1),
    "bool": (True, "bool", True),
    "floats": ([OWN, 1], "float32", [OWN, 1]),
    "ints": ([2**63 - 1, -(2**63)], "int64", [2**63 - 1, -(2**63)]),
    "ints and bools": ([True, 2], "int64", [1, 2]),
    "bools and floats": ([True, 0.5], "float32", [1, 0.5]),
    "nothing": ([], "float32", []),
    "no rows": ([[], []], "float32", [[], []]),
    "range": (range(3), "int64", [0, 1, 2]),
    "ranges": ([range(2), (5, 6)], "int64", [[0, 1], [5, 6]]),
    "deque": (deque([1.5, 2]), "float32", [1.5, 2]),
    "Values": ([Value(OWN), 2], "float32", [OWN, 2]),
    "large ints among floats": ([1.0, 2**70], "float32", [1.0, 2**70]),
    "tensors of one element": ([pa.tensor([OWN]), pa.tensor([[1.0]])], "float32", [OWN, 1]),
    "rows of tensors of one element": ([[pa.tensor(OWN)], [pa.tensor([1.0])]], "float32", [[OWN], [1]]),
    "tensors and ints": ([pa.tensor(3), 4], "int64", [3, 4]),
    "tensors and floats": ([pa.tensor(3), 4.5], "float32", [3, 4.5]),
}


@pytest.mark.filterwarnings("ignore:float. a Value")
@pytest.mark.parametrize("name", PYTHONS)
@pytest.mark.parametrize("make", [pa.tensor, pa.as_tensor])
def test_pythons_numbers_have_the_default_dtypes(make: Any, name: str) -> None:
    data, dtype, numbers = PYTHONS[name]
    made = make(data)
    assert made.dtype.name == dtype
    np.testing.assert_array_equal(made.numpy(), np.asarray(numbers, dtype), strict=True)
    default = pa.get_default_dtype()
    try:
        pa.set_default_dtype("float64")
        assert make(data).dtype.name == ("float64" if dtype == "float32" and "tensors of" not in name else dtype)
    finally:
        pa.set_default_dtype(default)


@pytest.mark.parametrize("dtype", [pa.float64, pa.float32])
def test_a_float_dtype_takes_ints_of_any_size(dtype: Any) -> None:
    assert pa.tensor([2**70, -(2**63) - 1], dtype=dtype).tolist() == [2.0**70, -(2.0**63)]
    assert pa.tensor(np.array([2**64 - 1], np.uint64), dtype=dtype).item() == 2.0**64


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "int over int64": (2**63, ValueError, "does not fit into int64"),
    "ints under int64": ([-(2**63) - 1], ValueError, "does not fit into int64"),
    "tensors of several elements": ([pa.ones(2), pa.ones(2)], ValueError, r"tensor of shape \(2,\).*stack\(\) and cat"),
    "empty tensor in a list": ([pa.ones(0)], ValueError, r"tensor of shape \(0,\)"),
    "rows of different lengths": ([[1, 2], [3]], ValueError, "the nested lists are ragged"),
    "a number beside a row": ([1, [2]], ValueError, "the nested lists are ragged"),
    "a tensor beside a row": ([pa.tensor([1.0]), [2.0]], ValueError, "the nested lists are ragged"),
    "text": ("1.5", TypeError, "the data holds a str, which is no number"),
    "text in a list": (["1.5"], TypeError, "the data holds a str"),
    "bytes": (b"abc", TypeError, "the data holds a bytes"),
    "None": (None, TypeError, "the data holds a NoneType"),
    "None in a list": ([1.0, None], TypeError, "the data holds a NoneType"),
    "complex": ([1 + 2j], TypeError, "the data holds a complex"),
    "set": ({1, 2}, TypeError, "the data holds a set"),
    "dict": ({"a": 1}, TypeError, "the data holds a dict"),
    "object": (SimpleNamespace(), TypeError, "the data holds a SimpleNamespace"),
    "type": (np.float64, TypeError, "the data holds a type"),
    "array of text": (np.array(["1.5"]), TypeError, "data of dtype <U3"),
    "array of complex": (np.array([1j]), TypeError, "data of dtype complex128"),
    "array of objects": (np.array([1, "a"], object), TypeError, "data of dtype object"),
    "array of dates": (np.array(["2020-01-01"], "M8[D]"), TypeError, "data of dtype datetime64"),
    "array of uint64": (np.array([1], np.uint64), TypeError, "uint64 does not fit into int64"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("make", [pa.tensor, pa.as_tensor])
def test_what_is_no_array_of_numbers_is_refused(make: Any, name: str) -> None:
    data, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        make(data)
    if "uint64" not in name and "int64" not in name:
        with pytest.raises(error, match=message):
            make(data, dtype="float32")


def test_nan_is_no_int() -> None:
    with pytest.raises(ValueError, match="cannot convert float NaN to integer"):
        pa.tensor([float("nan")], dtype="int64")


@pytest.mark.parametrize("name", ["float64 array", "array.array of double", "memoryview", "__array_interface__"])
def test_as_tensor_shares_the_memory_where_it_can(name: str) -> None:
    data = KEPT[name][0]()
    for made in (pa.as_tensor(data), pa.as_tensor(data, dtype="float64")):
        made.fill_(3)
        assert (as_numpy(data) == 3).all()
        made.fill_(4)
    copied = pa.as_tensor(data, dtype="float32")
    copied.fill_(5)
    assert (as_numpy(data) == 4).all()


def test_a_shared_buffer_is_kept_alive() -> None:
    numbers = array.array("d", [1.0, 2.0])
    shared = pa.as_tensor(numbers)
    with pytest.raises(BufferError):
        numbers.append(3.0)
    del shared
    numbers.append(3.0)


def test_full_has_the_dtype_of_its_number() -> None:
    assert [pa.full((2,), number).dtype.name for number in (True, 1, 1.5)] == ["bool", "int64", "float32"]
    assert pa.full((2,), np.int32(7)).dtype is pa.int64
    assert pa.full((2,), np.float64(0.1)).dtype is pa.float32
    assert pa.full((2,), pa.tensor(7)).dtype is pa.int64
    assert pa.full((2,), 1, dtype="float64").dtype is pa.float64


BYTES = bytes([255, 2, 0, 1, 128])
TRUTH = np.array([True, True, False, True, True])
READ: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda t, same: t.sum(),
    "prod": lambda t, same: t[:2].prod(),
    "mean of floats": lambda t, same: t.float().mean(),
    "to int64": lambda t, same: t.long(),
    "to float64": lambda t, same: t.double(),
    "times": lambda t, same: t * 3,
    "==": lambda t, same: t == same,
    "<": lambda t, same: t < same,
    "^": lambda t, same: t ^ same,
    "~": lambda t, same: ~t,
    "&": lambda t, same: t & same,
    "logical_not": lambda t, same: t.logical_not(),
    "max": lambda t, same: t.max(),
    "argmax": lambda t, same: t.argmax(),
    "all": lambda t, same: t[:2].all(),
    "where": lambda t, same: pa.where(t, 1.0, 2.0),
    "masked_fill": lambda t, same: pa.zeros(5).masked_fill(t, 1.0),
    "cat": lambda t, same: pa.cat([t, same]).sum(),
    "mask": lambda t, same: pa.arange(5)[t],
    "one": lambda t, same: t[1] + 0,
    "strided": lambda t, same: t.reshape(5, 1).expand(5, 3).T.sum(0),
    "compiled": lambda t, same: [step(t) for step in [pa.compile(lambda x: (x & x).sum() + x.sum())] for _ in "abc"][
        -1
    ],
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("make", [pa.from_numpy, pa.tensor])
def test_a_bool_is_true_where_its_byte_is_not_zero(make: Any, name: str) -> None:
    foreign, own = make(np.frombuffer(bytearray(BYTES), bool)), pa.tensor(TRUTH)
    found, expected = READ[name](foreign, own), READ[name](own, own)
    assert found.dtype is expected.dtype
    assert found.tolist() == expected.tolist()
