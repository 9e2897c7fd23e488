"""Steps that store on themselves, integrate, define ops of their own, log, or toss coins in Python."""

import math
import random
from itertools import pairwise
from typing import Any

import pyautograd as torch
from pyautograd import Tensor, nn, optim
from pyautograd.autograd import Function
from pyautograd.nn import functional as F

from ..training import refused
from .script import build, check, normal


def test_neural_ordinary_differential_equation() -> None:
    class ODEFunc(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
            self.nfe = 0

        def forward(self, t: float, y: Tensor) -> Tensor:
            return self.net(y**3) + 0.0 * t  # type: ignore[no-any-return]

    def odeint(func: Any, y: Tensor, times: list[float]) -> Tensor:
        """By the classical method of Runge and Kutta."""
        ys = [y]
        for t0, t1 in pairwise(times):
            h = t1 - t0
            k1 = func(t0, y)
            k2 = func(t0 + h / 2, y + h / 2 * k1)
            k3 = func(t0 + h / 2, y + h / 2 * k2)
            k4 = func(t1, y + h * k3)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            ys.append(y)
        return torch.stack(ys)

    def script() -> Any:
        func = ODEFunc()
        optimizer = optim.RMSprop(func.parameters(), lr=1e-3)
        times = [0.1 * i for i in range(4)]

        def step(y0: Tensor, y: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = torch.mean(torch.abs(odeint(func, y0, times) - y))
            loss.backward()
            optimizer.step()
            return loss

        return step, (func, optimizer)

    check(script, normal(5, 2), normal(4, 5, 2))


class BayesianLinear(nn.Module):
    """Weights with a mean and a spread; a forward leaves its KL divergence on the layer."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.mu = nn.Parameter(torch.randn(n_out, n_in) * 0.1)
        self.rho = nn.Parameter(torch.full((n_out, n_in), -3.0))
        self.kl: Any = 0

    def forward(self, x: Tensor) -> Tensor:
        sigma = torch.log1p(torch.exp(self.rho))
        weight = self.mu + sigma * torch.randn_like(sigma)
        self.kl = (-torch.log(sigma) + (sigma**2 + self.mu**2) / 2 - 0.5).sum()
        return F.linear(x, weight)


def test_bayes_by_backprop() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l1, self.l2 = BayesianLinear(3, 6), BayesianLinear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.l2(torch.tanh(self.l1(x)))  # type: ignore[no-any-return]

        def kl(self) -> Tensor:
            return self.l1.kl + self.l2.kl  # type: ignore[no-any-return]

    def script() -> Any:
        net = Net()
        optimizer = optim.Adam(net.parameters(), lr=1e-2)

        def step(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            optimizer.zero_grad()
            nll = 0.5 * ((net(x) - y) ** 2).sum()
            kl = net.kl()
            loss = nll + kl / 10
            loss.backward()
            optimizer.step()
            return loss, kl

        return step, (net, optimizer)

    check(script, normal(8, 3), normal(8, 1))


class StraightThrough(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1).float()


def test_a_custom_function() -> None:
    def script() -> Any:
        model = nn.ModuleDict({"hidden": nn.Linear(3, 8), "out": nn.Linear(8, 1)})
        optimizer = optim.SGD(model.parameters(), lr=0.05)

        def step(x: Tensor, y: Tensor) -> Tensor:
            h = StraightThrough.apply(model["hidden"](x))
            loss = F.mse_loss(model["out"](h), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step, (model, optimizer)

    check(script, normal(8, 3), normal(8, 1))


class Meter:
    """The running average of what scripts log."""

    def __init__(self) -> None:
        self.history: list[float] = []

    def update(self, value: float) -> None:
        self.history.append(value)


def test_logging_by_item() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.model = nn.MLP(3, [6, 1])
            self.optimizer = optim.Adam(self.model.parameters(), lr=1e-2)
            self.scheduler = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=10)
            self.meter = Meter()
            self.last_loss = math.inf
            self.metrics: dict[str, list[float]] = {"loss": [], "grad_norm": []}

        def train_step(self, x: Tensor, y: Tensor) -> dict[str, float]:
            self.model.train()
            self.optimizer.zero_grad()
            loss = F.huber_loss(self.model(x), y)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.last_loss = loss.item()
            self.meter.update(self.last_loss)
            self.metrics["loss"].append(loss.item())
            self.metrics["grad_norm"].append(norm.item())
            return {"loss": loss.item(), "norm": norm.item()}

    def script() -> Any:
        trainer = Trainer()
        return trainer.train_step, (trainer.model, trainer.optimizer, trainer.metrics, trainer.meter, trainer)

    check(script, normal(8, 3), normal(8, 1))


def test_control_flow_by_python_s_random_is_refused_by_name() -> None:
    def script() -> Any:
        model = nn.Linear(2, 2)

        def step(x: Tensor) -> Tensor:
            if random.random() < 0.5:  # teacher forcing, say
                x = model(x)
            return model(x).sum()  # type: ignore[no-any-return]

        return step, model

    step, _ = build(script)
    text = refused(torch.compile(step), torch.ones(3, 2), match="draws from random")
    assert "outside" in text
