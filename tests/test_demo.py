"""The demo and the commands around it print and write what they say, and end without tracebacks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

import pyautograd
from pyautograd import __main__, demo, reference, scalar

HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


def test_demo_runs_and_tells_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pictures"
    assert __main__.main(["demo", "--out", str(out), "--reference-steps", "2", "--epochs", "3"]) == 0
    said = capsys.readouterr().out
    assert said.count("0.8958441028683222") == 2  # the published loss, from both engines
    assert "0.01097837013549" in said  # and the last
    assert "the same to the last bit" in said and "Accuracy after 100 steps: 100%" in said
    assert (
        "times faster" in said
        and "Test accuracy" in said
        and "the losses are the same" in said
        and "off the exact one" in said
    )
    if HAS_MATPLOTLIB:
        assert str(out) in said
        names = {"losses.png", "moons.png", "first-layer.png", "pendulum.png", "neuron.html", "neuron.svg"}
        assert {path.name for path in out.iterdir()} == names
        assert all(path.stat().st_size > 5000 for path in out.iterdir())


def test_without_matplotlib_the_demo_says_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert demo.main(["--out", str(tmp_path / "none"), "--reference-steps", "1", "--epochs", "1"]) == 0
    said = capsys.readouterr().out
    assert 'pip install "pyautograd-core[plot]"' in said and "Left out" in said
    assert not (tmp_path / "none").exists()


def test_the_two_engines_give_the_same_losses() -> None:
    assert demo.train_moons(scalar, 3).losses == demo.train_moons(reference, 3).losses


def test_digits_are_learned_and_the_same_each_time() -> None:
    run = demo.train_digits(epochs=15)
    assert run.accuracy > 0.95 and run.n_test == 359
    assert demo.train_digits(epochs=1).losses == demo.train_digits(epochs=1).losses
    assert demo.train_digits(epochs=15, compiled=True).accuracy > 0.95


def test_a_net_finds_the_swing_of_a_pendulum_from_its_equation() -> None:
    run = demo.train_pendulum(epochs=100)
    assert abs(run.found - run.exact).max() < 0.1


def test_progress_is_silent_away_from_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(demo.progress(range(3), "x")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_progress_has_a_plain_bar_where_tqdm_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(demo.progress("ab", "letters")) == ["a", "b"]
    assert "letters ############### 1/2" in capsys.readouterr().err.replace(".", "")


@pytest.mark.parametrize("argv", [[], ["nonsense"]])
def test_unknown_commands_print_the_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(argv) == 2
    assert "usage: pyautograd" in capsys.readouterr().err


def test_a_misspelt_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["benhc"]) == 2
    assert "no command is called 'benhc' (did you mean 'bench'?)" in capsys.readouterr().err


def test_a_file_where_pictures_should_go_is_refused_before_the_trainings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(SystemExit):
        __main__.main(["demo", "--out", str(tmp_path / "mine")])
    assert "--out is a folder" in capsys.readouterr().err


def test_options_show_their_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["demo", "--help"])
    assert "default pyautograd-demo" in capsys.readouterr().out


def test_help_and_info_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--help"]) == 0
    assert "usage: pyautograd" in capsys.readouterr().out
    assert __main__.main(["--version"]) == 0
    assert capsys.readouterr().out == f"pyautograd {pyautograd.__version__}\n"
    assert __main__.main(["info"]) == 0
    assert pyautograd.__version__ in capsys.readouterr().out


def test_an_interrupted_command_says_so_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(argv: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(__main__.COMMANDS, "demo", interrupt)
    assert __main__.main(["demo"]) == 130
    assert "interrupted" in capsys.readouterr().err
