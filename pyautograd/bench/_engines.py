"""Who takes part: pyautograd, its pure-Python reference, and those of its peers that are installed.

Scalar engines share micrograd's API and run one and the same program. Tensor engines each train the network of a
`Problem` in their own words, and in their fastest: NumPy with all parameters in one vector, PyTorch with the quickest
of its Adams, JAX with the whole step under `jit`.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pyautograd
from pyautograd import nn, reference, scalar
from pyautograd.bench._measure import now

OURS, OURS_SCALAR, REFERENCE = "pyautograd", "pyautograd scalar", "reference"
PEERS = {"micrograd": "micrograd", "numpy": "numpy", "torch": "torch", "jax": "jax", "sklearn": "scikit-learn"}
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def installed_peers() -> dict[str, str]:
    """The peers that can be imported, with their versions; none is imported for it."""
    return {
        name: metadata.version(distribution)
        for name, distribution in PEERS.items()
        if importlib.util.find_spec(name) is not None
    }


@dataclass(frozen=True)
class ScalarEngine:
    """An engine with micrograd's API. Garbage of a cyclic one waits for the collector."""

    name: str
    Value: Any
    MLP: Any
    cyclic: bool = False


def scalar_engines(peers: dict[str, str]) -> list[ScalarEngine]:
    """pyautograd, the reference, and micrograd where `peers` has it."""
    engines = [ScalarEngine(OURS, scalar.Value, scalar.MLP), ScalarEngine(REFERENCE, reference.Value, reference.MLP)]
    if "micrograd" in peers:
        value, nn = importlib.import_module("micrograd.engine"), importlib.import_module("micrograd.nn")
        engines.append(ScalarEngine("micrograd", value.Value, nn.MLP, cyclic=True))
    return engines


@dataclass(frozen=True)
class Problem:
    """A network of ReLU layers to train with Adam: its sizes, its data in batches, and the weights it starts from.

    With one output the loss is the binary cross entropy of logits, targets float32 (batch, 1); with more it is the
    cross entropy, targets int64 (batch,). Weights are PyTorch's: (out, in) and (out,), uniform within 1 / sqrt(in).
    """

    sizes: tuple[int, ...]
    batches: list[tuple[NDArray[np.float32], NDArray[Any]]]
    lr: float = 0.01
    seed: int = 0

    @property
    def binary(self) -> bool:
        return self.sizes[-1] == 1

    @property
    def batch_size(self) -> int:
        return len(self.batches[0][0])

    @cached_property
    def weights(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        random = np.random.RandomState(self.seed)
        layers = []
        for n_in, n_out in zip(self.sizes, self.sizes[1:], strict=False):
            bound = 1 / math.sqrt(n_in)
            weight = random.uniform(-bound, bound, (n_out, n_in)).astype(np.float32)
            layers.append((weight, random.uniform(-bound, bound, n_out).astype(np.float32)))
        return layers

    def cycle(self, batches: list[Any]) -> Iterator[Any]:
        while True:
            yield from batches


class Trainer:
    """A training loop: subclasses say how to start afresh and what the phases of a step are."""

    problem: Problem
    batches: list[Any]

    def reset(self) -> None:
        raise NotImplementedError

    def forward(self, batch: Any) -> Any:
        raise NotImplementedError

    def backward(self, loss: Any) -> None:
        raise NotImplementedError

    def update(self) -> None:
        raise NotImplementedError

    def number(self, loss: Any) -> float:
        return float(loss)

    def losses(self, steps: int) -> list[float]:
        self.reset()
        numbers = []
        for batch, _ in zip(self.problem.cycle(self.batches), range(steps), strict=False):
            loss = self.forward(batch)
            numbers.append(self.number(loss))
            self.backward(loss)
            self.update()
        return numbers

    def run(self, steps: int) -> dict[str, float]:
        self.reset()
        forward = backward = update = 0.0
        for batch, _ in zip(self.problem.cycle(self.batches), range(steps), strict=False):
            start = now()
            loss = self.forward(batch)
            forwarded = now()
            self.backward(loss)
            swept = now()
            self.update()
            del loss  # whoever keeps a graph alive pays for letting go of it
            end = now()
            forward += forwarded - start
            backward += swept - forwarded
            update += end - swept
        return {"forward": forward, "backward": backward, "update": update, "step": forward + backward + update}


class EagerTrainer(Trainer):
    """A library with PyTorch's names, eager."""

    form: Mapping[str, bool] = {}  # which Adam

    def __init__(self, problem: Problem, library: Any, model: Any, tensor: Callable[[NDArray[Any]], Any]) -> None:
        self.problem, self.library, self.model, self.tensor = problem, library, model, tensor
        functional = library.nn.functional
        self.loss = functional.binary_cross_entropy_with_logits if problem.binary else functional.cross_entropy
        self.batches = [(tensor(x), tensor(y)) for x, y in problem.batches]

    def load(self) -> None:
        """Writes the weights that the problem starts from into the model."""
        with self.library.no_grad():
            flat = [array for layer in self.problem.weights for array in layer]
            for parameter, array in zip(self.model.parameters(), flat, strict=True):
                parameter.copy_(self.tensor(array))

    def reset(self) -> None:
        self.load()
        self.optimizer = self.library.optim.Adam(self.model.parameters(), lr=self.problem.lr, **self.form)

    def forward(self, batch: Any) -> Any:
        x, y = batch
        return self.loss(self.model(x), y)

    def backward(self, loss: Any) -> None:
        self.optimizer.zero_grad()
        loss.backward()

    def update(self) -> None:
        self.optimizer.step()

    def number(self, loss: Any) -> float:
        return float(loss.item())


class OursTrainer(EagerTrainer):
    """pyautograd's Tensors."""

    def __init__(self, problem: Problem) -> None:
        model = nn.MLP(problem.sizes[0], list(problem.sizes[1:]))
        super().__init__(problem, pyautograd, model, pyautograd.tensor)


class TorchTrainer(EagerTrainer):
    """PyTorch on one thread, with the fastest of its implementations of Adam."""

    FORMS: tuple[Mapping[str, bool], ...] = ({"fused": True}, {"foreach": True}, {"foreach": False})

    def __init__(self, problem: Problem) -> None:
        torch: Any = importlib.import_module("torch")
        torch.set_num_threads(1)
        layers: list[Any] = []
        for n_in, n_out in zip(problem.sizes, problem.sizes[1:], strict=False):
            layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
        super().__init__(problem, torch, torch.nn.Sequential(*layers[:-1]), torch.from_numpy)
        self.form = min(self.FORMS, key=self._seconds_of)

    def _seconds_of(self, form: Mapping[str, bool]) -> float:
        self.form = form
        self.run(20)
        return min(self.run(20)["step"] for _ in range(3))


class NumpyTrainer(Trainer):
    """NumPy with the gradients written by hand; parameters, gradients and moments are one vector each."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.batches = problem, problem.batches
        count = sum(w.size + b.size for w, b in problem.weights)
        self.flat, self.grad = np.empty(count, np.float32), np.empty(count, np.float32)
        self.layers: list[SimpleNamespace] = []
        offset = 0
        for weight, bias in problem.weights:
            n_out, n_in = weight.shape
            cut, end = offset + weight.size, offset + weight.size + bias.size
            views = SimpleNamespace(
                w=self.flat[offset:cut].reshape(n_in, n_out),  # (in, out): the layout NumPy multiplies fastest
                dw=self.grad[offset:cut].reshape(n_in, n_out),
                b=self.flat[cut:end],
                db=self.grad[cut:end],
            )
            self.layers.append(views)
            offset = end

    def reset(self) -> None:
        for layer, (weight, bias) in zip(self.layers, self.problem.weights, strict=True):
            layer.w[:], layer.b[:] = weight.T, bias
        self.m, self.v = np.zeros_like(self.flat), np.zeros_like(self.flat)
        self.step = 0

    def forward(self, batch: Any) -> Any:
        x, y = batch
        self.inputs = [x]
        for layer in self.layers[:-1]:
            x = x @ layer.w
            x += layer.b
            np.maximum(x, 0, out=x)
            self.inputs.append(x)
        logits = x @ self.layers[-1].w
        logits += self.layers[-1].b
        if self.problem.binary:
            small = np.exp(-np.abs(logits))
            self.delta = (np.where(logits >= 0, 1, small) / (1 + small) - y) / np.float32(len(y))
            return (np.maximum(logits, 0) - logits * y + np.log1p(small)).mean()
        logits -= logits.max(axis=1, keepdims=True)
        share = np.exp(logits)
        total = share.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = (np.log(total[:, 0]) - logits[rows, y]).mean()
        share /= total
        share[rows, y] -= 1
        share /= np.float32(len(y))
        self.delta = share
        return loss

    def backward(self, loss: Any) -> None:
        delta = self.delta
        for k in range(len(self.layers) - 1, -1, -1):
            layer, x = self.layers[k], self.inputs[k]
            np.matmul(x.T, delta, out=layer.dw)
            delta.sum(axis=0, out=layer.db)
            if k:
                delta = delta @ layer.w.T
                delta *= x > 0

    def update(self) -> None:
        self.step += 1
        self.m *= BETA1
        self.m += (1 - BETA1) * self.grad
        self.v *= BETA2
        np.multiply(self.grad, self.grad, out=self.grad)
        self.grad *= 1 - BETA2
        self.v += self.grad
        change = np.sqrt(self.v)
        change *= 1 / math.sqrt(1 - BETA2**self.step)
        change += EPS
        np.divide(self.m, change, out=change)
        change *= self.problem.lr / (1 - BETA1**self.step)
        self.flat -= change


class JaxTrainer:
    """JAX: loss, gradients and Adam in one jitted function whose arguments are donated. Only whole steps are timed."""

    def __init__(self, problem: Problem) -> None:
        jax: Any = importlib.import_module("jax")
        jnp: Any = importlib.import_module("jax.numpy")
        jax.config.update("jax_platforms", "cpu")
        self.problem, self.jax, self.jnp = problem, jax, jnp
        self.batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in problem.batches]

        def loss_of(layers: Any, x: Any, y: Any) -> Any:
            for w, b in layers[:-1]:
                x = jax.nn.relu(x @ w + b)
            w, b = layers[-1]
            logits = x @ w + b
            if problem.binary:
                return jnp.mean(jax.nn.softplus(logits) - logits * y)
            logp = jax.nn.log_softmax(logits)
            return -jnp.mean(jnp.take_along_axis(logp, y[:, None], axis=1))

        def step(state: Any, x: Any, y: Any) -> Any:
            layers, m, v, count = state
            loss, grads = jax.value_and_grad(loss_of)(layers, x, y)
            count = count + 1
            m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
            v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, grads)
            scale, root = problem.lr / (1 - BETA1**count), jnp.sqrt(1 - BETA2**count)
            layers = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) / root + EPS), layers, m, v)
            return (layers, m, v, count), loss

        self.loss_of = loss_of
        self.step = jax.jit(step, donate_argnums=0)

    def start(self) -> Any:
        jnp, tree = self.jnp, self.jax.tree
        layers = [(jnp.asarray(w.T.copy()), jnp.asarray(b.copy())) for w, b in self.problem.weights]
        m, v = tree.map(jnp.zeros_like, layers), tree.map(jnp.zeros_like, layers)
        return layers, m, v, jnp.float32(0)

    def losses(self, steps: int) -> list[float]:
        state, numbers = self.start(), []
        for (x, y), _ in zip(self.problem.cycle(self.batches), range(steps), strict=False):
            state, loss = self.step(state, x, y)
            numbers.append(float(loss))
        return numbers

    def run(self, steps: int) -> dict[str, float]:
        state = self.jax.block_until_ready(self.start())
        loss = None
        start = now()
        for (x, y), _ in zip(self.problem.cycle(self.batches), range(steps), strict=False):
            state, loss = self.step(state, x, y)
        self.jax.block_until_ready((state, loss))
        return {"step": now() - start}


class SklearnTrainer:
    """scikit-learn's MLPClassifier, fed a batch at a time through `partial_fit`. Only whole steps are timed."""

    def __init__(self, problem: Problem) -> None:
        MLPClassifier: Any = importlib.import_module("sklearn.neural_network").MLPClassifier
        weights = problem.weights

        class Classifier(MLPClassifier):  # type: ignore[misc]
            def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> Any:
                layer = next(w for w in self.unset if w[0].shape == (fan_out, fan_in))
                self.unset.remove(layer)
                return layer[0].T.astype(dtype), layer[1].astype(dtype)

        self.problem, self.Classifier = problem, Classifier
        self.weights = weights
        self.classes = [0, 1] if problem.binary else list(range(problem.sizes[-1]))
        self.batches = [(x, y.ravel().astype(np.int64)) for x, y in problem.batches]

    def start(self) -> Any:
        model = self.Classifier(
            self.problem.sizes[1:-1],
            alpha=0.0,
            batch_size=self.problem.batch_size,
            learning_rate_init=self.problem.lr,
            shuffle=False,
        )
        model.unset = list(self.weights)
        return model

    def losses(self, steps: int) -> list[float]:
        model, numbers = self.start(), []
        for (x, y), _ in zip(self.problem.cycle(self.batches), range(steps), strict=False):
            model.partial_fit(x, y, classes=self.classes)
            numbers.append(float(model.loss_))
        return numbers

    def run(self, steps: int) -> dict[str, float]:
        model = self.start()
        batches = self.problem.cycle(self.batches)
        model.partial_fit(*next(batches), classes=self.classes)  # makes the parameters
        start = now()
        for (x, y), _ in zip(batches, range(steps), strict=False):
            model.partial_fit(x, y)
        return {"step": now() - start}


class ValueTrainer(Trainer):
    """The same network as a program over Values, sample by sample, so that no more than one sample's graph is alive.

    The gradients of the samples add up in the parameters; Adam is a loop over them.
    """

    def __init__(self, problem: Problem, engine: ScalarEngine) -> None:
        self.problem, self.engine = problem, engine
        self.model = engine.MLP(problem.sizes[0], list(problem.sizes[1:]))
        self.batches = [(x.tolist(), y.ravel().tolist()) for x, y in problem.batches]
        self.parameters = self.model.parameters()

    def reset(self) -> None:
        for layer, (weight, bias) in zip(self.model.layers, self.problem.weights, strict=True):
            for neuron, row, b in zip(layer.neurons, weight.tolist(), bias.tolist(), strict=True):
                neuron.b.data = b
                for w, number in zip(neuron.w, row, strict=True):
                    w.data = number
        self.m, self.v = [0.0] * len(self.parameters), [0.0] * len(self.parameters)
        self.step = 0

    def sample_loss(self, x: list[float], y: Any) -> Any:
        scores = self.model(x)
        if self.problem.binary:
            return scores.softplus() - scores * y
        top = max(score.data for score in scores)
        return sum([(score - top).exp() for score in scores]).log() + top - scores[y]

    def losses(self, steps: int) -> list[float]:
        self.reset()
        numbers = []
        for batch, _ in zip(self.problem.cycle(self.batches), range(steps), strict=False):
            total, _ = self._sweep(batch)
            numbers.append(total)
            self.update()
        return numbers

    def run(self, steps: int) -> dict[str, float]:
        self.reset()
        forward = backward = update = 0.0
        for batch, _ in zip(self.problem.cycle(self.batches), range(steps), strict=False):
            start = now()
            _, forwarded = self._sweep(batch)
            swept = now()
            self.update()
            forward += forwarded
            backward += swept - start - forwarded
            update += now() - swept
        return {"forward": forward, "backward": backward, "update": update, "step": forward + backward + update}

    def _sweep(self, batch: Any) -> tuple[float, float]:
        """Zeroes the gradients, then forward and backward of each sample: the loss, and the seconds of forward."""
        total = forward = 0.0
        self.model.zero_grad()
        scale = 1 / len(batch[0])
        for x, y in zip(*batch, strict=True):
            start = now()
            loss = self.sample_loss(x, y) * scale
            forward += now() - start
            total += loss.data
            loss.backward()
        return total, forward

    def update(self) -> None:
        self.step += 1
        size, root = self.problem.lr / (1 - BETA1**self.step), math.sqrt(1 - BETA2**self.step)
        for k, p in enumerate(self.parameters):
            g = p.grad
            m = self.m[k] = BETA1 * self.m[k] + (1 - BETA1) * g
            v = self.v[k] = BETA2 * self.v[k] + (1 - BETA2) * g * g
            p.data -= size * m / (math.sqrt(v) / root + EPS)


def tensor_trainers(problem: Problem, peers: dict[str, str], values: bool = True) -> dict[str, Any]:
    """A trainer for each engine that can train the problem; `values` adds those over scalars."""
    trainers: dict[str, Any] = {OURS: OursTrainer(problem)}
    if values:
        ours, reference = scalar_engines({})
        trainers[OURS_SCALAR] = ValueTrainer(problem, ours)
        trainers[REFERENCE] = ValueTrainer(problem, reference)
    makers = {"numpy": NumpyTrainer, "torch": TorchTrainer, "jax": JaxTrainer, "sklearn": SklearnTrainer}
    for name, maker in makers.items():
        if name in peers:
            trainers[name] = maker(problem)
    return trainers


def core_bytes() -> int:
    """Bytes that pyautograd's C core holds right now."""
    return int(pyautograd.memory_stats().live_bytes)
