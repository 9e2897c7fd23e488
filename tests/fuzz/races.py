"""Threads in one tensor, with work that is long enough to run without the GIL.

Whoever comes in another's way is refused with a RuntimeError that says so; all others get right numbers: every element
of the tensor is the same at every moment that anyone sees.
"""

import io
import random
import threading

import numpy as np

import pyautograd as pa

N, ROWS = 1100, 32
REFUSALS = ("another thread", "another one, in another thread", "modified in place since")


class Race:
    """A weight that starts as ones, and how often threads have added 1 to it and run backward into it."""

    def __init__(self):
        self.weight = pa.ones(N, N, requires_grad=True)
        self.x = pa.ones(ROWS, N)
        self.additions, self.backwards, self.errors = [], [], []

    def add(self):
        with pa.no_grad():
            self.weight.add_(1)
        self.additions.append(1)

    def multiply(self):
        with pa.no_grad():
            assert_uniform((self.weight * 2).numpy())

    def product(self):
        with pa.no_grad():
            assert_uniform((self.x @ self.weight).numpy())

    def backward(self):
        (self.x @ self.weight).sum().backward()
        self.backwards.append(1)

    def grad(self):
        (gradient,) = pa.autograd.grad((self.x @ self.weight).sum(), self.weight)
        assert (gradient.numpy() == ROWS).all()

    def save(self):
        file = io.BytesIO()
        pa.save({"weight": self.weight}, file)
        file.seek(0)
        assert_uniform(pa.load(file)["weight"].numpy())

    def run(self, actions):
        for action in actions:
            try:
                getattr(self, action)()
            except RuntimeError as error:
                if not any(text in str(error) for text in REFUSALS):
                    self.errors.append(error)
            except Exception as error:
                self.errors.append(error)


def assert_uniform(array):
    assert (array == array.flat[0]).all() and array.flat[0] >= 1


def race(seed, threads=3, length=4):
    """Lets threads do random things to one tensor. **Raises** what went wrong in one, and AssertionError."""
    rng = random.Random(seed)
    here = Race()
    actions = ["add", "multiply", "product", "backward", "grad", "save"]
    workers = [threading.Thread(target=here.run, args=(rng.choices(actions, [3, 2, 2, 3, 2, 1], k=length),))
               for _ in range(threads)]  # fmt: skip
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if here.errors:
        raise here.errors[0]
    assert (here.weight.detach().numpy() == 1 + len(here.additions)).all()
    expected = ROWS * len(here.backwards)
    assert here.weight.grad is None if expected == 0 else np.all(here.weight.grad.numpy() == expected)
