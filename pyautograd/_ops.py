"""The op table as C has it: the number of each op as a module attribute (`_ops.exp`), and what its row says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyautograd._c import lib, text

FAMILIES = ("leaf", "elementwise", "comparison", "logic", "whole")


class OpInfo(NamedTuple):
    """One row of the table (csrc/ops.def)."""

    number: int
    name: str
    symbol: str
    words: str
    family: str
    operands: int
    parameters: int
    lowest: int  # the code of the lowest dtype that the op computes in: bool, uint8 or float32, the default float

    def differentiable(self, operand: int) -> bool:
        """Has this operand of an elementwise op a gradient?"""
        return bool(lib.pa_op_differentiable(self.number, operand))


def _read(number: int) -> OpInfo:
    return OpInfo(
        number,
        text(lib.pa_op_name(number)),
        text(lib.pa_op_symbol(number)),
        text(lib.pa_op_words(number)),
        FAMILIES[lib.pa_op_family(number)],
        lib.pa_op_operands(number),
        lib.pa_op_parameters(number),
        lib.pa_op_lowest_dtype(number),
    )


table: dict[str, OpInfo] = {row.name: row for row in map(_read, range(lib.pa_op_total()))}


def info(name: str) -> OpInfo:
    """The row of an op by its name in the table."""
    return table[name]


if TYPE_CHECKING:

    def __getattr__(name: str) -> int: ...

else:
    globals().update({name: row.number for name, row in table.items()})
