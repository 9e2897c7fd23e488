"""What type checkers make of the package: `make lint` runs mypy over this file in strict mode."""

from typing import Any, assert_type

import pyautograd as pa
from pyautograd import Tensor, Value, nn, optim
from pyautograd.nn import functional as F


def test_functions_and_methods_give_tensors() -> None:
    x = pa.tensor([0.5, 2.0], requires_grad=True)
    assert_type(x, Tensor)
    assert_type(x.relu(), Tensor)
    assert_type(pa.relu(x), Tensor)
    assert_type(pa.maximum(x, 1.0), Tensor)
    assert_type(x.clamp(0.0, 1.0), Tensor)
    assert_type(pa.as_tensor(x), Tensor)
    assert_type(F.leaky_relu(x, 0.1, inplace=True), Tensor)
    assert_type(F.softplus(x, beta=2.0), Tensor)
    assert_type(F.logsigmoid(x), Tensor)
    assert_type(pa.is_tensor(x), bool)


def test_methods_of_values_give_values() -> None:
    v = Value(1.0)
    assert_type(v.tanh(), Value)
    assert_type(v.leaky_relu(0.1), Value)
    assert_type(v.maximum(2.0), Value)


def test_modules_have_types_and_may_be_subclassed() -> None:
    class Exponential(nn.ReLU):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input).exp()

    assert_type(nn.LeakyReLU(0.1), nn.LeakyReLU)
    assert_type(nn.GELU("tanh").forward(pa.ones(2)), Tensor)
    assert_type(Exponential(inplace=True).forward(pa.ones(2)), Tensor)
    assert_type(pa.MLP(2, [1]), nn.MLP)


def test_a_compiled_function_is_a_step() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    @pa.compile
    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    assert_type(step, pa.CompiledStep)
    assert_type(step(pa.ones(4, 2), pa.ones(4, 1)), Any)
