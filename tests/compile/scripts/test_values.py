"""Scripts over Values, one number each."""

import math
import random
from typing import Any

import numpy as np

from pyautograd import Value, scalar

from .script import check


def points(generator: np.random.Generator) -> Any:
    return generator.normal(size=(10, 2))


def signs(generator: np.random.Generator) -> Any:
    return [int(sign) for sign in (1, -1) * 5]


def test_micrograd_s_own_loop() -> None:
    def script() -> Any:
        model = scalar.MLP(2, [6, 6, 1])

        def step(X: Any, y: list[int], learning_rate: float = 0.1) -> Any:
            inputs = [list(map(Value, xrow)) for xrow in X]
            scores = list(map(model, inputs))
            losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores)]
            data_loss = sum(losses) * (1.0 / len(losses))
            alpha = 1e-4
            reg_loss = alpha * sum(p * p for p in model.parameters())
            total_loss = data_loss + reg_loss
            model.zero_grad()
            total_loss.backward()
            for p in model.parameters():
                p.data -= learning_rate * p.grad
            return total_loss

        return step, model

    check(script, points, signs)


class Neuron:
    def __init__(self, nin: int) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(random.uniform(-1, 1))

    def __call__(self, x: Any) -> Value:
        return sum((wi * xi for wi, xi in zip(self.w, x)), self.b).tanh()

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]


class Layer:
    def __init__(self, nin: int, nout: int) -> None:
        self.neurons = [Neuron(nin) for _ in range(nout)]

    def __call__(self, x: Any) -> list[Value]:
        return [n(x) for n in self.neurons]

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]


def test_an_mlp_of_values() -> None:
    class MLP:
        def __init__(self) -> None:
            self.layers = [Layer(3, 4), Layer(4, 1)]

        def parameters(self) -> list[Value]:
            return [p for layer in self.layers for p in layer.parameters()]

    def script() -> Any:
        net = MLP()

        def step(xs: Any, ys: Any) -> Value:
            loss = Value(0.0)
            for x, y in zip(xs, ys):
                for layer in net.layers:
                    x = layer(x)
                loss = loss + (x[0] - y) ** 2
            for p in net.parameters():
                p.grad = 0.0
            loss.backward()
            for p in net.parameters():
                p.data += -0.05 * p.grad
            return loss

        return step, net

    def inputs(generator: np.random.Generator) -> Any:
        return generator.normal(size=(4, 3)).tolist()

    def targets(generator: np.random.Generator) -> Any:
        return generator.normal(size=4).tolist()

    check(script, inputs, targets)


def test_a_hopfield_net_of_values() -> None:
    def script() -> Any:
        n = 5
        W = [[Value(0.1 * math.cos(i + j)) for j in range(n)] for i in range(n)]

        def step(pattern: list[float]) -> Value:
            s = [Value(v) for v in pattern]
            energy = sum((-0.5 * W[i][j] * s[i] * s[j] for i in range(n) for j in range(n) if i != j), Value(0.0))
            energy.backward()
            for row in W:
                for w in row:
                    w.data -= 0.01 * w.grad
                    w.grad = 0.0
            return energy

        return step, W

    check(script, lambda generator: generator.choice([-1.0, 1.0], size=5).tolist())
