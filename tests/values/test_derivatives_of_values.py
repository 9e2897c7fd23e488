"""Gradients of Values as Values: of any order, eagerly and in programs, also where a branch changes between calls."""

import pytest
from elementwise import ROWS, draw, parameters

import pyautograd as pa
from pyautograd._core import apply
from pyautograd.scalar import MLP, Value, grad

SMOOTH = [name for name in ROWS if name != "where"]


@pytest.mark.parametrize("name", SMOOTH)
def test_rows_have_the_derivatives_that_tensors_have(name: str) -> None:
    numbers = [float(array) for array in draw(name, *((),) * ROWS[name].operands)]
    values = [Value(number) for number in numbers]
    tensors = [pa.tensor(number, dtype=pa.float64, requires_grad=True) for number in numbers]
    y = apply(ROWS[name].number, *values, *parameters(name))
    z = apply(ROWS[name].number, *tensors, *parameters(name))
    for _ in range(3):
        (y,) = grad(y, values[:1], create_graph=True, allow_unused=True)
        (z,) = pa.autograd.grad(z, tensors[:1], create_graph=True, allow_unused=True) if z.requires_grad else (None,)
        assert (0.0 if y is None else y.data) == pytest.approx(0.0 if z is None else z.item(), rel=1e-12)
        if y is None or z is None:
            return


def test_a_net_of_neurons_is_differentiated_twice() -> None:
    net, x = MLP(2, [3, 1]), [Value(0.5), Value(-0.3)]
    slopes = grad(net(x), x, create_graph=True)
    penalty = slopes[0] * slopes[0] + slopes[1] * slopes[1]
    penalty.backward()
    before = [p.grad for p in net.parameters()]
    weight = net.parameters()[0]
    h, ends = 1e-6, []
    for step in (h, -2 * h):
        weight.data += step
        found = grad(net(x), x)
        ends.append(sum(each.data**2 for each in found if each is not None))
    assert before[0] == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-6)


def test_a_program_stays_right_when_the_branch_changes() -> None:
    def step(x: Value) -> Value:
        y = x.relu() * x * x + x.pow(3) * Value(0.5) + (x * x).tanh()
        (slope,) = grad(y, x, create_graph=True)
        (curvature,) = grad(slope, x, create_graph=True)
        return curvature

    compiled = pa.compile(step)
    for number in (0.7, 0.4, -0.6, 1.3, -0.1):
        assert compiled(Value(number)).data == pytest.approx(step(Value(number)).data, rel=1e-14)


def test_no_grad_changes_and_unused_inputs_are_named() -> None:
    x, z = Value(2.0), Value(1.0)
    assert [each.data for each in grad(x * x, [x]) if each is not None] == [4.0] and x.grad == 0.0
    with pytest.raises(RuntimeError, match="input 1"):
        grad(x * x, [x, z])
    assert grad(x * x, [x, z], allow_unused=True)[1] is None
    with pytest.raises(TypeError, match="no Value"):
        grad(x * x, [2.0])  # type: ignore[list-item]
    with pytest.raises(NotImplementedError, match="create_graph"):
        grad(Value(4.0, (x,), "", (4.0,)), x)
