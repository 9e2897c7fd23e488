"""A saved file is whole or absent, and what stood in its place keeps its mode, links and kind."""

import concurrent.futures
import errno
import io
import os
import resource
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import _serialization, nn


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


def mode_of(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def named_only(request, monkeypatch):
    """Also where no file can be without a name."""
    if request.param:
        monkeypatch.setattr(_serialization, "_nameless", lambda folder: None)


both_ways = pytest.mark.parametrize("named_only", [False, True], ids=["nameless", "named"], indirect=True)


@both_ways
@pytest.mark.usefixtures("named_only")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_file_keeps_its_mode_and_a_new_one_follows_the_umask(mode, tmp_path) -> None:
    path = tmp_path / "w.npz"
    umask = os.umask(0o027)
    try:
        pa.save({"a": pa.ones(1)}, path)
        assert mode_of(path) == 0o640
        os.chmod(path, mode)
        pa.save({"b": pa.ones(1)}, path)
    finally:
        os.umask(umask)
    assert mode_of(path) == mode
    assert list(pa.load(path)) == ["b"]
    assert os.listdir(tmp_path) == ["w.npz"]


@both_ways
@pytest.mark.usefixtures("named_only")
def test_a_name_may_be_as_long_as_the_system_takes(tmp_path) -> None:
    path = tmp_path / ("w" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    for value in (1.0, 2.0):
        pa.save({"a": pa.tensor(value)}, path)
        assert pa.load(os.fsencode(path))["a"].item() == value
    with pytest.raises(OSError, match="too long"):
        pa.save({}, f"{path}w")
    assert os.listdir(tmp_path) == [path.name]


def test_a_path_may_have_no_folder_but_must_be_one(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for value in (1.0, 2.0):
        pa.save({"a": pa.tensor(value)}, "w.npz")
        assert pa.load("w.npz")["a"].item() == value
    for wrong in ("", "."):
        with pytest.raises(OSError):
            pa.save({}, wrong)
    for wrong in (3, None):
        with pytest.raises(TypeError, match="save: takes a path"):
            pa.save({}, wrong)
        with pytest.raises(TypeError, match="load: takes a path"):
            pa.load(wrong)
    assert os.listdir(tmp_path) == ["w.npz"]


def test_fifos_and_devices_stay_what_they_are(tmp_path) -> None:
    fifo, saved = tmp_path / "fifo", {"w": pa.arange(100_000)}
    os.mkfifo(fifo)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        loaded = pool.submit(pa.load, fifo)
        pa.save(saved, fifo)
        assert (loaded.result()["w"] == saved["w"]).all()
    assert stat.S_ISFIFO(os.stat(fifo).st_mode)
    pa.save(saved, os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    assert os.listdir(tmp_path) == ["fifo"]


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout here")
@pytest.mark.parametrize("through", ["a pipe", "a file"])
def test_standard_output_can_be_saved_to(through, tmp_path) -> None:
    script = "import pyautograd as pa; pa.save({'w': pa.arange(5)}, '/dev/stdout')"
    with open(tmp_path / "out", "w+b") as file:
        out = file if through == "a file" else subprocess.PIPE
        content = subprocess.run([sys.executable, "-c", script], stdout=out, check=True).stdout or file.read()
    assert pa.load(io.BytesIO(content))["w"].tolist() == list(range(5))


def test_a_full_disk_leaves_the_old_file_whole(tmp_path) -> None:
    path = tmp_path / "w.npz"
    pa.save({"old": pa.ones(1)}, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            pa.save({"new": pa.ones(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(pa.load(path)) == ["old"]
    assert os.listdir(tmp_path) == ["w.npz"]
    if os.path.exists("/dev/full"):
        with pytest.raises(OSError, match="No space"):
            pa.save({"new": pa.ones(100_000)}, "/dev/full")


AS_ANOTHER = """
import os, sys
import pyautograd as pa
pa.save({}, os.devnull)
os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setuid(65534)
pa.save({"new": pa.ones(1)}, "w.npz")
"""


def test_what_is_not_ours_to_write_stays(tmp_path) -> None:
    path = tmp_path / "w.npz"
    pa.save({"old": pa.ones(1)}, path)

    def refusal(of_file: int, of_folder: int) -> str:
        """What save says to somebody else than root."""
        os.chmod(path, of_file)
        os.chmod(tmp_path, of_folder)
        command = [sys.executable, "-c", AS_ANOTHER, str(tmp_path)]
        said = subprocess.run(command, stderr=subprocess.PIPE, text=True).stderr
        os.chmod(tmp_path, 0o700)
        if "setuid" in said.partition("pa.save")[0]:
            pytest.skip("root cannot become another user here")
        return said

    assert "PermissionError" in refusal(0o444, 0o777)
    assert "save to open(path, 'wb')" in refusal(0o666, 0o555)
    assert list(pa.load(path)) == ["old"]
    assert os.listdir(tmp_path) == ["w.npz"]
    assert "Traceback" not in refusal(0o666, 0o777)
    assert list(pa.load(path)) == ["new"]


def test_a_file_system_that_names_no_nameless_file_gets_one_with_a_name(tmp_path, monkeypatch) -> None:
    def link(*arguments, **keywords):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "w.npz"
    for number in (1.0, 2.0):  # in no place and in that of another
        pa.save({"w": pa.full((3,), number)}, path)
        os.chmod(path, 0o640)
        assert pa.load(path)["w"].tolist() == [number] * 3
    assert os.listdir(tmp_path) == ["w.npz"] and path.stat().st_mode & 0o777 == 0o640


DIE = """
import os, signal, sys
import pyautograd as pa
def last(name, *arguments, **keywords):
    if name == sys.argv[2] and sys.argv[3] == "before": os.kill(os.getpid(), signal.SIGKILL)
    result = system[name](*arguments, **keywords)
    if name == sys.argv[2] and sys.argv[3] == "after": os.kill(os.getpid(), signal.SIGKILL)
    return result
pa.save({}, os.devnull)
system = {name: getattr(os, name) for name in ("fchmod", "fsync", "link", "replace")}
for name in system:
    setattr(os, name, lambda *a, name=name, **k: last(name, *a, **k))
pa.save({"w": pa.ones(50_000)}, sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files always have names here")
@pytest.mark.parametrize("step", ["fchmod", "fsync", "link", "replace"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_step_leaves_one_whole_file_and_nothing_else(step, when, tmp_path) -> None:
    file = _serialization._nameless(str(tmp_path))
    if file is None:
        pytest.skip("this file system gives every file a name")
    os.close(file)
    path = tmp_path / "w.npz"
    pa.save({"w": pa.zeros(50_000)}, path)
    done = subprocess.run([sys.executable, "-c", DIE, str(path), step, when])
    assert done.returncode == -signal.SIGKILL
    w = pa.load(path)["w"]
    assert w.shape == (50_000,)
    assert w.min().item() == w.max().item() == float((step, when) == ("replace", "after"))
    # Only a complete file that is about to take the place of the old one has a name for these two steps.
    between = (step, when) in {("link", "after"), ("replace", "before")}
    assert len(os.listdir(tmp_path)) == 1 + between


def test_a_kill_at_any_moment_leaves_one_whole_file(tmp_path) -> None:
    path = tmp_path / "w.npz"
    script = """
import sys, pyautograd as pa
for i in range(10**9):
    pa.save({"w": pa.full((100_000,), i)}, sys.argv[1])
    sys.stdout.write("."); sys.stdout.flush()
"""
    for saves in range(1, 9):
        with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as process:
            process.stdout.read(saves)
            process.kill()
        w = pa.load(path)["w"]
        assert w.shape == (100_000,)
        assert w.min().item() == w.max().item() >= saves - 1
