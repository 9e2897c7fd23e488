"""`run` and the estimators give a serial run's bits under joblib's own backends and in processes of any kind."""

import multiprocessing
import os
from typing import Any

import numpy as np
import pytest
import work
from joblib import Parallel, delayed, hash, parallel_config
from sklearn.model_selection import GridSearchCV, cross_val_predict
from threadpoolctl import threadpool_limits

import pyautograd as pa
from pyautograd import _blas
from pyautograd.sklearn import MLPClassifier

BACKENDS = ["loky", "threading", "multiprocessing"]
STARTS = multiprocessing.get_all_start_methods()

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:A worker stopped:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_run_gives_the_bits_of_a_serial_run(backend: str) -> None:
    serial = [work.train(seed) for seed in range(4)]
    state = pa.get_rng_state()
    with parallel_config(backend=backend, n_jobs=2):
        assert Parallel()(delayed(work.train)(seed) for seed in range(4)) == serial
    assert pa.get_rng_state() == state
    assert len(set(serial)) == 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_search_gives_the_bits_of_a_serial_search(backend: str) -> None:
    model = MLPClassifier((8,), max_iter=3, dropout=0.2, batch_size=32, random_state=0)
    grid = {"alpha": [1e-4, 1e-2], "norm": [None, "batch"]}
    serial = GridSearchCV(model, grid, cv=2).fit(work.X, work.Y)
    with parallel_config(backend=backend, n_jobs=2):
        search = GridSearchCV(model, grid, cv=2).fit(work.X, work.Y)
        predicted = cross_val_predict(model, work.X, work.Y, cv=2, method="predict_proba")
    assert (search.cv_results_["mean_test_score"] == serial.cv_results_["mean_test_score"]).all()
    assert work.weights(search.best_estimator_.module_) == work.weights(serial.best_estimator_.module_)
    assert (predicted == cross_val_predict(model, work.X, work.Y, cv=2, method="predict_proba")).all()


def test_threads_without_a_seed_share_no_stream() -> None:
    assert len(set(Parallel(4, backend="threading")(delayed(work.train_unseeded)() for _ in range(4)))) == 4


@pytest.mark.parametrize("start", STARTS)
def test_processes_of_every_kind_give_the_same_bits(start: str) -> None:
    """Also of a product that the parent has made on more threads."""
    work.product()
    with threadpool_limits(1):
        expected = work.train(3), work.product()
    with multiprocessing.get_context(start).Pool(2) as pool:
        assert (pool.apply(work.train, (3,)), pool.apply(work.product)) == expected


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_two_workers_have_no_more_threads_than_there_are_cores(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has said how many, neither a test before this one nor the environment."""
    monkeypatch.setattr(_blas, "_is_told", False)
    for name in _blas.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    found = Parallel(2, backend=backend)(delayed(work.threads)(i) for i in range(2))
    assert sum(found) <= max(2, os.cpu_count() or 1)


def test_a_model_its_optimizer_and_its_schedule_go_to_workers_and_come_back() -> None:
    model = pa.nn.Linear(6, 2)
    optimizer = pa.optim.Adam(model.parameters(), lr=0.01)
    schedule = pa.optim.lr_scheduler.StepLR(optimizer, 2)

    def epochs(model: Any, optimizer: Any, schedule: Any, count: int) -> Any:
        @pa.compile
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = pa.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        for _ in range(count):
            step.run(work.X, work.Y, batch_size=50, shuffle=False)
            schedule.step()
        return model, optimizer, schedule

    there = (model, optimizer, schedule)
    for _ in range(2):
        (there,) = Parallel(2)(delayed(epochs)(*there, 2) for _ in range(1))
    epochs(model, optimizer, schedule, 4)
    assert there[1].param_groups[0]["params"][0] is there[0].weight
    assert there[1].param_groups[0]["lr"] == optimizer.param_groups[0]["lr"] < 0.01
    assert work.weights(there[0]) == work.weights(model)


def test_a_generator_goes_on_where_it_stood() -> None:
    generator = pa.Generator().manual_seed(5)
    pa.rand(3, generator=generator)
    (there,) = Parallel(2)(delayed(lambda g: pa.rand(3, generator=g).numpy())(generator) for _ in range(1))
    np.testing.assert_array_equal(there, pa.rand(3, generator=generator).numpy())


def test_what_is_cached_by_hash_is_told_apart_by_its_numbers() -> None:
    """Also of an optimiser, whose states stand by parameters."""
    models = [MLPClassifier((4,), max_iter=2, random_state=seed).fit(work.X, work.Y) for seed in (0, 0, 1)]
    first, same, other = (hash(model) for model in models)
    assert first == same != other
    assert hash(pa.zeros(5000)) == hash(pa.zeros(5000)) != hash(pa.arange(5000).clamp(2499, 2500) - 2499.0)
