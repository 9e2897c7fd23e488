"""Test accuracy on the handwritten digits beside scikit-learn's MLPClassifier: same shape, same split, same optimiser.

    python benchmarks/accuracy_digits.py [--seeds 10] [--epochs 60]

64-128-64-10, ReLU, Adam with lr 0.001, batches of 32, no weight decay on either side; the seeds draw weights and
batches. Prints both accuracies a seed and the means; the exit status is 1 if the means are more than a point apart.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

import numpy as np

from pyautograd import datasets, demo
from pyautograd.bench import _report


def theirs(epochs: int, seed: int) -> float:
    """scikit-learn's accuracy on the test part."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    X, y = datasets.load_digits()
    train, test = datasets.train_test_split(len(X), 0.2, seed=0)
    model = MLPClassifier(
        (128, 64), alpha=0.0, batch_size=32, max_iter=epochs, random_state=seed, n_iter_no_change=epochs, tol=0.0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X[train], y[train])
    return float(np.mean(model.predict(X[test]) == y[test]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    print(_report.command())
    print(f"{'seed':>6}{'pyautograd':>14}{'scikit-learn':>16}")
    accuracies, seconds = [], np.zeros(2)
    for seed in range(options.seeds):
        start = time.perf_counter()
        ours = demo.train_digits(options.epochs, seed, bar=False).accuracy
        middle = time.perf_counter()
        accuracies.append((ours, theirs(options.epochs, seed)))
        seconds += middle - start, time.perf_counter() - middle
        print(f"{seed:>6}{ours:>14.2%}{accuracies[-1][1]:>16.2%}", flush=True)
    ours, sklearn = np.mean(accuracies, axis=0)
    print(f"{'mean':>6}{ours:>14.2%}{sklearn:>16.2%}")
    print(f"{'spread':>6}{np.std(accuracies, axis=0)[0]:>14.2%}{np.std(accuracies, axis=0)[1]:>16.2%}")
    print(f"  time{seconds[0]:>12.1f} s{seconds[1]:>14.1f} s    {seconds[1] / seconds[0]:.1f} times faster")
    return 0 if abs(ours - sklearn) <= 0.01 else 1


if __name__ == "__main__":
    sys.exit(main())
