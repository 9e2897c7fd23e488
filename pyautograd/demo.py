"""`python -m pyautograd demo`: three trainings, and pictures of them.

1. micrograd's moons demo, on the pure-Python reference and on the C engine: the same losses, and how much faster.
2. A `nn.MLP` on 1,797 handwritten digits, as a loop and compiled: how many of those it never saw it reads right.
3. A net that has the equation of a pendulum in its loss, with its own second derivative: how far off its swing is.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import pyautograd as pa
from pyautograd import datasets, nn, optim, plot, reference, scalar
from pyautograd.autograd import grad
from pyautograd.nn import functional as F
from pyautograd.utils.data import DataLoader, TensorDataset

__all__ = ["Digits", "Moons", "Pendulum", "main", "progress", "train_digits", "train_moons", "train_pendulum"]


def __dir__() -> list[str]:
    return __all__


T = TypeVar("T")

STEPS = 100
EPOCHS = 40
MOMENTS = (0, 10, 50, 99)  # steps of the moons at which the boundary is drawn


@dataclass
class Moons:
    """micrograd's demo as far as it was run on one engine."""

    model: Any
    losses: list[float]
    seconds: list[float]  # of each step
    accuracies: list[float]  # before each step
    moments: dict[int, list[float]]  # step → the parameters before it


@dataclass
class Digits:
    """The training of the digits."""

    model: Any
    losses: list[float]
    seconds: float
    n_train: int
    n_test: int
    accuracy: float


@dataclass
class Pendulum:
    """The swing that a net has found, beside the exact one."""

    losses: list[float]
    seconds: float
    times: NDArray[np.float64]
    found: NDArray[np.float64]
    exact: NDArray[np.float64]


def _moons_points() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The 100 points of micrograd's demo, labelled -1 and 1."""
    X, y = datasets.make_moons(n_samples=100, noise=0.1, random_state=1337)
    return X, y * 2 - 1


def train_moons(engine: Any, steps: int, bar: bool = True) -> Moons:
    """micrograd's demo.ipynb over the Values of `engine`, `pyautograd.scalar` or `pyautograd.reference`."""
    Value, MLP = engine.Value, engine.MLP
    X, y = _moons_points()
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    run = Moons(model, [], [], [], {})
    for k in progress(range(steps), engine.__name__.rpartition(".")[2], bar):
        start = time.perf_counter()
        inputs = [list(map(Value, row)) for row in X]
        scores = list(map(model, inputs))
        margins = [(1 + -yi * score).relu() for yi, score in zip(y, scores, strict=True)]
        loss: Any = sum(margins) * (1.0 / len(margins)) + 1e-4 * sum(p * p for p in model.parameters())
        if k in MOMENTS:
            run.moments[k] = [p.data for p in model.parameters()]
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * k / 100) * p.grad
        run.seconds.append(time.perf_counter() - start)
        run.losses.append(loss.data)
        run.accuracies.append(float(np.mean([(yi > 0) == (s.data > 0) for yi, s in zip(y, scores, strict=True)])))
    return run


def train_digits(epochs: int = EPOCHS, seed: int = 0, bar: bool = True, compiled: bool = False) -> Digits:
    """A 64-128-64-10 MLP on four fifths of the digits with Adam, tested on the rest; compiled, all epochs in one call
    of C."""
    X, y = datasets.load_digits()
    train, test = datasets.train_test_split(len(X), 0.2, seed=0)
    pa.manual_seed(seed)
    model = nn.MLP(64, [128, 64, 10])
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step(xb: pa.Tensor, yb: pa.Tensor) -> pa.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
        return loss

    loader = DataLoader(TensorDataset(pa.tensor(X[train]), pa.tensor(y[train])), batch_size=32, shuffle=True)
    run = pa.compile(step).run
    start = time.perf_counter()
    if compiled:
        losses = run(loader, epochs=epochs).tolist()
    else:
        losses = [step(xb, yb).item() for _ in progress(range(epochs), "epochs", bar) for xb, yb in loader]
    seconds = time.perf_counter() - start
    with pa.no_grad():
        predicted = model(pa.tensor(X[test])).argmax(dim=1).numpy()
    return Digits(model, losses, seconds, len(train), len(test), float(np.mean(predicted == y[test])))


def train_pendulum(epochs: int = 400, seed: int = 0) -> Pendulum:
    """A net that solves u'' + u'/2 + 4 u = 0 from a start at rest, u(0) = 1, by that equation alone."""
    pa.manual_seed(seed)
    net = nn.MLP(1, [24, 24, 1], activation="tanh")
    optimizer = optim.Adam(net.parameters(), lr=0.01)

    def swing(t: pa.Tensor) -> pa.Tensor:
        return 1 + t**2 * net(t)

    @pa.compile
    def step(t: pa.Tensor) -> pa.Tensor:
        t = t.clone().requires_grad_()
        u = swing(t)
        speed: Any = grad(u.sum(), t, create_graph=True)[0]
        acceleration: Any = grad(speed.sum(), t, create_graph=True)[0]
        loss: pa.Tensor = (acceleration + speed / 2 + 4 * u).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    start = time.perf_counter()
    losses = step.run(2 * pa.rand(640, 1), batch_size=64, epochs=epochs, seed=seed).tolist()
    seconds = time.perf_counter() - start
    times, turn = np.linspace(0, 2, 50), np.sqrt(4 - 1 / 16)
    exact = np.exp(-times / 4) * (np.cos(turn * times) + np.sin(turn * times) / (4 * turn))
    with pa.no_grad():
        found = swing(pa.tensor(times[:, None], dtype=pa.float32)).numpy()[:, 0]
    return Pendulum(losses, seconds, times, found, exact)


def _draw(folder: Path, moons: Moons, digits: Digits, pendulum: Pendulum) -> list[str]:
    """Writes the pictures into the folder and returns their names. Raises ImportError without matplotlib."""
    names = []

    def save(figure: Any, name: str) -> None:
        figure.savefig(folder / name, dpi=150)
        names.append(name)

    figure, (left, middle, right) = plot.new_figure(12, 3.4, columns=3)
    plot.loss_curve(moons.losses, ax=left, log=True, title="moons, net of Values: loss")
    left.annotate(
        "the first step, at a rate of 1,\nwas too long: the loss doubled",
        (1, moons.losses[1]),
        (25, moons.losses[1]),
        fontsize=8,
        color=plot.INK,
        va="center",
        arrowprops={"arrowstyle": "->", "color": plot.GREY},
    )
    plot.loss_curve(np.multiply(moons.accuracies, 100), ax=middle, title="moons: points that are right")
    middle.set_ylabel("%")
    plot.loss_curve(digits.losses, ax=right, smooth=45, log=True, title="digits, MLP on Tensors: loss")
    save(figure, "losses.png")

    figure, axes = plot.new_figure(9, 5.2, rows=2, columns=2)
    for ax, (k, numbers) in zip(axes.ravel(), moons.moments.items(), strict=True):
        for p, number in zip(moons.model.parameters(), numbers, strict=True):
            p.data = number
        title = f"step {k}: {moons.accuracies[k]:.0%} right"
        plot.decision_boundary(moons.model, *_moons_points(), ax=ax, resolution=60, title=title)
    save(figure, "moons.png")

    figure, ax = plot.new_figure(8, 3.6)
    weight = digits.model.layers[0].weight
    title = "what the 32 strongest of the 128 units of the first layer look for"
    plot.weight_templates(weight, ax=ax, columns=8, strongest=32, colour_bar=True, title=title)
    save(figure, "first-layer.png")

    figure, ax = plot.new_figure(6, 3)
    ax.plot(pendulum.times, pendulum.exact, color=plot.COLOURS[0], linewidth=1, label="exact")
    ax.plot(pendulum.times, pendulum.found, ".", color=plot.COLOURS[1], markersize=4, label="net")
    ax.set(xlabel="t", ylabel="u", title="u'' + u'/2 + 4 u = 0, solved by a net that knows nothing else")
    ax.legend(frameon=False)
    save(figure, "pendulum.png")

    neuron = scalar.trace(_one_neuron(moons.model))
    for name in ("neuron.svg", "neuron.html"):
        neuron.save(folder / name, title="one neuron of the moons net")
        names.append(name)
    return names


def _one_neuron(model: Any) -> Any:
    """The labelled output of the first neuron of a scalar net, at a point where it fires, after `backward()`."""
    neuron = model.layers[0].neurons[0]
    model.zero_grad()
    for k, w in enumerate(neuron.w):
        w.label = f"w{k + 1}"
    neuron.b.label = "b"
    for point in _moons_points()[0].tolist():
        out = neuron([scalar.Value(number, label=f"x{k + 1}") for k, number in enumerate(point)])
        if out.data > 0:
            break
    out.label = "out"
    out.backward()
    return out


def progress(items: Iterable[T], label: str, shown: bool = True) -> Iterator[T]:
    """The items, and on a terminal a bar that goes away at the end: tqdm's where it is installed."""
    todo = list(items)
    if not (shown and sys.stderr.isatty()):
        yield from todo
        return
    try:
        from tqdm import tqdm
    except ImportError:
        for k, item in enumerate(todo):
            done = 30 * (k + 1) // len(todo)
            sys.stderr.write(f"\r   {label} {'#' * done}{'.' * (30 - done)} {k + 1}/{len(todo)}")
            sys.stderr.flush()
            yield item
        sys.stderr.write("\r\x1b[K")
    else:
        yield from tqdm(todo, desc=f"   {label}", leave=False, ncols=72)


def main(argv: list[str] | None = None) -> int:
    """Runs the demo with the given arguments; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pyautograd demo",
        description="Trains on the moons, on handwritten digits and on an equation, and draws what came of it.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("pyautograd-demo"),
        metavar="DIR",
        help="where pictures go; default %(default)s",
    )
    parser.add_argument(
        "--reference-steps",
        type=int,
        default=5,
        metavar="N",
        help="steps of the pure-Python engine; default %(default)s",
    )
    parser.add_argument(
        "--epochs", type=int, default=EPOCHS, metavar="N", help="passes over the digits; default %(default)s"
    )
    options = parser.parse_args(argv)
    if not 1 <= options.reference_steps <= STEPS or options.epochs < 1:
        parser.error(f"--reference-steps is from 1 to {STEPS}, --epochs at least 1")
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"--out is a folder, and {options.out} a file")

    moons = _moons(options.reference_steps)
    digits = _digits(options.epochs)
    pendulum = _pendulum()
    _pictures(options.out, moons, digits, pendulum)
    return 0


def _moons(reference_steps: int) -> Moons:
    print("1  The moons of micrograd's demo: a 2-16-16-1 net of Values, 65,818 of them in each step's graph\n")
    slow = train_moons(reference, reference_steps)
    fast = train_moons(scalar, STEPS)
    print(f"   {'loss at step':>12}  {'pure Python':<20}  {'C':<20}")
    shown = [*range(len(slow.losses)), STEPS - 1] if len(slow.losses) < STEPS else [0, 1, 2, STEPS - 1]
    for k in shown:
        there = repr(slow.losses[k]) if k < len(slow.losses) else "..."
        print(f"   {k:>12}  {there:<20}  {fast.losses[k]!r:<20}")
    python, c = statistics.median(slow.seconds), statistics.median(fast.seconds)
    same = "the same to the last bit" if slow.losses == fast.losses[: len(slow.losses)] else "NOT the same"
    print(f"\n   The losses are {same}. Accuracy after {STEPS} steps: {fast.accuracies[-1]:.0%}.")
    print(
        f"   A step takes {python * 1e3:.0f} ms in pure Python, {c * 1e3:.2f} ms in C: {python / c:.0f} times faster.\n"
    )
    return fast


def _digits(epochs: int) -> Digits:
    print("2  1,797 handwritten digits, 8x8 pixels: a 64-128-64-10 nn.MLP on Tensors, Adam, batches of 32\n")
    run = train_digits(epochs)
    each = run.seconds / len(run.losses) * 1e6
    print(f"   Trained on {run.n_train:,} digits in {run.seconds:.2f} s: {epochs} epochs, {each:.0f} us a step.")
    print(f"   Test accuracy: {run.accuracy:.1%} of {run.n_test} digits it never saw.")
    fast = train_digits(epochs, compiled=True)
    each = fast.seconds / len(fast.losses) * 1e6
    same = "the same to the last bit" if fast.losses == run.losses else f"others; test accuracy {fast.accuracy:.1%}"
    print(f"   Compiled, with the compilation: {fast.seconds:.2f} s, {each:.0f} us a step; the losses are {same}.")
    print("   Data: E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998, CC BY 4.0.\n")
    return run


def _pendulum() -> Pendulum:
    print("3  A pendulum, u'' + u'/2 + 4 u = 0: a net with its own second derivative in the loss, compiled\n")
    run = train_pendulum()
    error = float(np.abs(run.found - run.exact).max())
    print(f"   {len(run.losses):,} steps in {run.seconds:.2f} s. Its swing is {error:.4f} off the exact one at most.\n")
    return run


def _pictures(folder: Path, moons: Moons, digits: Digits, pendulum: Pendulum) -> None:
    print(
        "4  Pictures: losses, the moons' decision boundary, weights of the digits, the pendulum, one neuron's graph\n"
    )
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print(f"   Left out: matplotlib is not installed. To have them: {plot.INSTALL_HINT}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    names = _draw(folder, moons, digits, pendulum)
    print(f"   Written to {folder}/: {', '.join(names)}")


if __name__ == "__main__":
    sys.exit(main())
