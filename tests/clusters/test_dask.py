"""Searches and trainings on a Dask cluster of two workers give the bits of serial ones."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import work
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV

from pyautograd.sklearn import MLPClassifier

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("default::ResourceWarning"),
]

MODEL = MLPClassifier((8,), max_iter=4, dropout=0.2, batch_size=32, random_state=0)


@contextmanager
def cluster_of_two() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster_of_two() as client:
        yield client


@pytest.mark.parametrize("search", [
    GridSearchCV(MODEL, {"alpha": [1e-4, 1e-2], "norm": [None, "layer"]}, cv=2),
    HalvingRandomSearchCV(MODEL, {"alpha": [1e-4, 1e-3, 1e-2, 1e-1]}, resource="max_iter", min_resources=2,
                          max_resources=8, random_state=0, cv=2),
], ids=["grid", "halving"])  # fmt: skip
def test_a_search_gives_the_bits_of_a_serial_search(client: Any, search: Any) -> None:
    serial = clone(search).fit(work.X, work.Y)
    with parallel_config(backend="dask"):
        found = clone(search).fit(work.X, work.Y)
    assert (found.cv_results_["mean_test_score"] == serial.cv_results_["mean_test_score"]).all()
    assert work.weights(found.best_estimator_.module_) == work.weights(serial.best_estimator_.module_)


def test_run_gives_the_bits_of_a_serial_run(client: Any) -> None:
    serial = [work.train(seed) for seed in range(4)]
    assert client.gather(client.map(work.train, range(4))) == serial
    with parallel_config(backend="dask"):
        assert Parallel()(delayed(work.train)(seed) for seed in range(4)) == serial


def test_threads_of_a_worker_side_by_side_give_the_same_bits() -> None:
    serial = [work.train(seed) for seed in range(6)]
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=3, dashboard_address=":0") as client:
        assert client.gather(client.map(work.train, range(6), pure=False)) == serial


def test_a_worker_takes_one_core(client: Any) -> None:
    assert list(client.run(work.threads).values()) == [1, 1]
    assert set(client.run(work.product).values()) == {client.submit(work.product).result()}


def test_a_fitted_estimator_and_a_module_go_through_the_cluster(client: Any) -> None:
    model = client.submit(MLPClassifier((4,), max_iter=3, random_state=0).fit, work.X, work.Y).result()
    expected = MLPClassifier((4,), max_iter=3, random_state=0).fit(work.X, work.Y).predict_proba(work.X)
    assert (model.predict_proba(work.X) == expected).all()
    assert (client.submit(lambda m, x: m.predict_proba(x), client.scatter(model), work.X).result() == expected).all()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_worker_that_is_killed_costs_no_bit(tmp_path: Path) -> None:
    serial = [work.train(seed, epochs=6) for seed in range(3)]
    with cluster_of_two() as client:
        found = client.map(work.train_on_a_worker_that_dies, range(3), folder=tmp_path, pure=False)
        assert client.gather(found) == serial
    assert len(list(tmp_path.glob("*.dead"))) == 3
