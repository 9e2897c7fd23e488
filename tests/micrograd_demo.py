"""micrograd's README and demo.ipynb as functions of the engine, which is a module that has `Value` and `MLP`."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import numpy as np

# What the notebook printed; the last digits of micrograd's later steps depend on the order of its sets.
PUBLISHED = {0: 0.8958441028683222, 1: 1.7235905336972022, 2: 0.7429006313851131, 99: 0.010978370135492717}


def readme(engine: ModuleType) -> tuple[Any, Any, Any]:
    """The README's example, differentiated: its a, b and g."""
    a, b = engine.Value(-4.0), engine.Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    return a, b, g


def moons() -> tuple[np.ndarray, np.ndarray]:
    """The notebook's points and labels, the latter -1 or 1."""
    from pyautograd.datasets import make_moons

    np.random.seed(1337)
    X, y = make_moons(n_samples=100, noise=0.1)
    return X, y * 2 - 1


def train(engine: ModuleType, steps: int) -> tuple[list[tuple[float, float]], Any]:
    """The notebook's training of a 2-16-16-1 net with a hinge loss: (loss, accuracy) of each step, and the model."""
    X, y = moons()
    random.seed(1337)
    model = engine.MLP(2, [16, 16, 1])
    history = []
    for k in range(steps):
        inputs = [list(map(engine.Value, xrow)) for xrow in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum(p * p for p in model.parameters())
        total_loss = data_loss + reg_loss
        accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(y, scores)]

        model.zero_grad()
        total_loss.backward()
        learning_rate = 1.0 - 0.9 * k / 100
        for p in model.parameters():
            p.data -= learning_rate * p.grad
        history.append((total_loss.data, sum(accuracy) / len(accuracy)))
    return history, model
