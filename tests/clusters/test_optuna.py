"""A callback of `run` reports to Optuna and prunes; what was not pruned has the bits of a run without Optuna."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import work
from joblib import Parallel, delayed

optuna = pytest.importorskip("optuna")


def objective(trial: Any) -> float:
    rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)

    def report(epoch: int, losses: np.ndarray[Any, Any]) -> None:
        trial.report(losses.mean(), epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    losses, weights = work.train(trial.number, rate, 5, report)
    trial.set_user_attr("weights", weights.hex())
    return float(np.frombuffer(losses)[-6:].mean())


def study(**options: Any) -> Any:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner, **options)


@pytest.mark.parametrize("threads", [1, 2])
def test_trials_are_pruned_and_the_others_have_the_bits_of_serial_runs(threads: int) -> None:
    found = study()
    found.optimize(objective, n_trials=8, n_jobs=threads)
    states = {trial.state.name for trial in found.trials}
    assert "COMPLETE" in states and ("PRUNED" in states or threads > 1)  # in threads it depends on who is first
    check(found.trials)


def test_workers_of_one_storage_share_a_study(tmp_path: Path) -> None:
    def work_on(path: Path) -> None:
        study(study_name="shared", storage=storage(path), load_if_exists=True).optimize(objective, n_trials=4)

    found = study(study_name="shared", storage=storage(tmp_path / "study.log"))
    Parallel(2)(delayed(work_on)(tmp_path / "study.log") for _ in range(2))
    assert len(found.trials) == 8
    check(found.trials)


def storage(path: Path) -> Any:
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))


def check(trials: list[Any]) -> None:
    for trial in trials:
        if trial.state.name == "COMPLETE":
            weights = work.train(trial.number, trial.params["rate"], 5)[1]
            assert trial.user_attrs["weights"] == weights.hex()
        else:
            assert 1 < len(trial.intermediate_values) <= 5
