"""First and second derivatives of every row in a compiled step have eager's bits, on each instruction set."""

import numpy as np
import pytest
from test_derivatives import CASES, Call, directional, leaves

import pyautograd as pa

NAMES = sorted({name for name, _, _ in CASES})


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_of_a_row_are_compiled_as_they_are_called(name: str, isa: str) -> None:
    for number, (_, call, arrays) in enumerate(case for case in CASES if case[0] == name):
        if isa != "baseline" and number > 1:
            continue

        def step(*operands: pa.Tensor, call: Call = call) -> list[pa.Tensor]:
            total, second = directional(call, list(operands), False)
            return [total, *second]

        compiled = pa.compile(step)
        for factor in (1.0, 1.0, 0.97):
            operands = leaves(tuple(a * factor for a in arrays))
            for found, wanted in zip(compiled(*operands), step(*operands), strict=True):
                assert found.shape == wanted.shape and found.dtype == wanted.dtype
                np.testing.assert_array_equal(found.detach().numpy(), wanted.detach().numpy())
        assert len(compiled.programs) == 1
