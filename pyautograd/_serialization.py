"""save and load: nested dicts of tensors in one npz file, without pickle.

A file is a zip of .npy entries, one a tensor, that `numpy.load` reads too. Where there is more than a flat dict of
tensors, such as an optimiser's state dict or a checkpoint {"model": ..., "epoch": 3}, an entry `__tree__.json` holds
the rest, and says which entry stands where. The comment of the zip holds the version of the format and a checksum of
the list of entries, of which each has its own:

    weight.npy │ bias.npy │ __tree__.json: ["D", [["model", ["D", …]], ["epoch", ["V", 3]]]] │ … │ pyautograd 2 1a2b3c4d

Files of NumPy, and of the format before there were versions, have no such comment.
"""

from __future__ import annotations

import ast
import errno
import io
import json
import math
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np

from pyautograd._array_like import tensor
from pyautograd._tensor import Tensor

__all__ = ["load", "save"]

_TREE = "__tree__.json"
_NEVER_REPLACED = ("/dev/fd/", "/proc/")  # what they link to, even a regular file, goes on being written to by others
_VERSION = 2
_COMMENT = re.compile(rb"pyautograd (\d{1,9}) ([0-9a-f]{8})")
_DEEPEST = 100  # json and this module descend by recursion
_LONGEST_NAME = 200  # of an entry; a zip has room for 65,535 bytes
_LONGEST_HEADER = 10_000  # of an .npy entry, as in NumPy: it is parsed as Python's literals
_MOST_DEFLATED = 1_040  # the most bytes that deflate makes of one, and a little


def save(
    obj: Any,
    f: str | os.PathLike[str] | BinaryIO,
    pickle_module: Any = None,
    pickle_protocol: int | None = None,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Writes a state dict, or any nesting of dicts, lists and tuples of tensors, arrays, numbers, text and None.

    A file appears whole or not at all: until the new one is complete and on the disk the old one stays as it is, whose
    mode and, where the system allows it, owner the new one takes; a symbolic link is followed, other hard links keep
    the old contents. Fifos, devices and file objects are written as they are, without going back. The arguments for
    pickles change nothing.

    **Raises** TypeError for what it cannot hold, such as a module (save its `state_dict()`), ValueError for more than
    100 levels of nesting, OSError where the file cannot be written, a read-only one included; nothing is written then.

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
    tree = _take_apart(obj, "", arrays, 0)
    flat = isinstance(obj, Mapping) and [[name, ["T", name]] for name in obj] == tree[1]
    text = None if flat else json.dumps(tree)
    if hasattr(f, "write"):
        if isinstance(f, io.TextIOBase):
            raise TypeError("save: the file is open for text; open it with mode 'wb'")
        _write(f, arrays, text)
        return
    path = _path("save", f)
    target = _replaceable(path)
    if target is not None:
        _replace(target, lambda stream: _write(stream, arrays, text))
    else:
        with open(path, "wb") as stream:
            _write(stream, arrays, text)


def load(
    f: str | os.PathLike[str] | BinaryIO,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """Reads what `save` wrote, or any npz file of arrays, as tensors.

    Nothing in a file is ever executed: pickles are refused. No header makes it take more memory than the file's size
    accounts for. `map_location` may be None or "cpu", or a function of PyTorch's, which leaves tensors where they are;
    `pickle_module`, `weights_only` and `mmap` change nothing.

    **Raises** ValueError, which names the file, for one that is damaged, of another kind or of a later version;
    OSError where it cannot be read; TypeError for a file open for text.

    >>> import io
    >>> import pyautograd as pa
    >>> file = io.BytesIO()
    >>> pa.save({"w": pa.ones(2)}, file)
    >>> _ = file.seek(0)
    >>> pa.load(file)["w"]
    tensor([1., 1.])
    """
    if map_location is not None and not callable(map_location) and str(map_location) != "cpu":
        raise ValueError(f"load: there is no device {map_location!r}, only cpu")
    if hasattr(f, "read"):
        name, content = "the stream", f.read()
        if not isinstance(content, bytes):  # text
            raise TypeError(f"load: the file gives {type(content).__name__}; open it with mode 'rb'")
    else:
        path = _path("load", f)
        with open(path, "rb") as stream:
            name, content = repr(path), stream.read()
    try:
        return _read(content)
    except MemoryError:
        raise
    except Exception as error:  # whatever zipfile, json, zlib and NumPy find wrong
        raise ValueError(f"load: {name} cannot be read: {error or type(error).__name__}") from error


# ---- the place of a file ----


def _path(op: str, f: Any) -> str:
    try:
        return os.fsdecode(f)
    except TypeError:
        raise TypeError(f"{op}: takes a path or a file object, not {type(f).__name__}") from None


def _replaceable(path: str) -> str | None:
    """The regular file, if any, behind the links of a path; None for what is to be written as it is."""
    for _ in range(40):
        folder = os.path.dirname(path)
        if (os.path.realpath(folder) + "/").startswith(_NEVER_REPLACED):
            return None
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return path
        if not stat.S_ISLNK(mode):
            return path if stat.S_ISREG(mode) else None
        path = os.path.join(folder, os.readlink(path))
    return None


def _replace(path: str, write: Callable[[BinaryIO], None]) -> None:
    """Writes a file that appears at once, in the place of an old one if there is one.

    Until it is whole it has no name where Linux and the file system allow that (O_TMPFILE), so that nothing is left of
    it when the process is killed; else a short one, whatever the length of its own.
    """
    old = os.stat(path) if os.path.exists(path) else None
    if old is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    folder = os.path.dirname(path) or "."
    beside = os.path.join(folder, f".{os.urandom(6).hex()}.tmp")

    def fill(stream: BinaryIO) -> None:
        if old is not None:
            _take_over(stream.fileno(), old)
        write(stream)
        stream.flush()
        os.fsync(stream.fileno())

    try:
        name = None
        file = _nameless(folder)
        if file is not None:
            with open(file, "wb") as stream:
                fill(stream)
                name = _give_name(file, path, beside)
        if name is None:
            with open(beside, "xb") as stream:
                fill(stream)
            name = beside
        if name != path:
            os.replace(name, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(beside)
        if isinstance(error, PermissionError) and old is not None:
            hint = "no file can be made beside it, to replace it at once; save to open(path, 'wb') to write over it"
            raise PermissionError(error.errno, hint, path) from error
        raise


def _nameless(folder: str) -> int | None:
    """A new file without a name; None where there is no such thing."""
    if not (hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")):
        return None
    try:
        return os.open(folder, os.O_WRONLY | os.O_TMPFILE, 0o666)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return None
        raise


def _give_name(file: int, *names: str) -> str | None:
    """Links a file that has no name to the first name that is free; None where the file system cannot do that."""
    for name in names:
        try:  # src_dir_fd has CPython call linkat, which follows the link in /proc
            os.link(f"/proc/self/fd/{file}", name, src_dir_fd=file)
        except FileExistsError:
            continue
        except OSError:
            return None
        return name
    return None


def _take_over(file: int, old: os.stat_result) -> None:
    """Gives a file the owner and the mode of another, as far as the system lets us."""
    for owner, group in ((old.st_uid, -1), (-1, old.st_gid)):
        with suppress(PermissionError):
            os.fchown(file, owner, group)
    os.fchmod(file, stat.S_IMODE(old.st_mode))


# ---- objects and trees ----


def _take_apart(obj: Any, place: str, arrays: dict[str, np.ndarray[Any, Any]], depth: int) -> list[Any]:
    """The tree of an object for JSON, a list that begins with a kind; its tensors go to `arrays`."""
    if isinstance(obj, Tensor):
        return ["T", _add(arrays, place, obj.detach().numpy())]
    if isinstance(obj, (np.ndarray, np.generic)):
        return ["A" if isinstance(obj, np.ndarray) else "N", _add(arrays, place, np.asarray(obj))]
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return ["V", obj]
    if depth == _DEEPEST:
        raise ValueError(f"save: more than {_DEEPEST} levels of nesting; does something hold itself?")
    if isinstance(obj, Mapping):
        items = []
        for key, value in obj.items():
            if not (key is None or isinstance(key, (bool, int, float, str))):
                raise TypeError(f"save: the key {key!r}{_at(place)} is not a str, a number or None")
            items.append([key, _take_apart(value, f"{place}/{key}" if place else str(key), arrays, depth + 1)])
        return ["D", items]
    if isinstance(obj, (list, tuple)):
        parts = [
            _take_apart(value, f"{place}/{i}" if place else str(i), arrays, depth + 1) for i, value in enumerate(obj)
        ]
        return ["L" if isinstance(obj, list) else "P", parts]
    hint = "; save its state_dict()" if hasattr(obj, "state_dict") else ""
    raise TypeError(
        f"save: cannot save a {type(obj).__name__}{_at(place)}: only dicts, lists and tuples of tensors, arrays, "
        f"numbers, text and None{hint}"
    )


def _at(place: str) -> str:
    return f" at {place!r}" if place else ""


def _add(arrays: dict[str, np.ndarray[Any, Any]], place: str, array: np.ndarray[Any, Any]) -> str:
    """Puts an array under a name that a zip keeps as it is: its place, where that is one."""
    if array.dtype.hasobject:
        raise TypeError(f"save: the array{_at(place)} holds Python objects")
    can_be_kept = place.isprintable() and "\\" not in place and len(place.encode()) <= _LONGEST_NAME
    name = place if place and can_be_kept else f"tensor{len(arrays) or ''}"
    while name in arrays:
        name += "_"
    arrays[name] = array
    return name


def _put_together(tree: Any, take: Callable[[str], np.ndarray[Any, Any]]) -> Any:
    kind, content = tree
    if kind == "V":
        return content
    if kind == "T":
        return _tensor(content, take(content))
    if kind == "A":
        return take(content).copy()
    if kind == "N":
        return take(content)[()]
    if kind == "D":
        return {key: _put_together(value, take) for key, value in content}
    if kind == "L":
        return [_put_together(part, take) for part in content]
    if kind == "P":
        return tuple(_put_together(part, take) for part in content)
    raise ValueError(f"it holds something of the unknown kind {kind!r}")


# ---- zip files ----


class _Sink:
    """What zipfile writes to: it cannot go back, so that fifos get the same bytes, and counts from where it began."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        left = data
        while left:
            written = self._stream.write(left)
            if not isinstance(written, int):  # a stream of the user's own that does not say
                break
            if written <= 0:
                raise OSError(errno.EIO, "save: the file takes no more bytes")
            left = left[written:]
        return len(data)

    def flush(self) -> None:
        if hasattr(self._stream, "flush"):
            self._stream.flush()


def _checksum(archive: Any) -> int:
    """Of the names, sizes and checksums of all entries."""
    return zlib.crc32(repr([(entry.filename, entry.file_size, entry.CRC) for entry in archive.infolist()]).encode())


def _write(stream: Any, arrays: Mapping[str, np.ndarray[Any, Any]], tree: str | None) -> None:
    with zipfile.ZipFile(_Sink(stream), "w", zipfile.ZIP_STORED, allowZip64=True) as archive:  # type: ignore[call-overload]
        # The date is fixed, so that the same contents are the same bytes.
        if tree is not None:
            archive.writestr(zipfile.ZipInfo(_TREE), tree)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
        archive.comment = b"pyautograd %d %08x" % (_VERSION, _checksum(archive))


def _read(content: bytes) -> Any:
    if content[:1] == b"\x80":
        raise ValueError("it is a pickle; pickles are refused, as loading one can run any code")
    if content[:2] != b"PK":
        raise ValueError("it is not an npz file")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if any(name.endswith(".pkl") for name in entries):
            raise ValueError(
                "it was written by PyTorch and holds a pickle; pickles are refused. In PyTorch, "
                "numpy.savez(path, **{k: v.numpy() for k, v in state_dict.items()}) writes a file that load reads"
            )
        _check_entries(archive, len(content))

        def take(name: str) -> np.ndarray[Any, Any]:
            """Each entry once, so that no tree makes more of a file than there is."""
            return _read_array(name, archive.read(entries.pop(name + ".npy")))

        if _TREE in entries:
            return _put_together(json.loads(archive.read(entries.pop(_TREE))), take)
        names = [name[:-4] for name in entries if name.endswith(".npy")]
        return {name: _tensor(name, take(name)) for name in names}


def _check_entries(archive: Any, size: int) -> None:
    entries = archive.infolist()
    marked = _COMMENT.fullmatch(archive.comment)
    if archive.comment.startswith(b"pyautograd") and marked is None:
        raise ValueError("it is damaged at its end")
    if marked is not None and int(marked[1]) > _VERSION:
        raise ValueError(f"it is of version {int(marked[1])} of the format, and this release reads up to {_VERSION}")
    if marked is not None and int(marked[2], 16) != _checksum(archive):
        raise ValueError("its list of entries is damaged")
    if len({entry.filename for entry in entries}) != len(entries):
        raise ValueError("two of its entries have the same name")
    if entries and min(entry.header_offset for entry in entries) != 0:
        raise ValueError("it does not begin where its entries do")
    if sum(entry.compress_size for entry in entries) > size:
        raise ValueError("its entries are longer than it is")
    for entry in entries:
        most = {0: entry.compress_size, 8: entry.compress_size * _MOST_DEFLATED}.get(entry.compress_type, -1)
        if entry.file_size > most:
            raise ValueError(f"the entry {entry.filename!r} is compressed by another method, or larger than it can be")


def _read_array(name: str, content: bytes) -> np.ndarray[Any, Any]:
    """The array of an .npy entry, over its bytes."""
    try:
        if content[:6] != b"\x93NUMPY" or content[6] not in (1, 2, 3):
            raise ValueError("it is no .npy")
        begin = 10 if content[6] == 1 else 12
        end = begin + int.from_bytes(content[8:begin], "little")
        if end - begin > _LONGEST_HEADER:
            raise ValueError("its header is too long")
        header = ast.literal_eval(content[begin:end].decode("utf-8" if content[6] == 3 else "latin1"))
        shape, dtype = header["shape"], np.lib.format.descr_to_dtype(header["descr"])
        if dtype.hasobject:
            raise ValueError("it is pickled; pickles are refused")
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content) - end:
            raise ValueError(f"it has {len(content) - end} bytes, which is not what the shape {shape} takes")
        return np.ndarray(shape, dtype, content, end, order="F" if header["fortran_order"] else "C")
    except Exception as error:
        raise ValueError(f"the entry {name!r}: {error or type(error).__name__}") from error


def _tensor(name: str, array: np.ndarray[Any, Any]) -> Tensor:
    try:
        return tensor(array)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the entry {name!r} makes no tensor: {error}") from error
