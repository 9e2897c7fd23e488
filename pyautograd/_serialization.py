"""save and load: nested dicts of tensors in one npz file, without pickle.

A file is a zip of .npy entries, one a tensor, that `numpy.load` reads too. Where there is more than a flat dict of
tensors, such as an optimiser's state dict or a checkpoint {"model": ..., "epoch": 3}, an entry `__tree__.json` holds
the rest, and says which entry stands where. (json and zipfile are imported where they are used: they take longer than
the rest of the package.)
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from pyautograd._creation import tensor
from pyautograd._tensor import Tensor

_TREE = "__tree__.json"


def save(obj: Any, f: str | os.PathLike[str] | BinaryIO) -> None:
    """Writes a state dict, or any nesting of dicts, lists and tuples of tensors, arrays, numbers, text and None.

    The file appears whole or not at all: it is written beside its place and then moved there. TypeError for what it
    cannot hold, such as a module (save its `state_dict()`), with nothing written.

    >>> import pyautograd as pa, tempfile, os
    >>> model = pa.nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.npz")
    ...     pa.save({"model": model.state_dict(), "epoch": 3}, path)
    ...     loaded = pa.load(path)
    >>> loaded["epoch"], list(loaded["model"])
    (3, ['weight', 'bias'])
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = _take_apart(obj, "", arrays)
    flat = isinstance(obj, dict) and [["T", name] for name in obj] == [item[1] for item in tree[1]]
    if hasattr(f, "write"):
        _write(f, arrays, None if flat else tree)
        return
    path = os.path.realpath(os.fspath(f))
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}.{os.urandom(6).hex()}.tmp")
    try:
        with open(beside, "xb") as stream:
            _write(stream, arrays, None if flat else tree)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


def load(f: str | os.PathLike[str] | BinaryIO, map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Reads what `save` wrote, or any npz file of arrays, as tensors.

    Nothing in a file is ever executed: pickles are refused. ValueError for a file that is damaged or of another
    kind. `map_location` may be None or "cpu"; `weights_only=False` is refused.
    """
    if not weights_only:
        raise ValueError("load: weights_only=False would unpickle, and pickles are refused; pickle.load reads them")
    if map_location is not None and str(map_location) != "cpu":
        raise ValueError(f"load: there is no device {map_location!r}, only cpu")
    name = "the stream" if hasattr(f, "read") else repr(os.fspath(f))  # type: ignore[arg-type]
    if hasattr(f, "read"):
        return _read(f, name)  # type: ignore[arg-type]
    with open(f, "rb") as stream:  # type: ignore[arg-type]
        return _read(stream, name)


def _take_apart(obj: Any, place: str, arrays: dict[str, np.ndarray[Any, Any]]) -> list[Any]:
    """The tree of an object for JSON, a list that begins with a kind; its tensors go to `arrays`."""
    if isinstance(obj, Tensor):
        return ["T", _add(arrays, place, obj.detach().numpy())]
    if isinstance(obj, (np.ndarray, np.generic)):
        return ["A" if isinstance(obj, np.ndarray) else "N", _add(arrays, place, np.asarray(obj))]
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return ["V", obj]
    if isinstance(obj, Mapping):
        items = []
        for key, value in obj.items():
            if not (key is None or isinstance(key, (bool, int, float, str))):
                raise TypeError(f"save: the key {key!r}{_at(place)} is not a str, a number or None")
            items.append([key, _take_apart(value, f"{place}/{key}" if place else str(key), arrays)])
        return ["D", items]
    if isinstance(obj, (list, tuple)):
        parts = [_take_apart(value, f"{place}/{i}" if place else str(i), arrays) for i, value in enumerate(obj)]
        return ["L" if isinstance(obj, list) else "P", parts]
    hint = "; save its state_dict()" if hasattr(obj, "state_dict") else ""
    raise TypeError(
        f"save: cannot save a {type(obj).__name__}{_at(place)}: only dicts, lists and tuples of tensors, arrays, "
        f"numbers, text and None{hint}"
    )


def _at(place: str) -> str:
    return f" at {place!r}" if place else ""


def _add(arrays: dict[str, np.ndarray[Any, Any]], place: str, array: np.ndarray[Any, Any]) -> str:
    if array.dtype.hasobject:
        raise TypeError(f"save: the array{_at(place)} holds Python objects")
    name = place or "tensor"
    while name in arrays:
        name += "_"
    arrays[name] = array
    return name


def _put_together(tree: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    kind, content = tree
    if kind == "V":
        return content
    if kind == "T":
        return tensor(arrays[content])
    if kind == "A":
        return arrays[content]
    if kind == "N":
        return arrays[content][()]
    if kind == "D":
        return {key: _put_together(value, arrays) for key, value in content}
    parts = [_put_together(part, arrays) for part in content]
    return parts if kind == "L" else tuple(parts)


def _write(stream: Any, arrays: Mapping[str, np.ndarray[Any, Any]], tree: Any) -> None:
    import json
    import zipfile

    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        # The date is fixed, so that the same contents are the same bytes.
        if tree is not None:
            archive.writestr(zipfile.ZipInfo(_TREE), json.dumps(tree))
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def _read(stream: BinaryIO, name: str) -> Any:
    import json
    import zipfile

    head = stream.read(4)
    stream.seek(-len(head), io.SEEK_CUR)
    if head[:2] != b"PK":
        if head[:1] == b"\x80":
            raise ValueError(f"load: {name} is a pickle; pickles are refused, as loading one can run any code")
        raise ValueError(f"load: {name} is not an npz file")
    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            if any(entry.endswith(".pkl") for entry in names):
                raise ValueError(
                    f"load: {name} was written by PyTorch and holds a pickle; pickles are refused. In PyTorch, "
                    "numpy.savez(path, **{k: v.numpy() for k, v in state_dict.items()}) writes a file that load reads"
                )
            arrays = {entry[:-4]: _read_array(archive, entry, name) for entry in names if entry.endswith(".npy")}
            if _TREE in names:
                return _put_together(json.loads(archive.read(_TREE)), arrays)
    except (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError) as error:
        raise ValueError(f"load: {name} is damaged or no npz file: {error}") from error
    return {key: tensor(array) for key, array in arrays.items()}


def _read_array(archive: Any, entry: str, name: str) -> np.ndarray[Any, Any]:
    with archive.open(entry) as stream:
        try:
            return np.lib.format.read_array(stream, allow_pickle=False)  # type: ignore[no-any-return]
        except ValueError as error:
            if "pickle" in str(error) or "Object" in str(error):
                raise ValueError(f"load: the entry {entry!r} of {name} is pickled; pickles are refused") from None
            raise ValueError(f"load: the entry {entry!r} of {name} cannot be read: {error}") from error
