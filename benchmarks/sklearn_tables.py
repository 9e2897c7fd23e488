"""MLPClassifier and MLPRegressor beside scikit-learn's: the table of docs/sklearn.md.

    python benchmarks/sklearn_tables.py [--publish]

The same architecture, epochs and batches, one core. A fit is the least CPU time of several; scores are of 5 folds,
mean and standard deviation. Needs scikit-learn; --publish writes the table into the page.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.neural_network as theirs
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

import pyautograd.sklearn as ours

PAGE = Path(__file__).resolve().parent.parent / "docs" / "sklearn.md"
BEGIN, END = "<!-- benchmarks/sklearn_tables.py -->", "<!-- end -->"


def blobs() -> Any:
    return datasets.make_classification(50_000, 20, n_informative=10, n_classes=4, random_state=0)


def surface() -> Any:
    X, y = datasets.make_regression(50_000, 20, noise=1.0, random_state=0)
    return X, y / y.std() + np.sin(3 * X[:, 0])


CASES: list[tuple[str, Callable[[], Any], str, int]] = [
    ("iris", lambda: datasets.load_iris(return_X_y=True), "MLPClassifier", 200),
    ("wine", lambda: datasets.load_wine(return_X_y=True), "MLPClassifier", 200),
    ("breast cancer", lambda: datasets.load_breast_cancer(return_X_y=True), "MLPClassifier", 200),
    ("digits", lambda: datasets.load_digits(return_X_y=True), "MLPClassifier", 100),
    ("diabetes", lambda: datasets.load_diabetes(return_X_y=True), "MLPRegressor", 200),
    ("50,000 rows, 4 classes", blobs, "MLPClassifier", 10),
    ("50,000 rows, numbers", surface, "MLPRegressor", 10),
]


def made(library: Any, kind: str, epochs: int) -> Any:
    return getattr(library, kind)(max_iter=epochs, tol=0.0, n_iter_no_change=10**6, random_state=0)


def seconds(library: Any, kind: str, epochs: int, X: Any, y: Any) -> float:
    began = time.process_time()
    made(library, kind, epochs).fit(X, y)
    return time.process_time() - began


def row(name: str, load: Callable[[], Any], kind: str, epochs: int) -> str:
    X, y = load()
    X = scale(X)
    y = scale(y) if kind == "MLPRegressor" else y
    repeats = 3 if len(X) > 10_000 else 10
    times = [[seconds(library, kind, epochs, X, y) for library in (ours, theirs)] for _ in range(repeats)]
    mine, its = (min(each) for each in zip(*times))
    folds = (StratifiedKFold if kind == "MLPClassifier" else KFold)(5, shuffle=True, random_state=0)
    scores = [cross_val_score(made(library, kind, epochs), X, y, cv=folds) for library in (ours, theirs)]
    spread = " | ".join(f"{each.mean():.3f} ± {each.std():.3f}" for each in scores)
    return f"| {name} | {len(X):,} × {X.shape[1]} | {epochs} | {mine:.3f} | {its:.3f} | {its / mine:.1f} | {spread} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publish", action="store_true", help="write the table into docs/sklearn.md")
    publish = parser.parse_args().publish
    warnings.simplefilter("ignore")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with threadpool_limits(1):
        measure(publish)


def measure(publish: bool) -> None:
    lines = [
        "| data | rows × features | epochs | fit, s | scikit-learn's | times | score of 5 folds | scikit-learn's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        print(line)
    for case in CASES:
        lines.append(row(*case))
        print(lines[-1], flush=True)
    if publish:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        if not rest:
            sys.exit(f"{PAGE} has no {BEGIN}")
        table = "\n".join([BEGIN, "", *lines, "", END])
        PAGE.write_text(before + table + after, encoding="utf-8")


if __name__ == "__main__":
    main()
