"""Optimisers with PyTorch's names, options and updates; a step over all parameters of a group is one C call.

`foreach`, `fused` and `capturable` are accepted and change nothing: the update is always fused.

>>> import pyautograd as pa
>>> model = pa.nn.Linear(2, 1)
>>> optimizer = pa.optim.Adam(model.parameters(), lr=0.01)
>>> optimizer.zero_grad()
>>> model(pa.ones(4, 2)).sum().backward()
>>> optimizer.step()
"""

from pyautograd.optim import lr_scheduler
from pyautograd.optim._adam import Adam, AdamW
from pyautograd.optim._optimizer import Optimizer
from pyautograd.optim._rmsprop import RMSprop
from pyautograd.optim._sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
