"""What type checkers make of the package: `make lint` runs mypy over this file in strict mode."""

from typing import Any, assert_type

import pyautograd as pa
from pyautograd import Tensor, Value, callbacks, nn, optim
from pyautograd.nn import functional as F


def test_functions_and_methods_give_tensors() -> None:
    x = pa.tensor([0.5, 2.0], requires_grad=True)
    assert_type(x, Tensor)
    assert_type(x.relu(), Tensor)
    assert_type(pa.relu(x), Tensor)
    assert_type(pa.maximum(x, 1.0), Tensor)
    assert_type(x.clamp(0.0, 1.0), Tensor)
    assert_type(pa.as_tensor(x), Tensor)
    assert_type(F.leaky_relu(x * 1, 0.1, inplace=True), Tensor)
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

    assert_type(step, pa.CompiledStep[Tensor])
    assert_type(step(pa.ones(4, 2), pa.ones(4, 1)), Tensor)
    assert_type(pa.compile(model), nn.Sequential)


def test_operators_give_what_their_operands_are() -> None:
    x, v = pa.ones(2), Value(1.0)
    assert_type(2 * x + x / 3 - x @ x, Tensor)
    assert_type(~(x < 1), Tensor)
    assert_type(nn.Parameter(x) * 2, Tensor)
    assert_type(2 * v + v**2, Value)
    assert_type(x.max(), Tensor)
    assert_type(x.max(dim=0).values, Tensor)


def test_a_number_may_be_a_float_or_an_int() -> None:
    def loss_of(x: Tensor) -> float:
        return x.item()

    def correct(x: Tensor) -> int:
        count = 0
        count += (x > 0).sum().item()
        return count

    assert loss_of(pa.ones(1)) == 1.0 and correct(pa.ones(3)) == 3


def test_a_call_of_a_module_gives_what_forward_gives() -> None:
    class Split(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, -x

    assert_type(Split()(pa.ones(2)), tuple[Tensor, Tensor])
    assert_type(nn.Linear(2, 3)(pa.ones(2)), Tensor)
    assert_type(nn.MSELoss()(pa.ones(2), pa.ones(2)), Tensor)


def test_callbacks_are_typed() -> None:
    class Last(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> bool:
            self.loss = logs["loss"]
            return epoch == 1

    history, last = callbacks.History(), Last()
    step = pa.compile(lambda x: x.mean())
    losses = step.run(pa.ones(8), batch_size=4, epochs=9, callback=[history, last, lambda epoch, losses: None])
    assert_type(losses.mean().item(), Any)
    assert_type(history.columns, list[str])
    assert_type(history.to_dict(), dict[str, list[float]])
    assert_type(callbacks.Validation(nn.Identity(), losses, losses, loss="mse").compute(), dict[str, float])
    assert last.loss == 1.0
