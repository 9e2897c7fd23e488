"""The step that most trainings have, over any model, optimiser and loss."""

from collections.abc import Callable
from typing import Any

from pyautograd import Tensor, nn, optim
from pyautograd.nn import functional as F

Loss = Callable[..., Tensor]  # of the model's outputs and targets


def train(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, *targets: Any, loss: Loss = F.cross_entropy) -> Any:
    """A step of training: the loss, its gradients, an update. Returns the loss."""
    optimizer.zero_grad()
    total = loss(model(x), *targets)
    total.backward()
    optimizer.step()
    return total


def training_step(model: nn.Module, optimizer: optim.Optimizer, loss: Loss = F.cross_entropy) -> Callable[..., Any]:
    """`train` as a function of x and targets."""

    def step(x: Tensor, *targets: Any) -> Any:
        return train(model, optimizer, x, *targets, loss=loss)

    return step
