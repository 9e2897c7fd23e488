"""The bench measures and shows what it says, and all its programs compute the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sleeper import Sleeper

from pyautograd.bench import _cases, _cli, _engines, _measure, _report
from pyautograd.bench._measure import Effort, Timing

HASTY = Effort(seconds=0.0, slice=0.001, fewest=2)


def test_repetitions_are_as_long_as_asked() -> None:
    programs = {"slow": Sleeper(2.0), "fast": Sleeper(1e-4), "tiny": Sleeper(1e-9)}
    timings = _measure.interleave(programs, Effort(seconds=0.0, slice=0.01, fewest=3, most_steps=300))
    assert {name: program.asked[-1] for name, program in programs.items()} == {"slow": 1, "fast": 100, "tiny": 300}
    assert timings["slow"]["step"] == Timing(2.0, 2.0, 2.0, 3)
    assert timings["fast"]["step"].median == pytest.approx(1e-4)


def test_engines_that_disagree_are_not_timed() -> None:
    assert _cases.check({"a": Sleeper(1), "b": Sleeper(1, 1.0 + 1e-9)}, 2, 1e-8) == pytest.approx(1e-9, rel=1e-3)
    with pytest.raises(_cases.DisagreementError, match="a and b differ at number 0"):
        _cases.check({"a": Sleeper(1), "b": Sleeper(1, 1.1)}, 2, 1e-8)
    with pytest.raises(_cases.DisagreementError):
        _cases.check({"a": Sleeper(1), "b": Sleeper(1, float("nan"))}, 2, 1e-8)


def test_tensors_values_and_numpy_train_alike() -> None:
    random = np.random.RandomState(0)
    for outputs in (1, 3):
        x = random.randn(6, 2).astype(np.float32)
        y = (x[:, :1] > 0).astype(np.float32) if outputs == 1 else random.randint(0, 3, 6).astype(np.int64)
        problem = _engines.Problem((2, 4, outputs), [(x, y)])
        trainers = _engines.tensor_trainers(problem, {"numpy": "any"})
        assert set(trainers) == {"pyautograd", "pyautograd scalar", "reference", "numpy"}
        assert _cases.check(trainers, 20, 1e-4) > 0


@pytest.mark.parametrize("peer", ["torch", "jax", "sklearn"])
def test_the_bench_trains_the_same_net_with_a_peer(peer: str) -> None:
    pytest.importorskip(peer)
    trainers = _engines.tensor_trainers(_cases.moons_problem(), {peer: "any"}, values=False)
    assert _cases.check(trainers, 10, 1e-3) < 1e-3


def test_the_moons_are_the_same_over_every_scalar_engine() -> None:
    programs = {e.name: _cases.Moons(e) for e in _engines.scalar_engines({})}
    assert _cases.check(programs, 2, 0.0) == 0.0
    assert programs["reference"].losses(1) == [0.8958441028683222]


def test_memory_is_counted_a_node() -> None:
    engines = {e.name: _cases.graph_bytes(e) for e in _engines.scalar_engines({})}
    assert engines["pyautograd"][1] == engines["reference"][1] == 65_818
    assert all(20 < size / nodes < 400 for size, nodes in engines.values())


def test_a_case_becomes_a_table_json_and_a_plot() -> None:
    results = [_cases.CASES[name]({}, HASTY, lambda who: None) for name in ("expression", "chain")]
    text = _report.table(results[1])
    assert "build" in text and "pure-Python reference" in text and "same numbers to the last bit" in text
    assert "reference" in _report.headline(results)
    about = _report.machine("not pinned", {})
    read = json.loads(_report.as_json(results, about))
    assert [case["name"] for case in read["cases"]] == ["expression", "chain"]
    assert read["cases"][0]["ratios"]["reference"] > 0
    assert read["cases"][1]["engines"]["pyautograd"]["build"]["median"] > 0
    assert read["machine"]["python"].startswith("CPython")
    pytest.importorskip("matplotlib")
    figure = _report.plot(results, about)
    assert len(figure.axes) == 2


def test_the_command_measures_in_a_process_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    environment = {k: v for k, v in os.environ.items() if k != _measure.MEASURING}
    command = [sys.executable, "-m", "pyautograd", "bench", "--quick", "--peers", "none", "--only", "expression"]
    run = subprocess.run([*command, "--json", str(file)], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    assert "pinned" in run.stdout and "times faster than" in run.stdout and "no peers" in run.stdout
    assert json.loads(file.read_text())["cases"][0]["name"] == "expression"


def test_unknown_cases_and_peers_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _cli.parse(["--only", "chains"])
    assert "no case is called 'chains' (did you mean 'chain'?); there are expression, chain" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        _cli.parse(["--peers", "tensorflow"])
    assert "no peer is called 'tensorflow'" in capsys.readouterr().err
    assert _cli.parse(["--peers", "none"]).peers == []


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(option, tmp_path, capsys) -> None:
    for place in (tmp_path, tmp_path / "nowhere" / "file"):
        with pytest.raises(SystemExit):
            _cli.parse([option, str(place)])
        assert f"{place} is no place for a file" in capsys.readouterr().err
    assert _cli.parse([option, "file"])
