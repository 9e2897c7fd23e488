"""The fuzzer for a few seconds; `make fuzz` runs it for longer. Its oracle is shown to notice what it should."""

import functools

import oracle
import pytest
import steps
import worlds
from programs import write
from races import race
from running import MismatchError, report, run, shortest

import pyautograd

PROGRAMS, STEPS, BATCH = 40, 60, 10


@pytest.mark.parametrize("first", range(0, PROGRAMS, BATCH))
def test_random_programs_do_what_the_oracle_does(first):
    for seed in range(first, first + BATCH):
        lines = write(seed)
        try:
            run(lines)
        except MismatchError:
            pytest.fail(report(seed, lines))


@pytest.mark.parametrize("seed", range(4))
def test_threads_in_one_tensor_get_right_numbers_or_are_refused(seed):
    race(seed)


def test_a_seed_is_a_program():
    assert write(7) == write(7) != write(8)


def test_a_difference_is_found_and_its_program_shortened(monkeypatch):
    """An oracle whose tanh has a wrong gradient: three statements show it."""
    wrong = oracle.value_op("tanh", oracle.np.tanh, lambda g, out, a: (g * (2 - out * out),), "o")
    monkeypatch.setattr(oracle.Handle, "tanh", wrong)
    lines = [
        "t1 = pa.tensor([1.0, 2.0], requires_grad=True)",
        "t2 = t1 * 2.0",
        "t3 = t1.tanh()",
        "t4 = t2[0]",
        "t3.sum().backward()",
        "del t2",
    ]

    def fails(program):
        try:
            run(program)
        except MismatchError as mismatch:
            return str(mismatch)
        return None

    assert "t1.grad" in fails(lines)
    assert shortest(lines, fails) == [lines[0], lines[2], lines[4]]


@pytest.mark.parametrize("first", range(0, STEPS, BATCH))
def test_random_steps_do_what_the_plain_call_does(first):
    for seed in range(first, first + BATCH):
        kind, text = worlds.outcome(steps.write(seed))
        if kind == "difference":
            pytest.fail(worlds.report_case(steps.write(seed)) + text)


def test_a_seed_is_a_step_with_its_world():
    assert steps.write(7) == steps.write(7)
    assert steps.write(7).text() != steps.write(8).text()


def test_a_step_that_keeps_a_float_is_found_and_shortened(monkeypatch):
    def compile(function):
        """A compiler to which floats are constants."""
        numbers = []

        @functools.wraps(function)
        def step(x, number):
            numbers.append(number)
            return function(x, numbers[0])

        return step

    monkeypatch.setattr(pyautograd, "compile", compile)
    world, step = ["x0 = data(1, 3)", "x1 = data(2, 3)"], ["z1 = x + 1.0", "return x * lr"]
    script = ["call(step, x0, 0.5)", "pa.rand(3)", "call(step, x0, 0.25)"]
    case = steps.Case(0, "float64", "global", "compiled", "x, lr", world, step, [], script, frozenset())

    def fails(parts):
        kind, text = worlds.outcome_here(case.of(parts))
        return text if kind == "difference" else None

    assert "results[0] is" in fails(case.parts())
    short = case.of(shortest(case.parts(), fails))
    assert (short.world, short.step, short.script) == (world[:1], step[1:], [script[0], script[2]])


def test_what_a_step_has_changed_is_compared():
    names = {"w": pyautograd.ones(2), "alias": None, "log": [0.5]}
    one, other = [], []
    for found, alias in ((one, names["w"]), (other, pyautograd.ones(2))):
        seen = {}
        for name, value in (names | {"alias": alias}).items():
            worlds.describe(name, value, seen, found)
    differences = [(place, a, b) for (place, a), (_, b) in zip(one, other) if not worlds.equal(a, b)]
    assert differences[0] == ("alias", "is w", "Tensor")
