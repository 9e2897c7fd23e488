"""All that a training is made of, made anew each time as a script would: for tests of what is saved and resumed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from trainings import training_step

import pyautograd
from pyautograd import Tensor, nn, optim
from pyautograd.callbacks import Checkpoint, History

EPOCHS = 7
Make = Callable[..., Any]


class World:
    """A net with batch norm and dropout, its optimiser, step, data and callbacks."""

    def __init__(
        self,
        path: Path,
        make_optimizer: Make = lambda params: optim.Adam(params, lr=0.02),
        more: Make = lambda world: [],
        dynamic_batch: bool = False,
        **options: Any,
    ) -> None:
        pyautograd.manual_seed(3)
        self.model = model = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 3)
        )
        self.optimizer = optimizer = make_optimizer(model.parameters())
        self.step = pyautograd.compile(training_step(model, optimizer), dynamic_batch=dynamic_batch)
        generator = np.random.default_rng(0)
        self.x = pyautograd.tensor(generator.normal(size=(90, 4)).astype(np.float32))
        self.y = pyautograd.tensor(generator.integers(0, 3, 90))
        self.history = History()
        options = {"every_n_epochs": 2, "resume": True} | options
        self.checkpoint = Checkpoint(path, model=model, optimizer=optimizer, **options)
        self.callbacks = [self.checkpoint, self.history, *more(self)]

    def run(self, epochs: int = EPOCHS, *more: Any, **options: Any) -> np.ndarray[Any, Any]:
        options = {"batch_size": 16} | options
        return self.step.run(self.x, self.y, epochs=epochs, callback=[*self.callbacks, *more], **options)

    def state(self) -> Any:
        return (
            plainly(self.model.state_dict()),
            plainly(self.optimizer.state_dict()),
            self.history.to_dict(),
            pyautograd.get_rng_state(),
        )


def plainly(thing: Any) -> Any:
    if isinstance(thing, Tensor):
        return thing.tolist()
    if isinstance(thing, dict):
        return {key: plainly(each) for key, each in thing.items()}
    return [plainly(each) for each in thing] if isinstance(thing, list | tuple) else thing
