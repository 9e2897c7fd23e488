"""A small net of a parameter, a buffer and two layers, and the names of what it holds."""

import pyautograd as pa
from pyautograd import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(pa.ones(1))
        self.fc1 = nn.Linear(2, 3)
        self.register_buffer("mean", pa.zeros(2))
        self.fc2 = nn.Linear(3, 1, bias=False)
        self.offset = nn.Parameter(pa.zeros(1))

    def forward(self, x):
        return self.fc2(self.fc1(x - self.mean).relu()) * self.scale + self.offset


def names(pairs):
    return [name for name, _ in pairs]
