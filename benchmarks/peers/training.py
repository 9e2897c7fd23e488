"""A whole training on the handwritten digits: 20 epochs in shuffled batches of 32, and the accuracy on the test part.

64-128-64-10 with Adam, each library's own initial weights and shuffling, so that losses differ and only accuracies are
compared, over several seeds. The clock runs from the arrays to the trained model.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import pyautograd as pa
from peers import ours, rounds, theirs
from pyautograd import datasets, nn, optim
from pyautograd.bench._measure import now
from pyautograd.nn import functional as F

EPOCHS, BATCH, HIDDEN, LR = 20, 32, (128, 64), 1e-3
LOADER = "torch DataLoader"


class Training:
    """Trains once a step, each time with the next seed, and keeps the accuracies."""

    def __init__(self) -> None:
        X, y = datasets.load_digits()
        train, test = datasets.train_test_split(len(X), 0.2, seed=0)
        self.X, self.y, self.X_test, self.y_test = X[train], y[train], X[test], y[test]
        self.accuracies: dict[int, float] = {}
        self.seeds = 0

    def train(self, seed: int) -> Callable[[Any], Any]:
        """A trained model, as a function from rows to labels."""
        raise NotImplementedError

    def run(self, steps: int) -> dict[str, float]:
        total = 0.0
        for _ in range(steps):
            seed = self.seeds
            self.seeds += 1
            start = now()
            predict = self.train(seed)
            total += now() - start
            self.accuracies[seed] = float(np.mean(np.asarray(predict(self.X_test)) == self.y_test))
        return {"step": total}


class Ours(Training):
    """pyautograd: by one call of `run`, or eager with its DataLoader."""

    def __init__(self, compiled: bool) -> None:
        super().__init__()
        self.compiled = compiled

    def train(self, seed: int) -> Callable[[Any], Any]:
        pa.manual_seed(seed)
        model = nn.MLP(64, [*HIDDEN, 10])
        optimizer = optim.Adam(model.parameters(), lr=LR)
        X, y = pa.tensor(self.X), pa.tensor(self.y)

        def step(xb: pa.Tensor, yb: pa.Tensor) -> pa.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(xb), yb)
            loss.backward()
            optimizer.step()
            return loss

        if self.compiled:
            pa.compile(step).run(X, y, batch_size=BATCH, epochs=EPOCHS, shuffle=True, seed=seed)
        else:
            data = pa.utils.data
            loader = data.DataLoader(data.TensorDataset(X, y), batch_size=BATCH, shuffle=True)
            for _ in range(EPOCHS):
                for xb, yb in loader:
                    step(xb, yb)

        def predict(rows: Any) -> Any:
            with pa.no_grad():
                return model(pa.tensor(rows)).argmax(dim=1).numpy()

        return predict


class Sklearn(Training):
    """scikit-learn's MLPClassifier.fit, no weight decay, no early stopping."""

    def train(self, seed: int) -> Callable[[Any], Any]:
        MLPClassifier: Any = importlib.import_module("sklearn.neural_network").MLPClassifier
        options = {"alpha": 0.0, "batch_size": BATCH, "max_iter": EPOCHS, "n_iter_no_change": EPOCHS, "tol": 0.0}
        model = MLPClassifier(HIDDEN, learning_rate_init=LR, random_state=seed, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it could go on
            model.fit(self.X, self.y)
        return model.predict  # type: ignore[no-any-return]


class Torch(Training):
    """PyTorch, eager, the fused Adam, batches from a DataLoader."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.torch: Any = importlib.import_module("torch")
        self.torch.set_num_threads(threads)

    def train(self, seed: int) -> Callable[[Any], Any]:
        torch = self.torch
        torch.manual_seed(seed)
        linear, relu = torch.nn.Linear, torch.nn.ReLU
        model = torch.nn.Sequential(linear(64, HIDDEN[0]), relu(), linear(*HIDDEN), relu(), linear(HIDDEN[1], 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
        dataset = torch.utils.data.TensorDataset(torch.from_numpy(self.X), torch.from_numpy(self.y))
        loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
        with theirs.flushed_denormals():
            for _ in range(EPOCHS):
                for xb, yb in loader:
                    optimizer.zero_grad()
                    torch.nn.functional.cross_entropy(model(xb), yb).backward()
                    optimizer.step()

        def predict(rows: Any) -> Any:
            with torch.no_grad():
                return model(torch.from_numpy(rows)).argmax(dim=1).numpy()

        return predict


def measure(options: Any, progress: rounds.Progress) -> rounds.Case:
    """The case: one repetition is one training, or several of the fast ones."""
    trainings: dict[str, Training] = {ours.RUN: Ours(compiled=True)} if ours.compiles() else {}
    trainings[ours.EAGER] = Ours(compiled=False)
    case = rounds.Case("training", f"64-{HIDDEN[0]}-{HIDDEN[1]}-10, digits, {EPOCHS} epochs", tuple(trainings))
    if "sklearn" in options.peers:
        trainings[theirs.SKLEARN] = Sklearn()
    if "torch" in options.peers:
        trainings[LOADER] = Torch(options.threads)
    rounds.time(case, trainings, replace(options.effort, longest=2 * options.effort.longest), progress)
    case.facts["accuracy"] = {}
    for name, training in trainings.items():
        values = list(training.accuracies.values())
        case.facts["accuracy"][name] = [float(np.mean(values)), float(np.std(values)), len(values)]
    return case
