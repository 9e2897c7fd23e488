"""The fuzzer for a few seconds; `make fuzz` runs it for longer. Its oracle is shown to notice what it should."""

import oracle
import pytest
from programs import write
from races import race
from running import MismatchError, report, run, shortest

PROGRAMS, BATCH = 40, 10


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
