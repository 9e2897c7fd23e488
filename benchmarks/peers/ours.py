"""pyautograd's compiled training step: a whole stretch of steps in one call of `step.run`, and a call a step."""

from __future__ import annotations

from typing import Any

import numpy as np

import pyautograd as pa
from pyautograd import optim
from pyautograd.bench._engines import OursTrainer, Problem
from pyautograd.bench._measure import now

RUN, CALL, EAGER = "pyautograd run", "pyautograd call", "pyautograd eager"
RECORDED = 2  # calls of a signature before its program exists


class Eager(OursTrainer):
    """pyautograd's Tensors, an operation a call."""


class Call(OursTrainer):
    """The step under `@pyautograd.compile`, called once a batch."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.prepare()

    def prepare(self) -> None:
        """A new model and its recorded step; `reset` restores the weights alone, which leaves the program valid."""
        self.model = type(self.model)(self.problem.sizes[0], list(self.problem.sizes[1:]))
        self.load()
        self.optimizer = optim.Adam(self.model.parameters(), lr=self.problem.lr)

        @pa.compile
        def step(x: pa.Tensor, y: pa.Tensor) -> pa.Tensor:
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            return loss

        self.step = step

    def losses(self, steps: int) -> list[float]:
        self.prepare()
        pairs = zip(self.problem.cycle(self.batches), range(steps))
        return [self.step(*batch).item() for batch, _ in pairs]

    def run(self, steps: int) -> dict[str, float]:
        self.load()
        batches = self.problem.cycle(self.batches)
        step = self.step
        for _ in range(RECORDED if not step.programs else 0):
            step(*next(batches))
        start = now()
        for batch, _ in zip(batches, range(steps)):
            step(*batch)
        return {"step": now() - start}


class Run(Call):
    """The same step, run over all batches as often as it takes by one call."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.X, self.Y = (pa.tensor(np.concatenate(arrays)) for arrays in zip(*problem.batches, strict=True))

    def losses(self, steps: int) -> list[float]:
        self.prepare()
        return self.over(steps)[:steps].tolist()  # type: ignore[no-any-return]

    def over(self, steps: int) -> Any:
        """The losses of at least so many steps: whole epochs."""
        epochs = -(-steps // len(self.batches))
        return self.step.run(self.X, self.Y, batch_size=self.problem.batch_size, epochs=epochs, shuffle=False)

    def run(self, steps: int) -> dict[str, float]:
        self.load()
        if not self.step.programs:
            self.over(RECORDED + 1)
        start = now()
        done = len(self.over(steps))
        return {"step": (now() - start) / done * steps}


def compiles() -> bool:
    """Whether this pyautograd has `compile`."""
    return hasattr(pa, "compile")


def engines(problem: Problem) -> dict[str, Any]:
    """All of ours that there are, the best first."""
    compiled: dict[str, Any] = {RUN: Run(problem), CALL: Call(problem)} if compiles() else {}
    return {**compiled, EAGER: Eager(problem)}
