"""What workers run: a module, its optimiser and its compiled step, all made in the worker."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pyautograd as pa
from pyautograd import nn, optim

Bits = tuple[bytes, bytes]

_rng = np.random.default_rng(0)
X = _rng.normal(size=(200, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)


def train(seed: int, rate: float = 0.01, epochs: int = 4, callback: Callable[..., Any] | None = None) -> Bits:
    """The losses and the weights of a training with dropout and shuffling."""
    pa.manual_seed(seed)
    return train_on(seed, rate, epochs, callback)


def train_unseeded() -> Bits:
    return train_on(None, 0.01, 2, None)


def make(rate: float) -> tuple[nn.Module, optim.Optimizer, Any]:
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
    optimizer = optim.Adam(model.parameters(), lr=rate)

    @pa.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


def train_on(seed: int | None, rate: float, epochs: int, callback: Callable[..., Any] | None) -> Bits:
    model, _, step = make(rate)
    losses = step.run(X, Y, batch_size=32, epochs=epochs, seed=seed, callback=callback)
    return losses.tobytes(), weights(model)


def train_on_a_worker_that_dies(seed: int, folder: Path) -> Bits:
    """It is killed at the third of six epochs, once; whoever makes its work again goes on from the checkpoint."""
    pa.manual_seed(seed)
    model, optimizer, step = make(0.01)
    checkpoint = pa.callbacks.Checkpoint(folder / f"{seed}.npz", model=model, optimizer=optimizer, resume=True)
    mark = folder / f"{seed}.dead"

    def die(epoch: int, losses: Any) -> None:
        if epoch == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    losses = step.run(X, Y, batch_size=32, epochs=6, seed=seed, callback=[die, checkpoint])
    return losses.tobytes(), weights(model)


def weights(model: nn.Module) -> bytes:
    return b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())


def product(_: int = 0) -> bytes:
    """Of one that is large enough for more than one thread."""
    pa.manual_seed(0)
    return (pa.randn(450, 400) @ pa.randn(400, 450)).numpy().tobytes()


def threads(_: int = 0) -> int:
    """How many a product of the worker's takes."""
    return pa.get_num_threads()
