"""Objects of data and training say on one line what they are."""

from typing import Any

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.optim import lr_scheduler
from pyautograd.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    StackDataset,
    Subset,
    TensorDataset,
)

DATA = TensorDataset(pa.zeros(4, 2), pa.arange(4))
ROWS = "TensorDataset(4 rows: float32 (2,), int64 ())"


class Squares(Dataset[int]):
    def __len__(self) -> int:
        return 3


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (DATA, ROWS),
        (Subset(DATA, [0, 2]), f"Subset(2 of {ROWS})"),
        (StackDataset(x="ab", y=[1, 2]), "StackDataset(datasets={'x': 'ab', 'y': [1, 2]})"),
        (ChainDataset(["ab", "c"]), "ChainDataset(['ab', 'c'])"),
        (ConcatDataset([DATA, DATA]), f"ConcatDataset([{ROWS}, {ROWS}])"),
        (RandomSampler(DATA, replacement=True), f"RandomSampler({ROWS}, replacement=True)"),
        (DataLoader(DATA, 32, shuffle=True), f"DataLoader({ROWS}, batch_size=32, shuffle=True)"),
        (DataLoader(Squares(), collate_fn=len), "DataLoader(Squares, shuffle=False, collate_fn=len)"),
        (DataLoader([0] * 10**6), "DataLoader(list of 1000000, shuffle=False)"),
        (DataLoader(np.zeros((9, 9))), "DataLoader(ndarray of 9, shuffle=False)"),
    ],
)
def test_data(made: Any, text: str) -> None:
    assert repr(made) == text


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda o: lr_scheduler.StepLR(o, 2, gamma=0.5), "StepLR(SGD, step_size=2, gamma=0.5, last_epoch=0, lr=0.1)"),
        (lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / 3), "LambdaLR(SGD, last_epoch=0, lr=0.0333333)"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=3), "ReduceLROnPlateau(SGD, patience=3, lr=0.1)"),
        (
            lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ExponentialLR(o, 0.9)]),
            "ChainedScheduler([ExponentialLR(SGD, gamma=0.9, last_epoch=0, lr=0.1)])",
        ),
    ],
)
def test_schedules(make: Any, text: str) -> None:
    assert repr(make(optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1))) == text


def test_a_generator_says_where_its_stream_stands() -> None:
    generator = pa.Generator().manual_seed(7)
    pa.randn(3, generator=generator)
    assert repr(generator).startswith("<pyautograd.Generator, seed 7, ")
    assert not repr(generator).endswith(" 0 numbers drawn>")
