"""The pure-Python engine stands on its own: standard library, no recursion, no cycles, derivatives that are right."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from gradcheck import central_differences
from micrograd_demo import PUBLISHED, train

from pyautograd import reference
from pyautograd.reference import MLP, Value

# Every op with the points to try it at. Exponents and parameters that are no Values stand in the lambda.
UNARY = {
    "neg": (lambda a: -a, (-1.5, 0.3)),
    "abs": (lambda a: abs(a), (-1.5, 0.3)),
    "square": (lambda a: a.square(), (-1.5, 0.3)),
    "power 3": (lambda a: a**3, (-1.5, 0.3)),
    "power -1": (lambda a: a**-1, (-1.5, 0.3)),
    "power 0.5": (lambda a: a**0.5, (1.5, 0.3)),
    "power 2.7": (lambda a: a**2.7, (1.5, 0.3)),
    "reciprocal": (lambda a: a.reciprocal(), (-1.5, 0.3)),
    "sqrt": (lambda a: a.sqrt(), (1.5, 0.3)),
    "clamp": (lambda a: a.clamp(-1, 1), (-1.5, 0.3, 4.0)),
    "exp": (lambda a: a.exp(), (-1.5, 0.3)),
    "expm1": (lambda a: a.expm1(), (-1.5, 0.3)),
    "log": (lambda a: a.log(), (1.5, 0.3)),
    "log1p": (lambda a: a.log1p(), (1.5, -0.3)),
    "sin": (lambda a: a.sin(), (-1.5, 0.3)),
    "cos": (lambda a: a.cos(), (-1.5, 0.3)),
    "erf": (lambda a: a.erf(), (-1.5, 0.3)),
    "relu": (lambda a: a.relu(), (-1.5, 0.3)),
    "leaky_relu": (lambda a: a.leaky_relu(0.2), (-1.5, 0.3)),
    "elu": (lambda a: a.elu(1.3), (-1.5, 0.3)),
    "sigmoid": (lambda a: a.sigmoid(), (-1.5, 0.3)),
    "log_sigmoid": (lambda a: a.log_sigmoid(), (-1.5, 0.3)),
    "tanh": (lambda a: a.tanh(), (-1.5, 0.3)),
    "silu": (lambda a: a.silu(), (-1.5, 0.3)),
    "softplus": (lambda a: a.softplus(2.0, 5.0), (-1.5, 0.3, 4.0)),
    "gelu": (lambda a: a.gelu(), (-1.5, 0.3)),
    "gelu_tanh": (lambda a: a.gelu_tanh(), (-1.5, 0.3)),
}
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "maximum": lambda a, b: a.maximum(b),
    "minimum": lambda a, b: a.minimum(b),
}


def check_derivatives(function, *numbers):
    operands = [Value(x) for x in numbers]
    function(*operands).backward()
    expected = central_differences(
        lambda *moved: function(*(Value(float(x)) for x in moved)).data, *map(np.array, numbers)
    )
    assert [a.grad for a in operands] == pytest.approx([d.item() for d in expected], rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", UNARY)
def test_derivative_of_one_operand_agrees_with_differences(name):
    function, points = UNARY[name]
    for x in points:
        check_derivatives(function, x)


@pytest.mark.parametrize("name", BINARY)
def test_derivatives_of_two_operands_agree_with_differences(name):
    for x, y in ((1.5, 0.3), (0.3, 1.5), (2.0, -0.7)):
        check_derivatives(BINARY[name], x, y)


def test_numbers_stand_on_either_side():
    a = Value(3.0)
    results = [1 + a, 1 - a, 2 * a, 6 / a, 2**a, a + 1, a - 1, a * 2, a / 6, a**2]
    assert [r.data for r in results] == [4, -2, 6, 2, 8, 4, 2, 6, 0.5, 9]
    assert all(isinstance(r.data, float) for r in results)


def test_where_python_raises_numbers_are_ieee():
    assert (Value(1) / 0).data == math.inf
    assert (Value(-1) / 0).data == -math.inf
    assert math.isnan((Value(0) / 0).data)
    assert Value(0).log().data == -math.inf
    assert math.isnan(Value(-1).log().data)
    assert math.isnan(Value(-1).sqrt().data)
    assert Value(1e4).exp().data == math.inf
    assert (Value(0.0) ** -1).data == math.inf
    assert (Value(-0.0) ** -3).data == -math.inf
    assert (Value(-1e300) ** 3).data == -math.inf
    assert math.isnan((Value(-2) ** 0.3).data)
    assert Value(-1e4).sigmoid().data == 0.0


def test_a_long_chain_needs_no_stack():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1e-3
    y.backward()
    assert x.grad == 1.0
    del y


def test_graphs_are_freed_without_the_cycle_collector():
    def alive():
        return sum(type(o) is Value for o in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()
        model = MLP(2, [4, 1])
        loss = (model([1.0, 2.0]) - 1) ** 2
        loss.backward()
        del model, loss
        assert alive() == before
    finally:
        gc.enable()


def test_the_file_runs_alone_on_the_standard_library():
    code = f"import runpy, sys; runpy.run_path({reference.__file__!r}); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-S", "-c", code], check=False).returncode == 0


def test_models_are_copied_and_pickled():
    random.seed(0)
    model = MLP(3, [4, 1])
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin([1, 2, 3]).data == model([1, 2, 3]).data
        assert not set(twin.parameters()) & set(model.parameters())


def test_the_demo_gives_the_published_losses():
    history, _ = train(reference, 3)
    for step, (loss, _) in enumerate(history):
        assert loss == pytest.approx(PUBLISHED[step], abs=5e-11)
    assert history[0][0] == PUBLISHED[0]
