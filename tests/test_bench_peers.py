"""`make bench-peers` takes its rounds, fills its tables, and the smallest of its programs compute the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sleeper import Sleeper

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
if not (BENCHMARKS / "peers").is_dir():
    pytest.skip("benchmarks/ is not beside the tests", allow_module_level=True)
sys.path.append(str(BENCHMARKS))

import peers.publish as publish  # noqa: E402
from peers import cli, moons, nets, ours, rounds, tables, theirs, transformer  # noqa: E402

from pyautograd import reference, scalar  # noqa: E402
from pyautograd.bench._engines import Problem  # noqa: E402

HASTY = rounds.Effort(rounds=3, slice=0.002, longest=0.05, quick=True)


def small(outputs: int) -> Problem:
    random = np.random.RandomState(0)
    x = random.randn(3, 6, 2).astype(np.float32)
    y = random.randint(0, max(outputs, 2), (3, 6))
    batches = [(a, b[:, None].astype(np.float32) if outputs == 1 else b.astype(np.int64)) for a, b in zip(x, y)]
    return Problem((2, 4, outputs), batches)


def test_ratios_are_taken_within_a_round() -> None:
    samples = {"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 3.0, 2: 3.0}}
    ratio = rounds.ratios(samples, "a")["b"]
    assert (ratio.median, ratio.repetitions) == (2.0, 2)


def test_slow_engines_sit_rounds_out() -> None:
    programs = {"fast": Sleeper(1e-4), "slow": Sleeper(10.0)}
    samples = rounds.interleave(programs, rounds.Effort(rounds=9, slice=0.01, longest=4.0))
    assert sorted(samples["fast"]) == list(range(9))
    assert sorted(samples["slow"]) == [0, 8]
    assert samples["fast"][0] == pytest.approx(1e-4)


def test_engines_that_disagree_are_not_timed() -> None:
    programs = {"a": Sleeper(1), "b": Sleeper(1, 1.1)}
    with pytest.raises(rounds.Disagreement, match="a and b differ at step 0"):
        rounds.measure(rounds.Case("x", "x", ("a",)), programs, HASTY, lambda what: None, 2, 1e-3)
    assert not programs["a"].asked


@pytest.mark.parametrize("outputs", [1, 3])
def test_our_engines_train_the_same_net(outputs: int) -> None:
    problem = small(outputs)
    programs = {**ours.engines(problem), "numpy": theirs.Numpy(problem)}
    assert rounds.check(programs, 8, 1e-4) > 0
    for program in programs.values():
        assert program.run(4)["step"] > 0


@pytest.mark.parametrize("peer", ["torch", "jax", "sklearn"])
def test_a_peer_trains_the_same_net(peer: str) -> None:
    pytest.importorskip(peer)
    problem = small(3)
    programs = {ours.EAGER: ours.Eager(problem), **theirs.engines(problem, {peer: ""}, 1, 6, True)}
    assert len(programs) > 1
    assert rounds.check(programs, 4, 1e-3) < 1e-3


def test_the_notebooks_step_is_the_same_by_hand_and_over_columns() -> None:
    programs: dict[str, Any] = {"reference": moons.Notebook(reference), "eager": moons.Notebook(scalar)}
    programs |= {"numpy": moons.Numpy(), "columns": moons.Columns(compiled=False)}
    assert rounds.check(programs, 2, 1e-12) < 1e-12
    assert programs["numpy"].losses(1)[0] == pytest.approx(0.8958441028683222, rel=1e-12)


def test_the_transformer_has_a_loss() -> None:
    if not transformer.EXAMPLE.exists():
        pytest.skip("examples/ is not beside the tests")
    assert transformer.GPT(transformer.example(), "scalar").losses(1)[0] > 0


def measured(name: str) -> dict[str, Any]:
    options = SimpleNamespace(peers={"numpy": "any"}, threads=1, effort=HASTY)
    return json.loads(json.dumps(nets.measure(name, options, lambda what: None).as_dict()))  # type: ignore[no-any-return]


def test_a_net_is_measured_put_into_tables_and_drawn(tmp_path: Path) -> None:
    machine = {"processor": "a", "system": "b", "cores": "c", "python": "d", "pyautograd": "1", "kernels": "e"}
    run = {"machine": {**machine, "peers": {"numpy": "1"}}, "cases": {"nets/moons": measured("moons")}}
    found = {"runs": {"1": run}}
    assert run["cases"]["nets/moons"]["ratios"][ours.EAGER]["numpy"]["median"] > 0
    assert "  numpy  " in tables.plain(run["cases"]["nets/moons"])
    assert "moons, 2-16-16-1, batch 100" in tables.everything(found)
    (tmp_path / "docs").mkdir()
    for page, name in (("README.md", "readme"), ("docs/benchmarks.md", "nets")):
        (tmp_path / page).write_text(f"before\n<!-- bench-peers: {name} -->\nold\n<!-- /bench-peers -->\nafter")
    pytest.importorskip("matplotlib")
    written = publish.publish(found, tmp_path)
    assert [path.name for path in written] == ["benchmarks.md", "README.md", "steps.svg"]
    page = (tmp_path / "README.md").read_text()
    assert page.startswith("before\n") and page.endswith("\nafter") and "old" not in page and "| moons," in page


def test_a_section_without_a_place_is_named() -> None:
    with pytest.raises(ValueError, match="no place for 'nets'"):
        publish.fill("nothing", {"nets": "x"})


def test_every_section_has_its_place() -> None:
    page = (publish.ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name in ("nets", "nets-2", "training", "moons", "transformer", "replay", "memory", "products"):
        assert f"<!-- bench-peers: {name} -->" in page
    assert "<!-- bench-peers: readme -->" in (publish.ROOT / "README.md").read_text(encoding="utf-8")


def test_cases_and_peers_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.parse(["--only", "nets/moons,products"]).cases == ["nets/moons", "products/mnist", "products/large"]
    assert "nets/large" not in cli.parse(["--quick"]).cases
    assert set(cli.parse(["--threads", "2"]).cases) == {f"nets/{name}" for name in nets.NETS}
    with pytest.raises(SystemExit):
        cli.parse(["--only", "net"])
    assert "no case is called 'net'" in capsys.readouterr().err
