"""Optimisers with PyTorch's names, options and updates; a step over all parameters of a group is one C call.

`foreach`, `fused` and `capturable` are accepted and change nothing: the update is always fused.

>>> import pyautograd as pa
>>> model = pa.nn.Linear(2, 1)
>>> optimizer = pa.optim.Adam(model.parameters(), lr=0.01)
>>> optimizer.zero_grad()
>>> model(pa.ones(4, 2)).sum().backward()
>>> optimizer.step()
"""

from pyautograd._absent import say_what_is_missing
from pyautograd.optim import _adam, _composed, _lbfgs, _optimizer, _rmsprop, _sgd, lr_scheduler
from pyautograd.optim._adam import *
from pyautograd.optim._composed import *
from pyautograd.optim._lbfgs import *
from pyautograd.optim._optimizer import *
from pyautograd.optim._rmsprop import *
from pyautograd.optim._sgd import *

__all__ = ["lr_scheduler", "swa_utils"]
__all__ += _adam.__all__
__all__ += _composed.__all__
__all__ += _lbfgs.__all__
__all__ += _optimizer.__all__
__all__ += _rmsprop.__all__
__all__ += _sgd.__all__


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)
