"""save and load bring back what was saved, and refuse what is damaged or no save writes."""

import io
import json
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd._dtype import DTYPES


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
    "dtypes": {each.name: pa.tensor([[3.5, 200.0]]).to(each) for each in DTYPES},
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


def test_a_checkpoint_of_model_optimizer_and_epoch_comes_back(tmp_path) -> None:
    path = str(tmp_path / "checkpoint")
    model = nn.MLP(2, [4, 1])
    optimizer = optim.Adam(model.parameters(), amsgrad=True)
    model(pa.ones(3, 2)).sum().backward()
    optimizer.step()
    pa.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 7}, path)
    loaded = pa.load(path, map_location="cpu", weights_only=True)
    assert loaded["epoch"] == pa.load(path, weights_only=False)["epoch"] == 7
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
    with pytest.raises(ValueError, match="pickle"):
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


def test_file_objects_are_written_from_where_they_stand(tmp_path) -> None:
    class Slow(io.RawIOBase):
        """Takes a few bytes at a time, as pipes may."""

        def __init__(self):
            self.taken = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.taken += data[:1000]
            return min(len(data), 1000)

    slow, saved = Slow(), {"w": pa.arange(1000)}
    pa.save(saved, slow)
    assert same(pa.load(io.BytesIO(slow.taken)), saved)
    stream = io.BytesIO()
    stream.write(b"before")
    pa.save(saved, stream)
    stream.seek(6)
    assert same(pa.load(stream), saved)
    with open(tmp_path / "text", "w") as text, pytest.raises(TypeError, match="'wb'"):
        pa.save(saved, text)
    with open(tmp_path / "text") as text, pytest.raises(TypeError, match="'rb'"):
        pa.load(text)


def written_by_hand(path, tree=None, comment=b"", **entries):
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = comment
        if tree is not None:
            archive.writestr("__tree__.json", tree if isinstance(tree, str) else json.dumps(tree))
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_files_of_the_format_before_it_had_versions_are_read(tmp_path) -> None:
    path = tmp_path / "w.npz"
    tree = [
        "D",
        [["model", ["D", [["w", ["T", "model/w"]]]]], ["b", ["P", [["N", "n"], ["L", [["V", 2.5]]]]]], [1, ["A", "a"]]],
    ]
    written_by_hand(path, tree, **{"model/w": npy(np.ones(3)), "n": npy(np.float32(2)), "a": npy(np.arange(2))})
    expected = {"model": {"w": pa.ones(3, dtype=pa.float64)}, "b": (np.float32(2), [2.5]), 1: np.arange(2)}
    assert same(pa.load(path), expected)
    assert pa.load(path)[1].flags.writeable


def header(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


CRAFTED = {
    "unknown kind 'Q'": {"tree": ["D", [["x", ["Q", 3]]]]},
    "version 3": {"comment": b"pyautograd 3 00000000"},
    "its list of entries": {"comment": b"pyautograd 2 00000000"},
    "damaged at its end": {"comment": b"pyautograd two"},
    "expected 2": {"tree": ["D"]},
    "a list in place of a name": {"tree": ["T", [1]]},
    "unhashable": {"tree": ["D", [[["key"], ["V", 1]]]]},
    "recursion": {"tree": '["L", [' * 50_000 + "]]" * 50_000},
    "Exceeds the limit": {"tree": f'["V", {"1" * 5000}]'},
    "b.npy": {"tree": ["L", [["T", "a"], ["T", "b"]]], "a": npy(np.ones(1))},
    "twice": {"tree": ["L", [["A", "a"], ["A", "a"]]], "a": npy(np.ones(1))},
    r"the shape \(1099511627776,\)": {"a": header("(1 << 40,)".replace("1 << 40", str(1 << 40))) + bytes(8)},
    r"the shape \(-1, -8\)": {"a": header("(-1, -8)") + bytes(64)},
    r"the shape \(4294967296, 4294967296, 4294967296\)": {"a": header("(4294967296, 4294967296, 4294967296)")},
    "too long": {"a": b"\x93NUMPY\x02\x00" + (20_000).to_bytes(4, "little") + b"(" * 20_000},
    "parenthes": {"a": b"\x93NUMPY\x02\x00" + (9_000).to_bytes(4, "little") + b"(" * 9_000},
    "pickled": {"a": header("(1,)", "'|O'") + bytes(8)},
    "'a'.*complex": {"a": npy(np.ones(2, complex))},
    "no .npy": {"a": b"hello"},
    "'a'.*8 axes": {"a": npy(np.ones((1,) * 9))},
}


@pytest.mark.parametrize("match", CRAFTED)
def test_what_no_save_writes_is_refused_by_name_without_a_large_allocation(match, tmp_path) -> None:
    path = tmp_path / "w.npz"
    written_by_hand(path, **CRAFTED[match])
    wanted = {"a list in place of a name": "", "twice": r"a\.npy"}.get(match, match)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=rf"(?s)load: '.*w\.npz' cannot be read: .*({wanted})"):
            pa.load(path)
        assert tracemalloc.get_traced_memory()[1] < 60 * os.path.getsize(path) + 1_000_000
    finally:
        tracemalloc.stop()


def test_a_few_bytes_do_not_become_many(tmp_path) -> None:
    path = tmp_path / "w.npz"
    written_by_hand(path, a=npy(np.zeros(1000)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", npy(np.zeros(1_000_000)))
    with pytest.raises(ValueError, match="another method"):
        pa.load(path)
    np.savez_compressed(path, a=np.zeros(1_000_000))
    assert pa.load(path)["a"].shape == (1_000_000,)
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.npy", npy(np.zeros(1)))
        archive.writestr("a.npy", npy(np.ones(1)))
    with pytest.raises(ValueError, match="same name"):
        pa.load(path)


KEYS = ["x\0y", "x\ny", "\ud800", "a\\b", "k" * 100_000, "../up", "/root", "tensor", "tensor1", "\u202e", "名"]


def test_every_key_comes_back(tmp_path) -> None:
    path = tmp_path / "w.npz"
    saved = {key: pa.tensor(float(i)) for i, key in enumerate(KEYS)}
    pa.save(saved, path)
    assert same(saved, pa.load(path))
    for key in KEYS:
        pa.save({key: pa.ones(1)}, path)
        assert list(pa.load(path)) == [key]


def test_nesting_has_a_limit_and_what_is_saved_can_be_loaded(tmp_path) -> None:
    path = tmp_path / "w.npz"
    nested: object = pa.ones(1)
    for i in range(100):
        nested = [nested] if i % 2 else {"x": nested}
    pa.save(nested, path)
    assert same(nested, pa.load(path))
    itself: list[object] = []
    itself.append(itself)
    for too_deep in ([nested], itself):
        with pytest.raises(ValueError, match="100 levels"):
            pa.save(too_deep, path)
    assert same(nested, pa.load(path))


def contents():
    """Files of several kinds, with what they hold."""
    model = nn.MLP(2, [3, 1])
    optimizer = optim.Adam(model.parameters())
    model(pa.ones(3, 2)).sum().backward()
    optimizer.step()
    yield "state dict", model.state_dict()
    yield "checkpoint", {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 7, "name": "ü"}
    yield "nothing", {}
    yield "tensor", pa.arange(3)
    yield "odd keys", {"x\0y": pa.ones(2), "ä": np.float32(3), "f": np.ones((2, 3), order="F")}


@pytest.mark.parametrize(("kind", "obj"), list(contents()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_damaged_file_gives_a_value_error_or_what_was_saved(kind, obj) -> None:
    stream = io.BytesIO()
    pa.save(obj, stream)
    whole = stream.getvalue()
    random = np.random.default_rng(len(kind))
    places = range(len(whole)) if len(whole) < 1500 else sorted(random.choice(len(whole), 1500, replace=False).tolist())
    refused = 0
    for at in places:
        bit, some = int(random.integers(8)), random.bytes(int(random.integers(1, 9)))
        damaged = [
            whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :],
            whole[:at] + b"\xff" + whole[at + 1 :],
            whole[:at],
            whole[at:],
            whole[:at] + some + whole[at:],
            whole[:at] + whole[at + len(some) :],
        ]
        for content in damaged:
            try:
                loaded = pa.load(io.BytesIO(content))
            except ValueError as error:
                assert str(error).startswith("load: the stream cannot be read: ")
                refused += 1
            else:
                assert same(obj, loaded), (at, content)
    assert refused > len(places)
