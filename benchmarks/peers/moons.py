"""A step of micrograd's demo.ipynb, 2-16-16-1 on a hundred points, in six ways that compute the same.

The notebook's `loss()` and its update stay as they are, letter for letter, for micrograd, `pyautograd.reference` and
pyautograd's Values; compiled, they are put under `@pyautograd.compile` with the points, the labels and the learning
rate as arguments. Over `(batch,)` Tensors each point's coordinate becomes a column, and the loops over points vanish.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np

import pyautograd as pa
from peers import ours, rounds, theirs
from pyautograd import reference, scalar
from pyautograd.bench import _cases, _engines
from pyautograd.bench._measure import now

COMPILED, COLUMNS, COLUMNS_EAGER = "Values compiled", "columns compiled", "columns eager"
EAGER, REFERENCE, MICROGRAD = "Values eager", "reference", "micrograd"
RATE = 0.5  # a learning rate: those of the notebook go from 1 to 0.1


def start(module: Any) -> Any:
    """The notebook's model, with its weights."""
    random.seed(1337)
    return module.MLP(2, [16, 16, 1])


class Notebook:
    """The loop of the notebook over any engine with its API, an operation a call."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.X: Any
        self.y: Any
        self.X, self.y = _cases.moons()

    def prepare(self) -> Any:
        """A function of the learning rate that does one step and returns the loss and the accuracy."""
        step = self.step_of(start(self.module))
        return lambda learning_rate: step(self.X, self.y, learning_rate)

    def step_of(self, model: Any) -> Any:
        Value = self.module.Value

        def loss(X: Any, y: Any) -> Any:
            inputs = [list(map(Value, xrow)) for xrow in X]
            scores = list(map(model, inputs))
            losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores)]
            data_loss: Any = sum(losses) * (1.0 / len(losses))
            alpha = 1e-4
            reg_loss: Any = alpha * sum(p * p for p in model.parameters())
            total_loss = data_loss + reg_loss
            accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(y, scores)]
            return total_loss, sum(accuracy) / len(accuracy)

        def step(X: Any, y: Any, learning_rate: float) -> Any:
            total_loss, acc = loss(X, y)
            model.zero_grad()
            total_loss.backward()
            for p in model.parameters():
                p.data -= learning_rate * p.grad
            return total_loss, acc

        return step

    def losses(self, steps: int) -> list[float]:
        step = self.prepare()
        return [float(step(1.0 - 0.9 * k / 100)[0].data) for k in range(steps)]

    def run(self, steps: int) -> dict[str, float]:
        step = self.prepare()
        for _ in range(self.warm):
            step(RATE)
        begin = now()
        for _ in range(steps):
            step(RATE)
        return {"step": now() - begin}

    warm = 0


class Compiled(Notebook):
    """The same under `@pyautograd.compile`; its calls are recorded once, what follows is a replay."""

    warm = ours.RECORDED + 1
    step: Any = None

    def __init__(self) -> None:
        super().__init__(scalar)

    def prepare(self) -> Any:
        compiled = pa.compile(self.step_of(start(self.module)))
        return lambda learning_rate: compiled(self.X, self.y, learning_rate)

    def run(self, steps: int) -> dict[str, float]:
        if self.step is None:  # one program for all repetitions: recording 65,000 Values takes its time
            self.step = self.prepare()
            for _ in range(self.warm):
                self.step(RATE)
        begin = now()
        for _ in range(steps):
            self.step(RATE)
        return {"step": now() - begin}


class Columns(Compiled):
    """The same net with a column of all points where there was a number: parameters are Values, activations Tensors."""

    def __init__(self, compiled: bool) -> None:
        super().__init__()
        self.compile = pa.compile if compiled else lambda step: step
        self.X, self.y = pa.tensor(self.X), pa.tensor(self.y, dtype=pa.float64)

    def prepare(self) -> Any:
        step = self.compile(self.step_of(start(self.module)))
        return lambda learning_rate: step(self.X, self.y, learning_rate)

    def step_of(self, model: Any) -> Any:
        def loss(X: Any, y: Any) -> Any:
            scores = model([X[:, 0], X[:, 1]])
            data_loss = (1 + -y * scores).relu().sum() * (1.0 / len(y))
            alpha = 1e-4
            reg_loss: Any = alpha * sum(p * p for p in model.parameters())
            total_loss = data_loss + reg_loss
            accuracy = (y > 0) == (scores > 0)
            return total_loss, accuracy.sum() / len(y)

        def step(X: Any, y: Any, learning_rate: float) -> Any:
            total_loss, acc = loss(X, y)
            model.zero_grad()
            total_loss.backward()
            for p in model.parameters():
                p.data -= learning_rate * p.grad
            return total_loss, acc

        return step

    def losses(self, steps: int) -> list[float]:
        step = self.prepare()
        return [float(step(1.0 - 0.9 * k / 100)[0].item()) for k in range(steps)]


class Numpy(Notebook):
    """The step by hand: matrices of float64, gradients written out, the parameters in one vector."""

    def __init__(self) -> None:
        super().__init__(reference)
        self.X, self.y = np.ascontiguousarray(self.X), self.y.astype(np.float64)[:, None]

    def prepare(self) -> Any:
        model = start(reference)
        shapes = [(len(layer.neurons[0].w), len(layer.neurons)) for layer in model.layers]
        flat = np.empty(sum(n_in * n_out + n_out for n_in, n_out in shapes))
        grad = np.empty_like(flat)
        layers, place = [], 0
        for (n_in, n_out), layer in zip(shapes, model.layers):
            cut, end = place + n_in * n_out, place + n_in * n_out + n_out
            w, b = flat[place:cut].reshape(n_in, n_out), flat[cut:end]
            w[:] = np.array([[v.data for v in neuron.w] for neuron in layer.neurons]).T
            b[:] = [neuron.b.data for neuron in layer.neurons]
            layers.append((w, b, grad[place:cut].reshape(n_in, n_out), grad[cut:end]))
            place = end
        X, y, alpha, last = self.X, self.y, 1e-4, len(layers) - 1

        def step(learning_rate: float) -> Any:
            activations = [X]
            for k, (w, b, _, _) in enumerate(layers):
                x = activations[-1] @ w
                x += b
                activations.append(np.maximum(x, 0, out=x) if k < last else x)
            scores = activations[-1]
            margins = 1 - y * scores
            total_loss = np.maximum(margins, 0).sum() * (1.0 / len(y)) + alpha * (flat @ flat)
            acc = np.mean((y > 0) == (scores > 0))
            delta = np.where(margins > 0, y, 0.0)
            delta *= -1.0 / len(y)
            for k in range(last, -1, -1):
                w, _, dw, db = layers[k]
                np.matmul(activations[k].T, delta, out=dw)
                delta.sum(axis=0, out=db)
                if k:
                    delta = delta @ w.T
                    delta *= activations[k] > 0
            np.multiply(grad, learning_rate, out=grad)
            np.subtract(flat, grad, out=grad)
            flat[:] = grad - (2 * alpha * learning_rate) * flat
            return _Number(total_loss), acc

        return step

    def run(self, steps: int) -> dict[str, float]:
        with theirs.flushed_denormals():
            return super().run(steps)


class _Number:
    """A loss with the name that the other engines give it."""

    def __init__(self, data: Any) -> None:
        self.data = data


def measure(options: Any, progress: rounds.Progress) -> rounds.Case:
    """The case: all steps that there are, on the same points from the same weights."""
    programs: dict[str, Any] = {}
    if ours.compiles():
        programs = {COMPILED: Compiled(), COLUMNS: Columns(compiled=True)}
    programs |= {EAGER: Notebook(scalar), COLUMNS_EAGER: Columns(compiled=False), "numpy": Numpy()}
    programs[REFERENCE] = Notebook(reference)
    if "micrograd" in options.peers:
        programs[MICROGRAD] = Notebook(_engines.scalar_engines({"micrograd": ""})[-1])
    bases = tuple(name for name in (COMPILED, COLUMNS, EAGER, COLUMNS_EAGER) if name in programs)
    case = rounds.Case("moons", "a step of micrograd's demo: 2-16-16-1, 100 points", bases)
    effort = replace(options.effort, longest=3 * options.effort.longest)
    return rounds.measure(case, programs, effort, progress, 20, 1e-9, {REFERENCE: 4, MICROGRAD: 2})
