"""What becomes a tensor is what PyTorch makes of it, and what is indexed is laid out as there."""

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")

KINDS = {"int16": "int64", "float16": "float32"}  # which tensors here do not have

DATA: dict[str, Callable[[Any], Any]] = {
    "NumPy scalars": lambda t: [np.float64(0.1), np.float32(0.2)],
    "NumPy float32": lambda t: [np.float32(0.1)],
    "NumPy float32 and float": lambda t: [np.float32(0.1), 1.0],
    "NumPy float64 and int": lambda t: [np.float64(0.1), 1],
    "NumPy int and float": lambda t: [np.int32(3), 2.5],
    "NumPy float16": lambda t: [np.float16(0.5)],
    "NumPy bools": lambda t: [np.bool_(True), False],
    "arrays": lambda t: [np.array([0.1, 2.0]), [3.0, 4.0]],
    "float32 arrays": lambda t: [np.array([0.1, 2.0], np.float32), [3.0, 4.0]],
    "array": lambda t: np.array([0.1]),
    "uint8 array": lambda t: np.array([1, 255], np.uint8),
    "bools and floats": lambda t: [True, 2.5],
    "ints and bools": lambda t: [True, 2],
    "large ints among floats": lambda t: [1.0, 2**63],
    "tensors of one element": lambda t: [t.tensor([0.1]), t.tensor([[0.2]])],
    "float64 tensors": lambda t: [t.tensor(0.1, dtype=t.float64), t.tensor(0.2)],
    "tensors and numbers": lambda t: [t.tensor(1), 1.5],
    "int tensors": lambda t: [t.tensor(1), 2],
    "rows of tensors": lambda t: [[t.tensor(1.0)], [t.tensor([2.0])]],
    "no rows": lambda t: [[], []],
    "ranges": lambda t: [range(3), range(3)],
    "memoryview": lambda t: memoryview(array("q", [1, 2])),
}


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy.ndarrays is extremely slow")
@pytest.mark.parametrize("name", DATA)
def test_a_tensor_of_data_has_pytorchs_dtype_shape_and_numbers(name: str) -> None:
    ours, theirs = pa.tensor(DATA[name](pa)), torch.tensor(DATA[name](torch))
    dtype = str(theirs.dtype).split(".")[-1]
    assert (ours.dtype.name, ours.shape) == (KINDS.get(dtype, dtype), tuple(theirs.shape))
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


REFUSED: dict[str, Callable[[Any], Any]] = {
    "tensors of two elements": lambda t: [t.ones(2), t.ones(2)],
    "a tensor of two elements": lambda t: [t.ones(2)],
    "empty tensors": lambda t: [t.ones(0)],
    "ragged": lambda t: [[1, 2], [3]],
    "a number and a row": lambda t: [1, [2]],
    "a tensor and a row": lambda t: [t.tensor([1.0]), [2.0]],
    "text": lambda t: ["a"],
    "bytes": lambda t: b"abc",
    "None": lambda t: [None],
    "over int64": lambda t: [2**63],
    "under int64": lambda t: -(2**63) - 1,
    "dict": lambda t: {"a": 1},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_refuses_is_refused(name: str) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        torch.tensor(REFUSED[name](torch))
    with pytest.raises((TypeError, ValueError)):
        pa.tensor(REFUSED[name](pa))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool", "int32", "float16"])
def test_tensors_of_pytorch_keep_their_numbers(dtype: str) -> None:
    theirs = torch.tensor([[0.1, 1.0], [2.5, 0.0]], dtype=torch.float64).to(getattr(torch, dtype))
    for ours in (pa.tensor(theirs), pa.as_tensor(theirs), pa.as_tensor(theirs.T).T):
        assert ours.dtype.name == KINDS.get(dtype, dtype)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    one = pa.tensor([theirs[0, 0], theirs[0, 1]])
    assert (one.dtype.name, one.tolist()) == (KINDS.get(dtype, dtype), theirs[0].tolist())


def test_an_optimisers_state_is_loaded_unrounded() -> None:
    theirs = torch.nn.Parameter(torch.linspace(0.1, 0.7, 5, dtype=torch.float64))
    optimizer = torch.optim.Adam([theirs], lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        (theirs**3).sum().backward()
        optimizer.step()
    ours = pa.nn.Parameter(pa.tensor(theirs.detach()))
    loaded = pa.optim.Adam([ours], lr=0.01)
    loaded.load_state_dict(optimizer.state_dict())
    state = loaded.state[ours]
    for name in ("exp_avg", "exp_avg_sq"):
        assert state[name].dtype is pa.float64
        np.testing.assert_array_equal(state[name].numpy(), optimizer.state[theirs][name].numpy())


KEYS: dict[str, Callable[[Any], Any]] = {
    ":, i": lambda i: (slice(None), i),
    ":, i, :": lambda i: (slice(None), i, slice(None)),
    ":, :, i": lambda i: (slice(None), slice(None), i),
    "..., i": lambda i: (Ellipsis, i),
    "i": lambda i: i,
    "i, i": lambda i: (i, i),
    ":, i, i": lambda i: (slice(None), i, i),
    "i, :, i": lambda i: (i, slice(None), i),
    ":, 2-d": lambda i: (slice(None), i.reshape(3, 1)),
    "0, :, i": lambda i: (0, slice(None), i),
    ":, 0, i": lambda i: (slice(None), 0, i),
    "None, :, i": lambda i: (None, slice(None), i),
    ":, i, None": lambda i: (slice(None), i, None),
    "::2, i": lambda i: (slice(None, None, 2), i),
    ":, i, :, i": lambda i: (slice(None), i, slice(None), i),
    ":, mask": lambda i: (slice(None), i > 0),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("transposed", [False, True], ids=["contiguous", "transposed"])
def test_what_is_indexed_is_contiguous_where_pytorchs_is(name: str, transposed: bool) -> None:
    numbers = np.arange(3 * 3 * 4 * 3.0).reshape(3, 3, 4, 3)

    def index(t: Any) -> Any:
        x = t.tensor(numbers)
        return (x.permute(3, 2, 1, 0) if transposed and name != ":, mask" else x)[KEYS[name](t.tensor([0, 1, 1]))]

    ours, theirs = index(pa), index(torch)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert ours.is_contiguous() >= theirs.is_contiguous()
    if theirs.is_contiguous():
        assert ours.stride() == theirs.stride()
        assert ours.view(-1).tolist() == theirs.view(-1).tolist()
