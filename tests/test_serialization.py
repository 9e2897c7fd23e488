"""save and load: what comes back, what is refused, and that a file is whole or absent."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn, optim


def same(a, b):
    if isinstance(a, pa.Tensor):
        return isinstance(b, pa.Tensor) and a.dtype is b.dtype and a.shape == b.shape and a.tolist() == b.tolist()
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


CASES = {
    "state dict": nn.MLP(2, [4, 1]).state_dict(),
    "tensor": pa.arange(6).reshape(2, 3),
    "dtypes": {str(dtype): pa.ones(2, 2).to(dtype) for dtype in (pa.float32, pa.float64, pa.int64, pa.bool)},
    "shapes": [pa.zeros(0), pa.tensor(3.5), pa.zeros(2, 0, 3), pa.ones(2, 3).T],
    "plain": {"a": 1, "b": 2.5, "c": None, "d": True, "e": "text", "f": [1, (2, 3)], "g": {}, "h": float("inf")},
    "arrays": {"x": np.arange(3, dtype=np.int16), "y": np.float32(1.5)},
    "keys": {
        0: pa.ones(1),
        "0": pa.zeros(1),
        1.5: "x",
        None: "y",
        True: "z",
        "a/b": pa.ones(2),
        "a": {"b": pa.ones(3)},
    },
    "awkward names": {"file": pa.ones(1), "__tree__.json": pa.ones(1), "": pa.ones(2), "ä/ö": pa.ones(3)},
    "None": None,
    "empty": {},
    "a dict that looks flat": {"a": 3},
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_saved_comes_back(name, tmp_path) -> None:
    path = tmp_path / "saved.npz"
    pa.save(CASES[name], path)
    assert same(CASES[name], pa.load(path))
    assert os.listdir(tmp_path) == ["saved.npz"]
    stream = io.BytesIO()
    pa.save(CASES[name], stream)
    stream.seek(0)
    assert same(CASES[name], pa.load(stream))
    assert stream.getvalue() == path.read_bytes()


def test_a_checkpoint(tmp_path) -> None:
    path = str(tmp_path / "checkpoint")
    model = nn.MLP(2, [4, 1])
    optimizer = optim.Adam(model.parameters(), amsgrad=True)
    model(pa.ones(3, 2)).sum().backward()
    optimizer.step()
    pa.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 7}, path)
    loaded = pa.load(path, map_location="cpu", weights_only=True)
    assert loaded["epoch"] == 7
    assert loaded["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    assert list(loaded["optimizer"]["state"]) == [0, 1, 2, 3]
    other = nn.MLP(2, [4, 1])
    other.load_state_dict(loaded["model"])
    optim.Adam(other.parameters()).load_state_dict(loaded["optimizer"])
    assert same(model.state_dict(), other.state_dict())


def test_numpy_reads_state_dicts_and_load_reads_numpys_files(tmp_path) -> None:
    path = tmp_path / "w.npz"
    pa.save(nn.Linear(2, 3).state_dict(), path)
    with np.load(path, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["bias", "weight"]
        assert arrays["weight"].shape == (3, 2)
    np.savez_compressed(path, a=np.ones(3), b=np.arange(2))
    loaded = pa.load(path)
    assert loaded["a"].dtype is pa.float64
    assert loaded["b"].tolist() == [0, 1]


def test_tensors_with_gradients_and_views_are_saved_as_their_numbers(tmp_path) -> None:
    w = nn.Parameter(pa.arange(6, dtype=pa.float32).reshape(2, 3))
    pa.save({"w": w, "row": w[1], "t": w.T}, tmp_path / "w.npz")
    loaded = pa.load(tmp_path / "w.npz")
    assert loaded["row"].tolist() == [3.0, 4.0, 5.0]
    assert loaded["t"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert not loaded["w"].requires_grad


@pytest.mark.parametrize(
    ("obj", "match"),
    [
        (nn.Linear(1, 1), r"Linear.*state_dict\(\)"),
        ({"a": {"b": object()}}, "object at 'a/b'"),
        ({(1, 2): pa.ones(1)}, "key"),
        ({"a": np.array([object()])}, "Python objects"),
        ({"a": {1, 2}}, "set at 'a'"),
    ],
    ids=str,
)
def test_what_cannot_be_saved_leaves_the_file_as_it_was(obj, match, tmp_path) -> None:
    path = tmp_path / "w.npz"
    pa.save({"old": pa.ones(1)}, path)
    with pytest.raises(TypeError, match=match):
        pa.save(obj, path)
    assert list(pa.load(path)) == ["old"]
    assert os.listdir(tmp_path) == ["w.npz"]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch) -> None:
    path = tmp_path / "w.npz"
    pa.save({"old": pa.ones(1)}, path)

    def full(*_):
        raise OSError("disk full")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(OSError, match="disk full"):
                pa.save({"new": pa.ones(1)}, path)
        assert list(pa.load(path)) == ["old"]
        assert os.listdir(tmp_path) == ["w.npz"]
    with pytest.raises(FileNotFoundError):
        pa.save({}, tmp_path / "nowhere" / "w.npz")


def test_a_link_stays_a_link(tmp_path) -> None:
    (tmp_path / "link.npz").symlink_to(tmp_path / "w.npz")
    pa.save({"a": pa.ones(1)}, tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert list(pa.load(tmp_path / "w.npz")) == ["a"]


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def test_pickles_are_refused_and_nothing_is_executed(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pickle").write_bytes(pickle.dumps(Bomb()))
    np.savez(tmp_path / "objects.npz", a=np.array([Bomb()], dtype=object))
    with zipfile.ZipFile(tmp_path / "torch.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    for name in ("pickle", "objects.npz", "torch.pt"):
        with pytest.raises(ValueError, match="pickle"):
            pa.load(tmp_path / name)
    with pytest.raises(ValueError, match="weights_only"):
        pa.load(tmp_path / "pickle", weights_only=False)
    with pytest.raises(ValueError, match="cuda"):
        pa.load(tmp_path / "pickle", map_location="cuda")
    assert not (tmp_path / "exploded").exists()


def test_damaged_files_are_refused(tmp_path) -> None:
    path = tmp_path / "w.npz"
    pa.save({"w": pa.ones(1000)}, path)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[2000] ^= 1
    for content in (b"", b"PK", b"hello world", whole[:3000], whole[: len(whole) - 10], bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"load: .*w\.npz"):
            pa.load(path)
    with pytest.raises(FileNotFoundError):
        pa.load(tmp_path / "nowhere.npz")
