"""Neural networks on Tensors, with the names and meaning of `torch.nn`.

>>> import pyautograd as pa
>>> model = pa.nn.Sequential(pa.nn.Linear(2, 16), pa.nn.ReLU(), pa.nn.Linear(16, 1))
>>> loss = pa.nn.functional.mse_loss(model(pa.zeros(4, 2)), pa.zeros(4, 1))
>>> loss.backward()
>>> all(p.grad is not None for p in model.parameters())
True
"""

from pyautograd._absent import say_what_is_missing
from pyautograd._tensor import Parameter
from pyautograd.nn import (
    _activation,
    _attention,
    _container,
    _convolution,
    _distance,
    _dropout,
    _embedding,
    _generated_modules,
    _linear,
    _loss,
    _mlp,
    _module,
    _norm,
    _recurrent,
    functional,
    init,
    utils,
)
from pyautograd.nn._activation import *
from pyautograd.nn._attention import *
from pyautograd.nn._container import *
from pyautograd.nn._convolution import *
from pyautograd.nn._distance import *
from pyautograd.nn._dropout import *
from pyautograd.nn._embedding import *
from pyautograd.nn._generated_modules import *
from pyautograd.nn._linear import *
from pyautograd.nn._loss import *
from pyautograd.nn._mlp import *
from pyautograd.nn._module import *
from pyautograd.nn._norm import *
from pyautograd.nn._recurrent import *

__all__ = ["Parameter", "functional", "init", "utils"]
__all__ += _activation.__all__
__all__ += _attention.__all__
__all__ += _container.__all__
__all__ += _convolution.__all__
__all__ += _distance.__all__
__all__ += _dropout.__all__
__all__ += _embedding.__all__
__all__ += _generated_modules.__all__
__all__ += _linear.__all__
__all__ += _loss.__all__
__all__ += _mlp.__all__
__all__ += _module.__all__
__all__ += _norm.__all__
__all__ += _recurrent.__all__


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)
